"""Crypto-shredding: a copy of the data directory from before opens nothing of it with any key that is left."""

import json
import shutil

import audit_log
import pytest
from audit_log import NotIntact

from support.client import Client
from support.iam import client_of
from support.lock import put_locked
from support.server import wait_until
from support.sse import KEY_A, SSE, SSE_KMS_KEY
from support.thief import Thief

LARGE = b"what must be gone " * 20_000
SMALL = b"what must be gone as well"
KEPT = b"what stays"
KILLS = 6


@pytest.fixture
def server(make_server):
    server = make_server(environment={"COFFER_KEY_DESTRUCTION_DELAY_SECONDS": "604800"}).start()
    yield server
    server.close()


def told(server, *arguments):
    done = server.run(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def shred(server, *arguments):
    return told(server, "shred", *arguments, "--yes")


def limits(job):
    return "\n".join(job["cannot_promise"])


def kms_key(server):
    return client_of("kms", server, tls=True).create_key()["KeyMetadata"]["Arn"]


def under(arn):
    return {SSE: "aws:kms", SSE_KMS_KEY: arn}


def filled(server, *buckets):
    """Buckets with an object each that stays."""
    client = Client(server)
    for bucket in buckets:
        assert client.create_bucket(bucket).status == 200
        assert client.put(bucket, "kept", KEPT).status == 200
    return client


def copied(server, folder):
    """A copy of the data directory of now, and everything in it that opens now."""
    assert server.stop() == 0
    thief = Thief(server, folder)
    opened = thief.open([KEY_A.raw])
    server.start()
    return thief, opened


def opened(server, thief):
    assert server.stop() == 0
    found = thief.open([KEY_A.raw])
    server.start()
    return found


def public_key(server):
    return bytes.fromhex(told(server, "audit", "verify")["public_key"])


def test_a_copy_opens_nothing_of_a_version_with_any_key_that_is_left(server, tmp_path):
    client, arn = filled(server, "photos"), kms_key(server)
    doomed = {"small": (SMALL, {}), "large": (LARGE, {}), "kms": (LARGE, under(arn)), "customer": (LARGE, KEY_A.headers())}
    for key, (body, headers) in doomed.items():
        assert client.put("photos", key, body, headers).status == 200
    thief, before = copied(server, tmp_path)
    assert before.bodies() == sorted([KEPT, SMALL, LARGE, LARGE, LARGE]) and before.envelopes == 5
    for number, key in enumerate(doomed):
        job = shred(server, f"s3://photos/{key}", f"--report={tmp_path / key}")
        assert job["state"] == "done" and job["failed"] == 0
        assert [(it["what"], it["generation"]) for it in job["destroyed"]] == [
            ("object version", None), ("bucket key", number + 1), ("root key", number + 1)]
        assert client.get("photos", key).status == 404
    assert "under keys of customers" in limits(job)
    after = opened(server, thief)
    assert (after.envelopes, after.versions) == (0, {})
    # The copy does not even open as it lies there: its own bootstrap file is under a root key that is gone.
    assert server.run("dump", data=thief.folder / "copy").returncode == 1
    assert client.get("photos", "kept").body == KEPT
    # A copy from now has what stays, and what was shredded is not in it.
    again, now = copied(server, tmp_path / "again")
    assert now.bodies() == [KEPT]


def test_a_copy_opens_nothing_of_a_bucket_with_versions_and_uploads(server, tmp_path):
    client = filled(server, "doomed", "neighbour")
    s3 = client_of("s3", server, tls=True)
    s3.put_bucket_versioning(Bucket="doomed", VersioningConfiguration={"Status": "Enabled"})
    for body in (SMALL, LARGE):
        assert client.put("doomed", "versions", body).status == 200
    assert client.delete("doomed", "kept").status == 204
    upload = client.new_upload("doomed", "upload")
    assert client.upload_part("doomed", "upload", upload, 1, LARGE).status == 200
    thief, before = copied(server, tmp_path)
    assert before.bodies() == sorted([KEPT, KEPT, SMALL, LARGE]) and before.envelopes == 5
    job = shred(server, "s3://doomed")
    assert job["found"] == ["The bucket held 4 versions and 1 uploads in progress."]
    after = opened(server, thief)
    assert (after.envelopes, after.bodies()) == (1, [KEPT]), "the other bucket, whose keys are in use"
    assert client.get("doomed", "versions").status == 404
    assert [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]] == ["neighbour"]
    assert client.get("neighbour", "kept").body == KEPT
    assert client.create_bucket("doomed").status == 200
    assert client.get("doomed", "versions").status == 404


@pytest.mark.parametrize("state", ["enabled", "disabled", "pending"])
def test_a_copy_opens_nothing_under_a_kms_key_in_any_bucket(server, tmp_path, state):
    client, arn, other = filled(server, "one", "two"), kms_key(server), kms_key(server)
    kms = client_of("kms", server, tls=True)
    kms.create_alias(AliasName="alias/doomed", TargetKeyId=arn)
    for bucket, body in (("one", SMALL), ("two", LARGE)):
        assert client.put(bucket, "doomed", body, under(arn)).status == 200
    assert client.put("two", "other", KEPT, under(other)).status == 200
    thief, before = copied(server, tmp_path)
    assert before.bodies() == sorted([KEPT, KEPT, KEPT, SMALL, LARGE])
    if state == "disabled":
        kms.disable_key(KeyId=arn)
    elif state == "pending":
        kms.schedule_key_deletion(KeyId=arn)
    job = shred(server, "kms:alias/doomed")
    assert "protected 2 versions and 0 uploads" in job["found"][0]
    assert [(it["what"], it["generation"]) for it in job["destroyed"]] == [
        ("KMS key", 1), ("KMS key", None), ("root key", 1)]
    after = opened(server, thief)
    assert after.bodies() == [KEPT, KEPT, KEPT]
    for bucket in ("one", "two"):
        assert 400 <= client.get(bucket, "doomed").status < 500
        assert client.get(bucket, "kept").body == KEPT
    assert client.get("two", "other").body == KEPT
    assert client.put("one", "new", KEPT, under(arn)).status == 400
    done = server.run("shred", f"kms:{arn}", "--yes")
    assert done.returncode == 1 and "does not exist" in done.stderr


def test_the_report_is_signed_and_another_one_is_not_believed(server, tmp_path):
    client, key = filled(server, "photos"), public_key(server)
    name = 'a "name"\nnot promised: nothing'
    assert client.put("photos", name, SMALL).status == 200
    path = tmp_path / "report"
    job = shred(server, f"s3://photos/{name}", f"--report={path}")
    assert path.stat().st_mode & 0o777 == 0o600
    signed = path.read_bytes()
    said = audit_log.verify_report(signed, key)
    assert said["job"] == [job["id"]] and said["state"] == ["done"]
    assert said["task"] == [f"shred the current version of {json.dumps('s3://photos/' + name)}"]
    assert said["not promised"] == job["cannot_promise"] and len(said["destroyed"]) == 3
    # The server and the command line say the same, and later as well.
    assert server.run("job", "report", job["id"]).stdout.encode() == signed
    for how in ([], ["--public-key", key.hex()]):
        done = server.run("audit", "verify-report", str(path), *how)
        assert done.returncode == 0 and "The signature holds" in done.stdout, done.stderr
    for changed in (signed.replace(b"state: done", b"state: gone"), signed.replace(b"not promised: ", b"promised: ", 1),
                    signed[: signed.rindex(b"signature")], signed + b"more: lines\n"):
        path.write_bytes(changed)
        with pytest.raises(NotIntact):
            audit_log.verify_report(changed, key)
        for how in ([], ["--public-key", key.hex()]):
            assert server.run("audit", "verify-report", str(path), *how).returncode == 1
    # No name in the log, and what was done is in the audit log.
    assert 'a \\"name' not in server.log() and 'a "name' not in server.log()
    actions = [entry["action"] for entry in told(server, "audit", "show", "--count=200")]
    for action in ("coffer:Shred", "coffer:ShredVersion", "coffer:DestroyBucketKeyGeneration",
                   "coffer:DestroyRootKeyGeneration", "coffer:SignReport"):
        assert action in actions, action
    assert server.run("audit", "verify").returncode == 0


def test_what_must_not_go_does_not(server, tmp_path):
    client = filled(server, "photos")
    s3 = client_of("s3", server, tls=True)
    s3.create_bucket(Bucket="locked", ObjectLockEnabledForBucket=True)
    assert put_locked(client, "locked", "object", status="ON")
    assert client.put("photos", "original", LARGE).status == 200
    assert client.copy("photos", "copy", "photos", "original").status == 200
    taken = tmp_path / "report"
    taken.write_text("precious")
    for arguments, said in (
            (("s3://photos/kept",), "Say --yes"), (("s3://photos/none", "--yes"), "no such object"),
            (("s3://none", "--yes"), "no such bucket"), (("s3://photos/kept", "--version-id=x", "--yes"), "no such version"),
            (("s3://photos", "--version-id=null", "--yes"), "only an object has versions"),
            (("photos/kept", "--yes"), "is none of"), (("s3://photos/", "--yes"), "the bucket itself is s3://photos"),
            (("kms:alias/none", "--yes"), "is not found"), (("s3://photos/kept", f"--report={taken}", "--yes"), "cannot be made"),
            (("s3://locked/object", "--yes"), "a retention or a legal hold"), (("s3://locked", "--yes"), "the job failed"),
            (("s3://photos/original", "--yes"), "the job failed")):
        done = server.run("shred", *arguments)
        assert done.returncode == 1 and said in done.stderr, (arguments, done)
        assert "nothing was destroyed" in (done.stdout + done.stderr).lower() or said != "the job failed", done
    assert taken.read_text() == "precious"
    assert [each["state"] for each in told(server, "key", "show")["generations"]] == ["active"]
    assert client.get("locked", "object").status == 200 and client.get("photos", "copy").body == LARGE
    job = shred(server, "s3://photos/original", "--even-if-shared")
    assert "1 other objects or versions share" in limits(job)
    assert client.get("photos", "copy").body == LARGE


def test_with_backups_kept_they_still_open_and_the_report_says_so(server, make_server, tmp_path):
    client = filled(server, "photos")
    assert client.put("photos", "doomed", SMALL).status == 200
    backup = tmp_path / "backups"
    assert server.run("backup", "create", str(backup)).returncode == 0
    job = shred(server, "s3://photos/doomed", "--keep-backups")
    assert "Older generations of the root key were kept" in limits(job)
    assert server.run("backup", "verify", str(backup)).returncode == 0
    assert client.put("photos", "second", SMALL).status == 200
    job = shred(server, "s3://photos/second")
    assert "cannot be restored any more" in limits(job)
    assert server.run("backup", "verify", str(backup)).returncode == 1


def test_a_restored_store_is_accepted_before_anything_is_shredded(server, make_server, tmp_path):
    filled(server, "photos")
    assert server.run("backup", "create", str(tmp_path / "backups")).returncode == 0
    server.stop()
    other = make_server()
    shutil.copytree(server.key_file.parent, other.key_file.parent, dirs_exist_ok=True)
    assert other.run("restore", str(tmp_path / "backups")).returncode == 0
    shutil.copytree(server.data / "blobs", other.data / "blobs", dirs_exist_ok=True)
    other.start()
    done = other.run("shred", "s3://photos/kept", "--yes")
    assert done.returncode == 1 and "coffer backup accept" in done.stderr
    assert Client(other).get("photos", "kept").body == KEPT
    assert other.run("backup", "accept").returncode == 0
    assert shred(other, "s3://photos/kept")["state"] == "done"
    other.close()


def test_without_a_server_the_command_line_does_it(server, tmp_path):
    client = filled(server, "photos")
    assert client.put("photos", "doomed", LARGE).status == 200
    thief, _ = copied(server, tmp_path)
    server.stop()
    assert shred(server, "s3://photos/doomed")["state"] == "done"
    server.start()
    assert client.get("photos", "doomed").status == 404 and client.get("photos", "kept").body == KEPT
    assert opened(server, thief).versions == {}


def test_killed_again_and_again_it_converges(server, tmp_path):
    client = filled(server, "photos", "neighbour")
    for number in range(40):
        assert client.put("photos", f"doomed-{number}", LARGE if number % 4 == 0 else SMALL).status == 200
    thief, before = copied(server, tmp_path)
    assert len(before.versions) == 42
    jobs = [shred(server, "s3://photos/doomed-0", "--detach")["id"], shred(server, "s3://photos", "--detach")["id"]]
    for kill in range(KILLS):
        server.kill()
        server.start()
        wait_until(lambda: server.run("job", "list").returncode == 0, 30, "it answers")
    done = lambda: {job["id"]: job["state"] for job in told(server, "job", "list")}
    wait_until(lambda: "running" not in done().values(), 300, "every job is over")
    assert done()[jobs[1]] == "done"
    after = opened(server, thief)
    assert after.bodies() == [KEPT], "the other bucket's"
    assert client.get("photos", "doomed-1").status == 404 and client.get("neighbour", "kept").body == KEPT
    assert server.run("audit", "verify").returncode == 0

"""Backups of the metadata, taken while a server runs, and restored on a machine that has nothing but the root key."""

import json
import shutil

import pytest

from support.client import Client
from support.iam import client_of
from support.server import wait_until
from support.sse import KEY_A

BUCKET = "canary-backup-bucket"
BIG = b"a canary body " * 20_000


def run(server, *arguments):
    done = server.run(*arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def create(server, folder, *options):
    return json.loads(run(server, "backup", "create", str(folder), "--json", *options))


@pytest.fixture
def written(make_server):
    """A running server with objects of two modes, large and small."""
    server = make_server().start()
    client = Client(server)
    assert client.create_bucket(BUCKET).status == 200
    for index in range(50):
        assert client.put(BUCKET, f"canary-small/{index}", b"body %d" % index).status == 200
    assert client.put(BUCKET, "big", BIG).status == 200
    assert client.put(BUCKET, "customer", BIG, KEY_A.headers()).status == 200
    return server


def elsewhere(make_server, server, folder, blobs=True, *options):
    """A new machine: the root key is brought, the metadata restored, the blobs are copied."""
    other = make_server()
    shutil.copytree(server.key_file.parent, other.key_file.parent, dirs_exist_ok=True)
    told = json.loads(run(other, "restore", str(folder), "--json", *options))
    if blobs:
        shutil.copytree(server.data / "blobs", other.data / "blobs")
    return other, told


def test_a_backup_brings_everything_back_on_another_machine(written, make_server, tmp_path):
    folder = tmp_path / "backups"
    taken = create(written, folder)
    other, told = elsewhere(make_server, written, folder)
    assert told["id"] == taken["id"] and told["rows"] >= taken["rows"] and told["closed"] == []
    client = Client(other.start())
    assert client.get(BUCKET, "canary-small/7").body == b"body 7"
    assert client.get(BUCKET, "big").body == BIG
    assert client.get(BUCKET, "customer", KEY_A.headers()).body == BIG
    assert client.put(BUCKET, "new", b"new").status == 200
    accepted = json.loads(run(other, "backup", "accept", "--json"))
    assert (accepted["missing"], accepted["extra"], accepted["accepted"]) == (0, 0, True)
    assert other.run("backup", "accept").returncode != 0, "there is nothing to accept any more"
    assert run(other, "audit", "verify").startswith("intact: ")
    actions = [entry["action"] for entry in json.loads(run(other, "audit", "show", "--json"))]
    assert "coffer:AcceptRestore" in actions


def test_the_next_backup_writes_what_changed(written, tmp_path):
    folder = tmp_path / "backups"
    first = create(written, folder)
    again = create(written, folder)
    assert again["bytes_written"] < first["bytes_written"] or first["chunks"] == 1
    listed = json.loads(run(written, "backup", "list", str(folder), "--json"))
    assert [backup["id"] for backup in listed] == [first["id"], again["id"]]
    assert json.loads(run(written, "backup", "verify", str(folder), "--json"))["problems"] == []
    pruned = json.loads(run(written, "backup", "prune", str(folder), "--keep=1", "--json"))
    assert (pruned["kept"], pruned["removed"]) == (1, 1)
    assert json.loads(run(written, "backup", "verify", str(folder), "--json"))["id"] == again["id"]


def test_nothing_of_a_backup_is_readable(written, tmp_path):
    folder = tmp_path / "backups"
    create(written, folder)
    for path in folder.rglob("*"):
        assert "canary" not in path.name
        if path.is_file():
            content = path.read_bytes()
            assert b"canary" not in content and b"body" not in content, path


def test_an_old_backup_removes_no_newer_blob_by_itself(written, make_server, tmp_path):
    folder = tmp_path / "backups"
    create(written, folder)
    client = Client(written)
    assert client.put(BUCKET, "written later", BIG).status == 200
    assert client.request("DELETE", BUCKET, "big").status == 204
    environment = {"COFFER_GARBAGE_GRACE_SECONDS": "1"}
    other = make_server(environment=environment)
    shutil.copytree(written.key_file.parent, other.key_file.parent, dirs_exist_ok=True)
    run(other, "restore", str(folder))
    shutil.copytree(written.data / "blobs", other.data / "blobs")
    blobs = len(list(other.blob_files()))
    other.start()
    looked = json.loads(run(other, "backup", "accept", "--check", "--json"))
    assert (looked["missing"], looked["extra"], looked["accepted"]) == (0, 1, False)
    # A collection has come and gone.
    other.restart()
    assert len(list(other.blob_files())) == blobs
    assert Client(other).get(BUCKET, "big").body == BIG
    run(other, "backup", "accept")
    other.restart()
    wait_until(lambda: len(list(other.blob_files())) == blobs - 1, 60, "the blob that no record names is collected")
    assert Client(other).get(BUCKET, "big").body == BIG


def test_blobs_that_are_missing_are_reported(written, make_server, tmp_path):
    folder = tmp_path / "backups"
    create(written, folder)
    other, _ = elsewhere(make_server, written, folder, blobs=False)
    (other.data / "blobs").mkdir()
    other.start()
    looked = json.loads(run(other, "backup", "accept", "--check", "--names", "--json"))
    assert (looked["named"], looked["missing"]) == (2, 2)
    (lacking,) = looked["incomplete"]
    assert lacking["bucket"] == BUCKET and sorted(lacking["names"]) == ["big", "customer"]
    assert Client(other).get(BUCKET, "big").status == 500
    assert Client(other).get(BUCKET, "canary-small/7").body == b"body 7"


def test_what_is_there_is_not_overwritten_and_a_wrong_key_opens_nothing(written, make_server, tmp_path):
    folder = tmp_path / "backups"
    create(written, folder)
    stranger = make_server().start()
    stranger.stop()
    refused = stranger.run("restore", str(folder))
    assert refused.returncode != 0
    other = make_server()
    shutil.copytree(stranger.key_file.parent, other.key_file.parent, dirs_exist_ok=True)
    refused = other.run("restore", str(folder))
    assert refused.returncode != 0 and "another root key" in refused.stderr, refused.stderr
    assert not (other.data / "metadata.redb").exists()


def test_a_damaged_backup_is_refused(written, make_server, tmp_path):
    folder = tmp_path / "backups"
    create(written, folder)
    largest = max((path for path in folder.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    content = bytearray(largest.read_bytes())
    content[len(content) // 2] ^= 1
    largest.write_bytes(content)
    assert written.run("backup", "verify", str(folder)).returncode != 0
    other = make_server()
    shutil.copytree(written.key_file.parent, other.key_file.parent, dirs_exist_ok=True)
    assert other.run("restore", str(folder)).returncode != 0
    assert not (other.data / "coffer.store").exists()


def test_it_works_without_a_server_too(written, tmp_path):
    written.stop()
    folder = tmp_path / "backups"
    assert create(written, folder)["rows"] > 50
    assert json.loads(run(written, "backup", "verify", str(folder), "--json"))["problems"] == []


def test_objects_under_keys_of_the_kms_and_the_keys_come_back(written, make_server, tmp_path):
    kms, s3 = client_of("kms", written), client_of("s3", written, tls=True)
    named = kms.create_key(Description="of the backup")["KeyMetadata"]
    kms.create_alias(AliasName="alias/backup", TargetKeyId=named["KeyId"])
    sealed = kms.encrypt(KeyId="alias/backup", Plaintext=b"by a program")["CiphertextBlob"]
    for key, more in {"named": {"SSEKMSKeyId": "alias/backup", "BucketKeyEnabled": True}, "managed": {}}.items():
        s3.put_object(Bucket=BUCKET, Key=key, Body=BIG, ServerSideEncryption="aws:kms", **more)
    s3.put_object(Bucket=BUCKET, Key="twice", Body=BIG, ServerSideEncryption="aws:kms:dsse", SSEKMSKeyId=named["Arn"])
    kms.rotate_key_on_demand(KeyId=named["KeyId"])
    named = kms.describe_key(KeyId="alias/backup")["KeyMetadata"]
    folder = tmp_path / "backups"
    create(written, folder)
    # What happens to a key afterwards is not in the backup.
    kms.disable_key(KeyId=named["KeyId"])

    other, told = elsewhere(make_server, written, folder)
    assert told["closed"] == []
    other.start()
    kms, s3 = client_of("kms", other), client_of("s3", other, tls=True)
    for key, method in {"named": "aws:kms", "managed": "aws:kms", "twice": "aws:kms:dsse"}.items():
        got = s3.get_object(Bucket=BUCKET, Key=key)
        assert got["Body"].read() == BIG and got["ServerSideEncryption"] == method
    assert kms.describe_key(KeyId="alias/backup")["KeyMetadata"] == named
    assert kms.decrypt(CiphertextBlob=sealed)["Plaintext"] == b"by a program"
    kms.disable_key(KeyId=named["KeyId"])
    refused = Client(other).get(BUCKET, "named")
    assert (refused.status, refused.text("Code")) == (400, "KMS.DisabledException")
    assert Client(other).get(BUCKET, "managed").status == 200


def watched(server):
    """What the metrics say of backups: values by name."""
    text = server.admin("/metrics")[1].decode()
    return dict(line.split() for line in text.splitlines() if line.startswith("coffer_backup_"))


def test_the_last_backup_and_how_it_went_can_be_watched(written, tmp_path):
    assert watched(written) == {}
    assert "never backed up" in run(written, "key", "show")
    create(written, tmp_path / "backups")
    first = wait_until(lambda: watched(written), 30, "the metric knows of the backup")
    assert first["coffer_backup_succeeded"] == "1"
    shown = json.loads(run(written, "key", "show", "--json"))
    assert shown["metadata_backup_ms"] // 1000 == int(first["coffer_backup_timestamp_seconds"])
    assert shown["metadata_backup_failed_ms"] is None
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "letter.txt").write_text("not a backup")
    refused = written.run("backup", "create", str(tmp_path / "letters"))
    assert refused.returncode != 0 and "holds no backups" in refused.stderr
    failed = wait_until(lambda: watched(written)["coffer_backup_succeeded"] == "0" and watched(written), 30, "it knows of the failure")
    assert failed["coffer_backup_timestamp_seconds"] == first["coffer_backup_timestamp_seconds"]
    written.restart()
    assert "the last backup of its metadata failed" in written.log()
    create(written, tmp_path / "backups")
    wait_until(lambda: watched(written)["coffer_backup_succeeded"] == "1", 30, "it knows of the next")


def test_a_backup_into_the_data_directory_is_refused(written, tmp_path):
    (tmp_path / "link").symlink_to(written.data)
    for folder in (written.data / "backups", written.data / "blobs" / "backups", tmp_path / "link" / "backups"):
        refused = written.run("backup", "create", str(folder))
        assert refused.returncode != 0 and "would be lost with it" in refused.stderr, refused.stderr
        assert not folder.exists()

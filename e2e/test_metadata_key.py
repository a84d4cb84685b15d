"""A new metadata key: everything is there under it, nothing opens under the old one, and a kill at any moment harms nothing."""

import json
import shutil
import subprocess
import time

import audit_log
import cbor
import pytest
from audit_log import NotIntact

from support.client import Client
from support.iam import allow, client_of, create_user, credentials_of, error_code
from support.key_providers import private_file, section, use
from support.sealed_store import SealedStore
from support.server import wait_until
from support.sse import KEY_A, SSE, SSE_KMS_KEY

BUCKET = "canary-metadata-bucket"
BIG = b"a canary body " * 20_000
KILLS = 12


def ran(server, *arguments):
    done = server.run(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def rotated(server):
    assert server.stop() == 0
    told = ran(server, "key", "rotate-metadata")
    server.start()
    return told


class Filled:
    """A running server with something of everything."""

    def __init__(self, server):
        self.server = server
        client = Client(server)
        assert client.create_bucket(BUCKET).status == 200
        versioning = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
        assert client.request("PUT", BUCKET, query={"versioning": ""}, body=versioning).status == 200
        kms = client_of("kms", server)
        self.key = kms.create_key()["KeyMetadata"]["Arn"]
        kms.create_alias(AliasName="alias/canary", TargetKeyId=self.key)
        self.ciphertext = kms.encrypt(KeyId=self.key, Plaintext=b"plain")["CiphertextBlob"]
        self.older = client.put(BUCKET, "big", b"an older version").header("x-amz-version-id")
        for name, headers in (("big", {}), ("customer", KEY_A.headers()), ("kms", {SSE: "aws:kms", SSE_KMS_KEY: self.key}),
                              ("dsse", {SSE: "aws:kms:dsse", SSE_KMS_KEY: self.key})):
            assert client.put(BUCKET, name, BIG, headers).status == 200
        for number in range(200):
            assert client.put(BUCKET, f"small/{number}", b"body %d" % number).status == 200
        assert client.put(BUCKET, "deleted", b"x").status == 200 and client.delete(BUCKET, "deleted").status == 204
        self.upload = client.new_upload(BUCKET, "parts")
        self.etag = client.upload_part(BUCKET, "parts", self.upload, 1, BIG).etag
        self.user, self.credentials = create_user(client_of("iam", server), policy=allow("s3:GetObject"))

    def check(self):
        """Everything is there, for the root user, for others, and for the KMS; and it can be gone on with."""
        server, client, kms = self.server, Client(self.server), client_of("kms", self.server)
        for name, headers in (("big", {}), ("customer", KEY_A.headers()), ("kms", {}), ("dsse", {})):
            assert client.get(BUCKET, name, headers).body == BIG, name
        assert client.get(BUCKET, "big", query={"versionId": self.older}).body == b"an older version"
        assert client.get(BUCKET, "deleted").status == 404
        listed = client.request("GET", BUCKET, query={"versions": "", "prefix": "b"})
        assert len(listed.xml.findall("Version")) == 2
        listed = client.request("GET", BUCKET, query={"versions": "", "prefix": "deleted"})
        assert (len(listed.xml.findall("Version")), len(listed.xml.findall("DeleteMarker"))) == (1, 1)
        assert all(client.get(BUCKET, f"small/{number}").body == b"body %d" % number for number in range(0, 200, 20))
        parts = client.request("GET", BUCKET, "parts", query={"uploadId": self.upload})
        assert [part.text for part in parts.xml.iterfind("Part/ETag")] == [f'"{self.etag}"']
        assert Client(server, self.credentials).get(BUCKET, "big").body == BIG
        assert Client(server, self.credentials).put(BUCKET, "denied", b"").status == 403
        assert kms.describe_key(KeyId="alias/canary")["KeyMetadata"]["Arn"] == self.key
        assert kms.decrypt(CiphertextBlob=self.ciphertext)["Plaintext"] == b"plain"
        assert client.put(BUCKET, "new", b"new").status == 200 and client.delete(BUCKET, "new").status == 204


@pytest.fixture
def filled(make_server):
    server = make_server(environment={"COFFER_KEY_DESTRUCTION_DELAY_SECONDS": "0"}).start()
    yield Filled(server)
    server.close()


def test_everything_is_there_under_the_new_key_and_backups_from_before_are_restored(filled, make_server, tmp_path):
    server = filled.server
    before = ran(server, "backup", "create", str(tmp_path / "backups"))
    assert ran(server, "key", "show")["metadata_key_generation"] == 1
    told = rotated(server)
    assert told["generation"] == 2 and told["rows"] > before["rows"] - 50 and 0 < told["resealed"] < told["rows"]
    filled.check()
    assert ran(server, "key", "show")["metadata_key_generation"] == 2
    after = ran(server, "backup", "create", str(tmp_path / "backups"))
    for backup in (before, after):
        assert ran(server, "backup", "verify", str(tmp_path / "backups"), f"--id={backup['id']}")["problems"] == []
        other = make_server()
        shutil.copytree(server.key_file.parent, other.key_file.parent, dirs_exist_ok=True)
        ran(other, "restore", str(tmp_path / "backups"), f"--id={backup['id']}")
        shutil.copytree(server.data / "blobs", other.data / "blobs")
        other.start()
        assert Client(other).get(BUCKET, "big").body == BIG
        assert ran(other, "key", "show")["metadata_key_generation"] == (1 if backup is before else 2)
        assert other.stop() == 0
    server.restart()
    filled.check()
    assert rotated(server)["generation"] == 3
    filled.check()


def test_an_independent_decoder_opens_what_is_under_the_new_key(filled):
    rotated(filled.server)
    filled.server.stop()
    store = SealedStore(filled.server)
    assert list(store.system_keys) == [2]
    objects = {each.key: each for each in store.objects()}
    assert objects["big"].open().read_all() == BIG and objects["customer"].open(KEY_A.raw).read_all() == BIG
    assert objects["kms"].open().read_all() == BIG and objects["dsse"].open().read_all() == BIG


def test_a_copy_of_the_old_metadata_opens_with_nothing_that_is_left(filled):
    server = filled.server
    old = server.directory / "copy"
    assert server.stop() == 0
    shutil.copytree(server.data, old)
    ran(server, "key", "rotate-metadata")
    files = {path: path.read_bytes() for path in server.data_files() if "canary" not in path.name}
    assert all(b"canary" not in content for content in files.values())
    current = (server.data / "metadata.redb").read_bytes()
    shutil.copy(old / "metadata.redb", server.data / "metadata.redb")
    refused = server.run("serve")
    assert refused.returncode != 0 and "sealed under another key" in refused.stderr
    # The file that is in the way is left alone, for whoever put it there.
    assert (server.data / "metadata.redb").read_bytes() == (old / "metadata.redb").read_bytes()
    (server.data / "metadata.redb").write_bytes(current)
    # The other way round: the copy's bootstrap file with the new metadata.
    shutil.copy(server.data / "coffer.store", server.directory / "coffer.store")
    shutil.copy(old / "coffer.store", server.data / "coffer.store")
    assert "sealed under another key" in server.run("serve").stderr
    shutil.copy(server.directory / "coffer.store", server.data / "coffer.store")
    # Without the generations of the root key that wrapped it, the old key is gone from the copy.
    ran(server, "key", "rotate-root")
    ran(server, "key", "destroy-generation", "root", "--generation=1", "--yes")
    refused = server.run("serve", data=old)
    assert refused.returncode != 0 and "another root key" not in refused.stderr, refused.stderr
    server.start()
    filled.check()


def test_the_audit_log_is_one_chain_that_every_generation_signs_for_itself(filled):
    server = filled.server
    folder, store_id = server.data / "audit", bytes.fromhex(ran(server, "key", "show")["store_id"])
    before = ran(server, "audit", "verify")
    rotated(server)
    after = ran(server, "audit", "verify", f"--checkpoint={before['checkpoint']}")
    assert after["public_keys"] == {"1": before["public_key"], "2": after["public_key"]}
    assert before["public_key"] != after["public_key"]
    shown = ran(server, "audit", "show", "--count=10000")
    assert len(shown) >= after["entries"] and shown[0]["number"] == 1
    (rotation,) = [entry for entry in shown if entry["action"] == "coffer:RotateMetadataKey"]
    assert rotation["outcome"] == "Done" and rotation["key"].endswith(":2") and "operator uid" in rotation["who"]
    assert server.stop() == 0
    entry_keys, public_keys = SealedStore(server).audit_keys()
    assert {str(generation): key.hex() for generation, key in public_keys.items()} == after["public_keys"]
    log = audit_log.verify(folder, store_id, public_keys)
    actions = [cbor.decode(entry)[1] for entry in audit_log.open_entries(log, entry_keys)]
    assert "coffer:RotateMetadataKey" in actions and actions.count("coffer:OpenStore") == 2
    for keys in ({2: public_keys[2]}, {1: public_keys[2], 2: public_keys[1]}, {1: public_keys[1]}):
        with pytest.raises(NotIntact):
            audit_log.verify(folder, store_id, keys)


def test_sessions_end_with_the_key_that_they_are_sealed_under(filled):
    server = filled.server
    session = credentials_of(client_of("sts", server).get_session_token()["Credentials"])
    assert client_of("s3", server, session).list_buckets()["Buckets"]
    rotated(server)
    assert error_code(client_of("s3", server, session).list_buckets) in ("InvalidToken", "ExpiredToken")
    assert Client(server, filled.credentials).get(BUCKET, "big").body == BIG


def test_a_server_that_runs_is_left_alone(filled):
    refused = filled.server.run("key", "rotate-metadata")
    assert refused.returncode == 1 and "stop the server first" in refused.stderr
    filled.check()


def test_while_the_provider_of_the_root_key_is_away_nothing_is_changed(make_server):
    provider = make_server().start()
    arn = client_of("kms", provider).create_key()["KeyMetadata"]["Arn"]
    server, root = make_server(), provider.credentials
    file = private_file(server.config / "credentials",
                        f'access_key = "{root.access_key}"\nsecret_key = "{root.secret_key}"\n')
    entry = section("other", kind="aws-kms", endpoint=provider.tls_url, region="us-east-1", key_arn=arn,
                    credentials_file=str(file), ca_file=str(provider.ca_file))
    use(server, [entry], root_key="other").start()
    client = Client(server)
    assert client.create_bucket(BUCKET).status == 200 and client.put(BUCKET, "big", BIG).status == 200
    assert server.stop() == 0 and provider.stop() == 0
    before = {path: path.read_bytes() for path in server.data_files()}
    refused = server.run("key", "rotate-metadata")
    assert refused.returncode == 1 and "the key provider" in refused.stderr, refused.stderr
    assert {path: path.read_bytes() for path in server.data_files()} == before
    provider.start()
    assert ran(server, "key", "rotate-metadata")["generation"] == 2
    assert Client(server.start()).get(BUCKET, "big").body == BIG
    assert server.stop() == 0


def test_killed_at_any_moment_it_leaves_everything(filled):
    server = filled.server
    assert server.stop() == 0
    started = time.monotonic()
    ran(server, "key", "rotate-metadata")
    took = time.monotonic() - started
    generations = set()
    for kill in range(KILLS):
        process = subprocess.Popen(
            server.command("key", "rotate-metadata"), env=server.process_environment(), cwd=server.directory,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            # Later and later, up to where it is about to end.
            process.wait(took * (kill + 1) / KILLS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        generations.add(ran(server, "key", "show")["metadata_key_generation"])
        left = sorted(path.name for path in server.data.iterdir())
        assert left == [".lock", "audit", "blobs", "coffer.store", "metadata.redb"]
    assert min(generations) == 2
    server.start()
    filled.check()
    wait_until(lambda: server.run("audit", "verify").returncode == 0, 30, "the audit log is whole")

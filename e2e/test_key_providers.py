"""Root keys and custom key stores with real providers: OpenBao's Transit, Moto's KMS, a second Coffer."""

import json
import shutil
import subprocess
import time

import pytest
from botocore.exceptions import ClientError

from support.iam import client_of
from support.key_providers import DEV_TOKEN, Bao, Moto, private_file, section, use
from support.server import wait_until

BODY = b"sealed under a key that lives elsewhere"


@pytest.fixture(scope="module")
def bao(tmp_path_factory):
    server = Bao(tmp_path_factory.mktemp("bao")).start().with_transit()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def moto(tmp_path_factory):
    server = Moto(tmp_path_factory.mktemp("moto")).start()
    yield server
    server.stop()


def put(server, bucket, key="object"):
    s3 = client_of("s3", server)
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key=key, Body=BODY)


def get(server, bucket, key="object"):
    return client_of("s3", server).get_object(Bucket=bucket, Key=key)["Body"].read()


def check_written_and_read_after_a_restart(server, kind):
    server.start()
    try:
        put(server, "first")
        assert not server.key_file.exists(), "the root is elsewhere"
        server.restart()
        assert get(server, "first") == BODY
        assert f"({kind})" in server.log()
    finally:
        server.close()


def refused(server):
    """What a start says that must fail at once."""
    before = {path: path.read_bytes() for path in server.data_files()}
    outcome = server.run("serve")
    assert outcome.returncode == 1, outcome
    assert {path: path.read_bytes() for path in server.data_files()} == before, "nothing was written"
    assert DEV_TOKEN not in outcome.stderr
    return outcome.stderr


def spawn(server):
    """Starts a server that is not ready soon."""
    with open(server.log_file, "ab") as log:
        server.process = subprocess.Popen(
            server.command("serve"), env=server.process_environment(), cwd=server.directory, stdout=log, stderr=log)


def state(server, name):
    lines = server.admin("/metrics")[1].decode().splitlines()
    return next(line.split()[-1] for line in lines if line.startswith(f'coffer_key_provider_up{{provider="{name}"}}'))


def test_transit_holds_the_root(make_server, bao):
    server = use(make_server(), [bao.section("vault")], root_key="vault")
    check_written_and_read_after_a_restart(server, "transit")


def test_an_aws_kms_holds_the_root(make_server, moto):
    arn = moto.client().create_key()["KeyMetadata"]["Arn"]
    server = use(make_server(), [moto.section("cloud", arn)], root_key="cloud")
    check_written_and_read_after_a_restart(server, "aws-kms")


def test_a_second_coffer_holds_the_root(make_server, server):
    arn = client_of("kms", server).create_key()["KeyMetadata"]["Arn"]
    mine = make_server()
    root = server.credentials
    file = private_file(mine.config / "credentials",
                        f'access_key = "{root.access_key}"\nsecret_key = "{root.secret_key}"\n')
    entry = section("other", kind="aws-kms", endpoint=server.tls_url, region="us-east-1", key_arn=arn,
                    credentials_file=str(file), ca_file=str(server.ca_file))
    check_written_and_read_after_a_restart(use(mine, [entry], root_key="other"), "aws-kms")


def test_a_role_logs_in_with_least_permissions(make_server, bao):
    bao.call("POST", "sys/auth/approle", {"type": "approle"})
    policy = 'path "transit/+/coffer" { capabilities = ["update"] }'
    bao.call("PUT", "sys/policies/acl/coffer", {"policy": policy})
    bao.call("POST", "auth/approle/role/coffer", {"token_policies": "coffer", "token_ttl": "2s", "token_max_ttl": "4s"})
    role_id = bao.call("GET", "auth/approle/role/coffer/role-id")["data"]["role_id"]
    secret_id = bao.call("POST", "auth/approle/role/coffer/secret-id", {})["data"]["secret_id"]
    file = private_file(bao.directory / "secret-id", secret_id)
    entry = section("vault", kind="transit", endpoint=bao.url, key="coffer", role_id=role_id, secret_id_file=str(file))
    server = use(make_server(), [entry], root_key="vault").start()
    try:
        # Longer than the token may live: it is renewed, and then another one is got.
        deadline, number = time.monotonic() + 6, 0
        while time.monotonic() < deadline:
            put(server, f"bucket-{number}")
            number += 1
    finally:
        server.close()


def test_an_outage_ends_by_itself_and_what_is_open_goes_on(make_server, bao):
    server = use(make_server(), [bao.section("vault")], root_key="vault").start()
    s3 = client_of("s3", server)
    try:
        put(server, "open")
        bao.pause()
        try:
            assert get(server, "open") == BODY, "the key of the bucket is in memory"
            with pytest.raises(ClientError) as refusal:
                s3.create_bucket(Bucket="closed")
            assert refusal.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
            with pytest.raises(ClientError):
                s3.create_bucket(Bucket="closed")
            assert state(server, "vault") == "0"
            assert get(server, "open") == BODY
        finally:
            bao.resume()

        def is_back():
            try:
                s3.create_bucket(Bucket="closed")
            except ClientError:
                return False
            return True

        wait_until(is_back, 30, "the provider is asked again")
        assert state(server, "vault") == "1"
    finally:
        server.close()


def test_a_start_waits_for_a_root_that_is_away(make_server, bao):
    server = use(make_server(), [bao.section("vault")], root_key="vault").start()
    put(server, "bucket")
    assert server.stop() == 0
    bao.pause()
    try:
        spawn(server)
        wait_until(lambda: "waiting for the root key" in server.log(), 30, "the log says so")
        # Told to stop, it does.
        assert server.stop() == 0
        spawn(server)
    finally:
        bao.resume()
    try:
        wait_until(server._ready, 30, "the server is ready")
        assert get(server, "bucket") == BODY
    finally:
        server.close()


def test_a_wrong_key_wrong_credentials_or_a_forgotten_provider_are_refused_at_once(make_server, bao):
    server = use(make_server(), [bao.section("vault")], root_key="vault").start()
    put(server, "bucket")
    assert server.stop() == 0
    bao.call("POST", "transit/keys/another", {"type": "aes256-gcm96"})
    for entry, settings, sentence in [
        (bao.section("vault", key="another"), {}, "is the one that"),
        (bao.section("vault", key="missing"), {}, "there is no key missing"),
        (bao.section("vault", mount="nowhere"), {}, "there is no such key, engine or namespace"),
        (bao.section("vault", token_file=str(private_file(bao.directory / "bad", "bad"))), {}, "token is not valid"),
        (bao.section("other"), {"root_key": "other"}, "is the one that"),
        (bao.section("vault"), {"root_key": "valut"}, "no provider"),
    ]:
        use(server, [entry], **({"root_key": "vault"} | settings))
        assert sentence in refused(server), entry
    use(server, [bao.section("vault")], root_key="vault").start()
    assert get(server, "bucket") == BODY
    server.close()


def test_the_provider_rotates_and_old_keys_open(make_server, bao):
    bao.call("POST", "transit/keys/turning", {"type": "aes256-gcm96"})
    server = use(make_server(), [bao.section("vault", key="turning")], root_key="vault").start()
    try:
        put(server, "before")
        bao.call("POST", "transit/keys/turning/rotate", {})
        put(server, "after")
        server.restart()
        assert [get(server, bucket) for bucket in ["before", "after"]] == [BODY, BODY]
    finally:
        server.close()


def test_a_rotation_at_the_provider_is_followed_without_a_right_to_rotate(make_server, bao):
    bao.call("POST", "transit/keys/followed", {"type": "aes256-gcm96"})
    policy = 'path "transit/encrypt/followed" { capabilities = ["update"] }\n' \
             'path "transit/decrypt/followed" { capabilities = ["update"] }'
    bao.call("PUT", "sys/policies/acl/followed", {"policy": policy})
    token = bao.call("POST", "auth/token/create", {"policies": ["followed"]})["auth"]["client_token"]
    file = private_file(bao.directory / "followed.token", token)
    server = use(make_server(), [bao.section("vault", key="followed", token_file=str(file))], root_key="vault").start()
    try:
        put(server, "bucket")
        refused = server.run("key", "rotate-root")
        assert refused.returncode == 1 and "--rewrap-only" in refused.stderr, refused
        bao.call("POST", "transit/keys/followed/rotate", {})
        done = server.run("key", "rotate-root", "--rewrap-only", "--json")
        assert done.returncode == 0, done.stderr
        counts = {each["generation"]: each["count"] for each in json.loads(done.stdout)["references"]}
        assert counts[1] == 0 and counts[2] > 0
        bao.call("POST", "transit/keys/followed/config", {"min_decryption_version": 2})
        server.restart()
        assert get(server, "bucket") == BODY
        shown = json.loads(server.run("key", "show", "--json").stdout)
        assert shown["generation"] == 2
    finally:
        server.close()


def test_the_root_moves_to_a_provider_and_back(make_server, bao):
    server = make_server().start()
    put(server, "local")
    assert server.stop() == 0
    use(server, [bao.section("vault")], root_key="vault")
    assert "is the one that" in refused(server)
    use(server, [bao.section("vault")], former_root_keys="local").start()
    put(server, "remote")
    assert get(server, "local") == BODY
    assert server.stop() == 0
    use(server, [bao.section("vault")], root_key="local", former_root_keys="vault").start()
    try:
        put(server, "again")
        assert [get(server, bucket) for bucket in ["local", "remote", "again"]] == [BODY] * 3
    finally:
        server.close()


def key_store_of(server):
    (store,) = client_of("kms", server).describe_custom_key_stores()["CustomKeyStores"]
    return store["CustomKeyStoreId"]


def test_a_key_store_holds_the_material_of_kms_keys(make_server, bao):
    server = use(make_server(), [bao.section("vault")], key_stores="vault").start()
    try:
        kms = client_of("kms", server)
        store = key_store_of(server)
        key = kms.create_key(Origin="EXTERNAL_KEY_STORE", CustomKeyStoreId=store)["KeyMetadata"]
        sealed = kms.encrypt(KeyId=key["Arn"], Plaintext=BODY)["CiphertextBlob"]
        server.restart()
        kms = client_of("kms", server)
        assert kms.decrypt(CiphertextBlob=sealed)["Plaintext"] == BODY
        assert key_store_of(server) == store, "the id is that of the name"
        server.restart()
        bao.pause()
        try:
            with pytest.raises(ClientError) as refusal:
                client_of("kms", server).decrypt(CiphertextBlob=sealed)
            assert refusal.value.response["ResponseMetadata"]["HTTPStatusCode"] >= 500
            # What has its key elsewhere goes on.
            put(server, "bucket")
        finally:
            bao.resume()

        def is_back():
            try:
                return client_of("kms", server).decrypt(CiphertextBlob=sealed)["Plaintext"] == BODY
            except ClientError:
                return False

        wait_until(is_back, 30, "the key store is asked again")
    finally:
        server.close()


def test_a_backup_names_the_keys_whose_key_store_is_not_there(make_server, bao, tmp_path):
    server = use(make_server(), [bao.section("vault")], key_stores="vault").start()
    try:
        kms = client_of("kms", server)
        here = kms.create_key()["KeyMetadata"]["KeyId"]
        there = kms.create_key(Origin="EXTERNAL_KEY_STORE", CustomKeyStoreId=key_store_of(server))["KeyMetadata"]["KeyId"]
        assert server.run("backup", "create", str(tmp_path / "backups")).returncode == 0
        verified = server.run("backup", "verify", str(tmp_path / "backups"), "--json")
        assert verified.returncode == 0 and json.loads(verified.stdout)["keys"]["KMS key"] == 2, verified.stderr
        assert server.stop() == 0
        other = make_server()
        shutil.copytree(server.key_file.parent, other.key_file.parent, dirs_exist_ok=True)
        restored = json.loads(other.run("restore", str(tmp_path / "backups"), "--json").stdout)
        (closed,) = restored["closed"]
        assert (closed["of"], closed["name"]) == ("KMS key", there) and "is not among `key_stores`" in closed["why"]
        verified = other.run("backup", "verify", str(tmp_path / "backups"))
        assert verified.returncode != 0 and there in verified.stdout and here not in verified.stdout
        assert "keys in it cannot be unwrapped" in verified.stderr
    finally:
        server.close()

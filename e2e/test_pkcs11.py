"""Root keys and KMS keys in a PKCS#11 token: SoftHSM, with keys that cannot leave it."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError

from support.iam import client_of
from support.key_providers import private_file, use
from support.server import wait_until
from support.softhsm import PIN, SoftHsm
from test_key_providers import BODY, get, put, spawn, state

IMMEDIATELY = {"COFFER_KEY_DESTRUCTION_DELAY_SECONDS": "0"}


@pytest.fixture
def hsm(tmp_path):
    return SoftHsm(tmp_path).token().key(1)


@pytest.fixture
def make(make_server, hsm):
    """Makes servers that know the tokens."""
    servers = []

    def make(*sections, **settings):
        server = use(make_server(environment=hsm.environment | IMMEDIATELY), sections or [hsm.section()], **settings)
        servers.append(server)
        return server

    yield make
    for server in servers:
        server.close()
        assert not server.log_file.exists() or PIN not in server.log()


@pytest.fixture
def server(make):
    return make(root_key="hsm").start()


def ran(server, *arguments):
    done = server.run(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    assert PIN not in done.stdout + done.stderr
    return json.loads(done.stdout)


def refused(server):
    """What a start says that must fail at once, and write nothing."""
    def files():
        return {path: path.read_bytes() for path in server.data_files() if path.name != ".lock"}

    before = files()
    outcome = server.run("serve")
    assert outcome.returncode == 1 and PIN not in outcome.stderr, outcome
    assert files() == before
    return outcome.stderr


def is_created(server, bucket):
    try:
        client_of("s3", server).create_bucket(Bucket=bucket)
    except ClientError:
        return False
    return True


def test_a_token_holds_the_root(server):
    put(server, "first")
    assert not server.key_file.exists(), "the root is elsewhere"
    server.restart()
    assert get(server, "first") == BODY
    assert "(pkcs11)" in server.log()
    shown = ran(server, "key", "show")
    assert (shown["provider"], shown["generation"], len(shown["generations"])) == ("pkcs11", 1, 1)


def test_the_key_rotates_in_the_token_and_old_generations_are_destroyed_there(server, hsm):
    put(server, "bucket")
    report = ran(server, "key", "rotate-root")
    assert report["state"] == "done" and report["references"][0] == {"generation": 1, "count": 0}
    assert hsm.keys() == 2
    assert get(server, "bucket") == BODY
    shown = ran(server, "key", "show")
    for root, said in ((f"root:{'0' * 32}", "no root key 000"), (f"root:{shown['root_id']}", "is in use")):
        done = server.run("key", "destroy-generation", root, "--generation=2", "--yes")
        assert done.returncode == 1 and said in done.stderr, done
    destroyed = ran(server, "key", "destroy-generation", f"root:{shown['root_id']}", "--generation=1", "--yes")
    assert destroyed["state"] == "done" and hsm.keys() == 1
    server.restart()
    assert get(server, "bucket") == BODY
    shown = ran(server, "key", "show")
    assert [each["state"] for each in shown["generations"]] == ["destroyed", "active"]


def test_a_rotation_made_with_other_tools_is_followed(server, hsm):
    put(server, "bucket")
    hsm.key(2)
    report = ran(server, "key", "rotate-root", "--rewrap-only")
    assert report["state"] == "done"
    assert [each["count"] > 0 for each in report["references"]] == [False, True]
    assert hsm.keys() == 2, "none was made"
    hsm.tool("--delete-object", "--type", "secrkey", "--label", "coffer-root", "--id", "01")
    server.restart()
    assert get(server, "bucket") == BODY


def test_a_key_is_made_when_the_settings_say_so(make_server, make, tmp_path):
    (tmp_path / "empty").mkdir()
    empty = SoftHsm(tmp_path / "empty").token()
    server = make()
    server.environment |= empty.environment
    assert "has no key coffer-root" in refused(use(server, [empty.section()], root_key="hsm"))
    use(server, [empty.section(create=True)]).start()
    put(server, "bucket")
    server.restart()
    assert get(server, "bucket") == BODY
    assert empty.keys() == 1


def test_a_token_that_is_taken_away_and_put_back_is_used_again(server, hsm):
    put(server, "open")
    hsm.take_away()
    assert get(server, "open") == BODY, "the key of the bucket is in memory"
    with pytest.raises(ClientError) as refusal:
        client_of("s3", server).create_bucket(Bucket="closed")
    assert refusal.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    wait_until(lambda: not is_created(server, "closed") and state(server, "hsm") == "0", 30, "it is left alone")
    hsm.put_back()
    wait_until(lambda: is_created(server, "closed"), 30, "the token is asked again")
    assert state(server, "hsm") == "1"
    assert hsm.keys() == 1


def test_a_start_waits_for_a_token_that_is_away(server, hsm):
    put(server, "bucket")
    assert server.stop() == 0
    hsm.take_away()
    spawn(server)
    wait_until(lambda: "waiting for the root key" in server.log(), 30, "the log says so")
    assert "no token coffer" in server.log()
    hsm.put_back()
    wait_until(server._ready, 30, "the server is ready")
    assert get(server, "bucket") == BODY


def test_what_cannot_be_the_root_is_refused_at_once(server, hsm):
    put(server, "bucket")
    assert server.stop() == 0
    hsm.key(1, "--extractable", label="extractable").key(1, label="another")
    library = hsm.directory / "no-library.so"
    library.write_text("none")
    wrong = private_file(hsm.directory / "wrong.pin", "canary-wrong")
    open_to_all = hsm.directory / "open.pin"
    open_to_all.write_text(PIN)
    open_to_all.chmod(0o644)
    for entry, sentence in [
        (hsm.section(key="extractable"), "CKA_EXTRACTABLE"),
        (hsm.section(key="another"), "is the one that"),
        (hsm.section(key="missing"), "has no key missing"),
        (hsm.section(pin_file=str(wrong)), "not that of the token's user"),
        (hsm.section(pin_file=str(open_to_all)), "chmod 600"),
        (hsm.section(module=str(hsm.directory / "missing.so")), "missing.so"),
        (hsm.section(module=str(library)), "no-library.so"),
        (hsm.section(module="libsofthsm2.so"), "`module`"),
    ]:
        said = refused(use(server, [entry], root_key="hsm"))
        assert sentence in said and "canary" not in said, (entry, said)
    use(server, [hsm.section()]).start()
    assert get(server, "bucket") == BODY


def test_the_root_moves_to_a_token_and_back(make, hsm):
    server = make(root_key="local").start()
    put(server, "local")
    assert server.stop() == 0
    use(server, [hsm.section()], root_key="hsm", former_root_keys="local").start()
    put(server, "token")
    (former,) = ran(server, "key", "show")["former"]
    assert (former["name"], former["provider"]) == ("local", "local keyring")
    done = server.run("key", "destroy-generation", f"root:{former['root_id']}", "--generation=1", "--yes")
    assert done.returncode == 1 and "delete its key file" in done.stderr, done
    assert ran(server, "key", "rotate-root", "--rewrap-only")["state"] == "done"
    assert server.stop() == 0
    server.key_file.rename(server.config / "gone")
    use(server, [hsm.section()], root_key="hsm", former_root_keys="").start()
    assert [get(server, bucket) for bucket in ["local", "token"]] == [BODY] * 2
    assert server.stop() == 0
    (server.config / "gone").rename(server.key_file)
    use(server, [hsm.section()], root_key="local", former_root_keys="hsm").start()
    assert ran(server, "key", "rotate-root")["state"] == "done"
    assert server.stop() == 0
    hsm.tool("--delete-object", "--type", "secrkey", "--label", "coffer-root", "--id", "01")
    use(server, [], root_key="local", former_root_keys="").start()
    assert [get(server, bucket) for bucket in ["local", "token"]] == [BODY] * 2


def test_two_servers_use_one_token(make, hsm):
    hsm.key(1, label="second-root")
    one, two = make(root_key="hsm").start(), make(hsm.section(key="second-root"), root_key="hsm").start()
    for server in (one, two):
        put(server, "bucket")
        assert ran(server, "key", "rotate-root")["state"] == "done"
    for server in (one, two):
        server.restart()
        assert get(server, "bucket") == BODY
    assert hsm.keys() == 4


def test_many_buckets_are_made_at_once(server):
    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(lambda number: is_created(server, f"bucket-{number}"), range(64)))
    put(server, "bucket")
    server.restart()
    assert get(server, "bucket") == BODY


def test_kms_keys_in_a_key_store_of_a_token(make, hsm):
    server = make(key_stores="hsm").start()
    kms = client_of("kms", server)
    (store,) = kms.describe_custom_key_stores()["CustomKeyStores"]
    arn = kms.create_key(Origin="EXTERNAL_KEY_STORE", CustomKeyStoreId=store["CustomKeyStoreId"])["KeyMetadata"]["Arn"]
    sealed = kms.encrypt(KeyId=arn, Plaintext=BODY)["CiphertextBlob"]
    s3 = client_of("s3", server, tls=True)
    s3.create_bucket(Bucket="bucket")
    s3.put_object(Bucket="bucket", Key="object", Body=BODY, ServerSideEncryption="aws:kms", SSEKMSKeyId=arn)
    server.restart()
    assert client_of("kms", server).decrypt(CiphertextBlob=sealed)["Plaintext"] == BODY
    # And without a server: the command line asks the token itself.
    assert server.stop() == 0
    report = ran(server, "inspect", "s3://bucket/object", "--verify-data")
    assert report["sound"] and {check["outcome"] for check in report["checks"]} == {"verified"}
    hsm.take_away()
    report = ran(server, "inspect", "s3://bucket/object")
    assert "not-checked" in {check["outcome"] for check in report["checks"]}, "a token that is away is no damage"
    server.start()
    with pytest.raises(ClientError) as refusal:
        client_of("kms", server).decrypt(CiphertextBlob=sealed)
    assert refusal.value.response["ResponseMetadata"]["HTTPStatusCode"] >= 500
    put(server, "elsewhere")
    hsm.put_back()

    def is_back():
        try:
            return client_of("kms", server).decrypt(CiphertextBlob=sealed)["Plaintext"] == BODY
        except ClientError:
            return False

    wait_until(is_back, 30, "the key store is asked again")

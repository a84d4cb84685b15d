"""The root user's access keys: rotated, deactivated, deleted, made anew; and kept from S3."""

import re

import pytest
import requests

from support.iam import allow, client_of, create_user, credentials_of, error_code
from support.signer import Credentials
from support.tools import Tool

ROOT_ARN = "arn:aws:iam::000000000000:root"


def printed(text):
    """The credentials that the server printed."""
    access_key, secret_key = re.search(r"access key (\S+)\s+secret key (\S+)", text).groups()
    return Credentials(access_key, secret_key)


@pytest.fixture
def made(make_server):
    """A running server that made its root credentials, which are its credentials here, too."""
    server = make_server(credentials=None).start()
    server.made = printed(server.log())
    yield server
    server.close()


def who(server, credentials):
    return client_of("sts", server, credentials).get_caller_identity()["Arn"]


def is_unknown(server, credentials):
    sts, s3 = client_of("sts", server, credentials), client_of("s3", server, credentials)
    return (error_code(sts.get_caller_identity) == "InvalidClientTokenId"
            and error_code(s3.list_buckets) == "InvalidAccessKeyId")


def test_the_root_key_is_rotated_and_the_old_one_never_comes_back(made):
    old = client_of("iam", made, made.made)
    new = credentials_of(old.create_access_key()["AccessKey"])
    assert who(made, new) == ROOT_ARN
    client_of("s3", made, new).list_buckets()
    client_of("iam", made, new).delete_access_key(AccessKeyId=made.made.access_key)
    assert is_unknown(made, made.made)
    made.restart()
    assert is_unknown(made, made.made)
    keys = client_of("iam", made, new).list_access_keys()["AccessKeyMetadata"]
    assert [(key["AccessKeyId"], key["Status"]) for key in keys] == [(new.access_key, "Active")]
    assert made.made.secret_key not in made.log().split("Coffer", 2)[-1], "a later start makes and shows no key"
    made.stop()
    shown = made.run("credentials", "show")
    assert shown.returncode == 1 and "`coffer credentials reset` makes new ones" in shown.stderr


def test_a_deactivated_root_key_stays_so_until_it_is_activated(made):
    iam = client_of("iam", made, made.made)
    new = credentials_of(iam.create_access_key()["AccessKey"])
    iam.update_access_key(AccessKeyId=made.made.access_key, Status="Inactive")
    assert is_unknown(made, made.made)
    made.restart()
    assert is_unknown(made, made.made)
    client_of("iam", made, new).update_access_key(AccessKeyId=made.made.access_key, Status="Active")
    assert who(made, made.made) == ROOT_ARN


def test_an_owner_who_has_lost_every_key_makes_a_new_one(made):
    made_bucket = client_of("s3", made, made.made)
    made_bucket.create_bucket(Bucket="kept")
    client_of("iam", made, made.made).delete_access_key(AccessKeyId=made.made.access_key)
    assert is_unknown(made, made.made)
    in_use = made.run("credentials", "reset")
    assert in_use.returncode == 1 and "stop the server first" in in_use.stderr
    made.stop()
    new = printed(made.run("credentials", "reset").stdout)
    assert new.access_key != made.made.access_key
    assert printed(made.run("credentials", "show").stdout) == new
    made.start()
    assert is_unknown(made, made.made)
    assert who(made, new) == ROOT_ARN
    buckets = client_of("s3", made, new).list_buckets()["Buckets"]
    assert [bucket["Name"] for bucket in buckets] == ["kept"]


def test_a_reset_replaces_a_key_that_is_known_to_others(made):
    made.stop()
    new = printed(made.run("credentials", "reset").stdout)
    made.start()
    assert is_unknown(made, made.made)
    assert who(made, new) == ROOT_ARN


def test_the_key_of_the_environment_is_changed_there(make_server):
    server = make_server().start()
    iam = client_of("iam", server)
    access_key = server.credentials.access_key
    for change in (iam.delete_access_key, lambda **key: iam.update_access_key(**key, Status="Inactive")):
        with pytest.raises(iam.exceptions.UnmodifiableEntityException) as refused:
            change(AccessKeyId=access_key)
        assert "COFFER_ROOT_ACCESS_KEY" in refused.value.response["Error"]["Message"]
    assert who(server, server.credentials) == ROOT_ARN
    server.stop()
    reset = server.run("credentials", "reset")
    assert reset.returncode == 1 and "COFFER_ROOT_ACCESS_KEY" in reset.stderr
    old, server.credentials = server.credentials, Credentials("ANOTHERROOTKEY", "another-root-secret")
    server.start()
    assert is_unknown(server, old)
    assert who(server, server.credentials) == ROOT_ARN


def test_root_is_kept_from_s3_and_not_from_its_users(make_server):
    server = make_server(environment={"COFFER_ROOT_MAY_USE_S3": "false"}).start()
    root_s3 = client_of("s3", server)
    assert error_code(root_s3.list_buckets) == "InvalidAccessKeyId"
    url = client_of("s3", server, signature_version="s3v4").generate_presigned_url("list_buckets")
    assert requests.get(url, timeout=10).status_code == 403
    session = credentials_of(client_of("sts", server).get_session_token()["Credentials"])
    assert error_code(client_of("s3", server, session).list_buckets) == "InvalidAccessKeyId"
    _, user = create_user(client_of("iam", server), policy=allow("s3:*"))
    s3 = client_of("s3", server, user)
    s3.create_bucket(Bucket="of-the-account")
    s3.put_object(Bucket="of-the-account", Key="k", Body=b"data")
    assert error_code(root_s3.get_object, Bucket="of-the-account", Key="k") == "InvalidAccessKeyId"


def test_the_command_line_rotates_the_root_key(made, tmp_path):
    made.credentials = made.made
    aws = Tool("aws", made, tmp_path, arguments=["--endpoint-url", made.url, "--output", "text"])
    line = aws.run("iam", "create-access-key", "--query", "AccessKey.[AccessKeyId,SecretAccessKey]")
    made.credentials = Credentials(*line.split())
    own = Tool("aws", made, tmp_path, arguments=["--endpoint-url", made.url, "--output", "text"])
    own.run("iam", "delete-access-key", "--access-key-id", made.made.access_key)
    assert ROOT_ARN in own.run("sts", "get-caller-identity")
    assert "InvalidClientTokenId" in aws.attempt("sts", "get-caller-identity").stdout


def test_when_a_key_was_last_used_outlives_a_restart(made):
    iam = client_of("iam", made, made.made)
    name, user = create_user(iam, policy=allow("s3:*"))
    client_of("s3", made, user).list_buckets()
    before = iam.get_access_key_last_used(AccessKeyId=user.access_key)
    made.restart()
    after = client_of("iam", made, made.made).get_access_key_last_used(AccessKeyId=user.access_key)
    assert after["AccessKeyLastUsed"] == before["AccessKeyLastUsed"]
    assert (after["UserName"], after["AccessKeyLastUsed"]["ServiceName"]) == (name, "s3")

"""Temporary credentials by STS, and what they are good for in S3."""

import json

import pytest
import requests

from support.iam import allow, client_of, create_user, credentials_of, error_code, unique
from support.signer import Credentials
from support.tools import Tool


@pytest.fixture(scope="module")
def iam(server):
    return client_of("iam", server)


def make_role(iam, principal, policy, actions=("sts:AssumeRole",), **condition):
    name = unique("role")
    statement = {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": list(actions)} | condition
    trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=policy)
    return arn


@pytest.fixture
def bob(iam):
    """A user who may do nothing: name, ARN, credentials."""
    name, credentials = create_user(iam)
    return name, iam.get_user(UserName=name)["User"]["Arn"], credentials


@pytest.fixture
def reader(server, iam, bob, bucket, s3):
    """A session of a role that reads the bucket, with its credentials."""
    s3.put_object(Bucket=bucket, Key="k", Body=b"body")
    role = make_role(iam, bob[1], allow("s3:GetObject", resource=f"arn:aws:s3:::{bucket}/*"))
    answer = client_of("sts", server, bob[2]).assume_role(RoleArn=role, RoleSessionName="session")
    return role, credentials_of(answer["Credentials"])


def test_a_session_may_what_its_role_may(server, bob, bucket, reader):
    s3 = client_of("s3", server, reader[1])
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"body"
    assert error_code(s3.put_object, Bucket=bucket, Key="k", Body=b"") == "AccessDenied"
    assert error_code(client_of("s3", server, bob[2]).get_object, Bucket=bucket, Key="k") == "AccessDenied"


def test_presigned_urls_of_a_session(server, bucket, reader):
    url = client_of("s3", server, reader[1], signature_version="s3v4").generate_presigned_url("get_object", {"Bucket": bucket, "Key": "k"})
    assert "X-Amz-Security-Token" in url
    assert requests.get(url, timeout=30).content == b"body"


def test_tokens_that_are_none(server, bob, bucket, reader):
    good = reader[1]
    other = client_of("sts", server, bob[2]).get_session_token()["Credentials"]
    middle = len(good.session_token) // 2
    flipped = "B" if good.session_token[middle] == "A" else "A"
    tampered = good.session_token[:middle] + flipped + good.session_token[middle + 1:]
    for token, expected in [
        (tampered, "InvalidToken"),
        (good.session_token[:-8], "InvalidToken"),
        (other["SessionToken"], "InvalidToken"),
        ("none", "InvalidToken"),
        (None, "InvalidAccessKeyId"),
    ]:
        credentials = Credentials(good.access_key, good.secret_key, session_token=token)
        assert error_code(client_of("s3", server, credentials).get_object, Bucket=bucket, Key="k") == expected
        sts = client_of("sts", server, credentials)
        assert error_code(sts.get_caller_identity) == "InvalidClientTokenId"
    replayed = Credentials(bob[2].access_key, bob[2].secret_key, session_token=good.session_token)
    assert error_code(client_of("s3", server, replayed).get_object, Bucket=bucket, Key="k") == "InvalidToken"
    client_of("s3", server, good).get_object(Bucket=bucket, Key="k")


def test_a_session_ends_with_its_role(server, iam, bucket, reader):
    s3 = client_of("s3", server, reader[1])
    s3.get_object(Bucket=bucket, Key="k")
    name = reader[0].rsplit("/")[-1]
    trust = json.dumps(iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"])
    iam.delete_role_policy(RoleName=name, PolicyName="p")
    assert error_code(s3.get_object, Bucket=bucket, Key="k") == "AccessDenied"
    iam.delete_role(RoleName=name)
    assert error_code(s3.get_object, Bucket=bucket, Key="k") == "InvalidToken"
    # A role of the same name is another one.
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=allow("s3:*"))
    assert error_code(s3.get_object, Bucket=bucket, Key="k") == "InvalidToken"


def test_a_users_own_session_ends_with_the_user(server, iam, bob, bucket, s3):
    s3.put_object(Bucket=bucket, Key="k", Body=b"body")
    name, _, credentials = bob
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=allow("s3:*"))
    session = credentials_of(client_of("sts", server, credentials).get_session_token()["Credentials"])
    own = client_of("s3", server, session)
    own.get_object(Bucket=bucket, Key="k")
    assert error_code(client_of("iam", server, session).get_user) == "InvalidClientTokenId"
    assert error_code(client_of("sts", server, session).get_session_token) == "AccessDenied"
    iam.delete_user_policy(UserName=name, PolicyName="p")
    assert error_code(own.get_object, Bucket=bucket, Key="k") == "AccessDenied"
    iam.delete_access_key(UserName=name, AccessKeyId=credentials.access_key)
    iam.delete_user(UserName=name)
    assert error_code(own.get_object, Bucket=bucket, Key="k") == "InvalidToken"


def test_session_policies_and_tags_limit(server, iam, bob, new_bucket, s3):
    one, two = new_bucket(), new_bucket()
    for bucket in (one, two):
        s3.put_object(Bucket=bucket, Key="red/k", Body=b"body")
        s3.put_object(Bucket=bucket, Key="blue/k", Body=b"body")
    policy = allow("s3:GetObject", resource="arn:aws:s3:::*/${aws:PrincipalTag/team}/*")
    role = make_role(iam, bob[1], policy, actions=("sts:AssumeRole", "sts:TagSession"))
    answer = client_of("sts", server, bob[2]).assume_role(
        RoleArn=role, RoleSessionName="session", Tags=[{"Key": "team", "Value": "red"}],
        Policy=allow("s3:*", resource=f"arn:aws:s3:::{one}/*"))
    assert 0 < answer["PackedPolicySize"] <= 100
    limited = client_of("s3", server, credentials_of(answer["Credentials"]))
    limited.get_object(Bucket=one, Key="red/k")
    for bucket, key in [(one, "blue/k"), (two, "red/k")]:
        assert error_code(limited.get_object, Bucket=bucket, Key=key) == "AccessDenied"
    assert error_code(limited.delete_object, Bucket=one, Key="red/k") == "AccessDenied"


def test_whoever_is_not_trusted(server, iam, bob):
    role = make_role(iam, bob[1], allow("s3:*"), Condition={"StringEquals": {"sts:ExternalId": "e-1"}})
    sts = client_of("sts", server, bob[2])
    sts.assume_role(RoleArn=role, RoleSessionName="session", ExternalId="e-1")
    assert error_code(sts.assume_role, RoleArn=role, RoleSessionName="session", ExternalId="e-2") == "AccessDenied"
    eve = client_of("sts", server, create_user(iam, policy=allow("*"))[1])
    assert error_code(eve.assume_role, RoleArn=role, RoleSessionName="session", ExternalId="e-1") == "AccessDenied"
    root = client_of("sts", server)
    assert error_code(root.assume_role, RoleArn=role, RoleSessionName="session", ExternalId="e-1") == "AccessDenied"


def test_the_cli_assumes_a_role_by_its_profile(server, iam, bob, tmp_path):
    role = make_role(iam, bob[1], allow("s3:ListAllMyBuckets"))
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws/config").write_text(
        f"[profile bob]\naws_access_key_id = {bob[2].access_key}\naws_secret_access_key = {bob[2].secret_key}\n"
        f"[profile role]\nrole_arn = {role}\nsource_profile = bob\nrole_session_name = cli\n")
    aws = Tool("aws", server, tmp_path, arguments=["--profile", "role"], environment={"AWS_ENDPOINT_URL": server.url})
    del aws.environment["AWS_ACCESS_KEY_ID"], aws.environment["AWS_SECRET_ACCESS_KEY"]
    assert json.loads(aws.run("sts", "get-caller-identity"))["Arn"].endswith("/cli")
    aws.run("s3api", "list-buckets")

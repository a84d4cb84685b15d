"""Users, groups, access keys and inline policies through boto3 and the AWS CLI, as Amazon's IAM has them."""

import json

import pytest
import requests
from botocore.exceptions import ClientError

from support.iam import allow, client_of, create_key, create_user, credentials_of, error_code, unique
from support.tools import Tool

ACCOUNT = "000000000000"
ALL_OF_S3 = allow("s3:*")


def caller_arn(server, credentials):
    return client_of("sts", server, credentials).get_caller_identity()["Arn"]


@pytest.fixture
def user(server, iam):
    """A user without policies: name and credentials."""
    return create_user(iam)


@pytest.fixture
def own_s3(server, user):
    return client_of("s3", server, user[1])


def test_a_user_has_what_it_was_made_with(iam):
    name = unique("user")
    made = iam.create_user(UserName=name, Path="/team/", Tags=[{"Key": "k", "Value": "v"}])["User"]
    assert made["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/team/{name}"
    assert made["UserId"].startswith("AIDA")
    got = iam.get_user(UserName=name.upper())["User"]
    assert got == made
    assert got["Tags"] == [{"Key": "k", "Value": "v"}]
    listed = iam.get_paginator("list_users").paginate(PathPrefix="/team/").build_full_result()["Users"]
    assert name in [each["UserName"] for each in listed]
    assert error_code(iam.create_user, UserName=name) == "EntityAlreadyExists"
    iam.delete_user(UserName=name)
    assert error_code(iam.get_user, UserName=name) == "NoSuchEntity"


def test_boto3_sees_its_exceptions(iam):
    with pytest.raises(iam.exceptions.NoSuchEntityException):
        iam.get_user(UserName="nobody-of-this-name")
    with pytest.raises(iam.exceptions.MalformedPolicyDocumentException):
        name = unique("user")
        iam.create_user(UserName=name)
        iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument="{}")


def test_a_user_without_policies_is_refused_and_one_with_is_not(iam, user, own_s3, bucket):
    name, _ = user
    assert error_code(own_s3.list_objects_v2, Bucket=bucket) == "AccessDenied"
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=ALL_OF_S3)
    own_s3.put_object(Bucket=bucket, Key="k", Body=b"mine")
    iam.delete_user_policy(UserName=name, PolicyName="p")
    assert error_code(own_s3.get_object, Bucket=bucket, Key="k") == "AccessDenied"


def test_a_deactivated_and_a_deleted_key_fail_at_once(iam, user, own_s3, bucket):
    name, credentials = user
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=ALL_OF_S3)
    key = {"UserName": name, "AccessKeyId": credentials.access_key}
    own_s3.list_objects_v2(Bucket=bucket)
    iam.update_access_key(**key, Status="Inactive")
    assert error_code(own_s3.list_objects_v2, Bucket=bucket) == "InvalidAccessKeyId"
    iam.update_access_key(**key, Status="Active")
    own_s3.list_objects_v2(Bucket=bucket)
    iam.delete_access_key(**key)
    assert error_code(own_s3.list_objects_v2, Bucket=bucket) == "InvalidAccessKeyId"


def test_a_deleted_user_is_nobody_at_once(iam, server, user, own_s3, bucket):
    name, credentials = user
    assert caller_arn(server, credentials).endswith(f":user/{name}")
    assert error_code(iam.delete_user, UserName=name) == "DeleteConflict"
    iam.delete_access_key(UserName=name, AccessKeyId=credentials.access_key)
    iam.delete_user(UserName=name)
    assert error_code(own_s3.list_objects_v2, Bucket=bucket) == "InvalidAccessKeyId"
    # Another one of the same name is somebody else.
    create_user(iam, name)
    assert error_code(own_s3.list_objects_v2, Bucket=bucket) == "InvalidAccessKeyId"


def test_presigned_urls_are_as_good_as_their_key(iam, server, user, own_s3, bucket):
    name, credentials = user
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=ALL_OF_S3)
    own_s3.put_object(Bucket=bucket, Key="k", Body=b"mine")
    signer = client_of("s3", server, credentials, signature_version="s3v4")
    url = signer.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"})
    assert requests.get(url, timeout=10).content == b"mine"
    iam.delete_user_policy(UserName=name, PolicyName="p")
    assert requests.get(url, timeout=10).status_code == 403
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=ALL_OF_S3)
    assert requests.get(url, timeout=10).status_code == 200
    iam.update_access_key(UserName=name, AccessKeyId=credentials.access_key, Status="Inactive")
    assert requests.get(url, timeout=10).status_code == 403


def test_a_users_session_ends_with_the_user_and_follows_its_policies(iam, server, user, bucket):
    name, credentials = user
    session = credentials_of(client_of("sts", server, credentials).get_session_token()["Credentials"])
    s3 = client_of("s3", server, session)
    assert error_code(s3.list_objects_v2, Bucket=bucket) == "AccessDenied"
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=ALL_OF_S3)
    s3.list_objects_v2(Bucket=bucket)
    iam.delete_user_policy(UserName=name, PolicyName="p")
    assert error_code(s3.list_objects_v2, Bucket=bucket) == "AccessDenied"
    iam.delete_access_key(UserName=name, AccessKeyId=credentials.access_key)
    iam.delete_user(UserName=name)
    assert error_code(s3.list_objects_v2, Bucket=bucket) == "InvalidToken"
    create_user(iam, name, ALL_OF_S3)
    assert error_code(s3.list_objects_v2, Bucket=bucket) == "InvalidToken"


def test_groups_give_their_members_what_they_may(iam, user, own_s3, bucket):
    name, _ = user
    group = unique("group")
    made = iam.create_group(GroupName=group)["Group"]
    assert made["GroupId"].startswith("AGPA") and made["Arn"].endswith(f":group/{group}")
    iam.put_group_policy(GroupName=group, PolicyName="p", PolicyDocument=ALL_OF_S3)
    assert error_code(own_s3.list_objects_v2, Bucket=bucket) == "AccessDenied"
    iam.add_user_to_group(GroupName=group, UserName=name)
    own_s3.list_objects_v2(Bucket=bucket)
    assert [each["UserName"] for each in iam.get_group(GroupName=group)["Users"]] == [name]
    assert [each["GroupName"] for each in iam.list_groups_for_user(UserName=name)["Groups"]] == [group]
    assert error_code(iam.delete_group, GroupName=group) == "DeleteConflict"
    iam.remove_user_from_group(GroupName=group, UserName=name)
    assert error_code(own_s3.list_objects_v2, Bucket=bucket) == "AccessDenied"


def test_inline_policies_come_back_as_they_were_put(iam, user):
    name, _ = user
    document = json.loads(allow("s3:GetObject", resource="arn:aws:s3:::b/ä ${aws:username}+%20"))
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=json.dumps(document, indent=4))
    assert iam.get_user_policy(UserName=name, PolicyName="p")["PolicyDocument"] == document
    assert iam.list_user_policies(UserName=name)["PolicyNames"] == ["p"]
    long = allow(*[f"s3:Get{n:04}" for n in range(200)])
    assert error_code(iam.put_user_policy, UserName=name, PolicyName="q", PolicyDocument=long) == "LimitExceeded"
    assert error_code(iam.get_user_policy, UserName=name, PolicyName="q") == "NoSuchEntity"


def test_the_last_use_of_a_key_tells_the_service(iam, server, user, own_s3, bucket):
    name, credentials = user

    def last_used():
        return iam.get_access_key_last_used(AccessKeyId=credentials.access_key)

    before = last_used()["AccessKeyLastUsed"]
    assert before == {"ServiceName": "N/A", "Region": "N/A"}
    error_code(own_s3.list_objects_v2, Bucket=bucket)
    after = last_used()
    assert after["UserName"] == name
    assert (after["AccessKeyLastUsed"]["ServiceName"], after["AccessKeyLastUsed"]["Region"]) == ("s3", "us-east-1")
    assert "LastUsedDate" in after["AccessKeyLastUsed"]


def test_wrong_secrets_unknown_and_inactive_keys_say_what_iam_says(iam, server, user):
    name, credentials = user
    wrong = type(credentials)(credentials.access_key, "wrong")
    unknown = type(credentials)("AKIAUNKNOWNUNKNOWN00", credentials.secret_key)
    for each, code in [(wrong, "SignatureDoesNotMatch"), (unknown, "InvalidClientTokenId")]:
        assert error_code(client_of("sts", server, each).get_caller_identity) == code
    iam.update_access_key(UserName=name, AccessKeyId=credentials.access_key, Status="Inactive")
    messages = set()
    for each in (credentials, wrong, unknown):
        with pytest.raises(ClientError) as refused:
            client_of("sts", server, each).get_caller_identity()
        messages.add((refused.value.response["Error"]["Code"], refused.value.response["Error"]["Message"]))
    assert messages == {("InvalidClientTokenId", "The security token included in the request is invalid.")}


def test_force_destroy_finds_nothing_that_users_do_not_have(iam, user):
    name, _ = user
    assert error_code(iam.delete_login_profile, UserName=name) == "NoSuchEntity"
    assert iam.list_mfa_devices(UserName=name)["MFADevices"] == []
    assert iam.list_virtual_mfa_devices()["VirtualMFADevices"] == []
    assert iam.list_signing_certificates(UserName=name)["Certificates"] == []
    assert iam.list_ssh_public_keys(UserName=name)["SSHPublicKeys"] == []
    assert iam.list_service_specific_credentials(UserName=name)["ServiceSpecificCredentials"] == []


def test_the_account_describes_itself(iam, user):
    name, _ = user
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=ALL_OF_S3)
    summary = iam.get_account_summary()["SummaryMap"]
    assert summary["Users"] >= 1 and summary["UsersQuota"] == 5000
    details = iam.get_paginator("get_account_authorization_details").paginate().build_full_result()
    mine = [each for each in details["UserDetailList"] if each["UserName"] == name]
    assert [policy["PolicyDocument"] for policy in mine[0]["UserPolicyList"]] == [json.loads(ALL_OF_S3)]
    alias = unique("alias")
    iam.create_account_alias(AccountAlias=alias)
    assert iam.list_account_aliases()["AccountAliases"] == [alias]
    iam.delete_account_alias(AccountAlias=alias)


def test_the_command_line_manages_users(server, tmp_path):
    aws = Tool("aws", server, tmp_path, arguments=["--endpoint-url", server.url, "--output", "json"])
    name = unique("cli")

    def run(*arguments):
        printed = aws.run("iam", *arguments)
        return json.loads(printed) if printed.strip() else None

    assert run("create-user", "--user-name", name)["User"]["UserName"] == name
    key = run("create-access-key", "--user-name", name)["AccessKey"]
    policy = tmp_path / "policy.json"
    policy.write_text(ALL_OF_S3)
    run("put-user-policy", "--user-name", name, "--policy-name", "p", "--policy-document", f"file://{policy}")
    assert run("get-user-policy", "--user-name", name, "--policy-name", "p")["PolicyDocument"] == json.loads(ALL_OF_S3)
    own = Tool("aws", server, tmp_path, arguments=["--endpoint-url", server.url, "--output", "json"], environment={
        "AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]})
    assert json.loads(own.run("sts", "get-caller-identity"))["Arn"].endswith(f":user/{name}")
    refused = own.attempt("iam", "list-users")
    assert refused.returncode != 0 and "AccessDenied" in refused.stdout, refused.stdout
    assert f"not authorized to perform: iam:ListUsers on resource: arn:aws:iam::{ACCOUNT}:user/" in refused.stdout
    run("delete-user-policy", "--user-name", name, "--policy-name", "p")
    run("delete-access-key", "--user-name", name, "--access-key-id", key["AccessKeyId"])
    run("delete-user", "--user-name", name)


def test_a_second_key_takes_over(iam, server, user):
    name, first = user
    second = create_key(iam, name)
    assert error_code(iam.create_access_key, UserName=name) == "LimitExceeded"
    iam.delete_access_key(UserName=name, AccessKeyId=first.access_key)
    assert caller_arn(server, second).endswith(f":user/{name}")
    assert [key["AccessKeyId"] for key in iam.list_access_keys(UserName=name)["AccessKeyMetadata"]] == [second.access_key]

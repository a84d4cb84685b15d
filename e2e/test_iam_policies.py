"""Managed policies, their versions and boundaries through boto3 and the AWS CLI, and what they do to S3."""

import json

import pytest

from support.iam import allow, client_of, create_user, error_code, new_account, unique
from support.tools import Tool

ACCOUNT = "000000000000"
AWS_POLICY = "arn:aws:iam::aws:policy/"


def create_policy(iam, document, **parameters):
    """The ARN of a new policy."""
    return iam.create_policy(PolicyName=unique("policy"), PolicyDocument=document, **parameters)["Policy"]["Arn"]


@pytest.fixture
def aws(server, tmp_path):
    return Tool("aws", server, tmp_path, arguments=["--endpoint-url", server.url])


def test_a_policy_has_what_it_was_made_with(iam):
    name, document = unique("policy"), allow("s3:GetObject")
    made = iam.create_policy(
        PolicyName=name, Path="/team/", PolicyDocument=document, Description="what it is for",
        Tags=[{"Key": "k", "Value": "v"}])["Policy"]
    assert made["Arn"] == f"arn:aws:iam::{ACCOUNT}:policy/team/{name}"
    got = iam.get_policy(PolicyArn=made["Arn"])["Policy"]
    assert got == made
    assert (got["AttachmentCount"], got["PermissionsBoundaryUsageCount"], got["IsAttachable"]) == (0, 0, True)
    version = iam.get_policy_version(PolicyArn=made["Arn"], VersionId="v1")["PolicyVersion"]
    assert version["Document"] == json.loads(document)
    listed = iam.get_paginator("list_policies").paginate(Scope="Local", PathPrefix="/team/").build_full_result()
    assert made["Arn"] in [policy["Arn"] for policy in listed["Policies"]]
    assert error_code(iam.create_policy, PolicyName=name.upper(), PolicyDocument=document) == "EntityAlreadyExists"
    iam.delete_policy(PolicyArn=made["Arn"])
    assert error_code(iam.get_policy, PolicyArn=made["Arn"]) == "NoSuchEntity"


def test_boto3_sees_its_exceptions(iam):
    for document, expected in [
        ("{}", iam.exceptions.MalformedPolicyDocumentException),
        (allow("s3:GetObject", resource="arn:aws:s3:::b/" + "x" * 6145), iam.exceptions.LimitExceededException),
    ]:
        with pytest.raises(expected):
            create_policy(iam, document)
    arn = create_policy(iam, allow("s3:*"))
    name, _ = create_user(iam, managed=[arn])
    with pytest.raises(iam.exceptions.DeleteConflictException):
        iam.delete_policy(PolicyArn=arn)
    with pytest.raises(iam.exceptions.NoSuchEntityException):
        iam.attach_user_policy(UserName=name, PolicyArn=arn + "-of-nobody")
    with pytest.raises(iam.exceptions.InvalidInputException):
        iam.attach_user_policy(UserName=name, PolicyArn="s3:everything-please")


def test_aws_own_policies_do_what_they_say(iam, server, bucket):
    _, reader = create_user(iam, managed=["AmazonS3ReadOnlyAccess"])
    _, writer = create_user(iam, managed=["AmazonS3FullAccess"])
    _, auditor = create_user(iam, managed=["SecurityAudit"])
    client_of("s3", server, writer).put_object(Bucket=bucket, Key="k", Body=b"data")
    s3 = client_of("s3", server, reader)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"data"
    assert error_code(s3.put_object, Bucket=bucket, Key="k", Body=b"") == "AccessDenied"
    assert error_code(client_of("s3", server, auditor).get_object, Bucket=bucket, Key="k") == "AccessDenied"
    client_of("iam", server, auditor).list_users()
    assert error_code(client_of("iam", server, reader).list_users) == "AccessDenied"


def test_power_users_do_not_administer_users(iam, server, bucket):
    _, keys = create_user(iam, managed=["PowerUserAccess"])
    client_of("s3", server, keys).put_object(Bucket=bucket, Key="k", Body=b"data")
    own_iam = client_of("iam", server, keys)
    own_iam.list_roles()
    assert error_code(own_iam.create_user, UserName=unique("user")) == "AccessDenied"


def test_another_default_version_and_a_detached_policy_hold_at_once(iam, server, bucket):
    arn = create_policy(iam, allow("s3:*"))
    name, keys = create_user(iam, managed=[arn])
    s3 = client_of("s3", server, keys)
    s3.put_object(Bucket=bucket, Key="k", Body=b"data")
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=allow("s3:GetObject"), SetAsDefault=True)
    assert error_code(s3.put_object, Bucket=bucket, Key="k", Body=b"") == "AccessDenied"
    s3.get_object(Bucket=bucket, Key="k")
    iam.set_default_policy_version(PolicyArn=arn, VersionId="v1")
    s3.put_object(Bucket=bucket, Key="k", Body=b"data")
    iam.detach_user_policy(UserName=name, PolicyArn=arn)
    assert error_code(s3.get_object, Bucket=bucket, Key="k") == "AccessDenied"


def test_a_boundary_limits_s3_and_iam(iam, server, bucket):
    boundary = create_policy(iam, allow("s3:GetObject", "iam:Get*"))
    name, keys = create_user(iam, policy=allow("s3:*", "iam:*"))
    s3, own_iam = client_of("s3", server, keys), client_of("iam", server, keys)
    s3.put_object(Bucket=bucket, Key="k", Body=b"data")
    iam.put_user_permissions_boundary(UserName=name, PermissionsBoundary=boundary)
    assert iam.get_policy(PolicyArn=boundary)["Policy"]["PermissionsBoundaryUsageCount"] == 1
    s3.get_object(Bucket=bucket, Key="k")
    assert error_code(s3.put_object, Bucket=bucket, Key="k", Body=b"") == "AccessDenied"
    administrator = AWS_POLICY + "AdministratorAccess"
    assert error_code(own_iam.delete_user_permissions_boundary, UserName=name) == "AccessDenied"
    assert error_code(own_iam.attach_user_policy, UserName=name, PolicyArn=administrator) == "AccessDenied"
    assert error_code(
        own_iam.create_policy_version, PolicyArn=boundary, PolicyDocument=allow("*"), SetAsDefault=True) == "AccessDenied"


def test_policies_of_another_account_are_not_there(iam, server):
    arn = create_policy(iam, allow("s3:*"))
    _, manager = new_account(server)
    others = client_of("iam", server, manager)
    name, _ = create_user(others)
    assert error_code(others.get_policy, PolicyArn=arn) in ("NoSuchEntity", "AccessDenied")
    assert error_code(others.attach_user_policy, UserName=name, PolicyArn=arn) == "NoSuchEntity"
    assert arn not in [policy["Arn"] for policy in others.list_policies(Scope="Local")["Policies"]]


def test_the_aws_cli_manages_policies(aws, iam):
    name, user = unique("policy"), create_user(iam)[0]
    document = allow("s3:GetObject")
    made = json.loads(aws.run("iam", "create-policy", "--policy-name", name, "--policy-document", document))
    arn = made["Policy"]["Arn"]
    aws.run("iam", "create-policy-version", "--policy-arn", arn, "--policy-document", document, "--set-as-default")
    versions = json.loads(aws.run("iam", "list-policy-versions", "--policy-arn", arn))["Versions"]
    assert [(version["VersionId"], version["IsDefaultVersion"]) for version in versions] == [("v2", True), ("v1", False)]
    aws.run("iam", "attach-user-policy", "--user-name", user, "--policy-arn", arn)
    entities = json.loads(aws.run("iam", "list-entities-for-policy", "--policy-arn", arn))
    assert [each["UserName"] for each in entities["PolicyUsers"]] == [user]
    refused = aws.attempt("iam", "delete-policy", "--policy-arn", arn)
    assert refused.returncode != 0 and "DeleteConflict" in refused.stdout
    aws.run("iam", "detach-user-policy", "--user-name", user, "--policy-arn", arn)
    aws.run("iam", "delete-policy-version", "--policy-arn", arn, "--version-id", "v1")
    aws.run("iam", "delete-policy", "--policy-arn", arn)


def test_what_would_come_of_a_request_is_what_comes_of_it(iam, server, bucket):
    home = allow("s3:PutObject", resource=f"arn:aws:s3:::{bucket}/${{aws:username}}/*")
    name, keys = create_user(iam, policy=home)
    s3 = client_of("s3", server, keys)
    arn = iam.get_user(UserName=name)["User"]["Arn"]
    for key, expected in [(f"{name}/k", "allowed"), ("other/k", "implicitDeny")]:
        answer = iam.simulate_principal_policy(
            PolicySourceArn=arn, ActionNames=["s3:PutObject"], ResourceArns=[f"arn:aws:s3:::{bucket}/{key}"])
        assert answer["EvaluationResults"][0]["EvalDecision"] == expected
        assert answer["EvaluationResults"][0]["MissingContextValues"] == []
        if expected == "allowed":
            s3.put_object(Bucket=bucket, Key=key, Body=b"")
        else:
            assert error_code(s3.put_object, Bucket=bucket, Key=key, Body=b"") == "AccessDenied"
    custom = iam.simulate_custom_policy(
        PolicyInputList=[home], ActionNames=["s3:PutObject", "s3:GetObject"], ResourceArns=[f"arn:aws:s3:::{bucket}/bob/k"],
        ContextEntries=[{"ContextKeyName": "aws:username", "ContextKeyType": "string", "ContextKeyValues": ["bob"]}])
    assert [each["EvalDecision"] for each in custom["EvaluationResults"]] == ["allowed", "implicitDeny"]
    keys = iam.get_context_keys_for_custom_policy(PolicyInputList=[home])["ContextKeyNames"]
    assert keys == ["aws:username"]

"""Roles and whom they trust through boto3 and the AWS CLI, and principals who are made again under their old name."""

import json

import pytest

from support.iam import allow, client_of, create_user, error_code, session_of, unique
from support.tools import Tool

ACCOUNT = "000000000000"


def trust(principal):
    statement = {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def user_arn(name):
    return f"arn:aws:iam::{ACCOUNT}:user/{name}"


def create_role(iam, principal, policy=None):
    """The name and the ARN of a new role."""
    name = unique("role")
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust(principal))["Role"]["Arn"]
    if policy is not None:
        iam.put_role_policy(RoleName=name, PolicyName="inline", PolicyDocument=policy)
    return name, arn


def delete_user(iam, name):
    for key in iam.list_access_keys(UserName=name)["AccessKeyMetadata"]:
        iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])
    iam.delete_user(UserName=name)


def trusted(iam, role):
    return iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]["Statement"][0]["Principal"]["AWS"]


@pytest.fixture
def aws(server, tmp_path):
    return Tool("aws", server, tmp_path, arguments=["--endpoint-url", server.url])


def test_a_role_has_what_it_was_made_with(iam):
    name, document = unique("role"), trust(ACCOUNT)
    made = iam.create_role(
        RoleName=name, Path="/team/", AssumeRolePolicyDocument=document, Description="what it is for",
        MaxSessionDuration=7200, Tags=[{"Key": "k", "Value": "v"}],
        PermissionsBoundary="arn:aws:iam::aws:policy/ReadOnlyAccess")["Role"]
    assert made["Arn"] == f"arn:aws:iam::{ACCOUNT}:role/team/{name}"
    assert made["AssumeRolePolicyDocument"] == json.loads(document)
    got = iam.get_role(RoleName=name)["Role"]
    assert {key: got[key] for key in made} == made
    iam.update_role(RoleName=name, Description="something else", MaxSessionDuration=3600)
    got = iam.get_role(RoleName=name)["Role"]
    assert (got["Description"], got["MaxSessionDuration"]) == ("something else", 3600)
    listed = iam.get_paginator("list_roles").paginate(PathPrefix="/team/").build_full_result()["Roles"]
    assert name in [role["RoleName"] for role in listed]
    assert error_code(iam.create_role, RoleName=name.upper(), AssumeRolePolicyDocument=document) == "EntityAlreadyExists"
    assert iam.list_instance_profiles_for_role(RoleName=name)["InstanceProfiles"] == []
    iam.delete_role(RoleName=name)
    assert error_code(iam.get_role, RoleName=name) == "NoSuchEntity"


def test_only_who_is_trusted_becomes_the_role_and_then_has_its_policies(iam, server, bucket):
    ann, ann_keys = create_user(iam)
    _, bob_keys = create_user(iam, policy=allow("sts:AssumeRole"))
    _, arn = create_role(iam, user_arn(ann), allow("s3:*"))
    assert error_code(client_of("s3", server, ann_keys).put_object, Bucket=bucket, Key="k", Body=b"") == "AccessDenied"
    client_of("s3", server, session_of(server, ann_keys, arn)).put_object(Bucket=bucket, Key="k", Body=b"data")
    sts = client_of("sts", server, bob_keys)
    assert error_code(sts.assume_role, RoleArn=arn, RoleSessionName="session") == "AccessDenied"


def test_a_boundary_of_a_role_limits_its_sessions(iam, server, bucket):
    ann, keys = create_user(iam)
    name, arn = create_role(iam, user_arn(ann), allow("s3:*"))
    s3 = client_of("s3", server, session_of(server, keys, arn))
    s3.put_object(Bucket=bucket, Key="k", Body=b"data")
    iam.put_role_permissions_boundary(RoleName=name, PermissionsBoundary="arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess")
    s3.get_object(Bucket=bucket, Key="k")
    assert error_code(s3.put_object, Bucket=bucket, Key="k", Body=b"") == "AccessDenied"
    iam.delete_role_permissions_boundary(RoleName=name)
    s3.put_object(Bucket=bucket, Key="k", Body=b"data")


def test_a_trust_policy_means_who_had_the_name_when_it_was_put(iam, server):
    ann, keys = create_user(iam)
    ann_id = iam.get_user(UserName=ann)["User"]["UserId"]
    role, arn = create_role(iam, user_arn(ann))
    session_of(server, keys, arn)
    delete_user(iam, ann)
    assert trusted(iam, role) == ann_id
    _, keys = create_user(iam, ann)
    sts = client_of("sts", server, keys)
    assert error_code(sts.assume_role, RoleArn=arn, RoleSessionName="session") == "AccessDenied"
    iam.update_assume_role_policy(RoleName=role, PolicyDocument=trust(user_arn(ann)))
    session_of(server, keys, arn)
    renamed = unique("renamed")
    iam.update_user(UserName=ann, NewUserName=renamed)
    session_of(server, keys, arn)
    assert trusted(iam, role) == user_arn(renamed)


def test_a_bucket_policy_means_who_had_the_name_when_it_was_put(iam, server, s3, bucket):
    ann, keys = create_user(iam)
    ann_id = iam.get_user(UserName=ann)["User"]["UserId"]
    s3.put_object(Bucket=bucket, Key="k", Body=b"data")
    statement = {
        "Effect": "Allow", "Principal": {"AWS": user_arn(ann)}, "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{bucket}/*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    s3.put_bucket_policy(Bucket=bucket, Policy=document)
    client_of("s3", server, keys).get_object(Bucket=bucket, Key="k")
    assert s3.get_bucket_policy(Bucket=bucket)["Policy"] == document

    def named():
        return json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])["Statement"][0]["Principal"]["AWS"]

    delete_user(iam, ann)
    assert named() == ann_id
    _, keys = create_user(iam, ann)
    own_s3 = client_of("s3", server, keys)
    assert error_code(own_s3.get_object, Bucket=bucket, Key="k") == "AccessDenied"
    assert named() == ann_id
    # What is shown cannot be put back as it is: nobody has that ID any more.
    shown = s3.get_bucket_policy(Bucket=bucket)["Policy"]
    assert error_code(s3.put_bucket_policy, Bucket=bucket, Policy=shown) == "MalformedPolicy"
    s3.put_bucket_policy(Bucket=bucket, Policy=document)
    own_s3.get_object(Bucket=bucket, Key="k")
    assert named() == user_arn(ann)


def test_boto3_sees_its_exceptions(iam):
    name = unique("role")
    for document, expected in [
        (trust(user_arn("nobody-of-this-name")), iam.exceptions.MalformedPolicyDocumentException),
        (trust([ACCOUNT] * 150), iam.exceptions.LimitExceededException),
        ("{}", iam.exceptions.MalformedPolicyDocumentException),
    ]:
        with pytest.raises(expected):
            iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)
    name, _ = create_role(iam, ACCOUNT, allow("s3:*"))
    with pytest.raises(iam.exceptions.DeleteConflictException):
        iam.delete_role(RoleName=name)


def test_the_aws_cli_manages_roles(aws):
    name = unique("role")
    aws.run("iam", "create-role", "--role-name", name, "--assume-role-policy-document", trust(ACCOUNT),
            "--tags", "Key=a,Value=b")
    got = json.loads(aws.run("iam", "get-role", "--role-name", name))["Role"]
    assert got["AssumeRolePolicyDocument"] == json.loads(trust(ACCOUNT)) and got["Tags"] == [{"Key": "a", "Value": "b"}]
    arn = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
    aws.run("iam", "attach-role-policy", "--role-name", name, "--policy-arn", arn)
    attached = json.loads(aws.run("iam", "list-attached-role-policies", "--role-name", name))["AttachedPolicies"]
    assert attached == [{"PolicyName": "AmazonS3ReadOnlyAccess", "PolicyArn": arn}]
    aws.run("iam", "detach-role-policy", "--role-name", name, "--policy-arn", arn)
    aws.run("iam", "untag-role", "--role-name", name, "--tag-keys", "a")
    aws.run("iam", "update-role-description", "--role-name", name, "--description", "new")
    aws.run("iam", "delete-role", "--role-name", name)


def test_a_role_and_its_policy_live_through_what_terraform_asks(iam):
    """The requests of aws_iam_role, aws_iam_policy and aws_iam_role_policy_attachment: apply, refresh, change, destroy."""
    role, name = unique("role"), unique("policy")
    iam.create_role(
        RoleName=role, Path="/", AssumeRolePolicyDocument=trust(f"arn:aws:iam::{ACCOUNT}:root"), MaxSessionDuration=3600,
        Tags=[{"Key": "Name", "Value": role}])
    arn = iam.create_policy(PolicyName=name, Path="/", PolicyDocument=allow("s3:GetObject"))["Policy"]["Arn"]
    iam.attach_role_policy(RoleName=role, PolicyArn=arn)
    for _ in range(2):
        got = iam.get_role(RoleName=role)["Role"]
        assert got["AssumeRolePolicyDocument"]["Statement"][0]["Principal"]["AWS"] == f"arn:aws:iam::{ACCOUNT}:root"
        assert iam.list_role_policies(RoleName=role)["PolicyNames"] == []
        attached = iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]
        assert attached == [{"PolicyName": name, "PolicyArn": arn}]
        version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
        iam.get_policy_version(PolicyArn=arn, VersionId=version)
        assert iam.list_entities_for_policy(PolicyArn=arn)["PolicyRoles"] == [{"RoleName": role, "RoleId": got["RoleId"]}]
    for number in range(2, 8):
        versions = iam.list_policy_versions(PolicyArn=arn)["Versions"]
        if len(versions) == 5:
            oldest = min((each for each in versions if not each["IsDefaultVersion"]), key=lambda each: int(each["VersionId"][1:]))
            iam.delete_policy_version(PolicyArn=arn, VersionId=oldest["VersionId"])
        made = iam.create_policy_version(PolicyArn=arn, PolicyDocument=allow("s3:PutObject"), SetAsDefault=True)
        assert made["PolicyVersion"]["VersionId"] == f"v{number}"
    iam.update_role(RoleName=role, MaxSessionDuration=7200)
    iam.update_role_description(RoleName=role, Description="changed")
    iam.update_assume_role_policy(RoleName=role, PolicyDocument=trust(ACCOUNT))
    iam.tag_role(RoleName=role, Tags=[{"Key": "Name", "Value": "other"}])
    got = iam.get_role(RoleName=role)["Role"]
    assert (got["MaxSessionDuration"], got["Description"]) == (7200, "changed")
    assert (got["Tags"], got["RoleLastUsed"]) == ([{"Key": "Name", "Value": "other"}], {})

    iam.detach_role_policy(RoleName=role, PolicyArn=arn)
    assert error_code(iam.detach_role_policy, RoleName=role, PolicyArn=arn) == "NoSuchEntity"
    for version in iam.list_policy_versions(PolicyArn=arn)["Versions"]:
        if not version["IsDefaultVersion"]:
            iam.delete_policy_version(PolicyArn=arn, VersionId=version["VersionId"])
    iam.delete_policy(PolicyArn=arn)
    assert iam.list_instance_profiles_for_role(RoleName=role)["InstanceProfiles"] == []
    assert iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"] == []
    iam.delete_role(RoleName=role)
    assert error_code(iam.get_role, RoleName=role) == "NoSuchEntity"

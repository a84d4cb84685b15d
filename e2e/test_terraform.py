"""What Terraform's AWS provider (versions 4 to 6) asks of a store, resource by resource: create, refresh, update,
refresh, destroy.

The requests and the errors that the provider lives with are those of its source; an answer that it would report as an
error is a failure here.
"""

import base64
import hashlib
import json
import time

import pytest
from botocore.exceptions import ClientError

from support.iam import allow, client_of, create_user, error_code, new_account, unique

ACCOUNT = "000000000000"
OTHER_KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
TRUST = json.dumps({"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "sts:AssumeRole"}]})
OTHER_TRUST = TRUST.replace('"sts:AssumeRole"', '["sts:AssumeRole", "sts:TagSession"]')
TAGS = [{"Key": "team", "Value": "a"}]


def unless(codes, call, **parameters):
    """The answer, or None for an error that the provider takes for «not there»."""
    try:
        return call(**parameters)
    except ClientError as error:
        if error.response["Error"]["Code"] not in codes.split():
            raise
        return None


def gone(call, code, **parameters):
    """What a refresh sees when somebody else has removed a resource: it is made again."""
    assert error_code(call, **parameters) == code


# S3.

@pytest.fixture(scope="session")
def s3control(server):
    """Through a proxy, the server itself: the client puts the account in front of the host, which is an IP address."""
    return client_of("s3control", server, proxies={"http": server.url})


def create_bucket(s3, name):
    """The provider first makes sure that nobody has the name: in us-east-1 a second CreateBucket would succeed."""
    assert unless("404 NoSuchBucket", s3.head_bucket, Bucket=name) is None
    s3.create_bucket(Bucket=name, ACL="private")
    s3.head_bucket(Bucket=name)


def refresh_bucket(s3, s3control, name):
    """Everything that the resource for a bucket reads, with the answers that every version of the provider takes."""
    head = s3.head_bucket(Bucket=name)
    seen = {"region": head["BucketRegion"]}
    policy = unless("NoSuchBucketPolicy", s3.get_bucket_policy, Bucket=name)
    seen["policy"] = policy and json.loads(policy["Policy"])
    seen["grants"] = s3.get_bucket_acl(Bucket=name)["Grants"]
    seen["cors"] = unless("NoSuchCORSConfiguration", s3.get_bucket_cors, Bucket=name)
    seen["website"] = unless("NoSuchWebsiteConfiguration", s3.get_bucket_website, Bucket=name)
    seen["versioning"] = s3.get_bucket_versioning(Bucket=name).get("Status")
    seen["acceleration"] = s3.get_bucket_accelerate_configuration(Bucket=name).get("Status")
    seen["payer"] = s3.get_bucket_request_payment(Bucket=name)["Payer"]
    seen["logging"] = s3.get_bucket_logging(Bucket=name).get("LoggingEnabled")
    seen["lifecycle"] = unless("NoSuchLifecycleConfiguration", s3.get_bucket_lifecycle_configuration, Bucket=name)
    seen["replication"] = unless("ReplicationConfigurationNotFoundError", s3.get_bucket_replication, Bucket=name)
    rules = s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]["Rules"]
    seen["encryption"] = rules[0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"]
    seen["lock"] = unless("ObjectLockConfigurationNotFoundError", s3.get_object_lock_configuration, Bucket=name)
    tags = unless("NoSuchTagSet", s3.get_bucket_tagging, Bucket=name)
    control_tags = s3control.list_tags_for_resource(AccountId=ACCOUNT, ResourceArn=f"arn:aws:s3:::{name}")["Tags"]
    seen["tags"] = (tags, control_tags)
    return seen


@pytest.fixture
def terraform_bucket(s3):
    name = unique("terraform")
    create_bucket(s3, name)
    yield name
    s3.delete_bucket(Bucket=name)


def test_aws_s3_bucket(s3, s3control):
    name = unique("terraform")
    create_bucket(s3, name)
    first = refresh_bucket(s3, s3control, name)
    assert [grant["Permission"] for grant in first.pop("grants")] == ["FULL_CONTROL"]
    assert first == {
        "region": "us-east-1", "policy": None, "cors": None, "website": None, "versioning": None, "acceleration": None,
        "payer": "BucketOwner", "logging": None, "lifecycle": None, "replication": None, "encryption": "AES256",
        "lock": None, "tags": (None, [])}
    # force_destroy empties the bucket by versions, then deletes it again.
    s3.put_object(Bucket=name, Key="left behind", Body=b"x")
    assert error_code(s3.delete_bucket, Bucket=name) == "BucketNotEmpty"
    versions = s3.list_object_versions(Bucket=name)
    objects = [{"Key": each["Key"], "VersionId": each["VersionId"]} for each in versions["Versions"]]
    deleted = s3.delete_objects(Bucket=name, Delete={"Objects": objects, "Quiet": True})
    assert "Errors" not in deleted
    assert "DeleteMarkers" not in s3.list_object_versions(Bucket=name)
    s3.delete_bucket(Bucket=name)
    gone(s3.head_bucket, "404", Bucket=name)
    gone(s3.get_bucket_policy, "NoSuchBucket", Bucket=name)
    gone(s3.get_bucket_tagging, "NoSuchBucket", Bucket=name)


def test_who_may_not_ask_for_tags_is_told_so_in_the_words_that_the_provider_knows(server, iam, s3control, terraform_bucket):
    """Version 6 asks S3 instead of S3 Control only if it reads that it «is not authorized to perform» this."""
    _, credentials = create_user(iam, policy=allow("s3:GetBucketTagging"))
    own = client_of("s3control", server, credentials, proxies={"http": server.url})
    with pytest.raises(ClientError, match="is not authorized to perform: s3:ListTagsForResource") as refused:
        own.list_tags_for_resource(AccountId=ACCOUNT, ResourceArn=f"arn:aws:s3:::{terraform_bucket}")
    assert refused.value.response["Error"]["Code"] == "AccessDenied"
    gone(client_of("s3", server, credentials).get_bucket_tagging, "NoSuchTagSet", Bucket=terraform_bucket)
    arn = f"arn:aws:s3:::{terraform_bucket}"
    assert error_code(s3control.list_tags_for_resource, AccountId="111122223333", ResourceArn=arn) == "AccessDenied"
    assert error_code(s3control.list_tags_for_resource, AccountId=ACCOUNT, ResourceArn=arn + "-none") == "NoSuchResource"


def test_the_region_of_a_bucket_is_told_to_a_request_without_credentials(client, terraform_bucket):
    """So the SDK looks for it, in versions before 6; the 403 is no matter."""
    answer = client.anonymous("HEAD", terraform_bucket)
    assert answer.status == 403 and answer.header("x-amz-bucket-region") == "us-east-1"
    assert client.anonymous("HEAD", terraform_bucket + "-none").header("x-amz-bucket-region") is None
    assert client.anonymous("GET", terraform_bucket).header("x-amz-bucket-region") is None


def test_aws_s3_bucket_policy(s3, terraform_bucket):
    def document(action):
        return {"Version": "2012-10-17", "Statement": [{
            "Effect": "Deny", "Principal": "*", "Action": action, "Resource": f"arn:aws:s3:::{terraform_bucket}/*",
            "Condition": {"Bool": {"aws:SecureTransport": "false"}}}]}

    def refresh():
        return json.loads(s3.get_bucket_policy(Bucket=terraform_bucket)["Policy"])

    for action in ("s3:PutObject", ["s3:PutObject", "s3:GetObject"]):
        s3.put_bucket_policy(Bucket=terraform_bucket, Policy=json.dumps(document(action)))
        assert refresh() == document(action)
    s3.delete_bucket_policy(Bucket=terraform_bucket)
    gone(s3.get_bucket_policy, "NoSuchBucketPolicy", Bucket=terraform_bucket)


def test_aws_s3_bucket_public_access_block(s3, terraform_bucket):
    names = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
    for value in (False, True):
        flags = dict.fromkeys(names, value)
        s3.put_public_access_block(Bucket=terraform_bucket, PublicAccessBlockConfiguration=flags)
        found = s3.get_public_access_block(Bucket=terraform_bucket)
        assert found["PublicAccessBlockConfiguration"] == flags
    s3.delete_public_access_block(Bucket=terraform_bucket)
    gone(s3.get_public_access_block, "NoSuchPublicAccessBlockConfiguration", Bucket=terraform_bucket)


def test_aws_s3_account_public_access_block(server, iam):
    account, credentials = new_account(server)
    control = client_of("s3control", server, credentials, proxies={"http": server.url})
    names = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
    gone(control.get_public_access_block, "NoSuchPublicAccessBlockConfiguration", AccountId=account)
    for value in (True, False):
        flags = dict.fromkeys(names, value)
        control.put_public_access_block(AccountId=account, PublicAccessBlockConfiguration=flags)
        assert control.get_public_access_block(AccountId=account)["PublicAccessBlockConfiguration"] == flags
    control.delete_public_access_block(AccountId=account)
    gone(control.get_public_access_block, "NoSuchPublicAccessBlockConfiguration", AccountId=account)


def test_aws_s3_bucket_ownership_controls_and_acl(s3, terraform_bucket):
    name = terraform_bucket

    def owned_by(ownership):
        s3.put_bucket_ownership_controls(Bucket=name, OwnershipControls={"Rules": [{"ObjectOwnership": ownership}]})
        return s3.get_bucket_ownership_controls(Bucket=name)["OwnershipControls"]["Rules"]

    assert owned_by("BucketOwnerEnforced") == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    assert owned_by("BucketOwnerPreferred") == [{"ObjectOwnership": "BucketOwnerPreferred"}]
    # A canned list, then grants by the owner that the refresh has found.
    s3.put_bucket_acl(Bucket=name, ACL="log-delivery-write")
    found = s3.get_bucket_acl(Bucket=name)
    assert {grant["Permission"] for grant in found["Grants"]} == {"FULL_CONTROL", "WRITE", "READ_ACP"}
    owner = {"ID": found["Owner"]["ID"]}
    grants = [
        {"Grantee": {"Type": "CanonicalUser", **owner}, "Permission": "FULL_CONTROL"},
        {"Grantee": {"Type": "Group", "URI": "http://acs.amazonaws.com/groups/s3/LogDelivery"}, "Permission": "READ_ACP"},
    ]
    s3.put_bucket_acl(Bucket=name, AccessControlPolicy={"Owner": owner, "Grants": grants})
    assert [grant["Permission"] for grant in s3.get_bucket_acl(Bucket=name)["Grants"]] == ["FULL_CONTROL", "READ_ACP"]
    # Destroying the list leaves it be. Destroying the controls, which come last, does not.
    s3.delete_bucket_ownership_controls(Bucket=name)
    gone(s3.get_bucket_ownership_controls, "OwnershipControlsNotFoundError", Bucket=name)


def test_aws_s3_bucket_server_side_encryption_configuration(s3, terraform_bucket):
    for bucket_key in (False, True):
        rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}, "BucketKeyEnabled": bucket_key}
        s3.put_bucket_encryption(
            Bucket=terraform_bucket, ServerSideEncryptionConfiguration={"Rules": [rule]}, ChecksumAlgorithm="CRC32")
        found = s3.get_bucket_encryption(Bucket=terraform_bucket)["ServerSideEncryptionConfiguration"]["Rules"]
        assert len(found) == 1 and rule.items() <= found[0].items()
    s3.delete_bucket_encryption(Bucket=terraform_bucket)
    # The refresh after that is of the bucket, which is never without.
    assert s3.get_bucket_encryption(Bucket=terraform_bucket)


def test_aws_s3_bucket_logging(s3, terraform_bucket):
    target = unique("terraform")
    create_bucket(s3, target)
    s3.put_bucket_policy(Bucket=target, Policy=json.dumps({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"Service": "logging.s3.amazonaws.com"}, "Action": "s3:PutObject",
        "Resource": f"arn:aws:s3:::{target}/*"}]}))
    for prefix in ("log/", "other/"):
        enabled = {"TargetBucket": target, "TargetPrefix": prefix}
        s3.put_bucket_logging(Bucket=terraform_bucket, BucketLoggingStatus={"LoggingEnabled": enabled})
        assert s3.get_bucket_logging(Bucket=terraform_bucket)["LoggingEnabled"] == enabled
    s3.put_bucket_logging(Bucket=terraform_bucket, BucketLoggingStatus={})
    assert "LoggingEnabled" not in s3.get_bucket_logging(Bucket=terraform_bucket)
    for each in s3.list_objects_v2(Bucket=target).get("Contents", []):
        s3.delete_object(Bucket=target, Key=each["Key"])


def test_aws_s3_object(s3_tls, s3, terraform_bucket):
    at = {"Bucket": terraform_bucket, "Key": "settings/a.json"}

    def refresh():
        head = s3_tls.head_object(**at)
        assert s3_tls.get_object_tagging(**at)["TagSet"] == []
        return head

    for body in (b"{}", b'{"a": 1}'):
        s3_tls.put_object(**at, Body=body, ContentType="application/json", ServerSideEncryption="AES256",
                          Metadata={"by": "terraform"}, ChecksumAlgorithm="CRC32")
        head = refresh()
        assert head["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'
        assert head["ContentType"] == "application/json" and head["ServerSideEncryption"] == "AES256"
        assert head["Metadata"] == {"by": "terraform"} and "VersionId" not in head
    key = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": base64.b64decode(OTHER_KEY)}
    s3_tls.put_object(**at, Body=b"mine", **key)
    assert s3_tls.head_object(**at, **key)["ContentLength"] == 4
    s3_tls.delete_object(**at)
    gone(s3_tls.head_object, "404", **at)


# The provider itself, and STS.

def test_the_provider_finds_out_who_it_is(sts, iam):
    """`data.aws_caller_identity`, and what happens before any resource unless `skip_requesting_account_id` is set."""
    identity = sts.get_caller_identity()
    assert identity["Account"] == ACCOUNT
    assert identity["Arn"].split(":")[:5] == ["arn", "aws", "iam", "", ACCOUNT]
    assert iam.get_user()["User"]["Arn"].split(":")[4] == ACCOUNT


# IAM.

def test_aws_iam_user_with_force_destroy(iam):
    name = unique("terraform")
    created = iam.create_user(UserName=name, Path="/", Tags=TAGS)["User"]

    def refresh():
        user = iam.get_user(UserName=name)["User"]
        return user["Path"], user.get("Tags", []), user.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn")

    assert refresh() == ("/", TAGS, None)
    boundary = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
    renamed = unique("terraform")
    iam.update_user(UserName=name, NewUserName=renamed, NewPath="/team/")
    name = renamed
    iam.put_user_permissions_boundary(UserName=name, PermissionsBoundary=boundary)
    iam.untag_user(UserName=name, TagKeys=["team"])
    iam.tag_user(UserName=name, Tags=[{"Key": "stage", "Value": "b"}])
    assert refresh() == ("/team/", [{"Key": "stage", "Value": "b"}], boundary)
    assert iam.get_user(UserName=name)["User"]["UserId"] == created["UserId"]
    iam.delete_user_permissions_boundary(UserName=name)
    assert refresh()[2] is None
    # What others have given it.
    iam.create_access_key(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=allow("s3:*"))
    iam.attach_user_policy(UserName=name, PolicyArn=boundary)
    group = unique("terraform")
    iam.create_group(GroupName=group)
    iam.add_user_to_group(GroupName=group, UserName=name)
    assert error_code(iam.delete_user, UserName=name) == "DeleteConflict"
    force_destroy_user(iam, name)
    iam.delete_user(UserName=name)
    iam.delete_group(GroupName=group)
    gone(iam.get_user, "NoSuchEntity", UserName=name)


def force_destroy_user(iam, name):
    for group in iam.get_paginator("list_groups_for_user").paginate(UserName=name).build_full_result()["Groups"]:
        iam.remove_user_from_group(GroupName=group["GroupName"], UserName=name)
    for policy in iam.get_paginator("list_user_policies").paginate(UserName=name).build_full_result()["PolicyNames"]:
        iam.delete_user_policy(UserName=name, PolicyName=policy)
    attached = iam.get_paginator("list_attached_user_policies").paginate(UserName=name).build_full_result()
    for policy in attached["AttachedPolicies"]:
        iam.detach_user_policy(UserName=name, PolicyArn=policy["PolicyArn"])
    for key in iam.get_paginator("list_access_keys").paginate(UserName=name).build_full_result()["AccessKeyMetadata"]:
        iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])
    assert iam.list_ssh_public_keys(UserName=name)["SSHPublicKeys"] == []
    assert iam.list_virtual_mfa_devices(AssignmentStatus="Any")["VirtualMFADevices"] == []
    assert iam.list_mfa_devices(UserName=name)["MFADevices"] == []
    assert unless("NoSuchEntity", iam.delete_login_profile, UserName=name) is None
    assert iam.list_signing_certificates(UserName=name)["Certificates"] == []
    assert iam.list_service_specific_credentials(UserName=name)["ServiceSpecificCredentials"] == []


@pytest.fixture
def user(iam):
    name = unique("terraform")
    iam.create_user(UserName=name, Path="/")
    yield name
    iam.delete_user(UserName=name)


def test_aws_iam_access_key(iam, user):
    made = iam.create_access_key(UserName=user)["AccessKey"]
    assert made["SecretAccessKey"] and made["Status"] == "Active"

    def refresh():
        keys = iam.get_paginator("list_access_keys").paginate(UserName=user).build_full_result()["AccessKeyMetadata"]
        return [each["Status"] for each in keys if each["AccessKeyId"] == made["AccessKeyId"] and each["CreateDate"]]

    assert refresh() == ["Active"]
    assert iam.get_access_key_last_used(AccessKeyId=made["AccessKeyId"])["UserName"] == user
    iam.update_access_key(UserName=user, AccessKeyId=made["AccessKeyId"], Status="Inactive")
    assert refresh() == ["Inactive"]
    iam.delete_access_key(UserName=user, AccessKeyId=made["AccessKeyId"])
    assert refresh() == []
    gone(iam.delete_access_key, "NoSuchEntity", UserName=user, AccessKeyId=made["AccessKeyId"])


def inline_policy(put, get, delete, **holder):
    """The same for users, groups and roles."""
    for action in ("s3:GetObject", "s3:PutObject"):
        put(**holder, PolicyName="p", PolicyDocument=allow(action))
        found = get(**holder, PolicyName="p")
        assert found["PolicyDocument"] == json.loads(allow(action)) and holder.items() <= found.items()
    delete(**holder, PolicyName="p")
    gone(get, "NoSuchEntity", **holder, PolicyName="p")
    gone(delete, "NoSuchEntity", **holder, PolicyName="p")


def test_aws_iam_user_policy(iam, user):
    inline_policy(iam.put_user_policy, iam.get_user_policy, iam.delete_user_policy, UserName=user)


def test_aws_iam_group_with_policies(iam):
    name = unique("terraform")
    iam.create_group(GroupName=name, Path="/")
    assert iam.get_group(GroupName=name)["Group"]["Path"] == "/"
    renamed = unique("terraform")
    iam.update_group(GroupName=name, NewGroupName=renamed, NewPath="/team/")
    group = iam.get_group(GroupName=renamed)["Group"]
    assert (group["Path"], group["Arn"]) == ("/team/", f"arn:aws:iam::{ACCOUNT}:group/team/{renamed}")
    inline_policy(iam.put_group_policy, iam.get_group_policy, iam.delete_group_policy, GroupName=renamed)
    attachment(iam.attach_group_policy, iam.detach_group_policy, iam.get_paginator("list_attached_group_policies"),
               GroupName=renamed)
    iam.delete_group(GroupName=renamed)
    gone(iam.get_group, "NoSuchEntity", GroupName=renamed)
    gone(iam.delete_group, "NoSuchEntity", GroupName=renamed)


def test_aws_iam_group_membership(iam, user):
    group = unique("terraform")
    iam.create_group(GroupName=group, Path="/")

    def refresh():
        users = iam.get_paginator("get_group").paginate(GroupName=group).build_full_result()["Users"]
        of_user = iam.get_paginator("list_groups_for_user").paginate(UserName=user).build_full_result()["Groups"]
        return [each["UserName"] for each in users], [each["GroupName"] for each in of_user]

    iam.add_user_to_group(GroupName=group, UserName=user)
    assert refresh() == ([user], [group])
    iam.add_user_to_group(GroupName=group, UserName=user)
    assert refresh() == ([user], [group])
    iam.remove_user_from_group(GroupName=group, UserName=user)
    assert refresh() == ([], [])
    iam.delete_group(GroupName=group)
    assert unless("NoSuchEntity", iam.remove_user_from_group, GroupName=group, UserName=user) is None


def attachment(attach, detach, listing, **holder):
    """The same for users, groups and roles."""
    arn = "arn:aws:iam::aws:policy/AmazonS3FullAccess"

    def refresh():
        return [each["PolicyArn"] for each in listing.paginate(**holder).build_full_result()["AttachedPolicies"]]

    attach(**holder, PolicyArn=arn)
    attach(**holder, PolicyArn=arn)
    assert refresh() == [arn]
    detach(**holder, PolicyArn=arn)
    assert refresh() == []
    gone(detach, "NoSuchEntity", **holder, PolicyArn=arn)
    gone(attach, "NoSuchEntity", **holder, PolicyArn="arn:aws:iam::aws:policy/NoSuchPolicy")


def test_aws_iam_user_policy_attachment(iam, user):
    attachment(iam.attach_user_policy, iam.detach_user_policy, iam.get_paginator("list_attached_user_policies"),
               UserName=user)


def test_aws_iam_policy_and_its_attachments(iam, user):
    name = unique("terraform")
    made = iam.create_policy(
        PolicyName=name, Path="/", Description="d", PolicyDocument=allow("s3:GetObject"), Tags=TAGS)["Policy"]
    arn = made["Arn"]

    def refresh():
        policy = iam.get_policy(PolicyArn=arn)["Policy"]
        assert (policy["PolicyName"], policy["Path"], policy["Description"]) == (name, "/", "d")
        version = iam.get_policy_version(PolicyArn=arn, VersionId=policy["DefaultVersionId"])["PolicyVersion"]
        return version["Document"], policy["AttachmentCount"], policy.get("Tags", [])

    assert refresh() == (json.loads(allow("s3:GetObject")), 0, TAGS)
    for number in range(6):
        versions = iam.get_paginator("list_policy_versions").paginate(PolicyArn=arn).build_full_result()["Versions"]
        if len(versions) >= 5:
            oldest = min((each for each in versions if not each["IsDefaultVersion"]), key=lambda each: int(each["VersionId"][1:]))
            iam.delete_policy_version(PolicyArn=arn, VersionId=oldest["VersionId"])
        document = allow("s3:GetObject", resource=f"arn:aws:s3:::b/{number}")
        iam.create_policy_version(PolicyArn=arn, PolicyDocument=document, SetAsDefault=True)
        assert refresh()[0] == json.loads(document)
    iam.untag_policy(PolicyArn=arn, TagKeys=["team"])
    assert refresh()[2] == []
    # aws_iam_policy_attachment: all that have it.
    iam.attach_user_policy(UserName=user, PolicyArn=arn)
    entities = iam.get_paginator("list_entities_for_policy").paginate(PolicyArn=arn).build_full_result()
    assert [each["UserName"] for each in entities["PolicyUsers"]] == [user]
    assert entities["PolicyGroups"] == [] and entities["PolicyRoles"] == []
    assert refresh()[1] == 1
    assert error_code(iam.delete_policy, PolicyArn=arn) == "DeleteConflict"
    iam.detach_user_policy(UserName=user, PolicyArn=arn)
    versions = iam.get_paginator("list_policy_versions").paginate(PolicyArn=arn).build_full_result()["Versions"]
    for version in versions:
        if not version["IsDefaultVersion"]:
            iam.delete_policy_version(PolicyArn=arn, VersionId=version["VersionId"])
    iam.delete_policy(PolicyArn=arn)
    gone(iam.get_policy, "NoSuchEntity", PolicyArn=arn)
    gone(iam.get_policy_version, "NoSuchEntity", PolicyArn=arn, VersionId="v1")


def test_aws_iam_role(iam):
    name = unique("terraform")
    iam.create_role(RoleName=name, Path="/", AssumeRolePolicyDocument=TRUST, Description="d", MaxSessionDuration=3600, Tags=TAGS)

    def refresh():
        role = iam.get_role(RoleName=name)["Role"]
        assert role["Arn"] == f"arn:aws:iam::{ACCOUNT}:role/{name}" and role["RoleId"].startswith("AROA")
        inline = iam.get_paginator("list_role_policies").paginate(RoleName=name).build_full_result()["PolicyNames"]
        inline = {each: iam.get_role_policy(RoleName=name, PolicyName=each)["PolicyDocument"] for each in inline}
        attached = iam.get_paginator("list_attached_role_policies").paginate(RoleName=name).build_full_result()
        return {
            "trust": role["AssumeRolePolicyDocument"], "description": role.get("Description", ""),
            "duration": role["MaxSessionDuration"], "tags": role.get("Tags", []), "inline": inline,
            "boundary": role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn"),
            "attached": [each["PolicyArn"] for each in attached["AttachedPolicies"]]}

    assert refresh() == {"trust": json.loads(TRUST), "description": "d", "duration": 3600, "tags": TAGS, "inline": {},
                         "boundary": None, "attached": []}
    boundary = "arn:aws:iam::aws:policy/AmazonS3FullAccess"
    iam.update_assume_role_policy(RoleName=name, PolicyDocument=OTHER_TRUST)
    iam.update_role_description(RoleName=name, Description="e")
    iam.update_role(RoleName=name, MaxSessionDuration=7200)
    iam.put_role_permissions_boundary(RoleName=name, PermissionsBoundary=boundary)
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=allow("s3:GetObject"))
    iam.attach_role_policy(RoleName=name, PolicyArn=boundary)
    iam.untag_role(RoleName=name, TagKeys=["team"])
    assert refresh() == {"trust": json.loads(OTHER_TRUST), "description": "e", "duration": 7200, "tags": [],
                         "inline": {"p": json.loads(allow("s3:GetObject"))}, "boundary": boundary, "attached": [boundary]}
    iam.update_role_description(RoleName=name, Description="")
    assert refresh()["description"] == ""
    iam.delete_role_permissions_boundary(RoleName=name)
    iam.delete_role_policy(RoleName=name, PolicyName="p")
    iam.detach_role_policy(RoleName=name, PolicyArn=boundary)
    # force_detach_policies, and the instance profiles that stand in the way of every role.
    profiles = iam.get_paginator("list_instance_profiles_for_role").paginate(RoleName=name).build_full_result()
    assert profiles["InstanceProfiles"] == []
    assert refresh()["attached"] == [] and refresh()["inline"] == {}
    iam.delete_role(RoleName=name)
    gone(iam.get_role, "NoSuchEntity", RoleName=name)
    gone(iam.delete_role, "NoSuchEntity", RoleName=name)
    gone(iam.list_instance_profiles_for_role, "NoSuchEntity", RoleName=name)


def test_aws_iam_role_policy_and_attachment(iam):
    name = unique("terraform")
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST, MaxSessionDuration=3600)
    inline_policy(iam.put_role_policy, iam.get_role_policy, iam.delete_role_policy, RoleName=name)
    attachment(iam.attach_role_policy, iam.detach_role_policy, iam.get_paginator("list_attached_role_policies"), RoleName=name)
    iam.delete_role(RoleName=name)


def test_a_role_whose_trust_names_nobody_is_tried_again(iam):
    """For two minutes the provider repeats what fails with MalformedPolicyDocument and these words: a user may be new."""
    nobody = TRUST.replace(":root", f":user/{unique('nobody')}")
    with pytest.raises(iam.exceptions.MalformedPolicyDocumentException, match="Invalid principal in policy"):
        iam.create_role(RoleName=unique("terraform"), AssumeRolePolicyDocument=nobody)


def test_aws_iam_openid_connect_provider(iam):
    host = f"{unique('terraform')}.example.org"
    thumbprints = ["cf23df2207d99a74fbe169e3eba035e633b65d94", "9e99a48a9960b14926bb7f3b02e22da2b0ab7280"]
    arn = iam.create_open_id_connect_provider(
        Url=f"https://{host}", ClientIDList=["sts.amazonaws.com"], ThumbprintList=thumbprints[:1], Tags=TAGS,
    )["OpenIDConnectProviderArn"]
    assert arn == f"arn:aws:iam::{ACCOUNT}:oidc-provider/{host}"

    def refresh():
        found = iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)
        assert found["Url"] == host
        return sorted(found["ClientIDList"]), found["ThumbprintList"], found.get("Tags", [])

    assert refresh() == (["sts.amazonaws.com"], thumbprints[:1], TAGS)
    iam.add_client_id_to_open_id_connect_provider(OpenIDConnectProviderArn=arn, ClientID="other")
    iam.remove_client_id_from_open_id_connect_provider(OpenIDConnectProviderArn=arn, ClientID="sts.amazonaws.com")
    iam.update_open_id_connect_provider_thumbprint(OpenIDConnectProviderArn=arn, ThumbprintList=thumbprints)
    iam.untag_open_id_connect_provider(OpenIDConnectProviderArn=arn, TagKeys=["team"])
    assert refresh() == (["other"], thumbprints, [])
    listed = iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]
    assert arn in [each["Arn"] for each in listed]
    iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=arn)
    gone(iam.get_open_id_connect_provider, "NoSuchEntity", OpenIDConnectProviderArn=arn)


def test_aws_iam_account_alias(server):
    iam = client_of("iam", server, new_account(server)[1])
    alias = unique("terraform")
    assert iam.list_account_aliases()["AccountAliases"] == []
    iam.create_account_alias(AccountAlias=alias)
    assert iam.list_account_aliases()["AccountAliases"] == [alias]
    iam.delete_account_alias(AccountAlias=alias)
    gone(iam.delete_account_alias, "NoSuchEntity", AccountAlias=alias)


# Organizations.

def test_aws_organizations_account(server):
    organizations = client_of("organizations", server)
    email = f"{unique('terraform')}@example.org"
    status = organizations.create_account(AccountName="tenant", Email=email, Tags=TAGS)["CreateAccountStatus"]
    deadline = time.monotonic() + 30
    while status["State"] == "IN_PROGRESS":
        assert time.monotonic() < deadline
        status = organizations.describe_create_account_status(CreateAccountRequestId=status["Id"])["CreateAccountStatus"]
    status = organizations.describe_create_account_status(CreateAccountRequestId=status["Id"])["CreateAccountStatus"]
    assert status["State"] == "SUCCEEDED"
    account = status["AccountId"]

    def refresh():
        found = organizations.describe_account(AccountId=account)["Account"]
        assert found["Arn"].endswith(f"/{account}") and found["JoinedMethod"] == "CREATED" and found["JoinedTimestamp"]
        parents = organizations.get_paginator("list_parents").paginate(ChildId=account).build_full_result()["Parents"]
        assert [each["Type"] for each in parents] == ["ROOT"] and parents[0]["Id"].startswith("r-")
        tags = organizations.get_paginator("list_tags_for_resource").paginate(ResourceId=account).build_full_result()
        return found["Name"], found["Email"], found["Status"], tags["Tags"]

    assert refresh() == ("tenant", email, "ACTIVE", TAGS)
    organizations.untag_resource(ResourceId=account, TagKeys=["team"])
    organizations.tag_resource(ResourceId=account, Tags=[{"Key": "stage", "Value": "b"}])
    assert refresh()[3] == [{"Key": "stage", "Value": "b"}]
    # close_on_deletion. A suspended account is as good as gone for the refresh.
    organizations.close_account(AccountId=account)
    assert organizations.describe_account(AccountId=account)["Account"]["Status"] == "SUSPENDED"
    gone(organizations.describe_account, "AccountNotFoundException", AccountId="999999999999")


def test_data_aws_organizations_organization(server):
    organizations = client_of("organizations", server)
    organization = organizations.describe_organization()["Organization"]
    assert organization["MasterAccountId"] == ACCOUNT and organization["FeatureSet"] == "ALL"
    accounts = organizations.get_paginator("list_accounts").paginate().build_full_result()["Accounts"]
    assert ACCOUNT in [each["Id"] for each in accounts]
    assert len(organizations.get_paginator("list_roots").paginate().build_full_result()["Roots"]) == 1

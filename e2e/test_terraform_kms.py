"""What Terraform's AWS provider (versions 4 to 6) asks of the KMS: create, refresh, update, refresh, destroy.

The requests and the errors that the provider lives with are those of its source. What it waits for is there when it asks
for the first time.
"""

import json

import pytest
from botocore.exceptions import ClientError

from support.iam import error_code, unique

ACCOUNT = "000000000000"


def refresh_key(kms, key_id):
    """Everything that the resource for a key reads; None when it takes the key for deleted."""
    metadata = kms.describe_key(KeyId=key_id)["KeyMetadata"]
    if metadata["KeyState"] == "PendingDeletion":
        return None
    policy = kms.get_key_policy(KeyId=key_id, PolicyName="default")["Policy"]
    rotation = kms.get_key_rotation_status(KeyId=key_id)
    tags = kms.get_paginator("list_resource_tags").paginate(KeyId=key_id).build_full_result()["Tags"]
    return {
        "arn": metadata["Arn"], "description": metadata["Description"], "enabled": metadata["Enabled"],
        "spec": metadata["CustomerMasterKeySpec"], "usage": metadata["KeyUsage"], "multi_region": metadata["MultiRegion"],
        "policy": json.loads(policy), "rotation": (rotation["KeyRotationEnabled"], rotation.get("RotationPeriodInDays")),
        "tags": {tag["TagKey"]: tag["TagValue"] for tag in tags}}


def key_policy(*more):
    statements = [{"Sid": "root", "Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "kms:*",
                   "Resource": "*"}, *more]
    return {"Version": "2012-10-17", "Statement": statements}


def test_aws_kms_key(kms):
    made = kms.create_key(
        BypassPolicyLockoutSafetyCheck=False, KeySpec="SYMMETRIC_DEFAULT", KeyUsage="ENCRYPT_DECRYPT", Description="d",
        Tags=[{"TagKey": "team", "TagValue": "a"}])["KeyMetadata"]
    key_id = made["KeyId"]
    kms.enable_key_rotation(KeyId=key_id, RotationPeriodInDays=180)
    first = refresh_key(kms, key_id)
    assert first.pop("policy")["Statement"][0]["Principal"] == {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
    assert first == {
        "arn": made["Arn"], "description": "d", "enabled": True, "spec": "SYMMETRIC_DEFAULT", "usage": "ENCRYPT_DECRYPT",
        "multi_region": False, "rotation": (True, 180), "tags": {"team": "a"}}
    # An update of everything: a key is disabled last, and enabled first.
    policy = key_policy({"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "kms:DescribeKey", "Resource": "*",
                         "Condition": {"StringEquals": {"kms:CallerAccount": ACCOUNT}}})
    kms.disable_key_rotation(KeyId=key_id)
    kms.update_key_description(KeyId=key_id, Description="")
    kms.put_key_policy(KeyId=key_id, PolicyName="default", Policy=json.dumps(policy), BypassPolicyLockoutSafetyCheck=False)
    kms.untag_resource(KeyId=key_id, TagKeys=["team"])
    kms.tag_resource(KeyId=key_id, Tags=[{"TagKey": "stage", "TagValue": "b"}])
    kms.disable_key(KeyId=key_id)
    second = refresh_key(kms, key_id)
    assert second["policy"] == policy and second["description"] == "" and second["enabled"] is False
    assert second["rotation"] == (False, None) and second["tags"] == {"stage": "b"}
    kms.enable_key(KeyId=key_id)
    kms.enable_key_rotation(KeyId=key_id)
    assert refresh_key(kms, key_id)["rotation"] == (True, 365)
    # Destroyed: gone as soon as it waits for its deletion, and destroying it again is no error.
    kms.schedule_key_deletion(KeyId=key_id, PendingWindowInDays=7)
    assert refresh_key(kms, key_id) is None
    with pytest.raises(ClientError, match="is pending deletion") as refused:
        kms.schedule_key_deletion(KeyId=key_id, PendingWindowInDays=7)
    assert refused.value.response["Error"]["Code"] == "KMSInvalidStateException"
    assert error_code(kms.describe_key, KeyId="12121212-1212-4212-9212-121212121212") == "NotFoundException"


def test_a_key_whose_policy_names_nobody_is_tried_again(kms):
    """For two minutes the provider repeats what fails with this code: a user may be new."""
    nobody = key_policy({"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:user/{unique('nobody')}"},
                         "Action": "kms:Decrypt", "Resource": "*"})
    assert error_code(kms.create_key, Policy=json.dumps(nobody)) == "MalformedPolicyDocumentException"


def test_aws_kms_alias(kms):
    keys = [kms.create_key()["KeyMetadata"] for _ in range(2)]
    name = f"alias/{unique('terraform')}"

    def refresh():
        listed = kms.get_paginator("list_aliases").paginate().build_full_result()["Aliases"]
        found = [alias for alias in listed if alias["AliasName"] == name]
        return found and (found[0]["AliasArn"], found[0]["TargetKeyId"])

    assert not refresh()
    kms.create_alias(AliasName=name, TargetKeyId=keys[0]["KeyId"])
    arn = f"arn:aws:kms:us-east-1:{ACCOUNT}:{name}"
    assert refresh() == (arn, keys[0]["KeyId"])
    # `data.aws_kms_alias` and `data.aws_kms_key`.
    assert kms.describe_key(KeyId=keys[0]["KeyId"])["KeyMetadata"] == kms.describe_key(KeyId=arn)["KeyMetadata"]
    kms.update_alias(AliasName=name, TargetKeyId=keys[1]["KeyId"])
    assert refresh() == (arn, keys[1]["KeyId"])
    kms.delete_alias(AliasName=name)
    assert not refresh()
    assert error_code(kms.delete_alias, AliasName=name) == "NotFoundException"
    assert error_code(kms.create_alias, AliasName=name, TargetKeyId="12121212-1212-4212-9212-121212121212") == "NotFoundException"
    # `data.aws_kms_alias` of S3's own key, before anything was encrypted with it.
    assert kms.describe_key(KeyId="alias/aws/s3")["KeyMetadata"]["KeyManager"] == "AWS"

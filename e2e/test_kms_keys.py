"""Keys of the KMS: made, described, listed, disabled, tagged and deleted, by boto3 and the AWS CLI."""

import datetime
import json

import pytest
from botocore.exceptions import ClientError

from support.access_log import AccessLog
from support.iam import client_of, create_user, error_code, new_account, refusal
from support.server import wait_until
from support.tools import Tool

ACCOUNT = "000000000000"
NOBODY = "12345678-1234-4234-8234-123456789012"


def described(kms, key_id):
    return kms.describe_key(KeyId=key_id)["KeyMetadata"]


# CreateKey and DescribeKey.

def test_a_key_is_what_a_key_of_aws_is(kms):
    made = kms.create_key(Description="of the tests", Tags=[{"TagKey": "team", "TagValue": "a"}])["KeyMetadata"]
    key_id = made["KeyId"]
    assert made["Arn"] == f"arn:aws:kms:us-east-1:{ACCOUNT}:key/{key_id}"
    now = datetime.datetime.now(datetime.timezone.utc)
    assert abs(now - made.pop("CreationDate")) < datetime.timedelta(minutes=5)
    assert len(bytes.fromhex(made.pop("CurrentKeyMaterialId"))) == 32
    assert made == {
        "AWSAccountId": ACCOUNT, "KeyId": key_id, "Arn": made["Arn"], "Enabled": True, "Description": "of the tests",
        "KeyUsage": "ENCRYPT_DECRYPT", "KeyState": "Enabled", "Origin": "AWS_KMS", "KeyManager": "CUSTOMER",
        "CustomerMasterKeySpec": "SYMMETRIC_DEFAULT", "KeySpec": "SYMMETRIC_DEFAULT",
        "EncryptionAlgorithms": ["SYMMETRIC_DEFAULT"], "MultiRegion": False}
    again = described(kms, key_id)
    assert all(again[name] == value for name, value in made.items())
    assert kms.list_resource_tags(KeyId=key_id)["Tags"] == [{"TagKey": "team", "TagValue": "a"}]


def test_a_key_is_described_by_each_of_its_names(kms, key):
    kms.create_alias(AliasName="alias/described", TargetKeyId=key["KeyId"])
    arn = f"arn:aws:kms:us-east-1:{ACCOUNT}:alias/described"
    for name in (key["KeyId"], key["Arn"], "alias/described", arn):
        assert described(kms, name)["Arn"] == key["Arn"]
    kms.delete_alias(AliasName="alias/described")


def test_a_multi_region_key_is_a_primary_without_replicas(kms):
    made = kms.create_key(MultiRegion=True)["KeyMetadata"]
    assert made["KeyId"].startswith("mrk-") and made["MultiRegion"]
    assert made["MultiRegionConfiguration"] == {
        "MultiRegionKeyType": "PRIMARY", "PrimaryKey": {"Arn": made["Arn"], "Region": "us-east-1"}, "ReplicaKeys": []}
    assert described(kms, made["KeyId"])["Arn"] == made["Arn"]


@pytest.mark.parametrize("parameters, code, message", [
    ({"KeySpec": "RSA_2048"}, "ValidationException",
     "You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys."),
    ({"KeySpec": "RSA_2048", "KeyUsage": "SIGN_VERIFY"}, "UnsupportedOperationException", "RSA_2048"),
    ({"KeySpec": "HMAC_256", "KeyUsage": "GENERATE_VERIFY_MAC"}, "UnsupportedOperationException", "HMAC_256"),
    ({"KeySpec": "AES_256"}, "ValidationException",
     "1 validation error detected: Value 'AES_256' at 'keySpec' failed to satisfy constraint: Member must satisfy enum value set: ["),
    ({"KeyUsage": "RANDOM"}, "ValidationException",
     "1 validation error detected: Value 'RANDOM' at 'keyUsage' failed to satisfy constraint: Member must satisfy enum value set: ["),
    ({"KeyUsage": "SIGN_VERIFY"}, "ValidationException", "KeyUsage SIGN_VERIFY is not compatible with KeySpec SYMMETRIC_DEFAULT"),
    ({"KeySpec": "SYMMETRIC_DEFAULT", "CustomerMasterKeySpec": "SYMMETRIC_DEFAULT"}, "ValidationException", "in the same request"),
    ({"Origin": "EXTERNAL"}, "UnsupportedOperationException", "EXTERNAL"),
    ({"Origin": "AWS_CLOUDHSM", "CustomKeyStoreId": "cks-1"}, "UnsupportedOperationException", "AWS_CLOUDHSM"),
    ({"Origin": "EXTERNAL_KEY_STORE"}, "ValidationException", "CustomKeyStoreId"),
    ({"CustomKeyStoreId": "cks-1"}, "ValidationException", "EXTERNAL_KEY_STORE"),
    ({"XksKeyId": "a"}, "ValidationException", "XksKeyId"),
    ({"Origin": "EXTERNAL_KEY_STORE", "CustomKeyStoreId": "cks-none", "XksKeyId": "a"}, "CustomKeyStoreNotFoundException", "cks-none"),
    ({"Description": "x" * 8193}, "ValidationException", "at 'description' failed to satisfy constraint: Member must have length less than or equal to 8192"),
    ({"Tags": [{"TagKey": "a", "TagValue": ""}, {"TagKey": "a", "TagValue": "b"}]}, "TagException", "Duplicate tag keys"),
    ({"Tags": [{"TagKey": "aws:a", "TagValue": ""}]}, "TagException", "Tags beginning with aws: are reserved"),
    ({"Tags": [{"TagKey": "AWS:a", "TagValue": ""}]}, "TagException", "Tags beginning with aws: are reserved"),
    ({"Tags": [{"TagKey": str(n), "TagValue": ""} for n in range(51)]}, "TagException", "Too many tags"),
    ({"Tags": [{"TagKey": "a" * 129, "TagValue": ""}]}, "ValidationException", "at 'tags.1.member.tagKey' failed to satisfy constraint"),
    ({"Policy": "{}"}, "MalformedPolicyDocumentException", ""),
])
def test_what_cannot_be_made_is_refused_in_the_words_of_aws(kms, parameters, code, message):
    found = refusal(kms.create_key, **parameters)
    assert found[0] == code and message in found[1]


def test_a_policy_that_would_lock_its_author_out_is_refused_unless_told_to(kms):
    document = json.dumps({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "kms:DescribeKey", "Resource": "*"}]})
    assert refusal(kms.create_key, Policy=document)[0] == "MalformedPolicyDocumentException"
    made = kms.create_key(Policy=document, BypassPolicyLockoutSafetyCheck=True)["KeyMetadata"]
    assert described(kms, made["KeyId"])["KeyState"] == "Enabled"
    assert error_code(kms.disable_key, KeyId=made["KeyId"]) == "AccessDeniedException"


@pytest.mark.parametrize("name, message", [
    (NOBODY, f"Key 'arn:aws:kms:us-east-1:{ACCOUNT}:key/{NOBODY}' does not exist"),
    ("no-key", "Invalid keyId 'no-key'"),
    ("alias/none", f"Alias arn:aws:kms:us-east-1:{ACCOUNT}:alias/none is not found."),
    (f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/{NOBODY}", "Invalid arn eu-west-1"),
    (f"arn:aws:kms:us-east-1:111122223333:alias/aws/s3", "Alias arn:aws:kms:us-east-1:111122223333:alias/aws/s3 is not found."),
])
def test_what_is_not_there_is_not_found(kms, name, message):
    assert refusal(kms.describe_key, KeyId=name) == ("NotFoundException", message)


def test_parameters_that_are_missing_or_of_another_kind(server):
    kms = client_of("kms", server, parameter_validation=False)
    missing = "1 validation error detected: Value null at 'keyId' failed to satisfy constraint: Member must not be null"
    for call in (kms.describe_key, kms.disable_key, kms.schedule_key_deletion, kms.list_resource_tags, kms.sign):
        assert refusal(call) == ("ValidationException", missing)
    assert error_code(kms.list_keys, Limit="many") == "SerializationException"
    assert error_code(kms.create_key, Description=["a"]) == "SerializationException"


# ListKeys.

def test_keys_are_listed_in_pages(fresh_server):
    kms = client_of("kms", fresh_server)
    made = sorted(kms.create_key()["KeyMetadata"]["KeyId"] for _ in range(7))
    assert [each["KeyId"] for each in kms.list_keys()["Keys"]] == made
    assert kms.list_keys(Limit=7)["Truncated"] is False
    first = kms.list_keys(Limit=3)
    assert first["Truncated"] is True and [each["KeyId"] for each in first["Keys"]] == made[:3]
    pages = kms.get_paginator("list_keys").paginate(PaginationConfig={"PageSize": 3})
    entries = [each for page in pages for each in page["Keys"]]
    assert [each["KeyId"] for each in entries] == made
    assert all(each["KeyArn"].endswith(f":key/{each['KeyId']}") for each in entries)
    assert kms.list_keys(Limit=3, Marker=first["NextMarker"])["Keys"][0]["KeyId"] == made[3]
    assert refusal(kms.list_keys, Marker="!")[0] == "InvalidMarkerException"
    _, credentials = new_account(fresh_server)
    assert client_of("kms", fresh_server, credentials).list_keys()["Keys"] == []


@pytest.mark.parametrize("limit, bound", [(0, "greater than or equal to 1"), (1001, "less than or equal to 1000")])
def test_limits_have_bounds(server, limit, bound):
    kms = client_of("kms", server, parameter_validation=False)
    message = f"1 validation error detected: Value '{limit}' at 'limit' failed to satisfy constraint: Member must have value {bound}"
    assert refusal(kms.list_keys, Limit=limit) == ("ValidationException", message)


# States. https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html

def test_a_key_is_disabled_and_enabled(kms, key):
    for _ in range(2):
        kms.disable_key(KeyId=key["KeyId"])
    found = described(kms, key["KeyId"])
    assert found["KeyState"] == "Disabled" and found["Enabled"] is False
    for _ in range(2):
        kms.enable_key(KeyId=key["Arn"])
    assert described(kms, key["KeyId"])["Enabled"] is True


def calls(kms, key_id):
    """Every action that changes a key, and what it is asked with."""
    return {
        "EnableKey": lambda: kms.enable_key(KeyId=key_id),
        "DisableKey": lambda: kms.disable_key(KeyId=key_id),
        "UpdateKeyDescription": lambda: kms.update_key_description(KeyId=key_id, Description="new"),
        "TagResource": lambda: kms.tag_resource(KeyId=key_id, Tags=[{"TagKey": "a", "TagValue": "b"}]),
        "UntagResource": lambda: kms.untag_resource(KeyId=key_id, TagKeys=["a"]),
        "CreateAlias": lambda: kms.create_alias(AliasName="alias/state", TargetKeyId=key_id),
        "EnableKeyRotation": lambda: kms.enable_key_rotation(KeyId=key_id),
        "DisableKeyRotation": lambda: kms.disable_key_rotation(KeyId=key_id),
        "RotateKeyOnDemand": lambda: kms.rotate_key_on_demand(KeyId=key_id),
        "ScheduleKeyDeletion": lambda: kms.schedule_key_deletion(KeyId=key_id),
    }


def test_what_a_disabled_key_refuses(kms, key):
    kms.disable_key(KeyId=key["KeyId"])
    for name, call in calls(kms, key["KeyId"]).items():
        if name in ("EnableKeyRotation", "DisableKeyRotation", "RotateKeyOnDemand"):
            assert refusal(call) == ("DisabledException", f"{key['Arn']} is disabled."), name
        elif name not in ("EnableKey", "ScheduleKeyDeletion"):
            call()
    kms.delete_alias(AliasName="alias/state")
    assert refusal(kms.cancel_key_deletion, KeyId=key["KeyId"]) == (
        "KMSInvalidStateException", f"{key['Arn']} is not pending deletion.")


def test_what_a_key_that_waits_for_its_deletion_refuses(kms, key):
    kms.create_alias(AliasName="alias/waits", TargetKeyId=key["KeyId"])
    kms.schedule_key_deletion(KeyId=key["KeyId"])
    for name, call in calls(kms, key["KeyId"]).items():
        assert refusal(call) == ("KMSInvalidStateException", f"{key['Arn']} is pending deletion."), name
    # What it lets happen.
    assert kms.get_key_rotation_status(KeyId=key["KeyId"])["KeyRotationEnabled"] is False
    assert kms.list_resource_tags(KeyId=key["KeyId"])["Tags"] == []
    assert kms.list_key_rotations(KeyId=key["KeyId"])["Rotations"] == []
    other = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.update_alias(AliasName="alias/waits", TargetKeyId=other)
    assert error_code(kms.update_alias, AliasName="alias/waits", TargetKeyId=key["KeyId"]) == "KMSInvalidStateException"
    kms.delete_alias(AliasName="alias/waits")


def test_management_takes_ids_and_arns_but_no_alias(kms, key):
    kms.create_alias(AliasName="alias/managed", TargetKeyId=key["KeyId"])
    for call in calls(kms, "alias/managed").values():
        assert error_code(call) in ("NotFoundException", "ValidationException")
    assert refusal(kms.disable_key, KeyId="alias/managed") == ("NotFoundException", "Invalid keyId 'alias/managed'")
    kms.delete_alias(AliasName="alias/managed")


# Deletion.

def test_deletion_is_scheduled_and_cancelled(kms, key):
    answer = kms.schedule_key_deletion(KeyId=key["KeyId"], PendingWindowInDays=7)
    assert answer["KeyId"] == key["Arn"] and answer["KeyState"] == "PendingDeletion" and answer["PendingWindowInDays"] == 7
    in_days = answer["DeletionDate"] - datetime.datetime.now(datetime.timezone.utc)
    assert datetime.timedelta(days=6, hours=23) < in_days <= datetime.timedelta(days=7)
    found = described(kms, key["KeyId"])
    assert found["DeletionDate"] == answer["DeletionDate"] and found["Enabled"] is False
    assert kms.cancel_key_deletion(KeyId=key["KeyId"])["KeyId"] == key["Arn"]
    found = described(kms, key["KeyId"])
    assert found["KeyState"] == "Disabled" and "DeletionDate" not in found
    kms.enable_key(KeyId=key["KeyId"])
    assert kms.schedule_key_deletion(KeyId=key["KeyId"])["PendingWindowInDays"] == 30


@pytest.mark.parametrize("days", [0, 1, 6, 31, 366, -1])
def test_a_window_is_from_7_to_30_days(server, key, days):
    kms = client_of("kms", server, parameter_validation=False)
    assert error_code(kms.schedule_key_deletion, KeyId=key["KeyId"], PendingWindowInDays=days) == "ValidationException"
    assert described(kms, key["KeyId"])["KeyState"] == "Enabled"


def test_a_key_is_destroyed_when_its_window_is_over(make_server):
    server = make_server(environment={"COFFER_KMS_DAY_MS": "300"}).start()
    kms = client_of("kms", server)
    key, kept = kms.create_key()["KeyMetadata"], kms.create_key()["KeyMetadata"]
    kms.create_alias(AliasName="alias/doomed", TargetKeyId=key["KeyId"])
    kms.create_alias(AliasName="alias/kept", TargetKeyId=kept["KeyId"])
    kms.schedule_key_deletion(KeyId=kept["KeyId"], PendingWindowInDays=30)
    kms.schedule_key_deletion(KeyId=key["KeyId"], PendingWindowInDays=7)
    kms.cancel_key_deletion(KeyId=kept["KeyId"])
    gone = f"Key '{key['Arn']}' does not exist"

    def is_gone():
        try:
            return described(kms, key["KeyId"])["KeyState"] != "PendingDeletion"
        except ClientError as error:
            assert error.response["Error"] == {"Code": "NotFoundException", "Message": gone}
            return True

    wait_until(is_gone, 30, "the key is destroyed")
    for call in (kms.enable_key, kms.cancel_key_deletion, kms.schedule_key_deletion, kms.list_resource_tags,
                 kms.get_key_policy, kms.rotate_key_on_demand):
        assert refusal(call, KeyId=key["Arn"]) == ("NotFoundException", gone)
    assert refusal(kms.describe_key, KeyId="alias/doomed")[0] == "NotFoundException"
    assert [each["AliasName"] for each in kms.list_aliases()["Aliases"]] == ["alias/kept"]
    assert [each["KeyId"] for each in kms.list_keys()["Keys"]] == [kept["KeyId"]]
    # Nor after a restart, which has nothing in memory.
    server.stop()
    server.start()
    assert refusal(kms.describe_key, KeyId=key["KeyId"]) == ("NotFoundException", gone)
    assert described(kms, kept["KeyId"])["KeyState"] == "Disabled"
    server.close()


# Tags.

def test_tags_are_put_and_taken(kms, key):
    key_id = key["KeyId"]
    kms.tag_resource(KeyId=key_id, Tags=[{"TagKey": "b", "TagValue": "1"}, {"TagKey": "a", "TagValue": ""}])
    kms.tag_resource(KeyId=key_id, Tags=[{"TagKey": "b", "TagValue": "2"}, {"TagKey": "c", "TagValue": "3"}])
    pages = kms.get_paginator("list_resource_tags").paginate(KeyId=key_id, PaginationConfig={"PageSize": 2})
    assert [(tag["TagKey"], tag["TagValue"]) for page in pages for tag in page["Tags"]] == [("a", ""), ("b", "2"), ("c", "3")]
    kms.untag_resource(KeyId=key_id, TagKeys=["a", "b", "none"])
    assert [tag["TagKey"] for tag in kms.list_resource_tags(KeyId=key_id)["Tags"]] == ["c"]
    for tags in ([{"TagKey": "aws:x", "TagValue": ""}], [{"TagKey": "x", "TagValue": "1"}] * 2,
                 [{"TagKey": str(n), "TagValue": ""} for n in range(50)]):
        assert error_code(kms.tag_resource, KeyId=key_id, Tags=tags) == "TagException"
    assert error_code(kms.untag_resource, KeyId=key_id, TagKeys=["aws:x"]) == "TagException"
    assert len(kms.list_resource_tags(KeyId=key_id)["Tags"]) == 1


# Who may.

def test_actions_are_authorised_one_by_one(server, iam, kms, key):
    policy = json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": ["kms:DescribeKey", "kms:DisableKey"], "Resource": key["Arn"]},
        {"Effect": "Allow", "Action": "kms:ListKeys", "Resource": "*"}]})
    _, credentials = create_user(iam, policy=policy)
    own = client_of("kms", server, credentials)
    own.describe_key(KeyId=key["KeyId"])
    own.disable_key(KeyId=key["KeyId"])
    own.list_keys()
    refused = calls(own, key["KeyId"]) | {
        "CreateKey": own.create_key, "ListAliases": own.list_aliases,
        "DescribeCustomKeyStores": own.describe_custom_key_stores,
        "CancelKeyDeletion": lambda: own.cancel_key_deletion(KeyId=key["KeyId"]),
        "ListResourceTags": lambda: own.list_resource_tags(KeyId=key["KeyId"]),
        "ListKeyRotations": lambda: own.list_key_rotations(KeyId=key["KeyId"]),
        "GetKeyRotationStatus": lambda: own.get_key_rotation_status(KeyId=key["KeyId"])}
    del refused["DisableKey"]
    for name, call in refused.items():
        code, message = refusal(call)
        assert code == "AccessDeniedException" and f"is not authorized to perform: kms:{name} on resource: " in message, name
    assert described(kms, key["KeyId"])["KeyState"] == "Disabled"


def test_conditions_look_at_what_is_asked_for(server, iam):
    def may(*statements):
        document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Resource": "*"} | each for each in statements]}
        _, credentials = create_user(iam, policy=json.dumps(document))
        return client_of("kms", server, credentials)

    tagged = may({"Action": ["kms:CreateKey", "kms:TagResource"], "Condition": {
        "StringEquals": {"aws:RequestTag/team": "a"}, "ForAllValues:StringEquals": {"aws:TagKeys": ["team"]}}})
    made = tagged.create_key(Tags=[{"TagKey": "team", "TagValue": "a"}])["KeyMetadata"]["KeyId"]
    for tags in ([], [{"TagKey": "team", "TagValue": "b"}], [{"TagKey": "team", "TagValue": "a"}, {"TagKey": "x", "TagValue": ""}]):
        assert error_code(tagged.create_key, Tags=tags) == "AccessDeniedException"
    assert error_code(tagged.tag_resource, KeyId=made, Tags=[{"TagKey": "x", "TagValue": ""}]) == "AccessDeniedException"
    untagged = may({"Action": "kms:CreateKey"})
    untagged.create_key()
    assert error_code(untagged.create_key, Tags=[{"TagKey": "team", "TagValue": "a"}]) == "AccessDeniedException"
    careful = may({"Action": "kms:ScheduleKeyDeletion", "Condition": {
        "NumericGreaterThanEquals": {"kms:ScheduleKeyDeletionPendingWindowInDays": "20"}, "StringEquals": {"aws:ResourceTag/team": "a"}}})
    assert error_code(careful.schedule_key_deletion, KeyId=made, PendingWindowInDays=7) == "AccessDeniedException"
    assert careful.schedule_key_deletion(KeyId=made)["PendingWindowInDays"] == 30


def test_nobody_manages_keys_of_another_account(server, key):
    _, credentials = new_account(server)
    stranger = client_of("kms", server, credentials)
    assert error_code(stranger.describe_key, KeyId=key["KeyId"]) == "NotFoundException"
    for call in calls(stranger, key["Arn"]).values():
        assert error_code(call) == "AccessDeniedException"
    assert error_code(stranger.describe_key, KeyId=key["Arn"]) == "AccessDeniedException"


def test_the_key_of_s3_can_be_seen_and_not_changed(kms):
    key = described(kms, "alias/aws/s3")
    assert key["KeyManager"] == "AWS" and key["Description"].startswith("Default key that protects my S3 objects")
    assert kms.get_key_rotation_status(KeyId=key["KeyId"])["KeyRotationEnabled"] is True
    for name, call in calls(kms, key["KeyId"]).items():
        assert error_code(call) == "AccessDeniedException", name
    assert described(kms, key["KeyId"])["KeyState"] == "Enabled"


# What there is not.

def test_key_stores_are_named_by_the_operator(kms):
    listed = kms.describe_custom_key_stores()
    assert listed["CustomKeyStores"] == [] and listed["Truncated"] is False
    assert error_code(kms.describe_custom_key_stores, CustomKeyStoreId="cks-1") == "CustomKeyStoreNotFoundException"
    for call, parameters in (
            (kms.create_custom_key_store, {"CustomKeyStoreName": "a"}), (kms.connect_custom_key_store, {}),
            (kms.disconnect_custom_key_store, {}), (kms.delete_custom_key_store, {}), (kms.update_custom_key_store, {})):
        asked = parameters or {"CustomKeyStoreId": "cks-1"}
        assert error_code(call, **asked) == "UnsupportedOperationException"


def test_what_is_for_other_keys_is_refused_by_name(kms, key):
    key_id, blob = key["KeyId"], b"x"
    for call, parameters in (
            (kms.sign, {"Message": blob, "SigningAlgorithm": "ECDSA_SHA_256"}),
            (kms.verify, {"Message": blob, "Signature": blob, "SigningAlgorithm": "ECDSA_SHA_256"}),
            (kms.generate_mac, {"Message": blob, "MacAlgorithm": "HMAC_SHA_256"}),
            (kms.verify_mac, {"Message": blob, "Mac": blob, "MacAlgorithm": "HMAC_SHA_256"}),
            (kms.derive_shared_secret, {"KeyAgreementAlgorithm": "ECDH", "PublicKey": blob})):
        code, message = refusal(call, KeyId=key_id, **parameters)
        assert code == "InvalidKeyUsageException"
        assert message.startswith(f"{key['Arn']} key usage is ENCRYPT_DECRYPT which is not valid for ")
    for call, parameters in (
            (kms.get_public_key, {}), (kms.replicate_key, {"ReplicaRegion": "eu-west-1"}),
            (kms.update_primary_region, {"PrimaryRegion": "eu-west-1"}), (kms.delete_imported_key_material, {}),
            (kms.get_parameters_for_import, {"WrappingAlgorithm": "RSAES_OAEP_SHA_256", "WrappingKeySpec": "RSA_2048"}),
            (kms.import_key_material, {"ImportToken": blob, "EncryptedKeyMaterial": blob}),
            (kms.generate_data_key_pair, {"KeyPairSpec": "RSA_2048"})):
        assert error_code(call, KeyId=key_id, **parameters) == "UnsupportedOperationException"


# The AWS CLI.

def test_the_aws_cli_manages_keys(server, tmp_path):
    aws = Tool("aws", server, tmp_path, arguments=["--endpoint-url", server.url, "--output", "json", "kms"])
    made = json.loads(aws.run("create-key", "--description", "by the CLI", "--tags", "TagKey=team,TagValue=a"))["KeyMetadata"]
    key_id = made["KeyId"]
    assert key_id in aws.run("list-keys")
    aws.run("update-key-description", "--key-id", key_id, "--description", "another")
    assert json.loads(aws.run("describe-key", "--key-id", key_id))["KeyMetadata"]["Description"] == "another"
    aws.run("disable-key", "--key-id", key_id)
    aws.run("enable-key", "--key-id", key_id)
    assert json.loads(aws.run("list-resource-tags", "--key-id", key_id))["Tags"] == [{"TagKey": "team", "TagValue": "a"}]
    aws.run("untag-resource", "--key-id", key_id, "--tag-keys", "team")
    answer = json.loads(aws.run("schedule-key-deletion", "--key-id", key_id, "--pending-window-in-days", "7"))
    assert answer["KeyState"] == "PendingDeletion"
    refused = aws.attempt("enable-key", "--key-id", key_id)
    assert refused.returncode != 0 and "(KMSInvalidStateException)" in refused.stdout
    aws.run("cancel-key-deletion", "--key-id", key_id)
    assert json.loads(aws.run("describe-key", "--key-id", key_id))["KeyMetadata"]["KeyState"] == "Disabled"


# What the operator sees.

def test_requests_are_logged_and_counted(make_server, tmp_path):
    log = AccessLog(tmp_path / "access.log")
    server = make_server(environment={
        "COFFER_ACCESS_LOG": str(log.path), "COFFER_ACCESS_LOG_NAMES": "plain", "COFFER_KMS_DAY_MS": "1000"}).start()
    kms = client_of("kms", server)
    key_id = kms.create_key(Description="canary of the log")["KeyMetadata"]["KeyId"]
    disabled = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.disable_key(KeyId=disabled)
    assert error_code(kms.rotate_key_on_demand, KeyId=disabled) == "DisabledException"
    entry = log.find(lambda entry: entry["eventName"] == "RotateKeyOnDemand", "an entry for the rotation")
    assert entry["eventSource"] == "kms.amazonaws.com" and entry["errorCode"] == "DisabledException"
    assert entry["accountId"] == ACCOUNT and entry["httpStatus"] == 400
    assert "canary" not in log.text()

    def metric(line):
        return line in server.admin("/metrics")[1].decode().splitlines()

    assert metric('coffer_kms_uses_total{action="kms:CreateKey",outcome="done"} 2')
    assert metric('coffer_kms_uses_total{action="kms:RotateKeyOnDemand",outcome="denied"} 1')
    wait_until(lambda: metric('coffer_kms_keys{state="disabled"} 1'), 30, "the keys are counted")
    assert metric('coffer_kms_keys{state="enabled"} 1') and metric('coffer_kms_keys{state="pending_deletion"} 0')
    assert metric('coffer_requests_total{operation="CreateKey",status="2xx"} 2')
    assert described(kms, key_id)["Enabled"]
    server.close()

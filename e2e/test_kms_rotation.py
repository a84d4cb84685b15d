"""Rotation of the material of KMS keys, on demand and when it is due, by boto3 and the AWS CLI."""

import datetime
import json
import threading

import pytest
from botocore.exceptions import ClientError

from support.iam import client_of, create_user, error_code
from support.server import wait_until
from support.tools import Tool

CONTEXT = {"purpose": "test"}


@pytest.fixture
def fast(make_server):
    """A server whose days are so short that 90 of them are nine seconds, and a client."""
    server = make_server(environment={"COFFER_KMS_DAY_MS": "100"}).start()
    yield server, client_of("kms", server)
    server.close()


def rotations(kms, key_id, **parameters):
    pages = kms.get_paginator("list_key_rotations").paginate(KeyId=key_id, **parameters)
    return [each for page in pages for each in page["Rotations"]]


def decrypted(kms, ciphertext):
    answer = kms.decrypt(CiphertextBlob=ciphertext, EncryptionContext=CONTEXT)
    return answer["Plaintext"], answer["KeyMaterialId"]


def test_what_was_encrypted_before_a_rotation_decrypts_after_it(kms, key):
    key_id = key["KeyId"]
    ciphertexts = []
    for number in range(4):
        text = f"secret {number}".encode()
        sealed = kms.encrypt(KeyId=key_id, Plaintext=text, EncryptionContext=CONTEXT)["CiphertextBlob"]
        current = kms.describe_key(KeyId=key_id)["KeyMetadata"]["CurrentKeyMaterialId"]
        ciphertexts.append((sealed, text, current))
        assert kms.rotate_key_on_demand(KeyId=key_id)["KeyId"] == key["Arn"]
    assert len({material for _, _, material in ciphertexts}) == 4
    for sealed, text, material in ciphertexts:
        assert decrypted(kms, sealed) == (text, material)
    # The list begins with the material that the key was made with.
    listed = rotations(kms, key_id, IncludeKeyMaterial="ALL_KEY_MATERIAL", PaginationConfig={"PageSize": 2})
    assert [each["KeyMaterialId"] for each in listed[:4]] == [material for _, _, material in ciphertexts]
    assert [each["KeyMaterialState"] for each in listed] == ["NON_CURRENT"] * 4 + ["CURRENT"]
    assert "RotationDate" not in listed[0] and {each["RotationType"] for each in listed[1:]} == {"ON_DEMAND"}
    assert rotations(kms, key_id) == listed[1:]


def test_a_re_encryption_moves_to_the_newest_material(kms, key):
    sealed = kms.encrypt(KeyId=key["KeyId"], Plaintext=b"text", EncryptionContext=CONTEXT)["CiphertextBlob"]
    kms.rotate_key_on_demand(KeyId=key["KeyId"])
    moved = kms.re_encrypt(
        CiphertextBlob=sealed, SourceEncryptionContext=CONTEXT, DestinationKeyId=key["KeyId"], DestinationEncryptionContext=CONTEXT)
    assert moved["SourceKeyMaterialId"] != moved["DestinationKeyMaterialId"]
    assert decrypted(kms, moved["CiphertextBlob"]) == (b"text", moved["DestinationKeyMaterialId"])


def test_rotation_is_switched_on_and_off(kms, key):
    key_id = key["KeyId"]
    status = lambda: kms.get_key_rotation_status(KeyId=key_id)
    assert status()["KeyRotationEnabled"] is False
    kms.enable_key_rotation(KeyId=key_id)
    found = status()
    assert found["KeyRotationEnabled"] is True and found["RotationPeriodInDays"] == 365 and found["KeyId"] == key["Arn"]
    in_days = found["NextRotationDate"] - datetime.datetime.now(datetime.timezone.utc)
    assert datetime.timedelta(days=364, hours=23) < in_days <= datetime.timedelta(days=365)
    kms.enable_key_rotation(KeyId=key_id, RotationPeriodInDays=90)
    assert status()["RotationPeriodInDays"] == 90
    kms.disable_key(KeyId=key_id)
    assert status()["KeyRotationEnabled"] is True, "a disabled key keeps its schedule"
    kms.enable_key(KeyId=key_id)
    kms.disable_key_rotation(KeyId=key_id)
    assert status()["KeyRotationEnabled"] is False and "NextRotationDate" not in status()


@pytest.mark.parametrize("days", [0, 89, 2561, -1])
def test_a_period_is_from_90_to_2560_days(server, key, days):
    kms = client_of("kms", server, parameter_validation=False)
    with pytest.raises(ClientError, match=f"Value '{days}' at 'rotationPeriodInDays' failed to satisfy constraint") as refused:
        kms.enable_key_rotation(KeyId=key["KeyId"], RotationPeriodInDays=days)
    assert refused.value.response["Error"]["Code"] == "ValidationException"
    assert kms.get_key_rotation_status(KeyId=key["KeyId"])["KeyRotationEnabled"] is False


def test_a_key_is_rotated_on_demand_25_times(kms, key):
    sealed = kms.encrypt(KeyId=key["KeyId"], Plaintext=b"text", EncryptionContext=CONTEXT)["CiphertextBlob"]
    for _ in range(25):
        kms.rotate_key_on_demand(KeyId=key["KeyId"])
    with pytest.raises(ClientError, match="The on-demand rotations limit has been reached") as refused:
        kms.rotate_key_on_demand(KeyId=key["KeyId"])
    assert refused.value.response["Error"]["Code"] == "LimitExceededException"
    assert decrypted(kms, sealed)[0] == b"text"


def test_keys_that_are_due_are_rotated_by_the_server(fast):
    server, kms = fast
    key_id = kms.create_key()["KeyMetadata"]["KeyId"]
    never = kms.create_key()["KeyMetadata"]["KeyId"]
    sealed = kms.encrypt(KeyId=key_id, Plaintext=b"old", EncryptionContext=CONTEXT)["CiphertextBlob"]
    kms.enable_key_rotation(KeyId=key_id, RotationPeriodInDays=90)
    next_date = kms.get_key_rotation_status(KeyId=key_id)["NextRotationDate"]
    assert next_date - datetime.datetime.now(datetime.timezone.utc) <= datetime.timedelta(seconds=9)
    # Stopped while it is due, the server rotates when it is back.
    server.stop()
    server.start()
    wait_until(lambda: rotations(kms, key_id), 60, "the key is rotated")
    entry = rotations(kms, key_id)[0]
    assert entry["RotationType"] == "AUTOMATIC" and entry["RotationDate"] >= next_date
    wait_until(lambda: len(rotations(kms, key_id)) > 1, 60, "it is rotated again")
    since = kms.get_key_rotation_status(KeyId=key_id)["NextRotationDate"] - next_date
    assert since % datetime.timedelta(seconds=9) == datetime.timedelta(0), "the rhythm stays"
    assert rotations(kms, never) == []
    assert decrypted(kms, sealed)[0] == b"old"


def test_rotations_that_race_each_make_one_generation(kms, key):
    """Eight at once: each that succeeds is one rotation, and none is made twice."""
    outcomes = []

    def rotate():
        try:
            kms.rotate_key_on_demand(KeyId=key["KeyId"])
            outcomes.append("done")
        except ClientError as error:
            outcomes.append(error.response["Error"]["Code"])

    threads = [threading.Thread(target=rotate) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == 8 and set(outcomes) <= {"done", "DependencyTimeoutException"}
    listed = rotations(kms, key["KeyId"], IncludeKeyMaterial="ALL_KEY_MATERIAL")
    assert len(listed) == 1 + outcomes.count("done")
    assert len({each["KeyMaterialId"] for each in listed}) == len(listed)


def test_the_period_can_be_kept_within_bounds_by_policy(server, iam, key):
    policy = json.dumps({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Action": "kms:EnableKeyRotation", "Resource": key["Arn"],
        "Condition": {"NumericLessThanEquals": {"kms:RotationPeriodInDays": "180"}}}]})
    own = client_of("kms", server, create_user(iam, policy=policy)[1])
    own.enable_key_rotation(KeyId=key["KeyId"], RotationPeriodInDays=180)
    for parameters in ({"RotationPeriodInDays": 181}, {}):
        assert error_code(own.enable_key_rotation, KeyId=key["KeyId"], **parameters) == "AccessDeniedException"


def test_objects_stay_readable_while_their_key_is_rotated(server, kms, key, s3_tls):
    bucket = "kms-rotation"
    s3_tls.create_bucket(Bucket=bucket)
    sealed = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key["Arn"]}
    for number in range(3):
        s3_tls.put_object(Bucket=bucket, Key=str(number), Body=b"body %d" % number, **sealed)
        kms.rotate_key_on_demand(KeyId=key["KeyId"])
    for number in range(3):
        answer = s3_tls.get_object(Bucket=bucket, Key=str(number))
        assert answer["Body"].read() == b"body %d" % number and answer["SSEKMSKeyId"] == key["Arn"]
    kms.disable_key(KeyId=key["KeyId"])
    with pytest.raises(ClientError) as refused:
        s3_tls.get_object(Bucket=bucket, Key="0")
    assert refused.value.response["Error"]["Code"] == "KMS.DisabledException"
    kms.enable_key(KeyId=key["KeyId"])
    assert s3_tls.get_object(Bucket=bucket, Key="0")["Body"].read() == b"body 0"


def test_the_aws_cli_rotates_keys(server, tmp_path, key):
    aws = Tool("aws", server, tmp_path, arguments=["--endpoint-url", server.url, "--output", "json", "kms"])
    aws.run("enable-key-rotation", "--key-id", key["KeyId"], "--rotation-period-in-days", "180")
    status = json.loads(aws.run("get-key-rotation-status", "--key-id", key["KeyId"]))
    assert status["KeyRotationEnabled"] is True and status["RotationPeriodInDays"] == 180
    aws.run("rotate-key-on-demand", "--key-id", key["KeyId"])
    listed = json.loads(aws.run("list-key-rotations", "--key-id", key["KeyId"]))["Rotations"]
    assert [each["RotationType"] for each in listed] == ["ON_DEMAND"]
    aws.run("disable-key-rotation", "--key-id", key["KeyId"])

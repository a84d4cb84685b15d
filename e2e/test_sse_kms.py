"""SSE-KMS and DSSE-KMS: objects under keys of the KMS, by requests that say exactly what they say, and by boto3."""

import base64
import json

import pytest

from support import errors
from support.access import policy_of, put_policy, statement
from support.checksums import content_md5, md5_hex
from support.errors import expect_error
from support.forms import Form
from support.iam import allow, create_user
from support.client import Client
from support.sse import KEY_A, SSE, SSE_CONTEXT, SSE_KMS_KEY, expect_sse_s3

BODY = b"an object under a key of the KMS"
BUCKET_KEY = SSE + "-bucket-key-enabled"
ACCOUNT = "000000000000"
NOBODY = "12345678-1234-4234-8234-123456789012"


def under(key_id=None, method="aws:kms", **headers):
    return {SSE: method} | ({SSE_KMS_KEY: key_id} if key_id is not None else {}) | headers


def context(pairs):
    return base64.b64encode(json.dumps(pairs).encode()).decode()


def expect_kms(answer, key_arn, method="aws:kms", bucket_key=None):
    assert answer.status in (200, 204, 206), answer
    found = [answer.header(name) for name in (SSE, SSE_KMS_KEY, BUCKET_KEY)]
    assert found == [method, key_arn, bucket_key], answer


def default(method, key=None, bucket_key="false"):
    master = f"<KMSMasterKeyID>{key}</KMSMasterKeyID>" if key else ""
    return (f"<Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>{method}</SSEAlgorithm>{master}"
            f"</ApplyServerSideEncryptionByDefault><BucketKeyEnabled>{bucket_key}</BucketKeyEnabled></Rule>")


def managed_key(kms):
    return kms.describe_key(KeyId="alias/aws/s3")["KeyMetadata"]["Arn"]


# PutObject.

@pytest.mark.parametrize("method", ["aws:kms", "aws:kms:dsse"])
def test_object_under_a_key_by_each_of_its_names(client, kms, bucket, key, method):
    alias = f"alias/{bucket}"
    kms.create_alias(AliasName=alias, TargetKeyId=key["KeyId"])
    for name in (key["KeyId"], key["Arn"], alias, f"arn:aws:kms:us-east-1:{ACCOUNT}:{alias}"):
        put = client.put(bucket, "object", BODY, under(name, method))
        expect_kms(put, key["Arn"], method)
        assert put.etag != md5_hex(BODY) and len(put.etag) == 32
        got = client.get(bucket, "object")
        expect_kms(got, key["Arn"], method)
        assert (got.body, got.etag, got.header(SSE_CONTEXT)) == (BODY, put.etag, None)
        expect_kms(client.head(bucket, "object"), key["Arn"], method)


def test_without_a_key_it_is_that_of_the_account_also_where_the_bucket_has_another(client, kms, bucket, key):
    expect_kms(client.put(bucket, "object", BODY, under()), managed_key(kms))
    assert client.put_encryption(bucket, default("aws:kms", key["KeyId"], "true")).status == 200
    expect_kms(client.put(bucket, "object", BODY, under()), managed_key(kms), bucket_key="true")
    expect_kms(client.put(bucket, "object", BODY), key["Arn"], bucket_key="true")
    expect_sse_s3(client.put(bucket, "object", BODY, {SSE: "AES256"}))


@pytest.mark.parametrize("said, shown", [("true", "true"), ("false", None)])
def test_bucket_key_is_shown_only_if_there_is_one(client, bucket, key, said, shown):
    for name in ("a", "b"):
        expect_kms(client.put(bucket, name, BODY, under(key["KeyId"], **{BUCKET_KEY: said})), key["Arn"], bucket_key=shown)
        got = client.get(bucket, name)
        expect_kms(got, key["Arn"], bucket_key=shown)
        assert got.body == BODY


@pytest.mark.parametrize("name, message", [
    ("fake-key-id", "Invalid keyId 'fake-key-id'"),
    (NOBODY, f"Key 'arn:aws:kms:us-east-1:{ACCOUNT}:key/{NOBODY}' does not exist"),
    (f"arn:aws:kms:us-east-1:{ACCOUNT}:key/{NOBODY}", f"Key 'arn:aws:kms:us-east-1:{ACCOUNT}:key/{NOBODY}' does not exist"),
    (f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/{NOBODY}", "Invalid arn eu-west-1"),
    ("alias/none", f"Alias arn:aws:kms:us-east-1:{ACCOUNT}:alias/none is not found."),
])
def test_key_that_is_not_there_leaves_no_object(client, bucket, name, message):
    for answer in (client.put(bucket, "object", BODY, under(name)), client.create_upload(bucket, "object", under(name))):
        expect_error(answer, 400, "KMS.NotFoundException", message)
    assert client.put_encryption(bucket, default("aws:kms", name)).status == 200
    expect_error(client.put(bucket, "object", BODY), 400, "KMS.NotFoundException", message)
    assert client.keys(bucket) == []


@pytest.mark.parametrize("method", ["aes:kms", "AES192", "AWS:KMS", ""])
def test_method_that_is_none_is_refused(client, bucket, method):
    expect_error(client.put(bucket, "object", BODY, {SSE: method}), *errors.METHOD_UNKNOWN, ArgumentValue=method)


@pytest.mark.parametrize("header", ["bm90IGpzb24=", "e30", base64.b64encode(b'{"a":1}').decode(), base64.b64encode(b"[]").decode(),
                                    context({"aws:s3:arn": "arn:aws:s3:::other/object"})])
def test_context_that_is_none_is_refused(client, bucket, header):
    expect_error(client.put(bucket, "object", BODY, under(**{SSE_CONTEXT: header})), *errors.CONTEXT_MALFORMED)
    assert client.keys(bucket) == []


def test_context_comes_back_with_the_write_alone(client, bucket, key):
    header = context({"team": "a"})
    headers = under(key["KeyId"], **{SSE_CONTEXT: header})
    assert client.put(bucket, "object", BODY, headers).header(SSE_CONTEXT) == header
    assert client.create_upload(bucket, "other", headers).header(SSE_CONTEXT) == header
    assert client.copy(bucket, "copy", bucket, "object", headers).header(SSE_CONTEXT) == header
    got = client.get(bucket, "copy")
    assert (got.body, got.header(SSE_CONTEXT)) == (BODY, None)


def test_customer_key_with_kms_is_a_conflict(client, bucket, key):
    answer = client.put(bucket, "object", BODY, under(key["KeyId"], **KEY_A.headers()))
    expect_error(answer, *errors.METHOD_CONFLICT, ArgumentValue="aws:kms")


# Transport and signatures.

def test_kms_is_for_tls_alone(client, bucket, key):
    expect_error(client.put(bucket, "object", BODY, under(key["KeyId"]), tls=False), *errors.KMS_INSECURE)
    assert client.put(bucket, "object", BODY, under(key["KeyId"])).status == 200
    expect_error(client.get(bucket, "object", tls=False), *errors.KMS_INSECURE)
    assert client.put_encryption(bucket, default("aws:kms")).status == 200
    expect_error(client.put(bucket, "plain", BODY, tls=False), *errors.KMS_INSECURE)
    assert client.keys(bucket) == ["object"]


def test_kms_is_not_for_strangers(client, bucket, key):
    assert client.put(bucket, "object", BODY, under(key["KeyId"])).status == 200
    assert client.request("DELETE", bucket, query={"publicAccessBlock": ""}).status == 204
    assert put_policy(client, bucket, policy_of(statement(bucket, action="s3:GetObject"))).status == 204
    expect_error(client.anonymous("GET", bucket, "object"), *errors.KMS_UNSIGNED, ArgumentValue="null")


# The key.

def test_disabled_key_stops_reads_and_writes_at_once(client, kms, bucket, key):
    headers = under(key["KeyId"], **{BUCKET_KEY: "true"})
    client.put(bucket, "object", BODY, headers)
    assert client.get(bucket, "object").body == BODY
    kms.disable_key(KeyId=key["KeyId"])
    disabled = (400, "KMS.DisabledException", f"{key['Arn']} is disabled.")
    for answer in (client.get(bucket, "object"), client.put(bucket, "other", BODY, headers),
                   client.copy(bucket, "copy", bucket, "object")):
        expect_error(answer, *disabled)
    expect_kms(client.head(bucket, "object"), key["Arn"], bucket_key="true")
    assert client.head(bucket, "object", {"x-amz-checksum-mode": "ENABLED"}).status == 400
    kms.enable_key(KeyId=key["KeyId"])
    assert client.get(bucket, "object").body == BODY
    kms.schedule_key_deletion(KeyId=key["KeyId"], PendingWindowInDays=7)
    expect_error(client.get(bucket, "object"), 400, "KMS.KMSInvalidStateException", f"{key['Arn']} is pending deletion.")
    assert client.delete(bucket, "object").status == 204, "what goes needs no key"


def test_caller_needs_permission_for_the_key(client, server, iam, kms, bucket, key):
    _, credentials = create_user(iam, policy=allow("s3:*"))
    other = Client(server, credentials)
    client.put(bucket, "object", BODY, under(key["KeyId"], **{BUCKET_KEY: "true"}))
    for action, answer in (("Decrypt", other.get(bucket, "object")),
                           ("GenerateDataKey", other.put(bucket, "new", BODY, under(key["KeyId"], **{BUCKET_KEY: "true"})))):
        assert (answer.status, answer.text("Code")) == (403, "AccessDenied"), answer
        assert f"is not authorized to perform: kms:{action} on resource: {key['Arn']}" in answer.text("Message"), answer
    assert client.keys(bucket) == ["object"]
    _, credentials = create_user(iam, policy=allow("s3:*", "kms:Decrypt", "kms:GenerateDataKey"))
    allowed = Client(server, credentials)
    assert allowed.get(bucket, "object").body == BODY
    assert allowed.put(bucket, "new", BODY, under(key["KeyId"])).status == 200


# Reads.

def test_read_takes_no_header_of_encryption(client, bucket, key):
    client.put(bucket, "object", BODY, under(key["KeyId"]))
    expect_error(client.get(bucket, "object", {SSE: "aws:kms"}), *errors.METHOD_NOT_HERE, ArgumentValue="aws:kms")
    assert client.head(bucket, "object", under(key["KeyId"])).status == 400


@pytest.mark.parametrize("method", ["aws:kms", "aws:kms:dsse"])
def test_ranges_of_a_large_object(client, bucket, key, random_bytes, method):
    content = random_bytes(300_001)
    client.put(bucket, "object", content, under(key["KeyId"], method))
    for first, last in ((0, 0), (65_535, 65_537), (100_000, 299_999), (300_000, 300_000)):
        got = client.get(bucket, "object", {"Range": f"bytes={first}-{last}"})
        expect_kms(got, key["Arn"], method)
        assert (got.status, got.body) == (206, content[first:last + 1])


# Uploads in parts.

@pytest.mark.parametrize("method", ["aws:kms", "aws:kms:dsse"])
def test_upload_in_parts(client, bucket, key, random_bytes, method):
    content = random_bytes(5 << 20)
    created = client.create_upload(bucket, "object", under(key["KeyId"], method))
    expect_kms(created, key["Arn"], method)
    upload = created.text("UploadId")
    parts = []
    for number, body in enumerate((content, b"end"), 1):
        part = client.upload_part(bucket, "object", upload, number, body)
        expect_kms(part, key["Arn"], method)
        assert part.etag != md5_hex(body)
        parts.append((number, part.etag))
    refused = client.upload_part(bucket, "object", upload, 3, b"x", {SSE: "aws:kms"})
    expect_error(refused, *errors.METHOD_NOT_HERE, ArgumentValue="aws:kms")
    assert client.upload_part(bucket, "object", upload, 3, b"x", {SSE_KMS_KEY: key["KeyId"]}).status == 400
    completed = client.complete(bucket, "object", upload, parts)
    expect_kms(completed, key["Arn"], method)
    got = client.get(bucket, "object")
    expect_kms(got, key["Arn"], method)
    assert got.body == content + b"end"


# Copies.

def test_copy_goes_by_the_destination(client, kms, bucket, key):
    plain = client.put(bucket, "plain", BODY)
    copied = client.copy(bucket, "sealed", bucket, "plain", under(key["KeyId"]))
    expect_kms(copied, key["Arn"])
    assert client.get(bucket, "sealed").body == BODY
    back = client.copy(bucket, "back", bucket, "sealed")
    expect_sse_s3(back)
    assert client.head(bucket, "back").etag == plain.etag == md5_hex(BODY)
    expect_error(client.copy(bucket, "x", bucket, "plain", under("fake")), 400, "KMS.NotFoundException", "Invalid keyId 'fake'")


def test_copy_onto_itself(client, kms, bucket, key):
    client.put(bucket, "object", BODY, under(key["KeyId"], **{BUCKET_KEY: "true"}))
    expect_kms(client.copy(bucket, "object", bucket, "object", under()), managed_key(kms))
    expect_sse_s3(client.copy(bucket, "object", bucket, "object"))
    expect_error(client.copy(bucket, "object", bucket, "object"), *errors.COPY_ONTO_ITSELF)
    assert client.get(bucket, "object").body == BODY


# Forms.

def test_form(client, bucket, key):
    fields = {"key": "object", SSE: "aws:kms", SSE_KMS_KEY: key["KeyId"]}
    expect_kms(Form(client, bucket, fields).post(BODY), key["Arn"])
    assert client.get(bucket, "object").body == BODY
    expect_error(Form(client, bucket, fields).post(BODY, tls=False), *errors.KMS_INSECURE)


# UpdateObjectEncryption.

def update(client, bucket, key_arn, query=(), **options):
    body = f"<ObjectEncryption><SSE-KMS><KMSKeyArn>{key_arn}</KMSKeyArn></SSE-KMS></ObjectEncryption>".encode()
    headers = {"Content-MD5": content_md5(body)}
    query = {"encryption": ""} | dict(query)
    return client.request("PUT", bucket, "object", query=query, body=body, headers=headers, **options)


def test_encryption_of_an_object_is_updated_in_place(client, kms, bucket, key):
    put = client.put(bucket, "object", BODY)
    before = client.head(bucket, "object")
    for arn in (key["Arn"], kms.create_key()["KeyMetadata"]["Arn"]):
        answer = update(client, bucket, arn)
        assert (answer.status, answer.body) == (200, b""), answer
        after = client.get(bucket, "object")
        expect_kms(after, arn)
        assert (after.body, after.etag) == (BODY, put.etag)
        assert after.header("Last-Modified") == before.header("Last-Modified")
    expect_error(update(client, bucket, arn, tls=False), *errors.KMS_INSECURE)


def test_encryption_of_a_version_is_updated(s3_tls, client, bucket, key):
    s3_tls.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    versions = [client.put(bucket, "object", body).header("x-amz-version-id") for body in (b"one", b"two")]
    assert update(client, bucket, key["Arn"], {"versionId": versions[0]}).status == 200
    heads = [s3_tls.get_object(Bucket=bucket, Key="object", VersionId=version) for version in versions]
    assert [head["ServerSideEncryption"] for head in heads] == ["aws:kms", "AES256"]
    assert [head["Body"].read() for head in heads] == [b"one", b"two"]


# boto3.

def test_boto3(s3_tls, bucket, key):
    s3_tls.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [{
        "ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key["Arn"]},
        "BucketKeyEnabled": True}]})
    put = s3_tls.put_object(Bucket=bucket, Key="object", Body=BODY)
    assert (put["ServerSideEncryption"], put["SSEKMSKeyId"], put["BucketKeyEnabled"]) == ("aws:kms", key["Arn"], True)
    got = s3_tls.get_object(Bucket=bucket, Key="object")
    assert (got["Body"].read(), got["SSEKMSKeyId"]) == (BODY, key["Arn"])
    updated = s3_tls.update_object_encryption(
        Bucket=bucket, Key="object", ObjectEncryption={"SSEKMS": {"KMSKeyArn": key["Arn"], "BucketKeyEnabled": True}})
    assert updated["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_presigned_upload(client, bucket, key):
    headers = under(key["KeyId"])
    url = client.presign("PUT", bucket, "object", headers=headers)
    expect_kms(client.send_presigned("PUT", url, headers=headers, body=BODY), key["Arn"])
    got = client.send_presigned("GET", client.presign("GET", bucket, "object"))
    expect_kms(got, key["Arn"])
    assert got.body == BODY

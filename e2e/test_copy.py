"""CopyObject and encryption: the destination's headers decide the mode, the source's key only opens the source."""

import pytest

from support import errors, sse
from support.checksums import checksum, md5_hex
from support.errors import expect_error
from support.sse import (
    ALGORITHM, KEY_A, KEY_B, KEYS_OF_WRONG_LENGTH, SOURCE_ALGORITHM, SOURCE_KEY, SSE, expect_customer_key, expect_sse_s3)

BODY = b"what is copied"
MIB = 1 << 20
EXPLICIT_AES256 = (
    "<Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule>")


@pytest.fixture
def sources(client, bucket):
    """`plain`, and `sealed` under KEY_A."""
    client.put(bucket, "plain", BODY)
    client.put(bucket, "sealed", BODY, KEY_A.headers())


def etag_in(answer):
    assert answer.status == 200 and answer.xml.tag == "CopyObjectResult", answer
    assert answer.text("LastModified")
    return answer.text("ETag").strip('"')


def test_plain_to_plain(client, bucket, sources):
    answer = client.copy(bucket, "copy", bucket, "plain")
    assert etag_in(answer) == md5_hex(BODY)
    expect_sse_s3(answer)
    assert client.get(bucket, "copy").body == BODY


def test_plain_to_customer_key(client, bucket, sources):
    answer = client.copy(bucket, "copy", bucket, "plain", KEY_A.headers())
    assert etag_in(answer) != md5_hex(BODY)
    expect_customer_key(answer, KEY_A)
    assert answer.text("ChecksumCRC64NVME") == checksum("crc64nvme", BODY)
    assert answer.text("ChecksumType") == "FULL_OBJECT"
    assert client.get(bucket, "copy", KEY_A.headers()).body == BODY


@pytest.mark.parametrize("headers", [{}, {SSE: "AES256"}], ids=["default", "explicit"])
def test_customer_key_to_sse_s3(client, bucket, sources, headers):
    answer = client.copy(bucket, "copy", bucket, "sealed", {**KEY_A.source_headers(), **headers})
    assert etag_in(answer) == md5_hex(BODY)
    expect_sse_s3(answer)
    assert client.get(bucket, "copy").body == BODY


def test_customer_key_to_the_same_key(client, bucket, sources):
    answer = client.copy(bucket, "copy", bucket, "sealed", {**KEY_A.source_headers(), **KEY_A.headers()})
    assert etag_in(answer) != client.head(bucket, "sealed", KEY_A.headers()).etag
    expect_customer_key(answer, KEY_A)
    assert client.get(bucket, "copy", KEY_A.headers()).body == BODY


def test_customer_key_to_a_new_key(client, bucket, sources):
    answer = client.copy(bucket, "copy", bucket, "sealed", {**KEY_A.source_headers(), **KEY_B.headers()})
    expect_customer_key(answer, KEY_B)
    assert client.get(bucket, "copy", KEY_B.headers()).body == BODY
    expect_error(client.get(bucket, "copy", KEY_A.headers()), *errors.WRONG_KEY)


def test_key_change_in_place(client, bucket, sources):
    answer = client.copy(bucket, "sealed", bucket, "sealed", {**KEY_A.source_headers(), **KEY_B.headers()})
    expect_customer_key(answer, KEY_B)
    assert client.get(bucket, "sealed", KEY_B.headers()).body == BODY
    expect_error(client.get(bucket, "sealed", KEY_A.headers()), *errors.WRONG_KEY)


def test_source_under_a_key_needs_the_key(client, bucket, sources):
    expect_error(client.copy(bucket, "copy", bucket, "sealed"), *errors.KEY_REQUIRED)
    expect_error(client.copy(bucket, "copy", bucket, "sealed", KEY_A.headers()), *errors.KEY_REQUIRED)
    expect_error(client.get(bucket, "copy"), *errors.NO_SUCH_KEY)


@pytest.mark.parametrize("key", [KEY_B, *KEYS_OF_WRONG_LENGTH.values()], ids=["other", 1, 10, 31, 33])
def test_wrong_source_key_is_a_bad_request(client, bucket, sources, key):
    answer = client.copy(bucket, "copy", bucket, "sealed", key.source_headers())
    expect_error(answer, *errors.NOT_THE_ORIGINAL_KEY)


def test_md5_of_the_source_key_may_be_left_out(client, bucket, sources):
    answer = client.copy(bucket, "copy", bucket, "sealed", {SOURCE_ALGORITHM: "AES256", SOURCE_KEY: KEY_A.base64})
    assert etag_in(answer) == md5_hex(BODY)


@pytest.mark.parametrize("headers, error, argument_value", sse.MALFORMED_ON_READ)
def test_malformed_source_key_is_refused(client, bucket, sources, headers, error, argument_value):
    answer = client.copy(bucket, "copy", bucket, "sealed", sse.as_source(headers))
    expect_error(answer, *error, ArgumentValue=argument_value)


@pytest.mark.parametrize("headers, error, argument_value", sse.MALFORMED_ON_WRITE)
def test_malformed_destination_key_is_refused(client, bucket, sources, headers, error, argument_value):
    answer = client.copy(bucket, "copy", bucket, "plain", headers)
    expect_error(answer, *error, ArgumentValue=argument_value)
    expect_error(client.get(bucket, "copy"), *errors.NO_SUCH_KEY)


def test_source_key_is_judged_before_the_destination_key(client, bucket, sources):
    both = {**KEY_A.source_headers(), SOURCE_ALGORITHM: "SRC-ALG", **KEY_A.headers(), ALGORITHM: "DST-ALG"}
    answer = client.copy(bucket, "copy", bucket, "sealed", both)
    expect_error(answer, *errors.ALGORITHM_UNSUPPORTED, ArgumentValue="SRC-ALG")
    answer = client.copy(bucket, "copy", bucket, "sealed", {SOURCE_ALGORITHM: "AES256", **KEY_A.headers(), ALGORITHM: "BAD"})
    expect_error(answer, *errors.KEY_MISSING)


def test_destination_key_and_method_is_a_conflict(client, bucket, sources):
    answer = client.copy(bucket, "copy", bucket, "plain", {**KEY_A.headers(), SSE: "AES256"})
    expect_error(answer, *errors.METHOD_CONFLICT, ArgumentValue="AES256")


@pytest.mark.parametrize("headers", [KEY_A.headers(), KEY_A.source_headers(), sse.as_source(sse.customer("BAD"))],
                         ids=["destination", "source", "malformed-source"])
def test_keys_over_plain_http_are_refused(client, bucket, sources, headers):
    expect_error(client.copy(bucket, "copy", bucket, "plain", headers, tls=False), *errors.INSECURE_TRANSPORT)


def test_source_key_does_not_apply_to_a_plain_source(client, bucket, sources):
    expect_error(client.copy(bucket, "copy", bucket, "plain", KEY_A.source_headers()), *errors.NOT_APPLICABLE)


# Onto itself.

@pytest.mark.parametrize("headers", [{}, {"x-amz-acl": "private"}, {"x-amz-metadata-directive": "COPY"}],
                         ids=["nothing", "acl", "metadata-copied"])
def test_copy_onto_itself_that_changes_nothing_is_refused(client, bucket, sources, headers):
    expect_error(client.copy(bucket, "plain", bucket, "plain", headers), *errors.COPY_ONTO_ITSELF)


@pytest.mark.parametrize("headers", [
    {SSE: "AES256"},
    {"x-amz-metadata-directive": "REPLACE", "x-amz-meta-new": "yes"},
    {"x-amz-storage-class": "STANDARD"},
    KEY_A.headers(),
], ids=["method", "metadata-replaced", "storage-class", "customer-key"])
def test_copy_onto_itself_with_a_change_is_accepted(client, bucket, sources, headers):
    answer = client.copy(bucket, "plain", bucket, "plain", headers)
    assert answer.status == 200, answer
    assert client.get(bucket, "plain", KEY_A.headers() if ALGORITHM in headers else {}).body == BODY


def test_copy_onto_itself_under_an_explicit_default_is_accepted(client, bucket, sources):
    assert client.put_encryption(bucket, EXPLICIT_AES256).status == 200
    assert client.copy(bucket, "plain", bucket, "plain").status == 200


def test_removing_the_explicit_default_forbids_it_again(client, bucket, sources):
    client.put_encryption(bucket, EXPLICIT_AES256)
    assert client.request("DELETE", bucket, query={"encryption": ""}).status == 204
    expect_error(client.copy(bucket, "plain", bucket, "plain"), *errors.COPY_ONTO_ITSELF)


# What goes along.

def test_copy_of_a_multipart_object_has_a_plain_md5_etag(client, bucket):
    parts = [b"a" * (5 * MIB), b"b"]
    upload = client.new_upload(bucket, "parts")
    done = [(number, client.upload_part(bucket, "parts", upload, number, part).etag) for number, part in enumerate(parts, 1)]
    assert client.complete(bucket, "parts", upload, done).status == 200
    assert etag_in(client.copy(bucket, "copy", bucket, "parts")) == md5_hex(b"".join(parts))
    assert client.get(bucket, "copy").body == b"".join(parts)


@pytest.mark.parametrize("headers", [{}, KEY_A.headers()], ids=["sse-s3", "sse-c"])
def test_copy_outlives_its_source(client, bucket, random_bytes, headers):
    body = random_bytes(3 * MIB)
    client.put(bucket, "source", body, headers)
    source = sse.as_source(headers)
    assert client.copy(bucket, "copy", bucket, "source", {**source, **headers}).status == 200
    assert client.delete(bucket, "source").status == 204
    assert client.get(bucket, "copy", headers).body == body


def test_copy_to_another_bucket(client, bucket, new_bucket, sources):
    other = new_bucket()
    assert client.copy(other, "copy", bucket, "sealed", {**KEY_A.source_headers(), **KEY_B.headers()}).status == 200
    assert client.get(other, "copy", KEY_B.headers()).body == BODY


def test_metadata_goes_along_unless_replaced(client, bucket):
    client.put(bucket, "source", BODY, {"x-amz-meta-colour": "blue", "Content-Type": "text/x-a"})
    client.copy(bucket, "copied", bucket, "source", {"x-amz-meta-colour": "ignored"})
    copied = client.head(bucket, "copied")
    assert copied.header("x-amz-meta-colour") == "blue" and copied.header("Content-Type") == "text/x-a"
    client.copy(bucket, "replaced", bucket, "source", {"x-amz-metadata-directive": "REPLACE", "x-amz-meta-size": "big"})
    replaced = client.head(bucket, "replaced")
    assert replaced.header("x-amz-meta-colour") is None and replaced.header("x-amz-meta-size") == "big"


def test_unknown_metadata_directive_is_refused(client, bucket, sources):
    answer = client.copy(bucket, "copy", bucket, "plain", {"x-amz-metadata-directive": "MERGE"})
    expect_error(answer, 400, "InvalidArgument", "Unknown metadata directive.", "x-amz-metadata-directive", ArgumentValue="MERGE")


def test_copy_of_nothing(client, bucket):
    expect_error(client.copy(bucket, "copy", bucket, "absent"), *errors.NO_SUCH_KEY, Key="absent")
    expect_error(client.copy(bucket, "copy", "no-such-bucket-here", "absent"), *errors.NO_SUCH_BUCKET)


@pytest.mark.parametrize("condition, holds", [
    ("if-match", True), ("if-match", False), ("if-none-match", True), ("if-none-match", False)])
def test_condition_on_the_source(client, bucket, sources, condition, holds):
    etag = client.head(bucket, "sealed", KEY_A.headers()).etag
    matching = (condition == "if-match") == holds
    headers = {**KEY_A.source_headers(), f"x-amz-copy-source-{condition}": f'"{etag}"' if matching else '"0"'}
    answer = client.copy(bucket, "copy", bucket, "sealed", headers)
    if holds:
        assert answer.status == 200, answer
    else:
        expect_error(answer, *errors.PRECONDITION_FAILED, Condition=f"x-amz-copy-source-{condition.title()}")

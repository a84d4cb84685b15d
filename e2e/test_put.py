"""PutObject and encryption: which headers make which object, and which are refused."""

import json
import re

import pytest

from support import errors, sse
from support.checksums import base64_text, checksum, content_md5, md5_hex
from support.errors import expect_error
from support.sse import ALGORITHM, KEY_A, KEY_B, SSE, SSE_CONTEXT, SSE_KMS_KEY, expect_customer_key, expect_sse_s3

BODY = b"the body of an object"
HEX_32 = re.compile("[0-9a-f]{32}")
BAD_MD5_SYNTAX = "dGhpcyBpcyB3cm9uZw=="  # 13 bytes


def expect_nothing_stored(client, bucket, key="object"):
    expect_error(client.get(bucket, key), *errors.NO_SUCH_KEY, Key=key)


@pytest.mark.parametrize("headers", [{}, {SSE: "AES256"}], ids=["default", "explicit"])
def test_sse_s3_object_has_md5_etag_and_default_checksum(client, bucket, headers):
    answer = client.put(bucket, "object", BODY, headers)
    assert answer.status == 200 and answer.body == b""
    expect_sse_s3(answer)
    assert answer.etag == md5_hex(BODY)
    assert answer.header("x-amz-checksum-crc64nvme") == checksum("crc64nvme", BODY)
    assert answer.header("x-amz-checksum-type") == "FULL_OBJECT"
    read = client.get(bucket, "object")
    assert read.body == BODY
    expect_sse_s3(read)


def test_customer_key_object_has_opaque_etag_and_default_checksum(client, bucket):
    answer = client.put(bucket, "object", BODY, KEY_A.headers())
    assert answer.status == 200
    expect_customer_key(answer, KEY_A)
    assert HEX_32.fullmatch(answer.etag) and answer.etag != md5_hex(BODY)
    assert answer.header("x-amz-checksum-crc64nvme") == checksum("crc64nvme", BODY)
    assert answer.header("x-amz-checksum-type") == "FULL_OBJECT"
    assert client.get(bucket, "object", KEY_A.headers()).body == BODY


def test_same_body_and_key_twice_gives_two_etags(client, bucket):
    etags = {client.put(bucket, "object", BODY, KEY_A.headers()).etag for _ in range(2)}
    assert len(etags) == 2


@pytest.mark.parametrize("headers", [
    pytest.param(KEY_A.headers(), id="valid"),
    pytest.param(sse.customer("AES128-INVALID", "junk", "junk"), id="invalid"),
    pytest.param(sse.customer("AES256"), id="algorithm-alone"),
    pytest.param(sse.customer(key=""), id="empty-key"),
])
def test_customer_key_over_plain_http_is_refused(client, bucket, headers):
    expect_error(client.put(bucket, "object", BODY, headers, tls=False), *errors.INSECURE_TRANSPORT)
    expect_nothing_stored(client, bucket)


@pytest.mark.parametrize("headers, error, argument_value", sse.MALFORMED_ON_WRITE)
def test_malformed_customer_key_is_refused(client, bucket, headers, error, argument_value):
    expect_error(client.put(bucket, "object", BODY, headers), *error, ArgumentValue=argument_value)
    expect_nothing_stored(client, bucket)


def test_header_names_of_customer_keys_ignore_case(client, bucket):
    headers = {name.lower(): value for name, value in KEY_A.headers().items()}
    expect_customer_key(client.put(bucket, "object", BODY, headers), KEY_A)


@pytest.mark.parametrize("method", ["AES256", "aws:kms"])
def test_customer_key_with_another_method_is_a_conflict(client, bucket, method):
    answer = client.put(bucket, "object", BODY, {**KEY_A.headers(), SSE: method})
    expect_error(answer, *errors.METHOD_CONFLICT, ArgumentValue=method)


def test_conflict_wins_over_unknown_algorithm(client, bucket):
    answer = client.put(bucket, "object", BODY, {**KEY_A.headers(), ALGORITHM: "KMS", SSE: "AES256"})
    expect_error(answer, *errors.METHOD_CONFLICT, ArgumentValue="AES256")


def test_storage_class_is_judged_before_digest_and_algorithm(client, bucket):
    headers = {**KEY_A.headers(), ALGORITHM: "BAD", "Content-MD5": BAD_MD5_SYNTAX, "x-amz-storage-class": "BAD"}
    expect_error(client.put(bucket, "object", BODY, headers), *errors.STORAGE_CLASS_UNKNOWN, StorageClassRequested="BAD")


def test_digest_syntax_is_judged_before_algorithm(client, bucket):
    headers = {**KEY_A.headers(), ALGORITHM: "BAD", "Content-MD5": BAD_MD5_SYNTAX}
    answer = client.put(bucket, "object", BODY, headers)
    expect_error(answer, *errors.CONTENT_MD5_MALFORMED, **{"Content-MD5": BAD_MD5_SYNTAX})


def test_content_md5_of_the_plaintext_is_accepted_with_a_customer_key(client, bucket):
    answer = client.put(bucket, "object", BODY, {**KEY_A.headers(), "Content-MD5": content_md5(BODY)})
    assert answer.status == 200, answer


def test_wrong_content_md5_with_a_customer_key_stores_nothing(client, bucket):
    answer = client.put(bucket, "object", BODY, {**KEY_A.headers(), "Content-MD5": content_md5(b"other")})
    expect_error(answer, *errors.CONTENT_MD5_MISMATCH, ExpectedDigest=content_md5(b"other"), CalculatedDigest=content_md5(BODY))
    expect_nothing_stored(client, bucket)


def test_wrong_checksum_with_a_customer_key_stores_nothing(client, bucket):
    answer = client.put(bucket, "object", BODY, {**KEY_A.headers(), "x-amz-checksum-crc32": checksum("crc32", b"other")})
    expect_error(answer, 400, "BadDigest", "The CRC32 you specified did not match the calculated checksum.")
    expect_nothing_stored(client, bucket)


@pytest.mark.parametrize("method", ["aes:kms", "AES192", "AES-256", "aes256", "AWS:KMS", ""])
def test_unknown_method_is_refused(client, bucket, method):
    answer = client.put(bucket, "object", BODY, {SSE: method})
    expect_error(answer, *errors.METHOD_UNKNOWN)
    assert (answer.text("ArgumentValue") or "") == method
    expect_nothing_stored(client, bucket)


@pytest.mark.parametrize("header", [SSE_KMS_KEY, SSE_CONTEXT])
@pytest.mark.parametrize("method", [{}, {SSE: "AES256"}], ids=["no-method", "AES256"])
def test_kms_header_without_kms_is_refused(client, bucket, header, method):
    value = "1234abcd-12ab-34cd-56ef-1234567890ab" if header == SSE_KMS_KEY else base64_text(json.dumps({"a": "b"}).encode())
    expect_error(client.put(bucket, "object", BODY, {header: value, **method}), *errors.KMS_KEY_WITHOUT_KMS)
    expect_nothing_stored(client, bucket)


def test_customer_key_wins_over_the_default_of_the_bucket(client, bucket):
    rule = "<Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule>"
    assert client.put_encryption(bucket, rule).status == 200
    expect_customer_key(client.put(bucket, "object", BODY, KEY_A.headers()), KEY_A)


def test_empty_object_under_a_customer_key(client, bucket):
    answer = client.put(bucket, "object", b"", KEY_A.headers())
    assert answer.status == 200 and answer.etag != md5_hex(b"")
    read = client.get(bucket, "object", KEY_A.headers())
    assert read.status == 200 and read.body == b"" and read.header("Content-Length") == "0"


def test_if_none_match_sees_an_object_of_another_key(client, bucket):
    client.put(bucket, "object", BODY, KEY_A.headers())
    answer = client.put(bucket, "object", b"plain", {"If-None-Match": "*"})
    expect_error(answer, *errors.PRECONDITION_FAILED, Condition="If-None-Match")
    assert client.get(bucket, "object", KEY_A.headers()).body == BODY


def test_if_match_needs_no_key_of_the_existing_object(client, bucket):
    etag = client.put(bucket, "object", BODY, KEY_A.headers()).etag
    answer = client.put(bucket, "object", b"new", {**KEY_B.headers(), "If-Match": f'"{etag}"'})
    expect_customer_key(answer, KEY_B)
    assert client.get(bucket, "object", KEY_B.headers()).body == b"new"
    expect_error(client.get(bucket, "object", KEY_A.headers()), *errors.WRONG_KEY)


def test_refused_overwrite_leaves_the_old_object(client, bucket):
    client.put(bucket, "object", BODY)
    expect_error(client.put(bucket, "object", b"new", sse.customer("AES256")), *errors.KEY_MISSING)
    assert client.get(bucket, "object").body == BODY


@pytest.mark.parametrize("header, value", [
    ("x-amz-object-lock-mode", "GOVERNANCE"),
    ("x-amz-object-lock-retain-until-date", "2033-01-01T00:00:00Z"),
    ("x-amz-object-lock-legal-hold", "ON"),
    # An append that were taken for a put would replace the object.
    ("x-amz-write-offset-bytes", "21"),
])
def test_what_is_not_built_is_refused_and_not_ignored(client, bucket, header, value):
    answer = client.put(bucket, "object", BODY, {header: value})
    assert answer.status in (400, 501), answer
    assert answer.text("Code") in ("NotImplemented", "InvalidRequest", "InvalidArgument"), answer
    expect_nothing_stored(client, bucket)

"""UploadPartCopy and encryption: the source's key opens the source, the upload's key seals the part."""

import pytest

from support import errors, sse
from support.checksums import md5_hex
from support.errors import expect_error
from support.sse import (
    KEY_A, KEY_B, KEYS_OF_WRONG_LENGTH, SOURCE_ALGORITHM, SOURCE_KEY, SSE, expect_customer_key, expect_sse_s3)

BODY = bytes(range(256)) * 300
MIB = 1 << 20


@pytest.fixture(scope="module")
def sources(client, module_bucket):
    """`plain`, and `sealed` under KEY_A, in a bucket of their own."""
    client.put(module_bucket, "plain", BODY)
    client.put(module_bucket, "sealed", BODY, KEY_A.headers())
    return module_bucket


@pytest.fixture
def sealed_upload(client, bucket):
    return client.new_upload(bucket, "object", KEY_A.headers())


@pytest.fixture
def plain_upload(client, bucket):
    return client.new_upload(bucket, "object")


def etag_in(answer):
    assert answer.status == 200 and answer.xml.tag == "CopyPartResult", answer
    assert answer.text("LastModified")
    return answer.text("ETag").strip('"')


def test_plain_source_into_a_sealed_upload(client, bucket, sources, sealed_upload):
    answer = client.copy_part(bucket, "object", sealed_upload, 1, sources, "plain", KEY_A.headers())
    assert etag_in(answer) != md5_hex(BODY)
    expect_customer_key(answer, KEY_A)
    assert client.complete(bucket, "object", sealed_upload, [(1, etag_in(answer))]).status == 200
    assert client.get(bucket, "object", KEY_A.headers()).body == BODY


def test_sealed_source_into_a_plain_upload(client, bucket, sources, plain_upload):
    answer = client.copy_part(bucket, "object", plain_upload, 1, sources, "sealed", KEY_A.source_headers())
    assert etag_in(answer) == md5_hex(BODY)
    expect_sse_s3(answer)
    assert client.complete(bucket, "object", plain_upload, [(1, etag_in(answer))]).status == 200
    assert client.get(bucket, "object").body == BODY


def test_sealed_source_into_an_upload_under_another_key(client, bucket, sources):
    upload = client.new_upload(bucket, "object", KEY_B.headers())
    headers = {**KEY_A.source_headers(), **KEY_B.headers()}
    answer = client.copy_part(bucket, "object", upload, 1, sources, "sealed", headers)
    expect_customer_key(answer, KEY_B)


def test_sealed_upload_needs_its_key(client, bucket, sources, sealed_upload):
    expect_error(client.copy_part(bucket, "object", sealed_upload, 1, sources, "plain"), *errors.PART_PARAMETERS)


def test_key_on_a_plain_upload_is_refused(client, bucket, sources, plain_upload):
    answer = client.copy_part(bucket, "object", plain_upload, 1, sources, "plain", KEY_A.headers())
    expect_error(answer, *errors.PART_PARAMETERS)


@pytest.mark.parametrize("key", [KEY_B, *KEYS_OF_WRONG_LENGTH.values()], ids=["other", 1, 10, 31, 33])
def test_key_that_is_not_the_uploads_is_refused(client, bucket, sources, sealed_upload, key):
    answer = client.copy_part(bucket, "object", sealed_upload, 1, sources, "plain", key.headers())
    expect_error(answer, *errors.NOT_THE_ORIGINAL_KEY)


@pytest.mark.parametrize("key", [KEY_B, *KEYS_OF_WRONG_LENGTH.values()], ids=["other", 1, 10, 31, 33])
def test_wrong_source_key_is_refused(client, bucket, sources, plain_upload, key):
    answer = client.copy_part(bucket, "object", plain_upload, 1, sources, "sealed", key.source_headers())
    expect_error(answer, *errors.NOT_THE_ORIGINAL_KEY)


def test_md5_of_the_source_key_may_be_left_out(client, bucket, sources, plain_upload):
    headers = {SOURCE_ALGORITHM: "AES256", SOURCE_KEY: KEY_A.base64}
    assert etag_in(client.copy_part(bucket, "object", plain_upload, 1, sources, "sealed", headers)) == md5_hex(BODY)


def test_sealed_source_needs_its_key(client, bucket, sources, plain_upload):
    expect_error(client.copy_part(bucket, "object", plain_upload, 1, sources, "sealed"), *errors.KEY_REQUIRED)


@pytest.mark.parametrize("headers, error, argument_value", sse.MALFORMED_ON_PART)
def test_malformed_key_is_refused(client, bucket, sources, sealed_upload, headers, error, argument_value):
    answer = client.copy_part(bucket, "object", sealed_upload, 1, sources, "plain", headers)
    expect_error(answer, *error, ArgumentValue=argument_value)


@pytest.mark.parametrize("headers, error, argument_value", sse.MALFORMED_ON_READ)
def test_malformed_source_key_is_refused(client, bucket, sources, plain_upload, headers, error, argument_value):
    answer = client.copy_part(bucket, "object", plain_upload, 1, sources, "sealed", sse.as_source(headers))
    expect_error(answer, *error, ArgumentValue=argument_value)


def test_method_of_the_upload_may_be_named_again(client, bucket, sources, plain_upload):
    answer = client.copy_part(bucket, "object", plain_upload, 1, sources, "plain", {SSE: "AES256"})
    assert answer.status == 200
    expect_sse_s3(answer)


def test_another_method_than_the_upload_has_is_refused(client, bucket, sources, plain_upload):
    answer = client.copy_part(bucket, "object", plain_upload, 1, sources, "plain", {SSE: "aws:kms"})
    expect_error(answer, *errors.METHOD_NOT_HERE, ArgumentValue="aws:kms")


def test_keys_over_plain_http_are_refused(client, bucket, sources, plain_upload):
    answer = client.copy_part(bucket, "object", plain_upload, 1, sources, "sealed", KEY_A.source_headers(), tls=False)
    expect_error(answer, *errors.INSECURE_TRANSPORT)


@pytest.mark.parametrize("first, last", [(0, 0), (100, 70000), (65535, 65536), (len(BODY) - 1, len(BODY) - 1)])
def test_range_counts_plaintext(client, bucket, sources, plain_upload, first, last):
    headers = {**KEY_A.source_headers(), "x-amz-copy-source-range": f"bytes={first}-{last}"}
    answer = client.copy_part(bucket, "object", plain_upload, 1, sources, "sealed", headers)
    assert etag_in(answer) == md5_hex(BODY[first:last + 1])


@pytest.mark.parametrize("asked", ["bytes=0-", "bytes=-5", "0-5", "bytes=5-1", f"bytes=0-{len(BODY)}"])
def test_range_that_is_not_whole_is_refused(client, bucket, sources, plain_upload, asked):
    answer = client.copy_part(bucket, "object", plain_upload, 1, sources, "plain", {"x-amz-copy-source-range": asked})
    assert answer.status in (400, 416), answer
    assert answer.text("Code") in ("InvalidArgument", "InvalidRequest", "InvalidRange"), answer


def test_parts_of_several_sources_make_one_object(client, bucket, sources):
    upload = client.new_upload(bucket, "object", KEY_B.headers())
    big = b"z" * (5 * MIB)
    first = client.upload_part(bucket, "object", upload, 1, big, KEY_B.headers()).etag
    second = etag_in(client.copy_part(
        bucket, "object", upload, 2, sources, "sealed", {**KEY_A.source_headers(), **KEY_B.headers()}))
    assert client.complete(bucket, "object", upload, [(1, first), (2, second)]).status == 200
    assert client.get(bucket, "object", KEY_B.headers()).body == big + BODY


def test_condition_on_the_source(client, bucket, sources, plain_upload):
    etag = client.head(sources, "sealed", KEY_A.headers()).etag
    for value, status in ((etag, 200), ("0", 412)):
        headers = {**KEY_A.source_headers(), "x-amz-copy-source-if-match": f'"{value}"'}
        assert client.copy_part(bucket, "object", plain_upload, 1, sources, "sealed", headers).status == status

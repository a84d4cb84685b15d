"""Multipart uploads and encryption: the mode is fixed when the upload is created, and every part keeps to it."""

import pytest

from support import errors, sse
from support.checksums import checksum, composite, content_md5, md5_hex, multipart_etag
from support.errors import expect_error
from support.sse import ALGORITHM, KEY_A, KEY_B, KEYS_OF_WRONG_LENGTH, KEY_MD5, SSE, expect_customer_key, expect_sse_s3

MIB = 1 << 20
PART = b"the only part, so it may be small"
BAD_MD5_SYNTAX = "dGhpcyBpcyB3cm9uZw=="


@pytest.fixture
def sealed_upload(client, bucket):
    """A new upload of `object` under KEY_A."""
    return client.new_upload(bucket, "object", KEY_A.headers())


@pytest.fixture
def plain_upload(client, bucket):
    """A new upload of `object` without any header about encryption."""
    return client.new_upload(bucket, "object")


@pytest.fixture
def one_part(client, bucket, sealed_upload):
    """`sealed_upload` with one part: what Complete takes."""
    return [(1, client.upload_part(bucket, "object", sealed_upload, 1, PART, KEY_A.headers()).etag)]


def parts_of(body, size):
    return [body[at:at + size] for at in range(0, len(body), size)]


def upload_parts(client, bucket, upload, parts, headers=()):
    return [(number, client.upload_part(bucket, "object", upload, number, part, headers).etag)
            for number, part in enumerate(parts, 1)]


# Create.

@pytest.mark.parametrize("headers", [{}, {SSE: "AES256"}], ids=["default", "explicit"])
def test_created_upload_says_sse_s3(client, bucket, headers):
    answer = client.create_upload(bucket, "object", headers)
    assert answer.status == 200 and answer.xml.tag == "InitiateMultipartUploadResult"
    assert answer.text("Bucket") == bucket and answer.text("Key") == "object" and answer.text("UploadId")
    expect_sse_s3(answer)


def test_created_upload_says_its_customer_key(client, bucket):
    expect_customer_key(client.create_upload(bucket, "object", KEY_A.headers()), KEY_A)


@pytest.mark.parametrize("headers, error, argument_value", sse.MALFORMED_ON_WRITE)
def test_create_with_malformed_customer_key_is_refused(client, bucket, headers, error, argument_value):
    expect_error(client.create_upload(bucket, "object", headers), *error, ArgumentValue=argument_value)
    assert client.request("GET", bucket, query={"uploads": ""}).xml.find("Upload") is None


def test_create_with_key_and_method_is_a_conflict(client, bucket):
    answer = client.create_upload(bucket, "object", {**KEY_A.headers(), SSE: "AES256"})
    expect_error(answer, *errors.METHOD_CONFLICT, ArgumentValue="AES256")


def test_create_over_plain_http_is_refused(client, bucket):
    expect_error(client.create_upload(bucket, "object", KEY_A.headers(), tls=False), *errors.INSECURE_TRANSPORT)


# Parts.

def test_part_under_the_customer_key(client, bucket, sealed_upload):
    answer = client.upload_part(bucket, "object", sealed_upload, 1, PART, KEY_A.headers())
    assert answer.status == 200 and answer.etag != md5_hex(PART)
    expect_customer_key(answer, KEY_A)
    assert answer.header("x-amz-checksum-crc64nvme") is None


def test_part_of_a_plain_upload_has_md5_etag(client, bucket, plain_upload):
    answer = client.upload_part(bucket, "object", plain_upload, 1, PART)
    assert answer.status == 200 and answer.etag == md5_hex(PART)
    expect_sse_s3(answer)


def test_part_without_the_key_is_refused(client, bucket, sealed_upload):
    expect_error(client.upload_part(bucket, "object", sealed_upload, 1, PART), *errors.PART_PARAMETERS)


def test_part_under_another_key_is_refused(client, bucket, sealed_upload):
    answer = client.upload_part(bucket, "object", sealed_upload, 1, PART, KEY_B.headers())
    expect_error(answer, *errors.NOT_THE_ORIGINAL_KEY)


@pytest.mark.parametrize("length", KEYS_OF_WRONG_LENGTH)
def test_part_under_a_key_of_another_length_is_just_not_the_original(client, bucket, sealed_upload, length):
    answer = client.upload_part(bucket, "object", sealed_upload, 1, PART, KEYS_OF_WRONG_LENGTH[length].headers())
    expect_error(answer, *errors.NOT_THE_ORIGINAL_KEY)


@pytest.mark.parametrize("headers, error, argument_value", sse.MALFORMED_ON_PART)
def test_part_with_malformed_customer_key_is_refused(client, bucket, sealed_upload, headers, error, argument_value):
    answer = client.upload_part(bucket, "object", sealed_upload, 1, PART, headers)
    expect_error(answer, *error, ArgumentValue=argument_value)


def test_part_with_a_key_on_a_plain_upload_is_refused(client, bucket, plain_upload):
    answer = client.upload_part(bucket, "object", plain_upload, 1, PART, KEY_A.headers())
    expect_error(answer, *errors.PART_PARAMETERS)


@pytest.mark.parametrize("more", [{}, KEY_A.headers()], ids=["alone", "with-key"])
def test_part_with_a_method_is_refused(client, bucket, sealed_upload, plain_upload, more):
    upload = sealed_upload if more else plain_upload
    answer = client.upload_part(bucket, "object", upload, 1, PART, {SSE: "AES256", **more})
    expect_error(answer, *errors.METHOD_NOT_HERE, ArgumentValue="AES256")


def test_part_with_a_kms_key_header_is_refused(client, bucket, plain_upload):
    answer = client.upload_part(bucket, "object", plain_upload, 1, PART, {sse.SSE_KMS_KEY: "some-key"})
    assert (answer.status, answer.text("Code")) == (400, "InvalidArgument"), answer


@pytest.mark.parametrize("headers", [
    {**KEY_A.headers(), ALGORITHM: "BAD"},
    KEYS_OF_WRONG_LENGTH[10].headers(),
    sse.customer("AES256", md5=KEY_A.md5),
], ids=["algorithm", "length", "no-key"])
def test_digest_syntax_of_a_part_is_judged_before_its_key(client, bucket, sealed_upload, headers):
    answer = client.upload_part(bucket, "object", sealed_upload, 1, PART, {**headers, "Content-MD5": BAD_MD5_SYNTAX})
    expect_error(answer, *errors.CONTENT_MD5_MALFORMED)


def test_wrong_content_md5_of_a_part_is_refused(client, bucket, sealed_upload):
    headers = {**KEY_A.headers(), "Content-MD5": content_md5(b"other")}
    expect_error(client.upload_part(bucket, "object", sealed_upload, 1, PART, headers), *errors.CONTENT_MD5_MISMATCH)


def test_part_over_plain_http_is_refused(client, bucket, sealed_upload):
    answer = client.upload_part(bucket, "object", sealed_upload, 1, PART, KEY_A.headers(), tls=False)
    expect_error(answer, *errors.INSECURE_TRANSPORT)


# Complete.

def test_complete_without_the_key(client, bucket, sealed_upload, one_part):
    answer = client.complete(bucket, "object", sealed_upload, one_part)
    assert answer.status == 200 and answer.xml.tag == "CompleteMultipartUploadResult", answer
    assert answer.header(ALGORITHM) == "AES256" and answer.header(KEY_MD5) is None and answer.header(SSE) is None
    assert b"Checksum" not in answer.body
    assert answer.text("ETag") == f'"{multipart_etag([one_part[0][1]])}"'
    read = client.get(bucket, "object", {**KEY_A.headers(), "x-amz-checksum-mode": "ENABLED"})
    assert read.body == PART
    assert not [name for name, _ in read.headers if name.lower().startswith("x-amz-checksum")]


def test_complete_with_the_key_gives_a_checksum(client, bucket, sealed_upload, one_part):
    answer = client.complete(bucket, "object", sealed_upload, one_part, KEY_A.headers())
    assert answer.status == 200
    expect_customer_key(answer, KEY_A)
    assert answer.text("ChecksumCRC64NVME") == checksum("crc64nvme", PART)
    assert answer.text("ChecksumType") == "FULL_OBJECT"
    read = client.head(bucket, "object", {**KEY_A.headers(), "x-amz-checksum-mode": "ENABLED"})
    assert read.header("x-amz-checksum-crc64nvme") == checksum("crc64nvme", PART)


@pytest.mark.parametrize("headers", sse.PARTIAL_ON_COMPLETE)
def test_complete_ignores_a_partial_key(client, bucket, sealed_upload, one_part, headers):
    answer = client.complete(bucket, "object", sealed_upload, one_part, headers)
    assert answer.status == 200, answer
    assert answer.header(ALGORITHM) == "AES256" and answer.header(KEY_MD5) is None
    assert b"Checksum" not in answer.body


@pytest.mark.parametrize("key", [KEY_B, *KEYS_OF_WRONG_LENGTH.values()], ids=["other", 1, 10, 31, 33])
def test_complete_under_another_key_is_refused(client, bucket, sealed_upload, one_part, key):
    answer = client.complete(bucket, "object", sealed_upload, one_part, key.headers())
    expect_error(answer, *errors.WRONG_KEY_ON_COMPLETE)
    expect_error(client.get(bucket, "object", KEY_A.headers()), *errors.NO_SUCH_KEY, Key="object")


@pytest.mark.parametrize("headers, error, argument_value", sse.MALFORMED_ON_COMPLETE)
def test_complete_with_malformed_customer_key_is_refused(client, bucket, sealed_upload, one_part, headers, error, argument_value):
    answer = client.complete(bucket, "object", sealed_upload, one_part, headers)
    expect_error(answer, *error, ArgumentValue=argument_value)


def test_complete_of_a_plain_upload_with_a_key_is_refused(client, bucket, plain_upload):
    parts = upload_parts(client, bucket, plain_upload, [PART])
    answer = client.complete(bucket, "object", plain_upload, parts, KEY_A.headers())
    expect_error(answer, *errors.WRONG_KEY_ON_COMPLETE)


def test_key_is_judged_before_the_parts(client, bucket, sealed_upload, one_part):
    headers = {**KEY_A.headers(), ALGORITHM: "BAD"}
    answer = client.complete(bucket, "object", sealed_upload, [(1, "0" * 32)], headers)
    expect_error(answer, *errors.ALGORITHM_UNSUPPORTED, ArgumentValue="BAD")


@pytest.mark.parametrize("number", [0, -1])
def test_part_numbers_are_judged_before_the_key(client, bucket, sealed_upload, one_part, number):
    answer = client.complete(
        bucket, "object", sealed_upload, [(number, one_part[0][1])], {**KEY_A.headers(), ALGORITHM: "BAD"})
    expect_error(answer, *errors.PART_NUMBER_BELOW_ONE, ArgumentValue=str(number))


def test_complete_over_plain_http_with_a_key_is_refused(client, bucket, sealed_upload, one_part):
    answer = client.complete(bucket, "object", sealed_upload, one_part, KEY_A.headers(), tls=False)
    expect_error(answer, *errors.INSECURE_TRANSPORT)


def test_complete_may_name_the_method_of_the_upload(client, bucket, plain_upload):
    """Unlike on S3: minio-go does it, and asks for what it gets."""
    parts = upload_parts(client, bucket, plain_upload, [PART])
    answer = client.complete(bucket, "object", plain_upload, parts, {SSE: "AES256"})
    assert answer.status == 200
    expect_sse_s3(answer)


def test_complete_with_another_method_is_refused(client, bucket, plain_upload):
    parts = upload_parts(client, bucket, plain_upload, [PART])
    answer = client.complete(bucket, "object", plain_upload, parts, {SSE: "aws:kms"})
    expect_error(answer, *errors.METHOD_NOT_HERE, ArgumentValue="aws:kms")


def test_complete_under_a_key_with_a_method_is_refused(client, bucket, sealed_upload, one_part):
    answer = client.complete(bucket, "object", sealed_upload, one_part, {SSE: "AES256"})
    expect_error(answer, *errors.METHOD_NOT_HERE, ArgumentValue="AES256")


def test_complete_of_a_checksummed_upload_needs_the_key(client, bucket):
    headers = {**KEY_A.headers(), "x-amz-checksum-algorithm": "CRC32"}
    created = client.create_upload(bucket, "object", headers)
    assert created.header("x-amz-checksum-algorithm") == "CRC32" and created.header("x-amz-checksum-type") == "COMPOSITE"
    upload = created.text("UploadId")
    value = checksum("crc32", PART)
    part = client.upload_part(bucket, "object", upload, 1, PART, {**KEY_A.headers(), "x-amz-checksum-crc32": value})
    assert part.header("x-amz-checksum-crc32") == value
    parts = [(1, part.etag, {"ChecksumCRC32": value})]
    expect_error(client.complete(bucket, "object", upload, parts), *errors.WRONG_KEY_ON_COMPLETE)
    answer = client.complete(bucket, "object", upload, parts, KEY_A.headers())
    assert answer.status == 200, answer
    assert answer.text("ChecksumCRC32") == composite("crc32", [PART]) and answer.text("ChecksumType") == "COMPOSITE"


# The object that comes of it.

@pytest.mark.parametrize("headers", [{}, KEY_A.headers()], ids=["sse-s3", "sse-c"])
def test_etag_is_the_md5_of_the_part_etags(client, bucket, random_bytes, headers):
    upload = client.new_upload(bucket, "object", headers)
    parts = upload_parts(client, bucket, upload, parts_of(random_bytes(5 * MIB + 1000), 5 * MIB), headers)
    answer = client.complete(bucket, "object", upload, parts)
    assert answer.text("ETag") == f'"{multipart_etag([etag for _, etag in parts])}"'
    assert client.head(bucket, "object", headers).etag == answer.text("ETag").strip('"')


def test_empty_part_makes_an_empty_object(client, bucket, sealed_upload):
    parts = upload_parts(client, bucket, sealed_upload, [b""], KEY_A.headers())
    assert client.complete(bucket, "object", sealed_upload, parts).status == 200
    answer = client.get(bucket, "object", KEY_A.headers())
    assert answer.status == 200 and answer.body == b"" and answer.etag.endswith("-1")


@pytest.mark.parametrize("headers", [{}, KEY_A.headers()], ids=["sse-s3", "sse-c"])
def test_ranges_across_unaligned_parts(client, bucket, random_bytes, headers):
    body = random_bytes(12 * MIB)
    upload = client.new_upload(bucket, "object", headers)
    parts = upload_parts(client, bucket, upload, parts_of(body, 5 * MIB + 1), headers)
    assert client.complete(bucket, "object", upload, parts).status == 200
    assert client.get(bucket, "object", headers).body == body
    for first, last in [(0, 0), (65535, 65537), (5 * MIB, 5 * MIB + 1), (5 * MIB - 3, 10 * MIB + 9), (len(body) - 1, len(body) - 1)]:
        answer = client.get(bucket, "object", {**headers, "Range": f"bytes={first}-{last}"})
        assert answer.status == 206 and answer.body == body[first:last + 1], (first, last)


def test_last_upload_of_a_part_counts(client, bucket, sealed_upload):
    first, second = b"1" * (5 * MIB), b"old"
    upload_parts(client, bucket, sealed_upload, [first, second], KEY_A.headers())
    parts = upload_parts(client, bucket, sealed_upload, [first, b"the newer part"], KEY_A.headers())
    assert client.complete(bucket, "object", sealed_upload, parts).status == 200
    assert client.get(bucket, "object", KEY_A.headers()).body == first + b"the newer part"


def test_etag_of_a_replaced_part_is_no_longer_a_part(client, bucket, sealed_upload):
    old = upload_parts(client, bucket, sealed_upload, [b"old"], KEY_A.headers())
    upload_parts(client, bucket, sealed_upload, [b"new"], KEY_A.headers())
    expect_error(client.complete(bucket, "object", sealed_upload, old), *errors.INVALID_PART, PartNumber="1")


# List and abort.

def test_list_parts_needs_no_key(client, bucket, sealed_upload, one_part):
    answer = client.get(bucket, "object", query={"uploadId": sealed_upload})
    assert answer.status == 200 and answer.xml.tag == "ListPartsResult"
    assert answer.text("Part/ETag") == f'"{one_part[0][1]}"' and answer.text("Part/Size") == str(len(PART))
    assert b"<Checksum" not in answer.body


@pytest.mark.parametrize("headers", [{}, KEY_A.headers(), KEY_B.headers(), {SSE: "AES256"}, sse.customer("BAD")],
                         ids=["none", "key", "other-key", "method", "malformed"])
def test_abort_ignores_encryption_headers(client, bucket, sealed_upload, headers):
    assert client.abort(bucket, "object", sealed_upload, headers).status == 204
    expect_error(client.get(bucket, "object", query={"uploadId": sealed_upload}), *errors.NO_SUCH_UPLOAD)

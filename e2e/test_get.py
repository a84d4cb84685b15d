"""GetObject, HeadObject, GetObjectAttributes and DeleteObject on sealed objects: which key opens what."""

import pytest

from support import errors, sse
from support.checksums import checksum, md5_hex
from support.errors import expect_error, expect_status_only
from support.sse import ALGORITHM, KEY, KEY_A, KEY_B, KEYS_OF_WRONG_LENGTH, SSE, expect_customer_key, expect_sse_s3

BODY = bytes(range(256)) * 40
MIB = 1 << 20
PARTS = [b"1" * (5 * MIB), b"2" * 100]
ATTRIBUTES = {"x-amz-object-attributes": "ETag,Checksum,ObjectParts,StorageClass,ObjectSize"}


@pytest.fixture(scope="module")
def objects(client, module_bucket):
    """`plain`, `sealed` under KEY_A, and `parts`: two parts under KEY_A. Gives their ETags."""
    etags = {
        "plain": client.put(module_bucket, "plain", BODY).etag,
        "sealed": client.put(module_bucket, "sealed", BODY, KEY_A.headers()).etag,
    }
    upload = client.new_upload(module_bucket, "parts", KEY_A.headers())
    parts = [(number, client.upload_part(module_bucket, "parts", upload, number, part, KEY_A.headers()).etag)
             for number, part in enumerate(PARTS, 1)]
    assert client.complete(module_bucket, "parts", upload, parts).status == 200
    etags["parts"] = client.head(module_bucket, "parts", KEY_A.headers()).etag
    return etags


def test_plain_object_says_sse_s3(client, module_bucket, objects):
    for answer in (client.get(module_bucket, "plain"), client.head(module_bucket, "plain")):
        assert answer.status == 200 and answer.etag == md5_hex(BODY)
        assert answer.header("Accept-Ranges") == "bytes"
        expect_sse_s3(answer)


def test_customer_key_opens_its_object(client, module_bucket, objects):
    answer = client.get(module_bucket, "sealed", KEY_A.headers())
    assert answer.status == 200 and answer.body == BODY
    assert answer.header("Content-Length") == str(len(BODY))
    assert answer.etag == objects["sealed"]
    expect_customer_key(answer, KEY_A)


def test_head_with_the_customer_key(client, module_bucket, objects):
    answer = client.head(module_bucket, "sealed", KEY_A.headers())
    assert answer.status == 200 and answer.header("Content-Length") == str(len(BODY))
    assert answer.etag == objects["sealed"]
    expect_customer_key(answer, KEY_A)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_md5_of_the_key_may_be_left_out_and_is_still_answered(client, module_bucket, objects, method):
    answer = client.request(method, module_bucket, "sealed", headers=sse.customer("AES256", KEY_A.base64))
    assert answer.status == 200
    expect_customer_key(answer, KEY_A)


def test_object_under_a_customer_key_needs_the_key(client, module_bucket, objects):
    expect_error(client.get(module_bucket, "sealed"), *errors.KEY_REQUIRED)
    expect_status_only(client.head(module_bucket, "sealed"), 400)


def test_another_key_is_denied(client, module_bucket, objects):
    expect_error(client.get(module_bucket, "sealed", KEY_B.headers()), *errors.WRONG_KEY)
    expect_status_only(client.head(module_bucket, "sealed", KEY_B.headers()), 403)
    expect_error(client.get(module_bucket, "parts", KEY_B.headers()), *errors.WRONG_KEY)


@pytest.mark.parametrize("length", KEYS_OF_WRONG_LENGTH)
def test_key_of_another_length_is_just_a_wrong_key(client, module_bucket, objects, length):
    headers = KEYS_OF_WRONG_LENGTH[length].headers()
    expect_error(client.get(module_bucket, "sealed", headers), *errors.WRONG_KEY)
    expect_status_only(client.head(module_bucket, "sealed", headers), 403)


@pytest.mark.parametrize("headers, error, argument_value", sse.MALFORMED_ON_READ)
def test_malformed_customer_key_is_refused(client, module_bucket, objects, headers, error, argument_value):
    expect_error(client.get(module_bucket, "sealed", headers), *error, ArgumentValue=argument_value)
    expect_status_only(client.head(module_bucket, "sealed", headers), error.status)


def test_customer_key_over_plain_http_is_refused(client, module_bucket, objects):
    expect_error(client.get(module_bucket, "sealed", KEY_A.headers(), tls=False), *errors.INSECURE_TRANSPORT)
    expect_status_only(client.head(module_bucket, "sealed", KEY_A.headers(), tls=False), 400)


def test_customer_key_does_not_apply_to_a_plain_object(client, module_bucket, objects):
    expect_error(client.get(module_bucket, "plain", KEY_A.headers()), *errors.NOT_APPLICABLE)
    expect_status_only(client.head(module_bucket, "plain", KEY_A.headers()), 400)


def test_syntax_of_the_key_is_judged_before_the_object(client, module_bucket, objects):
    expect_error(client.get(module_bucket, "plain", sse.customer("AES256")), *errors.KEY_MISSING)
    expect_error(client.get(module_bucket, "absent", sse.customer("AES256")), *errors.KEY_MISSING)


@pytest.mark.parametrize("key", ["plain", "sealed"])
def test_method_header_is_refused_on_reads(client, module_bucket, objects, key):
    expect_error(client.get(module_bucket, key, {SSE: "AES256"}), *errors.METHOD_NOT_HERE, ArgumentValue="AES256")
    expect_status_only(client.head(module_bucket, key, {SSE: "AES256"}), 400)


def test_range_of_a_sealed_object(client, module_bucket, objects):
    answer = client.get(module_bucket, "sealed", {**KEY_A.headers(), "Range": "bytes=2-5"})
    assert answer.status == 206 and answer.body == BODY[2:6]
    assert answer.header("Content-Range") == f"bytes 2-5/{len(BODY)}"
    expect_customer_key(answer, KEY_A)


@pytest.mark.parametrize("asked, first, last", [
    (f"bytes={5 * MIB - 7}-{5 * MIB + 6}", 5 * MIB - 7, 5 * MIB + 6),
    ("bytes=-150", 5 * MIB - 50, 5 * MIB + 99),
    (f"bytes={5 * MIB}-", 5 * MIB, 5 * MIB + 99),
    ("bytes=65535-65536", 65535, 65536),
], ids=["across-parts", "suffix-across-parts", "second-part", "across-segments"])
def test_range_of_a_sealed_multipart_object(client, module_bucket, objects, asked, first, last):
    answer = client.get(module_bucket, "parts", {**KEY_A.headers(), "Range": asked})
    assert answer.status == 206 and answer.body == b"".join(PARTS)[first:last + 1]
    assert answer.header("Content-Range") == f"bytes {first}-{last}/{5 * MIB + 100}"
    expect_customer_key(answer, KEY_A)


def test_part_number_of_a_sealed_multipart_object(client, module_bucket, objects):
    answer = client.get(module_bucket, "parts", KEY_A.headers(), query={"partNumber": "2"})
    assert answer.status == 206 and answer.body == PARTS[1]
    assert answer.header("x-amz-mp-parts-count") == "2"
    assert answer.header("Content-Range") == f"bytes {5 * MIB}-{5 * MIB + 99}/{5 * MIB + 100}"
    assert answer.etag == objects["parts"]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_part_number_one_of_a_single_part_object(client, module_bucket, objects, method):
    answer = client.request(method, module_bucket, "plain", query={"partNumber": "1"})
    assert answer.status == 206 and answer.header("x-amz-mp-parts-count") is None
    assert answer.header("Content-Range") == f"bytes 0-{len(BODY) - 1}/{len(BODY)}"
    assert answer.header("Content-Length") == str(len(BODY))


@pytest.mark.parametrize("key, number, count", [("plain", "2", "1"), ("parts", "10", "2"), ("parts", "3", "2")])
def test_part_number_past_the_last_part(client, module_bucket, objects, key, number, count):
    headers = KEY_A.headers() if key == "parts" else {}
    answer = client.get(module_bucket, key, headers, query={"partNumber": number})
    expect_error(answer, *errors.NO_SUCH_PART_NUMBER, PartNumberRequested=number, ActualPartCount=count)


def test_range_and_part_number_together_are_refused(client, module_bucket, objects):
    answer = client.get(module_bucket, "plain", {"Range": "bytes=0-1"}, query={"partNumber": "1"})
    expect_error(answer, *errors.RANGE_AND_PART_NUMBER)


def test_checksum_is_answered_in_checksum_mode_only(client, module_bucket, objects):
    asked = client.head(module_bucket, "sealed", {**KEY_A.headers(), "x-amz-checksum-mode": "ENABLED"})
    assert asked.header("x-amz-checksum-crc64nvme") == checksum("crc64nvme", BODY)
    assert asked.header("x-amz-checksum-type") == "FULL_OBJECT"
    unasked = client.head(module_bucket, "sealed", KEY_A.headers())
    assert unasked.header("x-amz-checksum-crc64nvme") is None and unasked.header("x-amz-checksum-type") is None


def test_attributes_of_a_sealed_object(client, module_bucket, objects):
    answer = client.get(module_bucket, "sealed", {**KEY_A.headers(), **ATTRIBUTES}, query={"attributes": ""})
    assert answer.status == 200, answer
    assert answer.xml.tag == "GetObjectAttributesResponse"
    assert answer.text("ETag") == objects["sealed"]
    assert answer.text("ObjectSize") == str(len(BODY))
    assert answer.text("StorageClass") == "STANDARD"
    assert answer.text("Checksum/ChecksumCRC64NVME") == checksum("crc64nvme", BODY)
    assert answer.text("Checksum/ChecksumType") == "FULL_OBJECT"
    assert answer.xml.find("ObjectParts") is None
    assert answer.header(SSE) is None and answer.header(ALGORITHM) is None and answer.header("Last-Modified")


def test_attributes_of_a_multipart_object_count_its_parts(client, module_bucket, objects):
    answer = client.get(module_bucket, "parts", {**KEY_A.headers(), **ATTRIBUTES}, query={"attributes": ""})
    assert answer.text("ETag") == objects["parts"]
    assert answer.text("ObjectParts/PartsCount") == "2"
    assert answer.xml.find("ObjectParts/Part") is None


def test_attributes_need_the_customer_key(client, module_bucket, objects):
    expect_error(client.get(module_bucket, "sealed", ATTRIBUTES, query={"attributes": ""}), *errors.KEY_REQUIRED)


def test_attributes_with_an_unknown_algorithm(client, module_bucket, objects):
    headers = {**KEY_A.headers(), ALGORITHM: "KMS", **ATTRIBUTES}
    answer = client.get(module_bucket, "sealed", headers, query={"attributes": ""})
    expect_error(answer, *errors.ALGORITHM_UNSUPPORTED, ArgumentValue="KMS")


def test_attributes_without_the_md5_of_the_key(client, module_bucket, objects):
    headers = {ALGORITHM: "AES256", KEY: KEY_A.base64, **ATTRIBUTES}
    assert client.get(module_bucket, "sealed", headers, query={"attributes": ""}).status == 200


def test_delete_needs_no_key(client, bucket):
    client.put(bucket, "sealed", BODY, KEY_A.headers())
    assert client.delete(bucket, "sealed").status == 204
    expect_error(client.get(bucket, "sealed", KEY_A.headers()), *errors.NO_SUCH_KEY, Key="sealed")


def test_listing_shows_plaintext_size_and_etag(client, module_bucket, objects):
    answer = client.request("GET", module_bucket, query={"list-type": "2"})
    listed = {each.findtext("Key"): each for each in answer.xml.iterfind("Contents")}
    assert listed["sealed"].findtext("Size") == str(len(BODY))
    assert listed["parts"].findtext("Size") == str(5 * MIB + 100)
    for key, etag in objects.items():
        assert listed[key].findtext("ETag") == f'"{etag}"'
    assert b"ncrypt" not in answer.body


def test_conditional_read_judges_the_key_first(client, module_bucket, objects):
    condition = {"If-None-Match": f'"{objects["sealed"]}"'}
    answer = client.get(module_bucket, "sealed", {**KEY_A.headers(), **condition})
    assert answer.status == 304 and answer.body == b""
    expect_error(client.get(module_bucket, "sealed", condition), *errors.KEY_REQUIRED)


def test_every_missing_object_is_no_such_key(client, module_bucket):
    expect_error(client.get(module_bucket, "absent", KEY_A.headers()), *errors.NO_SUCH_KEY, Key="absent")
    expect_status_only(client.head(module_bucket, "absent", KEY_A.headers()), 404)

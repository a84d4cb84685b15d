"""POST form uploads: the form's fields decide like headers, and the policy must cover every one of them."""

import pytest

from support import errors, sse
from support.checksums import checksum, md5_hex
from support.errors import BLOCKED_TEXT, expect_error
from support.forms import Form, encode, post_body
from support.sse import KEY_A, KEY_B, SSE, expect_customer_key, expect_sse_s3

BODY = b"a file from a form"
BLOCK = "<Rule><BlockedEncryptionTypes><EncryptionType>SSE-C</EncryptionType></BlockedEncryptionTypes></Rule>"


def form(client, bucket, fields=(), **more):
    return Form(client, bucket, {"key": "object", **dict(fields)}, **more)


def expect_nothing_stored(client, bucket):
    assert client.keys(bucket) == []


# Encryption.

def test_plain_form_says_sse_s3(client, bucket):
    answer = form(client, bucket).post(BODY)
    assert answer.status == 204 and answer.body == b"", answer
    expect_sse_s3(answer)
    assert answer.etag == md5_hex(BODY)
    assert answer.header("Location").endswith(f"/{bucket}/object")
    assert client.get(bucket, "object").body == BODY


def test_form_with_customer_key(client, bucket):
    answer = form(client, bucket, KEY_A.headers()).post(BODY)
    assert answer.status == 204, answer
    expect_customer_key(answer, KEY_A)
    assert answer.etag != md5_hex(BODY)
    assert answer.header("x-amz-checksum-crc64nvme") == checksum("crc64nvme", BODY)
    assert answer.header("x-amz-checksum-type") == "FULL_OBJECT"
    assert client.get(bucket, "object", KEY_A.headers()).body == BODY


def test_created_answer_has_a_body_and_the_same_headers(client, bucket):
    answer = form(client, bucket, {**KEY_A.headers(), "success_action_status": "201"}).post(BODY)
    assert answer.status == 201 and answer.xml.tag == "PostResponse", answer
    expect_customer_key(answer, KEY_A)
    assert answer.text("Bucket") == bucket and answer.text("Key") == "object"
    assert answer.text("ETag") == f'"{answer.etag}"' and answer.text("Location") == answer.header("Location")


@pytest.mark.parametrize("headers, error, argument_value", sse.MALFORMED_ON_WRITE)
def test_malformed_customer_key_is_refused(client, bucket, headers, error, argument_value):
    answer = form(client, bucket, headers).post(BODY)
    expect_error(answer, *error)
    assert (answer.text("ArgumentValue") or None) == argument_value, answer
    expect_nothing_stored(client, bucket)


def test_key_of_foreign_characters_is_refused_and_not_echoed(client, bucket):
    answer = form(client, bucket, {**KEY_A.headers(), sse.KEY: "é" * 44}).post(BODY)
    expect_error(answer, *errors.KEY_NOT_BASE64, ArgumentValue=None)


def test_customer_key_with_method_is_a_conflict(client, bucket):
    answer = form(client, bucket, {**KEY_A.headers(), SSE: "AES256"}).post(BODY)
    expect_error(answer, *errors.METHOD_CONFLICT, ArgumentValue="AES256")


@pytest.mark.parametrize("method", ["rot13", "aes:kms", ""])
def test_other_methods_are_refused(client, bucket, method):
    expect_error(form(client, bucket, {SSE: method}).post(BODY), *errors.METHOD_UNKNOWN)
    expect_nothing_stored(client, bucket)


@pytest.mark.parametrize("headers", [KEY_A.headers(), sse.customer("BAD", "junk", "junk")], ids=["valid", "invalid"])
def test_customer_key_over_plain_http_is_refused(client, bucket, headers):
    expect_error(form(client, bucket, headers).post(BODY, tls=False), *errors.INSECURE_TRANSPORT)


def test_customer_key_outside_the_policy_is_refused(client, bucket):
    answer = form(client, bucket).post(BODY, extra=KEY_A.headers().items())
    assert (answer.status, answer.text("Code")) == (403, "AccessDenied"), answer
    assert answer.text("Message").startswith("Invalid according to Policy: Extra input fields: "), answer
    assert KEY_A.base64 not in answer.body.decode()
    expect_nothing_stored(client, bucket)


def test_customer_key_under_a_starts_with_condition(client, bucket):
    conditions = [{"bucket": bucket}, ["eq", "$key", "object"]] + [["starts-with", f"${name}", ""] for name in KEY_B.headers()]
    answer = form(client, bucket, KEY_B.headers(), conditions=conditions).post(BODY)
    assert answer.status == 204, answer
    expect_customer_key(answer, KEY_B)


def test_blocked_bucket_refuses_customer_keys(client, bucket):
    assert client.put_encryption(bucket, BLOCK).status == 200
    answer = form(client, bucket, KEY_A.headers()).post(BODY)
    expect_error(answer, *errors.BLOCKED)
    assert answer.text("Message").endswith(BLOCKED_TEXT)


# The form and its policy.

def test_filename_is_put_into_the_key(client, bucket):
    conditions = [{"bucket": bucket}, ["starts-with", "$key", "uploads/"]]
    answer = Form(client, bucket, {"key": "uploads/${filename}"}, conditions=conditions).post(BODY, filename="photo.jpg")
    assert answer.status == 204, answer
    assert client.keys(bucket) == ["uploads/photo.jpg"]


def test_metadata_and_content_type_are_kept(client, bucket):
    answer = form(client, bucket, {"x-amz-meta-colour": "blue", "Content-Type": "text/x-test"}).post(BODY)
    assert answer.status == 204, answer
    head = client.head(bucket, "object")
    assert head.header("x-amz-meta-colour") == "blue" and head.header("Content-Type") == "text/x-test"


def test_redirect_on_success(client, bucket):
    answer = form(client, bucket, {"success_action_redirect": "https://example.com/done?a=b"}).post(BODY)
    assert answer.status == 303, answer
    location = answer.header("Location")
    assert location.startswith("https://example.com/done?a=b&") and f"bucket={bucket}" in location and "key=object" in location


@pytest.mark.parametrize("conditions, why", [
    ([["eq", "$key", "another"]], 'Policy Condition failed: ["eq", "$key", "another"]'),
    ([["starts-with", "$key", "up/"]], 'Policy Condition failed: ["starts-with", "$key", "up/"]'),
    ([], "Extra input fields: key"),
], ids=["eq", "starts-with", "uncovered"])
def test_field_that_breaks_the_policy_is_refused(client, bucket, conditions, why):
    answer = form(client, bucket, conditions=[{"bucket": bucket}] + conditions).post(BODY)
    expect_error(answer, 403, "AccessDenied", f"Invalid according to Policy: {why}")
    expect_nothing_stored(client, bucket)


def test_policy_for_another_bucket_is_refused(client, bucket):
    answer = form(client, bucket, conditions=[{"bucket": "another"}, ["starts-with", "$key", ""]]).post(BODY)
    assert (answer.status, answer.text("Code")) == (403, "AccessDenied"), answer
    expect_nothing_stored(client, bucket)


@pytest.mark.parametrize("low, high, code", [(0, 10, "EntityTooLarge"), (100, 200, "EntityTooSmall")])
def test_file_outside_the_length_range_is_refused(client, bucket, low, high, code):
    conditions = [{"bucket": bucket}, ["starts-with", "$key", ""], ["content-length-range", low, high]]
    answer = form(client, bucket, conditions=conditions).post(BODY)
    assert (answer.status, answer.text("Code")) == (400, code), answer
    expect_nothing_stored(client, bucket)


def test_expired_policy_is_refused(client, bucket):
    answer = form(client, bucket, expires=-60).post(BODY)
    expect_error(answer, 403, "AccessDenied", "Invalid according to Policy: Policy expired.")


def test_wrong_signature_is_refused(client, bucket):
    made = form(client, bucket)
    fields = [(name, value[:-1] + ("0" if value[-1] != "0" else "1")) if name == "x-amz-signature" else (name, value)
              for name, value in made.fields]
    expect_error(made.post(BODY, fields=fields), *errors.SIGNATURE_MISMATCH)
    expect_nothing_stored(client, bucket)


def test_form_without_policy_is_anonymous_and_denied(client, bucket):
    answer = post_body(client, bucket, encode([("key", "object")], BODY))
    expect_error(answer, *errors.ACCESS_DENIED)


def test_form_without_key_is_refused(client, bucket):
    answer = Form(client, bucket, {}).post(BODY)
    assert answer.status == 400 and answer.text("Code") == "InvalidArgument", answer
    assert answer.text("Message") == "Bucket POST must contain a field named 'key'.  If it is specified, please check the order of the fields."


def test_form_without_file_is_refused(client, bucket):
    answer = post_body(client, bucket, encode(form(client, bucket).fields))
    assert answer.status == 400 and answer.text("Code") in ("InvalidArgument", "IncorrectNumberOfFilesInPostRequest"), answer


def test_form_that_is_cut_short_stores_nothing(client, bucket):
    whole = encode(form(client, bucket).fields, BODY)
    answer = post_body(client, bucket, whole[:-30])
    assert answer.status == 400, answer
    expect_nothing_stored(client, bucket)


def test_fields_before_the_file_are_bounded(client, bucket):
    answer = form(client, bucket, {"x-amz-meta-long": "x" * 30_000}).post(BODY)
    assert (answer.status, answer.text("Code")) in ((400, "MaxPostPreDataLengthExceeded"), (400, "MaxPostPreDataLengthExceededError")), answer
    expect_nothing_stored(client, bucket)


@pytest.mark.parametrize("content_type", ["text/plain", "multipart/form-data", "multipart/form-data; boundary="])
def test_post_that_is_no_form_is_refused(client, bucket, content_type):
    answer = post_body(client, bucket, encode(form(client, bucket).fields, BODY), content_type=content_type)
    assert 400 <= answer.status < 500, answer
    expect_nothing_stored(client, bucket)


def test_large_file_is_streamed(client, bucket, random_bytes):
    body = random_bytes(20 << 20)
    assert form(client, bucket).post(body).status == 204
    assert client.get(bucket, "object").body == body

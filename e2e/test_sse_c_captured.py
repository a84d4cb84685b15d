"""Every captured answer of Amazon S3 to a request with customer keys: status, code, message, argument, headers."""

import base64
import json

import pytest

from support import sse
from support.errors import MD5_MISMATCH, expect_error, expect_status_only
from support.server import REPOSITORY
from support.sse import CustomerKey

CAPTURED = json.loads((REPOSITORY / "vectors/aws/sse-c.json").read_text())
KEY = CAPTURED["stored_key"]
MIB = 1 << 20
OBJECT = b"an object that a captured request reads"
MULTIPART = [b"A" * (5 * MIB), b"B" * 1024]

# S3 drops characters outside the base64 alphabet from a customer key and forgives surplus padding. A server that took
# such keys would have to guess which bytes a client means, so these keys are refused like every other that cannot be decoded.
LENIENT_ACCEPTS = {
    ("CompleteMultipartUpload", "sse_c_customer_key_with_garbage_chars_in_base64[garbage-at-end]"),
    ("CompleteMultipartUpload", "sse_c_customer_key_with_garbage_chars_in_base64[garbage-in-middle]"),
    ("CompleteMultipartUpload", "sse_c_key_base64_with_tabs_and_newlines"),
    ("CopyObject", f"dest_customer_key_with_garbage_chars_in_base64[garbage-at-end-{KEY}!!!!#]"),
    ("CopyObject", "dest_customer_key_with_garbage_chars_in_base64[garbage-in-middle-K0+/yQHJcx5CgotqScZJqh!!!!#fJ8hpfw4leiB3Bzyo8HSo=]"),
    ("CopyObject", "dest_customer_key_with_garbage_chars_in_base64[garbage-scattered-!K0+/yQHJ#cx5CgotqScZJ!!qhfJ8hpfw4leiB3Bzyo8HSo=#]"),
    ("CopyObject", "dest_key_base64_with_spaces"),
    ("CopyObject", "dest_key_base64_with_tabs_and_newlines"),
    ("CopyObject", "source_customer_key_with_garbage_chars_in_base64[garbage-in-middle-K0+/yQHJcx5CgotqScZJqh!!!!#fJ8hpfw4leiB3Bzyo8HSo=]"),
    ("CopyObject", "source_key_base64_with_spaces"),
    ("CreateMultipartUpload", "sse_c_customer_key_with_garbage_chars_in_base64[garbage-at-end]"),
    ("CreateMultipartUpload", "sse_c_customer_key_with_garbage_chars_in_base64[garbage-at-start]"),
    ("CreateMultipartUpload", "sse_c_key_base64_with_extra_padding"),
    ("CreateMultipartUpload", "sse_c_key_base64_with_tabs_and_newlines"),
    ("GetObject", "get_ssec_object_key_base64_with_tabs_and_newlines"),
    ("GetObject", "get_ssec_object_key_with_garbage_chars_in_base64[garbage-at-end]"),
    ("GetObject", "get_ssec_object_key_with_garbage_chars_in_base64[garbage-at-start]"),
    ("GetObject", "get_ssec_object_key_with_garbage_chars_in_base64[garbage-in-middle]"),
    ("HeadObject", "head_ssec_object_key_base64_with_extra_padding"),
    ("HeadObject", "head_ssec_object_key_base64_with_tabs_and_newlines"),
    ("HeadObject", "head_ssec_object_key_with_garbage_chars_in_base64[garbage-at-start]"),
    ("HeadObject", "head_ssec_object_key_with_garbage_chars_in_base64[garbage-scattered]"),
    ("PutObject", "sse_c_customer_key_with_garbage_chars_in_base64[garbage-at-end]"),
    ("PutObject", "sse_c_customer_key_with_garbage_chars_in_base64[garbage-at-start]"),
    ("PutObject", "sse_c_key_base64_with_extra_padding"),
    ("PutObject", "sse_c_key_base64_with_tabs_and_newlines"),
    ("UploadPart", "sse_c_customer_key_with_garbage_chars_in_base64[garbage-at-end]"),
    ("UploadPart", "sse_c_customer_key_with_garbage_chars_in_base64[garbage-at-start]"),
    ("UploadPart", "sse_c_customer_key_with_garbage_chars_in_base64[garbage-scattered]"),
    ("UploadPart", "sse_c_key_base64_with_extra_padding"),
    ("UploadPart", "sse_c_key_base64_with_spaces"),
    ("UploadPart", "sse_c_key_base64_with_tabs_and_newlines"),
}
# The answers whose ArgumentValue on S3 is the customer key itself. Here it never leaves the server again.
ERRORS_THAT_ECHO_THE_KEY = {"key_too_short"}


@pytest.fixture(scope="module")
def stored(client, module_bucket):
    """The objects and uploads that the captured requests meet."""
    key = CustomerKey(base64.b64decode(KEY))
    headers = key.headers()
    assert client.put(module_bucket, "plain", OBJECT).status == 200
    assert client.put(module_bucket, "ssec", OBJECT, headers).status == 200
    upload = client.new_upload(module_bucket, "ssec-multipart", headers)
    etags = [client.upload_part(module_bucket, "ssec-multipart", upload, number, part, headers).etag
             for number, part in enumerate(MULTIPART, 1)]
    assert client.complete(module_bucket, "ssec-multipart", upload, enumerate(etags, 1)).status == 200
    uploads = {"plain": client.new_upload(module_bucket, "upload-plain"),
               "ssec": client.new_upload(module_bucket, "upload-ssec", headers)}
    return {"key": key, "uploads": uploads}


def send(client, bucket, stored, case):
    operation, headers = case["operation"], case["headers"]
    # Non-ASCII text was signed as UTF-8 and sent as ISO 8859-1.
    how = {"tls": case["tls"], "encoding": "latin-1"}
    if operation == "PutObject":
        return client.put(bucket, "put", CAPTURED["put_body"].encode(), headers, **how)
    if operation == "GetObject":
        return client.get(bucket, case["object"], headers, **how)
    if operation == "HeadObject":
        return client.head(bucket, case["object"], headers, **how)
    if operation == "CopyObject":
        return client.copy(bucket, "copy", bucket, case["source"], headers, **how)
    if operation == "CreateMultipartUpload":
        return client.create_upload(bucket, "created", headers, **how)
    if operation == "UploadPart":
        upload = stored["uploads"][case["upload"]]
        return client.upload_part(bucket, f"upload-{case['upload']}", upload, 1, OBJECT, headers, **how)
    if operation == "UploadPartCopy":
        upload = stored["uploads"][case["upload"]]
        return client.copy_part(bucket, f"upload-{case['upload']}", upload, 2, bucket, case["source"], headers, **how)
    assert operation == "CompleteMultipartUpload"
    return complete(client, bucket, stored["key"], case, how)


def complete(client, bucket, key, case, how):
    """Completes an upload of the case's own, with the part number or ETag that the case's name asks for."""
    own = key.headers() if case["upload"] == "ssec" else {}
    upload = client.new_upload(bucket, "completed", own)
    etag = client.upload_part(bucket, "completed", upload, 1, OBJECT, own).etag
    number = -1 if "negative_part" in case["name"] else 0 if "zero_part" in case["name"] else 1
    etag = "0" * 32 if "invalid_etag" in case["name"] else etag
    return client.complete(bucket, "completed", upload, [(number, f'"{etag}"')], case["headers"], **how)


def expect_captured_error(answer, case):
    if case["operation"] == "HeadObject":
        expect_status_only(answer, case["status"])
        return
    error = CAPTURED["errors"][case["error"]]
    expect_error(answer, error["status"], error["code"], error["message"], error.get("argument_name"))
    echoed = "" if case["error"] in ERRORS_THAT_ECHO_THE_KEY else case.get("argument_value", "")
    assert (answer.text("ArgumentValue") or "") == echoed, answer


def expect_captured_success(answer, case):
    assert answer.status == case["status"], answer
    expected = case["answer_headers"]
    for name, value in expected.items():
        assert answer.header(name) == value, (name, answer.headers)
    for name in (sse.ALGORITHM, sse.KEY_MD5, sse.SSE):
        assert (answer.header(name) is None) == (name.lower() not in expected), (name, answer.headers)
    if "body_has_checksum" in case:
        assert ("<Checksum" in answer.body.decode()) == case["body_has_checksum"], answer


@pytest.mark.parametrize("case", CAPTURED["cases"], ids=lambda case: f"{case['operation']}-{case['name']}")
def test_answer_is_as_captured(client, module_bucket, stored, case):
    answer = send(client, module_bucket, stored, case)
    if (case["operation"], case["name"]) in LENIENT_ACCEPTS:
        if case["operation"] == "HeadObject":
            expect_status_only(answer, MD5_MISMATCH.status)
        else:
            expect_error(answer, *MD5_MISMATCH)
    elif case["status"] >= 400:
        expect_captured_error(answer, case)
    else:
        expect_captured_success(answer, case)


def test_every_lenient_accept_is_a_captured_case():
    successes = {(case["operation"], case["name"]) for case in CAPTURED["cases"] if case["status"] < 300}
    assert LENIENT_ACCEPTS <= successes

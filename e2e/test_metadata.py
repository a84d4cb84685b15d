"""User metadata and content headers: kept with the object, Unicode too, and bounded."""

import base64
from email.header import decode_header

import pytest

from support import errors
from support.errors import expect_error
from support.sse import KEY_A

CONTENT = {
    "Content-Type": "application/x-test; charset=utf-8",
    "Content-Disposition": 'attachment; filename="a b.txt"',
    "Content-Encoding": "gzip",
    "Content-Language": "de-CH",
    "Cache-Control": "max-age=60, private",
    "Expires": "Thu, 01 Dec 2033 16:00:00 GMT",
}


@pytest.mark.parametrize("headers", [{}, KEY_A.headers()], ids=["sse-s3", "sse-c"])
def test_content_headers_come_back(client, bucket, headers):
    client.put(bucket, "object", b"x", {**CONTENT, **headers})
    for answer in (client.get(bucket, "object", headers), client.head(bucket, "object", headers)):
        for name, value in CONTENT.items():
            assert answer.header(name) == value


def test_default_content_type(client, bucket):
    client.put(bucket, "object", b"x")
    assert client.head(bucket, "object").header("Content-Type") == "binary/octet-stream"


@pytest.mark.parametrize("headers", [{}, KEY_A.headers()], ids=["sse-s3", "sse-c"])
def test_user_metadata_comes_back(client, bucket, headers):
    client.put(bucket, "object", b"x", {"x-amz-meta-Colour": "dark blue", "x-amz-meta-empty": "", "x-amz-meta-n": "1", **headers})
    answer = client.head(bucket, "object", headers)
    assert answer.header("x-amz-meta-colour") == "dark blue"
    assert answer.header("x-amz-meta-empty") == "" and answer.header("x-amz-meta-n") == "1"


def test_repeated_header_is_joined(client, bucket):
    client.put(bucket, "object", b"x", [("x-amz-meta-a", "1"), ("x-amz-meta-a", "2")])
    assert client.head(bucket, "object").header("x-amz-meta-a") == "1,2"


def decoded(value):
    """The text of a header that may be encoded by RFC 2047."""
    return "".join(part if isinstance(part, str) else part.decode(charset or "ascii") for part, charset in decode_header(value))


@pytest.mark.parametrize("text", ["grün", "日本語", "emoji 🦀", "é" * 200], ids=["latin", "cjk", "astral", "long"])
def test_unicode_sent_as_utf_8_comes_back_encoded(client, bucket, text):
    assert client.put(bucket, "object", b"x", {"x-amz-meta-text": text}).status == 200
    assert decoded(client.head(bucket, "object").header("x-amz-meta-text")) == text


@pytest.mark.parametrize("text", ["grün", "日本語"])
def test_unicode_sent_by_rfc_2047_comes_back_encoded(client, bucket, text):
    encoded = f"=?UTF-8?B?{base64.b64encode(text.encode()).decode()}?="
    assert client.put(bucket, "object", b"x", {"x-amz-meta-text": encoded}).status == 200
    assert decoded(client.head(bucket, "object").header("x-amz-meta-text")) == text


def test_two_kibibytes_are_the_limit(client, bucket):
    name = "x-amz-meta-a"
    fits = 2048 - len("a")
    assert client.put(bucket, "object", b"x", {name: "v" * fits}).status == 200
    assert client.head(bucket, "object").header(name) == "v" * fits
    answer = client.put(bucket, "object", b"x", {name: "v" * (fits + 1)})
    expect_error(answer, *errors.METADATA_TOO_LARGE, Size="2049", MaxSizeAllowed="2048")


def test_limit_counts_all_headers_together(client, bucket):
    headers = {f"x-amz-meta-{at}": "v" * 300 for at in range(7)}
    expect_error(client.put(bucket, "absent", b"x", headers), *errors.METADATA_TOO_LARGE)
    expect_error(client.create_upload(bucket, "absent", headers), *errors.METADATA_TOO_LARGE)
    expect_error(client.get(bucket, "absent"), *errors.NO_SUCH_KEY)


def test_boto3_metadata(s3, bucket):
    s3.put_object(Bucket=bucket, Key="object", Body=b"x", Metadata={"Name": "value", "other": "with spaces"}, ContentType="text/x-a")
    head = s3.head_object(Bucket=bucket, Key="object")
    assert head["Metadata"] == {"name": "value", "other": "with spaces"} and head["ContentType"] == "text/x-a"


@pytest.mark.parametrize("storage_class", ["STANDARD", "STANDARD_IA", "REDUCED_REDUNDANCY"])
def test_storage_class_is_kept(client, bucket, storage_class):
    assert client.put(bucket, "object", b"x", {"x-amz-storage-class": storage_class}).status == 200
    shown = client.head(bucket, "object").header("x-amz-storage-class")
    # S3 does not name the standard class in headers.
    assert shown == (None if storage_class == "STANDARD" else storage_class)

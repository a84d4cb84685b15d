"""Presigned URLs: what they allow, for how long, and which headers they bind."""

import re
from datetime import datetime, timedelta, timezone

import pytest
import requests
from conftest import boto_client

from support import errors, sse
from support.checksums import md5_hex
from support.errors import expect_error
from support.sse import KEY_A, SSE, expect_customer_key

BODY = b"through a presigned URL"


def ago(seconds):
    return datetime.now(timezone.utc) - timedelta(seconds=seconds)


def test_put_and_get(client, bucket):
    put = client.send_presigned("PUT", client.presign("PUT", bucket, "object"), body=BODY)
    assert put.status == 200 and put.etag == md5_hex(BODY), put
    assert client.send_presigned("GET", client.presign("GET", bucket, "object")).body == BODY


def test_urls_of_boto3_work_in_any_http_client(server, bucket):
    # For other endpoints than Amazon's, boto3 presigns by version 2 unless told otherwise.
    boto = boto_client(server, tls=True, signature_version="s3v4")
    put = boto.generate_presigned_url("put_object", {"Bucket": bucket, "Key": "a b+c/ü"}, ExpiresIn=60)
    assert requests.put(put, data=BODY, verify=server.ca_file).status_code == 200
    get = boto.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "a b+c/ü"}, ExpiresIn=60)
    assert requests.get(get, verify=server.ca_file).content == BODY


def test_checksum_of_nothing_in_a_url_is_ignored_and_a_signed_header_is_not(client, bucket):
    # The JavaScript SDK knows no body when it presigns, and puts the checksum of none into the URL.
    query = {"x-amz-checksum-crc32": "AAAAAA==", "x-amz-sdk-checksum-algorithm": "CRC32"}
    put = client.send_presigned("PUT", client.presign("PUT", bucket, "object", query=query), body=BODY)
    assert put.status == 200 and put.etag == md5_hex(BODY), put
    headers = {"x-amz-checksum-crc32": "AAAAAA=="}
    target = client.presign("PUT", bucket, "other", headers=headers)
    answer = client.send_presigned("PUT", target, headers, BODY)
    assert (answer.status, answer.text("Code")) == (400, "BadDigest"), answer
    assert client.keys(bucket) == ["object"]


def test_url_signed_by_version_2_is_refused_in_words(s3_tls, server, bucket):
    url = s3_tls.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "object"}, ExpiresIn=60)
    assert "AWSAccessKeyId=" in url
    answer = requests.get(url, verify=server.ca_file)
    assert answer.status_code == 400 and "Please use AWS4-HMAC-SHA256." in answer.text


@pytest.mark.parametrize("method", ["PUT", "DELETE", "HEAD"])
def test_url_is_for_one_method(client, bucket, method):
    client.put(bucket, "object", BODY)
    answer = client.send_presigned(method, client.presign("GET", bucket, "object"))
    assert answer.status == 403, answer
    assert client.get(bucket, "object").body == BODY


def test_url_is_for_one_key(client, bucket):
    client.put(bucket, "other", BODY)
    target = client.presign("GET", bucket, "object").replace(f"/{bucket}/object", f"/{bucket}/other")
    expect_error(client.send_presigned("GET", target), *errors.SIGNATURE_MISMATCH)


@pytest.mark.parametrize("change", [
    lambda target: target.replace("X-Amz-Expires=300", "X-Amz-Expires=301"),
    lambda target: target + "&versionId=null",
    lambda target: target.replace("response-content-type=a", "response-content-type=b"),
    lambda target: re.sub("X-Amz-Signature=([0-9a-f]{64})", "X-Amz-Signature=" + "0" * 64, target),
], ids=["expiry", "added-parameter", "changed-parameter", "signature"])
def test_changed_url_is_refused(client, bucket, change):
    client.put(bucket, "object", BODY)
    target = client.presign("GET", bucket, "object", query={"response-content-type": "a"})
    answer = client.send_presigned("GET", change(target))
    assert answer.status in (400, 403) and answer.body != BODY, answer
    assert answer.text("Code") in ("SignatureDoesNotMatch", "AuthorizationQueryParametersError"), answer


def test_expired_url_is_refused(client, bucket):
    client.put(bucket, "object", BODY)
    target = client.presign("GET", bucket, "object", expires=10, moment=ago(60))
    expect_error(client.send_presigned("GET", target), *errors.EXPIRED)


def test_url_lives_as_long_as_it_says(client, bucket):
    client.put(bucket, "object", BODY)
    target = client.presign("GET", bucket, "object", expires=604800, moment=ago(86400))
    assert client.send_presigned("GET", target).body == BODY


def test_url_of_the_future_is_refused(client, bucket):
    target = client.presign("GET", bucket, "object", moment=ago(-3600))
    answer = client.send_presigned("GET", target)
    assert (answer.status, answer.text("Code")) == (403, "AccessDenied"), answer


@pytest.mark.parametrize("expires", [604801, 0, -1, "soon"])
def test_senseless_expiry_is_refused(client, bucket, expires):
    target = client.presign("GET", bucket, "object", expires=expires)
    answer = client.send_presigned("GET", target)
    assert answer.status in (400, 403), answer
    assert answer.text("Code") in ("AuthorizationQueryParametersError", "AccessDenied"), answer


def test_response_headers_can_be_overridden(client, bucket):
    client.put(bucket, "object", BODY, {"Content-Type": "text/plain"})
    query = {"response-content-type": "text/x-other", "response-content-disposition": 'attachment; filename="x"',
             "response-cache-control": "no-store", "response-content-language": "de",
             "response-content-encoding": "identity", "response-expires": "Thu, 01 Jan 2026 00:00:00 GMT"}
    answer = client.send_presigned("GET", client.presign("GET", bucket, "object", query=query))
    for name, value in query.items():
        assert answer.header(name.removeprefix("response-")) == value


# Encryption.

def test_signed_customer_key_must_come_along(client, bucket):
    target = client.presign("PUT", bucket, "object", headers=KEY_A.headers())
    expect_customer_key(client.send_presigned("PUT", target, KEY_A.headers(), BODY), KEY_A)
    get = client.presign("GET", bucket, "object", headers=KEY_A.headers())
    assert client.send_presigned("GET", get, KEY_A.headers()).body == BODY


@pytest.mark.parametrize("left_out", list(KEY_A.headers()))
def test_signed_header_left_out_is_refused(client, bucket, left_out):
    target = client.presign("PUT", bucket, "object", headers=KEY_A.headers())
    sent = {name: value for name, value in KEY_A.headers().items() if name != left_out}
    answer = client.send_presigned("PUT", target, sent, BODY)
    expect_error(answer, *errors.SIGNATURE_MISMATCH)
    assert KEY_A.base64 not in answer.body.decode()


@pytest.mark.parametrize("added", [{SSE: "AES256"}, KEY_A.headers(), {"x-amz-meta-added": "1"}, {"x-amz-acl": "private"}],
                         ids=["method", "customer-key", "metadata", "acl"])
def test_unsigned_amz_header_is_refused(client, bucket, added):
    target = client.presign("PUT", bucket, "object")
    answer = client.send_presigned("PUT", target, added, BODY)
    expect_error(answer, *errors.UNSIGNED_HEADERS)
    assert KEY_A.base64 not in answer.body.decode()
    for name in added:
        assert name.lower() in answer.text("HeadersNotSigned").lower(), answer


def test_url_of_a_sealed_object_does_not_replace_its_key(client, bucket):
    client.put(bucket, "object", BODY, KEY_A.headers())
    expect_error(client.send_presigned("GET", client.presign("GET", bucket, "object")), *errors.KEY_REQUIRED)


def test_customer_key_over_plain_http_is_refused(client, bucket):
    target = client.presign("PUT", bucket, "object", headers=KEY_A.headers(), tls=False)
    expect_error(client.send_presigned("PUT", target, KEY_A.headers(), BODY, tls=False), *errors.INSECURE_TRANSPORT)


def test_customer_key_in_the_query_is_no_customer_key(client, server, bucket):
    target = client.presign("PUT", bucket, "object", query=KEY_A.headers())
    answer = client.send_presigned("PUT", target, body=BODY)
    if answer.status == 200:
        assert answer.header(sse.ALGORITHM) == "AES256", "the key was ignored, and the object is not under it"
    else:
        assert answer.status == 400, answer
        expect_error(client.get(bucket, "object"), *errors.NO_SUCH_KEY)
    assert KEY_A.base64 not in server.log()


def test_authorization_header_and_presigned_query_together_are_refused(client, bucket):
    target = client.presign("GET", bucket, "object")
    answer = client.send_presigned("GET", target, {"Authorization": "AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=c"})
    assert (answer.status, answer.text("Code")) == (400, "InvalidArgument"), answer

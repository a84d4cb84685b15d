"""Signatures: who may speak at all. Nothing that is not signed, or not signed by this key for now, changes or shows anything."""

from datetime import datetime, timedelta, timezone

import pytest

from support import chunked, errors, wire
from support.checksums import checksum
from support.client import Client
from support.errors import expect_error, expect_status_only
from support.signer import UNSIGNED, Credentials, Signature, sha256_hex
from support.sse import SSE

BODY = b"a body that must arrive whole" * 1000


def shifted(seconds):
    return datetime.now(timezone.utc) + timedelta(seconds=seconds)


def expect_nothing_stored(client, bucket):
    assert client.keys(bucket) == []


@pytest.fixture
def stored(client, bucket):
    client.put(bucket, "object", BODY)
    return bucket


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD"])
def test_anonymous_request_is_denied(client, stored, method):
    answer = client.anonymous(method, stored, "object", body=b"other" if method == "PUT" else b"")
    if method == "HEAD":
        expect_status_only(answer, 403)
    else:
        expect_error(answer, *errors.ACCESS_DENIED)
    assert client.get(stored, "object").body == BODY


@pytest.mark.parametrize("target", [("GET", None), ("GET", "stored"), ("PUT", "a-new-bucket"), ("DELETE", "stored")])
def test_anonymous_bucket_request_is_denied(client, stored, target):
    method, name = target
    expect_error(client.anonymous(method, stored if name == "stored" else name), *errors.ACCESS_DENIED)


def test_anonymous_caller_learns_nothing_of_what_exists(client, bucket):
    expect_error(client.anonymous("GET", bucket, "absent"), *errors.ACCESS_DENIED)
    answer = client.anonymous("GET", "no-such-bucket-here", "absent")
    assert answer.status in (403, 404), answer


def test_unknown_access_key(server, stored):
    stranger = Client(server, Credentials("UNKNOWNACCESSKEY", "secret"))
    answer = stranger.get(stored, "object")
    expect_error(answer, *errors.UNKNOWN_ACCESS_KEY, AWSAccessKeyId="UNKNOWNACCESSKEY")


def test_wrong_secret(server, client, bucket):
    impostor = Client(server, Credentials(server.credentials.access_key, "not the secret"))
    expect_error(impostor.put(bucket, "object", BODY), *errors.SIGNATURE_MISMATCH)
    expect_nothing_stored(client, bucket)


def test_mismatch_shows_neither_secret_nor_what_was_signed(server, bucket):
    impostor = Client(server, Credentials(server.credentials.access_key, "not the secret"))
    answer = impostor.put(bucket, "object", BODY, {"x-amz-meta-private": "a private word"})
    assert server.credentials.secret_key not in answer.body.decode()
    for element in ("CanonicalRequest", "CanonicalRequestBytes", "StringToSign", "StringToSignBytes"):
        assert answer.text(element) is None, answer


@pytest.mark.parametrize("region, code", [("eu-west-7", "AuthorizationHeaderMalformed")])
def test_wrong_region_is_told_the_right_one(server, bucket, region, code):
    elsewhere = Client(server, Credentials(server.credentials.access_key, server.credentials.secret_key, region))
    answer = elsewhere.get(bucket, "object")
    expect_error(
        answer, 400, code, f"The authorization header is malformed; the region '{region}' is wrong; expecting 'us-east-1'",
        Region="us-east-1")


@pytest.mark.parametrize("seconds", [-3600, 3600, -86400 * 8])
def test_skewed_clock_is_refused(client, bucket, seconds):
    expect_error(client.put(bucket, "object", BODY, moment=shifted(seconds)), *errors.SKEWED)
    expect_nothing_stored(client, bucket)


@pytest.mark.parametrize("seconds", [-600, 600])
def test_little_skew_is_forgiven(client, bucket, seconds):
    assert client.put(bucket, "object", BODY, moment=shifted(seconds)).status == 200


# What is signed is what counts.

def send_changed(client, bucket, change, headers=()):
    """Signs a PUT, changes the finished request, sends it."""
    target, head, _, _ = client.signed("PUT", client.path(bucket, "object"), {}, headers, sha256_hex(BODY))
    method, target, head, body = change("PUT", target, head + [("Content-Length", len(BODY))], BODY)
    return client.send(method, target, head, body)


def replaced(head, name, value):
    return [(key, value if key.lower() == name else old) for key, old in head]


@pytest.mark.parametrize("change", [
    pytest.param(lambda m, t, h, b: ("DELETE", t, h, b), id="method"),
    pytest.param(lambda m, t, h, b: (m, t + "2", h, b), id="path"),
    pytest.param(lambda m, t, h, b: (m, t + "?acl", h, b), id="query"),
    pytest.param(lambda m, t, h, b: (m, t, replaced(h, "x-amz-meta-name", "other"), b), id="header"),
    pytest.param(lambda m, t, h, b: (m, t, [x for x in h if x[0] != "x-amz-meta-name"], b), id="header-left-out"),
    pytest.param(lambda m, t, h, b: (m, t, h + [("x-amz-meta-name", "second")], b), id="header-twice"),
    pytest.param(lambda m, t, h, b: (m, t, replaced(h, "host", "another.example"), b), id="host"),
    pytest.param(lambda m, t, h, b: (m, t, replaced(h, "x-amz-content-sha256", UNSIGNED), b), id="payload-unsigned"),
    pytest.param(lambda m, t, h, b: (m, t, replaced(h, "authorization", dict(h)["Authorization"][:-1] + "g"), b), id="signature-no-hex"),
])
def test_changed_request_is_refused(client, bucket, change):
    answer = send_changed(client, bucket, change, {"x-amz-meta-name": "signed"})
    assert answer.status in (400, 403), answer
    assert answer.text("Code") in ("SignatureDoesNotMatch", "AuthorizationHeaderMalformed"), answer
    expect_nothing_stored(client, bucket)


@pytest.mark.parametrize("header", [SSE, "x-amz-meta-name", "x-amz-acl", "x-amz-storage-class"])
def test_unsigned_amz_header_is_refused(client, bucket, header):
    answer = client.put(bucket, "object", BODY, unsigned={header: "AES256"})
    expect_error(answer, *errors.UNSIGNED_HEADERS)
    assert header in answer.text("HeadersNotSigned"), answer
    expect_nothing_stored(client, bucket)


def test_changed_body_is_refused(client, bucket):
    answer = client.put(bucket, "object", BODY, payload=sha256_hex(b"another body"))
    expect_error(answer, *errors.CONTENT_SHA256_MISMATCH, ClientComputedContentSHA256=sha256_hex(b"another body"),
                 S3ComputedContentSHA256=sha256_hex(BODY))
    expect_nothing_stored(client, bucket)


def test_unsigned_payload_is_accepted_when_said_so(client, bucket):
    assert client.put(bucket, "object", BODY, payload=UNSIGNED).status == 200
    assert client.get(bucket, "object").body == BODY


@pytest.mark.parametrize("value", ["", "junk", "0" * 63, "Z" * 64])
def test_malformed_payload_hash_is_refused(client, bucket, value):
    target, head, _, _ = client.signed("PUT", client.path(bucket, "object"), {}, {}, value)
    answer = client.send("PUT", target, head + [("Content-Length", len(BODY))], BODY)
    assert (answer.status, answer.text("Code")) in ((400, "InvalidArgument"), (400, "InvalidRequest")), answer
    expect_nothing_stored(client, bucket)


def test_replayed_put_has_no_new_power(client, bucket):
    """A copy of a request does what the request did, and its body cannot be swapped."""
    target, head, _, _ = client.signed("PUT", client.path(bucket, "object"), {}, {}, sha256_hex(BODY))
    head.append(("Content-Length", len(BODY)))
    assert client.send("PUT", target, head, BODY).status == 200
    assert client.send("PUT", target, head, BODY).status == 200
    expect_error(client.send("PUT", target, head, BODY[::-1]), *errors.CONTENT_SHA256_MISMATCH)
    assert client.get(bucket, "object").body == BODY


# Signed chunks.

def test_signed_chunks(client, bucket):
    answer = client.put_chunked(bucket, "object", BODY, kind=chunked.SIGNED, chunk_size=8192)
    assert answer.status == 200, answer
    assert client.get(bucket, "object").body == BODY


def test_signed_chunks_with_signed_trailer(client, bucket):
    trailers = [("x-amz-checksum-crc32c", checksum("crc32c", BODY))]
    answer = client.put_chunked(bucket, "object", BODY, kind=chunked.SIGNED_TRAILER, chunk_size=8192, trailers=trailers)
    assert answer.status == 200, answer
    assert answer.header("x-amz-checksum-crc32c") == checksum("crc32c", BODY)


def tampered(position):
    """Signed framing with one byte changed in chunk `position`, after it was signed."""
    def framed(signer, chunks):
        out = []
        for at, chunk in enumerate(chunks):
            signature = signer.chunk(chunk)
            sent = bytes([chunk[0] ^ 1]) + chunk[1:] if at == position else chunk
            out.append(f"{len(sent):x};chunk-signature={signature}\r\n".encode() + sent + b"\r\n")
        return b"".join(out)
    return framed


def signed_frames(signer, chunks):
    return [f"{len(chunk):x};chunk-signature={signer.chunk(chunk)}\r\n".encode() + chunk + b"\r\n" for chunk in chunks]


@pytest.mark.parametrize("framed", [
    pytest.param(tampered(0), id="first-chunk-changed"),
    pytest.param(tampered(2), id="later-chunk-changed"),
    pytest.param(lambda s, c: b"".join(reversed(signed_frames(s, c)[:-1])) + b"0;chunk-signature=" + b"0" * 64 + b"\r\n\r\n", id="reordered"),
    pytest.param(lambda s, c: b"".join(f for i, f in enumerate(signed_frames(s, c)) if i != 1), id="one-left-out"),
    pytest.param(lambda s, c: b"".join(signed_frames(s, c)[:-1]) + b"0;chunk-signature=" + b"0" * 64 + b"\r\n\r\n", id="end-forged"),
    pytest.param(lambda s, c: chunked.unsigned_body(c), id="unsigned"),
])
def test_tampered_chunks_are_refused(client, bucket, framed):
    answer = client.put_chunked(bucket, "object", BODY, kind=chunked.SIGNED, chunk_size=8192, framed=framed)
    assert answer.status in (400, 403), answer
    assert answer.text("Code") in ("SignatureDoesNotMatch", "IncompleteBody", "InvalidRequest"), answer
    expect_nothing_stored(client, bucket)


def test_forged_trailer_is_refused(client, bucket):
    def framed(signer, chunks):
        body = chunked.signed_body(signer, chunks, [("x-amz-checksum-crc32c", checksum("crc32c", BODY))])
        head, _, _ = body.rpartition(b"x-amz-trailer-signature:")
        return head + b"x-amz-trailer-signature:" + b"0" * 64 + b"\r\n\r\n"

    answer = client.put_chunked(
        bucket, "object", BODY, kind=chunked.SIGNED_TRAILER, trailers=[("x-amz-checksum-crc32c", "")], framed=framed)
    expect_error(answer, *errors.SIGNATURE_MISMATCH)
    expect_nothing_stored(client, bucket)


# Malformed authorization.

@pytest.mark.parametrize("value, code", [
    ("", ("AccessDenied", "InvalidArgument", "AuthorizationHeaderMalformed")),
    ("Basic dXNlcjpwYXNz", ("InvalidArgument",)),
    ("AWS key:signature", ("InvalidRequest",)),
    ("AWS4-HMAC-SHA256", ("AuthorizationHeaderMalformed", "InvalidArgument")),
    ("AWS4-HMAC-SHA256 Credential=a", ("AuthorizationHeaderMalformed",)),
    ("AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/s3/aws4_request, SignedHeaders=host", ("AuthorizationHeaderMalformed",)),
    ("AWS4-HMAC-SHA256 Credential=a/b/c, SignedHeaders=host, Signature=00", ("AuthorizationHeaderMalformed",)),
    ("AWS4-ECDSA-P256-SHA256 Credential=a/20260101/s3/aws4_request, SignedHeaders=host, Signature=00",
     ("InvalidRequest", "InvalidArgument", "NotImplemented", "AuthorizationHeaderMalformed")),
], ids=["empty", "basic", "version-2", "bare", "no-scope", "no-signature", "short-scope", "version-4a"])
def test_malformed_authorization_is_refused(client, stored, value, code):
    head = [("Host", client.address(True)[2]), ("x-amz-content-sha256", UNSIGNED), ("Authorization", value)]
    answer = client.send("GET", client.path(stored, "object"), head)
    assert answer.status in (400, 403, 501), answer
    assert answer.text("Code") in code, answer


def test_two_authorization_headers_are_refused(client, stored):
    target, head, _, _ = client.signed("GET", client.path(stored, "object"), {}, {}, UNSIGNED)
    answer = client.send("GET", target, head + [("Authorization", dict(head)["Authorization"])])
    assert 400 <= answer.status < 500 and answer.body != BODY, answer


def test_session_token_of_nobody_is_refused(client, stored):
    answer = client.get(stored, "object", {"x-amz-security-token": "a token"})
    assert (answer.status, answer.text("Code")) in ((400, "InvalidToken"), (403, "InvalidToken")), answer


def test_signature_of_another_service_is_refused(server, client, stored):
    signature = Signature(server.credentials, service="ec2")
    head = [("Host", client.address(True)[2]), ("x-amz-date", signature.timestamp), ("x-amz-content-sha256", UNSIGNED)]
    path = client.path(stored, "object")
    authorization, _ = signature.authorization("GET", path, [], head, UNSIGNED)
    answer = client.send("GET", path, head + [("Authorization", authorization)])
    assert answer.status in (400, 403) and answer.body != BODY, answer


def test_request_is_answered_before_its_body_is_asked_for(server, client, bucket):
    """A refused PUT that waits for `100 Continue` gets its refusal instead, and the connection is closed."""
    impostor = Client(server, Credentials(server.credentials.access_key, "not the secret"))
    target, head, _, _ = impostor.signed("PUT", client.path(bucket, "object"), {}, {}, sha256_hex(BODY))
    head += [("Content-Length", len(BODY)), ("Expect", "100-continue")]
    with wire.connect(server.tls_port, client.tls_context) as connection:
        wire.send_head(connection, "PUT", target, head)
        first = connection.recv(12)
        assert first == b"HTTP/1.1 403", first
        rest = b""
        while piece := connection.recv(65536):
            rest += piece
    assert b"connection: close" in rest.lower()

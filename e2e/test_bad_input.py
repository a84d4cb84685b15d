"""Input that is wrong, hostile or cut short: S3's own error, nothing stored, no hang, and the server goes on."""

import contextlib
import socket
import time

import pytest

from support import chunked, errors, wire
from support.checksums import checksum, content_md5
from support.client import Client
from support.errors import expect_error
from support.signer import UNSIGNED, sha256_hex
from support.sse import KEY_A, SSE

BODY = b"0123456789abcdef" * 4096
NAMESPACE = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'


@pytest.fixture(autouse=True)
def server_goes_on(client, server):
    """Whatever a test sends: nothing panics, and the server still answers."""
    yield
    assert client.request("GET").status == 200
    assert "panicked" not in server.log()


def expect_nothing_stored(client, bucket):
    assert client.keys(bucket) == []


# Bodies.

def head_of(client, bucket, extra, payload=None):
    target, head, _, _ = client.signed("PUT", client.path(bucket, "object"), {}, {}, payload or sha256_hex(BODY))
    return target, head + extra


def test_body_without_a_length_is_refused(client, bucket):
    target, head = head_of(client, bucket, [])
    expect_error(client.send("PUT", target, head), *errors.LENGTH_MISSING)
    expect_nothing_stored(client, bucket)


def test_transfer_encoding_without_a_decoded_length_is_refused(client, bucket):
    target, head = head_of(client, bucket, [("Transfer-Encoding", "chunked")])
    answer = client.send("PUT", target, head, b"4\r\nabcd\r\n0\r\n\r\n")
    assert answer.status in (411, 501), answer
    assert answer.text("Code") in ("MissingContentLength", "NotImplemented"), answer
    expect_nothing_stored(client, bucket)


@pytest.mark.parametrize("length", ["-1", "abc", "1e3", "99999999999999999999999"])
def test_senseless_length_is_refused(client, bucket, length):
    target, head = head_of(client, bucket, [("Content-Length", length)])
    answer = client.send("PUT", target, head, BODY)
    assert answer.status in (400, 413), answer
    expect_nothing_stored(client, bucket)


def test_length_past_five_gibibytes_is_refused_at_once(client, bucket):
    target, head = head_of(client, bucket, [("Content-Length", (5 << 30) + 1)], UNSIGNED)
    answer = client.send("PUT", target, head)
    expect_error(answer, 400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size", ProposedSize=str((5 << 30) + 1))


def test_connection_cut_in_the_body_stores_nothing(client, server, bucket):
    target, head = head_of(client, bucket, [("Content-Length", len(BODY))])
    with wire.connect(server.tls_port, client.tls_context) as connection:
        wire.send_head(connection, "PUT", target, head)
        connection.sendall(BODY[:-1])
    expect_nothing_stored(client, bucket)


def test_body_half_closed_before_its_end_is_incomplete(client, server, bucket):
    port, _, host = client.address(False)
    target, head, _, _ = client.signed("PUT", client.path(bucket, "object"), {}, {}, sha256_hex(BODY), tls=False)
    with wire.connect(port) as connection:
        wire.send_head(connection, "PUT", target, head + [("Content-Length", len(BODY))])
        connection.sendall(BODY[:-1])
        connection.shutdown(socket.SHUT_WR)
        try:
            answer = wire.read_response(connection)
            assert (answer.status, answer.text("Code")) == (400, "IncompleteBody"), answer
        except (ConnectionError, wire.http.client.HTTPException):
            pass  # Closing without a word is an answer too.
    expect_nothing_stored(client, bucket)


@pytest.fixture(scope="module")
def impatient(make_server):
    """A client of a server that waits one second."""
    client = Client(make_server(environment={"COFFER_REQUEST_IDLE_SECONDS": "1"}).start())
    assert client.create_bucket("impatient").status == 200
    yield client
    client.server.close()


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_body_that_stalls_times_out(impatient, tls):
    port, context, _ = impatient.address(tls)
    target, head, _, _ = impatient.signed("PUT", impatient.path("impatient", "object"), {}, {}, sha256_hex(BODY), tls)
    with wire.connect(port, context, timeout=10) as connection:
        wire.send_head(connection, "PUT", target, head + [("Content-Length", len(BODY))])
        connection.sendall(BODY[:1000])
        expect_error(
            wire.read_response(connection), 400, "RequestTimeout",
            "Your socket connection to the server was not read from or written to within the timeout period. "
            "Idle connections will be closed.")
        assert connection.recv(1) == b"", "the connection is closed"
    expect_nothing_stored(impatient, "impatient")


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_slow_reader_that_makes_progress_is_served(impatient, tls):
    body = BODY * 256
    assert impatient.put("impatient", "large", body).status == 200
    port, context, _ = impatient.address(tls)
    target, head, _, _ = impatient.signed("GET", impatient.path("impatient", "large"), {}, {}, sha256_hex(b""), tls)
    with wire.connect(port, context, timeout=10) as connection:
        # Else the client's own system would read on while the client does not.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 10)
        wire.send_head(connection, "GET", target, head)
        answer = wire.http.client.HTTPResponse(connection)
        answer.begin()
        received = b""
        for _ in range(15):
            received += answer.read(64 << 10)
            time.sleep(0.2)
        assert received + answer.read() == body
    assert impatient.delete("impatient", "large").status == 204


@pytest.mark.parametrize("sent", [b"", b"PUT / HT", b"PUT / HTTP/1.1\r\nHost: a\r\nX-"], ids=["nothing", "line", "header"])
def test_head_that_stalls_is_closed(impatient, sent):
    with wire.connect(impatient.server.port, timeout=20) as connection:
        connection.sendall(sent)
        while connection.recv(4096):
            pass


def test_tls_handshake_that_stalls_is_closed(impatient):
    with wire.connect(impatient.server.tls_port, timeout=20) as connection:
        connection.sendall(b"\x16\x03\x01")
        while connection.recv(4096):
            pass


# aws-chunked framing.

TRAILER = [("x-amz-checksum-crc32", checksum("crc32", BODY))]


def unsigned_frames(chunks):
    return [f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n" for chunk in chunks]


def trailer_line(value):
    return b"x-amz-checksum-crc32:" + value + b"\r\n\r\n"


GOOD_TRAILER = trailer_line(TRAILER[0][1].encode())


@pytest.mark.parametrize("framed", [
    pytest.param(lambda f: b"".join(f[:-1]), id="no-end"),
    pytest.param(lambda f: b"".join(f[1:-1]) + b"0\r\n" + GOOD_TRAILER, id="chunk-missing"),
    pytest.param(lambda f: b"".join(f[:-1]) + f[0] + b"0\r\n" + GOOD_TRAILER, id="chunk-too-many"),
    pytest.param(lambda f: b"xyz\r\n" + b"".join(f[:-1]) + b"0\r\n" + GOOD_TRAILER, id="size-no-hex"),
    pytest.param(lambda f: b"-5\r\n" + b"".join(f[:-1]) + b"0\r\n" + GOOD_TRAILER, id="size-negative"),
    pytest.param(lambda f: b"ffffffffffffffffff\r\n" + b"".join(f[:-1]), id="size-overflow"),
    pytest.param(lambda f: b"".join(f[:-1]).replace(b"\r\n", b"\n") + b"0\n" + GOOD_TRAILER, id="bare-line-feeds"),
    pytest.param(lambda f: b"8" * 70000, id="size-without-end"),
    pytest.param(lambda f: b"".join(f[:-1]) + b"0\r\n" + trailer_line(b"AAAAAA=="), id="trailer-wrong"),
    pytest.param(lambda f: b"".join(f[:-1]) + b"0\r\n" + trailer_line(b"junk"), id="trailer-malformed"),
    pytest.param(lambda f: b"".join(f[:-1]) + b"0\r\n\r\n", id="trailer-missing"),
    pytest.param(lambda f: b"".join(f[:-1]) + b"0\r\nx-amz-checksum-sha1:AAAA\r\n\r\n", id="trailer-other"),
    pytest.param(lambda f: b"".join(f[:-1]) + b"0\r\n" + GOOD_TRAILER + b"more", id="bytes-after-the-end"),
    pytest.param(lambda f: b"", id="nothing"),
])
def test_malformed_chunks_are_refused(client, bucket, framed):
    answer = client.put_chunked(
        bucket, "object", BODY, kind=chunked.UNSIGNED_TRAILER, trailers=TRAILER,
        framed=lambda signer, chunks: framed(unsigned_frames(chunks)), chunk_size=16384)
    assert answer.status in (400, 403), answer
    assert answer.text("Code") in (
        "IncompleteBody", "InvalidRequest", "BadDigest", "MalformedTrailerError", "InvalidChunkSizeError",
        "InvalidArgument", "EntityTooLarge"), answer
    expect_nothing_stored(client, bucket)


@pytest.mark.parametrize("decoded", [len(BODY) + 1, len(BODY) - 1, 0, "abc", "-1", ""])
def test_wrong_decoded_length_is_refused(client, bucket, decoded):
    answer = client.put_chunked(
        bucket, "object", BODY, kind=chunked.UNSIGNED_TRAILER, trailers=TRAILER,
        headers={"x-amz-decoded-content-length": str(decoded)})
    assert answer.status in (400, 411), answer
    expect_nothing_stored(client, bucket)


def test_small_chunk_before_the_last_is_refused_when_signed(client, bucket):
    answer = client.put_chunked(bucket, "object", BODY[:20000], kind=chunked.SIGNED, chunk_size=4096)
    assert answer.status in (400, 403) and answer.text("Code") == "InvalidChunkSizeError", answer
    expect_nothing_stored(client, bucket)


# XML.

BOMB = ('<?xml version="1.0"?><!DOCTYPE d [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
        f'<Delete {NAMESPACE}><Object><Key>&b;</Key></Object></Delete>')
OUTSIDE = ('<?xml version="1.0"?><!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
           f'<Delete {NAMESPACE}><Object><Key>&x;</Key></Object></Delete>')


@pytest.mark.parametrize("body", [
    pytest.param(b"", id="empty"),
    pytest.param(b"junk", id="no-xml"),
    pytest.param(b"<Delete>", id="not-closed"),
    pytest.param(b"<Delete><Object></Delete></Object>", id="crossed"),
    pytest.param(b"<Other/>", id="other-root"),
    pytest.param(b"<Delete/>", id="no-objects"),
    pytest.param(b"<Delete><Object/></Delete>", id="no-key"),
    pytest.param(b"<Delete><Object><Key>\xff\xfe</Key></Object></Delete>", id="no-utf-8"),
    pytest.param(b"<Delete><Object><Key>a&unknown;</Key></Object></Delete>", id="unknown-entity"),
    pytest.param(BOMB.encode(), id="entity-bomb"),
    pytest.param(OUTSIDE.encode(), id="outside-entity"),
    pytest.param(b"<Delete>" + b"<a>" * 100_000, id="deep"),
    pytest.param(b"<Delete>" + b"<Object><Key>k</Key></Object>" * 1001 + b"</Delete>", id="too-many"),
])
def test_malformed_delete_document_is_refused(client, bucket, body):
    client.put(bucket, "k", BODY)
    answer = client.request("POST", bucket, query={"delete": ""}, body=body, headers={"Content-MD5": content_md5(body)})
    assert answer.status == 400, answer
    assert answer.text("Code") in ("MalformedXML", "MissingRequestBodyError"), answer
    assert client.keys(bucket) == ["k"]


@pytest.mark.parametrize("body", [
    pytest.param("junk", id="no-xml"),
    pytest.param("<CompleteMultipartUpload/>", id="no-parts"),
    pytest.param("<CompleteMultipartUpload><Part><PartNumber>1</PartNumber></Part></CompleteMultipartUpload>", id="no-etag"),
    pytest.param("<CompleteMultipartUpload><Part><ETag>a</ETag></Part></CompleteMultipartUpload>", id="no-number"),
    pytest.param("<CompleteMultipartUpload><Part><PartNumber>x</PartNumber><ETag>a</ETag></Part></CompleteMultipartUpload>", id="number-no-number"),
])
def test_malformed_complete_document_is_refused(client, bucket, body):
    upload = client.new_upload(bucket, "object")
    answer = client.request("POST", bucket, "object", query={"uploadId": upload}, body=body.encode())
    expect_error(answer, *errors.MALFORMED_XML)


@pytest.mark.parametrize("body", ["junk", "<Other/>", "<CreateBucketConfiguration><LocationConstraint>"])
def test_malformed_create_bucket_document_is_refused(client, body):
    answer = client.create_bucket("never-created-bucket", body=body.encode())
    expect_error(answer, *errors.MALFORMED_XML)
    assert client.request("HEAD", "never-created-bucket").status == 404


def test_huge_document_is_refused(client, bucket):
    body = b"<Delete>" + b"<Object><Key>" + b"k" * (8 << 20) + b"</Key></Object></Delete>"
    answer = client.request("POST", bucket, query={"delete": ""}, body=body, headers={"Content-MD5": content_md5(body)})
    assert answer.status in (400, 413), answer
    assert answer.text("Code") in ("MalformedXML", "MaxMessageLengthExceeded", "EntityTooLarge"), answer


# Requests as a whole.

def raw(server, data):
    """What comes back for these bytes, to the end of the connection."""
    out = b""
    with wire.connect(server.port) as connection:
        # A server may refuse and close before it has read everything.
        with contextlib.suppress(OSError):
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError):
            while piece := connection.recv(65536):
                out += piece
    return out


@pytest.mark.parametrize("data", [
    b"\x00\x01\x02\x03\r\n\r\n",
    b"GET\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nno colon here\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\n" + b"x: y\r\n" * 2000 + b"\r\n",
    b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
], ids=["binary", "no-target", "version", "header", "many-headers", "long-target", "two-lengths", "smuggling", "tls-on-http"])
def test_broken_http_is_refused(server, data):
    answer = raw(server, data)
    assert answer == b"" or answer.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4", b"HTTP/1.1 5")), answer[:200]


@pytest.mark.parametrize("path", ["/%", "/bucket/%zz", "/bucket/%ff%fe", "/bucket/a%00b"])
def test_broken_path_is_refused(client, path):
    answer = client.request("GET", path=path)
    assert answer.status in (400, 403, 404), answer


@pytest.mark.parametrize("name", ["ab", "a" * 64, "Upper-Case", "under_score", "-start", "end-", "two..dots", "192.168.1.1", "xn--punycode", "sthree-x"])
def test_bucket_name_that_s3_refuses(client, name):
    expect_error(client.create_bucket(name), *errors.BUCKET_NAME, BucketName=name)


def test_key_of_1025_bytes_is_refused(client, bucket):
    answer = client.put(bucket, "k" * 1025, BODY)
    expect_error(answer, *errors.KEY_TOO_LONG, Size="1025", MaxSizeAllowed="1024")


@pytest.mark.parametrize("method, query", [
    ("PUT", {"inventory": ""}),
    ("PUT", {"versioning": ""}), ("PUT", {"lifecycle": ""}), ("PUT", {"replication": ""}),
    ("PUT", {"notification": ""}), ("PUT", {"object-lock": ""}),
], ids=lambda value: value if isinstance(value, str) else next(iter(value)))
def test_document_of_something_else_is_never_a_success(client, bucket, method, query):
    body = b"<X/>" if method == "PUT" else b""
    answer = client.request(method, bucket, query=query, body=body, headers={"Content-MD5": content_md5(body)} if body else {})
    assert (answer.status, answer.text("Code")) in ((501, "NotImplemented"), (400, "MalformedXML")), answer


@pytest.mark.parametrize("query", [{"acl": ""}, {"retention": ""}, {"legal-hold": ""}, {"torrent": ""}, {"encryption": ""}, {"renameObject": ""}],
                         ids=lambda query: next(iter(query)))
def test_object_operation_that_is_not_built_leaves_the_object(client, bucket, query):
    client.put(bucket, "object", BODY)
    answer = client.put(bucket, "object", b"<X/>", query=query)
    assert answer.status in (400, 405, 501), answer
    assert client.get(bucket, "object").body == BODY


def test_error_bodies_hold_no_customer_key(client, bucket):
    for headers in ({**KEY_A.headers(), SSE: "AES256"}, {**KEY_A.headers(), "x-amz-storage-class": "BAD"}):
        assert KEY_A.base64 not in client.put(bucket, "object", BODY, headers).body.decode()

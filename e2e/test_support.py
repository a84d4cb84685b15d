"""The tests' own tools against other people's: a signer that is wrong in the server's own way would prove nothing."""

import socket
import threading
from datetime import datetime, timezone

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials

from support import chunked, wire
from support.checksums import checksum, digest, multipart_etag
from support.signer import UNSIGNED, Credentials, Signature, query_string, sha256_hex

CREDENTIALS = Credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
# The moment of the examples in the documentation of Signature Version 4.
MOMENT = datetime(2013, 5, 24, tzinfo=timezone.utc)


def test_published_example_of_get():
    headers = [("Host", "examplebucket.s3.amazonaws.com"), ("Range", "bytes=0-9"), ("x-amz-content-sha256", sha256_hex(b"")),
               ("x-amz-date", "20130524T000000Z")]
    _, signature = Signature(CREDENTIALS, MOMENT).authorization("GET", "/test.txt", [], headers, sha256_hex(b""))
    assert signature == "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"


def test_published_example_of_signed_chunks():
    signature = Signature(CREDENTIALS, MOMENT)
    signer = chunked.ChunkSigner(signature, "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9")
    assert [signer.chunk(data) for data in (b"a" * 65536, b"a" * 1024, b"")] == [
        "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
        "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
        "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
    ]


def boto_request(method, path, pairs, headers):
    url = f"https://localhost:9443{path}" + ("?" + query_string(pairs) if pairs else "")
    return AWSRequest(method=method, url=url, headers=dict(headers))


@pytest.mark.parametrize("path", ["/", "/bucket/key", "/bucket/a%20b%2Bc%25", "/bucket/a//b/../c", "/bucket/%C3%BC"])
@pytest.mark.parametrize("pairs", [[], [("uploads", "")], [("list-type", "2"), ("prefix", "a b+c/ü"), ("delimiter", "/")]],
                         ids=["none", "flag", "several"])
def test_signature_is_that_of_botocore(path, pairs):
    ours = Signature(CREDENTIALS)
    headers = [("Host", "localhost:9443"), ("x-amz-date", ours.timestamp), ("x-amz-content-sha256", UNSIGNED),
               ("x-amz-meta-spaces", "  a   b\tc "), ("x-amz-meta-empty", "")]
    request = boto_request("PUT", path, pairs, headers)
    auth = S3SigV4Auth(BotoCredentials(CREDENTIALS.access_key, CREDENTIALS.secret_key), "s3", CREDENTIALS.region)
    request.context["timestamp"] = ours.timestamp
    request.context["payload_signing_enabled"] = False
    signature = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
    assert ours.authorization("PUT", path, pairs, headers, UNSIGNED)[1] == signature


def test_checksums_of_the_catalogue_of_crcs():
    assert digest("crc32", b"123456789").hex() == "cbf43926"
    assert digest("crc32c", b"123456789").hex() == "e3069283"
    assert digest("crc64nvme", b"123456789").hex() == "ae8b14860a799888"
    assert checksum("sha1", b"") == "2jmj7l5rSw0yVb/vlWAYkK/YBwk="


def test_etag_of_a_captured_multipart_object():
    """Parts and object as Amazon S3 answered them."""
    parts = ["cf96b8ba9d9e9e6349399eb3fc08a3f7", "baa1d9ab47364489d4954efe66a37864", "6e7021813aee13e435eeaff924b9160c"]
    assert multipart_etag(parts) == "2d296eb6540ecd21430c385336c5dc9c-3"


def answering(data):
    """A port that reads one request head and answers it with these bytes; and what it read."""
    listener = socket.create_server(("127.0.0.1", 0))
    seen = []

    def serve():
        connection, _ = listener.accept()
        with connection, listener:
            received = b""
            while b"\r\n\r\n" not in received:
                received += connection.recv(65536)
            seen.append(received)
            connection.sendall(data)

    threading.Thread(target=serve, daemon=True).start()
    return listener.getsockname()[1], seen


def test_requests_go_out_as_given():
    port, seen = answering(b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n")
    answer = wire.exchange(port, "PUT", "/a//b/../c?x", [("Host", "h"), ("X-Empty", ""), ("X-Bytes", b"\xe9"), ("X-Text", "é")])
    assert answer.status == 204
    assert seen == [b"PUT /a//b/../c?x HTTP/1.1\r\nHost: h\r\nX-Empty: \r\nX-Bytes: \xe9\r\nX-Text: \xc3\xa9\r\n\r\n"]


def test_body_that_is_cut_short_is_noticed():
    port, _ = answering(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
    with pytest.raises(wire.http.client.IncompleteRead) as raised:
        wire.exchange(port, "GET", "/", [("Host", "h")])
    assert raised.value.partial == b"half"

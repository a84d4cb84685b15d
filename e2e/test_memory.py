"""Memory stays bounded: neither large objects nor many slow clients make the server grow."""

import hashlib
import os
import resource
from concurrent.futures import ThreadPoolExecutor

import pytest

from support import wire
from support.client import Client
from support.signer import UNSIGNED
from support.sse import KEY_A

MIB = 1 << 20
LIMIT = 256 * MIB
LARGE = (5 << 30) if os.environ.get("COFFER_TEST_LARGE") == "1" else (1 << 30)
BUCKET = "a-large-bucket"
SLOW_CLIENTS = 500

pytestmark = [pytest.mark.xdist_group("heavy"), pytest.mark.timeout(900)]


def expect_bounded_memory(server):
    """The most the process ever held stays under the limit; the figure shows with `pytest -s`."""
    peak = server.resident_bytes(high_water=True)
    print(f"peak resident memory: {peak // MIB} MiB")
    assert peak < LIMIT


def large_body(size):
    """A body of `size` bytes, piece by piece, no two pieces alike."""
    piece = bytearray(os.urandom(MIB))
    for at in range(size // MIB):
        piece[:8] = at.to_bytes(8, "big")
        yield bytes(piece)


def send_large(client, key, size, headers, tls):
    """PutObject of `size` bytes; returns the answer and the SHA-256 of what was sent."""
    digest = hashlib.sha256()

    def pieces():
        for piece in large_body(size):
            digest.update(piece)
            yield piece

    target, head, _, _ = client.signed("PUT", client.path(BUCKET, key), {}, headers, UNSIGNED, tls)
    return client.send("PUT", target, head + [("Content-Length", size)], pieces(), tls), digest.hexdigest()


def receive_large(client, key, headers, tls):
    """GetObject; returns the SHA-256 of the body, which is not kept."""
    port, context, _ = client.address(tls)
    target, head, _, _ = client.signed("GET", client.path(BUCKET, key), {}, headers, UNSIGNED, tls)
    digest, received = hashlib.sha256(), 0
    with wire.connect(port, context) as connection:
        wire.send_head(connection, "GET", target, head)
        answer = wire.http.client.HTTPResponse(connection)
        answer.begin()
        assert answer.status == 200
        while piece := answer.read(MIB):
            digest.update(piece)
            received += len(piece)
    return digest.hexdigest(), received


@pytest.mark.parametrize("headers, tls", [({}, False), (KEY_A.headers(), True)], ids=["sse-s3", "sse-c"])
def test_large_object(fresh_server, headers, tls):
    client = Client(fresh_server)
    client.create_bucket(BUCKET)
    answer, sent = send_large(client, "large", LARGE, headers, tls)
    assert answer.status == 200, answer
    assert receive_large(client, "large", headers, tls) == (sent, LARGE)
    expect_bounded_memory(fresh_server)


def test_many_slow_clients(fresh_server):
    """Half of them send a body and stop in the middle, the other half ask for an object and do not read it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4096)), hard))
    client = Client(fresh_server)
    client.create_bucket(BUCKET)
    client.put(BUCKET, "object", os.urandom(20 * MIB))
    connections = []
    try:
        for at in range(SLOW_CLIENTS):
            method, key = ("PUT", f"slow-{at}") if at % 2 else ("GET", "object")
            target, head, _, _ = client.signed(method, client.path(BUCKET, key), {}, {}, UNSIGNED, tls=False)
            connection = wire.connect(fresh_server.port)
            connections.append(connection)
            wire.send_head(connection, method, target, head + ([("Content-Length", 50 * MIB)] if method == "PUT" else []))
            if method == "PUT":
                # As much as the server takes, and not to the end.
                connection.settimeout(0.2)
                try:
                    connection.sendall(b"z" * (2 * MIB))
                except TimeoutError:
                    pass
        assert client.put(BUCKET, "quick", b"still served").status == 200
        assert client.get(BUCKET, "quick").body == b"still served"
        expect_bounded_memory(fresh_server)
    finally:
        for connection in connections:
            connection.close()
    assert set(client.keys(BUCKET)) == {"object", "quick"}


def test_many_parallel_uploads(fresh_server):
    """64 uploads of 8 MiB at once, all of them finished."""
    client = Client(fresh_server)
    client.create_bucket(BUCKET)
    body = os.urandom(8 * MIB)

    def put(at):
        return client.put(BUCKET, f"{at}", body, payload=UNSIGNED, tls=False).status

    with ThreadPoolExecutor(64) as pool:
        assert set(pool.map(put, range(64))) == {200}
    expect_bounded_memory(fresh_server)
    assert client.get(BUCKET, "63").body == body

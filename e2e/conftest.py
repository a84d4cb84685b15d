"""Fixtures: servers, clients, buckets."""

import hashlib
import itertools

import pytest

from support.client import Client
from support.iam import client_of
from support.server import BINARY, Server

_bucket_numbers = itertools.count(1)


def pytest_configure(config):
    config.addinivalue_line("markers", "xdist_group(name): tests that run one after the other in one worker")


def boto_client(server, tls=False, **settings):
    """boto3 for S3 against a server: path style, no retries, so that every failure shows."""
    return client_of("s3", server, tls=tls, **settings)


@pytest.fixture(scope="session")
def make_server(tmp_path_factory):
    """Makes servers, not yet started, and ends those that run when the tests are over."""
    assert BINARY.exists(), f"{BINARY} does not exist: build it with `cargo build --release`, or set COFFER_BIN"
    servers = []

    def make(**options):
        server = Server(tmp_path_factory.mktemp("server"), **options)
        servers.append(server)
        return server

    yield make
    for server in servers:
        server.close()


@pytest.fixture(scope="session")
def server(make_server):
    """The server that most tests share. Do not stop it, and touch only your own buckets."""
    return make_server().start()


@pytest.fixture
def fresh_server(make_server):
    """A running server of the test's own: to kill, to restart, to damage."""
    server = make_server().start()
    yield server
    server.close()


@pytest.fixture(scope="session")
def client(server):
    """The exact client; over TLS unless told otherwise."""
    return Client(server)


@pytest.fixture(scope="session")
def s3(server):
    """boto3 over HTTP."""
    return boto_client(server)


@pytest.fixture(scope="session")
def s3_tls(server):
    """boto3 over HTTPS, trusting the server's own CA."""
    return boto_client(server, tls=True)


@pytest.fixture(scope="session")
def iam(server):
    """boto3 for IAM, as the root user of the shared server."""
    return client_of("iam", server)


@pytest.fixture(scope="session")
def sts(server):
    """boto3 for STS, as the root user of the shared server."""
    return client_of("sts", server)


@pytest.fixture(scope="session")
def kms(server):
    """boto3 for KMS, as the root user of the shared server."""
    return client_of("kms", server)


@pytest.fixture
def key(kms):
    """A KMS key of the test's own: its metadata."""
    return kms.create_key()["KeyMetadata"]


@pytest.fixture(scope="session")
def new_bucket(client):
    """Makes buckets on the shared server."""

    def make():
        name = f"test-bucket-{next(_bucket_numbers)}"
        answer = client.create_bucket(name)
        assert answer.status == 200, answer
        return name

    return make


@pytest.fixture
def bucket(new_bucket):
    """An empty bucket of the test's own on the shared server."""
    return new_bucket()


@pytest.fixture(scope="module")
def module_bucket(new_bucket):
    """An empty bucket for the tests of one file."""
    return new_bucket()


@pytest.fixture(scope="session")
def random_bytes():
    """Bytes that do not compress, the same for the same arguments."""

    def make(length, seed=0):
        return hashlib.shake_256(f"random bytes {seed}".encode()).digest(length)

    return make

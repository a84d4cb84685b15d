"""Starting, stopping, and refusing to start: nothing is lost, and nothing is written under a wrong key."""

import hashlib
import re
import shutil
import subprocess
import threading

import pytest

from support import wire
from support.client import Client
from support.server import BINARY
from support.signer import UNSIGNED, Credentials
from support.sse import KEY_A

BUCKET = "a-bucket-that-stays"
BODY = b"a body that stays" * 10_000


def fingerprint(directory):
    """Content of every file below."""
    return {str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in directory.rglob("*") if path.is_file()}


@pytest.fixture
def filled(fresh_server):
    client = Client(fresh_server)
    client.create_bucket(BUCKET)
    client.put(BUCKET, "plain", BODY)
    client.put(BUCKET, "small", b"small")
    client.put(BUCKET, "sealed", BODY, KEY_A.headers())
    return fresh_server, client


def test_everything_is_there_after_a_restart(filled):
    server, client = filled
    before = {key: client.head(BUCKET, key).headers for key in ("plain", "small")}
    server.restart()
    assert client.get(BUCKET, "plain").body == BODY and client.get(BUCKET, "small").body == b"small"
    assert client.get(BUCKET, "sealed", KEY_A.headers()).body == BODY
    varying = {"x-amz-request-id", "x-amz-id-2", "date"}
    for key, headers in before.items():
        now = client.head(BUCKET, key).headers
        assert [each for each in now if each[0].lower() not in varying] == [each for each in headers if each[0].lower() not in varying]


def test_sigterm_exits_zero(filled):
    server, _ = filled
    assert server.stop() == 0


def test_sigterm_lets_requests_finish(filled):
    server, client = filled
    target, head, _, _ = client.signed("PUT", client.path(BUCKET, "in-flight"), {}, {}, UNSIGNED, tls=False)
    with wire.connect(server.port) as connection:
        wire.send_head(connection, "PUT", target, head + [("Content-Length", len(BODY)), ("Expect", "100-continue")])
        # The server has the request in hand once it asks for the body.
        assert connection.recv(1024).startswith(b"HTTP/1.1 100 ")
        connection.sendall(BODY[:1000])
        exits = []
        stopping = threading.Thread(target=lambda: exits.append(server.stop()))
        stopping.start()
        connection.sendall(BODY[1000:])
        assert wire.read_response(connection).status == 200
        stopping.join()
    assert exits == [0]
    server.start()
    assert client.get(BUCKET, "in-flight").body == BODY


def test_second_process_on_the_same_data_is_refused(filled):
    server, client = filled
    refused = server.run("serve", listen="127.0.0.1:0", listen_tls="off", listen_admin="off")
    assert refused.returncode != 0
    assert str(server.process.pid) in refused.stderr, refused.stderr
    assert client.get(BUCKET, "plain").body == BODY


def test_taken_port_is_told(server, make_server):
    other = make_server()
    refused = other.run("serve", listen=f"127.0.0.1:{server.port}")
    assert refused.returncode != 0 and str(server.port) in refused.stderr, refused.stderr


def test_missing_root_key_is_refused_and_nothing_is_written(filled):
    server, client = filled
    assert server.stop() == 0
    kept = server.directory / "kept"
    shutil.move(server.config, kept)
    server.config.mkdir()
    before = fingerprint(server.data)
    refused = server.run("serve")
    assert refused.returncode != 0 and str(server.key_file) in refused.stderr, refused.stderr
    assert fingerprint(server.data) == before
    assert not list(server.config.iterdir()), "a new key must not be made for old data"
    shutil.rmtree(server.config)
    shutil.move(kept, server.config)
    server.start()
    assert client.get(BUCKET, "plain").body == BODY


def test_wrong_root_key_is_refused_and_nothing_is_written(filled, make_server):
    server, client = filled
    assert server.stop() == 0
    other = make_server().start()
    other.close()
    before = fingerprint(server.data)
    refused = server.run("serve", key_file=other.key_file)
    assert refused.returncode != 0 and "key" in refused.stderr, refused.stderr
    assert fingerprint(server.data) == before
    server.start()
    assert client.get(BUCKET, "plain").body == BODY


@pytest.mark.parametrize("damage", [
    lambda data: b"", lambda data: data[:-2], lambda data: data[:10] + bytes([data[10] ^ 1]) + data[11:], lambda data: b"junk\n",
], ids=["empty", "cut", "flipped", "junk"])
def test_damaged_root_key_is_refused_and_nothing_is_written(filled, damage):
    server, _ = filled
    assert server.stop() == 0
    server.key_file.write_bytes(damage(server.key_file.read_bytes()))
    before = fingerprint(server.data)
    refused = server.run("serve")
    assert refused.returncode != 0 and refused.stderr.strip(), refused
    assert fingerprint(server.data) == before


def test_key_file_is_for_its_owner_only(server):
    assert server.key_file.stat().st_mode & 0o777 == 0o600
    for path in [*server.data.rglob("*"), *server.config.rglob("*")]:
        assert path.stat().st_mode & 0o077 == 0, f"{path} is open to others"


def test_data_path_that_is_a_file_is_refused(make_server):
    server = make_server()
    server.data.write_bytes(b"not a directory")
    refused = server.run("serve")
    assert refused.returncode != 0 and str(server.data) in refused.stderr, refused.stderr
    assert server.data.read_bytes() == b"not a directory"


# Credentials.

def shown_credentials(text):
    access_key = re.search(r"access key\s+(\S+)", text)
    secret_key = re.search(r"secret key\s+(\S+)", text)
    return (access_key and access_key.group(1), secret_key and secret_key.group(1))


def test_generated_credentials_are_shown_once_and_again_on_demand(make_server):
    server = make_server(credentials=None).start()
    access_key, secret_key = shown_credentials(server.log())
    assert access_key and len(secret_key) >= 32
    client = Client(server, Credentials(access_key, secret_key))
    assert client.create_bucket(BUCKET).status == 200
    assert "back" in server.log().lower() and str(server.key_file) in server.log(), "it says to back the key up, and where it is"
    assert str(server.ca_file) in server.log() and "s3cmd" in server.log() and "aws" in server.log()
    assert server.stop() == 0
    server.log_file.unlink()
    shown = server.run("credentials", "show")
    assert shown.returncode == 0 and shown_credentials(shown.stdout) == (access_key, secret_key)
    server.start()
    assert secret_key not in server.log()
    assert client.request("HEAD", BUCKET).status == 200
    running = server.run("credentials", "show")
    assert running.returncode != 0 and secret_key not in running.stdout + running.stderr
    server.close()


def test_credentials_of_the_environment_replace_the_old(filled):
    server, client = filled
    assert server.stop() == 0
    server.credentials = Credentials("ANOTHERACCESSKEY", "another-secret-key-0123456789")
    server.start()
    assert Client(server).get(BUCKET, "plain").body == BODY
    assert client.get(BUCKET, "plain").status == 403


# Settings.

@pytest.mark.parametrize("arguments, environment, named", [
    (["--no-such-flag=1"], {}, "--no-such-flag"),
    ([], {"COFFER_LISTEN_TSL": "off"}, "COFFER_LISTEN_TSL"),
    ([], {"COFFER_LISTEN": "nowhere"}, "nowhere"),
    (["--config=no-such-file.toml"], {}, "no-such-file.toml"),
], ids=["flag", "environment", "address", "file"])
def test_unknown_setting_is_an_error(make_server, arguments, environment, named):
    server = make_server(environment=environment)
    refused = subprocess.run(
        [BINARY, "config", "show", *arguments], env=server.process_environment(), cwd=server.directory, capture_output=True, text=True)
    assert refused.returncode != 0 and named in refused.stderr, refused.stderr
    assert not server.data.exists()


def test_unknown_setting_in_the_file_is_an_error(make_server):
    server = make_server()
    file = server.directory / "coffer.toml"
    file.write_text('listen_tsl = "off"\n')
    refused = server.run("config", "show", f"--config={file}")
    assert refused.returncode != 0 and "listen_tsl" in refused.stderr and "listen_tls" in refused.stderr, refused.stderr


def test_config_show_names_every_setting_and_no_secret(make_server):
    server = make_server()
    shown = server.run("config", "show")
    assert shown.returncode == 0
    for name in ("data", "key_file", "listen", "listen_tls", "listen_admin", "region", "domain", "trusted_proxies"):
        assert re.search(rf"^{name} = ", shown.stdout, re.MULTILINE), shown.stdout
    assert server.credentials.secret_key not in shown.stdout


# Health.

def test_health_and_metrics(server, client, bucket):
    client.put(bucket, "object", BODY)
    assert server.admin("/health/live")[0] == 200 and server.admin("/health/ready")[0] == 200
    status, metrics = server.admin("/metrics")
    assert status == 200 and b"# TYPE" in metrics
    assert bucket.encode() not in metrics, "names do not belong into metrics"
    assert server.admin("/no-such-page")[0] == 404


def test_health_is_not_on_the_public_address(client):
    assert client.anonymous("GET", "health", "ready").text("Code") == "NoSuchBucket"

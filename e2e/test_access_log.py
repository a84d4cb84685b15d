"""The access log: one line a request, whatever becomes of it, and nothing in it that should not be."""

import base64
import hashlib
import os
import signal
import socket
import stat

import boto3
import pytest

from support import wire
from support.access_log import TIMEOUT_S, AccessLog
from support.client import Client
from support.forms import Form
from support.server import wait_until
from support.signer import Credentials
from support.sse import CustomerKey

MIB = 1 << 20
KEY = CustomerKey(hashlib.sha256(b"the customer key of the access log").digest())


@pytest.fixture(scope="module")
def logging_server(make_server, tmp_path_factory):
    """Makes running servers with an access log."""

    def make(names):
        path = tmp_path_factory.mktemp("log") / "access.log"
        server = make_server(environment={"COFFER_ACCESS_LOG": str(path), "COFFER_ACCESS_LOG_NAMES": names}).start()
        return server, Client(server), AccessLog(path)

    return make


@pytest.fixture(scope="module")
def plain(logging_server):
    server, client, log = logging_server("plain")
    assert client.create_bucket("photos").status == 200
    return server, client, log


@pytest.fixture(scope="module")
def hidden(logging_server):
    server, client, log = logging_server("hidden")
    assert client.create_bucket("canary-bucket").status == 200
    return server, client, log


def test_a_line_says_what_was_done(plain):
    _, client, log = plain
    entry = log.of(client.put("photos", "cat.jpg", b"meow", {"User-Agent": "agent/1.0"}))
    assert entry.pop("totalTimeMs") >= entry.pop("timeToFirstByteMs") >= 0
    assert entry.pop("eventTime").endswith("Z") and len(entry.pop("requestID")) == 16
    assert entry.pop("cipherSuite").startswith("TLS_")
    account = entry["accountId"]
    assert len(account) == 12 and account.isdigit()
    assert entry == {
        "sourceIPAddress": "127.0.0.1", "eventSource": "s3.amazonaws.com", "eventName": "PutObject",
        "type": "Root", "principalId": account, "accountId": account, "accessKeyId": client.credentials.access_key,
        "arn": f"arn:aws:iam::{account}:root", "bucketName": "photos", "key": "cat.jpg", "httpStatus": 200,
        "SSEApplied": "Default_SSE_S3", "bytesTransferredIn": 4, "bytesTransferredOut": 0, "complete": True,
        "tlsVersion": "TLSv1.3", "SignatureVersion": "SigV4", "AuthenticationMethod": "AuthHeader", "userAgent": "agent/1.0",
    }


def test_encryption_is_told(plain):
    _, client, log = plain
    for headers, applied in (({}, "Default_SSE_S3"), ({"x-amz-server-side-encryption": "AES256"}, "SSE_S3"), (KEY.headers(), "SSE_C")):
        assert log.of(client.put("photos", "sealed", b"x", headers))["SSEApplied"] == applied
    assert log.of(client.get("photos", "sealed", KEY.headers()))["SSEApplied"] == "SSE_C"
    assert "SSEApplied" not in log.of(client.get("photos", "sealed"))


def test_every_way_to_sign_is_told(plain):
    _, client, log = plain
    client.put("photos", "shown", b"12345")
    presigned = log.of(client.send_presigned("GET", client.presign("GET", "photos", "shown"), tls=True))
    assert (presigned["AuthenticationMethod"], presigned["bytesTransferredOut"]) == ("QueryString", 5)
    form = log.of(Form(client, "photos", {"key": "formed"}).post(b"123"))
    assert (form["eventName"], form["AuthenticationMethod"], form["key"]) == ("PostObject", "POST", "formed")
    anonymous = log.of(client.anonymous("GET", "photos", "shown"))
    assert (anonymous["httpStatus"], anonymous["errorCode"]) == (403, "AccessDenied")
    assert not {"accessKeyId", "arn", "AuthenticationMethod", "SignatureVersion"} & anonymous.keys()
    plain_http = log.of(client.get("photos", "shown", tls=False))
    assert plain_http["httpStatus"] == 200 and "tlsVersion" not in plain_http


def test_who_only_claims_to_be_somebody_is_nobody(plain):
    server, client, log = plain
    stranger = Client(server, Credentials(client.credentials.access_key, "wrong"))
    entry = log.of(stranger.get("photos", "cat.jpg"))
    assert entry["errorCode"] == "SignatureDoesNotMatch" and "accessKeyId" not in entry


def test_the_apis_beside_s3_are_logged(plain):
    server, _, log = plain
    sts = boto3.client(
        "sts", endpoint_url=server.url, region_name="us-east-1",
        aws_access_key_id=server.credentials.access_key, aws_secret_access_key=server.credentials.secret_key)
    answer = sts.get_caller_identity()
    id = answer["ResponseMetadata"]["RequestId"]
    entry = log.find(lambda entry: entry["requestID"] == id, "the entry of GetCallerIdentity")
    assert (entry["eventSource"], entry["eventName"], entry["httpStatus"]) == ("sts.amazonaws.com", "GetCallerIdentity", 200)
    assert entry["arn"] == answer["Arn"] and entry["bytesTransferredIn"] > 0


def test_hostile_names_do_not_forge_lines(plain):
    _, client, log = plain
    key = 'a"},\r\n{"eventName":"Forged"}\x1b[2J\u202eé\U0001f4a3\\'
    answer = client.put("photos", key, b"", [("User-Agent", b'x"}\t\xff\xc3({"forged":1}')])
    assert answer.status == 200
    assert log.of(answer)["key"] == key
    assert not [entry for entry in log.entries() if entry["eventName"] == "Forged" or "forged" in entry]
    assert all(byte == 10 or 32 <= byte < 127 for byte in log.path.read_bytes())


def test_an_upload_that_breaks_off_is_logged(plain):
    server, client, log = plain
    target, head, _, _ = client.signed("PUT", "/photos/broken-upload", (), (), "UNSIGNED-PAYLOAD", tls=False)
    connection = wire.connect(server.port)
    wire.send_head(connection, "PUT", target, head + [("Content-Length", 10 * MIB)])
    connection.sendall(b"x" * MIB)
    connection.close()
    entry = log.find(lambda entry: entry.get("key") == "broken-upload", "the entry of a broken upload")
    assert (entry["httpStatus"], entry["errorCode"]) == (400, "IncompleteBody")
    assert 0 < entry["bytesTransferredIn"] <= MIB
    assert client.head("photos", "broken-upload").status == 404


def test_a_download_that_breaks_off_is_logged(plain):
    server, client, log = plain
    assert client.put("photos", "large", b"x" * 32 * MIB).status == 200
    target, head, _, _ = client.signed("GET", "/photos/large", (), (), "UNSIGNED-PAYLOAD", tls=False)
    connection = wire.connect(server.port)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    wire.send_head(connection, "GET", target, head)
    assert connection.recv(1000)
    connection.close()
    entry = log.find(lambda entry: entry.get("key") == "large" and entry["eventName"] == "GetObject", "the entry of a broken download")
    assert (entry["httpStatus"], entry["complete"]) == (200, False)
    assert 0 < entry["bytesTransferredOut"] < 32 * MIB


def test_a_whole_download_is_complete(plain):
    _, client, log = plain
    client.put("photos", "whole", b"x" * MIB)
    entry = log.of(client.get("photos", "whole"))
    assert (entry["bytesTransferredOut"], entry["complete"]) == (MIB, True)
    entry = log.of(client.get("photos", "whole", {"Range": "bytes=0-9"}))
    assert (entry["httpStatus"], entry["bytesTransferredOut"], entry["complete"]) == (206, 10, True)


def test_no_secret_is_in_the_log(plain):
    server, client, log = plain
    canary = "canary-5ec7e7"
    presigned = client.presign("GET", "photos", "cat.jpg", query={"response-content-type": canary})
    session = Client(server, Credentials(client.credentials.access_key, client.credentials.secret_key, session_token=canary))
    answers = [
        client.put("photos", "sealed", b"body " + canary.encode(), KEY.headers() | {"x-amz-meta-a": canary}),
        client.get("photos", "sealed", KEY.headers()),
        client.copy("photos", "sealed-copy", "photos", "sealed", KEY.source_headers()),
        client.send_presigned("GET", presigned),
        client.send_presigned("GET", presigned[:-4] + "beef"),
        client.request("GET", "photos", query={"prefix": canary}),
        session.request("GET", "photos", unsigned={"x-amz-security-token": canary}),
        client.get("photos", "cat.jpg", {"Referer": canary, "Cookie": canary}),
        Form(client, "photos", {"key": "formed", "x-amz-meta-a": canary}).post(b"123"),
    ]
    for answer in answers:
        log.of(answer)
    text = log.text()
    raw, digest = KEY.raw, hashlib.md5(KEY.raw).digest()
    secrets = [canary, client.credentials.secret_key, KEY.base64, raw.hex(), base64.b64encode(digest).decode(), digest.hex(), "X-Amz-", "aws4_request"]
    secrets += [presigned.rpartition("X-Amz-Signature=")[2]]
    assert not [secret for secret in secrets if secret in text]


def test_hidden_names_are_not_in_the_log(hidden):
    server, client, log = hidden
    first = log.of(client.put("canary-bucket", "canary-key", b"canary-body", {"User-Agent": "canary-agent"}))
    second = log.of(client.get("canary-bucket", "canary-key"))
    other = log.of(client.get("canary-bucket", "canary-other"))
    assert (first["bucketName"], first["key"]) == (second["bucketName"], second["key"])
    assert other["bucketName"] == first["bucketName"] and other["key"] != first["key"]
    assert len(first["key"]) == len(first["bucketName"]) == 16
    log.of(Form(client, "canary-bucket", {"key": "canary-formed"}).post(b"123"))
    log.of(client.request("GET", "canary-missing"))
    for encoding in (b"canary", b"canary".hex().encode()):
        assert encoding not in log.path.read_bytes()
    server.restart()
    again = log.of(client.get("canary-bucket", "canary-key"))
    assert (again["bucketName"], again["key"]) == (first["bucketName"], first["key"])


def test_the_file_is_private(hidden):
    assert stat.S_IMODE(os.stat(hidden[2].path).st_mode) == 0o600


def test_sighup_opens_the_file_again(plain):
    server, client, log = plain
    log.of(client.head("photos", "before"))
    rotated = AccessLog(log.path.with_name("access.log.1"))
    log.path.rename(rotated.path)
    rotated.of(client.head("photos", "between"))
    server.process.send_signal(signal.SIGHUP)
    wait_until(log.path.exists, TIMEOUT_S, "the log is made anew")
    log.of(client.head("photos", "after"))
    assert not [entry for entry in rotated.entries() if entry.get("key") == "after"]


def test_the_last_lines_are_written_at_the_end(logging_server):
    server, client, log = logging_server("plain")
    answers = [client.head("photos", str(number)) for number in range(100)]
    assert server.stop() == 0
    assert {entry["requestID"] for entry in log.entries()} >= {answer.header("x-amz-request-id") for answer in answers}


def test_the_log_can_go_to_stdout(make_server):
    server = make_server(environment={"COFFER_ACCESS_LOG": "stdout"}).start()
    answer = Client(server).head("photos", "k")
    id = answer.header("x-amz-request-id")
    wait_until(lambda: f'"requestID":"{id}"' in server.log(), TIMEOUT_S, "the line is printed")


def test_there_is_no_log_unless_it_is_asked_for(server, client):
    client.create_bucket("access-log-off")
    assert "requestID" not in server.log()


def test_a_log_among_the_data_is_refused(make_server):
    server = make_server()
    refused = server.run("serve", access_log=str(server.data / "access.log"))
    assert refused.returncode != 0 and "must lie outside the data directory" in refused.stderr

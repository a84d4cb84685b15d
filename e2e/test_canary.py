"""Nothing that came from a client is readable in anything the server wrote.

Known byte strings go in through every write path, as bodies, names, metadata, keys and headers, with the server logging at
trace level and writing its access log. Then the server is killed, and every file it wrote is searched for them, in the encodings a program would use.
"""

import base64
import hashlib
import re

import pytest

from support import chunked, wire
from support.access import put_document
from support.checksums import checksum, content_md5
from support.client import Client
from support.forms import Form
from support.lock import hold
from support.notifications import configuration_file, put_notification, rule
from support.server import wait_until
from support.signer import Credentials, sha256_hex
from support.sse import CustomerKey
from support.versions import put_version
from support.webhook import Receiver

MIB = 1 << 20

# Names are echoed to their own sender in errors, as S3 does; everything else is not.
NAMES = {name: f"canary-{name}-7f3a9c" for name in ("bucket", "key-inline", "key-file", "key-parts", "key-form", "key-copy", "key-failed",
                                                      "versions", "key-version", "key-marker", "key-waits")}
SECRETS = {name: f"canary-{name}-51d2e8" for name in (
    "body-inline", "body-file", "body-parts", "body-aborted", "body-unfinished", "body-cut", "body-in-flight", "body-form",
    "body-refused", "body-chunked", "body-replaced", "body-deleted", "body-sealed", "metadata-value", "content-type", "disposition",
    "form-field", "xml", "tag", "body-version", "body-hidden", "tag-version", "rule-lifecycle", "prefix-lifecycle", "origin", "header",
    "page", "redirect", "host", "rule-notification", "prefix-notification", "token")}
METADATA_NAME = "canary-metadata-name-90be"
KEY = CustomerKey(hashlib.sha256(b"canary customer key").digest())
OTHER_KEY = CustomerKey(hashlib.sha256(b"another canary customer key").digest())
HEADERS = {
    f"x-amz-meta-{METADATA_NAME}": SECRETS["metadata-value"],
    "Content-Type": "text/" + SECRETS["content-type"],
    "Content-Disposition": f'attachment; filename="{SECRETS["disposition"]}"',
}


def body(name, size):
    """A body that says its canary over and over, so that any run of it that is left unsealed holds it."""
    word = SECRETS[name].encode() + b" "
    return (word * (size // len(word) + 1))[:size]


def encodings(data):
    """The forms in which bytes could hide in a file: raw, hex, and base64 at each of its three alignments."""
    found = {data, data.hex().encode(), data.hex().upper().encode()}
    for skip in range(3):
        # Characters at the ends depend on the neighbours.
        found.add(base64.b64encode(b"\0" * skip + data)[4 if skip else 0:].rstrip(b"=")[:-1])
    return {form for form in found if len(form) >= 8}


def patterns(canaries):
    return re.compile(b"|".join(re.escape(form) for data in canaries for form in encodings(data)))


def all_canaries():
    words = [word.encode() for word in [*NAMES.values(), *SECRETS.values(), METADATA_NAME]]
    keys = [form for key in (KEY, OTHER_KEY) for form in (key.raw, key.base64.encode())]
    digests = [hashlib.md5(body("body-file", 200_000)).digest(), hashlib.sha256(body("body-file", 200_000)).digest()]
    return words + keys + digests


def search(pattern, files):
    """Where the pattern occurs: (file, what was found)."""
    return [(str(path), found.group()) for path in files for found in [pattern.search(path.read_bytes())] if found]


class Writer:
    """Every way to write, and every error on the way."""

    def __init__(self, client):
        self.client = client
        self.bucket = NAMES["bucket"]
        self.error_bodies = []

    def note(self, answer):
        if answer.status >= 400:
            self.error_bodies.append(answer.body)
        return answer

    def ok(self, answer):
        assert answer.status < 300, answer
        return answer

    def whole_objects(self):
        client, bucket = self.client, self.bucket
        self.ok(client.create_bucket(bucket))
        self.ok(client.put(bucket, NAMES["key-inline"], body("body-inline", 500), HEADERS | {"x-amz-tagging": f"{SECRETS['tag']}=1"}))
        self.ok(client.put(bucket, NAMES["key-file"], body("body-file", 200_000), HEADERS))
        tags = f"<Tagging><TagSet><Tag><Key>{SECRETS['tag']}</Key><Value>{SECRETS['tag']}</Value></Tag></TagSet></Tagging>".encode()
        self.ok(client.request("PUT", bucket, query={"tagging": ""}, body=tags))
        self.ok(client.put(bucket, NAMES["key-file"], tags, query={"tagging": ""}))
        self.ok(client.put(bucket, NAMES["key-file"] + "/large", body("body-file", 9 * MIB), HEADERS))
        self.ok(client.put(bucket, NAMES["key-file"] + "/sealed", body("body-sealed", 200_000), HEADERS | KEY.headers()))
        self.ok(client.put(bucket, NAMES["key-inline"] + "/sealed", body("body-sealed", 300), HEADERS | KEY.headers()))
        trailers = [("x-amz-checksum-crc32", checksum("crc32", body("body-chunked", 150_000)))]
        for kind in (chunked.UNSIGNED_TRAILER, chunked.SIGNED_TRAILER):
            self.ok(client.put_chunked(bucket, NAMES["key-file"] + kind, body("body-chunked", 150_000), kind=kind, trailers=trailers))
        for size in (400, 300_000):
            self.ok(client.put(bucket, NAMES["key-file"] + "/replaced", body("body-replaced", size)))
        self.ok(client.put(bucket, NAMES["key-file"] + "/deleted", body("body-deleted", 300_000)))
        self.ok(client.delete(bucket, NAMES["key-file"] + "/deleted"))
        self.ok(Form(client, bucket, {"key": NAMES["key-form"], f"x-amz-meta-{METADATA_NAME}": SECRETS["form-field"], **KEY.headers()})
                .post(body("body-form", 200_000), filename=SECRETS["form-field"]))

    def multipart(self):
        client, bucket = self.client, self.bucket
        for headers in ({}, KEY.headers()):
            key = NAMES["key-parts"] + ("/sealed" if headers else "")
            parts = [body("body-parts", 5 * MIB), body("body-parts", 1000)]
            upload = client.new_upload(bucket, key, HEADERS | headers)
            done = [(number, self.ok(client.upload_part(bucket, key, upload, number, part, headers)).etag)
                    for number, part in enumerate(parts, 1)]
            self.ok(client.complete(bucket, key, upload, done, headers))
        aborted = client.new_upload(bucket, NAMES["key-parts"], HEADERS)
        self.ok(client.upload_part(bucket, NAMES["key-parts"], aborted, 1, body("body-aborted", MIB)))
        self.ok(client.abort(bucket, NAMES["key-parts"], aborted))
        unfinished = client.new_upload(bucket, NAMES["key-parts"], HEADERS | KEY.headers())
        self.ok(client.upload_part(bucket, NAMES["key-parts"], unfinished, 1, body("body-unfinished", MIB), KEY.headers()))

    def copies(self):
        client, bucket, sealed = self.client, self.bucket, NAMES["key-file"] + "/sealed"
        self.ok(client.copy(bucket, NAMES["key-copy"], bucket, NAMES["key-file"]))
        self.ok(client.copy(bucket, NAMES["key-copy"] + "/plain", bucket, sealed, KEY.source_headers()))
        self.ok(client.copy(bucket, sealed, bucket, sealed, KEY.source_headers() | OTHER_KEY.headers()))
        self.ok(client.put_encryption(bucket, "<Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm>"
                                              "</ApplyServerSideEncryptionByDefault></Rule>"))

    def versions(self):
        """A bucket with everything that a bucket can be configured to do, and with versions."""
        client, bucket = self.client, NAMES["versions"]
        self.ok(client.create_bucket(bucket, headers={"x-amz-bucket-object-lock-enabled": "true"}))
        for sub_resource, document in (
            ("lifecycle", f"<LifecycleConfiguration><Rule><ID>{SECRETS['rule-lifecycle']}</ID><Status>Enabled</Status><Filter><And>"
                          f"<Prefix>{SECRETS['prefix-lifecycle']}</Prefix><Tag><Key>{SECRETS['tag']}</Key><Value>{SECRETS['tag']}</Value></Tag>"
                          "</And></Filter><Expiration><Days>1</Days></Expiration></Rule></LifecycleConfiguration>"),
            ("cors", f"<CORSConfiguration><CORSRule><AllowedOrigin>https://{SECRETS['origin']}</AllowedOrigin>"
                     f"<AllowedMethod>GET</AllowedMethod><AllowedHeader>{SECRETS['header']}</AllowedHeader></CORSRule></CORSConfiguration>"),
            ("website", f"<WebsiteConfiguration><IndexDocument><Suffix>{SECRETS['page']}</Suffix></IndexDocument><RoutingRules><RoutingRule>"
                        f"<Condition><KeyPrefixEquals>{SECRETS['redirect']}</KeyPrefixEquals></Condition>"
                        f"<Redirect><HostName>{SECRETS['host']}</HostName></Redirect></RoutingRule></RoutingRules></WebsiteConfiguration>"),
        ):
            self.ok(put_document(client, bucket, sub_resource, document))
        told = {"id": SECRETS["rule-notification"], "prefix": SECRETS["prefix-notification"]}
        self.ok(put_notification(client, bucket, rule("hook", "s3:ObjectRemoved:*", **told), rule("hook", prefix="canary-key"), skip="true"))
        key, hidden = NAMES["key-version"], NAMES["key-marker"]
        tags = f"<Tagging><TagSet><Tag><Key>{SECRETS['tag-version']}</Key><Value>{SECRETS['tag-version']}</Value></Tag></TagSet></Tagging>".encode()
        for size in (400, 200_000):
            version = put_version(client, bucket, key, body("body-version", size), HEADERS)
            put_version(client, bucket, hidden, body("body-hidden", size), HEADERS | KEY.headers())
            self.ok(client.put(bucket, key, tags, query={"tagging": "", "versionId": version}))
        self.ok(hold(client, bucket, key, "ON", {"versionId": version}))
        self.ok(client.delete(bucket, hidden))
        self.ok(client.anonymous("OPTIONS", bucket, key, headers={
            "Origin": f"https://{SECRETS['origin']}", "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": SECRETS["header"]}))
        self.note(client.delete(bucket, key, query={"versionId": version}))

    def failures(self):
        client, bucket, key = self.client, self.bucket, NAMES["key-failed"]
        data = body("body-refused", 100_000)
        wrong_digest = {"Content-MD5": content_md5(b"other")}
        malformed = f"<Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>{SECRETS['xml']}</SSEAlgorithm></Rule>"
        stranger = Client(client.server, Credentials(client.credentials.access_key, "not the secret"))
        for answer in (
            client.put(bucket, key, data, HEADERS | wrong_digest),
            client.put(bucket, key, data, HEADERS | KEY.headers() | wrong_digest),
            client.put(bucket, key, data, HEADERS | {"x-amz-checksum-crc32": checksum("crc32", b"other")}),
            client.put(bucket, key, data, HEADERS, payload=sha256_hex(b"other")),
            client.put(bucket, key, data, HEADERS | KEY.headers(), tls=False),
            client.put(bucket, key, data, HEADERS | KEY.headers() | {"x-amz-server-side-encryption": "AES256"}),
            client.put(bucket, key, data, HEADERS | {f"x-amz-meta-{METADATA_NAME}": SECRETS["metadata-value"] * 100}),
            client.put(bucket, key, data, HEADERS | KEY.headers(), unsigned={"x-amz-meta-more": SECRETS["metadata-value"]}),
            client.put(bucket, key, data, HEADERS, query={"tagging": "", "x": SECRETS["tag"]}),
            client.get(bucket, NAMES["key-inline"] + "/sealed", OTHER_KEY.headers()),
            client.get(bucket, NAMES["key-inline"] + "/sealed"),
            client.get(bucket, key),
            stranger.put(bucket, key, data, HEADERS | KEY.headers()),
            client.anonymous("PUT", bucket, key, headers=HEADERS | KEY.headers(), body=data),
            client.put_encryption(bucket, malformed),
            client.request("POST", bucket, query={"delete": ""}, body=malformed.encode(), headers={"Content-MD5": content_md5(malformed.encode())}),
        ):
            assert answer.status >= 400, answer
            self.note(answer)

    def cut_connections(self):
        """Two bodies that stop half-way: one connection is closed; the other stays open until the server is killed."""
        connections = []
        for name in ("body-cut", "body-in-flight"):
            data = body(name, 3 * MIB)
            target, head, _, _ = self.client.signed("PUT", self.client.path(self.bucket, NAMES["key-failed"]), {}, HEADERS, "UNSIGNED-PAYLOAD")
            connection = wire.connect(self.client.server.tls_port, self.client.tls_context)
            wire.send_head(connection, "PUT", target, head + [("Content-Length", len(data))])
            connection.sendall(data[:2 * MIB])
            connections.append(connection)
        connections[0].close()
        return connections[1]


@pytest.fixture(scope="module")
def remains(make_server, tmp_path_factory):
    """What a killed server leaves, after every kind of write: the server and the error bodies it sent."""
    receiver = Receiver().start()
    folder = tmp_path_factory.mktemp("settings")
    (folder / "token").write_text(SECRETS["token"])
    (folder / "token").chmod(0o600)
    targets = configuration_file(folder, {"hook": {"type": "webhook", "url": receiver.url, "token_file": folder / "token"}})
    server = make_server(environment={"COFFER_LOG": "trace", "COFFER_ACCESS_LOG": "stdout"} | targets).start()
    writer = Writer(Client(server))
    writer.whole_objects()
    writer.multipart()
    writer.copies()
    writer.versions()
    # Some events are delivered, and some still wait.
    wait_until(lambda: len(receiver.records(NAMES["versions"])) >= 4, 30, "events are delivered")
    receiver.status = 503
    put_version(writer.client, NAMES["versions"], NAMES["key-waits"], body("body-version", 400))
    wait_until(lambda: receiver.refused, 30, "an event waits")
    writer.failures()
    connection = writer.cut_connections()
    # A further write after the cut, so that its body has been read and its file begun.
    writer.ok(writer.client.put(writer.bucket, NAMES["key-inline"], body("body-inline", 600), HEADERS))
    server.kill()
    connection.close()
    receiver.stop()
    return server, writer.error_bodies


def test_search_finds_what_is_planted(tmp_path):
    pattern = patterns(all_canaries())
    for at, canary in enumerate(all_canaries()):
        for form, data in enumerate([canary, canary.hex().encode(), base64.b64encode(b"x" * (at % 3) + canary + b"yy")]):
            planted = tmp_path / f"{at}-{form}"
            planted.write_bytes(b"\x00noise" + data + b"noise\xff")
            assert search(pattern, [planted]), (canary, form)
    clean = tmp_path / "clean"
    clean.write_bytes(hashlib.shake_256(b"noise").digest(1 << 20))
    assert not search(pattern, [clean])


def test_no_canary_in_any_file_of_the_data(remains):
    server, _ = remains
    files = server.data_files()
    assert sum(path.stat().st_size for path in files) > 20 * MIB, "the writes did not arrive"
    assert search(patterns(all_canaries()), files) == []


def test_no_canary_in_a_file_name(remains):
    server, _ = remains
    pattern = patterns(all_canaries())
    names = [str(path.relative_to(server.directory)).encode() for path in server.directory.rglob("*")]
    assert not [name for name in names if pattern.search(name)]


def test_no_canary_beside_the_key_file_or_in_the_home(remains):
    server, _ = remains
    files = [path for folder in (server.config, server.home) for path in folder.rglob("*") if path.is_file()]
    assert files and search(patterns(all_canaries()), files) == []


def test_no_canary_in_the_log_at_trace_level(remains):
    server, _ = remains
    assert re.search(r"^log = \"trace\"", server.run("config", "show").stdout, re.MULTILINE)
    assert server.log().count("PutObject") > 10, "requests are not logged"
    assert server.log().count('"eventName":"PutObject"') > 10, "the access log is off"
    assert search(patterns(all_canaries()), [server.log_file]) == []


def test_root_secret_is_nowhere(remains):
    server, _ = remains
    files = [path for path in server.directory.rglob("*") if path.is_file()]
    assert search(patterns([server.credentials.secret_key.encode()]), files) == []


def test_no_canary_but_names_in_error_bodies(remains):
    _, error_bodies = remains
    names = {word.encode() for word in NAMES.values()}
    pattern = patterns([canary for canary in all_canaries() if canary not in names])
    assert len(error_bodies) == 17
    assert not [found for error in error_bodies for found in [pattern.search(error)] if found]


def test_everything_is_there_after_the_kill(remains):
    server, _ = remains
    server.start()
    try:
        client = Client(server)
        bucket = NAMES["bucket"]
        assert client.get(bucket, NAMES["key-file"]).body == body("body-file", 200_000)
        assert client.get(bucket, NAMES["key-file"] + "/sealed", OTHER_KEY.headers()).body == body("body-sealed", 200_000)
        assert client.get(bucket, NAMES["key-parts"]).body == body("body-parts", 5 * MIB) + body("body-parts", 1000)
        answer = client.get(bucket, NAMES["key-inline"])
        assert answer.body == body("body-inline", 600)
        assert answer.header(f"x-amz-meta-{METADATA_NAME}") == SECRETS["metadata-value"]
        assert NAMES["key-failed"] not in client.keys(bucket)
        assert client.get(NAMES["versions"], NAMES["key-version"]).body == body("body-version", 200_000)
        assert client.get(NAMES["versions"], NAMES["key-marker"]).status == 404
    finally:
        server.kill()

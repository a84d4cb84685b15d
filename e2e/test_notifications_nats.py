"""Notifications to a real NATS server, with and without JetStream."""

import base64
import json

import pytest

from support.client import Client
from support.errors import expect_error
from support.identity_provider import make_certificate
from support.nats import NatsClient, NatsServer
from support.notifications import configuration_file, put_notification, rule
from support.server import wait_until

UNABLE = "Unable to validate the following destination configurations"
PASSWORD = "the-password-of-nats"


@pytest.fixture
def started(make_server, tmp_path):
    """Makes a NATS server and a server with a target there, called `bus`."""
    nats = []

    def make(more="", settings=None, ca_file=None):
        server = NatsServer(tmp_path, more, ca_file).start()
        nats.append(server)
        target = {"type": "nats", "url": server.url, "subject": "s3.events"} | (settings or {})
        own = make_server(environment=configuration_file(tmp_path, {"bus": target})).start()
        client = Client(own)
        assert client.create_bucket("events").status == 200
        return own, client, server

    yield make
    for server in nats:
        server.stop()


def create_stream(server):
    client = NatsClient(server)
    stream = {"name": "S3", "subjects": ["s3.>"], "storage": "file"}
    client.request("$JS.API.STREAM.CREATE.S3", json.dumps(stream).encode())
    client.close()


def in_stream(server):
    """Every message that the stream has."""
    client = NatsClient(server)
    state = client.request("$JS.API.STREAM.INFO.S3")["state"]
    bodies = []
    for number in range(max(state["first_seq"], 1), state["last_seq"] + 1):
        message = client.request("$JS.API.STREAM.MSG.GET.S3", json.dumps({"seq": number}).encode())["message"]
        bodies.append(json.loads(base64.b64decode(message["data"])))
    client.close()
    return bodies


def keys_of(bodies):
    return [record["s3"]["object"]["key"] for body in bodies for record in body.get("Records", [])]


def test_events_are_published_to_the_subject(started):
    _, client, server = started()
    subscriber = NatsClient(server)
    subscriber.subscribe("s3.>")
    assert put_notification(client, "events", rule("bus")).status == 200
    subject, body = subscriber.message()
    assert subject == "s3.events" and json.loads(body)["Event"] == "s3:TestEvent"
    for number in range(3):
        assert client.put("events", f"k\r\n{number}", b"1").status == 200
    keys = keys_of([json.loads(subscriber.message()[1]) for _ in range(3)])
    assert keys == [f"k%0D%0A{number}" for number in range(3)]


def test_a_stream_keeps_each_event_once(started):
    _, client, server = started(settings={"jetstream": True})
    create_stream(server)
    assert put_notification(client, "events", rule("bus")).status == 200
    for number in range(100):
        assert client.put("events", f"k{number:02}", b"1").status == 200
    wait_until(lambda: len(in_stream(server)) >= 101, 30, "the stream has them")
    assert keys_of(in_stream(server)) == [f"k{number:02}" for number in range(100)]


def test_jetstream_without_a_stream_takes_nothing(started):
    own, client, server = started(settings={"jetstream": True})
    expect_error(put_notification(client, "events", rule("bus")), 400, "InvalidArgument", UNABLE)
    assert "no stream has the subject" in own.log()
    assert put_notification(client, "events", rule("bus"), skip="true").status == 200
    assert client.put("events", "k", b"1").status == 200
    create_stream(server)
    wait_until(lambda: keys_of(in_stream(server)) == ["k"], 30, "it is sent again")


def test_events_outlive_a_server_that_is_down_and_one_that_is_killed(started):
    own, client, server = started(settings={"jetstream": True})
    create_stream(server)
    assert put_notification(client, "events", rule("bus")).status == 200
    assert client.put("events", "before", b"1").status == 200
    server.stop()
    for number in range(10):
        assert client.put("events", f"k{number}", b"1").status == 200
    own.kill()
    own.start()
    server.start()
    expected = {"before"} | {f"k{number}" for number in range(10)}
    wait_until(lambda: set(keys_of(in_stream(server))) == expected, 60, "the stream has them all")


@pytest.mark.parametrize("kind", ["user", "token"])
def test_the_server_lets_in_who_knows_the_secret(started, tmp_path, kind):
    (tmp_path / "secret").write_text(PASSWORD + "\n")
    if kind == "user":
        more = f'authorization {{ user: "coffer", password: "{PASSWORD}" }}'
        settings, login = {"user": "coffer", "password_file": tmp_path / "secret"}, {"user": "coffer", "pass": PASSWORD}
    else:
        more, settings, login = f'authorization {{ token: "{PASSWORD}" }}', {"token_file": tmp_path / "secret"}, {"auth_token": PASSWORD}
    own, client, server = started(more, settings)
    subscriber = NatsClient(server, **login)
    subscriber.subscribe("s3.>")
    assert put_notification(client, "events", rule("bus")).status == 200
    assert json.loads(subscriber.message()[1])["Event"] == "s3:TestEvent"
    assert PASSWORD not in own.log()


def test_who_does_not_know_the_secret_is_not_let_in(started, tmp_path):
    own, client, _ = started(f'authorization {{ token: "{PASSWORD}" }}')
    expect_error(put_notification(client, "events", rule("bus")), 400, "InvalidArgument", UNABLE)
    assert "Authorization Violation" in own.log()


def test_a_subject_that_is_not_permitted_is_an_error(started, tmp_path):
    (tmp_path / "secret").write_text(PASSWORD)
    permissions = 'permissions: { publish: "other.>" }'
    own, client, _ = started(
        f'authorization {{ users: [{{ user: "coffer", password: "{PASSWORD}", {permissions} }}] }}',
        {"user": "coffer", "password_file": tmp_path / "secret"})
    expect_error(put_notification(client, "events", rule("bus")), 400, "InvalidArgument", UNABLE)
    assert "Permissions Violation" in own.log()


@pytest.mark.parametrize("trusted", [True, False])
def test_tls_is_verified(started, tmp_path, trusted):
    certificate = (tmp_path / "nats.pem", tmp_path / "nats.key")
    make_certificate(*certificate)
    more = f'tls {{ cert_file: "{certificate[0]}", key_file: "{certificate[1]}" }}'
    own, client, server = started(more, {"ca_file": certificate[0]} if trusted else {}, certificate[0])
    if not trusted:
        expect_error(put_notification(client, "events", rule("bus")), 400, "InvalidArgument", UNABLE)
        assert "TLS:" in own.log()
        return
    subscriber = NatsClient(server)
    subscriber.subscribe("s3.>")
    assert put_notification(client, "events", rule("bus")).status == 200
    assert json.loads(subscriber.message()[1])["Event"] == "s3:TestEvent"

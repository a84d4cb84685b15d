"""kill -9 under load in a bucket with versions, events and replication: what was acknowledged is there, once, and the others
hear of it, and of nothing else."""

import http.client
import random
import threading
from urllib.parse import unquote_plus

import pytest

from support.client import Client
from support.iam import client_of
from support.notifications import configuration_file, put_notification, rule
from support.server import wait_until
from support.versions import delete_version, entries, get_version, list_versions, put_versioning, version_id
from support.webhook import Receiver

BUCKET, REPLICA = "versions-that-crash", "replicas-of-them"
ROLE = "arn:aws:iam::000000000000:role/crash"
THREADS = 6
KEYS_OF_A_THREAD = 4
OPERATIONS_BEFORE_THE_KILL = 120
ROUNDS = 3
PATIENCE_S = 120

pytestmark = pytest.mark.xdist_group("heavy")


class Writer(threading.Thread):
    """Makes versions and delete markers of keys of its own, and removes versions.

    `there` is what was acknowledged: by (key, version) the body, or None for a delete marker; `gone` what was removed;
    `unsure` what a removal without an answer may have removed.
    """

    def __init__(self, client, number, count):
        super().__init__(daemon=True)
        self.client, self.count = client, count
        self.random = random.Random(number)
        self.keys = [f"{number}/{at}" for at in range(KEYS_OF_A_THREAD)]
        self.there, self.gone, self.unsure, self.unexpected = {}, set(), set(), []

    def run(self):
        for at in range(10_000):
            key = self.random.choice(self.keys)
            action = self.random.choices([self.put, self.mark, self.remove], [6, 2, 3])[0]
            try:
                action(key, at)
            except (OSError, http.client.HTTPException):
                return
            self.count()

    def put(self, key, at):
        body = f"{key} {at} ".encode() * self.random.choice([1, 20_000])
        answer = self.client.put(BUCKET, key, body)
        self.expect(answer, 200)
        self.there[key, version_id(answer)] = body

    def mark(self, key, _):
        answer = self.client.delete(BUCKET, key)
        self.expect(answer, 204)
        self.there[key, version_id(answer)] = None

    def remove(self, key, _):
        versions = [each for each in self.there if each[0] == key]
        if not versions:
            return
        # Mostly the current one, which another takes the place of.
        chosen = versions[-1] if self.random.random() < 0.6 else self.random.choice(versions)
        self.unsure.add(chosen)
        answer = delete_version(self.client, BUCKET, *chosen)
        self.expect(answer, 204)
        self.unsure.discard(chosen)
        self.gone.add(chosen)
        del self.there[chosen]

    def expect(self, answer, status):
        if answer.status != status:
            self.unexpected.append(answer)


def load_and_kill(server, writers_of):
    enough, lock, done = threading.Event(), threading.Lock(), [0]

    def count():
        with lock:
            done[0] += 1
            if done[0] >= OPERATIONS_BEFORE_THE_KILL:
                enough.set()

    writers = writers_of(count)
    for writer in writers:
        writer.start()
    assert enough.wait(PATIENCE_S), f"only {done[0]} operations: {[writer.unexpected for writer in writers]}"
    server.kill()
    for writer in writers:
        writer.join(30)
        assert not writer.is_alive() and writer.unexpected == []
    return writers


def listed(client, bucket):
    """Every version of a bucket, in order: (what, key, version ID, is latest)."""
    found, marker = [], {}
    while True:
        page = list_versions(client, bucket, **marker)
        found += entries(page)
        if page.xml.findtext("IsTruncated") == "false":
            return found
        marker = {"key_marker": page.xml.findtext("NextKeyMarker"), "version_id_marker": page.xml.findtext("NextVersionIdMarker")}


def expect_one_current_version(client, found):
    for key in {key for _, key, _, _ in found}:
        of_key = [each for each in found if each[1] == key]
        assert [latest for _, _, _, latest in of_key] == [True] + [False] * (len(of_key) - 1), of_key
        what, _, version, _ = of_key[0]
        answer = client.get(BUCKET, key)
        assert answer.status == (200 if what == "Version" else 404) and version_id(answer) == version, answer
    objects = {key for what, key, _, latest in found if latest and what == "Version"}
    assert set(client.keys(BUCKET)) == objects


def expect_acknowledged(client, writers, found):
    present = {(key, version): what for what, key, version, _ in found}
    for writer in writers:
        for name, body in writer.there.items():
            if name in writer.unsure and name not in present:
                continue
            assert present[name] == ("DeleteMarker" if body is None else "Version")
            if body is not None:
                answer = get_version(client, BUCKET, *name)
                assert answer.status == 200 and answer.body == body
        assert not writer.gone & present.keys()


def told(receiver):
    """The versions that events say were made, and those that they say are gone."""
    made, gone = set(), set()
    for record in receiver.records(BUCKET):
        name = (unquote_plus(record["s3"]["object"]["key"]), record["s3"]["object"]["versionId"])
        (gone if record["eventName"] == "ObjectRemoved:Delete" else made).add(name)
    return made, gone


@pytest.fixture
def crashing(make_server, tmp_path):
    """A server that tells a receiver, and replicates to another server."""
    receiver = Receiver()
    target = make_server().start()
    source = make_server(environment=configuration_file(tmp_path, {"hook": {"type": "webhook", "url": receiver.url}}))
    secret, targets = tmp_path / "credentials", tmp_path / "targets.toml"
    secret.write_text(f'access_key = "{target.credentials.access_key}"\nsecret_key = "{target.credentials.secret_key}"\n')
    secret.chmod(0o600)
    targets.write_text(
        f'[[target]]\nrole = "{ROLE}"\nendpoint = "{target.tls_url}"\nregion = "us-east-1"\n'
        f'credentials_file = "{secret}"\nca_file = "{target.ca_file}"\n')
    source.environment["COFFER_REPLICATION_TARGETS"] = str(targets)
    yield source.start(), target, receiver
    receiver.stop()
    source.close()
    target.close()


def test_every_version_outlives_a_kill_and_the_others_hear_of_it(crashing):
    source, target, receiver = crashing
    client, far = Client(source), Client(target)
    for each, bucket in ((far, REPLICA), (client, BUCKET)):
        assert each.create_bucket(bucket).status == 200
        put_versioning(each, bucket, "Enabled")
    events = ("s3:ObjectCreated:*", "s3:ObjectRemoved:*")
    assert put_notification(client, BUCKET, rule("hook", *events), skip="true").status == 200
    client_of("s3", source).put_bucket_replication(Bucket=BUCKET, ReplicationConfiguration={"Role": ROLE, "Rules": [{
        "ID": "all", "Status": "Enabled", "Priority": 1, "Filter": {}, "DeleteMarkerReplication": {"Status": "Enabled"},
        "Destination": {"Bucket": f"arn:aws:s3:::{REPLICA}"}}]})
    history = []
    for of_round in range(ROUNDS):
        # Every other round the receiver is there when the server is killed.
        if of_round % 2:
            receiver.start()
        history += load_and_kill(source, lambda count: [
            Writer(Client(source), of_round * THREADS + at, count) for at in range(THREADS)])
        receiver.stop()
        source.start()
        found = listed(client, BUCKET)
        expect_one_current_version(client, found)
        expect_acknowledged(client, history, found)
    receiver.start()
    # No event without its version, no version without its event.
    present = {(key, version) for _, key, version, _ in found}
    removed = set().union(*(writer.gone for writer in history))

    def everything_is_told():
        made, gone = told(receiver)
        return present <= made and removed <= gone and made - present == gone

    wait_until(everything_is_told, PATIENCE_S, "every event is delivered, and none is of what did not happen")
    statuses = lambda: {
        client.head(BUCKET, key, query={"versionId": version}).header("x-amz-replication-status")
        for what, key, version, _ in found if what == "Version"}
    wait_until(lambda: statuses() == {"COMPLETED"}, PATIENCE_S, "everything is replicated")
    assert "panicked" not in source.log() + target.log()

"""kill -9 under load: what was acknowledged is there, nothing half-written shows, no garbage stays."""

import hashlib
import http.client
import random
import threading

import pytest

from support.client import Client
from support.server import wait_until
from support.sse import KEY_A

BUCKET = "a-bucket-that-crashes"
THREADS = 8
ROUNDS = 3
OPERATIONS_BEFORE_THE_KILL = 150
SIZES = [0, 1, 300, 5000, 70_000, 300_000, 1_500_000]
GRACE = {"COFFER_GARBAGE_GRACE_SECONDS": "1"}
MIB = 1 << 20

pytestmark = pytest.mark.xdist_group("heavy")


def content(seed, size):
    return hashlib.shake_256(f"crash {seed}".encode()).digest(size)


class Worker(threading.Thread):
    """Writes to keys of its own, and remembers for each what it may hold: None is "no object".

    `acknowledged` is what the last 2xx made of a key; `attempted` what a request without an answer may have made of it.
    """

    def __init__(self, client, number, count):
        super().__init__(daemon=True)
        self.client = client
        self.number = number
        self.random = random.Random(number)
        self.count = count
        self.acknowledged = {}
        self.attempted = {}
        self.unexpected = []

    def run(self):
        at = 0
        while True:
            at += 1
            key = f"{self.number}/{self.random.randrange(12)}"
            action = self.random.choices(["put", "sealed", "delete", "parts", "copy"], [6, 2, 2, 1, 1])[0]
            seed = f"{self.number} {at} {self.random.random()}"
            try:
                if not getattr(self, action)(key, seed):
                    return
                self.count()
            except (OSError, http.client.HTTPException):
                return

    def change(self, key, value, request):
        """Runs one request that makes `value` of `key`. Returns whether it was answered well."""
        self.attempted[key] = value
        answer = request()
        if not 200 <= answer.status < 300:
            self.unexpected.append(answer)
            return False
        self.acknowledged[key] = value
        del self.attempted[key]
        return True

    def put(self, key, seed, headers=()):
        data = content(seed, self.random.choice(SIZES))
        return self.change(key, (data, dict(headers)), lambda: self.client.put(BUCKET, key, data, headers))

    def sealed(self, key, seed):
        return self.put(key, seed, KEY_A.headers())

    def delete(self, key, _):
        return self.change(key, None, lambda: self.client.delete(BUCKET, key))

    def parts(self, key, seed):
        parts = [content(seed, 5 * MIB), content(seed + "end", 1000)]
        upload = self.client.new_upload(BUCKET, key)
        done = [(number, self.client.upload_part(BUCKET, key, upload, number, part).etag) for number, part in enumerate(parts, 1)]
        return self.change(key, (b"".join(parts), {}), lambda: self.client.complete(BUCKET, key, upload, done))

    def copy(self, key, _):
        sources = [(name, value) for name, value in self.acknowledged.items() if value is not None and not value[1] and name != key]
        if not sources:
            return True
        source, value = self.random.choice(sources)
        return self.change(key, value, lambda: self.client.copy(BUCKET, key, BUCKET, source))


def load_and_kill(server):
    """Runs the workers until enough was acknowledged, kills the server, and returns the workers."""
    enough, lock, done = threading.Event(), threading.Lock(), [0]

    def count():
        with lock:
            done[0] += 1
            if done[0] >= OPERATIONS_BEFORE_THE_KILL:
                enough.set()

    workers = [Worker(Client(server), number, count) for number in range(THREADS)]
    for worker in workers:
        worker.start()
    assert enough.wait(60), f"only {done[0]} operations: {[worker.unexpected for worker in workers]}"
    server.kill()
    for worker in workers:
        worker.join(30)
        assert not worker.is_alive()
        assert worker.unexpected == []
    return workers


def read_back(client, key, value):
    """Whether `key` holds `value` now."""
    answer = client.get(BUCKET, key, value[1] if value else {})
    if value is None:
        return answer.status == 404
    return answer.status == 200 and answer.body == value[0] and int(answer.header("Content-Length")) == len(value[0])


def expect_acknowledged(client, workers):
    present = set()
    for worker in workers:
        for key in worker.acknowledged.keys() | worker.attempted.keys():
            possible = [worker.acknowledged.get(key)] + ([worker.attempted[key]] if key in worker.attempted else [])
            held = [value for value in possible if read_back(client, key, value)]
            assert held, f"{key} is neither what was acknowledged nor what was under way"
            if held[0] is not None:
                present.add(key)
            # From now on this is what the key holds.
            worker.acknowledged[key] = held[0]
        worker.attempted.clear()
    assert set(client.keys(BUCKET)) == present


def abort_all_uploads(client):
    listed = client.request("GET", BUCKET, query={"uploads": ""})
    for upload in listed.xml.iterfind("Upload"):
        assert client.abort(BUCKET, upload.findtext("Key"), upload.findtext("UploadId")).status == 204


def test_kill_under_load(make_server):
    server = make_server(environment=GRACE).start()
    client = Client(server)
    client.create_bucket(BUCKET)
    history = []
    for _ in range(ROUNDS):
        client.keys(BUCKET)
        for key in client.keys(BUCKET):
            client.delete(BUCKET, key)
        history = load_and_kill(server)
        server.start()
        expect_acknowledged(client, history)
        assert "panicked" not in server.log()
    # Emptied, the store keeps no blob: neither of what was deleted nor of what the kills cut short.
    for key in client.keys(BUCKET):
        assert client.delete(BUCKET, key).status == 204
    abort_all_uploads(client)
    wait_until(lambda: not server.blob_files(), 60, f"every blob is collected; left: {len(server.blob_files())}")
    assert client.put(BUCKET, "after", b"x").status == 200
    server.close()


def test_upload_in_progress_survives_a_kill(make_server):
    server = make_server().start()
    client = Client(server)
    client.create_bucket(BUCKET)
    upload = client.new_upload(BUCKET, "object", KEY_A.headers())
    first = client.upload_part(BUCKET, "object", upload, 1, content("first", 5 * MIB), KEY_A.headers()).etag
    server.kill()
    server.start()
    second = client.upload_part(BUCKET, "object", upload, 2, content("second", 100), KEY_A.headers()).etag
    assert client.complete(BUCKET, "object", upload, [(1, first), (2, second)]).status == 200
    assert client.get(BUCKET, "object", KEY_A.headers()).body == content("first", 5 * MIB) + content("second", 100)
    server.close()


@pytest.mark.parametrize("let_go", ["overwrite", "delete", "abort", "replace-part"])
def test_blob_is_collected_after(make_server, let_go):
    server = make_server(environment=GRACE).start()
    client = Client(server)
    client.create_bucket(BUCKET)
    data = content("garbage", 3 * MIB)
    if let_go in ("overwrite", "delete"):
        assert client.put(BUCKET, "object", data).status == 200
    else:
        upload = client.new_upload(BUCKET, "object")
        assert client.upload_part(BUCKET, "object", upload, 1, data).status == 200
    before = server.blob_files()
    assert before
    answer = {
        "overwrite": lambda: client.put(BUCKET, "object", b"now inline"),
        "delete": lambda: client.delete(BUCKET, "object"),
        "abort": lambda: client.abort(BUCKET, "object", upload),
        "replace-part": lambda: client.upload_part(BUCKET, "object", upload, 1, b"now small"),
    }[let_go]()
    assert answer.status in (200, 204), answer
    wait_until(lambda: not set(before) & set(server.blob_files()), 30, "the old blob is gone")
    server.close()


def test_copy_keeps_the_blob_of_a_deleted_source(make_server):
    server = make_server(environment=GRACE).start()
    client = Client(server)
    client.create_bucket(BUCKET)
    data = content("shared", 3 * MIB)
    client.put(BUCKET, "source", data)
    client.put(BUCKET, "marker", data)
    client.copy(BUCKET, "copy", BUCKET, "source")
    client.delete(BUCKET, "source")
    before = set(server.blob_files())
    client.delete(BUCKET, "marker")
    # When the marker's blob is gone, a collection has passed that was free to take the source's.
    wait_until(lambda: set(server.blob_files()) < before, 30, "the marker's blob is gone")
    assert client.get(BUCKET, "copy").body == data
    server.restart()
    assert client.get(BUCKET, "copy").body == data
    server.close()

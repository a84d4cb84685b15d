"""New keys for data, and data keys under new material: what changes on the disk, what does not for clients, and kill -9."""

import hashlib
import http.client
import json
import threading

import pytest

from support.checksums import md5_hex
from support.client import Client
from support.iam import client_of
from support.server import wait_until
from support.sse import KEY_A, SSE, SSE_KMS_KEY
from support.versions import put_versioning, version_id

KILLS = 5
JOBS_S = 300
PART = 5 << 20

pytestmark = pytest.mark.xdist_group("heavy")


@pytest.fixture
def server(make_server):
    quick = {"COFFER_KEY_DESTRUCTION_DELAY_SECONDS": "0", "COFFER_GARBAGE_GRACE_SECONDS": "1"}
    server = make_server(environment=quick).start()
    yield server
    server.close()


def ran(server, *arguments):
    done = server.run(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def body(name, length=100_000):
    return hashlib.shake_256(name.encode()).digest(length)


class Objects:
    """Versions in every mode and of every shape: what was said of them when they were put."""

    def __init__(self, server, bucket="bucket"):
        self.client, self.bucket = Client(server), bucket
        kms = client_of("kms", server)
        self.kms, self.key = kms, kms.create_key()["KeyMetadata"]
        assert self.client.create_bucket(bucket).status == 200
        put_versioning(self.client, bucket, "Enabled")
        self.there = {}
        under = {SSE: "aws:kms", SSE_KMS_KEY: self.key["KeyId"]}
        modes = {"s3": {}, "kms": under, "dsse": under | {SSE: "aws:kms:dsse"}, "customer": KEY_A.headers()}
        for mode, headers in modes.items():
            for shape, length in (("small", 1000), ("large", 200_000)):
                for turn in range(2):
                    name = f"{mode}-{shape}"
                    self.put(name, body(f"{name} {turn}", length), headers)
        for mode in ("s3", "kms"):
            name = f"{mode}-parts"
            upload = self.client.new_upload(bucket, name, modes[mode])
            parts = [body(f"{name} {number}", PART if number < 3 else 1000) for number in (1, 2, 3)]
            etags = [(number, self.client.upload_part(bucket, name, upload, number, part).etag)
                     for number, part in enumerate(parts, 1)]
            done = self.client.complete(bucket, name, upload, etags)
            assert done.status == 200, done
            self.there[name, version_id(done)] = b"".join(parts)
        self.upload = self.client.new_upload(bucket, "open", under)
        self.open_etag = self.client.upload_part(bucket, "open", self.upload, 1, body("open")).etag

    def put(self, name, data, headers=()):
        put = self.client.put(self.bucket, name, data, headers)
        assert put.status == 200, put
        self.there[name, version_id(put)] = data

    def headers_for(self, name):
        return KEY_A.headers() if name.startswith("customer") else {}

    def see(self):
        """What clients see of each version, once its data was compared."""
        seen = {}
        for (name, version), data in self.there.items():
            got = self.client.request("GET", self.bucket, name, query={"versionId": version}, headers=self.headers_for(name))
            assert (got.status, md5_hex(got.body)) == (200, md5_hex(data)), (name, version)
            shown = ("etag", "last-modified", "x-amz-version-id", SSE, SSE_KMS_KEY)
            seen[name, version] = [got.header(header) for header in shown]
        return seen

    def complete_the_open_upload(self):
        assert self.client.complete(self.bucket, "open", self.upload, [(1, self.open_etag)]).status == 200
        assert self.client.get(self.bucket, "open").body == body("open")


def files(server):
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in server.blob_files()}


def test_reseal_writes_every_blob_again_and_clients_see_nothing_of_it(server):
    objects = Objects(server)
    seen, before = objects.see(), files(server)
    job = ran(server, "key", "reseal", "bucket")
    assert job["state"] == "done" and job["new_keys"]["old"] == 0 and job["new_keys"]["customers"] == 4, job
    assert job["left"] == [{"why": "under customers' keys (SSE-C)", "count": 4}]
    assert job["bytes"] == job["bytes_total"] > 2 * PART and job["references"][0]["count"] == 0
    assert objects.see() == seen
    # Of the old blobs, those under customers' keys stay: two are large.
    wait_until(lambda: len(before.items() & files(server).items()) == 2, 60, "the old blobs are removed")
    destroyed = ran(server, "key", "destroy-generation", "bucket:bucket", "--generation=1", "--yes")
    assert destroyed["state"] == "done", destroyed
    server.restart()
    assert objects.see() == seen
    objects.complete_the_open_upload()
    text = server.run("job", "show", job["id"]).stdout
    assert "Nothing that could be changed has older ones." in text and "Left alone: 4 under customers' keys" in text


def test_reseal_leaves_what_a_disabled_key_protects_and_says_so(server):
    objects = Objects(server)
    seen = objects.see()
    objects.kms.disable_key(KeyId=objects.key["KeyId"])
    job = ran(server, "key", "reseal", "bucket")
    refused = {"why": "that the KMS refuses (DisabledException)", "count": 10}
    assert job["state"] == "done" and refused in job["left"] and job["new_keys"]["old"] == 11, job
    assert any(left["what"].startswith("kms-large (version ") for left in job["left_objects"]), job
    objects.kms.enable_key(KeyId=objects.key["KeyId"])
    assert objects.see() == seen
    assert ran(server, "key", "reseal", "bucket")["new_keys"]["old"] == 0
    assert objects.see() == seen


def test_reseal_without_a_server(server):
    objects = Objects(server)
    seen = objects.see()
    server.stop()
    assert ran(server, "key", "reseal", "bucket")["new_keys"]["old"] == 0
    none = server.run("key", "reseal", "none")
    assert none.returncode == 1 and "no such bucket" in none.stderr
    server.start()
    assert objects.see() == seen


def test_data_keys_come_under_new_material_and_no_blob_is_touched(server):
    objects = Objects(server)
    seen, before = objects.see(), files(server)
    arn = objects.key["Arn"]
    objects.kms.rotate_key_on_demand(KeyId=objects.key["KeyId"])
    rotated = ran(server, "key", "rewrap-kms", "--key", objects.key["KeyId"], "--bucket", "bucket")
    assert rotated["state"] == "done" and rotated["changed"] == 10, rotated
    (key,) = rotated["kms_keys"]
    assert (key["key"], key["current"], key["references"]) == (arn, 2, [{"generation": 2, "count": 10}])
    assert (objects.see(), files(server)) == (seen, before)
    again = ran(server, "key", "rewrap-kms")
    assert (again["state"], again["changed"]) == ("done", 0), again
    text = server.run("job", "show", rotated["id"]).stdout
    assert f"Nothing refers to generations before 2 of the KMS key {arn}" in text
    unknown = server.run("key", "rewrap-kms", "--key", "12345678-1234-4234-8234-123456789012")
    assert unknown.returncode == 1 and "does not exist" in unknown.stderr
    objects.complete_the_open_upload()


def test_killed_again_and_again_nothing_is_ever_unreadable(server):
    objects = Objects(server)
    seen = objects.see()
    stop, wrong = threading.Event(), []

    def load():
        client, names, number = Client(server), list(objects.there), 0
        while not stop.is_set():
            number += 1
            name, version = names[number % len(names)]
            try:
                got = client.request("GET", "bucket", name, query={"versionId": version}, headers=objects.headers_for(name))
                if got.status == 200 and got.body != objects.there[name, version]:
                    wrong.append((name, version, "other bytes"))
                elif got.status not in (200, 503):
                    wrong.append((name, version, got.status))
                written = body(f"new {number}", 70_000)
                put = client.put("bucket", f"new-{number}", written)
                if put.status == 200:
                    objects.there[f"new-{number}", version_id(put)] = written
            except (OSError, http.client.HTTPException):
                pass

    thread = threading.Thread(target=load)
    thread.start()
    try:
        for kill in range(KILLS):
            objects.kms.rotate_key_on_demand(KeyId=objects.key["KeyId"])
            for command in (("reseal", "bucket"), ("rewrap-kms",), ("rotate-bucket", "bucket")):
                assert server.run("key", *command, "--detach").returncode == 0
            threading.Event().wait(0.07 * kill)
            server.kill()
            server.start()
        states = lambda: {job["state"] for job in ran(server, "job", "list")}
        wait_until(lambda: "running" not in states(), JOBS_S, "every job is over")
        assert states() == {"done"}
    finally:
        stop.set()
        thread.join()
    assert wrong == []
    job = ran(server, "key", "reseal", "bucket")
    assert job["new_keys"]["old"] == 0 and job["failed"] == 0, job
    assert {key: value for key, value in objects.see().items() if key in seen} == seen
    objects.complete_the_open_upload()
    assert server.run("audit", "verify").returncode == 0

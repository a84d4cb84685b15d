"""Keys rotated by command: under load, killed again and again, until nothing refers to what is old."""

import hashlib
import json
import threading

import pytest

from support.client import Client
from support.server import wait_until

KILLS = 5
JOBS_S = 300


@pytest.fixture
def server(make_server):
    server = make_server(environment={"COFFER_KEY_DESTRUCTION_DELAY_SECONDS": "0"}).start()
    yield server
    server.close()


def ran(server, *arguments):
    done = server.run(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def body(number):
    return hashlib.shake_256(str(number).encode()).digest(20_000 if number % 3 else 100_000)


def filled(server, count=60):
    client = Client(server)
    assert client.create_bucket("bucket").status == 200
    for number in range(count):
        assert client.put("bucket", f"key-{number}", body(number)).status == 200
    return client


def test_a_rotation_touches_no_blob_and_leaves_nothing_under_the_old_generation(server):
    client = filled(server)
    files = {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in server.blob_files()}
    root = ran(server, "key", "rotate-root")
    assert root["state"] == "done" and [each["count"] for each in root["references"]][:-1] == [0]
    bucket = ran(server, "key", "rotate-bucket", "bucket")
    assert bucket["state"] == "done" and [each["count"] for each in bucket["references"]][:-1] == [0]
    (layer,) = ran(server, "inspect", "s3://bucket/key-3", "--verify-data")["layers"]
    assert (layer["root_generation"], layer["bucket_key_generation"]) == (2, 2)
    for of in ("root", "bucket:bucket"):
        destroyed = ran(server, "key", "destroy-generation", of, "--generation=1", "--yes")
        assert destroyed["state"] == "done" and destroyed["destroyed"][0]["generation"] == 1
    assert {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in server.blob_files()} == files
    server.restart()
    assert all(client.get("bucket", f"key-{number}").body == body(number) for number in range(60))


def test_what_must_not_be_destroyed_is_not(server):
    filled(server, 1)
    for arguments, said in (
            (("root", "--generation=1", "--yes"), "in use"), (("root", "--generation=9", "--yes"), "no generation 9"),
            (("bucket:bucket", "--generation=1", "--yes"), "in use"), (("bucket:none", "--generation=1", "--yes"), "no such bucket"),
            (("root", "--generation=1"), "Say --yes")):
        done = server.run("key", "destroy-generation", *arguments)
        assert done.returncode == 1 and said in done.stderr, done
    assert server.run("key", "destroy-generation", "kms:x", "--generation=1").returncode == 2


def test_a_destruction_waits_and_can_be_cancelled(server):
    filled(server, 1)
    ran(server, "key", "rotate-root")
    job = ran(server, "key", "destroy-generation", "root", "--generation=1", "--after=7d", "--yes")
    assert job["state"] == "running" and job["destroyed"] == []
    assert ran(server, "job", "pause", job["id"])["state"] == "paused"
    assert ran(server, "job", "resume", job["id"])["state"] == "running"
    assert ran(server, "job", "cancel", job["id"])["state"] == "cancelled"
    assert [each["state"] for each in ran(server, "job", "list") if each["id"] == job["id"]] == ["cancelled"]
    done = server.run("job", "cancel", job["id"])
    assert done.returncode == 1 and "is over" in done.stderr
    assert [each["state"] for each in ran(server, "key", "show")["generations"]] == ["decrypt-only", "active"]
    for id in ("x", "0" * 16):
        assert server.run("job", "show", id).returncode == 1


def test_without_a_server_the_command_line_does_it(server):
    client = filled(server, 5)
    server.stop()
    assert ran(server, "key", "rotate-root")["state"] == "done"
    assert ran(server, "key", "rotate-bucket", "bucket")["state"] == "done"
    server.start()
    assert all(client.get("bucket", f"key-{number}").body == body(number) for number in range(5))


def test_killed_again_and_again_it_converges_and_nothing_is_ever_unreadable(server):
    client = filled(server)
    stop, wrong, written = threading.Event(), [], {}

    def load():
        number = 0
        while not stop.is_set():
            number += 1
            name = f"key-{number % 60}"
            try:
                read = client.get("bucket", name)
                if read.status == 200 and read.body != body(number % 60):
                    wrong.append((name, "other bytes"))
                elif 400 <= read.status < 500 or read.status == 500:
                    wrong.append((name, read.status))
                if client.put("bucket", f"new-{number}", body(number)).status == 200:
                    written[f"new-{number}"] = number
            except OSError:
                pass
            except Exception as error:
                if "closed" not in str(error) and "reset" not in str(error).lower():
                    wrong.append((name, repr(error)))

    threads = [threading.Thread(target=load) for _ in range(1)]
    for thread in threads:
        thread.start()
    try:
        for kill in range(KILLS):
            assert server.run("key", "rotate-root", "--detach").returncode == 0
            assert server.run("key", "rotate-bucket", "bucket", "--detach").returncode == 0
            threading.Event().wait(0.03 * kill)
            server.kill()
            server.start()
        states = lambda: {job["state"] for job in ran(server, "job", "list")}
        wait_until(lambda: "running" not in states(), JOBS_S, "every job is over")
        assert states() == {"done"}
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert wrong == []
    for command in (("key", "rotate-root"), ("key", "rotate-bucket", "bucket")):
        assert {each["count"] for each in ran(server, *command)["references"][:-1]} == {0}
    assert all(client.get("bucket", f"key-{number}").body == body(number) for number in range(60))
    assert all(client.get("bucket", name).body == body(number) for name, number in written.items())
    assert server.run("audit", "verify").returncode == 0

"""Damage at rest: an error or a broken body, never wrong bytes, and the rest of the store goes on."""

import http.client
import os
import subprocess

import pytest

from support import errors
from support.client import Client
from support.server import wait_until
from support.sse import KEY_A

BUCKET = "a-damaged-bucket"
SIZE = 1_000_000
KEYS = {"plain": {}, "sealed": KEY_A.headers()}
MIB = 1 << 20

pytestmark = pytest.mark.xdist_group("heavy")


@pytest.fixture
def store(fresh_server, random_bytes):
    """A server with `plain`, `sealed`, `intact` and `small`, and the blob file of each of the first three."""
    client = Client(fresh_server)
    client.create_bucket(BUCKET)
    files = {}
    for seed, (key, headers) in enumerate([*KEYS.items(), ("intact", {}), ("parts", {})]):
        before = set(fresh_server.blob_files())
        if key == "parts":
            upload = client.new_upload(BUCKET, key)
            parts = [random_bytes(5 * MIB, 8), random_bytes(SIZE, 9)]
            done = [(number, client.upload_part(BUCKET, key, upload, number, part).etag) for number, part in enumerate(parts, 1)]
            assert client.complete(BUCKET, key, upload, done).status == 200
        else:
            assert client.put(BUCKET, key, random_bytes(SIZE, seed), headers).status == 200
        files[key] = sorted(set(fresh_server.blob_files()) - before)
        assert files[key]
    client.put(BUCKET, "small", b"inside its record")
    return fresh_server, client, files


def expect_error_or_broken_body(client, key, headers, original):
    """A read of a damaged object: refused, or cut off after bytes that are right. Never a whole body, never a wrong byte."""
    try:
        answer = client.get(BUCKET, key, headers)
    except http.client.IncompleteRead as cut:
        assert original.startswith(cut.partial) and len(cut.partial) < len(original)
        return
    except (ConnectionError, http.client.HTTPException):
        return
    assert answer.status == 500, answer
    errors.expect_error(answer, 500, "InternalError", "We encountered an internal error. Please try again.")


def expect_the_rest_goes_on(client, random_bytes):
    assert client.get(BUCKET, "intact").body == random_bytes(SIZE, 2)
    assert client.get(BUCKET, "small").body == b"inside its record"
    assert client.put(BUCKET, "new", b"x" * 100_000).status == 200
    assert client.get(BUCKET, "new").body == b"x" * 100_000


def flip(path, at):
    with open(path, "r+b") as file:
        file.seek(at, os.SEEK_SET if at >= 0 else os.SEEK_END)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 0x01]))


def swap_ends(path):
    """Exchanges two sealed runs of the same length within the file."""
    data = path.read_bytes()
    run = 65536 + 28
    path.write_bytes(data[run:2 * run] + data[:run] + data[2 * run:])


DAMAGES = {
    "first-byte": lambda path: flip(path, 0),
    "nonce": lambda path: flip(path, 5),
    "middle": lambda path: flip(path, path.stat().st_size // 2),
    "last-byte": lambda path: flip(path, -1),
    "cut-in-half": lambda path: os.truncate(path, path.stat().st_size // 2),
    "last-byte-cut": lambda path: os.truncate(path, path.stat().st_size - 1),
    "last-segment-cut": lambda path: os.truncate(path, path.stat().st_size // 65564 * 65564),
    "emptied": lambda path: os.truncate(path, 0),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"more"),
    "segments-swapped": swap_ends,
    "zeroed": lambda path: path.write_bytes(bytes(path.stat().st_size)),
}


@pytest.mark.parametrize("key", KEYS)
def test_damaged_blob(store, random_bytes, key):
    server, client, files = store
    [path] = files[key]
    original, sound = random_bytes(SIZE, list(KEYS).index(key)), path.read_bytes()
    assert client.get(BUCKET, key, KEYS[key]).body == original
    for damage in DAMAGES.values():
        # In place: the server may keep the file open.
        path.write_bytes(sound)
        damage(path)
        expect_error_or_broken_body(client, key, KEYS[key], original)
    expect_the_rest_goes_on(client, random_bytes)
    path.write_bytes(sound)
    assert client.get(BUCKET, key, KEYS[key]).body == original
    assert "panicked" not in server.log()


@pytest.mark.parametrize("key", KEYS)
def test_removed_blob(store, random_bytes, key):
    server, client, files = store
    files[key][0].unlink()
    server.restart()
    expect_error_or_broken_body(client, key, KEYS[key], random_bytes(SIZE, list(KEYS).index(key)))
    expect_the_rest_goes_on(client, random_bytes)


def test_range_of_a_damaged_blob_opens_where_it_is_sound(store, random_bytes):
    _, client, files = store
    flip(files["plain"][0], -10)
    original = random_bytes(SIZE, 0)
    assert client.get(BUCKET, "plain", {"Range": "bytes=0-99"}).body == original[:100]
    try:
        answer = client.get(BUCKET, "plain", {"Range": f"bytes={SIZE - 10}-{SIZE - 1}"})
        assert answer.status == 500, answer
    except http.client.IncompleteRead as cut:
        assert cut.partial == b""


def test_blobs_of_two_objects_swapped(store, random_bytes):
    _, client, files = store
    one, two = files["plain"][0], files["intact"][0]
    a, b = one.read_bytes(), two.read_bytes()
    one.write_bytes(b)
    two.write_bytes(a)
    expect_error_or_broken_body(client, "plain", {}, random_bytes(SIZE, 0))
    expect_error_or_broken_body(client, "intact", {}, random_bytes(SIZE, 2))


def test_older_blob_put_back(store, random_bytes):
    """Each write has keys of its own, so the bytes of an earlier version do not open as the later one's."""
    server, client, files = store
    older = files["plain"][0].read_bytes()
    before = set(server.blob_files())
    client.put(BUCKET, "plain", random_bytes(SIZE, 77))
    [newer] = set(server.blob_files()) - before
    newer.write_bytes(older)
    expect_error_or_broken_body(client, "plain", {}, random_bytes(SIZE, 77))


def test_damage_in_a_later_part_breaks_the_body_there(store, random_bytes):
    _, client, files = store
    first, second = sorted(files["parts"], key=lambda path: -path.stat().st_size)
    flip(second, 100)
    original = random_bytes(5 * MIB, 8) + random_bytes(SIZE, 9)
    expect_error_or_broken_body(client, "parts", {}, original)
    assert client.get(BUCKET, "parts", {"Range": f"bytes=0-{5 * MIB - 1}"}).body == original[:5 * MIB]


def test_damaged_metadata_is_told_and_gives_no_wrong_bytes(store, random_bytes):
    server, client, _ = store
    assert server.stop() == 0
    metadata = max((path for path in server.data.iterdir() if path.is_file()), key=lambda path: path.stat().st_size)
    sound = metadata.read_bytes()
    step = max(4096, len(sound) // 12)
    for at in range(0, len(sound), step):
        metadata.write_bytes(sound)
        flip(metadata, min(at + 100, len(sound) - 1))
        try:
            server.start()
        except AssertionError:
            assert server.process.poll() not in (None, 0), "it neither serves nor ends"
            assert "panicked" not in server.log()
            continue
        for key, headers in KEYS.items():
            answer = client.get(BUCKET, key, headers)
            assert answer.status >= 400 or answer.body == random_bytes(SIZE, list(KEYS).index(key))
        server.kill()
    metadata.write_bytes(sound)
    server.start()
    expect_the_rest_goes_on(client, random_bytes)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 128 MiB, half of which the metadata keeps in reserve."""
    path = tmp_path / "disk"
    path.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128m", "tmpfs", path], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("mounting a small file system needs root")
    yield path
    subprocess.run(["umount", "--lazy", path], check=True)


def test_full_disk(make_server, small_disk, random_bytes):
    server = make_server(environment={"COFFER_GARBAGE_GRACE_SECONDS": "1"})
    server.data = small_disk / "data"
    server.start()
    client = Client(server)
    client.create_bucket(BUCKET)
    stored = []
    for at in range(140):
        answer = client.put(BUCKET, f"{at}", random_bytes(MIB, at))
        if answer.status != 200:
            break
        stored.append(at)
    assert (answer.status, answer.text("Code")) == (507, "InsufficientStorage"), answer
    assert len(stored) > 30
    for at in stored:
        assert client.get(BUCKET, f"{at}").body == random_bytes(MIB, at)
    assert f"{len(stored)}" not in client.keys(BUCKET)
    # What is deleted makes room again, without a restart.
    for at in stored[:20]:
        assert client.delete(BUCKET, f"{at}").status == 204
    wait_until(lambda: client.put(BUCKET, "new", random_bytes(MIB)).status == 200, 30, "a put after deletions")
    server.restart()
    for at in stored[20:]:
        assert client.get(BUCKET, f"{at}").body == random_bytes(MIB, at)
    assert client.get(BUCKET, "new").body == random_bytes(MIB)
    assert "panicked" not in server.log()
    server.close()

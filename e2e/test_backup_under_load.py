"""Backups beside clients that write, beside kills, and beside rotations of keys: what a backup has to hold is there."""

import http.client
import itertools
import json
import shutil
import subprocess
import threading
import time

import pytest

from support.client import Client
from support.server import wait_until

BUCKET = "canary-loaded-bucket"
BIG = b"a canary body " * 20_000
WRITERS = 4
BACKUPS = 4
KILLS = 4
# A kill can leave the server at work on a backup that nobody waits for any more.
BUSY_S = 30

pytestmark = pytest.mark.xdist_group("heavy")


def ran(server, *arguments):
    done = server.run(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def filled(server):
    """A bucket with objects that nobody changes: their bodies by key."""
    client = Client(server)
    assert client.create_bucket(BUCKET).status == 200
    stable = {f"stable/{number}": b"stable %d" % number * 30 for number in range(60)} | {"stable/big": BIG}
    for key, body in stable.items():
        assert client.put(BUCKET, key, body).status == 200
    return stable


class Writer(threading.Thread):
    """Puts, overwrites and deletes keys of its own until the server is gone, or it is told to end.

    `events` has what each change made of a key, when it was sent and when it was acknowledged, if it was.
    """

    def __init__(self, server, number):
        super().__init__(daemon=True)
        self.client, self.number, self.events, self.ends = Client(server), number, [], threading.Event()

    def run(self):
        for at in itertools.count():
            if self.ends.is_set():
                return
            key = f"hot/{self.number}/{at % 9}"
            value = None if at % 5 == 4 else b"%d of %d" % (at, self.number) + (BIG if at % 7 == 0 else b"")
            event = [key, value, time.monotonic(), None]
            self.events.append(event)
            try:
                answer = self.client.delete(BUCKET, key) if value is None else self.client.put(BUCKET, key, value)
            except (OSError, http.client.HTTPException):
                return
            assert 200 <= answer.status < 300, answer
            event[3] = time.monotonic()


class Load:
    """Writers beside whatever is done within it."""

    def __init__(self, server):
        self.writers = [Writer(server, number) for number in range(WRITERS)]

    def __enter__(self):
        for writer in self.writers:
            writer.start()
        wait_until(lambda: all(len(writer.events) > 20 for writer in self.writers), 60, "every writer writes")
        return self

    def __exit__(self, *_):
        for writer in self.writers:
            writer.ends.set()
        for writer in self.writers:
            writer.join(60)
            assert not writer.is_alive()

    def possible(self, begin, end):
        """What each key may hold in a backup that was begun and ended at these times."""
        possible = {}
        for key, value, sent, acknowledged in (event for writer in self.writers for event in writer.events):
            if acknowledged is not None and acknowledged < begin:
                possible[key] = [value]
            elif sent <= end:
                possible.setdefault(key, [None]).append(value)
        return possible


def elsewhere(make_server, server, folder, *options):
    """A new machine with the root key, the restored metadata and the blobs that there are now."""
    other = make_server()
    shutil.copytree(server.key_file.parent, other.key_file.parent, dirs_exist_ok=True)
    ran(other, "restore", str(folder), *options)
    shutil.copytree(server.data / "blobs", other.data / "blobs")
    return other


def check(other, objects):
    """`objects` has what each key may hold."""
    client = Client(other)
    for key, values in objects.items():
        answer = client.get(BUCKET, key)
        assert (answer.body if answer.status == 200 else None) in values, (key, answer.status)


def verified(server, folder):
    """The ids of the backups in a folder, each of them verified."""
    ids = [backup["id"] for backup in ran(server, "backup", "list", str(folder))]
    for identity in ids:
        found = ran(server, "backup", "verify", str(folder), f"--id={identity}")
        assert (found["problems"], found["closed"]) == ([], [])
    return ids


def test_a_backup_beside_writers_is_the_store_at_one_moment(make_server, tmp_path):
    server = make_server().start()
    stable, folder, taken = filled(server), tmp_path / "backups", []
    with Load(server) as load:
        for _ in range(BACKUPS):
            begin = time.monotonic()
            backup = ran(server, "backup", "create", str(folder))
            taken.append((backup["id"], load, begin, time.monotonic()))
    assert verified(server, folder) == [identity for identity, *_ in taken]
    # The blobs of the last one are all there; those of earlier ones are kept for as long as garbage is.
    for identity, load, begin, end in (taken[0], taken[-1]):
        other = elsewhere(make_server, server, folder, f"--id={identity}").start()
        check(other, {key: [body] for key, body in stable.items()} | load.possible(begin, end))
        looked = ran(other, "backup", "accept", "--check")
        assert looked["missing"] == 0, looked
        other.close()


def test_what_is_missing_and_extra_of_an_old_backup_is_told_exactly(make_server, tmp_path):
    server = make_server().start()
    stable, folder, client = filled(server), tmp_path / "backups", Client(server)
    before = set(server.blob_files())
    assert client.put(BUCKET, "lost", BIG).status == 200
    (lost,) = set(server.blob_files()) - before
    ran(server, "backup", "create", str(folder))
    for number in range(3):
        assert client.put(BUCKET, f"newer/{number}", BIG).status == 200
    assert client.put(BUCKET, "stable/1", b"newer").status == 200
    lost.unlink()
    other = elsewhere(make_server, server, folder).start()
    looked = ran(other, "backup", "accept", "--check", "--names")
    assert (looked["named"], looked["missing"], looked["extra"]) == (2, 1, 3)
    (lacking,) = looked["incomplete"]
    assert (lacking["bucket"], lacking["versions"], lacking["names"]) == (BUCKET, 1, ["lost"])
    check(other, {key: [body] for key, body in stable.items()} | {f"newer/{number}": [None] for number in range(3)})


def test_a_server_that_is_killed_in_the_middle_leaves_whole_backups(make_server, tmp_path):
    server = make_server().start()
    stable, folder = filled(server), tmp_path / "backups"
    first = ran(server, "backup", "create", str(folder))["id"]
    chunks, manifests = folder / "chunks", folder / "manifests"
    for kill in range(KILLS):
        known = set(chunks.iterdir())
        with Load(server):
            backup = subprocess.Popen(
                server.command("backup", "create", str(folder), "--full"), env=server.process_environment(),
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            # Once with the first of its files, once with its manifest unfinished or there, once just after the start.
            if kill % 3 == 0:
                wait_until(lambda: set(chunks.iterdir()) - known or backup.poll() is not None, 60, "it writes")
            elif kill % 3 == 1:
                wait_until(lambda: len(list(manifests.iterdir())) > 1 or backup.poll() is not None, 60, "it ends")
            server.kill()
            backup.wait(60)
        server.start()
        ids = verified(server, folder)
        assert ids[0] == first
        check(server, {key: [body] for key, body in stable.items()})
        ran(server, "backup", "create", str(folder))
        pruned = ran(server, "backup", "prune", str(folder), "--keep=1")
        first = verified(server, folder)[0]
        assert (pruned["kept"], len(list(manifests.iterdir()))) == (1, 1)
    other = elsewhere(make_server, server, folder).start()
    check(other, {key: [body] for key, body in stable.items()})


def test_a_backup_command_that_is_killed_is_in_nobodys_way_for_long(make_server, tmp_path):
    server = make_server().start()
    filled(server)
    folder = tmp_path / "backups"
    with Load(server):
        for _ in range(KILLS):
            backup = subprocess.Popen(
                server.command("backup", "create", str(folder), "--full"), env=server.process_environment(),
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            wait_until(lambda: (folder / "chunks").exists() or backup.poll() is not None, 60, "it begins")
            backup.kill()
            backup.wait(60)
            refused = []

            def again():
                done = server.run("backup", "create", str(folder))
                if done.returncode:
                    refused.append(done.stderr)
                return done.returncode == 0

            wait_until(again, BUSY_S, "the next backup")
            assert all("is in use by another backup" in words for words in refused), refused
    assert len(verified(server, folder)) >= KILLS


def test_backups_beside_rotations_say_which_generations_they_need(make_server, tmp_path):
    server = make_server(environment={"COFFER_KEY_DESTRUCTION_DELAY_SECONDS": "0"}).start()
    stable, folder = filled(server), tmp_path / "backups"

    def backed_up():
        identity = ran(server, "backup", "create", str(folder))["id"]
        needs = ran(server, "backup", "verify", str(folder), f"--id={identity}")["needs"]
        return identity, [needed["generation"] for needed in needs]

    first, needs = backed_up()
    assert needs == [1]
    ran(server, "key", "rotate-root")
    second, needs = backed_up()
    assert needs == [2], "everything was wrapped anew"
    ran(server, "key", "rotate-bucket", BUCKET)
    third, needs = backed_up()
    assert needs == [2]
    ran(server, "key", "destroy-generation", "root", "--generation=1", "--yes")
    refused = server.run("backup", "verify", str(folder), f"--id={first}")
    assert refused.returncode != 0 and "needs generation 1 of the root key, which was destroyed" in refused.stderr
    fresh = make_server()
    shutil.copytree(server.key_file.parent, fresh.key_file.parent, dirs_exist_ok=True)
    refused = fresh.run("restore", str(folder), f"--id={first}")
    assert refused.returncode != 0 and "needs generation 1 of the root key, which was destroyed" in refused.stderr
    assert not (fresh.data / "coffer.store").exists()
    for identity in (second, third):
        other = elsewhere(make_server, server, folder, f"--id={identity}").start()
        check(other, {key: [body] for key, body in stable.items()})
        other.close()
    # Nobody knows the chunks of a backup that nobody opens: it is removed when somebody says so.
    assert server.run("backup", "prune", str(folder), "--keep=1").returncode != 0
    assert ran(server, "backup", "prune", str(folder), "--keep=2", "--drop-unreadable")["removed"] == 1
    assert verified(server, folder) == [second, third]

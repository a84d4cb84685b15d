"""The root key as shares: exported, verified, lost, recovered, and everything that can go wrong with a share."""

import json
import os
import shutil
import stat
import subprocess

import pytest

from support.client import Client
from support.server import Server, wait_until
from support.shares import exported, forged


@pytest.fixture(scope="module")
def server(make_server):
    server = make_server().start()
    client = Client(server)
    assert client.create_bucket("before").status == 200
    assert client.put("before", "key", b"x" * 300_000).status == 200
    return server


@pytest.fixture
def shares(server, tmp_path):
    return exported(server, tmp_path / "shares")


def verify(server, *files):
    return server.run("key", "verify-backup", *map(str, files))


def refused(done, *parts):
    assert done.returncode == 1 and done.stdout == "", done
    message = done.stderr.splitlines()[-1]
    assert message.startswith("coffer: ") and all(part in message for part in parts), message


def metric(server):
    text = server.admin("/metrics")[1].decode()
    return [line.split()[1] for line in text.splitlines() if line.startswith("coffer_key_backup_verified ")]


def shown(server):
    return json.loads(server.run("key", "show", "--json").stdout)


def tree(directory):
    return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in directory.rglob("*") if path.is_file()}


def test_shares_are_private_lines_that_say_what_they_are(server, shares):
    fingerprint = shown(server)["fingerprint"]
    for index, share in enumerate(shares, 1):
        assert stat.S_IMODE(share.stat().st_mode) == 0o600
        (line,) = share.read_text().splitlines()
        assert line.startswith("coffer-share-v1 set=") and f" share={index}/3 threshold=2 root={fingerprint} generation=" in line
    assert stat.S_IMODE(shares[0].parent.stat().st_mode) == 0o700


def test_shares_are_printed_where_asked_for(server):
    done = server.run("key", "export", "--shares=4", "--threshold=3", "--out=-")
    lines = done.stdout.splitlines()
    assert len(lines) == 4 and all(line.startswith("coffer-share-v1 ") for line in lines)
    assert len({line.split()[1] for line in lines}) == 1, "one set"


def test_no_share_is_overwritten(server, shares):
    before = [share.read_bytes() for share in shares]
    refused(server.run("key", "export", "--shares=3", "--threshold=2", f"--out={shares[0].parent}"), "exists already")
    assert [share.read_bytes() for share in shares] == before


@pytest.mark.parametrize("numbers", [("3", "1"), ("2", "3"), ("1", "1"), ("0", "0"), ("256", "2"), ("x", "2")])
def test_numbers_that_make_no_sense_are_refused(server, tmp_path, numbers):
    done = server.run("key", "export", f"--shares={numbers[0]}", f"--threshold={numbers[1]}", f"--out={tmp_path / 'out'}")
    assert done.returncode in (1, 2) and not (tmp_path / "out").exists()


def test_any_two_of_three_verify(server, shares):
    for pair in ((0, 1), (0, 2), (2, 1), (0, 1, 2)):
        done = verify(server, *(shares[index] for index in pair))
        assert done.returncode == 0 and "the backup opens this store" in done.stdout, done.stderr


def test_one_share_is_not_enough_even_twice(server, shares):
    refused(verify(server, shares[0]), "1 of the 2 shares that are needed", "find 1 more")
    refused(verify(server, shares[0], shares[0]), "find 1 more")


def test_shares_of_two_exports_do_not_mix(server, shares, tmp_path):
    others = exported(server, tmp_path / "others")
    refused(verify(server, shares[0], others[1]), "do not belong together")


def test_a_cut_or_mistyped_share_is_named(server, shares):
    line = shares[1].read_text()
    for damaged in (line[:-5], line[:200], line.replace("A", "B", 1), line.replace("share=2/3", "share=3/3"), ""):
        shares[1].write_text(damaged)
        done = verify(server, shares[0], shares[1])
        assert done.returncode == 1 and done.stderr.startswith("coffer: "), done.stderr
        if damaged:
            assert "line 3" in done.stderr, done.stderr


def test_a_forged_share_gives_no_key(server, shares, tmp_path):
    shares[1].write_text(forged(shares[1].read_text()))
    refused(verify(server, shares[0], shares[1]), "at least one of them is forged")
    target = tmp_path / "new" / "root.key"
    refused(server.run("key", "recover", *map(str, shares[:2]), key_file=target), "forged")
    assert not target.parent.exists()


def test_shares_on_the_command_line_are_refused(server, shares):
    refused(verify(server, shares[0].read_text().strip()), "do not belong on a command line")


def test_what_is_no_share_is_refused(server, tmp_path):
    for content in (b"", b"hello\n", b"\xff\xfe", server.key_file.read_bytes(), bytes(100_000)):
        (tmp_path / "file").write_bytes(content)
        assert verify(server, tmp_path / "file").returncode == 1
    assert verify(server, tmp_path / "missing").returncode == 1


def test_shares_of_another_store_do_not_verify(server, make_server, tmp_path):
    other = make_server().start()
    refused(verify(server, *exported(other, tmp_path / "shares")[:2]), "does not open the store")
    other.close()


def test_a_copy_of_the_key_files_verifies_and_the_key_file_itself_does_not(server, tmp_path):
    for name in ("root.key", "root.key.keyring"):
        shutil.copy(server.config / name, tmp_path)
    assert server.run("key", "verify-backup", f"--copy={tmp_path / 'root.key'}").returncode == 0
    refused(server.run("key", "verify-backup", f"--copy={server.key_file}"), "no copy")
    (tmp_path / "root.key").chmod(0o644)
    refused(server.run("key", "verify-backup", f"--copy={tmp_path / 'root.key'}"), "chmod 600")


def test_the_warning_lasts_until_a_backup_of_this_generation_is_verified(make_server, tmp_path):
    server = make_server().start()
    assert "no backup of it was verified yet" in server.log() and "WARN" not in server.log()
    wait_until(lambda: metric(server) == ["0"], 20, "the metric says that there is none")
    server.restart()
    assert "WARN coffer::serve: no backup of the root key was verified" in server.log()
    assert shown(server)["backup_verified"] is False
    first = exported(server, tmp_path / "first")
    assert verify(server, *first[:2]).returncode == 0
    assert shown(server)["backup_verified"] is True
    wait_until(lambda: metric(server) == ["1"], 20, "the metric says that there is one")
    # A rotation makes it useless.
    assert server.run("key", "rotate-root").returncode == 0
    assert shown(server)["backup_verified"] is False
    refused(verify(server, *first[:2]), "does not open")
    assert verify(server, *exported(server, tmp_path / "second")[1:]).returncode == 0
    assert shown(server)["backup_verified"] is True
    server.stop()
    assert shown(server)["backup_verified"] is True, "without a server, too"
    server.close()


def test_a_store_is_opened_on_a_new_machine_with_two_of_three_shares(make_server, tmp_path):
    server = make_server().start()
    client = Client(server)
    client.create_bucket("bucket")
    client.put("bucket", "old", b"old" * 50_000)
    assert server.run("key", "rotate-root").returncode == 0
    client.put("bucket", "new", b"new" * 50_000)
    shares = exported(server, tmp_path / "shares")
    assert verify(server, shares[0], shares[2]).returncode == 0
    server.stop()

    there = Server(tmp_path / "there")
    shutil.copytree(server.data, there.data)
    shutil.rmtree(server.directory)
    refused(there.run("key", "show"), "is missing")
    typed = shares[2].read_text() + shares[1].read_text()

    done = subprocess.run(there.command("key", "recover", "-"), env=there.process_environment(), cwd=there.directory, input=typed,
                          capture_output=True, text=True, timeout=30)
    assert done.returncode == 0 and "it opens the metadata of the store" in done.stdout, done.stderr
    for name in ("root.key", "root.key.keyring"):
        assert stat.S_IMODE((there.config / name).stat().st_mode) == 0o600
    there.start()
    client = Client(there)
    assert client.get("bucket", "old").body == b"old" * 50_000
    assert client.get("bucket", "new").body == b"new" * 50_000
    assert shown(there)["backup_verified"] is True
    there.close()


def test_recovery_overwrites_nothing(server, shares):
    before = tree(server.config)
    refused(server.run("key", "recover", *map(str, shares[:2])), "exists already and is not overwritten")
    assert tree(server.config) == before


def test_an_export_is_in_the_audit_log(server, shares):
    assert "coffer:ExportRootKey" in server.run("audit", "show").stdout
    assert f"operator uid {os.getuid()}" in server.run("audit", "show").stdout


def wrong_key(server, replace):
    """Starts the server after `replace` has changed its keys, and returns why it does not start."""
    files = {name: (server.config / name).read_bytes() for name in ("root.key", "root.key.keyring")}
    replace()
    before = {path: value for path, value in tree(server.data).items()}
    done = server.run("serve")
    assert done.returncode == 1 and done.stdout == "", done
    assert tree(server.data) == before, "bytes and times of the data are what they were"
    for name, content in files.items():
        (server.config / name).write_bytes(content)
        (server.config / name).chmod(0o600)
    assert server.start().stop() == 0
    return done.stderr


def test_a_start_with_a_wrong_key_touches_nothing(make_server, tmp_path):
    server, other = make_server().start(), make_server().start()
    first = {name: (server.config / name).read_bytes() for name in ("root.key", "root.key.keyring")}
    assert server.run("key", "rotate-root").returncode == 0
    server.stop()
    other.stop()

    def both_of_another_store():
        for name in first:
            shutil.copy(other.config / name, server.config)

    def keyring_of_another_store():
        shutil.copy(other.config / "root.key.keyring", server.config)

    def older_generation():
        for name, content in first.items():
            (server.config / name).write_bytes(content)

    def key_file_gone():
        (server.config / "root.key").unlink()

    def keyring_gone():
        (server.config / "root.key.keyring").unlink()

    assert "sealed with" in wrong_key(server, both_of_another_store)
    assert "does not open the keyring" in wrong_key(server, keyring_of_another_store)
    assert "sealed with" in wrong_key(server, older_generation)
    assert "is missing" in wrong_key(server, key_file_gone)
    assert "is missing" in wrong_key(server, keyring_gone)

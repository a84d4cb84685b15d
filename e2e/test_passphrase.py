"""A keyring under a passphrase, and keys that systemd hands to the service as credentials."""

import json
import os
import pty
import random
import select
import shutil
import signal
import stat
import subprocess
import time

import pytest

from support.client import Client
from support.server import STOP_TIMEOUT_S, Server, wait_until
from support.shares import exported

OLD, NEW = "correct horse battery staple", "another line of fourteen bytes"


def write(path, text, mode=0o600):
    path.write_text(text)
    path.chmod(mode)
    return path


def refused(done, *parts):
    assert done.returncode == 1 and done.stdout == "", done
    message = done.stderr.splitlines()[-1]
    assert message.startswith("coffer: ") and all(part in message for part in parts), message
    assert OLD not in done.stderr and NEW not in done.stderr


def tree(*directories):
    files = (path for directory in directories for path in directory.rglob("*") if path.is_file())
    return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


def key_files(server):
    return sorted(path.name for path in server.config.iterdir() if path.is_file() and path.name.startswith("root.key"))


def filled(server):
    client = Client(server)
    assert client.create_bucket("bucket").status == 200
    assert client.put("bucket", "key", b"x" * 100_000).status == 200
    return server


def reads(server):
    return Client(server).get("bucket", "key").body == b"x" * 100_000


@pytest.fixture
def under(make_server, tmp_path):
    """A stopped server whose keyring is under OLD, which is in its passphrase file."""
    server = filled(make_server().start())
    server.passphrase = write(tmp_path / "passphrase", OLD + "\n")
    done = server.run("key", "passphrase", "set", "--new-passphrase-file", str(server.passphrase))
    assert done.returncode == 0, done.stderr
    server.stop()
    server.environment["COFFER_PASSPHRASE_FILE"] = str(server.passphrase)
    yield server
    server.close()


def change(server, what="change", text=NEW, **environment):
    new = write(server.directory / "new-passphrase", text)
    server.environment |= environment
    return server.run("key", "passphrase", what, "--new-passphrase-file", str(new))


def test_a_passphrase_takes_the_place_of_the_key_file(under):
    assert key_files(under) == ["root.key.keyring"]
    under.environment["COFFER_KEY_DESTRUCTION_DELAY_SECONDS"] = "0"
    under.start()
    assert reads(under)
    assert "root.key.keyring, under a passphrase" in under.log()
    assert "coffer:ChangePassphrase" in under.run("audit", "show").stdout
    assert under.run("key", "rotate-root").returncode == 0
    assert under.run("key", "destroy-generation", "root", "--generation=1", "--after=0s", "--yes").returncode == 0
    under.restart()
    assert reads(under)
    shown = json.loads(under.run("key", "show", "--json").stdout)
    assert [each["state"] for each in shown["generations"]] == ["destroyed", "active"]
    assert OLD.encode() not in b"".join(content for content, _ in tree(under.data, under.config).values())
    assert OLD not in under.log()


def test_a_new_store_is_under_the_passphrase_from_the_first(make_server, tmp_path):
    passphrase = write(tmp_path / "passphrase", OLD)
    server = filled(make_server(environment={"COFFER_PASSPHRASE_FILE": str(passphrase)}).start())
    assert key_files(server) == ["root.key.keyring"]
    assert "Back up this file and its passphrase" in server.log()
    server.restart()
    assert reads(server)
    server.close()


@pytest.mark.parametrize("content, mode, why", [
    (NEW, 0o600, "the passphrase does not open the keyring"), (OLD + " ", 0o600, "the passphrase does not open the keyring"),
    ("short", 0o600, "at least 14 bytes"), ("", 0o600, "at least 14 bytes"), (OLD + "\nand more", 0o600, "one line"),
    (OLD, 0o640, "chmod 600"), (None, None, "passphrase is missing")])
def test_a_wrong_passphrase_is_refused_and_nothing_is_touched(under, content, mode, why):
    under.passphrase.unlink()
    if content is not None:
        write(under.passphrase, content, mode)
    before = tree(under.data, under.config)
    for command in (["serve"], ["key", "show"], ["key", "passphrase", "remove"], ["key", "export", "--shares=3", "--threshold=2", "--out=-"]):
        refused(under.run(*command), why)
    assert tree(under.data, under.config) == before


def test_without_a_passphrase_and_a_terminal_the_setting_is_named(under):
    del under.environment["COFFER_PASSPHRASE_FILE"]
    done = subprocess.run(under.command("serve"), env=under.process_environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30)
    refused(done, "`passphrase_file`")


def test_a_passphrase_for_a_keyring_that_is_under_none_is_refused(make_server, tmp_path):
    server = filled(make_server().start())
    server.stop()
    server.environment["COFFER_PASSPHRASE_FILE"] = str(write(tmp_path / "passphrase", OLD))
    refused(server.run("serve"), "not under a passphrase", "coffer key passphrase set")
    assert change(server, "set", OLD).returncode == 0
    server.start()
    assert reads(server)
    server.close()


def test_it_is_changed_and_removed_beside_a_running_server(under):
    under.start()
    done = change(under)
    assert done.returncode == 0 and "has to be started again" in done.stdout, done.stderr
    assert reads(under), "the server goes on"
    before = tree(under.config)
    done = under.run("key", "rotate-root")
    assert done.returncode == 1 and "does not open the keyring" in done.stderr, done
    assert tree(under.config) == before, "and does not bring the former passphrase back"
    write(under.passphrase, NEW)
    assert under.run("key", "rotate-root").returncode == 0
    under.restart()
    assert reads(under)
    done = under.run("key", "passphrase", "remove")
    assert done.returncode == 0 and "take `passphrase_file` out" in done.stdout, done.stderr
    assert key_files(under) == ["root.key", "root.key.keyring"]
    assert stat.S_IMODE(under.key_file.stat().st_mode) == 0o600
    del under.environment["COFFER_PASSPHRASE_FILE"]
    under.restart()
    assert reads(under)


def test_what_does_not_fit_is_refused_and_changes_nothing(under, make_server):
    before = tree(under.config)
    refused(change(under, "set"), "under a passphrase already")
    refused(change(under, text="short"), "at least 14 bytes")
    refused(change(under, text="two lines that\nare none"), "one line")
    refused(under.run("key", "passphrase", "change", "--new-passphrase-file=/missing"), "cannot be read")
    assert under.run("key", "passphrase", "change", NEW).returncode == 2, "not on the command line"
    under.key_file.write_text("somebody's")
    refused(under.run("key", "passphrase", "remove"), "exists already and is not overwritten")
    under.key_file.unlink()
    assert tree(under.config) == before
    plain = make_server().start()
    for what in ("change", "remove"):
        refused(plain.run("key", "passphrase", what), "not under a passphrase")
    plain.close()


def test_shares_and_copies_back_it_up(under, tmp_path):
    under.start()
    shares = exported(under, tmp_path / "shares")
    assert under.run("key", "verify-backup", *map(str, shares[:2])).returncode == 0
    shutil.copy(under.config / "root.key.keyring", tmp_path)
    done = under.run("key", "verify-backup", f"--copy={tmp_path / 'root.key'}")
    assert done.returncode == 0, done.stderr
    refused(under.run("key", "verify-backup", f"--copy={under.key_file}"), "no copy")
    under.stop()

    there = Server(tmp_path / "there", environment={"COFFER_PASSPHRASE_FILE": str(write(tmp_path / "other", NEW))})
    shutil.copytree(under.data, there.data)
    done = there.run("key", "recover", *map(str, shares[1:]))
    assert done.returncode == 0 and "root.key.keyring" in done.stdout, done.stderr
    assert key_files(there) == ["root.key.keyring"], "under the passphrase of the new machine"
    assert reads(there.start())
    there.close()


def test_a_change_that_is_killed_leaves_the_old_passphrase_or_the_new_one(under):
    """And never a keyring that neither opens, or a store that lost a generation."""
    rounds, randomness = 12, random.Random(5)
    texts = [OLD, NEW]
    for _ in range(rounds):
        write(under.directory / "new-passphrase", texts[1])
        changing = subprocess.Popen(
            under.command("key", "passphrase", "change", "--new-passphrase-file", str(under.directory / "new-passphrase")),
            env=under.process_environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            changing.wait(randomness.uniform(0.2, 3))
        except subprocess.TimeoutExpired:
            changing.kill()
            changing.wait()
        opened = []
        for text in texts:
            write(under.passphrase, text)
            if under.run("key", "show").returncode == 0:
                opened.append(text)
        assert len(opened) == 1, opened
        texts = sorted(texts, key=lambda text: text != opened[0])
        write(under.passphrase, texts[0])
    under.start()
    assert reads(under)


class Terminal:
    """A process that has a terminal, on which somebody types."""

    def __init__(self, server, *arguments):
        self.main, theirs = pty.openpty()
        self.shown = b""
        self.process = subprocess.Popen(
            server.command(*arguments), env=server.process_environment(), stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
        os.close(theirs)

    def _read(self):
        if select.select([self.main], [], [], 0)[0]:
            try:
                self.shown += os.read(self.main, 65536)
            except OSError:
                pass
        return self.shown

    def answer(self, question, typed):
        wait_until(lambda: question in self._read(), 60, question)
        self.shown = b""
        os.write(self.main, typed)

    def end(self):
        wait_until(lambda: [self._read(), self.process.poll()][1] is not None, STOP_TIMEOUT_S, "the process ends")
        os.close(self.main)
        return self.process.returncode


def test_a_person_is_asked_at_the_terminal_and_nothing_typed_is_shown(make_server):
    server = filled(make_server().start())
    server.stop()
    terminal = Terminal(server, "key", "passphrase", "set")
    terminal.answer(b"New passphrase: ", f"wrong\x15{OLD}\n".encode())
    terminal.answer(b"Once more: ", OLD[:-1].encode() + b"x\x7fe\n")
    assert terminal.end() == 0
    assert b"is under the passphrase" in terminal.shown and OLD.encode() not in terminal.shown
    assert key_files(server) == ["root.key.keyring"]

    terminal = Terminal(server, "serve")
    terminal.answer(b"Passphrase of ", OLD.encode() + b"\r")
    wait_until(lambda: b"is ready" in terminal._read(), 60, "the server is ready")
    assert reads(server)
    done = server.run("key", "rotate-root")
    assert done.returncode == 0, "the server knows the passphrase still"
    terminal.process.send_signal(signal.SIGTERM)
    assert terminal.end() == 0 and OLD.encode() not in terminal.shown

    before = tree(server.data, server.config)
    for typed, why in ((NEW.encode() + b"\n", b"does not open the keyring"), (b"short\n", b"at least 14 bytes"), (b"\x03", b"passphrase")):
        terminal = Terminal(server, "serve")
        terminal.answer(b"Passphrase of ", typed)
        assert terminal.end() == 1 and why in terminal.shown, terminal.shown
    assert tree(server.data, server.config) == before

    terminal = Terminal(server, "key", "passphrase", "change")
    terminal.answer(b"Passphrase of ", OLD.encode() + b"\n")
    terminal.answer(b"New passphrase: ", NEW.encode() + b"\n")
    terminal.answer(b"Once more: ", OLD.encode() + b"\n")
    assert terminal.end() == 1 and b"two passphrases" in terminal.shown
    assert tree(server.config) == {path: value for path, value in before.items() if path.startswith(str(server.config))}


@pytest.fixture
def service(make_server, tmp_path):
    """A server that systemd would run: its key file is a credential, its keyring elsewhere."""
    made = make_server().start()
    made.stop()
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    write(credentials / "coffer-root", made.key_file.read_text(), 0o440)
    write(credentials / "coffer-passphrase", OLD, 0o400)
    credentials.chmod(0o550)
    server = make_server(environment={"CREDENTIALS_DIRECTORY": str(credentials)})
    server.environment["COFFER_KEYRING_FILE"] = str(server.config / "keyring")
    server.key_file = "credential:coffer-root"
    server.credentials_folder = credentials
    yield server
    server.close()
    credentials.chmod(0o700)


def test_the_key_file_may_be_a_credential(service):
    before = tree(service.credentials_folder)
    filled(service.start())
    assert service.run("key", "rotate-root").returncode == 0
    service.restart()
    assert reads(service) and sorted(path.name for path in service.config.iterdir()) == ["keyring", "tls"]
    assert f'key_file = "{service.credentials_folder}/coffer-root"' in service.run("config", "show").stdout
    # As `%d/coffer-root` in a unit comes out.
    service.key_file = service.credentials_folder / "coffer-root"
    service.restart()
    assert reads(service)
    assert tree(service.credentials_folder) == before
    service.stop()
    # What is no credential is held to the stricter rule.
    del service.environment["CREDENTIALS_DIRECTORY"]
    refused(service.run("serve"), "chmod 600")
    service.key_file = "credential:coffer-root"
    refused(service.run("serve"), "LoadCredential")


def test_the_passphrase_may_be_a_credential(service):
    service.environment["COFFER_PASSPHRASE_FILE"] = "credential:coffer-passphrase"
    service.key_file = service.config / "root.key"
    filled(service.start())
    service.restart()
    assert reads(service) and not service.key_file.exists()


@pytest.mark.parametrize("name", ["", "..", "a/b", "missing"])
def test_what_is_no_credential_is_refused(service, name):
    service.key_file = f"credential:{name}"
    refused(service.run("serve"), "credential" if name != "missing" else "missing")


def test_a_lost_keyring_is_not_made_anew_over_data(service):
    filled(service.start())
    service.stop()
    (service.config / "keyring").rename(service.config / "elsewhere")
    before = tree(service.data)
    refused(service.run("serve"), "keyring", "is missing")
    assert tree(service.data) == before and not (service.config / "keyring").exists()


def test_secrets_must_lie_outside_of_the_data(service):
    service.environment["COFFER_KEYRING_FILE"] = str(service.data / "keyring")
    refused(service.run("serve"), "must lie outside the data directory")
    service.environment["COFFER_KEYRING_FILE"] = str(service.config / "keyring")
    service.environment["COFFER_PASSPHRASE_FILE"] = str(service.data / "passphrase")
    refused(service.run("serve"), "must lie outside the data directory")

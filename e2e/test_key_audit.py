"""The audit log of keys: an independent verifier accepts what the server wrote, and finds what somebody changed."""

import json
import re
import shutil

import audit_log
import cbor
import pytest
from audit_log import Checkpoint, NotIntact

from support.client import Client
from support.sealed_store import SealedStore
from support.server import wait_until


@pytest.fixture
def stopped(make_server):
    """A server that was started twice, and made a bucket each time."""
    server = make_server()
    for round in range(2):
        server.start()
        client = Client(server)
        assert client.create_bucket(f"canary-bucket-{round}").status == 200
        assert client.put(f"canary-bucket-{round}", "canary-key", b"body").status == 200
        server.stop()
    return server


def opened(server):
    """The keys of entries and the public keys, by generation; the id of the store; the checkpoint that was kept."""
    store = SealedStore(server)
    fields = cbor.decode((server.data / "coffer.store").read_bytes()[8:])
    record = store.open_row(store.system_keys, b"audit", b"Hcheckpoint", store.rows[b"Hcheckpoint"])
    return *store.audit_keys(), fields[0], Checkpoint(record[0], record[1])


def intact(server):
    found = re.search(rb"^coffer_key_audit_intact (\d)$", server.admin("/metrics")[1], re.MULTILINE)
    return found and int(found.group(1))


def test_what_the_server_wrote_verifies_elsewhere(stopped):
    entry_keys, public_keys, store_id, _ = opened(stopped)
    log = audit_log.verify(stopped.data / "audit", store_id, public_keys)
    assert log.signed == log.end
    entries = [cbor.decode(entry) for entry in audit_log.open_entries(log, entry_keys)]
    actions = [entry[1] for entry in entries]
    assert actions.count("coffer:OpenStore") == 2
    assert actions.count("coffer:WrapKey") == 2, "one for the key of each bucket"
    for entry in [entry for entry in entries if entry[1] == "coffer:WrapKey"]:
        assert re.fullmatch("root-key/[0-9a-f]{32}:1", entry[2])
        assert (entry[3], entry[4]) == ("coffer", "Done")
        assert dict(entry[6])["wrapped"].startswith("bucket-key/")


def test_the_last_checkpoint_is_among_the_rows(stopped):
    _, key, store_id, kept = opened(stopped)
    folder = stopped.data / "audit"
    log = audit_log.verify(folder, store_id, key, [kept])
    # Opening the store to look at it was noted as well.
    assert 0 < kept.number <= log.end.number
    (path,) = folder.glob("*.log")
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:3]))
    audit_log.verify(folder, store_id, key)
    with pytest.raises(NotIntact):
        audit_log.verify(folder, store_id, key, [kept])


def test_a_log_whose_end_is_missing_is_noticed_by_the_server(stopped):
    (path,) = (stopped.data / "audit").glob("*.log")
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:3]))
    stopped.start()
    wait_until(lambda: intact(stopped) == 0, 30, "the log was looked at")
    assert "is not what was written" in stopped.log()


def test_a_log_that_was_changed_keeps_the_server_from_starting(stopped):
    (path,) = (stopped.data / "audit").glob("*.log")
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:1] + lines[2:]))
    refused = stopped.run("serve")
    assert refused.returncode != 0 and "audit log of keys" in refused.stderr and "moved" in refused.stderr
    shutil.move(stopped.data / "audit", stopped.directory / "evidence")
    stopped.start()
    wait_until(lambda: intact(stopped) == 0, 30, "the log was looked at")


def test_an_untouched_log_is_intact(stopped):
    stopped.start()
    wait_until(lambda: intact(stopped) == 1, 30, "the log was looked at")


def test_an_operator_reads_and_verifies_it_while_the_server_runs(stopped):
    server = stopped.start()
    shown = json.loads(server.run("audit", "show", "--json").stdout)
    assert [entry["number"] for entry in shown] == list(range(1, len(shown) + 1))
    assert "bucket-key/" in next(entry for entry in shown if entry["action"] == "coffer:WrapKey")["details"]["wrapped"]
    assert server.run("audit", "show", "--from=2", "--count=1").stdout.startswith("2  ")
    verified = json.loads(server.run("audit", "verify", "--json").stdout)
    again = server.run("audit", "verify", f"--checkpoint={verified['checkpoint']}")
    assert again.returncode == 0 and again.stdout.startswith("intact: ")
    other = verified["checkpoint"][:-1] + ("0" if verified["checkpoint"][-1] != "0" else "1")
    refused = server.run("audit", "verify", f"--checkpoint={other}")
    assert refused.returncode != 0 and "does not have the checkpoint" in refused.stderr
    assert server.run("audit", "verify", "--checkpoint=x").returncode != 0
    log = audit_log.verify(server.data / "audit", bytes.fromhex(verified["store"]), {1: bytes.fromhex(verified["public_key"])})
    assert log.end.number >= verified["entries"]


def test_it_can_be_verified_without_a_server(stopped):
    assert stopped.run("audit", "verify").stdout.startswith("intact: ")
    (path,) = (stopped.data / "audit").glob("*.log")
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:3]))
    refused = stopped.run("audit", "verify")
    assert refused.returncode != 0 and "does not have the checkpoint" in refused.stderr

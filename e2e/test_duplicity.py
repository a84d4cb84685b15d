"""duplicity: chains of encrypted backups in a bucket."""

import pytest

from support.sse import expect_sse_s3
from support.tools import Tool, hashes, make_tree


@pytest.fixture
def duplicity(server, tmp_path):
    return Tool("duplicity", server, tmp_path, {"PASSPHRASE": "a passphrase of the tests"})


@pytest.fixture
def target(server, bucket):
    """The options that name the server, and the folder of a bucket that backups go to."""
    return [f"--s3-endpoint-url={server.tls_url}", f"--s3-region-name={server.credentials.region}",
            f"boto3+s3://{bucket}/machines/one"]


@pytest.fixture
def tree(tmp_path, random_bytes):
    directory = tmp_path / "tree"
    directory.mkdir()
    make_tree(directory, random_bytes)
    (directory / "large").write_bytes(random_bytes(12 << 20))
    return directory


def test_full_incremental_restore(duplicity, target, bucket, client, tmp_path, tree):
    duplicity.run("full", "--volsize=10", "tree", *target)
    first = hashes(tree)
    (tree / "one").unlink()
    (tree / "page.bin").write_bytes(b"changed")
    duplicity.run("incremental", "tree", *target)
    verified = duplicity.run("verify", "--compare-data", *reversed(target), "tree")
    assert "0 differences found" in verified, verified
    duplicity.run("restore", *reversed(target), "back")
    assert hashes(tmp_path / "back") == hashes(tree) != first
    status = duplicity.run("collection-status", *target)
    assert "Number of contained backup sets: 2" in status, status
    volumes = [key for key in client.keys(bucket) if ".difftar" in key]
    assert len(volumes) >= 3
    expect_sse_s3(client.head(bucket, volumes[0]))


def test_another_machine_restores_and_old_chains_are_removed(duplicity, target, bucket, client, server, tmp_path, tree):
    duplicity.run("full", "tree", *target)
    old = set(client.keys(bucket))
    (tree / "page.bin").write_bytes(b"changed")
    duplicity.run("full", "tree", *target)
    duplicity.run("remove-all-but-n-full", "1", "--force", *target)
    assert old.isdisjoint(client.keys(bucket))
    (tmp_path / "elsewhere").mkdir()
    elsewhere = Tool("duplicity", server, tmp_path / "elsewhere", {"PASSPHRASE": "a passphrase of the tests"})
    elsewhere.run("restore", *reversed(target), "back")
    assert hashes(tmp_path / "elsewhere/back") == hashes(tree)


def test_a_bucket_that_does_not_exist_is_said(duplicity, target, tree):
    failed = duplicity.attempt("full", "tree", *target[:-1], "boto3+s3://no-such-bucket/machines/one", "--num-retries=1")
    assert failed.returncode != 0 and "no-such-bucket" in failed.stdout and "does not exist" in failed.stdout, failed.stdout

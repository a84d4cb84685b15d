"""restic: a repository in a bucket, and one that Object Lock keeps from whoever holds the backup machine's keys."""

import json
import shutil

import pytest

from support.tools import Tool, hashes, make_tree


@pytest.fixture
def restic(server, tmp_path):
    def of(bucket):
        return Tool("restic", server, tmp_path, {
            "RESTIC_REPOSITORY": f"s3:{server.tls_url}/{bucket}/backups", "RESTIC_PASSWORD": "a password of the tests",
            "RESTIC_PROGRESS_FPS": "0.01",
        }, ["--cacert", server.ca_file, "--no-cache"])

    return of


@pytest.fixture
def tree(tmp_path, random_bytes):
    directory = tmp_path / "tree"
    directory.mkdir()
    make_tree(directory, random_bytes)
    (directory / "large").write_bytes(random_bytes(20 << 20))
    return directory


def snapshots(restic):
    """The IDs of the snapshots, from the oldest to the newest."""
    return [snapshot["short_id"] for snapshot in json.loads(restic.run("--quiet", "snapshots", "--json"))]


def test_backup_check_restore_forget_prune(restic, bucket, client, tmp_path, tree):
    restic = restic(bucket)
    restic.run("init")
    restic.run("backup", "tree")
    first = hashes(tree)
    (tree / "one").unlink()
    (tree / "page.bin").write_bytes(b"changed")
    restic.run("backup", "tree")
    assert "no errors were found" in restic.run("check", "--read-data")
    old, new = snapshots(restic)
    restic.run("restore", old, "--target", "old")
    assert hashes(tmp_path / "old/tree") == first
    packs = len(client.keys(bucket))
    restic.run("forget", "--keep-last", "1", "--prune")
    assert snapshots(restic) == [new]
    assert len(client.keys(bucket)) < packs
    assert "no errors were found" in restic.run("check", "--read-data")
    restic.run("restore", "latest", "--target", "new")
    assert hashes(tmp_path / "new/tree") == hashes(tree)


def test_what_was_uploaded_last_is_found_after_an_interrupted_backup(restic, bucket, client, tmp_path, tree):
    """A repository whose index is lost is made whole from its packs."""
    restic = restic(bucket)
    restic.run("init")
    restic.run("backup", "tree")
    for key in client.keys(bucket):
        if key.startswith("backups/index/"):
            assert client.delete(bucket, key).status == 204
    assert restic.attempt("check").returncode != 0
    restic.run("rebuild-index")
    assert "no errors were found" in restic.run("check", "--read-data")
    restic.run("restore", "latest", "--target", "back")
    assert hashes(tmp_path / "back/tree") == hashes(tree)


@pytest.fixture
def locked_bucket(s3, bucket):
    """A bucket whose objects nobody can remove for a day."""
    name = f"{bucket}-locked"
    s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    s3.put_object_lock_configuration(Bucket=name, ObjectLockConfiguration={
        "ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 1}}})
    return name


def versions(s3, bucket):
    """Versions and delete markers: (key, version ID) of each."""
    listed = list(s3.get_paginator("list_object_versions").paginate(Bucket=bucket))
    return tuple([(each["Key"], each["VersionId"]) for page in listed for each in page.get(kind, [])]
                 for kind in ("Versions", "DeleteMarkers"))


def test_what_is_locked_survives_whoever_has_the_keys(restic, locked_bucket, s3, tmp_path, tree):
    bucket = locked_bucket
    restic = restic(bucket)
    restic.run("init")
    restic.run("backup", "tree")
    saved = hashes(tree)
    (ransomed,) = snapshots(restic)
    before, _ = versions(s3, bucket)

    # All that the keys of the backup machine can do: forget, prune, and then delete what is left, version by version.
    shutil.rmtree(tree)
    tree.mkdir()
    (tree / "note").write_text("pay")
    restic.run("backup", "tree")
    restic.run("forget", ransomed, "--prune")
    assert ransomed not in snapshots(restic)
    everything = [{"Key": key, "VersionId": version} for key, version in before]
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": everything}, BypassGovernanceRetention=True)
    assert "Deleted" not in answer
    assert {error["Code"] for error in answer["Errors"]} == {"AccessDenied"}
    for key in {key for key, _ in before}:
        s3.delete_object(Bucket=bucket, Key=key)
    assert restic.attempt("snapshots").returncode != 0

    # Nothing is gone: what hides it is taken away.
    after, markers = versions(s3, bucket)
    assert set(before) <= set(after)
    hidden = {key for key, _ in before}
    s3.delete_objects(Bucket=bucket, Delete={"Objects": [
        {"Key": key, "VersionId": version} for key, version in markers if key in hidden and "/locks/" not in key]})
    restic.run("restore", ransomed, "--target", "back")
    assert hashes(tmp_path / "back/tree") == saved

"""rclone: plain and with customer keys; it compares hashes by itself, and `check` does so again."""

import pytest

from support.clients import Rclone
from support.sse import KEY_A, SSE, SSE_KMS_KEY, expect_customer_key, expect_sse_s3
from support.tools import Tool, hashes, make_tree, sha256_of_file

MIB = 1 << 20


@pytest.fixture
def rclone(server, tmp_path):
    remotes = {}
    for name in ("PLAIN", "SEALED"):
        remotes |= {f"RCLONE_CONFIG_{name}_{option}": value for option, value in {
            "TYPE": "s3", "PROVIDER": "Other", "REGION": server.credentials.region, "ENDPOINT": server.tls_url,
            "ACCESS_KEY_ID": server.credentials.access_key, "SECRET_ACCESS_KEY": server.credentials.secret_key,
            "CHUNK_SIZE": "5Mi", "UPLOAD_CUTOFF": "10Mi",
        }.items()}
    remotes |= {"RCLONE_CONFIG_SEALED_SSE_CUSTOMER_ALGORITHM": "AES256", "RCLONE_CONFIG_SEALED_SSE_CUSTOMER_KEY_BASE64": KEY_A.base64}
    return Tool("rclone", server, tmp_path, remotes,
                ["--config", "/dev/null", "--ca-cert", server.ca_file, "--retries", "1", "--low-level-retries", "1", "--no-update-modtime"])


@pytest.fixture
def tree(tmp_path, random_bytes):
    directory = tmp_path / "tree"
    directory.mkdir()
    make_tree(directory, random_bytes)
    (directory / "large").write_bytes(random_bytes(23 * MIB))
    return hashes(directory)


@pytest.mark.parametrize("remote", ["plain", "sealed"])
def test_round_trip_of_a_tree(rclone, bucket, client, tmp_path, tree, remote):
    rclone.run("copy", "tree", f"{remote}:{bucket}/tree")
    headers = KEY_A.headers() if remote == "sealed" else {}
    expect = expect_sse_s3 if remote == "plain" else lambda answer: expect_customer_key(answer, KEY_A)
    expect(client.head(bucket, "tree/one", headers))
    expect(client.head(bucket, "tree/large", headers))
    rclone.run("check", "tree", f"{remote}:{bucket}/tree")
    rclone.run("check", "--download", "tree", f"{remote}:{bucket}/tree")
    rclone.run("copy", f"{remote}:{bucket}/tree", "back")
    assert hashes(tmp_path / "back") == tree


@pytest.mark.parametrize("remote", ["plain", "sealed"])
def test_sync_changes_only_what_changed(rclone, bucket, client, tmp_path, tree, remote):
    rclone.run("sync", "tree", f"{remote}:{bucket}/tree")
    (tmp_path / "tree/one").unlink()
    (tmp_path / "tree/page.bin").write_bytes(b"changed")
    rclone.run("sync", "tree", f"{remote}:{bucket}/tree")
    rclone.run("check", "--download", "tree", f"{remote}:{bucket}/tree")
    assert "tree/one" not in client.keys(bucket)


@pytest.mark.parametrize("remote", ["plain", "sealed"])
def test_server_side_copy_and_move(rclone, bucket, client, tmp_path, tree, remote):
    rclone.run("copyto", "tree/page.bin", f"{remote}:{bucket}/one")
    rclone.run("copyto", f"{remote}:{bucket}/one", f"{remote}:{bucket}/two")
    rclone.run("moveto", f"{remote}:{bucket}/one", f"{remote}:{bucket}/three")
    assert client.keys(bucket) == ["three", "two"]
    rclone.run("copyto", f"{remote}:{bucket}/two", "back")
    assert sha256_of_file(tmp_path / "back") == tree["page.bin"]


def test_without_the_key_nothing_is_read(rclone, bucket, tmp_path, tree):
    rclone.run("copyto", "tree/page.bin", f"sealed:{bucket}/object")
    assert rclone.attempt("copyto", f"plain:{bucket}/object", "never").returncode != 0
    assert not (tmp_path / "never").exists()


def test_list_size_and_purge(rclone, bucket, client, tree):
    rclone.run("copy", "tree", f"plain:{bucket}/tree")
    assert "Total objects: 7" in rclone.run("size", f"plain:{bucket}/tree")
    assert "large" in rclone.run("lsf", f"plain:{bucket}/tree")
    rclone.run("purge", f"plain:{bucket}/tree")
    assert client.keys(bucket) == []


def test_server_side_sync_between_buckets(rclone, new_bucket, client, tree):
    """Copies by the server only, the large ones part by part; `check` compares them without a download."""
    source, target = new_bucket(), new_bucket()
    rclone.run("copy", "tree", f"plain:{source}/tree")
    copied = rclone.run("sync", "-vv", "--s3-copy-cutoff", "10Mi", f"plain:{source}", f"plain:{target}")
    assert "Copied (server-side copy)" in copied and "Copied (new)" not in copied, copied
    rclone.run("check", f"plain:{source}", f"plain:{target}")
    rclone.run("check", "--download", f"plain:{source}", f"plain:{target}")
    rclone.run("deletefile", f"plain:{source}/tree/one")
    rclone.run("sync", f"plain:{source}", f"plain:{target}")
    assert client.keys(target) == client.keys(source)
    assert client.request("GET", target, query={"uploads": ""}).xml.find("Upload") is None


@pytest.fixture
def changed(rclone, bucket, tmp_path):
    """A file that was written twice and a file that was deleted, in a bucket with versions."""
    assert "Enabled" in rclone.run("backend", "versioning", f"plain:{bucket}", "Enabled")
    assert "Enabled" in rclone.run("backend", "versioning", f"plain:{bucket}")
    (tmp_path / "file").write_text("one")
    rclone.run("copyto", "file", f"plain:{bucket}/file.txt")
    rclone.run("copyto", "file", f"plain:{bucket}/gone.txt")
    (tmp_path / "file").write_text("number two")
    rclone.run("copyto", "--ignore-times", "file", f"plain:{bucket}/file.txt")
    rclone.run("deletefile", f"plain:{bucket}/gone.txt")
    return bucket


def test_versions_are_listed_and_read(rclone, changed, tmp_path):
    assert rclone.run("lsf", f"plain:{changed}").split() == ["file.txt"]
    names = rclone.run("lsf", "--s3-versions", f"plain:{changed}").split()
    old = [name for name in names if name.startswith("file-v")]
    deleted = [name for name in names if name.startswith("gone-v")]
    assert len(names) == 3 and len(old) == len(deleted) == 1, names
    assert rclone.run("cat", "--s3-versions", f"plain:{changed}/{old[0]}") == "one"
    assert rclone.run("cat", "--s3-versions", f"plain:{changed}/{deleted[0]}") == "one"
    rclone.run("copy", "--s3-versions", f"plain:{changed}", "all")
    assert sorted(path.name for path in (tmp_path / "all").iterdir()) == sorted(names)


def test_old_versions_are_cleaned_up(rclone, changed, s3):
    rclone.run("backend", "cleanup-hidden", f"plain:{changed}")
    left = s3.list_object_versions(Bucket=changed)
    assert [(each["Key"], each["IsLatest"]) for each in left["Versions"]] == [("file.txt", True)]
    assert rclone.run("cat", f"plain:{changed}/file.txt") == "number two"


def test_a_bucket_with_versions_is_purged(rclone, changed, s3):
    rclone.run("purge", "--s3-versions", f"plain:{changed}")
    assert changed not in [each["Name"] for each in s3.list_buckets()["Buckets"]]


def test_tree_under_a_key_of_the_kms(server, bucket, client, key, tmp_path, tree):
    rclone = Rclone(server, tmp_path, key["KeyId"]).tool
    rclone.run("copy", "tree", f"coffer:{bucket}/tree")
    for name in ("one", "large"):
        head = client.head(bucket, f"tree/{name}")
        assert (head.header(SSE), head.header(SSE_KMS_KEY)) == ("aws:kms", key["Arn"]), head
    rclone.run("check", "--download", "tree", f"coffer:{bucket}/tree")
    rclone.run("copyto", f"coffer:{bucket}/tree/one", f"coffer:{bucket}/copy")
    assert client.head(bucket, "copy").header(SSE_KMS_KEY) == key["Arn"]
    rclone.run("copy", f"coffer:{bucket}/tree", "back")
    assert hashes(tmp_path / "back") == tree

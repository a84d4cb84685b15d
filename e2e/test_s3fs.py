"""s3fs: a bucket mounted as a file system, plain and with a customer key."""

import os
import shutil
import subprocess

import pytest

from support.server import wait_until
from support.sse import KEY_A, expect_customer_key, expect_sse_s3
from support.tools import Tool, hashes, make_tree

MIB = 1 << 20
MOUNT_TIMEOUT_S = 30


@pytest.fixture(params=["plain", "sealed"])
def mount(request, server, bucket, tmp_path):
    """Mounts the bucket; again, when it is mounted already: with nothing that s3fs remembers."""
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("s3fs cannot mount here: /dev/fuse is not open to this user")
    point = tmp_path / "mount"
    point.mkdir()
    passwords = tmp_path / "passwd-s3fs"
    passwords.write_text(f"{server.credentials.access_key}:{server.credentials.secret_key}\n")
    passwords.chmod(0o600)
    options = [f"passwd_file={passwords}", f"url={server.tls_url}", f"endpoint={server.credentials.region}",
               "use_path_request_style", "multipart_size=5", "retries=2"]
    if request.param == "sealed":
        keys = tmp_path / "customer-keys"
        keys.write_text(KEY_A.base64 + "\n")
        keys.chmod(0o600)
        # s3fs 1.90 opens its mixed uploads (new parts among copied ones) without the key, as S3 does not allow.
        options += [f"use_sse=custom:{keys}", "nomixupload"]
    s3fs = Tool("s3fs", server, tmp_path, {"CURL_CA_BUNDLE": str(server.ca_file)})

    def unmount():
        if os.path.ismount(point):
            subprocess.run(["fusermount", "-u", point], check=True)
        wait_until(lambda: not os.path.ismount(point), MOUNT_TIMEOUT_S, "the bucket is unmounted")

    def again():
        unmount()
        s3fs.run(bucket, point, *[word for option in options for word in ("-o", option)])
        wait_until(lambda: os.path.ismount(point), MOUNT_TIMEOUT_S, "the bucket is mounted")
        return point

    again.headers = KEY_A.headers() if request.param == "sealed" else {}
    again.expect = expect_sse_s3 if request.param == "plain" else lambda answer: expect_customer_key(answer, KEY_A)
    yield again
    unmount()


def test_files_are_written_and_read_back(mount, bucket, client, random_bytes):
    tree = mount() / "tree"
    tree.mkdir()
    before = make_tree(tree, random_bytes)
    (tree / "large").write_bytes(random_bytes(12 * MIB))
    before = hashes(tree)
    mount.expect(client.head(bucket, "tree/page.bin", mount.headers))
    large = client.head(bucket, "tree/large", mount.headers)
    mount.expect(large)
    assert "-" in large.etag, "not a multipart upload"
    assert client.get(bucket, "tree/one", mount.headers).body == (tree / "one").read_bytes()
    mount()
    assert hashes(tree) == before


def test_files_change_move_and_go(mount, bucket, client, random_bytes):
    point = mount()
    (point / "log").write_bytes(b"first\n")
    with open(point / "log", "ab") as log:
        log.write(b"second\n")
    with open(point / "log", "r+b") as log:
        log.seek(0)
        log.write(b"FIRST")
    os.chmod(point / "log", 0o640)
    (point / "large").write_bytes(random_bytes(11 * MIB))
    with open(point / "large", "r+b") as large:
        large.seek(6 * MIB)
        large.write(b"in the middle")
    os.rename(point / "large", point / "moved")
    (point / "folder").mkdir()
    (point / "folder/gone").write_bytes(b"x")
    os.rename(point / "folder", point / "renamed")
    (point / "renamed/gone").unlink()
    point = mount()
    assert sorted(os.listdir(point)) == ["log", "moved", "renamed"]
    assert (point / "log").read_bytes() == b"FIRST\nsecond\n"
    assert (point / "log").stat().st_mode & 0o777 == 0o640
    expected = bytearray(random_bytes(11 * MIB))
    expected[6 * MIB:6 * MIB + 13] = b"in the middle"
    assert (point / "moved").read_bytes() == expected
    shutil.rmtree(point / "renamed")
    assert client.keys(bucket) == ["log", "moved"]
    mount.expect(client.head(bucket, "moved", mount.headers))


def test_a_bucket_that_does_not_exist_is_not_mounted(server, tmp_path):
    """No mount is needed for this: s3fs looks at the bucket first."""
    (tmp_path / "point").mkdir()
    (tmp_path / "passwords").write_text(f"{server.credentials.access_key}:{server.credentials.secret_key}\n")
    (tmp_path / "passwords").chmod(0o600)
    s3fs = Tool("s3fs", server, tmp_path, {"CURL_CA_BUNDLE": str(server.ca_file)})
    refused = s3fs.attempt("no-such-bucket", tmp_path / "point", "-f", "-o", f"passwd_file={tmp_path}/passwords",
                           "-o", f"url={server.tls_url}", "-o", "use_path_request_style")
    assert "bucket or key not found" in refused.stdout, refused.stdout
    assert not os.path.ismount(tmp_path / "point")

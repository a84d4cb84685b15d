"""s5cmd: many workers at once, plain objects over both schemes."""

import pytest

from support.tools import Tool, hashes, make_tree, sha256_of_file


@pytest.fixture(params=["http", "https"])
def s5cmd(request, server, tmp_path):
    url = server.tls_url if request.param == "https" else server.url
    return Tool("s5cmd", server, tmp_path, arguments=["--endpoint-url", url, "--retry-count", "0"])


def test_round_trip_of_a_tree(s5cmd, bucket, tmp_path, random_bytes):
    (tmp_path / "tree").mkdir()
    before = make_tree(tmp_path / "tree", random_bytes)
    s5cmd.run("cp", "tree/", f"s3://{bucket}/tree/")
    s5cmd.run("cp", f"s3://{bucket}/tree/*", "back/")
    assert hashes(tmp_path / "back") == before


def test_large_multipart(s5cmd, bucket, client, tmp_path, random_bytes):
    source = tmp_path / "large"
    source.write_bytes(random_bytes(40 << 20))
    s5cmd.run("cp", "--part-size", "5", "--concurrency", "8", "large", f"s3://{bucket}/large")
    assert client.head(bucket, "large").etag.endswith("-8")
    s5cmd.run("cp", "--part-size", "5", "--concurrency", "8", f"s3://{bucket}/large", "back")
    assert sha256_of_file(tmp_path / "back") == sha256_of_file(source)


def test_many_small_objects(s5cmd, bucket, client, tmp_path):
    directory = tmp_path / "many"
    directory.mkdir()
    for at in range(300):
        (directory / f"{at}").write_bytes(b"%d" % at * 50)
    s5cmd.run("--numworkers", "64", "cp", "many/", f"s3://{bucket}/")
    assert len(client.keys(bucket)) == 300
    s5cmd.run("--numworkers", "64", "cp", f"s3://{bucket}/*", "back/")
    assert hashes(tmp_path / "back") == hashes(directory)
    s5cmd.run("rm", f"s3://{bucket}/*")
    assert client.keys(bucket) == []


def test_list_move_sync(s5cmd, bucket, client, tmp_path):
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/file").write_bytes(b"x" * 99)
    s5cmd.run("sync", "tree/", f"s3://{bucket}/")
    assert "99" in s5cmd.run("ls", f"s3://{bucket}/")
    s5cmd.run("mv", f"s3://{bucket}/file", f"s3://{bucket}/moved")
    assert client.keys(bucket) == ["moved"]
    assert s5cmd.run("cat", f"s3://{bucket}/moved") == "x" * 99

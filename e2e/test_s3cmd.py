"""s3cmd as hosting providers describe it: one option, or one line in ~/.s3cfg. It compares every ETag with the MD5."""

import re

import pytest

from support.client import Client
from support.sse import SSE, SSE_KMS_KEY, expect_sse_s3
from support.tools import Tool, hashes, make_tree, sha256_of_file
from support.versions import put_versioning

CONFIGURATION = """[default]
access_key = {access_key}
secret_key = {secret_key}
host_base = {host}
host_bucket = {host}
use_https = {https}
ca_certs_file = {ca_file}
{more}
"""


@pytest.fixture(params=["http", "https"])
def s3cmd(request, server, tmp_path):
    return configured(server, tmp_path, https=request.param == "https")


def configured(server, home, https=False, more=""):
    (home / ".s3cfg").write_text(CONFIGURATION.format(
        access_key=server.credentials.access_key, secret_key=server.credentials.secret_key, https=https, ca_file=server.ca_file,
        host=f"localhost:{server.tls_port}" if https else f"127.0.0.1:{server.port}", more=more))
    return Tool("s3cmd", server, home)


def expect_no_complaint(output):
    assert "WARNING" not in output and "ERROR" not in output and "MD5 Sums don't match" not in output, output


def test_put_with_the_option(fresh_server, tmp_path, random_bytes):
    s3cmd = configured(fresh_server, tmp_path)
    source = tmp_path / "my-encrypted-object"
    source.write_bytes(random_bytes(100_000))
    expect_no_complaint(s3cmd.run("mb", "s3://directory1"))
    expect_no_complaint(s3cmd.run("put", "./my-encrypted-object", "s3://directory1", "--server-side-encryption"))
    answer = Client(fresh_server).head("directory1", "my-encrypted-object")
    assert answer.status == 200
    expect_sse_s3(answer)
    expect_no_complaint(s3cmd.run("get", "s3://directory1/my-encrypted-object", "back"))
    assert (tmp_path / "back").read_bytes() == source.read_bytes()


def test_put_with_the_line_in_the_configuration(server, bucket, client, tmp_path, random_bytes):
    s3cmd = configured(server, tmp_path, more="server_side_encryption = true")
    (tmp_path / "file").write_bytes(random_bytes(100_000))
    expect_no_complaint(s3cmd.run("put", "file", f"s3://{bucket}"))
    expect_sse_s3(client.head(bucket, "file"))
    info = s3cmd.run("info", f"s3://{bucket}/file")
    assert "SSE:       AES256" in info, info


def test_round_trip_of_a_tree(s3cmd, bucket, tmp_path, random_bytes):
    (tmp_path / "tree").mkdir()
    before = make_tree(tmp_path / "tree", random_bytes)
    expect_no_complaint(s3cmd.run("sync", "tree/", f"s3://{bucket}/tree/"))
    expect_no_complaint(s3cmd.run("sync", f"s3://{bucket}/tree/", "back/"))
    assert hashes(tmp_path / "back") == before
    again = s3cmd.run("sync", "tree/", f"s3://{bucket}/tree/")
    assert "upload:" not in again, again


def test_list_and_delete(s3cmd, bucket, client, tmp_path):
    (tmp_path / "file").write_bytes(b"x" * 1234)
    s3cmd.run("put", "file", f"s3://{bucket}/a b/file")
    listed = s3cmd.run("ls", "--recursive", f"s3://{bucket}/")
    assert "1234" in listed and f"s3://{bucket}/a b/file" in listed
    assert f"s3://{bucket}" in s3cmd.run("ls")
    s3cmd.run("del", f"s3://{bucket}/a b/file")
    assert client.keys(bucket) == []


def test_delete_of_a_tree(s3cmd, bucket, client, tmp_path, random_bytes):
    (tmp_path / "tree").mkdir()
    make_tree(tmp_path / "tree", random_bytes)
    s3cmd.run("put", "--recursive", "tree", f"s3://{bucket}/")
    assert len(client.keys(bucket)) == 6
    s3cmd.run("del", "--recursive", "--force", f"s3://{bucket}/")
    assert client.keys(bucket) == []


def test_multipart_put_of_100_mib(server, bucket, client, tmp_path, random_bytes):
    s3cmd = configured(server, tmp_path, https=True)
    source = tmp_path / "large"
    source.write_bytes(random_bytes(100 << 20))
    expect_no_complaint(s3cmd.run("put", "large", f"s3://{bucket}/", "--server-side-encryption"))
    assert client.head(bucket, "large").etag.endswith("-7")
    expect_no_complaint(s3cmd.run("get", f"s3://{bucket}/large", "back"))
    assert sha256_of_file(tmp_path / "back") == sha256_of_file(source)


def test_copy_and_move(s3cmd, bucket, client, tmp_path):
    (tmp_path / "file").write_bytes(b"x" * 100)
    s3cmd.run("put", "file", f"s3://{bucket}/one")
    s3cmd.run("cp", f"s3://{bucket}/one", f"s3://{bucket}/two")
    s3cmd.run("mv", f"s3://{bucket}/two", f"s3://{bucket}/three")
    assert client.keys(bucket) == ["one", "three"]


def test_bucket_that_is_not_empty_stays(s3cmd, bucket, client):
    client.put(bucket, "object", b"x")
    failed = s3cmd.attempt("rb", f"s3://{bucket}")
    assert failed.returncode != 0 and "BucketNotEmpty" in failed.stdout


def test_commands_that_look_after_a_bucket(s3cmd, bucket, client, tmp_path):
    """What each asks besides what it is for is answered: none of them complains."""
    (tmp_path / "rules.xml").write_text(
        "<LifecycleConfiguration><Rule><ID>old</ID><Prefix>logs/</Prefix><Status>Enabled</Status>"
        "<Expiration><Days>30</Days></Expiration></Rule></LifecycleConfiguration>")
    (tmp_path / "cors.xml").write_text(
        "<CORSConfiguration><CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod></CORSRule></CORSConfiguration>")
    (tmp_path / "file").write_bytes(b"x")
    where = f"s3://{bucket}"
    expect_no_complaint(s3cmd.run("info", where))
    put_versioning(client, bucket, "Enabled")
    for command, *arguments in (
            ["setlifecycle", "rules.xml", where], ["setcors", "cors.xml", where], ["payer", where, "--requester-pays"], ["accesslog", where],
            ["getnotification", where]):
        expect_no_complaint(s3cmd.run(command, *arguments))
    assert "logs/" in s3cmd.run("getlifecycle", where)
    info = s3cmd.run("info", where)
    expect_no_complaint(info)
    assert re.search(r"Payer:\s+Requester", info) and "AllowedMethod" in info, info
    for command in "dellifecycle", "delcors":
        expect_no_complaint(s3cmd.run(command, where))
    expect_no_complaint(s3cmd.run("put", "file", where, "--storage-class", "GLACIER", "--requester-pays"))
    info = s3cmd.run("info", f"{where}/file")
    expect_no_complaint(info)
    assert re.search(r"Storage:\s+GLACIER", info), info
    expect_no_complaint(s3cmd.run("restore", f"{where}/file", "--restore-days=2"))
    expect_no_complaint(s3cmd.run("get", f"{where}/file", "back"))
    failed = s3cmd.attempt("rb", where)
    assert failed.returncode != 0 and "BucketNotEmpty" in failed.stdout


@pytest.mark.parametrize("size", [0, 100_000, 23 << 20])
def test_put_under_a_key_of_the_kms(server, bucket, client, key, tmp_path, random_bytes, size):
    """Its ETag is no MD5, and s3cmd does not take it for one; 23 MiB are two parts."""
    s3cmd = configured(server, tmp_path, https=True)
    (tmp_path / "file").write_bytes(random_bytes(size))
    named = ("--server-side-encryption", f"--server-side-encryption-kms-id={key['KeyId']}")
    expect_no_complaint(s3cmd.run("put", *named, "file", f"s3://{bucket}/file"))
    head = client.head(bucket, "file")
    assert (head.header(SSE), head.header(SSE_KMS_KEY)) == ("aws:kms", key["Arn"]), head
    expect_no_complaint(s3cmd.run("get", f"s3://{bucket}/file", "back"))
    assert (tmp_path / "back").read_bytes() == (tmp_path / "file").read_bytes()
    info = s3cmd.run("info", f"s3://{bucket}/file")
    assert "SSE:       aws:kms" in info, info


def test_a_key_of_the_kms_over_plain_http_or_that_is_none_is_refused(server, bucket, client, key, tmp_path):
    (tmp_path / "file").write_bytes(b"x")
    for https, name, code in ((False, key["KeyId"], "InvalidArgument"), (True, "alias/none", "KMS.NotFoundException")):
        s3cmd = configured(server, tmp_path, https=https)
        done = s3cmd.attempt(
            "put", "--server-side-encryption", f"--server-side-encryption-kms-id={name}", "file", f"s3://{bucket}/file")
        assert done.returncode != 0 and code in done.stdout, done.stdout
    assert client.head(bucket, "file").status == 404

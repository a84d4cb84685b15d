"""The AWS CLI: --sse, --sse-c, cp, sync, large files, and the plain s3api commands."""

import json

import pytest

from support.sse import KEY_A, KEY_B, expect_customer_key, expect_sse_s3
from support.tools import Tool, hashes, make_tree, sha256_of_file


@pytest.fixture
def aws(server, tmp_path):
    (tmp_path / "key-a").write_bytes(KEY_A.raw)
    (tmp_path / "key-b").write_bytes(KEY_B.raw)
    return Tool("aws", server, tmp_path, arguments=["--endpoint-url", server.tls_url])


SEALED = ["--sse-c", "AES256", "--sse-c-key", "fileb://key-a"]


def test_copy_up_and_down_with_sse(aws, bucket, client, tmp_path, random_bytes):
    source = tmp_path / "file"
    source.write_bytes(random_bytes(300_000))
    aws.run("s3", "cp", "file", f"s3://{bucket}/file", "--sse", "AES256")
    expect_sse_s3(client.head(bucket, "file"))
    aws.run("s3", "cp", f"s3://{bucket}/file", "back")
    assert (tmp_path / "back").read_bytes() == source.read_bytes()


def test_large_file_under_a_customer_key(aws, bucket, client, tmp_path, random_bytes):
    source = tmp_path / "large"
    source.write_bytes(random_bytes(30 << 20))
    aws.run("s3", "cp", "large", f"s3://{bucket}/large", *SEALED)
    head = client.head(bucket, "large", KEY_A.headers())
    expect_customer_key(head, KEY_A)
    assert head.etag.endswith("-4")
    aws.run("s3", "cp", f"s3://{bucket}/large", "back", *SEALED)
    assert sha256_of_file(tmp_path / "back") == sha256_of_file(source)
    refused = aws.attempt("s3", "cp", f"s3://{bucket}/large", "never", "--sse-c", "AES256", "--sse-c-key", "fileb://key-b")
    assert refused.returncode != 0 and "403" in refused.stdout and not (tmp_path / "never").exists()


def test_change_of_key_between_objects(aws, bucket, client, tmp_path, random_bytes):
    source = tmp_path / "file"
    source.write_bytes(random_bytes(9 << 20))
    aws.run("s3", "cp", "file", f"s3://{bucket}/one", *SEALED)
    aws.run("s3", "cp", f"s3://{bucket}/one", f"s3://{bucket}/two", "--sse-c-copy-source", "AES256",
            "--sse-c-copy-source-key", "fileb://key-a", "--sse-c", "AES256", "--sse-c-key", "fileb://key-b")
    assert client.get(bucket, "two", KEY_B.headers()).body == source.read_bytes()


def test_sync_of_a_tree(aws, bucket, tmp_path, random_bytes):
    (tmp_path / "tree").mkdir()
    before = make_tree(tmp_path / "tree", random_bytes)
    aws.run("s3", "sync", "tree", f"s3://{bucket}/tree")
    aws.run("s3", "sync", f"s3://{bucket}/tree", "back")
    assert hashes(tmp_path / "back") == before
    assert "upload:" not in aws.run("s3", "sync", "tree", f"s3://{bucket}/tree")
    (tmp_path / "tree/one").unlink()
    assert "delete:" in aws.run("s3", "sync", "--delete", "tree", f"s3://{bucket}/tree")


def test_large_multipart_over_plain_http(server, bucket, client, tmp_path, random_bytes):
    aws = Tool("aws", server, tmp_path, arguments=["--endpoint-url", server.url])
    source = tmp_path / "large"
    source.write_bytes(random_bytes(64 << 20))
    aws.run("s3", "cp", "large", f"s3://{bucket}/large")
    aws.run("s3", "cp", f"s3://{bucket}/large", "back")
    assert sha256_of_file(tmp_path / "back") == sha256_of_file(source)


def test_customer_key_over_plain_http_is_refused(server, bucket, client, tmp_path):
    aws = Tool("aws", server, tmp_path, arguments=["--endpoint-url", server.url])
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "key-a").write_bytes(KEY_A.raw)
    refused = aws.attempt("s3", "cp", "file", f"s3://{bucket}/file", *SEALED)
    assert refused.returncode != 0 and "must be made over a secure connection" in refused.stdout, refused.stdout
    assert client.keys(bucket) == []


def test_kms_is_refused_in_words(aws, bucket, tmp_path):
    (tmp_path / "file").write_bytes(b"x")
    refused = aws.attempt("s3", "cp", "file", f"s3://{bucket}/file", "--sse", "aws:kms")
    assert refused.returncode != 0 and "KMS is not configured" in refused.stdout, refused.stdout


def test_list_move_remove(aws, bucket, client, tmp_path):
    (tmp_path / "file").write_bytes(b"x" * 77)
    aws.run("s3", "cp", "file", f"s3://{bucket}/dir/one")
    assert "PRE dir/" in aws.run("s3", "ls", f"s3://{bucket}/")
    assert "77 one" in aws.run("s3", "ls", f"s3://{bucket}/dir/")
    aws.run("s3", "mv", f"s3://{bucket}/dir/one", f"s3://{bucket}/dir/two")
    assert client.keys(bucket) == ["dir/two"]
    aws.run("s3", "rb", "--force", f"s3://{bucket}")
    assert client.request("HEAD", bucket).status == 404


def test_s3api_bucket_encryption(aws, bucket):
    shown = json.loads(aws.run("s3api", "get-bucket-encryption", "--bucket", bucket))
    rule = shown["ServerSideEncryptionConfiguration"]["Rules"][0]
    assert rule["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"} and rule["BucketKeyEnabled"] is False
    configuration = '{"Rules": [{"BlockedEncryptionTypes": {"EncryptionType": ["SSE-C"]}}]}'
    aws.run("s3api", "put-bucket-encryption", "--bucket", bucket, "--server-side-encryption-configuration", configuration)
    refused = aws.attempt("s3api", "put-object", "--bucket", bucket, "--key", "k", "--sse-customer-algorithm", "AES256",
                          "--sse-customer-key", "fileb://key-a")
    assert refused.returncode != 0 and "has blocked upload requests" in refused.stdout, refused.stdout
    aws.run("s3api", "delete-bucket-encryption", "--bucket", bucket)

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


@pytest.mark.parametrize("size", [77, 9 << 20], ids=["single", "multipart"])
def test_upload_and_download_under_a_key_of_the_kms(aws, bucket, client, tmp_path, random_bytes, size):
    (tmp_path / "file").write_bytes(random_bytes(size))
    aws.run("s3", "cp", "file", f"s3://{bucket}/file", "--sse", "aws:kms")
    head = client.head(bucket, "file")
    assert head.header("x-amz-server-side-encryption") == "aws:kms", head
    aws.run("s3", "cp", f"s3://{bucket}/file", "back")
    assert (tmp_path / "back").read_bytes() == random_bytes(size)


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


def s3api(aws, operation, *arguments):
    """What the CLI printed, read."""
    printed = aws.run("s3api", operation, *arguments)
    return json.loads(printed) if printed.strip() else {}


def test_versions_are_read_deleted_and_brought_back(aws, bucket, tmp_path):
    s3api(aws, "put-bucket-versioning", "--bucket", bucket, "--versioning-configuration", "Status=Enabled")
    assert s3api(aws, "get-bucket-versioning", "--bucket", bucket) == {"Status": "Enabled"}
    bodies, versions = ["one", "number two"], []
    for body in bodies:
        (tmp_path / "body").write_text(body)
        versions.append(s3api(aws, "put-object", "--bucket", bucket, "--key", "key", "--body", "body")["VersionId"])
    for body, version in zip(bodies, versions):
        s3api(aws, "get-object", "--bucket", bucket, "--key", "key", "--version-id", version, "back")
        assert (tmp_path / "back").read_text() == body
    aws.run("s3", "rm", f"s3://{bucket}/key")
    assert aws.attempt("s3", "ls", f"s3://{bucket}/key").returncode == 1
    listed = s3api(aws, "list-object-versions", "--bucket", bucket)
    assert [each["VersionId"] for each in listed["Versions"]] == list(reversed(versions))
    (marker,) = listed["DeleteMarkers"]
    assert marker["IsLatest"] and "MethodNotAllowed" in aws.attempt(
        "s3api", "get-object", "--bucket", bucket, "--key", "key", "--version-id", marker["VersionId"], "never").stdout
    undone = s3api(aws, "delete-object", "--bucket", bucket, "--key", "key", "--version-id", marker["VersionId"])
    assert undone == {"DeleteMarker": True, "VersionId": marker["VersionId"]}
    s3api(aws, "copy-object", "--bucket", bucket, "--key", "key", "--copy-source", f"{bucket}/key?versionId={versions[0]}")
    aws.run("s3", "cp", f"s3://{bucket}/key", "back")
    assert (tmp_path / "back").read_text() == "one"


def test_versions_are_listed_page_by_page(aws, bucket, tmp_path):
    s3api(aws, "put-bucket-versioning", "--bucket", bucket, "--versioning-configuration", "Status=Enabled")
    (tmp_path / "tree").mkdir()
    for at in range(3):
        for name in ("a", "b", "c"):
            (tmp_path / "tree" / name).write_text(f"{name}{at}" + "." * at)
        aws.run("s3", "sync", "tree", f"s3://{bucket}/")
    aws.run("s3", "rm", "--recursive", f"s3://{bucket}/")
    listed = s3api(aws, "list-object-versions", "--bucket", bucket, "--page-size", "2")
    assert [each["Key"] for each in listed["Versions"]] == ["a"] * 3 + ["b"] * 3 + ["c"] * 3
    assert [each["Key"] for each in listed["DeleteMarkers"]] == ["a", "b", "c"]
    assert "BucketNotEmpty" in aws.attempt("s3", "rb", f"s3://{bucket}").stdout


def test_copy_keeps_tags_and_metadata(aws, bucket, tmp_path):
    (tmp_path / "file").write_text("x")
    aws.run("s3", "cp", "file", f"s3://{bucket}/one", "--metadata", "colour=blue", "--content-type", "x/y")
    s3api(aws, "put-object-tagging", "--bucket", bucket, "--key", "one", "--tagging", "TagSet=[{Key=team,Value=a b}]")
    aws.run("s3", "cp", f"s3://{bucket}/one", f"s3://{bucket}/two")
    head = s3api(aws, "head-object", "--bucket", bucket, "--key", "two")
    assert head["Metadata"] == {"colour": "blue"} and head["ContentType"] == "x/y"
    tags = s3api(aws, "get-object-tagging", "--bucket", bucket, "--key", "two")
    assert tags["TagSet"] == [{"Key": "team", "Value": "a b"}]

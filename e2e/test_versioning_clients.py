"""Versions through the field's clients: the AWS CLI, boto3's resources, rclone, minio-py."""

import io
import json
import re

import boto3
import pytest
import urllib3
from minio import Minio
from minio.commonconfig import ENABLED, CopySource
from minio.deleteobjects import DeleteObject
from minio.versioningconfig import SUSPENDED, VersioningConfig

from support.tools import Tool
from support.versions import put_marker, put_version, put_versioning, versions


@pytest.fixture
def versioned(client, bucket):
    put_versioning(client, bucket, "Enabled")
    return bucket


@pytest.fixture
def aws(server, tmp_path):
    return Tool("aws", server, tmp_path, arguments=["--endpoint-url", server.tls_url])


@pytest.fixture
def rclone(server, tmp_path):
    options = {
        "TYPE": "s3", "PROVIDER": "Other", "REGION": server.credentials.region, "ENDPOINT": server.tls_url,
        "ACCESS_KEY_ID": server.credentials.access_key, "SECRET_ACCESS_KEY": server.credentials.secret_key}
    return Tool(
        "rclone", server, tmp_path, {f"RCLONE_CONFIG_R_{name}": value for name, value in options.items()},
        ["--config", "/dev/null", "--ca-cert", server.ca_file, "--retries", "1", "--low-level-retries", "1", "--no-update-modtime"])


def test_aws_cli(aws, bucket, tmp_path):
    def api(operation, *arguments):
        out = aws.run("s3api", operation, "--bucket", bucket, *arguments)
        return json.loads(out) if out.strip() else {}

    api("put-bucket-versioning", "--versioning-configuration", "Status=Enabled")
    assert api("get-bucket-versioning") == {"Status": "Enabled"}
    ids = []
    for text in "one", "two":
        (tmp_path / "file").write_text(text)
        ids.append(api("put-object", "--key", "object", "--body", "file")["VersionId"])
    assert api("get-object", "--key", "object", "--version-id", ids[0], "back")["VersionId"] == ids[0]
    assert (tmp_path / "back").read_text() == "one"
    marker = api("delete-object", "--key", "object")
    assert marker["DeleteMarker"] is True
    listed = api("list-object-versions", "--prefix", "object")
    assert [each["VersionId"] for each in listed["Versions"]] == [ids[1], ids[0]]
    assert [(each["VersionId"], each["IsLatest"]) for each in listed["DeleteMarkers"]] == [(marker["VersionId"], True)]
    failed = aws.attempt("s3api", "head-object", "--bucket", bucket, "--key", "object", "--version-id", marker["VersionId"])
    assert failed.returncode != 0 and "405" in failed.stdout
    assert api("delete-object", "--key", "object", "--version-id", marker["VersionId"])["DeleteMarker"] is True
    assert api("head-object", "--key", "object")["VersionId"] == ids[1]
    api("copy-object", "--key", "object", "--copy-source", f"{bucket}/object?versionId={ids[0]}")
    aws.run("s3", "cp", f"s3://{bucket}/object", "back")
    assert (tmp_path / "back").read_text() == "one"
    failed = aws.attempt("s3", "rb", "--force", f"s3://{bucket}")
    assert failed.returncode != 0 and "You must delete all versions in the bucket" in failed.stdout


def test_boto3_resources_empty_a_bucket(server, client, versioned):
    for number in range(3):
        for key in "a", "b/c":
            put_version(client, versioned, key, b"%d" % number)
    put_marker(client, versioned, "a")
    session = boto3.Session(server.credentials.access_key, server.credentials.secret_key, region_name=server.credentials.region)
    bucket = session.resource("s3", endpoint_url=server.tls_url, verify=str(server.ca_file)).Bucket(versioned)
    assert bucket.Versioning().status == "Enabled"
    old = [version for version in bucket.object_versions.filter(Prefix="b/") if not version.is_latest]
    assert sorted(version.get()["Body"].read() for version in old) == [b"0", b"1"]
    bucket.object_versions.delete()
    bucket.delete()
    assert client.request("HEAD", versioned).status == 404


def test_rclone_shows_and_restores_old_versions(rclone, client, versioned, tmp_path):
    for text in "one", "two", "three":
        (tmp_path / "file.txt").write_text(text)
        rclone.run("copyto", "--ignore-times", "file.txt", f"r:{versioned}/file.txt")
    rclone.run("deletefile", f"r:{versioned}/file.txt")
    assert rclone.run("lsf", f"r:{versioned}").split() == []
    names = rclone.run("lsf", "--s3-versions", f"r:{versioned}").split()
    assert len(names) == 3 and all(re.fullmatch(r"file-v[\d-]+\.txt", name) for name in names), names
    texts = {rclone.run("cat", "--s3-versions", f"r:{versioned}/{name}") for name in names}
    assert texts == {"one", "two", "three"}
    assert rclone.run("backend", "versioning", f"r:{versioned}").strip() == '"Enabled"'
    rclone.run("backend", "cleanup-hidden", f"r:{versioned}")
    assert versions(client, versioned) == []


def test_rclone_purges_a_bucket_with_versions(rclone, client, versioned, tmp_path):
    for number in range(4):
        put_version(client, versioned, "object", b"%d" % number)
        put_marker(client, versioned, "object")
    rclone.run("delete", f"r:{versioned}", "--s3-versions", "--s3-version-deleted")
    rclone.run("backend", "cleanup-hidden", f"r:{versioned}")
    rclone.run("purge", f"r:{versioned}")
    assert client.request("HEAD", versioned).status == 404


def test_minio_py(server, client, bucket):
    minio = Minio(
        f"localhost:{server.tls_port}", server.credentials.access_key, server.credentials.secret_key,
        region=server.credentials.region, http_client=urllib3.PoolManager(ca_certs=str(server.ca_file), retries=False))
    minio.set_bucket_versioning(bucket, VersioningConfig(ENABLED))
    assert minio.get_bucket_versioning(bucket).status == ENABLED
    one, two = (minio.put_object(bucket, "object", io.BytesIO(text), len(text)).version_id for text in (b"one", b"two"))
    assert minio.stat_object(bucket, "object").version_id == two
    response = minio.get_object(bucket, "object", version_id=one)
    assert response.read() == b"one"
    response.close()
    minio.remove_object(bucket, "object")
    listed = list(minio.list_objects(bucket, include_version=True))
    assert [(each.is_delete_marker, each.is_latest == "true") for each in listed] == [(False, False), (False, False), (True, True)] or [
        (each.is_delete_marker, each.is_latest == "true") for each in listed] == [(True, True), (False, False), (False, False)]
    assert list(minio.list_objects(bucket)) == []
    copied = minio.copy_object(bucket, "object", CopySource(bucket, "object", version_id=one))
    assert minio.stat_object(bucket, "object").version_id == copied.version_id
    everything = [DeleteObject(each.object_name, each.version_id) for each in minio.list_objects(bucket, include_version=True)]
    assert list(minio.remove_objects(bucket, everything)) == [] and versions(client, bucket) == []
    minio.set_bucket_versioning(bucket, VersioningConfig(SUSPENDED))
    assert minio.get_bucket_versioning(bucket).status == SUSPENDED


def test_presigned_links_lead_to_the_version_they_name(client, versioned):
    old = put_version(client, versioned, "object", b"old")
    put_version(client, versioned, "object", b"new")

    def follow(query=(), more=""):
        return client.send_presigned("GET", client.presign("GET", versioned, "object", query=query) + more)

    assert follow().body == b"new"
    assert follow({"versionId": old}).body == b"old"
    assert follow(more=f"&versionId={old}").status == 403

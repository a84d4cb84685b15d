"""coffer inspect: how an object is sealed, and what of it verifies."""

import base64
import hashlib
import json

import pytest

from support.client import Client
from support.iam import client_of

KEY = bytes(range(32))


@pytest.fixture(scope="module")
def server(make_server):
    server = make_server().start()
    assert Client(server).create_bucket("bucket").status == 200
    return server


@pytest.fixture(scope="module")
def s3(server):
    return client_of("s3", server, tls=True)


def inspect(server, uri, *arguments):
    done = server.run("inspect", uri, "--json", *arguments)
    return done, json.loads(done.stdout) if done.stdout else None


def outcomes(report):
    return {check["what"]: check["outcome"] for check in report["checks"]}


def test_a_small_object_is_beside_its_record(server, s3):
    s3.put_object(Bucket="bucket", Key="small", Body=b"canary-body", ContentType="canary/type", Metadata={"canary": "meta"})
    done, report = inspect(server, "s3://bucket/small", "--verify-data")
    assert done.returncode == 0 and report["mode"] == "SSE-S3" and report["size"] == 11
    (layer,) = report["layers"]
    assert layer["key"] == "bucket" and layer["bucket_key_generation"] == layer["root_generation"] == 1
    assert [part["blob"] for part in report["parts"]] == [None]
    assert set(outcomes(report).values()) == {"verified"}
    etag = hashlib.md5(b"canary-body").hexdigest()
    for text in (done.stdout, server.run("inspect", "s3://bucket/small").stdout):
        assert "canary" not in text and etag not in text


def test_a_multipart_upload_has_its_parts(server, s3):
    upload = s3.create_multipart_upload(Bucket="bucket", Key="a dir/b?c#d")["UploadId"]
    sizes = {1: 5 << 20, 2: (5 << 20) + 1, 7: 3}
    parts = [{"PartNumber": number, "ETag": s3.upload_part(
        Bucket="bucket", Key="a dir/b?c#d", UploadId=upload, PartNumber=number, Body=bytes(size))["ETag"]} for number, size in sizes.items()]
    s3.complete_multipart_upload(Bucket="bucket", Key="a dir/b?c#d", UploadId=upload, MultipartUpload={"Parts": parts})
    _, report = inspect(server, "s3://bucket/a dir/b?c#d", "--verify-data")
    assert {part["number"]: part["size"] for part in report["parts"]} == sizes
    assert [part["segments"] for part in report["parts"]] == [80, 81, 1]
    assert report["multipart"] and report["sound"] and report["layout_tags"] == 1


def test_kms_keys_are_named_and_asked(server, s3):
    kms = client_of("kms", server)
    arn = kms.create_key()["KeyMetadata"]["Arn"]
    for algorithm, mode, keys in (("aws:kms", "SSE-KMS", ["kms"]), ("aws:kms:dsse", "DSSE-KMS", ["kms", "bucket"])):
        s3.put_object(Bucket="bucket", Key=mode, Body=bytes(200_000), ServerSideEncryption=algorithm, SSEKMSKeyId=arn)
        done, report = inspect(server, f"s3://bucket/{mode}", "--verify-data")
        assert done.returncode == 0 and report["mode"] == mode
        assert [layer["key"] for layer in report["layers"]] == keys
        assert report["layers"][0]["kms_key_arn"] == arn and report["layers"][0]["material_generation"] == 1
        assert set(outcomes(report).values()) == {"verified"} and report["layout_tags"] == len(keys)
    kms.disable_key(KeyId=arn)
    done, report = inspect(server, "s3://bucket/SSE-KMS")
    assert outcomes(report)["envelopes"] == "not-checked" and "DisabledException" in done.stdout
    assert done.returncode == 0, "that a key is disabled is no damage"


def test_without_the_customers_key_what_can_be_checked_is(server, s3):
    key = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": KEY}
    s3.put_object(Bucket="bucket", Key="customer", Body=bytes(300_000), **key)
    done, report = inspect(server, "s3://bucket/customer", "--verify-data")
    assert done.returncode == 0 and [layer["key"] for layer in report["layers"]] == ["customer"]
    assert outcomes(report) == {
        "record": "verified", "stored lengths": "verified", "envelopes": "not-checked", "parts and layout": "not-checked", "data": "not-checked"}
    assert base64.b64encode(KEY).decode() not in done.stdout


def test_versions_and_delete_markers(server, s3):
    s3.create_bucket(Bucket="versions")
    s3.put_bucket_versioning(Bucket="versions", VersioningConfiguration={"Status": "Enabled"})
    first = s3.put_object(Bucket="versions", Key="k", Body=b"1")["VersionId"]
    second = s3.put_object(Bucket="versions", Key="k", Body=b"22")["VersionId"]
    assert inspect(server, "s3://versions/k")[1]["version_id"] == second
    assert inspect(server, "s3://versions/k", f"--version-id={first}")[1]["size"] == 1
    s3.delete_object(Bucket="versions", Key="k")
    for arguments, said in (((), "a delete marker"), (("--version-id=null",), "no such version"), (("--version-id=x",), "no version ID")):
        done, report = inspect(server, "s3://versions/k", *arguments)
        assert done.returncode == 1 and report is None and said in done.stderr


def test_what_is_not_there_is_said(server):
    for uri, said in (("s3://bucket/none", "there is no object"), ("s3://none/none", "there is no bucket"), ("bucket/none", "s3://BUCKET/KEY")):
        done, _ = inspect(server, uri)
        assert done.returncode == 1 and said in done.stderr


def test_damage_is_found_where_it_is(make_server):
    server = make_server().start()
    client = Client(server)
    client.create_bucket("bucket")
    for name in ("flipped", "cut", "gone", "whole"):
        assert client.put("bucket", name, bytes(400_000)).status == 200
    blobs = {}
    for name in ("flipped", "cut", "gone"):
        (part,) = inspect(server, f"s3://bucket/{name}")[1]["parts"]
        (blobs[name],) = [path for path in server.blob_files() if path.name.endswith(part["blob"][-20:])]
    server.stop()
    content = bytearray(blobs["flipped"].read_bytes())
    content[200_000] ^= 1
    blobs["flipped"].write_bytes(content)
    blobs["cut"].write_bytes(blobs["cut"].read_bytes()[:-1])
    blobs["gone"].unlink()
    for name, failed in (("flipped", "data"), ("cut", "stored lengths"), ("gone", "stored lengths")):
        done, report = inspect(server, f"s3://bucket/{name}", "--verify-data")
        assert done.returncode == 1 and report["sound"] is False and "damaged" in done.stderr
        assert outcomes(report)[failed] == "failed"
    assert outcomes(inspect(server, "s3://bucket/flipped")[1])["data"] == "not-checked"
    assert inspect(server, "s3://bucket/whole", "--verify-data")[0].returncode == 0

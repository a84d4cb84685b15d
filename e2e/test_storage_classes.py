"""Storage classes: kept, shown, and all at hand (docs/decisions/0009-storage-classes.md)."""

import pytest
from botocore.exceptions import ClientError

from support import errors
from support.checksums import content_md5
from support.errors import expect_error
from support.tools import Tool

CLASSES = ["REDUCED_REDUNDANCY", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER", "GLACIER_IR", "DEEP_ARCHIVE"]
ARCHIVES = ["GLACIER", "DEEP_ARCHIVE"]
RESTORED = 'ongoing-request="false", expiry-date="Fri, 31 Dec 9999 00:00:00 GMT"'


def put(client, bucket, key, storage_class):
    answer = client.put(bucket, key, b"body", {"x-amz-storage-class": storage_class})
    assert answer.status == 200, answer


def restore(client, bucket, key, inner="<Days>1</Days>", query=()):
    body = f'<RestoreRequest xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{inner}</RestoreRequest>'.encode()
    return client.request(
        "POST", bucket, key, query={"restore": ""} | dict(query), body=body, headers={"Content-MD5": content_md5(body)})


@pytest.mark.parametrize("storage_class", CLASSES)
def test_class_is_kept_and_shown_everywhere(s3, client, bucket, storage_class):
    put(client, bucket, "object", storage_class)
    for answer in client.head(bucket, "object"), client.get(bucket, "object"):
        assert answer.status == 200 and answer.header("x-amz-storage-class") == storage_class
        assert answer.header("x-amz-restore") == (RESTORED if storage_class in ARCHIVES else None)
    listings = [
        s3.list_objects(Bucket=bucket)["Contents"], s3.list_objects_v2(Bucket=bucket)["Contents"], s3.list_object_versions(Bucket=bucket)["Versions"]]
    assert [[entry["StorageClass"] for entry in entries] for entries in listings] == [[storage_class]] * 3
    assert s3.get_object_attributes(Bucket=bucket, Key="object", ObjectAttributes=["StorageClass"])["StorageClass"] == storage_class


def test_standard_is_shown_in_listings_only(s3, client, bucket):
    put(client, bucket, "object", "STANDARD")
    assert client.head(bucket, "object").header("x-amz-storage-class") is None
    assert s3.list_objects_v2(Bucket=bucket)["Contents"][0]["StorageClass"] == "STANDARD"


def test_uploads_and_copies_have_the_class_they_name(s3, client, bucket):
    upload = client.new_upload(bucket, "upload", {"x-amz-storage-class": "STANDARD_IA"})
    etag = client.upload_part(bucket, "upload", upload, 1, b"part").etag
    assert client.complete(bucket, "upload", upload, [(1, etag)]).status == 200
    assert client.head(bucket, "upload").header("x-amz-storage-class") == "STANDARD_IA"
    assert client.copy(bucket, "copy", bucket, "upload").status == 200
    assert client.head(bucket, "copy").header("x-amz-storage-class") is None
    assert client.copy(bucket, "upload", bucket, "upload", {"x-amz-storage-class": "GLACIER"}).status == 200
    assert client.head(bucket, "upload").header("x-amz-storage-class") == "GLACIER"


@pytest.mark.parametrize("storage_class", ["", "standard", "COLD", "OUTPOSTS", "SNOW", "EXPRESS_ONEZONE", "FSX_OPENZFS"])
def test_class_of_no_general_purpose_bucket_is_refused(client, bucket, storage_class):
    headers = {"x-amz-storage-class": storage_class}
    for answer in client.put(bucket, "object", b"body", headers), client.create_upload(bucket, "object", headers):
        expect_error(answer, *errors.STORAGE_CLASS_UNKNOWN)
    assert client.keys(bucket) == []


@pytest.mark.parametrize("storage_class", ARCHIVES)
def test_archived_object_is_read_restored_and_copied_at_once(client, bucket, storage_class):
    put(client, bucket, "object", storage_class)
    assert client.get(bucket, "object").body == b"body"
    assert client.copy(bucket, "copy", bucket, "object").status == 200
    for inner in "<Days>1</Days>", "<Days>2</Days><GlacierJobParameters><Tier>Bulk</Tier></GlacierJobParameters>":
        answer = restore(client, bucket, "object", inner)
        assert answer.status == 200 and answer.body == b"", answer
    assert client.head(bucket, "object").header("x-amz-restore") == RESTORED


def test_listing_says_what_is_restored_if_asked(s3, client, bucket):
    put(client, bucket, "cold", "GLACIER")
    put(client, bucket, "warm", "STANDARD_IA")
    for call, entries in (s3.list_objects, "Contents"), (s3.list_objects_v2, "Contents"), (s3.list_object_versions, "Versions"):
        cold, warm = call(Bucket=bucket, OptionalObjectAttributes=["RestoreStatus"])[entries]
        assert cold["RestoreStatus"]["IsRestoreInProgress"] is False and "RestoreStatus" not in warm
        assert all("RestoreStatus" not in entry for entry in call(Bucket=bucket)[entries])
    answer = client.request("GET", bucket, headers={"x-amz-optional-object-attributes": "Owner"})
    expect_error(answer, 400, "InvalidArgument", None, "x-amz-optional-object-attributes", ArgumentValue="Owner")


@pytest.mark.parametrize("storage_class", ["STANDARD", "GLACIER_IR", "INTELLIGENT_TIERING"])
def test_what_is_in_no_archive_is_not_restored(client, bucket, storage_class):
    put(client, bucket, "object", storage_class)
    message = "Restore is not allowed for the object's current storage class"
    expect_error(restore(client, bucket, "object"), 403, "InvalidObjectState", message, StorageClass=storage_class)


@pytest.mark.parametrize("inner", [
    "", "<Days>0</Days>", "<Days>-3</Days>", "<Days>many</Days>", "<Days>1</Days><Days>2</Days>", "<Days>1</Days><Tier>Now</Tier>",
    "<Days>1</Days><GlacierJobParameters/>", "<Days>1</Days><Unknown/>"])
def test_malformed_restoration_is_refused(client, bucket, inner):
    put(client, bucket, "object", "GLACIER")
    expect_error(restore(client, bucket, "object", inner), *errors.MALFORMED_XML)


def test_restoration_of_what_is_not_there_is_refused(client, bucket):
    expect_error(restore(client, bucket, "object"), *errors.NO_SUCH_KEY, Key="object")
    expect_error(restore(client, "no-such-bucket", "object"), *errors.NO_SUCH_BUCKET)
    put(client, bucket, "object", "GLACIER")
    assert client.anonymous("POST", bucket, "object", query={"restore": ""}).status == 403
    query = restore(client, bucket, "object", "<Type>SELECT</Type><Days>1</Days>")
    expect_error(query, *errors.NOT_IMPLEMENTED)


def test_deep_archive_has_no_expedited_retrieval(s3, client, bucket):
    put(client, bucket, "object", "DEEP_ARCHIVE")
    with pytest.raises(ClientError) as raised:
        s3.restore_object(
            Bucket=bucket, Key="object", RestoreRequest={"Days": 1, "GlacierJobParameters": {"Tier": "Expedited"}})
    assert raised.value.response["Error"]["Code"] == "InvalidArgument"


def test_aws_cli_takes_an_archived_object_for_a_restored_one(server, client, bucket, tmp_path):
    put(client, bucket, "object", "DEEP_ARCHIVE")
    aws = Tool("aws", server, tmp_path, arguments=["--endpoint-url", server.tls_url])
    aws.run("s3", "cp", f"s3://{bucket}/object", "one")
    aws.run("s3", "cp", f"s3://{bucket}/", "all", "--recursive", "--force-glacier-transfer")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "all/object").read_bytes() == b"body"

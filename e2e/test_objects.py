"""Buckets and objects as such: what is put comes back, in every size, over both schemes, through boto3."""

import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError

from support import errors, wire
from support.checksums import md5_hex
from support.errors import expect_error, expect_status_only
from support.sse import KEY_A

# Around the sealed segment of 64 KiB, and around what may be kept inside a record.
SIZES = [0, 1, 100, 4095, 4096, 4097, 65535, 65536, 65537, 131072, 200_000, 1 << 20, (5 << 20) + 1, 17 << 20]
MISSING_BUCKET = "no-such-bucket-here"


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("headers", [{}, KEY_A.headers()], ids=["sse-s3", "sse-c"])
def test_bytes_come_back(client, bucket, random_bytes, size, headers):
    body = random_bytes(size)
    assert client.put(bucket, "object", body, headers).status == 200
    answer = client.get(bucket, "object", headers)
    assert answer.status == 200 and answer.header("Content-Length") == str(size)
    assert answer.body == body


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_boto3_round_trip(s3, s3_tls, bucket, random_bytes, tls):
    boto = s3_tls if tls else s3
    body = random_bytes(300_000)
    put = boto.put_object(Bucket=bucket, Key="object", Body=body)
    assert put["ServerSideEncryption"] == "AES256" and put["ETag"] == f'"{md5_hex(body)}"'
    got = boto.get_object(Bucket=bucket, Key="object")
    assert got["Body"].read() == body and got["ServerSideEncryption"] == "AES256"


def test_boto3_customer_key_round_trip(s3_tls, bucket, random_bytes):
    body = random_bytes(300_000)
    s3_tls.put_object(Bucket=bucket, Key="object", Body=body, **KEY_A.boto())
    got = s3_tls.get_object(Bucket=bucket, Key="object", **KEY_A.boto())
    assert got["Body"].read() == body and got["SSECustomerKeyMD5"] == KEY_A.md5
    copied = s3_tls.copy_object(
        Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "object"}, **KEY_A.boto(), **KEY_A.boto_source())
    assert copied["SSECustomerKeyMD5"] == KEY_A.md5


def test_boto3_managed_transfers_split_large_objects(s3_tls, bucket, tmp_path, random_bytes):
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(random_bytes(20 << 20))
    s3_tls.upload_file(str(source), bucket, "large", ExtraArgs=KEY_A.boto())
    assert s3_tls.head_object(Bucket=bucket, Key="large", **KEY_A.boto())["ETag"].endswith('-3"')
    s3_tls.download_file(bucket, "large", str(target), ExtraArgs=KEY_A.boto())
    assert target.read_bytes() == source.read_bytes()


def test_put_replaces(client, bucket):
    client.put(bucket, "object", b"first, and longer", {"x-amz-meta-a": "1"})
    client.put(bucket, "object", b"second")
    answer = client.get(bucket, "object")
    assert answer.body == b"second" and answer.header("x-amz-meta-a") is None


def test_head_is_get_without_the_body(client, bucket):
    client.put(bucket, "object", b"some bytes", {"Content-Type": "text/x-test"})
    got, head = client.get(bucket, "object"), client.head(bucket, "object")
    assert head.body == b""
    for name in ("ETag", "Content-Length", "Content-Type", "Last-Modified", "Accept-Ranges", "x-amz-server-side-encryption"):
        assert head.header(name) == got.header(name) is not None, name


def test_last_modified_is_an_http_date(client, bucket):
    client.put(bucket, "object", b"some bytes")
    date = client.get(bucket, "object").header("Last-Modified")
    assert re.fullmatch(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT", date), date


def test_every_answer_has_ids_and_a_date(client, bucket):
    seen = set()
    for answer in (client.put(bucket, "object", b"x"), client.get(bucket, "object"), client.get(bucket, "absent"), client.request("GET")):
        assert answer.header("x-amz-id-2") and answer.header("Date") and answer.header("Server")
        seen.add(answer.header("x-amz-request-id"))
    assert len(seen) == 4 and None not in seen


def test_missing_key_and_missing_bucket(client, bucket):
    expect_error(client.get(bucket, "absent"), *errors.NO_SUCH_KEY, Key="absent")
    expect_status_only(client.head(bucket, "absent"), 404)
    expect_error(client.get(MISSING_BUCKET, "absent"), *errors.NO_SUCH_BUCKET, BucketName=MISSING_BUCKET)
    expect_error(client.put(MISSING_BUCKET, "object", b"x"), *errors.NO_SUCH_BUCKET, BucketName=MISSING_BUCKET)
    expect_status_only(client.request("HEAD", MISSING_BUCKET), 404)


def test_many_writers_of_one_key_leave_one_whole_body(client, bucket, random_bytes):
    bodies = [random_bytes(70_000, seed) for seed in range(16)]
    with ThreadPoolExecutor(16) as pool:
        assert {answer.status for answer in pool.map(lambda body: client.put(bucket, "object", body), bodies)} == {200}
    answer = client.get(bucket, "object")
    assert answer.body in bodies and answer.etag == md5_hex(answer.body)


def test_reader_of_a_replaced_object_gets_the_old_or_the_new(client, bucket, random_bytes):
    old, new = random_bytes(9 << 20, 1), random_bytes(9 << 20, 2)
    client.put(bucket, "object", old)
    with ThreadPoolExecutor(5) as pool:
        reads = [pool.submit(client.get, bucket, "object") for _ in range(4)]
        assert client.put(bucket, "object", new).status == 200
        for read in reads:
            assert read.result().body in (old, new)


# Buckets.

def test_bucket_life(client):
    created = client.create_bucket("a-bucket-to-delete")
    assert created.status == 200 and created.header("Location") == "/a-bucket-to-delete"
    assert client.request("HEAD", "a-bucket-to-delete").status == 200
    client.put("a-bucket-to-delete", "object", b"x")
    expect_error(client.request("DELETE", "a-bucket-to-delete"), *errors.BUCKET_NOT_EMPTY, BucketName="a-bucket-to-delete")
    client.delete("a-bucket-to-delete", "object")
    answer = client.request("DELETE", "a-bucket-to-delete")
    assert answer.status == 204 and answer.body == b""
    expect_error(client.request("DELETE", "a-bucket-to-delete"), *errors.NO_SUCH_BUCKET)
    expect_status_only(client.request("HEAD", "a-bucket-to-delete"), 404)


def test_bucket_that_comes_again_is_empty(client):
    for _ in range(2):
        assert client.create_bucket("a-bucket-that-comes-again").status == 200
        assert client.keys("a-bucket-that-comes-again") == []
        client.put("a-bucket-that-comes-again", "object", b"x")
        client.delete("a-bucket-that-comes-again", "object")
        assert client.request("DELETE", "a-bucket-that-comes-again").status == 204


def test_creating_a_bucket_again_keeps_what_is_in_it(client, bucket):
    client.put(bucket, "object", b"x")
    answer = client.create_bucket(bucket)
    # us-east-1 alone answers 200 on Amazon S3, for the sake of old clients.
    if answer.status != 200:
        expect_error(answer, 409, "BucketAlreadyOwnedByYou", "Your previous request to create the named bucket succeeded and you already own it.")
    assert client.keys(bucket) == ["object"]


def test_list_buckets(client, bucket, s3):
    answer = client.request("GET")
    assert answer.status == 200 and answer.xml.tag == "ListAllMyBucketsResult"
    names = [each.text for each in answer.xml.iterfind("Buckets/Bucket/Name")]
    assert bucket in names and names == sorted(names)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", answer.text("Buckets/Bucket/CreationDate"))
    assert answer.text("Owner/ID")
    assert bucket in [each["Name"] for each in s3.list_buckets()["Buckets"]]


def test_bucket_location(client, bucket):
    answer = client.request("GET", bucket, query={"location": ""})
    assert answer.status == 200 and answer.xml.tag == "LocationConstraint"
    assert (answer.xml.text or "") in ("", "us-east-1")


def test_boto3_says_what_went_wrong(s3, bucket):
    with pytest.raises(ClientError) as raised:
        s3.get_object(Bucket=bucket, Key="absent")
    assert raised.value.response["Error"]["Code"] == "NoSuchKey"
    with pytest.raises(ClientError) as raised:
        s3.delete_bucket(Bucket=MISSING_BUCKET)
    assert raised.value.response["Error"]["Code"] == "NoSuchBucket"


def test_keep_alive_serves_many_requests_on_one_connection(client, server, bucket):
    client.put(bucket, "object", b"again")
    with wire.connect(server.tls_port, client.tls_context) as connection:
        for _ in range(20):
            target, head, _, _ = client.signed("GET", client.path(bucket, "object"), {}, {}, "UNSIGNED-PAYLOAD")
            wire.send_head(connection, "GET", target, head)
            assert wire.read_response(connection).body == b"again"

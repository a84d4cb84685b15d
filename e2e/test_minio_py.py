"""minio-py: its own signer and its own multipart, plain and with customer keys."""

import io
from datetime import timedelta

import pytest
import requests
import urllib3
from minio import Minio
from minio.commonconfig import CopySource
from minio.deleteobjects import DeleteObject
from minio.error import S3Error
from minio.sse import SseCustomerKey

from support.sse import KEY_A, KEY_B, expect_customer_key, expect_sse_s3

MIB = 1 << 20
SSE_A, SSE_B = SseCustomerKey(KEY_A.raw), SseCustomerKey(KEY_B.raw)


@pytest.fixture(scope="module")
def minio(server):
    return Minio(
        f"localhost:{server.tls_port}", server.credentials.access_key, server.credentials.secret_key,
        region=server.credentials.region, http_client=urllib3.PoolManager(ca_certs=str(server.ca_file), retries=False))


def read(minio, *arguments, **more):
    response = minio.get_object(*arguments, **more)
    try:
        return response.read()
    finally:
        response.close()


@pytest.mark.parametrize("size", [0, 1000, 70_000, 11 * MIB])
@pytest.mark.parametrize("sse", [None, SSE_A], ids=["sse-s3", "sse-c"])
def test_round_trip(minio, bucket, client, random_bytes, size, sse):
    body = random_bytes(size)
    minio.put_object(bucket, "object", io.BytesIO(body), size, part_size=5 * MIB, sse=sse, metadata={"colour": "blue"})
    assert read(minio, bucket, "object", ssec=sse) == body
    stat = minio.stat_object(bucket, "object", ssec=sse)
    assert stat.size == size and stat.metadata["x-amz-meta-colour"] == "blue"
    head = client.head(bucket, "object", KEY_A.headers() if sse else {})
    expect_customer_key(head, KEY_A) if sse else expect_sse_s3(head)


def test_stream_of_unknown_length(minio, bucket, random_bytes):
    body = random_bytes(12 * MIB)
    minio.put_object(bucket, "object", io.BytesIO(body), -1, part_size=5 * MIB, sse=SSE_A)
    assert read(minio, bucket, "object", ssec=SSE_A) == body


def test_range(minio, bucket, random_bytes):
    body = random_bytes(11 * MIB)
    minio.put_object(bucket, "object", io.BytesIO(body), len(body), part_size=5 * MIB, sse=SSE_A)
    assert read(minio, bucket, "object", offset=5 * MIB - 3, length=10, ssec=SSE_A) == body[5 * MIB - 3:5 * MIB + 7]


def test_copy_between_keys(minio, bucket, random_bytes):
    body = random_bytes(50_000)
    minio.put_object(bucket, "one", io.BytesIO(body), len(body), sse=SSE_A)
    minio.copy_object(bucket, "two", CopySource(bucket, "one", ssec=SSE_A), sse=SSE_B)
    assert read(minio, bucket, "two", ssec=SSE_B) == body
    with pytest.raises(S3Error) as raised:
        read(minio, bucket, "two", ssec=SSE_A)
    assert raised.value.code == "AccessDenied"


def test_list_and_remove_many(minio, bucket):
    keys = sorted(f"dir/{at}" for at in range(25))
    for key in keys:
        minio.put_object(bucket, key, io.BytesIO(b"x"), 1)
    assert [each.object_name for each in minio.list_objects(bucket, recursive=True)] == keys
    assert [each.object_name for each in minio.list_objects(bucket)] == ["dir/"]
    assert list(minio.remove_objects(bucket, [DeleteObject(key) for key in keys])) == []
    assert list(minio.list_objects(bucket, recursive=True)) == []


def test_presigned_urls(minio, server, bucket):
    put = minio.presigned_put_object(bucket, "object", expires=timedelta(minutes=1))
    assert requests.put(put, data=b"x", verify=server.ca_file).status_code == 200
    get = minio.presigned_get_object(bucket, "object", expires=timedelta(minutes=1))
    assert requests.get(get, verify=server.ca_file).content == b"x"

"""minio-py: its own signer and its own multipart, plain and with customer keys."""

import io
from datetime import UTC, datetime, timedelta

import pytest
import requests
import urllib3
from minio import Minio
from minio.commonconfig import COMPLIANCE, ENABLED, GOVERNANCE, CopySource, Filter, Tags
from minio.deleteobjects import DeleteObject
from minio.error import S3Error
from minio.lifecycleconfig import AbortIncompleteMultipartUpload, Expiration, LifecycleConfig, Rule
from minio.objectlockconfig import DAYS, ObjectLockConfig
from minio.retention import Retention
from minio.sse import SseCustomerKey
from minio.versioningconfig import VersioningConfig

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


def test_versions(minio, bucket):
    minio.set_bucket_versioning(bucket, VersioningConfig(ENABLED))
    assert minio.get_bucket_versioning(bucket).status == ENABLED
    one = minio.put_object(bucket, "object", io.BytesIO(b"one"), 3, sse=SSE_A)
    two = minio.put_object(bucket, "object", io.BytesIO(b"two"), 3, sse=SSE_B)
    minio.remove_object(bucket, "object")
    assert read(minio, bucket, "object", version_id=one.version_id, ssec=SSE_A) == b"one"
    assert read(minio, bucket, "object", version_id=two.version_id, ssec=SSE_B) == b"two"
    listed = list(minio.list_objects(bucket, include_version=True))
    assert [each.version_id for each in listed if not each.is_delete_marker] == [two.version_id, one.version_id]
    assert [each.is_latest for each in listed if each.is_delete_marker] == ["true"]
    everything = [DeleteObject(each.object_name, each.version_id) for each in listed]
    assert list(minio.remove_objects(bucket, everything)) == []
    assert list(minio.list_objects(bucket, include_version=True)) == []


def test_object_lock(minio, bucket):
    """Retention with the object and afterwards, legal holds, the bucket's default."""
    locked = f"{bucket}-locked"
    minio.make_bucket(locked, object_lock=True)
    until = (datetime.now(UTC) + timedelta(days=1)).replace(microsecond=0)
    written = minio.put_object(
        locked, "object", io.BytesIO(b"x"), 1, retention=Retention(GOVERNANCE, until), legal_hold=True)
    kept = minio.get_object_retention(locked, "object")
    assert (kept.mode, kept.retain_until_date) == (GOVERNANCE, until)
    assert minio.is_object_legal_hold_enabled(locked, "object")
    with pytest.raises(S3Error, match="AccessDenied"):
        minio.remove_object(locked, "object", version_id=written.version_id)
    minio.disable_object_legal_hold(locked, "object", version_id=written.version_id)
    assert not minio.is_object_legal_hold_enabled(locked, "object")
    (error,) = minio.remove_objects(locked, [DeleteObject("object", written.version_id)])
    assert error.code == "AccessDenied"
    removed = minio.remove_objects(locked, [DeleteObject("object", written.version_id)], bypass_governance_mode=True)
    assert list(removed) == []
    minio.set_object_lock_config(locked, ObjectLockConfig(COMPLIANCE, 3, DAYS))
    config = minio.get_object_lock_config(locked)
    assert (config.mode, config.duration) == (COMPLIANCE, 3)
    minio.put_object(locked, "by default", io.BytesIO(b"x"), 1)
    assert minio.get_object_retention(locked, "by default").mode == COMPLIANCE
    minio.delete_object_lock_config(locked)


def test_tags(minio, bucket):
    tags = Tags.new_object_tags()
    tags["team"] = "a b"
    minio.put_object(bucket, "object", io.BytesIO(b"x"), 1, tags=tags)
    assert minio.get_object_tags(bucket, "object") == tags
    tags["more"] = "+-=._:/@"
    minio.set_object_tags(bucket, "object", tags)
    assert minio.get_object_tags(bucket, "object") == tags
    minio.delete_object_tags(bucket, "object")
    assert minio.get_object_tags(bucket, "object") is None
    bucket_tags = Tags.new_bucket_tags()
    bucket_tags["cost"] = "centre"
    minio.set_bucket_tags(bucket, bucket_tags)
    assert minio.get_bucket_tags(bucket) == bucket_tags
    minio.delete_bucket_tags(bucket)
    assert minio.get_bucket_tags(bucket) is None


def test_lifecycle(minio, bucket):
    assert minio.get_bucket_lifecycle(bucket) is None
    rules = LifecycleConfig([
        Rule(ENABLED, rule_filter=Filter(prefix="logs/"), rule_id="logs", expiration=Expiration(days=365)),
        Rule(ENABLED, rule_filter=Filter(prefix=""), rule_id="uploads",
             abort_incomplete_multipart_upload=AbortIncompleteMultipartUpload(days_after_initiation=7))])
    minio.set_bucket_lifecycle(bucket, rules)
    kept = minio.get_bucket_lifecycle(bucket)
    assert [rule.rule_id for rule in kept.rules] == ["logs", "uploads"]
    assert kept.rules[0].expiration.days == 365
    minio.delete_bucket_lifecycle(bucket)
    assert minio.get_bucket_lifecycle(bucket) is None

"""Locked versions on their way to another server: replicas are locked as they are."""

import pytest

from support.lock import configuration, put_configuration
from test_replication import MIB, name_target, pair_of, replicate, rule, wait_for

UNTIL = "2131-01-01T00:00:00Z"
LOCK = {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": UNTIL, "ObjectLockLegalHoldStatus": "ON"}


@pytest.fixture(scope="module")
def pair(make_server):
    target = make_server().start()
    source = make_server()
    name_target(source, target)
    return pair_of(source.start(), target)


def locking_buckets(pair, name, default=""):
    """A bucket that locks objects and the one that it is replicated to; `default` is that of the target."""
    source, target = f"source-{name}", f"target-{name}"
    for s3, bucket in ((pair.here, source), (pair.there, target)):
        s3.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
    assert put_configuration(pair.far, target, configuration(default)).status == 200
    replicate(pair.here, source, rule(target))
    return source, target


def put_in_parts(s3, bucket, key, parts, **options):
    named = {"Bucket": bucket, "Key": key}
    named["UploadId"] = s3.create_multipart_upload(**named, **options)["UploadId"]
    done = []
    for number, part in enumerate(parts, 1):
        done.append({"PartNumber": number, "ETag": s3.upload_part(**named, PartNumber=number, Body=part)["ETag"]})
    s3.complete_multipart_upload(**named, MultipartUpload={"Parts": done})


def test_replicas_are_locked_as_their_versions_are(pair, random_bytes):
    source, target = locking_buckets(pair, "locked")
    parts = [random_bytes(5 * MIB, 1), b"last"]
    pair.here.put_object(Bucket=source, Key="small", Body=b"data", **LOCK)
    pair.here.put_object(Bucket=source, Key="large", Body=parts[0], **LOCK)
    put_in_parts(pair.here, source, "parts", parts, **LOCK)
    for key in ("small", "large", "parts"):
        wait_for(pair, source, key)
        head = pair.there.head_object(Bucket=target, Key=key)
        assert (head["ObjectLockMode"], head["ObjectLockLegalHoldStatus"]) == ("COMPLIANCE", "ON"), key
        assert head["ObjectLockRetainUntilDate"].year == 2131, key
    assert pair.there.get_object(Bucket=target, Key="parts")["Body"].read() == b"".join(parts)


def test_the_default_of_the_target_is_for_replicas_too(pair, random_bytes):
    source, target = locking_buckets(pair, "default", "<Mode>GOVERNANCE</Mode><Days>1</Days>")
    pair.here.put_object(Bucket=source, Key="small", Body=b"data")
    put_in_parts(pair.here, source, "parts", [random_bytes(5 * MIB, 1), b"last"])
    for key in ("small", "parts"):
        wait_for(pair, source, key)
        assert pair.there.head_object(Bucket=target, Key=key)["ObjectLockMode"] == "GOVERNANCE", key


def test_a_lock_that_is_set_later_follows(pair):
    source, target = locking_buckets(pair, "later")
    pair.here.put_object(Bucket=source, Key="k", Body=b"data")
    wait_for(pair, source, "k")
    pair.here.put_object_retention(Bucket=source, Key="k", Retention={"Mode": "COMPLIANCE", "RetainUntilDate": UNTIL})
    pair.here.put_object_legal_hold(Bucket=source, Key="k", LegalHold={"Status": "ON"})
    wait_for(pair, source, "k")
    version = pair.there.head_object(Bucket=target, Key="k")["VersionId"]
    refused = pair.far.delete(target, "k", query={"versionId": version})
    assert (refused.status, refused.text("Code")) == (403, "AccessDenied"), refused


def test_a_removed_source_does_not_remove_a_locked_replica(pair):
    source, target = locking_buckets(pair, "removed")
    until = {"Mode": "GOVERNANCE", "RetainUntilDate": UNTIL}
    made = pair.here.put_object(
        Bucket=source, Key="k", Body=b"data", ObjectLockMode=until["Mode"], ObjectLockRetainUntilDate=UNTIL)
    wait_for(pair, source, "k")
    pair.here.delete_object(Bucket=source, Key="k")
    pair.here.delete_object(Bucket=source, Key="k", VersionId=made["VersionId"], BypassGovernanceRetention=True)
    pair.here.put_object(Bucket=source, Key="last", Body=b"data")
    wait_for(pair, source, "last")
    versions = pair.there.list_object_versions(Bucket=target, Prefix="k")["Versions"]
    assert [pair.there.head_object(Bucket=target, Key="k", VersionId=v["VersionId"])["ObjectLockMode"] for v in versions] == [
        "GOVERNANCE"]

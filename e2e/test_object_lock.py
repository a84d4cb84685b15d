"""Object Lock of buckets: made with it, given it later, its default retention, and what it forbids."""

import itertools

import pytest

from support.checksums import content_md5
from support.errors import MALFORMED_XML, expect_error
from support.forms import Form
from support.lock import (
    DIGEST_MISSING, HOLD, MODE, NOT_CONFIGURED, NOT_VERSIONED, UNTIL, configuration, future, get_configuration,
    put_configuration, put_locked, put_versioning)

ENABLED_FOR_BUCKET = "x-amz-bucket-object-lock-enabled"
GOVERNANCE_DAY = "<Mode>GOVERNANCE</Mode><Days>1</Days>"
_numbers = itertools.count(1)


@pytest.fixture
def locking(client):
    """An empty bucket that locks objects."""
    name = f"lock-bucket-{next(_numbers)}"
    assert client.create_bucket(name, {ENABLED_FOR_BUCKET: "true"}).status == 200
    return name


def test_bucket_made_with_object_lock_has_versions(client, locking):
    answer = get_configuration(client, locking)
    assert answer.status == 200 and answer.text("ObjectLockEnabled") == "Enabled" and answer.xml.find("Rule") is None
    assert client.request("GET", locking, query={"versioning": ""}).text("Status") == "Enabled"


def test_bucket_is_made_without_unless_it_is_asked_for(client):
    name = f"lock-not-{next(_numbers)}"
    assert client.create_bucket(name, {ENABLED_FOR_BUCKET: "false"}).status == 200
    expect_error(get_configuration(client, name), *NOT_CONFIGURED, BucketName=name)
    refused = client.create_bucket(f"{name}-other", {ENABLED_FOR_BUCKET: "maybe"})
    expect_error(refused, 400, "InvalidArgument", None, ENABLED_FOR_BUCKET)
    assert client.request("HEAD", f"{name}-other").status == 404


def test_to_make_a_bucket_again_does_not_pretend_to_lock_it(client, bucket, locking):
    refused = client.create_bucket(bucket, {ENABLED_FOR_BUCKET: "true"})
    expect_error(refused, 409, "BucketAlreadyOwnedByYou", None)
    for headers in ({}, {ENABLED_FOR_BUCKET: "true"}):
        assert client.create_bucket(locking, headers).status == 200
    assert get_configuration(client, locking).status == 200


def test_default_retention_comes_and_goes(s3, locking):
    assert s3.get_object_lock_configuration(Bucket=locking)["ObjectLockConfiguration"] == {"ObjectLockEnabled": "Enabled"}
    for default in ({"Mode": "GOVERNANCE", "Days": 36500}, {"Mode": "COMPLIANCE", "Years": 1}, None):
        wanted = {"ObjectLockEnabled": "Enabled"} | ({"Rule": {"DefaultRetention": default}} if default else {})
        s3.put_object_lock_configuration(Bucket=locking, ObjectLockConfiguration=wanted)
        assert s3.get_object_lock_configuration(Bucket=locking)["ObjectLockConfiguration"] == wanted


@pytest.mark.parametrize("body", [
    "",
    "<ObjectLockConfiguration/>",
    "<Other/>",
    "not XML",
    configuration() * 2,
    configuration(enabled=""),
    configuration(enabled="<ObjectLockEnabled>Disabled</ObjectLockEnabled>"),
    configuration(enabled="<ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule/>"),
    configuration("<Mode>GOVERNANCE</Mode>"),
    configuration("<Days>1</Days>"),
    configuration("<Mode>governance</Mode><Days>1</Days>"),
    configuration("<Mode>GOVERNANCE</Mode><Days>1</Days><Years>1</Years>"),
    configuration("<Mode>GOVERNANCE</Mode><Days>1</Days><Days>1</Days>"),
    configuration("<Mode>GOVERNANCE</Mode><Days>ten</Days>"),
    "<!DOCTYPE a [<!ENTITY b 'Enabled'>]><ObjectLockConfiguration><ObjectLockEnabled>&b;</ObjectLockEnabled>"
    "</ObjectLockConfiguration>",
])
def test_malformed_configuration_changes_nothing(client, locking, body):
    assert put_configuration(client, locking, configuration(GOVERNANCE_DAY)).status == 200
    expect_error(put_configuration(client, locking, body), *MALFORMED_XML)
    assert get_configuration(client, locking).text("Rule/DefaultRetention/Days") == "1"


@pytest.mark.parametrize("unit, value, message", [
    ("Days", "0", "Default retention period must be a positive integer value."),
    ("Years", "-1", "Default retention period must be a positive integer value."),
    ("Days", "36501", "Default retention period too large."),
    ("Years", "101", "Default retention period too large."),
    ("Days", "4294967297", "Default retention period too large."),
])
def test_period_outside_of_its_bounds_changes_nothing(client, locking, unit, value, message):
    assert put_configuration(client, locking, configuration(GOVERNANCE_DAY)).status == 200
    refused = put_configuration(client, locking, configuration(f"<Mode>COMPLIANCE</Mode><{unit}>{value}</{unit}>"))
    expect_error(refused, 400, "InvalidArgument", message, unit, ArgumentValue=value)
    assert get_configuration(client, locking).text("Rule/DefaultRetention/Mode") == "GOVERNANCE"


def test_configuration_must_arrive_as_it_was_sent(client, locking):
    body = configuration(GOVERNANCE_DAY).encode()
    unchecked = client.request("PUT", locking, query={"object-lock": ""}, body=body)
    expect_error(unchecked, *DIGEST_MISSING)
    refused = put_configuration(client, locking, body, {"Content-MD5": content_md5(b"another")})
    assert (refused.status, refused.text("Code")) == (400, "BadDigest")
    assert get_configuration(client, locking).xml.find("Rule") is None


def test_existing_bucket_gets_object_lock_once_it_has_versions(client, bucket):
    for status in (None, "Suspended"):
        if status:
            assert put_versioning(client, bucket, status).status == 200
        expect_error(put_configuration(client, bucket, configuration()), *NOT_VERSIONED)
        expect_error(get_configuration(client, bucket), *NOT_CONFIGURED, BucketName=bucket)
    assert put_versioning(client, bucket, "Enabled").status == 200
    token = {"x-amz-bucket-object-lock-token": "what AWS Support once gave out"}
    assert put_configuration(client, bucket, configuration(), token).status == 200
    assert get_configuration(client, bucket).status == 200


def test_versioning_stays_where_objects_are_locked(client, locking):
    message = "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed."
    expect_error(put_versioning(client, locking, "Suspended"), 409, "InvalidBucketState", message)
    assert put_versioning(client, locking, "Enabled").status == 200
    assert client.request("GET", locking, query={"versioning": ""}).text("Status") == "Enabled"


def test_default_is_for_every_way_to_make_an_object(client, locking):
    put_locked(client, locking, "before")
    assert put_configuration(client, locking, configuration(GOVERNANCE_DAY)).status == 200
    put_locked(client, locking, "put")
    assert client.copy(locking, "copy", locking, "before").status == 200
    upload = client.new_upload(locking, "upload")
    part = client.upload_part(locking, "upload", upload, 1, b"part", {"Content-MD5": content_md5(b"part")})
    assert client.complete(locking, "upload", upload, [(1, part.etag)]).status == 200
    assert Form(client, locking, {"key": "form"}).post(b"of a form").status == 204
    put_locked(client, locking, "held", status="ON")
    for key in ("put", "copy", "upload", "form", "held"):
        head = client.head(locking, key)
        assert head.header(MODE) == "GOVERNANCE", key
        assert future(0.99) < head.header(UNTIL) < future(1.01), key
        assert head.header(HOLD) == ("ON" if key == "held" else None), key
    assert client.head(locking, "before").header(MODE) is None
    until = future(3)
    put_locked(client, locking, "own", mode="COMPLIANCE", until=until)
    head = client.head(locking, "own")
    assert (head.header(MODE), head.header(UNTIL)) == ("COMPLIANCE", until)


def test_bucket_with_a_default_takes_no_unchecked_bytes(client, locking):
    assert put_configuration(client, locking, configuration(GOVERNANCE_DAY)).status == 200
    required = "Content-MD5 OR x-amz-checksum- HTTP header is required for Put {} requests with Object Lock parameters"
    expect_error(client.put(locking, "object", b"data"), 400, "InvalidRequest", required.format("Object"))
    upload = client.new_upload(locking, "object")
    refused = client.upload_part(locking, "object", upload, 1, b"part")
    expect_error(refused, 400, "InvalidRequest", required.format("Part"))
    assert client.keys(locking) == []

"""Retention and legal hold of versions: who may set them, what they forbid, and that nothing gets round them."""

import itertools
import json
from datetime import datetime, timezone
from xml.sax.saxutils import escape

import pytest
from botocore.exceptions import ClientError

from support.access import enable_acls, put_acl
from support.checksums import content_md5
from support.client import Client
from support.errors import MALFORMED_XML, expect_error
from support.forms import Form
from support.iam import allow, create_user
from support.lock import (
    BYPASS, DIGEST_MISSING, HOLD, LOCKED, MODE, NEVER_LOCKED, NO_LOCK_FOR_WRITES, NO_LOCK_HERE, PAST, UNTIL, configuration,
    future, hold, put_configuration, put_document, put_locked, put_versioning, retain, retention)
from support.tools import Tool

DATA = b"what is to be kept"
DIGEST = {"Content-MD5": content_md5(DATA)}
_numbers = itertools.count(1)


@pytest.fixture
def locking(client):
    """An empty bucket that locks objects."""
    name = f"retention-bucket-{next(_numbers)}"
    assert client.create_bucket(name, {"x-amz-bucket-object-lock-enabled": "true"}).status == 200
    return name


def delete_version(client, bucket, key, version, headers=()):
    return client.delete(bucket, key, headers, query={"versionId": version})


def delete_many(client, bucket, *versions, headers=()):
    objects = "".join(f"<Object><Key>{escape(key)}</Key><VersionId>{version}</VersionId></Object>" for key, version in versions)
    body = f"<Delete>{objects}</Delete>".encode()
    return client.request(
        "POST", bucket, query={"delete": ""}, body=body, headers={"Content-MD5": content_md5(body)} | dict(headers))


def expect_kept(client, bucket, key, version, body=DATA):
    """Nobody removes the version, root's bypass included, and it reads as it was written."""
    for headers in ({}, BYPASS):
        expect_error(delete_version(client, bucket, key, version, headers), *LOCKED)
        answer = delete_many(client, bucket, (key, version), headers=headers)
        assert answer.status == 200 and answer.xml.find("Deleted") is None, answer
        assert answer.text("Error/Code") == "AccessDenied" and answer.text("Error/Message") == LOCKED.message
    assert client.get(bucket, key, query={"versionId": version}).body == body


def test_retention_is_set_and_read(client, s3, locking):
    version = put_locked(client, locking, "object")
    for headers in ({}, {"versionId": version}):
        expect_error(client.request("GET", locking, "object", query={"retention": ""} | headers), *NEVER_LOCKED)
    until = datetime(2131, 5, 6, 7, 8, 9, tzinfo=timezone.utc)
    wanted = {"Mode": "GOVERNANCE", "RetainUntilDate": until}
    s3.put_object_retention(Bucket=locking, Key="object", Retention=wanted)
    assert s3.get_object_retention(Bucket=locking, Key="object", VersionId=version)["Retention"] == wanted
    for answer in (client.get(locking, "object"), client.head(locking, "object")):
        assert (answer.header(MODE), answer.header(UNTIL)) == ("GOVERNANCE", "2131-05-06T07:08:09.000Z")
        assert answer.header(HOLD) is None


def test_compliance_is_stronger_than_everything(client, locking):
    until = future(2)
    version = put_locked(client, locking, "object", mode="COMPLIANCE", until=until)
    for headers in ({}, BYPASS):
        for mode, date in (("COMPLIANCE", future(1)), ("GOVERNANCE", future(30))):
            expect_error(retain(client, locking, "object", mode, date, headers), *LOCKED)
        expect_error(put_document(client, locking, "object", "retention", "<Retention/>", headers), *LOCKED)
    assert put_configuration(client, locking, configuration("<Mode>GOVERNANCE</Mode><Days>1</Days>")).status == 200
    assert put_configuration(client, locking, configuration()).status == 200
    expect_kept(client, locking, "object", version)
    assert client.head(locking, "object").header(UNTIL) == until
    longer = future(3)
    assert retain(client, locking, "object", "COMPLIANCE", longer).status == 200
    assert client.head(locking, "object").header(UNTIL) == longer


def test_no_way_of_writing_gets_round_a_lock(client, locking):
    version = put_locked(client, locking, "object", mode="COMPLIANCE", until=future())
    put_locked(client, locking, "other", b"another")
    assert client.put(locking, "object", b"overwritten").status == 200
    assert client.copy(locking, "object", locking, "other").status == 200
    own = {"x-amz-metadata-directive": "REPLACE"}
    assert client.copy(locking, "object", locking, "object", own).status == 200
    upload = client.new_upload(locking, "object")
    part = client.upload_part(locking, "object", upload, 1, b"part")
    assert client.complete(locking, "object", upload, [(1, part.etag)]).status == 200
    assert Form(client, locking, {"key": "object"}).post(b"of a form").status == 204
    marker = client.delete(locking, "object")
    assert marker.status == 204 and marker.header("x-amz-delete-marker") == "true"
    expect_error(client.request("DELETE", locking), 409, "BucketNotEmpty", None)
    assert put_versioning(client, locking, "Suspended").status == 409
    assert client.create_bucket(locking).status == 200, "it is its owner's, and stays what it is"
    expect_kept(client, locking, "object", version)
    assert delete_version(client, locking, "object", marker.header("x-amz-version-id")).status == 204
    expect_kept(client, locking, "object", version)


def test_governance_gives_way_to_header_and_permission_together(client, iam, server, locking):
    may = ["s3:DeleteObjectVersion", "s3:PutObjectRetention", "s3:GetObjectRetention"]
    _, without = create_user(iam, policy=allow(*may))
    _, bypassing = create_user(iam, policy=allow(*may, "s3:BypassGovernanceRetention"))
    without, bypassing = Client(server, without), Client(server, bypassing)
    version = put_locked(client, locking, "object", mode="GOVERNANCE", until=future(2))
    for who in (client, without, bypassing):
        expect_error(delete_version(who, locking, "object", version), *LOCKED)
        expect_error(retain(who, locking, "object", "GOVERNANCE", future(1)), *LOCKED)
        expect_error(retain(who, locking, "object", "COMPLIANCE", future(3)), *LOCKED)
    assert retain(without, locking, "object", "GOVERNANCE", future(3)).status == 200, "to prolong needs no bypass"
    for answer in (
        delete_version(without, locking, "object", version, BYPASS),
        retain(without, locking, "object", "GOVERNANCE", future(1), BYPASS),
    ):
        assert answer.status == 403 and "s3:BypassGovernanceRetention" in answer.text("Message"), answer
    many = delete_many(without, locking, ("object", version), headers=BYPASS)
    assert many.text("Error/Code") == "AccessDenied", many
    unmeant = {"x-amz-bypass-governance-retention": "false"}
    expect_error(delete_version(bypassing, locking, "object", version, unmeant), *LOCKED)
    assert client.get(locking, "object").body == DATA
    assert retain(bypassing, locking, "object", "GOVERNANCE", future(1), BYPASS).status == 200
    assert put_document(bypassing, locking, "object", "retention", "<Retention/>", BYPASS).status == 200
    expect_error(client.request("GET", locking, "object", query={"retention": ""}), *NEVER_LOCKED)
    second = put_locked(client, locking, "second", mode="GOVERNANCE", until=future())
    many = delete_many(bypassing, locking, ("object", version), ("second", second), headers=BYPASS)
    assert len(many.xml.findall("Deleted")) == 2, many


def test_legal_hold_has_no_bypass(client, iam, server, s3, locking):
    version = put_locked(client, locking, "object")
    expect_error(client.request("GET", locking, "object", query={"legal-hold": ""}), *NEVER_LOCKED)
    assert hold(client, locking, "object", "ON").status == 200
    expect_kept(client, locking, "object", version)
    assert client.head(locking, "object").header(HOLD) == "ON"
    _, eager = create_user(iam, policy=allow("s3:DeleteObjectVersion", "s3:PutObjectRetention", "s3:BypassGovernanceRetention"))
    assert hold(Client(server, eager), locking, "object", "OFF").status == 403
    expect_kept(client, locking, "object", version)
    s3.put_object_legal_hold(Bucket=locking, Key="object", VersionId=version, LegalHold={"Status": "OFF"})
    assert s3.get_object_legal_hold(Bucket=locking, Key="object")["LegalHold"] == {"Status": "OFF"}
    assert client.head(locking, "object").header(HOLD) == "OFF"
    assert delete_version(client, locking, "object", version).status == 204


def test_versions_are_locked_one_by_one(client, locking):
    first = put_locked(client, locking, "object", b"first")
    second = put_locked(client, locking, "object", b"second")
    assert retain(client, locking, "object", "COMPLIANCE", future(), query={"versionId": first}).status == 200
    assert delete_version(client, locking, "object", second).status == 204
    expect_kept(client, locking, "object", first, b"first")
    assert client.get(locking, "object").body == b"first"


@pytest.mark.parametrize("body", [
    "", "not XML", "<Other/>", retention("governance", "2131-01-01T00:00:00Z"), retention("abc", "2131-01-01T00:00:00Z"),
    retention("GOVERNANCE", "tomorrow"), retention("GOVERNANCE", "10000-01-01T00:00:00Z"), retention("GOVERNANCE", ""),
    "<Retention><Mode>GOVERNANCE</Mode></Retention>",
    "<Retention><RetainUntilDate>2131-01-01T00:00:00Z</RetainUntilDate></Retention>",
    retention("GOVERNANCE", "2131-01-01T00:00:00Z") * 2,
    "<Retention><EventHold>ON</EventHold></Retention>",
])
def test_malformed_retention_changes_nothing(client, locking, body):
    put_locked(client, locking, "object")
    expect_error(put_document(client, locking, "object", "retention", body, BYPASS), *MALFORMED_XML)
    assert client.head(locking, "object").header(MODE) is None


@pytest.mark.parametrize("body", [
    "", "<LegalHold/>", "<LegalHold><Status/></LegalHold>", "<LegalHold><Status>on</Status></LegalHold>",
    "<LegalHold><Status>abc</Status></LegalHold>", "<LegalHold><Status>ON</Status><Status>OFF</Status></LegalHold>",
    retention("GOVERNANCE", "2131-01-01T00:00:00Z"),
])
def test_malformed_legal_hold_changes_nothing(client, locking, body):
    put_locked(client, locking, "object")
    expect_error(put_document(client, locking, "object", "legal-hold", body), *MALFORMED_XML)
    assert client.head(locking, "object").header(HOLD) is None


def test_retention_ends_in_the_future(client, locking):
    put_locked(client, locking, "object")
    for date, shown in (("2020-01-01T00:00:00Z", "Wed Jan 01 00:00:00 UTC 2020"), ("1959-01-01T00:00:00Z", None)):
        refused = retain(client, locking, "object", "GOVERNANCE", date)
        expect_error(refused, 400, "InvalidArgument", PAST, "RetainUntilDate", **({"ArgumentValue": shown} if shown else {}))
    assert retain(client, locking, "object", "GOVERNANCE", "2131-01-01T01:00:00.123456+01:00").status == 200
    assert client.head(locking, "object").header(UNTIL) == "2131-01-01T00:00:00.123Z"


def test_documents_must_arrive_as_they_were_sent(client, locking):
    put_locked(client, locking, "object")
    for parameter, body in (
        ("retention", retention("GOVERNANCE", future())), ("legal-hold", "<LegalHold><Status>ON</Status></LegalHold>"),
    ):
        unchecked = client.request("PUT", locking, "object", query={parameter: ""}, body=body.encode())
        expect_error(unchecked, *DIGEST_MISSING)
        refused = put_document(client, locking, "object", parameter, body, {"Content-MD5": content_md5(b"another")})
        assert (refused.status, refused.text("Code")) == (400, "BadDigest")
    head = client.head(locking, "object")
    assert (head.header(MODE), head.header(HOLD)) == (None, None)


def test_bucket_without_object_lock_locks_nothing(client, bucket):
    client.put(bucket, "object", DATA)
    for answer in (
        retain(client, bucket, "object", "GOVERNANCE", future()),
        hold(client, bucket, "object", "ON"),
        client.request("GET", bucket, "object", query={"retention": ""}),
        client.request("GET", bucket, "object", query={"legal-hold": ""}),
    ):
        expect_error(answer, *NO_LOCK_HERE)
    for headers in ({MODE: "GOVERNANCE", UNTIL: future()}, {HOLD: "ON"}, {HOLD: "OFF"}):
        expect_error(client.put(bucket, "new", DATA, DIGEST | headers), *NO_LOCK_FOR_WRITES)
        expect_error(client.copy(bucket, "new", bucket, "object", headers), *NO_LOCK_FOR_WRITES)
        expect_error(client.create_upload(bucket, "new", headers), *NO_LOCK_FOR_WRITES)
        expect_error(Form(client, bucket, {"key": "new"} | headers).post(DATA), *NO_LOCK_FOR_WRITES)
    assert client.keys(bucket) == ["object"]


def test_what_is_not_there_is_not_locked(client, locking):
    put_locked(client, locking, "object")
    marker = client.delete(locking, "object").header("x-amz-version-id")
    for query, expected in (({}, (404, "NoSuchKey")), ({"versionId": marker}, (405, "MethodNotAllowed"))):
        for answer in (
            retain(client, locking, "object", "GOVERNANCE", future(), query=query),
            hold(client, locking, "object", "ON", query),
            client.request("GET", locking, "object", query={"retention": ""} | query),
            client.request("GET", locking, "object", query={"legal-hold": ""} | query),
        ):
            assert (answer.status, answer.text("Code")) == expected, answer
    assert retain(client, locking, "never", "GOVERNANCE", future()).text("Code") == "NoSuchKey"
    absent = retain(client, locking, "other", "GOVERNANCE", future(), query={"versionId": marker})
    assert (absent.status, absent.text("Code")) == (404, "NoSuchVersion")


MADE_BY = ["put", "copy", "upload", "form"]


def make(client, how, bucket, key, headers):
    if how == "put":
        return client.put(bucket, key, DATA, DIGEST | headers)
    if how == "copy":
        client.put(bucket, "source", DATA)
        return client.copy(bucket, key, bucket, "source", headers)
    if how == "form":
        return Form(client, bucket, {"key": key} | headers).post(DATA)
    answer = client.create_upload(bucket, key, headers)
    if answer.status != 200:
        return answer
    upload = answer.text("UploadId")
    part = client.upload_part(bucket, key, upload, 1, DATA, DIGEST)
    return client.complete(bucket, key, upload, [(1, part.etag)])


@pytest.mark.parametrize("how", MADE_BY)
def test_objects_are_locked_as_they_are_made(client, locking, how):
    until = future()
    answer = make(client, how, locking, "object", {MODE: "COMPLIANCE", UNTIL: until, HOLD: "OFF"})
    assert answer.status in (200, 204), answer
    head = client.head(locking, "object")
    assert (head.header(MODE), head.header(UNTIL), head.header(HOLD)) == ("COMPLIANCE", until, "OFF")
    expect_kept(client, locking, "object", answer.header("x-amz-version-id"))


BOTH = "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied"
BAD_HEADERS = [
    ({MODE: "GOVERNANCE"}, BOTH, UNTIL),
    ({UNTIL: "2131-01-01T00:00:00Z"}, BOTH, MODE),
    ({MODE: "governance", UNTIL: "2131-01-01T00:00:00Z"}, "Unknown wormMode directive.", MODE),
    ({MODE: "GOVERNANCE", UNTIL: "abc"}, "The retain until date must be provided in ISO 8601 format", UNTIL),
    ({MODE: "GOVERNANCE", UNTIL: "10000-01-01T00:00:00Z"}, "The retain until date must be provided in ISO 8601 format", UNTIL),
    ({MODE: "GOVERNANCE", UNTIL: "2020-01-01T00:00:00Z"}, PAST, UNTIL),
    ({HOLD: "wrong"}, "Legal Hold must be either of 'ON' or 'OFF'", HOLD),
]


@pytest.mark.parametrize("headers, message, argument", BAD_HEADERS)
def test_nothing_is_made_with_a_lock_that_is_none(client, bucket, locking, headers, message, argument):
    for where in (locking, bucket):
        client.put(where, "source", DATA)
        for how in MADE_BY:
            expect_error(make(client, how, where, "object", headers), 400, "InvalidArgument", message, argument)
        assert client.keys(where) == ["source"]


def test_event_holds_are_refused(client, locking):
    refused = client.put(locking, "object", DATA, DIGEST | {"x-amz-object-lock-event-hold": "ON"})
    expect_error(refused, 501, "NotImplemented", None)


def test_locked_bytes_arrive_as_they_were_sent(client, locking):
    lock = {MODE: "GOVERNANCE", UNTIL: future()}
    required = "Content-MD5 OR x-amz-checksum- HTTP header is required for Put {} requests with Object Lock parameters"
    for headers in (lock, {HOLD: "ON"}, {HOLD: "OFF"}):
        expect_error(client.put(locking, "object", DATA, headers), 400, "InvalidRequest", required.format("Object"))
    upload = client.new_upload(locking, "object", lock)
    expect_error(client.upload_part(locking, "object", upload, 1, DATA), 400, "InvalidRequest", required.format("Part"))
    assert client.keys(locking) == []


def test_strangers_lock_nothing(client, locking):
    unblocked = client.request("DELETE", locking, query={"publicAccessBlock": ""})
    assert unblocked.status == 204, unblocked
    statement = {
        "Effect": "Allow", "Principal": "*", "Action": ["s3:PutObject", "s3:PutObjectLegalHold", "s3:PutObjectRetention"],
        "Resource": f"arn:aws:s3:::{locking}/*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]}).encode()
    assert client.request("PUT", locking, query={"policy": ""}, body=policy).status == 204
    message = "Put Object requests with Object Lock parameters require AWS Signature Version 4"
    refused = client.anonymous("PUT", locking, "object", headers=DIGEST | {HOLD: "ON"}, body=DATA)
    expect_error(refused, 400, "InvalidArgument", message, "Authorization")
    assert client.anonymous("PUT", locking, "object", headers=DIGEST, body=DATA).status == 200


def test_locks_are_shown_to_who_may_know_them(client, iam, server, locking):
    put_locked(client, locking, "object", mode="GOVERNANCE", until=future(), status="ON")
    for actions, shown in (
        ((), []), (("s3:GetObjectRetention",), [MODE, UNTIL]), (("s3:GetObjectLegalHold",), [HOLD]),
    ):
        _, credentials = create_user(iam, policy=allow("s3:GetObject", *actions))
        reader = Client(server, credentials)
        for answer in (reader.get(locking, "object"), reader.head(locking, "object")):
            assert answer.status == 200
            assert [name for name in (MODE, UNTIL, HOLD) if answer.header(name)] == shown, actions


def test_policies_bound_how_long_objects_are_kept(client, iam, server, locking):
    put_locked(client, locking, "object")
    condition = {"NumericGreaterThan": {"s3:object-lock-remaining-retention-days": "10"}}
    statements = [
        {"Effect": "Allow", "Action": "s3:*", "Resource": "*"},
        {"Effect": "Deny", "Action": "s3:PutObjectRetention", "Resource": "*", "Condition": condition},
        {"Effect": "Deny", "Action": "s3:PutObjectRetention", "Resource": "*",
         "Condition": {"StringEquals": {"s3:object-lock-mode": "COMPLIANCE"}}},
        {"Effect": "Deny", "Action": "s3:PutObjectLegalHold", "Resource": "*",
         "Condition": {"StringEquals": {"s3:object-lock-legal-hold": "OFF"}}},
    ]
    _, credentials = create_user(iam, policy=json.dumps({"Version": "2012-10-17", "Statement": statements}))
    user = Client(server, credentials)
    for mode, days, expected in (("GOVERNANCE", 10, 200), ("GOVERNANCE", 10.1, 403), ("COMPLIANCE", 1, 403)):
        until = future(days)
        assert retain(user, locking, "object", mode, until, BYPASS).status == expected, (mode, days)
        assert user.put(locking, "new", DATA, DIGEST | {MODE: mode, UNTIL: until}).status == expected, (mode, days)
    assert hold(user, locking, "object", "ON").status == 200
    assert hold(user, locking, "object", "OFF").status == 403
    assert user.put(locking, "new", DATA, DIGEST | {HOLD: "OFF"}).status == 403


def test_what_the_lock_does_not_keep_can_change(client, s3, locking):
    version = put_locked(client, locking, "object", mode="COMPLIANCE", until=future())
    named = {"Bucket": locking, "Key": "object", "VersionId": version}
    s3.put_object_tagging(**named, Tagging={"TagSet": [{"Key": "team", "Value": "blue"}]})
    assert s3.get_object_tagging(**named)["TagSet"] == [{"Key": "team", "Value": "blue"}]
    s3.delete_object_tagging(**named)
    enable_acls(client, locking)
    assert put_acl(client, locking, key="object", headers={"x-amz-acl": "public-read"}).status == 200
    assert client.anonymous("GET", locking, "object").body == DATA
    expect_kept(client, locking, "object", version)


@pytest.mark.parametrize("lock", [{"mode": "COMPLIANCE"}, {"mode": "GOVERNANCE"}, {"status": "ON"}])
def test_the_encryption_of_a_locked_version_stays(client, locking, lock):
    until = {"until": future()} if "mode" in lock else {}
    put_locked(client, locking, "object", **lock, **until)
    body = ("<ObjectEncryption><SSE-KMS><KMSKeyArn>arn:aws:kms:us-east-1:000000000000:key/12345678-1234-1234-1234-123456789012"
            "</KMSKeyArn></SSE-KMS></ObjectEncryption>")
    answer = put_document(client, locking, "object", "encryption", body)
    assert answer.status == 403 and "S3 Object Lock" in answer.text("Message"), answer


def test_presigned_urls_lock_too(client, locking):
    lock = {MODE.title(): "COMPLIANCE", UNTIL.title(): future()}
    target = client.presign("PUT", locking, "object", query=lock, headers=DIGEST)
    answer = client.send_presigned("PUT", target, DIGEST, DATA)
    assert answer.status == 200, answer
    expect_kept(client, locking, "object", answer.header("x-amz-version-id"))


def test_boto3_and_the_aws_cli_agree(s3, server, locking, tmp_path):
    aws = Tool("aws", server, tmp_path, arguments=["--endpoint-url", server.tls_url])
    (tmp_path / "file").write_bytes(DATA)
    put = json.loads(aws.run(
        "s3api", "put-object", "--bucket", locking, "--key", "object", "--body", "file", "--object-lock-mode", "GOVERNANCE",
        "--object-lock-retain-until-date", "2131-01-01T00:00:00Z", "--object-lock-legal-hold-status", "ON"))
    head = s3.head_object(Bucket=locking, Key="object")
    assert (head["ObjectLockMode"], head["ObjectLockLegalHoldStatus"]) == ("GOVERNANCE", "ON")
    shown = json.loads(aws.run("s3api", "get-object-retention", "--bucket", locking, "--key", "object"))
    assert shown["Retention"]["Mode"] == "GOVERNANCE"
    refused = aws.attempt("s3api", "delete-object", "--bucket", locking, "--key", "object", "--version-id", put["VersionId"])
    assert refused.returncode != 0 and "object lock" in refused.stdout
    aws.run("s3api", "put-object-legal-hold", "--bucket", locking, "--key", "object", "--legal-hold", "Status=OFF")
    with pytest.raises(ClientError, match="object lock"):
        s3.delete_object(Bucket=locking, Key="object", VersionId=put["VersionId"])
    aws.run(
        "s3api", "delete-object", "--bucket", locking, "--key", "object", "--version-id", put["VersionId"],
        "--bypass-governance-retention")
    assert "Versions" not in s3.list_object_versions(Bucket=locking)

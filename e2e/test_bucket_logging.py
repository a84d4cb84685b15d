"""Server access logging: where the log of a bucket goes, and what is delivered there."""

import hashlib
import re

import pytest

from support import wire
from support.access import (
    ACCOUNT, LOG_DELIVERY, acl_of, acl_xml, enable_acls, get_document, group_grant, policy_of, put_acl, put_document, put_policy,
    statement, user_grant)
from support.checksums import content_md5
from support.client import Client
from support.errors import MALFORMED_XML, expect_error
from support.forms import Form
from support.iam import allow, client_of, create_user
from support.server import wait_until
from support.signer import Credentials
from support.sse import CustomerKey
from support.versions import delete_objects, put_versioning, version_id

MIB = 1 << 20
SECONDS = 1
SERVICE = "logging.s3.amazonaws.com"
FORBIDDEN = (
    400, "InvalidTargetBucketForLogging",
    "You must either provide the necessary permissions to the logging service using a bucket policy or give the log-delivery group "
    "WRITE and READ_ACP permissions to the target bucket")
KEY = CustomerKey(hashlib.sha256(b"the customer key of the bucket log").digest())
# Fields as S3's documentation tells programs to take a line apart: [time], "quoted", or anything else.
FIELD = re.compile(r'\[[^\]]*\]|"[^"]*"|\S+')
NAMES = (
    "bucket_owner bucket time remote_ip requester request_id operation key request_uri status error_code bytes_sent object_size "
    "total_time turn_around_time referer user_agent version_id host_id signature_version cipher_suite authentication_type "
    "host_header tls_version access_point_arn acl_required source_region").split()


@pytest.fixture(scope="module")
def logging_server(make_server):
    return make_server(environment={"COFFER_SERVER_ACCESS_LOG_SECONDS": str(SECONDS)}).start()


@pytest.fixture(scope="module")
def client(logging_server):
    return Client(logging_server)


@pytest.fixture
def buckets(client, request):
    """A bucket, and one for its log that is not open yet."""
    name = re.sub("[^a-z]", "-", request.node.name)[:40].strip("-")
    source, target = f"s-{name}", f"t-{name}"
    assert client.create_bucket(source).status == client.create_bucket(target).status == 200
    return source, target


@pytest.fixture
def logged(client, buckets):
    """A bucket whose log is delivered to another."""
    source, target = buckets
    admit(client, source, target)
    assert put_logging(client, source, enabled(target)).status == 200
    return source, target


def documented_policy(source, target, **elements):
    """The policy that S3's documentation gives for log delivery."""
    return policy_of(statement(
        target, principal={"Service": SERVICE}, action="s3:PutObject", resource=f"arn:aws:s3:::{target}/logs/*",
        Sid="S3ServerAccessLogsPolicy",
        Condition={"ArnLike": {"aws:SourceArn": f"arn:aws:s3:::{source}"}, "StringEquals": {"aws:SourceAccount": ACCOUNT}}, **elements))


def admit(client, source, target):
    assert put_policy(client, target, documented_policy(source, target)).status == 204


def enabled(target, prefix="logs/", more=""):
    return f"<LoggingEnabled><TargetBucket>{target}</TargetBucket><TargetPrefix>{prefix}</TargetPrefix>{more}</LoggingEnabled>"


def put_logging(client, bucket, inner=""):
    return put_document(
        client, bucket, "logging", f'<BucketLoggingStatus xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{inner}</BucketLoggingStatus>')


def lines(client, target):
    """Every line that was delivered, as a mapping."""
    found = []
    for key in client.keys(target):
        if not key.startswith("logs/"):
            continue
        answer = client.get(target, key)
        assert answer.status == 200 and answer.body.endswith(b"\n"), answer
        for line in answer.body.decode("ascii").splitlines():
            fields = FIELD.findall(line)
            assert len(fields) == len(NAMES) and " ".join(fields) == line, line
            found.append(dict(zip(NAMES, fields)))
    return found


def line_of(client, target, answer):
    """The line of an answer, once it was delivered."""
    id = answer.header("x-amz-request-id")
    found = wait_until(lambda: [line for line in lines(client, target) if line["request_id"] == id], 20, f"the line of {answer}")
    assert len(found) == 1, found
    return found[0]


# Where the log goes.

def test_a_new_bucket_is_not_logged(client, buckets):
    answer = get_document(client, buckets[0], "logging")
    assert answer.status == 200 and answer.xml.tag == "BucketLoggingStatus" and len(answer.xml) == 0


def test_what_was_put_is_answered_until_it_is_switched_off(client, logged):
    source, target = logged
    answer = get_document(client, source, "logging")
    assert [(element.tag, element.text) for element in answer.xml.find("LoggingEnabled")] == [("TargetBucket", target), ("TargetPrefix", "logs/")]
    assert put_logging(client, source).status == 200
    assert len(get_document(client, source, "logging").xml) == 0


@pytest.mark.parametrize("inner, path", [
    ("<SimplePrefix/>", "SimplePrefix"),
    ("<PartitionedPrefix><PartitionDateSource>EventTime</PartitionDateSource></PartitionedPrefix>", "PartitionedPrefix/PartitionDateSource"),
    ("<PartitionedPrefix><PartitionDateSource>DeliveryTime</PartitionDateSource></PartitionedPrefix>", "PartitionedPrefix/PartitionDateSource"),
], ids=["simple", "event", "delivery"])
def test_the_format_of_keys_is_kept(client, buckets, inner, path):
    source, target = buckets
    admit(client, source, target)
    more = f"<TargetObjectKeyFormat>{inner}</TargetObjectKeyFormat>"
    assert put_logging(client, source, enabled(target, more=more)).status == 200
    answer = get_document(client, source, "logging")
    assert answer.xml.find(f"LoggingEnabled/TargetObjectKeyFormat/{path}") is not None, answer


def test_boto3_sets_and_sees_it(logging_server, client, buckets):
    source, target = buckets
    admit(client, source, target)
    s3 = client_of("s3", logging_server)
    wanted = {"LoggingEnabled": {
        "TargetBucket": target, "TargetPrefix": "logs/",
        "TargetObjectKeyFormat": {"PartitionedPrefix": {"PartitionDateSource": "EventTime"}}}}
    s3.put_bucket_logging(Bucket=source, BucketLoggingStatus=wanted)
    assert s3.get_bucket_logging(Bucket=source)["LoggingEnabled"] == wanted["LoggingEnabled"]
    s3.put_bucket_logging(Bucket=source, BucketLoggingStatus={})
    assert "LoggingEnabled" not in s3.get_bucket_logging(Bucket=source)


def test_a_target_that_is_not_there_is_refused(client, buckets):
    for target in ("no-such-bucket-for-logs", "NOT A NAME", ""):
        expect_error(
            put_logging(client, buckets[0], enabled(target)), 400, "InvalidTargetBucketForLogging",
            "The target bucket for logging does not exist", TargetBucket=target or None if target else "")


def test_a_target_that_does_not_let_the_service_in_is_refused(client, buckets):
    source, target = buckets
    expect_error(put_logging(client, source, enabled(target)), *FORBIDDEN, TargetBucket=target)
    for policy in (
        documented_policy("another-source", target),
        documented_policy(source, target).replace(ACCOUNT, "111122223333"),
        documented_policy(source, target).replace("/logs/*", "/other/*"),
        documented_policy(source, target).replace("s3:PutObject", "s3:GetObject"),
        documented_policy(source, target).replace(SERVICE, "cloudtrail.amazonaws.com"),
        documented_policy(source, target).replace('"Allow"', '"Deny"'),
    ):
        assert put_policy(client, target, policy).status == 204
        expect_error(put_logging(client, source, enabled(target)), *FORBIDDEN)
    assert len(get_document(client, source, "logging").xml) == 0


def test_the_target_of_another_account_is_refused(logging_server, client, buckets):
    source, _ = buckets
    organizations = client_of("organizations", logging_server)
    status = organizations.create_account(Email="tenant@example.org", AccountName="tenant")["CreateAccountStatus"]
    _, credentials = create_user(client_of("iam", logging_server), policy=allow("sts:AssumeRole"))
    session = client_of("sts", logging_server, credentials).assume_role(
        RoleArn=f"arn:aws:iam::{status['AccountId']}:role/OrganizationAccountAccessRole", RoleSessionName="session")["Credentials"]
    theirs = client_of("s3", logging_server, Credentials(
        session["AccessKeyId"], session["SecretAccessKey"], session_token=session["SessionToken"]))
    theirs.create_bucket(Bucket="logs-of-the-tenant")
    theirs.put_bucket_policy(Bucket="logs-of-the-tenant", Policy=documented_policy(source, "logs-of-the-tenant"))
    expect_error(
        put_logging(client, source, enabled("logs-of-the-tenant")), 400, "InvalidTargetBucketForLogging",
        "The owner for the bucket to be logged and the target bucket must be the same.", TargetBucket="logs-of-the-tenant")


def test_malformed_documents_are_refused(client, logged):
    source, target = logged
    for inner in (
        "<LoggingEnabled/>", "<LoggingEnabled><TargetBucket>b</TargetBucket></LoggingEnabled>", "text", "<Other/>",
        enabled(target, more="<TargetObjectKeyFormat/>"), enabled(target) + enabled(target),
        enabled(target, more="<TargetObjectKeyFormat><SimplePrefix/><PartitionedPrefix/></TargetObjectKeyFormat>"),
        enabled(target, more=f"<TargetGrants>{group_grant(LOG_DELIVERY, 'NOTAREALPERM')}</TargetGrants>"),
    ):
        expect_error(put_logging(client, source, inner), *MALFORMED_XML)
    for document in ("", "<BucketLoggingStatus>", "<LoggingEnabled/>"):
        expect_error(put_document(client, source, "logging", document), *MALFORMED_XML)
    # What was there is there.
    assert get_document(client, source, "logging").text("LoggingEnabled/TargetBucket") == target


def test_a_prefix_that_leaves_no_room_for_a_key_is_refused(client, buckets):
    source, target = buckets
    policy = documented_policy(source, target).replace("/logs/*", "/*")
    assert put_policy(client, target, policy).status == 204
    assert put_logging(client, source, enabled(target, "p" * 1000)).status == 400
    assert put_logging(client, source, enabled(target, "p" * 900)).status == 200


def test_grants_need_a_target_with_lists(client, buckets):
    source, target = buckets
    admit(client, source, target)
    owner, _ = acl_of(client, target)
    grants = f"<TargetGrants>{user_grant(owner, 'READ')}</TargetGrants>"
    expect_error(
        put_logging(client, source, enabled(target, more=grants)), 400, "AccessControlListNotSupported", "The bucket does not allow ACLs")
    enable_acls(client, target)
    assert put_logging(client, source, enabled(target, more=grants)).status == 200
    answer = get_document(client, source, "logging")
    assert answer.text("LoggingEnabled/TargetGrants/Grant/Grantee/ID") == owner
    assert answer.text("LoggingEnabled/TargetGrants/Grant/Permission") == "READ"
    unknown = f"<TargetGrants>{user_grant('0' * 64, 'READ')}</TargetGrants>"
    assert put_logging(client, source, enabled(target, more=unknown)).text("Code") == "InvalidArgument"


def test_who_may_not_is_refused(logging_server, client, logged):
    source, target = logged
    _, credentials = create_user(client_of("iam", logging_server), policy=allow("s3:GetBucketLogging"))
    reader = Client(logging_server, credentials)
    assert get_document(reader, source, "logging").status == 200
    assert put_logging(reader, source).status == 403
    assert client.anonymous("GET", source, query={"logging": ""}).status == 403
    assert get_document(client, source, "logging").text("LoggingEnabled/TargetBucket") == target


# What is delivered.

def test_requests_are_delivered_as_objects_of_the_target(client, logged):
    source, target = logged
    owner, _ = acl_of(client, source)
    answer = client.put(source, "cat.jpg", b"12345", {"User-Agent": "agent/1.0 (x)", "Referer": "https://example.org/"})
    line = line_of(client, target, answer)
    assert re.fullmatch(r"\[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000\]", line.pop("time"))
    assert int(line.pop("total_time")) >= int(line.pop("turn_around_time")) >= 0
    assert line.pop("cipher_suite").startswith("TLS_")
    assert line == {
        "bucket_owner": owner, "bucket": source, "remote_ip": "127.0.0.1", "requester": owner,
        "request_id": answer.header("x-amz-request-id"), "operation": "REST.PUT.OBJECT", "key": "cat.jpg",
        "request_uri": f'"PUT /{source}/cat.jpg HTTP/1.1"', "status": "200", "error_code": "-", "bytes_sent": "-", "object_size": "5",
        "referer": '"https://example.org/"', "user_agent": '"agent/1.0 (x)"', "version_id": "-", "host_id": answer.header("x-amz-id-2"),
        "signature_version": "SigV4", "authentication_type": "AuthHeader", "host_header": f"localhost:{client.server.tls_port}",
        "tls_version": "TLSv1.3", "access_point_arn": "-", "acl_required": "-", "source_region": "-",
    }
    for key in client.keys(target):
        assert re.fullmatch(r"logs/\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d-[0-9A-F]{16}", key), key
        head = client.head(target, key)
        assert head.header("Content-Type") == "text/plain" and head.header("x-amz-server-side-encryption") == "AES256"


def test_every_outcome_is_told(logging_server, client, logged):
    source, target = logged
    client.put(source, "k", b"x" * 1000)
    _, credentials = create_user(client_of("iam", logging_server), policy=allow("s3:GetObject"))
    user = Client(logging_server, credentials)
    stranger = Client(logging_server, Credentials(client.credentials.access_key, "wrong"))
    expected = {}

    def expect(answer, **fields):
        expected[answer.header("x-amz-request-id")] = fields

    expect(client.get(source, "k"), operation="REST.GET.OBJECT", status="200", bytes_sent="1000", object_size="1000")
    expect(client.get(source, "k", {"Range": "bytes=0-9"}), status="206", bytes_sent="10", object_size="1000")
    expect(client.head(source, "k"), operation="REST.HEAD.OBJECT", status="200", bytes_sent="-", object_size="1000")
    expect(client.get(source, "absent"), status="404", error_code="NoSuchKey", object_size="-")
    expect(client.get(source, "k", {"If-None-Match": "*"}), status="304", error_code="-", bytes_sent="-")
    expect(client.anonymous("GET", source, "k"), status="403", error_code="AccessDenied", requester="-", signature_version="-", authentication_type="-")
    expect(stranger.get(source, "k"), status="403", error_code="SignatureDoesNotMatch", requester="-", authentication_type="AuthHeader")
    expect(user.get(source, "k"), status="200")
    expect(user.put(source, "k"), status="403", error_code="AccessDenied")
    expect(client.send_presigned("GET", client.presign("GET", source, "k")), status="200", authentication_type="QueryString")
    expect(Form(client, source, {"key": "formed"}).post(b"123"), operation="REST.POST.OBJECT", key="formed", object_size="3")
    expect(client.get(source, "k", tls=False), tls_version="-", cipher_suite="-")
    expect(client.copy(source, "copied", source, "k"), operation="REST.COPY.OBJECT", key="copied")
    upload = client.create_upload(source, "parts")
    expect(upload, operation="REST.POST.UPLOADS")
    expect(client.upload_part(source, "parts", upload.text("UploadId"), 1, b"p"), operation="REST.PUT.PART", object_size="1")
    expect(client.abort(source, "parts", upload.text("UploadId")), operation="REST.DELETE.UPLOAD", status="204")
    expect(client.request("GET", source, query={"list-type": "2"}), operation="REST.GET.BUCKET", key="-")
    expect(get_document(client, source, "logging"), operation="REST.GET.LOGGING_STATUS")
    expect(client.delete(source, "k"), operation="REST.DELETE.OBJECT", status="204")

    def delivered():
        by_id = {line["request_id"]: line for line in lines(client, target) if line["operation"] != "REST.COPY.OBJECT_GET"}
        return by_id if expected.keys() <= by_id.keys() else None

    by_id = wait_until(delivered, 20, "every line")
    for id, fields in expected.items():
        assert {name: by_id[id][name] for name in fields} == fields
    assert by_id[next(id for id, fields in expected.items() if fields == {"status": "200"})]["requester"].startswith(
        f"arn:aws:iam::{ACCOUNT}:user/")


def test_every_object_of_a_batch_and_every_source_of_a_copy_has_its_line(client, logged):
    source, target = logged
    for key in ("a", "b"):
        client.put(source, key, b"12345")
    copied = client.copy(target, "other/copied", source, "a")
    missing = client.copy(target, "other/copied", source, "absent")
    upload = client.new_upload(target, "other/parts")
    part = client.copy_part(target, "other/parts", upload, 1, source, "b")
    body = b"<Delete><Object><Key>a</Key></Object><Object><Key>b</Key></Object></Delete>"
    batch = client.request("POST", source, query={"delete": ""}, body=body, headers={"Content-MD5": content_md5(body)})
    assert (copied.status, missing.status, part.status, batch.status) == (200, 404, 200, 200)
    id = batch.header("x-amz-request-id")
    found = wait_until(
        lambda: [line for line in lines(client, target) if line["request_id"] == id], 20, "the lines of a batch")
    assert [(line["operation"], line["key"], line["status"], line["request_uri"]) for line in found] == [
        ("REST.POST.MULTI_OBJECT_DELETE", "-", "200", f'"POST /{source}?delete= HTTP/1.1"'),
        ("BATCH.DELETE.OBJECT", "a", "204", "-"), ("BATCH.DELETE.OBJECT", "b", "204", "-")]
    line = line_of(client, target, copied)
    assert (line["operation"], line["bucket"], line["key"], line["status"], line["object_size"]) == ("REST.COPY.OBJECT_GET", source, "a", "200", "5")
    line = line_of(client, target, missing)
    assert (line["operation"], line["status"], line["error_code"]) == ("REST.COPY.OBJECT_GET", "404", "NoSuchKey")
    assert line_of(client, target, part)["operation"] == "REST.COPY.PART_GET"


def test_lines_name_the_version(client, logged):
    source, target = logged
    put_versioning(client, source, "Enabled")
    put = client.put(source, "a", b"12345")
    read = client.get(source, "a", query={"versionId": version_id(put)})
    marked = client.delete(source, "a")
    batch = delete_objects(client, source, ("a", version_id(put)), "b")
    assert [line_of(client, target, each)["version_id"] for each in (put, read, marked)] == [
        version_id(put), version_id(put), version_id(marked)]
    id = batch.header("x-amz-request-id")
    found = [line for line in lines(client, target) if line["request_id"] == id and line["operation"] == "BATCH.DELETE.OBJECT"]
    assert [(line["key"], line["version_id"]) for line in found] == [
        ("a", version_id(put)), ("b", batch.text("Deleted/DeleteMarkerVersionId"))]


def test_a_download_that_breaks_off_is_logged(logging_server, client, logged):
    source, target = logged
    assert client.put(source, "large", b"x" * 32 * MIB).status == 200
    head_target, head, _, _ = client.signed("GET", f"/{source}/large", (), (), "UNSIGNED-PAYLOAD", tls=False)
    connection = wire.connect(logging_server.port)
    wire.send_head(connection, "GET", head_target, head)
    assert connection.recv(1000)
    connection.close()
    broken = wait_until(
        lambda: [line for line in lines(client, target) if line["operation"] == "REST.GET.OBJECT" and line["key"] == "large"],
        20, "the line of a broken download")
    assert 0 < int(broken[0]["bytes_sent"]) < 32 * MIB and broken[0]["object_size"] == str(32 * MIB)


def test_hostile_requests_do_not_forge_lines(client, logged):
    source, target = logged
    key = 'a" 200\r\n- é\x7f\u2028'
    answer = client.put(source, key, b"", [("User-Agent", b'x" - \t\xff\xc3('), ("Referer", b'"\t"')])
    line = line_of(client, target, answer)
    assert line["key"] == "a%22%20200%0D%0A-%20%C3%A9%7F%E2%80%A8"


def test_no_secret_is_delivered(client, logged):
    source, target = logged
    canary = "canary-51c2d3"
    client.put(source, "k", b"1", KEY.headers() | {"x-amz-meta-a": canary, "Cookie": canary})
    client.get(source, "k", KEY.headers())
    presigned = client.presign("GET", source, "k")
    client.send_presigned("GET", presigned)
    client.request("GET", source, "k", query={"x-amz-server-side-encryption-customer-key": KEY.base64})
    answer = client.request("GET", source, "k", query={"X-Amz-Security-Token": canary})
    assert "=REDACTED" in line_of(client, target, answer)["request_uri"]
    text = b"".join(client.get(target, key).body for key in client.keys(target))
    signature = presigned.rpartition("X-Amz-Signature=")[2].encode()
    for secret in (canary.encode(), client.credentials.secret_key.encode(), KEY.base64.encode(), KEY.md5.encode(), signature):
        assert secret not in text


def test_partitioned_keys_name_account_region_and_bucket(client, buckets):
    source, target = buckets
    admit(client, source, target)
    for date_source, time in (("EventTime", "00-00-00"), ("DeliveryTime", r"\d\d-\d\d-\d\d")):
        more = ("<TargetObjectKeyFormat><PartitionedPrefix><PartitionDateSource>" + date_source
                + "</PartitionDateSource></PartitionedPrefix></TargetObjectKeyFormat>")
        prefix = f"logs/{date_source}/"
        assert put_logging(client, source, enabled(target, prefix, more)).status == 200
        client.put(source, "k", b"")
        keys = wait_until(lambda: [key for key in client.keys(target) if key.startswith(prefix)], 20, "a log object")
        pattern = rf"{prefix}{ACCOUNT}/us-east-1/{source}/(\d{{4}})/(\d\d)/(\d\d)/\1-\2-\3-{time}-[0-9A-F]{{16}}"
        assert all(re.fullmatch(pattern, key) for key in keys), keys


def test_a_list_can_let_the_delivery_group_in(client, buckets):
    source, target = buckets
    owner, _ = acl_of(client, target)
    enable_acls(client, target)
    write, read = group_grant(LOG_DELIVERY, "WRITE"), group_grant(LOG_DELIVERY, "READ_ACP")
    for grants in ([], [write], [read]):
        assert put_acl(client, target, acl_xml(owner, user_grant(owner, "FULL_CONTROL"), *grants)).status == 200
        expect_error(put_logging(client, source, enabled(target)), *FORBIDDEN)
    assert put_acl(client, target, headers={"x-amz-acl": "log-delivery-write"}).status == 200
    grants = f"<TargetGrants>{user_grant(owner, 'READ')}{group_grant(LOG_DELIVERY, 'WRITE')}</TargetGrants>"
    assert put_logging(client, source, enabled(target, more=grants)).status == 200
    line_of(client, target, client.put(source, "k", b""))
    for key in client.keys(target):
        assert acl_of(client, target, key) == (owner, [(owner, "FULL_CONTROL"), (owner, "READ"), (LOG_DELIVERY, "WRITE")])


def test_a_request_that_only_a_list_allows_says_so(client, logged):
    source, target = logged
    enable_acls(client, source)
    assert client.put(source, "public", b"1", {"x-amz-acl": "public-read"}).status == 200
    answer = client.anonymous("GET", source, "public")
    assert answer.status == 200
    assert line_of(client, target, answer)["acl_required"] == "Yes"


def test_nothing_is_delivered_once_the_target_does_not_allow_it(logging_server, client, logged):
    source, target = logged
    line_of(client, target, client.put(source, "before", b""))
    before = client.keys(target)
    assert client.request("DELETE", target, query={"policy": ""}).status == 204
    assert client.put(source, "after", b"").status == 200
    wait_until(lambda: dropped(logging_server) > 0, 20, "a line is dropped")
    assert [key for key in client.keys(target) if key not in before] == []
    assert b"REST.PUT.OBJECT after" not in b"".join(client.get(target, key).body for key in client.keys(target))


def test_a_target_that_is_gone_is_no_harm(logging_server, client, buckets):
    source, target = buckets
    admit(client, source, target)
    assert put_logging(client, source, enabled(target)).status == 200
    client.put(source, "k", b"")
    count = dropped(logging_server)
    while client.request("DELETE", target).status != 204:
        for key in client.keys(target):
            client.delete(target, key)
    assert client.put(source, "later", b"").status == 200
    wait_until(lambda: dropped(logging_server) > count, 20, "a line is dropped")
    assert client.get(source, "later").status == 200
    assert put_logging(client, source).status == 200


def test_a_bucket_that_logs_to_itself_does_not_log_deliveries(client, buckets):
    source, _ = buckets
    admit(client, source, source)
    assert put_logging(client, source, enabled(source)).status == 200
    line_of(client, source, client.put(source, "k", b""))
    puts = [line for line in lines(client, source) if line["operation"] == "REST.PUT.OBJECT"]
    assert [line["key"] for line in puts] == ["k"]


def test_other_buckets_are_not_logged(client, logged):
    source, target = logged
    client.put(target, "other/k", b"")
    client.delete(target, "other/k")
    line_of(client, target, client.put(source, "k", b""))
    assert {line["bucket"] for line in lines(client, target)} == {source}


def test_what_waits_is_delivered_at_the_end(make_server):
    server = make_server(environment={"COFFER_SERVER_ACCESS_LOG_SECONDS": "3600"}).start()
    client = Client(server)
    client.create_bucket("source")
    client.create_bucket("target")
    admit(client, "source", "target")
    assert put_logging(client, "source", enabled("target")).status == 200
    answers = [client.put("source", str(number), b"") for number in range(20)]
    assert client.keys("target") == []
    server.restart()
    ids = {line["request_id"] for line in lines(client, "target")}
    assert ids >= {answer.header("x-amz-request-id") for answer in answers}


def dropped(server):
    """How many lines were not delivered."""
    return int(re.search(rb"^coffer_server_access_log_dropped_total (\d+)$", server.admin("/metrics")[1], re.MULTILINE).group(1))

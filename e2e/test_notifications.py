"""Notifications: which events go where, what they say, and that none is lost."""

import base64
import hashlib
import hmac
import re
import threading
import time
from urllib.parse import unquote_plus

import pytest

from support.access import ACCOUNT, enable_acls, get_document, put_document
from support.client import Client
from support.errors import MALFORMED_XML, expect_error
from support.forms import Form
from support.iam import allow, client_of, create_user, new_account
from support.identity_provider import make_certificate
from support.notifications import arn, configuration_file, document, put_notification, rule
from support.server import wait_until
from support.tools import Tool
from support.webhook import Receiver

OVERLAP = "Configurations overlap. Configurations on the same bucket cannot share a common event type."
AMBIGUOUS = (
    "Configuration is ambiguously defined. Cannot have overlapping suffixes in two rules if the prefixes are overlapping for the same "
    "event type.")
UNABLE = "Unable to validate the following destination configurations"
SIGNING_KEY = b"a key of the webhook, of 32 bytes"
# One MiB more than the least of a part that is not the last.
PART = 6 << 20


@pytest.fixture(scope="module")
def receiver():
    receiver = Receiver().start()
    yield receiver
    receiver.stop()


@pytest.fixture(scope="module")
def tenant_receiver():
    receiver = Receiver().start()
    yield receiver
    receiver.stop()


@pytest.fixture(scope="module")
def notifying(make_server, receiver, tenant_receiver, tmp_path_factory):
    """A server with a receiver, one that tenants may use too, and one that is not there."""
    targets = {
        "hook": {"type": "webhook", "url": receiver.url},
        "tenants": {"type": "webhook", "url": tenant_receiver.url, "accounts": ["*"]},
        "gone": {"type": "webhook", "url": Receiver().url},
    }
    return make_server(environment=configuration_file(tmp_path_factory.mktemp("notifying"), targets)).start()


@pytest.fixture(scope="module")
def client(notifying):
    return Client(notifying)


@pytest.fixture
def bucket(client, request):
    name = re.sub("[^a-z0-9]+", "-", request.node.name.removeprefix("test_"))[:50].strip("-")
    assert client.create_bucket(name).status == 200
    return name


def configured(client, bucket):
    answer = get_document(client, bucket, "notification")
    assert answer.status == 200 and answer.xml.tag == "NotificationConfiguration", answer
    return [element.tag for element in answer.xml]


def enable_versioning(client, bucket):
    body = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
    assert put_document(client, bucket, "versioning", body).status == 200


# The configuration.

def test_a_new_bucket_notifies_nobody(client, bucket):
    assert configured(client, bucket) == []


def test_boto3_sets_and_sees_it(notifying, client, bucket):
    s3 = client_of("s3", notifying)
    wanted = {
        "QueueConfigurations": [{
            "Id": "queue", "QueueArn": arn("hook"), "Events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:Delete"],
            "Filter": {"Key": {"FilterRules": [{"Name": "Prefix", "Value": "images/"}, {"Name": "Suffix", "Value": ".jpg"}]}}}],
        "TopicConfigurations": [{"Id": "topic", "TopicArn": arn("hook", "sns"), "Events": ["s3:ObjectTagging:*"]}],
        "LambdaFunctionConfigurations": [
            {"Id": "function", "LambdaFunctionArn": arn("hook", "lambda"), "Events": ["s3:ObjectAcl:Put"]}],
    }
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=wanted)
    seen = s3.get_bucket_notification_configuration(Bucket=bucket)
    assert {name: seen[name] for name in wanted} == wanted
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={})
    assert configured(client, bucket) == []


def test_s3cmd_sets_and_sees_it(notifying, client, bucket, tmp_path):
    (tmp_path / ".s3cfg").write_text(
        "[default]\naccess_key = {0.access_key}\nsecret_key = {0.secret_key}\nhost_base = {1}\nhost_bucket = {1}\nuse_https = False\n".format(
            notifying.credentials, f"127.0.0.1:{notifying.port}"))
    s3cmd = Tool("s3cmd", notifying, tmp_path)
    (tmp_path / "policy.xml").write_text(document(rule("hook", id="mine")))
    s3cmd.run("setnotification", "policy.xml", f"s3://{bucket}")
    assert "<Id>mine</Id>" in s3cmd.run("getnotification", f"s3://{bucket}")
    s3cmd.run("delnotification", f"s3://{bucket}")
    assert configured(client, bucket) == []


def test_an_id_is_made_where_there_is_none(client, bucket):
    assert put_notification(client, bucket, rule(prefix="a/"), rule(prefix="b/")).status == 200
    answer = get_document(client, bucket, "notification")
    ids = [element.findtext("Id") for element in answer.xml]
    assert len(set(ids)) == 2 and all(ids), answer


def test_a_target_gets_a_test_event(client, bucket, receiver):
    answer = put_notification(client, bucket, rule(id="a", prefix="a"), rule(id="b", prefix="b"))
    assert answer.status == 200
    (test,) = [test for test in receiver.tests() if test["Bucket"] == bucket]
    assert test["Service"] == "Amazon S3" and test["RequestId"] == answer.header("x-amz-request-id"), test
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", test["Time"])


def test_targets_that_cannot_be_validated_are_refused(client, bucket):
    assert put_notification(client, bucket, rule(id="old")).status == 200
    missing, gone = arn("nobody"), arn("gone", "sns")
    answer = put_notification(client, bucket, rule("nobody"), rule("gone", "s3:ObjectRemoved:*", kind="topic"))
    expect_error(
        answer, 400, "InvalidArgument", UNABLE, ArgumentName1=missing, ArgumentValue1="The destination queue does not exist",
        ArgumentName2=None)
    expect_error(
        put_notification(client, bucket, rule("gone", kind="topic")), 400, "InvalidArgument", UNABLE, ArgumentName1=gone,
        ArgumentValue1="The destination topic did not accept the test message")
    other = arn("hook", account="111122223333")
    expect_error(
        put_notification(client, bucket, rule(destination=other)), 400, "InvalidArgument", UNABLE, ArgumentName1=other)
    assert get_document(client, bucket, "notification").text("QueueConfiguration/Id") == "old"


def test_validation_is_skipped_on_request_but_a_target_must_be_there(client, bucket, receiver):
    assert put_notification(client, bucket, rule("gone"), skip="true").status == 200
    assert configured(client, bucket) == ["QueueConfiguration"]
    expect_error(put_notification(client, bucket, rule("nobody"), skip="true"), 400, "InvalidArgument", UNABLE)
    expect_error(put_notification(client, bucket, rule("gone"), skip="false"), 400, "InvalidArgument", UNABLE)
    assert put_notification(client, bucket, rule("gone"), skip="perhaps").status == 400
    assert put_notification(client, bucket, rule(), skip="true").status == 200
    assert [test for test in receiver.tests() if test["Bucket"] == bucket] == []


@pytest.mark.parametrize("rules, code, message, argument", [
    ((rule(id="a"), rule("tenants", "s3:ObjectCreated:Put", id="b")), "InvalidArgument", OVERLAP, "Event"),
    ((rule("hook", "s3:ObjectCreated:*", "s3:ObjectCreated:Put"),), "InvalidArgument", OVERLAP, "Event"),
    ((rule(id="a", prefix="x"), rule(id="b", prefix="xy")), "InvalidArgument", AMBIGUOUS, None),
    ((rule(id="a", prefix="x"), rule(id="b", suffix="y")), "InvalidArgument", AMBIGUOUS, None),
    ((rule(id="a", prefix="x"), rule(id="b")), "InvalidArgument", AMBIGUOUS, None),
    ((rule(id="a", prefix="x"), rule(id="a", prefix="y")), "InvalidArgument",
     "Same ID used for multiple configurations. IDs must be unique.", None),
    ((rule(id="a" * 256),), "InvalidArgument", "ID length exceeded allowed limit of 255", None),
    ((rule("hook", "s3:ObjectCreated:Made"),), "InvalidArgument", "The event is not supported for notifications", "Event"),
    ((rule("hook", "s3:Replication:*"),), "InvalidArgument", "The event is not supported for notifications", "Event"),
    ((rule("hook", "s3:TestEvent"),), "InvalidArgument", "The event is not supported for notifications", "Event"),
    ((rule(destination="hook"),), "InvalidArgument", "The ARN could not be parsed", "Queue"),
    ((rule(destination=arn("hook", "sns")),), "InvalidArgument", "The ARN could not be parsed", "Queue"),
    ((rule(destination=arn("hook", account="1")),), "InvalidArgument", "The ARN could not be parsed", "Queue"),
    ((rule(destination=arn("a:b")),), "InvalidArgument", "The ARN could not be parsed", "Queue"),
    ((rule(destination=arn("hook", region="eu-west-1")),), "InvalidArgument",
     "The notification destination service region is not valid for the bucket location constraint", "Queue"),
    ((rule(prefix="x" * 1025),), "InvalidArgument",
     "Size of filter rule value cannot exceed 1024 bytes in UTF-8 representation", "FilterRule.Value"),
    ((rule(inner="<Filter><S3Key><FilterRule><Name>infix</Name><Value>a</Value></FilterRule></S3Key></Filter>"),), "InvalidArgument",
     "filter rule name must be either prefix or suffix", "FilterRule.Name"),
    ((rule(inner="<Filter><S3Key>" + "<FilterRule><Name>prefix</Name><Value>a</Value></FilterRule>" * 2 + "</S3Key></Filter>"),),
     "InvalidArgument", "Cannot specify more than one prefix rule in a filter.", "FilterRule.Name"),
    (tuple(rule(prefix=f"{number:03}/") for number in range(101)), "InvalidRequest",
     "Too many configurations submitted. The maximum number of configurations is 100", None),
    (("<Other/>",), *MALFORMED_XML[1:3], None),
    (("<QueueConfiguration/>",), *MALFORMED_XML[1:3], None),
    ((rule(inner="<Filter/>"),), *MALFORMED_XML[1:3], None),
    ((rule(inner="<Filter><S3Key/></Filter>" * 2),), *MALFORMED_XML[1:3], None),
], ids=lambda value: "" if not isinstance(value, str) else re.sub("[^A-Za-z]+", "-", value)[:40])
def test_what_is_wrong_is_refused(client, module_notified, rules, code, message, argument):
    answer = put_notification(client, module_notified, *rules)
    expect_error(answer, 400, code, message, argument)
    assert get_document(client, module_notified, "notification").text("QueueConfiguration/Id") == "old"


@pytest.fixture(scope="module")
def module_notified(client):
    assert client.create_bucket("wrong-notifications").status == 200
    assert put_notification(client, "wrong-notifications", rule(id="old")).status == 200
    return "wrong-notifications"


def test_event_bridge_is_refused(client, bucket):
    assert put_notification(client, bucket, "<EventBridgeConfiguration/>").status == 501
    assert configured(client, bucket) == []


def test_broken_documents_are_refused(client, bucket):
    for body in ("", "<NotificationConfiguration>", "<QueueConfiguration/>", "no xml"):
        expect_error(put_document(client, bucket, "notification", body), *MALFORMED_XML)
    answer = put_document(client, bucket, "notification", document(rule()), headers={"Content-MD5": "AAAAAAAAAAAAAAAAAAAAAA=="})
    assert answer.text("Code") == "BadDigest"
    assert configured(client, bucket) == []


def test_who_may_not_is_refused(notifying, client, bucket):
    _, credentials = create_user(client_of("iam", notifying), policy=allow("s3:GetBucketNotification"))
    reader = Client(notifying, credentials)
    assert get_document(reader, bucket, "notification").status == 200
    assert put_notification(reader, bucket, rule()).status == 403
    assert client.anonymous("GET", bucket, query={"notification": ""}).status == 403
    assert configured(client, bucket) == []


def test_tenants_have_the_targets_that_are_for_them(notifying, tenant_receiver):
    account, credentials = new_account(notifying)
    tenant = Client(notifying, credentials)
    assert tenant.create_bucket("of-the-tenant").status == 200
    expect_error(
        put_notification(tenant, "of-the-tenant", rule("hook")), 400, "InvalidArgument", UNABLE, ArgumentName1=arn("hook"),
        ArgumentValue1="Permissions on the destination queue do not allow S3 to publish notifications from this bucket")
    assert put_notification(tenant, "of-the-tenant", rule("tenants")).status == 200
    assert tenant.put("of-the-tenant", "k", b"1").status == 200
    (record,) = tenant_receiver.wait("of-the-tenant", 1)
    assert record["s3"]["bucket"]["ownerIdentity"]["principalId"] == account


def test_a_tenant_that_may_not_use_a_target_any_more_is_not_heard(own, tmp_path):
    server, client, receiver = own({"accounts": ["*"]})
    _, credentials = new_account(server)
    tenant = Client(server, credentials)
    assert tenant.create_bucket("of-the-tenant").status == 200
    for each, bucket in ((tenant, "of-the-tenant"), (client, "events")):
        assert put_notification(each, bucket, rule()).status == 200
    assert server.stop() == 0
    configuration_file(tmp_path, {"hook": {"type": "webhook", "url": receiver.url}})
    server.start()
    assert tenant.put("of-the-tenant", "k", b"1").status == 200
    assert client.put("events", "l", b"1").status == 200
    receiver.wait("events", 1)
    assert receiver.records("of-the-tenant") == []
    wait_until(lambda: metric(server, "queued") == 0 and metric(server, "dropped_total") == 1, 10, "it is counted")


# What is told.

def told(receiver, bucket, count):
    return [(record["eventName"], record["s3"]["object"]["key"]) for record in receiver.wait(bucket, count)]


def test_a_put_is_told_as_s3_tells_it(client, bucket, receiver):
    assert put_notification(client, bucket, rule(id="mine")).status == 200
    answer = client.put(bucket, "cat.jpg", b"12345")
    (record,) = receiver.wait(bucket, 1)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", record.pop("eventTime"))
    assert re.fullmatch("[0-9A-F]{16}", record["s3"]["object"].pop("sequencer"))
    assert record == {
        "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "us-east-1", "eventName": "ObjectCreated:Put",
        "userIdentity": {"principalId": f"AWS:{ACCOUNT}"},
        "requestParameters": {"sourceIPAddress": "127.0.0.1"},
        "responseElements": {
            "x-amz-request-id": answer.header("x-amz-request-id"), "x-amz-id-2": answer.header("x-amz-id-2")},
        "s3": {
            "s3SchemaVersion": "1.0", "configurationId": "mine",
            "bucket": {"name": bucket, "ownerIdentity": {"principalId": ACCOUNT}, "arn": f"arn:aws:s3:::{bucket}"},
            "object": {"key": "cat.jpg", "size": 5, "eTag": hashlib.md5(b"12345").hexdigest()},
        },
    }


def test_every_way_to_make_and_remove_an_object_is_told(client, bucket, receiver, random_bytes):
    assert put_notification(client, bucket, rule("hook", "s3:ObjectCreated:*", "s3:ObjectRemoved:*")).status == 200
    assert client.put(bucket, "put", b"1").status == 200
    assert Form(client, bucket, {"key": "post"}).post(b"2").status == 204
    assert client.copy(bucket, "copy", bucket, "put").status == 200
    upload = client.new_upload(bucket, "multipart")
    etag = client.upload_part(bucket, "multipart", upload, 1, random_bytes(PART)).header("ETag")
    assert client.complete(bucket, "multipart", upload, [(1, etag)]).status == 200
    aborted = client.new_upload(bucket, "aborted")
    assert client.abort(bucket, "aborted", aborted).status == 204
    assert client.delete(bucket, "put").status == 204
    assert client.delete(bucket, "was-never-there").status == 204
    body = b"<Delete><Object><Key>post</Key></Object><Object><Key>copy</Key></Object></Delete>"
    assert put_document_post(client, bucket, body).status == 200
    found = told(receiver, bucket, 7)
    assert found[:5] == [
        ("ObjectCreated:Put", "put"), ("ObjectCreated:Post", "post"), ("ObjectCreated:Copy", "copy"),
        ("ObjectCreated:CompleteMultipartUpload", "multipart"), ("ObjectRemoved:Delete", "put")]
    assert sorted(found[5:]) == [("ObjectRemoved:Delete", "copy"), ("ObjectRemoved:Delete", "post")]
    records = receiver.records(bucket)
    assert records[3]["s3"]["object"]["size"] == PART
    assert sorted(records[4]["s3"]["object"]) == ["key", "sequencer"]


def put_document_post(client, bucket, body):
    md5 = base64.b64encode(hashlib.md5(body).digest()).decode()
    return client.request("POST", bucket, query={"delete": ""}, body=body, headers={"Content-MD5": md5})


def test_what_fails_is_not_told(client, bucket, receiver):
    assert put_notification(client, bucket, rule()).status == 200
    assert client.put(bucket, "k", b"1", headers={"Content-MD5": "AAAAAAAAAAAAAAAAAAAAAA=="}).status == 400
    assert client.put(bucket, "k", b"1", headers={"If-Match": '"0"'}).status in (404, 412)
    assert client.put(bucket, "last", b"1").status == 200
    assert told(receiver, bucket, 1) == [("ObjectCreated:Put", "last")]


def test_versions_and_delete_markers_are_told(client, bucket, receiver):
    enable_versioning(client, bucket)
    assert put_notification(client, bucket, rule("hook", "s3:ObjectCreated:*", "s3:ObjectRemoved:*")).status == 200
    version = client.put(bucket, "k", b"1").header("x-amz-version-id")
    marker = client.delete(bucket, "k").header("x-amz-version-id")
    assert client.delete(bucket, "k", query={"versionId": version}).status == 204
    records = receiver.wait(bucket, 3)
    seen = [(record["eventName"], record["s3"]["object"]["versionId"]) for record in records]
    assert seen == [
        ("ObjectCreated:Put", version), ("ObjectRemoved:DeleteMarkerCreated", marker), ("ObjectRemoved:Delete", version)]
    assert records[1]["s3"]["object"]["eTag"] == hashlib.md5(b"").hexdigest()
    sequencers = [record["s3"]["object"]["sequencer"] for record in records]
    assert sequencers == sorted(set(sequencers))


def test_access_control_lists_are_told(client, bucket, receiver):
    enable_acls(client, bucket)
    assert put_notification(client, bucket, rule("hook", "s3:ObjectAcl:Put")).status == 200
    assert client.put(bucket, "k", b"1").status == 200
    answer = client.request("PUT", bucket, "k", query={"acl": ""}, headers={"x-amz-acl": "public-read"})
    assert answer.status in (200, 403), answer
    if answer.status == 403:  # public access is blocked
        assert client.request("PUT", bucket, "k", query={"acl": ""}, headers={"x-amz-acl": "bucket-owner-read"}).status == 200
    (record,) = receiver.wait(bucket, 1)
    assert (record["eventName"], record["eventVersion"]) == ("ObjectAcl:Put", "2.3")
    assert sorted(record["s3"]["object"]) == ["eTag", "key"]


def test_tags_are_told(notifying, client, bucket, receiver):
    assert put_notification(client, bucket, rule("hook", "s3:ObjectTagging:*")).status == 200
    s3 = client_of("s3", notifying)
    s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    s3.put_object_tagging(Bucket=bucket, Key="k", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    s3.delete_object_tagging(Bucket=bucket, Key="k")
    assert told(receiver, bucket, 2) == [("ObjectTagging:Put", "k"), ("ObjectTagging:Delete", "k")]


def test_keys_are_filtered(client, bucket, receiver, tenant_receiver):
    answer = put_notification(
        client, bucket, rule("hook", id="a", prefix="images/", suffix=".jpg"), rule("tenants", id="b", prefix="a+b%2Bc"))
    assert answer.status == 200
    for key in ("images/1.jpg", "images/1.png", "other/1.jpg", "a b+c", "a+b+c", "images/2.jpg"):
        assert client.put(bucket, key, b"1").status == 200
    assert [key for _, key in told(receiver, bucket, 2)] == ["images/1.jpg", "images/2.jpg"]
    assert [key for _, key in told(tenant_receiver, bucket, 1)] == ["a+b%2Bc"]


HOSTILE = [
    'quote"and\\backslash', "line\nbreak\r\n", "null\\u0000", "\u0001\u001f", "\u00fcber/\u65e5\u672c\U0001f600", "a b+c%20&=?#", "../../etc/passwd",
    "</Key><script>", "{\"Records\":[]}", "~tilde*(star)!'", "\u2028\u2029"]


def test_hostile_keys_arrive_as_they_are(client, bucket, receiver):
    assert put_notification(client, bucket, rule()).status == 200
    for key in HOSTILE:
        assert client.put(bucket, key, b"1").status == 200, key
    keys = [key for _, key in told(receiver, bucket, len(HOSTILE))]
    assert [unquote_plus(key) for key in keys] == HOSTILE
    assert all(re.fullmatch(r"[A-Za-z0-9._*/+%-]+", key) for key in keys), keys


def test_a_changed_configuration_holds_for_what_comes_after(client, bucket, receiver):
    assert put_notification(client, bucket, rule(prefix="a")).status == 200
    assert client.put(bucket, "a1", b"1").status == 200
    assert put_notification(client, bucket, rule(prefix="b")).status == 200
    assert client.put(bucket, "a2", b"1").status == client.put(bucket, "b1", b"1").status == 200
    assert put_notification(client, bucket).status == 200
    assert client.put(bucket, "b2", b"1").status == 200
    assert [key for _, key in told(receiver, bucket, 2)] == ["a1", "b1"]


def test_many_writers_of_a_key_are_told_in_order(client, notifying, bucket, receiver):
    assert put_notification(client, bucket, rule("hook", "s3:ObjectCreated:*", "s3:ObjectRemoved:*")).status == 200

    def write(number):
        own = Client(notifying)
        for turn in range(10):
            assert own.put(bucket, "k", f"{number} {turn}".encode()).status == 200

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    records = receiver.wait(bucket, 40)
    last = max(records, key=lambda record: record["s3"]["object"]["sequencer"])
    assert f'"{last["s3"]["object"]["eTag"]}"' == client.head(bucket, "k").header("ETag")


# Delivery.

@pytest.fixture
def own(make_server, tmp_path):
    """Makes a server of the test's own and its receiver."""
    receivers = []

    def make(settings=None, receiver=None, environment=None, **more):
        receiver = receiver or Receiver().start()
        receivers.append(receiver)
        targets = {"hook": {"type": "webhook", "url": receiver.url} | (settings or {})} | more
        server = make_server(environment=configuration_file(tmp_path, targets) | (environment or {})).start()
        client = Client(server)
        assert client.create_bucket("events").status == 200
        return server, client, receiver

    yield make
    for receiver in receivers:
        receiver.stop()


def metric(server, name, target="hook"):
    found = re.search(rf'^coffer_notification_{name}{{target="{target}"}} (\d+)$', server.admin("/metrics")[1].decode(), re.MULTILINE)
    return found and int(found[1])


def keys_of(records):
    return [record["s3"]["object"]["key"] for record in records]


def test_a_webhook_is_authenticated_and_verified(own, tmp_path):
    certificate = (tmp_path / "receiver.pem", tmp_path / "receiver.key")
    make_certificate(*certificate)
    (tmp_path / "token").write_text("the-token\n")
    (tmp_path / "key").write_text("whsec_" + base64.b64encode(SIGNING_KEY).decode() + "\n")
    settings = {"token_file": tmp_path / "token", "signing_key_file": tmp_path / "key", "ca_file": certificate[0]}
    server, client, receiver = own(settings, Receiver(certificate).start())
    assert put_notification(client, "events", rule()).status == 200
    assert client.put("events", "k", b"1").status == 200
    receiver.wait("events", 1)
    headers, body = receiver.taken[-1]
    assert headers["Authorization"] == "Bearer the-token" and headers["Content-Type"] == "application/json"
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.digest(SIGNING_KEY, signed, "sha256")).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 60
    assert "the-token" not in server.log() and SIGNING_KEY.decode() not in server.log()
    shown = server.run("config", "show").stdout
    assert "[notification.hook]" in shown and "the-token" not in shown


def test_a_certificate_of_nobody_is_not_trusted(own, tmp_path):
    certificate = (tmp_path / "receiver.pem", tmp_path / "receiver.key")
    make_certificate(*certificate)
    _, client, receiver = own(receiver=Receiver(certificate).start())
    expect_error(put_notification(client, "events", rule()), 400, "InvalidArgument", UNABLE)
    assert receiver.taken == []


def test_events_wait_for_a_target_that_is_down_and_others_do_not(own):
    up = Receiver().start()
    try:
        server, client, receiver = own(up={"type": "webhook", "url": up.url})
        receiver.stop()
        assert put_notification(client, "events", rule("hook", prefix="a"), rule("up", prefix="b"), skip="true").status == 200
        for number in range(100):
            assert client.put("events", f"a{number:03}", b"1").status == client.put("events", f"b{number:03}", b"1").status == 200
        assert keys_of(up.wait("events", 100)) == [f"b{number:03}" for number in range(100)]
        wait_until(lambda: metric(server, "queued") == 100, 40, "all of them are counted")
        assert metric(server, "failed_total") >= 1 and metric(server, "delivered_total") == 0
        wait_until(lambda: metric(server, "delivered_total", "up") == 100, 10, "they are taken out of the queue")
        wait_until(lambda: metric(server, "queued", "up") == 0, 10, "nothing waits for it")
        receiver.start()
        assert keys_of(receiver.wait("events", 100)) == [f"a{number:03}" for number in range(100)]
        wait_until(lambda: metric(server, "queued") == 0, 10, "nothing waits")
        assert metric(server, "oldest_seconds") == 0
        # Logs name targets, not objects.
        assert "a000" not in server.log() and "events" not in re.sub("events? |events$", "", server.log())
    finally:
        up.stop()


def test_what_is_refused_is_sent_again_as_the_same(own):
    _, client, receiver = own()
    assert put_notification(client, "events", rule()).status == 200
    receiver.status = 503
    assert client.put("events", "k", b"1").status == 200
    wait_until(lambda: len(receiver.refused) >= 2, 30, "it is tried again")
    receiver.status = 200
    receiver.wait("events", 1)
    ids = {headers["webhook-id"] for headers, _ in receiver.refused} | {receiver.taken[-1][0]["webhook-id"]}
    bodies = {body for _, body in receiver.refused} | {receiver.taken[-1][1]}
    assert len(ids) == len(bodies) == 1


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_undelivered_events_survive_a_restart(own, end):
    server, client, receiver = own()
    assert put_notification(client, "events", rule()).status == 200
    receiver.status = 503
    for number in range(30):
        assert client.put("events", f"k{number:02}", b"1").status == 200
    getattr(server, end)()
    receiver.status = 200
    server.start()
    assert keys_of(receiver.wait("events", 30)) == [f"k{number:02}" for number in range(30)]


def test_a_crash_loses_no_event_and_tells_none_that_did_not_happen(own):
    server, client, receiver = own()
    assert put_notification(client, "events", rule()).status == 200
    acknowledged = []

    def write(number):
        for turn in range(1000):
            key = f"{number}-{turn:04}"
            try:
                answer = Client(server).put("events", key, b"1")
            except OSError:
                return
            if answer.status == 200:
                acknowledged.append(key)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    [thread.start() for thread in threads]
    wait_until(lambda: len(acknowledged) > 40, 30, "some are written")
    server.kill()
    [thread.join() for thread in threads]
    server.start()
    there = set(Client(server).keys("events"))
    assert set(acknowledged) <= there
    wait_until(lambda: set(keys_of(receiver.records("events"))) >= there, 30, "all are told")
    assert set(keys_of(receiver.records("events"))) == there


def test_old_events_are_dropped_and_counted(own):
    server, client, receiver = own(environment={"COFFER_NOTIFICATION_MAX_AGE_SECONDS": "2"})
    assert put_notification(client, "events", rule()).status == 200
    receiver.status = 503
    for number in range(3):
        assert client.put("events", f"k{number}", b"1").status == 200
    wait_until(lambda: metric(server, "dropped_total") == 3, 30, "they are dropped")
    receiver.status = 200
    assert client.put("events", "new", b"1").status == 200
    # The pause after the failures may outlast the next event too.
    wait_until(lambda: metric(server, "delivered_total") == 1 or metric(server, "dropped_total") == 4, 30, "the next one")
    assert "waited too long" in server.log()


def test_a_target_that_left_the_settings_keeps_its_events_for_a_while(own, tmp_path):
    server, client, receiver = own()
    assert put_notification(client, "events", rule()).status == 200
    receiver.status = 503
    assert client.put("events", "k", b"1").status == 200
    assert server.stop() == 0
    configuration_file(tmp_path, {})
    server.start()
    assert client.put("events", "l", b"1").status == 200
    assert server.stop() == 0
    receiver.status = 200
    configuration_file(tmp_path, {"hook": {"type": "webhook", "url": receiver.url}})
    server.start()
    assert keys_of(receiver.wait("events", 2)) == ["k", "l"]


def test_nothing_of_a_waiting_event_is_readable_at_rest(own):
    server, client, receiver = own()
    assert put_notification(client, "events", rule(id="canary-of-the-rule")).status == 200
    receiver.status = 503
    assert client.put("events", "canary-of-the-key", b"1").status == 200
    wait_until(lambda: receiver.refused, 10, "it waits")
    assert server.stop() == 0
    for path in server.data_files():
        content = path.read_bytes()
        assert b"canary-of-the" not in content and b"ObjectCreated" not in content, path


@pytest.mark.parametrize("settings, complaint", [
    ({"type": "webhook", "url": "ftp://localhost"}, "`url` must start with http:// or https://"),
    ({"type": "webhook", "url": "https://user:secret@localhost"}, "`url` must not hold a user"),
    ({"type": "webhook", "url": "https://localhost", "token": "secret"}, "unknown field"),
    ({"type": "webhook", "url": "https://localhost", "token_file": "/no/such/file"}, "`token_file`: /no/such/file cannot be read"),
    ({"type": "carrier pigeon", "url": "https://localhost"}, "carrier pigeon"),
    ({"type": "nats", "url": "nats://localhost", "subject": "a b"}, "`subject`"),
], ids=["scheme", "user", "field", "file", "type", "subject"])
def test_settings_that_do_not_do_keep_the_server_from_starting(make_server, tmp_path, settings, complaint):
    server = make_server(environment=configuration_file(tmp_path, {"hook": settings}))
    done = server.run("serve")
    assert done.returncode == 1 and complaint in done.stderr and "secret" not in done.stderr.replace("secrets", ""), done.stderr

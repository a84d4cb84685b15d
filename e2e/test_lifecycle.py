"""Lifecycle: rules that remove objects, versions, markers and uploads, and change storage classes, and what answers say of it."""

import datetime
import email.utils
import json
import re
import urllib.request

import botocore.exceptions
import pytest

from support import errors
from support.access import delete_document, get_document, put_document
from support.checksums import content_md5
from support.client import Client
from support.errors import expect_error
from support.forms import Form
from support.iam import allow, client_of, create_user
from support.server import wait_until
from support.tools import Tool
from support.versions import put_versioning, version_id, versions

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
NOT_THERE = (404, "NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist")
MINIMUM = "x-amz-transition-default-minimum-object-size"
EXPIRES = "<Expiration><Days>1</Days></Expiration>"
ABORTS = "<AbortIncompleteMultipartUpload><DaysAfterInitiation>1</DaysAfterInitiation></AbortIncompleteMultipartUpload>"
MARKERS = "<Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>"
TAG = "<Tag><Key>k</Key><Value>v</Value></Tag>"
# How long what is due in a day of a second may take on a busy machine.
PATIENCE_S = 60


def rule(filter="", actions=EXPIRES, id="rule", status="Enabled"):
    return f"<Rule><ID>{id}</ID><Filter>{filter}</Filter><Status>{status}</Status>{actions}</Rule>"


def prefix(text):
    return f"<Prefix>{text}</Prefix>"


def noncurrent(days=1, newer=None):
    kept = f"<NewerNoncurrentVersions>{newer}</NewerNoncurrentVersions>" if newer else ""
    return f"<NoncurrentVersionExpiration><NoncurrentDays>{days}</NoncurrentDays>{kept}</NoncurrentVersionExpiration>"


def transition(days, storage_class):
    return f"<Transition><Days>{days}</Days><StorageClass>{storage_class}</StorageClass></Transition>"


def document(*rules):
    return f'<LifecycleConfiguration xmlns="{NAMESPACE}">{"".join(rules)}</LifecycleConfiguration>'


def put_rules(client, bucket, *rules):
    answer = put_document(client, bucket, "lifecycle", document(*rules))
    assert answer.status == 200, answer
    return answer


# The configuration.

def test_a_bucket_has_no_rules_until_it_is_given_some(client, bucket):
    expect_error(get_document(client, bucket, "lifecycle"), *NOT_THERE, BucketName=bucket)
    assert delete_document(client, bucket, "lifecycle").status == 204
    put_rules(client, bucket, rule())
    assert get_document(client, bucket, "lifecycle").text("Rule/ID") == "rule"
    assert delete_document(client, bucket, "lifecycle").status == 204
    expect_error(get_document(client, bucket, "lifecycle"), *NOT_THERE, BucketName=bucket)


def test_rules_are_answered_as_they_were_put(client, bucket):
    rules = [
        rule(),
        rule(prefix("a/"), ABORTS, id="b", status="Disabled"),
        rule(f"<And>{prefix('')}{TAG}<ObjectSizeGreaterThan>5</ObjectSizeGreaterThan></And>", transition(30, "STANDARD_IA") + noncurrent(2, 3), id="c"),
        rule("<ObjectSizeLessThan>7</ObjectSizeLessThan>", "<Expiration><Date>2035-01-01T00:00:00.000Z</Date></Expiration>", id="d"),
    ]
    put_rules(client, bucket, *rules)
    answer = get_document(client, bucket, "lifecycle")
    body = answer.body.decode().split("?>", 1)[1].strip()
    assert body == document(*rules).replace("<Filter></Filter>", "<Filter/>").replace("<Prefix></Prefix>", "<Prefix/>")


def test_a_rule_without_an_id_gets_one(client, bucket):
    put_rules(client, bucket, f"<Rule><Prefix>a</Prefix><Status>Enabled</Status>{EXPIRES}</Rule>", f"<Rule><ID/><Prefix>b</Prefix><Status>Enabled</Status>{EXPIRES}</Rule>")
    ids = [element.text for element in get_document(client, bucket, "lifecycle").xml.findall("Rule/ID")]
    assert len(set(ids)) == 2 and all(re.fullmatch(r"[A-Za-z0-9+/]{48}", id) for id in ids), ids


def test_the_default_minimum_size_for_transitions_is_kept(client, bucket):
    assert put_rules(client, bucket, rule()).header(MINIMUM) == "all_storage_classes_128K"
    assert get_document(client, bucket, "lifecycle").header(MINIMUM) == "all_storage_classes_128K"
    body = document(rule(id="other"))
    headers = {"Content-MD5": content_md5(body.encode()), MINIMUM: "varies_by_storage_class"}
    assert put_document(client, bucket, "lifecycle", body, headers=headers).header(MINIMUM) == "varies_by_storage_class"
    assert get_document(client, bucket, "lifecycle").header(MINIMUM) == "varies_by_storage_class"
    expect_error(
        put_document(client, bucket, "lifecycle", body, headers=headers | {MINIMUM: "any"}), 400, "InvalidRequest",
        "Invalid TransitionDefaultMinimumObjectSize found: any")
    assert get_document(client, bucket, "lifecycle").header(MINIMUM) == "varies_by_storage_class"


def old(text, actions=EXPIRES):
    return f"<Rule><Prefix>{text}</Prefix><Status>Enabled</Status>{actions}</Rule>"


MALFORMED = [
    "", "<Other/>", "<Rule/>", rule(status="enabled"), rule(status="disabled"), rule(status=""),
    rule(actions=EXPIRES * 2), rule(actions="<Expiration/>"), rule(actions="<Expiration><Days>x</Days></Expiration>"),
    rule(actions="<Expiration><Days>1</Days><Date>2035-01-01T00:00:00Z</Date></Expiration>"),
    rule(actions="<Expiration><Days>1</Days><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>"),
    rule(actions="<Expiration><Date>Fri, 01 Jan 2016 00:00:00 GMT</Date></Expiration>"),
    rule(actions="<NoncurrentVersionExpiration><NewerNoncurrentVersions>1</NewerNoncurrentVersions></NoncurrentVersionExpiration>"),
    rule(actions="<AbortIncompleteMultipartUpload/>"), rule(actions="<Transition><Days>1</Days></Transition>"),
    rule(actions=transition(1, "STANDARD")), rule(actions=transition(1, "FOLDED")),
    rule(prefix("a") + TAG), rule(f"<And>{prefix('a')}</And>"), rule(f"<And>{prefix('a')}{TAG}</And>{TAG}"), rule("<Tag><Key>k</Key></Tag>"),
    f"<Rule><Status>Enabled</Status>{EXPIRES}</Rule>", f"<Rule><Prefix/><Filter/><Status>Enabled</Status>{EXPIRES}</Rule>",
    "".join(rule(prefix(str(number)), id=str(number)) for number in range(1001)),
]
REFUSED = [
    (rule(actions=""), "InvalidRequest", "At least one action needs to be specified in a rule"),
    (rule(id="i" * 256), "InvalidArgument", "ID length should not exceed allowed limit of 255"),
    (rule() + rule(), "InvalidArgument", "Rule ID must be unique. Found same ID for more than one rule"),
    (rule(actions=EXPIRES.replace("1", "0")), "InvalidArgument", "'Days' for Expiration action must be a positive integer"),
    (rule(actions=EXPIRES.replace("1", "-1")), "InvalidArgument", "'Days' for Expiration action must be a positive integer"),
    (rule(actions=noncurrent(0)), "InvalidArgument", "'NoncurrentDays' for NoncurrentVersionExpiration action must be a positive integer"),
    (rule(actions=noncurrent(1, -1)), "InvalidArgument", "'NewerNoncurrentVersions' for NoncurrentVersionExpiration action must be a positive integer"),
    (rule(actions=ABORTS.replace("1", "0")), "InvalidArgument", "'DaysAfterInitiation' for AbortIncompleteMultipartUpload action must be a positive integer"),
    (rule(actions="<Expiration><Date>2035-01-01T00:00:01Z</Date></Expiration>"), "InvalidArgument", "'Date' must be at midnight GMT"),
    (rule(TAG, MARKERS), "InvalidRequest", "ExpiredObjectDeleteMarker cannot be specified with Tags."),
    (rule(TAG, ABORTS), "InvalidRequest", "AbortIncompleteMultipartUpload cannot be specified with Tags."),
    (rule("<ObjectSizeLessThan>5</ObjectSizeLessThan>", ABORTS), "InvalidRequest", "AbortIncompleteMultipartUpload cannot be specified with Object Size."),
    (rule(f"<And>{TAG}{TAG}</And>"), "InvalidRequest", "Duplicate Tag Keys are not allowed."),
    (rule("<ObjectSizeLessThan>0</ObjectSizeLessThan>"), "InvalidRequest", "'ObjectSizeLessThan' should be between 1 and 1099511627776000."),
    (rule("<And><ObjectSizeGreaterThan>5</ObjectSizeGreaterThan><ObjectSizeLessThan>5</ObjectSizeLessThan></And>"), "InvalidRequest",
     "'ObjectSizeLessThan' has to be a value greater than 'ObjectSizeGreaterThan'."),
    (rule(prefix("p" * 1025)), "InvalidRequest", "The maximum size of a prefix is 1024."),
    (rule() + old("a"), "InvalidRequest", "Base level prefix cannot be used in Lifecycle V2, prefixes are only supported in the Filter."),
    (old("a") + rule(), "InvalidRequest", "Filter element can only be used in Lifecycle V2."),
    (old("", noncurrent(1, 1)), "InvalidRequest", "NewerNoncurrentVersions element can only be used in Lifecycle V2."),
    (old("") + old("a"), "InvalidRequest", "Found overlapping prefixes '' and 'a' for same action type 'Expiration'"),
    (rule(actions=transition(29, "STANDARD_IA")), "InvalidArgument", "'Days' in Transition action must be greater than or equal to 30 for storageClass 'STANDARD_IA'"),
    (rule(actions=transition(-1, "GLACIER")), "InvalidArgument", "'Days' in Transition action must be nonnegative"),
    (rule(actions=transition(1, "GLACIER") + EXPIRES), "InvalidArgument",
     "'Days' in the Expiration action for filter '(prefix=)' must be greater than 'Days' in the Transition action"),
    (rule(actions=transition(1, "GLACIER") + transition(2, "GLACIER")), "InvalidRequest",
     "'StorageClass' must be different for 'Transition' actions in same 'Rule' with filter '(prefix=)'"),
]


def test_malformed_documents_are_refused_and_change_nothing(client, bucket):
    put_rules(client, bucket, rule(id="before"))
    for rules in MALFORMED:
        expect_error(put_document(client, bucket, "lifecycle", document(rules)), *errors.MALFORMED_XML)
    for body in ("", "junk", "<LifecycleConfiguration>", "<Other/>", '<!DOCTYPE a [<!ENTITY e "x">]><LifecycleConfiguration/>'):
        expect_error(put_document(client, bucket, "lifecycle", body), *errors.MALFORMED_XML)
    assert get_document(client, bucket, "lifecycle").text("Rule/ID") == "before"


def test_what_s3_does_not_do_is_refused_in_its_words_and_changes_nothing(client, bucket):
    put_rules(client, bucket, rule(id="before"))
    for rules, code, message in REFUSED:
        answer = put_document(client, bucket, "lifecycle", document(rules))
        assert (answer.status, answer.text("Code"), answer.text("Message")) == (400, code, message), rules[:300]
    assert get_document(client, bucket, "lifecycle").text("Rule/ID") == "before"


def test_a_thousand_rules_are_taken(client, bucket):
    put_rules(client, bucket, *(rule(prefix(f"{number}/"), id=f"rule number {number}") for number in range(1000)))
    assert len(get_document(client, bucket, "lifecycle").xml.findall("Rule")) == 1000
    assert 'rule-id="rule number 999"' in client.put(bucket, "999/object", b"").header("x-amz-expiration")


def test_a_document_without_a_digest_is_refused(client, bucket):
    body = document(rule())
    expect_error(
        put_document(client, bucket, "lifecycle", body, headers={}), 400, "InvalidRequest",
        "Missing required header for this request: Content-MD5 OR x-amz-checksum-*")
    answer = put_document(client, bucket, "lifecycle", body, headers={"Content-MD5": content_md5(body.encode() + b" ")})
    assert answer.text("Code") == "BadDigest"
    expect_error(get_document(client, bucket, "lifecycle"), *NOT_THERE, BucketName=bucket)


def test_who_may_not_is_refused(server, client, bucket):
    put_rules(client, bucket, rule())
    _, credentials = create_user(client_of("iam", server), policy=allow("s3:GetLifecycleConfiguration"))
    reader = Client(server, credentials)
    assert get_document(reader, bucket, "lifecycle").status == 200
    assert put_document(reader, bucket, "lifecycle", document(rule())).status == 403
    assert delete_document(reader, bucket, "lifecycle").status == 403
    assert client.anonymous("GET", bucket, query={"lifecycle": ""}).status == 403


# Real clients.

def test_boto3_puts_and_gets_every_kind_of_rule(server, bucket):
    s3 = client_of("s3", server)
    rules = [
        {"ID": "everything", "Filter": {"And": {
            "Prefix": "logs/", "Tags": [{"Key": "a", "Value": "1"}], "ObjectSizeGreaterThan": 10, "ObjectSizeLessThan": 1 << 40}},
         "Status": "Enabled", "Expiration": {"Days": 365},
         "Transitions": [{"Days": 30, "StorageClass": "STANDARD_IA"}, {"Days": 90, "StorageClass": "GLACIER"}],
         "NoncurrentVersionTransitions": [{"NoncurrentDays": 30, "StorageClass": "STANDARD_IA", "NewerNoncurrentVersions": 2}],
         "NoncurrentVersionExpiration": {"NoncurrentDays": 60, "NewerNoncurrentVersions": 5}},
        {"ID": "uploads", "Filter": {"Prefix": ""}, "Status": "Enabled", "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7}},
        {"ID": "date", "Filter": {"Tag": {"Key": "x", "Value": ""}}, "Status": "Disabled",
         "Expiration": {"Date": datetime.datetime(2035, 1, 1, tzinfo=datetime.timezone.utc)}},
    ]
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": rules})
    found = s3.get_bucket_lifecycle_configuration(Bucket=bucket)
    assert found["Rules"] == rules and found["TransitionDefaultMinimumObjectSize"] == "all_storage_classes_128K"
    old = [{"ID": "old", "Prefix": "p/", "Status": "Enabled", "Expiration": {"Days": 1}}]
    s3.put_bucket_lifecycle(Bucket=bucket, LifecycleConfiguration={"Rules": old})
    assert s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"] == old
    s3.delete_bucket_lifecycle(Bucket=bucket)
    with pytest.raises(botocore.exceptions.ClientError, match="NoSuchLifecycleConfiguration"):
        s3.get_bucket_lifecycle_configuration(Bucket=bucket)


def test_the_aws_cli_puts_and_gets_rules(server, client, bucket, tmp_path):
    aws = Tool("aws", server, tmp_path, arguments=["--endpoint-url", server.tls_url])
    rules = {"Rules": [{"ID": "tmp", "Filter": {"Prefix": "tmp/"}, "Status": "Enabled", "Expiration": {"Days": 3}}]}
    (tmp_path / "rules.json").write_text(json.dumps(rules))
    aws.run("s3api", "put-bucket-lifecycle-configuration", "--bucket", bucket, "--lifecycle-configuration", "file://rules.json")
    found = json.loads(aws.run("s3api", "get-bucket-lifecycle-configuration", "--bucket", bucket))
    assert found["Rules"] == rules["Rules"]
    aws.run("s3api", "delete-bucket-lifecycle", "--bucket", bucket)
    assert get_document(client, bucket, "lifecycle").status == 404


def test_s3cmd_sets_gets_and_deletes_rules(server, client, bucket, tmp_path):
    (tmp_path / ".s3cfg").write_text(
        f"[default]\naccess_key = {server.credentials.access_key}\nsecret_key = {server.credentials.secret_key}\n"
        f"host_base = localhost:{server.tls_port}\nhost_bucket = localhost:{server.tls_port}\nuse_https = True\nca_certs_file = {server.ca_file}\n")
    s3cmd = Tool("s3cmd", server, tmp_path)
    (tmp_path / "rules.xml").write_text(document(rule(prefix("tmp/"), id="by hand")))
    s3cmd.run("setlifecycle", "rules.xml", f"s3://{bucket}")
    assert "by hand" in s3cmd.run("getlifecycle", f"s3://{bucket}")
    s3cmd.run("dellifecycle", f"s3://{bucket}")
    assert get_document(client, bucket, "lifecycle").status == 404
    s3cmd.run("expire", "--expiry-days=14", "--expiry-prefix=logs/", f"s3://{bucket}")
    assert get_document(client, bucket, "lifecycle").text("Rule/Expiration/Days") == "14"
    assert "logs/" in s3cmd.run("info", f"s3://{bucket}")


# What answers say.

def expected_expiration(moment, days, id):
    midnight = datetime.datetime.combine(moment.date(), datetime.time(), datetime.timezone.utc) + datetime.timedelta(days=days + 1)
    return f'expiry-date="{email.utils.format_datetime(midnight, usegmt=True)}", rule-id="{id}"'


def test_answers_say_when_an_object_expires(client, bucket):
    put_rules(client, bucket, rule(prefix("a"), "<Expiration><Days>3</Days></Expiration>", id="three days"), rule(prefix("never"), MARKERS, id="m"))
    now = datetime.datetime.now(datetime.timezone.utc)
    expected = [expected_expiration(now + datetime.timedelta(minutes=minutes), 3, "three days") for minutes in (0, 5)]
    upload = client.create_upload(bucket, "a-parts").text("UploadId")
    etag = client.upload_part(bucket, "a-parts", upload, 1, b"part").etag
    answers = [
        client.put(bucket, "a", b"body"), client.get(bucket, "a"), client.head(bucket, "a"), client.get(bucket, "a", {"Range": "bytes=0-1"}),
        client.copy(bucket, "a-copy", bucket, "a"), client.complete(bucket, "a-parts", upload, [(1, etag)]),
        Form(client, bucket, {"key": "a-form"}).post(b"body"), client.head(bucket, "a-parts", query={"partNumber": "1"}),
    ]
    for answer in answers:
        assert answer.status in (200, 204, 206) and answer.header("x-amz-expiration") in expected, answer
    for answer in (client.put(bucket, "never", b""), client.get(bucket, "never"), client.head(bucket, "a", query={"versionId": "null"})):
        assert answer.status == 200 and answer.header("x-amz-expiration") is None, answer


def test_tags_and_sizes_decide_what_answers_say(client, bucket):
    put_rules(client, bucket, rule(f"<And>{TAG}<ObjectSizeGreaterThan>3</ObjectSizeGreaterThan></And>"))
    says = lambda answer: answer.header("x-amz-expiration") is not None
    assert says(client.put(bucket, "a", b"body", {"x-amz-tagging": "k=v&other=1"}))
    assert not says(client.put(bucket, "b", b"bod", {"x-amz-tagging": "k=v"}))
    assert not says(client.put(bucket, "c", b"body", {"x-amz-tagging": "k=w"}))
    assert not says(client.put(bucket, "d", b"body"))
    assert [says(client.head(bucket, key)) for key in "abcd"] == [True, False, False, False]


def test_an_id_that_no_header_can_hold_is_encoded(client, bucket):
    put_rules(client, bucket, rule(id="für &quot;alle&quot;"))
    assert client.put(bucket, "a").header("x-amz-expiration").endswith('rule-id="f%C3%BCr %22alle%22"')


def test_answers_say_when_an_upload_is_aborted(client, bucket):
    put_rules(client, bucket, rule(prefix("a"), ABORTS.replace("1", "2"), id="two days"))
    now = datetime.datetime.now(datetime.timezone.utc)
    created = client.create_upload(bucket, "a")
    listed = client.request("GET", bucket, "a", query={"uploadId": created.text("UploadId")})
    expected = [expected_expiration(now + datetime.timedelta(minutes=minutes), 2, "").split('"')[1] for minutes in (0, 5)]
    for answer in (created, listed):
        assert answer.status == 200 and answer.header("x-amz-abort-date") in expected, answer
        assert answer.header("x-amz-abort-rule-id") == "two days"
    assert client.create_upload(bucket, "b").header("x-amz-abort-date") is None


# What the job does, in days of a second.

@pytest.fixture(scope="module")
def quick_server(make_server):
    return make_server(environment={"COFFER_LIFECYCLE_DAY_SECONDS": "1", "COFFER_LIFECYCLE_INTERVAL_SECONDS": "1"}).start()


@pytest.fixture
def quick(quick_server):
    return Client(quick_server)


@pytest.fixture
def quick_bucket(quick, request):
    name = re.sub("[^a-z]", "-", request.node.name)[:50].strip("-")
    assert quick.create_bucket(name).status == 200
    return name


def eventually(condition, what):
    return wait_until(condition, PATIENCE_S, what)


def test_objects_expire_and_others_stay(quick, quick_bucket):
    for key in ("old/a", "old/b", "new/a"):
        quick.put(quick_bucket, key, b"x" * 70_000)
    quick.put(quick_bucket, "tagged", b"", {"x-amz-tagging": "k=v"})
    put_rules(quick, quick_bucket, rule(prefix("old/")), rule(TAG, id="tagged"), rule(prefix("new/"), id="off", status="Disabled"))
    eventually(lambda: quick.keys(quick_bucket) == ["new/a"], "the end of what expires")
    assert quick.get(quick_bucket, "old/a").status == 404
    assert quick.get(quick_bucket, "new/a").body == b"x" * 70_000


def test_a_date_that_is_past_is_due(quick, quick_bucket):
    quick.put(quick_bucket, "past/a")
    quick.put(quick_bucket, "future/a")
    put_rules(
        quick, quick_bucket, rule(prefix("past/"), "<Expiration><Date>2015-01-01</Date></Expiration>", id="1"),
        rule(prefix("future/"), "<Expiration><Date>2935-01-01</Date></Expiration>", id="2"))
    eventually(lambda: quick.keys(quick_bucket) == ["future/a"], "the end of what expires")


def test_versions_and_markers_go_one_after_the_other(quick, quick_bucket):
    put_versioning(quick, quick_bucket, "Enabled")
    for _ in range(3):
        quick.put(quick_bucket, "gone", b"version")
    put_rules(quick, quick_bucket, rule(actions=EXPIRES + noncurrent(1)))
    eventually(lambda: versions(quick, quick_bucket) == [], "the end of every version")


def test_the_newest_noncurrent_versions_stay(quick, quick_bucket):
    put_versioning(quick, quick_bucket, "Enabled")
    ids = [version_id(quick.put(quick_bucket, "key", b"version")) for _ in range(10)]
    put_rules(quick, quick_bucket, rule(actions=noncurrent(1, 5)))
    eventually(lambda: len(versions(quick, quick_bucket)) <= 6, "the end of the oldest versions")
    left = sorted(id for id in ids if quick.head(quick_bucket, "key", query={"versionId": id}).status == 200)
    assert left == sorted(ids[4:])


def test_uploads_are_aborted(quick, quick_bucket):
    ids = {key: quick.new_upload(quick_bucket, key) for key in ("a", "b")}
    quick.upload_part(quick_bucket, "a", ids["a"], 1, b"x" * 1000)
    put_rules(quick, quick_bucket, rule(prefix("a"), ABORTS))
    eventually(lambda: quick.request("GET", quick_bucket, "a", query={"uploadId": ids["a"]}).status == 404, "the end of the upload")
    assert quick.request("GET", quick_bucket, "b", query={"uploadId": ids["b"]}).status == 200


def test_transitions_change_the_storage_class(quick, quick_bucket):
    put_versioning(quick, quick_bucket, "Enabled")
    before = quick.put(quick_bucket, "big", b"x" * 200_000)
    quick.put(quick_bucket, "small", b"x")
    put_rules(quick, quick_bucket, rule(actions=transition(1, "GLACIER_IR")))
    eventually(lambda: quick.head(quick_bucket, "big").header("x-amz-storage-class") == "GLACIER_IR", "the transition")
    after = quick.get(quick_bucket, "big")
    assert after.body == b"x" * 200_000 and (after.etag, version_id(after)) == (before.etag, version_id(before))
    assert quick.head(quick_bucket, "small").header("x-amz-storage-class") is None


def test_no_short_day_shortens_a_lock(quick, quick_server):
    s3 = client_of("s3", quick_server)
    bucket = "short-days-and-long-locks"
    s3.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
    for mode in ("GOVERNANCE", "COMPLIANCE"):
        s3.put_object_lock_configuration(Bucket=bucket, ObjectLockConfiguration={
            "ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": mode, "Days": 1}}})
        s3.put_object(Bucket=bucket, Key=mode, Body=b"kept")
    s3.put_object(Bucket=bucket, Key="free", Body=b"gone", ObjectLockMode="GOVERNANCE",
                  ObjectLockRetainUntilDate=datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=2))
    put_rules(quick, bucket, rule(actions=EXPIRES + noncurrent(1)))
    eventually(lambda: not any(entry["Key"] == "free" for entry in s3.list_object_versions(Bucket=bucket).get("Versions", [])), "the end of what is free")
    kept = s3.list_object_versions(Bucket=bucket)
    assert sorted(entry["Key"] for entry in kept["Versions"]) == ["COMPLIANCE", "GOVERNANCE"]
    for entry in kept["Versions"]:
        assert s3.get_object(Bucket=bucket, Key=entry["Key"], VersionId=entry["VersionId"])["Body"].read() == b"kept"
    with pytest.raises(botocore.exceptions.ClientError, match="AccessDenied"):
        s3.delete_object(Bucket=bucket, Key="COMPLIANCE", VersionId=kept["Versions"][0]["VersionId"], BypassGovernanceRetention=True)


def test_what_was_done_is_counted_and_goes_on_after_a_restart(make_server):
    environment = {"COFFER_LIFECYCLE_DAY_SECONDS": "1", "COFFER_LIFECYCLE_INTERVAL_SECONDS": "1"}
    server = make_server(environment=environment).start()
    client = Client(server)
    client.create_bucket("restarted")
    put_rules(client, "restarted", rule())
    client.put("restarted", "a")
    eventually(lambda: client.keys("restarted") == [], "the end of what expires")
    eventually(lambda: metric(server, 'coffer_lifecycle_items_total{outcome="expired"}') >= 1, "the count of it")
    assert metric(server, "coffer_lifecycle_runs_total") >= 1
    server.stop()
    server.start()
    client = Client(server)
    client.put("restarted", "b")
    eventually(lambda: client.keys("restarted") == [], "the end of what expires after the restart")


def metric(server, name):
    with urllib.request.urlopen(f"http://127.0.0.1:{server.admin_port}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    return max(int(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name + " "))

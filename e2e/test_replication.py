"""Replication: from one server to another, through everything that goes wrong on the way."""

import datetime
import hashlib
import itertools
import re
from types import SimpleNamespace

import boto3
import pytest
from botocore.exceptions import ClientError

from support.access import get_document, put_document
from support.checksums import checksum
from support.client import Client
from support.iam import allow, client_of, create_user, error_code, new_account
from support.server import wait_until
from support.signer import Credentials
from support.sse import CustomerKey

MIB = 1 << 20
PATIENCE_S = 60
ROLE = "arn:aws:iam::000000000000:role/to-the-other-side"
KEY = CustomerKey(hashlib.sha256(b"the customer key of replication").digest())
NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
_numbers = itertools.count(1)


def name_target(source, target, credentials=None, role=ROLE, url=None):
    """Names `target` as where `source` may replicate to."""
    credentials = credentials or target.credentials
    directory = source.directory
    secret = directory / "target.credentials"
    secret.write_text(f'access_key = "{credentials.access_key}"\nsecret_key = "{credentials.secret_key}"\n')
    secret.chmod(0o600)
    file = directory / "targets.toml"
    file.write_text(
        f'[[target]]\nrole = "{role}"\nendpoint = "{url or target.tls_url}"\nregion = "us-east-1"\n'
        f'credentials_file = "{secret}"\nca_file = "{target.ca_file}"\n')
    source.environment["COFFER_REPLICATION_TARGETS"] = str(file)


def pair_of(source, target):
    return SimpleNamespace(
        source=source, target=target, here=client_of("s3", source), there=client_of("s3", target),
        client=Client(source), far=Client(target))


@pytest.fixture(scope="module")
def pair(make_server):
    """Two servers, the first of which replicates to the second."""
    target = make_server().start()
    source = make_server()
    name_target(source, target)
    return pair_of(source.start(), target)


@pytest.fixture
def fresh_pair(make_server):
    """Two servers of the test's own."""
    target = make_server().start()
    source = make_server()
    name_target(source, target)
    yield pair_of(source.start(), target)
    source.close()
    target.close()


def versioned(s3, name, **options):
    s3.create_bucket(Bucket=name, **options)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})


def rule(destination, prefix="", priority=1, markers="Enabled", existing=None, **more):
    made = {
        "ID": f"rule-{priority}", "Status": "Enabled", "Priority": priority, "Filter": {"Prefix": prefix},
        "DeleteMarkerReplication": {"Status": markers}, "Destination": {"Bucket": f"arn:aws:s3:::{destination}"}}
    if existing:
        made["ExistingObjectReplication"] = {"Status": existing}
    return made | more


def replicate(s3, bucket, *rules):
    s3.put_bucket_replication(Bucket=bucket, ReplicationConfiguration={"Role": ROLE, "Rules": list(rules)})


def buckets_of(pair, *rules, **options):
    """A bucket and the one that it is replicated to."""
    number = next(_numbers)
    source, target = f"source-{number}", f"target-{number}"
    versioned(pair.there, target, **options)
    versioned(pair.here, source, **options)
    replicate(pair.here, source, *(rules or [rule(target)]))
    return source, target


def status_of(pair, bucket, key, **version):
    return pair.here.head_object(Bucket=bucket, Key=key, **version).get("ReplicationStatus")


def wait_for(pair, bucket, key, status="COMPLETED", **version):
    wait_until(lambda: status_of(pair, bucket, key, **version) == status, PATIENCE_S, f"{key} is {status}")


def versions_of(s3, bucket):
    """Of each key, the latest first: ETags, and None for delete markers."""
    page = s3.list_object_versions(Bucket=bucket)
    found = [(v["Key"], v["LastModified"], v["IsLatest"], v["ETag"]) for v in page.get("Versions", [])]
    found += [(m["Key"], m["LastModified"], m["IsLatest"], None) for m in page.get("DeleteMarkers", [])]
    keys = {}
    for key, _, _, etag in sorted(found, key=lambda each: (each[2], each[1]), reverse=True):
        keys.setdefault(key, []).append(etag)
    return keys


def counters(server):
    text = server.admin("/metrics")[1].decode()
    return {name: int(value) for name, value in re.findall(r"^coffer_replication_(\w+) (\d+)$", text, re.MULTILINE)}


def refused(answer, status, code):
    assert (answer.status, answer.xml.findtext("Code")) == (status, code), answer


# What goes over.

def test_an_object_arrives_as_it_is(pair):
    source, target = buckets_of(pair)
    body = b"an object that is replicated"
    pair.here.put_object(
        Bucket=source, Key="a b/ü?&%41", Body=body, ContentType="text/plain", CacheControl="max-age=7",
        ContentEncoding="gzip", ContentDisposition="inline", ContentLanguage="de", StorageClass="STANDARD_IA",
        Metadata={"colour": "blue"}, Tagging="k=v&l%2B=%3D%20x", ChecksumAlgorithm="SHA256")
    wait_for(pair, source, "a b/ü?&%41")
    replica = pair.there.get_object(Bucket=target, Key="a b/ü?&%41", ChecksumMode="ENABLED")
    original = pair.here.get_object(Bucket=source, Key="a b/ü?&%41", ChecksumMode="ENABLED")
    assert replica["Body"].read() == body
    assert (replica["ReplicationStatus"], original["ReplicationStatus"]) == ("REPLICA", "COMPLETED")
    for name in ("ETag", "ContentType", "CacheControl", "ContentEncoding", "ContentDisposition", "ContentLanguage", "Metadata",
                 "StorageClass", "ServerSideEncryption", "ChecksumSHA256", "TagCount"):
        assert replica[name] == original[name], name
    assert counters(pair.source)["bytes_total"] >= len(body)


@pytest.mark.parametrize("size", [0, 1, 65_536, 65_537, 3 * MIB])
def test_bodies_of_every_size_arrive(pair, random_bytes, size):
    source, target = buckets_of(pair)
    body = random_bytes(size)
    pair.here.put_object(Bucket=source, Key="k", Body=body)
    wait_for(pair, source, "k")
    assert pair.there.get_object(Bucket=target, Key="k")["Body"].read() == body


@pytest.mark.parametrize("kind", [None, "COMPOSITE", "FULL_OBJECT"])
def test_an_object_of_several_parts_keeps_its_parts(pair, random_bytes, kind):
    source, target = buckets_of(pair)
    parts = [random_bytes(5 * MIB, 1), random_bytes(6 * MIB, 2), random_bytes(100, 3)]
    options = {"ChecksumAlgorithm": "CRC32", "ChecksumType": kind} if kind else {}
    made = pair.here.create_multipart_upload(Bucket=source, Key="k", Metadata={"m": "1"}, Tagging="a=b", **options)
    named = {"Bucket": source, "Key": "k", "UploadId": made["UploadId"]}
    done = []
    for number, part in zip((1, 4, 9), parts):
        extra = {"ChecksumCRC32": checksum("crc32", part)} if kind else {}
        answer = pair.here.upload_part(**named, PartNumber=number, Body=part, **extra)
        done.append({"PartNumber": number, "ETag": answer["ETag"]} | extra)
    pair.here.complete_multipart_upload(**named, MultipartUpload={"Parts": done})
    wait_for(pair, source, "k")
    replica = pair.there.get_object(Bucket=target, Key="k", ChecksumMode="ENABLED")
    original = pair.here.head_object(Bucket=source, Key="k", ChecksumMode="ENABLED")
    assert replica["Body"].read() == b"".join(parts)
    for name in ("ETag", "Metadata", "TagCount"):
        assert replica[name] == original[name], name
    if kind:
        assert (replica["ChecksumType"], replica["ChecksumCRC32"]) == (kind, original["ChecksumCRC32"])
    assert pair.there.head_object(Bucket=target, Key="k", PartNumber=4)["ContentLength"] == 6 * MIB
    assert "Uploads" not in pair.there.list_multipart_uploads(Bucket=target)


def test_copies_are_replicated(pair):
    source, target = buckets_of(pair)
    pair.here.put_object(Bucket=source, Key="a", Body=b"copied")
    pair.here.copy_object(Bucket=source, Key="b", CopySource=f"{source}/a")
    wait_for(pair, source, "b")
    assert pair.there.get_object(Bucket=target, Key="b")["Body"].read() == b"copied"


def test_versions_arrive_in_their_order(pair):
    source, target = buckets_of(pair)
    for number in range(20):
        pair.here.put_object(Bucket=source, Key="k", Body=str(number).encode())
    wait_for(pair, source, "k")
    assert versions_of(pair.there, target)["k"] == versions_of(pair.here, source)["k"]


def test_delete_markers_follow_and_removed_versions_stay(pair):
    source, target = buckets_of(pair)
    version = pair.here.put_object(Bucket=source, Key="k", Body=b"1")["VersionId"]
    wait_for(pair, source, "k")
    marker = pair.here.delete_object(Bucket=source, Key="k")["VersionId"]
    wait_until(lambda: len(versions_of(pair.there, target)["k"]) == 2, PATIENCE_S, "the delete marker arrives")
    assert error_code(pair.there.head_object, Bucket=target, Key="k") == "404"
    for each in (marker, version):
        pair.here.delete_object(Bucket=source, Key="k", VersionId=each)
    pair.here.put_object(Bucket=source, Key="later", Body=b"2")
    wait_for(pair, source, "later")
    assert len(versions_of(pair.there, target)["k"]) == 2
    assert "k" not in versions_of(pair.here, source)


def test_delete_markers_stay_where_the_rule_says_so(pair):
    number = next(_numbers)
    source, target = f"source-{number}", f"target-{number}"
    versioned(pair.there, target)
    versioned(pair.here, source)
    replicate(pair.here, source, rule(target, markers="Disabled"))
    pair.here.put_object(Bucket=source, Key="k", Body=b"1")
    pair.here.delete_object(Bucket=source, Key="k")
    pair.here.put_object(Bucket=source, Key="later", Body=b"2")
    wait_for(pair, source, "later")
    wait_until(lambda: "k" in versions_of(pair.there, target), PATIENCE_S, "the object arrives")
    assert len(versions_of(pair.there, target)["k"]) == 1


def test_rules_choose_objects_classes_and_destinations(pair):
    number = next(_numbers)
    source, one, two = f"source-{number}", f"one-{number}", f"two-{number}"
    for bucket in (one, two):
        versioned(pair.there, bucket)
    versioned(pair.here, source)
    cold = {"Bucket": f"arn:aws:s3:::{one}", "StorageClass": "GLACIER_IR"}
    tagged = {"And": {"Prefix": "logs/", "Tags": [{"Key": "keep", "Value": "yes"}, {"Key": "b", "Value": ""}]}}
    replicate(
        pair.here, source, rule(one, "logs/", 1), rule(one, "logs/cold/", 2, Destination=cold),
        rule(two, priority=3, markers="Disabled", Filter=tagged),
        rule(two, "never/", 4, Status="Disabled"))
    pair.here.put_object(Bucket=source, Key="logs/a", Body=b"a")
    pair.here.put_object(Bucket=source, Key="logs/cold/b", Body=b"b")
    pair.here.put_object(Bucket=source, Key="logs/both", Body=b"c", Tagging="keep=yes&b=&c=1")
    pair.here.put_object(Bucket=source, Key="never/d", Body=b"d", Tagging="keep=yes&b=")
    for key in ("logs/a", "logs/cold/b", "logs/both"):
        wait_for(pair, source, key)
    assert status_of(pair, source, "never/d") is None
    assert sorted(versions_of(pair.there, one)) == ["logs/a", "logs/both", "logs/cold/b"]
    assert sorted(versions_of(pair.there, two)) == ["logs/both"]
    assert pair.there.head_object(Bucket=one, Key="logs/cold/b")["StorageClass"] == "GLACIER_IR"


def test_what_is_under_a_customer_key_is_not_replicated_and_says_so(pair):
    source, target = buckets_of(pair)
    assert pair.client.put(source, "sealed", b"body", KEY.headers()).status == 200
    failed = counters(pair.source)["failed_total"]
    pair.here.put_object(Bucket=source, Key="plain", Body=b"1")
    wait_for(pair, source, "plain")
    wait_until(lambda: pair.client.head(source, "sealed", KEY.headers()).header("x-amz-replication-status") == "FAILED", PATIENCE_S, "it is given up")
    assert list(versions_of(pair.there, target)) == ["plain"]
    assert failed <= counters(pair.source)["failed_total"]
    assert "customer key" in pair.source.log()


def test_replicas_do_not_go_round_in_circles(make_server):
    one, two = make_server(), make_server()
    for server in (one, two):
        server.start()
    name_target(one, two)
    name_target(two, one)
    for server in (one, two):
        server.restart()
    s3 = {server: client_of("s3", server) for server in (one, two)}
    for server in (one, two):
        versioned(s3[server], "shared")
    for server in (one, two):
        replicate(s3[server], "shared", rule("shared"))
    s3[one].put_object(Bucket="shared", Key="from-one", Body=b"1")
    s3[two].put_object(Bucket="shared", Key="from-two", Body=b"2")
    s3[one].delete_object(Bucket="shared", Key="gone")
    for server, key in ((one, "from-one"), (two, "from-two")):
        wait_until(lambda: s3[server].head_object(Bucket="shared", Key=key).get("ReplicationStatus") == "COMPLETED",
                   PATIENCE_S, "it arrives")
    # What comes after would have to pass whatever went back.
    s3[two].put_object(Bucket="shared", Key="later", Body=b"3")
    wait_until(lambda: s3[two].head_object(Bucket="shared", Key="later").get("ReplicationStatus") == "COMPLETED",
               PATIENCE_S, "it arrives")
    for server in (one, two):
        wait_until(lambda: len(versions_of(s3[server], "shared")) == 4, PATIENCE_S, "everything is on both sides")
        assert {len(each) for each in versions_of(s3[server], "shared").values()} == {1}
    assert s3[two].head_object(Bucket="shared", Key="from-one")["ReplicationStatus"] == "REPLICA"
    one.close()
    two.close()


def test_only_who_may_replicate_says_that_it_is_a_replica(pair):
    source, _ = buckets_of(pair)
    iam = client_of("iam", pair.source)
    _, writer = create_user(iam, policy=allow("s3:PutObject", "s3:DeleteObject", "s3:PutObjectTagging"))
    client = Client(pair.source, writer)
    says = {"x-coffer-replica-of": "v"}
    refused(client.put(source, "k", b"1", says), 403, "AccessDenied")
    refused(client.delete(source, "k", says), 403, "AccessDenied")
    assert client.put(source, "k", b"1").status == 200
    _, replicator = create_user(iam, policy=allow("s3:PutObject", "s3:ReplicateObject"))
    assert Client(pair.source, replicator).put(source, "replica", b"1", says).status == 200
    assert status_of(pair, source, "replica") == "REPLICA"
    wait_for(pair, source, "k")


def test_tags_follow(pair):
    source, target = buckets_of(pair)
    version = pair.here.put_object(Bucket=source, Key="k", Body=b"1", Tagging="a=1")["VersionId"]
    pair.here.put_object(Bucket=source, Key="k", Body=b"2")
    wait_for(pair, source, "k")
    replicas = pair.there.list_object_versions(Bucket=target)["Versions"]
    first = next(each["VersionId"] for each in replicas if not each["IsLatest"])
    tags = [{"Key": "b", "Value": "2"}, {"Key": "c", "Value": ""}]
    tags_of = lambda: pair.there.get_object_tagging(Bucket=target, Key="k", VersionId=first)["TagSet"]
    pair.here.put_object_tagging(Bucket=source, Key="k", VersionId=version, Tagging={"TagSet": tags})
    wait_until(lambda: tags_of() == tags, PATIENCE_S, "the tags follow")
    pair.here.delete_object_tagging(Bucket=source, Key="k", VersionId=version)
    wait_until(lambda: tags_of() == [], PATIENCE_S, "the tags go")
    wait_for(pair, source, "k", VersionId=version)
    assert len(pair.there.list_object_versions(Bucket=target)["Versions"]) == 2
    assert pair.there.head_object(Bucket=target, Key="k", VersionId=first)["ReplicationStatus"] == "REPLICA"


def test_locks_go_along_and_follow(pair):
    source, target = buckets_of(pair, ObjectLockEnabledForBucket=True)
    until = datetime.datetime(2040, 1, 1, tzinfo=datetime.timezone.utc)
    version = pair.here.put_object(
        Bucket=source, Key="k", Body=b"1", ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate=until,
        ObjectLockLegalHoldStatus="ON")["VersionId"]
    wait_for(pair, source, "k")
    replica = pair.there.head_object(Bucket=target, Key="k")
    assert (replica["ObjectLockMode"], replica["ObjectLockRetainUntilDate"]) == ("GOVERNANCE", until)
    assert replica["ObjectLockLegalHoldStatus"] == "ON"
    later = until.replace(year=2041)
    pair.here.put_object_retention(Bucket=source, Key="k", Retention={"Mode": "GOVERNANCE", "RetainUntilDate": later})
    pair.here.put_object_legal_hold(Bucket=source, Key="k", LegalHold={"Status": "OFF"})
    head = lambda: pair.there.head_object(Bucket=target, Key="k")
    wait_until(lambda: head()["ObjectLockRetainUntilDate"] == later, PATIENCE_S, "the retention follows")
    wait_until(lambda: head()["ObjectLockLegalHoldStatus"] == "OFF", PATIENCE_S, "the hold follows")
    wait_for(pair, source, "k")
    # What the destination does not let go of stays, and the source says that it is not as it should be.
    pair.here.put_object_retention(
        Bucket=source, Key="k", VersionId=version, BypassGovernanceRetention=True,
        Retention={"Mode": "GOVERNANCE", "RetainUntilDate": until})
    wait_for(pair, source, "k", "FAILED")
    assert head()["ObjectLockRetainUntilDate"] == later


def test_a_lock_that_the_destination_cannot_keep_is_no_replica(pair):
    number = next(_numbers)
    source, target = f"source-{number}", f"target-{number}"
    versioned(pair.there, target)
    versioned(pair.here, source, ObjectLockEnabledForBucket=True)
    replicate(pair.here, source, rule(target))
    pair.here.put_object(Bucket=source, Key="held", Body=b"1", ObjectLockLegalHoldStatus="ON")
    pair.here.put_object(Bucket=source, Key="free", Body=b"2")
    wait_for(pair, source, "held", "FAILED")
    wait_for(pair, source, "free")
    assert list(versions_of(pair.there, target)) == ["free"]


# Objects from before.

def test_objects_from_before_a_rule_are_brought_if_it_says_so(pair):
    number = next(_numbers)
    source, target = f"source-{number}", f"target-{number}"
    versioned(pair.there, target)
    pair.here.create_bucket(Bucket=source)
    pair.here.put_object(Bucket=source, Key="key-000", Body=b"from before there were versions")
    pair.here.put_bucket_versioning(Bucket=source, VersioningConfiguration={"Status": "Enabled"})
    for at in range(130):
        pair.here.put_object(Bucket=source, Key=f"key-{at:03}", Body=b"x")
    pair.here.put_object(Bucket=source, Key="key-007", Body=b"y")
    pair.here.delete_object(Bucket=source, Key="key-008")
    pair.here.put_object(Bucket=source, Key="other", Body=b"z")
    replicate(pair.here, source, rule(target, "key-"))
    pair.here.put_object(Bucket=source, Key="key-new", Body=b"n")
    wait_for(pair, source, "key-new")
    assert list(versions_of(pair.there, target)) == ["key-new"]
    replicate(pair.here, source, rule(target, "key-", existing="Enabled"))
    wait_until(lambda: len(versions_of(pair.there, target)) == 131, PATIENCE_S, "everything is there")
    wait_for(pair, source, "key-129")
    here, there = versions_of(pair.here, source), versions_of(pair.there, target)
    assert there == {key: versions for key, versions in here.items() if key != "other"}
    assert status_of(pair, source, "other") is None


# What goes wrong.

def test_a_target_that_is_down_is_waited_for(fresh_pair):
    pair = fresh_pair
    source, target = buckets_of(pair)
    pair.target.stop()
    for at in range(30):
        pair.here.put_object(Bucket=source, Key=f"k{at}", Body=b"%d" % at)
    wait_until(lambda: counters(pair.source)["retried_total"] > 0, PATIENCE_S, "it is tried")
    assert status_of(pair, source, "k0") == "PENDING"
    pair.target.start()
    for at in range(30):
        wait_for(pair, source, f"k{at}")
    assert len(versions_of(pair.there, target)) == 30
    wait_until(lambda: counters(pair.source)["pending"] == 0, PATIENCE_S, "nothing is left to do")


def test_a_kill_in_the_middle_loses_nothing_and_leaves_nothing(fresh_pair, random_bytes):
    pair = fresh_pair
    source, target = buckets_of(pair)
    large = random_bytes(24 * MIB)
    pair.target.stop()
    for at in range(40):
        pair.here.put_object(Bucket=source, Key=f"k{at}", Body=b"%d" % at)
    config = boto3.s3.transfer.TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB)
    (pair.source.directory / "large").write_bytes(large)
    pair.here.upload_file(str(pair.source.directory / "large"), source, "large", Config=config)
    pair.target.start()
    wait_until(lambda: len(versions_of(pair.there, target)) > 3, PATIENCE_S, "it has begun")
    pair.source.kill()
    pair.source.start()
    for key in [*(f"k{at}" for at in range(40)), "large"]:
        wait_for(pair, source, key)
    there = versions_of(pair.there, target)
    assert {key: len(versions) for key, versions in there.items()} == {key: 1 for key in versions_of(pair.here, source)}
    assert pair.there.get_object(Bucket=target, Key="large")["Body"].read() == large
    assert "Uploads" not in pair.there.list_multipart_uploads(Bucket=target)


def test_wrong_credentials_wait_for_right_ones(fresh_pair):
    pair = fresh_pair
    source, target = buckets_of(pair)
    wrong = Credentials(pair.target.credentials.access_key, "not the secret of the target")
    name_target(pair.source, pair.target, wrong)
    pair.source.restart()
    pair.here.put_object(Bucket=source, Key="k", Body=b"1")
    wait_until(lambda: counters(pair.source)["retried_total"] > 1, PATIENCE_S, "it is tried")
    assert status_of(pair, source, "k") == "PENDING"
    assert "SignatureDoesNotMatch" in pair.source.log() and wrong.secret_key not in pair.source.log()
    name_target(pair.source, pair.target)
    pair.source.restart()
    wait_for(pair, source, "k")
    assert list(versions_of(pair.there, target)) == ["k"]


def test_a_destination_that_refuses_one_key_does_not_stop_the_others(fresh_pair):
    pair = fresh_pair
    iam = client_of("iam", pair.target)
    source, target = buckets_of(pair)
    _, limited = create_user(iam, policy=allow("s3:*", resource=[f"arn:aws:s3:::{target}", f"arn:aws:s3:::{target}/open/*"]))
    name_target(pair.source, pair.target, limited)
    pair.source.restart()
    pair.here.put_object(Bucket=source, Key="closed/k", Body=b"1")
    pair.here.put_object(Bucket=source, Key="open/k", Body=b"2")
    wait_for(pair, source, "open/k")
    assert status_of(pair, source, "closed/k") == "PENDING"


def test_without_rules_what_waits_is_given_up(fresh_pair):
    pair = fresh_pair
    source, _ = buckets_of(pair)
    pair.target.stop()
    pair.here.put_object(Bucket=source, Key="k", Body=b"1")
    pair.here.delete_bucket_replication(Bucket=source)
    wait_for(pair, source, "k", "FAILED")
    pair.here.put_object(Bucket=source, Key="free", Body=b"1")
    assert status_of(pair, source, "free") is None


def test_a_bucket_that_is_gone_leaves_no_task(fresh_pair):
    pair = fresh_pair
    source, _ = buckets_of(pair)
    pair.target.stop()
    version = pair.here.put_object(Bucket=source, Key="k", Body=b"1")["VersionId"]
    pair.here.delete_object(Bucket=source, Key="k", VersionId=version)
    pair.here.delete_bucket(Bucket=source)
    wait_until(lambda: counters(pair.source)["pending"] == 0, PATIENCE_S, "the task is dropped")


# The configuration.

def xml(*rules, role=ROLE):
    return f'<ReplicationConfiguration xmlns="{NAMESPACE}"><Role>{role}</Role>{"".join(rules)}</ReplicationConfiguration>'


def rule_xml(destination, more="", priority=1):
    return (f"<Rule><Status>Enabled</Status><Priority>{priority}</Priority><Filter/><DeleteMarkerReplication><Status>Disabled"
            f"</Status></DeleteMarkerReplication><Destination><Bucket>arn:aws:s3:::{destination}</Bucket>{more}</Destination></Rule>")


def test_what_was_put_is_answered(pair):
    source, target = buckets_of(pair)
    answer = pair.here.get_bucket_replication(Bucket=source)["ReplicationConfiguration"]
    assert answer == {"Role": ROLE, "Rules": [rule(target)]}
    pair.here.delete_bucket_replication(Bucket=source)
    assert error_code(pair.here.get_bucket_replication, Bucket=source) == "ReplicationConfigurationNotFoundError"
    pair.here.delete_bucket_replication(Bucket=source)


def test_a_refused_configuration_changes_nothing(pair):
    source, target = buckets_of(pair)
    before = get_document(pair.client, source, "replication").body
    good = rule_xml(target)
    pair.there.create_bucket(Bucket=f"{target}-unversioned")
    for document, status, code in (
        ("", 400, "MissingRequestBodyError"),
        ("<ReplicationConfiguration", 400, "MalformedXML"),
        (xml(), 400, "MalformedXML"),
        (xml(good, good), 400, "InvalidArgument"),
        (xml(rule_xml(target, "<EncryptionConfiguration><ReplicaKmsKeyID>k</ReplicaKmsKeyID></EncryptionConfiguration>")),
         501, "NotImplemented"),
        (xml(rule_xml(target, "<ReplicationTime><Status>Enabled</Status><Time><Minutes>15</Minutes></Time></ReplicationTime>")),
         501, "NotImplemented"),
        (xml(rule_xml(f"{target}-missing")), 400, "InvalidRequest"),
        (xml(rule_xml(f"{target}-unversioned")), 400, "InvalidRequest"),
        (xml(good, role="arn:aws:iam::000000000000:role/another"), 400, "InvalidArgument"),
        (xml(good, role=""), 400, "InvalidArgument"),
        (xml(good, role="https://169.254.169.254/"), 400, "InvalidArgument"),
        (xml(rule_xml("https://169.254.169.254/latest")), 400, "InvalidArgument"),
        (xml(rule_xml("../other")), 400, "InvalidArgument"),
    ):
        answer = put_document(pair.client, source, "replication", document)
        if code == "MissingRequestBodyError":
            assert answer.status == 400, answer
        else:
            refused(answer, status, code)
    assert get_document(pair.client, source, "replication").body == before


def test_both_buckets_keep_every_version(pair):
    number = next(_numbers)
    pair.here.create_bucket(Bucket=f"source-{number}")
    versioned(pair.there, f"target-{number}")
    with pytest.raises(ClientError) as error:
        replicate(pair.here, f"source-{number}", rule(f"target-{number}"))
    assert error.value.response["Error"]["Message"] == (
        "Versioning must be 'Enabled' on the bucket to apply a replication configuration")
    pair.here.put_bucket_versioning(Bucket=f"source-{number}", VersioningConfiguration={"Status": "Enabled"})
    replicate(pair.here, f"source-{number}", rule(f"target-{number}"))
    suspended = {"Bucket": f"source-{number}", "VersioningConfiguration": {"Status": "Suspended"}}
    assert error_code(pair.here.put_bucket_versioning, **suspended) == "InvalidBucketState"
    pair.here.delete_bucket_replication(Bucket=f"source-{number}")
    pair.here.put_bucket_versioning(**suspended)


def test_a_role_is_used_by_who_may_pass_it(pair):
    source, target = buckets_of(pair)
    iam = client_of("iam", pair.source)
    document = xml(rule_xml(target))
    _, without = create_user(iam, policy=allow("s3:*"))
    refused(put_document(Client(pair.source, without), source, "replication", document), 403, "AccessDenied")
    _, passes = create_user(iam, policy=allow("s3:*", "iam:PassRole"))
    assert put_document(Client(pair.source, passes), source, "replication", document).status == 200


def test_the_role_of_another_account_cannot_be_used(pair):
    _, tenant = new_account(pair.source)
    s3 = client_of("s3", pair.source, tenant)
    versioned(s3, "of-a-tenant")
    versioned(pair.there, "for-a-tenant")
    configuration = {"Role": ROLE, "Rules": [rule("for-a-tenant")]}
    code = error_code(s3.put_bucket_replication, Bucket="of-a-tenant", ReplicationConfiguration=configuration)
    assert code == "InvalidArgument"


def test_a_server_without_targets_replicates_nowhere(server, s3, bucket):
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    configuration = {"Role": ROLE, "Rules": [rule("anything")]}
    assert error_code(s3.put_bucket_replication, Bucket=bucket, ReplicationConfiguration=configuration) == "InvalidArgument"


def test_a_target_that_cannot_be_is_no_start(make_server):
    server, other = make_server(), make_server().start()
    name_target(server, other, url="http://127.0.0.1:1")
    done = server.run("serve")
    assert done.returncode != 0 and "HTTPS only" in done.stderr
    name_target(server, other)
    (server.directory / "target.credentials").chmod(0o644)
    done = server.run("serve")
    assert done.returncode != 0 and "chmod 600" in done.stderr
    assert other.credentials.secret_key not in done.stderr
    other.close()

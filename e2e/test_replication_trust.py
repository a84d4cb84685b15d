"""Replication among people who do not trust each other: who may have what copied where, who says what is a copy, and what
can be read by whoever has the disks."""

import pytest

from support.access import policy_of, put_document, put_policy, statement
from support.client import Client
from support.iam import new_account
from test_replication import buckets_of, fresh_pair, name_target, pair_of, refused, rule_xml, versioned, wait_for, xml  # noqa: F401


@pytest.fixture(scope="module")
def pair(make_server):
    target = make_server().start()
    source = make_server()
    name_target(source, target)
    return pair_of(source.start(), target)


def test_whoever_carries_a_presigned_url_does_not_say_that_it_is_a_replica(pair):
    source, _ = buckets_of(pair)
    url = pair.client.presign("PUT", source, "k")
    says = {"x-coffer-replica-of": "v"}
    refused(pair.client.send_presigned("PUT", url, says, b"1"), 403, "AccessDenied")
    refused(pair.client.put(source, "k", b"1", unsigned=says), 403, "AccessDenied")
    assert pair.client.send_presigned("PUT", url, body=b"1").status == 200
    wait_for(pair, source, "k")


def test_who_may_set_rules_from_elsewhere_does_not_pass_the_owners_role(pair):
    source, target = buckets_of(pair)
    versioned(pair.there, "not-where-it-was-to-go")
    account, stranger = new_account(pair.source)
    lets = statement(source, principal={"AWS": account}, action="s3:PutReplicationConfiguration", resource=f"arn:aws:s3:::{source}")
    assert put_policy(pair.client, source, policy_of(lets)).status == 204
    document = xml(rule_xml("not-where-it-was-to-go"))
    refused(put_document(Client(pair.source, stranger), source, "replication", document), 403, "AccessDenied")
    rules = pair.here.get_bucket_replication(Bucket=source)["ReplicationConfiguration"]["Rules"]
    assert [each["Destination"]["Bucket"] for each in rules] == [f"arn:aws:s3:::{target}"]


def test_nothing_is_readable_at_rest_on_either_side(fresh_pair):
    pair = fresh_pair
    for server in (pair.source, pair.target):
        server.environment["COFFER_LOG"] = "trace"
        server.restart()
    source, target = buckets_of(pair)
    word = b"canary-replicated-5e1f"
    pair.here.put_object(Bucket=source, Key="canary-key-77aa", Body=word * 20_000, Metadata={"m": "canary-meta-12ab"},
                         Tagging="canary-tag-9c=canary-value-8d")
    pair.target.stop()
    pair.here.put_object(Bucket=source, Key="canary-key-waits", Body=word)
    pair.target.start()
    wait_for(pair, source, "canary-key-waits")
    pair.target.kill()
    pair.here.put_object(Bucket=source, Key="canary-key-still-waits", Body=word)
    pair.here.delete_object(Bucket=source, Key="canary-key-77aa")
    pair.source.kill()
    words = [word, b"canary-key", b"canary-meta", b"canary-tag", b"canary-value", pair.target.credentials.secret_key.encode()]
    files = [*pair.source.data_files(), *pair.target.data_files(), pair.source.log_file, pair.target.log_file]
    assert len(files) > 4
    assert not [(str(path), each) for path in files for each in words if each in path.read_bytes()]

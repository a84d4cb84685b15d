"""Replication among people who do not trust each other: who may have what copied where, and who says what is a copy."""

import pytest

from support.access import policy_of, put_document, put_policy, statement
from support.client import Client
from support.iam import new_account
from test_replication import buckets_of, name_target, pair_of, refused, rule_xml, versioned, wait_for, xml


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

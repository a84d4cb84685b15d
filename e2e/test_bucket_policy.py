"""Bucket policies as documents: what is taken, what is refused, what comes back. What they decide is tested elsewhere."""

import json

import pytest
from botocore.exceptions import ClientError

from support import errors
from support.access import (
    ACCOUNT, ROOT_ARN, acl_of, delete_document, get_document, policy_of, put_block, put_document, put_policy, statement, unblock)
from support.client import Client
from support.errors import expect_error
from support.iam import client_of, unique
from support.tools import Tool

ABSENT = "no-such-bucket-here"
NOT_JSON = (400, "MalformedPolicy", "Policies must be valid JSON and the first byte must be '{'")
INVALID_PRINCIPAL = (400, "MalformedPolicy", "Invalid principal in policy")
MAX_LEN = 20 * 1024


def get_policy(client, bucket):
    return get_document(client, bucket, "policy")


def expect_policy(client, bucket, document):
    answer = get_policy(client, bucket)
    assert answer.status == 200 and answer.body == document.encode(), answer
    assert answer.header("Content-Type") == "application/json", answer


def expect_no_policy(client, bucket):
    for sub_resource in ("policy", "policyStatus"):
        answer = get_document(client, bucket, sub_resource)
        expect_error(answer, 404, "NoSuchBucketPolicy", "The bucket policy does not exist", BucketName=bucket)


def expect_malformed(answer, message=None):
    assert (answer.status, answer.text("Code")) == (400, "MalformedPolicy"), answer
    assert message is None or answer.text("Message") == message, answer


def is_public(client, bucket):
    answer = get_document(client, bucket, "policyStatus")
    assert answer.status == 200 and answer.xml.tag == "PolicyStatus", answer
    return {"true": True, "false": False}[answer.text("IsPublic")]


def own(bucket, **elements):
    """A policy for the bucket's own account."""
    return policy_of(statement(bucket, principal={"AWS": ROOT_ARN}, **elements))


def test_new_bucket_has_no_policy(client, bucket):
    expect_no_policy(client, bucket)


def test_policy_comes_back_as_it_was_put(client, bucket):
    document = json.dumps(json.loads(own(bucket, Sid="für alle")), indent=3, ensure_ascii=False)
    answer = put_policy(client, bucket, document)
    assert answer.status == 204 and answer.body == b"", answer
    expect_policy(client, bucket, document)


def test_policy_replaces_the_one_before(client, bucket):
    for sid in ("First", "Second"):
        assert put_policy(client, bucket, own(bucket, Sid=sid)).status == 204
        expect_policy(client, bucket, own(bucket, Sid=sid))


def test_deleted_policy_is_gone_and_goes_once_more(client, bucket):
    put_policy(client, bucket, own(bucket))
    for _ in range(2):
        answer = delete_document(client, bucket, "policy")
        assert answer.status == 204 and answer.body == b""
    expect_no_policy(client, bucket)


def test_policy_survives_a_restart_and_goes_with_its_bucket(fresh_server):
    client = Client(fresh_server)
    client.create_bucket("bucket")
    document = own("bucket")
    put_policy(client, "bucket", document)
    fresh_server.restart()
    expect_policy(client, "bucket", document)
    assert client.request("DELETE", "bucket").status == 204
    assert client.create_bucket("bucket").status == 200
    expect_no_policy(client, "bucket")


def test_policy_is_not_readable_at_rest(fresh_server):
    client = Client(fresh_server)
    client.create_bucket("bucket")
    canary = "canary-in-a-statement-id-0123456789"
    assert put_policy(client, "bucket", own("bucket", Sid=canary)).status == 204
    assert fresh_server.stop() == 0
    for path in fresh_server.data_files():
        assert canary.encode() not in path.read_bytes(), path


@pytest.mark.parametrize("document", ["", " ", "junk", "[]", "null", '"{}"', "{", "<Policy/>", " {}"])
def test_what_is_no_object_is_malformed(client, bucket, document):
    expect_malformed(put_policy(client, bucket, document))
    expect_no_policy(client, bucket)


def test_bytes_that_are_not_utf8_are_malformed(client, bucket):
    expect_error(put_policy(client, bucket, b'{"Version":"\xff"}'), *NOT_JSON)


@pytest.mark.parametrize("change", [
    pytest.param({"Version": "2012-10-18"}, id="version"),
    pytest.param({"Statement": []}, id="no-statement"),
    pytest.param({"Colour": "red"}, id="unknown-element"),
    pytest.param({"Statement": None}, id="null"),
])
def test_document_that_breaks_a_rule_is_malformed(client, bucket, change):
    expect_malformed(put_policy(client, bucket, json.dumps(json.loads(own(bucket)) | change)))
    expect_no_policy(client, bucket)


@pytest.mark.parametrize("change", [
    pytest.param({"Effect": "allow"}, id="effect"), pytest.param({"Action": "ec2:RunInstances"}, id="service"),
    pytest.param({"Action": "s3:Fly"}, id="action"), pytest.param({"Resource": "arn:aws:s3:::another-bucket/*"}, id="other-bucket"),
    pytest.param({"Resource": "*"}, id="any-resource"), pytest.param({"Resource": "arn:aws:s3:::BUCKETx/*"}, id="longer-name"),
    pytest.param({"Action": "s3:GetObject", "Resource": "arn:aws:s3:::BUCKET"}, id="object-action-on-bucket"),
    pytest.param({"Action": "s3:ListBucket", "Resource": "arn:aws:s3:::BUCKET/*"}, id="bucket-action-on-objects"),
    pytest.param({"Condition": {"StringEquals": {"s3:no-such-key": "x"}}}, id="condition-key"),
    pytest.param({"Condition": {"StringIs": {"aws:SourceIp": "x"}}}, id="operator"),
    pytest.param({"Extra": "x"}, id="unknown-element"),
])
def test_statement_that_breaks_a_rule_is_malformed(client, bucket, change):
    statements = json.loads(json.dumps(change).replace("BUCKET", bucket))
    expect_malformed(put_policy(client, bucket, policy_of(statement(bucket, principal={"AWS": ROOT_ARN}) | statements)))
    expect_no_policy(client, bucket)


@pytest.mark.parametrize("missing", ["Effect", "Principal", "Action", "Resource"])
def test_missing_element_is_named(client, bucket, missing):
    incomplete = statement(bucket, principal={"AWS": ROOT_ARN})
    del incomplete[missing]
    expect_malformed(put_policy(client, bucket, policy_of(incomplete)), f"Missing required field {missing}")


def test_duplicate_keys_are_refused(client, bucket):
    twice = own(bucket).replace('"Effect": "Allow"', '"Effect": "Deny", "Effect": "Allow"')
    assert twice != own(bucket)
    expect_malformed(put_policy(client, bucket, twice))
    twice = own(bucket).replace('"Version"', '"Statement": [], "Version"')
    expect_malformed(put_policy(client, bucket, twice))
    expect_no_policy(client, bucket)


def test_allow_to_all_but_some_is_refused(client, bucket):
    unblock(client, bucket)
    allowed = statement(bucket)
    allowed["NotPrincipal"] = {"AWS": ROOT_ARN}
    del allowed["Principal"]
    expect_malformed(put_policy(client, bucket, policy_of(allowed)))


def padded(bucket, length):
    """A policy of exactly `length` bytes, all of which count."""
    document = own(bucket, Sid="")
    return document.replace('"Sid": ""', '"Sid": "{}"'.format("x" * (length - len(document))))


def test_policy_of_20_kib_is_taken_and_not_one_byte_more(client, bucket):
    document = padded(bucket, MAX_LEN)
    assert len(document) == MAX_LEN and put_policy(client, bucket, document).status == 204
    expect_malformed(put_policy(client, bucket, padded(bucket, MAX_LEN + 1)))
    expect_policy(client, bucket, document)


def test_megabytes_are_not_read(client, bucket):
    answer = put_policy(client, bucket, "{" + " " * (4 << 20))
    assert answer.status == 400, answer
    expect_no_policy(client, bucket)


@pytest.mark.parametrize("document", ["[" * 20_000, '{"a":' * 3_000, '{"Statement":' + "[" * 5_000 + "]" * 5_000 + "}"])
def test_depth_is_bounded(client, bucket, document):
    expect_malformed(put_policy(client, bucket, document))
    assert client.request("HEAD", bucket).status == 200


@pytest.mark.parametrize("principal", [
    {"AWS": "arn:aws:iam::000000000000:user/nobody"}, {"AWS": "111122223333"}, {"AWS": "arn:aws:iam::111122223333:root"},
    {"AWS": "AIDAIOSFODNN7EXAMPLE"}, {"AWS": [ROOT_ARN, "arn:aws:iam::000000000000:role/nobody"]}, {"CanonicalUser": "0" * 64},
    {"AWS": "arn:aws:iam::000000000000:user/*"},
], ids=str)
def test_principal_that_is_not_there_is_refused(client, bucket, principal):
    answer = put_policy(client, bucket, policy_of(statement(bucket, principal=principal)))
    expect_malformed(answer)
    assert "rincipal" in answer.text("Message"), answer
    expect_no_policy(client, bucket)


def test_principals_that_are_there_are_taken(client, server, bucket):
    name = unique("named-by-a-policy")
    client_of("iam", server).create_user(UserName=name)
    owner, _ = acl_of(client, bucket)
    for principal in ({"AWS": ACCOUNT}, {"AWS": f"arn:aws:iam::{ACCOUNT}:user/{name}"}, {"CanonicalUser": owner},
                      {"Service": "logging.s3.amazonaws.com"}):
        document = policy_of(statement(bucket, action="s3:PutObject", principal=principal))
        answer = put_policy(client, bucket, document)
        assert answer.status == 204, (principal, answer)


def test_wrong_digest_is_refused(client, bucket):
    answer = put_policy(client, bucket, own(bucket), {"Content-MD5": "1B2M2Y8AsgTpgAmY7PhCfg=="})
    expect_error(answer, *errors.CONTENT_MD5_MISMATCH)
    expect_no_policy(client, bucket)


def test_policy_needs_no_digest(client, bucket):
    assert put_policy(client, bucket, own(bucket), {}).status == 204


def test_missing_bucket_is_told_before_a_bad_policy(client):
    for answer in (put_policy(client, ABSENT, "junk"), get_policy(client, ABSENT), delete_document(client, ABSENT, "policy"),
                   get_document(client, ABSENT, "policyStatus")):
        expect_error(answer, *errors.NO_SUCH_BUCKET, BucketName=ABSENT)


def test_strangers_have_no_say(client, bucket):
    document = own(bucket)
    put_policy(client, bucket, document)
    for method in ("GET", "PUT", "DELETE"):
        assert client.anonymous(method, bucket, query={"policy": ""}, body=b"{}").status in (403, 405)
    assert client.anonymous("GET", bucket, query={"policyStatus": ""}).status == 403
    expect_policy(client, bucket, document)


@pytest.mark.parametrize("confirm", [None, "true", "false"])
def test_policy_that_locks_everybody_out_is_taken_and_can_be_repaired(client, new_bucket, confirm):
    bucket = new_bucket()
    resource = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    document = policy_of(statement(bucket, "Deny", "*", "s3:*", resource))
    headers = {"x-amz-confirm-remove-self-bucket-access": confirm} if confirm else {}
    assert put_policy(client, bucket, document, headers).status == 204
    expect_policy(client, bucket, document)
    assert delete_document(client, bucket, "policy").status == 204
    assert client.put(bucket, "object", b"content").status == 200


# Public policies.

PUBLIC = [
    pytest.param({"principal": "*"}, id="everybody"), pytest.param({"principal": {"AWS": "*"}}, id="every-account"),
    pytest.param({"principal": {"AWS": [ROOT_ARN, "*"]}}, id="among-others"),
    pytest.param({"Condition": {"StringLike": {"aws:userid": "*"}}}, id="any-value"),
    pytest.param({"Condition": {"IpAddress": {"aws:SourceIp": "0.0.0.0/0"}}}, id="any-address"),
    pytest.param({"Condition": {"Bool": {"aws:SecureTransport": "true"}}}, id="tls"),
]
NOT_PUBLIC = [
    pytest.param({"principal": {"AWS": ROOT_ARN}}, id="account"), pytest.param({"effect": "Deny"}, id="deny"),
    pytest.param({"Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}, id="network"),
    pytest.param({"Condition": {"StringEquals": {"aws:SourceAccount": "111122223333"}}}, id="source-account"),
]


@pytest.mark.parametrize("elements", PUBLIC)
def test_public_policy_is_prevented_and_taken_once_allowed(client, bucket, elements):
    document = policy_of(statement(bucket, **elements))
    answer = put_policy(client, bucket, document)
    expect_error(
        answer, 403, "AccessDenied",
        f'User: {ROOT_ARN} is not authorized to perform: s3:PutBucketPolicy on resource: "arn:aws:s3:::{bucket}" because public '
        "policies are prevented by the BlockPublicPolicy setting in S3 Block Public Access.")
    expect_no_policy(client, bucket)
    put_block(client, bucket, BlockPublicAcls="true", IgnorePublicAcls="true")
    assert put_policy(client, bucket, document).status == 204
    assert is_public(client, bucket)


@pytest.mark.parametrize("elements", NOT_PUBLIC)
def test_policy_for_fixed_principals_is_not_public(client, bucket, elements):
    assert put_policy(client, bucket, policy_of(statement(bucket, **elements))).status == 204
    assert not is_public(client, bucket)


def test_block_leaves_the_policy_that_is_there(client, bucket):
    unblock(client, bucket)
    document = policy_of(statement(bucket))
    assert put_policy(client, bucket, document).status == 204
    put_block(client, bucket, BlockPublicPolicy="true")
    expect_policy(client, bucket, document)
    assert put_policy(client, bucket, document).status == 403


# Clients.

def test_boto3_speaks_of_policies(s3, bucket):
    document = own(bucket)
    s3.put_bucket_policy(Bucket=bucket, Policy=document)
    assert s3.get_bucket_policy(Bucket=bucket)["Policy"] == document
    assert s3.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"] == {"IsPublic": False}
    s3.delete_bucket_policy(Bucket=bucket)
    with pytest.raises(ClientError) as missing:
        s3.get_bucket_policy(Bucket=bucket)
    assert missing.value.response["Error"]["Code"] == "NoSuchBucketPolicy"


def test_aws_cli_speaks_of_policies(server, bucket, tmp_path):
    aws = Tool("aws", server, tmp_path, arguments=["--endpoint-url", server.url])
    (tmp_path / "policy.json").write_text(own(bucket))
    aws.run("s3api", "put-bucket-policy", "--bucket", bucket, "--policy", "file://policy.json")
    assert json.loads(json.loads(aws.run("s3api", "get-bucket-policy", "--bucket", bucket))["Policy"]) == json.loads(own(bucket))
    aws.run("s3api", "delete-bucket-policy", "--bucket", bucket)
    assert "NoSuchBucketPolicy" in aws.attempt("s3api", "get-bucket-policy", "--bucket", bucket).stdout


def test_policy_of_a_bucket_goes_to_no_other(client, new_bucket):
    one, other = new_bucket(), new_bucket()
    expect_malformed(put_document(client, other, "policy", own(one)))
    assert put_policy(client, one, own(one)).status == 204
    expect_no_policy(client, other)

"""Tags of buckets: by S3, by the S3 Control API, at creation, and what policies say about them."""

import json

import pytest
from botocore.exceptions import ClientError

from support import errors
from support.access import ACCOUNT, delete_document, get_document, put_document, put_policy, policy_of, statement
from support.client import Client
from support.errors import MALFORMED_XML, expect_error
from support.iam import allow, client_of, create_user, new_account, unique
from support.tools import Tool

NO_TAGS = (404, "NoSuchTagSet", "The TagSet does not exist")
CONTROL = {"x-amz-account-id": ACCOUNT}
NAMES = {
    "aws:a": "System tags cannot be added/updated by requester",
    "AWS:a": 'Invalid Tag. Tags cannot start with "aws:"(case insensitive) unless they are System Tags that start with "aws:"(case sensitive)',
    "a!": "The TagKey you have provided is invalid",
    "": "The TagKey you have provided is invalid",
    "k" * 129: "The TagKey you have provided is invalid",
}


def xml_of(*tags, root="Tagging", tag_set="TagSet"):
    inner = "".join(f"<Tag><Key>{key}</Key><Value>{value}</Value></Tag>" for key, value in tags)
    return f"<{root}><{tag_set}>{inner}</{tag_set}></{root}>"


def create_with(*tags):
    return xml_of(*tags, root="CreateBucketConfiguration", tag_set="Tags").encode()


def numbered(count):
    return [(f"k{number}", "v") for number in range(count)]


def put_tags(client, bucket, *tags):
    return put_document(client, bucket, "tagging", xml_of(*tags))


def tags_of(client, bucket):
    answer = get_document(client, bucket, "tagging")
    if answer.status == 404:
        expect_error(answer, *NO_TAGS, BucketName=bucket)
        return []
    assert answer.status == 200 and answer.xml.tag == "Tagging", answer
    return [(tag.findtext("Key"), tag.findtext("Value")) for tag in answer.xml.iterfind("TagSet/Tag")]


def control(client, method, bucket, body=b"", query=(), account=ACCOUNT):
    path = f"/v20180820/tags/arn%3Aaws%3As3%3A%3A%3A{bucket}"
    return client.request(method, path=path, body=body, query=query, headers={"x-amz-account-id": account})


def tag_resource(client, bucket, *tags, **more):
    return control(client, "POST", bucket, xml_of(*tags, root="TagResourceRequest", tag_set="Tags").encode(), **more)


def expect_control_error(answer, status, code, start=""):
    assert answer.status == status and answer.xml.tag == "ErrorResponse", answer
    assert answer.xml.findtext("Error/Code") == code and answer.xml.findtext("Error/Message").startswith(start), answer


def test_tags_are_put_replaced_and_deleted(client, bucket):
    assert tags_of(client, bucket) == []
    assert put_tags(client, bucket, ("b", "2"), ("a", "")).status == 204
    assert tags_of(client, bucket) == [("a", ""), ("b", "2")]
    assert put_tags(client, bucket, ("c", "ü 日本")).status == 204
    assert tags_of(client, bucket) == [("c", "ü 日本")]
    assert delete_document(client, bucket, "tagging").status == 204
    assert tags_of(client, bucket) == []
    assert delete_document(client, bucket, "tagging").status == 204


def test_an_empty_set_takes_the_tags_away(client, bucket):
    put_tags(client, bucket, ("a", "1"))
    assert put_tags(client, bucket).status == 204
    assert tags_of(client, bucket) == []


def test_as_many_tags_as_there_may_be(client, bucket):
    assert put_tags(client, bucket, *numbered(50)).status == 204
    expect_error(put_tags(client, bucket, *numbered(51)), 400, "BadRequest", "Bucket tag count cannot be greater than 50")
    assert len(tags_of(client, bucket)) == 50
    longest = [(f"{n:02}" + "&amp;" * 126, "&amp;" * 256) for n in range(50)]
    assert put_tags(client, bucket, *longest).status == 400, "an ampersand is in no tag"
    longest = [(f"{n:02}" + "日" * 126, "日" * 256) for n in range(50)]
    assert put_tags(client, bucket, *longest).status == 204
    assert tags_of(client, bucket) == longest


@pytest.mark.parametrize("key", NAMES, ids=lambda key: key[:5] or "empty")
def test_key_that_no_tag_has_is_refused(client, bucket, key):
    put_tags(client, bucket, ("a", "1"))
    expect_error(put_tags(client, bucket, ("b", "1"), (key, "v")), 400, "InvalidTag", NAMES[key], TagKey=key)
    assert tags_of(client, bucket) == [("a", "1")]


@pytest.mark.parametrize("value", ["v" * 257, "a!", "a\tb", "😀"], ids=["long", "mark", "tab", "picture"])
def test_value_that_no_tag_has_is_refused(client, bucket, value):
    put_tags(client, bucket, ("a", "1"))
    expect_error(put_tags(client, bucket, ("k", value)), 400, "InvalidTag", "The TagValue you have provided is invalid",
                 TagKey="k", TagValue=value)
    assert tags_of(client, bucket) == [("a", "1")]


def test_the_same_key_twice_is_refused(client, bucket):
    put_tags(client, bucket, ("a", "1"))
    message = "Cannot provide multiple Tags with the same key"
    expect_error(put_tags(client, bucket, ("b", "1"), ("b", "1")), 400, "InvalidTag", message, TagKey="b")
    assert tags_of(client, bucket) == [("a", "1")]
    assert put_tags(client, bucket, ("b", "1"), ("B", "1")).status == 204


@pytest.mark.parametrize("document", [
    "", "{}", "<Tagging/>", "<TagSet/>", "<Tagging><TagSet><Tag><Key>a</Key></Tag></TagSet></Tagging>",
    "<Tagging><TagSet/><TagSet/></Tagging>", "<Tagging><TagSet><Tag><Key>a</Key><Value>1</Value>",
    "<!DOCTYPE x [<!ENTITY e 'e'>]><Tagging><TagSet><Tag><Key>&e;</Key><Value/></Tag></TagSet></Tagging>",
    "<CORSConfiguration/>",
])
def test_document_that_is_none_is_malformed(client, bucket, document):
    put_tags(client, bucket, ("a", "1"))
    expect_error(put_document(client, bucket, "tagging", document), *MALFORMED_XML)
    assert tags_of(client, bucket) == [("a", "1")]


def test_document_with_a_wrong_digest_changes_nothing(client, bucket):
    answer = put_document(client, bucket, "tagging", xml_of(("a", "1")), headers={"Content-MD5": "AAAAAAAAAAAAAAAAAAAAAA=="})
    expect_error(answer, *errors.CONTENT_MD5_MISMATCH)
    assert tags_of(client, bucket) == []


def test_document_that_is_far_too_long_is_refused(client, bucket):
    answer = put_document(client, bucket, "tagging", xml_of(*numbered(10_000)))
    assert answer.status == 400, answer
    assert tags_of(client, bucket) == []


def test_tags_outlive_a_restart(fresh_server):
    client = Client(fresh_server)
    client.create_bucket("tagged", body=create_with(("a", "1")))
    fresh_server.restart()
    assert tags_of(client, "tagged") == [("a", "1")]


def test_bucket_is_made_with_tags(client):
    name = unique("made-with-tags")
    assert client.create_bucket(name, body=create_with(("b", "2"), ("a", "1"))).status == 200
    assert tags_of(client, name) == [("a", "1"), ("b", "2")]


@pytest.mark.parametrize("tags, code", [
    ([("aws:a", "1")], "InvalidTag"), ([("Aws:a", "1")], "InvalidTag"), ([("a", "1"), ("a", "2")], "InvalidTag"), ([("a", "!")], "InvalidTag"),
    (numbered(51), "BadRequest"),
])
def test_bucket_is_not_made_with_tags_that_are_none(client, tags, code):
    name = unique("never-made")
    answer = client.create_bucket(name, body=create_with(*tags))
    assert answer.status == 400 and answer.text("Code") == code, answer
    assert client.request("HEAD", name).status == 404


def test_control_api_adds_replaces_and_takes_away_single_tags(client, bucket):
    put_tags(client, bucket, ("a", "1"), ("b", "2"))
    assert tag_resource(client, bucket, ("b", "3"), ("c", "4")).status == 204
    assert tags_of(client, bucket) == [("a", "1"), ("b", "3"), ("c", "4")]
    answer = control(client, "GET", bucket)
    assert [tag.findtext("Key") for tag in answer.xml.iterfind("Tags/Tag")] == ["a", "b", "c"], answer
    assert control(client, "DELETE", bucket, query=[("tagKeys", "a"), ("tagKeys", "unknown"), ("tagKeys", "c")]).status == 204
    assert tags_of(client, bucket) == [("b", "3")]
    assert control(client, "DELETE", bucket).status == 204
    assert tags_of(client, bucket) == [("b", "3")]
    assert control(client, "DELETE", bucket, query={"tagKeys": "b"}).status == 204
    assert tags_of(client, bucket) == []


@pytest.mark.parametrize("tags, start", [
    ([("aws:a", "1")], "User-defined tag keys"), ([("AWS:a", "1")], "User-defined tag keys"), ([("a", "1"), ("a", "1")], "There are duplicate"),
    ([("", "1")], "This request contains a tag"), ([("k" * 129, "1")], "This request contains a tag"), ([("a", "!")], "This request contains a tag"),
])
def test_control_api_refuses_tags_in_its_own_words(client, bucket, tags, start):
    put_tags(client, bucket, ("a", "1"))
    expect_control_error(tag_resource(client, bucket, *tags), 400, "InvalidTag", start)
    assert tags_of(client, bucket) == [("a", "1")]


def test_control_api_counts_the_tags_that_are_there(client, bucket):
    put_tags(client, bucket, *numbered(49))
    assert tag_resource(client, bucket, ("k0", "new"), ("more", "v")).status == 204
    expect_control_error(tag_resource(client, bucket, ("yet more", "v")), 400, "TooManyTags")
    expect_control_error(tag_resource(client, bucket, *[(f"m{n}", "v") for n in range(51)]), 400, "TooManyTags")
    assert len(tags_of(client, bucket)) == 50


@pytest.mark.parametrize("document", [b"", b"<Tagging><TagSet/></Tagging>", b"<TagResourceRequest/>", b"<TagResourceRequest><Tags><Tag/></Tags></TagResourceRequest>"])
def test_control_api_refuses_documents_that_are_none(client, bucket, document):
    expect_control_error(control(client, "POST", bucket, document), 400, "MalformedXML")
    assert tags_of(client, bucket) == []


def test_control_api_knows_only_buckets_that_are_there_of_the_account_that_is_named(client, bucket):
    for method in ("GET", "POST", "DELETE"):
        body = xml_of(("a", "1"), root="TagResourceRequest", tag_set="Tags").encode() if method == "POST" else b""
        expect_control_error(control(client, method, "never-was-there", body), 404, "NoSuchResource")
        expect_control_error(control(client, method, bucket, body, account="111122223333"), 403, "AccessDenied")
    assert tags_of(client, bucket) == []


def test_who_may_not_tag_does_not_tag(client, server, iam, bucket):
    _, credentials = create_user(iam, policy=allow("s3:GetBucketTagging", "s3:CreateBucket"))
    stranger = Client(server, new_account(server)[1])
    for other in (Client(server, credentials), stranger):
        expect_error(put_tags(other, bucket, ("a", "1")), *errors.DENIED)
        expect_error(delete_document(other, bucket, "tagging"), *errors.DENIED)
        expect_control_error(tag_resource(other, bucket, ("a", "1")), 403, "AccessDenied")
        expect_control_error(tag_resource(other, bucket, ("aws:a", "1")), 403, "AccessDenied")
        expect_control_error(control(other, "DELETE", bucket, query={"tagKeys": "a"}), 403, "AccessDenied")
    assert tags_of(Client(server, credentials), bucket) == []
    assert client.anonymous("PUT", bucket, query={"tagging": ""}, body=xml_of(("a", "1")).encode()).status == 403
    name = unique("not-with-tags")
    expect_error(Client(server, credentials).create_bucket(name, body=create_with(("a", "1"))), *errors.DENIED)
    assert Client(server, credentials).create_bucket(name).status == 200


def test_policies_say_which_tags(server, iam, bucket):
    condition = {"StringEquals": {"aws:RequestTag/stage": ["test", "live"]}, "ForAllValues:StringEquals": {"aws:TagKeys": ["stage", "team"]}}
    _, credentials = create_user(iam, policy=json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": ["s3:CreateBucket", "s3:TagResource"], "Resource": "*", "Condition": condition},
        {"Effect": "Allow", "Action": "s3:UntagResource", "Resource": "*", "Condition": {"ForAllValues:StringEquals": {"aws:TagKeys": "team"}}},
        {"Effect": "Allow", "Action": "s3:GetBucketTagging", "Resource": "*"}]}))
    own = Client(server, credentials)
    assert tag_resource(own, bucket, ("stage", "test"), ("team", "x")).status == 204
    for tags in ([("stage", "other")], [("team", "x")], [("stage", "test"), ("more", "x")], [("Stage", "other"), ("more", "")]):
        expect_control_error(tag_resource(own, bucket, *tags), 403, "AccessDenied")
        expect_error(own.create_bucket(unique("refused"), body=create_with(*tags)), *errors.DENIED)
    expect_error(own.create_bucket(unique("refused")), *errors.DENIED)
    assert own.create_bucket(unique("with-the-tag"), body=create_with(("stage", "live"))).status == 200
    expect_control_error(control(own, "DELETE", bucket, query=[("tagKeys", "team"), ("tagKeys", "stage")]), 403, "AccessDenied")
    assert control(own, "DELETE", bucket, query={"tagKeys": "team"}).status == 204
    assert tags_of(own, bucket) == [("stage", "test")]


def test_another_account_may_be_let_in(client, server, bucket):
    account, credentials = new_account(server)
    delete_document(client, bucket, "publicAccessBlock")
    root = f"arn:aws:iam::{account}:root"
    put_policy(client, bucket, policy_of(statement(
        bucket, principal={"AWS": root}, action=["s3:PutBucketTagging", "s3:GetBucketTagging"], resource=f"arn:aws:s3:::{bucket}")))
    other = Client(server, credentials)
    assert put_tags(other, bucket, ("a", "1")).status == 204
    assert tags_of(other, bucket) == [("a", "1")]
    expect_control_error(tag_resource(other, bucket, ("b", "1")), 403, "AccessDenied")


def test_boto3_and_its_control_client(s3, server, bucket):
    tags = [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": ""}]
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": tags})
    assert s3.get_bucket_tagging(Bucket=bucket)["TagSet"] == tags
    # The host that this client asks has the account in front; a proxy leads it here.
    s3control = client_of("s3control", server, proxies={"http": server.url})
    arn = f"arn:aws:s3:::{bucket}"
    s3control.tag_resource(AccountId=ACCOUNT, ResourceArn=arn, Tags=[{"Key": "c", "Value": "x y"}])
    s3control.untag_resource(AccountId=ACCOUNT, ResourceArn=arn, TagKeys=["a", "b"])
    assert s3control.list_tags_for_resource(AccountId=ACCOUNT, ResourceArn=arn)["Tags"] == [{"Key": "c", "Value": "x y"}]
    s3.delete_bucket_tagging(Bucket=bucket)
    with pytest.raises(ClientError, match="NoSuchTagSet"):
        s3.get_bucket_tagging(Bucket=bucket)
    name = unique("boto-tags")
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"Tags": tags})
    assert s3.get_bucket_tagging(Bucket=name)["TagSet"] == tags


def test_aws_cli(server, bucket, tmp_path):
    aws = Tool("aws", server, tmp_path, arguments=["--endpoint-url", server.tls_url])
    aws.run("s3api", "put-bucket-tagging", "--bucket", bucket, "--tagging", "TagSet=[{Key=organization,Value=marketing}]")
    tags = json.loads(aws.run("s3api", "get-bucket-tagging", "--bucket", bucket))
    assert tags["TagSet"] == [{"Key": "organization", "Value": "marketing"}]
    aws.run("s3api", "delete-bucket-tagging", "--bucket", bucket)
    refused = aws.attempt("s3api", "get-bucket-tagging", "--bucket", bucket)
    assert refused.returncode != 0 and "NoSuchTagSet" in refused.stdout

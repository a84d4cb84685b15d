"""Block Public Access: of a bucket, and of an account by the S3 Control API."""

import pytest
from botocore.exceptions import ClientError

from support import errors
from support.access import (
    ACCOUNT, CONTROL_PATH, FLAGS, block_xml, control, delete_document, enable_acls, flags_of, get_document, policy_of,
    put_acl, put_block, put_document, put_policy, statement, unblock)
from support.client import Client
from support.errors import expect_error
from support.iam import client_of
from support.tools import Tool

ABSENT = "no-such-bucket-here"
NOT_FOUND = (404, "NoSuchPublicAccessBlockConfiguration", "The public access block configuration was not found")
ALL_ON = dict.fromkeys(FLAGS, "true")


@pytest.fixture
def own(fresh_server):
    """The exact client of a server whose account is the test's own."""
    return Client(fresh_server)


def get_block(client, bucket):
    return get_document(client, bucket, "publicAccessBlock")


def test_new_bucket_blocks_everything(client, bucket):
    assert flags_of(get_block(client, bucket)) == ALL_ON


@pytest.mark.parametrize("on", FLAGS)
def test_each_flag_is_put_and_read_back(client, bucket, on):
    answer = put_block(client, bucket, **{on: "true"})
    assert answer.status == 200 and answer.body == b""
    assert flags_of(get_block(client, bucket)) == {name: str(name == on).lower() for name in FLAGS}


def test_flags_that_are_not_named_are_off(client, bucket):
    answer = put_document(client, bucket, "publicAccessBlock", block_xml(BlockPublicPolicy="TRUE"))
    assert answer.status == 200
    assert flags_of(get_block(client, bucket)) == dict.fromkeys(FLAGS, "false") | {"BlockPublicPolicy": "true"}


def test_deleted_block_is_not_found_and_goes_once_more(client, bucket):
    for _ in range(2):
        answer = delete_document(client, bucket, "publicAccessBlock")
        assert answer.status == 204 and answer.body == b""
    expect_error(get_block(client, bucket), *NOT_FOUND, BucketName=bucket)


def test_block_survives_a_restart(fresh_server):
    client = Client(fresh_server)
    for bucket in ("on", "off", "some"):
        assert client.create_bucket(f"bucket-{bucket}").status == 200
    unblock(client, "bucket-off")
    put_block(client, "bucket-some", IgnorePublicAcls="true")
    fresh_server.restart()
    assert flags_of(get_block(client, "bucket-on")) == ALL_ON
    expect_error(get_block(client, "bucket-off"), *NOT_FOUND)
    assert flags_of(get_block(client, "bucket-some"))["IgnorePublicAcls"] == "true"


@pytest.mark.parametrize("document", [
    pytest.param(b"", id="empty"), pytest.param(b"junk", id="junk"), pytest.param(b"<Other/>", id="other"),
    pytest.param(block_xml(BlockPublicAcls="maybe"), id="no-boolean"), pytest.param(block_xml(BlockPublicAcls=""), id="no-value"),
    pytest.param(block_xml(BlockAll="true"), id="unknown"), pytest.param(b"\xff\xfe", id="not-utf8"),
    pytest.param("<PublicAccessBlockConfiguration>" + "<BlockPublicAcls>true</BlockPublicAcls>" * 2 + "</PublicAccessBlockConfiguration>",
                 id="twice"),
    pytest.param('<!DOCTYPE a [<!ENTITY t "true">]>' + block_xml(BlockPublicAcls="&t;"), id="entity"),
])
def test_malformed_configuration_changes_nothing(client, bucket, document):
    expect_error(put_document(client, bucket, "publicAccessBlock", document), *errors.MALFORMED_XML)
    assert flags_of(get_block(client, bucket)) == ALL_ON


def test_configuration_without_a_flag_is_refused(client, bucket):
    answer = put_document(client, bucket, "publicAccessBlock", block_xml())
    expect_error(answer, 400, "InvalidRequest", "Must specify at least one configuration.")


def test_wrong_digest_is_refused(client, bucket):
    headers = {"Content-MD5": "1B2M2Y8AsgTpgAmY7PhCfg=="}
    answer = put_document(client, bucket, "publicAccessBlock", block_xml(BlockPublicAcls="false"), headers=headers)
    expect_error(answer, *errors.CONTENT_MD5_MISMATCH)
    assert flags_of(get_block(client, bucket)) == ALL_ON


def test_missing_bucket_is_told(client):
    for answer in (get_block(client, ABSENT), put_block(client, ABSENT), delete_document(client, ABSENT, "publicAccessBlock")):
        expect_error(answer, *errors.NO_SUCH_BUCKET, BucketName=ABSENT)


def test_strangers_have_no_say(client, bucket):
    for method in ("GET", "PUT", "DELETE"):
        answer = client.anonymous(method, bucket, query={"publicAccessBlock": ""}, body=block_xml(BlockPublicAcls="false").encode())
        assert answer.status == 403, answer
    assert flags_of(get_block(client, bucket)) == ALL_ON


def test_server_setting_leaves_new_buckets_open(make_server):
    server = make_server(environment={"COFFER_NEW_BUCKET_BLOCK_PUBLIC_ACCESS": "false"}).start()
    try:
        client = Client(server)
        assert client.create_bucket("new-bucket").status == 200
        expect_error(get_block(client, "new-bucket"), *NOT_FOUND)
    finally:
        server.close()


# The account's, by the S3 Control API.

def expect_control_error(answer, status, code):
    assert answer.status == status and answer.xml.tag == "ErrorResponse", answer
    assert answer.text("Error/Code") == code and answer.text("Error/Message"), answer
    assert answer.text("RequestId") == answer.header("x-amz-request-id"), answer


def test_account_block_is_put_read_back_and_deleted(own):
    expect_control_error(control(own, "GET"), 404, "NoSuchPublicAccessBlockConfiguration")
    answer = control(own, "PUT", block_xml(IgnorePublicAcls="true"))
    assert answer.status == 200 and answer.body == b""
    assert flags_of(control(own, "GET")) == dict.fromkeys(FLAGS, "false") | {"IgnorePublicAcls": "true"}
    for _ in range(2):
        assert control(own, "DELETE").status == 204
    expect_control_error(control(own, "GET"), 404, "NoSuchPublicAccessBlockConfiguration")


def test_account_block_survives_a_restart(own):
    control(own, "PUT", block_xml(BlockPublicPolicy="true"))
    own.server.restart()
    assert flags_of(control(own, "GET"))["BlockPublicPolicy"] == "true"


def test_account_block_holds_for_every_bucket(own):
    own.create_bucket("bucket")
    unblock(own, "bucket")
    document = policy_of(statement("bucket"))
    control(own, "PUT", block_xml(BlockPublicPolicy="true"))
    answer = put_policy(own, "bucket", document)
    assert (answer.status, answer.text("Code")) == (403, "AccessDenied"), answer
    control(own, "DELETE")
    assert put_policy(own, "bucket", document).status == 204


def test_account_block_refuses_public_acls(own):
    own.create_bucket("bucket")
    own.put("bucket", "object", b"content")
    enable_acls(own, "bucket")
    control(own, "PUT", block_xml(BlockPublicAcls="true"))
    public = {"x-amz-acl": "public-read"}
    for answer in (put_acl(own, "bucket", headers=public), put_acl(own, "bucket", key="object", headers=public),
                   own.put("bucket", "new", b"x", headers=public)):
        assert (answer.status, answer.text("Code")) == (403, "AccessDenied"), answer
    headers = public | {"x-amz-object-ownership": "ObjectWriter"}
    answer = own.create_bucket("another", headers=headers)
    expect_error(answer, 400, "InvalidBucketAclWithBlockPublicAccessError",
                 "Bucket cannot have public ACLs set with BlockPublicAccess enabled")
    assert own.request("HEAD", "another").status == 404


@pytest.mark.parametrize("account", ["111122223333", "0", "", "0000000000000", "aaaaaaaaaaaa"])
def test_block_of_another_account_is_denied(client, account):
    for method in ("GET", "PUT", "DELETE"):
        answer = control(client, method, block_xml(BlockPublicAcls="true") if method == "PUT" else b"", account=account)
        assert answer.status == 403, answer


def test_account_block_needs_a_signature(client):
    head = {"x-amz-account-id": ACCOUNT}
    for method in ("GET", "PUT", "DELETE"):
        answer = client.send(method, CONTROL_PATH, [("Host", "localhost"), *head.items(), ("Content-Length", "0")])
        expect_control_error(answer, 403, "AccessDenied")


def test_malformed_account_configuration_changes_nothing(client):
    expect_control_error(control(client, "PUT", b"<Other/>"), 400, "MalformedXML")
    expect_control_error(control(client, "GET"), 404, "NoSuchPublicAccessBlockConfiguration")


def test_other_methods_are_not_allowed(client):
    answer = control(client, "POST", b"")
    assert answer.status == 405, answer


def test_bucket_of_that_name_is_told_apart(own):
    assert own.create_bucket("v20180820").status == 200
    key = CONTROL_PATH.removeprefix("/v20180820/")
    assert own.put("v20180820", key, b"an object").status == 200
    control(own, "PUT", block_xml(BlockPublicAcls="true"))
    assert own.get("v20180820", key).body == b"an object"
    assert flags_of(control(own, "GET"))["BlockPublicAcls"] == "true"


def proxied(server):
    """Settings that send every request to the server, whatever its host is called."""
    return {"proxies": {"http": server.url}}


def test_boto3_sets_the_account_block(fresh_server):
    s3control = client_of("s3control", fresh_server, **proxied(fresh_server))
    with pytest.raises(ClientError) as missing:
        s3control.get_public_access_block(AccountId=ACCOUNT)
    assert missing.value.response["Error"]["Code"] == "NoSuchPublicAccessBlockConfiguration"
    s3control.put_public_access_block(AccountId=ACCOUNT, PublicAccessBlockConfiguration=dict.fromkeys(FLAGS, True))
    answer = s3control.get_public_access_block(AccountId=ACCOUNT)
    assert answer["PublicAccessBlockConfiguration"] == dict.fromkeys(FLAGS, True)
    s3control.delete_public_access_block(AccountId=ACCOUNT)
    with pytest.raises(ClientError):
        s3control.get_public_access_block(AccountId=ACCOUNT)


def test_aws_cli_sets_both_blocks(fresh_server, tmp_path):
    aws = Tool("aws", fresh_server, tmp_path, {"HTTP_PROXY": fresh_server.url}, ["--endpoint-url", fresh_server.url])
    aws.run("s3api", "create-bucket", "--bucket", "bucket")
    aws.run("s3api", "put-public-access-block", "--bucket", "bucket", "--public-access-block-configuration", "BlockPublicAcls=true")
    assert '"BlockPublicPolicy": false' in aws.run("s3api", "get-public-access-block", "--bucket", "bucket")
    settings = ",".join(f"{name}=true" for name in FLAGS)
    aws.run("s3control", "put-public-access-block", "--account-id", ACCOUNT, "--public-access-block-configuration", settings)
    assert aws.run("s3control", "get-public-access-block", "--account-id", ACCOUNT).count("true") == 4
    aws.run("s3control", "delete-public-access-block", "--account-id", ACCOUNT)
    refused = aws.attempt("s3control", "get-public-access-block", "--account-id", ACCOUNT)
    assert refused.returncode != 0 and "NoSuchPublicAccessBlockConfiguration" in refused.stdout

"""Request payment: who has to say that they pay, and what they are told."""

import json

import pytest

from support import errors
from support.access import delete_document, get_document, policy_of, put_document, put_policy, statement
from support.checksums import content_md5
from support.client import Client
from support.errors import MALFORMED_XML, expect_error
from support.forms import Form
from support.iam import allow, client_of, create_user, new_account, unique
from support.tools import Tool
from test_s3cmd import configured

PAYS = {"x-amz-request-payer": "requester"}
CHARGED = "x-amz-request-charged"


def payer_xml(payer):
    return f"<RequestPaymentConfiguration><Payer>{payer}</Payer></RequestPaymentConfiguration>"


def put_payer(client, bucket, payer):
    return put_document(client, bucket, "requestPayment", payer_xml(payer))


def payer_of(client, bucket):
    answer = get_document(client, bucket, "requestPayment")
    assert answer.status == 200 and answer.xml.tag == "RequestPaymentConfiguration", answer
    return answer.xml.findtext("Payer")


@pytest.fixture(scope="module")
def other(server):
    """Somebody of another account."""
    return Client(server, new_account(server)[1])


@pytest.fixture
def shared(client, bucket):
    """A bucket that everybody may use, and that requesters pay for."""
    delete_document(client, bucket, "publicAccessBlock")
    arn = f"arn:aws:s3:::{bucket}"
    assert put_policy(client, bucket, policy_of(statement(bucket, action="s3:*", resource=[arn, f"{arn}/*"]))).status == 204
    assert client.put(bucket, "object", b"content").status == 200
    assert put_payer(client, bucket, "Requester").status == 200
    return bucket


def test_payer_is_the_owner_until_it_is_said_otherwise(client, bucket):
    assert payer_of(client, bucket) == "BucketOwner"
    for payer in ("Requester", "BucketOwner", "Requester"):
        assert put_payer(client, bucket, payer).status == 200
        assert payer_of(client, bucket) == payer


@pytest.mark.parametrize("document", [
    "", "{}", "<RequestPaymentConfiguration/>", payer_xml(""), payer_xml("requester"), payer_xml("Nobody"),
    payer_xml("Requester</Payer><Payer>Requester"), payer_xml("<Requester/>"), "<Payer>Requester</Payer>",
    "<RequestPaymentConfiguration><Payer>Requester</Payer>",
])
def test_document_that_is_none_is_malformed(client, bucket, document):
    put_payer(client, bucket, "Requester")
    expect_error(put_document(client, bucket, "requestPayment", document), *MALFORMED_XML)
    assert payer_of(client, bucket) == "Requester"


def test_document_with_a_wrong_digest_changes_nothing(client, bucket):
    answer = put_document(client, bucket, "requestPayment", payer_xml("Requester"), headers={"Content-MD5": "AAAAAAAAAAAAAAAAAAAAAA=="})
    expect_error(answer, *errors.CONTENT_MD5_MISMATCH)
    assert payer_of(client, bucket) == "BucketOwner"


def test_who_may_not_set_it_does_not(client, other, server, iam, bucket):
    _, credentials = create_user(iam, policy=allow("s3:GetBucketRequestPayment"))
    user = Client(server, credentials)
    expect_error(put_payer(user, bucket, "Requester"), *errors.DENIED)
    expect_error(put_payer(other, bucket, "Requester"), *errors.ACCESS_DENIED)
    assert payer_of(user, bucket) == "BucketOwner"


REQUESTS = [
    ("GET", "object", {}), ("HEAD", "object", {}), ("PUT", "new", {}), ("DELETE", "new", {}), ("POST", "new", {"uploads": ""}),
    ("GET", "object", {"attributes": ""}), ("GET", "object", {"acl": ""}), ("GET", None, {}), ("GET", None, {"list-type": "2"}),
    ("GET", None, {"versions": ""}), ("GET", None, {"uploads": ""}), ("HEAD", None, {}), ("GET", None, {"location": ""}),
    ("GET", None, {"requestPayment": ""}),
]


@pytest.mark.parametrize("method, key, query", REQUESTS, ids=lambda value: str(value))
def test_others_have_to_say_that_they_pay(client, other, shared, method, key, query):
    attributes = {"x-amz-object-attributes": "ETag"} if "attributes" in query else {}
    for headers in ({}, {"x-amz-request-payer": ""}, {"x-amz-request-payer": "BucketOwner"}, {"x-amz-request-payer": "Requester"}):
        answer = other.request(method, shared, key, query=query, headers=attributes | headers)
        assert answer.status == 403, answer
        assert method == "HEAD" or answer.text("Code") == "AccessDenied", answer
        assert answer.header(CHARGED) is None
    assert client.keys(shared) == ["object"]
    answer = other.request(method, shared, key, query=query, headers=attributes | PAYS)
    assert answer.status in (200, 204) and answer.header(CHARGED) == "requester", answer


@pytest.mark.parametrize("method, key, query", REQUESTS, ids=lambda value: str(value))
def test_nobody_in_particular_is_refused(client, shared, method, key, query):
    for headers in ({}, PAYS):
        assert client.anonymous(method, shared, key, query=query, headers=headers).status == 403
    assert client.keys(shared) == ["object"]


def test_the_owner_pays_without_a_word(client, server, iam, shared):
    _, credentials = create_user(iam, policy=allow("s3:*"))
    for own in (client, Client(server, credentials)):
        for headers in ({}, PAYS):
            answer = own.get(shared, "object", headers=headers)
            assert answer.body == b"content" and answer.header(CHARGED) is None


def test_saying_so_opens_nothing(client, other, bucket):
    client.put(bucket, "object", b"content")
    put_payer(client, bucket, "Requester")
    expect_error(other.get(bucket, "object", headers=PAYS), *errors.ACCESS_DENIED)
    assert other.get(bucket, "object", headers=PAYS).header(CHARGED) is None


def test_where_the_owner_pays_nobody_is_charged(client, other, shared):
    put_payer(client, shared, "BucketOwner")
    for headers in ({}, PAYS):
        answer = other.get(shared, "object", headers=headers)
        assert answer.body == b"content" and answer.header(CHARGED) is None
    assert client.anonymous("GET", shared, "object").status == 200


def test_an_error_charges_nobody(other, shared):
    answer = other.get(shared, "never was there", headers=PAYS)
    assert answer.status == 404 and answer.header(CHARGED) is None


def test_several_deletions_are_one_request(client, other, shared):
    body = b"<Delete><Object><Key>object</Key></Object></Delete>"
    digest = {"Content-MD5": content_md5(body)}
    expect_error(other.request("POST", shared, query={"delete": ""}, body=body, headers=digest), *errors.ACCESS_DENIED)
    assert client.keys(shared) == ["object"]
    answer = other.request("POST", shared, query={"delete": ""}, body=body, headers=digest | PAYS)
    assert answer.status == 200 and answer.header(CHARGED) == "requester", answer
    assert client.keys(shared) == []


def test_presigned_url_says_it_in_its_query(other, shared):
    plain = other.presign("GET", shared, "object")
    assert other.send_presigned("GET", plain).status == 403
    # What is added afterwards is not signed.
    assert other.send_presigned("GET", plain + "&x-amz-request-payer=requester").status == 403
    answer = other.send_presigned("GET", other.presign("GET", shared, "object", query={"x-amz-request-payer": "requester"}))
    assert answer.body == b"content" and answer.header(CHARGED) == "requester"


def test_copy_pays_for_both_sides(client, other, shared):
    own = unique("payers-own")
    assert other.create_bucket(own).status == 200
    expect_error(other.copy(own, "copy", shared, "object"), *errors.ACCESS_DENIED)
    answer = other.copy(own, "copy", shared, "object", headers=PAYS)
    assert answer.status == 200 and answer.header(CHARGED) == "requester", answer
    expect_error(other.copy(shared, "back", own, "copy"), *errors.ACCESS_DENIED)
    assert other.copy(shared, "back", own, "copy", headers=PAYS).header(CHARGED) == "requester"
    upload = other.new_upload(own, "parts")
    expect_error(other.copy_part(own, "parts", upload, 1, shared, "object"), *errors.ACCESS_DENIED)
    assert other.copy_part(own, "parts", upload, 1, shared, "object", headers=PAYS).header(CHARGED) == "requester"


def test_form_has_a_field_for_it(client, other, shared):
    assert Form(other, shared, {"key": "posted"}).post(b"x").status == 403
    # A field that the policy does not cover is nothing that the signer said.
    form = Form(other, shared, {"key": "posted"})
    assert form.post(b"x", fields=[("x-amz-request-payer", "requester")] + form.fields).status == 403
    assert client.keys(shared) == ["object"]
    answer = Form(other, shared, {"key": "posted"} | PAYS).post(b"x")
    assert answer.status == 204 and answer.header(CHARGED) == "requester", answer


def test_boto3(s3, server, other, shared):
    assert s3.get_bucket_request_payment(Bucket=shared)["Payer"] == "Requester"
    theirs = client_of("s3", server, other.credentials)
    with pytest.raises(theirs.exceptions.ClientError, match="AccessDenied"):
        theirs.list_objects_v2(Bucket=shared)
    listed = theirs.list_objects_v2(Bucket=shared, RequestPayer="requester")
    assert (listed["KeyCount"], listed["RequestCharged"]) == (1, "requester")
    assert theirs.get_object(Bucket=shared, Key="object", RequestPayer="requester")["RequestCharged"] == "requester"
    s3.put_bucket_request_payment(Bucket=shared, RequestPaymentConfiguration={"Payer": "BucketOwner"})
    assert theirs.get_object(Bucket=shared, Key="object")["Body"].read() == b"content"


def test_aws_cli(server, other, shared, tmp_path):
    environment = {"AWS_ACCESS_KEY_ID": other.credentials.access_key, "AWS_SECRET_ACCESS_KEY": other.credentials.secret_key,
                   "AWS_SESSION_TOKEN": other.credentials.session_token}
    aws = Tool("aws", server, tmp_path, environment, arguments=["--endpoint-url", server.tls_url])
    assert "AccessDenied" in aws.attempt("s3", "ls", f"s3://{shared}").stdout
    assert "object" in aws.run("s3", "ls", f"s3://{shared}", "--request-payer", "requester")
    aws.run("s3", "cp", f"s3://{shared}/object", "file", "--request-payer", "requester")
    assert (tmp_path / "file").read_bytes() == b"content"
    head = aws.run("s3api", "head-object", "--bucket", shared, "--key", "object", "--request-payer", "requester")
    assert json.loads(head)["RequestCharged"] == "requester"


def test_s3cmd(server, client, bucket, tmp_path):
    s3cmd = configured(server, tmp_path)
    assert "BucketOwner" in s3cmd.run("info", f"s3://{bucket}")
    s3cmd.run("payer", f"s3://{bucket}", "--requester-pays")
    assert payer_of(client, bucket) == "Requester"
    assert "Requester" in s3cmd.run("info", f"s3://{bucket}")
    s3cmd.run("payer", f"s3://{bucket}")
    assert payer_of(client, bucket) == "BucketOwner"


def test_rclone(server, other, shared, tmp_path):
    options = {
        "TYPE": "s3", "PROVIDER": "Other", "REGION": server.credentials.region, "ENDPOINT": server.tls_url,
        "ACCESS_KEY_ID": other.credentials.access_key, "SECRET_ACCESS_KEY": other.credentials.secret_key,
        "SESSION_TOKEN": other.credentials.session_token}
    environment = {f"RCLONE_CONFIG_THEIRS_{name}": value for name, value in options.items()}
    rclone = Tool("rclone", server, tmp_path, environment, [
        "--config", "/dev/null", "--ca-cert", server.ca_file, "--retries", "1", "--low-level-retries", "1"])
    assert "403" in rclone.attempt("copy", f"theirs:{shared}/object", "refused").stdout
    rclone.run("copy", "--s3-requester-pays", f"theirs:{shared}/object", "back")
    assert (tmp_path / "back/object").read_bytes() == b"content"

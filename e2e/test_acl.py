"""Access control lists: of buckets and objects, canned, by headers and by documents. Whom they let in is tested elsewhere."""

import pytest

from support import errors
from support.access import (
    ALL_USERS, AUTHENTICATED_USERS, LOG_DELIVERY, ROOT_ARN, acl_of, acl_xml, enable_acls, get_document, grant_xml, group_grant,
    put_acl, put_block, unblock, user_grant)
from support.client import Client
from support.errors import expect_error
from support.forms import Form
from support.sse import KEY_A
from support.tools import Tool

ABSENT = "no-such-bucket-here"
NOBODY = "0" * 64
BODY = b"an object with a list"
NOT_SUPPORTED = (400, "AccessControlListNotSupported", "The bucket does not allow ACLs")
MALFORMED = (
    400, "MalformedACLError", "The XML you provided was not well-formed or did not validate against our published schema")
CANNED = {
    "private": [],
    "public-read": [(ALL_USERS, "READ")],
    "public-read-write": [(ALL_USERS, "READ"), (ALL_USERS, "WRITE")],
    "authenticated-read": [(AUTHENTICATED_USERS, "READ")],
    "bucket-owner-read": [],
    "bucket-owner-full-control": [],
}
PUBLIC = ["public-read", "public-read-write", "authenticated-read"]


@pytest.fixture
def owner(client, bucket):
    return acl_of(client, bucket)[0]


@pytest.fixture
def open_bucket(client, bucket):
    """A bucket whose lists count and may be public, with an object."""
    enable_acls(client, bucket)
    assert client.put(bucket, "object", BODY).status == 200
    return bucket


def canned(name):
    return {"x-amz-acl": name}


def expect_blocked(answer, action, resource):
    expect_error(
        answer, 403, "AccessDenied",
        f'User: {ROOT_ARN} is not authorized to perform: {action} on resource: "arn:aws:s3:::{resource}" because public ACLs are '
        "prevented by the BlockPublicAcls setting in S3 Block Public Access.")


def expect_private(client, bucket, key=None):
    owner, grants = acl_of(client, bucket, key)
    assert grants == [(owner, "FULL_CONTROL")], grants


# Where lists are disabled: the default.

def test_disabled_lists_are_shown_as_the_owners(client, bucket):
    client.put(bucket, "object", BODY)
    expect_private(client, bucket)
    expect_private(client, bucket, "object")
    assert len(acl_of(client, bucket)[0]) == 64
    assert acl_of(client, bucket)[0] == acl_of(client, bucket, "object")[0]


@pytest.mark.parametrize("name", [*PUBLIC, "private", "bucket-owner-read", "log-delivery-write"])
def test_disabled_bucket_list_cannot_be_put(client, bucket, name):
    unblock(client, bucket)
    expect_error(put_acl(client, bucket, headers=canned(name)), *NOT_SUPPORTED)


def test_disabled_lists_take_no_document(client, bucket, owner):
    unblock(client, bucket)
    client.put(bucket, "object", BODY)
    for key in (None, "object"):
        expect_error(put_acl(client, bucket, acl_xml(owner, group_grant(ALL_USERS, "READ")), key), *NOT_SUPPORTED)
        expect_error(put_acl(client, bucket, acl_xml(owner, user_grant(owner, "READ")), key), *NOT_SUPPORTED)


def test_disabled_lists_take_what_holds_anyway(client, bucket, owner):
    client.put(bucket, "object", BODY)
    for key in (None, "object"):
        for answer in (put_acl(client, bucket, acl_xml(owner, user_grant(owner, "FULL_CONTROL")), key),
                       put_acl(client, bucket, key=key, headers=canned("bucket-owner-full-control"))):
            assert answer.status == 200, answer
        expect_private(client, bucket, key)


@pytest.mark.parametrize("name", PUBLIC)
def test_disabled_lists_refuse_public_objects(client, bucket, name):
    unblock(client, bucket)
    client.put(bucket, "source", BODY)
    for answer in (client.put(bucket, "object", BODY, headers=canned(name)), client.create_upload(bucket, "object", canned(name)),
                   client.copy(bucket, "object", bucket, "source", canned(name)),
                   put_acl(client, bucket, key="source", headers=canned(name))):
        expect_error(answer, *NOT_SUPPORTED)
    assert client.keys(bucket) == ["source"]


@pytest.mark.parametrize("headers", [
    canned("private"), canned("bucket-owner-full-control"), canned("bucket-owner-read"), {"x-amz-grant-full-control": "id=OWNER"},
], ids=lambda headers: next(iter(headers.values())))
def test_disabled_lists_take_objects_of_the_owner(client, bucket, owner, headers):
    headers = {name: value.replace("OWNER", owner) for name, value in headers.items()}
    assert client.put(bucket, "object", BODY, headers=headers).status == 200
    assert client.create_upload(bucket, "upload", headers).status == 200
    expect_private(client, bucket, "object")


def test_disabled_lists_refuse_grants_to_others(client, bucket, owner):
    unblock(client, bucket)
    for value in (f'uri="{LOG_DELIVERY}"', f"id={owner},uri={ALL_USERS}"):
        expect_error(client.put(bucket, "object", BODY, headers={"x-amz-grant-full-control": value}), *NOT_SUPPORTED)
    expect_error(client.put(bucket, "object", BODY, headers={"x-amz-grant-read": f"id={owner}"}), *NOT_SUPPORTED)
    assert client.keys(bucket) == []


def test_bucket_with_disabled_lists_is_not_created_with_one(client):
    for headers in (canned("public-read"), canned("log-delivery-write"), {"x-amz-grant-read": f"uri={ALL_USERS}"}):
        expect_error(
            client.create_bucket("never-created", headers=headers), 400, "InvalidBucketAclWithObjectOwnership",
            "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting")
    assert client.request("HEAD", "never-created").status == 404


# Where they are enabled.

@pytest.mark.parametrize("name", CANNED)
def test_canned_list_of_a_bucket(client, open_bucket, owner, name):
    answer = put_acl(client, open_bucket, headers=canned(name))
    assert answer.status == 200 and answer.body == b"", answer
    assert acl_of(client, open_bucket) == (owner, [(owner, "FULL_CONTROL"), *CANNED[name]])


def test_bucket_takes_deliveries_of_logs(client, open_bucket, owner):
    assert put_acl(client, open_bucket, headers=canned("log-delivery-write")).status == 200
    expected = [(owner, "FULL_CONTROL"), (LOG_DELIVERY, "WRITE"), (LOG_DELIVERY, "READ_ACP")]
    assert acl_of(client, open_bucket) == (owner, expected)


@pytest.mark.parametrize("name", CANNED)
def test_canned_list_of_an_object(client, open_bucket, owner, name):
    expected = (owner, [(owner, "FULL_CONTROL"), *CANNED[name]])
    assert client.put(open_bucket, "put", BODY, headers=canned(name)).status == 200
    assert acl_of(client, open_bucket, "put") == expected
    assert client.copy(open_bucket, "copy", open_bucket, "object", canned(name)).status == 200
    assert acl_of(client, open_bucket, "copy") == expected
    answer = put_acl(client, open_bucket, key="object", headers=canned(name))
    assert answer.status == 200 and answer.body == b""
    assert acl_of(client, open_bucket, "object") == expected
    upload = client.new_upload(open_bucket, "upload", canned(name))
    etag = client.upload_part(open_bucket, "upload", upload, 1, BODY).etag
    assert client.complete(open_bucket, "upload", upload, [(1, etag)]).status == 200
    assert acl_of(client, open_bucket, "upload") == expected


def test_list_of_an_object_is_not_inherited(client, open_bucket):
    put_acl(client, open_bucket, key="object", headers=canned("public-read"))
    client.copy(open_bucket, "copy", open_bucket, "object")
    expect_private(client, open_bucket, "copy")
    client.put(open_bucket, "object", BODY)
    expect_private(client, open_bucket, "object")


def test_list_changes_nothing_else(client, open_bucket):
    headers = {"x-amz-meta-colour": "red", "Content-Type": "text/x-test", "x-amz-tagging": "a=b"}
    client.put(open_bucket, "object", BODY, headers=headers)
    before = client.get(open_bucket, "object")
    assert put_acl(client, open_bucket, key="object", headers=canned("public-read")).status == 200
    after = client.get(open_bucket, "object")
    assert after.body == BODY
    for name in ("ETag", "Last-Modified", "Content-Type", "x-amz-meta-colour", "x-amz-tagging-count", "x-amz-checksum-crc64nvme"):
        assert after.header(name) == before.header(name), name


def test_list_of_a_sealed_object_needs_no_key(client, open_bucket):
    assert client.put(open_bucket, "sealed", BODY, KEY_A.headers()).status == 200
    assert put_acl(client, open_bucket, key="sealed", headers=canned("public-read")).status == 200
    assert (ALL_USERS, "READ") in acl_of(client, open_bucket, "sealed")[1]
    assert client.get(open_bucket, "sealed", KEY_A.headers()).body == BODY


def test_grants_by_headers_are_the_whole_list(client, open_bucket, owner):
    headers = {
        "x-amz-grant-read": f'uri="{ALL_USERS}", id="{owner}"', "x-amz-grant-write": f"id={owner}",
        "x-amz-grant-read-acp": f'uri="{AUTHENTICATED_USERS}"', "x-amz-grant-write-acp": f'id="{owner}"',
    }
    expected = {(ALL_USERS, "READ"), (owner, "READ"), (owner, "WRITE"), (AUTHENTICATED_USERS, "READ_ACP"), (owner, "WRITE_ACP")}
    assert put_acl(client, open_bucket, headers=headers).status == 200
    assert set(acl_of(client, open_bucket)[1]) == expected
    assert client.put(open_bucket, "granted", BODY, headers=headers).status == 200
    assert set(acl_of(client, open_bucket, "granted")[1]) == expected


@pytest.mark.parametrize("key", [None, "object"])
def test_document_reads_back_in_its_order(client, open_bucket, owner, key):
    grants = [(AUTHENTICATED_USERS, "WRITE_ACP"), (owner, "READ"), (ALL_USERS, "READ_ACP"), (owner, "FULL_CONTROL")]
    document = acl_xml(owner, *(user_grant(owner, permission) if grantee == owner else group_grant(grantee, permission)
                                for grantee, permission in grants))
    assert put_acl(client, open_bucket, document, key).status == 200
    assert acl_of(client, open_bucket, key) == (owner, grants)


def test_owner_can_revoke_everything_and_take_it_back(client, open_bucket, owner):
    for key in (None, "object"):
        assert put_acl(client, open_bucket, acl_xml(owner), key).status == 200
        assert acl_of(client, open_bucket, key) == (owner, [])
        assert put_acl(client, open_bucket, key=key, headers=canned("private")).status == 200
        expect_private(client, open_bucket, key)


def test_list_of_100_grants_is_the_longest(client, open_bucket, owner):
    grant = user_grant(owner, "READ")
    for key in (None, "object"):
        assert put_acl(client, open_bucket, acl_xml(owner, *[grant] * 100), key).status == 200
        expect_error(put_acl(client, open_bucket, acl_xml(owner, *[grant] * 101), key), *MALFORMED)
        assert len(acl_of(client, open_bucket, key)[1]) == 100
    value = ",".join([f"id={owner}"] * 101)
    assert put_acl(client, open_bucket, headers={"x-amz-grant-read": value}).status == 400


def test_lists_survive_a_restart(fresh_server):
    client = Client(fresh_server)
    client.create_bucket("bucket")
    enable_acls(client, "bucket", "BucketOwnerPreferred")
    client.put("bucket", "object", BODY, headers=canned("public-read"))
    put_acl(client, "bucket", headers=canned("authenticated-read"))
    fresh_server.restart()
    assert acl_of(client, "bucket")[1][1:] == CANNED["authenticated-read"]
    assert acl_of(client, "bucket", "object")[1][1:] == CANNED["public-read"]


def test_bucket_is_created_with_a_list(client):
    headers = {"x-amz-object-ownership": "ObjectWriter"}
    assert client.create_bucket("created-with-acl", headers=headers | canned("log-delivery-write")).status == 200
    assert (LOG_DELIVERY, "WRITE") in acl_of(client, "created-with-acl")[1]
    answer = client.create_bucket("never-created", headers=headers | canned("public-read"))
    expect_error(answer, 400, "InvalidBucketAclWithBlockPublicAccessError",
                 "Bucket cannot have public ACLs set with BlockPublicAccess enabled")


def test_form_sets_the_list(client, open_bucket, owner):
    answer = Form(client, open_bucket, {"key": "form", "acl": "public-read"}).post(BODY)
    assert answer.status == 204, answer
    assert acl_of(client, open_bucket, "form") == (owner, [(owner, "FULL_CONTROL"), *CANNED["public-read"]])


# Block Public Access.

@pytest.mark.parametrize("name", PUBLIC)
def test_public_list_is_prevented(client, open_bucket, name):
    put_block(client, open_bucket, BlockPublicAcls="true")
    headers = canned(name)
    expect_blocked(put_acl(client, open_bucket, headers=headers), "s3:PutBucketAcl", open_bucket)
    expect_blocked(put_acl(client, open_bucket, key="object", headers=headers), "s3:PutObjectAcl", f"{open_bucket}/object")
    expect_blocked(client.put(open_bucket, "new", BODY, headers=headers), "s3:PutObject", f"{open_bucket}/new")
    expect_blocked(client.create_upload(open_bucket, "new", headers), "s3:PutObject", f"{open_bucket}/new")
    expect_blocked(client.copy(open_bucket, "new", open_bucket, "object", headers), "s3:CopyObject", f"{open_bucket}/new")
    expect_private(client, open_bucket)
    expect_private(client, open_bucket, "object")
    assert client.keys(open_bucket) == ["object"]


def test_public_grants_are_prevented_however_they_are_written(client, open_bucket, owner):
    put_block(client, open_bucket, BlockPublicAcls="true")
    for group in (ALL_USERS, AUTHENTICATED_USERS):
        document = acl_xml(owner, user_grant(owner, "FULL_CONTROL"), group_grant(group, "READ_ACP"))
        for key in (None, "object"):
            assert put_acl(client, open_bucket, document, key).status == 403
            assert put_acl(client, open_bucket, key=key, headers={"x-amz-grant-write": f"uri={group}"}).status == 403
    assert put_acl(client, open_bucket, acl_xml(owner, group_grant(LOG_DELIVERY, "WRITE"))).status == 200


def test_block_leaves_the_lists_that_are_there(client, open_bucket):
    put_acl(client, open_bucket, key="object", headers=canned("public-read"))
    put_block(client, open_bucket, BlockPublicAcls="true", IgnorePublicAcls="true")
    assert (ALL_USERS, "READ") in acl_of(client, open_bucket, "object")[1]


# What is refused.

@pytest.mark.parametrize("grants", [
    pytest.param("<Grant/>", id="empty-grant"), pytest.param("<Other/>", id="unknown"),
    pytest.param("<Grant><Permission>READ</Permission></Grant>", id="no-grantee"),
    pytest.param(f"<Grant><Grantee><ID>{NOBODY}</ID></Grantee><Permission>READ</Permission></Grant>", id="no-type"),
    pytest.param(grant_xml("Robot", f"<ID>{NOBODY}</ID>", "READ"), id="unknown-type"),
    pytest.param(grant_xml("CanonicalUser", f"<URI>{ALL_USERS}</URI>", "READ"), id="uri-of-a-user"),
    pytest.param(user_grant(NOBODY, "EVERYTHING"), id="unknown-permission"), pytest.param(user_grant(NOBODY, ""), id="no-permission"),
    pytest.param("<Grant>", id="not-well-formed"), pytest.param("text", id="text"), pytest.param("&entity;", id="entity"),
])
@pytest.mark.parametrize("key", [None, "object"], ids=["bucket", "object"])
def test_malformed_list_changes_nothing(client, open_bucket, owner, grants, key):
    expect_error(put_acl(client, open_bucket, acl_xml(owner, grants), key), *MALFORMED)
    expect_private(client, open_bucket, key)


@pytest.mark.parametrize("document", [
    b"junk", b"<Other/>", b"<AccessControlPolicy/>", b"\xff\xfe", b"<AccessControlPolicy><AccessControlList/></AccessControlPolicy>",
    b"<AccessControlPolicy><Owner/><AccessControlList/></AccessControlPolicy>",
    b"<!DOCTYPE a><AccessControlPolicy/>", b"<AccessControlPolicy>" * 500,
], ids=lambda document: document.decode("latin-1")[:40])
def test_document_that_is_no_list_is_malformed(client, open_bucket, document):
    for key in (None, "object"):
        expect_error(put_acl(client, open_bucket, document, key), *MALFORMED)


def test_unknown_users_are_refused(client, open_bucket, owner):
    for key in (None, "object"):
        for unknown in (NOBODY, "_foo", "", owner.upper() + "x", "000000000000"):
            expect_error(
                put_acl(client, open_bucket, acl_xml(owner, user_grant(unknown, "READ")), key), 400, "InvalidArgument", "Invalid id",
                "CanonicalUser/ID", ArgumentValue=unknown)
        expect_error(put_acl(client, open_bucket, key=key, headers={"x-amz-grant-read": f"id={NOBODY}"}),
                     400, "InvalidArgument", "Invalid id", "id", ArgumentValue=NOBODY)
        expect_error(put_acl(client, open_bucket, acl_xml(NOBODY), key), 400, "InvalidArgument", "Invalid id", "CanonicalUser/ID")
        expect_private(client, open_bucket, key)
    assert client.put(open_bucket, "new", BODY, headers={"x-amz-grant-read": f"id={NOBODY}"}).status == 400
    assert client.keys(open_bucket) == ["object"]


def test_unknown_addresses_are_refused(client, open_bucket, owner):
    message = "The e-mail address you provided does not match any account on record."
    grant = grant_xml("AmazonCustomerByEmail", "<EmailAddress>nobody@example.org</EmailAddress>", "READ")
    expect_error(put_acl(client, open_bucket, acl_xml(owner, grant)), 400, "UnresolvableGrantByEmailAddress", message)
    headers = {"x-amz-grant-read": 'emailAddress="nobody@example.org"'}
    expect_error(put_acl(client, open_bucket, headers=headers), 400, "UnresolvableGrantByEmailAddress", message)


def test_unknown_groups_are_refused(client, open_bucket, owner):
    uri = "http://acs.amazonaws.com/groups/global/Everybody"
    expect_error(put_acl(client, open_bucket, acl_xml(owner, group_grant(uri, "READ"))), 400, "InvalidArgument", "Invalid group uri",
                 "Group/URI", ArgumentValue=uri)
    expect_error(put_acl(client, open_bucket, headers={"x-amz-grant-read": f"uri={uri}"}), 400, "InvalidArgument", "Invalid group uri",
                 "uri", ArgumentValue=uri)


@pytest.mark.parametrize("headers", [
    canned(""), canned("Public-Read"), canned("public"), {"x-amz-grant-read": ""}, {"x-amz-grant-read": "id"},
    {"x-amz-grant-read": "name=x"}, {"x-amz-grant-read": 'id="x'}, {"x-amz-grant-everything": f"uri={ALL_USERS}"},
], ids=str)
def test_headers_that_s3_does_not_know_are_refused(client, open_bucket, headers):
    for answer in (put_acl(client, open_bucket, headers=headers), put_acl(client, open_bucket, key="object", headers=headers),
                   client.put(open_bucket, "new", BODY, headers=headers), client.create_upload(open_bucket, "new", headers),
                   client.copy(open_bucket, "new", open_bucket, "object", headers), client.create_bucket("never-created", headers)):
        assert (answer.status, answer.text("Code")) == (400, "InvalidArgument"), answer
    assert client.keys(open_bucket) == ["object"]


def test_one_way_to_say_it_is_enough(client, open_bucket, owner):
    both = canned("private") | {"x-amz-grant-read": f"id={owner}"}
    for answer in (put_acl(client, open_bucket, headers=both), put_acl(client, open_bucket, key="object", headers=both),
                   client.put(open_bucket, "new", BODY, headers=both)):
        expect_error(answer, 400, "InvalidRequest", "Specifying both Canned ACLs and Header Grants is not allowed")
    for headers in (canned("private"), {"x-amz-grant-read": f"id={owner}"}):
        answer = put_acl(client, open_bucket, acl_xml(owner), headers=headers)
        expect_error(answer, 400, "UnexpectedContent", "This request does not support content")
    expect_error(put_acl(client, open_bucket), 400, "MissingSecurityHeader", "Your request was missing a required header",
                 MissingHeaderName="x-amz-acl")


def test_missing_things_are_told(client, open_bucket, owner):
    for key in (None, "object"):
        expect_error(get_document(client, ABSENT, "acl", key), *errors.NO_SUCH_BUCKET, BucketName=ABSENT)
        expect_error(put_acl(client, ABSENT, key=key, headers=canned("private")), *errors.NO_SUCH_BUCKET, BucketName=ABSENT)
    expect_error(get_document(client, open_bucket, "acl", "missing"), *errors.NO_SUCH_KEY)
    expect_error(put_acl(client, open_bucket, acl_xml(owner), "missing"), *errors.NO_SUCH_KEY)
    answer = client.request("GET", open_bucket, "object", query={"acl": "", "versionId": "null"})
    assert answer.status == 200, answer


def test_wrong_digest_is_refused(client, open_bucket, owner):
    headers = {"Content-MD5": "1B2M2Y8AsgTpgAmY7PhCfg=="}
    for key in (None, "object"):
        expect_error(put_acl(client, open_bucket, acl_xml(owner), key, headers), *errors.CONTENT_MD5_MISMATCH)
        expect_private(client, open_bucket, key)


def test_aws_cli_and_boto3_speak_of_lists(server, s3, client, open_bucket, owner, tmp_path):
    aws = Tool("aws", server, tmp_path, arguments=["--endpoint-url", server.url])
    aws.run("s3api", "put-bucket-acl", "--bucket", open_bucket, "--grant-read", f"uri={ALL_USERS}", "--grant-full-control", f"id={owner}")
    assert ALL_USERS in aws.run("s3api", "get-bucket-acl", "--bucket", open_bucket)
    policy = s3.get_bucket_acl(Bucket=open_bucket)
    assert {grant["Permission"] for grant in policy["Grants"]} == {"READ", "FULL_CONTROL"}
    s3.put_object_acl(
        Bucket=open_bucket, Key="object", AccessControlPolicy={"Owner": policy["Owner"], "Grants": policy["Grants"]})
    assert s3.get_object_acl(Bucket=open_bucket, Key="object")["Grants"] == policy["Grants"]
    aws.run("s3", "cp", "--acl", "public-read", "/etc/hostname", f"s3://{open_bucket}/hostname")
    assert (ALL_USERS, "READ") in acl_of(client, open_bucket, "hostname")[1]

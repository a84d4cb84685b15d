"""Object ownership: BucketOwnerEnforced, BucketOwnerPreferred, ObjectWriter."""

import threading

import pytest

from support import errors
from support.access import (
    ALL_USERS, acl_of, acl_xml, delete_document, enable_acls, get_document, group_grant, ownership_of, put_acl, put_document,
    put_ownership, unblock, user_grant)
from support.client import Client
from support.errors import expect_error

ABSENT = "no-such-bucket-here"
SETTINGS = ("BucketOwnerEnforced", "BucketOwnerPreferred", "ObjectWriter")
OWNERSHIP = "x-amz-object-ownership"
BUCKET_HAS_ACLS = (
    400, "InvalidBucketAclWithObjectOwnership", "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting")


def controls(*rules):
    inner = "".join(f"<Rule><ObjectOwnership>{rule}</ObjectOwnership></Rule>" for rule in rules)
    return f"<OwnershipControls>{inner}</OwnershipControls>"


def expect_no_controls(client, bucket):
    answer = get_document(client, bucket, "ownershipControls")
    expect_error(answer, 404, "OwnershipControlsNotFoundError", "The bucket ownership controls were not found", BucketName=bucket)


def test_new_bucket_has_acls_disabled(client, bucket):
    assert ownership_of(client, bucket) == "BucketOwnerEnforced"


@pytest.mark.parametrize("setting", SETTINGS)
def test_setting_is_put_and_read_back(client, bucket, setting):
    answer = put_ownership(client, bucket, setting)
    assert answer.status == 200 and answer.body == b""
    assert ownership_of(client, bucket) == setting


@pytest.mark.parametrize("setting", SETTINGS)
def test_bucket_is_created_with_a_setting(fresh_server, setting):
    client = Client(fresh_server)
    assert client.create_bucket("bucket", headers={OWNERSHIP: setting}).status == 200
    fresh_server.restart()
    assert ownership_of(client, "bucket") == setting


@pytest.mark.parametrize("value", ["", "bucketownerenforced", "Everybody"])
def test_bucket_is_not_created_with_nonsense(client, value):
    answer = client.create_bucket("never-created", headers={OWNERSHIP: value})
    assert (answer.status, answer.text("Code"), answer.text("ArgumentName")) == (400, "InvalidArgument", OWNERSHIP), answer
    assert client.request("HEAD", "never-created").status == 404


def test_deleted_setting_is_not_found_and_enables_acls(client, bucket):
    for _ in range(2):
        answer = delete_document(client, bucket, "ownershipControls")
        assert answer.status == 204 and answer.body == b""
    expect_no_controls(client, bucket)
    unblock(client, bucket)
    assert put_acl(client, bucket, headers={"x-amz-acl": "public-read"}).status == 200


@pytest.mark.parametrize("document", [
    pytest.param("", id="empty"), pytest.param("junk", id="junk"), pytest.param(controls(), id="no-rule"),
    pytest.param(controls("ObjectWriter", "ObjectWriter"), id="two-rules"), pytest.param(controls("objectWriter"), id="unknown"),
    pytest.param(controls(""), id="no-value"), pytest.param("<OwnershipControls><Rule/></OwnershipControls>", id="empty-rule"),
    pytest.param(controls("ObjectWriter") * 2, id="two-documents"),
])
def test_malformed_controls_change_nothing(client, bucket, document):
    expect_error(put_document(client, bucket, "ownershipControls", document), *errors.MALFORMED_XML)
    assert ownership_of(client, bucket) == "BucketOwnerEnforced"


def test_missing_bucket_is_told(client):
    for answer in (get_document(client, ABSENT, "ownershipControls"), put_ownership(client, ABSENT, "ObjectWriter"),
                   delete_document(client, ABSENT, "ownershipControls")):
        expect_error(answer, *errors.NO_SUCH_BUCKET, BucketName=ABSENT)


def test_acls_that_grant_to_others_must_go_first(client, bucket):
    enable_acls(client, bucket)
    owner, _ = acl_of(client, bucket)
    for document in (acl_xml(owner, group_grant(ALL_USERS, "READ")), acl_xml(owner, user_grant(owner, "FULL_CONTROL"), group_grant(ALL_USERS, "WRITE"))):
        assert put_acl(client, bucket, document).status == 200
        expect_error(put_ownership(client, bucket, "BucketOwnerEnforced"), *BUCKET_HAS_ACLS)
        assert ownership_of(client, bucket) == "ObjectWriter"
    assert put_acl(client, bucket, headers={"x-amz-acl": "private"}).status == 200
    assert put_ownership(client, bucket, "BucketOwnerEnforced").status == 200


def test_public_object_does_not_keep_acls_enabled(client, bucket):
    enable_acls(client, bucket)
    assert client.put(bucket, "object", b"content", headers={"x-amz-acl": "public-read"}).status == 200
    assert put_ownership(client, bucket, "BucketOwnerEnforced").status == 200
    owner, grants = acl_of(client, bucket, "object")
    assert grants == [(owner, "FULL_CONTROL")], "a list that does not count is not shown"
    assert put_ownership(client, bucket, "ObjectWriter").status == 200
    assert (ALL_USERS, "READ") in acl_of(client, bucket, "object")[1], "it counts again"


def test_no_race_leaves_a_public_acl_where_acls_are_disabled(client, new_bucket):
    for _ in range(10):
        bucket = new_bucket()
        enable_acls(client, bucket)
        answers = {}
        threads = [
            threading.Thread(target=lambda: answers.update(acl=put_acl(client, bucket, headers={"x-amz-acl": "public-read"}))),
            threading.Thread(target=lambda: answers.update(ownership=put_ownership(client, bucket, "BucketOwnerEnforced"))),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(answer.status for answer in answers.values()) == [200, 400], answers
        if ownership_of(client, bucket) == "BucketOwnerEnforced":
            assert put_ownership(client, bucket, "ObjectWriter").status == 200
            owner, grants = acl_of(client, bucket)
            assert grants == [(owner, "FULL_CONTROL")]


def test_server_setting_enables_acls_of_new_buckets(make_server):
    environment = {"COFFER_NEW_BUCKET_OBJECT_OWNERSHIP": "ObjectWriter", "COFFER_NEW_BUCKET_BLOCK_PUBLIC_ACCESS": "false"}
    server = make_server(environment=environment).start()
    try:
        client = Client(server)
        assert client.create_bucket("new-bucket", headers={"x-amz-acl": "public-read"}).status == 200
        assert ownership_of(client, "new-bucket") == "ObjectWriter"
        assert (ALL_USERS, "READ") in acl_of(client, "new-bucket")[1]
        assert client.create_bucket("strict", headers={OWNERSHIP: "BucketOwnerEnforced"}).status == 200
        assert ownership_of(client, "strict") == "BucketOwnerEnforced"
    finally:
        server.close()


def test_server_setting_must_be_one_of_s3s(make_server):
    server = make_server(environment={"COFFER_NEW_BUCKET_OBJECT_OWNERSHIP": "Nobody"})
    with pytest.raises(AssertionError, match="new_bucket_object_ownership"):
        server.start()


def test_boto3_speaks_of_ownership(s3, bucket):
    rules = {"Rules": [{"ObjectOwnership": "BucketOwnerPreferred"}]}
    s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls=rules)
    assert s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"] == rules
    s3.delete_bucket_ownership_controls(Bucket=bucket)

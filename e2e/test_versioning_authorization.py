"""Who may do what with versions: actions of their own, s3:VersionId, and nothing told to who may not list."""

import pytest

from support.access import put_policy, policy_of, statement
from support.client import Client
from support.errors import expect_error
from support.iam import allow, create_user
from support.versions import (
    copy_version, delete_objects, delete_version, get_version, put_marker, put_version, put_versioning, version_id, versions)


@pytest.fixture
def versioned(client, bucket):
    put_versioning(client, bucket, "Enabled")
    return bucket


@pytest.fixture
def user(server, iam):
    """Makes clients that may do what is named, on everything, and nothing else."""

    def make(*actions, **elements):
        _, credentials = create_user(iam, policy=allow(*actions, **elements) if actions else None)
        return Client(server, credentials)

    return make


def expect_denied(answer):
    assert answer.status == 403 and (answer.body == b"" or answer.text("Code") == "AccessDenied"), answer
    assert answer.header("x-amz-delete-marker") is None and version_id(answer) is None, answer


def test_a_version_is_read_by_an_action_of_its_own(client, versioned, user):
    old = put_version(client, versioned, "object", b"old")
    put_version(client, versioned, "object", b"new")
    of_objects, of_versions = user("s3:GetObject", "s3:PutObject"), user("s3:GetObjectVersion", "s3:PutObject")
    assert of_objects.get(versioned, "object").body == b"new"
    assert get_version(of_versions, versioned, "object", old).body == b"old"
    expect_denied(of_versions.get(versioned, "object"))
    expect_denied(get_version(of_objects, versioned, "object", old))
    expect_denied(of_objects.head(versioned, "object", query={"versionId": old}))
    expect_denied(copy_version(of_objects, versioned, "copy", versioned, "object", old))
    assert copy_version(of_versions, versioned, "copy", versioned, "object", old).status == 200


def test_who_may_hide_may_not_destroy(client, versioned, user):
    """What versioning is for: DeleteObject leaves everything, and only DeleteObjectVersion removes."""
    old = put_version(client, versioned, "object", b"body")
    hider = user("s3:DeleteObject")
    marker = put_marker(hider, versioned, "object")
    expect_denied(delete_version(hider, versioned, "object", old))
    expect_denied(delete_version(hider, versioned, "object", marker))
    answer = delete_objects(hider, versioned, ("object", old), ("object", "null"), "object")
    assert [each.findtext("Code") for each in answer.xml.iterfind("Error")] == ["AccessDenied"] * 2
    assert len(versions(client, versioned)) == 3
    destroyer = user("s3:DeleteObjectVersion")
    expect_denied(destroyer.delete(versioned, "object"))
    assert delete_version(destroyer, versioned, "object", old).status == 204
    assert old not in [id for _, id in versions(client, versioned)]


def test_one_version_is_named_in_a_policy(client, versioned, user):
    one, two = put_version(client, versioned, "object", b"one"), put_version(client, versioned, "object", b"two")
    reader = user("s3:GetObjectVersion", Condition={"StringEquals": {"s3:VersionId": one}})
    assert get_version(reader, versioned, "object", one).body == b"one"
    expect_denied(get_version(reader, versioned, "object", two))
    guard = statement(
        versioned, effect="Deny", action="s3:DeleteObjectVersion", Condition={"StringEquals": {"s3:VersionId": one}})
    assert put_policy(client, versioned, policy_of(guard)).status == 204
    expect_denied(delete_version(client, versioned, "object", one))
    assert delete_version(client, versioned, "object", two).status == 204
    assert client.get(versioned, "object").body == b"one"


def test_listings_of_versions_are_an_action_of_their_own(client, versioned, user):
    put_version(client, versioned, "object")
    lister = user("s3:ListBucket")
    assert lister.keys(versioned) == ["object"]
    expect_denied(lister.request("GET", versioned, query={"versions": ""}))
    assert versions(user("s3:ListBucketVersions"), versioned) != []
    prefixed = user("s3:ListBucketVersions", Condition={"StringLike": {"s3:prefix": "mine/*"}})
    expect_denied(prefixed.request("GET", versioned, query={"versions": ""}))
    assert versions(prefixed, versioned, prefix="mine/") == []


def test_who_may_not_list_learns_of_no_marker_and_no_version(client, versioned, user):
    gone = put_version(client, versioned, "object", b"body")
    delete_version(client, versioned, "object", gone)
    put_marker(client, versioned, "object")
    reader = user("s3:GetObject", "s3:GetObjectVersion", "s3:GetObjectAcl", "s3:GetObjectVersionAcl")
    for key in "object", "never":
        expect_denied(reader.get(versioned, key))
        expect_denied(reader.head(versioned, key))
        expect_denied(get_version(reader, versioned, key, gone))
        expect_denied(reader.get(versioned, key, query={"acl": "", "versionId": gone}))
    lister = user("s3:GetObject", "s3:GetObjectVersion", "s3:ListBucket")
    answer = lister.get(versioned, "object")
    assert answer.status == 404 and answer.header("x-amz-delete-marker") == "true", answer
    expect_error(get_version(lister, versioned, "object", gone), 404, "NoSuchVersion", None, VersionId=gone)


def test_tags_that_policies_ask_for_are_those_of_the_version(client, versioned, user):
    red = put_version(client, versioned, "object", b"red", {"x-amz-tagging": "colour=red"})
    blue = put_version(client, versioned, "object", b"blue", {"x-amz-tagging": "colour=blue"})
    reader = user("s3:GetObject", "s3:GetObjectVersion", Condition={"StringEquals": {"s3:ExistingObjectTag/colour": "red"}})
    assert get_version(reader, versioned, "object", red).body == b"red"
    expect_denied(get_version(reader, versioned, "object", blue))
    expect_denied(reader.get(versioned, "object"))


def test_versioning_is_configured_by_an_action_of_its_own(client, bucket, user):
    nobody, reader = user("s3:PutBucketPolicy"), user("s3:GetBucketVersioning")
    document = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
    for who in nobody, reader:
        expect_denied(who.request("PUT", bucket, query={"versioning": ""}, body=document))
    expect_denied(nobody.request("GET", bucket, query={"versioning": ""}))
    assert reader.request("GET", bucket, query={"versioning": ""}).status == 200
    assert user("s3:PutBucketVersioning").request("PUT", bucket, query={"versioning": ""}, body=document).status == 200
    put_version(client, bucket, "object")
    assert [id == "null" for _, id in versions(client, bucket)] == [False]

"""Versioning: what is overwritten or deleted stays, under an ID of its own."""

import concurrent.futures
import hashlib

import pytest

from support import errors
from support.access import ALL_USERS, acl_of, acl_xml, enable_acls, get_document, group_grant, put_document, user_grant
from support.checksums import content_md5
from support.client import Client
from support.errors import ACCESS_DENIED, expect_error, expect_status_only
from support.forms import Form
from support.sse import KEY_A, KEY_B
from support.versions import (
    copy_source, copy_version, delete_objects, delete_version, entries, get_version, list_versions, put_marker, put_version, put_versioning, version_id, versioning_xml,
    versions)

MARKER_NOT_ALLOWED = (405, "MethodNotAllowed", "The specified method is not allowed against this resource.")
NO_SUCH_VERSION = (404, "NoSuchVersion", "The specified version does not exist.")
INVALID_VERSION = (400, "InvalidArgument", "Invalid version id specified", "versionId")


@pytest.fixture
def versioned(client, bucket):
    put_versioning(client, bucket, "Enabled")
    return bucket


def status_of(client, bucket):
    answer = get_document(client, bucket, "versioning")
    assert answer.status == 200 and answer.xml.tag == "VersioningConfiguration", answer
    return [(element.tag, element.text) for element in answer.xml]


# The configuration.

def test_a_new_bucket_says_nothing_of_versions(client, bucket):
    assert status_of(client, bucket) == []
    answer = client.put(bucket, "object", b"body")
    assert version_id(answer) is None
    assert version_id(client.get(bucket, "object")) is None and version_id(client.delete(bucket, "object")) is None


def test_versioning_is_enabled_and_suspended_and_never_off_again(client, bucket):
    for status in "Enabled", "Suspended", "Suspended", "Enabled":
        put_versioning(client, bucket, status)
        assert status_of(client, bucket) == [("Status", status)]


@pytest.mark.parametrize("document", [
    "", "junk", "<VersioningConfiguration>", "<Other/>", versioning_xml("On"), versioning_xml("enabled"), versioning_xml("Disabled"), versioning_xml(""),
    "<VersioningConfiguration><Status>Enabled</Status><Status>Suspended</Status></VersioningConfiguration>",
    "<VersioningConfiguration><Status>Enabled</Status><Other/></VersioningConfiguration>",
    '<!DOCTYPE a [<!ENTITY e "Enabled">]><VersioningConfiguration><Status>&e;</Status></VersioningConfiguration>',
])
def test_malformed_configuration_changes_nothing(client, versioned, document):
    expect_error(put_document(client, versioned, "versioning", document), *errors.MALFORMED_XML)
    assert status_of(client, versioned) == [("Status", "Enabled")]


def test_configuration_without_a_status_is_illegal(client, bucket):
    answer = put_document(client, bucket, "versioning", "<VersioningConfiguration/>")
    expect_error(answer, 400, "IllegalVersioningConfigurationException", "The Versioning element must be specified")
    assert status_of(client, bucket) == []


def test_mfa_delete_is_refused(client, bucket):
    document = "<VersioningConfiguration><Status>Enabled</Status><MfaDelete>Enabled</MfaDelete></VersioningConfiguration>"
    answer = put_document(client, bucket, "versioning", document, headers={"x-amz-mfa": "arn:aws:iam::1:mfa/a 123456"})
    assert answer.status == 403 and answer.text("Code") == "AccessDenied", answer
    assert status_of(client, bucket) == []


def test_strangers_do_not_change_versioning(client, bucket):
    answer = client.anonymous("PUT", bucket, query={"versioning": ""}, body=versioning_xml("Enabled").encode())
    expect_error(answer, *ACCESS_DENIED)
    assert status_of(client, bucket) == []


# Versions.

def test_every_write_makes_a_version(client, versioned):
    ids = [put_version(client, versioned, "object", body) for body in (b"one", b"two", b"three")]
    assert len(set(ids)) == 3 and all(ids) and "null" not in ids
    assert client.get(versioned, "object").body == b"three" and version_id(client.get(versioned, "object")) == ids[2]
    for id, body in zip(ids, (b"one", b"two", b"three")):
        for answer in get_version(client, versioned, "object", id), client.head(versioned, "object", query={"versionId": id}):
            assert answer.status == 200 and version_id(answer) == id and answer.etag == hashlib.md5(body).hexdigest(), answer
        assert get_version(client, versioned, "object", id).body == body
    assert versions(client, versioned) == [("object", id) for id in reversed(ids)]
    assert client.keys(versioned) == ["object"]


def test_ranges_conditions_and_parts_are_of_the_version(client, versioned):
    old = put_version(client, versioned, "object", b"0123456789")
    put_version(client, versioned, "object", b"new")
    query = {"versionId": old}
    answer = client.get(versioned, "object", {"Range": "bytes=2-4"}, query=query)
    assert (answer.status, answer.body, answer.header("Content-Range")) == (206, b"234", "bytes 2-4/10")
    etag = get_version(client, versioned, "object", old).header("ETag")
    assert client.get(versioned, "object", {"If-None-Match": etag}, query=query).status == 304
    assert client.get(versioned, "object", {"If-Match": etag}).status == 412
    assert client.get(versioned, "object", query=query | {"partNumber": "1"}).body == b"0123456789"


def test_attributes_are_of_the_version(s3, client, versioned):
    old = put_version(client, versioned, "object", b"old one")
    new = put_version(client, versioned, "object", b"new")
    sizes = {}
    for version in ({}, {"VersionId": old}):
        found = s3.get_object_attributes(Bucket=versioned, Key="object", ObjectAttributes=["ObjectSize"], **version)
        sizes[found["VersionId"]] = found["ObjectSize"]
    assert sizes == {old: 7, new: 3}


def test_multipart_uploads_forms_and_copies_make_versions(client, versioned):
    upload = client.new_upload(versioned, "object")
    etag = client.upload_part(versioned, "object", upload, 1, b"part").etag
    ids = [version_id(client.complete(versioned, "object", upload, [(1, etag)]))]
    ids.append(version_id(Form(client, versioned, {"key": "object"}).post(b"form")))
    copied = copy_version(client, versioned, "object", versioned, "object", ids[0])
    assert copied.status == 200 and copied.header("x-amz-copy-source-version-id") == ids[0], copied
    ids.append(version_id(copied))
    assert versions(client, versioned) == [("object", id) for id in reversed(ids)]
    assert client.get(versioned, "object").body == b"part"


def test_a_part_is_copied_from_a_version(client, versioned):
    old = put_version(client, versioned, "source", b"old")
    put_version(client, versioned, "source", b"new")
    upload = client.new_upload(versioned, "object")
    query = {"uploadId": upload, "partNumber": "1"}
    part = client.put(versioned, "object", headers=copy_source(versioned, "source", old), query=query)
    assert part.status == 200 and part.header("x-amz-copy-source-version-id") == old, part
    assert client.complete(versioned, "object", upload, [(1, part.text("ETag").strip('"'))]).status == 200
    assert client.get(versioned, "object").body == b"old"


def test_an_old_version_is_restored_by_a_copy_onto_its_key(client, versioned):
    """Unlike a copy of the current version onto itself, this changes something."""
    old = put_version(client, versioned, "object", b"old", {"x-amz-meta-a": "1"})
    put_version(client, versioned, "object", b"new")
    answer = copy_version(client, versioned, "object", versioned, "object", old)
    assert answer.status == 200, answer
    current = client.get(versioned, "object")
    assert current.body == b"old" and current.header("x-amz-meta-a") == "1" and version_id(current) == version_id(answer) != old
    expect_error(client.copy(versioned, "object", versioned, "object"), *errors.COPY_ONTO_ITSELF)


def test_versions_have_keys_of_their_own(client, versioned):
    old = put_version(client, versioned, "object", b"under a", KEY_A.headers())
    middle = put_version(client, versioned, "object", b"under b", KEY_B.headers())
    new = put_version(client, versioned, "object", b"under none")

    def read(version, key=None):
        return client.get(versioned, "object", key.headers() if key else {}, query={"versionId": version})

    assert (read(old, KEY_A).body, read(middle, KEY_B).body, read(new).body) == (b"under a", b"under b", b"under none")
    expect_error(read(old), *errors.KEY_REQUIRED)
    expect_error(read(old, KEY_B), *errors.WRONG_KEY)
    expect_error(read(middle, KEY_A), *errors.WRONG_KEY)
    expect_error(read(new, KEY_A), *errors.NOT_APPLICABLE)
    restored = copy_version(client, versioned, "object", versioned, "object", old, KEY_A.source_headers() | KEY_B.headers())
    assert restored.status == 200, restored
    assert client.get(versioned, "object", KEY_B.headers()).body == b"under a"
    assert delete_version(client, versioned, "object", old).status == 204
    expect_error(read(old, KEY_A), *NO_SUCH_VERSION, VersionId=old)


def test_access_control_lists_are_of_the_version(client, versioned):
    enable_acls(client, versioned)
    old = put_version(client, versioned, "object", b"old")
    put_version(client, versioned, "object", b"new")
    owner, _ = acl_of(client, versioned, "object")
    document = acl_xml(owner, user_grant(owner, "FULL_CONTROL"), group_grant(ALL_USERS, "READ")).encode()
    answer = client.request(
        "PUT", versioned, "object", query={"acl": "", "versionId": old}, body=document, headers={"Content-MD5": content_md5(document)})
    assert answer.status == 200, answer
    assert client.anonymous("GET", versioned, "object", query={"versionId": old}).body == b"old"
    expect_error(client.anonymous("GET", versioned, "object"), *ACCESS_DENIED)
    assert versions(client, versioned)[1] == ("object", old), "a list makes no version"


def test_many_writers_of_one_key_lose_no_version(client, versioned):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(lambda n: put_version(client, versioned, "object", b"%d" % n), range(24)))
    listed = versions(client, versioned)
    assert sorted(listed) == sorted(("object", id) for id in ids)
    assert version_id(client.get(versioned, "object")) == listed[0][1]
    assert sorted(get_version(client, versioned, "object", id).body for id in ids) == sorted(b"%d" % n for n in range(24))


# Delete markers.

def test_deletion_hides_and_keeps(client, versioned):
    old = put_version(client, versioned, "object", b"body")
    marker = put_marker(client, versioned, "object")
    for answer in client.get(versioned, "object"), client.request("GET", versioned, "object", query={"acl": ""}):
        expect_error(answer, *errors.NO_SUCH_KEY, Key="object")
        assert answer.header("x-amz-delete-marker") == "true" and version_id(answer) == marker
    head = client.head(versioned, "object")
    expect_status_only(head, 404)
    assert head.header("x-amz-delete-marker") == "true" and version_id(head) == marker
    assert client.keys(versioned) == []
    assert get_version(client, versioned, "object", old).body == b"body"
    assert entries(list_versions(client, versioned)) == [
        ("DeleteMarker", "object", marker, True), ("Version", "object", old, False)]


def test_a_marker_that_is_named_can_only_be_deleted(client, versioned):
    marker = put_marker(client, versioned, "object")
    for method in "GET", "HEAD":
        answer = client.request(method, versioned, "object", query={"versionId": marker})
        if method == "GET":
            expect_error(answer, *MARKER_NOT_ALLOWED, Method="GET", ResourceType="DeleteMarker")
        assert answer.status == 405 and answer.header("Allow") == "DELETE"
        assert answer.header("x-amz-delete-marker") == "true" and version_id(answer) == marker
        assert answer.header("Last-Modified").endswith(" GMT")
    for query in {"acl": ""}, {"attributes": ""}:
        answer = client.request(
            "GET", versioned, "object", query=query | {"versionId": marker}, headers={"x-amz-object-attributes": "ETag"} if "attributes" in query else {})
        assert answer.status == 405, answer
    source = copy_version(client, versioned, "copy", versioned, "object", marker)
    message = "The source of a copy request may not specifically refer to a delete marker by version id."
    expect_error(source, 400, "InvalidRequest", message)
    expect_error(client.copy(versioned, "copy", versioned, "object"), *errors.NO_SUCH_KEY)


def test_an_object_is_undeleted_by_deleting_its_marker(client, versioned):
    old = put_version(client, versioned, "object", b"body")
    marker = put_marker(client, versioned, "object")
    answer = delete_version(client, versioned, "object", marker)
    assert answer.status == 204 and answer.header("x-amz-delete-marker") == "true" and version_id(answer) == marker
    assert client.get(versioned, "object").body == b"body" and version_id(client.get(versioned, "object")) == old
    assert entries(list_versions(client, versioned)) == [("Version", "object", old, True)]


def test_markers_pile_up_and_what_never_was_gets_one(client, versioned):
    first, second = put_marker(client, versioned, "never"), put_marker(client, versioned, "never")
    assert versions(client, versioned) == [("never", second), ("never", first)]


def test_the_next_version_becomes_current_when_the_latest_is_deleted(client, versioned):
    ids = [put_version(client, versioned, "object", b"%d" % n) for n in range(3)]
    assert version_id(delete_version(client, versioned, "object", ids[2])) == ids[2]
    assert client.get(versioned, "object").body == b"1"
    delete_version(client, versioned, "object", ids[0])
    assert client.get(versioned, "object").body == b"1"
    answer = delete_version(client, versioned, "object", ids[1])
    assert answer.status == 204 and answer.header("x-amz-delete-marker") is None
    answer = client.get(versioned, "object")
    expect_error(answer, *errors.NO_SUCH_KEY)
    assert answer.header("x-amz-delete-marker") is None
    assert versions(client, versioned) == []


def test_delete_of_many_names_versions_and_markers(client, versioned):
    one, two = put_version(client, versioned, "a", b"1"), put_version(client, versioned, "a", b"2")
    old = put_version(client, versioned, "b", b"1")
    old_marker = put_marker(client, versioned, "c")
    answer = delete_objects(client, versioned, ("a", one), "b", ("c", old_marker), ("a", "null"), ("a", "bad"), "d")
    assert answer.status == 200, answer
    deleted = {}
    for element in answer.xml.iterfind("Deleted"):
        key = element.findtext("Key"), element.findtext("VersionId")
        deleted[key] = element.findtext("DeleteMarker"), element.findtext("DeleteMarkerVersionId")
    assert deleted.pop(("a", one)) == (None, None) and deleted.pop(("a", "null")) == (None, None)
    assert deleted.pop(("c", old_marker)) == ("true", old_marker)
    markers = {key: id for (key, _), (_, id) in deleted.items()}
    assert set(markers) == {"b", "d"} and all(is_marker == "true" for is_marker, _ in deleted.values())
    wrong = answer.xml.findall("Error")
    assert [[each.findtext(name) for name in ("Key", "VersionId", "Code")] for each in wrong] == [["a", "bad", "NoSuchVersion"]] or [
        [each.findtext(name) for name in ("Key", "VersionId", "Code")] for each in wrong] == [["a", "bad", "InvalidArgument"]]
    assert versions(client, versioned) == [("a", two), ("b", markers["b"]), ("b", old), ("d", markers["d"])]
    assert len(delete_objects(client, versioned, ("a", two), quiet=True).xml) == 0


# Conditions.

def test_conditions_of_writes_look_at_the_current_version(client, versioned):
    old = client.put(versioned, "object", b"old").header("ETag")
    new = client.put(versioned, "object", b"new").header("ETag")
    assert client.put(versioned, "object", b"x", {"If-Match": old}).status == 412
    assert client.put(versioned, "object", b"x", {"If-None-Match": "*"}).status == 412
    assert client.put(versioned, "object", b"newer", {"If-Match": new}).status == 200
    assert client.delete(versioned, "object", {"If-Match": new}).status == 412
    marker = put_marker(client, versioned, "object")
    expect_error(client.put(versioned, "object", b"x", {"If-Match": new}), *errors.NO_SUCH_KEY)
    assert version_id(client.head(versioned, "object")) == marker
    assert client.put(versioned, "object", b"again", {"If-None-Match": "*"}).status == 200
    assert len(versions(client, versioned)) == 5


# Suspended versioning, and the version null.

def test_what_was_there_before_versioning_is_null(client, bucket):
    client.put(bucket, "object", b"before")
    put_versioning(client, bucket, "Enabled")
    assert version_id(client.get(bucket, "object")) == "null"
    new = put_version(client, bucket, "object", b"after")
    assert versions(client, bucket) == [("object", new), ("object", "null")]
    assert get_version(client, bucket, "object", "null").body == b"before"
    assert version_id(delete_version(client, bucket, "object", "null")) == "null"
    expect_error(get_version(client, bucket, "object", "null"), *NO_SUCH_VERSION, VersionId="null")
    assert versions(client, bucket) == [("object", new)]


def test_suspended_writes_replace_null_and_nothing_else(client, bucket):
    client.put(bucket, "object", b"before")
    put_versioning(client, bucket, "Enabled")
    made = put_version(client, bucket, "object", b"made")
    put_versioning(client, bucket, "Suspended")
    assert version_id(client.put(bucket, "object", b"null again")) is None, "S3 names null where it is read only"
    assert version_id(client.head(bucket, "object")) == "null"
    assert entries(list_versions(client, bucket)) == [("Version", "object", "null", True), ("Version", "object", made, False)]
    answer = client.copy(bucket, "object", bucket, "object", {"x-amz-metadata-directive": "REPLACE"})
    assert answer.status == 200 and version_id(answer) is None and answer.header("x-amz-copy-source-version-id") == "null", answer
    put_version(client, bucket, "object", b"and again")
    assert get_version(client, bucket, "object", "null").body == b"and again"
    assert get_version(client, bucket, "object", made).body == b"made"
    assert len(versions(client, bucket)) == 2


def test_suspended_deletion_puts_a_null_marker_in_the_place_of_null(client, bucket):
    put_versioning(client, bucket, "Enabled")
    made = put_version(client, bucket, "object", b"made")
    put_versioning(client, bucket, "Suspended")
    put_version(client, bucket, "object", b"null")
    assert put_marker(client, bucket, "object") == "null"
    assert entries(list_versions(client, bucket)) == [("DeleteMarker", "object", "null", True), ("Version", "object", made, False)]
    assert put_marker(client, bucket, "object") == "null"
    assert len(versions(client, bucket)) == 2
    expect_error(get_version(client, bucket, "object", "null"), *MARKER_NOT_ALLOWED)
    assert delete_version(client, bucket, "object", "null").header("x-amz-delete-marker") == "true"
    assert client.get(bucket, "object").body == b"made"


def test_null_stands_among_others_when_versioning_is_enabled_again(client, bucket):
    put_versioning(client, bucket, "Enabled")
    first = put_version(client, bucket, "object", b"1")
    put_versioning(client, bucket, "Suspended")
    put_version(client, bucket, "object", b"2")
    put_versioning(client, bucket, "Enabled")
    third = put_version(client, bucket, "object", b"3")
    assert versions(client, bucket) == [("object", third), ("object", "null"), ("object", first)]
    put_versioning(client, bucket, "Suspended")
    put_version(client, bucket, "object", b"4")
    assert versions(client, bucket) == [("object", "null"), ("object", third), ("object", first)]
    assert delete_version(client, bucket, "object", "null").status == 204
    assert client.get(bucket, "object").body == b"3"


# What is not there.

def test_versions_of_others_are_not_there(client, new_bucket, versioned):
    other = new_bucket()
    put_versioning(client, other, "Enabled")
    id = put_version(client, versioned, "object", b"body")
    put_version(client, versioned, "neighbour", b"body")
    put_version(client, other, "object", b"body")
    for bucket, key in (versioned, "neighbour"), (versioned, "objec"), (versioned, "object2"), (other, "object"):
        expect_error(get_version(client, bucket, key, id), *NO_SUCH_VERSION, Key=key, VersionId=id)
        expect_status_only(client.head(bucket, key, query={"versionId": id}), 404)
        expect_error(copy_version(client, bucket, "copy", bucket, key, id), *NO_SUCH_VERSION)
        assert delete_version(client, bucket, key, id).status == 204
    assert get_version(client, versioned, "object", id).body == b"body"
    assert client.get(versioned, "neighbour").status == client.get(other, "object").status == 200


@pytest.mark.parametrize("id", ["NULL", "Null", " null", "x", "..", "0" * 32 + "0", "%00", "a" * 5000, "ümlaut", "AAAA="])
def test_what_is_no_version_id_is_refused(client, versioned, id):
    put_version(client, versioned, "object", b"body")
    for method, query in ("GET", {}), ("DELETE", {}), ("GET", {"acl": ""}):
        expect_error(client.request(method, versioned, "object", query=query | {"versionId": id}), *INVALID_VERSION, ArgumentValue=id)
    assert client.get(versioned, "object").body == b"body"


def test_a_version_id_says_nothing_where_it_was_changed(client, versioned):
    """Every bit of an ID counts: none leads to a version by itself."""
    id = put_version(client, versioned, "object", b"body")
    put_version(client, versioned, "object", b"new")
    for at in range(0, len(id)):
        changed = id[:at] + ("B" if id[at] != "B" else "C") + id[at + 1:]
        answer = get_version(client, versioned, "object", changed)
        assert answer.status == 404 and answer.text("Code") == "NoSuchVersion", answer


def test_a_stranger_learns_nothing_of_versions(client, versioned):
    id = put_version(client, versioned, "object", b"body")
    marker = put_marker(client, versioned, "object")
    for version in id, marker, "null", id[:-1] + ("A" if id[-1] != "A" else "B"):
        for method in "GET", "HEAD", "DELETE":
            answer = client.anonymous(method, versioned, "object", query={"versionId": version})
            assert answer.status == 403 and answer.header("x-amz-delete-marker") is None and version_id(answer) is None, answer
    assert client.anonymous("GET", versioned, query={"versions": ""}).status == 403
    assert len(versions(client, versioned)) == 2


def test_a_bucket_with_versions_is_not_empty(client, versioned):
    words = (409, "BucketNotEmpty", "The bucket you tried to delete is not empty. You must delete all versions in the bucket.")
    id = put_version(client, versioned, "object", b"body")
    marker = put_marker(client, versioned, "object")
    expect_error(client.request("DELETE", versioned), *words, BucketName=versioned)
    delete_version(client, versioned, "object", id)
    expect_error(client.request("DELETE", versioned), *words, BucketName=versioned)
    delete_version(client, versioned, "object", marker)
    assert client.request("DELETE", versioned).status == 204


def test_nothing_of_old_versions_is_lost_or_readable_after_a_restart(make_server):
    server = make_server().start()
    client = Client(server)
    bucket = "versions-and-a-kill"
    assert client.create_bucket(bucket).status == 200
    put_versioning(client, bucket, "Enabled")
    body = b"the quick brown fox jumps over the lazy dog " * 4000
    ids = [put_version(client, bucket, "object", b"%d " % n + body) for n in range(3)]
    marker = put_marker(client, bucket, "object")
    server.kill()
    server.start()
    assert versions(client, bucket) == [("object", id) for id in [marker, *reversed(ids)]]
    for n, id in enumerate(ids):
        assert get_version(client, bucket, "object", id).body == b"%d " % n + body
    server.close()

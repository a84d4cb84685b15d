"""Tags of objects and their versions: every way they are given, kept, copied, counted, and looked at by policies."""

import json

import pytest

from support import errors
from support.access import delete_document, policy_of, put_document, put_policy, statement
from support.client import Client
from support.errors import MALFORMED_XML, expect_error
from support.forms import Form
from support.iam import allow, create_user, new_account
from support.sse import KEY_A
from support.tools import Tool
from test_bucket_tagging import numbered, xml_of

COUNT = "x-amz-tagging-count"
HEADER_MESSAGE = (
    "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.")
WITH_VERSIONS = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"


def query_of(version=None):
    return {"tagging": ""} | ({"versionId": version} if version else {})


def put_tags(client, bucket, key, *tags, version=None):
    return client.put(bucket, key, xml_of(*tags).encode(), query=query_of(version))


def get_tags(client, bucket, key, version=None):
    return client.get(bucket, key, query=query_of(version))


def tags_of(client, bucket, key, version=None):
    answer = get_tags(client, bucket, key, version)
    assert answer.status == 200 and answer.xml.tag == "Tagging", answer
    return [(tag.findtext("Key"), tag.findtext("Value")) for tag in answer.xml.iterfind("TagSet/Tag")]


def delete_tags(client, bucket, key, version=None):
    return client.delete(bucket, key, query=query_of(version))


@pytest.fixture
def versioned(client, bucket):
    assert put_document(client, bucket, "versioning", WITH_VERSIONS).status == 200
    return bucket


@pytest.fixture(scope="module")
def other(server):
    """The root-like administrator of another account, and who that is."""
    account, credentials = new_account(server)
    return Client(server, credentials), f"arn:aws:iam::{account}:root"


def test_tags_are_put_replaced_and_deleted(client, bucket):
    put = client.put(bucket, "object", b"content")
    assert tags_of(client, bucket, "object") == []
    answer = put_tags(client, bucket, "object", ("b", "2"), ("a", ""))
    assert answer.status == 200 and answer.body == b"" and answer.header("x-amz-version-id") is None, answer
    assert tags_of(client, bucket, "object") == [("a", ""), ("b", "2")]
    assert put_tags(client, bucket, "object", ("環境", "本番 1")).status == 200
    assert tags_of(client, bucket, "object") == [("環境", "本番 1")]
    head = client.head(bucket, "object")
    assert (head.header(COUNT), head.etag) == ("1", put.etag)
    assert delete_tags(client, bucket, "object").status == 204
    assert tags_of(client, bucket, "object") == []
    assert client.get(bucket, "object").header(COUNT) is None
    assert delete_tags(client, bucket, "object").status == 204
    assert put_tags(client, bucket, "object", ("a", "1")).status == 200 == put_tags(client, bucket, "object").status
    assert tags_of(client, bucket, "object") == []


def test_tags_change_nothing_else(client, bucket):
    client.put(bucket, "object", b"content", headers={"x-amz-meta-colour": "red", "Content-Type": "text/x-test"})
    before = client.get(bucket, "object")
    put_tags(client, bucket, "object", ("a", "1"))
    after = client.get(bucket, "object")
    assert after.body == b"content"
    for name in ("ETag", "Last-Modified", "Content-Type", "x-amz-meta-colour", "x-amz-server-side-encryption"):
        assert after.header(name) == before.header(name)


def test_an_object_that_is_overwritten_loses_its_tags(client, bucket):
    client.put(bucket, "object", b"content", headers={"x-amz-tagging": "a=1"})
    client.put(bucket, "object", b"content")
    assert tags_of(client, bucket, "object") == []


def test_as_many_tags_as_there_may_be(client, bucket):
    client.put(bucket, "object", b"content")
    longest = [(f"{n}" + "日" * 127, "日" * 256) for n in range(10)]
    assert put_tags(client, bucket, "object", *longest).status == 200
    assert tags_of(client, bucket, "object") == longest
    message = "Object tags cannot be greater than 10"
    expect_error(put_tags(client, bucket, "object", *numbered(11)), 400, "BadRequest", message)
    header = "&".join(f"{key}=v" for key, _ in numbered(11))
    expect_error(client.put(bucket, "other", b"", headers={"x-amz-tagging": header}), 400, "BadRequest", message)
    assert tags_of(client, bucket, "object") == longest and client.keys(bucket) == ["object"]


KEYS = {
    "": "The TagKey you have provided is invalid", "k" * 129: "The TagKey you have provided is invalid",
    "a,b": "The TagKey you have provided is invalid", "a*": "The TagKey you have provided is invalid",
    "aws:a": "Your TagKey cannot be prefixed with aws:",
}


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key[:5] or "empty")
def test_key_that_no_tag_has_is_refused(client, bucket, key):
    client.put(bucket, "object", b"content", headers={"x-amz-tagging": "a=1"})
    expect_error(put_tags(client, bucket, "object", ("b", "1"), (key, "v")), 400, "InvalidTag", KEYS[key], TagKey=key)
    assert tags_of(client, bucket, "object") == [("a", "1")]


@pytest.mark.parametrize("value", ["v" * 257, "a?", "a\tb", "😀"], ids=["long", "mark", "tab", "picture"])
def test_value_that_no_tag_has_is_refused(client, bucket, value):
    client.put(bucket, "object", b"content", headers={"x-amz-tagging": "a=1"})
    expect_error(put_tags(client, bucket, "object", ("k", value)), 400, "InvalidTag", "The TagValue you have provided is invalid",
                 TagKey="k", TagValue=value)
    assert tags_of(client, bucket, "object") == [("a", "1")]


@pytest.mark.parametrize("document, code", [
    ("", "MalformedXML"), ("<Tagging/>", "MalformedXML"), ("<TagSet/>", "MalformedXML"), ("{}", "MalformedXML"),
    ("<Tagging><TagSet><Tag><Key>a</Key></Tag></TagSet></Tagging>", "MalformedXML"),
    ("<Tagging><TagSet><Tag><Key>a</Key><Value>1</Value><Value>2</Value></Tag></TagSet></Tagging>", "MalformedXML"),
    ("<Tagging><TagSet/></Tagging><Tagging/>", "MalformedXML"), ("<Tagging><TagSet>", "MalformedXML"),
    (xml_of(("a", "1"), ("a", "1")), "InvalidTag"),
])
def test_document_that_is_none_is_refused(client, bucket, document, code):
    client.put(bucket, "object", b"content", headers={"x-amz-tagging": "a=1"})
    answer = client.put(bucket, "object", document.encode(), query={"tagging": ""})
    assert answer.status == 400 and answer.text("Code") == code, answer
    assert tags_of(client, bucket, "object") == [("a", "1")] and client.get(bucket, "object").body == b"content"


def test_document_with_a_wrong_digest_changes_nothing(client, bucket):
    client.put(bucket, "object", b"content")
    answer = put_document(client, bucket, "tagging", xml_of(("a", "1")), "object", headers={"Content-MD5": "AAAAAAAAAAAAAAAAAAAAAA=="})
    expect_error(answer, *errors.CONTENT_MD5_MISMATCH)
    assert tags_of(client, bucket, "object") == []


def test_what_is_not_there_has_no_tags(client, server, iam, bucket):
    expect_error(get_tags(client, bucket, "object"), *errors.NO_SUCH_KEY)
    expect_error(put_tags(client, bucket, "object", ("a", "1")), *errors.NO_SUCH_KEY)
    expect_error(delete_tags(client, bucket, "object"), *errors.NO_SUCH_KEY)
    assert client.keys(bucket) == []
    _, credentials = create_user(iam, policy=allow("s3:*ObjectTagging"))
    expect_error(get_tags(Client(server, credentials), bucket, "object"), *errors.DENIED)


def test_tags_need_no_customer_key(client, bucket):
    client.put(bucket, "object", b"content", headers=KEY_A.headers() | {"x-amz-tagging": "a=1"})
    assert tags_of(client, bucket, "object") == [("a", "1")]
    assert put_tags(client, bucket, "object", ("b", "2")).status == 200
    assert client.head(bucket, "object", KEY_A.headers()).header(COUNT) == "1"
    assert client.get(bucket, "object", KEY_A.headers()).body == b"content"
    assert delete_tags(client, bucket, "object").status == 204
    assert client.get(bucket, "object", KEY_A.headers()).body == b"content"


def test_tags_outlive_a_restart(fresh_server):
    client = Client(fresh_server)
    client.create_bucket("tagged")
    client.put("tagged", "object", b"content", headers={"x-amz-tagging": "a=1"})
    put_tags(client, "tagged", "object", ("b", "2"))
    fresh_server.restart()
    assert tags_of(client, "tagged", "object") == [("b", "2")]
    assert client.get("tagged", "object").body == b"content"


# Versions.

def test_each_version_has_tags_of_its_own(client, versioned):
    old = client.put(versioned, "object", b"old", headers={"x-amz-tagging": "a=old"}).header("x-amz-version-id")
    new = client.put(versioned, "object", b"new", headers={"x-amz-tagging": "a=new"}).header("x-amz-version-id")
    assert get_tags(client, versioned, "object").header("x-amz-version-id") == new
    assert get_tags(client, versioned, "object", old).header("x-amz-version-id") == old
    answer = put_tags(client, versioned, "object", ("b", "1"), version=old)
    assert answer.status == 200 and answer.header("x-amz-version-id") == old
    assert tags_of(client, versioned, "object") == tags_of(client, versioned, "object", new) == [("a", "new")]
    assert tags_of(client, versioned, "object", old) == [("b", "1")]
    answer = delete_tags(client, versioned, "object")
    assert answer.status == 204 and answer.header("x-amz-version-id") == new
    assert tags_of(client, versioned, "object", new) == [] and tags_of(client, versioned, "object", old) == [("b", "1")]
    assert client.get(versioned, "object", query={"versionId": old}).header(COUNT) == "1"
    assert client.get(versioned, "object").header(COUNT) is None
    assert client.get(versioned, "object", query={"versionId": old}).body == b"old"


def test_delete_markers_have_no_tags(client, versioned):
    old = client.put(versioned, "object", b"old", headers={"x-amz-tagging": "a=1"}).header("x-amz-version-id")
    marker = client.delete(versioned, "object").header("x-amz-version-id")
    for version in (None, marker):
        for answer in (get_tags(client, versioned, "object", version), put_tags(client, versioned, "object", ("b", "2"), version=version),
                       delete_tags(client, versioned, "object", version)):
            assert answer.status == 405 and answer.text("Code") == "MethodNotAllowed", answer
    assert tags_of(client, versioned, "object", old) == [("a", "1")]


@pytest.mark.parametrize("version, status, code", [
    ("", 400, "InvalidArgument"), ("no version", 400, "InvalidArgument"), ("null", 404, "NoSuchVersion")])
def test_version_that_is_not_there_has_no_tags(client, versioned, version, status, code):
    kept = client.put(versioned, "object", b"old", headers={"x-amz-tagging": "a=1"}).header("x-amz-version-id")
    for answer in (client.get(versioned, "object", query={"tagging": "", "versionId": version}),
                   client.put(versioned, "object", xml_of(("b", "2")).encode(), query={"tagging": "", "versionId": version}),
                   client.delete(versioned, "object", query={"tagging": "", "versionId": version})):
        assert answer.status == status and answer.text("Code") == code, answer
    assert tags_of(client, versioned, "object", kept) == [("a", "1")]


# With the object.

def test_header_of_a_write_gives_tags(client, bucket):
    client.put(bucket, "put", b"", headers={"x-amz-tagging": "foo=bar&bar&c%20d=%C3%BC+e"})
    assert tags_of(client, bucket, "put") == [("bar", ""), ("c d", "ü e"), ("foo", "bar")]
    upload = client.new_upload(bucket, "parts", headers={"x-amz-tagging": "a=1&b=2"})
    part = client.upload_part(bucket, "parts", upload, 1, b"content")
    assert client.complete(bucket, "parts", upload, [(1, part.etag)]).status == 200
    assert tags_of(client, bucket, "parts") == [("a", "1"), ("b", "2")]


@pytest.mark.parametrize("header, code", [
    ("a=1&a=2", "InvalidArgument"), ("a=b=c", "InvalidArgument"), ("a=%zz", "InvalidArgument"), ("TagSet=[{Key=string,Value=string}]", "InvalidArgument"),
    ("a=%5B", "InvalidTag"), ("aws:a=1", "InvalidTag"), (f"{'k' * 129}=", "InvalidTag"), (f"a={'v' * 257}", "InvalidTag"), ("=1", "InvalidTag"),
])
def test_header_that_says_no_tags_is_refused(client, bucket, header, code):
    headers = {"x-amz-tagging": header}
    client.put(bucket, "source", b"content")
    for answer in (client.put(bucket, "object", b"content", headers=headers), client.create_upload(bucket, "object", headers=headers),
                   client.copy(bucket, "object", bucket, "source", headers=headers | {"x-amz-tagging-directive": "REPLACE"})):
        assert answer.status == 400 and answer.text("Code") == code, answer
        assert code != "InvalidArgument" or answer.text("Message") == HEADER_MESSAGE
    assert client.keys(bucket) == ["source"]


def test_copy_takes_tags_along_unless_it_replaces_them(client, bucket):
    client.put(bucket, "source", b"content", headers={"x-amz-tagging": "a=1"})
    for at, (headers, tags) in enumerate([
            ({}, [("a", "1")]),
            ({"x-amz-tagging-directive": "COPY"}, [("a", "1")]),
            ({"x-amz-tagging-directive": "COPY", "x-amz-tagging": "b=2"}, [("a", "1")]),
            ({"x-amz-tagging": "b=2"}, [("a", "1")]),
            ({"x-amz-metadata-directive": "REPLACE"}, [("a", "1")]),
            ({"x-amz-tagging-directive": "REPLACE", "x-amz-tagging": "b=2"}, [("b", "2")]),
            ({"x-amz-tagging-directive": "REPLACE", "x-amz-tagging": ""}, []),
            ({"x-amz-tagging-directive": "REPLACE"}, [])]):
        assert client.copy(bucket, f"copy {at}", bucket, "source", headers=headers).status == 200
        assert tags_of(client, bucket, f"copy {at}") == tags, headers
    for directive in ("", "copy", "MOVE"):
        answer = client.copy(bucket, "never", bucket, "source", headers={"x-amz-tagging-directive": directive})
        assert answer.status == 400 and answer.text("Code") == "InvalidArgument", answer
    assert "never" not in client.keys(bucket)


def test_copy_of_a_version_takes_its_tags_along(client, versioned):
    old = client.put(versioned, "source", b"old", headers={"x-amz-tagging": "a=old"}).header("x-amz-version-id")
    client.put(versioned, "source", b"new", headers={"x-amz-tagging": "a=new"})
    answer = client.put(versioned, "copy", headers={"x-amz-copy-source": f"/{versioned}/source?versionId={old}"})
    assert answer.status == 200
    assert tags_of(client, versioned, "copy") == [("a", "old")]


def test_form_has_a_field_with_tags(client, bucket):
    form = Form(client, bucket, {"key": "posted", "tagging": xml_of(("b", "2"), ("a", "1"))})
    assert form.post(b"content").status == 204
    assert tags_of(client, bucket, "posted") == [("a", "1"), ("b", "2")]


@pytest.mark.parametrize("fields, code", [
    ({"tagging": "a=1"}, "MalformedXML"), ({"tagging": ""}, "MalformedXML"), ({"tagging": "<Tagging/>"}, "MalformedXML"),
    ({"tagging": xml_of(("a!", "1"))}, "InvalidTag"), ({"tagging": xml_of(("aws:a", "1"))}, "InvalidTag"),
    ({"tagging": xml_of(*numbered(11))}, "BadRequest"), ({"tagging": xml_of(("a", "1")), "x-amz-tagging": "a=2"}, "InvalidRequest"),
])
def test_form_with_tags_that_are_none_makes_nothing(client, bucket, fields, code):
    answer = Form(client, bucket, {"key": "posted"} | fields).post(b"content")
    assert answer.status == 400 and answer.text("Code") == code, answer
    assert client.keys(bucket) == []


def test_field_with_tags_must_be_covered_by_the_policy(client, bucket):
    form = Form(client, bucket, {"key": "posted"})
    assert form.post(b"content", fields=[("tagging", xml_of(("a", "1")))] + form.fields).status == 403
    assert client.keys(bucket) == []


# Who may.

def test_the_count_is_for_who_may_read_the_tags(client, server, iam, bucket):
    client.put(bucket, "object", b"content", headers={"x-amz-tagging": "a=1&b=2"})
    for actions, count in ((["s3:GetObject"], None), (["s3:GetObject", "s3:GetObjectTagging"], "2")):
        user = Client(server, create_user(iam, policy=allow(*actions))[1])
        for answer in (user.get(bucket, "object"), user.head(bucket, "object"), user.get(bucket, "object", headers={"Range": "bytes=0-1"})):
            assert answer.status in (200, 206) and answer.header(COUNT) == count, answer


def test_each_operation_has_an_action_of_its_own(client, server, iam, versioned):
    version = client.put(versioned, "object", b"content").header("x-amz-version-id")
    calls = {
        "s3:GetObjectTagging": lambda user: get_tags(user, versioned, "object"),
        "s3:PutObjectTagging": lambda user: put_tags(user, versioned, "object", ("a", "1")),
        "s3:DeleteObjectTagging": lambda user: delete_tags(user, versioned, "object"),
        "s3:GetObjectVersionTagging": lambda user: get_tags(user, versioned, "object", version),
        "s3:PutObjectVersionTagging": lambda user: put_tags(user, versioned, "object", ("a", "1"), version=version),
        "s3:DeleteObjectVersionTagging": lambda user: delete_tags(user, versioned, "object", version),
    }
    for allowed in calls:
        user = Client(server, create_user(iam, policy=allow(allowed, "s3:GetObject"))[1])
        for action, call in calls.items():
            assert call(user).status in ((200, 204) if action == allowed else (403,)), (allowed, action)
    assert put_tags(Client(server, create_user(iam, policy=allow("s3:PutObject"))[1]), versioned, "object", ("a", "1")).status == 403


def test_who_may_not_is_not_told_what_is_wrong_with_the_document(client, server, iam, other, bucket):
    client.put(bucket, "object", b"content")
    user = Client(server, create_user(iam, policy=allow("s3:GetObject"))[1])
    for who in (user, other[0]):
        expect_error(who.put(bucket, "object", b"<Tagging", query={"tagging": ""}), *errors.DENIED)
    expect_error(other[0].put(bucket, "object", b"x" * 200_000, query={"tagging": ""}), *errors.DENIED)
    assert client.anonymous("PUT", bucket, "object", query={"tagging": ""}, body=b"<Tagging").status == 403
    assert tags_of(client, bucket, "object") == []


def share(client, bucket, principal, action, condition=None):
    delete_document(client, bucket, "publicAccessBlock")
    more = {"Condition": condition} if condition else {}
    answer = put_policy(client, bucket, policy_of(statement(bucket, principal={"AWS": principal}, action=action, **more)))
    assert answer.status == 204, answer


def test_policy_looks_at_tags_that_are_there(client, other, versioned):
    stranger, principal = other
    actions = ["s3:GetObject", "s3:GetObjectVersion", "s3:GetObjectTagging", "s3:PutObjectTagging", "s3:DeleteObjectTagging", "s3:GetObjectAcl",
               "s3:GetObjectVersionTagging"]
    share(client, versioned, principal, actions, {"StringEquals": {"s3:ExistingObjectTag/security": "open"}})
    old = client.put(versioned, "changed", b"", headers={"x-amz-tagging": "security=open"}).header("x-amz-version-id")
    for key, header in (("open", "security=open&a=1"), ("closed", "security=closed"), ("other", "security1=open"), ("none", ""), ("changed", "")):
        client.put(versioned, key, b"content", headers={"x-amz-tagging": header} if header else {})
    calls = [
        lambda key: stranger.get(versioned, key), lambda key: stranger.head(versioned, key),
        lambda key: get_tags(stranger, versioned, key), lambda key: stranger.get(versioned, key, query={"acl": ""}),
        lambda key: put_tags(stranger, versioned, key, ("security", "open"))]
    for call in calls:
        assert call("open").status == 200
        for key in ("closed", "other", "none", "changed", "never was there"):
            assert call(key).status == 403, key
    assert stranger.get(versioned, "changed", query={"versionId": old}).status == 200
    assert tags_of(stranger, versioned, "changed", old) == [("security", "open")]
    # What is put counts from then on.
    assert put_tags(stranger, versioned, "open", ("security", "closed")).status == 200
    assert put_tags(stranger, versioned, "open", ("security", "open")).status == 403
    assert delete_tags(stranger, versioned, "open").status == 403


def test_policy_denies_by_tags_that_are_there(client, server, iam, bucket):
    user = Client(server, create_user(iam, policy=json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "s3:*", "Resource": "*"},
        {"Effect": "Deny", "Action": "s3:*", "Resource": "*", "Condition": {"StringEquals": {"s3:ExistingObjectTag/secret": "yes"}}}]}))[1])
    for key, header in (("plain", "secret=no"), ("secret", "secret=yes"), ("both", "SECRET=yes&secret=no")):
        client.put(bucket, key, b"content", headers={"x-amz-tagging": header})
    assert user.get(bucket, "plain").status == 200
    for key in ("secret", "both"):
        expect_error(user.get(bucket, key), *errors.DENIED)
        expect_error(put_tags(user, bucket, key, ("secret", "no")), *errors.DENIED)
        expect_error(delete_tags(user, bucket, key), *errors.DENIED)
        expect_error(user.copy(bucket, "copy", bucket, key), *errors.DENIED)
    # The tags that are there are not asked about where an object is written or deleted, as on S3.
    assert user.put(bucket, "secret", b"new").status == 200
    assert user.delete(bucket, "both").status == 204


def test_policy_looks_at_tags_that_are_asked_for(client, other, bucket):
    stranger, principal = other
    condition = {"StringEquals": {"s3:RequestObjectTag/security": "open"}, "ForAllValues:StringEquals": {"s3:RequestObjectTagKeys": ["security", "team"]}}
    share(client, bucket, principal, ["s3:PutObject", "s3:PutObjectTagging"], condition)
    client.put(bucket, "object", b"content")
    client.put(bucket, "tagged", b"content", headers={"x-amz-tagging": "security=closed"})

    def attempts(*tags):
        header = {"x-amz-tagging": "&".join(f"{key}={value}" for key, value in tags)}
        yield put_tags(stranger, bucket, "object", *tags)
        yield stranger.put(bucket, "put", b"", headers=header)
        yield stranger.create_upload(bucket, "parts", headers=header)
        yield Form(stranger, bucket, {"key": "posted", "tagging": xml_of(*tags)}).post(b"")

    for answer in attempts(("security", "open"), ("team", "x")):
        assert answer.status in (200, 204), answer
    for tags in ([("security", "closed")], [("team", "x")], [], [("security", "open"), ("more", "x")], [("Security", "closed"), ("team", "open")]):
        for answer in attempts(*tags):
            assert answer.status == 403, (tags, answer)
    assert tags_of(client, bucket, "object") == [("security", "open"), ("team", "x")]


def test_copy_is_not_let_through_by_tags_that_nothing_gets(client, server, iam, bucket):
    client.put(bucket, "closed", b"content", headers={"x-amz-tagging": "security=closed"})
    user = Client(server, create_user(iam, policy=json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": ["s3:GetObject", "s3:GetObjectTagging"], "Resource": "*"},
        {"Effect": "Allow", "Action": ["s3:PutObject", "s3:PutObjectTagging"], "Resource": "*",
         "Condition": {"StringEquals": {"s3:RequestObjectTag/security": "open"}}}]}))[1])
    header = {"x-amz-tagging": "security=open"}
    for directive in ({}, {"x-amz-tagging-directive": "COPY"}):
        expect_error(user.copy(bucket, "copy", bucket, "closed", headers=header | directive), *errors.DENIED)
    assert user.copy(bucket, "copy", bucket, "closed", headers=header | {"x-amz-tagging-directive": "REPLACE"}).status == 200
    assert tags_of(client, bucket, "copy") == [("security", "open")]


def test_copying_tags_needs_reading_and_writing_them(client, server, iam, bucket):
    client.put(bucket, "tagged", b"content", headers={"x-amz-tagging": "a=1"})
    client.put(bucket, "plain", b"content")
    for actions, may in ((["s3:GetObjectTagging"], False), (["s3:PutObjectTagging"], False), (["s3:GetObjectTagging", "s3:PutObjectTagging"], True)):
        user = Client(server, create_user(iam, policy=allow("s3:GetObject", "s3:PutObject", *actions))[1])
        assert user.copy(bucket, "copy", bucket, "tagged").status == (200 if may else 403)
        assert user.copy(bucket, "copy", bucket, "plain").status == 200
        assert user.copy(bucket, "copy", bucket, "tagged", headers={"x-amz-tagging-directive": "REPLACE"}).status == 200


# Clients.

def test_boto3(s3, versioned):
    tags = [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": ""}]
    version = s3.put_object(Bucket=versioned, Key="object", Body=b"content", Tagging="a=1&b=")["VersionId"]
    answer = s3.get_object_tagging(Bucket=versioned, Key="object")
    assert (answer["TagSet"], answer["VersionId"]) == (tags, version)
    assert s3.get_object(Bucket=versioned, Key="object")["TagCount"] == 2
    assert s3.put_object_tagging(Bucket=versioned, Key="object", VersionId=version, Tagging={"TagSet": tags[:1]})["VersionId"] == version
    assert s3.get_object_tagging(Bucket=versioned, Key="object")["TagSet"] == tags[:1]
    assert s3.delete_object_tagging(Bucket=versioned, Key="object")["VersionId"] == version
    assert s3.get_object_tagging(Bucket=versioned, Key="object")["TagSet"] == []


def test_presigned_url_carries_tags(client, bucket):
    target = client.presign("PUT", bucket, "object", query={"x-amz-tagging": "a=1&b=2"})
    assert client.send_presigned("PUT", target, body=b"content").status == 200
    assert tags_of(client, bucket, "object") == [("a", "1"), ("b", "2")]
    expect_error(client.send_presigned("PUT", target.replace("a%3D1", "a%3D2"), body=b"other"), *errors.SIGNATURE_MISMATCH)
    assert client.get(bucket, "object").body == b"content"


def test_aws_cli(server, client, bucket, tmp_path):
    aws = Tool("aws", server, tmp_path, arguments=["--endpoint-url", server.tls_url])
    (tmp_path / "file").write_bytes(b"content")
    aws.run("s3api", "put-object", "--bucket", bucket, "--key", "object", "--body", "file", "--tagging", "a=1")
    aws.run("s3api", "put-object-tagging", "--bucket", bucket, "--key", "object", "--tagging", "TagSet=[{Key=b,Value=2}]")
    listed = json.loads(aws.run("s3api", "get-object-tagging", "--bucket", bucket, "--key", "object"))
    assert listed["TagSet"] == [{"Key": "b", "Value": "2"}]
    aws.run("s3", "cp", f"s3://{bucket}/object", f"s3://{bucket}/copy")
    assert tags_of(client, bucket, "copy") == [("b", "2")]
    aws.run("s3api", "delete-object-tagging", "--bucket", bucket, "--key", "object")
    assert tags_of(client, bucket, "object") == []


def test_rclone(server, client, bucket, tmp_path):
    options = {"TYPE": "s3", "PROVIDER": "Other", "REGION": server.credentials.region, "ENDPOINT": server.tls_url,
               "ACCESS_KEY_ID": server.credentials.access_key, "SECRET_ACCESS_KEY": server.credentials.secret_key}
    rclone = Tool("rclone", server, tmp_path, {f"RCLONE_CONFIG_IT_{name}": value for name, value in options.items()}, [
        "--config", "/dev/null", "--ca-cert", server.ca_file, "--retries", "1", "--low-level-retries", "1"])
    (tmp_path / "file").write_bytes(b"content")
    rclone.run("copyto", "--header-upload", "x-amz-tagging: a=1", "file", f"it:{bucket}/object")
    assert tags_of(client, bucket, "object") == [("a", "1")]
    assert client.get(bucket, "object").body == b"content"

"""ListObjectVersions: every version and delete marker once, in S3's order, however a listing is cut into pages."""

import itertools
from urllib.parse import quote, unquote

import pytest

from support.errors import expect_error
from support.versions import delete_version, entries, list_versions, put_marker, put_version, put_versioning, versions

KEYS = ["a", "a/b", "a/c/d", "b/x", "b/y", "photos/2006/1", "photos/2006/2", "photos/2007/1", "ü", "ü/1"]


@pytest.fixture(scope="module")
def listed(client, module_bucket):
    """A bucket with every kind of key, and all that is in it, as (kind, key, ID, latest)."""
    bucket, expected = module_bucket, {}
    client.put(bucket, "a", b"null")
    client.put(bucket, "b/y", b"null")
    expected["a"], expected["b/y"] = [("Version", "null")], [("Version", "null")]
    put_versioning(client, bucket, "Enabled")
    for number, key in enumerate(KEYS):
        made = expected.setdefault(key, [])
        for at in range(1 + number % 4):
            made.insert(0, ("Version", put_version(client, bucket, key, b"%d" % at)))
            if (number + at) % 3 == 0:
                made.insert(0, ("DeleteMarker", put_marker(client, bucket, key)))
    put_versioning(client, bucket, "Suspended")
    expected["b/y"].remove(("Version", "null"))
    expected["b/y"].insert(0, ("DeleteMarker", put_marker(client, bucket, "b/y")))
    expected["b/x"].insert(0, ("Version", put_version(client, bucket, "b/x")))
    return bucket, [
        (kind, key, id, at == 0) for key in sorted(KEYS, key=str.encode) for at, (kind, id) in enumerate(expected[key])]


def pages(client, bucket, **query):
    """The entries of a whole listing, page by page."""
    while True:
        answer = list_versions(client, bucket, **query)
        yield entries(answer)
        truncated = answer.xml.findtext("IsTruncated") == "true"
        markers = answer.xml.findtext("NextKeyMarker"), answer.xml.findtext("NextVersionIdMarker")
        assert truncated == (markers[0] is not None), answer
        if not truncated:
            return
        for name, marker in zip(("key_marker", "version_id_marker"), markers):
            query.pop(name, None)
            if marker is not None:
                query[name] = marker


def test_everything_is_listed_the_latest_first(client, listed):
    bucket, expected = listed
    assert entries(list_versions(client, bucket)) == expected


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize("prefix", ["", "a", "a/", "photos/2006/", "b/y", "ü", "none"])
def test_pages_of_any_size_make_the_same_listing(client, listed, size, prefix):
    bucket, expected = listed
    found = list(pages(client, bucket, max_keys=size, prefix=prefix))
    assert all(len(page) == size for page in found[:-1]) and len(found[-1]) <= size
    assert list(itertools.chain(*found)) == [entry for entry in expected if entry[1].startswith(prefix)]


@pytest.mark.parametrize("size", [1, 2, 1000])
@pytest.mark.parametrize("prefix, delimiter", [("", "/"), ("a/", "/"), ("photos/", "/"), ("", "/200"), ("photos", "7"), ("", "none")])
def test_keys_are_rolled_up(client, listed, size, prefix, delimiter):
    bucket, expected = listed
    rolled = []
    for entry in expected:
        if not entry[1].startswith(prefix):
            continue
        head, found, _ = entry[1][len(prefix):].partition(delimiter)
        entry = ("CommonPrefixes", prefix + head + delimiter) if found else entry
        if entry not in rolled:
            rolled.append(entry)
    assert list(itertools.chain(*pages(client, bucket, max_keys=size, prefix=prefix, delimiter=delimiter))) == rolled


def test_a_key_marker_alone_passes_all_versions_of_the_key(client, listed):
    bucket, expected = listed
    for marker in "a", "a/", "b/x", "photos/2006/2", "zzz", "ü", "photos/2006/1a":
        found = entries(list_versions(client, bucket, key_marker=marker))
        assert found == [entry for entry in expected if entry[1].encode() > marker.encode()]


def test_any_version_is_a_marker(client, listed):
    bucket, expected = listed
    for at, (_, key, id, _) in enumerate(expected):
        answer = list_versions(client, bucket, key_marker=key, version_id_marker=id)
        assert entries(answer) == expected[at + 1:], (key, id)
        assert answer.xml.findtext("KeyMarker") == key and answer.xml.findtext("VersionIdMarker") == id


@pytest.mark.parametrize("size", [1, 2, 3])
def test_all_versions_are_deleted_page_by_page(client, bucket, size):
    """As clients empty buckets: the marker of the next page is gone, and what comes after it may be the current version."""
    put_version(client, bucket, "object")
    put_versioning(client, bucket, "Enabled")
    for _ in range(4):
        put_version(client, bucket, "object")
    put_versioning(client, bucket, "Suspended")
    put_version(client, bucket, "object")
    put_versioning(client, bucket, "Enabled")
    put_version(client, bucket, "object")
    put_marker(client, bucket, "object")
    put_version(client, bucket, "other")
    deleted = []
    for page in pages(client, bucket, max_keys=size):
        for _, key, id, _ in page:
            assert delete_version(client, bucket, key, id).status == 204
            deleted.append((key, id))
    assert versions(client, bucket) == [] and len(deleted) == len(set(deleted)) == 8
    assert client.request("DELETE", bucket).status == 204


def test_listing_goes_on_where_its_marker_was_deleted(client, bucket):
    put_versioning(client, bucket, "Enabled")
    ids = [put_version(client, bucket, "object") for _ in range(5)]
    for gone in ids[3], ids[4]:
        delete_version(client, bucket, "object", gone)
    rest = versions(client, bucket, key_marker="object", version_id_marker=ids[3])
    assert rest == [("object", id) for id in (ids[2], ids[1], ids[0])]


def test_names_are_encoded_if_asked(client, listed):
    bucket, expected = listed
    answer = list_versions(client, bucket, encoding_type="url", prefix="ü", delimiter="/", max_keys=1)
    assert answer.xml.findtext("EncodingType") == "url" and answer.xml.findtext("Prefix") == "%C3%BC"
    key = answer.xml.findtext("NextKeyMarker")
    assert "ü" not in answer.body.decode() and unquote(key) == "ü"
    assert [unquote(element.text) for element in answer.xml.iterfind("Version/Key")] == ["ü"]


def test_an_entry_tells_all(client, bucket):
    put_versioning(client, bucket, "Enabled")
    put_version(client, bucket, "object", b"body", {"x-amz-storage-class": "STANDARD_IA"})
    put_marker(client, bucket, "object")
    marker, version = [element for element in list_versions(client, bucket).xml if element.tag in ("DeleteMarker", "Version")]
    assert [element.tag for element in version] == [
        "Key", "VersionId", "IsLatest", "LastModified", "ETag", "Size", "Owner", "StorageClass"]
    assert [element.tag for element in marker] == ["Key", "VersionId", "IsLatest", "LastModified", "Owner"]
    assert version.findtext("Size") == "4" and version.findtext("StorageClass") == "STANDARD_IA"
    assert marker.findtext("Owner/ID") == version.findtext("Owner/ID")


def test_no_keys_are_asked_for(client, listed):
    answer = list_versions(client, listed[0], max_keys=0)
    assert entries(answer) == [] and answer.xml.findtext("IsTruncated") == "false" and answer.xml.findtext("MaxKeys") == "0"


@pytest.mark.parametrize("query, message, argument", [
    ({"version-id-marker": "null"}, "A version-id marker cannot be specified without a key marker.", "version-id-marker"),
    ({"version-id-marker": ""}, "A version-id marker cannot be specified without a key marker.", "version-id-marker"),
    ({"key-marker": "", "version-id-marker": "null"}, "A version-id marker cannot be specified without a key marker.", "version-id-marker"),
    ({"key-marker": "a", "version-id-marker": ""}, "A version-id marker cannot be empty.", "version-id-marker"),
    ({"key-marker": "a", "version-id-marker": "x"}, "Invalid version id specified", "version-id-marker"),
    ({"key-marker": "a", "version-id-marker": "NULL"}, "Invalid version id specified", "version-id-marker"),
    ({"max-keys": "x"}, "Provided max-keys not an integer or within integer range", "max-keys"),
    ({"max-keys": "-1"}, "Argument max-keys must be an integer between 0 and 2147483647", "max-keys"),
    ({"encoding-type": "base64"}, "Invalid Encoding Method specified in Request", "encoding-type"),
])
def test_bad_parameters_are_refused(client, listed, query, message, argument):
    expect_error(client.request("GET", listed[0], query={"versions": ""} | query), 400, "InvalidArgument", message, argument)


def test_markers_of_nothing_are_markers(client, listed):
    """A version ID that no version has stands where it would stand."""
    bucket, expected = listed
    other = next(id for _, key, id, _ in expected if key == "photos/2007/1" and id != "null")
    found = entries(list_versions(client, bucket, key_marker="no such key", version_id_marker=other))
    assert found == [entry for entry in expected if entry[1] > "no such key"]
    assert entries(list_versions(client, bucket, key_marker="no such key", version_id_marker="null")) == found


def test_many_versions_of_one_key(client, bucket):
    put_versioning(client, bucket, "Enabled")
    ids = [put_version(client, bucket, "object") for _ in range(120)]
    client.put(bucket, "object-2", b"")
    assert client.keys(bucket) == ["object", "object-2"]
    whole = list(itertools.chain(*pages(client, bucket, max_keys=50, prefix="object")))
    assert [entry[2] for entry in whole][:120] == list(reversed(ids)) and len(whole) == 121
    assert [entry[3] for entry in whole].count(True) == 2


def test_listings_of_objects_know_nothing_of_the_past(s3, client, listed):
    bucket, expected = listed
    current = [key for kind, key, _, latest in expected if latest and kind == "Version"]
    assert client.keys(bucket) == [quote(key) for key in current]
    assert [entry["Key"] for entry in s3.list_objects(Bucket=bucket)["Contents"]] == current


def test_boto3_pages_through(s3, listed):
    bucket, expected = listed
    paginator = s3.get_paginator("list_object_versions")
    whole = paginator.paginate(Bucket=bucket, PaginationConfig={"PageSize": 2}).build_full_result()
    found = [(each["Key"], each["VersionId"], each["IsLatest"]) for each in whole["Versions"] + whole["DeleteMarkers"]]
    assert sorted(found) == sorted(entry[1:] for entry in expected)


def test_versions_of_a_bucket_that_never_had_any_are_null(client, bucket):
    client.put(bucket, "a", b"")
    client.put(bucket, "b", b"")
    assert versions(client, bucket) == [("a", "null"), ("b", "null")]
    assert versions(client, bucket, key_marker="a", version_id_marker="null") == [("b", "null")]

"""ListObjects and ListObjectsV2: order, prefixes, delimiters, pages, encodings."""

import random
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import unquote_plus

import pytest

from support import errors
from support.errors import expect_error

KEYS = sorted(["a", "a/", "a/b", "a/b/c", "a/c", "a0", "b", "boo/bar", "boo/baz/xyzzy", "cquux/thud", "cquux/bla", "z"])


@pytest.fixture(scope="module")
def filled(client, new_bucket):
    name = new_bucket()
    for key in random.Random(1).sample(KEYS, len(KEYS)):
        assert client.put(name, key, key.encode()).status == 200
    return name


def list_v2(client, bucket, **query):
    return client.request("GET", bucket, query={"list-type": "2"} | {name.replace("_", "-"): value for name, value in query.items()})


def list_v1(client, bucket, **query):
    return client.request("GET", bucket, query={name.replace("_", "-"): value for name, value in query.items()})


def keys_in(answer):
    assert answer.status == 200 and answer.xml.tag == "ListBucketResult", answer
    return [each.text or "" for each in answer.xml.iterfind("Contents/Key")]


def prefixes_in(answer):
    return [each.text for each in answer.xml.iterfind("CommonPrefixes/Prefix")]


@pytest.mark.parametrize("list_objects", [list_v1, list_v2], ids=["v1", "v2"])
class TestBothVersions:
    def test_keys_come_in_byte_order(self, client, filled, list_objects):
        answer = list_objects(client, filled)
        assert keys_in(answer) == KEYS
        assert answer.text("Name") == filled and answer.text("IsTruncated") == "false" and answer.text("MaxKeys") == "1000"

    def test_entry_describes_its_object(self, client, filled, list_objects):
        answer = list_objects(client, filled, prefix="boo/bar")
        entry = answer.xml.find("Contents")
        assert entry.findtext("Size") == "7" and entry.findtext("StorageClass") == "STANDARD"
        assert entry.findtext("ETag") == f'"{client.head(filled, "boo/bar").etag}"'
        assert entry.findtext("LastModified").endswith("Z")

    def test_empty_bucket(self, client, bucket, list_objects):
        answer = list_objects(client, bucket)
        assert keys_in(answer) == [] and answer.text("IsTruncated") == "false"

    @pytest.mark.parametrize("prefix", ["a", "a/", "boo/ba", "nothing", "z", "", "\u00fc"])
    def test_prefix(self, client, filled, list_objects, prefix):
        assert keys_in(list_objects(client, filled, prefix=prefix)) == [key for key in KEYS if key.startswith(prefix)]

    def test_delimiter_rolls_keys_up(self, client, filled, list_objects):
        answer = list_objects(client, filled, delimiter="/")
        assert keys_in(answer) == ["a", "a0", "b", "z"]
        assert prefixes_in(answer) == ["a/", "boo/", "cquux/"]
        assert answer.text("Delimiter") == "/"

    def test_prefix_and_delimiter(self, client, filled, list_objects):
        answer = list_objects(client, filled, prefix="a/", delimiter="/")
        assert keys_in(answer) == ["a/", "a/b", "a/c"] and prefixes_in(answer) == ["a/b/"]

    def test_delimiter_of_several_characters(self, client, filled, list_objects):
        answer = list_objects(client, filled, delimiter="oo/ba")
        assert prefixes_in(answer) == ["boo/ba"]
        assert keys_in(answer) == [key for key in KEYS if not key.startswith("boo/ba")]

    def test_encoded_keys(self, client, bucket, list_objects):
        keys = ["a b", "a+b", "a%b", "a\u00fcb", "a\x01b", "dir/x"]
        for key in keys:
            client.put(bucket, key, b"x")
        answer = list_objects(client, bucket, encoding_type="url", delimiter="/")
        # S3 writes a space as "+", as forms do; clients decode both.
        assert [unquote_plus(key) for key in keys_in(answer)] == sorted(keys[:-1])
        assert "a%2Bb" in keys_in(answer) and "a%25b" in keys_in(answer)
        assert answer.text("EncodingType") == "url" and prefixes_in(answer) == ["dir/"]

    @pytest.mark.parametrize("value", ["-1", "abc", "1.5", "99999999999999"])
    def test_senseless_max_keys(self, client, filled, list_objects, value):
        answer = list_objects(client, filled, max_keys=value)
        assert (answer.status, answer.text("Code")) == (400, "InvalidArgument"), answer

    def test_senseless_encoding_type(self, client, filled, list_objects):
        answer = list_objects(client, filled, encoding_type="base64")
        expect_error(answer, 400, "InvalidArgument", "Invalid Encoding Method specified in Request", "encoding-type", ArgumentValue="base64")

    def test_max_keys_is_capped_at_a_thousand(self, client, filled, list_objects):
        assert keys_in(list_objects(client, filled, max_keys="5000")) == KEYS

    def test_max_keys_of_zero(self, client, filled, list_objects):
        answer = list_objects(client, filled, max_keys="0")
        assert keys_in(answer) == [] and answer.text("IsTruncated") == "false"

    def test_missing_bucket(self, client, list_objects):
        expect_error(list_objects(client, "no-such-bucket-here"), *errors.NO_SUCH_BUCKET, BucketName="no-such-bucket-here")


@pytest.mark.parametrize("size", [1, 2, 3, 5, 11, 12, 13])
def test_v2_pages_join_to_the_whole(client, filled, size):
    seen, token, pages = [], None, 0
    while True:
        query = {"max_keys": str(size)} | ({"continuation_token": token} if token else {})
        answer = list_v2(client, filled, **query)
        keys = keys_in(answer)
        assert answer.text("KeyCount") == str(len(keys)) and len(keys) <= size
        assert answer.text("ContinuationToken") == token
        seen += keys
        pages += 1
        token = answer.text("NextContinuationToken")
        assert (answer.text("IsTruncated") == "true") == (token is not None)
        if token is None:
            break
    assert seen == KEYS and pages == -(-len(KEYS) // size)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_v2_pages_count_common_prefixes(client, filled, size):
    seen, token = [], None
    while True:
        query = {"max_keys": str(size), "delimiter": "/"} | ({"continuation_token": token} if token else {})
        answer = list_v2(client, filled, **query)
        page = keys_in(answer) + prefixes_in(answer)
        assert len(page) <= size and answer.text("KeyCount") == str(len(page))
        seen += page
        token = answer.text("NextContinuationToken")
        if token is None:
            break
    assert sorted(seen) == ["a", "a/", "a0", "b", "boo/", "cquux/", "z"] and len(seen) == 7


@pytest.mark.parametrize("start", ["a", "a/b", "a/zzz", "", "z", "zz"])
def test_v2_start_after(client, filled, start):
    answer = list_v2(client, filled, start_after=start)
    assert keys_in(answer) == [key for key in KEYS if key > start]


@pytest.mark.parametrize("token", ["junk", "AAAA", "%00"])
def test_v2_senseless_token(client, filled, token):
    answer = list_v2(client, filled, continuation_token=token)
    expect_error(answer, 400, "InvalidArgument", "The continuation token provided is incorrect", "continuation-token")


def test_v2_shows_the_owner_when_asked(client, filled):
    assert list_v2(client, filled).xml.find("Contents/Owner") is None
    assert list_v2(client, filled, fetch_owner="true").text("Contents/Owner/ID")


@pytest.mark.parametrize("size", [1, 2, 5, 12])
@pytest.mark.parametrize("delimiter", ["", "/"], ids=["flat", "delimiter"])
def test_v1_pages_join_to_the_whole(client, filled, size, delimiter):
    seen, marker = [], ""
    while True:
        query = {"max_keys": str(size), "marker": marker} | ({"delimiter": delimiter} if delimiter else {})
        answer = list_v1(client, filled, **query)
        page = sorted(keys_in(answer) + prefixes_in(answer))
        seen += page
        if answer.text("IsTruncated") == "false":
            break
        # S3 names the next marker only when there is a delimiter; else the last key serves.
        marker = answer.text("NextMarker") or page[-1]
    assert seen == (["a", "a/", "a0", "b", "boo/", "cquux/", "z"] if delimiter else KEYS)


def test_a_bucket_of_many_keys(client, new_bucket):
    """More keys than a page: every one is listed once, in order."""
    name = new_bucket()
    keys = sorted(f"{random.Random(at).getrandbits(40):x}/{at}" for at in range(1500))
    with ThreadPoolExecutor(4) as pool:
        assert {answer.status for answer in pool.map(lambda key: client.put(name, key, b"", tls=False), keys)} == {200}
    assert client.keys(name) == keys


def test_boto3_paginators(s3, filled):
    for operation in ("list_objects", "list_objects_v2"):
        pages = s3.get_paginator(operation).paginate(Bucket=filled, PaginationConfig={"PageSize": 5})
        assert [entry["Key"] for page in pages for entry in page["Contents"]] == KEYS

"""Object keys: any bytes of UTF-8 that S3 takes, none of them a path on a disk."""

import pytest

from support.client import Client

KEYS = {
    "space": "a b", "spaces-outside": " a ", "plus": "a+b", "percent": "100%", "escaped": "a%20b", "double-escaped": "a%2520b",
    "double-slash": "a//b", "triple-slash": "a///b", "leading-slash": "/a", "two-leading-slashes": "//a", "trailing-slash": "a/",
    "only-slash": "/", "parent": "../x", "parents": "../../../../etc/passwd", "dot": ".", "dots": "..", "dot-segments": "a/./b/../c",
    "tilde": "~a", "question": "a?b=c&d", "hash": "a#b", "quotes": "a'b\"c", "angles": "<a>&b;", "backslash": "a\\b", "colon": "C:\\a:b",
    "star": "a*b|c", "brackets": "a[b]{c}(d)^e`f", "at": "@a,b;c=d$e!", "newline": "a\nb", "carriage-return": "a\rb", "tab": "a\tb",
    "control": "a\x01\x1f\x7fb", "latin": "grün", "combining": "e\u0301", "composed": "\u00e9", "cjk": "日本語", "astral": "🦀/𝄞",
    "right-to-left": "שלום", "zero-width": "a\u200bb", "non-character": "a\ufffeb", "surrogate-edge": "\ud7ff\ue000", "byte-order-mark": "\ufeffa",
    "longest": "k" * 1024, "longest-unicode": "é" * 512, "deep": "/".join("abcdefghij" * 46)[:1024], "soap": "soap",
    "windows": "CON.txt", "long-segments": "x" * 300 + "/" + "y" * 300, "like-a-query": "?uploads", "like-an-upload": "a?uploadId=1",
}


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS.keys())
def test_key_is_kept_as_it_is(client, bucket, key):
    body = key.encode()
    assert client.put(bucket, key, body).status == 200
    assert client.get(bucket, key).body == body
    listed = client.request("GET", bucket, query={"list-type": "2", "encoding-type": "url"})
    assert listed.text("KeyCount") == "1"
    assert client.copy(bucket, "copy of it", bucket, key).status == 200
    assert client.get(bucket, "copy of it").body == body
    assert client.delete(bucket, key).status == 204
    assert client.get(bucket, key).status == 404


def test_similar_keys_are_different_objects(client, bucket):
    keys = ["a/b", "a//b", "/a/b", "a/b/", "a/./b", "A/b", "a%2Fb", "a b", "a+b", "a%20b", "e\u0301", "\u00e9"]
    for key in keys:
        client.put(bucket, key, key.encode())
    for key in keys:
        assert client.get(bucket, key).body == key.encode()
    assert len(client.keys(bucket)) == len(keys)


def test_keys_come_in_the_order_of_their_utf_8(client, bucket):
    keys = ["a", "z", "é", "日", "🦀", "\uffee"]
    for key in keys:
        client.put(bucket, key, b"")
    answer = client.request("GET", bucket, query={"list-type": "2"})
    assert [each.text for each in answer.xml.iterfind("Contents/Key")] == sorted(keys, key=str.encode)


def test_keys_that_xml_cannot_hold_are_listed_encoded(client, bucket):
    client.put(bucket, "a\x01b", b"")
    answer = client.request("GET", bucket, query={"list-type": "2"})
    assert answer.status == 200 and b"<Key>a&#x1;b</Key>" in answer.body


@pytest.mark.parametrize("key", [key for name, key in KEYS.items() if name not in ("dot", "dots", "only-slash", "leading-slash", "two-leading-slashes")],
                         ids=[name for name in KEYS if name not in ("dot", "dots", "only-slash", "leading-slash", "two-leading-slashes")])
def test_boto3_sends_the_same_key(client, s3, bucket, key):
    s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    assert client.get(bucket, key).body == key.encode()
    listed = s3.list_objects_v2(Bucket=bucket)["Contents"]
    assert [entry["Key"] for entry in listed] == [key]
    result = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key}]}) if key.isprintable() else s3.delete_object(Bucket=bucket, Key=key)
    assert "Errors" not in result
    assert client.keys(bucket) == []


@pytest.mark.parametrize("encoded", ["/%2e%2e/x", "/a%2Fb", "/%61", "/a/%2E/b"])
def test_path_is_decoded_once_and_never_normalised(client, bucket, encoded):
    assert client.request("PUT", path=f"/{bucket}{encoded}", body=b"x").status == 200
    key = {"/%2e%2e/x": "../x", "/a%2Fb": "a/b", "/%61": "a", "/a/%2E/b": "a/./b"}[encoded]
    assert client.get(bucket, key).body == b"x"


def test_no_key_becomes_a_file_name(fresh_server):
    client = Client(fresh_server)
    client.create_bucket("a-bucket-with-a-name")
    for key in ("../../outside", "a-very-visible-object-key", "/etc/a-very-visible-object-key"):
        assert client.put("a-bucket-with-a-name", key, b"x" * 200_000).status == 200
    names = [str(path.relative_to(fresh_server.directory)) for path in fresh_server.directory.rglob("*")]
    assert not [name for name in names if "visible" in name or "outside" in name or "bucket-with" in name]

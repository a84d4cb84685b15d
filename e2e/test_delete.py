"""DeleteObject and DeleteObjects: what is gone is gone, what was not there is no error."""

import pytest
from xml.sax.saxutils import escape

from support import errors
from support.checksums import checksum, content_md5
from support.errors import expect_error
from support.sse import KEY_A


def delete_xml(keys, quiet=None):
    flag = f"<Quiet>{quiet}</Quiet>" if quiet else ""
    objects = "".join(f"<Object><Key>{escape(key)}</Key></Object>" for key in keys)
    return f'<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{flag}{objects}</Delete>'.encode()


def delete_objects(client, bucket, keys, quiet=None, headers=None):
    body = delete_xml(keys, quiet)
    return client.request(
        "POST", bucket, query={"delete": ""}, body=body, headers={"Content-MD5": content_md5(body)} if headers is None else headers)


def test_delete(client, bucket):
    client.put(bucket, "object", b"x" * 100_000)
    answer = client.delete(bucket, "object")
    assert answer.status == 204 and answer.body == b""
    expect_error(client.get(bucket, "object"), *errors.NO_SUCH_KEY)
    assert client.keys(bucket) == []


def test_delete_of_nothing_is_no_error(client, bucket):
    assert client.delete(bucket, "absent").status == 204


def test_delete_in_a_missing_bucket(client):
    expect_error(client.delete("no-such-bucket-here", "object"), *errors.NO_SUCH_BUCKET)


def test_delete_leaves_the_neighbours(client, bucket):
    for key in ("a", "ab", "a/b"):
        client.put(bucket, key, b"x")
    client.delete(bucket, "a")
    assert client.keys(bucket) == ["a/b", "ab"]


def test_delete_many(client, bucket):
    keys = [f"key-{at}" for at in range(20)]
    for key in keys:
        client.put(bucket, key, b"x", KEY_A.headers() if key.endswith("7") else {})
    client.put(bucket, "stays", b"x")
    answer = delete_objects(client, bucket, keys + ["absent"])
    assert answer.status == 200 and answer.xml.tag == "DeleteResult", answer
    assert sorted(each.text for each in answer.xml.iterfind("Deleted/Key")) == sorted(keys + ["absent"])
    assert answer.xml.find("Error") is None
    assert client.keys(bucket) == ["stays"]


def test_delete_a_thousand(client, bucket):
    client.put(bucket, "key-0", b"x")
    answer = delete_objects(client, bucket, [f"key-{at}" for at in range(1000)])
    assert answer.status == 200 and len(answer.xml.findall("Deleted")) == 1000
    assert client.keys(bucket) == []


def test_quiet_names_only_errors(client, bucket):
    client.put(bucket, "object", b"x")
    answer = delete_objects(client, bucket, ["object"], quiet="true")
    assert answer.status == 200 and answer.xml.find("Deleted") is None
    assert client.keys(bucket) == []


def test_keys_with_markup(client, bucket):
    keys = ["<a>&", 'a"b', " padded ", "ü/日", "a\tb"]
    for key in keys:
        client.put(bucket, key, b"x")
    answer = delete_objects(client, bucket, keys)
    assert answer.status == 200 and client.keys(bucket) == [], answer


def test_same_key_twice(client, bucket):
    client.put(bucket, "object", b"x")
    assert delete_objects(client, bucket, ["object", "object"]).status == 200
    assert client.keys(bucket) == []


def test_digest_is_required(client, bucket):
    client.put(bucket, "object", b"x")
    answer = delete_objects(client, bucket, ["object"], headers={})
    assert (answer.status, answer.text("Code")) == (400, "InvalidRequest"), answer
    assert client.keys(bucket) == ["object"]


@pytest.mark.parametrize("algorithm", ["crc32", "crc64nvme", "sha256"])
def test_checksum_serves_as_the_digest(client, bucket, algorithm):
    client.put(bucket, "object", b"x")
    body = delete_xml(["object"])
    answer = delete_objects(client, bucket, ["object"], headers={f"x-amz-checksum-{algorithm}": checksum(algorithm, body)})
    assert answer.status == 200 and client.keys(bucket) == []


def test_wrong_digest_deletes_nothing(client, bucket):
    client.put(bucket, "object", b"x")
    expect_error(delete_objects(client, bucket, ["object"], headers={"Content-MD5": content_md5(b"other")}), *errors.CONTENT_MD5_MISMATCH)
    answer = delete_objects(client, bucket, ["object"], headers={"x-amz-checksum-crc32": checksum("crc32", b"other")})
    assert (answer.status, answer.text("Code")) == (400, "BadDigest"), answer
    assert client.keys(bucket) == ["object"]


def test_one_bad_key_does_not_stop_the_others(client, bucket):
    client.put(bucket, "object", b"x")
    answer = delete_objects(client, bucket, ["object", "k" * 1025])
    if answer.status == 200:
        assert answer.text("Deleted/Key") == "object" and answer.text("Error/Code") == "KeyTooLongError", answer
        assert client.keys(bucket) == []
    else:
        assert answer.status == 400 and client.keys(bucket) == ["object"], answer


def test_boto3_delete_objects(s3, bucket):
    for at in range(5):
        s3.put_object(Bucket=bucket, Key=f"key-{at}", Body=b"x")
    result = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": f"key-{at}"} for at in range(5)]})
    assert len(result["Deleted"]) == 5
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0

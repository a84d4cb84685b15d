"""`x-amz-expected-bucket-owner`: a client's guard against writing to, or trusting, somebody else's bucket."""

import pytest

from support import errors
from support.errors import expect_error

ACCOUNT = "000000000000"
OTHER = "111122223333"
OWNER = "x-amz-expected-bucket-owner"
SOURCE_OWNER = "x-amz-source-expected-bucket-owner"


@pytest.mark.parametrize("method, key, query", [
    ("GET", None, {"list-type": "2"}), ("GET", None, {"location": ""}), ("GET", None, {"uploads": ""}),
    ("GET", None, {"encryption": ""}), ("DELETE", None, {"encryption": ""}), ("DELETE", None, {}), ("GET", "object", {}),
    ("PUT", "object", {}), ("DELETE", "object", {}), ("POST", "object", {"uploads": ""}),
], ids=lambda value: str(value))
def test_operation_for_another_owner_is_denied(client, bucket, method, key, query):
    assert client.put(bucket, "object", b"content").status == 200
    expect_error(client.request(method, bucket, key, query=query, headers={OWNER: OTHER}), *errors.ACCESS_DENIED)
    assert client.get(bucket, "object", headers={OWNER: ACCOUNT}).body == b"content"


def test_head_for_another_owner_is_denied(client, bucket):
    assert client.request("HEAD", bucket, headers={OWNER: OTHER}).status == 403
    assert client.request("HEAD", bucket, headers={OWNER: ACCOUNT}).status == 200


def test_copy_source_has_an_owner_of_its_own(client, bucket):
    client.put(bucket, "source", b"content")
    expect_error(client.copy(bucket, "copy", bucket, "source", headers={SOURCE_OWNER: OTHER}), *errors.ACCESS_DENIED)
    upload = client.new_upload(bucket, "parts")
    answer = client.copy_part(bucket, "parts", upload, 1, bucket, "source", headers={SOURCE_OWNER: OTHER})
    expect_error(answer, *errors.ACCESS_DENIED)
    assert client.copy(bucket, "copy", bucket, "source", headers={SOURCE_OWNER: ACCOUNT, OWNER: ACCOUNT}).status == 200
    assert client.keys(bucket) == ["copy", "source"]


@pytest.mark.parametrize("value", ["", "abc", "1" * 11, "1" * 13, "x" * 12])
def test_owner_that_is_no_account_is_refused(client, bucket, value):
    expect_error(
        client.put(bucket, "object", b"content", headers={OWNER: value}), 400, "InvalidBucketOwnerAWSAccountID",
        f"The value of the expected bucket owner parameter must be an AWS Account ID... [{value}]")
    assert client.keys(bucket) == []

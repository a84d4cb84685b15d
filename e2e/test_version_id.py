"""`versionId` where no bucket has versions: only `null` is there, and what makes a version cannot choose its ID."""

import pytest

from support.errors import expect_error

NOT_ACCEPTED = "This operation does not accept a version-id."


@pytest.mark.parametrize("version", ["", "null", "abc"])
def test_writes_accept_no_version(client, bucket, version):
    client.put(bucket, "object", b"old")
    upload = client.new_upload(bucket, "object")
    query = {"versionId": version}
    source = {"x-amz-copy-source": f"{bucket}/object"}
    for answer in (
        client.put(bucket, "object", b"new", query=query),
        client.request("PUT", bucket, "object", query=query, headers=source | {"x-amz-metadata-directive": "REPLACE"}),
        client.request("POST", bucket, "object", query=query | {"uploads": ""}),
        client.request("PUT", bucket, "object", query=query | {"uploadId": upload, "partNumber": "1"}, body=b"part"),
        client.request("DELETE", bucket, "object", query=query | {"uploadId": upload}),
    ):
        expect_error(answer, 400, "InvalidArgument", NOT_ACCEPTED, "versionId")
    assert client.get(bucket, "object").body == b"old"


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_version_that_is_empty_is_told_so(client, bucket, method):
    client.put(bucket, "object", b"old")
    answer = client.request(method, bucket, "object", query={"versionId": ""})
    expect_error(answer, 400, "InvalidArgument", "Version id cannot be the empty string", "versionId")
    assert client.get(bucket, "object", query={"versionId": "null"}).body == b"old"

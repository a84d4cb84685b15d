"""Multipart uploads apart from encryption: sizes, order, ETags, listing, many parts at once."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from support import errors
from support.checksums import multipart_etag
from support.errors import expect_error, expect_status_only

MIB = 1 << 20


@pytest.fixture
def upload(client, bucket):
    return client.new_upload(bucket, "object")


def test_too_small_part_before_the_last_is_refused(client, bucket, upload):
    parts = [(number, client.upload_part(bucket, "object", upload, number, b"small").etag) for number in (1, 2)]
    answer = client.complete(bucket, "object", upload, parts)
    expect_error(answer, *errors.PART_TOO_SMALL, ProposedSize="5", MinSizeAllowed=str(5 * MIB), PartNumber="1")
    expect_error(client.get(bucket, "object"), *errors.NO_SUCH_KEY)


@pytest.mark.parametrize("numbers", [(2, 1), (1, 1)], ids=["descending", "repeated"])
def test_parts_out_of_order_are_refused(client, bucket, upload, numbers):
    etags = {number: client.upload_part(bucket, "object", upload, number, b"x" * (5 * MIB)).etag for number in (1, 2)}
    answer = client.complete(bucket, "object", upload, [(number, etags[number]) for number in numbers])
    expect_error(answer, *errors.PART_ORDER)


@pytest.mark.parametrize("number, etag", [(1, "0" * 32), (2, None)], ids=["wrong-etag", "absent-part"])
def test_part_that_was_not_uploaded_is_refused(client, bucket, upload, number, etag):
    real = client.upload_part(bucket, "object", upload, 1, b"part").etag
    answer = client.complete(bucket, "object", upload, [(number, etag or real)])
    expect_error(answer, *errors.INVALID_PART, UploadId=upload, PartNumber=str(number))


@pytest.mark.parametrize("number", [0, 10001, -1])
def test_part_number_out_of_bounds_is_refused(client, bucket, upload, number):
    answer = client.upload_part(bucket, "object", upload, number, b"part")
    expect_error(answer, *errors.PART_NUMBER_OUT_OF_BOUNDS, ArgumentValue=str(number))


def test_part_number_that_is_no_number_is_refused(client, bucket, upload):
    answer = client.upload_part(bucket, "object", upload, "one", b"part")
    assert (answer.status, answer.text("Code")) == (400, "InvalidArgument"), answer


@pytest.mark.parametrize("operation", ["part", "complete", "abort", "list"])
def test_unknown_upload(client, bucket, operation):
    unknown = "no-such-upload"
    answer = {
        "part": lambda: client.upload_part(bucket, "object", unknown, 1, b"part"),
        "complete": lambda: client.complete(bucket, "object", unknown, [(1, "0" * 32)]),
        "abort": lambda: client.abort(bucket, "object", unknown),
        "list": lambda: client.get(bucket, "object", query={"uploadId": unknown}),
    }[operation]()
    expect_error(answer, *errors.NO_SUCH_UPLOAD)


def test_upload_belongs_to_its_key(client, bucket, upload):
    expect_error(client.upload_part(bucket, "another", upload, 1, b"part"), *errors.NO_SUCH_UPLOAD)
    expect_error(client.get(bucket, "another", query={"uploadId": upload}), *errors.NO_SUCH_UPLOAD)


def test_no_parts_at_all_is_malformed(client, bucket, upload):
    expect_error(client.complete(bucket, "object", upload, []), *errors.MALFORMED_XML)


def test_completed_upload_is_gone(client, bucket, upload):
    parts = [(1, client.upload_part(bucket, "object", upload, 1, b"part").etag)]
    assert client.complete(bucket, "object", upload, parts).status == 200
    expect_error(client.upload_part(bucket, "object", upload, 2, b"late"), *errors.NO_SUCH_UPLOAD)
    expect_error(client.get(bucket, "object", query={"uploadId": upload}), *errors.NO_SUCH_UPLOAD)


def test_aborted_upload_leaves_no_object(client, bucket, upload):
    parts = [(1, client.upload_part(bucket, "object", upload, 1, b"part").etag)]
    assert client.abort(bucket, "object", upload).status == 204
    expect_error(client.complete(bucket, "object", upload, parts), *errors.NO_SUCH_UPLOAD)
    expect_status_only(client.head(bucket, "object"), 404)


def test_upload_in_progress_is_no_object(client, bucket, upload):
    client.upload_part(bucket, "object", upload, 1, b"part")
    expect_status_only(client.head(bucket, "object"), 404)
    assert client.keys(bucket) == []


def test_parts_may_be_left_out_and_numbers_may_have_gaps(client, bucket, upload):
    etags = {number: client.upload_part(bucket, "object", upload, number, bytes([number]) * (5 * MIB)).etag for number in (3, 7, 9)}
    answer = client.complete(bucket, "object", upload, [(3, etags[3]), (9, f'"{etags[9]}"')])
    assert answer.status == 200, answer
    assert answer.text("ETag") == f'"{multipart_etag([etags[3], etags[9]])}"'
    assert client.get(bucket, "object").body == b"\3" * (5 * MIB) + b"\x09" * (5 * MIB)


def test_metadata_is_given_at_creation(client, bucket):
    upload = client.new_upload(bucket, "object", {"x-amz-meta-colour": "blue", "Content-Type": "text/x-test"})
    parts = [(1, client.upload_part(bucket, "object", upload, 1, b"part").etag)]
    client.complete(bucket, "object", upload, parts)
    answer = client.head(bucket, "object")
    assert answer.header("x-amz-meta-colour") == "blue" and answer.header("Content-Type") == "text/x-test"


def test_parts_arrive_in_any_order_from_many_threads(client, bucket, upload, random_bytes):
    bodies = [random_bytes(5 * MIB, seed) for seed in range(6)]
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(
            lambda at: client.upload_part(bucket, "object", upload, at + 1, bodies[at]), reversed(range(6))))
    etags = [answer.etag for answer in reversed(answers)]
    assert client.complete(bucket, "object", upload, list(enumerate(etags, 1))).status == 200
    assert client.get(bucket, "object").body == b"".join(bodies)


def test_list_parts_pages(client, bucket, upload):
    etags = [client.upload_part(bucket, "object", upload, number, b"x" * number).etag for number in range(1, 6)]
    first = client.get(bucket, "object", query={"uploadId": upload, "max-parts": "2"})
    assert [each.text for each in first.xml.iterfind("Part/PartNumber")] == ["1", "2"]
    assert first.text("IsTruncated") == "true" and first.text("NextPartNumberMarker") == "2" and first.text("MaxParts") == "2"
    rest = client.get(bucket, "object", query={"uploadId": upload, "part-number-marker": "2"})
    assert [each.text for each in rest.xml.iterfind("Part/ETag")] == [f'"{etag}"' for etag in etags[2:]]
    assert rest.text("IsTruncated") == "false"


def test_list_uploads_pages_by_key_and_upload(client, bucket):
    uploads = [(key, client.new_upload(bucket, key)) for key in ("a", "b", "b", "c")]
    seen, query = [], {"uploads": "", "max-uploads": "1"}
    for _ in uploads:
        answer = client.request("GET", bucket, query=query)
        seen += [(each.findtext("Key"), each.findtext("UploadId")) for each in answer.xml.iterfind("Upload")]
        query |= {"key-marker": answer.text("NextKeyMarker") or "", "upload-id-marker": answer.text("NextUploadIdMarker") or ""}
    assert answer.text("IsTruncated") == "false"
    assert sorted(seen) == sorted(uploads) and [key for key, _ in seen] == ["a", "b", "b", "c"]


def test_list_uploads_with_prefix_and_delimiter(client, bucket):
    for key in ("a/1", "a/2", "b/1", "c"):
        client.new_upload(bucket, key)
    answer = client.request("GET", bucket, query={"uploads": "", "delimiter": "/"})
    assert [each.text for each in answer.xml.iterfind("CommonPrefixes/Prefix")] == ["a/", "b/"]
    assert [each.text for each in answer.xml.iterfind("Upload/Key")] == ["c"]
    answer = client.request("GET", bucket, query={"uploads": "", "prefix": "a/"})
    assert [each.text for each in answer.xml.iterfind("Upload/Key")] == ["a/1", "a/2"]


def test_bucket_with_an_unfinished_upload_only_can_be_deleted(client, bucket, upload):
    client.upload_part(bucket, "object", upload, 1, b"part")
    assert client.request("DELETE", bucket).status == 204


def test_complete_answers_where_the_object_is(client, bucket, upload):
    parts = [(1, client.upload_part(bucket, "object", upload, 1, b"part").etag)]
    answer = client.complete(bucket, "object", upload, parts)
    assert answer.text("Bucket") == bucket and answer.text("Key") == "object"
    assert answer.text("Location").endswith(f"/{bucket}/object")


@pytest.mark.parametrize("header, value", [("If-None-Match", "*"), ("If-Match", '"00000000000000000000000000000000"')])
def test_conditional_complete(client, bucket, upload, header, value):
    client.put(bucket, "object", b"already here")
    parts = [(1, client.upload_part(bucket, "object", upload, 1, b"part").etag)]
    answer = client.complete(bucket, "object", upload, parts, {header: value})
    expect_error(answer, *errors.PRECONDITION_FAILED, Condition=header)
    assert client.get(bucket, "object").body == b"already here"

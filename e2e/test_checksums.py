"""Additional checksums and Content-MD5: verified, kept, given back; wrong ones store nothing."""

import pytest

from support import chunked, errors
from support.checksums import ALGORITHMS, checksum, composite, content_md5
from support.errors import expect_error
from support.sse import KEY_A

BODY = b"bytes that are summed up " * 1000
MIB = 1 << 20
ENABLED = {"x-amz-checksum-mode": "ENABLED"}
FULL_OBJECT = ["crc32", "crc32c", "crc64nvme"]
COMPOSITE = ["crc32", "crc32c", "sha1", "sha256"]


def element(algorithm):
    return f"Checksum{algorithm.upper()}"


def expect_nothing_stored(client, bucket):
    expect_error(client.get(bucket, "object"), *errors.NO_SUCH_KEY)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_header_is_verified_and_kept(client, bucket, algorithm):
    header = f"x-amz-checksum-{algorithm}"
    value = checksum(algorithm, BODY)
    answer = client.put(bucket, "object", BODY, {header: value})
    assert answer.status == 200 and answer.header(header) == value and answer.header("x-amz-checksum-type") == "FULL_OBJECT"
    read = client.get(bucket, "object", ENABLED)
    assert read.body == BODY and read.header(header) == value and read.header("x-amz-checksum-type") == "FULL_OBJECT"
    others = [name for name, _ in read.headers if name.lower().startswith("x-amz-checksum-") and name.lower() not in (header, "x-amz-checksum-type")]
    assert not others


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_wrong_header_stores_nothing(client, bucket, algorithm):
    answer = client.put(bucket, "object", BODY, {f"x-amz-checksum-{algorithm}": checksum(algorithm, b"other")})
    expect_error(answer, 400, "BadDigest", f"The {algorithm.upper()} you specified did not match the calculated checksum.")
    expect_nothing_stored(client, bucket)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("value", ["", "junk", "AAAA", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"])
def test_malformed_header_is_refused(client, bucket, algorithm, value):
    answer = client.put(bucket, "object", BODY, {f"x-amz-checksum-{algorithm}": value})
    expect_error(answer, 400, "InvalidRequest", f"Value for x-amz-checksum-{algorithm} header is invalid.")


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_trailer_is_verified_and_kept(client, bucket, algorithm):
    trailers = [(f"x-amz-checksum-{algorithm}", checksum(algorithm, BODY))]
    answer = client.put_chunked(bucket, "object", BODY, kind=chunked.UNSIGNED_TRAILER, trailers=trailers)
    assert answer.status == 200, answer
    read = client.get(bucket, "object", ENABLED)
    assert read.body == BODY and read.header(trailers[0][0]) == trailers[0][1]
    assert read.header("Content-Encoding") is None, "aws-chunked is framing, no encoding of the object"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_wrong_trailer_stores_nothing(client, bucket, algorithm):
    trailers = [(f"x-amz-checksum-{algorithm}", checksum(algorithm, b"other"))]
    answer = client.put_chunked(bucket, "object", BODY, kind=chunked.UNSIGNED_TRAILER, trailers=trailers)
    expect_error(answer, 400, "BadDigest", f"The {algorithm.upper()} you specified did not match the calculated checksum.")
    expect_nothing_stored(client, bucket)


def test_chunked_framing_keeps_other_encodings(client, bucket):
    trailers = [("x-amz-checksum-crc32", checksum("crc32", BODY))]
    answer = client.put_chunked(
        bucket, "object", BODY, kind=chunked.UNSIGNED_TRAILER, trailers=trailers, headers={"Content-Encoding": "aws-chunked,gzip"})
    assert answer.status == 200, answer
    assert client.head(bucket, "object").header("Content-Encoding") == "gzip"


def test_two_checksums_are_refused(client, bucket):
    headers = {"x-amz-checksum-crc32": checksum("crc32", BODY), "x-amz-checksum-sha1": checksum("sha1", BODY)}
    expect_error(client.put(bucket, "object", BODY, headers), *errors.SEVERAL_CHECKSUMS)


def test_announced_checksum_that_is_not_sent_is_refused(client, bucket):
    answer = client.put(bucket, "object", BODY, {"x-amz-sdk-checksum-algorithm": "CRC32"})
    assert (answer.status, answer.text("Code")) == (400, "InvalidRequest"), answer
    expect_nothing_stored(client, bucket)


def test_content_md5_is_verified(client, bucket):
    assert client.put(bucket, "object", BODY, {"Content-MD5": content_md5(BODY)}).status == 200
    answer = client.put(bucket, "other", BODY, {"Content-MD5": content_md5(b"other")})
    expect_error(answer, *errors.CONTENT_MD5_MISMATCH)
    expect_error(client.get(bucket, "other"), *errors.NO_SUCH_KEY)


@pytest.mark.parametrize("value", ["", "junk", "AAAA", "rL0Y20zC+Fzt72VPzMSk2A"])
def test_malformed_content_md5_is_refused(client, bucket, value):
    expect_error(client.put(bucket, "object", BODY, {"Content-MD5": value}), *errors.CONTENT_MD5_MALFORMED)


# Multipart.

def upload(client, bucket, algorithm, kind, headers=()):
    asked = {"x-amz-checksum-algorithm": algorithm.upper()} | ({"x-amz-checksum-type": kind} if kind else {})
    answer = client.create_upload(bucket, "object", asked | dict(headers))
    assert answer.status == 200, answer
    assert answer.header("x-amz-checksum-algorithm") == algorithm.upper()
    return answer.text("UploadId"), answer.header("x-amz-checksum-type")


def put_parts(client, bucket, upload_id, parts, algorithm, headers=()):
    done = []
    for number, part in enumerate(parts, 1):
        value = checksum(algorithm, part)
        answer = client.upload_part(bucket, "object", upload_id, number, part, {f"x-amz-checksum-{algorithm}": value, **dict(headers)})
        assert answer.header(f"x-amz-checksum-{algorithm}") == value, answer
        done.append((number, answer.etag, {element(algorithm): value}))
    return done


PARTS = [b"1" * (5 * MIB), b"2" * 1000]


@pytest.mark.parametrize("algorithm", COMPOSITE)
def test_composite_checksum(client, bucket, algorithm):
    upload_id, kind = upload(client, bucket, algorithm, None)
    assert kind == "COMPOSITE"
    parts = put_parts(client, bucket, upload_id, [b"only one, small"], algorithm)
    answer = client.complete(bucket, "object", upload_id, parts)
    assert answer.text(element(algorithm)) == composite(algorithm, [b"only one, small"]), answer
    assert answer.text("ChecksumType") == "COMPOSITE"
    read = client.head(bucket, "object", ENABLED)
    assert read.header(f"x-amz-checksum-{algorithm}") == composite(algorithm, [b"only one, small"])
    assert read.header("x-amz-checksum-type") == "COMPOSITE"


@pytest.mark.parametrize("algorithm", FULL_OBJECT)
def test_full_object_checksum_of_several_parts(client, bucket, algorithm):
    upload_id, kind = upload(client, bucket, algorithm, "FULL_OBJECT")
    assert kind == "FULL_OBJECT"
    parts = put_parts(client, bucket, upload_id, PARTS, algorithm)
    answer = client.complete(bucket, "object", upload_id, parts)
    assert answer.text(element(algorithm)) == checksum(algorithm, b"".join(PARTS)), answer
    assert answer.text("ChecksumType") == "FULL_OBJECT"


def test_upload_without_algorithm_gets_crc64nvme(client, bucket):
    upload_id = client.new_upload(bucket, "object")
    parts = [(number, client.upload_part(bucket, "object", upload_id, number, part).etag) for number, part in enumerate(PARTS, 1)]
    answer = client.complete(bucket, "object", upload_id, parts)
    assert answer.text("ChecksumCRC64NVME") == checksum("crc64nvme", b"".join(PARTS))


def test_attributes_show_the_composite_value_without_its_count(client, bucket):
    upload_id, _ = upload(client, bucket, "sha256", None)
    parts = put_parts(client, bucket, upload_id, [b"only"], "sha256")
    client.complete(bucket, "object", upload_id, parts)
    answer = client.get(bucket, "object", {"x-amz-object-attributes": "Checksum,ObjectParts"}, query={"attributes": ""})
    assert answer.text("Checksum/ChecksumSHA256") == composite("sha256", [b"only"]).removesuffix("-1")
    assert answer.text("ObjectParts/Part/ChecksumSHA256") == checksum("sha256", b"only")


@pytest.mark.parametrize("headers, error", [
    ({"x-amz-checksum-algorithm": "MD4"}, errors.CHECKSUM_UNKNOWN),
    ({"x-amz-checksum-type": "COMPOSITE"}, errors.CHECKSUM_TYPE_ALONE),
    ({"x-amz-checksum-algorithm": "CRC64NVME", "x-amz-checksum-type": "COMPOSITE"},
     (400, "InvalidRequest", "The COMPOSITE checksum type cannot be used with the crc64nvme checksum algorithm.")),
    ({"x-amz-checksum-algorithm": "SHA1", "x-amz-checksum-type": "FULL_OBJECT"},
     (400, "InvalidRequest", "The FULL_OBJECT checksum type cannot be used with the sha1 checksum algorithm.")),
], ids=["unknown", "type-alone", "crc64-composite", "sha1-full"])
def test_senseless_choice_is_refused_at_creation(client, bucket, headers, error):
    expect_error(client.create_upload(bucket, "object", headers), *error)


def test_part_of_another_algorithm_is_refused(client, bucket):
    upload_id, _ = upload(client, bucket, "sha256", None)
    answer = client.upload_part(bucket, "object", upload_id, 1, BODY, {"x-amz-checksum-crc32": checksum("crc32", BODY)})
    expect_error(answer, 400, "InvalidRequest", "Checksum Type mismatch occurred, expected checksum Type: sha256, actual checksum Type: crc32")


def test_wrong_part_checksum_is_refused(client, bucket):
    upload_id, _ = upload(client, bucket, "crc32c", None)
    answer = client.upload_part(bucket, "object", upload_id, 1, BODY, {"x-amz-checksum-crc32c": checksum("crc32c", b"other")})
    expect_error(answer, 400, "BadDigest", "The CRC32C you specified did not match the calculated checksum.")


def test_composite_completion_names_every_part_checksum(client, bucket):
    upload_id, _ = upload(client, bucket, "crc32", None)
    parts = put_parts(client, bucket, upload_id, [BODY], "crc32")
    answer = client.complete(bucket, "object", upload_id, [part[:2] for part in parts])
    expect_error(
        answer, 400, "InvalidRequest",
        "The upload was created using a crc32 checksum. The complete request must include the checksum for each part. "
        "It was missing for part 1 in the request.")


def test_wrong_part_checksum_in_completion_is_refused(client, bucket):
    upload_id, _ = upload(client, bucket, "sha256", None)
    [(number, etag, _)] = put_parts(client, bucket, upload_id, [BODY], "sha256")
    answer = client.complete(bucket, "object", upload_id, [(number, etag, {"ChecksumSHA256": checksum("sha256", b"other")})])
    assert answer.status == 400 and answer.text("Code") in ("InvalidPart", "BadDigest"), answer


def test_completion_of_another_type_is_refused(client, bucket):
    upload_id, _ = upload(client, bucket, "crc32", "COMPOSITE")
    parts = put_parts(client, bucket, upload_id, [BODY], "crc32")
    answer = client.complete(bucket, "object", upload_id, parts, {"x-amz-checksum-type": "FULL_OBJECT"})
    expect_error(
        answer, 400, "InvalidRequest",
        "The upload was created using the COMPOSITE checksum mode. The complete request must use the same checksum mode.")


def test_wrong_object_checksum_in_completion_is_refused(client, bucket):
    upload_id, _ = upload(client, bucket, "crc32c", "FULL_OBJECT")
    parts = put_parts(client, bucket, upload_id, [BODY], "crc32c")
    answer = client.complete(bucket, "object", upload_id, parts, {"x-amz-checksum-crc32c": checksum("crc32c", b"other")})
    expect_error(answer, 400, "BadDigest", "The crc32c you specified did not match the calculated checksum.")
    expect_error(client.get(bucket, "object"), *errors.NO_SUCH_KEY)


def test_wrong_object_size_in_completion_is_refused(client, bucket):
    upload_id = client.new_upload(bucket, "object")
    parts = [(1, client.upload_part(bucket, "object", upload_id, 1, b"four").etag)]
    answer = client.complete(bucket, "object", upload_id, parts, {"x-amz-mp-object-size": "5"})
    expect_error(
        answer, 400, "InvalidRequest", "The provided 'x-amz-mp-object-size' header value 5 does not match what was computed: 4")
    assert client.complete(bucket, "object", upload_id, parts, {"x-amz-mp-object-size": "4"}).status == 200


def test_copy_keeps_the_algorithm(client, bucket):
    client.put(bucket, "object", BODY, {"x-amz-checksum-sha256": checksum("sha256", BODY)})
    answer = client.copy(bucket, "copy", bucket, "object", KEY_A.headers())
    assert answer.text("ChecksumSHA256") == checksum("sha256", BODY)
    answer = client.copy(bucket, "copy", bucket, "object", {"x-amz-checksum-algorithm": "CRC32C"})
    assert answer.text("ChecksumCRC32C") == checksum("crc32c", BODY) and answer.text("ChecksumSHA256") is None


@pytest.mark.parametrize("algorithm", ["CRC32", "SHA1", "SHA256"])
def test_boto3_checksums(s3_tls, bucket, algorithm):
    put = s3_tls.put_object(Bucket=bucket, Key="object", Body=BODY, ChecksumAlgorithm=algorithm)
    got = s3_tls.get_object(Bucket=bucket, Key="object", ChecksumMode="ENABLED")
    assert got["Body"].read() == BODY
    assert put[f"Checksum{algorithm}"] == got[f"Checksum{algorithm}"] == checksum(algorithm.lower(), BODY)

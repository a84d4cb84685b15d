"""Range reads: every form, every boundary of a sealed segment, and what is not satisfiable."""

import pytest

from support import errors
from support.errors import expect_error, expect_status_only

SEGMENT = 65536
SIZE = 3 * SEGMENT + 1000


@pytest.fixture(scope="module")
def body(random_bytes):
    return random_bytes(SIZE)


@pytest.fixture(scope="module")
def stored(client, module_bucket, body):
    client.put(module_bucket, "object", body)
    client.put(module_bucket, "small", body[:100])
    client.put(module_bucket, "empty", b"")
    return module_bucket


BOUNDARIES = [0, 1, SEGMENT - 1, SEGMENT, SEGMENT + 1, 2 * SEGMENT, 3 * SEGMENT - 1, 3 * SEGMENT, SIZE - 1]


@pytest.mark.parametrize("first", BOUNDARIES)
@pytest.mark.parametrize("length", [1, 2, SEGMENT, SEGMENT + 1, SIZE])
def test_range_is_a_slice(client, stored, body, first, length):
    last = first + length - 1
    answer = client.get(stored, "object", {"Range": f"bytes={first}-{last}"}, tls=False)
    expected = body[first:last + 1]
    assert answer.status == 206 and answer.body == expected
    assert answer.header("Content-Range") == f"bytes {first}-{first + len(expected) - 1}/{SIZE}"
    assert answer.header("Content-Length") == str(len(expected))


@pytest.mark.parametrize("asked, first, last", [
    ("bytes=100-", 100, SIZE - 1), ("bytes=-1", SIZE - 1, SIZE - 1), ("bytes=-1000", SIZE - 1000, SIZE - 1),
    (f"bytes=-{SIZE}", 0, SIZE - 1), (f"bytes=-{SIZE + 1}", 0, SIZE - 1), (f"bytes=0-{2 ** 62}", 0, SIZE - 1),
])
def test_open_and_suffix_ranges(client, stored, body, asked, first, last):
    answer = client.get(stored, "object", {"Range": asked})
    assert answer.status == 206 and answer.body == body[first:last + 1]
    assert answer.header("Content-Range") == f"bytes {first}-{last}/{SIZE}"


@pytest.mark.parametrize("asked", [f"bytes={SIZE}-", f"bytes={SIZE}-{SIZE + 5}", "bytes=-0"])
def test_range_past_the_end(client, stored, asked):
    answer = client.get(stored, "object", {"Range": asked})
    expect_error(answer, *errors.RANGE_NOT_SATISFIABLE, ActualObjectSize=str(SIZE), RangeRequested=asked)
    expect_status_only(client.head(stored, "object", {"Range": asked}), 416)


@pytest.mark.parametrize("asked", ["bytes=5-1", "bytes=a-b", "bytes=", "bytes=-", "items=0-1", "0-1", "bytes=0-1,5-6", "", "bytes=0x1-2", "bytes=--1"])
def test_range_that_cannot_be_read_is_ignored(client, stored, body, asked):
    answer = client.get(stored, "object", {"Range": asked})
    assert answer.status == 200 and answer.body == body


def test_range_of_an_empty_object(client, stored):
    assert client.get(stored, "empty", {"Range": "bytes=0-0"}).status == 416
    assert client.get(stored, "empty", {"Range": "bytes=-5"}).status == 416


def test_range_of_a_small_object(client, stored, body):
    answer = client.get(stored, "small", {"Range": "bytes=10-19"})
    assert answer.status == 206 and answer.body == body[10:20]


def test_head_with_a_range(client, stored):
    answer = client.head(stored, "object", {"Range": "bytes=10-19"})
    assert answer.status == 206 and answer.header("Content-Length") == "10" and answer.header("Content-Range") == f"bytes 10-19/{SIZE}"


def test_checksum_of_the_whole_is_not_sent_for_a_piece(client, stored):
    answer = client.get(stored, "object", {"Range": "bytes=0-9", "x-amz-checksum-mode": "ENABLED"})
    assert answer.status == 206 and answer.header("x-amz-checksum-crc64nvme") is None


def test_boto3_ranges(s3, stored, body):
    got = s3.get_object(Bucket=stored, Key="object", Range=f"bytes={SEGMENT - 5}-{SEGMENT + 4}")
    assert got["Body"].read() == body[SEGMENT - 5:SEGMENT + 5] and got["ContentLength"] == 10

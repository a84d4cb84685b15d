"""Conditional headers on reads and writes, and which of them wins."""

from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate, parsedate_to_datetime

import pytest

from support import errors
from support.errors import expect_error, expect_status_only

BODY = b"a body with conditions"
OTHER = '"00000000000000000000000000000000"'


@pytest.fixture(scope="module")
def stored(client, module_bucket):
    client.put(module_bucket, "object", BODY)
    return module_bucket


@pytest.fixture(scope="module")
def facts(client, stored):
    """The ETag, and the dates before, at and after the object's."""
    head = client.head(stored, "object")
    modified = parsedate_to_datetime(head.header("Last-Modified")).timestamp()
    return {
        "same": head.header("ETag"), "other": OTHER, "any": "*", "list": f'{OTHER}, {head.header("ETag")}',
        "unquoted": head.etag, "weak": "W/" + head.header("ETag"),
        "before": formatdate(modified - 10, usegmt=True), "at": formatdate(modified, usegmt=True),
    }


# header, value, status; the values are names of facts.
READS = [
    ("If-Match", "same", 200), ("If-Match", "other", 412), ("If-Match", "any", 200), ("If-Match", "list", 200), ("If-Match", "unquoted", 200),
    ("If-None-Match", "same", 304), ("If-None-Match", "other", 200), ("If-None-Match", "any", 304), ("If-None-Match", "list", 304),
    ("If-None-Match", "weak", 304),
    ("If-Modified-Since", "before", 200), ("If-Modified-Since", "at", 304),
    ("If-Unmodified-Since", "before", 412), ("If-Unmodified-Since", "at", 200),
]


@pytest.mark.parametrize("header, value, status", READS)
def test_condition_on_get_and_head(client, stored, facts, header, value, status):
    answer = client.get(stored, "object", {header: facts[value]})
    assert answer.status == status, answer
    if status == 200:
        assert answer.body == BODY
    elif status == 304:
        assert answer.body == b"" and answer.header("ETag") == facts["same"]
    else:
        expect_error(answer, *errors.PRECONDITION_FAILED, Condition=header)
    expect_status_only(client.head(stored, "object", {header: facts[value]}), status)


@pytest.mark.parametrize("conditions, status", [
    ({"If-Match": "same", "If-Unmodified-Since": "before"}, 200),
    ({"If-None-Match": "same", "If-Modified-Since": "before"}, 304),
    ({"If-None-Match": "other", "If-Modified-Since": "at"}, 200),
    ({"If-Match": "other", "If-None-Match": "same"}, 412),
], ids=["match-beats-unmodified", "none-match-beats-modified", "no-match-beats-modified", "match-comes-first"])
def test_etag_beats_date(client, stored, facts, conditions, status):
    headers = {name: facts[value] for name, value in conditions.items()}
    assert client.get(stored, "object", headers).status == status


@pytest.mark.parametrize("date", ["yesterday", "2026-01-01", ""])
@pytest.mark.parametrize("header", ["If-Modified-Since", "If-Unmodified-Since"])
def test_date_that_cannot_be_read_is_ignored(client, stored, header, date):
    assert client.get(stored, "object", {header: date}).body == BODY


def test_condition_comes_before_range(client, stored, facts):
    assert client.get(stored, "object", {"If-None-Match": facts["same"], "Range": "bytes=0-1"}).status == 304
    assert client.get(stored, "object", {"If-Match": facts["other"], "Range": "bytes=999-"}).status == 412


def test_missing_object_has_no_conditions(client, stored):
    expect_error(client.get(stored, "absent", {"If-None-Match": "*"}), *errors.NO_SUCH_KEY)
    expect_error(client.get(stored, "absent", {"If-Match": OTHER}), *errors.NO_SUCH_KEY)


# Writes.

def test_create_only_once(client, bucket):
    assert client.put(bucket, "object", BODY, {"If-None-Match": "*"}).status == 200
    expect_error(client.put(bucket, "object", b"other", {"If-None-Match": "*"}), *errors.PRECONDITION_FAILED, Condition="If-None-Match")
    assert client.get(bucket, "object").body == BODY


def test_replace_only_what_was_seen(client, bucket):
    first = client.put(bucket, "object", BODY).header("ETag")
    second = client.put(bucket, "object", b"second", {"If-Match": first})
    assert second.status == 200
    expect_error(client.put(bucket, "object", b"third", {"If-Match": first}), *errors.PRECONDITION_FAILED, Condition="If-Match")
    assert client.get(bucket, "object").body == b"second"


def test_replace_of_nothing_is_no_such_key(client, bucket):
    expect_error(client.put(bucket, "object", BODY, {"If-Match": OTHER}), *errors.NO_SUCH_KEY)


def test_create_again_after_delete(client, bucket):
    client.put(bucket, "object", BODY)
    client.delete(bucket, "object")
    assert client.put(bucket, "object", BODY, {"If-None-Match": "*"}).status == 200


@pytest.mark.parametrize("value", [OTHER, '"some etag"'])
def test_if_none_match_on_writes_takes_only_the_star(client, bucket, value):
    answer = client.put(bucket, "object", BODY, {"If-None-Match": value})
    assert answer.status == 501 and answer.text("Code") == "NotImplemented", answer


def test_one_of_many_creators_wins(client, bucket):
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda at: client.put(bucket, "object", b"%d" % at, {"If-None-Match": "*"}), range(8)))
    winners = [at for at, answer in enumerate(answers) if answer.status == 200]
    assert len(winners) == 1
    assert {answer.status for answer in answers} <= {200, 409, 412}
    assert client.get(bucket, "object").body == b"%d" % winners[0]


def test_compare_and_swap_counts_right(client, bucket):
    """Many clients add one to a number; every acknowledged addition shows."""
    client.put(bucket, "counter", b"0")

    def add(_):
        done = 0
        while done < 5:
            now = client.get(bucket, "counter", tls=False)
            answer = client.put(bucket, "counter", b"%d" % (int(now.body) + 1), {"If-Match": now.header("ETag")}, tls=False)
            assert answer.status in (200, 409, 412), answer
            done += answer.status == 200

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, range(4)))
    assert client.get(bucket, "counter").body == b"20"

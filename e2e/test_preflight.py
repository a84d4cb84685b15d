"""OPTIONS: the preflight of browsers, which is never signed, of buckets without CORS rules; test_cors.py is about others."""

import pytest

from support.errors import expect_error

DISABLED = "CORSResponse: CORS is not enabled for this bucket."
PREFLIGHT = {"Origin": "https://example.org", "Access-Control-Request-Method": "PUT"}


@pytest.mark.parametrize("key", [None, "object"])
def test_preflight_is_refused_in_s3s_words(client, bucket, key):
    for name, message in ((bucket, DISABLED), ("no-such-bucket", "CORSResponse: Bucket not found")):
        answer = client.anonymous("OPTIONS", name, key, headers=PREFLIGHT)
        expect_error(answer, 403, "AccessForbidden", message, Method="PUT", ResourceType="BUCKET")
        assert not [name for name, _ in answer.headers if name.lower().startswith("access-control-")]


def test_preflight_without_a_method_is_about_options(client, bucket):
    answer = client.anonymous("OPTIONS", bucket, headers={"Origin": "https://example.org"})
    expect_error(answer, 403, "AccessForbidden", DISABLED, Method="OPTIONS", ResourceType="BUCKET")


def test_options_without_an_origin_is_a_bad_request(client, bucket):
    message = "Insufficient information. Origin request header needed."
    expect_error(client.anonymous("OPTIONS", bucket, "object"), 400, "BadRequest", message)


@pytest.mark.parametrize("method", ["put", "TRACE", ""])
def test_preflight_for_an_impossible_method_is_a_bad_request(client, bucket, method):
    answer = client.anonymous("OPTIONS", bucket, headers=PREFLIGHT | {"Access-Control-Request-Method": method})
    expect_error(answer, 400, "BadRequest", f"Invalid Access-Control-Request-Method: {method}")

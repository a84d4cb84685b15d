"""CORS: the rules of a bucket, preflights, and what browsers are told in every answer."""

import pytest

from support.access import delete_document, get_document, policy_of, put_document, put_policy, statement, unblock
from support.cors_documents import ORIGIN, put_cors, rule
from support.errors import ACCESS_DENIED, MALFORMED_XML, NO_SUCH_BUCKET, expect_error
from support.forms import BOUNDARY, Form, encode
from support.iam import client_of

OTHER = "https://evil.example.org"
NO_RULES = (404, "NoSuchCORSConfiguration", "The CORS configuration does not exist")
NOT_ALLOWED = (
    403, "AccessForbidden",
    "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, request method / "
    "Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec.")
VARY = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method"


def told(answer):
    """The headers of an answer that browsers look at."""
    return {name.lower(): value for name, value in answer.headers if name.lower().startswith("access-control-") or name.lower() == "vary"}


def preflight(client, bucket, key=None, origin=ORIGIN, method="GET", headers=None):
    asked = {"Origin": origin, "Access-Control-Request-Method": method} | ({"Access-Control-Request-Headers": headers} if headers else {})
    return client.anonymous("OPTIONS", bucket, key, headers={name: value for name, value in asked.items() if value is not None})


@pytest.fixture
def open_bucket(client, bucket):
    """A bucket that a page of ORIGIN may read from and write to."""
    more = "<AllowedHeader>*</AllowedHeader><MaxAgeSeconds>600</MaxAgeSeconds><ExposeHeader>ETag</ExposeHeader>"
    assert put_cors(client, bucket, rule(methods=("GET", "PUT", "POST"), more=more)).status == 200
    return bucket


ALLOWED = {
    "access-control-allow-origin": ORIGIN,
    "access-control-allow-methods": "GET, PUT, POST",
    "access-control-allow-credentials": "true",
    "access-control-expose-headers": "ETag",
    "access-control-max-age": "600",
    "vary": VARY,
}


# The configuration.

def test_rules_are_put_seen_and_deleted(client, bucket):
    expect_error(get_document(client, bucket, "cors"), *NO_RULES, BucketName=bucket)
    more = "<AllowedHeader>x-AMZ-*</AllowedHeader><MaxAgeSeconds>0</MaxAgeSeconds><ExposeHeader>ETag</ExposeHeader><ID>a</ID>"
    assert put_cors(client, bucket, rule(more=more), rule("*", ("HEAD", "DELETE"))).status == 200
    first, second = get_document(client, bucket, "cors").xml
    assert [(element.tag, element.text) for element in first] == [
        ("ID", "a"), ("AllowedMethod", "GET"), ("AllowedOrigin", ORIGIN), ("AllowedHeader", "x-AMZ-*"), ("MaxAgeSeconds", "0"),
        ("ExposeHeader", "ETag")]
    assert [(element.tag, element.text) for element in second] == [
        ("AllowedMethod", "HEAD"), ("AllowedMethod", "DELETE"), ("AllowedOrigin", "*")]
    for _ in range(2):
        assert delete_document(client, bucket, "cors").status == 204
    expect_error(get_document(client, bucket, "cors"), *NO_RULES)


def test_boto3_sets_and_sees_them(s3, bucket):
    wanted = [{
        "ID": "uploads", "AllowedMethods": ["GET", "PUT"], "AllowedOrigins": [ORIGIN, "http://*.example.org:80"], "AllowedHeaders": ["*"],
        "ExposeHeaders": ["ETag", "x-amz-version-id"], "MaxAgeSeconds": 3000}]
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": wanted})
    assert s3.get_bucket_cors(Bucket=bucket)["CORSRules"] == wanted


def test_rules_survive_a_restart(make_server):
    server = make_server().start()
    s3 = client_of("s3", server)
    s3.create_bucket(Bucket="kept")
    wanted = [{"AllowedMethods": ["GET"], "AllowedOrigins": [ORIGIN]}]
    s3.put_bucket_cors(Bucket="kept", CORSConfiguration={"CORSRules": wanted})
    server.restart()
    assert s3.get_bucket_cors(Bucket="kept")["CORSRules"] == wanted


@pytest.mark.parametrize("document", [
    "", "<CORSConfiguration>", "<CORSConfiguration/>", "<CORSRule/>", "{}",
    "<CORSConfiguration><CORSRule/></CORSConfiguration>",
    "<CORSConfiguration><CORSRule><AllowedMethod>GET</AllowedMethod></CORSRule></CORSConfiguration>",
    "<CORSConfiguration><CORSRule><AllowedOrigin>*</AllowedOrigin></CORSRule></CORSConfiguration>",
    f"<CORSConfiguration>{rule()}<Other/></CORSConfiguration>",
    f"<CORSConfiguration>{rule(more='<Other/>')}</CORSConfiguration>",
    f"<CORSConfiguration>{rule(more='<MaxAgeSeconds>soon</MaxAgeSeconds>')}</CORSConfiguration>",
    f"<CORSConfiguration>{rule(more='<MaxAgeSeconds>-1</MaxAgeSeconds>')}</CORSConfiguration>",
    f"<CORSConfiguration>{rule(more='<ID>a</ID><ID>b</ID>')}</CORSConfiguration>",
    f"<CORSConfiguration>{rule(more='<ID>' + 'a' * 256 + '</ID>')}</CORSConfiguration>",
    f'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><CORSConfiguration>{rule("&e;")}</CORSConfiguration>',
])
def test_malformed_documents_change_nothing(client, open_bucket, document):
    expect_error(put_document(client, open_bucket, "cors", document), *MALFORMED_XML)
    assert get_document(client, open_bucket, "cors").text("CORSRule/AllowedOrigin") == ORIGIN


@pytest.mark.parametrize("rules, message", [
    ([rule(methods=("GET", "PATCH"))], "Found unsupported HTTP method in CORS config. Unsupported method is PATCH"),
    ([rule(methods=("get",))], "Found unsupported HTTP method in CORS config. Unsupported method is get"),
    ([rule("https://*.example.*")], 'AllowedOrigin "https://*.example.*" can not have more than one wildcard.'),
    ([rule(more="<AllowedHeader>*-*</AllowedHeader>")], 'AllowedHeader "*-*" can not have more than one wildcard.'),
    ([rule(more="<ExposeHeader>*</ExposeHeader>")],
     'ExposeHeader "*" contains wildcard. We currently do not support wildcard for ExposeHeader.'),
    ([rule(more="<ExposeHeader>a: b&#13;&#10;c</ExposeHeader>")], None),
    ([rule()] * 101, "The number of CORS rules should not exceed allowed limit of 100 rules."),
], ids=["method", "case", "origin", "header", "expose", "injection", "count"])
def test_rules_that_s3_refuses_change_nothing(client, open_bucket, rules, message):
    expect_error(put_cors(client, open_bucket, *rules), 400, "InvalidRequest", message)
    assert get_document(client, open_bucket, "cors").text("CORSRule/AllowedOrigin") == ORIGIN


def test_a_document_of_more_than_64_kib_is_refused(client, open_bucket):
    answer = put_cors(client, open_bucket, rule("https://" + "a" * 65536))
    expect_error(answer, 400, "MaxMessageLengthExceeded", "Your request was too big.", MaxMessageLengthBytes="65536")
    assert get_document(client, open_bucket, "cors").text("CORSRule/AllowedOrigin") == ORIGIN


def test_a_wrong_digest_changes_nothing(client, open_bucket):
    answer = put_cors(client, open_bucket, rule("*"), headers={"Content-MD5": "1B2M2Y8AsgTpgAmY7PhCfg=="})
    assert (answer.status, answer.text("Code")) == (400, "BadDigest"), answer
    assert get_document(client, open_bucket, "cors").text("CORSRule/AllowedOrigin") == ORIGIN


def test_strangers_neither_see_nor_change_rules(client, open_bucket):
    for method in ("GET", "PUT", "DELETE"):
        expect_error(client.anonymous(method, open_bucket, query={"cors": ""}), *ACCESS_DENIED)


# Preflights.

@pytest.mark.parametrize("key", [None, "object"])
def test_an_allowed_preflight(client, open_bucket, key):
    answer = preflight(client, open_bucket, key, method="PUT", headers="X-Amz-Date, content-type")
    assert (answer.status, answer.body, answer.header("Content-Length")) == (200, b"", "0")
    assert told(answer) == ALLOWED | {"access-control-allow-headers": "x-amz-date, content-type"}


def test_a_preflight_of_a_presigned_url_is_not_about_its_signature(client, open_bucket):
    target = client.presign("PUT", open_bucket, "object")
    answer = client.send("OPTIONS", target, [("Host", client.address(True)[2]), ("Origin", ORIGIN), ("Access-Control-Request-Method", "PUT")])
    assert answer.status == 200 and told(answer)["access-control-allow-origin"] == ORIGIN, answer


@pytest.mark.parametrize("origin", [
    OTHER, ORIGIN + ".evil.test", "https://evil.test/" + ORIGIN, ORIGIN.upper(), ORIGIN.replace("https", "http"), ORIGIN + ":8443", "null", "*", ""])
def test_other_origins_are_refused(client, open_bucket, origin):
    answer = preflight(client, open_bucket, "object", origin)
    expect_error(answer, *NOT_ALLOWED, Method="GET", ResourceType="OBJECT")
    assert told(answer) == {}


def test_other_methods_and_headers_are_refused(client, bucket):
    put_cors(client, bucket, rule(more="<AllowedHeader>x-amz-*</AllowedHeader>"))
    assert preflight(client, bucket, headers="X-AMZ-Date").status == 200
    for method, headers in (("PUT", None), ("DELETE", None), ("HEAD", None), ("GET", "authorization"), ("GET", "x-amz-date, authorization")):
        expect_error(preflight(client, bucket, method=method, headers=headers), *NOT_ALLOWED, Method=method, ResourceType="BUCKET")


def test_a_preflight_names_a_method(client, open_bucket):
    expect_error(preflight(client, open_bucket, method=None), 400, "BadRequest", "Invalid Access-Control-Request-Method: null")


def test_the_first_rule_that_allows_a_request_answers(client, bucket):
    put_cors(client, bucket, rule("https://*.example.org", ("GET",), "<MaxAgeSeconds>1</MaxAgeSeconds>"), rule("*", ("GET", "PUT")))
    assert told(preflight(client, bucket)) == {
        "access-control-allow-origin": ORIGIN, "access-control-allow-methods": "GET", "access-control-allow-credentials": "true",
        "access-control-max-age": "1", "vary": VARY}
    # What is for everybody says so, and lets no browser send its user's credentials.
    assert told(preflight(client, bucket, method="PUT")) == {
        "access-control-allow-origin": "*", "access-control-allow-methods": "GET, PUT", "vary": VARY}


# Requests.

def test_every_answer_to_a_page_is_told_to_its_browser(client, open_bucket):
    origin = {"Origin": ORIGIN}
    put = client.put(open_bucket, "object", b"text", headers=origin)
    answers = [
        put,
        client.get(open_bucket, "object", headers=origin),
        client.get(open_bucket, "object", headers=origin | {"If-None-Match": put.header("ETag")}),
        client.get(open_bucket, "object", headers=origin | {"Range": "bytes=100-"}),
        client.get(open_bucket, "missing", headers=origin),
        client.anonymous("GET", open_bucket, "object", headers=origin),
        client.get(open_bucket, "object", headers=origin, unsigned={"x-amz-acl": "private"}),
        client.request("GET", open_bucket, headers=origin),
        client.request("POST", open_bucket, "object", query={"uploads": ""}, headers=origin),
    ]
    assert [answer.status for answer in answers] == [200, 200, 304, 416, 404, 403, 403, 200, 200]
    for answer in answers:
        assert told(answer) == ALLOWED, answer


def test_a_form_is_answered_to_its_page(client, open_bucket):
    form = Form(client, open_bucket, {"key": "uploaded"})
    wrong = Form(client, open_bucket, {"key": "uploaded"}, expires=-10)
    for each, status in ((form, 204), (wrong, 403)):
        body = encode(each.fields, b"text")
        head = [("Host", client.address(True)[2]), ("Content-Type", f"multipart/form-data; boundary={BOUNDARY}"),
                ("Content-Length", len(body)), ("Origin", ORIGIN)]
        answer = client.send("POST", client.path(open_bucket, None), head, body)
        assert answer.status == status and told(answer) == ALLOWED, answer


def test_other_pages_are_answered_and_told_nothing(client, open_bucket):
    client.put(open_bucket, "object", b"text")
    for headers in (
        {"Origin": OTHER}, {"Origin": ""}, {}, {"Referer": ORIGIN}, {"Origin": ORIGIN, "Access-Control-Request-Method": "DELETE"},
    ):
        answer = client.get(open_bucket, "object", headers=headers)
        assert answer.status == 200 and answer.body == b"text" and told(answer) == {}, (headers, answer)
    # HEAD and DELETE are in no rule.
    assert told(client.head(open_bucket, "object", headers={"Origin": ORIGIN})) == {}
    deleted = client.delete(open_bucket, "object", headers={"Origin": ORIGIN})
    assert deleted.status == 204 and told(deleted) == {}


def test_two_origins_are_none(client, open_bucket):
    head = [("Host", client.address(True)[2]), ("Origin", OTHER), ("Origin", ORIGIN)]
    assert told(client.send("GET", client.path(open_bucket, "object"), head)) == {}


def test_rules_grant_nothing(client, bucket):
    put_cors(client, bucket, rule("*", ("GET", "PUT", "DELETE"), "<AllowedHeader>*</AllowedHeader>"))
    client.put(bucket, "object", b"text")
    for method in ("GET", "PUT", "DELETE"):
        expect_error(client.anonymous(method, bucket, "object", headers={"Origin": ORIGIN}), *ACCESS_DENIED)
    unblock(client, bucket)
    assert put_policy(client, bucket, policy_of(statement(bucket))).status == 204
    assert client.anonymous("GET", bucket, "object", headers={"Origin": ORIGIN}).body == b"text"


def test_buckets_do_not_answer_for_each_other(client, open_bucket, new_bucket):
    closed = new_bucket()
    client.put(open_bucket, "object", b"text")
    answer = client.copy(closed, "copy", open_bucket, "object", headers={"Origin": ORIGIN})
    assert answer.status == 200 and told(answer) == {}, answer
    answer = client.anonymous("GET", "no-such-bucket", "object", headers={"Origin": ORIGIN})
    expect_error(answer, *NO_SUCH_BUCKET)
    assert told(answer) == {}
    assert told(client.request("GET", headers={"Origin": ORIGIN})) == {}


def test_deleted_rules_hold_no_more(client, open_bucket):
    assert delete_document(client, open_bucket, "cors").status == 204
    assert told(client.request("GET", open_bucket, headers={"Origin": ORIGIN})) == {}
    expect_error(preflight(client, open_bucket), 403, "AccessForbidden", "CORSResponse: CORS is not enabled for this bucket.")

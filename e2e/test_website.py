"""Websites: the configuration of a bucket, and what visitors of its website get."""

from urllib.parse import quote

import pytest

from support import wire
from support.access import (
    NAMESPACE, delete_document, get_document, policy_of, put_block, put_document, put_policy, statement, unblock)
from support.client import Client
from support.cors_documents import put_cors, rule as cors_rule
from support.errors import ACCESS_DENIED, MALFORMED_XML, expect_error
from support.forms import Form
from support.iam import client_of
from support.sse import KEY_A

DOMAIN = "web.example.org"
HOST = "www.shop.example"
INDEX = "<IndexDocument><Suffix>index.html</Suffix></IndexDocument>"
ERROR = "<ErrorDocument><Key>error.html</Key></ErrorDocument>"
NO_WEBSITE = (404, "NoSuchWebsiteConfiguration", "The specified bucket does not have a website configuration")


@pytest.fixture(scope="module")
def web_server(make_server):
    return make_server(environment={"COFFER_WEBSITE_DOMAIN": DOMAIN, "COFFER_WEBSITE_HOST": HOST}).start()


@pytest.fixture(scope="module")
def client(web_server):
    return Client(web_server)


@pytest.fixture
def bucket(client, request):
    name = "".join(c if c.isalnum() else "-" for c in request.node.name.lower())[:50].strip("-")
    assert client.create_bucket(name).status == 200
    return name


@pytest.fixture
def site(client, bucket):
    """A public website with an index, an error document and a folder."""
    put_pages(client, bucket)
    assert put_website(client, bucket, INDEX + ERROR).status == 200
    publish(client, bucket)
    return bucket


def put_pages(client, bucket):
    for key in ("index.html", "error.html", "page.html", "docs/index.html"):
        headers = {"Content-Type": "text/html", "x-amz-meta-of": "page", "Cache-Control": "max-age=60"}
        assert client.put(bucket, key, f"<p>{key}</p>".encode(), headers=headers).status == 200


def publish(client, bucket, list_too=True):
    unblock(client, bucket)
    statements = [statement(bucket)]
    if list_too:
        statements.append(statement(bucket, action="s3:ListBucket", resource=f"arn:aws:s3:::{bucket}"))
    assert put_policy(client, bucket, policy_of(*statements)).status == 204


def put_website(client, bucket, inner):
    return put_document(client, bucket, "website", f'<WebsiteConfiguration xmlns="{NAMESPACE}">{inner}</WebsiteConfiguration>')


def routing(*rules):
    return f'{INDEX}<RoutingRules>{"".join(f"<RoutingRule>{rule}</RoutingRule>" for rule in rules)}</RoutingRules>'


def visit(client, bucket, path="/", method="GET", headers=(), host=None, tls=False):
    port, context, _ = client.address(tls)
    host = host or f"{bucket}.{DOMAIN}:{port}"
    return wire.exchange(
        port, method, path, [("Host", host), *dict(headers).items(), ("Content-Length", 0)], b"", context)


def expect_page(answer, status, code, **details):
    """An error as HTML; `details` are the lines of its list."""
    assert answer.status == status, answer
    assert answer.header("Content-Type") == "text/html; charset=utf-8", answer
    assert answer.header("x-amz-error-code") == code, answer.headers
    text = answer.body.decode()
    assert f"<title>{status} " in text and f"<li>Code: {code}</li>" in text, text
    assert f"<li>RequestId: {answer.header('x-amz-request-id')}</li>" in text, text
    for name, value in details.items():
        assert f"<li>{name}: {value}</li>" in text, text


def expect_redirect(answer, status, location):
    assert (answer.status, answer.header("Location")) == (status, location), (answer, answer.headers)


# The configuration.

def test_a_website_is_put_seen_and_deleted(client, bucket):
    expect_error(get_document(client, bucket, "website"), *NO_WEBSITE, BucketName=bucket)
    inner = routing(
        "<Condition><KeyPrefixEquals>docs/</KeyPrefixEquals><HttpErrorCodeReturnedEquals>404</HttpErrorCodeReturnedEquals></Condition>"
        "<Redirect><Protocol>https</Protocol><HostName>a.example</HostName><ReplaceKeyWith>k</ReplaceKeyWith>"
        "<HttpRedirectCode>302</HttpRedirectCode></Redirect>")
    assert put_website(client, bucket, inner).status == 200
    answer = get_document(client, bucket, "website")
    assert answer.status == 200 and inner in answer.body.decode(), answer
    for _ in range(2):
        assert delete_document(client, bucket, "website").status == 204
    expect_error(get_document(client, bucket, "website"), *NO_WEBSITE)
    expect_page(visit(client, bucket), 404, "NoSuchWebsiteConfiguration", BucketName=bucket)


def test_boto3_sets_and_sees_it(web_server, bucket):
    s3 = client_of("s3", web_server)
    wanted = {
        "IndexDocument": {"Suffix": "index.html"}, "ErrorDocument": {"Key": "error.html"},
        "RoutingRules": [{"Condition": {"KeyPrefixEquals": "a/"}, "Redirect": {"ReplaceKeyPrefixWith": "b/"}}]}
    s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration=wanted)
    seen = s3.get_bucket_website(Bucket=bucket)
    assert {name: seen[name] for name in wanted} == wanted
    s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration={"RedirectAllRequestsTo": {"HostName": "a.example", "Protocol": "https"}})
    assert s3.get_bucket_website(Bucket=bucket)["RedirectAllRequestsTo"] == {"HostName": "a.example", "Protocol": "https"}


@pytest.mark.parametrize("inner, code, message", [
    ("", "InvalidArgument", "A value for IndexDocument Suffix must be provided if RedirectAllRequestsTo is empty"),
    (INDEX + "<Other/>", *MALFORMED_XML[1:3]),
    (INDEX + INDEX, *MALFORMED_XML[1:3]),
    (INDEX + "<RoutingRules/>", *MALFORMED_XML[1:3]),
    (routing("<Redirect/>"), *MALFORMED_XML[1:3]),
    (routing("<Condition><KeyPrefixEquals>a</KeyPrefixEquals></Condition>"), *MALFORMED_XML[1:3]),
    ("<IndexDocument><Suffix>a/b</Suffix></IndexDocument>", "InvalidArgument", "The IndexDocument Suffix is not well formed"),
    (INDEX + "<ErrorDocument><Key/></ErrorDocument>", "InvalidArgument", "The ErrorDocument Key is not well formed"),
    (INDEX + "<RedirectAllRequestsTo><HostName>a</HostName></RedirectAllRequestsTo>", "InvalidArgument",
     "RedirectAllRequestsTo cannot be provided in conjunction with other Routing Rules."),
    (routing("<Redirect><ReplaceKeyWith>a</ReplaceKeyWith><ReplaceKeyPrefixWith>b</ReplaceKeyPrefixWith></Redirect>"), "InvalidRequest",
     "You can only define ReplaceKeyPrefix or ReplaceKey but not both."),
    (routing("<Redirect><HttpRedirectCode>200</HttpRedirectCode></Redirect>"), "InvalidRequest",
     "The provided HTTP redirect code (200) is not valid. Valid codes are 3XX except 300."),
    (routing("<Redirect><Protocol>javascript</Protocol></Redirect>"), "InvalidRequest",
     "Invalid protocol, protocol can be http or https. If not defined the protocol will be selected automatically."),
    (routing(*["<Redirect><HostName>a</HostName></Redirect>"] * 51), "InvalidRequest",
     "51 routing rules provided, the number of routing rules in a website configuration is limited to 50."),
], ids=range(13))
def test_what_is_no_website_changes_nothing(client, site, inner, code, message):
    answer = put_website(client, site, inner)
    assert (answer.status, answer.text("Code"), answer.text("Message")) == (400, code, message), answer
    assert get_document(client, site, "website").text("ErrorDocument/Key") == "error.html"
    assert visit(client, site).body == b"<p>index.html</p>"


def test_strangers_neither_see_nor_change_it(client, site):
    for method in ("GET", "PUT", "DELETE"):
        expect_error(client.anonymous(method, site, query={"website": ""}), *ACCESS_DENIED)


# Pages.

@pytest.mark.parametrize("path, key", [("/", "index.html"), ("/page.html", "page.html"), ("/docs/", "docs/index.html"), ("/p%61ge.html?a=b", "page.html")])
def test_a_page(client, site, path, key):
    answer = visit(client, site, path)
    assert (answer.status, answer.body) == (200, f"<p>{key}</p>".encode()), answer
    assert answer.header("Content-Type") == "text/html" and answer.header("Cache-Control") == "max-age=60"
    assert answer.header("ETag") and answer.header("Last-Modified")
    head = visit(client, site, path, "HEAD")
    assert (head.status, head.body, head.header("Content-Length")) == (200, b"", str(len(answer.body)))


def test_a_page_over_tls(client, site):
    assert visit(client, site, tls=True).body == b"<p>index.html</p>"


def test_a_folder_without_its_slash_is_elsewhere(client, site):
    answer = visit(client, site, "/docs")
    expect_redirect(answer, 302, "/docs/")
    expect_page(answer, 302, "Found", Message="Resource Found")
    assert visit(client, site, "/docs", "HEAD").status == 302
    # A name that a browser would take for another host's.
    client.put(site, "/evil.test/index.html", b"")
    expect_redirect(visit(client, site, "//evil.test"), 302, "/%2Fevil.test/")
    # An object of that name comes first.
    client.put(site, "docs", b"an object")
    assert visit(client, site, "/docs").body == b"an object"


def test_a_host_may_be_the_name_of_its_bucket(client):
    assert client.create_bucket(HOST).status == 200
    put_pages(client, HOST)
    put_website(client, HOST, INDEX)
    publish(client, HOST)
    for host in (HOST, HOST.upper(), f"{HOST}:{client.server.port}"):
        assert visit(client, HOST, "/page.html", host=host).body == b"<p>page.html</p>"
    # Another name of a bucket is none of a website.
    answer = visit(client, HOST, "/page.html", host="shop.example")
    assert answer.status == 404 and b"<Code>NoSuchBucket</Code>" in answer.body


def test_conditions_and_ranges(client, site):
    etag = visit(client, site).header("ETag")
    answer = visit(client, site, headers={"If-None-Match": etag})
    assert (answer.status, answer.body, answer.header("ETag")) == (304, b"", etag)
    assert visit(client, site, headers={"If-None-Match": '"other"'}).status == 200
    ranged = visit(client, site, headers={"Range": "bytes=0-2"})
    assert (ranged.status, ranged.body, ranged.header("Content-Range")) == (206, b"<p>", "bytes 0-2/17")
    # Conditions are about the page, not about the document in its place.
    assert visit(client, site, headers={"If-Match": '"other"'}).status == 412
    assert visit(client, site, "/missing", headers={"Range": "bytes=0-2"}).body == b"<p>error.html</p>"


def test_versions_and_overrides_are_not_for_visitors(client, site):
    for query in ("?versionId=null", "?response-content-type=text/plain", "?acl", "?policy", "?uploads", "?x-amz-acl=private"):
        answer = visit(client, site, "/page.html" + query)
        assert (answer.status, answer.body, answer.header("Content-Type")) == (200, b"<p>page.html</p>", "text/html"), answer


# Errors.

def test_a_missing_page_is_the_error_document(client, site):
    answer = visit(client, site, "/missing")
    assert (answer.status, answer.body, answer.header("Content-Type")) == (404, b"<p>error.html</p>", "text/html")
    assert answer.header("x-amz-error-code") == "NoSuchKey" and answer.header("x-amz-error-detail-Key") == "missing"
    assert visit(client, site, "/missing", "HEAD").status == 404


def test_without_an_error_document_there_is_a_page(client, site):
    put_website(client, site, INDEX)
    expect_page(visit(client, site, "/missing"), 404, "NoSuchKey", Message="The specified key does not exist.", Key="missing")
    expect_page(visit(client, site, "/docs/a/"), 404, "NoSuchKey", Key="docs/a/index.html")


def test_an_error_document_that_is_not_there_is_told(client, site):
    client.delete(site, "error.html")
    answer = visit(client, site, "/missing")
    expect_page(answer, 404, "NoSuchKey", Key="error.html")
    assert b"An Error Occurred While Attempting to Retrieve a Custom Error Document" in answer.body


@pytest.mark.parametrize("key", ["<script>alert(1)</script>", "\"'&<img src=x onerror=alert(1)>", "a\r\nSet-Cookie: a=b", "\x00\x1b"])
def test_a_page_runs_nothing_of_what_was_asked(client, site, key):
    put_website(client, site, INDEX)
    answer = visit(client, site, "/" + quote(key))
    expect_page(answer, 404, "NoSuchKey")
    assert b"<script" not in answer.body and b"<img" not in answer.body and answer.header("Set-Cookie") is None, answer


def test_who_may_not_list_does_not_learn_what_is_there(client, site):
    publish(client, site, list_too=False)
    put_website(client, site, INDEX)
    expect_page(visit(client, site, "/missing"), 403, "AccessDenied", Message="Access Denied")
    # The folders of a website are found all the same.
    expect_redirect(visit(client, site, "/docs"), 302, "/docs/")


def test_a_website_grants_nothing(client, bucket):
    put_pages(client, bucket)
    put_website(client, bucket, INDEX + ERROR)
    answer = visit(client, bucket)
    expect_page(answer, 403, "AccessDenied")
    assert b"Retrieve a Custom Error Document" in answer.body
    expect_page(visit(client, bucket, "/docs"), 403, "AccessDenied")
    publish(client, bucket)
    assert visit(client, bucket).status == 200
    put_block(client, bucket, RestrictPublicBuckets="true")
    expect_page(visit(client, bucket), 403, "AccessDenied")


def test_a_signature_opens_nothing(client, bucket):
    put_pages(client, bucket)
    put_website(client, bucket, INDEX)
    host = f"{bucket}.{DOMAIN}:{client.server.port}"
    target, head, _, _ = client.signed("GET", "/page.html", (), (), "UNSIGNED-PAYLOAD", tls=False, host=host)
    answer = client.send("GET", target, head, tls=False)
    expect_page(answer, 403, "AccessDenied")


def test_a_policy_may_look_at_the_referer(client, site):
    assert put_policy(client, site, policy_of(
        statement(site, Condition={"StringLike": {"aws:Referer": "https://a.example/*"}}))).status == 204
    assert visit(client, site, headers={"Referer": "https://a.example/x"}).status == 200
    assert visit(client, site, headers={"Referer": "https://b.example/x"}).status == 403


def test_customer_keys_are_not_for_visitors(client, site):
    client.put(site, "sealed.html", b"secret", headers=KEY_A.headers())
    put_website(client, site, INDEX)
    for headers in ({}, KEY_A.headers()):
        expect_page(visit(client, site, "/sealed.html", headers=headers, tls=True), 400, "InvalidRequest")


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE", "PATCH", "TRACE"])
def test_only_reads_are_for_visitors(client, site, method):
    answer = visit(client, site, "/page.html", method)
    expect_page(answer, 405, "MethodNotAllowed", Method=method)
    assert answer.header("Allow") == "GET, HEAD, OPTIONS"
    assert visit(client, site, "/page.html").status == 200


def test_a_website_serves_no_api(client, site):
    """Neither S3 nor IAM answers where pages come from."""
    port = client.server.port
    host = f"{site}.{DOMAIN}"
    body = b"Action=GetCallerIdentity&Version=2011-06-15"
    head = [("Host", host), ("Content-Type", "application/x-www-form-urlencoded"), ("Content-Length", len(body))]
    expect_page(wire.exchange(port, "POST", "/", head, body), 405, "MethodNotAllowed")
    answer = visit(client, site, "/?Action=GetCallerIdentity&Version=2011-06-15")
    assert answer.body == b"<p>index.html</p>"


@pytest.mark.parametrize("bucket_name", ["no-such-bucket", "a", "..", "a b", "x" * 300])
def test_a_bucket_that_is_not_there_is_a_page(client, bucket_name):
    answer = visit(client, bucket_name)
    expect_page(answer, 404, "NoSuchBucket")


@pytest.mark.parametrize("path, status, code", [("/%ff", 400, "InvalidURI"), ("/%zz", 400, "InvalidURI"), ("/" + "k" * 1025, 400, "KeyTooLongError")])
def test_a_path_that_is_no_key_is_a_page(client, site, path, status, code):
    put_website(client, site, INDEX)
    expect_page(visit(client, site, path), status, code)


# Redirects.

def test_everything_is_redirected(client, bucket):
    put_website(client, bucket, "<RedirectAllRequestsTo><HostName>a.example</HostName></RedirectAllRequestsTo>")
    expect_redirect(visit(client, bucket, "/a%20b/?c=d"), 301, "http://a.example/a%20b/?c=d")
    expect_redirect(visit(client, bucket, tls=True), 301, "https://a.example/")
    put_website(client, bucket, "<RedirectAllRequestsTo><HostName>a.example</HostName><Protocol>https</Protocol></RedirectAllRequestsTo>")
    expect_redirect(visit(client, bucket, "/a", "HEAD"), 301, "https://a.example/a")


def test_rules_redirect_before_and_after(client, site):
    put_website(client, site, routing(
        "<Condition><KeyPrefixEquals>old/</KeyPrefixEquals></Condition><Redirect><ReplaceKeyPrefixWith>new/</ReplaceKeyPrefixWith></Redirect>",
        "<Condition><KeyPrefixEquals>gone/</KeyPrefixEquals><HttpErrorCodeReturnedEquals>404</HttpErrorCodeReturnedEquals></Condition>"
        "<Redirect><Protocol>https</Protocol><HostName>archive.example</HostName><HttpRedirectCode>302</HttpRedirectCode></Redirect>",
        "<Condition><HttpErrorCodeReturnedEquals>404</HttpErrorCodeReturnedEquals></Condition><Redirect><ReplaceKeyPrefixWith>#!/</ReplaceKeyPrefixWith></Redirect>"))
    here = f"http://{site}.{DOMAIN}:{client.server.port}"
    client.put(site, "old/there", b"never seen")
    expect_redirect(visit(client, site, "/old/there?a=b"), 301, f"{here}/new/there?a=b")
    expect_redirect(visit(client, site, "/gone/a%20b"), 302, "https://archive.example/gone/a%20b")
    expect_redirect(visit(client, site, "/missing"), 301, f"{here}/#!/missing")
    client.put(site, "gone/here", b"not gone")
    assert visit(client, site, "/gone/here").body == b"not gone"
    # A folder comes before the rules about its error.
    expect_redirect(visit(client, site, "/docs"), 302, "/docs/")


def test_a_visitor_writes_no_headers(client, site):
    put_website(client, site, routing("<Redirect><HostName>a.example</HostName></Redirect>"))
    answer = visit(client, site, "/a%0D%0ASet-Cookie:%20b=c%23d%3Fe")
    expect_redirect(answer, 301, "http://a.example/a%0D%0ASet-Cookie%3A%20b%3Dc%23d%3Fe")
    assert answer.header("Set-Cookie") is None


def test_an_author_writes_no_headers(client, site):
    put_website(client, site, routing(
        "<Redirect><HostName>a.example&#13;&#10;Set-Cookie: b=c</HostName><ReplaceKeyWith>&#13;&#10;&#13;&#10;x</ReplaceKeyWith></Redirect>"))
    answer = visit(client, site)
    expect_redirect(answer, 301, "http://a.example%0D%0ASet-Cookie:%20b=c/%0D%0A%0D%0Ax")
    assert answer.header("Set-Cookie") is None and answer.body == b""


# Objects that redirect.

LOCATION = "x-amz-website-redirect-location"


def test_an_object_redirects_visitors_only(client, site):
    for key, location in (("a", "/page.html"), ("b", "https://b.example/?x=y#z")):
        assert client.put(site, key, b"body", headers={LOCATION: location}).status == 200
        expect_redirect(visit(client, site, f"/{key}"), 301, location)
        expect_redirect(visit(client, site, f"/{key}", "HEAD"), 301, location)
        answer = client.get(site, key)
        assert (answer.status, answer.body, answer.header(LOCATION)) == (200, b"body", location)
        assert client.head(site, key).header(LOCATION) == location


def test_uploads_and_forms_redirect_too(client, site):
    upload = client.new_upload(site, "upload", {LOCATION: "/page.html"})
    part = client.upload_part(site, "upload", upload, 1, b"part")
    assert client.complete(site, "upload", upload, [(1, part.header("ETag"))]).status == 200
    assert Form(client, site, {"key": "form", LOCATION: "/page.html"}).post(b"form").status == 204
    for key in ("upload", "form"):
        expect_redirect(visit(client, site, f"/{key}"), 301, "/page.html")


def test_a_copy_redirects_only_if_it_is_told_to(client, site):
    client.put(site, "source", b"body", headers={LOCATION: "/page.html", "x-amz-meta-a": "b"})
    assert client.copy(site, "copy", site, "source").status == 200
    answer = client.head(site, "copy")
    assert (answer.header(LOCATION), answer.header("x-amz-meta-a")) == (None, "b")
    assert client.copy(site, "copy", site, "source", headers={LOCATION: "/docs/"}).status == 200
    answer = client.head(site, "copy")
    assert (answer.header(LOCATION), answer.header("x-amz-meta-a")) == ("/docs/", "b")
    # Onto itself it is a change.
    assert client.copy(site, "copy", site, "copy", headers={LOCATION: "/"}).status == 200
    assert client.head(site, "copy").header(LOCATION) == "/"


@pytest.mark.parametrize("location", ["page.html", "javascript:alert(1)", "ftp://a.example", "\\\\a.example"])
def test_a_redirect_that_leads_nowhere_is_refused(client, site, location):
    message = "The website redirect location must have a prefix of 'http://' or 'https://' or '/'."
    for answer in (
        client.put(site, "a", b"", headers={LOCATION: location}),
        client.copy(site, "a", site, "page.html", headers={LOCATION: location}),
        client.create_upload(site, "a", {LOCATION: location}),
    ):
        expect_error(answer, 400, "InvalidRedirectLocation", message)
    assert "a" not in client.keys(site)


def test_an_error_document_may_redirect(client, site):
    client.put(site, "error.html", b"", headers={LOCATION: "/page.html"})
    expect_redirect(visit(client, site, "/missing"), 301, "/page.html")


# Pages of other origins.

def test_browsers_are_told_of_pages(client, site):
    origin = {"Origin": "https://app.example.org"}
    assert put_cors(client, site, cors_rule()).status == 200
    for path, status in (("/", 200), ("/missing", 404), ("/docs", 302)):
        answer = visit(client, site, path, headers=origin)
        assert (answer.status, answer.header("Access-Control-Allow-Origin")) == (status, origin["Origin"]), answer
    asked = origin | {"Access-Control-Request-Method": "GET"}
    assert visit(client, site, "/page.html", "OPTIONS", asked).status == 200
    expect_page(visit(client, site, "/page.html", "OPTIONS", asked | {"Origin": "https://evil.test"}), 403, "AccessForbidden")


@pytest.mark.parametrize("inner", [INDEX + ERROR, "<RedirectAllRequestsTo><HostName>example.org</HostName></RedirectAllRequestsTo>"],
                         ids=["pages", "redirection"])
def test_website_that_requesters_pay_for_has_no_visitors(client, site, inner):
    assert put_website(client, site, inner).status == 200
    payer = "<RequestPaymentConfiguration><Payer>{}</Payer></RequestPaymentConfiguration>"
    put_document(client, site, "requestPayment", payer.format("Requester"))
    for headers in ({}, {"x-amz-request-payer": "requester"}):
        assert visit(client, site, headers=headers).status == 403
        assert visit(client, site, "/page.html", headers=headers).status == 403
    put_document(client, site, "requestPayment", payer.format("BucketOwner"))
    assert visit(client, site).status in (200, 301)

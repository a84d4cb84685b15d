"""A page in a real browser: a website of one bucket that uploads to another by CORS, and one of another origin that may not."""

import base64
import hashlib
import html
import json
import re

import pytest

from support.access import policy_of, put_document, put_policy, statement, unblock
from support.browser import Browser
from support.checksums import md5_hex
from support.client import Client
from support.cors_documents import put_cors, rule
from support.iam import client_of
from support.sse import CustomerKey

# Browsers find every name under it on this machine.
DOMAIN = "web.localhost"
UPLOADS = "uploads"
TEXT = "uploaded by a page: ü"
SHA256 = hashlib.sha256(TEXT.encode())
KEY = CustomerKey(hashlib.sha256(b"the customer key of the page").digest())
SSE = "x-amz-server-side-encryption"
EXPOSED = ("ETag", SSE, f"{SSE}-customer-algorithm", "x-amz-checksum-sha256")

# Does one thing after the other, and shows what a script gets to see of each answer.
PAGE = """<!DOCTYPE html>
<title>A page that uploads</title>
<pre id="seen">nothing yet</pre>
<script>
const steps = STEPS;
const exposed = EXPOSED;
async function take({ url, method, headers, fields, text }) {
  let body = text;
  if (fields) {
    body = new FormData();
    for (const [name, value] of Object.entries(fields)) body.append(name, value);
    body.append("file", new Blob([text]), "file.txt");
  }
  try {
    const answer = await fetch(url, { method, headers, body });
    const seen = { status: answer.status, body: await answer.text(), id: answer.headers.get("x-amz-request-id") };
    for (const name of exposed) seen[name] = answer.headers.get(name);
    return seen;
  } catch (error) {
    return { error: error.name };
  }
}
async function run() {
  const seen = {};
  for (const [name, step] of Object.entries(steps)) seen[name] = await take(step);
  return seen;
}
run().then(seen => { document.getElementById("seen").textContent = JSON.stringify(seen); });
</script>
"""


@pytest.fixture(scope="module")
def server(make_server):
    return make_server(environment={"COFFER_WEBSITE_DOMAIN": DOMAIN}).start()


@pytest.fixture(scope="module")
def client(server):
    return Client(server)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    return Browser(tmp_path_factory.mktemp("browser"))


@pytest.fixture(scope="module")
def uploads(server, client):
    """A private bucket that the pages of one origin may use."""
    assert client.create_bucket(UPLOADS).status == 200
    more = "<AllowedHeader>*</AllowedHeader>" + "".join(f"<ExposeHeader>{name}</ExposeHeader>" for name in EXPOSED)
    assert put_cors(client, UPLOADS, rule(origin(server, "app"), ("GET", "PUT", "POST"), more)).status == 200
    return UPLOADS


def origin(server, site):
    return f"http://{site}.{DOMAIN}:{server.port}"


def seen_by(server, client, browser, site, steps):
    """What the script of a page of `site` sees."""
    assert client.create_bucket(site).status == 200
    page = PAGE.replace("STEPS", json.dumps(steps)).replace("EXPOSED", json.dumps(EXPOSED))
    assert client.put(site, "index.html", page.encode(), headers={"Content-Type": "text/html; charset=utf-8"}).status == 200
    index = "<IndexDocument><Suffix>index.html</Suffix></IndexDocument>"
    assert put_document(client, site, "website", f"<WebsiteConfiguration>{index}</WebsiteConfiguration>").status == 200
    unblock(client, site)
    assert put_policy(client, site, policy_of(statement(site))).status == 204
    shown = browser.open(origin(server, site) + "/")
    seen = re.search(r'<pre id="seen">(.*)</pre>', shown)
    assert seen and seen[1].startswith("{"), shown
    return json.loads(html.unescape(seen[1]))


def presigned(client, method, key, headers=None, text=None):
    """A request by a URL that covers `headers`, as a page makes it."""
    target = client.presign(method, UPLOADS, key, headers=headers or {})
    return {"url": client.server.tls_url + target, "method": method, "headers": headers or {}} | ({} if text is None else {"text": text})


def posted(server, key):
    """An upload by a form that boto3 has signed, sealed under the server's key."""
    boto = client_of("s3", server, tls=True)
    form = boto.generate_presigned_post(UPLOADS, key, Fields={SSE: "AES256"}, Conditions=[{SSE: "AES256"}])
    return {"url": form["url"], "method": "POST", "fields": form["fields"], "text": TEXT}


def test_a_page_uploads_and_reads_back(server, client, browser, uploads):
    checksum = base64.b64encode(SHA256.digest()).decode()
    seen = seen_by(server, client, browser, "app", {
        "post": posted(server, "posted"),
        "put": presigned(client, "PUT", "put", {SSE: "AES256", "x-amz-checksum-sha256": checksum}, TEXT),
        "get": presigned(client, "GET", "put", {"x-amz-checksum-mode": "ENABLED"}),
        "wrong checksum": presigned(client, "PUT", "never", {"x-amz-checksum-sha256": checksum}, TEXT + "!"),
        "put with a key": presigned(client, "PUT", "sealed", KEY.headers(), TEXT),
        "get with the key": presigned(client, "GET", "sealed", KEY.headers()),
        "get without the key": presigned(client, "GET", "sealed"),
        "missing": presigned(client, "GET", "missing"),
        "delete": presigned(client, "DELETE", "put"),
    })
    etag = f'"{md5_hex(TEXT.encode())}"'
    for name, status in (("post", 204), ("put", 200), ("get", 200)):
        assert (seen[name]["status"], seen[name]["ETag"], seen[name][SSE]) == (status, etag, "AES256"), (name, seen[name])
    assert (seen["get"]["body"], seen["get"]["x-amz-checksum-sha256"]) == (TEXT, checksum)
    # What is not exposed stays hidden.
    assert seen["get"]["id"] is None
    for name, code in (("wrong checksum", "BadDigest"), ("get without the key", "InvalidRequest"), ("missing", "NoSuchKey")):
        assert f"<Code>{code}</Code>" in seen[name]["body"], (name, seen[name])
    for name, body in (("put with a key", ""), ("get with the key", TEXT)):
        answer = seen[name]
        assert (answer["status"], answer["body"], answer[f"{SSE}-customer-algorithm"]) == (200, body, "AES256"), (name, answer)
    # DELETE is in no rule: the browser never sends it.
    assert seen["delete"] == {"error": "TypeError"}
    assert client.get(UPLOADS, "posted").body == client.get(UPLOADS, "put").body == TEXT.encode()
    assert "never" not in client.keys(UPLOADS)


def test_a_page_of_another_origin_is_refused(server, client, browser, uploads):
    assert client.put(UPLOADS, "secret", b"not for others").status == 200
    seen = seen_by(server, client, browser, "other", {
        "put": presigned(client, "PUT", "by-another", {SSE: "AES256"}, TEXT),
        "plain put": presigned(client, "PUT", "by-another", None, TEXT),
        "get": presigned(client, "GET", "secret"),
        "get with a header": presigned(client, "GET", "secret", {"x-amz-checksum-mode": "ENABLED"}),
        "missing": presigned(client, "GET", "missing"),
        "post": posted(server, "form-of-another"),
    })
    assert seen == {name: {"error": "TypeError"} for name in seen}
    # Browsers send forms everywhere, as they always did, and keep the answer to themselves: who has a signed form may.
    assert "by-another" not in client.keys(UPLOADS)

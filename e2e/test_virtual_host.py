"""Virtual-hosted style: the bucket in the host name, beside path style on the same server."""

import pytest

from support import errors
from support.client import Client
from support.errors import expect_error
from support.sse import KEY_A, expect_customer_key

DOMAIN = "s3.e2e.test"


@pytest.fixture(scope="module")
def hosted(make_server):
    server = make_server(environment={"COFFER_DOMAIN": DOMAIN}).start()
    client = Client(server)
    assert client.create_bucket("hosted").status == 200
    assert client.create_bucket("hosted.with.dots").status == 200
    yield client
    server.close()


@pytest.mark.parametrize("bucket", ["hosted", "hosted.with.dots"])
@pytest.mark.parametrize("port", ["", ":9443"], ids=["no-port", "port"])
def test_bucket_in_the_host(hosted, bucket, port):
    host = f"{bucket}.{DOMAIN}{port}"
    assert hosted.request("PUT", path="/key/of/it", body=b"x", host=host).status == 200
    assert hosted.request("GET", path="/key/of/it", host=host).body == b"x"
    assert hosted.get(bucket, "key/of/it").body == b"x"
    listed = hosted.request("GET", path="/", query={"list-type": "2"}, host=host)
    assert listed.text("Name") == bucket and listed.text("Contents/Key") == "key/of/it"


def test_path_that_looks_like_a_bucket_is_a_key(hosted):
    host = f"hosted.{DOMAIN}"
    assert hosted.request("PUT", path="/hosted/object", body=b"x", host=host).status == 200
    assert hosted.get("hosted", "hosted/object").body == b"x"


def test_leading_slash_of_a_key_survives(hosted):
    assert hosted.request("PUT", path="//object", body=b"x", host=f"hosted.{DOMAIN}").status == 200
    assert hosted.get("hosted", "/object").body == b"x"


def test_bare_domain_is_path_style(hosted):
    assert hosted.request("GET", path="/", host=DOMAIN).xml.tag == "ListAllMyBucketsResult"
    assert hosted.request("PUT", path="/hosted/by-path", body=b"x", host=DOMAIN).status == 200


def test_host_names_ignore_case(hosted):
    assert hosted.request("PUT", path="/case", body=b"x", host=f"HOSTED.{DOMAIN.upper()}").status == 200


def test_unknown_bucket_in_the_host(hosted):
    answer = hosted.request("GET", path="/object", host=f"absent-bucket.{DOMAIN}")
    expect_error(answer, *errors.NO_SUCH_BUCKET, BucketName="absent-bucket")


def test_other_hosts_are_path_style(hosted):
    answer = hosted.request("GET", path="/hosted", query={"list-type": "2"}, host=f"hosted.not{DOMAIN}")
    assert answer.status == 200 and answer.text("Name") == "hosted"


def test_customer_key_in_virtual_hosted_style(hosted):
    answer = hosted.request("PUT", path="/sealed", body=b"x", headers=KEY_A.headers(), host=f"hosted.{DOMAIN}")
    expect_customer_key(answer, KEY_A)


@pytest.mark.parametrize("proto, status", [("https", 200), ("http", 400), (None, 400)])
def test_trusted_proxy_vouches_for_tls(make_server, proto, status):
    server = make_server(environment={"COFFER_TRUSTED_PROXIES": "127.0.0.1"}).start()
    try:
        client = Client(server)
        client.create_bucket("proxied")
        forwarded = {"X-Forwarded-Proto": proto} if proto else {}
        answer = client.put("proxied", "object", b"x", KEY_A.headers(), tls=False, unsigned=forwarded)
        assert answer.status == status, answer
    finally:
        server.close()


def test_nobody_else_vouches_for_tls(client, bucket):
    answer = client.put(bucket, "object", b"x", KEY_A.headers(), tls=False, unsigned={"X-Forwarded-Proto": "https"})
    expect_error(answer, *errors.INSECURE_TRANSPORT)

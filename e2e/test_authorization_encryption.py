"""Encryption by policy, as AWS's documentation has it deployed everywhere: deny unencrypted uploads, demand or refuse customer keys."""

import pytest

from support import errors
from support.access import policy_of, put_policy, statement
from support.client import complete_xml
from support.errors import expect_error, expect_status_only
from support.forms import Form
from support.sse import ALGORITHM, KEY_A, SSE, SSE_KMS_KEY

SSE_CONDITION = "s3:x-amz-server-side-encryption"
ARN = "arn:aws:kms:us-east-1:000000000000:key/{}"
K1, K2 = ARN.format("1"), ARN.format("2")

P1 = {"StringNotEquals": {SSE_CONDITION: "AES256"}}
P2 = {"Null": {SSE_CONDITION: "true"}}
P3 = {"StringNotEquals": {SSE_CONDITION: "aws:kms"}}
P4 = {"StringNotEquals": {SSE_CONDITION: "aws:kms"}, "Null": {SSE_CONDITION: "false"}}
P5 = {"Null": {f"{SSE_CONDITION}-aws-kms-key-id": "true"}}
P6 = {"ArnNotEqualsIfExists": {f"{SSE_CONDITION}-aws-kms-key-id": K1}}
P7 = {"Null": {f"{SSE_CONDITION}-customer-algorithm": "true"}}
P8 = {"Null": {f"{SSE_CONDITION}-customer-algorithm": "false"}}
P9 = {"StringNotEquals": {f"{SSE_CONDITION}-customer-algorithm": "AES256"}}

PLAIN, AES256, KMS = {}, {SSE: "AES256"}, {SSE: "aws:kms"}
KMS_1, KMS_2 = KMS | {SSE_KMS_KEY: K1}, KMS | {SSE_KMS_KEY: K2}
TRIPLE = KEY_A.headers()


@pytest.fixture
def under(client, bucket):
    """A bucket under policies that deny uploads."""

    def make(*conditions):
        statements = [statement(bucket, effect="Deny", action="s3:PutObject", Condition=condition) for condition in conditions]
        assert put_policy(client, bucket, policy_of(*statements)).status == 204
        return bucket

    return make


def denied(answer):
    """Whether a policy denied it. Who may ask for a key that there is not learns just that."""
    assert answer.status in (200, 403) or answer.text("Code") == "KMS.NotFoundException", answer
    if answer.status == 403:
        expect_error(answer, *errors.DENIED)
        assert answer.text("Message").endswith("with an explicit deny in a resource-based policy"), answer
    return answer.status == 403


@pytest.mark.parametrize("conditions, passing", [
    ([P1], "S"), ([P2], "S K0 K1 K2"), ([P1, P2], "S"), ([P3], "K0 K1 K2"), ([P4], "N K0 K1 K2 C"), ([P5], "K0 K1 K2"),
    ([P6], "K1"), ([P7], "C"), ([P8], "N S K0 K1 K2"), ([P9], "C"),
], ids=["P1", "P2", "P1+P2", "P3", "P4", "P5", "P6", "P7", "P8", "P9"])
def test_documented_policies_say_what_their_tables_say(client, under, conditions, passing):
    bucket = under(*conditions)
    requests = {"N": PLAIN, "S": AES256, "K0": KMS, "K1": KMS_1, "K2": KMS_2, "C": TRIPLE}
    passes = [name for name, headers in requests.items() if not denied(client.put(bucket, "a", b"a", headers))]
    assert passes == passing.split()


@pytest.mark.parametrize("conditions, headers", [
    ([P1], {SSE: "AES192"}), ([P1], {SSE: ""}), ([P1, P2], KMS | {SSE_KMS_KEY: "junk"}), ([P9], {ALGORITHM: "AES192"}),
    ([P9], {ALGORITHM: ""}), ([P8], {ALGORITHM: "AES192"}), ([P7], {"x-amz-storage-class": "junk"}), ([P7], {"Content-MD5": "junk"}),
], ids=str)
def test_policy_comes_before_values(client, under, conditions, headers):
    bucket = under(*conditions)
    assert denied(client.put(bucket, "a", b"a", headers))
    assert client.keys(bucket) == []


def test_upload_in_parts_under_deny_unencrypted(client, under, random_bytes):
    bucket, content = under(P1, P2), random_bytes(5 << 20)
    assert denied(client.create_upload(bucket, "a"))
    upload = client.new_upload(bucket, "a", AES256)
    first = client.upload_part(bucket, "a", upload, 1, content).etag
    second = client.upload_part(bucket, "a", upload, 2, b"end").etag
    assert client.complete(bucket, "a", upload, [(1, first), (2, second)]).status == 200
    assert client.get(bucket, "a").body == content + b"end"


def test_upload_begun_with_a_customer_key_does_not_get_past_deny_unencrypted(client, bucket, under):
    upload = client.new_upload(bucket, "a", TRIPLE)
    etag = client.upload_part(bucket, "a", upload, 1, b"a", TRIPLE).etag
    under(P1, P2)
    assert denied(client.upload_part(bucket, "a", upload, 2, b"b", TRIPLE))
    assert denied(client.complete(bucket, "a", upload, [(1, etag)], TRIPLE))
    assert client.keys(bucket) == []


def test_demand_for_customer_keys_is_for_every_step_of_an_upload(client, under):
    bucket = under(P7)
    assert denied(client.create_upload(bucket, "a"))
    upload = client.new_upload(bucket, "a", TRIPLE)
    assert denied(client.upload_part(bucket, "a", upload, 1, b"a"))
    etag = client.upload_part(bucket, "a", upload, 1, b"a", TRIPLE).etag
    assert denied(client.complete(bucket, "a", upload, [(1, etag)]))
    assert client.complete(bucket, "a", upload, [(1, etag)], {ALGORITHM: "AES256"}).status == 200
    assert client.get(bucket, "a", TRIPLE).body == b"a"


def test_refusal_of_customer_keys_is_for_writes(client, bucket, under):
    client.put(bucket, "old", b"old", TRIPLE)
    under(P8)
    assert denied(client.put(bucket, "new", b"new", TRIPLE))
    assert client.get(bucket, "old", TRIPLE).body == b"old"
    assert not denied(client.put(bucket, "new", b"new"))


def test_copy_is_judged_by_its_own_headers(client, bucket, under):
    client.put(bucket, "a", b"a", AES256)
    under(P2)
    assert denied(client.copy(bucket, "copy", bucket, "a"))
    assert client.copy(bucket, "copy", bucket, "a", AES256).status == 200
    assert client.keys(bucket) == ["a", "copy"]


def test_default_encryption_does_not_count(client, under):
    bucket = under(P2)
    rule = "<Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule>"
    assert client.put_encryption(bucket, rule).status == 200
    assert denied(client.put(bucket, "a", b"a"))


def test_form_is_judged_by_its_fields(client, under):
    bucket = under(P1, P2)
    assert denied(Form(client, bucket, {"key": "a"}).post(b"a"))
    assert Form(client, bucket, {"key": "a", SSE: "AES256"}).post(b"a").status == 204
    assert denied(Form(client, bucket, {"key": "b", SSE: "AES192"}).post(b"b"))


def test_presigned_upload_is_judged_by_its_headers(client, under):
    bucket = under(P1, P2)
    assert denied(client.send_presigned("PUT", client.presign("PUT", bucket, "a"), body=b"a"))
    url = client.presign("PUT", bucket, "a", headers=AES256)
    assert client.send_presigned("PUT", url, headers=AES256, body=b"a").status == 200
    in_query = client.presign("PUT", bucket, "b", query={"X-Amz-Server-Side-Encryption": "AES256"})
    assert client.send_presigned("PUT", in_query, body=b"b").status == 200


def test_tls_can_be_demanded(client, bucket):
    client.put(bucket, "a", b"a")
    everything = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    insecure = statement(
        bucket, effect="Deny", action="s3:*", resource=everything, Condition={"Bool": {"aws:SecureTransport": "false"}})
    assert put_policy(client, bucket, policy_of(insecure)).status == 204
    assert denied(client.get(bucket, "a", tls=False))
    expect_status_only(client.request("HEAD", bucket, tls=False), 403)
    # What needs TLS whatever a policy says is refused first.
    expect_error(client.put(bucket, "b", b"b", TRIPLE, tls=False), *errors.INSECURE_TRANSPORT)
    assert client.get(bucket, "a").body == b"a"


def test_old_tls_can_be_refused(client, bucket):
    client.put(bucket, "a", b"a")
    old = lambda version: policy_of(statement(
        bucket, effect="Deny", action="s3:GetObject", Condition={"NumericLessThan": {"s3:TlsVersion": version}}))
    assert put_policy(client, bucket, old("1.3")).status == 204
    assert client.get(bucket, "a").body == b"a"
    assert put_policy(client, bucket, old("1.4")).status == 204
    assert denied(client.get(bucket, "a"))


def test_repeated_completion_under_deny_unencrypted(client, under):
    bucket = under(P1, P2)
    upload = client.new_upload(bucket, "a", AES256)
    etag = client.upload_part(bucket, "a", upload, 1, b"a").etag
    body = complete_xml([(1, etag)])
    for _ in range(2):
        assert client.request("POST", bucket, "a", query={"uploadId": upload}, body=body).status == 200

"""Put, Get and DeleteBucketEncryption: the default of a bucket, and the block on customer keys."""

import pytest

from support import errors
from support.checksums import content_md5
from support.client import Client
from support.errors import BLOCKED_TEXT, expect_error
from support.sse import KEY_A, SSE, expect_customer_key, expect_sse_s3

BODY = b"an object under some default"
ABSENT = "no-such-bucket-here"


def rule(algorithm=None, key=None, bucket_key=None, blocked=None):
    default = ""
    if algorithm is not None:
        key_id = f"<KMSMasterKeyID>{key}</KMSMasterKeyID>" if key else ""
        default = (f"<ApplyServerSideEncryptionByDefault><SSEAlgorithm>{algorithm}</SSEAlgorithm>{key_id}"
                   "</ApplyServerSideEncryptionByDefault>")
    if bucket_key is not None:
        default += f"<BucketKeyEnabled>{bucket_key}</BucketKeyEnabled>"
    if blocked is not None:
        default += f"<BlockedEncryptionTypes><EncryptionType>{blocked}</EncryptionType></BlockedEncryptionTypes>"
    return f"<Rule>{default}</Rule>"


def get_rule(client, bucket):
    answer = client.request("GET", bucket, query={"encryption": ""})
    assert answer.status == 200 and answer.xml.tag == "ServerSideEncryptionConfiguration", answer
    rules = answer.xml.findall("Rule")
    assert len(rules) == 1
    return rules[0]


def expect_default_rule(client, bucket):
    found = get_rule(client, bucket)
    assert found.findtext("ApplyServerSideEncryptionByDefault/SSEAlgorithm") == "AES256"
    assert found.find("ApplyServerSideEncryptionByDefault/KMSMasterKeyID") is None
    assert found.findtext("BucketKeyEnabled") == "false"


def expect_blocked(answer, bucket, key, action):
    expect_error(answer, *errors.BLOCKED)
    message = answer.text("Message")
    assert message.endswith(BLOCKED_TEXT), message
    assert f"is not authorized to perform: {action} on resource: \"arn:aws:s3:::{bucket}/{key}\"" in message, message


@pytest.fixture
def blocked_bucket(client, bucket):
    """A bucket that holds `sealed` under KEY_A, and has blocked customer keys since."""
    assert client.put(bucket, "sealed", BODY, KEY_A.headers()).status == 200
    assert client.put_encryption(bucket, rule("AES256", blocked="SSE-C")).status == 200
    return bucket


def test_untouched_bucket_defaults_to_sse_s3(client, bucket):
    expect_default_rule(client, bucket)


def test_aes256_is_put_and_read_back(client, bucket):
    answer = client.put_encryption(bucket, rule("AES256"))
    assert answer.status == 200 and answer.body == b""
    expect_default_rule(client, bucket)
    expect_sse_s3(client.put(bucket, "object", BODY))


def test_bucket_key_with_aes256_has_no_effect(client, bucket):
    assert client.put_encryption(bucket, rule("AES256", bucket_key="true")).status == 200
    assert get_rule(client, bucket).findtext("BucketKeyEnabled") == "true"
    expect_sse_s3(client.put(bucket, "object", BODY))


@pytest.mark.parametrize("method", ["aws:kms", "aws:kms:dsse"])
@pytest.mark.parametrize("key", [None, "1234abcd-12ab-34cd-56ef-1234567890ab", "alias/none", "no key"])
def test_kms_default_is_read_back_as_it_was_put(client, bucket, method, key):
    assert client.put_encryption(bucket, rule(method, key, bucket_key="true")).status == 200
    found = get_rule(client, bucket)
    assert found.findtext("ApplyServerSideEncryptionByDefault/SSEAlgorithm") == method
    assert found.findtext("ApplyServerSideEncryptionByDefault/KMSMasterKeyID") == key
    assert found.findtext("BucketKeyEnabled") == "true"
    assert client.request("DELETE", bucket, query={"encryption": ""}).status == 204
    expect_default_rule(client, bucket)


def test_key_with_aes256_is_refused(client, bucket):
    expect_error(client.put_encryption(bucket, rule("AES256", "some-key")), *errors.DEFAULT_KEY_WITHOUT_KMS)


@pytest.mark.parametrize("rules", [
    pytest.param("", id="none"),
    pytest.param(rule("AES256") * 2, id="two"),
    pytest.param("<Rule/>", id="empty-rule"),
    pytest.param(rule("foo"), id="unknown-algorithm"),
    pytest.param(rule("AES256", blocked="SSE-X"), id="unknown-blocked-type"),
    pytest.param(rule("AES256", bucket_key="maybe"), id="bucket-key-no-boolean"),
    pytest.param("<Rule><ApplyServerSideEncryptionByDefault/></Rule>", id="no-algorithm"),
    pytest.param("<Rule><Broken></Rule>", id="not-well-formed"),
])
def test_malformed_configuration_is_refused(client, bucket, rules):
    expect_error(client.put_encryption(bucket, rules), *errors.MALFORMED_XML)
    expect_default_rule(client, bucket)


@pytest.mark.parametrize("body", [b"", b"junk", b"<Other/>", b"\xff\xfe"])
def test_body_that_is_no_configuration_is_refused(client, bucket, body):
    answer = client.request("PUT", bucket, query={"encryption": ""}, body=body, headers={"Content-MD5": content_md5(body)})
    assert answer.status == 400 and answer.text("Code") in ("MalformedXML", "MissingRequestBodyError"), answer


def test_missing_bucket_is_told_before_bad_xml(client):
    expect_error(client.request("GET", ABSENT, query={"encryption": ""}), *errors.NO_SUCH_BUCKET, BucketName=ABSENT)
    expect_error(client.put_encryption(ABSENT, "<Rule><Broken></Rule>"), *errors.NO_SUCH_BUCKET, BucketName=ABSENT)
    expect_error(client.request("DELETE", ABSENT, query={"encryption": ""}), *errors.NO_SUCH_BUCKET, BucketName=ABSENT)


def test_delete_is_idempotent_and_leaves_the_default(client, bucket):
    client.put_encryption(bucket, rule("AES256", bucket_key="true"))
    for _ in range(2):
        answer = client.request("DELETE", bucket, query={"encryption": ""})
        assert answer.status == 204 and answer.body == b""
    expect_default_rule(client, bucket)


def test_configuration_needs_a_digest(client, bucket):
    answer = client.put_encryption(bucket, rule("AES256"), headers={})
    assert (answer.status, answer.text("Code")) == (400, "InvalidRequest"), answer


def test_configuration_with_a_wrong_digest_is_refused(client, bucket):
    answer = client.put_encryption(bucket, rule("AES256"), headers={"Content-MD5": "1B2M2Y8AsgTpgAmY7PhCfg=="})
    expect_error(answer, *errors.CONTENT_MD5_MISMATCH)


def test_change_of_default_leaves_old_objects(client, bucket):
    etag = client.put(bucket, "object", BODY, KEY_A.headers()).etag
    client.put_encryption(bucket, rule("AES256"))
    answer = client.head(bucket, "object", KEY_A.headers())
    assert answer.etag == etag
    expect_customer_key(answer, KEY_A)


# The block on customer keys.

def test_block_can_be_lifted_by_a_rule_of_its_own(client, blocked_bucket):
    assert client.put_encryption(blocked_bucket, rule(blocked="NONE")).status == 200
    assert client.put(blocked_bucket, "object", BODY, KEY_A.headers()).status == 200
    assert get_rule(client, blocked_bucket).findtext("BlockedEncryptionTypes/EncryptionType") in ("NONE", None)


def test_blocked_bucket_refuses_put(client, blocked_bucket):
    answer = client.put(blocked_bucket, "object", BODY, KEY_A.headers())
    expect_blocked(answer, blocked_bucket, "object", "s3:PutObject")
    expect_error(client.get(blocked_bucket, "object"), *errors.NO_SUCH_KEY)


def test_blocked_bucket_refuses_before_it_judges_the_key(client, blocked_bucket):
    answer = client.put(blocked_bucket, "object", BODY, {**KEY_A.headers(), "x-amz-server-side-encryption-customer-algorithm": "BAD"})
    expect_blocked(answer, blocked_bucket, "object", "s3:PutObject")


def test_blocked_bucket_takes_everything_else(client, blocked_bucket):
    expect_sse_s3(client.put(blocked_bucket, "object", BODY))
    expect_sse_s3(client.put(blocked_bucket, "object", BODY, {SSE: "AES256"}))


def test_blocked_bucket_still_reads_sealed_objects(client, blocked_bucket):
    answer = client.get(blocked_bucket, "sealed", KEY_A.headers())
    assert answer.status == 200 and answer.body == BODY


def test_blocked_bucket_refuses_copies_under_a_key(client, blocked_bucket):
    client.put(blocked_bucket, "plain", BODY)
    answer = client.copy(blocked_bucket, "copy", blocked_bucket, "plain", KEY_A.headers())
    expect_error(answer, *errors.BLOCKED)
    assert answer.text("Message").endswith(BLOCKED_TEXT)


def test_copy_from_a_sealed_object_within_a_blocked_bucket(client, blocked_bucket):
    answer = client.copy(blocked_bucket, "copy", blocked_bucket, "sealed", KEY_A.source_headers())
    expect_sse_s3(answer)
    assert client.get(blocked_bucket, "copy").body == BODY


def test_blocked_bucket_refuses_new_uploads_under_a_key(client, blocked_bucket):
    expect_blocked(client.create_upload(blocked_bucket, "object", KEY_A.headers()), blocked_bucket, "object", "s3:PutObject")


def test_upload_begun_before_the_block_takes_no_more_parts(client, bucket):
    upload = client.new_upload(bucket, "object", KEY_A.headers())
    client.put_encryption(bucket, rule("AES256", blocked="SSE-C"))
    expect_error(client.upload_part(bucket, "object", upload, 1, BODY, KEY_A.headers()), *errors.BLOCKED)
    assert client.abort(bucket, "object", upload).status == 204


def test_block_stays_when_a_rule_does_not_speak_of_it(client, blocked_bucket):
    assert client.put_encryption(blocked_bucket, rule("AES256")).status == 200
    assert get_rule(client, blocked_bucket).findtext("BlockedEncryptionTypes/EncryptionType") == "SSE-C"
    expect_error(client.put(blocked_bucket, "object", BODY, KEY_A.headers()), *errors.BLOCKED)


def test_block_stays_when_the_configuration_is_deleted(client, blocked_bucket):
    assert client.request("DELETE", blocked_bucket, query={"encryption": ""}).status == 204
    expect_error(client.put(blocked_bucket, "object", BODY, KEY_A.headers()), *errors.BLOCKED)


def test_server_setting_blocks_new_buckets(make_server):
    server = make_server(environment={"COFFER_BLOCK_SSE_C_ON_NEW_BUCKETS": "true"}).start()
    try:
        client = Client(server)
        assert client.create_bucket("new-bucket").status == 200
        expect_blocked(client.put("new-bucket", "object", BODY, KEY_A.headers()), "new-bucket", "object", "s3:PutObject")
        assert get_rule(client, "new-bucket").findtext("BlockedEncryptionTypes/EncryptionType") == "SSE-C"
        assert client.put_encryption("new-bucket", rule(blocked="NONE")).status == 200
        assert client.put("new-bucket", "object", BODY, KEY_A.headers()).status == 200
    finally:
        server.close()

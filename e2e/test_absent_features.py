"""What S3 has and this server has not, or S3 itself has no more: reads say «none» as S3 does, writes change nothing."""

import pytest

from support import errors
from support.access import ACCOUNT, put_document
from support.checksums import content_md5
from support.errors import expect_error
from support.sse import KEY_A

KINDS = ["analytics", "intelligent-tiering", "inventory", "metrics"]
RESULTS = {
    "analytics": "ListBucketAnalyticsConfigurationsResult", "intelligent-tiering": "ListIntelligentTieringConfigurationsResult",
    "inventory": "ListInventoryConfigurationsResult", "metrics": "ListMetricsConfigurationsResult"}
KEY_ARN = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"


def put(client, bucket, query, body=b"<X/>", key=None):
    return client.request("PUT", bucket, key, query=query, body=body, headers={"Content-MD5": content_md5(body)})


def expect_not_implemented(answer, feature):
    expect_error(answer, 501, "NotImplemented", f"{feature} is not implemented by this server")


# Configurations of buckets.

@pytest.mark.parametrize("kind", KINDS)
def test_no_configuration_is_listed(client, bucket, kind):
    for query in {}, {"id": ""}, {"continuation-token": ""}:
        answer = client.request("GET", bucket, query={kind: ""} | query)
        assert answer.status == 200 and answer.xml.tag == RESULTS[kind], answer
        assert answer.xml.findtext("IsTruncated") == "false"
        assert (answer.xml.find("ContinuationToken") is not None) == ("continuation-token" in query)
    answer = client.request("GET", bucket, query={kind: "", "continuation-token": "garbage"})
    expect_error(answer, 400, "MalformedContinuationToken", "The continuation-token you provided invalid.")


@pytest.mark.parametrize("kind", KINDS)
def test_configuration_that_is_not_there_is_neither_read_nor_deleted(client, bucket, kind):
    for method in "GET", "DELETE":
        answer = client.request(method, bucket, query={kind: "", "id": "some"})
        expect_error(answer, 404, "NoSuchConfiguration", "The specified configuration does not exist.")
    assert client.request("HEAD", bucket).status == 200


@pytest.mark.parametrize("kind, feature", [
    ("analytics", "Storage class analysis"), ("intelligent-tiering", "Intelligent-Tiering"), ("inventory", "Inventory"),
    ("metrics", "Request metrics"), ("accelerate", "Transfer Acceleration")])
def test_configuration_that_would_not_be_carried_out_is_refused(client, bucket, kind, feature):
    expect_not_implemented(put(client, bucket, {kind: "", "id": "some"}), feature)


def test_boto3_reads_them(s3, bucket):
    assert s3.list_bucket_metrics_configurations(Bucket=bucket)["IsTruncated"] is False
    assert s3.list_bucket_inventory_configurations(Bucket=bucket)["IsTruncated"] is False
    assert s3.list_bucket_analytics_configurations(Bucket=bucket)["IsTruncated"] is False
    assert s3.list_bucket_intelligent_tiering_configurations(Bucket=bucket)["IsTruncated"] is False
    assert "Status" not in s3.get_bucket_accelerate_configuration(Bucket=bucket)
    assert s3.get_bucket_abac(Bucket=bucket)["AbacStatus"] == {"Status": "Disabled"}


def test_metadata_tables_are_not_there(client, bucket):
    for method, sub_resource in [
            ("GET", "metadataConfiguration"), ("DELETE", "metadataConfiguration"), ("PUT", "metadataJournalTable"),
            ("PUT", "metadataInventoryTable"), ("PUT", "metadataAnnotationTable")]:
        answer = client.request(method, bucket, query={sub_resource: ""})
        expect_error(answer, 404, "MetadataConfigurationNotFound", "The metadata configuration was not found", BucketName=bucket)
    for method, operation in ("GET", "Get"), ("POST", "Create"), ("DELETE", "Delete"):
        answer = client.request(method, bucket, query={"metadataTable": ""})
        message = (f"The V1 {operation}BucketMetadataTableConfiguration API operation isn't available for this account. "
                   f"Use the corresponding V2 {operation}BucketMetadataConfiguration API operation instead.")
        expect_error(answer, 405, "V1APIsNotAllowed", message, Method=method)
    expect_not_implemented(client.request("POST", bucket, query={"metadataConfiguration": ""}, body=b"<X/>"), "Metadata tables")


def test_access_control_by_attributes_stays_off(client, bucket):
    assert put_document(client, bucket, "abac", "<AbacStatus><Status>Disabled</Status></AbacStatus>").status == 200
    answer = put_document(client, bucket, "abac", "<AbacStatus><Status>Enabled</Status></AbacStatus>")
    expect_not_implemented(answer, "Attribute-based access control of buckets")
    for document in "", "<AbacStatus/>", "<AbacStatus><Status>On</Status></AbacStatus>", "<Other/>":
        expect_error(put_document(client, bucket, "abac", document), *errors.MALFORMED_XML)
    assert client.request("GET", bucket, query={"abac": ""}).xml.findtext("Status") == "Disabled"


@pytest.mark.parametrize("method, query", [
    ("GET", {"inventory": ""}), ("GET", {"metrics": "", "id": "a"}), ("GET", {"abac": ""}), ("GET", {"metadataTable": ""}), ("PUT", {"accelerate": ""})],
    ids=lambda value: value if isinstance(value, str) else next(iter(value)))
def test_strangers_and_missing_buckets_come_first(client, bucket, method, query):
    assert client.anonymous(method, bucket, query=query).status == 403
    expect_error(client.request(method, "no-such-bucket", query=query), *errors.NO_SUCH_BUCKET)


# Operations on objects.

def test_no_object_has_annotations(client, bucket):
    client.put(bucket, "object", b"body")

    def annotation(method, key="object", body=b"", **query):
        return client.request(method, bucket, key, query={"annotation": ""} | {name.replace("_", "-"): value for name, value in query.items()}, body=body)

    answer = annotation("GET", annotation_prefix="x", max_annotation_results="5")
    assert answer.status == 200, answer
    assert [(element.tag, element.text) for element in answer.xml] == [
        ("Annotations", None), ("Bucket", bucket), ("Key", "object"), ("AnnotationPrefix", "x"), ("MaxAnnotationResults", "5"),
        ("AnnotationCount", "0")]
    assert annotation("GET", max_annotation_results="").xml.findtext("MaxAnnotationResults") == "1000"
    for bad in "0", "1001", "-1":
        expect_error(
            annotation("GET", max_annotation_results=bad), 400, "InvalidArgument",
            "Argument max-annotation-results must be an integer between 1 and 1000", "max-annotation-results", ArgumentValue=bad)
    expect_error(
        annotation("GET", max_annotation_results="abc"), 400, "InvalidArgument",
        "Provided max-annotation-results not an integer or within integer range", "max-annotation-results")
    expect_error(annotation("GET", continuation_token="x"), 400, "InvalidArgument", None, "continuation-token")
    missing = (404, "NoSuchAnnotation", "The specified annotation does not exist.")
    expect_error(annotation("GET", annotationName="a"), *missing, AnnotationName="a")
    nameless = (400, "UserAnnotationNameMustBeSpecified", "You must specify a user annotation name.")
    for method in "GET", "PUT", "DELETE":
        expect_error(annotation(method, annotationName=""), *nameless)
        expect_error(annotation(method, "missing", annotationName="a"), *errors.NO_SUCH_KEY, Key="missing")
    assert annotation("DELETE", annotationName="a").status == 204
    expect_not_implemented(annotation("PUT", annotationName="a", body=b"text"), "Annotations")
    assert client.get(bucket, "object").body == b"body"


def test_what_s3_has_no_more_is_not_allowed(client, bucket):
    client.put(bucket, "object", b"body")
    message = "The specified method is not allowed against this resource."
    for key in "object", "missing":
        answer = client.request("GET", bucket, key, query={"torrent": ""})
        expect_error(answer, 405, "MethodNotAllowed", message, Method="GET", ResourceType="TORRENT")
        assert answer.header("Allow") is None
    answer = client.request("GET", bucket, "object", query={"torrent": "", "versionId": "null"})
    expect_error(answer, 400, "InvalidArgument", "This operation does not accept a version-id.", "versionId")
    answer = client.request("POST", bucket, "object", query={"select": "", "select-type": "2"}, body=b"<SelectObjectContentRequest/>")
    expect_error(answer, 405, "MethodNotAllowed", message, Method="POST")
    answer = client.request("PUT", bucket, "new", query={"renameObject": ""}, headers={"x-amz-rename-source": f"/{bucket}/object"})
    expect_error(answer, 405, "MethodNotAllowed", message, Method="PUT")
    assert client.keys(bucket) == ["object"]


# UpdateObjectEncryption.

def update_encryption(client, bucket, key="object", inner=f"<SSE-KMS><KMSKeyArn>{KEY_ARN}</KMSKeyArn></SSE-KMS>", headers=None):
    body = f'<ObjectEncryption xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{inner}</ObjectEncryption>'.encode()
    headers = {"Content-MD5": content_md5(body)} if headers is None else headers
    return client.request("PUT", bucket, key, query={"encryption": ""}, body=body, headers=headers)


def test_object_cannot_be_put_under_a_key_that_is_not_there(s3, client, bucket):
    before = client.put(bucket, "object", b"body")
    expect_error(update_encryption(client, bucket), 400, "KMS.NotFoundException", f"Key '{KEY_ARN}' does not exist")
    with pytest.raises(s3.exceptions.ClientError, match="must be made over a secure connection"):
        s3.update_object_encryption(Bucket=bucket, Key="object", ObjectEncryption={"SSEKMS": {"KMSKeyArn": KEY_ARN}})
    after = client.get(bucket, "object")
    assert (after.body, after.etag) == (b"body", before.etag) and after.header("x-amz-server-side-encryption") == "AES256"


def test_encryption_of_an_object_that_has_another_key_is_not_updated(client, bucket):
    client.put(bucket, "object", b"body", KEY_A.headers())
    message = ("The UpdateObjectEncryption operation doesn't support source objects with the encryption type DSSE-KMS or SSE-C. "
               "Only source objects encrypted with SSE-S3 or SSE-KMS are supported.")
    expect_error(update_encryption(client, bucket), 400, "InvalidRequest", message)
    assert client.get(bucket, "object", KEY_A.headers()).body == b"body"


@pytest.mark.parametrize("inner, status, code, words", [
    ("<SSE-C/>", 400, "InvalidRequest", "updating the encryption type to DSSE-KMS or SSE-C"),
    ("<DSSE-KMS/>", 400, "InvalidRequest", "updating the encryption type to DSSE-KMS or SSE-C"),
    ("<SSE-S3/>", 400, "InvalidRequest", "require a valid new encryption type"),
    ("", 400, "InvalidRequest", "require a valid new encryption type"),
    ("<SSE-KMS/>", 400, "InvalidRequest", "require an AWS KMS key"),
    ("<SSE-KMS><KMSKeyArn>alias/a</KMSKeyArn></SSE-KMS>", 400, "InvalidRequest", "require a valid AWS KMS key"),
    (f"<SSE-KMS><KMSKeyArn>{KEY_ARN}</KMSKeyArn><BucketKeyEnabled>1</BucketKeyEnabled></SSE-KMS>", 400, "InvalidRequest", "BucketKeyEnabled"),
    (f"<SSE-KMS><KMSKeyArn>{KEY_ARN.replace(ACCOUNT, '999999999999')}</KMSKeyArn></SSE-KMS>", 403, "AccessDenied", "same account"),
    ("<SSE-KMS>", 400, "MalformedXML", "XML"),
])
def test_bad_update_of_encryption_is_refused_for_what_it_is(client, bucket, inner, status, code, words):
    client.put(bucket, "object", b"body")
    answer = update_encryption(client, bucket, inner=inner)
    expect_error(answer, status, code, None)
    assert words in answer.text("Message"), answer


def test_update_of_encryption_is_checked_before_it_is_read(client, bucket):
    expect_error(update_encryption(client, bucket), *errors.NO_SUCH_KEY)
    client.put(bucket, "object", b"body")
    expect_error(
        update_encryption(client, bucket, headers={}), 400, "InvalidRequest",
        "Missing required header for this request: Content-MD5 OR x-amz-checksum-*")
    expect_error(update_encryption(client, bucket, headers={"Content-MD5": content_md5(b"other")}), *errors.CONTENT_MD5_MISMATCH)
    assert client.anonymous("PUT", bucket, "object", query={"encryption": ""}, body=b"<ObjectEncryption/>").status == 403

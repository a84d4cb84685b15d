"""Object Lock: its documents, buckets that lock objects, and what a lock answers."""

from datetime import datetime, timedelta, timezone

from .checksums import content_md5
from .errors import S3Error
from .signer import as_bytes

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
MODE, UNTIL, HOLD = "x-amz-object-lock-mode", "x-amz-object-lock-retain-until-date", "x-amz-object-lock-legal-hold"
BYPASS = {"x-amz-bypass-governance-retention": "true"}

LOCKED = S3Error(403, "AccessDenied", "Access Denied because object protected by object lock.")
NO_LOCK_HERE = S3Error(400, "InvalidRequest", "Bucket is missing Object Lock Configuration")
NO_LOCK_FOR_WRITES = S3Error(400, "InvalidRequest", "Bucket is missing ObjectLockConfiguration")
NEVER_LOCKED = S3Error(
    404, "NoSuchObjectLockConfiguration", "The specified object does not have a ObjectLock configuration")
NOT_CONFIGURED = S3Error(
    404, "ObjectLockConfigurationNotFoundError", "Object Lock configuration does not exist for this bucket")
NOT_VERSIONED = S3Error(
    409, "InvalidBucketState", "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration")
DIGEST_MISSING = S3Error(
    400, "InvalidRequest", "Missing required header for this request: Content-MD5 OR x-amz-checksum-*")
PAST = "The retain until date must be in the future!"


def future(days=1):
    """A date in so many days, as S3 writes it."""
    return (datetime.now(timezone.utc) + timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def put_document(client, bucket, key, parameter, body, headers=(), query=()):
    """PUT of a document with its Content-MD5."""
    body = as_bytes(body)
    headers = {"Content-MD5": content_md5(body)} | dict(headers)
    return client.request("PUT", bucket, key, query={parameter: ""} | dict(query), body=body, headers=headers)


def configuration(default="", enabled="<ObjectLockEnabled>Enabled</ObjectLockEnabled>"):
    rule = f"<Rule><DefaultRetention>{default}</DefaultRetention></Rule>" if default else ""
    return f'<ObjectLockConfiguration xmlns="{NAMESPACE}">{enabled}{rule}</ObjectLockConfiguration>'


def put_configuration(client, bucket, body, headers=()):
    return put_document(client, bucket, None, "object-lock", body, headers)


def get_configuration(client, bucket):
    return client.request("GET", bucket, query={"object-lock": ""})


def retention(mode, until):
    return f'<Retention xmlns="{NAMESPACE}"><Mode>{mode}</Mode><RetainUntilDate>{until}</RetainUntilDate></Retention>'


def retain(client, bucket, key, mode, until, headers=(), query=()):
    return put_document(client, bucket, key, "retention", retention(mode, until), headers, query)


def hold(client, bucket, key, status, query=()):
    body = f'<LegalHold xmlns="{NAMESPACE}"><Status>{status}</Status></LegalHold>'
    return put_document(client, bucket, key, "legal-hold", body, query=query)


def put_versioning(client, bucket, status):
    body = as_bytes(f'<VersioningConfiguration xmlns="{NAMESPACE}"><Status>{status}</Status></VersioningConfiguration>')
    return client.request("PUT", bucket, query={"versioning": ""}, body=body, headers={"Content-MD5": content_md5(body)})


def put_locked(client, bucket, key, body=b"what is to be kept", mode=None, until=None, status=None):
    """Puts an object with what is to keep it, and returns its version."""
    headers = {name: value for name, value in ((MODE, mode), (UNTIL, until), (HOLD, status)) if value}
    answer = client.put(bucket, key, body, headers | {"Content-MD5": content_md5(body)})
    assert answer.status == 200, answer
    return answer.header("x-amz-version-id")

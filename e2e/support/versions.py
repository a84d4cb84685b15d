"""Versions: buckets that keep them, and what a listing says of them."""

from .access import NAMESPACE, put_document
from .checksums import content_md5
from .client import pairs_of
from .signer import uri_encode


def versioning_xml(status):
    return f'<VersioningConfiguration xmlns="{NAMESPACE}"><Status>{status}</Status></VersioningConfiguration>'


def put_versioning(client, bucket, status):
    answer = put_document(client, bucket, "versioning", versioning_xml(status))
    assert answer.status == 200, answer


def version_id(answer):
    return answer.header("x-amz-version-id")


def put_version(client, bucket, key, body=b"", headers=()):
    """Puts an object, and returns the ID of its version; S3 does not name the version null to who makes it."""
    answer = client.put(bucket, key, body, headers)
    assert answer.status == 200, answer
    return version_id(answer) or "null"


def put_marker(client, bucket, key):
    """Deletes an object, and returns the version of the delete marker."""
    answer = client.delete(bucket, key)
    assert answer.status == 204 and answer.header("x-amz-delete-marker") == "true", answer
    return version_id(answer)


def get_version(client, bucket, key, version, headers=()):
    return client.get(bucket, key, headers, query={"versionId": version})


def delete_version(client, bucket, key, version, headers=()):
    return client.delete(bucket, key, headers, query={"versionId": version})


def copy_source(bucket, key, version):
    """The header that names a version as the source of a copy."""
    return {"x-amz-copy-source": f"{uri_encode(bucket)}/{uri_encode(key, safe='/')}?versionId={uri_encode(version)}"}


def copy_version(client, bucket, key, source_bucket, source_key, version, headers=()):
    return client.put(bucket, key, headers=copy_source(source_bucket, source_key, version) | dict(pairs_of(headers)))


def list_versions(client, bucket, **query):
    """A page of versions, as S3 writes it. Parameters are named with underscores."""
    answer = client.request("GET", bucket, query={"versions": ""} | {name.replace("_", "-"): str(value) for name, value in query.items()})
    assert answer.status == 200 and answer.xml.tag == "ListVersionsResult", answer
    return answer


def entries(answer):
    """What a page lists: (Version or DeleteMarker, key, version ID, is latest), or (CommonPrefixes, prefix)."""
    found = []
    for element in answer.xml:
        if element.tag in ("Version", "DeleteMarker"):
            found.append((element.tag, element.findtext("Key"), element.findtext("VersionId"), element.findtext("IsLatest") == "true"))
        elif element.tag == "CommonPrefixes":
            found.append((element.tag, element.findtext("Prefix")))
    return found


def versions(client, bucket, **query):
    """Every version in a bucket, in S3's order, as (key, version ID); markers too."""
    answer = list_versions(client, bucket, **query)
    assert answer.xml.findtext("IsTruncated") == "false", answer
    return [entry[1:3] for entry in entries(answer)]


def delete_objects(client, bucket, *objects, quiet=False, headers=()):
    """DeleteObjects. An object is a key, or a key and a version ID."""
    named = [(each, None) if isinstance(each, str) else each for each in objects]
    inner = "".join(f"<Object><Key>{key}</Key>{f'<VersionId>{version}</VersionId>' if version is not None else ''}</Object>" for key, version in named)
    body = f'<Delete xmlns="{NAMESPACE}">{"<Quiet>true</Quiet>" if quiet else ""}{inner}</Delete>'.encode()
    return client.request("POST", bucket, query={"delete": ""}, body=body, headers={"Content-MD5": content_md5(body)} | dict(headers))

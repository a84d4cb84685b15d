"""Who may do what with a bucket: documents for the exact client, and what its answers say."""

import json

from .checksums import content_md5
from .signer import as_bytes

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
XSI = "{http://www.w3.org/2001/XMLSchema-instance}"
ALL_USERS = "http://acs.amazonaws.com/groups/global/AllUsers"
AUTHENTICATED_USERS = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers"
LOG_DELIVERY = "http://acs.amazonaws.com/groups/s3/LogDelivery"
ACCOUNT = "000000000000"
ROOT_ARN = f"arn:aws:iam::{ACCOUNT}:root"
FLAGS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
CONTROL_PATH = "/v20180820/configuration/publicAccessBlock"


def put_document(client, bucket, sub_resource, document, key=None, headers=None):
    body = as_bytes(document)
    headers = {"Content-MD5": content_md5(body)} if headers is None else headers
    return client.request("PUT", bucket, key, query={sub_resource: ""}, body=body, headers=headers)


def get_document(client, bucket, sub_resource, key=None):
    return client.request("GET", bucket, key, query={sub_resource: ""})


def delete_document(client, bucket, sub_resource):
    return client.request("DELETE", bucket, query={sub_resource: ""})


# Policies.

def statement(bucket, effect="Allow", principal="*", action="s3:GetObject", resource=None, **elements):
    resource = resource or f"arn:aws:s3:::{bucket}/*"
    return {"Effect": effect, "Principal": principal, "Action": action, "Resource": resource} | elements


def policy_of(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def put_policy(client, bucket, document, headers=None):
    return put_document(client, bucket, "policy", document, headers=headers)


# Block Public Access.

def block_xml(**flags):
    elements = "".join(f"<{name}>{value}</{name}>" for name, value in flags.items())
    return f'<PublicAccessBlockConfiguration xmlns="{NAMESPACE}">{elements}</PublicAccessBlockConfiguration>'


def put_block(client, bucket, **flags):
    """Sets Block Public Access; flags that are not named are off."""
    return put_document(client, bucket, "publicAccessBlock", block_xml(**{name: "false" for name in FLAGS} | flags))


def unblock(client, bucket):
    answer = delete_document(client, bucket, "publicAccessBlock")
    assert answer.status == 204, answer


def flags_of(answer):
    assert answer.status == 200 and answer.xml.tag == "PublicAccessBlockConfiguration", answer
    return {name: answer.xml.findtext(name) for name in FLAGS}


def control(client, method, body=b"", account=ACCOUNT, headers=None):
    """A request of the S3 Control API on an account's Block Public Access."""
    body = as_bytes(body)
    headers = {"x-amz-account-id": account} | ({"Content-MD5": content_md5(body)} if body else {}) if headers is None else headers
    return client.request(method, path=CONTROL_PATH, body=body, headers=headers)


# Ownership.

def put_ownership(client, bucket, ownership):
    return put_document(
        client, bucket, "ownershipControls",
        f'<OwnershipControls xmlns="{NAMESPACE}"><Rule><ObjectOwnership>{ownership}</ObjectOwnership></Rule></OwnershipControls>')


def ownership_of(client, bucket):
    answer = get_document(client, bucket, "ownershipControls")
    assert answer.status == 200 and answer.xml.tag == "OwnershipControls", answer
    assert len(answer.xml.findall("Rule")) == 1
    return answer.xml.findtext("Rule/ObjectOwnership")


def enable_acls(client, bucket, ownership="ObjectWriter"):
    """A bucket whose access control lists count and may be public."""
    assert put_ownership(client, bucket, ownership).status == 200
    unblock(client, bucket)


# Access control lists.

def grant_xml(kind, inner, permission):
    return (f'<Grant><Grantee xmlns:xsi="{XSI[1:-1]}" xsi:type="{kind}">{inner}</Grantee>'
            f"<Permission>{permission}</Permission></Grant>")


def user_grant(canonical_id, permission):
    return grant_xml("CanonicalUser", f"<ID>{canonical_id}</ID>", permission)


def group_grant(uri, permission):
    return grant_xml("Group", f"<URI>{uri}</URI>", permission)


def acl_xml(owner, *grants):
    return (f'<AccessControlPolicy xmlns="{NAMESPACE}"><Owner><ID>{owner}</ID></Owner>'
            f'<AccessControlList>{"".join(grants)}</AccessControlList></AccessControlPolicy>')


def put_acl(client, bucket, document=None, key=None, headers=None):
    """Puts a list by its document, or by headers alone."""
    if document is None:
        return client.request("PUT", bucket, key, query={"acl": ""}, headers=headers or {})
    return put_document(client, bucket, "acl", document, key, headers)


def acl_of(client, bucket, key=None):
    """The owner's canonical user ID, and the grants as (grantee, permission)."""
    answer = get_document(client, bucket, "acl", key)
    assert answer.status == 200 and answer.xml.tag == "AccessControlPolicy", answer
    grants = []
    for grant in answer.xml.iterfind("AccessControlList/Grant"):
        grantee = grant.find("Grantee")
        kind = grantee.get(f"{XSI}type")
        assert kind in ("CanonicalUser", "Group"), answer
        grants.append((grantee.findtext("ID" if kind == "CanonicalUser" else "URI"), grant.findtext("Permission")))
    return answer.xml.findtext("Owner/ID"), grants

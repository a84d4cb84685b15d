"""Whose an object is that one account writes into the bucket of another, and what its list says."""

from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError

from support.access import (
    ACCOUNT, ALL_USERS, acl_of, acl_xml, enable_acls, grant_xml, policy_of, put_acl, put_block, put_ownership, put_policy, statement,
    user_grant)
from support.iam import client_of, member_account

BODY = b"written by another account"
ACTIONS = ["s3:PutObject", "s3:PutObjectAcl", "s3:GetObject", "s3:GetObjectAcl"]


@pytest.fixture(scope="module")
def tenant(server):
    """Another account, and its administrator's S3 client."""
    member = member_account(server)
    s3 = client_of("s3", server, member.credentials)
    return SimpleNamespace(**vars(member), s3=s3, canonical_id=s3.list_buckets()["Owner"]["ID"])


@pytest.fixture
def shared(client, bucket, tenant):
    """A bucket of the first account that the other one may write to."""
    assert put_block(client, bucket).status == 200
    resource = [f"arn:aws:s3:::{bucket}/*"]
    assert put_policy(client, bucket, policy_of(statement(bucket, "Allow", {"AWS": tenant.id}, ACTIONS, resource))).status == 204
    return bucket


@pytest.fixture
def owner(client, bucket):
    return acl_of(client, bucket)[0]


def written(tenant, bucket, key, **settings):
    """Writes an object in each way there is, and returns what its list says."""
    s3 = tenant.s3
    s3.put_object(Bucket=bucket, Key=key, Body=BODY, **settings)
    s3.put_object(Bucket=bucket, Key=f"{key}-source", Body=BODY)
    s3.copy_object(Bucket=bucket, Key=f"{key}-copy", CopySource={"Bucket": bucket, "Key": f"{key}-source"}, **settings)
    upload = s3.create_multipart_upload(Bucket=bucket, Key=f"{key}-upload", **settings)["UploadId"]
    etag = s3.upload_part(Bucket=bucket, Key=f"{key}-upload", UploadId=upload, PartNumber=1, Body=BODY)["ETag"]
    s3.complete_multipart_upload(
        Bucket=bucket, Key=f"{key}-upload", UploadId=upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": etag}]})
    lists = [list_of(s3.get_object_acl(Bucket=bucket, Key=name)) for name in (key, f"{key}-copy", f"{key}-upload")]
    assert lists[0] == lists[1] == lists[2], lists
    return lists[0]


def list_of(answer):
    grants = [(grant["Grantee"].get("ID") or grant["Grantee"]["URI"], grant["Permission"]) for grant in answer["Grants"]]
    return answer["Owner"]["ID"], grants


def refused(call, **parameters):
    with pytest.raises(ClientError) as error:
        call(**parameters)
    return error.value.response["Error"]


def test_accounts_have_canonical_ids_of_their_own(owner, tenant):
    assert len(tenant.canonical_id) == len(owner) == 64 and tenant.canonical_id != owner


def test_owner_of_the_bucket_owns_everything_where_lists_are_disabled(shared, tenant, owner):
    assert written(tenant, shared, "plain") == (owner, [(owner, "FULL_CONTROL")])
    assert written(tenant, shared, "full", ACL="bucket-owner-full-control") == (owner, [(owner, "FULL_CONTROL")])


@pytest.mark.parametrize("settings", [
    {"ACL": "private"}, {"ACL": "bucket-owner-read"}, {"ACL": "public-read"}, {"GrantRead": f"uri={ALL_USERS}"},
], ids=str)
def test_writer_keeps_nothing_where_lists_are_disabled(client, shared, tenant, settings):
    error = refused(tenant.s3.put_object, Bucket=shared, Key="never", Body=BODY, **settings)
    assert error["Code"] == "AccessControlListNotSupported"
    assert client.keys(shared) == []


def test_writer_owns_what_it_writes(client, shared, tenant, owner):
    put_ownership(client, shared, "ObjectWriter")
    own = (tenant.canonical_id, "FULL_CONTROL")
    assert written(tenant, shared, "plain") == (tenant.canonical_id, [own])
    assert written(tenant, shared, "private", ACL="private") == (tenant.canonical_id, [own])
    assert written(tenant, shared, "read", ACL="bucket-owner-read") == (tenant.canonical_id, [own, (owner, "READ")])
    assert written(tenant, shared, "full", ACL="bucket-owner-full-control") == (tenant.canonical_id, [own, (owner, "FULL_CONTROL")])
    assert written(tenant, shared, "public", ACL="public-read") == (tenant.canonical_id, [own, (ALL_USERS, "READ")])


def test_owner_of_the_bucket_is_preferred_if_the_writer_agrees(client, shared, tenant, owner):
    put_ownership(client, shared, "BucketOwnerPreferred")
    own = (tenant.canonical_id, "FULL_CONTROL")
    assert written(tenant, shared, "full", ACL="bucket-owner-full-control") == (owner, [(owner, "FULL_CONTROL")])
    assert written(tenant, shared, "plain") == (tenant.canonical_id, [own])
    assert written(tenant, shared, "granted", GrantFullControl=f"id={owner}") == (tenant.canonical_id, [(owner, "FULL_CONTROL")])


def test_a_list_put_later_changes_no_owner(client, shared, tenant, owner):
    put_ownership(client, shared, "BucketOwnerPreferred")
    tenant.s3.put_object(Bucket=shared, Key="object", Body=BODY)
    tenant.s3.put_object_acl(Bucket=shared, Key="object", ACL="bucket-owner-full-control")
    found = list_of(tenant.s3.get_object_acl(Bucket=shared, Key="object"))
    assert found == (tenant.canonical_id, [(tenant.canonical_id, "FULL_CONTROL"), (owner, "FULL_CONTROL")])


def test_disabling_lists_gives_everything_to_the_owner_of_the_bucket(client, shared, tenant, owner):
    put_ownership(client, shared, "ObjectWriter")
    tenant.s3.put_object(Bucket=shared, Key="object", Body=BODY)
    assert client.get(shared, "object").status == 403, "it is the writer's"
    put_ownership(client, shared, "BucketOwnerEnforced")
    assert client.get(shared, "object").body == BODY
    assert acl_of(client, shared, "object") == (owner, [(owner, "FULL_CONTROL")])


def test_why_a_public_list_is_prevented_is_not_told_to_others(client, shared, tenant):
    enable_acls(client, shared)
    put_block(client, shared, BlockPublicAcls="true")
    error = refused(tenant.s3.put_object, Bucket=shared, Key="never", Body=BODY, ACL="public-read")
    assert (error["Code"], error["Message"]) == ("AccessDenied", "Access Denied")
    assert client.keys(shared) == []


def test_nobody_gives_away_what_they_own(client, shared, tenant, owner):
    put_ownership(client, shared, "ObjectWriter")
    client.put(shared, "object", BODY)
    for key in (None, "object"):
        answer = put_acl(client, shared, acl_xml(tenant.canonical_id, user_grant(tenant.canonical_id, "FULL_CONTROL")), key)
        assert (answer.status, answer.text("Code")) == (403, "AccessDenied"), answer
        assert acl_of(client, shared, key) == (owner, [(owner, "FULL_CONTROL")])


def test_who_may_change_a_list_cannot_change_its_owner(client, shared, tenant, owner):
    put_ownership(client, shared, "ObjectWriter")
    client.put(shared, "object", BODY)
    grants = [{"Grantee": {"Type": "CanonicalUser", "ID": tenant.canonical_id}, "Permission": "FULL_CONTROL"}]
    put = {"Bucket": shared, "Key": "object"}
    error = refused(
        tenant.s3.put_object_acl, **put, AccessControlPolicy={"Owner": {"ID": tenant.canonical_id}, "Grants": grants})
    assert error["Code"] == "AccessDenied"
    tenant.s3.put_object_acl(**put, AccessControlPolicy={"Owner": {"ID": owner}, "Grants": grants})
    assert acl_of(client, shared, "object") == (owner, [(tenant.canonical_id, "FULL_CONTROL")])


def test_grants_name_accounts_by_address_and_by_id(client, shared, tenant, owner):
    put_ownership(client, shared, "ObjectWriter")
    by_address = grant_xml("AmazonCustomerByEmail", f"<EmailAddress>{tenant.email}</EmailAddress>", "READ")
    assert put_acl(client, shared, acl_xml(owner, by_address, user_grant(tenant.canonical_id, "WRITE"))).status == 200
    assert acl_of(client, shared) == (owner, [(tenant.canonical_id, "READ"), (tenant.canonical_id, "WRITE")])
    answer = put_acl(client, shared, headers={"x-amz-grant-read": f'emailAddress="{tenant.email}"'})
    assert answer.status == 200
    assert acl_of(client, shared) == (owner, [(tenant.canonical_id, "READ")])


def test_lists_that_grant_to_accounts_keep_lists_enabled(client, shared, tenant, owner):
    put_ownership(client, shared, "ObjectWriter")
    put_acl(client, shared, acl_xml(owner, user_grant(owner, "FULL_CONTROL"), user_grant(tenant.canonical_id, "READ")))
    answer = put_ownership(client, shared, "BucketOwnerEnforced")
    assert (answer.status, answer.text("Code")) == (400, "InvalidBucketAclWithObjectOwnership"), answer


def test_policy_of_a_bucket_is_its_accounts_alone(client, bucket, tenant):
    resource = f"arn:aws:s3:::{bucket}"
    actions = ["s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy"]
    document = policy_of(statement(bucket, "Allow", {"AWS": tenant.id}, actions, resource))
    assert put_policy(client, bucket, document).status == 204
    for error in (refused(tenant.s3.get_bucket_policy, Bucket=bucket), refused(tenant.s3.delete_bucket_policy, Bucket=bucket),
                  refused(tenant.s3.put_bucket_policy, Bucket=bucket, Policy=document)):
        assert error["Code"] == "MethodNotAllowed"


def test_accounts_block_public_access_apart(server, client, tenant):
    s3control = client_of("s3control", server, tenant.credentials, proxies={"http": server.url})
    flags = dict.fromkeys(("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True)
    s3control.put_public_access_block(AccountId=tenant.id, PublicAccessBlockConfiguration=flags)
    assert s3control.get_public_access_block(AccountId=tenant.id)["PublicAccessBlockConfiguration"] == flags
    for call in (s3control.get_public_access_block, s3control.delete_public_access_block):
        assert refused(call, AccountId=ACCOUNT)["Code"] == "AccessDenied"
    s3control.delete_public_access_block(AccountId=tenant.id)

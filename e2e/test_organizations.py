"""Accounts by the Organizations API: made, entered, apart from each other, closed."""

import json

import pytest

from support.iam import allow, client_of, create_user, credentials_of, error_code, unique
from support.tools import Tool


@pytest.fixture(scope="module")
def organizations(server):
    return client_of("organizations", server)


@pytest.fixture(scope="module")
def admin(server):
    """An administrator of the first account, who may enter the others."""
    return create_user(client_of("iam", server), managed=["AdministratorAccess"])[1]


def make_account(organizations):
    name = unique("tenant")
    status = organizations.create_account(AccountName=name, Email=f"{name}@example.com")["CreateAccountStatus"]
    assert status["State"] == "SUCCEEDED"
    return status["AccountId"]


def enter(server, admin, account):
    role = f"arn:aws:iam::{account}:role/OrganizationAccountAccessRole"
    answer = client_of("sts", server, admin).assume_role(RoleArn=role, RoleSessionName="admin")
    return credentials_of(answer["Credentials"])


def test_accounts_are_listed_page_by_page(organizations):
    made = [make_account(organizations) for _ in range(3)]
    pages = organizations.get_paginator("list_accounts").paginate(PaginationConfig={"PageSize": 2})
    accounts = {account["Id"]: account for page in pages for account in page["Accounts"]}
    assert set(made) | {"000000000000"} <= set(accounts)
    assert organizations.describe_account(AccountId=made[0])["Account"] == accounts[made[0]]
    assert organizations.describe_organization()["Organization"]["MasterAccountId"] == "000000000000"


def test_an_address_is_taken(organizations):
    email = f"{unique('taken')}@example.com"
    organizations.create_account(AccountName="one", Email=email)
    status = organizations.create_account(AccountName="two", Email=email)["CreateAccountStatus"]
    assert (status["State"], status["FailureReason"]) == ("FAILED", "EMAIL_ALREADY_EXISTS")
    again = organizations.describe_create_account_status(CreateAccountRequestId=status["Id"])
    assert again["CreateAccountStatus"] == status


def test_two_accounts_do_not_see_each_other(server, organizations, admin):
    tenants = [enter(server, admin, make_account(organizations)) for _ in range(2)]
    buckets, users = [], []
    for tenant in tenants:
        bucket = unique("tenant-bucket")
        s3, iam = client_of("s3", server, tenant), client_of("iam", server, tenant)
        s3.create_bucket(Bucket=bucket)
        s3.put_object(Bucket=bucket, Key="k", Body=b"body")
        buckets.append(bucket)
        users.append(create_user(iam, policy=allow("*"))[0])
    for mine, other in [(0, 1), (1, 0)]:
        s3, iam = client_of("s3", server, tenants[mine]), client_of("iam", server, tenants[mine])
        assert [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]] == [buckets[mine]]
        for call, parameters in [
            (s3.get_object, {"Bucket": buckets[other], "Key": "k"}),
            (s3.get_object, {"Bucket": buckets[other], "Key": "missing"}),
            (s3.put_object, {"Bucket": buckets[other], "Key": "k", "Body": b""}),
            (s3.list_objects_v2, {"Bucket": buckets[other]}),
            (s3.delete_bucket, {"Bucket": buckets[other]}),
            (s3.get_bucket_policy, {"Bucket": buckets[other]}),
        ]:
            assert error_code(call, **parameters) == "AccessDenied"
        copy = {"Bucket": buckets[mine], "Key": "stolen", "CopySource": f"{buckets[other]}/k"}
        assert error_code(s3.copy_object, **copy) == "AccessDenied"
        assert error_code(s3.create_bucket, Bucket=buckets[other]) == "BucketAlreadyExists"
        assert [user["UserName"] for user in iam.list_users()["Users"]] == [users[mine]]
        assert error_code(iam.get_user, UserName=users[other]) == "NoSuchEntity"
        roles = [role["RoleName"] for role in iam.list_roles()["Roles"]]
        assert roles == ["OrganizationAccountAccessRole"]
        assert error_code(client_of("organizations", server, tenants[mine]).list_accounts) == "AccessDeniedException"


def test_an_account_shares_a_bucket_by_its_policy(server, organizations, admin):
    accounts = [make_account(organizations) for _ in range(2)]
    owner, guest = (enter(server, admin, account) for account in accounts)
    bucket = unique("shared-bucket")
    s3 = client_of("s3", server, owner)
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="k", Body=b"body")
    statement = {
        "Effect": "Allow", "Principal": {"AWS": accounts[1]}, "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{bucket}/*"}
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    assert client_of("s3", server, guest).get_object(Bucket=bucket, Key="k")["Body"].read() == b"body"
    # The guest's own users need the permission of the guest, too.
    iam = client_of("iam", server, guest)
    _, bare = create_user(iam)
    _, allowed = create_user(iam, managed=["AmazonS3ReadOnlyAccess"])
    assert error_code(client_of("s3", server, bare).get_object, Bucket=bucket, Key="k") == "AccessDenied"
    client_of("s3", server, allowed).get_object(Bucket=bucket, Key="k")
    assert error_code(client_of("s3", server, guest).put_object, Bucket=bucket, Key="k", Body=b"") == "AccessDenied"


def test_a_closed_account(server, organizations, admin):
    account = make_account(organizations)
    tenant = enter(server, admin, account)
    bucket = unique("closed-bucket")
    client_of("s3", server, tenant).create_bucket(Bucket=bucket)
    _, user = create_user(client_of("iam", server, tenant), policy=allow("*"))
    as_user, as_role = client_of("s3", server, user), client_of("s3", server, tenant)
    as_user.put_object(Bucket=bucket, Key="k", Body=b"body")
    organizations.close_account(AccountId=account)
    assert error_code(as_user.get_object, Bucket=bucket, Key="k") == "InvalidAccessKeyId"
    assert error_code(as_role.get_object, Bucket=bucket, Key="k") == "InvalidToken"
    assert error_code(client_of("sts", server, user).get_caller_identity) == "InvalidClientTokenId"
    role = f"arn:aws:iam::{account}:role/OrganizationAccountAccessRole"
    sts = client_of("sts", server, admin)
    assert error_code(sts.assume_role, RoleArn=role, RoleSessionName="session") == "AccessDenied"
    assert organizations.describe_account(AccountId=account)["Account"]["Status"] == "SUSPENDED"
    assert error_code(organizations.close_account, AccountId=account) == "AccountAlreadyClosedException"


def test_a_tenant_by_the_cli(server, admin, tmp_path):
    """What docs/accounts.md says, as it says it."""
    aws = Tool("aws", server, tmp_path, environment={
        "AWS_ENDPOINT_URL": server.url, "AWS_ACCESS_KEY_ID": admin.access_key,
        "AWS_SECRET_ACCESS_KEY": admin.secret_key})
    email = f"{unique('cli')}@example.com"
    account = aws.run("organizations", "create-account", "--account-name", "Tenant", "--email", email,
                      "--query", "CreateAccountStatus.AccountId", "--output", "text").strip()
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws/config").write_text(
        f"[profile admin]\naws_access_key_id = {admin.access_key}\naws_secret_access_key = {admin.secret_key}\n"
        f"[profile tenant]\nrole_arn = arn:aws:iam::{account}:role/OrganizationAccountAccessRole\n"
        "source_profile = admin\n")
    del aws.environment["AWS_ACCESS_KEY_ID"], aws.environment["AWS_SECRET_ACCESS_KEY"]
    identity = json.loads(aws.run("sts", "get-caller-identity", "--profile", "tenant"))
    assert identity["Account"] == account
    aws.run("iam", "create-user", "--user-name", "ann", "--profile", "tenant")
    aws.run("iam", "attach-user-policy", "--user-name", "ann", "--policy-arn",
            "arn:aws:iam::aws:policy/AmazonS3FullAccess", "--profile", "tenant")
    key = json.loads(aws.run("iam", "create-access-key", "--user-name", "ann", "--profile", "tenant"))["AccessKey"]
    aws.environment |= {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
    bucket = unique("cli-tenant-bucket")
    aws.run("s3", "mb", f"s3://{bucket}")
    assert bucket in aws.run("s3", "ls")

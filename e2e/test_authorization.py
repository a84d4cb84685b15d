"""Who may do what: users, sessions, presigned URLs, forms, other accounts and strangers, against every kind of policy."""

import json

import pytest

from support import errors
from support.access import enable_acls, policy_of, put_acl, put_policy, statement, unblock
from support.checksums import content_md5
from support.client import Client
from support.errors import expect_error, expect_status_only
from support.forms import Form, encode, post_body
from support.iam import allow, client_of, create_user, new_account, session_of

ACCOUNT = "000000000000"


@pytest.fixture(scope="session")
def user(server, iam):
    """Makes users with a policy, and gives the exact client of each."""

    def make(policy=None):
        name, credentials = create_user(iam, policy=policy)
        client = Client(server, credentials)
        client.name, client.arn = name, f"arn:aws:iam::{ACCOUNT}:user/{name}"
        return client

    return make


@pytest.fixture(scope="session")
def tenant(server):
    """The number of another account, and the exact client of an administrator in it."""
    account, credentials = new_account(server)
    return account, Client(server, credentials)


def objects(bucket, *patterns):
    return [f"arn:aws:s3:::{bucket}/{pattern}" for pattern in patterns or ["*"]]


def not_authorized(arn, action, resource, reason):
    return f'User: {arn} is not authorized to perform: {action} on resource: "{resource}" {reason}'


def test_user_may_do_what_a_policy_says_and_nothing_else(client, bucket, user):
    client.put(bucket, "own/a", b"a")
    client.put(bucket, "other/b", b"b")
    alice = user(allow("s3:GetObject", "s3:PutObject", resource=objects(bucket, "own/*")))
    assert alice.get(bucket, "own/a").body == b"a"
    assert alice.put(bucket, "own/new", b"new").status == 200
    for action, answer in [
        ("s3:GetObject", alice.get(bucket, "other/b")),
        ("s3:PutObject", alice.put(bucket, "other/b", b"")),
        ("s3:DeleteObject", alice.delete(bucket, "other/b")),
    ]:
        message = not_authorized(
            alice.arn, action, f"arn:aws:s3:::{bucket}/other/b", f"because no identity-based policy allows the {action} action")
        expect_error(answer, 403, "AccessDenied", message)
    expect_status_only(alice.request("HEAD", bucket), 403)
    expect_error(alice.delete(bucket, "own/a"), *errors.DENIED)
    assert client.get(bucket, "other/b").body == b"b"


def test_policy_takes_effect_and_is_gone_at_once(client, bucket, user, iam):
    client.put(bucket, "a", b"a")
    alice = user()
    assert alice.get(bucket, "a").status == 403
    iam.put_user_policy(UserName=alice.name, PolicyName="p", PolicyDocument=allow("s3:GetObject"))
    assert alice.get(bucket, "a").status == 200
    iam.delete_user_policy(UserName=alice.name, PolicyName="p")
    assert alice.get(bucket, "a").status == 403


def test_home_folders_by_policy_variable(client, bucket, user):
    document = json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"],
         "Resource": f"arn:aws:s3:::{bucket}/home/${{aws:username}}/*"},
        {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": f"arn:aws:s3:::{bucket}",
         "Condition": {"StringLike": {"s3:prefix": ["home/${aws:username}/*"]}}}]})
    alice, bob = user(document), user(document)
    assert alice.put(bucket, f"home/{alice.name}/a", b"").status == 200
    assert bob.get(bucket, f"home/{alice.name}/a").status == 403
    lists = lambda who, prefix: who.request("GET", bucket, query={"list-type": "2", "prefix": prefix}).status
    assert lists(alice, f"home/{alice.name}/") == 200
    assert lists(bob, f"home/{alice.name}/") == 403
    assert alice.request("GET", bucket, query={"list-type": "2"}).status == 403


def test_bucket_policy_that_denies_wins_over_everything(client, bucket, user):
    client.put(bucket, "a", b"a")
    alice = user(allow("s3:*"))
    put_policy(client, bucket, policy_of(statement(bucket, effect="Deny")))
    reason = "with an explicit deny in a resource-based policy"
    resource = f"arn:aws:s3:::{bucket}/a"
    expect_error(alice.get(bucket, "a"), 403, "AccessDenied", not_authorized(alice.arn, "s3:GetObject", resource, reason))
    root = f"arn:aws:iam::{ACCOUNT}:root"
    expect_error(client.get(bucket, "a"), 403, "AccessDenied", not_authorized(root, "s3:GetObject", resource, reason))
    expect_error(client.anonymous("GET", bucket, "a"), *errors.ACCESS_DENIED)


def test_root_repairs_its_own_bucket(client, bucket, user):
    everything = statement(bucket, effect="Deny", action="s3:*", resource=[f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"])
    assert put_policy(client, bucket, policy_of(everything)).status == 204
    assert client.request("GET", bucket, query={"location": ""}).status == 403
    alice = user(allow("s3:*"))
    assert alice.request("DELETE", bucket, query={"policy": ""}).status == 403
    assert client.request("GET", bucket, query={"policy": ""}).status == 200
    assert client.request("DELETE", bucket, query={"policy": ""}).status == 204
    assert client.request("GET", bucket, query={"location": ""}).status == 200


def test_strangers_get_what_is_public(client, bucket):
    client.put(bucket, "public/a", b"a")
    client.put(bucket, "private/b", b"b")
    unblock(client, bucket)
    assert put_policy(client, bucket, policy_of(statement(bucket, resource=objects(bucket, "public/*")))).status == 204
    assert client.anonymous("GET", bucket, "public/a").body == b"a"
    for method, key in [("GET", "private/b"), ("PUT", "public/a"), ("DELETE", "public/a"), ("GET", None), ("PUT", None)]:
        expect_error(client.anonymous(method, bucket, key), *errors.ACCESS_DENIED)


def test_what_is_not_there_is_hidden_from_who_may_not_list(client, bucket, user):
    alice = user(allow("s3:GetObject"))
    expect_error(alice.get(bucket, "none"), 403, "AccessDenied", not_authorized(
        alice.arn, "s3:ListBucket", f"arn:aws:s3:::{bucket}", "because no identity-based policy allows the s3:ListBucket action"))
    expect_status_only(alice.head(bucket, "none"), 403)
    bob = user(allow("s3:GetObject", "s3:ListBucket"))
    expect_error(bob.get(bucket, "none"), *errors.NO_SUCH_KEY)
    expect_status_only(bob.head(bucket, "none"), 404)


def test_presigned_url_is_its_signers(client, bucket, user, iam):
    client.put(bucket, "a", b"a")
    alice = user(allow("s3:GetObject"))
    url = alice.presign("GET", bucket, "a")
    assert client.send_presigned("GET", url).body == b"a"
    assert client.send_presigned("PUT", alice.presign("PUT", bucket, "b"), body=b"x").status == 403
    iam.delete_user_policy(UserName=alice.name, PolicyName="inline")
    assert client.send_presigned("GET", url).status == 403


def test_session_is_limited_by_its_policy_also_in_a_url_and_a_form(server, client, bucket, iam):
    name, credentials = create_user(iam, policy=allow("sts:AssumeRole"))
    trust = json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:user/{name}"}, "Action": "sts:AssumeRole"}]})
    role = iam.create_role(RoleName=f"role-of-{name}", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    iam.put_role_policy(RoleName=f"role-of-{name}", PolicyName="p", PolicyDocument=allow("s3:*"))
    policy = allow("s3:GetObject", "s3:PutObject", resource=objects(bucket, "own/*"))
    session = Client(server, session_of(server, credentials, role, Policy=policy))
    assert session.put(bucket, "own/a", b"a").status == 200
    answer = session.put(bucket, "other/a", b"a")
    arn = f"arn:aws:sts::{ACCOUNT}:assumed-role/role-of-{name}/session"
    expect_error(answer, 403, "AccessDenied", not_authorized(
        arn, "s3:PutObject", f"arn:aws:s3:::{bucket}/other/a", "because no session policy allows the s3:PutObject action"))
    assert client.send_presigned("GET", session.presign("GET", bucket, "own/a")).body == b"a"
    assert client.send_presigned("DELETE", session.presign("DELETE", bucket, "own/a")).status == 403
    assert Form(session, bucket, {"key": "own/form"}).post(b"form").status == 204
    assert Form(session, bucket, {"key": "other/form"}).post(b"form").status == 403
    assert client.keys(bucket) == ["own/a", "own/form"]


def test_form_is_its_signers_or_nobodys(client, bucket, user):
    alice = user(allow("s3:PutObject", resource=objects(bucket, "own/*")))
    assert Form(alice, bucket, {"key": "own/a"}).post(b"a").status == 204
    expect_error(Form(alice, bucket, {"key": "other/a"}).post(b"a"), *errors.DENIED)
    expect_error(Form(alice, bucket, {"key": "own/b", "acl": "private"}).post(b"b"), *errors.DENIED)
    stranger = encode([("key", "own/c")], b"c")
    expect_error(post_body(client, bucket, stranger), *errors.ACCESS_DENIED)
    unblock(client, bucket)
    put_policy(client, bucket, policy_of(statement(bucket, action="s3:PutObject", resource=objects(bucket, "drop/*"))))
    expect_error(post_body(client, bucket, stranger), *errors.ACCESS_DENIED)
    assert post_body(client, bucket, encode([("key", "drop/c")], b"c")).status == 204
    assert client.keys(bucket) == ["drop/c", "own/a"]


def test_form_may_be_made_to_come_from_a_page(client, bucket):
    condition = {"StringLike": {"aws:Referer": "https://example.org/*"}}
    unblock(client, bucket)
    put_policy(client, bucket, policy_of(statement(bucket, action="s3:PutObject", Condition=condition)))
    body = encode([("key", "a")], b"a")
    send = lambda referer: client.send("POST", client.path(bucket, None), [
        ("Host", client.address(True)[2]), ("Content-Type", "multipart/form-data; boundary=e2e-form-boundary"),
        ("Content-Length", len(body)), ("Referer", referer)], body)
    assert send("https://evil.example/").status == 403
    assert send("https://example.org/upload").status == 204


def test_deputy_copies_nothing_that_its_caller_may_not_read(client, new_bucket, user):
    mine, secret = new_bucket(), new_bucket()
    client.put(secret, "plan", b"plan")
    client.put(mine, "own", b"own")
    alice = user(allow("s3:*", resource=[f"arn:aws:s3:::{mine}", *objects(mine)]))
    expect_error(alice.copy(mine, "copy", secret, "plan"), 403, "AccessDenied", not_authorized(
        alice.arn, "s3:GetObject", f"arn:aws:s3:::{secret}/plan", "because no identity-based policy allows the s3:GetObject action"))
    assert alice.copy(mine, "copy", secret, "none").status == 403
    upload = alice.new_upload(mine, "parts")
    assert alice.copy_part(mine, "parts", upload, 1, secret, "plan").status == 403
    assert alice.copy_part(mine, "parts", upload, 1, mine, "own").status == 200
    url = alice.presign("PUT", mine, "copy", headers={"x-amz-copy-source": f"{secret}/plan"})
    assert client.send_presigned("PUT", url, headers={"x-amz-copy-source": f"{secret}/plan"}).status == 403
    assert alice.copy(secret, "stolen", mine, "own").status == 403
    put_policy(client, secret, policy_of(statement(secret, principal={"AWS": alice.arn})))
    assert alice.copy(mine, "copy", secret, "plan").status == 200
    assert client.keys(mine) == ["copy", "own"]


def test_header_in_a_url_does_not_smuggle_a_source(client, new_bucket, user):
    mine, secret = new_bucket(), new_bucket()
    client.put(secret, "plan", b"plan")
    alice = user(allow("s3:*", resource=[f"arn:aws:s3:::{mine}", *objects(mine)]))
    url = alice.presign("PUT", mine, "copy", query={"x-amz-copy-source": f"{secret}/plan"})
    assert client.send_presigned("PUT", url).status == 403
    assert client.keys(mine) == []


def test_batch_is_judged_key_by_key(client, bucket, user):
    for key in ("own/a", "own/b", "other/c"):
        client.put(bucket, key, b"")
    alice = user(allow("s3:DeleteObject", resource=objects(bucket, "own/*")))
    body = ("<Delete><Object><Key>own/a</Key></Object><Object><Key>other/c</Key></Object>"
            "<Object><Key>own/b</Key></Object></Delete>").encode()
    answer = alice.request("POST", bucket, query={"delete": ""}, body=body, headers={"Content-MD5": content_md5(body)})
    assert answer.status == 200
    assert [element.text for element in answer.xml.iterfind("Deleted/Key")] == ["own/a", "own/b"]
    errors_found = [(element.findtext("Key"), element.findtext("Code")) for element in answer.xml.iterfind("Error")]
    assert errors_found == [("other/c", "AccessDenied")]
    stranger = client.anonymous("POST", bucket, query={"delete": ""}, body=body, headers={"Content-MD5": content_md5(body)})
    expect_error(stranger, *errors.ACCESS_DENIED)
    assert client.keys(bucket) == ["other/c"]


def test_accounts_are_apart(client, bucket, tenant, server):
    account, theirs = tenant
    client.put(bucket, "a", b"a")
    for answer in (theirs.get(bucket, "a"), theirs.put(bucket, "b", b""), theirs.request("DELETE", bucket)):
        expect_error(answer, *errors.ACCESS_DENIED)
    expect_error(theirs.create_bucket(bucket), *errors.BUCKET_ALREADY_EXISTS, BucketName=bucket)
    assert theirs.create_bucket(f"{bucket}-theirs").status == 200
    names = [element.text for element in theirs.request("GET").xml.iterfind("Buckets/Bucket/Name")]
    assert names == [f"{bucket}-theirs"]
    ours = client.request("GET")
    assert f"{bucket}-theirs" not in [element.text for element in ours.xml.iterfind("Buckets/Bucket/Name")]
    assert ours.text("Owner/ID") != theirs.request("GET").text("Owner/ID")
    expect_error(client.request("GET", f"{bucket}-theirs", query={"location": ""}), *errors.ACCESS_DENIED)
    owner = {"x-amz-expected-bucket-owner": account}
    assert theirs.request("GET", f"{bucket}-theirs", query={"location": ""}, headers=owner).status == 200
    expect_error(client.request("GET", bucket, query={"location": ""}, headers=owner), *errors.ACCESS_DENIED)
    assert theirs.request("DELETE", f"{bucket}-theirs").status == 204


def test_another_account_needs_both_sides(client, bucket, tenant, server):
    account, theirs = tenant
    client.put(bucket, "a", b"a")
    _, limited = create_user(client_of("iam", server, theirs.credentials), policy=allow("s3:PutObject"))
    limited = Client(server, limited)
    assert put_policy(client, bucket, policy_of(statement(bucket, principal={"AWS": account}))).status == 204
    assert theirs.get(bucket, "a").body == b"a"
    expect_error(limited.get(bucket, "a"), *errors.ACCESS_DENIED)
    expect_error(limited.put(bucket, "a", b""), *errors.ACCESS_DENIED)
    expect_error(theirs.get(bucket, "none"), *errors.ACCESS_DENIED)
    expect_error(client.anonymous("GET", bucket, "a"), *errors.ACCESS_DENIED)


def test_acl_grants_an_account(client, bucket, tenant):
    _, theirs = tenant
    enable_acls(client, bucket)
    client.put(bucket, "a", b"a")
    assert theirs.get(bucket, "a").status == 403
    canonical_id = theirs.request("GET").text("Owner/ID")
    assert put_acl(client, bucket, key="a", headers={"x-amz-grant-read": f'id="{canonical_id}"'}).status == 200
    assert theirs.get(bucket, "a").body == b"a"
    assert theirs.put(bucket, "a", b"").status == 403
    assert client.anonymous("GET", bucket, "a").status == 403


def test_bucket_owner_does_not_read_what_another_account_owns(client, bucket, tenant):
    account, theirs = tenant
    enable_acls(client, bucket)
    put_policy(client, bucket, policy_of(statement(bucket, principal={"AWS": account}, action="s3:PutObject")))
    assert theirs.put(bucket, "theirs", b"theirs").status == 200
    assert theirs.get(bucket, "theirs").body == b"theirs"
    expect_error(client.get(bucket, "theirs"), *errors.ACCESS_DENIED)
    assert client.copy(bucket, "copy", bucket, "theirs").status == 403
    entries = client.request("GET", bucket, query={"list-type": "2", "fetch-owner": "true"}).xml
    assert entries.findtext("Contents/Owner/ID") == theirs.request("GET").text("Owner/ID")
    assert client.delete(bucket, "theirs").status == 204


def test_tags_decide(client, bucket, user):
    client.put(bucket, "open", b"o", headers={"x-amz-tagging": "level=open"})
    client.put(bucket, "secret", b"s", headers={"x-amz-tagging": "level=secret"})
    alice = user(allow("s3:GetObject", Condition={"StringEquals": {"s3:ExistingObjectTag/level": "open"}}))
    assert alice.get(bucket, "open").body == b"o"
    assert alice.get(bucket, "secret").status == 403
    writer = user(allow("s3:PutObject", "s3:PutObjectTagging", Condition={"StringEquals": {"s3:RequestObjectTag/level": "open"}}))
    assert writer.put(bucket, "new", b"", headers={"x-amz-tagging": "level=open"}).status == 200
    assert writer.put(bucket, "new", b"", headers={"x-amz-tagging": "level=secret"}).status == 403
    assert writer.put(bucket, "new", b"").status == 403


def test_unsupported_operation_is_denied_first(client, bucket, user):
    client.put(bucket, "object", b"content")
    alice = user(allow("s3:PutObject"))
    select = {"method": "POST", "bucket": bucket, "key": "object", "query": {"select": "", "select-type": "2"}}
    expect_error(alice.request(**select), *errors.DENIED)
    answer = client.request(**select)
    assert answer.status == 405 and answer.text("Code") == "MethodNotAllowed", answer


def test_boto3_is_told_why(server, client, bucket, user):
    client.put(bucket, "a", b"a")
    alice = user(allow("s3:ListBucket", resource=f"arn:aws:s3:::{bucket}"))
    aws = client_of("s3", server, alice.credentials)
    assert [entry["Key"] for entry in aws.list_objects_v2(Bucket=bucket)["Contents"]] == ["a"]
    with pytest.raises(aws.exceptions.ClientError, match="no identity-based policy allows the s3:GetObject action"):
        aws.get_object(Bucket=bucket, Key="a")

"""Who may use a key: key policies, identity policies, grants, and what somebody weak tries to get more."""

import json

import pytest
from botocore.exceptions import ClientError

from support.iam import allow, client_of, create_key, create_user, error_code, new_account, refusal, session_of, unique
from support.tools import Tool

ACCOUNT = "000000000000"
DENIED = "AccessDeniedException"
USE = ("kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*", "kms:DescribeKey")


@pytest.fixture
def key(key):
    """The id of a key of the test's own."""
    return key["KeyId"]


def statement(*actions, principal, effect="Allow", **elements):
    return {"Effect": effect, "Principal": principal, "Action": list(actions), "Resource": "*"} | elements


def administered(*statements):
    """A key policy under which the account's root user, and nobody else of the account, may do anything."""
    # A condition keeps the identity policies of the account's users out.
    root = statement("kms:*", principal={"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
                     Condition={"ArnEquals": {"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:root"}})
    return json.dumps({"Version": "2012-10-17", "Statement": [root, *statements]})


def user_arn(name):
    return f"arn:aws:iam::{ACCOUNT}:user/{name}"


def user_of(server, *actions, name=None, **elements):
    """Somebody whose own policy allows these actions: their name, and their KMS client."""
    name, credentials = create_user(client_of("iam", server), name, policy=allow(*actions, **elements) if actions else None)
    return name, client_of("kms", server, credentials)


def can_use(client, key, context=None):
    """Whether somebody may encrypt under a key."""
    try:
        client.encrypt(KeyId=key, Plaintext=b"x", EncryptionContext=context or {})
        return True
    except ClientError as error:
        assert error.response["Error"]["Code"] == DENIED, error
        return False


# The key policy.

def test_a_key_starts_with_the_policy_of_aws(kms, key):
    answer = kms.get_key_policy(KeyId=key)
    assert answer["PolicyName"] == "default"
    assert json.loads(answer["Policy"]) == {"Version": "2012-10-17", "Id": "key-default-1", "Statement": [{
        "Sid": "Enable IAM User Permissions", "Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
        "Action": "kms:*", "Resource": "*"}]}
    assert kms.list_key_policies(KeyId=key)["PolicyNames"] == ["default"]
    assert error_code(kms.get_key_policy, KeyId=key, PolicyName="other") == "NotFoundException"


def test_under_the_default_policy_identity_policies_decide(server, key):
    _, nobody = user_of(server)
    _, user = user_of(server, *USE)
    _, of_another_key = user_of(server, *USE, resource=f"arn:aws:kms:us-east-1:{ACCOUNT}:key/other")
    assert [can_use(each, key) for each in (nobody, user, of_another_key)] == [False, True, False]
    code, message = refusal(nobody.encrypt, KeyId=key, Plaintext=b"x")
    assert code == DENIED and "is not authorized to perform: kms:Encrypt on resource: arn:aws:kms:us-east-1:" in message
    assert message.endswith("because no identity-based policy allows the kms:Encrypt action")


def test_an_identity_policy_alone_is_not_enough(server, kms, key):
    _, mighty = user_of(server, "kms:*")
    kms.put_key_policy(KeyId=key, Policy=administered())
    assert not can_use(mighty, key) and can_use(kms, key)
    for call in (mighty.describe_key, mighty.get_key_policy, mighty.disable_key, mighty.list_grants):
        assert error_code(call, KeyId=key) == DENIED


def test_the_key_policy_alone_is_enough_in_the_account(server, kms, key):
    name, user = user_of(server)
    kms.put_key_policy(KeyId=key, PolicyName="default", Policy=administered(statement("kms:Encrypt", principal={"AWS": user_arn(name)})))
    assert can_use(user, key)
    assert error_code(user.generate_data_key, KeyId=key, KeySpec="AES_256") == DENIED


def test_even_the_root_user_needs_the_key_policy(server, kms, key):
    name, user = user_of(server)
    policy = {"Version": "2012-10-17", "Statement": [statement("kms:*", principal={"AWS": user_arn(name)})]}
    assert refusal(kms.put_key_policy, KeyId=key, Policy=json.dumps(policy)) == (
        "MalformedPolicyDocumentException", "The new key policy will not allow you to update the key policy in the future.")
    kms.put_key_policy(KeyId=key, Policy=json.dumps(policy), BypassPolicyLockoutSafetyCheck=True)
    assert not can_use(kms, key) and can_use(user, key)
    assert error_code(kms.put_key_policy, KeyId=key, Policy=administered()) == DENIED
    user.put_key_policy(KeyId=key, Policy=administered(), BypassPolicyLockoutSafetyCheck=True)
    assert can_use(kms, key) and not can_use(user, key)


def test_a_denial_wins(server, kms, key):
    name, user = user_of(server, "kms:*")
    kms.put_key_policy(KeyId=key, Policy=administered(
        statement("kms:*", principal={"AWS": user_arn(name)}), statement("kms:Encrypt", principal="*", effect="Deny")))
    assert not can_use(user, key) and not can_use(kms, key)
    assert refusal(user.encrypt, KeyId=key, Plaintext=b"x")[1].endswith("with an explicit deny in a resource-based policy")
    user.create_grant(KeyId=key, GranteePrincipal=user_arn(name), Operations=["Encrypt"])
    assert not can_use(user, key)


@pytest.mark.parametrize("change, message", [
    ({"Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:user/nobody-of-this-name"}}, "Policy contains a statement with one or more invalid principals."),
    ({"Principal": {"AWS": "arn:aws:iam::123456789012:root"}}, "Policy contains a statement with one or more invalid principals."),
    ({"Principal": {"AWS": "AIDAIOSFODNN7EXAMPLE"}}, "Policy contains a statement with one or more invalid principals."),
    ({"Principal": {"Federated": "a"}}, "Policy contains a statement with one or more invalid principals."),
    ({"NotPrincipal": {"AWS": "*"}}, "Statement/policy already has instance of Principal"),
    ({"Resource": "arn:aws:s3:::b"}, "Policy has invalid resource"),
    ({"Action": "s3:GetObject"}, "Policy has invalid action"),
    ({"Condition": {"Like": {"a": "b"}}}, "Invalid Condition type : Like"),
    ({"Effect": "allow"}, "Invalid effect: allow"),
])
def test_documents_that_are_no_key_policy(kms, key, change, message):
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement("kms:*", principal={"AWS": ACCOUNT}) | change]})
    assert refusal(kms.put_key_policy, KeyId=key, Policy=document) == ("MalformedPolicyDocumentException", message)
    assert "key-default-1" in kms.get_key_policy(KeyId=key)["Policy"]


def test_policies_that_cannot_be_put(server, kms, key):
    long = administered(statement("kms:*", principal={"AWS": ACCOUNT}, Sid="a" * 33_000))
    assert error_code(kms.put_key_policy, KeyId=key, Policy=long) == "LimitExceededException"
    assert error_code(kms.put_key_policy, KeyId=key, Policy="no JSON") == "MalformedPolicyDocumentException"
    assert error_code(kms.put_key_policy, KeyId=key, PolicyName="mine", Policy=administered()) == "ValidationException"
    assert error_code(kms.put_key_policy, KeyId="alias/none", Policy=administered()) == "NotFoundException"


def test_a_user_made_again_under_the_same_name_inherits_nothing(server, kms, iam, key):
    name, user = user_of(server)
    kms.put_key_policy(KeyId=key, Policy=administered(statement("kms:Encrypt", principal={"AWS": user_arn(name)})))
    grant = kms.create_grant(KeyId=key, GranteePrincipal=user_arn(name), RetiringPrincipal=user_arn(name), Operations=["Decrypt", "DescribeKey"])
    assert can_use(user, key) and user.describe_key(KeyId=key)
    unique_id = iam.get_user(UserName=name)["User"]["UserId"]
    for access_key in iam.list_access_keys(UserName=name)["AccessKeyMetadata"]:
        iam.delete_access_key(UserName=name, AccessKeyId=access_key["AccessKeyId"])
    iam.delete_user(UserName=name)
    _, again = user_of(server, *USE, name=name)
    assert not can_use(again, key)
    assert error_code(again.describe_key, KeyId=key) == DENIED
    assert error_code(again.retire_grant, GrantToken=grant["GrantToken"]) == DENIED
    assert unique_id in kms.get_key_policy(KeyId=key)["Policy"] and name not in kms.get_key_policy(KeyId=key)["Policy"]
    listed = kms.list_grants(KeyId=key)["Grants"][0]
    assert (listed["GranteePrincipal"], listed["RetiringPrincipal"]) == (unique_id, unique_id)


def test_a_renamed_user_keeps_what_they_have(server, kms, iam, key):
    name, user = user_of(server)
    kms.put_key_policy(KeyId=key, Policy=administered(statement("kms:Encrypt", principal={"AWS": user_arn(name)})))
    iam.update_user(UserName=name, NewUserName=f"{name}-new")
    assert can_use(user, key)
    assert user_arn(f"{name}-new") in kms.get_key_policy(KeyId=key)["Policy"]


# Sessions, boundaries, conditions.

def test_a_session_policy_limits_what_the_role_has(server, kms, iam, key):
    role = unique("role")
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"}]}
    arn = iam.create_role(RoleName=role, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    kms.put_key_policy(KeyId=key, Policy=administered(statement("kms:Encrypt", principal={"AWS": arn})))
    _, manager = create_user(iam, policy=allow("sts:AssumeRole"))
    whole = client_of("kms", server, session_of(server, manager, arn))
    limited = client_of("kms", server, session_of(server, manager, arn, Policy=allow("s3:*")))
    assert can_use(whole, key) and not can_use(limited, key)
    kms.put_key_policy(KeyId=key, Policy=administered())
    kms.create_grant(KeyId=key, GranteePrincipal=arn, Operations=["Encrypt"])
    assert can_use(whole, key) and not can_use(limited, key)


def test_a_boundary_limits_what_identity_policies_allow(server, iam, key):
    name, user = user_of(server, "kms:*")
    assert can_use(user, key)
    iam.put_user_permissions_boundary(UserName=name, PermissionsBoundary="arn:aws:iam::aws:policy/AmazonS3FullAccess")
    assert not can_use(user, key)


@pytest.mark.parametrize("condition, context, expected", [
    ({"StringEquals": {"kms:EncryptionContext:team": "red"}}, {"team": "red", "more": "x"}, True),
    ({"StringEquals": {"kms:EncryptionContext:team": "red"}}, {"team": "blue"}, False),
    ({"StringEquals": {"kms:EncryptionContext:team": "red"}}, {}, False),
    ({"StringNotEquals": {"kms:EncryptionContext:team": "blue"}}, {"team": "red", "Team": "blue"}, False),
    ({"ForAllValues:StringEquals": {"kms:EncryptionContextKeys": ["team"]}, "Null": {"kms:EncryptionContextKeys": "false"}}, {"team": "x"}, True),
    ({"ForAllValues:StringEquals": {"kms:EncryptionContextKeys": ["team"]}, "Null": {"kms:EncryptionContextKeys": "false"}}, {"Team": "x"}, False),
    ({"StringEquals": {"kms:KeySpec": "SYMMETRIC_DEFAULT", "kms:KeyUsage": "ENCRYPT_DECRYPT", "kms:KeyOrigin": "AWS_KMS"}}, {}, True),
    ({"StringEquals": {"kms:CallerAccount": ACCOUNT}, "Bool": {"kms:MultiRegion": "false"}}, {}, True),
    ({"StringEquals": {"kms:CallerAccount": "111122223333"}}, {}, False),
    ({"StringEquals": {"kms:EncryptionAlgorithm": "SYMMETRIC_DEFAULT"}}, {}, True),
    ({"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}}, {}, False),
    ({"StringEquals": {"aws:ResourceTag/env": "test"}}, {}, True),
    ({"StringEquals": {"aws:ResourceTag/env": "prod"}}, {}, False),
    ({"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}}, {}, True),
    ({"Bool": {"aws:ViaAWSService": "false"}, "StringEquals": {"aws:RequestedRegion": "us-east-1", "aws:ResourceAccount": ACCOUNT}}, {}, True),
    ({"StringEquals": {"aws:ResourceOrgID": "${aws:PrincipalOrgID}"}}, {}, True),
])
def test_conditions(server, kms, key, condition, context, expected):
    name, user = user_of(server)
    kms.tag_resource(KeyId=key, Tags=[{"TagKey": "env", "TagValue": "test"}])
    named = statement("kms:Encrypt", principal={"AWS": user_arn(name)}, Condition=condition)
    kms.put_key_policy(KeyId=key, Policy=administered(named))
    assert can_use(user, key, context) is expected


def test_conditions_on_aliases(server, kms, key):
    alias = f"alias/{unique('condition')}"
    kms.create_alias(AliasName=alias, TargetKeyId=key)
    _, by_request = user_of(server, "kms:Encrypt", Condition={"StringEquals": {"kms:RequestAlias": alias}})
    _, by_alias = user_of(server, "kms:Encrypt", Condition={"ForAnyValue:StringEquals": {"kms:ResourceAliases": alias}})
    assert [can_use(by_request, name) for name in (alias, key)] == [True, False]
    assert [can_use(by_alias, name) for name in (alias, key)] == [True, True]
    kms.delete_alias(AliasName=alias)
    assert not can_use(by_alias, key)


def test_re_encryption_needs_both_keys(server, kms, key):
    other = kms.create_key()["KeyMetadata"]["KeyId"]
    ciphertext = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    arns = [kms.describe_key(KeyId=each)["KeyMetadata"]["Arn"] for each in (key, other)]
    for action, resource in [("kms:ReEncrypt*", arns[0]), ("kms:ReEncrypt*", arns[1]), ("kms:ReEncryptFrom", "*"), ("kms:ReEncryptTo", "*")]:
        _, user = user_of(server, action, resource=resource)
        assert error_code(user.re_encrypt, CiphertextBlob=ciphertext, DestinationKeyId=other) == DENIED
    _, within = user_of(server, "kms:ReEncrypt*", Condition={"Bool": {"kms:ReEncryptOnSameKey": "true"}})
    assert error_code(within.re_encrypt, CiphertextBlob=ciphertext, DestinationKeyId=other) == DENIED
    assert within.re_encrypt(CiphertextBlob=ciphertext, DestinationKeyId=key)


# Other accounts.

def test_another_account_needs_both_sides(server, kms, key):
    account, admin = new_account(server)
    arn = kms.describe_key(KeyId=key)["KeyMetadata"]["Arn"]
    iam = client_of("iam", server, admin)
    name, credentials = create_user(iam)
    stranger = client_of("kms", server, credentials)
    iam.put_user_policy(UserName=name, PolicyName="use", PolicyDocument=allow("kms:*"))
    assert not can_use(stranger, arn)
    kms.put_key_policy(KeyId=key, Policy=administered(statement(*USE, "kms:PutKeyPolicy", "kms:DisableKey", principal={"AWS": account})))
    assert can_use(stranger, arn)
    iam.delete_user_policy(UserName=name, PolicyName="use")
    assert not can_use(stranger, arn)
    iam.put_user_policy(UserName=name, PolicyName="use", PolicyDocument=allow("kms:*"))
    assert error_code(stranger.encrypt, KeyId=key, Plaintext=b"x") == "NotFoundException"
    for call, parameters in [(stranger.put_key_policy, {"Policy": administered()}), (stranger.disable_key, {}), (stranger.get_key_policy, {})]:
        assert error_code(call, KeyId=arn, **parameters) == DENIED
    ciphertext = stranger.encrypt(KeyId=arn, Plaintext=b"x")["CiphertextBlob"]
    assert stranger.decrypt(CiphertextBlob=ciphertext)["Plaintext"] == b"x"
    kms.put_key_policy(KeyId=key, Policy=administered())
    code, message = refusal(stranger.decrypt, CiphertextBlob=ciphertext)
    assert code == DENIED and "on the resource associated with this ciphertext" in message


def test_a_grant_to_another_account_needs_both_sides(server, kms, key):
    account, admin = new_account(server)
    arn = kms.describe_key(KeyId=key)["KeyMetadata"]["Arn"]
    iam = client_of("iam", server, admin)
    name, credentials = create_user(iam)
    stranger = client_of("kms", server, credentials)
    kms.create_grant(KeyId=key, GranteePrincipal=f"arn:aws:iam::{account}:user/{name}", Operations=["Encrypt"])
    assert not can_use(stranger, arn)
    iam.put_user_policy(UserName=name, PolicyName="use", PolicyDocument=allow("kms:Encrypt"))
    assert can_use(stranger, arn)


# The key of S3.

def test_the_key_of_s3_is_for_s3_only_and_nobody_changes_it(server, kms):
    metadata = kms.describe_key(KeyId="alias/aws/s3")["KeyMetadata"]
    assert metadata["KeyManager"] == "AWS"
    key = metadata["Arn"]
    policy = json.loads(kms.get_key_policy(KeyId=key)["Policy"])
    assert policy["Statement"][0]["Condition"] == {"StringEquals": {
        "kms:CallerAccount": ACCOUNT, "kms:ViaService": "s3.us-east-1.amazonaws.com"}}
    _, user = user_of(server, "kms:*")
    for client in (kms, user):
        assert not can_use(client, key)
        for call, parameters in [
            (client.put_key_policy, {"Policy": administered()}), (client.disable_key, {}), (client.schedule_key_deletion, {}),
            (client.create_grant, {"GranteePrincipal": f"arn:aws:iam::{ACCOUNT}:root", "Operations": ["Decrypt"]}),
            (client.generate_data_key, {"KeySpec": "AES_256"}), (client.tag_resource, {"Tags": [{"TagKey": "a", "TagValue": "b"}]}),
        ]:
            assert error_code(call, KeyId=key, **parameters) == DENIED


# Grants.

def grants_of(kms, key, **parameters):
    return kms.list_grants(KeyId=key, **parameters)["Grants"]


def test_a_grant_allows_its_operations_at_once_until_it_is_revoked(server, kms, key):
    name, user = user_of(server)
    made = kms.create_grant(KeyId=key, GranteePrincipal=user_arn(name), Operations=["Encrypt", "DescribeKey"], Name="for the test".replace(" ", "-"))
    assert len(bytes.fromhex(made["GrantId"])) == 32
    assert can_use(user, key) and user.describe_key(KeyId=key)
    user.encrypt(KeyId=key, Plaintext=b"x", GrantTokens=[made["GrantToken"]])
    assert error_code(user.generate_data_key, KeyId=key, KeySpec="AES_256", GrantTokens=[made["GrantToken"]]) == DENIED
    arn = kms.describe_key(KeyId=key)["KeyMetadata"]["Arn"]
    listed, = grants_of(kms, key)
    assert listed.pop("CreationDate")
    assert listed == {"KeyId": arn, "GrantId": made["GrantId"], "Name": "for-the-test", "GranteePrincipal": user_arn(name),
                      "IssuingAccount": f"arn:aws:iam::{ACCOUNT}:root", "Operations": ["DescribeKey", "Encrypt"]}
    kms.revoke_grant(KeyId=key, GrantId=made["GrantId"])
    assert not can_use(user, key) and grants_of(kms, key) == []
    assert error_code(user.encrypt, KeyId=key, Plaintext=b"x", GrantTokens=[made["GrantToken"]]) == "InvalidGrantTokenException"
    assert error_code(kms.revoke_grant, KeyId=key, GrantId=made["GrantId"]) == "NotFoundException"


def test_a_grant_token_is_of_no_use_to_somebody_else(server, kms, key):
    name, _ = user_of(server)
    _, thief = user_of(server)
    token = kms.create_grant(KeyId=key, GranteePrincipal=user_arn(name), RetiringPrincipal=user_arn(name), Operations=["Encrypt", "RetireGrant"])["GrantToken"]
    assert error_code(thief.encrypt, KeyId=key, Plaintext=b"x", GrantTokens=[token]) == DENIED
    assert error_code(thief.retire_grant, GrantToken=token) == DENIED


@pytest.mark.parametrize("kind, context, expected", [
    ("EncryptionContextSubset", {"team": "red"}, True),
    ("EncryptionContextSubset", {"team": "red", "more": "x"}, True),
    ("EncryptionContextSubset", {"team": "blue"}, False),
    ("EncryptionContextSubset", {"Team": "red"}, False),
    ("EncryptionContextSubset", {}, False),
    ("EncryptionContextEquals", {"team": "red"}, True),
    ("EncryptionContextEquals", {"team": "red", "more": "x"}, False),
    ("EncryptionContextEquals", {}, False),
])
def test_a_constraint_is_about_the_encryption_context(server, kms, key, kind, context, expected):
    name, user = user_of(server)
    kms.create_grant(KeyId=key, GranteePrincipal=user_arn(name), Operations=["Encrypt", "Decrypt", "DescribeKey"], Constraints={kind: {"team": "red"}})
    assert can_use(user, key, context) is expected
    assert user.describe_key(KeyId=key)
    assert grants_of(kms, key)[0]["Constraints"] == {kind: {"team": "red"}}
    ciphertext = kms.encrypt(KeyId=key, Plaintext=b"x", EncryptionContext=context)["CiphertextBlob"]
    if expected:
        assert user.decrypt(CiphertextBlob=ciphertext, EncryptionContext=context)["Plaintext"] == b"x"
    else:
        assert error_code(user.decrypt, CiphertextBlob=ciphertext, EncryptionContext=context) == DENIED


def test_a_named_grant_is_made_once(server, kms, key):
    name, _ = user_of(server)
    asked = {"KeyId": key, "GranteePrincipal": user_arn(name), "Operations": ["Encrypt"]}
    assert len({kms.create_grant(**asked)["GrantId"] for _ in range(2)}) == 2
    named = {kms.create_grant(**asked, Name="one")["GrantId"] for _ in range(3)}
    assert len(named) == 1
    assert kms.create_grant(**asked | {"Operations": ["Decrypt"]}, Name="one")["GrantId"] not in named
    assert len(grants_of(kms, key)) == 4


@pytest.mark.parametrize("parameters, code", [
    ({"GranteePrincipal": f"arn:aws:iam::{ACCOUNT}:user/nobody-of-this-name"}, "InvalidArnException"),
    ({"GranteePrincipal": "somebody"}, "InvalidArnException"),
    ({"RetiringPrincipal": "arn:aws:iam::123456789012:root"}, "InvalidArnException"),
    ({"Operations": []}, "ValidationException"),
    ({"Operations": ["PutKeyPolicy"]}, "ValidationException"),
    ({"Operations": ["Sign"]}, "ValidationException"),
    ({"Name": "no spaces"}, "ValidationException"),
    ({"Constraints": {"EncryptionContextEquals": {"a": "b"}, "EncryptionContextSubset": {"a": "b"}}}, "ValidationException"),
    ({"Constraints": {"SourceArn": "arn:aws:s3:::b"}}, "UnsupportedOperationException"),
    ({"GranteeServicePrincipal": "s3.amazonaws.com"}, "UnsupportedOperationException"),
    ({"KeyId": "alias/none"}, "NotFoundException"),
    ({"GrantTokens": ["x"]}, "InvalidGrantTokenException"),
    ({"DryRun": True}, "DryRunOperationException"),
])
def test_grants_that_cannot_be(server, key, parameters, code):
    kms = client_of("kms", server, parameter_validation=False)
    asked = {"KeyId": key, "GranteePrincipal": f"arn:aws:iam::{ACCOUNT}:root", "Operations": ["Encrypt"]}
    assert error_code(kms.create_grant, **asked | parameters) == code
    assert grants_of(kms, key) == []


def test_who_may_make_grants_by_a_grant_gives_no_more_than_they_have(server, kms, key):
    name, user = user_of(server)
    friend, other = user_of(server)
    operations = ["Encrypt", "CreateGrant"]
    kms.create_grant(KeyId=key, GranteePrincipal=user_arn(name), Operations=operations, Constraints={"EncryptionContextSubset": {"team": "red"}})
    red = {"EncryptionContextSubset": {"team": "red"}}
    for asked in [
        {"Operations": ["Decrypt"], "Constraints": red},
        {"Operations": ["Encrypt", "Decrypt"], "Constraints": red},
        {"Operations": ["Encrypt"]},
        {"Operations": ["Encrypt"], "Constraints": {"EncryptionContextSubset": {}}},
        {"Operations": ["Encrypt"], "Constraints": {"EncryptionContextSubset": {"team": "blue"}}},
        {"Operations": ["Encrypt"], "Constraints": {"EncryptionContextEquals": {"more": "x"}}},
    ]:
        for grantee in (friend, name):
            assert error_code(user.create_grant, KeyId=key, GranteePrincipal=user_arn(grantee), **asked) == DENIED, asked
    for call, parameters in [(user.put_key_policy, {"Policy": administered()}), (user.list_grants, {}), (user.disable_key, {}), (user.get_key_policy, {})]:
        assert error_code(call, KeyId=key, **parameters) == DENIED
    user.create_grant(KeyId=key, GranteePrincipal=user_arn(friend), Operations=["Encrypt"], Constraints={"EncryptionContextSubset": {"team": "red", "a": "b"}})
    user.create_grant(KeyId=key, GranteePrincipal=user_arn(friend), Operations=["CreateGrant"], Constraints={"EncryptionContextEquals": {"team": "red"}})
    assert can_use(other, key, {"team": "red", "a": "b"}) and not can_use(other, key, {"team": "red"})
    assert error_code(other.create_grant, KeyId=key, GranteePrincipal=user_arn(name), Operations=["Encrypt"], Constraints=red) == DENIED


def test_what_a_weak_user_tries_to_get_more(server, kms, key):
    name, weak = user_of(server, "kms:DescribeKey", "kms:CreateAlias", "kms:UpdateAlias", "kms:CreateKey", "kms:List*")
    secret = kms.encrypt(KeyId=key, Plaintext=b"secret")["CiphertextBlob"]
    assert error_code(weak.create_grant, KeyId=key, GranteePrincipal=user_arn(name), Operations=["Decrypt"]) == DENIED
    everything = json.dumps({"Version": "2012-10-17", "Statement": [statement("kms:*", principal={"AWS": user_arn(name)})]})
    assert error_code(weak.put_key_policy, KeyId=key, Policy=everything, BypassPolicyLockoutSafetyCheck=True) == DENIED
    own = weak.create_key(Policy=everything)["KeyMetadata"]["KeyId"]
    alias = f"alias/{unique('mine')}"
    weak.create_alias(AliasName=alias, TargetKeyId=key)
    for call, parameters in [(weak.decrypt, {"CiphertextBlob": secret}), (weak.decrypt, {"CiphertextBlob": secret, "KeyId": alias}),
                             (weak.re_encrypt, {"CiphertextBlob": secret, "DestinationKeyId": own}),
                             (weak.encrypt, {"KeyId": alias, "Plaintext": b"x"}),
                             (weak.encrypt, {"KeyId": key, "Plaintext": b"x", "DryRun": True}),
                             (weak.revoke_grant, {"KeyId": key, "GrantId": "00" * 32})]:
        assert error_code(call, **parameters) == DENIED
    assert error_code(weak.decrypt, CiphertextBlob=secret, KeyId=own) == "IncorrectKeyException"
    moved = secret[:1] + bytes.fromhex(own.replace("-", "")) + secret[17:]
    assert error_code(weak.decrypt, CiphertextBlob=moved) == "InvalidCiphertextException"


def test_grants_are_retired_by_those_who_may(server, kms, key):
    grantee, user = user_of(server)
    retiring, retirer = user_of(server)
    _, other = user_of(server)
    _, allowed = user_of(server, "kms:RetireGrant")
    asked = {"KeyId": key, "GranteePrincipal": user_arn(grantee), "RetiringPrincipal": user_arn(retiring)}
    arn = kms.describe_key(KeyId=key)["KeyMetadata"]["Arn"]
    first = kms.create_grant(**asked, Operations=["Encrypt"])
    for client in (user, other):
        assert error_code(client.retire_grant, GrantToken=first["GrantToken"]) == DENIED
        assert error_code(client.retire_grant, KeyId=arn, GrantId=first["GrantId"]) == DENIED
    assert error_code(retirer.retire_grant, GrantToken=first["GrantToken"], DryRun=True) == "DryRunOperationException"
    retirer.retire_grant(GrantToken=first["GrantToken"])
    second, third = (kms.create_grant(**asked, Operations=["Encrypt", "RetireGrant"]) for _ in range(2))
    lasting = kms.create_grant(**asked, Operations=["Encrypt"])
    user.retire_grant(KeyId=arn, GrantId=second["GrantId"])
    assert error_code(user.retire_grant, KeyId=arn, GrantId=lasting["GrantId"]) == DENIED
    allowed.retire_grant(GrantToken=third["GrantToken"])
    kms.retire_grant(GrantToken=lasting["GrantToken"])
    assert grants_of(kms, key) == []
    for parameters, code in [({"GrantToken": lasting["GrantToken"]}, "InvalidGrantTokenException"), ({"GrantToken": "x"}, "InvalidGrantTokenException"),
                             ({"KeyId": arn, "GrantId": lasting["GrantId"]}, "NotFoundException"), ({"KeyId": arn, "GrantId": "x"}, "InvalidGrantIdException"),
                             ({"KeyId": arn}, "ValidationException"), ({}, "ValidationException")]:
        assert error_code(kms.retire_grant, **parameters) == code


def test_grants_are_listed_in_pages_and_by_whom_they_name(server, kms, key):
    names = [user_of(server)[0] for _ in range(3)]
    other = kms.create_key()["KeyMetadata"]["KeyId"]
    made = [kms.create_grant(KeyId=key, GranteePrincipal=user_arn(name), RetiringPrincipal=user_arn(names[0]), Operations=["Encrypt"])["GrantId"] for name in names * 2]
    elsewhere = kms.create_grant(KeyId=other, GranteePrincipal=user_arn(names[1]), RetiringPrincipal=user_arn(names[0]), Operations=["Encrypt"])["GrantId"]
    pages = [page["Grants"] for page in kms.get_paginator("list_grants").paginate(KeyId=key, PaginationConfig={"PageSize": 4})]
    assert [len(page) for page in pages] == [4, 2] and {grant["GrantId"] for page in pages for grant in page} == set(made)
    assert [grant["GrantId"] for grant in grants_of(kms, key, GrantId=made[3])] == [made[3]]
    assert {grant["GrantId"] for grant in grants_of(kms, key, GranteePrincipal=user_arn(names[1]))} == {made[1], made[4]}
    retirable = kms.get_paginator("list_retirable_grants").paginate(RetiringPrincipal=user_arn(names[0]), PaginationConfig={"PageSize": 3})
    assert {grant["GrantId"] for page in retirable for grant in page["Grants"]} == {*made, elsewhere}
    assert kms.list_retirable_grants(RetiringPrincipal=user_arn(names[1]))["Grants"] == []
    assert error_code(kms.list_retirable_grants, RetiringPrincipal="arn:aws:iam::123456789012:root") == DENIED
    assert error_code(kms.list_grants, KeyId=key, Marker="%") == "InvalidMarkerException"
    assert error_code(user_of(server)[1].list_retirable_grants, RetiringPrincipal=user_arn(names[0])) == DENIED


@pytest.mark.parametrize("condition, operations, constraints, expected", [
    ({"ForAllValues:StringEquals": {"kms:GrantOperations": ["Encrypt"]}}, ["Encrypt"], None, True),
    ({"ForAllValues:StringEquals": {"kms:GrantOperations": ["Encrypt"]}}, ["Encrypt", "Decrypt"], None, False),
    ({"StringEquals": {"kms:GrantConstraintType": "EncryptionContextEquals"}}, ["Encrypt"], {"EncryptionContextEquals": {"a": "b"}}, True),
    ({"StringEquals": {"kms:GrantConstraintType": "EncryptionContextEquals"}}, ["Encrypt"], {"EncryptionContextSubset": {"a": "b"}}, False),
    ({"StringEquals": {"kms:EncryptionContext:a": "b"}}, ["Encrypt"], {"EncryptionContextSubset": {"a": "b"}}, True),
    ({"StringEquals": {"kms:EncryptionContext:a": "b"}}, ["Encrypt"], None, False),
    ({"ArnEquals": {"kms:GranteePrincipal": f"arn:aws:iam::{ACCOUNT}:root"}}, ["Encrypt"], None, True),
    ({"ArnEquals": {"kms:GranteePrincipal": f"arn:aws:iam::{ACCOUNT}:user/x"}}, ["Encrypt"], None, False),
    ({"Bool": {"kms:GrantIsForAWSResource": "true"}}, ["Encrypt"], None, False),
])
def test_conditions_on_grants(server, key, condition, operations, constraints, expected):
    _, user = user_of(server, "kms:CreateGrant", Condition=condition)
    asked = {"KeyId": key, "GranteePrincipal": f"arn:aws:iam::{ACCOUNT}:root", "Operations": operations}
    if constraints:
        asked["Constraints"] = constraints
    if expected:
        assert user.create_grant(**asked)["GrantId"]
    else:
        assert error_code(user.create_grant, **asked) == DENIED


def test_an_account_that_is_granted_leaves_it_to_its_identity_policies(server, kms, key):
    _, nobody = user_of(server)
    _, user = user_of(server, "kms:Encrypt")
    kms.put_key_policy(KeyId=key, Policy=administered())
    assert not can_use(user, key)
    kms.create_grant(KeyId=key, GranteePrincipal=f"arn:aws:iam::{ACCOUNT}:root", Operations=["Encrypt"])
    assert can_use(user, key) and not can_use(nobody, key)


def test_grants_and_policies_outlive_a_restart(make_server):
    server = make_server().start()
    kms = client_of("kms", server)
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    name, user = user_of(server)
    made = kms.create_grant(KeyId=key, GranteePrincipal=user_arn(name), Operations=["Encrypt"])
    server.stop()
    server.start()
    credentials = create_key(client_of("iam", server), name)
    assert can_use(client_of("kms", server, credentials), key)
    assert [grant["GrantId"] for grant in grants_of(client_of("kms", server), key)] == [made["GrantId"]]
    server.close()


def test_the_aws_cli_puts_policies_and_makes_grants(server, kms, key, tmp_path):
    tool = Tool("aws", server, tmp_path, arguments=["--endpoint-url", server.url, "--output", "json", "kms"])
    name, user = user_of(server)
    (tmp_path / "policy.json").write_text(administered(statement("kms:Encrypt", principal={"AWS": user_arn(name)})))
    tool.run("put-key-policy", "--key-id", key, "--policy-name", "default", "--policy", "file://policy.json")
    assert can_use(user, key)
    shown = json.loads(tool.run("get-key-policy", "--key-id", key, "--policy-name", "default"))
    assert json.loads(shown["Policy"]) == json.loads((tmp_path / "policy.json").read_text())
    made = json.loads(tool.run("create-grant", "--key-id", key, "--grantee-principal", user_arn(name), "--operations", "Decrypt",
                               "--constraints", "EncryptionContextSubset={a=b}"))
    assert json.loads(tool.run("list-grants", "--key-id", key))["Grants"][0]["GrantId"] == made["GrantId"]
    tool.run("revoke-grant", "--key-id", key, "--grant-id", made["GrantId"])
    assert grants_of(kms, key) == []

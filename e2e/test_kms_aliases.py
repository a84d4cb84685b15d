"""Aliases of KMS keys, by boto3 and the AWS CLI."""

import json

import pytest

from support.iam import client_of, create_user, error_code, new_account, refusal, unique
from support.tools import Tool

ACCOUNT = "000000000000"


@pytest.fixture
def alias(kms, key):
    """A name of `key`, taken from it at the end."""
    name = f"alias/{unique('test')}"
    kms.create_alias(AliasName=name, TargetKeyId=key["KeyId"])
    yield name
    kms.delete_alias(AliasName=name)


def arn_of(alias, account=ACCOUNT):
    return f"arn:aws:kms:us-east-1:{account}:{alias}"


def test_an_alias_is_given_moved_and_taken(kms, key):
    name, other = f"alias/{unique('moved')}", kms.create_key()["KeyMetadata"]
    kms.create_alias(AliasName=name, TargetKeyId=key["Arn"])
    (made,) = kms.list_aliases(KeyId=key["KeyId"])["Aliases"]
    assert (made["AliasName"], made["AliasArn"], made["TargetKeyId"]) == (name, arn_of(name), key["KeyId"])
    assert made["CreationDate"] == made["LastUpdatedDate"]
    kms.update_alias(AliasName=name, TargetKeyId=other["KeyId"])
    assert kms.list_aliases(KeyId=key["KeyId"])["Aliases"] == []
    (moved,) = kms.list_aliases(KeyId=other["Arn"])["Aliases"]
    assert moved["TargetKeyId"] == other["KeyId"] and moved["CreationDate"] == made["CreationDate"]
    assert moved["LastUpdatedDate"] >= made["LastUpdatedDate"]
    assert kms.describe_key(KeyId=name)["KeyMetadata"]["Arn"] == other["Arn"]
    kms.delete_alias(AliasName=name)
    assert refusal(kms.describe_key, KeyId=name) == ("NotFoundException", f"Alias {arn_of(name)} is not found.")


def test_a_name_that_is_taken_stays_with_its_key(kms, key, alias):
    other = kms.create_key()["KeyMetadata"]
    for target in (other["KeyId"], key["KeyId"]):
        assert refusal(kms.create_alias, AliasName=alias, TargetKeyId=target) == (
            "AlreadyExistsException", f"An alias with the name {arn_of(alias)} already exists")
    assert kms.describe_key(KeyId=alias)["KeyMetadata"]["KeyId"] == key["KeyId"]


@pytest.mark.parametrize("name, code, message", [
    ("mine", "ValidationException", 'Alias must start with the prefix "alias/"'),
    ("alias/aws/mine", "NotAuthorizedException", ""),
    ("alias/a:b", "ValidationException", "alias/a:b contains invalid characters for an alias"),
    ("alias/a b", "ValidationException",
     "1 validation error detected: Value 'alias/a b' at 'aliasName' failed to satisfy constraint: "
     "Member must satisfy regular expression pattern: ^[a-zA-Z0-9:/_-]+$"),
    ("alias/" + "a" * 251, "ValidationException", "Member must have length less than or equal to 256"),
])
def test_names_that_cannot_be(kms, key, name, code, message):
    found = refusal(kms.create_alias, AliasName=name, TargetKeyId=key["KeyId"])
    assert found[0] == code and message in found[1]


def test_targets_that_cannot_be(kms, alias):
    name = f"alias/{unique('target')}"
    for target, code in ((alias, "ValidationException"), (arn_of(alias), "ValidationException"), ("none", "NotFoundException"),
                         ("12121212-1212-4212-9212-121212121212", "NotFoundException")):
        assert error_code(kms.create_alias, AliasName=name, TargetKeyId=target) == code
        assert error_code(kms.update_alias, AliasName=alias, TargetKeyId=target) == code
    aws_managed = kms.describe_key(KeyId="alias/aws/s3")["KeyMetadata"]["KeyId"]
    assert error_code(kms.create_alias, AliasName=name, TargetKeyId=aws_managed) == "AccessDeniedException"
    for call, parameters in ((kms.update_alias, {"TargetKeyId": aws_managed}), (kms.delete_alias, {})):
        assert refusal(call, AliasName=name, **parameters) == ("NotFoundException", f"Alias {arn_of(name)} is not found.")


def test_aliases_are_listed_in_pages(fresh_server):
    kms = client_of("kms", fresh_server)
    keys = [kms.create_key()["KeyMetadata"]["KeyId"] for _ in range(2)]
    names = [f"alias/{number:02}" for number in range(12)]
    for number, name in enumerate(names):
        kms.create_alias(AliasName=name, TargetKeyId=keys[number % 2])
    paginator = kms.get_paginator("list_aliases")

    def listed(**parameters):
        return [each["AliasName"] for page in paginator.paginate(PaginationConfig={"PageSize": 5}, **parameters) for each in page["Aliases"]]

    assert listed() == names
    assert listed(KeyId=keys[1]) == names[1::2]
    page = kms.list_aliases(KeyId=keys[0], Limit=6)
    assert page["Truncated"] is False and len(page["Aliases"]) == 6
    assert error_code(kms.list_aliases, Marker="!") == "InvalidMarkerException"
    assert error_code(kms.list_aliases, KeyId=names[0]) == "NotFoundException"


def test_aliases_are_the_account_s_own(server, kms, key, alias):
    account, credentials = new_account(server)
    stranger = client_of("kms", server, credentials)
    assert stranger.list_aliases()["Aliases"] == []
    assert error_code(stranger.describe_key, KeyId=alias) == "NotFoundException"
    assert error_code(stranger.describe_key, KeyId=arn_of(alias)) == "AccessDeniedException"
    assert error_code(stranger.create_alias, AliasName=alias, TargetKeyId=key["Arn"]) == "AccessDeniedException"
    own = stranger.create_key()["KeyMetadata"]
    stranger.create_alias(AliasName=alias, TargetKeyId=own["KeyId"])
    assert stranger.describe_key(KeyId=alias)["KeyMetadata"]["Arn"] == own["Arn"]
    assert stranger.describe_key(KeyId=arn_of(alias, account))["KeyMetadata"]["Arn"] == own["Arn"]
    assert kms.describe_key(KeyId=alias)["KeyMetadata"]["Arn"] == key["Arn"]


def test_an_alias_needs_leave_on_the_alias_and_on_the_key(server, iam, kms, key, alias):
    def may(action, *resources):
        policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": list(resources)}]}
        return client_of("kms", server, create_user(iam, policy=json.dumps(policy))[1])

    name, other = f"alias/{unique('leave')}", kms.create_key()["KeyMetadata"]
    create = {"AliasName": name, "TargetKeyId": key["KeyId"]}
    for resources in ([key["Arn"]], [arn_of(name)], [arn_of(name), other["Arn"]]):
        assert error_code(may("kms:CreateAlias", *resources).create_alias, **create) == "AccessDeniedException"
    may("kms:CreateAlias", key["Arn"], arn_of(name)).create_alias(**create)
    # To move one needs leave on both keys.
    update = {"AliasName": name, "TargetKeyId": other["KeyId"]}
    for resources in ([arn_of(name), key["Arn"]], [arn_of(name), other["Arn"]], [key["Arn"], other["Arn"]]):
        assert error_code(may("kms:UpdateAlias", *resources).update_alias, **update) == "AccessDeniedException"
    may("kms:UpdateAlias", arn_of(name), key["Arn"], other["Arn"]).update_alias(**update)
    for resources in ([arn_of(name)], [other["Arn"]], [arn_of(name), key["Arn"]]):
        assert error_code(may("kms:DeleteAlias", *resources).delete_alias, AliasName=name) == "AccessDeniedException"
    may("kms:DeleteAlias", arn_of(name), other["Arn"]).delete_alias(AliasName=name)


def test_policies_look_at_aliases(server, iam, kms, key, alias):
    def may(condition):
        statement = {"Effect": "Allow", "Action": "kms:DescribeKey", "Resource": "*", "Condition": condition}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        return client_of("kms", server, create_user(iam, policy=policy)[1])

    by_name = may({"StringEquals": {"kms:RequestAlias": alias}})
    by_name.describe_key(KeyId=alias)
    assert error_code(by_name.describe_key, KeyId=key["KeyId"]) == "AccessDeniedException"
    by_alias = may({"ForAnyValue:StringEquals": {"kms:ResourceAliases": alias}})
    by_alias.describe_key(KeyId=key["KeyId"])
    other = kms.create_key()["KeyMetadata"]["KeyId"]
    assert error_code(by_alias.describe_key, KeyId=other) == "AccessDeniedException"
    kms.update_alias(AliasName=alias, TargetKeyId=other)
    by_alias.describe_key(KeyId=other)
    assert error_code(by_alias.describe_key, KeyId=key["KeyId"]) == "AccessDeniedException"


def test_the_aws_cli_manages_aliases(server, tmp_path, key):
    aws = Tool("aws", server, tmp_path, arguments=["--endpoint-url", server.url, "--output", "json", "kms"])
    aws.run("create-alias", "--alias-name", "alias/cli", "--target-key-id", key["KeyId"])
    listed = json.loads(aws.run("list-aliases", "--key-id", key["KeyId"]))["Aliases"]
    assert [each["AliasName"] for each in listed] == ["alias/cli"]
    refused = aws.attempt("create-alias", "--alias-name", "alias/cli", "--target-key-id", key["KeyId"])
    assert refused.returncode != 0 and "(AlreadyExistsException)" in refused.stdout
    aws.run("delete-alias", "--alias-name", "alias/cli")
    assert json.loads(aws.run("list-aliases", "--key-id", key["KeyId"]))["Aliases"] == []

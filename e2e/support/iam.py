"""Users of the tests' own, and clients that sign as them."""

import itertools
import json
from dataclasses import dataclass

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from .signer import Credentials

_numbers = itertools.count(1)


def client_of(service, server, credentials=None, tls=False, **settings):
    """boto3 for a service ("iam", "sts", "s3" ...) of a server, as the server's root user unless told otherwise."""
    credentials = credentials or server.credentials
    options = {"s3": {"addressing_style": "path"}, "retries": {"total_max_attempts": 1}, "read_timeout": 120} | settings
    return boto3.client(
        service,
        endpoint_url=server.tls_url if tls else server.url,
        verify=str(server.ca_file) if tls else None,
        aws_access_key_id=credentials.access_key,
        aws_secret_access_key=credentials.secret_key,
        aws_session_token=credentials.session_token,
        region_name=credentials.region,
        config=Config(**options),
    )


def unique(prefix):
    """A name that no other test of this process has."""
    return f"{prefix}-{next(_numbers)}"


def allow(*actions, resource="*", **elements):
    """A policy document of one statement that allows actions."""
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": resource} | elements
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def create_key(iam, name):
    """A new access key of a user."""
    return credentials_of(iam.create_access_key(UserName=name)["AccessKey"])


def create_user(iam, name=None, policy=None, managed=()):
    """Makes a user with an access key, an inline policy if there is a document, and managed policies by name or ARN."""
    name = name or unique("user")
    iam.create_user(UserName=name)
    if policy is not None:
        iam.put_user_policy(UserName=name, PolicyName="inline", PolicyDocument=policy)
    for policy_arn in managed:
        arn = policy_arn if policy_arn.startswith("arn:") else f"arn:aws:iam::aws:policy/{policy_arn}"
        iam.attach_user_policy(UserName=name, PolicyArn=arn)
    return name, create_key(iam, name)


def credentials_of(answer):
    """What AccessKey and Credentials elements hold, to sign with."""
    return Credentials(
        answer["AccessKeyId"], answer["SecretAccessKey"], session_token=answer.get("SessionToken"))


def session_of(server, credentials, role_arn, **parameters):
    """Credentials of a session of a role, which whoever has `credentials` assumes."""
    sts = client_of("sts", server, credentials)
    answer = sts.assume_role(RoleArn=role_arn, RoleSessionName="session", **parameters)
    return credentials_of(answer["Credentials"])


def new_account(server):
    """Makes an account: its number, and credentials of an administrator in it."""
    organizations, iam = client_of("organizations", server), client_of("iam", server)
    status = organizations.create_account(Email=f"{unique('tenant')}@example.org", AccountName=unique("tenant"))
    account = status["CreateAccountStatus"]["AccountId"]
    _, manager = create_user(iam, policy=allow("sts:AssumeRole"))
    return account, session_of(server, manager, f"arn:aws:iam::{account}:role/OrganizationAccountAccessRole")


def refusal(call, **parameters):
    """Code and message of the error that a call of boto3 ends with."""
    try:
        call(**parameters)
    except ClientError as error:
        return error.response["Error"]["Code"], error.response["Error"]["Message"]
    raise AssertionError(f"{call} was not refused")


def error_code(call, **parameters):
    """The code of the error that a call of boto3 ends with."""
    return refusal(call, **parameters)[0]


@dataclass
class Member:
    """An account of the organization, and the credentials of its administrator."""

    id: str
    email: str
    credentials: Credentials


def member_account(server):
    """Makes an account, and enters it by the role that every account has for its organization."""
    email = f"{unique('tenant')}@example.org"
    made = client_of("organizations", server).create_account(AccountName="A tenant", Email=email)["CreateAccountStatus"]
    assert made["State"] == "SUCCEEDED", made
    account = made["AccountId"]
    _, admin = create_user(client_of("iam", server), policy=allow("sts:AssumeRole"))
    role = f"arn:aws:iam::{account}:role/OrganizationAccountAccessRole"
    entered = client_of("sts", server, admin).assume_role(RoleArn=role, RoleSessionName="administrator")
    return Member(account, email, credentials_of(entered["Credentials"]))

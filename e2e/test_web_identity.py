"""AssumeRoleWithWebIdentity, with tokens of a real identity provider."""

import hashlib
import hmac
import json

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from support.iam import allow, client_of, credentials_of, error_code, unique
from support.identity_provider import ALGORITHMS, IdentityProvider, decoded, encoded
from support.tools import Tool

pytestmark = pytest.mark.xdist_group("web_identity")


@pytest.fixture(scope="module")
def provider(tmp_path_factory):
    provider = IdentityProvider(tmp_path_factory.mktemp("idp"))
    yield provider
    provider.close()


@pytest.fixture(scope="module")
def federated(make_server, provider):
    """A server that reaches the provider, and trusts its certificate."""
    environment = {"COFFER_OIDC_CA_FILE": str(provider.ca_file), "COFFER_OIDC_PRIVATE_NETWORKS": "127.0.0.0/8,::1"}
    return make_server(environment=environment).start()


@pytest.fixture(scope="module")
def iam(federated):
    return client_of("iam", federated)


@pytest.fixture(scope="module")
def provider_arn(iam, provider):
    clients = [f"app-{algorithm}" for algorithm in ALGORITHMS]
    answer = iam.create_open_id_connect_provider(Url=provider.url, ClientIDList=clients)
    return answer["OpenIDConnectProviderArn"]


@pytest.fixture(scope="module")
def role(iam, provider, provider_arn):
    """A role for alice of the client app-RS256, and for whoever comes by another client."""
    return make_role(iam, provider_arn, {
        "StringEquals": {f"{provider.name}:sub": "alice"},
        "StringLike": {f"{provider.name}:aud": "app-*"}})


def make_role(iam, provider_arn, condition):
    name = unique("web-role")
    trust = {"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"Federated": provider_arn}, "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": condition}]}
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=allow("s3:CreateBucket", "s3:ListBucket"))
    return arn


def assume(server, role, token, **more):
    sts = boto3.client(
        "sts", endpoint_url=server.url, region_name="us-east-1",
        config=Config(signature_version=UNSIGNED, retries={"total_max_attempts": 1}))
    return sts.assume_role_with_web_identity(
        RoleArn=role, RoleSessionName="web", WebIdentityToken=token, **more)


def refusal(server, role, token):
    with pytest.raises(ClientError) as refused:
        assume(server, role, token)
    return refused.value.response["Error"]["Code"]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_whoever_logs_in_becomes_the_role(federated, provider, provider_arn, role, algorithm):
    answer = assume(federated, role, provider.log_in("alice", f"app-{algorithm}"))
    assert answer["SubjectFromWebIdentityToken"] == "alice"
    assert answer["Audience"] == f"app-{algorithm}"
    assert answer["Provider"] == provider_arn
    s3 = client_of("s3", federated, credentials_of(answer["Credentials"]))
    bucket = unique(f"web-bucket-{algorithm.lower()}")
    s3.create_bucket(Bucket=bucket)
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
    assert error_code(s3.put_object, Bucket=bucket, Key="k", Body=b"") == "AccessDenied"
    identity = client_of("sts", federated, credentials_of(answer["Credentials"])).get_caller_identity()
    assert identity["Arn"].endswith(f"/{role.rsplit('/')[-1]}/web")


def test_somebody_else_does_not(federated, provider, role):
    assert refusal(federated, role, provider.log_in("bob", "app-RS256")) == "AccessDenied"


def test_the_session_says_who_vouched(federated, iam, provider, role):
    """The subject is a condition key of what the session asks for."""
    name = role.rsplit("/")[-1]
    document = allow("s3:ListAllMyBuckets", Condition={"StringEquals": {f"{provider.name}:sub": "alice"}})
    iam.put_role_policy(RoleName=name, PolicyName="who", PolicyDocument=document)
    answer = assume(federated, role, provider.log_in("alice", "app-RS256"))
    client_of("s3", federated, credentials_of(answer["Credentials"])).list_buckets()


def test_tokens_that_were_tampered_with(federated, provider, role):
    good = provider.log_in("alice", "app-RS256")
    header, claims, signature = good.split(".")
    parsed = decoded(header)
    later = decoded(claims) | {"exp": decoded(claims)["exp"] + 1_000_000}
    keys = provider.get("/jwks")
    # The public key as the secret of an HMAC: a verifier that believes the header would take it.
    confused = f"{encoded(parsed | {'alg': 'HS256'})}.{claims}"
    digest = hmac.new(keys, confused.encode(), hashlib.sha256).digest()
    other = provider.log_in("bob", "app-RS256").split(".")
    for token in [
        f"{header}.{encoded(later)}.{signature}",
        f"{header}.{other[1]}.{signature}",
        f"{other[0]}.{claims}.{other[2]}",
        f"{encoded({'alg': 'none'})}.{claims}.",
        f"{encoded(parsed | {'alg': 'none'})}.{claims}.{signature}",
        f"{encoded(parsed | {'alg': 'PS256'})}.{claims}.{signature}",
        f"{confused}.{encoded(digest)}",
        f"{header}.{encoded(decoded(claims) | {'iss': 'https://evil.example.com'})}.{signature}",
        good + "A",
        "not.a.token",
    ]:
        assert refusal(federated, role, token) == "InvalidIdentityToken", token
    assume(federated, role, good)


def test_a_client_that_is_removed(federated, iam, provider, provider_arn, role):
    token = provider.log_in("alice", "app-ES256")
    iam.remove_client_id_from_open_id_connect_provider(OpenIDConnectProviderArn=provider_arn, ClientID="app-ES256")
    assert refusal(federated, role, token) == "InvalidIdentityToken"
    iam.add_client_id_to_open_id_connect_provider(OpenIDConnectProviderArn=provider_arn, ClientID="app-ES256")
    assume(federated, role, token)


def test_a_server_that_was_not_told_reaches_nothing_inside(server, provider):
    iam = client_of("iam", server)
    arn = iam.create_open_id_connect_provider(
        Url=provider.url, ClientIDList=["app-RS256"])["OpenIDConnectProviderArn"]
    role = make_role(iam, arn, {"StringEquals": {f"{provider.name}:aud": "app-RS256"}})
    assert refusal(server, role, provider.log_in("alice", "app-RS256")) == "IDPCommunicationError"
    assert "oidc_private_networks" in server.log()
    iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=arn)


def test_the_cli_takes_the_token_from_a_file(federated, provider, role, tmp_path):
    (tmp_path / "token").write_text(provider.log_in("alice", "app-RS256"))
    aws = Tool("aws", federated, tmp_path, arguments=["--endpoint-url", federated.url], environment={
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "token"), "AWS_ROLE_ARN": role, "AWS_ROLE_SESSION_NAME": "cli",
        "AWS_ENDPOINT_URL_STS": federated.url})
    del aws.environment["AWS_ACCESS_KEY_ID"], aws.environment["AWS_SECRET_ACCESS_KEY"]
    assert json.loads(aws.run("sts", "get-caller-identity"))["Arn"].endswith("/cli")

"""Answers that hold a secret access key, over plain HTTP from other machines, which a trusted proxy stands in for."""

import pytest

from support.iam import client_of, create_user, credentials_of, error_code

REMOTE = {"X-Forwarded-For": "203.0.113.9"}


@pytest.fixture(scope="module")
def proxied(make_server):
    """A server that believes what 127.0.0.1 says about clients."""
    server = make_server(environment={"COFFER_TRUSTED_PROXIES": "127.0.0.1"}).start()
    yield server
    server.close()


def behind_proxy(service, server, headers, credentials=None):
    """boto3, with headers that a proxy adds on the way."""
    client = client_of(service, server, credentials)
    client.meta.events.register("before-send", lambda request, **_: request.headers.update(headers))
    return client


def test_access_keys_are_not_sent_to_other_machines_in_the_clear(proxied):
    client_of("iam", proxied).create_user(UserName="bob")
    for headers in (REMOTE, REMOTE | {"X-Forwarded-Proto": "http"}, REMOTE | {"X-Forwarded-For": "127.0.0.1, 203.0.113.9"}):
        remote = behind_proxy("iam", proxied, headers)
        assert error_code(remote.create_access_key, UserName="bob") == "AccessDenied", headers
        assert remote.list_access_keys(UserName="bob")["AccessKeyMetadata"] == []
    remote = behind_proxy("iam", proxied, REMOTE | {"X-Forwarded-Proto": "https"})
    assert credentials_of(remote.create_access_key(UserName="bob")["AccessKey"])


def test_temporary_credentials_are_not_sent_to_other_machines_in_the_clear(proxied):
    name, credentials = create_user(client_of("iam", proxied))
    for headers, refused in [(REMOTE, True), (REMOTE | {"X-Forwarded-Proto": "https"}, False), ({}, False)]:
        sts = behind_proxy("sts", proxied, headers, credentials)
        assert sts.get_caller_identity()["Arn"].endswith(f":user/{name}")
        if refused:
            assert error_code(sts.get_session_token) == "AccessDenied"
        else:
            assert credentials_of(sts.get_session_token()["Credentials"])


def test_nobody_else_says_where_a_client_is(server):
    """A client that is no proxy cannot make itself remote, nor the other way round."""
    sts = behind_proxy("sts", server, REMOTE)
    assert credentials_of(sts.get_session_token()["Credentials"])

"""The cryptographic actions of the KMS, by boto3, the AWS CLI, and requests that neither of them makes."""

import base64
import json
import threading
import urllib.error
import urllib.request

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from support.iam import client_of, error_code, refusal, unique
from support.tools import Tool

ACCOUNT = "000000000000"
NOBODY = "12345678-1234-4234-8234-123456789012"
CONTEXT = {"team": "red", "purpose": "tests"}
REMOTE = {"X-Forwarded-For": "203.0.113.9"}


def flipped(ciphertext, at):
    changed = bytearray(ciphertext)
    changed[at] ^= 1
    return bytes(changed)


# Encrypt and Decrypt.

@pytest.mark.parametrize("plaintext", [b"\0", b"attack at dawn", bytes(range(256)) * 16])
def test_what_is_encrypted_decrypts(kms, key, plaintext):
    encrypted = kms.encrypt(KeyId=key["KeyId"], Plaintext=plaintext, EncryptionContext=CONTEXT)
    assert (encrypted["KeyId"], encrypted["EncryptionAlgorithm"]) == (key["Arn"], "SYMMETRIC_DEFAULT")
    assert plaintext not in encrypted["CiphertextBlob"] or len(plaintext) == 1
    decrypted = kms.decrypt(CiphertextBlob=encrypted["CiphertextBlob"], EncryptionContext=CONTEXT)
    assert decrypted["Plaintext"] == plaintext
    assert (decrypted["KeyId"], decrypted["EncryptionAlgorithm"]) == (key["Arn"], "SYMMETRIC_DEFAULT")
    assert decrypted["KeyMaterialId"] == kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]["CurrentKeyMaterialId"]


def test_no_two_ciphertexts_are_alike(kms, key):
    ciphertexts = {kms.encrypt(KeyId=key["KeyId"], Plaintext=b"same")["CiphertextBlob"] for _ in range(5)}
    assert len(ciphertexts) == 5


def test_a_key_is_used_by_each_of_its_names(kms, key):
    alias = f"alias/{unique('crypto')}"
    kms.create_alias(AliasName=alias, TargetKeyId=key["KeyId"])
    for name in (key["KeyId"], key["Arn"], alias, f"arn:aws:kms:us-east-1:{ACCOUNT}:{alias}"):
        ciphertext = kms.encrypt(KeyId=name, Plaintext=b"x")["CiphertextBlob"]
        assert kms.decrypt(KeyId=name, CiphertextBlob=ciphertext)["Plaintext"] == b"x"


@pytest.mark.parametrize("context", [{}, {"team": "red"}, CONTEXT | {"more": ""}, CONTEXT | {"team": "Red"}, {"Team": "red", "purpose": "tests"}])
def test_another_context_does_not_decrypt(kms, key, context):
    ciphertext = kms.encrypt(KeyId=key["KeyId"], Plaintext=b"x", EncryptionContext=CONTEXT)["CiphertextBlob"]
    assert refusal(kms.decrypt, CiphertextBlob=ciphertext, EncryptionContext=context)[0] == "InvalidCiphertextException"


def test_a_changed_ciphertext_does_not_decrypt(kms, key):
    ciphertext = kms.encrypt(KeyId=key["KeyId"], Plaintext=b"secret")["CiphertextBlob"]
    for changed in (flipped(ciphertext, 0), flipped(ciphertext, 20), flipped(ciphertext, 30), flipped(ciphertext, 60),
                    flipped(ciphertext, 90), flipped(ciphertext, -1), ciphertext[:-1], ciphertext + b"\0", b"x", b"\0" * 200):
        assert error_code(kms.decrypt, CiphertextBlob=changed) == "InvalidCiphertextException"
    of_nobody = ciphertext[:1] + bytes(16) + ciphertext[17:]
    code, message = refusal(kms.decrypt, CiphertextBlob=of_nobody)
    assert code == "AccessDeniedException" and "the resource does not exist in this Region" in message


def test_the_ciphertext_of_another_key_is_refused_by_the_one_that_is_named(kms, key):
    other = kms.create_key()["KeyMetadata"]["KeyId"]
    ciphertext = kms.encrypt(KeyId=other, Plaintext=b"x")["CiphertextBlob"]
    assert refusal(kms.decrypt, CiphertextBlob=ciphertext, KeyId=key["KeyId"]) == (
        "IncorrectKeyException", "The key ID in the request does not identify a CMK that can perform this operation.")
    moved = ciphertext[:1] + bytes.fromhex(key["KeyId"].replace("-", "")) + ciphertext[17:]
    assert error_code(kms.decrypt, CiphertextBlob=moved) == "InvalidCiphertextException"


@pytest.mark.parametrize("parameters, code, message", [
    ({"Plaintext": b"x" * 4097}, "ValidationException", "1 validation error detected: Value at 'plaintext' failed to satisfy constraint: "
                                                        "Member must have length less than or equal to 4096"),
    ({"Plaintext": b""}, "ValidationException", "Member must have length greater than or equal to 1"),
    ({"EncryptionAlgorithm": "RSAES_OAEP_SHA_256"}, "InvalidKeyUsageException",
     "Algorithm RSAES_OAEP_SHA_256 is incompatible with key spec SYMMETRIC_DEFAULT."),
    ({"EncryptionAlgorithm": "ROT13"}, "ValidationException", "at 'encryptionAlgorithm' failed to satisfy constraint: Member must satisfy enum value set"),
    ({"EncryptionContext": {"a": "b" * 8192}}, "ValidationException", "encryption context"),
    ({"GrantTokens": ["nonsense"]}, "InvalidGrantTokenException", ""),
    ({"GrantTokens": [base64.b64encode(b"\1" + bytes(48)).decode()]}, "InvalidGrantTokenException", ""),
    ({"GrantTokens": ["x"] * 11}, "ValidationException", "grantTokens"),
    ({"KeyId": NOBODY}, "NotFoundException", f"Key 'arn:aws:kms:us-east-1:{ACCOUNT}:key/{NOBODY}' does not exist"),
    ({"KeyId": "alias/none"}, "NotFoundException", "is not found."),
    ({"DryRun": True}, "DryRunOperationException", "The request would have succeeded, but the DryRun option is set."),
])
def test_what_cannot_be_encrypted_is_refused_in_the_words_of_aws(server, key, parameters, code, message):
    kms = client_of("kms", server, parameter_validation=False)
    found = refusal(kms.encrypt, **({"KeyId": key["KeyId"], "Plaintext": b"x"} | parameters))
    assert found[0] == code and message in found[1]


def test_missing_parameters_and_other_kinds_of_values(server):
    kms = client_of("kms", server, parameter_validation=False)
    for call, missing in [(kms.decrypt, "ciphertextBlob"), (kms.generate_random, "numberOfBytes")]:
        assert refusal(call) == ("ValidationException",
                                 f"1 validation error detected: Value null at '{missing}' failed to satisfy constraint: Member must not be null")
    assert refusal(kms.encrypt)[1].startswith("2 validation errors detected: ")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"7", b'{"KeyId": 7}', b'{"KeyId": "a", "Plaintext": "no base64"}',
                                  b'{"KeyId": "a", "Plaintext": "c2VjcmV0", "EncryptionContext": {"a": 1}}', b"\xff" * 100,
                                  b"[" * 100_000, b'{"KeyId": "a", "Plaintext": "c2VjcmV0", "Plaintext": "c2VjcmV0"}'])
def test_bodies_that_are_no_request(server, body):
    code, answer = raw(server, "Encrypt", body)
    assert code == 400 and answer["__type"] in ("SerializationException", "ValidationException")
    assert "c2VjcmV0" not in json.dumps(answer) and "no base64" not in json.dumps(answer)


def raw(server, action, body, sign=True, headers=None):
    """Sends a body as it is: the status and the object of the answer."""
    fields = {"X-Amz-Target": f"TrentService.{action}", "Content-Type": "application/x-amz-json-1.1"} | (headers or {})
    request = AWSRequest("POST", server.url + "/", headers=fields, data=body)
    if sign:
        SigV4Auth(Credentials(server.credentials.access_key, server.credentials.secret_key), "kms", "us-east-1").add_auth(request)
    try:
        with urllib.request.urlopen(urllib.request.Request(request.url, body, dict(request.headers), method="POST")) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        text = error.read()
        return error.code, json.loads(text) if text.startswith(b"{") else {"text": text.decode()}


def test_nobody_asks_without_a_signature(server, key):
    for action in ("Encrypt", "Decrypt", "GenerateDataKey", "GenerateRandom", "CreateGrant", "PutKeyPolicy", "ListKeys"):
        code, answer = raw(server, action, json.dumps({"KeyId": key["KeyId"], "NumberOfBytes": 8}).encode(), sign=False)
        assert code == 400 and answer["__type"] == "MissingAuthenticationTokenException"


def test_a_body_that_is_too_large_is_not_read(server):
    code, _ = raw(server, "Encrypt", b'{"KeyId": "' + b"a" * (4 << 20) + b'"}')
    assert code in (400, 413)


def test_a_signed_url_is_no_way_to_ask(server, kms, key):
    url = kms.generate_presigned_url("describe_key", Params={"KeyId": key["KeyId"]}, HttpMethod="GET")
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(url)
    assert refused.value.code in (400, 403)


# ReEncrypt.

def test_re_encryption_moves_to_another_key_and_context(kms, key):
    other = kms.create_key()["KeyMetadata"]
    ciphertext = kms.encrypt(KeyId=key["KeyId"], Plaintext=b"moved", EncryptionContext=CONTEXT)["CiphertextBlob"]
    moved = kms.re_encrypt(CiphertextBlob=ciphertext, SourceEncryptionContext=CONTEXT, DestinationKeyId=other["KeyId"],
                           DestinationEncryptionContext={"a": "b"})
    assert (moved["SourceKeyId"], moved["KeyId"]) == (key["Arn"], other["Arn"])
    assert moved["SourceKeyMaterialId"] != moved["DestinationKeyMaterialId"]
    decrypted = kms.decrypt(CiphertextBlob=moved["CiphertextBlob"], EncryptionContext={"a": "b"})
    assert (decrypted["Plaintext"], decrypted["KeyId"]) == (b"moved", other["Arn"])
    assert error_code(kms.decrypt, CiphertextBlob=moved["CiphertextBlob"], EncryptionContext=CONTEXT) == "InvalidCiphertextException"


def test_re_encryption_moves_to_newer_material(kms, key):
    old = kms.encrypt(KeyId=key["KeyId"], Plaintext=b"old")
    kms.rotate_key_on_demand(KeyId=key["KeyId"])
    new = kms.re_encrypt(CiphertextBlob=old["CiphertextBlob"], DestinationKeyId=key["KeyId"])
    assert new["SourceKeyMaterialId"] != new["DestinationKeyMaterialId"]
    for ciphertext in (old["CiphertextBlob"], new["CiphertextBlob"]):
        assert kms.decrypt(CiphertextBlob=ciphertext)["Plaintext"] == b"old"


def test_what_cannot_be_re_encrypted(kms, key):
    other = kms.create_key()["KeyMetadata"]["KeyId"]
    ciphertext = kms.encrypt(KeyId=key["KeyId"], Plaintext=b"x")["CiphertextBlob"]
    asked = {"CiphertextBlob": ciphertext, "DestinationKeyId": other}
    for parameters, code in [({"SourceEncryptionContext": CONTEXT}, "InvalidCiphertextException"),
                             ({"SourceKeyId": other}, "IncorrectKeyException"),
                             ({"DestinationKeyId": NOBODY}, "NotFoundException"),
                             ({"DestinationEncryptionAlgorithm": "SM2PKE"}, "InvalidKeyUsageException"),
                             ({"DryRun": True}, "DryRunOperationException"),
                             ({"CiphertextBlob": b"nonsense"}, "InvalidCiphertextException")]:
        assert error_code(kms.re_encrypt, **(asked | parameters)) == code, parameters
    kms.disable_key(KeyId=other)
    assert error_code(kms.re_encrypt, **asked) == "DisabledException"


# Data keys and random bytes.

@pytest.mark.parametrize("size, length", [({"KeySpec": "AES_256"}, 32), ({"KeySpec": "AES_128"}, 16),
                                          ({"NumberOfBytes": 1}, 1), ({"NumberOfBytes": 1024}, 1024)])
def test_data_keys(kms, key, size, length):
    drawn = kms.generate_data_key(KeyId=key["KeyId"], EncryptionContext=CONTEXT, **size)
    assert len(drawn["Plaintext"]) == length and drawn["KeyId"] == key["Arn"] and drawn["KeyMaterialId"]
    assert kms.decrypt(CiphertextBlob=drawn["CiphertextBlob"], EncryptionContext=CONTEXT)["Plaintext"] == drawn["Plaintext"]
    hidden = kms.generate_data_key_without_plaintext(KeyId=key["KeyId"], EncryptionContext=CONTEXT, **size)
    assert "Plaintext" not in hidden
    assert len(kms.decrypt(CiphertextBlob=hidden["CiphertextBlob"], EncryptionContext=CONTEXT)["Plaintext"]) == length


@pytest.mark.parametrize("parameters, code, message", [
    ({}, "ValidationException", "Please specify either number of bytes or key spec."),
    ({"KeySpec": "AES_256", "NumberOfBytes": 32}, "ValidationException", "Please specify either number of bytes or key spec."),
    ({"KeySpec": "DES"}, "ValidationException", "Member must satisfy enum value set: [AES_256, AES_128]"),
    ({"NumberOfBytes": 0}, "ValidationException", "Member must have value greater than or equal to 1"),
    ({"NumberOfBytes": 1025}, "ValidationException", "Member must have value less than or equal to 1024"),
    ({"KeySpec": "AES_256", "DryRun": True}, "DryRunOperationException", ""),
    ({"KeySpec": "AES_256", "Recipient": {"KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256", "AttestationDocument": b"x"}},
     "UnsupportedOperationException", "Recipient"),
])
def test_data_keys_that_cannot_be(server, key, parameters, code, message):
    kms = client_of("kms", server, parameter_validation=False)
    found = refusal(kms.generate_data_key, KeyId=key["KeyId"], **parameters)
    assert found[0] == code and message in found[1]


def test_random_bytes(kms):
    drawn = [kms.generate_random(NumberOfBytes=length)["Plaintext"] for length in (1, 32, 32, 1024)]
    assert [len(each) for each in drawn] == [1, 32, 32, 1024] and drawn[1] != drawn[2]
    assert error_code(kms.generate_random, NumberOfBytes=8, CustomKeyStoreId="cks-none") == "CustomKeyStoreNotFoundException"


@pytest.mark.parametrize("call, parameters", [
    ("generate_data_key_pair", {"KeyPairSpec": "RSA_2048"}),
    ("generate_data_key_pair_without_plaintext", {"KeyPairSpec": "RSA_2048"}),
])
def test_pairs_of_keys_are_refused_by_their_name(kms, key, call, parameters):
    assert error_code(getattr(kms, call), KeyId=key["KeyId"], **parameters) == "UnsupportedOperationException"


# Keys that cannot be used.

def uses(kms, key_id, ciphertext):
    """Every way to use a key, by name."""
    other = kms.create_key()["KeyMetadata"]["KeyId"]
    elsewhere = kms.encrypt(KeyId=other, Plaintext=b"x")["CiphertextBlob"]
    return {
        "encrypt": lambda: kms.encrypt(KeyId=key_id, Plaintext=b"x"),
        "decrypt": lambda: kms.decrypt(CiphertextBlob=ciphertext),
        "generate": lambda: kms.generate_data_key(KeyId=key_id, KeySpec="AES_256"),
        "generate blindly": lambda: kms.generate_data_key_without_plaintext(KeyId=key_id, KeySpec="AES_256"),
        "from": lambda: kms.re_encrypt(CiphertextBlob=ciphertext, DestinationKeyId=other),
        "to": lambda: kms.re_encrypt(CiphertextBlob=elsewhere, DestinationKeyId=key_id),
        "grant": lambda: kms.create_grant(KeyId=key_id, GranteePrincipal=f"arn:aws:iam::{ACCOUNT}:root", Operations=["Decrypt"]),
    }


def test_a_disabled_key_is_not_used_until_it_is_enabled(kms, key):
    ciphertext = kms.encrypt(KeyId=key["KeyId"], Plaintext=b"kept")["CiphertextBlob"]
    kms.disable_key(KeyId=key["KeyId"])
    for name, use in uses(kms, key["KeyId"], ciphertext).items():
        assert refusal(use) == ("DisabledException", f"{key['Arn']} is disabled."), name
    kms.enable_key(KeyId=key["KeyId"])
    assert kms.decrypt(CiphertextBlob=ciphertext)["Plaintext"] == b"kept"


def test_a_key_that_waits_for_its_deletion_is_not_used(kms, key):
    ciphertext = kms.encrypt(KeyId=key["KeyId"], Plaintext=b"x")["CiphertextBlob"]
    kms.schedule_key_deletion(KeyId=key["KeyId"], PendingWindowInDays=7)
    for name, use in uses(kms, key["KeyId"], ciphertext).items():
        assert refusal(use) == ("KMSInvalidStateException", f"{key['Arn']} is pending deletion."), name


def test_a_disabled_key_is_not_used_by_requests_that_are_already_on_the_way(kms, key):
    """Once DisableKey has answered, no request that starts later succeeds."""
    disabled, late = threading.Event(), []

    def use():
        while True:
            was_disabled = disabled.is_set()
            try:
                kms.encrypt(KeyId=key["KeyId"], Plaintext=b"x")
                late.append(was_disabled)
            except ClientError:
                return

    threads = [threading.Thread(target=use) for _ in range(4)]
    [thread.start() for thread in threads]
    kms.disable_key(KeyId=key["KeyId"])
    disabled.set()
    [thread.join() for thread in threads]
    assert not any(late)


# Restarts, the CLI, other machines.

def test_ciphertexts_outlive_a_restart(make_server):
    server = make_server().start()
    kms = client_of("kms", server)
    key_id = kms.create_key()["KeyMetadata"]["KeyId"]
    ciphertext = kms.encrypt(KeyId=key_id, Plaintext=b"kept", EncryptionContext=CONTEXT)["CiphertextBlob"]
    server.stop()
    server.start()
    assert client_of("kms", server).decrypt(CiphertextBlob=ciphertext, EncryptionContext=CONTEXT)["Plaintext"] == b"kept"
    server.close()


def test_the_ciphertext_of_one_server_is_nothing_to_another(kms, key, fresh_server):
    ciphertext = kms.encrypt(KeyId=key["KeyId"], Plaintext=b"x")["CiphertextBlob"]
    assert error_code(client_of("kms", fresh_server).decrypt, CiphertextBlob=ciphertext) == "AccessDeniedException"


def test_secrets_are_not_sent_to_other_machines_in_the_clear(make_server):
    server = make_server(environment={"COFFER_TRUSTED_PROXIES": "127.0.0.1"}).start()
    kms = client_of("kms", server)
    key_id = kms.create_key()["KeyMetadata"]["KeyId"]
    ciphertext = kms.encrypt(KeyId=key_id, Plaintext=b"x")["CiphertextBlob"]
    for headers, is_refused in [(REMOTE, True), (REMOTE | {"X-Forwarded-Proto": "https"}, False)]:
        remote = client_of("kms", server)
        remote.meta.events.register("before-send", lambda request, headers=headers, **_: request.headers.update(headers))
        for call, parameters in [(remote.decrypt, {"CiphertextBlob": ciphertext}),
                                 (remote.encrypt, {"KeyId": key_id, "Plaintext": b"x"}),
                                 (remote.generate_data_key, {"KeyId": key_id, "KeySpec": "AES_256"}),
                                 (remote.generate_random, {"NumberOfBytes": 8})]:
            if is_refused:
                assert error_code(call, **parameters) == "AccessDeniedException"
            else:
                assert call(**parameters)
        assert remote.describe_key(KeyId=key_id)
        assert remote.generate_data_key_without_plaintext(KeyId=key_id, KeySpec="AES_256")
    server.close()


def test_the_aws_cli_encrypts_and_decrypts(server, key, tmp_path):
    tool = Tool("aws", server, tmp_path, arguments=["--endpoint-url", server.url, "kms"])
    aws = lambda *arguments: tool.run(*arguments).strip()
    (tmp_path / "plain").write_bytes(b"from a file")
    encrypted = aws("encrypt", "--key-id", key["KeyId"], "--plaintext", "fileb://plain", "--encryption-context", "a=b",
                    "--query", "CiphertextBlob", "--output", "text")
    (tmp_path / "sealed").write_bytes(base64.b64decode(encrypted))
    decrypted = aws("decrypt", "--ciphertext-blob", "fileb://sealed", "--encryption-context", "a=b", "--query", "Plaintext", "--output", "text")
    assert base64.b64decode(decrypted) == b"from a file"
    drawn = json.loads(aws("generate-data-key", "--key-id", key["KeyId"], "--key-spec", "AES_256", "--output", "json"))
    assert len(base64.b64decode(drawn["Plaintext"])) == 32
    assert len(base64.b64decode(aws("generate-random", "--number-of-bytes", "9", "--query", "Plaintext", "--output", "text"))) == 9

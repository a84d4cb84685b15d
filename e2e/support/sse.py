"""Keys and headers of server-side encryption with customer keys, and every way to get them wrong."""

import base64
import hashlib

import pytest

from . import errors

SSE = "x-amz-server-side-encryption"
SSE_KMS_KEY = "x-amz-server-side-encryption-aws-kms-key-id"
SSE_CONTEXT = "x-amz-server-side-encryption-context"
ALGORITHM = "x-amz-server-side-encryption-customer-algorithm"
KEY = "x-amz-server-side-encryption-customer-key"
KEY_MD5 = "x-amz-server-side-encryption-customer-key-MD5"
SOURCE_ALGORITHM = "x-amz-copy-source-server-side-encryption-customer-algorithm"
SOURCE_KEY = "x-amz-copy-source-server-side-encryption-customer-key"
SOURCE_KEY_MD5 = "x-amz-copy-source-server-side-encryption-customer-key-MD5"


class CustomerKey:
    """A customer key of any length, with the forms it takes in headers."""

    def __init__(self, raw):
        self.raw = raw
        self.base64 = base64.b64encode(raw).decode()
        self.md5 = base64.b64encode(hashlib.md5(raw).digest()).decode()

    def headers(self):
        """The three headers of a request."""
        return {ALGORITHM: "AES256", KEY: self.base64, KEY_MD5: self.md5}

    def source_headers(self):
        """The three headers about the source of a copy."""
        return {SOURCE_ALGORITHM: "AES256", SOURCE_KEY: self.base64, SOURCE_KEY_MD5: self.md5}

    def boto(self):
        return {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": self.raw}

    def boto_source(self):
        return {"CopySourceSSECustomerAlgorithm": "AES256", "CopySourceSSECustomerKey": self.raw}


KEY_A = CustomerKey(hashlib.sha256(b"customer key A").digest())
KEY_B = CustomerKey(hashlib.sha256(b"customer key B").digest())
KEYS_OF_WRONG_LENGTH = {length: CustomerKey(b"\x01" * length) for length in (1, 10, 31, 33)}


def as_source(headers):
    """The same headers, about the source of a copy."""
    return {name.replace("x-amz-server-side", "x-amz-copy-source-server-side"): value for name, value in headers.items()}


def customer(algorithm=None, key=None, md5=None):
    """Whichever of the three headers are given."""
    named = {ALGORITHM: algorithm, KEY: key, KEY_MD5: md5}
    return {name: value for name, value in named.items() if value is not None}


A = KEY_A.base64
MD5 = KEY_A.md5
_JUNK = "not-valid-base64!!!"

# (headers, error, value of ArgumentValue or None): what is wrong with the three headers themselves, in every operation that reads them.
_MALFORMED = {
    "key alone": (customer(key=A), errors.ALGORITHM_MISSING, None),
    "MD5 alone": (customer(md5=MD5), errors.ALGORITHM_MISSING, None),
    "key and MD5 without algorithm": (customer(key=A, md5=MD5), errors.ALGORITHM_MISSING, None),
    "empty key alone": (customer(key=""), errors.ALGORITHM_MISSING, None),
    "empty MD5 alone": (customer(md5=""), errors.ALGORITHM_MISSING, None),
    "algorithm alone": (customer("AES256"), errors.KEY_MISSING, None),
    "algorithm and MD5 without key": (customer("AES256", md5=MD5), errors.KEY_MISSING, None),
    "empty algorithm alone": (customer(""), errors.KEY_MISSING, None),
    "all three empty": (customer("", "", ""), errors.KEY_TOO_SHORT, None),
    "empty key": (customer("AES256", "", MD5), errors.KEY_TOO_SHORT, None),
    # S3 echoes the key as ArgumentValue here; a key has no place in an error body, so it must be absent.
    "key of one character": (customer("AES256", "a", MD5), errors.KEY_TOO_SHORT, None),
    "key of two characters": (customer("AES256", "ZZ", MD5), errors.KEY_TOO_SHORT, None),
    "key of foreign characters": (customer("AES256", "####", MD5), errors.KEY_TOO_SHORT, None),
    "MD5 of another key": (customer("AES256", A, KEY_B.md5), errors.MD5_MISMATCH, None),
    "MD5 that is not base64": (customer("AES256", A, _JUNK), errors.MD5_MISMATCH, None),
    "empty MD5": (customer("AES256", A, ""), errors.MD5_MISMATCH, None),
    "MD5 without padding": (customer("AES256", A, MD5.rstrip("=")), errors.MD5_MISMATCH, None),
    "key that is not base64": (customer("AES256", _JUNK, MD5), errors.MD5_MISMATCH, None),
    "junk key and unknown algorithm": (customer("ROT13", _JUNK, MD5), errors.MD5_MISMATCH, None),
    "key without padding": (customer("AES256", A.rstrip("="), MD5), errors.MD5_MISMATCH, None),
    "key with four padding characters": (customer("AES256", A + "====", MD5), errors.MD5_MISMATCH, None),
    "short key with the MD5 of another": (customer("AES256", KEYS_OF_WRONG_LENGTH[10].base64, MD5), errors.MD5_MISMATCH, None),
    "unknown algorithm": (customer("AES128-INVALID", A, MD5), errors.ALGORITHM_UNSUPPORTED, "AES128-INVALID"),
    "algorithm in lower case": (customer("aes256", A, MD5), errors.ALGORITHM_UNSUPPORTED, "aes256"),
    "empty algorithm": (customer("", A, MD5), errors.ALGORITHM_UNSUPPORTED, None),
    "unknown algorithm and short key": (
        {**KEYS_OF_WRONG_LENGTH[10].headers(), ALGORITHM: "INVALID-ALGO"}, errors.ALGORITHM_UNSUPPORTED, "INVALID-ALGO"),
}
_WITHOUT_MD5 = {"algorithm and key without MD5": (customer("AES256", A), errors.MD5_MISSING, None)}
_WRONG_LENGTH = {
    f"key of {length} bytes": (key.headers(), errors.KEY_LENGTH, None) for length, key in KEYS_OF_WRONG_LENGTH.items()}


def _params(cases):
    return [pytest.param(*case, id=name.replace(" ", "-")) for name, case in cases.items()]


# A read may leave the MD5 out, and judges the length only by comparing keys.
MALFORMED_ON_READ = _params(_MALFORMED)
# A part must bring the MD5; a key of another length is simply not the upload's.
MALFORMED_ON_PART = _params(_MALFORMED | _WITHOUT_MD5)
# A write introduces a key, so its length is judged too.
MALFORMED_ON_WRITE = _params(_MALFORMED | _WITHOUT_MD5 | _WRONG_LENGTH)
# Completion ignores what is not a full set of three.
MALFORMED_ON_COMPLETE = _params({
    name: case for name, case in _MALFORMED.items() if {ALGORITHM, KEY, KEY_MD5} == set(case[0])})
PARTIAL_ON_COMPLETE = [pytest.param(headers, id=name) for name, headers in {
    "algorithm": customer("AES256"),
    "unknown-algorithm": customer("AES128-INVALID"),
    "key": customer(key=A),
    "MD5": customer(md5=MD5),
    "algorithm-and-key": customer("AES256", A),
    "algorithm-and-MD5": customer("AES256", md5=MD5),
    "key-and-MD5": customer(key=A, md5=MD5),
}.items()]


def expect_customer_key(response, key):
    """Asserts that the answer says SSE-C with this key, and nothing of another mode."""
    assert response.header(ALGORITHM) == "AES256", response
    assert response.header(KEY_MD5) == key.md5, response
    assert response.header(SSE) is None, response
    assert response.header(KEY) is None, "a key is never sent back"


def expect_sse_s3(response):
    """Asserts that the answer says SSE-S3, and nothing of another mode."""
    assert response.header(SSE) == "AES256", response
    for name in (ALGORITHM, KEY_MD5, SSE_KMS_KEY, SSE + "-bucket-key-enabled"):
        assert response.header(name) is None, response

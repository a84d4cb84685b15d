"""AWS Signature Version 4, written from the specification so that a test can sign exactly what it sends, or exactly not."""

import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import datetime, timezone
from urllib.parse import quote, unquote_to_bytes

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED = "UNSIGNED-PAYLOAD"
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True)
class Credentials:
    access_key: str
    secret_key: str
    region: str = "us-east-1"
    session_token: str | None = None


def sha256_hex(data):
    return hashlib.sha256(data).hexdigest()


def as_bytes(value):
    return value if isinstance(value, bytes) else value.encode()


def uri_encode(value, safe=""):
    """Percent-encodes everything but the unreserved characters, as SigV4 asks."""
    return quote(as_bytes(value), safe=safe + "-_.~")


def query_string(pairs):
    return "&".join(f"{uri_encode(name)}={uri_encode(value)}" for name, value in sorted(pairs))


def timestamp(moment=None):
    return (moment or datetime.now(timezone.utc)).strftime("%Y%m%dT%H%M%SZ")


def _canonical_value(value):
    # Tabs count as white space: botocore signs them so, and Amazon S3 accepts it.
    return re.sub(rb"\s+", b" ", as_bytes(value).strip())


class Signature:
    """One signing context: credentials, and one moment."""

    def __init__(self, credentials, moment=None, service="s3"):
        self.credentials = credentials
        self.timestamp = timestamp(moment)
        self.scope = f"{self.timestamp[:8]}/{credentials.region}/{service}/aws4_request"
        key = b"AWS4" + credentials.secret_key.encode()
        for part in self.scope.split("/"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        self._key = key

    @property
    def credential(self):
        return f"{self.credentials.access_key}/{self.scope}"

    def sign(self, text):
        return hmac.new(self._key, as_bytes(text), hashlib.sha256).hexdigest()

    def string_to_sign(self, canonical_request):
        return f"{ALGORITHM}\n{self.timestamp}\n{self.scope}\n{sha256_hex(canonical_request)}"

    def of_request(self, method, path, pairs, headers, payload):
        """The signature of a request, and the names of the headers it covers. `path` is as on the wire."""
        merged = {}
        for name, value in headers:
            merged.setdefault(name.lower(), []).append(_canonical_value(value))
        names = ";".join(sorted(merged))
        lines = b"".join(name.encode() + b":" + b",".join(merged[name]) + b"\n" for name in sorted(merged))
        canonical = b"\n".join([
            method.encode(),
            uri_encode(unquote_to_bytes(path), safe="/").encode(),
            query_string(pairs).encode(),
            lines,
            names.encode(),
            payload.encode(),
        ])
        return self.sign(self.string_to_sign(canonical)), names

    def authorization(self, method, path, pairs, headers, payload):
        signature, names = self.of_request(method, path, pairs, headers, payload)
        return f"{ALGORITHM} Credential={self.credential}, SignedHeaders={names}, Signature={signature}", signature

    def presigned_pairs(self, method, path, pairs, headers, expires):
        """The query parameters of a presigned URL, those of `pairs` included."""
        names = ";".join(sorted(name.lower() for name, _ in headers))
        pairs = list(pairs) + [
            ("X-Amz-Algorithm", ALGORITHM),
            ("X-Amz-Credential", self.credential),
            ("X-Amz-Date", self.timestamp),
            ("X-Amz-Expires", str(expires)),
            ("X-Amz-SignedHeaders", names),
        ]
        signature, _ = self.of_request(method, path, pairs, headers, UNSIGNED)
        return pairs + [("X-Amz-Signature", signature)]

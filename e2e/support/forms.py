"""POST form uploads: policies, their signatures, and multipart/form-data exactly as given."""

import base64
import json
from datetime import datetime, timedelta, timezone

from .signer import ALGORITHM, Signature, as_bytes

BOUNDARY = "e2e-form-boundary"


def expiry(seconds):
    return (datetime.now(timezone.utc) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def encode(fields, file=None, filename="file.bin", boundary=BOUNDARY):
    """multipart/form-data of (name, value) pairs, then the file."""
    out = []
    for name, value in fields:
        out.append(f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode() + as_bytes(value) + b"\r\n")
    if file is not None:
        out.append(
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{filename}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n".encode() + file + b"\r\n")
    return b"".join(out) + f"--{boundary}--\r\n".encode()


class Form:
    """A form for one bucket: its fields, and the policy that covers them."""

    def __init__(self, client, bucket, fields, conditions=None, expires=300, moment=None):
        self.client = client
        self.bucket = bucket
        signature = Signature(client.credentials, moment)
        signed = {
            "x-amz-algorithm": ALGORITHM,
            "x-amz-credential": signature.credential,
            "x-amz-date": signature.timestamp,
        }
        if client.credentials.session_token:
            signed["x-amz-security-token"] = client.credentials.session_token
        # By default the policy covers every field with its value.
        covered = [{"bucket": bucket}] + [{name: value} for name, value in (dict(fields) | signed).items()]
        conditions = covered if conditions is None else conditions + [{name: value} for name, value in signed.items()]
        policy = json.dumps({"expiration": expiry(expires), "conditions": conditions}).encode()
        self.policy = base64.b64encode(policy).decode()
        self.fields = list(dict(fields).items()) + list(signed.items()) + [
            ("policy", self.policy), ("x-amz-signature", signature.sign(self.policy))]

    def post(self, file, tls=True, filename="file.bin", fields=None, extra=()):
        body = encode((self.fields if fields is None else fields) + list(extra), file, filename)
        return post_body(self.client, self.bucket, body, tls)


def post_body(client, bucket, body, tls=True, content_type=f"multipart/form-data; boundary={BOUNDARY}"):
    headers = [("Host", client.address(tls)[2]), ("Content-Type", content_type), ("Content-Length", len(body))]
    return client.send("POST", client.path(bucket, None), headers, body, tls)

"""The aws-chunked encoding: signed and unsigned chunks, with and without trailers, and ways to get it wrong."""

from .signer import EMPTY_SHA256, sha256_hex

SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
SIGNED_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"


def split(body, size):
    """The chunks of a body, and the empty one that ends it."""
    return [body[at:at + size] for at in range(0, len(body), size)] + [b""]


class ChunkSigner:
    """The chain of signatures over chunks, which starts from the signature of the request's head."""

    def __init__(self, signature, seed):
        self._signature = signature
        self._previous = seed

    def _next(self, kind, lines):
        text = "\n".join([f"AWS4-HMAC-SHA256-{kind}", self._signature.timestamp, self._signature.scope, self._previous] + lines)
        self._previous = self._signature.sign(text)
        return self._previous

    def chunk(self, data):
        return self._next("PAYLOAD", [EMPTY_SHA256, sha256_hex(data)])

    def trailer(self, trailers):
        canonical = "".join(f"{name.lower()}:{value}\n" for name, value in trailers)
        return self._next("TRAILER", [sha256_hex(canonical.encode())])


def signed_body(signer, chunks, trailers=()):
    out = []
    for chunk in chunks:
        out.append(f"{len(chunk):x};chunk-signature={signer.chunk(chunk)}\r\n".encode() + chunk)
        out.append(b"\r\n" if chunk or not trailers else b"")
    if trailers:
        out.append("".join(f"{name}:{value}\r\n" for name, value in trailers).encode())
        out.append(f"x-amz-trailer-signature:{signer.trailer(trailers)}\r\n\r\n".encode())
    return b"".join(out)


def unsigned_body(chunks, trailers=()):
    framed = b"".join(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n" for chunk in chunks if chunk)
    return framed + b"0\r\n" + "".join(f"{name}:{value}\r\n" for name, value in trailers).encode() + b"\r\n"

"""The key file and the keyring file as docs/spec/keyring.md describes them."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass
from pathlib import Path

from seal1 import Envelope, Malformed, Reader, Scope, WrongKey, kdf, open_sealed, unwrap

ACTIVE, DECRYPT_ONLY, DESTROYED = 0, 1, 2
PREFIX = b"coffer-key-v1:"


@dataclass
class Entry:
    """A generation of a root key."""

    id: bytes
    generation: int
    state: int
    created: int
    key: bytes


def read_key_file(text: bytes) -> bytes:
    """The 32 bytes that the line of a key file holds."""
    line = text.removesuffix(b"\n").removesuffix(b"\r")
    if not line.startswith(PREFIX) or len(line) != len(PREFIX) + 44:
        raise Malformed("key file")
    try:
        key = base64.b64decode(line[len(PREFIX) :], validate=True)
    except binascii.Error:
        raise Malformed("key file") from None
    if len(key) != 32:
        raise Malformed("key file")
    return key


def stretch(passphrase: bytes, salt: bytes, iterations: int, min_iterations: int) -> bytes:
    if len(passphrase) < 14 or iterations < min_iterations:
        raise Malformed("passphrase or iterations")
    return hashlib.pbkdf2_hmac("sha512", passphrase, salt, iterations, 32)


def open_keyring(
    keyring: bytes, key: bytes | None = None, passphrase: bytes | None = None, min_iterations: int = 600_000
) -> list[Entry]:
    """The entries of a keyring file, which the content of a key file opens, or a passphrase."""
    if len(keyring) < 101:
        raise Malformed("keyring")
    fields = Reader(keyring, "keyring")
    magic, by, iterations, salt = fields.take(4), fields.number(1), fields.number(4), fields.take(32)
    commitment = fields.take(32)
    if magic != b"SKR1" or iterations > 20_000_000 or by != (0 if key is not None else 1):
        raise Malformed("keyring")
    secret = key if key is not None else stretch(passphrase or b"", salt, iterations, min_iterations)
    t = kdf(secret, salt, "keyring", hashlib.sha256(keyring[:41]).digest(), 64)
    if not hmac.compare_digest(t[32:], commitment):
        raise WrongKey("keyring")
    return read_entries(open_sealed(t[:32], b"", keyring[73:], "keyring"))


def read_entries(text: bytes) -> list[Entry]:
    fields, entries = Reader(text, "keyring entries"), []
    while fields.more():
        entry = Entry(fields.take(16), fields.number(4), fields.number(1), fields.number(8), fields.take(32))
        if entry.state not in (ACTIVE, DECRYPT_ONLY, DESTROYED) or (entry.state == DESTROYED and any(entry.key)):
            raise Malformed("keyring entries")
        entries.append(entry)
    return entries


class RootKeys:
    """The root keys of a key file on disk, to unwrap bucket keys and metadata keys."""

    def __init__(self, entries: list[Entry]):
        self.entries = entries

    @classmethod
    def load(cls, key_file: Path) -> RootKeys:
        keyring = key_file.with_name(key_file.name + ".keyring")
        return cls(open_keyring(keyring.read_bytes(), key=read_key_file(key_file.read_bytes())))

    def unwrap(self, envelope: bytes, scope: Scope) -> bytes:
        named = Envelope.read(envelope)
        for entry in self.entries:
            if (entry.id, entry.generation) == (named.kek_id, named.kek_generation) and entry.state != DESTROYED:
                return unwrap(entry.key, envelope, scope)
        raise WrongKey("no such generation of the root key")

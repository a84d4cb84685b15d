"""The audit log of keys as docs/spec/audit.md describes it: verified without a secret, read with the metadata key."""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from pathlib import Path

import cryptography.exceptions
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from seal1 import Refused, kdf, open_record, record_generation, u64

FIXED_SALT = b"seal/1 fixed salt"


class NotIntact(Refused):
    """The log is not what was written."""


@dataclass(frozen=True)
class Checkpoint:
    """How far a log goes."""

    number: int
    hash: bytes


@dataclass
class Log:
    """A log whose chain and signatures hold."""

    entries: list[tuple[int, bytes]]
    end: Checkpoint
    signed: Checkpoint


def public_key(metadata_key: bytes) -> bytes:
    """What checkpoints under a metadata key are verified with."""
    seed = kdf(metadata_key, FIXED_SALT, "audit", b"signing", 32)
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def entry_key(metadata_key: bytes) -> bytes:
    """What entries under a metadata key are sealed with."""
    return kdf(metadata_key, FIXED_SALT, "audit", b"record", 32)


def verify(folder: Path, store_id: bytes, keys: dict[int, bytes], kept: list[Checkpoint] = ()) -> Log:
    """Verifies the log in a folder, which must have the checkpoints that were kept elsewhere.

    `keys` has the public key of each generation of the metadata key.
    """
    end = Checkpoint(0, hashlib.sha256(b"coffer audit start 1" + store_id).digest())
    log = Log([], end, end)
    reached = {end}
    generation = 0
    files = sorted(folder.glob("*.log"))
    for path in files:
        lines = path.read_bytes().split(b"\n")
        if lines.pop() and path != files[-1]:
            raise NotIntact(f"{path.name}: a cut line")
        for at, line in enumerate(lines):
            kind, number, middle, last = fields(line)
            if (kind == b"h") != (at == 0):
                raise NotIntact(f"{path.name}: a head in the wrong place")
            if kind == b"h":
                if (number, middle, last) != (log.end.number + 1, log.end.hash.hex().encode(), store_id.hex().encode()):
                    raise NotIntact(f"{path.name}: it does not follow from what comes before it")
            elif kind == b"e":
                sealed = decoded(middle)
                chained = hashlib.sha256(b"coffer audit 1" + log.end.hash + u64(number) + sealed).digest()
                if number != log.end.number + 1 or last != chained.hex().encode():
                    raise NotIntact(f"entry {number} does not follow from the one before it")
                if record_generation(sealed) < generation:
                    raise NotIntact(f"entry {number} is under a key that was out of use by then")
                generation = record_generation(sealed)
                log.end = Checkpoint(number, chained)
                log.entries.append((number, sealed))
            elif kind == b"c":
                if (number, middle) != (log.end.number, log.end.hash.hex().encode()):
                    raise NotIntact(f"the checkpoint at {number} is not of this chain")
                message = b"coffer audit checkpoint 1\0" + store_id + u64(number) + log.end.hash
                try:
                    Ed25519PublicKey.from_public_bytes(keys[generation]).verify(decoded(last), message)
                except (KeyError, cryptography.exceptions.InvalidSignature):
                    raise NotIntact(f"the checkpoint at {number} is not signed") from None
                log.signed = log.end
            else:
                raise NotIntact(f"{path.name}: a line of no known form")
            reached.add(log.end)
    if missing := set(kept) - reached:
        raise NotIntact(f"the log does not have {missing}")
    return log


def verify_report(signed: bytes, key: bytes) -> dict[str, list[str]]:
    """Verifies the signed report of a job, and returns what it says by name, in the order of its lines."""
    text, _, last = signed.removesuffix(b"\n").rpartition(b"\n")
    text += b"\n"
    if not signed.endswith(b"\n") or not last.startswith(b"signature: ") or not text.startswith(b"Coffer job report 1\n"):
        raise NotIntact("no report")
    said: dict[str, list[str]] = {}
    for line in text.decode().split("\n")[1:-1]:
        name, _, value = line.partition(": ")
        said.setdefault(name, []).append(value)
    message = b"coffer job report 1\0" + bytes.fromhex(said["store"][0]) + text
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(decoded(last.removeprefix(b"signature: ")), message)
    except cryptography.exceptions.InvalidSignature:
        raise NotIntact("the report is not signed") from None
    return said


def open_entries(log: Log, keys: dict[int, bytes]) -> list[bytes]:
    """The values of the entries, still encoded. `keys` has the key of entries of each generation."""
    return [open_record(keys[record_generation(sealed)], b"audit", u64(number), sealed) for number, sealed in log.entries]


def fields(line: bytes) -> tuple[bytes, int, bytes, bytes]:
    parts = line.split(b" ")
    if len(parts) != 4 or not parts[1].isdigit() or str(int(parts[1])).encode() != parts[1]:
        raise NotIntact("a line of no known form")
    return parts[0], int(parts[1]), parts[2], parts[3]


def decoded(text: bytes) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise NotIntact("a field that is not base64") from None

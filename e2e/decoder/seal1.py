"""seal/1 as docs/spec/sealed-object.md describes it, for reading only.

It follows that text and shares no code with the server. It reads slowly and keeps no secret safe in memory: it is for
checking stored bytes, not for serving them.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

SEGMENT_LEN = 65536
MAX_SEGMENTS = 1 << 31
NONCE_LEN = 12
OVERHEAD = 28
SALT0 = b"seal/1 fixed salt"
FLAG_LAYOUT = 1
ALGORITHMS = range(1, 11)

MODE_SSE_S3, MODE_SSE_KMS, MODE_SSE_C, MODE_BUCKET_KEY, MODE_METADATA_KEY, MODE_KMS_KEY = 1, 2, 3, 0x10, 0x11, 0x12
MODES = (MODE_SSE_S3, MODE_SSE_KMS, MODE_SSE_C, MODE_BUCKET_KEY, MODE_METADATA_KEY, MODE_KMS_KEY)


class Refused(Exception):
    """Sealed bytes do not open. `error` is the word of the specification for why."""

    error = ""


class Malformed(Refused):
    error = "malformed"


class WrongKey(Refused):
    error = "wrong key"


class Tampered(Refused):
    error = "tampered"


# Notation


def u32(number: int) -> bytes:
    return number.to_bytes(4, "big")


def u64(number: int) -> bytes:
    return number.to_bytes(8, "big")


def lp(text: bytes) -> bytes:
    return u32(len(text)) + text


def kdf(key: bytes, salt: bytes, label: str, context: bytes, length: int) -> bytes:
    info = b"seal/1 " + label.encode() + b"\0" + context
    return HKDF(algorithm=hashes.SHA512(), length=length, salt=salt, info=info).derive(key)


def open_sealed(key: bytes, aad: bytes, sealed: bytes, piece: str) -> bytes:
    """OPEN of the specification."""
    if len(sealed) < OVERHEAD:
        raise Malformed(f"{piece}: {len(sealed)} bytes")
    try:
        return AESGCM(key).decrypt(sealed[:NONCE_LEN], sealed[NONCE_LEN:], aad)
    except InvalidTag:
        raise Tampered(piece) from None


class Reader:
    """Takes fields from the front of a byte string; what is missing is malformed."""

    def __init__(self, text: bytes, piece: str):
        self.text, self.piece, self.at = text, piece, 0

    def take(self, length: int) -> bytes:
        taken = self.text[self.at : self.at + length]
        if len(taken) != length:
            raise Malformed(f"{self.piece}: cut")
        self.at += length
        return taken

    def number(self, length: int) -> int:
        return int.from_bytes(self.take(length), "big")

    def field(self) -> bytes:
        return self.take(self.number(4))

    def more(self) -> bool:
        return self.at < len(self.text)


# Envelope


@dataclass
class Scope:
    """What a wrapped key belongs to."""

    bucket_id: bytes
    instance_id: bytes
    name: bytes
    context: bytes = b""


@dataclass
class Envelope:
    """An envelope in fields."""

    mode: int
    kek_id: bytes
    kek_generation: int
    salt: bytes
    commitment: bytes
    sealed: bytes

    @classmethod
    def read(cls, envelope: bytes) -> Envelope:
        if len(envelope) != 146 or envelope[0] != 1 or envelope[1] not in MODES:
            raise Malformed("envelope")
        fields = Reader(envelope[1:], "envelope")
        return cls(*[fields.number(1), fields.take(16), fields.number(4), fields.take(32), fields.take(32), fields.take(60)])


def wrapped_key_scope(bucket_id: bytes, key_id: bytes, generation: int) -> Scope:
    """The scope of a bucket key, or of a metadata key with a bucket id of zeros."""
    return Scope(bucket_id, key_id, u32(generation))


def canonical_context(pairs: dict[str, str]) -> bytes:
    if not pairs:
        return b""
    encoded = sorted((name.encode(), value.encode()) for name, value in pairs.items())
    return u32(len(encoded)) + b"".join(lp(name) + lp(value) for name, value in encoded)


def envelope_context(mode: int, kek_id: bytes, kek_generation: int, scope: Scope) -> bytes:
    bound = bytes([1, mode]) + kek_id + u32(kek_generation) + scope.bucket_id + scope.instance_id
    return hashlib.sha256(bound + lp(scope.name) + lp(scope.context)).digest()


def unwrap(kek: bytes, envelope: bytes, scope: Scope) -> bytes:
    fields = Envelope.read(envelope)
    bound = envelope_context(fields.mode, fields.kek_id, fields.kek_generation, scope)
    t = kdf(kek, fields.salt, "envelope", bound, 64)
    if not hmac.compare_digest(t[32:], fields.commitment):
        raise WrongKey("envelope")
    return open_sealed(t[:32], b"", fields.sealed, "envelope")


# Ciphertexts of KMS keys


@dataclass
class KmsCiphertext:
    """What a KMS key encrypted, in fields."""

    key_id: bytes
    generation: int
    salt: bytes
    commitment: bytes
    sealed: bytes

    @classmethod
    def read(cls, ciphertext: bytes) -> KmsCiphertext:
        sealed_len = len(ciphertext) - 85
        if not OVERHEAD <= sealed_len <= OVERHEAD + 4096 or ciphertext[0] != 1:
            raise Malformed("ciphertext")
        fields = Reader(ciphertext[1:], "ciphertext")
        return cls(fields.take(16), fields.number(4), fields.take(32), fields.take(32), fields.take(sealed_len))

    def decrypt(self, material: bytes, context: dict[str, str]) -> bytes:
        bound = hashlib.sha256(b"\x01" + self.key_id + u32(self.generation) + lp(canonical_context(context))).digest()
        t = kdf(material, self.salt, "kms", bound, 64)
        if not hmac.compare_digest(t[32:], self.commitment):
            raise WrongKey("ciphertext")
        return open_sealed(t[:32], b"", self.sealed, "ciphertext")


# Part


def segment_count(plain_len: int) -> int:
    return max(1, -(-plain_len // SEGMENT_LEN))


def sealed_len(plain_len: int, layers: int) -> int:
    return plain_len + OVERHEAD * layers * segment_count(plain_len)


def opened_len(length: int, layers: int) -> int:
    overhead = OVERHEAD * layers
    count = -(-length // (SEGMENT_LEN + overhead))
    plain_len = length - count * overhead
    if not 1 <= count <= MAX_SEGMENTS or plain_len < 0 or segment_count(plain_len) != count:
        raise Malformed("sealed length")
    return plain_len


def segment_aad(index: int, last: bool) -> bytes:
    return b"seg1" + u64(index) + bytes([last])


def open_segment(keys: list[bytes], plain_len: int, index: int, sealed: bytes) -> bytes:
    """One segment of a part; `keys` are those of its layers, the inner first."""
    aad = segment_aad(index, index == segment_count(plain_len) - 1)
    for key in reversed(keys):
        sealed = open_sealed(key, aad, sealed, f"segment {index}")
    return sealed


class Blob:
    """Where the stored bytes of a part are. `read` returns the bytes from `start` to `end`."""

    def __init__(self, length: int, read: Callable[[int, int], bytes]):
        self.length, self.read = length, read

    @classmethod
    def of(cls, stored: bytes) -> Blob:
        return cls(len(stored), lambda start, end: stored[start:end])


def open_range(keys: list[bytes], plain_len: int, blob: Blob, start: int, end: int) -> bytes:
    """The bytes `start` to `end` of a part, of which only the segments needed are read."""
    if blob.length != sealed_len(plain_len, len(keys)):
        raise Tampered("length of a blob")
    stride = SEGMENT_LEN + OVERHEAD * len(keys)
    first = min(start // SEGMENT_LEN, segment_count(plain_len) - 1)
    behind = max(-(-end // SEGMENT_LEN), first + 1)
    out = b""
    for index in range(first, behind):
        sealed = blob.read(index * stride, min((index + 1) * stride, blob.length))
        out += open_segment(keys, plain_len, index, sealed)
    return out[start - first * SEGMENT_LEN : end - first * SEGMENT_LEN]


# Boxes and the layout tag


def box_aad(label: str, context: bytes) -> bytes:
    return b"box1 " + label.encode() + b"\0" + context


def read_checksums(text: bytes) -> dict[int, bytes]:
    fields, checksums, last = Reader(text, "checksums"), {}, 0
    while fields.more():
        algorithm = fields.number(1)
        if algorithm <= last or algorithm not in ALGORITHMS:
            raise Malformed("checksums")
        checksums[algorithm] = fields.take(fields.number(1))
        last = algorithm
    return checksums


def read_head(text: bytes) -> list[tuple[str, str]]:
    fields, head = Reader(text, "head box"), []
    while fields.more():
        name, value = fields.field(), fields.field()
        if head and head[-1][0] > name:
            raise Malformed("head box")
        head.append((name, value))
    try:
        return [(name.decode(), value.decode()) for name, value in head]
    except UnicodeDecodeError:
        raise Malformed("head box") from None


@dataclass
class PartBox:
    key: bytes
    plain_len: int
    flags: int
    checksums: dict[int, bytes]


class ObjectKeys:
    """What one object key derives."""

    def __init__(self, object_key: bytes):
        t = kdf(object_key, SALT0, "object", b"", 64)
        self.box_key, self.layout_key = t[:32], t[32:]

    def open_box(self, label: str, context: bytes, sealed: bytes) -> bytes:
        return open_sealed(self.box_key, box_aad(label, context), sealed, f"{label} box")

    def open_part_box(self, number: int, sealed: bytes) -> PartBox:
        fields = Reader(self.open_box("part", u32(number), sealed), "part box")
        box = PartBox(fields.take(32), fields.number(8), fields.number(1), {})
        if box.flags & ~FLAG_LAYOUT or segment_count(box.plain_len) > MAX_SEGMENTS:
            raise Malformed("part box")
        box.checksums = read_checksums(fields.text[fields.at :])
        return box

    def open_head_box(self, sealed: bytes) -> list[tuple[str, str]]:
        return read_head(self.open_box("head", b"", sealed))

    def open_sums_box(self, sealed: bytes) -> tuple[int, dict[int, bytes]]:
        fields = Reader(self.open_box("sums", b"", sealed), "sums box")
        sums_type = fields.number(1)
        if sums_type not in (1, 2):
            raise Malformed("sums box")
        return sums_type, read_checksums(fields.text[fields.at :])


def opaque_etag(part_box: bytes) -> bytes:
    return hashlib.sha256(b"seal/1 etag\0" + part_box).digest()[:16]


# Object


@dataclass
class Part:
    """A part as its record has it, and its blob."""

    number: int
    plain_len: int
    boxes: list[bytes]
    blob: Blob


@dataclass
class SealedObject:
    """An object as its record has it."""

    scope: Scope
    kind: int
    envelopes: list[bytes]
    layout_tags: list[bytes]
    parts: list[Part]
    head_box: bytes = b""
    sums_box: bytes = b""

    def layout(self, layer: int) -> bytes:
        out = bytes([self.kind]) + u32(len(self.parts)) + u64(sum(part.plain_len for part in self.parts))
        out += lp(self.head_box) + lp(self.sums_box)
        for part in self.parts:
            out += u32(part.number) + u64(part.plain_len) + lp(part.boxes[layer])
        return out


@dataclass
class OpenedObject:
    """An object whose structure is verified. `part_keys` has for each part a key a layer."""

    sealed: SealedObject
    object_keys: list[bytes]
    part_keys: list[list[bytes]] = field(default_factory=list)
    checksums: list[dict[int, bytes]] = field(default_factory=list)
    head: list[tuple[str, str]] = field(default_factory=list)
    sums: tuple[int, dict[int, bytes]] | None = None

    def __len__(self) -> int:
        return sum(part.plain_len for part in self.sealed.parts)

    def read(self, start: int, end: int) -> bytes:
        """The bytes `start` to `end` of the object. Of an empty object the empty segments are opened, too."""
        out, offset, empty = b"", 0, len(self) == 0
        for part, keys in zip(self.sealed.parts, self.part_keys, strict=True):
            first, behind = max(start - offset, 0), min(end - offset, part.plain_len)
            if first < behind or empty:
                out += open_range(keys, part.plain_len, part.blob, first, behind)
            offset += part.plain_len
        return out

    def read_all(self) -> bytes:
        """The whole object: every segment of every part is opened."""
        parts = zip(self.sealed.parts, self.part_keys, strict=True)
        return b"".join(open_range(keys, part.plain_len, part.blob, 0, part.plain_len) for part, keys in parts)


def check_numbering(kind: int, numbers: list[int]) -> None:
    if kind == 0:
        fits = numbers == [0]
    elif kind == 1:
        fits = bool(numbers) and numbers[0] >= 1 and all(a < b for a, b in zip(numbers, numbers[1:]))
    else:
        raise Malformed("kind")
    if not fits:
        raise Tampered("part numbers")


def open_object(keks: list[bytes], sealed: SealedObject) -> OpenedObject:
    """Verifies everything but the segments, in the order of the specification."""
    if len(keks) not in (1, 2) or len(keks) != len(sealed.envelopes):
        raise Malformed("layers")
    object_keys = [unwrap(kek, envelope, sealed.scope) for kek, envelope in zip(keks, sealed.envelopes, strict=True)]
    layers = [ObjectKeys(object_key) for object_key in object_keys]
    opened = OpenedObject(sealed, object_keys)
    check_numbering(sealed.kind, [part.number for part in sealed.parts])

    layout_is_due = False
    for part in sealed.parts:
        if len(part.boxes) != len(layers):
            raise Malformed("layers")
        boxes = []
        for keys, sealed_box in zip(layers, part.boxes, strict=True):
            box = keys.open_part_box(part.number, sealed_box)
            if box.plain_len != part.plain_len:
                raise Tampered("length of a part")
            layout_is_due |= box.flags & FLAG_LAYOUT != 0
            boxes.append(box)
        opened.part_keys.append([box.key for box in boxes])
        opened.checksums.append(boxes[0].checksums)

    if sealed.layout_tags:
        if len(sealed.layout_tags) != len(layers):
            raise Malformed("layers")
        for layer, (keys, tag) in enumerate(zip(layers, sealed.layout_tags, strict=True)):
            computed = hmac.new(keys.layout_key, sealed.layout(layer), hashlib.sha256).digest()
            if not hmac.compare_digest(computed, tag):
                raise Tampered("layout tag")
    elif layout_is_due:
        raise Tampered("layout tag is missing")

    if sealed.head_box:
        opened.head = layers[0].open_head_box(sealed.head_box)
    if sealed.sums_box:
        opened.sums = layers[0].open_sums_box(sealed.sums_box)
    return opened


# Records


def metadata_key(bucket_key: bytes, bucket_id: bytes) -> bytes:
    return kdf(bucket_key, SALT0, "meta", bucket_id, 32)


def page_key(key: bytes, epoch: int) -> bytes:
    return kdf(key, SALT0, "page", u32(epoch), 32)


def record_generation(record: bytes) -> int:
    if len(record) < 49 or record[0] != 1:
        raise Malformed("record")
    return int.from_bytes(record[1:5], "big")


def open_record(key: bytes, table: bytes, row_key: bytes, record: bytes) -> bytes:
    """The value of a record at `row_key` of `table`; `key` is the metadata key of its generation."""
    generation = record_generation(record)
    aad = b"rec1" + u32(generation) + lp(table) + lp(row_key)
    return open_sealed(kdf(key, record[5:21], "record", b"", 32), aad, record[21:], "record")

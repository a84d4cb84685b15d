"""Backups of the metadata as docs/spec/backup.md describes them, for reading only."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cbor
from key_files import RootKeys
from seal1 import SALT0, Blob, Malformed, Reader, Refused, kdf, lp, open_range, opened_len, sealed_len, wrapped_key_scope

MAGIC = b"COFFERB\x01"
BOOTSTRAP_MAGIC = b"COFFER\x00\x01"
LONGEST_MANIFEST = 1 << 28
LONGEST_FILE = 1 << 30
GONE = b"\xff" * 4


class Damaged(Refused):
    """The backup is not what was written."""

    error = "damaged"


@dataclass
class File:
    """A sealed file, and the key of its part stream."""

    name: bytes
    key: bytes
    plain_len: int

    @classmethod
    def read(cls, fields: dict) -> File:
        name, key, plain_len = exactly(fields, bytes, 0, 16), exactly(fields, bytes, 1, 32), exactly(fields, int, 2)
        if not 1 <= plain_len <= LONGEST_FILE:
            raise Damaged("length of a file")
        return cls(name, key, plain_len)


@dataclass
class Chunk:
    """A chunk: its file, what is said of its rows, and the patch of it, with where that begins and its length."""

    file: File
    rows: int
    mac: bytes
    end: int
    patch: tuple[File, int, int] | None

    @classmethod
    def read(cls, fields: dict) -> Chunk:
        patch = None
        if fields.get(6) is not None:
            file = File.read(fields[6])
            start, length = exactly(fields[6], int, 3), exactly(fields[6], int, 4)
            if length < 1 or start + length > file.plain_len:
                raise Damaged("a patch outside its file")
            patch = file, start, length
        return cls(File.read(fields), exactly(fields, int, 3), exactly(fields, bytes, 4, 32), exactly(fields, int, 5), patch)


class Backup:
    """A backup whose manifest opens."""

    def __init__(self, folder: Path, identity: str, root: RootKeys):
        self.folder = folder
        path = folder / "manifests" / identity
        if path.is_symlink() or not path.is_file() or path.stat().st_size > LONGEST_MANIFEST:
            raise Damaged("the manifest is no file, or too long")
        try:
            self.body = self.open(path.read_bytes(), root)
            if exactly(self.body, bytes, 0, 16).hex() != identity:
                raise Damaged("the manifest of another backup")
            self.sequence, self.taken_ms = exactly(self.body, int, 1), exactly(self.body, int, 2)
            series_key, self.row_count = exactly(self.body, bytes, 3, 32), exactly(self.body, int, 4)
            self.chunks = [Chunk.read(fields) for fields in exactly(self.body, list, 5)]
        except Malformed as malformed:
            raise Damaged(str(malformed)) from None
        if sum(chunk.rows for chunk in self.chunks) != self.row_count:
            raise Damaged("the rows of the chunks do not add up")
        self.content_key = kdf(series_key, SALT0, "backup content", b"", 32)
        self.boundary_key = kdf(series_key, SALT0, "backup boundary", b"", 32)

    def open(self, manifest: bytes, root: RootKeys) -> dict:
        fields = Reader(manifest, "manifest")
        if fields.take(len(MAGIC)) != MAGIC:
            raise Damaged("no manifest")
        head, salt = fields.field(), fields.take(32)
        bound = hashlib.sha256(manifest[: fields.at]).digest()
        commitment = fields.take(32)
        self.store_id, metadata_key = open_bootstrap(head, root)
        t = kdf(metadata_key, salt, "backup", bound, 64)
        if not hmac.compare_digest(t[32:], commitment):
            raise Damaged("the manifest is not under the key that it names")
        return cbor.decode(open_stream(t[:32], manifest[fields.at :]))

    def rows(self) -> list[tuple[bytes, bytes]]:
        """Every row, after every chunk was opened."""
        rows: list[tuple[bytes, bytes]] = []
        for chunk in self.chunks:
            text = self.text(chunk)
            if not hmac.compare_digest(hmac.digest(self.content_key, text, "sha256"), chunk.mac):
                raise Damaged("other rows than the manifest says")
            of_chunk = list(read_rows(text))
            if not of_chunk or len(of_chunk) != chunk.rows or (rows and rows[-1][0] >= of_chunk[0][0]):
                raise Damaged("rows of a chunk")
            rows += of_chunk
        return rows

    def end(self, row_key: bytes) -> int:
        """The keyed hash of the key of a row."""
        return int.from_bytes(hmac.digest(self.boundary_key, row_key, "sha256")[:8], "big")

    def text(self, chunk: Chunk) -> bytes:
        base = self.open_file(chunk.file)
        if chunk.patch is None:
            return base
        file, start, length = chunk.patch
        rows = dict(read_rows(base)) | dict(read_rows(self.open_file(file)[start : start + length], gone=True))
        return b"".join(lp(key) + lp(rows[key]) for key in sorted(rows) if rows[key] is not None)

    def open_file(self, file: File) -> bytes:
        path = self.folder / "chunks" / file.name.hex()
        if path.is_symlink() or not path.is_file() or path.stat().st_size != sealed_len(file.plain_len, 1):
            raise Damaged(f"{path.name} is missing or of another length")
        try:
            return open_stream(file.key, path.read_bytes(), file.plain_len)
        except Refused:
            raise Damaged(f"{path.name} was changed") from None


def open_bootstrap(head: bytes, root: RootKeys) -> tuple[bytes, bytes]:
    """The id of the store and its metadata key."""
    if not head.startswith(BOOTSTRAP_MAGIC):
        raise Damaged("head")
    fields = cbor.decode(head[len(BOOTSTRAP_MAGIC) :])
    generation, wrapped = exactly(fields, int, 2), exactly(fields, bytes, 3)
    scope = wrapped_key_scope(bytes(16), exactly(fields, bytes, 1, 16), generation)
    return exactly(fields, bytes, 0, 16), root.unwrap(wrapped, scope)


def open_stream(key: bytes, stored: bytes, plain_len: int | None = None) -> bytes:
    try:
        length = opened_len(len(stored), 1) if plain_len is None else plain_len
        return open_range([key], length, Blob.of(stored), 0, length)
    except Refused as refused:
        raise Damaged(str(refused)) from None


def read_rows(text: bytes, gone: bool = False) -> Iterator[tuple[bytes, bytes | None]]:
    """Rows, or with `gone` the changes of a patch, where no value means that the row is gone."""
    fields, last = Reader(text, "rows"), None
    while fields.more():
        try:
            key = fields.field()
            if gone and text[fields.at : fields.at + 4] == GONE:
                fields.take(4)
                value = None
            else:
                value = fields.field()
        except Malformed:
            raise Damaged("rows that are cut") from None
        if last is not None and key <= last:
            raise Damaged("rows out of order")
        yield key, value
        last = key


def exactly(fields: object, kind: type, number: int, length: int | None = None):
    """A field of a map, which has this type and length."""
    value = fields.get(number) if isinstance(fields, dict) else None
    if type(value) is not kind or (length is not None and len(value) != length):
        raise Damaged(f"field {number}")
    if kind is int and not 0 <= value < 1 << 64:
        raise Damaged(f"field {number}")
    return value

"""Somebody who has a copy of a data directory from before, and every key that there is now."""

import shutil
from dataclasses import dataclass, field
from pathlib import Path

import cbor
import seal1

from .sealed_store import NO_BUCKET, SealedStore

TABLES = {b"O": b"object", b"V": b"version", b"U": b"upload"}


@dataclass
class Opened:
    """What opens of a copy."""

    envelopes: int = 0
    # The plaintext of each version that opens, by bucket id, key and instance.
    versions: dict = field(default_factory=dict)

    def bodies(self):
        return sorted(self.versions.values())


class CopiedServer:
    """A copy of a data directory with the bootstrap file and the key files that the server has now."""

    def __init__(self, server, data):
        self.server, self.data, self.key_file = server, data, server.key_file
        shutil.copyfile(server.data / "coffer.store", data / "coffer.store")

    def run(self, *arguments):
        return self.server.run(*arguments, data=self.data)

    def blob_files(self):
        return sorted(path for path in (self.data / "blobs").rglob("*") if path.is_file())


class Thief:
    """Takes the copy when it is made, of a stopped server."""

    def __init__(self, server, folder):
        self.server, self.folder, self.tries = server, Path(folder), 0
        shutil.copytree(server.data, self.folder / "copy")

    def open(self, customers=()):
        """Tries every key on every envelope; the server is stopped meanwhile."""
        self.tries += 1
        scratch = self.folder / f"try-{self.tries}"
        shutil.copytree(self.folder / "copy", scratch)
        copy, now = SealedStore(CopiedServer(self.server, scratch)), SealedStore(self.server)
        bucket_keys = unwrapped(copy, now, b"B", b"bucket")
        materials = unwrapped(copy, now, b"W", b"kms")
        opened = Opened()
        for row, value in sorted(copy.rows.items()):
            if table := TABLES.get(row[:1]):
                self.open_row(copy, table, row, value, bucket_keys, materials, customers, opened)
        return opened

    @staticmethod
    def open_row(copy, table, row, value, bucket_keys, materials, customers, opened):
        bucket_id = row[1:17]
        record_keys = {}
        record = None
        for (_, generation), key in bucket_keys.items():
            try:
                record_keys[generation] = seal1.metadata_key(key, bucket_id)
                record = cbor.decode(seal1.open_record(record_keys[generation], table, row, value))
                break
            except seal1.Refused:
                pass
        if record is None:
            return
        key = row[17:]
        if table == b"version":
            record, key = record.get(0), row[17:-26]
        elif table == b"upload":
            key = record[1].encode()
        if record is None:
            return
        context = seal1.canonical_context(record[2][3][2] if 3 in record[2] else {})
        scope = seal1.Scope(bucket_id, record[0], key, context)
        keks = [*bucket_keys.values(), *customers]
        if 3 in record[2]:
            ciphertext = seal1.KmsCiphertext.read(record[2][3][1])
            for (key_id, generation), material in materials.items():
                if (key_id, generation) == (ciphertext.key_id, ciphertext.generation):
                    keks.append(ciphertext.decrypt(material, record[2][3][2]))
        of_layers = []
        for envelope in record[2][0]:
            for kek in keks:
                try:
                    seal1.unwrap(kek, envelope, scope)
                    of_layers.append(kek)
                    opened.envelopes += 1
                    break
                except seal1.Refused:
                    pass
        if table != b"upload" and len(of_layers) == len(record[2][0]):
            parts = record[9] or copy.part_list(bucket_id, record_keys, record)
            sealed = copy.sealed(bucket_id, key, record, parts)
            opened.versions[bucket_id, key, record[0]] = seal1.open_object(of_layers, sealed).read_all()


def unwrapped(copy, now, letter, table):
    """Every key of buckets, or of the KMS, that the root keys of now unwrap, of the copy and of now."""
    keys = {}
    for store in (copy, now):
        for row, value in store.table(letter):
            if letter == b"W" and row[1:2] != b"k":
                continue
            record = store.open_row(store.system_keys, table, row, value)
            wrapped = [(key[0], key[1], key[2]) for key in record[3]] if letter == b"B" else [
                (record[0], material[0], material[2]) for material in record.get(7, [])]
            for key_id, generation, envelope in wrapped:
                owner = record[0] if letter == b"B" else NO_BUCKET
                try:
                    scope = seal1.wrapped_key_scope(owner, key_id, generation)
                    keys[key_id, generation] = now.root_keys.unwrap(envelope, scope)
                except seal1.Refused:
                    pass
    return keys

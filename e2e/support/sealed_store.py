"""A store as it lies on disk, opened by the independent decoder: rows from `coffer dump`, blobs from their files.

Numbers in braces are the fields of the records, as docs/spec has them.
"""

import json
from dataclasses import dataclass

import audit_log
import cbor
import seal1
from key_files import RootKeys

MAGIC = b"COFFER\x00\x01"
NO_BUCKET = bytes(16)


@dataclass
class StoredObject:
    """An object: its row, opened, and what is needed to open the rest."""

    bucket: str
    key: str
    record: dict
    sealed: seal1.SealedObject
    bucket_keys: dict
    materials: dict

    @property
    def etag(self):
        return self.record[6]

    @property
    def modes(self):
        """Of each layer."""
        return [seal1.Envelope.read(envelope).mode for envelope in self.sealed.envelopes]

    @property
    def kms(self):
        """The ARN of the KMS key, the encrypted data key, the encryption context, and whether it is shared."""
        return self.record[2].get(3)

    def open(self, customer_key=None):
        """Verifies and opens it, under the keys of its layers: the bucket's, a data key of the KMS, the customer's."""
        return seal1.open_object([self.kek(envelope, customer_key) for envelope in self.sealed.envelopes], self.sealed)

    def kek(self, envelope, customer_key):
        fields = seal1.Envelope.read(envelope)
        if customer_key is None and fields.mode == seal1.MODE_SSE_KMS:
            return self.data_key()
        return customer_key or self.bucket_keys[fields.kek_generation]

    def data_key(self):
        ciphertext = seal1.KmsCiphertext.read(self.kms[1])
        return ciphertext.decrypt(self.materials[ciphertext.key_id, ciphertext.generation], self.kms[2])

    def head(self, opened):
        """Content headers and user metadata."""
        return dict(opened.head) if self.sealed.head_box else {name: value for name, value in self.record[2].get(2, [])}


class SealedStore:
    """Every row of a stopped server's store."""

    def __init__(self, server):
        dumped = server.run("dump")
        assert dumped.returncode == 0, dumped.stderr
        rows = [json.loads(line) for line in dumped.stdout.splitlines()]
        self.rows = {bytes.fromhex(row["key"]): bytes.fromhex(row["value"]) for row in rows}
        self.blobs = {path.name: path for path in server.blob_files()}
        self.root_keys = RootKeys.load(server.key_file)
        bootstrap = (server.data / "coffer.store").read_bytes()
        assert bootstrap.startswith(MAGIC)
        fields = cbor.decode(bootstrap[len(MAGIC):])
        scope = seal1.wrapped_key_scope(NO_BUCKET, fields[1], fields[2])
        self.system_keys = {fields[2]: self.root_keys.unwrap(fields[3], scope)}

    def table(self, letter):
        return [(row, value) for row, value in sorted(self.rows.items()) if row[:1] == letter]

    @staticmethod
    def open_row(keys, table, row, value):
        key = keys[seal1.record_generation(value)]
        return cbor.decode(seal1.open_record(key, table, row, value))

    def audit_keys(self):
        """The keys of entries of the audit log, and its public keys, by generation of the metadata key."""
        entries, public = {}, {}
        if row := self.rows.get(b"Hearlier-keys"):
            for earlier in self.open_row(self.system_keys, b"audit", b"Hearlier-keys", row)[0]:
                entries[earlier[0]], public[earlier[0]] = earlier[1], earlier[2]
        for generation, key in self.system_keys.items():
            entries[generation], public[generation] = audit_log.entry_key(key), audit_log.public_key(key)
        return entries, public

    def buckets(self):
        """Name, id and keys by generation of every bucket."""
        for row, value in self.table(b"B"):
            record = self.open_row(self.system_keys, b"bucket", row, value)
            keys = {}
            for wrapped in record[3]:
                scope = seal1.wrapped_key_scope(record[0], wrapped[0], wrapped[1])
                keys[wrapped[1]] = self.root_keys.unwrap(wrapped[2], scope)
            yield row[1:].decode(), record[0], keys

    def kms_materials(self):
        """The material of every KMS key that the root key wraps, by key id and generation."""
        materials = {}
        for row, value in self.table(b"W"):
            if row[1:2] == b"k":
                record = self.open_row(self.system_keys, b"kms", row, value)
                for material in record[7]:
                    scope = seal1.wrapped_key_scope(NO_BUCKET, record[0], material[0])
                    materials[record[0], material[0]] = self.root_keys.unwrap(material[2], scope)
        return materials

    def objects(self):
        """Every current object of every bucket."""
        materials = self.kms_materials()
        for name, bucket_id, bucket_keys in self.buckets():
            record_keys = {generation: seal1.metadata_key(key, bucket_id) for generation, key in bucket_keys.items()}
            for row, value in self.table(b"O"):
                if row[1:17] == bucket_id:
                    record = self.open_row(record_keys, b"object", row, value)
                    parts = record[9] or self.part_list(bucket_id, record_keys, record)
                    sealed = self.sealed(bucket_id, row[17:], record, parts)
                    yield StoredObject(name, row[17:].decode(), record, sealed, bucket_keys, materials)

    def part_list(self, bucket_id, record_keys, record):
        parts = []
        for index in range(record[10]):
            row = b"Q" + bucket_id + record[0] + index.to_bytes(4, "big")
            parts += self.open_row(record_keys, b"part-list", row, self.rows[row])[0]
        return parts

    def sealed(self, bucket_id, key, record, parts):
        context = record[2][3][2] if 3 in record[2] else {}
        return seal1.SealedObject(
            scope=seal1.Scope(bucket_id, record[0], key, seal1.canonical_context(context)),
            kind=record[1],
            envelopes=record[2][0],
            layout_tags=record[3],
            parts=[seal1.Part(part[0], part[1], part[4], self.blob(part)) for part in parts],
            head_box=record[2].get(1, b""),
            sums_box=record[4],
        )

    def blob(self, part):
        if part[3]:
            return seal1.Blob.of(self.rows[b"D" + part[2]])
        return seal1.Blob.of(self.blobs[part[2].hex()].read_bytes())

"""Runs the golden vectors of vectors/seal and vectors/backup, as vectors/README.md says how."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import seal1
from backup import Backup
from key_files import RootKeys, open_keyring, read_key_file

unhex = bytes.fromhex


class VectorFailed(Exception):
    """A vector did not end as it must."""


def check_folder(folder: Path) -> int:
    """Checks every vector in `folder` and returns how many files that were.

    A folder may lack kinds of vectors, but it has some, and none of a kind that is not known.
    """
    count = 0
    for path in sorted(folder.rglob("*.json")):
        name = str(path.relative_to(folder))
        kind = name.split("/")[0]
        if kind not in KINDS:
            raise VectorFailed(f"{name}: no such kind of vector")
        check(name, json.loads(path.read_text()), KINDS[kind])
        count += 1
    if count == 0:
        raise VectorFailed(f"{folder}: no vectors")
    return count


def check_backups(folder: Path) -> int:
    """Checks every backup in `folder` and returns how many that were."""
    paths = sorted(folder.glob("*.json"))
    for path in paths:
        check(path.name, json.loads(path.read_text()), verify_backup)
    if not paths:
        raise VectorFailed(f"{folder}: no vectors")
    return len(paths)


def check(name: str, vector: dict, verify: Callable[[dict], None]) -> None:
    """`verify` opens a vector and compares; vectors without `expect` are lists that always open."""
    expected = vector.get("expect", "opened")
    try:
        verify(vector)
        outcome = "opened"
    except seal1.Refused as refused:
        outcome = refused.error
    except VectorFailed as failed:
        raise VectorFailed(f"{name}: {failed}") from None
    if outcome != expected:
        raise VectorFailed(f"{name}: {outcome}, must be {expected}")


def equal(got: object, expected: object, what: str) -> None:
    if got != expected:
        raise VectorFailed(f"{what}: {got!r}, must be {expected!r}")


def pattern(length: int, seed: int) -> bytes:
    return bytes((7 * i + 13 * (i >> 8) + 29 * (i >> 16) + seed) & 0xFF for i in range(length))


def blob(pieces: list[dict]) -> seal1.Blob:
    stored = (unhex(piece["hex"]) if "hex" in piece else pattern(piece["pattern"], piece["seed"]) for piece in pieces)
    return seal1.Blob.of(b"".join(stored))


def scope(fields: dict, name: bytes) -> seal1.Scope:
    return seal1.Scope(unhex(fields["bucket_id"]), unhex(fields["instance_id"]), name, unhex(fields["context"]))


def hexed(checksums: dict[int, bytes]) -> dict[str, str]:
    return {str(algorithm): value.hex() for algorithm, value in checksums.items()}


def verify_object(vector: dict) -> None:
    stored = vector["object"]
    parts = [
        seal1.Part(part["number"], part["plain_len"], [unhex(box) for box in part["boxes"]], blob(part["blob"]))
        for part in stored["parts"]
    ]
    sealed = seal1.SealedObject(
        scope(stored, stored["object_key"].encode()),
        stored["kind"],
        [unhex(envelope) for envelope in stored["envelopes"]],
        [unhex(tag) for tag in stored["layout_tags"]],
        parts,
        unhex(stored["head_box"]),
        unhex(stored["sums_box"]),
    )
    opened = seal1.open_object([unhex(kek) for kek in vector["keks"]], sealed)
    data = opened.read_all()
    if vector["expect"] == "opened":
        compare_object(opened, data, vector["opened"])


def compare_object(opened: seal1.OpenedObject, data: bytes, expected: dict) -> None:
    equal(len(data), expected["len"], "length")
    equal(hashlib.sha256(data).hexdigest(), expected["sha256"], "SHA-256")
    equal([key.hex() for key in opened.object_keys], expected["object_keys"], "object keys")
    equal([[key.hex() for key in keys] for keys in opened.part_keys], [part["keys"] for part in expected["parts"]], "part keys")
    equal([hexed(checksums) for checksums in opened.checksums], [part["checksums"] for part in expected["parts"]], "checksums")
    equal([list(pair) for pair in opened.head], expected["head"], "head")
    sums = opened.sums and {"type": opened.sums[0], "checksums": hexed(opened.sums[1])}
    equal(sums, expected["sums"], "sums")
    etags = [seal1.opaque_etag(part.boxes[0]).hex() for part in opened.sealed.parts]
    equal(etags, expected["opaque_etags"], "opaque ETags")
    for span in expected["ranges"]:
        part = opened.read(span["start"], span["end"])
        equal(hashlib.sha256(part).hexdigest(), span["sha256"], f"range {span['start']}-{span['end']}")


def verify_envelope(vector: dict) -> None:
    key = seal1.unwrap(unhex(vector["kek"]), unhex(vector["envelope"]), scope(vector, unhex(vector["object_key"])))
    equal(key.hex(), vector.get("key"), "key")


def verify_kms_ciphertext(vector: dict) -> None:
    ciphertext = seal1.KmsCiphertext.read(unhex(vector["ciphertext"]))
    plaintext = ciphertext.decrypt(unhex(vector["material"]), vector["context"])
    equal(plaintext.hex(), vector.get("plaintext"), "plaintext")
    equal((ciphertext.key_id.hex(), ciphertext.generation), (vector["key_id"], vector["generation"]), "key")


def verify_record(vector: dict) -> None:
    record = unhex(vector["record"])
    row = (vector["table"].encode(), unhex(vector["row_key"]))
    value = seal1.open_record(unhex(vector["metadata_key"]), *row, record)
    equal(value.hex(), vector.get("value"), "value")
    equal(seal1.record_generation(record), vector["generation"], "generation")


def verify_keyring(vector: dict) -> None:
    key = unhex(vector["key"]) if "key" in vector else None
    passphrase = vector["passphrase"].encode() if "passphrase" in vector else None
    entries = open_keyring(unhex(vector["keyring"]), key, passphrase, min_iterations=1000)
    got = [
        {"id": e.id.hex(), "generation": e.generation, "state": e.state, "created": e.created, "key": e.key.hex()}
        for e in entries
    ]
    equal(got, vector.get("entries"), "entries")


def verify_backup(vector: dict) -> None:
    key = read_key_file(vector["key_file"].encode())
    root = RootKeys(open_keyring(unhex(vector["keyring"]), key=key))
    with tempfile.TemporaryDirectory() as folder:
        files = {f"manifests/{vector['id']}": vector["manifest"]}
        files |= {f"chunks/{name}": content for name, content in vector["files"].items()}
        for name, content in files.items():
            path = Path(folder, name)
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(unhex(content))
        backup = Backup(Path(folder), vector["id"], root)
        rows = backup.rows()
    if vector["expect"] != "opened":
        return
    opened = vector["opened"]
    equal(backup.store_id.hex(), opened["store_id"], "store")
    equal((backup.sequence, backup.taken_ms), (opened["sequence"], opened["taken_ms"]), "sequence and time")
    equal([[key.hex(), value.hex()] for key, value in rows], opened["rows"], "rows")
    lasts, at = [], 0
    for chunk in backup.chunks:
        at += chunk.rows
        lasts.append(backup.end(rows[at - 1][0]))
    equal(([chunk.end for chunk in backup.chunks], lasts), (opened["ends"], opened["ends"]), "ends of chunks")


def verify_derivations(vector: dict) -> None:
    for v in vector["kdf"]:
        out = seal1.kdf(unhex(v["key"]), unhex(v["salt"]), v["label"], unhex(v["context"]), 64)
        equal(out.hex(), v["out"], "kdf")
    for v in vector["object_keys"]:
        keys = seal1.ObjectKeys(unhex(v["object_key"]))
        equal((keys.box_key.hex(), keys.layout_key.hex()), (v["box_key"], v["layout_key"]), "object keys")
    for v in vector["metadata_key"]:
        equal(seal1.metadata_key(unhex(v["bucket_key"]), unhex(v["bucket_id"])).hex(), v["out"], "metadata key")
    for v in vector["page_key"]:
        equal(seal1.page_key(unhex(v["metadata_key"]), v["epoch"]).hex(), v["out"], "page key")


def verify_encodings(vector: dict) -> None:
    for v in vector["envelope_context"]:
        bound = seal1.envelope_context(v["mode"], unhex(v["kek_id"]), v["generation"], scope(v, v["object_key"].encode()))
        equal(bound.hex(), v["out"], "envelope context")
    for v in vector["canonical_context"]:
        equal(seal1.canonical_context(v["pairs"]).hex(), v["out"], "canonical context")
    for v in vector["segment_aad"]:
        equal(seal1.segment_aad(v["index"], v["last"]).hex(), v["out"], "AAD of a segment")
    for v in vector["box_aad"]:
        equal(seal1.box_aad(v["label"], unhex(v["context"])).hex(), v["out"], "AAD of a box")
    for v in vector["head_plaintext"]:
        head = [list(pair) for pair in seal1.read_head(unhex(v["out"]))]
        equal(head, sorted(v["fields"]), "head")
    for v in vector["checksums"]:
        equal(hexed(seal1.read_checksums(unhex(v["out"]))), v["checksums"], "checksums")
    for v in vector["page_aad"]:
        equal((b"page" + seal1.u64(v["page"])).hex(), v["out"], "AAD of a page")


def verify_segments(vector: dict) -> None:
    for v in vector["segments"]:
        plaintext = seal1.open_segment([unhex(v["part_key"])], v["plain_len"], v["index"], unhex(v["sealed"]))
        equal(plaintext.hex(), v["plaintext"], "segment")


def verify_lengths(vector: dict) -> None:
    for v in vector["lengths"]:
        equal(seal1.segment_count(v["plain_len"]), v["segments"], "segments")
        equal(seal1.sealed_len(v["plain_len"], v["layers"]), v["sealed_len"], "sealed length")
        equal(seal1.opened_len(v["sealed_len"], v["layers"]), v["plain_len"], "opened length")
    for v in vector["impossible"]:
        try:
            seal1.opened_len(v["sealed_len"], v["layers"])
        except seal1.Malformed:
            continue
        raise VectorFailed(f"{v['sealed_len']} bytes in {v['layers']} layers: accepted")


KINDS = {
    "object": verify_object,
    "envelope": verify_envelope,
    "kms": verify_kms_ciphertext,
    "record": verify_record,
    "keyring": verify_keyring,
    "derivations.json": verify_derivations,
    "encodings.json": verify_encodings,
    "segments.json": verify_segments,
    "lengths.json": verify_lengths,
}

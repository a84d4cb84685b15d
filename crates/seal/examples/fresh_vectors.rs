//! Seals objects, records and keyrings with fresh keys, and writes them as vectors (see vectors/README.md), so that
//! another implementation can show that it opens what this one seals.
//!
//! `cargo run -p coffer-seal --example fresh_vectors -- FOLDER`

#![expect(clippy::unwrap_used, reason = "a failure ends the program, as it should")]

#[path = "../tests/stored/mod.rs"]
mod stored;

use std::collections::BTreeMap;
use std::fs;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use coffer_crypto::{Key32, sha256};
use coffer_seal::{
    ChecksumAlgorithm, Checksums, Envelope, KekRef, KeyState, KeyringEntry, Mode, RecordKey, SEGMENT_LEN, Scope,
    canonical_context, opaque_etag, seal_for_kms, seal_keyring_with_key_file, seal_keyring_with_passphrase, unwrap,
    wrap,
};
use serde_json::{Value, json};
use stored::{Kek, StoredObject};

fn main() {
    let folder = PathBuf::from(std::env::args_os().nth(1).expect("the folder to write to is the argument"));
    write_objects(&folder.join("object"));
    write_envelope(&folder.join("envelope"));
    write_records(&folder.join("record"));
    write_keyrings(&folder.join("keyring"));
    write_kms_ciphertexts(&folder.join("kms"));
}

fn write(folder: &Path, name: &str, vector: &Value) {
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join(name).with_extension("json"), vector.to_string()).unwrap();
}

fn write_objects(folder: &Path) {
    let lens = [0, 1, SEGMENT_LEN - 1, SEGMENT_LEN, SEGMENT_LEN + 1, 3 * SEGMENT_LEN + 17];
    for mode in [Mode::SseS3, Mode::SseKms, Mode::SseC] {
        for len in lens {
            let keks = [Kek::new(mode, 1)];
            write(folder, &format!("{mode:?}_{len}"), &object(&keks, &[(0, &pattern(len))]));
        }
    }
    let keks = [Kek::new(Mode::SseKms, 1), Kek::new(Mode::SseS3, 2)];
    for len in lens {
        write(folder, &format!("two_layers_{len}"), &object(&keks, &[(0, &pattern(len))]));
    }
    let parts: Vec<_> = lens.iter().map(|len| pattern(*len)).collect();
    let parts: Vec<_> = (1..).map(|number| number * 3).zip(parts.iter().map(Vec::as_slice)).collect();
    write(folder, "multipart", &object(&keks[1..], &parts));
    write(folder, "multipart_two_layers", &object(&keks, &parts));
}

fn write_kms_ciphertexts(folder: &Path) {
    let pairs = BTreeMap::from([("ä".to_owned(), String::new()), ("a".to_owned(), "€".to_owned())]);
    for (name, len, pairs) in [("data_key", 32, pairs), ("no_context", 4096, BTreeMap::new())] {
        let (material, plaintext) = (Key32::generate(), pattern(len));
        let ciphertext = seal_for_kms(&material, [9; 16], 3, &canonical_context(&pairs), &plaintext);
        let vector = json!({
            "comment": "freshly sealed",
            "expect": "opened",
            "material": hexed(&material),
            "context": pairs,
            "key_id": hex::encode([9; 16]),
            "generation": 3,
            "ciphertext": hex::encode(ciphertext),
            "plaintext": hex::encode(plaintext),
        });
        write(folder, name, &vector);
    }
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 31 + (i >> 8) * 7) as u8).collect()
}

/// A vector of an object that has everything an object can have.
fn object(keks: &[Kek], parts: &[(u32, &[u8])]) -> Value {
    let head = [("x-amz-meta-ö".to_owned(), "ü".to_owned()), ("content-type".to_owned(), "text/plain".to_owned())];
    let mut sums = Checksums::new();
    sums.insert(ChecksumAlgorithm::Sha256, [5; 32]);
    sums.insert(ChecksumAlgorithm::Crc32, [6; 4]);
    let sealed = StoredObject::seal(keks, parts, &head, Some(&sums));
    let data: Vec<u8> = parts.iter().flat_map(|(_, plaintext)| plaintext.to_vec()).collect();

    let key_refs: Vec<_> = keks.iter().map(|kek| &kek.key).collect();
    let opened = sealed.open(&key_refs, None).ok().unwrap();
    let parts: Vec<_> = opened
        .parts
        .iter()
        .map(|part| json!({"keys": part.keys.iter().map(hexed).collect::<Vec<_>>(), "checksums": {}}))
        .collect();
    let etags: Vec<_> = sealed.parts.iter().map(|part| hex::encode(opaque_etag(&part.boxes[0]))).collect();
    let middle = data.len() / 3..data.len() - data.len() / 3;
    json!({
        "comment": "freshly sealed",
        "expect": "opened",
        "keks": keks.iter().map(|kek| hexed(&kek.key)).collect::<Vec<_>>(),
        "object": stored_json(&sealed),
        "opened": {
            "object_keys": object_keys(&sealed, keks),
            "parts": parts,
            "head": [["content-type", "text/plain"], ["x-amz-meta-ö", "ü"]],
            "sums": {"type": 1, "checksums": {"1": "06".repeat(4), "5": "05".repeat(32)}},
            "len": data.len(),
            "sha256": hex::encode(sha256(&data)),
            "opaque_etags": etags,
            "ranges": [{"start": middle.start, "end": middle.end, "sha256": hex::encode(sha256(&data[middle]))}],
        },
    })
}

fn stored_json(object: &StoredObject) -> Value {
    let all = |strings: &[Vec<u8>]| strings.iter().map(hex::encode).collect::<Vec<_>>();
    let parts: Vec<_> = object
        .parts
        .iter()
        .map(|part| {
            json!({
                "number": part.number,
                "plain_len": part.plain_len,
                "boxes": all(&part.boxes),
                "blob": [{"hex": hex::encode(&part.blob)}],
            })
        })
        .collect();
    json!({
        "bucket_id": hex::encode(object.bucket_id),
        "instance_id": hex::encode(object.instance_id),
        "object_key": str::from_utf8(&object.object_key).unwrap(),
        "context": hex::encode(&object.context),
        "kind": object.kind,
        "envelopes": all(&object.envelopes),
        "layout_tags": object.layout_tags.iter().map(hex::encode).collect::<Vec<_>>(),
        "head_box": hex::encode(&object.head_box),
        "sums_box": hex::encode(&object.sums_box),
        "parts": parts,
    })
}

fn object_keys(object: &StoredObject, keks: &[Kek]) -> Vec<String> {
    let open = |(kek, envelope): (&Kek, &Vec<u8>)| {
        let envelope = Envelope::from_bytes(envelope).ok().unwrap();
        hexed(&unwrap(&kek.key, &envelope, &object.scope()).ok().unwrap())
    };
    keks.iter().zip(&object.envelopes).map(open).collect()
}

fn write_envelope(folder: &Path) {
    let (root, key) = (Key32::generate(), Key32::generate());
    let by = KekRef { mode: Mode::BucketKey, id: [1; 16], generation: 3 };
    let scope = Scope::of_wrapped_key([2; 16], [3; 16], 4);
    let vector = json!({
        "expect": "opened",
        "kek": hexed(&root),
        "bucket_id": hex::encode([2; 16]),
        "instance_id": hex::encode([3; 16]),
        "object_key": "00000004",
        "context": "",
        "envelope": hex::encode(wrap(&root, by, &scope.as_scope(), &key).as_bytes()),
        "key": hexed(&key),
    });
    write(folder, "bucket_key", &vector);
}

fn write_records(folder: &Path) {
    let metadata_key = Key32::generate();
    let hex_key = hexed(&metadata_key);
    let key = RecordKey::new(metadata_key, 7);
    for value in [&b""[..], b"value"] {
        let vector = json!({
            "expect": "opened",
            "metadata_key": hex_key,
            "generation": 7,
            "table": "objects",
            "row_key": hex::encode(b"row\0key"),
            "record": hex::encode(key.seal(b"objects", b"row\0key", value)),
            "value": hex::encode(value),
        });
        write(folder, &format!("{}_bytes", value.len()), &vector);
    }
}

fn write_keyrings(folder: &Path) {
    let key_file = Key32::generate();
    let entries = [KeyringEntry {
        id: [4; 16],
        generation: 1,
        state: KeyState::Active,
        created: 1_760_000_000,
        key: Key32::generate(),
    }];
    let listed = json!([{
        "id": hex::encode(entries[0].id),
        "generation": 1,
        "state": 0,
        "created": 1_760_000_000,
        "key": hexed(&entries[0].key),
    }]);
    let keyring = hex::encode(seal_keyring_with_key_file(&key_file, &entries));
    write(
        folder,
        "key_file",
        &json!({"expect": "opened", "key": hexed(&key_file), "keyring": keyring, "entries": listed}),
    );

    let passphrase = "correct horse battery staple";
    let few = NonZeroU32::new(1000).unwrap();
    let keyring = hex::encode(seal_keyring_with_passphrase(passphrase.as_bytes(), few, &entries).unwrap());
    write(
        folder,
        "passphrase",
        &json!({"expect": "opened", "passphrase": passphrase, "keyring": keyring, "entries": listed}),
    );
}

fn hexed(key: &Key32) -> String {
    hex::encode(key.expose())
}

//! Opens every vector of vectors/seal that the public API can open, with the outcome it must have.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod stored;

use std::fs;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use coffer_crypto::{Key32, sha256};
use coffer_seal::{
    Checksums, Envelope, KeyState, KeyringEntry, KmsCiphertext, OpenError, PartKeys, PartOpener, RecordKey, Scope,
    canonical_context, opaque_etag, open_keyring_with_key_file, open_keyring_with_passphrase, opened_len,
    record_generation, sealed_len, segment_count, unwrap,
};
use serde_json::Value;
use stored::{StoredObject, StoredPart};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors/seal").join(name)
}

fn load(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// Runs `check` on every vector of a folder; the name of the vector shows when it fails.
fn for_each_vector(name: &str, at_least: usize, check: impl Fn(&Value, &str)) {
    let mut count = 0;
    for entry in fs::read_dir(folder(name)).unwrap() {
        let path = entry.unwrap().path();
        check(&load(&path), &format!("{name}/{}", path.file_stem().unwrap().to_string_lossy()));
        count += 1;
    }
    assert!(count >= at_least, "{name} has {count} vectors");
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_else(|| panic!("{field} is text"))
}

fn number(value: &Value, field: &str) -> u64 {
    value[field].as_u64().unwrap_or_else(|| panic!("{field} is a number"))
}

fn list<'a>(value: &'a Value, field: &str) -> &'a [Value] {
    value[field].as_array().unwrap_or_else(|| panic!("{field} is a list"))
}

fn unhex(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

fn bytes(value: &Value, field: &str) -> Vec<u8> {
    hex::decode(text(value, field)).unwrap()
}

fn array<const N: usize>(value: &Value, field: &str) -> [u8; N] {
    bytes(value, field).try_into().unwrap()
}

fn key(value: &Value) -> Key32 {
    Key32::from_slice(&unhex(value)).unwrap()
}

/// The outcome in the words of the vectors.
fn outcome<T>(result: &Result<T, OpenError>) -> &'static str {
    match result {
        Ok(_) => "opened",
        Err(OpenError::WrongKey) => "wrong key",
        Err(OpenError::Tampered(_)) => "tampered",
        Err(OpenError::Malformed(_)) => "malformed",
    }
}

/// A blob in pieces: bytes in hex, or runs of the pattern.
fn blob(pieces: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    for piece in pieces.as_array().unwrap() {
        match piece.get("hex") {
            Some(hex) => out.extend(unhex(hex)),
            None => out.extend(pattern(number(piece, "pattern"), number(piece, "seed"))),
        }
    }
    out
}

fn pattern(len: u64, seed: u64) -> impl Iterator<Item = u8> {
    (0..len).map(move |i| (i * 7 + (i >> 8) * 13 + (i >> 16) * 29 + seed) as u8)
}

fn object(value: &Value) -> StoredObject {
    let part = |part: &Value| StoredPart {
        number: number(part, "number") as u32,
        plain_len: number(part, "plain_len"),
        boxes: list(part, "boxes").iter().map(unhex).collect(),
        blob: blob(&part["blob"]),
    };
    StoredObject {
        bucket_id: array(value, "bucket_id"),
        instance_id: array(value, "instance_id"),
        object_key: text(value, "object_key").into(),
        context: bytes(value, "context"),
        kind: number(value, "kind") as u8,
        envelopes: list(value, "envelopes").iter().map(unhex).collect(),
        layout_tags: list(value, "layout_tags").iter().map(|tag| unhex(tag).try_into().unwrap()).collect(),
        head_box: bytes(value, "head_box"),
        sums_box: bytes(value, "sums_box"),
        parts: list(value, "parts").iter().map(part).collect(),
    }
}

fn check_checksums(checksums: &Checksums, expected: &Value, name: &str) {
    let got: serde_json::Map<_, _> =
        checksums.iter().map(|(algorithm, value)| ((algorithm as u8).to_string(), hex::encode(value).into())).collect();
    assert_eq!(Value::from(got), *expected, "{name}");
}

#[test]
fn objects_open_or_fail_as_they_must() {
    for_each_vector("object", 60, |vector, name| {
        let keks: Vec<_> = list(vector, "keks").iter().map(key).collect();
        let keks: Vec<_> = keks.iter().collect();
        let object = object(&vector["object"]);
        let read = object.read(&keks);
        assert_eq!(outcome(&read), text(vector, "expect"), "{name}");
        if let Ok(data) = read {
            check_opened(&object, &keks, &data, &vector["opened"], name);
        }
    });
}

fn check_opened(object: &StoredObject, keks: &[&Key32], data: &[u8], expected: &Value, name: &str) {
    assert_eq!(data.len() as u64, number(expected, "len"), "{name}");
    assert_eq!(hex::encode(sha256(data)), text(expected, "sha256"), "{name}");
    for range in list(expected, "ranges") {
        let read = object.read_range(keks, number(range, "start")..number(range, "end"));
        assert_eq!(hex::encode(sha256(&read.unwrap())), text(range, "sha256"), "{name} {range}");
    }
    let opened = object.open(keks, None).ok().unwrap();
    for (part, expected) in opened.parts.iter().zip(list(expected, "parts")) {
        let keys: Vec<_> = part.keys.iter().map(|key| hex::encode(key.expose()).into()).collect();
        assert_eq!(Value::Array(keys), expected["keys"], "{name}");
        check_checksums(&part.checksums, &expected["checksums"], name);
    }
    let head: Vec<_> = opened.head.iter().map(|(field, value)| vec![field.clone(), value.clone()]).collect();
    assert_eq!(serde_json::json!(head), expected["head"], "{name}");
    assert_eq!(opened.sums.is_none(), expected["sums"].is_null(), "{name}");
    if let Some((sums_type, checksums)) = opened.sums {
        assert_eq!(sums_type as u64, number(&expected["sums"], "type"), "{name}");
        check_checksums(&checksums, &expected["sums"]["checksums"], name);
    }
    for (part, etag) in object.parts.iter().zip(list(expected, "opaque_etags")) {
        assert_eq!(opaque_etag(&part.boxes[0]).to_vec(), unhex(etag), "{name}");
    }
}

#[test]
fn ciphertexts_of_kms_keys_open_or_fail_as_they_must() {
    for_each_vector("kms", 24, |vector, name| {
        let pairs = vector["context"].as_object().unwrap().iter();
        let context =
            canonical_context(&pairs.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect());
        let sealed = bytes(vector, "ciphertext");
        let ciphertext = KmsCiphertext::parse(&sealed);
        let opened = ciphertext.and_then(|ciphertext| {
            let plaintext = ciphertext.open(&key(&vector["material"]), &context)?;
            assert_eq!(ciphertext.key_id, array(vector, "key_id"), "{name}");
            assert_eq!(u64::from(ciphertext.generation), number(vector, "generation"), "{name}");
            Ok(plaintext)
        });
        assert_eq!(outcome(&opened), text(vector, "expect"), "{name}");
        if let Ok(plaintext) = opened {
            assert_eq!(plaintext[..], bytes(vector, "plaintext"), "{name}");
        }
    });
}

#[test]
fn envelopes_open_or_fail_as_they_must() {
    for_each_vector("envelope", 8, |vector, name| {
        let object_key = bytes(vector, "object_key");
        let context = bytes(vector, "context");
        let scope = Scope {
            bucket_id: array(vector, "bucket_id"),
            instance_id: array(vector, "instance_id"),
            object_key: &object_key,
            context: &context,
        };
        let opened = Envelope::from_bytes(&bytes(vector, "envelope"))
            .and_then(|envelope| unwrap(&key(&vector["kek"]), &envelope, &scope));
        assert_eq!(outcome(&opened), text(vector, "expect"), "{name}");
        if let Ok(opened) = opened {
            assert_eq!(opened.expose()[..], bytes(vector, "key"), "{name}");
        }
    });
}

#[test]
fn records_open_or_fail_as_they_must() {
    for_each_vector("record", 11, |vector, name| {
        let record = bytes(vector, "record");
        let key = RecordKey::new(key(&vector["metadata_key"]), number(vector, "generation") as u32);
        let opened = key.open(text(vector, "table").as_bytes(), &bytes(vector, "row_key"), &record);
        assert_eq!(outcome(&opened), text(vector, "expect"), "{name}");
        if let Ok(value) = opened {
            assert_eq!(value, bytes(vector, "value"), "{name}");
            assert_eq!(record_generation(&record), Ok(key.generation()), "{name}");
        }
    });
}

#[test]
fn keyrings_open_or_fail_as_they_must() {
    let few = NonZeroU32::new(1000).unwrap();
    for_each_vector("keyring", 15, |vector, name| {
        let file = bytes(vector, "keyring");
        let opened = match vector.get("key") {
            Some(key_file) => open_keyring_with_key_file(&key(key_file), &file),
            None => open_keyring_with_passphrase(text(vector, "passphrase").as_bytes(), few, &file),
        };
        assert_eq!(outcome(&opened), text(vector, "expect"), "{name}");
        if let Ok(entries) = opened {
            let entries: Vec<_> = entries.iter().map(entry).collect();
            assert_eq!(Value::Array(entries), vector["entries"], "{name}");
        }
    });
}

fn entry(entry: &KeyringEntry) -> Value {
    let state = match entry.state {
        KeyState::Active => 0,
        KeyState::DecryptOnly => 1,
        KeyState::Destroyed => 2,
    };
    serde_json::json!({
        "id": hex::encode(entry.id),
        "generation": entry.generation,
        "state": state,
        "created": entry.created,
        "key": hex::encode(entry.key.expose()),
    })
}

#[test]
fn segments_open_to_their_plaintext() {
    for segment in list(&load(&folder("segments.json")), "segments") {
        let mut sealed = bytes(segment, "sealed");
        let opener = PartOpener::new(PartKeys::new(key(&segment["part_key"]), None), number(segment, "plain_len"));
        let places = opener.open_in_place(number(segment, "index"), &mut sealed).unwrap();
        assert_eq!(sealed[places[0].clone()], bytes(segment, "plaintext"));
    }
}

#[test]
fn lengths_are_as_listed() {
    let lengths = load(&folder("lengths.json"));
    for length in list(&lengths, "lengths") {
        let (plain, sealed) = (number(length, "plain_len"), number(length, "sealed_len"));
        let layers = number(length, "layers") as usize;
        assert_eq!(segment_count(plain), number(length, "segments"));
        assert_eq!(sealed_len(plain, layers), sealed);
        assert_eq!(opened_len(sealed, layers), Ok(plain));
    }
    for length in list(&lengths, "impossible") {
        let opened = opened_len(number(length, "sealed_len"), number(length, "layers") as usize);
        assert_eq!(outcome(&opened), "malformed", "{length}");
    }
}

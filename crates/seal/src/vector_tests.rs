//! The vectors of derivations and encodings, which only show inside the crate.

use std::collections::BTreeMap;

use coffer_crypto::Key32;
use serde_json::Value;

use crate::checksums::{ChecksumAlgorithm, Checksums};
use crate::derive::{FIXED_SALT, derive, derive_pair};
use crate::envelope::{KekRef, Mode, Scope, canonical_context};
use crate::object_keys::{box_aad, head_plaintext};
use crate::part::segment_aad;
use crate::{metadata_key, page_aad, page_key};

fn load(name: &str) -> Value {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors/seal").join(name);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Runs `check` on every vector of a list, which is not empty.
fn for_each(vectors: &Value, list: &str, check: impl Fn(&Value)) {
    let vectors = vectors[list].as_array().unwrap();
    assert!(!vectors.is_empty());
    vectors.iter().for_each(check);
}

fn bytes(vector: &Value, field: &str) -> Vec<u8> {
    hex::decode(vector[field].as_str().unwrap()).unwrap()
}

fn id(vector: &Value, field: &str) -> [u8; 16] {
    bytes(vector, field).try_into().unwrap()
}

fn key(vector: &Value, field: &str) -> Key32 {
    Key32::from_slice(&bytes(vector, field)).unwrap()
}

fn number(vector: &Value, field: &str) -> u64 {
    vector[field].as_u64().unwrap()
}

#[test]
fn derivations_are_as_listed() {
    let vectors = load("derivations.json");
    for_each(&vectors, "kdf", |v| {
        let out = derive::<64>(&key(v, "key"), &bytes(v, "salt"), v["label"].as_str().unwrap(), &bytes(v, "context"));
        assert_eq!(out[..], bytes(v, "out"));
    });
    for_each(&vectors, "object_keys", |v| {
        let (box_key, layout_key) = derive_pair(&key(v, "object_key"), FIXED_SALT, "object", b"");
        assert_eq!(box_key.expose()[..], bytes(v, "box_key"));
        assert_eq!(layout_key[..], bytes(v, "layout_key"));
    });
    for_each(&vectors, "metadata_key", |v| {
        let out = metadata_key(&key(v, "bucket_key"), &id(v, "bucket_id"));
        assert_eq!(out.expose()[..], bytes(v, "out"));
    });
    for_each(&vectors, "page_key", |v| {
        let out = page_key(&key(v, "metadata_key"), number(v, "epoch") as u32);
        assert_eq!(out.expose()[..], bytes(v, "out"));
    });
}

#[test]
fn encodings_are_as_listed() {
    let vectors = load("encodings.json");
    for_each(&vectors, "envelope_context", |v| {
        assert_eq!(number(v, "mode"), Mode::SseS3 as u64);
        let kek = KekRef { mode: Mode::SseS3, id: id(v, "kek_id"), generation: number(v, "generation") as u32 };
        let scope = Scope {
            bucket_id: id(v, "bucket_id"),
            instance_id: id(v, "instance_id"),
            object_key: v["object_key"].as_str().unwrap().as_bytes(),
            context: &bytes(v, "context"),
        };
        assert_eq!(scope.bind(1, kek)[..], bytes(v, "out"));
    });
    for_each(&vectors, "canonical_context", |v| {
        let pairs: BTreeMap<String, String> =
            v["pairs"].as_object().unwrap().iter().map(|(k, v)| (k.clone(), v.as_str().unwrap().into())).collect();
        assert_eq!(canonical_context(&pairs), bytes(v, "out"));
    });
    for_each(&vectors, "segment_aad", |v| {
        assert_eq!(segment_aad(number(v, "index"), v["last"].as_bool().unwrap())[..], bytes(v, "out"));
    });
    for_each(&vectors, "box_aad", |v| {
        assert_eq!(box_aad(v["label"].as_str().unwrap(), &bytes(v, "context")), bytes(v, "out"));
    });
    for_each(&vectors, "head_plaintext", |v| {
        let text = |v: &Value| v.as_str().unwrap().to_owned();
        let fields: Vec<_> = v["fields"].as_array().unwrap().iter().map(|f| (text(&f[0]), text(&f[1]))).collect();
        assert_eq!(head_plaintext(&fields), bytes(v, "out"));
    });
    for_each(&vectors, "checksums", |v| {
        let mut checksums = Checksums::new();
        for (number, value) in v["checksums"].as_object().unwrap() {
            let algorithm = ChecksumAlgorithm::from_byte(number.parse().unwrap()).unwrap();
            checksums.insert(algorithm, hex::decode(value.as_str().unwrap()).unwrap());
        }
        let mut list = Vec::new();
        checksums.encode(&mut list);
        assert_eq!(list, bytes(v, "out"));
    });
    for_each(&vectors, "page_aad", |v| {
        assert_eq!(page_aad(number(v, "page"))[..], bytes(v, "out"));
    });
}

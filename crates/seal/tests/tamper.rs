//! The tamper matrix: whatever is stored of an object, any change of it is refused before a byte comes out.

mod stored;

use coffer_crypto::Key32;
use coffer_seal::{ChecksumAlgorithm, Checksums, Mode, OpenError};
use stored::{Kek, StoredObject};

/// A stored byte string of an object, to be changed.
type Field = Box<dyn Fn(&mut StoredObject) -> &mut Vec<u8>>;

fn bucket_key() -> Kek {
    Kek::new(Mode::SseS3, 1)
}

fn kms_key() -> Kek {
    Kek::new(Mode::SseKms, 2)
}

fn customer_key() -> Kek {
    Kek::new(Mode::SseC, 3)
}

fn head() -> Vec<(String, String)> {
    vec![("content-type".into(), "image/jpeg".into())]
}

fn sums() -> Checksums {
    let mut sums = Checksums::new();
    sums.insert(ChecksumAlgorithm::Crc64Nvme, [7; 8]);
    sums
}

/// Small objects of every kind, with the keks that open them.
fn subjects() -> Vec<(&'static str, Vec<Kek>, StoredObject)> {
    let subject =
        |name, keks: Vec<Kek>, parts: &[(u32, &[u8])], head: &[(String, String)], sums: Option<&Checksums>| {
            let object = StoredObject::seal(&keks, parts, head, sums);
            (name, keks, object)
        };
    vec![
        subject("SSE-S3, empty", vec![bucket_key()], &[(0, b"")], &[], None),
        subject("SSE-C", vec![customer_key()], &[(0, &[5; 40])], &head(), Some(&sums())),
        subject("SSE-KMS", vec![kms_key()], &[(0, &[6; 30])], &[], None),
        subject("DSSE-KMS", vec![kms_key(), bucket_key()], &[(0, &[7; 20])], &head(), Some(&sums())),
        subject("multipart", vec![bucket_key()], &[(1, &[8; 20]), (2, b""), (7, &[9; 20])], &[], None),
    ]
}

/// Every stored byte string of `object`.
fn fields(object: &StoredObject) -> Vec<(String, Field)> {
    let mut fields: Vec<(String, Field)> = Vec::new();
    for layer in 0..object.envelopes.len() {
        fields.push((format!("envelope {layer}"), Box::new(move |object| &mut object.envelopes[layer])));
        for part in 0..object.parts.len() {
            let field: Field = Box::new(move |object| &mut object.parts[part].boxes[layer]);
            fields.push((format!("box {layer} of part {part}"), field));
        }
    }
    for part in 0..object.parts.len() {
        fields.push((format!("blob of part {part}"), Box::new(move |object| &mut object.parts[part].blob)));
    }
    if !object.head_box.is_empty() {
        fields.push(("head box".into(), Box::new(|object| &mut object.head_box)));
        fields.push(("sums box".into(), Box::new(|object| &mut object.sums_box)));
    }
    fields
}

fn refs(keks: &[Kek]) -> Vec<&Key32> {
    keks.iter().map(|kek| &kek.key).collect()
}

fn check_refused(object: &StoredObject, keks: &[Kek], what: &str) -> OpenError {
    match object.read(&refs(keks)) {
        Err(error) => error,
        Ok(_) => panic!("{what}: accepted"),
    }
}

#[test]
fn untouched_objects_open() {
    for (name, keks, object) in subjects() {
        assert!(object.read(&refs(&keks)).is_ok(), "{name}");
    }
}

#[test]
fn every_flipped_bit_of_every_stored_byte_string_is_refused() {
    for (name, keks, object) in subjects() {
        for (field_name, field) in fields(&object) {
            let len = field(&mut object.clone()).len();
            for bit in 0..len * 8 {
                let mut bad = object.clone();
                field(&mut bad)[bit / 8] ^= 1 << (bit % 8);
                check_refused(&bad, &keks, &format!("{name}: bit {bit} of {field_name}"));
            }
        }
    }
}

#[test]
fn every_cut_and_any_extension_is_refused() {
    for (name, keks, object) in subjects() {
        for (field_name, field) in fields(&object) {
            for len in 0..field(&mut object.clone()).len() {
                let mut bad = object.clone();
                field(&mut bad).truncate(len);
                check_refused(&bad, &keks, &format!("{name}: {field_name} of {len} bytes"));
            }
            let mut bad = object.clone();
            field(&mut bad).push(0);
            check_refused(&bad, &keks, &format!("{name}: longer {field_name}"));
        }
    }
}

#[test]
fn every_flipped_bit_of_identity_numbers_lengths_and_tags_is_refused() {
    for (name, keks, object) in subjects() {
        let check = |what: &str, bits: usize, flip: &dyn Fn(&mut StoredObject, usize)| {
            for bit in 0..bits {
                let mut bad = object.clone();
                flip(&mut bad, bit);
                check_refused(&bad, &keks, &format!("{name}: bit {bit} of {what}"));
            }
        };
        check("bucket id", 128, &|bad, bit| bad.bucket_id[bit / 8] ^= 1 << (bit % 8));
        check("instance id", 128, &|bad, bit| bad.instance_id[bit / 8] ^= 1 << (bit % 8));
        check("object key", object.object_key.len() * 8, &|bad, bit| bad.object_key[bit / 8] ^= 1 << (bit % 8));
        check("context", object.context.len() * 8, &|bad, bit| bad.context[bit / 8] ^= 1 << (bit % 8));
        check("kind", 8, &|bad, bit| bad.kind ^= 1 << bit);
        for layer in 0..object.layout_tags.len() {
            check("layout tag", 256, &|bad, bit| bad.layout_tags[layer][bit / 8] ^= 1 << (bit % 8));
        }
        for part in 0..object.parts.len() {
            check("part number", 32, &|bad, bit| bad.parts[part].number ^= 1 << bit);
            check("part length", 64, &|bad, bit| bad.parts[part].plain_len ^= 1 << bit);
        }
    }
}

#[test]
fn no_piece_can_be_left_out_or_repeated() {
    for (name, keks, object) in subjects() {
        let check = |what: &str, change: &dyn Fn(&mut StoredObject)| {
            let mut bad = object.clone();
            change(&mut bad);
            check_refused(&bad, &keks, &format!("{name}: {what}"));
        };
        check("no layout tags", &|bad| bad.layout_tags.clear());
        check("an envelope less", &|bad| drop(bad.envelopes.pop()));
        check("an envelope more", &|bad| bad.envelopes.push(bad.envelopes[0].clone()));
        check("a tag more", &|bad| bad.layout_tags.push([0; 32]));
        for part in 0..object.parts.len() {
            check("a part less", &|bad| drop(bad.parts.remove(part)));
            check("a part twice", &|bad| bad.parts.insert(part, bad.parts[part].clone()));
            check("a box less", &|bad| drop(bad.parts[part].boxes.pop()));
        }
        if !object.head_box.is_empty() {
            check("no head box", &|bad| bad.head_box.clear());
            check("no sums box", &|bad| bad.sums_box.clear());
        }
    }
}

#[test]
fn parts_cannot_change_places() {
    let (_, keks, object) = subjects().pop().unwrap();
    let mut swapped = object.clone();
    swapped.parts.swap(0, 2);
    assert_eq!(check_refused(&swapped, &keks, "parts swapped"), OpenError::Tampered("part numbers"));
    (swapped.parts[0].number, swapped.parts[2].number) = (1, 7);
    assert_eq!(check_refused(&swapped, &keks, "parts renumbered"), OpenError::Tampered("part box"));
}

#[test]
fn nothing_of_another_object_fits() {
    let seal = || StoredObject::seal(&[bucket_key()], &[(0, &[5; 40])], &head(), Some(&sums()));
    let (object, other) = (seal(), seal());
    let keks = [bucket_key()];
    let check = |what: &str, change: &dyn Fn(&mut StoredObject)| {
        let mut bad = object.clone();
        change(&mut bad);
        check_refused(&bad, &keks, what);
    };
    check("envelope", &|bad| bad.envelopes.clone_from(&other.envelopes));
    check("part box", &|bad| bad.parts[0].boxes.clone_from(&other.parts[0].boxes));
    check("blob", &|bad| bad.parts[0].blob.clone_from(&other.parts[0].blob));
    check("part", &|bad| bad.parts.clone_from(&other.parts));
    check("head box", &|bad| bad.head_box.clone_from(&other.head_box));
    check("layout tag", &|bad| bad.layout_tags.clone_from(&other.layout_tags));
}

#[test]
fn the_layers_of_an_object_take_their_own_keys_in_order() {
    let keks = [kms_key(), bucket_key()];
    let object = StoredObject::seal(&keks, &[(0, b"twice")], &[], None);
    let [inner, outer] = [&keks[0].key, &keks[1].key];
    for wrong in [&[outer, inner][..], &[inner, inner]] {
        assert!(object.read(wrong).is_err_and(|error| error == OpenError::WrongKey));
    }
    for wrong in [&[][..], &[inner], &[inner, outer, outer]] {
        assert!(object.read(wrong).is_err_and(|error| error == OpenError::Malformed("layers")));
    }
}

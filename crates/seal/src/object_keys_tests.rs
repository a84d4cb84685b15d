use super::*;
use crate::checksums::ChecksumAlgorithm;
use crate::layout::{Kind, LayoutPart};

fn keys() -> ObjectKeys {
    ObjectKeys::derive(&Key32::from_slice(&[3; 32]).unwrap())
}

fn checksums() -> Checksums {
    let mut checksums = Checksums::new();
    checksums.insert(ChecksumAlgorithm::Crc32c, [1, 2, 3, 4]);
    checksums
}

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

/// Opens a box of any plaintext as if this crate had sealed it.
fn forged(label: &str, context: &[u8], plaintext: &[u8]) -> Vec<u8> {
    keys().seal_box(label, context, plaintext)
}

#[test]
fn a_part_box_opens_to_what_was_sealed() {
    let key = Key32::generate();
    let sealed = keys().seal_part_box(5, &key, 700, FLAG_LAYOUT, &checksums());
    assert_eq!(sealed.len(), 69 + 6);
    let opened = keys().open_part_box(5, &sealed).unwrap();
    assert_eq!((opened.plain_len, opened.flags), (700, FLAG_LAYOUT));
    assert_eq!(opened.key.expose(), key.expose());
    assert!(opened.checksums == checksums());
}

#[test]
fn a_part_box_opens_under_its_own_number_and_object_key_only() {
    let sealed = keys().seal_part_box(5, &Key32::generate(), 700, 0, &Checksums::new());
    assert!(keys().open_part_box(6, &sealed).is_err_and(|error| error == OpenError::Tampered("part box")));
    let other = ObjectKeys::derive(&Key32::generate());
    assert!(other.open_part_box(5, &sealed).is_err_and(|error| error == OpenError::Tampered("part box")));
}

#[test]
fn part_boxes_with_unknown_flags_impossible_lengths_or_cut_fields_are_malformed() {
    let plaintext = |plain_len: u64, flags: u8| [&[0; 32][..], &plain_len.to_be_bytes(), &[flags]].concat();
    let longest = MAX_SEGMENTS * crate::SEGMENT_LEN as u64;
    let context = 1_u32.to_be_bytes();
    assert!(keys().open_part_box(1, &forged("part", &context, &plaintext(longest, 0))).is_ok());
    for wrong in [plaintext(1, 2), plaintext(1, 0x81), plaintext(longest + 1, 0), plaintext(1, 0)[..40].to_vec()] {
        let opened = keys().open_part_box(1, &forged("part", &context, &wrong));
        assert!(opened.is_err_and(|error| error == OpenError::Malformed("part box")));
    }
    let opened = keys().open_part_box(1, &forged("part", &context, &[&plaintext(1, 0)[..], &[1]].concat()));
    assert!(opened.is_err_and(|error| error == OpenError::Malformed("checksum list")));
}

#[test]
fn a_head_box_opens_to_the_fields_sorted_by_name() {
    let fields = [pair("x-amz-meta-ö", "zoë"), pair("content-type", "image/jpeg"), pair("b", "")];
    let opened = keys().open_head_box(&keys().seal_head_box(&fields)).unwrap();
    assert_eq!(opened, [pair("b", ""), pair("content-type", "image/jpeg"), pair("x-amz-meta-ö", "zoë")]);
}

#[test]
fn cut_unsorted_and_non_utf8_heads_are_malformed() {
    let b = b"\0\0\0\x01b\0\0\0\0";
    let a = b"\0\0\0\x01a\0\0\0\0";
    for wrong in [&[&b[..], a].concat()[..], &b[..8], b"\0\0\0\x02a", b"\0\0\0\x01\xff\0\0\0\0", b"\xff\xff\xff\xff"] {
        let opened = keys().open_head_box(&forged("head", b"", wrong));
        assert!(opened.is_err_and(|error| error == OpenError::Malformed("head box")));
    }
}

#[test]
fn a_sums_box_opens_to_what_was_sealed() {
    let sealed = keys().seal_sums_box(SumsType::Composite, &checksums());
    let (sums_type, opened) = keys().open_sums_box(&sealed).unwrap();
    assert_eq!(sums_type, SumsType::Composite);
    assert!(opened == checksums());
}

#[test]
fn sums_of_an_unknown_type_are_malformed() {
    for wrong in [&[][..], &[0], &[3]] {
        let opened = keys().open_sums_box(&forged("sums", b"", wrong));
        assert!(opened.is_err_and(|error| error == OpenError::Malformed("sums box")));
    }
}

#[test]
fn a_box_is_no_box_of_another_label() {
    let head = keys().seal_head_box(&[]);
    assert!(keys().open_sums_box(&head).is_err_and(|error| error == OpenError::Tampered("sums box")));
}

#[test]
fn boxes_too_short_to_be_sealed_are_malformed() {
    assert!(keys().open_head_box(&[0; 27]).is_err_and(|error| error == OpenError::Malformed("head box")));
    assert!(keys().open_part_box(1, b"").is_err_and(|error| error == OpenError::Malformed("part box")));
}

#[test]
fn the_layout_tag_covers_every_field() {
    let parts = [
        LayoutPart { number: 1, plain_len: 10, part_box: b"one" },
        LayoutPart { number: 2, plain_len: 20, part_box: b"two" },
    ];
    let layout = Layout { kind: Kind::Multipart, head_box: b"head", sums_box: b"sums", parts: &parts };
    let tag = keys().layout_tag(&layout);
    assert_eq!(keys().verify_layout_tag(&layout, &tag), Ok(()));

    let [one, two] = parts;
    let renumbered = [one, LayoutPart { number: 3, ..two }];
    let resized = [LayoutPart { plain_len: 20, ..one }, LayoutPart { plain_len: 10, ..two }];
    let reboxed = [one, LayoutPart { part_box: b"twp", ..two }];
    for wrong in [
        Layout { kind: Kind::Single, ..layout },
        Layout { head_box: b"", ..layout },
        Layout { head_box: b"heads", sums_box: b"ums", ..layout },
        Layout { parts: &parts[..1], ..layout },
        Layout { parts: &[two, one], ..layout },
        Layout { parts: &renumbered, ..layout },
        Layout { parts: &resized, ..layout },
        Layout { parts: &reboxed, ..layout },
    ] {
        assert_eq!(keys().verify_layout_tag(&wrong, &tag), Err(OpenError::Tampered("layout tag")));
    }
    let other = ObjectKeys::derive(&Key32::generate());
    assert!(other.verify_layout_tag(&layout, &tag).is_err());
}

#[test]
fn lengths_that_overflow_their_sum_are_refused() {
    let part = LayoutPart { number: 1, plain_len: u64::MAX, part_box: b"" };
    let layout = Layout { kind: Kind::Multipart, head_box: b"", sums_box: b"", parts: &[part, part] };
    assert!(keys().verify_layout_tag(&layout, &[0; 32]).is_err());
}

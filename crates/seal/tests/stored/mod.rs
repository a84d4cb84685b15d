//! An object as a store holds it, blobs included, and how a store reads it.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its part of this module")]
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::ops::Range;

use coffer_crypto::Key32;
use coffer_seal::{
    Checksums, Envelope, FLAG_LAYOUT, KekRef, Kind, Layout, LayoutPart, Mode, ObjectKeys, OpenError, OpenedObject,
    PartKeys, PartOpener, PartSealer, Scope, SealedObject, SealedPart, SegmentBuffer, SumsType, open_object,
    open_object_range, sealed_range, segments_of, wrap,
};

/// Everything stored of an object, as raw bytes, so that any of it can be damaged.
#[derive(Clone)]
pub struct StoredObject {
    pub bucket_id: [u8; 16],
    pub instance_id: [u8; 16],
    pub object_key: Vec<u8>,
    pub context: Vec<u8>,
    pub kind: u8,
    pub envelopes: Vec<Vec<u8>>,
    pub layout_tags: Vec<[u8; 32]>,
    pub head_box: Vec<u8>,
    pub sums_box: Vec<u8>,
    pub parts: Vec<StoredPart>,
}

#[derive(Clone)]
pub struct StoredPart {
    pub number: u32,
    pub plain_len: u64,
    pub boxes: Vec<Vec<u8>>,
    pub blob: Vec<u8>,
}

/// A KEK and its name.
pub struct Kek {
    pub by: KekRef,
    pub key: Key32,
}

impl Kek {
    pub fn new(mode: Mode, byte: u8) -> Self {
        let key = Key32::from_slice(&[byte; 32]).unwrap();
        Self { by: KekRef { mode, id: [byte; 16], generation: 1 }, key }
    }
}

impl StoredObject {
    /// Verifies the structure, with all parts or those of `range`.
    pub fn open(&self, keks: &[&Key32], range: Option<Range<u64>>) -> Result<OpenedObject, OpenError> {
        let envelopes: Vec<_> = self.envelopes.iter().map(|e| Envelope::from_bytes(e)).collect::<Result<_, _>>()?;
        let parts: Vec<_> = self
            .parts
            .iter()
            .map(|part| SealedPart {
                number: part.number,
                plain_len: part.plain_len,
                boxes: part.boxes.iter().map(Vec::as_slice).collect(),
            })
            .collect();
        let object = SealedObject {
            scope: self.scope(),
            kind: Kind::try_from(self.kind)?,
            envelopes: &envelopes,
            layout_tags: &self.layout_tags,
            head_box: &self.head_box,
            sums_box: &self.sums_box,
            parts: &parts,
        };
        match range {
            None => open_object(keks, &object),
            Some(range) => open_object_range(keks, &object, range),
        }
    }

    /// Returns the whole object.
    pub fn read(&self, keks: &[&Key32]) -> Result<Vec<u8>, OpenError> {
        self.read_parts(self.open(keks, None)?, 0..u64::MAX)
    }

    /// Returns the bytes `range` of the object, touching no more segments than they need.
    pub fn read_range(&self, keks: &[&Key32], range: Range<u64>) -> Result<Vec<u8>, OpenError> {
        self.read_parts(self.open(keks, Some(range.clone()))?, range)
    }

    fn read_parts(&self, opened: OpenedObject, range: Range<u64>) -> Result<Vec<u8>, OpenError> {
        let layers = opened.keys.len();
        let mut out = Vec::new();
        for part in opened.parts {
            let blob = &self.parts[part.index].blob;
            let start = range.start.clamp(part.offset, part.offset + part.plain_len) - part.offset;
            let end = range.end.clamp(part.offset, part.offset + part.plain_len) - part.offset;
            let opener = PartOpener::new(part.keys, part.plain_len);
            opener.verify_blob_len(blob.len() as u64)?;
            let segments = segments_of(start..end);
            let place = sealed_range(part.plain_len, segments.clone(), layers);
            let mut run = blob[place.start as usize..place.end as usize].to_vec();
            let mut plaintext = Vec::new();
            for place in opener.open_in_place(segments.start, &mut run)? {
                plaintext.extend_from_slice(&run[place]);
            }
            let first = segments.start * coffer_seal::SEGMENT_LEN as u64;
            out.extend_from_slice(&plaintext[(start - first) as usize..(end - first) as usize]);
        }
        Ok(out)
    }

    /// What the object keys are bound to.
    pub fn scope(&self) -> Scope<'_> {
        Scope {
            bucket_id: self.bucket_id,
            instance_id: self.instance_id,
            object_key: &self.object_key,
            context: &self.context,
        }
    }

    /// Seals an object of these parts, by number; one part of number 0 is a single object.
    pub fn seal(keks: &[Kek], parts: &[(u32, &[u8])], head: &[(String, String)], sums: Option<&Checksums>) -> Self {
        let mut object = Self {
            bucket_id: [0x10; 16],
            instance_id: [0x20; 16],
            object_key: "photos/zoë.jpg".into(),
            context: if keks[0].by.mode == Mode::SseKms { b"context".to_vec() } else { Vec::new() },
            kind: if parts[0].0 == 0 { Kind::Single as u8 } else { Kind::Multipart as u8 },
            envelopes: Vec::new(),
            layout_tags: Vec::new(),
            head_box: Vec::new(),
            sums_box: Vec::new(),
            parts: Vec::new(),
        };
        let mut keys = Vec::new();
        for kek in keks {
            let object_key = Key32::generate();
            object.envelopes.push(wrap(&kek.key, kek.by, &object.scope(), &object_key).as_bytes().to_vec());
            keys.push(ObjectKeys::derive(&object_key));
        }
        if !head.is_empty() {
            object.head_box = keys[0].seal_head_box(head);
        }
        if let Some(sums) = sums {
            object.sums_box = keys[0].seal_sums_box(SumsType::FullObject, sums);
        }
        object.parts = parts.iter().map(|(number, plaintext)| StoredPart::seal(&keys, *number, plaintext)).collect();
        object.layout_tags = (0..keys.len()).map(|layer| object.layout_tag(&keys[layer], layer)).collect();
        object
    }

    pub fn layout_tag(&self, keys: &ObjectKeys, layer: usize) -> [u8; 32] {
        let parts: Vec<_> = self
            .parts
            .iter()
            .map(|part| LayoutPart { number: part.number, plain_len: part.plain_len, part_box: &part.boxes[layer] })
            .collect();
        let kind = Kind::try_from(self.kind).unwrap();
        keys.layout_tag(&Layout { kind, head_box: &self.head_box, sums_box: &self.sums_box, parts: &parts })
    }
}

impl StoredPart {
    fn seal(keys: &[ObjectKeys], number: u32, plaintext: &[u8]) -> Self {
        let part_keys = PartKeys::generate(keys.len());
        let plain_len = plaintext.len() as u64;
        let boxes = keys
            .iter()
            .zip(part_keys.iter())
            .map(|(keys, part_key)| keys.seal_part_box(number, part_key, plain_len, FLAG_LAYOUT, &Checksums::new()));
        Self { number, plain_len, boxes: boxes.collect(), blob: seal_blob(&part_keys, plaintext) }
    }
}

/// Seals a part through small buffers, holding each back until more comes.
fn seal_blob(keys: &PartKeys, plaintext: &[u8]) -> Vec<u8> {
    let mut sealer = PartSealer::new(keys);
    let mut blob = Vec::new();
    let mut rest = plaintext;
    loop {
        let mut buffer = SegmentBuffer::new(2, keys.layers());
        rest = &rest[buffer.push(rest)..];
        blob.extend(sealer.seal(buffer, rest.is_empty()));
        if rest.is_empty() {
            return blob;
        }
    }
}

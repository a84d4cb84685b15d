//! Opening an object: every binding is verified here, before any segment of data is touched.

use std::ops::Range;

use coffer_crypto::Key32;

use crate::checksums::{Checksums, SumsType};
use crate::envelope::{Envelope, Scope, unwrap};
use crate::error::OpenError;
use crate::layout::{Kind, Layout, LayoutPart};
use crate::object_keys::{FLAG_LAYOUT, ObjectKeys, PartBox};
use crate::part::PartKeys;

/// An object as its record holds it: all of it but the blobs, which need no check but their part keys.
///
/// Layers are in order: the first is the inner one, which also has the head and sums boxes.
pub struct SealedObject<'a> {
    /// What the object keys are bound to.
    pub scope: Scope<'a>,
    /// How the parts came to be.
    pub kind: Kind,
    /// The wrapped object key of each layer, one or two.
    pub envelopes: &'a [Envelope],
    /// The layout tag of each layer, or none at all.
    pub layout_tags: &'a [[u8; 32]],
    /// The head box; empty when there is none.
    pub head_box: &'a [u8],
    /// The sums box; empty when there is none.
    pub sums_box: &'a [u8],
    /// The parts in the order of the object's bytes.
    pub parts: &'a [SealedPart<'a>],
}

/// A part of a [`SealedObject`].
pub struct SealedPart<'a> {
    /// The part number.
    pub number: u32,
    /// Its plaintext bytes, which its part boxes confirm.
    pub plain_len: u64,
    /// Its part box of each layer.
    pub boxes: Vec<&'a [u8]>,
}

/// An object whose structure is verified.
pub struct OpenedObject {
    /// The keys below the object key of each layer.
    pub keys: Vec<ObjectKeys>,
    /// The parts asked for, in the order of the object's bytes.
    pub parts: Vec<OpenedPart>,
    /// Headers and user metadata of the head box; none without one.
    pub head: Vec<(String, String)>,
    /// What the sums box holds.
    pub sums: Option<(SumsType, Checksums)>,
}

/// A part whose place, length and keys are verified.
pub struct OpenedPart {
    /// Its place in [`SealedObject::parts`].
    pub index: usize,
    /// The part number.
    pub number: u32,
    /// Where in the object its first byte is.
    pub offset: u64,
    /// Its plaintext bytes.
    pub plain_len: u64,
    /// The checksums in its part box.
    pub checksums: Checksums,
    /// The keys of its part stream.
    pub keys: PartKeys,
}

/// Verifies an object and opens all its parts. `keks` unwrap its envelopes, layer by layer.
///
/// # Errors
/// The first of these that fails, in this order: the envelopes; the numbering of the parts; the part boxes; the
/// layout tags, or that none is due; the head box; the sums box. Each group has one member a layer, else
/// [`OpenError::Malformed`].
pub fn open_object(keks: &[&Key32], object: &SealedObject<'_>) -> Result<OpenedObject, OpenError> {
    open_selected(keks, object, |_| true)
}

/// Verifies an object and opens the parts that hold the plaintext bytes `range` of it.
///
/// With a layout tag no other part box is opened; without one all are, since offsets follow from their lengths.
/// An empty range opens no part, except in an empty object: there all are opened, so that its emptiness can be
/// authenticated too.
///
/// # Errors
/// As [`open_object`].
pub fn open_object_range(
    keks: &[&Key32],
    object: &SealedObject<'_>,
    range: Range<u64>,
) -> Result<OpenedObject, OpenError> {
    let empty = object.parts.iter().all(|part| part.plain_len == 0);
    let touches = |part: &Range<u64>| part.start.max(range.start) < part.end.min(range.end);
    open_selected(keks, object, |part| empty || touches(part))
}

fn open_selected(
    keks: &[&Key32],
    object: &SealedObject<'_>,
    selects: impl Fn(&Range<u64>) -> bool,
) -> Result<OpenedObject, OpenError> {
    let layers = keks.len();
    if !(1..=2).contains(&layers) || object.envelopes.len() != layers {
        return Err(OpenError::Malformed("layers"));
    }
    let mut keys = Vec::with_capacity(layers);
    for (kek, envelope) in keks.iter().zip(object.envelopes) {
        keys.push(ObjectKeys::derive(&unwrap(kek, envelope, &object.scope)?));
    }
    check_numbering(object)?;

    let tagged = !object.layout_tags.is_empty();
    let mut parts = Vec::new();
    let mut offset = 0_u64;
    let mut layout_is_due = false;
    for (index, part) in object.parts.iter().enumerate() {
        if part.boxes.len() != layers {
            return Err(OpenError::Malformed("layers"));
        }
        let end = offset.checked_add(part.plain_len).ok_or(OpenError::Tampered("part length"))?;
        let selected = selects(&(offset..end));
        if selected || !tagged {
            let (opened, flags) = open_part(&keys, index, part, offset)?;
            layout_is_due |= flags & FLAG_LAYOUT != 0;
            if selected {
                parts.push(opened);
            }
        }
        offset = end;
    }
    if tagged {
        verify_layout(&keys, object)?;
    } else if layout_is_due {
        return Err(OpenError::Tampered("layout tag"));
    }

    let head = if object.head_box.is_empty() { Vec::new() } else { keys[0].open_head_box(object.head_box)? };
    let sums = (!object.sums_box.is_empty()).then(|| keys[0].open_sums_box(object.sums_box)).transpose()?;
    Ok(OpenedObject { keys, parts, head, sums })
}

fn check_numbering(object: &SealedObject<'_>) -> Result<(), OpenError> {
    let mut numbers = object.parts.iter().map(|part| part.number);
    let well_numbered = match object.kind {
        Kind::Single => numbers.eq([0]),
        Kind::Multipart => {
            numbers.next().is_some_and(|first| first >= 1) && {
                object.parts.iter().is_sorted_by(|a, b| a.number < b.number)
            }
        }
    };
    if well_numbered { Ok(()) } else { Err(OpenError::Tampered("part numbers")) }
}

/// Opens the part boxes of every layer, and returns the flags of any of them too.
fn open_part(
    keys: &[ObjectKeys],
    index: usize,
    part: &SealedPart<'_>,
    offset: u64,
) -> Result<(OpenedPart, u8), OpenError> {
    let open = |layer: usize| -> Result<PartBox, OpenError> {
        let opened = keys[layer].open_part_box(part.number, part.boxes[layer])?;
        if opened.plain_len != part.plain_len {
            return Err(OpenError::Tampered("part length"));
        }
        Ok(opened)
    };
    let inner = open(0)?;
    let outer = (keys.len() == 2).then(|| open(1)).transpose()?;
    let flags = inner.flags | outer.as_ref().map_or(0, |outer| outer.flags);
    let opened = OpenedPart {
        index,
        number: part.number,
        offset,
        plain_len: part.plain_len,
        checksums: inner.checksums,
        keys: PartKeys::new(inner.key, outer.map(|outer| outer.key)),
    };
    Ok((opened, flags))
}

fn verify_layout(keys: &[ObjectKeys], object: &SealedObject<'_>) -> Result<(), OpenError> {
    if object.layout_tags.len() != keys.len() {
        return Err(OpenError::Malformed("layers"));
    }
    for (layer, keys) in keys.iter().enumerate() {
        let parts: Vec<_> = object
            .parts
            .iter()
            .map(|part| LayoutPart { number: part.number, plain_len: part.plain_len, part_box: part.boxes[layer] })
            .collect();
        let layout = Layout { kind: object.kind, head_box: object.head_box, sums_box: object.sums_box, parts: &parts };
        keys.verify_layout_tag(&layout, &object.layout_tags[layer])?;
    }
    Ok(())
}

//! Everything directly below an object key: the boxes and the layout tag.
//!
//! ```text
//! box(label, context, plaintext) = SEAL(box key, "box1 " || label || 00 || context, plaintext)
//! layout tag                     = HMAC-SHA-256(layout key, layout)
//! ```

use coffer_crypto::{AeadKey, KEY_LEN, Key32, OVERHEAD, Sha256, ct_eq};
use zeroize::Zeroizing;

use crate::bytes::{Reader, put_field};
use crate::checksums::{Checksums, SumsType};
use crate::derive::{FIXED_SALT, derive_pair};
use crate::error::{OpenError, tampered};
use crate::layout::Layout;
use crate::length::{MAX_SEGMENTS, segment_count};

/// Flag of a part box: the object that holds this part must carry a layout tag.
pub const FLAG_LAYOUT: u8 = 1;

/// The box key and the layout key of one object key.
pub struct ObjectKeys {
    box_key: AeadKey,
    layout_key: Key32,
}

/// What a part box holds.
pub struct PartBox {
    /// Plaintext bytes of the part.
    pub plain_len: u64,
    /// [`FLAG_LAYOUT`] or 0.
    pub flags: u8,
    /// Checksums of the part.
    pub checksums: Checksums,
    /// The part key of the layer.
    pub key: Key32,
}

impl ObjectKeys {
    /// Derives both keys.
    #[must_use]
    pub fn derive(object_key: &Key32) -> Self {
        let (box_key, layout_key) = derive_pair(object_key, FIXED_SALT, "object", b"");
        let layout_key = Key32::from_slice(&*layout_key).expect("half of 64 bytes is a key");
        Self { box_key: AeadKey::new(&box_key), layout_key }
    }

    /// Seals the part box of this layer for the part `number`: 69 bytes and the checksums.
    ///
    /// `number` is 0 for an object that was not uploaded in parts.
    #[must_use]
    pub fn seal_part_box(
        &self,
        number: u32,
        part_key: &Key32,
        plain_len: u64,
        flags: u8,
        checksums: &Checksums,
    ) -> Vec<u8> {
        let mut list = Vec::new();
        checksums.encode(&mut list);
        // The exact capacity: growing would leave a copy of the key behind.
        let mut plaintext = Zeroizing::new(Vec::with_capacity(KEY_LEN + 9 + list.len()));
        plaintext.extend_from_slice(part_key.expose());
        plaintext.extend_from_slice(&plain_len.to_be_bytes());
        plaintext.push(flags);
        plaintext.extend_from_slice(&list);
        self.seal_box("part", &number.to_be_bytes(), &plaintext)
    }

    /// Opens the part box of the part `number`.
    ///
    /// # Errors
    /// [`OpenError::Tampered`] when it was not sealed for this number under this object key;
    /// [`OpenError::Malformed`] when what was sealed is no part box.
    pub fn open_part_box(&self, number: u32, sealed: &[u8]) -> Result<PartBox, OpenError> {
        let plaintext = self.open_box("part", &number.to_be_bytes(), sealed, "part box")?;
        let mut reader = Reader::new(&plaintext, "part box");
        let key = Key32::from_slice(reader.take(KEY_LEN)?).expect("the reader returns as many bytes as asked for");
        let plain_len = reader.u64()?;
        let flags = reader.u8()?;
        if flags & !FLAG_LAYOUT != 0 || segment_count(plain_len) > MAX_SEGMENTS {
            return Err(reader.malformed());
        }
        let checksums = Checksums::decode(reader.rest())?;
        Ok(PartBox { plain_len, flags, checksums, key })
    }

    /// Seals headers and user metadata, in any order, as pairs of name and value.
    #[must_use]
    pub fn seal_head_box(&self, fields: &[(String, String)]) -> Vec<u8> {
        self.seal_box("head", b"", &head_plaintext(fields))
    }

    /// Opens a head box: the fields, ascending by the bytes of the name.
    ///
    /// # Errors
    /// [`OpenError::Tampered`] when it was not sealed as a head box under this object key;
    /// [`OpenError::Malformed`] when what was sealed is no list of fields.
    pub fn open_head_box(&self, sealed: &[u8]) -> Result<Vec<(String, String)>, OpenError> {
        let plaintext = self.open_box("head", b"", sealed, "head box")?;
        let mut reader = Reader::new(&plaintext, "head box");
        let mut fields: Vec<(String, String)> = Vec::new();
        while !reader.is_empty() {
            let mut text = || std::str::from_utf8(reader.field()?).map_err(|_| OpenError::Malformed("head box"));
            let field = (text()?.to_owned(), text()?.to_owned());
            if fields.last().is_some_and(|(last, _)| *last > field.0) {
                return Err(OpenError::Malformed("head box"));
            }
            fields.push(field);
        }
        Ok(fields)
    }

    /// Seals the checksums of the object.
    #[must_use]
    pub fn seal_sums_box(&self, sums_type: SumsType, checksums: &Checksums) -> Vec<u8> {
        let mut plaintext = vec![sums_type as u8];
        checksums.encode(&mut plaintext);
        self.seal_box("sums", b"", &plaintext)
    }

    /// Opens a sums box.
    ///
    /// # Errors
    /// [`OpenError::Tampered`] when it was not sealed as a sums box under this object key;
    /// [`OpenError::Malformed`] when what was sealed is no list of checksums.
    pub fn open_sums_box(&self, sealed: &[u8]) -> Result<(SumsType, Checksums), OpenError> {
        let plaintext = self.open_box("sums", b"", sealed, "sums box")?;
        let mut reader = Reader::new(&plaintext, "sums box");
        let sums_type = SumsType::from_byte(reader.u8()?).ok_or(reader.malformed())?;
        Ok((sums_type, Checksums::decode(reader.rest())?))
    }

    /// The layout tag of this layer. The part boxes of `layout` are those of this layer.
    ///
    /// # Panics
    /// When the lengths of the parts add up to more than a `u64` holds.
    #[must_use]
    pub fn layout_tag(&self, layout: &Layout<'_>) -> [u8; 32] {
        layout.tag(&self.layout_key).expect("an object has fewer than 2^64 bytes and 2^32 parts")
    }

    /// Compares the layout tag of this layer with `tag` in constant time.
    ///
    /// # Errors
    /// [`OpenError::Tampered`] when `layout` is not what was tagged.
    pub fn verify_layout_tag(&self, layout: &Layout<'_>, tag: &[u8; 32]) -> Result<(), OpenError> {
        match layout.tag(&self.layout_key) {
            Some(computed) if ct_eq(&computed, tag) => Ok(()),
            _ => Err(OpenError::Tampered("layout tag")),
        }
    }

    fn seal_box(&self, label: &str, context: &[u8], plaintext: &[u8]) -> Vec<u8> {
        self.box_key.seal(&box_aad(label, context), plaintext)
    }

    fn open_box(
        &self,
        label: &str,
        context: &[u8],
        sealed: &[u8],
        piece: &'static str,
    ) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        if sealed.len() < OVERHEAD {
            return Err(OpenError::Malformed(piece));
        }
        self.box_key.open(&box_aad(label, context), sealed).map(Zeroizing::new).map_err(tampered(piece))
    }
}

/// The ETag of a part, or of an object of one part, whose MD5 must not show: a function of its public part box of
/// layer 1, and so unique to this write.
#[must_use]
pub fn opaque_etag(part_box: &[u8]) -> [u8; 16] {
    let mut hash = Sha256::default();
    hash.update(b"seal/1 etag\0");
    hash.update(part_box);
    *hash.finish().first_chunk().expect("SHA-256 has more than 16 bytes")
}

pub(crate) fn box_aad(label: &str, context: &[u8]) -> Vec<u8> {
    [b"box1 ", label.as_bytes(), &[0], context].concat()
}

/// The fields sorted by the bytes of their names, each name and value with its length.
pub(crate) fn head_plaintext(fields: &[(String, String)]) -> Vec<u8> {
    let mut sorted: Vec<_> = fields.iter().collect();
    sorted.sort_by_key(|(name, _)| name.as_bytes());
    let mut plaintext = Vec::new();
    for (name, value) in sorted {
        put_field(&mut plaintext, name.as_bytes());
        put_field(&mut plaintext, value.as_bytes());
    }
    plaintext
}

#[cfg(test)]
#[path = "object_keys_tests.rs"]
mod tests;

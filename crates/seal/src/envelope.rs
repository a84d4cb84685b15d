//! The envelope: a 32-byte key wrapped under a KEK, bound to what it belongs to, and committing to the KEK.

use std::collections::BTreeMap;

use coffer_crypto::{AeadKey, Key32, ct_eq, random_array, sha256};
use zeroize::Zeroizing;

use crate::bytes::put_field;
use crate::derive::derive_pair;
use crate::error::{OpenError, tampered};

/// Bytes of every envelope.
pub const ENVELOPE_LEN: usize = 146;

const VERSION: u8 = 1;
const MODE_AT: usize = 1;
const KEK_ID_AT: usize = 2;
const GENERATION_AT: usize = 18;
const SALT_AT: usize = 22;
const COMMITMENT_AT: usize = 54;
const SEALED_AT: usize = 86;

/// Whose key the KEK is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Mode {
    /// An object key under a bucket key.
    SseS3 = 1,
    /// An object key under a data key of a KMS.
    SseKms = 2,
    /// An object key under a key that the client sends with each request.
    SseC = 3,
    /// A bucket key under the root key.
    BucketKey = 0x10,
    /// The metadata key under the root key.
    MetadataKey = 0x11,
    /// The key material of a KMS key under the root key.
    KmsKey = 0x12,
}

impl Mode {
    fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::SseS3,
            2 => Self::SseKms,
            3 => Self::SseC,
            0x10 => Self::BucketKey,
            0x11 => Self::MetadataKey,
            0x12 => Self::KmsKey,
            _ => return None,
        })
    }
}

/// Names the KEK of an envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KekRef {
    /// Whose key it is.
    pub mode: Mode,
    /// The id of the key; zero under SSE-C.
    pub id: [u8; 16],
    /// The generation of the key; zero under SSE-C and SSE-KMS.
    pub generation: u32,
}

impl KekRef {
    /// The customer key of SSE-C, which has no name.
    pub const CUSTOMER: Self = Self { mode: Mode::SseC, id: [0; 16], generation: 0 };
}

/// What a wrapped key belongs to: it unwraps for nothing else.
#[derive(Clone, Copy)]
pub struct Scope<'a> {
    /// The id of the bucket (not its name); zero for the metadata key.
    pub bucket_id: [u8; 16],
    /// The id of the object version or upload, or of the wrapped bucket or metadata key.
    pub instance_id: [u8; 16],
    /// The object's key as the client named it, without any normalisation.
    pub object_key: &'a [u8],
    /// The [`canonical_context`] under SSE-KMS, else empty.
    pub context: &'a [u8],
}

impl Scope<'static> {
    /// What a wrapped bucket key, or metadata key (`bucket_id` zero), belongs to.
    #[must_use]
    pub fn of_wrapped_key(bucket_id: [u8; 16], key_id: [u8; 16], generation: u32) -> WrappedKeyScope {
        WrappedKeyScope { bucket_id, key_id, generation: generation.to_be_bytes() }
    }
}

impl Scope<'_> {
    /// `SHA-256` over version, KEK and scope: the KDF context of the envelope.
    pub(crate) fn bind(&self, version: u8, kek: KekRef) -> [u8; 32] {
        let mut bound = Vec::with_capacity(62 + self.object_key.len() + self.context.len());
        bound.extend_from_slice(&[version, kek.mode as u8]);
        bound.extend_from_slice(&kek.id);
        bound.extend_from_slice(&kek.generation.to_be_bytes());
        bound.extend_from_slice(&self.bucket_id);
        bound.extend_from_slice(&self.instance_id);
        put_field(&mut bound, self.object_key);
        put_field(&mut bound, self.context);
        sha256(&bound)
    }
}

/// The scope of a wrapped bucket or metadata key, owning its bytes.
pub struct WrappedKeyScope {
    bucket_id: [u8; 16],
    key_id: [u8; 16],
    generation: [u8; 4],
}

impl WrappedKeyScope {
    /// The scope itself.
    #[must_use]
    pub fn as_scope(&self) -> Scope<'_> {
        Scope { bucket_id: self.bucket_id, instance_id: self.key_id, object_key: &self.generation, context: &[] }
    }
}

/// A wrapped key: what is stored of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Envelope {
    bytes: [u8; ENVELOPE_LEN],
    mode: Mode,
}

impl Envelope {
    /// Reads an envelope. Whether it is authentic shows when it is unwrapped.
    ///
    /// # Errors
    /// [`OpenError::Malformed`]: wrong length, version or mode.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, OpenError> {
        let bytes: [u8; ENVELOPE_LEN] = bytes.try_into().map_err(|_| OpenError::Malformed("envelope length"))?;
        if bytes[0] != VERSION {
            return Err(OpenError::Malformed("envelope version"));
        }
        let mode = Mode::from_byte(bytes[MODE_AT]).ok_or(OpenError::Malformed("envelope mode"))?;
        Ok(Self { bytes, mode })
    }

    /// The stored bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; ENVELOPE_LEN] {
        &self.bytes
    }

    /// The KEK that unwraps it, as the envelope claims: [`unwrap`] proves it.
    #[must_use]
    pub fn kek(&self) -> KekRef {
        KekRef {
            mode: self.mode,
            id: self.bytes[KEK_ID_AT..GENERATION_AT].try_into().expect("the field has 16 bytes"),
            generation: u32::from_be_bytes(
                self.bytes[GENERATION_AT..SALT_AT].try_into().expect("the field has 4 bytes"),
            ),
        }
    }
}

/// Wraps `key` under `kek`, bound to `by` and `scope`, with a fresh salt.
#[must_use]
pub fn wrap(kek: &Key32, by: KekRef, scope: &Scope<'_>, key: &Key32) -> Envelope {
    let salt: [u8; 32] = random_array();
    let (wrapping, commitment) = derive_pair(kek, &salt, "envelope", &scope.bind(VERSION, by));
    let mut bytes = [0; ENVELOPE_LEN];
    bytes[0] = VERSION;
    bytes[MODE_AT] = by.mode as u8;
    bytes[KEK_ID_AT..GENERATION_AT].copy_from_slice(&by.id);
    bytes[GENERATION_AT..SALT_AT].copy_from_slice(&by.generation.to_be_bytes());
    bytes[SALT_AT..COMMITMENT_AT].copy_from_slice(&salt);
    bytes[COMMITMENT_AT..SEALED_AT].copy_from_slice(&*commitment);
    bytes[SEALED_AT..].copy_from_slice(&AeadKey::new(&wrapping).seal(b"", key.expose()));
    Envelope { bytes, mode: by.mode }
}

/// Returns the key that `envelope` holds.
///
/// # Errors
/// [`OpenError::WrongKey`] when `kek`, `scope` or the KEK named in the envelope is not what was wrapped with,
/// found in constant time; [`OpenError::Tampered`] when they are and the wrapped key is damaged.
pub fn unwrap(kek: &Key32, envelope: &Envelope, scope: &Scope<'_>) -> Result<Key32, OpenError> {
    let bytes = &envelope.bytes;
    let bound = scope.bind(bytes[0], envelope.kek());
    let (wrapping, commitment) = derive_pair(kek, &bytes[SALT_AT..COMMITMENT_AT], "envelope", &bound);
    if !ct_eq(&*commitment, &bytes[COMMITMENT_AT..SEALED_AT]) {
        return Err(OpenError::WrongKey);
    }
    let key = AeadKey::new(&wrapping).open(b"", &bytes[SEALED_AT..]).map_err(tampered("envelope"))?;
    Ok(Key32::from_slice(&Zeroizing::new(key)).expect("the sealed field of an envelope holds 32 bytes"))
}

/// The encryption context of SSE-KMS as bytes: its size, then each pair with length prefixes, ascending by the
/// bytes of the name. No pairs are no bytes.
#[must_use]
pub fn canonical_context(pairs: &BTreeMap<String, String>) -> Vec<u8> {
    let mut out = Vec::new();
    if pairs.is_empty() {
        return out;
    }
    let count = u32::try_from(pairs.len()).expect("a context has fewer than 2^32 pairs");
    out.extend_from_slice(&count.to_be_bytes());
    for (name, value) in pairs {
        put_field(&mut out, name.as_bytes());
        put_field(&mut out, value.as_bytes());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const BY: KekRef = KekRef { mode: Mode::SseS3, id: [2; 16], generation: 3 };

    fn scope(object_key: &[u8]) -> Scope<'_> {
        Scope { bucket_id: [4; 16], instance_id: [5; 16], object_key, context: b"" }
    }

    fn check_refused(envelope: &Envelope, kek: &Key32, scope: &Scope<'_>, expected: OpenError) {
        assert!(unwrap(kek, envelope, scope).is_err_and(|error| error == expected));
    }

    #[test]
    fn unwraps_what_it_wrapped() {
        let (kek, key) = (Key32::generate(), Key32::generate());
        let envelope = wrap(&kek, BY, &scope(b"cat.jpg"), &key);
        assert_eq!(envelope.kek(), BY);
        let stored = Envelope::from_bytes(envelope.as_bytes()).unwrap();
        assert_eq!(unwrap(&kek, &stored, &scope(b"cat.jpg")).unwrap().expose(), key.expose());
    }

    #[test]
    fn wrapping_again_shares_no_salt_and_no_ciphertext() {
        let (kek, key) = (Key32::generate(), Key32::generate());
        let [a, b] = [(); 2].map(|()| wrap(&kek, BY, &scope(b"k"), &key));
        assert_ne!(a.as_bytes()[SALT_AT..COMMITMENT_AT], b.as_bytes()[SALT_AT..COMMITMENT_AT]);
        assert_ne!(a.as_bytes()[SEALED_AT..], b.as_bytes()[SEALED_AT..]);
    }

    #[test]
    fn another_bucket_version_name_or_context_does_not_unwrap() {
        let kek = Key32::generate();
        let envelope = wrap(&kek, BY, &scope(b"a/b"), &Key32::generate());
        for other in [
            Scope { bucket_id: [0; 16], ..scope(b"a/b") },
            Scope { instance_id: [0; 16], ..scope(b"a/b") },
            scope(b"a//b"),
            scope(b""),
            Scope { context: b"x", ..scope(b"a/b") },
            // The bytes of name and context run on unchanged; only the length prefixes differ.
            Scope { context: b"b", ..scope(b"a/") },
        ] {
            check_refused(&envelope, &kek, &other, OpenError::WrongKey);
        }
    }

    #[test]
    fn another_kek_does_not_unwrap() {
        let envelope = wrap(&Key32::generate(), BY, &scope(b"k"), &Key32::generate());
        check_refused(&envelope, &Key32::generate(), &scope(b"k"), OpenError::WrongKey);
    }

    #[test]
    fn every_flipped_bit_is_refused_with_the_error_of_its_field() {
        let kek = Key32::generate();
        let envelope = wrap(&kek, BY, &scope(b"k"), &Key32::generate());
        for bit in 0..ENVELOPE_LEN * 8 {
            let mut bytes = *envelope.as_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let error = Envelope::from_bytes(&bytes).and_then(|bad| unwrap(&kek, &bad, &scope(b"k"))).err().unwrap();
            match bit / 8 {
                0 => assert_eq!(error, OpenError::Malformed("envelope version")),
                MODE_AT => assert!(matches!(error, OpenError::Malformed("envelope mode") | OpenError::WrongKey)),
                KEK_ID_AT..SEALED_AT => assert_eq!(error, OpenError::WrongKey),
                _ => assert_eq!(error, OpenError::Tampered("envelope")),
            }
        }
    }

    #[test]
    fn cut_or_extended_envelopes_are_malformed() {
        let envelope = wrap(&Key32::generate(), BY, &scope(b"k"), &Key32::generate());
        let mut longer = envelope.as_bytes().to_vec();
        longer.push(0);
        for bytes in [&longer, &longer[..ENVELOPE_LEN - 1], &[]] {
            assert!(Envelope::from_bytes(bytes).is_err_and(|e| e == OpenError::Malformed("envelope length")));
        }
    }

    #[test]
    fn a_wrapped_bucket_key_is_bound_to_its_generation() {
        let by = KekRef { mode: Mode::BucketKey, ..BY };
        let (root, key) = (Key32::generate(), Key32::generate());
        let envelope = wrap(&root, by, &Scope::of_wrapped_key([6; 16], [7; 16], 1).as_scope(), &key);
        let other = Scope::of_wrapped_key([6; 16], [7; 16], 2);
        check_refused(&envelope, &root, &other.as_scope(), OpenError::WrongKey);
    }

    #[test]
    fn no_context_is_no_bytes() {
        assert!(canonical_context(&BTreeMap::new()).is_empty());
    }
}

//! The bytes of a key that a remote provider wrapped.

use coffer_crypto::sha256;
use coffer_keyring::{KeyError, RootId};
use coffer_seal::Envelope;

use crate::provider::Kind;

/// The most bytes of what a provider makes of 32 bytes. AWS KMS makes at most 6144.
pub const MAX_CIPHERTEXT_LEN: usize = 8192;

const MAGIC: &[u8; 4] = b"CRK1";
const KIND_AT: usize = 4;
const ENVELOPE_AT: usize = 5;
const CIPHERTEXT_AT: usize = ENVELOPE_AT + ENVELOPE_LEN;
const ENVELOPE_LEN: usize = 146;

/// A key in an envelope, and the wrapping key of the envelope as a provider encrypted it.
pub(crate) struct Wrapped<'a> {
    pub(crate) kind: Kind,
    pub(crate) envelope: Envelope,
    pub(crate) ciphertext: &'a [u8],
}

impl<'a> Wrapped<'a> {
    /// Reads it.
    ///
    /// # Errors
    /// [`KeyError::Damaged`].
    pub(crate) fn from_bytes(bytes: &'a [u8]) -> Result<Self, KeyError> {
        if !bytes.starts_with(MAGIC) {
            return Err(KeyError::Damaged("it was not wrapped by a remote provider"));
        }
        let (head, ciphertext) = bytes.split_at_checked(CIPHERTEXT_AT).ok_or(KeyError::Damaged("it is too short"))?;
        let kind = Kind::from_byte(head[KIND_AT]).ok_or(KeyError::Damaged("the kind of the provider is unknown"))?;
        let envelope =
            Envelope::from_bytes(&head[ENVELOPE_AT..]).map_err(|_| KeyError::Damaged("the envelope is none"))?;
        if ciphertext.is_empty() || ciphertext.len() > MAX_CIPHERTEXT_LEN {
            return Err(KeyError::Damaged("the provider's ciphertext has an impossible length"));
        }
        Ok(Self { kind, envelope, ciphertext })
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        [MAGIC, &[self.kind as u8][..], self.envelope.as_bytes(), self.ciphertext].concat()
    }
}

/// The id of the root key of the provider that is called `name`: whoever runs the server may move the key to another
/// address or another region as long as the name stays.
#[must_use]
pub fn root_id(kind: Kind, name: &str) -> RootId {
    let hash = sha256(&[b"coffer key provider v1\0", &[kind as u8][..], name.as_bytes()].concat());
    hash[..16].try_into().expect("a hash is longer than an id")
}

#[cfg(test)]
mod tests {
    use coffer_crypto::Key32;
    use coffer_seal::{KekRef, Mode, Scope};

    use super::*;

    fn envelope() -> Envelope {
        let scope = Scope::of_wrapped_key([0; 16], [1; 16], 1);
        let by = KekRef { mode: Mode::MetadataKey, id: [7; 16], generation: 3 };
        coffer_seal::wrap(&Key32::generate(), by, &scope.as_scope(), &Key32::generate())
    }

    fn bytes(ciphertext: &[u8]) -> Vec<u8> {
        Wrapped { kind: Kind::Transit, envelope: envelope(), ciphertext }.to_bytes()
    }

    fn is_damaged(bytes: &[u8]) -> bool {
        matches!(Wrapped::from_bytes(bytes), Err(KeyError::Damaged(_)))
    }

    #[test]
    fn the_layout_is_that_of_the_specification() {
        let bytes = bytes(b"ciphertext");
        assert_eq!(&bytes[..6], b"CRK1\x02\x01");
        assert_eq!(&bytes[151..], b"ciphertext");
        let read = Wrapped::from_bytes(&bytes).unwrap();
        assert_eq!((read.kind, read.ciphertext), (Kind::Transit, &b"ciphertext"[..]));
        assert_eq!((read.envelope.kek().id, read.envelope.kek().generation), ([7; 16], 3));
    }

    #[test]
    fn bytes_that_are_cut_or_changed_are_damaged() {
        let good = bytes(b"c");
        for len in 0..good.len() {
            assert!(is_damaged(&good[..len]), "{len}");
        }
        for (at, value) in [(0, b'X'), (3, b'2'), (4, 0), (4, 9), (5, 2), (6, 0xff)] {
            let mut bad = good.clone();
            bad[at] = value;
            assert!(is_damaged(&bad), "{at}");
        }
        assert!(is_damaged(&bytes(&vec![0; MAX_CIPHERTEXT_LEN + 1])));
        assert!(is_damaged(envelope().as_bytes()), "what a local root key wrapped");
    }

    #[test]
    fn an_id_is_that_of_a_kind_and_a_name() {
        assert_eq!(root_id(Kind::Transit, "a"), root_id(Kind::Transit, "a"));
        assert_ne!(root_id(Kind::Transit, "a"), root_id(Kind::Transit, "b"));
        assert_ne!(root_id(Kind::Transit, "a"), root_id(Kind::AwsKms, "a"));
    }
}

//! Texts that people keep, such as the report of what was shredded, with a signature as their last line.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use coffer_crypto::{PublicKey, SignatureAlgorithm};

use crate::keys::AuditKeys;

/// What the last line starts with.
const SIGNATURE: &str = "signature: ";

impl AuditKeys {
    /// Signs a text, whose lines have ends: returns it with the signature as one more line. `purpose` keeps it from being
    /// taken for anything else that this key signs.
    #[must_use]
    pub fn sign_text(&self, purpose: &str, text: &str) -> String {
        let signature = self.signing.sign(&message(purpose, &self.store_id, text));
        format!("{text}{SIGNATURE}{}\n", STANDARD.encode(signature))
    }
}

/// The text without its signature, if the store with this id and public key signed it for `purpose`, and nobody has
/// changed it since.
#[must_use]
pub fn verify_text<'t>(signed: &'t str, purpose: &str, store_id: &[u8; 16], public_key: &[u8; 32]) -> Option<&'t str> {
    let start = signed.strip_suffix('\n')?.rfind('\n')? + 1;
    let (text, last) = signed.split_at(start);
    let signature = STANDARD.decode(last.strip_prefix(SIGNATURE)?.strip_suffix('\n')?).ok()?;
    let public_key = PublicKey::Ed25519(public_key.to_vec());
    public_key.verify(SignatureAlgorithm::EdDsa, &message(purpose, store_id, text), &signature).ok()?;
    Some(text)
}

/// `"coffer " || purpose || " 1" || 00 || store id || text`
fn message(purpose: &str, store_id: &[u8; 16], text: &str) -> Vec<u8> {
    [b"coffer ", purpose.as_bytes(), b" 1\0", store_id, text.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use coffer_crypto::Key32;

    use super::*;

    const STORE: [u8; 16] = [7; 16];
    const TEXT: &str = "a report\nof two lines\n";

    #[test]
    fn what_is_signed_verifies_and_reads_back() {
        let keys = AuditKeys::derive(&Key32::generate(), 1, STORE, &[]);
        let signed = keys.sign_text("job report", TEXT);
        assert_eq!(signed.lines().count(), 3);
        assert_eq!(verify_text(&signed, "job report", &STORE, &keys.public_key()), Some(TEXT));
    }

    #[test]
    fn every_changed_byte_and_every_cut_is_found() {
        let keys = AuditKeys::derive(&Key32::generate(), 1, STORE, &[]);
        let signed = keys.sign_text("job report", TEXT);
        let public_key = keys.public_key();
        for at in 0..signed.len() {
            assert_eq!(verify_text(&signed[..at], "job report", &STORE, &public_key), None, "cut at {at}");
            for flip in [1, 2, 0x20] {
                let mut changed = signed.clone().into_bytes();
                changed[at] ^= flip;
                let Ok(changed) = String::from_utf8(changed) else { continue };
                assert_eq!(verify_text(&changed, "job report", &STORE, &public_key), None, "byte {at}");
            }
        }
        for more in ["\n", "one more line\n", "signature: AAAA\n"] {
            assert_eq!(verify_text(&format!("{signed}{more}"), "job report", &STORE, &public_key), None);
        }
    }

    #[test]
    fn another_purpose_store_or_key_is_not_taken_for_this_one() {
        let keys = AuditKeys::derive(&Key32::generate(), 1, STORE, &[]);
        let other = AuditKeys::derive(&Key32::generate(), 1, STORE, &[]);
        let signed = keys.sign_text("job report", TEXT);
        for (purpose, store, key) in [
            ("audit checkpoint", STORE, keys.public_key()),
            ("job report", [8; 16], keys.public_key()),
            ("job report", STORE, other.public_key()),
        ] {
            assert_eq!(verify_text(&signed, purpose, &store, &key), None);
        }
    }
}

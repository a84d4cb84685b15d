//! Identifiers in AWS's forms.

use coffer_crypto::{random_array, sha256};

/// The characters of unique IDs and access key IDs: base32.
const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/// The characters of secret access keys.
const SECRET_ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// What a unique ID is of: its first four characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IdKind {
    User,
    Group,
    Role,
    ManagedPolicy,
    AccessKey,
    /// The access key of temporary credentials.
    SessionKey,
}

impl IdKind {
    const fn prefix(self) -> &'static str {
        match self {
            Self::User => "AIDA",
            Self::Group => "AGPA",
            Self::Role => "AROA",
            Self::ManagedPolicy => "ANPA",
            Self::AccessKey => "AKIA",
            Self::SessionKey => "ASIA",
        }
    }
}

/// A new unique ID: 21 characters, 20 of an access key.
pub(crate) fn unique_id(kind: IdKind) -> String {
    let len = if matches!(kind, IdKind::AccessKey | IdKind::SessionKey) { 16 } else { 17 };
    let tail = random_array::<17>().into_iter().take(len).map(|byte| char::from(ALPHABET[usize::from(byte % 32)]));
    kind.prefix().chars().chain(tail).collect()
}

/// Whether an access key is one of temporary credentials.
pub(crate) fn is_session_key(access_key: &str) -> bool {
    access_key.starts_with(IdKind::SessionKey.prefix())
}

/// A new secret access key: 40 characters, 240 bits.
pub(crate) fn secret_access_key() -> String {
    random_array::<40>().iter().map(|byte| char::from(SECRET_ALPHABET[usize::from(byte % 64)])).collect()
}

/// A new account number: 12 digits.
pub(crate) fn account_id() -> String {
    // The bias of the remainder is far below anything that matters for a name.
    let number = u64::from_be_bytes(random_array()) % 900_000_000_000 + 100_000_000_000;
    number.to_string()
}

/// The canonical user ID of an account: 64 hexadecimal digits, the same for ever, and telling nothing.
pub(crate) fn canonical_id(store_id: &[u8; 16], account: &str, first_account: &str) -> String {
    let account = if account == first_account { "" } else { account };
    hex::encode(sha256(&[b"canonical user".as_slice(), store_id, account.as_bytes()].concat()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_awss_shapes() {
        for (kind, len) in [(IdKind::User, 21), (IdKind::Role, 21), (IdKind::AccessKey, 20), (IdKind::SessionKey, 20)] {
            let id = unique_id(kind);
            assert!(id.len() == len && id.starts_with(kind.prefix()), "{id}");
            assert_ne!(id, unique_id(kind));
        }
        assert_eq!(secret_access_key().len(), 40);
        let account = account_id();
        assert!(account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit()), "{account}");
    }

    #[test]
    fn canonical_ids_differ_by_account_and_by_store() {
        let ids = [([1; 16], "000000000000"), ([1; 16], "123456789012"), ([2; 16], "000000000000")];
        let ids = ids.map(|(store, account)| canonical_id(&store, account, "000000000000"));
        assert!(ids[0] != ids[1] && ids[0] != ids[2] && ids.iter().all(|id| id.len() == 64));
    }
}

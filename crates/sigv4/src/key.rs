//! Secret access keys and the signing keys derived from them.

use std::sync::{Arc, Mutex, PoisonError};

use coffer_crypto::{Hmac, Key32, hmac_sha256};
use zeroize::Zeroizing;

use crate::credential::{Scope, TERMINATOR};

/// A secret access key, as an administrator gave it to a client.
///
/// It is zeroed on drop and has no `Debug`, `Clone` or `Serialize`.
pub struct SecretKey(Zeroizing<Vec<u8>>);

impl SecretKey {
    /// Takes the key. A `String` or a `Vec` moves in without leaving a copy.
    #[must_use]
    pub fn new(secret: impl Into<Vec<u8>>) -> Self {
        Self(Zeroizing::new(secret.into()))
    }

    /// The bytes of the key. The one way out, so that a search finds every use.
    pub(crate) fn expose(&self) -> &[u8] {
        &self.0
    }
}

/// The key that signs for one day, region and service.
///
/// Deriving it costs four HMACs, so a server keeps it (in an `Arc`) for as long as requests come under its
/// scope. It is zeroed on drop and has no `Debug`, `Clone` or `Serialize`.
pub struct SigningKey(Key32);

impl SigningKey {
    /// Derives the key:
    /// `HMAC(HMAC(HMAC(HMAC("AWS4" || secret, date), region), service), "aws4_request")`.
    #[must_use]
    pub fn derive(secret: &SecretKey, scope: &Scope) -> Self {
        let mut start = Zeroizing::new(Vec::with_capacity(PREFIX.len() + secret.expose().len()));
        start.extend_from_slice(PREFIX);
        start.extend_from_slice(secret.expose());
        let date = Zeroizing::new(hmac_sha256(&start, scope.date.as_bytes()));
        let region = Zeroizing::new(hmac_sha256(&*date, scope.region.as_bytes()));
        let service = Zeroizing::new(hmac_sha256(&*region, scope.service.as_bytes()));
        let mut key = Zeroizing::new(hmac_sha256(&*service, TERMINATOR.as_bytes()));
        Self(Key32::take(&mut key))
    }

    /// HMAC-SHA-256 of the concatenation of `parts`.
    pub(crate) fn sign(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = Hmac::sha256(self.0.expose());
        for part in parts {
            mac.update(part);
        }
        mac.finish()
    }
}

/// A secret access key with the signing keys that were derived from it, each kept while its scope is in use.
pub struct SigningKeys {
    secret: SecretKey,
    kept: Mutex<Vec<(Scope, Arc<SigningKey>)>>,
}

impl SigningKeys {
    /// Takes the secret access key.
    #[must_use]
    pub fn new(secret: SecretKey) -> Self {
        Self { secret, kept: Mutex::default() }
    }

    /// The secret access key.
    #[must_use]
    pub fn secret(&self) -> &SecretKey {
        &self.secret
    }

    /// The signing key for `scope`.
    #[must_use]
    pub fn key(&self, scope: &Scope) -> Arc<SigningKey> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, key)) = kept.iter().find(|(other, _)| other == scope) {
            return Arc::clone(key);
        }
        let key = Arc::new(SigningKey::derive(&self.secret, scope));
        if kept.len() == KEPT {
            kept.remove(0);
        }
        kept.push((scope.clone(), Arc::clone(&key)));
        key
    }
}

const PREFIX: &[u8] = b"AWS4";

/// A presigned URL lives for seven days, so scopes of eight dates are in use at once; and there are several services.
const KEPT: usize = 12;

//! Root keys in a sealed file on this machine.

use std::path::Path;

use async_trait::async_trait;
use coffer_crypto::{Key32, hkdf_sha512, random_array};
use coffer_seal::{
    Envelope, KekRef, KeyState, KeyringEntry, Mode, OpenError, Scope, WrappedKeyScope, open_keyring_with_key_file,
    seal_keyring_with_key_file, unwrap, wrap,
};

use crate::key_file::{KeyFileError, KeyFiles};
use crate::root_keys::{KeyError, Purpose, RootDescription, RootKeys, WrapContext};

/// The root keys of a keyring file, which a key file opens.
///
/// The key file is one line of text for people to copy to a safe place; the keyring file lies beside it and has
/// `.keyring` at the end of its name. Both are needed, and neither belongs on the disk of the data.
pub struct LocalKeyring {
    entries: Vec<KeyringEntry>,
    /// The place of the entry that wraps.
    active: usize,
}

impl LocalKeyring {
    /// Makes a new root key, and both files: `key_file` and its keyring, readable by their owner only, in folders
    /// that are made where missing. A creation that a crash interrupted is completed or started anew.
    ///
    /// # Errors
    /// [`KeyFileError::Exists`] when one of the files is there: nothing is ever overwritten. [`KeyFileError::Io`].
    pub fn create(key_file: &Path) -> Result<Self, KeyFileError> {
        KeyFiles::new(key_file).create(|key| {
            let entry = KeyringEntry {
                id: random_array(),
                generation: 1,
                state: KeyState::Active,
                created: seconds_since_1970(),
                key: Key32::generate(),
            };
            seal_keyring_with_key_file(key, &[entry])
        })?;
        Self::open(key_file)
    }

    /// Opens the keyring of `key_file`.
    ///
    /// # Errors
    /// Every [`KeyFileError`] but [`KeyFileError::Exists`].
    pub fn open(key_file: &Path) -> Result<Self, KeyFileError> {
        let files = KeyFiles::new(key_file);
        let key = files.read_key()?;
        let keyring = files.read_keyring()?;
        let entries = open_keyring_with_key_file(&key, &keyring).map_err(|error| match error {
            OpenError::WrongKey => {
                KeyFileError::WrongKey { key_file: key_file.to_owned(), keyring: files.keyring().to_owned() }
            }
            OpenError::Malformed(reason) | OpenError::Tampered(reason) => {
                KeyFileError::DamagedKeyring { keyring: files.keyring().to_owned(), reason }
            }
        })?;
        let active = entries
            .iter()
            .enumerate()
            .filter(|(_, entry)| entry.state == KeyState::Active)
            .max_by_key(|(_, entry)| entry.generation)
            .map(|(place, _)| place)
            .ok_or_else(|| KeyFileError::DamagedKeyring {
                keyring: files.keyring().to_owned(),
                reason: "no root key is active",
            })?;
        files.remove_leftover()?;
        Ok(Self { entries, active })
    }

    fn active(&self) -> &KeyringEntry {
        &self.entries[self.active]
    }
}

#[async_trait]
impl RootKeys for LocalKeyring {
    async fn wrap(&self, context: &WrapContext, key: &Key32) -> Result<Vec<u8>, KeyError> {
        let root = self.active();
        let by = KekRef { mode: context.mode(), id: root.id, generation: root.generation };
        Ok(wrap(&root.key, by, &context.scope().as_scope(), key).as_bytes().to_vec())
    }

    async fn unwrap(&self, context: &WrapContext, wrapped: &[u8]) -> Result<Key32, KeyError> {
        let envelope = Envelope::from_bytes(wrapped).map_err(key_error)?;
        let by = envelope.kek();
        if by.mode != context.mode() || self.entries.iter().all(|entry| entry.id != by.id) {
            return Err(KeyError::WrongKey);
        }
        let root = self
            .entries
            .iter()
            .find(|entry| entry.id == by.id && entry.generation == by.generation)
            .filter(|entry| entry.state != KeyState::Destroyed)
            .ok_or(KeyError::UnknownGeneration(by.generation))?;
        unwrap(&root.key, &envelope, &context.scope().as_scope()).map_err(key_error)
    }

    fn describe(&self) -> RootDescription {
        let root = self.active();
        RootDescription {
            provider: "local keyring",
            root_id: root.id,
            generation: root.generation,
            fingerprint: fingerprint(&root.key),
        }
    }
}

impl WrapContext {
    fn mode(&self) -> Mode {
        match self.purpose {
            Purpose::BucketKey { .. } => Mode::BucketKey,
            Purpose::MetadataKey => Mode::MetadataKey,
        }
    }

    fn scope(&self) -> WrappedKeyScope {
        let bucket_id = match self.purpose {
            Purpose::BucketKey { bucket_id } => bucket_id,
            Purpose::MetadataKey => [0; 16],
        };
        Scope::of_wrapped_key(bucket_id, self.key_id, self.generation)
    }
}

fn key_error(error: OpenError) -> KeyError {
    match error {
        OpenError::WrongKey => KeyError::WrongKey,
        OpenError::Malformed(reason) | OpenError::Tampered(reason) => KeyError::Damaged(reason),
    }
}

/// A one-way function of a random 256-bit key, under a salt that no other derivation uses: it gives nothing away.
fn fingerprint(key: &Key32) -> String {
    let mut hash = [0; 8];
    hkdf_sha512(key, b"coffer root key fingerprint", &[b"v1"], &mut hash);
    let groups: Vec<_> = hash.chunks(2).map(|pair| format!("{:02x}{:02x}", pair[0], pair[1])).collect();
    groups.join("-")
}

fn seconds_since_1970() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    // A clock before 1970 is wrong; the time is for people, so it may be wrong too.
    now.map_or(0, |since| since.as_secs())
}

#[cfg(test)]
#[path = "local_tests.rs"]
mod tests;

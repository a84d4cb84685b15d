//! Root keys in a sealed file on this machine.

use std::path::Path;
use std::sync::{Mutex, PoisonError, RwLock, RwLockReadGuard};

use async_trait::async_trait;
use coffer_crypto::{Key32, hkdf_sha512, random_array};
use coffer_seal::{
    Envelope, KekRef, KeyState, KeyringEntry, OpenError, open_keyring_with_key_file, seal_keyring_with_key_file,
    unwrap, wrap,
};
use zeroize::Zeroizing;

use crate::key_file::{KeyFileError, KeyFiles};
use crate::root_keys::{GenerationState, KeyError, RootDescription, RootGeneration, RootId, RootKeys, WrapContext};
use crate::shares::{ShareError, Shared, join, split};

/// The root keys of a keyring file, which a key file opens.
///
/// The key file is one line of text for people to copy to a safe place; the keyring file lies beside it and has
/// `.keyring` at the end of its name. Both are needed, and neither belongs on the disk of the data.
pub struct LocalKeyring {
    /// `None` while it is not written anywhere.
    files: Option<KeyFiles>,
    entries: RwLock<Entries>,
    /// One change at a time: a change reads the key file and writes the keyring.
    changing: Mutex<()>,
}

/// The generations of the root key, one of which wraps.
struct Entries {
    all: Vec<KeyringEntry>,
    /// The place of the entry that wraps.
    active: usize,
}

impl LocalKeyring {
    /// What [`RootDescription::provider`] says of it.
    pub const PROVIDER: &'static str = "local keyring";

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
        let entries = Entries::new(entries).ok_or_else(|| KeyFileError::DamagedKeyring {
            keyring: files.keyring().to_owned(),
            reason: "no root key is active",
        })?;
        files.remove_leftover()?;
        Ok(Self { files: Some(files), entries: RwLock::new(entries), changing: Mutex::new(()) })
    }

    /// Splits the keyring, every generation in it, into `count` lines of text, any `threshold` of which
    /// [`LocalKeyring::join`] makes the keyring of again. Fewer say nothing of its keys.
    ///
    /// # Errors
    /// [`ShareError::Numbers`]
    pub fn split(&self, threshold: u8, count: u8) -> Result<Vec<Zeroizing<String>>, ShareError> {
        let entries = self.entries();
        let RootDescription { generation, fingerprint, .. } = entries.describe();
        split(&Shared { entries: entries.all.iter().map(copy_of).collect(), fingerprint, generation }, threshold, count)
    }

    /// Puts a keyring together from the lines of [`LocalKeyring::split`]. It is in memory alone until
    /// [`LocalKeyring::write`].
    ///
    /// # Errors
    /// Every [`ShareError`] but [`ShareError::Numbers`].
    pub fn join(lines: &str) -> Result<Self, ShareError> {
        let shared = join(lines)?;
        let entries = Entries::new(shared.entries).ok_or(ShareError::Forged)?;
        let RootDescription { generation, fingerprint, .. } = entries.describe();
        if (generation, fingerprint) != (shared.generation, shared.fingerprint) {
            return Err(ShareError::Forged);
        }
        Ok(Self { files: None, entries: RwLock::new(entries), changing: Mutex::new(()) })
    }

    /// Writes the keyring under a new key file, as [`LocalKeyring::create`] does.
    ///
    /// # Errors
    /// As [`LocalKeyring::create`]; [`KeyFileError::Exists`] also when what an interrupted creation left is another one.
    pub fn write(&self, key_file: &Path) -> Result<(), KeyFileError> {
        let files = KeyFiles::new(key_file);
        files.create(|key| seal_keyring_with_key_file(key, &self.entries().all))?;
        if Self::open(key_file)?.describe() == self.describe() {
            Ok(())
        } else {
            Err(KeyFileError::Exists(files.keyring().to_owned()))
        }
    }

    fn entries(&self) -> RwLockReadGuard<'_, Entries> {
        self.entries.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes the keyring as `change` makes it, and then goes on with that.
    fn change(
        &self,
        change: impl FnOnce(&mut Vec<KeyringEntry>) -> Result<(), KeyError>,
    ) -> Result<RootDescription, KeyError> {
        let _turn = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let unavailable = |error: KeyFileError| KeyError::Unavailable(error.to_string());
        let mut all = self.entries().all.iter().map(copy_of).collect();
        change(&mut all)?;
        let entries = Entries::new(all).ok_or(KeyError::Damaged("no root key is active"))?;
        let files = self.files.as_ref().ok_or(KeyError::Unsupported("the keyring is not written anywhere"))?;
        let key = files.read_key().map_err(unavailable)?;
        files.replace_keyring(&seal_keyring_with_key_file(&key, &entries.all)).map_err(unavailable)?;
        let description = entries.describe();
        *self.entries.write().unwrap_or_else(PoisonError::into_inner) = entries;
        Ok(description)
    }
}

impl Entries {
    /// `None` when none of them is active.
    fn new(all: Vec<KeyringEntry>) -> Option<Self> {
        let of_active = all.iter().enumerate().filter(|(_, entry)| entry.state == KeyState::Active);
        let active = of_active.max_by_key(|(_, entry)| entry.generation).map(|(place, _)| place)?;
        Some(Self { all, active })
    }

    fn active(&self) -> &KeyringEntry {
        &self.all[self.active]
    }

    fn describe(&self) -> RootDescription {
        let root = self.active();
        RootDescription {
            provider: LocalKeyring::PROVIDER,
            root_id: root.id,
            generation: root.generation,
            fingerprint: fingerprint(&root.key),
        }
    }
}

fn copy_of(entry: &KeyringEntry) -> KeyringEntry {
    let key = Key32::from_slice(entry.key.expose()).expect("a key has the length of a key");
    KeyringEntry { id: entry.id, generation: entry.generation, state: entry.state, created: entry.created, key }
}

#[async_trait]
impl RootKeys for LocalKeyring {
    async fn wrap(&self, context: &WrapContext, key: &Key32) -> Result<Vec<u8>, KeyError> {
        let entries = self.entries();
        let root = entries.active();
        let by = KekRef { mode: context.mode(), id: root.id, generation: root.generation };
        Ok(wrap(&root.key, by, &context.scope().as_scope(), key).as_bytes().to_vec())
    }

    async fn unwrap(&self, context: &WrapContext, wrapped: &[u8]) -> Result<Key32, KeyError> {
        let envelope = Envelope::from_bytes(wrapped).map_err(key_error)?;
        let by = envelope.kek();
        let entries = self.entries();
        if by.mode != context.mode() || entries.all.iter().all(|entry| entry.id != by.id) {
            return Err(KeyError::WrongKey);
        }
        let root = entries
            .all
            .iter()
            .find(|entry| entry.id == by.id && entry.generation == by.generation)
            .filter(|entry| entry.state != KeyState::Destroyed)
            .ok_or(KeyError::UnknownGeneration(by.generation))?;
        unwrap(&root.key, &envelope, &context.scope().as_scope()).map_err(key_error)
    }

    fn describe(&self) -> RootDescription {
        self.entries().describe()
    }

    fn generation_of(&self, wrapped: &[u8]) -> Result<(RootId, u32), KeyError> {
        let by = Envelope::from_bytes(wrapped).map_err(key_error)?.kek();
        Ok((by.id, by.generation))
    }

    async fn generations(&self) -> Result<Vec<RootGeneration>, KeyError> {
        let entries = self.entries();
        let active = entries.active().generation;
        let state = |entry: &KeyringEntry| match entry.state {
            KeyState::Destroyed => GenerationState::Destroyed,
            KeyState::Active if entry.generation == active => GenerationState::Active,
            KeyState::Active | KeyState::DecryptOnly => GenerationState::DecryptOnly,
        };
        let all = entries.all.iter();
        Ok(all
            .map(|entry| RootGeneration {
                generation: entry.generation,
                state: state(entry),
                created: Some(entry.created),
            })
            .collect())
    }

    async fn rotate(&self) -> Result<RootDescription, KeyError> {
        self.change(|entries| {
            let root = entries.iter().max_by_key(|entry| entry.generation);
            let (id, last) = root.map(|root| (root.id, root.generation)).expect("an open keyring has a root key");
            let generation = last.checked_add(1).ok_or(KeyError::Unsupported("there are no more generations"))?;
            for entry in &mut *entries {
                if entry.state == KeyState::Active {
                    entry.state = KeyState::DecryptOnly;
                }
            }
            let (state, created) = (KeyState::Active, seconds_since_1970());
            entries.push(KeyringEntry { id, generation, state, created, key: Key32::generate() });
            Ok(())
        })
    }

    async fn destroy_generation(&self, generation: u32) -> Result<(), KeyError> {
        let active = self.entries().active().generation;
        if generation == active {
            return Err(KeyError::InUse(generation));
        }
        self.change(|entries| {
            let entry = entries.iter_mut().find(|entry| entry.generation == generation);
            let entry = entry.ok_or(KeyError::UnknownGeneration(generation))?;
            entry.state = KeyState::Destroyed;
            entry.key = Key32::take(&mut [0; 32]);
            Ok(())
        })
        .map(drop)
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

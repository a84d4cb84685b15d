//! Root keys in a sealed file on this machine.

use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};

use async_trait::async_trait;
use coffer_crypto::{Key32, hkdf_sha512, random_array};
use coffer_seal::{Envelope, KekRef, KeyState, KeyringEntry, OpenError, unwrap, wrap};
use zeroize::Zeroizing;

use crate::key_file::KeyFileError;
use crate::key_files::KeyFiles;
use crate::key_place::{KeyPlace, KeyringProtection};
use crate::passphrase::Passphrase;
use crate::root_keys::{GenerationState, KeyError, RootDescription, RootGeneration, RootId, RootKeys, WrapContext};
use crate::shares::{ShareError, Shared, join, split};

/// The root keys of a keyring file, which a key file or a passphrase opens.
///
/// The key file is one line of text for people to copy to a safe place; the keyring file lies beside it and has
/// `.keyring` at the end of its name, unless a [`KeyPlace`] says otherwise. Both are needed, and neither belongs on the
/// disk of the data.
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

    /// Makes a new root key, and its files, readable by their owner only, in folders that are made where missing: the
    /// key file of `place` and its keyring, or the keyring alone where a credential or a passphrase opens it. A creation
    /// that a crash interrupted is completed or started anew.
    ///
    /// # Errors
    /// [`KeyFileError::Exists`] when one of the files is there: nothing is ever overwritten. [`KeyFileError::Io`]; what
    /// is wrong with a credential or a passphrase.
    pub fn create(place: impl Into<KeyPlace>) -> Result<Self, KeyFileError> {
        let place = place.into();
        KeyFiles::new(place.clone()).create(&[KeyringEntry {
            id: random_array(),
            generation: 1,
            state: KeyState::Active,
            created: seconds_since_1970(),
            key: Key32::generate(),
        }])?;
        Self::open(place)
    }

    /// Opens the keyring of `place`, with what it is under.
    ///
    /// # Errors
    /// Every [`KeyFileError`] but [`KeyFileError::Exists`] and [`KeyFileError::Protection`].
    pub fn open(place: impl Into<KeyPlace>) -> Result<Self, KeyFileError> {
        let files = KeyFiles::new(place.into());
        let keyring = files.read_keyring()?;
        let entries = match files.open(&keyring) {
            Err(KeyFileError::Missing(path)) => {
                let _turn = files.lock()?;
                if !files.complete(&keyring)? {
                    return Err(KeyFileError::Missing(path));
                }
                files.open(&keyring)?.1
            }
            opened => opened?.1,
        };
        let entries = Entries::new(entries).ok_or_else(|| KeyFileError::DamagedKeyring {
            keyring: files.keyring().to_owned(),
            reason: "no root key is active",
        })?;
        files.remove_leftover()?;
        Ok(Self { files: Some(files), entries: RwLock::new(entries), changing: Mutex::new(()) })
    }

    /// Seals the keyring of `place`, which is under `from`, under `passphrase`, and removes the key file, which opens it
    /// no more. The root keys are what they were; a crash leaves the old way to open it or the new one.
    ///
    /// # Errors
    /// [`KeyFileError::Protection`] when it is not under `from`, and every error of [`LocalKeyring::open`].
    pub fn set_passphrase(
        place: &KeyPlace,
        from: KeyringProtection,
        passphrase: Arc<Passphrase>,
    ) -> Result<(), KeyFileError> {
        KeyFiles::new(place.clone()).reseal(from, Some(passphrase))
    }

    /// Seals the keyring of `place`, which is under a passphrase, under a new key file, or under the credential that
    /// stands in its place.
    ///
    /// # Errors
    /// [`KeyFileError::Exists`] when there is a key file; [`KeyFileError::Protection`] when the keyring is under none;
    /// and every error of [`LocalKeyring::open`].
    pub fn remove_passphrase(place: &KeyPlace) -> Result<(), KeyFileError> {
        KeyFiles::new(place.clone()).reseal(KeyringProtection::Passphrase, None)
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

    /// Writes the keyring and what opens it, as [`LocalKeyring::create`] does.
    ///
    /// # Errors
    /// As [`LocalKeyring::create`]; [`KeyFileError::Exists`] also when what an interrupted creation left is another one.
    pub fn write(&self, place: impl Into<KeyPlace>) -> Result<(), KeyFileError> {
        let place = place.into();
        KeyFiles::new(place.clone()).create(&self.entries().all)?;
        if Self::open(&place)?.describe() == self.describe() {
            Ok(())
        } else {
            Err(KeyFileError::Exists(place.keyring))
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
        let refused = |error: KeyFileError| match error {
            KeyFileError::Io { .. } => KeyError::Unavailable(error.to_string()),
            _ => KeyError::Denied(error.to_string()),
        };
        let mut all = self.entries().all.iter().map(copy_of).collect();
        change(&mut all)?;
        let entries = Entries::new(all).ok_or(KeyError::Damaged("no root key is active"))?;
        let files = self.files.as_ref().ok_or(KeyError::Unsupported("the keyring is not written anywhere"))?;
        let _lock = files.lock().map_err(refused)?;
        // What seals the keyring from now on has to be what opens it now: a key file or passphrase that was exchanged
        // meanwhile would shut everybody out.
        let (opener, _) = files.read_keyring().and_then(|keyring| files.open(&keyring)).map_err(refused)?;
        files.replace_keyring(&opener, &entries.all).map_err(refused)?;
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

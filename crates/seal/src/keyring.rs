//! The bytes of the keyring file: generations of root keys, sealed under a key file or a passphrase.
//!
//! ```text
//! "SKR1" || u8 kdf || u32 iterations || salt(32) || commitment(32) || SEAL(t[0:32], "", entries)
//! K0 = the key file (kdf 0) or PBKDF2-HMAC-SHA-512(passphrase, salt, iterations) (kdf 1)
//! t  = KDF(K0, salt, "keyring", SHA-256(the first 41 bytes), 64)          commitment = t[32:64]
//! ```

use std::num::NonZeroU32;

use coffer_crypto::{AeadKey, KEY_LEN, Key32, OVERHEAD, ct_eq, pbkdf2_sha512, random_array, sha256};
use zeroize::Zeroizing;

use crate::bytes::Reader;
use crate::derive::derive_pair;
use crate::error::{OpenError, tampered};

/// PBKDF2 iterations for a new keyring file.
pub const PASSPHRASE_ITERATIONS: NonZeroU32 = NonZeroU32::new(1_000_000).expect("a million is not zero");

/// Bytes of the shortest passphrase.
pub const MIN_PASSPHRASE_LEN: usize = 14;

/// The fewest PBKDF2 iterations that a server accepts.
pub const MIN_PASSPHRASE_ITERATIONS: NonZeroU32 = NonZeroU32::new(600_000).expect("600,000 is not zero");

/// No file may make a reader work longer than this.
const MAX_ITERATIONS: u32 = 20_000_000;

const MAGIC: &[u8; 4] = b"SKR1";
const KDF_KEY_FILE: u8 = 0;
const KDF_PASSPHRASE: u8 = 1;
const SALT_AT: usize = 9;
const HEAD_LEN: usize = 41;
const SEALED_AT: usize = 73;
const ENTRY_LEN: usize = 61;

/// What a keyring file is sealed under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyringProtection {
    /// The 32 bytes of a key file.
    KeyFile,
    /// A passphrase.
    Passphrase,
}

/// Whether a root key may still be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum KeyState {
    /// Wraps and unwraps.
    Active = 0,
    /// Unwraps only.
    DecryptOnly = 1,
    /// Gone. The row remains so that its id and generation are not used again.
    Destroyed = 2,
}

/// One generation of a root key.
pub struct KeyringEntry {
    /// The id of the root key.
    pub id: [u8; 16],
    /// The generation.
    pub generation: u32,
    /// What it may be used for.
    pub state: KeyState,
    /// When it was made, in seconds since 1970.
    pub created: u64,
    /// The key; zero once destroyed.
    pub key: Key32,
}

/// What the keyring file is sealed under, by its head: nothing vouches for that before it is opened.
///
/// # Errors
/// [`OpenError::Malformed`] when the bytes are no keyring file.
pub fn keyring_protection(file: &[u8]) -> Result<KeyringProtection, OpenError> {
    Ok(match Head::read(file)?.kdf {
        KDF_KEY_FILE => KeyringProtection::KeyFile,
        _ => KeyringProtection::Passphrase,
    })
}

/// Seals `entries` under a key file.
#[must_use]
pub fn seal_keyring_with_key_file(key_file: &Key32, entries: &[KeyringEntry]) -> Vec<u8> {
    seal(KDF_KEY_FILE, 0, random_array(), key_file, entries)
}

/// Seals `entries` under a passphrase; [`PASSPHRASE_ITERATIONS`] is the number to use.
///
/// # Errors
/// [`OpenError::Malformed`] when the passphrase is shorter than [`MIN_PASSPHRASE_LEN`], or `iterations` is more
/// than any reader accepts.
pub fn seal_keyring_with_passphrase(
    passphrase: &[u8],
    iterations: NonZeroU32,
    entries: &[KeyringEntry],
) -> Result<Vec<u8>, OpenError> {
    let salt = random_array();
    let key = stretch(passphrase, &salt, iterations)?;
    Ok(seal(KDF_PASSPHRASE, iterations.get(), salt, &key, entries))
}

/// Opens a keyring file that a key file seals.
///
/// # Errors
/// [`OpenError::WrongKey`] when it is another key file; [`OpenError::Tampered`] when the entries are damaged;
/// [`OpenError::Malformed`] when the bytes are no keyring file, or one under a passphrase.
pub fn open_keyring_with_key_file(key_file: &Key32, file: &[u8]) -> Result<Vec<KeyringEntry>, OpenError> {
    let head = Head::read(file)?;
    if head.kdf != KDF_KEY_FILE {
        return Err(OpenError::Malformed("keyring is not sealed under a key file"));
    }
    open(key_file, file)
}

/// Opens a keyring file that a passphrase seals, unless that took fewer than `min_iterations`:
/// [`MIN_PASSPHRASE_ITERATIONS`], but for files made to be opened in tests.
///
/// # Errors
/// As [`open_keyring_with_key_file`]; [`OpenError::Malformed`] also for too short a passphrase or too few iterations.
pub fn open_keyring_with_passphrase(
    passphrase: &[u8],
    min_iterations: NonZeroU32,
    file: &[u8],
) -> Result<Vec<KeyringEntry>, OpenError> {
    let head = Head::read(file)?;
    if head.kdf != KDF_PASSPHRASE {
        return Err(OpenError::Malformed("keyring is not sealed under a passphrase"));
    }
    let iterations = NonZeroU32::new(head.iterations)
        .filter(|iterations| *iterations >= min_iterations)
        .ok_or(OpenError::Malformed("keyring iterations"))?;
    open(&stretch(passphrase, head.salt, iterations)?, file)
}

fn seal(kdf: u8, iterations: u32, salt: [u8; 32], key: &Key32, entries: &[KeyringEntry]) -> Vec<u8> {
    let mut file = Vec::with_capacity(SEALED_AT + OVERHEAD + ENTRY_LEN * entries.len());
    file.extend_from_slice(MAGIC);
    file.push(kdf);
    file.extend_from_slice(&iterations.to_be_bytes());
    file.extend_from_slice(&salt);
    let (sealing, commitment) = derive_pair(key, &salt, "keyring", &sha256(&file));
    file.extend_from_slice(&*commitment);
    file.extend_from_slice(&AeadKey::new(&sealing).seal(b"", &encode(entries)));
    file
}

fn open(key: &Key32, file: &[u8]) -> Result<Vec<KeyringEntry>, OpenError> {
    let (opening, commitment) = derive_pair(key, &file[SALT_AT..HEAD_LEN], "keyring", &sha256(&file[..HEAD_LEN]));
    if !ct_eq(&*commitment, &file[HEAD_LEN..SEALED_AT]) {
        return Err(OpenError::WrongKey);
    }
    let entries = AeadKey::new(&opening).open(b"", &file[SEALED_AT..]).map_err(tampered("keyring"))?;
    decode(&Zeroizing::new(entries))
}

fn stretch(passphrase: &[u8], salt: &[u8], iterations: NonZeroU32) -> Result<Key32, OpenError> {
    if passphrase.len() < MIN_PASSPHRASE_LEN {
        return Err(OpenError::Malformed("passphrase is too short"));
    }
    if iterations.get() > MAX_ITERATIONS {
        return Err(OpenError::Malformed("keyring iterations"));
    }
    Ok(pbkdf2_sha512(passphrase, salt, iterations))
}

fn encode(entries: &[KeyringEntry]) -> Zeroizing<Vec<u8>> {
    // The exact capacity: growing would leave copies of keys behind.
    let mut out = Zeroizing::new(Vec::with_capacity(ENTRY_LEN * entries.len()));
    for entry in entries {
        out.extend_from_slice(&entry.id);
        out.extend_from_slice(&entry.generation.to_be_bytes());
        out.push(entry.state as u8);
        out.extend_from_slice(&entry.created.to_be_bytes());
        match entry.state {
            KeyState::Destroyed => out.extend_from_slice(&[0; KEY_LEN]),
            KeyState::Active | KeyState::DecryptOnly => out.extend_from_slice(entry.key.expose()),
        }
    }
    out
}

fn decode(list: &[u8]) -> Result<Vec<KeyringEntry>, OpenError> {
    let mut reader = Reader::new(list, "keyring entries");
    let mut entries = Vec::new();
    while !reader.is_empty() {
        let (id, generation) = (reader.array()?, reader.u32()?);
        let state = match reader.u8()? {
            0 => KeyState::Active,
            1 => KeyState::DecryptOnly,
            2 => KeyState::Destroyed,
            _ => return Err(reader.malformed()),
        };
        let created = reader.u64()?;
        let key = reader.take(KEY_LEN)?;
        if state == KeyState::Destroyed && !ct_eq(key, &[0; KEY_LEN]) {
            return Err(reader.malformed());
        }
        let key = Key32::from_slice(key).expect("the reader returns as many bytes as asked for");
        entries.push(KeyringEntry { id, generation, state, created, key });
    }
    Ok(entries)
}

/// What stands in front of the commitment.
struct Head<'a> {
    kdf: u8,
    iterations: u32,
    salt: &'a [u8],
}

impl<'a> Head<'a> {
    fn read(file: &'a [u8]) -> Result<Self, OpenError> {
        let mut reader = Reader::new(file, "keyring");
        let magic = reader.take(MAGIC.len())?;
        let head = Self { kdf: reader.u8()?, iterations: reader.u32()?, salt: reader.take(HEAD_LEN - SALT_AT)? };
        let known = magic == MAGIC && head.kdf <= KDF_PASSPHRASE && head.iterations <= MAX_ITERATIONS;
        if !known || file.len() < SEALED_AT + OVERHEAD {
            return Err(OpenError::Malformed("keyring"));
        }
        Ok(head)
    }
}

#[cfg(test)]
#[path = "keyring_tests.rs"]
mod tests;

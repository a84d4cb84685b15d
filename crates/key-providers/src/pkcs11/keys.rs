//! The generations of a key in a token, and what is encrypted under them.
//!
//! All generations have the key's label. The first four bytes of `CKA_ID` are the number of the generation, what
//! follows tells keys of the same number apart, which two processes could make at once.

use std::collections::BTreeSet;
use std::fmt;

use coffer_crypto::random_array;
use coffer_keyring::{GenerationState, RootGeneration};
use zeroize::Zeroizing;

use super::driver::{Driver, TokenName};
use super::failure::{denied, failure, is_vague};
use super::library::{FoundKey, Library, NONCE_LEN};
use crate::provider::{CallError, Encrypted};
use crate::secret_file::SecretFile;

/// The highest number of a generation. Higher ones are ids that somebody chose for another reason.
const MOST_GENERATIONS: u32 = 10_000;
/// The bytes of the number of a generation.
const NUMBER_LEN: usize = 4;
/// The longest `CKA_ID` that is noted in a ciphertext.
const MAX_ID_LEN: usize = 255;
/// The bytes of a tag.
const TAG_LEN: usize = 16;

/// A key of a token.
pub(super) struct KeyName {
    token: TokenName,
    pin: SecretFile,
    label: String,
    create: bool,
}

impl KeyName {
    /// # Errors
    /// A sentence, when the label is none.
    pub(super) fn new(token: TokenName, pin: SecretFile, label: String, create: bool) -> Result<Self, String> {
        if label.is_empty() || label.chars().any(char::is_control) {
            return Err("`key` must be the label of a key of the token".to_owned());
        }
        Ok(Self { token, pin, label, create })
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.token, self.label)
    }
}

/// A key and the number of its generation.
struct Numbered<H> {
    generation: u32,
    key: FoundKey<H>,
}

/// The generation that a `CKA_ID` means. A key without one is the first.
fn generation_of(id: &[u8]) -> Option<u32> {
    let number = id.iter().take(NUMBER_LEN).fold(0, |number, byte| (number << 8) | u32::from(*byte));
    let number = if id.is_empty() { 1 } else { number };
    (1..=MOST_GENERATIONS).contains(&number).then_some(number)
}

/// The keys with the label, by generation, ascending.
fn numbered<L: Library>(
    library: &L,
    session: &L::Session,
    name: &KeyName,
) -> Result<Vec<Numbered<L::Handle>>, CallError> {
    let found = library.keys(session, &name.label).map_err(failure)?;
    let mut keys = Vec::with_capacity(found.len());
    for key in found {
        let Some(generation) = generation_of(&key.id).filter(|_| key.id.len() <= MAX_ID_LEN) else {
            return Err(CallError::Denied(format!(
                "a key {} of the token has the CKA_ID {}, which is no number of a generation: give the first one 01",
                name.label,
                hex::encode(&key.id)
            )));
        };
        keys.push(Numbered { generation, key });
    }
    let ids: BTreeSet<_> = keys.iter().map(|known| &known.key.id).collect();
    if ids.len() < keys.len() {
        let why =
            format!("the token has several keys {} with the same CKA_ID: give each a number of its own", name.label);
        return Err(CallError::Denied(why));
    }
    keys.sort_by(|a, b| (a.generation, &a.key.id).cmp(&(b.generation, &b.key.id)));
    Ok(keys)
}

/// Refuses a key that could leave the token, or that may be weaker than what it protects.
fn check<H>(name: &KeyName, key: &FoundKey<H>) -> Result<(), CallError> {
    let refused = |why: &str| CallError::Denied(format!("the key {} {why}", name.label));
    if key.is_extractable != Some(false) {
        return Err(refused("can leave its token (CKA_EXTRACTABLE): make one that cannot"));
    }
    if key.is_sensitive != Some(true) {
        return Err(refused("can be read (CKA_SENSITIVE): make one that cannot"));
    }
    if key.is_aes_256 != Some(true) {
        return Err(refused("is not one for AES-256"));
    }
    Ok(())
}

fn no_key(name: &KeyName) -> CallError {
    CallError::Denied(format!(
        "the token has no key {}: make one there, or have it made with `create = true`",
        name.label
    ))
}

impl<L: Library> Driver<L> {
    /// Encrypts under the newest generation, which is made if there is none and it may be.
    ///
    /// # Errors
    /// [`CallError`]
    pub(super) fn encrypt(&mut self, name: &KeyName, data: &[u8], plaintext: &[u8]) -> Result<Encrypted, CallError> {
        let mut encrypted = self.encrypt_if_there(name, data, plaintext)?;
        if encrypted.is_none() && name.create {
            self.make(name, 1)?;
            encrypted = self.encrypt_if_there(name, data, plaintext)?;
        }
        encrypted.ok_or_else(|| no_key(name))
    }

    fn encrypt_if_there(
        &mut self,
        name: &KeyName,
        data: &[u8],
        plaintext: &[u8],
    ) -> Result<Option<Encrypted>, CallError> {
        self.in_session(&name.token, &name.pin, |library, open| {
            let keys = numbered(library, &open.session, name)?;
            let Some(Numbered { generation, key }) = keys.last() else { return Ok(None) };
            check(name, key)?;
            let mut nonce: [u8; NONCE_LEN] = random_array();
            let sealed = library.encrypt(&open.session, key.handle, &mut nonce, data, plaintext).map_err(failure)?;
            if sealed.len() != plaintext.len() + TAG_LEN {
                return Err(CallError::unavailable("the token's ciphertext makes no sense"));
            }
            let len = u8::try_from(key.id.len()).expect("longer ids are refused when keys are listed");
            let ciphertext = [&[len][..], &key.id, &nonce, &sealed].concat();
            Ok(Some(Encrypted { ciphertext, generation: *generation }))
        })
    }

    /// Decrypts what [`encrypt`](Self::encrypt) made.
    ///
    /// # Errors
    /// [`CallError`]
    pub(super) fn decrypt(
        &mut self,
        name: &KeyName,
        data: &[u8],
        ciphertext: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, CallError> {
        let (id, nonce, sealed) = parsed(ciphertext).ok_or(CallError::WrongKey)?;
        let decrypted = self.in_session(&name.token, &name.pin, |library, open| {
            let keys = library.keys(&open.session, &name.label).map_err(failure)?;
            if keys.is_empty() {
                return Ok(None);
            }
            // Whatever else somebody has made with the label keeps nothing from being decrypted, be it of the same id.
            let mut opened = Err(CallError::UnknownGeneration(generation_of(id).unwrap_or(0)));
            for key in keys.iter().filter(|key| key.id == id) {
                check(name, key)?;
                opened = match library.decrypt(&open.session, key.handle, nonce, data, sealed) {
                    Ok(plaintext) => return Ok(Some(plaintext)),
                    // SoftHSM, for one, has a word for a failed module only. If the key does what it should, it was
                    // the ciphertext.
                    Err(error) if is_vague(&error) && works(library, &open.session, key) => Err(CallError::WrongKey),
                    Err(error) => Err(failure(error)),
                };
            }
            opened
        });
        decrypted?.ok_or_else(|| no_key(name))
    }

    /// Every generation up to the newest; those that the token does not have are gone.
    ///
    /// # Errors
    /// [`CallError`]
    pub(super) fn generations(&mut self, name: &KeyName) -> Result<Vec<RootGeneration>, CallError> {
        let (_, there) = self.there(name)?;
        let newest = there.last().copied().unwrap_or(0);
        let state = |generation| match generation {
            it if it == newest => GenerationState::Active,
            it if there.contains(&it) => GenerationState::DecryptOnly,
            _ => GenerationState::Destroyed,
        };
        Ok((1..=newest)
            .map(|generation| RootGeneration { generation, state: state(generation), created: None })
            .collect())
    }

    /// Makes a key with the next number.
    ///
    /// # Errors
    /// [`CallError`]
    pub(super) fn rotate(&mut self, name: &KeyName) -> Result<(), CallError> {
        let (_, there) = self.there(name)?;
        self.make(name, there.last().copied().unwrap_or(0) + 1)
    }

    /// Destroys every key of a generation.
    ///
    /// # Errors
    /// [`CallError`]
    pub(super) fn destroy(&mut self, name: &KeyName, generation: u32) -> Result<(), CallError> {
        let (slot, _) = self.there(name)?;
        self.write(slot, |library, session| {
            let keys = numbered(library, session, name)?;
            if keys.last().is_none_or(|newest| newest.generation == generation) {
                return Err(denied("the newest generation is in use"));
            }
            for doomed in keys.iter().filter(|known| known.generation == generation) {
                library.destroy(session, doomed.key.handle).map_err(failure)?;
            }
            Ok(())
        })
    }

    /// The slot of the token, and the numbers of the generations in it, ascending; one at least.
    fn there(&mut self, name: &KeyName) -> Result<(u64, Vec<u32>), CallError> {
        let there = self.in_session(&name.token, &name.pin, |library, open| {
            let keys = numbered(library, &open.session, name)?;
            let numbers: Vec<_> = keys.iter().map(|known| known.generation).collect();
            Ok((!numbers.is_empty()).then_some((open.slot, numbers)))
        });
        there?.ok_or_else(|| no_key(name))
    }

    fn make(&mut self, name: &KeyName, generation: u32) -> Result<(), CallError> {
        if generation > MOST_GENERATIONS {
            return Err(CallError::Unsupported("the key has too many generations: make one with another label"));
        }
        let slot = self.in_session(&name.token, &name.pin, |_, open| Ok(Some(open.slot)))?;
        let slot = slot.ok_or_else(|| no_key(name))?;
        let id = [&generation.to_be_bytes()[..], &random_array::<8>()].concat();
        self.write(slot, |library, session| library.generate(session, &name.label, &id).map_err(failure))
    }
}

/// Whether the key encrypts and decrypts.
fn works<L: Library>(library: &L, session: &L::Session, key: &FoundKey<L::Handle>) -> bool {
    let (mut nonce, probe) = (random_array(), random_array::<32>());
    let sealed = library.encrypt(session, key.handle, &mut nonce, b"probe", &probe);
    let opened = sealed.and_then(|sealed| library.decrypt(session, key.handle, nonce, b"probe", &sealed));
    opened.is_ok_and(|opened| opened[..] == probe)
}

/// The parts of a ciphertext: the id of the key, the nonce, and what was sealed with its tag.
fn parsed(ciphertext: &[u8]) -> Option<(&[u8], [u8; NONCE_LEN], &[u8])> {
    let (len, rest) = ciphertext.split_first()?;
    let (id, rest) = rest.split_at_checked(usize::from(*len))?;
    let (nonce, sealed) = rest.split_first_chunk()?;
    (sealed.len() > TAG_LEN).then_some((id, *nonce, sealed))
}

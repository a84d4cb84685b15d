//! What is asked of a PKCS#11 library, and the library itself.

use std::mem;
use std::path::PathBuf;

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::aead::GcmParams;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, SessionState, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::AuthPin;
use zeroize::Zeroizing;

/// The bytes of a nonce of AES-GCM.
pub(super) const NONCE_LEN: usize = 12;
/// The bits of a tag of AES-GCM.
const TAG_BITS: u64 = 128;
/// The bytes of an AES-256 key.
pub(super) const AES_256_LEN: u64 = 32;

/// A token in a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) slot: u64,
    pub(super) label: String,
    pub(super) serial: String,
    /// The PIN was wrong too often.
    pub(super) is_locked: bool,
    /// One more wrong PIN locks it.
    pub(super) is_final_try: bool,
}

/// A secret key of a token, as the token describes it; `None`: it does not say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FoundKey<H> {
    pub(super) handle: H,
    /// `CKA_ID`
    pub(super) id: Vec<u8>,
    pub(super) is_sensitive: Option<bool>,
    pub(super) is_extractable: Option<bool>,
    /// Whether it is for AES-256.
    pub(super) is_aes_256: Option<bool>,
}

/// The calls that are made of a library, as thin as they can be: what they mean is decided by who makes them.
pub(super) trait Library: Send + 'static {
    /// A session; it is closed when it is dropped.
    type Session: Send;
    /// Names an object within a session.
    type Handle: Copy;

    /// Every token that is there. Loads and initialises the library, if that was not done yet.
    fn tokens(&mut self) -> Result<Vec<Token>, Error>;
    /// Forgets everything that the library knows, so that it looks for its tokens anew. All sessions are dead then.
    fn reset(&mut self);
    fn open(&self, slot: u64, may_write: bool) -> Result<Self::Session, Error>;
    fn login(&self, session: &Self::Session, pin: &str) -> Result<(), Error>;
    /// Whether the session still is one of a user who is logged in.
    fn is_logged_in(&self, session: &Self::Session) -> bool;
    /// The secret keys with this label.
    fn keys(&self, session: &Self::Session, label: &str) -> Result<Vec<FoundKey<Self::Handle>>, Error>;
    /// Encrypts with AES-GCM. A token that insists on a nonce of its own writes it to `nonce`.
    fn encrypt(
        &self,
        session: &Self::Session,
        key: Self::Handle,
        nonce: &mut [u8; NONCE_LEN],
        data: &[u8],
        plaintext: &[u8],
    ) -> Result<Vec<u8>, Error>;
    fn decrypt(
        &self,
        session: &Self::Session,
        key: Self::Handle,
        nonce: [u8; NONCE_LEN],
        data: &[u8],
        ciphertext: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, Error>;
    /// Makes an AES-256 key that never leaves the token.
    fn generate(&self, session: &Self::Session, label: &str, id: &[u8]) -> Result<(), Error>;
    fn destroy(&self, session: &Self::Session, key: Self::Handle) -> Result<(), Error>;
}

/// A library that is loaded into this process.
pub(super) struct Cryptoki {
    path: PathBuf,
    loaded: Option<Pkcs11>,
    is_ready: bool,
}

impl Cryptoki {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, loaded: None, is_ready: false }
    }

    fn ready(&mut self) -> Result<&Pkcs11, Error> {
        let library = match self.loaded.take() {
            Some(library) => library,
            None => {
                let library = Pkcs11::new(&self.path)?;
                // Never unloaded: it may have threads and handlers of its own, which would run into nothing.
                mem::forget(library.clone());
                library
            }
        };
        let library = self.loaded.insert(library);
        if !self.is_ready {
            match library.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
                Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => self.is_ready = true,
                Err(error) => return Err(error),
            }
        }
        Ok(library)
    }

    /// The library; sessions come from it, so it is there wherever there is one.
    fn library(&self) -> Result<&Pkcs11, Error> {
        self.loaded.as_ref().ok_or(Error::NullFunctionPointer)
    }
}

impl Drop for Cryptoki {
    fn drop(&mut self) {
        self.reset();
    }
}

impl Library for Cryptoki {
    type Session = Session;
    type Handle = ObjectHandle;

    fn tokens(&mut self) -> Result<Vec<Token>, Error> {
        let library = self.ready()?;
        let slots = library.get_slots_with_token()?;
        // What is in another slot may say what it wants.
        let described = slots.into_iter().filter_map(|slot| Some((slot, library.get_token_info(slot).ok()?)));
        Ok(described
            .map(|(slot, token)| Token {
                slot: slot.id(),
                label: token.label().trim_end().to_owned(),
                serial: token.serial_number().trim_end().to_owned(),
                is_locked: token.user_pin_locked(),
                is_final_try: token.user_pin_final_try(),
            })
            .collect())
    }

    fn reset(&mut self) {
        if let Some(library) = &self.loaded
            && mem::take(&mut self.is_ready)
        {
            // A library that has lost its token may fail to end; it is begun anew all the same.
            let _ = library.clone().finalize();
        }
    }

    fn open(&self, slot: u64, may_write: bool) -> Result<Session, Error> {
        let (library, slot) = (self.library()?, Slot::try_from(slot)?);
        if may_write { library.open_rw_session(slot) } else { library.open_ro_session(slot) }
    }

    fn login(&self, session: &Session, pin: &str) -> Result<(), Error> {
        session.login(UserType::User, Some(&AuthPin::from(pin)))
    }

    fn is_logged_in(&self, session: &Session) -> bool {
        let state = session.get_session_info().map(|info| info.session_state());
        matches!(state, Ok(SessionState::RoUser | SessionState::RwUser))
    }

    fn keys(&self, session: &Session, label: &str) -> Result<Vec<FoundKey<ObjectHandle>>, Error> {
        let wanted = [
            Attribute::Class(ObjectClass::SECRET_KEY),
            Attribute::Token(true),
            Attribute::Label(label.as_bytes().to_vec()),
        ];
        let found = session.find_objects(&wanted)?;
        found.into_iter().map(|handle| described(session, handle)).collect()
    }

    fn encrypt(
        &self,
        session: &Session,
        key: ObjectHandle,
        nonce: &mut [u8; NONCE_LEN],
        data: &[u8],
        plaintext: &[u8],
    ) -> Result<Vec<u8>, Error> {
        let mechanism = Mechanism::AesGcm(GcmParams::new(nonce, data, TAG_BITS.into())?);
        session.encrypt(&mechanism, key, plaintext)
    }

    fn decrypt(
        &self,
        session: &Session,
        key: ObjectHandle,
        mut nonce: [u8; NONCE_LEN],
        data: &[u8],
        ciphertext: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let mechanism = Mechanism::AesGcm(GcmParams::new(&mut nonce, data, TAG_BITS.into())?);
        session.decrypt(&mechanism, key, ciphertext).map(Zeroizing::new)
    }

    fn generate(&self, session: &Session, label: &str, id: &[u8]) -> Result<(), Error> {
        let template = [
            Attribute::Class(ObjectClass::SECRET_KEY),
            Attribute::KeyType(KeyType::AES),
            Attribute::ValueLen(AES_256_LEN.into()),
            Attribute::Token(true),
            Attribute::Private(true),
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
            Attribute::Encrypt(true),
            Attribute::Decrypt(true),
            Attribute::Label(label.as_bytes().to_vec()),
            Attribute::Id(id.to_vec()),
        ];
        session.generate_key(&Mechanism::AesKeyGen, &template).map(drop)
    }

    fn destroy(&self, session: &Session, key: ObjectHandle) -> Result<(), Error> {
        session.destroy_object(key)
    }
}

fn described(session: &Session, handle: ObjectHandle) -> Result<FoundKey<ObjectHandle>, Error> {
    let wanted = [
        AttributeType::Id,
        AttributeType::Sensitive,
        AttributeType::Extractable,
        AttributeType::KeyType,
        AttributeType::ValueLen,
    ];
    let (mut kind, mut len) = (None, None);
    let mut key = FoundKey { handle, id: Vec::new(), is_sensitive: None, is_extractable: None, is_aes_256: None };
    for attribute in session.get_attributes(handle, &wanted)? {
        match attribute {
            Attribute::Id(id) => key.id = id,
            Attribute::Sensitive(is_sensitive) => key.is_sensitive = Some(is_sensitive),
            Attribute::Extractable(is_extractable) => key.is_extractable = Some(is_extractable),
            Attribute::KeyType(it) => kind = Some(it),
            Attribute::ValueLen(it) => len = Some(*it),
            _ => {}
        }
    }
    key.is_aes_256 = kind.zip(len).map(|(kind, len)| kind == KeyType::AES && len == AES_256_LEN);
    Ok(key)
}

//! A PKCS#11 library in memory, which counts logins and fails as it is told.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use coffer_crypto::{AeadKey, Key32};
use cryptoki::context::Function;
use cryptoki::error::{Error, RvError};
use zeroize::Zeroizing;

use super::library::{FoundKey, Library, NONCE_LEN, Token};

/// What happens in and to the library. Every clone is the same.
#[derive(Clone, Default)]
pub(super) struct Hsm(Arc<Mutex<State>>);

#[derive(Default)]
pub(super) struct State {
    /// The token is in its slot.
    pub(super) is_there: bool,
    pub(super) is_locked: bool,
    pub(super) is_final_try: bool,
    /// The PIN of its user.
    pub(super) pin: String,
    pub(super) logins: u32,
    pub(super) resets: u32,
    is_logged_in: bool,
    /// Sessions of before are dead.
    epoch: u32,
    keys: Vec<(FoundKey<usize>, Key32)>,
    /// What the next calls return, by function.
    fails: VecDeque<(&'static str, RvError, Function)>,
    /// What calls take.
    pub(super) pause: Duration,
}

impl Hsm {
    pub(super) fn new() -> Self {
        let hsm = Self::default();
        *hsm.state() = State { is_there: true, pin: "right".to_owned(), ..State::default() };
        hsm.add_key(&[1]);
        hsm
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Logins and resets so far.
    pub(super) fn counts(&self) -> (u32, u32) {
        let state = self.state();
        (state.logins, state.resets)
    }

    pub(super) fn add_key(&self, id: &[u8]) {
        let mut state = self.state();
        let found = FoundKey {
            handle: state.keys.len(),
            id: id.to_vec(),
            is_sensitive: Some(true),
            is_extractable: Some(false),
            is_aes_256: Some(true),
        };
        state.keys.push((found, Key32::generate()));
    }

    /// Changes how the token describes its newest key.
    pub(super) fn describe_key(&self, change: impl FnOnce(&mut FoundKey<usize>)) {
        change(&mut self.state().keys.last_mut().unwrap().0);
    }

    /// Has the next call of `what` return a value.
    pub(super) fn fail(&self, what: &'static str, value: RvError, function: Function) {
        self.state().fails.push_back((what, value, function));
    }

    fn asked(&self, what: &str) -> Result<(), Error> {
        let pause = self.state().pause;
        std::thread::sleep(pause);
        let mut state = self.state();
        if state.fails.front().is_some_and(|(fails, ..)| *fails == what) {
            let (_, value, function) = state.fails.pop_front().unwrap();
            return Err(Error::Pkcs11(value, function));
        }
        Ok(())
    }

    fn asked_in(&self, what: &str, session: u32) -> Result<MutexGuard<'_, State>, Error> {
        self.asked(what)?;
        let state = self.state();
        if session != state.epoch || !state.is_there {
            return Err(Error::Pkcs11(RvError::SessionHandleInvalid, Function::FindObjectsInit));
        }
        Ok(state)
    }
}

fn cipher(state: &State, key: usize) -> AeadKey {
    AeadKey::new(&state.keys.iter().find(|(found, _)| found.handle == key).unwrap().1)
}

impl Library for Hsm {
    type Session = u32;
    type Handle = usize;

    fn tokens(&mut self) -> Result<Vec<Token>, Error> {
        self.asked("tokens")?;
        let State { is_there, is_locked, is_final_try, .. } = *self.state();
        let token = Token { slot: 7, label: "hsm".to_owned(), serial: "42".to_owned(), is_locked, is_final_try };
        Ok(if is_there { vec![token] } else { Vec::new() })
    }

    fn reset(&mut self) {
        let mut state = self.state();
        state.resets += 1;
        state.epoch += 1;
        state.is_logged_in = false;
    }

    fn open(&self, _: u64, _: bool) -> Result<u32, Error> {
        self.asked("open")?;
        Ok(self.state().epoch)
    }

    fn login(&self, _: &u32, pin: &str) -> Result<(), Error> {
        self.asked("login")?;
        let mut state = self.state();
        state.logins += 1;
        if pin != state.pin {
            return Err(Error::Pkcs11(RvError::PinIncorrect, Function::Login));
        }
        state.is_logged_in = true;
        Ok(())
    }

    fn is_logged_in(&self, session: &u32) -> bool {
        let state = self.state();
        *session == state.epoch && state.is_logged_in
    }

    fn keys(&self, session: &u32, _: &str) -> Result<Vec<FoundKey<usize>>, Error> {
        let state = self.asked_in("keys", *session)?;
        Ok(state.keys.iter().map(|(found, _)| found.clone()).collect())
    }

    fn encrypt(
        &self,
        session: &u32,
        key: usize,
        nonce: &mut [u8; NONCE_LEN],
        data: &[u8],
        plaintext: &[u8],
    ) -> Result<Vec<u8>, Error> {
        let state = self.asked_in("encrypt", *session)?;
        let run = cipher(&state, key).seal(data, plaintext);
        // As tokens do that insist on a nonce of their own.
        let (own, sealed) = run.split_first_chunk().unwrap();
        *nonce = *own;
        Ok(sealed.to_vec())
    }

    fn decrypt(
        &self,
        session: &u32,
        key: usize,
        nonce: [u8; NONCE_LEN],
        data: &[u8],
        ciphertext: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let state = self.asked_in("decrypt", *session)?;
        let opened = cipher(&state, key).open(data, &[&nonce, ciphertext].concat());
        opened.map(Zeroizing::new).map_err(|_| Error::Pkcs11(RvError::EncryptedDataInvalid, Function::Decrypt))
    }

    fn generate(&self, session: &u32, _: &str, id: &[u8]) -> Result<(), Error> {
        drop(self.asked_in("generate", *session)?);
        self.add_key(id);
        Ok(())
    }

    fn destroy(&self, session: &u32, key: usize) -> Result<(), Error> {
        self.asked_in("destroy", *session)?.keys.retain(|(found, _)| found.handle != key);
        Ok(())
    }
}

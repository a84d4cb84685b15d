//! Sessions with tokens: found, logged in to, lost and found again.

use std::collections::BTreeMap;
use std::fmt;

use coffer_crypto::sha256;
use cryptoki::error::{Error, RvError};

use super::failure::{LOCKED, denied, failure, is_about_pin};
use super::library::{Library, Token};
use crate::provider::CallError;
use crate::secret_file::SecretFile;

/// What tells a token from others: slots have numbers, but those change.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TokenName {
    label: Option<String>,
    serial: Option<String>,
}

impl TokenName {
    /// # Errors
    /// A sentence, when it names nothing.
    pub(super) fn new(label: Option<String>, serial: Option<String>) -> Result<Self, String> {
        let is_empty = |name: &Option<String>| name.as_deref() == Some("");
        if is_empty(&label) || is_empty(&serial) || (label.is_none() && serial.is_none()) {
            return Err("`token_label` or `token_serial` must name the token".to_owned());
        }
        Ok(Self { label, serial })
    }

    fn is_of(&self, token: &Token) -> bool {
        self.label.as_ref().is_none_or(|label| *label == token.label)
            && self.serial.as_ref().is_none_or(|serial| *serial == token.serial)
    }
}

impl fmt::Display for TokenName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.label, &self.serial) {
            (Some(label), Some(serial)) => write!(f, "{label} ({serial})"),
            (Some(name), None) | (None, Some(name)) => f.write_str(name),
            (None, None) => Ok(()),
        }
    }
}

/// A library, and the sessions with its tokens.
pub(super) struct Driver<L: Library> {
    /// Before the library, so that they are closed before it ends.
    sessions: BTreeMap<TokenName, Open<L::Session>>,
    library: L,
    /// The hashes of the PINs that tokens have refused, by label and serial number of the token. A wrong PIN is tried
    /// once: a token counts, and locks itself.
    refused: BTreeMap<(String, String), [u8; 32]>,
}

/// A session of a user who is logged in.
pub(super) struct Open<S> {
    pub(super) slot: u64,
    pub(super) session: S,
}

impl<L: Library> Driver<L> {
    pub(super) fn new(library: L) -> Self {
        Self { sessions: BTreeMap::new(), library, refused: BTreeMap::new() }
    }

    /// Does `work`, which may be done twice, in a session with `token`; `None` from it means that the token does not have
    /// what it should.
    ///
    /// Libraries keep a picture of their tokens, which goes stale when one is taken away and comes back: sessions look
    /// alive, and find nothing. Where that could be the reason, the library starts anew, and with it all sessions.
    ///
    /// # Errors
    /// [`CallError::Unavailable`] without the token; [`CallError::Denied`] without its PIN; those of `work`.
    pub(super) fn in_session<T>(
        &mut self,
        token: &TokenName,
        pin: &SecretFile,
        work: impl Fn(&L, &Open<L::Session>) -> Result<Option<T>, CallError>,
    ) -> Result<Option<T>, CallError> {
        let done = self.try_in_session(token, pin, &work);
        if !is_stale(&done) {
            return done;
        }
        self.sessions.clear();
        self.library.reset();
        self.try_in_session(token, pin, &work)
    }

    fn try_in_session<T>(
        &mut self,
        token: &TokenName,
        pin: &SecretFile,
        work: impl Fn(&L, &Open<L::Session>) -> Result<Option<T>, CallError>,
    ) -> Result<Option<T>, CallError> {
        let open = match self.sessions.remove(token) {
            Some(open) if self.library.is_logged_in(&open.session) => open,
            _ => self.open(token, pin)?,
        };
        let done = work(&self.library, &open);
        if !is_stale(&done) {
            self.sessions.insert(token.clone(), open);
        }
        done
    }

    /// Makes or destroys keys, once: `work` is done in a session that may write, with a token that
    /// [`in_session`](Self::in_session) has just found.
    ///
    /// # Errors
    /// [`CallError::Unsupported`] when nobody may write; those of `work`.
    pub(super) fn write(
        &mut self,
        slot: u64,
        work: impl FnOnce(&L, &L::Session) -> Result<(), CallError>,
    ) -> Result<(), CallError> {
        let session = self.library.open(slot, true).map_err(failure)?;
        work(&self.library, &session)
    }

    fn open(&mut self, name: &TokenName, pin: &SecretFile) -> Result<Open<L::Session>, CallError> {
        let tokens = self.library.tokens().map_err(failure)?;
        let mut found = tokens.iter().filter(|token| name.is_of(token));
        let token = match (found.next(), found.next()) {
            (Some(token), None) => token,
            (None, _) => return Err(missing(name, &tokens)),
            (Some(_), Some(_)) => {
                let why = format!("there are several tokens {name}: name one by `token_serial`");
                return Err(CallError::Denied(why));
            }
        };
        let session = self.library.open(token.slot, false).map_err(failure)?;
        self.login(token, &session, pin)?;
        Ok(Open { slot: token.slot, session })
    }

    fn login(&mut self, token: &Token, session: &L::Session, pin: &SecretFile) -> Result<(), CallError> {
        // Another session with the same token may have done it.
        if self.library.is_logged_in(session) {
            return Ok(());
        }
        let pin = pin.line().map_err(|error| CallError::Denied(format!("`pin_file`: {error}")))?;
        let (owner, hash) = ((token.label.clone(), token.serial.clone()), sha256(pin.as_bytes()));
        if self.refused.get(&owner) == Some(&hash) {
            return Err(denied("the token has refused this PIN; it is not tried again until `pin_file` holds another"));
        }
        if token.is_locked {
            return Err(denied(LOCKED));
        }
        if token.is_final_try {
            return Err(denied(
                "one more wrong PIN locks the token, so none is tried: log in with the tools of its maker first",
            ));
        }
        match self.library.login(session, &pin) {
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => {
                self.refused.remove(&owner);
                Ok(())
            }
            Err(error) if is_about_pin(&error) => {
                self.refused.insert(owner, hash);
                Err(match failure(error) {
                    CallError::Unavailable(_) => denied("the PIN in `pin_file` is not that of the token's user"),
                    known => known,
                })
            }
            Err(error) => Err(failure(error)),
        }
    }
}

/// Whether the picture that the library has of the token may be the reason.
fn is_stale<T>(done: &Result<Option<T>, CallError>) -> bool {
    matches!(done, Ok(None) | Err(CallError::Unavailable(_)))
}

/// The error for a token that is not there: it may have been taken away, or never have been there under that name.
fn missing(name: &TokenName, tokens: &[Token]) -> CallError {
    let there: Vec<_> = tokens.iter().filter(|token| !token.label.is_empty()).map(|token| &token.label[..]).collect();
    let there = if there.is_empty() { "none".to_owned() } else { there.join(", ") };
    CallError::Unavailable(format!("there is no token {name} (those that are there: {there})"))
}

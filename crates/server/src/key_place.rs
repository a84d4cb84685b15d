//! Where the keyring of this machine is and what opens it, as the settings say.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Result, ensure};
use coffer_keyring::{KeyFileError, KeyPlace, KeyringProtection, Passphrase, PassphraseFile, PassphraseSource};

use crate::config::Settings;
use crate::key_providers::LOCAL;
use crate::terminal;

/// The key file, the keyring, and where the passphrase comes from: its file, or whoever sits at the terminal.
pub(crate) fn key_place(settings: &Settings) -> KeyPlace {
    let place = KeyPlace::new(&settings.key_file);
    let place = if settings.is_credential(&settings.key_file) { place.with_credential() } else { place };
    let place = match &settings.keyring_file {
        Some(keyring) => place.with_keyring(keyring.clone()),
        None => place,
    };
    match &settings.passphrase_file {
        Some(path) => {
            let source = PassphraseFile::new(path.clone(), settings.is_credential(path));
            place.with_passphrase(Arc::new(source)).making(KeyringProtection::Passphrase)
        }
        None => {
            let keyring = place.keyring().to_owned();
            place.with_passphrase(Arc::new(Typed { keyring }))
        }
    }
}

/// The files that the root key is in.
///
/// # Errors
/// As [`KeyPlace::protection`].
pub(crate) fn files_of(place: &KeyPlace) -> Result<Vec<PathBuf>, KeyFileError> {
    let keyring = place.keyring().to_owned();
    Ok(match place.protection()? {
        KeyringProtection::KeyFile => vec![place.key_file().to_owned(), keyring],
        KeyringProtection::Passphrase => vec![keyring],
    })
}

/// Refuses settings that name a passphrase for a keyring that is not under one: whoever wrote them takes it for
/// protected.
///
/// # Errors
/// A sentence for a person.
pub(crate) fn check_protection(settings: &Settings) -> Result<()> {
    let uses_local = settings.root_key == LOCAL || settings.former_root_keys.iter().any(|name| name == LOCAL);
    if settings.passphrase_file.is_none() || !uses_local {
        return Ok(());
    }
    let place = key_place(settings);
    // What else may be wrong with the files is said when they are opened.
    ensure!(
        !matches!(place.protection(), Ok(KeyringProtection::KeyFile)),
        "`passphrase_file` is set, and the keyring {} is not under a passphrase but under the key file: \
         `coffer key passphrase set` changes that",
        place.keyring().display()
    );
    Ok(())
}

/// The passphrase as somebody types it, who is asked once in the life of the process.
struct Typed {
    keyring: PathBuf,
}

/// What was typed. A server needs it again when it writes the keyring, and by then nobody is there.
static TYPED: Mutex<Option<Arc<Passphrase>>> = Mutex::new(None);

impl PassphraseSource for Typed {
    fn passphrase(&self) -> Result<Arc<Passphrase>, KeyFileError> {
        let mut typed = TYPED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(passphrase) = &*typed {
            return Ok(Arc::clone(passphrase));
        }
        let keyring = self.keyring.clone();
        if !terminal::is_there() {
            let why = "which `passphrase_file` has to name where no terminal can be asked";
            return Err(KeyFileError::NoPassphrase { keyring, why });
        }
        let line = terminal::read_hidden(&format!("Passphrase of {}: ", keyring.display()));
        let line = line.map_err(|source| KeyFileError::Io {
            action: "ask for the passphrase of",
            path: keyring.clone(),
            source,
        })?;
        let passphrase = Passphrase::from_line(&line);
        let passphrase = passphrase.map_err(|why| KeyFileError::NoPassphrase { keyring, why })?;
        Ok(Arc::clone(typed.insert(Arc::new(passphrase))))
    }
}

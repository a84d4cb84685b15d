//! `coffer key passphrase`: what opens the keyring on this machine changes; the root keys in it do not.
//!
//! It happens in this process and not in the server: no passphrase goes over the control socket.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail, ensure};
use clap::{Args, Subcommand};
use coffer_keyring::{KeyPlace, KeyringProtection, LocalKeyring, Passphrase};
use coffer_store::Bootstrap;
use serde_json::json;
use zeroize::Zeroizing;

use crate::config::Settings;
use crate::control::command::PassphraseChanged;
use crate::control::{Command, Report, carry_out, print};
use crate::key_place::key_place;
use crate::key_providers::LOCAL;
use crate::terminal;

/// The most bytes of a file of a passphrase.
const MAX_FILE_LEN: u64 = 4096;

/// `coffer key passphrase ...`
#[derive(Debug, PartialEq, Eq, Subcommand)]
pub(crate) enum PassphraseCommand {
    /// Put the keyring under a passphrase, and remove the key file
    Set(New),
    /// Put another passphrase in the place of the one there is
    Change(New),
    /// Put the keyring under a new key file again
    Remove,
}

/// Where a new passphrase comes from.
#[derive(Debug, PartialEq, Eq, Args)]
pub(crate) struct New {
    /// A file with the new passphrase, or - for standard input; without it a terminal is asked
    #[arg(long, value_name = "FILE")]
    new_passphrase_file: Option<PathBuf>,
}

impl PassphraseCommand {
    /// Does it.
    ///
    /// # Errors
    /// A sentence for a person; then what opened the keyring opens it still.
    pub(crate) async fn run(self, settings: &Settings, json: bool) -> Result<()> {
        ensure!(
            settings.root_key == LOCAL || settings.former_root_keys.iter().any(|name| name == LOCAL),
            "the root key is with the provider {:?}, and no keyring on this machine has one",
            settings.root_key
        );
        let place = key_place(settings);
        let is_under = place.protection().context("the keyring cannot be read")?;
        match (&self, is_under) {
            (Self::Set(_), KeyringProtection::Passphrase) => {
                bail!("{} is under a passphrase already: see `coffer key passphrase change`", place.keyring().display())
            }
            (Self::Change(_) | Self::Remove, KeyringProtection::KeyFile) => {
                bail!("{} is not under a passphrase: see `coffer key passphrase set`", place.keyring().display())
            }
            _ => {}
        }
        // Whoever cannot open it is refused before anything is asked or noted.
        drop(LocalKeyring::open(&place).context("the keyring cannot be opened; nothing was changed")?);
        let new = match &self {
            Self::Set(new) | Self::Change(new) => Some(new.read()?),
            Self::Remove => None,
        };
        let change = match &self {
            Self::Set(_) => "set",
            Self::Change(_) => "change",
            Self::Remove => "remove",
        };
        if Bootstrap::exists(&settings.data) {
            carry_out(settings, Command::PassphraseChanged(PassphraseChanged { change: change.to_owned() })).await?;
        }
        match new {
            Some(passphrase) => LocalKeyring::set_passphrase(&place, is_under, passphrase),
            None => LocalKeyring::remove_passphrase(&place),
        }
        .context("the keyring cannot be changed")?;
        print(&report(settings, &place, change), json)
    }
}

fn report(settings: &Settings, place: &KeyPlace, change: &str) -> Report {
    let (key_file, keyring) = (place.key_file().display(), place.keyring().display());
    let is_credential = settings.is_credential(place.key_file());
    let mut text = match change {
        "remove" if is_credential => format!("{keyring} is under the credential {key_file}\n"),
        "remove" => format!("{keyring} is under the new key file {key_file}\n"),
        _ => format!("{keyring} is under the passphrase\n"),
    };
    text +=
        "copies of the keyring from before still open with what they were under: make new ones, and destroy those\n";
    text += match (change, &settings.passphrase_file) {
        ("remove", Some(_)) => "take `passphrase_file` out of the settings\n",
        ("remove", None) => "",
        (_, Some(_)) => "the file that `passphrase_file` names has to hold it from now on\n",
        (_, None) => {
            "name a file that holds it in `passphrase_file`, or start the server at a terminal, which is asked\n"
        }
    };
    text += "a server that runs goes on, and has to be started again before the root key can be rotated\n";
    let data = json!({ "change": change, "keyring": place.keyring(), "key_file": (change == "remove").then(|| place.key_file()) });
    Report { text, data }
}

impl New {
    fn read(&self) -> Result<Arc<Passphrase>> {
        let Some(path) = &self.new_passphrase_file else { return typed_twice() };
        let unreadable = || format!("the new passphrase in {} cannot be read", path.display());
        // Room for all of it: growing would leave copies behind.
        let mut text = Zeroizing::new(Vec::with_capacity(MAX_FILE_LEN as usize + 1));
        // By its path: the buffer of `io::stdin` is never wiped.
        let path = if path == Path::new("-") { Path::new("/dev/stdin") } else { path };
        File::open(path).and_then(|file| file.take(MAX_FILE_LEN).read_to_end(&mut text)).with_context(unreadable)?;
        let passphrase = Passphrase::from_line(&text).map_err(|why| anyhow!(why)).with_context(unreadable)?;
        Ok(Arc::new(passphrase))
    }
}

fn typed_twice() -> Result<Arc<Passphrase>> {
    ensure!(
        terminal::is_there(),
        "there is no terminal to ask: say where the new passphrase is with --new-passphrase-file"
    );
    let ask = |question: &str| -> Result<Passphrase> {
        let line = terminal::read_hidden(question).context("nothing was typed")?;
        Passphrase::from_line(&line).map_err(|why| anyhow!(why))
    };
    let passphrase = ask("New passphrase: ")?;
    ensure!(ask("Once more: ")?.is_same(&passphrase), "these are two passphrases; nothing was changed");
    Ok(Arc::new(passphrase))
}

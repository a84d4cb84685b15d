//! `coffer key export`, `recover` and `verify-backup`: the root key leaves this machine, and comes back.
//!
//! What holds secrets happens in this process and not in the server: no share and no key goes over the control socket.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use coffer_keyring::{KeyFileError, LocalKeyring, RootKeys as _, SHARE_PREFIX};
use coffer_store::{Bootstrap, BootstrapError};
use zeroize::Zeroizing;

use crate::config::Settings;
use crate::control::command::{BackupVerified, KeyExported};
use crate::control::{Command, administer, carry_out};
use crate::key_place::{files_of, key_place};
use crate::key_providers::LOCAL;

/// The most bytes of everything that is read as shares.
const MAX_SHARES_LEN: u64 = 4 << 20;
/// Standard input or output in the place of a file.
const STANDARD: &str = "-";

/// `coffer key export`
#[derive(Debug, PartialEq, Eq, Args)]
pub(crate) struct Export {
    /// How many shares to make
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(2..))]
    shares: u8,
    /// How many of them are enough to recover the key
    #[arg(long, value_name = "M", value_parser = clap::value_parser!(u8).range(2..))]
    threshold: u8,
    /// A directory to write a file per share to, or - to print them
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// `coffer key recover`
#[derive(Debug, PartialEq, Eq, Args)]
pub(crate) struct Recover {
    /// Files of shares, or - for standard input
    #[arg(value_name = "FILE", required = true)]
    from: Vec<PathBuf>,
}

/// `coffer key verify-backup`
#[derive(Debug, PartialEq, Eq, Args)]
pub(crate) struct VerifyBackup {
    /// Files of shares, or - for standard input
    #[arg(value_name = "FILE", required_unless_present = "copy", conflicts_with = "copy")]
    from: Vec<PathBuf>,
    /// A copy of the key file, with its keyring beside it, in the place of shares
    #[arg(long, value_name = "KEY-FILE")]
    copy: Option<PathBuf>,
}

impl Export {
    /// Splits the keyring, and writes the shares.
    ///
    /// # Errors
    /// A sentence for a person. No file is overwritten.
    pub(crate) async fn run(self, settings: &Settings) -> Result<()> {
        let Self { shares, threshold, out } = self;
        ensure!(
            settings.root_key == LOCAL,
            "the root key is with the provider {:?} and never leaves it: back it up as that provider says, and back up \
             the metadata, which the root key opens",
            settings.root_key
        );
        let keyring = LocalKeyring::open(key_place(settings)).context("the root key cannot be opened")?;
        let lines = keyring.split(threshold, shares)?;
        let names: Vec<_> = (1..=shares).map(|index| out.join(format!("share-{index}-of-{shares}.txt"))).collect();
        let prints = out == Path::new(STANDARD);
        if !prints {
            prepare(&out, &names)?;
        }
        if Bootstrap::exists(&settings.data) {
            carry_out(settings, Command::KeyExported(KeyExported { shares, threshold })).await?;
        }
        if prints {
            let mut output = io::stdout().lock();
            let printed = lines.iter().try_for_each(|line| writeln!(output, "{}", **line));
            printed.and_then(|()| output.flush()).context("the shares cannot be printed")?;
        } else {
            lines.iter().zip(&names).try_for_each(|(line, name)| write_new(name, line))?;
        }
        let root = keyring.describe();
        let said = writeln!(
            io::stderr(),
            "{shares} shares of generation {} of the root key, fingerprint {}; any {threshold} of them are the whole \
             key.\nGive each to another person or place, apart from the data, and then prove that they can be found and \
             read:\n  coffer key verify-backup SHARE...",
            root.generation,
            root.fingerprint
        );
        // The shares are there, whether anybody reads this or not.
        said.or(Ok(()))
    }
}

impl Recover {
    /// Joins shares, and writes the key file and the keyring.
    ///
    /// # Errors
    /// A sentence for a person. Nothing is overwritten.
    pub(crate) async fn run(self, settings: &Settings) -> Result<()> {
        let keyring = LocalKeyring::join(&read_shares(&self.from)?)?;
        let root = keyring.describe();
        let opens = opens(settings, &keyring).await?;
        let place = key_place(settings);
        keyring.write(&place).context("the root key cannot be written")?;
        let mut output = io::stdout().lock();
        writeln!(
            output,
            "recovered the root key {}, generation {}, fingerprint {}",
            hex::encode(root.root_id),
            root.generation,
            root.fingerprint
        )?;
        for file in files_of(&place)? {
            writeln!(output, "  {}", file.display())?;
        }
        if opens {
            writeln!(output, "it opens the metadata of the store in {}", settings.data.display())?;
        }
        Ok(())
    }
}

impl VerifyBackup {
    /// Opens the store with a backup, and has it noted that that was possible.
    ///
    /// # Errors
    /// A sentence for a person.
    pub(crate) async fn run(self, settings: &Settings, json: bool) -> Result<()> {
        let (backup, kind) = match &self.copy {
            Some(copy) => {
                let here = key_place(settings);
                let copied = here.clone().copied_to(copy);
                ensure!(
                    !is_same_file(copied.key_file(), here.key_file())
                        && !is_same_file(copied.keyring(), here.keyring()),
                    "{} is the key file in use, and no copy",
                    copy.display()
                );
                (LocalKeyring::open(copied).context("the copy cannot be opened")?, "files")
            }
            None => (LocalKeyring::join(&read_shares(&self.from)?)?, "shares"),
        };
        if !opens(settings, &backup).await? {
            bail!("{} holds no Coffer store", settings.data.display());
        }
        let root = backup.describe();
        let verified = BackupVerified {
            root_id: hex::encode(root.root_id),
            generation: root.generation,
            fingerprint: root.fingerprint,
            kind: kind.to_owned(),
        };
        administer(settings, Command::BackupVerified(verified), json).await
    }
}

/// Whether there is a store, and `backup` opens it.
///
/// # Errors
/// When there is one, and the backup does not open it.
async fn opens(settings: &Settings, backup: &LocalKeyring) -> Result<bool> {
    match Bootstrap::open(&settings.data, backup).await {
        Ok(_) => Ok(true),
        Err(BootstrapError::Missing(_)) => Ok(false),
        Err(BootstrapError::RootKey { source, .. }) => {
            bail!("the backup does not open the store in {}: {source}", settings.data.display())
        }
        Err(error) => Err(error.into()),
    }
}

/// Makes the directory of shares, and checks that none is there.
fn prepare(folder: &Path, names: &[PathBuf]) -> Result<()> {
    let cannot = || format!("{} cannot be made", folder.display());
    DirBuilder::new().recursive(true).mode(0o700).create(folder).with_context(cannot)?;
    match names.iter().find(|name| fs::symlink_metadata(name).is_ok()) {
        Some(name) => Err(KeyFileError::Exists(name.clone()).into()),
        None => Ok(()),
    }
}

fn write_new(path: &Path, line: &str) -> Result<()> {
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        writeln!(file, "{line}")?;
        file.sync_all()
    };
    write().with_context(|| format!("{} cannot be written", path.display()))
}

/// Reads every line of every file.
fn read_shares(files: &[PathBuf]) -> Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    for file in files {
        if file.to_string_lossy().starts_with(SHARE_PREFIX) {
            bail!(
                "shares do not belong on a command line, which others can see: put them in files, or give - and type them"
            );
        }
        let unreadable = || format!("the shares in {} cannot be read", file.display());
        let read = if file == Path::new(STANDARD) {
            io::stdin().lock().take(MAX_SHARES_LEN).read_to_string(&mut text)
        } else {
            fs::File::open(file).and_then(|opened| opened.take(MAX_SHARES_LEN).read_to_string(&mut text))
        };
        read.with_context(unreadable)?;
        text.push('\n');
    }
    Ok(text)
}

fn is_same_file(a: &Path, b: &Path) -> bool {
    match (fs::canonicalize(a), fs::canonicalize(b)) {
        (Ok(a), Ok(b)) => a == b,
        _ => false,
    }
}

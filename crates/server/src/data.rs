//! Opening the data directory: lock, root key, engine, blobs, store, in that order.
//!
//! Nothing is written before the root key has proved to be the one that the data was sealed under.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};
use coffer_audit::{AuditKeys, AuditLog, AuditedRootKeys};
use coffer_blob::{LocalBlobs, LocalSettings};
use coffer_crypto::Key32;
use coffer_keyring::{KeyAudit, KeyError, KeyFileError, LocalKeyring, RootKeys};
use coffer_meta::{PageKeys, RedbEngine, RedbSettings};
use coffer_store::{Bootstrap, BootstrapError, Store, SystemClock};

use crate::config::Settings;
use crate::lock::DataLock;

/// The metadata engine's file in the data directory.
const METADATA: &str = "metadata.redb";
/// The folder of the audit log of keys in the data directory.
const AUDIT: &str = "audit";
/// The blobs' folder in the data directory.
const BLOBS: &str = "blobs";

/// A store that is open, for this process alone.
pub(crate) struct Data {
    /// The store.
    pub(crate) store: Store,
    /// What the store's records lie in.
    pub(crate) engine: Arc<RedbEngine>,
    /// What wraps the keys of the store.
    pub(crate) root: Arc<dyn RootKeys>,
    /// The audit log of keys.
    pub(crate) audit: Arc<AuditLog>,
    /// Where that log is.
    pub(crate) audit_folder: PathBuf,
    /// What its entries are sealed and its checkpoints signed with.
    pub(crate) audit_keys: Arc<AuditKeys>,
    /// Whether the root key was made just now.
    pub(crate) made_key: bool,
    _lock: DataLock,
}

/// The data directory, locked and not yet looked into.
pub(crate) struct LockedDirectory<'a> {
    settings: &'a Settings,
    lock: DataLock,
}

impl<'a> LockedDirectory<'a> {
    /// Locks the data directory, which is made if it is missing.
    ///
    /// # Errors
    /// When another process has it, or it cannot be made.
    pub(crate) fn make(settings: &'a Settings) -> Result<Self> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&settings.data)
            .with_context(|| format!("the data directory {} cannot be made", settings.data.display()))?;
        Ok(Self { settings, lock: DataLock::acquire(&settings.data)? })
    }

    /// Locks the data directory, which holds a store already.
    ///
    /// # Errors
    /// When it holds none, or another process has it.
    pub(crate) fn existing(settings: &'a Settings) -> Result<Self> {
        if !Bootstrap::exists(&settings.data) {
            bail!("{} holds no Coffer store: `coffer serve` makes one", settings.data.display());
        }
        Ok(Self { settings, lock: DataLock::acquire(&settings.data)? })
    }

    /// Opens the store; in an empty directory makes one, and a root key if there is none yet.
    ///
    /// # Errors
    /// A sentence for a person. When the root key is missing or wrong, nothing was written.
    pub(crate) async fn open(mut self) -> Result<Data> {
        let settings = self.settings;
        let is_new = !Bootstrap::exists(&settings.data) && is_empty(&settings.data)?;
        let (root, made_key) = open_root(settings, is_new)?;
        let root: Arc<dyn RootKeys> = Arc::new(root);
        let bootstrap = if is_new {
            Bootstrap::create(&settings.data, &*root).await
        } else {
            Bootstrap::open(&settings.data, &*root).await
        };
        let bootstrap = bootstrap.map_err(|error| explain(error, settings))?;
        check_metadata(settings)?;
        let engine = Arc::new(open_engine(settings, &bootstrap.metadata_key)?);
        let audit_folder = settings.data.join(AUDIT);
        let audit_keys = Arc::new(AuditKeys::derive(&bootstrap.metadata_key, bootstrap.store_id));
        let audit = Arc::new(open_audit(&audit_folder, Arc::clone(&audit_keys))?);
        let noted: Arc<dyn RootKeys> = Arc::new(AuditedRootKeys::new(root, Arc::clone(&audit) as Arc<dyn KeyAudit>));
        let root = noted;
        let blobs = LocalBlobs::open(&settings.data.join(BLOBS), LocalSettings::default())
            .context("the folder of the blobs cannot be opened")?;
        let store = Store::new(
            bootstrap,
            Arc::clone(&engine) as Arc<dyn coffer_meta::Engine>,
            Arc::new(blobs),
            Arc::clone(&root),
            Arc::new(SystemClock),
            store_settings(settings),
        );
        self.lock.sign().context("the lock of the data directory cannot be written")?;
        Ok(Data { store, engine, root, audit, audit_folder, audit_keys, made_key, _lock: self.lock })
    }
}

/// Whether `directory` holds nothing but names with a leading dot, as the lock's.
fn is_empty(directory: &Path) -> Result<bool> {
    let unreadable = || format!("the data directory {} cannot be read", directory.display());
    let names: io::Result<Vec<_>> =
        fs::read_dir(directory).and_then(|entries| entries.map(|entry| Ok(entry?.file_name())).collect());
    Ok(names.with_context(unreadable)?.iter().all(|name| name.as_encoded_bytes().starts_with(b".")))
}

/// Opens the root key; makes it when there is none and no data needs it. Returns whether it was made.
fn open_root(settings: &Settings, is_new: bool) -> Result<(LocalKeyring, bool)> {
    match LocalKeyring::open(&settings.key_file) {
        Ok(keyring) => Ok((keyring, false)),
        Err(KeyFileError::Missing(path)) if !is_new => bail!(
            "the key file {} is missing, and {} is not empty: nothing in it can be read without its key. Restore the \
             key file and its keyring from your backup, or say where they are with --key-file. Nothing was written",
            path.display(),
            settings.data.display()
        ),
        Err(KeyFileError::Missing(_)) => {
            let made = LocalKeyring::create(&settings.key_file).context("a root key cannot be made")?;
            Ok((made, true))
        }
        Err(error) => Err(anyhow!(error).context("the root key cannot be opened; nothing was written")),
    }
}

/// Refuses a store that has lost its metadata. A new metadata file would name no blob, and the first collection of
/// garbage would remove them all.
///
/// The folder of the blobs tells it from a store whose making was interrupted: it is made after the metadata.
fn check_metadata(settings: &Settings) -> Result<()> {
    let path = settings.data.join(METADATA);
    let is_there = |path: &Path| path.try_exists().with_context(|| format!("{} cannot be read", path.display()));
    if is_there(&path)? || !is_there(&settings.data.join(BLOBS))? {
        return Ok(());
    }
    bail!(
        "the metadata {} is missing, and without it the blobs beside it are nothing: restore it from your backup. \
         Nothing was written",
        path.display()
    )
}

fn open_engine(settings: &Settings, metadata_key: &Key32) -> Result<RedbEngine> {
    let path = settings.data.join(METADATA);
    let cache_bytes = usize::try_from(settings.metadata_cache_mib << 20).context("metadata_cache_mib is too large")?;
    let keys = PageKeys::new(Key32::from_slice(metadata_key.expose()).expect("a key has the length of a key"));
    RedbEngine::open(&path, keys, RedbSettings { cache_bytes, ..RedbSettings::default() })
        .with_context(|| format!("the metadata {} cannot be opened", path.display()))
}

/// Opens the audit log of keys. One that somebody changed is not gone on with: it is evidence.
fn open_audit(folder: &Path, keys: Arc<AuditKeys>) -> Result<AuditLog> {
    AuditLog::open(folder, keys).with_context(|| {
        format!(
            "the audit log of keys cannot be gone on with. Keep {} for whoever looks into it: once it is moved \
             elsewhere, a new log begins",
            folder.display()
        )
    })
}

fn store_settings(settings: &Settings) -> coffer_store::Settings {
    coffer_store::Settings {
        inline_max: usize::try_from(settings.inline_threshold_bytes).unwrap_or(usize::MAX),
        garbage_grace_ms: settings.garbage_grace_seconds.saturating_mul(1000),
        block_sse_c_on_new_buckets: settings.block_sse_c_on_new_buckets,
        key_destruction_delay_ms: settings.key_destruction_delay_seconds.saturating_mul(1000),
    }
}

/// Says what a wrong root key means to the person who has to find the right one.
fn explain(error: BootstrapError, settings: &Settings) -> anyhow::Error {
    let is_wrong_key =
        matches!(&error, BootstrapError::RootKey { source: KeyError::WrongKey | KeyError::UnknownGeneration(_), .. });
    let error = anyhow!(error);
    if is_wrong_key {
        error.context(format!(
            "the key file {} is not the one that {} was sealed with: restore the right one from your backup, or say \
             where it is with --key-file. Nothing was written",
            settings.key_file.display(),
            settings.data.display()
        ))
    } else {
        error
    }
}

#[cfg(test)]
mod tests;

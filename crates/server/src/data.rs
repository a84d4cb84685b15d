//! Opening the data directory: lock, root key, engine, blobs, store, in that order.
//!
//! Nothing is written before the root key has proved to be the one that the data was sealed under.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use coffer_audit::{AuditKeys, AuditLog, AuditedRootKeys};
use coffer_blob::{LocalBlobs, LocalSettings};
use coffer_crypto::Key32;
use coffer_keyring::{KeyAudit, KeyError, RootDescription, RootKeys};
use coffer_meta::{JournalSettings, JournaledEngine, OpenError, PageKeys, RedbSettings};
use coffer_store::{Bootstrap, BootstrapError, Store, SystemClock};

use crate::audit::earlier_keys;
use crate::config::Settings;
use crate::key_providers::{self, KeyProviders, Root};
use crate::lock::DataLock;
use crate::metadata_key;

/// The metadata engine's file in the data directory.
pub(crate) const METADATA: &str = "metadata.redb";
/// The folder of the audit log of keys in the data directory.
const AUDIT: &str = "audit";
/// The blobs' folder in the data directory.
const BLOBS: &str = "blobs";
/// How long a server that waits for its root key pauses at first, and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A store that is open, for this process alone.
pub(crate) struct Data {
    /// The store.
    pub(crate) store: Store,
    /// What the store's records lie in.
    pub(crate) engine: Arc<JournaledEngine>,
    /// What wraps the keys of the store.
    pub(crate) root: Arc<dyn RootKeys>,
    /// Root keys of before, which unwrap what they wrapped: their names in the settings, and what they are.
    pub(crate) former: Vec<(String, RootDescription)>,
    /// Providers of keys elsewhere.
    pub(crate) providers: Arc<KeyProviders>,
    /// The audit log of keys.
    pub(crate) audit: Arc<AuditLog>,
    /// Where that log is.
    pub(crate) audit_folder: PathBuf,
    /// What its entries are sealed and its checkpoints signed with.
    pub(crate) audit_keys: Arc<AuditKeys>,
    /// Whether the root key was made just now.
    pub(crate) made_key: bool,
    lock: DataLock,
}

impl Data {
    /// Ends the audit log and closes the metadata. The directory stays locked.
    ///
    /// # Errors
    /// When the metadata could not be closed cleanly; what was acknowledged is safe.
    pub(crate) async fn close(self) -> Result<DataLock> {
        let audit = Arc::clone(&self.audit);
        tokio::task::spawn_blocking(move || audit.close())
            .await
            .context("the audit log of keys could not be closed")?;
        self.engine.close().context("the metadata could not be closed cleanly")?;
        Ok(self.lock)
    }
}

/// The data directory, locked and not yet looked into.
pub(crate) struct LockedDirectory<'a> {
    settings: &'a Settings,
    lock: DataLock,
    /// Whether to wait for a root key that is away.
    waits: bool,
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
        Ok(Self { settings, lock: DataLock::acquire(&settings.data)?, waits: true })
    }

    /// Locks the data directory, which holds a store already.
    ///
    /// # Errors
    /// When it holds none, or another process has it.
    pub(crate) fn existing(settings: &'a Settings) -> Result<Self> {
        if !Bootstrap::exists(&settings.data) {
            bail!("{} holds no Coffer store: `coffer serve` makes one", settings.data.display());
        }
        Ok(Self { settings, lock: DataLock::acquire(&settings.data)?, waits: false })
    }

    /// The data directory of `lock`, which holds a store.
    pub(crate) fn locked(settings: &'a Settings, lock: DataLock) -> Self {
        Self { settings, lock, waits: false }
    }

    /// Opens the store; in an empty directory makes one, and a root key if there is none yet.
    ///
    /// # Errors
    /// A sentence for a person. When the root key is missing or wrong, nothing was written.
    pub(crate) async fn open(mut self) -> Result<Data> {
        let settings = self.settings;
        let is_new = !Bootstrap::exists(&settings.data) && is_empty(&settings.data)?;
        let providers = KeyProviders::read(settings)?;
        let Root { keys: root, made_key, former } = providers.root(settings, is_new)?;
        let candidates = self.bootstrap(is_new, &*root).await.map_err(|error| explain(error, settings))?;
        // A root key elsewhere says which generation wraps only once it was asked.
        if let Err(error) = root.generations().await {
            tracing::warn!(%error, "the generations of the root key cannot be listed yet");
        }
        check_metadata(settings)?;
        let (bootstrap, engine) = open_engine(settings, candidates)?;
        let engine = Arc::new(engine);
        let audit_folder = settings.data.join(AUDIT);
        let earlier = earlier_keys(&bootstrap, &*engine).await.context("the keys of the audit log cannot be read")?;
        let Bootstrap { ref metadata_key, generation, store_id } = bootstrap;
        let audit_keys = Arc::new(AuditKeys::derive(metadata_key, generation, store_id, &earlier.keys));
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
        let providers = Arc::new(providers);
        Ok(Data { store, engine, root, former, providers, audit, audit_folder, audit_keys, made_key, lock: self.lock })
    }
}

impl LockedDirectory<'_> {
    /// Makes or opens the bootstrap file, which has a second metadata key if a rotation of it was interrupted. A server
    /// waits for a root key that is away; a wrong one is refused at once.
    async fn bootstrap(&self, is_new: bool, root: &dyn RootKeys) -> Result<Vec<Bootstrap>, BootstrapError> {
        let mut pause = FIRST_PAUSE;
        loop {
            let outcome = if is_new {
                Bootstrap::create(&self.settings.data, root).await.map(|made| vec![made])
            } else {
                Bootstrap::open_all(&self.settings.data, root).await
            };
            match outcome {
                Err(BootstrapError::RootKey { source: source @ KeyError::Unavailable(_), .. }) if self.waits => {
                    tracing::warn!(root_key = self.settings.root_key, error = %source, "waiting for the root key");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                outcome => return outcome,
            }
        }
    }
}

/// Whether `directory` holds nothing but names with a leading dot, as the lock's.
fn is_empty(directory: &Path) -> Result<bool> {
    let unreadable = || format!("the data directory {} cannot be read", directory.display());
    let names: io::Result<Vec<_>> =
        fs::read_dir(directory).and_then(|entries| entries.map(|entry| Ok(entry?.file_name())).collect());
    Ok(names.with_context(unreadable)?.iter().all(|name| name.as_encoded_bytes().starts_with(b".")))
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

/// Opens the metadata under the one of the metadata keys that it is sealed under, and then ends what is left of an
/// interrupted rotation: the other key, and a file that has not come into use.
fn open_engine(settings: &Settings, candidates: Vec<Bootstrap>) -> Result<(Bootstrap, JournaledEngine)> {
    let path = settings.data.join(METADATA);
    let engine_settings = JournalSettings { tree: tree_settings(settings)?, ..JournalSettings::default() };
    let last = candidates.len() - 1;
    for (place, bootstrap) in candidates.into_iter().enumerate() {
        let engine = match JournaledEngine::open(&path, page_keys(&bootstrap.metadata_key), engine_settings.clone()) {
            Err(OpenError::WrongKey) if place < last => continue,
            opened => opened.with_context(|| format!("the metadata {} cannot be opened", path.display()))?,
        };
        Bootstrap::settle(&settings.data, bootstrap.generation)?;
        metadata_key::clear(&settings.data)?;
        return Ok((bootstrap, engine));
    }
    unreachable!("the last of the candidates is not passed over")
}

/// What the metadata file is opened with.
pub(crate) fn tree_settings(settings: &Settings) -> Result<RedbSettings> {
    let cache_bytes = usize::try_from(settings.metadata_cache_mib << 20).context("metadata_cache_mib is too large")?;
    Ok(RedbSettings { cache_bytes, ..RedbSettings::default() })
}

/// The keys of the pages of metadata under this metadata key.
pub(crate) fn page_keys(metadata_key: &Key32) -> PageKeys {
    PageKeys::new(Key32::from_slice(metadata_key.expose()).expect("a key has the length of a key"))
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
        // The data directory is locked.
        is_alone: true,
    }
}

/// Says what a root key that does not do means to the person who has to find the right one.
fn explain(error: BootstrapError, settings: &Settings) -> anyhow::Error {
    let explained = match &error {
        BootstrapError::RootKey { source, .. } => key_providers::explain(source, settings),
        _ => None,
    };
    let error = anyhow!(error);
    match explained {
        Some(sentence) => error.context(sentence),
        None => error,
    }
}

#[cfg(test)]
mod tests;

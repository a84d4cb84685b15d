//! Keys that the root key wraps outside of the rows whose meaning the store knows.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use coffer_keyring::{KeyError, RootKeys};

use crate::bootstrap::{BootstrapError, BootstrapKey};
use crate::error::StoreError;

/// Keys that the root key wraps and that somebody else keeps: a job that wraps everything anew asks for these too.
#[async_trait]
pub trait WrappedKeys: Send + Sync {
    /// What these keys are, in the plural: `KMS keys`.
    fn what(&self) -> &'static str;

    /// Looks at some keys after `after`, in an order of its own that stays the same, and with `rewrap` wraps anew those
    /// that the current generation of the root key has not wrapped. It never gives up a wrapped key for one that it has
    /// not unwrapped, and may be interrupted anywhere.
    ///
    /// # Errors
    /// [`StoreError`] when something cannot be asked; what was changed until then stays.
    async fn visit(&self, after: Option<&[u8]>, rewrap: bool) -> Result<WrappedKeysBatch, StoreError>;
}

/// What was found and done in one visit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WrappedKeysBatch {
    /// Keys that were wrapped anew.
    pub changed: u64,
    /// Keys that needed no change.
    pub left_alone: u64,
    /// Keys that could not be unwrapped, or that nobody knows the generation of.
    pub failed: u64,
    /// How many keys need each generation of the root key now.
    pub generations: BTreeMap<u32, u64>,
    /// Where the next visit starts; `None`: there are no more.
    pub next: Option<Vec<u8>>,
}

/// The metadata key in the bootstrap file of a store.
pub struct BootstrapFile {
    data: PathBuf,
    root: Arc<dyn RootKeys>,
}

impl BootstrapFile {
    /// The file in the data directory `data`, whose key `root` wraps.
    #[must_use]
    pub fn new(data: PathBuf, root: Arc<dyn RootKeys>) -> Self {
        Self { data, root }
    }

    async fn rewrap_or_count(&self, rewrap: bool) -> Result<WrappedKeysBatch, BootstrapError> {
        let mut batch = WrappedKeysBatch::default();
        let wrapped = BootstrapKey::read(&self.data)?;
        let generation = wrapped.root_generation(&*self.root);
        let current = self.root.describe();
        if generation == Some((current.root_id, current.generation)) {
            batch.left_alone = 1;
        } else if rewrap {
            wrapped.rewrap(&*self.root).await?;
            batch.changed = 1;
        }
        match BootstrapKey::read(&self.data)?.root_generation(&*self.root) {
            Some((root_id, generation)) if root_id == current.root_id => drop(batch.generations.insert(generation, 1)),
            _ => batch.failed = 1,
        }
        Ok(batch)
    }
}

/// One at a time: the file has no check-and-commit.
static CHANGING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

#[async_trait]
impl WrappedKeys for BootstrapFile {
    fn what(&self) -> &'static str {
        "metadata keys"
    }

    async fn visit(&self, _: Option<&[u8]>, rewrap: bool) -> Result<WrappedKeysBatch, StoreError> {
        let _turn = CHANGING.lock().await;
        match self.rewrap_or_count(rewrap).await {
            Ok(batch) => Ok(batch),
            Err(BootstrapError::RootKey { source: KeyError::WrongKey | KeyError::Damaged(_), path }) => {
                tracing::error!(path = %path.display(), "the metadata key cannot be unwrapped by the root key");
                Ok(WrappedKeysBatch { failed: 1, ..WrappedKeysBatch::default() })
            }
            Err(error) => Err(StoreError::Unavailable(error.to_string())),
        }
    }
}

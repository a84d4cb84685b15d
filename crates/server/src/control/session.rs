//! What a command works with.

use std::sync::Arc;

use coffer_keyring::{KeyAudit as _, KeyEvent, KeyOutcome};
use coffer_kms::Kms;
use tokio::sync::Mutex;

use crate::data::Data;
use crate::shutdown::Shutdown;

/// The store and what belongs to it. Every clone is the same.
#[derive(Clone)]
pub(crate) struct Administration {
    /// The store, open.
    pub(crate) data: Arc<Data>,
    /// The keys of the KMS.
    pub(crate) kms: Kms,
    /// One command that changes keys at a time.
    pub(crate) changing: Arc<Mutex<()>>,
}

impl Administration {
    /// Administration of the store of `data`, whose keys of the KMS are `kms`.
    pub(crate) fn new(data: Arc<Data>, kms: Kms) -> Self {
        Self { data, kms, changing: Arc::default() }
    }
}

/// One command of one operator.
pub(crate) struct Session {
    /// What it works with.
    pub(crate) administration: Administration,
    /// Who asked for it: `operator uid 1000`.
    pub(crate) who: String,
    progress: Progress,
    shutdown: Shutdown,
}

impl Session {
    /// A session of `who`, who sees `progress`, until `shutdown`.
    pub(crate) fn new(administration: Administration, who: String, progress: Progress, shutdown: Shutdown) -> Self {
        Self { administration, who, progress, shutdown }
    }

    /// Returns once the process is to end.
    pub(crate) async fn ending(&self) {
        self.shutdown.clone().draining().await;
    }

    /// Says how far it is, in a line without its end. Returns whether anybody is still there to see it.
    pub(crate) fn progress(&self, line: &str) -> bool {
        (self.progress.0)(line)
    }

    /// Notes what was done with a key.
    pub(crate) fn note(&self, action: &'static str, key: String, outcome: KeyOutcome, details: Vec<(String, String)>) {
        self.administration.data.audit.record(KeyEvent { action, key, who: self.who.clone(), outcome, details });
    }
}

/// Shows lines to the operator.
pub(crate) struct Progress(Box<dyn Fn(&str) -> bool + Send + Sync>);

impl Progress {
    /// Shows lines by `show`, which says whether anybody is still there.
    pub(crate) fn new(show: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        Self(Box::new(show))
    }
}

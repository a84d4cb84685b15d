//! The audit log of keys beside the server: where it keeps how far the log was signed, and what it counts of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use anyhow::Result;
use coffer_audit::{AuditLog, Checkpoint, EarlierKeys, Verified};
use coffer_keyring::{KeyAudit as _, KeyEvent, KeyOutcome};
use coffer_meta::Engine;
use coffer_store::{Bootstrap, RowChanges, RowTable, Store, StoreError};
use minicbor::{Decode, Encode};

use crate::data::Data;
use crate::metrics::Metrics;
use crate::shutdown::Shutdown;

/// How often the last checkpoint is kept among the rows of the store.
const KEPT_EVERY: Duration = Duration::from_secs(30);
/// The key of the row of the last checkpoint.
const LAST: &[u8] = b"checkpoint";
/// The key of the row of what earlier metadata keys left.
pub(crate) const EARLIER: &[u8] = b"earlier-keys";

/// How far the log was signed. Its row is what shows that the end of the log is missing.
#[derive(Encode, Decode)]
#[cbor(map)]
struct CheckpointRecord {
    #[n(0)]
    number: u64,
    #[cbor(n(1), with = "minicbor::bytes")]
    hash: [u8; 32],
}

/// What is left of the keys of the log under earlier metadata keys.
#[derive(Encode, Decode, Default)]
#[cbor(map)]
pub(crate) struct EarlierKeysRecord {
    #[n(0)]
    pub(crate) keys: Vec<EarlierKeys>,
}

/// Reads what is left of the keys of the log under earlier metadata keys.
///
/// # Errors
/// When the engine fails, or the row is damaged.
pub(crate) async fn earlier_keys(bootstrap: &Bootstrap, engine: &dyn Engine) -> Result<EarlierKeysRecord, StoreError> {
    Ok(bootstrap.row(engine, RowTable::Audit, EARLIER).await?.unwrap_or_default())
}

/// Notes that a process has opened the store.
pub(crate) fn note_start(data: &Data) {
    let root = data.root.describe();
    data.audit.record(KeyEvent {
        action: "coffer:OpenStore",
        key: root.audit_name(),
        who: "coffer".to_owned(),
        outcome: KeyOutcome::Done,
        details: vec![("version".to_owned(), env!("CARGO_PKG_VERSION").to_owned())],
    });
}

/// The checkpoint that was kept last; `None` before the first.
///
/// # Errors
/// When the store fails.
pub(crate) async fn kept_checkpoint(store: &Store) -> Result<Option<Checkpoint>, StoreError> {
    let (record, _) = store.row::<CheckpointRecord>(RowTable::Audit, LAST).await?;
    Ok(record.map(|record| Checkpoint { number: record.number, hash: record.hash }))
}

/// Whether the log is what was written, as it was found after the start.
#[derive(Default)]
pub(crate) struct AuditHealth(AtomicU8);

impl AuditHealth {
    const INTACT: u8 = 1;
    const BROKEN: u8 = 2;

    /// `None` until it is known.
    pub(crate) fn is_intact(&self) -> Option<bool> {
        match self.0.load(Ordering::Relaxed) {
            Self::INTACT => Some(true),
            Self::BROKEN => Some(false),
            _ => None,
        }
    }

    fn found(&self, is_intact: bool) {
        self.0.store(if is_intact { Self::INTACT } else { Self::BROKEN }, Ordering::Relaxed);
    }
}

/// Verifies the whole log, which must have the checkpoint that was kept last, and those of `others`.
///
/// # Errors
/// A sentence for a person.
pub(crate) async fn verify(data: &Data, others: &[Checkpoint]) -> Result<Verified> {
    let kept: Vec<_> = kept_checkpoint(&data.store).await?.into_iter().chain(others.iter().copied()).collect();
    let (folder, store_id, keys) = (data.audit_folder.clone(), *data.store.id(), Arc::clone(&data.audit_keys));
    let verified =
        tokio::task::spawn_blocking(move || coffer_audit::verify(&folder, &store_id, keys.public_keys(), &kept));
    Ok(verified.await??)
}

/// Verifies the log as it was found, and then keeps the last checkpoint now and then, until the shutdown begins.
pub(crate) async fn watch(data: Arc<Data>, metrics: Arc<Metrics>, mut shutdown: Shutdown) {
    let verified = tokio::select! {
        () = shutdown.draining() => return,
        verified = verify(&data, &[]) => verified,
    };
    metrics.audit.found(verified.is_ok());
    if let Err(error) = verified {
        // The row stays as it is: it is what shows that something is missing.
        return tracing::error!(error = &*error.to_string(), "the audit log of keys is not what was written");
    }
    loop {
        tokio::select! {
            () = shutdown.draining() => return,
            () = tokio::time::sleep(KEPT_EVERY) => {}
        }
        if let Err(error) = keep_checkpoint(&data.store, &data.audit).await {
            tracing::error!(%error, "the checkpoint of the audit log of keys could not be kept");
        }
    }
}

/// Ends the log, and keeps its last checkpoint if it is intact.
///
/// # Errors
/// When the store fails.
pub(crate) async fn finish(data: &Data, metrics: &Metrics) -> Result<()> {
    let audit = Arc::clone(&data.audit);
    tokio::task::spawn_blocking(move || audit.close()).await?;
    if metrics.audit.is_intact() == Some(true) {
        keep_checkpoint(&data.store, &data.audit).await?;
    }
    let checkpoint = data.audit.status().signed.text();
    tracing::info!(checkpoint, "the audit log of keys is signed");
    Ok(())
}

/// Keeps the last checkpoint among the rows of the store.
///
/// # Errors
/// When the store fails.
pub(crate) async fn keep_checkpoint(store: &Store, audit: &AuditLog) -> Result<(), StoreError> {
    let signed = audit.status().signed;
    if kept_checkpoint(store).await?.is_some_and(|kept| kept == signed) {
        return Ok(());
    }
    let mut changes = RowChanges::new();
    let record = CheckpointRecord { number: signed.number, hash: signed.hash };
    changes.put(store, RowTable::Audit, LAST, &record);
    store.commit_rows(changes).await.map(drop)
}

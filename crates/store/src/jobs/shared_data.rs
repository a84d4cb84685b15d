//! Sealed data that other objects name as well, and so can still show.

use std::collections::BTreeMap;

use coffer_blob::BlobId;
use coffer_meta::{Commit, Direction, Entry, KeyRange, Snapshot};

use super::stage::Failure;
use crate::error::{StoreError, unless_damaged};
use crate::records::{BlobReferenceRecord, GarbageRecord, PartRecord, SharedBlob, ShredFacts};
use crate::store::Store;
use crate::tables::{self, Table};

/// Blobs that a job keeps in mind at most.
const MOST_CANDIDATES: usize = 4096;
/// Garbage rows that are looked at at a time.
const PAGE: usize = 256;

/// Who else names some blobs.
pub(super) struct Sharing {
    /// How often others do, garbage not counted.
    pub(super) others: u64,
    /// The references as they were found.
    references: Vec<Entry>,
}

impl Sharing {
    /// Makes a commit hold only while nobody has come to name one of the blobs.
    pub(super) fn check(&self, commit: &mut Commit) {
        for row in &self.references {
            commit.check(row.key.clone(), Some(row.value.clone()));
        }
    }
}

impl Store {
    /// How often records name blobs, besides those that do so as often as `own` says.
    pub(super) async fn sharing(&self, own: &BTreeMap<SharedBlob, u64>) -> Result<Sharing, StoreError> {
        let snapshot = self.0.engine.snapshot().await?;
        let (mut references, mut others) = (Vec::new(), BTreeMap::new());
        for (blob, own) in own {
            let key = tables::blob_reference(BlobId(blob.0));
            let Some(value) = snapshot.get(&key).await? else { continue };
            let record: BlobReferenceRecord = self.open_system(Table::BlobReference, &key, &value)?;
            if record.count > *own {
                others.insert(*blob, record.count - own);
            }
            references.push(Entry { key: key.into(), value });
        }
        if !others.is_empty() {
            self.leave_out_garbage(&*snapshot, &mut others).await?;
        }
        Ok(Sharing { others: others.values().sum(), references })
    }

    async fn leave_out_garbage(
        &self,
        snapshot: &dyn Snapshot,
        others: &mut BTreeMap<SharedBlob, u64>,
    ) -> Result<(), StoreError> {
        let prefix = Table::Garbage.prefix();
        let mut range = KeyRange::prefix(&prefix);
        loop {
            let rows = snapshot.scan(range, PAGE, Direction::Forward).await?;
            for row in &rows {
                let record = self.open_system::<GarbageRecord>(Table::Garbage, &row.key, &row.value);
                let Some(record) = unless_damaged("shredding", record)? else { continue };
                for blob in record.blobs {
                    let blob = blob.0.try_into().ok().map(SharedBlob);
                    if let Some(count) = blob.and_then(|blob| others.get_mut(&blob)) {
                        *count = count.saturating_sub(1);
                    }
                }
            }
            match rows.last() {
                Some(last) if rows.len() == PAGE => range = KeyRange::prefix_after(&prefix, &last.key),
                _ => return Ok(()),
            }
        }
    }

    /// Keeps in mind those of the blobs that `parts` name that others may name as well.
    pub(super) async fn note_candidates(&self, facts: &mut ShredFacts, parts: &[PartRecord]) -> Result<(), Failure> {
        for part in parts.iter().filter(|part| !part.inline) {
            let blob = SharedBlob(part.locator);
            if let Some(own) = facts.candidates.get_mut(&blob) {
                *own += 1;
                continue;
            }
            let row = tables::blob_reference(part.blob());
            let reference = self.system_row::<BlobReferenceRecord>(Table::BlobReference, &row).await;
            let reference = unless_damaged("shredding", reference)?.flatten();
            if reference.is_none_or(|(record, _)| record.count < 2) {
                continue;
            }
            if facts.candidates.len() < MOST_CANDIDATES {
                facts.candidates.insert(blob, 1);
            } else {
                facts.too_many_candidates = true;
            }
        }
        Ok(())
    }
}

/// How often the parts name each blob.
pub(super) fn blobs_of(parts: &[PartRecord]) -> BTreeMap<SharedBlob, u64> {
    let mut blobs = BTreeMap::new();
    for part in parts.iter().filter(|part| !part.inline) {
        *blobs.entry(SharedBlob(part.locator)).or_default() += 1;
    }
    blobs
}

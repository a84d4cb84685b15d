//! What still has old keys, as of one moment.

use std::collections::HashSet;

use coffer_meta::{Direction, Entry, KeyRange, Snapshot};

use super::WITH_KEYS;
use super::data::Resealer;
use crate::bucket::Bucket;
use crate::error::{StoreError, unless_damaged};
use crate::jobs::runner::JobRunner;
use crate::jobs::stage::Failure;
use crate::jobs::walk::TABLES;
use crate::names::InstanceId;
use crate::records::{JobRecord, ObjectRecord, PartListRecord, PartRecord, UploadPartRecord, UploadRecord};
use crate::sealing::EncryptionMode;
use crate::tables::{self, Table};
use crate::versions::open_noncurrent;

/// What a count found.
#[derive(Default)]
pub(super) struct OldKeys {
    /// Rows of the bucket.
    pub(super) rows: u64,
    /// Those of them that may have keys which were drawn for data.
    pub(super) with_keys: u64,
    /// Versions, uploads and parts of uploads with old keys, but for those under customers' keys.
    pub(super) old: u64,
    /// Those under customers' keys.
    pub(super) customers: u64,
    /// Bytes of data under old keys, but for those under customers' keys.
    pub(super) bytes: u64,
    /// Uploads under customers' keys.
    customers_uploads: HashSet<[u8; 16]>,
}

/// Rows that are read at once.
const PAGE: usize = 1000;

impl JobRunner {
    /// Counts what has old keys. A snapshot sees everything once, whatever is moved meanwhile.
    pub(super) async fn find_old_keys(&self, job: &JobRecord) -> Result<OldKeys, Failure> {
        let resealer = self.resealer(job)?;
        let snapshot = self.store.0.engine.snapshot().await.map_err(StoreError::from)?;
        // Looked up afterwards: it has every key that something is sealed under in the snapshot.
        let bucket = self.bucket_of(job).await?;
        let mut found = OldKeys::default();
        for table in TABLES {
            let prefix = tables::of_bucket(table, bucket.id());
            let mut range = KeyRange::prefix(&prefix);
            loop {
                let rows = snapshot.scan(range, PAGE, Direction::Forward).await.map_err(StoreError::from)?;
                for row in &rows {
                    let counted = resealer.count(&*snapshot, &bucket, table, row, &mut found).await;
                    // The count of generations, which comes later, says how many there are.
                    unless_damaged("counting older keys", counted)?;
                }
                found.rows += rows.len() as u64;
                if WITH_KEYS.contains(&table) {
                    found.with_keys += rows.len() as u64;
                }
                match rows.last().filter(|_| rows.len() == PAGE) {
                    Some(last) => range = KeyRange::prefix_after(&prefix, &last.key),
                    None => break,
                }
            }
        }
        Ok(found)
    }
}

impl Resealer {
    async fn count(
        &self,
        snapshot: &dyn Snapshot,
        bucket: &Bucket,
        table: Table,
        row: &Entry,
        found: &mut OldKeys,
    ) -> Result<(), StoreError> {
        let keys = bucket.keys();
        match table {
            Table::Upload => {
                let record: UploadRecord = keys.open(table, &row.key, &row.value)?;
                let is_customers = record.seal.mode()? == EncryptionMode::SseC;
                if is_customers {
                    found.customers_uploads.insert(record.upload_id);
                }
                found.add(self.is_old(record.seal.since), is_customers, 0);
            }
            Table::Part => {
                let record: UploadPartRecord = keys.open(table, &row.key, &row.value)?;
                let upload_id: Option<&[u8; 16]> = row.key.get(17..).and_then(<[u8]>::first_chunk);
                let is_customers = upload_id.is_some_and(|id| found.customers_uploads.contains(id));
                found.add(self.is_old(record.part.since), is_customers, record.part.plain_len);
            }
            Table::Object => {
                let record: ObjectRecord = keys.open(table, &row.key, &row.value)?;
                self.count_version(snapshot, bucket, &record, found).await?;
            }
            Table::Version => {
                let version = open_noncurrent(bucket, row.key.to_vec(), row.value.clone())?;
                if let Some(record) = version.object() {
                    self.count_version(snapshot, bucket, record, found).await?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    async fn count_version(
        &self,
        snapshot: &dyn Snapshot,
        bucket: &Bucket,
        record: &ObjectRecord,
        found: &mut OldKeys,
    ) -> Result<(), StoreError> {
        let mut bytes = 0;
        let mut is_old = self.is_old(record.seal.since);
        let mut look_at = |parts: &[PartRecord]| {
            for part in parts.iter().filter(|part| self.is_old(part.since)) {
                bytes += part.plain_len;
                is_old = true;
            }
        };
        look_at(&record.parts);
        for index in 0..record.part_list_rows {
            let row = tables::part_list(bucket.id(), InstanceId(record.instance_id), index);
            let sealed = snapshot.get(&row).await?;
            let sealed = sealed.ok_or_else(|| StoreError::Damaged("a part list is missing".to_owned()))?;
            look_at(&bucket.keys().open::<PartListRecord>(Table::PartList, &row, &sealed)?.parts);
        }
        found.add(is_old, record.seal.mode()? == EncryptionMode::SseC, bytes);
        Ok(())
    }
}

impl OldKeys {
    fn add(&mut self, is_old: bool, is_customers: bool, bytes: u64) {
        match (is_old, is_customers) {
            (true, true) => self.customers += 1,
            (true, false) => {
                self.old += 1;
                self.bytes += bytes;
            }
            (false, _) => {}
        }
    }
}

//! Going through the rows of buckets with rules.

use std::ops::Bound;

use coffer_configuration::LifecycleConfiguration;
use coffer_meta::{Direction, Entry, KeyRange};
use tokio::task::JoinSet;

use super::plan::{Effect, Plan, plan, rules};
use super::{LifecycleJob, LifecycleProgress};
use crate::bucket::Bucket;
use crate::error::{Committed, StoreError, unless_damaged};
use crate::names::BucketName;
use crate::records::LifecyclePosition;
use crate::store::Store;
use crate::tables::{self, Table};

/// The tables of a bucket in the order in which they are gone through: a delete marker hides nothing once the versions
/// that it hid are gone.
const PASSES: [Table; 4] = [Table::Version, Table::DeleteMarker, Table::Object, Table::Upload];
/// Rows that are looked at in one step.
const BATCH: usize = 256;
/// Changes that are made at once, so that their commits share syncs.
const AT_ONCE: usize = 32;
/// Buckets that are looked at in one step.
const BUCKETS: usize = 100;
/// How often a change is decided again because something has changed meanwhile.
const TRIES: usize = 3;

/// Where a walk is within the versions of a key.
pub(super) struct Carry {
    /// Where the job's row says it is: the first version of the key.
    from: Vec<u8>,
    /// The last row that was looked at.
    after: Vec<u8>,
    count: NewerVersions,
}

/// Counts the noncurrent versions of a key that stay, the newest first.
#[derive(Default)]
struct NewerVersions {
    key: Vec<u8>,
    count: u32,
}

impl NewerVersions {
    /// How many versions of `key` stay that are newer than the one that comes now.
    fn of(&mut self, key: Vec<u8>) -> u32 {
        if self.key != key {
            *self = Self { key, count: 0 };
        }
        self.count
    }
}

impl LifecyclePosition {
    fn after_bucket(self) -> Self {
        Self { bucket: self.bucket, table: None, from: Vec::new() }
    }

    fn at_pass(bucket: &[u8], pass: usize) -> Self {
        Self { bucket: bucket.to_vec(), table: PASSES.get(pass).map(|table| table.letter()), from: Vec::new() }
    }
}

impl LifecycleJob {
    /// Does a batch, and returns where the next one starts; `None` after the last.
    pub(super) async fn walk(
        &mut self,
        position: LifecyclePosition,
    ) -> Result<(Option<LifecyclePosition>, LifecycleProgress), StoreError> {
        let carry = self.carry.take().filter(|carry| carry.from == position.from);
        let Some(pass) = PASSES.iter().position(|table| Some(table.letter()) == position.table) else {
            return Ok((self.next_bucket(&position.bucket).await?, LifecycleProgress::default()));
        };
        let Some(bucket) = self.bucket_with_rules(&position.bucket).await? else {
            return Ok((Some(position.after_bucket()), LifecycleProgress::default()));
        };
        let Some(range) = rules(&bucket).and_then(|rules| range(&bucket, PASSES[pass], rules)) else {
            let next = LifecyclePosition::at_pass(&position.bucket, pass + 1);
            return Ok((Some(next), LifecycleProgress::default()));
        };
        let start = match &carry {
            Some(carry) => Bound::Excluded(carry.after.clone()),
            None if position.from.is_empty() => range.start,
            None => Bound::Included(position.from.clone()),
        };
        let rows = self.store.0.engine.scan(KeyRange { start, ..range }, BATCH, Direction::Forward).await?;
        let mut count = carry.map(|carry| carry.count).unwrap_or_default();
        let progress = self.visit_all(&bucket, PASSES[pass], &rows, &mut count).await?;
        let next = match rows.last().filter(|_| rows.len() == BATCH) {
            None => LifecyclePosition::at_pass(&position.bucket, pass + 1),
            Some(last) if PASSES[pass] == Table::Version => {
                let from = tables::versions_of(bucket.id(), &count.key);
                self.carry = Some(Carry { from: from.clone(), after: last.key.to_vec(), count });
                LifecyclePosition { from, ..position }
            }
            Some(last) => LifecyclePosition { from: [&last.key[..], &[0]].concat(), ..position },
        };
        Ok((Some(next), progress))
    }

    /// The first pass of the next bucket with rules, or how far the search for one has come.
    async fn next_bucket(&self, after: &[u8]) -> Result<Option<LifecyclePosition>, StoreError> {
        let prefix = Table::Bucket.prefix();
        let range = KeyRange::prefix_after(&prefix, &[&prefix[..], after].concat());
        let rows = self.store.0.engine.scan(range, BUCKETS, Direction::Forward).await?;
        for row in &rows {
            let name = &row.key[prefix.len()..];
            if self.bucket_with_rules(name).await?.is_some() {
                return Ok(Some(LifecyclePosition::at_pass(name, 0)));
            }
        }
        let last = rows.last().filter(|_| rows.len() == BUCKETS);
        Ok(last.map(|row| LifecyclePosition { bucket: row.key[prefix.len()..].to_vec(), ..Default::default() }))
    }

    /// The bucket of this name, if it is there and has rules.
    async fn bucket_with_rules(&self, name: &[u8]) -> Result<Option<Bucket>, StoreError> {
        let Some(name) = std::str::from_utf8(name).ok().and_then(BucketName::for_lookup) else { return Ok(None) };
        let bucket = match self.store.bucket(&name).await {
            Err(StoreError::NoSuchBucket) => return Ok(None),
            bucket => unless_damaged("lifecycle", bucket)?,
        };
        Ok(bucket.filter(|bucket| rules(bucket).is_some()))
    }

    async fn visit_all(
        &self,
        bucket: &Bucket,
        table: Table,
        rows: &[Entry],
        count: &mut NewerVersions,
    ) -> Result<LifecycleProgress, StoreError> {
        let mut progress = LifecycleProgress { looked_at: rows.len() as u64, ..LifecycleProgress::default() };
        let mut tasks = JoinSet::new();
        for row in rows {
            let newer = tables::parse_version(&row.key).map_or(0, |(key, ..)| count.of(key));
            let visit =
                Visit { store: self.store.clone(), bucket: bucket.clone(), table, newer, day_ms: self.settings.day_ms };
            match unless_damaged("lifecycle", visit.plan(row).await)? {
                None => {}
                Some(Plan::Nothing) => count.count = count.count.saturating_add(1),
                Some(Plan::Locked) => {
                    count.count = count.count.saturating_add(1);
                    progress.locked += 1;
                }
                Some(Plan::Change(commit, effect)) => {
                    if !matches!(effect, Effect::Expired) {
                        count.count = count.count.saturating_add(1);
                    }
                    tasks.spawn(visit.make(row.clone(), Plan::Change(commit, effect)));
                }
            }
            if tasks.len() >= AT_ONCE {
                take_all(&mut tasks, &mut progress).await?;
            }
        }
        take_all(&mut tasks, &mut progress).await?;
        Ok(progress)
    }
}

/// Waits for changes and counts what became of them.
async fn take_all(
    tasks: &mut JoinSet<Result<Option<Effect>, StoreError>>,
    progress: &mut LifecycleProgress,
) -> Result<(), StoreError> {
    while let Some(task) = tasks.join_next().await {
        let result = task.map_err(|_| StoreError::Unavailable("the store is stopping".to_owned()))?;
        match unless_damaged("lifecycle", result)?.flatten() {
            Some(Effect::Expired) => progress.expired += 1,
            Some(Effect::Transitioned) => progress.transitioned += 1,
            Some(Effect::Aborted(_)) => progress.aborted += 1,
            None => {}
        }
    }
    Ok(())
}

/// One row, and what is needed to decide about it.
struct Visit {
    store: Store,
    bucket: Bucket,
    table: Table,
    /// How many noncurrent versions of its key are newer.
    newer: u32,
    day_ms: u64,
}

impl Visit {
    async fn plan(&self, row: &Entry) -> Result<Plan, StoreError> {
        plan(&self.store, &self.bucket, self.table, row, self.newer, self.day_ms).await
    }

    /// Makes a change; if something has changed meanwhile, what is due then, if anything still is.
    async fn make(mut self, mut row: Entry, mut planned: Plan) -> Result<Option<Effect>, StoreError> {
        for _ in 0..TRIES {
            let Plan::Change(commit, effect) = planned else { return Ok(None) };
            if let Committed::Yes = self.store.commit(commit).await? {
                if let Effect::Aborted(upload_id) = effect {
                    self.store.remove_left_parts(&self.bucket, upload_id).await?;
                }
                return Ok(Some(effect));
            }
            self.bucket = match self.store.same_bucket(&self.bucket).await {
                Err(StoreError::NoSuchBucket) => return Ok(None),
                bucket => bucket?,
            };
            let Some(sealed) = self.store.0.engine.get(&row.key).await? else { return Ok(None) };
            row.value = sealed;
            planned = self.plan(&row).await?;
        }
        Ok(None)
    }
}

/// The rows of a table that rules may be for; `None` if there are none such.
fn range(bucket: &Bucket, table: Table, rules: &LifecycleConfiguration) -> Option<KeyRange> {
    let prefix = rules.common_prefix().as_bytes();
    let start = match table {
        Table::Upload if rules.aborts_uploads() => tables::uploads_with_prefix(bucket.id(), prefix),
        Table::Upload => return None,
        _ if !rules.changes_objects() => return None,
        Table::Object => [&tables::of_bucket(table, bucket.id())[..], prefix].concat(),
        _ if bucket.versioning().is_none() => return None,
        Table::Version => tables::versions_with_prefix(bucket.id(), prefix),
        _ => [&tables::of_bucket(table, bucket.id())[..], prefix].concat(),
    };
    Some(KeyRange::prefix(&start))
}

//! Rotating the root key, wrapping anew what it wraps, and destroying its generations.

use std::collections::BTreeMap;

use coffer_keyring::{GenerationState, KeyError};
use coffer_meta::{Commit, Direction, Entry, KeyRange};

use super::runner::JobRunner;
use super::spec::JobSpec;
use super::stage::Failure;
use crate::error::{Committed, StoreError, unless_damaged};
use crate::keys;
use crate::records::{BucketRecord, JobPosition, JobRecord, RootGenerationRecord, WrappedKeyRecord};
use crate::tables::Table;

/// Buckets that are looked at in one batch.
const BATCH: usize = 32;
/// How often a bucket is looked at again because it has changed meanwhile.
const TRIES: usize = 10;

/// What reports call the root key.
pub(super) const ROOT_KEY: &str = "root key";

/// What became of the keys of a bucket.
#[derive(Default)]
struct Visited {
    changed: u64,
    left_alone: u64,
    failed: u64,
    generations: BTreeMap<u32, u64>,
}

impl JobRunner {
    /// Makes a new generation of the root key: first notes which one there is, so that it is done once.
    pub(super) async fn rotate_root(&self, job: &mut JobRecord) -> Result<Option<JobPosition>, Failure> {
        let now = self.root_generation();
        if job.position.part == 0 {
            job.facts.root_before = Some(now);
            return Ok(Some(JobPosition { part: 1, ..job.position.clone() }));
        }
        if job.facts.root_before == Some(now) {
            match self.store.0.root.rotate().await {
                Ok(_) => {}
                Err(error) if job.keeps_root_because_of(&error) => {}
                Err(KeyError::Unsupported(why)) => return Err(Failure::Final(followed(why))),
                // Nothing was begun, and who asked for it learns why.
                Err(error @ KeyError::Denied(_)) => return Err(Failure::Final(followed(&error.to_string()))),
                Err(error) => return Err(Failure::Later(error.into())),
            }
        }
        Ok(None)
    }

    fn root_generation(&self) -> RootGenerationRecord {
        let root = self.store.0.root.describe();
        RootGenerationRecord { root_id: root.root_id, generation: root.generation }
    }

    /// Looks at the keys of some buckets; with `rewrap` wraps those anew that an older root key wraps, else counts.
    pub(super) async fn visit_bucket_keys(
        &self,
        job: &mut JobRecord,
        rewrap: bool,
    ) -> Result<Option<JobPosition>, Failure> {
        if job.position.after.is_empty() {
            // Whoever has wrapped a key by now and not stored it yet does not store it any more.
            self.store.move_root_fence().await?;
            if rewrap {
                // A provider elsewhere may have rotated by itself.
                self.store.0.root.generations().await.map_err(StoreError::from)?;
                job.facts.generation = Some(self.root_generation().generation);
            } else {
                self.begin_count(job).await?;
            }
        }
        let prefix = Table::Bucket.prefix();
        let after = if job.position.after.is_empty() { &prefix } else { &job.position.after };
        let range = KeyRange::prefix_after(&prefix, after);
        let rows = self.store.0.engine.scan(range, BATCH, Direction::Forward).await.map_err(StoreError::from)?;
        for row in &rows {
            let visited = self.visit_bucket_row(row.clone(), rewrap).await;
            let visited = unless_damaged("wrapping bucket keys", visited)?;
            let visited = visited.unwrap_or_else(|| Visited { failed: 1, ..Visited::default() });
            job.counts.looked_at += visited.changed + visited.left_alone + visited.failed;
            job.add(visited.changed, visited.left_alone, visited.failed, rewrap, &visited.generations);
        }
        let last = rows.last().filter(|_| rows.len() == BATCH);
        Ok(last.map(|last| JobPosition { after: last.key.to_vec(), ..job.position.clone() }))
    }

    async fn begin_count(&self, job: &mut JobRecord) -> Result<(), Failure> {
        let all = self.store.0.root.generations().await.map_err(StoreError::from)?;
        let there = all.iter().filter(|known| known.state != GenerationState::Destroyed);
        job.facts.references = there.map(|known| (known.generation, 0)).collect();
        job.facts.unreadable = 0;
        job.facts.counted = Some("root key".to_owned());
        Ok(())
    }

    async fn visit_bucket_row(&self, mut row: Entry, rewrap: bool) -> Result<Visited, StoreError> {
        let store = &self.store;
        for _ in 0..TRIES {
            let mut record: BucketRecord = store.open_system(Table::Bucket, &row.key, &row.value)?;
            let mut visited = Visited::default();
            let fence = store.root_fence().await?;
            for key in &mut record.keys {
                let rewrapped = if rewrap { self.rewrap_bucket_key(record.id, key).await? } else { Rewrapped::Not };
                match rewrapped {
                    Rewrapped::Yes(record) => {
                        *key = record;
                        visited.changed += 1;
                    }
                    Rewrapped::Not => visited.left_alone += 1,
                    Rewrapped::Failed => visited.failed += 1,
                }
                match store.0.root.generation_of(&key.wrapped) {
                    Ok((root_id, generation)) if root_id == self.root_generation().root_id => {
                        *visited.generations.entry(generation).or_default() += 1
                    }
                    _ if rewrap => {}
                    _ => visited.failed += 1,
                }
            }
            if visited.changed == 0 {
                return Ok(visited);
            }
            let sealed = store.seal_system(Table::Bucket, &row.key, &record);
            let mut commit = Commit::new();
            commit.check(row.key.clone(), Some(row.value.clone())).put(row.key.clone(), sealed);
            fence.check(&mut commit);
            if let Committed::Yes = store.commit(commit).await? {
                return Ok(visited);
            }
            let Some(value) = store.0.engine.get(&row.key).await? else { return Ok(Visited::default()) };
            row.value = value;
        }
        Err(StoreError::Contention)
    }

    async fn rewrap_bucket_key(&self, bucket_id: [u8; 16], key: &WrappedKeyRecord) -> Result<Rewrapped, StoreError> {
        let root = &*self.store.0.root;
        let RootGenerationRecord { root_id, generation } = self.root_generation();
        if root.generation_of(&key.wrapped).is_ok_and(|by| by == (root_id, generation)) {
            return Ok(Rewrapped::Not);
        }
        match keys::rewrap(root, bucket_id, key).await {
            Ok(record) => Ok(Rewrapped::Yes(record)),
            Err(error @ (KeyError::WrongKey | KeyError::Damaged(_) | KeyError::UnknownGeneration(_))) => {
                let bucket = hex::encode(bucket_id);
                tracing::error!(bucket, generation = key.generation, %error, "a bucket key cannot be unwrapped");
                Ok(Rewrapped::Failed)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Has those who keep other wrapped keys look at some.
    pub(super) async fn visit_elsewhere(
        &self,
        job: &mut JobRecord,
        rewrap: bool,
    ) -> Result<Option<JobPosition>, Failure> {
        let Some(keeper) = self.environment.elsewhere.get(job.position.part as usize) else { return Ok(None) };
        let after = Some(&job.position.after[..]).filter(|after| !after.is_empty());
        let batch = keeper.visit(after, rewrap).await?;
        job.counts.looked_at += batch.changed + batch.left_alone;
        job.add(batch.changed, batch.left_alone, batch.failed, rewrap, &batch.generations);
        let part = job.position.part;
        Ok(Some(match batch.next {
            Some(after) => JobPosition { after, ..job.position.clone() },
            None => JobPosition { part: part + 1, after: Vec::new(), ..job.position.clone() },
        }))
    }

    /// Destroys the generations that the job names.
    pub(super) async fn destroy_root(&self, job: &mut JobRecord) -> Result<Option<JobPosition>, Failure> {
        let root = &self.store.0.root;
        let all = root.generations().await.map_err(StoreError::from)?;
        let current = self.root_generation();
        let doomed: Vec<u32> = match &job.spec {
            JobSpec::DestroyRootGeneration { generation, .. } => vec![*generation],
            JobSpec::Shred { .. } if !job.keeps_root() => job.counted_before(),
            _ => Vec::new(),
        };
        job.refuse_if_needed("root key", &doomed)?;
        for generation in doomed {
            let state = all.iter().find(|known| known.generation == generation).map(|known| known.state);
            if state != Some(GenerationState::Destroyed) {
                match root.destroy_generation(generation).await {
                    Ok(()) => {}
                    Err(error) if job.keeps_root_because_of(&error) => return Ok(None),
                    Err(error @ KeyError::Unavailable(_)) => return Err(Failure::Later(error.into())),
                    Err(error) => return Err(Failure::Final(error.to_string())),
                }
            }
            self.keep_destroyed(job, ROOT_KEY, hex::encode(current.root_id), generation);
        }
        Ok(None)
    }
}

/// Why a provider does not rotate, and what is left to do.
fn followed(why: &str) -> String {
    format!(
        "{why}. Once the root key was rotated at its provider, `coffer key rotate-root --rewrap-only` brings everything \
         under the new generation"
    )
}

enum Rewrapped {
    Yes(WrappedKeyRecord),
    Not,
    Failed,
}

impl JobRecord {
    fn add(&mut self, changed: u64, left_alone: u64, failed: u64, rewrap: bool, generations: &BTreeMap<u32, u64>) {
        if rewrap {
            self.counts.changed += changed;
            self.counts.left_alone += left_alone;
            self.counts.failed += failed;
            return;
        }
        self.facts.unreadable += failed;
        for (generation, count) in generations {
            *self.facts.references.entry(*generation).or_default() += count;
        }
    }

    /// The generations that were counted and are older than the one under which everything has come.
    pub(super) fn counted_before(&self) -> Vec<u32> {
        let generation = self.facts.generation.unwrap_or(0);
        self.facts.references.range(..generation).map(|(older, _)| *older).collect()
    }

    /// Refuses to destroy generations that something needs, or may need.
    pub(super) fn refuse_if_needed(&self, what: &str, doomed: &[u32]) -> Result<(), Failure> {
        let needed: u64 = doomed.iter().filter_map(|generation| self.facts.references.get(generation)).sum();
        if needed > 0 {
            return Err(Failure::Final(format!(
                "{needed} still refer to what was to be destroyed of the {what}: nothing was destroyed of it"
            )));
        }
        if self.facts.unreadable > 0 {
            return Err(Failure::Final(format!(
                "{} could not be opened, and may need what was to be destroyed of the {what}: nothing was destroyed of it",
                self.facts.unreadable
            )));
        }
        Ok(())
    }
}

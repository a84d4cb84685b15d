//! Material comes under the root key that wraps now.

use std::sync::Arc;

use async_trait::async_trait;
use coffer_crypto::ct_eq;
use coffer_keyring::{KeyError, KmsError, RootKeys};
use coffer_store::{RootFence, RowChanges, RowTable, Store, StoreError, WrappedKeys, WrappedKeysBatch};

use crate::change::MOST_TRIES;
use crate::error::{contention, from_store};
use crate::material::context;
use crate::names::KeyId;
use crate::records::{KeyRecord, MaterialRecord, key_row};
use crate::settings::Kms;

/// Keys that are looked at at a time.
const BATCH: usize = 32;

/// The material of the keys in a store that the root key wraps. What the provider of a custom key store wraps is not among
/// it.
pub struct WrappedMaterial {
    store: Store,
    root: Arc<dyn RootKeys>,
}

impl WrappedMaterial {
    /// The material in `store`, wrapped by `root`.
    #[must_use]
    pub fn new(store: Store, root: Arc<dyn RootKeys>) -> Self {
        Self { store, root }
    }

    /// Looks at the material of a key, whose row may have changed since it was found.
    async fn visit_key(&self, id: &KeyId, rewrap: bool, batch: &mut WrappedKeysBatch) -> Result<(), StoreError> {
        for _ in 0..MOST_TRIES {
            let row = key_row(id);
            let (found, version) = self.store.row::<KeyRecord>(RowTable::Kms, &row).await?;
            let Some(mut found) = found.filter(|key| key.key_store.is_none()) else { return Ok(()) };
            let fence = self.store.root_fence().await?;
            let mut visited = WrappedKeysBatch::default();
            for material in &mut found.materials {
                self.visit_material(id, material, rewrap, &mut visited).await?;
            }
            if visited.changed > 0 {
                let mut changes = RowChanges::new();
                changes.check_root_fence(&fence).check(RowTable::Kms, &row, version);
                changes.put(&self.store, RowTable::Kms, &row, &found);
                if !self.store.commit_rows(changes).await? {
                    continue;
                }
            }
            batch.changed += visited.changed;
            batch.left_alone += visited.left_alone;
            batch.failed += visited.failed;
            for (generation, count) in visited.generations {
                *batch.generations.entry(generation).or_default() += count;
            }
            return Ok(());
        }
        Err(StoreError::Contention)
    }

    async fn visit_material(
        &self,
        id: &KeyId,
        material: &mut MaterialRecord,
        rewrap: bool,
        visited: &mut WrappedKeysBatch,
    ) -> Result<(), StoreError> {
        let current = self.root.describe();
        let by = |wrapped: &[u8]| self.root.generation_of(wrapped).ok().filter(|(root, _)| *root == current.root_id);
        if by(&material.wrapped) == Some((current.root_id, current.generation)) {
            visited.left_alone += 1;
        } else if rewrap {
            match self.rewrap(id, material).await {
                Ok(wrapped) => {
                    material.wrapped = wrapped;
                    visited.changed += 1;
                }
                Err(error @ (KeyError::WrongKey | KeyError::Damaged(_) | KeyError::UnknownGeneration(_))) => {
                    let (key, generation) = (hex::encode(id), material.generation);
                    tracing::error!(key, generation, %error, "the material of a KMS key cannot be unwrapped");
                    visited.failed += 1;
                }
                Err(error) => return Err(error.into()),
            }
        }
        match by(&material.wrapped) {
            Some((_, generation)) => *visited.generations.entry(generation).or_default() += 1,
            None if rewrap => {}
            None => visited.failed += 1,
        }
        Ok(())
    }

    /// Wraps material anew. It is not given up for a wrapping of it that nobody has unwrapped.
    async fn rewrap(&self, id: &KeyId, material: &MaterialRecord) -> Result<Vec<u8>, KeyError> {
        let context = context(*id, material.generation);
        let key = self.root.unwrap(&context, &material.wrapped).await?;
        let wrapped = self.root.wrap(&context, &key).await?;
        if ct_eq(self.root.unwrap(&context, &wrapped).await?.expose(), key.expose()) {
            return Ok(wrapped);
        }
        Err(KeyError::Unavailable("it unwraps another key than it has wrapped".to_owned()))
    }
}

#[async_trait]
impl WrappedKeys for WrappedMaterial {
    fn what(&self) -> &'static str {
        "KMS keys"
    }

    async fn visit(&self, after: Option<&[u8]>, rewrap: bool) -> Result<WrappedKeysBatch, StoreError> {
        let keys = self.store.rows::<KeyRecord>(RowTable::Kms, b"k", after, BATCH).await?;
        let mut batch = WrappedKeysBatch::default();
        for (_, key) in &keys {
            self.visit_key(&key.id, rewrap, &mut batch).await?;
        }
        batch.next = keys.last().filter(|_| keys.len() == BATCH).map(|(row, _)| row.clone());
        Ok(batch)
    }
}

impl Kms {
    /// That the root key was not rotated since `material` was wrapped: what a commit that stores it checks.
    ///
    /// # Errors
    /// `DependencyTimeoutException` when it was; when the store fails.
    pub(crate) async fn fence_for(
        &self,
        material: &MaterialRecord,
        key_store: Option<&str>,
    ) -> Result<RootFence, KmsError> {
        let fence = self.0.store.root_fence().await.map_err(|error| from_store(&error))?;
        let root = self.0.root.describe();
        let is_current = || {
            let by = self.0.root.generation_of(&material.wrapped);
            // A provider elsewhere may have rotated by itself, and be ahead of what it says.
            by.is_ok_and(|(root_id, generation)| root_id == root.root_id && generation >= root.generation)
        };
        if key_store.is_none() && !is_current() {
            return Err(contention());
        }
        Ok(fence)
    }
}

#[cfg(test)]
mod tests {
    use coffer_store::{JobEnvironment, JobRunner, JobSpec, JobState, JobStep};
    use serde_json::json;

    use super::*;
    use crate::testing::World;

    #[tokio::test]
    async fn material_comes_under_the_new_root_key_and_a_job_counts_it() {
        let world = World::new();
        let key = world.key().await;
        let inner = &world.kms.0;
        let material = WrappedMaterial::new(inner.store.clone(), Arc::clone(&inner.root));
        let before = material.visit(None, false).await.unwrap();
        assert_eq!((before.left_alone, before.failed, before.changed), (1, 0, 0));
        let environment = JobEnvironment { elsewhere: vec![Arc::new(material)], ..JobEnvironment::default() };
        let mut runner = JobRunner::new(inner.store.clone(), environment);
        let job = inner.store.start_job(JobSpec::RewrapRoot { rotate: false }).await.unwrap();
        while runner.step().await.unwrap() != JobStep::Idle {}
        let job = inner.store.job(job).await.unwrap();
        assert_eq!(job.state, JobState::Done);
        assert_eq!(job.report.references.iter().map(|(_, count)| count).sum::<u64>(), 1);
        world.call("Encrypt", &json!({"KeyId": key, "Plaintext": "YQ=="})).await.ok().unwrap();
    }
}

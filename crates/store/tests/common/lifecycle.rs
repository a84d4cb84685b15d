//! Short words for what tests do with lifecycle rules.

use coffer_configuration::{
    DAY_MS, Expiration, LifecycleConfiguration, LifecycleFilter, LifecycleRule, NoncurrentVersionExpiration,
    VersioningStatus, When,
};
use coffer_store::{
    Bucket, LifecycleJob, LifecycleProgress, LifecycleSettings, LifecycleStep, ListVersions, Store, StoreError,
    VersionEntry,
};

use super::World;

pub const DAILY: LifecycleSettings = LifecycleSettings { interval_ms: DAY_MS, day_ms: DAY_MS };

pub fn rule(prefix: &str) -> LifecycleRule {
    LifecycleRule {
        id: format!("for {prefix}"),
        enabled: true,
        filter: LifecycleFilter { prefix: Some(prefix.to_owned()), ..LifecycleFilter::default() },
        ..LifecycleRule::default()
    }
}

pub fn expires(prefix: &str, days: u32) -> LifecycleRule {
    LifecycleRule { expiration: Some(Expiration::When(When::Days(days))), ..rule(prefix) }
}

pub fn removes_markers(prefix: &str) -> LifecycleRule {
    LifecycleRule { expiration: Some(Expiration::ExpiredObjectDeleteMarker(true)), ..rule(prefix) }
}

pub fn expires_noncurrent(prefix: &str, days: u32, newer: Option<u32>) -> LifecycleRule {
    let expiration = NoncurrentVersionExpiration { noncurrent_days: days, newer_noncurrent_versions: newer };
    LifecycleRule { noncurrent_version_expiration: Some(expiration), ..rule(prefix) }
}

pub fn aborts(prefix: &str, days: u32) -> LifecycleRule {
    LifecycleRule { abort_incomplete_multipart_upload_days: Some(days), ..rule(prefix) }
}

/// A day and a moment later than every midnight that is counted to.
pub fn days(count: u64) -> u64 {
    (count + 1) * DAY_MS
}

impl World {
    /// Sets rules and versioning, and sees the bucket with them.
    pub async fn set_lifecycle(&mut self, rules: Vec<LifecycleRule>, versioning: Option<VersioningStatus>) {
        let name = self.bucket.name().clone();
        let lifecycle =
            Some(LifecycleConfiguration { rules, ..LifecycleConfiguration::default() }).filter(|l| !l.rules.is_empty());
        let set = self.store.configure_bucket(&name, |_, settings| {
            settings.lifecycle.clone_from(&lifecycle);
            settings.versioning = versioning;
            Ok::<_, StoreError>(())
        });
        set.await.unwrap();
        self.bucket = self.store.bucket(&name).await.unwrap();
    }

    /// Does a whole run.
    pub async fn run_lifecycle(&self) -> LifecycleProgress {
        run(&mut LifecycleJob::new(self.store.clone(), DAILY)).await.expect("a run is due")
    }

    /// Every version of the bucket: its key, `marker` or its storage class, and whether it is current.
    pub async fn versions(&self) -> Vec<(String, String, bool)> {
        versions_of(&self.store, &self.bucket).await
    }

    /// The keys of current objects.
    pub async fn names(&self) -> Vec<String> {
        let all = self.versions().await.into_iter();
        all.filter(|(_, what, current)| what != "marker" && *current).map(|(name, ..)| name).collect()
    }
}

async fn versions_of(store: &Store, bucket: &Bucket) -> Vec<(String, String, bool)> {
    let list = ListVersions { max_keys: usize::MAX - 1, ..ListVersions::default() };
    let entries = store.list_versions(bucket, &list).await.unwrap().entries;
    let seen = entries.into_iter().map(|entry| match entry {
        VersionEntry::Object(name, info) => (name, info.storage_class, info.noncurrent_since_ms.is_none()),
        VersionEntry::DeleteMarker(name, info) => (name, "marker".to_owned(), info.noncurrent_since_ms.is_none()),
        VersionEntry::CommonPrefix(_) => unreachable!("without a delimiter there is none"),
    });
    seen.collect()
}

/// Takes steps until a run is over; `None` if none began.
pub async fn run(job: &mut LifecycleJob) -> Option<LifecycleProgress> {
    let mut total = LifecycleProgress::default();
    loop {
        match job.step().await.unwrap() {
            LifecycleStep::Idle => return None,
            LifecycleStep::Worked(progress) => total += progress,
            LifecycleStep::Finished(progress) => {
                total += progress;
                return Some(total);
            }
        }
    }
}

//! S3's server access logs: lines are gathered and delivered as objects, now and then.
//!
//! Delivery is best effort, as on S3. What waits is bounded; what does not fit, or may not be delivered, is dropped and
//! counted. Log objects are put into the store directly, so no delivery is ever logged itself.

use std::collections::HashMap;
use std::mem;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use coffer_access::{Acl, Grant};
use coffer_crypto::random_array;
use coffer_store::{
    Bucket, BucketLogging, BucketName, Clock, Encryption, FullBody, ObjectAccess, ObjectKey, PutObject, Store,
    StoreError,
};
use tokio::sync::Notify;
use tokio::time::sleep;

use super::format::{LineContext, further_line, line};
use super::permission::{LogSource, log_object_key, may_deliver};
use super::record::{Completion, RequestRecord};
use crate::auth::Identities;

/// The most bytes of lines that wait.
const MAX_WAITING_LEN: usize = 16 << 20;
/// From so many bytes on a log object is delivered without waiting for more.
const FULL_LEN: usize = 1 << 20;

/// What the logs need to know besides the store.
#[derive(Debug, Clone)]
pub struct BucketLogSettings {
    /// The account of buckets from before there were others.
    pub account_id: String,
    /// How long lines wait.
    pub interval: Duration,
    /// Counts the lines that are never delivered.
    pub dropped: Arc<AtomicU64>,
}

/// Gathers lines and delivers them.
pub struct BucketLogs {
    store: Store,
    identities: Arc<dyn Identities>,
    settings: BucketLogSettings,
    clock: Arc<dyn Clock>,
    waiting: Mutex<Waiting>,
    full: Notify,
}

/// What a log object is made of.
#[derive(Default)]
struct Waiting {
    files: HashMap<Destination, LogFile>,
    /// The bytes of all of them.
    len: usize,
}

/// Lines with the same destination become one log object.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Destination {
    source: LogSource,
    logging: BucketLogging,
    /// The day of the requests since 1970: it may be part of the key.
    day: u64,
}

#[derive(Default)]
struct LogFile {
    text: String,
    lines: u64,
}

/// Why lines were not delivered.
enum Undelivered {
    /// The target is gone, or does not let the logging service in.
    Refused,
    Failed(StoreError),
}

impl From<StoreError> for Undelivered {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NoSuchBucket => Self::Refused,
            error => Self::Failed(error),
        }
    }
}

impl BucketLogs {
    /// Logs of the buckets of `store`.
    pub fn new(
        store: Store,
        identities: Arc<dyn Identities>,
        settings: BucketLogSettings,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { store, identities, settings, clock, waiting: Mutex::default(), full: Notify::new() }
    }

    /// Takes note of a request that ended just now, where a bucket that it was about is logged.
    pub fn note(&self, record: &RequestRecord, completion: Completion) {
        if let Some(bucket) = record.bucket_name() {
            self.note_line(bucket, record, |context| line(record, completion, context));
        }
        for object in record.take_further() {
            self.note_line(&object.bucket, record, |context| further_line(record, &object, context));
        }
    }

    fn note_line(&self, bucket: &str, record: &RequestRecord, line: impl Fn(&LineContext<'_>) -> String) {
        let Some(bucket) = self.store.known_bucket(bucket) else { return };
        let Some(logging) = bucket.logging() else { return };
        let owner = self.owner(&bucket);
        let context = LineContext {
            bucket_owner: &self.identities.canonical_id(owner),
            bucket: bucket.name().as_str(),
            canonical_id: &|account| self.identities.canonical_id(account),
        };
        let line = line(&context);
        let day = record.received_ms / DAY_MS;
        self.add(Destination { source: LogSource::of(&bucket, owner), logging: logging.clone(), day }, &line);
    }

    fn add(&self, destination: Destination, line: &str) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len + line.len() > MAX_WAITING_LEN {
            self.settings.dropped.fetch_add(1, Relaxed);
            return;
        }
        waiting.len += line.len();
        let file = waiting.files.entry(destination).or_default();
        file.text.push_str(line);
        file.lines += 1;
        if file.text.len() >= FULL_LEN {
            self.full.notify_one();
        }
    }

    /// Waits until it is time to deliver.
    pub async fn due(&self) {
        tokio::select! {
            () = sleep(self.settings.interval) => {}
            () = self.full.notified() => {}
        }
    }

    /// Delivers what waits. What is not delivered when this is broken off is lost.
    pub async fn deliver(&self) {
        let waiting = mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        for (destination, file) in waiting.files {
            let undelivered = match self.put(&destination, file.text).await {
                Ok(()) => continue,
                Err(undelivered) => undelivered,
            };
            self.settings.dropped.fetch_add(file.lines, Relaxed);
            match undelivered {
                Undelivered::Refused => tracing::debug!(file.lines, "a log may not be delivered to its target bucket"),
                Undelivered::Failed(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(error, file.lines, "a log could not be delivered");
                }
            }
        }
    }

    async fn put(&self, destination: &Destination, text: String) -> Result<(), Undelivered> {
        let Destination { source, logging, day } = destination;
        let name = BucketName::for_lookup(&logging.target_bucket).ok_or(Undelivered::Refused)?;
        let target = self.store.bucket(&name).await?;
        let (now_ms, unique) = (self.clock.now_ms(), hex::encode_upper(random_array::<8>()));
        let key = log_object_key(source, logging, day * DAY_MS, now_ms, &unique);
        let owner = self.owner(&target);
        // Nobody asked for it in whose name a KMS could be asked, and the owner wants no object here without. S3 does not
        // deliver to such buckets either.
        let by_kms = target.encryption().is_some_and(|default| default.algorithm.starts_with("aws:kms"));
        if by_kms || !may_deliver(source, &target, owner, &key, now_ms) {
            return Err(Undelivered::Refused);
        }
        let key = ObjectKey::new(key).map_err(|_| Undelivered::Refused)?;
        let put = PutObject {
            headers: vec![("content-type".to_owned(), "text/plain".to_owned())],
            access: ObjectAccess { owner: None, grants: object_grants(&target, owner, &logging.grants) },
            ..PutObject::new(Encryption::SseS3)
        };
        self.store.put_object(&target, &key, put, &mut FullBody::new(text)).await?;
        Ok(())
    }

    fn owner<'a>(&'a self, bucket: &'a Bucket) -> &'a str {
        bucket.owner().unwrap_or(&self.settings.account_id)
    }
}

/// The list of a log object: everything to the bucket's owner, and what `TargetGrants` adds, if lists count.
fn object_grants(target: &Bucket, owner: &str, grants: &[Grant]) -> Option<Vec<Grant>> {
    if grants.is_empty() || !target.acls_enabled() {
        return None;
    }
    Some([&Acl::private(owner).grants, grants].concat())
}

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

#[cfg(test)]
mod tests;

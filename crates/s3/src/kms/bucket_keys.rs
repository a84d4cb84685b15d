//! S3 Bucket Keys: a data key for many objects of a bucket, for a short while.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use coffer_store::KmsEncryption;
use tokio::time::Instant;

/// The keys that are kept. Whoever uses one has the KMS decide first whether the caller may, and whether the KMS key can
/// be used.
#[derive(Default)]
pub(crate) struct BucketKeys {
    kept: Arc<Mutex<HashMap<BucketKeyFor, BucketKey>>>,
}

/// What a bucket key is for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct BucketKeyFor {
    /// The ARN of the KMS key.
    pub(crate) key_arn: String,
    /// The whole encryption context: it names the bucket.
    pub(crate) context: BTreeMap<String, String>,
}

struct BucketKey {
    encryption: Arc<KmsEncryption>,
    until: Instant,
}

impl BucketKeys {
    /// The bucket key, if it is kept.
    pub(crate) fn get(&self, wanted: &BucketKeyFor) -> Option<Arc<KmsEncryption>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(wanted).filter(|key| Instant::now() < key.until).map(|key| Arc::clone(&key.encryption))
    }

    /// Keeps a bucket key for five minutes.
    pub(crate) fn put(&self, wanted: BucketKeyFor, encryption: Arc<KmsEncryption>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MOST {
            kept.clear();
        }
        if kept.is_empty() {
            tokio::spawn(forget(Arc::downgrade(&self.kept)));
        }
        kept.insert(wanted, BucketKey { encryption, until: Instant::now() + KEPT });
    }
}

/// Drops keys whose time is over although nobody asks for them any more, as long as there are any.
async fn forget(kept: Weak<Mutex<HashMap<BucketKeyFor, BucketKey>>>) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let Some(kept) = kept.upgrade() else { return };
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|_, key| Instant::now() < key.until);
        if kept.is_empty() {
            return;
        }
    }
}

/// How long a bucket key is used for new objects: what a KMS key is rotated to holds after that at the latest.
const KEPT: Duration = Duration::from_secs(5 * 60);
/// The most bucket keys that are kept.
const MOST: usize = 1000;
/// How much longer than it is used a key may lie in memory.
const LOOK_EVERY: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use coffer_crypto::Key32;
    use coffer_keyring::SealedDataKey;

    use super::*;

    fn wanted(bucket: &str, key_arn: &str) -> BucketKeyFor {
        let context = [("aws:s3:arn".to_owned(), format!("arn:aws:s3:::{bucket}"))].into();
        BucketKeyFor { key_arn: key_arn.to_owned(), context }
    }

    fn encryption(id: u8) -> Arc<KmsEncryption> {
        let sealed = SealedDataKey { key_arn: String::new(), ciphertext: Vec::new(), context: BTreeMap::new() };
        Arc::new(KmsEncryption { data_key: Key32::generate(), sealed, id: [id; 16], bucket_key_enabled: true })
    }

    fn id(keys: &BucketKeys, wanted: &BucketKeyFor) -> Option<u8> {
        keys.get(wanted).map(|encryption| encryption.id[0])
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_is_used_for_its_bucket_its_kms_key_and_its_context_only() {
        let keys = BucketKeys::default();
        keys.put(wanted("a", "k1"), encryption(1));
        assert_eq!(id(&keys, &wanted("a", "k1")), Some(1));
        let mut other_context = wanted("a", "k1");
        other_context.context.insert("team".to_owned(), "x".to_owned());
        for other in [wanted("b", "k1"), wanted("a", "k2"), other_context] {
            assert_eq!(id(&keys, &other), None, "{other:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_is_not_used_after_five_minutes_however_often_it_was() {
        let keys = BucketKeys::default();
        keys.put(wanted("a", "k"), encryption(1));
        for _ in 0..5 {
            assert_eq!(id(&keys, &wanted("a", "k")), Some(1));
            tokio::time::advance(KEPT / 5).await;
        }
        assert_eq!(id(&keys, &wanted("a", "k")), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_that_nobody_asks_for_any_more_leaves_memory() {
        let keys = BucketKeys::default();
        let (first, second) = (encryption(1), encryption(2));
        keys.put(wanted("a", "k"), Arc::clone(&first));
        tokio::time::sleep(KEPT / 2).await;
        keys.put(wanted("b", "k"), Arc::clone(&second));
        tokio::time::sleep(KEPT / 2 + LOOK_EVERY).await;
        assert_eq!((Arc::strong_count(&first), Arc::strong_count(&second)), (1, 2));
        tokio::time::sleep(KEPT / 2 + LOOK_EVERY).await;
        assert_eq!(Arc::strong_count(&second), 1);
        // And again, once there were none.
        keys.put(wanted("a", "k"), Arc::clone(&first));
        tokio::time::sleep(KEPT + LOOK_EVERY).await;
        assert_eq!(Arc::strong_count(&first), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_keys_are_kept_than_there_is_room_for() {
        let keys = BucketKeys::default();
        for bucket in 0..=MOST {
            keys.put(wanted(&bucket.to_string(), "k"), encryption(1));
        }
        assert_eq!(keys.kept.lock().unwrap().len(), 1);
    }
}

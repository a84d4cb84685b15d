//! Bucket policies, parsed once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use coffer_access::{Policy, PolicyKind};
use coffer_store::Bucket;

use super::Authorizer;
use crate::error::S3Error;

/// The most policies that are kept parsed.
const MOST_KEPT: usize = 1000;
/// The longest policy of a bucket, in bytes.
const MAX_POLICY_LEN: usize = 20 << 10;

/// The policies of buckets, by name.
#[derive(Default)]
pub(super) struct Policies(Mutex<HashMap<String, Parsed>>);

struct Parsed {
    /// What it was parsed from: another text is another allocation.
    text: Arc<str>,
    policy: Arc<Policy>,
}

impl Policies {
    fn get(&self, name: &str, text: &Arc<str>) -> Option<Arc<Policy>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = kept.get(name).filter(|known| Arc::ptr_eq(&known.text, text));
        known.map(|known| Arc::clone(&known.policy))
    }

    fn keep(&self, name: &str, parsed: Parsed) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MOST_KEPT {
            kept.clear();
        }
        kept.insert(name.to_owned(), parsed);
    }
}

impl Authorizer {
    /// The policy of a bucket.
    ///
    /// # Errors
    /// `InternalError` for a stored policy that is none: nobody knows what it denied. What [`Identities`] fails with.
    ///
    /// [`Identities`]: crate::auth::Identities
    pub(super) async fn policy(&self, bucket: &Bucket) -> Result<Option<Arc<Policy>>, S3Error> {
        let Some(text) = bucket.policy() else { return Ok(None) };
        let name = bucket.name().as_str();
        if let Some(policy) = self.policies.get(name, text) {
            return Ok(Some(policy));
        }
        let mut policy = Policy::parse(text, PolicyKind::Bucket { name }, MAX_POLICY_LEN).map_err(|_| {
            // What is wrong with it would quote it.
            tracing::error!("a stored bucket policy cannot be read");
            S3Error::internal_error()
        })?;
        let mut accounts = HashMap::new();
        for id in policy.canonical_users() {
            if let Some(account) = self.identities.account_of_canonical_id(id).await? {
                accounts.insert(id.to_owned(), account);
            }
        }
        policy.resolve_canonical_users(&accounts);
        if let Some(ids) = bucket.policy_principals() {
            policy.resolve_principals(ids);
        }
        let policy = Arc::new(policy);
        self.policies.keep(name, Parsed { text: Arc::clone(text), policy: Arc::clone(&policy) });
        Ok(Some(policy))
    }
}

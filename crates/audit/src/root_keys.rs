//! Root keys whose every use is noted.

use std::sync::Arc;

use async_trait::async_trait;
use coffer_crypto::Key32;
use coffer_keyring::{
    KeyAudit, KeyError, KeyEvent, KeyOutcome, Purpose, RootDescription, RootGeneration, RootId, RootKeys, WrapContext,
};

/// A provider of root keys, and the log of what it is asked for.
pub struct AuditedRootKeys {
    provider: Arc<dyn RootKeys>,
    audit: Arc<dyn KeyAudit>,
}

impl AuditedRootKeys {
    /// Notes in `audit` what `provider` is asked for.
    #[must_use]
    pub fn new(provider: Arc<dyn RootKeys>, audit: Arc<dyn KeyAudit>) -> Self {
        Self { provider, audit }
    }

    fn note<T>(&self, action: &'static str, details: Vec<(String, String)>, done: &Result<T, KeyError>) {
        self.note_generation(action, self.provider.describe().generation, details, done);
    }

    fn note_generation<T>(
        &self,
        action: &'static str,
        generation: u32,
        details: Vec<(String, String)>,
        done: &Result<T, KeyError>,
    ) {
        let outcome = match done {
            Ok(_) => KeyOutcome::Done,
            Err(error) => KeyOutcome::Failed(code(error).to_owned()),
        };
        let key = self.provider.describe().audit_name_of(generation);
        self.audit.record(KeyEvent { action, key, who: "coffer".to_owned(), outcome, details });
    }
}

#[async_trait]
impl RootKeys for AuditedRootKeys {
    async fn wrap(&self, context: &WrapContext, key: &Key32) -> Result<Vec<u8>, KeyError> {
        let done = self.provider.wrap(context, key).await;
        self.note("coffer:WrapKey", details(context), &done);
        done
    }

    async fn unwrap(&self, context: &WrapContext, wrapped: &[u8]) -> Result<Key32, KeyError> {
        let done = self.provider.unwrap(context, wrapped).await;
        let generation = self.provider.generation_of(wrapped).map_or(0, |(_, generation)| generation);
        self.note_generation("coffer:UnwrapKey", generation, details(context), &done);
        done
    }

    fn describe(&self) -> RootDescription {
        self.provider.describe()
    }

    fn generation_of(&self, wrapped: &[u8]) -> Result<(RootId, u32), KeyError> {
        self.provider.generation_of(wrapped)
    }

    async fn generations(&self) -> Result<Vec<RootGeneration>, KeyError> {
        self.provider.generations().await
    }

    async fn rotate(&self) -> Result<RootDescription, KeyError> {
        let done = self.provider.rotate().await;
        self.note("coffer:RotateRootKey", Vec::new(), &done);
        done
    }

    async fn destroy_generation(&self, generation: u32) -> Result<(), KeyError> {
        let done = self.provider.destroy_generation(generation).await;
        self.note_generation("coffer:DestroyRootKeyGeneration", generation, Vec::new(), &done);
        done
    }
}

/// What is wrapped.
fn details(context: &WrapContext) -> Vec<(String, String)> {
    let wrapped = match context.purpose {
        Purpose::BucketKey { bucket_id } => format!("bucket-key/{}:{}", hex::encode(bucket_id), context.generation),
        Purpose::MetadataKey => format!("metadata-key/{}:{}", hex::encode(context.key_id), context.generation),
        Purpose::KmsKey => format!("kms-key/{}:{}", hex::encode(context.key_id), context.generation),
    };
    vec![("wrapped".to_owned(), wrapped)]
}

fn code(error: &KeyError) -> &'static str {
    match error {
        KeyError::WrongKey => "WrongKey",
        KeyError::Damaged(_) => "Damaged",
        KeyError::Unavailable(_) => "Unavailable",
        KeyError::Denied(_) => "Denied",
        KeyError::UnknownGeneration(_) => "UnknownGeneration",
        KeyError::Unsupported(_) => "Unsupported",
        KeyError::InUse(_) => "InUse",
    }
}

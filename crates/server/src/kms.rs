//! The KMS as S3 asks it.

use std::collections::BTreeMap;

use async_trait::async_trait;
use coffer_access::Context;
use coffer_crypto::Key32;
use coffer_keyring::{KmsError, SealedDataKey};
use coffer_kms::{Authority, Kms};
use coffer_s3::kms::KmsCaller;
use coffer_s3::time::iso8601;

/// Coffer's own KMS, asked by S3 in the name of callers.
pub(crate) struct ForS3 {
    kms: Kms,
    region: String,
    /// What S3 is called as a service that asks for others.
    via: String,
}

impl ForS3 {
    pub(crate) fn new(kms: Kms, region: &str) -> Self {
        Self { kms, region: region.to_owned(), via: format!("s3.{region}.amazonaws.com") }
    }

    /// The condition keys of a request that a service makes for somebody. Where they are is not among them, as on AWS:
    /// it is the service that asks.
    fn context(&self, by: KmsCaller<'_>) -> Context {
        let mut context = Context::new();
        context.set("aws:SecureTransport", "true");
        context.set("aws:CurrentTime", iso8601(by.now_ms));
        context.set("aws:EpochTime", (by.now_ms / 1000).to_string());
        context.set("aws:RequestedRegion", self.region.as_str());
        context.set("aws:ViaAWSService", "true");
        context
    }

    fn authority<'a>(&'a self, by: KmsCaller<'a>, context: &'a Context) -> Authority<'a> {
        Authority::Caller { caller: by.caller, context, via: Some(&self.via), request_id: by.request_id }
    }
}

#[async_trait]
impl coffer_s3::kms::Kms for ForS3 {
    async fn generate_data_key(
        &self,
        by: KmsCaller<'_>,
        key: Option<&str>,
        context: BTreeMap<String, String>,
    ) -> Result<(Key32, SealedDataKey), KmsError> {
        let of_request = self.context(by);
        let drawn = self.kms.generate_data_key(&self.authority(by, &of_request), key, context).await?;
        Ok((drawn.plaintext, drawn.sealed))
    }

    async fn decrypt_data_key(&self, by: KmsCaller<'_>, sealed: &SealedDataKey) -> Result<Key32, KmsError> {
        let of_request = self.context(by);
        self.kms.decrypt_data_key(&self.authority(by, &of_request), sealed).await
    }

    async fn authorize(
        &self,
        by: KmsCaller<'_>,
        actions: &[&'static str],
        key: Option<&str>,
        context: &BTreeMap<String, String>,
    ) -> Result<String, KmsError> {
        let of_request = self.context(by);
        self.kms.authorize_data_key(&self.authority(by, &of_request), actions, key, context).await
    }

    async fn key_arn(&self, by: KmsCaller<'_>, key: Option<&str>) -> Result<String, KmsError> {
        let of_request = self.context(by);
        self.kms.key_arn(&self.authority(by, &of_request), key).await
    }
}

//! The KMS as whoever sent a request may ask it.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use coffer_access::Caller;
use coffer_crypto::Key32;
use coffer_keyring::{DataKeys, KmsError, SealedDataKey};

use super::{Kms, KmsCaller};
use crate::auth::Principal;
use crate::log::RequestRecord;
use crate::request::S3Request;

/// S3's own refusals on their way through the store, which knows those of a KMS alone. No KMS has exceptions of these
/// names.
pub(crate) const OVER_HTTP: &str = "OverHttp";
pub(crate) const NOT_SIGNED: &str = "NotSigned";

/// The KMS, asked on behalf of who sent a request. It is not asked for requests that came over plain HTTP or without
/// Signature Version 4.
pub(crate) struct OnBehalf {
    kms: Arc<dyn Kms>,
    caller: Option<Arc<Caller>>,
    is_secure: bool,
    record: Arc<RequestRecord>,
    now_ms: u64,
}

impl OnBehalf {
    pub(crate) fn of(request: &S3Request, kms: &Arc<dyn Kms>) -> Self {
        let is_signed = request.signed.is_some_and(|signed| signed.version == coffer_sigv4::ALGORITHM);
        let caller = match &request.principal {
            Principal::Identity(identity) if is_signed => Some(Arc::clone(identity.caller())),
            _ => None,
        };
        Self {
            kms: Arc::clone(kms),
            caller,
            is_secure: request.connection.secure,
            record: Arc::clone(&request.record),
            now_ms: request.now_ms,
        }
    }

    /// Refuses to ask at all.
    ///
    /// # Errors
    /// [`OVER_HTTP`], [`NOT_SIGNED`].
    pub(crate) fn check(&self) -> Result<(), KmsError> {
        self.by().map(drop)
    }

    /// As [`Kms::generate_data_key`].
    pub(crate) async fn generate_data_key(
        &self,
        key: Option<&str>,
        context: BTreeMap<String, String>,
    ) -> Result<(Key32, SealedDataKey), KmsError> {
        self.kms.generate_data_key(self.by()?, key, context).await
    }

    /// As [`Kms::authorize`].
    pub(crate) async fn authorize(
        &self,
        actions: &[&'static str],
        key: Option<&str>,
        context: &BTreeMap<String, String>,
    ) -> Result<String, KmsError> {
        self.kms.authorize(self.by()?, actions, key, context).await
    }

    /// As [`Kms::key_arn`].
    pub(crate) async fn key_arn(&self, key: Option<&str>) -> Result<String, KmsError> {
        self.kms.key_arn(self.by()?, key).await
    }

    fn by(&self) -> Result<KmsCaller<'_>, KmsError> {
        if !self.is_secure {
            return Err(KmsError::new(OVER_HTTP, ""));
        }
        let caller = self.caller.as_deref().ok_or_else(|| KmsError::new(NOT_SIGNED, ""))?;
        Ok(KmsCaller { caller, request_id: &self.record.request_id, now_ms: self.now_ms })
    }
}

#[async_trait]
impl DataKeys for OnBehalf {
    async fn open(&self, sealed: &SealedDataKey) -> Result<Key32, KmsError> {
        self.kms.decrypt_data_key(self.by()?, sealed).await
    }
}

//! Who there is, as S3 asks for it.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use coffer_access::NamedPrincipal;
use coffer_iam::{ApiError, Iam};
use coffer_s3::auth::{Identified, Identities, Identity};
use coffer_s3::error::S3Error;

/// The accounts and users of [`Iam`], for S3.
pub(crate) struct IamIdentities {
    /// Everybody.
    pub(crate) iam: Iam,
    /// Whether root users may use S3, and not only the APIs that manage users.
    pub(crate) root_may_use_s3: bool,
}

#[async_trait]
impl Identities for IamIdentities {
    async fn identify(
        &self,
        access_key: &str,
        session_token: Option<&str>,
        now_ms: u64,
    ) -> Result<Identified, S3Error> {
        let identified = self.iam.identify(access_key, session_token, now_ms).await.map_err(unavailable)?;
        Ok(match identified {
            coffer_iam::Identified::Known(known) => {
                let is_root = matches!(known.caller.principal, coffer_access::Principal::Root { .. });
                if is_root && !self.root_may_use_s3 {
                    return Ok(Identified::UnknownAccessKey);
                }
                let (caller, keys) = (Arc::clone(&known.caller), Arc::clone(&known.keys));
                Identified::Known(Arc::new(Identity::new(access_key.to_owned(), caller, keys)))
            }
            coffer_iam::Identified::UnknownAccessKey => Identified::UnknownAccessKey,
            coffer_iam::Identified::InvalidToken => Identified::InvalidToken,
            coffer_iam::Identified::ExpiredToken => Identified::ExpiredToken,
        })
    }

    fn note_use(&self, identity: &Identity, region: &str, now_ms: u64) {
        self.iam.note_use(identity.access_key(), &identity.caller().principal, "s3", region, now_ms);
    }

    fn canonical_id(&self, account: &str) -> String {
        self.iam.canonical_id(account)
    }

    async fn account_of_canonical_id(&self, canonical_id: &str) -> Result<Option<String>, S3Error> {
        self.iam.account_of_canonical_id(canonical_id).await.map_err(unavailable)
    }

    async fn account_of_email(&self, email: &str) -> Result<Option<String>, S3Error> {
        self.iam.account_of_email(email).await.map_err(unavailable)
    }

    async fn principal(&self, name: &str) -> Result<Option<NamedPrincipal>, S3Error> {
        self.iam.principal(name).await.map_err(unavailable)
    }

    async fn changed_names(&self, ids: &BTreeMap<String, String>) -> Result<BTreeMap<String, String>, S3Error> {
        self.iam.changed_names(ids).await.map_err(unavailable)
    }
}

/// The cause is in the log already.
fn unavailable(error: ApiError) -> S3Error {
    if error.status() == http::StatusCode::SERVICE_UNAVAILABLE {
        S3Error::service_unavailable()
    } else {
        S3Error::internal_error()
    }
}

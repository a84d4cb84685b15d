//! Trust policies: who may become a role.

use std::collections::BTreeMap;

use coffer_access::{NamedPrincipal, Policy, PolicyKind};

use crate::account::View;
use crate::arn;
use crate::caller::MAX_DOCUMENT_LEN;
use crate::error::ApiError;
use crate::iam::document;
use crate::principals::CurrentNames;
use crate::records::{OidcProviderRecord, RoleRecord};
use crate::settings::Iam;

/// The most characters of a trust policy, without white space.
const MAX_LEN: usize = 2048;

impl Iam {
    /// Reads a new trust policy. Returns the unique IDs of whom it names by ARN, by ARN.
    ///
    /// # Errors
    /// `LimitExceeded`; `MalformedPolicyDocument`, also when it names somebody who is not there.
    pub(crate) async fn read_trust_policy(&self, text: &str) -> Result<BTreeMap<String, String>, ApiError> {
        if Policy::len_of(text) > MAX_LEN {
            return Err(ApiError::limit_exceeded(format!("Cannot exceed quota for ACLSizePerRole: {MAX_LEN}")));
        }
        let policy = document::parse(text, PolicyKind::Trust)?;
        let mut trusted = BTreeMap::new();
        for arn in policy.named_principals() {
            match self.principal(&arn).await? {
                None => return Err(invalid_principal("AWS", &arn)),
                Some(NamedPrincipal::Account) => {}
                Some(NamedPrincipal::Unique(id)) => drop(trusted.insert(arn, id)),
            }
        }
        for provider in policy.identity_providers() {
            if !self.provider_exists(provider).await? {
                return Err(invalid_principal("Federated", provider));
            }
        }
        Ok(trusted)
    }

    async fn provider_exists(&self, name: &str) -> Result<bool, ApiError> {
        let Some((account, url)) = arn::parse_oidc_provider(name) else { return Ok(false) };
        Ok(self.view(account).get::<OidcProviderRecord>(url).await?.is_some())
    }
}

impl CurrentNames<'_> {
    /// The trust policy of a role as it is shown. Who has been renamed since it was put goes by their new name, who is
    /// gone by their unique ID.
    pub(crate) async fn shown_trust_policy(&mut self, role: &RoleRecord) -> Result<String, ApiError> {
        let changed = self.changed(&role.trusted).await?;
        if changed.is_empty() {
            return Ok(role.trust_policy.clone());
        }
        Ok(Policy::rename_principals(&role.trust_policy, &changed))
    }
}

impl View<'_> {
    /// The trust policy of a role, which trusts those whom it named when it was put.
    pub(crate) fn trust_policy(&self, role: &RoleRecord) -> Result<Policy, ApiError> {
        let mut policy = Policy::parse(&role.trust_policy, PolicyKind::Trust, MAX_DOCUMENT_LEN).map_err(|error| {
            tracing::error!(%error, "a trust policy that was accepted once is not valid");
            ApiError::service_failure()
        })?;
        policy.resolve_principals(&role.trusted);
        Ok(policy)
    }
}

fn invalid_principal(kind: &str, name: &str) -> ApiError {
    ApiError::malformed_policy_document(format!("Invalid principal in policy: \"{kind}\":\"{name}\""))
}

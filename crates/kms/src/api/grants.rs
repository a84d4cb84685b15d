//! CreateGrant, RetireGrant, RevokeGrant.

use std::collections::BTreeMap;

use coffer_iam::ApiError;
use coffer_keyring::KmsError;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Asked;
use super::constraints::Constraints;
use super::cryptography::constrain_tokens;
use crate::authority::Authority;
use crate::authorize::Use;
use crate::error::{api_error, dry_run, unsupported, validation};
use crate::grants::{NewGrant, no_grant, read_grant_id, token};
use crate::records::{ConstraintRecord, GrantRecord, KeyRecord};

/// The operations of grants that the keys here have; those of pairs of keys are refused when they are asked for.
const OPERATIONS: &[&str] = &[
    "Decrypt",
    "Encrypt",
    "GenerateDataKey",
    "GenerateDataKeyWithoutPlaintext",
    "ReEncryptFrom",
    "ReEncryptTo",
    "CreateGrant",
    "RetireGrant",
    "DescribeKey",
    "GenerateDataKeyPair",
    "GenerateDataKeyPairWithoutPlaintext",
];
/// Those of keys for something else.
const OTHER_OPERATIONS: &[&str] =
    &["Sign", "Verify", "GetPublicKey", "GenerateMac", "VerifyMac", "DeriveSharedSecret", "Encapsulate", "Decapsulate"];

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Create {
    key_id: Option<String>,
    grantee_principal: Option<String>,
    retiring_principal: Option<String>,
    grantee_service_principal: Option<Value>,
    retiring_service_principal: Option<Value>,
    operations: Option<Vec<String>>,
    constraints: Option<GrantConstraints>,
    grant_tokens: Option<Vec<String>>,
    name: Option<String>,
    dry_run: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GrantConstraints {
    encryption_context_subset: Option<BTreeMap<String, String>>,
    encryption_context_equals: Option<BTreeMap<String, String>>,
    source_arn: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Remove {
    grant_token: Option<String>,
    key_id: Option<String>,
    grant_id: Option<String>,
    dry_run: Option<bool>,
}

/// A grant as a request asks for it.
struct Wanted<'a> {
    grantee: &'a str,
    retiring: Option<&'a str>,
    operations: Vec<String>,
    constraint: Option<ConstraintRecord>,
    name: String,
    dry_run: bool,
}

impl Asked<'_> {
    /// Lets somebody use a key.
    ///
    /// # Errors
    /// `NotFoundException`, `AccessDeniedException`, `DisabledException`, `KMSInvalidStateException`,
    /// `InvalidArnException`, `InvalidGrantTokenException`, `LimitExceededException`, `ValidationException`,
    /// `UnsupportedOperationException`, `DryRunOperationException`.
    pub(super) async fn create_grant(&self) -> Result<String, ApiError> {
        let asked: Create = self.parameters()?;
        asked.constrain()?;
        self.check_tokens(asked.grant_tokens.as_deref()).await?;
        let key_id = asked.key_id.as_deref().unwrap_or_default();
        let wanted = asked.wanted().map_err(api_error)?;
        let by = self.authority();
        let made = self.make_grant(&by, key_id, &wanted).await;
        let details = details(wanted.grantee, &wanted.operations);
        let arn = made.as_ref().map_or(key_id, |(arn, _)| arn);
        self.kms.note(&by, "kms:CreateGrant", arn, &details, &made);
        let (_, grant) = made.map_err(api_error)?;
        Ok(json!({ "GrantId": hex::encode(grant.id), "GrantToken": token(&grant) }).to_string())
    }

    /// Who may make grants because of a grant makes those that give no more than theirs.
    async fn make_grant(
        &self,
        by: &Authority<'_>,
        key_id: &str,
        wanted: &Wanted<'_>,
    ) -> Result<(String, GrantRecord), KmsError> {
        let (key, _) = self.kms.find_by_id(by, key_id).await?;
        let constraint = wanted.constraint.as_ref();
        let covers = |grant: &GrantRecord| grant.covers(&wanted.operations, constraint);
        let mut asked = Use::new("kms:CreateGrant", &key)
            .with_constraint(constraint.map(|constraint| &constraint.pairs))
            .by_grants(&covers)
            .condition("kms:GrantIsForAWSResource", vec!["false".to_owned()])
            .condition("kms:GrantOperations", wanted.operations.clone())
            .condition("kms:GranteePrincipal", vec![wanted.grantee.to_owned()]);
        if let Some(retiring) = wanted.retiring {
            asked = asked.condition("kms:RetiringPrincipal", vec![retiring.to_owned()]);
        }
        if let Some(constraint) = constraint {
            let kind = if constraint.is_exact { "EncryptionContextEquals" } else { "EncryptionContextSubset" };
            asked = asked.condition("kms:GrantConstraintType", vec![kind.to_owned()]);
        }
        self.kms.check_use(by, &asked, false).await?;
        let grantee = self.kms.granted(wanted.grantee).await?;
        let retiring = match wanted.retiring {
            Some(arn) => Some(self.kms.granted(arn).await?),
            None => None,
        };
        if wanted.dry_run {
            return Err(dry_run());
        }
        let new = NewGrant {
            grantee,
            retiring,
            operations: wanted.operations.clone(),
            constraint: wanted.constraint.clone(),
            name: wanted.name.clone(),
            issuing_account: self.request.account.to_owned(),
        };
        Ok((self.kms.arn(&key), self.kms.make_grant(&key, new).await?))
    }

    /// Takes a grant back, as somebody whom it names or lets.
    ///
    /// # Errors
    /// `NotFoundException`, `AccessDeniedException`, `InvalidGrantTokenException`, `InvalidGrantIdException`,
    /// `ValidationException`, `DryRunOperationException`.
    pub(super) async fn retire_grant(&self) -> Result<String, ApiError> {
        let asked: Remove = self.parameters()?;
        let by = self.authority();
        let found = match (&asked.grant_token, &asked.key_id, &asked.grant_id) {
            (Some(token), None, None) => self.grant_of_token(token).await,
            (None, Some(key_id), Some(grant_id)) => self.find_grant(&by, key_id, grant_id).await,
            _ => Err(validation("Specify either a grant token, or both a key ID and a grant ID.")),
        };
        let retired = match found {
            Ok((key, grant)) => self.retire(&by, &key, &grant, &asked).await,
            Err(error) => Err(error),
        };
        self.answer_removal(&by, "kms:RetireGrant", &asked, retired)
    }

    async fn retire(
        &self,
        by: &Authority<'_>,
        key: &KeyRecord,
        grant: &GrantRecord,
        asked: &Remove,
    ) -> Result<(String, GrantRecord), KmsError> {
        let is_this = |other: &GrantRecord| other.id == grant.id;
        let mut wanted = Use::new("kms:RetireGrant", key)
            .with_constraint(grant.constraint.as_ref().map(|constraint| &constraint.pairs))
            .by_grants(&is_this)
            .entitled(&grant.issuing_account);
        if let Some(retiring) = &grant.retiring {
            wanted = wanted.entitled(&retiring.id);
        }
        self.kms.authorize_use(by, &wanted).await?;
        self.remove(key, grant, asked).await
    }

    /// Takes a grant back, as somebody who administers the key.
    ///
    /// # Errors
    /// `NotFoundException`, `AccessDeniedException`, `InvalidGrantIdException`, `ValidationException`,
    /// `DryRunOperationException`.
    pub(super) async fn revoke_grant(&self) -> Result<String, ApiError> {
        let asked: Remove = self.parameters()?;
        let mut constraints = Constraints::default();
        let key_id = constraints.required("keyId", asked.key_id.as_deref());
        let grant_id = constraints.required("grantId", asked.grant_id.as_deref());
        constraints.length("grantId", asked.grant_id.as_deref(), 1, 128);
        constraints.check()?;
        let by = self.authority();
        let revoked = self.revoke(&by, key_id, grant_id, &asked).await;
        self.answer_removal(&by, "kms:RevokeGrant", &asked, revoked)
    }

    async fn revoke(
        &self,
        by: &Authority<'_>,
        key_id: &str,
        grant_id: &str,
        asked: &Remove,
    ) -> Result<(String, GrantRecord), KmsError> {
        let (key, _) = self.kms.find_by_id(by, key_id).await?;
        self.kms.authorize_use(by, &Use::new("kms:RevokeGrant", &key)).await?;
        let grant = self.kms.grant(&key.id, &read_grant_id(grant_id)?).await?.ok_or_else(|| no_grant(grant_id))?;
        self.remove(&key, &grant, asked).await
    }

    async fn remove(
        &self,
        key: &KeyRecord,
        grant: &GrantRecord,
        asked: &Remove,
    ) -> Result<(String, GrantRecord), KmsError> {
        if asked.dry_run.unwrap_or_default() {
            return Err(dry_run());
        }
        self.kms.remove_grant(grant).await?;
        Ok((self.kms.arn(key), grant.clone()))
    }

    fn answer_removal(
        &self,
        by: &Authority<'_>,
        action: &'static str,
        asked: &Remove,
        removed: Result<(String, GrantRecord), KmsError>,
    ) -> Result<String, ApiError> {
        let (arn, details) = match &removed {
            Ok((arn, grant)) => (arn.as_str(), details(&grant.grantee.arn, &grant.operations)),
            Err(_) => (asked.key_id.as_deref().unwrap_or("unknown"), BTreeMap::new()),
        };
        self.kms.note(by, action, arn, &details, &removed);
        removed.map(|_| String::new()).map_err(api_error)
    }

    async fn grant_of_token(&self, token: &str) -> Result<(KeyRecord, GrantRecord), KmsError> {
        let grant = self.kms.grant_of_token(token).await?;
        let found = self.kms.key(&grant.key_id).await?;
        let (key, _) = found.ok_or_else(|| no_grant(&hex::encode(grant.id)))?;
        Ok((key, grant))
    }

    async fn find_grant(
        &self,
        by: &Authority<'_>,
        key_id: &str,
        grant_id: &str,
    ) -> Result<(KeyRecord, GrantRecord), KmsError> {
        let (key, _) = self.kms.find_by_id(by, key_id).await?;
        let grant = self.kms.grant(&key.id, &read_grant_id(grant_id)?).await?.ok_or_else(|| no_grant(grant_id))?;
        Ok((key, grant))
    }
}

impl Create {
    fn constrain(&self) -> Result<(), ApiError> {
        let has_service =
            [&self.grantee_service_principal, &self.retiring_service_principal].iter().any(|it| it.is_some());
        let has_source = self.constraints.as_ref().is_some_and(|constraints| constraints.source_arn.is_some());
        if has_service || has_source {
            return Err(api_error(unsupported("Grants to services, and for their resources, are not supported.")));
        }
        let mut constraints = Constraints::default();
        constraints.required("keyId", self.key_id.as_deref());
        constraints.required("granteePrincipal", self.grantee_principal.as_deref());
        for (name, principal) in
            [("granteePrincipal", &self.grantee_principal), ("retiringPrincipal", &self.retiring_principal)]
        {
            constraints.length(name, principal.as_deref(), 1, 256);
        }
        constraints.present("operations", self.operations.as_ref().is_some_and(|operations| !operations.is_empty()));
        let known = [OPERATIONS, OTHER_OPERATIONS].concat();
        for operation in self.operations.iter().flatten() {
            constraints.one_of("operations", Some(operation), &known);
        }
        constraints.length("name", self.name.as_deref(), 1, 256);
        constraints.characters("name", self.name.as_deref(), "^[a-zA-Z0-9:/_-]+$", |char| {
            char.is_ascii_alphanumeric() || matches!(char, ':' | '/' | '_' | '-')
        });
        constrain_tokens(&mut constraints, self.grant_tokens.as_deref());
        constraints.check()
    }

    fn wanted(&self) -> Result<Wanted<'_>, KmsError> {
        let mut operations = self.operations.clone().unwrap_or_default();
        operations.sort_unstable();
        operations.dedup();
        if let Some(other) = operations.iter().find(|operation| !OPERATIONS.contains(&operation.as_str())) {
            return Err(validation(format!("Operation {other} is not valid for a key with KeyUsage ENCRYPT_DECRYPT.")));
        }
        let pairs = self.constraints.as_ref().map(|it| (&it.encryption_context_equals, &it.encryption_context_subset));
        let constraint = match pairs {
            Some((Some(_), Some(_))) => {
                return Err(validation("Specify either EncryptionContextEquals or EncryptionContextSubset."));
            }
            Some((Some(pairs), None)) => Some(ConstraintRecord { is_exact: true, pairs: pairs.clone() }),
            Some((None, Some(pairs))) => Some(ConstraintRecord { is_exact: false, pairs: pairs.clone() }),
            Some((None, None)) | None => None,
        };
        if let Some(constraint) = &constraint {
            crate::cryptography::check_context(&constraint.pairs)?;
        }
        Ok(Wanted {
            grantee: self.grantee_principal.as_deref().unwrap_or_default(),
            retiring: self.retiring_principal.as_deref(),
            operations,
            constraint,
            name: self.name.clone().unwrap_or_default(),
            dry_run: self.dry_run.unwrap_or_default(),
        })
    }
}

/// What the audit log says about a grant.
fn details(grantee: &str, operations: &[String]) -> BTreeMap<String, String> {
    [("grantee".to_owned(), grantee.to_owned()), ("operations".to_owned(), operations.join(","))].into()
}

//! Grants: what somebody may do with a key without being named in its policy.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use coffer_access::{Caller, NamedPrincipal, Principal, account_of_arn};
use coffer_crypto::random_array;
use coffer_keyring::KmsError;
use coffer_store::{RowChanges, RowTable};

use crate::error::{contention, from_iam, from_store, invalid_arn, invalid_grant_token, limit_exceeded, not_found};
use crate::names::KeyId;
use crate::records::{
    ConstraintRecord, GrantId, GrantRecord, GrantedRecord, KeyRecord, MarkRecord, digest, grant_row, grants_to,
    retirable_row,
};
use crate::settings::Kms;

/// The operations whose encryption context a constraint is about.
const WITH_CONTEXT: &[&str] =
    &["Decrypt", "Encrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "ReEncryptFrom", "ReEncryptTo"];
/// The most grants of a key to one principal: whoever asks may have to look at all of theirs.
const MOST: usize = 500;
const TOKEN_VERSION: u8 = 1;

impl GrantRecord {
    /// Whether it lets its grantee do `action`, such as `kms:Decrypt`, with this encryption context.
    pub(crate) fn allows(&self, action: &str, context: Option<&BTreeMap<String, String>>) -> bool {
        let Some(operation) = action.strip_prefix("kms:") else { return false };
        self.operations.iter().any(|known| known == operation)
            && self.constraint.as_ref().is_none_or(|constraint| {
                !WITH_CONTEXT.contains(&operation) || context.is_some_and(|context| constraint.admits(context))
            })
    }

    /// Whether whoever has this grant, and may make others, may make one of these operations and this constraint: it
    /// gives nothing that this one does not.
    pub(crate) fn covers(&self, operations: &[String], constraint: Option<&ConstraintRecord>) -> bool {
        operations.iter().all(|operation| self.operations.contains(operation))
            && self.constraint.as_ref().is_none_or(|own| constraint.is_some_and(|other| own.covers(other)))
    }
}

impl ConstraintRecord {
    fn admits(&self, context: &BTreeMap<String, String>) -> bool {
        (!self.is_exact || self.pairs.len() == context.len())
            && self.pairs.iter().all(|(name, value)| context.get(name) == Some(value))
    }

    /// Whether every context that `other` admits is admitted by this.
    fn covers(&self, other: &Self) -> bool {
        if self.is_exact { self == other } else { self.admits(&other.pairs) }
    }
}

/// A grant to make.
pub(crate) struct NewGrant {
    pub(crate) grantee: GrantedRecord,
    pub(crate) retiring: Option<GrantedRecord>,
    /// In the order of the alphabet.
    pub(crate) operations: Vec<String>,
    pub(crate) constraint: Option<ConstraintRecord>,
    pub(crate) name: String,
    pub(crate) issuing_account: String,
}

impl Kms {
    /// The grants of a key to a caller: to them, their role, or their account.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn grants_for(&self, key: &KeyRecord, caller: &Caller) -> Result<Vec<GrantRecord>, KmsError> {
        let own = match &caller.principal {
            Principal::User { id, .. } => vec![id.clone()],
            Principal::Session { role_id, .. } => vec![role_id.clone(), caller.principal.user_id()],
            Principal::Root { .. }
            | Principal::Anonymous
            | Principal::Service { .. }
            | Principal::WebIdentity { .. } => Vec::new(),
        };
        let mut grants = Vec::new();
        for id in own.iter().map(String::as_str).chain(caller.principal.account()) {
            grants.extend(self.grants_to(&key.id, id).await?);
        }
        Ok(grants)
    }

    /// The grants of a key to somebody, by their id.
    async fn grants_to(&self, key_id: &KeyId, grantee: &str) -> Result<Vec<GrantRecord>, KmsError> {
        let rows = self.0.store.rows::<GrantRecord>(RowTable::Kms, &grants_to(key_id, grantee), None, MOST).await;
        let grants = rows.map_err(|error| from_store(&error))?.into_iter().map(|(_, grant)| grant);
        Ok(grants.filter(|grant| grant.grantee.id == grantee).collect())
    }

    /// A grant of a key by its id, if there is one.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn grant(&self, key_id: &KeyId, id: &GrantId) -> Result<Option<GrantRecord>, KmsError> {
        let found = self.0.store.row::<GrantRecord>(RowTable::Kms, &grant_row(key_id, id)).await;
        Ok(found.map_err(|error| from_store(&error))?.0)
    }

    /// Makes a grant; one that has a name and is there already is that one.
    ///
    /// # Errors
    /// `LimitExceededException`; when the store fails.
    pub(crate) async fn make_grant(&self, key: &KeyRecord, new: NewGrant) -> Result<GrantRecord, KmsError> {
        let known = self.grants_to(&key.id, &new.grantee.id).await?;
        let is_same = |grant: &&GrantRecord| {
            !new.name.is_empty()
                && grant.name == new.name
                && grant.operations == new.operations
                && grant.constraint == new.constraint
                && grant.retiring.as_ref().map(|it| &it.id) == new.retiring.as_ref().map(|it| &it.id)
                && grant.issuing_account == new.issuing_account
        };
        if let Some(grant) = known.iter().find(is_same) {
            return Ok(grant.clone());
        }
        if known.len() >= MOST {
            return Err(limit_exceeded(format!("A key has at most {MOST} grants to one principal.")));
        }
        let mut id: GrantId = random_array();
        id[..16].copy_from_slice(&digest(&new.grantee.id));
        let grant = GrantRecord {
            id,
            key_id: key.id,
            grantee: new.grantee,
            retiring: new.retiring,
            operations: new.operations,
            constraint: new.constraint,
            name: new.name,
            created_ms: self.now_ms(),
            issuing_account: new.issuing_account,
        };
        let (store, mut changes) = (&self.0.store, RowChanges::new());
        changes.put(store, RowTable::Kms, &grant_row(&key.id, &id), &grant);
        if let Some(retiring) = &grant.retiring {
            let mark = MarkRecord { made_ms: grant.created_ms };
            changes.put(store, RowTable::Kms, &retirable_row(&retiring.id, &key.id, &id), &mark);
        }
        match store.commit_rows(changes).await {
            Ok(true) => Ok(grant),
            Ok(false) => Err(contention()),
            Err(error) => Err(from_store(&error)),
        }
    }

    /// Takes a grant back.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn remove_grant(&self, grant: &GrantRecord) -> Result<(), KmsError> {
        let mut changes = RowChanges::new();
        changes.delete(RowTable::Kms, &grant_row(&grant.key_id, &grant.id));
        if let Some(retiring) = &grant.retiring {
            changes.delete(RowTable::Kms, &retirable_row(&retiring.id, &grant.key_id, &grant.id));
        }
        match self.0.store.commit_rows(changes).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(contention()),
            Err(error) => Err(from_store(&error)),
        }
    }

    /// Finds somebody whom a grant is to name: an account, a user, a role or a session of a role, by ARN.
    ///
    /// # Errors
    /// `InvalidArnException` when there is no such principal; when the store fails.
    pub(crate) async fn granted(&self, arn: &str) -> Result<GrantedRecord, KmsError> {
        let unknown = || invalid_arn(arn);
        let account = account_of_arn(arn).ok_or_else(unknown)?;
        let found = self.0.iam.principal(arn).await.map_err(|error| from_iam(&error))?;
        let id = match found.ok_or_else(unknown)? {
            NamedPrincipal::Account => account.to_owned(),
            NamedPrincipal::Unique(id) => id,
        };
        Ok(GrantedRecord { arn: arn.to_owned(), id })
    }

    /// What somebody whom a grant names is called now: their ARN, or their unique ID when they are gone.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn shown_principal(&self, named: &GrantedRecord) -> Result<String, KmsError> {
        if account_of_arn(&named.arn) == Some(&named.id) {
            return Ok(named.arn.clone());
        }
        let ids = [(named.arn.clone(), named.id.clone())].into();
        let changed = self.0.iam.changed_names(&ids).await.map_err(|error| from_iam(&error))?;
        Ok(changed.get(&named.arn).unwrap_or(&named.arn).clone())
    }

    /// The grant that a token stands for.
    ///
    /// # Errors
    /// `InvalidGrantTokenException`; when the store fails.
    pub(crate) async fn grant_of_token(&self, token: &str) -> Result<GrantRecord, KmsError> {
        let (key_id, id) = read_token(token).ok_or_else(invalid_grant_token)?;
        self.grant(&key_id, &id).await?.ok_or_else(invalid_grant_token)
    }

    /// Checks the tokens of a request. A grant holds as soon as it is made, so its token allows nothing more.
    ///
    /// # Errors
    /// `InvalidGrantTokenException`; when the store fails.
    pub(crate) async fn check_grant_tokens(&self, tokens: &[String]) -> Result<(), KmsError> {
        for token in tokens {
            self.grant_of_token(token).await?;
        }
        Ok(())
    }
}

/// The token of a grant: which it is, in base64.
pub(crate) fn token(grant: &GrantRecord) -> String {
    STANDARD.encode([&[TOKEN_VERSION], &grant.key_id[..], &grant.id].concat())
}

fn read_token(token: &str) -> Option<(KeyId, GrantId)> {
    let bytes = STANDARD.decode(token).ok()?;
    let (version, rest) = bytes.split_first()?;
    let (key_id, id) = rest.split_first_chunk()?;
    (*version == TOKEN_VERSION).then_some((*key_id, id.try_into().ok()?))
}

/// Reads the id of a grant.
///
/// # Errors
/// `InvalidGrantIdException`.
pub(crate) fn read_grant_id(text: &str) -> Result<GrantId, KmsError> {
    let id = hex::decode(text).ok().and_then(|id| id.try_into().ok());
    id.ok_or_else(|| KmsError::new("InvalidGrantIdException", "Invalid grant id."))
}

/// There is no such grant.
pub(crate) fn no_grant(id: &str) -> KmsError {
    not_found(format!("Grant ID {id} not found"))
}

#[cfg(test)]
#[path = "grants_tests.rs"]
mod tests;

//! ListGrants and ListRetirableGrants.

use coffer_access::account_of_arn;
use coffer_iam::ApiError;
use coffer_keyring::KmsError;
use coffer_store::RowTable;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Asked;
use super::constraints::Constraints;
use super::describe_key::seconds;
use super::page::{Page, PageParameters};
use crate::authorize::Use;
use crate::error::{access_denied, api_error, from_store, unsupported};
use crate::grants::{no_grant, read_grant_id};
use crate::names::KeyId;
use crate::records::{GrantId, GrantRecord, MarkRecord, grant_rows, retirable_rows};

/// The grants on a page unless the request says.
const DEFAULT: usize = 50;
/// The most on a page.
const MOST: usize = 100;
/// The rows that are read at a time.
const BATCH: usize = 200;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListParameters {
    key_id: Option<String>,
    grant_id: Option<String>,
    grantee_principal: Option<String>,
    grantee_service_principal: Option<Value>,
    #[serde(flatten)]
    page: PageParameters,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListRetirableParameters {
    retiring_principal: Option<String>,
    retiring_service_principal: Option<Value>,
    #[serde(flatten)]
    page: PageParameters,
}

impl Asked<'_> {
    /// Lists the grants of a key.
    ///
    /// # Errors
    /// `NotFoundException`, `AccessDeniedException`, `InvalidGrantIdException`, `InvalidArnException`,
    /// `InvalidMarkerException`.
    pub(super) async fn list_grants(&self) -> Result<String, ApiError> {
        let asked: ListParameters = self.parameters()?;
        refuse_services(asked.grantee_service_principal.as_ref())?;
        let mut constraints = Constraints::default();
        let key_id = constraints.required("keyId", asked.key_id.as_deref());
        constraints.length("grantId", asked.grant_id.as_deref(), 1, 128);
        constraints.length("granteePrincipal", asked.grantee_principal.as_deref(), 1, 256);
        asked.page.constrain(&mut constraints);
        constraints.check()?;
        let page = asked.page.page(DEFAULT, MOST)?;
        let by = self.authority();
        let (key, _) = self.kms.find_by_id(&by, key_id).await.map_err(api_error)?;
        self.kms.authorize_look(&by, &Use::new("kms:ListGrants", &key)).await.map_err(api_error)?;
        let only = match &asked.grant_id {
            Some(id) => {
                let found = self.kms.grant(&key.id, &read_grant_id(id).map_err(api_error)?).await.map_err(api_error)?;
                Some(found.ok_or_else(|| api_error(no_grant(id)))?.id)
            }
            None => None,
        };
        let grantee = match &asked.grantee_principal {
            Some(arn) => Some(self.kms.granted(arn).await.map_err(api_error)?.id),
            None => None,
        };
        let is_asked_for = |grant: &GrantRecord| {
            only.is_none_or(|id| grant.id == id) && grantee.as_ref().is_none_or(|grantee| grant.grantee.id == *grantee)
        };
        let grants = self.grants_of(&key.id, &page, is_asked_for).await.map_err(api_error)?;
        self.answer_grants(&page, grants, |grant| grant.id.to_vec()).await
    }

    /// The grants of a key for a page, and one more if there are more.
    async fn grants_of(
        &self,
        key_id: &KeyId,
        page: &Page,
        is_asked_for: impl Fn(&GrantRecord) -> bool,
    ) -> Result<Vec<GrantRecord>, KmsError> {
        let prefix = grant_rows(key_id);
        let mut after = page.after.as_ref().map(|id| [&prefix[..], id].concat());
        let mut grants = Vec::new();
        loop {
            let rows = self.kms.0.store.rows::<GrantRecord>(RowTable::Kms, &prefix, after.as_deref(), BATCH).await;
            let rows = rows.map_err(|error| from_store(&error))?;
            let is_last = rows.len() < BATCH;
            after = rows.last().map(|(row, _)| row.clone());
            grants.extend(rows.into_iter().map(|(_, grant)| grant).filter(&is_asked_for));
            if is_last || grants.len() > page.limit {
                grants.truncate(page.limit + 1);
                return Ok(grants);
            }
        }
    }

    /// Lists the grants of any key that somebody in the caller's account may retire.
    ///
    /// # Errors
    /// `AccessDeniedException`, `InvalidArnException`, `InvalidMarkerException`.
    pub(super) async fn list_retirable_grants(&self) -> Result<String, ApiError> {
        const ACTION: &str = "kms:ListRetirableGrants";
        let asked: ListRetirableParameters = self.parameters()?;
        refuse_services(asked.retiring_service_principal.as_ref())?;
        let mut constraints = Constraints::default();
        let arn = constraints.required("retiringPrincipal", asked.retiring_principal.as_deref());
        constraints.length("retiringPrincipal", asked.retiring_principal.as_deref(), 1, 256);
        asked.page.constrain(&mut constraints);
        constraints.check()?;
        let page = asked.page.page(DEFAULT, MOST)?;
        let (by, account) = (self.authority(), self.request.account);
        self.kms.authorize_in_account(&by, ACTION, "*", account, &[]).map_err(api_error)?;
        if account_of_arn(arn).is_some_and(|other| other != account) {
            let message = format!("{ACTION} is for principals of one's own account, which {arn} is not.");
            return Err(api_error(access_denied(message)));
        }
        let retiring = self.kms.granted(arn).await.map_err(api_error)?.id;
        let grants = self.retirable_by(&retiring, &page).await.map_err(api_error)?;
        self.answer_grants(&page, grants, |grant| [&grant.key_id[..], &grant.id].concat()).await
    }

    /// The grants that somebody may retire, for a page, and one more if there are more.
    async fn retirable_by(&self, retiring: &str, page: &Page) -> Result<Vec<GrantRecord>, KmsError> {
        let prefix = retirable_rows(retiring);
        let mut after = page.after.as_ref().map(|name| [&prefix[..], name].concat());
        let mut grants = Vec::new();
        loop {
            let rows = self.kms.0.store.rows::<MarkRecord>(RowTable::Kms, &prefix, after.as_deref(), BATCH).await;
            let rows = rows.map_err(|error| from_store(&error))?;
            let is_last = rows.len() < BATCH;
            after = rows.last().map(|(row, _)| row.clone());
            for (row, _) in rows {
                let named = row.get(prefix.len()..).and_then(|name| name.split_first_chunk());
                let Some((key_id, id)) = named.and_then(|(key_id, id)| Some((key_id, GrantId::try_from(id).ok()?)))
                else {
                    continue;
                };
                // A mark outlives the grants of a key that is destroyed.
                grants.extend(
                    self.kms
                        .grant(key_id, &id)
                        .await?
                        .filter(|grant| grant.retiring.as_ref().is_some_and(|named| named.id == retiring)),
                );
                if grants.len() > page.limit {
                    return Ok(grants);
                }
            }
            if is_last {
                return Ok(grants);
            }
        }
    }

    async fn answer_grants(
        &self,
        page: &Page,
        grants: Vec<GrantRecord>,
        name: impl Fn(&GrantRecord) -> Vec<u8>,
    ) -> Result<String, ApiError> {
        let mut items = Vec::with_capacity(grants.len());
        for grant in &grants {
            if let Some(shown) = self.shown_grant(grant).await.map_err(api_error)? {
                items.push((name(grant), shown));
            }
        }
        Ok(page.answer("Grants", items))
    }

    /// `GrantListEntry`; `None` if the key has gone meanwhile.
    async fn shown_grant(&self, grant: &GrantRecord) -> Result<Option<Value>, KmsError> {
        let Some((key, _)) = self.kms.key(&grant.key_id).await? else { return Ok(None) };
        let mut shown = json!({
            "KeyId": self.kms.arn(&key),
            "GrantId": hex::encode(grant.id),
            "Name": grant.name,
            "CreationDate": seconds(grant.created_ms),
            "GranteePrincipal": self.kms.shown_principal(&grant.grantee).await?,
            "IssuingAccount": format!("arn:aws:iam::{}:root", grant.issuing_account),
            "Operations": grant.operations,
        });
        if let Some(retiring) = &grant.retiring {
            shown["RetiringPrincipal"] = self.kms.shown_principal(retiring).await?.into();
        }
        if let Some(constraint) = &grant.constraint {
            let kind = if constraint.is_exact { "EncryptionContextEquals" } else { "EncryptionContextSubset" };
            shown["Constraints"] = json!({ kind: constraint.pairs });
        }
        Ok(Some(shown))
    }
}

fn refuse_services(service: Option<&Value>) -> Result<(), ApiError> {
    if service.is_none_or(Value::is_null) {
        return Ok(());
    }
    Err(api_error(unsupported("Grants to services are not supported.")))
}

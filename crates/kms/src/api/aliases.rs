//! CreateAlias, UpdateAlias, DeleteAlias and ListAliases.

use coffer_access::Context;
use coffer_iam::ApiError;
use coffer_keyring::KmsError;
use coffer_store::RowTable;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Asked;
use super::constraints::Constraints;
use super::describe_key::seconds;
use super::page::PageParameters;
use crate::error::{api_error, from_store, validation};
use crate::names::key_id_text;
use crate::records::{AliasRecord, alias_rows};

/// How names of aliases start.
const PREFIX: &str = "alias/";
/// How those start that only services have.
const RESERVED: &str = "alias/aws/";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Parameters {
    alias_name: Option<String>,
    target_key_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListParameters {
    key_id: Option<String>,
    #[serde(flatten)]
    page: PageParameters,
}

impl Asked<'_> {
    /// Gives a key another name.
    ///
    /// # Errors
    /// `AlreadyExistsException`, `NotFoundException`, `AccessDeniedException`, `KMSInvalidStateException`,
    /// `LimitExceededException`, `NotAuthorizedException` for a name of a service, `ValidationException`.
    pub(super) async fn create_alias(&self) -> Result<String, ApiError> {
        let parameters: Parameters = self.parameters()?;
        let (alias, target) = parameters.alias_and_target()?;
        let context = self.alias_context(alias);
        self.authorize_alias("kms:CreateAlias", alias, &context)?;
        self.kms.create_alias(&self.authority_with(&context), alias, target).await.map_err(api_error)?;
        Ok(String::new())
    }

    /// Gives a name to another key.
    ///
    /// # Errors
    /// `NotFoundException`, `AccessDeniedException`, `KMSInvalidStateException`, `LimitExceededException`,
    /// `NotAuthorizedException` for a name of a service, `ValidationException`.
    pub(super) async fn update_alias(&self) -> Result<String, ApiError> {
        let parameters: Parameters = self.parameters()?;
        let (alias, target) = parameters.alias_and_target()?;
        let context = self.alias_context(alias);
        self.authorize_alias("kms:UpdateAlias", alias, &context)?;
        self.kms.update_alias(&self.authority_with(&context), alias, target).await.map_err(api_error)?;
        Ok(String::new())
    }

    /// Takes a name from its key.
    ///
    /// # Errors
    /// `NotFoundException`, `AccessDeniedException`, `NotAuthorizedException` for a name of a service,
    /// `ValidationException`.
    pub(super) async fn delete_alias(&self) -> Result<String, ApiError> {
        let parameters: Parameters = self.parameters()?;
        let mut constraints = Constraints::default();
        let alias = alias_name(&mut constraints, parameters.alias_name.as_deref());
        constraints.check()?;
        check_name(alias)?;
        let context = self.alias_context(alias);
        self.authorize_alias("kms:DeleteAlias", alias, &context)?;
        self.kms.delete_alias(&self.authority_with(&context), alias).await.map_err(api_error)?;
        Ok(String::new())
    }

    /// Lists the names of the keys of the caller's account, or of one of them.
    ///
    /// # Errors
    /// `NotFoundException`, `AccessDeniedException`, `InvalidMarkerException`.
    pub(super) async fn list_aliases(&self) -> Result<String, ApiError> {
        let parameters: ListParameters = self.parameters()?;
        let mut constraints = Constraints::default();
        parameters.page.constrain(&mut constraints);
        constraints.check()?;
        let page = parameters.page.page(50, 100)?;
        self.authorize_account("kms:ListAliases", "*", self.request.context)?;
        let account = self.request.account;
        let only = match &parameters.key_id {
            Some(name) => Some(self.kms.find_by_id(&self.authority(), name).await.map_err(api_error)?.0.id),
            None => None,
        };
        let prefix = alias_rows(account);
        let (mut after, mut items) = (page.after.clone().map(|name| [&prefix[..], &name].concat()), Vec::new());
        while items.len() <= page.limit {
            let rows = self.kms.0.store.rows::<AliasRecord>(RowTable::Kms, &prefix, after.as_deref(), 200).await;
            let rows = rows.map_err(|error| api_error(from_store(&error)))?;
            let Some((last, _)) = rows.last() else { break };
            after = Some(last.clone());
            for (_, alias) in rows.into_iter().filter(|(_, alias)| only.is_none_or(|id| alias.key_id == id)) {
                items.push((alias.name.as_bytes().to_vec(), self.alias_entry(&alias).await?));
                if items.len() > page.limit {
                    break;
                }
            }
        }
        Ok(page.answer("Aliases", items))
    }

    /// `AliasListEntry`.
    async fn alias_entry(&self, alias: &AliasRecord) -> Result<Value, ApiError> {
        let mut entry = json!({
            "AliasArn": self.kms.alias_arn(self.request.account, &alias.name),
            "AliasName": alias.name,
            "CreationDate": seconds(alias.created_ms),
            "LastUpdatedDate": seconds(alias.updated_ms),
        });
        if let Some((key, _)) = self.kms.key(&alias.key_id).await.map_err(api_error)? {
            entry["TargetKeyId"] = key_id_text(&key.id, key.multi_region).into();
        }
        Ok(entry)
    }

    fn alias_context(&self, alias: &str) -> Context {
        let mut context: Context = self.request.context.clone();
        context.set("kms:RequestAlias", alias);
        context
    }

    /// Who gives or takes a name needs to be allowed to on the alias; on the key too, which is asked for later.
    fn authorize_alias(&self, action: &'static str, alias: &str, context: &Context) -> Result<(), ApiError> {
        self.authorize_account(action, &self.kms.alias_arn(self.request.account, alias), context)
    }
}

impl Parameters {
    fn alias_and_target(&self) -> Result<(&str, &str), ApiError> {
        let mut constraints = Constraints::default();
        let alias = alias_name(&mut constraints, self.alias_name.as_deref());
        let target = constraints.required("targetKeyId", self.target_key_id.as_deref());
        constraints.length("targetKeyId", self.target_key_id.as_deref(), 1, 2048);
        constraints.check()?;
        check_name(alias)?;
        if target.starts_with(PREFIX) || target.contains(":alias/") {
            return Err(api_error(validation("Aliases must refer to keys. Not aliases")));
        }
        Ok((alias, target))
    }
}

fn alias_name<'a>(constraints: &mut Constraints, alias: Option<&'a str>) -> &'a str {
    constraints.length("aliasName", alias, 1, 256);
    constraints.characters("aliasName", alias, "^[a-zA-Z0-9:/_-]+$", |c| {
        c.is_ascii_alphanumeric() || matches!(c, ':' | '/' | '_' | '-')
    });
    constraints.required("aliasName", alias)
}

fn check_name(alias: &str) -> Result<(), ApiError> {
    let refused = if !alias.starts_with(PREFIX) {
        validation(
            "Alias must start with the prefix \"alias/\". Please see \
             https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html",
        )
    } else if alias == PREFIX {
        KmsError::new("InvalidAliasNameException", "The name of an alias cannot be empty.")
    } else if alias.starts_with(RESERVED) {
        KmsError::new("NotAuthorizedException", "")
    } else if alias.contains(':') {
        validation(format!("{alias} contains invalid characters for an alias"))
    } else {
        return Ok(());
    };
    Err(api_error(refused))
}

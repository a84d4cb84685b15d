//! DescribeAccount, ListAccounts, ListAccountsForParent, CloseAccount.

use coffer_store::RowTable;
use serde_json::{Value, json};

use super::{ids, page, permit, refusal, seconds};
use crate::api::ApiRequest;
use crate::error::ApiError;
use crate::records::AccountRecord;
use crate::rows;
use crate::settings::Iam;

/// The most rows that are read at once.
const PAGE: usize = 1000;

pub(super) async fn describe(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    let account = named(request, "AccountId").await?;
    Ok(json!({ "Account": describe_account(request.iam, &account) }).to_string())
}

pub(super) async fn list(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    permit(request, "*")?;
    list_all(request).await
}

pub(super) async fn list_for_parent(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    permit(request, &ids::root_arn(request.iam))?;
    if request.params.required("ParentId")? != ids::root(request.iam.store().id()) {
        let message = "You specified a root or organizational unit that doesn't exist.";
        return Err(refusal("ParentNotFoundException", message));
    }
    list_all(request).await
}

async fn list_all(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    let accounts = request.iam.all_accounts().await?;
    let items = accounts.iter().map(|account| (account.id.clone(), describe_account(request.iam, account)));
    page::page("Accounts", items, &request.params)
}

/// Closes an account: from now on nobody in it can ask for anything. What it holds stays.
pub(super) async fn close(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    let AccountRecord { id, .. } = named(request, "AccountId").await?;
    if id == request.iam.settings().account_id {
        let message = "You can't close the management account.";
        return Err(refusal("ConstraintViolationException", message));
    }
    let mut change = request.iam.change(&id).await?;
    let account = request.iam.account(&id).await?.ok_or_else(not_found)?;
    if account.suspended {
        return Err(refusal("AccountAlreadyClosedException", "The specified account is already closed."));
    }
    let closed = AccountRecord { suspended: true, ..account };
    change.put_account(&closed);
    change.commit().await?;
    Ok(String::new())
}

/// The account that a parameter names, once the request is authorised.
pub(super) async fn named(request: &ApiRequest<'_>, parameter: &str) -> Result<AccountRecord, ApiError> {
    let id = request.params.required(parameter)?;
    permit(request, &ids::account_arn(request.iam, id))?;
    if id.len() != 12 || !id.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(refusal("InvalidInputException", "You specified an invalid value."));
    }
    request.iam.account(id).await?.ok_or_else(not_found)
}

fn not_found() -> ApiError {
    refusal("AccountNotFoundException", "You specified an account that doesn't exist.")
}

fn describe_account(iam: &Iam, account: &AccountRecord) -> Value {
    let state = if account.suspended { "SUSPENDED" } else { "ACTIVE" };
    let is_first = account.id == iam.settings().account_id;
    json!({
        "Id": account.id,
        "Arn": ids::account_arn(iam, &account.id),
        "Email": account.email,
        "Name": account.name,
        "Status": state,
        "State": state,
        "JoinedMethod": if is_first { "INVITED" } else { "CREATED" },
        "JoinedTimestamp": seconds(account.created_ms),
    })
}

impl Iam {
    /// Every account, by number.
    pub(super) async fn all_accounts(&self) -> Result<Vec<AccountRecord>, ApiError> {
        let prefix = rows::account("");
        let mut accounts: Vec<AccountRecord> = Vec::new();
        loop {
            let after = accounts.last().map(|last| rows::account(&last.id));
            let page = self.store().rows(RowTable::Identity, &prefix, after.as_deref(), PAGE).await?;
            let is_last = page.len() < PAGE;
            accounts.extend(page.into_iter().map(|(_, account)| account));
            if is_last {
                return Ok(accounts);
            }
        }
    }
}

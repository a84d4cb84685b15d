//! CreateAccount, DescribeCreateAccountStatus, ListCreateAccountStatus.

use std::collections::BTreeMap;

use coffer_store::RowTable;
use serde_json::{Value, json};

use super::{ids, page, permit, refusal, seconds};
use crate::api::ApiRequest;
use crate::error::ApiError;
use crate::ids::{IdKind, account_id, unique_id};
use crate::records::{AccountNameRecord, AccountRecord, AttachedRecord, CreateAccountRecord, RoleRecord, TagRecord};
use crate::rows;

/// The role by which the management account gets into a new account, unless the request names another.
const ROLE_NAME: &str = "OrganizationAccountAccessRole";
const ADMINISTRATOR: &str = "arn:aws:iam::aws:policy/AdministratorAccess";
/// The most accounts.
const MOST: usize = 10_000;
/// How long it is known what became of a request, in milliseconds.
const KEPT_MS: u64 = 90 * 24 * 60 * 60 * 1000;

/// What is asked for.
struct Wanted<'a> {
    name: &'a str,
    email: &'a str,
    role_name: &'a str,
    tags: Vec<TagRecord>,
}

/// Makes an account, at once. What cannot be made for want of a free address is no error but a request that failed.
pub(super) async fn create(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    let wanted = Wanted {
        name: account_name(request)?,
        email: email(request)?,
        role_name: request.params.optional_name("RoleName", 64)?.unwrap_or(ROLE_NAME),
        tags: request.params.tags("Tags")?,
    };
    let billing = request.params.get("IamUserAccessToBilling");
    if billing.is_some_and(|value| !matches!(value, "ALLOW" | "DENY")) {
        return Err(refusal("InvalidInputException", "You specified an invalid value for IamUserAccessToBilling."));
    }
    permit(request, "*")?;
    let mut outcome = CreateAccountRecord {
        id: ids::create_account_request(),
        account_name: wanted.name.to_owned(),
        requested_ms: request.now_ms,
        account: None,
        failure: None,
    };
    let id = account_id();
    if request.iam.all_accounts().await?.len() >= MOST {
        outcome.failure = Some("ACCOUNT_LIMIT_EXCEEDED".to_owned());
    } else if make(request, &id, &wanted).await? {
        outcome.account = Some(id);
    } else {
        outcome.failure = Some("EMAIL_ALREADY_EXISTS".to_owned());
    }
    keep(request, &outcome).await?;
    Ok(json!({ "CreateAccountStatus": describe(&outcome) }).to_string())
}

pub(super) async fn describe_status(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    let id = request.params.required("CreateAccountRequestId")?;
    permit(request, "*")?;
    let view = request.iam.view(request.account()?);
    let Some(outcome) = view.get::<CreateAccountRecord>(id).await? else {
        let message = "You specified a create account status that doesn't exist.";
        return Err(refusal("CreateAccountStatusNotFoundException", message));
    };
    Ok(json!({ "CreateAccountStatus": describe(&outcome) }).to_string())
}

pub(super) async fn list_statuses(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    permit(request, "*")?;
    let states = request.params.list("States");
    let outcomes = request.iam.view(request.account()?).all::<CreateAccountRecord>().await?;
    let asked_for = |outcome: &&CreateAccountRecord| states.is_empty() || states.contains(&state(outcome));
    let items = outcomes.iter().filter(asked_for).map(|outcome| (outcome.id.clone(), describe(outcome)));
    page::page("CreateAccountStatuses", items, &request.params)
}

/// Makes the account, with a role that trusts the management account. Returns `false` if the address is taken.
async fn make(request: &ApiRequest<'_>, id: &str, wanted: &Wanted<'_>) -> Result<bool, ApiError> {
    let (iam, store) = (request.iam, request.iam.store());
    let mut change = iam.change(id).await?;
    let email_row = rows::email(wanted.email);
    let (taken, email_version) = store.row::<AccountNameRecord>(RowTable::Identity, &email_row).await?;
    if taken.is_some() {
        return Ok(false);
    }
    if iam.account(id).await?.is_some() {
        // One in 900 billion: asked again it succeeds.
        return Err(ApiError::concurrent_modification());
    }
    let account = AccountRecord {
        id: id.to_owned(),
        name: wanted.name.to_owned(),
        email: wanted.email.to_owned(),
        created_ms: request.now_ms,
        suspended: false,
        alias: None,
        root_access_keys: Vec::new(),
        tags: wanted.tags.clone(),
    };
    change.put(&access_role(request, wanted.role_name));
    change.rows().check(RowTable::Identity, &email_row, email_version);
    iam.add_account_rows(&mut change, &account);
    change.commit().await?;
    Ok(true)
}

fn access_role(request: &ApiRequest<'_>, name: &str) -> RoleRecord {
    let management = &request.iam.settings().account_id;
    let trust_policy = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": { "AWS": format!("arn:aws:iam::{management}:root") },
            "Action": "sts:AssumeRole",
        }],
    });
    RoleRecord {
        name: name.to_owned(),
        path: "/".to_owned(),
        id: unique_id(IdKind::Role),
        created_ms: request.now_ms,
        tags: Vec::new(),
        policies: AttachedRecord { inline: Vec::new(), managed: vec![ADMINISTRATOR.to_owned()] },
        boundary: None,
        trust_policy: trust_policy.to_string(),
        description: String::new(),
        max_session_s: 3600,
        trusted: BTreeMap::new(),
    }
}

/// Keeps what became of a request, and forgets what is old.
async fn keep(request: &ApiRequest<'_>, outcome: &CreateAccountRecord) -> Result<(), ApiError> {
    let mut change = request.iam.change(request.account()?).await?;
    for old in change.view().all::<CreateAccountRecord>().await? {
        if old.requested_ms.saturating_add(KEPT_MS) < request.now_ms {
            change.delete::<CreateAccountRecord>(&old.id);
        }
    }
    change.put(outcome);
    change.commit().await
}

fn describe(outcome: &CreateAccountRecord) -> Value {
    let mut status = json!({
        "Id": outcome.id,
        "AccountName": outcome.account_name,
        "State": state(outcome),
        "RequestedTimestamp": seconds(outcome.requested_ms),
        "CompletedTimestamp": seconds(outcome.requested_ms),
    });
    if let Some(account) = &outcome.account {
        status["AccountId"] = json!(account);
    }
    if let Some(failure) = &outcome.failure {
        status["FailureReason"] = json!(failure);
    }
    status
}

fn state(outcome: &CreateAccountRecord) -> &'static str {
    if outcome.account.is_some() { "SUCCEEDED" } else { "FAILED" }
}

/// 1 to 50 printable ASCII characters.
fn account_name<'a>(request: &'a ApiRequest<'_>) -> Result<&'a str, ApiError> {
    let name = request.params.required("AccountName")?;
    let is_printable = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
    if (1..=50).contains(&name.len()) && name.bytes().all(is_printable) {
        return Ok(name);
    }
    Err(refusal("InvalidInputException", "You specified an invalid value for AccountName."))
}

/// `SOMEBODY@SOMEWHERE.TLD`, 6 to 64 characters.
fn email<'a>(request: &'a ApiRequest<'_>) -> Result<&'a str, ApiError> {
    let email = request.params.required("Email")?;
    let sound = email.split_once('@').is_some_and(|(user, host)| {
        let host = host.rsplit_once('.');
        !user.is_empty() && host.is_some_and(|(name, last)| !name.is_empty() && !last.is_empty())
    });
    let is_one_word = email.bytes().all(|byte| byte.is_ascii_graphic()) && email.matches('@').count() == 1;
    if sound && is_one_word && (6..=64).contains(&email.len()) {
        return Ok(email);
    }
    Err(refusal("InvalidInputException", "You specified an invalid email address."))
}

//! SimulatePrincipalPolicy, SimulateCustomPolicy, and the condition keys that policies depend on.

mod input;
mod outcome;
mod sources;

use std::collections::BTreeSet;
use std::sync::Arc;

use coffer_access::{Caller, Policy, Principal};

use self::input::Scenario;
use self::outcome::Outcome;
use self::sources::Source;
use super::holder::{Holder as _, set_resource_tags};
use crate::account::View;
use crate::api::ApiRequest;
use crate::arn;
use crate::error::ApiError;
use crate::page::Page;
use crate::params::{Params, invalid};
use crate::records::{GroupRecord, RoleRecord, TagRecord, UserRecord};
use crate::xml::Xml;

pub(super) async fn principal(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    let view = request.iam.view(request.account()?);
    let subject = subject(request, &view).await?;
    let scenario = Scenario::read(request, &view, subject).await?;
    answer(&scenario, &request.params)
}

pub(super) async fn custom(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    let view = request.iam.view(request.account()?);
    request.authorize("iam:SimulateCustomPolicy", "*")?;
    if request.params.list("PolicyInputList").is_empty() {
        return Err(invalid("PolicyInputList", None, "Member must not be null"));
    }
    let subject = Subject { caller: nobody(&view.account), is_user: false, sources: Vec::new() };
    let scenario = Scenario::read(request, &view, subject).await?;
    answer(&scenario, &request.params)
}

pub(super) async fn keys_of_principal(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    let view = request.iam.view(request.account()?);
    let mut sources = subject(request, &view).await?.sources;
    sources.extend(input::policies(&request.params, "PolicyInputList")?);
    Ok(keys(&sources))
}

pub(super) fn keys_of_custom(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    request.authorize("iam:GetContextKeysForCustomPolicy", "*")?;
    Ok(keys(&input::policies(&request.params, "PolicyInputList")?))
}

/// Whose policies are simulated.
struct Subject {
    /// With a boundary, and with policies that are replaced by those of `sources`.
    caller: Caller,
    is_user: bool,
    sources: Vec<Source>,
}

/// The user, group or role in `PolicySourceArn`, once the request is authorised.
async fn subject(request: &ApiRequest<'_>, view: &View<'_>) -> Result<Subject, ApiError> {
    let arn = request.params.required("PolicySourceArn")?;
    let own = |kind| arn::parse(arn, kind).filter(|(account, _)| *account == view.account).map(|(_, name)| name);
    let permit = |tags: &[TagRecord]| {
        request.authorize_with(&format!("iam:{}", request.action), arn, |context| set_resource_tags(context, tags))
    };
    if let Some(name) = own("user") {
        let user = view.get::<UserRecord>(name).await?.filter(|user| user.arn(&view.account) == arn);
        permit(user.as_ref().map_or(&[], |user| &user.tags))?;
        let user = user.ok_or_else(|| UserRecord::not_found(name))?;
        let caller = view.user_caller(&user).await?;
        return Ok(Subject { caller, is_user: true, sources: sources::of_user(view, &user).await? });
    }
    if let Some(name) = own("role") {
        let role = view.get::<RoleRecord>(name).await?.filter(|role| role.arn(&view.account) == arn);
        permit(role.as_ref().map_or(&[], |role| &role.tags))?;
        let role = role.ok_or_else(|| RoleRecord::not_found(name))?;
        let caller = view.role_caller(&role, SESSION_NAME).await?;
        return Ok(Subject { caller, is_user: false, sources: sources::of(view, &role).await? });
    }
    permit(&[])?;
    if let Some(name) = own("group") {
        let group = view.get::<GroupRecord>(name).await?.filter(|group| group.arn(&view.account) == arn);
        let group = group.ok_or_else(|| GroupRecord::not_found(name))?;
        return Ok(Subject {
            caller: nobody(&view.account),
            is_user: false,
            sources: sources::of(view, &group).await?,
        });
    }
    Err(ApiError::invalid_input(format!("Invalid Entity Arn: {arn} does not clearly define entity type and name.")))
}

/// The name of the session of a role that is simulated.
const SESSION_NAME: &str = "simulation";

/// A user of an account who is nobody in particular: nothing is known of it.
fn nobody(account: &str) -> Caller {
    let (account, path) = (account.to_owned(), "/".to_owned());
    let mut caller = Caller::bare(Principal::User { account, path, name: String::new(), id: String::new() }, "User");
    caller.context = coffer_access::Context::new();
    caller
}

fn answer(scenario: &Scenario, params: &Params) -> Result<String, ApiError> {
    let actions = scenario.actions.iter().enumerate().map(|(index, action)| (format!("{index:04}"), action)).collect();
    let page = Page::of(actions, params, |(index, _)| index)?;
    let mut xml = Xml::new();
    xml.list("EvaluationResults", &page.items, |xml, (_, action)| Outcome::of(scenario, action).write(xml));
    page.write_end(&mut xml);
    Ok(xml.into_string())
}

fn keys(sources: &[Source]) -> String {
    let keys: BTreeSet<&str> = sources.iter().flat_map(|source| source.policy.condition_keys()).collect();
    let mut xml = Xml::new();
    xml.list("ContextKeyNames", keys, |xml, key| xml.escape(key));
    xml.into_string()
}

/// The policies, without their names.
fn policies(sources: &[Source]) -> Vec<Arc<Policy>> {
    sources.iter().map(|source| Arc::clone(&source.policy)).collect()
}

#[cfg(test)]
mod tests;

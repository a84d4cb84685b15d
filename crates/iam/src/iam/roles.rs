//! CreateRole, GetRole, UpdateRole, UpdateRoleDescription, UpdateAssumeRolePolicy, DeleteRole, ListRoles, and
//! ListInstanceProfilesForRole, of which there are none.

use coffer_store::RowTable;

use super::document;
use super::holder::{Holder as _, named};
use super::principal::check_boundary;
use super::users::{set_request_tags, write_boundary, write_tags};
use crate::api::ApiRequest;
use crate::arn;
use crate::error::ApiError;
use crate::ids::{IdKind, unique_id};
use crate::page::Page;
use crate::params::{Params, invalid};
use crate::principals::CurrentNames;
use crate::records::{AttachedRecord, RoleRecord};
use crate::rows;
use crate::settings::Iam;
use crate::xml::Xml;

/// The longest name.
const MAX_NAME_LEN: usize = 64;
/// The longest description, in characters.
const MAX_DESCRIPTION_LEN: usize = 1000;
/// The most roles of an account.
pub(super) const MOST: usize = 1000;
/// How long a session may be when nobody says, in seconds; it is also the least.
const HOUR_S: u32 = 3600;
/// The longest session that a role may allow, in seconds.
const MAX_SESSION_S: u32 = 12 * HOUR_S;

pub(super) async fn create(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    let (account, params) = (request.account()?, &request.params);
    let (name, path) = (params.name("RoleName", MAX_NAME_LEN)?, params.path("Path")?);
    let trust_policy = document::text(params, "AssumeRolePolicyDocument")?;
    let description = description(params)?.unwrap_or_default();
    let max_session_s = params.number("MaxSessionDuration", HOUR_S, MAX_SESSION_S)?.unwrap_or(HOUR_S);
    let (tags, boundary) = (params.tags("Tags")?, params.get("PermissionsBoundary"));
    request.authorize_with("iam:CreateRole", &arn::role(account, path, name), |context| {
        set_request_tags(context, &tags);
        context.set_if("iam:PermissionsBoundary", boundary);
    })?;
    let trusted = request.iam.read_trust_policy(trust_policy).await?;
    let mut change = request.iam.change(account).await?;
    if change.get::<RoleRecord>(name).await?.is_some() {
        return Err(ApiError::entity_already_exists(format!("Role with name {name} already exists.")));
    }
    if let Some(arn) = boundary {
        check_boundary(change.view(), arn).await?;
    }
    if change.view().all::<RoleRecord>().await?.len() >= MOST {
        return Err(ApiError::limit_exceeded(format!("Cannot exceed quota for RolesPerAccount: {MOST}")));
    }
    let role = RoleRecord {
        name: name.to_owned(),
        path: path.to_owned(),
        id: unique_id(IdKind::Role),
        created_ms: request.now_ms,
        tags,
        policies: AttachedRecord::default(),
        boundary: boundary.map(str::to_owned),
        trust_policy: trust_policy.to_owned(),
        description: description.to_owned(),
        max_session_s,
        trusted,
    };
    change.put(&role);
    change.commit().await?;
    let mut xml = Xml::new();
    xml.element("Role", |xml| write(xml, account, &role, trust_policy, true));
    Ok(xml.into_string())
}

pub(super) async fn get(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    let account = request.account()?;
    let role = named::<RoleRecord>(request, &request.iam.view(account), |_, _| {}).await?;
    let trust_policy = CurrentNames::new(request.iam).shown_trust_policy(&role).await?;
    let mut xml = Xml::new();
    let last_used = request.iam.last_used(&role.id).await?;
    xml.element("Role", |xml| {
        write(xml, account, &role, &trust_policy, true);
        xml.element("RoleLastUsed", |xml| {
            if let Some(last) = &last_used {
                xml.time("LastUsedDate", last.at_ms).text("Region", &last.region);
            }
        });
    });
    Ok(xml.into_string())
}

pub(super) async fn update(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    let description = description(&request.params)?;
    let max_session_s = request.params.number("MaxSessionDuration", HOUR_S, MAX_SESSION_S)?;
    let mut change = request.iam.change(request.account()?).await?;
    let mut role = named::<RoleRecord>(request, change.view(), |_, _| {}).await?;
    if let Some(description) = description {
        role.description = description.to_owned();
    }
    // What is left out goes back to what it is when nobody says.
    role.max_session_s = max_session_s.unwrap_or(HOUR_S);
    change.put(&role);
    change.commit().await?;
    Ok(String::new())
}

pub(super) async fn update_description(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    let account = request.account()?;
    request.params.required("Description")?;
    let description = description(&request.params)?.unwrap_or_default();
    let mut change = request.iam.change(account).await?;
    let mut role = named::<RoleRecord>(request, change.view(), |_, _| {}).await?;
    role.description = description.to_owned();
    change.put(&role);
    change.commit().await?;
    let trust_policy = CurrentNames::new(request.iam).shown_trust_policy(&role).await?;
    let mut xml = Xml::new();
    xml.element("Role", |xml| write(xml, account, &role, &trust_policy, false));
    Ok(xml.into_string())
}

pub(super) async fn update_trust_policy(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    let trust_policy = document::text(&request.params, "PolicyDocument")?;
    let mut change = request.iam.change(request.account()?).await?;
    let mut role = named::<RoleRecord>(request, change.view(), |_, _| {}).await?;
    role.trusted = request.iam.read_trust_policy(trust_policy).await?;
    role.trust_policy = trust_policy.to_owned();
    change.put(&role);
    change.commit().await?;
    Ok(String::new())
}

pub(super) async fn delete(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    let mut change = request.iam.change(request.account()?).await?;
    let role = named::<RoleRecord>(request, change.view(), |_, _| {}).await?;
    if !role.policies.managed.is_empty() {
        return Err(ApiError::delete_conflict("Cannot delete entity, must detach all policies first."));
    }
    if !role.policies.inline.is_empty() {
        return Err(ApiError::delete_conflict("Cannot delete entity, must delete policies first."));
    }
    change.delete::<RoleRecord>(&role.name);
    change.rows().delete(RowTable::Identity, &rows::last_used(&role.id));
    change.commit().await?;
    Ok(String::new())
}

pub(super) async fn list(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    let account = request.account()?;
    let prefix = request.params.get("PathPrefix").unwrap_or("/");
    request.authorize("iam:ListRoles", &arn::role(account, prefix, ""))?;
    let mut roles = request.iam.view(account).all::<RoleRecord>().await?;
    roles.retain(|role| role.path.starts_with(prefix));
    let page = Page::of(roles, &request.params, |role| &role.name)?;
    let shown = with_trust_policies(request.iam, &page.items).await?;
    let mut xml = Xml::new();
    xml.list("Roles", &shown, |xml, (role, trust_policy)| write(xml, account, role, trust_policy, false));
    page.write_end(&mut xml);
    Ok(xml.into_string())
}

/// An empty list: whoever deletes a role asks for it first.
pub(super) async fn list_instance_profiles(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    named::<RoleRecord>(request, &request.iam.view(request.account()?), |_, _| {}).await?;
    let mut xml = Xml::new();
    xml.list("InstanceProfiles", [(); 0], |_, ()| {}).value("IsTruncated", false);
    Ok(xml.into_string())
}

async fn with_trust_policies<'a>(
    iam: &Iam,
    roles: &'a [RoleRecord],
) -> Result<Vec<(&'a RoleRecord, String)>, ApiError> {
    let (mut names, mut shown) = (CurrentNames::new(iam), Vec::with_capacity(roles.len()));
    for role in roles {
        shown.push((role, names.shown_trust_policy(role).await?));
    }
    Ok(shown)
}

fn description(params: &Params) -> Result<Option<&str>, ApiError> {
    let Some(description) = params.get("Description") else { return Ok(None) };
    if description.chars().count() > MAX_DESCRIPTION_LEN {
        let must = format!("Member must have length less than or equal to {MAX_DESCRIPTION_LEN}");
        return Err(invalid("Description", Some(description), &must));
    }
    if !description.chars().all(|c| matches!(c, '\t' | '\n' | '\r' | ' '..='~' | '\u{a1}'..='\u{ff}')) {
        let must = "Member must satisfy regular expression pattern: \
                    [\\u0009\\u000A\\u000D\\u0020-\\u007E\\u00A1-\\u00FF]*";
        return Err(invalid("Description", Some(description), must));
    }
    Ok(Some(description))
}

/// Writes a role. Lists leave out boundary and tags.
pub(super) fn write(xml: &mut Xml, account: &str, role: &RoleRecord, trust_policy: &str, whole: bool) {
    xml.text("Path", &role.path)
        .text("RoleName", &role.name)
        .text("RoleId", &role.id)
        .text("Arn", &role.arn(account))
        .time("CreateDate", role.created_ms)
        .text("AssumeRolePolicyDocument", &document::encoded(trust_policy));
    if !role.description.is_empty() {
        xml.text("Description", &role.description);
    }
    xml.value("MaxSessionDuration", role.max_session_s);
    if !whole {
        return;
    }
    write_boundary(xml, role.boundary.as_deref());
    if !role.tags.is_empty() {
        write_tags(xml, &role.tags);
    }
}

#[cfg(test)]
mod tests;

//! CreateGroup, GetGroup, UpdateGroup, DeleteGroup, ListGroups.

use super::holder::{Holder as _, named};
use super::users::write as write_user;
use crate::account::View;
use crate::api::ApiRequest;
use crate::arn;
use crate::error::ApiError;
use crate::ids::{IdKind, unique_id};
use crate::page::Page;
use crate::records::{AttachedRecord, GroupRecord, UserRecord};
use crate::xml::Xml;

/// The longest name of a group.
const MAX_NAME_LEN: usize = 128;
/// The most groups of an account.
pub(super) const MOST: usize = 300;

pub(super) async fn create(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    let account = request.account()?;
    let (name, path) = (request.params.name("GroupName", MAX_NAME_LEN)?, request.params.path("Path")?);
    request.authorize("iam:CreateGroup", &arn::group(account, path, name))?;
    let mut change = request.iam.change(account).await?;
    if change.get::<GroupRecord>(name).await?.is_some() {
        return Err(already_exists(name));
    }
    if change.view().all::<GroupRecord>().await?.len() >= MOST {
        return Err(ApiError::limit_exceeded(format!("Cannot exceed quota for GroupsPerAccount: {MOST}")));
    }
    let group = GroupRecord {
        name: name.to_owned(),
        path: path.to_owned(),
        id: unique_id(IdKind::Group),
        created_ms: request.now_ms,
        policies: AttachedRecord::default(),
    };
    change.put(&group);
    change.commit().await?;
    let mut xml = Xml::new();
    xml.element("Group", |xml| write(xml, account, &group));
    Ok(xml.into_string())
}

pub(super) async fn get(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    let view = request.iam.view(request.account()?);
    let group = named::<GroupRecord>(request, &view, |_, _| {}).await?;
    let page = Page::of(members(&view, &group.name).await?, &request.params, |user| &user.name)?;
    let mut xml = Xml::new();
    xml.element("Group", |xml| write(xml, &view.account, &group));
    xml.list("Users", &page.items, |xml, user| write_user(xml, &view.account, user, false));
    page.write_end(&mut xml);
    Ok(xml.into_string())
}

pub(super) async fn update(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    let new_name = request.params.optional_name("NewGroupName", MAX_NAME_LEN)?;
    let new_path = request.params.get("NewPath").map(|_| request.params.path("NewPath")).transpose()?;
    let mut change = request.iam.change(request.account()?).await?;
    let group = named::<GroupRecord>(request, change.view(), |_, _| {}).await?;
    let moved = GroupRecord {
        name: new_name.unwrap_or(&group.name).to_owned(),
        path: new_path.unwrap_or(&group.path).to_owned(),
        ..group.clone()
    };
    // Renaming needs the permission on what the group becomes, too.
    request.authorize("iam:UpdateGroup", &moved.arn(&change.view().account))?;
    let is_renamed = !moved.name.eq_ignore_ascii_case(&group.name);
    if is_renamed && change.get::<GroupRecord>(&moved.name).await?.is_some() {
        return Err(already_exists(&moved.name));
    }
    for mut user in members(change.view(), &group.name).await? {
        user.groups.retain(|name| *name != group.name);
        user.groups.push(moved.name.clone());
        change.put(&user);
    }
    change.delete::<GroupRecord>(&group.name);
    change.put(&moved);
    change.commit().await?;
    Ok(String::new())
}

pub(super) async fn delete(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    let mut change = request.iam.change(request.account()?).await?;
    let group = named::<GroupRecord>(request, change.view(), |_, _| {}).await?;
    let conflict = if !members(change.view(), &group.name).await?.is_empty() {
        Some("Cannot delete entity, must remove users from group first.")
    } else if !group.policies.managed.is_empty() {
        Some("Cannot delete entity, must detach all policies first.")
    } else if !group.policies.inline.is_empty() {
        Some("Cannot delete entity, must delete policies first.")
    } else {
        None
    };
    if let Some(message) = conflict {
        return Err(ApiError::delete_conflict(message));
    }
    change.delete::<GroupRecord>(&group.name);
    change.commit().await?;
    Ok(String::new())
}

pub(super) async fn list(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    let account = request.account()?;
    let prefix = request.params.get("PathPrefix").unwrap_or("/");
    request.authorize("iam:ListGroups", &arn::group(account, prefix, ""))?;
    let mut groups = request.iam.view(account).all::<GroupRecord>().await?;
    groups.retain(|group| group.path.starts_with(prefix));
    page(groups, request)
}

/// Writes a page of groups, which are in the order of their names.
///
/// # Errors
/// `ValidationError`.
pub(super) fn page(groups: Vec<GroupRecord>, request: &ApiRequest<'_>) -> Result<String, ApiError> {
    let account = request.account()?;
    let page = Page::of(groups, &request.params, |group| &group.name)?;
    let mut xml = Xml::new();
    xml.list("Groups", &page.items, |xml, group| write(xml, account, group));
    page.write_end(&mut xml);
    Ok(xml.into_string())
}

/// Writes a group.
pub(super) fn write(xml: &mut Xml, account: &str, group: &GroupRecord) {
    xml.text("Path", &group.path)
        .text("GroupName", &group.name)
        .text("GroupId", &group.id)
        .text("Arn", &group.arn(account))
        .time("CreateDate", group.created_ms);
}

/// The users in a group, by name.
async fn members(view: &View<'_>, group: &str) -> Result<Vec<UserRecord>, ApiError> {
    let mut users = view.all::<UserRecord>().await?;
    users.retain(|user| user.groups.iter().any(|name| name == group));
    Ok(users)
}

fn already_exists(name: &str) -> ApiError {
    ApiError::entity_already_exists(format!("Group with name {name} already exists."))
}

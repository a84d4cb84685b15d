//! CreateUser, GetUser, UpdateUser, DeleteUser, ListUsers.

use coffer_access::{Context, Principal};

use super::holder::{Holder as _, called, named};
use super::principal::check_boundary;
use crate::account::View;
use crate::api::ApiRequest;
use crate::arn;
use crate::error::ApiError;
use crate::ids::{IdKind, unique_id};
use crate::page::Page;
use crate::records::{AttachedRecord, TagRecord, UserRecord};
use crate::xml::Xml;

/// The longest name of a user.
const MAX_NAME_LEN: usize = 64;
/// The most users of an account.
pub(super) const MOST: usize = 5000;

pub(super) async fn create(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    let account = request.account()?;
    let (name, path) = (request.params.name("UserName", MAX_NAME_LEN)?, request.params.path("Path")?);
    let tags = request.params.tags("Tags")?;
    let boundary = request.params.get("PermissionsBoundary");
    request.authorize_with("iam:CreateUser", &arn::user(account, path, name), |context| {
        set_request_tags(context, &tags);
        context.set_if("iam:PermissionsBoundary", boundary);
    })?;
    let mut change = request.iam.change(account).await?;
    if change.get::<UserRecord>(name).await?.is_some() {
        return Err(ApiError::entity_already_exists(format!("User with name {name} already exists.")));
    }
    if let Some(arn) = boundary {
        check_boundary(change.view(), arn).await?;
    }
    if change.view().all::<UserRecord>().await?.len() >= MOST {
        return Err(ApiError::limit_exceeded(format!("Cannot exceed quota for UsersPerAccount: {MOST}")));
    }
    let user = UserRecord {
        name: name.to_owned(),
        path: path.to_owned(),
        id: unique_id(IdKind::User),
        created_ms: request.now_ms,
        tags,
        policies: AttachedRecord::default(),
        boundary: boundary.map(str::to_owned),
        groups: Vec::new(),
        access_keys: Vec::new(),
    };
    change.put(&user);
    change.commit().await?;
    let mut xml = Xml::new();
    xml.element("User", |xml| write(xml, account, &user, true));
    Ok(xml.into_string())
}

pub(super) async fn get(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    let account = request.account()?;
    let mut xml = Xml::new();
    match user_of(request, &request.iam.view(account)).await? {
        Some(user) => {
            xml.element("User", |xml| write(xml, account, &user, true));
        }
        // The root user describes itself.
        None => {
            let created_ms = request.iam.account(account).await?.map_or(0, |account| account.created_ms);
            xml.element("User", |xml| {
                xml.text("UserId", account).text("Arn", &request.caller.principal.arn()).time("CreateDate", created_ms);
            });
        }
    }
    Ok(xml.into_string())
}

pub(super) async fn update(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    let new_name = request.params.optional_name("NewUserName", MAX_NAME_LEN)?;
    let new_path = request.params.get("NewPath").map(|_| request.params.path("NewPath")).transpose()?;
    let mut change = request.iam.change(request.account()?).await?;
    let user = named::<UserRecord>(request, change.view(), |_, _| {}).await?;
    let moved = UserRecord {
        name: new_name.unwrap_or(&user.name).to_owned(),
        path: new_path.unwrap_or(&user.path).to_owned(),
        ..user.clone()
    };
    // Renaming needs the permission on what the user becomes, too.
    request.authorize("iam:UpdateUser", &moved.arn(&change.view().account))?;
    if !moved.name.eq_ignore_ascii_case(&user.name) && change.get::<UserRecord>(&moved.name).await?.is_some() {
        return Err(ApiError::entity_already_exists(format!("User with name {} already exists.", moved.name)));
    }
    change.delete::<UserRecord>(&user.name);
    change.put(&moved);
    for access_key in &moved.access_keys {
        if let Some(mut key) = request.iam.access_key(access_key).await? {
            key.user = Some(moved.name.clone());
            change.put_access_key(&key);
        }
    }
    change.commit().await?;
    Ok(String::new())
}

pub(super) async fn delete(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    let mut change = request.iam.change(request.account()?).await?;
    let user = named::<UserRecord>(request, change.view(), |_, _| {}).await?;
    let conflict = if !user.access_keys.is_empty() {
        Some("Cannot delete entity, must delete access keys first.")
    } else if !user.groups.is_empty() {
        Some("Cannot delete entity, must remove users from group first.")
    } else if !user.policies.managed.is_empty() {
        Some("Cannot delete entity, must detach all policies first.")
    } else if !user.policies.inline.is_empty() {
        Some("Cannot delete entity, must delete policies first.")
    } else {
        None
    };
    if let Some(message) = conflict {
        return Err(ApiError::delete_conflict(message));
    }
    change.delete::<UserRecord>(&user.name);
    change.commit().await?;
    Ok(String::new())
}

pub(super) async fn list(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    let account = request.account()?;
    let prefix = request.params.get("PathPrefix").unwrap_or("/");
    request.authorize("iam:ListUsers", &arn::user(account, prefix, ""))?;
    let mut users = request.iam.view(account).all::<UserRecord>().await?;
    users.retain(|user| user.path.starts_with(prefix));
    let page = Page::of(users, &request.params, |user| &user.name)?;
    let mut xml = Xml::new();
    xml.list("Users", &page.items, |xml, user| write(xml, account, user, false));
    page.write_end(&mut xml);
    Ok(xml.into_string())
}

/// The user that a request is about, once it is authorised: the one it names, else the caller itself; `None` for the
/// root user.
pub(super) async fn user_of(request: &ApiRequest<'_>, view: &View<'_>) -> Result<Option<UserRecord>, ApiError> {
    if request.params.get(UserRecord::PARAM).is_some() {
        return named(request, view, |_, _| {}).await.map(Some);
    }
    match &request.caller.principal {
        Principal::User { name, .. } => called(request, view, name, |_, _| {}).await.map(Some),
        Principal::Root { .. } => {
            request.authorize(&format!("iam:{}", request.action), &request.caller.principal.arn())?;
            Ok(None)
        }
        _ => Err(ApiError::validation("Must specify userName when calling with non-User credentials")),
    }
}

/// Sets the condition keys of the tags that a request brings.
pub(super) fn set_request_tags(context: &mut Context, tags: &[TagRecord]) {
    if tags.is_empty() {
        return;
    }
    for tag in tags {
        context.set(&format!("aws:RequestTag/{}", tag.key), &tag.value);
    }
    context.set_all("aws:TagKeys", tags.iter().map(|tag| tag.key.clone()).collect());
}

/// Writes a user. Lists leave out what would make them long.
pub(super) fn write(xml: &mut Xml, account: &str, user: &UserRecord, whole: bool) {
    xml.text("Path", &user.path)
        .text("UserName", &user.name)
        .text("UserId", &user.id)
        .text("Arn", &arn::user(account, &user.path, &user.name))
        .time("CreateDate", user.created_ms);
    if !whole {
        return;
    }
    write_boundary(xml, user.boundary.as_deref());
    if !user.tags.is_empty() {
        write_tags(xml, &user.tags);
    }
}

/// Writes `PermissionsBoundary`, if there is one.
pub(super) fn write_boundary(xml: &mut Xml, boundary: Option<&str>) {
    if let Some(arn) = boundary {
        xml.element("PermissionsBoundary", |xml| {
            xml.text("PermissionsBoundaryType", "Policy").text("PermissionsBoundaryArn", arn);
        });
    }
}

/// Writes `Tags`.
pub(super) fn write_tags(xml: &mut Xml, tags: &[TagRecord]) {
    xml.list("Tags", tags, |xml, tag| {
        xml.text("Key", &tag.key).text("Value", &tag.value);
    });
}

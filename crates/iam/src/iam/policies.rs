//! Managed policies: CreatePolicy, GetPolicy, DeletePolicy, ListPolicies, TagPolicy, UntagPolicy, ListPolicyTags.

use coffer_access::{Policy, PolicyKind};

use super::attachments::UseCounts;
use super::holder::set_resource_tags;
use super::users::{set_request_tags, write_tags};
use super::{document, tags};
use crate::account::View;
use crate::api::ApiRequest;
use crate::arn;
use crate::error::ApiError;
use crate::ids::{IdKind, unique_id};
use crate::page::Page;
use crate::params::{Params, invalid};
use crate::predefined::{self, PREDEFINED, Predefined};
use crate::records::{ManagedPolicyRecord, PolicyVersionRecord, TagRecord};
use crate::xml::Xml;

/// The longest name.
const MAX_NAME_LEN: usize = 128;
/// The longest description, in characters.
const MAX_DESCRIPTION_LEN: usize = 1000;
/// The most characters of a document, without white space.
pub(super) const MAX_LEN: usize = 6144;
/// The most policies of an account.
pub(super) const MOST: usize = 1500;

/// A policy that is there: AWS's, or the account's own.
pub(super) enum Managed {
    Predefined(&'static Predefined),
    Own(ManagedPolicyRecord),
}

/// What a policy is used as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Usage {
    Permissions,
    Boundary,
}

pub(super) async fn create(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    let account = request.account()?;
    let (name, path) = (request.params.name("PolicyName", MAX_NAME_LEN)?, policy_path(&request.params, "Path")?);
    let (document, description) = (document::text(&request.params, "PolicyDocument")?, description(&request.params)?);
    let tags = request.params.tags("Tags")?;
    let arn = arn::policy(account, path, name);
    request.authorize_with("iam:CreatePolicy", &arn, |context| set_request_tags(context, &tags))?;
    check_document(document)?;
    let mut change = request.iam.change(account).await?;
    if change.get::<ManagedPolicyRecord>(name).await?.is_some() {
        let message = format!("A policy called {name} already exists. Duplicate names are not allowed.");
        return Err(ApiError::entity_already_exists(message));
    }
    if change.view().all::<ManagedPolicyRecord>().await?.len() >= MOST {
        return Err(ApiError::limit_exceeded(format!("Cannot exceed quota for PoliciesPerAccount: {MOST}")));
    }
    let version = PolicyVersionRecord { number: 1, document: document.to_owned(), created_ms: request.now_ms };
    let policy = ManagedPolicyRecord {
        name: name.to_owned(),
        path: path.to_owned(),
        id: unique_id(IdKind::ManagedPolicy),
        created_ms: request.now_ms,
        updated_ms: request.now_ms,
        tags,
        description: description.to_owned(),
        versions: vec![version],
        default_version: 1,
        next_version: 2,
    };
    change.put(&policy);
    change.commit().await?;
    let mut xml = Xml::new();
    xml.element("Policy", |xml| Shown::own(account, &policy).write(xml, &UseCounts::default(), true));
    Ok(xml.into_string())
}

pub(super) async fn get(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    let account = request.account()?;
    let view = request.iam.view(account);
    let policy = existing(request, &view, arn_of(request)?).await?;
    let counts = UseCounts::of(&view).await?;
    let mut xml = Xml::new();
    xml.element("Policy", |xml| Shown::of(account, &policy).write(xml, &counts, true));
    Ok(xml.into_string())
}

pub(super) async fn delete(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    let account = request.account()?;
    let arn = arn_of(request)?;
    let mut change = request.iam.change(account).await?;
    let policy = existing_own(request, change.view(), arn).await?;
    let counts = UseCounts::of(change.view()).await?;
    if counts.attached(arn) + counts.boundaries(arn) > 0 {
        return Err(ApiError::delete_conflict("Cannot delete a policy attached to entities."));
    }
    if policy.versions.len() > 1 {
        let message = "This policy has more than one version. Before you delete a policy, you must delete the \
                       policy's versions. The default version is deleted with the policy.";
        return Err(ApiError::delete_conflict(message));
    }
    change.delete::<ManagedPolicyRecord>(&policy.name);
    change.commit().await?;
    Ok(String::new())
}

pub(super) async fn list(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    let account = request.account()?;
    let params = &request.params;
    let scope = params.one_of("Scope", &["All", "AWS", "Local"])?.unwrap_or("All");
    let only_attached = params.flag("OnlyAttached")?.unwrap_or(false);
    let (prefix, usage) = (path_prefix(request)?, usage_filter(params)?);
    request.authorize("iam:ListPolicies", &arn::policy(account, prefix, ""))?;
    let view = request.iam.view(account);
    let own = if scope == "AWS" { Vec::new() } else { view.all::<ManagedPolicyRecord>().await? };
    let counts = UseCounts::of(&view).await?;
    let mut shown: Vec<Shown<'_>> = own.iter().map(|policy| Shown::own(account, policy)).collect();
    if scope != "Local" {
        shown.extend(PREDEFINED.iter().map(Shown::predefined));
    }
    shown.retain(|policy| {
        let (attached, bounds) = (counts.attached(&policy.arn) > 0, counts.boundaries(&policy.arn) > 0);
        let is_used = match usage {
            None => attached || bounds || !only_attached,
            Some(Usage::Permissions) => attached,
            Some(Usage::Boundary) => bounds,
        };
        is_used && policy.path.starts_with(prefix)
    });
    shown.sort_by_key(|policy| policy.arn.to_lowercase());
    let page = Page::of(shown, params, |policy| &policy.arn)?;
    let mut xml = Xml::new();
    xml.list("Policies", &page.items, |xml, policy| policy.write(xml, &counts, false));
    page.write_end(&mut xml);
    Ok(xml.into_string())
}

pub(super) async fn tag(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    let (arn, new) = (arn_of(request)?, request.params.tags("Tags")?);
    let mut change = request.iam.change(request.account()?).await?;
    let found = change.view().managed_policy(arn).await?;
    request.authorize_with("iam:TagPolicy", arn, |context| {
        set_resource_tags(context, found.as_ref().map_or(&[], |policy| &policy.tags));
        set_request_tags(context, &new);
    })?;
    let mut policy = own(arn, found)?;
    tags::add(&mut policy.tags, new)?;
    change.put(&policy);
    change.commit().await?;
    Ok(String::new())
}

pub(super) async fn untag(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    let (arn, keys) = (arn_of(request)?, tags::keys(&request.params)?);
    let mut change = request.iam.change(request.account()?).await?;
    let found = change.view().managed_policy(arn).await?;
    request.authorize_with("iam:UntagPolicy", arn, |context| {
        set_resource_tags(context, found.as_ref().map_or(&[], |policy| &policy.tags));
        tags::set_keys(context, &keys);
    })?;
    let mut policy = own(arn, found)?;
    tags::remove(&mut policy.tags, &keys);
    change.put(&policy);
    change.commit().await?;
    Ok(String::new())
}

pub(super) async fn list_tags(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    let policy = existing(request, &request.iam.view(request.account()?), arn_of(request)?).await?;
    match &policy {
        Managed::Own(policy) => tags::page(&policy.tags, &request.params),
        Managed::Predefined(_) => tags::page(&[], &request.params),
    }
}

/// The ARN in `PolicyArn`.
///
/// # Errors
/// `ValidationError`, `InvalidInput`.
pub(super) fn arn_of<'a>(request: &'a ApiRequest<'_>) -> Result<&'a str, ApiError> {
    let arn = request.params.required("PolicyArn")?;
    if arn.len() < 20 {
        return Err(invalid("PolicyArn", Some(arn), "Member must have length greater than or equal to 20"));
    }
    if arn.len() > 2048 {
        return Err(invalid("PolicyArn", Some(arn), "Member must have length less than or equal to 2048"));
    }
    if arn::parse(arn, "policy").is_none() {
        return Err(ApiError::invalid_input(format!("ARN {arn} is not valid.")));
    }
    Ok(arn)
}

/// A policy, if the caller may do what the request asks for. Whether there is one is told only to who may.
///
/// # Errors
/// `AccessDenied`, `NoSuchEntity`.
pub(super) async fn existing(request: &ApiRequest<'_>, view: &View<'_>, arn: &str) -> Result<Managed, ApiError> {
    let found = view.managed_policy(arn).await?;
    request.authorize_with(&format!("iam:{}", request.action), arn, |context| {
        set_resource_tags(context, found.as_ref().map_or(&[], |policy| &policy.tags));
    })?;
    match predefined::find(arn) {
        Some(policy) => Ok(Managed::Predefined(policy)),
        None => own(arn, found).map(Managed::Own),
    }
}

/// As [`existing`], for a policy that is to be changed.
///
/// # Errors
/// `AccessDenied`, of AWS's policies too; `NoSuchEntity`.
pub(super) async fn existing_own(
    request: &ApiRequest<'_>,
    view: &View<'_>,
    arn: &str,
) -> Result<ManagedPolicyRecord, ApiError> {
    match existing(request, view, arn).await? {
        Managed::Own(policy) => Ok(policy),
        Managed::Predefined(_) => Err(outside_account()),
    }
}

fn own(arn: &str, found: Option<ManagedPolicyRecord>) -> Result<ManagedPolicyRecord, ApiError> {
    match found {
        Some(policy) => Ok(policy),
        None if predefined::find(arn).is_some() => Err(outside_account()),
        None => Err(ApiError::no_such_entity(format!("Policy {arn} was not found."))),
    }
}

fn outside_account() -> ApiError {
    ApiError::access_denied("Policy is outside your own account.")
}

/// There is no such policy to attach, or no such version.
pub(super) fn not_attachable(what: &str) -> ApiError {
    ApiError::no_such_entity(format!("Policy {what} does not exist or is not attachable."))
}

/// Refuses documents that are too long or not valid.
///
/// # Errors
/// `LimitExceeded`, `MalformedPolicyDocument`.
pub(super) fn check_document(document: &str) -> Result<(), ApiError> {
    if Policy::len_of(document) > MAX_LEN {
        return Err(ApiError::limit_exceeded(format!("Cannot exceed quota for PolicySize: {MAX_LEN}")));
    }
    document::parse(document, PolicyKind::Identity).map(|_| ())
}

/// What `PolicyUsageFilter` says.
///
/// # Errors
/// `ValidationError`.
pub(super) fn usage_filter(params: &Params) -> Result<Option<Usage>, ApiError> {
    Ok(match params.one_of("PolicyUsageFilter", &["PermissionsPolicy", "PermissionsBoundary"])? {
        Some("PermissionsPolicy") => Some(Usage::Permissions),
        Some(_) => Some(Usage::Boundary),
        None => None,
    })
}

/// What `PathPrefix` says of the paths of policies.
///
/// # Errors
/// `ValidationError`.
pub(super) fn path_prefix<'a>(request: &'a ApiRequest<'_>) -> Result<&'a str, ApiError> {
    policy_path(&request.params, "PathPrefix")
}

/// A path of a policy: one of fewer characters than other paths.
fn policy_path<'a>(params: &'a Params, name: &str) -> Result<&'a str, ApiError> {
    let path = params.path(name)?;
    let is_sound = |byte: u8| byte.is_ascii_alphanumeric() || b"/.,+@=_-".contains(&byte);
    if path.bytes().all(is_sound) && !path.contains("//") {
        return Ok(path);
    }
    Err(invalid(name, Some(path), "Member must satisfy regular expression pattern: ((/[A-Za-z0-9\\.,\\+@=_-]+)*)/"))
}

fn description(params: &Params) -> Result<&str, ApiError> {
    let description = params.get("Description").unwrap_or_default();
    if description.chars().count() > MAX_DESCRIPTION_LEN {
        let must = format!("Member must have length less than or equal to {MAX_DESCRIPTION_LEN}");
        return Err(invalid("Description", Some(description), &must));
    }
    Ok(description)
}

/// A policy as answers describe it.
pub(super) struct Shown<'a> {
    arn: String,
    name: &'a str,
    id: &'a str,
    path: &'a str,
    default_version: u32,
    description: &'a str,
    created_ms: u64,
    updated_ms: u64,
    tags: &'a [TagRecord],
}

impl<'a> Shown<'a> {
    pub(super) fn of(account: &str, policy: &'a Managed) -> Self {
        match policy {
            Managed::Own(policy) => Self::own(account, policy),
            Managed::Predefined(policy) => Self::predefined(policy),
        }
    }

    fn own(account: &str, policy: &'a ManagedPolicyRecord) -> Self {
        Self {
            arn: arn::policy(account, &policy.path, &policy.name),
            name: &policy.name,
            id: &policy.id,
            path: &policy.path,
            default_version: policy.default_version,
            description: &policy.description,
            created_ms: policy.created_ms,
            updated_ms: policy.updated_ms,
            tags: &policy.tags,
        }
    }

    fn predefined(policy: &'a Predefined) -> Self {
        Self {
            arn: policy.arn.to_owned(),
            name: policy.name,
            id: policy.id,
            path: "/",
            default_version: policy.version,
            description: policy.description,
            created_ms: policy.created_ms,
            updated_ms: policy.updated_ms,
            tags: &[],
        }
    }

    /// Lists leave out description and tags.
    pub(super) fn write(&self, xml: &mut Xml, counts: &UseCounts, whole: bool) {
        xml.text("PolicyName", self.name)
            .text("PolicyId", self.id)
            .text("Arn", &self.arn)
            .text("Path", self.path)
            .text("DefaultVersionId", &format!("v{}", self.default_version))
            .value("AttachmentCount", counts.attached(&self.arn))
            .value("PermissionsBoundaryUsageCount", counts.boundaries(&self.arn))
            .value("IsAttachable", true)
            .time("CreateDate", self.created_ms)
            .time("UpdateDate", self.updated_ms);
        if !whole {
            return;
        }
        if !self.description.is_empty() {
            xml.text("Description", self.description);
        }
        write_tags(xml, self.tags);
    }
}

#[cfg(test)]
mod tests;

//! CreatePolicyVersion, GetPolicyVersion, ListPolicyVersions, SetDefaultPolicyVersion, DeletePolicyVersion.

use super::document;
use super::policies::{self, Managed};
use crate::api::ApiRequest;
use crate::error::ApiError;
use crate::page::Page;
use crate::params::{Params, invalid};
use crate::records::{ManagedPolicyRecord, PolicyVersionRecord};
use crate::xml::Xml;

/// The most versions of a policy.
pub(super) const MOST: usize = 5;

pub(super) async fn create(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    let arn = policies::arn_of(request)?;
    let document = document::text(&request.params, "PolicyDocument")?;
    let is_default = request.params.flag("SetAsDefault")?.unwrap_or(false);
    let mut change = request.iam.change(request.account()?).await?;
    let mut policy = policies::existing_own(request, change.view(), arn).await?;
    policies::check_document(document)?;
    if policy.versions.len() >= MOST {
        return Err(ApiError::limit_exceeded(format!(
            "A managed policy can have up to {MOST} versions. Before you create a new version, you must delete an \
             existing version."
        )));
    }
    let number = policy.next_version;
    let version = PolicyVersionRecord { number, document: document.to_owned(), created_ms: request.now_ms };
    policy.next_version += 1;
    policy.updated_ms = request.now_ms;
    if is_default {
        policy.default_version = number;
    }
    policy.versions.push(version);
    change.put(&policy);
    change.commit().await?;
    let shown = Version { number, is_default, created_ms: request.now_ms, document: None };
    let mut xml = Xml::new();
    xml.element("PolicyVersion", |xml| shown.write(xml));
    Ok(xml.into_string())
}

pub(super) async fn get(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    let (arn, id) = (policies::arn_of(request)?, version_id(&request.params)?);
    let policy = policies::existing(request, &request.iam.view(request.account()?), arn).await?;
    let versions = versions(&policy);
    let found = versions.iter().find(|version| version.id() == id).ok_or_else(|| not_found(arn, id))?;
    let mut xml = Xml::new();
    xml.element("PolicyVersion", |xml| found.write(xml));
    Ok(xml.into_string())
}

pub(super) async fn list(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    let arn = policies::arn_of(request)?;
    let policy = policies::existing(request, &request.iam.view(request.account()?), arn).await?;
    // The newest comes first; there are never ten, so that one digit keeps their order.
    let mut versions = versions(&policy);
    versions.reverse();
    let versions = versions.into_iter().enumerate().map(|(place, version)| (place.to_string(), version)).collect();
    let page = Page::of(versions, &request.params, |(place, _)| place)?;
    let mut xml = Xml::new();
    xml.list("Versions", &page.items, |xml, (_, version)| Version { document: None, ..*version }.write(xml));
    page.write_end(&mut xml);
    Ok(xml.into_string())
}

pub(super) async fn set_default(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    let (arn, id) = (policies::arn_of(request)?, version_id(&request.params)?);
    let mut change = request.iam.change(request.account()?).await?;
    let mut policy = policies::existing_own(request, change.view(), arn).await?;
    policy.default_version = number_of(&policy, arn, id)?;
    change.put(&policy);
    change.commit().await?;
    Ok(String::new())
}

pub(super) async fn delete(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    let (arn, id) = (policies::arn_of(request)?, version_id(&request.params)?);
    let mut change = request.iam.change(request.account()?).await?;
    let mut policy = policies::existing_own(request, change.view(), arn).await?;
    let number = number_of(&policy, arn, id)?;
    if number == policy.default_version {
        return Err(ApiError::delete_conflict("Cannot delete the default version of a policy."));
    }
    policy.versions.retain(|version| version.number != number);
    change.put(&policy);
    change.commit().await?;
    Ok(String::new())
}

/// A version as answers describe it.
pub(super) struct Version<'a> {
    number: u32,
    is_default: bool,
    created_ms: u64,
    /// Lists leave it out.
    document: Option<&'a str>,
}

impl Version<'_> {
    fn id(&self) -> String {
        format!("v{}", self.number)
    }

    pub(super) fn write(&self, xml: &mut Xml) {
        if let Some(document) = self.document {
            xml.text("Document", &document::encoded(document));
        }
        xml.text("VersionId", &self.id())
            .value("IsDefaultVersion", self.is_default)
            .time("CreateDate", self.created_ms);
    }
}

/// The versions of a policy, the oldest first. Of a predefined one there is only the default.
pub(super) fn versions<'a>(policy: &'a Managed) -> Vec<Version<'a>> {
    match policy {
        Managed::Own(policy) => {
            let shown = |version: &'a PolicyVersionRecord| Version {
                number: version.number,
                is_default: version.number == policy.default_version,
                created_ms: version.created_ms,
                document: Some(&version.document),
            };
            policy.versions.iter().map(shown).collect()
        }
        Managed::Predefined(policy) => vec![Version {
            number: policy.version,
            is_default: true,
            created_ms: policy.updated_ms,
            document: Some(policy.document),
        }],
    }
}

/// The ID in `VersionId`, such as `v2`.
fn version_id(params: &Params) -> Result<&str, ApiError> {
    let id = params.required("VersionId")?;
    let is_number = |digits: &str| !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit());
    if id.strip_prefix('v').is_some_and(|digits| !digits.is_empty() && is_number(digits)) {
        return Ok(id);
    }
    let must = "Member must satisfy regular expression pattern: v[1-9][0-9]*(\\.[A-Za-z0-9-]*)?";
    Err(invalid("VersionId", Some(id), must))
}

fn number_of(policy: &ManagedPolicyRecord, arn: &str, id: &str) -> Result<u32, ApiError> {
    let found = policy.versions.iter().find(|version| format!("v{}", version.number) == id);
    found.map(|version| version.number).ok_or_else(|| not_found(arn, id))
}

fn not_found(arn: &str, id: &str) -> ApiError {
    policies::not_attachable(&format!("{arn} version {id}"))
}

//! AssumeRole.

use coffer_access::{Context, Policy, Principal};

use super::input::{self, EXTERNAL_ID, NAME};
use super::limits::SessionLimits;
use crate::account::View;
use crate::api::ApiRequest;
use crate::arn;
use crate::error::ApiError;
use crate::records::{RoleRecord, SessionOf, SessionRecord, TagRecord};
use crate::session::TemporaryCredentials;
use crate::xml::Xml;

/// The shortest session, in seconds.
pub(super) const MIN_SESSION_S: u32 = 900;
/// The longest session of a role that any role may allow, in seconds.
pub(super) const MAX_SESSION_S: u32 = 43_200;
/// How long a session is when nobody says, and the longest one when a session assumes a role; in seconds.
const HOUR_S: u32 = 3600;

pub(super) async fn assume(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    let params = &request.params;
    let role_arn = input::text(params, "RoleArn", 20, 2048)?;
    let session_name = input::required(params, "RoleSessionName", &NAME)?;
    let external_id = input::optional(params, "ExternalId", &EXTERNAL_ID)?;
    let wanted_s = params.number("DurationSeconds", MIN_SESSION_S, MAX_SESSION_S)?;
    let mut limits = SessionLimits::read(params)?;
    let mut source_identity = input::optional(params, "SourceIdentity", &NAME)?.map(str::to_owned);
    request.account()?;
    input::refuse_device(request)?;
    if matches!(request.caller.principal, Principal::Root { .. }) {
        return Err(ApiError::access_denied("Roles may not be assumed by root accounts."));
    }
    let from = request.credential.as_ref().and_then(|credential| credential.session.as_deref());
    let from_role = from.filter(|session| session.of == SessionOf::Role);
    let brought = limits.tags.clone();
    if let Some(session) = from_role {
        limits.inherit(session)?;
        if let Some(inherited) = &session.source_identity {
            if source_identity.as_ref().is_some_and(|wanted| wanted != inherited) {
                return Err(denied(request, "sts:SetSourceIdentity", role_arn));
            }
            source_identity = Some(inherited.clone());
        }
    }
    let Some(Trusting { view, role, policy }) = find_role(request, role_arn).await? else {
        return Err(denied(request, "sts:AssumeRole", role_arn));
    };
    let describe = |context: &mut Context| {
        describe_role(context, &role);
        describe_tags(context, &brought, &limits.transitive_tags);
        context.set("sts:RoleSessionName", session_name);
        context.set_if("sts:ExternalId", external_id);
        context.set_if("sts:SourceIdentity", source_identity.as_deref());
        context.set_if("sts:DurationSeconds", wanted_s.map(|seconds| seconds.to_string()));
    };
    let mut needed = vec!["sts:AssumeRole"];
    if !limits.tags.is_empty() {
        needed.push("sts:TagSession");
    }
    if source_identity.is_some() {
        needed.push("sts:SetSourceIdentity");
    }
    for action in needed {
        request
            .ask(action, role_arn, &view.account, Some(&policy), describe)
            .map_err(|_| denied(request, action, role_arn))?;
    }
    let seconds = session_seconds(wanted_s, &role, from_role.is_some())?;
    limits.check_managed(&view).await?;
    let packed_percent = limits.packed_percent()?;
    let issued = RoleSession { view: &view, role: &role, session_name, seconds, source_identity, context: Vec::new() };
    let (credentials, mut xml) = (issued.issue(request, &limits), Xml::new());
    credentials.write(&mut xml);
    issued.write_user(&mut xml);
    if let Some(percent) = packed_percent {
        xml.value("PackedPolicySize", percent);
    }
    xml.text_if("SourceIdentity", issued.source_identity.as_deref());
    Ok(xml.into_string())
}

/// A role, and whom it trusts.
pub(super) struct Trusting<'a> {
    /// The account of the role.
    pub(super) view: View<'a>,
    pub(super) role: RoleRecord,
    /// The trust policy.
    pub(super) policy: Policy,
}

/// The role with this ARN; `None` if there is none, or nobody can be it now.
pub(super) async fn find_role<'a>(request: &ApiRequest<'a>, role_arn: &str) -> Result<Option<Trusting<'a>>, ApiError> {
    let Some((account, name)) = arn::parse(role_arn, "role") else {
        return Err(ApiError::validation(format!("{role_arn} is invalid")));
    };
    if request.iam.is_suspended(account).await? {
        return Ok(None);
    }
    let view = request.iam.view(account);
    let Some(role) = view.get::<RoleRecord>(name).await? else { return Ok(None) };
    if arn::role(account, &role.path, &role.name) != role_arn {
        return Ok(None);
    }
    let policy = view.trust_policy(&role)?;
    Ok(Some(Trusting { view, role, policy }))
}

/// How long the session is, in seconds.
///
/// # Errors
/// `ValidationError` when it would be longer than it may be.
pub(super) fn session_seconds(wanted_s: Option<u32>, role: &RoleRecord, chained: bool) -> Result<u32, ApiError> {
    let Some(wanted_s) = wanted_s else { return Ok(HOUR_S.min(role.max_session_s)) };
    if chained && wanted_s > HOUR_S {
        let message =
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.";
        return Err(ApiError::validation(message));
    }
    if wanted_s > role.max_session_s {
        let message = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.";
        return Err(ApiError::validation(message));
    }
    Ok(wanted_s)
}

/// Sets the condition keys of the role.
pub(super) fn describe_role(context: &mut Context, role: &RoleRecord) {
    for tag in &role.tags {
        context.set(&format!("aws:ResourceTag/{}", tag.key), &tag.value);
        context.set(&format!("iam:ResourceTag/{}", tag.key), &tag.value);
    }
}

/// Sets the condition keys of the tags that a request brings.
pub(super) fn describe_tags(context: &mut Context, tags: &[TagRecord], transitive: &[String]) {
    for tag in tags {
        context.set(&format!("aws:RequestTag/{}", tag.key), &tag.value);
    }
    if !tags.is_empty() {
        context.set_all("aws:TagKeys", tags.iter().map(|tag| tag.key.clone()).collect());
    }
    if !transitive.is_empty() {
        context.set_all("sts:TransitiveTagKeys", transitive.to_vec());
    }
}

/// A session of a role, about to be.
pub(super) struct RoleSession<'a> {
    /// The account of the role.
    pub(super) view: &'a View<'a>,
    pub(super) role: &'a RoleRecord,
    pub(super) session_name: &'a str,
    /// How long it is.
    pub(super) seconds: u32,
    pub(super) source_identity: Option<String>,
    /// More condition keys that describe the session.
    pub(super) context: Vec<TagRecord>,
}

impl RoleSession<'_> {
    pub(super) fn issue(&self, request: &ApiRequest<'_>, limits: &SessionLimits) -> TemporaryCredentials {
        request.iam.issue(SessionRecord {
            secret_key: String::new(),
            account: self.view.account.clone(),
            of: SessionOf::Role,
            name: self.role.name.clone(),
            id: self.role.id.clone(),
            session_name: self.session_name.to_owned(),
            issued_ms: request.now_ms,
            expires_ms: request.now_ms + u64::from(self.seconds) * 1000,
            policies: limits.policies.clone(),
            tags: limits.tags.clone(),
            transitive_tags: limits.transitive_tags.clone(),
            source_identity: self.source_identity.clone(),
            context: self.context.clone(),
        })
    }

    /// Writes `AssumedRoleUser`.
    pub(super) fn write_user(&self, xml: &mut Xml) {
        let (account, role, session) = (&self.view.account, &self.role.name, self.session_name);
        xml.element("AssumedRoleUser", |xml| {
            xml.text("AssumedRoleId", &format!("{}:{session}", self.role.id))
                .text("Arn", &format!("arn:aws:sts::{account}:assumed-role/{role}/{session}"));
        });
    }
}

/// The same whether there is such a role, and whatever says no.
fn denied(request: &ApiRequest<'_>, action: &str, role_arn: &str) -> ApiError {
    let who = request.caller.principal.arn();
    ApiError::access_denied(format!("User: {who} is not authorized to perform: {action} on resource: {role_arn}"))
}

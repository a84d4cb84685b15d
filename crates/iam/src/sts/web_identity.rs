//! AssumeRoleWithWebIdentity.

use std::sync::Arc;

use coffer_access::{AclGrant, Caller, Context, Principal, Question, evaluate};

use super::assume_role::{
    MAX_SESSION_S, MIN_SESSION_S, RoleSession, Trusting, describe_role, describe_tags, find_role, session_seconds,
};
use super::input::{self, NAME};
use super::limits::SessionLimits;
use crate::api::ApiRequest;
use crate::arn;
use crate::error::ApiError;
use crate::oidc::{Token, WebIdentity, invalid_token};
use crate::params::Params;
use crate::records::{OidcProviderRecord, TagRecord};
use crate::xml::Xml;

const ACTION: &str = "sts:AssumeRoleWithWebIdentity";

pub(super) async fn assume(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    let params = &request.params;
    let role_arn = input::text(params, "RoleArn", 20, 2048)?;
    let session_name = input::required(params, "RoleSessionName", &NAME)?;
    let wanted_s = params.number("DurationSeconds", MIN_SESSION_S, MAX_SESSION_S)?;
    if params.get("ProviderId").is_some() {
        let message = "ProviderId is for OAuth 2.0 access tokens only, which are not supported.";
        return Err(ApiError::validation(message));
    }
    let token = Token::parse(input::token(params, "WebIdentityToken", 4, 20_000)?)?;
    let (provider_arn, provider) = find_provider(request, role_arn, &token).await?;
    let identity = token.verify(&provider, &request.iam.0.provider_keys, request.now_ms).await?;
    let mut limits = SessionLimits::read(params)?;
    // The provider says how the session is tagged, not who brings its token.
    (limits.tags, limits.transitive_tags) = tags_of(&identity)?;
    let Some(Trusting { view, role, policy }) = find_role(request, role_arn).await? else {
        return Err(denied(ACTION));
    };
    let mut context = request.context.clone();
    context.set("aws:ResourceAccount", &view.account);
    context.set("sts:RoleSessionName", session_name);
    context.set_if("sts:DurationSeconds", wanted_s.map(|seconds| seconds.to_string()));
    context.set_if("sts:SourceIdentity", identity.source_identity.as_deref());
    describe_role(&mut context, &role);
    describe_tags(&mut context, &limits.tags, &limits.transitive_tags);
    let caller = caller(&provider_arn, &provider, &identity);
    let mut needed = vec![ACTION];
    if !limits.tags.is_empty() {
        needed.push("sts:TagSession");
    }
    if identity.source_identity.is_some() {
        needed.push("sts:SetSourceIdentity");
    }
    for action in needed {
        let question = Question {
            caller: &caller,
            action,
            resource: role_arn,
            owner: &view.account,
            resource_policy: Some(&policy),
            acl: AclGrant::None,
            context: &context,
        };
        if !evaluate(&question).is_allow() {
            return Err(denied(action));
        }
    }
    let seconds = session_seconds(wanted_s, &role, false)?;
    limits.check_managed(&view).await?;
    let packed_percent = limits.packed_percent()?;
    let source_identity = identity.source_identity.clone();
    let context = lasting_keys(&provider_arn, &provider, &identity);
    let issued = RoleSession { view: &view, role: &role, session_name, seconds, source_identity, context };
    let mut xml = Xml::new();
    xml.text("SubjectFromWebIdentityToken", &identity.subject).text("Audience", audience(&provider, &identity));
    issued.write_user(&mut xml);
    issued.issue(request, &limits).write(&mut xml);
    xml.text("Provider", &provider_arn);
    if let Some(percent) = packed_percent {
        xml.value("PackedPolicySize", percent);
    }
    xml.text_if("SourceIdentity", issued.source_identity.as_deref());
    Ok(xml.into_string())
}

/// The provider that the token names, with its ARN, in the account of the role.
async fn find_provider(
    request: &ApiRequest<'_>,
    role_arn: &str,
    token: &Token<'_>,
) -> Result<(String, OidcProviderRecord), ApiError> {
    let Some((account, _)) = arn::parse(role_arn, "role") else {
        return Err(ApiError::validation(format!("{role_arn} is invalid")));
    };
    let issuer = token.issuer()?;
    let unknown = || invalid_token(format!("No OpenIDConnect provider found in your account for {issuer}"));
    let url = issuer.strip_prefix("https://").ok_or_else(unknown)?;
    if request.iam.is_suspended(account).await? {
        return Err(unknown());
    }
    let provider = request.iam.view(account).get::<OidcProviderRecord>(url).await?;
    let provider = provider.filter(|provider| provider.url == url).ok_or_else(unknown)?;
    Ok((arn::oidc_provider(account, url), provider))
}

/// The tags that the provider gives the session, checked as those of a request are.
fn tags_of(identity: &WebIdentity) -> Result<(Vec<TagRecord>, Vec<String>), ApiError> {
    let mut params = Params::default();
    for (index, (key, value)) in (1_usize..).zip(&identity.tags) {
        params.insert(&format!("Tags.member.{index}.Key"), key.clone())?;
        params.insert(&format!("Tags.member.{index}.Value"), value.clone())?;
    }
    for (index, key) in (1_usize..).zip(&identity.transitive_tags) {
        params.insert(&format!("TransitiveTagKeys.member.{index}"), key.clone())?;
    }
    if let Some(source_identity) = &identity.source_identity {
        params.insert("SourceIdentity", source_identity.clone())?;
    }
    input::optional(&params, "SourceIdentity", &NAME)?;
    let SessionLimits { tags, transitive_tags, .. } = SessionLimits::read(&params)?;
    Ok((tags, transitive_tags))
}

/// Whom the provider vouches for, with the condition keys that it has for them.
fn caller(provider_arn: &str, provider: &OidcProviderRecord, identity: &WebIdentity) -> Arc<Caller> {
    let mut caller = Caller::bare(Principal::WebIdentity { provider: provider_arn.to_owned() }, "FederatedUser");
    let url = &provider.url;
    let set = |context: &mut Context, key: &str, values: &[String]| {
        if !values.is_empty() {
            context.set_all(&format!("{url}:{key}"), values.to_vec());
        }
    };
    caller.context.set("aws:FederatedProvider", provider_arn);
    caller.context.set(&format!("{url}:sub"), &identity.subject);
    set(&mut caller.context, "aud", &identity.audience);
    set(&mut caller.context, "oaud", identity.original_audience.as_deref().unwrap_or_default());
    set(&mut caller.context, "amr", &identity.methods);
    Arc::new(caller)
}

/// The condition keys that the session keeps.
fn lasting_keys(provider_arn: &str, provider: &OidcProviderRecord, identity: &WebIdentity) -> Vec<TagRecord> {
    let url = &provider.url;
    let keys = [
        ("aws:FederatedProvider".to_owned(), provider_arn),
        (format!("{url}:sub"), &identity.subject),
        (format!("{url}:aud"), audience(provider, identity)),
    ];
    keys.into_iter().map(|(key, value)| TagRecord { key, value: value.to_owned() }).collect()
}

/// The audience that is one of the provider's clients.
fn audience<'a>(provider: &OidcProviderRecord, identity: &'a WebIdentity) -> &'a str {
    let is_client = |audience: &&String| provider.client_ids.contains(audience);
    identity.audience.iter().find(is_client).map_or("", String::as_str)
}

fn denied(action: &str) -> ApiError {
    ApiError::access_denied(format!("Not authorized to perform {action}"))
}

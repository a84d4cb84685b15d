//! OpenID Connect identity providers: who may vouch for somebody who wants to be a role.

use super::holder::set_resource_tags;
use super::tags;
use super::users::{set_request_tags, write_tags};
use crate::account::{Change, View};
use crate::api::ApiRequest;
use crate::arn;
use crate::error::ApiError;
use crate::params::invalid;
use crate::records::OidcProviderRecord;
use crate::xml::Xml;

/// The most providers of an account.
const MOST: usize = 100;
/// The most client IDs of a provider.
const MOST_CLIENT_IDS: usize = 100;
/// The most thumbprints of a provider.
const MOST_THUMBPRINTS: usize = 5;
/// The longest URL and the longest client ID.
const MAX_LEN: usize = 255;

pub(super) async fn create(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    let account = request.account()?;
    let url = host_and_path(request.params.required("Url")?)?;
    let client_ids = request.params.list("ClientIDList").into_iter().map(client_id).collect::<Result<Vec<_>, _>>()?;
    let thumbprints = thumbprints(request)?;
    let tags = request.params.tags("Tags")?;
    let arn = arn::oidc_provider(account, url);
    request.authorize_with("iam:CreateOpenIDConnectProvider", &arn, |context| set_request_tags(context, &tags))?;
    check_client_ids(&client_ids)?;
    let mut change = request.iam.change(account).await?;
    if change.get::<OidcProviderRecord>(url).await?.is_some() {
        return Err(ApiError::entity_already_exists(format!("Provider with url https://{url} already exists.")));
    }
    if change.view().all::<OidcProviderRecord>().await?.len() >= MOST {
        let message = format!("Cannot exceed quota for OpenIdConnectProvidersPerAccount: {MOST}");
        return Err(ApiError::limit_exceeded(message));
    }
    let provider =
        OidcProviderRecord { url: url.to_owned(), client_ids, thumbprints, created_ms: request.now_ms, tags };
    change.put(&provider);
    change.commit().await?;
    let mut xml = Xml::new();
    xml.text("OpenIDConnectProviderArn", &arn);
    if !provider.tags.is_empty() {
        write_tags(&mut xml, &provider.tags);
    }
    Ok(xml.into_string())
}

pub(super) async fn get(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    let provider = existing(request, &request.iam.view(request.account()?)).await?;
    let mut xml = Xml::new();
    xml.text("Url", &provider.url);
    xml.list("ClientIDList", &provider.client_ids, |xml, id| xml.escape(id));
    xml.list("ThumbprintList", &provider.thumbprints, |xml, thumbprint| xml.escape(thumbprint));
    xml.time("CreateDate", provider.created_ms);
    if !provider.tags.is_empty() {
        write_tags(&mut xml, &provider.tags);
    }
    Ok(xml.into_string())
}

pub(super) async fn list(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    let account = request.account()?;
    request.authorize("iam:ListOpenIDConnectProviders", &arn::oidc_provider(account, "*"))?;
    let providers = request.iam.view(account).all::<OidcProviderRecord>().await?;
    let mut xml = Xml::new();
    xml.list("OpenIDConnectProviderList", &providers, |xml, provider| {
        xml.text("Arn", &arn::oidc_provider(account, &provider.url));
    });
    Ok(xml.into_string())
}

/// Removes a provider; one that is not there is no error, as on AWS.
pub(super) async fn delete(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    let account = request.account()?;
    let change = request.iam.change(account).await?;
    let provider = match existing(request, change.view()).await {
        Ok(provider) => provider,
        Err(error) if error.code() == "NoSuchEntity" => return Ok(String::new()),
        Err(error) => return Err(error),
    };
    let mut change = change;
    change.delete::<OidcProviderRecord>(&provider.url);
    change.commit().await?;
    Ok(String::new())
}

pub(super) async fn add_client_id(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    let id = client_id(request.params.required("ClientID")?)?;
    edit(request, |provider| {
        if !provider.client_ids.contains(&id) {
            provider.client_ids.push(id);
        }
        check_client_ids(&provider.client_ids)
    })
    .await
}

pub(super) async fn remove_client_id(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    let id = client_id(request.params.required("ClientID")?)?;
    edit(request, |provider| {
        provider.client_ids.retain(|known| *known != id);
        Ok(())
    })
    .await
}

pub(super) async fn update_thumbprint(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    let thumbprints = thumbprints(request)?;
    if thumbprints.is_empty() {
        return Err(invalid("ThumbprintList", None, "Member must not be null"));
    }
    edit(request, |provider| {
        provider.thumbprints = thumbprints;
        Ok(())
    })
    .await
}

pub(super) async fn tag(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    let new = request.params.tags("Tags")?;
    edit_with(request, |context| set_request_tags(context, &new), |provider| tags::add(&mut provider.tags, new.clone()))
        .await
}

pub(super) async fn untag(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    let keys = tags::keys(&request.params)?;
    edit_with(
        request,
        |context| tags::set_keys(context, &keys),
        |provider| {
            tags::remove(&mut provider.tags, &keys);
            Ok(())
        },
    )
    .await
}

pub(super) async fn list_tags(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    let provider = existing(request, &request.iam.view(request.account()?)).await?;
    tags::page(&provider.tags, &request.params)
}

async fn edit(
    request: &ApiRequest<'_>,
    change_it: impl FnOnce(&mut OidcProviderRecord) -> Result<(), ApiError>,
) -> Result<String, ApiError> {
    edit_with(request, |_| {}, change_it).await
}

async fn edit_with(
    request: &ApiRequest<'_>,
    describe: impl FnOnce(&mut coffer_access::Context),
    change_it: impl FnOnce(&mut OidcProviderRecord) -> Result<(), ApiError>,
) -> Result<String, ApiError> {
    let mut change: Change<'_> = request.iam.change(request.account()?).await?;
    let mut provider = existing_with(request, change.view(), describe).await?;
    change_it(&mut provider)?;
    change.put(&provider);
    change.commit().await?;
    Ok(String::new())
}

/// The provider that a request names, if the caller may do what it asks.
async fn existing(request: &ApiRequest<'_>, view: &View<'_>) -> Result<OidcProviderRecord, ApiError> {
    existing_with(request, view, |_| {}).await
}

async fn existing_with(
    request: &ApiRequest<'_>,
    view: &View<'_>,
    describe: impl FnOnce(&mut coffer_access::Context),
) -> Result<OidcProviderRecord, ApiError> {
    let arn = request.params.required("OpenIDConnectProviderArn")?;
    let Some((account, url)) = arn::parse_oidc_provider(arn) else {
        return Err(ApiError::invalid_input(format!("Invalid ARN: {arn}")));
    };
    let provider = if account == view.account { view.get::<OidcProviderRecord>(url).await? } else { None };
    let provider = provider.filter(|provider| provider.url == url);
    request.authorize_with(&format!("iam:{}", request.action), arn, |context| {
        set_resource_tags(context, provider.as_ref().map_or(&[][..], |provider| &provider.tags));
        describe(context);
    })?;
    provider.ok_or_else(|| ApiError::no_such_entity(format!("OpenIDConnect Provider not found for arn {arn}")))
}

/// The part of a URL that names a provider: `https://HOST[:PORT][/PATH]` without its scheme.
fn host_and_path(url: &str) -> Result<&str, ApiError> {
    let wrong = || ApiError::validation("Invalid Open ID Connect Provider URL");
    let rest = url.strip_prefix("https://").ok_or_else(wrong)?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let is_host = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-:[]".contains(&byte);
    let is_path = |byte: u8| byte.is_ascii_alphanumeric() || b"/._~-%:@!$&'()+,;=".contains(&byte);
    let sound = !authority.is_empty()
        && url.len() <= MAX_LEN
        && authority.bytes().all(is_host)
        && path.bytes().all(is_path)
        && url.parse::<http::Uri>().is_ok_and(|uri| uri.host().is_some_and(|host| is_port(&authority[host.len()..])));
    if sound { Ok(rest) } else { Err(wrong()) }
}

/// What follows a host: nothing, or a port.
fn is_port(text: &str) -> bool {
    text.is_empty() || text.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
}

fn client_id(id: &str) -> Result<String, ApiError> {
    if id.is_empty() || id.chars().count() > MAX_LEN {
        return Err(invalid("ClientID", Some(id), "Member must have length between 1 and 255"));
    }
    Ok(id.to_owned())
}

fn check_client_ids(ids: &[String]) -> Result<(), ApiError> {
    if ids.len() > MOST_CLIENT_IDS {
        let message = format!("Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: {MOST_CLIENT_IDS}");
        return Err(ApiError::limit_exceeded(message));
    }
    Ok(())
}

/// SHA-1 fingerprints of certificates, in hexadecimal. They are kept and shown; what a provider's certificate is held
/// against are the certificate authorities that the server trusts.
fn thumbprints(request: &ApiRequest<'_>) -> Result<Vec<String>, ApiError> {
    let thumbprints = request.params.list("ThumbprintList");
    if thumbprints.len() > MOST_THUMBPRINTS {
        let message = format!("Thumbprint list must contain fewer than {MOST_THUMBPRINTS} entries.");
        return Err(ApiError::invalid_input(message));
    }
    for thumbprint in &thumbprints {
        if thumbprint.len() != 40 || !thumbprint.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(invalid("ThumbprintList", Some(thumbprint), "Member must have length equal to 40"));
        }
    }
    Ok(thumbprints.into_iter().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests;

//! GetAccessKeyInfo.

use super::input::{self, ACCESS_KEY_ID};
use crate::api::ApiRequest;
use crate::error::ApiError;
use crate::xml::Xml;

/// The account of an access key. Nothing is kept of temporary ones: only the caller's own is known.
pub(super) async fn get(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    let access_key = input::required(&request.params, "AccessKeyId", &ACCESS_KEY_ID)?;
    request.authorize("sts:GetAccessKeyInfo", "*")?;
    let account = account_of(request, access_key).await?;
    let mut xml = Xml::new();
    xml.text("Account", &account);
    Ok(xml.into_string())
}

async fn account_of(request: &ApiRequest<'_>, access_key: &str) -> Result<String, ApiError> {
    let own = request.credential.as_ref().filter(|credential| credential.access_key == access_key);
    if let Some(credential) = own {
        return Ok(credential.account.clone());
    }
    if let Some(key) = request.iam.access_key(access_key).await? {
        return Ok(key.account.clone());
    }
    let first = &request.iam.settings().account_id;
    match request.iam.first_root_key(first).await? {
        Some(root) if root.access_key == access_key => Ok(first.clone()),
        _ => Err(ApiError::validation(format!("The access key {access_key} does not exist."))),
    }
}

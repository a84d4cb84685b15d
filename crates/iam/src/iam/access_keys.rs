//! CreateAccessKey, ListAccessKeys, UpdateAccessKey, DeleteAccessKey.

use super::key_holder::KeyHolder;
use crate::api::ApiRequest;
use crate::error::ApiError;
use crate::ids::{IdKind, secret_access_key, unique_id};
use crate::page::Page;
use crate::params::invalid;
use crate::records::AccessKeyRecord;
use crate::xml::Xml;

/// The most access keys that a user has.
pub(super) const MOST: usize = 2;

pub(super) async fn create(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    let account = request.account()?;
    let mut change = request.iam.change(account).await?;
    let mut holder = KeyHolder::of(request, change.view()).await?;
    if holder.count() >= MOST {
        return Err(ApiError::limit_exceeded(format!("Cannot exceed quota for AccessKeysPerUser: {MOST}")));
    }
    let record = AccessKeyRecord {
        access_key: unique_id(IdKind::AccessKey),
        secret_key: secret_access_key(),
        account: account.to_owned(),
        user: holder.user_name().map(str::to_owned),
        created_ms: request.now_ms,
        inactive: false,
    };
    holder.add(&record.access_key);
    holder.write(&mut change);
    change.put_access_key(&record);
    change.commit().await?;
    let mut xml = Xml::new();
    xml.element("AccessKey", |xml| {
        xml.text_if("UserName", holder.user_name())
            .text("AccessKeyId", &record.access_key)
            .text("Status", status(record.inactive))
            .text("SecretAccessKey", &record.secret_key)
            .time("CreateDate", record.created_ms);
    });
    Ok(xml.into_string())
}

pub(super) async fn list(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    let view = request.iam.view(request.account()?);
    let holder = KeyHolder::of(request, &view).await?;
    let page = Page::of(holder.keys(request.iam).await?, &request.params, |key| &key.access_key)?;
    let mut xml = Xml::new();
    xml.text_if("UserName", holder.user_name());
    xml.list("AccessKeyMetadata", &page.items, |xml, key| {
        xml.text_if("UserName", holder.user_name())
            .text("AccessKeyId", &key.access_key)
            .text("Status", status(key.inactive))
            .time("CreateDate", key.created_ms);
    });
    page.write_end(&mut xml);
    Ok(xml.into_string())
}

pub(super) async fn update(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    let inactive = match request.params.required("Status")? {
        "Active" => false,
        "Inactive" => true,
        other => {
            let must = "Member must satisfy enum value set: [Active, Inactive]";
            return Err(invalid("Status", Some(other), must));
        }
    };
    let access_key = access_key_id(request)?;
    let mut change = request.iam.change(request.account()?).await?;
    let holder = KeyHolder::of(request, change.view()).await?;
    holder.set_inactive(&mut change, access_key, inactive).await?;
    change.commit().await?;
    Ok(String::new())
}

pub(super) async fn delete(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    let access_key = access_key_id(request)?;
    let mut change = request.iam.change(request.account()?).await?;
    let mut holder = KeyHolder::of(request, change.view()).await?;
    holder.remove(&mut change, access_key)?;
    change.commit().await?;
    Ok(String::new())
}

/// `AccessKeyId`.
///
/// # Errors
/// `ValidationError`.
pub(super) fn access_key_id<'a>(request: &'a ApiRequest<'_>) -> Result<&'a str, ApiError> {
    let id = request.params.required("AccessKeyId")?;
    if id.is_empty() || id.len() > 128 || !id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        let must = "Member must satisfy regular expression pattern: [\\w]+";
        return Err(invalid("AccessKeyId", Some(id), must));
    }
    Ok(id)
}

fn status(inactive: bool) -> &'static str {
    if inactive { "Inactive" } else { "Active" }
}

#[cfg(test)]
mod tests;

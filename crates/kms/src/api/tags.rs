//! TagResource, UntagResource and ListResourceTags.

use std::collections::BTreeMap;

use coffer_access::Context;
use coffer_iam::ApiError;
use coffer_keyring::KmsError;
use serde::Deserialize;
use serde_json::json;

use super::Asked;
use super::constraints::Constraints;
use super::page::PageParameters;
use crate::error::api_error;

/// The most tags of a key.
const MOST_TAGS: usize = 50;
const MAX_KEY_LEN: usize = 128;
const MAX_VALUE_LEN: usize = 256;

/// A tag, as requests write it.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Tag {
    tag_key: Option<String>,
    tag_value: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Parameters {
    key_id: Option<String>,
    tags: Option<Vec<Tag>>,
    tag_keys: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListParameters {
    key_id: Option<String>,
    #[serde(flatten)]
    page: PageParameters,
}

impl Asked<'_> {
    /// Puts tags on a key, over those with the same names.
    ///
    /// # Errors
    /// `NotFoundException`, `AccessDeniedException`, `KMSInvalidStateException`, `TagException`,
    /// `LimitExceededException`, `ValidationException`.
    pub(super) async fn tag_resource(&self) -> Result<String, ApiError> {
        let parameters: Parameters = self.parameters()?;
        let mut constraints = Constraints::default();
        let key_id = constraints.required("keyId", parameters.key_id.as_deref());
        constraints.present("tags", parameters.tags.is_some());
        let given = parameters.tags.as_deref().unwrap_or_default();
        constrain_tags(&mut constraints, given);
        constraints.check()?;
        let tags = tags(given)?;
        let context = tag_context(self.request.context, &tags);
        let changed = self.change_key(&context, "kms:TagResource", key_id, |key| {
            self.kms.check_not_pending(key)?;
            key.tags.extend(tags.clone());
            if key.tags.len() > MOST_TAGS { Err(too_many()) } else { Ok(()) }
        });
        changed.await?;
        Ok(String::new())
    }

    /// Takes tags from a key; those that it does not have are no error.
    ///
    /// # Errors
    /// `NotFoundException`, `AccessDeniedException`, `KMSInvalidStateException`, `TagException`, `ValidationException`.
    pub(super) async fn untag_resource(&self) -> Result<String, ApiError> {
        let parameters: Parameters = self.parameters()?;
        let mut constraints = Constraints::default();
        let key_id = constraints.required("keyId", parameters.key_id.as_deref());
        constraints.present("tagKeys", parameters.tag_keys.is_some());
        let names = parameters.tag_keys.as_deref().unwrap_or_default();
        for (index, name) in (1..).zip(names) {
            constraints.length(&format!("tagKeys.{index}.member"), Some(name), 1, MAX_KEY_LEN);
        }
        constraints.check()?;
        names.iter().try_for_each(|name| check_name(name)).map_err(api_error)?;
        let mut context: Context = self.request.context.clone();
        context.set_all("aws:TagKeys", names.to_vec());
        let changed = self.change_key(&context, "kms:UntagResource", key_id, |key| {
            self.kms.check_not_pending(key)?;
            key.tags.retain(|name, _| !names.contains(name));
            Ok(())
        });
        changed.await?;
        Ok(String::new())
    }

    /// Lists the tags of a key.
    ///
    /// # Errors
    /// `NotFoundException`, `AccessDeniedException`, `InvalidMarkerException`.
    pub(super) async fn list_resource_tags(&self) -> Result<String, ApiError> {
        let parameters: ListParameters = self.parameters()?;
        let mut constraints = Constraints::default();
        let key_id = constraints.required("keyId", parameters.key_id.as_deref());
        parameters.page.constrain(&mut constraints);
        constraints.check()?;
        let page = parameters.page.page(MOST_TAGS, MOST_TAGS)?;
        let (key, _) = self.kms.own_key(&self.authority(), "kms:ListResourceTags", key_id).await.map_err(api_error)?;
        let listed = page.of(key.tags.into_iter().collect(), |(name, _)| name.as_bytes().to_vec());
        let items = listed.into_iter().map(|(name, value)| {
            let entry = json!({ "TagKey": name, "TagValue": value });
            (name.into_bytes(), entry)
        });
        Ok(page.answer("Tags", items.collect()))
    }
}

/// Checks the lengths of tags.
pub(super) fn constrain_tags(constraints: &mut Constraints, tags: &[Tag]) {
    for (index, tag) in (1..).zip(tags) {
        let (name, value) = (format!("tags.{index}.member.tagKey"), format!("tags.{index}.member.tagValue"));
        constraints.required(&name, tag.tag_key.as_deref());
        constraints.length(&name, tag.tag_key.as_deref(), 1, MAX_KEY_LEN);
        constraints.required(&value, tag.tag_value.as_deref());
        constraints.length(&value, tag.tag_value.as_deref(), 0, MAX_VALUE_LEN);
    }
}

/// The tags of a request, whose lengths are right.
///
/// # Errors
/// `TagException` for a name that is there twice or is reserved, and for too many.
pub(super) fn tags(given: &[Tag]) -> Result<BTreeMap<String, String>, ApiError> {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let tags: BTreeMap<String, String> = given.iter().map(|tag| (text(&tag.tag_key), text(&tag.tag_value))).collect();
    if tags.len() < given.len() {
        return Err(api_error(tag_exception("Duplicate tag keys")));
    }
    if tags.len() > MOST_TAGS {
        return Err(api_error(too_many()));
    }
    tags.keys().try_for_each(|name| check_name(name)).map_err(api_error)?;
    Ok(tags)
}

/// The condition keys of a request, with those of the tags that are in it.
pub(super) fn tag_context(context: &Context, tags: &BTreeMap<String, String>) -> Context {
    let mut context = context.clone();
    context.set_all("aws:TagKeys", tags.keys().cloned().collect());
    for (name, value) in tags {
        context.set(&format!("aws:RequestTag/{name}"), value);
    }
    context
}

fn check_name(name: &str) -> Result<(), KmsError> {
    let is_reserved = name.to_ascii_lowercase().starts_with("aws:");
    if is_reserved { Err(tag_exception("Tags beginning with aws: are reserved")) } else { Ok(()) }
}

fn too_many() -> KmsError {
    tag_exception("Too many tags")
}

fn tag_exception(message: &'static str) -> KmsError {
    KmsError::new("TagException", message)
}

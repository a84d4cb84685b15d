//! TagResource, UntagResource, ListTagsForResource: of accounts.

use serde_json::{Value, json};

use super::accounts::named;
use super::refusal;
use crate::api::ApiRequest;
use crate::error::ApiError;
use crate::records::{AccountRecord, TagRecord};

/// The most tags of an account.
const MOST: usize = 50;

pub(super) async fn tag(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    let new = request.params.tags("Tags")?;
    change_tags(request, |tags| {
        for tag in new {
            tags.retain(|old| old.key != tag.key);
            tags.push(tag);
        }
    })
    .await
}

pub(super) async fn untag(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    let keys = request.params.list("TagKeys");
    change_tags(request, |tags| tags.retain(|tag| !keys.contains(&tag.key.as_str()))).await
}

pub(super) async fn list(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    let account = named(request, "ResourceId").await?;
    let tags: Vec<Value> = account.tags.iter().map(|tag| json!({ "Key": tag.key, "Value": tag.value })).collect();
    Ok(json!({ "Tags": tags }).to_string())
}

async fn change_tags(request: &ApiRequest<'_>, edit: impl FnOnce(&mut Vec<TagRecord>)) -> Result<String, ApiError> {
    let AccountRecord { id, .. } = named(request, "ResourceId").await?;
    let mut change = request.iam.change(&id).await?;
    let Some(mut account) = request.iam.account(&id).await? else { return Err(ApiError::concurrent_modification()) };
    edit(&mut account.tags);
    if account.tags.len() > MOST {
        let message = "You have exceeded the number of tags allowed for this resource.";
        return Err(refusal("ConstraintViolationException", message));
    }
    change.put_account(&account);
    change.commit().await?;
    Ok(String::new())
}

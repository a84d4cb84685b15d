//! Pages of lists: `Limit`, `Marker`, `Truncated`, `NextMarker`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use coffer_iam::ApiError;
use coffer_keyring::KmsError;
use serde::Deserialize;
use serde_json::{Value, json};

use super::constraints::Constraints;
use crate::error::api_error;

/// What a request says about the page that it wants.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PageParameters {
    limit: Option<i64>,
    marker: Option<String>,
}

/// The page that is wanted.
pub(super) struct Page {
    /// The most items on it.
    pub(super) limit: usize,
    /// What the item before it is called; `None` for the first page.
    pub(super) after: Option<Vec<u8>>,
}

impl PageParameters {
    /// Checks the parameters with the others of the request.
    pub(super) fn constrain(&self, constraints: &mut Constraints) {
        constraints.range("limit", self.limit, 1, 1000);
        constraints.length("marker", self.marker.as_deref(), 1, 1024);
    }

    /// The page, of `default` items unless the request says, and never of more than `most`.
    ///
    /// # Errors
    /// `InvalidMarkerException`.
    pub(super) fn page(&self, default: usize, most: usize) -> Result<Page, ApiError> {
        let limit = self.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(default);
        let after = self.marker.as_deref().map(|marker| URL_SAFE_NO_PAD.decode(marker)).transpose();
        let after = after.map_err(|_| api_error(KmsError::new("InvalidMarkerException", "Invalid marker.")))?;
        Ok(Page { limit: limit.min(most), after })
    }
}

impl Page {
    /// The page of a list that is at hand, in the order of `name`.
    pub(super) fn of<T>(&self, items: Vec<T>, name: impl Fn(&T) -> Vec<u8>) -> Vec<T> {
        let is_later = |item: &T| self.after.as_ref().is_none_or(|after| name(item) > *after);
        items.into_iter().filter(is_later).take(self.limit + 1).collect()
    }

    /// The answer: a list under its name, and where it goes on. `items` are one more than fit if there are more, each
    /// with what it is called.
    pub(super) fn answer(&self, list: &str, mut items: Vec<(Vec<u8>, Value)>) -> String {
        let is_truncated = items.len() > self.limit;
        items.truncate(self.limit);
        let next = items.last().filter(|_| is_truncated).map(|(name, _)| URL_SAFE_NO_PAD.encode(name));
        let values: Vec<Value> = items.into_iter().map(|(_, value)| value).collect();
        let mut answer = json!({ list: values, "Truncated": is_truncated });
        if let Some(next) = next {
            answer["NextMarker"] = next.into();
        }
        answer.to_string()
    }
}

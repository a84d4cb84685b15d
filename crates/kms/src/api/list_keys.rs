//! ListKeys.

use coffer_iam::ApiError;
use coffer_store::RowTable;
use serde::Deserialize;
use serde_json::json;

use super::Asked;
use super::constraints::Constraints;
use super::page::PageParameters;
use crate::error::{api_error, from_store, unsupported};
use crate::names::key_id_text;
use crate::records::{MarkRecord, listed_key, listing_rows};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Parameters {
    #[serde(flatten)]
    page: PageParameters,
    resource_owners: Option<Vec<String>>,
}

impl Asked<'_> {
    /// Lists the keys of the caller's account.
    ///
    /// # Errors
    /// `AccessDeniedException`, `InvalidMarkerException`, `UnsupportedOperationException` for what others share.
    pub(super) async fn list_keys(&self) -> Result<String, ApiError> {
        let parameters: Parameters = self.parameters()?;
        let mut constraints = Constraints::default();
        parameters.page.constrain(&mut constraints);
        for owner in parameters.resource_owners.iter().flatten() {
            constraints.one_of("resourceOwners", Some(owner), &["SELF", "OTHER_ACCOUNTS_VIA_RAM"]);
        }
        constraints.check()?;
        let page = parameters.page.page(100, 1000)?;
        self.authorize_account("kms:ListKeys", "*", self.request.context)?;
        if parameters.resource_owners.iter().flatten().any(|owner| owner != "SELF") {
            return Err(api_error(unsupported("There is no AWS Resource Access Manager here.")));
        }
        let (store, prefix) = (&self.kms.0.store, listing_rows(self.request.account));
        let (mut after, mut items) = (page.after.clone().map(|id| [&prefix[..], &id].concat()), Vec::new());
        while items.len() <= page.limit {
            let rows = store.rows::<MarkRecord>(RowTable::Kms, &prefix, after.as_deref(), page.limit + 1).await;
            let rows = rows.map_err(|error| api_error(from_store(&error)))?;
            let Some((last, _)) = rows.last() else { break };
            after = Some(last.clone());
            for id in rows.iter().filter_map(|(row, _)| listed_key(row)) {
                // One that is deleted stays in the list of rows until everything of it is gone.
                if let Some((key, _)) = self.kms.key(&id).await.map_err(api_error)? {
                    let id_text = key_id_text(&id, key.multi_region);
                    items.push((id.to_vec(), json!({ "KeyId": id_text, "KeyArn": self.kms.arn(&key) })));
                }
            }
        }
        Ok(page.answer("Keys", items))
    }
}

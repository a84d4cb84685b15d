//! ScheduleKeyDeletion and CancelKeyDeletion.

use coffer_access::Context;
use coffer_iam::ApiError;
use coffer_keyring::KmsError;
use serde::Deserialize;
use serde_json::json;

use super::describe_key::seconds;
use super::{Asked, constraints::Constraints};
use crate::error::{api_error, validation};
use crate::records::KeyStateRecord;

/// The days that a key waits for its deletion for which nobody says.
const DEFAULT_WINDOW_DAYS: u32 = 30;
const MIN_WINDOW_DAYS: u32 = 7;
const MAX_WINDOW_DAYS: u32 = 30;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Parameters {
    key_id: Option<String>,
    pending_window_in_days: Option<i64>,
}

impl Asked<'_> {
    /// Has a key destroyed when a time is over, in which it cannot be used and the deletion can be cancelled.
    ///
    /// # Errors
    /// `NotFoundException`, `AccessDeniedException`, `KMSInvalidStateException`, `ValidationException`.
    pub(super) async fn schedule_key_deletion(&self) -> Result<String, ApiError> {
        let parameters: Parameters = self.parameters()?;
        let mut constraints = Constraints::default();
        let key_id = constraints.required("keyId", parameters.key_id.as_deref());
        constraints.range("pendingWindowInDays", parameters.pending_window_in_days, 1, 365);
        constraints.check()?;
        let days = parameters.pending_window_in_days.map_or(Some(DEFAULT_WINDOW_DAYS), |days| u32::try_from(days).ok());
        let days = days.filter(|days| (MIN_WINDOW_DAYS..=MAX_WINDOW_DAYS).contains(days)).ok_or_else(|| {
            api_error(validation(format!(
                "PendingWindowInDays must be between {MIN_WINDOW_DAYS} and {MAX_WINDOW_DAYS} (inclusive)."
            )))
        })?;
        let mut context: Context = self.request.context.clone();
        context.set("kms:ScheduleKeyDeletionPendingWindowInDays", days.to_string());
        let at_ms = self.kms.now_ms().saturating_add(self.kms.days_ms(days));
        let changed = self.change_key(&context, "kms:ScheduleKeyDeletion", key_id, |key| {
            self.kms.check_not_pending(key)?;
            key.state = KeyStateRecord::PendingDeletion(at_ms);
            Ok(())
        });
        let key = changed.await?;
        Ok(json!({
            "DeletionDate": seconds(at_ms),
            "KeyId": self.kms.arn(&key),
            "KeyState": "PendingDeletion",
            "PendingWindowInDays": days,
        })
        .to_string())
    }

    /// Keeps a key that waits for its deletion; it stays disabled.
    ///
    /// # Errors
    /// `NotFoundException`, `AccessDeniedException`, `KMSInvalidStateException`.
    pub(super) async fn cancel_key_deletion(&self) -> Result<String, ApiError> {
        let key_id = self.key_id()?;
        let changed = self.change_key(self.request.context, "kms:CancelKeyDeletion", &key_id, |key| match key.state {
            KeyStateRecord::PendingDeletion(_) => {
                key.state = KeyStateRecord::Disabled;
                Ok(())
            }
            _ => {
                let message = format!("{} is not pending deletion.", self.kms.arn(key));
                Err(KmsError::new("KMSInvalidStateException", message))
            }
        });
        let key = changed.await?;
        Ok(json!({ "KeyId": self.kms.arn(&key) }).to_string())
    }
}

//! Rotation: new generations of the material of a key, on demand or when they are due.
//!
//! A generation is made by one commit that checks the key's row, so two processes never make the same one. Older ones stay
//! and decrypt what they encrypted.

use coffer_keyring::KmsError;
use coffer_store::RowVersion;

use crate::authority::Authority;
use crate::change::MOST_TRIES;
use crate::error::{contention, limit_exceeded, unsupported};
use crate::records::{KeyRecord, KeyStateRecord, RotationRecord};
use crate::settings::Kms;

/// The days between rotations of a key for which nobody says.
pub(crate) const DEFAULT_PERIOD_DAYS: u32 = 365;
/// The most rotations of a key on demand.
const MOST_ON_DEMAND: usize = 25;

impl Kms {
    /// Rotation every so many days, from now on.
    pub(crate) fn rotation_every(&self, period_days: u32) -> RotationRecord {
        let next_ms = self.now_ms().saturating_add(self.days_ms(period_days));
        RotationRecord { period_days, next_ms }
    }

    /// The length of so many days, in milliseconds.
    pub(crate) fn days_ms(&self, days: u32) -> u64 {
        u64::from(days).saturating_mul(self.0.settings.day_ms)
    }

    /// Refuses to rotate material that is not kept here alone.
    ///
    /// # Errors
    /// `UnsupportedOperationException`.
    pub(crate) fn check_rotates(&self, key: &KeyRecord) -> Result<(), KmsError> {
        if key.key_store.is_none() {
            return Ok(());
        }
        let arn = self.arn(key);
        Err(unsupported(format!("{arn} origin is EXTERNAL_KEY_STORE which is not valid for this operation.")))
    }

    /// Makes a new generation of the material of a key because somebody asks for it.
    ///
    /// # Errors
    /// `NotFoundException`, `AccessDeniedException`, `DisabledException`, `KMSInvalidStateException`,
    /// `UnsupportedOperationException`, `LimitExceededException`; when the provider or the store cannot be asked.
    pub(crate) async fn rotate_on_demand(&self, by: &Authority<'_>, name: &str) -> Result<KeyRecord, KmsError> {
        let action = "kms:RotateKeyOnDemand";
        let rotated = self.try_rotate_on_demand(by, action, name).await;
        self.note_change(by, action, name, &rotated);
        rotated
    }

    async fn try_rotate_on_demand(
        &self,
        by: &Authority<'_>,
        action: &'static str,
        name: &str,
    ) -> Result<KeyRecord, KmsError> {
        for _ in 0..MOST_TRIES {
            let (mut key, version) = self.changeable_key(by, action, name).await?;
            self.check_rotates(&key)?;
            self.check_usable(&key)?;
            if key.materials.iter().filter(|material| material.on_demand).count() >= MOST_ON_DEMAND {
                let arn = self.arn(&key);
                return Err(limit_exceeded(format!(
                    "The on-demand rotations limit has been reached for the given keyId. No more on-demand rotations \
                     can be performed for this key: {arn}"
                )));
            }
            if self.rotate(&mut key, version, true).await? {
                return Ok(key);
            }
        }
        Err(contention())
    }

    /// Makes the new generation that is due at a key. Returns `None` if nothing is, or if somebody else was faster.
    ///
    /// # Errors
    /// When the provider or the store cannot be asked.
    pub(crate) async fn rotate_if_due(
        &self,
        key: &KeyRecord,
        version: RowVersion,
    ) -> Option<Result<KeyRecord, KmsError>> {
        let (rotation, now_ms) = (key.rotation?, self.now_ms());
        if key.state != KeyStateRecord::Enabled || rotation.next_ms > now_ms {
            return None;
        }
        let mut key = key.clone();
        let period_ms = self.days_ms(rotation.period_days).max(1);
        // The rhythm stays what it is. A key that was disabled for long is rotated once, not once for each time it missed.
        let missed = (now_ms - rotation.next_ms) / period_ms;
        let next_ms = rotation.next_ms.saturating_add(period_ms.saturating_mul(missed + 1));
        key.rotation = Some(RotationRecord { next_ms, ..rotation });
        match self.rotate(&mut key, version, false).await {
            Ok(true) => Some(Ok(key)),
            Ok(false) => None,
            Err(error) => Some(Err(error)),
        }
    }

    async fn rotate(&self, key: &mut KeyRecord, version: RowVersion, on_demand: bool) -> Result<bool, KmsError> {
        let generation = key.materials.last().map_or(0, |material| material.generation) + 1;
        let material = self.new_material(key.id, generation, key.key_store.as_deref(), on_demand).await?;
        let fence = self.fence_for(&material, key.key_store.as_deref()).await?;
        key.materials.push(material);
        self.put_wrapped(key, version, &fence).await
    }
}

#[cfg(test)]
#[path = "rotation_tests.rs"]
mod tests;

//! EnableKeyRotation, DisableKeyRotation, GetKeyRotationStatus, RotateKeyOnDemand and ListKeyRotations.

use coffer_access::Context;
use coffer_iam::ApiError;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Asked;
use super::constraints::Constraints;
use super::describe_key::seconds;
use super::page::PageParameters;
use crate::authorize::Use;
use crate::error::api_error;
use crate::names::{key_id_text, material_id};
use crate::records::{KeyRecord, KeyStateRecord, MaterialRecord};
use crate::rotation::DEFAULT_PERIOD_DAYS;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Parameters {
    key_id: Option<String>,
    rotation_period_in_days: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListParameters {
    key_id: Option<String>,
    include_key_material: Option<String>,
    #[serde(flatten)]
    page: PageParameters,
}

impl Asked<'_> {
    /// Has the material of a key rotated every so many days.
    ///
    /// # Errors
    /// `NotFoundException`, `AccessDeniedException`, `DisabledException`, `KMSInvalidStateException`,
    /// `UnsupportedOperationException`, `ValidationException`.
    pub(super) async fn enable_key_rotation(&self) -> Result<String, ApiError> {
        let parameters: Parameters = self.parameters()?;
        let mut constraints = Constraints::default();
        let key_id = constraints.required("keyId", parameters.key_id.as_deref());
        constraints.range("rotationPeriodInDays", parameters.rotation_period_in_days, 90, 2560);
        constraints.check()?;
        let asked_days = parameters.rotation_period_in_days.and_then(|days| u32::try_from(days).ok());
        let mut context: Context = self.request.context.clone();
        context.set_if("kms:RotationPeriodInDays", asked_days.map(|days| days.to_string()));
        let changed = self.change_key(&context, "kms:EnableKeyRotation", key_id, |key| {
            self.kms.check_rotates(key)?;
            self.kms.check_usable(key)?;
            let present = key.rotation;
            let days = asked_days.or(present.map(|rotation| rotation.period_days)).unwrap_or(DEFAULT_PERIOD_DAYS);
            // To ask for the same again does not put the next rotation off.
            key.rotation = present.filter(|rotation| rotation.period_days == days);
            key.rotation.get_or_insert_with(|| self.kms.rotation_every(days));
            Ok(())
        });
        changed.await?;
        Ok(String::new())
    }

    /// Has the material of a key no longer rotated by itself.
    ///
    /// # Errors
    /// `NotFoundException`, `AccessDeniedException`, `DisabledException`, `KMSInvalidStateException`,
    /// `UnsupportedOperationException`.
    pub(super) async fn disable_key_rotation(&self) -> Result<String, ApiError> {
        let key_id = self.key_id()?;
        let changed = self.change_key(self.request.context, "kms:DisableKeyRotation", &key_id, |key| {
            self.kms.check_rotates(key)?;
            self.kms.check_usable(key)?;
            key.rotation = None;
            Ok(())
        });
        changed.await?;
        Ok(String::new())
    }

    /// Says whether and when the material of a key is rotated.
    ///
    /// # Errors
    /// `NotFoundException`, `AccessDeniedException`, `UnsupportedOperationException`.
    pub(super) async fn get_key_rotation_status(&self) -> Result<String, ApiError> {
        let key_id = self.key_id()?;
        let by = self.authority();
        let key = self.kms.find_by_id(&by, &key_id).await.map_err(api_error)?.0;
        self.kms.authorize_look(&by, &Use::new("kms:GetKeyRotationStatus", &key)).await.map_err(api_error)?;
        self.kms.check_rotates(&key).map_err(api_error)?;
        // It is not rotated any more while it waits for its deletion.
        let rotation = key.rotation.filter(|_| !matches!(key.state, KeyStateRecord::PendingDeletion(_)));
        let mut answer = json!({ "KeyId": self.kms.arn(&key), "KeyRotationEnabled": rotation.is_some() });
        if let Some(rotation) = rotation {
            answer["RotationPeriodInDays"] = rotation.period_days.into();
            answer["NextRotationDate"] = seconds(rotation.next_ms).into();
        }
        Ok(answer.to_string())
    }

    /// Rotates the material of a key now.
    ///
    /// # Errors
    /// `NotFoundException`, `AccessDeniedException`, `DisabledException`, `KMSInvalidStateException`,
    /// `UnsupportedOperationException`, `LimitExceededException`; when the provider cannot be asked.
    pub(super) async fn rotate_key_on_demand(&self) -> Result<String, ApiError> {
        let key_id = self.key_id()?;
        let key = self.kms.rotate_on_demand(&self.authority(), &key_id).await.map_err(api_error)?;
        Ok(json!({ "KeyId": self.kms.arn(&key) }).to_string())
    }

    /// Lists the rotations of a key, and with `ALL_KEY_MATERIAL` the material that it began with.
    ///
    /// # Errors
    /// `NotFoundException`, `AccessDeniedException`, `UnsupportedOperationException`, `InvalidMarkerException`.
    pub(super) async fn list_key_rotations(&self) -> Result<String, ApiError> {
        let parameters: ListParameters = self.parameters()?;
        let mut constraints = Constraints::default();
        let key_id = constraints.required("keyId", parameters.key_id.as_deref());
        let include = parameters.include_key_material.as_deref();
        constraints.one_of("includeKeyMaterial", include, &["ALL_KEY_MATERIAL", "ROTATIONS_ONLY"]);
        parameters.page.constrain(&mut constraints);
        constraints.check()?;
        let page = parameters.page.page(100, 1000)?;
        let (key, _) = self.kms.own_key(&self.authority(), "kms:ListKeyRotations", key_id).await.map_err(api_error)?;
        self.kms.check_rotates(&key).map_err(api_error)?;
        let name = |material: &&MaterialRecord| material.generation.to_be_bytes().to_vec();
        let first = usize::from(include != Some("ALL_KEY_MATERIAL"));
        let listed = page.of(key.materials.iter().skip(first).collect(), name);
        let items = listed.iter().map(|material| (name(material), rotation_entry(&key, material))).collect();
        Ok(page.answer("Rotations", items))
    }
}

/// `RotationsListEntry`.
fn rotation_entry(key: &KeyRecord, material: &MaterialRecord) -> Value {
    let generation_of = |material: Option<&MaterialRecord>| material.map(|material| material.generation);
    let is_current = generation_of(key.materials.last()) == Some(material.generation);
    let is_first = generation_of(key.materials.first()) == Some(material.generation);
    let mut entry = json!({
        "KeyId": key_id_text(&key.id, key.multi_region),
        "KeyMaterialId": material_id(&key.id, material.generation),
        "KeyMaterialState": if is_current { "CURRENT" } else { "NON_CURRENT" },
    });
    if !is_first {
        entry["RotationDate"] = seconds(material.created_ms).into();
        entry["RotationType"] = if material.on_demand { "ON_DEMAND" } else { "AUTOMATIC" }.into();
    }
    entry
}

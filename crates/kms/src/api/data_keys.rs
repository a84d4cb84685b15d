//! GenerateDataKey, GenerateDataKeyWithoutPlaintext, GenerateRandom.

use std::collections::BTreeMap;

use coffer_crypto::fill_random;
use coffer_iam::ApiError;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use zeroize::Zeroizing;

use super::Asked;
use super::blob::{Text, answer};
use super::constraints::Constraints;
use super::cryptography::{constrain_tokens, refuse_recipient};
use crate::cryptography::{Encrypted, Under};
use crate::error::{api_error, key_store_not_found, unsupported, validation};

const MAX_LEN: i64 = 1024;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GenerateDataKey {
    key_id: Option<String>,
    encryption_context: Option<BTreeMap<String, String>>,
    key_spec: Option<String>,
    number_of_bytes: Option<i64>,
    grant_tokens: Option<Vec<String>>,
    dry_run: Option<bool>,
    recipient: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GenerateRandom {
    number_of_bytes: Option<i64>,
    custom_key_store_id: Option<String>,
    recipient: Option<Value>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct DataKey<'a> {
    ciphertext_blob: Text<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    plaintext: Option<Text<'a>>,
    key_id: &'a str,
    key_material_id: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Random<'a> {
    plaintext: Text<'a>,
}

impl Asked<'_> {
    /// Draws a data key: to use, and to store.
    ///
    /// # Errors
    /// As [`Kms::encrypt`](crate::Kms::encrypt).
    pub(super) async fn generate_data_key(&self) -> Result<String, ApiError> {
        let (key, encrypted) = self.draw("kms:GenerateDataKey").await?;
        Ok(answer(&DataKey {
            ciphertext_blob: Text(&encrypted.ciphertext),
            plaintext: Some(Text(&key)),
            key_id: &encrypted.key_arn,
            key_material_id: &encrypted.material_id,
        }))
    }

    /// Draws a data key to store, for whoever may decrypt it.
    ///
    /// # Errors
    /// As [`Kms::encrypt`](crate::Kms::encrypt).
    pub(super) async fn generate_data_key_without_plaintext(&self) -> Result<String, ApiError> {
        let (_, encrypted) = self.draw("kms:GenerateDataKeyWithoutPlaintext").await?;
        Ok(answer(&DataKey {
            ciphertext_blob: Text(&encrypted.ciphertext),
            plaintext: None,
            key_id: &encrypted.key_arn,
            key_material_id: &encrypted.material_id,
        }))
    }

    async fn draw(&self, action: &'static str) -> Result<(Zeroizing<Vec<u8>>, Encrypted), ApiError> {
        let asked: GenerateDataKey = self.parameters()?;
        refuse_recipient(asked.recipient.as_ref())?;
        let mut constraints = Constraints::default();
        let key_id = constraints.required("keyId", asked.key_id.as_deref());
        constraints.range("numberOfBytes", asked.number_of_bytes, 1, MAX_LEN);
        constraints.one_of("keySpec", asked.key_spec.as_deref(), &["AES_256", "AES_128"]);
        constrain_tokens(&mut constraints, asked.grant_tokens.as_deref());
        constraints.check()?;
        let len = match (asked.key_spec.as_deref(), asked.number_of_bytes) {
            (Some("AES_256"), None) => 32,
            (Some(_), None) => 16,
            (None, Some(len)) => usize::try_from(len).unwrap_or_default(),
            _ => return Err(api_error(validation("Please specify either number of bytes or key spec."))),
        };
        self.check_tokens(asked.grant_tokens.as_deref()).await?;
        let context = asked.encryption_context.unwrap_or_default();
        let under = Under { key: Some(key_id), context: &context, dry_run: asked.dry_run.unwrap_or_default() };
        let key = random(len);
        let encrypted = self.kms.encrypt_as(&self.authority(), action, under, &key).await.map_err(api_error)?;
        Ok((key, encrypted))
    }

    /// Draws random bytes.
    ///
    /// # Errors
    /// `AccessDeniedException`, `ValidationException`, `UnsupportedOperationException`,
    /// `CustomKeyStoreNotFoundException`.
    pub(super) fn generate_random(&self) -> Result<String, ApiError> {
        let asked: GenerateRandom = self.parameters()?;
        refuse_recipient(asked.recipient.as_ref())?;
        let mut constraints = Constraints::default();
        constraints.present("numberOfBytes", asked.number_of_bytes.is_some());
        constraints.range("numberOfBytes", asked.number_of_bytes, 1, MAX_LEN);
        constraints.check()?;
        let account = self.request.account;
        let (by, action) = (self.authority(), "kms:GenerateRandom");
        self.kms.authorize_in_account(&by, action, "*", account, &[]).map_err(api_error)?;
        if let Some(store) = &asked.custom_key_store_id {
            let known = self.kms.0.settings.key_stores.contains_key(store);
            return Err(api_error(match known {
                true => unsupported("Custom key stores draw no random bytes."),
                false => key_store_not_found(store),
            }));
        }
        let len = asked.number_of_bytes.and_then(|len| usize::try_from(len).ok()).unwrap_or_default();
        Ok(answer(&Random { plaintext: Text(&random(len)) }))
    }
}

fn random(len: usize) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(vec![0; len]);
    fill_random(&mut bytes);
    bytes
}

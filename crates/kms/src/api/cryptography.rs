//! Encrypt, Decrypt, ReEncrypt.

use std::collections::BTreeMap;

use coffer_iam::ApiError;
use coffer_keyring::KmsError;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Asked;
use super::blob::{Blob, Text, answer};
use super::constraints::Constraints;
use crate::cryptography::{Under, check_len};
use crate::error::{api_error, unsupported};

/// The one algorithm of the keys here.
const ALGORITHM: &str = "SYMMETRIC_DEFAULT";
/// Every algorithm that there is.
const ALGORITHMS: &[&str] = &[ALGORITHM, "RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256", "SM2PKE"];
/// The most bytes of a ciphertext that a request sends.
const MAX_CIPHERTEXT_LEN: usize = 6144;
/// The most grant tokens of a request, and the most characters of one.
const MAX_TOKENS: usize = 10;
const MAX_TOKEN_LEN: usize = 8192;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Encrypt {
    key_id: Option<String>,
    plaintext: Option<Blob>,
    encryption_context: Option<BTreeMap<String, String>>,
    grant_tokens: Option<Vec<String>>,
    encryption_algorithm: Option<String>,
    dry_run: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Decrypt {
    key_id: Option<String>,
    ciphertext_blob: Option<Blob>,
    encryption_context: Option<BTreeMap<String, String>>,
    grant_tokens: Option<Vec<String>>,
    encryption_algorithm: Option<String>,
    dry_run: Option<bool>,
    dry_run_modifiers: Option<Value>,
    recipient: Option<Value>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Decrypted<'a> {
    key_id: &'a str,
    plaintext: Text<'a>,
    encryption_algorithm: &'a str,
    key_material_id: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ReEncrypt {
    ciphertext_blob: Option<Blob>,
    source_key_id: Option<String>,
    source_encryption_context: Option<BTreeMap<String, String>>,
    source_encryption_algorithm: Option<String>,
    destination_key_id: Option<String>,
    destination_encryption_context: Option<BTreeMap<String, String>>,
    destination_encryption_algorithm: Option<String>,
    grant_tokens: Option<Vec<String>>,
    dry_run: Option<bool>,
    dry_run_modifiers: Option<Value>,
}

impl Asked<'_> {
    /// Encrypts what the request sends.
    ///
    /// # Errors
    /// As [`Kms::encrypt`](crate::Kms::encrypt); `InvalidKeyUsageException`, `InvalidGrantTokenException`.
    pub(super) async fn encrypt(&self) -> Result<String, ApiError> {
        let asked: Encrypt = self.parameters()?;
        let mut constraints = Constraints::default();
        let key_id = constraints.required("keyId", asked.key_id.as_deref());
        constraints.present("plaintext", asked.plaintext.is_some());
        constrain_algorithm(&mut constraints, "encryptionAlgorithm", asked.encryption_algorithm.as_deref());
        constrain_tokens(&mut constraints, asked.grant_tokens.as_deref());
        constraints.check()?;
        check_algorithm(asked.encryption_algorithm.as_deref())?;
        self.check_tokens(asked.grant_tokens.as_deref()).await?;
        let context = asked.encryption_context.unwrap_or_default();
        let under = Under { key: Some(key_id), context: &context, dry_run: asked.dry_run.unwrap_or_default() };
        let plaintext = asked.plaintext.as_ref().map(|blob| blob.0.as_slice()).unwrap_or_default();
        let encrypted = self.kms.encrypt(&self.authority(), under, plaintext).await.map_err(api_error)?;
        Ok(answer(&json!({
            "CiphertextBlob": Text(&encrypted.ciphertext),
            "KeyId": encrypted.key_arn,
            "EncryptionAlgorithm": ALGORITHM,
        })))
    }

    /// Decrypts a ciphertext.
    ///
    /// # Errors
    /// As [`Kms::decrypt`](crate::Kms::decrypt); `InvalidKeyUsageException`, `InvalidGrantTokenException`,
    /// `UnsupportedOperationException`.
    pub(super) async fn decrypt(&self) -> Result<String, ApiError> {
        let asked: Decrypt = self.parameters()?;
        refuse_recipient(asked.recipient.as_ref())?;
        refuse_modifiers(asked.dry_run_modifiers.as_ref())?;
        let mut constraints = Constraints::default();
        constraints.present("ciphertextBlob", asked.ciphertext_blob.is_some());
        constrain_algorithm(&mut constraints, "encryptionAlgorithm", asked.encryption_algorithm.as_deref());
        constrain_tokens(&mut constraints, asked.grant_tokens.as_deref());
        constraints.check()?;
        let ciphertext = ciphertext(asked.ciphertext_blob.as_ref())?;
        check_algorithm(asked.encryption_algorithm.as_deref())?;
        self.check_tokens(asked.grant_tokens.as_deref()).await?;
        let context = asked.encryption_context.unwrap_or_default();
        let under =
            Under { key: asked.key_id.as_deref(), context: &context, dry_run: asked.dry_run.unwrap_or_default() };
        let decrypted = self.kms.decrypt(&self.authority(), under, ciphertext).await.map_err(api_error)?;
        Ok(answer(&Decrypted {
            key_id: &decrypted.key_arn,
            plaintext: Text(&decrypted.plaintext),
            encryption_algorithm: ALGORITHM,
            key_material_id: &decrypted.material_id,
        }))
    }

    /// Encrypts anew what a ciphertext holds.
    ///
    /// # Errors
    /// As [`Kms::re_encrypt`](crate::Kms::re_encrypt); `InvalidKeyUsageException`, `InvalidGrantTokenException`,
    /// `UnsupportedOperationException`.
    pub(super) async fn re_encrypt(&self) -> Result<String, ApiError> {
        let asked: ReEncrypt = self.parameters()?;
        refuse_modifiers(asked.dry_run_modifiers.as_ref())?;
        let mut constraints = Constraints::default();
        constraints.present("ciphertextBlob", asked.ciphertext_blob.is_some());
        let to = constraints.required("destinationKeyId", asked.destination_key_id.as_deref());
        let algorithms = [
            ("sourceEncryptionAlgorithm", asked.source_encryption_algorithm.as_deref()),
            ("destinationEncryptionAlgorithm", asked.destination_encryption_algorithm.as_deref()),
        ];
        algorithms.iter().for_each(|(name, algorithm)| constrain_algorithm(&mut constraints, name, *algorithm));
        constrain_tokens(&mut constraints, asked.grant_tokens.as_deref());
        constraints.check()?;
        let ciphertext = ciphertext(asked.ciphertext_blob.as_ref())?;
        algorithms.iter().try_for_each(|(_, algorithm)| check_algorithm(*algorithm))?;
        self.check_tokens(asked.grant_tokens.as_deref()).await?;
        let dry_run = asked.dry_run.unwrap_or_default();
        let from = asked.source_encryption_context.unwrap_or_default();
        let from = Under { key: asked.source_key_id.as_deref(), context: &from, dry_run };
        let context = asked.destination_encryption_context.unwrap_or_default();
        let to = Under { key: Some(to), context: &context, dry_run };
        let done = self.kms.re_encrypt(&self.authority(), from, ciphertext, to).await.map_err(api_error)?;
        Ok(answer(&json!({
            "CiphertextBlob": Text(&done.encrypted.ciphertext),
            "KeyId": done.encrypted.key_arn,
            "SourceKeyId": done.source_key_arn,
            "SourceEncryptionAlgorithm": ALGORITHM,
            "DestinationEncryptionAlgorithm": ALGORITHM,
            "SourceKeyMaterialId": done.source_material_id,
            "DestinationKeyMaterialId": done.encrypted.material_id,
        })))
    }

    /// Checks the grant tokens of a request.
    ///
    /// # Errors
    /// `InvalidGrantTokenException`.
    pub(super) async fn check_tokens(&self, tokens: Option<&[String]>) -> Result<(), ApiError> {
        self.kms.check_grant_tokens(tokens.unwrap_or_default()).await.map_err(api_error)
    }
}

/// Gathers what is wrong with grant tokens before they are looked at.
pub(super) fn constrain_tokens(constraints: &mut Constraints, tokens: Option<&[String]>) {
    let tokens = tokens.unwrap_or_default();
    // Not the list itself: it is long, and no range of a number.
    let count = i64::try_from(tokens.len()).unwrap_or(i64::MAX);
    constraints.range("grantTokens", Some(count), 0, 10);
    for token in tokens.iter().take(MAX_TOKENS) {
        constraints.length("grantTokens", Some(token), 1, MAX_TOKEN_LEN);
    }
}

/// Refuses to answer for somebody else's eyes only: there is nobody here who could show that they are an enclave.
///
/// # Errors
/// `UnsupportedOperationException`.
pub(super) fn refuse_recipient(recipient: Option<&Value>) -> Result<(), ApiError> {
    if recipient.is_none_or(Value::is_null) {
        return Ok(());
    }
    Err(api_error(unsupported("Recipient is not supported.")))
}

fn refuse_modifiers(modifiers: Option<&Value>) -> Result<(), ApiError> {
    if modifiers.is_none_or(|modifiers| modifiers.is_null() || modifiers.as_array().is_some_and(Vec::is_empty)) {
        return Ok(());
    }
    Err(api_error(unsupported("DryRunModifiers are not supported.")))
}

fn ciphertext(blob: Option<&Blob>) -> Result<&[u8], ApiError> {
    let ciphertext = blob.map(|blob| blob.0.as_slice()).unwrap_or_default();
    check_len("ciphertextBlob", ciphertext.len(), MAX_CIPHERTEXT_LEN).map_err(api_error)?;
    Ok(ciphertext)
}

fn constrain_algorithm(constraints: &mut Constraints, name: &str, algorithm: Option<&str>) {
    constraints.one_of(name, algorithm, ALGORITHMS);
}

fn check_algorithm(algorithm: Option<&str>) -> Result<(), ApiError> {
    match algorithm {
        None | Some(ALGORITHM) => Ok(()),
        Some(other) => Err(api_error(KmsError::new(
            "InvalidKeyUsageException",
            format!("Algorithm {other} is incompatible with key spec SYMMETRIC_DEFAULT."),
        ))),
    }
}

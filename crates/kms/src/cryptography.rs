//! Encrypting and decrypting under keys.

use std::collections::BTreeMap;

use coffer_keyring::KmsError;
use coffer_seal::{KmsCiphertext, MAX_KMS_PLAINTEXT_LEN, canonical_context, seal_for_kms};
use zeroize::Zeroizing;

use crate::authority::Authority;
use crate::authorize::Use;
use crate::error::{access_denied, dry_run, incorrect_key, invalid_ciphertext, validation};
use crate::names::{key_id_text, material_id};
use crate::records::KeyRecord;
use crate::settings::Kms;

/// The most bytes of the names and values of an encryption context.
const MAX_CONTEXT_LEN: usize = 8192;

/// Under which key something is or was encrypted.
#[derive(Clone, Copy)]
pub struct Under<'a> {
    /// The key, by id, ARN or alias. To decrypt, `None` is the one that the ciphertext names.
    pub key: Option<&'a str>,
    /// The encryption context.
    pub context: &'a BTreeMap<String, String>,
    /// Only find out whether it would be done.
    pub dry_run: bool,
}

/// What was encrypted.
pub struct Encrypted {
    /// The ARN of the key.
    pub key_arn: String,
    /// The ciphertext.
    pub ciphertext: Vec<u8>,
    /// What the material is called that it was encrypted with.
    pub material_id: String,
}

/// What was decrypted.
pub struct Decrypted {
    /// The ARN of the key.
    pub key_arn: String,
    /// The plaintext.
    pub plaintext: Zeroizing<Vec<u8>>,
    /// What the material is called that it was encrypted with.
    pub material_id: String,
}

/// What was encrypted anew.
pub struct ReEncrypted {
    /// What it was encrypted with, without the plaintext.
    pub source_key_arn: String,
    /// What the material of the source is called.
    pub source_material_id: String,
    /// What it is now.
    pub encrypted: Encrypted,
}

/// The key that is to decrypt a ciphertext.
struct Source<'a> {
    key: KeyRecord,
    /// The ciphertext, or why the key cannot decrypt it.
    parsed: Result<KmsCiphertext<'a>, KmsError>,
    /// The caller did not name the key, and it is in another account: unless they may use it, they learn no more of it
    /// than of one that is not there.
    is_hidden: bool,
}

impl Kms {
    /// Encrypts 1 to 4096 bytes under a key that is named.
    ///
    /// # Errors
    /// `NotFoundException`, `AccessDeniedException`, `DisabledException`, `KMSInvalidStateException`,
    /// `ValidationException`, `DryRunOperationException`; when the provider or the store cannot be asked.
    pub async fn encrypt(&self, by: &Authority<'_>, under: Under<'_>, plaintext: &[u8]) -> Result<Encrypted, KmsError> {
        self.encrypt_as(by, "kms:Encrypt", under, plaintext).await
    }

    /// As [`Kms::encrypt`], for `kms:GenerateDataKey` or another action that encrypts.
    ///
    /// # Errors
    /// As there.
    pub(crate) async fn encrypt_as(
        &self,
        by: &Authority<'_>,
        action: &'static str,
        under: Under<'_>,
        plaintext: &[u8],
    ) -> Result<Encrypted, KmsError> {
        let encrypted = self.try_encrypt(by, action, under, plaintext).await;
        let arn = encrypted.as_ref().map_or(under.key.unwrap_or_default(), |encrypted| &encrypted.key_arn);
        self.note(by, action, arn, under.context, &encrypted);
        encrypted
    }

    async fn try_encrypt(
        &self,
        by: &Authority<'_>,
        action: &'static str,
        under: Under<'_>,
        plaintext: &[u8],
    ) -> Result<Encrypted, KmsError> {
        check_len("plaintext", plaintext.len(), MAX_KMS_PLAINTEXT_LEN)?;
        check_context(under.context)?;
        let name = under.key.unwrap_or_default();
        let (key, _) = self.find(by, name).await?;
        let wanted = Use::new(action, &key).named(Some(name)).with_context(under.context);
        self.check_use(by, &wanted, under.dry_run).await?;
        self.encrypt_with(&key, under.context, plaintext).await
    }

    /// Encrypts under the current material of a key.
    pub(crate) async fn encrypt_with(
        &self,
        key: &KeyRecord,
        context: &BTreeMap<String, String>,
        plaintext: &[u8],
    ) -> Result<Encrypted, KmsError> {
        let generation = key.materials.last().map_or(0, |material| material.generation);
        let material = self.material(key, generation).await?;
        let ciphertext = seal_for_kms(&material, key.id, generation, &canonical_context(context), plaintext);
        Ok(Encrypted { key_arn: self.arn(key), ciphertext, material_id: material_id(&key.id, generation) })
    }

    /// Decrypts a ciphertext.
    ///
    /// # Errors
    /// As [`Kms::encrypt`]; `InvalidCiphertextException`, `IncorrectKeyException`.
    pub async fn decrypt(
        &self,
        by: &Authority<'_>,
        under: Under<'_>,
        ciphertext: &[u8],
    ) -> Result<Decrypted, KmsError> {
        let decrypted = self.decrypt_as(by, "kms:Decrypt", under, ciphertext).await;
        let arn = decrypted
            .as_ref()
            .map_or_else(|_| self.arn_for_log(under, ciphertext), |decrypted| decrypted.key_arn.clone());
        self.note(by, "kms:Decrypt", &arn, under.context, &decrypted);
        decrypted
    }

    async fn decrypt_as(
        &self,
        by: &Authority<'_>,
        action: &'static str,
        under: Under<'_>,
        ciphertext: &[u8],
    ) -> Result<Decrypted, KmsError> {
        check_context(under.context)?;
        let source = self.source(by, action, under, ciphertext).await?;
        let wanted = Use::new(action, &source.key).named(under.key).with_context(under.context);
        let parsed = self.check_source(by, &source, &wanted).await?;
        if under.dry_run {
            return Err(dry_run());
        }
        self.open(&source.key, parsed, under.context).await
    }

    /// Decrypts with a key that may be used.
    pub(crate) async fn open(
        &self,
        key: &KeyRecord,
        ciphertext: &KmsCiphertext<'_>,
        context: &BTreeMap<String, String>,
    ) -> Result<Decrypted, KmsError> {
        let material = self.material(key, ciphertext.generation).await?;
        let opened = ciphertext.open(&material, &canonical_context(context));
        let plaintext = opened.map_err(|_| invalid_ciphertext())?;
        let material_id = material_id(&key.id, ciphertext.generation);
        Ok(Decrypted { key_arn: self.arn(key), plaintext, material_id })
    }

    /// The key that is to decrypt a ciphertext: whether it may and can is still to be seen.
    async fn source<'a>(
        &self,
        by: &Authority<'_>,
        action: &str,
        under: Under<'_>,
        ciphertext: &'a [u8],
    ) -> Result<Source<'a>, KmsError> {
        let parsed = KmsCiphertext::parse(ciphertext).map_err(|_| invalid_ciphertext());
        if let Some(name) = under.key {
            let (key, _) = self.find(by, name).await?;
            let parsed = parsed.and_then(|it| if it.key_id == key.id { Ok(it) } else { Err(incorrect_key()) });
            return Ok(Source { key, parsed, is_hidden: false });
        }
        let parsed = parsed?;
        let (key, _) = self.key(&parsed.key_id).await?.ok_or_else(|| hidden(by, action))?;
        let is_hidden = by.account().is_some_and(|account| account != key.account);
        Ok(Source { key, parsed: Ok(parsed), is_hidden })
    }

    /// Refuses a source that the caller may not use, that cannot be used, or whose ciphertext is none of its.
    async fn check_source<'s, 'a>(
        &self,
        by: &Authority<'_>,
        source: &'s Source<'a>,
        wanted: &Use<'_>,
    ) -> Result<&'s KmsCiphertext<'a>, KmsError> {
        self.authorize_use(by, wanted).await.map_err(|error| {
            if source.is_hidden && error.code == "AccessDeniedException" { hidden(by, wanted.action) } else { error }
        })?;
        self.check_usable(&source.key)?;
        source.parsed.as_ref().map_err(Clone::clone)
    }

    /// Decrypts a ciphertext and encrypts the plaintext under another key, another context, or newer material.
    ///
    /// # Errors
    /// As [`Kms::decrypt`], for either of the keys.
    pub async fn re_encrypt(
        &self,
        by: &Authority<'_>,
        source: Under<'_>,
        ciphertext: &[u8],
        destination: Under<'_>,
    ) -> Result<ReEncrypted, KmsError> {
        let done = self.try_re_encrypt(by, source, ciphertext, destination).await;
        let (from, to) = match &done {
            Ok(done) => (done.source_key_arn.clone(), done.encrypted.key_arn.clone()),
            Err(_) => (self.arn_for_log(source, ciphertext), destination.key.unwrap_or_default().to_owned()),
        };
        self.note(by, "kms:ReEncryptFrom", &from, source.context, &done);
        self.note(by, "kms:ReEncryptTo", &to, destination.context, &done);
        done
    }

    async fn try_re_encrypt(
        &self,
        by: &Authority<'_>,
        source: Under<'_>,
        ciphertext: &[u8],
        destination: Under<'_>,
    ) -> Result<ReEncrypted, KmsError> {
        check_context(source.context)?;
        check_context(destination.context)?;
        let from = self.source(by, "kms:ReEncryptFrom", source, ciphertext).await?;
        let (to, _) = self.find(by, destination.key.unwrap_or_default()).await?;
        let is_same = || vec![(from.key.id == to.id).to_string()];
        let wanted = Use::new("kms:ReEncryptFrom", &from.key)
            .named(source.key)
            .with_context(source.context)
            .condition("kms:ReEncryptOnSameKey", is_same());
        let parsed = self.check_source(by, &from, &wanted).await?;
        let wanted = Use::new("kms:ReEncryptTo", &to)
            .named(destination.key)
            .with_context(destination.context)
            .condition("kms:ReEncryptOnSameKey", is_same());
        self.check_use(by, &wanted, source.dry_run || destination.dry_run).await?;
        let opened = self.open(&from.key, parsed, source.context).await?;
        let encrypted = self.encrypt_with(&to, destination.context, &opened.plaintext).await?;
        Ok(ReEncrypted { source_key_arn: opened.key_arn, source_material_id: opened.material_id, encrypted })
    }

    /// Refuses a use that is not allowed, and everything with a key that cannot be used.
    pub(crate) async fn check_use(
        &self,
        by: &Authority<'_>,
        wanted: &Use<'_>,
        is_dry_run: bool,
    ) -> Result<(), KmsError> {
        self.authorize_use(by, wanted).await?;
        self.check_usable(wanted.key)?;
        if is_dry_run { Err(dry_run()) } else { Ok(()) }
    }

    /// What the audit log calls the key of a ciphertext that was not decrypted.
    fn arn_for_log(&self, under: Under<'_>, ciphertext: &[u8]) -> String {
        match (under.key, KmsCiphertext::parse(ciphertext)) {
            (Some(name), _) => name.to_owned(),
            (None, Ok(parsed)) => key_id_text(&parsed.key_id, false),
            (None, Err(_)) => "unknown".to_owned(),
        }
    }
}

/// Refuses bytes that are none, or too many.
///
/// # Errors
/// `ValidationException`.
pub(crate) fn check_len(what: &str, len: usize, most: usize) -> Result<(), KmsError> {
    let (bound, end) = match len {
        0 => ("greater", 1),
        len if len > most => ("less", most),
        _ => return Ok(()),
    };
    Err(validation(format!(
        "1 validation error detected: Value at '{what}' failed to satisfy constraint: Member must have length {bound} \
         than or equal to {end}"
    )))
}

/// Refuses an encryption context that is too long.
///
/// # Errors
/// `ValidationException`.
pub(crate) fn check_context(context: &BTreeMap<String, String>) -> Result<(), KmsError> {
    let len: usize = context.iter().map(|(name, value)| name.len() + value.len()).sum();
    if len <= MAX_CONTEXT_LEN {
        return Ok(());
    }
    Err(validation(format!("The encryption context is longer than {MAX_CONTEXT_LEN} bytes.")))
}

fn hidden(by: &Authority<'_>, action: &str) -> KmsError {
    let who = by.who();
    access_denied(format!(
        "User: {who} is not authorized to perform: {action} on the resource associated with this ciphertext because \
         the resource does not exist in this Region, no resource-based policies allow access, or a resource-based \
         policy explicitly denies access"
    ))
}

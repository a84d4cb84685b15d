//! CreateKey.

use std::collections::BTreeMap;

use coffer_access::Context;
use coffer_iam::ApiError;
use coffer_keyring::KmsError;
use serde::Deserialize;
use serde_json::json;

use super::Asked;
use super::constraints::Constraints;
use super::tags::{Tag, constrain_tags, tag_context, tags};
use crate::authority::Authority;
use crate::error::{api_error, key_store_not_found, unsupported, validation};
use crate::keys::NewKey;
use crate::records::KeyRecord;

const KEY_USAGES: &[&str] =
    &["SIGN_VERIFY", "ENCRYPT_DECRYPT", "GENERATE_VERIFY_MAC", "KEY_AGREEMENT", "ENCAPSULATE_DECAPSULATE"];
const ORIGINS: &[&str] = &["AWS_KMS", "EXTERNAL", "AWS_CLOUDHSM", "EXTERNAL_KEY_STORE"];
const KEY_SPECS: &[&str] = &[
    "RSA_2048",
    "RSA_3072",
    "RSA_4096",
    "ECC_NIST_P256",
    "ECC_NIST_P384",
    "ECC_NIST_P521",
    "ECC_SECG_P256K1",
    "SYMMETRIC_DEFAULT",
    "HMAC_224",
    "HMAC_256",
    "HMAC_384",
    "HMAC_512",
    "SM2",
    "ML_DSA_44",
    "ML_DSA_65",
    "ML_DSA_87",
    "ECC_NIST_EDWARDS25519",
    "ML_KEM_512",
    "ML_KEM_768",
    "ML_KEM_1024",
];

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Parameters {
    policy: Option<String>,
    #[serde(default)]
    bypass_policy_lockout_safety_check: bool,
    description: Option<String>,
    key_usage: Option<String>,
    key_spec: Option<String>,
    customer_master_key_spec: Option<String>,
    origin: Option<String>,
    custom_key_store_id: Option<String>,
    xks_key_id: Option<String>,
    multi_region: Option<bool>,
    tags: Option<Vec<Tag>>,
}

impl Asked<'_> {
    /// Makes a key in the caller's account.
    ///
    /// # Errors
    /// `AccessDeniedException`, `UnsupportedOperationException`, `ValidationException`, `TagException`,
    /// `CustomKeyStoreNotFoundException`, `XksKeyNotFoundException`, `MalformedPolicyDocumentException`; when the
    /// provider or the store cannot be asked.
    pub(crate) async fn create_key(&self) -> Result<String, ApiError> {
        let parameters: Parameters = self.parameters()?;
        parameters.constrain()?;
        let tags = tags(parameters.tags.as_deref().unwrap_or_default())?;
        let context = parameters.context(&tag_context(self.request.context, &tags));
        self.authorize_account("kms:CreateKey", "*", &context)?;
        if !tags.is_empty() {
            let keys = format!("arn:aws:kms:{}:{}:key/*", self.kms.0.settings.region, self.request.account);
            self.authorize_account("kms:TagResource", &keys, &context)?;
        }
        parameters.check_supported().map_err(api_error)?;
        self.check_key_store(&parameters).map_err(api_error)?;
        let by = self.authority();
        let made = self.make(&by, parameters, tags).await;
        let arn = made.as_ref().map_or_else(|_| "*".to_owned(), |key| self.kms.arn(key));
        self.kms.note(&by, "kms:CreateKey", &arn, &BTreeMap::new(), &made);
        Ok(json!({ "KeyMetadata": self.metadata(&made.map_err(api_error)?) }).to_string())
    }

    async fn make(
        &self,
        by: &Authority<'_>,
        parameters: Parameters,
        tags: BTreeMap<String, String>,
    ) -> Result<KeyRecord, KmsError> {
        let mut new = NewKey {
            description: parameters.description.unwrap_or_default(),
            multi_region: parameters.multi_region.unwrap_or_default(),
            tags,
            key_store: parameters.custom_key_store_id,
            ..NewKey::default()
        };
        let mut policy = None;
        if let Some(text) = parameters.policy {
            let (read, principals) = self.kms.read_policy(&text).await?;
            (new.policy, new.policy_principals) = (text, principals);
            policy = Some(read).filter(|_| !parameters.bypass_policy_lockout_safety_check);
        }
        let key = self.kms.new_key(self.request.account, new).await?;
        if let Some(policy) = policy {
            self.kms.check_lockout(by, &key, &policy).await?;
        }
        self.kms.add_key(&key, None).await?;
        Ok(key)
    }

    /// Refuses a custom key store that there is not, and a key in it that is not the one that it has.
    fn check_key_store(&self, parameters: &Parameters) -> Result<(), KmsError> {
        let Some(id) = &parameters.custom_key_store_id else { return Ok(()) };
        let provider = self.kms.0.settings.key_stores.get(id).ok_or_else(|| key_store_not_found(id))?;
        let external = provider.describe().fingerprint;
        match &parameters.xks_key_id {
            Some(asked) if *asked != external => Err(KmsError::new(
                "XksKeyNotFoundException",
                format!("The external key of the custom key store {id} is {external}."),
            )),
            _ => Ok(()),
        }
    }
}

impl Parameters {
    fn constrain(&self) -> Result<(), ApiError> {
        let mut constraints = Constraints::default();
        constraints.length("policy", self.policy.as_deref(), 1, 131_072);
        constraints.length("description", self.description.as_deref(), 0, 8192);
        constraints.one_of("keyUsage", self.key_usage.as_deref(), KEY_USAGES);
        constraints.one_of("keySpec", self.key_spec.as_deref(), KEY_SPECS);
        constraints.one_of("customerMasterKeySpec", self.customer_master_key_spec.as_deref(), KEY_SPECS);
        constraints.one_of("origin", self.origin.as_deref(), ORIGINS);
        constraints.length("customKeyStoreId", self.custom_key_store_id.as_deref(), 1, 64);
        constraints.length("xksKeyId", self.xks_key_id.as_deref(), 1, 128);
        constraints.characters("xksKeyId", self.xks_key_id.as_deref(), "^[a-zA-Z0-9-_.]+$", |c| {
            c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
        });
        constrain_tags(&mut constraints, self.tags.as_deref().unwrap_or_default());
        constraints.check()
    }

    /// Refuses the kinds of keys, and the ways of having them, that there are not here.
    fn check_supported(&self) -> Result<(), KmsError> {
        if self.key_spec.is_some() && self.customer_master_key_spec.is_some() {
            return Err(validation(
                "You cannot specify KeySpec and CustomerMasterKeySpec in the same request. CustomerMasterKeySpec is \
                 deprecated.",
            ));
        }
        let spec = self.spec();
        if spec != "SYMMETRIC_DEFAULT" {
            return Err(match self.key_usage {
                None => validation(
                    "You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys.",
                ),
                Some(_) => unsupported(format!("Keys of the KeySpec {spec} are not supported.")),
            });
        }
        if let Some(usage) = self.key_usage.as_deref().filter(|usage| *usage != "ENCRYPT_DECRYPT") {
            return Err(validation(format!("KeyUsage {usage} is not compatible with KeySpec {spec}")));
        }
        let is_external = self.origin() == "EXTERNAL_KEY_STORE";
        match self.origin() {
            "AWS_KMS" | "EXTERNAL_KEY_STORE" => {}
            origin => return Err(unsupported(format!("Keys of the Origin {origin} are not supported."))),
        }
        if is_external != self.custom_key_store_id.is_some() {
            return Err(validation(format!(
                "CustomKeyStoreId must be specified with Origin EXTERNAL_KEY_STORE and with no other; it is {}.",
                self.origin()
            )));
        }
        if self.xks_key_id.is_some() && !is_external {
            return Err(validation("XksKeyId can be specified with Origin EXTERNAL_KEY_STORE only."));
        }
        if is_external && self.multi_region == Some(true) {
            return Err(unsupported("Multi-Region keys cannot be in a custom key store."));
        }
        Ok(())
    }

    fn spec(&self) -> &str {
        self.key_spec.as_deref().or(self.customer_master_key_spec.as_deref()).unwrap_or("SYMMETRIC_DEFAULT")
    }

    fn origin(&self) -> &str {
        self.origin.as_deref().unwrap_or("AWS_KMS")
    }

    /// The condition keys of the request, with those that say what is to be made.
    fn context(&self, request: &Context) -> Context {
        let mut context = request.clone();
        let usage = self.key_usage.as_deref().unwrap_or("ENCRYPT_DECRYPT");
        for (key, value) in [
            ("kms:KeySpec", self.spec()),
            ("kms:CustomerMasterKeySpec", self.spec()),
            ("kms:KeyUsage", usage),
            ("kms:CustomerMasterKeyUsage", usage),
            ("kms:KeyOrigin", self.origin()),
        ] {
            context.set(key, value);
        }
        context.set("kms:MultiRegion", self.multi_region.unwrap_or_default().to_string());
        context.set("kms:BypassPolicyLockoutSafetyCheck", self.bypass_policy_lockout_safety_check.to_string());
        if self.multi_region == Some(true) {
            context.set("kms:MultiRegionKeyType", "PRIMARY");
        }
        context
    }
}

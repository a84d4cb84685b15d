//! The policies of keys: which are valid, and which a key has from the start.

use std::collections::BTreeMap;

use coffer_access::{NamedPrincipal, Policy, PolicyKind};
use coffer_keyring::KmsError;
use serde_json::json;

use crate::authority::Authority;
use crate::authorize::Use;
use crate::error::{from_iam, limit_exceeded, malformed_policy};
use crate::records::KeyRecord;
use crate::settings::Kms;

/// The most bytes of a key policy.
const MAX_LEN: usize = 32 << 10;

/// A key policy, and the unique IDs of whom it names by ARN, by ARN.
pub(crate) type ReadPolicy = (Policy, BTreeMap<String, String>);

/// The policy of a key whose maker says nothing: its account decides, by the policies of its users and roles.
pub(crate) fn default_policy(account: &str) -> String {
    let statement = json!({
        "Sid": "Enable IAM User Permissions",
        "Effect": "Allow",
        "Principal": { "AWS": format!("arn:aws:iam::{account}:root") },
        "Action": "kms:*",
        "Resource": "*",
    });
    json!({ "Version": "2012-10-17", "Id": "key-default-1", "Statement": [statement] }).to_string()
}

/// The policy of the key that protects objects whose writer names no other: who is in the account may use it, through S3
/// only, and see it. Nobody may change it.
pub(crate) fn s3_policy(account: &str, region: &str) -> String {
    let use_by_s3 = json!({
        "Sid": "Allow access through S3 for all principals in the account that are authorized to use S3",
        "Effect": "Allow",
        "Principal": { "AWS": "*" },
        "Action": ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"],
        "Resource": "*",
        "Condition": { "StringEquals": {
            "kms:CallerAccount": account, "kms:ViaService": format!("s3.{region}.amazonaws.com"),
        } },
    });
    let look = json!({
        "Sid": "Allow direct access to key metadata to the account",
        "Effect": "Allow",
        "Principal": { "AWS": format!("arn:aws:iam::{account}:root") },
        "Action": ["kms:Describe*", "kms:Get*", "kms:List*"],
        "Resource": "*",
    });
    json!({ "Version": "2012-10-17", "Id": "auto-s3-2", "Statement": [use_by_s3, look] }).to_string()
}

impl Kms {
    /// The policy of a key, which means those whom it named when it was put.
    ///
    /// # Errors
    /// `KMSInternalException` when it is none: then nobody may do anything.
    pub(crate) fn policy(&self, key: &KeyRecord) -> Result<Policy, KmsError> {
        let mut policy = Policy::parse(&key.policy, PolicyKind::Key, MAX_LEN).map_err(|error| {
            tracing::error!(%error, key = self.arn(key), "a key policy that was accepted once is not valid");
            KmsError::new("KMSInternalException", "An internal error occurred.")
        })?;
        policy.resolve_principals(&key.policy_principals);
        Ok(policy)
    }

    /// The policy of a key as it is shown: who has been renamed since it was put goes by their new name, who is gone by
    /// their unique ID.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn shown_policy(&self, key: &KeyRecord) -> Result<String, KmsError> {
        let changed = self.0.iam.changed_names(&key.policy_principals).await.map_err(|error| from_iam(&error))?;
        Ok(Policy::rename_principals(&key.policy, &changed))
    }

    /// Reads a new policy of a key.
    ///
    /// # Errors
    /// `LimitExceededException`; `MalformedPolicyDocumentException`, also when it names somebody who is not there.
    pub(crate) async fn read_policy(&self, text: &str) -> Result<ReadPolicy, KmsError> {
        if text.len() > MAX_LEN {
            return Err(limit_exceeded("The key policy is longer than 32,768 bytes.".to_owned()));
        }
        let mut policy = Policy::parse(text, PolicyKind::Key, MAX_LEN).map_err(|error| malformed_policy(error.0))?;
        let mut ids = BTreeMap::new();
        for name in policy.named_principals() {
            match self.0.iam.principal(&name).await.map_err(|error| from_iam(&error))? {
                Some(NamedPrincipal::Account) => {}
                Some(NamedPrincipal::Unique(id)) => drop(ids.insert(name, id)),
                None => {
                    let message = "Policy contains a statement with one or more invalid principals.";
                    return Err(malformed_policy(message.to_owned()));
                }
            }
        }
        policy.resolve_principals(&ids);
        Ok((policy, ids))
    }

    /// Refuses a policy under which the one who puts it could not put another.
    ///
    /// # Errors
    /// `MalformedPolicyDocumentException`.
    pub(crate) async fn check_lockout(
        &self,
        by: &Authority<'_>,
        key: &KeyRecord,
        policy: &Policy,
    ) -> Result<(), KmsError> {
        self.authorize_under(by, &Use::new("kms:PutKeyPolicy", key), policy).await.map_err(|error| {
            if error.code != "AccessDeniedException" {
                return error;
            }
            malformed_policy("The new key policy will not allow you to update the key policy in the future.".to_owned())
        })
    }
}

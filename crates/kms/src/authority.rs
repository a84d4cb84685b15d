//! Who asks for a key, and whether they may.

use std::collections::BTreeMap;

use coffer_access::{AclGrant, Caller, Context, Decision, Question, evaluate};
use coffer_keyring::{KeyEvent, KeyOutcome, KmsError};

use crate::error::access_denied;
use crate::records::KeyRecord;
use crate::settings::Kms;

/// In whose name a key is asked for.
#[derive(Clone, Copy)]
pub enum Authority<'a> {
    /// The server itself, for a job that an operator asked for: no policy is asked.
    Coffer,
    /// A caller of the KMS or of S3.
    Caller {
        /// Who it is.
        caller: &'a Caller,
        /// The condition keys of the request.
        context: &'a Context,
        /// The service that asks in their name, such as `s3.us-east-1.amazonaws.com`; `None` when they ask themselves.
        via: Option<&'a str>,
        /// The ID of the request.
        request_id: &'a str,
    },
}

impl Authority<'_> {
    /// The account whose keys and aliases are meant by names without an account.
    pub(crate) fn account(&self) -> Option<&str> {
        match self {
            Self::Coffer => None,
            Self::Caller { caller, .. } => caller.principal.account(),
        }
    }
}

impl Kms {
    /// Notes in the audit log what became of a request for a key.
    pub(crate) fn note<T>(
        &self,
        by: &Authority<'_>,
        action: &'static str,
        key: &str,
        context: &BTreeMap<String, String>,
        done: &Result<T, KmsError>,
    ) {
        let outcome = match done {
            Ok(_) => KeyOutcome::Done,
            Err(error) if error.is_temporary() => KeyOutcome::Failed(error.code.to_owned()),
            Err(error) => KeyOutcome::Denied(error.code.to_owned()),
        };
        let mut details = Vec::new();
        let mut who = "coffer".to_owned();
        if let Authority::Caller { caller, via, request_id, .. } = by {
            who = caller.principal.arn();
            details.push(("request-id".to_owned(), (*request_id).to_owned()));
            details.extend(via.map(|via| ("via".to_owned(), via.to_owned())));
        }
        details.extend(context.iter().map(|(name, value)| (format!("context/{name}"), value.clone())));
        self.0.audit.record(KeyEvent { action, key: key.to_owned(), who, outcome, details });
    }

    /// Refuses an action on a key, `kms:Decrypt` or another, to whom may not do it.
    ///
    /// # Errors
    /// `AccessDeniedException`.
    pub(crate) fn authorize(&self, by: &Authority<'_>, action: &'static str, key: &KeyRecord) -> Result<(), KmsError> {
        let Authority::Caller { caller, context, .. } = by else { return Ok(()) };
        let arn = self.arn(key);
        let question = Question {
            caller,
            action,
            resource: &arn,
            owner: &key.account,
            resource_policy: None,
            acl: AclGrant::None,
            context,
        };
        match evaluate(&question) {
            Decision::Allow => Ok(()),
            Decision::Deny(denial) => {
                let (who, why) = (caller.principal.arn(), denial.reason(action));
                Err(access_denied(format!(
                    "User: {who} is not authorized to perform: {action} on resource: {arn} {why}"
                )))
            }
        }
    }
}

//! Who asks for a key, and what is noted of it.

use std::collections::BTreeMap;

use coffer_access::{Caller, Context};
use coffer_keyring::{KeyEvent, KeyOutcome, KmsError};

use crate::settings::Kms;

/// The codes of errors that say that something is forbidden, and not that it cannot be done.
const DENIALS: [&str; 3] = ["AccessDeniedException", "DisabledException", "KMSInvalidStateException"];

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

    /// The ARN of who asks; `coffer` for the server itself.
    pub(crate) fn who(&self) -> String {
        match self {
            Self::Coffer => "coffer".to_owned(),
            Self::Caller { caller, .. } => caller.principal.arn(),
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
            Err(error) if DENIALS.contains(&error.code) => KeyOutcome::Denied(error.code.to_owned()),
            Err(error) => KeyOutcome::Failed(error.code.to_owned()),
        };
        self.0.metrics.used(action, &outcome);
        let mut details = Vec::new();
        if let Authority::Caller { via, request_id, .. } = by {
            details.push(("request-id".to_owned(), (*request_id).to_owned()));
            details.extend(via.map(|via| ("via".to_owned(), via.to_owned())));
        }
        details.extend(context.iter().map(|(name, value)| (format!("context/{name}"), value.clone())));
        self.0.audit.record(KeyEvent { action, key: key.to_owned(), who: by.who(), outcome, details });
    }
}

//! Reading policy documents: the JSON, the grammar, and what each kind of policy may say.

mod bucket;
mod conditions;
mod identity;
mod json;
mod key;
mod raw;
mod rename;
mod resource;
mod trust;

#[cfg(test)]
mod tests;

pub(crate) use rename::rename_principals;

use crate::policy::{PolicyError, PolicyKind};
use crate::statement::Statement;

/// The most that IAM takes as a document, white space and all.
const MAX_RAW_LEN: usize = 131_072;

/// Reads and validates a document.
pub(crate) fn read(document: &str, kind: PolicyKind<'_>, max_len: usize) -> Result<Vec<Statement>, PolicyError> {
    let len = match kind {
        PolicyKind::Bucket { .. } | PolicyKind::Key => document.len(),
        PolicyKind::Identity | PolicyKind::Trust => len_without_space(document),
    };
    if len > max_len || document.len() > MAX_RAW_LEN.max(max_len) {
        return refuse(match kind {
            PolicyKind::Bucket { .. } | PolicyKind::Key => {
                "Policy exceeds the maximum allowed document size.".to_owned()
            }
            PolicyKind::Identity => format!("Cannot exceed quota for PolicySize: {max_len}"),
            PolicyKind::Trust => format!("Cannot exceed quota for ACLSizePerRole: {max_len}"),
        });
    }
    match kind {
        PolicyKind::Identity => identity::read(document),
        PolicyKind::Bucket { name } => resource::read(document, &bucket::Bucket { name }),
        PolicyKind::Trust => resource::read(document, &trust::Trust),
        PolicyKind::Key => resource::read(document, &key::Key),
    }
}

/// How long a document is for the quotas of IAM, which leave white space out.
pub(crate) fn len_without_space(document: &str) -> usize {
    document.bytes().filter(|byte| !byte.is_ascii_whitespace()).count()
}

/// The conditions that a text says; `None` when it says none.
#[cfg(test)]
pub(crate) fn conditions_of(text: &str, has_variables: bool) -> Option<Vec<crate::condition::Condition>> {
    conditions::read(&json::Json::parse(text).ok()?, has_variables).ok()
}

fn refuse<T>(message: impl Into<String>) -> Result<T, PolicyError> {
    Err(PolicyError(message.into()))
}

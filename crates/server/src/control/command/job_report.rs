//! The signed report of a job: what it destroyed, and what it cannot promise (docs/spec/audit.md, "Signed reports").

use std::fmt::Write as _;

use anyhow::{Result, anyhow, bail};
use coffer_audit::verify_text;
use coffer_keyring::KeyOutcome;
use coffer_s3::time::iso8601;
use coffer_store::{Destroyed, JobInfo};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::job::{state, words};
use crate::control::{Report, Session};

/// What keeps the signature from being taken for one of something else.
pub(crate) const PURPOSE: &str = "job report";

/// Verifies that the store signed a report, and that nobody changed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AuditVerifyReport {
    /// The report with its signature.
    pub(crate) signed: String,
}

impl AuditVerifyReport {
    pub(super) async fn perform(self, session: &Session) -> Result<Report> {
        let data = &session.administration.data;
        verified(&self.signed, Some(data.store.id()), data.audit_keys.public_keys().values())
    }
}

/// Verifies a report with any of some public keys, for the store that it names, or for this one alone.
///
/// # Errors
/// A sentence for a person.
pub(crate) fn verified<'k>(
    signed: &str,
    store: Option<&[u8; 16]>,
    mut public_keys: impl Iterator<Item = &'k [u8; 32]>,
) -> Result<Report> {
    let named = signed.lines().find_map(|line| line.strip_prefix("store: "));
    let named: Option<[u8; 16]> = named.and_then(|store| hex::decode(store).ok()?.try_into().ok());
    let named = named.ok_or_else(|| anyhow!("this is no report"))?;
    if store.is_some_and(|store| *store != named) {
        bail!("this is a report of another store, {}", hex::encode(named));
    }
    let verified = public_keys.find_map(|key| Some((key, verify_text(signed, PURPOSE, &named, key)?)));
    let (public_key, text) = verified
        .ok_or_else(|| anyhow!("the signature does not hold: the report was changed, or another key signed it"))?;
    let data = json!({"store": hex::encode(named), "public_key": hex::encode(public_key), "report": text});
    let key = hex::encode(public_key);
    Ok(Report { text: format!("{text}The signature holds; the public key is {key}.\n"), data })
}

/// Signs what a job that is over has to report, and adds it to what is shown of the job.
pub(super) fn add_signed(session: &Session, job: &JobInfo, mut shown: Report) -> Report {
    if !job.state.is_over() {
        return shown;
    }
    let signed = signed(session, job);
    if let Value::Object(fields) = &mut shown.data {
        fields.insert("signed_report".to_owned(), Value::String(signed));
    }
    shown
}

/// The report of a job that is over, signed. That it was is noted in the audit log.
pub(super) fn signed(session: &Session, job: &JobInfo) -> String {
    let data = &session.administration.data;
    let signed = data.audit_keys.sign_text(PURPOSE, &text(data.store.id(), job));
    let digest = hex::encode(coffer_crypto::sha256(signed.as_bytes()));
    let details = vec![("job".to_owned(), job.id.to_string()), ("sha256".to_owned(), digest)];
    session.note("coffer:SignReport", data.root.describe().audit_name(), KeyOutcome::Done, details);
    signed
}

fn text(store: &[u8; 16], job: &JobInfo) -> String {
    let mut text = String::from("Coffer job report 1\n");
    let mut line = |name: &str, value: &str| {
        let printable = value.replace(char::is_control, "\u{fffd}");
        writeln!(text, "{name}: {printable}").expect("a String takes any text");
    };
    line("store", &hex::encode(store));
    line("job", &job.id.to_string());
    line("task", &words(&job.spec));
    line("started", &iso8601(job.created_ms));
    line("ended", &iso8601(job.updated_ms));
    line("state", state(job.state));
    if let Some(trouble) = &job.trouble {
        line("trouble", trouble);
    }
    job.report.found.iter().for_each(|found| line("found", found));
    for Destroyed { what, id, generation, at_ms } in &job.report.destroyed {
        let of = generation.map_or_else(String::new, |generation| format!("generation {generation} of "));
        line("destroyed", &format!("{of}{what} {id}, {}", iso8601(*at_ms)));
    }
    job.report.cannot_promise.iter().for_each(|limit| line("not promised", limit));
    text
}

/// What a client named, on one line and with its ends marked.
pub(super) fn quoted(name: &str) -> String {
    serde_json::to_string(name).expect("text can be written as JSON")
}

#[cfg(test)]
mod tests {
    use coffer_audit::AuditKeys;
    use coffer_crypto::Key32;

    use super::*;

    #[test]
    fn a_report_is_of_the_store_that_it_names() {
        let keys = AuditKeys::derive(&Key32::generate(), 1, [7; 16], &[]);
        let text = format!("Coffer job report 1\nstore: {}\n", hex::encode([7; 16]));
        let signed = keys.sign_text(PURPOSE, &text);
        for store in [None, Some(&[7; 16])] {
            assert!(verified(&signed, store, [keys.public_key()].iter()).unwrap().text.contains("The signature holds"));
        }
        assert!(verified(&signed, Some(&[8; 16]), [keys.public_key()].iter()).is_err());
        assert!(verified(&signed.replace("07", "08"), None, [keys.public_key()].iter()).is_err());
        assert!(verified("nonsense\n", None, [keys.public_key()].iter()).is_err());
        assert!(verified(&keys.sign_text("something else", &text), None, [keys.public_key()].iter()).is_err());
    }
}

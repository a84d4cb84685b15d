//! An entry, and its record.

use coffer_keyring::{KeyEvent, KeyOutcome};
use minicbor::{Decode, Encode};

use crate::error::AuditError;
use crate::keys::AuditKeys;

/// The name of the table in the AAD of entries.
const TABLE: &[u8] = b"audit";

/// An entry of the log.
#[derive(Encode, Decode, Debug, Clone, PartialEq, Eq)]
#[cbor(map)]
pub struct Entry {
    /// When it was noted, in milliseconds since 1970.
    #[n(0)]
    pub time_ms: u64,
    /// What was asked for: `kms:Decrypt`, `coffer:RotateRootKey` ...
    #[n(1)]
    pub action: String,
    /// The key.
    #[n(2)]
    pub key: String,
    /// Who asked.
    #[n(3)]
    pub who: String,
    /// `Done`, `Denied` or `Failed`.
    #[n(4)]
    pub outcome: String,
    /// The code of the error.
    #[n(5)]
    pub error_code: Option<String>,
    /// What else there is to know, as names and values.
    #[n(6)]
    pub details: Vec<(String, String)>,
}

/// The generation of the metadata key that a sealed entry hangs on; `None` if it is none.
pub(crate) fn generation(sealed: &[u8]) -> Option<u32> {
    coffer_seal::record_generation(sealed).ok()
}

impl Entry {
    pub(crate) fn of(event: KeyEvent, time_ms: u64) -> Self {
        let KeyEvent { action, key, who, outcome, details } = event;
        let (outcome, error_code) = match outcome {
            KeyOutcome::Done => ("Done", None),
            KeyOutcome::Denied(code) => ("Denied", Some(code)),
            KeyOutcome::Failed(code) => ("Failed", Some(code)),
        };
        Self { time_ms, action: action.to_owned(), key, who, outcome: outcome.to_owned(), error_code, details }
    }

    pub(crate) fn seal(&self, keys: &AuditKeys, number: u64) -> Vec<u8> {
        let record = minicbor::to_vec(self).expect("writing to memory does not fail");
        keys.sealing().seal(TABLE, &number.to_be_bytes(), &record)
    }

    pub(crate) fn open(keys: &AuditKeys, number: u64, sealed: &[u8]) -> Result<Self, AuditError> {
        let opened = generation(sealed).and_then(|generation| {
            let record = keys.records(generation)?.open(TABLE, &number.to_be_bytes(), sealed).ok()?;
            minicbor::decode(&record).ok()
        });
        opened.ok_or(AuditError::Sealed { number })
    }
}

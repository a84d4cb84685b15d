//! The audit log of keys: what was done with which key, by whom, and that nobody changed what it says.
//!
//! Every entry is sealed, since it names keys and encryption contexts. The entries are a chain: the hash of each covers
//! the one before it, so that none can be removed, changed or put elsewhere without every later hash changing. Now and
//! then the last hash is signed, in a checkpoint: whoever has the public key, and no secret, can verify the whole log.
//! The bytes are described in docs/spec/audit.md.
//!
//! What nobody can see in the log alone is that its end is missing. So the last checkpoint is kept elsewhere too: by the
//! server among its rows, and by whoever collects its other logs.

mod chain;
mod entry;
mod error;
mod keys;
mod line;
mod log;
mod reader;
mod root_keys;
mod signed_text;
mod writer;

#[cfg(test)]
mod tests;

pub use chain::Checkpoint;
pub use entry::Entry;
pub use error::AuditError;
pub use keys::{AuditKeys, EarlierKeys, PublicKeys};
pub use log::{AuditLog, AuditStatus};
pub use reader::{Verified, read_entries, verify};
pub use root_keys::AuditedRootKeys;
pub use signed_text::verify_text;

//! What is wrong with a log.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Why a log cannot be read or written, or is not what was written.
#[derive(Debug, Error)]
pub enum AuditError {
    /// The disk or the system failed.
    #[error("the audit log {}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A line is none of this log's.
    #[error("{}, line {line}: no line of an audit log", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The number of the line, from 1.
        line: u64,
    },
    /// An entry does not follow from the one before it: it, or one before it, was changed, removed or moved.
    #[error("{}, line {line}: entry {number} does not follow from the entry before it: something was changed, removed or moved", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// The number of the line, from 1.
        line: u64,
        /// The number of the entry.
        number: u64,
    },
    /// A checkpoint is not of this chain, or not signed by the store's key.
    #[error("{}, line {line}: the checkpoint at entry {number} does not hold", path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// The number of the line, from 1.
        line: u64,
        /// The number of the entry.
        number: u64,
    },
    /// An entry hangs on an earlier metadata key than the one before it.
    #[error("{}, line {line}: entry {number} is sealed under a key that was out of use by then", path.display())]
    OldKey {
        /// The file.
        path: PathBuf,
        /// The number of the line, from 1.
        line: u64,
        /// The number of the entry.
        number: u64,
    },
    /// The log was gone on with under a later metadata key than the store has.
    #[error("the log has entries under generation {generation} of the metadata key, which the store does not have")]
    LaterKey {
        /// The generation.
        generation: u32,
    },
    /// A checkpoint that was kept elsewhere is not in the log.
    #[error(
        "the log does not have the checkpoint {text}, which it had before: its end was removed, or it was replaced"
    )]
    Missing {
        /// The checkpoint, as [`Checkpoint::text`](crate::Checkpoint::text) writes it.
        text: String,
    },
    /// The log does not begin with its first entry.
    #[error("the log begins with entry {number}: what came before it is missing")]
    Beginning {
        /// The number of the first entry.
        number: u64,
    },
    /// An entry does not open: it was sealed with another key, or changed.
    #[error("entry {number} of the audit log does not open")]
    Sealed {
        /// The number of the entry.
        number: u64,
    },
}

impl AuditError {
    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }
}

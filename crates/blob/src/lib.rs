//! Immutable runs of bytes by random id.

mod store;

pub use store::{BlobEntry, BlobError, BlobId, BlobStore, BlobWriter};

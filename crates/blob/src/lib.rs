//! Immutable runs of bytes by random id.
//!
//! ```
//! use bytes::Bytes;
//! use coffer_blob::{BlobStore, MemoryBlobs};
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let blobs = MemoryBlobs::default();
//! let mut writer = blobs.create().await?;
//! let id = writer.id();
//! writer.write(Bytes::from_static(b"already sealed")).await?;
//! writer.finish().await?;
//! assert_eq!(blobs.read(id, 8..14).await?, "sealed");
//! # Ok::<(), coffer_blob::BlobError>(())
//! # }).unwrap();
//! ```

#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod local;
mod memory;
mod store;

pub use local::{LocalBlobs, LocalSettings};
pub use memory::MemoryBlobs;
pub use store::{BlobEntry, BlobError, BlobId, BlobStore, BlobWriter};

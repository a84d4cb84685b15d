//! Failing engines and blob stores: for tests only.
//!
//! ```
//! use coffer_blob::{BlobError, BlobStore, MemoryBlobs};
//! use coffer_testkit::{BlobCall, FailingBlobs, Fault, When};
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let blobs = FailingBlobs::new(MemoryBlobs::default());
//! blobs.faults().inject(When::Nth(BlobCall::Finish, 2), Fault::Fail(|| BlobError::NoSpace));
//!
//! blobs.create().await?.finish().await?;
//! assert!(matches!(blobs.create().await?.finish().await, Err(BlobError::NoSpace)));
//! assert_eq!(blobs.faults().count(BlobCall::Finish), 2);
//! # Ok::<(), BlobError>(())
//! # }).unwrap();
//! ```

mod blobs;
mod engine;
mod faults;

pub use blobs::{BlobCall, FailingBlobs};
pub use engine::{EngineCall, FailingEngine};
pub use faults::{Fault, Faults, When};

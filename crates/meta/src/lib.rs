//! An ordered map of byte keys to byte values, changed only by check-and-commit.
//!
//! An [`Engine`] is the seam: [`MemoryEngine`] for tests, and [`RedbEngine`], one file of sealed pages. What every
//! engine must do is in `conformance` (feature `conformance`).
//!
//! ```
//! use coffer_meta::{Commit, Engine, MemoryEngine};
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let engine = MemoryEngine::new();
//! let mut commit = Commit::new();
//! commit.check("name", None).put("name", "value");
//! engine.commit(commit.clone()).await?;
//! assert_eq!(engine.get(b"name").await?.as_deref(), Some(&b"value"[..]));
//! assert!(engine.commit(commit).await.is_err(), "the name is taken now");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod engine;
mod journal;
mod memory;
mod pages;
mod redb_engine;
mod walk;

pub use engine::{Check, Commit, CommitError, Direction, Engine, EngineError, Entry, KeyRange, Snapshot, Write};
pub use journal::{JournalSettings, JournaledEngine};
pub use memory::MemoryEngine;
pub use pages::PageKeys;
pub use redb_engine::{OpenError, RedbEngine, RedbSettings};
pub use walk::Pages;

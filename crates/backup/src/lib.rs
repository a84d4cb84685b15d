//! Backups of the metadata of a store. The format is specified in docs/spec/backup.md.
//!
//! A backup is the rows of one engine snapshot, cut into chunks where the keys of rows say so. A chunk is a sealed file
//! of random name; a manifest, written last, says which chunks a backup has and holds their keys. The manifest is
//! sealed under the metadata key and carries how the root key wraps that: the root key opens a backup, and nothing else
//! is needed. The next backup into the same folder names chunks again that are the same, and of others that changed in a few
//! rows it writes those.
//!
//! [`take`] makes a backup, [`verify`] opens all of one, [`prune`] removes old ones, and [`restore`] makes a data
//! directory from one: all of it or nothing. Blobs are not part of a backup: they are sealed files that never change,
//! and any tool copies them.

mod chunk;
mod contents;
mod error;
mod files;
mod folder;
mod keys;
mod lock;
mod manifest;
mod patch;
mod prune;
mod restore;
mod rows;
mod take;
mod verify;

pub use chunk::ChunkSizes;
pub use error::BackupError;
pub use files::{Files, SystemFiles};
pub use folder::{BackupFolder, Listed};
pub use keys::{ClosedKey, Keys, KeysFound};
pub use lock::Access;
pub use manifest::{BackupId, BackupInfo, read_manifest_body};
pub use patch::apply as apply_patch;
pub use prune::{Pruned, prune};
pub use restore::{RestoreTo, RestoredMetadata, restore};
pub use rows::read_rows;
pub use take::{Progress, Source, TakeOptions, Taken, take};
pub use verify::{Verified, verify};

//! The sealed-object format seal/1: bytes in, bytes out. The specification is docs/spec/sealed-object.md.
//!
//! An object key, random per object version, is wrapped in an [`Envelope`] under whatever key protects the
//! object. Below it hang the boxes and the layout tag ([`ObjectKeys`]), and in each part box the key of one
//! part stream ([`PartSealer`], [`PartOpener`]). [`open_object`] verifies all of that before any segment of
//! data is opened. Beside objects there are sealed records ([`RecordKey`]), the keys of sealed pages, the
//! keyring file, and backups of the metadata.
//!
//! There is no IO, no async and no clock, and no way to choose a nonce.
//!
//! ```
//! use coffer_seal::{PartKeys, PartOpener, PartSealer, SegmentBuffer};
//!
//! let keys = PartKeys::generate(1);
//! let mut sealer = PartSealer::new(&keys);
//! let mut buffer = SegmentBuffer::new(4, keys.layers());
//! buffer.push(b"attack at dawn");
//! let mut sealed = sealer.seal(buffer, true);
//!
//! let opener = PartOpener::new(keys, 14);
//! let runs = opener.open_in_place(0, &mut sealed)?;
//! assert_eq!(&sealed[runs[0].clone()], b"attack at dawn");
//! # Ok::<(), coffer_seal::OpenError>(())
//! ```

mod audit;
mod backup;
mod bytes;
mod checksums;
mod derive;
mod envelope;
mod error;
mod keyring;
mod kms_ciphertext;
mod layout;
mod length;
mod object;
mod object_keys;
mod page;
mod part;
mod record;
#[cfg(test)]
mod vector_tests;

pub use audit::{audit_record_key, signing_seed};
pub use backup::{
    BackupSeries, backup_manifest_head, open_backup_manifest, open_stream, seal_backup_manifest, seal_stream,
};
pub use checksums::{ChecksumAlgorithm, Checksums, SumsType};
pub use envelope::{ENVELOPE_LEN, Envelope, KekRef, Mode, Scope, WrappedKeyScope, canonical_context, unwrap, wrap};
pub use error::OpenError;
pub use keyring::{
    KeyState, KeyringEntry, KeyringProtection, MIN_PASSPHRASE_ITERATIONS, MIN_PASSPHRASE_LEN, PASSPHRASE_ITERATIONS,
    keyring_protection, open_keyring_with_key_file, open_keyring_with_passphrase, seal_keyring_with_key_file,
    seal_keyring_with_passphrase,
};
pub use kms_ciphertext::{KmsCiphertext, MAX_KMS_PLAINTEXT_LEN, seal_for_kms};
pub use layout::{Kind, Layout, LayoutPart};
pub use length::{SEGMENT_LEN, opened_len, sealed_len, sealed_range, segment_count, segments_of};
pub use object::{OpenedObject, OpenedPart, SealedObject, SealedPart, open_object, open_object_range};
pub use object_keys::{FLAG_LAYOUT, ObjectKeys, PartBox, opaque_etag};
pub use page::{journal_key, journal_run_key, page_aad, page_key};
pub use part::{PartKeys, PartOpener, PartSealer, SegmentBuffer};
pub use record::{RECORD_OVERHEAD, RecordKey, metadata_key, pseudonym_key, record_generation};

//! Where root keys live: the seam to key providers, and the keyring on this machine.
//!
//! A root key wraps bucket keys, the metadata key and the material of KMS keys and nothing else, so it is asked rarely and stays off the
//! data path. The bytes of the keyring file are described in docs/spec/keyring.md.
//!
//! ```
//! use coffer_crypto::Key32;
//! use coffer_keyring::{LocalKeyring, Purpose, RootKeys, WrapContext};
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! # let folder = tempfile::tempdir()?;
//! # let key_file = folder.path().join("root.key");
//! let root = LocalKeyring::create(&key_file)?;
//! let context = WrapContext { purpose: Purpose::MetadataKey, key_id: [7; 16], generation: 1 };
//! let key = Key32::generate();
//! let wrapped = root.wrap(&context, &key).await?;
//! assert_eq!(root.unwrap(&context, &wrapped).await?.expose(), key.expose());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod audit;
mod data_keys;
mod key_file;
mod key_files;
mod key_place;
mod local;
mod passphrase;
mod root_keys;
mod shares;

pub use audit::{KeyAudit, KeyEvent, KeyOutcome, NoAudit};
pub use data_keys::{DataKeys, KmsError, NoDataKeys, SealedDataKey};
pub use key_file::KeyFileError;
pub use key_place::{KeyPlace, KeyringProtection};
pub use local::LocalKeyring;
pub use passphrase::{Passphrase, PassphraseFile, PassphraseSource};
pub use root_keys::{
    GenerationState, KeyError, Purpose, RootDescription, RootGeneration, RootId, RootKeys, WrapContext,
};
pub use shares::{SHARE_PREFIX, ShareError};

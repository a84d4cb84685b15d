//! Ciphers, hashes and key derivation under their NIST names, and the types that keep secrets.
//!
//! This is the only crate that names a cipher library. It has no IO, no async and no clock.
//!
//! ```
//! use coffer_crypto::{AeadKey, Key32};
//!
//! let key = AeadKey::new(&Key32::generate());
//! let sealed = key.seal(b"what it is bound to", b"attack at dawn");
//! assert_eq!(key.open(b"what it is bound to", &sealed).unwrap(), b"attack at dawn");
//! assert!(key.open(b"something else", &sealed).is_err());
//! ```

mod aead;
mod digest;
mod kdf;
mod key;
mod module;
mod shares;
mod signature;
mod signing;

pub use aead::{AeadKey, NONCE_LEN, NotAuthentic, OVERHEAD, TAG_LEN};
pub use digest::{Hmac, Md5, Sha1, Sha256, Sha512, hmac_sha1, hmac_sha256, md5, sha256};
pub use kdf::{hkdf_sha512, pbkdf2_sha512};
pub use key::{KEY_LEN, Key32, ct_eq, fill_random, random_array};
pub use module::{is_fips, module_name};
pub use shares::{KeyShare, join_shares, split_key};
pub use signature::{PublicKey, SignatureAlgorithm};
pub use signing::{SIGNATURE_LEN, SigningKey};

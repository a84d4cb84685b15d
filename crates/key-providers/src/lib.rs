//! Root keys that live elsewhere, and the move from one to another.
//!
//! A [`Provider`] encrypts 32 bytes under a key that never leaves it. [`RemoteRootKeys`] makes root keys of one: it
//! draws a wrapping key, has the provider encrypt that, and wraps with it as a local root key does. So no answer of a
//! provider, whatever it holds, unwraps to a wrong key; and time-outs, retries and outages are handled once. The bytes
//! are described in docs/spec/keyring.md.
//!
//! [`CompositeRootKeys`] wraps with one and unwraps with several.

mod aws_kms;
mod composite;
mod guard;
mod http;
mod pkcs11;
mod provider;
mod remote;
mod secret_file;
#[cfg(test)]
mod testing;
mod transit;
mod wrapped;

pub use aws_kms::{AccessKey, AwsCredentials, AwsKms, AwsKmsSettings};
pub use composite::CompositeRootKeys;
pub use guard::{CircuitState, Limits, ProviderStats};
pub use http::{Connect, Connection, Endpoint, InvalidEndpoint};
pub use pkcs11::Pkcs11Settings;
pub use provider::{CallError, Encrypted, Kind, Provider};
pub use remote::RemoteRootKeys;
pub use secret_file::{SecretFile, SecretFileError};
pub use transit::{Transit, TransitAuth, TransitSettings};
pub use wrapped::{MAX_CIPHERTEXT_LEN, root_id};

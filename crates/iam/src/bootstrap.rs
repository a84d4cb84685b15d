//! The root access key that the server starts with: the environment's, or the one made at the first start.

use std::sync::{Arc, PoisonError};

use coffer_sigv4::SigningKeys;

use crate::settings::Iam;

/// A root access key of the first account that is not among the rows of access keys.
pub struct RootKey {
    /// The access key ID.
    pub access_key: String,
    /// The secret access key, and what is derived from it.
    pub keys: Arc<SigningKeys>,
    /// Whether it comes from the environment, which alone can change it then.
    pub from_environment: bool,
}

impl Iam {
    /// The root access key that the server started with, while it is active.
    pub(crate) fn root_key(&self) -> Option<Arc<RootKey>> {
        self.0.root_key.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

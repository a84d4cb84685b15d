//! What everything here works with.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use coffer_sigv4::{SecretKey, SigningKeys};
use coffer_store::Store;

use crate::identify::Cached;
use crate::last_used::Uses;
use crate::oidc::{Documents, ProviderKeys};

/// The settings.
#[derive(Debug, Clone)]
pub struct IamSettings {
    /// The first account: 12 digits.
    pub account_id: String,
    /// The region of the server. Signatures may be for it, or for `us-east-1`, where AWS's global endpoints are.
    pub region: String,
    /// Whether the environment sets the root access key that the server starts with: it alone can change it then.
    pub root_key_is_given: bool,
}

/// Who there is, and the APIs to change it. Cheap to clone, and every clone is the same.
#[derive(Clone)]
pub struct Iam(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) store: Store,
    pub(crate) settings: IamSettings,
    /// Those who have asked, by access key, valid while the stamp of their account is the same.
    pub(crate) known: Mutex<HashMap<String, Cached>>,
    /// The uses of access keys that are not written yet.
    pub(crate) uses: Mutex<Uses>,
    /// One change at a time in this process; the stamp tells changes of other processes.
    pub(crate) turn: tokio::sync::Mutex<()>,
    /// The keys that the signature of an unknown access key is held against: it takes as long as a wrong one.
    pub(crate) nobody: SigningKeys,
    /// The keys of identity providers.
    pub(crate) provider_keys: ProviderKeys,
}

impl Iam {
    /// Everything in `store`. `documents` is the way out to identity providers.
    #[must_use]
    pub fn new(store: Store, settings: IamSettings, documents: Arc<dyn Documents>) -> Self {
        Self(Arc::new(Inner {
            store,
            settings,
            known: Mutex::default(),
            uses: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
            nobody: SigningKeys::new(SecretKey::new(coffer_crypto::random_array::<32>())),
            provider_keys: ProviderKeys::new(documents),
        }))
    }

    pub(crate) fn store(&self) -> &Store {
        &self.0.store
    }

    pub(crate) fn settings(&self) -> &IamSettings {
        &self.0.settings
    }
}

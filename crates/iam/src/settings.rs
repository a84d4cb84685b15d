//! What everything here works with.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, RwLock};

use coffer_sigv4::{SecretKey, SigningKeys};
use coffer_store::Store;

use crate::bootstrap::RootKey;
use crate::identify::Cached;

/// The settings.
#[derive(Debug, Clone)]
pub struct IamSettings {
    /// The first account: 12 digits.
    pub account_id: String,
    /// The region of the server. Signatures may be for it, or for `us-east-1`, where AWS's global endpoints are.
    pub region: String,
}

/// Who there is, and the APIs to change it. Cheap to clone, and every clone is the same.
#[derive(Clone)]
pub struct Iam(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) store: Store,
    pub(crate) settings: IamSettings,
    /// The root access key that the server was started with, while it is active.
    pub(crate) root_key: RwLock<Option<Arc<RootKey>>>,
    /// Those who have asked, by access key, valid while the stamp of their account is the same.
    pub(crate) known: Mutex<HashMap<String, Cached>>,
    /// One change at a time in this process; the stamp tells changes of other processes.
    pub(crate) turn: tokio::sync::Mutex<()>,
    /// The keys that the signature of an unknown access key is held against: it takes as long as a wrong one.
    pub(crate) nobody: SigningKeys,
}

impl Iam {
    /// Everything in `store`. `root_key` is the root access key of the first account, if it has one.
    #[must_use]
    pub fn new(store: Store, settings: IamSettings, root_key: Option<RootKey>) -> Self {
        Self(Arc::new(Inner {
            store,
            settings,
            root_key: RwLock::new(root_key.map(Arc::new)),
            known: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
            nobody: SigningKeys::new(SecretKey::new(coffer_crypto::random_array::<32>())),
        }))
    }

    pub(crate) fn store(&self) -> &Store {
        &self.0.store
    }

    pub(crate) fn settings(&self) -> &IamSettings {
        &self.0.settings
    }
}

//! What everything here works with.

use std::collections::BTreeMap;
use std::sync::Arc;

use coffer_iam::Iam;
use coffer_keyring::{KeyAudit, RootKeys};
use coffer_store::{Clock, Store};

use crate::material::Materials;
use crate::metrics::KmsMetrics;

/// The settings.
pub struct KmsSettings {
    /// The region of the server, which is in the ARNs of keys.
    pub region: String,
    /// The providers of custom key stores, by the ID of the store. Their keys' material is wrapped by them instead of
    /// by the root key.
    pub key_stores: BTreeMap<String, Arc<dyn RootKeys>>,
    /// The length of the days until a key is deleted and between its rotations, in milliseconds; tests shorten it.
    pub day_ms: u64,
}

/// The keys, and the API to manage them. Cheap to clone, and every clone is the same.
#[derive(Clone)]
pub struct Kms(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) store: Store,
    /// Who is who: whom key policies and grants name.
    pub(crate) iam: Iam,
    pub(crate) root: Arc<dyn RootKeys>,
    pub(crate) settings: KmsSettings,
    pub(crate) audit: Arc<dyn KeyAudit>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) materials: Materials,
    pub(crate) metrics: Arc<KmsMetrics>,
}

impl Kms {
    /// The keys in `store`.
    #[must_use]
    pub fn new(
        store: Store,
        iam: Iam,
        root: Arc<dyn RootKeys>,
        settings: KmsSettings,
        audit: Arc<dyn KeyAudit>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let (materials, metrics) = (Materials::default(), Arc::default());
        Self(Arc::new(Inner { store, iam, root, settings, audit, clock, materials, metrics }))
    }

    /// What is counted of the keys and their use.
    #[must_use]
    pub fn metrics(&self) -> &Arc<KmsMetrics> {
        &self.0.metrics
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.0.clock.now_ms()
    }
}

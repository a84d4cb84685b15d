//! For tests: a KMS over a store in memory, a time that moves when told to, and a provider that can be down.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use coffer_access::{Caller, Context};
use coffer_blob::MemoryBlobs;
use coffer_crypto::{Key32, random_array};
use coffer_iam::{ApiService as _, DocumentError, Documents, Iam, IamSettings, ServiceRequest};
use coffer_keyring::{
    KeyAudit, KeyError, KeyEvent, KeyOutcome, RootDescription, RootGeneration, RootId, RootKeys, WrapContext,
};
use coffer_meta::{Direction, Engine, Entry, KeyRange, MemoryEngine};
use coffer_store::{Bootstrap, Clock, ColdRows, Settings, Store};
use serde_json::Value;

use crate::settings::{Kms, KmsSettings};

/// The account that owns the keys of the tests.
pub(crate) const ACCOUNT: &str = "000000000000";
/// The ID of the one custom key store.
pub(crate) const KEY_STORE: &str = "cks-vault";
pub(crate) const DAY_MS: u64 = 24 * 60 * 60 * 1000;
const REGION: &str = "eu-1";
const REQUEST_ID: &str = "the request";

/// A KMS and everything below it.
pub(crate) struct World {
    pub(crate) kms: Kms,
    /// What wraps the material of most keys.
    pub(crate) root: Arc<FakeProvider>,
    /// What wraps the material of the keys in [`KEY_STORE`].
    pub(crate) key_store: Arc<FakeProvider>,
    pub(crate) audit: Arc<Noted>,
    clock: Arc<ManualClock>,
    engine: Arc<MemoryEngine>,
    metadata_key: Key32,
    caller: Arc<Caller>,
    context: Context,
}

/// Code and message of a refusal.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

impl World {
    pub(crate) fn new() -> Self {
        let (root, key_store) = (Arc::<FakeProvider>::default(), Arc::<FakeProvider>::default());
        let (engine, audit) = (Arc::<MemoryEngine>::default(), Arc::<Noted>::default());
        let clock = Arc::new(ManualClock(AtomicU64::new(1_800_000_000_000)));
        let metadata_key = Key32::generate();
        let stores = BTreeMap::from([(KEY_STORE.to_owned(), Arc::clone(&key_store) as Arc<dyn RootKeys>)]);
        let kms = kms_over(&engine, &metadata_key, &root, stores, &audit, &clock);
        let (caller, context) = (Arc::new(Caller::root(ACCOUNT)), Context::new());
        Self { kms, root, key_store, audit, clock, engine, metadata_key, caller, context }
    }

    /// Another process over the same rows, which has nothing in memory.
    pub(crate) fn other_process(&self) -> Kms {
        let stores = self.kms.0.settings.key_stores.clone();
        kms_over(&self.engine, &self.metadata_key, &self.root, stores, &self.audit, &self.clock)
    }

    /// The same in a process whose operator names no custom key stores.
    pub(crate) fn without_key_stores(mut self) -> Self {
        self.kms = kms_over(&self.engine, &self.metadata_key, &self.root, BTreeMap::new(), &self.audit, &self.clock);
        self
    }

    /// Every row, and what opens them without a store.
    pub(crate) async fn cold_rows(&self) -> (ColdRows, Vec<Entry>) {
        let metadata_key = Key32::from_slice(self.metadata_key.expose()).unwrap();
        let rows = self.engine.scan(KeyRange::prefix(b""), usize::MAX, Direction::Forward).await.unwrap();
        (ColdRows::new(Bootstrap { store_id: [0; 16], metadata_key, generation: 1 }), rows)
    }

    pub(crate) fn advance_days(&self, days: u64) {
        self.clock.0.fetch_add(days * DAY_MS, SeqCst);
    }

    /// Asks as the root user of the account.
    pub(crate) async fn call(&self, action: &str, parameters: &Value) -> Result<Value, Refused> {
        self.call_as(&self.caller, action, parameters).await
    }

    /// Asks as somebody of the account.
    pub(crate) async fn call_as(
        &self,
        caller: &Arc<Caller>,
        action: &str,
        parameters: &Value,
    ) -> Result<Value, Refused> {
        let known = self.kms.actions().iter().find(|known| **known == action).expect("an action of KMS");
        let request = ServiceRequest {
            action: known,
            body: &Bytes::from(parameters.to_string()),
            caller,
            account: ACCOUNT,
            context: &self.context,
            request_id: REQUEST_ID,
            now_ms: self.clock.now_ms(),
        };
        match self.kms.call(request).await {
            Ok(answer) if answer.is_empty() => Ok(Value::Null),
            Ok(answer) => Ok(serde_json::from_str(&answer).unwrap()),
            Err(error) => Err(Refused { code: error.code(), message: error.message().to_owned() }),
        }
    }

    /// The code of the refusal that a request has to end with.
    pub(crate) async fn code(&self, action: &str, parameters: &Value) -> &'static str {
        self.call(action, parameters).await.expect_err(action).code
    }

    /// Makes a key and returns its id.
    pub(crate) async fn key(&self) -> String {
        let made = self.call("CreateKey", &serde_json::json!({})).await.unwrap();
        made["KeyMetadata"]["KeyId"].as_str().unwrap().to_owned()
    }
}

fn kms_over(
    engine: &Arc<MemoryEngine>,
    metadata_key: &Key32,
    root: &Arc<FakeProvider>,
    key_stores: BTreeMap<String, Arc<dyn RootKeys>>,
    audit: &Arc<Noted>,
    clock: &Arc<ManualClock>,
) -> Kms {
    let metadata_key = Key32::from_slice(metadata_key.expose()).unwrap();
    let bootstrap = Bootstrap { store_id: [0; 16], metadata_key, generation: 1 };
    let root = Arc::clone(root) as Arc<dyn RootKeys>;
    let (engine, clock) = (Arc::clone(engine) as Arc<dyn Engine>, Arc::clone(clock) as Arc<dyn Clock>);
    let blobs = Arc::new(MemoryBlobs::default());
    let store = Store::new(bootstrap, engine, blobs, Arc::clone(&root), Arc::clone(&clock), Settings::default());
    let iam = IamSettings { account_id: ACCOUNT.to_owned(), region: REGION.to_owned(), root_key_is_given: false };
    let iam = Iam::new(store.clone(), iam, Arc::new(NoDocuments));
    let settings = KmsSettings { region: REGION.to_owned(), key_stores, day_ms: DAY_MS };
    Kms::new(store, iam, root, settings, Arc::clone(audit) as Arc<dyn KeyAudit>, clock)
}

struct ManualClock(AtomicU64);

impl Clock for ManualClock {
    fn now_ms(&self) -> u64 {
        self.0.load(SeqCst)
    }
}

struct NoDocuments;

#[async_trait]
impl Documents for NoDocuments {
    async fn get(&self, _: &str) -> Result<Bytes, DocumentError> {
        Err(DocumentError("there are no documents".to_owned()))
    }
}

/// Takes note of events, to be looked at.
#[derive(Default)]
pub(crate) struct Noted(Mutex<Vec<KeyEvent>>);

impl Noted {
    /// The events since the last time: action, key, who, and the code of the error if it was not done.
    pub(crate) fn take(&self) -> Vec<(&'static str, String, String, Option<String>)> {
        let events = std::mem::take(&mut *self.0.lock().unwrap());
        let code = |outcome| match outcome {
            KeyOutcome::Done => None,
            KeyOutcome::Denied(code) | KeyOutcome::Failed(code) => Some(code),
        };
        events.into_iter().map(|event| (event.action, event.key, event.who, code(event.outcome))).collect()
    }
}

#[async_trait]
impl KeyAudit for Noted {
    fn record(&self, event: KeyEvent) {
        self.0.lock().unwrap().push(event);
    }

    async fn flush(&self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A provider that keeps keys in memory, and can be down.
#[derive(Default)]
pub(crate) struct FakeProvider {
    keys: Mutex<HashMap<[u8; 16], (WrapContext, Key32)>>,
    is_down: AtomicBool,
}

impl FakeProvider {
    pub(crate) fn set_down(&self, is_down: bool) {
        self.is_down.store(is_down, SeqCst);
    }

    /// How many keys it has wrapped.
    pub(crate) fn wrapped(&self) -> usize {
        self.keys.lock().unwrap().len()
    }

    fn check(&self) -> Result<(), KeyError> {
        if self.is_down.load(SeqCst) { Err(KeyError::Unavailable("it is down".to_owned())) } else { Ok(()) }
    }
}

#[async_trait]
impl RootKeys for FakeProvider {
    async fn wrap(&self, context: &WrapContext, key: &Key32) -> Result<Vec<u8>, KeyError> {
        self.check()?;
        let id: [u8; 16] = random_array();
        let key = Key32::from_slice(key.expose()).unwrap();
        self.keys.lock().unwrap().insert(id, (context.clone(), key));
        Ok(id.to_vec())
    }

    async fn unwrap(&self, context: &WrapContext, wrapped: &[u8]) -> Result<Key32, KeyError> {
        self.check()?;
        let keys = self.keys.lock().unwrap();
        let (bound_to, key) = keys.get(wrapped).ok_or(KeyError::Damaged("nobody has wrapped it"))?;
        if bound_to != context {
            return Err(KeyError::WrongKey);
        }
        Ok(Key32::from_slice(key.expose()).unwrap())
    }

    fn describe(&self) -> RootDescription {
        RootDescription {
            provider: "fake",
            root_id: [7; 16],
            generation: 1,
            fingerprint: "0707-0707-0707-0707".to_owned(),
        }
    }

    fn generation_of(&self, _: &[u8]) -> Result<(RootId, u32), KeyError> {
        Ok(([7; 16], 1))
    }

    async fn generations(&self) -> Result<Vec<RootGeneration>, KeyError> {
        self.check()?;
        Ok(Vec::new())
    }

    async fn rotate(&self) -> Result<RootDescription, KeyError> {
        Err(KeyError::Unsupported("it has one generation"))
    }

    async fn destroy_generation(&self, generation: u32) -> Result<(), KeyError> {
        Err(KeyError::InUse(generation))
    }
}

//! An engine that lets others in at its calls: something chosen, just before a chosen call, or whoever is waiting.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use coffer_meta::{Commit, CommitError, Direction, Engine, EngineError, Entry, KeyRange, MemoryEngine, Snapshot};
use coffer_testkit::EngineCall;

use super::rng::Rng;

type Action = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A [`MemoryEngine`] with at most one action waiting for its call.
#[derive(Default)]
pub struct HookedEngine {
    memory: MemoryEngine,
    hooks: Arc<Hooks>,
}

/// What waits for a call of the engine or of its snapshots.
#[derive(Default)]
struct Hooks {
    hook: Mutex<Option<Hook>>,
    jitter: Option<Mutex<Rng>>,
}

struct Hook {
    call: EngineCall,
    /// How many calls of this kind pass before.
    left: u64,
    action: Action,
}

impl HookedEngine {
    /// Has each call wait for up to three turns of the other tasks.
    pub fn jittery(seed: u64) -> Self {
        let hooks = Hooks { jitter: Some(Mutex::new(Rng::new(seed))), ..Hooks::default() };
        Self { hooks: Arc::new(hooks), ..Self::default() }
    }

    /// Has `action` run before the `nth` call of this kind from now, the first being 1; that call waits for it.
    pub fn before(&self, call: EngineCall, nth: u64, action: impl Future<Output = ()> + Send + 'static) {
        *self.hooks.hook.lock().unwrap() = Some(Hook { call, left: nth - 1, action: Box::pin(action) });
    }

    /// Whether the action has begun.
    pub fn is_spent(&self) -> bool {
        self.hooks.hook.lock().unwrap().is_none()
    }

    async fn meet(&self, call: EngineCall) {
        self.hooks.meet(call).await;
    }
}

impl Hooks {
    async fn meet(&self, call: EngineCall) {
        let action = {
            let mut hook = self.hook.lock().unwrap();
            match &mut *hook {
                Some(waiting) if waiting.call == call && waiting.left == 0 => hook.take().map(|hook| hook.action),
                Some(waiting) if waiting.call == call => {
                    waiting.left -= 1;
                    None
                }
                _ => None,
            }
        };
        if let Some(action) = action {
            action.await;
        }
        let turns = self.jitter.as_ref().map_or(0, |rng| rng.lock().unwrap().below(4));
        for _ in 0..turns {
            tokio::task::yield_now().await;
        }
    }
}

#[async_trait]
impl Engine for HookedEngine {
    async fn get(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        self.meet(EngineCall::Get).await;
        self.memory.get(key).await
    }

    async fn scan(&self, range: KeyRange, limit: usize, direction: Direction) -> Result<Vec<Entry>, EngineError> {
        self.meet(EngineCall::Scan).await;
        self.memory.scan(range, limit, direction).await
    }

    async fn commit(&self, commit: Commit) -> Result<(), CommitError> {
        self.meet(EngineCall::Commit).await;
        self.memory.commit(commit).await
    }
    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, EngineError> {
        self.meet(EngineCall::Snapshot).await;
        Ok(Box::new(HookedSnapshot { snapshot: self.memory.snapshot().await?, hooks: Arc::clone(&self.hooks) }))
    }
}

/// A snapshot whose calls are met as those of the engine.
struct HookedSnapshot {
    snapshot: Box<dyn Snapshot>,
    hooks: Arc<Hooks>,
}

#[async_trait]
impl Snapshot for HookedSnapshot {
    async fn get(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        self.hooks.meet(EngineCall::Get).await;
        self.snapshot.get(key).await
    }

    async fn scan(&self, range: KeyRange, limit: usize, direction: Direction) -> Result<Vec<Entry>, EngineError> {
        self.hooks.meet(EngineCall::Scan).await;
        self.snapshot.scan(range, limit, direction).await
    }
}

//! What goes wrong, and when.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::Notify;

/// Which calls go wrong. Calls are counted from the wrapper's making, or from [`Faults::reset`], the first being 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When<C> {
    /// The nth call of one kind.
    Nth(C, u64),
    /// The nth call of any kind.
    NthOfAny(u64),
    /// Every call of one kind.
    Every(C),
}

/// How a call goes wrong. A plain function makes the error anew each time, as errors cannot be cloned.
pub enum Fault<E> {
    /// The call does nothing and fails.
    Fail(fn() -> E),
    /// The call does its work, and then reports a failure.
    FailAfter(fn() -> E),
    /// The call does nothing and never returns.
    Freeze,
    /// The call does its work and never returns.
    FreezeAfter,
}

/// The faults of one wrapper, and the count of its calls. Clones share both.
pub struct Faults<C, E>(Arc<Shared<C, E>>);

struct Shared<C, E> {
    plan: Mutex<Plan<C, E>>,
    frozen: Notify,
}

struct Plan<C, E> {
    rules: Vec<(When<C>, Fault<E>)>,
    calls: Vec<C>,
}

impl<C: Copy + Eq, E> Faults<C, E> {
    pub(crate) fn new() -> Self {
        let plan = Plan { rules: Vec::new(), calls: Vec::new() };
        Self(Arc::new(Shared { plan: Mutex::new(plan), frozen: Notify::new() }))
    }

    /// Adds a fault. Where several meet, the first one added wins.
    pub fn inject(&self, when: When<C>, fault: Fault<E>) {
        self.plan().rules.push((when, fault));
    }

    /// Forgets all faults, and counts from 1 again.
    pub fn reset(&self) {
        let mut plan = self.plan();
        plan.rules.clear();
        plan.calls.clear();
    }

    /// Returns how many calls of this kind there were, failed and frozen ones included.
    #[must_use]
    pub fn count(&self, call: C) -> u64 {
        self.plan().count(call)
    }

    /// Returns all calls in the order they came.
    #[must_use]
    pub fn calls(&self) -> Vec<C> {
        self.plan().calls.clone()
    }

    /// Waits until a call is frozen; calls that froze since the last wait count as one.
    pub async fn frozen(&self) {
        self.0.frozen.notified().await;
    }

    /// Does `work` as the plan has it for this call. `error` turns an injected error into one of the call's type.
    pub(crate) async fn around<T, F>(
        &self,
        call: C,
        error: fn(E) -> F,
        work: impl Future<Output = Result<T, F>>,
    ) -> Result<T, F> {
        let fault = self.plan().meet(call);
        match fault {
            None => work.await,
            Some(Fault::Fail(injected)) => Err(error(injected())),
            Some(Fault::FailAfter(injected)) => {
                work.await?;
                Err(error(injected()))
            }
            Some(Fault::Freeze) => self.freeze().await,
            Some(Fault::FreezeAfter) => {
                work.await?;
                self.freeze().await
            }
        }
    }

    async fn freeze<T>(&self) -> T {
        self.0.frozen.notify_one();
        std::future::pending().await
    }

    fn plan(&self) -> MutexGuard<'_, Plan<C, E>> {
        self.0.plan.lock().expect("no holder of the lock panics")
    }
}

impl<C: Copy + Eq, E> Plan<C, E> {
    /// Counts a call and returns its fault.
    fn meet(&mut self, call: C) -> Option<Fault<E>> {
        self.calls.push(call);
        let hits = |when: When<C>| match when {
            When::Nth(kind, n) => kind == call && self.count(kind) == n,
            When::NthOfAny(n) => self.calls.len() as u64 == n,
            When::Every(kind) => kind == call,
        };
        self.rules.iter().find(|(when, _)| hits(*when)).map(|(_, fault)| *fault)
    }

    fn count(&self, call: C) -> u64 {
        self.calls.iter().filter(|met| **met == call).count() as u64
    }
}

// Derived, these would ask the same of `E`.
impl<E> Clone for Fault<E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E> Copy for Fault<E> {}

impl<C, E> Clone for Faults<C, E> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

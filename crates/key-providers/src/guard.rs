//! Calls to something that may be slow, away or full: bounded in time and number, repeated, and given a rest.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use coffer_crypto::random_array;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::provider::CallError;

/// The bounds of calls to one provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How long one attempt may take.
    pub attempt: Duration,
    /// How long a call may take: the wait for its turn, every attempt, and the pauses between them.
    pub call: Duration,
    /// The most attempts of a call that is safe to repeat.
    pub attempts: u32,
    /// The most calls at once.
    pub concurrent: usize,
    /// Failures in a row after which the provider gets a rest.
    pub failures: u32,
    /// The first rest; each further one is twice as long.
    pub rest: Duration,
    /// The longest rest.
    pub longest_rest: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            attempt: Duration::from_secs(3),
            call: Duration::from_secs(10),
            attempts: 3,
            concurrent: 16,
            failures: 5,
            rest: Duration::from_secs(1),
            longest_rest: Duration::from_secs(15),
        }
    }
}

/// Whether a provider is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CircuitState {
    /// It is.
    Closed,
    /// It is not: it has failed, and has a rest.
    Open,
    /// One call is let through, to see whether it is back.
    HalfOpen,
}

/// What is counted of one provider.
#[derive(Default)]
pub struct ProviderStats {
    /// Attempts that were answered as asked.
    pub succeeded: AtomicU64,
    /// Attempts without an answer, or with one that makes no sense.
    pub failed: AtomicU64,
    /// Attempts that the provider refused, or that showed a wrong key.
    pub refused: AtomicU64,
    /// Calls that were not made because the provider has a rest.
    pub not_tried: AtomicU64,
    /// Attempts that repeat another.
    pub retried: AtomicU64,
    circuit: Mutex<Circuit>,
}

impl ProviderStats {
    /// Whether the provider is asked at the moment.
    #[must_use]
    pub fn state(&self) -> CircuitState {
        match self.circuit().resting {
            None => CircuitState::Closed,
            Some(Rest { probing: true, .. }) => CircuitState::HalfOpen,
            Some(_) => CircuitState::Open,
        }
    }

    fn circuit(&self) -> MutexGuard<'_, Circuit> {
        self.circuit.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Default)]
struct Circuit {
    /// Failures since the last success.
    failures: u32,
    resting: Option<Rest>,
}

struct Rest {
    until: Instant,
    len: Duration,
    /// Somebody tries whether the provider is back.
    probing: bool,
}

/// What stands in front of a provider.
pub(crate) struct Guard {
    name: String,
    limits: Limits,
    turns: Semaphore,
    stats: Arc<ProviderStats>,
}

/// The right to make attempts; when it is dropped without an outcome, somebody else may probe.
struct Pass<'a> {
    stats: &'a ProviderStats,
    is_probe: bool,
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if self.is_probe
            && let Some(rest) = &mut self.stats.circuit().resting
        {
            rest.probing = false;
        }
    }
}

impl Guard {
    pub(crate) fn new(name: String, limits: Limits) -> Self {
        Self { name, limits, turns: Semaphore::new(limits.concurrent), stats: Arc::default() }
    }

    pub(crate) fn stats(&self) -> &Arc<ProviderStats> {
        &self.stats
    }

    /// Makes a call that is safe to repeat.
    ///
    /// # Errors
    /// That of the last attempt; [`CallError::Unavailable`] when none was made in time.
    pub(crate) async fn call<T, F: Future<Output = Result<T, CallError>>>(
        &self,
        attempt: impl Fn() -> F,
    ) -> Result<T, CallError> {
        self.attempts(self.limits.attempts, attempt).await
    }

    /// Makes a call that must not be repeated.
    ///
    /// # Errors
    /// As [`call`](Guard::call).
    pub(crate) async fn call_once<T, F: Future<Output = Result<T, CallError>>>(
        &self,
        attempt: impl Fn() -> F,
    ) -> Result<T, CallError> {
        self.attempts(1, attempt).await
    }

    async fn attempts<T, F: Future<Output = Result<T, CallError>>>(
        &self,
        most: u32,
        attempt: impl Fn() -> F,
    ) -> Result<T, CallError> {
        let deadline = Instant::now() + self.limits.call;
        let pass = self.admit()?;
        let most = if pass.is_probe { 1 } else { most };
        let turn = tokio::time::timeout_at(deadline, self.turns.acquire()).await;
        let Ok(Ok(_turn)) = turn else {
            return Err(self.unavailable("too many calls wait for it"));
        };
        let mut made = 1;
        loop {
            let end = deadline.min(Instant::now() + self.limits.attempt);
            let outcome = tokio::time::timeout_at(end, attempt()).await;
            let outcome = outcome.unwrap_or_else(|_| Err(CallError::unavailable("it does not answer in time")));
            self.settle(&pass, &outcome);
            let Err(CallError::Unavailable(why)) = outcome else { return outcome };
            let pause = backoff(made);
            // When the circuit has opened meanwhile, more attempts would only be in the way of its rest.
            if made >= most || Instant::now() + pause >= deadline || self.stats.state() != CircuitState::Closed {
                return Err(self.unavailable(&why));
            }
            tokio::time::sleep(pause).await;
            made += 1;
            self.stats.retried.fetch_add(1, Relaxed);
        }
    }

    fn unavailable(&self, why: &str) -> CallError {
        CallError::Unavailable(format!("{}: {why}", self.name))
    }

    fn admit(&self) -> Result<Pass<'_>, CallError> {
        let mut circuit = self.stats.circuit();
        let is_probe = match &mut circuit.resting {
            None => false,
            Some(rest) if !rest.probing && Instant::now() >= rest.until => {
                rest.probing = true;
                true
            }
            Some(_) => {
                drop(circuit);
                self.stats.not_tried.fetch_add(1, Relaxed);
                return Err(self.unavailable("it has failed again and again, and is left alone for some seconds"));
            }
        };
        Ok(Pass { stats: &self.stats, is_probe })
    }

    /// Notes what an attempt showed of the provider: whoever refuses is there.
    fn settle<T>(&self, pass: &Pass<'_>, outcome: &Result<T, CallError>) {
        let counter = match outcome {
            Ok(_) => &self.stats.succeeded,
            Err(CallError::Unavailable(_)) => &self.stats.failed,
            Err(_) => &self.stats.refused,
        };
        counter.fetch_add(1, Relaxed);
        let mut circuit = self.stats.circuit();
        if !matches!(outcome, Err(CallError::Unavailable(_))) {
            if circuit.resting.is_some() {
                tracing::info!(provider = self.name, "the key provider answers again");
            }
            *circuit = Circuit::default();
            return;
        }
        circuit.failures = circuit.failures.saturating_add(1);
        let len = match &circuit.resting {
            Some(rest) if pass.is_probe => (rest.len * 2).min(self.limits.longest_rest),
            None if circuit.failures >= self.limits.failures => self.limits.rest,
            _ => return,
        };
        if circuit.resting.is_none() {
            tracing::error!(
                provider = self.name,
                "the key provider does not answer; it is asked again from time to time"
            );
        }
        circuit.resting = Some(Rest { until: Instant::now() + len, len, probing: false });
    }
}

/// The pause after so many attempts: anything up to a bound that doubles, so that many callers do not come back at
/// once.
fn backoff(made: u32) -> Duration {
    const FIRST_MS: u64 = 100;
    const LONGEST_MS: u64 = 2000;
    let bound = (FIRST_MS << made.min(10)).min(LONGEST_MS);
    Duration::from_millis(u64::from_be_bytes(random_array()) % bound)
}

#[cfg(test)]
#[path = "guard_tests.rs"]
mod tests;

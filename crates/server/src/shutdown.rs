//! From running over draining to closed, in that order only.

use std::io;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// How far the shutdown has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    /// Requests are accepted.
    Running,
    /// No request is accepted; those in flight finish.
    Draining,
    /// Whatever is still in flight is cut.
    Closing,
}

/// Starts the shutdown.
pub(crate) struct Trigger(watch::Sender<Phase>);

/// Waits for the shutdown.
#[derive(Clone)]
pub(crate) struct Shutdown(watch::Receiver<Phase>);

/// Returns both ends of a shutdown that has not begun.
pub(crate) fn channel() -> (Trigger, Shutdown) {
    let (sender, receiver) = watch::channel(Phase::Running);
    (Trigger(sender), Shutdown(receiver))
}

impl Trigger {
    /// Stops accepting requests.
    pub(crate) fn drain(&self) {
        self.advance(Phase::Draining);
    }

    /// Cuts whatever is still in flight.
    pub(crate) fn close(&self) {
        self.advance(Phase::Closing);
    }

    /// Drains at the first SIGTERM or SIGINT; closes at the second, or `drain_time` after the first.
    pub(crate) async fn follow(self, mut signals: Signals, drain_time: Duration) {
        let name = signals.stop().await;
        tracing::info!("{name}: draining");
        self.drain();
        tokio::select! {
            name = signals.stop() => tracing::warn!("{name} again: closing at once"),
            () = tokio::time::sleep(drain_time) => tracing::warn!("requests in flight took too long: closing"),
            // Every listener is done when nobody listens to the phase any more.
            () = self.0.closed() => return,
        }
        self.close();
    }

    fn advance(&self, phase: Phase) {
        self.0.send_modify(|now| *now = phase.max(*now));
    }
}

impl Shutdown {
    /// Returns once the shutdown has begun.
    pub(crate) async fn draining(&mut self) {
        self.reached(Phase::Draining).await;
    }

    /// Returns once whatever is in flight is to be cut.
    pub(crate) async fn closing(&mut self) {
        self.reached(Phase::Closing).await;
    }

    async fn reached(&mut self, phase: Phase) {
        if self.0.wait_for(|now| *now >= phase).await.is_err() {
            // The trigger is gone in an earlier phase: that phase lasts.
            std::future::pending::<()>().await;
        }
    }
}

/// The signals that stop the server.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Takes over SIGTERM and SIGINT.
    ///
    /// # Errors
    /// When the system does not let a handler be installed.
    pub(crate) fn install() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for one of them, and returns its name.
    pub(crate) async fn stop(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

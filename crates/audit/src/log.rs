//! The log, written by a thread of its own.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use std::{io, thread};

use async_trait::async_trait;
use coffer_keyring::{KeyAudit, KeyEvent, KeyOutcome};
use tokio::sync::oneshot;

use crate::chain::Checkpoint;
use crate::entry::Entry;
use crate::error::AuditError;
use crate::keys::AuditKeys;
use crate::writer::Writer;

/// Entries are signed at the latest after so long.
const SIGNED_WITHIN: Duration = Duration::from_secs(1);
/// A disk that fails is tried again after so long.
const RETRY: Duration = Duration::from_secs(1);
/// The most events that wait for a disk that fails or is slow. Those beyond it are counted, and the count is noted.
const MOST_WAITING: u64 = 100_000;
/// A file of the log has at least so many bytes before the next one begins.
const FILE_LEN: u64 = 64 << 20;
/// Entries that are written at once.
const BATCH: usize = 1000;

/// The audit log of keys of a running server.
pub struct AuditLog {
    shared: Arc<Shared>,
    sender: Mutex<Option<Sender<Message>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What is known of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditStatus {
    /// How far it is signed, on stable storage.
    pub signed: Checkpoint,
    /// How many events were lost because the disk did not take them, since the start.
    pub lost: u64,
}

struct Shared {
    waiting: AtomicU64,
    lost: AtomicU64,
    signed: Mutex<Checkpoint>,
}

enum Message {
    Entry(Box<Entry>),
    Flush(oneshot::Sender<io::Result<()>>),
}

impl AuditLog {
    /// Opens the log in `folder`, verifies its last file, and goes on with it.
    ///
    /// # Errors
    /// When it cannot be read or written, or is not what was written.
    pub fn open(folder: &Path, keys: Arc<AuditKeys>) -> Result<Self, AuditError> {
        Self::open_with(folder, keys, FILE_LEN)
    }

    pub(crate) fn open_with(folder: &Path, keys: Arc<AuditKeys>, file_len: u64) -> Result<Self, AuditError> {
        let mut writer = Writer::open(folder, keys, file_len)?;
        // What a crash left unsigned is signed now: it is what this process has found.
        writer.sign();
        writer.sync()?;
        let shared = Shared { waiting: AtomicU64::new(0), lost: AtomicU64::new(0), signed: Mutex::new(writer.end()) };
        let shared = Arc::new(shared);
        let (sender, receiver) = channel();
        let state = Arc::clone(&shared);
        let thread = thread::Builder::new().name("audit".to_owned()).spawn(move || write(writer, &receiver, &state));
        let thread = thread.map_err(AuditError::io(folder))?;
        Ok(Self { shared, sender: Mutex::new(Some(sender)), thread: Mutex::new(Some(thread)) })
    }

    /// What is known of the log.
    #[must_use]
    pub fn status(&self) -> AuditStatus {
        let signed = *self.shared.signed.lock().unwrap_or_else(PoisonError::into_inner);
        AuditStatus { signed, lost: self.shared.lost.load(Ordering::Relaxed) }
    }

    /// Writes and signs what was noted, and ends.
    pub fn close(&self) {
        drop(self.sender.lock().unwrap_or_else(PoisonError::into_inner).take());
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // A panic there has been logged; there is nothing left to write.
            let _ = thread.join();
        }
    }

    fn send(&self, message: Message) -> bool {
        let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner);
        sender.as_ref().is_some_and(|sender| sender.send(message).is_ok())
    }
}

#[async_trait]
impl KeyAudit for AuditLog {
    fn record(&self, event: KeyEvent) {
        if self.shared.waiting.load(Ordering::Relaxed) >= MOST_WAITING {
            self.shared.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.shared.waiting.fetch_add(1, Ordering::Relaxed);
        if !self.send(Message::Entry(Box::new(Entry::of(event, now_ms())))) {
            self.shared.waiting.fetch_sub(1, Ordering::Relaxed);
            self.shared.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    async fn flush(&self) -> io::Result<()> {
        let (reply, done) = oneshot::channel();
        if !self.send(Message::Flush(reply)) {
            return Err(io::Error::other("the audit log is closed"));
        }
        done.await.unwrap_or_else(|_| Err(io::Error::other("the audit log is closed")))
    }
}

impl Drop for AuditLog {
    fn drop(&mut self) {
        self.close();
    }
}

/// Writes what comes until nothing can come any more.
fn write(mut writer: Writer, messages: &Receiver<Message>, shared: &Shared) {
    let mut noted_lost = 0;
    loop {
        let (batch, is_over) = next_batch(messages, writer.has_unsigned());
        let mut flushes = Vec::new();
        let mut taken = 0;
        for message in batch {
            match message {
                Message::Entry(entry) => {
                    writer.push(&entry);
                    taken += 1;
                }
                Message::Flush(reply) => flushes.push(reply),
            }
        }
        let lost = shared.lost.load(Ordering::Relaxed);
        if lost > noted_lost {
            writer.push(&Entry::of(lost_events(lost - noted_lost), now_ms()));
            noted_lost = lost;
        }
        if taken == 0 || !flushes.is_empty() || is_over {
            writer.sign();
        }
        let written = sync(&mut writer, is_over || !flushes.is_empty());
        shared.waiting.fetch_sub(taken, Ordering::Relaxed);
        if written.is_ok() && !writer.has_unsigned() {
            *shared.signed.lock().unwrap_or_else(PoisonError::into_inner) = writer.end();
        }
        for reply in flushes {
            // Who asked may be gone.
            let _ = reply.send(written.as_ref().copied().map_err(|error| io::Error::other(error.to_string())));
        }
        if is_over {
            return;
        }
    }
}

/// What has come, and whether nothing can come any more. With nothing to do it waits; with something to sign, not for
/// long.
fn next_batch(messages: &Receiver<Message>, has_unsigned: bool) -> (Vec<Message>, bool) {
    let first = if has_unsigned {
        messages.recv_timeout(SIGNED_WITHIN)
    } else {
        messages.recv().map_err(|_| RecvTimeoutError::Disconnected)
    };
    match first {
        Err(RecvTimeoutError::Timeout) => (Vec::new(), false),
        Err(RecvTimeoutError::Disconnected) => (Vec::new(), true),
        Ok(first) => (std::iter::once(first).chain(messages.try_iter()).take(BATCH).collect(), false),
    }
}

/// Brings what was added to the disk, however long that takes; only whoever waits for it learns of a failure at once.
fn sync(writer: &mut Writer, is_awaited: bool) -> Result<(), AuditError> {
    loop {
        let error = match writer.sync() {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        tracing::error!(%error, "the audit log of keys cannot be written");
        if is_awaited {
            return Err(error);
        }
        thread::sleep(RETRY);
    }
}

fn lost_events(count: u64) -> KeyEvent {
    KeyEvent {
        action: "coffer:EventsLost",
        key: "-".to_owned(),
        who: "coffer".to_owned(),
        outcome: KeyOutcome::Done,
        details: vec![("count".to_owned(), count.to_string())],
    }
}

fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    // A clock before 1970 is wrong; the order of entries does not depend on it.
    now.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

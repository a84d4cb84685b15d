//! Writing lines from a thread of its own, so that a slow disk or pipe holds up no request.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::metrics::Metrics;

/// The most lines that wait. A line is at most some KiB long: a few of that many MiB when all of them are the longest.
const MAX_WAITING: usize = 4096;
/// About how many bytes are written at once.
const BATCH_LEN: usize = 64 * 1024;
/// How long a flush is waited for.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);

/// Where lines go.
pub(super) enum Sink {
    /// The standard output.
    Stdout,
    /// A file that is appended to.
    File {
        /// What it is called; at [`Writer::reopen`] that may be another file.
        path: PathBuf,
        /// The file that is open.
        file: File,
    },
}

/// The near end of the thread.
pub(super) struct Writer {
    queue: SyncSender<Message>,
    metrics: Arc<Metrics>,
}

enum Message {
    Line(Vec<u8>),
    Reopen,
    Flush(oneshot::Sender<()>),
}

impl Sink {
    /// Opens a file to append to, for this user alone if it is made.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub(super) fn file(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref().to_owned();
        let file = open(&path)?;
        Ok(Self::File { path, file })
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Stdout => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(bytes).and_then(|()| stdout.flush())
            }
            Self::File { file, .. } => file.write_all(bytes),
        }
    }

    fn reopen(&mut self) {
        if let Self::File { path, file } = self {
            match open(path) {
                Ok(new) => *file = new,
                Err(error) => {
                    tracing::error!(%error, "the access log cannot be opened again: the old file stays in use")
                }
            }
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

impl Writer {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub(super) fn start(sink: Sink, metrics: Arc<Metrics>) -> io::Result<Self> {
        let (queue, messages) = sync_channel(MAX_WAITING);
        let lines = Lines { sink, batch: Vec::new(), count: 0, failing: false, metrics: Arc::clone(&metrics) };
        thread::Builder::new().name("access-log".to_owned()).spawn(move || lines.run(&messages))?;
        Ok(Self { queue, metrics })
    }

    /// Queues a line. When the queue is full it is dropped, and counted.
    pub(super) fn write(&self, line: Vec<u8>) {
        if self.queue.try_send(Message::Line(line)).is_err() {
            self.metrics.access_log_dropped.add(1);
        }
    }

    /// Opens the file again, after the lines that are queued.
    pub(super) fn reopen(&self) {
        if let Err(TrySendError::Full(_)) = self.queue.try_send(Message::Reopen) {
            tracing::error!("the access log is too slow to be opened again: send SIGHUP once more");
        }
    }

    /// Returns when the lines that are queued are written, or when that takes too long.
    pub(super) async fn flush(&self) {
        let (done, flushed) = oneshot::channel();
        let queue = self.queue.clone();
        // The queue may be full: waiting for a place must not hold up the runtime.
        thread::spawn(move || queue.send(Message::Flush(done)));
        if !matches!(timeout(FLUSH_TIMEOUT, flushed).await, Ok(Ok(()))) {
            tracing::warn!("the access log could not be written to its end");
        }
    }
}

/// What the thread works with.
struct Lines {
    sink: Sink,
    batch: Vec<u8>,
    /// The lines in the batch.
    count: u64,
    /// Whether the last write failed.
    failing: bool,
    metrics: Arc<Metrics>,
}

impl Lines {
    /// Writes until every [`Writer`] is gone.
    fn run(mut self, messages: &Receiver<Message>) {
        while let Ok(message) = messages.recv() {
            self.take(message);
            while let Ok(message) = messages.try_recv() {
                self.take(message);
            }
            self.write();
        }
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Line(line) => {
                self.batch.extend_from_slice(&line);
                self.count += 1;
                if self.batch.len() >= BATCH_LEN {
                    self.write();
                }
            }
            Message::Reopen => {
                self.write();
                self.sink.reopen();
            }
            Message::Flush(done) => {
                self.write();
                // Who asked may have given up.
                let _ = done.send(());
            }
        }
    }

    /// Writes the batch. Lines that cannot be written are counted; the diagnostic log says so once.
    fn write(&mut self) {
        if self.count == 0 {
            return;
        }
        let written = self.sink.write_all(&self.batch);
        self.batch.clear();
        if let Err(error) = &written {
            if !self.failing {
                tracing::error!(%error, "the access log cannot be written: lines are dropped");
            }
            self.metrics.access_log_dropped.add(self.count);
            // Half a line may have been left, which must not run into the next one.
            self.batch.push(b'\n');
        }
        self.failing = written.is_err();
        self.count = 0;
    }
}

#[cfg(test)]
mod tests;

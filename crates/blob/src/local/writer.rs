//! Writing a blob: small ones in one go, large ones with the disk kept busy behind the caller.

use std::fs::File;
use std::io;
use std::mem;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::Shared;
use crate::store::{BlobError, BlobId, BlobWriter};

/// Gathers writes into batches. One batch is on its way to the file while the next one is gathered, and what
/// was written is synced from time to time meanwhile, so that finishing a large blob does not wait long.
///
/// A blob of one batch costs one trip to a blocking thread: its file is made when it is finished.
pub(super) struct LocalWriter {
    shared: Arc<Shared>,
    id: BlobId,
    batch: Vec<Bytes>,
    batch_len: usize,
    state: State,
    sync: Option<JoinHandle<io::Result<()>>>,
    unsynced_len: usize,
}

enum State {
    /// Nothing is being written. There is no file before the first batch.
    Idle(Option<BlobFile>),
    /// A batch is being written.
    Writing(JoinHandle<Result<BlobFile, BlobError>>),
    /// A write or a sync failed: the blob must never be finished.
    Failed,
}

impl LocalWriter {
    pub(super) fn new(shared: Arc<Shared>, id: BlobId) -> Self {
        let state = State::Idle(None);
        Self { shared, id, batch: Vec::new(), batch_len: 0, state, sync: None, unsynced_len: 0 }
    }

    /// Sends the batch on its way once the one before has arrived.
    async fn flush(&mut self) -> Result<(), BlobError> {
        self.written().await?;
        if self.unsynced_len >= SYNC_LEN {
            self.synced().await?;
            self.start_sync();
        }
        let (file, batch) = self.take()?;
        self.unsynced_len += self.batch_len;
        self.batch_len = 0;
        self.state = State::Writing(tokio::task::spawn_blocking(move || file.append(&batch)));
        Ok(())
    }

    /// Waits for the batch on its way. May be cancelled and called again.
    async fn written(&mut self) -> Result<(), BlobError> {
        if let State::Writing(write) = &mut self.state {
            let written = write.await.map_err(io::Error::from);
            self.state = State::Failed;
            self.state = State::Idle(Some(written??));
        }
        Ok(())
    }

    /// Waits for the sync under way. May be cancelled and called again.
    ///
    /// The system reports a failed sync once. A later sync that succeeds must not hide it.
    async fn synced(&mut self) -> Result<(), BlobError> {
        if let Some(sync) = &mut self.sync {
            let synced = sync.await.map_err(io::Error::from).flatten();
            self.sync = None;
            if let Err(error) = synced {
                self.abandon();
                return Err(error.into());
            }
        }
        Ok(())
    }

    fn start_sync(&mut self) {
        if let State::Idle(Some(blob)) = &self.state {
            let (shared, file) = (Arc::clone(&self.shared), Arc::clone(&blob.file));
            self.sync = Some(tokio::task::spawn_blocking(move || shared.folder.disk().sync_file(&file)));
            self.unsynced_len = 0;
        }
    }

    /// Takes the file, or the duty to make it, and the batch. Until the state is set again, the writer has failed.
    fn take(&mut self) -> Result<(Target, Vec<Bytes>), BlobError> {
        let target = match mem::replace(&mut self.state, State::Failed) {
            State::Idle(Some(file)) => Target::Made(file),
            State::Idle(None) => Target::New(Arc::clone(&self.shared), self.id),
            State::Writing(_) | State::Failed => {
                return Err(BlobError::Io(io::Error::other("an earlier write of this blob failed")));
            }
        };
        Ok((target, mem::take(&mut self.batch)))
    }

    /// Drops the file, and with it its name, on a blocking thread.
    fn abandon(&mut self) {
        let state = mem::replace(&mut self.state, State::Failed);
        match Handle::try_current() {
            Ok(runtime) if !matches!(state, State::Idle(None) | State::Failed) => {
                runtime.spawn_blocking(move || drop(state));
            }
            _ => drop(state),
        }
    }
}

#[async_trait]
impl BlobWriter for LocalWriter {
    fn id(&self) -> BlobId {
        self.id
    }

    async fn write(&mut self, bytes: Bytes) -> Result<(), BlobError> {
        self.batch_len += bytes.len();
        self.batch.push(bytes);
        if self.batch_len < BATCH_LEN { Ok(()) } else { self.flush().await }
    }

    async fn finish(mut self: Box<Self>) -> Result<(), BlobError> {
        self.written().await?;
        self.synced().await?;
        let (target, batch) = self.take()?;
        // A caller that stops waiting here never learns of the blob, so it is removed with the task's result.
        super::blocking(move || target.append(&batch)?.sync()).await?.keep();
        Ok(())
    }
}

impl Drop for LocalWriter {
    fn drop(&mut self) {
        self.abandon();
    }
}

/// Where a batch goes.
enum Target {
    New(Arc<Shared>, BlobId),
    Made(BlobFile),
}

impl Target {
    fn append(self, batch: &[Bytes]) -> Result<BlobFile, BlobError> {
        let blob = match self {
            Self::New(shared, id) => BlobFile::create(shared, id)?,
            Self::Made(blob) => blob,
        };
        for bytes in batch {
            blob.shared.folder.disk().write(&blob.file, bytes)?;
        }
        Ok(blob)
    }
}

/// A file with a blob that is not finished: dropped before [`BlobFile::keep`], it is removed.
struct BlobFile {
    shared: Arc<Shared>,
    id: BlobId,
    file: Arc<File>,
    is_kept: bool,
}

impl BlobFile {
    fn create(shared: Arc<Shared>, id: BlobId) -> Result<Self, BlobError> {
        let file = Arc::new(shared.folder.create(id)?);
        Ok(Self { shared, id, file, is_kept: false })
    }

    /// Brings the bytes and the name to stable storage.
    fn sync(self) -> Result<Self, BlobError> {
        self.shared.folder.disk().sync_file(&self.file)?;
        self.shared.folder.sync_name(self.id)?;
        Ok(self)
    }

    fn keep(mut self) {
        self.is_kept = true;
    }
}

impl Drop for BlobFile {
    fn drop(&mut self) {
        if !self.is_kept
            && let Err(error) = self.shared.remove(self.id)
        {
            tracing::warn!(blob = %self.id, %error, "an abandoned blob stays until garbage is collected");
        }
    }
}

/// Bytes that are gathered before they are written. With a slow client for each of hundreds of writers this is
/// most of the memory they hold; less means more trips to a blocking thread.
pub(super) const BATCH_LEN: usize = 128 << 10;

/// Bytes after which a large blob is synced in the background. At most twice as many wait for the disk.
pub(super) const SYNC_LEN: usize = 16 << 20;

//! What failed, and what failed first.

use std::collections::HashSet;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use thiserror::Error;

use crate::engine::EngineError;

/// A failure of the disk or of a page.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// A page could not be written for want of room; no page that the last commit needs was touched.
    NoSpace,
    /// A slot does not open.
    Damaged(String),
    /// The disk failed.
    Io(String),
}

/// The number of a page whose slot does not open.
#[derive(Debug, Error)]
#[error("page {0} is not what was written")]
pub(super) struct DamagedPage(pub(super) u64);

impl Fault {
    /// `clean`: whether want of room left the durable state as it was.
    fn new(error: &io::Error, clean: bool) -> Self {
        match damaged_page(error) {
            Some(page) => Self::Damaged(page.to_string()),
            None if clean && matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => {
                Self::NoSpace
            }
            None => Self::Io(error.to_string()),
        }
    }
}

/// What a fault means for the one call that met it.
impl From<Fault> for EngineError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::NoSpace => Self::NoSpace,
            Fault::Damaged(what) => Self::Damaged(what),
            Fault::Io(what) => Self::Io(io::Error::other(what)),
        }
    }
}

/// The first failure that redb was told of: it serves nothing from the file after one, and those after it follow
/// from it.
#[derive(Default)]
pub(crate) struct Faults {
    first: Mutex<Option<Fault>>,
    /// Whether a page could not be read and redb was not told.
    unreadable: AtomicBool,
    /// Damaged pages that the log names, so that it names each once.
    logged: Mutex<HashSet<u64>>,
}

/// Damaged pages of which the log is told, at most.
const LOGGED_PAGES: usize = 1024;

impl Faults {
    /// The first failure, if there was one.
    pub(crate) fn first(&self) -> Option<Fault> {
        lock(&self.first).clone()
    }

    /// Notes a failure of which redb is told. `clean`: whether want of room left the durable state as it was.
    pub(super) fn note(&self, error: &io::Error, clean: bool) {
        lock(&self.first).get_or_insert_with(|| Fault::new(error, clean));
    }

    /// Whether a page was met that could not be read: a walk through the whole file would meet it, too.
    pub(crate) fn met_unreadable(&self) -> bool {
        self.unreadable.load(Ordering::Acquire)
    }

    /// The fault of a failed read of which redb is not told; the log is.
    pub(super) fn log(&self, error: &io::Error) -> Fault {
        self.unreadable.store(true, Ordering::Release);
        let fault = Fault::new(error, false);
        match damaged_page(error) {
            None => tracing::error!(%error, "metadata cannot be read"),
            Some(DamagedPage(page)) => {
                let mut logged = lock(&self.logged);
                if logged.len() < LOGGED_PAGES && logged.insert(*page) {
                    tracing::error!(page, "a page of metadata is not what was written: restore from a backup");
                }
            }
        }
        fault
    }

    pub(super) fn clear(&self) {
        *lock(&self.first) = None;
    }
}

fn damaged_page(error: &io::Error) -> Option<&DamagedPage> {
    error.get_ref().and_then(|inner| inner.downcast_ref())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

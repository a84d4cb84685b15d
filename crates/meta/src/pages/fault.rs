//! What failed first.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use thiserror::Error;

/// A failure of the disk or of a page. redb serves nothing from the file after one.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// A page could not be written for want of room; no page that the last commit needs was touched.
    NoSpace,
    /// A slot does not open.
    Damaged(String),
    /// The disk failed.
    Io(String),
}

/// The first failure: those after it follow from it.
#[derive(Default)]
pub(crate) struct Faults(Mutex<Option<Fault>>);

/// The number of a page whose slot does not open.
#[derive(Debug, Error)]
#[error("page {0} is not what was written")]
pub(super) struct DamagedPage(pub(super) u64);

impl Faults {
    /// The first failure, if there was one.
    pub(crate) fn first(&self) -> Option<Fault> {
        self.lock().clone()
    }

    /// Notes a failure. `clean`: whether want of room left the durable state as it was.
    pub(super) fn note(&self, error: &io::Error, clean: bool) {
        let damaged = error.get_ref().and_then(|inner| inner.downcast_ref::<DamagedPage>());
        let fault = match damaged {
            Some(damaged) => Fault::Damaged(damaged.to_string()),
            None if clean && matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => {
                Fault::NoSpace
            }
            None => Fault::Io(error.to_string()),
        };
        self.lock().get_or_insert(fault);
    }

    pub(super) fn clear(&self) {
        *self.lock() = None;
    }

    fn lock(&self) -> MutexGuard<'_, Option<Fault>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! What redb sees of the pages.

use std::io;
use std::sync::Arc;

use redb::StorageBackend;

use super::SealedPages;
use super::catch::throw;

/// Sealed pages as the file of a redb database.
///
/// Locks are left to [`super::FileDisk`], which holds one on the whole file.
#[derive(Debug)]
pub(crate) struct Backend(pub(crate) Arc<SealedPages>);

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out).inspect_err(|error| {
            // redb reads what it wrote since the last sync while it holds a lock, which unwinding would poison.
            if !self.0.is_unsynced(offset, out.len()) {
                throw(&self.0.faults().log(error));
            }
            self.0.faults().note(error, false);
        })
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write(offset, data).inspect_err(|error| self.0.faults().note(error, true))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len).inspect_err(|error| self.0.faults().note(error, true))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync().inspect_err(|error| self.0.faults().note(error, false))
    }
}

//! Blobs that this process is reading or writing: garbage collection leaves them alone.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use coffer_blob::BlobId;

/// Counts the holders of each blob.
#[derive(Default, Clone)]
pub(crate) struct Pins(Arc<Mutex<HashMap<BlobId, usize>>>);

/// Keeps a blob from being collected until it is dropped.
pub(crate) struct Pin {
    pins: Pins,
    id: BlobId,
}

impl Pins {
    pub(crate) fn pin(&self, id: BlobId) -> Pin {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(id).or_default() += 1;
        Pin { pins: self.clone(), id }
    }

    pub(crate) fn is_pinned(&self, id: BlobId) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&id)
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        let mut pins = self.pins.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = pins.get_mut(&self.id) {
            *count -= 1;
            if *count == 0 {
                pins.remove(&self.id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_is_pinned_until_its_last_holder_lets_go() {
        let (pins, id) = (Pins::default(), BlobId([1; 16]));
        let (first, second) = (pins.pin(id), pins.pin(id));
        drop(first);
        assert!(pins.is_pinned(id));
        drop(second);
        assert!(!pins.is_pinned(id));
    }
}

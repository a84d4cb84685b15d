use coffer_crypto::Key32;

use super::*;

crate::conformance!({
    let folder = tempfile::tempdir().unwrap();
    RedbEngine::open(&folder.path().join("meta"), PageKeys::new(Key32::generate()), RedbSettings::default()).unwrap()
});

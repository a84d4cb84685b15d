//! The move of the root from one provider to another.

use std::sync::Arc;

use async_trait::async_trait;
use coffer_crypto::Key32;
use coffer_keyring::{KeyError, RootDescription, RootGeneration, RootId, RootKeys, WrapContext};
use coffer_seal::Envelope;

use crate::wrapped::Wrapped;

/// Root keys of which the current ones wrap, and former ones still unwrap what they wrapped.
///
/// What rotates, and whose generations there are, are the current ones.
pub struct CompositeRootKeys {
    current: Arc<dyn RootKeys>,
    former: Vec<Arc<dyn RootKeys>>,
}

impl CompositeRootKeys {
    /// `current` wraps, the others unwrap.
    #[must_use]
    pub fn new(current: Arc<dyn RootKeys>, former: Vec<Arc<dyn RootKeys>>) -> Self {
        Self { current, former }
    }

    /// Whose `wrapped` is, as it claims.
    ///
    /// # Errors
    /// [`KeyError::WrongKey`] when it is somebody else's; [`KeyError::Damaged`] when nobody can have wrapped it.
    fn owner(&self, wrapped: &[u8]) -> Result<&Arc<dyn RootKeys>, KeyError> {
        let mut all = std::iter::once(&self.current).chain(&self.former);
        let is_owner =
            |keys: &&Arc<dyn RootKeys>| keys.generation_of(wrapped).is_ok_and(|(id, _)| id == keys.describe().root_id);
        all.find(is_owner).ok_or_else(|| match (Wrapped::from_bytes(wrapped), Envelope::from_bytes(wrapped)) {
            (Err(error), Err(_)) => error,
            _ => KeyError::WrongKey,
        })
    }
}

#[async_trait]
impl RootKeys for CompositeRootKeys {
    async fn wrap(&self, context: &WrapContext, key: &Key32) -> Result<Vec<u8>, KeyError> {
        self.current.wrap(context, key).await
    }

    async fn unwrap(&self, context: &WrapContext, wrapped: &[u8]) -> Result<Key32, KeyError> {
        self.owner(wrapped)?.unwrap(context, wrapped).await
    }

    fn describe(&self) -> RootDescription {
        self.current.describe()
    }

    fn generation_of(&self, wrapped: &[u8]) -> Result<(RootId, u32), KeyError> {
        self.owner(wrapped)?.generation_of(wrapped)
    }

    async fn generations(&self) -> Result<Vec<RootGeneration>, KeyError> {
        self.current.generations().await
    }

    async fn rotate(&self) -> Result<RootDescription, KeyError> {
        self.current.rotate().await
    }

    async fn destroy_generation(&self, generation: u32) -> Result<(), KeyError> {
        self.current.destroy_generation(generation).await
    }
}

#[cfg(test)]
mod tests {
    use coffer_keyring::{LocalKeyring, Purpose};

    use super::*;
    use crate::guard::Limits;
    use crate::remote::RemoteRootKeys;
    use crate::testing::Memory;

    const CONTEXT: WrapContext = WrapContext { purpose: Purpose::MetadataKey, key_id: [1; 16], generation: 1 };

    fn local(folder: &tempfile::TempDir, name: &str) -> Arc<dyn RootKeys> {
        Arc::new(LocalKeyring::create(&folder.path().join(name)).unwrap())
    }

    fn remote(name: &str) -> Arc<dyn RootKeys> {
        Arc::new(RemoteRootKeys::new(name, Box::new(Memory::default()), Limits::default()))
    }

    #[tokio::test]
    async fn each_key_is_unwrapped_by_who_wrapped_it_and_new_ones_by_the_current() {
        let folder = tempfile::tempdir().unwrap();
        let (local, first, second) = (local(&folder, "a"), remote("first"), remote("second"));
        let key = Key32::generate();
        let mut wrapped = Vec::new();
        for keys in [&local, &first, &second] {
            wrapped.push(keys.wrap(&CONTEXT, &key).await.unwrap());
        }
        let root = CompositeRootKeys::new(Arc::clone(&first), vec![Arc::clone(&local), Arc::clone(&second)]);
        for (wrapped, by) in wrapped.iter().zip([&local, &first, &second]) {
            assert_eq!(root.unwrap(&CONTEXT, wrapped).await.unwrap().expose(), key.expose());
            assert_eq!(root.generation_of(wrapped).unwrap().0, by.describe().root_id);
        }
        let new = root.wrap(&CONTEXT, &key).await.unwrap();
        assert_eq!(root.generation_of(&new).unwrap().0, first.describe().root_id);
        assert_eq!(root.describe(), first.describe());
    }

    #[tokio::test]
    async fn what_nobody_here_wrapped_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let key = Key32::generate();
        let root = CompositeRootKeys::new(remote("first"), vec![local(&folder, "a")]);
        let alone = CompositeRootKeys::new(remote("first"), Vec::new());
        let of_a_keyring = local(&folder, "c").wrap(&CONTEXT, &key).await.unwrap();
        assert!(matches!(alone.unwrap(&CONTEXT, &of_a_keyring).await, Err(KeyError::WrongKey)));
        for other in [remote("other"), local(&folder, "b")] {
            let wrapped = other.wrap(&CONTEXT, &key).await.unwrap();
            assert!(matches!(root.unwrap(&CONTEXT, &wrapped).await, Err(KeyError::WrongKey)));
        }
        assert!(matches!(root.unwrap(&CONTEXT, b"garbage").await, Err(KeyError::Damaged(_))));
        assert!(matches!(root.generation_of(b"garbage"), Err(KeyError::Damaged(_))));
    }
}

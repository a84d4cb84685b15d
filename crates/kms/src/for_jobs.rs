//! The KMS as jobs of the server ask it: in its own name, for an operator.

use async_trait::async_trait;
use coffer_crypto::Key32;
use coffer_keyring::{DataKeys, KmsError, SealedDataKey};
use coffer_store::ServiceDataKeys;

use crate::authority::Authority;
use crate::data_keys::DataKey;
use crate::settings::Kms;

/// Opens and draws data keys for jobs. No policy is asked; a key that cannot be used cannot be used by them either.
pub struct ForJobs(Kms);

impl ForJobs {
    /// The data keys of `kms`.
    #[must_use]
    pub fn new(kms: Kms) -> Self {
        Self(kms)
    }
}

#[async_trait]
impl DataKeys for ForJobs {
    async fn open(&self, sealed: &SealedDataKey) -> Result<Key32, KmsError> {
        self.0.decrypt_data_key(&Authority::Coffer, sealed).await
    }
}

#[async_trait]
impl ServiceDataKeys for ForJobs {
    async fn draw(&self, like: &SealedDataKey) -> Result<(Key32, SealedDataKey), KmsError> {
        let SealedDataKey { key_arn, context, .. } = like.clone();
        let drawn = self.0.generate_data_key(&Authority::Coffer, Some(&key_arn), context).await?;
        let DataKey { plaintext, sealed } = drawn;
        Ok((plaintext, sealed))
    }

    async fn re_encrypt(&self, sealed: &SealedDataKey) -> Result<SealedDataKey, KmsError> {
        self.0.re_encrypt_data_key(&Authority::Coffer, sealed).await
    }

    fn generation_of(&self, sealed: &SealedDataKey) -> Option<u32> {
        self.0.generation_of(sealed)
    }

    async fn current_generation(&self, sealed: &SealedDataKey) -> Result<u32, KmsError> {
        self.0.current_generation_for(sealed).await
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use coffer_crypto::ct_eq;
    use serde_json::json;

    use super::*;
    use crate::testing::World;

    #[tokio::test]
    async fn jobs_draw_open_and_re_encrypt_whatever_policies_say_but_not_under_disabled_keys() {
        let world = World::new();
        let key = world.key().await;
        let jobs = ForJobs::new(world.kms.clone());
        let context = BTreeMap::from([("a".to_owned(), "b".to_owned())]);
        let arn = world.kms.key_arn(&Authority::Coffer, Some(&key)).await.unwrap();
        let like = SealedDataKey { key_arn: arn, ciphertext: Vec::new(), context };
        let (drawn, sealed) = jobs.draw(&like).await.unwrap();
        assert_eq!((&sealed.key_arn, &sealed.context), (&like.key_arn, &like.context));
        assert!(ct_eq(jobs.open(&sealed).await.unwrap().expose(), drawn.expose()));
        world.call("RotateKeyOnDemand", &json!({"KeyId": key})).await.ok().unwrap();
        assert_eq!((jobs.generation_of(&sealed), jobs.current_generation(&sealed).await.unwrap()), (Some(1), 2));
        let again = jobs.re_encrypt(&sealed).await.unwrap();
        assert_eq!((jobs.generation_of(&again), &again.context), (Some(2), &like.context));
        assert!(ct_eq(jobs.open(&again).await.unwrap().expose(), drawn.expose()));
        world.call("DisableKey", &json!({"KeyId": key})).await.ok().unwrap();
        for refused in [
            jobs.draw(&like).await.map(drop),
            jobs.open(&sealed).await.map(drop),
            jobs.re_encrypt(&sealed).await.map(drop),
        ] {
            assert_eq!(refused.unwrap_err().code, "DisabledException");
        }
    }
}

use std::time::Duration;

use coffer_keyring::Purpose;

use super::*;
use crate::guard::CircuitState;
use crate::testing::{Memory, Odd};

const CONTEXT: WrapContext =
    WrapContext { purpose: Purpose::BucketKey { bucket_id: [9; 16] }, key_id: [1; 16], generation: 2 };

fn keys() -> (Arc<Memory>, RemoteRootKeys) {
    let memory = Arc::new(Memory::default());
    let keys = RemoteRootKeys::new("vault", Box::new(Arc::clone(&memory)), Limits::default());
    (memory, keys)
}

fn away() -> Odd {
    Odd::Fail(CallError::unavailable("away"))
}

#[tokio::test(start_paused = true)]
async fn a_key_comes_back_for_its_context_alone() {
    let (_, keys) = keys();
    let key = Key32::generate();
    let wrapped = keys.wrap(&CONTEXT, &key).await.unwrap();
    assert_eq!(keys.unwrap(&CONTEXT, &wrapped).await.unwrap().expose(), key.expose());
    for other in [
        WrapContext { purpose: Purpose::MetadataKey, ..CONTEXT },
        WrapContext { purpose: Purpose::BucketKey { bucket_id: [8; 16] }, ..CONTEXT },
        WrapContext { key_id: [2; 16], ..CONTEXT },
        WrapContext { generation: 3, ..CONTEXT },
    ] {
        assert!(matches!(keys.unwrap(&other, &wrapped).await, Err(KeyError::WrongKey)), "{other:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_binds_no_context_is_caught_by_the_envelope() {
    let (memory, keys) = keys();
    let wrapped = keys.wrap(&CONTEXT, &Key32::generate()).await.unwrap();
    let kek = memory.decrypt(&CONTEXT, Wrapped::from_bytes(&wrapped).unwrap().ciphertext).await.unwrap();
    memory.next([Odd::Answer(kek.expose().to_vec())]);
    let other = WrapContext { key_id: [2; 16], ..CONTEXT };
    assert!(matches!(keys.unwrap(&other, &wrapped).await, Err(KeyError::WrongKey)));
}

#[tokio::test(start_paused = true)]
async fn another_keys_plaintext_is_a_wrong_key() {
    let (memory, keys) = keys();
    let wrapped = keys.wrap(&CONTEXT, &Key32::generate()).await.unwrap();
    memory.next([Odd::Answer(vec![7; 32])]);
    assert!(matches!(keys.unwrap(&CONTEXT, &wrapped).await, Err(KeyError::WrongKey)));
}

#[tokio::test(start_paused = true)]
async fn garbage_for_a_key_is_no_key() {
    let (memory, keys) = keys();
    let wrapped = keys.wrap(&CONTEXT, &Key32::generate()).await.unwrap();
    for len in [0, 31, 33] {
        memory.next((0..3).map(|_| Odd::Answer(vec![7; len])));
        assert!(matches!(keys.unwrap(&CONTEXT, &wrapped).await, Err(KeyError::Unavailable(_))), "{len}");
        keys.unwrap(&CONTEXT, &wrapped).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_provider_cannot_give_back_is_not_wrapped() {
    let key = Key32::generate();
    for odd in [
        vec![Odd::Answer(Vec::new())],
        vec![Odd::Answer(vec![0; MAX_CIPHERTEXT_LEN + 1])],
        // Garbage in place of a ciphertext, and another key in place of the wrapping key.
        vec![Odd::Answer(vec![1; 60])],
        vec![Odd::Answer(vec![1; 60]), Odd::Answer(vec![7; 32])],
    ] {
        let (memory, keys) = keys();
        memory.next(odd);
        assert!(matches!(keys.wrap(&CONTEXT, &key).await, Err(KeyError::Unavailable(_))));
    }
}

/// Gives back what it was given, in some encoding.
struct Echo(fn(&[u8]) -> Vec<u8>);

#[async_trait]
impl Provider for Echo {
    fn kind(&self) -> crate::Kind {
        crate::Kind::AwsKms
    }
    fn key(&self) -> String {
        String::new()
    }
    async fn encrypt(&self, _: &WrapContext, key: &Key32) -> Result<Encrypted, CallError> {
        Ok(Encrypted { ciphertext: (self.0)(key.expose()), generation: 1 })
    }
    async fn decrypt(&self, _: &WrapContext, ciphertext: &[u8]) -> Result<Key32, CallError> {
        Ok(Key32::from_slice(&ciphertext[..32]).unwrap())
    }
    async fn generations(&self) -> Result<Vec<RootGeneration>, CallError> {
        Ok(Vec::new())
    }
    async fn rotate(&self) -> Result<(), CallError> {
        Ok(())
    }
    async fn destroy_generation(&self, _: u32) -> Result<(), CallError> {
        Ok(())
    }
}

#[tokio::test]
async fn a_provider_that_does_not_encrypt_is_refused() {
    for encode in [|key: &[u8]| [b"x", key].concat(), |key: &[u8]| STANDARD.encode(key).into_bytes()] {
        let keys = RemoteRootKeys::new("echo", Box::new(Echo(encode)), Limits::default());
        let error = keys.wrap(&CONTEXT, &Key32::generate()).await.unwrap_err();
        assert!(error.to_string().contains("does not encrypt"), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn bytes_of_others_are_refused_without_a_call() {
    let (memory, keys) = keys();
    let other = RemoteRootKeys::new("other", Box::new(Memory::default()), Limits::default());
    let foreign = other.wrap(&CONTEXT, &Key32::generate()).await.unwrap();
    assert!(matches!(keys.unwrap(&CONTEXT, &foreign).await, Err(KeyError::WrongKey)));
    assert!(matches!(keys.unwrap(&CONTEXT, &foreign[..40]).await, Err(KeyError::Damaged(_))));
    assert!(matches!(keys.generation_of(b"x"), Err(KeyError::Damaged(_))));
    assert_eq!(memory.calls.load(Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn every_flipped_bit_is_found() {
    let (_, keys) = keys();
    let wrapped = keys.wrap(&CONTEXT, &Key32::generate()).await.unwrap();
    for at in 0..wrapped.len() {
        let mut bad = wrapped.clone();
        bad[at] ^= 1;
        assert!(keys.unwrap(&CONTEXT, &bad).await.is_err(), "{at}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_unavailability_and_ends_by_itself() {
    let (memory, keys) = keys();
    let wrapped = keys.wrap(&CONTEXT, &Key32::generate()).await.unwrap();
    memory.next((0..5).map(|_| away()));
    while keys.stats().state() == CircuitState::Closed {
        assert!(matches!(keys.unwrap(&CONTEXT, &wrapped).await, Err(KeyError::Unavailable(_))));
    }
    assert!(matches!(keys.unwrap(&CONTEXT, &wrapped).await, Err(KeyError::Unavailable(_))));
    tokio::time::advance(Duration::from_secs(1)).await;
    keys.unwrap(&CONTEXT, &wrapped).await.unwrap();
    assert_eq!(keys.stats().state(), CircuitState::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_slow_provider_is_not_waited_for_forever() {
    let (memory, keys) = keys();
    memory.next((0..3).map(|_| Odd::Hang));
    let begun = tokio::time::Instant::now();
    assert!(matches!(keys.wrap(&CONTEXT, &Key32::generate()).await, Err(KeyError::Unavailable(_))));
    assert!(begun.elapsed() <= Limits::default().call);
}

#[tokio::test(start_paused = true)]
async fn a_new_generation_wraps_and_the_old_one_unwraps() {
    let (memory, keys) = keys();
    let key = Key32::generate();
    let old = keys.wrap(&CONTEXT, &key).await.unwrap();
    assert_eq!(keys.rotate().await.unwrap().generation, 2);
    let new = keys.wrap(&CONTEXT, &key).await.unwrap();
    let id = keys.describe().root_id;
    assert_eq!([&old, &new].map(|wrapped| keys.generation_of(wrapped).unwrap()), [(id, 1), (id, 2)]);
    assert_eq!(keys.unwrap(&CONTEXT, &old).await.unwrap().expose(), key.expose());
    assert!(matches!(keys.destroy_generation(2).await, Err(KeyError::InUse(2))));
    assert!(matches!(keys.destroy_generation(3).await, Err(KeyError::UnknownGeneration(3))));
    keys.destroy_generation(1).await.unwrap();
    // Rotated by somebody else: it shows at the next wrap.
    memory.generation.store(5, Relaxed);
    keys.wrap(&CONTEXT, &key).await.unwrap();
    assert_eq!(keys.describe().generation, 5);
}

#[tokio::test(start_paused = true)]
async fn a_rotation_that_fails_is_not_repeated() {
    let (memory, keys) = keys();
    memory.next([away()]);
    assert!(matches!(keys.rotate().await, Err(KeyError::Unavailable(_))));
    assert_eq!((memory.calls.load(Relaxed), memory.generation.load(Relaxed)), (1, 1));
}

#[tokio::test]
async fn a_description_says_nothing_secret_and_tells_keys_apart() {
    let (_, keys) = keys();
    let (description, again) =
        (keys.describe(), RemoteRootKeys::new("vault", Box::new(Memory::default()), Limits::default()));
    assert_eq!((description.provider, description.generation), ("transit", 1));
    assert_eq!(description.fingerprint.len(), 19);
    assert_eq!(description, again.describe());
    let other = RemoteRootKeys::new("other", Box::new(Memory::default()), Limits::default());
    assert_ne!(description.fingerprint, other.describe().fingerprint);
}

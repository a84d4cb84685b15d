//! Against a library in memory, which fails as it is told.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::time::Duration;

use coffer_crypto::Key32;
use coffer_keyring::{GenerationState, Purpose, RootKeys, WrapContext};
use cryptoki::context::Function;
use cryptoki::error::RvError;
use tempfile::TempDir;
use tokio::task::JoinSet;

use super::driver::TokenName;
use super::fake::Hsm;
use super::keys::KeyName;
use super::softhsm;
use super::worker::Worker;
use super::{Pkcs11Settings, TokenKey};
use crate::guard::{CircuitState, Limits};
use crate::provider::{CallError, Provider};
use crate::remote::RemoteRootKeys;
use crate::secret_file::SecretFile;

const CONTEXT: WrapContext = WrapContext { purpose: Purpose::MetadataKey, key_id: [1; 16], generation: 1 };

/// A key of the token of `hsm`, and the folder of its PIN.
fn key(hsm: &Hsm, create: bool) -> (TokenKey<Hsm>, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let pin = write_pin(&folder, "right");
    let token = TokenName::new(Some("hsm".to_owned()), None).unwrap();
    let key = Arc::new(KeyName::new(token, pin, "root".to_owned(), create).unwrap());
    (TokenKey { key, worker: Arc::new(Worker::start(hsm.clone()).unwrap()) }, folder)
}

fn write_pin(folder: &TempDir, pin: &str) -> SecretFile {
    let path = folder.path().join("pin");
    std::fs::write(&path, pin).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    SecretFile::new(&path)
}

async fn round_trip(provider: &impl Provider) -> Result<u32, CallError> {
    let key = Key32::generate();
    let encrypted = provider.encrypt(&CONTEXT, &key).await?;
    assert_eq!(provider.decrypt(&CONTEXT, &encrypted.ciphertext).await?.expose(), key.expose());
    Ok(encrypted.generation)
}

async fn refusal(provider: &impl Provider) -> String {
    match round_trip(provider).await {
        Err(CallError::Denied(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn one_login_is_enough_and_a_nonce_of_the_token_is_kept() {
    let hsm = Hsm::new();
    let (provider, _folder) = key(&hsm, false);
    for _ in 0..10 {
        assert_eq!(round_trip(&provider).await, Ok(1));
    }
    let (logins, resets) = hsm.counts();
    assert_eq!((logins, resets), (1, 0));
}

#[tokio::test]
async fn a_wrong_pin_costs_one_try_whatever_is_asked_and_how_often() {
    let hsm = Hsm::new();
    let (provider, folder) = key(&hsm, false);
    write_pin(&folder, "wrong");
    let keys = RemoteRootKeys::new("hsm", Box::new(provider), Limits::default());
    for _ in 0..5 {
        assert!(keys.wrap(&CONTEXT, &Key32::generate()).await.is_err());
        assert!(keys.generations().await.is_err());
        assert!(keys.rotate().await.is_err());
    }
    assert_eq!(hsm.state().logins, 1);
    assert_eq!(keys.stats().state(), CircuitState::Closed, "whoever refuses is there");
    // The same, written again, is the same.
    write_pin(&folder, "wrong\n");
    assert!(keys.generations().await.is_err());
    assert_eq!(hsm.state().logins, 1);
    write_pin(&folder, "right");
    assert!(keys.generations().await.is_ok());
    assert_eq!(hsm.state().logins, 2);
}

#[tokio::test]
async fn the_last_try_is_not_taken_and_a_locked_pin_not_tried() {
    let hsm = Hsm::new();
    let (provider, _folder) = key(&hsm, false);
    hsm.state().is_final_try = true;
    assert!(refusal(&provider).await.contains("one more wrong PIN locks the token"));
    hsm.state().is_locked = true;
    assert!(refusal(&provider).await.contains("locked"));
    assert_eq!(hsm.state().logins, 0);
    hsm.state().is_locked = false;
    hsm.state().is_final_try = false;
    assert_eq!(round_trip(&provider).await, Ok(1));
}

#[tokio::test]
async fn a_pin_that_others_could_read_is_not_used() {
    let hsm = Hsm::new();
    let (provider, folder) = key(&hsm, false);
    std::fs::set_permissions(folder.path().join("pin"), std::fs::Permissions::from_mode(0o640)).unwrap();
    let why = refusal(&provider).await;
    assert!(why.contains("chmod 600") && !why.contains("right"), "{why}");
    assert_eq!(hsm.state().logins, 0);
}

#[tokio::test]
async fn a_token_that_comes_back_is_logged_in_to_again() {
    let hsm = Hsm::new();
    let (provider, _folder) = key(&hsm, true);
    round_trip(&provider).await.unwrap();
    hsm.state().is_there = false;
    for _ in 0..3 {
        let Err(CallError::Unavailable(why)) = round_trip(&provider).await else { panic!() };
        assert!(why.contains("no token hsm"), "{why}");
    }
    hsm.state().is_there = true;
    assert_eq!(round_trip(&provider).await, Ok(1));
    assert_eq!(hsm.state().logins, 2);
}

#[tokio::test]
async fn what_a_token_returns_is_told_apart() {
    use Function::{Decrypt, EncryptInit, FindObjectsInit, Login, OpenSession};
    for (what, value, function, is_refused) in [
        ("keys", RvError::DeviceError, FindObjectsInit, false),
        ("keys", RvError::CryptokiNotInitialized, FindObjectsInit, false),
        ("open", RvError::SessionCount, OpenSession, false),
        ("login", RvError::DeviceRemoved, Login, false),
        ("login", RvError::PinExpired, Login, true),
        ("login", RvError::UserPinNotInitialized, Login, true),
        ("login", RvError::UserAnotherAlreadyLoggedIn, Login, true),
        ("encrypt", RvError::MechanismInvalid, EncryptInit, true),
        ("encrypt", RvError::KeyFunctionNotPermitted, EncryptInit, true),
        ("encrypt", RvError::DeviceMemory, EncryptInit, false),
        ("decrypt", RvError::DeviceRemoved, Decrypt, false),
    ] {
        let hsm = Hsm::new();
        let (provider, _folder) = key(&hsm, false);
        // The second time it is another session, with a library that has started anew.
        for _ in 0..2 {
            hsm.fail(what, value, function);
        }
        match round_trip(&provider).await {
            Err(CallError::Denied(_)) if is_refused => {}
            Err(CallError::Unavailable(why)) if !is_refused => assert!(why.contains(&format!("{value:?}")), "{why}"),
            other => panic!("{what} {value:?}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn one_failure_is_got_over() {
    for (what, function) in
        [("keys", Function::FindObjectsInit), ("encrypt", Function::EncryptInit), ("decrypt", Function::DecryptInit)]
    {
        let hsm = Hsm::new();
        let (provider, _folder) = key(&hsm, false);
        round_trip(&provider).await.unwrap();
        hsm.fail(what, RvError::SessionHandleInvalid, function);
        assert_eq!(round_trip(&provider).await, Ok(1), "{what}");
        assert_eq!(hsm.state().resets, 1);
    }
}

#[tokio::test]
async fn a_vague_failure_is_a_wrong_ciphertext_only_if_the_key_works() {
    let hsm = Hsm::new();
    let (provider, _folder) = key(&hsm, false);
    let encrypted = provider.encrypt(&CONTEXT, &Key32::generate()).await.unwrap().ciphertext;
    hsm.fail("decrypt", RvError::GeneralError, Function::Decrypt);
    assert_eq!(provider.decrypt(&CONTEXT, &encrypted).await.err(), Some(CallError::WrongKey));
    // The ciphertext, the probe, and both again after the library has started anew.
    for _ in 0..4 {
        hsm.fail("decrypt", RvError::GeneralError, Function::Decrypt);
    }
    let failed = provider.decrypt(&CONTEXT, &encrypted).await;
    assert!(matches!(failed, Err(CallError::Unavailable(_))));
    assert!(provider.decrypt(&CONTEXT, &encrypted).await.is_ok());
}

#[tokio::test]
async fn a_key_must_say_that_it_cannot_leave() {
    for (key_says, why) in [(Some(true), "CKA_EXTRACTABLE"), (None, "CKA_EXTRACTABLE")] {
        let hsm = Hsm::new();
        let (provider, _folder) = key(&hsm, false);
        hsm.describe_key(|key| key.is_extractable = key_says);
        assert!(refusal(&provider).await.contains(why));
        hsm.describe_key(|key| (key.is_extractable, key.is_sensitive) = (Some(false), key_says.map(|it| !it)));
        assert!(refusal(&provider).await.contains("CKA_SENSITIVE"));
        hsm.describe_key(|key| (key.is_sensitive, key.is_aes_256) = (Some(true), key_says.map(|it| !it)));
        assert!(refusal(&provider).await.contains("AES-256"));
    }
}

#[tokio::test]
async fn two_keys_of_one_number_both_decrypt_and_are_destroyed_together() {
    let hsm = Hsm::new();
    let (provider, _folder) = key(&hsm, false);
    let wrapping = Key32::generate();
    let mut made = Vec::new();
    // Two processes that make the next generation at once.
    for id in [[0, 0, 0, 2, 5], [0, 0, 0, 2, 9]] {
        hsm.add_key(&id);
        made.push(provider.encrypt(&CONTEXT, &wrapping).await.unwrap());
    }
    assert_eq!(made.iter().map(|it| it.generation).collect::<Vec<_>>(), [2, 2]);
    for it in &made {
        assert!(provider.decrypt(&CONTEXT, &it.ciphertext).await.is_ok());
    }
    provider.rotate().await.unwrap();
    provider.destroy_generation(2).await.unwrap();
    for it in &made {
        let opened = provider.decrypt(&CONTEXT, &it.ciphertext).await;
        assert_eq!(opened.err(), Some(CallError::UnknownGeneration(2)));
    }
    let states: Vec<_> = provider.generations().await.unwrap().into_iter().map(|known| known.state).collect();
    assert_eq!(states, [GenerationState::DecryptOnly, GenerationState::Destroyed, GenerationState::Active]);
}

#[tokio::test]
async fn keys_that_somebody_makes_wrongly_keep_nothing_from_being_decrypted() {
    let hsm = Hsm::new();
    let (provider, _folder) = key(&hsm, false);
    let wrapping = Key32::generate();
    let encrypted = provider.encrypt(&CONTEXT, &wrapping).await.unwrap().ciphertext;
    for (id, why) in [(&[1][..], "same CKA_ID"), (&[0xde, 0xad, 0xbe, 0xef], "deadbeef")] {
        hsm.add_key(id);
        assert!(refusal(&provider).await.contains(why));
        assert!(provider.rotate().await.is_err());
        assert_eq!(provider.decrypt(&CONTEXT, &encrypted).await.unwrap().expose(), wrapping.expose());
    }
}

#[tokio::test]
async fn a_rotation_is_not_repeated() {
    let hsm = Hsm::new();
    let (provider, _folder) = key(&hsm, false);
    hsm.fail("generate", RvError::DeviceError, Function::GenerateKey);
    assert!(matches!(provider.rotate().await, Err(CallError::Unavailable(_))));
    hsm.fail("generate", RvError::TokenWriteProtected, Function::GenerateKey);
    assert!(matches!(provider.rotate().await, Err(CallError::Unsupported(_))));
    assert_eq!(provider.generations().await.unwrap().len(), 1);
    hsm.add_key(&10_000_u32.to_be_bytes());
    assert!(matches!(provider.rotate().await, Err(CallError::Unsupported(_))));
}

#[tokio::test]
async fn a_library_that_hangs_costs_time_and_nothing_else() {
    let hsm = Hsm::new();
    let (provider, _folder) = key(&hsm, false);
    let limits = Limits { attempt: Duration::from_millis(50), call: Duration::from_millis(60), ..Limits::default() };
    let keys = Arc::new(RemoteRootKeys::new("hsm", Box::new(provider), limits));
    hsm.state().pause = Duration::from_millis(200);
    let mut tasks = JoinSet::new();
    for _ in 0..64 {
        let keys = Arc::clone(&keys);
        tasks.spawn(async move { keys.wrap(&CONTEXT, &Key32::generate()).await.is_err() });
    }
    assert_eq!(tasks.join_all().await, [true; 64]);
    assert_eq!(keys.stats().state(), CircuitState::Open);
    hsm.state().pause = Duration::ZERO;
    while keys.wrap(&CONTEXT, &Key32::generate()).await.is_err() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(keys.stats().state(), CircuitState::Closed);
}

#[test]
fn settings_that_name_nothing_are_refused() {
    let settings = |module: &str, label: Option<&str>, serial: Option<&str>, key: &str| {
        let text = |text: Option<&str>| text.map(str::to_owned);
        let settings = Pkcs11Settings {
            module: module.into(),
            token_label: text(label),
            token_serial: text(serial),
            key: key.to_owned(),
            pin_file: SecretFile::new("/no/such/pin".as_ref()),
            create: false,
        };
        settings.provider().err().unwrap_or_default()
    };
    let library = softhsm::library();
    let library = library.to_str().unwrap();
    for (refused, why) in [
        (settings("libsofthsm2.so", Some("t"), None, "k"), "`module`"),
        (settings(library, None, None, "k"), "`token_label` or `token_serial`"),
        (settings(library, Some(""), None, "k"), "`token_label` or `token_serial`"),
        (settings(library, Some("t"), Some(""), "k"), "`token_label` or `token_serial`"),
        (settings(library, Some("t"), None, ""), "`key`"),
        (settings(library, Some("t"), None, "a\nb"), "`key`"),
    ] {
        assert!(refused.contains(why), "{refused}");
    }
    assert_eq!(settings(library, None, Some("42"), "k"), "", "nothing is asked yet");
}

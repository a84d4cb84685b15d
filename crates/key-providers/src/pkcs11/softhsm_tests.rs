//! Against SoftHSM.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use coffer_crypto::Key32;
use coffer_keyring::{GenerationState, KeyError, Purpose, RootKeys, WrapContext};
use tokio::task::JoinSet;

use super::Pkcs11Settings;
use super::softhsm::{PIN, SoftHsm};
use crate::guard::Limits;
use crate::provider::{CallError, Provider};
use crate::remote::RemoteRootKeys;

const CONTEXT: WrapContext = WrapContext { purpose: Purpose::MetadataKey, key_id: [1; 16], generation: 1 };

async fn opens(provider: &dyn Provider, ciphertext: &[u8], key: &Key32) -> bool {
    provider.decrypt(&CONTEXT, ciphertext).await.is_ok_and(|opened| opened.expose() == key.expose())
}

async fn refusal(provider: &dyn Provider) -> String {
    let refused = provider.encrypt(&CONTEXT, &Key32::generate()).await;
    let Err(CallError::Denied(why)) = refused else { panic!("{:?}", refused.err()) };
    assert!(!why.contains("canary"), "{why}");
    why
}

#[tokio::test]
async fn a_key_comes_back_in_its_context_alone() {
    let Some(hsm) = SoftHsm::of_process("a_key_comes_back_in_its_context_alone") else { return };
    hsm.token("coffer");
    hsm.key("coffer", "root", "01", &[]);
    let (provider, key) = (hsm.provider("coffer"), Key32::generate());
    let encrypted = provider.encrypt(&CONTEXT, &key).await.unwrap();
    assert_eq!(encrypted.generation, 1);
    assert_eq!(&encrypted.ciphertext[..2], [1, 1], "the id of the key and its length");
    assert_eq!(encrypted.ciphertext.len(), 2 + 12 + 32 + 16);
    assert!(opens(&*provider, &encrypted.ciphertext, &key).await);
    let other = WrapContext { key_id: [2; 16], ..CONTEXT };
    assert_eq!(provider.decrypt(&other, &encrypted.ciphertext).await.err(), Some(CallError::WrongKey));
    for at in 2..encrypted.ciphertext.len() {
        let mut bad = encrypted.ciphertext.clone();
        bad[at] ^= 1;
        assert_eq!(provider.decrypt(&CONTEXT, &bad).await.err(), Some(CallError::WrongKey), "{at}");
    }
    for len in 0..31 {
        let cut = &encrypted.ciphertext[..len];
        assert_eq!(provider.decrypt(&CONTEXT, cut).await.err(), Some(CallError::WrongKey), "{len}");
    }
    assert!(opens(&*provider, &encrypted.ciphertext, &key).await);
}

#[tokio::test]
async fn a_token_that_is_taken_away_is_found_again() {
    let Some(hsm) = SoftHsm::of_process("a_token_that_is_taken_away_is_found_again") else { return };
    hsm.token("coffer");
    hsm.key("coffer", "root", "01", &[]);
    let mut settings = hsm.settings("coffer");
    // With the token away, no key may be made in its place.
    settings.create = true;
    let (provider, key) = (settings.provider().unwrap(), Key32::generate());
    let encrypted = provider.encrypt(&CONTEXT, &key).await.unwrap().ciphertext;
    let (there, away) = (hsm.folder_of_token(), hsm.path().join("away"));
    for _ in 0..2 {
        fs::rename(&there, &away).unwrap();
        for _ in 0..2 {
            assert!(matches!(provider.encrypt(&CONTEXT, &key).await, Err(CallError::Unavailable(_))));
            assert!(matches!(provider.decrypt(&CONTEXT, &encrypted).await, Err(CallError::Unavailable(_))));
            assert!(matches!(provider.rotate().await, Err(CallError::Unavailable(_))));
        }
        fs::rename(&away, &there).unwrap();
        assert!(opens(&*provider, &encrypted, &key).await);
        assert_eq!(provider.encrypt(&CONTEXT, &key).await.unwrap().generation, 1);
    }
}

#[tokio::test]
async fn a_token_that_is_away_keeps_no_other_from_working() {
    let Some(hsm) = SoftHsm::of_process("a_token_that_is_away_keeps_no_other_from_working") else { return };
    hsm.token("coffer");
    hsm.key("coffer", "root", "01", &[]);
    let (here, elsewhere, key) = (hsm.provider("coffer"), hsm.provider("elsewhere"), Key32::generate());
    for _ in 0..3 {
        let encrypted = here.encrypt(&CONTEXT, &key).await.unwrap().ciphertext;
        let refused = elsewhere.decrypt(&CONTEXT, &encrypted).await.err();
        let Some(CallError::Unavailable(why)) = refused else { panic!("{refused:?}") };
        assert!(why.contains("no token elsewhere") && why.contains("coffer"), "{why}");
        assert!(opens(&*here, &encrypted, &key).await);
    }
}

#[tokio::test]
async fn a_key_is_rotated_and_old_generations_open_until_they_are_destroyed() {
    let test = "a_key_is_rotated_and_old_generations_open_until_they_are_destroyed";
    let Some(hsm) = SoftHsm::of_process(test) else { return };
    hsm.token("coffer");
    hsm.key("coffer", "root", "01", &[]);
    hsm.key("coffer", "another", "07", &[]);
    let (provider, key) = (hsm.provider("coffer"), Key32::generate());
    let first = provider.encrypt(&CONTEXT, &key).await.unwrap();
    provider.rotate().await.unwrap();
    let second = provider.encrypt(&CONTEXT, &key).await.unwrap();
    // And one that somebody makes at the token.
    hsm.key("coffer", "root", "03", &[]);
    let third = provider.encrypt(&CONTEXT, &key).await.unwrap();
    assert_eq!([&first, &second, &third].map(|it| it.generation), [1, 2, 3]);
    for encrypted in [&first, &second, &third] {
        assert!(opens(&*provider, &encrypted.ciphertext, &key).await);
    }
    assert!(matches!(provider.destroy_generation(3).await, Err(CallError::Denied(_))), "it is in use");
    provider.destroy_generation(2).await.unwrap();
    assert_eq!(provider.decrypt(&CONTEXT, &second.ciphertext).await.err(), Some(CallError::UnknownGeneration(2)));
    assert!(opens(&*provider, &first.ciphertext, &key).await);
    let states = provider.generations().await.unwrap().into_iter().map(|known| known.state).collect::<Vec<_>>();
    assert_eq!(states, [GenerationState::DecryptOnly, GenerationState::Destroyed, GenerationState::Active]);
    let made = hsm.tool("coffer", &["-O", "--type", "secrkey"]);
    assert!(made.contains("another") && made.matches("never extractable").count() == 3, "{made}");
}

#[tokio::test]
async fn a_key_that_is_made_here_never_leaves_the_token() {
    let Some(hsm) = SoftHsm::of_process("a_key_that_is_made_here_never_leaves_the_token") else { return };
    hsm.token("coffer");
    let key = Key32::generate();
    assert!(refusal(&*hsm.provider("coffer")).await.contains("no key root"));
    let mut settings = hsm.settings("coffer");
    settings.create = true;
    let provider = settings.provider().unwrap();
    assert!(provider.generations().await.is_err(), "to look makes nothing");
    let encrypted = provider.encrypt(&CONTEXT, &key).await.unwrap();
    assert_eq!(encrypted.generation, 1);
    provider.encrypt(&CONTEXT, &key).await.unwrap();
    let made = hsm.tool("coffer", &["-O", "--type", "secrkey"]);
    assert_eq!(made.matches("AES length 32").count(), 1, "{made}");
    assert!(made.contains("sensitive, always sensitive, never extractable, local"), "{made}");
    assert!(opens(&*hsm.provider("coffer"), &encrypted.ciphertext, &key).await);
}

#[tokio::test]
async fn keys_that_could_leave_or_are_none_are_refused() {
    let Some(hsm) = SoftHsm::of_process("keys_that_could_leave_or_are_none_are_refused") else { return };
    for (token, key, why) in [
        ("extractable", &["AES:32", "--id", "01", "--sensitive", "--extractable"][..], "CKA_EXTRACTABLE"),
        ("readable", &["AES:32", "--id", "01"], "CKA_SENSITIVE"),
        ("short", &["AES:16", "--id", "01", "--sensitive"], "AES-256"),
        ("generic", &["GENERIC:32", "--id", "01", "--sensitive"], "AES-256"),
        ("hashed", &["AES:32", "--id", "5f2a77b0c1", "--sensitive"], "5f2a77b0c1"),
        ("zero", &["AES:32", "--id", "00", "--sensitive"], "CKA_ID 00"),
    ] {
        hsm.token(token);
        hsm.tool(token, &[&["--keygen", "--label", "root", "--key-type"], key].concat());
        assert!(refusal(&*hsm.provider(token)).await.contains(why), "{token}");
    }
    // A newer generation that could leave is not passed over.
    hsm.token("newer");
    hsm.key("newer", "root", "01", &[]);
    let (provider, key) = (hsm.provider("newer"), Key32::generate());
    let encrypted = provider.encrypt(&CONTEXT, &key).await.unwrap();
    hsm.key("newer", "root", "02", &["--extractable"]);
    assert!(refusal(&*provider).await.contains("CKA_EXTRACTABLE"));
    assert!(opens(&*provider, &encrypted.ciphertext, &key).await);
}

#[tokio::test]
async fn a_wrong_pin_is_tried_once() {
    let Some(hsm) = SoftHsm::of_process("a_wrong_pin_is_tried_once") else { return };
    hsm.token("coffer");
    hsm.key("coffer", "root", "01", &[]);
    let provider = hsm.provider("coffer");
    hsm.pin_file("canary-wrong");
    assert!(refusal(&*provider).await.contains("not that of the token's user"));
    // If it were tried again, it would do now.
    hsm.set_pin("coffer", "canary-wrong");
    for _ in 0..3 {
        assert!(refusal(&*provider).await.contains("not tried again"));
    }
    hsm.pin_file("canary-other");
    assert!(refusal(&*provider).await.contains("not that of the token's user"));
    hsm.set_pin("coffer", PIN);
    hsm.pin_file(PIN);
    assert!(provider.encrypt(&CONTEXT, &Key32::generate()).await.is_ok());
}

#[tokio::test]
async fn tokens_are_told_apart_by_label_and_serial_number() {
    let Some(hsm) = SoftHsm::of_process("tokens_are_told_apart_by_label_and_serial_number") else { return };
    hsm.token("coffer");
    hsm.key("coffer", "root", "01", &[]);
    let slots = hsm.run("softhsm2-util", &["--show-slots"]);
    let serial = slots.lines().find_map(|line| line.trim().strip_prefix("Serial number:")).unwrap().trim().to_owned();
    hsm.token("coffer");
    assert!(refusal(&*hsm.provider("coffer")).await.contains("token_serial"));
    for token_label in [None, Some("coffer".to_owned())] {
        let settings = Pkcs11Settings { token_label, token_serial: Some(serial.clone()), ..hsm.settings("coffer") };
        let provider = settings.provider().unwrap();
        assert!(provider.encrypt(&CONTEXT, &Key32::generate()).await.is_ok());
    }
}

#[tokio::test]
async fn what_is_no_library_is_refused() {
    let Some(hsm) = SoftHsm::of_process("what_is_no_library_is_refused") else { return };
    let garbage = hsm.path().join("garbage.so");
    fs::write(&garbage, "no library").unwrap();
    // A library, and none of PKCS#11.
    let libc = PathBuf::from("libc.so.6");
    let libc = ["/lib/x86_64-linux-gnu", "/lib/aarch64-linux-gnu"].map(|folder| PathBuf::from(folder).join(&libc));
    let libc = libc.into_iter().find(|path| path.exists()).unwrap();
    for (module, why) in
        [(hsm.path().join("missing.so"), "missing.so"), (garbage.clone(), "garbage.so"), (libc, "none of PKCS#11")]
    {
        let provider = Pkcs11Settings { module, ..hsm.settings("coffer") }.provider().unwrap();
        let said = refusal(&*provider).await;
        assert!(said.contains(why), "{said}");
    }
    fs::set_permissions(&garbage, fs::Permissions::from_mode(0o666)).unwrap();
    let writable = Pkcs11Settings { module: garbage, ..hsm.settings("coffer") }.provider();
    assert!(writable.err().unwrap().contains("written by others"));
}

#[tokio::test]
async fn many_tasks_wrap_and_unwrap_at_once_and_another_process_rotates() {
    let test = "many_tasks_wrap_and_unwrap_at_once_and_another_process_rotates";
    let Some(hsm) = SoftHsm::of_process(test) else { return };
    hsm.token("coffer");
    hsm.key("coffer", "root", "01", &[]);
    let keys = Arc::new(RemoteRootKeys::new("hsm", hsm.provider("coffer"), Limits::default()));
    let mut tasks = JoinSet::new();
    for number in 0..64 {
        let keys = Arc::clone(&keys);
        tasks.spawn(async move {
            let context = WrapContext { key_id: [100 + number; 16], ..CONTEXT };
            for _ in 0..4 {
                let key = Key32::generate();
                let wrapped = keys.wrap(&context, &key).await.unwrap();
                assert_eq!(keys.unwrap(&context, &wrapped).await.unwrap().expose(), key.expose());
                assert!(matches!(keys.unwrap(&CONTEXT, &wrapped).await, Err(KeyError::WrongKey)));
            }
        });
    }
    hsm.key("coffer", "root", "02", &[]);
    tasks.join_all().await;
    keys.wrap(&CONTEXT, &Key32::generate()).await.unwrap();
    assert_eq!(keys.describe().generation, 2);
    assert_eq!(keys.describe().provider, "pkcs11");
}

//! Data keys as S3 asks for them, in the name of callers of every kind.

use std::collections::BTreeMap;
use std::sync::Arc;

use coffer_access::{Caller, Context, Policy, PolicyKind, Principal};
use coffer_keyring::{KmsError, SealedDataKey};
use serde_json::json;

use crate::authority::Authority;
use crate::data_keys::DataKey;
use crate::keys::S3_ALIAS;
use crate::testing::{ACCOUNT, World};

const S3: &str = "s3.eu-1.amazonaws.com";
const OTHER: &str = "111122223333";
const USE: &[&str] = &["kms:GenerateDataKey", "kms:Decrypt"];

fn user(account: &str, allowed: Option<&str>) -> Caller {
    let principal = Principal::User {
        account: account.to_owned(),
        path: "/".to_owned(),
        name: "ann".to_owned(),
        id: "AIDAANN".to_owned(),
    };
    let mut caller = Caller::bare(principal, "User");
    if let Some(action) = allowed {
        let document = format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"{action}","Resource":"*"}}}}"#
        );
        caller.identity_policies.push(Arc::new(Policy::parse(&document, PolicyKind::Identity, 6144).unwrap()));
    }
    caller
}

fn context(object: &str) -> BTreeMap<String, String> {
    [("aws:s3:arn".to_owned(), format!("arn:aws:s3:::b/{object}"))].into()
}

/// Somebody who asks, themselves or by way of S3.
struct Asking {
    caller: Caller,
    context: Context,
    via: Option<&'static str>,
}

impl Asking {
    fn by_s3(caller: Caller) -> Self {
        Self { caller, context: Context::new(), via: Some(S3) }
    }

    fn directly(caller: Caller) -> Self {
        Self { caller, context: Context::new(), via: None }
    }

    fn authority(&self) -> Authority<'_> {
        Authority::Caller { caller: &self.caller, context: &self.context, via: self.via, request_id: "r" }
    }

    async fn draw(&self, world: &World, key: Option<&str>) -> Result<DataKey, KmsError> {
        world.kms.generate_data_key(&self.authority(), key, context("a")).await
    }

    async fn open(&self, world: &World, sealed: &SealedDataKey) -> Result<[u8; 32], KmsError> {
        Ok(*world.kms.decrypt_data_key(&self.authority(), sealed).await?.expose())
    }
}

fn code<T>(outcome: Result<T, KmsError>) -> &'static str {
    outcome.err().expect("a refusal").code
}

#[tokio::test]
async fn a_data_key_opens_for_who_may_in_its_context_only() {
    let world = World::new();
    let key = world.key().await;
    let ann = Asking::by_s3(user(ACCOUNT, Some("kms:*")));
    let drawn = ann.draw(&world, Some(&key)).await.unwrap();
    assert_eq!(ann.open(&world, &drawn.sealed).await.unwrap(), *drawn.plaintext.expose());
    let mut moved = drawn.sealed.clone();
    moved.context = context("b");
    assert_eq!(code(ann.open(&world, &moved).await), "InvalidCiphertextException");
    let mut damaged = drawn.sealed.clone();
    damaged.ciphertext.pop();
    assert_eq!(code(ann.open(&world, &damaged).await), "InvalidCiphertextException");
    for other in [user(ACCOUNT, None), user(ACCOUNT, Some("kms:GenerateDataKey")), user(OTHER, Some("kms:*"))] {
        assert_eq!(code(Asking::by_s3(other).open(&world, &drawn.sealed).await), "AccessDeniedException");
    }
    let nobody = Asking::by_s3(Caller::anonymous());
    assert_eq!(code(nobody.open(&world, &drawn.sealed).await), "AccessDeniedException");
}

#[tokio::test]
async fn the_key_of_s3_is_for_its_account_by_way_of_s3() {
    let world = World::new();
    let ann = Asking::by_s3(user(ACCOUNT, None));
    let drawn = ann.draw(&world, None).await.unwrap();
    assert_eq!(ann.open(&world, &drawn.sealed).await.unwrap(), *drawn.plaintext.expose());
    for other in [
        Asking::directly(user(ACCOUNT, Some("kms:*"))),
        Asking::directly(Caller::root(ACCOUNT)),
        Asking::by_s3(user(OTHER, Some("kms:*"))),
        Asking::by_s3(Caller::root(OTHER)),
        Asking::by_s3(Caller::anonymous()),
        Asking { via: Some("ec2.eu-1.amazonaws.com"), ..Asking::by_s3(user(ACCOUNT, Some("kms:*"))) },
    ] {
        assert_eq!(code(other.open(&world, &drawn.sealed).await), "AccessDeniedException");
    }
    // Each account has its own.
    let theirs = Asking::by_s3(user(OTHER, None)).draw(&world, None).await.unwrap();
    assert!(theirs.sealed.key_arn.contains(OTHER) && !drawn.sealed.key_arn.contains(OTHER));
    let arn = format!("arn:aws:kms:eu-1:{ACCOUNT}:{S3_ALIAS}");
    assert_eq!(code(Asking::by_s3(user(OTHER, Some("kms:*"))).draw(&world, Some(&arn)).await), "AccessDeniedException");
}

#[tokio::test]
async fn a_request_cannot_say_by_itself_what_the_kms_finds_out() {
    let world = World::new();
    let drawn = Asking::by_s3(user(ACCOUNT, None)).draw(&world, None).await.unwrap();
    let mut liar = Asking::by_s3(user(OTHER, Some("kms:*")));
    liar.context.set("kms:CallerAccount", ACCOUNT);
    assert_eq!(code(liar.open(&world, &drawn.sealed).await), "AccessDeniedException");
}

#[tokio::test]
async fn whether_somebody_may_is_decided_without_a_data_key() {
    let world = World::new();
    let key = world.key().await;
    let ann = Asking::by_s3(user(ACCOUNT, Some("kms:*")));
    let arn = world.kms.authorize_data_key(&ann.authority(), USE, Some(&key), &context("a")).await.unwrap();
    assert_eq!(arn, world.kms.key_arn(&ann.authority(), Some(&key)).await.unwrap());
    let weak = Asking::by_s3(user(ACCOUNT, Some("kms:GenerateDataKey")));
    let asked = weak.authority();
    world.kms.authorize_data_key(&asked, &USE[..1], Some(&key), &context("a")).await.unwrap();
    let both = world.kms.authorize_data_key(&asked, USE, Some(&key), &context("a")).await;
    assert_eq!(code(both), "AccessDeniedException");
    world.call("DisableKey", &json!({ "KeyId": key })).await.unwrap();
    let disabled = world.kms.authorize_data_key(&ann.authority(), USE, Some(&key), &context("a")).await;
    assert_eq!(code(disabled), "DisabledException");
    let none = world.kms.authorize_data_key(&ann.authority(), USE, Some("alias/none"), &context("a")).await;
    assert_eq!(code(none), "NotFoundException");
}

#[tokio::test]
async fn a_key_that_is_disabled_denies_what_is_still_in_memory() {
    let world = World::new();
    let key = world.key().await;
    let ann = Asking::by_s3(user(ACCOUNT, Some("kms:*")));
    let drawn = ann.draw(&world, Some(&key)).await.unwrap();
    world.call("DisableKey", &json!({ "KeyId": key })).await.unwrap();
    assert_eq!(code(ann.open(&world, &drawn.sealed).await), "DisabledException");
    assert_eq!(code(ann.draw(&world, Some(&key)).await), "DisabledException");
    world.call("ScheduleKeyDeletion", &json!({ "KeyId": key })).await.unwrap();
    assert_eq!(code(ann.open(&world, &drawn.sealed).await), "KMSInvalidStateException");
    assert_eq!(
        code(world.kms.re_encrypt_data_key(&Authority::Coffer, &drawn.sealed).await),
        "KMSInvalidStateException"
    );
}

#[tokio::test]
async fn a_provider_that_is_down_is_a_failure_and_no_denial() {
    let world = World::new();
    let key = world.key().await;
    let ann = Asking::by_s3(user(ACCOUNT, Some("kms:*")));
    let drawn = ann.draw(&world, Some(&key)).await.unwrap();
    let other = world.other_process();
    world.root.set_down(true);
    let error = other.decrypt_data_key(&ann.authority(), &drawn.sealed).await.err().unwrap();
    assert!(error.is_temporary());
    let denied = Asking::by_s3(user(ACCOUNT, None));
    assert_eq!(code(other.decrypt_data_key(&denied.authority(), &drawn.sealed).await), "AccessDeniedException");
    world.root.set_down(false);
    other.decrypt_data_key(&ann.authority(), &drawn.sealed).await.unwrap();
}

#[tokio::test]
async fn a_job_moves_data_keys_to_newer_material() {
    let world = World::new();
    let key = world.key().await;
    let ann = Asking::by_s3(user(ACCOUNT, Some("kms:*")));
    let old = ann.draw(&world, Some(&key)).await.unwrap();
    world.call("RotateKeyOnDemand", &json!({ "KeyId": key })).await.unwrap();
    assert_eq!(world.kms.current_generation_for(&old.sealed).await.unwrap(), 2);
    let new = world.kms.re_encrypt_data_key(&Authority::Coffer, &old.sealed).await.unwrap();
    assert_eq!((world.kms.generation_of(&old.sealed), world.kms.generation_of(&new)), (Some(1), Some(2)));
    assert_eq!((&new.key_arn, &new.context), (&old.sealed.key_arn, &old.sealed.context));
    for sealed in [&old.sealed, &new] {
        assert_eq!(ann.open(&world, sealed).await.unwrap(), *old.plaintext.expose());
    }
    let weak = Asking::directly(user(ACCOUNT, Some("kms:ReEncryptFrom")));
    assert_eq!(code(world.kms.re_encrypt_data_key(&weak.authority(), &old.sealed).await), "AccessDeniedException");
    let nonsense = SealedDataKey { ciphertext: b"nonsense".to_vec(), ..old.sealed };
    assert_eq!(world.kms.generation_of(&nonsense), None);
    assert_eq!(code(world.kms.re_encrypt_data_key(&Authority::Coffer, &nonsense).await), "InvalidCiphertextException");
}

#[tokio::test]
async fn every_use_denial_and_failure_is_noted() {
    let world = World::new();
    let key = world.key().await;
    let (ann, weak) = (Asking::by_s3(user(ACCOUNT, Some("kms:*"))), Asking::by_s3(user(ACCOUNT, None)));
    let drawn = ann.draw(&world, Some(&key)).await.unwrap();
    let arn = drawn.sealed.key_arn.clone();
    world.audit.take();
    ann.open(&world, &drawn.sealed).await.unwrap();
    assert!(weak.open(&world, &drawn.sealed).await.is_err());
    assert!(world.kms.authorize_data_key(&weak.authority(), USE, Some(&key), &context("a")).await.is_err());
    world.kms.re_encrypt_data_key(&Authority::Coffer, &drawn.sealed).await.unwrap();
    world.call("GenerateDataKey", &json!({ "KeyId": key, "KeySpec": "AES_128" })).await.unwrap();
    assert_eq!(world.code("Decrypt", &json!({ "CiphertextBlob": "AAAA" })).await, "InvalidCiphertextException");
    let who = format!("arn:aws:iam::{ACCOUNT}:user/ann");
    let root = format!("arn:aws:iam::{ACCOUNT}:root");
    let denied = || Some("AccessDeniedException".to_owned());
    let expected = [
        ("kms:Decrypt", arn.clone(), who.clone(), None),
        ("kms:Decrypt", arn.clone(), who.clone(), denied()),
        ("kms:GenerateDataKey", arn.clone(), who, denied()),
        ("kms:ReEncryptFrom", arn.clone(), "coffer".to_owned(), None),
        ("kms:ReEncryptTo", arn.clone(), "coffer".to_owned(), None),
        ("kms:GenerateDataKey", arn, root.clone(), None),
        ("kms:Decrypt", "unknown".to_owned(), root, Some("InvalidCiphertextException".to_owned())),
    ];
    assert_eq!(world.audit.take(), expected);
}

#[tokio::test]
async fn who_may_not_even_look_is_noted() {
    let world = World::new();
    let key = json!({ "KeyId": world.key().await });
    world.audit.take();
    let nobody = Arc::new(user(ACCOUNT, None));
    let looks = [
        "DescribeKey",
        "GetKeyPolicy",
        "GetKeyRotationStatus",
        "ListGrants",
        "ListKeyPolicies",
        "ListKeyRotations",
        "ListResourceTags",
        "GetPublicKey",
        "Sign",
    ];
    for action in looks {
        assert_eq!(world.call_as(&nobody, action, &key).await.err().unwrap().code, "AccessDeniedException");
    }
    let noted: Vec<_> = world.audit.take().into_iter().map(|(action, _, _, code)| (action, code)).collect();
    let denied = Some("AccessDeniedException".to_owned());
    let expected: Vec<_> = looks.iter().map(|action| (format!("kms:{action}"), denied.clone())).collect();
    assert_eq!(noted.iter().map(|(action, code)| ((*action).to_owned(), code.clone())).collect::<Vec<_>>(), expected);
    for action in looks {
        let _ = world.call(action, &key).await;
    }
    assert!(world.audit.take().is_empty(), "to look is no use of a key");
}

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::time::Duration;

use coffer_keyring::Purpose;

use super::*;
use crate::secret_file::SecretFile;
use crate::testing::{Reply, Script, To};

const CONTEXT: WrapContext = WrapContext { purpose: Purpose::MetadataKey, key_id: [1; 16], generation: 1 };
const PLAINTEXT: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";

fn secret(folder: &tempfile::TempDir) -> SecretFile {
    let path = folder.path().join("secret");
    fs::write(&path, "canary-secret\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    SecretFile::new(&path)
}

fn settings(auth: TransitAuth) -> TransitSettings {
    TransitSettings {
        endpoint: Endpoint::parse("https://vault.example:8200", false).unwrap(),
        namespace: Some("team".to_owned()),
        mount: "transit".to_owned(),
        key: "coffer".to_owned(),
        auth,
    }
}

fn transit(script: &Arc<Script>) -> Transit {
    let folder = tempfile::tempdir().unwrap();
    let auth = TransitAuth::Token(secret(&folder));
    let transit = Transit::new(settings(auth), Box::new(To(Arc::clone(script)))).unwrap();
    // The token is read for each call.
    let _ = folder.keep();
    transit
}

fn with_role(script: &Arc<Script>) -> Transit {
    let folder = tempfile::tempdir().unwrap();
    let auth =
        TransitAuth::AppRole { mount: "approle".to_owned(), role_id: "role".to_owned(), secret_id: secret(&folder) };
    let transit = Transit::new(settings(auth), Box::new(To(Arc::clone(script)))).unwrap();
    let _ = folder.keep();
    transit
}

async fn decrypted(status: u16, body: &str) -> Result<Key32, CallError> {
    transit(&Script::answers(&[(status, body)])).decrypt(&CONTEXT, b"vault:v1:abcd").await
}

#[tokio::test]
async fn a_request_says_what_transit_needs() {
    let script = Script::answers(&[(200, r#"{"data":{"ciphertext":"vault:v3:abcd"}}"#)]);
    let made = transit(&script).encrypt(&CONTEXT, &Key32::from_slice(&[7; 32]).unwrap()).await.unwrap();
    assert_eq!((made.ciphertext.as_slice(), made.generation), (&b"vault:v3:abcd"[..], 3));
    let asked = &script.asked()[0];
    assert!(asked.starts_with("POST /v1/transit/encrypt/coffer HTTP/1.1\r\n"), "{asked}");
    for header in ["x-vault-token: canary-secret\r\n", "x-vault-namespace: team\r\n", "host: vault.example:8200\r\n"] {
        assert!(asked.contains(header), "{asked}");
    }
    let body: Value = serde_json::from_str(asked.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(body["plaintext"], PLAINTEXT);
    assert_eq!(STANDARD.decode(body["associated_data"].as_str().unwrap()).unwrap(), associated_data(&CONTEXT));
}

#[tokio::test]
async fn a_key_is_decrypted() {
    let answer = format!(r#"{{"data":{{"plaintext":"{PLAINTEXT}"}}}}"#);
    assert_eq!(decrypted(200, &answer).await.ok().unwrap().expose(), &[7; 32]);
}

#[tokio::test]
async fn answers_are_told_apart() {
    let error = async |status, text: &str| {
        decrypted(status, &format!(r#"{{"errors":["{text} canary-secret"]}}"#)).await.err().unwrap()
    };
    for (status, text, expected) in [
        (400, "cipher: message authentication failed", CallError::WrongKey),
        (400, "invalid ciphertext: no prefix", CallError::WrongKey),
        (400, "ciphertext or signature version is disallowed by policy (too old)", CallError::UnknownGeneration(1)),
    ] {
        assert_eq!(error(status, text).await, expected, "{text}");
    }
    for (status, text) in [(400, "encryption key not found"), (400, "what"), (403, "permission denied"), (404, "")] {
        assert!(matches!(error(status, text).await, CallError::Denied(_)), "{status} {text}");
    }
    for status in [429, 472, 473, 500, 502, 503] {
        assert!(matches!(error(status, "sealed").await, CallError::Unavailable(_)), "{status}");
    }
    let quoted = error(500, "x").await.to_string() + &error(400, "what").await.to_string();
    assert!(!quoted.contains("canary"), "{quoted}");
}

#[tokio::test]
async fn hostile_answers_are_no_keys() {
    for body in [
        "",
        "null",
        "[]",
        "{",
        r#"{"data":null}"#,
        r#"{"data":{"plaintext":7}}"#,
        r#"{"data":{"plaintext":"BwcH"}}"#,
        r#"{"data":{"plaintext":"not base64"}}"#,
        r#"{"data":{"ciphertext":"vault:v1:abcd"}}"#,
    ] {
        assert!(matches!(decrypted(200, body).await, Err(CallError::Unavailable(_))), "{body}");
    }
    assert!(matches!(decrypted(204, "").await, Err(CallError::Unavailable(_))));
    assert!(matches!(decrypted(200, &" ".repeat(100_000)).await, Err(CallError::Unavailable(_))));
    for raw in [
        "",
        "SSH-2.0-x\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{",
        "HTTP/1.1 302 X\r\nlocation: http://x\r\ncontent-length: 0\r\n\r\n",
    ] {
        let script = Script::new([Reply::Raw(raw.as_bytes().to_vec())]);
        let outcome = transit(&script).decrypt(&CONTEXT, b"vault:v1:abcd").await;
        assert!(matches!(outcome, Err(CallError::Unavailable(_))), "{raw}");
    }
}

#[tokio::test]
async fn a_ciphertext_without_a_version_is_not_taken() {
    for text in
        ["", "abcd", "vault:v0:abcd", "vault:v01:a", "vault:v+1:a", "vault:v1", "vault:v1:", "vault:v99999999999:a"]
    {
        let script = Script::answers(&[(200, &json!({"data": {"ciphertext": text}}).to_string())]);
        let outcome = transit(&script).encrypt(&CONTEXT, &Key32::generate()).await;
        assert!(matches!(outcome, Err(CallError::Unavailable(_))), "{text}");
        assert!(
            matches!(transit(&script).decrypt(&CONTEXT, text.as_bytes()).await, Err(CallError::WrongKey)),
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_path_that_leads_elsewhere_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (mount, key) in
        [("", "k"), ("a/../sys", "k"), ("a?b", "k"), ("/a", "k"), ("a", ""), ("a", "x/y"), ("a", ".."), ("a", "k#")]
    {
        let auth = TransitAuth::Token(secret(&folder));
        let settings = TransitSettings { mount: mount.to_owned(), key: key.to_owned(), ..settings(auth) };
        assert!(Transit::new(settings, Box::new(To(Script::new([])))).is_err(), "{mount} {key}");
    }
}

const LOGIN: &str = r#"{"auth":{"client_token":"t1","lease_duration":100,"renewable":true}}"#;
const AGAIN: &str = r#"{"auth":{"client_token":"t2","lease_duration":100,"renewable":true}}"#;
const ENCRYPTED: &str = r#"{"data":{"ciphertext":"vault:v1:abcd"}}"#;

async fn encrypt(transit: &Transit) -> Result<Encrypted, CallError> {
    transit.encrypt(&CONTEXT, &Key32::generate()).await
}

fn lines(script: &Script) -> Vec<String> {
    let token = |request: &String| {
        let token = request.lines().find_map(|line| line.strip_prefix("x-vault-token: ")).unwrap_or("-").to_owned();
        let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
        format!("{path} {token}")
    };
    script.asked().iter().map(token).collect()
}

#[tokio::test(start_paused = true)]
async fn a_role_logs_in_once_and_renews_its_token_at_half_of_its_life() {
    let script = Script::answers(&[(200, LOGIN), (200, ENCRYPTED), (200, ENCRYPTED), (200, LOGIN), (200, ENCRYPTED)]);
    let transit = with_role(&script);
    encrypt(&transit).await.unwrap();
    encrypt(&transit).await.unwrap();
    tokio::time::advance(Duration::from_secs(50)).await;
    encrypt(&transit).await.unwrap();
    let (login, use_it, renew) =
        ("/v1/auth/approle/login -", "/v1/transit/encrypt/coffer t1", "/v1/auth/token/renew-self t1");
    assert_eq!(lines(&script), [login, use_it, use_it, renew, use_it]);
    assert!(script.asked()[0].contains(r#""secret_id":"canary-secret""#));
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_refused_is_replaced_once() {
    let script = Script::answers(&[(200, LOGIN), (403, "{}"), (200, AGAIN), (200, ENCRYPTED)]);
    encrypt(&with_role(&script)).await.unwrap();
    assert_eq!(lines(&script)[3], "/v1/transit/encrypt/coffer t2");
    let script = Script::answers(&[(200, LOGIN), (403, "{}"), (200, AGAIN), (403, "{}")]);
    assert!(matches!(encrypt(&with_role(&script)).await, Err(CallError::Denied(_))));
    assert_eq!(script.asked().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_cannot_be_renewed_is_replaced_and_a_login_can_fail() {
    let script = Script::answers(&[(200, LOGIN), (200, ENCRYPTED), (403, "{}"), (200, AGAIN), (200, ENCRYPTED)]);
    let transit = with_role(&script);
    encrypt(&transit).await.unwrap();
    tokio::time::advance(Duration::from_secs(50)).await;
    encrypt(&transit).await.unwrap();
    assert_eq!(lines(&script)[4], "/v1/transit/encrypt/coffer t2");
    for (status, is_final) in [(400, true), (403, true), (500, false)] {
        let outcome = encrypt(&with_role(&Script::answers(&[(status, "{}")]))).await;
        assert_eq!(matches!(outcome, Err(CallError::Denied(_))), is_final, "{status}");
        assert!(outcome.is_err());
    }
    assert!(encrypt(&with_role(&Script::answers(&[(200, r#"{"auth":{"client_token":""}}"#)]))).await.is_err());
}

fn state(latest: u32, min_available: u32) -> String {
    let versions: serde_json::Map<_, _> =
        (min_available.max(1)..=latest).map(|v| (v.to_string(), json!(1000 + v))).collect();
    json!({"data": {"latest_version": latest, "min_available_version": min_available, "min_decryption_version": 1,
        "keys": versions}})
    .to_string()
}

#[tokio::test]
async fn generations_are_the_versions_of_the_key() {
    let generations = transit(&Script::answers(&[(200, &state(3, 2))])).generations().await.unwrap();
    let expected = [
        (1, GenerationState::Destroyed, None),
        (2, GenerationState::DecryptOnly, Some(1002)),
        (3, GenerationState::Active, Some(1003)),
    ];
    assert_eq!(generations.iter().map(|g| (g.generation, g.state, g.created)).collect::<Vec<_>>(), expected);
    for bad in [0, 4_000_000_000_u32] {
        let answer = json!({"data": {"latest_version": bad}}).to_string();
        assert!(transit(&Script::answers(&[(200, &answer)])).generations().await.is_err(), "{bad}");
    }
}

#[tokio::test]
async fn a_token_that_may_only_encrypt_learns_of_the_newest_version_by_that() {
    let script = Script::answers(&[(403, "{}"), (200, r#"{"data":{"ciphertext":"vault:v3:abcd"}}"#)]);
    let known = transit(&script).generations().await.unwrap();
    let states: Vec<_> = known.iter().map(|known| (known.generation, known.state)).collect();
    let (old, active) = (GenerationState::DecryptOnly, GenerationState::Active);
    assert_eq!(states, [(1, old), (2, old), (3, active)]);
    let script = Script::answers(&[(403, "{}"), (403, "{}")]);
    assert!(matches!(transit(&script).generations().await, Err(CallError::Denied(_))));
}

#[tokio::test]
async fn a_generation_is_destroyed_when_all_older_ones_are() {
    let script = Script::answers(&[(200, &state(4, 2)), (200, "{}"), (200, "{}")]);
    transit(&script).destroy_generation(2).await.unwrap();
    let asked = script.asked();
    assert!(asked[1].contains(r#"{"min_decryption_version":3,"min_encryption_version":4}"#), "{}", asked[1]);
    assert!(asked[2].contains(r#"{"min_available_version":3}"#), "{}", asked[2]);
    let script = Script::answers(&[(200, &state(4, 2))]);
    assert!(matches!(transit(&script).destroy_generation(3).await, Err(CallError::Unsupported(_))));
    assert_eq!(script.asked().len(), 1);
}

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use coffer_keyring::Purpose;

use super::*;
use crate::testing::{Reply, Script, To};

const CONTEXT: WrapContext =
    WrapContext { purpose: Purpose::BucketKey { bucket_id: [9; 16] }, key_id: [1; 16], generation: 2 };
const ARN: &str = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
const PLAINTEXT: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";
const NO_ROTATIONS: &str = r#"{"Rotations":[],"Truncated":false}"#;

fn credentials() -> AwsCredentials {
    AwsCredentials::Given(AccessKey {
        id: "AKIAEXAMPLE".to_owned(),
        secret: SecretKey::new("canary-secret".to_owned()),
        session_token: Some(Zeroizing::new("session".to_owned())),
    })
}

fn settings(key_arn: &str, credentials: AwsCredentials) -> AwsKmsSettings {
    AwsKmsSettings {
        endpoint: Endpoint::parse("https://kms.eu-west-1.amazonaws.com", false).unwrap(),
        region: "eu-west-1".to_owned(),
        key_arn: key_arn.to_owned(),
        credentials,
    }
}

fn kms(script: &Arc<Script>) -> AwsKms {
    AwsKms::new(settings(ARN, credentials()), Box::new(To(Arc::clone(script)))).unwrap()
}

async fn decrypted(status: u16, body: &str) -> Result<Key32, CallError> {
    kms(&Script::answers(&[(status, body)])).decrypt(&CONTEXT, b"ciphertext").await
}

fn plaintext(key_id: &str, plaintext: &str) -> String {
    json!({ "KeyId": key_id, "Plaintext": plaintext }).to_string()
}

#[tokio::test]
async fn a_request_is_signed_and_binds_the_context() {
    let answer = json!({ "KeyId": ARN, "CiphertextBlob": STANDARD.encode(b"ciphertext") }).to_string();
    let script = Script::answers(&[(200, NO_ROTATIONS), (200, &answer)]);
    let made = kms(&script).encrypt(&CONTEXT, &Key32::from_slice(&[7; 32]).unwrap()).await.unwrap();
    assert_eq!((made.ciphertext.as_slice(), made.generation), (&b"ciphertext"[..], 1));
    let asked = &script.asked()[1];
    assert!(asked.starts_with("POST / HTTP/1.1\r\n"), "{asked}");
    assert!(asked.contains("x-amz-target: TrentService.Encrypt\r\n"), "{asked}");
    assert!(asked.contains("x-amz-security-token: session\r\n"), "{asked}");
    let signed = "content-type;host;x-amz-content-sha256;x-amz-date;x-amz-security-token;x-amz-target";
    assert!(asked.contains(&format!("/eu-west-1/kms/aws4_request, SignedHeaders={signed}, Signature=")), "{asked}");
    assert!(!asked.contains("canary-secret"));
    let body: Value = serde_json::from_str(asked.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!((body["KeyId"].as_str(), body["Plaintext"].as_str()), (Some(ARN), Some(PLAINTEXT)));
    assert_eq!(
        body["EncryptionContext"],
        json!({
            "coffer:version": "1", "coffer:purpose": "bucket-key", "coffer:key-id": "01".repeat(16),
            "coffer:generation": "2", "coffer:bucket-id": "09".repeat(16),
        })
    );
}

#[tokio::test]
async fn a_key_is_decrypted_by_our_key_alone() {
    assert_eq!(decrypted(200, &plaintext(ARN, PLAINTEXT)).await.ok().unwrap().expose(), &[7; 32]);
    let other = ARN.replace("1234abcd", "ffffffff");
    assert!(matches!(decrypted(200, &plaintext(&other, PLAINTEXT)).await, Err(CallError::WrongKey)));
}

#[tokio::test]
async fn hostile_answers_are_no_keys() {
    for body in ["null", "[]", "{", r#"{"KeyId":7}"#] {
        assert!(decrypted(200, body).await.is_err(), "{body}");
    }
    for text in ["", "BwcH", "not base64", &STANDARD.encode([7; 33])] {
        assert!(matches!(decrypted(200, &plaintext(ARN, text)).await, Err(CallError::Unavailable(_))), "{text}");
    }
    for raw in ["", "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{", "HTTP/1.1 99 \r\n\r\n"] {
        let script = Script::new([Reply::Raw(raw.as_bytes().to_vec())]);
        let outcome = kms(&script).decrypt(&CONTEXT, b"ciphertext").await;
        assert!(matches!(outcome, Err(CallError::Unavailable(_))), "{raw}");
    }
}

#[tokio::test]
async fn refusals_are_told_apart_and_not_quoted() {
    let refused = async |status, code: &str| {
        let body = json!({ "__type": format!("com.amazonaws.kms#{code}"), "message": "canary-secret" }).to_string();
        let error = decrypted(status, &body).await.err().unwrap();
        assert!(!error.to_string().contains("canary"), "{error}");
        error
    };
    for code in ["IncorrectKeyException", "InvalidCiphertextException"] {
        assert_eq!(refused(400, code).await, CallError::WrongKey);
    }
    for code in [
        "NotFoundException",
        "DisabledException",
        "KMSInvalidStateException",
        "AccessDeniedException",
        "UnrecognizedClientException",
        "InvalidSignatureException",
        "ExpiredTokenException",
        "ValidationException",
    ] {
        assert!(matches!(refused(400, code).await, CallError::Denied(_)), "{code}");
    }
    for (status, code) in [
        (400, "ThrottlingException"),
        (400, "canary-unknown"),
        (500, "KMSInternalException"),
        (503, "DependencyTimeoutException"),
        (500, "KeyUnavailableException"),
    ] {
        assert!(matches!(refused(status, code).await, CallError::Unavailable(_)), "{code}");
    }
    assert!(matches!(refused(403, "").await, CallError::Denied(_)));
}

#[tokio::test]
async fn the_generation_counts_the_rotations_on_all_pages() {
    let first = r#"{"Rotations":[{"RotationDate":1700000002.5},{"RotationDate":1700000001}],"Truncated":true,"NextMarker":"m"}"#;
    let script = Script::answers(&[(200, first), (200, r#"{"Rotations":[{}],"Truncated":false}"#)]);
    let generations = kms(&script).generations().await.unwrap();
    assert!(script.asked()[1].contains(r#""Marker":"m""#));
    assert_eq!(generations.iter().map(|generation| generation.generation).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert_eq!(generations[3].state, GenerationState::Active);
    assert_eq!(generations[3].created, Some(1_700_000_002));
    let endless = Script::new((0..50).map(|_| Reply::Answer(200, first.to_owned())));
    assert!(kms(&endless).generations().await.is_err());
}

#[tokio::test]
async fn a_kms_that_lists_no_rotations_has_one_generation_and_is_not_rotated() {
    for (status, body) in [(400, r#"{"__type":"AccessDeniedException"}"#), (501, "")] {
        let generations = kms(&Script::answers(&[(status, body)])).generations().await.unwrap();
        assert_eq!(generations.len(), 1);
        let script = Script::answers(&[(status, body)]);
        assert!(matches!(kms(&script).rotate().await, Err(CallError::Unsupported(_))));
        assert_eq!(script.asked().len(), 1, "nothing was changed");
    }
}

#[tokio::test(start_paused = true)]
async fn a_rotation_is_over_when_it_is_listed() {
    let one = r#"{"Rotations":[{"RotationDate":1}]}"#;
    let script = Script::answers(&[(200, NO_ROTATIONS), (200, "{}"), (200, NO_ROTATIONS), (200, one)]);
    kms(&script).rotate().await.unwrap();
    assert!(script.asked()[1].contains("TrentService.RotateKeyOnDemand"));
    let never = [(200, NO_ROTATIONS), (200, "{}")].into_iter().chain([(200, NO_ROTATIONS); 8]).collect::<Vec<_>>();
    assert!(matches!(kms(&Script::answers(&never)).rotate().await, Err(CallError::Unavailable(_))));
    let limit = Script::answers(&[(200, NO_ROTATIONS), (400, r#"{"__type":"LimitExceededException"}"#)]);
    assert!(matches!(kms(&limit).rotate().await, Err(CallError::Unsupported(_))));
}

#[tokio::test]
async fn a_key_is_named_by_its_arn() {
    for arn in ["", "1234abcd", "alias/x", "arn:aws:kms:eu-west-1:1:alias/x", "arn:aws:s3:::b", "arn:aws:kms:r:1:key/"]
    {
        assert!(AwsKms::new(settings(arn, credentials()), Box::new(To(Script::new([])))).is_err(), "{arn}");
    }
}

#[tokio::test]
async fn credentials_of_a_file_are_read_for_each_call_and_never_quoted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("credentials");
    let write = |text: &str| {
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    };
    let script = Script::answers(&[(200, NO_ROTATIONS), (200, NO_ROTATIONS)]);
    write("access_key = \"FIRST\"\nsecret_key = \"s\"\n");
    let file = AwsCredentials::File(SecretFile::new(&path));
    let kms = AwsKms::new(settings(ARN, file), Box::new(To(Arc::clone(&script)))).unwrap();
    kms.generations().await.unwrap();
    write("access_key = \"SECOND\"\nsecret_key = \"s\"\nsession_token = \"t\"\n");
    kms.generations().await.unwrap();
    assert!(script.asked()[0].contains("Credential=FIRST/") && script.asked()[1].contains("Credential=SECOND/"));
    for bad in
        ["", "access_key = canary-secret", "access_key = \"a\"\nsecret_key = \"\"", "secret_key = \"canary-secret\""]
    {
        write(bad);
        let file = AwsCredentials::File(SecretFile::new(&path));
        let error = AwsKms::new(settings(ARN, file), Box::new(To(Script::new([])))).err().unwrap();
        assert!(error.contains("must hold access_key") && !error.contains("canary"), "{error}");
    }
}

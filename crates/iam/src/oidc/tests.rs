//! Tokens that are good, and every way in which they are not.

use std::sync::Arc;

use serde_json::{Value, json};

use super::testing::{FakeDocuments, Signer, URL, part, publish};
use super::{ProviderKeys, Token, WebIdentity};
use crate::error::ApiError;
use crate::records::OidcProviderRecord;

const NOW_S: u64 = 1_800_000_000;

struct Provider {
    documents: Arc<FakeDocuments>,
    keys: ProviderKeys,
    record: OidcProviderRecord,
    signer: Signer,
}

impl Provider {
    fn new() -> Self {
        let (documents, signer) = (Arc::new(FakeDocuments::default()), Signer::new("one"));
        publish(&documents, &[&signer]);
        let record = OidcProviderRecord {
            url: URL.to_owned(),
            client_ids: vec!["app".to_owned(), "other-app".to_owned()],
            thumbprints: Vec::new(),
            created_ms: 0,
            tags: Vec::new(),
        };
        let keys = ProviderKeys::new(Arc::clone(&documents) as Arc<dyn super::Documents>);
        Self { documents, keys, record, signer }
    }

    async fn verify(&self, token: &str) -> Result<WebIdentity, ApiError> {
        self.verify_at(token, NOW_S).await
    }

    async fn verify_at(&self, token: &str, now_s: u64) -> Result<WebIdentity, ApiError> {
        Token::parse(token)?.verify(&self.record, &self.keys, now_s * 1000).await
    }

    async fn code(&self, token: &str) -> &'static str {
        self.verify(token).await.err().map_or("not refused", |error| error.code())
    }
}

fn claims() -> Value {
    json!({
        "iss": format!("https://{URL}"), "sub": "user-1", "aud": "app", "iat": NOW_S - 10, "exp": NOW_S + 600,
    })
}

fn with(changes: Value) -> Value {
    let mut claims = claims();
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => claims.as_object_mut().unwrap().remove(name),
            value => claims.as_object_mut().unwrap().insert(name.clone(), value.clone()),
        };
    }
    claims
}

#[tokio::test]
async fn a_token_says_who_it_is() {
    let provider = Provider::new();
    let identity = provider.verify(&provider.signer.token(&claims())).await.unwrap();
    assert_eq!((identity.subject.as_str(), identity.audience), ("user-1", vec!["app".to_owned()]));
    let claims = with(json!({
        "aud": ["x", "y"], "azp": "other-app", "amr": ["pwd", "otp"], "nbf": NOW_S,
        "https://aws.amazon.com/tags": { "principal_tags": { "team": ["red"] }, "transitive_tag_keys": ["team"] },
        "https://aws.amazon.com/source_identity": "alice",
    }));
    let identity = provider.verify(&provider.signer.token(&claims)).await.unwrap();
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    assert_eq!(
        identity,
        WebIdentity {
            subject: "user-1".to_owned(),
            audience: texts(&["other-app"]),
            original_audience: Some(texts(&["x", "y"])),
            methods: texts(&["pwd", "otp"]),
            tags: vec![("team".to_owned(), "red".to_owned())],
            transitive_tags: texts(&["team"]),
            source_identity: Some("alice".to_owned()),
        }
    );
}

#[tokio::test]
async fn claims_that_do_not_hold_are_refused() {
    let provider = Provider::new();
    for (changes, expected) in [
        (json!({ "exp": NOW_S }), "ExpiredTokenException"),
        (json!({ "exp": NOW_S - 1 }), "ExpiredTokenException"),
        (json!({ "exp": -1 }), "ExpiredTokenException"),
        (json!({ "exp": null }), "InvalidIdentityToken"),
        (json!({ "exp": "1900000000" }), "InvalidIdentityToken"),
        (json!({ "exp": true }), "InvalidIdentityToken"),
        (json!({ "iat": null }), "InvalidIdentityToken"),
        (json!({ "iat": NOW_S + 301 }), "InvalidIdentityToken"),
        (json!({ "nbf": NOW_S + 301 }), "InvalidIdentityToken"),
        (json!({ "nbf": "now" }), "InvalidIdentityToken"),
        (json!({ "sub": null }), "InvalidIdentityToken"),
        (json!({ "sub": "" }), "InvalidIdentityToken"),
        (json!({ "sub": 1 }), "InvalidIdentityToken"),
        (json!({ "sub": "x".repeat(256) }), "InvalidIdentityToken"),
        (json!({ "aud": null }), "InvalidIdentityToken"),
        (json!({ "aud": "nobody" }), "InvalidIdentityToken"),
        (json!({ "aud": "App" }), "InvalidIdentityToken"),
        (json!({ "aud": [] }), "InvalidIdentityToken"),
        (json!({ "aud": [1] }), "InvalidIdentityToken"),
        // The party that the token was made for counts, not who else may read it.
        (json!({ "azp": "nobody" }), "InvalidIdentityToken"),
        (json!({ "iss": "https://idp.example.com" }), "InvalidIdentityToken"),
        (json!({ "iss": format!("https://{URL}/") }), "InvalidIdentityToken"),
        (json!({ "iss": format!("http://{URL}") }), "InvalidIdentityToken"),
        (json!({ "iss": null }), "InvalidIdentityToken"),
        (json!({ "https://aws.amazon.com/tags": [] }), "InvalidIdentityToken"),
        (json!({ "https://aws.amazon.com/tags": { "principal_tags": { "a": ["1", "2"] } } }), "InvalidIdentityToken"),
        (json!({ "iat": NOW_S + 299, "nbf": NOW_S + 299 }), "not refused"),
        (json!({ "aud": ["nobody", "app"] }), "not refused"),
    ] {
        let token = provider.signer.token(&with(changes.clone()));
        assert_eq!(provider.code(&token).await, expected, "{changes}");
    }
}

#[tokio::test]
async fn a_signature_by_nobody_or_anybody_is_refused() {
    let provider = Provider::new();
    let good = provider.signer.token(&claims());
    let (head, signature) = good.rsplit_once('.').unwrap();
    let (header, _) = head.split_once('.').unwrap();
    let stranger = Signer::new("one");
    let none = format!("{}.{}.", part(&json!({ "alg": "none" })), part(&claims()));
    for token in [
        String::new(),
        "...".to_owned(),
        "a.b".to_owned(),
        "a.b.c.d".to_owned(),
        format!("{good}.x"),
        format!("{good}="),
        format!("{head}."),
        format!("{head}.{}", &signature[2..]),
        format!("{header}.{}.{signature}", part(&with(json!({ "sub": "admin" })))),
        format!("{}.{}.{signature}", part(&json!({ "alg": "EdDSA", "kid": "one" })), part(&claims())),
        stranger.token(&claims()),
        none,
        format!("{}.{}.{signature}", part(&json!({ "alg": "NONE" })), part(&claims())),
        format!("{}.{}.{signature}", part(&json!({ "alg": "" })), part(&claims())),
    ] {
        assert_eq!(provider.code(&token).await, "InvalidIdentityToken", "{token}");
    }
    assert_eq!(provider.code(&good).await, "not refused");
}

#[tokio::test]
async fn the_header_does_not_choose_how_it_is_verified() {
    let provider = Provider::new();
    for header in [
        json!({ "alg": "HS256", "kid": "one" }),
        json!({ "alg": "none", "kid": "one" }),
        json!({ "alg": "RS256", "kid": "one" }),
        json!({ "alg": "ES256", "kid": "one" }),
        json!({ "alg": "eddsa", "kid": "one" }),
        json!({ "alg": ["EdDSA"], "kid": "one" }),
        json!({ "kid": "one" }),
        json!({ "alg": "EdDSA", "kid": 1 }),
        json!({ "alg": "EdDSA", "kid": "two" }),
        json!({ "alg": "EdDSA", "kid": "one", "crit": ["exp"] }),
        json!(["EdDSA"]),
    ] {
        let token = provider.signer.token_with(&header, &claims());
        assert_eq!(provider.code(&token).await, "InvalidIdentityToken", "{header}");
    }
    // A key that the token brings is not looked at, nor is a place where keys are.
    let stranger = Signer::new("one");
    let header = json!({ "alg": "EdDSA", "kid": "one", "jwk": stranger.public(), "jku": "https://evil.example.com/" });
    assert_eq!(provider.code(&stranger.token_with(&header, &claims())).await, "InvalidIdentityToken");
    let without_id = provider.signer.token_with(&json!({ "alg": "EdDSA" }), &claims());
    assert_eq!(provider.code(&without_id).await, "not refused");
}

#[tokio::test]
async fn keys_are_read_once_an_hour() {
    let provider = Provider::new();
    let token = |now_s: u64| provider.signer.token(&with(json!({ "exp": now_s + 600 })));
    for _ in 0..3 {
        provider.verify(&token(NOW_S)).await.unwrap();
    }
    assert_eq!(provider.documents.count(), 2);
    provider.verify_at(&token(NOW_S + 3599), NOW_S + 3599).await.unwrap();
    assert_eq!(provider.documents.count(), 2);
    provider.verify_at(&token(NOW_S + 3600), NOW_S + 3600).await.unwrap();
    assert_eq!(provider.documents.count(), 4);
    // A key that is withdrawn is not good for longer than that, whether the provider answers or not.
    publish(&provider.documents, &[]);
    assert!(provider.verify_at(&token(NOW_S + 7200), NOW_S + 7200).await.is_err());
    provider.documents.remove(&format!("https://{URL}/keys"));
    let error = provider.verify_at(&token(NOW_S + 20_000), NOW_S + 20_000).await.unwrap_err();
    assert_eq!(error.code(), "IDPCommunicationError");
}

#[tokio::test]
async fn a_new_key_is_found_and_unknown_keys_do_not_make_the_server_ask_and_ask() {
    let provider = Provider::new();
    provider.verify(&provider.signer.token(&claims())).await.unwrap();
    let second = Signer::new("two");
    for _ in 0..50 {
        assert_eq!(provider.code(&second.token(&claims())).await, "InvalidIdentityToken");
    }
    assert_eq!(provider.documents.count(), 2);
    publish(&provider.documents, &[&provider.signer, &second]);
    provider.verify_at(&second.token(&claims()), NOW_S + 30).await.unwrap();
    provider.verify_at(&provider.signer.token(&claims()), NOW_S + 30).await.unwrap();
    assert_eq!(provider.documents.count(), 4);
}

#[tokio::test]
async fn a_provider_that_does_not_answer_is_not_asked_at_once_again() {
    let provider = Provider::new();
    let keys = format!("https://{URL}/keys");
    provider.documents.remove(&keys);
    let token = provider.signer.token(&claims());
    for _ in 0..10 {
        assert_eq!(provider.code(&token).await, "IDPCommunicationError");
    }
    assert_eq!(provider.documents.count(), 2);
    publish(&provider.documents, &[&provider.signer]);
    provider.verify_at(&token, NOW_S + 30).await.unwrap();
}

#[tokio::test]
async fn a_configuration_that_is_not_the_providers_is_refused() {
    let configuration = format!("https://{URL}/.well-known/openid-configuration");
    for document in [
        "",
        "[]",
        r#"{"issuer":"https://idp.example.com/realm"}"#,
        r#"{"issuer":"https://idp.example.com/realm/","jwks_uri":"https://idp.example.com/realm/keys"}"#,
        r#"{"issuer":"https://evil.example.com","jwks_uri":"https://idp.example.com/realm/keys"}"#,
        r#"{"issuer":"https://idp.example.com/realm","jwks_uri":"http://idp.example.com/realm/keys"}"#,
        r#"{"issuer":"https://idp.example.com/realm","jwks_uri":"file:///etc/passwd"}"#,
        r#"{"issuer":"https://idp.example.com/realm","jwks_uri":["https://idp.example.com/realm/keys"]}"#,
    ] {
        let provider = Provider::new();
        provider.documents.put(&configuration, document);
        assert_eq!(provider.code(&provider.signer.token(&claims())).await, "IDPCommunicationError", "{document}");
    }
}

#[test]
fn hostile_bytes_are_no_token() {
    let deep = part(&Value::String("[".repeat(10_000)));
    for token in ["\u{0}", "é.é.é", "=.=.=", "e30.e30.e30", "W10.W10.", &format!("{deep}.{deep}.{deep}")] {
        assert_eq!(Token::parse(token).err().map(|error| error.code()), Some("InvalidIdentityToken"), "{token}");
    }
}

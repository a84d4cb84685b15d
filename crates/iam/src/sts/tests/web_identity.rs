//! Sessions of those whom an identity provider vouches for.

use serde_json::{Value, json};

use super::{ACCOUNT, OTHER, make_account, make_role, trust};
use crate::oidc::testing::{Signer, URL, publish};
use crate::testing::{Refused, World, code, keys_in, text, texts};

const PROVIDER: &str = "arn:aws:iam::000000000000:oidc-provider/idp.example.com/realm";

/// A trust policy for the users of the provider who are its client `app`.
fn trusting(actions: &str, condition: &str) -> String {
    trust(&format!(
        r#""Principal":{{"Federated":"{PROVIDER}"}},"Action":{actions},"Condition":{{"StringEquals":{{{condition}}}}}"#
    ))
}

struct Federation {
    world: World,
    signer: Signer,
    role: String,
}

impl Federation {
    async fn new(trust_policy: String) -> Self {
        let (world, signer) = (World::new().await, Signer::new("one"));
        publish(&world.documents, &[&signer]);
        let url = format!("https://{URL}");
        let params = [("Url", url.as_str()), ("ClientIDList.member.1", "app")];
        world.root("CreateOpenIDConnectProvider", &params).await.unwrap();
        let role = make_role(&world, ACCOUNT, "role", trust_policy).await;
        Self { world, signer, role }
    }

    fn token(&self, more: Value) -> String {
        let now_s = self.world.now_ms() / 1000;
        let mut claims = json!({
            "iss": format!("https://{URL}"), "sub": "user-1", "aud": "app", "iat": now_s, "exp": now_s + 600,
        });
        for (name, value) in more.as_object().unwrap() {
            claims[name] = value.clone();
        }
        self.signer.token(&claims)
    }

    async fn assume(&self, role: &str, token: &str, more: &[(&str, &str)]) -> Result<String, Refused> {
        let params = [("RoleArn", role), ("RoleSessionName", "web"), ("WebIdentityToken", token)];
        self.world.ask_unsigned("AssumeRoleWithWebIdentity", &[&params, more].concat()).await
    }
}

async fn federation() -> Federation {
    let condition = format!(r#""{URL}:aud":"app","{URL}:sub":"user-1""#);
    Federation::new(trusting(r#""sts:AssumeRoleWithWebIdentity""#, &condition)).await
}

#[tokio::test]
async fn whom_the_provider_vouches_for_becomes_the_role() {
    let federation = federation().await;
    let answer = federation.assume(&federation.role, &federation.token(json!({})), &[]).await.unwrap();
    assert_eq!(text(&answer, "SubjectFromWebIdentityToken"), "user-1");
    assert_eq!(text(&answer, "Audience"), "app");
    assert_eq!(text(&answer, "Provider"), PROVIDER);
    assert_eq!(text(&answer, "Arn"), "arn:aws:sts::000000000000:assumed-role/role/web");
    let session = keys_in(&answer);
    federation.world.ask(&session, "ListUsers", &[]).await.unwrap();
    assert_eq!(code(federation.world.ask(&session, "CreateUser", &[("UserName", "x")]).await), "AccessDenied");
}

#[tokio::test]
async fn whom_the_role_does_not_trust_stays_outside() {
    let federation = federation().await;
    let by_account = make_role(
        &federation.world,
        ACCOUNT,
        "by-account",
        trust(r#""Principal":{"AWS":"*"},"Action":["sts:AssumeRole","sts:AssumeRoleWithWebIdentity"]"#),
    )
    .await;
    let none = "arn:aws:iam::000000000000:role/none".to_owned();
    for (role, claims) in [
        (&federation.role, json!({ "sub": "user-2" })),
        (&federation.role, json!({ "sub": "USER-1" })),
        (&by_account, json!({})),
        (&none, json!({})),
    ] {
        let refused = federation.assume(role, &federation.token(claims.clone()), &[]).await.unwrap_err();
        let expected = "Not authorized to perform sts:AssumeRoleWithWebIdentity";
        assert_eq!((refused.code.as_str(), refused.message.as_str()), ("AccessDenied", expected), "{role} {claims}");
    }
}

#[tokio::test]
async fn a_provider_vouches_in_its_own_account_only() {
    let federation = federation().await;
    make_account(&federation.world).await;
    let condition = format!(r#""{URL}:aud":"app""#);
    let policy = trusting(r#""sts:AssumeRoleWithWebIdentity""#, &condition);
    let elsewhere = make_role(&federation.world, OTHER, "role", policy).await;
    let refused = federation.assume(&elsewhere, &federation.token(json!({})), &[]).await.unwrap_err();
    let expected = "No OpenIDConnect provider found in your account for https://idp.example.com/realm";
    assert_eq!((refused.code.as_str(), refused.message.as_str()), ("InvalidIdentityToken", expected));
    let count = federation.world.documents.count();
    let token = federation.token(json!({ "iss": "https://169.254.169.254" }));
    assert_eq!(code(federation.assume(&federation.role, &token, &[]).await), "InvalidIdentityToken");
    assert_eq!(federation.world.documents.count(), count, "nobody is asked who is no provider");
}

#[tokio::test]
async fn tokens_that_are_no_good_are_refused() {
    let federation = federation().await;
    let now_s = federation.world.now_ms() / 1000;
    let good = federation.token(json!({}));
    let forged = Signer::new("one").token(&json!({ "iss": format!("https://{URL}") }));
    for (token, expected) in [
        (federation.token(json!({ "exp": now_s })), "ExpiredTokenException"),
        (federation.token(json!({ "aud": "other" })), "InvalidIdentityToken"),
        (forged, "InvalidIdentityToken"),
        ("none".to_owned(), "InvalidIdentityToken"),
        ("abc".to_owned(), "ValidationError"),
        ("x".repeat(20_001), "ValidationError"),
    ] {
        let refused = federation.assume(&federation.role, &token, &[]).await.unwrap_err();
        assert_eq!(refused.code, expected, "{token}");
        assert!(!refused.message.contains(&token), "{}", refused.message);
    }
    for more in [("DurationSeconds", "7201"), ("ProviderId", "www.amazon.com"), ("DurationSeconds", "899")] {
        assert_eq!(code(federation.assume(&federation.role, &good, &[more]).await), "ValidationError");
    }
}

#[tokio::test]
async fn the_provider_tags_the_session_and_who_brings_the_token_does_not() {
    let condition = format!(r#""{URL}:aud":"app","aws:RequestTag/team":"red""#);
    let actions = r#"["sts:AssumeRoleWithWebIdentity","sts:TagSession"]"#;
    let federation = Federation::new(trusting(actions, &condition)).await;
    let claim = |team: &str| json!({ "https://aws.amazon.com/tags": { "principal_tags": { "team": [team] } } });
    federation.assume(&federation.role, &federation.token(claim("red")), &[]).await.unwrap();
    let own = [("Tags.member.1.Key", "team"), ("Tags.member.1.Value", "red")];
    for (claims, more) in [(claim("blue"), &[][..]), (json!({}), &own), (claim("blue"), &own)] {
        let refused = federation.assume(&federation.role, &federation.token(claims), more).await;
        assert_eq!(code(refused), "AccessDenied");
    }
    let reserved = json!({ "https://aws.amazon.com/tags": { "principal_tags": { "aws:team": ["red"] } } });
    let refused = federation.assume(&federation.role, &federation.token(reserved), &[]).await;
    assert_eq!(code(refused), "InvalidParameterValue");
}

#[tokio::test]
async fn tags_need_a_trust_policy_that_says_so() {
    let federation = federation().await;
    let tags = json!({ "https://aws.amazon.com/tags": { "principal_tags": { "team": ["red"] } } });
    let refused = federation.assume(&federation.role, &federation.token(tags), &[]).await.unwrap_err();
    assert_eq!(refused.message, "Not authorized to perform sts:TagSession");
    let identity = json!({ "https://aws.amazon.com/source_identity": "alice" });
    let refused = federation.assume(&federation.role, &federation.token(identity), &[]).await.unwrap_err();
    assert_eq!(refused.message, "Not authorized to perform sts:SetSourceIdentity");
}

#[tokio::test]
async fn a_provider_that_is_removed_vouches_for_nobody() {
    let federation = federation().await;
    let token = federation.token(json!({}));
    federation.assume(&federation.role, &token, &[]).await.unwrap();
    let named = [("OpenIDConnectProviderArn", PROVIDER)];
    federation.world.root("DeleteOpenIDConnectProvider", &named).await.unwrap();
    assert_eq!(code(federation.assume(&federation.role, &token, &[]).await), "InvalidIdentityToken");
}

#[tokio::test]
async fn session_policies_limit_it_too() {
    let federation = federation().await;
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}"#;
    let answer =
        federation.assume(&federation.role, &federation.token(json!({})), &[("Policy", policy)]).await.unwrap();
    assert_eq!(texts(&answer, "PackedPolicySize").len(), 1);
    assert_eq!(code(federation.world.ask(&keys_in(&answer), "ListUsers", &[]).await), "AccessDenied");
}

//! Identity providers by the API.

use crate::testing::{World, code, text, texts};

const ARN: &str = "arn:aws:iam::000000000000:oidc-provider/idp.example.com/realm";
const URL: (&str, &str) = ("Url", "https://idp.example.com/realm");

async fn with_provider() -> World {
    let world = World::new().await;
    let params = [URL, ("ClientIDList.member.1", "app"), ("Tags.member.1.Key", "a"), ("Tags.member.1.Value", "1")];
    let answer = world.root("CreateOpenIDConnectProvider", &params).await.unwrap();
    assert_eq!(text(&answer, "OpenIDConnectProviderArn"), ARN);
    world
}

#[tokio::test]
async fn a_provider_is_made_changed_and_removed() {
    let world = with_provider().await;
    let named = ("OpenIDConnectProviderArn", ARN);
    let thumbprint = "0123456789abcdef0123456789abcdef01234567";
    for (action, params) in [
        ("AddClientIDToOpenIDConnectProvider", vec![named, ("ClientID", "second")]),
        ("AddClientIDToOpenIDConnectProvider", vec![named, ("ClientID", "second")]),
        ("RemoveClientIDFromOpenIDConnectProvider", vec![named, ("ClientID", "app")]),
        ("RemoveClientIDFromOpenIDConnectProvider", vec![named, ("ClientID", "unknown")]),
        ("UpdateOpenIDConnectProviderThumbprint", vec![named, ("ThumbprintList.member.1", thumbprint)]),
        ("TagOpenIDConnectProvider", vec![named, ("Tags.member.1.Key", "b"), ("Tags.member.1.Value", "2")]),
        ("UntagOpenIDConnectProvider", vec![named, ("TagKeys.member.1", "a")]),
    ] {
        world.root(action, &params).await.unwrap();
    }
    let shown = world.root("GetOpenIDConnectProvider", &[named]).await.unwrap();
    assert_eq!(text(&shown, "Url"), "idp.example.com/realm");
    assert!(shown.contains("<ClientIDList><member>second</member></ClientIDList>"), "{shown}");
    assert!(shown.contains(&format!("<ThumbprintList><member>{thumbprint}</member></ThumbprintList>")), "{shown}");
    let tags = world.root("ListOpenIDConnectProviderTags", &[named]).await.unwrap();
    assert_eq!((text(&tags, "Key"), text(&tags, "Value")), ("b".to_owned(), "2".to_owned()));
    let all = world.root("ListOpenIDConnectProviders", &[]).await.unwrap();
    assert_eq!(texts(&all, "Arn"), [ARN]);
    for _ in 0..2 {
        world.root("DeleteOpenIDConnectProvider", &[named]).await.unwrap();
    }
    assert_eq!(code(world.root("GetOpenIDConnectProvider", &[named]).await), "NoSuchEntity");
}

#[tokio::test]
async fn urls_that_name_no_provider_are_refused() {
    let world = World::new().await;
    for url in [
        "",
        "idp.example.com",
        "http://idp.example.com",
        "https://",
        "https:///path",
        "https://user@idp.example.com",
        "https://user:secret@idp.example.com",
        "https://idp.example.com?x=1",
        "https://idp.example.com/#x",
        "https://idp.example.com/*",
        "https://idp.example.com/a b",
        "https://IDP.example.com",
        "https://idp.example.com/${aws:username}",
        "https://idp.example.com:99999999",
        &format!("https://idp.example.com/{}", "x".repeat(255)),
    ] {
        let refused = world.root("CreateOpenIDConnectProvider", &[("Url", url)]).await;
        assert_eq!(code(refused), "ValidationError", "{url}");
    }
}

#[tokio::test]
async fn limits_and_collisions_are_refused() {
    let world = with_provider().await;
    let named = ("OpenIDConnectProviderArn", ARN);
    let many: Vec<(String, String)> =
        (1..=101).map(|n| (format!("ClientIDList.member.{n}"), format!("app{n}"))).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let other = ("Url", "https://other.example.com");
    for (action, params, expected) in [
        ("CreateOpenIDConnectProvider", vec![URL], "EntityAlreadyExists"),
        ("CreateOpenIDConnectProvider", vec![("Url", "https://idp.example.com/Realm")], "EntityAlreadyExists"),
        ("CreateOpenIDConnectProvider", [vec![other], many].concat(), "LimitExceeded"),
        ("CreateOpenIDConnectProvider", vec![other, ("ThumbprintList.member.1", "short")], "ValidationError"),
        ("CreateOpenIDConnectProvider", vec![other, ("ClientIDList.member.1", "")], "ValidationError"),
        ("UpdateOpenIDConnectProviderThumbprint", vec![named], "ValidationError"),
        ("AddClientIDToOpenIDConnectProvider", vec![named], "ValidationError"),
        ("GetOpenIDConnectProvider", vec![("OpenIDConnectProviderArn", "x")], "InvalidInput"),
        (
            "GetOpenIDConnectProvider",
            vec![("OpenIDConnectProviderArn", &ARN.replace("realm", "Realm"))],
            "NoSuchEntity",
        ),
    ] {
        assert_eq!(code(world.root(action, &params).await), expected, "{action} {params:?}");
    }
}

#[tokio::test]
async fn providers_are_for_who_may() {
    let world = with_provider().await;
    let bob = world.user("bob").await;
    let named = ("OpenIDConnectProviderArn", ARN);
    for (action, params) in [
        ("CreateOpenIDConnectProvider", vec![URL]),
        ("GetOpenIDConnectProvider", vec![named]),
        ("GetOpenIDConnectProvider", vec![("OpenIDConnectProviderArn", "arn:aws:iam::000000000000:oidc-provider/x")]),
        ("ListOpenIDConnectProviders", vec![]),
        ("DeleteOpenIDConnectProvider", vec![named]),
        ("AddClientIDToOpenIDConnectProvider", vec![named, ("ClientID", "x")]),
        ("TagOpenIDConnectProvider", vec![named]),
    ] {
        assert_eq!(code(world.ask(&bob, action, &params).await), "AccessDenied", "{action}");
    }
}

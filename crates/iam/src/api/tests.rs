//! What is so whatever the action.

use bytes::Bytes;
use http::Request;

use super::{ApiConnection, SHOW_SECRETS};
use crate::testing::{Keys, SECURE, World, code, root};
use crate::{iam, sts};

fn connection(peer: &str, secure: bool) -> ApiConnection {
    ApiConnection { peer: peer.parse().unwrap(), secure }
}

/// Asks for an access key, and returns the code of the error.
async fn ask_for_key(world: &World, keys: &Keys, peer: &str, secure: bool) -> String {
    let user = [("UserName", "bob")];
    code(world.ask_over(connection(peer, secure), keys, "CreateAccessKey", &user).await)
}

#[tokio::test]
async fn secrets_do_not_leave_the_machine_in_the_clear() {
    let world = World::new().await;
    world.root("CreateUser", &[("UserName", "bob")]).await.unwrap();
    let keys = |document: String| document.matches("<AccessKeyId>").count();
    for peer in ["203.0.113.9", "10.0.0.1", "2001:db8::1", "::ffff:203.0.113.9", "0.0.0.0", "169.254.0.1"] {
        assert_eq!(ask_for_key(&world, &root(), peer, false).await, "AccessDenied", "{peer}");
        let unsigned = world.ask_unsigned_over(connection(peer, false), "AssumeRoleWithWebIdentity", &[]).await;
        assert_eq!(code(unsigned), "AccessDenied", "{peer}");
    }
    assert_eq!(keys(world.root("ListAccessKeys", &[("UserName", "bob")]).await.unwrap()), 0);
    for (peer, secure) in [("203.0.113.9", true), ("127.0.0.1", false), ("::1", false), ("::ffff:127.0.0.2", false)] {
        let made = ask_for_key(&world, &root(), peer, secure).await;
        assert!(made.starts_with("not refused") || made == "LimitExceeded", "{peer} {made}");
    }
    assert_eq!(keys(world.root("ListAccessKeys", &[("UserName", "bob")]).await.unwrap()), 2);
}

#[tokio::test]
async fn what_shows_no_secret_is_answered_in_the_clear() {
    let world = World::new().await;
    let remote = connection("203.0.113.9", false);
    for action in ["GetCallerIdentity", "ListUsers", "GetUser"] {
        world.ask_over(remote, &root(), action, &[]).await.unwrap();
    }
    let refused = world.ask_over(remote, &root(), "GetSessionToken", &[]).await.unwrap_err();
    assert!(refused.message.contains("HTTPS") && refused.message.contains("GetSessionToken"), "{}", refused.message);
}

#[tokio::test]
async fn who_is_not_authentic_learns_nothing_more() {
    let world = World::new().await;
    let keys = Keys { secret_key: "another".to_owned(), ..root() };
    assert_eq!(ask_for_key(&world, &keys, "203.0.113.9", false).await, "SignatureDoesNotMatch");
}

#[test]
fn every_action_that_shows_a_secret_is_one() {
    for action in SHOW_SECRETS {
        assert!(iam::ACTIONS.contains(&action) || sts::ACTIONS.contains(&action), "{action}");
    }
}

#[tokio::test]
async fn what_strangers_send_to_organizations_is_not_read() {
    let world = World::new().await;
    for action in ["ListAccounts", "NoSuchAction"] {
        let request = Request::post("/")
            .header("x-amz-target", format!("AWSOrganizationsV20161128.{action}"))
            .body(Bytes::from_static(b"this is no JSON"))
            .unwrap();
        let answer = world.handle(SECURE, request).await;
        assert_eq!(answer.error_code, Some("MissingAuthenticationTokenException"), "{action}");
    }
}

//! GetAccessKeyLastUsed.

use super::access_keys::access_key_id;
use super::holder::{Holder as _, set_resource_tags};
use super::key_holder::no_such_key;
use crate::api::ApiRequest;
use crate::arn;
use crate::error::ApiError;
use crate::records::UserRecord;
use crate::xml::Xml;

/// What there is instead of a service and a region before the first use.
const NEVER: &str = "N/A";

pub(super) async fn get(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    let account = request.account()?;
    let id = access_key_id(request)?;
    let view = request.iam.view(account);
    let key = request.iam.access_key(id).await?.filter(|key| key.account == account);
    let first = request.iam.first_root_key(account).await?;
    let is_there = key.is_some() || first.is_some_and(|first| first.access_key == id);
    let user = match key.as_ref().and_then(|key| key.user.as_deref()) {
        Some(name) => view.get::<UserRecord>(name).await?,
        None => None,
    };
    // What is not there could be anybody's.
    let resource = match &user {
        Some(user) => user.arn(account),
        None if is_there => format!("arn:aws:iam::{account}:root"),
        None => arn::user(account, "/", "*"),
    };
    request.authorize_with("iam:GetAccessKeyLastUsed", &resource, |context| {
        set_resource_tags(context, user.as_ref().map_or(&[], |user| &user.tags));
    })?;
    if !is_there {
        return Err(no_such_key(id));
    }
    let last = request.iam.last_used(id).await?;
    let mut xml = Xml::new();
    xml.text_if("UserName", user.as_ref().map(|user| user.name.as_str()));
    xml.element("AccessKeyLastUsed", |xml| {
        if let Some(last) = &last {
            xml.time("LastUsedDate", last.at_ms);
        }
        xml.text("ServiceName", last.as_ref().map_or(NEVER, |last| &last.service));
        xml.text("Region", last.as_ref().map_or(NEVER, |last| &last.region));
    });
    Ok(xml.into_string())
}

#[cfg(test)]
mod tests {
    use crate::identify::Identified;
    use crate::testing::{Keys, ROOT_ACCESS_KEY, World, code, text};
    use crate::time::iso8601;

    async fn last_used(world: &World, access_key: &str) -> (String, String) {
        let document = world.root("GetAccessKeyLastUsed", &[("AccessKeyId", access_key)]).await.unwrap();
        (text(&document, "ServiceName"), text(&document, "Region"))
    }

    fn shown(service: &str, region: &str) -> (String, String) {
        (service.to_owned(), region.to_owned())
    }

    #[tokio::test]
    async fn a_use_shows_at_once_and_after_a_restart() {
        let world = World::new().await;
        let bob = world.user("bob").await;
        assert_eq!(last_used(&world, &bob.access_key).await, shown("N/A", "N/A"));
        world.ask(&bob, "GetCallerIdentity", &[]).await.unwrap();
        assert_eq!(last_used(&world, &bob.access_key).await, shown("sts", "us-east-1"));
        let used_ms = world.now_ms();
        world.iam.write_uses().await.unwrap();
        let world = world.restarted(false).await;
        world.advance_ms(5_000_000);
        assert_eq!(last_used(&world, &bob.access_key).await, shown("sts", "us-east-1"));
        let document = world.root("GetAccessKeyLastUsed", &[("AccessKeyId", &bob.access_key)]).await.unwrap();
        assert_eq!(text(&document, "LastUsedDate"), iso8601(used_ms));
        assert_eq!(text(&document, "UserName"), "bob");
    }

    #[tokio::test]
    async fn the_newer_use_counts_wherever_it_is() {
        let world = World::new().await;
        let bob = world.user("bob").await;
        world.ask(&bob, "GetCallerIdentity", &[]).await.unwrap();
        world.iam.write_uses().await.unwrap();
        let Identified::Known(known) = world.iam.identify(&bob.access_key, None, world.now_ms()).await.unwrap() else {
            panic!("bob has the key");
        };
        world.iam.note_use(&bob.access_key, &known.caller.principal, "s3", "eu-central-1", world.now_ms());
        assert_eq!(last_used(&world, &bob.access_key).await, shown("s3", "eu-central-1"));
        world.iam.write_uses().await.unwrap();
        assert_eq!(last_used(&world, &bob.access_key).await, shown("s3", "eu-central-1"));
    }

    #[tokio::test]
    async fn a_refused_signature_is_no_use() {
        let world = World::new().await;
        let bob = world.user("bob").await;
        let wrong = Keys { secret_key: "wrong".to_owned(), ..bob.clone() };
        assert_eq!(code(world.ask(&wrong, "GetCallerIdentity", &[]).await), "SignatureDoesNotMatch");
        assert_eq!(last_used(&world, &bob.access_key).await, shown("N/A", "N/A"));
    }

    #[tokio::test]
    async fn the_use_of_a_deleted_key_is_forgotten() {
        let world = World::new().await;
        let bob = world.user("bob").await;
        world.ask(&bob, "GetCallerIdentity", &[]).await.unwrap();
        world.root("DeleteAccessKey", &[("UserName", "bob"), ("AccessKeyId", &bob.access_key)]).await.unwrap();
        world.iam.write_uses().await.unwrap();
        assert!(world.iam.last_used(&bob.access_key).await.unwrap().is_none());
        let params = [("AccessKeyId", bob.access_key.as_str())];
        assert_eq!(code(world.root("GetAccessKeyLastUsed", &params).await), "NoSuchEntity");
    }

    #[tokio::test]
    async fn the_root_key_has_a_last_use_too_and_no_user() {
        let world = World::new().await;
        let params = [("AccessKeyId", ROOT_ACCESS_KEY)];
        world.root("ListUsers", &[]).await.unwrap();
        world.iam.write_uses().await.unwrap();
        let document = world.root("GetAccessKeyLastUsed", &params).await.unwrap();
        assert_eq!(text(&document, "ServiceName"), "iam");
        assert!(!document.contains("UserName"), "{document}");
        let bob = world.user("bob").await;
        assert_eq!(code(world.ask(&bob, "GetAccessKeyLastUsed", &params).await), "AccessDenied");
    }
}

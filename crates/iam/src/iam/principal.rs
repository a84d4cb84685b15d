//! What users and roles have in common beyond policies: tags, and a permissions boundary.

use super::holder::{Holder, named, set_boundary};
use super::policies::not_attachable;
use super::tags;
use super::users::set_request_tags;
use crate::account::View;
use crate::api::ApiRequest;
use crate::error::ApiError;
use crate::params::invalid;
use crate::records::{RoleRecord, TagRecord, UserRecord};

/// A user or a role.
pub(super) trait Principal: Holder {
    fn tags_mut(&mut self) -> &mut Vec<TagRecord>;
    fn boundary_mut(&mut self) -> &mut Option<String>;
}

macro_rules! principal {
    ($record:ty) => {
        impl Principal for $record {
            fn tags_mut(&mut self) -> &mut Vec<TagRecord> {
                &mut self.tags
            }

            fn boundary_mut(&mut self) -> &mut Option<String> {
                &mut self.boundary
            }
        }
    };
}

principal!(UserRecord);
principal!(RoleRecord);

pub(super) async fn tag<T: Principal>(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    let new = request.params.tags("Tags")?;
    let mut change = request.iam.change(request.account()?).await?;
    let mut principal = named::<T>(request, change.view(), |context, _| set_request_tags(context, &new)).await?;
    tags::add(principal.tags_mut(), new.clone())?;
    change.put(&principal);
    change.commit().await?;
    Ok(String::new())
}

pub(super) async fn untag<T: Principal>(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    let keys = tags::keys(&request.params)?;
    let mut change = request.iam.change(request.account()?).await?;
    let mut principal = named::<T>(request, change.view(), |context, _| tags::set_keys(context, &keys)).await?;
    tags::remove(principal.tags_mut(), &keys);
    change.put(&principal);
    change.commit().await?;
    Ok(String::new())
}

pub(super) async fn list_tags<T: Principal>(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    let principal = named::<T>(request, &request.iam.view(request.account()?), |_, _| {}).await?;
    tags::page(principal.tags(), &request.params)
}

pub(super) async fn put_boundary<T: Principal>(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    let boundary = boundary_of(request)?;
    let mut change = request.iam.change(request.account()?).await?;
    let mut principal = named::<T>(request, change.view(), |context, _| {
        context.set("iam:PermissionsBoundary", boundary);
    })
    .await?;
    check_boundary(change.view(), boundary).await?;
    *principal.boundary_mut() = Some(boundary.to_owned());
    change.put(&principal);
    change.commit().await?;
    Ok(String::new())
}

pub(super) async fn delete_boundary<T: Principal>(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    let mut change = request.iam.change(request.account()?).await?;
    let mut principal = named::<T>(request, change.view(), set_boundary).await?;
    *principal.boundary_mut() = None;
    change.put(&principal);
    change.commit().await?;
    Ok(String::new())
}

/// Refuses a boundary that is no policy of AWS's or of the account.
///
/// # Errors
/// `NoSuchEntity`.
pub(super) async fn check_boundary(view: &View<'_>, arn: &str) -> Result<(), ApiError> {
    match view.managed_document(arn).await? {
        Some(_) => Ok(()),
        None => Err(not_attachable(arn)),
    }
}

/// The ARN in `PermissionsBoundary`.
fn boundary_of<'a>(request: &'a ApiRequest<'_>) -> Result<&'a str, ApiError> {
    let arn = request.params.required("PermissionsBoundary")?;
    if (20..=2048).contains(&arn.len()) {
        return Ok(arn);
    }
    Err(invalid("PermissionsBoundary", Some(arn), "Member must have length between 20 and 2048"))
}

#[cfg(test)]
mod tests {
    use crate::testing::{World, code, text, texts};

    const READ_ONLY: &str = "arn:aws:iam::aws:policy/IAMReadOnlyAccess";
    const FULL: &str = "arn:aws:iam::aws:policy/IAMFullAccess";

    #[tokio::test]
    async fn tags_are_added_replaced_and_removed() {
        let world = World::new().await;
        world.user("bob").await;
        let first = [("Tags.member.1.Key", "team"), ("Tags.member.1.Value", "a")];
        let second = [
            ("Tags.member.1.Key", "TEAM"),
            ("Tags.member.1.Value", "b"),
            ("Tags.member.2.Key", "room"),
            ("Tags.member.2.Value", ""),
        ];
        let user = ("UserName", "bob");
        world.root("TagUser", &[&[user], &first[..]].concat()).await.unwrap();
        world.root("TagUser", &[&[user], &second[..]].concat()).await.unwrap();
        let list = world.root("ListUserTags", &[user]).await.unwrap();
        assert_eq!(
            (texts(&list, "Key"), texts(&list, "Value")),
            (vec!["room".into(), "TEAM".into()], vec!["".into(), "b".into()])
        );
        world.root("UntagUser", &[user, ("TagKeys.member.1", "team")]).await.unwrap();
        let list = world.root("ListUserTags", &[user]).await.unwrap();
        assert_eq!(texts(&list, "Key"), ["room"]);
        assert_eq!(code(world.root("TagUser", &[("UserName", "eve"), first[0], first[1]]).await), "NoSuchEntity");
    }

    #[tokio::test]
    async fn tags_decide_who_may_do_what_at_once() {
        let world = World::new().await;
        let same_team = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:GetUser","Resource":"*",
            "Condition":{"StringEquals":{"aws:ResourceTag/team":"${aws:PrincipalTag/team}"}}}}"#;
        let bob = world.user_with("bob", same_team).await;
        world.user("eve").await;
        let eve = [("UserName", "eve")];
        assert_eq!(code(world.ask(&bob, "GetUser", &eve).await), "AccessDenied");
        for name in ["bob", "eve"] {
            let tag = [("UserName", name), ("Tags.member.1.Key", "team"), ("Tags.member.1.Value", "a")];
            world.root("TagUser", &tag).await.unwrap();
        }
        assert_eq!(text(&world.ask(&bob, "GetUser", &eve).await.unwrap(), "UserName"), "eve");
        world.root("UntagUser", &[("UserName", "bob"), ("TagKeys.member.1", "team")]).await.unwrap();
        assert_eq!(code(world.ask(&bob, "GetUser", &eve).await), "AccessDenied");
    }

    #[tokio::test]
    async fn a_boundary_limits_at_once_and_is_shown() {
        let world = World::new().await;
        let all = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:*","Resource":"*"}}"#;
        let bob = world.user_with("bob", all).await;
        world.ask(&bob, "CreateGroup", &[("GroupName", "before")]).await.unwrap();
        let user = ("UserName", "bob");
        world.root("PutUserPermissionsBoundary", &[user, ("PermissionsBoundary", READ_ONLY)]).await.unwrap();
        assert_eq!(code(world.ask(&bob, "CreateGroup", &[("GroupName", "within")]).await), "AccessDenied");
        assert_eq!(code(world.ask(&bob, "DeleteUserPermissionsBoundary", &[user]).await), "AccessDenied");
        let shown = world.ask(&bob, "GetUser", &[]).await.unwrap();
        assert_eq!(text(&shown, "PermissionsBoundaryArn"), READ_ONLY);
        world.root("DeleteUserPermissionsBoundary", &[user]).await.unwrap();
        world.ask(&bob, "CreateGroup", &[("GroupName", "after")]).await.unwrap();
    }

    #[tokio::test]
    async fn a_boundary_is_a_policy_that_is_there() {
        let world = World::new().await;
        world.user("bob").await;
        for (arn, expected) in [
            ("arn:aws:iam::aws:policy/NoSuchPolicy", "NoSuchEntity"),
            ("arn:aws:iam::123456789012:policy/another-accounts", "NoSuchEntity"),
            ("no arn at all, but long", "NoSuchEntity"),
            ("short", "ValidationError"),
        ] {
            let params = [("UserName", "bob"), ("PermissionsBoundary", arn)];
            assert_eq!(code(world.root("PutUserPermissionsBoundary", &params).await), expected, "{arn}");
        }
    }

    #[tokio::test]
    async fn who_may_only_hand_out_one_boundary_hands_out_no_other() {
        let world = World::new().await;
        let delegate = format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow",
            "Action":["iam:CreateUser","iam:PutUserPermissionsBoundary","iam:PutUserPolicy","iam:DeleteUserPermissionsBoundary"],
            "Resource":"*","Condition":{{"StringEquals":{{"iam:PermissionsBoundary":"{READ_ONLY}"}}}}}}}}"#
        );
        let bob = world.user_with("bob", &delegate).await;
        let eve = ("UserName", "eve");
        assert_eq!(code(world.ask(&bob, "CreateUser", &[eve]).await), "AccessDenied");
        assert_eq!(code(world.ask(&bob, "CreateUser", &[eve, ("PermissionsBoundary", FULL)]).await), "AccessDenied");
        world.ask(&bob, "CreateUser", &[eve, ("PermissionsBoundary", READ_ONLY)]).await.unwrap();
        let put = async |boundary| {
            world.ask(&bob, "PutUserPermissionsBoundary", &[eve, ("PermissionsBoundary", boundary)]).await
        };
        assert_eq!(code(put(FULL).await), "AccessDenied");
        put(READ_ONLY).await.unwrap();
        let policy = [("PolicyName", "p"), ("PolicyDocument", delegate.as_str())];
        world.ask(&bob, "PutUserPolicy", &[&[eve], &policy[..]].concat()).await.unwrap();
        let own = [&[("UserName", "bob")], &policy[..]].concat();
        assert_eq!(code(world.ask(&bob, "PutUserPolicy", &own).await), "AccessDenied", "bob has no boundary");
    }
}

//! AddUserToGroup, RemoveUserFromGroup, ListGroupsForUser.

use super::groups;
use super::holder::{Holder as _, named};
use crate::api::ApiRequest;
use crate::error::ApiError;
use crate::records::{GroupRecord, UserRecord};

/// The longest name of a user.
const MAX_NAME_LEN: usize = 128;
/// The most groups that a user is in.
pub(super) const MOST: usize = 10;

/// Puts a user into a group, which the permission is about. One that is there stays there.
pub(super) async fn add(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    let name = request.params.name("UserName", MAX_NAME_LEN)?;
    let mut change = request.iam.change(request.account()?).await?;
    let group = named::<GroupRecord>(request, change.view(), |_, _| {}).await?;
    let mut user = change.get::<UserRecord>(name).await?.ok_or_else(|| UserRecord::not_found(name))?;
    if user.groups.contains(&group.name) {
        return Ok(String::new());
    }
    if user.groups.len() >= MOST {
        return Err(ApiError::limit_exceeded(format!("Cannot exceed quota for GroupsPerUser: {MOST}")));
    }
    user.groups.push(group.name);
    change.put(&user);
    change.commit().await?;
    Ok(String::new())
}

/// Takes a user out of a group. One that is not there is no error.
pub(super) async fn remove(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    let name = request.params.name("UserName", MAX_NAME_LEN)?;
    let mut change = request.iam.change(request.account()?).await?;
    let group = named::<GroupRecord>(request, change.view(), |_, _| {}).await?;
    let mut user = change.get::<UserRecord>(name).await?.ok_or_else(|| UserRecord::not_found(name))?;
    user.groups.retain(|name| *name != group.name);
    change.put(&user);
    change.commit().await?;
    Ok(String::new())
}

pub(super) async fn list(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    let view = request.iam.view(request.account()?);
    let user = named::<UserRecord>(request, &view, |_, _| {}).await?;
    let mut found = Vec::with_capacity(user.groups.len());
    for name in &user.groups {
        found.extend(view.get::<GroupRecord>(name).await?);
    }
    found.sort_by_key(|group| group.name.to_lowercase());
    groups::page(found, request)
}

#[cfg(test)]
mod tests {
    use crate::testing::{World, code, text, texts};

    const ALL_OF_IAM: &str =
        r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:*","Resource":"*"}}"#;

    async fn group(world: &World, name: &str, policy: Option<&str>) {
        world.root("CreateGroup", &[("GroupName", name)]).await.unwrap();
        if let Some(policy) = policy {
            let params = [("GroupName", name), ("PolicyName", "p"), ("PolicyDocument", policy)];
            world.root("PutGroupPolicy", &params).await.unwrap();
        }
    }

    async fn names(world: &World, action: &str, params: &[(&str, &str)], element: &str) -> Vec<String> {
        texts(&world.root(action, params).await.unwrap(), element)
    }

    #[tokio::test]
    async fn a_groups_policies_are_its_members_as_long_as_they_are_in_it() {
        let world = World::new().await;
        let bob = world.user("bob").await;
        group(&world, "admins", Some(ALL_OF_IAM)).await;
        let both = [("GroupName", "Admins"), ("UserName", "BOB")];
        assert_eq!(code(world.ask(&bob, "ListUsers", &[]).await), "AccessDenied");
        world.root("AddUserToGroup", &both).await.unwrap();
        world.root("AddUserToGroup", &both).await.unwrap();
        world.ask(&bob, "ListUsers", &[]).await.unwrap();
        world.root("RemoveUserFromGroup", &both).await.unwrap();
        assert_eq!(code(world.ask(&bob, "ListUsers", &[]).await), "AccessDenied");
    }

    #[tokio::test]
    async fn a_groups_policy_that_is_taken_away_is_gone_at_once() {
        let world = World::new().await;
        let bob = world.user("bob").await;
        group(&world, "admins", Some(ALL_OF_IAM)).await;
        world.root("AddUserToGroup", &[("GroupName", "admins"), ("UserName", "bob")]).await.unwrap();
        world.ask(&bob, "ListUsers", &[]).await.unwrap();
        world.root("DeleteGroupPolicy", &[("GroupName", "admins"), ("PolicyName", "p")]).await.unwrap();
        assert_eq!(code(world.ask(&bob, "ListUsers", &[]).await), "AccessDenied");
    }

    #[tokio::test]
    async fn groups_and_users_find_each_other() {
        let world = World::new().await;
        for user in ["bob", "eve", "carol"] {
            world.user(user).await;
        }
        for name in ["b", "a"] {
            group(&world, name, None).await;
            world.root("AddUserToGroup", &[("GroupName", name), ("UserName", "bob")]).await.unwrap();
        }
        world.root("AddUserToGroup", &[("GroupName", "a"), ("UserName", "eve")]).await.unwrap();
        assert_eq!(names(&world, "GetGroup", &[("GroupName", "a")], "UserName").await, ["bob", "eve"]);
        assert_eq!(names(&world, "ListGroupsForUser", &[("UserName", "bob")], "GroupName").await, ["a", "b"]);
        assert!(names(&world, "ListGroupsForUser", &[("UserName", "carol")], "GroupName").await.is_empty());
        assert_eq!(names(&world, "ListGroups", &[], "GroupName").await, ["a", "b"]);
    }

    #[tokio::test]
    async fn a_renamed_group_keeps_its_members_and_policies() {
        let world = World::new().await;
        let bob = world.user("bob").await;
        group(&world, "old", Some(ALL_OF_IAM)).await;
        group(&world, "taken", None).await;
        world.root("AddUserToGroup", &[("GroupName", "old"), ("UserName", "bob")]).await.unwrap();
        let rename = async |new| world.root("UpdateGroup", &[("GroupName", "old"), ("NewGroupName", new)]).await;
        assert_eq!(code(rename("Taken").await), "EntityAlreadyExists");
        rename("new").await.unwrap();
        world.ask(&bob, "ListUsers", &[]).await.unwrap();
        assert_eq!(names(&world, "GetGroup", &[("GroupName", "new")], "UserName").await, ["bob"]);
        assert_eq!(code(world.root("GetGroup", &[("GroupName", "old")]).await), "NoSuchEntity");
        let path = [("GroupName", "new"), ("NewPath", "/division/"), ("NewGroupName", "NEW")];
        world.root("UpdateGroup", &path).await.unwrap();
        let shown = world.root("ListGroupsForUser", &[("UserName", "bob")]).await.unwrap();
        assert_eq!(text(&shown, "Arn"), "arn:aws:iam::000000000000:group/division/NEW");
    }

    #[tokio::test]
    async fn a_group_in_use_stays() {
        let world = World::new().await;
        world.user("bob").await;
        group(&world, "g", Some(ALL_OF_IAM)).await;
        let (name, both) = (("GroupName", "g"), [("GroupName", "g"), ("UserName", "bob")]);
        world.root("AddUserToGroup", &both).await.unwrap();
        assert_eq!(code(world.root("DeleteGroup", &[name]).await), "DeleteConflict");
        assert_eq!(code(world.root("DeleteUser", &[both[1]]).await), "DeleteConflict");
        world.root("RemoveUserFromGroup", &both).await.unwrap();
        assert_eq!(code(world.root("DeleteGroup", &[name]).await), "DeleteConflict");
        world.root("DeleteGroupPolicy", &[name, ("PolicyName", "p")]).await.unwrap();
        world.root("DeleteGroup", &[name]).await.unwrap();
        assert_eq!(code(world.root("DeleteGroup", &[name]).await), "NoSuchEntity");
    }

    #[tokio::test]
    async fn an_eleventh_group_is_one_too_many() {
        let world = World::new().await;
        world.user("bob").await;
        for n in 0..11 {
            let name = format!("g{n}");
            group(&world, &name, None).await;
            let added = world.root("AddUserToGroup", &[("GroupName", &name), ("UserName", "bob")]).await;
            if n == 10 {
                assert_eq!(code(added), "LimitExceeded");
            } else {
                added.unwrap();
            }
        }
    }

    #[tokio::test]
    async fn who_is_not_there_joins_nothing_and_nobody_joins_what_is_not_there() {
        let world = World::new().await;
        world.user("bob").await;
        group(&world, "g", None).await;
        for action in ["AddUserToGroup", "RemoveUserFromGroup"] {
            for (group, user) in [("g", "nobody"), ("none", "bob")] {
                let params = [("GroupName", group), ("UserName", user)];
                assert_eq!(code(world.root(action, &params).await), "NoSuchEntity", "{action} {group} {user}");
            }
        }
        assert_eq!(code(world.root("CreateGroup", &[("GroupName", "G")]).await), "EntityAlreadyExists");
    }

    #[tokio::test]
    async fn users_do_not_add_themselves() {
        let world = World::new().await;
        let bob = world.user("bob").await;
        group(&world, "admins", Some(ALL_OF_IAM)).await;
        for (action, params) in [
            ("AddUserToGroup", &[("GroupName", "admins"), ("UserName", "bob")][..]),
            ("PutGroupPolicy", &[("GroupName", "admins"), ("PolicyName", "p"), ("PolicyDocument", ALL_OF_IAM)]),
            ("UpdateGroup", &[("GroupName", "admins"), ("NewGroupName", "x")]),
            ("DeleteGroup", &[("GroupName", "admins")]),
            ("GetGroup", &[("GroupName", "none")]),
            ("CreateGroup", &[("GroupName", "mine")]),
        ] {
            assert_eq!(code(world.ask(&bob, action, params).await), "AccessDenied", "{action}");
        }
    }
}

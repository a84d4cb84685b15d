//! The actions of IAM.
//!
//! An action reads its parameters, asks whether the caller may do it, changes the account, and writes what goes into
//! its `Result` element; an empty text for actions without one.

mod access_keys;
mod attachments;
pub(crate) mod document;
mod groups;
mod holder;
mod inline;
mod key_holder;
mod membership;
mod policies;
mod policy_versions;
mod principal;
mod tags;
mod users;

use crate::api::ApiRequest;
use crate::error::ApiError;
use crate::records::{GroupRecord, RoleRecord, UserRecord};

/// Every action that there is, by name.
pub(crate) const ACTIONS: &[&str] = &[
    "AddUserToGroup",
    "AttachGroupPolicy",
    "AttachRolePolicy",
    "AttachUserPolicy",
    "CreateAccessKey",
    "CreateGroup",
    "CreatePolicy",
    "CreatePolicyVersion",
    "CreateUser",
    "DeleteAccessKey",
    "DeleteGroup",
    "DeleteGroupPolicy",
    "DeletePolicy",
    "DeletePolicyVersion",
    "DeleteRolePermissionsBoundary",
    "DeleteRolePolicy",
    "DeleteUser",
    "DeleteUserPermissionsBoundary",
    "DeleteUserPolicy",
    "DetachGroupPolicy",
    "DetachRolePolicy",
    "DetachUserPolicy",
    "GetGroup",
    "GetGroupPolicy",
    "GetPolicy",
    "GetPolicyVersion",
    "GetRolePolicy",
    "GetUser",
    "GetUserPolicy",
    "ListAccessKeys",
    "ListAttachedGroupPolicies",
    "ListAttachedRolePolicies",
    "ListAttachedUserPolicies",
    "ListEntitiesForPolicy",
    "ListGroupPolicies",
    "ListGroups",
    "ListGroupsForUser",
    "ListPolicies",
    "ListPolicyTags",
    "ListPolicyVersions",
    "ListRolePolicies",
    "ListRoleTags",
    "ListUserPolicies",
    "ListUserTags",
    "ListUsers",
    "PutGroupPolicy",
    "PutRolePermissionsBoundary",
    "PutRolePolicy",
    "PutUserPermissionsBoundary",
    "PutUserPolicy",
    "RemoveUserFromGroup",
    "SetDefaultPolicyVersion",
    "TagPolicy",
    "TagRole",
    "TagUser",
    "UntagPolicy",
    "UntagRole",
    "UntagUser",
    "UpdateAccessKey",
    "UpdateGroup",
    "UpdateUser",
];

/// Does what is asked.
pub(crate) async fn call(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    match request.action {
        "AddUserToGroup" => membership::add(request).await,
        "AttachGroupPolicy" => attachments::attach::<GroupRecord>(request).await,
        "AttachRolePolicy" => attachments::attach::<RoleRecord>(request).await,
        "AttachUserPolicy" => attachments::attach::<UserRecord>(request).await,
        "CreateAccessKey" => access_keys::create(request).await,
        "CreateGroup" => groups::create(request).await,
        "CreatePolicy" => policies::create(request).await,
        "CreatePolicyVersion" => policy_versions::create(request).await,
        "CreateUser" => users::create(request).await,
        "DeleteAccessKey" => access_keys::delete(request).await,
        "DeleteGroup" => groups::delete(request).await,
        "DeleteGroupPolicy" => inline::delete::<GroupRecord>(request).await,
        "DeletePolicy" => policies::delete(request).await,
        "DeletePolicyVersion" => policy_versions::delete(request).await,
        "DeleteRolePermissionsBoundary" => principal::delete_boundary::<RoleRecord>(request).await,
        "DeleteRolePolicy" => inline::delete::<RoleRecord>(request).await,
        "DeleteUser" => users::delete(request).await,
        "DeleteUserPermissionsBoundary" => principal::delete_boundary::<UserRecord>(request).await,
        "DeleteUserPolicy" => inline::delete::<UserRecord>(request).await,
        "DetachGroupPolicy" => attachments::detach::<GroupRecord>(request).await,
        "DetachRolePolicy" => attachments::detach::<RoleRecord>(request).await,
        "DetachUserPolicy" => attachments::detach::<UserRecord>(request).await,
        "GetGroup" => groups::get(request).await,
        "GetGroupPolicy" => inline::get::<GroupRecord>(request).await,
        "GetPolicy" => policies::get(request).await,
        "GetPolicyVersion" => policy_versions::get(request).await,
        "GetRolePolicy" => inline::get::<RoleRecord>(request).await,
        "GetUser" => users::get(request).await,
        "GetUserPolicy" => inline::get::<UserRecord>(request).await,
        "ListAccessKeys" => access_keys::list(request).await,
        "ListAttachedGroupPolicies" => attachments::list::<GroupRecord>(request).await,
        "ListAttachedRolePolicies" => attachments::list::<RoleRecord>(request).await,
        "ListAttachedUserPolicies" => attachments::list::<UserRecord>(request).await,
        "ListEntitiesForPolicy" => attachments::entities(request).await,
        "ListGroupPolicies" => inline::list::<GroupRecord>(request).await,
        "ListGroups" => groups::list(request).await,
        "ListGroupsForUser" => membership::list(request).await,
        "ListPolicies" => policies::list(request).await,
        "ListPolicyTags" => policies::list_tags(request).await,
        "ListPolicyVersions" => policy_versions::list(request).await,
        "ListRolePolicies" => inline::list::<RoleRecord>(request).await,
        "ListRoleTags" => principal::list_tags::<RoleRecord>(request).await,
        "ListUserPolicies" => inline::list::<UserRecord>(request).await,
        "ListUserTags" => principal::list_tags::<UserRecord>(request).await,
        "ListUsers" => users::list(request).await,
        "PutGroupPolicy" => inline::put::<GroupRecord>(request).await,
        "PutRolePermissionsBoundary" => principal::put_boundary::<RoleRecord>(request).await,
        "PutRolePolicy" => inline::put::<RoleRecord>(request).await,
        "PutUserPermissionsBoundary" => principal::put_boundary::<UserRecord>(request).await,
        "PutUserPolicy" => inline::put::<UserRecord>(request).await,
        "RemoveUserFromGroup" => membership::remove(request).await,
        "SetDefaultPolicyVersion" => policy_versions::set_default(request).await,
        "TagPolicy" => policies::tag(request).await,
        "TagRole" => principal::tag::<RoleRecord>(request).await,
        "TagUser" => principal::tag::<UserRecord>(request).await,
        "UntagPolicy" => policies::untag(request).await,
        "UntagRole" => principal::untag::<RoleRecord>(request).await,
        "UntagUser" => principal::untag::<UserRecord>(request).await,
        "UpdateAccessKey" => access_keys::update(request).await,
        "UpdateGroup" => groups::update(request).await,
        "UpdateUser" => users::update(request).await,
        _ => Err(ApiError::service_failure()),
    }
}

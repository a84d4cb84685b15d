//! GetAccountSummary.

use std::collections::BTreeSet;

use super::holder::Holder as _;
use super::key_holder::KeyHolder;
use super::{access_keys, attachments, groups, membership, policies, policy_versions, roles, users};
use crate::api::ApiRequest;
use crate::error::ApiError;
use crate::records::{GroupRecord, ManagedPolicyRecord, OidcProviderRecord, RoleRecord, UserRecord};
use crate::xml::Xml;

/// Counts and quotas. What there never is counts 0.
pub(super) async fn get(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    request.authorize("iam:GetAccountSummary", "*")?;
    let view = request.iam.view(request.account()?);
    let all_users = view.all::<UserRecord>().await?;
    let all_groups = view.all::<GroupRecord>().await?;
    let all_roles = view.all::<RoleRecord>().await?;
    let all_policies = view.all::<ManagedPolicyRecord>().await?;
    let providers = view.all::<OidcProviderRecord>().await?;
    let attached = all_users.iter().flat_map(|user| &user.policies.managed);
    let attached = attached.chain(all_groups.iter().flat_map(|group| &group.policies.managed));
    let attached = attached.chain(all_roles.iter().flat_map(|role| &role.policies.managed));
    let in_use = attached.collect::<BTreeSet<_>>().len();
    let versions: usize = all_policies.iter().map(|policy| policy.versions.len()).sum();
    let root_has_keys = KeyHolder::root(&view).await?.count() > 0;
    let entries = [
        ("AccessKeysPerUserQuota", access_keys::MOST),
        ("AccountAccessKeysPresent", usize::from(root_has_keys)),
        ("AccountMFAEnabled", 0),
        ("AccountPasswordPresent", 0),
        ("AccountSigningCertificatesPresent", 0),
        ("AttachedPoliciesPerGroupQuota", attachments::MOST),
        ("AttachedPoliciesPerRoleQuota", attachments::MOST),
        ("AttachedPoliciesPerUserQuota", attachments::MOST),
        ("GroupPolicySizeQuota", GroupRecord::MAX_INLINE_LEN),
        ("Groups", all_groups.len()),
        ("GroupsPerUserQuota", membership::MOST),
        ("GroupsQuota", groups::MOST),
        ("MFADevices", 0),
        ("MFADevicesInUse", 0),
        ("Policies", all_policies.len()),
        ("PoliciesQuota", policies::MOST),
        ("PolicySizeQuota", policies::MAX_LEN),
        ("PolicyVersionsInUse", versions),
        ("PoliciesInUse", in_use),
        ("Providers", providers.len()),
        ("RolePolicySizeQuota", RoleRecord::MAX_INLINE_LEN),
        ("Roles", all_roles.len()),
        ("RolesQuota", roles::MOST),
        ("ServerCertificates", 0),
        ("SigningCertificatesPerUserQuota", 0),
        ("UserPolicySizeQuota", UserRecord::MAX_INLINE_LEN),
        ("Users", all_users.len()),
        ("UsersQuota", users::MOST),
        ("VersionsPerPolicyQuota", policy_versions::MOST),
    ];
    let mut xml = Xml::new();
    xml.element("SummaryMap", |xml| {
        for (key, value) in entries {
            xml.element("entry", |xml| {
                xml.text("key", key).value("value", value);
            });
        }
    });
    Ok(xml.into_string())
}

#[cfg(test)]
mod tests {
    use crate::testing::{World, code};

    #[tokio::test]
    async fn what_there_is_is_counted() {
        let world = World::new().await;
        let bob = world.user("bob").await;
        assert_eq!(code(world.ask(&bob, "GetAccountSummary", &[]).await), "AccessDenied");
        world.root("CreateGroup", &[("GroupName", "g")]).await.unwrap();
        let arn = "arn:aws:iam::aws:policy/AmazonS3FullAccess";
        world.root("AttachUserPolicy", &[("UserName", "bob"), ("PolicyArn", arn)]).await.unwrap();
        world.root("AttachGroupPolicy", &[("GroupName", "g"), ("PolicyArn", arn)]).await.unwrap();
        let summary = world.root("GetAccountSummary", &[]).await.unwrap();
        for (key, value) in
            [("Users", 1), ("Groups", 1), ("Roles", 0), ("PoliciesInUse", 1), ("AccountAccessKeysPresent", 1)]
        {
            let entry = format!("<entry><key>{key}</key><value>{value}</value></entry>");
            assert!(summary.contains(&entry), "{entry} in {summary}");
        }
    }
}

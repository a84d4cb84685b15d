//! GetAccountAuthorizationDetails: everything that decides who may do what, at once.

use super::attachments::UseCounts;
use super::document;
use super::groups::write as write_group;
use super::holder::Holder;
use super::policies::{Managed, Shown};
use super::policy_versions::versions;
use super::roles::write as write_role;
use super::users::write as write_user;
use crate::account::View;
use crate::api::ApiRequest;
use crate::arn;
use crate::error::ApiError;
use crate::page::Page;
use crate::predefined::PREDEFINED;
use crate::principals::CurrentNames;
use crate::records::{GroupRecord, InlinePolicyRecord, ManagedPolicyRecord, RoleRecord, UserRecord};
use crate::xml::Xml;

/// Something in the answer, with what sorts it: its list, then its name.
struct Detail {
    key: String,
    entity: Entity,
}

enum Entity {
    User(UserRecord),
    Group(GroupRecord),
    /// With the trust policy as it is shown.
    Role(RoleRecord, String),
    Policy(Managed),
}

/// The values of `Filter`.
const FILTERS: [&str; 5] = ["User", "Role", "Group", "LocalManagedPolicy", "AWSManagedPolicy"];

pub(super) async fn get(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    request.authorize("iam:GetAccountAuthorizationDetails", "*")?;
    let filter = filter(request)?;
    let view = request.iam.view(request.account()?);
    let counts = UseCounts::of(&view).await?;
    let mut details = Vec::new();
    for kind in FILTERS.into_iter().filter(|kind| filter.is_empty() || filter.contains(kind)) {
        let found = entities(&view, kind, &counts).await?;
        details.extend(found.into_iter().map(|(name, entity)| Detail { key: format!("{kind}/{name}"), entity }));
    }
    details.sort_by_key(|detail| detail.key.to_lowercase());
    let page = Page::of(details, &request.params, |detail| &detail.key)?;
    let account = &view.account;
    let mut xml = Xml::new();
    let mut list = |name: &str, write: &dyn Fn(&mut Xml, &Entity) -> bool| {
        xml.element(name, |xml| {
            for detail in &page.items {
                let mut member = Xml::new();
                if write(&mut member, &detail.entity) {
                    xml.nested("member", member);
                }
            }
        });
    };
    list("UserDetailList", &|xml, entity| {
        let Entity::User(user) = entity else { return false };
        write_user(xml, account, user, true);
        xml.list("GroupList", &user.groups, |xml, name| xml.escape(name));
        write_policies(xml, "UserPolicyList", user);
        true
    });
    list("GroupDetailList", &|xml, entity| {
        let Entity::Group(group) = entity else { return false };
        write_group(xml, account, group);
        write_policies(xml, "GroupPolicyList", group);
        true
    });
    list("RoleDetailList", &|xml, entity| {
        let Entity::Role(role, trust_policy) = entity else { return false };
        write_role(xml, account, role, trust_policy, true);
        xml.list("InstanceProfileList", [(); 0], |_, ()| {});
        write_policies(xml, "RolePolicyList", role);
        true
    });
    list("Policies", &|xml, entity| {
        let Entity::Policy(policy) = entity else { return false };
        Shown::of(account, policy).write(xml, &counts, true);
        xml.list("PolicyVersionList", versions(policy), |xml, version| version.write(xml));
        true
    });
    page.write_end(&mut xml);
    Ok(xml.into_string())
}

/// Everything of a kind, by name. Of AWS's policies only those that are in use.
async fn entities(view: &View<'_>, kind: &str, counts: &UseCounts) -> Result<Vec<(String, Entity)>, ApiError> {
    let mut found = Vec::new();
    match kind {
        "User" => {
            found.extend(
                view.all::<UserRecord>().await?.into_iter().map(|user| (user.name.clone(), Entity::User(user))),
            );
        }
        "Group" => {
            let groups = view.all::<GroupRecord>().await?;
            found.extend(groups.into_iter().map(|group| (group.name.clone(), Entity::Group(group))));
        }
        "Role" => {
            let mut names = CurrentNames::new(view.iam);
            for role in view.all::<RoleRecord>().await? {
                let trust_policy = names.shown_trust_policy(&role).await?;
                found.push((role.name.clone(), Entity::Role(role, trust_policy)));
            }
        }
        "LocalManagedPolicy" => {
            let policies = view.all::<ManagedPolicyRecord>().await?;
            let entity = |policy: ManagedPolicyRecord| (policy.name.clone(), Entity::Policy(Managed::Own(policy)));
            found.extend(policies.into_iter().map(entity));
        }
        _ => {
            let used =
                PREDEFINED.iter().filter(|policy| counts.attached(policy.arn) + counts.boundaries(policy.arn) > 0);
            let entity = |policy| Entity::Policy(Managed::Predefined(policy));
            found.extend(used.map(|policy| (policy.name.to_owned(), entity(policy))));
        }
    }
    Ok(found)
}

/// What `Filter` says; empty for everything.
fn filter<'a>(request: &'a ApiRequest<'_>) -> Result<Vec<&'a str>, ApiError> {
    let filter = request.params.list("Filter");
    match filter.iter().find(|kind| !FILTERS.contains(kind)) {
        None => Ok(filter),
        Some(kind) => {
            let must = "Member must satisfy enum value set: [User, Role, Group, LocalManagedPolicy, AWSManagedPolicy]";
            Err(crate::params::invalid("Filter", Some(kind), must))
        }
    }
}

/// Writes the inline policies as `list`, and the managed ones.
fn write_policies<T: Holder>(xml: &mut Xml, list: &str, holder: &T) {
    let policies = holder.policies();
    xml.list(list, &policies.inline, |xml, InlinePolicyRecord { name, document }| {
        xml.text("PolicyName", name).text("PolicyDocument", &document::encoded(document));
    });
    xml.list("AttachedManagedPolicies", &policies.managed, |xml, arn| {
        xml.text("PolicyName", arn::path_and_name(arn).map_or("", |(_, name)| name)).text("PolicyArn", arn);
    });
}

#[cfg(test)]
mod tests {
    use crate::testing::{World, code, texts};

    async fn world() -> World {
        let world = World::new().await;
        let policy = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}"#;
        world.user_with("bob", policy).await;
        world.root("CreateGroup", &[("GroupName", "g")]).await.unwrap();
        world.root("AddUserToGroup", &[("GroupName", "g"), ("UserName", "bob")]).await.unwrap();
        let arn = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess";
        world.root("AttachGroupPolicy", &[("GroupName", "g"), ("PolicyArn", arn)]).await.unwrap();
        world.root("CreatePolicy", &[("PolicyName", "own"), ("PolicyDocument", policy)]).await.unwrap();
        world
    }

    #[tokio::test]
    async fn users_groups_and_policies_are_shown_with_what_is_attached() {
        let answer = world().await.root("GetAccountAuthorizationDetails", &[]).await.unwrap();
        assert_eq!(texts(&answer, "UserName"), ["bob"]);
        assert_eq!(texts(&answer, "GroupList"), ["<member>g</member>"]);
        assert_eq!(texts(&answer, "GroupName"), ["g"]);
        // Attached to the group, then among the policies; the user's own is inline.
        assert_eq!(texts(&answer, "PolicyName"), ["inline", "AmazonS3ReadOnlyAccess", "AmazonS3ReadOnlyAccess", "own"]);
        assert!(answer.contains("<RoleDetailList></RoleDetailList>"), "{answer}");
    }

    #[tokio::test]
    async fn pages_and_filters_leave_nothing_out() {
        let world = world().await;
        let (mut seen, mut marker) = (Vec::new(), None::<String>);
        loop {
            let mut params = vec![("MaxItems", "1")];
            params.extend(marker.as_deref().map(|marker| ("Marker", marker)));
            let page = world.root("GetAccountAuthorizationDetails", &params).await.unwrap();
            seen.extend(texts(&page, "Arn"));
            marker = texts(&page, "Marker").pop();
            if marker.is_none() {
                break;
            }
        }
        assert_eq!(seen.len(), 4, "{seen:?}");
        for (kind, count) in
            [("User", 1), ("Group", 1), ("Role", 0), ("LocalManagedPolicy", 1), ("AWSManagedPolicy", 1)]
        {
            let page = world.root("GetAccountAuthorizationDetails", &[("Filter.member.1", kind)]).await.unwrap();
            assert_eq!(texts(&page, "Arn").len(), count, "{kind}");
        }
        let wrong = world.root("GetAccountAuthorizationDetails", &[("Filter.member.1", "Everything")]).await;
        assert_eq!(code(wrong), "ValidationError");
    }
}

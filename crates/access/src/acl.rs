//! Access control lists.

use crate::principal::Principal;

/// What a grant permits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AclPermission {
    /// `READ`
    Read,
    /// `WRITE`
    Write,
    /// `READ_ACP`
    ReadAcp,
    /// `WRITE_ACP`
    WriteAcp,
    /// `FULL_CONTROL`
    FullControl,
}

/// Whom a grant is for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Grantee {
    /// An account, by its number of 12 digits. On the wire it is a canonical user ID.
    Account(String),
    /// Everybody: `http://acs.amazonaws.com/groups/global/AllUsers`.
    AllUsers,
    /// Everybody whose request is signed: `http://acs.amazonaws.com/groups/global/AuthenticatedUsers`.
    AuthenticatedUsers,
    /// The service that delivers access logs: `http://acs.amazonaws.com/groups/s3/LogDelivery`.
    LogDelivery,
}

/// A permission for a grantee.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Grant {
    /// Whom it is for.
    pub grantee: Grantee,
    /// What it permits.
    pub permission: AclPermission,
}

/// What a list says to one who asks. What an account is granted its users do not have until a policy of theirs says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AclGrant {
    /// Nothing.
    None,
    /// Their account may.
    Account,
    /// Everybody may, or everybody who signs, or they are a service that is named.
    Everyone,
}

/// An access control list of a bucket or an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acl {
    /// The account that owns the bucket or object.
    pub owner: String,
    /// The grants, in the order in which they were given.
    pub grants: Vec<Grant>,
}

impl Acl {
    /// The list that gives its owner everything and others nothing.
    #[must_use]
    pub fn private(owner: &str) -> Self {
        let grantee = Grantee::Account(owner.to_owned());
        Self { owner: owner.to_owned(), grants: vec![Grant { grantee, permission: AclPermission::FullControl }] }
    }

    /// Whom the list permits this, as far as it concerns `principal`. Owners may always read and write the list itself.
    #[must_use]
    pub fn allows(&self, principal: &Principal, permission: AclPermission) -> AclGrant {
        let account = principal.account();
        let is_list = matches!(permission, AclPermission::ReadAcp | AclPermission::WriteAcp);
        let own = if is_list && account == Some(&self.owner) { AclGrant::Account } else { AclGrant::None };
        let granted = self
            .grants
            .iter()
            .filter(|grant| grant.permission == permission || grant.permission == AclPermission::FullControl)
            .map(|grant| match &grant.grantee {
                Grantee::Account(id) if account == Some(id) => AclGrant::Account,
                Grantee::AllUsers => AclGrant::Everyone,
                Grantee::AuthenticatedUsers if account.is_some() => AclGrant::Everyone,
                Grantee::LogDelivery if is_log_delivery(principal) => AclGrant::Everyone,
                _ => AclGrant::None,
            })
            .max();
        own.max(granted.unwrap_or(AclGrant::None))
    }

    /// Whether the list grants anything to everybody, signed or not.
    #[must_use]
    pub fn is_public(&self) -> bool {
        self.grants.iter().any(|grant| matches!(grant.grantee, Grantee::AllUsers | Grantee::AuthenticatedUsers))
    }
}

fn is_log_delivery(principal: &Principal) -> bool {
    matches!(principal, Principal::Service { name } if name == "logging.s3.amazonaws.com")
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWNER: &str = "111122223333";
    const OTHER: &str = "444455556666";
    const PERMISSIONS: [AclPermission; 4] =
        [AclPermission::Read, AclPermission::Write, AclPermission::ReadAcp, AclPermission::WriteAcp];

    fn list(grants: &[(Grantee, AclPermission)]) -> Acl {
        let grants =
            grants.iter().map(|(grantee, permission)| Grant { grantee: grantee.clone(), permission: *permission });
        Acl { owner: OWNER.to_owned(), grants: grants.collect() }
    }

    fn root(account: &str) -> Principal {
        Principal::Root { account: account.to_owned() }
    }

    fn service(name: &str) -> Principal {
        Principal::Service { name: name.to_owned() }
    }

    #[test]
    fn a_private_list_is_for_its_owner() {
        let acl = Acl::private(OWNER);
        for permission in PERMISSIONS {
            assert_eq!(acl.allows(&root(OWNER), permission), AclGrant::Account);
            for other in [root(OTHER), Principal::Anonymous, service("logging.s3.amazonaws.com")] {
                assert_eq!(acl.allows(&other, permission), AclGrant::None);
            }
        }
        assert!(!acl.is_public());
    }

    #[test]
    fn an_owner_without_a_grant_still_has_the_list() {
        let acl = list(&[]);
        let allowed = PERMISSIONS.map(|permission| acl.allows(&root(OWNER), permission));
        assert_eq!(allowed, [AclGrant::None, AclGrant::None, AclGrant::Account, AclGrant::Account]);
        assert!(PERMISSIONS.iter().all(|permission| acl.allows(&root(OTHER), *permission) == AclGrant::None));
    }

    #[test]
    fn a_permission_is_that_one() {
        for granted in PERMISSIONS {
            let acl = list(&[(Grantee::Account(OTHER.to_owned()), granted)]);
            for asked in PERMISSIONS {
                let expected = if asked == granted { AclGrant::Account } else { AclGrant::None };
                assert_eq!(acl.allows(&root(OTHER), asked), expected);
                assert_eq!(acl.allows(&Principal::Anonymous, asked), AclGrant::None);
            }
        }
        let acl = list(&[(Grantee::Account(OTHER.to_owned()), AclPermission::FullControl)]);
        assert!(PERMISSIONS.iter().all(|permission| acl.allows(&root(OTHER), *permission) == AclGrant::Account));
    }

    #[test]
    fn groups_are_everybody_and_whoever_signs() {
        let all = list(&[(Grantee::AllUsers, AclPermission::Read)]);
        let signed = list(&[(Grantee::AuthenticatedUsers, AclPermission::Read)]);
        assert_eq!(all.allows(&Principal::Anonymous, AclPermission::Read), AclGrant::Everyone);
        assert_eq!(all.allows(&Principal::Anonymous, AclPermission::Write), AclGrant::None);
        assert_eq!(signed.allows(&Principal::Anonymous, AclPermission::Read), AclGrant::None);
        assert_eq!(signed.allows(&service("sns.amazonaws.com"), AclPermission::Read), AclGrant::None);
        assert_eq!(signed.allows(&root(OTHER), AclPermission::Read), AclGrant::Everyone);
        assert!(all.is_public() && signed.is_public());
    }

    #[test]
    fn the_strongest_grant_counts() {
        let acl = list(&[
            (Grantee::Account(OTHER.to_owned()), AclPermission::Read),
            (Grantee::AllUsers, AclPermission::Read),
        ]);
        assert_eq!(acl.allows(&root(OTHER), AclPermission::Read), AclGrant::Everyone);
    }

    #[test]
    fn log_delivery_is_one_service() {
        let acl = list(&[(Grantee::LogDelivery, AclPermission::Write)]);
        assert_eq!(acl.allows(&service("logging.s3.amazonaws.com"), AclPermission::Write), AclGrant::Everyone);
        assert_eq!(acl.allows(&service("s3.amazonaws.com"), AclPermission::Write), AclGrant::None);
        assert!(!acl.is_public());
    }
}

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

    /// Whether the list permits this to `principal`. Owners may always read and write the list itself.
    #[must_use]
    pub fn allows(&self, principal: &Principal, permission: AclPermission) -> bool {
        let account = principal.account();
        if account == Some(&self.owner) && matches!(permission, AclPermission::ReadAcp | AclPermission::WriteAcp) {
            return true;
        }
        self.grants.iter().any(|grant| {
            let permits = grant.permission == permission || grant.permission == AclPermission::FullControl;
            let is_meant = match &grant.grantee {
                Grantee::Account(id) => account == Some(id),
                Grantee::AllUsers => true,
                Grantee::AuthenticatedUsers => account.is_some(),
                Grantee::LogDelivery => {
                    matches!(principal, Principal::Service { name } if name == "logging.s3.amazonaws.com")
                }
            };
            permits && is_meant
        })
    }

    /// Whether the list grants anything to everybody, signed or not.
    #[must_use]
    pub fn is_public(&self) -> bool {
        self.grants.iter().any(|grant| matches!(grant.grantee, Grantee::AllUsers | Grantee::AuthenticatedUsers))
    }
}

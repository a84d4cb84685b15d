//! The `Principal` and `NotPrincipal` of a statement.

use crate::caller::Caller;
use crate::principal::{Principal, account_of_arn};

/// Whom a statement is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Principals {
    /// Whether it is a `NotPrincipal`.
    pub(crate) is_inverted: bool,
    pub(crate) names: Vec<PrincipalName>,
}

/// Somebody, as a policy names them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PrincipalName {
    /// `*`
    Everyone,
    /// An account, by its number or the ARN of its root user.
    Account(String),
    /// A user, a role or a session of a role.
    Arn(String),
    /// A user, a role or a session of a role, by its unique ID; that of a session is `ROLE_ID:SESSION`.
    Id(String),
    /// A service of AWS.
    Service(String),
    /// A provider of identities.
    Federated(String),
    /// An account, by an ID that has to be told first.
    CanonicalUser(String),
}

/// How a statement names a caller, from the weakest to the strongest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Named {
    /// Not at all.
    No,
    /// Its account is named: it is for the account to say who of its users may.
    Account,
    /// The role of its session is named: what limits the session limits this.
    Role,
    /// It is named itself: nothing but a denial limits this.
    Itself,
}

impl Principals {
    /// How a statement that allows names somebody.
    pub(crate) fn name(&self, principal: &Principal) -> Named {
        // No policy that allows with NotPrincipal is accepted.
        if self.is_inverted {
            return Named::No;
        }
        self.names.iter().map(|name| name.means(principal)).max().unwrap_or(Named::No)
    }

    /// How a statement that denies names somebody. `NotPrincipal` spares only those that it names themselves, and, as
    /// AWS documents, nobody who has a permissions boundary.
    pub(crate) fn exclude(&self, caller: &Caller) -> Named {
        let named = self.names.iter().map(|name| name.means(&caller.principal)).max().unwrap_or(Named::No);
        let is_meant = if self.is_inverted {
            let is_spared = self.names.iter().any(|name| name.is_exactly(&caller.principal));
            !is_spared || caller.boundary.is_some()
        } else {
            named > Named::No
        };
        if is_meant { Named::Itself } else { Named::No }
    }

    /// Whether everybody is meant, signed or not.
    pub(crate) fn are_everyone(&self) -> bool {
        self.names.contains(&PrincipalName::Everyone)
    }
}

impl PrincipalName {
    /// Reads a name of the type `AWS`; `None` when it is none.
    pub(crate) fn parse_aws(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(Self::Everyone);
        }
        let is_word = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if is_word && text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Some(Self::Account(text.to_owned()));
        }
        if is_word && (text.starts_with("AIDA") || text.starts_with("AROA")) {
            return Some(Self::Id(text.to_owned()));
        }
        let account = account_of_arn(text)?;
        let resource = text.splitn(6, ':').nth(5)?;
        if text.starts_with("arn:aws:iam::") && resource == "root" {
            return Some(Self::Account(account.to_owned()));
        }
        let kinds = [("arn:aws:iam::", "user/"), ("arn:aws:iam::", "role/"), ("arn:aws:sts::", "assumed-role/")];
        let is_known = kinds.iter().any(|(start, kind)| {
            text.starts_with(start) && resource.strip_prefix(kind).is_some_and(|name| !name.is_empty())
        });
        (is_known && !text.contains(['*', '?'])).then(|| Self::Arn(text.to_owned()))
    }

    /// Reads a name of the type `Service`; `None` when it is none.
    pub(crate) fn parse_service(text: &str) -> Option<Self> {
        let name = text.strip_suffix(".amazonaws.com")?;
        let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
        (!name.is_empty() && name.bytes().all(is_name)).then(|| Self::Service(text.to_owned()))
    }

    /// Reads a name of the type `Federated`; `None` when it is none.
    pub(crate) fn parse_federated(text: &str) -> Option<Self> {
        (!text.is_empty() && !text.contains(['*', '?'])).then(|| Self::Federated(text.to_owned()))
    }

    /// How the name fits somebody.
    fn means(&self, principal: &Principal) -> Named {
        let account = principal.account();
        match (self, principal) {
            (Self::Everyone, Principal::WebIdentity { .. }) => Named::No,
            // A grant to everybody does not lift what a session is limited by.
            (Self::Everyone, Principal::Session { .. }) => Named::Role,
            (Self::Everyone, _) => Named::Itself,
            (Self::Account(id), Principal::Root { account }) if id == account => Named::Itself,
            (Self::Account(id), _) if account == Some(id) => Named::Account,
            (Self::Arn(arn), Principal::Session { .. }) if *arn == principal.principal_arn() => Named::Role,
            (Self::Arn(arn), Principal::User { .. } | Principal::Session { .. }) if *arn == principal.arn() => {
                Named::Itself
            }
            (Self::Id(id), Principal::User { id: own, .. }) if id == own => Named::Itself,
            (Self::Id(id), Principal::Session { role_id, .. }) if id == role_id => Named::Role,
            (Self::Id(id), Principal::Session { .. }) if *id == principal.user_id() => Named::Itself,
            (Self::Service(name), Principal::Service { name: own }) if name == own => Named::Itself,
            (Self::Federated(name), Principal::WebIdentity { provider }) if name == provider => Named::Itself,
            _ => Named::No,
        }
    }

    /// Whether the name is that of somebody alone, and not that of their account or role.
    fn is_exactly(&self, principal: &Principal) -> bool {
        *self == Self::Everyone || self.means(principal) == Named::Itself
    }
}

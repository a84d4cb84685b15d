//! Who asks, as policies name it.

/// Who asks. Accounts are 12 digits; paths start and end with `/`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Principal {
    /// Nobody in particular: the request is not signed.
    Anonymous,
    /// The root user of an account.
    Root {
        /// The account.
        account: String,
    },
    /// An IAM user, also with temporary credentials of its own (GetSessionToken).
    User {
        /// The account.
        account: String,
        /// The path, such as `/` or `/division/`.
        path: String,
        /// The name.
        name: String,
        /// The unique ID, such as `AIDA...`.
        id: String,
    },
    /// A session of a role.
    Session {
        /// The account of the role.
        account: String,
        /// The path of the role.
        role_path: String,
        /// The name of the role.
        role_name: String,
        /// The unique ID of the role, such as `AROA...`.
        role_id: String,
        /// The name that the session was given.
        session_name: String,
    },
    /// An AWS service, such as `logging.s3.amazonaws.com`.
    Service {
        /// The name.
        name: String,
    },
    /// Somebody whom an identity provider vouches for, before a role is assumed.
    WebIdentity {
        /// The ARN of the provider: `arn:aws:iam::ACCOUNT:oidc-provider/HOST/PATH`.
        provider: String,
    },
}

impl Principal {
    /// The account that the principal belongs to; `None` for who belongs to none.
    #[must_use]
    pub fn account(&self) -> Option<&str> {
        match self {
            Self::Root { account } | Self::User { account, .. } | Self::Session { account, .. } => Some(account),
            Self::Anonymous | Self::Service { .. } | Self::WebIdentity { .. } => None,
        }
    }

    /// The ARN, as error messages and `aws:PrincipalArn`'s relatives name it: that of a session is
    /// `arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION`.
    #[must_use]
    pub fn arn(&self) -> String {
        match self {
            Self::Anonymous => "anonymous".to_owned(),
            Self::Root { account } => format!("arn:aws:iam::{account}:root"),
            Self::User { account, path, name, .. } => format!("arn:aws:iam::{account}:user{path}{name}"),
            Self::Session { account, role_name, session_name, .. } => {
                format!("arn:aws:sts::{account}:assumed-role/{role_name}/{session_name}")
            }
            Self::Service { name } => name.clone(),
            Self::WebIdentity { provider } => provider.clone(),
        }
    }

    /// The value of `aws:PrincipalArn`: that of a session is its role's.
    #[must_use]
    pub fn principal_arn(&self) -> String {
        match self {
            Self::Session { account, role_path, role_name, .. } => {
                format!("arn:aws:iam::{account}:role{role_path}{role_name}")
            }
            _ => self.arn(),
        }
    }

    /// The value of `aws:userid`: the account of a root user, the ID of a user, `ROLE_ID:SESSION` of a session.
    #[must_use]
    pub fn user_id(&self) -> String {
        match self {
            Self::Anonymous => "anonymous".to_owned(),
            Self::Root { account } => account.clone(),
            Self::User { id, .. } => id.clone(),
            Self::Session { role_id, session_name, .. } => format!("{role_id}:{session_name}"),
            Self::Service { name } => name.clone(),
            Self::WebIdentity { provider } => provider.clone(),
        }
    }
}

/// A principal that a policy names, once it is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NamedPrincipal {
    /// An account, or its root user: its number says it all.
    Account,
    /// A user or role by its unique ID, or a session of a role by `ROLE_ID:SESSION`: see
    /// [`Policy::resolve_principals`](crate::Policy::resolve_principals).
    Unique(String),
}

/// The account in an ARN of IAM or STS; `None` if there is none.
#[must_use]
pub fn account_of_arn(arn: &str) -> Option<&str> {
    let account = arn.split(':').nth(4)?;
    (account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit())).then_some(account)
}

//! Policy documents.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::arn::ArnTemplate;
use crate::document;
use crate::pattern::Pattern;
use crate::principals::{PrincipalName, Principals};
use crate::public;
use crate::statement::{Effect, Selection, Statement};
use crate::template::Template;

/// What a policy is for: it decides which elements a document must and must not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyKind<'a> {
    /// A policy of a user, group or role, a managed policy, a permissions boundary or a session policy: no `Principal`.
    Identity,
    /// The policy of a bucket: a `Principal`, actions of S3, resources within the bucket.
    Bucket {
        /// The name of the bucket.
        name: &'a str,
    },
    /// The trust policy of a role: a `Principal` and no `Resource`.
    Trust,
    /// The policy of a KMS key: a `Principal`, actions of KMS, and as `Resource` `*`, which is the key, or its ARN.
    Key,
}

/// A policy document that is valid for its kind, ready to be evaluated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    statements: Vec<Statement>,
    must_name_caller: bool,
}

/// What is wrong with a document, in AWS's words: `MalformedPolicy` of S3, `MalformedPolicyDocument` of IAM,
/// `MalformedPolicyDocumentException` of KMS.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PolicyError(pub String);

impl Policy {
    /// Reads a document of at most `max_len` bytes, and validates it. Those of IAM are measured without white space, as
    /// [`Policy::len_of`] does.
    ///
    /// # Errors
    /// [`PolicyError`] in AWS's words.
    pub fn parse(document: &str, kind: PolicyKind<'_>, max_len: usize) -> Result<Self, PolicyError> {
        let statements = document::read(document, kind, max_len)?;
        let must_name_caller = match kind {
            PolicyKind::Trust | PolicyKind::Key => true,
            PolicyKind::Identity | PolicyKind::Bucket { .. } => false,
        };
        Ok(Self { statements, must_name_caller })
    }

    /// The length of a document in bytes, as the quotas of IAM count it: without white space.
    #[must_use]
    pub fn len_of(document: &str) -> usize {
        document::len_without_space(document)
    }

    /// The principals that the document names by ARN, account or ID, so that somebody can see whether they exist. The
    /// root user of an account is named by its account. Services and providers of identities are not among them.
    #[must_use]
    pub fn named_principals(&self) -> Vec<String> {
        let named = |name: &PrincipalName| match name {
            PrincipalName::Account(name) | PrincipalName::Arn(name) | PrincipalName::Id(name) => Some(name.clone()),
            PrincipalName::Everyone
            | PrincipalName::Service(_)
            | PrincipalName::Federated(_)
            | PrincipalName::CanonicalUser(_) => None,
        };
        self.principals().filter_map(named).collect()
    }

    /// A document with other names for some of the principals of the type `AWS` in it: `names` has the new ones, by the
    /// old ones. A document that names none of them stays as it is.
    #[must_use]
    pub fn rename_principals(document: &str, names: &BTreeMap<String, String>) -> String {
        document::rename_principals(document, names)
    }

    /// The canonical user IDs that the document names.
    #[must_use]
    pub fn canonical_users(&self) -> Vec<&str> {
        let mut ids = Vec::new();
        for name in self.principals() {
            if let PrincipalName::CanonicalUser(id) = name {
                ids.push(id.as_str());
            }
        }
        ids
    }

    /// The providers of identities that the document names.
    #[must_use]
    pub fn identity_providers(&self) -> Vec<&str> {
        let mut providers = Vec::new();
        for name in self.principals() {
            if let PrincipalName::Federated(provider) = name {
                providers.push(provider.as_str());
            }
        }
        providers
    }

    /// Says which users, roles and sessions of roles the ARNs in the document stand for: `ids` has their unique IDs, by
    /// ARN; that of a session is `ROLE_ID:SESSION`. Another of the same ARN is somebody else then.
    pub fn resolve_principals(&mut self, ids: &BTreeMap<String, String>) {
        for name in self.principals_mut() {
            if let PrincipalName::Arn(arn) = name
                && let Some(id) = ids.get(arn)
            {
                *name = PrincipalName::Id(id.clone());
            }
        }
    }

    /// Says which accounts the canonical user IDs stand for. One that is not told is nobody.
    pub fn resolve_canonical_users(&mut self, accounts: &HashMap<String, String>) {
        for name in self.principals_mut() {
            if let PrincipalName::CanonicalUser(id) = name
                && let Some(account) = accounts.get(id)
            {
                *name = PrincipalName::Account(account.clone());
            }
        }
    }

    /// Adds what a grant of KMS says: somebody may do some actions. `principal` is the number of an account, or the
    /// unique ID of a user or role, or that of a session, `ROLE_ID:SESSION`. Whether the constraints of the grant hold
    /// is for the caller to see.
    pub fn grant(&mut self, principal: &str, actions: &[&str]) {
        let name = if principal.len() == 12 && principal.bytes().all(|byte| byte.is_ascii_digit()) {
            PrincipalName::Account(principal.to_owned())
        } else {
            PrincipalName::Id(principal.to_owned())
        };
        let items = actions.iter().map(|action| Pattern::parse(&action.to_ascii_lowercase())).collect();
        self.statements.push(Statement {
            effect: Effect::Allow,
            principals: Some(Principals { is_inverted: false, names: vec![name] }),
            actions: Selection { is_inverted: false, items },
            resources: None,
            conditions: Vec::new(),
        });
    }

    /// Whether the policy grants anything to everybody, as Block Public Access defines public.
    #[must_use]
    pub fn is_public(&self) -> bool {
        self.statements.iter().any(public::is_public)
    }

    /// Whether what the policy says may depend on a condition key that starts with `start`, in any case. Who asks need
    /// not find out the values of others.
    #[must_use]
    pub fn looks_at(&self, start: &str) -> bool {
        let start = start.to_ascii_lowercase();
        self.statements.iter().any(|statement| statement.looks_at(&start))
    }

    /// The condition keys that the document depends on, in lower case.
    #[must_use]
    pub fn condition_keys(&self) -> BTreeSet<&str> {
        let mut keys = BTreeSet::new();
        for statement in &self.statements {
            keys.extend(statement.resources.iter().flat_map(|resources| &resources.items).flat_map(ArnTemplate::keys));
            for condition in &statement.conditions {
                keys.insert(condition.key.as_str());
                keys.extend(condition.values.iter().flat_map(Template::keys));
            }
        }
        keys
    }

    pub(crate) fn statements(&self) -> &[Statement] {
        &self.statements
    }

    /// Whether nobody may do anything whom it names neither themselves nor by their account, even within the account of
    /// the resource.
    pub(crate) fn must_name_caller(&self) -> bool {
        self.must_name_caller
    }

    fn principals(&self) -> impl Iterator<Item = &PrincipalName> {
        self.statements.iter().filter_map(|statement| statement.principals.as_ref()).flat_map(|list| &list.names)
    }

    fn principals_mut(&mut self) -> impl Iterator<Item = &mut PrincipalName> {
        let principals = self.statements.iter_mut().filter_map(|statement| statement.principals.as_mut());
        principals.flat_map(|principals| &mut principals.names)
    }
}

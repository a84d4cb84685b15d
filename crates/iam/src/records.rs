//! What the rows hold: CBOR maps with small integer keys, as the store's own.
//!
//! A field is never renumbered; a new one is optional. `docs/spec/identities.md` is the reference. Times are milliseconds
//! since 1970. Paths start and end with `/`.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};
use zeroize::Zeroize as _;

/// An account.
#[derive(Encode, Decode, Clone, PartialEq)]
#[cbor(map)]
pub(crate) struct AccountRecord {
    /// 12 digits.
    #[n(0)]
    pub(crate) id: String,
    #[n(1)]
    pub(crate) name: String,
    #[n(2)]
    pub(crate) email: String,
    #[n(3)]
    pub(crate) created_ms: u64,
    /// It is closed: nobody in it can ask for anything.
    #[n(4)]
    pub(crate) suspended: bool,
    #[n(5)]
    pub(crate) alias: Option<String>,
    /// The IDs of the root user's access keys that were made by CreateAccessKey.
    #[cbor(n(6), default)]
    pub(crate) root_access_keys: Vec<String>,
    #[cbor(n(7), default)]
    pub(crate) tags: Vec<TagRecord>,
}

/// What became of a request for an account.
#[derive(Encode, Decode, Clone, PartialEq)]
#[cbor(map)]
pub(crate) struct CreateAccountRecord {
    /// `car-...`
    #[n(0)]
    pub(crate) id: String,
    /// The name that the account was to have.
    #[n(1)]
    pub(crate) account_name: String,
    #[n(2)]
    pub(crate) requested_ms: u64,
    /// The account that was made.
    #[n(3)]
    pub(crate) account: Option<String>,
    /// Why none was made, in the words of Organizations.
    #[n(4)]
    pub(crate) failure: Option<String>,
}

/// A row that names an account: under its canonical user ID, its e-mail address, its alias.
#[derive(Encode, Decode, Clone, PartialEq)]
#[cbor(map)]
pub(crate) struct AccountNameRecord {
    #[n(0)]
    pub(crate) account: String,
}

/// What changes with every change in an account.
#[derive(Encode, Decode, Clone, PartialEq)]
#[cbor(map)]
pub(crate) struct StampRecord {
    #[cbor(n(0), with = "minicbor::bytes")]
    pub(crate) stamp: [u8; 16],
}

/// A user.
#[derive(Encode, Decode, Clone, PartialEq)]
#[cbor(map)]
pub(crate) struct UserRecord {
    #[n(0)]
    pub(crate) name: String,
    #[n(1)]
    pub(crate) path: String,
    #[n(2)]
    pub(crate) id: String,
    #[n(3)]
    pub(crate) created_ms: u64,
    #[n(4)]
    pub(crate) tags: Vec<TagRecord>,
    #[n(5)]
    pub(crate) policies: AttachedRecord,
    /// The ARN of the permissions boundary.
    #[n(6)]
    pub(crate) boundary: Option<String>,
    /// The names of the groups that the user is in.
    #[n(7)]
    pub(crate) groups: Vec<String>,
    /// The IDs of the access keys.
    #[n(8)]
    pub(crate) access_keys: Vec<String>,
}

/// A group.
#[derive(Encode, Decode, Clone, PartialEq)]
#[cbor(map)]
pub(crate) struct GroupRecord {
    #[n(0)]
    pub(crate) name: String,
    #[n(1)]
    pub(crate) path: String,
    #[n(2)]
    pub(crate) id: String,
    #[n(3)]
    pub(crate) created_ms: u64,
    #[n(4)]
    pub(crate) policies: AttachedRecord,
}

/// A role.
#[derive(Encode, Decode, Clone, PartialEq)]
#[cbor(map)]
pub(crate) struct RoleRecord {
    #[n(0)]
    pub(crate) name: String,
    #[n(1)]
    pub(crate) path: String,
    #[n(2)]
    pub(crate) id: String,
    #[n(3)]
    pub(crate) created_ms: u64,
    #[n(4)]
    pub(crate) tags: Vec<TagRecord>,
    #[n(5)]
    pub(crate) policies: AttachedRecord,
    #[n(6)]
    pub(crate) boundary: Option<String>,
    /// The trust policy, as it was put.
    #[n(7)]
    pub(crate) trust_policy: String,
    #[n(8)]
    pub(crate) description: String,
    #[n(9)]
    pub(crate) max_session_s: u32,
    /// The unique IDs of whom the trust policy names by ARN, by ARN; `ROLE_ID:SESSION` of a session.
    #[n(10)]
    pub(crate) trusted: BTreeMap<String, String>,
}

/// The policies of a user, group or role.
#[derive(Encode, Decode, Clone, Default, PartialEq)]
#[cbor(map)]
pub(crate) struct AttachedRecord {
    /// Name and document, by name.
    #[n(0)]
    pub(crate) inline: Vec<InlinePolicyRecord>,
    /// The ARNs of managed policies, in the order in which they were attached.
    #[n(1)]
    pub(crate) managed: Vec<String>,
}

/// A policy that is a part of a user, group or role.
#[derive(Encode, Decode, Clone, PartialEq)]
#[cbor(map)]
pub(crate) struct InlinePolicyRecord {
    #[n(0)]
    pub(crate) name: String,
    #[n(1)]
    pub(crate) document: String,
}

/// A managed policy of an account.
#[derive(Encode, Decode, Clone, PartialEq)]
#[cbor(map)]
pub(crate) struct ManagedPolicyRecord {
    #[n(0)]
    pub(crate) name: String,
    #[n(1)]
    pub(crate) path: String,
    #[n(2)]
    pub(crate) id: String,
    #[n(3)]
    pub(crate) created_ms: u64,
    #[n(4)]
    pub(crate) updated_ms: u64,
    #[n(5)]
    pub(crate) tags: Vec<TagRecord>,
    #[n(6)]
    pub(crate) description: String,
    /// At most five.
    #[n(7)]
    pub(crate) versions: Vec<PolicyVersionRecord>,
    /// The number of the default version: 1 is `v1`.
    #[n(8)]
    pub(crate) default_version: u32,
    /// The number of the next version.
    #[n(9)]
    pub(crate) next_version: u32,
}

/// A version of a managed policy.
#[derive(Encode, Decode, Clone, PartialEq)]
#[cbor(map)]
pub(crate) struct PolicyVersionRecord {
    #[n(0)]
    pub(crate) number: u32,
    #[n(1)]
    pub(crate) document: String,
    #[n(2)]
    pub(crate) created_ms: u64,
}

/// An OpenID Connect identity provider.
#[derive(Encode, Decode, Clone, PartialEq)]
#[cbor(map)]
pub(crate) struct OidcProviderRecord {
    /// Host and path, without `https://`.
    #[n(0)]
    pub(crate) url: String,
    #[n(1)]
    pub(crate) client_ids: Vec<String>,
    #[n(2)]
    pub(crate) thumbprints: Vec<String>,
    #[n(3)]
    pub(crate) created_ms: u64,
    #[n(4)]
    pub(crate) tags: Vec<TagRecord>,
}

/// A key and a value.
#[derive(Encode, Decode, Clone, PartialEq)]
#[cbor(map)]
pub(crate) struct TagRecord {
    #[n(0)]
    pub(crate) key: String,
    #[n(1)]
    pub(crate) value: String,
}

/// An access key. There is no `Clone`: the secret is zeroed on drop.
#[derive(Encode, Decode)]
#[cbor(map)]
pub(crate) struct AccessKeyRecord {
    #[n(0)]
    pub(crate) access_key: String,
    #[n(1)]
    pub(crate) secret_key: String,
    #[n(2)]
    pub(crate) account: String,
    /// The name of the user; absent: the account's root.
    #[n(3)]
    pub(crate) user: Option<String>,
    #[n(4)]
    pub(crate) created_ms: u64,
    #[n(5)]
    pub(crate) inactive: bool,
}

impl Drop for AccessKeyRecord {
    fn drop(&mut self) {
        self.secret_key.zeroize();
    }
}

/// When an access key or a role was last used.
#[derive(Encode, Decode, Clone, PartialEq)]
#[cbor(map)]
pub(crate) struct LastUsedRecord {
    #[n(0)]
    pub(crate) at_ms: u64,
    #[n(1)]
    pub(crate) service: String,
    #[n(2)]
    pub(crate) region: String,
}

/// A session token, once it is opened. There is no `Clone`: the secret is zeroed on drop.
#[derive(Encode, Decode)]
#[cbor(map)]
pub(crate) struct SessionRecord {
    #[n(0)]
    pub(crate) secret_key: String,
    #[n(1)]
    pub(crate) account: String,
    #[n(2)]
    pub(crate) of: SessionOf,
    /// The name of the user or role.
    #[n(3)]
    pub(crate) name: String,
    /// The unique ID of the user or role: another one of the same name is somebody else.
    #[n(4)]
    pub(crate) id: String,
    /// `RoleSessionName`.
    #[n(5)]
    pub(crate) session_name: String,
    #[n(6)]
    pub(crate) issued_ms: u64,
    #[n(7)]
    pub(crate) expires_ms: u64,
    /// Session policies; absent: the session is not limited. Documents, then ARNs of managed policies.
    #[n(8)]
    pub(crate) policies: Option<AttachedRecord>,
    #[n(9)]
    pub(crate) tags: Vec<TagRecord>,
    /// The names of the tags that go on into further sessions.
    #[n(10)]
    pub(crate) transitive_tags: Vec<String>,
    #[n(11)]
    pub(crate) source_identity: Option<String>,
    /// More condition keys that describe the session: of the identity provider.
    #[n(12)]
    pub(crate) context: Vec<TagRecord>,
}

impl Drop for SessionRecord {
    fn drop(&mut self) {
        self.secret_key.zeroize();
    }
}

/// Whose session it is.
#[derive(Encode, Decode, Debug, Clone, Copy, PartialEq, Eq)]
#[cbor(index_only)]
pub(crate) enum SessionOf {
    /// The root user's own (GetSessionToken).
    #[n(0)]
    Root,
    /// A user's own (GetSessionToken).
    #[n(1)]
    User,
    /// A role's.
    #[n(2)]
    Role,
}

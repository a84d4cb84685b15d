//! What the rows hold: CBOR maps with small integer keys, and the keys of the rows.
//!
//! ```text
//! kms row = 'k' key id | 'a' account alias-name | 'd' account | 'g' key id grant id | 'l' account key id
//!         | 'r' digest(retiring principal)(16) key id grant id
//! grant id = digest(grantee)(16) random(16)
//! digest(principal) = SHA-256(id of the principal)[0:16]
//! ```
//!
//! A field is never renumbered; a new one is optional. `docs/spec/kms.md` is the reference. Times are milliseconds since
//! 1970.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};

use coffer_crypto::sha256;

use crate::names::KeyId;

/// The id of a grant: whom it is for, as [`digest`], and 16 random bytes. So the grants of somebody are found together.
pub(crate) type GrantId = [u8; 32];

/// A key.
#[derive(Encode, Decode, Clone, PartialEq)]
#[cbor(map)]
pub(crate) struct KeyRecord {
    #[cbor(n(0), with = "minicbor::bytes")]
    pub(crate) id: KeyId,
    /// The account that owns it: 12 digits.
    #[n(1)]
    pub(crate) account: String,
    #[n(2)]
    pub(crate) created_ms: u64,
    #[n(3)]
    pub(crate) state: KeyStateRecord,
    #[n(4)]
    pub(crate) description: String,
    /// The key policy, as it was sent.
    #[n(5)]
    pub(crate) policy: String,
    /// The unique IDs of whom the policy names by ARN, by ARN.
    #[n(6)]
    pub(crate) policy_principals: BTreeMap<String, String>,
    /// Its material, ascending generations, the last one current.
    #[n(7)]
    pub(crate) materials: Vec<MaterialRecord>,
    /// S3 or another service made it: nobody can change it.
    #[n(8)]
    pub(crate) aws_managed: bool,
    #[n(9)]
    pub(crate) multi_region: bool,
    #[n(10)]
    pub(crate) tags: BTreeMap<String, String>,
    /// The custom key store whose provider wraps the material; absent: the root key does.
    #[n(11)]
    pub(crate) key_store: Option<String>,
    /// How the material is rotated; absent: not by itself.
    #[n(12)]
    pub(crate) rotation: Option<RotationRecord>,
}

/// Whether a key can be used.
#[derive(Encode, Decode, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyStateRecord {
    #[n(0)]
    Enabled,
    #[n(1)]
    Disabled,
    /// It is disabled, and destroyed at this time.
    #[n(2)]
    PendingDeletion(#[n(0)] u64),
    /// It was destroyed at this time: it has no material any more, and the row only keeps its id from being used again.
    #[n(3)]
    Deleted(#[n(0)] u64),
}

/// A generation of the material of a key.
#[derive(Encode, Decode, Clone, PartialEq)]
#[cbor(map)]
pub(crate) struct MaterialRecord {
    #[n(0)]
    pub(crate) generation: u32,
    #[n(1)]
    pub(crate) created_ms: u64,
    /// The material, wrapped by the root key or by the provider of the key store.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub(crate) wrapped: Vec<u8>,
    /// Somebody asked for it; else it was due.
    #[n(3)]
    pub(crate) on_demand: bool,
}

/// How the material of a key is rotated.
#[derive(Encode, Decode, Debug, Clone, Copy, PartialEq, Eq)]
#[cbor(map)]
pub(crate) struct RotationRecord {
    /// Every so many days.
    #[n(0)]
    pub(crate) period_days: u32,
    /// When it is due next.
    #[n(1)]
    pub(crate) next_ms: u64,
}

/// Another name of a key.
#[derive(Encode, Decode, Clone, PartialEq)]
#[cbor(map)]
pub(crate) struct AliasRecord {
    /// `alias/...`
    #[n(0)]
    pub(crate) name: String,
    #[cbor(n(1), with = "minicbor::bytes")]
    pub(crate) key_id: KeyId,
    #[n(2)]
    pub(crate) created_ms: u64,
    #[n(3)]
    pub(crate) updated_ms: u64,
}

/// What somebody other than the maker of a key may do with it.
#[derive(Encode, Decode, Clone, PartialEq)]
#[cbor(map)]
pub(crate) struct GrantRecord {
    #[cbor(n(0), with = "minicbor::bytes")]
    pub(crate) id: GrantId,
    #[cbor(n(1), with = "minicbor::bytes")]
    pub(crate) key_id: KeyId,
    /// Who may.
    #[n(2)]
    pub(crate) grantee: GrantedRecord,
    /// Who may take it back, besides those whom the policies let.
    #[n(3)]
    pub(crate) retiring: Option<GrantedRecord>,
    /// What they may do, such as `Decrypt`; in the order of the alphabet.
    #[n(4)]
    pub(crate) operations: Vec<String>,
    #[n(5)]
    pub(crate) constraint: Option<ConstraintRecord>,
    /// A name by which the same request is known again; empty: none.
    #[n(6)]
    pub(crate) name: String,
    #[n(7)]
    pub(crate) created_ms: u64,
    /// The account of who made it.
    #[n(8)]
    pub(crate) issuing_account: String,
}

/// Somebody whom a grant names.
#[derive(Encode, Decode, Debug, Clone, PartialEq, Eq)]
#[cbor(map)]
pub(crate) struct GrantedRecord {
    /// As the request named them.
    #[n(0)]
    pub(crate) arn: String,
    /// The number of an account, the unique ID of a user or role, or that of a session, `ROLE_ID:SESSION`.
    #[n(1)]
    pub(crate) id: String,
}

/// The encryption contexts for which a grant holds.
#[derive(Encode, Decode, Debug, Clone, PartialEq, Eq)]
#[cbor(map)]
pub(crate) struct ConstraintRecord {
    /// The context has these pairs and no others; else it has these at least.
    #[n(0)]
    pub(crate) is_exact: bool,
    #[n(1)]
    pub(crate) pairs: BTreeMap<String, String>,
}

/// A row that says only that something is there.
#[derive(Encode, Decode, Clone, PartialEq)]
#[cbor(map)]
pub(crate) struct MarkRecord {
    #[n(0)]
    pub(crate) made_ms: u64,
}

/// The row of a key.
pub(crate) fn key_row(id: &KeyId) -> Vec<u8> {
    [b"k", &id[..]].concat()
}

/// The row that lists a key among those of an account.
pub(crate) fn listing_row(account: &str, id: &KeyId) -> Vec<u8> {
    [b"l", account.as_bytes(), id].concat()
}

/// Every row that lists a key of any account.
pub(crate) const LISTING_ROWS: &[u8] = b"l";

/// Every row that lists a key of an account.
pub(crate) fn listing_rows(account: &str) -> Vec<u8> {
    [LISTING_ROWS, account.as_bytes()].concat()
}

/// The id in the row that lists a key.
pub(crate) fn listed_key(row: &[u8]) -> Option<KeyId> {
    row.last_chunk().copied()
}

/// Every grant of a key.
pub(crate) fn grant_rows(id: &KeyId) -> Vec<u8> {
    [b"g", &id[..]].concat()
}

/// Every alias of an account.
pub(crate) fn alias_rows(account: &str) -> Vec<u8> {
    [b"a", account.as_bytes()].concat()
}

/// The row of an alias.
pub(crate) fn alias_row(account: &str, name: &str) -> Vec<u8> {
    [b"a", account.as_bytes(), name.as_bytes()].concat()
}

/// The row of a grant.
pub(crate) fn grant_row(key_id: &KeyId, id: &GrantId) -> Vec<u8> {
    [b"g", &key_id[..], id].concat()
}

/// Every grant of a key to somebody, by their id.
pub(crate) fn grants_to(key_id: &KeyId, grantee: &str) -> Vec<u8> {
    [b"g", &key_id[..], &digest(grantee)].concat()
}

/// The row that lists a grant for who may retire it, by their id.
pub(crate) fn retirable_row(retiring: &str, key_id: &KeyId, id: &GrantId) -> Vec<u8> {
    [&retirable_rows(retiring)[..], key_id, id].concat()
}

/// Every row that lists a grant for who may retire it.
pub(crate) fn retirable_rows(retiring: &str) -> Vec<u8> {
    [b"r", &digest(retiring)[..]].concat()
}

/// A principal in the keys of rows: of a fixed length, and no prefix of another.
pub(crate) fn digest(principal: &str) -> [u8; 16] {
    *sha256(principal.as_bytes()).first_chunk().expect("a SHA-256 has more than 16 bytes")
}

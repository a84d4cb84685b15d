//! Who may do what with a bucket or an object, as records hold it.

use std::sync::Arc;

use coffer_access::{AclPermission, Grant, Grantee};
use minicbor::decode::Error as DecodeError;
use minicbor::encode::{Error as EncodeError, Write};
use minicbor::{Decode, Decoder, Encode, Encoder};

use crate::access::{ObjectAccess, ObjectOwnership, PublicAccessBlock};
use crate::error::StoreError;

/// The text of a bucket policy, shared by everybody who has looked the bucket up.
#[derive(Clone, PartialEq)]
pub(crate) struct PolicyText(pub(crate) Arc<str>);

impl<C> Encode<C> for PolicyText {
    fn encode<W: Write>(&self, encoder: &mut Encoder<W>, _: &mut C) -> Result<(), EncodeError<W::Error>> {
        encoder.str(&self.0)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for PolicyText {
    fn decode(decoder: &mut Decoder<'b>, _: &mut C) -> Result<Self, DecodeError> {
        Ok(Self(decoder.str()?.into()))
    }
}

/// The four settings of Block Public Access.
#[derive(Encode, Decode, Clone, Copy, PartialEq, Eq)]
#[cbor(map)]
pub(crate) struct PublicAccessBlockRecord {
    #[n(0)]
    block_public_acls: bool,
    #[n(1)]
    ignore_public_acls: bool,
    #[n(2)]
    block_public_policy: bool,
    #[n(3)]
    restrict_public_buckets: bool,
}

impl From<PublicAccessBlock> for PublicAccessBlockRecord {
    fn from(block: PublicAccessBlock) -> Self {
        Self {
            block_public_acls: block.block_public_acls,
            ignore_public_acls: block.ignore_public_acls,
            block_public_policy: block.block_public_policy,
            restrict_public_buckets: block.restrict_public_buckets,
        }
    }
}

impl From<PublicAccessBlockRecord> for PublicAccessBlock {
    fn from(record: PublicAccessBlockRecord) -> Self {
        Self {
            block_public_acls: record.block_public_acls,
            ignore_public_acls: record.ignore_public_acls,
            block_public_policy: record.block_public_policy,
            restrict_public_buckets: record.restrict_public_buckets,
        }
    }
}

/// The object ownership setting of a bucket; absent: `BucketOwnerEnforced`.
#[derive(Encode, Decode, Clone, Copy, PartialEq, Eq)]
#[cbor(index_only)]
pub(crate) enum OwnershipRecord {
    #[n(0)]
    BucketOwnerEnforced,
    #[n(1)]
    BucketOwnerPreferred,
    #[n(2)]
    ObjectWriter,
    /// The setting was deleted.
    #[n(3)]
    NotSet,
}

impl From<Option<ObjectOwnership>> for OwnershipRecord {
    fn from(ownership: Option<ObjectOwnership>) -> Self {
        match ownership {
            Some(ObjectOwnership::BucketOwnerEnforced) => Self::BucketOwnerEnforced,
            Some(ObjectOwnership::BucketOwnerPreferred) => Self::BucketOwnerPreferred,
            Some(ObjectOwnership::ObjectWriter) => Self::ObjectWriter,
            None => Self::NotSet,
        }
    }
}

impl From<OwnershipRecord> for Option<ObjectOwnership> {
    fn from(record: OwnershipRecord) -> Self {
        match record {
            OwnershipRecord::BucketOwnerEnforced => Some(ObjectOwnership::BucketOwnerEnforced),
            OwnershipRecord::BucketOwnerPreferred => Some(ObjectOwnership::BucketOwnerPreferred),
            OwnershipRecord::ObjectWriter => Some(ObjectOwnership::ObjectWriter),
            OwnershipRecord::NotSet => None,
        }
    }
}

/// A grant of an access control list.
#[derive(Encode, Decode, Clone, PartialEq)]
#[cbor(map)]
pub(crate) struct GrantRecord {
    #[n(0)]
    grantee: GranteeRecord,
    /// The account, if the grantee is one.
    #[n(1)]
    account: Option<String>,
    #[n(2)]
    permission: PermissionRecord,
}

#[derive(Encode, Decode, Clone, Copy, PartialEq)]
#[cbor(index_only)]
enum GranteeRecord {
    #[n(0)]
    Account,
    #[n(1)]
    AllUsers,
    #[n(2)]
    AuthenticatedUsers,
    #[n(3)]
    LogDelivery,
}

#[derive(Encode, Decode, Clone, Copy, PartialEq)]
#[cbor(index_only)]
enum PermissionRecord {
    #[n(0)]
    FullControl,
    #[n(1)]
    Read,
    #[n(2)]
    Write,
    #[n(3)]
    ReadAcp,
    #[n(4)]
    WriteAcp,
}

/// The grants of an access control list as they are stored.
pub(crate) fn grant_records(grants: &[Grant]) -> Vec<GrantRecord> {
    grants.iter().map(GrantRecord::from).collect()
}

/// The grants of an access control list that is stored.
pub(crate) fn grants(records: &[GrantRecord]) -> Result<Vec<Grant>, StoreError> {
    records.iter().map(GrantRecord::grant).collect()
}

impl From<&Grant> for GrantRecord {
    fn from(grant: &Grant) -> Self {
        let (grantee, account) = match &grant.grantee {
            Grantee::Account(account) => (GranteeRecord::Account, Some(account.clone())),
            Grantee::AllUsers => (GranteeRecord::AllUsers, None),
            Grantee::AuthenticatedUsers => (GranteeRecord::AuthenticatedUsers, None),
            Grantee::LogDelivery => (GranteeRecord::LogDelivery, None),
        };
        let permission = match grant.permission {
            AclPermission::FullControl => PermissionRecord::FullControl,
            AclPermission::Read => PermissionRecord::Read,
            AclPermission::Write => PermissionRecord::Write,
            AclPermission::ReadAcp => PermissionRecord::ReadAcp,
            AclPermission::WriteAcp => PermissionRecord::WriteAcp,
        };
        Self { grantee, account, permission }
    }
}

impl GrantRecord {
    fn grant(&self) -> Result<Grant, StoreError> {
        let grantee = match (self.grantee, &self.account) {
            (GranteeRecord::Account, Some(account)) => Grantee::Account(account.clone()),
            (GranteeRecord::AllUsers, None) => Grantee::AllUsers,
            (GranteeRecord::AuthenticatedUsers, None) => Grantee::AuthenticatedUsers,
            (GranteeRecord::LogDelivery, None) => Grantee::LogDelivery,
            _ => return Err(StoreError::Damaged("a grant is for nobody".to_owned())),
        };
        let permission = match self.permission {
            PermissionRecord::FullControl => AclPermission::FullControl,
            PermissionRecord::Read => AclPermission::Read,
            PermissionRecord::Write => AclPermission::Write,
            PermissionRecord::ReadAcp => AclPermission::ReadAcp,
            PermissionRecord::WriteAcp => AclPermission::WriteAcp,
        };
        Ok(Grant { grantee, permission })
    }
}

/// Whose an object is, and its access control list.
#[derive(Encode, Decode, Clone, PartialEq)]
#[cbor(map)]
pub(crate) struct ObjectAccessRecord {
    /// Absent: the bucket's owner.
    #[n(0)]
    owner: Option<String>,
    /// Absent: nothing for anybody but the owner.
    #[n(1)]
    grants: Option<Vec<GrantRecord>>,
}

impl ObjectAccessRecord {
    /// `None` for what needs no record.
    pub(crate) fn of(access: &ObjectAccess) -> Option<Self> {
        let record = Self { owner: access.owner.clone(), grants: access.grants.as_deref().map(grant_records) };
        (record.owner.is_some() || record.grants.is_some()).then_some(record)
    }

    pub(crate) fn access(&self) -> Result<ObjectAccess, StoreError> {
        let grants = self.grants.as_deref().map(grants).transpose()?;
        Ok(ObjectAccess { owner: self.owner.clone(), grants })
    }
}

/// What S3 keeps of an account.
#[derive(Encode, Decode, Default)]
#[cbor(map)]
pub(crate) struct AccountRecord {
    /// Block Public Access for all its buckets.
    #[n(0)]
    pub(crate) public_access_block: Option<PublicAccessBlockRecord>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::{decode, encode};

    fn every_grant() -> Vec<Grant> {
        let grantees = [
            Grantee::Account("111122223333".to_owned()),
            Grantee::AllUsers,
            Grantee::AuthenticatedUsers,
            Grantee::LogDelivery,
        ];
        let permissions = [
            AclPermission::Read,
            AclPermission::Write,
            AclPermission::ReadAcp,
            AclPermission::WriteAcp,
            AclPermission::FullControl,
        ];
        let grant = |grantee: &Grantee, permission| Grant { grantee: grantee.clone(), permission };
        grantees.iter().flat_map(|grantee| permissions.map(|permission| grant(grantee, permission))).collect()
    }

    #[test]
    fn every_grant_reads_back() {
        let access = ObjectAccess { owner: Some("000000000001".to_owned()), grants: Some(every_grant()) };
        let bytes = encode(&ObjectAccessRecord::of(&access).unwrap());
        assert_eq!(decode::<ObjectAccessRecord>(&bytes).unwrap().access().unwrap(), access);
    }

    #[test]
    fn grants_are_encoded_as_specified() {
        let grant = Grant { grantee: Grantee::AllUsers, permission: AclPermission::Read };
        // {0: 1, 2: 1}
        assert_eq!(hex::encode(encode(&GrantRecord::from(&grant))), "a200010201");
        let grant = Grant { grantee: Grantee::Account("1".to_owned()), permission: AclPermission::WriteAcp };
        // {0: 0, 1: "1", 2: 4}
        assert_eq!(hex::encode(encode(&GrantRecord::from(&grant))), "a300000161310204");
    }

    #[test]
    fn what_every_object_has_needs_no_record() {
        assert!(ObjectAccessRecord::of(&ObjectAccess::default()).is_none());
    }

    #[test]
    fn an_empty_list_is_not_the_default_one() {
        let access = ObjectAccess { owner: None, grants: Some(Vec::new()) };
        assert_eq!(ObjectAccessRecord::of(&access).unwrap().access().unwrap(), access);
    }

    #[test]
    fn a_grant_to_an_account_without_its_number_is_damage() {
        for bytes in [[0xa2, 0x00, 0x00, 0x02, 0x01].as_slice(), &[0xa3, 0x00, 0x01, 0x01, 0x61, b'1', 0x02, 0x01]] {
            let record: GrantRecord = decode(bytes).unwrap();
            assert!(matches!(record.grant(), Err(StoreError::Damaged(_))));
        }
    }

    #[test]
    fn unknown_grantees_and_permissions_are_damage() {
        assert!(decode::<GrantRecord>(&[0xa2, 0x00, 0x04, 0x02, 0x01]).is_err());
        assert!(decode::<GrantRecord>(&[0xa2, 0x00, 0x01, 0x02, 0x05]).is_err());
    }
}

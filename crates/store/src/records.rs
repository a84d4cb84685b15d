//! What the rows hold: CBOR maps (RFC 8949) with small integer keys, sealed row by row.
//!
//! A field is never renumbered; a new one is optional. `docs/spec/records.md` is the reference.

use std::collections::BTreeMap;

use coffer_blob::BlobId;
use coffer_configuration::{BucketSettings, ObjectLock};
use minicbor::{Decode, Encode};

use crate::error::StoreError;

mod access;
mod jobs;
mod logging;
mod replication;
mod seal;
mod versions;

pub(crate) use access::{
    AccountRecord, GrantRecord, ObjectAccessRecord, OwnershipRecord, PolicyText, PublicAccessBlockRecord,
    grant_records, grants,
};
pub(crate) use jobs::{
    JobFacts, JobPosition, JobRecord, KmsKeyCount, LifecycleJobRecord, LifecyclePosition, ResealFacts, RootFenceRecord,
    RootGenerationRecord, SharedBlob, ShredFacts,
};
pub(crate) use logging::LoggingRecord;
pub(crate) use replication::{
    ProgressRecord, ReplicaRecord, ReplicationRecord, ReplicationScanRecord, ReplicationTaskRecord,
};
pub(crate) use seal::{KmsSealRecord, SealRecord};
pub(crate) use versions::{MarkerRecord, NoncurrentRecord, NullVersionRecord};

/// A bucket. System table.
#[derive(Encode, Decode, Clone, PartialEq)]
#[cbor(map)]
pub(crate) struct BucketRecord {
    #[cbor(n(0), with = "minicbor::bytes")]
    pub(crate) id: [u8; 16],
    #[n(1)]
    pub(crate) created_ms: u64,
    #[n(2)]
    pub(crate) region: String,
    /// The bucket's keys, the last one current.
    #[n(3)]
    pub(crate) keys: Vec<WrappedKeyRecord>,
    /// What PutBucketEncryption set; absent: the implicit default.
    #[n(4)]
    pub(crate) encryption: Option<BucketEncryptionRecord>,
    /// Uploads under customer keys are refused.
    #[n(5)]
    pub(crate) sse_c_blocked: bool,
    /// How far DeleteBucket has come. Until it is decided, writers wait.
    #[n(6)]
    pub(crate) deletion: Deletion,
    /// The account that owns the bucket; absent: the first one.
    #[n(7)]
    pub(crate) owner: Option<String>,
    /// The bucket policy, as it was sent.
    #[n(8)]
    pub(crate) policy: Option<PolicyText>,
    /// Block Public Access; absent: not set.
    #[n(9)]
    pub(crate) public_access_block: Option<PublicAccessBlockRecord>,
    /// Object ownership; absent: `BucketOwnerEnforced`.
    #[n(10)]
    pub(crate) ownership: Option<OwnershipRecord>,
    /// The grants of the access control list; absent: everything to the owner and nothing to others.
    #[n(11)]
    pub(crate) acl: Option<Vec<GrantRecord>>,
    /// Where the log of requests goes; absent: nowhere.
    #[n(12)]
    pub(crate) logging: Option<LoggingRecord>,
    /// The unique IDs of whom the bucket policy names by ARN, by ARN; absent: none.
    #[n(13)]
    pub(crate) policy_principals: Option<BTreeMap<String, String>>,
    /// What the bucket is configured to do; absent: nothing.
    #[n(14)]
    pub(crate) settings: Option<BucketSettings>,
}

/// How far the deletion of a bucket has come.
#[derive(Encode, Decode, Debug, Clone, Copy, PartialEq, Eq)]
#[cbor(index_only)]
pub(crate) enum Deletion {
    /// Nobody deletes the bucket.
    #[n(0)]
    No,
    /// Somebody looks whether it is empty.
    #[n(1)]
    Deciding,
    /// It was empty and nothing can be added: it goes, with its uploads.
    #[n(2)]
    Decided,
    /// A job shreds it with all that it holds: nobody else finds it any more.
    #[n(3)]
    Shredding,
}

/// A bucket key, wrapped by the root key.
#[derive(Encode, Decode, Clone, PartialEq)]
#[cbor(map)]
pub(crate) struct WrappedKeyRecord {
    #[cbor(n(0), with = "minicbor::bytes")]
    pub(crate) id: [u8; 16],
    #[n(1)]
    pub(crate) generation: u32,
    #[cbor(n(2), with = "minicbor::bytes")]
    pub(crate) wrapped: Vec<u8>,
}

/// A bucket's explicit default encryption.
#[derive(Encode, Decode, Clone, PartialEq)]
#[cbor(map)]
pub(crate) struct BucketEncryptionRecord {
    #[n(0)]
    pub(crate) algorithm: String,
    #[n(1)]
    pub(crate) kms_key_id: Option<String>,
    #[n(2)]
    pub(crate) bucket_key_enabled: bool,
}

/// The current version of an object.
#[derive(Encode, Decode, Clone)]
#[cbor(map)]
pub(crate) struct ObjectRecord {
    #[cbor(n(0), with = "minicbor::bytes")]
    pub(crate) instance_id: [u8; 16],
    /// 0: one part, number 0; 1: multipart.
    #[n(1)]
    pub(crate) kind: u8,
    #[n(2)]
    pub(crate) seal: SealRecord,
    /// One per layer; empty when the upload was completed without its customer key.
    #[n(3)]
    pub(crate) layout_tags: Vec<ByteRecord>,
    #[cbor(n(4), with = "minicbor::bytes")]
    pub(crate) sums_box: Vec<u8>,
    #[n(5)]
    pub(crate) size: u64,
    /// Without quotes.
    #[n(6)]
    pub(crate) etag: String,
    #[n(7)]
    pub(crate) last_modified_ms: u64,
    #[n(8)]
    pub(crate) storage_class: String,
    #[n(9)]
    pub(crate) parts: Vec<PartRecord>,
    /// How many rows of the part-list table hold the parts; then `parts` is empty.
    #[n(10)]
    pub(crate) part_list_rows: u32,
    /// How many parts there are.
    #[n(11)]
    pub(crate) part_count: u32,
    /// The upload named a checksum algorithm: parts show their checksums.
    #[n(12)]
    pub(crate) parts_show_checksums: bool,
    #[n(13)]
    pub(crate) tags: Vec<FieldRecord>,
    /// Absent: the bucket owner's, with nothing for others.
    #[n(14)]
    pub(crate) access: Option<ObjectAccessRecord>,
    /// Where among the versions of its key it stands: a later one has more.
    #[cbor(n(15), default)]
    pub(crate) order: u64,
    /// It has a version ID; else it is the version `null`.
    #[cbor(n(16), default)]
    pub(crate) versioned: bool,
    /// What keeps it from being removed; absent: nothing.
    #[n(17)]
    pub(crate) lock: Option<ObjectLock>,
    /// Where it is replicated to, or that it is a replica; absent: neither.
    #[n(18)]
    pub(crate) replication: Option<ReplicationRecord>,
}

/// A name and a value.
#[derive(Encode, Decode, Clone, PartialEq)]
pub(crate) struct FieldRecord {
    #[n(0)]
    pub(crate) name: String,
    #[n(1)]
    pub(crate) value: String,
}

/// A byte string within an array.
#[derive(Encode, Decode, Clone, PartialEq)]
#[cbor(transparent)]
pub(crate) struct ByteRecord(#[cbor(n(0), with = "minicbor::bytes")] pub(crate) Vec<u8>);

/// A part: of an object, or of an upload in progress.
#[derive(Encode, Decode, Clone)]
#[cbor(map)]
pub(crate) struct PartRecord {
    #[n(0)]
    pub(crate) number: u32,
    #[n(1)]
    pub(crate) plain_len: u64,
    #[cbor(n(2), with = "minicbor::bytes")]
    pub(crate) locator: [u8; 16],
    /// The sealed bytes are a row of the inline-data table, not a blob.
    #[n(3)]
    pub(crate) inline: bool,
    /// One per layer.
    #[n(4)]
    pub(crate) boxes: Vec<ByteRecord>,
    /// The generation of the bucket's key under which its part keys were first stored; absent: nobody knows.
    #[n(5)]
    pub(crate) since: Option<u32>,
}

impl PartRecord {
    pub(crate) fn blob(&self) -> BlobId {
        BlobId(self.locator)
    }
}

/// A part of an upload in progress.
#[derive(Encode, Decode, Clone)]
#[cbor(map)]
pub(crate) struct UploadPartRecord {
    #[n(0)]
    pub(crate) part: PartRecord,
    #[cbor(n(1), with = "minicbor::bytes")]
    pub(crate) etag: [u8; 16],
    #[n(2)]
    pub(crate) last_modified_ms: u64,
}

/// A run of the part list of an object.
#[derive(Encode, Decode)]
#[cbor(map)]
pub(crate) struct PartListRecord {
    #[n(0)]
    pub(crate) parts: Vec<PartRecord>,
}

/// An upload in progress.
#[derive(Encode, Decode, Clone)]
#[cbor(map)]
pub(crate) struct UploadRecord {
    #[cbor(n(0), with = "minicbor::bytes")]
    pub(crate) upload_id: [u8; 16],
    #[n(1)]
    pub(crate) key: String,
    #[n(2)]
    pub(crate) seal: SealRecord,
    #[n(3)]
    pub(crate) initiated_ms: u64,
    #[n(4)]
    pub(crate) storage_class: String,
    /// The number of the checksum algorithm that the client named, as in the sealed format.
    #[n(5)]
    pub(crate) checksum_algorithm: Option<u8>,
    /// The checksum of the whole is the checksum of the parts' checksums.
    #[n(6)]
    pub(crate) composite: bool,
    #[n(7)]
    pub(crate) tags: Vec<FieldRecord>,
    /// That of the object it will be.
    #[n(8)]
    pub(crate) access: Option<ObjectAccessRecord>,
    /// That of the object it will be; absent: nothing but the bucket's default.
    #[n(9)]
    pub(crate) lock: Option<ObjectLock>,
    /// Counts the changes of its parts while it waits for new object keys, so that none goes unnoticed; absent: it does
    /// not wait.
    #[n(10)]
    pub(crate) turn: Option<u64>,
}

/// How many records refer to a blob.
#[derive(Encode, Decode, Clone, Copy)]
#[cbor(map)]
pub(crate) struct BlobReferenceRecord {
    #[n(0)]
    pub(crate) count: u64,
}

/// Blobs that a record has let go of.
#[derive(Encode, Decode)]
#[cbor(map)]
pub(crate) struct GarbageRecord {
    #[n(0)]
    pub(crate) blobs: Vec<ByteRecord>,
}

/// An ended upload whose left-over parts are still to be removed.
#[derive(Encode, Decode)]
#[cbor(map)]
pub(crate) struct EndedUploadRecord {
    #[n(0)]
    pub(crate) bucket: String,
}

/// An access key and its secret. There is no `Clone`: the secret is zeroed on drop.
#[derive(Encode, Decode)]
#[cbor(map)]
pub(crate) struct CredentialRecord {
    #[n(0)]
    pub(crate) access_key: String,
    #[n(1)]
    pub(crate) secret_key: String,
    /// It is not accepted.
    #[cbor(n(2), default)]
    pub(crate) inactive: bool,
    /// Milliseconds since 1970.
    #[n(3)]
    pub(crate) created_ms: Option<u64>,
    /// It is gone: the other fields are empty.
    #[cbor(n(4), default)]
    pub(crate) deleted: bool,
}

/// Encodes a record.
pub(crate) fn encode<T: Encode<()>>(record: &T) -> Vec<u8> {
    minicbor::to_vec(record).expect("writing to memory does not fail")
}

/// Decodes a record that was just opened.
pub(crate) fn decode<'b, T: Decode<'b, ()>>(bytes: &'b [u8]) -> Result<T, StoreError> {
    // The decoder's own message could quote bytes of the record.
    minicbor::decode(bytes).map_err(|_| StoreError::Damaged("a record does not decode".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_read_back() {
        let part = PartRecord {
            number: 3,
            plain_len: 1 << 40,
            locator: [9; 16],
            inline: false,
            boxes: vec![ByteRecord(vec![1, 2, 3])],
            since: Some(2),
        };
        let bytes = encode(&UploadPartRecord { part, etag: [4; 16], last_modified_ms: 5 });
        let back: UploadPartRecord = decode(&bytes).unwrap();
        assert_eq!(back.part.plain_len, 1 << 40);
        assert_eq!(back.part.boxes[0].0, [1, 2, 3]);
    }

    #[test]
    fn encodings_are_those_of_the_specification() {
        let keys = vec![WrappedKeyRecord { id: [2; 16], generation: 1, wrapped: vec![3, 4] }];
        let bucket = BucketRecord {
            id: [1; 16],
            created_ms: 1000,
            region: "eu".to_owned(),
            keys,
            encryption: None,
            sse_c_blocked: true,
            deletion: Deletion::Decided,
            owner: None,
            policy: None,
            policy_principals: None,
            public_access_block: None,
            ownership: None,
            acl: None,
            logging: None,
            settings: None,
        };
        // {0: h'01..', 1: 1000, 2: "eu", 3: [{0: h'02..', 1: 1, 2: h'0304'}], 5: true, 6: 2}
        let expected = format!(
            "a6{}{}{}{}{}{}",
            format_args!("0050{}", "01".repeat(16)),
            "011903e8",
            "02626575",
            format_args!("0381a30050{}010102420304", "02".repeat(16)),
            "05f5",
            "0602"
        );
        assert_eq!(hex::encode(encode(&bucket)), expected);
        let seal = SealRecord {
            envelopes: vec![ByteRecord(vec![9])],
            head_box: Vec::new(),
            headers: vec![FieldRecord { name: "a".to_owned(), value: "b".to_owned() }],
            kms: None,
            since: None,
        };
        // {0: [h'09'], 1: h'', 2: [["a", "b"]]}
        assert_eq!(hex::encode(encode(&seal)), "a300814109014002818261616162");
    }

    #[test]
    fn a_bucket_from_before_there_were_policies_still_decodes() {
        // {0: h'01..', 1: 1000, 2: "eu", 3: [], 5: false, 6: 0}
        let old = format!("a60050{}011903e802626575038005f40600", "01".repeat(16));
        let bucket: BucketRecord = decode(&hex::decode(old).unwrap()).unwrap();
        assert!(bucket.policy.is_none() && bucket.public_access_block.is_none());
        assert!(bucket.ownership.is_none() && bucket.acl.is_none() && bucket.owner.is_none());
    }

    #[test]
    fn every_truncation_is_damage() {
        let bytes = encode(&BlobReferenceRecord { count: 300 });
        for len in 0..bytes.len() {
            assert!(decode::<BlobReferenceRecord>(&bytes[..len]).is_err());
        }
    }

    #[test]
    fn any_changed_byte_is_another_record_or_damage() {
        let part =
            PartRecord { number: 1, plain_len: 300, locator: [9; 16], inline: true, boxes: Vec::new(), since: None };
        let fields = vec![FieldRecord { name: "a".to_owned(), value: "ü".to_owned() }];
        let kms = KmsSealRecord {
            key_arn: "arn".to_owned(),
            ciphertext: vec![5; 20],
            context: BTreeMap::from([("a".to_owned(), "b".to_owned())]),
            bucket_key_enabled: true,
        };
        let envelopes = vec![ByteRecord(vec![1; 40])];
        let seal = SealRecord { envelopes, head_box: vec![2], headers: fields.clone(), kms: Some(kms), since: Some(7) };
        let bytes = encode(&ObjectRecord {
            instance_id: [3; 16],
            kind: 1,
            seal,
            layout_tags: vec![ByteRecord(vec![4; 32])],
            sums_box: Vec::new(),
            size: 300,
            etag: "e".to_owned(),
            last_modified_ms: 1 << 40,
            storage_class: "STANDARD".to_owned(),
            parts: vec![part],
            part_list_rows: 0,
            part_count: 1,
            parts_show_checksums: false,
            tags: fields,
            access: None,
            order: 1 << 60,
            versioned: true,
            lock: None,
            replication: Some(ReplicationRecord { is_replica: true, replicas: Vec::new() }),
        });
        for at in 0..bytes.len() {
            assert!(decode::<ObjectRecord>(&bytes[..at]).is_err(), "cut at {at}");
            for byte in 0..=u8::MAX {
                let changed = [&bytes[..at], &[byte], &bytes[at + 1..]].concat();
                match decode::<ObjectRecord>(&changed) {
                    Ok(read) => assert!(encode(&read).len() <= bytes.len() + 8, "more than was in these bytes"),
                    Err(_) => assert_ne!(byte, bytes[at]),
                }
            }
        }
    }

    #[test]
    fn lengths_and_depths_that_a_record_only_claims_cost_nothing() {
        let endless = [&[0xa1, 0x00, 0x9b][..], &[0x7f; 8]].concat();
        assert!(decode::<PartListRecord>(&endless).is_err());
        assert!(decode::<GarbageRecord>(&[&[0xa1, 0x00, 0x81, 0x5b][..], &[0x7f; 8]].concat()).is_err());
        // An unknown field of a hundred thousand arrays within each other.
        let deep = [&[0xa2, 0x00, 0x07, 0x18, 99][..], &[0x81; 100_000], &[0x00]].concat();
        assert_eq!(decode::<BlobReferenceRecord>(&deep).unwrap().count, 7);
        assert!(decode::<BlobReferenceRecord>(&deep[..1000]).is_err());
    }

    #[test]
    fn unknown_fields_are_skipped() {
        // {0: 7, 99: "later"}
        let bytes = [0xa2, 0x00, 0x07, 0x18, 99, 0x65, b'l', b'a', b't', b'e', b'r'];
        assert_eq!(decode::<BlobReferenceRecord>(&bytes).unwrap().count, 7);
    }
}

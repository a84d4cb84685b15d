//! The rows of the store: which table they are in, and their keys.
//!
//! A row key starts with the letter of its table. Within a bucket's tables the bucket's id follows, so that names of
//! buckets and of objects never mix. `docs/spec/records.md` is the reference.

use coffer_blob::BlobId;

use crate::names::{InstanceId, ObjectKey};

/// A kind of row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Table {
    /// `A`: access keys. System.
    Credential,
    /// `B` + name: buckets. System.
    Bucket,
    /// `C` + account: what S3 keeps of an account. System.
    Account,
    /// `D` + blob id: the sealed bytes of small parts, as they would be in a blob.
    InlineData,
    /// `E` + target + stamp + random id: notifications that are to be delivered. System.
    Notification,
    /// `G` + time + random id: blobs that a record has let go of. System.
    Garbage,
    /// `H`: how far the audit log of keys was signed. System.
    Audit,
    /// `I`: accounts and who is in them. System.
    Identity,
    /// `J`: what is to be replicated. System.
    Replication,
    /// `K` + access key ID: access keys. System.
    AccessKey,
    /// `L` + name: how far jobs are, and who has them. System.
    Job,
    /// `M` + bucket id + object key: current delete markers.
    DeleteMarker,
    /// `N` + bucket id + object key: where the version `null` is while it is not the current one.
    NullVersion,
    /// `O` + bucket id + object key: current objects.
    Object,
    /// `P` + bucket id + upload id + part number: parts of uploads.
    Part,
    /// `Q` + bucket id + instance id + index: the part lists of objects with many parts.
    PartList,
    /// `R` + blob id: how many records refer to a blob. System.
    BlobReference,
    /// `T`: no rows, but records that clients keep and bring back. System.
    Token,
    /// `U` + bucket id + object key + upload id: uploads in progress.
    Upload,
    /// `V` + bucket id + object key + order + instance id: versions that are not current, the latest first.
    Version,
    /// `W`: keys of the KMS, their aliases and grants. System.
    Kms,
    /// `X` + bucket id + upload id: ended uploads whose left-over parts are still to be removed. System.
    EndedUpload,
    /// `Y`: which backup of the root key was verified. System.
    KeyBackup,
}

impl Table {
    /// Every kind of row.
    const ALL: [Self; 23] = [
        Self::Credential,
        Self::Bucket,
        Self::Account,
        Self::InlineData,
        Self::Notification,
        Self::Garbage,
        Self::Audit,
        Self::Identity,
        Self::Replication,
        Self::AccessKey,
        Self::Job,
        Self::DeleteMarker,
        Self::NullVersion,
        Self::Object,
        Self::Part,
        Self::PartList,
        Self::BlobReference,
        Self::Token,
        Self::Upload,
        Self::Version,
        Self::Kms,
        Self::EndedUpload,
        Self::KeyBackup,
    ];

    /// The table of a row; `None` if it is of none that this program knows.
    pub(crate) fn of(row: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|table| row.first() == Some(&table.letter()))
    }

    /// Whether its records are sealed under the metadata key of the store.
    pub(crate) const fn is_system(self) -> bool {
        match self {
            Self::Credential
            | Self::Bucket
            | Self::Account
            | Self::Notification
            | Self::Garbage
            | Self::Audit
            | Self::Identity
            | Self::Replication
            | Self::AccessKey
            | Self::Job
            | Self::BlobReference
            | Self::Token
            | Self::Kms
            | Self::EndedUpload
            | Self::KeyBackup => true,
            Self::InlineData
            | Self::DeleteMarker
            | Self::NullVersion
            | Self::Object
            | Self::Part
            | Self::PartList
            | Self::Upload
            | Self::Version => false,
        }
    }

    /// The letter that starts the keys of the table.
    pub(crate) const fn letter(self) -> u8 {
        match self {
            Self::Credential => b'A',
            Self::Bucket => b'B',
            Self::Account => b'C',
            Self::InlineData => b'D',
            Self::Notification => b'E',
            Self::Garbage => b'G',
            Self::Audit => b'H',
            Self::Identity => b'I',
            Self::Replication => b'J',
            Self::AccessKey => b'K',
            Self::Job => b'L',
            Self::DeleteMarker => b'M',
            Self::NullVersion => b'N',
            Self::Object => b'O',
            Self::Part => b'P',
            Self::PartList => b'Q',
            Self::BlobReference => b'R',
            Self::Token => b'T',
            Self::Upload => b'U',
            Self::Version => b'V',
            Self::Kms => b'W',
            Self::EndedUpload => b'X',
            Self::KeyBackup => b'Y',
        }
    }

    /// The name of the table in the AAD of its records.
    pub(crate) const fn name(self) -> &'static [u8] {
        match self {
            Self::Credential => b"credential",
            Self::Bucket => b"bucket",
            Self::Account => b"account",
            Self::InlineData => b"inline-data",
            Self::Notification => b"notification",
            Self::Garbage => b"garbage",
            Self::Audit => b"audit",
            Self::Identity => b"identity",
            Self::Replication => b"replication",
            Self::AccessKey => b"access-key",
            Self::Job => b"job",
            Self::DeleteMarker => b"delete-marker",
            Self::NullVersion => b"null-version",
            Self::Object => b"object",
            Self::Part => b"part",
            Self::PartList => b"part-list",
            Self::BlobReference => b"blob-reference",
            Self::Token => b"token",
            Self::Upload => b"upload",
            Self::Version => b"version",
            Self::Kms => b"kms",
            Self::EndedUpload => b"ended-upload",
            Self::KeyBackup => b"key-backup",
        }
    }

    /// The start of every key of the table.
    pub(crate) fn prefix(self) -> Vec<u8> {
        vec![self.letter()]
    }
}

fn row(table: Table, fields: &[&[u8]]) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + fields.iter().map(|f| f.len()).sum::<usize>());
    key.push(table.letter());
    fields.iter().for_each(|field| key.extend_from_slice(field));
    key
}

/// The credential row of an access key.
pub(crate) fn credential(access_key: &str) -> Vec<u8> {
    row(Table::Credential, &[access_key.as_bytes()])
}

/// The row of a bucket.
pub(crate) fn bucket(name: &str) -> Vec<u8> {
    row(Table::Bucket, &[name.as_bytes()])
}

/// What S3 keeps of an account.
pub(crate) fn account(account: &str) -> Vec<u8> {
    row(Table::Account, &[account.as_bytes()])
}

/// How far a job is, and who has it.
pub(crate) fn job(name: &[u8]) -> Vec<u8> {
    row(Table::Job, &[name])
}

/// Every row of one of the tables of a bucket.
pub(crate) fn of_bucket(table: Table, bucket_id: &[u8; 16]) -> Vec<u8> {
    row(table, &[bucket_id])
}

/// The row of the current version of an object.
pub(crate) fn object(bucket_id: &[u8; 16], key: &ObjectKey) -> Vec<u8> {
    row(Table::Object, &[bucket_id, key.as_bytes()])
}

/// The current delete marker of an object.
pub(crate) fn delete_marker(bucket_id: &[u8; 16], key: &ObjectKey) -> Vec<u8> {
    row(Table::DeleteMarker, &[bucket_id, key.as_bytes()])
}

/// Where the version `null` of an object is while it is not the current one.
pub(crate) fn null_version(bucket_id: &[u8; 16], key: &ObjectKey) -> Vec<u8> {
    row(Table::NullVersion, &[bucket_id, key.as_bytes()])
}

/// A version that is not current.
///
/// The object key is escaped as in the row of an upload, and the order is inverted: the versions of a key follow each
/// other, the latest first.
pub(crate) fn version(bucket_id: &[u8; 16], key: &[u8], order: u64, instance: InstanceId) -> Vec<u8> {
    row(Table::Version, &[bucket_id, &escaped(key), &[0, 0], &(!order).to_be_bytes(), &instance.0])
}

/// Every version of an object that is not current.
pub(crate) fn versions_of(bucket_id: &[u8; 16], key: &[u8]) -> Vec<u8> {
    row(Table::Version, &[bucket_id, &escaped(key), &[0, 0]])
}

/// What every version row of the object keys starting with `prefix` starts with.
pub(crate) fn versions_with_prefix(bucket_id: &[u8; 16], prefix: &[u8]) -> Vec<u8> {
    row(Table::Version, &[bucket_id, &escaped(prefix)])
}

/// Reads the object key, order and instance from a version row's key.
pub(crate) fn parse_version(row: &[u8]) -> Option<(Vec<u8>, u64, InstanceId)> {
    let (rest, instance) = row.strip_prefix(&[Table::Version.letter()])?.get(16..)?.split_last_chunk::<16>()?;
    let (rest, order) = rest.split_last_chunk::<8>()?;
    let key = unescaped(rest.strip_suffix(&[0, 0])?)?;
    Some((key, !u64::from_be_bytes(*order), InstanceId(*instance)))
}

/// Reads the object key from the key of a row of an object, of a delete marker or of a version that is not current.
pub(crate) fn object_key_of(row: &[u8]) -> Option<Vec<u8>> {
    match row.first() {
        Some(&letter) if letter == Table::Version.letter() => parse_version(row).map(|(key, ..)| key),
        _ => row.get(17..).map(<[u8]>::to_vec),
    }
}

/// A version that is to be replicated, and `destination`, which stands for where to.
pub(crate) fn replication_task(bucket_id: &[u8; 16], destination: &[u8; 8], key: &ObjectKey, order: u64) -> Vec<u8> {
    row(Table::Replication, &[REPLICATION_TASK, bucket_id, destination, key.as_bytes(), &order.to_be_bytes()])
}

/// Every version that is to be replicated.
pub(crate) fn replication_tasks() -> Vec<u8> {
    row(Table::Replication, &[REPLICATION_TASK])
}

/// Every version of a bucket that is to be replicated.
pub(crate) fn replication_of(bucket_id: &[u8; 16]) -> Vec<u8> {
    row(Table::Replication, &[REPLICATION_TASK, bucket_id])
}

/// The search of a bucket for versions that are to be replicated.
pub(crate) fn replication_scan(bucket_id: &[u8; 16]) -> Vec<u8> {
    row(Table::Replication, &[REPLICATION_SCAN, bucket_id])
}

/// Every search for versions that are to be replicated.
pub(crate) fn replication_scans() -> Vec<u8> {
    row(Table::Replication, &[REPLICATION_SCAN])
}

const REPLICATION_SCAN: &[u8] = b"s";
const REPLICATION_TASK: &[u8] = b"t";

/// The bytes of a small part.
pub(crate) fn inline_data(id: BlobId) -> Vec<u8> {
    row(Table::InlineData, &[&id.0])
}

/// A notification for a target, whose name has at most 255 bytes.
pub(crate) fn notification(target: &str, stamp: u64, id: [u8; 8]) -> Vec<u8> {
    row(Table::Notification, &[&notifications_of(target)[1..], &stamp.to_be_bytes(), &id])
}

/// Every notification for a target.
pub(crate) fn notifications_of(target: &str) -> Vec<u8> {
    let len = u8::try_from(target.len()).expect("the name of a target is short");
    row(Table::Notification, &[&[len], target.as_bytes()])
}

/// The first row key after every notification for a target.
pub(crate) fn after_notifications_of(target: &str) -> Vec<u8> {
    row(Table::Notification, &[&notifications_of(target)[1..], &[u8::MAX; NOTIFICATION_ID_LEN + 1]])
}

/// The target and the stamp in a notification's row key.
pub(crate) fn parse_notification(key: &[u8]) -> Option<(&[u8], u64)> {
    let (&len, rest) = key.strip_prefix(&[Table::Notification.letter()])?.split_first()?;
    let (target, id) = rest.split_at_checked(usize::from(len))?;
    let (stamp, id) = id.split_first_chunk::<8>()?;
    (id.len() == 8).then(|| (target, u64::from_be_bytes(*stamp)))
}

/// The bytes that tell the notifications for a target apart: stamp and random id.
pub(crate) const NOTIFICATION_ID_LEN: usize = 16;

/// Blobs that a record has let go of, to be collected once `due_ms` has passed.
pub(crate) fn garbage(due_ms: u64, id: [u8; 16]) -> Vec<u8> {
    row(Table::Garbage, &[&due_ms.to_be_bytes(), &id])
}

/// The first garbage row that is not due at `now_ms`.
pub(crate) fn garbage_not_due(now_ms: u64) -> Vec<u8> {
    row(Table::Garbage, &[&now_ms.saturating_add(1).to_be_bytes()])
}

/// The number of references to a blob.
pub(crate) fn blob_reference(id: BlobId) -> Vec<u8> {
    row(Table::BlobReference, &[&id.0])
}

/// A run of the part list of an object.
pub(crate) fn part_list(bucket_id: &[u8; 16], instance: InstanceId, index: u32) -> Vec<u8> {
    row(Table::PartList, &[bucket_id, &instance.0, &index.to_be_bytes()])
}

/// The row of an upload.
///
/// The object key is escaped so that the order of rows is that of (object key, upload id): a zero byte becomes
/// `00 FF`, and `00 00` ends the key.
pub(crate) fn upload(bucket_id: &[u8; 16], key: &ObjectKey, upload_id: InstanceId) -> Vec<u8> {
    row(Table::Upload, &[bucket_id, &escaped(key.as_bytes()), &[0, 0], &upload_id.0])
}

/// What every upload row of the object keys starting with `prefix` starts with.
pub(crate) fn uploads_with_prefix(bucket_id: &[u8; 16], prefix: &[u8]) -> Vec<u8> {
    row(Table::Upload, &[bucket_id, &escaped(prefix)])
}

/// The first row key after every upload of `key`.
pub(crate) fn after_uploads_of(bucket_id: &[u8; 16], key: &[u8]) -> Vec<u8> {
    row(Table::Upload, &[bucket_id, &escaped(key), &[0, 0], &[u8::MAX; 17]])
}

fn escaped(key: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(key.len());
    for &byte in key {
        out.push(byte);
        if byte == 0 {
            out.push(u8::MAX);
        }
    }
    out
}

/// Undoes [`escaped`].
fn unescaped(escaped: &[u8]) -> Option<Vec<u8>> {
    let mut key = Vec::with_capacity(escaped.len());
    let mut bytes = escaped.iter();
    while let Some(&byte) = bytes.next() {
        if byte == 0 && bytes.next() != Some(&u8::MAX) {
            return None;
        }
        key.push(byte);
    }
    Some(key)
}

/// The row of a part.
pub(crate) fn part(bucket_id: &[u8; 16], upload_id: InstanceId, number: u32) -> Vec<u8> {
    row(Table::Part, &[bucket_id, &upload_id.0, &number.to_be_bytes()])
}

/// Every part of an upload.
pub(crate) fn parts_of(bucket_id: &[u8; 16], upload_id: InstanceId) -> Vec<u8> {
    row(Table::Part, &[bucket_id, &upload_id.0])
}

/// The number in a part row's key.
pub(crate) fn parse_part_number(key: &[u8]) -> Option<u32> {
    let (_, number) = key.split_last_chunk::<4>()?;
    Some(u32::from_be_bytes(*number))
}

/// An ended upload with parts left to remove.
pub(crate) fn ended_upload(bucket_id: &[u8; 16], upload_id: InstanceId) -> Vec<u8> {
    row(Table::EndedUpload, &[bucket_id, &upload_id.0])
}

/// Reads an ended upload's row key.
pub(crate) fn parse_ended_upload(key: &[u8]) -> Option<([u8; 16], InstanceId)> {
    let (bucket_id, upload_id) = key.strip_prefix(&[Table::EndedUpload.letter()])?.split_at_checked(16)?;
    Some((bucket_id.try_into().ok()?, InstanceId(upload_id.try_into().ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> ObjectKey {
        ObjectKey::new(text).unwrap()
    }

    #[test]
    fn uploads_order_by_object_key_then_id() {
        let (first, last) = (InstanceId([1; 16]), InstanceId([0xff; 16]));
        let id = [7; 16];
        let rows = [
            upload(&id, &key("a"), first),
            upload(&id, &key("a"), last),
            after_uploads_of(&id, b"a"),
            upload(&id, &key("a\0"), first),
            upload(&id, &key("a\0b"), first),
            upload(&id, &key("a\u{1}"), first),
            upload(&id, &key("ab"), first),
            upload(&id, &key("b"), first),
        ];
        assert!(rows.is_sorted(), "the escape keeps the order of the keys");
    }

    #[test]
    fn versions_order_by_object_key_then_latest_first() {
        let id = [7; 16];
        let (a, b) = (InstanceId([1; 16]), InstanceId([2; 16]));
        let rows = [
            versions_of(&id, b"a"),
            version(&id, b"a", u64::MAX, a),
            version(&id, b"a", 6, b),
            version(&id, b"a", 5, a),
            version(&id, b"a", 0, a),
            version(&id, b"a\0", 9, a),
            version(&id, b"a\0b", 9, a),
            version(&id, b"a\x01", 9, a),
            version(&id, b"ab", 9, a),
        ];
        assert!(rows.is_sorted());
        for (key, order) in [(&b"a"[..], 5), (b"a\0", 0), (b"\0\0\xff", u64::MAX)] {
            assert_eq!(parse_version(&version(&id, key, order, b)), Some((key.to_vec(), order, b)));
        }
        assert_eq!(parse_version(&[b'V'; 40]), None);
    }

    #[test]
    fn garbage_rows_order_by_time() {
        assert!(garbage(5, [9; 16]) < garbage(256, [0; 16]));
        assert!(garbage(5, [0xff; 16]) < garbage_not_due(5));
        assert!(garbage_not_due(5) <= garbage(6, [0; 16]));
    }

    #[test]
    fn ended_uploads_read_back() {
        let upload_id = InstanceId([9; 16]);
        assert_eq!(parse_ended_upload(&ended_upload(&[1; 16], upload_id)), Some(([1; 16], upload_id)));
        assert_eq!(parse_ended_upload(b"X"), None);
    }

    #[test]
    fn notifications_order_by_target_and_stamp() {
        let rows = [
            notification("b", 1, [0xff; 8]),
            notification("b", 256, [0; 8]),
            notification("b", u64::MAX, [0xff; 8]),
            after_notifications_of("b"),
            notification("c", 0, [0; 8]),
            notification("aa", 0, [0; 8]),
        ];
        assert!(rows.is_sorted());
        assert_eq!(parse_notification(&rows[1]), Some((&b"b"[..], 256)));
        assert_eq!(parse_notification(&rows[1][1..]), None);
        assert_eq!(parse_notification(&rows[1][..18]), None);
        assert_eq!(parse_notification(&after_notifications_of("b")), None);
    }

    #[test]
    fn every_table_is_found_by_its_letter() {
        for table in Table::ALL {
            assert_eq!(Table::of(&table.prefix()), Some(table));
        }
        let letters: std::collections::BTreeSet<_> = Table::ALL.iter().map(|table| table.letter()).collect();
        assert_eq!(letters.len(), Table::ALL.len());
        assert_eq!((Table::of(b""), Table::of(b"a"), Table::of(b"F")), (None, None, None));
    }

    #[test]
    fn row_keys_of_any_length_parse_or_do_not() {
        for len in 0..64 {
            let key = vec![b'X'; len];
            assert_eq!(parse_part_number(&key).is_some(), len >= 4);
            assert_eq!(parse_ended_upload(&key).is_some(), len == 33);
        }
    }
}

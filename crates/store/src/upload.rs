//! Multipart uploads: creating, listing, and ending them.

use std::ops::Bound;

use bytes::Bytes;
use coffer_blob::BlobId;
use coffer_configuration::ObjectLock;
use coffer_meta::{Commit, Direction, Entry, KeyRange};
use coffer_seal::{ChecksumAlgorithm, Checksums};

use crate::access::ObjectAccess;
use crate::bucket::Bucket;
use crate::error::{Committed, StoreError, unless_damaged};
use crate::kms::{Keys, KmsInfo};
use crate::list::{EndAsStart as _, Rollup};
use crate::names::{BucketName, InstanceId, ObjectKey};
use crate::object::tag_records;
use crate::records::{EndedUploadRecord, KmsSealRecord, ObjectAccessRecord, UploadPartRecord, UploadRecord};
use crate::sealing::{Encryption, EncryptionMode, Sealing};
use crate::store::{MOST_TRIES, Store};
use crate::tables::{self, Table};

/// What CreateMultipartUpload fixes for the whole upload.
pub struct CreateUpload<'a> {
    /// How the object will be sealed.
    pub encryption: Encryption<'a>,
    /// Content headers and user metadata.
    pub headers: Vec<(String, String)>,
    /// As the client named it.
    pub storage_class: String,
    /// Tags, in the order given.
    pub tags: Vec<(String, String)>,
    /// Whose the object will be, and its access control list.
    pub access: ObjectAccess,
    /// The checksum algorithm that the client named.
    pub algorithm: Option<ChecksumAlgorithm>,
    /// The checksum of the whole is the checksum of the parts' checksums.
    pub composite: bool,
    /// What keeps the object from being removed; the bucket's default takes the place of no retention.
    pub lock: ObjectLock,
}

/// What is known of an upload in progress.
#[derive(Clone)]
pub struct UploadInfo {
    /// Its id.
    pub upload_id: InstanceId,
    /// The key of the object it will be.
    pub key: String,
    /// When it was created, in milliseconds since 1970.
    pub initiated_ms: u64,
    /// As the client named it.
    pub storage_class: String,
    /// The checksum algorithm that the client named.
    pub algorithm: Option<ChecksumAlgorithm>,
    /// The checksum of the whole is the checksum of the parts' checksums.
    pub composite: bool,
    /// Whose key protects it.
    pub mode: EncryptionMode,
    /// The KMS key, in the modes that have one.
    pub kms: Option<KmsInfo>,
    /// Whose the object will be, and its access control list.
    pub access: ObjectAccess,
    /// What was asked to keep the object from being removed.
    pub lock: ObjectLock,
}

/// A part of an upload in progress.
pub struct UploadedPart {
    /// Its number.
    pub number: u32,
    /// Length of the plaintext in bytes.
    pub size: u64,
    /// The ETag, without quotes.
    pub etag: String,
    /// When it was stored, in milliseconds since 1970.
    pub last_modified_ms: u64,
    /// Its checksums, where they can be opened and were asked for.
    pub checksums: Checksums,
}

/// Which uploads to list.
#[derive(Clone, Default)]
pub struct ListUploads {
    /// Only keys that start with this.
    pub prefix: String,
    /// Keys that have this after the prefix are rolled up.
    pub delimiter: Option<String>,
    /// Only keys after this, or this key's uploads after `upload_id_marker`.
    pub key_marker: Option<String>,
    /// Only uploads of the key marker after this.
    pub upload_id_marker: Option<InstanceId>,
    /// At most this many uploads and common prefixes together.
    pub max_uploads: usize,
}

/// A page of uploads.
#[derive(Default)]
pub struct UploadPage {
    /// Uploads and common prefixes in their common order.
    pub entries: Vec<UploadEntry>,
    /// There is more.
    pub truncated: bool,
}

/// An entry of a listing of uploads.
pub enum UploadEntry {
    /// An upload.
    Upload(Box<UploadInfo>),
    /// Keys rolled up.
    CommonPrefix(String),
}

/// An upload in progress, as it was found.
pub(crate) struct FoundUpload {
    pub(crate) row: Vec<u8>,
    pub(crate) sealed: Bytes,
    pub(crate) record: UploadRecord,
}

impl Store {
    /// Starts a multipart upload and returns its id.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn create_upload(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        create: CreateUpload<'_>,
    ) -> Result<UploadInfo, StoreError> {
        let upload_id = InstanceId::new(self.now_ms());
        let sealing = Sealing::begin(bucket, key, upload_id, create.encryption, create.headers);
        let mut record = UploadRecord {
            upload_id: upload_id.0,
            key: key.as_str().to_owned(),
            seal: sealing.record,
            initiated_ms: self.now_ms(),
            storage_class: create.storage_class,
            checksum_algorithm: create.algorithm.map(|algorithm| algorithm as u8),
            composite: create.composite,
            tags: tag_records(&create.tags),
            access: ObjectAccessRecord::of(&create.access),
            lock: Some(create.lock).filter(|lock| *lock != ObjectLock::default()),
            turn: None,
        };
        let row = tables::upload(bucket.id(), key, upload_id);
        let mut bucket = bucket.clone();
        for _ in 0..MOST_TRIES {
            let mut commit = Commit::new();
            bucket.check(&mut commit);
            record.seal.renew(&bucket, key.as_bytes(), upload_id)?;
            record.seal.since = Some(bucket.keys().generation());
            commit.put(row.clone(), bucket.keys().seal(Table::Upload, &row, &record));
            match self.commit(commit).await? {
                Committed::Yes => return record.info(),
                Committed::Conflict(_) => bucket = self.same_bucket(&bucket).await?,
            }
        }
        Err(StoreError::Contention)
    }

    /// Looks an upload up.
    ///
    /// # Errors
    /// [`StoreError::NoSuchUpload`].
    pub async fn upload(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        upload_id: InstanceId,
    ) -> Result<UploadInfo, StoreError> {
        self.find_upload(bucket, key, upload_id).await?.record.info()
    }

    pub(crate) async fn find_upload(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        upload_id: InstanceId,
    ) -> Result<FoundUpload, StoreError> {
        let row = tables::upload(bucket.id(), key, upload_id);
        let sealed = self.0.engine.get(&row).await?.ok_or(StoreError::NoSuchUpload)?;
        let record = bucket.keys().open(Table::Upload, &row, &sealed)?;
        Ok(FoundUpload { row, sealed, record })
    }

    /// Aborts an upload. No key is needed.
    ///
    /// # Errors
    /// [`StoreError::NoSuchUpload`].
    pub async fn abort_upload(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        upload_id: InstanceId,
    ) -> Result<(), StoreError> {
        for _ in 0..MOST_TRIES {
            let upload = self.find_upload(bucket, key, upload_id).await?;
            match self.end_upload(bucket, upload.row.into(), upload.sealed, upload_id).await {
                // It has ended meanwhile, or is sealed anew.
                Err(StoreError::NoSuchUpload) => {}
                ended => return ended,
            }
        }
        Err(StoreError::Contention)
    }

    /// Ends an upload without an object: from its commit on no part can be added, then the parts are removed.
    pub(crate) async fn end_upload(
        &self,
        bucket: &Bucket,
        row: Bytes,
        sealed: Bytes,
        upload_id: InstanceId,
    ) -> Result<(), StoreError> {
        let mut commit = Commit::new();
        commit.check(row.clone(), Some(sealed)).delete(row);
        self.put_ended_upload(&mut commit, bucket, upload_id);
        match self.commit(commit).await? {
            Committed::Yes => self.remove_left_parts(bucket, upload_id).await,
            Committed::Conflict(_) => Err(StoreError::NoSuchUpload),
        }
    }

    /// Adds to `commit` that an upload has ended and may have left parts behind.
    pub(crate) fn put_ended_upload(&self, commit: &mut Commit, bucket: &Bucket, upload_id: InstanceId) {
        let row = tables::ended_upload(bucket.id(), upload_id);
        let record = EndedUploadRecord { bucket: bucket.name().as_str().to_owned() };
        let sealed = self.seal_system(Table::EndedUpload, &row, &record);
        commit.put(row, sealed);
    }

    /// Removes the parts that an ended upload left behind, then the note that it may have some.
    pub(crate) async fn remove_left_parts(&self, bucket: &Bucket, upload_id: InstanceId) -> Result<(), StoreError> {
        const PAGE: usize = 256;
        let prefix = tables::parts_of(bucket.id(), upload_id);
        loop {
            let rows = self.0.engine.scan(KeyRange::prefix(&prefix), PAGE, Direction::Forward).await?;
            if rows.is_empty() {
                break;
            }
            let mut commit = Commit::new();
            let mut blobs: Vec<BlobId> = Vec::new();
            for entry in rows {
                let part: UploadPartRecord = bucket.keys().open(Table::Part, &entry.key, &entry.value)?;
                blobs.push(part.part.blob());
                // Another task may be at the same upload: whoever comes first queues the blobs.
                commit.check(entry.key.clone(), Some(entry.value)).delete(entry.key);
            }
            self.queue_garbage(&mut commit, &blobs);
            self.commit(commit).await?;
        }
        let mut commit = Commit::new();
        commit.delete(tables::ended_upload(bucket.id(), upload_id));
        self.commit(commit).await?;
        Ok(())
    }

    /// Finishes ending the uploads where that was interrupted, by a crash or because the caller went away.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails. A damaged upload is logged and left alone.
    pub async fn resume_ended_uploads(&self) -> Result<(), StoreError> {
        let mut range = KeyRange::prefix(&Table::EndedUpload.prefix());
        loop {
            let rows = self.0.engine.scan(range.clone(), 100, Direction::Forward).await?;
            let Some(last) = rows.last() else { return Ok(()) };
            range.start = Bound::Excluded(last.key.to_vec());
            for entry in rows {
                unless_damaged("the end of an upload", self.resume_ended_upload(entry).await)?;
            }
        }
    }

    async fn resume_ended_upload(&self, entry: Entry) -> Result<(), StoreError> {
        let record: EndedUploadRecord = self.open_system(Table::EndedUpload, &entry.key, &entry.value)?;
        let (bucket_id, upload_id) = parse_row(&entry)?;
        let name = BucketName::for_lookup(&record.bucket)
            .ok_or_else(|| StoreError::Damaged("an ended upload names no bucket".to_owned()))?;
        match self.bucket_even_if_deleting(&name).await {
            Ok(bucket) if *bucket.id() == bucket_id => self.remove_left_parts(&bucket, upload_id).await,
            // A bucket takes its ended uploads with it.
            Ok(_) | Err(StoreError::NoSuchBucket) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Finishes ending the uploads of one bucket, so that it can go.
    pub(crate) async fn finish_ended_uploads_of(&self, bucket: &Bucket) -> Result<(), StoreError> {
        let range = KeyRange::prefix(&tables::of_bucket(Table::EndedUpload, bucket.id()));
        for entry in self.0.engine.scan(range, usize::MAX, Direction::Forward).await? {
            let (_, upload_id) = parse_row(&entry)?;
            self.remove_left_parts(bucket, upload_id).await?;
        }
        Ok(())
    }

    /// Lists the parts of an upload with numbers after `after`, up to `limit` of them.
    ///
    /// Their checksums are opened where the upload names an algorithm; that needs the key, or the KMS.
    ///
    /// # Errors
    /// [`StoreError::NoSuchUpload`]; those about customer keys; [`StoreError::Kms`].
    pub async fn list_parts(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        upload_id: InstanceId,
        keys: Keys<'_>,
        after: u32,
        limit: usize,
    ) -> Result<(UploadInfo, Vec<UploadedPart>), StoreError> {
        for _ in 0..MOST_TRIES {
            let upload = self.find_upload(bucket, key, upload_id).await?;
            match self.list_parts_of(bucket, key, &upload, keys, after, limit).await {
                // It may have got other object keys between two reads: look again.
                Err(StoreError::Damaged(_)) if self.has_changed(&upload).await? => {}
                parts => return parts,
            }
        }
        Err(StoreError::Contention)
    }

    /// Whether an upload is not as it was found any more, or gone.
    pub(crate) async fn has_changed(&self, upload: &FoundUpload) -> Result<bool, StoreError> {
        Ok(self.0.engine.get(&upload.row).await?.as_ref() != Some(&upload.sealed))
    }

    async fn list_parts_of(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        upload: &FoundUpload,
        keys: Keys<'_>,
        after: u32,
        limit: usize,
    ) -> Result<(UploadInfo, Vec<UploadedPart>), StoreError> {
        let info = upload.record.info()?;
        let upload_id = info.upload_id;
        let keys = match info.algorithm {
            Some(_) => Some(upload.record.seal.open(bucket, key, upload_id, keys).await?),
            None => None,
        };
        let prefix = tables::parts_of(bucket.id(), upload_id);
        let range = KeyRange::prefix_after(&prefix, &tables::part(bucket.id(), upload_id, after));
        let mut parts = Vec::new();
        for entry in self.0.engine.scan(range, limit, Direction::Forward).await? {
            let record: UploadPartRecord = bucket.keys().open(Table::Part, &entry.key, &entry.value)?;
            let checksums = match &keys {
                Some(keys) => keys.checksums_of(&record.part)?,
                None => Checksums::new(),
            };
            parts.push(UploadedPart {
                number: record.part.number,
                size: record.part.plain_len,
                etag: hex::encode(record.etag),
                last_modified_ms: record.last_modified_ms,
                checksums,
            });
        }
        Ok((info, parts))
    }

    /// Lists a page of the uploads in progress, by key and then by age.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn list_uploads(&self, bucket: &Bucket, list: &ListUploads) -> Result<UploadPage, StoreError> {
        let mut page = UploadPage::default();
        if list.max_uploads == 0 {
            return Ok(page);
        }
        let rollup = Rollup { prefix: &list.prefix, delimiter: list.delimiter.as_deref().filter(|d| !d.is_empty()) };
        let mut range = KeyRange::prefix(&tables::uploads_with_prefix(bucket.id(), list.prefix.as_bytes()));
        if let Some(marker) = list.key_marker.as_deref().filter(|marker| *marker >= list.prefix.as_str()) {
            range.start = match list.upload_id_marker.zip(ObjectKey::new(marker).ok()) {
                Some((upload_id, key)) => Bound::Excluded(tables::upload(bucket.id(), &key, upload_id)),
                None if rollup.common_prefix(marker) == Some(marker) => {
                    KeyRange::prefix(&tables::uploads_with_prefix(bucket.id(), marker.as_bytes())).end_as_start()
                }
                None => Bound::Included(tables::after_uploads_of(bucket.id(), marker.as_bytes())),
            };
        }
        loop {
            let rows = self.0.engine.scan(range.clone(), 100, Direction::Forward).await?;
            let Some(last) = rows.last() else { return Ok(page) };
            range.start = Bound::Excluded(last.key.to_vec());
            for entry in rows {
                let record: UploadRecord = bucket.keys().open(Table::Upload, &entry.key, &entry.value)?;
                if page.entries.len() == list.max_uploads {
                    page.truncated = true;
                    return Ok(page);
                }
                if let Some(common) = rollup.common_prefix(&record.key) {
                    page.entries.push(UploadEntry::CommonPrefix(common.to_owned()));
                    let rolled = tables::uploads_with_prefix(bucket.id(), common.as_bytes());
                    range.start = KeyRange::prefix(&rolled).end_as_start();
                    break;
                }
                page.entries.push(UploadEntry::Upload(Box::new(record.info()?)));
            }
        }
    }
}

fn parse_row(entry: &Entry) -> Result<([u8; 16], InstanceId), StoreError> {
    tables::parse_ended_upload(&entry.key)
        .ok_or_else(|| StoreError::Damaged("an ended upload has an impossible key".to_owned()))
}

impl UploadRecord {
    pub(crate) fn algorithm(&self) -> Option<ChecksumAlgorithm> {
        self.checksum_algorithm.and_then(ChecksumAlgorithm::from_byte)
    }

    pub(crate) fn info(&self) -> Result<UploadInfo, StoreError> {
        Ok(UploadInfo {
            upload_id: InstanceId(self.upload_id),
            key: self.key.clone(),
            initiated_ms: self.initiated_ms,
            storage_class: self.storage_class.clone(),
            algorithm: self.algorithm(),
            composite: self.composite,
            mode: self.seal.mode()?,
            kms: self.seal.kms.as_ref().map(KmsSealRecord::info),
            access: self.access.as_ref().map_or_else(|| Ok(ObjectAccess::default()), ObjectAccessRecord::access)?,
            lock: self.lock.unwrap_or_default(),
        })
    }

    /// Whether an object completed from this upload must carry a layout tag: not if its customer's key may be
    /// missing at completion (docs/spec/sealed-object.md, "Keyless completion").
    pub(crate) fn is_layout_bound(&self) -> Result<bool, StoreError> {
        Ok(self.seal.mode()? != EncryptionMode::SseC || self.checksum_algorithm.is_some())
    }
}

//! PutObject.

use bytes::Bytes;
use coffer_blob::BlobId;
use coffer_configuration::ObjectLock;
use coffer_seal::{ChecksumAlgorithm, Checksums, FLAG_LAYOUT, Kind, PartKeys, SumsType, opaque_etag};

use crate::access::ObjectAccess;
use crate::body::{Body, WantedDigests};
use crate::bucket::Bucket;
use crate::checksum::Hasher;
use crate::error::StoreError;
use crate::events::Origin;
use crate::ingest::{IngestedPart, Location};
use crate::names::{InstanceId, ObjectKey};
use crate::object::{KIND_SINGLE, NewObject, ObjectInfo, ObjectSums, WriteConditions, tag_records};
use crate::records::{ObjectAccessRecord, ObjectRecord, PartRecord};
use crate::sealing::{Encryption, Sealing};
use crate::store::Store;

/// The most bytes that one PUT or one part may have: 5 GiB.
pub const MAX_PUT_LEN: u64 = 5 << 30;

/// What PutObject stores besides the body.
pub struct PutObject<'a> {
    /// How the object is sealed.
    pub encryption: Encryption<'a>,
    /// Content headers and user metadata: lower-case names, values as they go into answers.
    pub headers: Vec<(String, String)>,
    /// As the client named it.
    pub storage_class: String,
    /// Tags, in the order given.
    pub tags: Vec<(String, String)>,
    /// Whose it is, and its access control list.
    pub access: ObjectAccess,
    /// Which hashes the client wants.
    pub wanted: WantedDigests,
    /// What must hold of the object that is there.
    pub conditions: WriteConditions,
    /// What keeps it from being removed; the bucket's default takes the place of no retention.
    pub lock: ObjectLock,
    /// Who writes it, and by what.
    pub origin: Origin,
}

impl<'a> PutObject<'a> {
    /// An object without headers or tags, of class `STANDARD`, the bucket owner's, written by the service itself.
    #[must_use]
    pub fn new(encryption: Encryption<'a>) -> Self {
        Self {
            encryption,
            headers: Vec::new(),
            storage_class: "STANDARD".to_owned(),
            tags: Vec::new(),
            access: ObjectAccess::default(),
            wanted: WantedDigests::default(),
            conditions: WriteConditions::default(),
            lock: ObjectLock::default(),
            origin: Origin::default(),
        }
    }
}

/// An object that was stored.
pub struct StoredObject {
    /// What is known of it.
    pub info: ObjectInfo,
    /// Its checksums.
    pub sums: Option<ObjectSums>,
}

impl Store {
    /// Seals `body` and puts it in the place of the object that is there, if any.
    ///
    /// When this returns, the object is on stable storage. On any error the old object is still there.
    ///
    /// # Errors
    /// [`StoreError`]: conditions, digests, the body's own error, no space.
    pub async fn put_object(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        put: PutObject<'_>,
        body: &mut dyn Body,
    ) -> Result<StoredObject, StoreError> {
        self.check_write_conditions(bucket, key, &put.conditions).await?;
        let mode = put.encryption.mode();
        let etag_is_md5 = mode.has_md5_etags();
        let algorithm = put.wanted.algorithm.unwrap_or(ChecksumAlgorithm::Crc64Nvme);
        let hasher = Hasher::new(etag_is_md5 || put.wanted.md5, &[algorithm]);
        let part = self.ingest(body, hasher, mode.layers(), MAX_PUT_LEN).await?;
        let instance = InstanceId::new(self.now_ms());
        let sealing = Sealing::begin(bucket, key, instance, put.encryption, put.headers.clone());
        let md5 = etag_is_md5.then_some(part.digests.md5).flatten();
        let sums = (SumsType::FullObject, part.digests.checksums.clone());
        let single = SinglePart::from_ingested(part);
        let object = NewSingle {
            instance,
            sealing,
            part: single,
            md5,
            sums: sums.clone(),
            storage_class: put.storage_class,
            tags: put.tags,
            access: put.access,
            lock: put.lock,
            origin: put.origin,
        };
        let record = self.commit_single(bucket, key, object, &put.conditions).await?;
        Ok(StoredObject { info: record.info(put.headers)?, sums: Some(sums) })
    }

    /// Commits an object of one part.
    ///
    /// # Errors
    /// [`StoreError::NoSuchUpload`] when the record that names a shared blob is not as it was any more.
    pub(crate) async fn commit_single(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        new: NewSingle,
        conditions: &WriteConditions,
    ) -> Result<ObjectRecord, StoreError> {
        let Sealing { keys, record: seal } = new.sealing;
        let plain_len = new.part.plain_len;
        let part = PartRecord {
            number: 0,
            plain_len,
            locator: new.part.id().0,
            inline: matches!(new.part.data, PartData::Inline(..)),
            boxes: keys.seal_part_boxes(0, &new.part.keys, plain_len, FLAG_LAYOUT, &Checksums::new()),
            since: new.part.since,
        };
        let (sums_type, checksums) = &new.sums;
        let sums_box = keys.first().seal_sums_box(*sums_type, checksums);
        let layout_tags = keys.layout_tags(Kind::Single, &seal.head_box, &sums_box, std::iter::once(&part))?;
        let etag = hex::encode(new.md5.unwrap_or_else(|| opaque_etag(&part.boxes[0].0)));
        let record = ObjectRecord {
            instance_id: new.instance.0,
            kind: KIND_SINGLE,
            seal,
            layout_tags,
            sums_box,
            size: plain_len,
            etag,
            last_modified_ms: self.now_ms(),
            storage_class: new.storage_class,
            parts: Vec::new(),
            part_list_rows: 0,
            part_count: 1,
            parts_show_checksums: false,
            tags: tag_records(&new.tags),
            access: ObjectAccessRecord::of(&new.access),
            order: 0,
            versioned: false,
            lock: Some(new.lock).filter(|lock| *lock != ObjectLock::default()),
            replication: None,
        };
        let mut object = NewObject { record, parts: vec![part], inline: None, fresh: Vec::new(), shared: Vec::new() };
        match &new.part.data {
            PartData::Inline(id, sealed) => object.inline = Some((*id, sealed.clone())),
            PartData::Fresh(location) => object.fresh.push(location.id()),
            PartData::Shared(id, _) => object.shared.push(*id),
        }
        // `new.part` holds the pin of a fresh blob until its reference is committed.
        let committed = self.commit_object(bucket, key, object, conditions, &new.origin, |commit| {
            if let PartData::Shared(_, (row, sealed)) = &new.part.data {
                commit.check(row.clone(), Some(sealed.clone()));
            }
        });
        let committed = committed.await;
        if let (Err(error), PartData::Fresh(location)) = (&committed, &new.part.data) {
            self.discard(location.id(), error).await;
        }
        drop(new.part);
        committed
    }
}

/// An object of one part, about to be committed.
pub(crate) struct NewSingle {
    pub(crate) instance: InstanceId,
    pub(crate) sealing: Sealing,
    pub(crate) part: SinglePart,
    /// The ETag, if it is the MD5.
    pub(crate) md5: Option<[u8; 16]>,
    pub(crate) sums: ObjectSums,
    pub(crate) storage_class: String,
    pub(crate) tags: Vec<(String, String)>,
    pub(crate) access: ObjectAccess,
    pub(crate) lock: ObjectLock,
    pub(crate) origin: Origin,
}

/// The one part of an object.
pub(crate) struct SinglePart {
    pub(crate) plain_len: u64,
    pub(crate) keys: PartKeys,
    pub(crate) data: PartData,
    /// Where its keys are stored already: since which generation of the key of this bucket, if that is known.
    pub(crate) since: Option<u32>,
}

/// Where the sealed bytes of a part are, and whose they are.
pub(crate) enum PartData {
    Inline(BlobId, Bytes),
    /// No record names the blob yet.
    Fresh(Location),
    /// Another record names the blob too: its row, and what is there. It has the part keys as well, and once it gets
    /// others, nothing may come to have the old ones.
    Shared(BlobId, (Vec<u8>, Bytes)),
}

impl SinglePart {
    pub(crate) fn from_ingested(part: IngestedPart) -> Self {
        let data = match part.location {
            Location::Inline(id, sealed) => PartData::Inline(id, sealed),
            blob @ Location::Blob(..) => PartData::Fresh(blob),
        };
        Self { plain_len: part.plain_len, keys: part.keys, data, since: None }
    }

    fn id(&self) -> BlobId {
        match &self.data {
            PartData::Inline(id, _) | PartData::Shared(id, _) => *id,
            PartData::Fresh(location) => location.id(),
        }
    }
}

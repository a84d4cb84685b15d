//! CopyObject: by sharing the blob where the sealed format allows it, else through plaintext.

use async_trait::async_trait;
use bytes::Bytes;
use coffer_configuration::ObjectLock;
use coffer_seal::{ChecksumAlgorithm, SumsType};

use crate::access::ObjectAccess;
use crate::body::{Body, WantedDigests};
use crate::bucket::Bucket;
use crate::error::{BodyError, StoreError};
use crate::events::Origin;
use crate::names::{InstanceId, ObjectKey};
use crate::object::WriteConditions;
use crate::put::{NewSingle, PartData, PutObject, SinglePart, StoredObject};
use crate::read::{ObjectReader, ObjectStream};
use crate::sealing::{Encryption, EncryptionMode, Sealing};
use crate::store::Store;

/// What CopyObject stores at the destination.
pub struct CopyObject<'a> {
    /// How the copy is sealed. Never inherited from the source.
    pub encryption: Encryption<'a>,
    /// Content headers and user metadata; `None`: those of the source.
    pub headers: Option<Vec<(String, String)>>,
    /// Tags; `None`: those of the source.
    pub tags: Option<Vec<(String, String)>>,
    /// Whose the copy is, and its access control list. Never inherited from the source.
    pub access: ObjectAccess,
    /// As the client named it.
    pub storage_class: String,
    /// The checksum algorithm that the client named; `None`: that of the source.
    pub algorithm: Option<ChecksumAlgorithm>,
    /// What must hold of the object at the destination.
    pub conditions: WriteConditions,
    /// What keeps the copy from being removed. Never inherited from the source.
    pub lock: ObjectLock,
    /// Who copies.
    pub origin: Origin,
}

impl Store {
    /// Copies an object that was found with its key.
    ///
    /// `onto_itself` says whether source and destination are the same object.
    ///
    /// # Errors
    /// [`StoreError`]: conditions, the KMS of the source, damage of the source, no space.
    pub async fn copy_object(
        &self,
        source: ObjectReader<'_>,
        onto_itself: bool,
        bucket: &Bucket,
        key: &ObjectKey,
        copy: CopyObject<'_>,
    ) -> Result<StoredObject, StoreError> {
        self.check_write_conditions(bucket, key, &copy.conditions).await?;
        let headers = copy.headers.clone().unwrap_or_else(|| source.info().headers.clone());
        let tags = copy.tags.clone().unwrap_or_else(|| source.info().tags.clone());
        // Where the source stays as an older version, it does not become its copy.
        let becomes_itself = onto_itself && bucket.versioning().is_none();
        if may_share(&source, becomes_itself, &copy)
            && let Some(shared) = self.share(&source, bucket, key, &copy, headers.clone(), tags.clone()).await?
        {
            return Ok(shared);
        }
        let algorithm = match copy.algorithm {
            Some(algorithm) => Some(algorithm),
            None => source.sums().await?.and_then(|(_, sums)| sums.iter().next().map(|(algorithm, _)| algorithm)),
        };
        let size = source.info().size;
        let (stream, _) = source.read(0..size).await?;
        let put = PutObject {
            encryption: copy.encryption,
            headers,
            storage_class: copy.storage_class,
            tags,
            access: copy.access,
            wanted: WantedDigests { md5: false, algorithm },
            conditions: copy.conditions,
            lock: copy.lock,
            origin: copy.origin,
        };
        self.put_object(bucket, key, put, &mut ReadBody::new(stream)).await
    }

    /// Makes a copy that shares the blob of its source: a new object key, the part key boxed again under it.
    ///
    /// `None` when the checksum that is asked for is not at hand, or the source has changed meanwhile.
    async fn share(
        &self,
        source: &ObjectReader<'_>,
        bucket: &Bucket,
        key: &ObjectKey,
        copy: &CopyObject<'_>,
        headers: Vec<(String, String)>,
        tags: Vec<(String, String)>,
    ) -> Result<Option<StoredObject>, StoreError> {
        let opened = source.open(0..u64::MAX).await?;
        let Some((SumsType::FullObject, checksums)) = opened.sums else { return Ok(None) };
        if copy.algorithm.is_some_and(|algorithm| checksums.get(algorithm).is_none()) {
            return Ok(None);
        }
        let [part] = source.parts() else { return Ok(None) };
        let (blob, plain_len) = (part.blob(), part.plain_len);
        let row = (source.found().row.clone(), source.found().sealed.clone());
        // The generations of another bucket's key say nothing here.
        let since = part.since.filter(|_| source.bucket().id() == bucket.id());
        let Some(opened_part) = opened.parts.into_iter().next() else { return Ok(None) };
        let instance = InstanceId::new(self.now_ms());
        let sums = (SumsType::FullObject, checksums);
        let object = NewSingle {
            instance,
            sealing: Sealing::begin(bucket, key, instance, copy.encryption, headers.clone()),
            part: SinglePart { plain_len, keys: opened_part.keys, data: PartData::Shared(blob, row), since },
            md5: match copy.encryption {
                Encryption::SseS3 => md5_of(&source.info().etag),
                Encryption::SseC(_) | Encryption::SseKms(_) | Encryption::DsseKms(_) => None,
            },
            sums: sums.clone(),
            storage_class: copy.storage_class.clone(),
            tags,
            access: copy.access.clone(),
            lock: copy.lock,
            origin: copy.origin.clone(),
        };
        let record = match self.commit_single(bucket, key, object, &copy.conditions).await {
            Err(StoreError::NoSuchUpload) => return Ok(None),
            record => record?,
        };
        Ok(Some(StoredObject { info: record.info(headers)?, sums: Some(sums) }))
    }
}

/// Whether the copy may name the blob of its source (docs/spec/sealed-object.md, "Copies").
///
/// Between two owners of different keys it may not: whoever has the one key could open what the other one seals.
fn may_share(source: &ObjectReader<'_>, becomes_itself: bool, copy: &CopyObject<'_>) -> bool {
    let in_one_blob = source.info().part_count.is_none() && source.parts().iter().all(|part| !part.inline);
    let same_owner = match (source.info().mode, copy.encryption) {
        (EncryptionMode::SseS3, Encryption::SseS3) => md5_of(&source.info().etag).is_some(),
        (EncryptionMode::SseC, Encryption::SseC(key)) => {
            becomes_itself
                || source.customer_key().is_some_and(|source| coffer_crypto::ct_eq(source.expose(), key.expose()))
        }
        (EncryptionMode::SseKms, Encryption::SseKms(kms)) | (EncryptionMode::DsseKms, Encryption::DsseKms(kms)) => {
            source.info().kms.as_ref().is_some_and(|source| source.key_arn == kms.sealed.key_arn)
        }
        _ => false,
    };
    in_one_blob && same_owner
}

fn md5_of(etag: &str) -> Option<[u8; 16]> {
    hex::decode(etag).ok()?.try_into().ok()
}

/// The plaintext of an object as the body of another.
pub struct ReadBody(ObjectStream);

impl ReadBody {
    /// A body of what `stream` gives.
    #[must_use]
    pub fn new(stream: ObjectStream) -> Self {
        Self(stream)
    }
}

#[async_trait]
impl Body for ReadBody {
    async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        self.0.next().await.map_err(|error| Box::new(error) as BodyError)
    }
}

//! PutObject.

use coffer_configuration::Tag;
use coffer_store::{ChangedBy, MAX_PUT_LEN, PutObject, StoredObject};
use http::{HeaderMap, StatusCode, header};

use super::body::{ObjectBody, wanted};
use super::expiration::write_expiration;
use super::get::{ascii, write_encryption};
use super::sealing::Sealing;
use super::store_error::Subject;
use super::{S3Operations, algorithms, version, write_conditions};
use crate::checksum::RequestedChecksums;
use crate::conditional::WriteCondition;
use crate::error::S3Error;
use crate::etag::quoted;
use crate::headers::Headers;
use crate::metadata::Metadata;
use crate::object_lock::{is_kept, requested_lock};
use crate::request::S3Request;
use crate::response::S3Response;
use crate::route::Operation;
use crate::sse::{self, CustomerKey};
use crate::storage_class::parse_storage_class;
use crate::tags::{pairs, parse_tagging_header};

impl S3Operations {
    pub(super) async fn put_object(&self, request: &mut S3Request) -> Result<S3Response, S3Error> {
        if request.body.announced_len().is_none() {
            return Err(S3Error::missing_content_length());
        }
        let (stored, sealing) = self.store_body(request, None).await?;
        let mut response = S3Response::new(StatusCode::OK);
        write_stored(&stored, sealing.customer_key(), &mut response.headers);
        if let Some(context) = sealing.context() {
            sse::write_context(context, &mut response.headers);
        }
        write_expiration(&request.bucket()?, &request.object_key()?, &stored.info, &mut response.headers);
        Ok(response)
    }

    /// Stores the body of a PutObject, or the file of a PostObject, as its headers say, with `tags` instead of theirs if
    /// there are any.
    pub(super) async fn store_body(
        &self,
        request: &mut S3Request,
        tags: Option<Vec<Tag>>,
    ) -> Result<(StoredObject, Sealing), S3Error> {
        let (bucket, key) = (request.bucket()?, request.object_key()?);
        self.check_sse_c_blocked(request, &bucket, "s3:PutObject")?;
        let access = self.access_of_new_object(request, &bucket, "s3:PutObject").await?;
        check_len(request.body.announced_len())?;
        let stored_headers = StoredHeaders::parse(&request.headers)?;
        let lock = requested_lock(request, &bucket)?;
        let requested = RequestedChecksums::parse(&request.headers)?;
        // The form of a browser is signed as it is, and has no digest of a file that its user chooses.
        let is_form = request.route.operation == Operation::PostObject;
        if is_kept(&lock, &bucket) && !requested.covers_body() && !is_form {
            return Err(S3Error::locked_object_without_digest());
        }
        let condition = WriteCondition::of_put(&request.headers)?;
        let encryption = sse::for_write(&request.headers)?;
        let sealing = self.sealing(request, &bucket, encryption).await?;
        let put = PutObject {
            encryption: sealing.encryption(),
            headers: stored_headers.metadata,
            storage_class: stored_headers.storage_class,
            tags: tags.map_or(stored_headers.tags, pairs),
            access,
            wanted: wanted(&requested),
            conditions: write_conditions(condition),
            lock,
            origin: request.origin(if is_form { ChangedBy::Post } else { ChangedBy::Put }),
        };
        let mut body = ObjectBody { body: &mut request.body, requested: &requested };
        let stored = self.store.put_object(&bucket, &key, put, &mut body).await;
        let subject = Subject { bucket: request.bucket_name(), key: key.as_str(), ..Subject::default() };
        Ok((stored.map_err(|error| subject.error(error))?, sealing))
    }
}

/// Refuses a body that is announced to be larger than one upload may be.
pub(super) fn check_len(announced_len: Option<u64>) -> Result<(), S3Error> {
    match announced_len {
        Some(len) if len > MAX_PUT_LEN => Err(S3Error::entity_too_large(len, MAX_PUT_LEN)),
        _ => Ok(()),
    }
}

/// What the headers of a write say is to be stored with the object.
pub(super) struct StoredHeaders {
    pub(super) metadata: Vec<(String, String)>,
    pub(super) storage_class: String,
    pub(super) tags: Vec<(String, String)>,
}

impl StoredHeaders {
    /// Reads them, and refuses what S3 refuses and what is not there yet.
    pub(super) fn parse(headers: &Headers) -> Result<Self, S3Error> {
        let storage_class = parse_storage_class(headers)?.unwrap_or("STANDARD").to_owned();
        refuse_append(headers)?;
        Ok(Self {
            metadata: Metadata::parse(headers)?.fields().to_vec(),
            storage_class,
            tags: pairs(parse_tagging_header(headers)?),
        })
    }
}

/// An append that went unheard would replace the object by what was to be added to it.
fn refuse_append(headers: &Headers) -> Result<(), S3Error> {
    const OFFSET: &str = "x-amz-write-offset-bytes";
    if headers.contains(OFFSET) { Err(S3Error::not_implemented_header(OFFSET)) } else { Ok(()) }
}

/// Says what was stored: version, ETag, checksums, encryption.
pub(super) fn write_stored(stored: &StoredObject, customer_key: Option<&CustomerKey>, headers: &mut HeaderMap) {
    version::write_new_version(stored.info.version, headers);
    headers.insert(header::ETAG, ascii(&quoted(&stored.info.etag)));
    algorithms::write_sums(stored.sums.as_ref(), stored.info.part_count, headers);
    write_encryption(stored.info.mode, stored.info.kms.as_ref(), customer_key, headers);
}

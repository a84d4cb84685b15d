//! CopyObject.

use coffer_store::{Bucket, ChangedBy, CopyObject, EncryptionMode, Keys, ObjectKey, ObjectReader, ObjectVersion};
use http::StatusCode;

use super::expiration::write_expiration;
use super::get::{ascii, write_encryption};
use super::store_error::{KeyRole, Subject};
use super::{CustomerKeyOption as _, S3Operations, algorithms, keys, version, write_conditions};
use crate::authorize::Target;
use crate::checksum::parse_checksum_algorithm;
use crate::conditional::{ReadConditions, WriteCondition};
use crate::copy_source::CopySource;
use crate::error::S3Error;
use crate::etag::quoted;
use crate::headers::Headers;
use crate::kms::OnBehalf;
use crate::log::FurtherObject;
use crate::metadata::Metadata;
use crate::object_lock::requested_lock;
use crate::request::S3Request;
use crate::response::S3Response;
use crate::route::Operation;
use crate::sse::{self, RequestEncryption};
use crate::storage_class::parse_storage_class;
use crate::tags::{pairs, parse_tagging_header};
use crate::time::iso8601;
use crate::xml;

/// The most bytes that CopyObject takes; larger objects are copied in parts.
const MAX_COPY_LEN: u64 = 5 << 30;

impl S3Operations {
    pub(super) async fn copy_object(&self, request: &mut S3Request) -> Result<S3Response, S3Error> {
        let (bucket, key) = (request.bucket()?, request.object_key()?);
        self.check_sse_c_blocked(request, &bucket, "s3:CopyObject")?;
        let storage_class = parse_storage_class(&request.headers)?;
        let access = self.access_of_new_object(request, &bucket, "s3:CopyObject").await?;
        let lock = requested_lock(request, &bucket)?;
        let conditions = ReadConditions::of_copy_source(&request.headers)?;
        let condition = WriteCondition::of_put(&request.headers)?;
        let (source_key, encryption) = sse::for_copy(&request.headers)?;
        let replace = directive(&request.headers, "x-amz-metadata-directive")?;
        let replace_tags = directive(&request.headers, "x-amz-tagging-directive")?;
        let algorithm = parse_checksum_algorithm(&request.headers)?.map(algorithms::stored);

        let usable = source_key.usable();
        let on_behalf = OnBehalf::of(request, &self.kms);
        let reader = self.copy_reader(request, keys(usable.as_deref(), &on_behalf), &conditions).await?;
        let source_version = reader.info().version;
        let (source, source_bucket) = source(request)?;
        let onto_itself = source.bucket == request.bucket_name() && source.key == key.as_str();
        let changes_something = replace
            || request.headers.contains("x-amz-storage-class")
            || request.headers.contains("x-amz-website-redirect-location")
            || !matches!(encryption, RequestEncryption::Unspecified { bucket_key: None })
            || bucket.encryption().is_some()
            || reader.info().mode != EncryptionMode::SseS3;
        if onto_itself && source.version_id.is_none() && !changes_something {
            return Err(S3Error::copy_to_itself());
        }
        if reader.info().size > MAX_COPY_LEN {
            return Err(S3Error::copy_source_too_large(MAX_COPY_LEN));
        }
        if !replace_tags && !reader.info().tags.is_empty() {
            self.check_copied_tags(request, source, source_bucket, &bucket).await?;
        }
        let metadata = match replace {
            true => Metadata::parse(&request.headers)?,
            false => Metadata::from_fields(reader.info().headers.clone()).of_copy(&request.headers)?,
        };
        let sealing = self.sealing(request, &bucket, encryption).await?;
        let copy = CopyObject {
            encryption: sealing.encryption(),
            headers: Some(metadata.fields().to_vec()),
            tags: if replace_tags { Some(pairs(parse_tagging_header(&request.headers)?)) } else { None },
            storage_class: storage_class.unwrap_or("STANDARD").to_owned(),
            algorithm,
            access,
            conditions: write_conditions(condition),
            lock,
            origin: request.origin(ChangedBy::Copy),
        };
        let subject = Subject { bucket: request.bucket_name(), key: key.as_str(), ..Subject::default() };
        let copied = self.store.copy_object(reader, onto_itself, &bucket, &key, copy).await;
        let copied = match copied.map_err(|error| subject.error(error)) {
            Err(error) => return Err(self.authorizer.absent(request, &bucket, error).await),
            Ok(copied) => copied,
        };
        let mut response = S3Response::xml(xml::document("CopyObjectResult", |xml| {
            xml.text("LastModified", iso8601(copied.info.last_modified_ms)).text("ETag", quoted(&copied.info.etag));
            algorithms::xml_sums(copied.sums.as_ref(), None, xml);
        }));
        response.status = StatusCode::OK;
        let info = &copied.info;
        write_encryption(info.mode, info.kms.as_ref(), sealing.customer_key(), &mut response.headers);
        if let Some(context) = sealing.context() {
            sse::write_context(context, &mut response.headers);
        }
        version::write_new_version(copied.info.version, &mut response.headers);
        write_expiration(&bucket, &key, &copied.info, &mut response.headers);
        if source_bucket.versioning().is_some() {
            response.headers.insert(version::COPY_SOURCE_VERSION_ID, ascii(&source_version.to_string()));
        }
        Ok(response)
    }

    /// Finds the source of a copy, with the keys to it, and checks the conditions on it.
    pub(super) async fn copy_reader<'k>(
        &self,
        request: &S3Request,
        keys: Keys<'k>,
        conditions: &ReadConditions,
    ) -> Result<ObjectReader<'k>, S3Error> {
        let (source, bucket) = source(request)?;
        let subject = Subject {
            bucket: &source.bucket,
            key: &source.key,
            customer_key: KeyRole::CopySource,
            version_id: source.version_id.as_deref(),
            ..Subject::default()
        };
        let found = async {
            let version = version::parse_version_id(source.version_id.as_deref())?;
            let key = ObjectKey::new(source.key.as_str()).map_err(|_| S3Error::no_such_key(&source.key))?;
            let found = self.store.get_object(bucket, ObjectVersion { key: &key, version }, keys).await;
            found.map_err(|error| subject.error(error))
        };
        let found = match found.await {
            Err(error) => Err(self.authorizer.absent(request, bucket, error).await),
            found => found,
        };
        if bucket.logging().is_some() {
            let found = found.as_ref().map(|reader| reader.info().size);
            request.record.note_further(logged_read(request, source, found));
        }
        let reader = found?;
        let info = reader.info();
        conditions.check(&info.etag, info.last_modified_ms / 1000)?;
        Ok(reader)
    }

    /// Tags that come along are read on one side and written on the other.
    async fn check_copied_tags(
        &self,
        request: &S3Request,
        source: &CopySource,
        source_bucket: &Bucket,
        bucket: &Bucket,
    ) -> Result<(), S3Error> {
        let version_id = source.version_id.as_deref();
        let read = if version_id.is_some() { "s3:GetObjectVersionTagging" } else { "s3:GetObjectTagging" };
        self.authorizer.check(request, read, Target::object(source_bucket, &source.key, version_id)).await?;
        let target = Target::object(bucket, request.key_text(), None);
        self.authorizer.check(request, "s3:PutObjectTagging", target).await
    }
}

/// The reading of a source of this size, as a log of its own.
fn logged_read(request: &S3Request, source: &CopySource, found: Result<u64, &S3Error>) -> FurtherObject {
    let is_part = request.route.operation == Operation::UploadPartCopy;
    FurtherObject {
        operation: if is_part { "REST.COPY.PART_GET" } else { "REST.COPY.OBJECT_GET" },
        bucket: source.bucket.clone(),
        key: source.key.clone(),
        version_id: source.version_id.clone(),
        status: found.err().map_or(StatusCode::OK, S3Error::status),
        error_code: found.err().map(S3Error::code),
        size: found.ok(),
    }
}

/// The source that the request was admitted to.
fn source(request: &S3Request) -> Result<(&CopySource, &Bucket), S3Error> {
    let source = request.admitted.source.as_ref().ok_or_else(S3Error::internal_error)?;
    Ok((&source.0, &source.1))
}

/// Whether a directive says REPLACE and not COPY.
fn directive(headers: &Headers, name: &'static str) -> Result<bool, S3Error> {
    match headers.text(name)? {
        None | Some("COPY") => Ok(false),
        Some("REPLACE") => Ok(true),
        Some(other) if name == "x-amz-metadata-directive" => {
            Err(S3Error::invalid_argument("Unknown metadata directive.", name, Some(other)))
        }
        Some(other) => Err(S3Error::invalid_argument("Unknown tagging directive.", name, Some(other))),
    }
}

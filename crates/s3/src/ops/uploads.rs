//! CreateMultipartUpload, AbortMultipartUpload, ListParts, ListMultipartUploads.

use coffer_store::{CreateUpload, InstanceId, ListUploads, UploadEntry, UploadInfo};
use http::{HeaderName, HeaderValue, StatusCode};

use super::expiration::write_abort;
use super::get::write_encryption;
use super::listing::{ListQuery, MOST_ENTRIES};
use super::owner::Owners;
use super::put::StoredHeaders;
use super::store_error::{KeyRole, Subject};
use super::{CustomerKeyOption as _, S3Operations, algorithms, keys};
use crate::checksum::{ChecksumType, parse_upload_checksum};
use crate::error::S3Error;
use crate::etag::quoted;
use crate::kms::OnBehalf;
use crate::object_lock::requested_lock;
use crate::request::S3Request;
use crate::response::S3Response;
use crate::sse;
use crate::time::iso8601;
use crate::xml::{self, XmlWriter};

impl S3Operations {
    pub(super) async fn create_multipart_upload(&self, request: &S3Request) -> Result<S3Response, S3Error> {
        let (bucket, key) = (request.bucket()?, request.object_key()?);
        self.check_sse_c_blocked(request, &bucket, "s3:PutObject")?;
        let access = self.access_of_new_object(request, &bucket, "s3:PutObject").await?;
        let stored_headers = StoredHeaders::parse(&request.headers)?;
        let checksum = parse_upload_checksum(&request.headers)?;
        let encryption = sse::for_write(&request.headers)?;
        let lock = requested_lock(request, &bucket)?;
        let sealing = self.sealing(request, &bucket, encryption).await?;
        let create = CreateUpload {
            encryption: sealing.encryption(),
            headers: stored_headers.metadata,
            storage_class: stored_headers.storage_class,
            tags: stored_headers.tags,
            access,
            algorithm: checksum.map(|(algorithm, _)| algorithms::stored(algorithm)),
            composite: checksum.is_some_and(|(_, checksum_type)| checksum_type == ChecksumType::Composite),
            lock,
        };
        let subject = Subject { bucket: request.bucket_name(), key: key.as_str(), ..Subject::default() };
        let created = self.store.create_upload(&bucket, &key, create).await;
        let upload = created.map_err(|error| subject.error(error))?;
        let mut response = S3Response::xml(xml::document("InitiateMultipartUploadResult", |xml| {
            xml.text("Bucket", request.bucket_name())
                .text("Key", key.as_str())
                .text("UploadId", upload.upload_id.to_string());
        }));
        write_encryption(upload.mode, upload.kms.as_ref(), sealing.customer_key(), &mut response.headers);
        if let Some(context) = sealing.context() {
            sse::write_context(context, &mut response.headers);
        }
        write_abort(&bucket, &upload, &mut response.headers);
        if let Some((algorithm, checksum_type)) = checksum {
            let mut put = |name, value| {
                response.headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
            };
            put("x-amz-checksum-algorithm", algorithm.name());
            put("x-amz-checksum-type", checksum_type.name());
        }
        Ok(response)
    }

    /// Needs no key, and ignores every encryption header: some clients send all of theirs.
    pub(super) async fn abort_multipart_upload(&self, request: &S3Request) -> Result<S3Response, S3Error> {
        let (bucket, key) = (request.bucket()?, request.object_key()?);
        let upload_id = upload_id(request)?;
        let subject = upload_subject(request, KeyRole::Part);
        let aborted = self.store.abort_upload(&bucket, &key, upload_id).await;
        aborted.map_err(|error| subject.error(error))?;
        Ok(S3Response::new(StatusCode::NO_CONTENT))
    }

    pub(super) async fn list_parts(&self, request: &S3Request) -> Result<S3Response, S3Error> {
        let (bucket, key) = (request.bucket()?, request.object_key()?);
        let upload_id = upload_id(request)?;
        let after = marker(request)?;
        let max = ListQuery::parse(&request.query, "max-parts")?.max;
        let customer_key = sse::for_read(&request.headers)?;
        let subject = upload_subject(request, KeyRole::ListParts);
        // One more than the page holds tells whether there is more.
        let limit = max.min(MOST_ENTRIES) + 1;
        let usable = customer_key.usable();
        let on_behalf = OnBehalf::of(request, &self.kms);
        let keys = keys(usable.as_deref(), &on_behalf);
        let listed = self.store.list_parts(&bucket, &key, upload_id, keys, after, limit).await;
        let (upload, mut parts) = listed.map_err(|error| subject.error(error))?;
        let truncated = max > 0 && parts.len() > max;
        parts.truncate(max);
        let next = parts.last().map_or(0, |part| part.number);
        let owners = self.owners(bucket.clone());
        let mut response = S3Response::xml(xml::document("ListPartsResult", |xml| {
            xml.text("Bucket", request.bucket_name())
                .text("Key", key.as_str())
                .text("UploadId", upload.upload_id.to_string());
            write_owners(&owners, xml);
            xml.text("StorageClass", &upload.storage_class)
                .value("PartNumberMarker", after)
                .value("NextPartNumberMarker", next)
                .value("MaxParts", max)
                .value("IsTruncated", truncated);
            write_algorithm(&upload, xml);
            for part in &parts {
                xml.element("Part", |xml| {
                    xml.value("PartNumber", part.number)
                        .text("LastModified", iso8601(part.last_modified_ms))
                        .text("ETag", quoted(&part.etag))
                        .value("Size", part.size);
                    for (algorithm, value) in algorithms::wire_checksums(&part.checksums) {
                        xml.text(algorithm.element(), value);
                    }
                });
            }
        }));
        response.status = StatusCode::OK;
        write_abort(&bucket, &upload, &mut response.headers);
        Ok(response)
    }

    pub(super) async fn list_multipart_uploads(&self, request: &S3Request) -> Result<S3Response, S3Error> {
        let bucket = request.bucket()?;
        let query = ListQuery::parse(&request.query, "max-uploads")?;
        let key_marker = request.query.get("key-marker").unwrap_or_default();
        let id_marker = request.query.get("upload-id-marker").unwrap_or_default();
        let list = ListUploads {
            prefix: query.prefix.to_owned(),
            delimiter: query.delimiter.map(str::to_owned),
            key_marker: Some(key_marker.to_owned()).filter(|marker| !marker.is_empty()),
            upload_id_marker: InstanceId::parse(id_marker),
            max_uploads: query.max,
        };
        let subject = Subject { bucket: request.bucket_name(), ..Subject::default() };
        let page = self.store.list_uploads(&bucket, &list).await.map_err(|error| subject.error(error))?;
        let next = page.entries.last().filter(|_| page.truncated);
        let owners = self.owners(bucket);
        Ok(S3Response::xml(xml::document("ListMultipartUploadsResult", |xml| {
            xml.text("Bucket", request.bucket_name());
            xml.text("KeyMarker", query.encode(key_marker)).text("UploadIdMarker", id_marker);
            match next {
                Some(UploadEntry::Upload(upload)) => {
                    xml.text("NextKeyMarker", query.encode(&upload.key));
                    xml.text("NextUploadIdMarker", upload.upload_id.to_string());
                }
                Some(UploadEntry::CommonPrefix(prefix)) => {
                    xml.text("NextKeyMarker", query.encode(prefix));
                }
                None => {}
            }
            query.write(xml);
            xml.value("MaxUploads", query.max).value("IsTruncated", page.truncated);
            for entry in &page.entries {
                match entry {
                    UploadEntry::Upload(upload) => write_upload(&query, upload, &owners, xml),
                    UploadEntry::CommonPrefix(prefix) => query.write_common_prefix(prefix, xml),
                }
            }
        })))
    }
}

fn write_upload(query: &ListQuery<'_>, upload: &UploadInfo, owners: &Owners<'_>, xml: &mut XmlWriter) {
    xml.element("Upload", |xml| {
        xml.text("Key", query.encode(&upload.key)).text("UploadId", upload.upload_id.to_string());
        write_owners(owners, xml);
        xml.text("StorageClass", &upload.storage_class).text("Initiated", iso8601(upload.initiated_ms));
        write_algorithm(upload, xml);
    });
}

fn write_owners(owners: &Owners<'_>, xml: &mut XmlWriter) {
    for role in ["Initiator", "Owner"] {
        xml.element(role, |xml| {
            xml.text("ID", owners.of_bucket());
        });
    }
}

fn write_algorithm(upload: &UploadInfo, xml: &mut XmlWriter) {
    if let Some(algorithm) = upload.algorithm.map(algorithms::wire) {
        let checksum_type = if upload.composite { ChecksumType::Composite } else { ChecksumType::FullObject };
        xml.text("ChecksumAlgorithm", algorithm.name()).text("ChecksumType", checksum_type.name());
    }
}

/// `uploadId` of the query. What is no id of ours names no upload.
pub(super) fn upload_id(request: &S3Request) -> Result<InstanceId, S3Error> {
    let text = upload_id_text(request);
    InstanceId::parse(text).ok_or_else(|| S3Error::no_such_upload(text))
}

fn upload_id_text(request: &S3Request) -> &str {
    request.query.get("uploadId").unwrap_or_default()
}

/// What the errors about an upload name.
pub(super) fn upload_subject(request: &S3Request, customer_key: KeyRole) -> Subject<'_> {
    Subject {
        bucket: request.bucket_name(),
        key: request.key_text(),
        upload_id: upload_id_text(request),
        customer_key,
        ..Subject::default()
    }
}

fn marker(request: &S3Request) -> Result<u32, S3Error> {
    let Some(text) = request.query.non_empty("part-number-marker") else { return Ok(0) };
    match text.parse::<i64>() {
        Ok(marker) if (0..=i64::from(i32::MAX)).contains(&marker) => Ok(u32::try_from(marker).unwrap_or(u32::MAX)),
        Ok(_) => {
            let message = "Argument part-number-marker must be an integer between 0 and 2147483647";
            Err(S3Error::invalid_argument(message, "part-number-marker", Some(text)))
        }
        Err(_) => {
            let message = "Provided part-number-marker not an integer or within integer range";
            Err(S3Error::invalid_argument(message, "part-number-marker", Some(text)))
        }
    }
}

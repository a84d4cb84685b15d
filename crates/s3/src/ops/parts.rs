//! UploadPart, UploadPartCopy.

use coffer_store::{EncryptionMode, ObjectKey, ReadBody, StoredPart, UploadInfo, UploadPart, WantedDigests};
use http::{HeaderName, StatusCode, header};

use super::body::{ObjectBody, wanted};
use super::get::{ascii, part_number, write_encryption};
use super::put::check_len;
use super::store_error::KeyRole;
use super::uploads::{upload_id, upload_subject};
use super::{CustomerKeyOption as _, S3Operations, algorithms, keys, version};
use crate::checksum::RequestedChecksums;
use crate::conditional::ReadConditions;
use crate::error::S3Error;
use crate::etag::quoted;
use crate::kms::OnBehalf;
use crate::object_lock::is_kept;
use crate::range::{copied_range, parse_copy_source_range};
use crate::request::S3Request;
use crate::response::S3Response;
use crate::sse::{self, CustomerKey};
use crate::time::iso8601;
use crate::xml;

/// The most bytes that UploadPartCopy takes.
const MAX_COPY_LEN: u64 = 5 << 30;

impl S3Operations {
    pub(super) async fn upload_part(&self, request: &mut S3Request) -> Result<S3Response, S3Error> {
        let (bucket, key) = (request.bucket()?, request.object_key()?);
        let number = required_part_number(request)?;
        if request.body.announced_len().is_none() {
            return Err(S3Error::missing_content_length());
        }
        check_len(request.body.announced_len())?;
        self.check_sse_c_blocked(request, &bucket, "s3:PutObject")?;
        let requested = RequestedChecksums::parse(&request.headers)?;
        let customer_key = sse::for_part(&request.headers)?;
        let upload = self.upload(request, &bucket, &key, customer_key.as_ref()).await?;
        if is_kept(&upload.lock, &bucket) && !requested.covers_body() {
            return Err(S3Error::locked_part_without_digest());
        }
        check_algorithm(&upload, &requested)?;
        let usable = customer_key.usable();
        let on_behalf = OnBehalf::of(request, &self.kms);
        let put = UploadPart {
            upload_id: upload.upload_id,
            number,
            keys: keys(usable.as_deref(), &on_behalf),
            wanted: wanted(&requested),
        };
        let shown = put.wanted.algorithm;
        let mut body = ObjectBody { body: &mut request.body, requested: &requested };
        let stored = self.store.upload_part(&bucket, &key, put, &mut body).await;
        let stored = stored.map_err(|error| upload_subject(request, KeyRole::Part).error(error))?;
        let mut response = S3Response::new(StatusCode::OK);
        response.headers.insert(header::ETAG, ascii(&quoted(&stored.etag)));
        // Unlike an object's, a part's checksum is shown only if the client named the algorithm.
        for (algorithm, value) in algorithms::wire_checksums(&stored.checksums) {
            if shown == Some(algorithms::stored(algorithm)) {
                response.headers.insert(HeaderName::from_static(algorithm.header()), ascii(&value));
            }
        }
        write_encryption(upload.mode, upload.kms.as_ref(), customer_key.as_ref(), &mut response.headers);
        Ok(response)
    }

    pub(super) async fn upload_part_copy(&self, request: &mut S3Request) -> Result<S3Response, S3Error> {
        let (bucket, key) = (request.bucket()?, request.object_key()?);
        let number = required_part_number(request)?;
        self.check_sse_c_blocked(request, &bucket, "s3:PutObject")?;
        let conditions = ReadConditions::of_copy_source(&request.headers)?;
        let range = parse_copy_source_range(&request.headers)?;
        let (source_key, customer_key) = sse::for_part_copy(&request.headers)?;
        let upload = self.upload(request, &bucket, &key, customer_key.as_ref()).await?;
        sse::check_method_of_upload(&request.headers, upload.mode == EncryptionMode::SseS3)?;

        let source_usable = source_key.usable();
        let on_behalf = OnBehalf::of(request, &self.kms);
        let reader = self.copy_reader(request, keys(source_usable.as_deref(), &on_behalf), &conditions).await?;
        let (size, source_version) = (reader.info().size, reader.info().version);
        let range = match range {
            Some(range) => copied_range(range, size)?,
            None => 0..size,
        };
        if range.end - range.start > MAX_COPY_LEN {
            return Err(S3Error::copy_source_too_large(MAX_COPY_LEN));
        }
        let subject = upload_subject(request, KeyRole::Part);
        let (stream, _) = reader.read(range).await.map_err(|error| subject.error(error))?;
        let usable = customer_key.usable();
        let put = UploadPart {
            upload_id: upload.upload_id,
            number,
            keys: keys(usable.as_deref(), &on_behalf),
            wanted: WantedDigests::default(),
        };
        let stored = self.store.upload_part(&bucket, &key, put, &mut ReadBody::new(stream)).await;
        let stored = stored.map_err(|error| subject.error(error))?;
        let mut response = copy_part_result(&upload, &stored);
        write_encryption(upload.mode, upload.kms.as_ref(), customer_key.as_ref(), &mut response.headers);
        if let Some((_, source_bucket)) = request.admitted.source.as_ref()
            && source_bucket.versioning().is_some()
        {
            response.headers.insert(version::COPY_SOURCE_VERSION_ID, ascii(&source_version.to_string()));
        }
        Ok(response)
    }

    /// Finds the upload a part is for, and checks the customer key against it before the body is read.
    async fn upload(
        &self,
        request: &S3Request,
        bucket: &coffer_store::Bucket,
        key: &ObjectKey,
        customer_key: Option<&CustomerKey>,
    ) -> Result<UploadInfo, S3Error> {
        let subject = upload_subject(request, KeyRole::Part);
        let id = upload_id(request)?;
        let usable = customer_key.usable();
        let found = self.store.check_upload_key(bucket, key, id, usable.as_deref()).await;
        found.map_err(|error| subject.error(error))
    }
}

fn required_part_number(request: &S3Request) -> Result<u32, S3Error> {
    part_number(request)?.ok_or_else(|| S3Error::part_number_out_of_range(""))
}

/// I-CKT: a part whose checksum is of another algorithm than its upload's.
fn check_algorithm(upload: &UploadInfo, requested: &RequestedChecksums) -> Result<(), S3Error> {
    let (Some(expected), Some(actual)) =
        (upload.algorithm.map(algorithms::wire), requested.additional.as_ref().map(|sum| sum.algorithm()))
    else {
        return Ok(());
    };
    if expected == actual {
        return Ok(());
    }
    Err(S3Error::checksum_type_mismatch(expected.lower_name(), actual.lower_name()))
}

fn copy_part_result(upload: &UploadInfo, stored: &StoredPart) -> S3Response {
    S3Response::xml(xml::document("CopyPartResult", |xml| {
        xml.text("LastModified", iso8601(stored.last_modified_ms)).text("ETag", quoted(&stored.etag));
        for (algorithm, value) in algorithms::wire_checksums(&stored.checksums) {
            if upload.algorithm == Some(algorithms::stored(algorithm)) {
                xml.text(algorithm.element(), value);
            }
        }
    }))
}

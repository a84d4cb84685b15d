//! CompleteMultipartUpload.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use coffer_store::{ChangedBy, Checksums, CompleteUpload, CompletedPart, EncryptionMode, StoreError};
use http::StatusCode;

use super::expiration::write_expiration;
use super::get::write_encryption;
use super::store_error::KeyRole;
use super::uploads::{upload_id, upload_subject};
use super::{CustomerKeyOption as _, S3Operations, algorithms, keys, version, write_conditions};
use crate::checksum::{ChecksumType, CompleteChecksum};
use crate::conditional::WriteCondition;
use crate::error::S3Error;
use crate::etag::quoted;
use crate::kms::OnBehalf;
use crate::request::S3Request;
use crate::response::S3Response;
use crate::sse;
use crate::xml::{self, parse_complete_multipart_upload};

/// The most bytes of the document: 10,000 parts with every checksum.
const MAX_DOCUMENT_LEN: usize = 4 << 20;
/// The most parts.
const MOST_PARTS: usize = 10_000;

impl S3Operations {
    pub(super) async fn complete_multipart_upload(&self, request: &mut S3Request) -> Result<S3Response, S3Error> {
        let (bucket, key) = (request.bucket()?, request.object_key()?);
        let document = request.body.read_all(MAX_DOCUMENT_LEN).await?;
        let named = parse_complete_multipart_upload(&document)?;
        if named.is_empty() || named.len() > MOST_PARTS {
            return Err(S3Error::malformed_xml());
        }
        let condition = WriteCondition::of_put(&request.headers)?;
        let checksum = CompleteChecksum::parse(&request.headers)?;
        let expected_size = request.headers.parse::<u64>("x-amz-mp-object-size")?;
        let customer_key = sse::for_complete(&request.headers)?;
        let subject = upload_subject(request, KeyRole::Complete);
        let upload_id = upload_id(request)?;
        match self.store.upload(&bucket, &key, upload_id).await {
            Ok(upload) => {
                sse::check_method_of_upload(&request.headers, upload.mode == EncryptionMode::SseS3)?;
                check_mode(&upload, &checksum)?;
            }
            // The completion may be a repetition: the store knows.
            Err(StoreError::NoSuchUpload) => {}
            Err(error) => return Err(subject.error(error)),
        }
        let parts = named.into_iter().map(completed_part).collect::<Result<Vec<_>, _>>()?;
        let usable = customer_key.usable();
        let on_behalf = OnBehalf::of(request, &self.kms);
        let complete = CompleteUpload {
            upload_id,
            parts,
            keys: keys(usable.as_deref(), &on_behalf),
            expected_size,
            expected_checksum: checksum.checksum.map(|(algorithm, value, _)| (algorithms::stored(algorithm), value)),
            conditions: write_conditions(condition),
            origin: request.origin(ChangedBy::CompleteMultipartUpload),
        };
        let completed = self.store.complete_upload(&bucket, &key, complete).await;
        let completed = completed.map_err(|error| subject.error(error))?;
        // Under a KMS key, the checksum that S3 computes by itself shows only when the object is read.
        let of_kms = matches!(completed.info.mode, EncryptionMode::SseKms | EncryptionMode::DsseKms);
        let sums = completed.sums.as_ref().filter(|_| !of_kms || completed.info.parts_show_checksums);
        let location = request.location();
        let mut response = S3Response::xml(xml::document("CompleteMultipartUploadResult", |xml| {
            xml.text("Location", location)
                .text("Bucket", request.bucket_name())
                .text("Key", key.as_str())
                .text("ETag", quoted(&completed.info.etag));
            algorithms::xml_sums(sums, completed.info.part_count, xml);
        }));
        response.status = StatusCode::OK;
        let info = &completed.info;
        write_encryption(info.mode, info.kms.as_ref(), customer_key.as_ref(), &mut response.headers);
        version::write_new_version(completed.info.version, &mut response.headers);
        write_expiration(&bucket, &key, &completed.info, &mut response.headers);
        Ok(response)
    }
}

/// I-CKMODE: the type that a completion names must be the upload's.
fn check_mode(upload: &coffer_store::UploadInfo, checksum: &CompleteChecksum) -> Result<(), S3Error> {
    let of_upload = match upload.algorithm {
        None => None,
        Some(_) if upload.composite => Some(ChecksumType::Composite),
        Some(_) => Some(ChecksumType::FullObject),
    };
    match checksum.checksum_type {
        Some(named) if of_upload != Some(named) => {
            Err(S3Error::checksum_mode_mismatch(of_upload.map_or("null", ChecksumType::name)))
        }
        _ => Ok(()),
    }
}

fn completed_part(named: xml::CompletedPart) -> Result<CompletedPart, S3Error> {
    let mut checksums = Checksums::new();
    for (algorithm, value) in named.checksums {
        let value = STANDARD.decode(&value).ok().filter(|bytes| bytes.len() == algorithm.digest_len());
        let value = value.ok_or_else(|| S3Error::bad_part_checksum(algorithm.lower_name(), named.number))?;
        checksums.insert(algorithms::stored(algorithm), value);
    }
    Ok(CompletedPart { number: named.number, etag: named.etag, checksums })
}

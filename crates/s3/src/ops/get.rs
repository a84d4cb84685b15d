//! GetObject, HeadObject.

use std::ops::Range;

use coffer_store::{Bucket, EncryptionMode, KmsInfo, ObjectInfo, ObjectReader, ObjectStream, ObjectSums};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use super::expiration::write_expiration_of_read;
use super::replication::replication_status;
use super::store_error::{KeyRole, Subject};
use super::{CustomerKeyOption as _, S3Operations, algorithms, keys, version};
use crate::auth::Principal;
use crate::checksum::parse_checksum_mode;
use crate::conditional::ReadConditions;
use crate::error::S3Error;
use crate::etag::quoted;
use crate::kms::OnBehalf;
use crate::metadata::{Metadata, response_overrides};
use crate::range::{content_range, requested_range};
use crate::request::S3Request;
use crate::response::{BrokenBody, ResponseBody, S3Response};
use crate::sse::{self, AppliedEncryption, CustomerKey, DSSE_KMS, SSE_KMS};
use crate::storage_class::write_storage_class;
use crate::time::http_date;

/// What a GET or HEAD asks for besides the object.
struct Read {
    customer_key: Option<CustomerKey>,
    conditions: ReadConditions,
    part_number: Option<u32>,
    show_sums: bool,
    overrides: Vec<(HeaderName, HeaderValue)>,
}

impl Read {
    fn parse(request: &S3Request) -> Result<Self, S3Error> {
        let part_number = part_number(request)?;
        if part_number.is_some() && request.headers.contains("range") {
            return Err(S3Error::range_and_part_number());
        }
        let overrides = response_overrides(&request.query)?;
        if !overrides.is_empty() && matches!(request.principal, Principal::Anonymous) {
            let message = "Request specific response headers cannot be used for anonymous GET requests.";
            return Err(S3Error::invalid_request(message));
        }
        Ok(Self {
            customer_key: sse::for_read(&request.headers)?,
            conditions: ReadConditions::of_object(&request.headers)?,
            part_number,
            show_sums: parse_checksum_mode(&request.headers)?,
            overrides,
        })
    }
}

impl S3Operations {
    pub(super) async fn get_object(&self, request: &S3Request) -> Result<S3Response, S3Error> {
        let (bucket, key) = (request.bucket()?, request.object_key()?);
        let read = Read::parse(request)?;
        let target = version::target(request, &key)?;
        let subject = subject(request);
        let customer_key = read.customer_key.usable();
        let on_behalf = OnBehalf::of(request, &self.kms);
        let found = self.store.get_object(&bucket, target, keys(customer_key.as_deref(), &on_behalf)).await;
        let reader = found.map_err(|error| subject.error(error))?;
        let info = reader.info().clone();
        check_kms(&info, &on_behalf)?;
        read.conditions.check(&info.etag, info.last_modified_ms / 1000).map_err(|error| described(error, &info))?;
        let (range, partial) = wanted_range(&read, request, &reader)?;
        let (part_sums, whole) = (part_sums(&read, &reader).await, range == (0..info.size));
        let part_sums = part_sums.map_err(|error| subject.error(error))?;
        let (mut stream, sums) = reader.read(range.clone()).await.map_err(|error| subject.error(error))?;
        let sums = if read.part_number.is_some() && info.part_count.is_some() { part_sums } else { sums };
        let sums = sums.filter(|_| read.show_sums && (whole || read.part_number.is_some()));
        let body = match stream.take_if_whole() {
            Some(bytes) => ResponseBody::Full(bytes),
            None => streamed(stream, range.end - range.start),
        };
        let mut response = answer(&bucket, &read, &info, sums.as_ref(), partial.then_some(range), body);
        self.write_lock(request, &bucket, &info.lock, &mut response.headers).await?;
        self.write_tagging_count(request, &bucket, &info, &mut response.headers).await?;
        write_expiration_of_read(request, &bucket, &key, &info, &mut response.headers);
        Ok(response)
    }

    pub(super) async fn head_object(&self, request: &S3Request) -> Result<S3Response, S3Error> {
        let (bucket, key) = (request.bucket()?, request.object_key()?);
        let read = Read::parse(request)?;
        let target = version::target(request, &key)?;
        let subject = subject(request);
        let customer_key = read.customer_key.usable();
        let on_behalf = OnBehalf::of(request, &self.kms);
        if read.part_number.is_none() {
            let keys = keys(customer_key.as_deref(), &on_behalf);
            let found = self.store.head_object(&bucket, target, keys, read.show_sums).await;
            let (info, sums) = found.map_err(|error| subject.error(error))?;
            check_kms(&info, &on_behalf)?;
            read.conditions.check(&info.etag, info.last_modified_ms / 1000).map_err(|error| described(error, &info))?;
            let range = requested_range(&request.headers, info.size)?;
            let sums = sums.filter(|_| range.is_none());
            let mut response = head_answer(&bucket, &read, &info, sums.as_ref(), range);
            self.write_lock(request, &bucket, &info.lock, &mut response.headers).await?;
            self.write_tagging_count(request, &bucket, &info, &mut response.headers).await?;
            write_expiration_of_read(request, &bucket, &key, &info, &mut response.headers);
            return Ok(response);
        }
        let found = self.store.get_object(&bucket, target, keys(customer_key.as_deref(), &on_behalf)).await;
        let reader = found.map_err(|error| subject.error(error))?;
        let info = reader.info().clone();
        check_kms(&info, &on_behalf)?;
        read.conditions.check(&info.etag, info.last_modified_ms / 1000).map_err(|error| described(error, &info))?;
        let (range, _) = wanted_range(&read, request, &reader)?;
        let sums = part_sums(&read, &reader).await.map_err(|error| subject.error(error))?;
        let mut response = head_answer(&bucket, &read, &info, sums.as_ref(), Some(range));
        self.write_lock(request, &bucket, &info.lock, &mut response.headers).await?;
        self.write_tagging_count(request, &bucket, &info, &mut response.headers).await?;
        write_expiration_of_read(request, &bucket, &key, &info, &mut response.headers);
        Ok(response)
    }
}

/// K-TLS, K-SIGV4: what is under a key of a KMS is shown over TLS and to who is known alone, even where no key is needed
/// to show it.
pub(super) fn check_kms(info: &ObjectInfo, on_behalf: &OnBehalf) -> Result<(), S3Error> {
    match info.kms {
        None => Ok(()),
        Some(_) => on_behalf.check().map_err(S3Error::kms),
    }
}

fn subject(request: &S3Request) -> Subject<'_> {
    Subject {
        bucket: request.bucket_name(),
        key: request.key_text(),
        version_id: request.query.get("versionId"),
        method: request.method.as_str(),
        customer_key: KeyRole::Read,
        ..Subject::default()
    }
}

/// `partNumber` of the query.
pub(super) fn part_number(request: &S3Request) -> Result<Option<u32>, S3Error> {
    let Some(text) = request.query.get("partNumber") else { return Ok(None) };
    match text.parse::<u32>() {
        Ok(number @ 1..=10_000) => Ok(Some(number)),
        _ => Err(S3Error::part_number_out_of_range(text)),
    }
}

/// The bytes to send, and whether they are sent as a part of the whole.
fn wanted_range(read: &Read, request: &S3Request, reader: &ObjectReader<'_>) -> Result<(Range<u64>, bool), S3Error> {
    let info = reader.info();
    if let Some(number) = read.part_number {
        let range = reader
            .part_range(number)
            .ok_or_else(|| S3Error::invalid_part_number(number, info.part_count.unwrap_or(1) as usize))?;
        return Ok((range, info.size > 0));
    }
    match requested_range(&request.headers, info.size)? {
        Some(range) => Ok((range, true)),
        None => Ok((0..info.size, false)),
    }
}

/// The checksums of the part that is asked for: shown only if the upload named an algorithm.
async fn part_sums(read: &Read, reader: &ObjectReader<'_>) -> Result<Option<ObjectSums>, coffer_store::StoreError> {
    let Some(number) = read.part_number.filter(|_| read.show_sums && reader.info().parts_show_checksums) else {
        return Ok(None);
    };
    let part = reader.part_infos().await?.into_iter().find(|part| part.number == number);
    Ok(part.map(|part| (coffer_store::SumsType::FullObject, part.checksums)))
}

fn head_answer(
    bucket: &Bucket,
    read: &Read,
    info: &ObjectInfo,
    sums: Option<&ObjectSums>,
    range: Option<Range<u64>>,
) -> S3Response {
    let len = range.as_ref().map_or(info.size, |range| range.end - range.start);
    let partial = range.filter(|range| !range.is_empty());
    let mut response = answer(bucket, read, info, sums, partial, ResponseBody::Empty);
    response.headers.insert(header::CONTENT_LENGTH, len.into());
    response
}

/// The bytes of an object as they are opened. Whatever fails on the way breaks the body off.
fn streamed(stream: ObjectStream, len: u64) -> ResponseBody {
    let stream = futures_util::stream::unfold(stream, |mut stream| async {
        match stream.next().await {
            Ok(piece) => piece.map(|piece| (Ok(piece), stream)),
            Err(error) => {
                tracing::error!(%error, "an object broke off while it was read");
                Some((Err(BrokenBody), stream))
            }
        }
    });
    ResponseBody::Stream { stream: Box::pin(stream), remaining: len }
}

fn answer(
    bucket: &Bucket,
    read: &Read,
    info: &ObjectInfo,
    sums: Option<&ObjectSums>,
    partial: Option<Range<u64>>,
    body: ResponseBody,
) -> S3Response {
    let mut response = S3Response::new(StatusCode::OK);
    describe(info, &mut response.headers);
    let headers = &mut response.headers;
    version::write_version(bucket, info.version, headers);
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if let Some(range) = partial {
        response.status = StatusCode::PARTIAL_CONTENT;
        headers.insert(header::CONTENT_RANGE, ascii(&content_range(&range, info.size)));
    }
    if let Some(count) = info.part_count.filter(|_| read.part_number.is_some()) {
        headers.insert("x-amz-mp-parts-count", count.into());
    }
    write_storage_class(&info.storage_class, headers);
    if let Some(status) = info.replication {
        headers.insert("x-amz-replication-status", HeaderValue::from_static(replication_status(status)));
    }
    algorithms::write_sums(sums, info.part_count, headers);
    write_encryption(info.mode, info.kms.as_ref(), read.customer_key.as_ref(), headers);
    Metadata::from_fields(info.headers.clone()).write(headers);
    if !headers.contains_key(header::CONTENT_TYPE) {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("binary/octet-stream"));
    }
    for (name, value) in &read.overrides {
        headers.insert(name, value.clone());
    }
    response.body = body;
    response
}

/// ETag and Last-Modified: the headers that an answer about an object has even if it is a 304.
fn describe(info: &ObjectInfo, headers: &mut HeaderMap) {
    headers.insert(header::ETAG, ascii(&quoted(&info.etag)));
    headers.insert(header::LAST_MODIFIED, ascii(&http_date(info.last_modified_ms)));
}

/// A 304 says which object has not changed.
fn described(error: S3Error, info: &ObjectInfo) -> S3Error {
    if error.status() != StatusCode::NOT_MODIFIED {
        return error;
    }
    error
        .with_header(header::ETAG, ascii(&quoted(&info.etag)))
        .with_header(header::LAST_MODIFIED, ascii(&http_date(info.last_modified_ms)))
}

/// Says how an object is encrypted.
pub(super) fn write_encryption(
    mode: EncryptionMode,
    kms: Option<&KmsInfo>,
    customer_key: Option<&CustomerKey>,
    headers: &mut HeaderMap,
) {
    let of_kms = |method| AppliedEncryption::Kms {
        method,
        key_arn: kms.map_or("", |kms| kms.key_arn.as_str()),
        bucket_key_enabled: kms.is_some_and(|kms| kms.bucket_key_enabled),
    };
    let applied = match mode {
        EncryptionMode::SseS3 => AppliedEncryption::SseS3,
        EncryptionMode::SseC => AppliedEncryption::CustomerKey { md5: customer_key.map(CustomerKey::md5) },
        EncryptionMode::SseKms => of_kms(SSE_KMS),
        EncryptionMode::DsseKms => of_kms(DSSE_KMS),
    };
    sse::write_applied(&applied, headers);
}

/// A header value from text that was made here.
pub(super) fn ascii(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("ETags, dates, ranges and names are ASCII")
}

//! GetObjectAttributes.

use coffer_store::{ObjectSums, PartInfo};
use http::header;

use super::get::{ascii, check_kms};
use super::listing::MOST_ENTRIES;
use super::store_error::{KeyRole, Subject};
use super::{CustomerKeyOption as _, S3Operations, algorithms, keys, version};
use crate::error::S3Error;
use crate::kms::OnBehalf;
use crate::request::S3Request;
use crate::response::S3Response;
use crate::sse;
use crate::time::http_date;
use crate::xml::{self, XmlWriter};

const KNOWN: [&str; 5] = ["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"];

impl S3Operations {
    pub(super) async fn get_object_attributes(&self, request: &S3Request) -> Result<S3Response, S3Error> {
        let (bucket, key) = (request.bucket()?, request.object_key()?);
        let wanted = wanted(request)?;
        let wants = |name: &str| wanted.iter().any(|wanted| wanted == name);
        let max_parts = request.headers.parse::<usize>("x-amz-max-parts")?.unwrap_or(MOST_ENTRIES).min(MOST_ENTRIES);
        let marker = request.headers.parse::<u32>("x-amz-part-number-marker")?.unwrap_or(0);
        let customer_key = sse::for_read(&request.headers)?;
        let target = version::target(request, &key)?;
        let subject = Subject {
            bucket: request.bucket_name(),
            key: key.as_str(),
            customer_key: KeyRole::Read,
            version_id: request.query.get("versionId"),
            method: request.method.as_str(),
            ..Subject::default()
        };
        let usable = customer_key.usable();
        let on_behalf = OnBehalf::of(request, &self.kms);
        let found = self.store.get_object(&bucket, target, keys(usable.as_deref(), &on_behalf)).await;
        let reader = found.map_err(|error| subject.error(error))?;
        let info = reader.info().clone();
        check_kms(&info, &on_behalf)?;
        let sums = reader.sums().await.map_err(|error| subject.error(error))?;
        let parts = match (info.part_count, wants("ObjectParts") && info.parts_show_checksums) {
            (Some(_), true) => Some(reader.part_infos().await.map_err(|error| subject.error(error))?),
            _ => None,
        };
        let mut response = S3Response::xml(xml::document("GetObjectAttributesResponse", |xml| {
            if wants("ETag") {
                xml.text("ETag", &info.etag);
            }
            if wants("Checksum") {
                write_checksum(sums.as_ref(), xml);
            }
            if let Some(count) = info.part_count.filter(|_| wants("ObjectParts")) {
                write_parts(count, parts.as_deref(), marker, max_parts, xml);
            }
            if wants("StorageClass") {
                xml.text("StorageClass", &info.storage_class);
            }
            if wants("ObjectSize") {
                xml.value("ObjectSize", info.size);
            }
        }));
        response.headers.insert(header::LAST_MODIFIED, ascii(&http_date(info.last_modified_ms)));
        version::write_version(&bucket, info.version, &mut response.headers);
        Ok(response)
    }
}

/// `x-amz-object-attributes`: which attributes are asked for.
fn wanted(request: &S3Request) -> Result<Vec<String>, S3Error> {
    const NAME: &str = "x-amz-object-attributes";
    let mut wanted = Vec::new();
    for (_, value) in request.headers.with_prefix(NAME) {
        let text = String::from_utf8_lossy(value);
        for name in text.split(',').map(str::trim) {
            if !KNOWN.contains(&name) {
                return Err(S3Error::invalid_argument("Invalid attribute name specified.", NAME, Some(name)));
            }
            wanted.push(name.to_owned());
        }
    }
    if wanted.is_empty() {
        let message =
            "The x-amz-object-attributes header specifying the attributes to be retrieved is either missing or empty";
        return Err(S3Error::invalid_argument(message, NAME, None));
    }
    Ok(wanted)
}

/// Unlike everywhere else, a composite checksum stands here without the number of parts.
fn write_checksum(sums: Option<&ObjectSums>, xml: &mut XmlWriter) {
    if sums.is_some() {
        xml.element("Checksum", |xml| algorithms::xml_sums(sums, None, xml));
    }
}

/// The parts one by one only where they show checksums; else their number alone.
fn write_parts(count: u32, parts: Option<&[PartInfo]>, marker: u32, max_parts: usize, xml: &mut XmlWriter) {
    xml.element("ObjectParts", |xml| {
        // The SDKs call it TotalPartsCount; this is its name on the wire.
        xml.value("PartsCount", count);
        let Some(parts) = parts else { return };
        let mut after = parts.iter().filter(|part| part.number > marker);
        let page: Vec<_> = after.by_ref().take(max_parts).collect();
        xml.value("PartNumberMarker", marker)
            .value("NextPartNumberMarker", page.last().map_or(0, |part| part.number))
            .value("MaxParts", max_parts)
            .value("IsTruncated", after.next().is_some());
        for part in page {
            xml.element("Part", |xml| {
                xml.value("PartNumber", part.number).value("Size", part.range.end - part.range.start);
                for (algorithm, value) in algorithms::wire_checksums(&part.checksums) {
                    xml.text(algorithm.element(), value);
                }
            });
        }
    });
}

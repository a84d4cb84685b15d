//! Checksum algorithms and checksums between the wire and the store.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use coffer_store::{ChecksumAlgorithm as Stored, Checksums, ObjectSums, SumsType};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::checksum::{ChecksumAlgorithm as Wire, ChecksumType};
use crate::xml::XmlWriter;

/// The algorithm on the wire.
pub(super) fn wire(algorithm: Stored) -> Wire {
    match algorithm {
        Stored::Crc32 => Wire::Crc32,
        Stored::Crc32c => Wire::Crc32c,
        Stored::Crc64Nvme => Wire::Crc64Nvme,
        Stored::Sha1 => Wire::Sha1,
        Stored::Sha256 => Wire::Sha256,
        Stored::Sha512 => Wire::Sha512,
        Stored::Md5 => Wire::Md5,
        Stored::XxHash64 => Wire::XxHash64,
        Stored::XxHash3 => Wire::XxHash3,
        Stored::XxHash128 => Wire::XxHash128,
    }
}

/// The algorithm in the store.
pub(super) fn stored(algorithm: Wire) -> Stored {
    match algorithm {
        Wire::Crc32 => Stored::Crc32,
        Wire::Crc32c => Stored::Crc32c,
        Wire::Crc64Nvme => Stored::Crc64Nvme,
        Wire::Sha1 => Stored::Sha1,
        Wire::Sha256 => Stored::Sha256,
        Wire::Sha512 => Stored::Sha512,
        Wire::Md5 => Stored::Md5,
        Wire::XxHash64 => Stored::XxHash64,
        Wire::XxHash3 => Stored::XxHash3,
        Wire::XxHash128 => Stored::XxHash128,
    }
}

pub(super) fn wire_type(sums_type: SumsType) -> ChecksumType {
    match sums_type {
        SumsType::FullObject => ChecksumType::FullObject,
        SumsType::Composite => ChecksumType::Composite,
    }
}

/// Checksums with the names and values they have on the wire.
pub(super) fn wire_checksums(checksums: &Checksums) -> impl Iterator<Item = (Wire, String)> {
    checksums.iter().map(|(algorithm, value)| (wire(algorithm), STANDARD.encode(value)))
}

/// Writes the checksums of an object as headers; a composite one ends in the number of parts.
pub(super) fn write_sums(sums: Option<&ObjectSums>, part_count: Option<u32>, headers: &mut HeaderMap) {
    let Some((sums_type, checksums)) = sums else { return };
    for (algorithm, value) in wire_checksums(checksums) {
        put(headers, algorithm.header(), &with_part_count(value, *sums_type, part_count));
    }
    put(headers, "x-amz-checksum-type", wire_type(*sums_type).name());
}

/// Writes the checksums of an object as XML elements; a composite one ends in the number of parts.
pub(super) fn xml_sums(sums: Option<&ObjectSums>, part_count: Option<u32>, xml: &mut XmlWriter) {
    let Some((sums_type, checksums)) = sums else { return };
    for (algorithm, value) in wire_checksums(checksums) {
        xml.text(algorithm.element(), with_part_count(value, *sums_type, part_count));
    }
    xml.text("ChecksumType", wire_type(*sums_type).name());
}

fn with_part_count(value: String, sums_type: SumsType, part_count: Option<u32>) -> String {
    match part_count {
        Some(count) if sums_type == SumsType::Composite => format!("{value}-{count}"),
        _ => value,
    }
}

fn put(headers: &mut HeaderMap, name: &'static str, value: &str) {
    let value = HeaderValue::from_str(value).expect("base64 and names of types are ASCII");
    headers.insert(HeaderName::from_static(name), value);
}

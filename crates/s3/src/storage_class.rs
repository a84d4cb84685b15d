//! Storage classes: names that objects keep. Wherever S3 would keep an object, here it is on the same disk.

use http::HeaderMap;
use http::header::HeaderValue;

use crate::error::S3Error;
use crate::headers::Headers;
use crate::xml::XmlWriter;

/// The storage class that a write names: one that objects of general purpose buckets can have.
///
/// # Errors
/// I-SC when the header names none.
pub fn parse_storage_class(headers: &Headers) -> Result<Option<&str>, S3Error> {
    match headers.text("x-amz-storage-class")? {
        Some(class) if !is_storage_class(class) => Err(S3Error::invalid_storage_class(class)),
        class => Ok(class),
    }
}

/// Whether S3 makes objects of this class available only after RestoreObject.
#[must_use]
pub fn is_archive(class: &str) -> bool {
    matches!(class, "GLACIER" | "DEEP_ARCHIVE")
}

/// Whether a client can name a storage class so.
pub(crate) fn is_storage_class(name: &str) -> bool {
    STORAGE_CLASSES.contains(&name)
}

/// Says which class an object has, unless it is `STANDARD`, and of one in an archive that it is restored.
pub(crate) fn write_storage_class(class: &str, headers: &mut HeaderMap) {
    if class != "STANDARD"
        && let Ok(value) = HeaderValue::try_from(class)
    {
        headers.insert("x-amz-storage-class", value);
    }
    if is_archive(class) {
        headers.insert("x-amz-restore", HeaderValue::from_static(RESTORED));
    }
}

/// Whether a listing is asked to say which objects are restored.
///
/// # Errors
/// `InvalidArgument` for attributes that there are not.
pub(crate) fn wants_restore_status(headers: &Headers) -> Result<bool, S3Error> {
    const NAME: &str = "x-amz-optional-object-attributes";
    let Some(names) = headers.text(NAME)? else { return Ok(false) };
    match names.split(',').map(str::trim).find(|name| *name != "RestoreStatus") {
        None => Ok(true),
        Some(other) => Err(S3Error::invalid_argument("Invalid attribute name specified.", NAME, Some(other))),
    }
}

/// Writes the `RestoreStatus` of an object in a listing, if it is in an archive.
pub(crate) fn write_restore_status(class: &str, xml: &mut XmlWriter) {
    if is_archive(class) {
        xml.element("RestoreStatus", |xml| {
            xml.value("IsRestoreInProgress", false).text("RestoreExpiryDate", "9999-12-31T00:00:00.000Z");
        });
    }
}

/// The classes of general purpose buckets.
const STORAGE_CLASSES: [&str; 8] = [
    "STANDARD",
    "REDUCED_REDUNDANCY",
    "STANDARD_IA",
    "ONEZONE_IA",
    "INTELLIGENT_TIERING",
    "GLACIER",
    "GLACIER_IR",
    "DEEP_ARCHIVE",
];

/// S3 always says when a restored copy expires; here it never does.
const RESTORED: &str = "ongoing-request=\"false\", expiry-date=\"Fri, 31 Dec 9999 00:00:00 GMT\"";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::headers::headers;

    #[test]
    fn unknown_storage_classes_are_refused() {
        let class = |value: &str| parse_storage_class(&headers(&[("x-amz-storage-class", value)])).is_ok();
        assert!(class("STANDARD") && class("GLACIER"));
        assert!(!class("") && !class("standard") && !class("FakeClass"));
    }

    #[test]
    fn classes_of_other_buckets_and_services_are_refused() {
        for class in ["OUTPOSTS", "SNOW", "EXPRESS_ONEZONE", "FSX_OPENZFS", "FSX_ONTAP"] {
            let error = parse_storage_class(&headers(&[("x-amz-storage-class", class)])).map(drop).unwrap_err();
            assert_eq!((error.code(), error.element("StorageClassRequested")), ("InvalidStorageClass", Some(class)));
        }
    }

    #[test]
    fn an_archived_object_is_restored() {
        let written = |class| {
            let mut headers = HeaderMap::new();
            write_storage_class(class, &mut headers);
            (headers.contains_key("x-amz-storage-class"), headers.contains_key("x-amz-restore"))
        };
        assert_eq!(written("STANDARD"), (false, false));
        assert_eq!(written("GLACIER_IR"), (true, false));
        assert_eq!(written("GLACIER"), (true, true));
        assert_eq!(written("DEEP_ARCHIVE"), (true, true));
    }

    #[test]
    fn a_listing_has_one_optional_attribute() {
        let wants = |names: &str| wants_restore_status(&headers(&[("x-amz-optional-object-attributes", names)])).ok();
        assert_eq!(wants_restore_status(&headers(&[])).ok(), Some(false));
        assert_eq!((wants("RestoreStatus"), wants("RestoreStatus, Owner"), wants("")), (Some(true), None, None));
    }
}

//! ListObjects, ListObjectsV2, ListObjectVersions.

use coffer_store::{ListEntry, ListObjects, ObjectInfo, ObjectPage};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::S3Operations;
use super::buckets::{decode_token, encode_token};
use super::owner::Owners;
use super::store_error::Subject;
use crate::error::S3Error;
use crate::etag::quoted;
use crate::query::Query;
use crate::request::S3Request;
use crate::response::S3Response;
use crate::storage_class::{wants_restore_status, write_restore_status};
use crate::time::iso8601;
use crate::xml::{self, XmlWriter};

/// The most entries of a page, whatever the client asks for.
pub(super) const MOST_ENTRIES: usize = 1000;

/// What `encoding-type=url` leaves as it is.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'*').remove(b'/');

/// What the listings of objects and of uploads have in common.
pub(super) struct ListQuery<'a> {
    pub(super) prefix: &'a str,
    pub(super) delimiter: Option<&'a str>,
    pub(super) max: usize,
    url: bool,
}

impl<'a> ListQuery<'a> {
    /// Reads `prefix`, `delimiter`, `encoding-type` and the parameter that limits the page.
    pub(super) fn parse(query: &'a Query, max_name: &'static str) -> Result<Self, S3Error> {
        let url = match query.non_empty("encoding-type") {
            None => false,
            Some("url") => true,
            Some(other) => {
                let message = "Invalid Encoding Method specified in Request";
                return Err(S3Error::invalid_argument(message, "encoding-type", Some(other)));
            }
        };
        Ok(Self {
            prefix: query.get("prefix").unwrap_or_default(),
            delimiter: query.non_empty("delimiter"),
            max: max_entries(query, max_name)?,
            url,
        })
    }

    /// A name as the client wants to see it.
    pub(super) fn encode(&self, name: &str) -> String {
        if self.url { utf8_percent_encode(name, KEPT).to_string() } else { name.to_owned() }
    }

    /// Writes `Prefix`, `Delimiter` and `EncodingType`.
    pub(super) fn write(&self, xml: &mut XmlWriter) {
        xml.text("Prefix", self.encode(self.prefix));
        xml.text_if("Delimiter", self.delimiter.map(|delimiter| self.encode(delimiter)));
        xml.text_if("EncodingType", self.url.then_some("url"));
    }

    pub(super) fn write_common_prefix(&self, prefix: &str, xml: &mut XmlWriter) {
        xml.element("CommonPrefixes", |xml| {
            xml.text("Prefix", self.encode(prefix));
        });
    }

    fn list(&self, after: Option<String>) -> ListObjects {
        ListObjects {
            prefix: self.prefix.to_owned(),
            delimiter: self.delimiter.map(str::to_owned),
            after,
            max_keys: self.max,
        }
    }
}

fn max_entries(query: &Query, name: &'static str) -> Result<usize, S3Error> {
    let Some(text) = query.non_empty(name) else { return Ok(MOST_ENTRIES) };
    match text.parse::<i64>() {
        Ok(max) if (0..=i64::from(i32::MAX)).contains(&max) => {
            Ok(usize::try_from(max).map_or(MOST_ENTRIES, |max| max.min(MOST_ENTRIES)))
        }
        Ok(_) => {
            let message = format!("Argument {name} must be an integer between 0 and 2147483647");
            Err(S3Error::invalid_argument(message, name, Some(text)))
        }
        Err(_) => {
            let message = format!("Provided {name} not an integer or within integer range");
            Err(S3Error::invalid_argument(message, name, Some(text)))
        }
    }
}

impl S3Operations {
    pub(super) async fn list_objects(&self, request: &S3Request) -> Result<S3Response, S3Error> {
        let query = ListQuery::parse(&request.query, "max-keys")?;
        let restore_status = wants_restore_status(&request.headers)?;
        let marker = request.query.get("marker").unwrap_or_default();
        let (page, owners) = self.page(request, query.list(Some(marker.to_owned()).filter(|m| !m.is_empty()))).await?;
        // Without a delimiter the last key is the next marker, and S3 does not say it.
        let next = page.entries.last().filter(|_| page.truncated && query.delimiter.is_some());
        Ok(S3Response::xml(xml::document("ListBucketResult", |xml| {
            xml.text("Name", request.bucket_name());
            query.write(xml);
            xml.text("Marker", query.encode(marker));
            xml.text_if("NextMarker", next.map(|entry| query.encode(entry.name())));
            xml.value("MaxKeys", query.max).value("IsTruncated", page.truncated);
            write_entries(&query, &page, &Shown { owners: Some(&owners), restore_status }, xml);
        })))
    }

    pub(super) async fn list_objects_v2(&self, request: &S3Request) -> Result<S3Response, S3Error> {
        let query = ListQuery::parse(&request.query, "max-keys")?;
        let restore_status = wants_restore_status(&request.headers)?;
        let start_after = request.query.non_empty("start-after");
        let token = request.query.get("continuation-token");
        let after = match token.filter(|token| !token.is_empty()) {
            Some(token) => Some(decode_token(token).ok_or_else(|| {
                let message = "The continuation token provided is incorrect";
                S3Error::invalid_argument(message, "continuation-token", None)
            })?),
            None => start_after.map(str::to_owned),
        };
        let fetch_owner = request.query.get("fetch-owner").is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let (page, owners) = self.page(request, query.list(after)).await?;
        let next = page.entries.last().filter(|_| page.truncated).map(|entry| encode_token(entry.name()));
        Ok(S3Response::xml(xml::document("ListBucketResult", |xml| {
            xml.text("Name", request.bucket_name());
            query.write(xml);
            xml.text_if("StartAfter", start_after.map(|name| query.encode(name)));
            xml.text_if("ContinuationToken", token);
            xml.text_if("NextContinuationToken", next);
            xml.value("KeyCount", page.entries.len()).value("MaxKeys", query.max);
            xml.value("IsTruncated", page.truncated);
            let owners = Some(&owners).filter(|_| fetch_owner);
            write_entries(&query, &page, &Shown { owners, restore_status }, xml);
        })))
    }

    async fn page(&self, request: &S3Request, list: ListObjects) -> Result<(ObjectPage, Owners<'_>), S3Error> {
        let bucket = request.bucket()?;
        let subject = Subject { bucket: request.bucket_name(), ..Subject::default() };
        let page = self.store.list_objects(&bucket, &list).await.map_err(|error| subject.error(error))?;
        Ok((page, self.owners(bucket)))
    }
}

/// What of an object a listing shows besides what it always shows.
pub(super) struct Shown<'a> {
    pub(super) owners: Option<&'a Owners<'a>>,
    pub(super) restore_status: bool,
}

fn write_entries(query: &ListQuery<'_>, page: &ObjectPage, shown: &Shown<'_>, xml: &mut XmlWriter) {
    for entry in &page.entries {
        if let ListEntry::Object(name, info) = entry {
            xml.element("Contents", |xml| {
                xml.text("Key", query.encode(name));
                write_object(info, shown, xml);
            });
        }
    }
    for entry in &page.entries {
        if let ListEntry::CommonPrefix(prefix) = entry {
            query.write_common_prefix(prefix, xml);
        }
    }
}

pub(super) fn write_object(info: &ObjectInfo, shown: &Shown<'_>, xml: &mut XmlWriter) {
    xml.text("LastModified", iso8601(info.last_modified_ms)).text("ETag", quoted(&info.etag));
    xml.value("Size", info.size);
    if let Some(owners) = shown.owners {
        xml.element("Owner", |xml| {
            xml.text("ID", owners.of_object(info));
        });
    }
    xml.text("StorageClass", &info.storage_class);
    if shown.restore_status {
        write_restore_status(&info.storage_class, xml);
    }
}

//! PutBucketVersioning, GetBucketVersioning, ListObjectVersions.

use coffer_configuration::VersioningStatus;
use coffer_store::{DeleteMarkerInfo, ListVersions, ObjectInfo, VersionEntry, VersionPage};
use http::StatusCode;

use super::S3Operations;
use super::listing::{ListQuery, Shown, write_object};
use super::owner::Owners;
use super::store_error::Subject;
use super::version::parse_version_id;
use crate::error::S3Error;
use crate::request::S3Request;
use crate::response::S3Response;
use crate::storage_class::wants_restore_status;
use crate::time::iso8601;
use crate::xml::{self, XmlWriter, parse_versioning_configuration};

const MAX_DOCUMENT_LEN: usize = 64 << 10;

impl S3Operations {
    pub(super) async fn put_bucket_versioning(&self, request: &mut S3Request) -> Result<S3Response, S3Error> {
        let document = self.verified_document(request, MAX_DOCUMENT_LEN).await?;
        let status = parse_versioning_configuration(&document)?;
        self.configure(request, |_, settings| {
            if settings.object_lock.is_some() && status == VersioningStatus::Suspended {
                return Err(S3Error::versioning_cannot_be_suspended());
            }
            if settings.replication.is_some() && status == VersioningStatus::Suspended {
                return Err(S3Error::replicated_bucket_keeps_versions());
            }
            settings.versioning = Some(status);
            Ok(())
        })
        .await?;
        Ok(S3Response::new(StatusCode::OK))
    }

    pub(super) async fn get_bucket_versioning(&self, request: &S3Request) -> Result<S3Response, S3Error> {
        let status = request.bucket()?.versioning().map(|status| match status {
            VersioningStatus::Enabled => "Enabled",
            VersioningStatus::Suspended => "Suspended",
        });
        Ok(S3Response::xml(xml::document("VersioningConfiguration", |xml| {
            xml.text_if("Status", status);
        })))
    }

    pub(super) async fn list_object_versions(&self, request: &S3Request) -> Result<S3Response, S3Error> {
        let query = ListQuery::parse(&request.query, "max-keys")?;
        let restore_status = wants_restore_status(&request.headers)?;
        let marker = request.query.get("key-marker").unwrap_or_default();
        let version_marker = request.query.get("version-id-marker");
        if version_marker.is_some() && marker.is_empty() {
            let message = "A version-id marker cannot be specified without a key marker.";
            return Err(S3Error::invalid_argument(message, "version-id-marker", version_marker));
        }
        if version_marker == Some("") {
            let message = "A version-id marker cannot be empty.";
            return Err(S3Error::invalid_argument(message, "version-id-marker", Some("")));
        }
        let list = ListVersions {
            prefix: query.prefix.to_owned(),
            delimiter: query.delimiter.map(str::to_owned),
            key_marker: Some(marker.to_owned()).filter(|marker| !marker.is_empty()),
            version_id_marker: parse_version_id(version_marker).map_err(|_| {
                S3Error::invalid_argument("Invalid version id specified", "version-id-marker", version_marker)
            })?,
            max_keys: query.max,
        };
        let bucket = request.bucket()?;
        let subject = Subject { bucket: request.bucket_name(), ..Subject::default() };
        let page = self.store.list_versions(&bucket, &list).await.map_err(|error| subject.error(error))?;
        let owners = self.owners(bucket);
        let shown = Shown { owners: Some(&owners), restore_status };
        Ok(S3Response::xml(xml::document("ListVersionsResult", |xml| {
            xml.text("Name", request.bucket_name());
            query.write(xml);
            xml.text("KeyMarker", query.encode(marker));
            xml.text("VersionIdMarker", version_marker.unwrap_or_default());
            write_next(&query, &page, xml);
            xml.value("MaxKeys", query.max).value("IsTruncated", page.truncated);
            for entry in &page.entries {
                match entry {
                    VersionEntry::Object(name, info) => write_version(&query.encode(name), info, &shown, xml),
                    VersionEntry::DeleteMarker(name, info) => write_marker(&query.encode(name), info, &owners, xml),
                    VersionEntry::CommonPrefix(prefix) => query.write_common_prefix(prefix, xml),
                }
            }
        })))
    }
}

fn write_next(query: &ListQuery<'_>, page: &VersionPage, xml: &mut XmlWriter) {
    let Some(next) = page.entries.last().filter(|_| page.truncated) else { return };
    xml.text("NextKeyMarker", query.encode(next.name()));
    xml.text_if("NextVersionIdMarker", next.version().map(|version| version.to_string()));
}

fn write_version(name: &str, info: &ObjectInfo, shown: &Shown<'_>, xml: &mut XmlWriter) {
    xml.element("Version", |xml| {
        xml.text("Key", name).text("VersionId", info.version.to_string());
        xml.value("IsLatest", info.noncurrent_since_ms.is_none());
        write_object(info, shown, xml);
    });
}

fn write_marker(name: &str, info: &DeleteMarkerInfo, owners: &Owners<'_>, xml: &mut XmlWriter) {
    xml.element("DeleteMarker", |xml| {
        xml.text("Key", name).text("VersionId", info.version.to_string());
        xml.value("IsLatest", info.noncurrent_since_ms.is_none());
        xml.text("LastModified", iso8601(info.last_modified_ms));
        xml.element("Owner", |xml| {
            xml.text("ID", owners.of_account(info.owner.as_deref()));
        });
    });
}

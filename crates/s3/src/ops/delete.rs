//! DeleteObject, DeleteObjects.

use coffer_store::{Bucket, ChangedBy, DeleteObject, DeletedObject, ETagMatch, ObjectKey, ObjectVersion};
use futures_util::StreamExt as _;
use futures_util::stream;
use http::{HeaderValue, StatusCode};

use super::store_error::Subject;
use super::{S3Operations, etag_match, version};
use crate::authorize::{BYPASS, Target, bypasses_governance};
use crate::conditional::WriteCondition;
use crate::error::S3Error;
use crate::etag::ETagCondition;
use crate::log::FurtherObject;
use crate::request::S3Request;
use crate::response::S3Response;
use crate::xml::{self, Delete, ObjectIdentifier};

/// The most keys in one DeleteObjects.
const MOST_KEYS: usize = 1000;
/// The most bytes of its document: a thousand keys of 1,024 bytes, escaped.
const MAX_DOCUMENT_LEN: usize = 8 << 20;
/// Deletions under way at once: they share commits.
const AT_ONCE: usize = 64;

/// One of several deletions, as a log of its own.
fn logged(bucket: &Bucket, object: &ObjectIdentifier, outcome: &Result<DeletedObject, S3Error>) -> FurtherObject {
    let made = || outcome.as_ref().ok()?.version.map(|version| version.to_string());
    FurtherObject {
        operation: "BATCH.DELETE.OBJECT",
        bucket: bucket.name().as_str().to_owned(),
        key: object.key.clone(),
        version_id: object.version_id.clone().or_else(made),
        status: outcome.as_ref().err().map_or(StatusCode::NO_CONTENT, S3Error::status),
        error_code: outcome.as_ref().err().map(S3Error::code),
        size: None,
    }
}

impl S3Operations {
    pub(super) async fn delete_object(&self, request: &S3Request) -> Result<S3Response, S3Error> {
        let (bucket, key) = (request.bucket()?, request.object_key()?);
        let if_match = match WriteCondition::of_delete(&request.headers)? {
            WriteCondition::IfMatch(condition) => Some(etag_match(condition)),
            WriteCondition::Always | WriteCondition::IfAbsent => None,
        };
        let target = version::target(request, &key)?;
        let delete = self.deletion(request, &bucket, if_match);
        let deleted = self.store.delete_object(&bucket, target, &delete).await;
        let deleted = deleted.map_err(|error| version::subject(request).error(error))?;
        let mut response = S3Response::new(StatusCode::NO_CONTENT);
        if let Some(version) = deleted.version {
            version::write_version(&bucket, version, &mut response.headers);
        }
        if deleted.delete_marker {
            response.headers.insert(version::DELETE_MARKER, HeaderValue::from_static("true"));
        }
        Ok(response)
    }

    /// How the request deletes.
    fn deletion(&self, request: &S3Request, bucket: &Bucket, if_match: Option<ETagMatch>) -> DeleteObject {
        let owner = request.principal.account().filter(|_| bucket.acls_enabled());
        DeleteObject {
            if_match,
            bypass_governance: bypasses_governance(&request.headers),
            owner: owner.map(str::to_owned),
            origin: request.origin(ChangedBy::Delete),
        }
    }

    pub(super) async fn delete_objects(&self, request: &mut S3Request) -> Result<S3Response, S3Error> {
        let bucket = request.bucket()?;
        let document = self.covered_document(request, MAX_DOCUMENT_LEN).await?;
        let Delete { objects, quiet } = Delete::parse(&document)?;
        if objects.is_empty() || objects.len() > MOST_KEYS {
            return Err(S3Error::malformed_xml());
        }
        let outcomes: Vec<_> = stream::iter(objects)
            .map(|object| async {
                let outcome = self.delete_one(request, &bucket, &object).await;
                (object, outcome)
            })
            .buffered(AT_ONCE)
            .collect()
            .await;
        if bucket.logging().is_some() {
            for (object, outcome) in &outcomes {
                request.record.note_further(logged(&bucket, object, outcome));
            }
        }
        Ok(S3Response::xml(xml::document("DeleteResult", |xml| {
            for (object, outcome) in &outcomes {
                match outcome {
                    Ok(_) if quiet => {}
                    Ok(deleted) => {
                        xml.element("Deleted", |xml| {
                            xml.text("Key", &object.key);
                            xml.text_if("VersionId", object.version_id.as_deref());
                            if deleted.delete_marker {
                                xml.value("DeleteMarker", true);
                                xml.text_if(
                                    "DeleteMarkerVersionId",
                                    deleted.version.map(|version| version.to_string()),
                                );
                            }
                        });
                    }
                    Err(error) => {
                        xml.element("Error", |xml| {
                            xml.text("Key", &object.key);
                            xml.text_if("VersionId", object.version_id.as_deref());
                            xml.text("Code", error.code()).text("Message", error.message());
                        });
                    }
                }
            }
        })))
    }

    async fn delete_one(
        &self,
        request: &S3Request,
        bucket: &Bucket,
        object: &ObjectIdentifier,
    ) -> Result<DeletedObject, S3Error> {
        self.check_deletion(request, bucket, object).await?;
        let key = ObjectKey::new(object.key.as_str()).map_err(|error| super::invalid_key(&object.key, &error))?;
        if object.last_modified_time.is_some() || object.size.is_some() {
            return Err(S3Error::not_implemented());
        }
        let target = ObjectVersion { key: &key, version: version::parse_version_id(object.version_id.as_deref())? };
        let if_match: Option<ETagMatch> = object.etag.as_deref().map(|etag| etag_match(ETagCondition::parse(etag)));
        let delete = self.deletion(request, bucket, if_match);
        let subject = Subject {
            bucket: bucket.name().as_str(),
            key: key.as_str(),
            version_id: object.version_id.as_deref(),
            ..Subject::default()
        };
        match self.store.delete_object(bucket, target, &delete).await.map_err(|error| subject.error(error)) {
            Err(error) => Err(self.authorizer.absent(request, bucket, error).await),
            deleted => deleted,
        }
    }

    async fn check_deletion(
        &self,
        request: &S3Request,
        bucket: &Bucket,
        object: &ObjectIdentifier,
    ) -> Result<(), S3Error> {
        let (version_id, etag) = (object.version_id.as_deref(), object.etag.as_deref());
        let target = Target { if_match: etag, ..Target::object(bucket, &object.key, version_id) };
        let action = if version_id.is_some() { "s3:DeleteObjectVersion" } else { "s3:DeleteObject" };
        self.authorizer.check(request, action, target).await?;
        // To compare an ETag tells what the object is.
        if etag.is_some_and(|etag| etag != "*") {
            self.authorizer.check(request, "s3:GetObject", target).await?;
        }
        if bypasses_governance(&request.headers) {
            self.authorizer.check(request, BYPASS, target).await?;
        }
        Ok(())
    }
}

//! Who may go on: the first thing that happens to a request, whatever it asks for.

use coffer_store::{Bucket, BucketName};
use http::HeaderValue;

use super::store_error::Subject;
use super::{S3Operations, bucket_tagging, object_encryption, object_tagging, owner};
use crate::auth::BUCKET_REGION;
use crate::authorize::{Needs, Target, further, needs};
use crate::copy_source::CopySource;
use crate::error::S3Error;
use crate::request::S3Request;
use crate::route::Operation;

impl S3Operations {
    /// Finds what a request is about, and refuses it to who may not do it: also what is not built yet.
    ///
    /// Of a copy both sides are asked about, for the same caller.
    ///
    /// # Errors
    /// `NoSuchBucket`, then `AccessDenied`.
    pub(super) async fn admit(&self, request: &mut S3Request) -> Result<(), S3Error> {
        match needs(request.route.operation) {
            Needs::Nothing => return Ok(()),
            Needs::Account(action) => return self.authorizer.check_account(request, action),
            // The body has a part in the question; a stranger's is not read.
            Needs::NewBucket if request.principal.is_anonymous() => return Err(S3Error::access_denied()),
            Needs::NewBucket => return Ok(()),
            Needs::Bucket(_) | Needs::Object(..) | Needs::EachObject => {}
        }
        let operation = request.route.operation;
        let bucket = match self.find_bucket(request.bucket_name()).await {
            Err(error) if error.code() == "NoSuchBucket" && operation.is_of_control_api() => {
                return Err(S3Error::no_such_resource());
            }
            found => found?,
        };
        self.read_lock_document(request).await;
        let document_len = match operation {
            Operation::TagResource => Some(bucket_tagging::MAX_DOCUMENT_LEN),
            Operation::PutObjectTagging => Some(object_tagging::MAX_DOCUMENT_LEN),
            Operation::UpdateObjectEncryption => Some(object_encryption::MAX_DOCUMENT_LEN),
            _ => None,
        };
        if let Some(max_len) = document_len {
            // Whom nothing can allow it does not get to be read.
            self.authorizer.check_any(request, &bucket)?;
            request.admitted.document = Some(request.body.read_all(max_len).await?);
        }
        self.check_target(request, &bucket).await.map_err(|error| with_region(request, &bucket, error))?;
        self.check_owner(&request.headers, owner::OF_BUCKET, &bucket)?;
        let mut is_charged = self.charges_requester(request, &bucket)?;
        if matches!(operation, Operation::CopyObject | Operation::UploadPartCopy) {
            let (source, source_bucket) = self.admit_source(request, &bucket).await?;
            is_charged |= self.charges_requester(request, &source_bucket)?;
            request.admitted.source = Some((source, source_bucket));
        }
        request.admitted.is_charged = is_charged;
        request.admitted.bucket = Some(bucket);
        Ok(())
    }

    async fn check_target(&self, request: &S3Request, bucket: &Bucket) -> Result<(), S3Error> {
        let version_id = request.query.get("versionId");
        let (target, action) = match needs(request.route.operation) {
            Needs::Bucket(action) => (Target::bucket(bucket), action),
            Needs::Object(action, of_version) => {
                let action = if version_id.is_some() { of_version } else { action };
                (Target::object(bucket, request.key_text(), version_id), action)
            }
            Needs::EachObject => return self.authorizer.check_any(request, bucket),
            Needs::Nothing | Needs::Account(_) | Needs::NewBucket => return Ok(()),
        };
        if matches!(action, "s3:GetObject" | "s3:GetObjectVersion") {
            self.authorizer.check_read(request, action, target).await?;
        } else {
            self.authorizer.check(request, action, target).await?;
        }
        for action in further(request) {
            self.authorizer.check(request, action, target).await?;
        }
        Ok(())
    }

    /// The source of a copy, which the caller must be allowed to read.
    async fn admit_source(&self, request: &S3Request, bucket: &Bucket) -> Result<(CopySource, Bucket), S3Error> {
        let source = CopySource::parse(&request.headers)?;
        let bucket = if source.bucket == bucket.name().as_str() {
            bucket.clone()
        } else {
            self.find_bucket(&source.bucket).await?
        };
        let version_id = source.version_id.as_deref();
        let action = if version_id.is_some() { "s3:GetObjectVersion" } else { "s3:GetObject" };
        self.authorizer.check(request, action, Target::object(&bucket, &source.key, version_id)).await?;
        self.check_owner(&request.headers, owner::OF_SOURCE, &bucket)?;
        Ok((source, bucket))
    }

    pub(super) async fn find_bucket(&self, name: &str) -> Result<Bucket, S3Error> {
        let subject = Subject { bucket: name, ..Subject::default() };
        let name = BucketName::for_lookup(name).ok_or_else(|| S3Error::no_such_bucket(name))?;
        self.store.bucket(&name).await.map_err(|error| subject.error(error))
    }

    /// The error of an operation, unless it tells who may not know it that an object is not there.
    pub(super) async fn unless_hidden(&self, request: &S3Request, error: S3Error) -> S3Error {
        match (&request.admitted.bucket, &request.admitted.source) {
            (Some(bucket), None) => self.authorizer.absent(request, bucket, error).await,
            // A copy knows which of its two buckets the error is about.
            _ => error,
        }
    }
}

/// HeadBucket tells everybody where a bucket is: clients that look for its region ask without credentials.
fn with_region(request: &S3Request, bucket: &Bucket, error: S3Error) -> S3Error {
    match HeaderValue::try_from(bucket.region()) {
        Ok(region) if request.route.operation == Operation::HeadBucket => error.with_header(BUCKET_REGION, region),
        _ => error,
    }
}

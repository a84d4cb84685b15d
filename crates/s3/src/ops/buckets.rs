//! ListBuckets, CreateBucket, HeadBucket, GetBucketLocation, GetBucketVersioning, DeleteBucket.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use coffer_configuration::{BucketSettings, ObjectLockConfiguration, VersioningStatus};
use coffer_store::{Bucket, BucketName, NewBucket, PublicAccessBlock, StoreError};
use http::{HeaderName, StatusCode, header};

use super::S3Operations;
use super::ownership::requested_ownership;
use super::store_error::Subject;
use crate::auth::BUCKET_REGION;
use crate::error::S3Error;
use crate::object_lock::asks_for_object_lock;
use crate::request::S3Request;
use crate::response::S3Response;
use crate::tags::TagsOf;
use crate::time::iso8601;
use crate::xml::{self, CreateBucketConfiguration};

/// The region whose endpoint is older than location constraints: it alone lets an owner create a bucket again.
const FIRST_REGION: &str = "us-east-1";

/// The most bytes of a CreateBucketConfiguration.
const MAX_DOCUMENT_LEN: usize = 256 << 10;

impl S3Operations {
    pub(super) async fn list_buckets(&self, request: &S3Request) -> Result<S3Response, S3Error> {
        const MOST: usize = 10_000;
        let message = "Argument max-buckets must be an integer between 1 and 10000";
        let max = request.query.parse_value::<usize>("max-buckets", message)?;
        if let Some(max) = max.filter(|max| !(1..=MOST).contains(max)) {
            return Err(S3Error::invalid_argument(message, "max-buckets", Some(&max.to_string())));
        }
        let prefix = request.query.get("prefix").unwrap_or_default();
        let after = match request.query.non_empty("continuation-token") {
            Some(token) => Some(decode_token(token).ok_or_else(|| {
                let message = "The continuation token provided is incorrect";
                S3Error::invalid_argument(message, "continuation-token", None)
            })?),
            None => None,
        };
        let account = request.principal.account().ok_or_else(S3Error::access_denied)?;
        let limit = max.unwrap_or(MOST);
        let mut buckets = self.buckets_of(account, prefix, after, limit + 1).await?;
        let truncated = buckets.len() > limit;
        buckets.truncate(limit);
        let last = buckets.last().filter(|_| truncated).map(|bucket| encode_token(bucket.name().as_str()));
        if let Some(region) = request.query.non_empty("bucket-region") {
            buckets.retain(|bucket| bucket.region() == region);
        }
        Ok(S3Response::xml(xml::document("ListAllMyBucketsResult", |xml| {
            xml.element("Owner", |xml| {
                xml.text("ID", self.identities.canonical_id(account));
            });
            xml.element("Buckets", |xml| {
                for bucket in &buckets {
                    xml.element("Bucket", |xml| {
                        xml.text("Name", bucket.name().as_str())
                            .text("CreationDate", iso8601(bucket.created_ms()))
                            .text("BucketRegion", bucket.region());
                    });
                }
            });
            xml.text_if("ContinuationToken", last.as_deref());
            xml.text_if("Prefix", request.query.non_empty("prefix"));
        })))
    }

    /// Lists up to `limit` buckets of an account.
    async fn buckets_of(
        &self,
        account: &str,
        prefix: &str,
        mut after: Option<String>,
        limit: usize,
    ) -> Result<Vec<Bucket>, S3Error> {
        const PAGE: usize = 1000;
        let mut buckets = Vec::new();
        while buckets.len() < limit {
            let listed = self.store.list_buckets(prefix, after.as_deref(), PAGE).await;
            let listed = listed.map_err(|error| Subject::default().error(error))?;
            let is_last = listed.len() < PAGE;
            after = listed.last().map(|bucket| bucket.name().as_str().to_owned());
            buckets.extend(listed.into_iter().filter(|bucket| self.authorizer.owner(bucket) == account));
            if is_last {
                break;
            }
        }
        buckets.truncate(limit);
        Ok(buckets)
    }

    pub(super) async fn create_bucket(&self, request: &mut S3Request) -> Result<S3Response, S3Error> {
        let name = request.bucket_name().to_owned();
        let bucket = BucketName::for_creation(&name).map_err(|_| S3Error::invalid_bucket_name(&name))?;
        let document = request.body.read_all(MAX_DOCUMENT_LEN).await?;
        let configuration = CreateBucketConfiguration::parse(&document);
        let location = configuration.as_ref().ok().and_then(|known| known.location_constraint.as_deref());
        let tags = configuration.as_ref().ok().and_then(|known| known.tags.as_deref()).unwrap_or_default();
        self.authorizer.check_new_bucket(request, location, tags)?;
        let owner = request.principal.account().ok_or_else(S3Error::access_denied)?.to_owned();
        let mut settings = if asks_for_object_lock(&request.headers)? { locking() } else { BucketSettings::default() };
        let ownership = requested_ownership(&request.headers)?.unwrap_or(self.settings.new_bucket_object_ownership);
        let public_access_block = self.settings.new_bucket_block_public_access.then_some(PublicAccessBlock::ALL);
        let acl = self.acl_of_new_bucket(request, &owner, ownership, public_access_block.unwrap_or_default()).await?;
        let CreateBucketConfiguration { location_constraint: location, tags } = configuration?;
        let tags = tags.unwrap_or_default();
        TagsOf::NewBucket.check(&tags)?;
        if let Some(location) = location.filter(|location| *location != self.settings.region && !location.is_empty()) {
            return Err(S3Error::invalid_location_constraint(&location));
        }
        settings.tags = Some(tags).filter(|tags| !tags.is_empty());
        let (region, owner_of_new) = (self.settings.region.clone(), owner.clone());
        let new = NewBucket { region, owner: owner_of_new, public_access_block, ownership, acl, settings };
        match self.store.create_bucket(&bucket, &new).await {
            Err(StoreError::BucketAlreadyOwnedByYou) => self.check_own_again(&name, &owner, &new.settings).await?,
            created => created.map_err(|error| Subject { bucket: &name, ..Subject::default() }.error(error))?,
        }
        Ok(S3Response::new(StatusCode::OK).with(header::LOCATION, format!("/{name}")))
    }

    /// What it means that there is a bucket already when `account` makes one.
    ///
    /// To answer that it was made would be to say that it locks objects, if that is what was asked.
    async fn check_own_again(&self, name: &str, account: &str, asked: &BucketSettings) -> Result<(), S3Error> {
        let bucket = self.find_bucket(name).await?;
        if self.authorizer.owner(&bucket) != account {
            return Err(S3Error::bucket_already_exists(name));
        }
        let locks_as_asked = asked.object_lock.is_none() || bucket.object_lock().is_some();
        if self.settings.region == FIRST_REGION && locks_as_asked {
            Ok(())
        } else {
            Err(S3Error::bucket_already_owned_by_you(name))
        }
    }

    pub(super) async fn head_bucket(&self, request: &S3Request) -> Result<S3Response, S3Error> {
        let bucket = request.bucket()?;
        Ok(S3Response::new(StatusCode::OK)
            .with(BUCKET_REGION, bucket.region())
            .with(HeaderName::from_static("x-amz-access-point-alias"), "false")
            .with(header::CONTENT_TYPE, "application/xml"))
    }

    pub(super) async fn get_bucket_location(&self, request: &S3Request) -> Result<S3Response, S3Error> {
        let bucket = request.bucket()?;
        let region = Some(bucket.region()).filter(|region| *region != FIRST_REGION);
        Ok(S3Response::xml(xml::document_with_text("LocationConstraint", region.unwrap_or_default())))
    }

    pub(super) async fn delete_bucket(&self, request: &S3Request) -> Result<S3Response, S3Error> {
        let bucket = request.bucket()?;
        let subject = Subject { bucket: request.bucket_name(), ..Subject::default() };
        self.store.delete_bucket(bucket.name()).await.map_err(|error| match error {
            StoreError::BucketNotEmpty if bucket.versioning().is_some() => {
                S3Error::bucket_with_versions_not_empty(request.bucket_name())
            }
            error => subject.error(error),
        })?;
        Ok(S3Response::new(StatusCode::NO_CONTENT))
    }
}

/// What a bucket that locks objects is made with.
fn locking() -> BucketSettings {
    BucketSettings {
        versioning: Some(VersioningStatus::Enabled),
        object_lock: Some(ObjectLockConfiguration::default()),
        ..BucketSettings::default()
    }
}

/// A continuation token: opaque to clients, the last name to the server.
pub(super) fn encode_token(name: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("1{name}"))
}

/// Reads a continuation token.
pub(super) fn decode_token(token: &str) -> Option<String> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
    text.strip_prefix('1').map(str::to_owned)
}

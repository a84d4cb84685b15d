//! Block Public Access of buckets, and of accounts by the S3 Control API.

use coffer_store::{Bucket, BucketAccessChange, PublicAccessBlock};
use http::StatusCode;

use super::S3Operations;
use super::store_error::Subject;
use crate::error::S3Error;
use crate::request::S3Request;
use crate::response::S3Response;
use crate::route::ACCOUNT_ID;
use crate::xml::{self, XmlWriter, parse_public_access_block};

const MAX_DOCUMENT_LEN: usize = 64 << 10;

impl S3Operations {
    /// What is in effect for a bucket: whatever it or its account blocks.
    pub(super) async fn public_access_block(&self, bucket: &Bucket) -> Result<PublicAccessBlock, S3Error> {
        let of_bucket = bucket.public_access_block().unwrap_or_default();
        if of_bucket == PublicAccessBlock::ALL {
            return Ok(of_bucket);
        }
        Ok(of_bucket.or(self.account_block(self.authorizer.owner(bucket)).await?))
    }

    /// What an account blocks for all its buckets.
    pub(super) async fn account_block(&self, account: &str) -> Result<PublicAccessBlock, S3Error> {
        let found = self.store.account_public_access_block(account).await;
        Ok(found.map_err(|error| Subject::default().error(error))?.unwrap_or_default())
    }

    pub(super) async fn put_public_access_block(&self, request: &mut S3Request) -> Result<S3Response, S3Error> {
        let bucket = request.bucket()?;
        let document = self.verified_document(request, MAX_DOCUMENT_LEN).await?;
        let block = parse_public_access_block(&document)?;
        self.change_bucket(bucket, |_| Ok(BucketAccessChange::PublicAccessBlock(Some(block)))).await?;
        Ok(S3Response::new(StatusCode::OK))
    }

    pub(super) async fn get_public_access_block(&self, request: &S3Request) -> Result<S3Response, S3Error> {
        let bucket = request.bucket()?;
        let block = bucket.public_access_block();
        let block = block.ok_or_else(|| S3Error::no_such_public_access_block(request.bucket_name()))?;
        Ok(S3Response::xml(xml::document(ROOT, |xml| write(block, xml))))
    }

    pub(super) async fn delete_public_access_block(&self, request: &S3Request) -> Result<S3Response, S3Error> {
        let bucket = request.bucket()?;
        self.change_bucket(bucket, |_| Ok(BucketAccessChange::PublicAccessBlock(None))).await?;
        Ok(S3Response::new(StatusCode::NO_CONTENT))
    }

    pub(super) async fn put_account_public_access_block(&self, request: &mut S3Request) -> Result<S3Response, S3Error> {
        let account = own_account(request)?;
        let document = self.verified_document(request, MAX_DOCUMENT_LEN).await?;
        let block = parse_public_access_block(&document)?;
        let put = self.store.put_account_public_access_block(&account, Some(block)).await;
        put.map_err(|error| Subject::default().error(error))?;
        Ok(S3Response::new(StatusCode::OK))
    }

    pub(super) async fn get_account_public_access_block(&self, request: &S3Request) -> Result<S3Response, S3Error> {
        let account = own_account(request)?;
        let found = self.store.account_public_access_block(&account).await;
        let block = found.map_err(|error| Subject::default().error(error))?;
        let block = block.ok_or_else(|| S3Error::no_such_account_public_access_block(&account))?;
        Ok(S3Response::xml(xml::document(ROOT, |xml| write(block, xml))))
    }

    pub(super) async fn delete_account_public_access_block(&self, request: &S3Request) -> Result<S3Response, S3Error> {
        let account = own_account(request)?;
        let deleted = self.store.put_account_public_access_block(&account, None).await;
        deleted.map_err(|error| Subject::default().error(error))?;
        Ok(S3Response::new(StatusCode::NO_CONTENT))
    }
}

const ROOT: &str = "PublicAccessBlockConfiguration";

fn write(block: PublicAccessBlock, xml: &mut XmlWriter) {
    xml.value("BlockPublicAcls", block.block_public_acls)
        .value("IgnorePublicAcls", block.ignore_public_acls)
        .value("BlockPublicPolicy", block.block_public_policy)
        .value("RestrictPublicBuckets", block.restrict_public_buckets);
}

/// The account that a request names, which must be the caller's own.
fn own_account(request: &S3Request) -> Result<String, S3Error> {
    let named = request.headers.text(ACCOUNT_ID)?;
    let own = request.principal.account();
    own.filter(|own| named == Some(own)).map(str::to_owned).ok_or_else(S3Error::access_denied)
}

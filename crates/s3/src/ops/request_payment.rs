//! Request payment: PutBucketRequestPayment, GetBucketRequestPayment, and what follows for every other request.
//!
//! Where the requester pays, whoever is not of the account that owns the bucket has to say in each request that they
//! do. Nobody is billed here; but a client that works with such a bucket on S3 works with it here, and one that would
//! be refused there is.

use coffer_configuration::Payer;
use coffer_store::Bucket;
use http::{HeaderName, HeaderValue, StatusCode};

use super::S3Operations;
use crate::error::S3Error;
use crate::request::S3Request;
use crate::response::S3Response;
use crate::xml::{parse_request_payment, write_request_payment};

const MAX_DOCUMENT_LEN: usize = 64 << 10;

/// Says that whoever asks knows that they pay.
const REQUEST_PAYER: &str = "x-amz-request-payer";
/// Says that they do.
const REQUEST_CHARGED: HeaderName = HeaderName::from_static("x-amz-request-charged");
const REQUESTER: &str = "requester";

impl S3Operations {
    pub(super) async fn put_bucket_request_payment(&self, request: &mut S3Request) -> Result<S3Response, S3Error> {
        let document = self.verified_document(request, MAX_DOCUMENT_LEN).await?;
        let payer = parse_request_payment(&document)?;
        let change = self.configure(request, |_, settings| {
            settings.request_payer = Some(payer).filter(|payer| *payer != Payer::BucketOwner);
            Ok(())
        });
        change.await?;
        Ok(S3Response::new(StatusCode::OK))
    }

    pub(super) async fn get_bucket_request_payment(&self, request: &S3Request) -> Result<S3Response, S3Error> {
        Ok(S3Response::xml(write_request_payment(payer(&request.bucket()?))))
    }

    /// Whether the requester pays for what is done with a bucket.
    ///
    /// # Errors
    /// `AccessDenied` for a requester who would, and has not said so or is nobody.
    pub(super) fn charges_requester(&self, request: &S3Request, bucket: &Bucket) -> Result<bool, S3Error> {
        let account = request.principal.account();
        if payer(bucket) == Payer::BucketOwner || account == Some(self.authorizer.owner(bucket)) {
            return Ok(false);
        }
        match request.headers.text(REQUEST_PAYER)? {
            Some(REQUESTER) if account.is_some() => Ok(true),
            _ => Err(S3Error::access_denied()),
        }
    }
}

/// Refuses the visitors of a website that they would pay for: nobody knows who they are, not even where they are only
/// sent elsewhere.
///
/// # Errors
/// `AccessDenied`.
pub(super) fn check_visitors(bucket: &Bucket) -> Result<(), S3Error> {
    match payer(bucket) {
        Payer::BucketOwner => Ok(()),
        Payer::Requester => Err(S3Error::access_denied()),
    }
}

/// Tells the requester that they paid.
pub(super) fn write_charged(response: &mut S3Response) {
    response.headers.insert(REQUEST_CHARGED, HeaderValue::from_static(REQUESTER));
}

fn payer(bucket: &Bucket) -> Payer {
    bucket.settings().and_then(|settings| settings.request_payer).unwrap_or(Payer::BucketOwner)
}

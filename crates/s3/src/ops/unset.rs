//! Questions about settings of a bucket that nobody can make yet: it has none, and the answer says so.
//!
//! Clients that look after a bucket ask for all of its settings, and most of them take no other answer for «none».

use coffer_store::Bucket;

use super::S3Operations;
use crate::error::S3Error;
use crate::request::S3Request;
use crate::response::S3Response;
use crate::route::{ACCOUNT_ID, Operation};
use crate::xml;

impl S3Operations {
    /// How S3 says that a bucket lacks what an operation asks for; of other operations, that they are not built.
    pub(super) fn unset(&self, request: &S3Request) -> Result<S3Response, S3Error> {
        let bucket = request.bucket_name();
        match request.route.operation {
            Operation::GetBucketNotificationConfiguration => Ok(empty("NotificationConfiguration")),
            Operation::GetBucketRequestPayment => {
                Ok(S3Response::xml(xml::document("RequestPaymentConfiguration", |xml| {
                    xml.text("Payer", "BucketOwner");
                })))
            }
            Operation::GetBucketReplication => Err(S3Error::replication_configuration_not_found(bucket)),
            Operation::GetBucketTagging => Err(S3Error::no_such_tag_set(bucket)),
            Operation::ListTagsForResource => self.list_tags_for_resource(request, &request.bucket()?),
            _ => Err(S3Error::not_implemented()),
        }
    }

    fn list_tags_for_resource(&self, request: &S3Request, bucket: &Bucket) -> Result<S3Response, S3Error> {
        if request.headers.text(ACCOUNT_ID)? != Some(self.authorizer.owner(bucket)) {
            return Err(S3Error::access_denied());
        }
        Ok(S3Response::xml(xml::document("ListTagsForResourceResult", |xml| {
            xml.element("Tags", |_| {});
        })))
    }
}

fn empty(root: &str) -> S3Response {
    S3Response::xml(xml::document(root, |_| {}))
}

//! Questions about settings of a bucket that nobody can make yet: it has none, and the answer says so.
//!
//! Clients that look after a bucket ask for all of its settings, and most of them take no other answer for «none».

use super::S3Operations;
use crate::error::S3Error;
use crate::request::S3Request;
use crate::response::S3Response;
use crate::route::Operation;
use crate::xml;

impl S3Operations {
    /// How S3 says that a bucket lacks what an operation asks for; of other operations, that they are not built.
    pub(super) fn unset(&self, request: &S3Request) -> Result<S3Response, S3Error> {
        match request.route.operation {
            Operation::GetBucketNotificationConfiguration => Ok(empty("NotificationConfiguration")),
            _ => Err(S3Error::not_implemented()),
        }
    }
}

fn empty(root: &str) -> S3Response {
    S3Response::xml(xml::document(root, |_| {}))
}

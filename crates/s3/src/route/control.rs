//! The operations of the S3 Control API.

use super::{Operation, RequestLine, Route, may_be_a_bucket, virtual_bucket};
use crate::error::S3Error;
use crate::query::decode;

/// The header of the S3 Control API that names the account.
pub const ACCOUNT_ID: &str = "x-amz-account-id";
/// The parameter of UntagResource with the key of a tag; there may be several.
pub const TAG_KEYS: &str = "tagKeys";
const ACCOUNT_PUBLIC_ACCESS_BLOCK: &str = "/v20180820/configuration/publicAccessBlock";
/// The ARN of what has the tags follows, percent-encoded.
const TAGS: &str = "/v20180820/tags/";

/// What a request of the S3 Control API is about, told from S3 by its path and the account in its headers. Clients put
/// the account in front of the host as well.
pub(super) fn control_route(request: &RequestLine<'_>, domains: &[String]) -> Result<Option<Route>, S3Error> {
    let Some(account) = request.headers.text(ACCOUNT_ID)? else { return Ok(None) };
    if virtual_bucket(request.host, domains).is_some_and(|bucket| bucket != account) {
        return Ok(None);
    }
    if request.path == ACCOUNT_PUBLIC_ACCESS_BLOCK {
        let operation = match request.method {
            "GET" => Operation::GetAccountPublicAccessBlock,
            "PUT" => Operation::PutAccountPublicAccessBlock,
            "DELETE" => Operation::DeleteAccountPublicAccessBlock,
            method => return Err(S3Error::method_not_allowed(method, "PUBLICACCESSBLOCK", "GET, PUT, DELETE".into())),
        };
        return Ok(Some(Route { bucket: None, key: None, operation }));
    }
    let Some(resource) = request.path.strip_prefix(TAGS) else { return Ok(None) };
    let operation = match request.method {
        "GET" => Operation::ListTagsForResource,
        "POST" => Operation::TagResource,
        "DELETE" => Operation::UntagResource,
        method => return Err(S3Error::method_not_allowed(method, "TAGGING", "GET, POST, DELETE".into())),
    };
    let resource = decode(resource)?;
    let bucket = resource.strip_prefix("arn:aws:s3:::").filter(|name| may_be_a_bucket(name));
    let bucket = bucket.ok_or_else(|| S3Error::invalid_request("The resource ARN is not the ARN of a bucket."))?;
    Ok(Some(Route { bucket: Some(bucket.to_owned()), key: None, operation }))
}

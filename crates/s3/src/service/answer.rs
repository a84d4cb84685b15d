//! The HTTP response: what every answer has, and how an error looks.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use coffer_crypto::random_array;
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, SERVER};
use http::{HeaderName, HeaderValue, Response, StatusCode};

use crate::error::S3Error;
use crate::log::RequestRecord;
use crate::response::{ResponseBody, S3Response};
use crate::xml;

/// Draws the ID of this process.
pub(super) fn host_id() -> Arc<str> {
    STANDARD.encode(random_array::<24>()).into()
}

/// Makes the response. Unless `goes_on`, the connection is closed after it, and the client is told: a body that was
/// not read to its end leaves bytes on it that are no next request.
pub(super) fn response(
    outcome: Result<S3Response, S3Error>,
    ids: &RequestRecord,
    is_head: bool,
    goes_on: bool,
) -> Response<ResponseBody> {
    let answer = outcome.unwrap_or_else(|error| rendered(&error, ids));
    let mut response = Response::new(answer.body);
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    if is_head {
        strip_body(&mut response);
    }
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, value(&ids.request_id));
    headers.insert(HOST_ID, value(&ids.host_id));
    headers.insert(SERVER, HeaderValue::from_static("Coffer"));
    if !goes_on {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// The answer to HEAD has the length of the body that GET would have, and not the body.
fn strip_body(response: &mut Response<ResponseBody>) {
    let len = match response.body() {
        ResponseBody::Head(len) | ResponseBody::Stream { remaining: len, .. } => Some(*len),
        ResponseBody::Full(_) | ResponseBody::Empty => None,
    };
    if let Some(len) = len {
        response.headers_mut().insert(CONTENT_LENGTH, len.into());
    }
    *response.body_mut() = ResponseBody::Empty;
}

fn rendered(error: &S3Error, ids: &RequestRecord) -> S3Response {
    let mut answer = S3Response::new(error.status());
    if error.status() != StatusCode::NOT_MODIFIED {
        answer = answer.with(CONTENT_TYPE, xml::CONTENT_TYPE);
        let body = match ids.operation() {
            Some(operation) if operation.is_of_control_api() => error.control_body(&ids.request_id, &ids.host_id),
            _ => error.body(&ids.request_id, &ids.host_id),
        };
        answer.body = ResponseBody::Full(body.into());
    }
    for (name, value) in error.headers() {
        answer.headers.insert(name, value.clone());
    }
    answer
}

fn value(id: &str) -> HeaderValue {
    HeaderValue::try_from(id).expect("hexadecimal and base64 are valid header values")
}

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amz-request-id");
const HOST_ID: HeaderName = HeaderName::from_static("x-amz-id-2");

#[cfg(test)]
mod tests {
    use http_body::Body as _;

    use super::*;
    use crate::request::ConnectionInfo;

    fn ids() -> RequestRecord {
        let peer = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
        RequestRecord::new(ConnectionInfo { peer, client: peer.ip(), tls: None, secure: false }, host_id(), 0)
    }

    #[test]
    fn every_request_has_its_own_id() {
        let (a, b) = (ids(), ids());
        assert_ne!(a.request_id, b.request_id);
        assert!(a.request_id.len() == 16 && a.request_id.bytes().all(|byte| byte.is_ascii_hexdigit()));
    }

    #[test]
    fn an_error_is_a_document_unless_the_method_is_head() {
        let error = || Err(S3Error::no_such_key("k"));
        let get = response(error(), &ids(), false, true);
        assert_eq!(
            (get.status().as_u16(), &get.headers()[CONTENT_TYPE]),
            (404, &HeaderValue::from_static("application/xml"))
        );
        assert!(get.body().size_hint().exact() > Some(0));
        let head = response(error(), &ids(), true, true);
        assert!(head.status() == 404 && head.body().is_end_stream() && !head.headers().contains_key(CONTENT_LENGTH));
    }

    #[test]
    fn not_modified_has_no_body() {
        let answer = response(Err(S3Error::not_modified()), &ids(), false, true);
        assert!(
            answer.status() == 304 && answer.body().is_end_stream() && !answer.headers().contains_key(CONTENT_TYPE)
        );
    }

    #[test]
    fn head_tells_the_length() {
        let mut answer = S3Response::new(StatusCode::OK);
        answer.body = ResponseBody::Head(7);
        let answer = response(Ok(answer), &ids(), true, true);
        assert_eq!(answer.headers()[CONTENT_LENGTH], "7");
        assert!(answer.body().is_end_stream());
    }

    #[test]
    fn a_body_that_was_not_read_closes_the_connection() {
        let close = |read: bool| response(Ok(S3Response::new(StatusCode::OK)), &ids(), false, read);
        assert_eq!(close(false).headers()[CONNECTION], "close");
        assert!(!close(true).headers().contains_key(CONNECTION));
    }
}

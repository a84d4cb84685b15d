//! What an operation answers.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::Stream;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use http_body::{Body, Frame, SizeHint};
use thiserror::Error;

use crate::xml;

/// The answer of an operation that did what was asked.
pub struct S3Response {
    /// The status.
    pub status: StatusCode,
    /// The headers of the operation. Request ID, date and server are added to them.
    pub headers: HeaderMap,
    /// The body.
    pub body: ResponseBody,
}

impl S3Response {
    /// An answer without headers and without a body.
    #[must_use]
    pub fn new(status: StatusCode) -> Self {
        Self { status, headers: HeaderMap::new(), body: ResponseBody::Empty }
    }

    /// 200 with an XML document.
    #[must_use]
    pub fn xml(document: String) -> Self {
        let mut response = Self::new(StatusCode::OK).with(header::CONTENT_TYPE, xml::CONTENT_TYPE);
        response.body = ResponseBody::Full(document.into());
        response
    }

    /// Adds a header in the place of one of the same name. A value that cannot be a header's is left out.
    #[must_use]
    pub fn with(mut self, name: HeaderName, value: impl AsRef<[u8]>) -> Self {
        if let Ok(value) = HeaderValue::from_bytes(value.as_ref()) {
            self.headers.insert(name, value);
        }
        self
    }
}

/// The body of an answer, of a length that is known before its first byte.
pub enum ResponseBody {
    /// None.
    Empty,
    /// None, in the place of one of this length in bytes: the answer to HEAD.
    Head(u64),
    /// Bytes that are there.
    Full(Bytes),
    /// Bytes that come.
    Stream {
        /// The bytes.
        stream: Pin<Box<dyn Stream<Item = Result<Bytes, BrokenBody>> + Send>>,
        /// How many of them are still to come. Fewer or more break the connection.
        remaining: u64,
    },
}

impl ResponseBody {
    /// Bytes that come from `stream`, `len` of them.
    pub fn stream(stream: impl Stream<Item = Result<Bytes, BrokenBody>> + Send + 'static, len: u64) -> Self {
        Self::Stream { stream: Box::pin(stream), remaining: len }
    }
}

/// The rest of a body cannot be had. The connection is broken, so that the client does not take what it got for the
/// whole.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("the body broke off")]
pub struct BrokenBody;

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BrokenBody;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BrokenBody>>> {
        let body = self.get_mut();
        match body {
            Self::Empty | Self::Head(_) => Poll::Ready(None),
            Self::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                *body = Self::Empty;
                Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
            }
            Self::Stream { stream, remaining } => match stream.as_mut().poll_next(cx) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(Some(Ok(bytes))) if bytes.len() as u64 <= *remaining => {
                    *remaining -= bytes.len() as u64;
                    Poll::Ready(Some(Ok(Frame::data(bytes))))
                }
                Poll::Ready(None) if *remaining == 0 => Poll::Ready(None),
                Poll::Ready(Some(Ok(_)) | Some(Err(BrokenBody)) | None) => {
                    *body = Self::Empty;
                    Poll::Ready(Some(Err(BrokenBody)))
                }
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty | Self::Head(_) => true,
            Self::Full(bytes) => bytes.is_empty(),
            // Even an empty stream is polled: it may have an error to tell.
            Self::Stream { .. } => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match self {
            // The length that a HEAD tells is a header.
            Self::Empty | Self::Head(_) => 0,
            Self::Full(bytes) => bytes.len() as u64,
            Self::Stream { remaining, .. } => *remaining,
        })
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use http_body_util::BodyExt as _;

    use super::*;

    async fn collect(pieces: Vec<Result<Bytes, BrokenBody>>, remaining: u64) -> Result<Bytes, BrokenBody> {
        let body = ResponseBody::Stream { stream: Box::pin(stream::iter(pieces)), remaining };
        assert_eq!(body.size_hint().exact(), Some(remaining));
        Ok(body.collect().await?.to_bytes())
    }

    #[tokio::test]
    async fn a_stream_of_the_right_length_goes_out() {
        assert_eq!(collect(vec![Ok("ab".into()), Ok("c".into())], 3).await, Ok("abc".into()));
        assert_eq!(collect(vec![], 0).await, Ok(Bytes::new()));
    }

    #[tokio::test]
    async fn a_stream_that_fails_or_has_another_length_breaks() {
        for (pieces, remaining) in [
            (vec![Ok("ab".into()), Err(BrokenBody)], 3),
            (vec![Ok("ab".into())], 3),
            (vec![Ok("ab".into()), Ok("cd".into())], 3),
            (vec![Err(BrokenBody)], 0),
        ] {
            assert_eq!(collect(pieces, remaining).await, Err(BrokenBody));
        }
    }

    #[tokio::test]
    async fn a_full_body_goes_out_once() {
        let body = ResponseBody::Full("abc".into());
        assert_eq!(body.size_hint().exact(), Some(3));
        assert_eq!(body.collect().await.unwrap().to_bytes(), "abc");
    }

    #[test]
    fn a_value_that_cannot_be_a_headers_does_not_become_one() {
        let response = S3Response::new(StatusCode::OK).with(header::ETAG, "a\r\nb").with(header::ETAG, "c");
        assert_eq!(response.headers[header::ETAG], "c");
    }
}

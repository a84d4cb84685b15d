//! Errors in S3's own codes and words.
//!
//! A constructor per answer that S3 gives; the texts are wire strings. None of them ever holds key material:
//! where S3 echoes a customer key or the canonical request, these leave it out
//! (docs/decisions/0003-own-protocol-layer.md).

mod absent;
mod access;
mod cors;
mod encryption;
mod general;
mod integrity;
mod kms;
mod lifecycle;
mod logging;
mod notification;
mod object_encryption;
mod object_lock;
mod ownership;
mod replication;
mod tagging;
mod unset;
mod versioning;
mod website;

use std::borrow::Cow;
use std::fmt;

use http::{HeaderName, HeaderValue, StatusCode};

use crate::xml::XmlWriter;

pub use encryption::SSE_ARGUMENT;
pub use notification::destination_name;
pub use object_lock::{LOCK_LEGAL_HOLD, LOCK_MODE, LOCK_RETAIN_UNTIL};

/// An error answer of S3.
pub struct S3Error {
    status: StatusCode,
    code: &'static str,
    message: Cow<'static, str>,
    elements: Vec<(Cow<'static, str>, String)>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl S3Error {
    /// An error without extra elements.
    #[must_use]
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { status, code, message: message.into(), elements: Vec::new(), headers: Vec::new() }
    }

    /// Adds an element to the body, after those already there.
    #[must_use]
    pub fn with(mut self, name: impl Into<Cow<'static, str>>, value: impl ToString) -> Self {
        self.elements.push((name.into(), value.to_string()));
        self
    }

    /// Adds a header to the answer.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// S3's code, as in `<Code>`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// The message, as in `<Message>`.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The value of the extra element `name`, if it is there.
    #[must_use]
    pub fn element(&self, name: &str) -> Option<&str> {
        self.elements.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The extra elements, in order.
    pub(crate) fn elements(&self) -> impl Iterator<Item = (&str, &str)> {
        self.elements.iter().map(|(name, value)| (name.as_ref(), value.as_str()))
    }

    /// The headers that go with the answer.
    #[must_use]
    pub fn headers(&self) -> &[(HeaderName, HeaderValue)] {
        &self.headers
    }

    /// The XML body. `NotModified` has none on the wire.
    #[must_use]
    pub fn body(&self, request_id: &str, host_id: &str) -> String {
        let mut xml = XmlWriter::new();
        xml.element("Error", |xml| {
            self.write(xml);
            xml.text("RequestId", request_id).text("HostId", host_id);
        });
        xml.into_string()
    }

    /// The XML body as the S3 Control API has it.
    #[must_use]
    pub fn control_body(&self, request_id: &str, host_id: &str) -> String {
        let mut xml = XmlWriter::new();
        xml.element("ErrorResponse", |xml| {
            xml.element("Error", |xml| self.write(xml));
            xml.text("RequestId", request_id).text("HostId", host_id);
        });
        xml.into_string()
    }

    fn write(&self, xml: &mut XmlWriter) {
        xml.text("Code", self.code).prose("Message", &self.message);
        for (name, value) in &self.elements {
            xml.text(name, value);
        }
    }
}

/// Status and code only: message and elements may quote the client.
impl fmt::Debug for S3Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "S3Error({} {})", self.status.as_u16(), self.code)
    }
}

impl fmt::Display for S3Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code)
    }
}

impl std::error::Error for S3Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_keeps_the_order_of_the_elements() {
        let error = S3Error::invalid_argument("bad", "Name", Some("<v>"));
        assert_eq!(
            error.body("R", "H"),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>InvalidArgument</Code><Message>bad</Message>\
             <ArgumentName>Name</ArgumentName><ArgumentValue>&lt;v&gt;</ArgumentValue>\
             <RequestId>R</RequestId><HostId>H</HostId></Error>"
        );
    }

    #[test]
    fn the_control_api_wraps_its_errors() {
        let body = S3Error::access_denied().control_body("R", "H");
        assert!(body.ends_with(
            "<ErrorResponse><Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>\
             <RequestId>R</RequestId><HostId>H</HostId></ErrorResponse>"
        ));
    }

    #[test]
    fn an_absent_argument_has_no_value_element() {
        assert_eq!(S3Error::invalid_argument("bad", "Name", None).element("ArgumentValue"), None);
    }

    #[test]
    fn debug_and_display_quote_nothing_of_the_client() {
        let error = S3Error::no_such_key("secret name");
        assert_eq!(format!("{error:?} {error}"), "S3Error(404 NoSuchKey) NoSuchKey");
    }
}

//! What is stored beside an object's bytes: content headers and user metadata.

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::error::S3Error;
use crate::headers::Headers;
use crate::query::Query;
use crate::rfc2047;

/// Bytes that names (without `x-amz-meta-`) and values of user metadata can have together.
pub const MAX_USER_METADATA_LEN: usize = 2048;

/// The `Content-Type` of objects that came without one.
pub const DEFAULT_CONTENT_TYPE: &str = "binary/octet-stream";

/// Content headers and user metadata as fields: lower-case header name and value, sorted by name.
///
/// There is no `Debug`: it is what the customer wrote.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Metadata(Vec<(String, String)>);

impl Metadata {
    /// Takes from a request what PutObject, CopyObject (REPLACE), CreateMultipartUpload and PostObject store.
    ///
    /// Values are UTF-8; what is not is taken for ISO 8859-1. Several headers of one name are joined by `,`.
    /// `aws-chunked` describes the transfer and is taken out of `Content-Encoding`.
    ///
    /// # Errors
    /// `MetadataTooLarge`, `InvalidRedirectLocation`.
    pub fn parse(headers: &Headers) -> Result<Self, S3Error> {
        let mut fields: Vec<(String, String)> = Vec::new();
        let content = CONTENT_HEADERS.iter().flat_map(|name| headers.all(name).map(move |value| (*name, value)));
        for (name, value) in content.chain(headers.with_prefix(USER_PREFIX)) {
            let value = text(value);
            match fields.last_mut() {
                Some((last, joined)) if last == name => {
                    joined.push(',');
                    joined.push_str(&value);
                }
                _ => fields.push((name.to_owned(), value)),
            }
        }
        for (name, value) in &mut fields {
            match name.as_str() {
                "content-encoding" => *value = without_aws_chunked(value),
                "content-type" if value.is_empty() => DEFAULT_CONTENT_TYPE.clone_into(value),
                _ => {}
            }
        }
        fields.retain(|(name, value)| name.starts_with(USER_PREFIX) || !value.is_empty());
        let user_len: usize =
            fields.iter().filter_map(|(name, value)| Some(name.strip_prefix(USER_PREFIX)?.len() + value.len())).sum();
        if user_len > MAX_USER_METADATA_LEN {
            return Err(S3Error::metadata_too_large(user_len, MAX_USER_METADATA_LEN));
        }
        if !fields.iter().any(|(name, _)| name == "content-type") {
            fields.push(("content-type".into(), DEFAULT_CONTENT_TYPE.into()));
        }
        if let Some((_, to)) = fields.iter().find(|(name, _)| name == WEBSITE_REDIRECT) {
            check_redirect(to)?;
        }
        fields.sort();
        Ok(Self(fields))
    }

    /// The metadata of the copy of an object that has `self`: the same, but for where a website redirects to, which a
    /// copy has only if its request says so.
    ///
    /// # Errors
    /// `InvalidRedirectLocation`.
    pub fn of_copy(mut self, headers: &Headers) -> Result<Self, S3Error> {
        self.0.retain(|(name, _)| name != WEBSITE_REDIRECT);
        if let Some(to) = headers.bytes(WEBSITE_REDIRECT)?.filter(|to| !to.is_empty()) {
            let to = text(to);
            check_redirect(&to)?;
            self.0.push((WEBSITE_REDIRECT.to_owned(), to));
            self.0.sort();
        }
        Ok(self)
    }

    /// Metadata from fields as [`Metadata::fields`] gave them.
    #[must_use]
    pub fn from_fields(fields: Vec<(String, String)>) -> Self {
        Self(fields)
    }

    /// The fields, sorted by name.
    #[must_use]
    pub fn fields(&self) -> &[(String, String)] {
        &self.0
    }

    /// Writes the fields as headers of an answer.
    ///
    /// User metadata outside of printable ASCII goes out as RFC 2047 encoded words, as S3 does it.
    pub fn write(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.0 {
            let encoded = name.starts_with(USER_PREFIX).then(|| rfc2047::encode(value));
            let value = HeaderValue::from_bytes(encoded.as_ref().map_or(value.as_bytes(), |text| text.as_bytes()));
            if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), value) {
                headers.insert(name, value);
            }
        }
    }
}

/// The headers that the query of GET and HEAD puts in the place of the stored ones: `response-content-type` and so
/// on.
///
/// # Errors
/// `InvalidArgument` for a value that cannot be a header's.
pub fn response_overrides(query: &Query) -> Result<Vec<(HeaderName, HeaderValue)>, S3Error> {
    let mut overrides = Vec::new();
    for (name, value) in query.iter() {
        let Some(header) = name.strip_prefix("response-").filter(|header| OVERRIDABLE.contains(header)) else {
            continue;
        };
        let value = HeaderValue::from_bytes(value.as_bytes())
            .map_err(|_| S3Error::invalid_argument("Header value cannot be represented", name, None))?;
        overrides.push((HeaderName::from_static(header_name(header)), value));
    }
    Ok(overrides)
}

/// The entry of [`OVERRIDABLE`] that `header` is.
fn header_name(header: &str) -> &'static str {
    OVERRIDABLE.iter().find(|name| **name == header).expect("the caller looked it up")
}

/// Refuses what a website could not redirect to.
fn check_redirect(to: &str) -> Result<(), S3Error> {
    let leads_somewhere = ["/", "http://", "https://"].iter().any(|start| to.starts_with(start));
    if leads_somewhere { Ok(()) } else { Err(S3Error::invalid_redirect_location()) }
}

fn text(value: &[u8]) -> String {
    match std::str::from_utf8(value) {
        Ok(text) => text.to_owned(),
        Err(_) => value.iter().copied().map(char::from).collect(),
    }
}

fn without_aws_chunked(encoding: &str) -> String {
    // The codings that stay keep the blanks between them: the header is the client's own.
    let kept = encoding.split(',').filter(|coding| !coding.trim().eq_ignore_ascii_case("aws-chunked"));
    kept.collect::<Vec<_>>().join(",").trim().to_owned()
}

const USER_PREFIX: &str = "x-amz-meta-";
const WEBSITE_REDIRECT: &str = "x-amz-website-redirect-location";

const CONTENT_HEADERS: [&str; 7] = [
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-type",
    "expires",
    WEBSITE_REDIRECT,
];

const OVERRIDABLE: [&str; 6] =
    ["cache-control", "content-disposition", "content-encoding", "content-language", "content-type", "expires"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::headers::headers;

    fn fields(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        Metadata::parse(&headers(pairs)).unwrap().fields().to_vec()
    }

    fn field(name: &str, value: &str) -> (String, String) {
        (name.into(), value.into())
    }

    #[test]
    fn an_object_without_a_type_has_the_default_one() {
        assert_eq!(fields(&[]), [field("content-type", DEFAULT_CONTENT_TYPE)]);
        assert_eq!(fields(&[("content-type", "")]), [field("content-type", DEFAULT_CONTENT_TYPE)]);
    }

    #[test]
    fn fields_are_sorted_and_repeated_ones_joined() {
        let pairs =
            [("X-Amz-Meta-B", "2"), ("x-amz-meta-a", "1"), ("x-amz-meta-b", "3"), ("content-type", "text/plain")];
        let expected = [field("content-type", "text/plain"), field("x-amz-meta-a", "1"), field("x-amz-meta-b", "2,3")];
        assert_eq!(fields(&pairs), expected);
    }

    #[test]
    fn other_headers_are_not_metadata() {
        let pairs =
            [("authorization", "x"), ("x-amz-server-side-encryption-customer-key", "k"), ("content-length", "1")];
        assert_eq!(fields(&pairs), [field("content-type", DEFAULT_CONTENT_TYPE)]);
    }

    #[test]
    fn aws_chunked_is_not_stored() {
        let encoding = |value: &str| {
            let fields = fields(&[("content-encoding", value)]);
            fields.into_iter().find(|(name, _)| name == "content-encoding").map(|(_, value)| value)
        };
        assert_eq!(encoding("aws-chunked"), None);
        assert_eq!(encoding("gzip, AWS-Chunked").as_deref(), Some("gzip"));
        assert_eq!(encoding("aws-chunked,gzip,br").as_deref(), Some("gzip,br"));
        assert_eq!(encoding("deflate, aws-chunked, gzip").as_deref(), Some("deflate, gzip"));
    }

    #[test]
    fn user_metadata_is_counted_without_prefix_and_in_bytes() {
        let size = |value: &str| Metadata::parse(&headers(&[("x-amz-meta-abc", value)])).map(drop);
        assert!(size(&"v".repeat(2045)).is_ok());
        let error = size(&"v".repeat(2046)).unwrap_err();
        assert_eq!((error.code(), error.element("Size")), ("MetadataTooLarge", Some("2049")));
        assert!(size(&"ü".repeat(1023)).is_err());
    }

    #[test]
    fn bytes_that_are_not_utf8_are_taken_for_latin1() {
        let mut map = HeaderMap::new();
        map.insert("x-amz-meta-a", HeaderValue::from_bytes(b"caf\xe9").unwrap());
        let metadata = Metadata::parse(&map.into()).unwrap();
        assert_eq!(metadata.fields()[1], field("x-amz-meta-a", "café"));
    }

    #[test]
    fn user_metadata_goes_out_in_ascii_and_content_headers_as_they_came() {
        let metadata =
            Metadata::from_fields(vec![field("content-disposition", "a—b"), field("x-amz-meta-a", "ÄMÄZÕÑ S3")]);
        let mut answer = HeaderMap::new();
        metadata.write(&mut answer);
        assert_eq!(answer["x-amz-meta-a"], "=?UTF-8?Q?=C3=84M=C3=84Z=C3=95=C3=91_S3?=");
        assert_eq!(answer["content-disposition"].as_bytes(), "a—b".as_bytes());
    }

    #[test]
    fn a_redirect_leads_somewhere() {
        let redirect = |to: &str| Metadata::parse(&headers(&[(WEBSITE_REDIRECT, to)])).is_ok();
        assert!(redirect("/page") && redirect("https://example.org"));
        assert!(!redirect("javascript:alert(1)") && !redirect("page"));
    }

    #[test]
    fn a_copy_redirects_only_if_its_request_says_so() {
        let source = || Metadata::from_fields(vec![field("content-type", "a/b"), field(WEBSITE_REDIRECT, "/old")]);
        let copied = |pairs: &[(&str, &str)]| source().of_copy(&headers(pairs));
        assert_eq!(copied(&[]).unwrap().fields(), [field("content-type", "a/b")]);
        let redirected = copied(&[(WEBSITE_REDIRECT, "/new"), ("content-type", "c/d")]).unwrap();
        assert_eq!(redirected.fields(), [field("content-type", "a/b"), field(WEBSITE_REDIRECT, "/new")]);
        assert!(copied(&[(WEBSITE_REDIRECT, "javascript:alert(1)")]).is_err());
    }

    #[test]
    fn a_query_cannot_break_out_of_a_header() {
        let overrides = |query: &str| response_overrides(&Query::parse(query).unwrap());
        let good = overrides("response-content-type=text/plain&response-x=1&response-etag=1").unwrap();
        assert_eq!(good.len(), 1);
        assert_eq!((good[0].0.as_str(), &good[0].1), ("content-type", &HeaderValue::from_static("text/plain")));
        assert!(overrides("response-expires=a%0D%0ASet-Cookie:%20b").is_err());
    }
}

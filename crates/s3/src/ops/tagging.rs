//! `x-amz-tagging`: tags given with the object.

use crate::error::S3Error;
use crate::headers::Headers;
use crate::query::Query;

/// The most tags of an object.
const MOST_TAGS: usize = 10;
/// The most characters of a tag's key and of its value.
const MOST_KEY_CHARS: usize = 128;
const MOST_VALUE_CHARS: usize = 256;

/// Reads the header: tags as in a query string.
///
/// # Errors
/// `InvalidTag`, `InvalidArgument`, `BadRequest`.
pub(super) fn parse_tagging_header(headers: &Headers) -> Result<Vec<(String, String)>, S3Error> {
    const NAME: &str = "x-amz-tagging";
    let Some(text) = headers.text(NAME)?.filter(|text| !text.is_empty()) else { return Ok(Vec::new()) };
    let invalid = || {
        let message = "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.";
        S3Error::invalid_argument(message, NAME, Some(text))
    };
    let query = Query::parse(text).map_err(|_| invalid())?;
    // A header has room for thousands, and each is compared with all others.
    if query.iter().nth(MOST_TAGS).is_some() {
        return Err(S3Error::too_many_tags());
    }
    let tags: Vec<_> = query.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    if tags.iter().enumerate().any(|(index, (key, _))| tags[..index].iter().any(|(other, _)| other == key)) {
        return Err(invalid());
    }
    check_tags(&tags)?;
    Ok(tags)
}

fn check_tags(tags: &[(String, String)]) -> Result<(), S3Error> {
    for (key, value) in tags {
        if key.is_empty() || key.chars().count() > MOST_KEY_CHARS || !key.chars().all(is_allowed) {
            return Err(S3Error::invalid_tag("The TagKey you have provided is invalid", Some(key)));
        }
        if value.chars().count() > MOST_VALUE_CHARS || !value.chars().all(is_allowed) {
            return Err(S3Error::invalid_tag("The TagValue you have provided is invalid", Some(key)));
        }
    }
    Ok(())
}

/// Letters, digits and spaces of any script, and the marks that AWS lists.
fn is_allowed(c: char) -> bool {
    c.is_alphanumeric() || c == ' ' || "_.:/=+-@".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::headers::headers;

    fn parse(value: &str) -> Result<Vec<(String, String)>, &'static str> {
        parse_tagging_header(&headers(&[("x-amz-tagging", value)])).map_err(|error| error.code())
    }

    #[test]
    fn tags_are_a_query_string() {
        let tag = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(parse("a=1&b=x%20y&c="), Ok(vec![tag("a", "1"), tag("b", "x y"), tag("c", "")]));
        assert_eq!(parse(""), Ok(vec![]));
    }

    #[test]
    fn bad_tags_are_refused() {
        assert_eq!(parse("a=1&a=2"), Err("InvalidArgument"));
        assert_eq!(parse("=1"), Err("InvalidTag"));
        assert_eq!(parse("a=%3Cb%3E"), Err("InvalidTag"));
        assert_eq!(parse(&format!("{}=1", "k".repeat(129))), Err("InvalidTag"));
        assert_eq!(parse(&format!("k={}", "v".repeat(257))), Err("InvalidTag"));
        let eleven: Vec<_> = (0..11).map(|n| format!("k{n}=v")).collect();
        assert_eq!(parse(&eleven.join("&")), Err("BadRequest"));
    }
}

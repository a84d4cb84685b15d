//! Tags as requests give them: read, and held against S3's rules.

use coffer_configuration::{InvalidTag, Tag};

use crate::error::S3Error;
use crate::headers::Headers;
use crate::query::Query;

/// The most tags of an object.
const MOST_OF_OBJECT: usize = 10;
/// The most tags of a bucket.
const MOST_OF_BUCKET: usize = 50;
/// What the keys of tags start with that AWS sets itself.
const RESERVED: &str = "aws:";

/// What tags are for: the rules differ a little, and the words that S3 has for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TagsOf {
    /// An object.
    Object,
    /// A bucket, by PutBucketTagging.
    Bucket,
    /// A bucket, by CreateBucket.
    NewBucket,
    /// A bucket, by TagResource of the S3 Control API.
    Resource,
}

impl TagsOf {
    /// Refuses tags that S3 refuses.
    ///
    /// # Errors
    /// `InvalidTag`; `BadRequest` or `TooManyTags` for too many.
    pub fn check(self, tags: &[Tag]) -> Result<(), S3Error> {
        self.check_count(tags.len())?;
        for (index, tag) in tags.iter().enumerate() {
            if tags[..index].iter().any(|other| other.key == tag.key) {
                return Err(self.duplicate(tag));
            }
            self.check_reserved(tag)?;
            tag.check().map_err(|invalid| self.invalid(tag, invalid))?;
        }
        Ok(())
    }

    /// Refuses more tags than there may be.
    ///
    /// # Errors
    /// `BadRequest`, `TooManyTags`.
    pub fn check_count(self, count: usize) -> Result<(), S3Error> {
        match self {
            Self::Object if count > MOST_OF_OBJECT => Err(S3Error::too_many_object_tags()),
            Self::Bucket | Self::NewBucket if count > MOST_OF_BUCKET => Err(S3Error::too_many_bucket_tags()),
            Self::Resource if count > MOST_OF_BUCKET => Err(S3Error::too_many_resource_tags()),
            _ => Ok(()),
        }
    }

    fn duplicate(self, tag: &Tag) -> S3Error {
        if self == Self::Resource {
            let message = "There are duplicate tag keys in your request. Remove the duplicate tag keys and try again.";
            return S3Error::invalid_tag(message);
        }
        S3Error::invalid_tag("Cannot provide multiple Tags with the same key").with("TagKey", &tag.key)
    }

    fn check_reserved(self, tag: &Tag) -> Result<(), S3Error> {
        let is_reserved = tag.key.starts_with(RESERVED);
        let looks_reserved = tag.key.get(..RESERVED.len()).is_some_and(|start| start.eq_ignore_ascii_case(RESERVED));
        let message = match self {
            Self::Object if is_reserved => "Your TagKey cannot be prefixed with aws:",
            Self::Bucket if is_reserved => "System tags cannot be added/updated by requester",
            Self::Bucket if looks_reserved => {
                "Invalid Tag. Tags cannot start with \"aws:\"(case insensitive) unless they are System Tags that start \
                 with \"aws:\"(case sensitive)"
            }
            Self::NewBucket | Self::Resource if looks_reserved => {
                let message = "User-defined tag keys can't start with \"aws:\". This prefix is reserved for system \
                               tags. Remove \"aws:\" from your tag keys and try again.";
                return Err(S3Error::invalid_tag(message));
            }
            _ => return Ok(()),
        };
        Err(S3Error::invalid_tag(message).with("TagKey", &tag.key))
    }

    fn invalid(self, tag: &Tag, invalid: InvalidTag) -> S3Error {
        if self == Self::Resource {
            let message = "This request contains a tag key or value that isn't valid. Valid characters include the \
                           following: [a-zA-Z+-=._:/]. Tag keys can contain up to 128 characters. Tag values can \
                           contain up to 256 characters.";
            return S3Error::invalid_tag(message);
        }
        S3Error::impossible_tag(tag, invalid)
    }
}

/// Reads `x-amz-tagging`: the tags of an object as a query string. Without it there are none.
///
/// # Errors
/// `InvalidTag`, `InvalidArgument`, `BadRequest`.
pub fn parse_tagging_header(headers: &Headers) -> Result<Vec<Tag>, S3Error> {
    let Some(text) = headers.text(TAGGING)?.filter(|text| !text.is_empty()) else { return Ok(Vec::new()) };
    let tags = read_tagging(text).ok_or_else(|| S3Error::invalid_tagging_header(text))?;
    // A header has room for thousands, and each is compared with all others.
    TagsOf::Object.check_count(tags.len())?;
    let is_repeated = |(index, tag): (usize, &Tag)| tags[..index].iter().any(|other| other.key == tag.key);
    if tags.iter().enumerate().any(is_repeated) {
        return Err(S3Error::invalid_tagging_header(text));
    }
    TagsOf::Object.check(&tags)?;
    Ok(tags)
}

/// Tags in a query string, whatever they are; `None` if it is none. A `=` that means itself is encoded.
pub(crate) fn read_tagging(text: &str) -> Option<Vec<Tag>> {
    if text.split('&').any(|pair| pair.bytes().filter(|byte| *byte == b'=').count() > 1) {
        return None;
    }
    let query = Query::parse(text).ok()?;
    Some(query.iter().map(|(key, value)| Tag::new(key, value)).collect())
}

/// Tags as the store keeps those of objects.
#[must_use]
pub(crate) fn pairs(tags: Vec<Tag>) -> Vec<(String, String)> {
    tags.into_iter().map(|tag| (tag.key, tag.value)).collect()
}

/// The header with the tags of a new object.
pub(crate) const TAGGING: &str = "x-amz-tagging";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::headers::headers;

    fn parse(value: &str) -> Result<Vec<Tag>, &'static str> {
        parse_tagging_header(&headers(&[(TAGGING, value)])).map_err(|error| error.code())
    }

    /// The code, the message and the key that the error names.
    fn refusal(of: TagsOf, tags: &[(&str, &str)]) -> Option<(&'static str, String, Option<String>)> {
        let tags: Vec<Tag> = tags.iter().map(|(key, value)| Tag::new(*key, *value)).collect();
        let error = of.check(&tags).err()?;
        Some((error.code(), error.message().to_owned(), error.element("TagKey").map(str::to_owned)))
    }

    #[test]
    fn the_header_is_a_query_string() {
        assert_eq!(parse("a=1&b=x%20y&c=").unwrap(), [Tag::new("a", "1"), Tag::new("b", "x y"), Tag::new("c", "")]);
        assert_eq!(parse("foo=bar&bar").unwrap(), [Tag::new("foo", "bar"), Tag::new("bar", "")]);
        assert_eq!(parse("a=b%3Dc+d").unwrap(), [Tag::new("a", "b=c d")]);
        assert_eq!(parse(""), Ok(vec![]));
    }

    #[test]
    fn bad_headers_are_refused() {
        assert_eq!(parse("a=1&a=2"), Err("InvalidArgument"));
        assert_eq!(parse("a=b=c"), Err("InvalidArgument"));
        assert_eq!(parse("a=%zz"), Err("InvalidArgument"));
        assert_eq!(parse("a=%ff"), Err("InvalidArgument"));
        assert_eq!(parse("=1"), Err("InvalidTag"));
        assert_eq!(parse("a=%3Cb%3E"), Err("InvalidTag"));
        assert_eq!(parse("aws:a=1"), Err("InvalidTag"));
        assert_eq!(parse(&format!("{}=1", "k".repeat(129))), Err("InvalidTag"));
        assert_eq!(parse(&format!("k={}", "v".repeat(257))), Err("InvalidTag"));
        let eleven: Vec<_> = (0..11).map(|n| format!("k{n}=v")).collect();
        assert_eq!(parse(&eleven.join("&")), Err("BadRequest"));
        let twice = headers(&[(TAGGING, "a=1"), (TAGGING, "b=1")]);
        assert_eq!(parse_tagging_header(&twice).unwrap_err().code(), "InvalidArgument");
    }

    #[test]
    fn there_are_as_many_tags_as_the_subject_may_have() {
        for (of, most, code) in [
            (TagsOf::Object, 10, "BadRequest"),
            (TagsOf::Bucket, 50, "BadRequest"),
            (TagsOf::NewBucket, 50, "BadRequest"),
            (TagsOf::Resource, 50, "TooManyTags"),
        ] {
            let mut tags: Vec<Tag> = (0..most).map(|n| Tag::new(format!("k{n}"), "v")).collect();
            assert!(of.check(&tags).is_ok(), "{of:?}");
            tags.push(Tag::new("more", ""));
            assert_eq!(of.check(&tags).unwrap_err().code(), code, "{of:?}");
        }
    }

    #[test]
    fn reserved_keys_are_refused_in_the_words_of_each_api() {
        let message = |of, key: &str| refusal(of, &[(key, "v")]).map(|(_, message, _)| message);
        for (of, start) in [
            (TagsOf::Object, "Your TagKey cannot"),
            (TagsOf::Bucket, "System tags cannot"),
            (TagsOf::NewBucket, "User-defined tag keys"),
            (TagsOf::Resource, "User-defined tag keys"),
        ] {
            assert!(message(of, "aws:a").unwrap().starts_with(start), "{of:?}");
            assert_eq!(message(of, "not-aws:a"), None);
            assert_eq!(message(of, "aws"), None);
        }
        assert!(message(TagsOf::Bucket, "AWS:a").unwrap().starts_with("Invalid Tag. Tags cannot start with"));
        assert!(message(TagsOf::Resource, "Aws:a").is_some());
    }

    #[test]
    fn the_same_key_twice_is_refused() {
        let twice = [("a", "1"), ("b", ""), ("a", "1")];
        let (code, message, key) = refusal(TagsOf::Bucket, &twice).unwrap();
        assert_eq!((code, key.as_deref()), ("InvalidTag", Some("a")));
        assert_eq!(message, "Cannot provide multiple Tags with the same key");
        assert!(refusal(TagsOf::Resource, &twice).unwrap().1.starts_with("There are duplicate"));
        assert_eq!(refusal(TagsOf::Object, &[("a", "1"), ("A", "1")]), None, "keys have a case");
    }

    #[test]
    fn a_bad_value_names_its_tag() {
        let error = TagsOf::Object.check(&[Tag::new("k", "a!")]).unwrap_err();
        assert_eq!((error.element("TagKey"), error.element("TagValue")), (Some("k"), Some("a!")));
        let error = TagsOf::Resource.check(&[Tag::new("k", "a!")]).unwrap_err();
        assert_eq!((error.code(), error.element("TagKey")), ("InvalidTag", None));
    }
}

//! Entity tags on the wire.

/// The ETag with quotes around it, as in headers and in most XML.
#[must_use]
pub fn quoted(etag: &str) -> String {
    format!("\"{etag}\"")
}

/// The value of `If-Match` or `If-None-Match`.
#[derive(Debug, PartialEq, Eq)]
pub enum ETagCondition {
    /// `*`: any object.
    Any,
    /// One of these, without quotes.
    OneOf(Vec<String>),
}

impl ETagCondition {
    /// Parses the value of the header. S3 takes ETags with and without quotes.
    #[must_use]
    pub fn parse(value: &str) -> Self {
        if value.trim() == "*" {
            return Self::Any;
        }
        let bare = |etag: &str| {
            let etag = etag.trim();
            etag.strip_prefix("W/").unwrap_or(etag).trim_matches('"').to_owned()
        };
        Self::OneOf(value.split(',').map(bare).collect())
    }

    /// Whether an object with `etag`, without quotes, is meant.
    #[must_use]
    pub fn matches(&self, etag: &str) -> bool {
        match self {
            Self::Any => true,
            Self::OneOf(etags) => etags.iter().any(|other| other == etag),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_do_not_matter() {
        for value in ["abc", "\"abc\"", " \"abc\" ", "\"x\", \"abc\"", "W/\"abc\""] {
            assert!(ETagCondition::parse(value).matches("abc"), "{value}");
        }
    }

    #[test]
    fn a_star_means_any_and_nothing_else_does() {
        assert!(ETagCondition::parse("*").matches("abc"));
        for value in ["\"*\"", "", "ab", "abcd", "ABC"] {
            assert!(!ETagCondition::parse(value).matches("abc"), "{value}");
        }
    }
}

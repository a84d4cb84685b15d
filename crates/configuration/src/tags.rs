//! Tags of buckets and objects.

use minicbor::{Decode, Encode};

/// The most characters of a key, and of a value, in code units of UTF-16, as S3 counts.
const MOST_KEY_UNITS: usize = 128;
const MOST_VALUE_UNITS: usize = 256;

/// A tag.
#[derive(Encode, Decode, Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[cbor(map)]
pub struct Tag {
    /// What it is called: unique in its set.
    #[n(0)]
    pub key: String,
    /// What it says; may be empty.
    #[n(1)]
    pub value: String,
}

/// The half of a tag that cannot be one's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvalidTag {
    /// The key is empty, too long, or has characters that no tag has.
    Key,
    /// The value is too long, or has characters that no tag has.
    Value,
}

impl Tag {
    /// A tag.
    #[must_use]
    pub fn new(key: impl Into<String>, value: impl Into<String>) -> Self {
        Self { key: key.into(), value: value.into() }
    }

    /// Whether key and value are ones that a tag can have.
    ///
    /// # Errors
    /// [`InvalidTag`].
    pub fn check(&self) -> Result<(), InvalidTag> {
        if self.key.is_empty() || !is_text(&self.key, MOST_KEY_UNITS) {
            return Err(InvalidTag::Key);
        }
        if is_text(&self.value, MOST_VALUE_UNITS) { Ok(()) } else { Err(InvalidTag::Value) }
    }
}

fn is_text(text: &str, most_units: usize) -> bool {
    text.encode_utf16().nth(most_units).is_none() && text.chars().all(is_allowed)
}

/// Letters, digits and separators of any script, and the marks that AWS lists.
fn is_allowed(c: char) -> bool {
    c.is_alphanumeric() || (c.is_whitespace() && !c.is_control()) || "_.:/=+-@".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(key: &str, value: &str) -> Result<(), InvalidTag> {
        Tag::new(key, value).check()
    }

    #[test]
    fn a_tag_is_encoded_as_specified() {
        // {0: "k", 1: ""}
        assert_eq!(minicbor::to_vec(Tag::new("k", "")).unwrap(), [0xa2, 0x00, 0x61, b'k', 0x01, 0x60]);
    }

    #[test]
    fn letters_of_any_script_spaces_and_some_marks_make_a_tag() {
        for text in ["a", "Cost Center", "環境", "number-Ⅷ-²", "+-=._:/@", "a\u{a0}b", "ü"] {
            assert_eq!(check(text, text), Ok(()), "{text}");
        }
        assert_eq!(check("k", ""), Ok(()));
    }

    #[test]
    fn other_marks_and_control_characters_do_not() {
        for text in
            ["a!", "<b>", "a,b", "a;b", "a*", "a#b", "a%b", "(a)", "a\tb", "a\nb", "a\u{85}", "😀", "a\\b", "\"", "\0"]
        {
            assert_eq!(check(text, ""), Err(InvalidTag::Key), "{text}");
            assert_eq!(check("k", text), Err(InvalidTag::Value), "{text}");
        }
        assert_eq!(check("", "v"), Err(InvalidTag::Key));
    }

    #[test]
    fn lengths_are_counted_in_utf16() {
        assert_eq!(check(&"k".repeat(128), &"v".repeat(256)), Ok(()));
        assert_eq!(check(&"k".repeat(129), ""), Err(InvalidTag::Key));
        assert_eq!(check("k", &"v".repeat(257)), Err(InvalidTag::Value));
        assert_eq!(check(&"𐐀".repeat(64), &"𐐀".repeat(128)), Ok(()));
        assert_eq!(check(&"𐐀".repeat(65), ""), Err(InvalidTag::Key));
        assert_eq!(check("k", &"𐐀".repeat(129)), Err(InvalidTag::Value));
    }
}

//! Names that cannot be wrong: parsed once at the edge.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use coffer_crypto::random_array;
use thiserror::Error;

/// Most bytes of UTF-8 in an object key.
pub const MAX_OBJECT_KEY_LEN: usize = 1024;

/// The name of a bucket that may exist.
///
/// A name is judged when a bucket is created (see [`BucketName::for_creation`]); a name that only looks one up
/// needs no more than to be short enough to be a row key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BucketName(String);

/// A bucket name that AWS's rules forbid.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("invalid bucket name")]
pub struct InvalidBucketName;

impl BucketName {
    /// Takes a name to look a bucket up with; `None` when no bucket can have it.
    #[must_use]
    pub fn for_lookup(name: &str) -> Option<Self> {
        Self::for_creation(name).ok()
    }

    /// Takes a name for a new bucket.
    ///
    /// The rules are those of general purpose buckets in the S3 User Guide: 3-63 characters of `a-z`, `0-9`, `.` and
    /// `-`, beginning and ending with a letter or digit, no two dots together, not an IPv4 address, and none of the
    /// reserved prefixes and suffixes.
    ///
    /// # Errors
    /// [`InvalidBucketName`].
    pub fn for_creation(name: &str) -> Result<Self, InvalidBucketName> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let bytes = name.as_bytes();
        let good = (3..=63).contains(&bytes.len())
            && bytes.iter().all(|&b| allowed(b) || b == b'.' || b == b'-')
            && bytes.first().is_some_and(|&b| allowed(b))
            && bytes.last().is_some_and(|&b| allowed(b))
            && !name.contains("..")
            && name.parse::<std::net::Ipv4Addr>().is_err()
            && !["xn--", "sthree-", "amzn-s3-demo-"].iter().any(|prefix| name.starts_with(prefix))
            && !["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"].iter().any(|suffix| name.ends_with(suffix));
        if good { Ok(Self(name.to_owned())) } else { Err(InvalidBucketName) }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The name of an object: 1 to 1,024 bytes of UTF-8, kept as received and never normalised.
///
/// It has no `Debug`: names of customers' objects stay out of logs.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey(String);

/// Why a string is not an object key.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum InvalidObjectKey {
    /// It is empty.
    #[error("empty object key")]
    Empty,
    /// It has more than [`MAX_OBJECT_KEY_LEN`] bytes.
    #[error("object key of {0} bytes")]
    TooLong(usize),
}

impl ObjectKey {
    /// Takes an object key.
    ///
    /// # Errors
    /// [`InvalidObjectKey`].
    pub fn new(key: impl Into<String>) -> Result<Self, InvalidObjectKey> {
        let key = key.into();
        match key.len() {
            0 => Err(InvalidObjectKey::Empty),
            1..=MAX_OBJECT_KEY_LEN => Ok(Self(key)),
            len => Err(InvalidObjectKey::TooLong(len)),
        }
    }

    /// The key.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key's bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// Who an object version or an upload is, for ever: 48 bits of time (milliseconds since 1970) and 80 random bits.
///
/// The sealed format binds keys to it. An upload's id becomes the instance of the object that it completes to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstanceId(pub [u8; 16]);

impl InstanceId {
    /// Makes a new one at the time `now_ms`.
    #[must_use]
    pub fn new(now_ms: u64) -> Self {
        let mut id = random_array::<16>();
        id[..6].copy_from_slice(&now_ms.to_be_bytes()[2..]);
        Self(id)
    }

    /// Reads the text form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        // The canonical text only: an id has one spelling.
        let id = Self(hex::decode(text).ok()?.try_into().ok()?);
        (id.to_string() == text).then_some(id)
    }
}

/// Which version of an object.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum VersionId {
    /// `null`: the one that was written while versioning was not enabled.
    Null,
    /// One that was written while versioning was enabled.
    Made {
        /// Where among the versions of its key it stands: a later one has more.
        order: u64,
        /// Who it is.
        instance: InstanceId,
    },
}

impl VersionId {
    /// Reads the text form: `null`, or 32 characters of the URL-safe base64 of [`order`](Self::Made) and instance.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text == "null" {
            return Some(Self::Null);
        }
        let bytes: [u8; 24] = URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?;
        let (order, instance) = bytes.split_first_chunk::<8>()?;
        Some(Self::Made { order: u64::from_be_bytes(*order), instance: InstanceId(instance.try_into().ok()?) })
    }
}

impl fmt::Display for VersionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Made { order, instance } => {
                f.write_str(&URL_SAFE_NO_PAD.encode([&order.to_be_bytes()[..], &instance.0].concat()))
            }
        }
    }
}

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_ids_have_one_text_of_32_characters() {
        let id = VersionId::Made { order: u64::MAX - 1, instance: InstanceId([0xfb; 16]) };
        let text = id.to_string();
        assert_eq!(text.len(), 32);
        assert_eq!(VersionId::parse(&text), Some(id));
        assert_eq!(VersionId::parse("null"), Some(VersionId::Null));
        for other in
            ["", "Null", &text[1..], &format!("{text}="), &format!("{text}A"), "+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/"]
        {
            assert_eq!(VersionId::parse(other), None, "{other}");
        }
    }

    fn check(name: &str, good: bool) {
        assert_eq!(BucketName::for_creation(name).is_ok(), good, "{name:?}");
    }

    #[test]
    fn bucket_names_follow_the_rules_of_aws() {
        for name in ["abc", "a-b", "a.b.c", "123", "0ab", &"a".repeat(63)] {
            check(name, true);
        }
        for name in
            ["", "ab", "Abc", "a_b", "-ab", "ab-", ".ab", "ab.", "a..b", "192.168.5.4", "xn--abc", "abc-s3alias"]
        {
            check(name, false);
        }
        check(&"a".repeat(64), false);
        check("a/b", false);
        check("aé", false);
    }

    #[test]
    fn object_keys_have_1_to_1024_bytes() {
        assert_eq!(ObjectKey::new("").err(), Some(InvalidObjectKey::Empty));
        assert!(ObjectKey::new("a//b/../c").is_ok());
        assert!(ObjectKey::new("é".repeat(512)).is_ok());
        assert_eq!(ObjectKey::new("é".repeat(513)).err(), Some(InvalidObjectKey::TooLong(1026)));
    }

    #[test]
    fn instance_ids_order_by_time_and_read_back() {
        let (early, late) = (InstanceId::new(1_000), InstanceId::new(2_000));
        assert!(early < late);
        assert_eq!(InstanceId::parse(&late.to_string()), Some(late));
        assert_eq!(InstanceId::parse(&late.to_string().to_uppercase()), None);
        assert_eq!(InstanceId::parse("00"), None);
    }
}

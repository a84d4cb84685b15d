//! The rules of bucket names.

use std::net::Ipv4Addr;

/// Whether a bucket may be created under this name.
///
/// 3 to 63 lower-case letters, digits, dots and dashes, letter or digit at both ends, labels without dots side by
/// side, not an IPv4 address, none of the prefixes and suffixes that AWS reserves.
#[must_use]
pub fn is_valid_bucket_name(name: &str) -> bool {
    let alphanumeric = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = name.as_bytes();
    (3..=63).contains(&bytes.len())
        && bytes.iter().all(|byte| alphanumeric(byte) || matches!(byte, b'.' | b'-'))
        && bytes.first().is_some_and(alphanumeric)
        && bytes.last().is_some_and(alphanumeric)
        && !name.contains("..")
        && name.parse::<Ipv4Addr>().is_err()
        && !RESERVED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        && !RESERVED_SUFFIXES.iter().any(|suffix| name.ends_with(suffix))
}

/// Whether a bucket of this name may exist: the wider rules of before 2018. Others are `InvalidBucketName` in
/// every operation, not `NoSuchBucket`.
#[must_use]
pub fn may_be_a_bucket(name: &str) -> bool {
    (3..=255).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
}

const RESERVED_PREFIXES: [&str; 3] = ["xn--", "sthree-", "amzn-s3-demo-"];
const RESERVED_SUFFIXES: [&str; 5] = ["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_names() {
        for name in ["abc", "my.bucket-1", "0-0", "1.2.3", "1.2.3.4.5", "a".repeat(63).as_str()] {
            assert!(is_valid_bucket_name(name), "{name}");
        }
    }

    #[test]
    fn bad_names() {
        for name in [
            "",
            "ab",
            "Abc",
            "a_c",
            "a c",
            "-abc",
            "abc-",
            ".abc",
            "abc.",
            "a..b",
            "192.168.5.4",
            "xn--abc",
            "sthree-abc",
            "amzn-s3-demo-x",
            "abc-s3alias",
            "abc--ol-s3",
            "abc.mrap",
            "abc--x-s3",
            "abc--table-s3",
            "abcü",
            "ab/c",
            "ab%",
            "ab\0",
            "a".repeat(64).as_str(),
        ] {
            assert!(!is_valid_bucket_name(name), "{name}");
        }
    }

    #[test]
    fn old_names_may_exist() {
        assert!(may_be_a_bucket("My_Bucket."));
        for name in ["", "ab", "a b", "..%2f", "ü12", "a".repeat(256).as_str()] {
            assert!(!may_be_a_bucket(name), "{name}");
        }
    }
}

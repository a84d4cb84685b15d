//! Which names can be a bucket's at all.

/// Whether a bucket of this name may exist anywhere on S3: 3 to 255 ASCII letters, digits, dots, dashes and
/// underscores, the rules of before 2018. Other names are `InvalidBucketName` in every operation, not
/// `NoSuchBucket`.
#[must_use]
pub fn may_be_a_bucket(name: &str) -> bool {
    (3..=255).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_all_times_may_exist() {
        for name in ["abc", "my.bucket-1", "My_Bucket.", "a".repeat(255).as_str()] {
            assert!(may_be_a_bucket(name), "{name}");
        }
    }

    #[test]
    fn other_names_may_not() {
        for name in ["", "ab", "a b", "a/b", "..%2f", "ab\0", "ü12", "a".repeat(256).as_str()] {
            assert!(!may_be_a_bucket(name), "{name}");
        }
    }
}

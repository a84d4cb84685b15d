//! The cryptographic module behind everything here.

/// Whether the module runs in its FIPS mode: it was built with the feature `fips`, and its self-tests passed.
#[must_use]
pub fn is_fips() -> bool {
    aws_lc_rs::try_fips_mode().is_ok()
}

/// Name and version of the module: `AWS-LC 1.66.0`, `AWS-LC FIPS 3.1.0`.
#[must_use]
pub fn module_name() -> String {
    let name = if is_fips() { "AWS-LC FIPS" } else { "AWS-LC" };
    format!("{name} {}", aws_lc_rs::awslc_version())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_module_is_the_one_that_was_asked_for() {
        assert_eq!(is_fips(), cfg!(feature = "fips"));
        assert_eq!(module_name().starts_with("AWS-LC FIPS "), cfg!(feature = "fips"));
    }
}

//! What parameters must be, and AWS's sentence about those that are not.

use std::fmt::Display;

use coffer_iam::ApiError;

use crate::error::{api_error, validation};

/// Gathers what is wrong with the parameters of a request; all of it is told at once.
#[derive(Default)]
pub(super) struct Constraints(Vec<String>);

impl Constraints {
    /// A parameter that has to be there; an empty text if it is not.
    pub(super) fn required<'a>(&mut self, name: &str, value: Option<&'a str>) -> &'a str {
        if value.is_none() {
            self.0.push(format!("Value null at '{name}' failed to satisfy constraint: Member must not be null"));
        }
        value.unwrap_or_default()
    }

    /// A list that has to be there.
    pub(super) fn present(&mut self, name: &str, is_present: bool) {
        if !is_present {
            self.required(name, None);
        }
    }

    /// A text of at least `min` and at most `max` characters.
    pub(super) fn length(&mut self, name: &str, value: Option<&str>, min: usize, max: usize) {
        let Some(value) = value else { return };
        match value.chars().count() {
            len if len < min => {
                self.violated(name, value, &format!("Member must have length greater than or equal to {min}"));
            }
            len if len > max => {
                self.violated(name, value, &format!("Member must have length less than or equal to {max}"));
            }
            _ => {}
        }
    }

    /// A text of which every character is one that `pattern` names and `is_allowed` lets through.
    pub(super) fn characters(
        &mut self,
        name: &str,
        value: Option<&str>,
        pattern: &str,
        is_allowed: impl Fn(char) -> bool,
    ) {
        if let Some(value) = value.filter(|value| !value.chars().all(is_allowed)) {
            self.violated(name, value, &format!("Member must satisfy regular expression pattern: {pattern}"));
        }
    }

    /// A number from `min` to `max`.
    pub(super) fn range(&mut self, name: &str, value: Option<i64>, min: i64, max: i64) {
        match value {
            Some(value) if value < min => {
                self.violated(name, value, &format!("Member must have value greater than or equal to {min}"));
            }
            Some(value) if value > max => {
                self.violated(name, value, &format!("Member must have value less than or equal to {max}"));
            }
            _ => {}
        }
    }

    /// One of some words.
    pub(super) fn one_of(&mut self, name: &str, value: Option<&str>, words: &[&str]) {
        if let Some(value) = value.filter(|value| !words.contains(value)) {
            self.violated(name, value, &format!("Member must satisfy enum value set: [{}]", words.join(", ")));
        }
    }

    /// # Errors
    /// `ValidationException`, if anything is wrong.
    pub(super) fn check(self) -> Result<(), ApiError> {
        let (count, violations) = (self.0.len(), self.0.join("; "));
        match count {
            0 => Ok(()),
            1 => Err(api_error(validation(format!("1 validation error detected: {violations}")))),
            _ => Err(api_error(validation(format!("{count} validation errors detected: {violations}")))),
        }
    }

    fn violated(&mut self, name: &str, value: impl Display, constraint: &str) {
        self.0.push(format!("Value '{value}' at '{name}' failed to satisfy constraint: {constraint}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_wrong_is_told_in_the_words_of_aws() {
        let mut constraints = Constraints::default();
        constraints.range("limit", Some(0), 1, 1000);
        constraints.range("limit", Some(1001), 1, 1000);
        constraints.length("aliasName", Some(""), 1, 256);
        constraints.length("description", Some("äöü"), 0, 2);
        constraints.one_of("keySpec", Some("AES"), &["SYMMETRIC_DEFAULT", "RSA_2048"]);
        constraints.characters("aliasName", Some("a b"), "^[a-z]+$", |c| c.is_ascii_lowercase());
        constraints.required("keyId", None);
        assert_eq!(
            constraints.check().unwrap_err().message(),
            "7 validation errors detected: \
             Value '0' at 'limit' failed to satisfy constraint: Member must have value greater than or equal to 1; \
             Value '1001' at 'limit' failed to satisfy constraint: Member must have value less than or equal to 1000; \
             Value '' at 'aliasName' failed to satisfy constraint: Member must have length greater than or equal to 1; \
             Value 'äöü' at 'description' failed to satisfy constraint: Member must have length less than or equal to 2; \
             Value 'AES' at 'keySpec' failed to satisfy constraint: Member must satisfy enum value set: \
             [SYMMETRIC_DEFAULT, RSA_2048]; \
             Value 'a b' at 'aliasName' failed to satisfy constraint: Member must satisfy regular expression pattern: \
             ^[a-z]+$; \
             Value null at 'keyId' failed to satisfy constraint: Member must not be null"
        );
    }

    #[test]
    fn what_is_absent_or_at_the_bounds_is_right() {
        let mut constraints = Constraints::default();
        constraints.range("limit", None, 1, 1000);
        constraints.range("limit", Some(1), 1, 1000);
        constraints.range("limit", Some(1000), 1, 1000);
        constraints.length("description", Some("äö"), 0, 2);
        constraints.length("description", None, 1, 2);
        constraints.one_of("keySpec", None, &[]);
        assert_eq!(constraints.required("keyId", Some("a")), "a");
        assert!(constraints.check().is_ok());
    }
}

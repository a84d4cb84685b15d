//! What a request says about itself, under the names of the condition keys.

use std::collections::HashMap;

/// Condition keys and their values. Names are case-insensitive. A key that is not there is absent, which is not the
/// same as one with an empty value or with no values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Context(HashMap<String, Vec<String>>);

impl Context {
    /// A context without keys.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a key with one value.
    pub fn set(&mut self, key: &str, value: impl Into<String>) {
        self.0.insert(key.to_ascii_lowercase(), vec![value.into()]);
    }

    /// Sets a key with one value, if there is one.
    pub fn set_if(&mut self, key: &str, value: Option<impl Into<String>>) {
        if let Some(value) = value {
            self.set(key, value);
        }
    }

    /// Sets a key with any number of values, such as `aws:TagKeys`.
    pub fn set_all(&mut self, key: &str, values: Vec<String>) {
        self.0.insert(key.to_ascii_lowercase(), values);
    }

    /// The values of a key; `None` when it is absent.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&[String]> {
        self.0.get(&key.to_ascii_lowercase()).map(Vec::as_slice)
    }
}

/// The keys of a caller and those of a request. What is known of the caller goes before what the request says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Keys<'a> {
    pub(crate) caller: &'a Context,
    pub(crate) request: &'a Context,
}

impl<'a> Keys<'a> {
    /// The values of a key; `None` when it is absent.
    pub(crate) fn get(&self, key: &str) -> Option<&'a [String]> {
        self.caller.get(key).or_else(|| self.request.get(key))
    }
}

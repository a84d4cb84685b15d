//! The parameters of the query protocol: `Action=CreateUser&UserName=bob&Tags.member.1.Key=...`.

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;

use crate::error::ApiError;
use crate::records::TagRecord;

/// The most parameters of a request: fifty tags and a list of everything else are a few hundred.
const MOST: usize = 2000;
/// The longest name of a parameter, in bytes.
pub(crate) const MAX_NAME_LEN: usize = 256;

/// Decoded parameters. There is no `Debug`: they may hold tokens.
#[derive(Default)]
pub(crate) struct Params(BTreeMap<String, String>);

impl Params {
    /// Reads a form body or a query string. Of a parameter that is there twice, the first one counts.
    ///
    /// # Errors
    /// `MalformedQueryString` when it cannot be decoded to UTF-8, and as [`Params::insert`].
    pub(crate) fn parse(form: &str) -> Result<Self, ApiError> {
        let mut params = Self::default();
        for pair in form.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            params.insert(&decode(name)?, decode(value)?)?;
        }
        Ok(params)
    }

    /// Adds a parameter, unless it is there. What a request may make of a few bytes is bounded: whoever sends it need
    /// not have said who they are.
    ///
    /// # Errors
    /// `MalformedQueryString` for too many parameters and for names that are too long.
    pub(crate) fn insert(&mut self, name: &str, value: String) -> Result<(), ApiError> {
        if name.len() > MAX_NAME_LEN || self.0.len() >= MOST {
            return Err(malformed_query());
        }
        self.0.entry(name.to_owned()).or_insert(value);
        Ok(())
    }

    /// A parameter, as it was sent.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// A parameter that must be there.
    ///
    /// # Errors
    /// `ValidationError`.
    pub(crate) fn required(&self, name: &str) -> Result<&str, ApiError> {
        self.get(name).ok_or_else(|| invalid(name, None, "Member must not be null"))
    }

    /// A name of an entity: letters, digits and `+=,.@_-`, at most `max_len` of them.
    ///
    /// # Errors
    /// `ValidationError`.
    pub(crate) fn name(&self, name: &str, max_len: usize) -> Result<&str, ApiError> {
        check_name(name, self.required(name)?, max_len)
    }

    /// A name of an entity that need not be there.
    ///
    /// # Errors
    /// `ValidationError`.
    pub(crate) fn optional_name(&self, name: &str, max_len: usize) -> Result<Option<&str>, ApiError> {
        self.get(name).map(|value| check_name(name, value, max_len)).transpose()
    }

    /// A path: `/` unless something else is said.
    ///
    /// # Errors
    /// `ValidationError` unless it starts and ends with `/` and is visible ASCII.
    pub(crate) fn path(&self, name: &str) -> Result<&str, ApiError> {
        let path = self.get(name).unwrap_or("/");
        let sound = path.starts_with('/')
            && path.ends_with('/')
            && path.len() <= 512
            && path.bytes().all(|byte| byte.is_ascii_graphic());
        if sound {
            return Ok(path);
        }
        let message = "The specified value for path is invalid. It must begin and end with / and contain only \
                       alphanumeric characters and/or / characters.";
        Err(ApiError::validation(message))
    }

    /// A whole number within bounds, if it is there.
    ///
    /// # Errors
    /// `ValidationError`.
    pub(crate) fn number(&self, name: &str, min: u32, max: u32) -> Result<Option<u32>, ApiError> {
        let Some(text) = self.get(name) else { return Ok(None) };
        match text.parse::<u32>() {
            Ok(number) if number < min => {
                let must = format!("Member must have value greater than or equal to {min}");
                Err(invalid(name, Some(text), &must))
            }
            Ok(number) if number > max => {
                Err(invalid(name, Some(text), &format!("Member must have value less than or equal to {max}")))
            }
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(invalid(name, Some(text), "Member must be a number")),
        }
    }

    /// `true` or `false`, if it is there.
    ///
    /// # Errors
    /// `ValidationError`.
    pub(crate) fn flag(&self, name: &str) -> Result<Option<bool>, ApiError> {
        match self.get(name) {
            None => Ok(None),
            Some(text) if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
            Some(text) if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
            Some(text) => Err(invalid(name, Some(text), "Member must be true or false")),
        }
    }

    /// One of a few words, if it is there.
    ///
    /// # Errors
    /// `ValidationError`.
    pub(crate) fn one_of(&self, name: &str, words: &[&str]) -> Result<Option<&str>, ApiError> {
        match self.get(name) {
            Some(text) if !words.contains(&text) => {
                let must = format!("Member must satisfy enum value set: [{}]", words.join(", "));
                Err(invalid(name, Some(text), &must))
            }
            text => Ok(text),
        }
    }

    /// A list: `NAME.member.1`, `NAME.member.2` ...
    pub(crate) fn list(&self, name: &str) -> Vec<&str> {
        (1..).map_while(|index: usize| self.get(&format!("{name}.member.{index}"))).collect()
    }

    /// Tags: `Tags.member.1.Key`, `Tags.member.1.Value` ...
    ///
    /// # Errors
    /// `ValidationError`, `InvalidInput`, `LimitExceeded`.
    pub(crate) fn tags(&self, name: &str) -> Result<Vec<TagRecord>, ApiError> {
        const MOST: usize = 50;
        let mut tags: Vec<TagRecord> = Vec::new();
        for index in 1_usize.. {
            let Some(key) = self.get(&format!("{name}.member.{index}.Key")) else { break };
            if tags.len() == MOST {
                return Err(ApiError::limit_exceeded(format!(
                    "The number of tags has reached the maximum limit of {MOST}."
                )));
            }
            let value_name = format!("{name}.member.{index}.Value");
            let value = self.get(&value_name).ok_or_else(|| invalid(&value_name, None, "Member must not be null"))?;
            if key.is_empty() || key.chars().count() > 128 {
                let must = "Member must have length between 1 and 128";
                return Err(invalid(&format!("{name}.{index}.member.key"), Some(key), must));
            }
            if value.chars().count() > 256 {
                let must = "Member must have length less than or equal to 256";
                return Err(invalid(&format!("{name}.{index}.member.value"), Some(value), must));
            }
            if tags.iter().any(|tag| tag.key.eq_ignore_ascii_case(key)) {
                let message = "Duplicate tag keys found. Please note that Tag keys are case insensitive.";
                return Err(ApiError::invalid_input(message));
            }
            tags.push(TagRecord { key: key.to_owned(), value: value.to_owned() });
        }
        Ok(tags)
    }
}

/// `ValidationError` in the words of AWS's model validation.
pub(crate) fn invalid(name: &str, value: Option<&str>, must: &str) -> ApiError {
    let mut field = name.to_owned();
    if let Some(first) = field.get_mut(..1) {
        first.make_ascii_lowercase();
    }
    let value = value.map_or_else(|| "null".to_owned(), |value| format!("'{}'", shortened(value)));
    ApiError::validation(format!(
        "1 validation error detected: Value {value} at '{field}' failed to satisfy constraint: {must}"
    ))
}

fn shortened(value: &str) -> String {
    value.chars().take(256).collect()
}

fn check_name<'a>(name: &str, value: &'a str, max_len: usize) -> Result<&'a str, ApiError> {
    if value.is_empty() {
        return Err(invalid(name, Some(value), "Member must have length greater than or equal to 1"));
    }
    if value.len() > max_len {
        return Err(invalid(name, Some(value), &format!("Member must have length less than or equal to {max_len}")));
    }
    if !value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+=,.@_-".contains(&byte)) {
        let message = format!(
            "The specified value for {} is invalid. It must contain only alphanumeric characters and/or the following: \
             +=,.@_-",
            first_lower(name)
        );
        return Err(ApiError::validation(message));
    }
    Ok(value)
}

fn first_lower(name: &str) -> String {
    let mut name = name.to_owned();
    if let Some(first) = name.get_mut(..1) {
        first.make_ascii_lowercase();
    }
    name
}

fn decode(text: &str) -> Result<String, ApiError> {
    let text = text.replace('+', " ");
    match percent_decode_str(&text).decode_utf8() {
        Ok(decoded) => Ok(decoded.into_owned()),
        Err(_) => Err(malformed_query()),
    }
}

/// `MalformedQueryString`
pub(crate) fn malformed_query() -> ApiError {
    let message = "The query string contains a syntax error.";
    ApiError::new(http::StatusCode::BAD_REQUEST, "MalformedQueryString", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(form: &str) -> Params {
        Params::parse(form).unwrap()
    }

    #[test]
    fn values_are_decoded_once() {
        let params = params("Action=A&Name=a+b%2Bc%2525&Empty=&Bare&Name=second");
        assert_eq!(params.get("Name"), Some("a b+c%25"));
        assert_eq!((params.get("Empty"), params.get("Bare"), params.get("No")), (Some(""), Some(""), None));
        assert!(Params::parse("a=%ff").is_err());
    }

    #[test]
    fn a_small_form_does_not_become_many_parameters() {
        let form = |count: usize| (0..count).map(|n| format!("{n}&")).collect::<String>();
        assert!(Params::parse(&form(MOST)).is_ok());
        let refused = |form: &str| Params::parse(form).err().map(|error| error.code());
        assert_eq!(refused(&form(MOST + 1)), Some("MalformedQueryString"));
        assert_eq!(refused(&"n".repeat(MAX_NAME_LEN + 1)), Some("MalformedQueryString"));
    }

    #[test]
    fn a_fifty_first_tag_is_refused_before_it_is_compared() {
        let tag = |n: usize| format!("T.member.{n}.Key=k{n}&T.member.{n}.Value=");
        let form = |count: usize| (1..=count).map(tag).collect::<Vec<_>>().join("&");
        assert_eq!(params(&form(50)).tags("T").ok().map(|tags| tags.len()), Some(50));
        assert_eq!(params(&form(51)).tags("T").err().map(|error| error.code()), Some("LimitExceeded"));
    }

    #[test]
    fn lists_end_at_the_first_gap() {
        assert_eq!(params("L.member.1=a&L.member.2=b&L.member.4=d").list("L"), ["a", "b"]);
    }

    #[test]
    fn names_are_letters_digits_and_a_few_marks() {
        assert_eq!(params("N=a.b@c-d_e,f=g%2Bh").name("N", 64).ok(), Some("a.b@c-d_e,f=g+h"));
        for form in ["", "N=", "N=a/b", "N=%C3%A4", "N=a+b", "N=a%00", &format!("N={}", "a".repeat(65))] {
            assert_eq!(params(form).name("N", 64).err().map(|error| error.code()), Some("ValidationError"), "{form}");
        }
    }

    #[test]
    fn paths_start_and_end_with_a_slash() {
        assert_eq!(params("").path("Path").ok(), Some("/"));
        assert_eq!(params("Path=/a/b/").path("Path").ok(), Some("/a/b/"));
        for form in ["Path=", "Path=a", "Path=/a", "Path=a/", "Path=/a+b/", "Path=/%0A/"] {
            assert!(params(form).path("Path").is_err(), "{form}");
        }
    }

    #[test]
    fn numbers_have_bounds() {
        assert_eq!(params("N=5").number("N", 1, 10).ok().flatten(), Some(5));
        for form in ["N=0", "N=11", "N=-1", "N=x", "N="] {
            assert!(params(form).number("N", 1, 10).is_err(), "{form}");
        }
    }

    #[test]
    fn tag_keys_differ_by_more_than_case() {
        let form = "T.member.1.Key=a&T.member.1.Value=1&T.member.2.Key=A&T.member.2.Value=2";
        assert_eq!(params(form).tags("T").err().map(|error| error.code()), Some("InvalidInput"));
        assert!(params("T.member.1.Key=a").tags("T").is_err(), "a tag has a value");
        assert_eq!(params("T.member.1.Key=a&T.member.1.Value=").tags("T").ok().map(|tags| tags.len()), Some(1));
    }
}

//! How a form wants its success answered.

use http::{StatusCode, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::form::Form;

/// What `success_action_status` and `success_action_redirect` ask for.
#[derive(Debug, PartialEq, Eq)]
pub struct FormAnswer {
    /// 200 or 204 without a body, or 201 with a `PostResponse` document.
    pub status: StatusCode,
    redirect: Option<String>,
}

impl FormAnswer {
    /// What cannot be understood counts as not said, as on S3.
    pub(super) fn of(form: &Form) -> Self {
        let status = match form.get("success_action_status") {
            Some("200") => StatusCode::OK,
            Some("201") => StatusCode::CREATED,
            _ => StatusCode::NO_CONTENT,
        };
        let redirect = form.get("success_action_redirect").or_else(|| form.get("redirect"));
        Self { status, redirect: redirect.filter(|url| is_absolute(url)).map(str::to_owned) }
    }

    /// Where a 303 leads: the form's URL with bucket, key and quoted ETag as parameters; `None` without a redirect.
    #[must_use]
    pub fn redirect(&self, bucket: &str, key: &str, quoted_etag: &str) -> Option<String> {
        let url = self.redirect.as_ref()?;
        let separator = if url.contains('?') { '&' } else { '?' };
        let [bucket, key, etag] = [bucket, key, quoted_etag].map(encode);
        Some(format!("{url}{separator}bucket={bucket}&key={key}&etag={etag}"))
    }
}

fn is_absolute(url: &str) -> bool {
    let uri = url.parse::<Uri>();
    uri.is_ok_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some())
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string().replace("%20", "+")
}

/// All but what forms leave as it is.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'*');

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(name: &str, value: &str) -> FormAnswer {
        FormAnswer::of(&Form::of(&[(name, value)]))
    }

    #[test]
    fn other_statuses_are_204() {
        for (value, status) in [("200", 200), ("201", 201), ("204", 204), ("404", 204), ("", 204)] {
            assert_eq!(answer("success_action_status", value).status, status);
        }
    }

    #[test]
    fn redirects_tell_what_was_stored() {
        let redirect = |url: &str| answer("success_action_redirect", url).redirect("b", "a/ü b", "\"e\"");
        let parameters = "bucket=b&key=a%2F%C3%BC+b&etag=%22e%22";
        assert_eq!(redirect("http://host/x").unwrap(), format!("http://host/x?{parameters}"));
        assert_eq!(redirect("https://host/x?y=1").unwrap(), format!("https://host/x?y=1&{parameters}"));
    }

    #[test]
    fn what_is_no_url_is_no_redirect() {
        for url in ["", "/relative", "javascript:alert(1)", "ftp://host/", "http://", "http://h/\r\nX: y"] {
            assert_eq!(answer("success_action_redirect", url).redirect("b", "k", "e"), None, "{url}");
        }
    }
}

//! Where redirects lead. A `Location` is text of two authors: what whoever visits wrote means a key and nothing else, and
//! what the website's author wrote is a piece of a URL.

use coffer_configuration::{RedirectAllRequestsTo, RedirectTo};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::request::IN_PATH;

/// The URL that was asked for.
pub(crate) struct Asked<'a> {
    /// Whether nobody on the way could read the request.
    pub(crate) secure: bool,
    /// The host, with its port if it was named.
    pub(crate) host: &'a str,
    /// The path as it came, percent-encoded.
    pub(crate) path: &'a str,
    /// The query as it came.
    pub(crate) query: Option<&'a str>,
}

impl Asked<'_> {
    fn protocol(&self) -> &'static str {
        if self.secure { "https" } else { "http" }
    }

    /// The same path and query elsewhere.
    pub(crate) fn at(&self, to: &RedirectAllRequestsTo) -> String {
        let protocol = to.protocol.map_or(self.protocol(), |protocol| protocol.name());
        format!("{protocol}://{}{}{}", piece(&to.host_name), self.path, self.suffix())
    }

    /// The query with its question mark.
    fn suffix(&self) -> String {
        self.query.map_or_else(String::new, |query| format!("?{query}"))
    }
}

/// The URL of a redirect. The query that was asked goes along unless the rule has one of its own.
pub(crate) fn location(to: &RedirectTo<'_>, asked: &Asked<'_>) -> String {
    let protocol = to.protocol.map_or(asked.protocol(), |protocol| protocol.name());
    let host = to.host_name.map_or_else(|| asked.host.to_owned(), piece);
    let query = if to.written.contains(['?', '#']) { String::new() } else { asked.suffix() };
    let key = utf8_percent_encode(to.asked, IN_PATH);
    format!("{protocol}://{host}/{}{key}{query}", piece(to.written))
}

/// The path of the folder that `key` is without its slash.
pub(crate) fn folder(key: &str) -> String {
    // Two slashes at the start would make a host of what follows them.
    let (start, rest) = key.strip_prefix('/').map_or(("", key), |rest| ("%2F", rest));
    format!("/{start}{}/", utf8_percent_encode(rest, IN_PATH))
}

/// The URL that is stored with an object.
pub(crate) fn stored_location(stored: &[u8]) -> String {
    piece(&String::from_utf8_lossy(stored))
}

/// A piece of a URL as its author wrote it, but for what no URL can hold.
fn piece(text: &str) -> String {
    utf8_percent_encode(text, NOT_IN_URL).to_string()
}

const NOT_IN_URL: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'\\').add(b'^').add(b'`').add(b'{').add(b'|').add(b'}');

#[cfg(test)]
mod tests {
    use coffer_configuration::Protocol;

    use super::*;

    const ASKED: Asked<'_> = Asked { secure: false, host: "b.web.example:8080", path: "/a%20b", query: Some("q=1") };

    fn to<'a>(written: &'a str, asked: &'a str) -> RedirectTo<'a> {
        RedirectTo { status: 301, protocol: None, host_name: None, written, asked }
    }

    #[test]
    fn what_is_not_named_is_as_it_was_asked() {
        assert_eq!(location(&to("docs/", "a b/ü"), &ASKED), "http://b.web.example:8080/docs/a%20b/%C3%BC?q=1");
        let elsewhere = RedirectTo { protocol: Some(Protocol::Https), host_name: Some("c.example"), ..to("", "k") };
        assert_eq!(location(&elsewhere, &ASKED), "https://c.example/k?q=1");
        let secure = Asked { secure: true, query: None, ..ASKED };
        assert_eq!(location(&to("", "k"), &secure), "https://b.web.example:8080/k");
    }

    #[test]
    fn a_visitor_writes_a_key_and_nothing_else() {
        for (key, encoded) in [
            ("a?b#c", "a%3Fb%23c"),
            ("a\r\nSet-Cookie: b", "a%0D%0ASet-Cookie%3A%20b"),
            ("%0d%0a", "%250d%250a"),
            ("\"><script>", "%22%3E%3Cscript%3E"),
            ("//evil.test", "//evil.test"),
        ] {
            assert_eq!(location(&to("", key), &ASKED), format!("http://b.web.example:8080/{encoded}?q=1"));
        }
    }

    #[test]
    fn an_author_may_write_fragments_and_queries() {
        assert_eq!(location(&to("#!/", "a b"), &ASKED), "http://b.web.example:8080/#!/a%20b");
        assert_eq!(location(&to("find?x=", "k"), &ASKED), "http://b.web.example:8080/find?x=k");
        assert_eq!(location(&to("a\r\nb c", ""), &ASKED), "http://b.web.example:8080/a%0D%0Ab%20c?q=1");
    }

    #[test]
    fn everything_goes_elsewhere_as_it_came() {
        let all = RedirectAllRequestsTo { host_name: "c.example".to_owned(), protocol: None };
        assert_eq!(ASKED.at(&all), "http://c.example/a%20b?q=1");
        let all = RedirectAllRequestsTo { host_name: "c\n.example".to_owned(), protocol: Some(Protocol::Https) };
        assert_eq!(Asked { query: None, ..ASKED }.at(&all), "https://c%0A.example/a%20b");
    }

    #[test]
    fn a_folder_is_no_host() {
        assert_eq!(folder("a b/c"), "/a%20b/c/");
        assert_eq!(folder("/evil.test"), "/%2Fevil.test/");
        assert_eq!(folder("//evil.test"), "/%2F/evil.test/");
        assert_eq!(folder("\\evil.test"), "/%5Cevil.test/");
    }

    #[test]
    fn what_is_stored_is_a_url() {
        assert_eq!(stored_location(b"https://c.example/?a=b#c"), "https://c.example/?a=b#c");
        assert_eq!(stored_location("/ü\r\n".as_bytes()), "/%C3%BC%0D%0A");
        assert_eq!(stored_location(b"/\xff"), "/%EF%BF%BD");
    }
}

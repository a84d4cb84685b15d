//! Websites: which document answers a path, and what is redirected where.

use minicbor::{Decode, Encode};

/// The most routing rules of a website.
pub const MAX_ROUTING_RULES: usize = 50;

/// The status of a redirect whose rule names none.
const MOVED_PERMANENTLY: u16 = 301;

/// What the website of a bucket is.
#[derive(Encode, Decode, Debug, Clone, PartialEq, Eq)]
pub enum WebsiteConfiguration {
    /// Every request is redirected to another host.
    #[n(0)]
    RedirectAll(#[n(0)] RedirectAllRequestsTo),
    /// The objects of the bucket are its pages.
    #[n(1)]
    Site(#[n(0)] Site),
}

/// Where every request goes.
#[derive(Encode, Decode, Debug, Clone, PartialEq, Eq)]
#[cbor(map)]
pub struct RedirectAllRequestsTo {
    /// The host, as its author wrote it.
    #[n(0)]
    pub host_name: String,
    /// The protocol; `None`: that of the request.
    #[n(1)]
    pub protocol: Option<Protocol>,
}

/// A website whose pages are objects.
#[derive(Encode, Decode, Debug, Clone, PartialEq, Eq)]
#[cbor(map)]
pub struct Site {
    /// What is added to the path of a folder, without a slash.
    #[n(0)]
    pub index_suffix: String,
    /// The key of the document in the place of an error of the client's.
    #[n(1)]
    pub error_key: Option<String>,
    /// The rules; the first that holds redirects.
    #[n(2)]
    pub routing_rules: Vec<RoutingRule>,
}

/// When what is redirected.
#[derive(Encode, Decode, Debug, Clone, PartialEq, Eq)]
#[cbor(map)]
pub struct RoutingRule {
    /// When; `None`: always.
    #[n(0)]
    pub condition: Option<RoutingCondition>,
    /// Where to.
    #[n(1)]
    pub redirect: Redirect,
}

/// When a rule holds: everything that is named must be so.
#[derive(Encode, Decode, Debug, Clone, Default, PartialEq, Eq)]
#[cbor(map)]
pub struct RoutingCondition {
    /// What the key starts with.
    #[n(0)]
    pub key_prefix_equals: Option<String>,
    /// The status of the error that would be answered.
    #[n(1)]
    pub http_error_code_returned_equals: Option<u16>,
}

/// Where a rule redirects to. What is not named stays as it is in the request.
#[derive(Encode, Decode, Debug, Clone, Default, PartialEq, Eq)]
#[cbor(map)]
pub struct Redirect {
    /// The host.
    #[n(0)]
    pub host_name: Option<String>,
    /// The protocol.
    #[n(1)]
    pub protocol: Option<Protocol>,
    /// The status; `None`: 301.
    #[n(2)]
    pub http_redirect_code: Option<u16>,
    /// The whole key. Never together with `replace_key_prefix_with`.
    #[n(3)]
    pub replace_key_with: Option<String>,
    /// What takes the place of the prefix in the condition.
    #[n(4)]
    pub replace_key_prefix_with: Option<String>,
}

/// A protocol that is redirected to.
#[derive(Encode, Decode, Debug, Clone, Copy, PartialEq, Eq)]
#[cbor(index_only)]
pub enum Protocol {
    /// `http`.
    #[n(0)]
    Http,
    /// `https`.
    #[n(1)]
    Https,
}

/// A redirect of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RedirectTo<'a> {
    /// The status.
    pub status: u16,
    /// The protocol; `None`: that of the request.
    pub protocol: Option<Protocol>,
    /// The host; `None`: that of the request.
    pub host_name: Option<&'a str>,
    /// The start of the key, as the author of the rule wrote it: it may be more than a key, say `#!/`.
    pub written: &'a str,
    /// The rest of the key, which whoever visits the website wrote.
    pub asked: &'a str,
}

impl Protocol {
    /// Its name in URLs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The protocol with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Http, Self::Https].into_iter().find(|protocol| protocol.name() == name)
    }
}

impl Site {
    /// The key of the object that answers a request for `key`.
    #[must_use]
    pub fn document(&self, key: &str) -> String {
        let is_folder = key.is_empty() || key.ends_with('/');
        if is_folder { format!("{key}{}", self.index_suffix) } else { key.to_owned() }
    }

    /// The key of the document of the folder that a request for `key` meant, if it left out the slash.
    #[must_use]
    pub fn folder_document(&self, key: &str) -> Option<String> {
        let is_folder = key.is_empty() || key.ends_with('/');
        (!is_folder).then(|| format!("{key}/{}", self.index_suffix))
    }

    /// Where a request for `key` is redirected before any object is looked at.
    #[must_use]
    pub fn redirect_before<'a>(&'a self, key: &'a str) -> Option<RedirectTo<'a>> {
        self.routing_rules.iter().filter(|rule| rule.error_code().is_none()).find_map(|rule| rule.redirect_of(key))
    }

    /// Where it is redirected instead of an error with this status.
    #[must_use]
    pub fn redirect_after<'a>(&'a self, key: &'a str, status: u16) -> Option<RedirectTo<'a>> {
        self.routing_rules
            .iter()
            .filter(|rule| rule.error_code() == Some(status))
            .find_map(|rule| rule.redirect_of(key))
    }
}

impl RoutingRule {
    fn error_code(&self) -> Option<u16> {
        self.condition.as_ref()?.http_error_code_returned_equals
    }

    /// Where the rule redirects `key`, if the key is one of those that it is about.
    fn redirect_of<'a>(&'a self, key: &'a str) -> Option<RedirectTo<'a>> {
        let prefix = self.condition.as_ref().and_then(|condition| condition.key_prefix_equals.as_deref());
        let behind = key.strip_prefix(prefix.unwrap_or_default())?;
        let redirect = &self.redirect;
        let (written, asked) = match (&redirect.replace_key_with, &redirect.replace_key_prefix_with) {
            (Some(key), _) => (key.as_str(), ""),
            (None, Some(prefix)) => (prefix.as_str(), behind),
            (None, None) => ("", key),
        };
        Some(RedirectTo {
            status: redirect.http_redirect_code.unwrap_or(MOVED_PERMANENTLY),
            protocol: redirect.protocol,
            host_name: redirect.host_name.as_deref(),
            written,
            asked,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(routing_rules: Vec<RoutingRule>) -> Site {
        Site { index_suffix: "index.html".to_owned(), error_key: None, routing_rules }
    }

    fn rule(prefix: Option<&str>, error_code: Option<u16>, redirect: Redirect) -> RoutingRule {
        let condition = RoutingCondition {
            key_prefix_equals: prefix.map(str::to_owned),
            http_error_code_returned_equals: error_code,
        };
        RoutingRule {
            condition: Some(condition).filter(|condition| *condition != RoutingCondition::default()),
            redirect,
        }
    }

    fn to_key(key: &str) -> Redirect {
        Redirect { replace_key_with: Some(key.to_owned()), ..Redirect::default() }
    }

    fn to_prefix(prefix: &str) -> Redirect {
        Redirect { replace_key_prefix_with: Some(prefix.to_owned()), ..Redirect::default() }
    }

    /// Written and asked part of where a request is redirected.
    fn parts(to: Option<RedirectTo<'_>>) -> Option<(&str, &str)> {
        to.map(|to| (to.written, to.asked))
    }

    #[test]
    fn folders_have_an_index() {
        let site = site(Vec::new());
        for (key, document, folder) in [
            ("", "index.html", None),
            ("docs/", "docs/index.html", None),
            ("docs", "docs", Some("docs/index.html")),
            ("/", "/index.html", None),
            ("a/b.html", "a/b.html", Some("a/b.html/index.html")),
        ] {
            assert_eq!(site.document(key), document);
            assert_eq!(site.folder_document(key).as_deref(), folder);
        }
    }

    #[test]
    fn a_prefix_is_replaced_by_another() {
        let site = site(vec![rule(Some("docs/"), None, to_prefix("documents/"))]);
        assert_eq!(parts(site.redirect_before("docs/a/b")), Some(("documents/", "a/b")));
        assert_eq!(parts(site.redirect_before("docs/")), Some(("documents/", "")));
        for key in ["docs", "other", "", "a/docs/b", "Docs/a"] {
            assert_eq!(site.redirect_before(key), None, "{key}");
            assert_eq!(site.redirect_after(key, 404), None, "{key}");
        }
    }

    #[test]
    fn a_key_is_replaced_as_a_whole() {
        let site = site(vec![rule(Some("images/"), None, to_key("gone.html"))]);
        assert_eq!(parts(site.redirect_before("images/a.png")), Some(("gone.html", "")));
    }

    #[test]
    fn what_a_rule_does_not_name_stays() {
        let redirect = Redirect { protocol: Some(Protocol::Https), ..Redirect::default() };
        let site = site(vec![rule(None, None, redirect)]);
        let to = site.redirect_before("a/b").unwrap();
        assert_eq!((to.status, to.protocol, to.host_name), (301, Some(Protocol::Https), None));
        assert_eq!((to.written, to.asked), ("", "a/b"));
        assert!(site.redirect_before("").is_some());
    }

    #[test]
    fn a_prefix_without_a_condition_is_put_in_front() {
        let site = site(vec![rule(None, Some(404), to_prefix("#!/"))]);
        assert_eq!(parts(site.redirect_after("a/b", 404)), Some(("#!/", "a/b")));
    }

    #[test]
    fn an_error_must_be_the_one_that_is_named() {
        let site = site(vec![rule(Some("a/"), Some(404), to_key("x")), rule(None, Some(403), to_key("y"))]);
        assert_eq!(site.redirect_before("a/b"), None);
        assert_eq!(parts(site.redirect_after("a/b", 404)), Some(("x", "")));
        assert_eq!(site.redirect_after("b", 404), None);
        assert_eq!(parts(site.redirect_after("a/b", 403)), Some(("y", "")));
        assert_eq!(site.redirect_after("a/b", 500), None);
    }

    #[test]
    fn the_first_rule_that_holds_redirects() {
        let redirect =
            Redirect { host_name: Some("b.example".to_owned()), http_redirect_code: Some(307), ..to_key("second") };
        let site = site(vec![
            rule(Some("z"), None, to_key("first")),
            rule(Some("a"), None, redirect),
            rule(Some("a/b"), None, to_key("third")),
        ]);
        let to = site.redirect_before("a/b").unwrap();
        assert_eq!((to.status, to.host_name, to.written), (307, Some("b.example"), "second"));
    }
}

//! The document about the website of a bucket.

use coffer_configuration::{
    MAX_ROUTING_RULES, Protocol, Redirect, RedirectAllRequestsTo, RoutingCondition, RoutingRule, Site,
    WebsiteConfiguration,
};

use super::documents::once;
use super::read::XmlReader;
use super::write::{XmlWriter, document};
use crate::error::S3Error;

/// Parses the body of PutBucketWebsite.
///
/// # Errors
/// `MalformedXML`; `InvalidArgument` and `InvalidRequest` for what is in the schema, and yet no website.
pub fn parse_website_configuration(body: &[u8]) -> Result<WebsiteConfiguration, S3Error> {
    let mut xml = XmlReader::open(body, "WebsiteConfiguration")?;
    let (mut index, mut error, mut redirect, mut rules) = (None, None, None, None);
    while let Some(name) = xml.child()? {
        match name.as_str() {
            "IndexDocument" => once(&mut index, only_child(&mut xml, "Suffix")?)?,
            "ErrorDocument" => once(&mut error, only_child(&mut xml, "Key")?)?,
            "RedirectAllRequestsTo" => once(&mut redirect, RawRedirect::parse(&mut xml)?)?,
            "RoutingRules" => once(&mut rules, parse_rules(&mut xml)?)?,
            _ => return Err(S3Error::malformed_xml()),
        }
    }
    if let Some(redirect) = redirect {
        let is_alone = index.is_none() && error.is_none() && rules.is_none();
        return if is_alone { redirect.judge_all() } else { Err(S3Error::website_redirects_everything()) };
    }
    let index_suffix = index.ok_or_else(S3Error::website_index_missing)?;
    if index_suffix.is_empty() || index_suffix.contains('/') {
        return Err(S3Error::website_index_suffix(&index_suffix));
    }
    if let Some(key) = error.as_deref().filter(|key| key.is_empty()) {
        return Err(S3Error::website_error_key(key));
    }
    let rules = rules.unwrap_or_default();
    if rules.len() > MAX_ROUTING_RULES {
        return Err(S3Error::too_many_routing_rules(rules.len(), MAX_ROUTING_RULES));
    }
    let routing_rules = rules.into_iter().map(RawRule::judge).collect::<Result<_, _>>()?;
    Ok(WebsiteConfiguration::Site(Site { index_suffix, error_key: error, routing_rules }))
}

/// The text of an element that has one child, called `name`, and nothing else.
fn only_child(xml: &mut XmlReader<'_>, name: &str) -> Result<String, S3Error> {
    let mut text = None;
    while let Some(child) = xml.child()? {
        if child != name {
            return Err(S3Error::malformed_xml());
        }
        once(&mut text, xml.text()?)?;
    }
    text.ok_or_else(S3Error::malformed_xml)
}

fn parse_rules(xml: &mut XmlReader<'_>) -> Result<Vec<RawRule>, S3Error> {
    let mut rules = Vec::new();
    while let Some(name) = xml.child()? {
        if name != "RoutingRule" {
            return Err(S3Error::malformed_xml());
        }
        rules.push(RawRule::parse(xml)?);
    }
    if rules.is_empty() { Err(S3Error::malformed_xml()) } else { Ok(rules) }
}

/// A routing rule as it was sent.
struct RawRule {
    condition: Option<RawCondition>,
    redirect: RawRedirect,
}

impl RawRule {
    fn parse(xml: &mut XmlReader<'_>) -> Result<Self, S3Error> {
        let (mut condition, mut redirect) = (None, None);
        while let Some(name) = xml.child()? {
            match name.as_str() {
                "Condition" => once(&mut condition, RawCondition::parse(xml)?)?,
                "Redirect" => once(&mut redirect, RawRedirect::parse(xml)?)?,
                _ => return Err(S3Error::malformed_xml()),
            }
        }
        Ok(Self { condition, redirect: redirect.ok_or_else(S3Error::malformed_xml)? })
    }

    fn judge(self) -> Result<RoutingRule, S3Error> {
        let condition = self.condition.map(RawCondition::judge).transpose()?;
        Ok(RoutingRule { condition, redirect: self.redirect.judge()? })
    }
}

/// A condition as it was sent.
#[derive(Default)]
struct RawCondition {
    prefix: Option<String>,
    error_code: Option<u32>,
}

impl RawCondition {
    fn parse(xml: &mut XmlReader<'_>) -> Result<Self, S3Error> {
        let mut condition = Self::default();
        while let Some(name) = xml.child()? {
            match name.as_str() {
                "KeyPrefixEquals" => once(&mut condition.prefix, xml.text()?)?,
                "HttpErrorCodeReturnedEquals" => once(&mut condition.error_code, xml.parse()?)?,
                _ => return Err(S3Error::malformed_xml()),
            }
        }
        Ok(condition)
    }

    fn judge(self) -> Result<RoutingCondition, S3Error> {
        if self.prefix.is_none() && self.error_code.is_none() {
            return Err(S3Error::routing_condition_empty());
        }
        let http_error_code_returned_equals = match self.error_code {
            None => None,
            Some(code) => match u16::try_from(code) {
                Ok(code @ 400..=599) => Some(code),
                _ => return Err(S3Error::routing_error_code(code)),
            },
        };
        Ok(RoutingCondition { key_prefix_equals: self.prefix, http_error_code_returned_equals })
    }
}

/// A redirect as it was sent.
#[derive(Default)]
struct RawRedirect {
    host_name: Option<String>,
    protocol: Option<String>,
    code: Option<u32>,
    key: Option<String>,
    prefix: Option<String>,
}

impl RawRedirect {
    fn parse(xml: &mut XmlReader<'_>) -> Result<Self, S3Error> {
        let mut redirect = Self::default();
        while let Some(name) = xml.child()? {
            match name.as_str() {
                "HostName" => once(&mut redirect.host_name, xml.text()?)?,
                "Protocol" => once(&mut redirect.protocol, xml.text()?)?,
                "HttpRedirectCode" => once(&mut redirect.code, xml.parse()?)?,
                "ReplaceKeyWith" => once(&mut redirect.key, xml.text()?)?,
                "ReplaceKeyPrefixWith" => once(&mut redirect.prefix, xml.text()?)?,
                _ => return Err(S3Error::malformed_xml()),
            }
        }
        Ok(redirect)
    }

    /// The redirect of everything, which has a host and perhaps a protocol.
    fn judge_all(self) -> Result<WebsiteConfiguration, S3Error> {
        let protocol = self.protocol()?;
        match self {
            Self { host_name: Some(host_name), code: None, key: None, prefix: None, .. } => {
                if host_name.is_empty() {
                    return Err(S3Error::website_host_missing());
                }
                Ok(WebsiteConfiguration::RedirectAll(RedirectAllRequestsTo { host_name, protocol }))
            }
            _ => Err(S3Error::malformed_xml()),
        }
    }

    fn judge(self) -> Result<Redirect, S3Error> {
        let protocol = self.protocol()?;
        if self.host_name.as_deref() == Some("") {
            return Err(S3Error::website_host_blank());
        }
        if self.key.is_some() && self.prefix.is_some() {
            return Err(S3Error::routing_replacements());
        }
        let http_redirect_code = match self.code {
            None => None,
            Some(code) => match u16::try_from(code) {
                Ok(code @ 301..=399) => Some(code),
                _ => return Err(S3Error::routing_redirect_code(code)),
            },
        };
        let redirect = Redirect {
            host_name: self.host_name,
            protocol,
            http_redirect_code,
            replace_key_with: self.key,
            replace_key_prefix_with: self.prefix,
        };
        // It would lead to where it came from, again and again.
        if redirect == Redirect::default() { Err(S3Error::malformed_xml()) } else { Ok(redirect) }
    }

    fn protocol(&self) -> Result<Option<Protocol>, S3Error> {
        let protocol = |name: &String| Protocol::from_name(name).ok_or_else(S3Error::website_protocol);
        self.protocol.as_ref().map(protocol).transpose()
    }
}

/// Writes what GetBucketWebsite answers.
#[must_use]
pub fn write_website_configuration(configuration: &WebsiteConfiguration) -> String {
    document("WebsiteConfiguration", |xml| match configuration {
        WebsiteConfiguration::RedirectAll(to) => {
            xml.element("RedirectAllRequestsTo", |xml| {
                xml.text("HostName", &to.host_name).text_if("Protocol", to.protocol.map(Protocol::name));
            });
        }
        WebsiteConfiguration::Site(site) => write_site(site, xml),
    })
}

fn write_site(site: &Site, xml: &mut XmlWriter) {
    xml.element("IndexDocument", |xml| {
        xml.text("Suffix", &site.index_suffix);
    });
    if let Some(key) = &site.error_key {
        xml.element("ErrorDocument", |xml| {
            xml.text("Key", key);
        });
    }
    if site.routing_rules.is_empty() {
        return;
    }
    xml.element("RoutingRules", |xml| {
        for rule in &site.routing_rules {
            xml.element("RoutingRule", |xml| write_rule(rule, xml));
        }
    });
}

fn write_rule(rule: &RoutingRule, xml: &mut XmlWriter) {
    if let Some(condition) = &rule.condition {
        xml.element("Condition", |xml| {
            xml.text_if("KeyPrefixEquals", condition.key_prefix_equals.as_ref());
            if let Some(code) = condition.http_error_code_returned_equals {
                xml.value("HttpErrorCodeReturnedEquals", code);
            }
        });
    }
    let redirect = &rule.redirect;
    xml.element("Redirect", |xml| {
        xml.text_if("Protocol", redirect.protocol.map(Protocol::name));
        xml.text_if("HostName", redirect.host_name.as_ref());
        xml.text_if("ReplaceKeyPrefixWith", redirect.replace_key_prefix_with.as_ref());
        xml.text_if("ReplaceKeyWith", redirect.replace_key_with.as_ref());
        if let Some(code) = redirect.http_redirect_code {
            xml.value("HttpRedirectCode", code);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    const INDEX: &str = "<IndexDocument><Suffix>index.html</Suffix></IndexDocument>";

    fn parse(inner: &str) -> Result<WebsiteConfiguration, S3Error> {
        parse_website_configuration(format!("<WebsiteConfiguration>{inner}</WebsiteConfiguration>").as_bytes())
    }

    fn rule(condition: &str, redirect: &str) -> String {
        format!(
            "{INDEX}<RoutingRules><RoutingRule>{condition}<Redirect>{redirect}</Redirect></RoutingRule></RoutingRules>"
        )
    }

    fn check(inner: &str, code: &str, start: &str) {
        let error = parse(inner).unwrap_err();
        assert_eq!(error.code(), code, "{inner}");
        assert!(error.message().starts_with(start), "{inner}: {}", error.message());
    }

    #[test]
    fn what_was_put_is_answered() {
        let condition = "<Condition><KeyPrefixEquals>a&amp;b/</KeyPrefixEquals>\
                         <HttpErrorCodeReturnedEquals>404</HttpErrorCodeReturnedEquals></Condition>";
        let redirect = "<Protocol>https</Protocol><HostName>b.example</HostName>\
                        <ReplaceKeyPrefixWith/><HttpRedirectCode>307</HttpRedirectCode>";
        for inner in [
            INDEX.to_owned(),
            format!("{INDEX}<ErrorDocument><Key>404.html</Key></ErrorDocument>"),
            rule(condition, redirect),
            rule("", "<ReplaceKeyWith>k</ReplaceKeyWith>"),
            "<RedirectAllRequestsTo><HostName>a.example</HostName></RedirectAllRequestsTo>".to_owned(),
            "<RedirectAllRequestsTo><HostName>a.example</HostName><Protocol>http</Protocol></RedirectAllRequestsTo>"
                .to_owned(),
        ] {
            let configuration = parse(&inner).unwrap();
            let answer = write_website_configuration(&configuration);
            assert!(answer.contains(&inner), "{answer}");
            assert_eq!(parse_website_configuration(answer.as_bytes()).unwrap(), configuration);
        }
    }

    #[test]
    fn what_is_not_in_the_schema_is_malformed() {
        let two = format!("{INDEX}{INDEX}");
        let rules = |inner: &str| format!("{INDEX}<RoutingRules>{inner}</RoutingRules>");
        for inner in [
            "<Other/>".to_owned(),
            "text".to_owned(),
            two,
            "<IndexDocument/>".to_owned(),
            format!("{INDEX}<ErrorDocument/>"),
            "<IndexDocument><Suffix>a</Suffix><Suffix>b</Suffix></IndexDocument>".to_owned(),
            "<RedirectAllRequestsTo/>".to_owned(),
            "<RedirectAllRequestsTo><HostName>a</HostName><ReplaceKeyWith>b</ReplaceKeyWith></RedirectAllRequestsTo>"
                .to_owned(),
            rules(""),
            rules("<RoutingRule/>"),
            rules("<RoutingRule><Redirect/></RoutingRule>"),
            rules("<Rule/>"),
            rule("", "<HttpRedirectCode>moved</HttpRedirectCode>"),
            rule("", "<HttpRedirectCode/>"),
            rule("", "<HttpRedirectCode>-301</HttpRedirectCode>"),
            rule("<Condition><HttpErrorCodeReturnedEquals/></Condition>", "<HostName>a</HostName>"),
            rule("<Condition><Other/></Condition>", "<HostName>a</HostName>"),
        ] {
            check(&inner, "MalformedXML", "");
        }
        for document in ["", "<WebsiteConfiguration>", "{}"] {
            assert_eq!(parse_website_configuration(document.as_bytes()).unwrap_err().code(), "MalformedXML");
        }
    }

    #[test]
    fn a_website_has_an_index_document_without_a_slash() {
        check("", "InvalidArgument", "A value for IndexDocument Suffix must be provided");
        for suffix in ["", "a/index.html", "/"] {
            check(
                &format!("<IndexDocument><Suffix>{suffix}</Suffix></IndexDocument>"),
                "InvalidArgument",
                "The IndexDocument Suffix is not well formed",
            );
        }
        check(
            &format!("{INDEX}<ErrorDocument><Key/></ErrorDocument>"),
            "InvalidArgument",
            "The ErrorDocument Key is not well formed",
        );
    }

    #[test]
    fn what_redirects_everything_does_nothing_else() {
        let all = "<RedirectAllRequestsTo><HostName>a.example</HostName></RedirectAllRequestsTo>";
        for other in [INDEX, "<ErrorDocument><Key>k</Key></ErrorDocument>"] {
            check(&format!("{all}{other}"), "InvalidArgument", "RedirectAllRequestsTo cannot be provided");
        }
        check(
            "<RedirectAllRequestsTo><HostName/></RedirectAllRequestsTo>",
            "InvalidRequest",
            "A host name must be provided to redirect all requests (e.g. \"example.com\").",
        );
        check(
            "<RedirectAllRequestsTo><HostName>a</HostName><Protocol>ftp</Protocol></RedirectAllRequestsTo>",
            "InvalidRequest",
            "Invalid protocol, protocol can be http or https.",
        );
    }

    #[test]
    fn rules_that_contradict_themselves_are_refused() {
        let host = "<HostName>a</HostName>";
        check(&rule("<Condition/>", host), "InvalidRequest", "Condition cannot be empty.");
        check(&rule("", "<HostName/>"), "InvalidRequest", "The HostName cannot be blank.");
        check(&rule("", "<Protocol>HTTPS</Protocol>"), "InvalidRequest", "Invalid protocol");
        check(
            &rule("", "<ReplaceKeyWith>a</ReplaceKeyWith><ReplaceKeyPrefixWith>b</ReplaceKeyPrefixWith>"),
            "InvalidRequest",
            "You can only define ReplaceKeyPrefix or ReplaceKey but not both.",
        );
        for code in [0, 200, 300, 400, 65_836] {
            check(
                &rule("", &format!("<HttpRedirectCode>{code}</HttpRedirectCode>")),
                "InvalidRequest",
                &format!("The provided HTTP redirect code ({code}) is not valid. Valid codes are 3XX except 300."),
            );
        }
        for code in [0, 302, 399, 600, 65_940] {
            let code_returned = format!("<HttpErrorCodeReturnedEquals>{code}</HttpErrorCodeReturnedEquals>");
            check(
                &rule(&format!("<Condition>{code_returned}</Condition>"), host),
                "InvalidRequest",
                &format!("The provided HTTP error code ({code}) is not valid. Valid codes are 4XX or 5XX."),
            );
        }
    }

    #[test]
    fn there_are_50_rules_at_most() {
        let rules = |count: usize| {
            let rule = "<RoutingRule><Redirect><HostName>a</HostName></Redirect></RoutingRule>";
            format!("{INDEX}<RoutingRules>{}</RoutingRules>", rule.repeat(count))
        };
        assert!(parse(&rules(50)).is_ok());
        check(&rules(51), "InvalidRequest", "51 routing rules provided, the number of routing rules in a website");
    }
}

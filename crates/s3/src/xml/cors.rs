//! The document about what pages of other origins may do.

use coffer_configuration::{CorsConfiguration, CorsMethod, CorsRule, MAX_CORS_RULES};
use http::HeaderName;

use super::documents::once;
use super::read::XmlReader;
use super::write::document;
use crate::error::S3Error;

/// Characters that the ID of a rule can have.
const MAX_ID_LEN: usize = 255;

/// Parses the body of PutBucketCors.
///
/// # Errors
/// `MalformedXML`; then `InvalidRequest` for too many rules, other methods, several wildcards, and headers that
/// cannot be exposed.
pub fn parse_cors_configuration(body: &[u8]) -> Result<CorsConfiguration, S3Error> {
    let mut xml = XmlReader::open(body, "CORSConfiguration")?;
    let mut rules = Vec::new();
    while let Some(name) = xml.child()? {
        if name != "CORSRule" {
            return Err(S3Error::malformed_xml());
        }
        rules.push(RawRule::parse(&mut xml)?);
    }
    if rules.is_empty() {
        return Err(S3Error::malformed_xml());
    }
    if rules.len() > MAX_CORS_RULES {
        return Err(S3Error::too_many_cors_rules(MAX_CORS_RULES));
    }
    Ok(CorsConfiguration { rules: rules.into_iter().map(RawRule::judge).collect::<Result<_, _>>()? })
}

/// A rule as it was sent.
#[derive(Default)]
struct RawRule {
    id: Option<String>,
    methods: Vec<String>,
    origins: Vec<String>,
    headers: Vec<String>,
    max_age_seconds: Option<u32>,
    expose_headers: Vec<String>,
}

impl RawRule {
    fn parse(xml: &mut XmlReader<'_>) -> Result<Self, S3Error> {
        let mut rule = Self::default();
        while let Some(name) = xml.child()? {
            match name.as_str() {
                "ID" => once(&mut rule.id, xml.text()?)?,
                "AllowedMethod" => rule.methods.push(xml.text()?),
                "AllowedOrigin" => rule.origins.push(xml.text()?),
                "AllowedHeader" => rule.headers.push(xml.text()?),
                "MaxAgeSeconds" => once(&mut rule.max_age_seconds, parse_seconds(xml)?)?,
                "ExposeHeader" => rule.expose_headers.push(xml.text()?),
                _ => return Err(S3Error::malformed_xml()),
            }
        }
        let id_is_too_long = rule.id.as_ref().is_some_and(|id| id.chars().count() > MAX_ID_LEN);
        if rule.methods.is_empty() || rule.origins.is_empty() || id_is_too_long {
            return Err(S3Error::malformed_xml());
        }
        Ok(rule)
    }

    fn judge(self) -> Result<CorsRule, S3Error> {
        let method = |name: &String| CorsMethod::from_name(name).ok_or_else(|| S3Error::unsupported_cors_method(name));
        let allowed_methods = self.methods.iter().map(method).collect::<Result<_, _>>()?;
        for (element, values) in [("AllowedOrigin", &self.origins), ("AllowedHeader", &self.headers)] {
            if let Some(value) = values.iter().find(|value| value.matches('*').count() > 1) {
                return Err(S3Error::several_cors_wildcards(element, value));
            }
        }
        for name in &self.expose_headers {
            if name.contains('*') {
                return Err(S3Error::cors_expose_wildcard(name));
            }
            if HeaderName::from_bytes(name.as_bytes()).is_err() {
                return Err(S3Error::cors_expose_invalid(name));
            }
        }
        Ok(CorsRule {
            id: self.id,
            allowed_methods,
            allowed_origins: self.origins,
            allowed_headers: self.headers,
            max_age_seconds: self.max_age_seconds,
            expose_headers: self.expose_headers,
        })
    }
}

/// A number of seconds that a signed integer of 32 bits can hold.
fn parse_seconds(xml: &mut XmlReader<'_>) -> Result<u32, S3Error> {
    let seconds: i32 = xml.parse()?;
    u32::try_from(seconds).map_err(|_| S3Error::malformed_xml())
}

/// Writes what GetBucketCors answers.
#[must_use]
pub fn write_cors_configuration(configuration: &CorsConfiguration) -> String {
    document("CORSConfiguration", |xml| {
        for rule in &configuration.rules {
            xml.element("CORSRule", |xml| {
                xml.text_if("ID", rule.id.as_ref());
                for method in &rule.allowed_methods {
                    xml.text("AllowedMethod", method.name());
                }
                for origin in &rule.allowed_origins {
                    xml.text("AllowedOrigin", origin);
                }
                for header in &rule.allowed_headers {
                    xml.text("AllowedHeader", header);
                }
                if let Some(seconds) = rule.max_age_seconds {
                    xml.value("MaxAgeSeconds", seconds);
                }
                for header in &rule.expose_headers {
                    xml.text("ExposeHeader", header);
                }
            });
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINIMAL: &str = "<AllowedMethod>GET</AllowedMethod><AllowedOrigin>*</AllowedOrigin>";

    fn parse(rules: &[&str]) -> Result<CorsConfiguration, S3Error> {
        let rules: String = rules.iter().map(|rule| format!("<CORSRule>{rule}</CORSRule>")).collect();
        parse_cors_configuration(format!("<CORSConfiguration>{rules}</CORSConfiguration>").as_bytes())
    }

    fn error(rules: &[&str]) -> (&'static str, String) {
        let error = parse(rules).unwrap_err();
        (error.code(), error.message().to_owned())
    }

    fn check_malformed(rule: &str) {
        assert_eq!(error(&[MINIMAL, rule]).0, "MalformedXML", "{rule}");
    }

    fn check_invalid(rule: &str, message: &str) {
        assert_eq!(error(&[MINIMAL, rule]), ("InvalidRequest", message.to_owned()));
    }

    #[test]
    fn what_was_put_is_answered() {
        let rule = format!(
            "<ID>a &amp; b</ID>{MINIMAL}<AllowedMethod>HEAD</AllowedMethod><AllowedOrigin>https://*.example</AllowedOrigin>\
             <AllowedHeader>x-AMZ-*</AllowedHeader><MaxAgeSeconds>3000</MaxAgeSeconds><ExposeHeader>ETag</ExposeHeader>"
        );
        let configuration = parse(&[&rule, MINIMAL]).unwrap();
        let rule = &configuration.rules[0];
        assert_eq!((rule.id.as_deref(), rule.max_age_seconds), (Some("a & b"), Some(3000)));
        assert_eq!(rule.allowed_origins, ["*", "https://*.example"]);
        assert_eq!(
            parse_cors_configuration(write_cors_configuration(&configuration).as_bytes()).unwrap(),
            configuration
        );
    }

    #[test]
    fn a_rule_names_an_origin_and_a_method() {
        for rule in ["", "<AllowedMethod>GET</AllowedMethod>", "<AllowedOrigin>*</AllowedOrigin>"] {
            check_malformed(rule);
        }
        assert_eq!(error(&[]).0, "MalformedXML");
        // S3 takes an origin that nothing matches.
        assert!(parse(&["<AllowedMethod>GET</AllowedMethod><AllowedOrigin/>"]).is_ok());
    }

    #[test]
    fn what_is_not_in_the_schema_is_malformed() {
        for more in [
            "<Other/>",
            "text",
            "<ID>a</ID><ID>b</ID>",
            "<MaxAgeSeconds>1</MaxAgeSeconds><MaxAgeSeconds>1</MaxAgeSeconds>",
            "<MaxAgeSeconds/>",
            "<MaxAgeSeconds>-1</MaxAgeSeconds>",
            "<MaxAgeSeconds>1.5</MaxAgeSeconds>",
            "<MaxAgeSeconds>2147483648</MaxAgeSeconds>",
            "<AllowedMethod><GET/></AllowedMethod>",
        ] {
            check_malformed(&format!("{MINIMAL}{more}"));
        }
        for document in ["", "<CORSConfiguration>", "<CORSConfiguration/>", "<Other/>", "{\"CORSRules\": []}"] {
            assert_eq!(parse_cors_configuration(document.as_bytes()).unwrap_err().code(), "MalformedXML", "{document}");
        }
    }

    #[test]
    fn an_id_has_255_characters() {
        assert!(parse(&[&format!("{MINIMAL}<ID>{}</ID>", "ü".repeat(255))]).is_ok());
        check_malformed(&format!("{MINIMAL}<ID>{}</ID>", "a".repeat(256)));
    }

    #[test]
    fn other_methods_are_refused() {
        for method in ["OPTIONS", "PATCH", "get", " GET", "*", ""] {
            check_invalid(
                &format!("{MINIMAL}<AllowedMethod>{method}</AllowedMethod>"),
                &format!("Found unsupported HTTP method in CORS config. Unsupported method is {method}"),
            );
        }
    }

    #[test]
    fn several_wildcards_are_refused() {
        for (element, value) in [("AllowedOrigin", "*.*"), ("AllowedOrigin", "**"), ("AllowedHeader", "x-*-*")] {
            check_invalid(
                &format!("{MINIMAL}<{element}>{value}</{element}>"),
                &format!("{element} \"{value}\" can not have more than one wildcard."),
            );
        }
    }

    #[test]
    fn only_names_of_headers_are_exposed() {
        check_invalid(
            &format!("{MINIMAL}<ExposeHeader>x-amz-*</ExposeHeader>"),
            "ExposeHeader \"x-amz-*\" contains wildcard. We currently do not support wildcard for ExposeHeader.",
        );
        for value in ["a b", "a\r\nSet-Cookie: b", "a,b", "ü", ""] {
            assert_eq!(
                error(&[&format!("{MINIMAL}<ExposeHeader>{value}</ExposeHeader>")]).0,
                "InvalidRequest",
                "{value}"
            );
        }
    }

    #[test]
    fn there_are_100_rules_at_most() {
        assert_eq!(parse(&[MINIMAL; 100]).unwrap().rules.len(), 100);
        let message = "The number of CORS rules should not exceed allowed limit of 100 rules.";
        assert_eq!(error(&[MINIMAL; 101]), ("InvalidRequest", message.to_owned()));
    }
}

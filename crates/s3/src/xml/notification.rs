//! The document about which events of a bucket go where.

use coffer_configuration::{DestinationKind, NotificationConfiguration, NotificationRule};

use super::documents::once;
use super::read::XmlReader;
use super::write::{XmlWriter, document};
use crate::error::S3Error;

/// The body of PutBucketNotificationConfiguration, as it was sent.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct NotificationDocument {
    /// The configurations of destinations, in their order.
    pub destinations: Vec<DestinationDocument>,
    /// Whether `EventBridgeConfiguration` is there.
    pub event_bridge: bool,
}

/// `TopicConfiguration`, `QueueConfiguration` or `CloudFunctionConfiguration`, as it was sent.
#[derive(Debug, PartialEq, Eq)]
pub struct DestinationDocument {
    /// Which of the three.
    pub kind: DestinationKind,
    /// `Id`, unless it is missing or empty.
    pub id: Option<String>,
    /// The ARN.
    pub arn: String,
    /// `Event`, at least one.
    pub events: Vec<String>,
    /// `FilterRule`: names and values.
    pub filter_rules: Vec<(String, String)>,
}

/// Parses the body of PutBucketNotificationConfiguration, and that of its predecessor PutBucketNotification.
///
/// # Errors
/// `MalformedXML`
pub fn parse_notification_configuration(body: &[u8]) -> Result<NotificationDocument, S3Error> {
    let mut xml = XmlReader::open(body, ROOT)?;
    let mut parsed = NotificationDocument::default();
    let mut event_bridge = None;
    while let Some(name) = xml.child()? {
        match KINDS.iter().find(|kind| kind.element == name) {
            Some(kind) => parsed.destinations.push(parse_destination(&mut xml, kind)?),
            None if name == EVENT_BRIDGE => {
                if xml.child()?.is_some() {
                    return Err(S3Error::malformed_xml());
                }
                once(&mut event_bridge, ())?;
            }
            None => return Err(S3Error::malformed_xml()),
        }
    }
    parsed.event_bridge = event_bridge.is_some();
    Ok(parsed)
}

fn parse_destination(xml: &mut XmlReader<'_>, kind: &Kind) -> Result<DestinationDocument, S3Error> {
    let (mut id, mut arn, mut filter, mut role, mut events) = (None, None, None, None, Vec::new());
    while let Some(name) = xml.child()? {
        match name.as_str() {
            "Id" => once(&mut id, xml.text()?)?,
            "Event" => events.push(xml.text()?.trim().to_owned()),
            "Filter" => once(&mut filter, parse_filter(xml)?)?,
            // S3 asks the function itself who may call it, and has done so since before it had filters.
            "InvocationRole" if kind.kind == DestinationKind::Function => once(&mut role, xml.text()?)?,
            name if name == kind.arn_element => once(&mut arn, xml.text()?.trim().to_owned())?,
            _ => return Err(S3Error::malformed_xml()),
        }
    }
    let arn = arn.filter(|arn| !arn.is_empty()).ok_or_else(S3Error::malformed_xml)?;
    if events.is_empty() {
        return Err(S3Error::malformed_xml());
    }
    let id = id.filter(|id| !id.is_empty());
    Ok(DestinationDocument { kind: kind.kind, id, arn, events, filter_rules: filter.unwrap_or_default() })
}

fn parse_filter(xml: &mut XmlReader<'_>) -> Result<Vec<(String, String)>, S3Error> {
    let mut rules = None;
    while let Some(name) = xml.child()? {
        if name != "S3Key" {
            return Err(S3Error::malformed_xml());
        }
        let mut found = Vec::new();
        while let Some(name) = xml.child()? {
            if name != "FilterRule" || found.len() >= MOST_FILTER_RULES {
                return Err(S3Error::malformed_xml());
            }
            found.push(parse_filter_rule(xml)?);
        }
        once(&mut rules, found)?;
    }
    rules.ok_or_else(S3Error::malformed_xml)
}

fn parse_filter_rule(xml: &mut XmlReader<'_>) -> Result<(String, String), S3Error> {
    let (mut name, mut value) = (None, None);
    while let Some(element) = xml.child()? {
        match element.as_str() {
            "Name" => once(&mut name, xml.text()?.trim().to_owned())?,
            "Value" => once(&mut value, xml.text()?)?,
            _ => return Err(S3Error::malformed_xml()),
        }
    }
    name.zip(value).ok_or_else(S3Error::malformed_xml)
}

/// Writes what GetBucketNotificationConfiguration answers.
#[must_use]
pub fn write_notification_configuration(configuration: Option<&NotificationConfiguration>) -> String {
    let rules = configuration.map_or(&[][..], NotificationConfiguration::rules);
    document(ROOT, |xml| {
        for kind in &KINDS {
            for rule in rules.iter().filter(|rule| rule.kind == kind.kind) {
                xml.element(kind.element, |xml| write_rule(xml, kind, rule));
            }
        }
    })
}

fn write_rule(xml: &mut XmlWriter, kind: &Kind, rule: &NotificationRule) {
    xml.text("Id", &rule.id).text(kind.arn_element, &rule.arn);
    for event in &rule.events {
        xml.text("Event", event.name());
    }
    if rule.prefix.is_none() && rule.suffix.is_none() {
        return;
    }
    xml.element("Filter", |xml| {
        xml.element("S3Key", |xml| {
            for (name, value) in [("Prefix", &rule.prefix), ("Suffix", &rule.suffix)] {
                if let Some(value) = value {
                    xml.element("FilterRule", |xml| {
                        xml.text("Name", name).text("Value", value);
                    });
                }
            }
        });
    });
}

/// The name of the element that holds an ARN of this kind, which is also what errors call it.
#[must_use]
pub fn arn_element(kind: DestinationKind) -> &'static str {
    KINDS.iter().find(|known| known.kind == kind).map_or("", |known| known.arn_element)
}

/// How a kind of destination is written.
struct Kind {
    kind: DestinationKind,
    element: &'static str,
    arn_element: &'static str,
}

const KINDS: [Kind; 3] = [
    Kind { kind: DestinationKind::Topic, element: "TopicConfiguration", arn_element: "Topic" },
    Kind { kind: DestinationKind::Queue, element: "QueueConfiguration", arn_element: "Queue" },
    Kind { kind: DestinationKind::Function, element: "CloudFunctionConfiguration", arn_element: "CloudFunction" },
];
const ROOT: &str = "NotificationConfiguration";
const EVENT_BRIDGE: &str = "EventBridgeConfiguration";
/// One prefix and one suffix make sense; a few more get a better answer than `MalformedXML`.
const MOST_FILTER_RULES: usize = 10;

#[cfg(test)]
mod tests {
    use coffer_configuration::NotificationEvent;

    use super::*;

    fn parse(inner: &str) -> Result<NotificationDocument, &'static str> {
        let body = format!("<NotificationConfiguration>{inner}</NotificationConfiguration>");
        parse_notification_configuration(body.as_bytes()).map_err(|error| error.code())
    }

    const QUEUE: &str = "<Queue>arn:aws:sqs:us-east-1:000000000000:q</Queue><Event>s3:ObjectCreated:*</Event>";

    #[test]
    fn an_empty_document_asks_for_nothing() {
        assert_eq!(parse(""), Ok(NotificationDocument::default()));
    }

    #[test]
    fn destinations_of_all_kinds_are_read() {
        let parsed = parse(&format!(
            "<TopicConfiguration><Topic>t</Topic><Event>a</Event></TopicConfiguration>\
             <QueueConfiguration><Id>x</Id>{QUEUE}<Event>b</Event><Filter><S3Key>\
             <FilterRule><Name>prefix</Name><Value> a&amp;b/</Value></FilterRule></S3Key></Filter></QueueConfiguration>\
             <CloudFunctionConfiguration><Id/><InvocationRole>r</InvocationRole><CloudFunction>f</CloudFunction>\
             <Event>a</Event></CloudFunctionConfiguration><EventBridgeConfiguration/>"
        ));
        let parsed = parsed.unwrap();
        assert!(parsed.event_bridge);
        let [topic, queue, function] = parsed.destinations.as_slice() else { panic!("{parsed:?}") };
        assert_eq!((topic.kind, topic.arn.as_str(), &topic.id), (DestinationKind::Topic, "t", &None));
        assert_eq!((queue.id.as_deref(), queue.events.len()), (Some("x"), 2));
        assert_eq!(queue.filter_rules, [("prefix".to_owned(), " a&b/".to_owned())]);
        assert_eq!((function.kind, &function.id), (DestinationKind::Function, &None));
    }

    #[test]
    fn what_is_not_in_the_schema_is_malformed() {
        let filtered =
            |inner: &str| format!("<QueueConfiguration>{QUEUE}<Filter>{inner}</Filter></QueueConfiguration>");
        let rule = "<FilterRule><Name>prefix</Name><Value>a</Value></FilterRule>";
        for inner in [
            "text",
            "<Other/>",
            "<QueueConfiguration/>",
            "<QueueConfiguration><Queue>q</Queue></QueueConfiguration>",
            "<QueueConfiguration><Queue/><Event>e</Event></QueueConfiguration>",
            "<QueueConfiguration><Event>e</Event></QueueConfiguration>",
            "<QueueConfiguration><Topic>q</Topic><Event>e</Event></QueueConfiguration>",
            "<QueueConfiguration><Queue>q</Queue><Queue>q</Queue><Event>e</Event></QueueConfiguration>",
            "<QueueConfiguration><Queue>q</Queue><Event>e</Event><InvocationRole>r</InvocationRole></QueueConfiguration>",
            "<EventBridgeConfiguration/><EventBridgeConfiguration/>",
            "<EventBridgeConfiguration><Other/></EventBridgeConfiguration>",
            &filtered(""),
            &filtered("<Other/>"),
            &filtered("<S3Key><Other/></S3Key>"),
            &filtered("<S3Key/><S3Key/>"),
            &filtered("<S3Key><FilterRule><Name>prefix</Name></FilterRule></S3Key>"),
            &filtered("<S3Key><FilterRule><Value>a</Value></FilterRule></S3Key>"),
            &filtered(&format!("<S3Key>{}</S3Key>", rule.repeat(MOST_FILTER_RULES + 1))),
        ] {
            assert_eq!(parse(inner), Err("MalformedXML"), "{inner}");
        }
        assert!(parse(&filtered(&format!("<S3Key>{rule}</S3Key>"))).is_ok());
    }

    #[test]
    fn what_was_put_is_answered() {
        let rule = NotificationRule {
            id: "<1>".to_owned(),
            kind: DestinationKind::Topic,
            arn: "arn:aws:sns:us-east-1:000000000000:t".to_owned(),
            target: "t".to_owned(),
            events: vec![NotificationEvent::ObjectCreatedAny, NotificationEvent::ObjectAclPut],
            prefix: Some("a&b".to_owned()),
            suffix: Some(String::new()),
        };
        let configuration = NotificationConfiguration::new(vec![rule]).unwrap();
        let answer = write_notification_configuration(Some(&configuration));
        let read = parse_notification_configuration(answer.as_bytes()).unwrap();
        let [read] = read.destinations.as_slice() else { panic!("{answer}") };
        assert_eq!(
            (read.id.as_deref(), read.events.as_slice()),
            (Some("<1>"), &["s3:ObjectCreated:*".to_owned(), "s3:ObjectAcl:Put".to_owned()][..])
        );
        let filter_rules = [("Prefix", "a&b"), ("Suffix", "")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(read.filter_rules, filter_rules);
    }

    #[test]
    fn no_configuration_is_an_empty_document() {
        let answer = write_notification_configuration(None);
        assert_eq!(parse_notification_configuration(answer.as_bytes()).unwrap(), NotificationDocument::default());
    }
}

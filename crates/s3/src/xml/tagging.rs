//! Documents about tags.

use coffer_configuration::Tag;

use super::documents::once;
use super::read::XmlReader;
use super::write::{XmlWriter, document};
use crate::error::S3Error;

/// Parses the body of PutObjectTagging and PutBucketTagging, or the field of a form: tags in the order given, whatever
/// they are.
///
/// # Errors
/// `MalformedXML`.
pub fn parse_tagging(body: &[u8]) -> Result<Vec<Tag>, S3Error> {
    parse_in(body, "Tagging", "TagSet")
}

/// Parses the body of TagResource, as [`parse_tagging`] does.
///
/// # Errors
/// `MalformedXML`.
pub fn parse_tag_resource(body: &[u8]) -> Result<Vec<Tag>, S3Error> {
    parse_in(body, "TagResourceRequest", "Tags")
}

fn parse_in(body: &[u8], root: &str, set: &str) -> Result<Vec<Tag>, S3Error> {
    let mut xml = XmlReader::open(body, root)?;
    let mut tags = None;
    while let Some(name) = xml.child()? {
        if name != set {
            return Err(S3Error::malformed_xml());
        }
        once(&mut tags, parse_tags(&mut xml)?)?;
    }
    tags.ok_or_else(S3Error::malformed_xml)
}

/// Reads the tags in the element that was entered.
pub(super) fn parse_tags(xml: &mut XmlReader<'_>) -> Result<Vec<Tag>, S3Error> {
    let mut tags = Vec::new();
    while let Some(name) = xml.child()? {
        if name != "Tag" {
            return Err(S3Error::malformed_xml());
        }
        tags.push(parse_tag(xml)?);
    }
    Ok(tags)
}

/// Reads the tag that was entered, whatever it is.
pub(super) fn parse_tag(xml: &mut XmlReader<'_>) -> Result<Tag, S3Error> {
    let (mut key, mut value) = (None, None);
    while let Some(name) = xml.child()? {
        match name.as_str() {
            "Key" => once(&mut key, xml.text()?)?,
            "Value" => once(&mut value, xml.text()?)?,
            _ => return Err(S3Error::malformed_xml()),
        }
    }
    match (key, value) {
        (Some(key), Some(value)) => Ok(Tag { key, value }),
        _ => Err(S3Error::malformed_xml()),
    }
}

/// Writes what GetObjectTagging and GetBucketTagging answer: tags by key.
#[must_use]
pub fn write_tagging<'a>(tags: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    document("Tagging", |xml| {
        xml.element("TagSet", |xml| write_tags(tags, xml));
    })
}

/// Writes what ListTagsForResource answers: tags by key.
#[must_use]
pub fn write_tags_of_resource<'a>(tags: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    document("ListTagsForResourceResult", |xml| {
        xml.element("Tags", |xml| write_tags(tags, xml));
    })
}

fn write_tags<'a>(tags: impl Iterator<Item = (&'a str, &'a str)>, xml: &mut XmlWriter) {
    let mut tags: Vec<_> = tags.collect();
    tags.sort_unstable();
    for (key, value) in tags {
        xml.element("Tag", |xml| {
            xml.text("Key", key).text("Value", value);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(inner: &str) -> Result<Vec<Tag>, &'static str> {
        parse_tagging(format!("<Tagging>{inner}</Tagging>").as_bytes()).map_err(|error| error.code())
    }

    #[test]
    fn tags_are_read_in_the_order_given() {
        let tags =
            parse("<TagSet><Tag><Key>b</Key><Value> x </Value></Tag><Tag><Value/><Key>a&amp;</Key></Tag></TagSet>");
        assert_eq!(tags, Ok(vec![Tag::new("b", " x "), Tag::new("a&", "")]));
        assert_eq!(parse("<TagSet/>"), Ok(vec![]));
    }

    #[test]
    fn a_resource_is_tagged_by_a_document_of_its_own() {
        let body = b"<TagResourceRequest xmlns='http://awss3control.amazonaws.com/doc/2018-08-20/'>\
                     <Tags><Tag><Key>a</Key><Value>1</Value></Tag></Tags></TagResourceRequest>";
        assert_eq!(parse_tag_resource(body).unwrap(), [Tag::new("a", "1")]);
        assert!(parse_tag_resource(b"<Tagging><TagSet/></Tagging>").is_err());
        assert!(parse_tag_resource(b"<TagResourceRequest/>").is_err());
    }

    #[test]
    fn what_is_not_in_the_schema_is_malformed() {
        let tag = "<Tag><Key>a</Key><Value>1</Value></Tag>";
        for inner in [
            "",
            tag,
            "text",
            "<TagSet/><TagSet/>",
            "<TagSet>text</TagSet>",
            "<TagSet><Tag/></TagSet>",
            "<TagSet><Tag><Key>a</Key></Tag></TagSet>",
            "<TagSet><Tag><Value>1</Value></Tag></TagSet>",
            "<TagSet><Tag><Key>a</Key><Key>b</Key><Value>1</Value></Tag></TagSet>",
            "<TagSet><Tag><Key>a</Key><Value>1</Value><Value>2</Value></Tag></TagSet>",
            "<TagSet><Tag><Key>a</Key><Value>1</Value><Other/></Tag></TagSet>",
            "<TagSet><Tag><Key><b/></Key><Value>1</Value></Tag></TagSet>",
            "<TagSet><Other/></TagSet>",
            "<TagSet/><Other/>",
            "<Tags/>",
        ] {
            assert_eq!(parse(inner), Err("MalformedXML"), "{inner}");
        }
        for body in ["", "<TagSet/>", "<Tagging><TagSet>", "<Tagging><TagSet/></Tagging>x", "{}"] {
            assert!(parse_tagging(body.as_bytes()).is_err(), "{body}");
        }
    }

    #[test]
    fn what_was_put_is_answered_by_key() {
        let answer = write_tagging([("b", "2"), ("a", "<1>"), ("B", "")].into_iter());
        let tags = parse_tagging(answer.as_bytes()).unwrap();
        assert_eq!(tags, [Tag::new("B", ""), Tag::new("a", "<1>"), Tag::new("b", "2")]);
    }
}

//! Reading XML strictly: no DTD, no entities but the five of XML, UTF-8 only, bounded depth.

use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event};

use crate::error::S3Error;

/// The attribute that says what kind of grantee an element holds. Clients all write it with this prefix.
const XSI_TYPE: &[u8] = b"xsi:type";

/// No document of S3 is deeper.
const MAX_DEPTH: usize = 16;

/// A cursor over a document. It stands inside of one element at a time.
///
/// [`XmlReader::child`] enters the next child; what was entered is left by [`XmlReader::text`],
/// [`XmlReader::skip`], or by asking for children until there are none. Namespaces are not looked at: clients
/// send S3's, none, or their own.
///
/// Every method fails with `MalformedXML` and nothing else.
pub struct XmlReader<'a> {
    reader: Reader<&'a [u8]>,
    depth: usize,
    xsi_type: Option<String>,
}

impl<'a> XmlReader<'a> {
    /// Enters the root element of `document`, which must be called `root`.
    ///
    /// # Errors
    /// `MalformedXML`, also for an empty document.
    pub fn open(document: &'a [u8], root: &str) -> Result<Self, S3Error> {
        let document = std::str::from_utf8(document).map_err(|_| S3Error::malformed_xml())?;
        let mut reader = Reader::from_str(document);
        let config = reader.config_mut();
        config.expand_empty_elements = true;
        config.check_comments = true;
        let mut xml = Self { reader, depth: 0, xsi_type: None };
        match xml.child()? {
            Some(name) if name == root => Ok(xml),
            _ => Err(S3Error::malformed_xml()),
        }
    }

    /// Enters the next child of the current element and returns its name; `None` leaves the current element.
    ///
    /// # Errors
    /// `MalformedXML` for text between the elements, and for anything after the root element.
    pub fn child(&mut self) -> Result<Option<String>, S3Error> {
        loop {
            match self.event()? {
                Event::Start(start) => return self.enter(&start).map(Some),
                Event::End(_) => {
                    self.leave()?;
                    return Ok(None);
                }
                Event::Text(text) if is_blank(&text) => {}
                _ => return Err(S3Error::malformed_xml()),
            }
        }
    }

    /// The `xsi:type` of the element that was entered last.
    #[must_use]
    pub fn xsi_type(&self) -> Option<&str> {
        self.xsi_type.as_deref()
    }

    /// Leaves the current element and returns its text as it stands, blanks included.
    ///
    /// # Errors
    /// `MalformedXML` if it has child elements.
    pub fn text(&mut self) -> Result<String, S3Error> {
        let mut value = String::new();
        loop {
            match self.event()? {
                Event::Text(text) => value.push_str(&text.xml10_content().map_err(|_| S3Error::malformed_xml())?),
                Event::CData(text) => value.push_str(&text.xml10_content().map_err(|_| S3Error::malformed_xml())?),
                Event::GeneralRef(reference) => match reference.resolve_char_ref() {
                    Ok(Some(c)) => value.push(c),
                    Ok(None) => {
                        let name = reference.decode().map_err(|_| S3Error::malformed_xml())?;
                        value.push_str(resolve_predefined_entity(&name).ok_or_else(S3Error::malformed_xml)?);
                    }
                    Err(_) => return Err(S3Error::malformed_xml()),
                },
                Event::End(_) => {
                    self.leave()?;
                    return Ok(value);
                }
                _ => return Err(S3Error::malformed_xml()),
            }
        }
    }

    /// Leaves the current element and returns its text, without blanks around it, as a `T`.
    ///
    /// # Errors
    /// `MalformedXML` if it is none.
    pub fn parse<T: std::str::FromStr>(&mut self) -> Result<T, S3Error> {
        self.text()?.trim().parse().map_err(|_| S3Error::malformed_xml())
    }

    /// Leaves the current element, whatever is inside.
    ///
    /// # Errors
    /// `MalformedXML` if what is inside is not well-formed.
    pub fn skip(&mut self) -> Result<(), S3Error> {
        let outside = self.depth - 1;
        while self.depth > outside {
            match self.event()? {
                Event::Start(start) => {
                    self.enter(&start)?;
                }
                Event::End(_) => self.leave()?,
                Event::Eof => return Err(S3Error::malformed_xml()),
                _ => {}
            }
        }
        Ok(())
    }

    fn enter(&mut self, start: &BytesStart<'_>) -> Result<String, S3Error> {
        self.depth += 1;
        self.xsi_type = None;
        let mut sound = self.depth <= MAX_DEPTH;
        for attribute in start.attributes() {
            match attribute {
                Ok(attribute) if attribute.key.as_ref() == XSI_TYPE => {
                    self.xsi_type = std::str::from_utf8(&attribute.value).ok().map(str::to_owned);
                }
                Ok(_) => {}
                Err(_) => sound = false,
            }
        }
        match std::str::from_utf8(start.local_name().as_ref()) {
            Ok(name) if sound => Ok(name.to_owned()),
            _ => Err(S3Error::malformed_xml()),
        }
    }

    /// Nothing but comments and blanks may follow the root element.
    fn leave(&mut self) -> Result<(), S3Error> {
        self.depth -= 1;
        if self.depth > 0 {
            return Ok(());
        }
        loop {
            match self.event()? {
                Event::Eof => return Ok(()),
                Event::Text(text) if is_blank(&text) => {}
                _ => return Err(S3Error::malformed_xml()),
            }
        }
    }

    /// The next event that means something. The declaration may stand at the very start only.
    fn event(&mut self) -> Result<Event<'a>, S3Error> {
        loop {
            let at = self.reader.buffer_position();
            match self.reader.read_event().map_err(|_| S3Error::malformed_xml())? {
                Event::Comment(_) | Event::PI(_) => {}
                Event::Decl(declaration) if at == 0 => {
                    let utf8 = match declaration.encoding() {
                        None => true,
                        Some(encoding) => encoding.is_ok_and(|name| name.eq_ignore_ascii_case(b"utf-8")),
                    };
                    if !utf8 {
                        return Err(S3Error::malformed_xml());
                    }
                }
                Event::Decl(_) | Event::DocType(_) => return Err(S3Error::malformed_xml()),
                event => return Ok(event),
            }
        }
    }
}

fn is_blank(text: &[u8]) -> bool {
    text.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of(document: &str) -> Result<String, S3Error> {
        XmlReader::open(document.as_bytes(), "R")?.text()
    }

    #[test]
    fn references_and_cdata_become_text() {
        assert_eq!(text_of("<R>a&amp;&lt;&#65;&#x42;<![CDATA[<c>]]></R>").unwrap(), "a&<AB<c>");
    }

    #[test]
    fn blanks_in_text_are_kept_and_parse_trims_them() {
        assert_eq!(text_of("<R> a </R>").unwrap(), " a ");
        assert_eq!(XmlReader::open(b"<R> 7\n</R>", "R").unwrap().parse::<u32>().unwrap(), 7);
    }

    #[test]
    fn children_come_in_order_whatever_their_prefix() {
        let document = b"<?xml version='1.0' encoding='UTF-8'?><!-- c --><x:R xmlns:x='u'> <x:A/><B>b</B>\n</x:R>\n";
        let mut xml = XmlReader::open(document, "R").unwrap();
        assert_eq!(xml.child().unwrap().as_deref(), Some("A"));
        assert_eq!(xml.child().unwrap(), None);
        assert_eq!(xml.child().unwrap().as_deref(), Some("B"));
        assert_eq!(xml.text().unwrap(), "b");
        assert_eq!(xml.child().unwrap(), None);
    }

    #[test]
    fn skipping_leaves_exactly_one_element() {
        let mut xml = XmlReader::open(b"<R><A><A>x</A><B/></A><C/></R>", "R").unwrap();
        assert_eq!(xml.child().unwrap().as_deref(), Some("A"));
        xml.skip().unwrap();
        assert_eq!(xml.child().unwrap().as_deref(), Some("C"));
    }

    #[test]
    fn hostile_documents_are_malformed() {
        let deep = format!("<R>{}{}</R>", "<a>".repeat(MAX_DEPTH), "</a>".repeat(MAX_DEPTH));
        for document in [
            "",
            " ",
            "R",
            "<R>",
            "<R></S>",
            "<S/>",
            "<R/><R/>",
            "<R/>tail",
            "<R a=1/>",
            "<R a='1' a='2'/>",
            "<R>&unknown;</R>",
            "<R>&amp</R>",
            "<R>&#0;</R>",
            "<R>&#xD800;</R>",
            "<R><!-- -- --></R>",
            "<!DOCTYPE R><R/>",
            "<!DOCTYPE R [<!ENTITY a 'aaaa'>]><R>&a;</R>",
            "<!DOCTYPE R [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><R>&a;</R>",
            "<?xml version='1.0' encoding='UTF-16'?><R/>",
            "<R><?xml version='1.0'?></R>",
            deep.as_str(),
        ] {
            let outcome = XmlReader::open(document.as_bytes(), "R").and_then(|mut xml| xml.skip());
            // `skip` looks at no references, `text` does.
            let outcome = outcome.and_then(|()| text_of(document).map(drop));
            assert_eq!(outcome.map_err(|error| error.code()), Err("MalformedXML"), "{document}");
        }
    }

    #[test]
    fn the_type_of_an_element_is_that_of_the_last_one_entered() {
        let mut xml = XmlReader::open(b"<R><A xmlns:xsi='u' xsi:type='Group'><B/></A></R>", "R").unwrap();
        assert_eq!(xml.xsi_type(), None);
        xml.child().unwrap();
        assert_eq!(xml.xsi_type(), Some("Group"));
        xml.child().unwrap();
        assert_eq!(xml.xsi_type(), None);
    }

    #[test]
    fn bytes_that_are_not_utf8_are_malformed() {
        assert!(XmlReader::open(b"<R>\xff</R>", "R").is_err());
    }

    #[test]
    fn text_between_elements_is_malformed() {
        assert!(XmlReader::open(b"<R>x<A/></R>", "R").unwrap().child().is_err());
        assert!(XmlReader::open(b"<R>x<A/></R>", "R").unwrap().text().is_err());
    }
}

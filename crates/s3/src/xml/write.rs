//! Writing XML.

use std::fmt::{Display, Write as _};

use super::NAMESPACE;

/// Returns a document with the root element `root` in S3's namespace; `content` writes what is inside.
#[must_use]
pub fn document(root: &str, content: impl FnOnce(&mut XmlWriter)) -> String {
    let mut xml = XmlWriter::new();
    let _ = write!(xml.0, "<{root} xmlns=\"{NAMESPACE}\">");
    content(&mut xml);
    xml.close(root);
    xml.0
}

/// Returns a document that is one element in S3's namespace with this text.
#[must_use]
pub fn document_with_text(root: &str, text: &str) -> String {
    document(root, |xml| xml.escape(text, true))
}

/// A document that grows from left to right. Elements close themselves.
pub struct XmlWriter(String);

impl XmlWriter {
    /// Starts a document with the XML declaration.
    #[must_use]
    pub(crate) fn new() -> Self {
        Self(String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"))
    }

    /// The document.
    pub(crate) fn into_string(self) -> String {
        self.0
    }

    /// Writes the element `name`; `content` writes what is inside.
    pub fn element(&mut self, name: &str, content: impl FnOnce(&mut Self)) -> &mut Self {
        let _ = write!(self.0, "<{name}>");
        content(self);
        self.close(name);
        self
    }

    /// Writes the element `name` with `attributes`, which need no escaping; `content` writes what is inside.
    pub fn element_with(&mut self, name: &str, attributes: &str, content: impl FnOnce(&mut Self)) -> &mut Self {
        let _ = write!(self.0, "<{name} {attributes}>");
        content(self);
        self.close(name);
        self
    }

    /// Writes the element `name` with `value` as its text; an empty text makes an empty element.
    pub fn text(&mut self, name: &str, value: impl AsRef<str>) -> &mut Self {
        let value = value.as_ref();
        if value.is_empty() {
            let _ = write!(self.0, "<{name}/>");
            return self;
        }
        self.element(name, |xml| xml.escape(value, true))
    }

    /// Writes the element `name` with a sentence as its text: quotation marks in it stay, as in S3's errors.
    pub(crate) fn prose(&mut self, name: &str, value: &str) -> &mut Self {
        self.element(name, |xml| xml.escape(value, false))
    }

    /// Writes the element `name` with a number, a flag or another value that needs no escaping.
    pub fn value(&mut self, name: &str, value: impl Display) -> &mut Self {
        let _ = write!(self.0, "<{name}>{value}</{name}>");
        self
    }

    /// Writes the element `name` if there is a text for it.
    pub fn text_if(&mut self, name: &str, value: Option<impl AsRef<str>>) -> &mut Self {
        if let Some(value) = value {
            self.text(name, value);
        }
        self
    }

    fn close(&mut self, name: &str) {
        let _ = write!(self.0, "</{name}>");
    }

    /// Appends `text`. What XML 1.0 cannot hold becomes a numeric reference, as S3 does it: not well-formed, but
    /// the only way to show such an object key at all. `\r` is one too, since readers turn a bare one into `\n`.
    fn escape(&mut self, text: &str, quotes: bool) {
        for c in text.chars() {
            match c {
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '&' => self.0.push_str("&amp;"),
                '"' if quotes => self.0.push_str("&quot;"),
                '\t' | '\n' => self.0.push(c),
                '\r' => self.0.push_str("&#13;"),
                '\0'..='\x1f' | '\u{fffe}' | '\u{ffff}' => {
                    let _ = write!(self.0, "&#x{:x};", u32::from(c));
                }
                _ => self.0.push(c),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(text: &str) -> String {
        let mut xml = XmlWriter(String::new());
        xml.text("K", text);
        xml.into_string()
    }

    #[test]
    fn markup_characters_are_escaped() {
        assert_eq!(escaped("a<b>&\"c'"), "<K>a&lt;b&gt;&amp;&quot;c'</K>");
    }

    #[test]
    fn what_xml_cannot_hold_is_a_numeric_reference() {
        assert_eq!(escaped("\u{1}\u{1f}\u{0}\u{ffff}\r"), "<K>&#x1;&#x1f;&#x0;&#xffff;&#13;</K>");
    }

    #[test]
    fn text_outside_ascii_stays_as_it_is() {
        assert_eq!(escaped("für 日本\t\n"), "<K>für 日本\t\n</K>");
    }

    #[test]
    fn an_empty_text_is_an_empty_element() {
        assert_eq!(escaped(""), "<K/>");
    }

    #[test]
    fn documents_nest_and_carry_the_namespace() {
        let text = document("R", |xml| {
            xml.element("A", |xml| {
                xml.value("N", 5).text_if("T", None::<&str>).text_if("U", Some("u"));
            });
        });
        assert_eq!(
            text,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <R xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><A><N>5</N><U>u</U></A></R>"
        );
    }
}

//! Writing the answers of the query protocol.

use std::fmt::{Display, Write as _};

use crate::time::iso8601;

/// A piece of XML that grows from left to right. Elements close themselves.
#[derive(Default)]
pub(crate) struct Xml(String);

impl Xml {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Writes an element; `content` writes what is inside.
    pub(crate) fn element(&mut self, name: &str, content: impl FnOnce(&mut Self)) -> &mut Self {
        let _ = write!(self.0, "<{name}>");
        content(self);
        let _ = write!(self.0, "</{name}>");
        self
    }

    /// Writes an element with a text.
    pub(crate) fn text(&mut self, name: &str, value: &str) -> &mut Self {
        self.element(name, |xml| xml.escape(value))
    }

    /// Writes an element with a text, if there is one.
    pub(crate) fn text_if(&mut self, name: &str, value: Option<&str>) -> &mut Self {
        if let Some(value) = value {
            self.text(name, value);
        }
        self
    }

    /// Writes an element with a number or a flag.
    pub(crate) fn value(&mut self, name: &str, value: impl Display) -> &mut Self {
        let _ = write!(self.0, "<{name}>{value}</{name}>");
        self
    }

    /// Writes an element with a time.
    pub(crate) fn time(&mut self, name: &str, at_ms: u64) -> &mut Self {
        self.text(name, &iso8601(at_ms))
    }

    /// Writes a list: `<NAME><member>...</member>...</NAME>`.
    pub(crate) fn list<T>(
        &mut self,
        name: &str,
        items: impl IntoIterator<Item = T>,
        mut write: impl FnMut(&mut Self, T),
    ) -> &mut Self {
        self.element(name, |xml| {
            for item in items {
                xml.element("member", |xml| write(xml, item));
            }
        })
    }

    /// Writes an element around a piece that is there already.
    pub(crate) fn nested(&mut self, name: &str, inside: Self) -> &mut Self {
        self.element(name, |xml| xml.0.push_str(&inside.0))
    }

    /// The text.
    pub(crate) fn into_string(self) -> String {
        self.0
    }

    /// Appends a text.
    pub(crate) fn escape(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '&' => self.0.push_str("&amp;"),
                '"' => self.0.push_str("&quot;"),
                '\t' | '\n' => self.0.push(c),
                '\r' => self.0.push_str("&#13;"),
                // XML 1.0 has no way to hold these.
                '\0'..='\x1f' | '\u{fffe}' | '\u{ffff}' => self.0.push('\u{fffd}'),
                _ => self.0.push(c),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_have_members_and_texts_are_escaped() {
        let mut xml = Xml::new();
        xml.list("L", ["a<b", "c\u{1}"], |xml, item| {
            xml.text("T", item);
        });
        assert_eq!(xml.into_string(), "<L><member><T>a&lt;b</T></member><member><T>c\u{fffd}</T></member></L>");
    }
}

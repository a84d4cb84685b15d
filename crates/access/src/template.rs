//! Texts in policies: with wildcards, and with variables that stand for condition keys.

use crate::context::Keys;
use crate::pattern::Pattern;

/// What came of comparing something of a policy with something of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Match {
    /// They match.
    Yes,
    /// They do not.
    No,
    /// It cannot be said: a variable stands for nothing, or a value is not of the type that is compared. Nothing is
    /// granted because of it, and nothing escapes a denial because of it.
    Unclear,
}

impl Match {
    /// The answer for a list: one of them is enough.
    pub(crate) fn any(matches: impl Iterator<Item = Self>) -> Self {
        let mut found = Self::No;
        for one in matches {
            match one {
                Self::Yes => return Self::Yes,
                Self::Unclear => found = Self::Unclear,
                Self::No => {}
            }
        }
        found
    }

    /// The answer when all have to match.
    pub(crate) fn all(matches: impl Iterator<Item = Self>) -> Self {
        let mut found = Self::Yes;
        for one in matches {
            match one {
                Self::No => return Self::No,
                Self::Unclear => found = Self::Unclear,
                Self::Yes => {}
            }
        }
        found
    }
}

impl From<bool> for Match {
    fn from(matches: bool) -> Self {
        if matches { Self::Yes } else { Self::No }
    }
}

/// A text of a policy, before its variables have values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// `*`
    Many,
    /// `?`
    One,
    /// `${key}`, or `${key, 'default'}`
    Variable {
        key: String,
        default: Option<String>,
    },
}

impl Template {
    /// Reads a text. Variables are those of version 2012-10-17; without `variables`, `${` is text.
    pub(crate) fn parse(text: &str, variables: bool) -> Self {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(char) = rest.chars().next() {
            let behind = rest.get(char.len_utf8()..).unwrap_or_default();
            let variable = rest.strip_prefix("${").filter(|_| variables).and_then(|inner| inner.split_once('}'));
            if let Some((name, behind)) = variable {
                pieces.push(Piece::variable(name));
                rest = behind;
                continue;
            }
            match char {
                '*' => pieces.push(Piece::Many),
                '?' => pieces.push(Piece::One),
                _ => push_char(&mut pieces, char),
            }
            rest = behind;
        }
        Self(pieces)
    }

    /// The text with wildcards; `None` when a variable stands for nothing.
    pub(crate) fn pattern(&self, keys: &Keys<'_>) -> Option<Pattern> {
        let mut pattern = Pattern::default();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => pattern.push_literal(text),
                Piece::Many => pattern.push_many(),
                Piece::One => pattern.push_one(),
                Piece::Variable { key, default } => pattern.push_literal(value(keys, key, default.as_deref())?),
            }
        }
        Some(pattern)
    }

    /// The text as such, in which wildcards are characters; `None` when a variable stands for nothing.
    pub(crate) fn text(&self, keys: &Keys<'_>) -> Option<String> {
        let mut text = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(literal) => text.push_str(literal),
                Piece::Many => text.push('*'),
                Piece::One => text.push('?'),
                Piece::Variable { key, default } => text.push_str(value(keys, key, default.as_deref())?),
            }
        }
        Some(text)
    }

    /// The pattern in which a variable may be anything.
    pub(crate) fn loosest(&self) -> Pattern {
        let mut pattern = Pattern::default();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => pattern.push_literal(text),
                Piece::One => pattern.push_one(),
                Piece::Many | Piece::Variable { .. } => pattern.push_many(),
            }
        }
        pattern
    }

    /// The text, if it has no wildcards and no variables.
    pub(crate) fn fixed(&self) -> Option<&str> {
        match self.0.as_slice() {
            [] => Some(""),
            [Piece::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// The text in front of the first wildcard or variable.
    pub(crate) fn fixed_start(&self) -> &str {
        match self.0.first() {
            Some(Piece::Text(text)) => text,
            _ => "",
        }
    }

    /// Whether there is a variable.
    pub(crate) fn has_variable(&self) -> bool {
        self.0.iter().any(|piece| matches!(piece, Piece::Variable { .. }))
    }

    /// Whether a variable stands for a condition key that starts with `start`, in lower case.
    pub(crate) fn names(&self, start: &str) -> bool {
        self.0.iter().any(|piece| matches!(piece, Piece::Variable { key, .. } if key.starts_with(start)))
    }

    /// The condition keys that variables stand for, in lower case.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Variable { key, .. } => Some(key.as_str()),
            _ => None,
        })
    }

    /// Whether it is `*` and nothing else.
    pub(crate) fn is_anything(&self) -> bool {
        self.0 == [Piece::Many]
    }

    /// Cuts at the colons, into at most `limit` parts: the last has those that are left.
    pub(crate) fn split_colons(&self, limit: usize) -> Vec<Self> {
        let mut parts = vec![Self(Vec::new())];
        for piece in &self.0 {
            let Piece::Text(text) = piece else {
                push(&mut parts, piece.clone());
                continue;
            };
            for (index, text) in text.splitn(limit + 1 - parts.len(), ':').enumerate() {
                if index > 0 {
                    parts.push(Self(Vec::new()));
                }
                if !text.is_empty() {
                    push(&mut parts, Piece::Text(text.to_owned()));
                }
            }
        }
        parts
    }
}

impl Piece {
    fn variable(inner: &str) -> Self {
        match inner {
            "*" | "?" | "$" => return Self::Text(inner.to_owned()),
            _ => {}
        }
        let quoted = inner.split_once(',').and_then(|(key, default)| {
            let default = default.trim().strip_prefix('\'')?.strip_suffix('\'')?;
            Some((key, default))
        });
        let (key, default) = quoted.map_or((inner, None), |(key, default)| (key, Some(default.to_owned())));
        Self::Variable { key: key.trim().to_ascii_lowercase(), default }
    }
}

fn push(parts: &mut [Template], piece: Piece) {
    if let Some(Template(pieces)) = parts.last_mut() {
        pieces.push(piece);
    }
}

fn push_char(pieces: &mut Vec<Piece>, char: char) {
    if let Some(Piece::Text(text)) = pieces.last_mut() {
        text.push(char);
    } else {
        pieces.push(Piece::Text(char.to_string()));
    }
}

/// What a variable stands for. A key with several values is none that a variable may name.
fn value<'a>(keys: &Keys<'a>, key: &str, default: Option<&'a str>) -> Option<&'a str> {
    match keys.get(key) {
        Some([value]) => Some(value),
        _ => default,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::Context;

    fn text(template: &str, variables: bool) -> Option<String> {
        let (caller, mut request) = (Context::new(), Context::new());
        request.set("aws:username", "ann");
        request.set_all("aws:TagKeys", vec!["a".to_owned(), "b".to_owned()]);
        Template::parse(template, variables).text(&Keys { caller: &caller, request: &request })
    }

    fn check(template: &str, expected: Option<&str>) {
        assert_eq!(text(template, true).as_deref(), expected, "{template}");
    }

    #[test]
    fn variables_have_values_and_defaults() {
        check("a${aws:username}b", Some("aannb"));
        check("${aws:username}${aws:username}", Some("annann"));
        check("${ AWS:UserName }", Some("ann"));
        check("${aws:nothing, 'x, y'}", Some("x, y"));
        check("${aws:nothing,'x'}", Some("x"));
        check("${aws:username, 'x'}", Some("ann"));
        check("${aws:nothing, ''}", Some(""));
    }

    #[test]
    fn what_stands_for_nothing_makes_nothing_of_the_text() {
        check("a${aws:nothing}", None);
        check("${}", None);
        check("${aws:nothing, x}", None);
        // A list is no value.
        check("${aws:TagKeys}", None);
        check("${aws:TagKeys, 'x'}", Some("x"));
    }

    #[test]
    fn what_is_no_variable_is_text() {
        for template in ["$", "${", "${aws:username", "{aws:username}", "$ {a}", "", "*?", "日*"] {
            check(template, Some(template));
        }
        check("${*}${?}${$}", Some("*?$"));
        check("$${aws:username}", Some("$ann"));
        assert_eq!(text("${aws:username}", false).as_deref(), Some("${aws:username}"));
    }

    #[test]
    fn colons_of_variables_do_not_cut() {
        let parts = |text: &str, limit| Template::parse(text, true).split_colons(limit).len();
        assert_eq!(parts("a:b:c", 6), 3);
        assert_eq!(parts("a:b:c", 2), 2);
        assert_eq!(parts(":::", 6), 4);
        assert_eq!(parts("a:${aws:username}:b", 6), 3);
        assert_eq!(parts("a:*:?:b*c:d", 6), 5);
        assert_eq!(parts("a:*:b:c:d", 2), 2);
        assert_eq!(parts("", 6), 1);
    }

    #[test]
    fn a_cut_text_is_the_text() {
        let whole = Template::parse("arn:aws:s3:::b/*:x:${aws:username}", true);
        let parts = whole.split_colons(6);
        assert_eq!(parts.len(), 6);
        assert_eq!(parts[5], Template::parse("b/*:x:${aws:username}", true));
        assert_eq!(parts[3], Template::parse("", true));
    }
}

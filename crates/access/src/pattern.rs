//! Wildcards: `*` is any run of characters, `?` is any one.

use std::collections::HashMap;

/// A text with wildcards.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Pattern(Vec<Token>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Char(char),
    One,
    Many,
}

impl Pattern {
    /// Reads `*` and `?` as wildcards.
    pub(crate) fn parse(text: &str) -> Self {
        Self(text.chars().map(Token::read).collect())
    }

    /// Adds a text in which nothing is a wildcard.
    pub(crate) fn push_literal(&mut self, text: &str) {
        self.0.extend(text.chars().map(Token::Char));
    }

    /// Adds a `?`.
    pub(crate) fn push_one(&mut self) {
        self.0.push(Token::One);
    }

    /// Adds a `*`.
    pub(crate) fn push_many(&mut self) {
        self.0.push(Token::Many);
    }

    /// Whether the whole of `text` matches.
    ///
    /// Each run between two `*` is looked for once, behind the one before it, and the first place is as good as any: so
    /// nothing is tried again, and it takes at most `t * (r / 64 + 1)` steps, where `t` is the length of the text and
    /// `r` that of the longest run, both in characters.
    pub(crate) fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        let mut runs = self.0.split(|token| *token == Token::Many);
        let first = runs.next().unwrap_or_default();
        let Some((start, rest)) = text.split_at_checked(first.len()) else { return false };
        if !fits(first, start) {
            return false;
        }
        let Some(last) = runs.next_back() else { return rest.is_empty() };
        let Some(middle_len) = rest.len().checked_sub(last.len()) else { return false };
        let (mut rest, end) = rest.split_at(middle_len);
        if !fits(last, end) {
            return false;
        }
        for run in runs {
            let Some(behind) = end_of_first(run, rest) else { return false };
            rest = rest.get(behind..).unwrap_or_default();
        }
        true
    }
}

impl Token {
    fn read(char: char) -> Self {
        match char {
            '*' => Self::Many,
            '?' => Self::One,
            _ => Self::Char(char),
        }
    }

    fn fits(self, char: char) -> bool {
        match self {
            Self::Char(wanted) => wanted == char,
            Self::One => true,
            Self::Many => false,
        }
    }
}

fn fits(run: &[Token], text: &[char]) -> bool {
    run.iter().zip(text).all(|(token, char)| token.fits(*char))
}

/// Where the first place in `text` that `run` fits ends. `run` has no `*`.
///
/// The algorithm is Shift-And of Baeza-Yates and Gonnet: bit `i` of the state says that the first `i + 1` tokens fit
/// what was read last, and a character moves all of them on at once.
fn end_of_first(run: &[Token], text: &[char]) -> Option<usize> {
    let Some(last) = run.len().checked_sub(1) else { return Some(0) };
    if run.len() > text.len() {
        return None;
    }
    let masks = Masks::of(run);
    let mut state = vec![0_u64; run.len().div_ceil(64)];
    for (index, char) in text.iter().enumerate() {
        let mut carry = 1;
        for (word, mask) in state.iter_mut().zip(masks.get(*char)) {
            let moved = (*word << 1) | carry;
            carry = *word >> 63;
            *word = moved & mask;
        }
        if state.last().is_some_and(|word| word & (1 << (last % 64)) != 0) {
            return Some(index + 1);
        }
    }
    None
}

/// For each character, the positions in a run at which it fits, as bits.
struct Masks {
    of_chars: HashMap<char, Vec<u64>>,
    of_others: Vec<u64>,
}

impl Masks {
    fn of(run: &[Token]) -> Self {
        let mut of_others = vec![0; run.len().div_ceil(64)];
        for (index, _) in run.iter().enumerate().filter(|(_, token)| **token == Token::One) {
            set(&mut of_others, index);
        }
        let mut of_chars: HashMap<char, Vec<u64>> = HashMap::new();
        for (index, token) in run.iter().enumerate() {
            let Token::Char(char) = token else { continue };
            set(of_chars.entry(*char).or_insert_with(|| of_others.clone()), index);
        }
        Self { of_chars, of_others }
    }

    fn get(&self, char: char) -> &[u64] {
        self.of_chars.get(&char).unwrap_or(&self.of_others)
    }
}

fn set(mask: &mut [u64], index: usize) {
    if let Some(word) = mask.get_mut(index / 64) {
        *word |= 1 << (index % 64);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What the wildcards mean, written down.
    fn means(pattern: &[char], text: &[char]) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (None, None) => true,
            (Some(('*', rest)), None) => means(rest, text),
            (Some(('*', rest)), Some((_, behind))) => means(rest, text) || means(pattern, behind),
            (Some(('?', rest)), Some((_, behind))) => means(rest, behind),
            (Some((wanted, rest)), Some((char, behind))) => wanted == char && means(rest, behind),
            _ => false,
        }
    }

    #[track_caller]
    fn check(pattern: &str, text: &str, expected: bool) {
        assert_eq!(Pattern::parse(pattern).matches(text), expected, "{pattern} {text}");
    }

    #[test]
    fn the_whole_text_has_to_match() {
        check("", "", true);
        check("", "a", false);
        check("ab", "ab", true);
        check("ab", "abc", false);
        check("ab", "a", false);
        check("*", "", true);
        check("?", "", false);
        check("**", "ab", true);
    }

    #[test]
    fn start_and_end_do_not_share_characters() {
        check("ab*ba", "aba", false);
        check("ab*ba", "abba", true);
        check("a*?", "a", false);
        check("a*?", "ab", true);
    }

    #[test]
    fn a_question_mark_is_one_character_of_any_length() {
        check("?", "é", true);
        check("??", "é", false);
        check("*?x", "日x", true);
        check("a*é?*z", "a日éßz", true);
    }

    #[test]
    fn runs_may_be_longer_than_a_word() {
        for len in [63, 64, 65, 127, 128, 129, 200] {
            let run = "a".repeat(len - 1) + "b";
            check(&format!("*{run}*"), &format!("{}{run}c", "a".repeat(500)), true);
            check(&format!("*{run}*"), &format!("{}c", "a".repeat(500)), false);
            let hole = format!("*{}?{}*", "a".repeat(len / 2), "b".repeat(len / 2));
            check(&hole, &format!("aaa{}c{}bbb", "a".repeat(len / 2), "b".repeat(len / 2)), true);
        }
    }

    #[test]
    fn literals_have_no_wildcards() {
        let mut pattern = Pattern::parse("a*");
        pattern.push_literal("*?");
        assert!(pattern.matches("ab*?"));
        assert!(!pattern.matches("abcd"));
    }

    proptest! {
        #[test]
        fn it_is_what_wildcards_mean(pattern in "[ab*?é]{0,12}", text in "[abé]{0,12}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            prop_assert_eq!(Pattern::parse(&pattern).matches(&text), means(&chars(&pattern), &chars(&text)));
        }

        #[test]
        fn what_is_left_out_of_a_text_may_be_a_star(text in "\\PC{0,300}", cuts in proptest::collection::vec(any::<u16>(), 0..8)) {
            let chars: Vec<char> = text.chars().collect();
            let mut places: Vec<usize> = cuts.iter().map(|cut| usize::from(*cut) % (chars.len() + 1)).collect();
            places.sort_unstable();
            let mut pattern = Pattern::default();
            let (mut from, mut is_kept) = (0, true);
            for place in places.into_iter().chain([chars.len()]) {
                if is_kept {
                    pattern.push_literal(&chars[from..place].iter().collect::<String>());
                } else {
                    pattern.push_many();
                }
                (from, is_kept) = (place, !is_kept);
            }
            prop_assert!(pattern.matches(&text));
        }
    }
}

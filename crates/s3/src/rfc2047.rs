//! Encoded words (RFC 2047): how S3 sends user metadata outside of printable ASCII.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Returns `text` as it is if it is ASCII without control characters, else as encoded words with blanks between
/// them.
///
/// As S3 chooses: `Q` if more than half of the characters are ASCII, else `B`; words of at most 75 characters,
/// made by halving. Text that already looks like an encoded word is ASCII, and so comes back as it was sent.
#[must_use]
pub fn encode(text: &str) -> String {
    let plain = text.chars().filter(|c| is_plain(*c)).count();
    let foreign = text.chars().count() - plain;
    if foreign == 0 {
        return text.to_owned();
    }
    let mut words = Vec::new();
    encode_words(text, if plain > foreign { 'Q' } else { 'B' }, &mut words);
    words.join(" ")
}

fn encode_words(text: &str, encoding: char, words: &mut Vec<String>) {
    let encoded = if encoding == 'Q' { quoted(text) } else { STANDARD.encode(text) };
    let chars = text.chars().count();
    if encoded.len() > MAX_ENCODED_LEN && chars > 1 {
        let (at, _) = text.char_indices().nth(chars / 2).expect("half of the characters are there");
        let (first, second) = text.split_at(at);
        encode_words(first, encoding, words);
        encode_words(second, encoding, words);
    } else {
        words.push(format!("=?UTF-8?{encoding}?{encoded}?="));
    }
}

fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' ' => quoted.push('_'),
            b'=' | b'_' | b'?' | 0..=0x1f | 0x7f..=0xff => {
                let _ = write!(quoted, "={byte:02X}");
            }
            _ => quoted.push(char::from(byte)),
        }
    }
    quoted
}

fn is_plain(c: char) -> bool {
    matches!(c, '\t' | ' '..='~')
}

/// What an encoded word of 75 characters has room for, besides `=?UTF-8?Q?` and `?=`.
const MAX_ENCODED_LEN: usize = 63;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ascii_stays_as_it_is() {
        for text in ["", "plain text", "=?UTF-8?B?w4Q=?=", "a\tb"] {
            assert_eq!(encode(text), text);
        }
    }

    #[test]
    fn mostly_ascii_is_quoted_and_the_rest_is_base64() {
        assert_eq!(encode("ÄMÄZÕÑ S3"), "=?UTF-8?Q?=C3=84M=C3=84Z=C3=95=C3=91_S3?=");
        assert_eq!(encode("\0\u{1}\u{2}\u{3}\u{4}"), "=?UTF-8?B?AAECAwQ=?=");
        assert_eq!(encode("a=_?ü"), "=?UTF-8?Q?a=3D=5F=3F=C3=BC?=");
    }

    #[test]
    fn long_text_becomes_several_words_of_whole_characters() {
        let encoded = encode(&"日本".repeat(50));
        let decoded: Vec<u8> = encoded
            .split(' ')
            .flat_map(|word| {
                assert!(word.len() <= 75, "{word}");
                let inside = word.strip_prefix("=?UTF-8?B?").unwrap().strip_suffix("?=").unwrap();
                let bytes = STANDARD.decode(inside).unwrap();
                assert!(std::str::from_utf8(&bytes).is_ok());
                bytes
            })
            .collect();
        assert_eq!(decoded, "日本".repeat(50).as_bytes());
    }

    #[test]
    fn no_byte_leaves_that_a_header_could_not_carry() {
        let all: String = (0..=0x2ff).filter_map(char::from_u32).collect();
        assert!(encode(&all).bytes().all(|byte| matches!(byte, b' '..=b'~')));
    }
}

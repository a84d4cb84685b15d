//! Bytes in requests and answers, in base64. They may be a secret, and leave nothing behind in memory that can be helped.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

/// Room for the longest answer with a secret, so that it is not moved while it is written.
const ANSWER_LEN: usize = 16 << 10;

/// Bytes of a request.
pub(super) struct Blob(pub(super) Zeroizing<Vec<u8>>);

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Base64)
    }
}

struct Base64;

impl Visitor<'_> for Base64 {
    type Value = Blob;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("base64")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Blob, E> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(base64::decoded_len_estimate(text.len())));
        // The error would quote a character.
        STANDARD.decode_vec(text, &mut bytes).map_err(|_| E::custom("no base64"))?;
        Ok(Blob(bytes))
    }
}

/// Bytes of an answer.
pub(super) struct Text<'a>(pub(super) &'a [u8]);

impl Serialize for Text<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = Zeroizing::new(String::with_capacity(self.0.len().div_ceil(3) * 4));
        STANDARD.encode_string(self.0, &mut text);
        serializer.serialize_str(&text)
    }
}

/// An answer that may hold a secret.
pub(super) fn answer(value: &impl Serialize) -> String {
    let mut out = Vec::with_capacity(ANSWER_LEN);
    serde_json::to_writer(&mut out, value).expect("a struct of texts is always JSON");
    String::from_utf8(out).expect("JSON is UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back() {
        for bytes in [&b""[..], b"\0", b"\xff\xfe\xfd", &[7; 4096]] {
            let text = answer(&Text(bytes));
            let blob: Blob = serde_json::from_str(&text).unwrap();
            assert_eq!(*blob.0, bytes);
        }
        let escaped: Blob = serde_json::from_str(r#""\u002f\/\/\/""#).unwrap();
        assert_eq!(*escaped.0, [0xff; 3]);
    }

    #[test]
    fn what_is_no_base64_is_refused_and_not_repeated() {
        for text in [r#""s3cr3t!""#, r#""s3cr3""#, r#""czNj\ncjN0""#, r#""czN=""#, "7", "null", "[1,2]"] {
            let error = serde_json::from_str::<Blob>(text).err().unwrap().to_string();
            assert!(!error.contains("s3cr3") && !error.contains('!'), "{error}");
        }
    }
}

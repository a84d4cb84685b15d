//! What the signature says about the body.

/// The value of `x-amz-content-sha256`: the last line of the canonical request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PayloadHash {
    /// `UNSIGNED-PAYLOAD`: the signature does not cover the body.
    Unsigned,
    /// The SHA-256 of the body. Whoever reads the body compares.
    Sha256([u8; 32]),
    /// `STREAMING-AWS4-HMAC-SHA256-PAYLOAD`, `..-TRAILER`: an `aws-chunked` body whose chunks are signed.
    StreamingSigned {
        /// Whether signed trailers follow the last chunk.
        trailer: bool,
    },
    /// `STREAMING-UNSIGNED-PAYLOAD-TRAILER`: an `aws-chunked` body with trailers, not signed.
    StreamingUnsignedTrailer,
    /// `STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD`, `..-TRAILER`: chunks signed with Signature Version 4A.
    ///
    /// A chunk decoder for it does not exist: [`parse_authorization`](crate::parse_authorization) refuses it.
    StreamingEcdsa {
        /// Whether signed trailers follow the last chunk.
        trailer: bool,
    },
}

impl PayloadHash {
    /// Reads a value of `x-amz-content-sha256`; `None` when it is none of the above. A hash is 64 lowercase
    /// hexadecimal digits.
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        const FIXED: [PayloadHash; 6] = [
            PayloadHash::Unsigned,
            PayloadHash::StreamingUnsignedTrailer,
            PayloadHash::StreamingSigned { trailer: false },
            PayloadHash::StreamingSigned { trailer: true },
            PayloadHash::StreamingEcdsa { trailer: false },
            PayloadHash::StreamingEcdsa { trailer: true },
        ];
        decode_hex(value)
            .map(Self::Sha256)
            .or_else(|| FIXED.into_iter().find(|hash| hash.as_text(&mut [0; 64]).as_bytes() == value))
    }

    /// Whether the body is in `aws-chunked` framing.
    #[must_use]
    pub fn is_streaming(self) -> bool {
        !matches!(self, Self::Unsigned | Self::Sha256(_))
    }

    /// The value of `x-amz-content-sha256`. A hash is written into `digits`.
    #[must_use]
    pub fn as_text(self, digits: &mut [u8; 64]) -> &str {
        match self {
            Self::Unsigned => "UNSIGNED-PAYLOAD",
            Self::Sha256(hash) => encode_hex(&hash, digits),
            Self::StreamingSigned { trailer: false } => "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
            Self::StreamingSigned { trailer: true } => "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
            Self::StreamingUnsignedTrailer => "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
            Self::StreamingEcdsa { trailer: false } => "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD",
            Self::StreamingEcdsa { trailer: true } => "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER",
        }
    }
}

/// Reads 64 lowercase hexadecimal digits: a hash or a signature has one spelling.
pub(crate) fn decode_hex(digits: &[u8]) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    let lowercase = digits.iter().all(|digit| !digit.is_ascii_uppercase());
    (lowercase && hex::decode_to_slice(digits, &mut bytes).is_ok()).then_some(bytes)
}

/// Writes 64 lowercase hexadecimal digits.
pub(crate) fn encode_hex<'a>(bytes: &[u8; 32], digits: &'a mut [u8; 64]) -> &'a str {
    hex::encode_to_slice(bytes, digits).expect("64 digits spell 32 bytes");
    str::from_utf8(digits).expect("hexadecimal digits are ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_reads_back() {
        for hash in [
            PayloadHash::Unsigned,
            PayloadHash::Sha256([0xab; 32]),
            PayloadHash::StreamingSigned { trailer: false },
            PayloadHash::StreamingSigned { trailer: true },
            PayloadHash::StreamingUnsignedTrailer,
            PayloadHash::StreamingEcdsa { trailer: false },
            PayloadHash::StreamingEcdsa { trailer: true },
        ] {
            assert_eq!(PayloadHash::parse(hash.as_text(&mut [0; 64]).as_bytes()), Some(hash));
        }
    }

    #[test]
    fn other_values_are_none() {
        let upper = "AB".repeat(32);
        let short = "a".repeat(63);
        let long = "a".repeat(65);
        let stray = format!("{}g", "a".repeat(63));
        for value in ["", "unsigned-payload", "UNSIGNED-PAYLOAD ", "STREAMING-", &upper, &short, &long, &stray] {
            assert_eq!(PayloadHash::parse(value.as_bytes()), None, "{value}");
        }
    }
}

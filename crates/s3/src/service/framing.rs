//! How the body of a request is framed, and how long it is.

use coffer_sigv4::{ChunkDecoder, PayloadHash};

use crate::auth::Authenticated;
use crate::body::Framing;
use crate::error::S3Error;
use crate::headers::Headers;

/// The framing of a body and its announced length without framing, in bytes.
///
/// # Errors
/// `MissingContentLength` for an `aws-chunked` body of unknown length; `InvalidArgument` for lengths that are none;
/// `InvalidRequest` for signed chunks without a signature to start from.
pub(super) fn framing(headers: &Headers, authenticated: Authenticated) -> Result<(Framing, Option<u64>), S3Error> {
    let payload = match authenticated.payload {
        Some(payload) => payload,
        // What an anonymous client says of its body still holds.
        None => match headers.bytes(CONTENT_SHA256)? {
            None => PayloadHash::Unsigned,
            Some(value) => PayloadHash::parse(value).ok_or_else(|| {
                let message = "x-amz-content-sha256 must be UNSIGNED-PAYLOAD or a valid sha256 value.";
                S3Error::invalid_argument(message, CONTENT_SHA256, None)
            })?,
        },
    };
    let sha256 = match payload {
        PayloadHash::Unsigned => None,
        PayloadHash::Sha256(hash) => Some(hash),
        _ => {
            let len = headers.parse("x-amz-decoded-content-length")?.ok_or_else(S3Error::missing_content_length)?;
            let decoder = chunk_decoder(headers, payload, authenticated, len)?;
            return Ok((Framing::Chunked(Box::new(decoder)), Some(len)));
        }
    };
    Ok((Framing::Plain { sha256 }, headers.parse("content-length")?))
}

fn chunk_decoder(
    headers: &Headers,
    payload: PayloadHash,
    authenticated: Authenticated,
    decoded_len: u64,
) -> Result<ChunkDecoder, S3Error> {
    let names = headers.text("x-amz-trailer")?.unwrap_or_default();
    let announced: Vec<String> =
        names.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect();
    match (payload, authenticated.chain) {
        (PayloadHash::StreamingUnsignedTrailer, _) => Ok(ChunkDecoder::unsigned(decoded_len, announced)),
        (PayloadHash::StreamingSigned { trailer }, Some(chain)) => {
            Ok(ChunkDecoder::signed(chain, decoded_len, trailer.then_some(announced)))
        }
        _ => Err(S3Error::invalid_request("Chunks can only be signed in a signed request.")),
    }
}

const CONTENT_SHA256: &str = "x-amz-content-sha256";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::headers::headers;
    use crate::request::Principal;

    fn anonymous(pairs: &[(&str, &str)]) -> Result<(bool, Option<u64>), &'static str> {
        let nobody = Authenticated { principal: Principal::Anonymous, signed: None, payload: None, chain: None };
        match framing(&headers(pairs), nobody) {
            Ok((framing, len)) => Ok((matches!(framing, Framing::Chunked(_)), len)),
            Err(error) => Err(error.code()),
        }
    }

    #[test]
    fn plain_bodies_have_the_length_of_the_wire() {
        assert_eq!(anonymous(&[]), Ok((false, None)));
        assert_eq!(anonymous(&[("content-length", "7")]), Ok((false, Some(7))));
    }

    #[test]
    fn chunked_bodies_say_their_own_length() {
        let payload = (CONTENT_SHA256, "STREAMING-UNSIGNED-PAYLOAD-TRAILER");
        let len = ("x-amz-decoded-content-length", "5");
        assert_eq!(anonymous(&[payload, len, ("content-length", "50")]), Ok((true, Some(5))));
        assert_eq!(anonymous(&[payload, ("content-length", "50")]), Err("MissingContentLength"));
        assert_eq!(anonymous(&[payload, ("x-amz-decoded-content-length", "-5")]), Err("InvalidArgument"));
    }

    #[test]
    fn what_nobody_signed_has_no_signed_chunks() {
        let len = ("x-amz-decoded-content-length", "5");
        assert_eq!(anonymous(&[(CONTENT_SHA256, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"), len]), Err("InvalidRequest"));
        assert_eq!(anonymous(&[(CONTENT_SHA256, "nonsense"), len]), Err("InvalidArgument"));
    }
}

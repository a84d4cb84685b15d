//! AWS Signature Version 4: signing and verifying, in headers, URLs, chunks and forms.
//!
//! There is no IO, no async, no clock and no HTTP library here: a request is a [`RequestParts`], time is an
//! argument. What S3 would answer to a bad request is an [`AuthError`], whose text is S3's own message.
//!
//! A server calls [`parse_authorization`], [`ParsedAuth::check_scope`], [`check_time`] and, with the signing key
//! of the access key, [`verify`]; then reads an `aws-chunked` body through a [`ChunkDecoder`].
//!
//! ```
//! use coffer_sigv4::{PayloadHash, RequestParts, Scope, SecretKey, Signer, SigningKey};
//!
//! let secret = SecretKey::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned());
//! let scope = Scope { date: "20130524".into(), region: "us-east-1".into(), service: "s3".into() };
//! let signer = Signer::new("AKIAIOSFODNN7EXAMPLE", &secret, scope.clone());
//!
//! let mut headers: Vec<(&str, &[u8])> = vec![
//!     ("host", b"examplebucket.s3.amazonaws.com"),
//!     ("x-amz-content-sha256", b"UNSIGNED-PAYLOAD"),
//!     ("x-amz-date", b"20130524T000000Z"),
//! ];
//! let request = RequestParts { method: "GET", path: "/photo.jpg", query: "", headers: &headers };
//! let signed = signer.sign_header(&request).unwrap();
//!
//! headers.push(("authorization", signed.authorization.as_bytes()));
//! let request = RequestParts { method: "GET", path: "/photo.jpg", query: "", headers: &headers };
//! let auth = coffer_sigv4::parse_authorization(&request).unwrap().unwrap();
//! let key = SigningKey::derive(&secret, &auth.scope);
//! auth.check_scope("us-east-1", "s3").unwrap();
//! coffer_sigv4::check_time(&auth, 1_369_353_600, 900).unwrap();
//! coffer_sigv4::verify(&auth, &request, &key).unwrap();
//! assert_eq!(auth.payload, PayloadHash::Unsigned);
//! ```

mod auth;
mod canonical;
mod chunks;
mod credential;
mod encoding;
mod error;
mod key;
mod payload;
mod post;
mod request;
mod sign;
mod timestamp;
mod verify;

pub use auth::{AuthKind, MAX_EXPIRES_S, ParsedAuth, parse_authorization, parse_authorization_over};
pub use chunks::{ChunkChain, ChunkDecoder, ChunkEncoder, ChunkError, Trailers};
pub use credential::{Credential, Scope};
pub use encoding::{decode_path, query_pairs};
pub use error::{AuthError, CredentialFault, DateMismatch, HeaderFault, QueryFault, SignatureMismatch};
pub use key::{SecretKey, SigningKey, SigningKeys};
pub use payload::PayloadHash;
pub use post::{sign_policy, sign_policy_v2, verify_policy, verify_policy_v2};
pub use request::RequestParts;
pub use sign::{SignedHeader, Signer};
pub use timestamp::Timestamp;
pub use verify::{check_time, verify};

/// The name of the one algorithm that is spoken here.
pub const ALGORITHM: &str = "AWS4-HMAC-SHA256";

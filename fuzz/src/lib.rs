//! What the fuzz targets share: requests as text, keys that are no secret, bodies that arrive in pieces.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use coffer_access::{Caller, NamedPrincipal};
use coffer_crypto::{AeadKey, Key32, hkdf_sha512};
use coffer_s3::auth::{Identified, Identities, Identity};
use coffer_s3::error::S3Error;
use coffer_sigv4::{RequestParts, Scope, SecretKey, Signer, SigningKeys};
use tokio::runtime::Runtime;

/// The access key that targets sign with.
pub const ACCESS_KEY: &str = "AKIAIOSFODNN7EXAMPLE";
/// The account of the access key.
pub const ACCOUNT: &str = "123456789012";
/// Its secret, from the published examples of AWS.
pub const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
/// What stands behind the access key in a credential.
pub const SCOPE: &str = "20130524/us-east-1/s3/aws4_request";
/// The time of day in targets: 2013-05-24T00:00:00Z.
pub const DATE: &str = "20130524T000000Z";
/// The same in milliseconds since 1970.
pub const NOW_MS: u64 = 1_369_353_600_000;

/// The key that targets use wherever one 256-bit key is wanted.
#[must_use]
pub fn key() -> Key32 {
    Key32::take(&mut [7; 32])
}

/// Signs as [`ACCESS_KEY`], for the scope [`SCOPE`].
#[must_use]
pub fn signer() -> Signer {
    let scope = Scope { date: "20130524".into(), region: "us-east-1".into(), service: "s3".into() };
    Signer::new(ACCESS_KEY, &SecretKey::new(SECRET), scope)
}

/// Runs what waits for bytes, on this thread.
#[must_use]
pub fn runtime() -> &'static Runtime {
    static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
        tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a thread can have a runtime")
    });
    &RUNTIME
}

/// Knows [`ACCESS_KEY`] and no other.
pub struct Root(Arc<Identity>);

impl Root {
    /// The one identity.
    #[must_use]
    pub fn new() -> Arc<Self> {
        let keys = Arc::new(SigningKeys::new(SecretKey::new(SECRET)));
        let caller = Arc::new(Caller::root(ACCOUNT));
        Arc::new(Self(Arc::new(Identity::new(ACCESS_KEY.to_owned(), caller, keys))))
    }
}

#[async_trait]
impl Identities for Root {
    async fn identify(&self, access_key: &str, token: Option<&str>, _: u64) -> Result<Identified, S3Error> {
        Ok(match (access_key, token) {
            (ACCESS_KEY, None) => Identified::Known(Arc::clone(&self.0)),
            (ACCESS_KEY, Some(_)) => Identified::InvalidToken,
            _ => Identified::UnknownAccessKey,
        })
    }

    fn note_use(&self, _: &Identity, _: &str, _: u64) {}

    fn canonical_id(&self, account: &str) -> String {
        format!("{account:0>64}")
    }

    async fn account_of_canonical_id(&self, _: &str) -> Result<Option<String>, S3Error> {
        Ok(None)
    }

    async fn account_of_email(&self, _: &str) -> Result<Option<String>, S3Error> {
        Ok(None)
    }

    async fn principal(&self, _: &str) -> Result<Option<NamedPrincipal>, S3Error> {
        Ok(None)
    }

    async fn changed_names(&self, _: &BTreeMap<String, String>) -> Result<BTreeMap<String, String>, S3Error> {
        Ok(BTreeMap::new())
    }
}

/// Seals `plaintext` as a box of the object key [`key`], whatever it says: what an honest writer never does.
#[must_use]
pub fn forge_box(label: &str, context: &[u8], plaintext: &[u8]) -> Vec<u8> {
    let mut keys = [0; 64];
    hkdf_sha512(&key(), b"seal/1 fixed salt", &[b"seal/1 object\0"], &mut keys);
    let box_key = Key32::from_slice(&keys[..32]).expect("half of 64 bytes is a key");
    AeadKey::new(&box_key).seal(&[b"box1 ", label.as_bytes(), &[0], context].concat(), plaintext)
}

/// A request in the notation of the seeds: `METHOD PATH?QUERY`, then `name: value` lines, an empty line, the body.
/// Lines end with a line feed.
pub struct Request<'a> {
    /// The method.
    pub method: &'a str,
    /// The path.
    pub path: &'a str,
    /// What follows the `?`.
    pub query: &'a str,
    /// Lower-case names that HTTP admits, and raw values.
    pub headers: Vec<(String, &'a [u8])>,
    /// Everything behind the empty line.
    pub body: &'a [u8],
}

impl<'a> Request<'a> {
    /// Reads a request; `None` when its first line is not UTF-8.
    #[must_use]
    pub fn parse(text: &'a [u8]) -> Option<Self> {
        let (line, mut rest) = split_line(text);
        let line = str::from_utf8(line).ok()?;
        let (method, target) = line.split_once(' ').unwrap_or(("GET", line));
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut headers = Vec::new();
        while !rest.is_empty() {
            let (header, behind) = split_line(rest);
            rest = behind;
            if header.is_empty() {
                break;
            }
            let at = header.iter().position(|&byte| byte == b':').unwrap_or(header.len());
            // Other names do not get past an HTTP library.
            let Ok(name) = http::HeaderName::from_bytes(&header[..at]) else { continue };
            let value = header.get(at + 1..).unwrap_or_default();
            headers.push((name.as_str().to_owned(), value.strip_prefix(b" ").unwrap_or(value)));
        }
        Some(Self { method, path, query, headers, body: rest })
    }

    /// The headers, as a signature sees them.
    #[must_use]
    pub fn borrowed_headers(&self) -> Vec<(&str, &[u8])> {
        self.headers.iter().map(|(name, value)| (name.as_str(), *value)).collect()
    }

    /// The request, as a signature sees it.
    #[must_use]
    pub fn parts<'b>(&'b self, headers: &'b [(&'b str, &'b [u8])]) -> RequestParts<'b> {
        RequestParts { method: self.method, path: self.path, query: self.query, headers }
    }

    /// The headers whose values HTTP admits.
    #[must_use]
    pub fn header_map(&self) -> http::HeaderMap {
        let mut map = http::HeaderMap::new();
        for (name, value) in &self.headers {
            let name = http::HeaderName::from_bytes(name.as_bytes()).expect("it was one when it was read");
            if let Ok(value) = http::HeaderValue::from_bytes(value) {
                map.append(name, value);
            }
        }
        map
    }
}

/// What stands in front of the first line feed, and what behind it.
#[must_use]
pub fn split_line(text: &[u8]) -> (&[u8], &[u8]) {
    match text.iter().position(|&byte| byte == b'\n') {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, &[]),
    }
}

/// Cuts `body` into pieces of 1 to 16 bytes, as `seed` wants it.
pub fn pieces(body: &[u8], seed: u8) -> impl Iterator<Item = &[u8]> {
    let (mut rest, mut state) = (body, u32::from(seed));
    std::iter::from_fn(move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let len = rest.len().min(1 + (state >> 28) as usize);
        let (piece, behind) = rest.split_at(len);
        rest = behind;
        (!piece.is_empty()).then_some(piece)
    })
}

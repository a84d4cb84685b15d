//! Signing requests by AWS Signature Version 4.

use std::time::{SystemTime, UNIX_EPOCH};

use coffer_sigv4::{RequestParts, Scope, SecretKey, Signer, Timestamp};

const REGION: &str = "us-east-1";
/// Bodies are not hashed: the hash would be measured with the server. TLS and the comparisons guard them.
const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";

/// An access key and its secret.
pub(crate) struct Credentials {
    access_key: String,
    secret_key: SecretKey,
}

impl Credentials {
    /// Takes both.
    #[must_use]
    pub(crate) fn new(access_key: String, secret_key: String) -> Self {
        Self { access_key, secret_key: SecretKey::new(secret_key) }
    }

    /// A signer for one client.
    #[must_use]
    pub(crate) fn signer(&self) -> RequestSigner<'_> {
        RequestSigner { credentials: self, current: None }
    }
}

/// Signs one request after the other; keys are derived once a day, times are written once a second.
pub(crate) struct RequestSigner<'a> {
    credentials: &'a Credentials,
    current: Option<(Timestamp, Signer)>,
}

impl RequestSigner<'_> {
    /// Returns the headers to add to a request that has `headers`, which are signed; `host` must be one of them.
    pub(crate) fn sign(
        &mut self,
        method: &str,
        path: &str,
        query: &str,
        headers: &[(&str, &str)],
    ) -> [(&'static str, String); 3] {
        let now = now();
        let (credentials, last) = (self.credentials, self.current.take());
        let signer = match last {
            Some((then, signer)) if then.date() == now.date() => signer,
            _ => credentials.signer_of_day(now.date()),
        };
        let mut signed: Vec<(&str, &[u8])> = headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
        signed.push(("x-amz-content-sha256", UNSIGNED_PAYLOAD.as_bytes()));
        signed.push(("x-amz-date", now.as_str().as_bytes()));
        let header = signer
            .sign_header(&RequestParts { method, path, query, headers: &signed })
            .expect("host, date and payload hash are there, and the scope is of the date");
        let date = now.as_str().to_owned();
        self.current = Some((now, signer));
        [
            ("x-amz-content-sha256", UNSIGNED_PAYLOAD.to_owned()),
            ("x-amz-date", date),
            ("authorization", header.authorization),
        ]
    }
}

impl Credentials {
    fn signer_of_day(&self, date: &str) -> Signer {
        let scope = Scope { date: date.to_owned(), region: REGION.to_owned(), service: "s3".to_owned() };
        Signer::new(self.access_key.as_str(), &self.secret_key, scope)
    }
}

fn now() -> Timestamp {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970");
    let unix_s = i64::try_from(since_1970.as_secs()).expect("the clock is before the year 9999");
    Timestamp::from_unix_s(unix_s).expect("the clock is before the year 9999")
}

#[cfg(test)]
mod tests {
    use coffer_sigv4::{SigningKey, parse_authorization, verify};

    use super::*;

    /// Whether a server that expects `path` accepts what a client signed for `/bucket/key`.
    fn accepted(path: &str, secret_key: &str, host: &str) -> bool {
        let credentials = Credentials::new("AKID".to_owned(), "secret".to_owned());
        let mut signer = credentials.signer();
        signer.sign("GET", "/other", "", &[("host", "other")]);
        let added = signer.sign("PUT", "/bucket/key", "", &[("host", "127.0.0.1:9000")]);
        let mut headers: Vec<(&str, &[u8])> = vec![("host", host.as_bytes())];
        headers.extend(added.iter().map(|(name, value)| (*name, value.as_bytes())));
        let request = RequestParts { method: "PUT", path, query: "", headers: &headers };
        let auth = parse_authorization(&request).unwrap().unwrap();
        let key = SigningKey::derive(&SecretKey::new(secret_key), &auth.scope);
        verify(&auth, &request, &key).is_ok()
    }

    #[test]
    fn a_server_accepts_what_is_signed_and_nothing_else() {
        assert!(accepted("/bucket/key", "secret", "127.0.0.1:9000"));
        assert!(!accepted("/bucket/other", "secret", "127.0.0.1:9000"));
        assert!(!accepted("/bucket/key", "guess", "127.0.0.1:9000"));
        assert!(!accepted("/bucket/key", "secret", "127.0.0.1:9001"));
    }
}

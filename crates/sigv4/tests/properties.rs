//! What is signed verifies, anything else does not, and no input makes the parsers panic.

#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

use coffer_sigv4::{
    Credential, ParsedAuth, RequestParts, Scope, SecretKey, SignatureMismatch, Signer, SigningKey, Timestamp,
    parse_authorization, verify,
};
use proptest::prelude::*;
use proptest::sample::select;

type Headers = Vec<(String, Vec<u8>)>;

#[derive(Debug, Clone)]
struct Request {
    method: &'static str,
    path: String,
    query: String,
    headers: Headers,
}

impl Request {
    fn with<T>(&self, use_it: impl FnOnce(&RequestParts<'_>) -> T) -> T {
        let headers: Vec<(&str, &[u8])> = self.headers.iter().map(|(name, value)| (&**name, &**value)).collect();
        use_it(&RequestParts { method: self.method, path: &self.path, query: &self.query, headers: &headers })
    }

    fn header(mut self, name: &str, value: &[u8]) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    fn auth(&self) -> ParsedAuth {
        self.with(parse_authorization).unwrap().unwrap()
    }

    fn verify(&self, auth: &ParsedAuth, key: &SigningKey) -> Result<(), SignatureMismatch> {
        self.with(|request| verify(auth, request, key))
    }
}

/// A request that nobody has signed, with at least one header, parameter and path segment to change.
fn request() -> impl Strategy<Value = Request> {
    let headers = prop::collection::btree_map("x-amz-meta-[a-z]{1,4}", "[!-~]( {0,3}[!-~äü]{1,9}){0,3}", 1..4);
    let method = select(vec!["GET", "PUT", "DELETE"]);
    (method, "/[!-\"$-~]{1,20}", "[a-z]{1,4}=[!-%'-~]{1,9}(&[a-z]{1,4}=[!-%'-~]{0,9}){0,3}", headers).prop_map(
        |(method, path, query, headers)| {
            let headers = headers.into_iter().map(|(name, value)| (name, value.into_bytes())).collect();
            Request { method, path: path.replace('?', "-"), query, headers }.header("host", b"localhost:9000")
        },
    )
}

fn scope() -> Scope {
    Scope { date: "20130524".into(), region: "us-east-1".into(), service: "s3".into() }
}

fn signer(secret: &str) -> Signer {
    Signer::new("AKID", &SecretKey::new(secret.to_owned()), scope())
}

fn sign_header(request: Request) -> Request {
    let request = request.header("x-amz-date", b"20130524T000000Z").header("x-amz-content-sha256", &[b'0'; 64]);
    let signed = request.with(|request| signer("secret").sign_header(request)).unwrap();
    request.header("authorization", signed.authorization.as_bytes())
}

fn presign(mut request: Request) -> Request {
    let timestamp = Timestamp::parse("20130524T000000Z").unwrap();
    request.query = request.with(|request| signer("secret").presign(request, &timestamp, 60)).unwrap();
    request
}

/// Each way to change what `request` means.
fn mutations(request: &Request) -> Vec<(String, Request)> {
    let mut all = Vec::new();
    let mut push = |what: &str, change: &dyn Fn(&mut Request)| {
        let mut changed = request.clone();
        change(&mut changed);
        all.push((what.to_owned(), changed));
    };
    push("method", &|request| request.method = "POST");
    push("longer path", &|request| request.path.push('x'));
    push("slash in path", &|request| request.path.push('/'));
    push("doubled slash", &|request| request.path.insert(0, '/'));
    push("new parameter", &|request| request.query.push_str("&versionId=1"));
    push("new parameter without value", &|request| request.query.push_str("&acl"));
    push("changed parameter", &|request| request.query.insert(0, 'x'));
    push("repeated parameter", &|request| {
        let first = request.query.split('&').next().unwrap().to_owned();
        request.query = format!("{first}&{}", request.query);
    });
    for index in 0..request.headers.len() {
        let (name, _) = &request.headers[index];
        if name == "authorization" {
            continue;
        }
        push(&format!("longer {name}"), &|request| request.headers[index].1.push(b'x'));
        push(&format!("no {name}"), &|request| drop(request.headers.remove(index)));
        push(&format!("empty {name}"), &|request| request.headers[index].1.clear());
        push(&format!("{name} twice"), &|request| {
            let header = request.headers[index].clone();
            request.headers.push(header);
        });
    }
    all
}

proptest! {
    #[test]
    fn what_is_signed_verifies_and_every_mutation_fails(request in request(), in_header: bool) {
        let request = if in_header { sign_header(request) } else { presign(request) };
        let auth = request.auth();
        prop_assert_eq!(request.verify(&auth, signer("secret").key()), Ok(()));
        for (what, changed) in mutations(&request) {
            let refused = changed.verify(&auth, signer("secret").key());
            prop_assert_eq!(refused, Err(SignatureMismatch), "{}", what);
            // Parsed anew, a change that the parser sees is refused there.
            if let Ok(auth) = changed.with(parse_authorization) {
                prop_assert!(auth.is_some_and(|auth| changed.verify(&auth, signer("secret").key()).is_err()), "{}", what);
            }
        }
    }

    #[test]
    fn another_key_claim_or_signature_fails(request in request(), bit in 0usize..256) {
        let request = sign_header(request);
        let auth = request.auth();
        let key = signer("secret");
        prop_assert_eq!(request.verify(&auth, signer("Secret").key()), Err(SignatureMismatch));
        let mut changed = auth.clone();
        changed.signature[bit / 8] ^= 1 << (bit % 8);
        prop_assert_eq!(request.verify(&changed, key.key()), Err(SignatureMismatch));
        let scopes =
            [("20130525", "us-east-1", "s3"), ("20130524", "eu", "s3"), ("20130524", "us-east-1", "iam")];
        for (date, region, service) in scopes {
            let mut changed = auth.clone();
            changed.scope = Scope { date: date.into(), region: region.into(), service: service.into() };
            prop_assert_eq!(request.verify(&changed, key.key()), Err(SignatureMismatch));
            let other = SigningKey::derive(&SecretKey::new("secret".to_owned()), &changed.scope);
            prop_assert_eq!(request.verify(&auth, &other), Err(SignatureMismatch));
        }
        let mut changed = auth.clone();
        changed.timestamp = Timestamp::parse("20130524T000001Z").unwrap();
        prop_assert_eq!(request.verify(&changed, key.key()), Err(SignatureMismatch));
        let mut changed = auth;
        changed.payload = coffer_sigv4::PayloadHash::Unsigned;
        prop_assert_eq!(request.verify(&changed, key.key()), Err(SignatureMismatch));
    }

    #[test]
    fn how_a_path_or_query_is_encoded_does_not_matter(mut request in request()) {
        // What looks like an escape is one, and would not be after another round.
        request.path = request.path.replace('%', "-");
        let request = sign_header(request);
        let mut encoded = request.clone();
        let escape = |byte| if byte == b'/' { "/".to_owned() } else { format!("%{byte:02x}") };
        encoded.path = request.path.bytes().map(escape).collect();
        encoded.query = request.query.split('&').rev().collect::<Vec<_>>().join("&");
        prop_assert_eq!(encoded.verify(&encoded.auth(), signer("secret").key()), Ok(()));
    }

    #[test]
    fn no_header_or_query_makes_the_parser_panic(
        authorization in prop_oneof![
            any::<Vec<u8>>(),
            "(AWS4-HMAC-SHA256|AWS|Basic)? ?(Credential=[a-z/0-9é]{0,40})?,? ?(SignedHeaders=[a-z;]{0,9})?,?(Signature=[0-9a-f]{0,70})?".prop_map(String::into_bytes),
        ],
        query in prop_oneof![any::<String>(), "((X-Amz-(Algorithm|Credential|Date|Expires|SignedHeaders|Signature)|%2)=?[AWS4%+0-9T/-]{0,9}&?){0,7}"],
        date: Vec<u8>,
        in_header: bool,
    ) {
        let mut headers: Vec<(&str, &[u8])> = vec![("x-amz-date", &date), ("x-amz-content-sha256", &date)];
        if in_header {
            headers.push(("authorization", &authorization));
        }
        let request = RequestParts { method: "GET", path: "/", query: &query, headers: &headers };
        if let Ok(Some(auth)) = parse_authorization(&request) {
            prop_assert_eq!(verify(&auth, &request, signer("secret").key()), Err(SignatureMismatch));
        }
    }

    #[test]
    fn no_credential_or_date_makes_its_parser_panic(text in any::<String>(), nearly in "[0-9TZé]{14,18}") {
        if let Ok(credential) = Credential::parse(&text) {
            prop_assert_eq!(format!("{}/{}", credential.access_key, credential.scope), &*text);
        }
        if let Some(timestamp) = Timestamp::parse(&nearly) {
            prop_assert_eq!(timestamp.as_str(), nearly);
            prop_assert_eq!(Timestamp::from_unix_s(timestamp.unix_s()), Some(timestamp));
        }
        drop(Timestamp::parse_http_date(&text));
    }
}

//! POST Object: uploads by HTML forms.
//!
//! A form's fields take the place of headers, and a signed policy says which forms its signer lets through. The
//! file streams; everything before it is bounded.

mod answer;
mod form;
mod policy;
mod signature;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::auth::{Authenticator, Principal, SignaturePlace, Signed};
use crate::body::Source;
use crate::error::S3Error;
use crate::headers::Headers;
use crate::rfc2047;
use crate::route::MAX_KEY_LEN;
use form::Form;
use policy::Policy;

pub use answer::FormAnswer;
pub use form::FormFile;

/// A form whose signature and policy hold.
pub struct PostForm {
    /// Who signed the policy.
    pub principal: Principal,
    /// How it is signed; `None` for an anonymous form.
    pub signed: Option<Signed>,
    /// The key of the object.
    pub key: String,
    /// The fields that have the meaning of headers, under the names of headers.
    pub headers: Headers,
    /// The `tagging` field, an XML document.
    pub tagging: Option<String>,
    /// How success is answered.
    pub answer: FormAnswer,
    /// The file, not read yet. Its length is held against the policy as it is read.
    pub file: FormFile,
}

/// Reads a form up to its file. `headers` are those of the HTTP request, `now_ms` is in milliseconds since 1970.
///
/// # Errors
/// `PreconditionFailed` for another content type; `MalformedPOSTRequest`, `MaxPostPreDataLengthExceeded`,
/// `InvalidArgument` for a form that is none; what a signature can be refused with; `InvalidPolicyDocument`;
/// `AccessDenied` for what the policy does not let through.
pub async fn receive(
    source: Source,
    bucket: &str,
    headers: &Headers,
    authenticator: &Authenticator,
    now_ms: u64,
) -> Result<PostForm, S3Error> {
    // In the head of the request they would be unsigned, and to ignore them would be worse.
    if headers.contains_prefix("x-amz-server-side-encryption") {
        return Err(S3Error::invalid_request("Conflicting values provided in HTTP headers and POST form fields."));
    }
    let mut form = Form::read(source, headers.text("content-type")?.unwrap_or_default()).await?;
    let key = object_key(&form)?;
    let (principal, signed) = match signature::verify(&form, authenticator, now_ms).await? {
        Some((identity, version)) => {
            (Principal::Identity(identity), Some(Signed { place: SignaturePlace::Form, version }))
        }
        None => (Principal::Anonymous, None),
    };
    if let Some(policy) = form.get("policy").filter(|_| !principal.is_anonymous()) {
        let policy = Policy::parse(policy)?;
        policy.check(&form, bucket, now_ms)?;
        form.file.limit(policy.content_length());
    }
    Ok(PostForm {
        principal,
        signed,
        key,
        headers: as_headers(&form, headers)?,
        tagging: form.get("tagging").map(str::to_owned),
        answer: FormAnswer::of(&form),
        file: form.file,
    })
}

fn object_key(form: &Form) -> Result<String, S3Error> {
    let key = form.required("key", "key")?;
    if key.is_empty() {
        return Err(S3Error::invalid_argument("User key must have a length greater than 0.", "key", Some("")));
    }
    if key.len() > MAX_KEY_LEN {
        return Err(S3Error::key_too_long(key.len(), MAX_KEY_LEN));
    }
    Ok(key.to_owned())
}

/// The fields that mean what headers of the same name mean, and of the HTTP request its conditions and what policies
/// look at.
fn as_headers(form: &Form, request: &Headers) -> Result<Headers, S3Error> {
    let mut map = HeaderMap::new();
    for (name, value) in form.fields() {
        let name = name.to_ascii_lowercase();
        let name = match name.as_str() {
            "acl" => "x-amz-acl",
            name if is_header(name) => name,
            _ => continue,
        };
        // A form may carry user metadata that no header can.
        let value = match HeaderValue::from_bytes(value.as_bytes()) {
            Err(_) if name.starts_with("x-amz-meta-") => HeaderValue::try_from(rfc2047::encode(value)),
            value => value,
        };
        match (HeaderName::try_from(name), value) {
            (Ok(name), Ok(value)) => map.insert(name, value),
            _ => return Err(S3Error::invalid_argument("The field cannot be represented as a header.", name, None)),
        };
    }
    for name in ["if-match", "if-none-match", "referer", "user-agent"] {
        if let Some(value) = request.as_map().get(name) {
            map.insert(name, value.clone());
        }
    }
    Ok(map.into())
}

fn is_header(name: &str) -> bool {
    const CONTENT: [&str; 7] = [
        "cache-control",
        "content-disposition",
        "content-encoding",
        "content-language",
        "content-md5",
        "content-type",
        "expires",
    ];
    const SIGNATURE: [&str; 5] =
        ["x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-security-token", "x-amz-signature"];
    CONTENT.contains(&name) || (name.starts_with("x-amz-") && !SIGNATURE.contains(&name))
}

#[cfg(test)]
mod tests;

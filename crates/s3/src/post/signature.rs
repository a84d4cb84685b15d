//! Who signed a form.

use std::sync::Arc;

use coffer_sigv4::{Credential, CredentialFault, SigningKeys, Timestamp, verify_policy, verify_policy_v2};

use super::form::Form;
use crate::auth::{Authenticator, Claim, Identity};
use crate::error::S3Error;

/// Verifies the signature over the policy, in Version 4 or 2. Returns who signed and the version of the signature;
/// `None` for a form with none of the fields of either, which is anonymous.
///
/// # Errors
/// `InvalidArgument` naming the field that is missing or wrong; `InvalidAccessKeyId`, `InvalidToken`,
/// `SignatureDoesNotMatch`.
pub(super) async fn verify(
    form: &Form,
    authenticator: &Authenticator,
    now_ms: u64,
) -> Result<Option<(Arc<Identity>, &'static str)>, S3Error> {
    let any = |names: &[&str]| names.iter().any(|name| form.get(name).is_some());
    if any(&["x-amz-algorithm", "x-amz-credential", "x-amz-signature"]) {
        Ok(Some((verify_version_4(form, authenticator, now_ms).await?, coffer_sigv4::ALGORITHM)))
    } else if any(&["awsaccesskeyid", "signature"]) {
        Ok(Some((verify_version_2(form, authenticator, now_ms).await?, "AWS")))
    } else {
        Ok(None)
    }
}

async fn verify_version_4(form: &Form, authenticator: &Authenticator, now_ms: u64) -> Result<Arc<Identity>, S3Error> {
    let policy = form.required("policy", "Policy")?;
    let algorithm = form.required("x-amz-algorithm", ALGORITHM)?;
    let credential = form.required("x-amz-credential", CREDENTIAL)?;
    let date = form.required("x-amz-date", DATE)?;
    let signature = form.required("x-amz-signature", "X-Amz-Signature")?;
    if algorithm != coffer_sigv4::ALGORITHM {
        let message = "X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\"";
        return Err(S3Error::invalid_argument(message, ALGORITHM, Some(algorithm)));
    }
    if Timestamp::parse(date).is_none() {
        // The spelling is S3's.
        let message = "X-Amz-Date must be formated via ISO8601 Long format";
        return Err(S3Error::invalid_argument(message, DATE, Some(date)));
    }
    let refuse = |fault: CredentialFault| {
        let error = S3Error::invalid_argument(fault.to_string(), CREDENTIAL, Some(credential));
        match fault {
            CredentialFault::Region { expected, .. } => error.with("Region", expected),
            _ => error,
        }
    };
    let parsed = Credential::parse(credential).map_err(refuse)?;
    parsed.scope.check(authenticator.region(), "s3").map_err(refuse)?;
    let claim =
        Claim { access_key: &parsed.access_key, session_token: form.get(SECURITY_TOKEN), region: &parsed.scope.region };
    let verify = |keys: &SigningKeys| verify_policy(policy, signature, &keys.key(&parsed.scope));
    Ok(authenticator.signer(&claim, now_ms, verify).await?.0)
}

async fn verify_version_2(form: &Form, authenticator: &Authenticator, now_ms: u64) -> Result<Arc<Identity>, S3Error> {
    let policy = form.required("policy", "Policy")?;
    let access_key = form.required("awsaccesskeyid", "AWSAccessKeyId")?;
    let signature = form.required("signature", "Signature")?;
    let claim = Claim { access_key, session_token: form.get(SECURITY_TOKEN), region: authenticator.region() };
    let verify = |keys: &SigningKeys| verify_policy_v2(policy, signature, keys.secret());
    Ok(authenticator.signer(&claim, now_ms, verify).await?.0)
}

const ALGORITHM: &str = "X-Amz-Algorithm";
const CREDENTIAL: &str = "X-Amz-Credential";
const DATE: &str = "X-Amz-Date";
const SECURITY_TOKEN: &str = "x-amz-security-token";

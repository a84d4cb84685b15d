//! Deciding whether a request is what it claims to be.

use coffer_crypto::ct_eq;

use crate::auth::{AuthKind, ParsedAuth};
use crate::canonical::signature;
use crate::error::{AuthError, SignatureMismatch};
use crate::key::SigningKey;
use crate::request::RequestParts;

/// Checks that `request` was signed with `key`, which is the one of `auth`'s access key and scope.
///
/// The comparison takes the same time wherever the signatures differ. The body is not looked at: what
/// [`ParsedAuth::payload`] says about it is for whoever reads it.
///
/// # Errors
/// [`SignatureMismatch`], whatever the reason.
pub fn verify(auth: &ParsedAuth, request: &RequestParts<'_>, key: &SigningKey) -> Result<(), SignatureMismatch> {
    let timestamp = auth.timestamp.as_str();
    let expected = signature(request, &auth.signed_headers, auth.payload, timestamp, &auth.scope, key);
    match expected {
        Some(expected) if ct_eq(&expected, &auth.signature) => Ok(()),
        _ => Err(SignatureMismatch),
    }
}

/// Checks that `auth` is of now: `now_unix_s` seconds after 1970-01-01T00:00:00Z.
///
/// A request signed in its header may be `max_skew_s` off either way; S3 allows 900. A presigned URL may be as
/// much from the future, and is good for as long as it says.
///
/// # Errors
/// [`AuthError::RequestTimeTooSkewed`]; [`AuthError::NotYetValid`], [`AuthError::Expired`] for a presigned URL.
pub fn check_time(auth: &ParsedAuth, now_unix_s: i64, max_skew_s: u32) -> Result<(), AuthError> {
    let age_s = now_unix_s.saturating_sub(auth.timestamp.unix_s());
    let max_skew_s = i64::from(max_skew_s);
    match auth.kind {
        AuthKind::Header if age_s < -max_skew_s || age_s > max_skew_s => Err(AuthError::RequestTimeTooSkewed),
        AuthKind::Presigned { .. } if age_s < -max_skew_s => Err(AuthError::NotYetValid),
        AuthKind::Presigned { expires_s } if age_s >= i64::from(expires_s) => Err(AuthError::Expired),
        AuthKind::Header | AuthKind::Presigned { .. } => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credential::Scope;
    use crate::payload::PayloadHash;
    use crate::timestamp::Timestamp;

    const SIGNED_UNIX_S: i64 = 1_369_353_600;

    fn check(kind: AuthKind, age_s: i64, expected: Result<(), AuthError>) {
        let auth = ParsedAuth {
            access_key: "AKID".into(),
            scope: Scope { date: "20130524".into(), region: "us-east-1".into(), service: "s3".into() },
            timestamp: Timestamp::from_unix_s(SIGNED_UNIX_S).unwrap(),
            signature: [0; 32],
            payload: PayloadHash::Unsigned,
            session_token: None,
            kind,
            signed_headers: "host".into(),
        };
        assert_eq!(check_time(&auth, SIGNED_UNIX_S.saturating_add(age_s), 900), expected, "{kind:?} {age_s}");
    }

    #[test]
    fn a_header_may_be_off_by_the_skew() {
        for age_s in [-900, 0, 900] {
            check(AuthKind::Header, age_s, Ok(()));
        }
        for age_s in [i64::MIN, -901, 901, i64::MAX] {
            check(AuthKind::Header, age_s, Err(AuthError::RequestTimeTooSkewed));
        }
    }

    #[test]
    fn a_url_is_good_until_it_expires() {
        let kind = AuthKind::Presigned { expires_s: 3600 };
        for age_s in [-900, 0, 901, 3599] {
            check(kind, age_s, Ok(()));
        }
        for age_s in [3600, 3601, i64::MAX] {
            check(kind, age_s, Err(AuthError::Expired));
        }
        for age_s in [-901, i64::MIN] {
            check(kind, age_s, Err(AuthError::NotYetValid));
        }
        check(AuthKind::Presigned { expires_s: 0 }, 0, Err(AuthError::Expired));
    }
}

//! GetSessionToken, and what its credentials are good for.

use coffer_access::Principal;

use super::assume_role::MIN_SESSION_S;
use super::input;
use crate::api::ApiRequest;
use crate::error::ApiError;
use crate::records::{SessionOf, SessionRecord};
use crate::xml::Xml;

/// The longest session of a user, in seconds.
const MAX_USER_SESSION_S: u32 = 129_600;
/// How long the session of a user is when nobody says, in seconds.
const USER_SESSION_S: u32 = 43_200;
/// The longest session of a root user, in seconds.
const MAX_ROOT_SESSION_S: u32 = 3600;

/// Temporary credentials of the caller's own. No policy decides: whoever has lasting credentials may have them.
pub(super) fn get(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    let account = request.account()?;
    let wanted_s = request.params.number("DurationSeconds", MIN_SESSION_S, MAX_USER_SESSION_S)?;
    input::refuse_device(request)?;
    let (of, name, id, seconds) = match &request.caller.principal {
        Principal::User { name, id, .. } => {
            (SessionOf::User, name.clone(), id.clone(), wanted_s.unwrap_or(USER_SESSION_S))
        }
        Principal::Root { .. } => {
            // A longer one is cut to the longest, as AWS does.
            let seconds = wanted_s.unwrap_or(MAX_ROOT_SESSION_S).min(MAX_ROOT_SESSION_S);
            (SessionOf::Root, String::new(), String::new(), seconds)
        }
        _ => return Err(refused("GetSessionToken")),
    };
    let credentials = request.iam.issue(SessionRecord {
        secret_key: String::new(),
        account: account.to_owned(),
        of,
        name,
        id,
        session_name: String::new(),
        issued_ms: request.now_ms,
        expires_ms: request.now_ms + u64::from(seconds) * 1000,
        policies: None,
        tags: Vec::new(),
        transitive_tags: Vec::new(),
        source_identity: None,
        context: Vec::new(),
    });
    let mut xml = Xml::new();
    credentials.write(&mut xml);
    Ok(xml.into_string())
}

/// Refuses actions of STS that temporary credentials are no good for.
///
/// # Errors
/// `AccessDenied`.
pub(super) fn check(request: &ApiRequest<'_>) -> Result<(), ApiError> {
    let Some(credential) = request.credential.as_ref().filter(|credential| credential.session.is_some()) else {
        return Ok(());
    };
    let allowed = match request.action {
        "AssumeRole" | "AssumeRoleWithWebIdentity" | "GetCallerIdentity" => true,
        "GetSessionToken" => false,
        _ => !credential.is_own_session(),
    };
    if allowed { Ok(()) } else { Err(refused(request.action)) }
}

fn refused(action: &str) -> ApiError {
    ApiError::access_denied(format!("Cannot call {action} with session credentials"))
}

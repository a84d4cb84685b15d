//! GetCallerIdentity.

use crate::api::ApiRequest;
use crate::error::ApiError;
use crate::xml::Xml;

/// Who asks. Nothing can forbid it, as on AWS.
pub(super) fn get(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    let account = request.account()?;
    let mut xml = Xml::new();
    xml.text("Arn", &request.caller.principal.arn())
        .text("UserId", &request.caller.principal.user_id())
        .text("Account", account);
    Ok(xml.into_string())
}

//! The actions of Organizations: accounts, one for each tenant.
//!
//! The first account is the management account, and only who is in it may call them. Every account lies right below the
//! one root; there are no organizational units and no service control policies.

mod accounts;
mod create;
mod ids;
mod page;
mod structure;
mod tags;

#[cfg(test)]
mod tests;

use http::StatusCode;

use crate::api::ApiRequest;
use crate::error::ApiError;
use crate::settings::Iam;

/// Every action that there is, by name.
pub(crate) const ACTIONS: &[&str] = &[
    "CloseAccount",
    "CreateAccount",
    "DescribeAccount",
    "DescribeCreateAccountStatus",
    "DescribeOrganization",
    "ListAccounts",
    "ListAccountsForParent",
    "ListCreateAccountStatus",
    "ListParents",
    "ListRoots",
    "ListTagsForResource",
    "TagResource",
    "UntagResource",
];

/// Does what is asked, and returns the object of the answer; an empty text for actions without one.
pub(crate) async fn call(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    match request.action {
        "CloseAccount" => accounts::close(request).await,
        "CreateAccount" => create::create(request).await,
        "DescribeAccount" => accounts::describe(request).await,
        "DescribeCreateAccountStatus" => create::describe_status(request).await,
        "DescribeOrganization" => structure::describe(request).await,
        "ListAccounts" => accounts::list(request).await,
        "ListAccountsForParent" => accounts::list_for_parent(request).await,
        "ListCreateAccountStatus" => create::list_statuses(request).await,
        "ListParents" => structure::list_parents(request).await,
        "ListRoots" => structure::list_roots(request),
        "ListTagsForResource" => tags::list(request).await,
        "TagResource" => tags::tag(request).await,
        "UntagResource" => tags::untag(request).await,
        _ => Err(ApiError::service_failure()),
    }
}

impl Iam {
    /// The ID of the organization: the value of `aws:PrincipalOrgID` of everybody here.
    #[must_use]
    pub fn organization_id(&self) -> String {
        ids::organization(self.store().id())
    }
}

/// Refuses the request unless the caller is in the management account and may do the action on the resource.
///
/// # Errors
/// `AccessDeniedException`.
fn permit(request: &ApiRequest<'_>, resource: &str) -> Result<(), ApiError> {
    if request.account()? != request.iam.settings().account_id {
        return Err(ApiError::access_denied("You don't have permissions to access this resource."));
    }
    request.authorize(&format!("organizations:{}", request.action), resource)
}

/// An error of Organizations: their status is always the same.
fn refusal(code: &'static str, message: &'static str) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, code, message)
}

/// A time as this protocol writes it: seconds since 1970.
#[expect(clippy::cast_precision_loss, reason = "milliseconds are exact for 285,000 years")]
fn seconds(at_ms: u64) -> f64 {
    at_ms as f64 / 1000.0
}

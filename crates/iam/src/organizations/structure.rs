//! DescribeOrganization, ListRoots, ListParents.

use serde_json::json;

use super::accounts::named;
use super::{ids, permit};
use crate::api::ApiRequest;
use crate::error::ApiError;

pub(super) async fn describe(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    permit(request, "*")?;
    let management = &request.iam.settings().account_id;
    let email = request.iam.account(management).await?.map_or_else(String::new, |account| account.email);
    let organization = json!({
        "Id": request.iam.organization_id(),
        "Arn": ids::organization_arn(request.iam),
        "FeatureSet": "ALL",
        "MasterAccountArn": ids::account_arn(request.iam, management),
        "MasterAccountId": management,
        "MasterAccountEmail": email,
        "AvailablePolicyTypes": [],
    });
    Ok(json!({ "Organization": organization }).to_string())
}

pub(super) fn list_roots(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    permit(request, "*")?;
    let (id, arn) = (ids::root(request.iam.store().id()), ids::root_arn(request.iam));
    Ok(json!({ "Roots": [{ "Id": id, "Arn": arn, "Name": "Root", "PolicyTypes": [] }] }).to_string())
}

pub(super) async fn list_parents(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    named(request, "ChildId").await?;
    Ok(json!({ "Parents": [{ "Id": ids::root(request.iam.store().id()), "Type": "ROOT" }] }).to_string())
}

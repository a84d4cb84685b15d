//! IDs and ARNs of the organization, which follow from the store's.

use coffer_crypto::{random_array, sha256};

use crate::settings::Iam;

/// `o-` and 10 letters and digits.
pub(super) fn organization(store_id: &[u8; 16]) -> String {
    format!("o-{}", &derived("organization", store_id)[..10])
}

/// `r-` and 4 letters and digits.
pub(super) fn root(store_id: &[u8; 16]) -> String {
    format!("r-{}", &derived("root", store_id)[..4])
}

/// A new ID of a request for an account: `car-` and 32 letters and digits.
pub(super) fn create_account_request() -> String {
    format!("car-{}", hex::encode(random_array::<16>()))
}

/// `arn:aws:organizations::MANAGEMENT:organization/o-...`
pub(super) fn organization_arn(iam: &Iam) -> String {
    format!("arn:aws:organizations::{}:organization/{}", iam.settings().account_id, iam.organization_id())
}

/// `arn:aws:organizations::MANAGEMENT:root/o-.../r-...`
pub(super) fn root_arn(iam: &Iam) -> String {
    let root = root(iam.store().id());
    format!("arn:aws:organizations::{}:root/{}/{root}", iam.settings().account_id, iam.organization_id())
}

/// `arn:aws:organizations::MANAGEMENT:account/o-.../ACCOUNT`
pub(super) fn account_arn(iam: &Iam, account: &str) -> String {
    format!("arn:aws:organizations::{}:account/{}/{account}", iam.settings().account_id, iam.organization_id())
}

fn derived(what: &str, store_id: &[u8; 16]) -> String {
    hex::encode(sha256(&[what.as_bytes(), store_id].concat()))
}

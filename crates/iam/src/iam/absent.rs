//! What users have on AWS and not here: passwords, MFA devices, certificates. Programs that delete a user ask for them.

use super::holder::named;
use super::users::user_of;
use crate::api::ApiRequest;
use crate::error::ApiError;
use crate::records::UserRecord;
use crate::xml::Xml;

/// GetLoginProfile, UpdateLoginProfile, DeleteLoginProfile: there are no passwords.
pub(super) async fn login_profile(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    let user = named::<UserRecord>(request, &request.iam.view(request.account()?), |_, _| {}).await?;
    Err(ApiError::no_such_entity(format!("Login Profile for User {} cannot be found.", user.name)))
}

/// GetAccountPasswordPolicy: there are no passwords.
pub(super) fn password_policy(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    request.authorize("iam:GetAccountPasswordPolicy", "*")?;
    let account = request.account()?;
    Err(ApiError::no_such_entity(format!("The Password Policy with domain name {account} cannot be found.")))
}

/// Lists of a user, each named `list`, which are always empty.
pub(super) async fn of_user(request: &ApiRequest<'_>, list: &str) -> Result<String, ApiError> {
    user_of(request, &request.iam.view(request.account()?)).await?;
    Ok(empty(list))
}

/// ListVirtualMFADevices.
pub(super) fn virtual_mfa_devices(request: &ApiRequest<'_>) -> Result<String, ApiError> {
    request.authorize("iam:ListVirtualMFADevices", "*")?;
    Ok(empty("VirtualMFADevices"))
}

fn empty(list: &str) -> String {
    let mut xml = Xml::new();
    xml.list(list, [(); 0], |_, ()| {}).value("IsTruncated", false);
    xml.into_string()
}

#[cfg(test)]
mod tests {
    use crate::testing::{World, code};

    #[tokio::test]
    async fn users_have_no_passwords_devices_and_certificates() {
        let world = World::new().await;
        let bob = world.user("bob").await;
        for action in ["GetLoginProfile", "UpdateLoginProfile", "DeleteLoginProfile"] {
            assert_eq!(code(world.root(action, &[("UserName", "bob")]).await), "NoSuchEntity", "{action}");
            assert_eq!(code(world.ask(&bob, action, &[("UserName", "bob")]).await), "AccessDenied", "{action}");
        }
        assert_eq!(code(world.root("GetAccountPasswordPolicy", &[]).await), "NoSuchEntity");
        for (action, list) in [
            ("ListMFADevices", "<MFADevices></MFADevices>"),
            ("ListSSHPublicKeys", "<SSHPublicKeys></SSHPublicKeys>"),
            ("ListServiceSpecificCredentials", "<ServiceSpecificCredentials></ServiceSpecificCredentials>"),
            ("ListSigningCertificates", "<Certificates></Certificates>"),
            ("ListVirtualMFADevices", "<VirtualMFADevices></VirtualMFADevices>"),
        ] {
            let answer = world.root(action, &[("UserName", "bob")]).await.unwrap();
            assert!(answer.contains(list), "{answer}");
            assert_eq!(code(world.ask(&bob, action, &[]).await), "AccessDenied", "{action}");
        }
        assert_eq!(code(world.root("ListMFADevices", &[("UserName", "nobody")]).await), "NoSuchEntity");
    }
}

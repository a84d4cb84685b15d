//! ARNs of what is in an account.

/// `arn:aws:iam::ACCOUNT:user/PATH/NAME`
pub(crate) fn user(account: &str, path: &str, name: &str) -> String {
    format!("arn:aws:iam::{account}:user{path}{name}")
}

/// `arn:aws:iam::ACCOUNT:group/PATH/NAME`
pub(crate) fn group(account: &str, path: &str, name: &str) -> String {
    format!("arn:aws:iam::{account}:group{path}{name}")
}

/// `arn:aws:iam::ACCOUNT:role/PATH/NAME`
pub(crate) fn role(account: &str, path: &str, name: &str) -> String {
    format!("arn:aws:iam::{account}:role{path}{name}")
}

/// `arn:aws:iam::ACCOUNT:policy/PATH/NAME`
pub(crate) fn policy(account: &str, path: &str, name: &str) -> String {
    format!("arn:aws:iam::{account}:policy{path}{name}")
}

/// `arn:aws:iam::ACCOUNT:oidc-provider/HOST/PATH`
pub(crate) fn oidc_provider(account: &str, url: &str) -> String {
    format!("arn:aws:iam::{account}:oidc-provider/{url}")
}

/// The account and the name in the ARN of an entity of this kind, such as `role`; the path is left out.
pub(crate) fn parse<'a>(arn: &'a str, kind: &str) -> Option<(&'a str, &'a str)> {
    let (account, resource) = arn.strip_prefix("arn:aws:iam::")?.split_once(':')?;
    let (_, name) =
        resource.strip_prefix(kind)?.strip_prefix('/').map(|rest| rest.rsplit_once('/').unwrap_or(("", rest)))?;
    (!name.is_empty()).then_some((account, name))
}

/// The account and the URL, without `https://`, in the ARN of an OpenID Connect identity provider.
pub(crate) fn parse_oidc_provider(arn: &str) -> Option<(&str, &str)> {
    let (account, resource) = arn.strip_prefix("arn:aws:iam::")?.split_once(':')?;
    Some((account, resource.strip_prefix("oidc-provider/").filter(|url| !url.is_empty())?))
}

/// The path and the name in the ARN of a managed policy, of AWS's or of an account.
pub(crate) fn path_and_name(policy_arn: &str) -> Option<(&str, &str)> {
    let resource = policy_arn.splitn(6, ':').nth(5)?.strip_prefix("policy")?;
    Some(resource.split_at(resource.rfind('/')? + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arns_read_back_without_their_path() {
        let (account, name) = ("123456789012", "bob");
        for path in ["/", "/a/", "/a/b/"] {
            assert_eq!(parse(&user(account, path, name), "user"), Some((account, name)));
        }
        for arn in
            ["", "bob", "arn:aws:iam::123456789012:user/", "arn:aws:iam::123456789012:role/bob", "arn:aws:s3:::b"]
        {
            assert_eq!(parse(arn, "user"), None, "{arn}");
        }
    }

    #[test]
    fn policies_have_a_path_before_their_name() {
        assert_eq!(path_and_name("arn:aws:iam::aws:policy/ReadOnlyAccess"), Some(("/", "ReadOnlyAccess")));
        assert_eq!(path_and_name("arn:aws:iam::123456789012:policy/a/b/c"), Some(("/a/b/", "c")));
        assert_eq!(path_and_name("arn:aws:iam::123456789012:policy"), None);
    }
}

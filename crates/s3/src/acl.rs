//! Access control lists as requests name them: canned, or grant by grant in headers.

use coffer_access::{AclPermission, Grant, Grantee};

use crate::error::S3Error;
use crate::headers::Headers;

/// The most grants of a list.
pub const MAX_GRANTS: usize = 100;

/// The list that the headers of a request ask for.
#[derive(Debug, PartialEq, Eq)]
pub enum RequestedAcl {
    /// `x-amz-acl`.
    Canned(CannedAcl),
    /// `x-amz-grant-*`, or a document: grants that are still to be resolved.
    Grants(Vec<RequestedGrant>),
}

/// A list that S3 has a name for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CannedAcl {
    /// `private`
    Private,
    /// `public-read`
    PublicRead,
    /// `public-read-write`
    PublicReadWrite,
    /// `authenticated-read`
    AuthenticatedRead,
    /// `bucket-owner-read`; `private` on a bucket.
    BucketOwnerRead,
    /// `bucket-owner-full-control`; `private` on a bucket.
    BucketOwnerFullControl,
    /// `log-delivery-write`; `private` on an object.
    LogDeliveryWrite,
}

/// A permission for somebody whom a request names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestedGrant {
    /// Whom it is for.
    pub grantee: RequestedGrantee,
    /// What it permits.
    pub permission: AclPermission,
}

/// Somebody as a request names them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestedGrantee {
    /// An account by its canonical user ID.
    CanonicalUser {
        /// The ID as it was sent.
        id: String,
        /// What S3 calls it when there is no such account.
        argument: &'static str,
    },
    /// An account by its e-mail address.
    Email(String),
    /// A group.
    Group(Grantee),
}

impl RequestedAcl {
    /// Reads `x-amz-acl` and `x-amz-grant-*`; `None` if there is neither.
    ///
    /// # Errors
    /// `InvalidRequest` for both, and for too many grants; `InvalidArgument` for what S3 does not know;
    /// `NotImplemented` for `aws-exec-read`, which is for a service that is not here.
    pub fn of_headers(headers: &Headers) -> Result<Option<Self>, S3Error> {
        let canned = headers.text(CANNED)?;
        let granted = headers.contains_prefix(GRANT_PREFIX);
        match canned {
            Some(_) if granted => {
                Err(S3Error::invalid_request("Specifying both Canned ACLs and Header Grants is not allowed"))
            }
            Some(name) => CannedAcl::parse(name).map(|canned| Some(Self::Canned(canned))),
            None if granted => parse_grants(headers).map(|grants| Some(Self::Grants(grants))),
            None => Ok(None),
        }
    }
}

impl CannedAcl {
    fn parse(name: &str) -> Result<Self, S3Error> {
        Ok(match name {
            "private" => Self::Private,
            "public-read" => Self::PublicRead,
            "public-read-write" => Self::PublicReadWrite,
            "authenticated-read" => Self::AuthenticatedRead,
            "bucket-owner-read" => Self::BucketOwnerRead,
            "bucket-owner-full-control" => Self::BucketOwnerFullControl,
            "log-delivery-write" => Self::LogDeliveryWrite,
            "aws-exec-read" => return Err(S3Error::not_implemented_header(CANNED)),
            _ => return Err(S3Error::invalid_argument("Argument format not recognized.", CANNED, Some(name))),
        })
    }

    /// The grants of an object that `owner` owns, in a bucket of `bucket_owner`.
    #[must_use]
    pub fn object_grants(self, owner: &str, bucket_owner: &str) -> Vec<Grant> {
        let others = match self {
            Self::BucketOwnerRead if owner != bucket_owner => {
                vec![(Grantee::Account(bucket_owner.to_owned()), AclPermission::Read)]
            }
            Self::BucketOwnerFullControl if owner != bucket_owner => {
                vec![(Grantee::Account(bucket_owner.to_owned()), AclPermission::FullControl)]
            }
            canned => canned.public_grants(),
        };
        with_owner(owner, others)
    }

    /// The grants of a bucket that `owner` owns.
    #[must_use]
    pub fn bucket_grants(self, owner: &str) -> Vec<Grant> {
        let others = match self {
            Self::LogDeliveryWrite => {
                vec![(Grantee::LogDelivery, AclPermission::Write), (Grantee::LogDelivery, AclPermission::ReadAcp)]
            }
            canned => canned.public_grants(),
        };
        with_owner(owner, others)
    }

    fn public_grants(self) -> Vec<(Grantee, AclPermission)> {
        match self {
            Self::PublicRead => vec![(Grantee::AllUsers, AclPermission::Read)],
            Self::PublicReadWrite => {
                vec![(Grantee::AllUsers, AclPermission::Read), (Grantee::AllUsers, AclPermission::Write)]
            }
            Self::AuthenticatedRead => vec![(Grantee::AuthenticatedUsers, AclPermission::Read)],
            Self::Private | Self::BucketOwnerRead | Self::BucketOwnerFullControl | Self::LogDeliveryWrite => Vec::new(),
        }
    }
}

/// Everything for the owner first, then `others`.
fn with_owner(owner: &str, others: Vec<(Grantee, AclPermission)>) -> Vec<Grant> {
    let own = (Grantee::Account(owner.to_owned()), AclPermission::FullControl);
    std::iter::once(own).chain(others).map(|(grantee, permission)| Grant { grantee, permission }).collect()
}

fn parse_grants(headers: &Headers) -> Result<Vec<RequestedGrant>, S3Error> {
    let known = |name: &str| GRANTS.iter().any(|(known, _)| *known == name);
    if let Some((name, _)) = headers.with_prefix(GRANT_PREFIX).find(|(name, _)| !known(name)) {
        return Err(S3Error::invalid_argument("Argument format not recognized", name, None));
    }
    let mut grants = Vec::new();
    for &(name, permission) in GRANTS {
        let Some(text) = headers.text(name)? else { continue };
        for grantee in text.split(',').map(str::trim) {
            if grants.len() == MAX_GRANTS {
                return Err(S3Error::invalid_request("An access control list cannot have more than 100 grants"));
            }
            grants.push(RequestedGrant { grantee: parse_grantee(name, grantee)?, permission });
        }
    }
    Ok(grants)
}

/// Reads `id="..."`, `uri="..."` or `emailAddress="..."`; the quotes may be missing.
fn parse_grantee(header: &'static str, text: &str) -> Result<RequestedGrantee, S3Error> {
    let wrong = || S3Error::invalid_argument("Argument format not recognized", header, Some(text));
    let (kind, value) = text.split_once('=').ok_or_else(wrong)?;
    let value = value.trim();
    let value = value.strip_prefix('"').map_or(Some(value), |value| value.strip_suffix('"')).ok_or_else(wrong)?;
    match kind.trim() {
        "id" => Ok(RequestedGrantee::CanonicalUser { id: value.to_owned(), argument: "id" }),
        "emailAddress" => Ok(RequestedGrantee::Email(value.to_owned())),
        "uri" => match group_of_uri(value) {
            Some(group) => Ok(RequestedGrantee::Group(group)),
            None => Err(S3Error::invalid_argument("Invalid group uri", "uri", Some(value))),
        },
        _ => Err(wrong()),
    }
}

/// The group with this URI.
#[must_use]
pub fn group_of_uri(uri: &str) -> Option<Grantee> {
    let groups = [Grantee::AllUsers, Grantee::AuthenticatedUsers, Grantee::LogDelivery];
    groups.into_iter().find(|group| group_uri(group) == Some(uri))
}

/// The URI of a group; an account has none.
#[must_use]
pub fn group_uri(grantee: &Grantee) -> Option<&'static str> {
    match grantee {
        Grantee::Account(_) => None,
        Grantee::AllUsers => Some("http://acs.amazonaws.com/groups/global/AllUsers"),
        Grantee::AuthenticatedUsers => Some("http://acs.amazonaws.com/groups/global/AuthenticatedUsers"),
        Grantee::LogDelivery => Some("http://acs.amazonaws.com/groups/s3/LogDelivery"),
    }
}

/// S3's name of a permission.
#[must_use]
pub fn permission_name(permission: AclPermission) -> &'static str {
    match permission {
        AclPermission::FullControl => "FULL_CONTROL",
        AclPermission::Read => "READ",
        AclPermission::Write => "WRITE",
        AclPermission::ReadAcp => "READ_ACP",
        AclPermission::WriteAcp => "WRITE_ACP",
    }
}

const CANNED: &str = "x-amz-acl";
const GRANT_PREFIX: &str = "x-amz-grant-";
const GRANTS: &[(&str, AclPermission)] = &[
    ("x-amz-grant-full-control", AclPermission::FullControl),
    ("x-amz-grant-read", AclPermission::Read),
    ("x-amz-grant-write", AclPermission::Write),
    ("x-amz-grant-read-acp", AclPermission::ReadAcp),
    ("x-amz-grant-write-acp", AclPermission::WriteAcp),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::headers::headers;

    fn requested(pairs: &[(&str, &str)]) -> Result<Option<RequestedAcl>, S3Error> {
        RequestedAcl::of_headers(&headers(pairs))
    }

    fn refused(pairs: &[(&str, &str)]) -> (&'static str, Option<String>) {
        let error = requested(pairs).unwrap_err();
        (error.code(), error.element("ArgumentName").map(str::to_owned))
    }

    #[test]
    fn no_header_asks_for_nothing() {
        assert_eq!(requested(&[("x-amz-meta-acl", "private")]).unwrap(), None);
    }

    #[test]
    fn grants_name_accounts_and_groups_with_or_without_quotes() {
        let uri = "uri=\"http://acs.amazonaws.com/groups/global/AllUsers\"";
        let text = format!("id=\"abc\", {uri},emailAddress=a@b.example");
        let Some(RequestedAcl::Grants(grants)) = requested(&[("x-amz-grant-read", &text)]).unwrap() else {
            panic!("these are grants")
        };
        let grantees: Vec<_> = grants.into_iter().map(|grant| grant.grantee).collect();
        assert_eq!(grantees[0], RequestedGrantee::CanonicalUser { id: "abc".to_owned(), argument: "id" });
        assert_eq!(grantees[1], RequestedGrantee::Group(Grantee::AllUsers));
        assert_eq!(grantees[2], RequestedGrantee::Email("a@b.example".to_owned()));
    }

    #[test]
    fn a_canned_list_and_grants_exclude_each_other() {
        assert_eq!(refused(&[("x-amz-acl", "private"), ("x-amz-grant-read", "id=a")]).0, "InvalidRequest");
    }

    #[test]
    fn what_s3_does_not_know_is_named() {
        for name in ["", "Private", "public", "private ", "public-read-write-all"] {
            assert_eq!(refused(&[("x-amz-acl", name)]), ("InvalidArgument", Some("x-amz-acl".to_owned())), "{name}");
        }
        for grantee in ["", "id", "=", "ID=a", "id=\"a", "mail=a", "a,id=b", "id=a,"] {
            let header = "x-amz-grant-write-acp";
            assert_eq!(refused(&[(header, grantee)]), ("InvalidArgument", Some(header.to_owned())), "{grantee}");
        }
        assert_eq!(refused(&[("x-amz-grant-read", "uri=http://x/")]), ("InvalidArgument", Some("uri".to_owned())));
        let unknown = "x-amz-grant-everything";
        assert_eq!(refused(&[(unknown, "id=a")]), ("InvalidArgument", Some(unknown.to_owned())));
        assert_eq!(refused(&[("x-amz-acl", "aws-exec-read")]).0, "NotImplemented");
    }

    #[test]
    fn headers_have_at_most_100_grants_together() {
        let many = |count: usize| vec!["id=a"; count].join(",");
        let both = |count: usize| requested(&[("x-amz-grant-read", &many(50)), ("x-amz-grant-write", &many(count))]);
        assert!(both(50).is_ok());
        assert_eq!(both(51).unwrap_err().code(), "InvalidRequest");
    }

    #[test]
    fn the_owner_of_the_bucket_gets_what_the_owner_of_the_object_has_not() {
        let grants = |canned: CannedAcl, owner| canned.object_grants(owner, "b").len();
        assert_eq!((grants(CannedAcl::BucketOwnerRead, "a"), grants(CannedAcl::BucketOwnerRead, "b")), (2, 1));
        assert_eq!(
            CannedAcl::BucketOwnerFullControl.object_grants("a", "b")[1],
            Grant { grantee: Grantee::Account("b".to_owned()), permission: AclPermission::FullControl }
        );
        assert_eq!(grants(CannedAcl::LogDeliveryWrite, "a"), 1);
    }
}

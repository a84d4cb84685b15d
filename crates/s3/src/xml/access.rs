//! The documents about who may do what: Block Public Access, ownership, access control lists.

use coffer_access::{AclPermission, Grant, Grantee};
use coffer_store::{ObjectOwnership, PublicAccessBlock};

use super::documents::once;
use super::read::XmlReader;
use super::write::{XmlWriter, document};
use crate::acl::{MAX_GRANTS, RequestedGrant, RequestedGrantee, group_of_uri, group_uri, permission_name};
use crate::error::S3Error;

/// Parses the body of PutPublicAccessBlock: settings that are not named are off.
///
/// # Errors
/// `MalformedXML`; `InvalidRequest` when none is named.
pub fn parse_public_access_block(body: &[u8]) -> Result<PublicAccessBlock, S3Error> {
    let mut xml = XmlReader::open(body, "PublicAccessBlockConfiguration")?;
    let [mut block_acls, mut ignore_acls, mut block_policy, mut restrict] = [None; 4];
    while let Some(name) = xml.child()? {
        let slot = match name.as_str() {
            "BlockPublicAcls" => &mut block_acls,
            "IgnorePublicAcls" => &mut ignore_acls,
            "BlockPublicPolicy" => &mut block_policy,
            "RestrictPublicBuckets" => &mut restrict,
            _ => return Err(S3Error::malformed_xml()),
        };
        once(slot, parse_flag(&mut xml)?)?;
    }
    if [block_acls, ignore_acls, block_policy, restrict] == [None; 4] {
        return Err(S3Error::invalid_request("Must specify at least one configuration."));
    }
    Ok(PublicAccessBlock {
        block_public_acls: block_acls.unwrap_or(false),
        ignore_public_acls: ignore_acls.unwrap_or(false),
        block_public_policy: block_policy.unwrap_or(false),
        restrict_public_buckets: restrict.unwrap_or(false),
    })
}

/// The API reference writes these `TRUE` and `FALSE`, the SDKs in lower case.
fn parse_flag(xml: &mut XmlReader<'_>) -> Result<bool, S3Error> {
    let text = xml.text()?;
    match text.trim() {
        flag if flag.eq_ignore_ascii_case("true") => Ok(true),
        flag if flag.eq_ignore_ascii_case("false") => Ok(false),
        _ => Err(S3Error::malformed_xml()),
    }
}

/// Parses the body of PutBucketOwnershipControls: one rule.
///
/// # Errors
/// `MalformedXML`.
pub fn parse_ownership_controls(body: &[u8]) -> Result<ObjectOwnership, S3Error> {
    let mut xml = XmlReader::open(body, "OwnershipControls")?;
    let mut ownership = None;
    while let Some(name) = xml.child()? {
        if name != "Rule" {
            return Err(S3Error::malformed_xml());
        }
        let mut of_rule = None;
        while let Some(name) = xml.child()? {
            if name != "ObjectOwnership" {
                return Err(S3Error::malformed_xml());
            }
            let named = ObjectOwnership::from_name(xml.text()?.trim());
            once(&mut of_rule, named.ok_or_else(S3Error::malformed_xml)?)?;
        }
        once(&mut ownership, of_rule.ok_or_else(S3Error::malformed_xml)?)?;
    }
    ownership.ok_or_else(S3Error::malformed_xml)
}

/// The body of PutBucketAcl and PutObjectAcl.
#[derive(Debug, PartialEq, Eq)]
pub struct AccessControlPolicy {
    /// The canonical user ID of the owner, as it was sent.
    pub owner_id: String,
    /// At most 100 grants, in the order they were sent.
    pub grants: Vec<RequestedGrant>,
}

impl AccessControlPolicy {
    /// Parses the body.
    ///
    /// # Errors
    /// `MalformedACLError`, also for more than 100 grants; `InvalidArgument` for a group that is none.
    pub fn parse(body: &[u8]) -> Result<Self, S3Error> {
        let parsed = Self::parse_body(body);
        parsed.map_err(|error| if error.code() == "MalformedXML" { S3Error::malformed_acl() } else { error })
    }

    fn parse_body(body: &[u8]) -> Result<Self, S3Error> {
        let mut xml = XmlReader::open(body, "AccessControlPolicy")?;
        let (mut owner_id, mut grants) = (None, None);
        while let Some(name) = xml.child()? {
            match name.as_str() {
                "Owner" => once(&mut owner_id, parse_owner(&mut xml)?)?,
                "AccessControlList" => once(&mut grants, parse_grants(&mut xml)?)?,
                _ => return Err(S3Error::malformed_xml()),
            }
        }
        match (owner_id, grants) {
            (Some(owner_id), Some(grants)) => Ok(Self { owner_id, grants }),
            _ => Err(S3Error::malformed_xml()),
        }
    }
}

fn parse_owner(xml: &mut XmlReader<'_>) -> Result<String, S3Error> {
    let mut id = None;
    while let Some(name) = xml.child()? {
        match name.as_str() {
            "ID" => once(&mut id, xml.text()?.trim().to_owned())?,
            "DisplayName" => xml.skip()?,
            _ => return Err(S3Error::malformed_xml()),
        }
    }
    id.ok_or_else(S3Error::malformed_xml)
}

pub(super) fn parse_grants(xml: &mut XmlReader<'_>) -> Result<Vec<RequestedGrant>, S3Error> {
    let mut grants = Vec::new();
    while let Some(name) = xml.child()? {
        if name != "Grant" || grants.len() == MAX_GRANTS {
            return Err(S3Error::malformed_xml());
        }
        let (mut grantee, mut permission) = (None, None);
        while let Some(name) = xml.child()? {
            match name.as_str() {
                "Grantee" => once(&mut grantee, parse_grantee(xml)?)?,
                "Permission" => once(&mut permission, parse_permission(xml.text()?.trim())?)?,
                _ => return Err(S3Error::malformed_xml()),
            }
        }
        let (Some(grantee), Some(permission)) = (grantee, permission) else { return Err(S3Error::malformed_xml()) };
        grants.push(RequestedGrant { grantee, permission });
    }
    Ok(grants)
}

fn parse_grantee(xml: &mut XmlReader<'_>) -> Result<RequestedGrantee, S3Error> {
    let kind = xml.xsi_type().unwrap_or_default().to_owned();
    let (mut id, mut email, mut uri) = (None, None, None);
    while let Some(name) = xml.child()? {
        match name.as_str() {
            "ID" => once(&mut id, xml.text()?.trim().to_owned())?,
            "EmailAddress" => once(&mut email, xml.text()?.trim().to_owned())?,
            "URI" => once(&mut uri, xml.text()?.trim().to_owned())?,
            "DisplayName" => xml.skip()?,
            _ => return Err(S3Error::malformed_xml()),
        }
    }
    match (kind.as_str(), id, email, uri) {
        ("CanonicalUser", Some(id), None, None) => {
            Ok(RequestedGrantee::CanonicalUser { id, argument: "CanonicalUser/ID" })
        }
        ("AmazonCustomerByEmail", None, Some(email), None) => Ok(RequestedGrantee::Email(email)),
        ("Group", None, None, Some(uri)) => match group_of_uri(&uri) {
            Some(group) => Ok(RequestedGrantee::Group(group)),
            None => Err(S3Error::invalid_argument("Invalid group uri", "Group/URI", Some(&uri))),
        },
        _ => Err(S3Error::malformed_xml()),
    }
}

fn parse_permission(name: &str) -> Result<AclPermission, S3Error> {
    let all = [
        AclPermission::FullControl,
        AclPermission::Read,
        AclPermission::Write,
        AclPermission::ReadAcp,
        AclPermission::WriteAcp,
    ];
    all.into_iter().find(|permission| permission_name(*permission) == name).ok_or_else(S3Error::malformed_xml)
}

/// Writes what GetBucketAcl and GetObjectAcl answer. `canonical_id` gives that of an account.
#[must_use]
pub fn write_acl(acl: &coffer_access::Acl, canonical_id: impl Fn(&str) -> String) -> String {
    document("AccessControlPolicy", |xml| {
        xml.element("Owner", |xml| {
            xml.text("ID", canonical_id(&acl.owner));
        });
        xml.element("AccessControlList", |xml| write_grants(xml, &acl.grants, &canonical_id));
    })
}

pub(super) fn write_grants(xml: &mut XmlWriter, grants: &[Grant], canonical_id: impl Fn(&str) -> String) {
    for grant in grants {
        xml.element("Grant", |xml| {
            let kind = if matches!(grant.grantee, Grantee::Account(_)) { "CanonicalUser" } else { "Group" };
            xml.element_with("Grantee", &format!("xmlns:xsi=\"{XSI}\" xsi:type=\"{kind}\""), |xml| {
                match &grant.grantee {
                    Grantee::Account(account) => xml.text("ID", canonical_id(account)),
                    group => xml.text("URI", group_uri(group).unwrap_or_default()),
                };
            });
            xml.text("Permission", permission_name(grant.permission));
        });
    }
}

const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";

#[cfg(test)]
mod tests {
    use coffer_access::Acl;

    use super::*;

    fn code<T>(outcome: Result<T, S3Error>) -> Option<&'static str> {
        outcome.err().map(|error| error.code())
    }

    fn block(inner: &str) -> Result<PublicAccessBlock, S3Error> {
        let root = "PublicAccessBlockConfiguration";
        parse_public_access_block(format!("<{root}>{inner}</{root}>").as_bytes())
    }

    #[test]
    fn settings_of_a_block_that_are_not_named_are_off() {
        let parsed = block("<BlockPublicPolicy>TRUE</BlockPublicPolicy><IgnorePublicAcls>false</IgnorePublicAcls>");
        let expected = PublicAccessBlock { block_public_policy: true, ..PublicAccessBlock::default() };
        assert_eq!(parsed.unwrap(), expected);
    }

    #[test]
    fn a_block_refuses_nothing_nonsense_and_repetition() {
        assert_eq!(code(block("")), Some("InvalidRequest"));
        for inner in [
            "<BlockPublicAcls/>",
            "<BlockPublicAcls>yes</BlockPublicAcls>",
            "<BlockPublicAcls>true</BlockPublicAcls><BlockPublicAcls>false</BlockPublicAcls>",
            "<BlockEverything>true</BlockEverything>",
        ] {
            assert_eq!(code(block(inner)), Some("MalformedXML"), "{inner}");
        }
    }

    #[test]
    fn ownership_is_one_rule_with_one_known_value() {
        let parse = |inner: &str| {
            parse_ownership_controls(format!("<OwnershipControls>{inner}</OwnershipControls>").as_bytes())
        };
        let rule = "<Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule>";
        assert_eq!(parse(rule).unwrap(), ObjectOwnership::ObjectWriter);
        for inner in [
            "",
            "<Rule/>",
            "<Rule><ObjectOwnership/></Rule>",
            "<Rule><ObjectOwnership>objectwriter</ObjectOwnership></Rule>",
            &format!("{rule}{rule}"),
            &format!("{rule}<Other/>"),
        ] {
            assert_eq!(code(parse(inner)), Some("MalformedXML"), "{inner}");
        }
    }

    fn acl(grants: &str) -> Result<AccessControlPolicy, S3Error> {
        let body = format!(
            "<AccessControlPolicy><Owner><ID>o</ID><DisplayName>d</DisplayName></Owner>\
             <AccessControlList>{grants}</AccessControlList></AccessControlPolicy>"
        );
        AccessControlPolicy::parse(body.as_bytes())
    }

    fn grant(kind: &str, inner: &str, permission: &str) -> String {
        format!(
            "<Grant><Grantee xmlns:xsi=\"{XSI}\" xsi:type=\"{kind}\">{inner}</Grantee>\
             <Permission>{permission}</Permission></Grant>"
        )
    }

    #[test]
    fn what_is_written_reads_back() {
        let everything = AclPermission::FullControl;
        let written = Acl {
            owner: "1".to_owned(),
            grants: vec![
                Grant { grantee: Grantee::Account("1".to_owned()), permission: everything },
                Grant { grantee: Grantee::AuthenticatedUsers, permission: AclPermission::ReadAcp },
            ],
        };
        let read = AccessControlPolicy::parse(write_acl(&written, |account| format!("id-{account}")).as_bytes());
        let user = RequestedGrantee::CanonicalUser { id: "id-1".to_owned(), argument: "CanonicalUser/ID" };
        let group = RequestedGrantee::Group(Grantee::AuthenticatedUsers);
        let expected = vec![
            RequestedGrant { grantee: user, permission: everything },
            RequestedGrant { grantee: group, permission: AclPermission::ReadAcp },
        ];
        assert_eq!(read.unwrap(), AccessControlPolicy { owner_id: "id-1".to_owned(), grants: expected });
    }

    #[test]
    fn a_list_may_be_empty() {
        assert_eq!(acl("").unwrap().grants, []);
    }

    #[test]
    fn a_list_has_at_most_100_grants() {
        let one = grant("CanonicalUser", "<ID>a</ID>", "READ");
        assert_eq!(acl(&one.repeat(100)).unwrap().grants.len(), 100);
        assert_eq!(code(acl(&one.repeat(101))), Some("MalformedACLError"));
    }

    #[test]
    fn lists_that_are_none_are_malformed() {
        for grants in [
            "<Grant/>",
            "<Grant><Permission>READ</Permission></Grant>",
            "<Grant><Grantee><ID>a</ID></Grantee><Permission>READ</Permission></Grant>",
            &grant("CanonicalUser", "", "READ"),
            &grant("CanonicalUser", "<URI>u</URI>", "READ"),
            &grant("CanonicalUser", "<ID>a</ID><ID>b</ID>", "READ"),
            &grant("CanonicalUser", "<ID>a</ID><EmailAddress>e</EmailAddress>", "READ"),
            &grant("Group", "<ID>a</ID>", "READ"),
            &grant("Somebody", "<ID>a</ID>", "READ"),
            &grant("CanonicalUser", "<ID>a</ID>", "read"),
            &grant("CanonicalUser", "<ID>a</ID>", "EVERYTHING"),
            "<Grantee/>",
            "text",
        ] {
            assert_eq!(code(acl(grants)), Some("MalformedACLError"), "{grants}");
        }
        for body in ["", "<AccessControlPolicy/>", "<Other/>", "<AccessControlPolicy><Owner/></AccessControlPolicy>"] {
            assert_eq!(code(AccessControlPolicy::parse(body.as_bytes())), Some("MalformedACLError"), "{body}");
        }
    }

    #[test]
    fn a_group_that_is_none_is_named() {
        let error = acl(&grant("Group", "<URI>http://example.org/</URI>", "READ")).unwrap_err();
        assert_eq!((error.code(), error.element("ArgumentName")), ("InvalidArgument", Some("Group/URI")));
    }
}

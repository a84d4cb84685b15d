//! What access control lists say about the actions of S3.

use coffer_access::{Acl, AclGrant, AclPermission, Grant, Grantee, Principal};

/// The permission in a bucket's list that stands for an action, on the bucket or on objects in it.
pub(super) fn of_bucket(action: &str) -> Option<AclPermission> {
    match action {
        "s3:ListBucket" | "s3:ListBucketVersions" | "s3:ListBucketMultipartUploads" => Some(AclPermission::Read),
        // Whose an object is decides in addition whether it may be deleted.
        "s3:PutObject" | "s3:DeleteObject" | "s3:DeleteObjectVersion" => Some(AclPermission::Write),
        "s3:GetBucketAcl" => Some(AclPermission::ReadAcp),
        "s3:PutBucketAcl" => Some(AclPermission::WriteAcp),
        _ => None,
    }
}

/// The permission in an object's list that stands for an action.
pub(super) fn of_object(action: &str) -> Option<AclPermission> {
    match action {
        "s3:GetObject" | "s3:GetObjectVersion" => Some(AclPermission::Read),
        "s3:GetObjectAcl" | "s3:GetObjectVersionAcl" => Some(AclPermission::ReadAcp),
        "s3:PutObjectAcl" | "s3:PutObjectVersionAcl" => Some(AclPermission::WriteAcp),
        _ => None,
    }
}

/// Whether an action belongs to whoever owns the object, if that is not the bucket's owner: reading it, or whatever
/// belongs to it. To delete it is up to the bucket's owner.
pub(super) fn is_the_objects(action: &str) -> bool {
    (action.starts_with("s3:GetObject") || action.starts_with("s3:PutObject") || action.starts_with("s3:DeleteObject"))
        && !["s3:PutObject", "s3:DeleteObject", "s3:DeleteObjectVersion"].contains(&action)
}

/// What a list grants `principal`. Without a list, the owner has everything.
pub(super) fn granted(
    owner: &str,
    grants: Option<&[Grant]>,
    public_counts: bool,
    principal: &Principal,
    permission: AclPermission,
) -> AclGrant {
    let Some(grants) = grants else { return Acl::private(owner).allows(principal, permission) };
    let counts = |grant: &&Grant| public_counts || !is_public(&grant.grantee);
    let acl = Acl { owner: owner.to_owned(), grants: grants.iter().filter(counts).cloned().collect() };
    acl.allows(principal, permission)
}

fn is_public(grantee: &Grantee) -> bool {
    matches!(grantee, Grantee::AllUsers | Grantee::AuthenticatedUsers)
}

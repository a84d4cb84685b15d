//! Access control lists: PutBucketAcl, GetBucketAcl, PutObjectAcl, GetObjectAcl, and those that other writes name.

use coffer_access::{Acl, AclPermission, Grant, Grantee};
use coffer_store::{Bucket, BucketAccessChange, ChangedBy, ObjectAccess, ObjectOwnership, PublicAccessBlock};
use http::StatusCode;

use super::ownership::grants_to_others;
use super::store_error::Subject;
use super::{S3Operations, version};
use crate::acl::{CannedAcl, RequestedAcl, RequestedGrant, RequestedGrantee};
use crate::error::S3Error;
use crate::request::S3Request;
use crate::response::S3Response;
use crate::xml::{AccessControlPolicy, write_acl};

/// The most bytes of a document: 100 grants with room to spare.
const MAX_DOCUMENT_LEN: usize = 256 << 10;
/// How often a change is decided again because its subject has changed meanwhile.
const MOST_TRIES: usize = 100;

/// What PutBucketAcl and PutObjectAcl are to put.
struct AclToPut {
    named: NamedAcl,
    /// The account that the document says is the owner.
    owner: Option<String>,
}

impl AclToPut {
    /// Whether it says what holds anyway where lists are disabled, as S3 has it: a document may, of the canned lists
    /// one alone does. Clients copy an object's list along with the object.
    fn is_harmless(&self, owner: &str) -> bool {
        match &self.named {
            NamedAcl::Canned(canned) => *canned == CannedAcl::BucketOwnerFullControl,
            NamedAcl::Grants(grants) => gives_owner_everything(grants, owner),
        }
    }

    /// Nobody can give away what they put a list on.
    fn check_owner(&self, owner: &str) -> Result<(), S3Error> {
        if self.owner.as_ref().is_some_and(|named| named != owner) { Err(S3Error::access_denied()) } else { Ok(()) }
    }
}

/// A list that a request names, with everybody in it found.
enum NamedAcl {
    Canned(CannedAcl),
    Grants(Vec<Grant>),
}

impl NamedAcl {
    fn of_bucket(&self, owner: &str) -> Acl {
        let grants = match self {
            Self::Canned(canned) => canned.bucket_grants(owner),
            Self::Grants(grants) => grants.clone(),
        };
        Acl { owner: owner.to_owned(), grants }
    }

    fn of_object(&self, owner: &str, bucket_owner: &str) -> Acl {
        let grants = match self {
            Self::Canned(canned) => canned.object_grants(owner, bucket_owner),
            Self::Grants(grants) => grants.clone(),
        };
        Acl { owner: owner.to_owned(), grants }
    }
}

impl S3Operations {
    /// The list of a bucket that counts: where lists are disabled, the one that gives its owner everything.
    pub(super) fn bucket_acl(&self, bucket: &Bucket) -> Acl {
        let owner = self.authorizer.owner(bucket);
        match bucket.acl().filter(|_| bucket.acls_enabled()) {
            Some(grants) => Acl { owner: owner.to_owned(), grants: grants.to_vec() },
            None => Acl::private(owner),
        }
    }

    /// The list of an object that counts: where lists are disabled, the one that gives the bucket's owner everything.
    pub(super) fn object_acl(&self, bucket: &Bucket, access: &ObjectAccess) -> Acl {
        let owner = self.object_owner(bucket, access);
        match access.grants.as_ref().filter(|_| bucket.acls_enabled()) {
            Some(grants) => Acl { owner: owner.to_owned(), grants: grants.clone() },
            None => Acl::private(owner),
        }
    }

    /// The account that owns an object: where lists are disabled, the bucket's owner.
    pub(super) fn object_owner<'a>(&'a self, bucket: &'a Bucket, access: &'a ObjectAccess) -> &'a str {
        let written_by = access.owner.as_deref().filter(|_| bucket.acls_enabled());
        written_by.unwrap_or_else(|| self.authorizer.owner(bucket))
    }

    pub(super) async fn get_bucket_acl(&self, request: &S3Request) -> Result<S3Response, S3Error> {
        let bucket = request.bucket()?;
        let acl = self.bucket_acl(&bucket);
        Ok(S3Response::xml(write_acl(&acl, |account| self.identities.canonical_id(account))))
    }

    pub(super) async fn get_object_acl(&self, request: &S3Request) -> Result<S3Response, S3Error> {
        let (bucket, key) = (request.bucket()?, request.object_key()?);
        let target = version::target(request, &key)?;
        let subject = version::subject(request);
        let info = self.store.object_info(&bucket, target).await.map_err(|error| subject.error(error))?;
        let acl = self.object_acl(&bucket, &info.access);
        Ok(S3Response::xml(write_acl(&acl, |account| self.identities.canonical_id(account))))
    }

    pub(super) async fn put_bucket_acl(&self, request: &mut S3Request) -> Result<S3Response, S3Error> {
        let bucket = request.bucket()?;
        let owner = self.authorizer.owner(&bucket).to_owned();
        let to_put = self.acl_to_put(request).await?;
        to_put.check_owner(&owner)?;
        let account_block = self.account_block(&owner).await?;
        let change = self.change_bucket(bucket, |bucket| {
            let acl = to_put.named.of_bucket(&owner);
            let block = account_block.or(bucket.public_access_block().unwrap_or_default());
            self.check_public(request, bucket, &acl, block, "s3:PutBucketAcl")?;
            if !bucket.acls_enabled() && !to_put.is_harmless(&owner) {
                return Err(S3Error::acl_not_supported());
            }
            Ok(BucketAccessChange::Acl(Some(acl.grants)))
        });
        change.await?;
        Ok(S3Response::new(StatusCode::OK))
    }

    pub(super) async fn put_object_acl(&self, request: &mut S3Request) -> Result<S3Response, S3Error> {
        let (bucket, key) = (request.bucket()?, request.object_key()?);
        let target = version::target(request, &key)?;
        // A list for nothing is not worth reading.
        let subject = |request: &S3Request, error| version::subject(request).error(error);
        self.store.object_info(&bucket, target).await.map_err(|error| subject(request, error))?;
        let to_put = self.acl_to_put(request).await?;
        let block = self.public_access_block(&bucket).await?;
        let origin = request.origin(ChangedBy::Acl);
        for _ in 0..MOST_TRIES {
            let info = self.store.object_info(&bucket, target).await.map_err(|error| subject(request, error))?;
            let owner = self.object_owner(&bucket, &info.access);
            to_put.check_owner(owner)?;
            let acl = to_put.named.of_object(owner, self.authorizer.owner(&bucket));
            self.check_public(request, &bucket, &acl, block, "s3:PutObjectAcl")?;
            if !bucket.acls_enabled() {
                let harmless = to_put.is_harmless(owner);
                return if harmless { Ok(S3Response::new(StatusCode::OK)) } else { Err(S3Error::acl_not_supported()) };
            }
            let put = self.store.put_object_acl(&bucket, target, info.instance_id, &acl.grants, &origin).await;
            if put.map_err(|error| subject(request, error))? {
                return Ok(S3Response::new(StatusCode::OK));
            }
        }
        Err(S3Error::operation_aborted())
    }

    /// Whose an object will be that `request` writes to `bucket`, and its list. `action` is what a refusal names.
    pub(super) async fn access_of_new_object(
        &self,
        request: &S3Request,
        bucket: &Bucket,
        action: &str,
    ) -> Result<ObjectAccess, S3Error> {
        let bucket_owner = self.authorizer.owner(bucket);
        // What nobody signs belongs to the owner of the bucket.
        let writer = request.principal.account().unwrap_or(bucket_owner);
        let owner = Some(writer).filter(|writer| *writer != bucket_owner && bucket.acls_enabled()).map(str::to_owned);
        let Some(requested) = RequestedAcl::of_headers(&request.headers)? else {
            return Ok(ObjectAccess { owner, grants: None });
        };
        let named = self.named_acl(requested).await?;
        let acl = named.of_object(writer, bucket_owner);
        if acl.is_public() {
            let block = self.public_access_block(bucket).await?;
            self.check_public(request, bucket, &acl, block, action)?;
        }
        let for_bucket_owner = matches!(named, NamedAcl::Canned(CannedAcl::BucketOwnerFullControl));
        if !bucket.acls_enabled() {
            return if for_bucket_owner || gives_owner_everything(&acl.grants, bucket_owner) {
                Ok(ObjectAccess::default())
            } else {
                Err(S3Error::acl_not_supported())
            };
        }
        if for_bucket_owner && bucket.ownership() == Some(ObjectOwnership::BucketOwnerPreferred) {
            return Ok(ObjectAccess::default());
        }
        Ok(ObjectAccess { owner, grants: Some(acl.grants) })
    }

    /// The grants of a bucket that `request` makes for the account `owner`; `None` for the default ones.
    pub(super) async fn acl_of_new_bucket(
        &self,
        request: &S3Request,
        owner: &str,
        ownership: ObjectOwnership,
        block: PublicAccessBlock,
    ) -> Result<Option<Vec<Grant>>, S3Error> {
        let Some(requested) = RequestedAcl::of_headers(&request.headers)? else { return Ok(None) };
        let acl = self.named_acl(requested).await?.of_bucket(owner);
        if ownership == ObjectOwnership::BucketOwnerEnforced {
            let harmless = gives_owner_everything(&acl.grants, owner);
            return if harmless { Ok(None) } else { Err(S3Error::bucket_acl_with_owner_enforced()) };
        }
        if acl.is_public() && block.or(self.account_block(owner).await?).block_public_acls {
            return Err(S3Error::new_bucket_acl_blocked());
        }
        Ok(Some(acl.grants))
    }

    /// Changes who may do what with a bucket, as `decide` decides on it, again whenever it has changed meanwhile.
    pub(super) async fn change_bucket(
        &self,
        mut bucket: Bucket,
        decide: impl Fn(&Bucket) -> Result<BucketAccessChange, S3Error>,
    ) -> Result<(), S3Error> {
        use coffer_store::BucketChanged::{Meanwhile, Yes};
        for _ in 0..MOST_TRIES {
            let change = decide(&bucket)?;
            let subject = Subject { bucket: bucket.name().as_str(), ..Subject::default() };
            match self.store.change_bucket_access(&bucket, &change).await.map_err(|error| subject.error(error))? {
                Yes => return Ok(()),
                Meanwhile(now) => bucket = now,
            }
        }
        Err(S3Error::operation_aborted())
    }

    /// Reads the list in the headers or the body of PutBucketAcl and PutObjectAcl.
    async fn acl_to_put(&self, request: &mut S3Request) -> Result<AclToPut, S3Error> {
        let requested = RequestedAcl::of_headers(&request.headers)?;
        let document = self.verified_document(request, MAX_DOCUMENT_LEN).await?;
        match requested {
            Some(_) if !document.is_empty() => Err(S3Error::unexpected_content()),
            Some(requested) => Ok(AclToPut { named: self.named_acl(requested).await?, owner: None }),
            None if document.is_empty() => Err(S3Error::acl_missing()),
            None => {
                let AccessControlPolicy { owner_id, grants } = AccessControlPolicy::parse(&document)?;
                let unknown = || S3Error::invalid_argument("Invalid id", "CanonicalUser/ID", Some(&owner_id));
                let owner = self.identities.account_of_canonical_id(&owner_id).await?.ok_or_else(unknown)?;
                Ok(AclToPut { named: self.named_acl(RequestedAcl::Grants(grants)).await?, owner: Some(owner) })
            }
        }
    }

    async fn named_acl(&self, requested: RequestedAcl) -> Result<NamedAcl, S3Error> {
        let requested = match requested {
            RequestedAcl::Canned(canned) => return Ok(NamedAcl::Canned(canned)),
            RequestedAcl::Grants(requested) => requested,
        };
        let mut grants = Vec::with_capacity(requested.len());
        for RequestedGrant { grantee, permission } in requested {
            grants.push(Grant { grantee: self.grantee(grantee).await?, permission });
        }
        Ok(NamedAcl::Grants(grants))
    }

    pub(super) async fn grantee(&self, requested: RequestedGrantee) -> Result<Grantee, S3Error> {
        match requested {
            RequestedGrantee::Group(group) => Ok(group),
            RequestedGrantee::CanonicalUser { id, argument } => {
                let account = self.identities.account_of_canonical_id(&id).await?;
                let unknown = || S3Error::invalid_argument("Invalid id", argument, Some(&id));
                account.map(Grantee::Account).ok_or_else(unknown)
            }
            RequestedGrantee::Email(email) => {
                let account = self.identities.account_of_email(&email).await?;
                account.map(Grantee::Account).ok_or_else(|| S3Error::unresolvable_grant_by_email(&email))
            }
        }
    }

    /// Refuses a public list where Block Public Access does.
    fn check_public(
        &self,
        request: &S3Request,
        bucket: &Bucket,
        acl: &Acl,
        block: PublicAccessBlock,
        action: &str,
    ) -> Result<(), S3Error> {
        if !block.block_public_acls || !acl.is_public() {
            return Ok(());
        }
        // Why is told to nobody outside of the bucket's account.
        if request.principal.account() != Some(self.authorizer.owner(bucket)) {
            return Err(S3Error::access_denied());
        }
        let resource = match request.key_text() {
            "" => format!("arn:aws:s3:::{}", bucket.name().as_str()),
            key => format!("arn:aws:s3:::{}/{key}", bucket.name().as_str()),
        };
        Err(S3Error::public_acl_blocked(request.principal.arn(), action, &resource))
    }
}

/// Whether a list says nothing but that its owner may do everything: what holds where lists are disabled.
fn gives_owner_everything(grants: &[Grant], owner: &str) -> bool {
    !grants_to_others(grants, owner) && grants.iter().any(|grant| grant.permission == AclPermission::FullControl)
}

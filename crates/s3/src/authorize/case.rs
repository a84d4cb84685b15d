//! One question, and what has to be known to answer it.

use std::sync::Arc;

use coffer_access::{AclGrant, AclPermission, Caller, Context, Decision, Grant, Policy, Principal, Question, evaluate};
use coffer_store::{InstanceId, ObjectInfo, ObjectKey, ObjectVersion, StoreError, VersionId};

use super::{Authorizer, Target, context, encryption, lists, store_error};
use crate::error::S3Error;
use crate::request::S3Request;
use crate::route::Operation;

/// An action that a caller wants to do.
pub(super) struct Case<'a> {
    pub(super) authorizer: &'a Authorizer,
    pub(super) request: &'a S3Request,
    pub(super) caller: &'a Caller,
    pub(super) action: &'static str,
    pub(super) target: Target<'a>,
    /// The account that owns the bucket.
    owner: &'a str,
    /// The policy of the bucket.
    policy: Option<Arc<Policy>>,
}

impl<'a> Case<'a> {
    pub(super) async fn new(
        authorizer: &'a Authorizer,
        request: &'a S3Request,
        action: &'static str,
        target: Target<'a>,
    ) -> Result<Self, S3Error> {
        let (caller, owner) = (authorizer.caller(&request.principal), authorizer.owner(target.bucket));
        // However a policy locks everybody out, the root user of the account can repair it.
        let is_root = matches!(&caller.principal, Principal::Root { account } if account == owner);
        let policy = if is_root && REPAIRS.contains(&action) { None } else { authorizer.policy(target.bucket).await? };
        Ok(Self { authorizer, request, caller, action, target, owner, policy })
    }

    /// Decides. Also returns the account that owns what it is about.
    pub(super) async fn decide(&self) -> Result<(Decision, String), S3Error> {
        let has_lists = self.target.bucket.acls_enabled();
        let is_the_objects = lists::is_the_objects(self.action);
        let object = match is_the_objects && (has_lists || self.looks_at(EXISTING_TAG)) {
            true => self.object().await?,
            false => None,
        };
        let context = self.context(object.as_ref()).await?;
        if has_lists && self.is_about_a_new_object() && self.caller.principal.account() != Some(self.owner) {
            return Ok((self.decide_new(&context), self.owner.to_owned()));
        }
        let object_owner = object.as_ref().and_then(|object| object.access.owner.as_deref());
        match (object_owner, &object) {
            (Some(account), Some(object)) if has_lists && account != self.owner => {
                Ok((self.decide_foreign(account, object, &context).await?, account.to_owned()))
            }
            _ => Ok((self.decide_own(object.as_ref(), &context).await?, self.owner.to_owned())),
        }
    }

    /// Decides about the bucket, or about an object that is the bucket owner's.
    async fn decide_own(&self, object: Option<&ObjectInfo>, context: &Context) -> Result<Decision, S3Error> {
        let decision = match self.ask(self.owner, self.policy.as_deref(), AclGrant::None, context) {
            Decision::Allow if self.is_restricted().await? => self.ask(self.owner, None, AclGrant::None, context),
            decision => decision,
        };
        match decision {
            Decision::Deny(denial) if !denial.explicit && self.target.bucket.acls_enabled() => {
                match self.listed(object).await? {
                    AclGrant::None => Ok(decision),
                    // What the policy denies was found above, and what it allows was not enough.
                    grant => Ok(self.ask_with_list(self.owner, grant, context)),
                }
            }
            decision => Ok(decision),
        }
    }

    /// Decides about an object that is not the bucket owner's: the policy of the bucket can deny it, but not grant it.
    async fn decide_foreign(&self, account: &str, object: &ObjectInfo, context: &Context) -> Result<Decision, S3Error> {
        let decision = self.ask(self.owner, self.policy.as_deref(), AclGrant::None, context);
        if matches!(decision, Decision::Deny(denial) if denial.explicit) {
            return Ok(decision);
        }
        let grant = match lists::of_object(self.action) {
            Some(permission) => self.grant(account, object.access.grants.as_deref(), permission).await?,
            None => AclGrant::None,
        };
        match self.ask(account, None, AclGrant::None, context) {
            Decision::Deny(_) => Ok(self.ask_with_list(account, grant, context)),
            decision => Ok(decision),
        }
    }

    /// Asks again, with what a list grants. Logs say so of a request that nothing else allows.
    fn ask_with_list(&self, owner: &str, grant: AclGrant, context: &Context) -> Decision {
        let decision = self.ask(owner, None, grant, context);
        if decision.is_allow() {
            self.request.record.note_acl_required();
        }
        decision
    }

    /// Decides about the list or the tags of an object that somebody from elsewhere is about to make, and that will be
    /// theirs: the policy of the bucket can deny it, and their own account has to let them.
    fn decide_new(&self, context: &Context) -> Decision {
        let decision = self.ask(self.owner, self.policy.as_deref(), AclGrant::None, context);
        match (decision, self.caller.principal.account()) {
            (Decision::Deny(denial), _) if denial.explicit => decision,
            (_, Some(account)) => self.ask(account, None, AclGrant::None, context),
            // Nobody in particular has no account that could object.
            (_, None) => Decision::Allow,
        }
    }

    /// Whether this is asked about an object that does not belong to anybody yet.
    fn is_about_a_new_object(&self) -> bool {
        let writes = matches!(
            self.request.route.operation,
            Operation::PutObject | Operation::PostObject | Operation::CopyObject | Operation::CreateMultipartUpload
        );
        writes && OF_NEW_OBJECTS.contains(&self.action)
    }

    fn ask(&self, owner: &str, policy: Option<&Policy>, acl: AclGrant, context: &Context) -> Decision {
        let has_policies = policy.is_some() || self.has_own_policies();
        // Nothing compares the name of a resource where there are no policies.
        let resource = if has_policies { self.target.arn() } else { String::new() };
        let (caller, action) = (self.caller, self.action);
        let question = Question { caller, action, resource: &resource, owner, resource_policy: policy, acl, context };
        evaluate(&question)
    }

    /// Whether the policy of the bucket grants nothing to this caller: it is public, and RestrictPublicBuckets leaves
    /// it to the account and to services.
    async fn is_restricted(&self) -> Result<bool, S3Error> {
        let principal = &self.caller.principal;
        let is_inside = principal.account() == Some(self.owner) || matches!(principal, Principal::Service { .. });
        if is_inside || !self.policy.as_ref().is_some_and(|policy| policy.is_public()) {
            return Ok(false);
        }
        self.authorizer.blocks(self.target.bucket, |block| block.restrict_public_buckets).await
    }

    /// What access control lists grant, of the bucket or of an object that is the bucket owner's.
    async fn listed(&self, object: Option<&ObjectInfo>) -> Result<AclGrant, S3Error> {
        if let (Some(permission), Some(object)) = (lists::of_object(self.action), object) {
            return self.grant(self.owner, object.access.grants.as_deref(), permission).await;
        }
        if OF_UPLOADS.contains(&self.action) && self.is_the_initiators().await? {
            return Ok(AclGrant::Account);
        }
        let Some(permission) = lists::of_bucket(self.action) else { return Ok(AclGrant::None) };
        let grant = self.grant(self.owner, self.target.bucket.acl(), permission).await?;
        if grant != AclGrant::None && DELETIONS.contains(&self.action) && !self.is_the_callers().await? {
            return Ok(AclGrant::None);
        }
        Ok(grant)
    }

    /// What a list grants to the caller. IgnorePublicAcls is looked up only if it matters.
    async fn grant(
        &self,
        owner: &str,
        grants: Option<&[Grant]>,
        permission: AclPermission,
    ) -> Result<AclGrant, S3Error> {
        let granted = |public_counts| lists::granted(owner, grants, public_counts, &self.caller.principal, permission);
        let grant = granted(true);
        if grant == AclGrant::Everyone
            && self.authorizer.blocks(self.target.bucket, |block| block.ignore_public_acls).await?
        {
            return Ok(granted(false));
        }
        Ok(grant)
    }

    /// Whether the object belongs to the caller's account.
    async fn is_the_callers(&self) -> Result<bool, S3Error> {
        let object = self.object().await?;
        let owner = object.as_ref().map(|object| object.access.owner.as_deref().unwrap_or(self.owner));
        Ok(owner.is_some() && owner == self.caller.principal.account())
    }

    /// Whether the caller's account began the upload: it may also look at it, and end it.
    async fn is_the_initiators(&self) -> Result<bool, S3Error> {
        let upload_id = self.request.query.get("uploadId").and_then(InstanceId::parse);
        let key = self.target.key.and_then(|key| ObjectKey::new(key).ok());
        let (Some(upload_id), Some(key)) = (upload_id, key) else { return Ok(false) };
        match self.authorizer.store.upload(self.target.bucket, &key, upload_id).await {
            Ok(upload) => {
                let initiator = upload.access.owner.as_deref();
                Ok(initiator.is_some() && initiator == self.caller.principal.account())
            }
            Err(StoreError::NoSuchUpload) => Ok(false),
            Err(error) => Err(store_error(&error)),
        }
    }

    /// The object, if it is there.
    pub(super) async fn object(&self) -> Result<Option<ObjectInfo>, S3Error> {
        let Some(key) = self.target.key.and_then(|key| ObjectKey::new(key).ok()) else { return Ok(None) };
        // What is no version ID is refused later.
        let Ok(version) = self.target.version_id.map(|id| VersionId::parse(id).ok_or(())).transpose() else {
            return Ok(None);
        };
        match self.authorizer.store.object_info(self.target.bucket, ObjectVersion { key: &key, version }).await {
            Ok(info) => Ok(Some(info)),
            Err(StoreError::NoSuchKey | StoreError::NoSuchVersion | StoreError::DeleteMarker(_)) => Ok(None),
            Err(error) => Err(store_error(&error)),
        }
    }

    /// The condition keys; none when there is no policy to look at them.
    async fn context(&self, object: Option<&ObjectInfo>) -> Result<Context, S3Error> {
        if self.policy.is_none() && !self.has_own_policies() {
            return Ok(Context::new());
        }
        let mut context = context::of_request(self.request, &self.authorizer.region);
        let encryption = self.encryption().await?;
        context.set_if(encryption::METHOD, encryption.method);
        context.set_if(encryption::KMS_KEY, encryption.kms_key);
        context.set("aws:ResourceAccount", self.owner);
        context.set("s3:ResourceAccount", self.owner);
        context.set_if("s3:VersionId", self.target.version_id);
        context.set_if("s3:prefix", self.target.prefix);
        if let Some(if_match) = self.target.if_match {
            context.set("s3:if-match", if_match);
        }
        let tags = object.into_iter().flat_map(|object| &object.tags);
        context::set_each(&mut context, EXISTING_TAG, tags.map(|(key, value)| (key.as_str(), value.as_str())));
        Ok(context)
    }

    fn has_own_policies(&self) -> bool {
        self.own_policies().next().is_some() || self.caller.session_policies.is_some()
    }

    fn own_policies(&self) -> impl Iterator<Item = &Arc<Policy>> {
        let session = self.caller.session_policies.iter().flatten();
        self.caller.identity_policies.iter().chain(&self.caller.boundary).chain(session)
    }

    /// Whether a policy looks at a condition key that starts so.
    pub(super) fn looks_at(&self, key: &str) -> bool {
        self.own_policies().chain(&self.policy).any(|policy| policy.looks_at(key))
    }
}

/// The actions by which a policy is repaired.
const REPAIRS: [&str; 3] = ["s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy"];
/// The actions by which objects go.
const DELETIONS: [&str; 2] = ["s3:DeleteObject", "s3:DeleteObjectVersion"];
/// The actions on uploads in progress.
const OF_UPLOADS: [&str; 2] = ["s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"];
/// What a write may do to the object that it makes.
const OF_NEW_OBJECTS: [&str; 2] = ["s3:PutObjectAcl", "s3:PutObjectTagging"];
/// How the condition keys start that are tags of the object that is there.
const EXISTING_TAG: &str = "s3:ExistingObjectTag/";

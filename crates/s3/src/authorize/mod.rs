//! Whether whoever asks may do what they ask.
//!
//! Every request is asked about before anything of it is looked at but its bucket and its signature: the caller's own
//! policies, the policy of the bucket, and, where they are enabled, access control lists. What nobody can look at is
//! not gathered: the root user of a bucket without a policy costs nothing.

mod actions;
mod case;
mod context;
mod encryption;
mod lists;
mod policies;

use std::sync::Arc;

use coffer_access::{AclGrant, Caller, Context, Decision, Denial, Question, account_of_arn, evaluate};
use coffer_configuration::Tag;
use coffer_store::{Bucket, PublicAccessBlock, Store, StoreError};

use crate::auth::Identities;
use crate::error::S3Error;
use crate::kms::{Kms, NoKms};
use crate::request::{Principal, S3Request};
use case::Case;
use policies::Policies;

pub(crate) use actions::{BYPASS, Needs, bypasses_governance, further, needs, replication_action};

/// What an action is done to.
#[derive(Clone, Copy)]
pub(crate) struct Target<'a> {
    /// The bucket.
    pub(crate) bucket: &'a Bucket,
    /// The key of the object; `None` when it is about the bucket itself.
    pub(crate) key: Option<&'a str>,
    /// The version that is named.
    pub(crate) version_id: Option<&'a str>,
    /// The ETag that one object of several must have.
    pub(crate) if_match: Option<&'a str>,
    /// The prefix of a listing that would tell what the request asks.
    pub(crate) prefix: Option<&'a str>,
}

impl<'a> Target<'a> {
    /// The bucket itself.
    pub(crate) fn bucket(bucket: &'a Bucket) -> Self {
        Self { bucket, key: None, version_id: None, if_match: None, prefix: None }
    }

    /// A listing that would tell whether there is an object with this key.
    fn listing(bucket: &'a Bucket, key: &'a str) -> Self {
        Self { prefix: Some(key), ..Self::bucket(bucket) }
    }

    /// An object in a bucket.
    pub(crate) fn object(bucket: &'a Bucket, key: &'a str, version_id: Option<&'a str>) -> Self {
        Self { key: Some(key), version_id, ..Self::bucket(bucket) }
    }

    fn arn(&self) -> String {
        let bucket = bucket_arn(self.bucket.name().as_str());
        match self.key {
            Some(key) => bucket + "/" + key,
            None => bucket,
        }
    }
}

/// Decides what callers may do.
pub(crate) struct Authorizer {
    store: Store,
    identities: Arc<dyn Identities>,
    region: String,
    /// The owner of buckets from before there were accounts.
    first_account: String,
    anonymous: Caller,
    policies: Policies,
    kms: Arc<dyn Kms>,
}

impl Authorizer {
    pub(crate) fn new(store: Store, identities: Arc<dyn Identities>, region: String, first_account: String) -> Self {
        let (anonymous, policies) = (Caller::anonymous(), Policies::default());
        Self { store, identities, region, first_account, anonymous, policies, kms: Arc::new(NoKms) }
    }

    /// The same, with a KMS: policies are asked which key would be used.
    pub(crate) fn with_kms(self, kms: Arc<dyn Kms>) -> Self {
        Self { kms, ..self }
    }

    /// The KMS.
    pub(crate) fn kms(&self) -> &Arc<dyn Kms> {
        &self.kms
    }

    /// The account that owns a bucket.
    pub(crate) fn owner<'a>(&'a self, bucket: &'a Bucket) -> &'a str {
        bucket.owner().unwrap_or(&self.first_account)
    }

    /// Refuses an action on a bucket or on an object in it.
    ///
    /// # Errors
    /// `AccessDenied`; what the store fails with.
    pub(crate) async fn check(
        &self,
        request: &S3Request,
        action: &'static str,
        target: Target<'_>,
    ) -> Result<(), S3Error> {
        let case = Case::new(self, request, action, target).await?;
        let (Decision::Deny(denial), owner) = case.decide().await? else { return Ok(()) };
        Err(refusal(case.caller, &owner, action, Some(&target.arn()), denial))
    }

    /// Whether the caller may do something that is left out if not.
    ///
    /// # Errors
    /// What the store fails with.
    pub(crate) async fn may(
        &self,
        request: &S3Request,
        action: &'static str,
        target: Target<'_>,
    ) -> Result<bool, S3Error> {
        let case = Case::new(self, request, action, target).await?;
        Ok(case.decide().await?.0.is_allow())
    }

    /// As [`Authorizer::check`], for reading an object. One that is not there has nothing that could grant anything, so
    /// who may list the bucket, and is not denied, learns that it is not there.
    ///
    /// # Errors
    /// `AccessDenied`, `NoSuchKey`; what the store fails with.
    pub(crate) async fn check_read(
        &self,
        request: &S3Request,
        action: &'static str,
        target: Target<'_>,
    ) -> Result<(), S3Error> {
        let case = Case::new(self, request, action, target).await?;
        let (Decision::Deny(denial), owner) = case.decide().await? else { return Ok(()) };
        let refused = refusal(case.caller, &owner, action, Some(&target.arn()), denial);
        if denial.explicit || case.object().await?.is_some() {
            return Err(refused);
        }
        let key = target.key.unwrap_or_default();
        let listing = Case::new(self, request, "s3:ListBucket", Target::listing(target.bucket, key)).await?;
        let may_list = listing.decide().await?.0.is_allow();
        Err(if may_list { S3Error::no_such_key(key) } else { refused })
    }

    /// Refuses an action on the caller's account as such.
    ///
    /// # Errors
    /// `AccessDenied`.
    pub(crate) fn check_account(&self, request: &S3Request, action: &'static str) -> Result<(), S3Error> {
        let context = context::of_request(request, &self.region);
        self.check_own(&request.principal, action, "*", None, &context)
    }

    /// Refuses to hand a role to S3 to whom may not pass it. A role is passed within its account only.
    ///
    /// # Errors
    /// `AccessDenied`.
    pub(crate) fn check_pass_role(&self, request: &S3Request, role_arn: &str) -> Result<(), S3Error> {
        if account_of_arn(role_arn) != request.principal.account() {
            return Err(S3Error::access_denied_because("Cross-account pass role is not allowed."));
        }
        let mut context = context::of_request(request, &self.region);
        context.set("iam:PassedToService", "s3.amazonaws.com");
        self.check_own(&request.principal, "iam:PassRole", role_arn, Some(role_arn), &context)
    }

    /// Refuses an action on a bucket that is not there yet, to be made in `location` with `tags`.
    ///
    /// # Errors
    /// `AccessDenied`.
    pub(crate) fn check_new_bucket(
        &self,
        request: &S3Request,
        location: Option<&str>,
        tags: &[Tag],
    ) -> Result<(), S3Error> {
        let arn = bucket_arn(request.bucket_name());
        let mut context = context::of_request(request, &self.region);
        context.set_if("s3:LocationConstraint", location);
        context::set_resource_tags(&mut context, tags);
        let tagging = (!tags.is_empty()).then_some("s3:TagResource");
        for action in std::iter::once("s3:CreateBucket").chain(further(request)).chain(tagging) {
            self.check_own(&request.principal, action, &arn, Some(&arn), &context)?;
        }
        Ok(())
    }

    /// Refuses a request about several objects to whom nothing can allow even one of them.
    ///
    /// # Errors
    /// `AccessDenied`.
    pub(crate) fn check_any(&self, request: &S3Request, bucket: &Bucket) -> Result<(), S3Error> {
        let is_outside = request.principal.account() != Some(self.owner(bucket));
        if is_outside && bucket.policy().is_none() && !bucket.acls_enabled() {
            return Err(S3Error::access_denied());
        }
        Ok(())
    }

    /// Puts "you may not know" in the place of "it is not there", for who may not list the bucket.
    pub(crate) async fn absent(&self, request: &S3Request, bucket: &Bucket, error: S3Error) -> S3Error {
        if !matches!(error.code(), "NoSuchKey" | "NoSuchVersion") {
            return error;
        }
        let key = error.element("Key").unwrap_or_default();
        match self.check(request, "s3:ListBucket", Target::listing(bucket, key)).await {
            Ok(()) => error,
            Err(denied) => denied,
        }
    }

    /// Asks about what belongs to the caller's account, and has no policy of its own.
    fn check_own(
        &self,
        principal: &Principal,
        action: &'static str,
        resource: &str,
        shown: Option<&str>,
        context: &Context,
    ) -> Result<(), S3Error> {
        let caller = self.caller(principal);
        let Some(owner) = caller.principal.account() else { return Err(S3Error::access_denied()) };
        let acl = AclGrant::None;
        let question = Question { caller, action, resource, owner, resource_policy: None, acl, context };
        match evaluate(&question) {
            Decision::Allow => Ok(()),
            Decision::Deny(denial) => Err(refusal(caller, owner, action, shown, denial)),
        }
    }

    fn caller<'a>(&'a self, principal: &'a Principal) -> &'a Caller {
        match principal {
            Principal::Anonymous => &self.anonymous,
            Principal::Identity(identity) => identity.caller(),
        }
    }

    /// Whether Block Public Access of a bucket or of the account that owns it does something.
    async fn blocks(&self, bucket: &Bucket, what: fn(&PublicAccessBlock) -> bool) -> Result<bool, S3Error> {
        if bucket.public_access_block().as_ref().is_some_and(what) {
            return Ok(true);
        }
        let of_account = self.store.account_public_access_block(self.owner(bucket)).await;
        Ok(of_account.map_err(|error| store_error(&error))?.as_ref().is_some_and(what))
    }
}

/// The answer to who may not. Why not is only for callers of the account that owns it.
fn refusal(caller: &Caller, owner: &str, action: &str, resource: Option<&str>, denial: Denial) -> S3Error {
    if caller.principal.account() != Some(owner) {
        return S3Error::access_denied();
    }
    let arn = caller.principal.arn();
    let resource = resource.map_or_else(String::new, |resource| format!(" on resource: \"{resource}\""));
    let reason = denial.reason(action);
    S3Error::access_denied_because(format!("User: {arn} is not authorized to perform: {action}{resource} {reason}"))
}

fn bucket_arn(name: &str) -> String {
    format!("arn:aws:s3:::{name}")
}

/// A failure of the store while it is found out who may do what.
fn store_error(error: &StoreError) -> S3Error {
    tracing::error!(%error, "who may do what cannot be found out");
    match error {
        StoreError::Unavailable(_) => S3Error::service_unavailable(),
        StoreError::Contention => S3Error::operation_aborted(),
        _ => S3Error::internal_error(),
    }
}

#[cfg(test)]
mod tests;

//! Whether S3's log delivery may put an object into a bucket, and under which key.

use coffer_access::{
    AclGrant, AclPermission, Caller, Context, Grant, Grantee, Policy, PolicyKind, Principal, Question, evaluate,
};
use coffer_store::{Bucket, BucketLogging, LogKeyFormat};

use crate::time::{date_path, iso8601, key_time};

/// The bucket whose requests are logged.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LogSource {
    /// Its name.
    pub bucket: String,
    /// The account that owns it.
    pub owner: String,
    /// Its region.
    pub region: String,
}

impl LogSource {
    /// What is logged of `bucket`, which `owner` owns.
    #[must_use]
    pub fn of(bucket: &Bucket, owner: &str) -> Self {
        Self { bucket: bucket.name().as_str().to_owned(), owner: owner.to_owned(), region: bucket.region().to_owned() }
    }
}

/// The key of a log object. `event_ms` is a time on the day of its requests, `now_ms` the time of its delivery, both in
/// milliseconds since 1970; `unique` tells it from others.
#[must_use]
pub fn log_object_key(source: &LogSource, logging: &BucketLogging, event_ms: u64, now_ms: u64, unique: &str) -> String {
    let prefix = &logging.target_prefix;
    // With the day of the requests goes no time of day.
    let at_ms = match logging.key_format {
        LogKeyFormat::NotSet | LogKeyFormat::SimplePrefix => {
            return format!("{prefix}{}-{unique}", key_time(now_ms));
        }
        LogKeyFormat::EventTime => event_ms - event_ms % DAY_MS,
        LogKeyFormat::DeliveryTime => now_ms,
    };
    let LogSource { bucket, owner, region } = source;
    format!("{prefix}{owner}/{region}/{bucket}/{}/{}-{unique}", date_path(at_ms), key_time(at_ms))
}

/// Whether the logging service may put `key` into `target`: both buckets have the same owner and region, the target's
/// default encryption is one that log delivery can use, and its policy allows it, or its access control list grants
/// `WRITE` and `READ_ACP` to the log delivery group. `now_ms` is in milliseconds since 1970.
#[must_use]
pub fn may_deliver(source: &LogSource, target: &Bucket, target_owner: &str, key: &str, now_ms: u64) -> bool {
    if target_owner != source.owner || target.region() != source.region || !takes_plain_uploads(target) {
        return false;
    }
    let name = target.name().as_str();
    let policy = match target.policy() {
        None => None,
        Some(text) => match Policy::parse(text, PolicyKind::Bucket { name }, text.len()) {
            Ok(policy) => Some(policy),
            Err(_) => return false,
        },
    };
    let listed = target.acls_enabled() && target.acl().is_some_and(grants_delivery);
    let caller = Caller::bare(Principal::Service { name: SERVICE.to_owned() }, "Service");
    let decision = evaluate(&Question {
        caller: &caller,
        action: "s3:PutObject",
        resource: &format!("arn:aws:s3:::{name}/{key}"),
        owner: target_owner,
        resource_policy: policy.as_ref(),
        acl: if listed { AclGrant::Everyone } else { AclGrant::None },
        context: &context(source, target_owner, now_ms),
    });
    decision.is_allow()
}

/// Whether an upload without encryption headers is taken.
fn takes_plain_uploads(target: &Bucket) -> bool {
    target.encryption().is_none_or(|encryption| encryption.algorithm == "AES256")
}

fn grants_delivery(grants: &[Grant]) -> bool {
    let has = |wanted| {
        let permits = |permission| permission == wanted || permission == AclPermission::FullControl;
        grants.iter().any(|grant| grant.grantee == Grantee::LogDelivery && permits(grant.permission))
    };
    has(AclPermission::Write) && has(AclPermission::ReadAcp)
}

fn context(source: &LogSource, target_owner: &str, now_ms: u64) -> Context {
    let mut context = Context::new();
    context.set("aws:SourceArn", format!("arn:aws:s3:::{}", source.bucket));
    context.set("aws:SourceAccount", &source.owner);
    context.set("aws:ResourceAccount", target_owner);
    context.set("s3:ResourceAccount", target_owner);
    context.set("aws:CurrentTime", iso8601(now_ms));
    context.set("aws:EpochTime", (now_ms / 1000).to_string());
    // Nothing leaves the process on the way.
    context.set("aws:SecureTransport", "true");
    context.set("s3:TlsVersion", "1.3");
    context
}

const SERVICE: &str = "logging.s3.amazonaws.com";
const DAY_MS: u64 = 24 * 60 * 60 * 1000;

#[cfg(test)]
mod tests {
    use super::*;

    fn key(key_format: LogKeyFormat) -> String {
        let source = LogSource { bucket: "photos".into(), owner: "000000000000".into(), region: "eu-west-1".into() };
        let (target_bucket, target_prefix) = ("logs".to_owned(), "p/".to_owned());
        let logging = BucketLogging { target_bucket, target_prefix, grants: Vec::new(), key_format };
        log_object_key(&source, &logging, 1_255_369_830_007, 1_255_456_230_007, "UNIQUE")
    }

    #[test]
    fn keys_are_formed_as_was_asked_for() {
        assert_eq!(key(LogKeyFormat::NotSet), "p/2009-10-13-17-50-30-UNIQUE");
        assert_eq!(key(LogKeyFormat::SimplePrefix), "p/2009-10-13-17-50-30-UNIQUE");
        assert_eq!(
            key(LogKeyFormat::EventTime),
            "p/000000000000/eu-west-1/photos/2009/10/12/2009-10-12-00-00-00-UNIQUE"
        );
        assert_eq!(
            key(LogKeyFormat::DeliveryTime),
            "p/000000000000/eu-west-1/photos/2009/10/13/2009-10-13-17-50-30-UNIQUE"
        );
    }

    #[test]
    fn the_delivery_group_needs_both_permissions() {
        let grant = |permission| Grant { grantee: Grantee::LogDelivery, permission };
        assert!(grants_delivery(&[grant(AclPermission::Write), grant(AclPermission::ReadAcp)]));
        assert!(grants_delivery(&[grant(AclPermission::FullControl)]));
        assert!(!grants_delivery(&[grant(AclPermission::Write)]));
        let everybody = |permission| Grant { grantee: Grantee::AllUsers, permission };
        assert!(!grants_delivery(&[everybody(AclPermission::Write), everybody(AclPermission::ReadAcp)]));
    }
}

//! `coffer shred`: removing something, and every key that opens a copy of it.

use anyhow::{Result, anyhow, bail};
use clap::Args;
use coffer_keyring::KeyOutcome;
use coffer_store::{BucketName, JobError, JobSpec, ShredTarget, StoreError};
use serde::{Deserialize, Serialize};

use super::job::{explained, followed, report};
use super::job_report::{add_signed, quoted};
use crate::control::{Report, Session};
use crate::s3::ACCOUNT_ID;

/// What is to be shredded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Args)]
#[serde(deny_unknown_fields)]
pub(crate) struct Shred {
    /// s3://BUCKET/KEY, s3://BUCKET with all that it holds, or kms:KEY by its id, ARN or alias
    #[arg(value_name = "WHAT")]
    pub(crate) what: String,
    /// The version of the object [default: the current one]
    #[arg(long, value_name = "ID")]
    pub(crate) version_id: Option<String>,
    /// Leave backups and copies from before readable, with all that is shredded
    #[arg(long)]
    pub(crate) keep_backups: bool,
    /// Also if other objects share the sealed data, and so still show it
    #[arg(long)]
    even_if_shared: bool,
    /// Start the job and do not follow it
    #[arg(long)]
    pub(crate) detach: bool,
}

/// What a command names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// A version of an object.
    Object {
        /// The name of the bucket.
        bucket: String,
        /// The object's key: all that follows the slash.
        key: String,
    },
    /// A bucket with all that it holds.
    Bucket(String),
    /// A key of the KMS, however it is named.
    KmsKey(String),
}

impl Target {
    /// Reads it.
    ///
    /// # Errors
    /// A sentence for a person.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let no_form = || anyhow!("{text} is none of s3://BUCKET/KEY, s3://BUCKET and kms:KEY");
        if let Some(key) = text.strip_prefix("kms:") {
            return if key.is_empty() { Err(no_form()) } else { Ok(Self::KmsKey(key.to_owned())) };
        }
        let rest = text.strip_prefix("s3://").ok_or_else(no_form)?;
        let (bucket, key) = rest.split_once('/').map_or((rest, None), |(bucket, key)| (bucket, Some(key)));
        BucketName::for_lookup(bucket).ok_or_else(|| anyhow!("{bucket} is no name of a bucket"))?;
        match key {
            None => Ok(Self::Bucket(bucket.to_owned())),
            Some("") => bail!("{text} names no object; the bucket itself is s3://{bucket}"),
            Some(key) => Ok(Self::Object { bucket: bucket.to_owned(), key: key.to_owned() }),
        }
    }
}

impl Shred {
    pub(super) async fn perform(self, session: &Session) -> Result<Report> {
        let administration = &session.administration;
        let (target, subject) = self.target(session).await?;
        let what = words(&target);
        let spec = JobSpec::Shred { target, keep_backups: self.keep_backups, even_if_shared: self.even_if_shared };
        let turn = administration.changing.lock().await;
        let started = administration.data.store.start_job(spec).await;
        drop(turn);
        let job = match started {
            Ok(job) => job,
            Err(error) => {
                session.note("coffer:Shred", subject, KeyOutcome::Failed("NotStarted".to_owned()), Vec::new());
                return Err(missing(error));
            }
        };
        session.note("coffer:Shred", subject, KeyOutcome::Done, vec![("job".to_owned(), job.to_string())]);
        session.progress(&format!("job {job}: {what}"));
        if self.detach {
            return Ok(report(&administration.data.store.job(job).await.map_err(explained)?));
        }
        let job = followed(session, job).await?;
        let shown = report(&job);
        Ok(add_signed(session, &job, shown))
    }

    /// What is meant, and what the audit log calls it: no names.
    async fn target(&self, session: &Session) -> Result<(ShredTarget, String)> {
        let version = self.version_id.clone();
        let target = Target::parse(&self.what)?;
        if version.is_some() && !matches!(target, Target::Object { .. }) {
            bail!("only an object has versions");
        }
        Ok(match target {
            Target::Object { bucket, key } => {
                (ShredTarget::Version { bucket, key, version }, "object version".to_owned())
            }
            Target::Bucket(bucket) => (ShredTarget::Bucket { bucket }, "bucket".to_owned()),
            Target::KmsKey(name) => {
                let found = session.administration.kms.key_for_operator(ACCOUNT_ID, &name).await;
                let key_arn = found.map_err(|error| anyhow!("{}", error.message))?;
                (ShredTarget::KmsKey { key_arn: key_arn.clone() }, key_arn)
            }
        })
    }
}

/// What is done, with what clients named in quotes.
pub(super) fn words(target: &ShredTarget) -> String {
    match target {
        ShredTarget::Version { bucket, key, version } => {
            let version = version.as_ref().map_or("current version".to_owned(), |id| format!("version {}", quoted(id)));
            format!("shred the {version} of {}", quoted(&format!("s3://{bucket}/{key}")))
        }
        ShredTarget::Bucket { bucket } => format!("shred the bucket {} with all that it holds", quoted(bucket)),
        ShredTarget::KmsKey { key_arn } => format!("shred the KMS key {key_arn}"),
    }
}

fn missing(error: JobError) -> anyhow::Error {
    match error {
        JobError::Store(StoreError::NoSuchKey) => anyhow!(
            "there is no such object; of what was deleted already, copies are closed by `coffer key rotate-bucket` and \
             `coffer key destroy-generation`"
        ),
        JobError::Store(StoreError::NoSuchVersion) => anyhow!("the object has no such version"),
        JobError::Store(StoreError::DeleteMarker(marker)) => {
            anyhow!("the current version is a delete marker, {}: say which version by --version-id", marker.version)
        }
        error => explained(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_an_object_a_bucket_or_a_key() {
        let object = |bucket: &str, key: &str| Target::Object { bucket: bucket.to_owned(), key: key.to_owned() };
        assert_eq!(Target::parse("s3://photos/a/b?c#d%20").unwrap(), object("photos", "a/b?c#d%20"));
        assert_eq!(Target::parse("s3://photos//a").unwrap(), object("photos", "/a"));
        assert_eq!(Target::parse("s3://photos").unwrap(), Target::Bucket("photos".to_owned()));
        assert_eq!(Target::parse("kms:alias/a").unwrap(), Target::KmsKey("alias/a".to_owned()));
        for text in ["", "photos", "s3://", "s3:///a", "s3://photos/", "kms:", "S3://photos", "s3://No_Name/a"] {
            assert!(Target::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_clients_named_cannot_break_a_line() {
        let key = "a\n\"not promised: everything".to_owned();
        let words = words(&ShredTarget::Version { bucket: "photos".to_owned(), key, version: None });
        assert_eq!(words, r#"shred the current version of "s3://photos/a\n\"not promised: everything""#);
    }
}

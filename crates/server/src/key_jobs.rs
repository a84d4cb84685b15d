//! `coffer key rotate-root` and its siblings, and `coffer job`, as the command line has them.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};

use crate::control::Command;
use crate::control::command::{ListJobs, StartJob, SteerJob, Steering, Task};

/// `coffer key rotate-root`
#[derive(Debug, PartialEq, Eq, Args)]
pub(crate) struct RotateRoot {
    /// Make no new generation: only wrap everything anew, after a rotation that was made at the provider
    #[arg(long)]
    rewrap_only: bool,
    /// Start the job and do not follow it
    #[arg(long)]
    detach: bool,
}

/// `coffer key rotate-bucket`
#[derive(Debug, PartialEq, Eq, Args)]
pub(crate) struct RotateBucket {
    /// The bucket
    #[arg(value_name = "BUCKET")]
    bucket: String,
    /// Start the job and do not follow it
    #[arg(long)]
    detach: bool,
}

/// `coffer key reseal`
#[derive(Debug, PartialEq, Eq, Args)]
pub(crate) struct Reseal {
    /// The bucket
    #[arg(value_name = "BUCKET")]
    bucket: String,
    /// Start the job and do not follow it
    #[arg(long)]
    detach: bool,
}

/// `coffer key rewrap-kms`
#[derive(Debug, PartialEq, Eq, Args)]
pub(crate) struct RewrapKms {
    /// Only what this bucket holds
    #[arg(long, value_name = "BUCKET")]
    bucket: Option<String>,
    /// Only what is under this KMS key: its ID or ARN
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// Start the job and do not follow it
    #[arg(long)]
    detach: bool,
}

/// `coffer key destroy-generation`
#[derive(Debug, PartialEq, Eq, Args)]
pub(crate) struct DestroyGeneration {
    /// Whose generation: root, root:ID (a root key as `coffer key show` names it), or bucket:NAME
    #[arg(value_name = "KEY", value_parser = parse_owner)]
    of: Owner,
    /// The generation to destroy
    #[arg(long, value_name = "N")]
    generation: u32,
    /// How long to wait before, such as 7d, 12h or 90s [default: key_destruction_delay_seconds]
    #[arg(long, value_name = "TIME", value_parser = parse_span)]
    after: Option<u64>,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

/// Whose key it is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Owner {
    /// The root key; that with this id, in hexadecimal, if one is given.
    Root(Option<String>),
    Bucket(String),
}

/// `coffer job ...`
#[derive(Debug, PartialEq, Eq, Subcommand)]
pub(crate) enum JobCommand {
    /// List every job
    List(ListJobs),
    /// Show a job and what it has found out
    Show(JobId),
    /// Follow a job to its end
    Watch(JobId),
    /// Have a job wait
    Pause(JobId),
    /// Have a job go on
    Resume(JobId),
    /// End a job where it is; what it has done stays done
    Cancel(JobId),
    /// Print the signed report of a job that is over: what it destroyed, and what it cannot promise
    Report(JobId),
}

/// The job that is meant.
#[derive(Debug, PartialEq, Eq, Args)]
pub(crate) struct JobId {
    /// Its id
    #[arg(value_name = "JOB")]
    job: String,
}

impl From<RotateRoot> for Command {
    fn from(RotateRoot { rewrap_only, detach }: RotateRoot) -> Self {
        Self::StartJob(StartJob { task: if rewrap_only { Task::RewrapRoot } else { Task::RotateRoot }, detach })
    }
}

impl From<RotateBucket> for Command {
    fn from(RotateBucket { bucket, detach }: RotateBucket) -> Self {
        Self::StartJob(StartJob { task: Task::RotateBucket { bucket }, detach })
    }
}

impl From<Reseal> for Command {
    fn from(Reseal { bucket, detach }: Reseal) -> Self {
        Self::StartJob(StartJob { task: Task::Reseal { bucket }, detach })
    }
}

impl From<RewrapKms> for Command {
    fn from(RewrapKms { bucket, key, detach }: RewrapKms) -> Self {
        Self::StartJob(StartJob { task: Task::RewrapKms { bucket, key }, detach })
    }
}

impl DestroyGeneration {
    /// What is to be done, once whoever asks is sure.
    ///
    /// # Errors
    /// When they are not, or cannot be asked.
    pub(crate) fn confirmed(self) -> Result<Command> {
        let Self { of, generation, after, yes } = self;
        let (words, root_id, bucket) = match of {
            Owner::Root(root_id) => ("the root key".to_owned(), root_id, None),
            Owner::Bucket(bucket) => (format!("the key of the bucket {bucket}"), None, Some(bucket)),
        };
        if !yes {
            let warning = format!(
                "Generation {generation} of {words} will be destroyed. Nothing of this store needs it then, but backups \
                 from before the rotation do: they become unreadable for ever."
            );
            confirm(&warning, &format!("destroy {generation}"))?;
        }
        let task = Task::DestroyGeneration { bucket, root_id, generation, after_seconds: after };
        Ok(Command::StartJob(StartJob { task, detach: false }))
    }
}

impl From<JobCommand> for Command {
    fn from(command: JobCommand) -> Self {
        let (JobId { job }, steering) = match command {
            JobCommand::List(list) => return Self::ListJobs(list),
            JobCommand::Show(job) => (job, Steering::Show),
            JobCommand::Watch(job) => (job, Steering::Watch),
            JobCommand::Pause(job) => (job, Steering::Pause),
            JobCommand::Resume(job) => (job, Steering::Resume),
            JobCommand::Cancel(job) => (job, Steering::Cancel),
            JobCommand::Report(job) => (job, Steering::Report),
        };
        Self::SteerJob(SteerJob { job, steering })
    }
}

/// Has somebody type `words` to show that they have read `warning`.
///
/// # Errors
/// When they do not, or cannot be asked.
pub(crate) fn confirm(warning: &str, words: &str) -> Result<()> {
    if !io::stdin().is_terminal() {
        bail!("{warning} Say --yes if that is what you want");
    }
    let mut terminal = io::stderr();
    write!(terminal, "{warning}\nType \"{words}\" to go on: ").context("nothing can be asked")?;
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).context("no answer can be read")?;
    if line.trim() != words {
        bail!("nothing was done");
    }
    Ok(())
}

fn parse_owner(text: &str) -> Result<Owner, String> {
    match text.split_once(':') {
        None if text == "root" => Ok(Owner::Root(None)),
        Some(("root", id)) if id.len() == 32 && id.bytes().all(|digit| digit.is_ascii_hexdigit()) => {
            Ok(Owner::Root(Some(id.to_ascii_lowercase())))
        }
        Some(("bucket", name)) if !name.is_empty() => Ok(Owner::Bucket(name.to_owned())),
        _ => Err("it is root, root:ID or bucket:NAME".to_owned()),
    }
}

/// Reads a time such as `7d`, `12h`, `5m` or `90s`, in seconds.
fn parse_span(text: &str) -> Result<u64, String> {
    let seconds = |unit| match unit {
        'd' => Some(86_400),
        'h' => Some(3_600),
        'm' => Some(60),
        's' => Some(1),
        _ => None,
    };
    let unit = text.chars().last().and_then(seconds);
    let parsed = unit.and_then(|unit| text[..text.len() - 1].parse::<u64>().ok()?.checked_mul(unit));
    parsed.ok_or_else(|| "it is a number and d, h, m or s, such as 7d".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_a_unit() {
        for (text, seconds) in [("7d", 604_800), ("12h", 43_200), ("5m", 300), ("90s", 90), ("0s", 0)] {
            assert_eq!(parse_span(text), Ok(seconds));
        }
        for text in ["", "7", "d", "-1d", "7 d", "7w", "1.5h", "99999999999999999999d", "7é"] {
            assert!(parse_span(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_generation_is_of_the_root_key_or_of_a_bucket() {
        assert_eq!(parse_owner("root"), Ok(Owner::Root(None)));
        let id = "0123456789ABCDEF0123456789abcdef";
        assert_eq!(parse_owner(&format!("root:{id}")), Ok(Owner::Root(Some(id.to_ascii_lowercase()))));
        assert_eq!(parse_owner("bucket:photos"), Ok(Owner::Bucket("photos".to_owned())));
        for text in ["", "photos", "bucket:", "bucket", "root:x", "root:", "kms:1"] {
            assert!(parse_owner(text).is_err(), "{text}");
        }
    }

    #[test]
    fn nothing_is_destroyed_without_a_yes() {
        let asked = DestroyGeneration { of: Owner::Root(None), generation: 1, after: None, yes: false };
        // Tests have no terminal.
        if !io::stdin().is_terminal() {
            assert!(asked.confirmed().is_err());
        }
    }
}

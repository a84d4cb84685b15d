//! Targets of notifications: the tables `[notification.NAME]` of the configuration file.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail, ensure};
use coffer_s3::ops::is_target_name;
use http::Uri;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

/// The targets by name. Secrets are in files of their own, so that none is here.
pub(crate) type TargetSettings = BTreeMap<String, Target>;

/// One target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum Target {
    /// A POST over HTTP for each event.
    Webhook(Webhook),
    /// A message to a subject of a NATS server for each event.
    Nats(Nats),
}

/// `type = "webhook"`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Webhook {
    /// Where to POST to.
    pub(crate) url: String,
    /// A file with the token of `Authorization: Bearer`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) token_file: Option<PathBuf>,
    /// A file with the key that signs each POST.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) signing_key_file: Option<PathBuf>,
    /// Certificate authorities in PEM beside those of the system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ca_file: Option<PathBuf>,
    /// The accounts whose buckets may use it beside the first account's; `*` for all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) accounts: Vec<String>,
}

/// `type = "nats"`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nats {
    /// The server: `nats://HOST:PORT`, or `tls://HOST:PORT`.
    pub(crate) url: String,
    /// The subject that messages are for.
    pub(crate) subject: String,
    /// Whether a stream must confirm that it keeps the message.
    #[serde(default)]
    pub(crate) jetstream: bool,
    /// The user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) user: Option<String>,
    /// A file with the password of `user`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) password_file: Option<PathBuf>,
    /// A file with a token, in the place of user and password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) token_file: Option<PathBuf>,
    /// Certificate authorities in PEM beside those of the system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ca_file: Option<PathBuf>,
    /// The accounts whose buckets may use it beside the first account's; `*` for all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) accounts: Vec<String>,
}

/// Reads the table `notification`.
///
/// # Errors
/// A sentence for a person.
pub(super) fn parse(value: &Value) -> Result<TargetSettings> {
    let tables = value.as_table().context("`notification` must hold tables such as [notification.NAME]")?;
    let mut targets = TargetSettings::new();
    for (name, value) in tables {
        let target: Target =
            value.clone().try_into().with_context(|| format!("the table [notification.{name}] is wrong"))?;
        target.check(name).with_context(|| format!("the table [notification.{name}] is wrong"))?;
        targets.insert(name.clone(), target);
    }
    Ok(targets)
}

/// The table `notification` as the configuration file would say it; empty for no targets.
pub(super) fn show(targets: &TargetSettings) -> String {
    if targets.is_empty() {
        return String::new();
    }
    let targets = Value::try_from(targets).expect("targets are tables of texts, switches and lists");
    Table::from_iter([("notification".to_owned(), targets)]).to_string()
}

impl Target {
    /// The accounts whose buckets may use it beside the first account's; `*` for all.
    pub(crate) fn accounts(&self) -> &[String] {
        match self {
            Self::Webhook(webhook) => &webhook.accounts,
            Self::Nats(nats) => &nats.accounts,
        }
    }

    fn check(&self, name: &str) -> Result<()> {
        ensure!(is_target_name(name), "a name is made of 1 to 80 letters, digits, hyphens and underscores");
        for account in self.accounts() {
            let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
            ensure!(is_account || account == "*", "`accounts` must hold accounts of 12 digits, or *");
        }
        match self {
            Self::Webhook(webhook) => check_url(&webhook.url, &["http", "https"]),
            Self::Nats(nats) => nats.check(),
        }
    }
}

impl Nats {
    fn check(&self) -> Result<()> {
        check_url(&self.url, &["nats", "tls"])?;
        let tokens = self.subject.split('.');
        let is_subject = |token: &str| {
            !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'*' | b'>'))
        };
        ensure!(
            self.subject.len() <= 255 && tokens.clone().all(is_subject),
            "`subject` must be names with points between them, without blanks and wildcards"
        );
        ensure!(self.user.is_some() == self.password_file.is_some(), "`user` and `password_file` must be set together");
        ensure!(self.user.is_none() || self.token_file.is_none(), "`token_file` and `user` exclude each other");
        Ok(())
    }
}

fn check_url(url: &str, schemes: &[&str]) -> Result<()> {
    let uri: Uri = url.parse().context("`url` cannot be read")?;
    let scheme = uri.scheme_str().unwrap_or_default();
    if !schemes.contains(&scheme) {
        bail!("`url` must start with {}://", schemes.join(":// or "));
    }
    let host = uri.authority().context("`url` has no host")?;
    ensure!(!host.as_str().contains('@'), "`url` must not hold a user: secrets belong into files of their own");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<TargetSettings> {
        let table: Table = text.parse().unwrap();
        parse(&table["notification"])
    }

    fn check(name: &str, inner: &str, good: bool) {
        let outcome = parsed(&format!("[notification.\"{name}\"]\n{inner}"));
        assert_eq!(outcome.is_ok(), good, "{name} {inner} {outcome:?}");
    }

    const WEBHOOK: &str = "type = 'webhook'\nurl = 'https://example.org/hook'\n";
    const NATS: &str = "type = 'nats'\nurl = 'nats://127.0.0.1:4222'\nsubject = 's3.events'\n";

    #[test]
    fn targets_are_read_and_shown_as_they_are() {
        let text = format!(
            "[notification.orders]\n{WEBHOOK}token_file = '/t'\naccounts = ['111122223333']\n\
             [notification.bus]\n{NATS}jetstream = true\nuser = 'u'\npassword_file = '/p'\n"
        );
        let targets = parsed(&text).unwrap();
        assert_eq!(targets.keys().collect::<Vec<_>>(), ["bus", "orders"]);
        assert_eq!(targets["orders"].accounts(), ["111122223333"]);
        assert_eq!(parsed(&show(&targets)).unwrap(), targets);
        assert_eq!(show(&TargetSettings::new()), "");
    }

    #[test]
    fn tables_that_do_not_do_are_refused() {
        check("orders", WEBHOOK, true);
        check("bus", NATS, true);
        for name in ["", "a b", "a.b", "a:b", &"a".repeat(81)] {
            check(name, WEBHOOK, false);
        }
        for inner in [
            "",
            "type = 'webhook'",
            "type = 'kafka'\nurl = 'https://example.org'",
            "url = 'https://example.org'",
            "type = 'webhook'\nurl = 'ftp://example.org'",
            "type = 'webhook'\nurl = '/path'",
            "type = 'webhook'\nurl = 'https://user:secret@example.org'",
            &format!("{WEBHOOK}token = 'secret'"),
            &format!("{WEBHOOK}accounts = ['me']"),
            "type = 'nats'\nurl = 'nats://h'",
            "type = 'nats'\nurl = 'https://h'\nsubject = 'a'",
            "type = 'nats'\nurl = 'nats://h'\nsubject = ''",
            "type = 'nats'\nurl = 'nats://h'\nsubject = 'a b'",
            "type = 'nats'\nurl = 'nats://h'\nsubject = 'a.*'",
            "type = 'nats'\nurl = 'nats://h'\nsubject = 'a..b'",
            "type = 'nats'\nurl = 'nats://h'\nsubject = \"a\\r\\nPUB b\"",
            &format!("{NATS}user = 'u'"),
            &format!("{NATS}user = 'u'\npassword_file = '/p'\ntoken_file = '/t'"),
        ] {
            check("name", inner, false);
        }
    }
}

//! The layers of the configuration, later ones over earlier ones, and what they amount to.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use coffer_keyring::KeyPlace;
use coffer_store::ObjectOwnership;

use super::nearest::nearest;
use super::{SETTINGS, Setting, Settings, target};

/// The variables that are not settings.
const CONFIG: &str = "COFFER_CONFIG";
const ROOT_ACCESS_KEY: &str = "COFFER_ROOT_ACCESS_KEY";
const ROOT_SECRET_KEY: &str = "COFFER_ROOT_SECRET_KEY";
/// The table of the configuration file that is no single setting.
const TARGETS: &str = "notification";

/// What the command line and the environment say.
#[derive(Default)]
pub(crate) struct Given {
    /// `--config`.
    pub(crate) config: Option<PathBuf>,
    /// The text of each flag that was given, by the name of its setting.
    pub(crate) flags: BTreeMap<&'static str, String>,
    /// The environment.
    pub(crate) environment: BTreeMap<OsString, OsString>,
}

/// Where a setting's value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// Nobody set it.
    Default,
    /// This configuration file.
    File(PathBuf),
    /// This environment variable.
    Environment(String),
    /// This flag.
    Flag(String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::Flag(name) => write!(f, "flag --{name}"),
        }
    }
}

/// The settings in effect, and the root credentials if the environment sets them.
///
/// It has no `Debug`: it may hold a secret.
pub(crate) struct Config {
    /// The settings.
    pub(crate) settings: Settings,
    /// `COFFER_ROOT_ACCESS_KEY` and `COFFER_ROOT_SECRET_KEY`.
    pub(crate) root_credentials: Option<(String, String)>,
    sources: BTreeMap<&'static str, Source>,
}

impl Config {
    /// Puts the layers over each other and checks the result.
    ///
    /// # Errors
    /// A sentence for a person: an unknown name, a value that does not fit, settings that contradict each other.
    pub(crate) fn load(given: &Given) -> Result<Self> {
        let mut config = Self { settings: Settings::defaults(), root_credentials: None, sources: BTreeMap::new() };
        let variables = variables(given)?;
        if let Some(path) = given.config.clone().or_else(|| variables.get(CONFIG).map(PathBuf::from)) {
            config.read_file(&path)?;
        }
        config.read_environment(&variables)?;
        for (name, text) in &given.flags {
            let setting = SETTINGS.iter().find(|s| s.name == *name).expect("flags are made from the table");
            let flag = setting.flag();
            setting.set_text(&mut config.settings, text).map_err(|why| anyhow::anyhow!("--{flag} {why}"))?;
            config.sources.insert(setting.name, Source::Flag(flag));
        }
        if config.source("key_file") == Source::Default {
            config.settings.key_file = default_key_file(&given.environment)?;
        }
        resolve_credentials(&mut config.settings, &given.environment)?;
        check(&config.settings)?;
        Ok(config)
    }

    /// Where the setting `name` got its value.
    pub(crate) fn source(&self, name: &str) -> Source {
        self.sources.get(name).cloned().unwrap_or(Source::Default)
    }

    /// The settings as a configuration file that says the same, each line with its source, without any secret.
    pub(crate) fn show(&self) -> String {
        let mut settings = self.settings.clone();
        let mut text = String::new();
        for setting in SETTINGS {
            let value = setting.value(&mut settings);
            text += &format!("{} = {value}  # {}\n", setting.name, self.source(setting.name));
        }
        let credentials = match self.root_credentials {
            Some(_) => "# root credentials: from the environment\n",
            None => "# root credentials: made at first start and kept sealed in the store\n",
        };
        // Tables come last in TOML.
        text + credentials + &target::show(&self.settings.notification)
    }

    fn read_file(&mut self, path: &Path) -> Result<()> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the configuration {}", path.display()))?;
        let table: toml::Table =
            text.parse().with_context(|| format!("the configuration {} is not valid TOML", path.display()))?;
        for (name, value) in &table {
            if name == TARGETS {
                self.settings.notification = target::parse(value).with_context(|| path.display().to_string())?;
                continue;
            }
            let Some(setting) = SETTINGS.iter().find(|s| s.name == name) else {
                let known = SETTINGS.iter().map(|s| s.name).chain([TARGETS]);
                bail!("{}: unknown setting `{name}`{}", path.display(), hint(name, known));
            };
            setting
                .set_value(&mut self.settings, value)
                .map_err(|why| anyhow::anyhow!("{}: `{name}` {why}", path.display()))?;
            self.sources.insert(setting.name, Source::File(path.to_owned()));
        }
        Ok(())
    }

    fn read_environment(&mut self, variables: &BTreeMap<String, String>) -> Result<()> {
        let by_variable: BTreeMap<String, &Setting> = SETTINGS.iter().map(|s| (s.variable(), s)).collect();
        let others = [CONFIG, ROOT_ACCESS_KEY, ROOT_SECRET_KEY];
        for (name, text) in variables {
            if others.contains(&name.as_str()) {
                continue;
            }
            let Some(setting) = by_variable.get(name) else {
                let known = by_variable.keys().map(String::as_str).chain(others);
                bail!("unknown environment variable {name}{}", hint(name, known));
            };
            setting.set_text(&mut self.settings, text).map_err(|why| anyhow::anyhow!("{name} {why}"))?;
            self.sources.insert(setting.name, Source::Environment(name.clone()));
        }
        self.root_credentials = match (variables.get(ROOT_ACCESS_KEY), variables.get(ROOT_SECRET_KEY)) {
            (None, None) => None,
            (Some(access_key), Some(secret_key)) => Some((access_key.clone(), secret_key.clone())),
            _ => bail!("{ROOT_ACCESS_KEY} and {ROOT_SECRET_KEY} must be set together"),
        };
        Ok(())
    }
}

/// The `COFFER_*` variables as text. The values of others are never looked at.
fn variables(given: &Given) -> Result<BTreeMap<String, String>> {
    let mut variables = BTreeMap::new();
    for (name, value) in &given.environment {
        let Some(name) = name.to_str().filter(|name| name.starts_with("COFFER_")) else { continue };
        let Some(value) = value.to_str() else { bail!("{name} is not valid UTF-8") };
        variables.insert(name.to_owned(), value.to_owned());
    }
    Ok(variables)
}

fn hint<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    nearest(name, known).map_or_else(String::new, |near| format!("; did you mean `{near}`?"))
}

/// `coffer/root.key` in the user's configuration directory (XDG Base Directory Specification).
fn default_key_file(environment: &BTreeMap<OsString, OsString>) -> Result<PathBuf> {
    let directory =
        |name: &str| environment.get(&OsString::from(name)).map(PathBuf::from).filter(|path| path.is_absolute());
    let config = directory("XDG_CONFIG_HOME").or_else(|| directory("HOME").map(|home| home.join(".config")));
    let config = config.context("there is no home directory to keep the root key in: say where with --key-file")?;
    Ok(config.join("coffer").join("root.key"))
}

/// Puts the paths of credentials of systemd in the place of their names.
fn resolve_credentials(settings: &mut Settings, environment: &BTreeMap<OsString, OsString>) -> Result<()> {
    let folder = environment.get(&OsString::from("CREDENTIALS_DIRECTORY")).map(PathBuf::from);
    settings.credentials = folder.filter(|path| path.is_absolute());
    let folder = settings.credentials.clone();
    for (setting, path) in
        [("key_file", Some(&mut settings.key_file)), ("passphrase_file", settings.passphrase_file.as_mut())]
    {
        let Some(path) = path else { continue };
        let Some(name) = path.to_str().and_then(|path| path.strip_prefix("credential:")) else { continue };
        ensure!(
            !name.is_empty() && !name.contains('/') && name != "." && name != "..",
            "`{setting}`: {name:?} is no name of a credential"
        );
        let folder = folder.as_ref();
        let folder = folder.with_context(|| {
            format!(
                "`{setting}`: systemd has handed no credential to this process: see LoadCredential= in systemd.exec(5)"
            )
        })?;
        *path = folder.join(name);
    }
    // Beside a credential nothing can be written.
    if settings.is_credential(&settings.key_file) && settings.keyring_file.is_none() {
        let beside = default_key_file(environment).context("say where the keyring is with --keyring-file")?;
        settings.keyring_file = Some(KeyPlace::new(&beside).keyring().to_owned());
    }
    Ok(())
}

/// What no single setting can say about itself.
fn check(settings: &Settings) -> Result<()> {
    ensure!(
        settings.listen.is_some() || settings.listen_tls.is_some(),
        "`listen` and `listen_tls` are both off: there is nothing to serve"
    );
    ensure!(settings.tls_cert.is_some() == settings.tls_key.is_some(), "`tls_cert` and `tls_key` must be set together");
    let region = &settings.region;
    ensure!(
        !region.is_empty() && region.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'),
        "`region` must be a name such as us-east-1"
    );
    ensure!(
        ObjectOwnership::from_name(&settings.new_bucket_object_ownership).is_some(),
        "`new_bucket_object_ownership` must be BucketOwnerEnforced, BucketOwnerPreferred or ObjectWriter"
    );
    for (name, domains) in [
        ("domain", &settings.domain),
        ("website_domain", &settings.website_domain),
        ("website_host", &settings.website_host),
    ] {
        for domain in domains {
            ensure!(is_domain(domain), "`{name}` must hold lower-case host names; {domain:?} is none");
        }
    }
    // What a website shows must never come from where the API answers.
    for domain in &settings.domain {
        ensure!(
            !settings.website_domain.contains(domain) && !settings.website_host.contains(domain),
            "{domain} cannot be both in `domain` and in `website_domain` or `website_host`"
        );
    }
    for (name, value) in [
        ("metadata_cache_mib", settings.metadata_cache_mib),
        ("request_idle_seconds", settings.request_idle_seconds),
        ("max_connections", settings.max_connections),
        ("server_access_log_seconds", settings.server_access_log_seconds),
        ("lifecycle_interval_seconds", settings.lifecycle_interval_seconds),
        ("lifecycle_day_seconds", settings.lifecycle_day_seconds),
        ("kms_day_ms", settings.kms_day_ms),
        ("notification_max_age_seconds", settings.notification_max_age_seconds),
    ] {
        ensure!(value > 0, "`{name}` must be at least 1");
    }
    // A backup or a thief of the data directory would otherwise carry the key along.
    let absolute = |path: &Path| std::path::absolute(path).context("the working directory cannot be found");
    for (what, path) in [
        ("key file", Some(&settings.key_file)),
        ("keyring", settings.keyring_file.as_ref()),
        ("file of the passphrase", settings.passphrase_file.as_ref()),
    ] {
        let Some(path) = path else { continue };
        ensure!(
            !absolute(path)?.starts_with(absolute(&settings.data)?),
            "the {what} {} must lie outside the data directory {}: who has one must not have the other",
            path.display(),
            settings.data.display()
        );
    }
    let access_log = settings.access_log.as_str();
    ensure!(!access_log.is_empty(), "`access_log` must be off, stdout or a file");
    // Whoever takes a copy of the data directory must not find in it what the log says.
    ensure!(
        matches!(access_log, "off" | "stdout")
            || !absolute(Path::new(access_log))?.starts_with(absolute(&settings.data)?),
        "the access log {access_log} must lie outside the data directory {}: nothing in there is readable",
        settings.data.display()
    );
    Ok(())
}

fn is_domain(name: &str) -> bool {
    name.len() <= 253
        && name.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        })
}

#[cfg(test)]
mod tests;

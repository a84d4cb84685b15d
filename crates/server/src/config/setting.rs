//! The table of settings, and how a value of each is read and shown.

use std::net::SocketAddr;
use std::path::PathBuf;

use toml::Value;

use super::{Names, Network, Settings};

/// One setting: its name in the configuration file, what it means, and where it lives in [`Settings`].
pub(crate) struct Setting {
    /// The key in the configuration file.
    pub(crate) name: &'static str,
    /// One line for `--help`.
    pub(crate) about: &'static str,
    /// What kind of value it has.
    pub(crate) kind: Kind,
}

/// The kind of a setting's value, with the field that holds it.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    /// Any text.
    Text(fn(&mut Settings) -> &mut String),
    /// A path.
    Path(fn(&mut Settings) -> &mut PathBuf),
    /// A path, or nothing when empty.
    OptionalPath(fn(&mut Settings) -> &mut Option<PathBuf>),
    /// An address and port, or nothing when empty or `off`.
    Address(fn(&mut Settings) -> &mut Option<SocketAddr>),
    /// A whole number.
    Number(fn(&mut Settings) -> &mut u64),
    /// `true` or `false`.
    Switch(fn(&mut Settings) -> &mut bool),
    /// [`Names`]: `hidden` or `plain`.
    Names(fn(&mut Settings) -> &mut Names),
    /// A list of texts.
    List(fn(&mut Settings) -> &mut Vec<String>),
    /// A list of addresses and networks.
    Networks(fn(&mut Settings) -> &mut Vec<Network>),
}

/// Every setting, in the order in which they are shown.
pub(crate) const SETTINGS: &[Setting] = &[
    Setting { name: "data", about: "The data directory", kind: Kind::Path(|s| &mut s.data) },
    Setting {
        name: "key_file",
        about: "The root key's file, outside the data directory, or credential:NAME [default: coffer/root.key in the user's config directory]",
        kind: Kind::Path(|s| &mut s.key_file),
    },
    Setting {
        name: "keyring_file",
        about: "The keyring, which the key file or a passphrase opens [default: the name of the key file and .keyring]",
        kind: Kind::OptionalPath(|s| &mut s.keyring_file),
    },
    Setting {
        name: "passphrase_file",
        about: "A file with the passphrase of the keyring; without it a terminal is asked",
        kind: Kind::OptionalPath(|s| &mut s.passphrase_file),
    },
    Setting {
        name: "control_socket",
        about: "The Unix socket that `coffer key` and its siblings speak to the server by [default: control.sock in the data directory]",
        kind: Kind::OptionalPath(|s| &mut s.control_socket),
    },
    Setting {
        name: "key_providers",
        about: "A file that names providers of keys elsewhere: AWS KMS, Transit of Vault or OpenBao",
        kind: Kind::OptionalPath(|s| &mut s.key_providers),
    },
    Setting {
        name: "root_key",
        about: "Where the root key is: local (the key file) or the name of a provider",
        kind: Kind::Text(|s| &mut s.root_key),
    },
    Setting {
        name: "former_root_keys",
        about: "Where the root key was before, to unwrap what is still wrapped there; may be repeated",
        kind: Kind::List(|s| &mut s.former_root_keys),
    },
    Setting {
        name: "key_stores",
        about: "A provider that is a custom key store of the KMS API; may be repeated",
        kind: Kind::List(|s| &mut s.key_stores),
    },
    Setting { name: "listen", about: "Where to serve HTTP, or off", kind: Kind::Address(|s| &mut s.listen) },
    Setting { name: "listen_tls", about: "Where to serve HTTPS, or off", kind: Kind::Address(|s| &mut s.listen_tls) },
    Setting {
        name: "listen_admin",
        about: "Where to serve /health/live, /health/ready and /metrics, or off",
        kind: Kind::Address(|s| &mut s.listen_admin),
    },
    Setting {
        name: "tls_cert",
        about: "The certificate chain for HTTPS, in PEM [default: one made at first start]",
        kind: Kind::OptionalPath(|s| &mut s.tls_cert),
    },
    Setting {
        name: "tls_key",
        about: "The private key of the certificate, in PEM",
        kind: Kind::OptionalPath(|s| &mut s.tls_key),
    },
    Setting { name: "region", about: "The region requests are signed for", kind: Kind::Text(|s| &mut s.region) },
    Setting {
        name: "domain",
        about: "A base domain for virtual-hosted-style requests (BUCKET.DOMAIN); may be repeated",
        kind: Kind::List(|s| &mut s.domain),
    },
    Setting {
        name: "website_domain",
        about: "A base domain for the websites of buckets (BUCKET.DOMAIN); may be repeated",
        kind: Kind::List(|s| &mut s.website_domain),
    },
    Setting {
        name: "website_host",
        about: "A host name that is the website of the bucket of the same name; may be repeated",
        kind: Kind::List(|s| &mut s.website_host),
    },
    Setting {
        name: "trusted_proxies",
        about: "An address or network of proxies whose X-Forwarded-Proto and X-Forwarded-For are believed; may be repeated",
        kind: Kind::Networks(|s| &mut s.trusted_proxies),
    },
    Setting {
        name: "block_sse_c_on_new_buckets",
        about: "Make new buckets refuse SSE-C",
        kind: Kind::Switch(|s| &mut s.block_sse_c_on_new_buckets),
    },
    Setting {
        name: "root_may_use_s3",
        about: "Whether root access keys may use S3, and not only the APIs that manage users",
        kind: Kind::Switch(|s| &mut s.root_may_use_s3),
    },
    Setting {
        name: "oidc_ca_file",
        about: "Certificate authorities of OpenID Connect identity providers, in PEM, beside those of the system",
        kind: Kind::OptionalPath(|s| &mut s.oidc_ca_file),
    },
    Setting {
        name: "oidc_private_networks",
        about: "An address or network where identity providers may be reached although it is not the internet's; may be repeated",
        kind: Kind::Networks(|s| &mut s.oidc_private_networks),
    },
    Setting {
        name: "replication_targets",
        about: "A file that names where buckets may be replicated to",
        kind: Kind::OptionalPath(|s| &mut s.replication_targets),
    },
    Setting {
        name: "access_log",
        about: "Where to write a line of JSON for each request: off, stdout or a file, opened again at SIGHUP",
        kind: Kind::Text(|s| &mut s.access_log),
    },
    Setting {
        name: "access_log_names",
        about: "How to write names of buckets, keys and users in it: hidden (pseudonyms) or plain",
        kind: Kind::Names(|s| &mut s.access_log_names),
    },
    Setting {
        name: "new_bucket_object_ownership",
        about: "Object ownership of new buckets that name none: BucketOwnerEnforced (no ACLs), BucketOwnerPreferred or ObjectWriter",
        kind: Kind::Text(|s| &mut s.new_bucket_object_ownership),
    },
    Setting {
        name: "new_bucket_block_public_access",
        about: "Make new buckets block public access",
        kind: Kind::Switch(|s| &mut s.new_bucket_block_public_access),
    },
    Setting {
        name: "server_access_log_seconds",
        about: "How long the logs that PutBucketLogging asks for wait for more before they are delivered, in seconds",
        kind: Kind::Number(|s| &mut s.server_access_log_seconds),
    },
    Setting {
        name: "lifecycle_interval_seconds",
        about: "How often what lifecycle rules ask for is done, in seconds; a day: at midnight UTC",
        kind: Kind::Number(|s| &mut s.lifecycle_interval_seconds),
    },
    Setting {
        name: "lifecycle_day_seconds",
        about: "For tests only: the length of the days that lifecycle rules count, in seconds; Object Lock's days stay what they are",
        kind: Kind::Number(|s| &mut s.lifecycle_day_seconds),
    },
    Setting {
        name: "kms_day_ms",
        about: "For tests only: the length of the days until KMS keys are deleted and between their rotations, in milliseconds",
        kind: Kind::Number(|s| &mut s.kms_day_ms),
    },
    Setting {
        name: "notification_max_age_seconds",
        about: "How long an event waits for a target that does not take it before it is dropped, in seconds",
        kind: Kind::Number(|s| &mut s.notification_max_age_seconds),
    },
    Setting {
        name: "log",
        about: "What to log: error, warn, info, debug, trace, or directives by module",
        kind: Kind::Text(|s| &mut s.log),
    },
    Setting {
        name: "inline_threshold_bytes",
        about: "The largest object kept inside its record, in bytes",
        kind: Kind::Number(|s| &mut s.inline_threshold_bytes),
    },
    Setting {
        name: "metadata_cache_mib",
        about: "Memory for the metadata engine's pages, in MiB",
        kind: Kind::Number(|s| &mut s.metadata_cache_mib),
    },
    Setting {
        name: "key_destruction_delay_seconds",
        about: "How long after it was asked for a generation of a key is destroyed at the earliest",
        kind: Kind::Number(|s| &mut s.key_destruction_delay_seconds),
    },
    Setting {
        name: "garbage_grace_seconds",
        about: "How long a blob is kept after the last record let go of it, in seconds",
        kind: Kind::Number(|s| &mut s.garbage_grace_seconds),
    },
    Setting {
        name: "request_idle_seconds",
        about: "How long a client may stall before it is cut off, in seconds",
        kind: Kind::Number(|s| &mut s.request_idle_seconds),
    },
    Setting {
        name: "drain_seconds",
        about: "How long requests in flight may take to finish after SIGTERM, in seconds",
        kind: Kind::Number(|s| &mut s.drain_seconds),
    },
    Setting {
        name: "max_connections",
        about: "The most connections open at once",
        kind: Kind::Number(|s| &mut s.max_connections),
    },
];

impl Setting {
    /// Its environment variable: `COFFER_LISTEN_TLS` for `listen_tls`.
    pub(crate) fn variable(&self) -> String {
        format!("COFFER_{}", self.name.to_ascii_uppercase())
    }

    /// Its flag, without the dashes in front: `listen-tls` for `listen_tls`.
    pub(crate) fn flag(&self) -> String {
        self.name.replace('_', "-")
    }

    /// Sets it from the text of a variable or flag, where a list is separated by commas.
    ///
    /// # Errors
    /// What is wrong with `text`, as the second half of a sentence.
    pub(crate) fn set_text(&self, settings: &mut Settings, text: &str) -> Result<(), String> {
        match self.kind {
            Kind::Text(field) => *field(settings) = text.to_owned(),
            Kind::Path(_) if text.is_empty() => return Err("must not be empty".to_owned()),
            Kind::Path(field) => *field(settings) = PathBuf::from(text),
            Kind::OptionalPath(field) => *field(settings) = (!text.is_empty()).then(|| PathBuf::from(text)),
            Kind::Address(field) => *field(settings) = address(text)?,
            Kind::Number(field) => *field(settings) = text.parse().map_err(|_| "must be a whole number".to_owned())?,
            Kind::Switch(field) => *field(settings) = text.parse().map_err(|_| "must be true or false".to_owned())?,
            Kind::Names(field) => {
                *field(settings) = match text {
                    "hidden" => Names::Hidden,
                    "plain" => Names::Plain,
                    _ => return Err("must be hidden or plain".to_owned()),
                }
            }
            Kind::List(field) => *field(settings) = items(text).map(str::to_owned).collect(),
            Kind::Networks(field) => *field(settings) = items(text).map(Network::parse).collect::<Result<_, _>>()?,
        }
        Ok(())
    }

    /// Sets it from a value of the configuration file.
    ///
    /// # Errors
    /// What is wrong with `value`, as the second half of a sentence.
    pub(crate) fn set_value(&self, settings: &mut Settings, value: &Value) -> Result<(), String> {
        match (self.kind, value) {
            (Kind::Number(field), Value::Integer(number)) => {
                *field(settings) = u64::try_from(*number).map_err(|_| "must not be negative".to_owned())?;
                Ok(())
            }
            (Kind::Switch(field), Value::Boolean(on)) => {
                *field(settings) = *on;
                Ok(())
            }
            (Kind::List(_) | Kind::Networks(_), Value::Array(items)) => {
                let items: Option<Vec<&str>> = items.iter().map(Value::as_str).collect();
                let items = items.ok_or("must be a list of strings")?;
                self.set_text(settings, &items.join(","))
            }
            (Kind::Number(_), _) => Err("must be a whole number".to_owned()),
            (Kind::Switch(_), _) => Err("must be true or false".to_owned()),
            (Kind::List(_) | Kind::Networks(_), _) => Err("must be a list of strings".to_owned()),
            (_, Value::String(text)) => self.set_text(settings, text),
            _ => Err("must be a string".to_owned()),
        }
    }

    /// Its value, as the configuration file would say it.
    pub(crate) fn value(&self, settings: &mut Settings) -> Value {
        let path = |path: &PathBuf| path.to_string_lossy().into_owned();
        match self.kind {
            Kind::Text(field) => Value::String(field(settings).clone()),
            Kind::Path(field) => Value::String(path(field(settings))),
            Kind::OptionalPath(field) => Value::String(field(settings).as_ref().map(path).unwrap_or_default()),
            Kind::Address(field) => {
                Value::String(field(settings).map_or_else(|| "off".to_owned(), |address| address.to_string()))
            }
            Kind::Number(field) => Value::Integer(i64::try_from(*field(settings)).unwrap_or(i64::MAX)),
            Kind::Switch(field) => Value::Boolean(*field(settings)),
            Kind::Names(field) => Value::String(match field(settings) {
                Names::Hidden => "hidden".to_owned(),
                Names::Plain => "plain".to_owned(),
            }),
            Kind::List(field) => Value::Array(field(settings).iter().cloned().map(Value::String).collect()),
            Kind::Networks(field) => {
                Value::Array(field(settings).iter().map(|network| Value::String(network.to_string())).collect())
            }
        }
    }
}

fn address(text: &str) -> Result<Option<SocketAddr>, String> {
    if text.is_empty() || text == "off" {
        return Ok(None);
    }
    let address = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
    address.as_deref().unwrap_or(text).parse().map(Some).map_err(|_| {
        format!("must be an address and port such as 127.0.0.1:9000 or [::]:9000, or off; {text:?} is neither")
    })
}

fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty())
}

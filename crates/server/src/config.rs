//! What the server runs with: defaults, then the configuration file, then the environment, then the flags.
//!
//! One table, [`SETTINGS`], names every setting; the file's keys, the `COFFER_*` variables, the flags and
//! `coffer config show` are all made from it. A name that is not in it is an error wherever it appears.

mod load;
mod nearest;
mod network;
mod setting;
mod target;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

pub(crate) use load::{Config, Given};
pub(crate) use network::Network;
pub(crate) use setting::{Kind, SETTINGS, Setting};
pub(crate) use target::{Nats, Target, TargetSettings, Webhook};

/// Every setting, with its value in effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    /// The data directory.
    pub(crate) data: PathBuf,
    /// The file that holds what opens the keyring, unless a passphrase does.
    pub(crate) key_file: PathBuf,
    /// The keyring, which holds the root key; with `None` it is beside the key file.
    pub(crate) keyring_file: Option<PathBuf>,
    /// The file of the passphrase of the keyring.
    pub(crate) passphrase_file: Option<PathBuf>,
    /// The folder of what systemd hands to this service. It is no setting: the environment says it.
    pub(crate) credentials: Option<PathBuf>,
    /// The socket that commands of operators come through; with `None` it is in the data directory.
    pub(crate) control_socket: Option<PathBuf>,
    /// The file that names providers of keys elsewhere.
    pub(crate) key_providers: Option<PathBuf>,
    /// What wraps the keys of the store: `local`, the keyring of `key_file`, or the name of a provider.
    pub(crate) root_key: String,
    /// What wrapped them before, and is asked to unwrap what it wrapped.
    pub(crate) former_root_keys: Vec<String>,
    /// Providers that are custom key stores of the KMS API.
    pub(crate) key_stores: Vec<String>,
    /// Where HTTP is served.
    pub(crate) listen: Option<SocketAddr>,
    /// Where HTTPS is served.
    pub(crate) listen_tls: Option<SocketAddr>,
    /// Where health and metrics are served.
    pub(crate) listen_admin: Option<SocketAddr>,
    /// The certificate chain of HTTPS, in PEM; with `None` the server makes one.
    pub(crate) tls_cert: Option<PathBuf>,
    /// The private key of `tls_cert`, in PEM.
    pub(crate) tls_key: Option<PathBuf>,
    /// The region that requests are signed for.
    pub(crate) region: String,
    /// Base domains of virtual-hosted-style requests: `BUCKET.DOMAIN`.
    pub(crate) domain: Vec<String>,
    /// Base domains of websites: `BUCKET.DOMAIN`.
    pub(crate) website_domain: Vec<String>,
    /// Hosts that are the websites of the buckets of the same name.
    pub(crate) website_host: Vec<String>,
    /// Proxies whose `X-Forwarded-Proto` and `X-Forwarded-For` are believed.
    pub(crate) trusted_proxies: Vec<Network>,
    /// Whether new buckets refuse SSE-C.
    pub(crate) block_sse_c_on_new_buckets: bool,
    /// Whether root access keys may use S3.
    pub(crate) root_may_use_s3: bool,
    /// Certificate authorities of identity providers, in PEM, beside those of the system.
    pub(crate) oidc_ca_file: Option<PathBuf>,
    /// Networks beside the internet where identity providers may be reached.
    pub(crate) oidc_private_networks: Vec<Network>,
    /// The file that names where buckets may be replicated to.
    pub(crate) replication_targets: Option<PathBuf>,
    /// Where the access log goes: `off`, `stdout` or a path.
    pub(crate) access_log: String,
    /// How the access log writes names that clients chose.
    pub(crate) access_log_names: Names,
    /// The object ownership of new buckets that ask for none, by S3's name.
    pub(crate) new_bucket_object_ownership: String,
    /// Whether new buckets have all of Block Public Access on.
    pub(crate) new_bucket_block_public_access: bool,
    /// How long the logs of buckets wait for more before they are delivered, in seconds.
    pub(crate) server_access_log_seconds: u64,
    /// How often a run of lifecycle rules begins, in seconds since 1970.
    pub(crate) lifecycle_interval_seconds: u64,
    /// The length of the days that lifecycle rules count, in seconds.
    pub(crate) lifecycle_day_seconds: u64,
    /// The length of the days until KMS keys are deleted and between their rotations, in milliseconds.
    pub(crate) kms_day_ms: u64,
    /// How long an event waits for its target before it is dropped, in seconds.
    pub(crate) notification_max_age_seconds: u64,
    /// Where events can be sent; tables of the configuration file alone.
    pub(crate) notification: TargetSettings,
    /// The log filter: a level, or directives by module.
    pub(crate) log: String,
    /// The largest object, in bytes, that is kept inside its record instead of a blob of its own.
    pub(crate) inline_threshold_bytes: u64,
    /// Memory for pages of the metadata engine, in MiB.
    pub(crate) metadata_cache_mib: u64,
    /// How long a blob is kept after the last record let go of it, in seconds.
    pub(crate) garbage_grace_seconds: u64,
    pub(crate) key_destruction_delay_seconds: u64,
    /// How long a client may stall, in seconds, before its connection is closed.
    pub(crate) request_idle_seconds: u64,
    /// How long requests in flight may take to finish after SIGTERM, in seconds.
    pub(crate) drain_seconds: u64,
    /// The most connections that are open at once.
    pub(crate) max_connections: u64,
}

/// How names that clients chose are written where nothing is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Names {
    /// Pseudonyms stand for them.
    Hidden,
    /// As they are.
    Plain,
}

impl Settings {
    /// Whether `path` is a credential that systemd handed to this service.
    pub(crate) fn is_credential(&self, path: &Path) -> bool {
        self.credentials.is_some() && path.parent() == self.credentials.as_deref()
    }

    /// The defaults; `key_file` has none that holds for every user and is filled in by [`Config::load`].
    fn defaults() -> Self {
        let local = |port| Some(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        Self {
            data: PathBuf::from("./coffer-data"),
            key_file: PathBuf::new(),
            keyring_file: None,
            passphrase_file: None,
            credentials: None,
            key_providers: None,
            root_key: String::from("local"),
            former_root_keys: Vec::new(),
            key_stores: Vec::new(),
            control_socket: None,
            listen: local(9000),
            listen_tls: local(9443),
            listen_admin: local(9001),
            tls_cert: None,
            tls_key: None,
            region: String::from("us-east-1"),
            domain: Vec::new(),
            website_domain: Vec::new(),
            website_host: Vec::new(),
            trusted_proxies: Vec::new(),
            block_sse_c_on_new_buckets: false,
            root_may_use_s3: true,
            oidc_ca_file: None,
            oidc_private_networks: Vec::new(),
            replication_targets: None,
            access_log: String::from("off"),
            access_log_names: Names::Hidden,
            new_bucket_object_ownership: String::from("BucketOwnerEnforced"),
            new_bucket_block_public_access: true,
            server_access_log_seconds: 300,
            lifecycle_interval_seconds: 24 * 60 * 60,
            lifecycle_day_seconds: 24 * 60 * 60,
            kms_day_ms: 24 * 60 * 60 * 1000,
            notification_max_age_seconds: 4 * 24 * 60 * 60,
            notification: TargetSettings::new(),
            log: String::from("info"),
            inline_threshold_bytes: 64 * 1024,
            metadata_cache_mib: 64,
            garbage_grace_seconds: 600,
            key_destruction_delay_seconds: 7 * 24 * 60 * 60,
            request_idle_seconds: 30,
            drain_seconds: 30,
            max_connections: 2048,
        }
    }
}

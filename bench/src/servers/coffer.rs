//! Coffer itself, sealed and durable as always, with a store of its own.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use coffer_crypto::random_array;
use rustls::pki_types::ServerName;

use super::process::Process;
use super::{Certificate, Endpoints, Started, Target, free_addresses};
use crate::http::Endpoint;
use crate::sign::Credentials;

/// Brings the release binary up to date with the source and returns its path.
///
/// # Errors
/// When it does not build.
pub(crate) fn build(target_folder: &Path) -> Result<PathBuf> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--release", "--package", "coffer", "--bin", "coffer", "--target-dir"])
        .arg(target_folder)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .context("cargo cannot be started")?;
    ensure!(status.success(), "coffer does not build");
    Ok(target_folder.join("release/coffer"))
}

/// Starts the binary `program` with an empty store under `folder`.
///
/// # Errors
/// When it does not start.
pub(crate) fn start(
    program: &Path,
    folder: &Path,
    certificate: &Certificate,
    customer_headers: [(&'static str, String); 3],
) -> Result<Started> {
    let [plain, tls, admin] = free_addresses()?;
    let (access_key, secret_key) = (random_word(), random_word());
    let set_up = |command: &mut Command| {
        // Settings of the person who runs the bench are not those of the bench.
        for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("COFFER_")) {
            command.env_remove(name);
        }
        command
            .arg("serve")
            .arg("--data")
            .arg(folder.join("coffer"))
            .arg("--key-file")
            .arg(folder.join("coffer-key/root.key"))
            .args(["--listen", &plain.to_string(), "--listen-tls", &tls.to_string()])
            .args(["--listen-admin", &admin.to_string(), "--log", "warn"])
            .arg("--tls-cert")
            .arg(&certificate.chain)
            .arg("--tls-key")
            .arg(&certificate.key)
            .env("COFFER_ROOT_ACCESS_KEY", &access_key)
            .env("COFFER_ROOT_SECRET_KEY", &secret_key);
    };
    let mut process = Process::start(program, set_up, folder.join("coffer.log"))?;
    for (address, path) in [(admin, Some("/health/ready")), (plain, None), (tls, None)] {
        process.wait_until_ready(address, path).context("coffer")?;
    }
    let name = ServerName::from(tls.ip());
    let endpoints = Endpoints::Both {
        plain: Endpoint { address: plain, host: plain.to_string(), tls: None },
        tls: Endpoint { address: tls, host: tls.to_string(), tls: Some((name, certificate.clients.clone())) },
    };
    let target = Target {
        name: "coffer".to_owned(),
        endpoints,
        credentials: Some(Credentials::new(access_key, secret_key)),
        pid: Some(process.pid()),
        customer_headers,
    };
    Ok(Started { target, _process: process })
}

/// Forty random hexadecimal digits: the length of an AWS secret key.
fn random_word() -> String {
    random_array::<20>().iter().map(|byte| format!("{byte:02X}")).collect()
}

//! nginx, serving and storing plain files: what the machine gives a good server that neither seals nor syncs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use rustls::pki_types::ServerName;

use super::process::Process;
use super::{Certificate, Endpoints, Started, Target, free_addresses};
use crate::client::BUCKET;
use crate::http::Endpoint;

/// The name of the server that the others are compared with.
pub(crate) const REFERENCE: &str = "nginx";

/// Starts nginx with an empty folder of files under `folder`; `None` when it is not installed.
///
/// # Errors
/// When it is installed and does not start.
pub(crate) fn start(
    folder: &Path,
    certificate: &Certificate,
    customer_headers: [(&'static str, String); 3],
) -> Result<Option<Started>> {
    let Some(program) = find() else { return Ok(None) };
    let [plain, tls] = free_addresses()?;
    let folder = folder.join("nginx");
    fs::create_dir_all(folder.join("files").join(BUCKET))?;
    let settings = folder.join("nginx.conf");
    // Workers that the master starts as root change to an account that may not write here, unless told to stay.
    let user = if rustix::process::geteuid().is_root() { "user root;" } else { "" };
    let text = SETTINGS
        .replace("USER", user)
        .replace("FOLDER", &folder.display().to_string())
        .replace("PLAIN", &plain.to_string())
        .replace("TLS", &tls.to_string())
        .replace("CHAIN", &certificate.chain.display().to_string())
        .replace("KEY", &certificate.key.display().to_string());
    fs::write(&settings, text)?;
    let set_up = |command: &mut Command| {
        command.arg("-p").arg(&folder).arg("-c").arg(&settings).args(["-e", "stderr"]);
    };
    let mut process = Process::start(&program, set_up, folder.join("log"))?;
    for address in [plain, tls] {
        process.wait_until_ready(address, None).context("nginx")?;
    }
    let name = ServerName::from(tls.ip());
    let endpoints = Endpoints::Both {
        plain: Endpoint { address: plain, host: plain.to_string(), tls: None },
        tls: Endpoint { address: tls, host: tls.to_string(), tls: Some((name, certificate.clients.clone())) },
    };
    let pid = Some(process.pid());
    let target = Target { name: REFERENCE.to_owned(), endpoints, credentials: None, pid, customer_headers };
    Ok(Some(Started { target, _process: process }))
}

fn find() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Debian puts it where the PATH of ordinary users does not look.
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    folders.map(|folder| folder.join("nginx")).find(|file| file.is_file())
}

/// Bodies are written beside the files, so that storing one is a rename.
const SETTINGS: &str = "
daemon off;
USER
worker_processes auto;
pid FOLDER/pid;
events { worker_connections 1024; }
http {
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000000;
    client_max_body_size 0;
    client_body_temp_path FOLDER/body;
    proxy_temp_path FOLDER/unused;
    fastcgi_temp_path FOLDER/unused;
    scgi_temp_path FOLDER/unused;
    uwsgi_temp_path FOLDER/unused;
    server {
        listen PLAIN;
        listen TLS ssl;
        ssl_certificate CHAIN;
        ssl_certificate_key KEY;
        root FOLDER/files;
        location / {
            dav_methods PUT DELETE;
            create_full_put_path on;
        }
    }
}
";

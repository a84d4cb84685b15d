//! What the end-to-end tests need on this machine: programs from Debian, the other clients in `.venv`, the identity
//! provider in its folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::say;

/// Packages of Debian, each with what shows that it is there: a program and its arguments.
const PACKAGES: &[(&str, &str, &[&str])] = &[
    ("s3cmd", "s3cmd", &["--version"]),
    ("restic", "restic", &["version"]),
    ("duplicity", "duplicity", &["--version"]),
    // What duplicity, which is run by Debian's Python, speaks S3 with.
    ("python3-boto3", "/usr/bin/python3", &["-c", "import boto3"]),
    ("s3fs", "s3fs", &["--version"]),
    ("python3-venv", "python3", &["-c", "import ensurepip, venv"]),
    ("nodejs", "node", &["--version"]),
    ("npm", "npm", &["--version"]),
    ("curl", "curl", &["--version"]),
    ("rsync", "rsync", &["--version"]),
    // A PKCS#11 token in files, and the tool by which operators make keys in any token.
    ("softhsm2", "softhsm2-util", &["--version"]),
    ("opensc", "sh", &["-c", "command -v pkcs11-tool"]),
    ("chromium-headless-shell", "chromium-headless-shell", &["--version"]),
];

/// Installs what is missing, and returns the Python of the project's virtual environment.
///
/// When everything is there, no network is needed.
pub(crate) fn python(root: &Path) -> Result<PathBuf> {
    let missing = PACKAGES.iter().filter(|(_, program, arguments)| !succeeds(program, arguments));
    let packages: Vec<_> = missing.map(|(package, ..)| *package).collect();
    if !packages.is_empty() {
        install(&packages)?;
    }
    identity_provider(&root.join("e2e/identity_provider"))?;
    let environment = root.join(".venv");
    let python = environment.join("bin/python");
    let requirements = root.join("e2e/requirements.txt");
    let wanted = fs::read_to_string(&requirements).context("e2e/requirements.txt cannot be read")?;
    // A copy of what was installed last, written when the installation is complete.
    let installed = environment.join("requirements.txt");
    if fs::read_to_string(&installed).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    if !succeeds(&python.to_string_lossy(), &["-m", "pip", "--version"]) {
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&environment))?;
    }
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"];
    run(Command::new(&python).args(pip).arg(&requirements))?;
    fs::write(&installed, wanted).context(".venv cannot be written")?;
    Ok(python)
}

/// Installs what the FIPS module is built with.
pub(crate) fn fips() -> Result<()> {
    let tools = [("cmake", "--version"), ("perl", "--version"), ("go", "version")];
    let missing = tools.iter().filter(|(program, argument)| !succeeds(program, &[*argument]));
    let packages: Vec<_> = missing.map(|(program, _)| if *program == "go" { "golang-go" } else { *program }).collect();
    if packages.is_empty() { Ok(()) } else { install(&packages) }
}

/// Installs the identity provider of the tests, at the versions of its lock file.
fn identity_provider(folder: &Path) -> Result<()> {
    let wanted = fs::read_to_string(folder.join("package-lock.json")).context("package-lock.json cannot be read")?;
    // A copy of what was installed last, written when the installation is complete.
    let installed = folder.join("node_modules/installed-lock.json");
    if fs::read_to_string(&installed).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    run(Command::new("npm").args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"]).current_dir(folder))?;
    fs::write(&installed, wanted).context("node_modules cannot be written")
}

/// Installs Debian packages, by sudo unless this is root already.
fn install(packages: &[&str]) -> Result<()> {
    let user = Command::new("id").arg("-u").output().context("the user id cannot be found")?;
    let prefix: &[&str] = if user.stdout.trim_ascii() == b"0" { &["env"] } else { &["sudo", "env"] };
    let apt = |arguments: &[&str]| {
        let (program, prefix) = prefix.split_first().expect("there is at least env");
        run(Command::new(program).args(prefix).args(["DEBIAN_FRONTEND=noninteractive", "apt-get"]).args(arguments))
    };
    apt(&["update", "-qq"])?;
    apt(&[&["install", "-y", "-qq", "--no-install-recommends"], packages].concat())
        .with_context(|| format!("please install {} yourself", packages.join(" ")))
}

/// Runs a command in sight of the user.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let shown = format!("{command:?}").replace('"', "");
    say(&format!("$ {shown}"));
    let status = command.status().with_context(|| format!("{shown} cannot be started"))?;
    ensure!(status.success(), "{shown} failed");
    Ok(())
}

fn succeeds(program: &str, arguments: &[&str]) -> bool {
    let silent = Command::new(program).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
    silent.is_ok_and(|status| status.success())
}

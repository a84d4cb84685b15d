//! What the process denies itself before it touches a key.

use anyhow::{Context, Result, ensure};
use rustix::fs::Mode;
use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit, umask};

/// Makes sure that memory never reaches a core file, that no other process of the user may read it, and that
/// every file that is made is the user's alone. Raises the limit of open files as far as it goes.
///
/// # Errors
/// When the system refuses one of them, or the cryptographic module of a FIPS build is not in its FIPS mode.
pub(crate) fn apply() -> Result<()> {
    ensure!(!cfg!(feature = "fips") || coffer_crypto::is_fips(), "the cryptographic module is not in its FIPS mode");
    umask(Mode::RWXG | Mode::RWXO);
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })
        .context("core files cannot be forbidden")?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable).context("memory cannot be hidden from debuggers")?;
    let files = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: files.maximum, ..files }).context("open files cannot be allowed")?;
    Ok(())
}

/// The most client connections that the limit of open files has room for: each may have a socket and two files open,
/// and the server itself some.
pub(crate) fn connections_for_open_files() -> u64 {
    const OWN: u64 = 32;
    const EACH: u64 = 3;
    let most = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    (most.saturating_sub(OWN) / EACH).max(1)
}

//! A server process that does not outlive the bench.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use std::{fs, io};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

const START_TIME_MAX: Duration = Duration::from_secs(30);
const STOP_TIME_MAX: Duration = Duration::from_secs(10);
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// Bytes of a server's output that an error quotes.
const LAST_WORDS_LEN: usize = 1000;

/// A running server. Dropping it sends SIGTERM, and SIGKILL to one that does not go.
pub(super) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `program`; what it prints goes to the file `log`.
    ///
    /// It is told to end when the bench is killed, which leaves the bench no time to tell it.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(super) fn start(program: &Path, set_up: impl FnOnce(&mut Command), log: PathBuf) -> Result<Self> {
        let out = fs::File::create(&log)?;
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM", "--"]).arg(program);
        set_up(&mut command);
        command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out);
        let child = command.spawn().context("setpriv (package util-linux) cannot be started")?;
        Ok(Self { child, log })
    }

    /// Its process id.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until `address` answers a GET of `path` with 200 (or, without a path, takes connections).
    ///
    /// # Errors
    /// When the process ends, or is not ready in time; with the end of what it printed.
    pub(super) fn wait_until_ready(&mut self, address: SocketAddr, path: Option<&str>) -> Result<()> {
        let start = Instant::now();
        while !is_ready(address, path).unwrap_or(false) {
            if let Some(status) = self.child.try_wait()? {
                bail!("it ended with {status}: {}", self.last_words());
            }
            if start.elapsed() > START_TIME_MAX {
                bail!("it is not ready after {START_TIME_MAX:?}: {}", self.last_words());
            }
            thread::sleep(POLL_INTERVAL);
        }
        Ok(())
    }

    fn last_words(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let end = String::from_utf8_lossy(&text[text.len().saturating_sub(LAST_WORDS_LEN)..]).trim().to_owned();
        if end.is_empty() { "it printed nothing".to_owned() } else { end }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let start = Instant::now();
        while start.elapsed() < STOP_TIME_MAX {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(POLL_INTERVAL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn is_ready(address: SocketAddr, path: Option<&str>) -> io::Result<bool> {
    let mut socket = TcpStream::connect(address)?;
    let Some(path) = path else { return Ok(true) };
    socket.set_read_timeout(Some(STOP_TIME_MAX))?;
    socket.write_all(format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").as_bytes())?;
    let mut status = [0; 12];
    socket.read_exact(&mut status)?;
    Ok(status.ends_with(b" 200"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(script: &str) -> (Process, SocketAddr) {
        let [address] = crate::servers::free_addresses().unwrap();
        let log = std::env::temp_dir().join(format!("coffer-bench-process-{}", address.port()));
        let shell = |command: &mut Command| {
            command.args(["-c", script]);
        };
        (Process::start(Path::new("/bin/sh"), shell, log).unwrap(), address)
    }

    #[test]
    fn a_server_that_ends_at_once_is_reported_with_its_last_words() {
        let (mut process, address) = start("echo no key file >&2; exit 3");
        let error = process.wait_until_ready(address, None).unwrap_err().to_string();
        fs::remove_file(&process.log).unwrap();
        assert!(error.contains("no key file") && error.contains('3'), "{error}");
    }

    #[test]
    fn a_dropped_process_is_gone() {
        let (process, _) = start("exec tail -f /dev/null");
        let (pid, log) = (process.pid(), process.log.clone());
        drop(process);
        fs::remove_file(log).unwrap();
        assert!(!Path::new(&format!("/proc/{pid}")).exists());
    }
}

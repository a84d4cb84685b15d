//! The binary from outside: what it prints, where, and how it ends.

#![expect(clippy::unwrap_used, reason = "a failure is a failed test")]

use std::path::Path;
use std::process::{Command, Output};

/// Runs `coffer` with `arguments` and nothing of this environment but what is named.
fn coffer(home: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_coffer"))
        .args(arguments)
        .env_clear()
        .env("HOME", home)
        .envs(environment.iter().copied())
        .current_dir(home)
        .output()
        .unwrap()
}

/// Checks that a run fails with one line on stderr that holds `part`, and prints and leaves nothing.
fn refused(arguments: &[&str], environment: &[(&str, &str)], part: &str) {
    let home = tempfile::tempdir().unwrap();
    let output = coffer(home.path(), arguments, environment);
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {message}");
    assert!(message.starts_with("coffer: ") && message.contains(part), "{arguments:?}: {message}");
    assert_eq!(message.lines().count(), 1, "{message}");
    assert_eq!(output.stdout, b"");
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0, "{arguments:?} leaves something behind");
}

#[test]
fn the_version_is_one_line() {
    let home = tempfile::tempdir().unwrap();
    let output = coffer(home.path(), &["version"], &[]);
    assert!(output.status.success());
    let line = String::from_utf8(output.stdout).unwrap();
    assert!(line.starts_with(&format!("coffer {} (AWS-LC ", env!("CARGO_PKG_VERSION"))), "{line}");
    assert_eq!(line.find('\n'), Some(line.len() - 1));
}

#[test]
fn config_show_prints_the_settings_in_effect_and_no_secret() {
    let home = tempfile::tempdir().unwrap();
    let environment = [
        ("COFFER_REGION", "eu-central-1"),
        ("COFFER_ROOT_ACCESS_KEY", "ACCESS"),
        ("COFFER_ROOT_SECRET_KEY", "canary-secret"),
    ];
    let output = coffer(home.path(), &["config", "show", "--drain-seconds=5"], &environment);
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("region = \"eu-central-1\"  # environment COFFER_REGION\n"), "{text}");
    assert!(text.contains("drain_seconds = 5  # flag --drain-seconds\n"), "{text}");
    assert!(text.contains("listen = \"127.0.0.1:9000\"  # default\n"), "{text}");
    assert!(!text.contains("canary-secret"), "{text}");
}

#[test]
fn a_usage_error_exits_with_2() {
    let home = tempfile::tempdir().unwrap();
    for arguments in [&["--lisen", "off"][..], &["sevre"], &["config"]] {
        let output = coffer(home.path(), arguments, &[]);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert_eq!(output.stdout, b"");
    }
}

#[test]
fn unknown_and_contradicting_settings_are_refused() {
    refused(
        &[],
        &[("COFFER_LISEN", "off")],
        "unknown environment variable COFFER_LISEN; did you mean `COFFER_LISTEN`?",
    );
    refused(&["--listen=off", "--listen-tls=off"], &[], "nothing to serve");
    refused(&["--tls-cert=a.pem"], &[], "must be set together");
    refused(&["--config=missing.toml"], &[], "cannot read the configuration missing.toml");
    refused(&["--key-file=coffer-data/root.key"], &[], "must lie outside the data directory");
    refused(&["--log=nonsense=loud"], &[], "`log` must be");
}

#[test]
fn commands_that_read_a_store_make_none() {
    refused(&["credentials", "show"], &[], "./coffer-data holds no Coffer store");
    refused(&["dump"], &[], "./coffer-data holds no Coffer store");
}

//! Every test there is: cargo's, then the end-to-end tests against the release binary.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result};

use crate::counts::Counts;
use crate::{root, say, setup};

/// Runs everything and prints the counts; the last line is `N passed, N failed`. Returns whether nothing failed.
///
/// With `fips` all of it is about the build with the feature of that name, which is made in a folder of its own.
pub(crate) fn run(fips: bool) -> Result<bool> {
    let started = Instant::now();
    let root = root();
    let python = setup::python(&root)?;
    if fips {
        setup::fips()?;
    }
    let target = root.join("target/fips");
    let cargo = |arguments: &[&str]| {
        let mut cargo = Command::new(cargo_path());
        cargo.args(arguments).current_dir(&root);
        if fips {
            cargo.args(["--features", "coffer/fips", "--target-dir"]).arg(&target);
        }
        cargo
    };
    let unit = counted(&mut cargo(&["test", "--workspace", "--locked", "--no-fail-fast"]), Counts::of_cargo_line)?;
    setup::run(&mut cargo(&["build", "--release", "--locked"]))?;
    let mut pytest = pytest(&python, &root);
    if fips {
        pytest.env("COFFER_BIN", target.join("release/coffer"));
    }
    let end_to_end = counted(&mut pytest, Counts::of_pytest_line)?;
    say(&format!("\ncargo test:  {unit}"));
    say(&format!("end to end:  {end_to_end}"));
    say(&format!("in {} s", started.elapsed().as_secs()));
    let mut all = unit;
    all += end_to_end;
    say(&all.to_string());
    Ok(all.failed == 0)
}

fn pytest(python: &Path, root: &Path) -> Command {
    let mut command = Command::new(python);
    command.args(["-u", "-m", "pytest"]).current_dir(root.join("e2e"));
    // The clients' programs lie beside Python.
    let programs = python.parent().into_iter().map(Path::to_owned);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(programs.chain(std::env::split_paths(&path)));
    command.env("PATH", path.expect("directories of PATH hold no colon"));
    command
}

/// Runs a test runner in sight of the user, and adds up the counts in its output.
fn counted(command: &mut Command, read: fn(&str) -> Option<Counts>) -> Result<Counts> {
    let shown = format!("{command:?}").replace('"', "");
    say(&format!("$ {shown}"));
    let mut runner = command.stdout(Stdio::piped()).spawn().with_context(|| format!("{shown} cannot be started"))?;
    let output = runner.stdout.take().expect("stdout is piped");
    let mut counts = Counts::default();
    for line in BufReader::new(output).split(b'\n') {
        let line = line.context("the output cannot be read")?;
        let line = String::from_utf8_lossy(&line);
        say(&line);
        if let Some(found) = read(&line) {
            counts += found;
        }
    }
    let status = runner.wait().context("the outcome cannot be read")?;
    Ok(counts.with_exit(status.success()))
}

/// The cargo that runs this.
fn cargo_path() -> String {
    std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned())
}

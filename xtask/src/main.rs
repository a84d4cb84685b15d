//! The project's own tools: `cargo xtask test` and `cargo xtask tidy`.

mod counts;
mod setup;
mod test;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;

const USAGE: &str = "\
cargo xtask test    install what the tests need, run every test, print the counts
cargo xtask tidy    check file sizes, documentation, the crate graph and words
";

fn main() -> ExitCode {
    let outcome = match std::env::args().nth(1).as_deref() {
        Some("test") => test::run(),
        Some("tidy") => tidy(),
        _ => {
            say(USAGE);
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("xtask: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn tidy() -> Result<bool> {
    let problems = tidy::problems()?;
    for problem in &problems {
        say(problem);
    }
    Ok(problems.is_empty())
}

/// The workspace's root folder.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().expect("xtask lies in the workspace").to_owned()
}

/// Prints a line.
#[expect(clippy::print_stdout, reason = "this program talks to the person in front of it")]
fn say(line: &str) {
    println!("{line}");
}

//! The project's own tools: `cargo xtask test` and `cargo xtask tidy`.

mod counts;
mod setup;
mod test;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;

const USAGE: &str = "\
cargo xtask test         install what the tests need, run every test, print the counts
cargo xtask test --fips  the same for the FIPS build, which needs cmake and Go
cargo xtask tidy         check file sizes, documentation, the crate graph and words
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments[..] {
        ["test"] => test::run(false),
        ["test", "--fips"] => test::run(true),
        ["tidy"] => tidy(),
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

//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

/// Measures Coffer beside its references, on this machine, in one run.
#[derive(Parser)]
#[command(name = "coffer-bench")]
pub(crate) struct Options {
    /// A look at everything in a minute or two: one short round, fewer objects
    #[arg(long)]
    pub(crate) quick: bool,
    /// Only these cases; a name that is no case stands for all that start with it
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    pub(crate) cases: Vec<String>,
    /// Seconds that a run of one case on one server takes (default: 3, or 0.5 with --quick)
    #[arg(long, value_parser = parse_seconds)]
    pub(crate) seconds: Option<Duration>,
    /// Runs of each case on each server, whose median counts (default: 3, or 1 with --quick)
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=99))]
    pub(crate) rounds: Option<u32>,
    /// Clients at the same time, in every case (default: the case's own number)
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) clients: Option<u32>,
    /// Also measure this server, which runs on this machine; may be repeated
    #[arg(long = "server", value_name = "NAME=URL,ACCESS,SECRET[,PID]")]
    pub(crate) peers: Vec<String>,
    /// The certificates that vouch for https servers given by --server (PEM)
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// Only these servers (coffer, nginx, names given by --server)
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    pub(crate) only: Vec<String>,
    /// Measure this Coffer binary, as it is, instead of the one built from the source
    #[arg(long, value_name = "FILE")]
    pub(crate) coffer: Option<PathBuf>,
}

impl Options {
    /// How long a run takes.
    #[must_use]
    pub(crate) fn time(&self) -> Duration {
        self.seconds.unwrap_or(Duration::from_millis(if self.quick { 500 } else { 3000 }))
    }

    /// How many runs there are of each case on each server.
    #[must_use]
    pub(crate) fn round_count(&self) -> u32 {
        self.rounds.unwrap_or(if self.quick { 1 } else { 3 })
    }

    /// Whether the server of this name is wanted.
    #[must_use]
    pub(crate) fn wants(&self, server: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|name| name == server)
    }
}

fn parse_seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.01..=600.0).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("expected seconds from 0.01 to 600".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parsed(arguments: &[&str]) -> Result<Options, clap::Error> {
        Options::try_parse_from(std::iter::once(&"coffer-bench").chain(arguments))
    }

    #[test]
    fn the_declaration_is_sound() {
        Options::command().debug_assert();
    }

    #[test]
    fn explicit_numbers_win_over_quick() {
        let options = parsed(&["--quick", "--seconds", "1.5", "--rounds", "5"]).unwrap();
        assert_eq!((options.time(), options.round_count()), (Duration::from_millis(1500), 5));
    }

    #[test]
    fn unbounded_and_senseless_numbers_are_refused() {
        for arguments in [
            ["--seconds", "0"],
            ["--seconds", "-1"],
            ["--seconds", "inf"],
            ["--seconds", "NaN"],
            ["--rounds", "0"],
            ["--clients", "0"],
            ["--clients", "100000"],
        ] {
            assert!(parsed(&arguments).is_err(), "{arguments:?}");
        }
    }
}

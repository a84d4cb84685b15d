//! The command line.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::PathBufValueParser;
use clap::{Arg, ArgAction, ArgMatches, Command, FromArgMatches as _, Subcommand as _};

use crate::administration::Administer;
use crate::config::{Given, Kind, SETTINGS, Setting};

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Serve until told to stop.
    Serve,
    /// Print the settings in effect.
    ShowConfig,
    /// Print the root access key and secret key.
    ShowCredentials,
    /// Make a new root access key.
    ResetCredentials,
    /// Print every row of the store, still sealed.
    Dump,
    /// Do what an operator asks for.
    Administer(Administer),
    /// Print the version.
    Version,
}

/// Reads the command line.
///
/// # Errors
/// What clap says: a usage error, or the text of `--help`, which it also hands over as an error.
pub(crate) fn parse(
    arguments: impl IntoIterator<Item = OsString>,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<(Action, Given), clap::Error> {
    let matches = command().try_get_matches_from(arguments)?;
    let (action, matches) = match matches.subcommand() {
        Some((name, inner)) if Administer::has_subcommand(name) => {
            (Action::Administer(Administer::from_arg_matches(&matches)?), innermost(inner))
        }
        None => (Action::Serve, &matches),
        Some(("serve", matches)) => (Action::Serve, matches),
        Some(("config", matches)) => (Action::ShowConfig, innermost(matches)),
        Some(("credentials", matches)) => {
            let reset = matches.subcommand_name() == Some("reset");
            (if reset { Action::ResetCredentials } else { Action::ShowCredentials }, innermost(matches))
        }
        Some(("dump", matches)) => (Action::Dump, matches),
        Some(("version", matches)) => (Action::Version, matches),
        Some((other, _)) => unreachable!("{other} is not declared below"),
    };
    let flags: BTreeMap<_, _> = SETTINGS
        .iter()
        .filter_map(|setting| {
            let texts: Vec<&String> = matches.get_many(setting.name)?.collect();
            Some((setting.name, texts.into_iter().cloned().collect::<Vec<_>>().join(",")))
        })
        .collect();
    let given = Given {
        config: matches.get_one::<PathBuf>("config").cloned(),
        flags,
        environment: environment.into_iter().collect(),
    };
    Ok((action, given))
}

fn command() -> Command {
    let config = Arg::new("config")
        .long("config")
        .value_name("FILE")
        .value_parser(PathBufValueParser::new())
        .global(true)
        .help("A TOML file of settings");
    let command = Command::new("coffer")
        .about("An S3-compatible object store that keeps nothing readable at rest")
        .after_help(
            "Every setting can also stand in the file (listen_tls = \"off\") or in the environment \
             (COFFER_LISTEN_TLS=off). A flag wins over the environment, the environment over the file.\n\
             COFFER_ROOT_ACCESS_KEY and COFFER_ROOT_SECRET_KEY set the root credentials.",
        )
        .arg(config)
        .args(SETTINGS.iter().map(flag))
        .subcommand(Command::new("serve").about("Serve until told to stop (the default)"))
        .subcommand(
            Command::new("config")
                .about("The settings")
                .subcommand_required(true)
                .subcommand(Command::new("show").about("Print the settings in effect and where each comes from")),
        )
        .subcommand(
            Command::new("credentials")
                .about("The root credentials")
                .subcommand_required(true)
                .subcommand(Command::new("show").about("Print the root access key and secret key"))
                .subcommand(
                    Command::new("reset").about("Make a new root access key in place of the old one, and print it"),
                ),
        )
        .subcommand(Command::new("dump").about("Print every row of the store as JSON lines, still sealed"))
        .subcommand(Command::new("version").about("Print the version"));
    Administer::augment_subcommands(command)
}

fn flag(setting: &Setting) -> Arg {
    let arg = Arg::new(setting.name).long(setting.flag()).help(setting.about).global(true).help_heading("Settings");
    match setting.kind {
        Kind::Text(_) => arg.value_name("TEXT"),
        Kind::Path(_) | Kind::OptionalPath(_) => arg.value_name("PATH"),
        Kind::Address(_) => arg.value_name("ADDRESS"),
        Kind::Number(_) => arg.value_name("NUMBER"),
        Kind::Switch(_) => {
            arg.value_name("true|false").num_args(0..=1).require_equals(true).default_missing_value("true")
        }
        Kind::Names(_) => arg.value_name("hidden|plain"),
        Kind::List(_) => arg.value_name("NAME").action(ArgAction::Append),
        Kind::Networks(_) => arg.value_name("NETWORK").action(ArgAction::Append),
    }
}

/// The matches of the deepest subcommand: flags are global, so they stand there wherever they were given.
fn innermost(matches: &ArgMatches) -> &ArgMatches {
    matches.subcommand().map_or(matches, |(_, inner)| innermost(inner))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(arguments: &[&str]) -> Result<(Action, Given), clap::Error> {
        parse(std::iter::once("coffer").chain(arguments.iter().copied()).map(OsString::from), [])
    }

    #[test]
    fn the_declaration_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn no_arguments_mean_serve() {
        let (action, given) = check(&[]).unwrap();
        assert_eq!(action, Action::Serve);
        assert!(given.flags.is_empty());
    }

    #[test]
    fn every_setting_is_a_flag_before_and_after_the_subcommand() {
        for setting in SETTINGS {
            let flag = format!("--{}=1", setting.flag());
            for arguments in [vec![flag.as_str()], vec![&flag, "config", "show"], vec!["config", "show", &flag]] {
                let (_, given) = check(&arguments).unwrap();
                assert_eq!(given.flags.get(setting.name).map(String::as_str), Some("1"), "{arguments:?}");
            }
        }
    }

    #[test]
    fn a_repeated_list_flag_adds_up() {
        let (_, given) = check(&["--domain", "a.example", "--domain", "b.example"]).unwrap();
        assert_eq!(given.flags["domain"], "a.example,b.example");
    }

    #[test]
    fn a_switch_needs_no_value() {
        let (action, given) = check(&["--block-sse-c-on-new-buckets", "serve"]).unwrap();
        assert_eq!(action, Action::Serve);
        assert_eq!(given.flags["block_sse_c_on_new_buckets"], "true");
    }

    #[test]
    fn unknown_words_are_refused() {
        for arguments in [&["--lisen", "x"][..], &["sevre"], &["config"], &["credentials", "hide"], &["--listen"]] {
            assert!(check(arguments).is_err(), "{arguments:?}");
        }
    }
}

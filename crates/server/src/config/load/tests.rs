use std::io::Write as _;

use super::*;

fn given(environment: &[(&str, &str)], flags: &[(&'static str, &str)]) -> Given {
    let home = ("HOME", "/nowhere/home");
    Given {
        config: None,
        flags: flags.iter().map(|(name, text)| (*name, (*text).to_owned())).collect(),
        environment: environment.iter().chain([&home]).map(|(n, v)| (OsString::from(n), OsString::from(v))).collect(),
    }
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn refusal(given: &Given) -> String {
    match Config::load(given) {
        Ok(_) => panic!("the configuration is accepted"),
        Err(error) => format!("{error:#}"),
    }
}

fn refusal_of_file(text: &str) -> String {
    let file = file(text);
    refusal(&Given { config: Some(file.path().to_owned()), ..given(&[], &[]) })
}

#[test]
fn nothing_given_means_the_defaults() {
    let config = Config::load(&given(&[], &[])).unwrap();
    let key_file = PathBuf::from("/nowhere/home/.config/coffer/root.key");
    assert_eq!(config.settings, Settings { key_file, ..Settings::defaults() });
    assert_eq!(config.source("listen"), Source::Default);
}

#[test]
fn flags_win_over_the_environment_over_the_file_over_defaults() {
    let file = file("region = 'file'\nlog = 'file'\nlisten = '127.0.0.1:1'\ndrain_seconds = 1");
    let environment = [("COFFER_REGION", "environment"), ("COFFER_LOG", "environment")];
    let given = Given { config: Some(file.path().to_owned()), ..given(&environment, &[("region", "flag")]) };
    let config = Config::load(&given).unwrap();
    assert_eq!(config.settings.region, "flag");
    assert_eq!(config.settings.log, "environment");
    assert_eq!(config.settings.drain_seconds, 1);
    assert_eq!(config.source("region"), Source::Flag("region".to_owned()));
    assert_eq!(config.source("log"), Source::Environment("COFFER_LOG".to_owned()));
    assert_eq!(config.source("drain_seconds"), Source::File(file.path().to_owned()));
    assert_eq!(config.source("data"), Source::Default);
}

#[test]
fn the_file_may_be_named_by_the_environment() {
    let file = file("region = 'here'");
    let config = Config::load(&given(&[("COFFER_CONFIG", file.path().to_str().unwrap())], &[])).unwrap();
    assert_eq!(config.settings.region, "here");
}

#[test]
fn an_unknown_setting_in_the_file_is_refused_with_the_nearest_name() {
    assert!(refusal_of_file("lisen = ':9000'").ends_with("unknown setting `lisen`; did you mean `listen`?"));
    assert!(refusal_of_file("password = 'x'").ends_with("unknown setting `password`"));
    assert!(refusal_of_file("[server]\nlisten = 'off'").contains("unknown setting `server`"));
}

#[test]
fn an_unknown_variable_is_refused_and_its_value_is_not_shown() {
    let message = refusal(&given(&[("COFFER_ROOT_SECRET_KEI", "hunter2hunter2")], &[]));
    assert_eq!(message, "unknown environment variable COFFER_ROOT_SECRET_KEI; did you mean `COFFER_ROOT_SECRET_KEY`?");
}

#[test]
fn variables_of_others_are_left_alone() {
    assert!(Config::load(&given(&[("COFFERDAM", "1"), ("AWS_REGION", "x")], &[])).is_ok());
}

#[test]
fn values_of_the_wrong_kind_are_refused() {
    for (text, why) in [
        ("drain_seconds = '5'", "must be a whole number"),
        ("drain_seconds = -5", "must not be negative"),
        ("block_sse_c_on_new_buckets = 'yes'", "must be true or false"),
        ("domain = 's3.example.com'", "must be a list of strings"),
        ("domain = [1]", "must be a list of strings"),
        ("region = 5", "must be a string"),
        ("listen = '9000'", "must be an address and port"),
        ("trusted_proxies = ['10.0.0.0/40']", "must hold addresses or networks"),
        ("data = ''", "must not be empty"),
        ("access_log_names = 'shown'", "must be hidden or plain"),
        ("access_log_names = true", "must be a string"),
        ("region = ", "is not valid TOML"),
    ] {
        let message = refusal_of_file(text);
        assert!(message.contains(why), "{text}: {message}");
    }
}

#[test]
fn values_that_contradict_each_other_are_refused() {
    for (flags, why) in [
        (&[("listen", "off"), ("listen_tls", "")][..], "nothing to serve"),
        (&[("tls_cert", "a.pem")], "must be set together"),
        (&[("region", "US East")], "`region` must be a name"),
        (&[("domain", "UPPER.example")], "lower-case host names"),
        (&[("domain", "a..b")], "lower-case host names"),
        (&[("max_connections", "0")], "must be at least 1"),
        (&[("data", "/d"), ("key_file", "/d/root.key")], "must lie outside the data directory"),
        (&[("data", "/d"), ("access_log", "/d/access.log")], "must lie outside the data directory"),
        (&[("access_log", "")], "must be off, stdout or a file"),
        (&[("data", "d"), ("key_file", "./d/keys/root.key")], "must lie outside the data directory"),
    ] {
        let message = refusal(&given(&[], flags));
        assert!(message.contains(why), "{flags:?}: {message}");
    }
}

#[test]
fn root_credentials_come_in_pairs() {
    let both = [("COFFER_ROOT_ACCESS_KEY", "AKIA"), ("COFFER_ROOT_SECRET_KEY", "secret")];
    let config = Config::load(&given(&both, &[])).unwrap();
    assert_eq!(config.root_credentials, Some(("AKIA".to_owned(), "secret".to_owned())));
    assert!(refusal(&given(&both[..1], &[])).contains("must be set together"));
    assert!(refusal(&given(&both[1..], &[])).contains("must be set together"));
}

#[test]
fn lists_are_separated_by_commas() {
    let config = Config::load(&given(
        &[("COFFER_DOMAIN", "a.example, b.example"), ("COFFER_TRUSTED_PROXIES", "10.0.0.0/8,::1")],
        &[],
    ))
    .unwrap();
    assert_eq!(config.settings.domain, ["a.example", "b.example"]);
    assert_eq!(config.settings.trusted_proxies.len(), 2);
}

#[test]
fn what_is_shown_reads_back_as_the_same_settings_and_holds_no_secret() {
    let environment = [
        ("COFFER_ROOT_ACCESS_KEY", "AKIA"),
        ("COFFER_ROOT_SECRET_KEY", "canary-secret"),
        ("COFFER_DOMAIN", "a.example"),
        ("COFFER_LISTEN", "off"),
    ];
    let config = Config::load(&given(&environment, &[("drain_seconds", "7")])).unwrap();
    let shown = config.show();
    assert!(!shown.contains("canary-secret"), "{shown}");
    assert!(shown.contains("drain_seconds = 7  # flag --drain-seconds\n"), "{shown}");
    let file = file(&shown);
    let again = Config::load(&Given { config: Some(file.path().to_owned()), ..given(&[], &[]) }).unwrap();
    assert_eq!(again.settings, config.settings);
}

#[test]
fn without_a_home_the_key_file_must_be_named() {
    let nobody = Given::default();
    assert!(refusal(&nobody).contains("--key-file"));
}

#[test]
fn names_are_unique_and_their_flags_and_variables_too() {
    let names: std::collections::BTreeSet<_> = SETTINGS.iter().map(Setting::variable).collect();
    assert_eq!(names.len(), SETTINGS.len());
    assert!(SETTINGS.iter().all(|s| ![CONFIG, ROOT_ACCESS_KEY, ROOT_SECRET_KEY].contains(&s.variable().as_str())));
}

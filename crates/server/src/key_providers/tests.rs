use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::*;
use crate::config::{Config, Given};

const TRANSIT: &str =
    "kind = \"transit\"\nendpoint = \"https://vault.example\"\nkey = \"k\"\ntoken_file = \"SECRET\"\n";
const KMS: &str = "kind = \"aws-kms\"\nendpoint = \"https://kms.example\"\nregion = \"r\"\n\
                   key_arn = \"arn:aws:kms:r:1:key/x\"\ncredentials_file = \"CREDENTIALS\"\n";

const PKCS11: &str =
    "kind = \"pkcs11\"\nmodule = \"/no/such.so\"\ntoken_label = \"t\"\nkey = \"k\"\npin_file = \"SECRET\"\n";

fn private(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Settings in a folder of their own, with these providers.
fn settings(folder: &Path, providers: &str) -> Settings {
    let secret = private(folder, "secret", "canary-secret\n");
    let credentials = private(folder, "credentials", "access_key = \"a\"\nsecret_key = \"canary-secret\"\n");
    let text = providers.replace("SECRET", &secret).replace("CREDENTIALS", &credentials);
    let given = Given {
        flags: BTreeMap::from([
            ("data", folder.join("data").to_str().unwrap().to_owned()),
            ("key_file", folder.join("root.key").to_str().unwrap().to_owned()),
            ("key_providers", private(folder, "providers.toml", &text)),
        ]),
        ..Given::default()
    };
    Config::load(&given).unwrap().settings
}

fn refusal(providers: &str, change: impl FnOnce(&mut Settings)) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(folder.path(), providers);
    change(&mut settings);
    format!("{:#}", KeyProviders::read(&settings).err().expect("it is refused"))
}

#[test]
fn providers_are_found_by_their_names() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(folder.path(), &format!("[vault]\n{TRANSIT}[cloud-1]\n{KMS}"));
    settings.root_key = "vault".to_owned();
    settings.key_stores = vec!["cloud-1".to_owned()];
    let providers = KeyProviders::read(&settings).unwrap();
    assert_eq!(providers.stats().len(), 2);
    let root = providers.root(&settings, true).unwrap();
    assert_eq!((root.keys.describe().provider, root.made_key), ("transit", false));
    assert!(!settings.key_file.exists(), "a root elsewhere makes no key file");
    let stores = providers.key_stores();
    assert_eq!(stores.keys().collect::<Vec<_>>(), [&key_store_id("cloud-1")]);
    assert_eq!(stores[&key_store_id("cloud-1")].describe().provider, "aws-kms");
}

#[tokio::test]
async fn a_library_that_is_missing_keeps_nobody_from_reading_the_settings() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(folder.path(), &format!("[hsm]\n{PKCS11}"));
    settings.root_key = "hsm".to_owned();
    let root = KeyProviders::read(&settings).unwrap().root(&settings, true).unwrap().keys;
    assert_eq!(root.describe().provider, "pkcs11");
    let asked = root.generations().await;
    assert!(matches!(&asked, Err(KeyError::Denied(why)) if why.contains("/no/such.so")), "{asked:?}");
}

#[test]
fn a_former_keyring_is_never_made() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(folder.path(), &format!("[vault]\n{TRANSIT}"));
    settings.root_key = "vault".to_owned();
    settings.former_root_keys = vec![LOCAL.to_owned()];
    let providers = KeyProviders::read(&settings).unwrap();
    assert!(providers.root(&settings, true).is_err());
    LocalKeyring::create(&settings.key_file).unwrap();
    assert_eq!(providers.root(&settings, true).ok().unwrap().keys.describe().provider, "transit");
    settings.root_key = LOCAL.to_owned();
    settings.former_root_keys = vec!["vault".to_owned()];
    assert_eq!(providers.root(&settings, false).ok().unwrap().keys.describe().provider, "local keyring");
}

#[test]
fn names_that_name_nothing_are_refused() {
    let vault = format!("[vault]\n{TRANSIT}");
    assert!(refusal(&vault, |s| s.root_key = "valt".to_owned()).contains("no provider \"valt\""));
    assert!(refusal(&vault, |s| s.key_stores = vec![LOCAL.to_owned()]).contains("no provider \"local\""));
    assert!(refusal(&vault, |s| s.former_root_keys = vec!["x".to_owned()]).contains("no provider \"x\""));
    assert!(refusal(&vault, |s| s.former_root_keys = vec![LOCAL.to_owned()]).contains("twice"));
    assert!(refusal("", |s| s.root_key = "vault".to_owned()).contains("no provider"));
    for name in ["local", "Vault", "\"a b\"", "\"\""] {
        refusal(&format!("[{name}]\n{TRANSIT}"), |_| {});
    }
}

#[test]
fn what_cannot_be_is_refused_and_no_secret_is_quoted() {
    for (providers, why) in [
        ("[v]\nkind = \"kmip\"\n".to_owned(), "unknown variant"),
        (format!("[v]\n{TRANSIT}extra = 1\n"), "unknown field"),
        (format!("[v]\n{}", TRANSIT.replace("https", "http")), "Plain HTTP"),
        (format!("[v]\n{}", TRANSIT.replace("key = \"k\"\n", "")), "missing field"),
        (format!("[v]\n{TRANSIT}role_id = \"r\"\n"), "either `token_file`"),
        (format!("[v]\n{TRANSIT}timeout_seconds = 0\n"), "from 1 to 60"),
        (format!("[v]\n{TRANSIT}ca_file = \"/no/such\"\n"), "cannot be read"),
        (format!("[v]\n{}", KMS.replace("key/x", "alias/x")), "ARN of a key"),
        (format!("[v]\n{}", KMS.replace("CREDENTIALS", "SECRET")), "must hold access_key"),
        (format!("[v]\n{}", KMS.replace("CREDENTIALS", "/no/such")), "cannot be read"),
        (format!("[v]\n{}", PKCS11.replace("/no/such.so", "such.so")), "`module` must be a path"),
        (format!("[v]\n{}", PKCS11.replace("token_label", "slot")), "unknown field"),
        (format!("[v]\n{}", PKCS11.replace("token_label = \"t\"", "")), "must name the token"),
        (format!("[v]\n{PKCS11}pin = \"canary\"\n"), "unknown field"),
    ] {
        let message = refusal(&providers, |_| {});
        assert!(message.contains(why) && !message.contains("canary"), "{providers}: {message}");
    }
}

#[test]
fn the_id_of_a_key_store_is_that_of_its_name_for_ever() {
    assert_eq!(key_store_id("vault"), "cks-9a1adce65e4dcd1d8");
}

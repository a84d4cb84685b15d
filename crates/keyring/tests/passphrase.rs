//! A keyring under a passphrase, and one whose key file is a credential of systemd.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use coffer_crypto::Key32;
use coffer_keyring::{
    KeyError, KeyFileError, KeyPlace, KeyringProtection, LocalKeyring, Passphrase, PassphraseFile, PassphraseSource,
    Purpose, RootKeys as _, WrapContext,
};
use tempfile::TempDir;

const METADATA: WrapContext = WrapContext { purpose: Purpose::MetadataKey, key_id: [1; 16], generation: 1 };
const OLD: &str = "correct horse battery staple";
const NEW: &str = "another line of fourteen bytes";

/// A folder with `root.key`, its keyring, and a file with a passphrase.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap() };
        place.write_passphrase(OLD);
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write_passphrase(&self, text: &str) {
        fs::write(self.path("passphrase"), text).unwrap();
        set_mode(&self.path("passphrase"), 0o600);
    }

    fn keys(&self) -> KeyPlace {
        let source = PassphraseFile::new(self.path("passphrase"), false);
        KeyPlace::new(&self.path("root.key")).with_passphrase(Arc::new(source))
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn keyring(&self) -> Vec<u8> {
        fs::read(self.path("root.key.keyring")).unwrap()
    }
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn passphrase(text: &str) -> Arc<Passphrase> {
    Arc::new(Passphrase::from_line(text.as_bytes()).ok().unwrap())
}

fn refusal<T>(outcome: Result<T, KeyFileError>) -> KeyFileError {
    outcome.err().expect("it is refused")
}

#[test]
fn a_passphrase_takes_the_place_of_the_key_file_and_gives_it_back() {
    let place = Place::new();
    let made = LocalKeyring::create(place.keys()).unwrap().describe();
    let key_file = fs::read(place.path("root.key")).unwrap();

    LocalKeyring::set_passphrase(&place.keys(), KeyringProtection::KeyFile, passphrase(OLD)).unwrap();
    assert_eq!(place.names(), ["passphrase", "root.key.keyring"]);
    assert_eq!(place.keys().protection().unwrap(), KeyringProtection::Passphrase);
    assert_eq!(LocalKeyring::open(place.keys()).unwrap().describe(), made);

    LocalKeyring::set_passphrase(&place.keys(), KeyringProtection::Passphrase, passphrase(NEW)).unwrap();
    assert!(matches!(refusal(LocalKeyring::open(place.keys())), KeyFileError::WrongPassphrase(_)));
    place.write_passphrase(NEW);
    assert_eq!(LocalKeyring::open(place.keys()).unwrap().describe(), made);

    LocalKeyring::remove_passphrase(&place.keys()).unwrap();
    assert_eq!(place.names(), ["passphrase", "root.key", "root.key.keyring"]);
    assert_eq!(LocalKeyring::open(&place.path("root.key")).unwrap().describe(), made);
    assert_ne!(fs::read(place.path("root.key")).unwrap(), key_file, "the key file is a new one");
}

#[test]
fn a_new_keyring_can_be_under_a_passphrase_from_the_first() {
    let place = Place::new();
    let keys = place.keys().making(KeyringProtection::Passphrase);
    let made = LocalKeyring::create(&keys).unwrap();
    assert_eq!(place.names(), ["passphrase", "root.key.keyring"]);
    let mode = fs::metadata(place.path("root.key.keyring")).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    assert_eq!(LocalKeyring::open(&keys).unwrap().describe(), made.describe());
    assert!(matches!(refusal(LocalKeyring::create(&keys)), KeyFileError::Exists(_)));
}

#[test]
fn a_wrong_passphrase_opens_and_changes_nothing() {
    let place = Place::new();
    LocalKeyring::create(place.keys().making(KeyringProtection::Passphrase)).unwrap();
    let before = place.keyring();
    place.write_passphrase(NEW);
    assert!(matches!(refusal(LocalKeyring::open(place.keys())), KeyFileError::WrongPassphrase(_)));
    let change = LocalKeyring::set_passphrase(&place.keys(), KeyringProtection::Passphrase, passphrase(NEW));
    assert!(matches!(refusal(change), KeyFileError::WrongPassphrase(_)));
    let message = refusal(LocalKeyring::remove_passphrase(&place.keys())).to_string();
    assert!(!message.contains(NEW) && !message.contains(OLD));
    assert_eq!((place.keyring(), place.names().len()), (before, 2));
}

#[test]
fn without_a_passphrase_nothing_opens() {
    let place = Place::new();
    LocalKeyring::create(place.keys().making(KeyringProtection::Passphrase)).unwrap();
    let nowhere = KeyPlace::new(&place.path("root.key"));
    assert!(matches!(refusal(LocalKeyring::open(&nowhere)), KeyFileError::NoPassphrase { .. }));
    for (text, mode) in [("too short", 0o600), ("several\nlines of it are none", 0o600), (OLD, 0o640)] {
        place.write_passphrase(text);
        set_mode(&place.path("passphrase"), mode);
        let error = refusal(LocalKeyring::open(place.keys()));
        assert!(matches!(error, KeyFileError::PassphraseFormat { .. } | KeyFileError::Permissions { .. }), "{error}");
        assert!(!error.to_string().contains(text));
    }
    fs::remove_file(place.path("passphrase")).unwrap();
    assert!(matches!(refusal(LocalKeyring::open(place.keys())), KeyFileError::Missing(_)));
}

#[test]
fn a_keyring_that_asks_for_endless_or_little_work_is_refused_at_once() {
    let place = Place::new();
    LocalKeyring::create(place.keys().making(KeyringProtection::Passphrase)).unwrap();
    for iterations in [0, 1000, 599_999, 20_000_001, u32::MAX] {
        let mut keyring = place.keyring();
        keyring[5..9].copy_from_slice(&u32::to_be_bytes(iterations));
        fs::write(place.path("root.key.keyring"), keyring).unwrap();
        assert!(matches!(refusal(LocalKeyring::open(place.keys())), KeyFileError::DamagedKeyring { .. }));
    }
}

#[test]
fn what_a_keyring_is_not_under_is_neither_changed_nor_removed() {
    let place = Place::new();
    LocalKeyring::create(place.keys()).unwrap();
    let change = LocalKeyring::set_passphrase(&place.keys(), KeyringProtection::Passphrase, passphrase(NEW));
    assert!(matches!(refusal(change), KeyFileError::Protection { expected: "passphrase", .. }));
    let removal = LocalKeyring::remove_passphrase(&place.keys());
    assert!(matches!(refusal(removal), KeyFileError::Protection { expected: "passphrase", .. }));
    LocalKeyring::set_passphrase(&place.keys(), KeyringProtection::KeyFile, passphrase(OLD)).unwrap();
    let again = LocalKeyring::set_passphrase(&place.keys(), KeyringProtection::KeyFile, passphrase(NEW));
    assert!(matches!(refusal(again), KeyFileError::Protection { expected: "key file", .. }));
}

#[test]
fn a_removal_that_stopped_before_the_key_file_had_its_name_is_completed() {
    let place = Place::new();
    let made = LocalKeyring::create(place.keys().making(KeyringProtection::Passphrase)).unwrap().describe();
    let under_passphrase = place.keyring();
    LocalKeyring::remove_passphrase(&place.keys()).unwrap();
    fs::rename(place.path("root.key"), place.path("root.key.new")).unwrap();
    assert_eq!(LocalKeyring::open(place.keys()).unwrap().describe(), made);
    assert_eq!(place.names(), ["passphrase", "root.key", "root.key.keyring"]);

    // Had it stopped before the keyring was changed, the passphrase would open that, and the removal would start anew.
    fs::rename(place.path("root.key"), place.path("root.key.new")).unwrap();
    fs::write(place.path("root.key.keyring"), under_passphrase).unwrap();
    assert_eq!(LocalKeyring::open(place.keys()).unwrap().describe(), made);
    LocalKeyring::remove_passphrase(&place.keys()).unwrap();
    assert_eq!(LocalKeyring::open(&place.path("root.key")).unwrap().describe(), made);
}

#[test]
fn a_key_file_beside_a_keyring_under_a_passphrase_is_never_overwritten() {
    let place = Place::new();
    LocalKeyring::create(place.keys().making(KeyringProtection::Passphrase)).unwrap();
    fs::write(place.path("root.key"), "somebody's").unwrap();
    let before = place.keyring();
    assert!(matches!(refusal(LocalKeyring::remove_passphrase(&place.keys())), KeyFileError::Exists(_)));
    assert_eq!(fs::read(place.path("root.key")).unwrap(), b"somebody's");
    assert_eq!(place.keyring(), before);
    LocalKeyring::open(place.keys()).unwrap();
}

#[tokio::test]
async fn a_root_key_under_a_passphrase_rotates_and_stays_under_it() {
    let place = Place::new();
    let keys = place.keys().making(KeyringProtection::Passphrase);
    let root = LocalKeyring::create(&keys).unwrap();
    let key = Key32::generate();
    let wrapped = root.wrap(&METADATA, &key).await.unwrap();
    assert_eq!(root.rotate().await.unwrap().generation, 2);
    assert_eq!(keys.protection().unwrap(), KeyringProtection::Passphrase);
    let opened = LocalKeyring::open(&keys).unwrap();
    assert_eq!(opened.describe(), root.describe());
    assert_eq!(opened.unwrap(&METADATA, &wrapped).await.unwrap().expose(), key.expose());
    root.destroy_generation(1).await.unwrap();
    let opened = LocalKeyring::open(&keys).unwrap();
    assert!(matches!(opened.unwrap(&METADATA, &wrapped).await, Err(KeyError::UnknownGeneration(1))));
}

#[tokio::test]
async fn whoever_has_a_former_passphrase_in_memory_does_not_bring_it_back() {
    /// A passphrase that was typed, and is kept.
    struct Typed(Arc<Passphrase>);
    impl PassphraseSource for Typed {
        fn passphrase(&self) -> Result<Arc<Passphrase>, KeyFileError> {
            Ok(Arc::clone(&self.0))
        }
    }
    let place = Place::new();
    let typed = KeyPlace::new(&place.path("root.key")).with_passphrase(Arc::new(Typed(passphrase(OLD))));
    let running = LocalKeyring::create(typed.making(KeyringProtection::Passphrase)).unwrap();
    LocalKeyring::set_passphrase(&place.keys(), KeyringProtection::Passphrase, passphrase(NEW)).unwrap();
    let before = place.keyring();
    assert!(matches!(running.rotate().await, Err(KeyError::Denied(_))));
    assert_eq!((place.keyring(), running.describe().generation), (before, 1));
}

#[tokio::test]
async fn a_generation_that_a_server_adds_survives_a_change_of_the_passphrase() {
    let place = Place::new();
    let running = LocalKeyring::create(place.keys().making(KeyringProtection::Passphrase)).unwrap();
    running.rotate().await.unwrap();
    LocalKeyring::set_passphrase(&place.keys(), KeyringProtection::Passphrase, passphrase(NEW)).unwrap();
    place.write_passphrase(NEW);
    assert_eq!(running.rotate().await.unwrap().generation, 3, "the file has the new passphrase");
    assert_eq!(LocalKeyring::open(place.keys()).unwrap().describe(), running.describe());
}

#[test]
fn shares_of_a_keyring_under_a_passphrase_need_none() {
    let (here, there) = (Place::new(), Place::new());
    let keyring = LocalKeyring::create(here.keys().making(KeyringProtection::Passphrase)).unwrap();
    let lines: String = keyring.split(2, 3).unwrap()[1..].iter().map(|line| format!("{}\n", **line)).collect();
    there.write_passphrase(NEW);
    let to = there.keys().making(KeyringProtection::Passphrase);
    LocalKeyring::join(&lines).unwrap().write(&to).unwrap();
    assert_eq!(there.names(), ["passphrase", "root.key.keyring"]);
    assert_eq!(LocalKeyring::open(&to).unwrap().describe(), keyring.describe());
}

/// A folder as systemd makes it for a service, with the key file in it as `root`.
fn credential(place: &Place) -> KeyPlace {
    LocalKeyring::create(&place.path("made.key")).unwrap();
    let folder = place.path("credentials");
    fs::create_dir(&folder).unwrap();
    fs::rename(place.path("made.key"), folder.join("root")).unwrap();
    set_mode(&folder.join("root"), 0o440);
    set_mode(&folder, 0o550);
    KeyPlace::new(&folder.join("root")).with_keyring(place.path("keyring")).with_credential()
}

#[test]
fn a_credential_may_be_readable_by_its_group() {
    let place = Place::new();
    let keys = credential(&place);
    fs::rename(place.path("made.key.keyring"), place.path("keyring")).unwrap();
    let opened = LocalKeyring::open(&keys).unwrap().describe();
    assert_eq!(opened.generation, 1);
    let plain = KeyPlace::new(keys.key_file()).with_keyring(place.path("keyring"));
    assert!(matches!(refusal(LocalKeyring::open(&plain)), KeyFileError::Permissions { mode: 0o440, .. }));
    for mode in [0o444, 0o460, 0o640 | 0o010] {
        set_mode(keys.key_file(), mode);
        assert!(matches!(refusal(LocalKeyring::open(&keys)), KeyFileError::Permissions { .. }), "{mode:o}");
    }
    set_mode(keys.key_file(), 0o400);
    for mode in [0o755, 0o770] {
        set_mode(keys.key_file().parent().unwrap(), mode);
        assert!(matches!(refusal(LocalKeyring::open(&keys)), KeyFileError::Permissions { .. }), "{mode:o}");
    }
}

#[tokio::test]
async fn a_keyring_is_made_rotated_and_resealed_under_a_credential() {
    let place = Place::new();
    let keys = credential(&place);
    let credential = fs::read(keys.key_file()).unwrap();
    let source = PassphraseFile::new(place.path("passphrase"), false);
    let keys = keys.with_passphrase(Arc::new(source));
    assert!(matches!(refusal(LocalKeyring::open(&keys)), KeyFileError::KeyringMissing(_)));
    let root = LocalKeyring::create(&keys).unwrap();
    assert!(matches!(refusal(LocalKeyring::create(&keys)), KeyFileError::Exists(_)));
    root.rotate().await.unwrap();
    LocalKeyring::set_passphrase(&keys, KeyringProtection::KeyFile, passphrase(OLD)).unwrap();
    assert_eq!(LocalKeyring::open(&keys).unwrap().describe(), root.describe());
    LocalKeyring::remove_passphrase(&keys).unwrap();
    assert_eq!(keys.protection().unwrap(), KeyringProtection::KeyFile);
    assert_eq!(LocalKeyring::open(&keys).unwrap().describe(), root.describe());
    assert_eq!(fs::read(keys.key_file()).unwrap(), credential, "a credential is only read");
}

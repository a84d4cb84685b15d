use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::*;
use crate::Purpose;

const BUCKET: WrapContext =
    WrapContext { purpose: Purpose::BucketKey { bucket_id: [1; 16] }, key_id: [2; 16], generation: 1 };

/// A folder with the two files in it.
struct Place {
    _folder: TempDir,
    key_file: PathBuf,
}

impl Place {
    fn empty() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key_file = folder.path().join("root.key");
        Self { _folder: folder, key_file }
    }

    fn created() -> Self {
        let place = Self::empty();
        LocalKeyring::create(&place.key_file).unwrap();
        place
    }

    fn file(&self, suffix: &str) -> PathBuf {
        PathBuf::from(format!("{}{suffix}", self.key_file.display()))
    }

    fn open(&self) -> Result<LocalKeyring, KeyFileError> {
        LocalKeyring::open(&self.key_file)
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.key_file.parent().unwrap()).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn write_key_file(&self, text: &[u8]) {
        fs::write(&self.key_file, text).unwrap();
    }

    /// Replaces the keyring by one with these generations of the root key [7; 16].
    fn write_keyring(&self, generations: &[(u32, KeyState)]) {
        let entries: Vec<_> = generations
            .iter()
            .map(|(generation, state)| KeyringEntry {
                id: [7; 16],
                generation: *generation,
                state: *state,
                created: 0,
                key: Key32::from_slice(&[*generation as u8; 32]).unwrap(),
            })
            .collect();
        let files = KeyFiles::new(KeyPlace::new(&self.key_file));
        let (opener, _) = files.open(&files.read_keyring().unwrap()).unwrap();
        files.replace_keyring(&opener, &entries).unwrap();
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn creation_makes_two_files_for_their_owner_only() {
    let place = Place::created();
    assert_eq!(place.names(), ["root.key", "root.key.keyring"]);
    assert_eq!(mode(&place.key_file), 0o600);
    assert_eq!(mode(&place.file(".keyring")), 0o600);
    let text = fs::read_to_string(&place.key_file).unwrap();
    assert!(text.starts_with("coffer-key-v1:") && text.ends_with('\n') && text.lines().count() == 1);
}

#[test]
fn missing_folders_are_made_for_their_owner_only() {
    let folder = tempfile::tempdir().unwrap();
    LocalKeyring::create(&folder.path().join("a/b/root.key")).unwrap();
    assert_eq!(mode(&folder.path().join("a")), 0o700);
    assert_eq!(mode(&folder.path().join("a/b")), 0o700);
}

#[test]
fn what_was_created_opens_as_the_same_root() {
    let place = Place::empty();
    let created = LocalKeyring::create(&place.key_file).unwrap().describe();
    assert_eq!(place.open().unwrap().describe(), created);
    assert_eq!(created.generation, 1);
    assert_eq!(created.fingerprint.len(), 19);
    let other = LocalKeyring::create(&Place::empty().key_file).unwrap().describe();
    assert_ne!(other.root_id, created.root_id);
    assert_ne!(other.fingerprint, created.fingerprint);
}

#[test]
fn existing_files_are_never_overwritten() {
    let place = Place::created();
    let before = fs::read(&place.key_file).unwrap();
    let refused = LocalKeyring::create(&place.key_file);
    assert!(matches!(refused, Err(KeyFileError::Exists(path)) if path == place.key_file));
    assert_eq!(fs::read(&place.key_file).unwrap(), before);

    fs::remove_file(&place.key_file).unwrap();
    let keyring = fs::read(place.file(".keyring")).unwrap();
    let refused = LocalKeyring::create(&place.key_file);
    assert!(matches!(refused, Err(KeyFileError::Exists(path)) if path == place.file(".keyring")));
    assert_eq!(fs::read(place.file(".keyring")).unwrap(), keyring);
}

#[test]
fn a_creation_that_stopped_before_the_keyring_starts_anew() {
    let place = Place::empty();
    fs::write(place.file(".new"), "coffer-key-v1:cut").unwrap();
    fs::write(place.file(".keyring.new"), "cut").unwrap();
    assert!(matches!(place.open(), Err(KeyFileError::Missing(_))));
    LocalKeyring::create(&place.key_file).unwrap();
    assert_eq!(place.names(), ["root.key", "root.key.keyring"]);
}

#[test]
fn a_creation_that_stopped_before_the_key_file_is_completed() {
    let place = Place::empty();
    let created = LocalKeyring::create(&place.key_file).unwrap().describe();
    fs::rename(&place.key_file, place.file(".new")).unwrap();
    fs::hard_link(place.file(".keyring"), place.file(".keyring.new")).unwrap();
    assert_eq!(LocalKeyring::create(&place.key_file).unwrap().describe(), created);
    assert_eq!(place.names(), ["root.key", "root.key.keyring"]);
    fs::rename(&place.key_file, place.file(".new")).unwrap();
    assert_eq!(place.open().unwrap().describe(), created);
    assert_eq!(place.names(), ["root.key", "root.key.keyring"]);
}

#[test]
fn a_creation_that_stopped_at_the_end_leaves_no_second_key_file_once_opened() {
    let place = Place::created();
    fs::hard_link(&place.key_file, place.file(".new")).unwrap();
    place.open().unwrap();
    assert_eq!(place.names(), ["root.key", "root.key.keyring"]);
}

#[test]
fn of_many_that_create_at_once_one_succeeds() {
    let place = Place::empty();
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| LocalKeyring::create(&place.key_file))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Ok(_) | Err(KeyFileError::Exists(_)))));
    place.open().unwrap();
}

#[test]
fn missing_files_are_told_apart() {
    assert!(matches!(Place::empty().open(), Err(KeyFileError::Missing(_))));
    let place = Place::created();
    fs::remove_file(place.file(".keyring")).unwrap();
    assert!(matches!(place.open(), Err(KeyFileError::KeyringMissing(_))));
}

#[test]
fn a_key_file_open_to_others_is_refused() {
    let place = Place::created();
    for open_to_others in [0o640, 0o620, 0o604, 0o601, 0o777] {
        fs::set_permissions(&place.key_file, fs::Permissions::from_mode(open_to_others)).unwrap();
        let refused = place.open();
        assert!(matches!(refused, Err(KeyFileError::Permissions { mode, .. }) if mode == open_to_others));
    }
    fs::set_permissions(&place.key_file, fs::Permissions::from_mode(0o400)).unwrap();
    place.open().unwrap();
}

#[test]
fn a_key_file_without_the_end_of_its_line_opens() {
    let place = Place::created();
    let text = fs::read_to_string(&place.key_file).unwrap();
    for copied in [text.trim_end().to_owned(), text.replace('\n', "\r\n")] {
        place.write_key_file(copied.as_bytes());
        place.open().unwrap();
    }
}

#[test]
fn cut_and_malformed_key_files_are_refused_without_showing_them() {
    let place = Place::created();
    let text = fs::read_to_string(&place.key_file).unwrap();
    let line = text.trim_end();
    let cut = (0..line.len()).map(|len| line[..len].to_owned());
    let malformed =
        ["coffer-key-v1:", "{key}{key}", " {key}", "{key} ", "{key}\n\n", "coffer-key-v2:{base64}", "{base64}"];
    let malformed = malformed.map(|form| form.replace("{key}", line).replace("{base64}", &line[14..]));
    let not_base64 = format!("{}*=", &line[..line.len() - 2]);
    for wrong in cut.chain(malformed).chain([not_base64]) {
        place.write_key_file(wrong.as_bytes());
        let error = place.open().err().unwrap();
        assert!(matches!(error, KeyFileError::Format { .. }), "{wrong:?}");
        assert!(!error.to_string().contains(&line[20..40]));
    }
}

#[test]
fn the_key_file_of_another_keyring_is_a_wrong_key() {
    let (place, other) = (Place::created(), Place::created());
    fs::copy(&other.key_file, &place.key_file).unwrap();
    let error = place.open().err().unwrap();
    assert!(matches!(error, KeyFileError::WrongKey { .. }));
    assert!(error.to_string().contains("root.key.keyring"));
}

#[test]
fn damaged_and_cut_keyrings_are_refused() {
    let place = Place::created();
    let keyring = fs::read(place.file(".keyring")).unwrap();
    for byte in 0..keyring.len() {
        let mut damaged = keyring.clone();
        damaged[byte] ^= 0x40;
        fs::write(place.file(".keyring"), damaged).unwrap();
        let error = place.open().err().unwrap();
        assert!(matches!(error, KeyFileError::DamagedKeyring { .. } | KeyFileError::WrongKey { .. }), "byte {byte}");
        fs::write(place.file(".keyring"), &keyring[..byte]).unwrap();
        assert!(place.open().is_err(), "{byte} bytes");
    }
}

#[test]
fn a_keyring_without_an_active_key_is_refused() {
    let place = Place::created();
    for generations in [&[][..], &[(1, KeyState::DecryptOnly)], &[(1, KeyState::Destroyed)]] {
        place.write_keyring(generations);
        assert!(matches!(place.open(), Err(KeyFileError::DamagedKeyring { .. })));
    }
}

#[tokio::test]
async fn keys_unwrap_for_what_they_were_wrapped_for_only() {
    let root = Place::created().open().unwrap();
    let key = Key32::generate();
    let wrapped = root.wrap(&BUCKET, &key).await.unwrap();
    assert_eq!(root.unwrap(&BUCKET, &wrapped).await.unwrap().expose(), key.expose());
    for other in [
        WrapContext { purpose: Purpose::BucketKey { bucket_id: [0; 16] }, ..BUCKET },
        WrapContext { purpose: Purpose::MetadataKey, ..BUCKET },
        WrapContext { key_id: [3; 16], ..BUCKET },
        WrapContext { generation: 2, ..BUCKET },
    ] {
        assert!(matches!(root.unwrap(&other, &wrapped).await, Err(KeyError::WrongKey)));
    }
}

#[tokio::test]
async fn another_root_is_a_wrong_key() {
    let (root, other) = (Place::created().open().unwrap(), Place::created().open().unwrap());
    let wrapped = root.wrap(&BUCKET, &Key32::generate()).await.unwrap();
    assert!(matches!(other.unwrap(&BUCKET, &wrapped).await, Err(KeyError::WrongKey)));
}

#[tokio::test]
async fn damage_is_told_apart_from_a_wrong_key() {
    let root = Place::created().open().unwrap();
    let mut wrapped = root.wrap(&BUCKET, &Key32::generate()).await.unwrap();
    *wrapped.last_mut().unwrap() ^= 1;
    assert!(matches!(root.unwrap(&BUCKET, &wrapped).await, Err(KeyError::Damaged("envelope"))));
    assert!(matches!(root.unwrap(&BUCKET, &wrapped[1..]).await, Err(KeyError::Damaged(_))));
}

#[tokio::test]
async fn older_generations_unwrap_until_they_are_destroyed() {
    let place = Place::created();
    place.write_keyring(&[(1, KeyState::Active)]);
    let wrapped = place.open().unwrap().wrap(&BUCKET, &Key32::generate()).await.unwrap();

    place.write_keyring(&[(1, KeyState::DecryptOnly), (2, KeyState::Active)]);
    let rotated = place.open().unwrap();
    assert_eq!(rotated.describe().generation, 2);
    rotated.unwrap(&BUCKET, &wrapped).await.unwrap();
    let rewrapped = rotated.wrap(&BUCKET, &Key32::generate()).await.unwrap();

    place.write_keyring(&[(1, KeyState::Destroyed), (2, KeyState::Active)]);
    let shredded = place.open().unwrap();
    assert!(matches!(shredded.unwrap(&BUCKET, &wrapped).await, Err(KeyError::UnknownGeneration(1))));
    shredded.unwrap(&BUCKET, &rewrapped).await.unwrap();

    place.write_keyring(&[(1, KeyState::Active)]);
    assert!(matches!(place.open().unwrap().unwrap(&BUCKET, &rewrapped).await, Err(KeyError::UnknownGeneration(2))));
}

#[tokio::test]
async fn a_rotated_root_key_unwraps_what_every_generation_wrapped() {
    let place = Place::created();
    let root = place.open().unwrap();
    let key = Key32::generate();
    let first = root.wrap(&BUCKET, &key).await.unwrap();
    let described = root.rotate().await.unwrap();
    let second = root.wrap(&BUCKET, &key).await.unwrap();
    assert_eq!(described.generation, 2);
    assert_eq!(root.generation_of(&first).unwrap(), (described.root_id, 1));
    assert_eq!(root.generation_of(&second).unwrap(), (described.root_id, 2));
    for root in [root, place.open().unwrap()] {
        for wrapped in [&first, &second] {
            assert_eq!(root.unwrap(&BUCKET, wrapped).await.unwrap().expose(), key.expose());
        }
        assert_eq!(root.describe(), described);
    }
    assert_eq!(place.names(), ["root.key", "root.key.keyring"]);
}

#[tokio::test]
async fn a_destroyed_generation_is_gone_for_good_and_its_number_too() {
    let place = Place::created();
    let root = place.open().unwrap();
    let wrapped = root.wrap(&BUCKET, &Key32::generate()).await.unwrap();
    assert!(matches!(root.destroy_generation(1).await, Err(KeyError::InUse(1))));
    root.rotate().await.unwrap();
    root.destroy_generation(1).await.unwrap();
    assert!(matches!(root.destroy_generation(7).await, Err(KeyError::UnknownGeneration(7))));
    for root in [root, place.open().unwrap()] {
        assert!(matches!(root.unwrap(&BUCKET, &wrapped).await, Err(KeyError::UnknownGeneration(1))));
        assert_eq!(root.rotate().await.unwrap().generation, root.generations().await.unwrap().len() as u32);
        let states: Vec<_> = root.generations().await.unwrap().iter().map(|known| known.state).collect();
        assert_eq!(states[0], GenerationState::Destroyed);
        assert_eq!(states.last(), Some(&GenerationState::Active));
    }
}

#[tokio::test]
async fn a_root_key_whose_key_file_is_gone_does_not_rotate() {
    let place = Place::created();
    let root = place.open().unwrap();
    fs::remove_file(&place.key_file).unwrap();
    assert!(matches!(root.rotate().await, Err(KeyError::Denied(_))));
    assert_eq!(root.describe().generation, 1);
}

/// The lines of a share set, as they are put together again.
fn text(lines: &[zeroize::Zeroizing<String>]) -> String {
    lines.iter().map(|line| format!("{}\n", **line)).collect()
}

#[tokio::test]
async fn shares_bring_back_every_generation_on_another_machine() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let keyring = LocalKeyring::create(&here.path().join("root.key")).unwrap();
    let context = WrapContext { purpose: Purpose::MetadataKey, key_id: [1; 16], generation: 1 };
    let key = Key32::generate();
    let old = keyring.wrap(&context, &key).await.unwrap();
    keyring.rotate().await.unwrap();
    let new = keyring.wrap(&context, &key).await.unwrap();

    let shares = keyring.split(2, 3).unwrap();
    let key_file = there.path().join("folder/root.key");
    LocalKeyring::join(&text(&shares[1..])).unwrap().write(&key_file).unwrap();
    let recovered = LocalKeyring::open(&key_file).unwrap();
    assert_eq!(recovered.describe(), keyring.describe());
    for wrapped in [old, new] {
        assert_eq!(recovered.unwrap(&context, &wrapped).await.unwrap().expose(), key.expose());
    }
}

#[tokio::test]
async fn what_was_joined_is_in_memory_alone_until_it_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let keyring = LocalKeyring::create(&folder.path().join("root.key")).unwrap();
    let joined = LocalKeyring::join(&text(&keyring.split(2, 2).unwrap())).unwrap();
    assert!(matches!(joined.rotate().await, Err(KeyError::Unsupported(_))));
}

#[test]
fn a_keyring_is_never_written_over_another() {
    let folder = tempfile::tempdir().unwrap();
    let key_file = folder.path().join("root.key");
    let keyring = LocalKeyring::create(&key_file).unwrap();
    let before = std::fs::read(&key_file).unwrap();
    let joined = LocalKeyring::join(&text(&keyring.split(2, 2).unwrap())).unwrap();
    assert!(matches!(joined.write(&key_file), Err(KeyFileError::Exists(_))));
    assert_eq!(std::fs::read(&key_file).unwrap(), before);
}

#[test]
fn another_keyring_of_an_interrupted_creation_is_no_success() {
    let folder = tempfile::tempdir().unwrap();
    let key_file = folder.path().join("root.key");
    let keyring = LocalKeyring::create(&key_file).unwrap();
    std::fs::rename(&key_file, folder.path().join("root.key.new")).unwrap();
    let other = LocalKeyring::create(&folder.path().join("other.key")).unwrap();
    let joined = LocalKeyring::join(&text(&other.split(2, 2).unwrap())).unwrap();
    assert!(matches!(joined.write(&key_file), Err(KeyFileError::Exists(_))));
    assert_eq!(LocalKeyring::open(&key_file).unwrap().describe(), keyring.describe());
}

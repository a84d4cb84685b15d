use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use super::*;
use crate::config::{Config, Given};

struct Place {
    folder: tempfile::TempDir,
    settings: Settings,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let home = (OsString::from("HOME"), folder.path().join("home").into_os_string());
        let data = folder.path().join("data").to_str().unwrap().to_owned();
        let given =
            Given { flags: BTreeMap::from([("data", data)]), environment: BTreeMap::from([home]), ..Given::default() };
        let settings = Config::load(&given).unwrap().settings;
        Self { folder, settings }
    }

    async fn open(&self) -> Result<Data> {
        LockedDirectory::make(&self.settings)?.open().await
    }

    async fn refusal(&self) -> String {
        match self.open().await {
            Ok(_) => panic!("the directory opens"),
            Err(error) => format!("{error:#}"),
        }
    }

    /// Every file below the folder, with its bytes.
    fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = BTreeMap::new();
        let mut folders = vec![self.folder.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    files.insert(path.clone(), fs::read(path).unwrap());
                }
            }
        }
        files
    }
}

#[tokio::test]
async fn the_first_start_makes_key_and_store_and_the_second_opens_them() {
    let place = Place::new();
    let first = place.open().await.unwrap();
    assert!(first.made_key);
    drop(first);
    assert!(!place.open().await.unwrap().made_key);
}

#[tokio::test]
async fn a_missing_key_file_is_refused_and_nothing_is_written() {
    let place = Place::new();
    drop(place.open().await.unwrap());
    fs::remove_file(&place.settings.key_file).unwrap();
    let before = place.files();
    let message = place.refusal().await;
    assert!(message.contains("is missing, and") && message.contains("--key-file"), "{message}");
    assert_eq!(place.files(), before);
}

#[tokio::test]
async fn missing_metadata_is_refused_and_nothing_is_written() {
    let place = Place::new();
    drop(place.open().await.unwrap());
    fs::remove_file(place.settings.data.join(METADATA)).unwrap();
    let before = place.files();
    let message = place.refusal().await;
    assert!(message.contains("metadata.redb is missing"), "{message}");
    assert_eq!(place.files(), before);
}

#[tokio::test]
async fn a_first_start_that_was_cut_off_before_the_metadata_goes_on() {
    let place = Place::new();
    drop(place.open().await.unwrap());
    fs::remove_file(place.settings.data.join(METADATA)).unwrap();
    fs::remove_dir(place.settings.data.join(BLOBS)).unwrap();
    assert!(!place.open().await.unwrap().made_key);
}

#[tokio::test]
async fn another_root_key_is_refused_and_nothing_is_written() {
    let (place, other) = (Place::new(), Place::new());
    drop(place.open().await.unwrap());
    drop(other.open().await.unwrap());
    let settings = Settings { key_file: other.settings.key_file.clone(), ..place.settings.clone() };
    let before = place.files();
    let message = format!("{:#}", LockedDirectory::make(&settings).unwrap().open().await.err().unwrap());
    assert!(message.contains("is not the one that"), "{message}");
    assert_eq!(place.files(), before);
}

#[tokio::test]
async fn a_key_file_of_another_keyring_is_refused_and_nothing_is_written() {
    let (place, other) = (Place::new(), Place::new());
    drop(place.open().await.unwrap());
    drop(other.open().await.unwrap());
    fs::copy(&other.settings.key_file, &place.settings.key_file).unwrap();
    let before = place.files();
    let message = place.refusal().await;
    assert!(message.contains("does not open the keyring"), "{message}");
    assert_eq!(place.files(), before);
}

#[tokio::test]
async fn a_directory_of_other_things_is_refused_and_no_key_is_made() {
    let place = Place::new();
    fs::create_dir(&place.settings.data).unwrap();
    fs::write(place.settings.data.join("thesis.txt"), "mine").unwrap();
    place.refusal().await;
    assert!(!place.settings.key_file.exists());
    assert_eq!(fs::read(place.settings.data.join("thesis.txt")).unwrap(), b"mine");
}

#[tokio::test]
async fn a_second_opening_is_refused_while_the_first_lasts() {
    let place = Place::new();
    let _first = place.open().await.unwrap();
    let message = place.refusal().await;
    assert!(message.contains(&format!("in use by another process (pid {})", std::process::id())), "{message}");
}

#[test]
fn commands_that_need_a_store_do_not_make_one() {
    let place = Place::new();
    assert!(LockedDirectory::existing(&place.settings).is_err());
    assert!(!place.settings.data.exists());
}

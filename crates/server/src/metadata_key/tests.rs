use std::collections::BTreeMap;
use std::ffi::OsString;

use coffer_audit::read_entries;
use coffer_meta::{Commit, Engine as _, OpenError, RedbSettings};
use coffer_store::{RowChanges, Store};

use super::*;
use crate::config::{Config, Given};
use crate::lock::LockError;

struct Place {
    folder: tempfile::TempDir,
    settings: Settings,
}

const ROWS: u32 = 300;

impl Place {
    /// A store with some rows.
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let home = (OsString::from("HOME"), folder.path().join("home").into_os_string());
        let data = folder.path().join("data").to_str().unwrap().to_owned();
        let given =
            Given { flags: BTreeMap::from([("data", data)]), environment: BTreeMap::from([home]), ..Given::default() };
        let settings = Config::load(&given).unwrap().settings;
        let place = Self { folder, settings };
        let data = LockedDirectory::make(&place.settings).unwrap().open().await.unwrap();
        let mut changes = RowChanges::new();
        for number in 0..ROWS {
            changes.put(&data.store, RowTable::Identity, &number.to_be_bytes(), &number);
        }
        assert!(data.store.commit_rows(changes).await.unwrap());
        data.close().await.unwrap();
        place
    }

    async fn open(&self) -> Data {
        LockedDirectory::existing(&self.settings).unwrap().open().await.unwrap()
    }

    async fn rotate(&self) -> Result<Report> {
        rotate(&self.settings, "operator uid 7", &|_| {}).await
    }

    fn metadata(&self) -> std::path::PathBuf {
        self.settings.data.join(METADATA)
    }

    /// Names in the data directory.
    fn names(&self) -> Vec<String> {
        let names = fs::read_dir(&self.settings.data).unwrap();
        let mut names: Vec<_> = names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// The store opens under this generation of the metadata key, with all of its rows, and nothing is left over.
    async fn check(&self, generation: u32) {
        let data = self.open().await;
        assert_eq!(data.store.metadata_key_generation(), generation);
        check_rows(&data.store).await;
        audit::verify(&data, &[]).await.unwrap();
        data.close().await.unwrap();
        assert_eq!(self.names(), [".lock", "audit", "blobs", "coffer.store", "metadata.redb"]);
        assert_eq!(Bootstrap::open_all(&self.settings.data, &*self.root()).await.unwrap().len(), 1);
    }

    fn root(&self) -> std::sync::Arc<dyn coffer_keyring::RootKeys> {
        crate::key_providers::KeyProviders::read(&self.settings).unwrap().root(&self.settings, false).unwrap().keys
    }

    async fn actions(&self) -> Vec<(String, String, String, String)> {
        let data = self.open().await;
        let mut actions = Vec::new();
        let folder = data.audit_folder.clone();
        read_entries(&folder, &data.audit_keys, |_, entry| {
            actions.push((entry.action, entry.outcome, entry.who, entry.key));
            Ok(())
        })
        .unwrap();
        data.close().await.unwrap();
        actions
    }
}

async fn check_rows(store: &Store) {
    let rows = store.rows::<u32>(RowTable::Identity, b"", None, usize::MAX).await.unwrap();
    let expected: Vec<_> = (0..ROWS).map(|number| (number.to_be_bytes().to_vec(), number)).collect();
    assert_eq!(rows, expected);
}

#[tokio::test]
async fn the_store_goes_on_under_the_next_key_again_and_again() {
    let place = Place::new().await;
    for generation in 2..5 {
        let report = place.rotate().await.unwrap();
        assert_eq!(report.data["generation"], generation);
        assert!(report.data["rows"].as_u64() > Some(u64::from(ROWS)));
        place.check(generation).await;
    }
    let actions = place.actions().await;
    let rotations: Vec<_> = actions.iter().filter(|(action, ..)| action == ACTION).collect();
    assert_eq!(rotations.len(), 3);
    for ((_, outcome, who, key), generation) in rotations.into_iter().zip(2..) {
        assert_eq!((&outcome[..], &who[..]), ("Done", "operator uid 7"));
        assert!(key.starts_with("metadata-key/") && key.ends_with(&format!(":{generation}")), "{key}");
    }
}

#[tokio::test]
async fn a_copy_of_the_old_file_does_not_open_under_the_new_key() {
    let place = Place::new().await;
    let copy = place.folder.path().join("copy");
    fs::copy(place.metadata(), &copy).unwrap();
    let old = Bootstrap::open(&place.settings.data, &*place.root()).await.unwrap();
    place.rotate().await.unwrap();
    let new = Bootstrap::open(&place.settings.data, &*place.root()).await.unwrap();
    let open = |path: &Path, key: &_| RedbEngine::open(path, page_keys(key), RedbSettings::default());
    assert!(matches!(open(&copy, &new.metadata_key), Err(OpenError::WrongKey)));
    assert!(matches!(open(&place.metadata(), &old.metadata_key), Err(OpenError::WrongKey)));
    open(&copy, &old.metadata_key).unwrap();
}

/// How far a rotation comes before the process is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Killed {
    Building,
    Built,
    Announced,
    Switched,
    Settled,
}

async fn killed(place: &Place, at: Killed) {
    let data = place.open().await;
    let (next, _) = build(&place.settings, &data, &|_| {}).await.unwrap();
    drop(data.close().await.unwrap());
    let (directory, building) = (&place.settings.data, place.settings.data.join(BUILDING));
    if at == Killed::Building {
        fs::rename(building.join(METADATA), building.join("metadata.redb.new")).unwrap();
        fs::write(directory.join(".coffer.store.new"), b"COFF").unwrap();
    }
    if at >= Killed::Announced {
        next.announce().unwrap();
        fs::write(directory.join(".coffer.store.new"), b"COFF").unwrap();
    }
    if at >= Killed::Switched {
        fs::rename(building.join(METADATA), place.metadata()).unwrap();
    }
    if at >= Killed::Settled {
        Bootstrap::settle(directory, next.generation()).unwrap();
    }
    assert!(building.exists());
}

#[tokio::test]
async fn killed_anywhere_it_leaves_a_store_that_opens_with_all_of_its_rows() {
    for at in [Killed::Building, Killed::Built, Killed::Announced, Killed::Switched, Killed::Settled] {
        let place = Place::new().await;
        killed(&place, at).await;
        let generation = if at >= Killed::Switched { 2 } else { 1 };
        place.check(generation).await;
        killed(&place, at).await;
        place.rotate().await.unwrap_or_else(|error| panic!("{at:?}: {error:#}"));
        place.check(if at >= Killed::Switched { 4 } else { 2 }).await;
    }
}

#[tokio::test]
async fn a_start_that_is_killed_while_it_ends_a_rotation_is_started_again() {
    for at in [Killed::Announced, Killed::Switched] {
        let place = Place::new().await;
        killed(&place, at).await;
        let generation = if at == Killed::Switched { 2 } else { 1 };
        // The bootstrap file is settled, and the folder is still there.
        Bootstrap::settle(&place.settings.data, generation).unwrap();
        place.check(generation).await;
    }
}

#[tokio::test]
async fn with_a_wrong_key_an_interrupted_rotation_stays_as_it_is() {
    let place = Place::new().await;
    killed(&place, Killed::Announced).await;
    let (names, file) = (place.names(), fs::read(place.settings.data.join("coffer.store")).unwrap());
    let other = Place::new().await;
    let hidden = place.folder.path().join("hidden");
    let keys = place.settings.key_file.parent().unwrap();
    fs::rename(keys, &hidden).unwrap();
    fs::rename(other.settings.key_file.parent().unwrap(), keys).unwrap();
    assert!(LockedDirectory::existing(&place.settings).unwrap().open().await.is_err());
    assert!(place.rotate().await.is_err());
    assert_eq!((place.names(), fs::read(place.settings.data.join("coffer.store")).unwrap()), (names, file));
    fs::remove_dir_all(keys).unwrap();
    fs::rename(&hidden, keys).unwrap();
    place.check(1).await;
}

#[tokio::test]
async fn a_rotation_that_fails_changes_nothing_and_is_noted() {
    let place = Place::new().await;
    let data = place.open().await;
    let mut commit = Commit::new();
    commit.put("Zrow", "of a later version");
    data.engine.commit(commit).await.unwrap();
    data.close().await.unwrap();
    let before = fs::read(place.settings.data.join("coffer.store")).unwrap();
    let error = format!("{:#}", place.rotate().await.unwrap_err());
    assert!(error.contains("nothing was changed") && error.contains("no known table"), "{error}");
    assert_eq!(fs::read(place.settings.data.join("coffer.store")).unwrap(), before);
    place.check(1).await;
    let actions = place.actions().await;
    assert!(actions.iter().any(|(action, outcome, ..)| action == ACTION && outcome == "Failed"), "{actions:?}");
}

#[tokio::test]
async fn a_store_in_use_is_left_alone() {
    let place = Place::new().await;
    let data = place.open().await;
    let error = place.rotate().await.unwrap_err();
    assert!(error.downcast_ref::<LockError>().is_some());
    assert!(format!("{error:#}").starts_with("stop the server first"), "{error:#}");
    data.close().await.unwrap();
    place.check(1).await;
}

#[tokio::test]
async fn another_metadata_file_under_neither_key_is_refused_and_both_keys_are_kept() {
    let place = Place::new().await;
    killed(&place, Killed::Announced).await;
    let other = Place::new().await;
    let kept = place.folder.path().join("kept");
    fs::rename(place.metadata(), &kept).unwrap();
    fs::copy(other.metadata(), place.metadata()).unwrap();
    let refused = LockedDirectory::existing(&place.settings).unwrap().open().await.err().unwrap();
    assert!(format!("{refused:#}").contains("another key"), "{refused:#}");
    assert_eq!(Bootstrap::open_all(&place.settings.data, &*place.root()).await.unwrap().len(), 2);
    assert!(place.settings.data.join(BUILDING).join(METADATA).exists());
    fs::rename(&kept, place.metadata()).unwrap();
    place.check(1).await;
}

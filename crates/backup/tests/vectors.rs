//! Opens every vector of vectors/backup, with the outcome it must have.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use coffer_backup::{Access, BackupError, BackupFolder, SystemFiles, restore, verify};
use coffer_keyring::LocalKeyring;
use coffer_store::Bootstrap;
use common::{keys_of, open_engine, rows_of, to};
use serde_json::{Value, json};

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_else(|| panic!("{field} is text"))
}

/// The outcome in the words of the vectors.
fn outcome<T>(result: &Result<T, BackupError>) -> &'static str {
    match result {
        Ok(_) => "opened",
        Err(BackupError::WrongKey(_) | BackupError::UnknownGeneration { .. }) => "wrong key",
        Err(BackupError::Damaged { .. }) => "damaged",
        Err(error) => panic!("{error}"),
    }
}

async fn check(vector: &Value) {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let bytes = |value: &Value| hex::decode(value.as_str().unwrap()).unwrap();
    for (name, content) in
        [("root.key", text(vector, "key_file").into()), ("root.key.keyring", bytes(&vector["keyring"]))]
    {
        fs::write(path(name), content).unwrap();
        fs::set_permissions(path(name), fs::Permissions::from_mode(0o600)).unwrap();
    }
    for folder in ["backups/manifests", "backups/chunks", "data/audit"] {
        fs::create_dir_all(path(folder)).unwrap();
    }
    let id = text(vector, "id");
    fs::write(path("backups/manifests").join(id), bytes(&vector["manifest"])).unwrap();
    for (name, content) in vector["files"].as_object().unwrap() {
        fs::write(path("backups/chunks").join(name), bytes(content)).unwrap();
    }
    let root = LocalKeyring::open(&path("root.key")).unwrap();
    let folder = BackupFolder::open(&path("backups"), Access::Shared).unwrap();
    let verified = verify(&folder, keys_of(&root), Some(id), &|_| {}).await;
    let restored = restore(&folder, keys_of(&root), Some(id), to(&path("data")), &SystemFiles, &|_| {}).await;
    let expect = text(vector, "expect");
    assert_eq!(outcome(&restored), expect);
    let verified = match verified {
        Ok(verified) if !verified.problems.is_empty() => "damaged",
        verified => outcome(&verified),
    };
    assert_eq!(verified, expect);
    if let Ok(restored) = restored {
        compare(&path("data"), &root, restored, &vector["opened"]).await;
    }
}

async fn compare(data: &Path, root: &LocalKeyring, restored: coffer_backup::RestoredMetadata, opened: &Value) {
    let bootstrap = Bootstrap::open(data, root).await.unwrap();
    assert_eq!(hex::encode(bootstrap.store_id), text(opened, "store_id"));
    assert_eq!(
        (json!(restored.backup.sequence), json!(restored.backup.taken_ms)),
        (opened["sequence"].clone(), opened["taken_ms"].clone())
    );
    let rows = rows_of(&open_engine(data, &bootstrap.metadata_key)).await;
    let rows = rows.iter().filter(|row| row.key != "Lrestored");
    let rows: Vec<_> = rows.map(|row| json!([hex::encode(&row.key), hex::encode(&row.value)])).collect();
    assert_eq!(&json!(rows), &opened["rows"]);
}

#[tokio::test]
async fn every_vector_ends_as_it_must() {
    let mut count = 0;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors/backup");
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        println!("{}", path.display());
        check(&serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap()).await;
        count += 1;
    }
    assert!(count >= 40, "{count}");
}

//! Takes backups with fresh keys, and writes them as vectors (see vectors/README.md), so that another implementation can
//! show that it opens what this one seals, and refuses what nobody honest seals.
//!
//! `cargo run -p coffer-backup --example fresh_vectors -- FOLDER`

#![expect(clippy::unwrap_used, reason = "a failure ends the program, as it should")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use coffer_backup::{BackupFolder, ChunkSizes, Source, TakeOptions, take};
use coffer_crypto::{Key32, random_array};
use coffer_keyring::{LocalKeyring, RootKeys as _};
use coffer_meta::{Commit, Engine as _, MemoryEngine};
use coffer_seal::{
    BackupSeries, PartKeys, backup_manifest_head, open_backup_manifest, open_stream, seal_backup_manifest, seal_stream,
};
use coffer_store::Bootstrap;
use minicbor::{Decode, Encode};
use serde_json::{Value, json};
use tokio::runtime::Builder;

const NOW_MS: u64 = 1_800_000_000_000;

fn main() {
    let folder = PathBuf::from(std::env::args_os().nth(1).expect("the folder to write to is the argument"));
    fs::create_dir_all(&folder).unwrap();
    Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
        // Where chunks end depends on a random key: some have to change, and some not.
        let whole = loop {
            if let Some(whole) = write_whole(&folder).await {
                break whole;
            }
        };
        write_damaged(&folder, &whole);
        write_forged(&folder, &whole).await;
    });
}

/// A backup as a vector has it, and what it takes to forge others.
#[derive(Clone)]
struct Vector {
    key_file: String,
    keyring: Vec<u8>,
    id: String,
    manifest: Vec<u8>,
    files: BTreeMap<String, Vec<u8>>,
}

impl Vector {
    fn write(&self, folder: &Path, name: &str, comment: &str, expect: &str, opened: &Value) {
        let files: BTreeMap<_, _> = self.files.iter().map(|(name, bytes)| (name, hex::encode(bytes))).collect();
        let vector = json!({
            "comment": comment, "expect": expect, "key_file": self.key_file, "keyring": hex::encode(&self.keyring),
            "id": self.id, "manifest": hex::encode(&self.manifest), "files": files, "opened": opened,
        });
        let text = serde_json::to_string_pretty(&vector).unwrap();
        fs::write(folder.join(name).with_extension("json"), text + "\n").unwrap();
    }

    fn damaged(&self, folder: &Path, name: &str, comment: &str, damage: impl FnOnce(&mut Self)) {
        let mut damaged = self.clone();
        damage(&mut damaged);
        damaged.write(folder, name, comment, "damaged", &Value::Null);
    }
}

/// A store of rows in memory, and a folder for its backups.
struct World {
    dir: tempfile::TempDir,
    root: LocalKeyring,
    bootstrap: Bootstrap,
    engine: MemoryEngine,
}

impl World {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = LocalKeyring::create(&dir.path().join("root.key")).unwrap();
        let bootstrap = Bootstrap::create(&dir.path().join("data"), &root).await.unwrap();
        Self { dir, root, bootstrap, engine: MemoryEngine::new() }
    }

    async fn back_up(&self, changes: &BTreeMap<String, Option<Vec<u8>>>) -> (Vector, Value) {
        let mut commit = Commit::new();
        for (key, value) in changes {
            match value {
                Some(value) => commit.put(key.clone(), value.clone()),
                None => commit.delete(key.clone()),
            };
        }
        self.engine.commit(commit).await.unwrap();
        let (data, backups) = (self.dir.path().join("data"), self.dir.path().join("backups"));
        let folder = BackupFolder::open_or_make(&backups).unwrap();
        let source = Source { engine: &self.engine, data: &data, root: &self.root };
        let chunks = ChunkSizes { min: 500, mean: 500, max: 2000 };
        let taken = take(&folder, source, &TakeOptions { full: false, chunks }, NOW_MS, &|_| {}).await.unwrap();
        let id = taken.backup.id.to_string();
        let manifest = fs::read(backups.join("manifests").join(&id)).unwrap();
        let body = Body::of(&self.bootstrap.metadata_key, &manifest);
        let file =
            |name: [u8; 16]| (hex::encode(name), fs::read(backups.join("chunks").join(hex::encode(name))).unwrap());
        let files =
            body.chunks.iter().flat_map(|chunk| [Some(chunk.file), chunk.patch.as_ref().map(|patch| patch.file)]);
        let files = files.flatten().map(file).collect();
        let key_file = fs::read_to_string(self.dir.path().join("root.key")).unwrap();
        let keyring = fs::read(self.dir.path().join("root.key.keyring")).unwrap();
        let opened = json!({
            "store_id": hex::encode(self.bootstrap.store_id), "sequence": taken.backup.sequence, "taken_ms": NOW_MS,
            "rows": self.rows().await, "ends": body.chunks.iter().map(|chunk| chunk.end).collect::<Vec<_>>(),
        });
        (Vector { key_file, keyring, id, manifest, files }, opened)
    }

    async fn rows(&self) -> Value {
        let all = coffer_meta::KeyRange::prefix(b"");
        let rows = self.engine.scan(all, usize::MAX, coffer_meta::Direction::Forward).await.unwrap();
        rows.iter().map(|row| json!([hex::encode(&row.key), hex::encode(&row.value)])).collect()
    }
}

/// A vector, and the metadata key that it is sealed under.
struct Whole {
    vector: Vector,
    metadata_key: Key32,
}

fn rows(count: usize) -> BTreeMap<String, Option<Vec<u8>>> {
    (0..count).map(|number| (format!("z{number:03}"), Some(vec![number as u8; 30 + number % 7]))).collect()
}

async fn write_whole(folder: &Path) -> Option<Whole> {
    let empty = World::new().await;
    let (vector, opened) = empty.back_up(&BTreeMap::new()).await;
    vector.write(folder, "no_rows", "A store without rows has no chunks.", "opened", &opened);
    let world = World::new().await;
    let (mut before, opened) = world.back_up(&rows(60)).await;
    before.write(folder, "first", "Every chunk has a file of its own.", "opened", &opened);
    let (unchanged, opened) = world.back_up(&BTreeMap::new()).await;
    assert_eq!(unchanged.files, before.files);
    unchanged.write(folder, "nothing_changed", "The files are those of the backup before.", "opened", &opened);
    let mut changes: BTreeMap<_, _> = [3, 4, 38].map(|number| (format!("z{number:03}"), Some(vec![0xee; 31]))).into();
    changes.insert("z005".to_owned(), None);
    changes.insert("z0371".to_owned(), Some(Vec::new()));
    let (vector, opened) = world.back_up(&changes).await;
    let body = Body::of(&world.bootstrap.metadata_key, &vector.manifest);
    let patched = body.chunks.iter().filter(|chunk| chunk.patch.is_some()).count();
    if patched < 2 || patched == body.chunks.len() {
        return None;
    }
    vector.write(folder, "patched", "Rows were put, replaced and removed: the chunks have patches.", "opened", &opened);
    let other = World::new().await;
    let (other, _) = other.back_up(&BTreeMap::new()).await;
    (before.key_file, before.keyring) = (other.key_file, other.keyring);
    before.write(folder, "another_root_key", "The root key is that of another store.", "wrong key", &Value::Null);
    world.root.rotate().await.unwrap();
    world.root.destroy_generation(1).await.unwrap();
    before.key_file = fs::read_to_string(world.dir.path().join("root.key")).unwrap();
    before.keyring = fs::read(world.dir.path().join("root.key.keyring")).unwrap();
    let comment = "The generation of the root key that wraps the metadata key is destroyed.";
    before.write(folder, "destroyed_generation", comment, "wrong key", &Value::Null);
    Some(Whole { vector, metadata_key: world.bootstrap.metadata_key })
}

fn write_damaged(folder: &Path, Whole { vector, metadata_key }: &Whole) {
    let body = Body::of(metadata_key, &vector.manifest);
    let head_len = backup_manifest_head(&vector.manifest).unwrap().len();
    for (name, at) in [
        ("magic_changed", 0),
        ("version_changed", 7),
        ("head_changed", 12 + 8 + 5),
        ("salt_changed", 12 + head_len),
        ("commitment_changed", 12 + head_len + 32),
        ("body_changed", vector.manifest.len() - 1),
    ] {
        vector.damaged(folder, name, "One bit of the manifest is another.", |vector| vector.manifest[at] ^= 1);
    }
    vector.damaged(folder, "manifest_cut", "The last byte of the manifest is missing.", |vector| {
        vector.manifest.pop();
    });
    vector.damaged(folder, "another_name", "The manifest has the name of another.", |vector| {
        vector.id = hex::encode([0xab; 16]);
    });
    let plain = hex::encode(body.chunks.iter().find(|chunk| chunk.patch.is_none()).unwrap().file);
    let patched = body.chunks.iter().find(|chunk| chunk.patch.is_some()).unwrap();
    let (base, patch) = (hex::encode(patched.file), hex::encode(patched.patch.as_ref().unwrap().file));
    for (what, file) in [("chunk", plain), ("patched_chunk", base), ("patch", patch)] {
        let of = |vector: &mut Vector| std::mem::take(vector.files.get_mut(&file).unwrap());
        vector.damaged(folder, &format!("{what}_missing"), "A file is missing.", |vector| {
            vector.files.remove(&file);
        });
        vector.damaged(folder, &format!("{what}_changed"), "One bit of a file is another.", |vector| {
            let mut bytes = of(vector);
            bytes[20] ^= 1;
            vector.files.insert(file.clone(), bytes);
        });
        vector.damaged(folder, &format!("{what}_extended"), "A file has one byte more.", |vector| {
            let bytes = [of(vector), vec![0]].concat();
            vector.files.insert(file.clone(), bytes);
        });
    }
}

/// What only somebody with the keys can make.
async fn write_forged(folder: &Path, whole: &Whole) {
    let forge = |name: &str, comment: &str, change: &dyn Fn(&mut Body, &mut Vector)| {
        let mut vector = whole.vector.clone();
        let mut body = Body::of(&whole.metadata_key, &vector.manifest);
        change(&mut body, &mut vector);
        vector.manifest = body.seal(&whole.metadata_key, &vector.manifest);
        vector.write(folder, name, comment, "damaged", &Value::Null);
    };
    forge("forged_rows", "The rows of the chunks do not add up to those of the backup.", &|body, _| body.rows += 1);
    forge("forged_id", "The id is not the name.", &|body, _| body.id[0] ^= 1);
    forge("forged_order", "Two chunks are in the wrong order.", &|body, _| body.chunks.swap(0, 1));
    forge("forged_twice", "A chunk is there twice.", &|body, _| {
        let again = body.chunks[0].clone();
        body.rows += again.rows;
        body.chunks.insert(0, again);
    });
    forge("forged_mac", "The MAC is not that of the rows.", &|body, _| body.chunks[0].mac[0] ^= 1);
    forge("forged_length", "A file is longer than any may be.", &|body, _| body.chunks[0].plain_len = (1 << 30) + 1);
    forge("forged_no_length", "A file is empty.", &|body, _| body.chunks[0].plain_len = 0);
    forge("forged_count", "A chunk has another number of rows, and the next one makes up for it.", &|body, _| {
        body.chunks[0].rows += 1;
        body.chunks[1].rows -= 1;
    });
    for (name, comment, start, len) in [
        ("forged_patch_start", "A patch begins behind its file.", u64::MAX, 1),
        ("forged_patch_end", "A patch ends behind its file.", 1, u64::MAX - 1),
        ("forged_patch_empty", "A patch has no bytes.", 0, 0),
        ("forged_patch_cut", "A patch ends within a change.", 0, 3),
    ] {
        forge(name, comment, &|body, _| {
            let patch = body.chunks.iter_mut().find_map(|chunk| chunk.patch.as_mut()).unwrap();
            (patch.start, patch.len) = (start, len);
        });
    }
    forge("forged_patch_missing", "The rows are those of the patch, and the patch is not named.", &|body, _| {
        body.chunks.iter_mut().find(|chunk| chunk.patch.is_some()).unwrap().patch = None;
    });
    let row = |key: &str, value: &[u8]| {
        let field = |bytes: &[u8]| [&(bytes.len() as u32).to_be_bytes()[..], bytes].concat();
        [field(key.as_bytes()), field(value)].concat()
    };
    for (name, comment, text, rows) in [
        ("forged_rows_order", "The rows of a chunk descend.", [row("b", b"1"), row("a", b"2")].concat(), 2),
        ("forged_rows_twice", "A chunk has a key twice.", [row("a", b"1"), row("a", b"2")].concat(), 2),
        ("forged_rows_cut", "The last row of a chunk is cut.", row("a", b"12")[..9].to_vec(), 1),
        (
            "forged_rows_gone",
            "A chunk that is no patch says that a row is gone.",
            b"\0\0\0\x01a\xff\xff\xff\xff".to_vec(),
            1,
        ),
    ] {
        forge(name, comment, &|body, vector| body.only(vector, &text, rows, None));
    }
    let base = [row("a", b"1"), row("c", b"3")].concat();
    for (name, comment, patch, expect) in [
        ("forged_patch_order", "The changes of a patch descend.", [row("c", b"4"), row("b", b"2")].concat(), "a1c4"),
        ("forged_patch_twice", "A patch has a key twice.", [row("b", b"2"), row("b", b"4")].concat(), "a1b4c3"),
    ] {
        let rows: Vec<u8> =
            expect.as_bytes().chunks(2).flat_map(|pair| row(&(pair[0] as char).to_string(), &pair[1..])).collect();
        let count = expect.len() as u64 / 2;
        forge(name, comment, &|body, vector| body.only(vector, &base, count, Some((&patch, &rows))));
    }
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct Body {
    #[cbor(n(0), with = "minicbor::bytes")]
    id: [u8; 16],
    #[n(1)]
    sequence: u64,
    #[n(2)]
    taken_ms: u64,
    #[cbor(n(3), with = "minicbor::bytes")]
    series_key: [u8; 32],
    #[n(4)]
    rows: u64,
    #[n(5)]
    chunks: Vec<Chunk>,
}

#[derive(Encode, Decode, Clone)]
#[cbor(map)]
struct Chunk {
    #[cbor(n(0), with = "minicbor::bytes")]
    file: [u8; 16],
    #[cbor(n(1), with = "minicbor::bytes")]
    key: [u8; 32],
    #[n(2)]
    plain_len: u64,
    #[n(3)]
    rows: u64,
    #[cbor(n(4), with = "minicbor::bytes")]
    mac: [u8; 32],
    #[n(5)]
    end: u64,
    #[n(6)]
    patch: Option<Patch>,
}

#[derive(Encode, Decode, Clone)]
#[cbor(map)]
struct Patch {
    #[cbor(n(0), with = "minicbor::bytes")]
    file: [u8; 16],
    #[cbor(n(1), with = "minicbor::bytes")]
    key: [u8; 32],
    #[n(2)]
    plain_len: u64,
    #[n(3)]
    start: u64,
    #[n(4)]
    len: u64,
}

impl Body {
    fn of(metadata_key: &Key32, manifest: &[u8]) -> Self {
        minicbor::decode(&open_backup_manifest(metadata_key, manifest).unwrap()).unwrap()
    }

    fn seal(&self, metadata_key: &Key32, manifest: &[u8]) -> Vec<u8> {
        let body = minicbor::to_vec(self).unwrap();
        seal_backup_manifest(metadata_key, backup_manifest_head(manifest).unwrap(), &body)
    }

    /// Makes `text` the one chunk of the backup, with a patch and the rows that it makes.
    fn only(&mut self, vector: &mut Vector, text: &[u8], rows: u64, patch: Option<(&[u8], &[u8])>) {
        vector.files.clear();
        let series = BackupSeries::new(&Key32::from_slice(&self.series_key).unwrap());
        let mac = series.chunk_mac(patch.map_or(text, |(_, rows)| rows));
        let (file, key) = put(vector, text);
        let patch = patch.map(|(patch, _)| {
            let (file, key) = put(vector, patch);
            Patch { file, key, plain_len: patch.len() as u64, start: 0, len: patch.len() as u64 }
        });
        self.rows = rows;
        self.chunks = vec![Chunk { file, key, plain_len: text.len() as u64, rows, mac, end: 0, patch }];
    }
}

fn put(vector: &mut Vector, text: &[u8]) -> ([u8; 16], [u8; 32]) {
    let (file, key) = (random_array(), random_array::<32>());
    let keys = || PartKeys::new(Key32::from_slice(&key).unwrap(), None);
    let sealed = seal_stream(&keys(), text);
    assert!(open_stream(keys(), text.len() as u64, sealed.clone()).unwrap()[..] == *text);
    vector.files.insert(hex::encode(file), sealed);
    (file, key)
}

//! The folder that backups lie in: `manifests` and `chunks`, files of random names.

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use coffer_crypto::random_array;
use coffer_keyring::{KeyError, RootKeys};
use coffer_seal::{OpenError, backup_manifest_head, open_backup_manifest, open_stream, seal_backup_manifest};
use coffer_store::{Bootstrap, BootstrapError};
use zeroize::Zeroizing;

use crate::error::BackupError;
use crate::files::{Files, SystemFiles};
use crate::manifest::{BackupId, BackupInfo, ChunkEntry, Manifest};

const MANIFESTS: &str = "manifests";
const CHUNKS: &str = "chunks";
const LOCK: &str = ".lock";

/// Who else may be at work in the folder meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Others that read.
    Shared,
    /// Nobody.
    Exclusive,
}

/// A folder of backups, locked. The system gives it back when the process ends, however it ends.
pub struct BackupFolder {
    path: PathBuf,
    files: Arc<dyn Files>,
    _lock: File,
}

/// A backup as [`BackupFolder::list`] finds it.
#[derive(Debug)]
pub struct Listed {
    /// Its id.
    pub id: BackupId,
    /// What its manifest says, or why that cannot be opened.
    pub info: Result<BackupInfo, BackupError>,
}

/// A manifest, opened, with what it belongs to.
pub(crate) struct OpenedManifest {
    pub(crate) manifest: Manifest,
    pub(crate) bootstrap: Bootstrap,
    /// The bootstrap file as it was.
    pub(crate) head: Vec<u8>,
}

impl BackupFolder {
    /// Opens the folder at `path` for itself alone, and makes it if it is missing or empty.
    ///
    /// # Errors
    /// [`BackupError::Foreign`], [`BackupError::InUse`], [`BackupError::Io`].
    pub fn open_or_make(path: &Path) -> Result<Self, BackupError> {
        Self::open_or_make_with(path, Arc::new(SystemFiles))
    }

    /// Opens or makes the folder by other means than those of the system.
    ///
    /// # Errors
    /// As [`BackupFolder::open_or_make`].
    pub fn open_or_make_with(path: &Path, files: Arc<dyn Files>) -> Result<Self, BackupError> {
        files.make_folder(path).map_err(BackupError::io(path))?;
        if !is_ours(path)? {
            let is_foreign = |name: &str| !name.starts_with('.') && name != "lost+found";
            if names(path)?.iter().any(|name| is_foreign(name)) {
                return Err(BackupError::Foreign(path.to_owned()));
            }
        }
        let folder = Self { path: path.to_owned(), _lock: lock(path, Access::Exclusive)?, files };
        for name in [CHUNKS, MANIFESTS] {
            folder.files.make_folder(&path.join(name)).map_err(BackupError::io(path))?;
        }
        folder.files.sync_folder(path).map_err(BackupError::io(path))?;
        Ok(folder)
    }

    /// Opens the folder at `path`, which has backups.
    ///
    /// # Errors
    /// [`BackupError::None`], [`BackupError::InUse`], [`BackupError::Io`].
    pub fn open(path: &Path, access: Access) -> Result<Self, BackupError> {
        Self::open_with(path, access, Arc::new(SystemFiles))
    }

    /// Opens the folder by other means than those of the system.
    ///
    /// # Errors
    /// As [`BackupFolder::open`].
    pub fn open_with(path: &Path, access: Access, files: Arc<dyn Files>) -> Result<Self, BackupError> {
        if !is_ours(path)? {
            return Err(BackupError::None(path.to_owned()));
        }
        Ok(Self { path: path.to_owned(), _lock: lock(path, access)?, files })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Every backup of the folder, the latest last; those that cannot be opened come first.
    ///
    /// # Errors
    /// [`BackupError::Key`] when the root key cannot be asked; [`BackupError::Io`].
    pub async fn list(&self, root: &dyn RootKeys) -> Result<Vec<Listed>, BackupError> {
        let (opened, unreadable) = self.open_all(root).await?;
        let unreadable = unreadable.into_iter().map(|(id, error)| Listed { id, info: Err(error) });
        let opened = opened.iter().map(|opened| Listed { id: opened.manifest.id, info: Ok(opened.manifest.info()) });
        Ok(unreadable.chain(opened).collect())
    }

    /// Opens every manifest: those that open in the order in which they were taken, and the others with the reason.
    pub(crate) async fn open_all(
        &self,
        root: &dyn RootKeys,
    ) -> Result<(Vec<OpenedManifest>, Vec<(BackupId, BackupError)>), BackupError> {
        let (mut opened, mut unreadable) = (Vec::new(), Vec::new());
        for id in self.ids()? {
            match self.manifest(root, id).await {
                Ok(manifest) => opened.push(manifest),
                Err(error) if error.is_unreadable() => unreadable.push((id, error)),
                Err(error) => return Err(error),
            }
        }
        opened.sort_by_key(|opened| (opened.manifest.sequence, opened.manifest.taken_ms, opened.manifest.id));
        Ok((opened, unreadable))
    }

    /// The backup whose id starts with `prefix`; without one the latest.
    ///
    /// # Errors
    /// [`BackupError::Unreadable`] when it cannot be told which one is the latest.
    pub(crate) async fn find(&self, root: &dyn RootKeys, prefix: Option<&str>) -> Result<OpenedManifest, BackupError> {
        if let Some(prefix) = prefix {
            let mut ids = self.ids()?.into_iter().filter(|id| id.to_string().starts_with(prefix));
            let (Some(id), None) = (ids.next(), ids.next()) else {
                return Err(BackupError::NoSuchBackup(prefix.to_owned()));
            };
            return self.manifest(root, id).await;
        }
        let (mut opened, mut unreadable) = self.open_all(root).await?;
        match (opened.pop(), unreadable.len()) {
            (Some(latest), 0) => Ok(latest),
            (None, 0) => Err(BackupError::None(self.path.clone())),
            (None, 1) => Err(unreadable.remove(0).1),
            (_, count) => Err(BackupError::Unreadable(count)),
        }
    }

    /// The ids of all manifests.
    fn ids(&self) -> Result<Vec<BackupId>, BackupError> {
        Ok(names(&self.path.join(MANIFESTS))?.iter().filter_map(|name| BackupId::parse(name)).collect())
    }

    async fn manifest(&self, root: &dyn RootKeys, id: BackupId) -> Result<OpenedManifest, BackupError> {
        let path = self.path.join(MANIFESTS).join(id.to_string());
        let bytes = fs::read(&path).map_err(BackupError::io(&path))?;
        let damaged = |what: &str| BackupError::Damaged { id, what: what.to_owned() };
        let head = backup_manifest_head(&bytes).map_err(|_| damaged("its manifest is none"))?;
        let bootstrap = Bootstrap::from_bytes(head, &path, root).await.map_err(|error| match error {
            BootstrapError::RootKey { source: KeyError::UnknownGeneration(generation), .. } => {
                BackupError::UnknownGeneration { id, generation }
            }
            BootstrapError::RootKey { source: KeyError::WrongKey, .. } => BackupError::WrongKey(id),
            BootstrapError::RootKey { source: source @ (KeyError::Unavailable(_) | KeyError::Denied(_)), .. } => {
                BackupError::Key(source)
            }
            _ => damaged("the wrapped key in its manifest"),
        })?;
        let body = open_backup_manifest(&bootstrap.metadata_key, &bytes).map_err(|error| match error {
            OpenError::WrongKey => damaged("its manifest is not under the key that it names"),
            OpenError::Tampered(_) | OpenError::Malformed(_) => damaged("its manifest was changed"),
        })?;
        let manifest = Manifest::decode(&body).ok_or_else(|| damaged("its manifest makes no sense"))?;
        if manifest.id != id {
            return Err(damaged("its manifest is that of another backup"));
        }
        Ok(OpenedManifest { manifest, bootstrap, head: head.to_vec() })
    }

    /// Makes a manifest durable: the backup is there when this returns, and was not before.
    pub(crate) async fn put_manifest(
        &self,
        manifest: &Manifest,
        bootstrap: &Bootstrap,
        head: &[u8],
    ) -> Result<(), BackupError> {
        let sealed = seal_backup_manifest(&bootstrap.metadata_key, head, &manifest.encode());
        let name = manifest.id.to_string();
        self.blocking(move |path, files| {
            let folder = path.join(MANIFESTS);
            // The chunks have names before anything names them.
            files.sync_folder(&path.join(CHUNKS)).map_err(BackupError::io(path))?;
            let temporary = folder.join(format!(".{name}"));
            files.write_new(&temporary, &sealed).map_err(BackupError::io(&temporary))?;
            files.rename(&temporary, &folder.join(name)).map_err(BackupError::io(&temporary))?;
            files.sync_folder(&folder).map_err(BackupError::io(&folder))
        })
        .await
    }

    /// Writes a sealed chunk under a new name. The name is durable once a manifest is.
    pub(crate) async fn put_chunk(&self, sealed: Vec<u8>) -> Result<[u8; 16], BackupError> {
        let file: [u8; 16] = random_array();
        self.blocking(move |path, files| {
            let path = path.join(CHUNKS).join(hex::encode(file));
            files.write_new(&path, &sealed).map_err(BackupError::io(&path))
        })
        .await?;
        Ok(file)
    }

    /// Whether the file of a chunk is there and has the right length.
    pub(crate) fn has_chunk(&self, chunk: &ChunkEntry) -> bool {
        fs::metadata(self.chunk_path(chunk)).is_ok_and(|file| file.len() == chunk.stored_len())
    }

    /// Reads and opens a chunk; the error says what is wrong with it.
    pub(crate) async fn read_chunk(
        &self,
        chunk: &ChunkEntry,
    ) -> Result<Result<Zeroizing<Vec<u8>>, String>, BackupError> {
        let (path, keys, plain_len, stored_len) =
            (self.chunk_path(chunk), chunk.part_keys(), chunk.plain_len, chunk.stored_len());
        let name = hex::encode(chunk.file);
        self.blocking(move |_, _| {
            match fs::metadata(&path) {
                Ok(file) if file.len() == stored_len => {}
                Ok(_) => return Ok(Err(format!("chunk {name} has another length"))),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    return Ok(Err(format!("chunk {name} is missing")));
                }
                Err(error) => return Err(BackupError::io(&path)(error)),
            }
            let sealed = fs::read(&path).map_err(BackupError::io(&path))?;
            Ok(open_stream(keys, plain_len, sealed).map_err(|_| format!("chunk {name} was changed")))
        })
        .await
    }

    fn chunk_path(&self, chunk: &ChunkEntry) -> PathBuf {
        self.path.join(CHUNKS).join(hex::encode(chunk.file))
    }

    /// Removes what interrupted backups and prunes have left: chunks that none of `manifests` names, which are all that
    /// there are, and manifests that were not finished. Returns how many chunks those were, and their bytes.
    pub(crate) async fn clean<'a>(
        &self,
        manifests: impl Iterator<Item = &'a Manifest>,
    ) -> Result<(u64, u64), BackupError> {
        let named: BTreeSet<_> =
            manifests.flat_map(|manifest| manifest.chunks.iter().map(|chunk| hex::encode(chunk.file))).collect();
        self.blocking(move |path, files| {
            let (mut removed, mut bytes) = (0, 0);
            let folder = path.join(CHUNKS);
            for name in names(&folder)?.into_iter().filter(|name| !named.contains(name)) {
                let file = folder.join(name);
                bytes += fs::metadata(&file).map_or(0, |file| file.len());
                files.remove(&file).map_err(BackupError::io(&file))?;
                removed += 1;
            }
            let folder = path.join(MANIFESTS);
            for name in names(&folder)?.into_iter().filter(|name| name.starts_with('.')) {
                let file = folder.join(name);
                files.remove(&file).map_err(BackupError::io(&file))?;
            }
            Ok((removed, bytes))
        })
        .await
    }

    /// Removes manifests, and returns when that is durable: their chunks may be removed then.
    pub(crate) async fn remove_manifests(&self, ids: Vec<BackupId>) -> Result<(), BackupError> {
        self.blocking(move |path, files| {
            let folder = path.join(MANIFESTS);
            for id in ids {
                let file = folder.join(id.to_string());
                files.remove(&file).map_err(BackupError::io(&file))?;
            }
            files.sync_folder(&folder).map_err(BackupError::io(&folder))
        })
        .await
    }

    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Path, &dyn Files) -> Result<T, BackupError> + Send + 'static,
    ) -> Result<T, BackupError> {
        let (path, files) = (self.path.clone(), Arc::clone(&self.files));
        let done = tokio::task::spawn_blocking(move || work(&path, &*files)).await;
        done.map_err(|error| BackupError::io(&self.path)(error.into()))?
    }
}

/// The chunks of manifests, by the keyed hash of their content.
pub(crate) fn chunks_by_mac(manifests: &[OpenedManifest]) -> HashMap<[u8; 32], ChunkEntry> {
    let chunks = manifests.iter().flat_map(|opened| &opened.manifest.chunks);
    chunks.map(|chunk| (chunk.mac, chunk.copy())).collect()
}

/// Whether there are backups in the folder, or were about to be.
fn is_ours(path: &Path) -> Result<bool, BackupError> {
    path.join(MANIFESTS).try_exists().map_err(BackupError::io(path))
}

fn names(folder: &Path) -> Result<Vec<String>, BackupError> {
    let names = fs::read_dir(folder).and_then(|entries| {
        entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect::<io::Result<_>>()
    });
    names.map_err(BackupError::io(folder))
}

fn lock(path: &Path, access: Access) -> Result<File, BackupError> {
    let name = path.join(LOCK);
    let mut options = OpenOptions::new();
    // A folder that can only be read can be restored from.
    let file = match options.write(true).create(true).truncate(false).mode(0o600).open(&name) {
        Err(error) if access == Access::Shared && error.kind() != io::ErrorKind::NotFound => File::open(&name),
        file => file,
    };
    let file = file.map_err(BackupError::io(&name))?;
    let locked = match access {
        Access::Shared => file.try_lock_shared(),
        Access::Exclusive => file.try_lock(),
    };
    match locked {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(BackupError::InUse(path.to_owned())),
        Err(TryLockError::Error(error)) => Err(BackupError::io(&name)(error)),
    }
}

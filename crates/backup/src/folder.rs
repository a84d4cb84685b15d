//! The folder that backups lie in: `manifests` and `chunks`, files of random names.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use coffer_crypto::{Key32, random_array};
use coffer_keyring::{KeyError, RootKeys};
use coffer_seal::{
    OpenError, backup_manifest_head, open_backup_manifest, open_stream, seal_backup_manifest, seal_stream,
};
use coffer_store::{Bootstrap, BootstrapError};
use zeroize::Zeroizing;

use crate::error::BackupError;
use crate::files::{Files, Found, SystemFiles, has_file, read_file};
use crate::lock::{Access, lock};
use crate::manifest::{BackupId, BackupInfo, ChunkEntry, Manifest, Stored};

const MANIFESTS: &str = "manifests";
const CHUNKS: &str = "chunks";
/// No manifest is longer: it is read before anything is known of it. That is a million chunks and more.
const MAX_MANIFEST_LEN: u64 = 256 << 20;

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

/// What a folder holds.
#[derive(Default)]
pub(crate) struct Survey {
    /// The backups that can be opened, in the order in which they were taken.
    pub(crate) backups: Vec<BackupInfo>,
    /// The last of them.
    pub(crate) latest: Option<OpenedManifest>,
    /// The names of the files that they need.
    pub(crate) files: HashSet<[u8; 16]>,
    /// The others, and why they cannot be opened.
    pub(crate) unreadable: Vec<(BackupId, BackupError)>,
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

    /// Every backup of the folder, the latest last; those that cannot be opened come first.
    ///
    /// # Errors
    /// [`BackupError::Key`] when the root key cannot be asked; [`BackupError::Io`].
    pub async fn list(&self, root: &dyn RootKeys) -> Result<Vec<Listed>, BackupError> {
        let Survey { backups, unreadable, .. } = self.survey(root).await?;
        let unreadable = unreadable.into_iter().map(|(id, error)| Listed { id, info: Err(error) });
        Ok(unreadable.chain(backups.into_iter().map(|info| Listed { id: info.id, info: Ok(info) })).collect())
    }

    /// Opens every manifest, and keeps one of them.
    pub(crate) async fn survey(&self, root: &dyn RootKeys) -> Result<Survey, BackupError> {
        let mut survey = Survey::default();
        for id in self.ids()? {
            let opened = match self.manifest(root, id).await {
                Ok(opened) => opened,
                Err(error) if error.is_unreadable() => {
                    survey.unreadable.push((id, error));
                    continue;
                }
                Err(error) => return Err(error),
            };
            survey.files.extend(opened.manifest.files().into_keys());
            survey.backups.push(opened.manifest.info());
            let is_latest = |latest: &OpenedManifest| latest.manifest.info().order() < opened.manifest.info().order();
            if survey.latest.as_ref().is_none_or(is_latest) {
                survey.latest = Some(opened);
            }
        }
        survey.backups.sort_by_key(BackupInfo::order);
        Ok(survey)
    }

    /// Refuses a folder in which a backup of another store is, whether it opens or not.
    pub(crate) async fn check_store(&self, store_id: [u8; 16]) -> Result<(), BackupError> {
        for id in self.ids()? {
            let read = self.read_manifest(id).await?;
            let head = read.as_ref().ok().and_then(|bytes| backup_manifest_head(bytes).ok());
            if head.and_then(Bootstrap::store_id_in).is_some_and(|other| other != store_id) {
                return Err(BackupError::OtherStore(self.path.clone()));
            }
        }
        Ok(())
    }

    /// The names of the files that these backups need.
    pub(crate) async fn files_of(
        &self,
        root: &dyn RootKeys,
        ids: impl Iterator<Item = BackupId>,
    ) -> Result<HashSet<[u8; 16]>, BackupError> {
        let mut files = HashSet::new();
        for id in ids {
            files.extend(self.manifest(root, id).await?.manifest.files().into_keys());
        }
        Ok(files)
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
        let Survey { latest, mut unreadable, .. } = self.survey(root).await?;
        match (latest, unreadable.len()) {
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
        let bytes = self.read_manifest(id).await?.map_err(|what| BackupError::Damaged { id, what })?;
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

    /// The bytes of a manifest, or what is wrong with its file.
    async fn read_manifest(&self, id: BackupId) -> Result<Result<Vec<u8>, String>, BackupError> {
        self.blocking(move |path, _| {
            let path = path.join(MANIFESTS).join(id.to_string());
            Ok(match read_file(&path, 0, MAX_MANIFEST_LEN).map_err(BackupError::io(&path))? {
                Found::File(bytes) => Ok(bytes),
                Found::OtherLength => Err("its manifest is too long".to_owned()),
                Found::NoFile => Err("its manifest is no file".to_owned()),
                Found::Nothing => Err("its manifest is missing".to_owned()),
            })
        })
        .await
    }

    /// Makes a manifest durable: the backup is there when this returns, and was not before.
    pub(crate) async fn put_manifest(
        &self,
        manifest: &Manifest,
        bootstrap: &Bootstrap,
        head: &[u8],
    ) -> Result<(), BackupError> {
        let sealed = seal_backup_manifest(&bootstrap.metadata_key, head, &manifest.encode());
        if sealed.len() as u64 > MAX_MANIFEST_LEN {
            return Err(BackupError::TooLarge);
        }
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

    /// Whether there is a manifest of this name, or that cannot be told.
    pub(crate) fn has_manifest(&self, id: BackupId) -> bool {
        self.path.join(MANIFESTS).join(id.to_string()).try_exists().unwrap_or(true)
    }

    /// Seals what becomes a file and writes it under a new name. The name is durable once a manifest is.
    pub(crate) async fn put_file(&self, text: Zeroizing<Vec<u8>>) -> Result<Stored, BackupError> {
        let stored = Stored { file: random_array(), key: Key32::generate(), plain_len: text.len() as u64 };
        let (file, keys) = (stored.file, stored.part_keys());
        self.blocking(move |path, files| {
            let path = path.join(CHUNKS).join(hex::encode(file));
            files.write_new(&path, &seal_stream(&keys, &text)).map_err(BackupError::io(&path))
        })
        .await?;
        Ok(stored)
    }

    /// Whether the files of a chunk are there and have the right lengths.
    pub(crate) fn has_chunk(&self, chunk: &ChunkEntry) -> bool {
        chunk.files().all(|stored| has_file(&self.file_path(stored.file), stored.len()))
    }

    /// Reads and opens a file; the error says what is wrong with it.
    pub(crate) async fn open_file(&self, stored: &Stored) -> Result<Result<Zeroizing<Vec<u8>>, String>, BackupError> {
        let (path, keys, plain_len, len) =
            (self.file_path(stored.file), stored.part_keys(), stored.plain_len, stored.len());
        let name = hex::encode(stored.file);
        self.blocking(move |_, _| {
            Ok(match read_file(&path, len, len).map_err(BackupError::io(&path))? {
                Found::File(sealed) => {
                    open_stream(keys, plain_len, sealed).map_err(|_| format!("chunk {name} was changed"))
                }
                Found::OtherLength => Err(format!("chunk {name} has another length")),
                Found::NoFile => Err(format!("chunk {name} is no file")),
                Found::Nothing => Err(format!("chunk {name} is missing")),
            })
        })
        .await
    }

    fn file_path(&self, file: [u8; 16]) -> PathBuf {
        self.path.join(CHUNKS).join(hex::encode(file))
    }

    /// Removes what interrupted backups and prunes have left: files of chunks that are not among `named`, by which every
    /// backup of the folder is whole, and manifests that were not finished. Returns how many files of chunks those were,
    /// and their bytes. Files whose names no backup draws are left alone.
    pub(crate) async fn clean(&self, named: HashSet<[u8; 16]>) -> Result<(u64, u64), BackupError> {
        self.blocking(move |path, files| {
            let (mut removed, mut bytes) = (0, 0);
            let folder = path.join(CHUNKS);
            let is_left_over = |name: &String| BackupId::parse(name).is_some_and(|file| !named.contains(&file.0));
            for name in names(&folder)?.into_iter().filter(is_left_over) {
                let file = folder.join(name);
                bytes += fs::symlink_metadata(&file).map_or(0, |file| file.len());
                files.remove(&file).map_err(BackupError::io(&file))?;
                removed += 1;
            }
            let folder = path.join(MANIFESTS);
            let is_unfinished = |name: &String| name.strip_prefix('.').and_then(BackupId::parse).is_some();
            for name in names(&folder)?.into_iter().filter(is_unfinished) {
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

/// Whether there are backups in the folder, or were about to be.
///
/// # Errors
/// When a link is there in place of a folder: what it leads to would be taken for chunks that nobody names, and removed.
fn is_ours(path: &Path) -> Result<bool, BackupError> {
    let mut is_ours = false;
    for name in [CHUNKS, MANIFESTS] {
        let path = path.join(name);
        is_ours = match fs::symlink_metadata(&path) {
            Ok(found) if found.is_dir() => true,
            Ok(_) => return Err(BackupError::NoFolder(path)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => return Err(BackupError::io(&path)(error)),
        };
    }
    Ok(is_ours)
}

fn names(folder: &Path) -> Result<Vec<String>, BackupError> {
    let names = fs::read_dir(folder).and_then(|entries| {
        entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect::<io::Result<_>>()
    });
    names.map_err(BackupError::io(folder))
}

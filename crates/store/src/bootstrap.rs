//! The one file of a store that is readable: which format it has, and its metadata key, wrapped by the root key.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use coffer_crypto::{Key32, random_array};
use coffer_keyring::{KeyError, Purpose, RootId, RootKeys, WrapContext};
use thiserror::Error;

use crate::records::{decode, encode};

/// The name of the file in the data directory.
pub const FILE_NAME: &str = "coffer.store";

const MAGIC: &[u8; 8] = b"COFFER\x00\x01";

/// What a store needs before anything of it can be opened.
pub struct Bootstrap {
    /// The id of the store.
    pub store_id: [u8; 16],
    /// The key of the system records and of the engine's pages.
    pub metadata_key: Key32,
    /// The generation of the metadata key.
    pub generation: u32,
}

/// Why a store cannot be bootstrapped. Nothing was written.
#[derive(Debug, Error)]
pub enum BootstrapError {
    /// The directory holds no store.
    #[error("{0} holds no Coffer store")]
    Missing(PathBuf),
    /// The directory holds other things.
    #[error("{0} is not empty and holds no Coffer store")]
    Foreign(PathBuf),
    /// The file is not one of ours, or of a later version.
    #[error("{0} is damaged or of a later version of Coffer")]
    Damaged(PathBuf),
    /// A new metadata key is about to take the place of the old one: the store has to be opened first.
    #[error("{0} tells of a rotation of the metadata key that is not over")]
    Unsettled(PathBuf),
    /// The root key is not the one that the store was made with, or its provider is not there.
    #[error("the metadata key of {path} cannot be unwrapped: {source}")]
    RootKey {
        /// The file.
        path: PathBuf,
        /// Why.
        source: KeyError,
    },
    /// The disk or the system failed.
    #[error("{path}: {source}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

#[derive(minicbor::Encode, minicbor::Decode)]
#[cbor(map)]
struct BootstrapRecord {
    #[cbor(n(0), with = "minicbor::bytes")]
    store_id: [u8; 16],
    #[cbor(n(1), with = "minicbor::bytes")]
    metadata_key_id: [u8; 16],
    #[n(2)]
    generation: u32,
    #[cbor(n(3), with = "minicbor::bytes")]
    wrapped_metadata_key: Vec<u8>,
    /// The metadata key that is about to take the place of the other. Which of the two is in use, the metadata file
    /// says: it is sealed under that one.
    #[n(4)]
    next: Option<NextKeyRecord>,
}

#[derive(minicbor::Encode, minicbor::Decode)]
#[cbor(map)]
struct NextKeyRecord {
    #[cbor(n(0), with = "minicbor::bytes")]
    id: [u8; 16],
    #[n(1)]
    generation: u32,
    #[cbor(n(2), with = "minicbor::bytes")]
    wrapped: Vec<u8>,
}

impl Bootstrap {
    /// Whether `data` holds a store.
    #[must_use]
    pub fn exists(data: &Path) -> bool {
        data.join(FILE_NAME).exists()
    }

    /// Makes a new store's bootstrap file in `data`, an empty directory or one that does not exist yet.
    ///
    /// # Errors
    /// [`BootstrapError`]
    pub async fn create(data: &Path, root: &dyn RootKeys) -> Result<Self, BootstrapError> {
        let io = |source| BootstrapError::Io { path: data.to_owned(), source };
        fs::create_dir_all(data).map_err(io)?;
        let foreign = |entry: &io::Result<fs::DirEntry>| {
            entry.as_ref().is_ok_and(|entry| !entry.file_name().to_string_lossy().starts_with('.'))
        };
        if fs::read_dir(data).map_err(io)?.any(|entry| foreign(&entry)) {
            return Err(BootstrapError::Foreign(data.to_owned()));
        }
        let path = data.join(FILE_NAME);
        let metadata_key = Key32::generate();
        let (store_id, metadata_key_id, generation) = (random_array(), random_array(), 1);
        let wrapped_metadata_key = root
            .wrap(&context(metadata_key_id, generation), &metadata_key)
            .await
            .map_err(|source| BootstrapError::RootKey { path: path.clone(), source })?;
        let record = BootstrapRecord { store_id, metadata_key_id, generation, wrapped_metadata_key, next: None };
        write_durably(data, &path, &record.bytes()).map_err(|source| BootstrapError::Io { path, source })?;
        Ok(Self { store_id, metadata_key, generation })
    }

    /// Opens the bootstrap file of the store in `data`.
    ///
    /// # Errors
    /// [`BootstrapError`]
    pub async fn open(data: &Path, root: &dyn RootKeys) -> Result<Self, BootstrapError> {
        Self::from_bytes(&Self::read(data)?, &data.join(FILE_NAME), root).await
    }

    /// Reads the bootstrap file of the store in `data`, as it is.
    ///
    /// # Errors
    /// [`BootstrapError::Missing`], [`BootstrapError::Io`].
    pub fn read(data: &Path) -> Result<Vec<u8>, BootstrapError> {
        let path = data.join(FILE_NAME);
        fs::read(&path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => BootstrapError::Missing(data.to_owned()),
            _ => BootstrapError::Io { path, source },
        })
    }

    /// The id of the store, as a bootstrap file claims; `None` when it is none.
    #[must_use]
    pub fn store_id_in(bytes: &[u8]) -> Option<[u8; 16]> {
        BootstrapKey::parse(bytes, Path::new(FILE_NAME)).ok().map(|stored| stored.record.store_id)
    }

    /// Opens the bootstrap file of the store in `data` with every metadata key that it has: a second one if a rotation
    /// was interrupted. The metadata file is sealed under one of them, and that one is to be
    /// [settled](Bootstrap::settle).
    ///
    /// # Errors
    /// [`BootstrapError`]
    pub async fn open_all(data: &Path, root: &dyn RootKeys) -> Result<Vec<Self>, BootstrapError> {
        let stored = BootstrapKey::read(data)?;
        let store_id = stored.record.store_id;
        let current = Self { store_id, metadata_key: stored.unwrap(root).await?, generation: stored.record.generation };
        let mut all = vec![current];
        if let Some(next) = stored.with_next_only() {
            let generation = next.record.generation;
            all.push(Self { store_id, metadata_key: next.unwrap(root).await?, generation });
        }
        Ok(all)
    }

    /// Leaves nothing in the bootstrap file of the store in `data` but the metadata key of this generation. The others
    /// are lost.
    ///
    /// # Errors
    /// [`BootstrapError`]
    pub fn settle(data: &Path, generation: u32) -> Result<(), BootstrapError> {
        let mut stored = BootstrapKey::read(data)?;
        if let Some(next) = stored.with_next_only() {
            stored.record.next = None;
            if next.record.generation == generation {
                stored = next;
            }
            // What the metadata file is called is durable before a key that it may need is lost.
            let io = |source| BootstrapError::Io { path: data.to_owned(), source };
            File::open(data).and_then(|folder| folder.sync_all()).map_err(io)?;
            stored.write()?;
        }
        // What a crash in the middle of a write left.
        let temporary = temporary(data);
        match fs::remove_file(&temporary) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(BootstrapError::Io { path: temporary, source })
            }
            _ => Ok(()),
        }
    }

    /// The generation of the root key that wraps the metadata key in a bootstrap file; `None` if `root` does not know.
    #[must_use]
    pub fn wrapped_by(bytes: &[u8], root: &dyn RootKeys) -> Option<(RootId, u32)> {
        BootstrapKey::parse(bytes, Path::new(FILE_NAME)).ok()?.root_generation(root)
    }

    /// Opens what a bootstrap file holds. `path` is for errors.
    ///
    /// # Errors
    /// [`BootstrapError::Damaged`], [`BootstrapError::RootKey`].
    pub async fn from_bytes(bytes: &[u8], path: &Path, root: &dyn RootKeys) -> Result<Self, BootstrapError> {
        let stored = BootstrapKey::parse(bytes, path)?;
        let metadata_key = stored.unwrap(root).await?;
        Ok(Self { store_id: stored.record.store_id, metadata_key, generation: stored.record.generation })
    }
}

/// The metadata key of a store, wrapped, as its bootstrap file has it.
pub(crate) struct BootstrapKey {
    path: PathBuf,
    record: BootstrapRecord,
}

impl BootstrapKey {
    pub(crate) fn read(data: &Path) -> Result<Self, BootstrapError> {
        Self::parse(&Bootstrap::read(data)?, &data.join(FILE_NAME))
    }

    fn parse(bytes: &[u8], path: &Path) -> Result<Self, BootstrapError> {
        let record = bytes.strip_prefix(MAGIC).and_then(|record| decode(record).ok());
        let record = record.ok_or_else(|| BootstrapError::Damaged(path.to_owned()))?;
        Ok(Self { path: path.to_owned(), record })
    }

    /// The generation of the root key that wraps it; `None` if `root` does not know.
    pub(crate) fn root_generation(&self, root: &dyn RootKeys) -> Option<(RootId, u32)> {
        root.generation_of(&self.record.wrapped_metadata_key).ok()
    }

    /// Wraps it anew under the generation that wraps now, and writes the file: a crash leaves the old one or the new one.
    pub(crate) async fn rewrap(mut self, root: &dyn RootKeys) -> Result<(), BootstrapError> {
        if self.record.next.is_some() {
            return Err(BootstrapError::Unsettled(self.path));
        }
        let key = self.unwrap(root).await?;
        self.record.wrapped_metadata_key = self.wrap(root, &self.context(), &key).await?;
        self.write()
    }

    /// Draws the metadata key of the next generation, which is in the file from [`BootstrapKey::write`] on. Also
    /// returns the one in use.
    pub(crate) async fn draw_next(&mut self, root: &dyn RootKeys) -> Result<[Bootstrap; 2], BootstrapError> {
        let BootstrapRecord { store_id, generation, ref next, .. } = self.record;
        if next.is_some() {
            return Err(BootstrapError::Unsettled(self.path.clone()));
        }
        let current = Bootstrap { store_id, metadata_key: self.unwrap(root).await?, generation };
        let generation = generation.checked_add(1).ok_or_else(|| BootstrapError::Damaged(self.path.clone()))?;
        let (metadata_key, id) = (Key32::generate(), random_array());
        let wrapped = self.wrap(root, &context(id, generation), &metadata_key).await?;
        self.record.next = Some(NextKeyRecord { id, generation, wrapped });
        Ok([current, Bootstrap { store_id, metadata_key, generation }])
    }

    /// What the next metadata key is called in the audit log, if there is one.
    pub(crate) fn next_name(&self) -> Option<String> {
        let next = self.record.next.as_ref()?;
        Some(format!("metadata-key/{}:{}", hex::encode(next.id), next.generation))
    }

    /// Writes the file: a crash leaves the old one or this one.
    pub(crate) fn write(&self) -> Result<(), BootstrapError> {
        let data = self.path.parent().unwrap_or(Path::new("."));
        write_durably(data, &self.path, &self.record.bytes())
            .map_err(|source| BootstrapError::Io { path: self.path.clone(), source })
    }

    /// The file once the next metadata key is in use, if there is one.
    fn with_next_only(&self) -> Option<Self> {
        let NextKeyRecord { id, generation, wrapped } = self.record.next.as_ref()?;
        let record = BootstrapRecord {
            store_id: self.record.store_id,
            metadata_key_id: *id,
            generation: *generation,
            wrapped_metadata_key: wrapped.clone(),
            next: None,
        };
        Some(Self { path: self.path.clone(), record })
    }

    /// Wraps a key. No key is given up for a wrapping of it that nobody has unwrapped.
    async fn wrap(&self, root: &dyn RootKeys, context: &WrapContext, key: &Key32) -> Result<Vec<u8>, BootstrapError> {
        let refused = |source| BootstrapError::RootKey { path: self.path.clone(), source };
        let wrapped = root.wrap(context, key).await.map_err(refused)?;
        let unwrapped = root.unwrap(context, &wrapped).await.map_err(refused)?;
        if !coffer_crypto::ct_eq(unwrapped.expose(), key.expose()) {
            return Err(refused(KeyError::Unavailable("it unwraps another key than it has wrapped".to_owned())));
        }
        Ok(wrapped)
    }

    async fn unwrap(&self, root: &dyn RootKeys) -> Result<Key32, BootstrapError> {
        let unwrapped = root.unwrap(&self.context(), &self.record.wrapped_metadata_key).await;
        unwrapped.map_err(|source| BootstrapError::RootKey { path: self.path.clone(), source })
    }

    fn context(&self) -> WrapContext {
        context(self.record.metadata_key_id, self.record.generation)
    }
}

impl BootstrapRecord {
    /// What the file holds.
    fn bytes(&self) -> Vec<u8> {
        [&MAGIC[..], &encode(self)].concat()
    }
}

fn context(key_id: [u8; 16], generation: u32) -> WrapContext {
    WrapContext { purpose: Purpose::MetadataKey, key_id, generation }
}

/// Where the file is written before it gets its name.
fn temporary(dir: &Path) -> PathBuf {
    // The leading dot keeps a left-over from looking like a foreign file.
    dir.join(format!(".{FILE_NAME}.new"))
}

/// Writes a whole file so that a crash leaves either none or all of it.
fn write_durably(dir: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = temporary(dir);
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    File::open(dir)?.sync_all()
}

//! Opening and creating the file.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use redb::{Database, ReadableDatabase, TableDefinition, TableError};
use thiserror::Error;

use super::RedbSettings;
use super::view::View;
use crate::pages::{Backend, Fault, FileDisk, FormatError, PageKeys, SealedPages};

/// The one table.
pub(super) const TABLE: TableDefinition<'static, &[u8], &[u8]> = TableDefinition::new("entries");

/// The table of one row: what whoever uses the engine wants to find beside the entries.
pub(super) const MARK: TableDefinition<'static, (), &[u8]> = TableDefinition::new("mark");

/// Why an engine cannot be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Another engine, in this process or another, has the file open.
    #[error("the metadata file is open elsewhere")]
    AlreadyOpen,
    /// The file is sealed under another key. It was not changed.
    #[error("the metadata file is sealed under another key")]
    WrongKey,
    /// The file is something else. It was not changed.
    #[error("not a metadata file")]
    NotMetadata,
    /// The file is of a version this program does not know. It was not changed.
    #[error("the metadata file has version {0}, which is not known")]
    Version(u32),
    /// The file is not what was written: restore from a backup.
    #[error("the metadata file is damaged: {0}")]
    Damaged(String),
    /// Part of what was committed is in the journal of the file: open both.
    #[error("the metadata file has a journal")]
    HasJournal,
    /// The disk or the system failed.
    #[error("the metadata file cannot be read or written")]
    Io(#[from] io::Error),
}

impl From<FormatError> for OpenError {
    fn from(error: FormatError) -> Self {
        match error {
            FormatError::NotMetadata => Self::NotMetadata,
            FormatError::Version(version) => Self::Version(version),
            FormatError::WrongKey => Self::WrongKey,
            FormatError::Damaged(what) => Self::Damaged(what.into()),
            FormatError::Io(error) => Self::Io(error),
        }
    }
}

/// Opens the file at `path`; makes it when there is none.
pub(super) fn open_or_create(
    path: &Path,
    keys: PageKeys,
    settings: &RedbSettings,
) -> Result<(Arc<SealedPages>, Database), OpenError> {
    if !path.try_exists()? {
        let building = building_path(path);
        let disk = FileDisk::open(&building, true)?.ok_or(OpenError::AlreadyOpen)?;
        // Whoever held the lock until now may have finished the file.
        if !path.try_exists()? {
            return create(path, &building, disk, keys, settings);
        }
        fs::remove_file(&building)?;
    }
    let disk = FileDisk::open(path, false)?.ok_or(OpenError::AlreadyOpen)?;
    let pages = Arc::new(SealedPages::open(Box::new(disk), keys)?);
    let database = open_database(&pages, settings)?;
    Ok((pages, database))
}

/// Builds a whole database beside `path` and moves it there: a crash leaves no half-made file under the name.
fn create(
    path: &Path,
    building: &Path,
    disk: FileDisk,
    keys: PageKeys,
    settings: &RedbSettings,
) -> Result<(Arc<SealedPages>, Database), OpenError> {
    // A file that is made again under the same key, as by a restore, starts where no earlier one has been. Half of all
    // epochs are left above.
    let epoch = u32::from_be_bytes(coffer_crypto::random_array()) >> 1;
    SealedPages::create(&disk, &keys, epoch)?;
    let pages = Arc::new(SealedPages::open(Box::new(disk), keys)?);
    let database = create_database(&pages, settings)?;
    fs::rename(building, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()?;
    Ok((pages, database))
}

fn building_path(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".new");
    PathBuf::from(name)
}

/// Makes a database with the table in `pages`, which are none yet.
pub(super) fn create_database(pages: &Arc<SealedPages>, settings: &RedbSettings) -> Result<Database, OpenError> {
    let create = || {
        let database = builder(settings).create_with_backend(backend(pages))?;
        let transaction = database.begin_write()?;
        transaction.open_table(TABLE)?;
        transaction.commit()?;
        Ok(database)
    };
    create().map_err(|error| open_error(pages, error))
}

/// Opens the database in `pages`, recovering it from a crash.
pub(super) fn open_database(pages: &Arc<SealedPages>, settings: &RedbSettings) -> Result<Database, OpenError> {
    // redb would take no pages for a new database.
    if pages.len() == 0 {
        return Err(OpenError::Damaged("the file is cut short".into()));
    }
    let fell_back = pages.fell_back();
    let walk = fell_back || pages.needs_walk();
    if walk {
        tracing::warn!("the metadata file was not closed cleanly: verifying all of it");
    }
    pages.set_lenient(walk);
    let database = builder(settings).set_check_integrity_on_open(fell_back).create_with_backend(backend(pages));
    pages.set_lenient(false);
    database.map_err(|error| open_error(pages, error.into()))
}

fn builder(settings: &RedbSettings) -> redb::Builder {
    let mut builder = redb::Builder::new();
    builder.set_cache_size(settings.cache_bytes);
    builder
}

fn backend(pages: &Arc<SealedPages>) -> Backend {
    Backend(Arc::clone(pages))
}

/// The first view of a database just opened.
pub(super) fn first_view(pages: &SealedPages, database: &Database) -> Result<View, OpenError> {
    View::new(database).map_err(|error| open_error(pages, error))
}

/// The mark that was committed last.
pub(super) fn read_mark(pages: &SealedPages, database: &Database) -> Result<Option<Bytes>, OpenError> {
    let read = || {
        let table = match database.begin_read()?.open_table(MARK) {
            Ok(table) => table,
            Err(TableError::TableDoesNotExist(_)) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        Ok(table.get(())?.map(|mark| Bytes::copy_from_slice(mark.value())))
    };
    read().map_err(|error| open_error(pages, error))
}

fn open_error(pages: &SealedPages, error: redb::Error) -> OpenError {
    match (pages.faults().first(), error) {
        (Some(Fault::Damaged(what)), _) | (_, redb::Error::Corrupted(what)) => OpenError::Damaged(what),
        (_, redb::Error::Io(error)) => OpenError::Io(error),
        (_, error) => OpenError::Io(io::Error::other(error)),
    }
}

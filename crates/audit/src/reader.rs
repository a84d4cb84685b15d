//! Reading and verifying a log.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};

use crate::chain::{self, Checkpoint, Hash};
use crate::entry::{self, Entry};
use crate::error::AuditError;
use crate::keys::{AuditKeys, PublicKeys};
use crate::line::{Line, MAX_LINE_LEN};

/// The end of the name of a file of the log.
const SUFFIX: &str = ".log";

/// What was found in a log whose chain and checkpoints hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// How many entries there are.
    pub entries: u64,
    /// How far they go.
    pub end: Checkpoint,
    /// The generation of the metadata key that the last one hangs on; 0 if that is not known.
    pub generation: u32,
    /// How far they are signed.
    pub signed: Checkpoint,
    /// The last line is cut, as a crash leaves it; it is not counted.
    pub is_cut: bool,
}

/// Verifies the log in `folder` with what anybody may know: the id of the store and its public keys. `kept` are
/// checkpoints that were kept elsewhere, which the log must have.
///
/// # Errors
/// The first thing that is wrong.
pub fn verify(
    folder: &Path,
    store_id: &[u8; 16],
    public_keys: &PublicKeys,
    kept: &[Checkpoint],
) -> Result<Verified, AuditError> {
    let mut kept: Vec<_> = kept.to_vec();
    let verified = walk(folder, store_id, Start::First, |path, line, step| {
        match step {
            Step::Entry { .. } => {}
            Step::Checkpoint { checkpoint, signature, generation } => {
                let key = public_keys.get(generation);
                if !key.is_some_and(|key| checkpoint.is_signed(key, store_id, signature)) {
                    let number = checkpoint.number;
                    return Err(AuditError::Checkpoint { path: path.to_owned(), line, number });
                }
            }
        }
        let reached = step.reached();
        kept.retain(|wanted| *wanted != reached);
        Ok(())
    })?;
    kept.retain(|wanted| *wanted != Checkpoint { number: 0, hash: chain::start(store_id) });
    match kept.first() {
        None => Ok(verified),
        Some(missing) => Err(AuditError::Missing { text: missing.text() }),
    }
}

/// Reads every entry of the log in `folder`, in their order.
///
/// # Errors
/// When the log is damaged; what `each` returns.
pub fn read_entries(
    folder: &Path,
    keys: &AuditKeys,
    mut each: impl FnMut(u64, Entry) -> Result<(), AuditError>,
) -> Result<Verified, AuditError> {
    walk(folder, &keys.store_id, Start::First, |_, _, step| match step {
        Step::Entry { number, sealed, .. } => each(*number, Entry::open(keys, *number, sealed)?),
        Step::Checkpoint { .. } => Ok(()),
    })
}

/// Verifies the chain within the last file of a log, and so finds its end: a log may be long.
///
/// # Errors
/// The first thing that is wrong there.
pub(crate) fn find_end(folder: &Path, store_id: &[u8; 16]) -> Result<Verified, AuditError> {
    walk(folder, store_id, Start::LastFile, |_, _, _| Ok(()))
}

/// Where to begin.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Start {
    /// With the first entry there ever was.
    First,
    /// With the last file, whatever came before it.
    LastFile,
}

/// A line whose place in the chain holds.
enum Step {
    Entry {
        number: u64,
        sealed: Vec<u8>,
        hash: Hash,
    },
    /// A checkpoint, and the generation of the metadata key that the entry before it hangs on: that signs it.
    Checkpoint {
        checkpoint: Checkpoint,
        signature: Vec<u8>,
        generation: u32,
    },
}

impl Step {
    fn reached(&self) -> Checkpoint {
        match self {
            Self::Entry { number, hash, .. } => Checkpoint { number: *number, hash: *hash },
            Self::Checkpoint { checkpoint, .. } => *checkpoint,
        }
    }
}

/// Goes through all lines, and checks that each entry follows from the one before it.
fn walk(
    folder: &Path,
    store_id: &[u8; 16],
    start: Start,
    mut each: impl FnMut(&Path, u64, &Step) -> Result<(), AuditError>,
) -> Result<Verified, AuditError> {
    let mut end = Checkpoint { number: 0, hash: chain::start(store_id) };
    let mut verified = Verified { entries: 0, end, generation: 0, signed: end, is_cut: false };
    let mut files = files(folder)?;
    if start == Start::LastFile {
        files.drain(..files.len().saturating_sub(1));
    }
    for (place, path) in files.iter().enumerate() {
        let is_last = place + 1 == files.len();
        let mut lines = Lines::open(path)?;
        let mut is_first = true;
        while let Some((number, text)) = lines.next()? {
            let unreadable = || AuditError::Line { path: path.clone(), line: number };
            let Some(text) = text else {
                // What a crash leaves of the last line; anywhere else nothing is ever cut.
                if !is_last {
                    return Err(unreadable());
                }
                verified.is_cut = true;
                break;
            };
            let broken = |entry| AuditError::Broken { path: path.clone(), line: number, number: entry };
            match Line::parse(&text).ok_or_else(unreadable)? {
                Line::Head { first, previous, store_id: of } => {
                    if !is_first || of != *store_id {
                        return Err(unreadable());
                    }
                    if start == Start::LastFile && first > 1 {
                        end = Checkpoint { number: first - 1, hash: previous };
                        verified.signed = end;
                    } else if place == 0 && first != 1 {
                        return Err(AuditError::Beginning { number: first });
                    }
                    if end.number.checked_add(1) != Some(first) || previous != end.hash {
                        return Err(broken(first));
                    }
                }
                _ if is_first => return Err(unreadable()),
                Line::Entry { number: entry, sealed, hash } => {
                    if end.number.checked_add(1) != Some(entry) || chain::hash(&end.hash, entry, &sealed) != hash {
                        return Err(broken(entry));
                    }
                    let generation = entry::generation(&sealed).ok_or(AuditError::Sealed { number: entry })?;
                    if generation < verified.generation {
                        return Err(AuditError::OldKey { path: path.clone(), line: number, number: entry });
                    }
                    verified.generation = generation;
                    end = Checkpoint { number: entry, hash };
                    verified.entries += 1;
                    each(path, number, &Step::Entry { number: entry, sealed, hash })?;
                }
                Line::Checkpoint { checkpoint, signature } => {
                    if checkpoint != end {
                        let (path, entry) = (path.clone(), checkpoint.number);
                        return Err(AuditError::Checkpoint { path, line: number, number: entry });
                    }
                    let generation = verified.generation;
                    each(path, number, &Step::Checkpoint { checkpoint, signature, generation })?;
                    verified.signed = checkpoint;
                }
            }
            is_first = false;
        }
    }
    verified.end = end;
    Ok(verified)
}

/// The files of a log in their order; none if there is no log.
pub(crate) fn files(folder: &Path) -> Result<Vec<PathBuf>, AuditError> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let io = |source| AuditError::Io { path: folder.to_owned(), source };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(io)? {
        let path = entry.map_err(io)?.path();
        if path.to_string_lossy().ends_with(SUFFIX) {
            files.push(path);
        }
    }
    // The names have the number of the first entry, with as many digits as any number may have.
    files.sort();
    Ok(files)
}

/// The file that begins with this entry.
pub(crate) fn file(folder: &Path, first: u64) -> PathBuf {
    folder.join(format!("{first:020}{SUFFIX}"))
}

/// The lines of a file, of bounded length.
struct Lines {
    path: PathBuf,
    file: BufReader<File>,
    number: u64,
}

impl Lines {
    fn open(path: &Path) -> Result<Self, AuditError> {
        let file = File::open(path).map_err(AuditError::io(path))?;
        Ok(Self { path: path.to_owned(), file: BufReader::new(file), number: 0 })
    }

    /// The next line and its number; `None` in place of a line that has no end.
    fn next(&mut self) -> Result<Option<(u64, Option<String>)>, AuditError> {
        let mut line = Vec::new();
        let mut bounded = (&mut self.file).take(MAX_LINE_LEN as u64);
        let len = bounded.read_until(b'\n', &mut line).map_err(AuditError::io(&self.path))?;
        if len == 0 {
            return Ok(None);
        }
        self.number += 1;
        let has_end = line.pop_if(|last| *last == b'\n').is_some();
        if !has_end && len == MAX_LINE_LEN {
            return Err(AuditError::Line { path: self.path.clone(), line: self.number });
        }
        let text = String::from_utf8(line);
        let text = text.map_err(|_| AuditError::Line { path: self.path.clone(), line: self.number })?;
        Ok(Some((self.number, has_end.then_some(text))))
    }
}

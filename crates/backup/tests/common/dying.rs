//! Files as they are when the power fails at a chosen step.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use coffer_backup::{Files, SystemFiles};

/// Does a number of steps, and no more. Names that were not synced by then are as before, if `forgets`; the step that
/// is not done leaves half a file, if it is a write.
pub struct DyingFiles {
    state: Mutex<State>,
    forgets: bool,
}

struct State {
    steps_left: usize,
    is_dead: bool,
    /// What undoes the changes of names that no sync has made durable, by folder.
    unsynced: Vec<(PathBuf, Undo)>,
}

enum Undo {
    Remove(PathBuf),
    PutBack(PathBuf, Vec<u8>),
    Rename { from: PathBuf, to: PathBuf },
}

impl DyingFiles {
    pub fn after(steps: usize, forgets: bool) -> Self {
        let state = State { steps_left: steps, is_dead: false, unsynced: Vec::new() };
        Self { state: Mutex::new(state), forgets }
    }

    pub fn is_dead(&self) -> bool {
        self.state.lock().unwrap().is_dead
    }

    fn step(&self, undo: Option<(&Path, Undo)>, work: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let mut state = self.state.lock().unwrap();
        if state.is_dead {
            return Err(io::Error::other("the power is off"));
        }
        if state.steps_left == 0 {
            state.is_dead = true;
            if self.forgets {
                for (_, undo) in std::mem::take(&mut state.unsynced).into_iter().rev() {
                    undo.undo();
                }
            }
            return Err(io::Error::other("the power fails"));
        }
        state.steps_left -= 1;
        work()?;
        if let Some((folder, undo)) = undo {
            state.unsynced.push((folder.to_owned(), undo));
        }
        Ok(())
    }
}

impl Undo {
    fn undo(self) {
        match self {
            Self::Remove(path) => fs::remove_file(path).unwrap(),
            Self::PutBack(path, bytes) => fs::write(path, bytes).unwrap(),
            Self::Rename { from, to } => fs::rename(from, to).unwrap(),
        }
    }
}

impl Files for DyingFiles {
    fn make_folder(&self, path: &Path) -> io::Result<()> {
        self.step(None, || SystemFiles.make_folder(path))
    }

    fn write_new(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let was_dead = self.is_dead();
        let undo = (path.parent().unwrap(), Undo::Remove(path.to_owned()));
        let written = self.step(Some(undo), || SystemFiles.write_new(path, bytes));
        if !was_dead && self.is_dead() && !self.forgets {
            fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
        }
        written
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let undo = Undo::Rename { from: to.to_owned(), to: from.to_owned() };
        self.step(Some((to.parent().unwrap(), undo)), || SystemFiles.rename(from, to))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let bytes = fs::read(path)?;
        let undo = Undo::PutBack(path.to_owned(), bytes);
        self.step(Some((path.parent().unwrap(), undo)), || SystemFiles.remove(path))
    }

    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        self.step(None, || SystemFiles.remove_folder(path))
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        self.step(None, || SystemFiles.sync_folder(path))?;
        self.state.lock().unwrap().unsynced.retain(|(folder, _)| folder != path);
        Ok(())
    }
}

/// A disk that is full after so many files, and half of the next.
pub struct FullDisk(pub AtomicUsize);

impl Files for FullDisk {
    fn make_folder(&self, path: &Path) -> io::Result<()> {
        SystemFiles.make_folder(path)
    }

    fn write_new(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        if self.0.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_err() {
            fs::write(path, &bytes[..bytes.len() / 2])?;
            return Err(io::ErrorKind::StorageFull.into());
        }
        SystemFiles.write_new(path, bytes)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        SystemFiles.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        SystemFiles.remove(path)
    }

    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        SystemFiles.remove_folder(path)
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        SystemFiles.sync_folder(path)
    }
}

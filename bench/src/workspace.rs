//! Where the bench puts its files: data that goes away with it, results that stay.

use std::env;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result, bail};
use serde::Serialize;
use time::OffsetDateTime;
use time::macros::format_description;

/// The folders of one run. The data folder is removed when this is dropped.
pub(crate) struct Workspace {
    target: PathBuf,
    data: PathBuf,
    _lock: File,
}

impl Workspace {
    /// Makes an empty data folder, on the disk that the source is built on.
    ///
    /// # Errors
    /// When another bench runs: each would measure the other.
    pub(crate) fn claim() -> Result<Self> {
        Self::claim_in(target_folder())
    }

    fn claim_in(target: PathBuf) -> Result<Self> {
        fs::create_dir_all(&target)?;
        let lock = File::create(target.join("bench-data.lock"))?;
        if lock.try_lock().is_err() {
            bail!("another bench runs: each would measure the other");
        }
        let data = target.join("bench-data");
        // A bench that was killed could not clean up.
        remove(&data)?;
        fs::create_dir(&data)?;
        Ok(Self { target, data, _lock: lock })
    }

    /// Cargo's target folder.
    #[must_use]
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// The data folder.
    #[must_use]
    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    /// Writes `report` to `bench/results`, named by its start; returns the path.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn save(&self, report: &crate::report::Report) -> Result<PathBuf> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("results");
        fs::create_dir_all(&folder)?;
        save(report, folder.join(format!("{}.json", report.started)))
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        // The next bench removes what cannot be removed now.
        let _ = remove(&self.data);
    }
}

/// A time as the name of a file: `YYYYMMDDTHHMMSSZ`.
#[must_use]
pub(crate) fn file_time(time: SystemTime) -> String {
    let format = format_description!("[year][month][day]T[hour][minute][second]Z");
    OffsetDateTime::from(time).format(format).expect("the format asks for what a time has")
}

fn save(report: &impl Serialize, path: PathBuf) -> Result<PathBuf> {
    let text = serde_json::to_string_pretty(report)?;
    fs::write(&path, text).with_context(|| path.display().to_string())?;
    Ok(path)
}

fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error).with_context(|| folder.display().to_string()),
        _ => Ok(()),
    }
}

/// Where cargo builds: the folder that this program, in `release` or `debug`, was built to, else its default.
fn target_folder() -> PathBuf {
    let program = env::current_exe().unwrap_or_default();
    let built = program.ancestors().nth(2).filter(|folder| folder.join("CACHEDIR.TAG").is_file());
    built.map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"), Path::to_path_buf)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn folder(name: &str) -> PathBuf {
        env::temp_dir().join(format!("coffer-bench-{name}-{}", std::process::id()))
    }

    #[test]
    fn data_of_a_killed_bench_is_gone_and_own_data_goes() {
        let target = folder("left-over");
        fs::create_dir_all(target.join("bench-data")).unwrap();
        fs::write(target.join("bench-data/left-over"), b"x").unwrap();
        let workspace = Workspace::claim_in(target.clone()).unwrap();
        assert_eq!(fs::read_dir(workspace.data()).unwrap().count(), 0);
        drop(workspace);
        assert!(!target.join("bench-data").exists());
        fs::remove_dir_all(target).unwrap();
    }

    #[test]
    fn a_second_bench_is_refused_and_leaves_the_data_of_the_first() {
        let target = folder("second");
        let first = Workspace::claim_in(target.clone()).unwrap();
        assert!(Workspace::claim_in(target.clone()).is_err());
        assert!(first.data().is_dir());
        drop(first);
        assert!(Workspace::claim_in(target.clone()).is_ok());
        fs::remove_dir_all(target).unwrap();
    }

    #[test]
    fn names_of_results_sort_by_time() {
        assert_eq!(file_time(UNIX_EPOCH + Duration::from_secs(1_369_353_600)), "20130524T000000Z");
    }
}

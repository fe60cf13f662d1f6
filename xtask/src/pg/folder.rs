//! The folder of one throwaway cluster.
//!
//! **Invariant:** a folder belongs to the process that holds the lock on its file `lock`.
//! The kernel frees the lock when that process ends, so what a killed run left behind can
//! be told from a cluster in use, across containers that share `/tmp` too.

use std::fs::{self, DirBuilder, File};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, chown};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::owner::Owner;

const PREFIX: &str = "elohim-pg-";
const LOCK: &str = "lock";

/// Removed with all its content when dropped.
pub(super) struct Folder {
    path: PathBuf,
    _lock: File,
}

impl Folder {
    /// Makes a folder for this process that `owner` can write to, and removes those of
    /// processes that are gone.
    pub(super) fn create(base: &Path, owner: &Owner) -> Result<Self> {
        remove_leftovers(base);
        let path = unused(base)?;
        let lock = File::create(path.join(LOCK))?;
        lock.lock().context("cannot lock the cluster's folder")?;
        let folder = Self { path, _lock: lock };
        if let Some((user, group)) = owner.ids() {
            chown(&folder.path, Some(user), Some(group))?;
        }
        Ok(folder)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// The path of the server's socket must stay below 107 bytes, and the server's user must
/// be able to reach it: a private TMPDIR often fails both.
pub(super) fn base() -> PathBuf {
    let short = PathBuf::from("/tmp");
    if short.is_dir() { short } else { std::env::temp_dir() }
}

fn unused(base: &Path) -> Result<PathBuf> {
    let mut attempt = 0;
    loop {
        let path = base.join(format!("{PREFIX}{}-{attempt}", std::process::id()));
        match DirBuilder::new().mode(0o700).create(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => attempt += 1,
            Err(error) => {
                return Err(error).with_context(|| format!("cannot create {}", path.display()));
            }
        }
    }
}

fn remove_leftovers(base: &Path) {
    let Ok(entries) = fs::read_dir(base) else { return };
    for entry in entries.flatten() {
        let is_ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX));
        // One without a lock file is being made at this moment.
        let is_unheld =
            |path: &Path| File::open(path.join(LOCK)).is_ok_and(|lock| lock.try_lock().is_ok());
        if is_ours && is_unheld(&entry.path()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_in_use_stay_and_leftovers_go() {
        let base = std::env::temp_dir().join(format!("xtask-folders-{}", std::process::id()));
        fs::create_dir_all(base.join("elohim-pg-1-0")).unwrap();
        fs::write(base.join("elohim-pg-1-0").join(LOCK), "").unwrap();
        fs::create_dir_all(base.join("elohim-pg-2-0")).unwrap();
        fs::create_dir_all(base.join("other")).unwrap();

        let first = Folder::create(&base, &Owner::Ourselves).unwrap();
        let second = Folder::create(&base, &Owner::Ourselves).unwrap();
        let is_there = |path: &Path| path.is_dir();
        assert!(is_there(first.path()) && is_there(second.path()));
        assert!(!is_there(&base.join("elohim-pg-1-0")));
        assert!(is_there(&base.join("elohim-pg-2-0")) && is_there(&base.join("other")));

        let path = first.path().to_path_buf();
        drop(first);
        assert!(!is_there(&path));
        fs::remove_dir_all(&base).unwrap();
    }
}

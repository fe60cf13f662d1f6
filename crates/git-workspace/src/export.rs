//! Checkouts: the files of a commit, without git, in a folder of their own.
//!
//! **Invariant:** every file and folder is created relative to its opened parent and never
//! through a link. A checkout lives as long as its guard; the kernel frees the guard's lock
//! when a process dies, so that the next start can tell stale checkouts from live ones.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use git2::{Oid, Repository};
use rustix::fs::{Mode, OFlags, mkdirat, open, openat};
use tempfile::NamedTempFile;

use crate::error::{Result, internal};
use crate::listing;
use crate::mirror::{private_dir, tree_of};

/// The data directory's `checkouts` folder.
#[derive(Debug)]
pub(crate) struct Checkouts {
    dir: PathBuf,
}

/// Removes the checkout when dropped.
#[derive(Debug)]
pub(crate) struct Guard {
    dir: PathBuf,
    /// Locked as long as the guard lives; its file is removed last.
    _lock: NamedTempFile,
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.dir) {
            tracing::warn!(%error, "a checkout could not be removed");
        }
    }
}

impl Checkouts {
    /// Creates the folder and empties it of what dead processes left.
    pub(crate) fn new(data_dir: &Path) -> Result<Self> {
        let dir = data_dir.join("checkouts");
        private_dir(&dir)?;
        let checkouts = Self { dir };
        checkouts.sweep()?;
        Ok(checkouts)
    }

    /// Removes checkouts whose lock nobody holds.
    fn sweep(&self) -> Result<()> {
        let doing = "remove stale checkouts";
        for entry in fs::read_dir(&self.dir).map_err(internal(doing))? {
            let path = entry.map_err(internal(doing))?.path();
            if path.extension().is_some_and(|e| e == "lock") {
                continue;
            }
            let lock = lock_of(&path);
            let free = match File::open(&lock) {
                Ok(file) => file.try_lock().is_ok(),
                // The lock is made first, so a folder without one is abandoned.
                Err(e) => e.kind() == std::io::ErrorKind::NotFound,
            };
            if free {
                let removed = remove(&path).and_then(|()| match fs::remove_file(lock) {
                    Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e),
                    _ => Ok(()),
                });
                if let Err(error) = removed {
                    tracing::warn!(%error, "a stale checkout could not be removed");
                }
            }
        }
        Ok(())
    }

    /// Writes the regular files of `base` into a fresh folder.
    pub(crate) fn export(&self, mirror: &Repository, base: Oid) -> Result<(PathBuf, Guard)> {
        let tree = tree_of(mirror, base)?;
        let listing = listing::list(mirror, &tree)?;
        let guard = self.fresh()?;
        let dir = guard.dir.clone();
        let mut writer = Writer::new(&dir)?;
        for file in &listing.files {
            let blob = mirror.find_blob(file.blob).map_err(internal("read a blob"))?;
            writer.write(&file.path, blob.content(), file.executable)?;
        }
        Ok((dir, guard))
    }

    /// An empty private folder. Its lock is held before it appears.
    fn fresh(&self) -> Result<Guard> {
        let doing = "create a checkout";
        let lock = tempfile::Builder::new()
            .prefix("")
            .rand_bytes(16)
            .suffix(".lock")
            .tempfile_in(&self.dir)
            .map_err(internal(doing))?;
        lock.as_file().lock().map_err(internal(doing))?;
        let dir = lock.path().with_extension("");
        let mut builder = fs::DirBuilder::new();
        builder.mode(0o700).create(&dir).map_err(internal(doing))?;
        Ok(Guard { dir, _lock: lock })
    }
}

fn lock_of(checkout: &Path) -> PathBuf {
    checkout.with_extension("lock")
}

/// Removes a folder, also when somebody took the rights to its parts away.
fn remove(dir: &Path) -> io::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {
            open_up(dir)?;
            fs::remove_dir_all(dir)
        }
        other => other,
    }
}

/// Makes folders enterable and writable again, without following links.
fn open_up(dir: &Path) -> io::Result<()> {
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))?;
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    Ok(())
}

/// Writes files in the order of their paths, keeping the folders on the way open.
struct Writer {
    root: OwnedFd,
    open: Vec<(String, OwnedFd)>,
}

const DOING: &str = "write a checkout";

impl Writer {
    fn new(dir: &Path) -> Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let root = open(dir, flags, Mode::empty()).map_err(internal(DOING))?;
        Ok(Self { root, open: Vec::new() })
    }

    fn write(&mut self, path: &str, content: &[u8], executable: bool) -> Result<()> {
        let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
        let folder = self.enter(folders)?;
        let mode = if executable { 0o755 } else { 0o644 };
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(folder, name, flags, Mode::from_raw_mode(mode));
        let mut file = File::from(file.map_err(internal(DOING))?);
        file.write_all(content).map_err(internal(DOING))
    }

    /// The opened folder of a path, created on the way where it is new.
    fn enter(&mut self, path: &str) -> Result<&OwnedFd> {
        let names: Vec<&str> = path.split('/').filter(|n| !n.is_empty()).collect();
        let shared =
            self.open.iter().zip(&names).take_while(|((open, _), name)| open == *name).count();
        self.open.truncate(shared);
        for name in names.into_iter().skip(shared) {
            let parent = self.open.last().map_or(&self.root, |(_, fd)| fd);
            match mkdirat(parent, name, Mode::from_raw_mode(0o755)) {
                Ok(()) | Err(rustix::io::Errno::EXIST) => {}
                Err(error) => return Err(internal(DOING)(error)),
            }
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let folder = openat(parent, name, flags, Mode::empty()).map_err(internal(DOING))?;
            self.open.push((name.to_owned(), folder));
        }
        Ok(self.open.last().map_or(&self.root, |(_, fd)| fd))
    }
}

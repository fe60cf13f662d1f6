//! What an engine left in a checkout.
//!
//! **Invariant:** nothing is read through a link: every folder and file is opened relative
//! to its opened parent. What is neither a file nor a folder is refused, not skipped, unless
//! the repository ignores it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::path::Path;

use agent_core::port::workspace::{TreeChange, WorkspaceError};
use git2::{ObjectType, Oid, Repository};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat, fstat, open, openat, statat};

use crate::error::{Result, internal, refused};
use crate::judge::apply_ops;
use crate::listing::{self, Listed, MAX_DEPTH};
use crate::mirror::tree_of;
use crate::policy::{MAX_FILE_BYTES, MAX_PATCH_FILES, is_listable};
use crate::tree::Op;

const DOING: &str = "read a checkout";
/// Files and folders looked at, those of the base included.
const MAX_ENTRIES: usize = 500_000;

/// The difference between `base` and the files below `dir`, judged.
pub(crate) fn collect(mirror: &Repository, base: Oid, dir: &Path) -> Result<TreeChange> {
    let tree = tree_of(mirror, base)?;
    let listing = listing::list(mirror, &tree)?;
    let tracked = listing.files.iter().map(|file| (file.path.as_str(), file)).collect();
    // Only for the rules of .gitignore, which libgit2 reads from a work tree. Not stored.
    mirror.set_workdir(dir, false).map_err(internal(DOING))?;
    let root = open(dir, folder_flags(), Mode::empty()).map_err(internal(DOING))?;
    let mut walk = Walk { mirror, tracked, ops: BTreeMap::new(), left: MAX_ENTRIES };
    walk.folder(&root, "", 0)?;
    for path in std::mem::take(&mut walk.tracked).into_keys() {
        walk.put(path, Op::Delete)?;
    }
    if walk.ops.is_empty() {
        return Err(WorkspaceError::NoChange);
    }
    apply_ops(mirror, base, &walk.ops)
}

fn folder_flags() -> OFlags {
    OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC
}

struct Walk<'a> {
    mirror: &'a Repository,
    /// Files of the base that were not met yet.
    tracked: BTreeMap<&'a str, &'a Listed>,
    ops: BTreeMap<String, Op>,
    left: usize,
}

impl Walk<'_> {
    fn folder(&mut self, folder: &OwnedFd, at: &str, depth: usize) -> Result<()> {
        if depth > MAX_DEPTH {
            return Err(refused(at, "the path is too deep"));
        }
        let names = names(folder, at)?;
        // Read by libgit2 below, which would follow a link and wait for a pipe.
        if names.iter().any(|n| n == ".gitignore") {
            let meta = stat(folder, ".gitignore")?;
            if kind(&meta) != FileType::RegularFile {
                return Err(refused(&join(at, ".gitignore"), "the path is no regular file"));
            }
        }
        for name in names {
            self.left = self.left.checked_sub(1).ok_or_else(|| {
                WorkspaceError::TooLarge(format!("more than {MAX_ENTRIES} files were left"))
            })?;
            self.entry(folder, &name, &join(at, &name), depth)?;
        }
        Ok(())
    }

    fn entry(&mut self, folder: &OwnedFd, name: &str, path: &str, depth: usize) -> Result<()> {
        let known = self.tracked.remove(path);
        if known.is_none() && !is_listable(name) {
            return Err(refused(path, "git accepts no file of this name"));
        }
        let meta = stat(folder, name)?;
        match kind(&meta) {
            FileType::Directory => {
                if let Some(known) = known {
                    self.put(&known.path, Op::Delete)?;
                }
                if self.has_tracked(path) || !self.is_ignored(&format!("{path}/"))? {
                    let below = openat(folder, name, folder_flags(), Mode::empty())
                        .map_err(internal(DOING))?;
                    self.folder(&below, path, depth + 1)?;
                }
                Ok(())
            }
            FileType::RegularFile => match known {
                Some(known) => self.known_file(folder, name, known),
                None if self.is_ignored(path)? => Ok(()),
                None => self.new_file(folder, name, path),
            },
            _ if known.is_none() && self.is_ignored(path)? => Ok(()),
            FileType::Symlink => Err(refused(path, "symbolic links are not accepted")),
            _ => Err(refused(path, "the path is no regular file")),
        }
    }

    fn has_tracked(&self, folder: &str) -> bool {
        let prefix = format!("{folder}/");
        let mut from = self.tracked.range(prefix.as_str()..);
        from.next().is_some_and(|(path, _)| path.starts_with(&prefix))
    }

    fn is_ignored(&self, path: &str) -> Result<bool> {
        self.mirror.is_path_ignored(Path::new(path)).map_err(internal(DOING))
    }

    fn known_file(&mut self, folder: &OwnedFd, name: &str, known: &Listed) -> Result<()> {
        let odb = self.mirror.odb().map_err(internal(DOING))?;
        let (size, _) = odb.read_header(known.blob).map_err(internal(DOING))?;
        // An unchanged file may be larger than a changed one is allowed to be.
        let (content, executable) = read(folder, name, &known.path, size.max(MAX_FILE_BYTES))?;
        let same = Oid::hash_object(ObjectType::Blob, &content).map_err(internal(DOING))?;
        if same == known.blob && executable == known.executable {
            return Ok(());
        }
        self.file(&known.path, &content, executable)
    }

    fn new_file(&mut self, folder: &OwnedFd, name: &str, path: &str) -> Result<()> {
        let (content, executable) = read(folder, name, path, MAX_FILE_BYTES)?;
        self.file(path, &content, executable)
    }

    fn file(&mut self, path: &str, content: &[u8], executable: bool) -> Result<()> {
        if content.len() > MAX_FILE_BYTES {
            return Err(too_large(path));
        }
        let blob = self.mirror.blob(content).map_err(internal("write a blob"))?;
        self.put(path, Op::Put { blob, executable })
    }

    fn put(&mut self, path: &str, op: Op) -> Result<()> {
        self.ops.insert(path.to_owned(), op);
        if self.ops.len() > MAX_PATCH_FILES {
            let what = format!("it touches more than {MAX_PATCH_FILES} files");
            return Err(WorkspaceError::TooLarge(what));
        }
        Ok(())
    }
}

fn join(at: &str, name: &str) -> String {
    if at.is_empty() { name.to_owned() } else { format!("{at}/{name}") }
}

/// The names in a folder, sorted.
fn names(folder: &OwnedFd, at: &str) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder).map_err(internal(DOING))? {
        let entry = entry.map_err(internal(DOING))?;
        let bytes = entry.file_name().to_bytes();
        if matches!(bytes, b"." | b"..") {
            continue;
        }
        let name = std::str::from_utf8(bytes).map_err(|_| {
            refused(&join(at, &String::from_utf8_lossy(bytes)), "the path is not UTF-8")
        })?;
        names.push(name.to_owned());
        if names.len() > MAX_ENTRIES {
            let what = format!("more than {MAX_ENTRIES} files were left");
            return Err(WorkspaceError::TooLarge(what));
        }
    }
    names.sort();
    Ok(names)
}

fn stat(folder: &OwnedFd, name: &str) -> Result<Stat> {
    statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).map_err(internal(DOING))
}

fn kind(meta: &Stat) -> FileType {
    FileType::from_raw_mode(meta.st_mode)
}

/// Content, and whether its owner may run it.
fn read(folder: &OwnedFd, name: &str, path: &str, limit: usize) -> Result<(Vec<u8>, bool)> {
    // Without waiting: the file may have become a pipe since it was looked at.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = openat(folder, name, flags, Mode::empty())
        .map_err(|_| refused(path, "the file cannot be read"))?;
    let meta = fstat(&file).map_err(internal(DOING))?;
    if kind(&meta) != FileType::RegularFile {
        return Err(refused(path, "the path is no regular file"));
    }
    if meta.st_nlink > 1 {
        return Err(refused(path, "the file has a second name elsewhere"));
    }
    let most = u64::try_from(limit).unwrap_or(u64::MAX);
    let mut content = Vec::new();
    File::from(file).take(most + 1).read_to_end(&mut content).map_err(internal(DOING))?;
    if content.len() > limit {
        return Err(too_large(path));
    }
    Ok((content, meta.st_mode & 0o100 != 0))
}

fn too_large(path: &str) -> WorkspaceError {
    WorkspaceError::TooLarge(format!("{path} has more than {MAX_FILE_BYTES} bytes"))
}

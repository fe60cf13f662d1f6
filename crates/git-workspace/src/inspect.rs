//! Decides whether a folder may be registered.

use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::error::{Result, unusable};
use crate::source;

/// The canonical path of a usable repository below `root`, and its default branch.
pub(crate) fn inspect(
    root: &Path,
    path: &Path,
    scratch: &Path,
) -> Result<(PathBuf, Option<String>)> {
    let canonical_root =
        root.canonicalize().map_err(|_| unusable("the root folder does not exist"))?;
    let canonical = without_links(root, &canonical_root, path)?;
    let layout = source::vet_layout(&canonical)?;
    if layout.bare {
        outside_of_work_trees(&canonical_root, &canonical)?;
    }
    let source = source::open(&canonical, scratch)?;
    let branch = source::default_branch(&source.repo)?;
    Ok((canonical, branch))
}

/// Joins `path` to the root; every component below the root must be a real folder.
fn without_links(root: &Path, canonical_root: &Path, path: &Path) -> Result<PathBuf> {
    let relative = if path.is_absolute() {
        path.strip_prefix(root)
            .or_else(|_| path.strip_prefix(canonical_root))
            .map_err(|_| unusable("it does not lie below the root folder"))?
    } else {
        path
    };
    let mut canonical = canonical_root.to_owned();
    for component in relative.components() {
        match component {
            Component::Normal(name) => canonical.push(name),
            Component::CurDir => continue,
            _ => return Err(unusable("its path has a `..`")),
        }
        match fs::symlink_metadata(&canonical) {
            Ok(meta) if meta.is_symlink() => {
                return Err(unusable("its path leads through a symbolic link"));
            }
            Ok(_) => {}
            Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied => {
                return Err(unusable("the server may not read it"));
            }
            Err(_) => return Err(unusable("there is no such folder")),
        }
    }
    let real = canonical.canonicalize().map_err(|_| unusable("there is no such folder"))?;
    if real != canonical || real == canonical_root {
        return Err(unusable("it does not lie below the root folder"));
    }
    Ok(real)
}

/// A bare repository that is content of another one's work tree came in with a commit.
fn outside_of_work_trees(root: &Path, path: &Path) -> Result<()> {
    let above = path.ancestors().skip(1).take_while(|dir| dir.starts_with(root));
    for dir in above {
        if fs::symlink_metadata(dir.join(".git")).is_ok() {
            return Err(unusable("it is a bare repository inside another one's work tree"));
        }
    }
    Ok(())
}

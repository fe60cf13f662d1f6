//! The regular files of a tree.
//!
//! Trees come from strangers: a few objects can describe billions of paths, so the walk
//! has a budget, and names that no file system or person should meet are left out.

use std::collections::{BTreeMap, HashSet};

use agent_core::port::workspace::{Snapshot, TreeFile, WorkspaceError};
use git2::{ObjectType, Oid, Repository, Tree};

use crate::error::{Result, internal, to_id};
use crate::policy;

/// Files listed of one tree.
pub(crate) const MAX_FILES: usize = 200_000;
/// Tree entries looked at before the walk stops.
const MAX_ENTRIES: usize = 1_000_000;
/// Folders inside of each other.
pub(crate) const MAX_DEPTH: usize = 64;

/// A regular file of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) path: String,
    pub(crate) blob: Oid,
    pub(crate) executable: bool,
}

/// Files sorted by path, and how many entries were left out for which reason.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    pub(crate) files: Vec<Listed>,
    pub(crate) skipped: BTreeMap<String, u64>,
}

impl Listing {
    fn skip(&mut self, reason: &str) {
        *self.skipped.entry(reason.to_owned()).or_default() += 1;
    }
}

/// Walks `tree` breadth first, so that a limit cuts the depths and not the surface.
pub(crate) fn list(repo: &Repository, tree: &Tree<'_>) -> Result<Listing> {
    let mut listing = Listing::default();
    let mut folders = std::collections::VecDeque::from([(String::new(), tree.id(), 0_usize)]);
    let mut budget = MAX_ENTRIES;
    while let Some((prefix, oid, depth)) = folders.pop_front() {
        let tree = repo.find_tree(oid).map_err(internal("read a tree"))?;
        let mut names = HashSet::new();
        for entry in &tree {
            if budget == 0 || listing.files.len() >= MAX_FILES {
                listing.skip("too_many");
                return Ok(sorted(listing));
            }
            budget -= 1;
            let name = std::str::from_utf8(entry.name_bytes()).ok();
            // A malformed tree may hold a file and a folder of one name.
            let name = name.filter(|n| policy::is_listable(n) && names.insert((*n).to_owned()));
            let path = name.map(|n| format!("{prefix}{n}"));
            let Some(path) = path.filter(|p| p.len() <= policy::MAX_PATH_BYTES) else {
                listing.skip("invalid_name");
                continue;
            };
            match (entry.kind(), entry.filemode()) {
                (Some(ObjectType::Tree), _) if depth >= MAX_DEPTH => listing.skip("invalid_name"),
                (Some(ObjectType::Tree), _) => {
                    folders.push_back((format!("{path}/"), entry.id(), depth + 1));
                }
                (Some(ObjectType::Commit), _) => listing.skip("submodule"),
                (_, 0o120_000) => listing.skip("symlink"),
                (_, mode) => {
                    let executable = mode == 0o100_755;
                    listing.files.push(Listed { path, blob: entry.id(), executable });
                }
            }
        }
    }
    Ok(sorted(listing))
}

fn sorted(mut listing: Listing) -> Listing {
    listing.files.sort_by(|a, b| a.path.cmp(&b.path));
    listing
}

/// The listing of a commit in the mirror, with sizes.
pub(crate) fn snapshot(mirror: &Repository, commit: Oid) -> Result<Snapshot> {
    let missing = |_| WorkspaceError::NoSuchRevision(commit.to_string());
    let found = mirror.find_commit(commit).map_err(missing)?;
    let tree = found.tree().map_err(internal("read a tree"))?;
    let listing = list(mirror, &tree)?;
    let odb = mirror.odb().map_err(internal("open the mirror's objects"))?;
    let mut files = Vec::with_capacity(listing.files.len());
    for file in listing.files {
        let (size, _) = odb.read_header(file.blob).map_err(internal("read a blob's size"))?;
        let size = u64::try_from(size).unwrap_or(u64::MAX);
        files.push(TreeFile { path: file.path, blob: to_id(file.blob)?, size });
    }
    let (commit, tree) = (to_id(commit)?, to_id(tree.id())?);
    Ok(Snapshot { commit, tree, files, skipped: listing.skipped })
}

/// Texts of blobs: `None` for a missing, too large or binary one. Bytes that are not UTF-8
/// become U+FFFD.
pub(crate) fn texts(
    mirror: &Repository,
    blobs: &[Oid],
    max_bytes: u64,
) -> Result<Vec<Option<String>>> {
    let odb = mirror.odb().map_err(internal("open the mirror's objects"))?;
    let text = |oid: &Oid| {
        let (size, kind) = odb.read_header(*oid).ok()?;
        if kind != ObjectType::Blob || u64::try_from(size).ok()? > max_bytes {
            return None;
        }
        let object = odb.read(*oid).ok()?;
        let data = object.data();
        (!policy::is_binary(data)).then(|| String::from_utf8_lossy(data).into_owned())
    };
    Ok(blobs.iter().map(text).collect())
}

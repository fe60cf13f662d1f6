//! Copies a commit and its newest history from the registered repository to the mirror.
//!
//! **Invariant:** `refs/elohim/base/<commit>` exists only when everything the commit needs
//! is in the mirror, so a crash in the middle leaves garbage, never a half commit. History
//! ends after [`HISTORY`] commits: the last ones are named in the mirror's `shallow` file
//! before they arrive.

use std::collections::{BTreeSet, BinaryHeap, HashSet};
use std::fs;
use std::io::Write as _;

use agent_core::port::workspace::WorkspaceError;
use git2::{ErrorCode, ObjectType, Odb, OdbLookupFlags, Oid, Repository};

use crate::error::{Result, internal, unusable};
use crate::mirror::write_synced;
use crate::stale;

/// Commits copied for one base, the base included.
pub(crate) const HISTORY: usize = 256;
/// A base that needs more objects than this is refused.
const MAX_OBJECTS: usize = 4_000_000;

const MARKERS: &str = "refs/elohim/base/";

/// Whether the commit is in the mirror with everything it needs.
pub(crate) fn is_complete(mirror: &Repository, commit: Oid) -> bool {
    mirror.refname_to_id(&format!("{MARKERS}{commit}")).is_ok_and(|at| at == commit)
        && mirror.find_commit(commit).is_ok()
}

/// Copies what is missing. The caller holds the mirror's import lock.
pub(crate) fn bring(source: &Repository, mirror: &Repository, commit: Oid) -> Result<()> {
    if is_complete(mirror, commit) {
        return Ok(());
    }
    let known = complete_commits(mirror)?;
    let plan = plan(source, &known, commit)?;
    let objects = missing_objects(source, mirror, &plan.commits)?;
    extend_shallow(mirror, &plan.boundary)?;
    if !objects.is_empty() {
        for folder in ["objects", "objects/pack"] {
            stale::remove(&mirror.path().join(folder), |name| name.contains("_git2_"));
        }
        copy(source, mirror, &objects)?;
    }
    let name = format!("{MARKERS}{commit}");
    match mirror.reference(&name, commit, false, "") {
        Ok(_) => Ok(()),
        Err(e) if e.code() == ErrorCode::Exists => Ok(()),
        Err(e) => Err(internal("mark a base")(e)),
    }
}

/// Every commit that a marker vouches for.
fn complete_commits(mirror: &Repository) -> Result<HashSet<Oid>> {
    let doing = "walk the mirror";
    let mut walk = mirror.revwalk().map_err(internal(doing))?;
    walk.push_glob(&format!("{MARKERS}*")).map_err(internal(doing))?;
    walk.collect::<std::result::Result<_, _>>().map_err(internal(doing))
}

struct Plan {
    commits: Vec<Oid>,
    /// Commits whose parents stay behind.
    boundary: BTreeSet<Oid>,
}

fn plan(source: &Repository, known: &HashSet<Oid>, commit: Oid) -> Result<Plan> {
    let mut seen = HashSet::from([commit]);
    let mut queue = BinaryHeap::from([(i64::MAX, commit)]);
    let mut commits = Vec::new();
    let mut parents_of = Vec::new();
    while commits.len() < HISTORY {
        let Some((_, oid)) = queue.pop() else { break };
        if known.contains(&oid) {
            continue;
        }
        let found = source.find_commit(oid).map_err(missing_object)?;
        commits.push(oid);
        parents_of.push((oid, recorded_parents(&found)));
        for parent in found.parent_ids().filter(|p| seen.insert(*p)) {
            let time = source.find_commit(parent).map_err(missing_object)?.time().seconds();
            queue.push((time, parent));
        }
    }
    let here: HashSet<Oid> = commits.iter().copied().collect();
    let stays = |p: &Oid| !here.contains(p) && !known.contains(p);
    let boundary = parents_of
        .into_iter()
        .filter(|(_, parents)| parents.iter().any(stays))
        .map(|(oid, _)| oid)
        .collect();
    Ok(Plan { commits, boundary })
}

/// The parents the commit object names, where [`git2::Commit::parent_ids`] leaves out those
/// a shallow repository lacks.
pub(crate) fn recorded_parents(commit: &git2::Commit<'_>) -> Vec<Oid> {
    let header = commit.raw_header_bytes();
    let lines = header.split(|b| *b == b'\n').filter_map(|l| std::str::from_utf8(l).ok());
    lines.filter_map(|l| l.strip_prefix("parent ")).filter_map(|p| Oid::from_str(p).ok()).collect()
}

fn missing_object(error: git2::Error) -> WorkspaceError {
    if error.code() == ErrorCode::NotFound {
        return unusable("objects are missing from it");
    }
    unusable("its objects are damaged")
}

/// The commits and all trees and blobs below them that the mirror lacks, each once.
fn missing_objects(source: &Repository, mirror: &Repository, commits: &[Oid]) -> Result<Vec<Oid>> {
    let there = mirror.odb().map_err(internal("open the mirror's objects"))?;
    let mut search = Search { there, seen: HashSet::new(), found: Vec::new() };
    let mut trees = Vec::new();
    for oid in commits {
        let commit = source.find_commit(*oid).map_err(missing_object)?;
        search.lacks(*oid)?;
        if search.lacks(commit.tree_id())? {
            trees.push(commit.tree_id());
        }
    }
    while let Some(oid) = trees.pop() {
        let tree = source.find_tree(oid).map_err(missing_object)?;
        for entry in &tree {
            match entry.kind() {
                Some(ObjectType::Tree) if search.lacks(entry.id())? => trees.push(entry.id()),
                Some(ObjectType::Blob) => {
                    search.lacks(entry.id())?;
                }
                _ => {}
            }
        }
    }
    Ok(search.found)
}

struct Search<'a> {
    there: Odb<'a>,
    seen: HashSet<Oid>,
    found: Vec<Oid>,
}

impl Search<'_> {
    /// True the first time an object is asked for that the mirror does not have.
    fn lacks(&mut self, oid: Oid) -> Result<bool> {
        if !self.seen.insert(oid) || self.there.exists_ext(oid, OdbLookupFlags::NO_REFRESH) {
            return Ok(false);
        }
        if self.found.len() >= MAX_OBJECTS {
            return Err(unusable("it has too many objects"));
        }
        self.found.push(oid);
        Ok(true)
    }
}

fn copy(source: &Repository, mirror: &Repository, objects: &[Oid]) -> Result<()> {
    let mut pack = source.packbuilder().map_err(internal("pack objects"))?;
    pack.set_threads(1);
    for oid in objects {
        pack.insert_object(*oid, None).map_err(missing_object)?;
    }
    let odb = mirror.odb().map_err(internal("open the mirror's objects"))?;
    let mut writer = odb.packwriter().map_err(internal("write a pack"))?;
    let mut failed = None;
    let packed = pack.foreach(|chunk| match writer.write_all(chunk) {
        Ok(()) => true,
        Err(error) => {
            failed = Some(error);
            false
        }
    });
    if let Some(error) = failed {
        return Err(internal("write a pack")(error));
    }
    packed.map_err(missing_object)?;
    writer.commit().map_err(internal("finish a pack"))?;
    Ok(())
}

/// Adds commits to the mirror's `shallow` file; the file appears whole.
fn extend_shallow(mirror: &Repository, boundary: &BTreeSet<Oid>) -> Result<()> {
    let file = mirror.path().join("shallow");
    let text = match fs::read_to_string(&file) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(e) => return Err(internal("read the shallow file")(e)),
    };
    let mut all: BTreeSet<String> = text.lines().map(str::to_owned).collect();
    let before = all.len();
    all.extend(boundary.iter().map(Oid::to_string));
    if all.len() == before {
        return Ok(());
    }
    let lines: String = all.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
    let draft = mirror.path().join("shallow.new");
    write_synced(&draft, lines.as_bytes())?;
    fs::rename(&draft, &file).map_err(internal("replace the shallow file"))
}

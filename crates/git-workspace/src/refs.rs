//! Refs of the mirror, moved by compare-and-swap.
//!
//! libgit2 compares under the ref's lock file; the mirror's own lock keeps processes from
//! meeting there, and lets a lock file that a killed process left be told from a live one.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use agent_core::port::workspace::{BranchUpdate, ObjectId, RunRef, WorkspaceError};
use git2::{ErrorCode, Oid, Reference, Repository};
use primitives::{RunId, clip};

use crate::error::{Result, internal, to_id, to_oid};

const RUNS: &str = "refs/elohim/runs/";
const BRANCHES: &str = "refs/heads/elohim/";
/// libgit2 holds a lock file for milliseconds. With the mirror's lock held, an older one
/// belongs to nobody.
const STALE: Duration = Duration::from_mins(1);

fn run_ref(run: RunId) -> String {
    format!("{RUNS}{}", run.as_uuid().hyphenated())
}

/// Creates the run's ref; a no-op when it is at `commit` already.
pub(crate) fn put_run_ref(mirror: &Repository, run: RunId, commit: Oid) -> Result<()> {
    swap(mirror, &run_ref(run), None, commit)
}

/// Moves a branch below `refs/heads/elohim/`.
pub(crate) fn put_branch(mirror: &Repository, update: &BranchUpdate, commit: Oid) -> Result<()> {
    let name = our_branch(&update.branch)?;
    let expected = update.expected.as_ref().map(to_oid).transpose()?;
    swap(mirror, name, expected, commit)
}

fn our_branch(name: &str) -> Result<&str> {
    if name.starts_with(BRANCHES) && Reference::is_valid_name(name) {
        return Ok(name);
    }
    Err(WorkspaceError::Conflict(format!("{:?} is no branch of ours", clip(name, 200))))
}

fn swap(mirror: &Repository, name: &str, expected: Option<Oid>, commit: Oid) -> Result<()> {
    let missing = |_| WorkspaceError::NoSuchRevision(commit.to_string());
    mirror.find_commit(commit).map_err(missing)?;
    if tip(mirror, name)? == Some(commit) {
        return Ok(());
    }
    // A ref is a file, so none can lie below another one.
    let above = name.match_indices('/').filter_map(|(at, _)| name.get(..at));
    for above in above.filter(|n| n.starts_with(BRANCHES)) {
        if tip(mirror, above)?.is_some() {
            return Err(WorkspaceError::Conflict(format!("{above} is a branch")));
        }
    }
    drop_stale_lock(mirror, name);
    // Zero says that the ref must not exist, and is compared under its lock, too.
    let expected = expected.unwrap_or(Oid::ZERO_SHA1);
    match mirror.reference_matching(name, commit, true, expected, "") {
        Ok(_) => Ok(()),
        Err(e) if moved(&e) && tip(mirror, name)? == Some(commit) => Ok(()),
        Err(e) if moved(&e) => Err(WorkspaceError::Conflict(name.to_owned())),
        Err(e) => Err(internal("move a ref")(e)),
    }
}

fn moved(error: &git2::Error) -> bool {
    matches!(
        error.code(),
        ErrorCode::Modified | ErrorCode::NotFound | ErrorCode::Exists | ErrorCode::Directory
    )
}

fn drop_stale_lock(mirror: &Repository, name: &str) {
    let lock = mirror.path().join(format!("{name}.lock"));
    let age = fs::symlink_metadata(&lock).and_then(|m| m.modified()).map(|at| at.elapsed());
    if matches!(age, Ok(Ok(age)) if age > STALE) {
        tracing::warn!(r#ref = name, "removed the lock file of a process that ended");
        // When it cannot be removed, the update that follows says so.
        let _ = fs::remove_file(&lock);
    }
}

fn tip(mirror: &Repository, name: &str) -> Result<Option<Oid>> {
    match mirror.refname_to_id(name) {
        Ok(oid) => Ok(Some(oid)),
        Err(e) if e.code() == ErrorCode::NotFound => Ok(None),
        Err(e) => Err(internal("read a ref")(e)),
    }
}

/// The commit a branch of ours is at.
pub(crate) fn branch_tip(mirror: &Repository, branch: &str) -> Result<Option<ObjectId>> {
    match our_branch(branch) {
        Ok(name) => tip(mirror, name)?.map(to_id).transpose(),
        Err(_) => Ok(None),
    }
}

/// All run refs, with the branches that are at the same commit.
pub(crate) fn run_refs(mirror: &Repository) -> Result<Vec<RunRef>> {
    let mut branches: BTreeMap<Oid, Vec<String>> = BTreeMap::new();
    for (name, oid) in listed(mirror, &format!("{BRANCHES}*"))? {
        branches.entry(oid).or_default().push(name);
    }
    let mut found = Vec::new();
    for (name, oid) in listed(mirror, &format!("{RUNS}*"))? {
        let run = name.strip_prefix(RUNS).and_then(|uuid| RunId::parse_bare(uuid).ok());
        let Some(run) = run else {
            tracing::warn!(r#ref = name, "a run ref names no run");
            continue;
        };
        let branches = branches.get(&oid).cloned().unwrap_or_default();
        found.push(RunRef { run, commit: to_id(oid)?, branches });
    }
    Ok(found)
}

/// Direct refs in the order of their names.
fn listed(mirror: &Repository, glob: &str) -> Result<Vec<(String, Oid)>> {
    let mut found = Vec::new();
    for reference in mirror.references_glob(glob).map_err(internal("list refs"))? {
        let reference = reference.map_err(internal("list refs"))?;
        if let (Ok(name), Some(oid)) = (reference.name(), reference.target()) {
            found.push((name.to_owned(), oid));
        }
    }
    found.sort();
    Ok(found)
}

/// Deletes the run's ref if it is at `commit`; a no-op when there is none.
pub(crate) fn drop_run_ref(mirror: &Repository, run: RunId, commit: Oid) -> Result<()> {
    delete(mirror, run_ref(run), commit)
}

/// Moves a branch from `commit` back to where it was; a no-op when it is elsewhere.
pub(crate) fn restore_branch(
    mirror: &Repository,
    update: &BranchUpdate,
    commit: Oid,
) -> Result<()> {
    let name = our_branch(&update.branch)?;
    if tip(mirror, name)? != Some(commit) {
        return Ok(());
    }
    let restored = match update.expected.as_ref().map(to_oid).transpose()? {
        Some(before) => swap(mirror, name, Some(commit), before),
        None => delete(mirror, name.to_owned(), commit),
    };
    match restored {
        // It moved between the look and the swap.
        Err(WorkspaceError::Conflict(_)) => Ok(()),
        other => other,
    }
}

fn delete(mirror: &Repository, name: String, commit: Oid) -> Result<()> {
    drop_stale_lock(mirror, &name);
    let mut reference = match mirror.find_reference(&name) {
        Ok(reference) => reference,
        Err(e) if e.code() == ErrorCode::NotFound => return Ok(()),
        Err(e) => return Err(internal("read a ref")(e)),
    };
    if reference.target() != Some(commit) {
        return Err(WorkspaceError::Conflict(name));
    }
    match reference.delete() {
        Ok(()) => Ok(()),
        Err(e) if e.code() == ErrorCode::NotFound => Ok(()),
        Err(e) if e.code() == ErrorCode::Modified => Err(WorkspaceError::Conflict(name)),
        Err(e) => Err(internal("delete a ref")(e)),
    }
}

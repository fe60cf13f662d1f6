//! From a patch to a judged tree. All or nothing.
//!
//! **Invariant:** every [`TreeChange`] comes out of [`judge_trees`], which looks at the two
//! trees only, whatever a patch text claims.

use std::collections::BTreeMap;

use agent_core::port::workspace::{ChangeKind, FileChange, PatchInput, TreeChange, WorkspaceError};
use git2::{Delta, DiffDelta, FileMode, ObjectType, Oid, Repository, Tree};

use crate::canonical;
use crate::changes::{self, After, too_large};
use crate::error::{Result, does_not_apply, internal, refused, to_id};
use crate::mirror::tree_of;
use crate::policy::{self, MAX_CHANGED_LINES, MAX_FILE_BYTES, MAX_PATCH_FILES, check_path};
use crate::tree::{self, Found, Op};

/// Applies `input` to the tree of `base` and judges the result.
pub(crate) fn judge(mirror: &Repository, base: Oid, input: &PatchInput) -> Result<TreeChange> {
    let base_tree = tree_of(mirror, base)?;
    let changed = match input {
        PatchInput::UnifiedDiff(text) => changes::diffed(mirror, &base_tree, text)?,
        PatchInput::SearchReplace(edits) => changes::edited(mirror, &base_tree, edits)?,
    };
    let mut ops = BTreeMap::new();
    for (path, after) in changed {
        let op = match after {
            After::Gone => Op::Delete,
            After::File { content, executable } => {
                let blob = mirror.blob(&content).map_err(internal("write a blob"))?;
                Op::Put { blob, executable }
            }
        };
        ops.insert(path, op);
    }
    apply_ops(mirror, base, &ops)
}

/// Writes the changed tree and judges it.
pub(crate) fn apply_ops(
    mirror: &Repository,
    base: Oid,
    ops: &BTreeMap<String, Op>,
) -> Result<TreeChange> {
    for path in ops.keys() {
        check_path(path).map_err(|rule| refused(path, rule))?;
    }
    let base_tree = tree_of(mirror, base)?;
    let new = tree::update(mirror, &base_tree, ops)?;
    let new = mirror.find_tree(new).map_err(internal("read a tree"))?;
    judge_trees(mirror, base, &base_tree, &new)
}

/// Judges the change from the tree of `base` to a tree that is in the mirror already.
pub(crate) fn judge_tree(mirror: &Repository, base: Oid, tree: Oid) -> Result<TreeChange> {
    let missing = |_| WorkspaceError::NoSuchRevision(tree.to_string());
    let new = mirror.find_tree(tree).map_err(missing)?;
    judge_trees(mirror, base, &tree_of(mirror, base)?, &new)
}

/// The change that takes `applied` back on top of `tip`.
pub(crate) fn judge_revert(mirror: &Repository, applied: Oid, tip: Oid) -> Result<TreeChange> {
    let missing = |_| WorkspaceError::NoSuchRevision(applied.to_string());
    let commit = mirror.find_commit(applied).map_err(missing)?;
    if commit.parent_count() != 1 {
        return Err(does_not_apply("only a commit with one parent can be taken back"));
    }
    let parent = commit.parent(0).map_err(internal("read a parent"))?;
    let before = parent.tree().map_err(internal("read a tree"))?;
    let after = commit.tree().map_err(internal("read a tree"))?;
    let tip_tree = tree_of(mirror, tip)?;
    let diff = canonical::compare(mirror, &before, &after)?;
    let mut ops = BTreeMap::new();
    for delta in diff.deltas() {
        let path = delta_path(&delta)?;
        let (was, now) = (tree::find(mirror, &before, &path)?, tree::find(mirror, &after, &path)?);
        if find_or_conflict(mirror, &tip_tree, &path)? != now {
            return Err(WorkspaceError::Conflict(format!("{path} changed since {applied}")));
        }
        ops.insert(path, was.map_or(Op::Delete, Found::put));
    }
    apply_ops(mirror, tip, &ops)
}

/// At the tip, something else at a path's place is a change like any other.
fn find_or_conflict(mirror: &Repository, tip: &Tree<'_>, path: &str) -> Result<Option<Found>> {
    tree::find(mirror, tip, path).map_err(|error| match error {
        WorkspaceError::PathRefused { path, rule } => {
            WorkspaceError::Conflict(format!("{path}: {rule}"))
        }
        other => other,
    })
}

/// The path policy on the difference of two trees.
fn judge_trees(
    mirror: &Repository,
    base: Oid,
    old: &Tree<'_>,
    new: &Tree<'_>,
) -> Result<TreeChange> {
    let diff = canonical::compare(mirror, old, new)?;
    let count = diff.deltas().len();
    if count == 0 {
        return Err(WorkspaceError::NoChange);
    }
    if count > MAX_PATCH_FILES {
        let what = format!("it touches more than {MAX_PATCH_FILES} files");
        return Err(WorkspaceError::TooLarge(what));
    }
    for delta in diff.deltas() {
        let path = delta_path(&delta)?;
        judge_delta(mirror, &delta, &path)?;
        if delta.status() == Delta::Added {
            no_twin(mirror, new, &path)?;
        }
    }
    let mut text = String::new();
    let mut files = Vec::with_capacity(count);
    let mut lines = 0;
    for (index, delta) in diff.deltas().enumerate() {
        let path = delta_path(&delta)?;
        let (lines_added, lines_deleted) = canonical::print(&diff, index, &path, &mut text)?;
        lines += lines_added as usize + lines_deleted as usize;
        if lines > MAX_CHANGED_LINES {
            let what = format!("it changes more than {MAX_CHANGED_LINES} lines");
            return Err(WorkspaceError::TooLarge(what));
        }
        let kind = match delta.status() {
            Delta::Added => ChangeKind::Added,
            Delta::Deleted => ChangeKind::Deleted,
            _ => ChangeKind::Modified,
        };
        files.push(FileChange { path, kind, lines_added, lines_deleted });
    }
    let protected = files.iter().map(|f| &f.path).filter(|p| policy::is_protected(p));
    let protected = protected.cloned().collect();
    Ok(TreeChange { base: to_id(base)?, tree: to_id(new.id())?, diff: text, files, protected })
}

fn delta_path(delta: &DiffDelta<'_>) -> Result<String> {
    let bytes = delta.new_file().path_bytes().or_else(|| delta.old_file().path_bytes());
    let bytes = bytes.unwrap_or_default();
    let lossy = || String::from_utf8_lossy(bytes).into_owned();
    String::from_utf8(bytes.to_vec()).map_err(|_| refused(&lossy(), "the path is not UTF-8"))
}

fn judge_delta(mirror: &Repository, delta: &DiffDelta<'_>, path: &str) -> Result<()> {
    check_path(path).map_err(|rule| refused(path, rule))?;
    if !matches!(delta.status(), Delta::Added | Delta::Deleted | Delta::Modified) {
        return Err(refused(path, "the kind of the file changes"));
    }
    let odb = mirror.odb().map_err(internal("open the mirror's objects"))?;
    for file in [delta.old_file(), delta.new_file()].into_iter().filter(git2::DiffFile::exists) {
        match file.mode() {
            FileMode::Blob | FileMode::BlobGroupWritable | FileMode::BlobExecutable => {}
            FileMode::Link => return Err(refused(path, "a symbolic link may not be changed")),
            FileMode::Commit => return Err(refused(path, "a submodule may not be changed")),
            _ => return Err(refused(path, "the mode is not 100644 or 100755")),
        }
        let (size, kind) = odb.read_header(file.id()).map_err(internal("read a blob"))?;
        if kind != ObjectType::Blob {
            return Err(refused(path, "the entry is not a file"));
        }
        if size > MAX_FILE_BYTES {
            return Err(too_large(path));
        }
        let blob = mirror.find_blob(file.id()).map_err(internal("read a blob"))?;
        if policy::is_binary(blob.content()) {
            return Err(refused(path, "a binary file cannot be changed"));
        }
    }
    Ok(())
}

/// A new path must not differ from another one only in case, at any depth.
fn no_twin(mirror: &Repository, new: &Tree<'_>, path: &str) -> Result<()> {
    let mut tree = new.clone();
    for name in path.split('/') {
        let folded = policy::fold(name);
        let twin = tree.iter().any(|entry| {
            let other = entry.name_bytes();
            other != name.as_bytes()
                && std::str::from_utf8(other).is_ok_and(|o| policy::fold(o) == folded)
        });
        if twin {
            return Err(refused(path, "another path differs from it only in case"));
        }
        let below = tree.get_name(name).filter(|e| e.kind() == Some(ObjectType::Tree));
        let Some(id) = below.map(|e| e.id()) else { break };
        tree = mirror.find_tree(id).map_err(internal("read a tree"))?;
    }
    Ok(())
}

//! The newest commits before a base, for context.

use agent_core::port::workspace::{RecentCommit, WorkspaceError};
use git2::{Commit, Diff, DiffFormat, DiffOptions, Oid, Repository, Sort};
use primitives::{Timestamp, clip};

use crate::error::{Result, internal, to_id};
use crate::import::recorded_parents;

const MAX_PATHS: usize = 50;
const MAX_SUBJECT: usize = 200;
/// Larger files are shown as binary.
const MAX_BLOB_BYTES: i64 = 1 << 20;

/// The newest `limit` commits reachable from `commit`, each diff cut at `diff_bytes`.
pub(crate) fn recent(
    mirror: &Repository,
    commit: Oid,
    limit: usize,
    diff_bytes: usize,
) -> Result<Vec<RecentCommit>> {
    let missing = |_| WorkspaceError::NoSuchRevision(commit.to_string());
    let mut walk = mirror.revwalk().map_err(internal("walk the mirror"))?;
    walk.set_sorting(Sort::TIME | Sort::TOPOLOGICAL).map_err(internal("walk the mirror"))?;
    walk.push(commit).map_err(missing)?;
    let mut recent = Vec::new();
    for oid in walk.take(limit) {
        let oid = oid.map_err(internal("walk the mirror"))?;
        let commit = mirror.find_commit(oid).map_err(internal("read a commit"))?;
        recent.push(describe(mirror, &commit, diff_bytes)?);
    }
    Ok(recent)
}

fn describe(mirror: &Repository, commit: &Commit<'_>, diff_bytes: usize) -> Result<RecentCommit> {
    let (paths, diff) = match changes(mirror, commit)? {
        Some(changes) => (paths(&changes), text(&changes, diff_bytes)?),
        None => (Vec::new(), String::new()),
    };
    let message = String::from_utf8_lossy(commit.message_bytes());
    let subject = message.lines().map(str::trim).find(|l| !l.is_empty()).unwrap_or_default();
    Ok(RecentCommit {
        commit: to_id(commit.id())?,
        subject: clip(subject, MAX_SUBJECT),
        author_name: String::from_utf8_lossy(commit.author().name_bytes()).into_owned(),
        time: Timestamp::from_micros(commit.time().seconds().saturating_mul(1_000_000)),
        paths,
        diff,
    })
}

/// Against the first parent; `None` when that parent was left behind in the source.
fn changes<'r>(mirror: &'r Repository, commit: &Commit<'_>) -> Result<Option<Diff<'r>>> {
    let doing = "compare two commits";
    let parent = match commit.parent(0) {
        Ok(parent) => Some(parent.tree().map_err(internal(doing))?),
        Err(_) if recorded_parents(commit).is_empty() => None,
        Err(_) => return Ok(None),
    };
    let tree = commit.tree().map_err(internal(doing))?;
    let mut options = DiffOptions::new();
    options.max_size(MAX_BLOB_BYTES).ignore_submodules(true).indent_heuristic(true).id_abbrev(7);
    let diff = mirror
        .diff_tree_to_tree(parent.as_ref(), Some(&tree), Some(&mut options))
        .map_err(internal(doing))?;
    Ok(Some(diff))
}

fn paths(diff: &Diff<'_>) -> Vec<String> {
    let path = |delta: git2::DiffDelta<'_>| {
        let bytes = delta.new_file().path_bytes().or_else(|| delta.old_file().path_bytes());
        bytes.map(|b| String::from_utf8_lossy(b).into_owned())
    };
    diff.deltas().filter_map(path).take(MAX_PATHS).collect()
}

/// Whole lines up to the limit.
fn text(diff: &Diff<'_>, limit: usize) -> Result<String> {
    let mut bytes = Vec::new();
    let mut full = false;
    let printed = diff.print(DiffFormat::Patch, |_, _, line| {
        if matches!(line.origin(), ' ' | '+' | '-') {
            bytes.extend(line.origin().to_string().bytes());
        }
        bytes.extend_from_slice(line.content());
        full = bytes.len() > limit;
        !full
    });
    if !full {
        printed.map_err(internal("print a diff"))?;
    }
    let mut text = String::from_utf8_lossy(&bytes).into_owned();
    if text.len() > limit {
        let whole = text.char_indices().take_while(|(i, c)| *c != '\n' || *i < limit);
        let end = whole.filter(|(_, c)| *c == '\n').last().map_or(0, |(i, _)| i + 1);
        text.truncate(end);
    }
    Ok(text)
}

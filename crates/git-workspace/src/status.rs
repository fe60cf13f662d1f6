//! What differs between HEAD, index and work tree of the registered repository.

use agent_core::port::workspace::StatusEntry;
use git2::{Repository, Status, StatusOptions};

use crate::error::{Result, unusable};

/// At most `limit` differences; nothing for a bare repository.
pub(crate) fn status(source: &Repository, limit: usize) -> Result<Vec<StatusEntry>> {
    if source.is_bare() {
        return Ok(Vec::new());
    }
    let mut options = StatusOptions::new();
    options
        .include_untracked(true)
        .recurse_untracked_dirs(false)
        .exclude_submodules(true)
        .renames_head_to_index(true)
        .update_index(false)
        .include_ignored(false);
    let statuses =
        source.statuses(Some(&mut options)).map_err(|_| unusable("its status cannot be read"))?;
    let entries = statuses.iter().filter_map(|entry| {
        let path = String::from_utf8_lossy(entry.path_bytes()).into_owned();
        change(entry.status()).map(|change| StatusEntry { path, change: change.to_owned() })
    });
    Ok(entries.take(limit).collect())
}

fn change(status: Status) -> Option<&'static str> {
    let table = [
        (Status::CONFLICTED, "conflicted"),
        (Status::INDEX_NEW, "added"),
        (Status::INDEX_RENAMED | Status::WT_RENAMED, "renamed"),
        (Status::INDEX_TYPECHANGE | Status::WT_TYPECHANGE, "typechange"),
        (Status::INDEX_DELETED | Status::WT_DELETED, "deleted"),
        (Status::INDEX_MODIFIED | Status::WT_MODIFIED, "modified"),
        (Status::WT_NEW, "untracked"),
    ];
    table.iter().find(|(bits, _)| status.intersects(*bits)).map(|(_, name)| *name)
}

//! What lies in the way of a change in the registered work tree.
//!
//! Nothing is ever written there, but whoever takes a branch over will write: a change that
//! leads through a link in that very work tree, tracked or not, is not what it seems.

use std::fs;
use std::path::Path;

use agent_core::port::workspace::TreeChange;

use crate::error::{Result, refused};

const RULE: &str = "the path leads through a symbolic link of the work tree";

/// Refuses a change of a path that is, or lies below, a link in the work tree at `root`.
/// A bare repository has none.
pub(crate) fn refuse_links(root: &Path, change: TreeChange) -> Result<TreeChange> {
    if fs::symlink_metadata(root.join(".git")).is_err() {
        return Ok(change);
    }
    for file in &change.files {
        let mut place = root.to_owned();
        for name in file.path.split('/') {
            place.push(name);
            // What cannot be looked at is not there for whoever writes either.
            if fs::symlink_metadata(&place).is_ok_and(|found| found.is_symlink()) {
                return Err(refused(&file.path, RULE));
            }
        }
    }
    Ok(change)
}

//! What a patch makes of the files of a base, before anything is written.

use std::collections::{BTreeMap, BTreeSet};

use agent_core::port::workspace::{SearchReplace, WorkspaceError};
use git2::{Repository, Tree};

use crate::error::{Result, does_not_apply, internal, refused};
use crate::patch::{FilePatch, Mode, apply, edits, parse};
use crate::policy::{self, MAX_DIFF_BYTES, MAX_FILE_BYTES, check_path};
use crate::tree::{self, Found};

/// SEARCH/REPLACE edits in one patch.
const MAX_EDITS: usize = 500;

fn within(bytes: usize) -> Result<()> {
    if bytes > MAX_DIFF_BYTES {
        let what = format!("it has more than {MAX_DIFF_BYTES} bytes");
        return Err(WorkspaceError::TooLarge(what));
    }
    Ok(())
}

/// A file after the patch.
pub(crate) enum After {
    File { content: Vec<u8>, executable: bool },
    Gone,
}

/// Files by path.
pub(crate) type Changed = BTreeMap<String, After>;

/// Applies a unified diff.
pub(crate) fn diffed(mirror: &Repository, base: &Tree<'_>, text: &str) -> Result<Changed> {
    within(text.len())?;
    let mut changed = Changed::new();
    for patch in &parse::parse(text)? {
        let touched: BTreeSet<&String> = patch.old.iter().chain(&patch.new).collect();
        for path in touched {
            check_path(path).map_err(|rule| refused(path, rule))?;
            if changed.contains_key(path) {
                return Err(at(patch, &format!("{path} appears twice")));
            }
        }
        for (path, after) in one_file(mirror, base, patch)? {
            changed.insert(path, after);
        }
    }
    Ok(changed)
}

fn one_file(
    mirror: &Repository,
    base: &Tree<'_>,
    patch: &FilePatch<'_>,
) -> Result<Vec<(String, After)>> {
    let before = match &patch.old {
        Some(path) => {
            let found = tree::find(mirror, base, path)?
                .ok_or_else(|| at(patch, &format!("{path} does not exist")))?;
            let claimed = patch.old_mode.map(|m| m == Mode::Executable);
            if claimed.is_some_and(|executable| executable != found.executable) {
                return Err(at(patch, &format!("{path} has another mode")));
            }
            Some((path, found))
        }
        None => None,
    };
    let created = patch.new.as_ref().filter(|new| before.is_none_or(|(old, _)| old != *new));
    if let Some(path) = created
        && tree::find(mirror, base, path)?.is_some()
    {
        return Err(at(patch, &format!("{path} exists already")));
    }
    let (name, content) = match before {
        Some((path, found)) => (path.as_str(), read(mirror, path, found)?),
        None => (patch.new.as_deref().unwrap_or_default(), Vec::new()),
    };
    let content = apply::apply(name, &content, &patch.hunks)?;
    let executable = match patch.new_mode {
        Some(mode) => mode == Mode::Executable,
        None => before.is_some_and(|(_, found)| found.executable),
    };
    let mut result = Vec::new();
    match &patch.new {
        Some(new) => {
            if let Some((old, _)) = before.filter(|(old, _)| *old != new) {
                result.push((old.clone(), After::Gone));
            }
            result.push((new.clone(), After::File { content, executable }));
        }
        None if content.is_empty() => result.push((name.to_owned(), After::Gone)),
        None => return Err(at(patch, &format!("{name} is deleted but keeps lines"))),
    }
    Ok(result)
}

fn at(patch: &FilePatch<'_>, what: &str) -> WorkspaceError {
    does_not_apply(format!("line {}: {what}", patch.line))
}

/// The content of a file that is edited.
fn read(mirror: &Repository, path: &str, found: Found) -> Result<Vec<u8>> {
    let odb = mirror.odb().map_err(internal("open the mirror's objects"))?;
    let (size, _) = odb.read_header(found.blob).map_err(internal("read a blob"))?;
    if size > MAX_FILE_BYTES {
        return Err(too_large(path));
    }
    let blob = mirror.find_blob(found.blob).map_err(internal("read a blob"))?;
    if policy::is_binary(blob.content()) {
        return Err(refused(path, "a binary file cannot be patched"));
    }
    Ok(blob.content().to_vec())
}

pub(crate) fn too_large(path: &str) -> WorkspaceError {
    WorkspaceError::TooLarge(format!("{path} has more than {MAX_FILE_BYTES} bytes"))
}

/// Applies SEARCH/REPLACE edits in their order.
pub(crate) fn edited(
    mirror: &Repository,
    base: &Tree<'_>,
    edits: &[SearchReplace],
) -> Result<Changed> {
    within(edits.iter().map(|e| e.search.len() + e.replace.len()).sum())?;
    if edits.len() > MAX_EDITS {
        return Err(WorkspaceError::TooLarge(format!("it has more than {MAX_EDITS} edits")));
    }
    let mut changed: BTreeMap<String, (String, bool)> = BTreeMap::new();
    for SearchReplace { path, search, replace } in edits {
        check_path(path).map_err(|rule| refused(path, rule))?;
        let before = match changed.remove(path) {
            Some(file) => Some(file),
            None => match tree::find(mirror, base, path)? {
                Some(found) => {
                    let text = String::from_utf8(read(mirror, path, found)?)
                        .map_err(|_| refused(path, "the file is not UTF-8"))?;
                    Some((text, found.executable))
                }
                None => None,
            },
        };
        let after = match before {
            None if search.is_empty() => (replace.clone(), false),
            None => return Err(does_not_apply(format!("{path} does not exist"))),
            Some(_) if search.is_empty() => {
                return Err(does_not_apply(format!("{path} exists already")));
            }
            Some((text, executable)) => {
                (edits::replace_once(path, &text, search, replace)?, executable)
            }
        };
        if after.0.len() > MAX_FILE_BYTES {
            return Err(too_large(path));
        }
        changed.insert(path.clone(), after);
    }
    let file = |(path, (text, executable)): (String, (String, bool))| {
        (path, After::File { content: text.into_bytes(), executable })
    };
    Ok(changed.into_iter().map(file).collect())
}

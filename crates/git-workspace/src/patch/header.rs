//! What stands before the hunks of one file.

use agent_core::port::workspace::WorkspaceError;

use crate::error::{Result, refused};
use crate::patch::cursor::Cursor;
use crate::patch::name::{self, BadName};
use crate::patch::{FilePatch, Mode, hunk};

/// The extended header lines of a `diff --git` block.
#[derive(Default)]
struct Extended {
    old_mode: Option<Mode>,
    new_mode: Option<Mode>,
    created: bool,
    deleted: bool,
    rename_from: Option<String>,
    rename_to: Option<String>,
}

/// A block that begins with `diff --git`.
pub(crate) fn git_file<'a>(cursor: &mut Cursor<'a>, changed: &mut usize) -> Result<FilePatch<'a>> {
    let text = cursor.take("diff --git ").unwrap_or_default();
    let line = cursor.line();
    let pair = name::git_pair(text).map_err(|bad| bad_name(cursor, bad, text))?;
    let shown = pair.as_ref().map_or_else(|| text.to_owned(), |(_, new)| new.clone());
    let header = pair.and_then(|(old, new)| name::strip_pair(&old, &new));
    let extended = extended(cursor, &shown)?;
    let names = if cursor.peek().is_some_and(|l| l.starts_with("--- ")) {
        Some(markers(cursor)?)
    } else {
        None
    };
    let (old, new) = paths(cursor, &extended, header, names.as_ref())?;
    let hunks = if names.is_some() { hunk::hunks(cursor, changed)? } else { Vec::new() };
    let Extended { old_mode, new_mode, .. } = extended;
    Ok(FilePatch { line, old, new, old_mode, new_mode, hunks })
}

/// A block that begins with `--- ` without a git header.
pub(crate) fn plain_file<'a>(
    cursor: &mut Cursor<'a>,
    changed: &mut usize,
) -> Result<FilePatch<'a>> {
    let line = cursor.next_line();
    let names = markers(cursor)?;
    let (old, new) = paths(cursor, &Extended::default(), None, Some(&names))?;
    let hunks = hunk::hunks(cursor, changed)?;
    Ok(FilePatch { line, old, new, old_mode: None, new_mode: None, hunks })
}

fn extended(cursor: &mut Cursor<'_>, shown: &str) -> Result<Extended> {
    let mut found = Extended::default();
    loop {
        if let Some(mode) = cursor.take("old mode ") {
            found.old_mode = Some(self::mode(mode, shown)?);
        } else if let Some(mode) = cursor.take("new mode ") {
            found.new_mode = Some(self::mode(mode, shown)?);
        } else if let Some(mode) = cursor.take("new file mode ") {
            found.new_mode = Some(self::mode(mode, shown)?);
            found.created = true;
        } else if let Some(mode) = cursor.take("deleted file mode ") {
            found.old_mode = Some(self::mode(mode, shown)?);
            found.deleted = true;
        } else if let Some(from) = cursor.take("rename from ") {
            let from = name::whole(from).map_err(|bad| bad_name(cursor, bad, from))?;
            found.rename_from = Some(from);
        } else if let Some(to) = cursor.take("rename to ") {
            let to = name::whole(to).map_err(|bad| bad_name(cursor, bad, to))?;
            found.rename_to = Some(to);
        } else if let Some(index) = cursor.take("index ") {
            if let Some((_, mode)) = index.split_once(' ') {
                self::mode(mode, shown)?;
            }
        } else if cursor.take("similarity index ").is_none()
            && cursor.take("dissimilarity index ").is_none()
        {
            break;
        }
    }
    let next = cursor.peek().unwrap_or_default();
    if next.starts_with("GIT binary patch") || next.starts_with("Binary files ") {
        return Err(refused(shown, "a binary file cannot be patched"));
    }
    if next.starts_with("copy from ") || next.starts_with("copy to ") {
        return Err(cursor.malformed_next("copies are not accepted; add the new file whole"));
    }
    Ok(found)
}

fn mode(text: &str, shown: &str) -> Result<Mode> {
    match text {
        "100644" => Ok(Mode::Plain),
        "100755" => Ok(Mode::Executable),
        _ => Err(refused(shown, "the mode is not 100644 or 100755")),
    }
}

type Names = (Option<String>, Option<String>);

/// The `---` and `+++` lines.
fn markers(cursor: &mut Cursor<'_>) -> Result<Names> {
    let text = cursor.take("--- ").unwrap_or_default();
    let old = name::after_marker(text).map_err(|bad| bad_name(cursor, bad, text))?;
    let Some(text) = cursor.take("+++ ") else {
        return Err(cursor.malformed_next("expected `+++` after `---`"));
    };
    let new = name::after_marker(text).map_err(|bad| bad_name(cursor, bad, text))?;
    Ok((old, new))
}

/// Decides which file is meant; all lines that name it must agree.
fn paths(
    cursor: &Cursor<'_>,
    extended: &Extended,
    header: Option<String>,
    names: Option<&Names>,
) -> Result<Names> {
    let disagree = || cursor.malformed("the lines that name the file do not agree");
    let agrees = |name: &Option<String>, path: &Option<String>| match (name, path) {
        (Some(name), Some(path)) => name::means(name, path),
        (None, None) => true,
        _ => false,
    };
    let expected = match (&extended.rename_from, &extended.rename_to, header) {
        (Some(from), Some(to), _) if !extended.created && !extended.deleted => {
            Some((Some(from.clone()), Some(to.clone())))
        }
        (None, None, Some(path)) => Some(match (extended.created, extended.deleted) {
            (true, true) => return Err(disagree()),
            (true, false) => (None, Some(path)),
            (false, true) => (Some(path), None),
            (false, false) => match names {
                // Creation or deletion that only `/dev/null` tells.
                Some((None, Some(_))) => (None, Some(path)),
                Some((Some(_), None)) => (Some(path), None),
                _ => (Some(path.clone()), Some(path)),
            },
        }),
        (None, None, None) => None,
        _ => return Err(disagree()),
    };
    match (expected, names) {
        (Some((old, new)), Some(names)) if agrees(&names.0, &old) && agrees(&names.1, &new) => {
            Ok((old, new))
        }
        (Some(_), Some(_)) => Err(disagree()),
        (Some(expected), None) => Ok(expected),
        (None, None) => Err(cursor.malformed("the file's name is ambiguous")),
        (None, Some((Some(old), Some(new)))) => {
            let path = name::strip_pair(old, new).ok_or_else(disagree)?;
            Ok((Some(path.clone()), Some(path)))
        }
        (None, Some((None, Some(new)))) => Ok((None, Some(name::strip_lone(new, "b/")))),
        (None, Some((Some(old), None))) => Ok((Some(name::strip_lone(old, "a/")), None)),
        (None, Some((None, None))) => Err(disagree()),
    }
}

fn bad_name(cursor: &Cursor<'_>, bad: BadName, text: &str) -> WorkspaceError {
    match bad {
        BadName::Malformed => cursor.malformed("malformed file name"),
        BadName::NotUtf8 => refused(text, "the path is not UTF-8"),
    }
}

//! Unified diffs, as git and `diff -u` write them.
//!
//! Strict on purpose: a line that is not understood fails the whole patch, because what is
//! skipped silently is what a reviewer saw and the tree does not have. Accepted around the
//! diffs are only the header of one mail of `git format-patch` and its signature.

use crate::error::{Result, does_not_apply};
use crate::patch::FilePatch;
use crate::patch::cursor::Cursor;
use crate::patch::header;
use crate::policy::{MAX_CHANGED_LINES, MAX_PATCH_FILES};
use agent_core::port::workspace::WorkspaceError;

/// All files of a patch, in order, at least one.
pub(crate) fn parse(text: &str) -> Result<Vec<FilePatch<'_>>> {
    let mut cursor = Cursor::new(text);
    skip_mail_header(&mut cursor);
    let mut files = Vec::new();
    let mut changed = 0;
    loop {
        while cursor.peek().is_some_and(is_blank) {
            cursor.next();
        }
        match cursor.peek() {
            None => break,
            Some("-- ") if !files.is_empty() => signature(&mut cursor)?,
            Some(l) if l.starts_with("diff --git ") => {
                files.push(header::git_file(&mut cursor, &mut changed)?);
            }
            Some(l) if l.starts_with("--- ") => {
                files.push(header::plain_file(&mut cursor, &mut changed)?);
            }
            Some(_) => return Err(cursor.malformed_next("expected `diff --git` or `---`")),
        }
        if files.len() > MAX_PATCH_FILES {
            let what = format!("it touches more than {MAX_PATCH_FILES} files");
            return Err(WorkspaceError::TooLarge(what));
        }
        if changed > MAX_CHANGED_LINES {
            let what = format!("it changes more than {MAX_CHANGED_LINES} lines");
            return Err(WorkspaceError::TooLarge(what));
        }
    }
    if files.is_empty() {
        return Err(does_not_apply("the patch is empty"));
    }
    Ok(files)
}

fn is_blank(line: &str) -> bool {
    line.is_empty() || line == "\r"
}

/// `From <commit> …` starts a mail; its diff begins at the first `diff --git`.
fn skip_mail_header(cursor: &mut Cursor<'_>) {
    let is_mail = cursor.peek().and_then(|l| l.strip_prefix("From ")).is_some_and(|rest| {
        let id = rest.split(' ').next().unwrap_or_default();
        id.len() == 40 && id.bytes().all(|b| b.is_ascii_hexdigit())
    });
    if is_mail {
        while cursor.peek().is_some_and(|l| !l.starts_with("diff --git ")) {
            cursor.next();
        }
    }
}

/// `-- `, a version, and nothing else.
fn signature(cursor: &mut Cursor<'_>) -> Result<()> {
    cursor.next();
    cursor.next();
    while cursor.peek().is_some_and(is_blank) {
        cursor.next();
    }
    match cursor.peek() {
        None => Ok(()),
        Some(_) => Err(cursor.malformed_next("text after the patch's signature")),
    }
}

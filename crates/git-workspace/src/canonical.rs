//! The one text of a change: what `git diff` prints for it with default settings.
//!
//! Object ids in `index` lines have seven digits, always; git uses more where seven are
//! ambiguous. Renames are a deletion and an addition. Attributes and configuration do not
//! count.

use std::fmt::Write as _;

use git2::{Diff, DiffDelta, DiffFile, DiffOptions, FileMode, Patch, Repository, Tree};

use agent_core::port::workspace::WorkspaceError;

use crate::error::{Result, internal, refused};
use crate::policy::MAX_DIFF_BYTES;

/// Compares two trees of the mirror.
pub(crate) fn compare<'r>(
    repo: &'r Repository,
    old: &Tree<'_>,
    new: &Tree<'_>,
) -> Result<Diff<'r>> {
    let mut options = DiffOptions::new();
    options.context_lines(3).indent_heuristic(true).force_text(true);
    repo.diff_tree_to_tree(Some(old), Some(new), Some(&mut options))
        .map_err(internal("compare two trees"))
}

/// Lines added and deleted by one file of a diff; its text is appended to `out`.
pub(crate) fn print(
    diff: &Diff<'_>,
    index: usize,
    path: &str,
    out: &mut String,
) -> Result<(u32, u32)> {
    let doing = "print a diff";
    let delta = diff.get_delta(index).ok_or_else(|| internal(doing)("no such file"))?;
    header(&delta, path, out);
    let Some(hunks) = Patch::from_diff(diff, index).map_err(internal(doing))? else {
        return Ok((0, 0));
    };
    if hunks.num_hunks() > 0 {
        let label = |file: &DiffFile<'_>, prefix| {
            if file.exists() { quoted(prefix, path) } else { "/dev/null".to_owned() }
        };
        for (mark, name) in
            [("---", label(&delta.old_file(), "a/")), ("+++", label(&delta.new_file(), "b/"))]
        {
            let tab = if name.contains(' ') { "\t" } else { "" };
            line(out, format_args!("{mark} {name}{tab}"));
        }
    }
    for h in 0..hunks.num_hunks() {
        let (hunk, lines) = hunks.hunk(h).map_err(internal(doing))?;
        // git cuts the heading of a hunk at a byte; a character cut in half is left out.
        out.push_str(&valid_start(hunk.header()));
        for l in 0..lines {
            let line = hunks.line_in_hunk(h, l).map_err(internal(doing))?;
            if matches!(line.origin(), ' ' | '+' | '-') {
                out.push(line.origin());
            }
            let text = std::str::from_utf8(line.content()).map_err(|_| {
                refused(path, "the changed lines and those around them are not UTF-8")
            })?;
            out.push_str(text);
            if out.len() > MAX_DIFF_BYTES {
                let what = format!("its diff has more than {MAX_DIFF_BYTES} bytes");
                return Err(WorkspaceError::TooLarge(what));
            }
        }
    }
    let (_, added, deleted) = hunks.line_stats().map_err(internal(doing))?;
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Ok((count(added), count(deleted)))
}

fn valid_start(header: &[u8]) -> String {
    let text = String::from_utf8_lossy(header);
    if text.contains('\u{fffd}') { text.replace('\u{fffd}', "") } else { text.into_owned() }
}

fn header(delta: &DiffDelta<'_>, path: &str, out: &mut String) {
    let (old, new) = (delta.old_file(), delta.new_file());
    line(out, format_args!("diff --git {} {}", quoted("a/", path), quoted("b/", path)));
    match (old.exists(), new.exists()) {
        (false, _) => line(out, format_args!("new file mode {}", mode(&new))),
        (_, false) => line(out, format_args!("deleted file mode {}", mode(&old))),
        _ if old.mode() != new.mode() => {
            line(out, format_args!("old mode {}", mode(&old)));
            line(out, format_args!("new mode {}", mode(&new)));
        }
        _ => {}
    }
    if old.id() != new.id() {
        let same_mode = old.exists() && new.exists() && old.mode() == new.mode();
        let suffix = if same_mode { format!(" {}", mode(&old)) } else { String::new() };
        line(
            out,
            format_args!("index {:.7}..{:.7}{suffix}", old.id().to_string(), new.id().to_string()),
        );
    }
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{text}");
}

fn mode(file: &DiffFile<'_>) -> &'static str {
    if file.mode() == FileMode::BlobExecutable { "100755" } else { "100644" }
}

/// The name as git writes it: in quotes when it has a quote or a byte beyond ASCII.
fn quoted(prefix: &str, path: &str) -> String {
    if path.bytes().all(|b| matches!(b, b' '..=b'~') && b != b'"' && b != b'\\') {
        return format!("{prefix}{path}");
    }
    let mut name = format!("\"{prefix}");
    for byte in path.bytes() {
        match byte {
            b'"' | b'\\' => name.extend(['\\', char::from(byte)]),
            b' '..=b'~' => name.push(char::from(byte)),
            _ => {
                let _ = write!(name, "\\{byte:03o}");
            }
        }
    }
    name.push('"');
    name
}

//! Applies hunks to the bytes of one file.
//!
//! **Invariant:** every old line of a hunk equals the file's line in each byte. A hunk goes
//! where it says, shifted as the hunk before it was, or else to the only place nearby where
//! it fits.

use crate::error::{Result, does_not_apply};
use crate::patch::{Hunk, HunkLine};

/// How far from its stated line a hunk may be found, in lines.
pub(crate) const MAX_OFFSET: usize = 1_000;

/// The file after all hunks.
pub(crate) fn apply(path: &str, content: &[u8], hunks: &[Hunk<'_>]) -> Result<Vec<u8>> {
    let Some(last) = hunks.last() else { return Ok(content.to_vec()) };
    let file: Vec<&[u8]> = content.split_inclusive(|b| *b == b'\n').collect();
    let mut out = Vec::with_capacity(content.len());
    let mut done = 0;
    let mut drift = 0_isize;
    for hunk in hunks {
        let old: Vec<&HunkLine<'_>> = hunk.old_lines().collect();
        let stated = stated(hunk, old.len());
        let at = place(path, hunk, &file, &old, done, stated.saturating_add_signed(drift))?;
        drift = signed(at) - signed(stated);
        for line in file.get(done..at).unwrap_or_default() {
            push(&mut out, line, true, path, hunk)?;
        }
        for line in hunk.new_lines() {
            push(&mut out, line.text.as_bytes(), false, path, hunk)?;
            if line.newline {
                out.push(b'\n');
            }
        }
        done = at + old.len();
    }
    for line in file.get(done..).unwrap_or_default() {
        push(&mut out, line, true, path, last)?;
    }
    Ok(out)
}

/// Index of the hunk's first line. An empty old side names the line before it.
fn stated(hunk: &Hunk<'_>, old_lines: usize) -> usize {
    if old_lines == 0 { hunk.old_start } else { hunk.old_start.saturating_sub(1) }
}

fn signed(index: usize) -> isize {
    isize::try_from(index).unwrap_or(isize::MAX)
}

fn place(
    path: &str,
    hunk: &Hunk<'_>,
    file: &[&[u8]],
    old: &[&HunkLine<'_>],
    from: usize,
    wanted: usize,
) -> Result<usize> {
    if old.is_empty() {
        return if file.is_empty() {
            Ok(0)
        } else {
            Err(at(hunk, path, "the hunk has no context that says where it belongs"))
        };
    }
    let fits = |start: usize| {
        let lines = start.checked_add(old.len()).and_then(|end| file.get(start..end));
        start >= from && lines.is_some_and(|lines| lines.iter().zip(old).all(|(f, o)| equal(f, o)))
    };
    if fits(wanted) {
        return Ok(wanted);
    }
    let mut places = Hunk::window(from, file.len(), old.len(), wanted).filter(|p| fits(*p));
    match (places.next(), places.next()) {
        (Some(only), None) => Ok(only),
        (Some(_), Some(_)) => Err(at(hunk, path, "the hunk fits at several places")),
        (None, _) => Err(at(hunk, path, "the hunk does not match the file")),
    }
}

fn equal(line: &[u8], expected: &HunkLine<'_>) -> bool {
    match line.strip_suffix(b"\n") {
        Some(text) => expected.newline && text == expected.text.as_bytes(),
        None => !expected.newline && line == expected.text.as_bytes(),
    }
}

/// Appends a line; only the last line of a file may lack its line break.
fn push(
    out: &mut Vec<u8>,
    line: &[u8],
    from_file: bool,
    path: &str,
    hunk: &Hunk<'_>,
) -> Result<()> {
    if out.last().is_some_and(|b| *b != b'\n') {
        let what = if from_file {
            "the hunk ends the file before its last line"
        } else {
            "a line follows the one without a newline"
        };
        return Err(at(hunk, path, what));
    }
    out.extend_from_slice(line);
    Ok(())
}

fn at(hunk: &Hunk<'_>, path: &str, what: &str) -> agent_core::port::workspace::WorkspaceError {
    does_not_apply(format!("line {}: {path}: {what}", hunk.line))
}

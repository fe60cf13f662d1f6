//! The `@@` blocks of one file.

use crate::error::Result;
use crate::patch::cursor::Cursor;
use crate::patch::{Hunk, HunkLine, Side};

/// All hunks that follow, at least one. `changed` counts the lines added and removed.
pub(crate) fn hunks<'a>(cursor: &mut Cursor<'a>, changed: &mut usize) -> Result<Vec<Hunk<'a>>> {
    let mut hunks = Vec::new();
    while cursor.peek().is_some_and(|l| l.starts_with("@@")) {
        hunks.push(hunk(cursor, changed)?);
    }
    if hunks.is_empty() {
        return Err(cursor.malformed_next("expected `@@ -line,count +line,count @@`"));
    }
    Ok(hunks)
}

fn hunk<'a>(cursor: &mut Cursor<'a>, changed: &mut usize) -> Result<Hunk<'a>> {
    let header = cursor.next().unwrap_or_default();
    let line = cursor.line();
    let ranges = ranges(header).ok_or_else(|| cursor.malformed("malformed hunk header"))?;
    let (mut old_left, mut new_left) = (ranges.old_count, ranges.new_count);
    let mut lines: Vec<HunkLine<'a>> = Vec::new();
    let before = *changed;
    while old_left > 0 || new_left > 0 {
        let Some(text) = cursor.next() else {
            return Err(cursor.malformed("the hunk ends early"));
        };
        if is_end_marker(text) {
            unended(cursor, &mut lines)?;
            continue;
        }
        let (side, text) = split(text)
            .ok_or_else(|| cursor.malformed("a line of a hunk starts with ` `, `+` or `-`"))?;
        let takes = |left: usize, yes: bool| left.checked_sub(usize::from(yes));
        let counts = (takes(old_left, side != Side::New), takes(new_left, side != Side::Old));
        let (Some(old), Some(new)) = counts else {
            return Err(cursor.malformed("the hunk's counts do not match its lines"));
        };
        (old_left, new_left) = (old, new);
        *changed += usize::from(side != Side::Both);
        lines.push(HunkLine { side, text, newline: true });
    }
    if cursor.peek().is_some_and(is_end_marker) {
        cursor.next();
        unended(cursor, &mut lines)?;
    }
    if *changed == before {
        return Err(cursor.malformed("the hunk changes nothing"));
    }
    Ok(Hunk { line, old_start: ranges.old_start, lines })
}

/// git translates the words after the backslash.
fn is_end_marker(line: &str) -> bool {
    line.starts_with("\\ ")
}

fn unended(cursor: &Cursor<'_>, lines: &mut [HunkLine<'_>]) -> Result<()> {
    match lines.last_mut() {
        Some(last) if last.newline => {
            last.newline = false;
            Ok(())
        }
        _ => Err(cursor.malformed("`\\ No newline` follows no line")),
    }
}

fn split(line: &str) -> Option<(Side, &str)> {
    // Editors and mail programs strip the blank of an empty context line.
    if line.is_empty() || line == "\r" {
        return Some((Side::Both, line));
    }
    let sides = [(' ', Side::Both), ('-', Side::Old), ('+', Side::New)];
    sides.iter().find_map(|(mark, side)| Some((*side, line.strip_prefix(*mark)?)))
}

struct Ranges {
    old_start: usize,
    old_count: usize,
    new_count: usize,
}

/// `@@ -a[,b] +c[,d] @@[ anything]`
fn ranges(header: &str) -> Option<Ranges> {
    let rest = header.strip_prefix("@@ -")?;
    let (old, rest) = rest.split_once(" +")?;
    let (new, rest) = rest.split_once(" @@")?;
    if !matches!(rest.chars().next(), None | Some(' ' | '\r')) {
        return None;
    }
    let (old_start, old_count) = range(old)?;
    let (_, new_count) = range(new)?;
    Some(Ranges { old_start, old_count, new_count })
}

fn range(text: &str) -> Option<(usize, usize)> {
    let (start, count) = text.split_once(',').unwrap_or((text, "1"));
    let (start, count) = (number(start)?, number(count)?);
    // Only an empty range may begin before the first line.
    (start > 0 || count == 0).then_some((start, count))
}

fn number(text: &str) -> Option<usize> {
    let digits = (1..=9).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

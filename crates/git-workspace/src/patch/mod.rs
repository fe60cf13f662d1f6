//! Patch texts: what they say, and what they make of a file.
//!
//! Nothing here reads a repository. Paths in a parsed patch are as written and not yet
//! judged.

pub(crate) mod apply;
mod cursor;
pub(crate) mod edits;
mod header;
mod hunk;
mod name;
pub(crate) mod parse;

use std::ops::Range;

/// How one file changes, as a unified diff says it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FilePatch<'a> {
    /// Line of the patch text where the file begins, from 1.
    pub(crate) line: usize,
    /// `None` for a file that the patch creates.
    pub(crate) old: Option<String>,
    /// `None` for a file that the patch deletes.
    pub(crate) new: Option<String>,
    /// The mode the file had, where the patch says so.
    pub(crate) old_mode: Option<Mode>,
    /// The mode the file gets, where the patch says so.
    pub(crate) new_mode: Option<Mode>,
    pub(crate) hunks: Vec<Hunk<'a>>,
}

/// The two modes of regular files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Plain,
    Executable,
}

/// One `@@` block.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Hunk<'a> {
    /// Line of the patch text, from 1.
    pub(crate) line: usize,
    /// First old line, from 1; with no old lines, the line after which the new ones go.
    pub(crate) old_start: usize,
    pub(crate) lines: Vec<HunkLine<'a>>,
}

/// One line of a hunk, without its first character and its line break.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct HunkLine<'a> {
    pub(crate) side: Side,
    pub(crate) text: &'a str,
    /// False when "No newline at end of file" follows.
    pub(crate) newline: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Both,
    Old,
    New,
}

impl Hunk<'_> {
    fn old_lines(&self) -> impl Iterator<Item = &HunkLine<'_>> {
        self.lines.iter().filter(|l| l.side != Side::New)
    }

    fn new_lines(&self) -> impl Iterator<Item = &HunkLine<'_>> {
        self.lines.iter().filter(|l| l.side != Side::Old)
    }

    /// Positions at which `count` lines can begin between `from` and `len`, near `wanted`.
    fn window(from: usize, len: usize, count: usize, wanted: usize) -> Range<usize> {
        let first = wanted.saturating_sub(apply::MAX_OFFSET).max(from);
        let last = wanted.saturating_add(apply::MAX_OFFSET).min(len.saturating_sub(count));
        if count > len { 0..0 } else { first..last.saturating_add(1) }
    }
}

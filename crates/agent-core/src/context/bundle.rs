//! What a planner or a model gets to see, and how it is written down.
//!
//! **Invariants:** a bundle holds no more than its budget, counted over the text that
//! [`Bundle::render`] makes; equal inputs give equal bundles and equal hashes.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::kind::FileKind;
use super::redact::RedactionCounts;
use super::select::LeftOut;
use crate::port::workspace::{ObjectId, RecentCommit, StatusEntry};

/// Characters of a boundary; fixed, so that a budget can be kept before it is known.
const BOUNDARY_CHARS: usize = 16;

/// A file with its rank for the task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RankedFile {
    pub path: String,
    pub kind: FileKind,
    /// Thousandths of the best file's score, 1 to 1,000.
    pub score: u32,
    /// How well the words alone match, in thousandths of the best file's.
    pub strength: u32,
    /// Why it is here.
    pub reasons: Vec<String>,
}

/// Consecutive lines of one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slice {
    pub path: String,
    /// First line, from 1.
    pub start_line: u32,
    /// Last line, included.
    pub end_line: u32,
    /// The lines, secrets replaced, over-long lines cut.
    pub text: String,
    /// Thousandths; comparable within one bundle only.
    pub score: u32,
    pub kind: FileKind,
    pub reasons: Vec<String>,
}

/// Everything chosen of a repository at one commit for one task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bundle {
    pub commit: ObjectId,
    /// SHA-256 in hex over all other fields.
    pub hash: String,
    /// The most relevant files, best first, tests and documents behind source.
    pub ranked: Vec<RankedFile>,
    /// Paths of tracked files, sorted.
    pub tree: Vec<String>,
    /// How many files the commit tracks.
    pub tree_total: u64,
    pub status: Vec<StatusEntry>,
    pub commits: Vec<RecentCommit>,
    /// Source first, then tests, then documents; best first in each.
    pub slices: Vec<Slice>,
    pub left_out: LeftOut,
    /// Secrets taken out, by kind.
    pub redactions: RedactionCounts,
    /// Tokens of the rendered text: its bytes divided by 4, rounded up.
    pub tokens: u32,
    /// The budget it was made for, in tokens.
    pub budget: u32,
}

impl Bundle {
    /// Some tracked files are not in [`Bundle::tree`].
    pub fn tree_truncated(&self) -> bool {
        (self.tree.len() as u64) < self.tree_total
    }

    /// How many secrets were taken out.
    pub fn redaction_count(&self) -> u32 {
        self.redactions.values().fold(0, |sum, n| sum.saturating_add(*n))
    }

    /// The bundle as framed text for a model. Each part stands between an opening and a
    /// closing line that carry a boundary which no part contains.
    pub fn render(&self) -> String {
        self.render_with(&self.boundary())
    }

    /// The word that only frames carry: derived from the hash, so no content can be written
    /// to contain it.
    pub fn boundary(&self) -> String {
        let mut boundary = short_hash(self.hash.as_bytes());
        while self.render_with(&"\0".repeat(BOUNDARY_CHARS)).contains(&boundary) {
            boundary = short_hash(boundary.as_bytes());
        }
        boundary
    }

    fn render_with(&self, boundary: &str) -> String {
        let mut out = String::new();
        let list = |out: &mut String, name: &str, lines: Vec<String>| {
            if !lines.is_empty() {
                open(out, boundary, name, "");
                out.extend(lines);
                close(out, boundary);
            }
        };
        list(&mut out, "ranked_files", self.ranked.iter().map(ranked_line).collect());
        list(&mut out, "tree", self.tree.iter().map(|path| path_line(path)).collect());
        list(&mut out, "status", self.status.iter().map(status_line).collect());
        self.commits.iter().for_each(|commit| commit_part(&mut out, boundary, commit));
        self.slices.iter().for_each(|slice| slice_part(&mut out, boundary, slice));
        let left_out = self.left_out.files.iter();
        list(
            &mut out,
            "left_out",
            left_out.map(|f| left_out_line(&f.path, f.reason.name())).collect(),
        );
        out
    }

    /// Sets tokens and hash from everything else.
    pub(super) fn seal(mut self) -> Self {
        self.hash = String::new();
        self.tokens = tokens(self.render_with(&"\0".repeat(BOUNDARY_CHARS)).len());
        let canonical = serde_json::to_vec(&self).unwrap_or_default();
        self.hash = hex(&Sha256::digest(&canonical));
        self
    }
}

/// Bytes divided by four, rounded up.
pub fn tokens(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(4)).unwrap_or(u32::MAX)
}

fn short_hash(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes)).chars().take(BOUNDARY_CHARS).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

fn open(out: &mut String, boundary: &str, name: &str, attributes: &str) {
    let _ = writeln!(out, "<<{boundary} {name}{attributes}>>");
}

fn close(out: &mut String, boundary: &str) {
    let _ = writeln!(out, "<</{boundary}>>");
}

/// A path as one line: what is not printable is escaped.
fn quoted(path: &str) -> String {
    if path.chars().any(|c| c.is_control() || c == '"' || c == '\u{2028}' || c == '\u{2029}') {
        path.escape_default().to_string()
    } else {
        path.to_owned()
    }
}

fn path_line(path: &str) -> String {
    format!("{}\n", quoted(path))
}

fn ranked_line(file: &RankedFile) -> String {
    format!("{} ({}; {})\n", quoted(&file.path), file.kind.name(), file.reasons.join("; "))
}

fn status_line(entry: &StatusEntry) -> String {
    format!("{} {}\n", quoted(&entry.change), quoted(&entry.path))
}

fn left_out_line(path: &str, reason: &str) -> String {
    format!("{} ({reason})\n", quoted(path))
}

fn commit_part(out: &mut String, boundary: &str, commit: &RecentCommit) {
    open(out, boundary, "commit", &format!(" {}", commit.commit));
    let _ = writeln!(out, "{} — {}", quoted(&commit.subject), quoted(&commit.author_name));
    commit.paths.iter().for_each(|path| out.push_str(&path_line(path)));
    if !commit.diff.is_empty() {
        let _ = writeln!(out, "{}", commit.diff.trim_end_matches('\n'));
    }
    close(out, boundary);
}

fn slice_part(out: &mut String, boundary: &str, slice: &Slice) {
    let lines = format!(" {} lines {}-{}", quoted(&slice.path), slice.start_line, slice.end_line);
    open(out, boundary, slice.kind.name(), &lines);
    let _ = writeln!(out, "{}", slice.text);
    close(out, boundary);
}

/// How many bytes each part takes when rendered.
pub(super) mod cost {
    use super::{
        BOUNDARY_CHARS, RankedFile, RecentCommit, Slice, StatusEntry, close, commit_part,
        left_out_line, open, path_line, ranked_line, slice_part, status_line,
    };

    const BOUNDARY: &str = "0000000000000000";

    pub(in crate::context) fn list_frame(name: &str) -> usize {
        debug_assert_eq!(BOUNDARY.len(), BOUNDARY_CHARS);
        let mut out = String::new();
        open(&mut out, BOUNDARY, name, "");
        close(&mut out, BOUNDARY);
        out.len()
    }

    pub(in crate::context) fn ranked(file: &RankedFile) -> usize {
        ranked_line(file).len()
    }

    pub(in crate::context) fn path(path: &str) -> usize {
        path_line(path).len()
    }

    pub(in crate::context) fn status(entry: &StatusEntry) -> usize {
        status_line(entry).len()
    }

    pub(in crate::context) fn left_out(path: &str, reason: &str) -> usize {
        left_out_line(path, reason).len()
    }

    pub(in crate::context) fn commit(commit: &RecentCommit) -> usize {
        let mut out = String::new();
        commit_part(&mut out, BOUNDARY, commit);
        out.len()
    }

    pub(in crate::context) fn slice(slice: &Slice) -> usize {
        let mut out = String::new();
        slice_part(&mut out, BOUNDARY, slice);
        out.len()
    }
}

/// Sums counts of two texts.
pub(super) fn add_counts(into: &mut RedactionCounts, more: &BTreeMap<String, u32>) {
    for (kind, n) in more {
        let count = into.entry(kind.clone()).or_default();
        *count = count.saturating_add(*n);
    }
}

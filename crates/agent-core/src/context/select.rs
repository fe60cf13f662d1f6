//! Which files of a commit are worth reading for a task.
//!
//! Judged by path and size alone, before any content is read. Secret files are never
//! selected.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::kind::{
    FileKind, file_kind, is_binary, is_generated, is_secret_file, is_vendored, parent,
};
use super::redact::Redactor;
use super::terms::{QueryTerms, identifiers, terms};
use crate::port::workspace::{Snapshot, TreeFile};

/// Files read for one bundle at most.
pub const MAX_FILES: usize = 4_000;
/// Bytes read for one bundle at most.
pub const MAX_TOTAL_BYTES: u64 = 32 << 20;
/// Larger files are left out.
pub const MAX_FILE_BYTES: u64 = 512 << 10;
/// Left-out files named at most; the rest is counted.
pub const MAX_NAMED_LEFT_OUT: usize = 100;

/// What a bundle is for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Query<'a> {
    /// The task in words.
    pub text: &'a str,
    /// A file or folder the task is about, relative to the top.
    pub focus: Option<&'a str>,
    /// Files the person has open.
    pub open_files: &'a [String],
}

impl Query<'_> {
    /// The focus without `./` and slashes around it; `None` when nothing is left.
    pub fn focus_path(&self) -> Option<&str> {
        let path = self.focus?.trim();
        let path = path.strip_prefix("./").unwrap_or(path).trim_matches('/');
        (!path.is_empty() && path != ".").then_some(path)
    }

    /// Whether the focus is this file or a folder above it.
    pub fn focuses_on(&self, path: &str) -> bool {
        self.focus_path().is_some_and(|focus| {
            path.strip_prefix(focus).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    }

    /// Whether the person has this file open.
    pub fn has_open(&self, path: &str) -> bool {
        self.open_files.iter().any(|open| open.strip_prefix("./").unwrap_or(open) == path)
    }
}

/// Why a file is not shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeftOutReason {
    /// Its purpose is to hold secrets.
    SecretFile,
    /// Its name contains a secret; it is counted, never named.
    SecretName,
    TooLarge,
    Binary,
    Vendored,
    /// Lock files and other output of tools.
    Generated,
    /// More files or bytes than are read for one bundle.
    ReadBudget,
    /// It matches the task, but the token budget is used up.
    OverBudget,
    /// Read, and nothing in it matches the task; counted, not named.
    NoMatch,
}

impl LeftOutReason {
    /// Lower snake case, as on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SecretFile => "secret_file",
            Self::SecretName => "secret_name",
            Self::TooLarge => "too_large",
            Self::Binary => "binary",
            Self::Vendored => "vendored",
            Self::Generated => "generated",
            Self::ReadBudget => "read_budget",
            Self::OverBudget => "over_budget",
            Self::NoMatch => "no_match",
        }
    }
}

/// One file that is not shown.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LeftOutFile {
    pub path: String,
    pub reason: LeftOutReason,
}

/// What is not shown: counts by reason, and the first of each by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// By reason; besides [`LeftOutReason`] also those of the snapshot (`symlink`, …).
    pub counts: BTreeMap<String, u64>,
    /// At most [`MAX_NAMED_LEFT_OUT`], in the order they were met.
    pub files: Vec<LeftOutFile>,
}

impl LeftOut {
    /// Counts a file and names it while there is room.
    pub fn add(&mut self, path: &str, reason: LeftOutReason) {
        self.count(reason.name(), 1);
        let named = !matches!(reason, LeftOutReason::SecretName | LeftOutReason::NoMatch);
        if named && self.files.len() < MAX_NAMED_LEFT_OUT {
            self.files.push(LeftOutFile { path: path.to_owned(), reason });
        }
    }

    /// Counts entries without naming them.
    pub fn count(&mut self, reason: &str, entries: u64) {
        *self.counts.entry(reason.to_owned()).or_default() += entries;
    }
}

/// The files to read, and those already left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Sorted by path.
    pub files: Vec<TreeFile>,
    pub left_out: LeftOut,
}

/// Selects the files to read for a task: the promising ones first when there are too many.
pub fn select_candidates(snapshot: &Snapshot, query: &Query<'_>, redactor: &Redactor) -> Selection {
    let mut selection = Selection::default();
    for (reason, entries) in &snapshot.skipped {
        selection.left_out.count(reason, *entries);
    }
    let mut candidates: Vec<&TreeFile> = Vec::new();
    for file in &snapshot.files {
        match reason_to_skip(file, redactor) {
            Some(reason) => selection.left_out.add(&file.path, reason),
            None => candidates.push(file),
        }
    }
    let terms = QueryTerms::of(query.text);
    candidates.sort_by_cached_key(|file| (promise(&file.path, query, &terms), file.path.clone()));
    let mut bytes = 0_u64;
    for file in candidates {
        let fits = selection.files.len() < MAX_FILES && bytes + file.size <= MAX_TOTAL_BYTES;
        if fits {
            bytes += file.size;
            selection.files.push(file.clone());
        } else {
            selection.left_out.add(&file.path, LeftOutReason::ReadBudget);
        }
    }
    selection.files.sort_by(|a, b| a.path.cmp(&b.path));
    selection
}

fn reason_to_skip(file: &TreeFile, redactor: &Redactor) -> Option<LeftOutReason> {
    let path = file.path.as_str();
    if redactor.finds_in_path(path) {
        Some(LeftOutReason::SecretName)
    } else if is_secret_file(path) {
        Some(LeftOutReason::SecretFile)
    } else if is_vendored(path) {
        Some(LeftOutReason::Vendored)
    } else if is_binary(path) {
        Some(LeftOutReason::Binary)
    } else if is_generated(path) {
        Some(LeftOutReason::Generated)
    } else if file.size > MAX_FILE_BYTES {
        Some(LeftOutReason::TooLarge)
    } else {
        None
    }
}

/// Sort key: what is open or in focus, then what the path shares with the task, then
/// source before tests before documents, then what is near the top.
fn promise(
    path: &str,
    query: &Query<'_>,
    terms: &QueryTerms,
) -> (bool, Reverse<u32>, FileKind, usize) {
    let wanted = query.focuses_on(path) || query.has_open(path) || query.text.contains(path);
    let shared = path_match(path, terms);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a small positive number of tenths"
    )]
    let tenths = (shared * 10.0).clamp(0.0, 1e6) as u32;
    (!wanted, Reverse(tenths), file_kind(path), parent(path).matches('/').count())
}

/// Sum of the weights of the task's terms that the path contains.
pub(super) fn path_match(path: &str, query: &QueryTerms) -> f64 {
    let mut found: Vec<String> = identifiers(path).flat_map(terms).collect();
    found.sort_unstable();
    found.dedup();
    found.iter().filter_map(|term| query.weights.get(term)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::workspace::ObjectId;

    fn snapshot(files: &[(&str, u64)]) -> Snapshot {
        let id = ObjectId::parse(&"a".repeat(40)).unwrap();
        let file = |(path, size): &(&str, u64)| TreeFile {
            path: (*path).into(),
            blob: id.clone(),
            size: *size,
        };
        Snapshot {
            commit: id.clone(),
            tree: id.clone(),
            files: files.iter().map(file).collect(),
            skipped: BTreeMap::from([("symlink".to_owned(), 3)]),
        }
    }

    fn paths(selection: &Selection) -> Vec<&str> {
        selection.files.iter().map(|f| f.path.as_str()).collect()
    }

    #[test]
    fn each_left_out_file_has_its_reason() {
        let snapshot = snapshot(&[
            (".env", 10),
            ("Cargo.lock", 10),
            ("big.rs", MAX_FILE_BYTES + 1),
            ("logo.png", 10),
            ("src/hunter2secret.rs", 10),
            ("src/lib.rs", 10),
            ("vendor/x/lib.rs", 10),
        ]);
        let redactor = Redactor::new(&["hunter2secret".to_owned()]);
        let selection = select_candidates(&snapshot, &Query::default(), &redactor);
        assert_eq!(paths(&selection), ["src/lib.rs"]);
        let named: Vec<_> =
            selection.left_out.files.iter().map(|f| (f.path.as_str(), f.reason.name())).collect();
        assert_eq!(
            named,
            [
                (".env", "secret_file"),
                ("Cargo.lock", "generated"),
                ("big.rs", "too_large"),
                ("logo.png", "binary"),
                ("vendor/x/lib.rs", "vendored"),
            ]
        );
        assert_eq!(selection.left_out.counts["secret_name"], 1);
        assert_eq!(selection.left_out.counts["symlink"], 3);
    }

    #[test]
    fn the_promising_files_stay_when_there_are_too_many() {
        let names: Vec<String> = (0..MAX_FILES + 50).map(|n| format!("src/m{n:05}.rs")).collect();
        let mut files: Vec<(&str, u64)> = names.iter().map(|n| (n.as_str(), 1)).collect();
        files.push(("z/deep/er/invoice_totals.rs", 1));
        files.push(("z/open.md", 1));
        let open = ["z/open.md".to_owned()];
        let query = Query { text: "invoice totals", focus: None, open_files: &open };
        let selection = select_candidates(&snapshot(&files), &query, &Redactor::new(&[]));
        assert_eq!(selection.files.len(), MAX_FILES);
        assert!(paths(&selection).contains(&"z/deep/er/invoice_totals.rs"));
        assert!(paths(&selection).contains(&"z/open.md"));
        assert_eq!(selection.left_out.counts["read_budget"], 52);
        assert_eq!(selection.left_out.files.len(), MAX_NAMED_LEFT_OUT.min(52));
    }

    #[test]
    fn a_focus_is_a_file_or_a_folder() {
        let query = Query { focus: Some("./src/api/"), ..Query::default() };
        assert!(query.focuses_on("src/api/mod.rs") && query.focuses_on("src/api"));
        assert!(!query.focuses_on("src/apiary.rs"));
        assert!(!Query { focus: Some(" ./ "), ..Query::default() }.focuses_on("a"));
    }
}

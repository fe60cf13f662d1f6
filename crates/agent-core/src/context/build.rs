//! Puts a bundle together within its budget.

use std::collections::{BTreeMap, BTreeSet};

use super::bundle::{Bundle, RankedFile, Slice, add_counts, cost};
use super::diff::without_hidden_files;
use super::kind::{FileKind, parent};
use super::rank::{Document, Scored, Weighted, churn, rank};
use super::redact::{RedactionCounts, Redactor};
use super::select::{LeftOut, LeftOutReason, Query, Selection};
use super::slices::{cut, fitting, markers, thousandths};
use super::terms::QueryTerms;
use super::windows::{Window, best_windows};
use crate::port::workspace::{RecentCommit, Snapshot, StatusEntry};

/// Budget when none is asked for, in tokens.
pub const DEFAULT_BUDGET: u32 = 12_000;
/// Largest budget, in tokens.
pub const MAX_BUDGET: u32 = 100_000;
/// Ranked files in a bundle at most, over all kinds.
const MAX_RANKED: [(FileKind, usize); 3] =
    [(FileKind::Source, 24), (FileKind::Test, 10), (FileKind::Document, 8)];
/// Windows of one file at most.
const WINDOWS: usize = 4;
/// Files of one kind whose windows are considered.
const OPENED: usize = 60;

/// Everything a bundle is made from.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    pub snapshot: &'a Snapshot,
    pub selection: &'a Selection,
    /// Contents in the order of `selection.files`; `None` where there is no text.
    pub texts: &'a [Option<String>],
    /// Newest first.
    pub commits: &'a [RecentCommit],
    pub status: &'a [StatusEntry],
    pub query: Query<'a>,
    /// Tokens; 0 takes [`DEFAULT_BUDGET`], more than [`MAX_BUDGET`] takes that.
    pub budget: u32,
    pub redactor: &'a Redactor,
}

impl<'a> Inputs<'a> {
    /// The files that were read.
    pub fn documents(&self) -> Vec<Document<'a>> {
        let texts = self.texts.iter().map(Option::as_deref);
        let read = self.selection.files.iter().zip(texts);
        read.filter_map(|(file, text)| Some(Document { path: &file.path, text: text? })).collect()
    }

    fn unread(&self) -> impl Iterator<Item = &'a str> {
        let texts = self.texts.iter().map(Option::is_none).chain(std::iter::repeat(true));
        self.selection.files.iter().zip(texts).filter(|(_, no)| *no).map(|(f, _)| f.path.as_str())
    }
}

/// Builds the bundle. Deterministic in its inputs.
pub fn build(inputs: &Inputs<'_>) -> Bundle {
    let budget = if inputs.budget == 0 { DEFAULT_BUDGET } else { inputs.budget.min(MAX_BUDGET) };
    let documents = inputs.documents();
    let terms = QueryTerms::of(inputs.query.text);
    let recent = churn(inputs.commits.iter().map(|c| c.paths.as_slice()));
    let (mut scored, weighted) = rank(&documents, &inputs.query, &terms, &recent);
    let mut builder = Builder {
        inputs,
        budget: Budget::of(budget),
        left_out: inputs.selection.left_out.clone(),
        redactions: RedactionCounts::new(),
    };
    for file in &mut scored {
        builder.clean_reasons(file);
    }
    for path in inputs.unread() {
        builder.left_out.add(path, LeftOutReason::Binary);
    }
    let total = builder.budget.left;
    let ranked = builder.ranked(&documents, &scored, total / 8);
    let tree = builder.tree(&ranked, total / 10);
    let status = builder.status(total / 30);
    let commits = builder.commits(total / 6);
    builder.budget.hold_back(total / 25);
    let slices = builder.slices(&documents, &scored, &weighted);
    builder.budget.release();
    builder.fit_left_out();
    let bundle = Bundle {
        commit: inputs.snapshot.commit.clone(),
        hash: String::new(),
        ranked,
        tree,
        tree_total: inputs.snapshot.files.len() as u64,
        status,
        commits,
        slices,
        left_out: builder.left_out,
        redactions: builder.redactions,
        tokens: 0,
        budget,
    };
    bundle.seal()
}

/// Bytes that may still be shown.
struct Budget {
    left: usize,
    held: usize,
}

impl Budget {
    fn of(tokens: u32) -> Self {
        Self { left: usize::try_from(tokens).unwrap_or(usize::MAX).saturating_mul(4), held: 0 }
    }

    fn take(&mut self, bytes: usize) -> bool {
        let fits = bytes <= self.left;
        if fits {
            self.left -= bytes;
        }
        fits
    }

    fn hold_back(&mut self, bytes: usize) {
        self.held = bytes.min(self.left);
        self.left -= self.held;
    }

    fn release(&mut self) {
        self.left += std::mem::take(&mut self.held);
    }
}

struct Builder<'a> {
    inputs: &'a Inputs<'a>,
    budget: Budget,
    left_out: LeftOut,
    redactions: RedactionCounts,
}

impl Builder<'_> {
    /// Takes entries of a list while they fit into `share` bytes with the list's frame.
    fn take_list<T>(
        &mut self,
        name: &str,
        share: usize,
        entries: Vec<T>,
        size: impl Fn(&T) -> usize,
    ) -> Vec<T> {
        let frame = cost::list_frame(name);
        let mut share = share.min(self.budget.left);
        let Some(rest) = share.checked_sub(frame) else { return Vec::new() };
        share = rest;
        let mut out = Vec::new();
        for entry in entries {
            let bytes = size(&entry);
            if bytes <= share {
                share -= bytes;
                self.budget.take(bytes);
                out.push(entry);
            }
        }
        if !out.is_empty() {
            self.budget.take(frame);
        }
        out
    }

    fn ranked(
        &mut self,
        documents: &[Document<'_>],
        scored: &[Scored],
        share: usize,
    ) -> Vec<RankedFile> {
        let top = scored.first().map_or(1.0, |s| s.score).max(f64::MIN_POSITIVE);
        let mut entries = Vec::new();
        for (group, limit) in MAX_RANKED {
            let of_group = scored.iter().filter(|s| group_of(s.kind) == group).take(limit);
            entries.extend(of_group.filter_map(|s| {
                let path = documents.get(s.at)?.path.to_owned();
                let reasons = s.reasons.clone();
                let (score, strength) = (thousandths(s.score / top), thousandths(s.strength));
                Some(RankedFile { path, kind: s.kind, score, strength, reasons })
            }));
        }
        self.take_list("ranked_files", share, entries, cost::ranked)
    }

    /// Paths around the ranked files first, then what is nearest to the top.
    fn tree(&mut self, ranked: &[RankedFile], share: usize) -> Vec<String> {
        let near: BTreeSet<&str> = ranked.iter().take(12).map(|f| parent(&f.path)).collect();
        let shown = |path: &&str| !self.inputs.redactor.finds_in_path(path);
        let mut paths: Vec<&str> =
            self.inputs.snapshot.files.iter().map(|f| f.path.as_str()).filter(shown).collect();
        paths.sort_by_key(|path| (!near.contains(parent(path)), path.matches('/').count(), *path));
        let paths = paths.into_iter().map(str::to_owned).collect();
        let mut out = self.take_list("tree", share, paths, |path: &String| cost::path(path));
        out.sort_unstable();
        out
    }

    fn status(&mut self, share: usize) -> Vec<StatusEntry> {
        let shown = |entry: &&StatusEntry| !self.inputs.redactor.finds_in_path(&entry.path);
        let entries = self.inputs.status.iter().filter(shown).cloned().collect();
        self.take_list("status", share, entries, cost::status)
    }

    /// The newest commits; a diff that does not fit is dropped before its commit is.
    fn commits(&mut self, share: usize) -> Vec<RecentCommit> {
        let mut share = share.min(self.budget.left);
        let mut out = Vec::new();
        for commit in self.inputs.commits {
            let mut commit = self.clean(commit);
            if cost::commit(&commit) > share {
                commit.diff = String::new();
            }
            let bytes = cost::commit(&commit);
            if bytes <= share && self.budget.take(bytes) {
                share -= bytes;
                out.push(commit);
            }
        }
        out
    }

    fn clean(&mut self, commit: &RecentCommit) -> RecentCommit {
        let shown = |path: &&String| !self.inputs.redactor.finds_in_path(path);
        RecentCommit {
            commit: commit.commit.clone(),
            subject: self.redact(&commit.subject),
            author_name: self.redact(&commit.author_name),
            time: commit.time,
            paths: commit.paths.iter().filter(shown).cloned().collect(),
            diff: self.redact(&without_hidden_files(&commit.diff)),
        }
    }

    /// Reasons repeat words of the task, and a task may hold a secret too.
    fn clean_reasons(&self, file: &mut Scored) {
        for reason in &mut file.reasons {
            *reason = self.inputs.redactor.redact(reason).text;
        }
    }

    fn redact(&mut self, text: &str) -> String {
        let redacted = self.inputs.redactor.redact(text);
        add_counts(&mut self.redactions, &redacted.counts);
        redacted.text
    }

    /// Source gets four fifths of what is left, tests most of the rest, then documents;
    /// what nobody needed goes to source again.
    fn slices(
        &mut self,
        documents: &[Document<'_>],
        scored: &[Scored],
        weighted: &Weighted,
    ) -> Vec<Slice> {
        let mut out = Vec::new();
        let mut waiting: BTreeMap<FileKind, Vec<Slice>> = BTreeMap::new();
        for (group, _) in MAX_RANKED {
            let of_group: Vec<&Scored> =
                scored.iter().filter(|s| group_of(s.kind) == group).take(OPENED).collect();
            waiting.insert(group, self.candidates(documents, &of_group, weighted));
        }
        let total = self.budget.left;
        for (group, share) in [
            (FileKind::Source, total / 5 * 4),
            (FileKind::Test, total / 8),
            (FileKind::Document, total),
            (FileKind::Test, total),
            (FileKind::Source, total),
        ] {
            let candidates = waiting.remove(&group).unwrap_or_default();
            let rest = self.pack(candidates, share, &mut out);
            waiting.insert(group, rest);
        }
        let shown: BTreeSet<String> = out.iter().map(|s: &Slice| s.path.clone()).collect();
        self.account(documents, scored, &shown);
        out.sort_by(|a, b| {
            let key = |s: &Slice| (group_of(s.kind), std::cmp::Reverse(s.score));
            key(a).cmp(&key(b)).then_with(|| (&a.path, a.start_line).cmp(&(&b.path, b.start_line)))
        });
        out
    }

    /// Slices of one kind, best first. Texts are redacted whole before they are cut.
    fn candidates(
        &mut self,
        documents: &[Document<'_>],
        scored: &[&Scored],
        weighted: &Weighted,
    ) -> Vec<Slice> {
        let top = scored.first().map_or(1.0, |s| s.score).max(f64::MIN_POSITIVE);
        let mut out = Vec::new();
        for file in scored {
            let Some(document) = documents.get(file.at) else { continue };
            let redacted = self.inputs.redactor.redact(document.text);
            let mut windows = best_windows(&redacted.text, weighted, WINDOWS);
            if windows.is_empty() {
                windows.push(Window { start: 0, end: 40, score: 0.0 });
            }
            for (rank, window) in (1_u32..).zip(windows) {
                let share = file.score / top / f64::from(rank);
                out.extend(cut(document.path, &redacted.text, window, file, share));
            }
        }
        out.sort_by_key(|slice| std::cmp::Reverse(slice.score));
        out
    }

    /// Takes slices while they fit; gives back those that did not.
    fn pack(&mut self, slices: Vec<Slice>, share: usize, out: &mut Vec<Slice>) -> Vec<Slice> {
        let mut share = share.min(self.budget.left);
        let mut rest = Vec::new();
        for slice in slices {
            match fitting(&slice, share) {
                Some(slice) => {
                    let bytes = cost::slice(&slice);
                    share = share.saturating_sub(bytes);
                    self.budget.take(bytes);
                    add_counts(&mut self.redactions, &markers(&slice.text));
                    out.push(slice);
                }
                None => rest.push(slice),
            }
        }
        rest
    }

    /// Names what matched and is not shown, and counts what did not match.
    fn account(&mut self, documents: &[Document<'_>], scored: &[Scored], shown: &BTreeSet<String>) {
        for file in scored {
            if let Some(document) = documents.get(file.at).filter(|d| !shown.contains(d.path)) {
                self.left_out.add(document.path, LeftOutReason::OverBudget);
            }
        }
        let no_match = documents.len().saturating_sub(scored.len()) as u64;
        if no_match > 0 {
            self.left_out.count(LeftOutReason::NoMatch.name(), no_match);
        }
    }

    fn fit_left_out(&mut self) {
        let files = std::mem::take(&mut self.left_out.files);
        let share = self.budget.left;
        self.left_out.files =
            self.take_list("left_out", share, files, |f| cost::left_out(&f.path, f.reason.name()));
    }
}

/// Configuration is shown among source.
fn group_of(kind: FileKind) -> FileKind {
    if kind == FileKind::Other { FileKind::Source } else { kind }
}

//! What is known about the files a plan may touch.

use std::collections::{BTreeMap, BTreeSet};

use super::references::{Referrers, referrers};
use super::signals::{Signal, signals};
use super::test_paths::{is_named_after, new_test_path};
use crate::context::{
    Bundle, Document, FileKind, Inputs, QueryTerms, Symbol, definitions, file_kind, terms,
};

/// Files looked into at most: the ranked ones.
const MAX_FILES: usize = 48;
/// Symbols named per file.
const MAX_SYMBOLS: usize = 4;

/// One file.
#[derive(Clone, Debug, PartialEq)]
pub struct FileFacts {
    pub path: String,
    pub kind: FileKind,
    pub lines: usize,
    /// Definitions the task is about, best first; at most four.
    pub symbols: Vec<String>,
    /// Source files that refer to it.
    pub dependents: Vec<String>,
    /// Test files named after it or referring to it.
    pub tests: Vec<String>,
    /// Documents that name what it defines.
    pub documents: Vec<String>,
    /// It contains its own tests.
    pub tested_inside: bool,
    /// What deserves an eye.
    pub signals: Vec<Signal>,
}

impl FileFacts {
    /// How many places test it.
    pub fn test_count(&self) -> usize {
        self.tests.len() + usize::from(self.tested_inside)
    }
}

/// The repository as far as planning needs it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RepoFacts {
    paths: BTreeSet<String>,
    files: BTreeMap<String, FileFacts>,
}

impl RepoFacts {
    /// Looks into the ranked files of a bundle and into who refers to them.
    pub fn scan(inputs: &Inputs<'_>, bundle: &Bundle) -> Self {
        let documents = inputs.documents();
        let by_path: BTreeMap<&str, Document<'_>> =
            documents.iter().map(|d| (d.path, *d)).collect();
        let targets: Vec<Document<'_>> = bundle
            .ranked
            .iter()
            .take(MAX_FILES)
            .filter_map(|file| by_path.get(file.path.as_str()).copied())
            .collect();
        let terms = QueryTerms::of(inputs.query.text);
        let sources: Vec<Document<'_>> = targets
            .iter()
            .filter(|d| matches!(file_kind(d.path), FileKind::Source))
            .copied()
            .collect();
        let referrers = referrers(&sources, &documents);
        let paths: BTreeSet<String> =
            inputs.snapshot.files.iter().map(|f| f.path.clone()).collect();
        let tests: Vec<&String> = paths.iter().filter(|p| file_kind(p) == FileKind::Test).collect();
        let look = Look { bundle, terms: &terms, tests: &tests };
        let file = |d: &Document<'_>| (d.path.to_owned(), look.at(d, referrers.get(d.path)));
        let files = targets.iter().map(file).collect();
        Self { paths, files }
    }

    /// Whether the commit tracks this path.
    pub fn exists(&self, path: &str) -> bool {
        self.paths.contains(path)
    }

    /// What is known of a ranked file.
    pub fn file(&self, path: &str) -> Option<&FileFacts> {
        self.files.get(path)
    }

    /// A path for a new test of a file.
    pub fn new_test_for(&self, source: &str) -> Option<String> {
        new_test_path(source, &self.paths)
    }

    /// How many files the commit tracks.
    pub fn file_count(&self) -> usize {
        self.paths.len()
    }
}

struct Look<'a> {
    bundle: &'a Bundle,
    terms: &'a QueryTerms,
    tests: &'a [&'a String],
}

impl Look<'_> {
    fn at(&self, document: &Document<'_>, referrers: Option<&Referrers>) -> FileFacts {
        let empty = Referrers::default();
        let referrers = referrers.unwrap_or(&empty);
        let kind = file_kind(document.path);
        let mut tests = referrers.tests.clone();
        if kind == FileKind::Source {
            let named = self.tests.iter().filter(|test| is_named_after(test, document.path));
            tests.extend(named.map(|test| (*test).clone()));
        }
        let symbols = definitions(document.path, document.text);
        FileFacts {
            path: document.path.to_owned(),
            kind,
            lines: document.text.lines().count(),
            symbols: self.symbols(document.path, &symbols),
            dependents: referrers.sources.iter().cloned().collect(),
            tests: tests.into_iter().collect(),
            documents: referrers.documents.iter().cloned().collect(),
            tested_inside: document.text.contains("#[cfg(test)]")
                || document.text.contains("#[test]"),
            signals: signals(document.text),
        }
    }

    /// Definitions whose names share most with the task; where none does, those whose first
    /// lines are in the best slice of the file.
    fn symbols(&self, path: &str, symbols: &[Symbol]) -> Vec<String> {
        let weight = |name: &str| -> f64 {
            let shared: f64 = terms(name).iter().filter_map(|t| self.terms.weights.get(t)).sum();
            #[expect(clippy::cast_precision_loss, reason = "a few parts")]
            let length = terms(name).len().max(1) as f64;
            shared / length.sqrt()
        };
        let mut scored: Vec<(f64, u32, &str)> = symbols
            .iter()
            .map(|s| (weight(&s.name), s.line, s.name.as_str()))
            .filter(|(score, ..)| *score > 0.5)
            .collect();
        scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let mut names: Vec<&str> = scored.into_iter().map(|(.., name)| name).collect();
        if names.is_empty() {
            names = self.in_slices(path, symbols);
        }
        let mut out: Vec<String> = Vec::new();
        for name in names {
            if !out.iter().any(|o| o == name) && out.len() < MAX_SYMBOLS {
                out.push(name.to_owned());
            }
        }
        out
    }

    fn in_slices<'s>(&self, path: &str, symbols: &'s [Symbol]) -> Vec<&'s str> {
        let slice = self.bundle.slices.iter().find(|slice| slice.path == path);
        let inside = |s: &&Symbol| {
            slice.is_some_and(|slice| (slice.start_line..=slice.end_line).contains(&s.line))
        };
        symbols.iter().filter(inside).map(|s| s.name.as_str()).take(2).collect()
    }
}

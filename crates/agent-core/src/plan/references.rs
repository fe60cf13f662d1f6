//! Which files refer to a file, told from names alone.
//!
//! A file refers to another one when an import line names it, or when it uses a name that
//! only the other one defines. Names are compared as words, so a comment can count too:
//! the numbers are for judging risk, not for changing code.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::test_paths::{same_family, subject};
use crate::context::{Document, FileKind, definitions, file_kind, identifiers};

/// Shorter names are used for too many things.
const MIN_NAME_CHARS: usize = 5;
/// A name in more than this share of the files (one in so many) says nothing.
const COMMON_SHARE: usize = 3;

/// Who refers to a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Referrers {
    pub(super) sources: BTreeSet<String>,
    pub(super) tests: BTreeSet<String>,
    pub(super) documents: BTreeSet<String>,
}

/// Who refers to each of the targets, among the files that were read.
pub(super) fn referrers(
    targets: &[Document<'_>],
    documents: &[Document<'_>],
) -> BTreeMap<String, Referrers> {
    let names = unique_names(targets, documents);
    let subjects: HashMap<&str, Vec<usize>> =
        targets.iter().enumerate().fold(HashMap::new(), |mut map, (at, target)| {
            map.entry(subject(target.path)).or_insert_with(Vec::new).push(at);
            map
        });
    let mut out: BTreeMap<String, Referrers> = BTreeMap::new();
    for document in documents {
        let words: HashSet<&str> = identifiers(document.text).collect();
        let by_name = words.iter().filter_map(|word| names.get(*word)).copied();
        let named = words.iter().filter_map(|word| subjects.get(*word)).flatten().copied();
        let imported = named.filter(|at| {
            targets.get(*at).is_some_and(|target| imports(document, subject(target.path)))
        });
        let mut found: BTreeSet<usize> = by_name.collect();
        found.extend(imported);
        for target in found.into_iter().filter_map(|at| targets.get(at)) {
            note(out.entry(target.path.to_owned()).or_default(), target.path, document.path);
        }
    }
    out
}

fn note(referrers: &mut Referrers, target: &str, path: &str) {
    let kind = file_kind(path);
    if path == target || (kind != FileKind::Document && !same_family(path, target)) {
        return;
    }
    let list = match kind {
        FileKind::Test => &mut referrers.tests,
        FileKind::Document => &mut referrers.documents,
        FileKind::Source | FileKind::Other => &mut referrers.sources,
    };
    list.insert(path.to_owned());
}

/// Names that exactly one target and no other file defines, and that are not everywhere.
fn unique_names(targets: &[Document<'_>], documents: &[Document<'_>]) -> HashMap<String, usize> {
    let mut names: HashMap<String, usize> = HashMap::new();
    let mut dropped: HashSet<String> = HashSet::new();
    for (at, target) in targets.iter().enumerate() {
        for symbol in definitions(target.path, target.text) {
            let short = symbol.name.chars().count() < MIN_NAME_CHARS;
            let other = names.insert(symbol.name.clone(), at).is_some_and(|before| before != at);
            if short || other {
                dropped.insert(symbol.name);
            }
        }
    }
    let mut uses: HashMap<&str, usize> = HashMap::new();
    for document in documents {
        let own: HashSet<&str> =
            identifiers(document.text).filter(|word| names.contains_key(*word)).collect();
        for word in &own {
            *uses.entry(*word).or_default() += 1;
        }
        if own.is_empty() {
            continue;
        }
        for symbol in definitions(document.path, document.text) {
            let elsewhere = names
                .get(&symbol.name)
                .and_then(|at| targets.get(*at))
                .is_some_and(|target| target.path != document.path);
            if elsewhere {
                dropped.insert(symbol.name);
            }
        }
    }
    let common = (documents.len() / COMMON_SHARE).max(12);
    names.retain(|name, _| {
        !dropped.contains(name) && uses.get(name.as_str()).is_none_or(|n| *n <= common)
    });
    names
}

/// Whether an import line of the file names the subject. Declaring a module is no use of it.
fn imports(document: &Document<'_>, subject: &str) -> bool {
    document
        .text
        .lines()
        .any(|line| is_import(line) && identifiers(line).any(|word| word == subject))
}

fn is_import(line: &str) -> bool {
    let line = line.trim_start();
    let begins = [
        "use ",
        "pub use ",
        "pub(crate) use ",
        "import ",
        "from ",
        "#include",
        "@import",
        "require ",
        "require_relative ",
        "export * from",
        "export {",
        "} from ",
    ];
    begins.iter().any(|word| line.starts_with(word))
        || line.contains("require(")
        || line.contains("import(")
        || (line.starts_with('"') && line.trim_end().ends_with('"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn documents<'a>(files: &[(&'a str, &'a str)]) -> Vec<Document<'a>> {
        files.iter().map(|(path, text)| Document { path, text }).collect()
    }

    #[test]
    fn imports_and_unique_names_are_references() {
        let all = documents(&[
            ("src/cart.rs", "pub fn apply_discount() {}\npub fn new() {}"),
            ("src/order.rs", "use crate::cart::Cart;\nfn submit() {}"),
            ("src/web.rs", "fn page() { apply_discount() }"),
            ("src/mail.rs", "pub fn new() {}\n// a cart in a comment"),
            ("tests/shop.rs", "fn t() { apply_discount(); }"),
            ("docs/a.md", "`apply_discount` takes a code"),
            ("web/cart.ts", "import { cart } from './x'"),
        ]);
        let found = referrers(&all[..1], &all);
        let cart = &found["src/cart.rs"];
        assert_eq!(cart.sources.iter().collect::<Vec<_>>(), ["src/order.rs", "src/web.rs"]);
        assert_eq!(cart.tests.iter().collect::<Vec<_>>(), ["tests/shop.rs"]);
        assert_eq!(cart.documents.iter().collect::<Vec<_>>(), ["docs/a.md"]);
    }

    #[test]
    fn a_name_that_two_files_define_is_no_reference() {
        let all = documents(&[
            ("a.py", "def render_page(): pass"),
            ("b.py", "def render_page(): pass"),
            ("c.py", "render_page()"),
        ]);
        assert!(referrers(&all[..1], &all).get("a.py").is_none_or(|r| r.sources.is_empty()));
    }
}

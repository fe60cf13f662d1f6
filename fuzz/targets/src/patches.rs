//! Patches: diffs and SEARCH/REPLACE edits on a tree, and the policy on paths.
//!
//! An input is a byte that says what follows: a diff against [`base`]; a file, a NUL, and a
//! diff of it; edits, each a path, a text and what replaces it, split by the separators of
//! ASCII; or a path.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

use agent_core::port::workspace::{
    ChangeKind, PatchInput, SearchReplace, TreeChange, WorkspaceError,
};
use git_workspace::fuzzing::{Bench, Entry, Files, check_path, fold, is_internal};
use git_workspace::{MAX_CHANGED_LINES, MAX_DIFF_BYTES, MAX_FILE_BYTES, MAX_PATCH_FILES};

use crate::shape::{before_nul, head, text};

const RECORD: char = '\u{1e}';
const FIELD: char = '\u{1f}';
/// The file of inputs that bring one.
const OWN: &str = "f";

thread_local! {
    static BENCH: OnceCell<Bench> = const { OnceCell::new() };
}

/// One input.
pub fn run(input: &[u8]) {
    let ([kind], rest) = head(input);
    let mut files = base();
    let patch = match kind % 4 {
        0 => PatchInput::UnifiedDiff(text(rest)),
        1 => {
            let (file, diff) = before_nul(rest);
            files.insert(OWN.into(), Entry::File(file.to_vec()));
            PatchInput::UnifiedDiff(text(diff))
        }
        2 => PatchInput::SearchReplace(edits(&text(rest))),
        _ => return path(&text(rest)),
    };
    BENCH.with(|bench| {
        let bench = bench.get_or_init(|| done(Bench::new()));
        judged(bench, &files, &patch);
        done(bench.clear());
    });
}

/// The bench itself must not fail.
fn done<T>(result: Result<T, WorkspaceError>) -> T {
    result.unwrap_or_else(|error| panic!("{error}"))
}

fn edits(text: &str) -> Vec<SearchReplace> {
    let edits = text.split(RECORD).map(|edit| {
        let mut fields = edit.splitn(3, FIELD).map(str::to_owned);
        let mut next = || fields.next().unwrap_or_default();
        SearchReplace { path: next(), search: next(), replace: next() }
    });
    edits.collect()
}

/// A tree with everything a patch might try to use.
fn base() -> Files {
    let file = |content: &str| Entry::File(content.as_bytes().to_vec());
    let lines: Vec<String> = (1..60).map(|n| format!("line {n}\n")).collect();
    let lines = lines.concat();
    let entries: [(&[u8], Entry); 16] = [
        (b"README.md", file("# Shop\n\nAdds up what is in a basket.\n")),
        (b"src/main.rs", file("fn main() {\n    println!(\"1\");\n}\n")),
        (b"src/lines", file(&lines)),
        (b"same", file("a\na\na\nb\na\na\na\n")),
        (b"unended", file("one\ntwo")),
        (b"crlf", file("one\r\ntwo\r\n")),
        (b"empty", file("")),
        (b"run.sh", Entry::Executable(b"#!/bin/sh\n".to_vec())),
        ("ä \"b\"".as_bytes(), file("ä\n")),
        (b"latin", Entry::File(b"caf\xe9\nx\n".to_vec())),
        (b"image", Entry::File(b"\x89PNG\0\0".to_vec())),
        (b"out", Entry::Link(b"/etc".to_vec())),
        (b"up/link", Entry::Link(b"..".to_vec())),
        (b"module", Entry::Submodule),
        (b".github/workflows/ci.yml", file("on: push\n")),
        (b"bad\xff", file("x\n")),
    ];
    entries.into_iter().map(|(path, entry)| (path.to_vec(), entry)).collect()
}

fn judged(bench: &Bench, files: &Files, patch: &PatchInput) {
    let base = done(bench.commit(files));
    match bench.judge(&base, patch) {
        Ok(change) => {
            let after = done(bench.files(&change.tree));
            accepted(files, &after, &change);
            // What is shown leads to the tree that was judged.
            let shown = PatchInput::UnifiedDiff(change.diff.clone());
            match bench.judge(&base, &shown) {
                Ok(again) => {
                    assert_eq!(again, change, "the diff that is shown does something else");
                }
                Err(error) => panic!("{error}: the diff that is shown\n{}", change.diff),
            }
        }
        Err(error) => assert!(!is_internal(&error), "{error}"),
    }
}

/// The policy, from the two trees alone.
fn accepted(before: &Files, after: &Files, change: &TreeChange) {
    let paths: BTreeSet<&Vec<u8>> = before.keys().chain(after.keys()).collect();
    let changed = paths.into_iter().filter(|path| before.get(*path) != after.get(*path));
    let mut told: BTreeMap<&[u8], ChangeKind> =
        change.files.iter().map(|file| (file.path.as_bytes(), file.kind)).collect();
    assert_eq!(told.len(), change.files.len(), "a file is told twice");
    assert!((1..=MAX_PATCH_FILES).contains(&told.len()));
    for path in changed {
        let kind = match (before.contains_key(path), after.contains_key(path)) {
            (false, _) => ChangeKind::Added,
            (_, false) => ChangeKind::Deleted,
            _ => ChangeKind::Modified,
        };
        let shown = String::from_utf8_lossy(path);
        assert_eq!(told.remove(path.as_slice()), Some(kind), "{shown}");
        plain(path);
        regular(before.get(path));
        regular(after.get(path));
        if kind == ChangeKind::Added {
            let twins = after.keys().filter(|other| *other != path && is_twin(path, other));
            assert_eq!(twins.count(), 0, "{shown} has a twin");
        }
    }
    assert!(told.is_empty(), "{told:?} did not change");
    let lines: u64 =
        change.files.iter().map(|f| u64::from(f.lines_added) + u64::from(f.lines_deleted)).sum();
    assert!(usize::try_from(lines).is_ok_and(|lines| lines <= MAX_CHANGED_LINES));
    assert!(change.diff.len() <= MAX_DIFF_BYTES);
    let steering = change.files.iter().map(|file| &file.path).filter(|path| steers(path));
    assert!(steering.into_iter().all(|path| change.protected.contains(path)), "{change:?}");
}

/// A regular text file of a bearable size, or none.
fn regular(entry: Option<&Entry>) {
    match entry {
        None => {}
        Some(Entry::File(content) | Entry::Executable(content)) => {
            assert!(content.len() <= MAX_FILE_BYTES);
            assert!(!content.iter().take(8 << 10).any(|byte| *byte == 0), "a binary file");
        }
        Some(other) => panic!("{other:?} was changed"),
    }
}

/// A path that means the same file everywhere, by other words than the policy's.
fn plain(path: &[u8]) {
    let Ok(path) = std::str::from_utf8(path) else { panic!("{path:?} is not UTF-8") };
    assert_eq!(check_path(path), Ok(()), "{path:?}");
    assert!(path.len() <= 4096 && !path.contains(['\\', ':', '\0', '\n', '\r']), "{path:?}");
    for name in path.split('/') {
        let seen: String = name.chars().filter(|c| !is_ignored(*c)).collect();
        let seen = seen.to_ascii_lowercase();
        assert!(!matches!(name, "" | "." | ".."), "{path:?}");
        assert!(name.len() <= 255 && seen != ".git", "{path:?}");
        let short = seen.strip_prefix("git~").and_then(|number| number.parse::<u64>().ok());
        assert_eq!(short, None, "{path:?}");
        assert!(!name.ends_with(['.', ' ']), "{path:?}");
    }
}

/// Code points that HFS+ leaves out when it compares names.
fn is_ignored(c: char) -> bool {
    let c = u32::from(c);
    [0x200c..=0x200f, 0x202a..=0x202e, 0x206a..=0x206f, 0xfeff..=0xfeff]
        .iter()
        .any(|range| range.contains(&c))
}

/// Whether two paths are one on a file system that ignores case, or one lies where the
/// other has a file.
fn is_twin(path: &[u8], other: &[u8]) -> bool {
    let (Ok(path), Ok(other)) = (std::str::from_utf8(path), std::str::from_utf8(other)) else {
        return false;
    };
    let (path, other) = (fold(path), fold(other));
    let below = |a: &str, b: &str| a.strip_prefix(b).is_some_and(|rest| rest.starts_with('/'));
    path == other || below(&path, &other) || below(&other, &path)
}

/// Some of what a person must always look at.
fn steers(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    let named = |name: &str| path.split('/').any(|part| part == name);
    [".github", ".gitattributes", ".gitmodules", ".env", "agents.md", "claude.md"]
        .into_iter()
        .any(named)
}

/// A path alone: the policy does not depend on how it is reached.
fn path(given: &str) {
    if check_path(given).is_ok() {
        plain(given.as_bytes());
        let below = format!("{given}/x");
        assert!(check_path(&below).is_ok() || below.len() > 255, "{below:?}");
        assert!(check_path(&format!("{given}/.GIT/x")).is_err());
        assert!(check_path(&format!("../{given}")).is_err());
    }
    assert_eq!(fold(&fold(given)), fold(given), "{given:?} folds twice");
    assert!(!git_workspace::is_protected(given) || !given.is_empty());
}

/// Diffs as git writes them, diffs that want something else, edits and paths.
pub fn seeds() -> Vec<Vec<u8>> {
    let diffs = [
        "--- a/README.md\n+++ b/README.md\n@@ -1,3 +1,4 @@\n # Shop\n \n+More.\n Adds up what is in a basket.\n",
        "diff --git a/src/main.rs b/src/main.rs\nindex 1111111..2222222 100644\n--- a/src/main.rs\n+++ b/src/main.rs\n@@ -1,3 +1,3 @@\n fn main() {\n-    println!(\"1\");\n+    println!(\"2\");\n }\n",
        "diff --git a/new b/new\nnew file mode 100755\nindex 0000000..1111111\n--- /dev/null\n+++ b/new\n@@ -0,0 +1 @@\n+x\n\\ No newline at end of file\n",
        "diff --git a/same b/same\ndeleted file mode 100644\nindex 1111111..0000000\n--- a/same\n+++ /dev/null\n@@ -1,7 +0,0 @@\n-a\n-a\n-a\n-b\n-a\n-a\n-a\n",
        "diff --git a/run.sh b/tools/run.sh\nsimilarity index 100%\nrename from run.sh\nrename to tools/run.sh\n",
        "diff --git a/run.sh b/run.sh\nold mode 100755\nnew mode 100644\n",
        "--- a/unended\n+++ b/unended\n@@ -1,2 +1,3 @@\n one\n-two\n\\ No newline at end of file\n+two\n+three\n",
        "--- a/crlf\n+++ b/crlf\n@@ -1,2 +1,2 @@\n one\r\n-two\r\n+2\r\n",
        "--- \"a/\\303\\244 \\\"b\\\"\"\n+++ \"b/\\303\\244 \\\"b\\\"\"\n@@ -1 +1 @@\n-ä\n+ö\n",
        "--- a/src/lines\n+++ b/src/lines\n@@ -10,3 +10,3 @@ line 9\n line 20\n-line 21\n+line one\n line 22\n@@ -40 +40,2 @@\n line 50\n+x\n",
        "--- a/same\n+++ b/same\n@@ -1,3 +1,3 @@\n a\n-b\n+c\n a\n",
        "--- a/empty\n+++ b/empty\n@@ -0,0 +1,2 @@\n+a\n+b\n",
        "From 1111111111111111111111111111111111111111 Mon Sep 17 00:00:00 2001\nFrom: a <a@b>\nSubject: x\n\n---\n README.md | 1 +\n\ndiff --git a/README.md b/README.md\n--- a/README.md\n+++ b/README.md\n@@ -1 +1,2 @@\n # Shop\n+x\n-- \n2.39.5\n",
        "--- a/latin\n+++ b/latin\n@@ -2 +2 @@\n-x\n+y\n",
        "--- a/.github/workflows/ci.yml\n+++ b/.github/workflows/ci.yml\n@@ -1 +1 @@\n-on: push\n+on: pull_request\n",
        "--- a/out/passwd\n+++ b/out/passwd\n@@ -0,0 +1 @@\n+x\n",
        "diff --git a/image b/image\nindex 1..2\nGIT binary patch\nliteral 1\nIcmZPo000310RR91\n",
        "diff --git a/l b/l\nnew file mode 120000\n--- /dev/null\n+++ b/l\n@@ -0,0 +1 @@\n+/etc\n\\ No newline at end of file\n",
    ];
    let own = [
        "a\nb\nc\n\0--- a/f\n+++ b/f\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n",
        "a\n\na\n\n\0--- f\n+++ f\n@@ -3,2 +3,3 @@\n a\n \n+c\n",
        "x\0--- a/f\n+++ b/f\n@@ -1 +1 @@\n-x\n\\ No newline at end of file\n+y\n",
    ];
    let edits = [
        "README.md\u{1f}basket\u{1f}bag",
        "new/file\u{1f}\u{1f}text\n\u{1e}new/file\u{1f}text\u{1f}other",
        "same\u{1f}b\u{1f}\u{1e}run.sh\u{1f}sh\u{1f}bash",
        "../x\u{1f}\u{1f}y",
    ];
    let paths = [
        "a",
        "src/main.rs",
        "a/../b",
        "/etc/passwd",
        ".GIT/config",
        ".g\u{200c}it/config",
        "git~1/x",
        ".git::$INDEX_ALLOCATION/x",
        "x.",
        "a\\b",
        "a\u{202e}b",
        "docs/Claude.md",
        "ſ/ı/K",
        "ä/ö",
    ];
    let of = |kind: u8, texts: &[&str]| -> Vec<Vec<u8>> {
        texts.iter().map(|text| [&[kind], text.as_bytes()].concat()).collect()
    };
    let created = paths.map(|path| format!("--- /dev/null\n+++ b/{path}\n@@ -0,0 +1 @@\n+x\n"));
    let created = created.iter().map(|diff| [b"\0", diff.as_bytes()].concat()).collect();
    [of(0, &diffs), of(1, &own), of(2, &edits), of(3, &paths), created].concat()
}

//! The catalogue of reasons against the sources and the protos.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use server::docs::REASONS;

/// Crates that make errors.
const CRATES: [&str; 11] = [
    "agent-core",
    "api",
    "directory",
    "engines",
    "events",
    "gateway",
    "permissions",
    "primitives",
    "storage",
    "worker",
    "workflow-core",
];

/// Upper-case words that are something else: codes, states, types, kinds, variables.
const NOT_REASONS: [&str; 34] = [
    "AGENT_ASSIST",
    "ALREADY_EXISTS",
    "AUDIT_EVENT",
    "AWAITING_REVIEW",
    "BUG_FIX",
    "CARGO_MANIFEST_DIR",
    "CARGO_PKG_VERSION",
    "CODE_EDIT",
    "CODE_REVIEW",
    "DATA_LOSS",
    "DOC_UPDATE",
    "FAILED_PRECONDITION",
    "GIT_OPERATION",
    "IN_PROGRESS",
    "KILL_SWITCH",
    "MAX_ROWS",
    "MAX_TOTAL",
    "OUT_DIR",
    "OUT_OF_RANGE",
    "RESOURCE_EXHAUSTED",
    "ROLE_ASSIGNMENT",
    "ROLLED_BACK",
    "ROUND_ROBIN",
    "SCREAMING_SNAKE_CASE",
    "TEST_ENRICHMENT",
    "TEST_GENERATION",
    "TIMED_OUT",
    "WORKFLOW_REVISION",
    "WORK_ITEM",
    // Reasons of one word are no different from states: these are looked for in tests.
    "CANCELLED",
    "INTERNAL",
    "OVERLOADED",
    "UNAUTHENTICATED",
    "UNIMPLEMENTED",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|given| given == extension) {
            found.push(path);
        }
    }
    found
}

/// Texts in quotes that look like reasons.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('"').skip(1).filter(|word| is_reason(word) && word.contains('_'))
}

fn is_reason(word: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    word.len() > 2
        && word.starts_with(|c: char| c.is_ascii_uppercase())
        && word.chars().all(is_letter)
}

/// Reasons that the sources make.
fn made() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for name in CRATES {
        for file in files(&root().join("crates").join(name).join("src"), "rs") {
            let text = std::fs::read_to_string(file).unwrap();
            let code = text.split("#[cfg(test)]\nmod").next().unwrap_or_default();
            found.extend(quoted(code).map(ToOwned::to_owned));
        }
    }
    for other in NOT_REASONS {
        found.remove(other);
    }
    found
}

/// Reasons that the protos promise: the second column of their `Errors` tables.
fn promised() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for file in files(&root().join("proto").join("elohim"), "proto") {
        for line in std::fs::read_to_string(file).unwrap().lines() {
            let Some(comment) = line.trim().strip_prefix("//   ") else { continue };
            let mut words = comment.split_whitespace();
            if let (Some(code), Some(_)) =
                (words.next().filter(|w| is_reason(w)), words.clone().next())
            {
                let reasons = words.map(|word| word.trim_end_matches([',', ':']));
                found.extend(reasons.take_while(|word| is_reason(word)).map(ToOwned::to_owned));
                assert!(code.len() > 2, "{line}");
            }
        }
    }
    found
}

#[test]
fn every_reason_in_the_sources_is_in_the_catalogue_and_no_other() {
    let listed: BTreeSet<String> = REASONS
        .iter()
        .map(|reason| reason.name.to_owned())
        .filter(|name| name.contains('_'))
        .collect();
    let made = made();
    let missing: Vec<_> = made.difference(&listed).collect();
    assert!(missing.is_empty(), "not in the catalogue: {missing:?}");
    let stale: Vec<_> = listed.difference(&made).collect();
    assert!(stale.is_empty(), "in the catalogue, and made nowhere: {stale:?}");
}

#[test]
fn every_reason_the_protos_promise_is_in_the_catalogue() {
    let promised = promised();
    assert!(promised.len() > 40, "{promised:?}");
    let listed: BTreeSet<String> = REASONS.iter().map(|reason| reason.name.to_owned()).collect();
    let missing: Vec<_> = promised.difference(&listed).collect();
    assert!(missing.is_empty(), "promised and not in the catalogue: {missing:?}");
}

#[test]
fn the_catalogue_is_sorted_and_complete() {
    let names: Vec<_> = REASONS.iter().map(|reason| reason.name).collect();
    assert!(names.is_sorted());
    for reason in REASONS {
        assert!(
            is_reason(reason.name) && is_reason(reason.code)
                || ["run", "explanation"].contains(&reason.code)
        );
        assert!(!reason.meaning.is_empty() && !reason.remedy.is_empty(), "{}", reason.name);
    }
}

#[test]
fn the_page_of_reasons_is_the_generated_one() {
    let page = std::fs::read_to_string(root().join("docs/errors.md")).unwrap();
    assert_eq!(page, server::docs::errors(), "run `cargo run -- docs errors`");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_methods_is_the_generated_one() {
    let page = std::fs::read_to_string(root().join("docs/status.md")).unwrap();
    let now = server::docs::status().await.unwrap();
    assert_eq!(page, now, "run `cargo run -- docs status`");
}

//! `tests/skips.toml`: the only tests that may be ignored, each with its reason.
//!
//! **Invariant:** the file and the tests agree in both directions. An ignored test that
//! is not listed fails the run, and so does a line whose test runs or is gone.

use std::fs;

use anyhow::{Context, Result};
use serde::Deserialize;

use super::build::Test;
use crate::workspace;

const FILE: &str = "tests/skips.toml";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Skips {
    #[serde(default)]
    skip: Vec<Skip>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Skip {
    /// Binary and name as the runner prints them: `e2e::it crash::after_claim`.
    test: String,
    reason: String,
}

/// One sentence per disagreement between the file and the tests.
pub(super) fn unlisted(tests: &[Test]) -> Result<Vec<String>> {
    let path = workspace::root().join(FILE);
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {FILE}"))?;
    complaints(&text, tests).with_context(|| format!("{FILE} is malformed"))
}

fn complaints(text: &str, tests: &[Test]) -> Result<Vec<String>> {
    let skips = toml::from_str::<Skips>(text)?.skip;
    let mut complaints = Vec::new();
    for test in tests.iter().filter(|test| test.is_ignored) {
        let name = test.to_string();
        if !skips.iter().any(|skip| skip.test == name) {
            complaints.push(format!("{name} is ignored, but {FILE} does not name it"));
        }
    }
    for Skip { test, reason } in &skips {
        if reason.trim().is_empty() {
            complaints.push(format!("{FILE} gives no reason for {test}"));
        }
        if !tests.iter().any(|candidate| candidate.is_ignored && candidate.to_string() == *test) {
            complaints.push(format!("{FILE} names {test}, which no ignored test is called"));
        }
    }
    Ok(complaints)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test(name: &str, is_ignored: bool) -> Test {
        Test { binary: "e2e::it".into(), name: name.into(), is_ignored }
    }

    #[test]
    fn an_ignored_test_must_be_listed_with_a_reason() {
        let tests = [test("slow", true), test("fast", false)];
        assert_eq!(
            complaints("", &tests).unwrap(),
            ["e2e::it slow is ignored, but tests/skips.toml does not name it"]
        );
        let listed = "[[skip]]\ntest = 'e2e::it slow'\nreason = 'needs a GPU'\n";
        assert_eq!(complaints(listed, &tests).unwrap(), [""; 0]);
        let bare = "[[skip]]\ntest = 'e2e::it slow'\nreason = ' '\n";
        assert_eq!(
            complaints(bare, &tests).unwrap(),
            ["tests/skips.toml gives no reason for e2e::it slow"]
        );
    }

    #[test]
    fn a_line_must_name_an_ignored_test() {
        let listed = "[[skip]]\ntest = 'e2e::it fast'\nreason = 'none'\n";
        assert_eq!(
            complaints(listed, &[test("fast", false)]).unwrap(),
            ["tests/skips.toml names e2e::it fast, which no ignored test is called"]
        );
    }

    #[test]
    fn a_typo_in_a_key_is_an_error() {
        assert!(complaints("[[skip]]\ntest = 'a'\nreasn = 'b'\n", &[]).is_err());
    }
}

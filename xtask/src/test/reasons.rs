//! Reasons of refusals: those that tests have met are those of the catalogue.
//!
//! Tests leave a file for each reason they look at (`testkit::world::Refused`). Reasons of runs
//! and explanations are no refusals; a test of the sources looks after these.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

/// As `testkit` knows it.
const VARIABLE: &str = "ELOHIM_OBSERVED_REASONS";
/// The catalogue as it is generated.
const CATALOGUE: &str = "docs/errors.md";
/// Those that no call of a test brings about, with the place that has each.
const ELSEWHERE: &str = "tests/it/reasons-elsewhere.csv";

/// What the tests of one run meet.
pub(super) struct Observed(PathBuf);

impl Observed {
    pub(super) fn begin() -> Result<Self> {
        let name = format!("elohim-reasons-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).context("no folder for reasons")?;
        Ok(Self(folder))
    }

    pub(super) fn apply(&self, command: &mut Command) {
        command.env(VARIABLE, &self.0);
    }

    /// What the catalogue and a run of all tests do not agree on.
    pub(super) fn complaints(&self, root: &Path) -> Result<Vec<String>> {
        let entries = std::fs::read_dir(&self.0).context("the folder of reasons is gone")?;
        let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
        let met = names.collect::<Result<BTreeSet<_>>>()?;
        let read = |file: &str| {
            std::fs::read_to_string(root.join(file)).with_context(|| format!("cannot read {file}"))
        };
        Ok(compare(&met, &read(CATALOGUE)?, &read(ELSEWHERE)?))
    }
}

impl Drop for Observed {
    fn drop(&mut self) {
        // What is left is a few empty files in a folder for such things.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn compare(met: &BTreeSet<String>, catalogue: &str, elsewhere: &str) -> Vec<String> {
    let elsewhere: BTreeSet<&str> =
        elsewhere.lines().filter_map(|row| row.split(',').next()).collect();
    let rows: Vec<_> = catalogue.lines().filter_map(row).collect();
    let mut complaints = Vec::new();
    for (reason, code) in &rows {
        let is_refusal = !matches!(*code, "run" | "explanation");
        if is_refusal && !met.contains(*reason) && !elsewhere.contains(reason) {
            complaints.push(format!("no test has met {reason}"));
        }
    }
    for reason in met {
        if !rows.iter().any(|(known, _)| known == reason) {
            complaints.push(format!("a test has met {reason}, which {CATALOGUE} does not have"));
        }
    }
    complaints
}

/// Reason and code of a row of the page.
fn row(line: &str) -> Option<(&str, &str)> {
    let mut cells = line.strip_prefix("| `")?.split('|').map(str::trim);
    Some((cells.next()?.trim_end_matches('`'), cells.next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_on_either_side_is_told() {
        let page = "| reason | code |\n|---|---|\n| `A_B` | ABORTED | x | y |\n\
                    | `C_D` | run | x | y |\n| `E_F` | INTERNAL | x | y |\n";
        let met = |reasons: &[&str]| reasons.iter().map(|name| (*name).to_owned()).collect();
        assert!(compare(&met(&["A_B"]), page, "reason,place\nE_F,x\n").is_empty());
        assert_eq!(compare(&met(&["A_B"]), page, ""), ["no test has met E_F"]);
        let told = compare(&met(&["A_B", "E_F", "G_H"]), page, "");
        assert!(told.len() == 1 && told[0].contains("G_H"), "{told:?}");
    }
}

//! The product guide's scenarios, shown as a table of scenario and database.
//!
//! A scenario is a module of `guide` in the end-to-end binary with one test per
//! database: `guide::NAME::sqlite` and `guide::NAME::postgres`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use anyhow::{Result, bail};

use super::build::Test;
use super::{Environment, Runner, SELECTION, Stream, run_watched};
use crate::workspace;

const BINARY: &str = "e2e::it";
const MODULE: &str = "guide::";
const DATABASES: [&str; 2] = ["sqlite", "postgres"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Passed,
    Failed,
}

/// Names of the scenarios that were built, without module and database.
pub(super) fn expected(tests: &[Test]) -> Result<Vec<String>> {
    let names: BTreeSet<String> = tests
        .iter()
        .filter(|test| test.binary == BINARY)
        .filter_map(|test| scenario_of(&test.name))
        .map(|(scenario, _)| scenario.to_owned())
        .collect();
    if names.is_empty() {
        bail!("{BINARY} has no tests in the module guide");
    }
    Ok(names.into_iter().collect())
}

/// Runs the scenarios; fails too when one has not passed on both databases.
pub(super) fn run(environment: &Environment, scenarios: Vec<String>) -> Result<u8> {
    let mut outcomes = BTreeMap::new();
    let mut command = workspace::cargo();
    let runner = Runner::present();
    let stream = match runner {
        Runner::Nextest => {
            let filter = "package(e2e) & binary(it) & test(/^guide::/)";
            command.args(["nextest", "run"]).args(SELECTION);
            command.args(["--color", "never", "--no-fail-fast", "-E", filter]);
            Stream::Errors
        }
        Runner::CargoTest => {
            command.arg("test").args(SELECTION).args(["--test", "it", "--", MODULE]);
            Stream::Output
        }
    };
    environment.apply(&mut command);
    let code = run_watched(&mut command, stream, |line| {
        let result = match runner {
            Runner::Nextest => nextest_result(line),
            Runner::CargoTest => libtest_result(line),
        };
        if let Some((name, outcome)) = result {
            record(&mut outcomes, name, outcome);
        }
    })?;
    print!("{}", table(&scenarios, &outcomes));
    let has_passed = |scenario: &String| {
        DATABASES.iter().all(|database| {
            outcomes.get(&format!("{MODULE}{scenario}::{database}")) == Some(&Outcome::Passed)
        })
    };
    Ok(if code == 0 && !scenarios.iter().all(has_passed) { 1 } else { code })
}

/// A test that failed once has failed, whatever is printed about it later.
fn record(outcomes: &mut BTreeMap<String, Outcome>, name: &str, outcome: Outcome) {
    let known = outcomes.entry(name.to_owned()).or_insert(outcome);
    if outcome == Outcome::Failed {
        *known = Outcome::Failed;
    }
}

/// `guide::NAME::DATABASE` as (NAME, DATABASE).
fn scenario_of(test: &str) -> Option<(&str, &str)> {
    let (scenario, database) = test.strip_prefix(MODULE)?.rsplit_once("::")?;
    DATABASES.contains(&database).then_some((scenario, database))
}

/// Reads `PASS [   0.012s] (1/2) e2e::it guide::name::sqlite`.
fn nextest_result(line: &str) -> Option<(&str, Outcome)> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let (first, rest) = words.split_first()?;
    let [.., binary, name] = rest else { return None };
    if *binary != BINARY || !rest.first()?.starts_with('[') {
        return None;
    }
    let outcome = match *first {
        "PASS" | "LEAK" => Outcome::Passed,
        "FAIL" | "TIMEOUT" | "ABORT" => Outcome::Failed,
        signal if signal.starts_with("SIG") => Outcome::Failed,
        _ => return None,
    };
    Some((name, outcome))
}

/// Reads `test guide::name::sqlite ... ok`.
fn libtest_result(line: &str) -> Option<(&str, Outcome)> {
    let (name, result) = line.strip_prefix("test ")?.split_once(" ... ")?;
    match result.trim() {
        "ok" => Some((name, Outcome::Passed)),
        "FAILED" => Some((name, Outcome::Failed)),
        _ => None,
    }
}

fn table(scenarios: &[String], outcomes: &BTreeMap<String, Outcome>) -> String {
    let width = scenarios.iter().map(String::len).max().unwrap_or(0).max("scenario".len());
    let mut text = format!("\n{:width$}", "scenario");
    for database in DATABASES {
        let _ = write!(text, "  {database:8}");
    }
    text.push('\n');
    for scenario in scenarios {
        let _ = write!(text, "{:width$}", scenario.replace('_', " "));
        for database in DATABASES {
            let cell = match outcomes.get(&format!("{MODULE}{scenario}::{database}")) {
                Some(Outcome::Passed) => "PASS",
                Some(Outcome::Failed) => "FAIL",
                None => "NOT RUN",
            };
            let _ = write!(text, "  {cell:8}");
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_lines_of_both_runners() {
        let pass = "        PASS [   0.012s] (1/2) e2e::it guide::a::sqlite";
        assert_eq!(nextest_result(pass), Some(("guide::a::sqlite", Outcome::Passed)));
        let old = "     SIGSEGV [   0.012s] e2e::it guide::a::postgres";
        assert_eq!(nextest_result(old), Some(("guide::a::postgres", Outcome::Failed)));
        for other in ["SLOW [> 60.000s] e2e::it guide::a::sqlite", "FAIL of e2e::it x", "", "PASS"]
        {
            assert_eq!(nextest_result(other), None, "{other}");
        }
        assert_eq!(
            libtest_result("test guide::a::sqlite ... ok"),
            Some(("guide::a::sqlite", Outcome::Passed))
        );
        assert_eq!(libtest_result("test guide::a::sqlite ... ignored, slow"), None);
    }

    #[test]
    fn the_table_names_what_did_not_run() {
        let mut outcomes = BTreeMap::new();
        record(&mut outcomes, "guide::assist_flow::sqlite", Outcome::Failed);
        record(&mut outcomes, "guide::assist_flow::sqlite", Outcome::Passed);
        record(&mut outcomes, "guide::trigger::postgres", Outcome::Passed);
        let scenarios = ["assist_flow".to_owned(), "trigger".to_owned()];
        let expected = "
scenario     sqlite    postgres
assist flow  FAIL      NOT RUN
trigger      NOT RUN   PASS
";
        assert_eq!(table(&scenarios, &outcomes), expected);
    }

    #[test]
    fn scenarios_come_from_the_end_to_end_binary_only() {
        let test = |binary: &str, name: &str| Test {
            binary: binary.into(),
            name: name.into(),
            is_ignored: false,
        };
        let tests = [
            test("e2e::it", "guide::trigger::sqlite"),
            test("e2e::it", "guide::trigger::postgres"),
            test("e2e::it", "guide::helper_works"),
            test("storage", "guide::other::sqlite"),
        ];
        assert_eq!(expected(&tests).unwrap(), ["trigger"]);
        assert!(expected(&tests[2..]).is_err());
    }
}

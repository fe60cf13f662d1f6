//! Files stay short enough to be read in one go.

use std::fs;

use anyhow::{Context, Result};

use super::Findings;
use crate::workspace;

/// Lines up to which nobody asks.
const AIM: usize = 400;
/// Lines from which the run fails; between the two a reviewer decides.
const LIMIT: usize = 600;
/// Folders of generated code.
const GENERATED: &[&str] = &["crates/api/src/gen/"];

const CAPPED: &str = "crates/primitives/src/";
/// Lines without tests that `primitives` stays below: it is no place for what fits nowhere.
const CAP: usize = 600;

/// Measures every Rust file, and `primitives` as a whole.
pub(super) fn check(files: &[String], findings: &mut Findings) -> Result<()> {
    let mut capped = 0;
    for file in files.iter().filter(|file| has_rust_ending(file)) {
        if GENERATED.iter().any(|folder| file.starts_with(folder)) {
            continue;
        }
        let text = fs::read_to_string(workspace::root().join(file))
            .with_context(|| format!("cannot read {file}"))?;
        judge(file, text.lines().count(), findings);
        if file.starts_with(CAPPED) && !file.ends_with("/tests.rs") {
            capped += lines_without_tests(&text);
        }
    }
    if capped >= CAP {
        findings.problem(format!("{CAPPED} has {capped} lines without tests, the cap is {CAP}"));
    }
    Ok(())
}

fn has_rust_ending(file: &str) -> bool {
    std::path::Path::new(file).extension().is_some_and(|ending| ending == "rs")
}

fn judge(file: &str, lines: usize, findings: &mut Findings) {
    if lines > LIMIT {
        findings.problem(format!("{file} has {lines} lines, the limit is {LIMIT}"));
    } else if lines > AIM {
        findings.note(format!("{file} has {lines} lines, aim at {AIM}"));
    }
}

/// Counts lines outside `#[cfg(test)] mod … { … }`. Relies on rustfmt: the module ends at
/// the first closing brace that stands at the indentation of its attribute.
fn lines_without_tests(text: &str) -> usize {
    let mut count = 0;
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        count += 1;
        let Some(indent) = line.strip_suffix("#[cfg(test)]") else { continue };
        let Some(next) = lines.next() else { break };
        let item = next.trim_start().trim_start_matches("pub ").trim_start_matches("pub(crate) ");
        if item.starts_with("mod ") && next.trim_end().ends_with('{') {
            count -= 1;
            let end = format!("{indent}}}");
            lines.by_ref().find(|line| *line == end);
        } else {
            count += 1;
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_files_are_reported_and_too_long_ones_fail() {
        let mut findings = Findings::default();
        for (file, lines) in [("a.rs", 400), ("b.rs", 401), ("c.rs", 600), ("d.rs", 601)] {
            judge(file, lines, &mut findings);
        }
        assert_eq!(
            findings.notes,
            ["b.rs has 401 lines, aim at 400", "c.rs has 600 lines, aim at 400"]
        );
        assert_eq!(findings.problems, ["d.rs has 601 lines, the limit is 600"]);
    }

    #[test]
    fn test_modules_are_not_counted_and_other_test_items_are() {
        let text = "fn a() {}\n#[cfg(test)]\nfn b() {}\n#[cfg(test)]\nmod tests {\n    fn c() {\n    }\n}\nfn d() {}\n";
        assert_eq!(lines_without_tests(text), 4);
        assert_eq!(lines_without_tests("#[cfg(test)]\nmod tests;\n"), 2);
    }
}

//! Steps of the stages that review, test and document.

use super::assist::reading;
use super::estimate::Estimate;
use super::facts::FileFacts;
use super::risk::{Touches, judge};
use super::steps::StepPlanner;
use crate::context::{FileKind, RankedFile};
use crate::model::{PlannedFile, PlannedStep};

const MAX_REVIEWED: usize = 4;
const MAX_TESTED: usize = 3;
const MAX_DOCUMENTS: usize = 3;
const MAX_HINTS: usize = 3;

impl StepPlanner<'_> {
    /// One step for each file to review with what to look for, then the tests and the
    /// verdict.
    pub(super) fn review(&self) -> Vec<PlannedStep> {
        let mut files = self.primaries(MAX_REVIEWED);
        if files.is_empty() {
            files = self
                .ranked(FileKind::Test)
                .chain(self.ranked(FileKind::Document))
                .take(2)
                .collect();
        }
        let mut steps: Vec<PlannedStep> = files.iter().map(|f| self.review_step(*f)).collect();
        let tests: Vec<PlannedFile> = self.distinct_tests(&files, false);
        if !tests.is_empty() {
            let description = "Judge whether the tests would notice a mistake in the files above: \
                               expected cases, limits, refusals."
                .to_owned();
            let estimate =
                Estimate::base(5, "the tests").per(3, tests.len(), 15, ["test file", "test files"]);
            steps.push(Self::step(description, &reading(Touches::Nothing), estimate, tests));
        }
        steps
    }

    fn review_step(&self, (file, facts): (&RankedFile, &FileFacts)) -> PlannedStep {
        let hints = hints(facts, |s| s.review.as_str());
        let look = if hints.is_empty() {
            "correctness, names and what a caller may rely on".to_owned()
        } else {
            hints.join("; ")
        };
        let estimate = Estimate::base(5, "one file").reading(facts.lines, 30, 25).per(
            1,
            facts.dependents.len(),
            10,
            ["file that refers to it", "files that refer to it"],
        );
        let description = format!("Review {}. Look for: {look}.", facts.path);
        let mut step = Self::step(
            description,
            &reading(Touches::Nothing),
            estimate,
            vec![Self::planned(file, facts)],
        );
        let change = judge(&self.risk_facts(facts));
        step.risk_reason = format!(
            "{}; a change there would be {}: {}",
            step.risk_reason,
            change.risk.as_str(),
            change.reason
        );
        step
    }

    /// Tests to add or extend for the files that matter, those without any first.
    pub(super) fn test_enrichment(&self) -> Vec<PlannedStep> {
        let mut files: Vec<(&RankedFile, &FileFacts)> = self
            .primaries(MAX_TESTED)
            .into_iter()
            .filter(|(_, facts)| facts.kind == FileKind::Source)
            .collect();
        files.sort_by_key(|(_, facts)| facts.test_count() > 0);
        let mut steps: Vec<PlannedStep> = Vec::new();
        for (file, facts) in files {
            steps.extend(self.test_step_for(file, facts));
        }
        if steps.is_empty() {
            steps.extend(self.ranked(FileKind::Test).take(2).map(|(file, facts)| {
                let description = format!("Extend {} for “{}”.", facts.path, self.task.short());
                let estimate = Estimate::base(15, "further cases").reading(facts.lines, 60, 10);
                Self::step(
                    description,
                    &reading(Touches::Tests),
                    estimate,
                    vec![Self::planned(file, facts)],
                )
            }));
        }
        steps
    }

    fn test_step_for(&self, file: &RankedFile, facts: &FileFacts) -> Option<PlannedStep> {
        let mut files = self.tests_for(facts);
        let first = files.first()?;
        let verb = if first.is_new { "Add" } else { "Extend" };
        let cases = hints(facts, |s| s.test.as_str());
        let cases = if cases.is_empty() {
            "the expected case, the limits and what must be refused".to_owned()
        } else {
            cases.join("; ")
        };
        let names: Vec<String> = facts.symbols.iter().map(|s| format!("`{s}`")).collect();
        let subject = if names.is_empty() { facts.path.clone() } else { names.join(", ") };
        let description = format!("{verb} {} for {subject}. Try: {cases}.", first.path);
        let estimate = Estimate::base(15, "test cases")
            .per(5, facts.symbols.len(), 20, ["symbol", "symbols"])
            .per(10, usize::from(first.is_new), 10, ["new test file", "new test files"]);
        if !files.iter().any(|f| f.path == facts.path) {
            files.push(Self::planned(file, facts));
        }
        let mut step = Self::step(description, &reading(Touches::Tests), estimate, files);
        step.risk_reason = format!("{}; {} is read, not changed", step.risk_reason, facts.path);
        Some(step)
    }

    /// Documents to update, or one to add, and the source to check them against.
    pub(super) fn documents(&self) -> Vec<PlannedStep> {
        let mut steps: Vec<PlannedStep> = Vec::new();
        let best = self.ranked(FileKind::Document).next().map_or(0, |(file, _)| file.score);
        for (file, facts) in self.ranked(FileKind::Document).take(MAX_DOCUMENTS) {
            if file.score * 4 >= best * 3 {
                let estimate = Estimate::base(10, "the text").reading(facts.lines, 60, 10);
                let description = format!("Update {} for “{}”.", facts.path, self.task.short());
                let files = vec![Self::planned(file, facts)];
                steps.push(Self::step(description, &reading(Touches::Documents), estimate, files));
            }
        }
        let sources = self.primaries(2);
        if steps.is_empty() && !sources.is_empty() {
            steps.extend(self.new_document());
        }
        if let Some((_, first)) = sources.first().filter(|_| !steps.is_empty()) {
            let files = sources.iter().map(|(file, facts)| Self::planned(file, facts)).collect();
            let estimate = Estimate::base(5, "comparing").per(
                3,
                sources.len(),
                9,
                ["source file", "source files"],
            );
            let description =
                format!("Check every statement against the code, beginning with {}.", first.path);
            steps.push(Self::step(description, &reading(Touches::Nothing), estimate, files));
        }
        steps
    }

    fn new_document(&self) -> Option<PlannedStep> {
        let candidates = ["README.md", "docs/overview.md", "docs/notes.md"];
        let path = candidates.into_iter().find(|path| !self.facts.exists(path))?;
        let file = self.new_file(path.to_owned(), "no document matches the task")?;
        let description = format!("Write {path} for “{}”.", self.task.short());
        let estimate = Estimate::base(20, "a new text");
        Some(Self::step(description, &reading(Touches::Documents), estimate, vec![file]))
    }

    fn distinct_tests(&self, files: &[(&RankedFile, &FileFacts)], new: bool) -> Vec<PlannedFile> {
        let mut out: Vec<PlannedFile> = Vec::new();
        for (_, facts) in files.iter().filter(|(_, f)| f.kind == FileKind::Source) {
            for file in self.tests_for(facts) {
                let known = out.iter().any(|f| f.path == file.path);
                if (new || !file.is_new) && !known && out.len() < 4 {
                    out.push(file);
                }
            }
        }
        out
    }
}

/// What stands out in a file, with lines.
fn hints(facts: &FileFacts, text: impl Fn(&super::signals::Signal) -> &str) -> Vec<String> {
    facts
        .signals
        .iter()
        .filter(|signal| !text(signal).is_empty())
        .take(MAX_HINTS)
        .map(|signal| {
            let lines: Vec<String> = signal.lines.iter().take(3).map(u32::to_string).collect();
            format!("{} (line {})", text(signal), lines.join(", "))
        })
        .collect()
}

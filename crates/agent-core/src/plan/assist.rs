//! Steps of a change: faults, features, restructuring.

use super::estimate::Estimate;
use super::facts::FileFacts;
use super::risk::{RiskFacts, Touches};
use super::steps::{MAX_STEP_FILES, StepPlanner};
use crate::context::{FileKind, RankedFile};
use crate::model::{PlannedFile, PlannedStep};
use crate::route::Intent;

/// Files changed by one plan at most.
const MAX_PRIMARIES: usize = 3;

type Primary<'a> = (&'a RankedFile, &'a FileFacts);

impl StepPlanner<'_> {
    /// Change, test, check who depends on it, documents. A fault is reproduced first, and a
    /// restructuring pins the present behaviour first.
    pub(super) fn assist(&self) -> Vec<PlannedStep> {
        let primaries = self.primaries(MAX_PRIMARIES);
        if primaries.is_empty() {
            return self.only_documents_match();
        }
        let mut steps = Vec::new();
        let test_first = matches!(self.intent, Intent::BugFix | Intent::Refactor);
        let test = self.test_step(&primaries);
        if test_first {
            steps.extend(test.clone());
        }
        steps.extend(primaries.iter().map(|primary| self.change(*primary)));
        if !test_first {
            steps.extend(test);
        }
        steps.extend(self.runners_up(&primaries));
        steps.extend(self.dependents_step(&primaries));
        steps.extend(self.document_step(&primaries));
        steps
    }

    fn change(&self, (file, facts): Primary<'_>) -> PlannedStep {
        let verb = match self.intent {
            Intent::BugFix => "Correct",
            Intent::Refactor => "Restructure",
            _ => "Change",
        };
        let place = match facts.symbols.as_slice() {
            [] => facts.path.clone(),
            symbols => {
                let names: Vec<String> = symbols.iter().take(3).map(|s| format!("`{s}`")).collect();
                format!("{} in {}", names.join(", "), facts.path)
            }
        };
        let estimate = Estimate::base(10, "the change")
            .per(5, facts.symbols.len().min(3), 15, ["symbol", "symbols"])
            .per(
                2,
                facts.dependents.len(),
                20,
                ["file that refers to it", "files that refer to it"],
            )
            .reading(facts.lines, 40, 15);
        let description = format!("{verb} {place} for “{}”.", self.task.short());
        Self::step(description, &self.risk_facts(facts), estimate, vec![Self::planned(file, facts)])
    }

    fn test_step(&self, primaries: &[Primary<'_>]) -> Option<PlannedStep> {
        let mut files: Vec<PlannedFile> = Vec::new();
        for (_, facts) in primaries.iter().filter(|(_, f)| f.kind == FileKind::Source) {
            for file in self.tests_for(facts) {
                if !files.iter().any(|f| f.path == file.path) && files.len() < 4 {
                    files.push(file);
                }
            }
        }
        let first = files.first()?;
        let place =
            if first.is_new { format!("a new test, {}", first.path) } else { first.path.clone() };
        let description = match self.intent {
            Intent::BugFix => format!(
                "Reproduce the fault in {place}: the test fails before the fix and passes after it."
            ),
            Intent::Refactor => format!(
                "Pin the present behaviour in {place}, so that the restructuring can be checked."
            ),
            _ => format!(
                "Cover the change in {place}: the expected case, the limits and the refusals."
            ),
        };
        let new = files.iter().filter(|f| f.is_new).count();
        let estimate =
            Estimate::base(10, "a test").per(10, new, 20, ["new test file", "new test files"]);
        Some(Self::step(description, &reading(Touches::Tests), estimate, files))
    }

    /// The next best matches, which may be where the change belongs after all.
    fn runners_up(&self, primaries: &[Primary<'_>]) -> Option<PlannedStep> {
        let chosen = |path: &str| primaries.iter().any(|(_, facts)| facts.path == path);
        let next: Vec<Primary<'_>> = self
            .by_score()
            .into_iter()
            .take(MAX_PRIMARIES)
            .filter(|(_, facts)| !chosen(&facts.path))
            .collect();
        let (_, first) = next.first()?;
        let description = format!(
            "Look at {} too: by the words of the task, the change may belong there as well.",
            first.path
        );
        let lines = next.iter().map(|(_, facts)| facts.lines).sum();
        let estimate = Estimate::base(2, "a second look").reading(lines, 40, 10);
        let files = next.iter().map(|(file, facts)| Self::planned(file, facts)).collect();
        Some(Self::step(description, &reading(Touches::Nothing), estimate, files))
    }

    /// Reading what refers to the changed files.
    fn dependents_step(&self, primaries: &[Primary<'_>]) -> Option<PlannedStep> {
        let changed: Vec<&str> = primaries.iter().map(|(_, f)| f.path.as_str()).collect();
        let mut files: Vec<PlannedFile> = Vec::new();
        let mut count = 0;
        for (_, facts) in primaries {
            for path in facts.dependents.iter().filter(|p| !changed.contains(&p.as_str())) {
                if files.iter().any(|f| f.path == *path) {
                    continue;
                }
                count += 1;
                if files.len() < MAX_STEP_FILES {
                    files.extend(self.existing(path, format!("refers to {}", facts.path)));
                }
            }
        }
        if files.is_empty() {
            return None;
        }
        let description =
            format!("Check the {count} file(s) that refer to the changed code still hold.");
        let estimate = Estimate::base(3, "looking at callers").per(2, count, 20, ["file", "files"]);
        Some(Self::step(description, &reading(Touches::Nothing), estimate, files))
    }

    /// Documents that name what changes, or that match the task well themselves.
    fn document_step(&self, primaries: &[Primary<'_>]) -> Option<PlannedStep> {
        let mut files: Vec<PlannedFile> = Vec::new();
        for (file, facts) in self.ranked(FileKind::Document).take(3) {
            let names = primaries.iter().any(|(_, p)| p.documents.contains(&facts.path));
            if (names || file.strength >= 600) && files.len() < 2 {
                files.push(Self::planned(file, facts));
            }
        }
        let first = files.first()?;
        let description = format!("Update {} where it describes what changes.", first.path);
        let estimate = Estimate::base(5, "the text").per(
            3,
            files.len() - 1,
            6,
            ["further document", "further documents"],
        );
        Some(Self::step(description, &reading(Touches::Documents), estimate, files))
    }

    /// No source matches; documents or tests may.
    fn only_documents_match(&self) -> Vec<PlannedStep> {
        let rest = self.ranked(FileKind::Document).chain(self.ranked(FileKind::Test)).take(2);
        rest.map(|(file, facts)| {
            let estimate = Estimate::base(5, "the change").reading(facts.lines, 60, 10);
            let description = format!("Change {} for “{}”.", facts.path, self.task.short());
            Self::step(
                description,
                &self.risk_facts(facts),
                estimate,
                vec![Self::planned(file, facts)],
            )
        })
        .collect()
    }
}

/// Facts of a step that changes no code.
pub(super) fn reading(touches: Touches) -> RiskFacts {
    RiskFacts { touches, dependents: 0, tests: 0, sensitive: false, destructive: false, lines: 0 }
}

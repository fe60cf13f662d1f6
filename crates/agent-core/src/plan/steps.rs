//! What the steps of all flavours share.

use super::estimate::Estimate;
use super::facts::{FileFacts, RepoFacts};
use super::risk::{RiskFacts, Touches, is_destructive, is_sensitive, judge};
use super::{PlanningTask, StageFlavour};
use crate::context::{Bundle, FileKind, QueryTerms, RankedFile};
use crate::model::{PlannedFile, PlannedStep, Risk};
use crate::route::Intent;

/// Files of one step at most.
pub(super) const MAX_STEP_FILES: usize = 6;

/// Makes the steps of one plan.
pub(super) struct StepPlanner<'a> {
    pub(super) task: &'a PlanningTask,
    pub(super) bundle: &'a Bundle,
    pub(super) facts: &'a RepoFacts,
    pub(super) terms: &'a QueryTerms,
    pub(super) intent: Intent,
}

impl<'a> StepPlanner<'a> {
    /// Ranked files of a kind that are known to the scan.
    pub(super) fn ranked(
        &self,
        kind: FileKind,
    ) -> impl Iterator<Item = (&'a RankedFile, &'a FileFacts)> {
        let facts = self.facts;
        self.bundle
            .ranked
            .iter()
            .filter(move |file| file.kind == kind)
            .filter_map(move |file| Some((file, facts.file(&file.path)?)))
    }

    /// Source and configuration, best first.
    pub(super) fn by_score(&self) -> Vec<(&'a RankedFile, &'a FileFacts)> {
        let mut files: Vec<_> =
            self.ranked(FileKind::Source).chain(self.ranked(FileKind::Other)).collect();
        files.sort_by_key(|(file, _)| std::cmp::Reverse(file.score));
        files
    }

    /// The files to change: the first, and those that come close to it.
    pub(super) fn primaries(&self, most: usize) -> Vec<(&'a RankedFile, &'a FileFacts)> {
        let files = self.by_score();
        let Some((best, _)) = files.first() else { return Vec::new() };
        let (score, strength) = (best.score * 4 / 5, best.strength * 3 / 5);
        let close = |(at, (file, _)): &(usize, (&RankedFile, &FileFacts))| {
            *at == 0 || (file.score >= score && file.strength >= strength)
        };
        files.into_iter().enumerate().take(most).filter(close).map(|(_, file)| file).collect()
    }

    /// The file of a step with the words that chose it.
    pub(super) fn planned(file: &RankedFile, facts: &FileFacts) -> PlannedFile {
        let reason = if file.reasons.is_empty() {
            "ranked for the task".to_owned()
        } else {
            file.reasons.join("; ")
        };
        PlannedFile {
            path: facts.path.clone(),
            is_new: false,
            reason,
            symbols: facts.symbols.clone(),
        }
    }

    /// A tracked file with a reason of its own.
    pub(super) fn existing(&self, path: &str, reason: impl Into<String>) -> Option<PlannedFile> {
        let symbols = self.facts.file(path).map(|f| f.symbols.clone()).unwrap_or_default();
        self.facts.exists(path).then(|| PlannedFile {
            path: path.to_owned(),
            is_new: false,
            reason: reason.into(),
            symbols,
        })
    }

    /// A file the step creates.
    pub(super) fn new_file(&self, path: String, reason: impl Into<String>) -> Option<PlannedFile> {
        (!self.facts.exists(&path)).then(|| PlannedFile {
            path,
            is_new: true,
            reason: reason.into(),
            symbols: Vec::new(),
        })
    }

    /// The tests of a file: those there are, else a new one.
    pub(super) fn tests_for(&self, facts: &FileFacts) -> Vec<PlannedFile> {
        let mut out: Vec<PlannedFile> = facts
            .tests
            .iter()
            .take(2)
            .filter_map(|path| self.existing(path, format!("tests {}", facts.path)))
            .collect();
        if out.is_empty() && facts.tested_inside {
            out.extend(self.existing(&facts.path, "contains its own tests"));
        }
        if out.is_empty() && facts.kind == FileKind::Source {
            let new = self.facts.new_test_for(&facts.path);
            let reason = format!("no test covers {} yet", facts.path);
            out.extend(new.and_then(|path| self.new_file(path, reason)));
        }
        out
    }

    pub(super) fn risk_facts(&self, facts: &FileFacts) -> RiskFacts {
        RiskFacts {
            touches: match facts.kind {
                FileKind::Source => Touches::Code,
                FileKind::Test => Touches::Tests,
                FileKind::Document => Touches::Documents,
                FileKind::Other => Touches::Configuration,
            },
            dependents: facts.dependents.len(),
            tests: facts.test_count(),
            sensitive: is_sensitive(&facts.path),
            destructive: is_destructive(&self.task.query_text()),
            lines: facts.lines,
        }
    }

    /// A step whose risk and minutes are judged here.
    pub(super) fn step(
        description: String,
        risk: &RiskFacts,
        estimate: Estimate,
        files: Vec<PlannedFile>,
    ) -> PlannedStep {
        let judged = judge(risk);
        let (minutes, minutes_reason) = estimate.finish();
        PlannedStep {
            description,
            risk: judged.risk,
            risk_reason: judged.reason,
            minutes,
            minutes_reason,
            files,
        }
    }

    /// The only step of a plan for which nothing matches.
    pub(super) fn nothing_found(&self) -> PlannedStep {
        let count = self.facts.file_count();
        let subject = self.task.short();
        let subject =
            if subject.is_empty() { "the task".to_owned() } else { format!("“{subject}”") };
        PlannedStep {
            description: format!(
                "Find out where {subject} belongs: none of the {count} tracked files matches its \
                 words. Name a file, a function or a target path and plan again."
            ),
            risk: Risk::Medium,
            risk_reason: "what would be touched is not known".into(),
            minutes: 15,
            minutes_reason: "15 for looking around".into(),
            files: Vec::new(),
        }
    }

    pub(super) fn summary(&self, steps: &[PlannedStep], found: bool) -> String {
        if !found {
            return "Nothing in the repository matches the words of the task.".into();
        }
        let mut paths: Vec<&str> = Vec::new();
        for file in steps.iter().flat_map(|step| &step.files) {
            if !paths.contains(&file.path.as_str()) {
                paths.push(&file.path);
            }
        }
        let verb = match (self.task.flavour, self.intent) {
            (StageFlavour::CodeReview, _) | (_, Intent::CodeReview) => "Review",
            (StageFlavour::TestEnrichment, _) | (_, Intent::TestGeneration) => "Tests",
            (StageFlavour::DocUpdate, _) | (_, Intent::Documentation) => "Documents",
            (_, Intent::BugFix) => "Fix",
            (_, Intent::Refactor) => "Restructuring",
            _ => "Change",
        };
        let shown = paths.iter().take(4).copied().collect::<Vec<_>>().join(", ");
        let more = paths.len().saturating_sub(4);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let count = steps.len();
        format!("{verb} in {count} step(s) for “{}”: {shown}{more}.", self.task.short())
    }

    /// Sentences on what could go wrong, each from a fact.
    pub(super) fn risks(&self, steps: &[PlannedStep], found: bool) -> Vec<String> {
        let mut out = Vec::new();
        for step in steps.iter().filter(|step| step.risk == Risk::High) {
            let path = step.files.first().map_or("a step", |f| f.path.as_str());
            out.push(format!("High risk in {path}: {}.", step.risk_reason));
        }
        for file in steps.iter().flat_map(|s| &s.files).filter(|f| !f.is_new) {
            if let Some(entry) = self.bundle.status.iter().find(|s| s.path == file.path) {
                let line = format!(
                    "{} is {} in the registered work tree; the plan is made on commit {}.",
                    file.path,
                    entry.change,
                    self.bundle.commit.as_str().get(..10).unwrap_or_default(),
                );
                if !out.contains(&line) {
                    out.push(line);
                }
            }
        }
        if is_destructive(&self.task.query_text()) {
            out.push("The task takes something away; check who still needs it.".into());
        }
        let unread = self.bundle.left_out.counts.get("read_budget").copied().unwrap_or(0);
        if unread > 0 {
            out.push(format!("{unread} files were too many to read and may matter too."));
        }
        if found
            && !self.terms.is_empty()
            && self.primaries(1).first().is_some_and(|(f, _)| weak(f, self.terms))
        {
            out.push(
                "Few words of the task occur in the files; check that they are the right ones."
                    .into(),
            );
        }
        out
    }
}

/// The best file shares one word with a task of many.
fn weak(file: &RankedFile, terms: &QueryTerms) -> bool {
    let matched = file.reasons.iter().find_map(|r| r.strip_prefix("matches "));
    terms.weights.values().filter(|w| **w >= 1.0).count() >= 4
        && matched.is_some_and(|words| words.split(", ").count() <= 1)
}

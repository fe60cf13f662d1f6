//! Plans made without a model, and what every plan is made of.
//!
//! **Invariant:** every path of a plan exists at the commit or is marked new, and every
//! figure carries the reason it rests on.

mod assist;
mod estimate;
mod facts;
mod flavours;
mod references;
mod risk;
mod signals;
mod steps;
mod test_paths;

use serde::{Deserialize, Serialize};

use crate::context::{Bundle, QueryTerms, redact};
use crate::model::{PlannedStep, Risk};
use crate::route::{Intent, classify};

pub use facts::{FileFacts, RepoFacts};
pub use risk::{RiskFacts, Touches, judge};

/// `model_used` of a plan that no model made.
pub const BUILTIN: &str = "builtin";
/// More steps than this need a person's confirmation.
pub const MANY_STEPS: usize = 5;

/// What kind of agent stage asks; it shapes the steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum StageFlavour {
    /// Also a plan outside of any stage.
    #[default]
    Assist,
    CodeReview,
    TestEnrichment,
    DocUpdate,
}

impl StageFlavour {
    /// The flavour of a stage type's name, as in `CODE_REVIEW`; `None` for one that brings
    /// none of its own.
    pub fn of_stage_type(name: &str) -> Option<Self> {
        match name {
            "AGENT_ASSIST" => Some(Self::Assist),
            "CODE_REVIEW" => Some(Self::CodeReview),
            "TEST_ENRICHMENT" => Some(Self::TestEnrichment),
            "DOC_UPDATE" => Some(Self::DocUpdate),
            _ => None,
        }
    }
}

/// What is to be planned, in people's words. Empty texts are absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlanningTask {
    pub flavour: StageFlavour,
    /// The stage's own prompt; empty uses the default of the flavour.
    pub stage_prompt: String,
    /// Title of the work item, or the whole input of a plan without one.
    pub title: String,
    pub description: String,
    /// A file or folder the stage is about; empty for the whole repository.
    pub target_path: String,
}

impl PlanningTask {
    /// A task that is one text.
    pub fn of_input(input: &str) -> Self {
        Self { title: input.to_owned(), ..Self::default() }
    }

    /// The words to rank files by: those of the item, and the stage's prompt only when the
    /// item says nothing.
    pub fn query_text(&self) -> String {
        let item = [self.title.trim(), self.description.trim()].join("\n");
        if item.trim().is_empty() { self.stage_prompt.clone() } else { item }
    }

    /// The focus for a [`Query`](crate::context::Query).
    pub fn focus(&self) -> Option<&str> {
        let path = self.target_path.trim();
        (!path.is_empty()).then_some(path)
    }

    /// What the task is called in a sentence; a secret in it does not get into a plan.
    fn short(&self) -> String {
        let text = self.query_text();
        let line = redact(text.trim().lines().next().unwrap_or_default().trim(), &[]).text;
        let clipped = primitives::clip(&line, 80);
        if clipped.len() == line.len() {
            return line;
        }
        let words = clipped.rsplit_once(' ').map_or(clipped.as_str(), |(words, _)| words);
        format!("{words} …")
    }
}

/// A plan before it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanDraft {
    /// One paragraph for people.
    pub summary: String,
    /// At least one.
    pub steps: Vec<PlannedStep>,
    /// What could go wrong, in sentences.
    pub risks: Vec<String>,
    pub requires_confirmation: bool,
    /// Sum over the steps.
    pub estimated_minutes: u32,
    pub estimate_reason: String,
}

/// Plans from ranked files, symbols, references and tests. Always gives at least one step.
pub fn plan_builtin(task: &PlanningTask, bundle: &Bundle, facts: &RepoFacts) -> PlanDraft {
    let intent = classify(&task.query_text()).intent;
    let terms = QueryTerms::of(&task.query_text());
    let planner = steps::StepPlanner { task, bundle, facts, terms: &terms, intent };
    let steps = match (task.flavour, intent) {
        (StageFlavour::CodeReview, _) | (StageFlavour::Assist, Intent::CodeReview) => {
            planner.review()
        }
        (StageFlavour::TestEnrichment, _) | (StageFlavour::Assist, Intent::TestGeneration) => {
            planner.test_enrichment()
        }
        (StageFlavour::DocUpdate, _) | (StageFlavour::Assist, Intent::Documentation) => {
            planner.documents()
        }
        (StageFlavour::Assist, _) => planner.assist(),
    };
    let found = !steps.is_empty();
    let steps = if found { steps } else { vec![planner.nothing_found()] };
    let risks = planner.risks(&steps, found);
    let destructive = risk::is_destructive(&task.query_text());
    let high = steps.iter().any(|step| step.risk == Risk::High);
    let summary = planner.summary(&steps, found);
    let (estimated_minutes, estimate_reason) = estimate::total(&steps);
    PlanDraft {
        summary,
        requires_confirmation: high || steps.len() > MANY_STEPS || destructive || !found,
        steps,
        risks,
        estimated_minutes,
        estimate_reason,
    }
}

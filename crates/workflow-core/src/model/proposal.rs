//! What a run proposes, cut to what an item can carry, and the hash that reviews bind to.
//!
//! The text comes from a model or from a repository: nothing about its size or characters
//! can be relied on.

use primitives::{PlanId, clip};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::data::without_nul;
use super::{AutoApplyResult, RecommendedFile, RecommendedStep};

const STEPS: usize = 50;
const FILES: usize = 50;
const SYMBOLS: usize = 20;
const RISKS: usize = 50;
const AUTO_APPLY_FILES: usize = 1_000;
/// Characters of one text.
const TEXT: usize = 2_000;
/// Characters of a name or path.
const NAME: usize = 500;

/// What a run proposes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RunResult {
    pub plan: PlanId,
    pub plan_summary: String,
    pub steps: Vec<RecommendedStep>,
    pub risks: Vec<String>,
    pub requires_confirmation: bool,
    pub estimated_minutes: u32,
    /// `builtin` or `model`.
    pub engine_used: String,
    pub model_used: String,
}

/// The same within the limits of an item's data.
pub fn bounded(result: RunResult) -> RunResult {
    RunResult {
        plan: result.plan,
        plan_summary: text(&result.plan_summary),
        steps: result.steps.into_iter().take(STEPS).map(step).collect(),
        risks: result.risks.iter().take(RISKS).map(|risk| text(risk)).collect(),
        requires_confirmation: result.requires_confirmation,
        estimated_minutes: result.estimated_minutes,
        engine_used: name(&result.engine_used),
        model_used: name(&result.model_used),
    }
}

/// The same within the limits of an item's data.
pub fn bounded_auto_apply(result: AutoApplyResult) -> AutoApplyResult {
    AutoApplyResult {
        run: result.run,
        success: result.success,
        patch: result.patch,
        files_changed: result
            .files_changed
            .iter()
            .take(AUTO_APPLY_FILES)
            .map(|path| name(path))
            .collect(),
        engine: name(&result.engine),
        summary: text(&result.summary),
        error: text(&result.error),
        guard: name(&result.guard),
    }
}

/// SHA-256 in hex of everything that is proposed.
pub fn hash(result: &RunResult) -> String {
    // A plain struct of texts and numbers always has a JSON form.
    sha256_hex(&serde_json::to_vec(result).unwrap_or_default())
}

pub(super) fn sha256_hex(bytes: &[u8]) -> String {
    let mut hex = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        let digits = [byte >> 4, byte & 15].map(|digit| char::from_digit(digit.into(), 16));
        hex.extend(digits.into_iter().flatten());
    }
    hex
}

fn step(step: RecommendedStep) -> RecommendedStep {
    RecommendedStep {
        description: text(&step.description),
        risk: name(&step.risk),
        risk_reason: text(&step.risk_reason),
        minutes: step.minutes,
        minutes_reason: text(&step.minutes_reason),
        files: step.files.into_iter().take(FILES).map(file).collect(),
    }
}

fn file(file: RecommendedFile) -> RecommendedFile {
    RecommendedFile {
        path: name(&file.path),
        is_new: file.is_new,
        reason: text(&file.reason),
        symbols: file.symbols.iter().take(SYMBOLS).map(|symbol| name(symbol)).collect(),
    }
}

fn text(value: &str) -> String {
    clip(&without_nul(value), TEXT)
}

fn name(value: &str) -> String {
    clip(&without_nul(value), NAME)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result() -> RunResult {
        RunResult {
            plan: PlanId::generate(),
            plan_summary: "Fix the off-by-one".into(),
            steps: vec![RecommendedStep {
                description: "Change the bound".into(),
                risk: "low".into(),
                risk_reason: "tests cover it".into(),
                minutes: 10,
                minutes_reason: "one file".into(),
                files: vec![],
            }],
            risks: vec![],
            requires_confirmation: false,
            estimated_minutes: 10,
            engine_used: "builtin".into(),
            model_used: "builtin".into(),
        }
    }

    #[test]
    fn the_hash_follows_every_field() {
        let first = result();
        assert_eq!(hash(&first), hash(&first.clone()));
        assert_eq!(hash(&first).len(), 64);
        let others = [
            RunResult { plan: PlanId::generate(), ..first.clone() },
            RunResult { plan_summary: "x".into(), ..first.clone() },
            RunResult { steps: vec![], ..first.clone() },
            RunResult { risks: vec!["x".into()], ..first.clone() },
            RunResult { requires_confirmation: true, ..first.clone() },
            RunResult { estimated_minutes: 11, ..first.clone() },
        ];
        for other in others {
            assert_ne!(hash(&other), hash(&first), "{other:?}");
        }
    }

    #[test]
    fn oversized_proposals_are_cut_and_nul_is_dropped() {
        let mut huge = result();
        let step = huge.steps[0].clone();
        huge.plan_summary = "a\0b".repeat(10_000);
        huge.steps = vec![step; 500];
        huge.risks = vec!["r".repeat(5_000); 500];
        let cut = bounded(huge);
        assert_eq!((cut.steps.len(), cut.risks.len()), (STEPS, RISKS));
        assert_eq!(cut.plan_summary.chars().count(), TEXT);
        assert!(!cut.plan_summary.contains('\0'));
        assert_eq!(cut.risks[0].len(), TEXT);
        assert_eq!(bounded(cut.clone()), cut);
    }
}

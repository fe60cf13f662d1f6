//! What the agent proposed for an item, and what came of auto-apply.

use agent_core::service::Guard;
use api::agent::{AutoApplyGuard, PlanFile, PlanStep};
use api::workflow as wire;
use workflow_core::model::{AutoApplyResult, Recommendation, RecommendedStep, Verdict};

use super::plan::risk_of;
use super::scalar::{int, name, optional_time, time};

pub(crate) fn recommendation(given: Recommendation) -> wire::Recommendation {
    use wire::RecommendationState as State;
    let state = match given.verdict {
        Verdict::Pending => State::Pending,
        Verdict::Accepted => State::Accepted,
        Verdict::Rejected => State::Rejected,
    };
    wire::Recommendation {
        name: given.id.to_string(),
        work_item: given.item.to_string(),
        stage_id: given.stage.0,
        run: given.run.to_string(),
        plan: given.plan.to_string(),
        hash: given.hash,
        state: state.into(),
        reviewer: name(given.reviewer),
        review_time: optional_time(given.reviewed_at),
        review_note: given.review_note,
        plan_summary: given.plan_summary,
        steps: given.steps.into_iter().map(step).collect(),
        risks: given.risks,
        requires_confirmation: given.requires_confirmation,
        estimated_minutes: int(given.estimated_minutes),
        engine_used: given.engine_used,
        model_used: given.model_used,
        create_time: time(given.created_at),
    }
}

fn step(step: RecommendedStep) -> PlanStep {
    let files = step.files.into_iter().map(|file| PlanFile {
        path: file.path,
        is_new: file.is_new,
        reason: file.reason,
        symbols: file.symbols,
    });
    PlanStep {
        description: step.description,
        risk: risk_of(&step.risk).into(),
        risk_reason: step.risk_reason,
        estimated_minutes: int(step.minutes),
        minutes_reason: step.minutes_reason,
        files: files.collect(),
    }
}

pub(crate) fn auto_apply(result: AutoApplyResult) -> wire::AutoApplyResult {
    wire::AutoApplyResult {
        success: result.success,
        patch: name(result.patch),
        files_changed: result.files_changed,
        engine_used: result.engine,
        summary: result.summary,
        error: result.error,
        guard: guard(&result.guard).into(),
    }
}

/// A guard by its stored name, in whatever case; unspecified when none said no.
pub(crate) fn guard(stored: &str) -> AutoApplyGuard {
    let found = Guard::ALL.into_iter().find(|guard| guard.name().eq_ignore_ascii_case(stored));
    match found {
        None => AutoApplyGuard::Unspecified,
        Some(Guard::StageFlag) => AutoApplyGuard::StageFlag,
        Some(Guard::FlagSetter) => AutoApplyGuard::FlagSetter,
        Some(Guard::AccountableHuman) => AutoApplyGuard::AccountableHuman,
        Some(Guard::RepositoryPolicy) => AutoApplyGuard::RepositoryPolicy,
        Some(Guard::PathPolicy) => AutoApplyGuard::PathPolicy,
        Some(Guard::KillSwitch) => AutoApplyGuard::KillSwitch,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_guard_has_its_own_number() {
        let numbers: std::collections::BTreeSet<i32> =
            Guard::ALL.into_iter().map(|known| guard(known.name()).into()).collect();
        assert_eq!(numbers, (1..=6).collect());
        assert_eq!(guard("KILL_SWITCH"), AutoApplyGuard::KillSwitch);
        assert_eq!(
            (guard(""), guard("other")),
            (AutoApplyGuard::Unspecified, AutoApplyGuard::Unspecified)
        );
    }
}

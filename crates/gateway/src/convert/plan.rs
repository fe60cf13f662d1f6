//! Plans, and steps as a person edited them.

use agent_core::model::{Plan, PlannedFile, PlannedStep, Planner, Risk};
use api::agent as wire;
use primitives::Checked;

use super::faults::Faults;
use super::scalar::{int, name, time};

/// Steps and files of an edited plan that are read; a plan has some ten.
const MAX_STEPS: usize = 100;
const MAX_FILES: usize = 200;

pub(crate) fn plan(plan: Plan) -> wire::Plan {
    wire::Plan {
        name: plan.id.to_string(),
        repository: plan.repository.to_string(),
        work_item: name(plan.work_item),
        session: name(plan.session),
        commit: plan.commit.to_string(),
        bundle_hash: plan.bundle_hash,
        planner: planner(plan.planner).into(),
        model_used: plan.model_used,
        prompt_version: plan.prompt_version,
        summary: plan.summary,
        steps: plan.steps.into_iter().map(step).collect(),
        risks: plan.risks,
        requires_confirmation: plan.requires_confirmation,
        estimated_minutes: int(plan.estimated_minutes),
        estimate_reason: plan.estimate_reason,
        create_time: time(plan.created_at),
    }
}

pub(crate) const fn planner(planner: Planner) -> wire::Planner {
    match planner {
        Planner::Builtin => wire::Planner::Builtin,
        Planner::Model => wire::Planner::Model,
    }
}

fn step(step: PlannedStep) -> wire::PlanStep {
    let files = step.files.into_iter().map(|file| wire::PlanFile {
        path: file.path,
        is_new: file.is_new,
        reason: file.reason,
        symbols: file.symbols,
    });
    wire::PlanStep {
        description: step.description,
        risk: risk_of(step.risk.as_str()).into(),
        risk_reason: step.risk_reason,
        estimated_minutes: int(step.minutes),
        minutes_reason: step.minutes_reason,
        files: files.collect(),
    }
}

/// A risk by its stored name.
pub(crate) fn risk_of(stored: &str) -> wire::Risk {
    match stored {
        "low" => wire::Risk::Low,
        "medium" => wire::Risk::Medium,
        "high" => wire::Risk::High,
        _ => wire::Risk::Unspecified,
    }
}

/// Edited steps; `None` takes the plan's own.
pub(crate) fn edited(steps: Vec<wire::PlanStep>) -> Checked<Option<Vec<PlannedStep>>> {
    if steps.is_empty() {
        return Ok(None);
    }
    let mut faults = Faults::default();
    if steps.len() > MAX_STEPS {
        faults.note("plan.steps", format!("must not have more than {MAX_STEPS} steps"));
    }
    let steps = steps.into_iter().take(MAX_STEPS).enumerate();
    let steps = steps.map(|(at, given)| edited_step(&mut faults, at, given)).collect();
    faults.or(Some(steps))
}

fn edited_step(faults: &mut Faults, at: usize, given: wire::PlanStep) -> PlannedStep {
    let path = format!("plan.steps[{at}]");
    // A step that a person added has no risk of its own: it is judged with the result.
    let risk = match wire::Risk::try_from(given.risk) {
        Ok(wire::Risk::Unspecified | wire::Risk::Medium) => Risk::Medium,
        Ok(wire::Risk::Low) => Risk::Low,
        Ok(wire::Risk::High) => Risk::High,
        Err(_) => {
            faults.note(format!("{path}.risk"), "is not a known risk");
            Risk::Medium
        }
    };
    let minutes = u32::try_from(given.estimated_minutes).unwrap_or_else(|_| {
        faults.note(format!("{path}.estimated_minutes"), "must not be negative");
        0
    });
    if given.files.len() > MAX_FILES {
        faults.note(format!("{path}.files"), format!("must not have more than {MAX_FILES} files"));
    }
    let files = given.files.into_iter().take(MAX_FILES).map(|file| PlannedFile {
        path: file.path,
        is_new: file.is_new,
        reason: file.reason,
        symbols: file.symbols,
    });
    PlannedStep {
        description: given.description,
        risk,
        risk_reason: given.risk_reason,
        minutes,
        minutes_reason: given.minutes_reason,
        files: files.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edited_steps_are_judged_by_path() {
        assert_eq!(edited(vec![]), Ok(None));
        let odd = wire::PlanStep { risk: 9, estimated_minutes: -1, ..Default::default() };
        let refused = edited(vec![wire::PlanStep::default(), odd]).unwrap_err();
        let fields: Vec<_> = refused.fields.iter().map(|fault| fault.field.as_str()).collect();
        assert_eq!(fields, ["plan.steps[1].risk", "plan.steps[1].estimated_minutes"]);
        let many = vec![wire::PlanStep::default(); MAX_STEPS + 1];
        assert_eq!(edited(many).unwrap_err().fields[0].field, "plan.steps");
    }

    #[test]
    fn risks_read_as_they_are_written() {
        for (risk, shown) in [
            (Risk::Low, wire::Risk::Low),
            (Risk::Medium, wire::Risk::Medium),
            (Risk::High, wire::Risk::High),
        ] {
            assert_eq!(risk_of(risk.as_str()), shown);
        }
    }
}

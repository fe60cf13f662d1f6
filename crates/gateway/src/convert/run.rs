//! Runs.

use agent_core::model::{Phase, Run, RunInput, RunKind, RunProblem, RunState};
use api::agent as wire;
use primitives::{Recommendation, RecommendationId, Timestamp};

use super::recommendation::guard;
use super::scalar::{int, name, optional_time, time};

/// A run as it stands at `now`.
pub(crate) fn run(run: Run, now: Timestamp) -> wire::Run {
    let stage_id = match &run.input {
        RunInput::Assist { stage_id, .. } => stage_id.clone(),
        RunInput::Change { .. } | RunInput::Steps { .. } | RunInput::Revert { .. } => String::new(),
    };
    let stale = run.state == RunState::Running && run.lease_until.is_some_and(|lease| lease <= now);
    wire::Run {
        name: run.id.to_string(),
        kind: kind(run.kind).into(),
        state: state(run.state).into(),
        phase: phase(run.phase).into(),
        principal: run.principal.to_string(),
        work_item: name(run.work_item),
        stage_id,
        repository: name(run.repository),
        session: name(run.session),
        plan: name(run.plan),
        patch: name(run.patch),
        recommendation: name::<Recommendation>(recommendation(&run)),
        attempt: int(run.attempt),
        max_attempts: int(run.max_attempts),
        stale,
        error: run.problem.map(problem),
        create_time: time(run.created_at),
        start_time: optional_time(run.started_at),
        end_time: optional_time(run.ended_at),
        heartbeat_time: optional_time(run.heartbeat_at),
        deadline_time: time(run.deadline_at),
        model_used: run.model_used,
        engine_used: run.engine_used,
    }
}

/// A run makes at most one recommendation, under its own uuid.
fn recommendation(run: &Run) -> Option<RecommendationId> {
    let made = matches!(run.state, RunState::Succeeded | RunState::AwaitingReview);
    (made && run.kind == RunKind::Assist).then(|| RecommendationId::from_uuid(run.id.as_uuid()))
}

fn problem(problem: RunProblem) -> wire::RunError {
    let guard = guard(&problem.reason).into();
    wire::RunError { reason: problem.reason, message: problem.message, guard }
}

const fn kind(kind: RunKind) -> wire::RunKind {
    match kind {
        RunKind::Assist => wire::RunKind::Assist,
        RunKind::Apply => wire::RunKind::Apply,
        RunKind::Revert => wire::RunKind::Revert,
    }
}

const fn state(state: RunState) -> wire::RunState {
    match state {
        RunState::Queued => wire::RunState::Queued,
        RunState::Running => wire::RunState::Running,
        RunState::AwaitingReview => wire::RunState::AwaitingReview,
        RunState::Succeeded => wire::RunState::Succeeded,
        RunState::Failed => wire::RunState::Failed,
        RunState::Cancelled => wire::RunState::Cancelled,
        RunState::TimedOut => wire::RunState::TimedOut,
        RunState::Superseded => wire::RunState::Superseded,
        RunState::Dead => wire::RunState::Dead,
    }
}

const fn phase(phase: Phase) -> wire::RunPhase {
    match phase {
        Phase::Queued => wire::RunPhase::Unspecified,
        Phase::Claimed => wire::RunPhase::Claimed,
        Phase::Context => wire::RunPhase::Context,
        Phase::Planned => wire::RunPhase::Planned,
        Phase::Diffed => wire::RunPhase::Diffed,
        Phase::Committed => wire::RunPhase::Committed,
        Phase::Recorded => wire::RunPhase::Recorded,
    }
}

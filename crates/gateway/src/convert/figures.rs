//! Analytics and firings.

use api::workflow as wire;
use primitives::Checked;
use workflow_core::model::{Firing, FiringOutcome, Lengths};
use workflow_core::service::{DatedFigures, Figures, FiguresInput, NamedFigures};

use super::faults::Faults;
use super::scalar::{given_time, long, name, time};

pub(crate) fn figures(figures: Figures) -> wire::WorkflowAnalytics {
    wire::WorkflowAnalytics {
        workflow: figures.workflow.to_string(),
        total: long(figures.total),
        completed: long(figures.completed),
        in_progress: long(figures.in_progress),
        cancelled: long(figures.cancelled),
        failed: long(figures.failed),
        mean_cycle_seconds: figures.cycle.mean,
        stages: figures.stages.into_iter().map(stage).collect(),
        cycle: Some(lengths(figures.cycle)),
        days: figures.days.into_iter().map(day).collect(),
    }
}

fn stage(named: NamedFigures) -> wire::StageAnalytics {
    let NamedFigures { id, display_name, figures } = named;
    wire::StageAnalytics {
        stage_id: id.0,
        display_name,
        entered: long(figures.entered),
        completed: long(figures.completed),
        left_otherwise: long(figures.left_otherwise),
        in_stage_now: long(figures.in_stage_now),
        mean_seconds: figures.lengths.mean,
        reworked: long(figures.reworked),
        lengths: Some(lengths(figures.lengths)),
        first_lengths: Some(lengths(figures.first)),
        rework_lengths: Some(lengths(figures.rework)),
    }
}

fn lengths(lengths: Lengths) -> wire::Lengths {
    wire::Lengths {
        count: long(lengths.count),
        mean_seconds: lengths.mean,
        p50_seconds: lengths.p50,
        p85_seconds: lengths.p85,
        p95_seconds: lengths.p95,
    }
}

fn day(dated: DatedFigures) -> wire::DayAnalytics {
    let DatedFigures { date, figures } = dated;
    wire::DayAnalytics {
        date,
        created: long(figures.created),
        completed: long(figures.completed),
        cancelled: long(figures.cancelled),
        failed: long(figures.failed),
    }
}

/// What figures are asked for.
pub(crate) fn wanted(request: wire::GetWorkflowAnalyticsRequest) -> Checked<FiguresInput> {
    let mut faults = Faults::default();
    let input = FiguresInput {
        start: faults.take(given_time("start_time", request.start_time.as_ref())),
        end: faults.take(given_time("end_time", request.end_time.as_ref())),
        time_zone: request.time_zone,
    };
    faults.or(input)
}

pub(crate) fn firing(firing: Firing) -> wire::TriggerFiring {
    let outcome = match firing.outcome {
        FiringOutcome::Fired => wire::FiringOutcome::Fired,
        FiringOutcome::Refused => wire::FiringOutcome::Refused,
    };
    wire::TriggerFiring {
        name: firing.id.to_string(),
        trigger: firing.trigger.to_string(),
        event: firing.event.to_string(),
        event_type: firing.event_type.as_str().to_owned(),
        outcome: outcome.into(),
        reason: firing.reason,
        work_item: name(firing.work_item),
        time: time(firing.time),
    }
}

//! Analytics and firings.

use api::workflow as wire;
use workflow_core::model::{Firing, FiringOutcome};
use workflow_core::service::{Figures, NamedFigures};

use super::scalar::{long, name, time};

pub(crate) fn figures(figures: Figures) -> wire::WorkflowAnalytics {
    wire::WorkflowAnalytics {
        workflow: figures.workflow.to_string(),
        total: long(figures.total),
        completed: long(figures.completed),
        in_progress: long(figures.in_progress),
        cancelled: long(figures.cancelled),
        failed: long(figures.failed),
        mean_cycle_seconds: figures.mean_cycle_seconds.unwrap_or_default(),
        stages: figures.stages.into_iter().map(stage).collect(),
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
        mean_seconds: figures.mean_seconds.unwrap_or_default(),
    }
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

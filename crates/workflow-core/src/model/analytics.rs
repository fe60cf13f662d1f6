//! Figures of one workflow, read from stays and items, never from history.

use super::StageId;

/// Figures of one stage, over all stays.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StageFigures {
    pub entered: u64,
    pub completed: u64,
    pub left_otherwise: u64,
    pub in_stage_now: u64,
    /// Mean of ended stays, seconds; `None` without any.
    pub mean_seconds: Option<f64>,
}

/// Figures of one workflow.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WorkflowFigures {
    pub total: u64,
    pub completed: u64,
    pub in_progress: u64,
    pub cancelled: u64,
    pub failed: u64,
    /// Creation to completion of completed items, seconds; `None` without any.
    pub mean_cycle_seconds: Option<f64>,
    /// Stages with at least one stay.
    pub stages: Vec<(StageId, StageFigures)>,
}

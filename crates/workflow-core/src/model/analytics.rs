//! Figures of one workflow, read from stays and items, never from history.

use primitives::Timestamp;

use super::StageId;
use super::days::Days;

/// What figures are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FiguresInput {
    pub start: Option<Timestamp>,
    pub end: Option<Timestamp>,
    /// IANA name of the zone whose days are wanted; empty for none.
    pub time_zone: String,
}

/// A span of time: its start belongs to it, its end does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    pub start: Timestamp,
    pub end: Timestamp,
}

impl Period {
    /// All time.
    pub const ALWAYS: Self =
        Self { start: Timestamp::from_micros(i64::MIN), end: Timestamp::from_micros(i64::MAX) };
}

/// Figures to be worked out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    pub period: Period,
    /// Days to tell apart.
    pub days: Option<Days>,
}

impl Wanted {
    /// Those of a whole life.
    pub const WHOLE: Self = Self { period: Period::ALWAYS, days: None };
}

/// How long something took, over a number of times; in seconds, 0 without any. Percentiles by
/// nearest rank.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Lengths {
    pub count: u64,
    pub mean: f64,
    pub p50: f64,
    pub p85: f64,
    pub p95: f64,
}

/// Figures of one stage.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StageFigures {
    pub entered: u64,
    pub completed: u64,
    pub left_otherwise: u64,
    pub in_stage_now: u64,
    /// Of `entered`: not the item's first stay there.
    pub reworked: u64,
    /// Of the stays that ended.
    pub lengths: Lengths,
    /// Of these, first stays.
    pub first: Lengths,
    /// Of these, later ones.
    pub rework: Lengths,
}

/// What happened on one day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DayFigures {
    /// Days since 1970-01-01.
    pub day: i64,
    pub created: u64,
    pub completed: u64,
    pub cancelled: u64,
    pub failed: u64,
}

/// Figures of one workflow.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WorkflowFigures {
    pub total: u64,
    pub completed: u64,
    pub in_progress: u64,
    pub cancelled: u64,
    pub failed: u64,
    /// Creation to completion of completed items.
    pub cycle: Lengths,
    /// Stages with at least one stay.
    pub stages: Vec<(StageId, StageFigures)>,
    /// Days on which something happened, in order; none unless asked for.
    pub days: Vec<DayFigures>,
}

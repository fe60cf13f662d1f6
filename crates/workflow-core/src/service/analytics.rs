//! Figures of workflows.

use std::sync::Arc;

use permissions::{AnalyticsRead, Grant};
use primitives::{Checked, Clock, InvalidArgs, Timestamp, WorkflowId};

use super::{DatedFigures, Figures, FiguresInput, NamedFigures};
use crate::WorkflowError;
use crate::model::days::date;
use crate::model::{
    DayFigures, Days, Definition, Period, StageFigures, StageId, Wanted, WorkflowFigures,
};
use crate::store::WorkflowStore;

/// How work flows through workflows.
#[derive(Clone)]
pub struct Analytics {
    pub(super) store: Arc<dyn WorkflowStore>,
    clock: Arc<dyn Clock>,
}

impl Analytics {
    pub fn new(store: Arc<dyn WorkflowStore>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock }
    }

    /// Figures of one workflow over its whole life or a period; a deleted one keeps them.
    #[tracing::instrument(
        name = "analytics.workflow",
        skip_all,
        fields(workflow.id = %id, user.id = %grant.user()),
        err(level = "debug")
    )]
    pub async fn workflow(
        &self,
        grant: &Grant<AnalyticsRead>,
        id: WorkflowId,
        input: Checked<FiguresInput>,
    ) -> Result<Figures, WorkflowError> {
        let scope = grant.scope();
        let row = self.store.get_workflow(&scope, id).await?;
        let row = grant.admit(row.ok_or(WorkflowError::NotFound("WORKFLOW"))?)?;
        let wanted = wanted(&input?, self.clock.now())?;
        let figures = self.store.figures(&scope, id, &wanted).await?;
        Ok(named(id, &row.definition, wanted.days.as_ref(), figures))
    }
}

/// Judges what is asked for.
fn wanted(input: &FiguresInput, now: Timestamp) -> Checked<Wanted> {
    let asks_for_days = !input.time_zone.is_empty();
    if asks_for_days && input.start.is_none() {
        return Err(InvalidArgs::new("start_time", "is required with a time_zone"));
    }
    let start = input.start.unwrap_or(Period::ALWAYS.start);
    let end = input.end.unwrap_or(if asks_for_days { now } else { Period::ALWAYS.end });
    if end <= start {
        return Err(InvalidArgs::new("end_time", "must be after start_time"));
    }
    let period = Period { start, end };
    let days = asks_for_days.then(|| Days::of(&input.time_zone, period)).transpose()?;
    Ok(Wanted { period, days })
}

/// All days asked for, with or without anything on them.
fn dated(wanted: &Days, figures: &[DayFigures]) -> Vec<DatedFigures> {
    let mut figures = figures.iter().peekable();
    let mut dated = Vec::new();
    for day in wanted.first..=wanted.last {
        let figures = figures.next_if(|figures| figures.day == day).copied();
        let figures = figures.unwrap_or(DayFigures { day, ..DayFigures::default() });
        dated.extend(date(day).map(|date| DatedFigures { date, figures }));
    }
    dated
}

/// Stages of the newest revision in its order, with or without traffic, then the others.
fn named(
    workflow: WorkflowId,
    definition: &Definition,
    days: Option<&Days>,
    figures: WorkflowFigures,
) -> Figures {
    let mut seen = figures.stages;
    let mut take = |id: &StageId| {
        let at = seen.iter().position(|(stage, _)| stage == id);
        at.map_or_else(StageFigures::default, |at| seen.swap_remove(at).1)
    };
    let mut stages: Vec<_> = definition
        .stages
        .iter()
        .map(|stage| NamedFigures {
            id: stage.id.clone(),
            display_name: stage.display_name.clone(),
            figures: take(&stage.id),
        })
        .collect();
    seen.sort_by(|a, b| a.0.cmp(&b.0));
    stages.extend(seen.into_iter().map(|(id, figures)| NamedFigures {
        display_name: id.0.clone(),
        id,
        figures,
    }));
    Figures {
        workflow,
        total: figures.total,
        completed: figures.completed,
        in_progress: figures.in_progress,
        cancelled: figures.cancelled,
        failed: figures.failed,
        cycle: figures.cycle,
        stages,
        days: days.map_or_else(Vec::new, |days| dated(days, &figures.days)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::validate::{Place, workflow};
    use crate::model::{RouteInput, StageInput, StageType, WorkflowInput};

    #[test]
    fn stages_come_in_order_with_or_without_traffic_and_old_ones_last() {
        let stage = |id: &str, to: &str| StageInput {
            id: id.into(),
            display_name: id.to_uppercase(),
            kind: Some(StageType::Human),
            routes: vec![RouteInput { target: to.into(), ..RouteInput::default() }],
            ..StageInput::default()
        };
        let asked = WorkflowInput {
            display_name: "x".into(),
            stages: vec![stage("b", "a"), stage("a", "")],
            ..WorkflowInput::default()
        };
        let user = primitives::UserId::generate();
        let (_, definition) = workflow(&asked, Place::Template, user).unwrap();
        let entered = |n| StageFigures { entered: n, ..StageFigures::default() };
        let id = |id: &str| StageId(id.into());
        let stages = vec![(id("z"), entered(1)), (id("a"), entered(2)), (id("old"), entered(3))];
        let figures = WorkflowFigures { total: 9, stages, ..WorkflowFigures::default() };
        let named = named(WorkflowId::generate(), &definition, None, figures);
        let shown: Vec<_> = named
            .stages
            .iter()
            .map(|stage| (stage.id.0.as_str(), stage.display_name.as_str(), stage.figures.entered))
            .collect();
        assert_eq!(shown, [("b", "B", 0), ("a", "A", 2), ("old", "old", 3), ("z", "z", 1)]);
        assert_eq!(named.total, 9);
    }

    #[test]
    fn a_period_has_a_beginning_before_its_end() {
        let at = Timestamp::from_micros;
        let ask = |start: Option<i64>, end: Option<i64>, zone: &str| {
            let (start, end) = (start.map(at), end.map(at));
            wanted(&FiguresInput { start, end, time_zone: zone.into() }, at(1_000))
        };
        assert_eq!(ask(None, None, "").unwrap(), Wanted::WHOLE);
        assert_eq!(ask(Some(5), None, "").unwrap().period.end, Period::ALWAYS.end);
        assert_eq!(
            ask(Some(5), None, "UTC").unwrap().period,
            Period { start: at(5), end: at(1_000) }
        );
        for (start, end, zone, field) in [
            (Some(5), Some(5), "", "end_time"),
            (Some(2_000), None, "UTC", "end_time"),
            (None, Some(5), "UTC", "start_time"),
            (Some(1), Some(5), "Mars/Base", "time_zone"),
        ] {
            assert_eq!(ask(start, end, zone).unwrap_err().fields[0].field, field);
        }
    }

    #[test]
    fn days_without_anything_are_there_too() {
        let offset = crate::model::Offset { at_first: 0, changes: Vec::new() };
        let days = Days { first: 0, last: 2, offset };
        let figures = DayFigures { day: 1, created: 3, ..DayFigures::default() };
        let dated = dated(&days, &[figures]);
        let shown: Vec<_> =
            dated.iter().map(|day| (day.date.as_str(), day.figures.created)).collect();
        assert_eq!(shown, [("1970-01-01", 0), ("1970-01-02", 3), ("1970-01-03", 0)]);
    }
}

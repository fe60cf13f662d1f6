//! Figures of a workflow, from aggregates over items and stays; history is never scanned, and
//! no row leaves the database.
//!
//! The cost of each is that of reading the workflow's items or stays by their index, and for
//! stays and lengths of sorting them: n log n for n stays.

use std::fmt::Write as _;

use permissions::Scope;
use primitives::{Timestamp, WorkflowId};
use sea_orm::FromQueryResult;
use workflow_core::model::{
    DayFigures, Lengths, Offset, StageFigures, StageId, Wanted, WorkflowFigures,
};

use super::snapshot::Snapshot;
use crate::Storage;
use crate::fault::Result;
use crate::row::narrow;

const MICROS_PER_SECOND: f64 = 1_000_000.0;
const MICROS_PER_DAY: i64 = 86_400_000_000;

/// Items by where they stand. `$4` and `$5` are the period.
const ITEMS: &str = "
select count(case when created_at >= $4 and created_at < $5 then 1 end) as total,
    count(case when closed_at is null then 1 end) as in_progress,
    count(case when state = 'COMPLETED' and closed_at >= $4 and closed_at < $5 then 1 end)
        as completed,
    count(case when state = 'CANCELLED' and closed_at >= $4 and closed_at < $5 then 1 end)
        as cancelled,
    count(case when state = 'FAILED' and closed_at >= $4 and closed_at < $5 then 1 end) as failed
from work_item
where tenant_kind = $1 and tenant_id = $2 and workflow_id = $3";

/// Stays by stage. An item's later stays at a stage are its rework.
const STAYS: &str = "
with stay as (
    select stage_id, entered_at, left_at, outcome,
        row_number() over (partition by work_item_id, stage_id order by entered_at, id) as turn
    from stage_visit
    where tenant_kind = $1 and tenant_id = $2 and workflow_id = $3
)
select stage_id,
    count(case when entered_at >= $4 and entered_at < $5 then 1 end) as entered,
    count(case when entered_at >= $4 and entered_at < $5 and turn > 1 then 1 end) as reworked,
    count(case when outcome = 'COMPLETED' and left_at >= $4 and left_at < $5 then 1 end)
        as completed,
    count(case when outcome = 'LEFT' and left_at >= $4 and left_at < $5 then 1 end)
        as left_otherwise,
    count(case when left_at is null then 1 end) as in_stage_now
from stay
group by stage_id
order by stage_id";

/// How long items and stays took. The nearest rank of p percent among n is the first place
/// that is not below n * p / 100, so that whole numbers suffice.
const LENGTHS: &str = "
with stay as (
    select stage_id, entered_at, left_at,
        row_number() over (partition by work_item_id, stage_id order by entered_at, id) as turn
    from stage_visit
    where tenant_kind = $1 and tenant_id = $2 and workflow_id = $3
), span as (
    select 'CYCLE' as kind, '' as stage_id, closed_at - created_at as micros
    from work_item
    where tenant_kind = $1 and tenant_id = $2 and workflow_id = $3
        and state = 'COMPLETED' and closed_at >= $4 and closed_at < $5
    union all
    select 'STAY', stage_id, left_at - entered_at
    from stay where left_at >= $4 and left_at < $5
    union all
    select case when turn = 1 then 'FIRST' else 'REWORK' end, stage_id, left_at - entered_at
    from stay where left_at >= $4 and left_at < $5
), ranked as (
    select kind, stage_id, micros,
        row_number() over (partition by kind, stage_id order by micros) as place,
        count(*) over (partition by kind, stage_id) as number
    from span
)
select kind, stage_id, count(*) as number, avg(cast(micros as double precision)) as mean,
    min(case when place * 100 >= number * 50 then micros end) as p50,
    min(case when place * 100 >= number * 85 then micros end) as p85,
    min(case when place * 100 >= number * 95 then micros end) as p95
from ranked
group by kind, stage_id";

#[derive(FromQueryResult)]
struct ItemRow {
    total: i64,
    in_progress: i64,
    completed: i64,
    cancelled: i64,
    failed: i64,
}

#[derive(FromQueryResult)]
struct StayRow {
    stage_id: String,
    entered: i64,
    reworked: i64,
    completed: i64,
    left_otherwise: i64,
    in_stage_now: i64,
}

#[derive(FromQueryResult)]
struct LengthRow {
    kind: String,
    stage_id: String,
    number: i64,
    mean: f64,
    p50: i64,
    p85: i64,
    p95: i64,
}

#[derive(FromQueryResult)]
struct DayRow {
    day: i64,
    created: i64,
    completed: i64,
    cancelled: i64,
    failed: i64,
}

#[expect(clippy::cast_precision_loss, reason = "exact for times below 285 years")]
fn seconds(micros: i64) -> f64 {
    micros as f64 / MICROS_PER_SECOND
}

fn lengths(row: &LengthRow) -> Result<Lengths> {
    Ok(Lengths {
        count: narrow("number", row.number)?,
        mean: row.mean / MICROS_PER_SECOND,
        p50: seconds(row.p50),
        p85: seconds(row.p85),
        p95: seconds(row.p95),
    })
}

fn stage(row: StayRow) -> Result<(StageId, StageFigures)> {
    let figures = StageFigures {
        entered: narrow("entered", row.entered)?,
        reworked: narrow("reworked", row.reworked)?,
        completed: narrow("completed", row.completed)?,
        left_otherwise: narrow("left_otherwise", row.left_otherwise)?,
        in_stage_now: narrow("in_stage_now", row.in_stage_now)?,
        ..StageFigures::default()
    };
    Ok((StageId(row.stage_id), figures))
}

fn day(row: &DayRow) -> Result<DayFigures> {
    Ok(DayFigures {
        day: row.day,
        created: narrow("created", row.created)?,
        completed: narrow("completed", row.completed)?,
        cancelled: narrow("cancelled", row.cancelled)?,
        failed: narrow("failed", row.failed)?,
    })
}

/// The local day of a column's time. All that is written in are numbers of ours.
fn local_day(at: &str, offset: &Offset) -> String {
    let mut last = offset.at_first;
    let mut arms = String::new();
    for (from, next) in &offset.changes {
        // Writing to a text cannot fail.
        let _ = write!(arms, " when {at} < {} then {last}", from.as_micros());
        last = *next;
    }
    let local =
        if arms.is_empty() { last.to_string() } else { format!("case{arms} else {last} end") };
    format!("cast(({at} + {local}) / {MICROS_PER_DAY} as bigint)")
}

fn days(offset: &Offset) -> String {
    let [created, closed] = ["created_at", "closed_at"].map(|at| local_day(at, offset));
    format!(
        "with happened as (
            select {created} as day, 'CREATED' as what
            from work_item
            where tenant_kind = $1 and tenant_id = $2 and workflow_id = $3
                and created_at >= $4 and created_at < $5
            union all
            select {closed}, state
            from work_item
            where tenant_kind = $1 and tenant_id = $2 and workflow_id = $3
                and closed_at >= $4 and closed_at < $5
        )
        select day, count(case when what = 'CREATED' then 1 end) as created,
            count(case when what = 'COMPLETED' then 1 end) as completed,
            count(case when what = 'CANCELLED' then 1 end) as cancelled,
            count(case when what = 'FAILED' then 1 end) as failed
        from happened group by day order by day"
    )
}

impl Snapshot {
    /// The workflow's figures.
    pub(super) async fn figures(&self, wanted: &Wanted) -> Result<WorkflowFigures> {
        let period = [wanted.period.start, wanted.period.end].map(Timestamp::as_micros);
        let mut figures = WorkflowFigures::default();
        for row in self.rows::<ItemRow>(ITEMS, period).await? {
            figures.total = narrow("total", row.total)?;
            figures.in_progress = narrow("in_progress", row.in_progress)?;
            figures.completed = narrow("completed", row.completed)?;
            figures.cancelled = narrow("cancelled", row.cancelled)?;
            figures.failed = narrow("failed", row.failed)?;
        }
        let rows = self.rows::<StayRow>(STAYS, period).await?;
        figures.stages = rows.into_iter().map(stage).collect::<Result<_>>()?;
        for row in self.rows::<LengthRow>(LENGTHS, period).await? {
            let lengths = lengths(&row)?;
            if row.kind == "CYCLE" {
                figures.cycle = lengths;
                continue;
            }
            let stages = &mut figures.stages;
            let Some((_, stage)) = stages.iter_mut().find(|(id, _)| id.0 == row.stage_id) else {
                continue;
            };
            match row.kind.as_str() {
                "FIRST" => stage.first = lengths,
                "REWORK" => stage.rework = lengths,
                _ => stage.lengths = lengths,
            }
        }
        if let Some(wanted) = &wanted.days {
            let rows = self.rows::<DayRow>(&days(&wanted.offset), period).await?;
            figures.days = rows.iter().map(day).collect::<Result<_>>()?;
        }
        Ok(figures)
    }
}

impl Storage {
    pub(super) async fn figures_of(
        &self,
        scope: &Scope,
        workflow: WorkflowId,
        wanted: &Wanted,
    ) -> Result<WorkflowFigures> {
        match Snapshot::of(self, scope, workflow).await? {
            Some(snapshot) => snapshot.figures(wanted).await,
            None => Ok(WorkflowFigures::default()),
        }
    }
}

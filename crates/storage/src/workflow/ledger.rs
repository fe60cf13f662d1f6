//! The ledger of a workflow: its transitions, stays and items, counted against each other.
//!
//! The cost is that of reading the whole history of the workflow's items, sorted, once for
//! each statement. No row leaves the database but those of items that break a rule.

use async_trait::async_trait;
use permissions::Scope;
use primitives::{WorkItemId, WorkflowId};
use sea_orm::FromQueryResult;
use uuid::Uuid;
use workflow_core::StoreError;
use workflow_core::model::{Ledger, LedgerRule, Recount, StageId, StageLedger, Violation, Wanted};
use workflow_core::store::LedgerStore;

use super::snapshot::Snapshot;
use crate::Storage;
use crate::fault::Result;
use crate::row::narrow;

/// Transitions with what came before each, and what each did to stays: it comes to a stage when
/// it creates or reopens the item, or when it left another stay for it; it leaves one when it
/// says how long that was.
const HISTORY: &str = "
with history as (
    select t.work_item_id, t.from_stage, t.to_stage, t.from_state, t.to_state,
        t.in_stage_micros, t.moved_at, t.id,
        case when t.to_stage is not null and (t.from_state is null
            or t.from_state in ('COMPLETED', 'FAILED', 'CANCELLED')
            or t.in_stage_micros is not null) then 1 else 0 end as enters,
        case when t.in_stage_micros is not null then 1 else 0 end as leaves,
        row_number() over chronicle as place,
        count(*) over (partition by t.work_item_id) as number,
        lag(t.to_state) over chronicle as last_state,
        lag(t.to_stage) over chronicle as last_stage
    from transition t
    join work_item i on i.tenant_kind = t.tenant_kind and i.tenant_id = t.tenant_id
        and i.id = t.work_item_id
    where i.tenant_kind = $1 and i.tenant_id = $2 and i.workflow_id = $3
    window chronicle as (partition by t.work_item_id order by t.moved_at, t.id)
), stay as (
    select work_item_id, stage_id, entered_at, left_at
    from stage_visit
    where tenant_kind = $1 and tenant_id = $2 and workflow_id = $3
), item as (
    select id, state, stage_id, visit_id, closed_at
    from work_item
    where tenant_kind = $1 and tenant_id = $2 and workflow_id = $3
)";

const STAGES: &str = ", told as (
    select to_stage as stage_id, 1 as entered, 0 as gone, 0 as stays, 0 as ended, 0 as items,
        case when row_number() over (
            partition by work_item_id, to_stage order by moved_at, id) > 1 then 1 else 0 end
            as again
    from history where enters = 1
    union all
    select from_stage, 0, 1, 0, 0, 0, 0 from history where leaves = 1
    union all
    select stage_id, 0, 0, 1, case when left_at is null then 0 else 1 end, 0, 0 from stay
    union all
    select stage_id, 0, 0, 0, 0, 1, 0 from item where closed_at is null
)
select stage_id, sum(entered) as entered, sum(gone) as gone, sum(stays) as stays,
    sum(ended) as ended, count(case when stays = 1 and ended = 0 then 1 end) as in_stage,
    sum(again) as again, sum(items) as items
from told group by stage_id order by stage_id";

const RECOUNT: &str = "
select count(*) as transitions,
    count(case when place = 1 then 1 end) as total,
    count(case when place = number and to_state = 'COMPLETED' then 1 end) as completed,
    count(case when place = number and to_state = 'CANCELLED' then 1 end) as cancelled,
    count(case when place = number and to_state = 'FAILED' then 1 end) as failed
from history";

/// Items that break a rule; `$4` is how many to name. Each names a stage, or none.
const RULES: [(LedgerRule, &str); 5] = [
    (
        LedgerRule::OpenStay,
        "select i.id, i.stage_id from item i where i.closed_at is null and (
            1 <> (select count(*) from stage_visit v where v.tenant_kind = $1
                and v.tenant_id = $2 and v.work_item_id = i.id and v.left_at is null)
            or not exists (select 1 from stage_visit v where v.tenant_kind = $1
                and v.tenant_id = $2 and v.work_item_id = i.id and v.left_at is null
                and v.id = i.visit_id and v.stage_id = i.stage_id))
        order by i.id limit $4",
    ),
    (
        LedgerRule::ClosedStay,
        "select i.id, i.stage_id from item i where i.closed_at is not null
            and exists (select 1 from stage_visit v where v.tenant_kind = $1
                and v.tenant_id = $2 and v.work_item_id = i.id and v.left_at is null)
        order by i.id limit $4",
    ),
    (
        LedgerRule::Chain,
        "select distinct work_item_id as id, cast(null as text) as stage_id from history
        where (place = 1 and (from_state is not null or from_stage is not null))
            or (place > 1 and (coalesce(from_state, '') <> coalesce(last_state, '')
                or coalesce(from_stage, '') <> coalesce(last_stage, '')))
        order by 1 limit $4",
    ),
    (
        LedgerRule::LastState,
        "select i.id, i.stage_id from item i
        left join history h on h.work_item_id = i.id and h.place = h.number
        where coalesce(h.to_state, '') <> i.state
            or coalesce(h.to_stage, h.from_stage, '') <> i.stage_id
        order by i.id limit $4",
    ),
    (
        LedgerRule::Stays,
        "select work_item_id as id, stage_id from (
            select work_item_id, to_stage as stage_id, 1 as came, 0 as gone, 0 as micros
            from history where enters = 1
            union all
            select work_item_id, from_stage, 0, 1, in_stage_micros from history where leaves = 1
            union all
            select work_item_id, stage_id, -1, case when left_at is null then 0 else -1 end,
                case when left_at > entered_at then entered_at - left_at else 0 end
            from stay
        ) told group by work_item_id, stage_id
        having sum(came) <> 0 or sum(gone) <> 0 or sum(micros) <> 0
        order by 1, 2 limit $4",
    ),
];

#[derive(FromQueryResult)]
struct StageRow {
    stage_id: String,
    entered: i64,
    gone: i64,
    stays: i64,
    ended: i64,
    in_stage: i64,
    again: i64,
    items: i64,
}

#[derive(FromQueryResult)]
struct RecountRow {
    transitions: i64,
    total: i64,
    completed: i64,
    cancelled: i64,
    failed: i64,
}

#[derive(FromQueryResult)]
struct BrokenRow {
    id: Uuid,
    stage_id: Option<String>,
}

fn stage(row: StageRow) -> Result<(StageId, StageLedger)> {
    let ledger = StageLedger {
        entered: narrow("entered", row.entered)?,
        left: narrow("gone", row.gone)?,
        stays: narrow("stays", row.stays)?,
        stays_ended: narrow("ended", row.ended)?,
        in_stage: narrow("in_stage", row.in_stage)?,
        came_again: narrow("again", row.again)?,
        items: narrow("items", row.items)?,
    };
    Ok((StageId(row.stage_id), ledger))
}

fn recount(row: &RecountRow) -> Result<Recount> {
    Ok(Recount {
        transitions: narrow("transitions", row.transitions)?,
        total: narrow("total", row.total)?,
        completed: narrow("completed", row.completed)?,
        cancelled: narrow("cancelled", row.cancelled)?,
        failed: narrow("failed", row.failed)?,
    })
}

impl Snapshot {
    async fn ledger(&self, most: u32) -> Result<Ledger> {
        let stages = self.rows(&format!("{HISTORY}{STAGES}"), []).await?;
        let counted = self.rows(&format!("{HISTORY}{RECOUNT}"), []).await?;
        let mut ledger = Ledger {
            stages: stages.into_iter().map(stage).collect::<Result<_>>()?,
            recount: counted.first().map(recount).transpose()?.unwrap_or_default(),
            figures: self.figures(&Wanted::WHOLE).await?,
            broken: Vec::new(),
        };
        for (rule, sql) in RULES {
            let sql = format!("{HISTORY} {sql}");
            for BrokenRow { id, stage_id } in self.rows(&sql, [i64::from(most)]).await? {
                let (item, stage) = (Some(WorkItemId::from_uuid(id)), stage_id.map(StageId));
                ledger.broken.push(Violation { rule, item, stage });
            }
        }
        Ok(ledger)
    }
}

#[async_trait]
impl LedgerStore for Storage {
    async fn ledger(
        &self,
        scope: &Scope,
        workflow: WorkflowId,
        most: u32,
    ) -> std::result::Result<Ledger, StoreError> {
        let read = async {
            match Snapshot::of(self, scope, workflow).await? {
                Some(snapshot) => snapshot.ledger(most).await,
                None => Ok(Ledger::default()),
            }
        };
        Ok(read.await?)
    }
}

//! Items on older revisions move to another one: a batch for each call.
//!
//! **Invariant:** an item moves together with its transition, and what has moved is not looked
//! at again. The workflow is held first, then items, and no item is waited for: whoever holds
//! an item never waits for a migration that waits for him.

use audit::AuditEvent;
use events::{Once, RunOrder};
use permissions::{Admitted, Grant, WorkflowsManage};
use primitives::{Checked, InvalidArgs, PageRequest, Timestamp, UserId, WorkItemId, WorkflowId};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Workflows, expect_version, remember};
use crate::WorkflowError;
use crate::model::{
    Change, Definition, Fate, ItemMove, LockedItem, MigrateInput, Migrated, Migration,
    MigrationCounts, MigrationResult, Move, StagePlan, Workflow,
};
use crate::store::WorkflowTx;

/// What a migration did, or would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MigrationReport {
    pub target: i64,
    pub counts: MigrationCounts,
    /// Of what would be done, by id of the stage.
    pub stages: Vec<StagePlan>,
    /// Of what was done.
    pub items: Vec<Migrated>,
    /// The last item that was looked at, unless there are no more.
    pub next: Option<WorkItemId>,
}

/// Where a batch goes, and by whom.
struct Batch<'a> {
    workflow: &'a Admitted<WorkflowsManage, Workflow>,
    migration: Migration<'a>,
    target: i64,
    actor: UserId,
    now: Timestamp,
}

impl Workflows {
    /// Moves a batch of open items from older revisions to the target, or says what that would
    /// come to for all of them.
    #[tracing::instrument(
        name = "workflows.migrate_items",
        skip_all,
        fields(workflow.id = %id, user.id = %grant.user()),
        err(level = "debug")
    )]
    pub async fn migrate_items(
        &self,
        grant: &Grant<WorkflowsManage>,
        id: WorkflowId,
        input: Checked<(MigrateInput, PageRequest)>,
        once: Option<&Once>,
    ) -> Result<MigrationReport, WorkflowError> {
        let scope = grant.scope();
        // Revisions never change: this one is read before anything is held.
        let named = match input.as_ref().map(|(input, _)| input.target) {
            Ok(target @ 1..) => self.store.get_revision(&scope, id, target).await?,
            _ => None,
        };
        let (mut tx, row, answer) = self.hold_live(grant, id, once).await?;
        if let Some(answer) = answer {
            return Ok(answer);
        }
        let (input, page) = input?;
        let (target, definition) = match (input.target, &named) {
            (0, _) => (row.revision, &row.definition),
            (..0, _) => {
                return Err(InvalidArgs::new("target_revision", "must not be negative").into());
            }
            (_, None) => return Err(WorkflowError::NotFound("WORKFLOW_REVISION")),
            (target, Some(revision)) => (target, &revision.definition),
        };
        let migration = Migration::judge(&input, definition)?;
        expect_version(input.etag, row.version)?;
        if input.validate_only {
            let behind = tx.items_behind(&scope, id, target).await?;
            return Ok(planned(&migration, target, behind));
        }
        let held = tx.hold_items_behind(&scope, id, target, page).await?;
        let (actor, now) = (grant.user(), self.clock.now());
        let batch = Batch { workflow: &row, migration, target, actor, now };
        let mut report = batch.migrate(tx.as_mut(), &held.items).await?;
        report.next = held.next;
        report.counts.in_use = held.in_use.len() as u64;
        report.items.extend(held.in_use.into_iter().map(in_use));
        report.items.sort_by_key(|migrated| migrated.item);
        let counts = report.counts;
        let event = AuditEvent::by(grant, now, row.tenant, "workflow.items.migrated", id);
        let event = event.with(json!({
            "target_revision": target,
            "moved": counts.moved,
            "need_mapping": counts.need_mapping,
            "runs_in_progress": counts.runs_in_progress,
            "in_use": counts.in_use,
            "runs_cancelled": counts.runs_cancelled,
        }));
        tx.record(vec![event]).await?;
        remember(tx.as_mut(), once, &report, now).await?;
        tx.commit().await?;
        Ok(report)
    }
}

impl Batch<'_> {
    async fn migrate(
        &self,
        tx: &mut dyn WorkflowTx,
        items: &[impl std::ops::Deref<Target = LockedItem> + Sync],
    ) -> Result<MigrationReport, WorkflowError> {
        let (mut orders, mut waiting) = (Vec::new(), Vec::new());
        let mut report = empty(self.target);
        for row in items {
            let item = &row.item;
            let fate = self.migration.fate(&row.definition, &item.stage, item.live_run.is_some());
            report.counts.add(fate, 1);
            let order = self.move_one(tx, row, fate).await?;
            report.items.push(told(row, fate, order.as_ref()));
            if order.is_some() && !item.blocked_by.is_empty() {
                waiting.push(item.id);
            }
            orders.extend(order);
        }
        tx.order_runs(&orders).await?;
        for item in waiting {
            tx.gate_runs(self.workflow.tenant, item).await?;
        }
        Ok(report)
    }

    /// Moves one item, if it moves; returns what is to be ordered from the agent.
    async fn move_one(
        &self,
        tx: &mut dyn WorkflowTx,
        row: &LockedItem,
        fate: Fate<'_>,
    ) -> Result<Option<RunOrder>, WorkflowError> {
        let (Some(event), Fate::Moves { to, .. }) = (fate.event(), fate) else { return Ok(None) };
        let note = format!("from revision {} to {}", row.item.revision, self.target);
        let by = Move { actor: self.actor, now: self.now, note, to: Some(to) };
        let change = Change::decide(row, event, by)?;
        let Change { mut item, transition, left, entered, order, stop_runs, .. } = change;
        item.revision = self.target;
        if stop_runs {
            tx.stop_runs(item.id).await?;
        }
        let item = self.workflow.save_as(item);
        tx.save_move(&ItemMove { item, transition, left, entered }).await?;
        Ok(order)
    }
}

fn planned(
    migration: &Migration<'_>,
    target: i64,
    behind: Vec<(crate::store::Gathered, std::sync::Arc<Definition>)>,
) -> MigrationReport {
    let mut report = empty(target);
    for (gathered, definition) in behind {
        let from = gathered.place.stage;
        let fate = migration.fate(&definition, &from, gathered.has_run);
        let mut counts = MigrationCounts::default();
        counts.add(fate, gathered.items);
        report.counts.merge(counts);
        // Of one stage on several revisions, or with and without runs.
        if let Some(plan) = report.stages.iter_mut().find(|plan| plan.from == from) {
            plan.counts.merge(counts);
            continue;
        }
        let to = migration.place_of(&from).map(|stage| stage.id.clone());
        report.stages.push(StagePlan { from, to, counts });
    }
    report.stages.sort_by(|one, other| one.from.cmp(&other.from));
    report
}

fn empty(target: i64) -> MigrationReport {
    let counts = MigrationCounts::default();
    MigrationReport { target, counts, stages: Vec::new(), items: Vec::new(), next: None }
}

fn told(row: &LockedItem, fate: Fate<'_>, order: Option<&RunOrder>) -> Migrated {
    let (result, to, run_cancelled) = match fate {
        Fate::Moves { to, stops_run, .. } => {
            (MigrationResult::Moved, Some(to.id.clone()), stops_run)
        }
        Fate::NeedsMapping => (MigrationResult::NeedsMapping, None, false),
        Fate::RunInProgress => (MigrationResult::RunInProgress, None, false),
    };
    let from = Some(row.item.stage.clone());
    let run = order.map(|order| order.run);
    Migrated { item: row.item.id, result, from, to, run, run_cancelled }
}

fn in_use(item: WorkItemId) -> Migrated {
    let result = MigrationResult::InUse;
    Migrated { item, result, from: None, to: None, run: None, run_cancelled: false }
}

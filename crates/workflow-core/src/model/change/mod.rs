//! One decided move of an item: what it becomes and what has to be stored and done with it.

use std::time::Duration;

use events::RunOrder;
use primitives::{RunId, Timestamp, TransitionId, UserId, VisitId, WorkItemId};

use super::{
    Block, Effect, IllegalTransition, ItemEvent, ItemState, LockedItem, Onward, Stage, Transition,
    Visit, VisitEnd, VisitOutcome, WorkItem, Workflow,
};

/// The outcome of an event on an item. Pure data.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    pub item: WorkItem,
    pub transition: Transition,
    /// The stay that ends.
    pub left: Option<VisitEnd>,
    /// The stay that begins.
    pub entered: Option<Visit>,
    /// The agent is to run.
    pub order: Option<RunOrder>,
    /// A live run is to be cancelled.
    pub stop_runs: bool,
    /// What its audit record says beside the move.
    pub facts: Option<serde_json::Value>,
}

/// Who moves an item, when, and what he says.
#[derive(Clone, Debug)]
pub struct Move<'a> {
    pub actor: UserId,
    pub now: Timestamp,
    pub note: String,
    /// The stage to come to, for events that lead to one.
    pub to: Option<&'a Stage>,
}

impl Change {
    /// Judges `event` by the table and works out everything that follows from it.
    pub fn decide(
        row: &LockedItem,
        event: ItemEvent,
        by: Move<'_>,
    ) -> Result<Self, IllegalTransition> {
        let before = &row.item;
        let step = before.state.apply(event)?;
        let mut item = WorkItem { state: step.next, updated_at: by.now, ..before.clone() };
        match event {
            ItemEvent::Claim => {
                item.assignee = Some(by.actor);
                item.claimed_at = Some(by.now);
            }
            ItemEvent::Assign(user) => {
                item.assignee = Some(user);
                item.claimed_at = Some(by.now);
            }
            ItemEvent::Start
            | ItemEvent::RerunAgent { .. }
            | ItemEvent::Approve(Onward::Stay)
            | ItemEvent::Reject(Onward::Stay)
            | ItemEvent::Advance(Onward::Stay)
            | ItemEvent::MigrateInPlace { .. } => {}
            ItemEvent::CompleteStage { .. }
            | ItemEvent::Return { .. }
            | ItemEvent::Migrate { .. }
            | ItemEvent::Advance(Onward::Stage { .. })
            | ItemEvent::Approve(Onward::Stage { .. })
            | ItemEvent::Reject(Onward::Stage { .. })
            | ItemEvent::Release
            | ItemEvent::LoseAssignee => {
                item.assignee = None;
                item.claimed_at = None;
            }
            ItemEvent::Reopen { .. } => {
                item.assignee = None;
                item.claimed_at = None;
                item.closed_at = None;
            }
            ItemEvent::Block => {
                item.block = Some(Block { from: before.state, reason: by.note.clone() });
            }
            ItemEvent::Unblock { .. } => {}
            ItemEvent::Finish { .. }
            | ItemEvent::Approve(Onward::End)
            | ItemEvent::Reject(Onward::End)
            | ItemEvent::Advance(Onward::End)
            | ItemEvent::Cancel
            | ItemEvent::Fail => {
                item.closed_at = Some(by.now);
            }
        }
        match &mut item.block {
            // Nobody's any more, it will be anybody's.
            Some(block) if item.state == ItemState::Blocked && item.assignee.is_none() => {
                block.from = ItemState::Pending;
            }
            block if item.state != ItemState::Blocked => *block = None,
            _ => {}
        }

        let ended = |outcome| Some(VisitEnd { visit: before.visit, outcome, time: by.now });
        let (mut left, mut entered, mut order, mut stop_runs) = (None, None, None, false);
        for effect in step.effects {
            match effect {
                Effect::CompleteVisit => left = ended(VisitOutcome::Completed),
                Effect::LeaveVisit => left = ended(VisitOutcome::Left),
                Effect::EnterStage => {
                    if let Some(stage) = by.to {
                        entered = Some(enter(&mut item, stage, by.now));
                    }
                }
                Effect::OrderRun => order = Some(run_order(&item, by.actor, by.now)),
                Effect::StopRun => stop_runs = true,
            }
        }
        if left.is_some() || stop_runs {
            item.live_run = None;
        }
        if let Some(order) = &order {
            item.live_run = Some(order.run);
        }
        let transition = Transition {
            id: TransitionId::generate(),
            tenant: item.tenant,
            item: item.id,
            // A closed item is at no stage.
            from: (!before.state.is_closed()).then(|| before.stage.clone()),
            to: (!item.state.is_closed()).then(|| item.stage.clone()),
            from_state: Some(before.state),
            to_state: item.state,
            verb: event.verb(),
            actor: by.actor,
            note: by.note,
            in_stage: left.is_some().then(|| by.now.since(before.entered_stage_at)),
            time: by.now,
        };
        Ok(Self { item, transition, left, entered, order, stop_runs, facts: None })
    }

    /// The first move of a new item, at the first stage of its workflow. `item` carries what
    /// its maker said; place, state and times are set here.
    pub fn first(mut item: WorkItem, stage: &Stage, note: String) -> (Self, Visit) {
        let now = item.created_at;
        let visit = enter(&mut item, stage, now);
        let order = stage.kind.runs_agent().then(|| run_order(&item, item.creator, now));
        item.live_run = order.as_ref().map(|order| order.run);
        let transition = Transition {
            id: TransitionId::generate(),
            tenant: item.tenant,
            item: item.id,
            from: None,
            to: Some(item.stage.clone()),
            from_state: None,
            to_state: item.state,
            verb: "create",
            actor: item.creator,
            note,
            in_stage: None,
            time: now,
        };
        let change = Self {
            item,
            transition,
            left: None,
            entered: None,
            order,
            stop_runs: false,
            facts: None,
        };
        (change, visit)
    }
}

impl WorkItem {
    /// A new item of a workflow's newest revision, PENDING and not yet at a stage.
    pub fn new(workflow: &Workflow, first: &Stage, creator: UserId, now: Timestamp) -> Self {
        Self {
            id: WorkItemId::generate(),
            tenant: workflow.tenant,
            workflow: workflow.id,
            revision: workflow.revision,
            title: String::new(),
            description: String::new(),
            state: ItemState::Pending,
            stage: first.id.clone(),
            visit: VisitId::generate(),
            entered_stage_at: now,
            assignee: None,
            priority: super::Priority::default(),
            tags: Vec::new(),
            data: super::Data::new(),
            repository: None,
            creator,
            cause: None,
            claimed_at: None,
            closed_at: None,
            created_at: now,
            updated_at: now,
            version: 1,
            number: workflow.last_number + 1,
            external_id: None,
            due_at: None,
            block: None,
            blocked_by: Vec::new(),
            stage_due_at: None,
            authors: Vec::new(),
            votes: Vec::new(),
            is_blocker: false,
            live_run: None,
        }
    }
}

fn enter(item: &mut WorkItem, stage: &Stage, now: Timestamp) -> Visit {
    item.stage = stage.id.clone();
    item.visit = VisitId::generate();
    item.entered_stage_at = now;
    item.stage_due_at = (stage.sla_minutes > 0)
        .then(|| now + Duration::from_secs(u64::from(stage.sla_minutes) * 60));
    item.votes.clear();
    Visit {
        id: item.visit,
        tenant: item.tenant,
        item: item.id,
        workflow: item.workflow,
        stage: stage.id.clone(),
        entered_at: now,
    }
}

/// The run is accountable to who moved the item: the rights it needs are his.
fn run_order(item: &WorkItem, principal: UserId, now: Timestamp) -> RunOrder {
    RunOrder {
        run: RunId::generate(),
        tenant: item.tenant,
        principal,
        work_item: item.id,
        stage_id: item.stage.0.clone(),
        visit: item.visit,
        repository: item.repository,
        cause: item.cause,
        time: now,
    }
}

#[cfg(test)]
mod tests;

//! Why an item is where it is, and what it waits for: in words that programs can rely on.
//!
//! **Invariant:** what is said here is what the verbs would refuse with; nothing is changed.

use permissions::{Grant, ItemsEdit, WorkflowsView};
use primitives::{Classify as _, Timestamp, WorkItemId};

use super::item_rules::{may_claim, stage_of};
use super::items::NOT_FOUND;
use super::pauses::refuse_work;
use super::waiting::{full, listed};
use super::{ItemView, Items};
use crate::WorkflowError;
use crate::model::{Approval, Approvers, Assignment, ItemState, LockedItem, Stage, WorkItem};

/// One thing that an item waits for, or that can be done about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Because {
    /// UPPER_SNAKE, as in `DEPENDENCY_OPEN`; the list is in the contract.
    pub code: &'static str,
    /// For people.
    pub message: String,
    /// Items that it is about.
    pub items: Vec<WorkItemId>,
    /// The queue that it is about; empty for others.
    pub queue: String,
}

/// What is known about an item's standing.
#[derive(Clone, Debug)]
pub struct Explanation {
    pub item: ItemView,
    /// The most important one first; never empty.
    pub because: Vec<Because>,
    /// The caller could claim it now.
    pub may_claim: bool,
}

impl Items {
    /// Says why an item is where it is.
    #[tracing::instrument(
        name = "work_items.explain",
        skip_all,
        fields(work_item.id = %id, user.id = %grant.user()),
        err(level = "debug")
    )]
    pub async fn explain(
        &self,
        grant: &Grant<WorkflowsView>,
        id: WorkItemId,
    ) -> Result<Explanation, WorkflowError> {
        let scope = grant.scope();
        let row = grant.admit(self.store.get_item(&scope, id).await?.ok_or(NOT_FOUND)?)?;
        // The rights of the same caller: what he could do about it.
        let edits = self.authorizer.require::<ItemsEdit>(grant.caller()).ok();
        let edits = edits.filter(|edits| edits.caller().holds::<ItemsEdit>(row.item.tenant));
        let mut because = standing(&row, self.clock.now())?;
        let stage = stage_of(&row)?;
        let mut free = row.item.state == ItemState::Pending;
        if !row.item.state.is_closed() && !row.item.blocked_by.is_empty() {
            let mut tx = self.store.begin(&scope).await?;
            let open = tx.open_blockers(row.item.tenant, id).await?;
            if !open.is_empty() {
                free = false;
                let message = format!("it waits for {}", listed(&open));
                because.insert(0, Because { items: open, ..simple("DEPENDENCY_OPEN", message) });
            }
        }
        let is_limited = stage.wip_limit > 0 || stage.wip_limit_per_person > 0;
        if row.item.state == ItemState::Pending && is_limited {
            let mut tx = self.store.begin(&scope).await?;
            let held =
                tx.in_hand(row.item.tenant, row.item.workflow, &stage.id, grant.user()).await?;
            if let Some(message) = full(stage, held) {
                free = false;
                because.insert(0, simple("WIP_LIMIT_REACHED", message));
            }
        }
        if let Some(paused) = paused(&row) {
            free = false;
            because.insert(0, paused);
        }
        let claims = free && stage.approval.is_none();
        let may_claim = claims && edits.is_some_and(|edits| may_claim(&edits, &row, stage));
        let item = ItemView::of(row.into_inner());
        Ok(Explanation { item, because, may_claim })
    }
}

fn simple(code: &'static str, message: impl Into<String>) -> Because {
    Because { code, message: message.into(), items: Vec::new(), queue: String::new() }
}

/// What the item itself tells.
fn standing(row: &LockedItem, now: Timestamp) -> Result<Vec<Because>, WorkflowError> {
    let item = &row.item;
    let stage = stage_of(row)?;
    let mut because = Vec::new();
    match item.state {
        ItemState::Completed | ItemState::Failed | ItemState::Cancelled => {
            let message =
                format!("it is {}; whoever manages it can reopen it", item.state.as_str());
            return Ok(vec![simple("WORK_ITEM_CLOSED", message)]);
        }
        ItemState::Blocked => {
            let reason = item.block.as_ref().map_or("", |block| block.reason.as_str());
            because.push(simple("BLOCKED", format!("somebody blocked it: {reason}")));
        }
        ItemState::Claimed => {
            because.push(simple("CLAIMED", "its assignee has claimed it and not yet begun"));
        }
        ItemState::InProgress => {
            because.push(simple("IN_PROGRESS", "its assignee is at work on it"));
        }
        ItemState::Pending => because.push(pending(row, stage, now)),
    }
    if item.overdue_at().is_some_and(|due| due < now) {
        because.push(simple("OVERDUE", "it should have been done by now"));
    }
    Ok(because)
}

/// That nothing begins where it is, unless nothing could any more.
fn paused(row: &LockedItem) -> Option<Because> {
    if row.item.state.is_closed() {
        return None;
    }
    let refused = refuse_work(&row.pauses, &row.item.stage).err()?;
    Some(simple(refused.reason(), refused.to_string()))
}

fn pending(row: &LockedItem, stage: &Stage, now: Timestamp) -> Because {
    let item = &row.item;
    if item.live_run.is_some() {
        return simple("RUN_IN_PROGRESS", "the agent is at work at its stage, or will be next");
    }
    if let Some(approval) = &stage.approval {
        return decision(item, approval, now);
    }
    if stage.kind.is_agents() {
        let failed = item.data.contains_key("agent_recommendation_error");
        let (code, message) = if failed {
            ("RUN_FAILED", "the agent brought nothing: run it again, or complete the stage")
        } else {
            ("AWAITS_REVIEW", "the agent is done: somebody reviews, and completes the stage")
        };
        return simple(code, message);
    }
    match &stage.assignment {
        Assignment::Anyone => simple("UNCLAIMED", "anybody with workflows.edit may claim it"),
        Assignment::Role(role) => simple("AWAITS_ROLE", format!("it waits for a {role}")),
        Assignment::User(user) => simple("AWAITS_USER", format!("it waits for {user}")),
        Assignment::Queue { name, role } => {
            let whom = role.as_ref().map_or("anybody".to_owned(), |role| format!("a {role}"));
            let message = format!("it waits in the queue {name} for {whom}");
            Because { queue: name.clone(), ..simple("AWAITS_QUEUE", message) }
        }
        Assignment::RoundRobin(_) => {
            simple("AWAITS_TURN", "it waits for one of those who take turns at its stage")
        }
    }
}

/// Whose word it waits for.
fn decision(item: &WorkItem, approval: &Approval, now: Timestamp) -> Because {
    let hash = item.content_hash();
    let (votes, quorum) = (item.votes_for(&hash).count(), approval.quorum);
    match approval.deciders(item, now) {
        None => simple(
            "APPROVAL_EXPIRED",
            format!("it has {votes} of {quorum} approvals and can only be rejected now"),
        ),
        Some(people) => simple(
            "AWAITS_APPROVAL",
            format!("it has {votes} of {quorum} approvals; those who may: {}", named(people)),
        ),
    }
}

fn named(people: &Approvers) -> String {
    if people.is_empty() {
        return "anybody with workflows.edit who did not write it".into();
    }
    let users = people.users.iter().map(ToString::to_string);
    people.roles.iter().cloned().chain(users).collect::<Vec<_>>().join(", ")
}

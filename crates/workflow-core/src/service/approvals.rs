//! Decisions at APPROVAL stages.
//!
//! **Invariant:** a vote is weighed while the item's row is held, against what the item says
//! now: of many at once none counts twice, and none counts for what its voter has not read.

use events::Once;
use permissions::{Admitted, Caller, Grant, ItemsEdit};
use primitives::{Checked, InvalidArgs, Timestamp, WorkItemId};
use serde_json::{Value, json};

use super::item_rules::{expect_stage, next_stage, onward, open_at, stage_of};
use super::pauses::refuse_work;
use super::{DecideInput, ItemView, Items, replayed};
use crate::WorkflowError;
use crate::model::{
    Approval, Change, ItemEvent, LockedItem, Move, Onward, Stage, Vote, WorkItem, validate,
};
use crate::store::WorkflowTx;

impl Items {
    /// Says yes to what waits at an APPROVAL stage. The last vote that the quorum needs
    /// completes the stage.
    #[tracing::instrument(
        name = "work_items.approve",
        skip_all,
        fields(work_item.id = %id, user.id = %grant.user()),
        err(level = "debug")
    )]
    pub async fn approve(
        &self,
        grant: &Grant<ItemsEdit>,
        id: WorkItemId,
        input: Checked<DecideInput>,
        once: Option<&Once>,
    ) -> Result<ItemView, WorkflowError> {
        let (mut tx, row) = self.hold(grant, id).await?;
        if let Some(answer) = replayed(tx.as_mut(), once).await? {
            return Ok(answer);
        }
        let input = input?;
        let note = validate::note("note", &input.note)?;
        require_hash(&input.hash)?;
        open_at(&row.item, input.etag)?;
        expect_stage(&row.item, &input.stage)?;
        let (stage, approval) = approval_of(&row)?;
        let by = self.moved_by(grant, note);
        refuse_work(&row.pauses, &row.item.stage)?;
        let Some(deciders) = approval.deciders(&row.item, by.now) else {
            let message = "nobody has approved it in time: it can only be rejected";
            return Err(WorkflowError::wrong_state("APPROVAL_EXPIRED", message));
        };
        refuse_strangers(deciders.include(grant.caller(), row.item.tenant), grant.caller())?;
        refuse_authors(tx.as_mut(), &row, grant.caller()).await?;
        let hash = row.item.content_hash();
        if input.hash != hash {
            let message = "the item changed since it was read: read it again, and what it says";
            return Err(WorkflowError::wrong_state("APPROVAL_MISMATCH", message));
        }
        let mut votes: Vec<Vote> = row.item.votes_for(&hash).cloned().collect();
        if votes.iter().any(|vote| vote.user == grant.user()) {
            let message = "the caller has approved it already";
            return Err(WorkflowError::wrong_state("ALREADY_APPROVED", message));
        }
        votes.push(Vote { user: grant.user(), hash: hash.clone(), time: by.now });
        let facts = json!({ "hash": hash, "votes": votes.len(), "quorum": approval.quorum });
        let is_last = u32::try_from(votes.len()).is_ok_and(|votes| votes >= approval.quorum);
        let to = if is_last { next_stage(&row, stage, &row.item)? } else { None };
        let leads = if is_last { onward(to) } else { Onward::Stay };
        let mut change = Change::decide(&row, ItemEvent::Approve(leads), Move { to, ..by })?;
        if to.is_none() {
            change.item.votes = votes;
        }
        change.facts = Some(facts);
        self.finish(tx, grant, &row, change, "work_item.approved", once).await
    }

    /// Says no, and why: the item goes to the stage that is named for that, else back to where
    /// somebody worked on it last; where nobody has, it is CANCELLED.
    #[tracing::instrument(
        name = "work_items.reject",
        skip_all,
        fields(work_item.id = %id, user.id = %grant.user()),
        err(level = "debug")
    )]
    pub async fn reject(
        &self,
        grant: &Grant<ItemsEdit>,
        id: WorkItemId,
        input: Checked<DecideInput>,
        once: Option<&Once>,
    ) -> Result<ItemView, WorkflowError> {
        let (mut tx, row) = self.hold(grant, id).await?;
        if let Some(answer) = replayed(tx.as_mut(), once).await? {
            return Ok(answer);
        }
        let input = input?;
        let note = validate::reason("note", &input.note)?;
        open_at(&row.item, input.etag)?;
        expect_stage(&row.item, &input.stage)?;
        let (_, approval) = approval_of(&row)?;
        refuse_work(&row.pauses, &row.item.stage)?;
        let mut people = std::iter::once(&approval.approvers).chain(&approval.escalation);
        let may = people.any(|people| people.include(grant.caller(), row.item.tenant));
        refuse_strangers(may, grant.caller())?;
        refuse_authors(tx.as_mut(), &row, grant.caller()).await?;
        let hash = row.item.content_hash();
        if !input.hash.is_empty() && input.hash != hash {
            let message = "the item changed since it was read: read it again";
            return Err(WorkflowError::wrong_state("APPROVAL_MISMATCH", message));
        }
        let to = match &approval.reject_to {
            Some(target) => row.definition.stage(target),
            None => came_from(tx.as_mut(), &row).await?,
        };
        let by = Move { to, ..self.moved_by(grant, note) };
        let mut change = Change::decide(&row, ItemEvent::Reject(onward(to)), by)?;
        change.facts = Some(json!({ "hash": hash }));
        self.finish(tx, grant, &row, change, "work_item.rejected", once).await
    }
}

/// What the item's stage asks for, if it is one of approval.
fn approval_of(row: &LockedItem) -> Result<(&Stage, &Approval), WorkflowError> {
    let stage = stage_of(row)?;
    let none = || {
        let message = "nothing is to be approved at the item's stage";
        WorkflowError::wrong_state("ILLEGAL_TRANSITION", message)
    };
    Ok((stage, stage.approval.as_ref().ok_or_else(none)?))
}

fn require_hash(hash: &str) -> Checked<()> {
    if hash.is_empty() {
        let help = "is required: the `approval.content_hash` of the item that was read";
        return Err(InvalidArgs::new("content_hash", help));
    }
    Ok(())
}

/// People decide, not services; and of them those whom the stage names.
fn refuse_strangers(may: bool, caller: &Caller) -> Result<(), WorkflowError> {
    if may && caller.is_person() {
        return Ok(());
    }
    let message = "its stage asks for the word of others; ExplainWorkItem says whose";
    Err(WorkflowError::wrong_state("NOT_APPROVER", message))
}

/// Nobody decides about his own: what he wrote, and what an agent wrote that he started.
async fn refuse_authors(
    tx: &mut dyn WorkflowTx,
    row: &LockedItem,
    caller: &Caller,
) -> Result<(), WorkflowError> {
    let (item, user) = (&row.item, caller.user());
    let is_own = item.is_author(user) || tx.started_run(item.tenant, item.id, user).await?;
    if is_own {
        let message = "the caller wrote what is to be decided, or started the agent that did";
        return Err(WorkflowError::wrong_state("OWN_WORK", message));
    }
    Ok(())
}

/// Where somebody worked on the item last before it came here.
async fn came_from<'a>(
    tx: &mut dyn WorkflowTx,
    row: &'a Admitted<ItemsEdit, LockedItem>,
) -> Result<Option<&'a Stage>, WorkflowError> {
    let visited = tx.stages_visited(row.item.tenant, row.item.id).await?;
    let known = visited.iter().filter_map(|stage| row.definition.stage(stage));
    Ok(known.into_iter().find(|stage| !stage.kind.is_voted()))
}

/// What is known of an item that waits for approval.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ApprovalView {
    pub hash: String,
    pub quorum: u32,
    /// Those that count.
    pub votes: Vec<Vote>,
    pub expires_at: Option<Timestamp>,
}

impl ApprovalView {
    /// What `item` waits for at `stage`; `None` where nothing is to be decided.
    pub(super) fn of(item: &WorkItem, stage: &Stage) -> Option<Self> {
        let approval = stage.approval.as_ref().filter(|_| !item.state.is_closed())?;
        let hash = item.content_hash();
        Some(Self {
            votes: item.votes_for(&hash).cloned().collect(),
            quorum: approval.quorum,
            expires_at: approval.expires_at(item),
            hash,
        })
    }
}

/// Facts beside a move, for its audit record.
pub(super) fn joined(mut details: Value, facts: Option<Value>) -> Value {
    if let (Some(details), Some(Value::Object(facts))) = (details.as_object_mut(), facts) {
        details.extend(facts);
    }
    details
}

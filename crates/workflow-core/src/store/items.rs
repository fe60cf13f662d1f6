//! What the verbs of an item look up and save beside its moves.
//!
//! **Invariant:** every method is about an item, or a stage, that this transaction holds.

use async_trait::async_trait;
use permissions::Cleared;
use primitives::{Tenant, UserId, WorkItemId, WorkflowId};

use crate::StoreError;
use crate::model::{StageId, WorkItem};

/// Items in hand at a stage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InHand {
    /// Everybody's.
    pub all: u64,
    /// One person's.
    pub own: u64,
}

/// The part of a transaction that knows items only.
#[async_trait]
pub trait ItemTx: Send {
    /// Saves what an item says, if the version is unchanged ([`StoreError::Stale`]).
    async fn save_item(&mut self, item: &Cleared<WorkItem>) -> Result<(), StoreError>;

    /// The stages that a held item is or was at, each once, the one it came to last first.
    async fn stages_visited(
        &mut self,
        tenant: Tenant,
        item: WorkItemId,
    ) -> Result<Vec<StageId>, StoreError>;

    /// Whether `user` started a run of the agent for a held item.
    async fn started_run(
        &mut self,
        tenant: Tenant,
        item: WorkItemId,
        user: UserId,
    ) -> Result<bool, StoreError>;

    /// How many items are in hand (CLAIMED, IN_PROGRESS or BLOCKED with an assignee) at a
    /// stage, and how many of them in this person's. Whoever asks the same of the same stage
    /// waits until this transaction is over.
    async fn in_hand(
        &mut self,
        tenant: Tenant,
        workflow: WorkflowId,
        stage: &StageId,
        user: UserId,
    ) -> Result<InHand, StoreError>;

    /// Which of these items of a held one's owner are there.
    async fn existing(
        &mut self,
        tenant: Tenant,
        items: &[WorkItemId],
    ) -> Result<Vec<WorkItemId>, StoreError>;

    /// Writes down what a held item waits for, in the place of what it waited for before.
    /// `false`, with nothing written, when one of these waits for the item itself, directly or
    /// through others. Whoever writes down the same for the same owner waits for this.
    async fn set_blockers(
        &mut self,
        item: &Cleared<WorkItem>,
        blockers: &[WorkItemId],
    ) -> Result<bool, StoreError>;

    /// What a held item waits for that is still open.
    async fn open_blockers(
        &mut self,
        tenant: Tenant,
        item: WorkItemId,
    ) -> Result<Vec<WorkItemId>, StoreError>;

    /// Lets QUEUED runs wait exactly while their item waits for another: the run of `item`, and
    /// those of items that wait for it.
    async fn gate_runs(&mut self, tenant: Tenant, item: WorkItemId) -> Result<(), StoreError>;

    /// The items of a workflow that have one of these external ids, each with it.
    async fn items_by_external_ids(
        &mut self,
        tenant: Tenant,
        workflow: WorkflowId,
        external_ids: &[String],
    ) -> Result<Vec<(String, WorkItemId)>, StoreError>;
}

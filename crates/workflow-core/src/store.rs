//! What workflows need from storage.
//!
//! Every read starts from a [`Scope`]; every save takes a [`Cleared`] row.

mod batches;
mod comments;
mod definitions;
mod held;
mod items;
mod ledger;
mod queues;
mod turns;

pub use batches::{BatchTx, Gathered, HeldPage, NewItem};
pub use comments::{CommentStore, CommentTx};
pub use definitions::{Definitions, DefinitionsTx, STARS, Star};
pub use held::{HeldBy, HeldItem, HeldItems};
pub use items::{InHand, ItemTx};
pub use ledger::LedgerStore;
pub use queues::{Place, QueueStore};
pub use turns::{TurnTx, Turns};

use async_trait::async_trait;
use audit::AuditTrail;
use events::{EventRecord, Requests, RunOrder};
use permissions::{Cleared, Scope, Visible};
use primitives::{
    Page, PageRequest, RepositoryId, RunId, TemplateId, Tenant, UserId, WorkItemId, WorkflowId,
};

use crate::StoreError;
use crate::model::{
    Firing, ItemMove, ItemState, LockedItem, Recommendation, Transition, TriggerMatch, Visit,
    Wanted, WorkItem, Workflow, WorkflowFigures,
};

/// Narrows a list of workflows or templates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorkflowFilter {
    /// Only those of this tenant.
    pub tenant: Option<Tenant>,
    /// Only those with this category.
    pub category: Option<String>,
    /// Only those with a stage of the agent's.
    pub with_agent_stage: bool,
}

/// Narrows a list of items.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ItemFilter {
    pub workflow: Option<WorkflowId>,
    pub state: Option<ItemState>,
    pub assignee: Option<UserId>,
}

/// Reads, and the way into a transaction. Lists are newest first.
#[async_trait]
pub trait WorkflowStore:
    HeldItems + Definitions + CommentStore + LedgerStore + QueueStore + Send + Sync
{
    /// Opens a transaction that reaches what `scope` sees, in the database as in the types.
    /// Its first statement compares the scope's epoch with the stored one
    /// ([`StoreError::PolicyMoved`] when the stored one is newer).
    async fn begin(&self, scope: &Scope) -> Result<Box<dyn WorkflowTx>, StoreError>;

    /// Deleted ones included: their items, figures and firings stay readable.
    async fn get_workflow(
        &self,
        scope: &Scope,
        id: WorkflowId,
    ) -> Result<Option<Visible<Workflow>>, StoreError>;

    async fn get_template(
        &self,
        scope: &Scope,
        id: TemplateId,
    ) -> Result<Option<Visible<Workflow>>, StoreError>;

    /// `templates` selects templates instead of workflows. Deleted ones are left out.
    async fn list_workflows(
        &self,
        scope: &Scope,
        templates: bool,
        filter: &WorkflowFilter,
        page: PageRequest,
    ) -> Result<Page<Visible<Workflow>>, StoreError>;

    /// The item with its definition; nothing is locked.
    async fn get_item(
        &self,
        scope: &Scope,
        id: WorkItemId,
    ) -> Result<Option<Visible<LockedItem>>, StoreError>;

    async fn list_items(
        &self,
        scope: &Scope,
        filter: &ItemFilter,
        page: PageRequest,
    ) -> Result<Page<Visible<LockedItem>>, StoreError>;

    /// Moves of an item that the scope sees, oldest first.
    async fn list_transitions(
        &self,
        scope: &Scope,
        item: WorkItemId,
        page: PageRequest,
    ) -> Result<Page<Visible<Transition>>, StoreError>;

    async fn list_firings(
        &self,
        scope: &Scope,
        workflow: WorkflowId,
        page: PageRequest,
    ) -> Result<Page<Visible<Firing>>, StoreError>;

    /// Figures of a workflow that the scope sees, all of one moment; none of one it does not.
    async fn figures(
        &self,
        scope: &Scope,
        workflow: WorkflowId,
        wanted: &Wanted,
    ) -> Result<WorkflowFigures, StoreError>;

    /// Enabled triggers of live workflows that the event reaches: same tenant, and the
    /// personal workflows of its principal. At most `limit`, by trigger id.
    async fn triggers_for(
        &self,
        event: &EventRecord,
        limit: usize,
    ) -> Result<Vec<TriggerMatch>, StoreError>;
}

/// One transaction. Dropped without [`commit`](Self::commit), it rolls back.
#[async_trait]
pub trait WorkflowTx:
    ItemTx + BatchTx + TurnTx + DefinitionsTx + CommentTx + AuditTrail + Requests + Send
{
    /// Loads an item the scope can see, with its definition, and holds it until the end.
    async fn lock_item(
        &mut self,
        scope: &Scope,
        id: WorkItemId,
    ) -> Result<Option<Visible<LockedItem>>, StoreError>;

    /// Loads a workflow the scope can see (deleted ones included) and holds it until the end.
    async fn lock_workflow(
        &mut self,
        scope: &Scope,
        id: WorkflowId,
    ) -> Result<Option<Visible<Workflow>>, StoreError>;

    /// Inserts a workflow or template, its revision and its trigger rows.
    /// A taken `seed_key` inserts nothing and returns `false`.
    async fn insert_workflow(&mut self, workflow: &Cleared<Workflow>) -> Result<bool, StoreError>;

    /// Saves everything but the definition, if the version is unchanged ([`StoreError::Stale`]).
    async fn save_workflow(&mut self, workflow: &Cleared<Workflow>) -> Result<(), StoreError>;

    /// Inserts an item with its first transition and stay, and gives away its number: the next
    /// one of the workflow, which is held.
    async fn insert_item(
        &mut self,
        item: &Cleared<WorkItem>,
        first: &Transition,
        visit: &Visit,
    ) -> Result<(), StoreError> {
        self.insert_items(&[NewItem { item, first, visit }]).await
    }

    /// Saves a move, if the version is unchanged ([`StoreError::Stale`]).
    async fn save_move(&mut self, step: &ItemMove) -> Result<(), StoreError>;

    /// Saves an item's data and version only, if the version is unchanged.
    async fn save_data(&mut self, item: &Cleared<WorkItem>) -> Result<(), StoreError>;

    /// Inserts a QUEUED assist run: the one row a workflow writes for the agent.
    async fn order_run(&mut self, order: &RunOrder) -> Result<(), StoreError> {
        self.order_runs(std::slice::from_ref(order)).await
    }

    /// Cancels QUEUED and RUNNING runs of the item; returns them.
    async fn stop_runs(&mut self, item: WorkItemId) -> Result<Vec<RunId>, StoreError>;

    /// Inserts a recommendation; `false` when its run has one already.
    async fn insert_recommendation(
        &mut self,
        row: &Cleared<Recommendation>,
    ) -> Result<bool, StoreError>;

    /// The newest recommendation of a held item.
    async fn newest_recommendation(
        &mut self,
        item: WorkItemId,
    ) -> Result<Option<Recommendation>, StoreError>;

    /// Saves the verdict of a recommendation.
    async fn save_verdict(&mut self, row: &Cleared<Recommendation>) -> Result<(), StoreError>;

    /// Records a firing; `false` when this event met this trigger before.
    async fn insert_firing(&mut self, firing: &Firing) -> Result<bool, StoreError>;

    /// Whether ids named in a request exist in the scope: the repository, and an active user.
    async fn resolve(
        &mut self,
        scope: &Scope,
        repository: Option<RepositoryId>,
        users: &[UserId],
    ) -> Result<Resolved, StoreError>;

    async fn commit(self: Box<Self>) -> Result<(), StoreError>;
}

/// Which of the ids asked for exist in the scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resolved {
    pub repository: bool,
    pub users: bool,
}

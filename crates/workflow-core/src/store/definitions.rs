//! What storage does for definitions that change: revisions, stars, pauses.

use async_trait::async_trait;
use permissions::{Cleared, Scope, Visible};
use primitives::{Page, PageRequest, Tenant, Timestamp, UserId, WorkflowId};

use crate::StoreError;
use crate::model::{Revision, Workflow};

/// Stars that one person has at most.
pub const STARS: usize = 5;

/// A mark of one person on one workflow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Star {
    pub workflow: WorkflowId,
    /// From 1 to [`STARS`]; no two stars of a person have the same.
    pub place: u8,
    pub time: Timestamp,
    /// The scope sees the workflow, and it is in use. Read with the star, never saved.
    pub is_visible: bool,
}

/// Reads of revisions and stars.
#[async_trait]
pub trait Definitions: Send + Sync {
    /// A revision of a workflow or template that the scope sees, with what it changed about
    /// the one before.
    async fn get_revision(
        &self,
        scope: &Scope,
        workflow: WorkflowId,
        number: i64,
    ) -> Result<Option<Visible<Revision>>, StoreError>;

    /// Newest first. A place in the list is the number of the last revision shown.
    async fn list_revisions(
        &self,
        scope: &Scope,
        workflow: WorkflowId,
        page: PageRequest,
    ) -> Result<Page<Visible<Revision>>, StoreError>;

    /// Live workflows that the scope sees and its user has marked, the newest mark first.
    async fn list_starred(&self, scope: &Scope) -> Result<Vec<Visible<Workflow>>, StoreError>;
}

/// Changes of definitions.
#[async_trait]
pub trait DefinitionsTx: Send {
    /// Saves a workflow or template with its definition as a new revision, published by `by`,
    /// and lets its triggers take the place of those before; if the version is unchanged
    /// ([`StoreError::Stale`]).
    async fn publish_revision(
        &mut self,
        workflow: &Cleared<Workflow>,
        by: UserId,
    ) -> Result<(), StoreError>;

    /// The marks of the scope's user, by place.
    async fn stars(&mut self, scope: &Scope) -> Result<Vec<Star>, StoreError>;

    /// Inserts a mark of the scope's user; a taken place, or a second mark on the same
    /// workflow, is [`StoreError::Stale`].
    async fn insert_star(&mut self, scope: &Scope, star: &Star) -> Result<(), StoreError>;

    /// Removes the mark of the scope's user, if there is one.
    async fn remove_star(&mut self, scope: &Scope, workflow: WorkflowId) -> Result<(), StoreError>;

    /// Whether an item was ever made in a held workflow.
    async fn has_items(&mut self, tenant: Tenant, workflow: WorkflowId)
    -> Result<bool, StoreError>;

    /// Gives a held workflow of `from` to the owner that it has here, with its revisions,
    /// triggers and firings; if the version is unchanged ([`StoreError::Stale`]).
    async fn move_workflow(
        &mut self,
        from: Tenant,
        workflow: &Cleared<Workflow>,
    ) -> Result<(), StoreError>;

    /// Gives QUEUED assist runs of a workflow's items their whole time from now on.
    async fn restart_waiting_runs(
        &mut self,
        tenant: Tenant,
        workflow: WorkflowId,
    ) -> Result<(), StoreError>;
}

//! Items in the order in which people take them up.

use std::sync::Arc;

use async_trait::async_trait;
use permissions::{Scope, Visible};
use primitives::{Page, PageRequest, Timestamp, WorkflowId};

use crate::StoreError;
use crate::model::{Definition, LockedItem, StageId};

/// A stage of one revision of a workflow.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub revision: i64,
    pub stage: StageId,
}

/// Reads what waits.
#[async_trait]
pub trait QueueStore: Send + Sync {
    /// Places at which items of a workflow that the scope sees are PENDING, in order, each with
    /// the definition of its revision.
    async fn waiting_places(
        &self,
        scope: &Scope,
        workflow: WorkflowId,
    ) -> Result<Vec<(Place, Arc<Definition>)>, StoreError>;

    /// PENDING items at these places that wait for no open one: higher priorities first, then
    /// oldest first.
    async fn list_queue(
        &self,
        scope: &Scope,
        workflow: WorkflowId,
        places: &[Place],
        page: PageRequest,
    ) -> Result<Page<Visible<LockedItem>>, StoreError>;

    /// CLAIMED, IN_PROGRESS and BLOCKED items of the scope's user: higher priorities first, then
    /// those due first, those never due last.
    async fn list_held(
        &self,
        scope: &Scope,
        page: PageRequest,
    ) -> Result<Page<Visible<LockedItem>>, StoreError>;

    /// Open items that were due before `now`, most overdue first.
    async fn list_overdue(
        &self,
        scope: &Scope,
        now: Timestamp,
        page: PageRequest,
    ) -> Result<Page<Visible<LockedItem>>, StoreError>;
}

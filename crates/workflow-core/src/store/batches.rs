//! What is done to many items of one workflow at once.

use std::sync::Arc;

use async_trait::async_trait;
use events::RunOrder;
use permissions::{Cleared, Scope, Visible};
use primitives::{PageRequest, WorkItemId, WorkflowId};

use super::Place;
use crate::StoreError;
use crate::model::{Definition, LockedItem, Transition, Visit, WorkItem};

/// An item to insert, with its first transition and stay.
#[derive(Clone, Copy, Debug)]
pub struct NewItem<'a> {
    pub item: &'a Cleared<WorkItem>,
    pub first: &'a Transition,
    pub visit: &'a Visit,
}

/// Open items at one stage of one revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gathered {
    pub place: Place,
    /// Whether they have a live run.
    pub has_run: bool,
    pub items: u64,
}

/// Items that a transaction holds, of a page of a list.
#[derive(Debug, Default)]
pub struct HeldPage {
    /// By id.
    pub items: Vec<Visible<LockedItem>>,
    /// Of the same page, what somebody else holds, or has changed meanwhile.
    pub in_use: Vec<WorkItemId>,
    /// The last one of the page, unless it is the last page.
    pub next: Option<WorkItemId>,
}

/// The part of a transaction that takes many items of a held workflow.
#[async_trait]
pub trait BatchTx: Send {
    /// Inserts items of one workflow, which is held, and gives away their numbers: the next ones
    /// of the workflow, in this order. Nothing for none.
    async fn insert_items(&mut self, items: &[NewItem<'_>]) -> Result<(), StoreError>;

    /// Inserts QUEUED assist runs: the rows a workflow writes for the agent. Nothing for none.
    async fn order_runs(&mut self, orders: &[RunOrder]) -> Result<(), StoreError>;

    /// How many open items of a held workflow are where, on revisions before this one; each
    /// place with its revision's definition.
    async fn items_behind(
        &mut self,
        scope: &Scope,
        workflow: WorkflowId,
        revision: i64,
    ) -> Result<Vec<(Gathered, Arc<Definition>)>, StoreError>;

    /// Holds a page of these items, by id. It never waits for an item, so that whoever holds
    /// one may wait for another of them.
    async fn hold_items_behind(
        &mut self,
        scope: &Scope,
        workflow: WorkflowId,
        revision: i64,
        page: PageRequest,
    ) -> Result<HeldPage, StoreError>;
}

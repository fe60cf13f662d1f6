//! What is done to many items of one workflow at once.

use async_trait::async_trait;
use events::RunOrder;
use permissions::Cleared;

use crate::StoreError;
use crate::model::{Transition, Visit, WorkItem};

/// An item to insert, with its first transition and stay.
#[derive(Clone, Copy, Debug)]
pub struct NewItem<'a> {
    pub item: &'a Cleared<WorkItem>,
    pub first: &'a Transition,
    pub visit: &'a Visit,
}

/// The part of a transaction that takes many items of a held workflow.
#[async_trait]
pub trait BatchTx: Send {
    /// Inserts items of one workflow, which is held, and gives away their numbers: the next ones
    /// of the workflow, in this order. Nothing for none.
    async fn insert_items(&mut self, items: &[NewItem<'_>]) -> Result<(), StoreError>;

    /// Inserts QUEUED assist runs: the rows a workflow writes for the agent. Nothing for none.
    async fn order_runs(&mut self, orders: &[RunOrder]) -> Result<(), StoreError>;
}

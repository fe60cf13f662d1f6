//! The ledger of a workflow.

use async_trait::async_trait;
use permissions::Scope;
use primitives::WorkflowId;

use crate::StoreError;
use crate::model::Ledger;

/// Counts what is recorded of a workflow against itself.
#[async_trait]
pub trait LedgerStore: Send + Sync {
    /// The ledger of a workflow that the scope sees, all of one moment; empty for one it does
    /// not. At most `most` items are named for each rule.
    async fn ledger(
        &self,
        scope: &Scope,
        workflow: WorkflowId,
        most: u32,
    ) -> Result<Ledger, StoreError>;
}

//! Where records go.

use async_trait::async_trait;

use crate::AuditEvent;

/// The record cannot be written; whatever it belongs to must not commit.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The database is not reachable or overloaded.
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
    /// The database failed.
    #[error("the audit record cannot be written: {0}")]
    Store(String),
}

/// Part of a transaction: records commit with the change they describe, or not at all.
#[async_trait]
pub trait AuditTrail: Send {
    /// Adds records to the open transaction.
    async fn record(&mut self, events: Vec<AuditEvent>) -> Result<(), AuditError>;
}

/// Takes records that must neither delay nor change an answer: refusals and agent reads.
/// Bounded; what does not fit is counted as lost.
pub trait RefusalSink: Send + Sync {
    /// Queues one record.
    fn note(&self, event: AuditEvent);

    /// Records lost since the start.
    fn lost(&self) -> u64;
}

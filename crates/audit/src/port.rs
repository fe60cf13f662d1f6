//! Where records go.

use async_trait::async_trait;
use permissions::Scope;
use primitives::{AuditEventId, Page, PageRequest, Tenant, Timestamp, UserId};
use serde_json::Value;

use crate::{AuditEvent, Outcome};

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

/// Whose records are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditPlace {
    /// What is filed under this tenant.
    Tenant(Tenant),
    /// What is filed under this person, and what he did anywhere.
    Own(UserId),
}

/// Narrows a list of records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditFilter {
    /// Whose records.
    pub place: AuditPlace,
    /// Only actions that begin with this text; it is data, never a pattern.
    pub action_prefix: Option<String>,
    /// Only records about exactly this resource name.
    pub resource: Option<String>,
}

/// One record as it is shown.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredEvent {
    /// Identifies the record.
    pub id: AuditEventId,
    /// When.
    pub time: Timestamp,
    /// The accountable human or service account.
    pub actor: UserId,
    /// Under whose name it is filed.
    pub tenant: Tenant,
    /// Dotted action.
    pub action: String,
    /// Name of the object; empty when there is none.
    pub resource: String,
    /// How it ended.
    pub outcome: Outcome,
    /// Correlates with logs.
    pub request_id: String,
    /// `None` once the payload has been erased.
    pub payload: Option<Value>,
}

/// Records cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum AuditReadError {
    /// The reader's rights belong to an older policy epoch: ask for the grant again.
    #[error("the policy moved to epoch {0}")]
    PolicyMoved(i64),
    /// The database is not reachable or overloaded.
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
    /// A bug or a broken database.
    #[error("the database failed: {0}")]
    Internal(String),
}

/// Reads what was recorded.
#[async_trait]
pub trait AuditReader: Send + Sync {
    /// Records of the place, newest first, by time and then by id. `scope` is the reader's;
    /// that he may read the place has been checked.
    async fn list_events(
        &self,
        scope: &Scope,
        filter: &AuditFilter,
        page: PageRequest,
    ) -> Result<Page<StoredEvent>, AuditReadError>;
}

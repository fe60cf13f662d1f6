//! Why an operation on workflows fails.

use std::collections::BTreeMap;

use permissions::Denied;
use primitives::{Classify, ErrorKind, FieldError, InvalidArgs};

use crate::model::IllegalTransition;

/// Storage could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The caller's rights belong to an older policy epoch: ask for the grant again.
    #[error("the policy moved to epoch {0}")]
    PolicyMoved(i64),
    /// Somebody else changed the row first.
    #[error("the row changed meanwhile")]
    Stale,
    /// The database is not reachable or overloaded.
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
    /// A bug or a broken database.
    #[error("the database failed: {0}")]
    Internal(String),
}

impl From<audit::port::AuditError> for StoreError {
    fn from(error: audit::port::AuditError) -> Self {
        match error {
            audit::port::AuditError::Unavailable(cause) => Self::Unavailable(cause),
            audit::port::AuditError::Store(cause) => Self::Internal(cause),
        }
    }
}

/// Why an operation on workflows failed.
#[derive(Debug, thiserror::Error)]
pub enum WorkflowError {
    /// Absent and invisible look the same; `type` is the upper-snake resource type.
    #[error("{} not found", .0.to_lowercase().replace('_', " "))]
    NotFound(&'static str),
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error(transparent)]
    InvalidArgs(#[from] InvalidArgs),
    #[error(transparent)]
    IllegalTransition(#[from] IllegalTransition),
    /// The state does not allow it; `reason` is from the catalogue.
    #[error("{message}")]
    WrongState { reason: &'static str, message: String },
    /// The `etag` given is not the current one.
    #[error("the resource changed since it was read; read it again and retry")]
    EtagMismatch,
    #[error("this request_id was used before with another request; use a fresh one")]
    RequestIdReused,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl WorkflowError {
    /// A state refusal.
    pub fn wrong_state(reason: &'static str, message: impl Into<String>) -> Self {
        Self::WrongState { reason, message: message.into() }
    }
}

impl WorkflowError {
    /// A broken invariant: a bug, or a row nobody should have written.
    pub(crate) fn internal(cause: impl Into<String>) -> Self {
        Self::Store(StoreError::Internal(cause.into()))
    }
}

impl From<audit::port::AuditError> for WorkflowError {
    fn from(error: audit::port::AuditError) -> Self {
        Self::Store(error.into())
    }
}

impl From<events::EventError> for WorkflowError {
    fn from(error: events::EventError) -> Self {
        match error {
            events::EventError::RequestIdReused => Self::RequestIdReused,
            events::EventError::Raced => Self::Store(StoreError::Stale),
            events::EventError::Unavailable(cause) => Self::Store(StoreError::Unavailable(cause)),
            events::EventError::Store(cause) => Self::Store(StoreError::Internal(cause)),
        }
    }
}

impl Classify for WorkflowError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NotFound(_) => ErrorKind::NotFound,
            Self::Denied(denied) => denied.kind(),
            Self::InvalidArgs(_) | Self::RequestIdReused => ErrorKind::InvalidInput,
            Self::IllegalTransition(_) | Self::WrongState { .. } => ErrorKind::WrongState,
            Self::EtagMismatch | Self::Store(StoreError::Stale) => ErrorKind::Conflict,
            Self::Store(StoreError::PolicyMoved(_)) => ErrorKind::PolicyMoved,
            Self::Store(StoreError::Unavailable(_)) => ErrorKind::Unavailable,
            Self::Store(StoreError::Internal(_)) => ErrorKind::Internal,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::NotFound("WORKFLOW") => "WORKFLOW_NOT_FOUND",
            Self::NotFound("WORKFLOW_REVISION") => "WORKFLOW_REVISION_NOT_FOUND",
            Self::NotFound("TEMPLATE") => "TEMPLATE_NOT_FOUND",
            Self::NotFound("WORK_ITEM") => "WORK_ITEM_NOT_FOUND",
            Self::NotFound("RECOMMENDATION") => "RECOMMENDATION_NOT_FOUND",
            Self::NotFound("COMMENT") => "COMMENT_NOT_FOUND",
            Self::NotFound("REPOSITORY") => "REPOSITORY_NOT_FOUND",
            Self::NotFound("TEAM") => "TEAM_NOT_FOUND",
            Self::NotFound("USER") => "USER_NOT_FOUND",
            Self::NotFound(_) => "NOT_FOUND",
            Self::Denied(denied) => denied.reason(),
            Self::InvalidArgs(args) => args.reason(),
            Self::IllegalTransition(_) => "ILLEGAL_TRANSITION",
            Self::WrongState { reason, .. } => reason,
            Self::EtagMismatch => "ETAG_MISMATCH",
            Self::RequestIdReused => "REQUEST_ID_REUSED",
            Self::Store(StoreError::Stale) => "CONCURRENT_CHANGE",
            Self::Store(StoreError::PolicyMoved(_)) => "POLICY_MOVED",
            Self::Store(StoreError::Unavailable(_)) => "DATABASE_UNAVAILABLE",
            Self::Store(StoreError::Internal(_)) => "INTERNAL",
        }
    }

    fn fields(&self) -> Vec<FieldError> {
        match self {
            Self::InvalidArgs(args) => args.fields(),
            Self::RequestIdReused => vec![FieldError {
                field: "request_id".into(),
                description: "was used before with another request".into(),
            }],
            _ => Vec::new(),
        }
    }

    fn metadata(&self) -> BTreeMap<&'static str, String> {
        match self {
            Self::Denied(denied) => denied.metadata(),
            Self::IllegalTransition(illegal) => {
                [("state", illegal.state.to_owned()), ("verb", illegal.verb.to_owned())].into()
            }
            _ => BTreeMap::new(),
        }
    }
}

//! Why an operation of the agent fails.

use std::collections::BTreeMap;

use permissions::Denied;
use primitives::{Classify, ErrorKind, FieldError, InvalidArgs};

use crate::port::workspace::WorkspaceError;
use crate::prompt::PlanningError;

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

/// Why an operation of the agent failed.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// Absent and invisible look the same; the upper-snake resource type.
    #[error("{} not found", .0.to_lowercase().replace('_', " "))]
    NotFound(&'static str),
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error(transparent)]
    InvalidArgs(#[from] InvalidArgs),
    /// The state does not allow it; `reason` is from the catalogue.
    #[error("{message}")]
    WrongState { reason: &'static str, message: String },
    /// The model endpoint failed or its answer was unusable twice.
    #[error(transparent)]
    Planning(#[from] PlanningError),
    #[error("the resource changed since it was read; read it again and retry")]
    EtagMismatch,
    #[error("this request_id was used before with another request; use a fresh one")]
    RequestIdReused,
    /// The run belongs to another worker now.
    #[error("the lease of the run was lost")]
    FenceLost,
    #[error(transparent)]
    Workspace(#[from] WorkspaceError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl AgentError {
    /// A state refusal.
    pub fn wrong_state(reason: &'static str, message: impl Into<String>) -> Self {
        Self::WrongState { reason, message: message.into() }
    }
}

impl From<audit::port::AuditError> for AgentError {
    fn from(error: audit::port::AuditError) -> Self {
        Self::Store(error.into())
    }
}

impl From<events::EventError> for AgentError {
    fn from(error: events::EventError) -> Self {
        match error {
            events::EventError::RequestIdReused => Self::RequestIdReused,
            events::EventError::Raced => Self::Store(StoreError::Stale),
            events::EventError::Unavailable(cause) => Self::Store(StoreError::Unavailable(cause)),
            events::EventError::Store(cause) => Self::Store(StoreError::Internal(cause)),
        }
    }
}

impl Classify for AgentError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NotFound(_) => ErrorKind::NotFound,
            Self::Denied(denied) => denied.kind(),
            Self::InvalidArgs(_) | Self::RequestIdReused => ErrorKind::InvalidInput,
            Self::WrongState { .. } => ErrorKind::WrongState,
            Self::Planning(error) => error.kind(),
            Self::EtagMismatch | Self::FenceLost | Self::Store(StoreError::Stale) => {
                ErrorKind::Conflict
            }
            Self::Workspace(error) => error.kind(),
            Self::Store(StoreError::PolicyMoved(_)) => ErrorKind::PolicyMoved,
            Self::Store(StoreError::Unavailable(_)) => ErrorKind::Unavailable,
            Self::Store(StoreError::Internal(_)) => ErrorKind::Internal,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::NotFound("REPOSITORY") => "REPOSITORY_NOT_FOUND",
            Self::NotFound("SESSION") => "SESSION_NOT_FOUND",
            Self::NotFound("PLAN") => "PLAN_NOT_FOUND",
            Self::NotFound("RUN") => "RUN_NOT_FOUND",
            Self::NotFound("PATCH") => "PATCH_NOT_FOUND",
            Self::NotFound("WORK_ITEM") => "WORK_ITEM_NOT_FOUND",
            Self::NotFound("TEAM") => "TEAM_NOT_FOUND",
            Self::NotFound(_) => "NOT_FOUND",
            Self::Denied(denied) => denied.reason(),
            Self::InvalidArgs(args) => args.reason(),
            Self::WrongState { reason, .. } => reason,
            Self::Planning(error) => error.reason(),
            Self::EtagMismatch => "ETAG_MISMATCH",
            Self::RequestIdReused => "REQUEST_ID_REUSED",
            Self::FenceLost => "FENCE_LOST",
            Self::Workspace(error) => error.reason(),
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
            Self::Workspace(WorkspaceError::PathRefused { path, rule }) => {
                [("path", path.clone()), ("rule", (*rule).to_owned())].into()
            }
            _ => BTreeMap::new(),
        }
    }
}

impl Classify for WorkspaceError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::DoesNotApply(_)
            | Self::PathRefused { .. }
            | Self::TooLarge(_)
            | Self::NoChange => ErrorKind::InvalidInput,
            Self::Unusable(_) | Self::NoSuchRevision(_) => ErrorKind::WrongState,
            Self::Conflict(_) => ErrorKind::WrongState,
            Self::Internal(_) => ErrorKind::Internal,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Unusable(_) => "REPOSITORY_UNUSABLE",
            Self::NoSuchRevision(_) => "REVISION_NOT_FOUND",
            Self::DoesNotApply(_) => "PATCH_DOES_NOT_APPLY",
            Self::PathRefused { .. } => "PATCH_PATH_REFUSED",
            Self::TooLarge(_) => "PATCH_TOO_LARGE",
            Self::NoChange => "PATCH_EMPTY",
            Self::Conflict(_) => "BRANCH_MOVED",
            Self::Internal(_) => "INTERNAL",
        }
    }
}

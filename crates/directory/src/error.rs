//! Why an operation on people, teams or roles fails.

use std::collections::BTreeMap;

use audit::port::AuditError;
use events::EventError;
use permissions::Denied;
use primitives::{Classify, ErrorKind, FieldError, InvalidArgs};

use crate::store::StoreError;

/// Why an operation on people, teams or roles failed.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
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
    /// The `etag` given is not the current one.
    #[error("the resource changed since it was read; read it again and retry")]
    EtagMismatch,
    #[error("this request_id was used before with another request; use a fresh one")]
    RequestIdReused,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl DirectoryError {
    /// A state refusal.
    pub fn wrong_state(reason: &'static str, message: impl Into<String>) -> Self {
        Self::WrongState { reason, message: message.into() }
    }
}

impl From<AuditError> for StoreError {
    fn from(error: AuditError) -> Self {
        match error {
            AuditError::Unavailable(cause) => Self::Unavailable(cause),
            AuditError::Store(cause) => Self::Internal(cause),
        }
    }
}

impl From<AuditError> for DirectoryError {
    fn from(error: AuditError) -> Self {
        Self::Store(error.into())
    }
}

impl From<EventError> for DirectoryError {
    fn from(error: EventError) -> Self {
        match error {
            EventError::RequestIdReused => Self::RequestIdReused,
            EventError::Raced => StoreError::Stale.into(),
            EventError::Unavailable(cause) => StoreError::Unavailable(cause).into(),
            EventError::Store(cause) => StoreError::Internal(cause).into(),
        }
    }
}

impl Classify for DirectoryError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NotFound(_) => ErrorKind::NotFound,
            Self::Denied(denied) => denied.kind(),
            Self::InvalidArgs(_) | Self::RequestIdReused => ErrorKind::InvalidInput,
            Self::WrongState { .. } => ErrorKind::WrongState,
            Self::EtagMismatch | Self::Store(StoreError::Stale) => ErrorKind::Conflict,
            Self::Store(StoreError::PolicyMoved(_)) => ErrorKind::PolicyMoved,
            Self::Store(StoreError::Unavailable(_)) => ErrorKind::Unavailable,
            Self::Store(StoreError::Internal(_)) => ErrorKind::Internal,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::NotFound("USER") => "USER_NOT_FOUND",
            Self::NotFound("TEAM") => "TEAM_NOT_FOUND",
            Self::NotFound("ROLE") => "ROLE_NOT_FOUND",
            Self::NotFound("ROLE_ASSIGNMENT") => "ROLE_ASSIGNMENT_NOT_FOUND",
            Self::NotFound(_) => "NOT_FOUND",
            Self::Denied(denied) => denied.reason(),
            Self::InvalidArgs(args) => args.reason(),
            Self::WrongState { reason, .. } => reason,
            Self::EtagMismatch => "ETAG_MISMATCH",
            Self::RequestIdReused => "REQUEST_ID_REUSED",
            Self::Store(StoreError::PolicyMoved(_)) => "POLICY_MOVED",
            Self::Store(StoreError::Stale) => "CONCURRENT_CHANGE",
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
            _ => BTreeMap::new(),
        }
    }
}

//! Refusals that the gateway makes itself, and ports it calls without a service between.

use std::collections::BTreeMap;

use audit::port::AuditReadError;
use permissions::Denied;
use primitives::{Classify, ErrorKind, FieldError, InvalidArgs};

/// Why a call failed before or beside a domain service.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EdgeError {
    #[error(transparent)]
    InvalidArgs(#[from] InvalidArgs),
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The upper-snake resource type; absent and invisible look the same.
    #[error("{} not found", .0.to_lowercase().replace('_', " "))]
    NotFound(&'static str),
    #[error(transparent)]
    Directory(#[from] directory::store::StoreError),
    #[error(transparent)]
    Audit(#[from] AuditReadError),
    /// A bug.
    #[error("{0}")]
    Internal(String),
}

impl Classify for EdgeError {
    fn kind(&self) -> ErrorKind {
        use directory::store::StoreError;
        match self {
            Self::InvalidArgs(_) => ErrorKind::InvalidInput,
            Self::Denied(denied) => denied.kind(),
            Self::NotFound(_) => ErrorKind::NotFound,
            Self::Directory(StoreError::PolicyMoved(_))
            | Self::Audit(AuditReadError::PolicyMoved(_)) => ErrorKind::PolicyMoved,
            Self::Directory(StoreError::Stale) => ErrorKind::Conflict,
            Self::Directory(StoreError::Unavailable(_))
            | Self::Audit(AuditReadError::Unavailable(_)) => ErrorKind::Unavailable,
            Self::Directory(StoreError::Internal(_))
            | Self::Audit(AuditReadError::Internal(_))
            | Self::Internal(_) => ErrorKind::Internal,
        }
    }

    fn reason(&self) -> &'static str {
        match (self, self.kind()) {
            (Self::InvalidArgs(args), _) => args.reason(),
            (Self::Denied(denied), _) => denied.reason(),
            (Self::NotFound("TEAM"), _) => "TEAM_NOT_FOUND",
            (Self::NotFound(_), _) => "NOT_FOUND",
            (_, ErrorKind::PolicyMoved) => "POLICY_MOVED",
            (_, ErrorKind::Unavailable) => "DATABASE_UNAVAILABLE",
            (_, ErrorKind::Conflict) => "CONCURRENT_CHANGE",
            _ => "INTERNAL",
        }
    }

    fn fields(&self) -> Vec<FieldError> {
        match self {
            Self::InvalidArgs(args) => args.fields(),
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

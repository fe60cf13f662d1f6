//! Where the changing part of the policy comes from: people and role assignments.

use async_trait::async_trait;
use primitives::{TeamId, Timestamp, UserId};

/// One person or service account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserRecord {
    /// Who it is.
    pub user: UserId,
    /// The token subject that stands for it.
    pub subject: String,
    /// Inactive users are unknown to authentication.
    pub active: bool,
    /// Whether the base role includes `code.edit` on what is personal.
    pub may_apply: bool,
}

/// Where a role is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AssignmentScope {
    /// In one team.
    Team(TeamId),
    /// System-wide: support and founder.
    System,
}

/// One role held by one user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// Who holds it.
    pub user: UserId,
    /// Where.
    pub scope: AssignmentScope,
    /// Role name without prefix, as in `developer`.
    pub role: String,
    /// Ends on its own, if set.
    pub expires_at: Option<Timestamp>,
}

/// Everything the authorizer needs, read in one transaction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicyData {
    /// Grows with every change of people, memberships or roles.
    pub epoch: i64,
    /// All users.
    pub users: Vec<UserRecord>,
    /// All assignments.
    pub assignments: Vec<Assignment>,
}

/// The policy could not be read; the old one stays in force.
#[derive(Debug, thiserror::Error)]
#[error("the policy cannot be read: {0}")]
pub struct SourceError(pub String);

/// Reads the policy. Implemented by `storage`.
#[async_trait]
pub trait PolicySource: Send + Sync {
    /// The whole policy at one point in time.
    async fn load_policy(&self) -> Result<PolicyData, SourceError>;
}

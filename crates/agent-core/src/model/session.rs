//! A person's agent context.

use permissions::Tenanted;
use primitives::{PlanId, RepositoryId, SessionId, Tenant, Timestamp, UserId, WorkItemId};
use serde::{Deserialize, Serialize};

/// Whether a session still takes work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SessionState {
    Active,
    Closed,
}

impl SessionState {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Closed => "CLOSED",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Active, Self::Closed].into_iter().find(|s| s.as_str() == text)
    }
}

/// Strictly one person's: its tenant is always its owner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    pub id: SessionId,
    pub owner: UserId,
    pub repository: RepositoryId,
    /// Resolved in the caller's scope at each use.
    pub work_item: Option<WorkItemId>,
    pub current_plan: Option<PlanId>,
    pub state: SessionState,
    pub created_at: Timestamp,
    pub last_activity_at: Timestamp,
    pub closed_at: Option<Timestamp>,
    pub version: i64,
}

impl Tenanted for Session {
    fn tenant(&self) -> Tenant {
        Tenant::Person(self.owner)
    }
}

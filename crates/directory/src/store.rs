//! What the directory needs from storage.

use async_trait::async_trait;
use permissions::{AssignmentScope, Caller};
use primitives::{RepositoryId, TeamId, Tenant, Timestamp, UserId};

use crate::{NewAssignment, Person, SeedTeam, SeedUser};

/// Storage could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The caller's rights belong to an older policy epoch: ask again.
    #[error("the policy moved to epoch {0}")]
    PolicyMoved(i64),
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
    #[error("the database failed: {0}")]
    Internal(String),
}

/// Reads for the people themselves.
#[async_trait]
pub trait DirectoryStore: Send + Sync {
    /// The caller and his teams.
    async fn person(&self, caller: &Caller) -> Result<Option<Person>, StoreError>;
}

/// Changes of people, roles and policies. Each raises the policy epoch in its own
/// transaction, so that it holds from the next call on, on every replica.
#[async_trait]
pub trait PolicyAdmin: Send + Sync {
    /// The user with this subject, made if missing.
    async fn ensure_user(&self, user: &SeedUser, now: Timestamp) -> Result<UserId, StoreError>;

    /// The team with this slug, made if missing.
    async fn ensure_team(&self, team: &SeedTeam, now: Timestamp) -> Result<TeamId, StoreError>;

    /// The team with this slug, for what operators name by it.
    async fn team_by_slug(&self, slug: &str) -> Result<Option<TeamId>, StoreError>;

    /// Gives a role; nothing happens when it is held already.
    async fn assign(&self, assignment: &NewAssignment, now: Timestamp) -> Result<(), StoreError>;

    /// Takes a role away.
    async fn revoke(
        &self,
        user: UserId,
        scope: AssignmentScope,
        role: &str,
    ) -> Result<(), StoreError>;

    async fn set_active(&self, user: UserId, active: bool) -> Result<(), StoreError>;

    async fn set_may_apply(&self, user: UserId, may_apply: bool) -> Result<(), StoreError>;

    /// Stops or allows auto-apply, for one team or ([`Tenant::Global`]) everywhere.
    async fn set_kill_switch(
        &self,
        tenant: Tenant,
        stopped: bool,
        now: Timestamp,
    ) -> Result<(), StoreError>;

    /// Whether auto-apply may commit for a repository.
    async fn set_auto_apply_allowed(
        &self,
        repository: RepositoryId,
        allowed: bool,
    ) -> Result<(), StoreError>;
}

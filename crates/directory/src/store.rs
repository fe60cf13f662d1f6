//! What the directory needs from storage.
//!
//! Teams are read through a [`Reach`], users with proof of a system permission; saves take
//! [`Cleared`] rows.

use async_trait::async_trait;
use audit::{AuditEvent, AuditTrail};
use events::{Outbox, Requests};
use permissions::{
    AssignmentScope, Caller, Cleared, DirectoryRead, Scope, SystemAdmitted, TeamRead,
    TenantAdmitted,
};
use primitives::{
    Page, PageRequest, RepositoryId, RoleAssignmentId, RoleId, TeamId, Tenant, Timestamp, UserId,
};

use crate::metadata::KillSwitch;
use crate::{
    Holding, Member, NewAssignment, Person, SeedTeam, SeedUser, Team, TeamRole, User, UserView,
};

/// Storage could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The caller's rights belong to an older policy epoch: ask again.
    #[error("the policy moved to epoch {0}")]
    PolicyMoved(i64),
    /// Somebody else changed the row first.
    #[error("the row changed meanwhile")]
    Stale,
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
    #[error("the database failed: {0}")]
    Internal(String),
}

/// Which teams a caller may look at: his own, or with `directory.manage` READ all of them.
#[derive(Debug)]
pub struct Reach {
    scope: Scope,
    everything: Option<SystemAdmitted<DirectoryRead>>,
}

impl Reach {
    /// What this caller reaches.
    pub fn of(caller: &Caller) -> Self {
        let everything =
            caller.require::<DirectoryRead>().and_then(|grant| grant.admit_system()).ok();
        Self { scope: caller.scope(), everything }
    }

    /// Who looks.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Whether every team is reached.
    pub fn is_everything(&self) -> bool {
        self.everything.is_some()
    }

    /// Whether this team is reached.
    pub fn sees(&self, team: TeamId) -> bool {
        self.is_everything() || self.scope.sees(Tenant::Team(team))
    }
}

/// Narrows a list of holdings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HoldingFilter {
    /// Only what this user holds.
    pub user: Option<UserId>,
}

/// Reads, and the way into a transaction.
#[async_trait]
pub trait DirectoryStore: Send + Sync {
    /// Opens a transaction whose first statement compares the scope's epoch with the stored
    /// one and holds it: policy changes are made one after the other.
    async fn begin(&self, scope: &Scope) -> Result<Box<dyn DirectoryTx>, StoreError>;

    /// The caller and his teams.
    async fn person(&self, caller: &Caller) -> Result<Option<Person>, StoreError>;

    /// Users, newest first.
    async fn list_users(
        &self,
        scope: &Scope,
        proof: &SystemAdmitted<DirectoryRead>,
        show_deactivated: bool,
        page: PageRequest,
    ) -> Result<Page<UserView>, StoreError>;

    /// A team in use, within reach.
    async fn get_team(&self, reach: &Reach, id: TeamId) -> Result<Option<Team>, StoreError>;

    /// Teams in use within reach, newest first.
    async fn list_teams(&self, reach: &Reach, page: PageRequest) -> Result<Page<Team>, StoreError>;

    /// Active users who hold a role in a team within reach now, by user.
    async fn list_members(
        &self,
        reach: &Reach,
        team: TeamId,
        now: Timestamp,
        page: PageRequest,
    ) -> Result<Page<Member>, StoreError>;

    /// Roles of these teams, as far as the scope sees them, oldest first.
    async fn list_roles(
        &self,
        scope: &Scope,
        teams: &[TeamId],
        page: PageRequest,
    ) -> Result<Page<TeamRole>, StoreError>;

    /// What active users hold in a team now, oldest first.
    async fn list_holdings(
        &self,
        scope: &Scope,
        team: &TenantAdmitted<TeamRead>,
        filter: HoldingFilter,
        now: Timestamp,
        page: PageRequest,
    ) -> Result<Page<Holding>, StoreError>;
}

/// Live objects of a team.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Belongings {
    /// Workflows and templates in use.
    pub workflows: u64,
    pub repositories: u64,
    /// Runs that are queued or at work.
    pub live_runs: u64,
}

/// One command. What it reads is not filtered by a scope: the service judges it before it
/// says anything of it. Dropped without [`commit`](Self::commit), nothing of it remains.
#[async_trait]
pub trait DirectoryTx: RoleTx {
    async fn find_user(&mut self, id: UserId) -> Result<Option<User>, StoreError>;

    async fn find_user_by_subject(&mut self, subject: &str) -> Result<Option<User>, StoreError>;

    async fn find_user_by_certificate(&mut self, name: &str) -> Result<Option<User>, StoreError>;

    async fn add_user(&mut self, user: Cleared<User>) -> Result<(), StoreError>;

    /// Raises the version, which must be the stored one.
    async fn save_user(&mut self, user: Cleared<User>) -> Result<(), StoreError>;

    /// A team in use.
    async fn find_team(&mut self, id: TeamId) -> Result<Option<Team>, StoreError>;

    async fn find_team_by_slug(&mut self, slug: &str) -> Result<Option<Team>, StoreError>;

    async fn add_team(&mut self, team: Cleared<Team>) -> Result<(), StoreError>;

    /// Raises the version, which must be the stored one.
    async fn save_team(&mut self, team: Cleared<Team>) -> Result<(), StoreError>;

    async fn belongings(&mut self, team: TeamId) -> Result<Belongings, StoreError>;

    /// Engages or releases the switch of its place.
    async fn set_kill_switch(&mut self, switch: Cleared<KillSwitch>) -> Result<(), StoreError>;

    /// Makes it durable. What changed a right has raised the policy epoch.
    async fn commit(self: Box<Self>) -> Result<(), StoreError>;
}

/// The part of a command that is about roles.
#[async_trait]
pub trait RoleTx: AuditTrail + Outbox + Requests + Send {
    async fn find_role(&mut self, id: RoleId) -> Result<Option<TeamRole>, StoreError>;

    /// All roles a team made, by slug.
    async fn roles_of(&mut self, team: TeamId) -> Result<Vec<TeamRole>, StoreError>;

    async fn add_role(&mut self, role: Cleared<TeamRole>) -> Result<(), StoreError>;

    /// Raises the version, which must be the stored one.
    async fn save_role(&mut self, role: Cleared<TeamRole>) -> Result<(), StoreError>;

    /// Nobody may hold it any more. What is left of it goes with it: what has ended, and what
    /// deactivated users hold.
    async fn remove_role(&mut self, role: Cleared<TeamRole>) -> Result<(), StoreError>;

    async fn find_holding(&mut self, id: RoleAssignmentId) -> Result<Option<Holding>, StoreError>;

    /// What active users hold in one place and has not ended, oldest first.
    async fn holdings_in(
        &mut self,
        scope: AssignmentScope,
        now: Timestamp,
    ) -> Result<Vec<Holding>, StoreError>;

    /// Everything a user holds, ended or not.
    async fn holdings_of(&mut self, user: UserId) -> Result<Vec<Holding>, StoreError>;

    /// Adds it; when the same user holds the same role in the same place, changes its end,
    /// source and creator. Returns the row that stands.
    async fn put_holding(&mut self, holding: Cleared<Holding>) -> Result<Holding, StoreError>;

    async fn remove_holdings(&mut self, holdings: Vec<Cleared<Holding>>) -> Result<(), StoreError>;
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

/// What an empty database begins with.
#[async_trait]
pub trait FirstSteps: Send + Sync {
    /// Adds the first user, the first team, what he holds, and the records of it, all or
    /// nothing. `false`, and nothing is added, when there is any user.
    async fn first_steps(
        &self,
        user: &User,
        team: &Team,
        roles: &[Holding],
        records: Vec<AuditEvent>,
    ) -> Result<bool, StoreError>;
}

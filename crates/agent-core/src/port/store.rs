//! What the agent needs from storage.
//!
//! Every read starts from a [`Scope`]; every save takes a [`Cleared`] row or holds the fence
//! of a run.

use async_trait::async_trait;
use audit::AuditTrail;
use events::{Outbox, Requests};
use permissions::{Cleared, Scope, Visible};
use primitives::{
    Page, PageRequest, PatchId, PlanId, RepositoryId, RunId, SessionId, Tenant, WorkItemId,
};

use super::live::LiveRunsTx;
use crate::StoreError;
use crate::model::{Patch, Plan, Repository, Run, Session, WorkItemFacts};

/// Narrows lists of runs and patches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AgentFilter {
    pub work_item: Option<WorkItemId>,
    pub repository: Option<RepositoryId>,
    /// A patch is its run's: it has no session of its own.
    pub session: Option<SessionId>,
}

/// Reads, and the way into a transaction. Lists are newest first.
#[async_trait]
pub trait AgentStore: Send + Sync {
    /// Opens a transaction that reaches what `scope` sees, in the database as in the types.
    /// Its first statement compares the scope's epoch with the stored one
    /// ([`StoreError::PolicyMoved`] when the stored one is newer).
    async fn begin(&self, scope: &Scope) -> Result<Box<dyn AgentTx>, StoreError>;

    async fn get_repository(
        &self,
        scope: &Scope,
        id: RepositoryId,
    ) -> Result<Option<Visible<Repository>>, StoreError>;

    async fn list_repositories(
        &self,
        scope: &Scope,
        page: PageRequest,
    ) -> Result<Page<Visible<Repository>>, StoreError>;

    async fn get_session(
        &self,
        scope: &Scope,
        id: SessionId,
    ) -> Result<Option<Visible<Session>>, StoreError>;

    /// Newest activity first.
    async fn list_sessions(
        &self,
        scope: &Scope,
        active_only: bool,
        page: PageRequest,
    ) -> Result<Page<Visible<Session>>, StoreError>;

    async fn get_plan(
        &self,
        scope: &Scope,
        id: PlanId,
    ) -> Result<Option<Visible<Plan>>, StoreError>;

    async fn get_run(&self, scope: &Scope, id: RunId) -> Result<Option<Visible<Run>>, StoreError>;

    async fn list_runs(
        &self,
        scope: &Scope,
        filter: AgentFilter,
        page: PageRequest,
    ) -> Result<Page<Visible<Run>>, StoreError>;

    async fn get_patch(
        &self,
        scope: &Scope,
        id: PatchId,
    ) -> Result<Option<Visible<Patch>>, StoreError>;

    async fn list_patches(
        &self,
        scope: &Scope,
        filter: AgentFilter,
        page: PageRequest,
    ) -> Result<Page<Visible<Patch>>, StoreError>;

    async fn get_work_item(
        &self,
        scope: &Scope,
        id: WorkItemId,
    ) -> Result<Option<Visible<WorkItemFacts>>, StoreError>;

    /// Whether auto-apply is stopped for this tenant: by the global switch, or its team's.
    async fn kill_switch(&self, tenant: Tenant) -> Result<bool, StoreError>;
}

/// One transaction. Dropped without [`commit`](Self::commit), it rolls back.
#[async_trait]
pub trait AgentTx: AuditTrail + Outbox + Requests + LiveRunsTx + Send {
    /// `false` when the tenant registered this path already.
    async fn insert_repository(&mut self, row: &Cleared<Repository>) -> Result<bool, StoreError>;

    async fn insert_session(&mut self, row: &Cleared<Session>) -> Result<(), StoreError>;

    /// Loads a session the scope can see and holds it until the end.
    async fn lock_session(
        &mut self,
        scope: &Scope,
        id: SessionId,
    ) -> Result<Option<Visible<Session>>, StoreError>;

    /// Saves a session if its version is unchanged ([`StoreError::Stale`]).
    async fn save_session(&mut self, row: &Cleared<Session>) -> Result<(), StoreError>;

    async fn insert_plan(&mut self, row: &Cleared<Plan>) -> Result<(), StoreError>;

    /// Queues a run. It is due at once, and its deadline is as far off as it was from its
    /// creation, both by the database's clock.
    async fn insert_run(&mut self, row: &Cleared<Run>) -> Result<(), StoreError>;

    async fn insert_patch(&mut self, row: &Cleared<Patch>) -> Result<(), StoreError>;

    /// Loads a patch the scope can see and holds it until the end.
    async fn lock_patch(
        &mut self,
        scope: &Scope,
        id: PatchId,
    ) -> Result<Option<Visible<Patch>>, StoreError>;

    /// Saves a patch if its version is unchanged ([`StoreError::Stale`]).
    async fn save_patch(&mut self, row: &Cleared<Patch>) -> Result<(), StoreError>;

    /// Holds a RUNNING run until the end, if `fence` is still its fence and its lease has
    /// not passed on database time.
    async fn hold_run(&mut self, id: RunId, fence: i64) -> Result<Option<Run>, StoreError>;

    /// Saves state, phase, plan, patch, problem, engine, model and end of a held run, and
    /// what it made: the plan is inserted if it is new; the patch is inserted, or replaced
    /// whatever its version, for the run holds the only right to change it.
    async fn save_run(
        &mut self,
        run: &Run,
        plan: Option<&Plan>,
        patch: Option<&Patch>,
    ) -> Result<(), StoreError>;

    async fn commit(self: Box<Self>) -> Result<(), StoreError>;
}

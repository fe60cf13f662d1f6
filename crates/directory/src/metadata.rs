//! What administrators see of everybody: metadata.
//!
//! **Invariant:** no row here has a field for content. Titles, data, prompts, plans, patches,
//! messages and the names of personal workflows have no place to be put, and on Postgres the
//! reads run as a role that is granted none of those columns.

use async_trait::async_trait;
use audit::AuditTrail;
use permissions::{Scope, SystemAdmitted, UserKind};
use primitives::{
    Page, PageRequest, RepositoryId, RunId, SessionId, Tenant, Timestamp, UserId, WorkItemId,
    WorkflowId,
};
use serde::{Deserialize, Serialize};

use crate::store::StoreError;

/// A user with figures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserMetadata {
    pub id: UserId,
    pub subject: Option<String>,
    pub display_name: String,
    pub kind: UserKind,
    pub active: bool,
    pub system_roles: Vec<String>,
    pub created_at: Timestamp,
    pub deactivated_at: Option<Timestamp>,
    /// The newest record of something the user did.
    pub last_active_at: Option<Timestamp>,
    pub teams: u64,
    /// Own workflows in use.
    pub personal_workflows: u64,
    /// Open items the user has claimed.
    pub claimed_items: u64,
    pub active_sessions: u64,
    pub live_runs: u64,
}

/// How many are in one state or stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    pub name: String,
    pub number: u64,
}

/// A workflow without its definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkflowMetadata {
    pub id: WorkflowId,
    pub owner: Tenant,
    pub is_template: bool,
    /// `None` when it is personal.
    pub display_name: Option<String>,
    pub creator: UserId,
    pub revision: u64,
    /// Items by state.
    pub items: Vec<Count>,
    /// Open items by stage; empty when it is personal.
    pub open_stages: Vec<Count>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub deleted_at: Option<Timestamp>,
}

/// A session without what was said in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionMetadata {
    pub id: SessionId,
    pub repository: RepositoryId,
    pub work_item: Option<WorkItemId>,
    pub active: bool,
    pub created_at: Timestamp,
    pub last_activity_at: Timestamp,
    pub closed_at: Option<Timestamp>,
}

/// A run without its input and its problem's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunMetadata {
    pub id: RunId,
    pub owner: Tenant,
    pub principal: UserId,
    pub kind: String,
    pub state: String,
    pub phase: String,
    pub problem_reason: Option<String>,
    pub work_item: Option<WorkItemId>,
    pub repository: Option<RepositoryId>,
    pub attempt: u32,
    pub worker: Option<String>,
    pub created_at: Timestamp,
    pub started_at: Option<Timestamp>,
    pub heartbeat_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
}

/// Narrows a list of runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunsFilter {
    pub state: Option<String>,
    pub owner: Option<Tenant>,
    pub principal: Option<UserId>,
}

/// A kill switch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KillSwitch {
    /// A team, or everyone.
    pub place: Tenant,
    pub engaged: bool,
    /// In the words of who set it.
    pub reason: String,
    pub changer: Option<UserId>,
    pub changed_at: Timestamp,
}

impl permissions::Tenanted for KillSwitch {
    fn tenant(&self) -> Tenant {
        self.place
    }
}

/// One queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueFigures {
    pub waiting: u64,
    /// Since when the oldest waits.
    pub oldest: Option<Timestamp>,
}

/// One worker that holds something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerFigures {
    pub name: String,
    pub held_runs: u64,
    pub heartbeat_at: Timestamp,
}

/// Figures of everything stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredFigures {
    pub users: u64,
    pub deactivated_users: u64,
    pub teams: u64,
    pub workflows: u64,
    pub templates: u64,
    /// By state.
    pub items: Vec<Count>,
    /// By state.
    pub runs: Vec<Count>,
    pub active_sessions: u64,
    pub repositories: u64,
    pub audit_events: u64,
    pub queued_runs: QueueFigures,
    pub waiting_events: QueueFigures,
    pub database_bytes: Option<u64>,
    /// Those that hold a run now.
    pub workers: Vec<WorkerFigures>,
    /// Those that are engaged.
    pub switches: Vec<KillSwitch>,
}

/// Figures of the machine that answers; what cannot be had is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct MachineFigures {
    pub data_dir_bytes: Option<u64>,
    pub process_seconds: Option<f64>,
    pub cpu_count: Option<u32>,
    pub load_1m: Option<f64>,
    pub process_cpu_seconds: Option<f64>,
    pub process_memory_bytes: Option<u64>,
    pub memory_total_bytes: Option<u64>,
    pub memory_available_bytes: Option<u64>,
    pub disk_total_bytes: Option<u64>,
    pub disk_available_bytes: Option<u64>,
}

/// Measures the machine.
#[async_trait]
pub trait Machine: Send + Sync {
    /// May look at disks: takes up to two seconds.
    async fn figures(&self) -> MachineFigures;
}

/// The way to everybody's metadata.
#[async_trait]
pub trait MetadataViews: Send + Sync {
    /// Opens a transaction for somebody with proof. Its first statement compares the scope's
    /// epoch with the stored one.
    async fn open(
        &self,
        scope: &Scope,
        proof: &SystemAdmitted<permissions::AdminSupport>,
    ) -> Result<Box<dyn MetadataTx>, StoreError>;
}

/// One look, and the record of it: record first, then read, then commit.
#[async_trait]
pub trait MetadataTx: AuditTrail + Send {
    /// Newest first.
    async fn users(&mut self, page: PageRequest) -> Result<Page<UserMetadata>, StoreError>;

    async fn user(&mut self, id: UserId) -> Result<Option<UserMetadata>, StoreError>;

    /// What a user owns or made, newest first.
    async fn workflows_of(
        &mut self,
        user: UserId,
        page: PageRequest,
    ) -> Result<Page<WorkflowMetadata>, StoreError>;

    /// Last used first.
    async fn sessions_of(
        &mut self,
        user: UserId,
        page: PageRequest,
    ) -> Result<Page<SessionMetadata>, StoreError>;

    /// Newest first.
    async fn runs(
        &mut self,
        filter: &RunsFilter,
        page: PageRequest,
    ) -> Result<Page<RunMetadata>, StoreError>;

    async fn figures(&mut self) -> Result<StoredFigures, StoreError>;

    /// Makes the record of the look durable.
    async fn commit(self: Box<Self>) -> Result<(), StoreError>;
}

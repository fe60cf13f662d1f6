//! A work item, its moves and its stays in stages.

use std::sync::Arc;
use std::time::Duration;

use events::Cause;
use permissions::{Cleared, Tenanted};
use primitives::{
    RepositoryId, RunId, Tenant, Timestamp, TransitionId, UserId, VisitId, WorkItemId, WorkflowId,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Definition, ItemState, Pauses, StageId, Vote};

/// Free data of an item: a JSON object within limits.
pub type Data = Map<String, Value>;

/// Keys of [`Data`] that only the system writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReservedKey {
    Recommendation,
    RecommendationError,
    AutoApplyResult,
    Event,
    TriggeredBy,
}

impl ReservedKey {
    pub const ALL: [Self; 5] = [
        Self::Recommendation,
        Self::RecommendationError,
        Self::AutoApplyResult,
        Self::Event,
        Self::TriggeredBy,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Recommendation => "agent_recommendation",
            Self::RecommendationError => "agent_recommendation_error",
            Self::AutoApplyResult => "agent_auto_apply_result",
            Self::Event => "agent_event",
            Self::TriggeredBy => "triggered_by",
        }
    }
}

/// How soon an item matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Priority {
    Low = 1,
    #[default]
    Normal = 2,
    High = 3,
    Urgent = 4,
}

impl Priority {
    pub const ALL: [Self; 4] = [Self::Low, Self::Normal, Self::High, Self::Urgent];

    pub const fn as_i32(self) -> i32 {
        self as i32
    }

    pub fn from_i32(value: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|p| p.as_i32() == value)
    }
}

/// One unit of work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorkItem {
    pub id: WorkItemId,
    pub tenant: Tenant,
    pub workflow: WorkflowId,
    /// The definition it is pinned to.
    pub revision: i64,
    pub title: String,
    pub description: String,
    pub state: ItemState,
    /// Where it is; the last stage once closed.
    pub stage: StageId,
    /// This stay in the stage.
    pub visit: VisitId,
    pub entered_stage_at: Timestamp,
    pub assignee: Option<UserId>,
    pub priority: Priority,
    pub tags: Vec<String>,
    pub data: Data,
    pub repository: Option<RepositoryId>,
    pub creator: UserId,
    /// The chain of events that made it, for items made by triggers.
    pub cause: Option<Cause>,
    pub claimed_at: Option<Timestamp>,
    /// When it was completed, failed or cancelled.
    pub closed_at: Option<Timestamp>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// Optimistic lock; the `etag` on the wire.
    pub version: i64,
    /// Its number among its workflow's, from 1; 0 when it has none yet.
    #[serde(default)]
    pub number: i64,
    /// What another system calls it; unique within the workflow.
    #[serde(default)]
    pub external_id: Option<String>,
    #[serde(default)]
    pub due_at: Option<Timestamp>,
    /// Set exactly while it is BLOCKED.
    #[serde(default)]
    pub block: Option<Block>,
    /// Items that must be over before this one can be worked on.
    #[serde(default)]
    pub blocked_by: Vec<WorkItemId>,
    /// When it should leave its stage.
    #[serde(default)]
    pub stage_due_at: Option<Timestamp>,
    /// Who, beside its creator, wrote what it says.
    #[serde(default)]
    pub authors: Vec<UserId>,
    /// Who let it pass in this stay; those whose hash is not the item's do not count.
    #[serde(default)]
    pub votes: Vec<Vote>,
    /// Others may wait for it. Read with the item, never saved with it.
    #[serde(default)]
    pub is_blocker: bool,
    /// The QUEUED or RUNNING run of this visit. Read with the item, never saved with it.
    pub live_run: Option<RunId>,
}

/// Why an item waits, and what it comes back to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// PENDING, CLAIMED or IN_PROGRESS.
    pub from: ItemState,
    pub reason: String,
}

impl Tenanted for WorkItem {
    fn tenant(&self) -> Tenant {
        self.tenant
    }
}

/// An item held by a transaction, with the definition it is pinned to.
#[derive(Clone, Debug)]
pub struct LockedItem {
    pub item: WorkItem,
    pub definition: Arc<Definition>,
    pub workflow_name: String,
    /// [`Workflow::item_key`](super::Workflow::item_key).
    pub item_key: String,
    /// Where its workflow is paused now.
    pub pauses: Pauses,
}

impl Tenanted for LockedItem {
    fn tenant(&self) -> Tenant {
        self.item.tenant
    }
}

impl WorkItem {
    /// When it is late: by its own date or its stage's, whichever comes first.
    pub fn overdue_at(&self) -> Option<Timestamp> {
        self.due_at.into_iter().chain(self.stage_due_at).min()
    }
}

/// One move, append-only. `from` is `None` at creation, `to` is `None` when it closed.
#[derive(Clone, Debug, PartialEq)]
pub struct Transition {
    pub id: TransitionId,
    pub tenant: Tenant,
    pub item: WorkItemId,
    pub from: Option<StageId>,
    pub to: Option<StageId>,
    pub from_state: Option<ItemState>,
    pub to_state: ItemState,
    /// As [`ItemEvent::verb`](super::ItemEvent::verb) says, or `create`.
    pub verb: &'static str,
    pub actor: UserId,
    pub note: String,
    /// Time spent in `from`, for moves that leave it.
    pub in_stage: Option<Duration>,
    pub time: Timestamp,
}

impl Tenanted for Transition {
    fn tenant(&self) -> Tenant {
        self.tenant
    }
}

/// How a stay ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VisitOutcome {
    /// By completing the stage.
    Completed,
    /// Otherwise: cancelled, failed, returned.
    Left,
}

impl VisitOutcome {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "COMPLETED",
            Self::Left => "LEFT",
        }
    }
}

/// The end of a stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VisitEnd {
    pub visit: VisitId,
    pub outcome: VisitOutcome,
    pub time: Timestamp,
}

/// A stay that begins.
#[derive(Clone, Debug, PartialEq)]
pub struct Visit {
    pub id: VisitId,
    pub tenant: Tenant,
    pub item: WorkItemId,
    pub workflow: WorkflowId,
    pub stage: StageId,
    pub entered_at: Timestamp,
}

/// A changed item with everything that must be stored with it.
#[derive(Clone, Debug)]
pub struct ItemMove {
    /// With the version it was read at; storage raises it by one.
    pub item: Cleared<WorkItem>,
    pub transition: Transition,
    /// The stay that ends with this move.
    pub left: Option<VisitEnd>,
    /// The stay that begins with it.
    pub entered: Option<Visit>,
}

//! A workflow or a template, and what triggers did.

use events::EventType;
use permissions::Tenanted;
use primitives::{
    EventId, FiringId, TemplateId, Tenant, Timestamp, TriggerId, UserId, WorkItemId, WorkflowId,
};

use serde::{Deserialize, Serialize};

use super::{Definition, Settings};

/// Which template a workflow was made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemplateSource {
    pub template: TemplateId,
    pub revision: i64,
    /// The newest revision of it, where the reader sees it. Read with the row, never saved.
    #[serde(default)]
    pub newest: Option<i64>,
}

/// A workflow; with `is_template` a blueprint that no item can be in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Workflow {
    pub id: WorkflowId,
    pub tenant: Tenant,
    pub is_template: bool,
    /// Stable key of a shipped template, unique; seeding is idempotent by it.
    pub seed_key: Option<String>,
    pub display_name: String,
    pub description: String,
    pub icon: String,
    pub category: String,
    pub tags: Vec<String>,
    /// The newest published definition.
    pub definition: Definition,
    /// Number of the newest published definition, from 1.
    pub revision: i64,
    pub source: Option<TemplateSource>,
    /// What it is set to beside its definition.
    #[serde(default)]
    pub settings: Settings,
    pub creator: UserId,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub deleted_at: Option<Timestamp>,
    /// Optimistic lock; the `etag` on the wire.
    pub version: i64,
    /// What its items are called before their number: `[A-Z][A-Z0-9]{0,9}`.
    #[serde(default)]
    pub item_key: String,
    /// The last number given to an item; 0 before the first.
    #[serde(default)]
    pub last_number: i64,
}

impl Workflow {
    /// The name of a template's row as such.
    pub fn template_id(&self) -> TemplateId {
        TemplateId::from_uuid(self.id.as_uuid())
    }
}

impl Tenanted for Workflow {
    fn tenant(&self) -> Tenant {
        self.tenant
    }
}

/// An enabled trigger of a live workflow that listens to an event.
#[derive(Clone, Debug, PartialEq)]
pub struct TriggerMatch {
    pub trigger: TriggerId,
    pub workflow: WorkflowId,
    /// The workflow's owner.
    pub tenant: Tenant,
}

/// What came of one event at one trigger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FiringOutcome {
    /// An item was created.
    Fired,
    /// It was not; the reason says why.
    Refused,
}

impl FiringOutcome {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fired => "FIRED",
            Self::Refused => "REFUSED",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Fired, Self::Refused].into_iter().find(|o| o.as_str() == text)
    }
}

/// The record of one event meeting one trigger, unique by both.
#[derive(Clone, Debug, PartialEq)]
pub struct Firing {
    pub id: FiringId,
    pub tenant: Tenant,
    pub workflow: WorkflowId,
    pub trigger: TriggerId,
    pub event: EventId,
    pub event_type: EventType,
    pub outcome: FiringOutcome,
    /// Upper-snake reason of a refusal, else empty.
    pub reason: String,
    pub work_item: Option<WorkItemId>,
    pub time: Timestamp,
}

impl Tenanted for Firing {
    fn tenant(&self) -> Tenant {
        self.tenant
    }
}

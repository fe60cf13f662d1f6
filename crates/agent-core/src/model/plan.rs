//! Steps proposed by a planner, stored.

use permissions::Tenanted;
use primitives::{PlanId, RepositoryId, RunId, SessionId, Tenant, Timestamp, UserId, WorkItemId};
use serde::{Deserialize, Serialize};

use crate::port::workspace::ObjectId;

/// How much can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Risk {
    Low,
    Medium,
    High,
}

impl Risk {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// Who made a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Planner {
    Builtin,
    Model,
}

impl Planner {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Builtin => "builtin",
            Self::Model => "model",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Builtin, Self::Model].into_iter().find(|p| p.as_str() == text)
    }
}

/// A file that a step is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedFile {
    /// Exists at the plan's commit unless `is_new`.
    pub path: String,
    pub is_new: bool,
    pub reason: String,
    pub symbols: Vec<String>,
}

/// One step, each figure with its reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedStep {
    pub description: String,
    pub risk: Risk,
    pub risk_reason: String,
    pub minutes: u32,
    pub minutes_reason: String,
    pub files: Vec<PlannedFile>,
}

/// A stored plan. Immutable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    pub id: PlanId,
    /// The work item's owner, else the principal's person.
    pub tenant: Tenant,
    pub principal: UserId,
    pub repository: RepositoryId,
    pub work_item: Option<WorkItemId>,
    pub session: Option<SessionId>,
    pub run: Option<RunId>,
    /// The commit it was made on; an apply on another one is stale.
    pub commit: ObjectId,
    /// SHA-256 (hex) of the context bundle.
    pub bundle_hash: String,
    pub planner: Planner,
    pub model_used: String,
    pub prompt_version: String,
    pub summary: String,
    pub steps: Vec<PlannedStep>,
    pub risks: Vec<String>,
    pub requires_confirmation: bool,
    pub estimated_minutes: u32,
    pub estimate_reason: String,
    pub created_at: Timestamp,
}

impl Tenanted for Plan {
    fn tenant(&self) -> Tenant {
        self.tenant
    }
}

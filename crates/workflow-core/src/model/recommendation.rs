//! What the agent proposes for an item, and what people said to it.

use permissions::Tenanted;
use primitives::{PatchId, PlanId, RecommendationId, RunId, Tenant, Timestamp, UserId, WorkItemId};
use serde::{Deserialize, Serialize};

use super::StageId;

/// What people said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Verdict {
    Pending,
    Accepted,
    Rejected,
}

impl Verdict {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Accepted => "ACCEPTED",
            Self::Rejected => "REJECTED",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Pending, Self::Accepted, Self::Rejected].into_iter().find(|v| v.as_str() == text)
    }
}

/// One step as shown to the reviewer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecommendedStep {
    pub description: String,
    /// `low`, `medium` or `high`.
    pub risk: String,
    pub risk_reason: String,
    pub minutes: u32,
    pub minutes_reason: String,
    pub files: Vec<RecommendedFile>,
}

/// A file a step is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecommendedFile {
    pub path: String,
    pub is_new: bool,
    pub reason: String,
    pub symbols: Vec<String>,
}

/// One proposal, unique by run. A review binds to `hash`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recommendation {
    pub id: RecommendationId,
    pub tenant: Tenant,
    pub item: WorkItemId,
    pub stage: StageId,
    pub run: RunId,
    pub plan: PlanId,
    /// SHA-256 (hex) of what is proposed.
    pub hash: String,
    pub plan_summary: String,
    pub steps: Vec<RecommendedStep>,
    pub risks: Vec<String>,
    pub requires_confirmation: bool,
    pub estimated_minutes: u32,
    /// The planner: `builtin` or `model`.
    pub engine_used: String,
    pub model_used: String,
    pub verdict: Verdict,
    pub reviewer: Option<UserId>,
    pub reviewed_at: Option<Timestamp>,
    pub review_note: String,
    pub created_at: Timestamp,
}

impl Tenanted for Recommendation {
    fn tenant(&self) -> Tenant {
        self.tenant
    }
}

/// What came of auto-apply; replaced whole, never merged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AutoApplyResult {
    /// The run it came from: the same result of the same run is recorded once.
    pub run: RunId,
    pub success: bool,
    pub patch: Option<PatchId>,
    pub files_changed: Vec<String>,
    pub engine: String,
    pub summary: String,
    /// For people; empty on success.
    pub error: String,
    /// The guard that said no, upper-snake as in `KILL_SWITCH`; else empty.
    pub guard: String,
}

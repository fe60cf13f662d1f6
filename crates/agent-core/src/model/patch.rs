//! A change of a repository's tree.

use permissions::Tenanted;
use primitives::{PatchId, PlanId, RepositoryId, RunId, Tenant, Timestamp, UserId, WorkItemId};
use serde::{Deserialize, Serialize};

use crate::port::workspace::{FileChange, ObjectId};

/// Where a patch is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PatchState {
    Proposed,
    Applied,
    Landed,
    Reverted,
    RolledBack,
    Rejected,
}

impl PatchState {
    pub const ALL: [Self; 6] = [
        Self::Proposed,
        Self::Applied,
        Self::Landed,
        Self::Reverted,
        Self::RolledBack,
        Self::Rejected,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Proposed => "PROPOSED",
            Self::Applied => "APPLIED",
            Self::Landed => "LANDED",
            Self::Reverted => "REVERTED",
            Self::RolledBack => "ROLLED_BACK",
            Self::Rejected => "REJECTED",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == text)
    }
}

/// One patch, made by one run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Patch {
    pub id: PatchId,
    /// The run's.
    pub tenant: Tenant,
    pub run: RunId,
    pub principal: UserId,
    pub repository: RepositoryId,
    pub work_item: Option<WorkItemId>,
    pub plan: Option<PlanId>,
    pub base: ObjectId,
    pub tree: ObjectId,
    /// Set once committed.
    pub commit: Option<ObjectId>,
    /// Full ref name in the mirror.
    pub branch: String,
    /// Canonical unified diff.
    pub diff: String,
    pub files: Vec<FileChange>,
    pub state: PatchState,
    /// The run that took it back.
    pub reverted_by: Option<RunId>,
    /// `diff`, `edits`, or the engine's name.
    pub engine: String,
    pub summary: String,
    pub created_at: Timestamp,
    pub version: i64,
}

impl Tenanted for Patch {
    fn tenant(&self) -> Tenant {
        self.tenant
    }
}

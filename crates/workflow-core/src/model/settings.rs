//! What a workflow is set to beside its definition: changed without a new revision.

use primitives::{Timestamp, WorkflowId};
use serde::{Deserialize, Serialize};

use super::StageId;

/// Which workflow a template was published from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    pub workflow: WorkflowId,
    /// The workflow's revision then.
    pub revision: i64,
}

/// Where nothing new begins.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pauses {
    /// Since when the whole workflow is paused.
    pub since: Option<Timestamp>,
    /// Stages that are paused by themselves, by id, each once.
    pub stages: Vec<StageId>,
}

impl Pauses {
    /// Whether work at this stage waits.
    pub fn holds(&self, stage: &StageId) -> bool {
        self.since.is_some() || self.stages.contains(stage)
    }
}

/// What is not part of a revision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    pub pauses: Pauses,
    /// Whether people make items; triggers do in any case.
    pub allows_manual_creation: bool,
    pub requires_approval_to_start: bool,
    /// Of templates that were published from a workflow.
    pub origin: Option<Origin>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            pauses: Pauses::default(),
            allows_manual_creation: true,
            requires_approval_to_start: false,
            origin: None,
        }
    }
}

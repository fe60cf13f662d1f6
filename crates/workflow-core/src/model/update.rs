//! Changes of a workflow, as asked for.

use super::{Definition, Etag, Stage, StageId, StageInput, StageType, Trigger, WorkflowInput};

/// A part of a workflow that can be changed by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    DisplayName,
    Description,
    Icon,
    Category,
    Tags,
    Stages,
    Triggers,
    AllowManualCreation,
    RequireApprovalToStart,
}

impl Part {
    pub const ALL: [Self; 9] = [
        Self::DisplayName,
        Self::Description,
        Self::Icon,
        Self::Category,
        Self::Tags,
        Self::Stages,
        Self::Triggers,
        Self::AllowManualCreation,
        Self::RequireApprovalToStart,
    ];

    /// The field's name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DisplayName => "display_name",
            Self::Description => "description",
            Self::Icon => "icon",
            Self::Category => "category",
            Self::Tags => "tags",
            Self::Stages => "stages",
            Self::Triggers => "triggers",
            Self::AllowManualCreation => "allow_manual_creation",
            Self::RequireApprovalToStart => "require_approval_to_start",
        }
    }
}

/// A change of a workflow.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UpdateInput {
    /// What is to be changed; all other fields of `workflow` are ignored.
    pub parts: Vec<Part>,
    pub workflow: WorkflowInput,
    /// Required: `None` is refused.
    pub etag: Etag,
    /// Check everything, store nothing.
    pub validate_only: bool,
}

impl UpdateInput {
    pub fn changes(&self, part: Part) -> bool {
        self.parts.contains(&part)
    }

    /// Whether triggers or auto-apply would be other than in `current`, which needs more
    /// rights. What the agent is told where it may apply by itself is part of that.
    pub fn asks_for_automation(&self, current: &Definition) -> bool {
        let of_triggers =
            self.changes(Part::Triggers) && !same_triggers(&self.workflow, &current.triggers);
        let asks = |stage: &StageInput| {
            let before = current.stage(&StageId(stage.id.clone()));
            let flag = before.is_some_and(|before| before.auto_apply_set_by.is_some());
            flag != stage.agent_auto_apply
                || (flag && before.is_some_and(|before| !told_alike(stage, before)))
        };
        of_triggers || (self.changes(Part::Stages) && self.workflow.stages.iter().any(asks))
    }
}

/// Order does not matter: each trigger listens to another event.
fn same_triggers(input: &WorkflowInput, current: &[Trigger]) -> bool {
    input.triggers.len() == current.len()
        && input.triggers.iter().all(|asked| {
            current.iter().any(|trigger| {
                trigger.event_type.as_str() == asked.event_type
                    && trigger.enabled == asked.enabled
                    && trigger.description == asked.description
            })
        })
}

/// Whether the agent is told the same at both.
fn told_alike(asked: &StageInput, stage: &Stage) -> bool {
    asked.kind.is_some_and(|kind: StageType| kind == stage.kind)
        && asked.agent_prompt == stage.agent_prompt
        && asked.agent_target_path == stage.agent_target_path
        && asked.agent_model_hint == stage.agent_model_hint
        && asked.agent_output == stage.agent_output
}

//! Templates of one's own, as asked for; and a definition said again as it was asked for.

use primitives::UserId;
use serde_json::Value;

use super::{
    AgentOutput, Approval, ApprovalInput, Assignment, AssignmentInput, Definition, Etag,
    ParameterType, QueueInput, Rota, RotaInput, RouteInput, Stage, StageInput, TriggerInput,
    Workflow, WorkflowInput,
};

/// A parameter as asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParameterInput {
    pub name: String,
    pub description: String,
    /// `None` when unspecified or unknown.
    pub kind: Option<ParameterType>,
    pub choices: Vec<String>,
    pub default: Option<Value>,
}

/// A template to publish, as asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PublishInput {
    /// Empty: the workflow's.
    pub display_name: String,
    pub parameters: Vec<ParameterInput>,
    /// Of the template that gets a new revision.
    pub etag: Etag,
}

impl WorkflowInput {
    /// What would publish this workflow as it is.
    pub fn of(workflow: &Workflow) -> Self {
        let Definition { stages, triggers, parameters: _ } = &workflow.definition;
        let triggers = triggers.iter().map(|trigger| TriggerInput {
            event_type: trigger.event_type.as_str().to_owned(),
            enabled: trigger.enabled,
            description: trigger.description.clone(),
        });
        Self {
            display_name: workflow.display_name.clone(),
            description: workflow.description.clone(),
            icon: workflow.icon.clone(),
            category: workflow.category.clone(),
            tags: workflow.tags.clone(),
            item_key: workflow.item_key.clone(),
            stages: stages.iter().map(StageInput::of).collect(),
            triggers: triggers.collect(),
            allow_manual_creation: Some(workflow.settings.allows_manual_creation),
            require_approval_to_start: workflow.settings.requires_approval_to_start,
        }
    }
}

impl RotaInput {
    fn of(rota: Rota) -> Self {
        match rota {
            Rota::Role(role) => Self { role, users: Vec::new() },
            Rota::Users(users) => {
                Self { role: String::new(), users: users.iter().map(UserId::to_string).collect() }
            }
        }
    }
}

impl StageInput {
    fn of(stage: &Stage) -> Self {
        // Taken apart, so that a new field is said again before this compiles.
        let Stage {
            id,
            display_name,
            description,
            kind,
            assignment,
            routes,
            agent_prompt,
            agent_target_path,
            agent_model_hint,
            agent_output,
            auto_apply_set_by,
            wip_limit,
            wip_limit_per_person,
            form,
            sla_minutes,
            approval,
            auto_advance,
        } = stage.clone();
        let limit = |limit: u32| i32::try_from(limit).unwrap_or(i32::MAX);
        let assignment = match assignment {
            Assignment::Anyone => AssignmentInput::Anyone,
            Assignment::Role(role) => AssignmentInput::Role(role),
            Assignment::User(user) => AssignmentInput::User(user.to_string()),
            Assignment::Queue { name, role } => {
                AssignmentInput::Queue(QueueInput { name, role: role.unwrap_or_default() })
            }
            Assignment::RoundRobin(rota) => AssignmentInput::RoundRobin(RotaInput::of(rota)),
        };
        let routes = routes.into_iter().map(|route| RouteInput {
            condition: route.condition.unwrap_or_default(),
            target: route.target.map(|target| target.0).unwrap_or_default(),
            description: route.description,
        });
        Self {
            id: id.0,
            display_name,
            description,
            kind: Some(kind),
            assignment,
            sla_minutes: limit(sla_minutes),
            routes: routes.collect(),
            agent_prompt,
            agent_target_path,
            agent_model_hint,
            agent_output: if kind.runs_agent() { agent_output } else { AgentOutput::Plan },
            agent_auto_apply: auto_apply_set_by.is_some(),
            wip_limit: limit(wip_limit),
            wip_limit_per_person: limit(wip_limit_per_person),
            form,
            approval: approval.map(ApprovalInput::of),
            auto_advance: auto_advance.unwrap_or_default(),
        }
    }
}

impl ApprovalInput {
    fn of(approval: Approval) -> Self {
        let Approval { quorum, approvers, expires_after, escalation, reject_to } = approval;
        let number = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
        let names = |users: &[primitives::UserId]| users.iter().map(ToString::to_string).collect();
        let escalation = escalation.unwrap_or_default();
        Self {
            quorum: number(quorum),
            users: names(&approvers.users),
            roles: approvers.roles,
            expire_minutes: number(expires_after),
            escalation_users: names(&escalation.users),
            escalation_roles: escalation.roles,
            reject_stage: reject_to.map(|stage| stage.0).unwrap_or_default(),
        }
    }
}

//! Workflows, templates, stages, triggers.

use api::workflow as wire;
use primitives::{Checked, UserId};
use workflow_core::model::{
    AgentOutput, Approval, Assignment, Rota, Stage, StageRoute, Trigger, Workflow,
};
use workflow_core::service::{
    ApprovalInput, AssignmentInput, QueueInput, RotaInput, RouteInput, StageInput, TriggerInput,
    WorkflowInput,
};

use super::faults::Faults;
use super::scalar::{etag, int, name, optional_time, time};
use super::{form, owner, parameter, stage_type};

/// Stages and triggers looked at; the domain refuses fewer.
const LOOKED_AT: usize = 1_000;

/// A definition to publish. What this version does not support is passed on: the domain
/// refuses it with the reason of its own.
pub(crate) fn input(workflow: wire::Workflow) -> Checked<WorkflowInput> {
    let mut faults = Faults::default();
    let stages = workflow.stages.into_iter().take(LOOKED_AT).enumerate();
    let stages = stages.map(|(at, given)| stage_input(&mut faults, at, given)).collect();
    let triggers = workflow.triggers.into_iter().take(LOOKED_AT).map(|trigger| TriggerInput {
        event_type: trigger.event_type,
        enabled: trigger.enabled,
        description: trigger.description,
    });
    let input = WorkflowInput {
        display_name: workflow.display_name,
        description: workflow.description,
        icon: workflow.icon,
        category: workflow.category,
        tags: workflow.tags,
        item_key: workflow.item_key,
        stages,
        triggers: triggers.collect(),
        allow_manual_creation: workflow.allow_manual_creation,
        require_approval_to_start: workflow.require_approval_to_start,
    };
    faults.or(input)
}

fn stage_input(faults: &mut Faults, at: usize, given: wire::Stage) -> StageInput {
    let path = format!("workflow.stages[{at}]");
    let agent_output = match wire::AgentOutput::try_from(given.agent_output) {
        Ok(wire::AgentOutput::Unspecified | wire::AgentOutput::Plan) => AgentOutput::Plan,
        Ok(wire::AgentOutput::Patch) => AgentOutput::Patch,
        Err(_) => {
            faults.note(format!("{path}.agent_output"), "is not a known output");
            AgentOutput::Plan
        }
    };
    let form = given.form.map(|given| form::input(faults, &format!("{path}.form"), given));
    StageInput {
        kind: stage_type::read(given.r#type),
        assignment: assignment_input(faults, &path, given.assignment),
        form,
        id: given.stage_id,
        display_name: given.display_name,
        description: given.description,
        sla_minutes: given.sla_minutes,
        routes: given.routes.into_iter().take(LOOKED_AT).map(route_input).collect(),
        agent_prompt: given.agent_prompt,
        agent_target_path: given.agent_target_path,
        agent_model_hint: given.agent_model_hint,
        agent_output,
        agent_auto_apply: given.agent_auto_apply,
        wip_limit: given.wip_limit,
        wip_limit_per_person: given.wip_limit_per_person,
        approval: given.approval.map(approval_input),
        auto_advance: given.auto_advance,
    }
}

fn approval_input(given: wire::Approval) -> ApprovalInput {
    let few = |names: Vec<String>| names.into_iter().take(LOOKED_AT).collect();
    ApprovalInput {
        quorum: given.quorum,
        roles: few(given.roles),
        users: few(given.users),
        expire_minutes: given.expire_minutes,
        escalation_roles: few(given.escalation_roles),
        escalation_users: few(given.escalation_users),
        reject_stage: given.reject_stage_id,
    }
}

fn route_input(route: wire::StageRoute) -> RouteInput {
    RouteInput {
        condition: route.condition,
        target: route.target_stage_id,
        description: route.description,
    }
}

fn assignment_input(
    faults: &mut Faults,
    path: &str,
    given: Option<wire::Assignment>,
) -> AssignmentInput {
    use wire::AssignmentType as Wire;
    let Some(wire::Assignment { r#type, role, user, queue, users }) = given else {
        return AssignmentInput::Anyone;
    };
    let Ok(kind) = Wire::try_from(r#type) else {
        faults.note(format!("{path}.assignment.type"), "is not a known type");
        return AssignmentInput::Anyone;
    };
    if !matches!(kind, Wire::Role | Wire::Queue | Wire::RoundRobin) && !role.is_empty() {
        let help = "is for the types ROLE, QUEUE and ROUND_ROBIN only";
        faults.note(format!("{path}.assignment.role"), help);
    }
    if kind != Wire::Queue && !queue.is_empty() {
        faults.note(format!("{path}.assignment.queue"), "is for the type QUEUE only");
    }
    if kind != Wire::RoundRobin && !users.is_empty() {
        faults.note(format!("{path}.assignment.users"), "is for the type ROUND_ROBIN only");
    }
    if kind != Wire::User && !user.is_empty() {
        faults.note(format!("{path}.assignment.user"), "is for the type USER only");
    }
    match kind {
        Wire::Unspecified => AssignmentInput::Anyone,
        Wire::Role => AssignmentInput::Role(role),
        Wire::User => AssignmentInput::User(user),
        Wire::Queue => AssignmentInput::Queue(QueueInput { name: queue, role }),
        Wire::Automation => AssignmentInput::Unsupported("AUTOMATION".into()),
        Wire::RoundRobin => {
            let users = users.into_iter().take(LOOKED_AT).collect();
            AssignmentInput::RoundRobin(RotaInput { role, users })
        }
    }
}

/// A workflow as stored.
pub(crate) fn workflow(workflow: Workflow) -> wire::Workflow {
    let (visibility, team, owner) = owner::shown(workflow.tenant);
    wire::Workflow {
        name: workflow.id.to_string(),
        etag: etag(workflow.version),
        display_name: workflow.display_name,
        description: workflow.description,
        icon: workflow.icon,
        category: workflow.category,
        tags: workflow.tags,
        visibility: visibility.into(),
        team,
        owner,
        stages: workflow.definition.stages.into_iter().map(stage).collect(),
        triggers: workflow.definition.triggers.into_iter().map(trigger).collect(),
        revision: int(workflow.revision),
        template: name(workflow.source.map(|source| source.template)),
        template_revision: workflow.source.map_or(0, |source| int(source.revision)),
        creator: workflow.creator.to_string(),
        create_time: time(workflow.created_at),
        update_time: time(workflow.updated_at),
        delete_time: optional_time(workflow.deleted_at),
        item_key: workflow.item_key,
        allow_manual_creation: Some(workflow.settings.allows_manual_creation),
        require_approval_to_start: workflow.settings.requires_approval_to_start,
        pause_time: optional_time(workflow.settings.pauses.since),
        paused_stage_ids: workflow.settings.pauses.stages.into_iter().map(|id| id.0).collect(),
        newest_template_revision: workflow.source.and_then(|source| source.newest).map_or(0, int),
    }
}

/// A workflow that would be made: it has no name, version or times yet.
pub(crate) fn preview(made: Workflow) -> wire::Workflow {
    let mut shown = workflow(made);
    shown.name.clear();
    shown.etag.clear();
    shown.triggers.iter_mut().for_each(|trigger| trigger.name.clear());
    wire::Workflow { create_time: None, update_time: None, ..shown }
}

/// A template as stored.
pub(crate) fn template(template: Workflow) -> wire::Template {
    let (visibility, team, owner) = owner::shown(template.tenant);
    wire::Template {
        name: template.template_id().to_string(),
        display_name: template.display_name,
        description: template.description,
        icon: template.icon,
        category: template.category,
        tags: template.tags,
        visibility: visibility.into(),
        team,
        owner,
        stages: template.definition.stages.into_iter().map(stage).collect(),
        triggers: template.definition.triggers.into_iter().map(trigger).collect(),
        revision: int(template.revision),
        create_time: time(template.created_at),
        update_time: time(template.updated_at),
        etag: etag(template.version),
        parameters: template.definition.parameters.into_iter().map(parameter::shown).collect(),
        help_uri: parameter::help(template.seed_key.as_deref()),
        delete_time: optional_time(template.deleted_at),
    }
}

pub(super) fn stage(stage: Stage) -> wire::Stage {
    wire::Stage {
        stage_id: stage.id.0,
        display_name: stage.display_name,
        description: stage.description,
        r#type: stage_type::shown(stage.kind).into(),
        assignment: assignment(stage.assignment),
        form_schema: stage.form.as_ref().map(form::schema).unwrap_or_default(),
        form: stage.form.map(form::shown),
        sla_minutes: int(stage.sla_minutes),
        routes: stage.routes.into_iter().map(route).collect(),
        agent_prompt: stage.agent_prompt,
        agent_target_path: stage.agent_target_path,
        agent_model_hint: stage.agent_model_hint,
        agent_output: if stage.kind.runs_agent() { output(stage.agent_output) } else { 0 },
        agent_auto_apply: stage.auto_apply_set_by.is_some(),
        wip_limit: int(stage.wip_limit),
        wip_limit_per_person: int(stage.wip_limit_per_person),
        approval: stage.approval.map(approval),
        auto_advance: stage.auto_advance.unwrap_or_default(),
    }
}

fn approval(approval: Approval) -> wire::Approval {
    let names = |users: &[UserId]| users.iter().map(ToString::to_string).collect();
    let escalation = approval.escalation.unwrap_or_default();
    wire::Approval {
        quorum: int(approval.quorum),
        users: names(&approval.approvers.users),
        roles: approval.approvers.roles,
        expire_minutes: int(approval.expires_after),
        escalation_users: names(&escalation.users),
        escalation_roles: escalation.roles,
        reject_stage_id: approval.reject_to.map(|stage| stage.0).unwrap_or_default(),
    }
}

fn output(output: AgentOutput) -> i32 {
    match output {
        AgentOutput::Plan => wire::AgentOutput::Plan.into(),
        AgentOutput::Patch => wire::AgentOutput::Patch.into(),
    }
}

fn assignment(assignment: Assignment) -> Option<wire::Assignment> {
    use wire::AssignmentType as Wire;
    let role = assignment.role().unwrap_or_default().to_owned();
    let mut shown = wire::Assignment { role, ..wire::Assignment::default() };
    let kind = match assignment {
        Assignment::Anyone => return None,
        Assignment::Role(_) => Wire::Role,
        Assignment::User(user) => {
            shown.user = user.to_string();
            Wire::User
        }
        Assignment::Queue { name, role: _ } => {
            shown.queue = name;
            Wire::Queue
        }
        Assignment::RoundRobin(rota) => {
            if let Rota::Users(users) = rota {
                shown.users = users.iter().map(ToString::to_string).collect();
            }
            Wire::RoundRobin
        }
    };
    shown.r#type = kind.into();
    Some(shown)
}

fn route(route: StageRoute) -> wire::StageRoute {
    wire::StageRoute {
        condition: route.condition.unwrap_or_default(),
        target_stage_id: route.target.map(|target| target.0).unwrap_or_default(),
        description: route.description,
    }
}

pub(super) fn trigger(trigger: Trigger) -> wire::Trigger {
    wire::Trigger {
        name: trigger.id.to_string(),
        event_type: trigger.event_type.as_str().to_owned(),
        enabled: trigger.enabled,
        description: trigger.description,
    }
}

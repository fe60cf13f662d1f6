//! Stages, routes and triggers, one by one; how they hang together is in `graph`.

use std::collections::HashSet;

use events::EventType;
use permissions::TEAM_ROLES;
use primitives::{Tenant, TriggerId, UserId};

use super::faults::{Faults, Limits};
use super::{DESCRIPTION, DISPLAY_NAME, Place, graph};
use crate::model::{
    AgentOutput, Approval, ApprovalInput, Approvers, AssignmentInput, Definition, Form, RouteInput,
    Stage, StageId, StageInput, StageRoute, StageType, Trigger, TriggerInput, WorkflowInput,
    condition,
};

pub(super) const STAGES: usize = 50;
pub(super) const ROUTES: usize = 20;
const TRIGGERS: usize = 20;
const STAGE_ID: usize = 64;
const ROUTE_TEXT: Limits = Limits::line(0, 200);
const PROMPT: Limits = Limits::lines(10_000);
const PATH: Limits = Limits::line(0, 500);
const MODEL: Limits = Limits::line(0, 100);

const WIP_LIMIT: u32 = 10_000;
const QUORUM: u32 = 20;
const APPROVERS: usize = 50;
/// A year.
const MINUTES: u32 = 366 * 24 * 60;

pub(super) const UNSUPPORTED: &str = "FIELD_NOT_SUPPORTED";

/// Why items could not get past a stage of this type in a workflow of this owner, or must not.
pub(super) fn unfit(kind: StageType, owner: Tenant) -> Option<&'static str> {
    match owner {
        Tenant::Global if kind.runs_agent() => {
            Some("company-wide workflows cannot have agent stages: make it a team's")
        }
        Tenant::Person(_) if kind.is_voted() => {
            Some("nobody else could decide in a personal workflow: make it a team's")
        }
        _ => None,
    }
}

pub(super) fn definition(
    faults: &mut Faults,
    input: &WorkflowInput,
    place: Place,
    user: UserId,
) -> Definition {
    let stages = stages(faults, input, place, user);
    let triggers =
        if stages.is_empty() { Vec::new() } else { triggers(faults, &input.triggers, user) };
    Definition { stages, triggers, parameters: Vec::new() }
}

pub(super) fn stages(
    faults: &mut Faults,
    input: &WorkflowInput,
    place: Place,
    user: UserId,
) -> Vec<Stage> {
    let count = input.stages.len();
    if !(1..=STAGES).contains(&count) {
        let expected = format!("must have 1 to {STAGES} stages");
        faults.because("INVALID_GRAPH", "workflow.stages", expected);
        return Vec::new();
    }
    let ids = stage_ids(&input.stages);
    let stages: Vec<_> = input
        .stages
        .iter()
        .zip(&ids)
        .enumerate()
        .map(|(at, (stage, id))| {
            let path = format!("workflow.stages[{at}]");
            Judge { faults: &mut *faults, path, place, user }.stage(stage, id.clone())
        })
        .collect();
    graph::judge(faults, &stages);
    stages
}

/// The ids as given, and one from its place for a stage without.
fn stage_ids(stages: &[StageInput]) -> Vec<StageId> {
    let given: HashSet<_> = stages.iter().map(|stage| stage.id.as_str()).collect();
    let generated = |at: usize| {
        let candidates = std::iter::once(format!("stage-{at}"))
            .chain((1..=STAGES).map(move |n| format!("stage-{at}-{n}")));
        candidates.into_iter().find(|id| !given.contains(id.as_str())).unwrap_or_default()
    };
    let ids = stages.iter().enumerate().map(|(at, stage)| {
        StageId(if stage.id.is_empty() { generated(at + 1) } else { stage.id.clone() })
    });
    ids.collect()
}

/// Judges one stage.
pub(super) struct Judge<'a> {
    faults: &'a mut Faults,
    /// `workflow.stages[2]`
    path: String,
    pub(super) place: Place,
    user: UserId,
}

impl Judge<'_> {
    fn stage(&mut self, input: &StageInput, id: StageId) -> Stage {
        let spelled = id.0.len() <= STAGE_ID
            && id.0.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
        if !spelled {
            let expected = format!("must have 1 to {STAGE_ID} characters of A-Z a-z 0-9 _ -");
            self.note("stage_id", expected);
        }
        let kind = self.kind(input.kind);
        self.unsupported_fields(input);
        let agent = kind.runs_agent();
        if !agent {
            self.refuse_agent_fields(input);
        }
        Stage {
            display_name: self.text("display_name", DISPLAY_NAME, &input.display_name),
            description: self.text("description", DESCRIPTION, &input.description),
            kind,
            assignment: self.assignment(&input.assignment),
            routes: self.routes(&input.routes),
            agent_prompt: self.text("agent_prompt", PROMPT, &input.agent_prompt),
            agent_target_path: self.target_path(&input.agent_target_path),
            agent_model_hint: self.text("agent_model_hint", MODEL, &input.agent_model_hint),
            agent_output: AgentOutput::Plan,
            auto_apply_set_by: (agent && input.agent_auto_apply).then_some(self.user),
            wip_limit: self.limit("wip_limit", input.wip_limit),
            wip_limit_per_person: self.limit("wip_limit_per_person", input.wip_limit_per_person),
            form: self.form(input.form.as_ref()),
            sla_minutes: self.minutes("sla_minutes", input.sla_minutes),
            approval: self.approval(kind, input),
            auto_advance: self.auto_advance(agent, &input.auto_advance),
            id,
        }
    }

    fn kind(&mut self, kind: Option<StageType>) -> StageType {
        let Some(kind) = kind else {
            let known = StageType::supported_names();
            self.note("type", format!("is required: one of {known}"));
            return StageType::Human;
        };
        if !kind.supported() {
            let known = StageType::supported_names();
            let expected = format!("is not supported yet: use one of {known}");
            self.because("STAGE_TYPE_NOT_SUPPORTED", "type", expected);
        } else if let Place::Workflow(owner) = self.place
            && let Some(fault) = unfit(kind, owner)
        {
            self.note("type", fault);
        }
        kind
    }

    fn unsupported_fields(&mut self, input: &StageInput) {
        if input.agent_output != AgentOutput::Plan {
            self.because(UNSUPPORTED, "agent_output", "is not supported yet: use PLAN");
        }
    }

    fn form(&mut self, form: Option<&Form>) -> Option<Form> {
        let path = format!("{}.form", self.path);
        form.and_then(|form| self.faults.take(form.check(&path).map(Some)))
    }

    fn limit(&mut self, field: &str, given: i32) -> u32 {
        u32::try_from(given).ok().filter(|limit| *limit <= WIP_LIMIT).unwrap_or_else(|| {
            self.note(field, format!("must be 0 for no limit, or 1 to {WIP_LIMIT}"));
            0
        })
    }

    fn minutes(&mut self, field: &str, given: i32) -> u32 {
        u32::try_from(given).ok().filter(|minutes| *minutes <= MINUTES).unwrap_or_else(|| {
            self.note(field, format!("must be 0 for no limit, or 1 to {MINUTES} minutes"));
            0
        })
    }

    /// Nobody claims an item at an APPROVAL stage, so nothing that is about that fits there.
    fn approval(&mut self, kind: StageType, input: &StageInput) -> Option<Approval> {
        if !kind.is_voted() {
            if input.approval.is_some() {
                self.note("approval", "is for APPROVAL stages only");
            }
            return None;
        }
        let refused = [
            ("assignment", input.assignment != AssignmentInput::Anyone),
            ("wip_limit", input.wip_limit != 0),
            ("wip_limit_per_person", input.wip_limit_per_person != 0),
            ("form", input.form.is_some()),
        ];
        for (field, _) in refused.into_iter().filter(|(_, given)| *given) {
            self.note(field, "is not for APPROVAL stages: `approval` says who decides");
        }
        let default = ApprovalInput::default();
        let given = input.approval.as_ref().unwrap_or(&default);
        let approvers = self.approvers("", &given.roles, &given.users);
        let escalation =
            self.approvers("escalation_", &given.escalation_roles, &given.escalation_users);
        let expires_after = self.minutes("approval.expire_minutes", given.expire_minutes);
        if !escalation.is_empty() && given.expire_minutes == 0 {
            let expected = "says when the escalation begins: it is required with one";
            self.note("approval.expire_minutes", expected);
        }
        let quorum = u32::try_from(given.quorum).unwrap_or(u32::MAX).max(1);
        let few = approvers.roles.is_empty() && !approvers.users.is_empty();
        if quorum > QUORUM {
            self.note("approval.quorum", format!("must be 0 for 1, or 1 to {QUORUM}"));
        } else if few && usize::try_from(quorum).is_ok_and(|wanted| wanted > approvers.users.len())
        {
            self.note("approval.quorum", "is more than the people who may approve");
        }
        let reject_to = given.reject_stage.as_str();
        Some(Approval {
            quorum,
            approvers,
            expires_after,
            escalation: Some(escalation).filter(|people| !people.is_empty()),
            reject_to: (!reject_to.is_empty()).then(|| StageId(reject_to.to_owned())),
        })
    }

    fn approvers(&mut self, prefix: &str, roles: &[String], users: &[String]) -> Approvers {
        let mut found = Approvers::default();
        for (field, given) in [("roles", roles), ("users", users)] {
            if given.len() > APPROVERS {
                let expected = format!("must not name more than {APPROVERS}");
                self.note(&format!("approval.{prefix}{field}"), expected);
                return found;
            }
        }
        for (at, role) in roles.iter().enumerate() {
            self.role(&format!("approval.{prefix}roles[{at}]"), role);
            found.roles.push(role.clone());
        }
        for (at, name) in users.iter().enumerate() {
            if let Ok(user) = name.parse() {
                found.users.push(user);
            } else {
                let field = format!("approval.{prefix}users[{at}]");
                self.note(&field, "must be a name of the form users/{uuid}");
            }
        }
        found.roles.sort_unstable();
        found.roles.dedup();
        found.users.sort_unstable();
        found.users.dedup();
        found
    }

    /// Judges a role that people hold in the workflow's team.
    pub(super) fn role(&mut self, field: &str, role: &str) {
        if !TEAM_ROLES.contains(&role) {
            self.note(field, format!("must be one of {}", TEAM_ROLES.join(", ")));
        } else if matches!(self.place, Place::Workflow(Tenant::Person(_) | Tenant::Global)) {
            self.note(field, "roles are held in teams: name a team");
        }
    }

    fn auto_advance(&mut self, agent: bool, input: &str) -> Option<String> {
        let source = input.trim();
        if source.is_empty() {
            return None;
        }
        if !agent {
            self.note("auto_advance", "is for stages where the agent runs");
        } else if let Err(fault) = condition::check_with_run(source) {
            self.because("INVALID_CONDITION", "auto_advance", fault);
        }
        Some(source.to_owned())
    }

    fn refuse_agent_fields(&mut self, input: &StageInput) {
        let given = [
            ("agent_prompt", !input.agent_prompt.is_empty()),
            ("agent_target_path", !input.agent_target_path.is_empty()),
            ("agent_model_hint", !input.agent_model_hint.is_empty()),
            ("agent_auto_apply", input.agent_auto_apply),
        ];
        for (field, _) in given.into_iter().filter(|(_, given)| *given) {
            self.note(field, "is for agent stages only");
        }
    }

    /// Without routes the item is finished here.
    fn routes(&mut self, input: &[RouteInput]) -> Vec<StageRoute> {
        if input.is_empty() {
            let end = StageRoute { condition: None, target: None, description: String::new() };
            return vec![end];
        }
        if input.len() > ROUTES {
            self.note("routes", format!("must not have more than {ROUTES} routes"));
            return Vec::new();
        }
        input.iter().enumerate().map(|(at, route)| self.route(at, route)).collect()
    }

    fn route(&mut self, at: usize, input: &RouteInput) -> StageRoute {
        let source = input.condition.trim();
        let condition = (!source.is_empty()).then(|| source.to_owned());
        if let Some(Err(fault)) = condition.as_deref().map(condition::check) {
            let field = format!("routes[{at}].condition");
            self.because("INVALID_CONDITION", &field, fault);
        }
        StageRoute {
            condition,
            target: (!input.target.is_empty()).then(|| StageId(input.target.clone())),
            description: self.text(
                &format!("routes[{at}].description"),
                ROUTE_TEXT,
                &input.description,
            ),
        }
    }

    fn target_path(&mut self, value: &str) -> String {
        let path = self.text("agent_target_path", PATH, value);
        let path = path.strip_suffix('/').filter(|path| !path.is_empty()).unwrap_or(&path);
        let clean = |part: &str| {
            !part.is_empty()
                && !matches!(part, "." | "..")
                && !part.eq_ignore_ascii_case(".git")
                && !part.contains(['\\', ':'])
        };
        if !path.is_empty() && !path.split('/').all(clean) {
            self.note(
                "agent_target_path",
                "must be relative to the repository's root, with / between names and \
                 without . or .. parts",
            );
        }
        path.to_owned()
    }

    pub(super) fn text(&mut self, field: &str, limits: Limits, value: &str) -> String {
        self.faults.text(&format!("{}.{field}", self.path), limits, value)
    }

    pub(super) fn note(&mut self, field: &str, description: impl Into<String>) {
        self.faults.note(format!("{}.{field}", self.path), description);
    }

    pub(super) fn because(
        &mut self,
        reason: &'static str,
        field: &str,
        description: impl Into<String>,
    ) {
        self.faults.because(reason, format!("{}.{field}", self.path), description);
    }
}

pub(super) fn triggers(faults: &mut Faults, input: &[TriggerInput], user: UserId) -> Vec<Trigger> {
    if input.len() > TRIGGERS {
        let expected = format!("must not have more than {TRIGGERS} triggers");
        faults.note("workflow.triggers", expected);
        return Vec::new();
    }
    let mut triggers: Vec<Trigger> = Vec::new();
    for (at, trigger) in input.iter().enumerate() {
        let path = format!("workflow.triggers[{at}]");
        let description =
            faults.text(&format!("{path}.description"), ROUTE_TEXT, &trigger.description);
        let field = format!("{path}.event_type");
        let Some(event_type) = EventType::parse_for_trigger(&trigger.event_type) else {
            let known: Vec<_> = EventType::FOR_TRIGGERS.iter().map(|kind| kind.as_str()).collect();
            let expected = format!("must be one of {}", known.join(", "));
            faults.because("EVENT_TYPE_NOT_SUPPORTED", field, expected);
            continue;
        };
        if triggers.iter().any(|other| other.event_type == event_type) {
            faults.note(field, "another trigger of this workflow listens to it: one is enough");
        }
        triggers.push(Trigger {
            id: TriggerId::generate(),
            event_type,
            enabled: trigger.enabled,
            description,
            set_by: user,
        });
    }
    triggers
}

//! Published revisions, and what one changed about the one before it.
//!
//! [`Changes::between`] compares two definitions and does nothing else: stages are the same by
//! id, routes belong to the stage they leave, triggers are the same by id.

use permissions::Tenanted;
use primitives::{Tenant, Timestamp, TriggerId, UserId, WorkflowId};

use super::{Definition, Stage, StageId};

/// One published definition.
#[derive(Clone, Debug, PartialEq)]
pub struct Revision {
    pub workflow: WorkflowId,
    pub tenant: Tenant,
    /// From 1.
    pub number: i64,
    pub definition: Definition,
    pub published_by: UserId,
    pub published_at: Timestamp,
    /// Against the revision before; `None` for the first.
    pub changes: Option<Changes>,
}

impl Tenanted for Revision {
    fn tenant(&self) -> Tenant {
        self.tenant
    }
}

/// A stage that is in both, and which of its fields differ, by their names in the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageChange {
    pub stage: StageId,
    /// Never empty; routes are told of apart.
    pub fields: Vec<&'static str>,
}

/// What differs between two definitions. Stages are named in the order of the newer one,
/// those that were taken out in the order of the older.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    pub stages_added: Vec<StageId>,
    pub stages_removed: Vec<StageId>,
    pub stages_changed: Vec<StageChange>,
    /// The stages that are in both come in another order.
    pub stages_reordered: bool,
    /// Stages in both whose routes differ.
    pub routes_changed: Vec<StageId>,
    pub triggers_added: Vec<TriggerId>,
    pub triggers_removed: Vec<TriggerId>,
    /// In both, and not the same.
    pub triggers_changed: Vec<TriggerId>,
}

impl Changes {
    /// What `newer` changed about `older`.
    pub fn between(older: &Definition, newer: &Definition) -> Self {
        let mut changes = Self {
            stages_removed: missing(&older.stages, newer),
            stages_added: missing(&newer.stages, older),
            stages_reordered: common(&older.stages, newer).ne(common(&newer.stages, older)),
            ..Self::default()
        };
        for stage in &newer.stages {
            let Some(before) = older.stage(&stage.id) else { continue };
            let fields = fields(before, stage);
            if !fields.is_empty() {
                changes.stages_changed.push(StageChange { stage: stage.id.clone(), fields });
            }
            if before.routes != stage.routes {
                changes.routes_changed.push(stage.id.clone());
            }
        }
        for trigger in &newer.triggers {
            match older.triggers.iter().find(|before| before.id == trigger.id) {
                None => changes.triggers_added.push(trigger.id),
                Some(before) if before != trigger => changes.triggers_changed.push(trigger.id),
                Some(_) => {}
            }
        }
        let is_gone = |id| newer.triggers.iter().all(|trigger| trigger.id != id);
        let gone = older.triggers.iter().map(|trigger| trigger.id).filter(|id| is_gone(*id));
        changes.triggers_removed.extend(gone);
        changes
    }
}

/// Stages that `other` has not.
fn missing(stages: &[Stage], other: &Definition) -> Vec<StageId> {
    let ids = stages.iter().map(|stage| &stage.id);
    ids.filter(|id| other.stage(id).is_none()).cloned().collect()
}

/// Stages that `other` has too, in this order.
fn common<'a>(stages: &'a [Stage], other: &'a Definition) -> impl Iterator<Item = &'a StageId> {
    stages.iter().map(|stage| &stage.id).filter(|id| other.stage(id).is_some())
}

/// Fields that differ, without id and routes.
fn fields(older: &Stage, newer: &Stage) -> Vec<&'static str> {
    // Taken apart, so that a new field is compared before this compiles.
    let Stage {
        id: _,
        display_name,
        description,
        kind,
        assignment,
        routes: _,
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
    } = older;
    let compared = [
        ("display_name", *display_name == newer.display_name),
        ("description", *description == newer.description),
        ("type", *kind == newer.kind),
        ("assignment", *assignment == newer.assignment),
        ("agent_prompt", *agent_prompt == newer.agent_prompt),
        ("agent_target_path", *agent_target_path == newer.agent_target_path),
        ("agent_model_hint", *agent_model_hint == newer.agent_model_hint),
        ("agent_output", *agent_output == newer.agent_output),
        ("form", *form == newer.form),
        ("agent_auto_apply", *auto_apply_set_by == newer.auto_apply_set_by),
        ("wip_limit", *wip_limit == newer.wip_limit),
        ("wip_limit_per_person", *wip_limit_per_person == newer.wip_limit_per_person),
        ("sla_minutes", *sla_minutes == newer.sla_minutes),
        ("approval", *approval == newer.approval),
        ("auto_advance", *auto_advance == newer.auto_advance),
    ];
    compared.into_iter().filter(|(_, same)| !same).map(|(name, _)| name).collect()
}

#[cfg(test)]
mod tests {
    use events::EventType;
    use proptest::prelude::*;

    use super::*;
    use crate::model::{AgentOutput, Assignment, StageRoute, StageType, Trigger};

    fn stage(id: &str, name: &str, target: Option<&str>) -> Stage {
        Stage {
            id: StageId(id.into()),
            display_name: name.into(),
            description: String::new(),
            kind: StageType::Human,
            assignment: Assignment::Anyone,
            routes: vec![StageRoute {
                condition: None,
                target: target.map(|id| StageId(id.into())),
                description: String::new(),
            }],
            agent_prompt: String::new(),
            agent_target_path: String::new(),
            agent_model_hint: String::new(),
            agent_output: AgentOutput::Plan,
            auto_apply_set_by: None,
            wip_limit: 0,
            wip_limit_per_person: 0,
            form: None,
            sla_minutes: 0,
            approval: None,
            auto_advance: None,
        }
    }

    fn of(stages: Vec<Stage>) -> Definition {
        Definition { stages, triggers: vec![], parameters: vec![] }
    }

    fn ids(names: &[&str]) -> Vec<StageId> {
        names.iter().map(|name| StageId((*name).into())).collect()
    }

    #[test]
    fn each_kind_of_change_is_told_apart() {
        let older =
            of(vec![stage("a", "A", Some("b")), stage("b", "B", Some("c")), stage("c", "C", None)]);
        let newer =
            of(vec![stage("b", "B", None), stage("a", "New", Some("b")), stage("d", "D", None)]);
        let changes = Changes::between(&older, &newer);
        assert_eq!(changes.stages_added, ids(&["d"]));
        assert_eq!(changes.stages_removed, ids(&["c"]));
        assert_eq!(changes.routes_changed, ids(&["b"]));
        assert!(changes.stages_reordered);
        let renamed = StageChange { stage: StageId("a".into()), fields: vec!["display_name"] };
        assert_eq!(changes.stages_changed, [renamed]);
    }

    #[test]
    fn triggers_are_the_same_by_id() {
        let trigger = |enabled| Trigger {
            id: TriggerId::generate(),
            event_type: EventType::ApplySuccess,
            enabled,
            description: String::new(),
            set_by: UserId::generate(),
        };
        let (gone, kept, new) = (trigger(true), trigger(true), trigger(true));
        let switched = Trigger { enabled: false, ..kept.clone() };
        let older = Definition { triggers: vec![gone.clone(), kept.clone()], ..of(vec![]) };
        let newer = Definition { triggers: vec![switched, new.clone()], ..of(vec![]) };
        let changes = Changes::between(&older, &newer);
        assert_eq!(changes.triggers_added, [new.id]);
        assert_eq!(changes.triggers_removed, [gone.id]);
        assert_eq!(changes.triggers_changed, [kept.id]);
    }

    fn any_definition() -> impl Strategy<Value = Definition> {
        let stage = (0..6_u8, 0..3_u8, prop::option::of(0..6_u8)).prop_map(|(id, name, to)| {
            let to = to.map(|to| to.to_string());
            stage(&id.to_string(), &name.to_string(), to.as_deref())
        });
        prop::collection::vec(stage, 0..6).prop_map(|mut stages| {
            let mut seen = Vec::new();
            stages.retain(|stage| {
                let is_new = !seen.contains(&stage.id);
                seen.push(stage.id.clone());
                is_new
            });
            of(stages)
        })
    }

    proptest! {
        /// Nothing is told exactly when nothing differs, and what is told leads from the one to
        /// the other: added and removed account for every stage.
        #[test]
        fn what_is_told_is_what_differs(older in any_definition(), newer in any_definition()) {
            let changes = Changes::between(&older, &newer);
            prop_assert_eq!(changes == Changes::default(), older == newer);
            let back = Changes::between(&newer, &older);
            prop_assert_eq!(&back.stages_added, &changes.stages_removed);
            prop_assert_eq!(&back.stages_removed, &changes.stages_added);
            prop_assert_eq!(back.stages_reordered, changes.stages_reordered);
            prop_assert_eq!(
                older.stages.len() + changes.stages_added.len(),
                newer.stages.len() + changes.stages_removed.len()
            );
        }
    }
}

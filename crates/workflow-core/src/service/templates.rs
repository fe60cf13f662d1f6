//! Blueprints: look, copy, and the ones that come with the server.

use std::collections::HashMap;
use std::sync::Arc;

use audit::AuditEvent;
use events::Once;
use permissions::{CodeEdit, Grant, Seeder, WorkflowsCreate, WorkflowsManage, WorkflowsView};
use primitives::{
    Checked, Clock, Page, PageRequest, TemplateId, Tenant, Timestamp, TriggerId, UserId, WorkflowId,
};

use super::view::admitted;
use super::workflows::described;
use super::{InstantiateInput, also, remember, replayed};
use crate::WorkflowError;
use crate::model::{Definition, Settings, StageId, TemplateSource, Trigger, Workflow, validate};
use crate::store::{WorkflowFilter, WorkflowStore};
use crate::templates::{self, SeededTemplate};

pub(super) const NOT_FOUND: WorkflowError = WorkflowError::NotFound("TEMPLATE");

/// Templates of workflows.
#[derive(Clone)]
pub struct Templates {
    pub(super) store: Arc<dyn WorkflowStore>,
    pub(super) clock: Arc<dyn Clock>,
}

impl Templates {
    pub fn new(store: Arc<dyn WorkflowStore>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock }
    }

    /// Inserts the templates that come with the server; returns how many were missing.
    ///
    /// Idempotent by key, whatever the name: many replicas may start at once. `epoch` is the
    /// policy epoch in force here.
    #[tracing::instrument(name = "templates.seed", skip_all, err)]
    pub async fn seed(&self, seeder: &Seeder, epoch: i64) -> Result<usize, WorkflowError> {
        let mut tx = self.store.begin(&seeder.scope(epoch)).await?;
        let mut inserted = 0;
        for template in templates::seeded(seeder)? {
            let row = seeded_row(template, seeder.user(), self.clock.now());
            let Some(row) = seeder.clear(row) else { continue };
            inserted += usize::from(tx.insert_workflow(&row).await?);
        }
        tx.commit().await?;
        Ok(inserted)
    }

    /// Templates the caller may view, newest first.
    #[tracing::instrument(
        name = "templates.list",
        skip_all,
        fields(user.id = %grant.user()),
        err(level = "debug")
    )]
    pub async fn list(
        &self,
        grant: &Grant<WorkflowsView>,
        filter: &WorkflowFilter,
        page: Checked<PageRequest>,
    ) -> Result<Page<Workflow>, WorkflowError> {
        let page = self.store.list_workflows(&grant.scope(), true, filter, page?).await?;
        Ok(admitted(grant, page))
    }

    /// One template.
    #[tracing::instrument(
        name = "templates.get",
        skip_all,
        fields(template.id = %id, user.id = %grant.user()),
        err(level = "debug")
    )]
    pub async fn get(
        &self,
        grant: &Grant<WorkflowsView>,
        id: TemplateId,
    ) -> Result<Workflow, WorkflowError> {
        let row = self.store.get_template(&grant.scope(), id).await?;
        let row = row.filter(|row| row.deleted_at.is_none()).ok_or(NOT_FOUND)?;
        Ok(grant.admit(row)?.into_inner())
    }

    /// Makes a workflow in `tenant` from a template, with stage and trigger ids of its own.
    ///
    /// Without [`WorkflowsManage`] and [`CodeEdit`] there, triggers arrive disabled and
    /// auto-apply off. With `validate_only` the answer shows what would be made (its id names
    /// nothing) and nothing is stored.
    #[tracing::instrument(
        name = "templates.instantiate",
        skip_all,
        fields(template.id = %id, user.id = %grant.user()),
        err(level = "debug")
    )]
    pub async fn instantiate(
        &self,
        grant: &Grant<WorkflowsCreate>,
        id: TemplateId,
        tenant: Checked<Tenant>,
        input: Checked<InstantiateInput>,
        once: Option<&Once>,
    ) -> Result<Workflow, WorkflowError> {
        let scope = grant.scope();
        // Read before the transaction: it must not hold a second connection while one is open.
        let template = self.store.get_template(&scope, id).await?;
        let mut tx = self.store.begin(&scope).await?;
        let template = template.filter(|row| row.deleted_at.is_none()).ok_or(NOT_FOUND)?;
        if tenant.as_ref().is_ok_and(|tenant| !scope.sees(*tenant)) {
            return Err(WorkflowError::NotFound("TEAM"));
        }
        also::<WorkflowsView>(grant.caller(), template.tenant)?;
        let tenant = tenant?;
        let admitted = grant.admit_in(tenant)?;
        if let Some(answer) = replayed(tx.as_mut(), once).await? {
            return Ok(answer);
        }
        let input = input?;
        let values = validate::values(&template.definition.parameters, &input.parameters)?;
        let template = match template.into_inner() {
            plain if plain.definition.parameters.is_empty() => plain,
            asking => validate::filled(&asking, &values, grant.user())?,
        };
        let name = validate::copy_name(&input.display_name, &template.display_name)?;
        validate::allowed_in(&template.definition, tenant)?;

        let caller = grant.caller();
        let automates = also::<WorkflowsManage>(caller, tenant).is_ok()
            && also::<CodeEdit>(caller, tenant).is_ok();
        let now = self.clock.now();
        let workflow = copy(&template, tenant, grant.user(), automates, name, now);
        if input.validate_only {
            return Ok(workflow);
        }
        tx.insert_workflow(&admitted.create(workflow.clone())).await?;
        let created = AuditEvent::by(grant, now, tenant, "workflow.created", workflow.id);
        tx.record(vec![created.with(described(&workflow))]).await?;
        remember(tx.as_mut(), once, &workflow, now).await?;
        tx.commit().await?;
        Ok(workflow)
    }
}

fn seeded_row(template: SeededTemplate, creator: UserId, now: Timestamp) -> Workflow {
    Workflow {
        id: WorkflowId::generate(),
        tenant: Tenant::Global,
        is_template: true,
        seed_key: Some(template.key),
        display_name: template.texts.display_name,
        description: template.texts.description,
        icon: template.texts.icon,
        category: template.texts.category,
        tags: template.texts.tags,
        item_key: template.texts.item_key,
        last_number: 0,
        definition: template.definition,
        revision: 1,
        source: None,
        settings: Settings::default(),
        creator,
        created_at: now,
        updated_at: now,
        deleted_at: None,
        version: 1,
    }
}

/// A workflow made of a template. `automates`: the new owner may have triggers and auto-apply.
fn copy(
    template: &Workflow,
    tenant: Tenant,
    user: UserId,
    automates: bool,
    display_name: String,
    now: Timestamp,
) -> Workflow {
    Workflow {
        id: WorkflowId::generate(),
        tenant,
        is_template: false,
        seed_key: None,
        item_key: template.item_key.clone(),
        last_number: 0,
        display_name,
        description: template.description.clone(),
        icon: template.icon.clone(),
        category: template.category.clone(),
        tags: template.tags.clone(),
        definition: copy_definition(&template.definition, tenant, user, automates),
        revision: 1,
        source: Some(TemplateSource {
            template: template.template_id(),
            revision: template.revision,
            newest: Some(template.revision),
        }),
        settings: Settings {
            allows_manual_creation: template.settings.allows_manual_creation,
            requires_approval_to_start: template.settings.requires_approval_to_start,
            ..Settings::default()
        },
        creator: user,
        created_at: now,
        updated_at: now,
        deleted_at: None,
        version: 1,
    }
}

/// Fresh stage and trigger ids, with the routes following them. Whoever copies takes the
/// responsibility for what automates: the template's author has no say in this tenant.
fn copy_definition(from: &Definition, tenant: Tenant, user: UserId, automates: bool) -> Definition {
    let ids: HashMap<&StageId, StageId> =
        from.stages.iter().map(|stage| (&stage.id, StageId::generate(&stage.id))).collect();
    let renamed = |id: &StageId| ids.get(id).cloned().unwrap_or_else(|| id.clone());
    let stages = from.stages.iter().map(|stage| {
        let mut copy = stage.clone();
        copy.id = renamed(&stage.id);
        for route in &mut copy.routes {
            route.target = route.target.as_ref().map(renamed);
        }
        copy.auto_apply_set_by = (automates && stage.auto_apply_set_by.is_some()).then_some(user);
        // Roles are held in teams only: elsewhere nobody could ever claim.
        if !matches!(tenant, Tenant::Team(_)) {
            copy.assignment = copy.assignment.without_role();
        }
        copy
    });
    let triggers = from.triggers.iter().map(|trigger| Trigger {
        id: TriggerId::generate(),
        enabled: automates && trigger.enabled,
        set_by: user,
        ..trigger.clone()
    });
    Definition { stages: stages.collect(), triggers: triggers.collect(), parameters: Vec::new() }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use primitives::TeamId;

    use super::*;
    use crate::model::validate::Place;
    use crate::model::{Assignment, AssignmentInput, TriggerInput, WorkflowInput};

    /// A template with everything that a copy may lose.
    fn template() -> Workflow {
        let seeder = Seeder::at_start(UserId::generate());
        let shipped = templates::seeded(&seeder).unwrap().swap_remove(1);
        let mut row = seeded_row(shipped, seeder.user(), Timestamp::from_micros(0));
        let asked = WorkflowInput {
            display_name: "x".into(),
            stages: vec![crate::model::StageInput {
                id: "one".into(),
                display_name: "One".into(),
                kind: Some(crate::model::StageType::AgentAssist),
                assignment: AssignmentInput::Role("lead".into()),
                agent_auto_apply: true,
                ..Default::default()
            }],
            triggers: vec![TriggerInput {
                event_type: "agent.apply.success".into(),
                enabled: true,
                description: String::new(),
            }],
            ..Default::default()
        };
        let (_, extra) = validate::workflow(&asked, Place::Template, seeder.user()).unwrap();
        row.definition.stages.extend(extra.stages);
        row.definition.triggers = extra.triggers;
        row
    }

    fn copied(tenant: Tenant, automates: bool) -> (Workflow, Workflow, UserId) {
        let (template, user) = (template(), UserId::generate());
        let now = Timestamp::from_micros(1);
        let copy = copy(&template, tenant, user, automates, "Mine".into(), now);
        (template, copy, user)
    }

    #[test]
    fn a_copy_has_ids_of_its_own_and_routes_that_follow_them() {
        let team = Tenant::Team(TeamId::generate());
        let (template, copy, user) = copied(team, true);
        assert_eq!((copy.tenant, copy.creator, copy.is_template), (team, user, false));
        assert_eq!((copy.seed_key.as_deref(), copy.revision), (None, 1));
        let source = copy.source.unwrap();
        assert_eq!((source.template, source.revision), (template.template_id(), 1));

        let ids = |row: &Workflow| -> HashSet<StageId> {
            row.definition.stages.iter().map(|stage| stage.id.clone()).collect()
        };
        assert!(ids(&template).is_disjoint(&ids(&copy)));
        assert_eq!(ids(&copy).len(), template.definition.stages.len());
        let place = |row: &Workflow, id: &StageId| {
            row.definition.stages.iter().position(|stage| stage.id == *id).unwrap()
        };
        for (old, new) in template.definition.stages.iter().zip(&copy.definition.stages) {
            assert!(new.id.0.len() <= 64, "{}", new.id);
            for (before, after) in old.routes.iter().zip(&new.routes) {
                assert_eq!(before.condition, after.condition);
                assert_eq!(
                    before.target.as_ref().map(|id| place(&template, id)),
                    after.target.as_ref().map(|id| place(&copy, id)),
                );
            }
        }
        let [old] = &template.definition.triggers[..] else { panic!("one trigger") };
        let [new] = &copy.definition.triggers[..] else { panic!("one trigger") };
        assert_ne!(old.id, new.id);
        assert_eq!((new.enabled, new.set_by), (true, user));
        let last = copy.definition.stages.last().unwrap();
        assert_eq!(last.auto_apply_set_by, Some(user), "not the template's author");
    }

    #[test]
    fn without_the_rights_nothing_acts_by_itself() {
        let (_, copy, _) = copied(Tenant::Team(TeamId::generate()), false);
        assert!(copy.definition.triggers.iter().all(|trigger| !trigger.enabled));
        assert!(copy.definition.stages.iter().all(|stage| stage.auto_apply_set_by.is_none()));
    }

    #[test]
    fn a_personal_copy_asks_for_no_role() {
        let (template, copy, _) = copied(Tenant::Person(UserId::generate()), true);
        let role = |row: &Workflow| row.definition.stages.last().unwrap().assignment.clone();
        assert_eq!(role(&template), Assignment::Role("lead".into()));
        assert_eq!(role(&copy), Assignment::Anyone);
        let (_, in_team, _) = copied(Tenant::Team(TeamId::generate()), true);
        assert_eq!(role(&in_team), Assignment::Role("lead".into()));
    }
}

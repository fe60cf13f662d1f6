//! Templates of one's own: published from a workflow, and taken out of use.

use audit::AuditEvent;
use events::Once;
use permissions::{Admitted, Cleared, Grant, Visible, WorkflowsDelete, WorkflowsManage};
use primitives::{Checked, TemplateId, Tenant, TriggerId, UserId, WorkflowId};

use super::templates::{NOT_FOUND, Templates};
use super::workflows::{described, gone_or};
use super::{Etag, PublishInput, expect_version, remember, replayed};
use crate::WorkflowError;
use crate::model::{Definition, Origin, Parameter, Settings, Trigger, Workflow, validate};
use crate::store::WorkflowTx;

/// Where a template is published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublishTo {
    /// As a new template of this owner.
    New(Checked<Tenant>),
    /// As the next revision of a template that was published from the same workflow.
    Revision(TemplateId),
}

impl Templates {
    /// Publishes the newest revision of a workflow as a template. Needs [`WorkflowsManage`] on
    /// the workflow and where the template belongs.
    ///
    /// People whom stages name are left out: a blueprint is for others. Roles stay.
    #[tracing::instrument(
        name = "templates.publish",
        skip_all,
        fields(workflow.id = %workflow, user.id = %grant.user()),
        err(level = "debug")
    )]
    pub async fn publish(
        &self,
        grant: &Grant<WorkflowsManage>,
        workflow: WorkflowId,
        to: &PublishTo,
        input: Checked<PublishInput>,
        once: Option<&Once>,
    ) -> Result<Workflow, WorkflowError> {
        let scope = grant.scope();
        let mut tx = self.store.begin(&scope).await?;
        let row = tx.lock_workflow(&scope, workflow).await?;
        let row = row.filter(|row| !row.is_template).ok_or(WorkflowError::NotFound("WORKFLOW"))?;
        let held = match to {
            PublishTo::Revision(id) => Some(self.hold(tx.as_mut(), grant, *id).await?),
            PublishTo::New(Ok(tenant)) if !scope.sees(*tenant) => {
                return Err(WorkflowError::NotFound("TEAM"));
            }
            PublishTo::New(_) => None,
        };
        let is_gone = row.deleted_at.is_some();
        // What is gone is not found, whatever is held where it was, or where this is to go.
        let unless_gone = |error| if is_gone { WorkflowError::NotFound("WORKFLOW") } else { error };
        let row = grant.admit(row).map_err(|denied| unless_gone(denied.into()))?;
        let place = Place::admit(grant, to, held).map_err(unless_gone)?;
        if let Some(answer) = replayed(tx.as_mut(), once).await? {
            return Ok(answer);
        }
        if is_gone {
            return Err(WorkflowError::NotFound("WORKFLOW"));
        }
        let input = input?;
        let name = validate::copy_name(&input.display_name, &row.display_name)?;
        let parameters = validate::parameters(&input.parameters, &row)?;
        let now = self.clock.now();
        let definition = blueprint(&row.definition, parameters, grant.user());
        let origin = Some(Origin { workflow: row.id, revision: row.revision });
        let made = Workflow {
            id: WorkflowId::generate(),
            tenant: row.tenant,
            is_template: true,
            seed_key: None,
            display_name: name,
            definition,
            revision: 1,
            source: None,
            settings: Settings {
                origin,
                allows_manual_creation: row.settings.allows_manual_creation,
                requires_approval_to_start: row.settings.requires_approval_to_start,
                ..Settings::default()
            },
            creator: grant.user(),
            created_at: now,
            updated_at: now,
            deleted_at: None,
            version: 1,
            last_number: 0,
            ..Workflow::clone(&row)
        };
        let made = place.store(tx.as_mut(), made, input.etag, grant.user()).await?;
        let id = made.template_id();
        let event = AuditEvent::by(grant, now, made.tenant, "template.published", id);
        tx.record(vec![event.with(described(&made))]).await?;
        remember(tx.as_mut(), once, &made, now).await?;
        tx.commit().await?;
        Ok(made)
    }

    /// Takes a template out of use; workflows that were made of it stay as they are.
    #[tracing::instrument(
        name = "templates.delete",
        skip_all,
        fields(template.id = %id, user.id = %grant.user()),
        err(level = "debug")
    )]
    pub async fn delete(
        &self,
        grant: &Grant<WorkflowsDelete>,
        id: TemplateId,
        etag: Checked<Etag>,
        once: Option<&Once>,
    ) -> Result<Workflow, WorkflowError> {
        let mut tx = self.store.begin(&grant.scope()).await?;
        let row = self.hold(tx.as_mut(), grant, id).await?;
        let is_gone = row.deleted_at.is_some();
        let row = grant.admit(row).map_err(|denied| as_template(is_gone, denied))?;
        if let Some(answer) = replayed(tx.as_mut(), once).await? {
            return Ok(answer);
        }
        if is_gone {
            return Err(NOT_FOUND);
        }
        expect_version(etag?, row.version)?;
        let now = self.clock.now();
        let deleted = Workflow { deleted_at: Some(now), updated_at: now, ..row.clone() };
        tx.save_workflow(&row.save_as(deleted.clone())).await?;
        let deleted = Workflow { version: row.version + 1, ..deleted };
        let event = AuditEvent::by(grant, now, row.tenant, "template.deleted", id);
        tx.record(vec![event.with(described(&deleted))]).await?;
        remember(tx.as_mut(), once, &deleted, now).await?;
        tx.commit().await?;
        Ok(deleted)
    }

    /// Holds a template that the caller sees, deleted or not.
    async fn hold<P: permissions::Permission>(
        &self,
        tx: &mut dyn WorkflowTx,
        grant: &Grant<P>,
        id: TemplateId,
    ) -> Result<Visible<Workflow>, WorkflowError> {
        let row = tx.lock_workflow(&grant.scope(), WorkflowId::from_uuid(id.as_uuid())).await?;
        row.filter(|row| row.is_template).ok_or(NOT_FOUND)
    }
}

fn as_template(is_gone: bool, denied: permissions::Denied) -> WorkflowError {
    match gone_or(is_gone, denied) {
        WorkflowError::NotFound(_) => NOT_FOUND,
        other => other,
    }
}

/// Where the template goes, with the right to put it there.
enum Place {
    New(permissions::TenantAdmitted<WorkflowsManage>),
    Revision(Box<Admitted<WorkflowsManage, Workflow>>),
    /// What names the owner is wrong: said when arguments are judged.
    Unclear(primitives::InvalidArgs),
}

impl Place {
    fn admit(
        grant: &Grant<WorkflowsManage>,
        to: &PublishTo,
        held: Option<Visible<Workflow>>,
    ) -> Result<Self, WorkflowError> {
        match (to, held) {
            (_, Some(held)) => {
                let is_gone = held.deleted_at.is_some();
                let held = grant.admit(held).map_err(|denied| as_template(is_gone, denied))?;
                if is_gone { Err(NOT_FOUND) } else { Ok(Self::Revision(Box::new(held))) }
            }
            (PublishTo::New(Ok(tenant)), None) => Ok(Self::New(grant.admit_in(*tenant)?)),
            (PublishTo::New(Err(wrong)), None) => Ok(Self::Unclear(wrong.clone())),
            (PublishTo::Revision(_), None) => Err(NOT_FOUND),
        }
    }

    async fn store(
        self,
        tx: &mut dyn WorkflowTx,
        made: Workflow,
        etag: Etag,
        by: UserId,
    ) -> Result<Workflow, WorkflowError> {
        match self {
            Self::Unclear(wrong) => Err(wrong.into()),
            Self::New(admitted) => {
                let made = Workflow { tenant: admitted.tenant(), ..made };
                tx.insert_workflow(&admitted.create(made.clone())).await?;
                Ok(made)
            }
            Self::Revision(held) => {
                expect_version(etag, held.version)?;
                let from = |row: &Workflow| row.settings.origin.map(|origin| origin.workflow);
                if from(&held) != from(&made) {
                    let message = "the template was not published from this workflow";
                    return Err(WorkflowError::wrong_state("TEMPLATE_MISMATCH", message));
                }
                let (next, is_new) = succeeding(&held, made);
                let cleared: Cleared<Workflow> = held.save_as(next.clone());
                if is_new {
                    tx.publish_revision(&cleared, by).await?;
                } else {
                    tx.save_workflow(&cleared).await?;
                }
                Ok(Workflow { version: held.version + 1, ..next })
            }
        }
    }
}

/// What becomes of a template; whether that is another definition.
fn succeeding(held: &Workflow, made: Workflow) -> (Workflow, bool) {
    let mut next = Workflow {
        id: held.id,
        tenant: held.tenant,
        seed_key: held.seed_key.clone(),
        creator: held.creator,
        created_at: held.created_at,
        version: held.version,
        revision: held.revision,
        ..made
    };
    validate::keeps(&held.definition, &mut next.definition);
    let is_new = next.definition != held.definition;
    next.revision += i64::from(is_new);
    (next, is_new)
}

/// The definition without people, and with whoever publishes it answering for what automates.
fn blueprint(from: &Definition, parameters: Vec<Parameter>, by: UserId) -> Definition {
    let stages = from.stages.iter().map(|stage| {
        let mut stage = stage.clone();
        stage.auto_apply_set_by = stage.auto_apply_set_by.map(|_| by);
        stage.assignment = stage.assignment.without_people();
        if let Some(approval) = &mut stage.approval {
            approval.approvers.users.clear();
            // Without people it would be everybody's.
            let escalation = approval.escalation.as_mut();
            escalation.into_iter().for_each(|people| people.users.clear());
            approval.escalation.take_if(|people| people.is_empty());
        }
        stage
    });
    let triggers = from.triggers.iter().map(|trigger| Trigger {
        id: TriggerId::generate(),
        set_by: by,
        ..trigger.clone()
    });
    Definition { stages: stages.collect(), triggers: triggers.collect(), parameters }
}

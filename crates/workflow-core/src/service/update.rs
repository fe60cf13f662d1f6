//! Definitions change: a new revision where stages, routes or triggers do.

use audit::AuditEvent;
use events::Once;
use permissions::{
    Admitted, CodeEdit, Either, Grant, Visible, WorkflowsCreate, WorkflowsDelete, WorkflowsManage,
};
use primitives::{Checked, InvalidArgs, WorkflowId};
use serde_json::json;

use super::workflows::{NOT_FOUND, assigned_users, described, gone_or};
use super::{Etag, Part, UpdateInput, Workflows, also, expect_version, remember, replayed};
use crate::WorkflowError;
use crate::model::{Workflow, validate};
use crate::store::WorkflowTx;

type Changeable = Admitted<Either<WorkflowsManage, WorkflowsCreate>, Workflow>;

impl Workflows {
    /// Changes parts of a workflow. A new revision is published when the definition differs,
    /// and only then; items stay on theirs.
    ///
    /// Its creator may do it with [`WorkflowsCreate`] there, all others need
    /// [`WorkflowsManage`]; other triggers or auto-apply need that and [`CodeEdit`].
    #[tracing::instrument(
        name = "workflows.update",
        skip_all,
        fields(workflow.id = %id, user.id = %grant.user()),
        err(level = "debug")
    )]
    pub async fn update(
        &self,
        grant: &Grant<WorkflowsManage>,
        id: WorkflowId,
        input: Checked<UpdateInput>,
        once: Option<&Once>,
    ) -> Result<Workflow, WorkflowError> {
        let scope = grant.scope();
        let mut tx = self.store.begin(&scope).await?;
        let row = self.visible(tx.as_mut(), grant, id).await?;
        let names = input.as_ref().ok().filter(|input| input.changes(Part::Stages));
        let users = names.map(|input| assigned_users(&input.workflow)).unwrap_or_default();
        if !users.is_empty() && !tx.resolve(&scope, None, &users).await?.users {
            return Err(WorkflowError::NotFound("USER"));
        }
        let is_gone = row.deleted_at.is_some();
        let row: Changeable = grant
            .admit_or::<WorkflowsCreate, _>(row, |row| row.creator == grant.user())
            .map_err(|denied| gone_or(is_gone, denied))?;
        if let Some(answer) = replayed(tx.as_mut(), once).await? {
            return Ok(answer);
        }
        // Only now: the retry of a call before it was deleted has its answer.
        if is_gone {
            return Err(NOT_FOUND);
        }
        let input = input?;
        if input.asks_for_automation(&row.definition) {
            also::<WorkflowsManage>(grant.caller(), row.tenant)?;
            also::<CodeEdit>(grant.caller(), row.tenant)?;
        }
        let changed = validate::update(&input, &row, grant.user())?;
        require_etag(input.etag, row.version)?;

        let now = self.clock.now();
        let is_new = changed.definition != row.definition;
        let revision = row.revision + i64::from(is_new);
        let changed = Workflow { revision, updated_at: now, ..changed };
        if input.validate_only {
            return Ok(changed);
        }
        let cleared = row.save_as(changed.clone());
        if is_new {
            tx.publish_revision(&cleared, grant.user()).await?;
        } else {
            tx.save_workflow(&cleared).await?;
        }
        let changed = Workflow { version: row.version + 1, ..changed };
        let mut details = described(&changed);
        if let Some(details) = details.as_object_mut() {
            let parts: Vec<_> = input.parts.iter().map(|part| part.as_str()).collect();
            details.insert("previous_revision".into(), json!(row.revision));
            details.insert("fields".into(), json!(parts));
        }
        let event = AuditEvent::by(grant, now, row.tenant, "workflow.updated", id);
        tx.record(vec![event.with(details)]).await?;
        remember(tx.as_mut(), once, &changed, now).await?;
        tx.commit().await?;
        Ok(changed)
    }

    /// Takes a deleted workflow back into use, as it was.
    #[tracing::instrument(
        name = "workflows.undelete",
        skip_all,
        fields(workflow.id = %id, user.id = %grant.user()),
        err(level = "debug")
    )]
    pub async fn undelete(
        &self,
        grant: &Grant<WorkflowsDelete>,
        id: WorkflowId,
        etag: Checked<Etag>,
        once: Option<&Once>,
    ) -> Result<Workflow, WorkflowError> {
        let mut tx = self.store.begin(&grant.scope()).await?;
        let row = grant.admit(self.visible(tx.as_mut(), grant, id).await?)?;
        if let Some(answer) = replayed(tx.as_mut(), once).await? {
            return Ok(answer);
        }
        expect_version(etag?, row.version)?;
        if row.deleted_at.is_none() {
            let message = "the workflow is in use";
            return Err(WorkflowError::wrong_state("WORKFLOW_NOT_DELETED", message));
        }
        let now = self.clock.now();
        let back = Workflow { deleted_at: None, updated_at: now, ..row.clone() };
        tx.save_workflow(&row.save_as(back.clone())).await?;
        let back = Workflow { version: row.version + 1, ..back };
        let event = AuditEvent::by(grant, now, row.tenant, "workflow.undeleted", id);
        tx.record(vec![event.with(described(&back))]).await?;
        remember(tx.as_mut(), once, &back, now).await?;
        tx.commit().await?;
        Ok(back)
    }

    /// Holds a workflow that the caller sees, deleted or not. Templates are none.
    pub(super) async fn visible<P: permissions::Permission>(
        &self,
        tx: &mut dyn WorkflowTx,
        grant: &Grant<P>,
        id: WorkflowId,
    ) -> Result<Visible<Workflow>, WorkflowError> {
        let row = tx.lock_workflow(&grant.scope(), id).await?;
        row.filter(|row| !row.is_template).ok_or(NOT_FOUND)
    }
}

/// An etag that must be given, and be the current one.
fn require_etag(given: Etag, actual: i64) -> Result<(), WorkflowError> {
    if given.is_none() {
        let help = "is required: read the workflow, then send it with the etag it has";
        return Err(InvalidArgs::new("workflow.etag", help).into());
    }
    expect_version(given, actual)
}

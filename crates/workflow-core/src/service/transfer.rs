//! Another owner for a workflow that nobody has worked in.
//!
//! What was worked on stays with whom it was done for: plans, patches and recommendations of
//! items quote repositories of the owner, and history is only ever added to.

use audit::AuditEvent;
use events::Once;
use permissions::{CodeEdit, Grant, WorkflowsOwn};
use primitives::{Checked, InvalidArgs, Tenant, WorkflowId};
use serde_json::json;

use super::workflows::{NOT_FOUND, described, gone_or};
use super::{Etag, Workflows, also, expect_version, remember, replayed};
use crate::WorkflowError;
use crate::model::{Definition, Workflow, validate};

const ACTION: &str = "workflow.ownership.changed";

impl Workflows {
    /// Gives a workflow to another owner, with its revisions, triggers and refused firings.
    ///
    /// Needs [`WorkflowsOwn`] where it is and where it goes, and [`CodeEdit`] there if it
    /// automates anything. Both owners have a record of it.
    #[tracing::instrument(
        name = "workflows.transfer",
        skip_all,
        fields(workflow.id = %id, user.id = %grant.user()),
        err(level = "debug")
    )]
    pub async fn transfer(
        &self,
        grant: &Grant<WorkflowsOwn>,
        id: WorkflowId,
        to: Checked<Tenant>,
        etag: Checked<Etag>,
        once: Option<&Once>,
    ) -> Result<Workflow, WorkflowError> {
        let scope = grant.scope();
        let mut tx = self.store.begin(&scope).await?;
        let row = self.visible(tx.as_mut(), grant, id).await?;
        if to.as_ref().is_ok_and(|to| !scope.sees(*to)) {
            return Err(WorkflowError::NotFound("TEAM"));
        }
        // The retry of the call that gave it away is admitted where it is now.
        let is_gone = row.deleted_at.is_some();
        let row = grant.admit(row).map_err(|denied| gone_or(is_gone, denied))?;
        let admitted = to.as_ref().ok().map(|to| grant.admit_in(*to)).transpose();
        let admitted = admitted.map_err(|denied| gone_or(is_gone, denied))?;
        if let Some(answer) = replayed(tx.as_mut(), once).await? {
            return Ok(answer);
        }
        if is_gone {
            return Err(NOT_FOUND);
        }
        let to = to?;
        let admitted = admitted.ok_or_else(|| WorkflowError::internal("an owner unjudged"))?;
        if automates(&row.definition) {
            also::<CodeEdit>(grant.caller(), to)?;
        }
        fits(&row, to)?;
        expect_version(etag?, row.version)?;
        if tx.has_items(row.tenant, id).await? {
            let message = "items were made in it: they stay where they were worked on. \
                           Publish it as a template, or export it, to have a copy elsewhere";
            return Err(WorkflowError::wrong_state("WORKFLOW_HAS_ITEMS", message));
        }

        let now = self.clock.now();
        let from = row.tenant;
        let moved = Workflow { tenant: to, updated_at: now, ..Workflow::clone(&row) };
        tx.move_workflow(from, &admitted.create(moved.clone())).await?;
        let moved = Workflow { version: row.version + 1, ..moved };
        let record = |owner: Tenant| {
            let mut details = described(&moved);
            if let Some(details) = details.as_object_mut() {
                details.insert("from".into(), json!(from.kind().as_str()));
                details.insert("to".into(), json!(to.kind().as_str()));
            }
            AuditEvent::by(grant, now, owner, ACTION, id).with(details)
        };
        tx.record(vec![record(from), record(to)]).await?;
        remember(tx.as_mut(), once, &moved, now).await?;
        tx.commit().await?;
        Ok(moved)
    }
}

fn automates(definition: &Definition) -> bool {
    !definition.triggers.is_empty()
        || definition.stages.iter().any(|stage| stage.auto_apply_set_by.is_some())
}

/// Whether the definition can be this owner's.
fn fits(row: &Workflow, to: Tenant) -> Checked<()> {
    if row.tenant == to {
        return Err(InvalidArgs::new("visibility", "it belongs there already"));
    }
    validate::allowed_in(&row.definition, to)?;
    let by_role = |stage: &crate::model::Stage| stage.assignment.role().is_some();
    if !matches!(to, Tenant::Team(_)) && row.definition.stages.iter().any(by_role) {
        let help = "a stage is assigned to a role, and roles are held in teams: change it first";
        return Err(InvalidArgs::new("visibility", help));
    }
    Ok(())
}

//! Revisions that were published, and what each changed.

use permissions::{Grant, WorkflowsView};
use primitives::{Checked, Page, PageRequest, WorkflowId};

use super::Workflows;
use super::view::admitted;
use super::workflows::NOT_FOUND;
use crate::WorkflowError;
use crate::model::Revision;

impl Workflows {
    /// One revision of a workflow that is in use.
    #[tracing::instrument(
        name = "workflows.get_revision",
        skip_all,
        fields(workflow.id = %id, user.id = %grant.user()),
        err(level = "debug")
    )]
    pub async fn get_revision(
        &self,
        grant: &Grant<WorkflowsView>,
        id: WorkflowId,
        number: i64,
    ) -> Result<Revision, WorkflowError> {
        self.get(grant, id).await?;
        let row = self.store.get_revision(&grant.scope(), id, number).await?;
        let row = row.ok_or(WorkflowError::NotFound("WORKFLOW_REVISION"))?;
        Ok(grant.admit(row)?.into_inner())
    }

    /// The revisions of a workflow that is in use, newest first.
    #[tracing::instrument(
        name = "workflows.list_revisions",
        skip_all,
        fields(workflow.id = %id, user.id = %grant.user()),
        err(level = "debug")
    )]
    pub async fn list_revisions(
        &self,
        grant: &Grant<WorkflowsView>,
        id: WorkflowId,
        page: Checked<PageRequest>,
    ) -> Result<Page<Revision>, WorkflowError> {
        let scope = grant.scope();
        let row = self.store.get_workflow(&scope, id).await?;
        let row = row.filter(|row| row.deleted_at.is_none()).ok_or(NOT_FOUND)?;
        grant.admit(row)?;
        Ok(admitted(grant, self.store.list_revisions(&scope, id, page?).await?))
    }
}

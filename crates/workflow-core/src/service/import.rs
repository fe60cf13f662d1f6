//! A definition that comes from elsewhere, as a workflow of its own.

use events::Once;
use permissions::{Grant, WorkflowsManage};
use primitives::{Checked, Tenant};

use super::{WorkflowInput, Workflows};
use crate::WorkflowError;
use crate::model::Workflow;

impl Workflows {
    /// Publishes a definition as revision 1 of a new workflow in `tenant`, for those who
    /// manage definitions there. Triggers and auto-apply also need [`permissions::CodeEdit`]. With
    /// `validate_only` the answer shows what would be made, and nothing is stored.
    #[tracing::instrument(
        name = "workflows.import",
        skip_all,
        fields(user.id = %grant.user()),
        err(level = "debug")
    )]
    pub async fn import(
        &self,
        grant: &Grant<WorkflowsManage>,
        tenant: Checked<Tenant>,
        input: Checked<WorkflowInput>,
        validate_only: bool,
        once: Option<&Once>,
    ) -> Result<Workflow, WorkflowError> {
        self.first_revision(grant, tenant, input, validate_only, once).await
    }
}

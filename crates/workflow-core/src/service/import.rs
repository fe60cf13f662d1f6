//! A definition that comes from elsewhere, as a workflow of its own.

use audit::AuditEvent;
use events::Once;
use permissions::{CodeEdit, Grant, WorkflowsManage};
use primitives::{Checked, Tenant, WorkflowId};

use super::workflows::{assigned_users, described};
use super::{WorkflowInput, Workflows, also, remember, replayed};
use crate::WorkflowError;
use crate::model::{Settings, Workflow, validate};

impl Workflows {
    /// Publishes a definition as revision 1 of a new workflow in `tenant`, for those who
    /// manage definitions there. Triggers and auto-apply also need [`CodeEdit`]. With
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
        let tenant = tenant?;
        let scope = grant.scope();
        let mut tx = self.store.begin(&scope).await?;
        if !scope.sees(tenant) {
            return Err(WorkflowError::NotFound("TEAM"));
        }
        let users = input.as_ref().map(assigned_users).unwrap_or_default();
        if !users.is_empty() && !tx.resolve(&scope, None, &users).await?.users {
            return Err(WorkflowError::NotFound("USER"));
        }
        let admitted = grant.admit_in(tenant)?;
        if let Some(answer) = replayed(tx.as_mut(), once).await? {
            return Ok(answer);
        }
        let input = input?;
        if input.asks_for_automation() {
            also::<CodeEdit>(grant.caller(), tenant)?;
        }
        let place = validate::Place::Workflow(tenant);
        let (texts, definition) = validate::workflow(&input, place, grant.user())?;
        let settings = validate::settings(&input, Settings::default())?;
        let now = self.clock.now();
        let workflow = Workflow {
            id: WorkflowId::generate(),
            tenant,
            is_template: false,
            seed_key: None,
            display_name: texts.display_name,
            description: texts.description,
            icon: texts.icon,
            category: texts.category,
            tags: texts.tags,
            item_key: texts.item_key,
            last_number: 0,
            definition,
            revision: 1,
            source: None,
            settings,
            creator: grant.user(),
            created_at: now,
            updated_at: now,
            deleted_at: None,
            version: 1,
        };
        if validate_only {
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

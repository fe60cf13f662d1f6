//! Definitions: publish, look, take out of use.

use std::sync::Arc;

use audit::AuditEvent;
use events::Once;
use permissions::{
    CodeEdit, Denied, Grant, Permission, WorkflowsCreate, WorkflowsDelete, WorkflowsManage,
    WorkflowsView,
};
use primitives::{Checked, Clock, Page, PageRequest, Tenant, UserId, WorkflowId};
use serde_json::json;

use super::view::admitted;
use super::{AssignmentInput, Etag, WorkflowInput, also, expect_version, remember, replayed};
use crate::WorkflowError;
use crate::model::{Settings, Workflow, validate};
use crate::store::{WorkflowFilter, WorkflowStore};

pub(super) const NOT_FOUND: WorkflowError = WorkflowError::NotFound("WORKFLOW");

/// Workflows and their definitions.
#[derive(Clone)]
pub struct Workflows {
    pub(super) store: Arc<dyn WorkflowStore>,
    pub(super) clock: Arc<dyn Clock>,
}

impl Workflows {
    pub fn new(store: Arc<dyn WorkflowStore>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock }
    }

    /// Publishes revision 1 of a new workflow in `tenant`.
    ///
    /// A team that is not the caller's is `TEAM_NOT_FOUND`. Triggers and auto-apply flags also
    /// need [`WorkflowsManage`] and [`CodeEdit`] there. All faults of the definition are
    /// reported together, by field path.
    #[tracing::instrument(
        name = "workflows.create",
        skip_all,
        fields(user.id = %grant.user()),
        err(level = "debug")
    )]
    pub async fn create(
        &self,
        grant: &Grant<WorkflowsCreate>,
        tenant: Checked<Tenant>,
        input: Checked<WorkflowInput>,
        once: Option<&Once>,
    ) -> Result<Workflow, WorkflowError> {
        self.first_revision(grant, tenant, input, false, once).await
    }

    /// Revision 1 of a new workflow; with `validate_only` judged, shown and not stored.
    pub(super) async fn first_revision<P: Permission>(
        &self,
        grant: &Grant<P>,
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
            also::<WorkflowsManage>(grant.caller(), tenant)?;
            also::<CodeEdit>(grant.caller(), tenant)?;
        }
        let (texts, definition) =
            validate::workflow(&input, validate::Place::Workflow(tenant), grant.user())?;

        let settings = validate::settings(&input, &definition, Settings::default())?;

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
            definition,
            revision: 1,
            source: None,
            settings,
            creator: grant.user(),
            created_at: now,
            updated_at: now,
            deleted_at: None,
            version: 1,
            item_key: texts.item_key,
            last_number: 0,
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

    /// One workflow; a deleted one is not found.
    #[tracing::instrument(
        name = "workflows.get",
        skip_all,
        fields(workflow.id = %id, user.id = %grant.user()),
        err(level = "debug")
    )]
    pub async fn get(
        &self,
        grant: &Grant<WorkflowsView>,
        id: WorkflowId,
    ) -> Result<Workflow, WorkflowError> {
        let row = self.store.get_workflow(&grant.scope(), id).await?;
        let row = row.filter(|row| row.deleted_at.is_none()).ok_or(NOT_FOUND)?;
        Ok(grant.admit(row)?.into_inner())
    }

    /// Workflows the caller may view, newest first, without deleted ones.
    #[tracing::instrument(
        name = "workflows.list",
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
        let page = self.store.list_workflows(&grant.scope(), false, filter, page?).await?;
        Ok(admitted(grant, page))
    }

    /// Takes a workflow out of use: no new items, no firings; what is there can be finished.
    #[tracing::instrument(
        name = "workflows.delete",
        skip_all,
        fields(workflow.id = %id, user.id = %grant.user()),
        err(level = "debug")
    )]
    pub async fn delete(
        &self,
        grant: &Grant<WorkflowsDelete>,
        id: WorkflowId,
        etag: Checked<Etag>,
        once: Option<&Once>,
    ) -> Result<Workflow, WorkflowError> {
        // The retry of the call that deleted it has its answer.
        let (mut tx, row, answer) = self.hold_live(grant, id, once).await?;
        if let Some(answer) = answer {
            return Ok(answer);
        }
        expect_version(etag?, row.version)?;

        let now = self.clock.now();
        let deleted = Workflow { deleted_at: Some(now), updated_at: now, ..row.clone() };
        tx.save_workflow(&row.save_as(deleted.clone())).await?;
        let deleted = Workflow { version: row.version + 1, ..deleted };
        let event = AuditEvent::by(grant, now, row.tenant, "workflow.deleted", id);
        tx.record(vec![event.with(described(&deleted))]).await?;
        remember(tx.as_mut(), once, &deleted, now).await?;
        tx.commit().await?;
        Ok(deleted)
    }
}

/// What is not there any more is not found, whatever is held where it was.
pub(super) fn gone_or(is_gone: bool, denied: Denied) -> WorkflowError {
    if is_gone { NOT_FOUND } else { denied.into() }
}

/// What the audit trail says about a definition: counts, no texts.
pub(super) fn described(workflow: &Workflow) -> serde_json::Value {
    let definition = &workflow.definition;
    json!({
        "revision": workflow.revision,
        "stages": definition.stages.len(),
        "triggers": definition.triggers.len(),
        "triggers_enabled": definition.triggers.iter().filter(|t| t.enabled).count(),
        "auto_apply_stages":
            definition.stages.iter().filter(|s| s.auto_apply_set_by.is_some()).count(),
        "template": workflow.source.map(|source| source.template),
    })
}

/// People whom stages name. What is no name at all is refused when the definition is judged.
pub(super) fn assigned_users(input: &WorkflowInput) -> Vec<UserId> {
    let names = input.stages.iter().flat_map(|stage| match &stage.assignment {
        AssignmentInput::User(name) => std::slice::from_ref(name),
        AssignmentInput::RoundRobin(rota) => rota.users.as_slice(),
        AssignmentInput::Anyone
        | AssignmentInput::Role(_)
        | AssignmentInput::Queue(_)
        | AssignmentInput::Unsupported(_) => &[],
    });
    let approvals = input.stages.iter().filter_map(|stage| stage.approval.as_ref());
    let approvers = approvals.flat_map(|asked| asked.users.iter().chain(&asked.escalation_users));
    let mut users: Vec<_> = names.chain(approvers).filter_map(|name| name.parse().ok()).collect();
    users.sort_unstable();
    users.dedup();
    users
}

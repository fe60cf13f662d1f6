//! Events meet triggers: each pair makes at most one item.

use std::sync::Arc;

use audit::{AuditEvent, Outcome};
use events::{EventRecord, MAX_DEPTH};
use permissions::{Grant, ItemsCreate, Reporter, WorkflowsView};
use primitives::{Checked, Clock, FiringId, Page, PageRequest, Tenant, WorkflowId};
use serde_json::json;

use super::view::admitted;
use super::{AgentEvent, create_item};
use crate::WorkflowError;
use crate::model::{
    Firing, FiringOutcome, ReservedKey, TriggerMatch, WorkItem, Workflow, data, validate,
};
use crate::store::WorkflowStore;

const NOT_FOUND: WorkflowError = WorkflowError::NotFound("WORKFLOW");

/// The value of `data.triggered_by`.
const BY_AGENT_EVENT: &str = "agent_event";

/// Triggers and what they did.
#[derive(Clone)]
pub struct Triggers {
    store: Arc<dyn WorkflowStore>,
    clock: Arc<dyn Clock>,
}

impl Triggers {
    pub fn new(store: Arc<dyn WorkflowStore>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock }
    }

    /// The triggers an event reaches, at most `limit`.
    pub async fn reached(
        &self,
        event: &EventRecord,
        limit: usize,
    ) -> Result<Vec<TriggerMatch>, WorkflowError> {
        Ok(self.store.triggers_for(event, limit).await?)
    }

    /// Lets one event meet one trigger, on behalf of the event's principal: an item is
    /// created, or the refusal is recorded with its reason (`PERMISSION_DENIED`,
    /// `DEPTH_EXCEEDED`, `WORKFLOW_DELETED`, `TRIGGER_DISABLED`). `None` when they met before.
    ///
    /// `grant` is the principal's, asked for again now, and `None` when he no longer holds the
    /// permission anywhere or is not active; `reporter` is of the workflow's tenant.
    #[tracing::instrument(
        name = "triggers.fire",
        skip_all,
        fields(event.id = %event.id, trigger.id = %reached.trigger, workflow.id = %reached.workflow),
        err(level = "debug")
    )]
    pub async fn fire(
        &self,
        grant: Option<&Grant<ItemsCreate>>,
        reporter: &Reporter,
        event: &EventRecord,
        reached: &TriggerMatch,
    ) -> Result<Option<Firing>, WorkflowError> {
        let scope = reporter.scope();
        let mut tx = self.store.begin(scope.epoch()).await?;
        let row = tx.lock_workflow(&scope, reached.workflow).await?.ok_or(NOT_FOUND)?;
        if !reaches(event, row.tenant) {
            return Err(NOT_FOUND);
        }
        let now = self.clock.now();
        let mut firing = Firing {
            id: FiringId::generate(),
            tenant: row.tenant,
            workflow: row.id,
            trigger: reached.trigger,
            event: event.id,
            event_type: event.kind,
            outcome: FiringOutcome::Refused,
            reason: String::new(),
            work_item: None,
            time: now,
        };
        let caller = reporter.caller();
        let fired = AuditEvent::of(caller, now, row.tenant, "workflow.trigger.fired", row.id);
        let refusal = refusal(event, &row, reached);
        let grant = grant.filter(|grant| grant.user() == event.principal);
        let held = grant.and_then(|grant| {
            let row = grant.scope().show(Workflow::clone(&row))?;
            Some((grant, grant.admit(row).ok()?))
        });
        let (grant, workflow) = match (refusal, held) {
            (None, Some(held)) => held,
            (refusal, _) => {
                firing.reason = refusal.unwrap_or("PERMISSION_DENIED").to_owned();
                if !tx.insert_firing(&firing).await? {
                    return Ok(None);
                }
                let fired = fired.with(details(&firing)).ended(Outcome::Denied);
                tx.record(vec![fired]).await?;
                tx.commit().await?;
                return Ok(Some(firing));
            }
        };

        let repository = match event.repository {
            Some(id) if tx.resolve(&grant.scope(), Some(id), &[]).await?.repository => Some(id),
            _ => None,
        };
        let item_data = event_data(event, reached)?;
        let note = format!("created by {}", event.kind.as_str());
        let fill = |item: &mut WorkItem| {
            item.title = validate::title_of(&event.summary, event.kind.as_str());
            item.data = item_data;
            item.repository = repository;
            item.cause = Some(event.leads_to());
        };
        firing.outcome = FiringOutcome::Fired;
        let (view, created) =
            create_item::insert(tx.as_mut(), grant.caller(), &workflow, now, note, fill).await?;
        firing.work_item = Some(view.item.id);
        // Last of the writes that matter: when they met before, the item above is dropped
        // with the transaction.
        if !tx.insert_firing(&firing).await? {
            return Ok(None);
        }
        tx.record(vec![fired.with(details(&firing)), created]).await?;
        tx.commit().await?;
        Ok(Some(firing))
    }

    /// What a workflow's triggers did, newest first; a deleted workflow keeps its firings.
    #[tracing::instrument(
        name = "triggers.list_firings",
        skip_all,
        fields(workflow.id = %workflow, user.id = %grant.user()),
        err(level = "debug")
    )]
    pub async fn list_firings(
        &self,
        grant: &Grant<WorkflowsView>,
        workflow: WorkflowId,
        page: Checked<PageRequest>,
    ) -> Result<Page<Firing>, WorkflowError> {
        let scope = grant.scope();
        grant.admit(self.store.get_workflow(&scope, workflow).await?.ok_or(NOT_FOUND)?)?;
        Ok(admitted(grant, self.store.list_firings(&scope, workflow, page?).await?))
    }
}

/// An event is seen where it happened, and by its causer's personal workflows.
fn reaches(event: &EventRecord, tenant: Tenant) -> bool {
    tenant == event.tenant || tenant == Tenant::Person(event.principal)
}

/// Why the trigger does not fire, apart from the principal's rights.
fn refusal(event: &EventRecord, row: &Workflow, reached: &TriggerMatch) -> Option<&'static str> {
    if row.deleted_at.is_some() || row.is_template {
        return Some("WORKFLOW_DELETED");
    }
    let listens = row.definition.triggers.iter().any(|trigger| {
        trigger.id == reached.trigger && trigger.enabled && trigger.event_type == event.kind
    });
    if !listens {
        return Some("TRIGGER_DISABLED");
    }
    (event.leads_to().depth > MAX_DEPTH).then_some("DEPTH_EXCEEDED")
}

fn event_data(
    event: &EventRecord,
    reached: &TriggerMatch,
) -> Result<crate::model::Data, WorkflowError> {
    let shown = AgentEvent {
        id: event.id,
        kind: event.kind,
        version: event.version,
        trigger: reached.trigger,
        principal: event.principal,
        cause: event.cause,
        payload: data::value_without_nul(event.payload.clone()),
        time: event.time,
    };
    let mut item_data = crate::model::Data::new();
    data::set(&mut item_data, ReservedKey::Event, &shown)?;
    data::set(&mut item_data, ReservedKey::TriggeredBy, &BY_AGENT_EVENT)?;
    Ok(item_data)
}

fn details(firing: &Firing) -> serde_json::Value {
    json!({
        "trigger": firing.trigger,
        "event": firing.event,
        "event_type": firing.event_type,
        "outcome": firing.outcome.as_str(),
        "reason": firing.reason,
        "work_item": firing.work_item,
    })
}

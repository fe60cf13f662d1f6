//! Events meet triggers: each pair makes at most one item.

use std::sync::Arc;

use audit::{AuditEvent, Outcome};
use events::{EventRecord, MAX_DEPTH};
use permissions::{Authorizer, Grant, ItemsCreate, Reporter, WorkflowsView};
use primitives::{Checked, Clock, FiringId, Page, PageRequest, Tenant, UserId, WorkflowId};
use serde_json::json;

use super::turns::Arrival;
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
    /// What people other than the causer may do.
    authorizer: Arc<Authorizer>,
}

impl Triggers {
    pub fn new(
        store: Arc<dyn WorkflowStore>,
        clock: Arc<dyn Clock>,
        authorizer: Arc<Authorizer>,
    ) -> Self {
        Self { store, clock, authorizer }
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
    /// `DEPTH_EXCEEDED`, `WORKFLOW_DELETED`, `WORKFLOW_PAUSED`, `TRIGGER_DISABLED`,
    /// `SETTER_LEFT`). `None` when they met before.
    ///
    /// `is_there` tells whether somebody is active and, for a team's workflow, a member: a
    /// trigger stops with whoever set it.
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
        is_there: &(dyn Fn(UserId, Tenant) -> bool + Sync),
    ) -> Result<Option<Firing>, WorkflowError> {
        let scope = reporter.scope();
        let reach = grant.map_or_else(|| scope.clone(), |grant| reporter.beside(&grant.scope()));
        let mut tx = self.store.begin(&reach).await?;
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
        let refusal = refusal(event, &row, reached, is_there);
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
                let outcome = if refusal.is_none() { Outcome::Denied } else { Outcome::Failure };
                let fired = fired.with(details(&firing)).ended(outcome);
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
        let arrival = Arrival { caller: grant.caller(), authorizer: &self.authorizer, now };
        let given = create_item::give(tx.as_mut(), &arrival, &workflow, view);
        let (_, given) = Box::pin(given).await?;
        let events = [fired.with(details(&firing)), created];
        tx.record(events.into_iter().chain(given).collect()).await?;
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
fn refusal(
    event: &EventRecord,
    row: &Workflow,
    reached: &TriggerMatch,
    is_there: &(dyn Fn(UserId, Tenant) -> bool + Sync),
) -> Option<&'static str> {
    if row.deleted_at.is_some() || row.is_template {
        return Some("WORKFLOW_DELETED");
    }
    if row.settings.pauses.since.is_some() {
        return Some("WORKFLOW_PAUSED");
    }
    let listening = row.definition.triggers.iter().find(|trigger| {
        trigger.id == reached.trigger && trigger.enabled && trigger.event_type == event.kind
    });
    let Some(trigger) = listening else { return Some("TRIGGER_DISABLED") };
    if !is_there(trigger.set_by, row.tenant) {
        return Some("SETTER_LEFT");
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

#[cfg(test)]
mod tests {
    use events::{Cause, EventType};
    use primitives::{EventId, TeamId, Timestamp, TriggerId};

    use super::*;
    use crate::model::{Definition, Settings, Trigger};

    fn event(tenant: Tenant, principal: UserId) -> EventRecord {
        EventRecord {
            id: EventId::generate(),
            kind: EventType::ApplySuccess,
            version: 1,
            tenant,
            principal,
            cause: None,
            summary: "Applied".into(),
            repository: None,
            payload: json!({ "files": ["a\0.rs"] }),
            time: Timestamp::from_micros(7),
        }
    }

    fn workflow(tenant: Tenant, enabled: bool) -> (Workflow, TriggerMatch) {
        let user = UserId::generate();
        let trigger = Trigger {
            id: TriggerId::generate(),
            event_type: EventType::ApplySuccess,
            enabled,
            description: String::new(),
            set_by: user,
        };
        let now = Timestamp::from_micros(0);
        let row = Workflow {
            id: WorkflowId::generate(),
            tenant,
            is_template: false,
            seed_key: None,
            display_name: "Change Review".into(),
            description: String::new(),
            icon: String::new(),
            category: String::new(),
            tags: vec![],
            definition: Definition {
                stages: vec![],
                triggers: vec![trigger.clone()],
                parameters: vec![],
            },
            revision: 1,
            source: None,
            settings: Settings::default(),
            creator: user,
            created_at: now,
            updated_at: now,
            deleted_at: None,
            version: 1,
            item_key: "BUG".into(),
            last_number: 0,
        };
        let reached = TriggerMatch { trigger: trigger.id, workflow: row.id, tenant };
        (row, reached)
    }

    #[test]
    fn events_stay_where_they_happened_or_with_their_causer() {
        let (team, ann) = (Tenant::Team(TeamId::generate()), UserId::generate());
        let event = event(team, ann);
        assert!(reaches(&event, team));
        assert!(reaches(&event, Tenant::Person(ann)));
        assert!(!reaches(&event, Tenant::Person(UserId::generate())));
        assert!(!reaches(&event, Tenant::Team(TeamId::generate())));
        assert!(!reaches(&event, Tenant::Global));
    }

    #[test]
    fn each_refusal_has_its_reason() {
        let team = Tenant::Team(TeamId::generate());
        let refusal = |event: &EventRecord, row: &Workflow, reached: &TriggerMatch| {
            super::refusal(event, row, reached, &|_, _| true)
        };
        let mut happened = event(team, UserId::generate());
        let (row, reached) = workflow(team, true);
        assert_eq!(refusal(&happened, &row, &reached), None);
        let (off, other) = workflow(team, false);
        assert_eq!(refusal(&happened, &off, &other), Some("TRIGGER_DISABLED"));
        assert_eq!(refusal(&happened, &row, &other), Some("TRIGGER_DISABLED"));
        let gone_from = |tenant| move |_, from| from != tenant;
        let stopped = super::refusal(&happened, &row, &reached, &gone_from(team));
        assert_eq!(stopped, Some("SETTER_LEFT"));
        let gone = Workflow { deleted_at: Some(Timestamp::from_micros(1)), ..row.clone() };
        assert_eq!(refusal(&happened, &gone, &reached), Some("WORKFLOW_DELETED"));
        let mut waiting = row.clone();
        waiting.settings.pauses.since = Some(Timestamp::from_micros(1));
        assert_eq!(refusal(&happened, &waiting, &reached), Some("WORKFLOW_PAUSED"));

        let root = EventId::generate();
        happened.cause = Some(Cause { root, parent: root, depth: MAX_DEPTH - 1 });
        assert_eq!(refusal(&happened, &row, &reached), None);
        happened.cause = Some(Cause { root, parent: root, depth: MAX_DEPTH });
        assert_eq!(refusal(&happened, &row, &reached), Some("DEPTH_EXCEEDED"));
    }

    #[test]
    fn the_item_carries_the_event() {
        let team = Tenant::Team(TeamId::generate());
        let event = event(team, UserId::generate());
        let (_, reached) = workflow(team, true);
        let data = event_data(&event, &reached).unwrap();
        assert_eq!(data["triggered_by"], "agent_event");
        let carried: AgentEvent = serde_json::from_value(data["agent_event"].clone()).unwrap();
        assert_eq!((carried.id, carried.trigger), (event.id, reached.trigger));
        assert_eq!(carried.payload, json!({ "files": ["a.rs"] }));
    }
}

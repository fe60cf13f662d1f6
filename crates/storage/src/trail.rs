//! What every transaction carries beside its change: audit records, events, answers to retries.

use async_trait::async_trait;
use audit::port::AuditError;
use audit::{AuditEvent, AuditTrail, SealedRecord};
use events::{EventError, EventRecord, Once, Outbox, Requests};
use primitives::Timestamp;
use sea_orm::sea_query::InsertStatement;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde_json::Value;

use crate::Tx;
use crate::fault::{Fault, Result};
use crate::row::audit::{audit_event, audit_payload};
use crate::row::events::{outbox, request_record};
use crate::row::{from_json, insert, insert_with, to_json};
use crate::tx::Write;

fn audit_rows(event: &AuditEvent) -> (audit_event::Model, audit_payload::Model) {
    let SealedRecord { bytes, leaf, payload, salt } = SealedRecord::of(event);
    let id = event.id.as_uuid();
    let row = audit_event::Model {
        id,
        tenant_kind: event.tenant.kind().as_str().into(),
        tenant_id: event.tenant.id(),
        actor_id: event.actor.as_uuid(),
        action: event.action.into(),
        resource: event.resource.clone(),
        outcome: event.outcome.as_str().into(),
        recorded_at: event.time.as_micros(),
        request_id: event.request_id.clone(),
        policy_epoch: event.policy_epoch,
        bytes,
        leaf: leaf.to_vec(),
    };
    (row, audit_payload::Model { event_id: id, payload, salt: salt.to_vec() })
}

/// What adds records.
pub(crate) fn record_writes(events: &[AuditEvent]) -> Vec<Write> {
    if events.is_empty() {
        return Vec::new();
    }
    let (rows, payloads): (Vec<_>, Vec<_>) = events.iter().map(audit_rows).unzip();
    [Write::new(insert(rows), events.len()), Write::new(insert(payloads), events.len())].into()
}

/// What remembers an answer.
pub(crate) fn answer_insert(
    once: &Once,
    answer: &Value,
    now: Timestamp,
) -> Result<InsertStatement> {
    Ok(insert(vec![request_record::Model {
        principal_id: once.principal.as_uuid(),
        method: once.method.into(),
        request_key: once.key,
        body_hash: once.body_hash.to_vec(),
        answer: to_json(answer)?,
        created_at: now.as_micros(),
    }]))
}

impl Tx {
    pub(crate) async fn add_records(&mut self, events: &[AuditEvent]) -> Result<()> {
        self.write_all(record_writes(events)).await
    }

    async fn add_events(&mut self, events: Vec<EventRecord>) -> Result<()> {
        let writes = self.event_writes(&events)?;
        self.wakes |= !writes.is_empty();
        self.write_all(writes).await
    }

    /// What adds events; whoever runs it wakes the workers by its commit.
    pub(crate) fn event_writes(&self, events: &[EventRecord]) -> Result<Vec<Write>> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        let rows = events.iter().map(outbox_row).collect::<Result<Vec<_>>>()?;
        // Due by the database's clock, which is the one that claims look at.
        let due = (outbox::Column::DueAt, self.storage.dialect().now());
        Ok(vec![Write::new(insert_with(rows, &[due]), events.len())])
    }

    async fn find_answer(&self, once: &Once) -> Result<Option<request_record::Model>> {
        let found = request_record::Entity::find()
            .filter(request_record::Column::PrincipalId.eq(once.principal.as_uuid()))
            .filter(request_record::Column::Method.eq(once.method))
            .filter(request_record::Column::RequestKey.eq(once.key))
            .one(&self.open)
            .await?;
        Ok(found)
    }
}

fn outbox_row(event: &EventRecord) -> Result<outbox::Model> {
    let time = event.time.as_micros();
    Ok(outbox::Model {
        id: event.id.as_uuid(),
        tenant_kind: event.tenant.kind().as_str().into(),
        tenant_id: event.tenant.id(),
        principal_id: event.principal.as_uuid(),
        event_type: event.kind.as_str().into(),
        record: to_json(event)?,
        state: "PENDING".into(),
        attempt: 0,
        fence: 0,
        due_at: time,
        lease_until: None,
        worker: None,
        problem: None,
        created_at: time,
        finished_at: None,
    })
}

#[async_trait]
impl AuditTrail for Tx {
    async fn record(&mut self, events: Vec<AuditEvent>) -> std::result::Result<(), AuditError> {
        Ok(self.add_records(&events).await?)
    }
}

#[async_trait]
impl Outbox for Tx {
    async fn publish(&mut self, events: Vec<EventRecord>) -> std::result::Result<(), EventError> {
        Ok(self.add_events(events).await?)
    }
}

#[async_trait]
impl Requests for Tx {
    async fn replay(&mut self, once: &Once) -> std::result::Result<Option<Value>, EventError> {
        match self.find_answer(once).await? {
            None => Ok(None),
            Some(row) if row.body_hash == once.body_hash => {
                Ok(Some(from_json("answer", &row.answer)?))
            }
            Some(_) => Err(EventError::RequestIdReused),
        }
    }

    async fn remember(
        &mut self,
        once: &Once,
        answer: &Value,
        now: Timestamp,
    ) -> std::result::Result<(), EventError> {
        let insert = answer_insert(once, answer, now)?;
        self.run(&insert).await.map_err(|fault| match fault {
            Fault::Taken(_) => EventError::Raced,
            fault => fault.into(),
        })?;
        Ok(())
    }
}

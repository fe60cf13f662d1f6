//! Which triggers an event reaches.

use events::EventRecord;
use primitives::{Tenant, TriggerId, WorkflowId};
use sea_orm::sea_query::{Order, Query, SelectStatement};
use sea_orm::{ConnectionTrait, ExprTrait};
use workflow_core::model::TriggerMatch;

use crate::Storage;
use crate::fault::Result;
use crate::reach::Reach;
use crate::row::tenant;
use crate::visibility::{column, owned};

/// No caller looks here: the event's own tenant and principal are the bound. What a trigger
/// then does is checked against the principal's rights.
fn reached_by(event: &EventRecord, limit: usize) -> SelectStatement {
    let at = |name| column("workflow_trigger", name);
    let near = owned("workflow_trigger", event.tenant)
        .or(owned("workflow_trigger", Tenant::Person(event.principal)));
    let of_trigger = column("workflow", "id")
        .eq(at("workflow_id"))
        .and(column("workflow", "tenant_kind").eq(at("tenant_kind")))
        .and(column("workflow", "tenant_id").eq(at("tenant_id")));
    Query::select()
        .expr(at("id"))
        .expr(at("workflow_id"))
        .expr(at("tenant_kind"))
        .expr(at("tenant_id"))
        .from("workflow_trigger")
        .inner_join("workflow", of_trigger)
        .and_where(near)
        .and_where(at("event_type").eq(event.kind.as_str()))
        // Bare, as its partial index says it.
        .and_where(at("enabled"))
        .and_where(column("workflow", "deleted_at").is_null())
        .and_where(column("workflow", "is_template").eq(false))
        .order_by(("workflow_trigger", "id"), Order::Asc)
        .limit(limit as u64)
        .to_owned()
}

impl Storage {
    pub(super) async fn triggers_reached(
        &self,
        event: &EventRecord,
        limit: usize,
    ) -> Result<Vec<TriggerMatch>> {
        let reach = Reach::of_work(event.tenant, event.principal);
        let read = self.read_within(&reach).await?;
        let rows = read.rows().query_all(&reached_by(event, limit)).await?;
        rows.iter()
            .map(|row| {
                let kind: String = row.try_get("", "tenant_kind")?;
                Ok(TriggerMatch {
                    trigger: TriggerId::from_uuid(row.try_get("", "id")?),
                    workflow: WorkflowId::from_uuid(row.try_get("", "workflow_id")?),
                    tenant: tenant(&kind, row.try_get("", "tenant_id")?)?,
                })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use events::EventType;
    use primitives::{EventId, TeamId, Timestamp, UserId};
    use uuid::Uuid;

    use super::*;
    use crate::visibility::tests::sql;

    #[test]
    fn an_event_reaches_its_tenant_and_its_causers_own_workflows() {
        let event = EventRecord {
            id: EventId::from_uuid(Uuid::nil()),
            kind: EventType::ApplySuccess,
            version: 1,
            tenant: Tenant::Team(TeamId::from_uuid(Uuid::from_u128(0x7EA0))),
            principal: UserId::from_uuid(Uuid::from_u128(0xAAAA)),
            cause: None,
            summary: String::new(),
            repository: None,
            payload: serde_json::Value::Null,
            time: Timestamp::from_micros(0),
        };
        insta::assert_snapshot!(sql(&reached_by(&event, 100)));
    }
}

//! The audit trail as it is read.

use async_trait::async_trait;
use audit::Outcome;
use audit::port::{AuditFilter, AuditPlace, AuditReadError, AuditReader, StoredEvent};
use permissions::Scope;
use primitives::{AuditEventId, Page, PageAfter, PageRequest, Tenant, Timestamp, UserId};
use sea_orm::sea_query::{Expr, Func, Query, SelectStatement, SimpleExpr};
use sea_orm::{ConnectionTrait, EntityTrait, ExprTrait, FromQueryResult, QueryTrait};

use crate::Storage;
use crate::fault::Result;
use crate::row::audit::audit_event;
use crate::row::{from_json_opt, known, tenant};
use crate::visibility::{Direction, column, owned, page};

#[derive(FromQueryResult)]
struct RecordRow {
    #[sea_orm(nested)]
    event: audit_event::Model,
    payload: Option<String>,
}

fn of_place(place: AuditPlace) -> SimpleExpr {
    match place {
        AuditPlace::Tenant(tenant) => owned("audit_event", tenant),
        AuditPlace::Own(user) => {
            owned("audit_event", Tenant::Person(user))
                .or(column("audit_event", "actor_id").eq(user.as_uuid()))
        }
    }
}

/// Compares characters: what a caller says is never made a pattern, and no collation matters.
fn begins_with(name: &'static str, prefix: &str) -> SimpleExpr {
    let length = i32::try_from(prefix.chars().count()).unwrap_or(i32::MAX);
    let first = [column("audit_event", name), Expr::val(1), Expr::val(length)];
    Expr::from(Func::cust("substr").args(first)).eq(prefix)
}

fn records(filter: &AuditFilter, request: PageRequest) -> SelectStatement {
    // Looked up for the rows of the page, not joined to all that are sorted for it.
    let payload = Query::select()
        .expr(column("audit_payload", "payload"))
        .from("audit_payload")
        .and_where(column("audit_payload", "event_id").eq(column("audit_event", "id")))
        .to_owned();
    let mut select = audit_event::Entity::find().into_query();
    select.expr_as(Expr::from(payload), "payload").and_where(of_place(filter.place));
    if let Some(prefix) = filter.action_prefix.as_deref().filter(|prefix| !prefix.is_empty()) {
        select.and_where(begins_with("action", prefix));
    }
    if let Some(resource) = &filter.resource {
        select.and_where(column("audit_event", "resource").eq(resource.as_str()));
    }
    page(&mut select, "audit_event", "recorded_at", Direction::NewestFirst, request);
    select
}

fn record(row: RecordRow) -> Result<StoredEvent> {
    let RecordRow { event, payload } = row;
    Ok(StoredEvent {
        id: AuditEventId::from_uuid(event.id),
        time: Timestamp::from_micros(event.recorded_at),
        actor: UserId::from_uuid(event.actor_id),
        tenant: tenant(&event.tenant_kind, event.tenant_id)?,
        action: event.action,
        resource: event.resource,
        outcome: known("outcome", &event.outcome, Outcome::parse)?,
        request_id: event.request_id,
        payload: from_json_opt("payload", payload.as_deref())?,
    })
}

/// What the reader may see of the place: a tenant in his scope, or his own.
fn may_see(scope: &Scope, place: AuditPlace) -> bool {
    match place {
        AuditPlace::Tenant(tenant) => scope.sees(tenant),
        AuditPlace::Own(user) => user == scope.user(),
    }
}

impl Storage {
    async fn record_page(
        &self,
        scope: &Scope,
        filter: &AuditFilter,
        request: PageRequest,
    ) -> Result<Page<StoredEvent>> {
        let read = self.read(scope).await?;
        if !may_see(scope, filter.place) {
            tracing::error!("records were asked for outside the reader's scope");
            return Ok(Page { items: Vec::new(), next: None });
        }
        let rows = read.rows().query_all(&records(filter, request)).await?;
        let rows = rows
            .iter()
            .map(|row| record(RecordRow::from_query_result(row, "")?))
            .collect::<Result<Vec<_>>>()?;
        let place =
            |row: &StoredEvent| PageAfter { key: row.time.as_micros(), id: row.id.as_uuid() };
        Ok(Page::cut(rows, request.size, place))
    }
}

#[async_trait]
impl AuditReader for Storage {
    async fn list_events(
        &self,
        scope: &Scope,
        filter: &AuditFilter,
        page: PageRequest,
    ) -> std::result::Result<Page<StoredEvent>, AuditReadError> {
        Ok(self.record_page(scope, filter, page).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::visibility::tests::sql;

    #[test]
    fn records_are_sought_by_place() {
        let user = UserId::from_uuid(uuid::Uuid::from_u128(1));
        let filter = AuditFilter {
            place: AuditPlace::Own(user),
            action_prefix: Some("work%".into()),
            resource: Some("workItems/x".into()),
        };
        insta::assert_snapshot!(sql(&records(&filter, PageRequest::first())));
    }
}

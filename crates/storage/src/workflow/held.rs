//! Items that somebody answers for, whoever owns them: found here, changed in the scope of
//! their owner.

use async_trait::async_trait;
use primitives::WorkItemId;
use sea_orm::sea_query::{Func, Order, Query, SelectStatement};
use sea_orm::{ConnectionTrait, ExprTrait, QueryResult};
use workflow_core::StoreError;
use workflow_core::store::{HeldBy, HeldItem, HeldItems};

use crate::Storage;
use crate::dialect::Dialect;
use crate::fault::Result;
use crate::row::tenant;
use crate::visibility::{column, constant, owned};

const COLUMNS: [&str; 3] = ["id", "tenant_kind", "tenant_id"];
pub(super) const HELD: [&str; 3] = ["CLAIMED", "IN_PROGRESS", "BLOCKED"];

/// By the function of the schema.
fn through_door(held: &HeldBy) -> SelectStatement {
    let call = Func::cust("queue_held_items")
        .arg(held.user.as_uuid())
        .arg(held.within.map(|owner| owner.kind().as_str()))
        .arg(held.within.map(primitives::Tenant::id))
        .arg(held.until.as_micros())
        .arg(held.after.map(|id| id.as_uuid()))
        .arg(i64::from(held.limit));
    Query::select().columns(COLUMNS).from_function(call, "held").to_owned()
}

/// The same in words of a database without such functions.
fn directly(held: &HeldBy) -> SelectStatement {
    let item = |name| column("work_item", name);
    let claimed_at = item("claimed_at");
    Query::select()
        .exprs(COLUMNS.map(item))
        .from("work_item")
        .and_where(item("assignee_id").eq(held.user.as_uuid()))
        .and_where(item("state").is_in(HELD.map(constant)))
        .and_where(claimed_at.clone().is_null().or(claimed_at.lte(held.until.as_micros())))
        .and_where_option(held.within.map(|owner| owned("work_item", owner)))
        .and_where_option(held.after.map(|after| item("id").gt(after.as_uuid())))
        .order_by(("work_item", "id"), Order::Asc)
        .limit(u64::from(held.limit))
        .to_owned()
}

fn held_item(row: &QueryResult) -> Result<HeldItem> {
    let kind: String = row.try_get("", "tenant_kind")?;
    Ok(HeldItem {
        id: WorkItemId::from_uuid(row.try_get("", "id")?),
        tenant: tenant(&kind, row.try_get("", "tenant_id")?)?,
    })
}

impl Storage {
    async fn find_held(&self, held: &HeldBy) -> Result<Vec<HeldItem>> {
        let select = match self.dialect() {
            Dialect::Postgres => through_door(held),
            Dialect::Sqlite => directly(held),
        };
        self.reader().query_all(&select).await?.iter().map(held_item).collect()
    }
}

#[async_trait]
impl HeldItems for Storage {
    async fn held_items(&self, held: &HeldBy) -> std::result::Result<Vec<HeldItem>, StoreError> {
        Ok(self.find_held(held).await?)
    }
}

#[cfg(test)]
mod tests {
    use primitives::{Tenant, Timestamp, UserId};
    use uuid::Uuid;

    use super::*;
    use crate::visibility::tests::sql;

    #[test]
    fn items_are_sought_by_who_holds_them() {
        let user = UserId::from_uuid(Uuid::from_u128(0xAAAA));
        let held = HeldBy {
            user,
            within: Some(Tenant::Person(user)),
            until: Timestamp::from_micros(7),
            after: Some(WorkItemId::from_uuid(Uuid::from_u128(9))),
            limit: 50,
        };
        insta::assert_snapshot!("held_directly", sql(&directly(&held)));
        insta::assert_snapshot!("held_through_door", sql(&through_door(&held)));
    }
}

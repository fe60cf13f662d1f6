//! Queues of items, by keyset over two columns.
//!
//! A page begins after a priority and a time. Both are in the one number of a place: times
//! have 60 bits, which is enough for 36,000 years, and the rank of the priority lies above.

use std::sync::Arc;

use async_trait::async_trait;
use permissions::{Scope, Visible};
use primitives::{Page, PageAfter, PageRequest, Timestamp, WorkflowId};
use sea_orm::sea_query::{Condition, Expr, Order, Query, SelectStatement, TableRef};
use sea_orm::{ConnectionTrait, ExprTrait, FromQueryResult, QueryResult};
use uuid::Uuid;
use workflow_core::StoreError;
use workflow_core::model::{Definition, LockedItem, Priority, StageId};
use workflow_core::store::{Place, QueueStore};

use super::convert;
use super::held::HELD;
use super::query::{self, ItemRow};
use crate::Storage;
use crate::fault::{Fault, Result};
use crate::tx::Read;
use crate::visibility::{Direction, column, constant, page, seen, show};

const TABLE: &str = "work_item";
const TIME_BITS: u32 = 60;
const LAST_TIME: i64 = (1 << TIME_BITS) - 1;

/// Where an item stands in a list by priority and then by a time.
fn ranked(priority: Priority, time: i64) -> i64 {
    let rank = i64::from(Priority::Urgent.as_i32() - priority.as_i32());
    (rank << TIME_BITS) | time.clamp(0, LAST_TIME)
}

/// What [`ranked`] was made of.
fn unranked(key: i64) -> (i64, i64) {
    let rank = (key >> TIME_BITS).clamp(0, 4);
    (i64::from(Priority::Urgent.as_i32()) - rank, key & LAST_TIME)
}

fn waiting(scope: &Scope, workflow: Uuid) -> SelectStatement {
    Query::select()
        .distinct()
        .exprs(["revision", "stage_id"].map(|name| column(TABLE, name)))
        .from(TABLE)
        .cond_where(seen(TABLE, scope))
        .and_where(column(TABLE, "workflow_id").eq(workflow))
        .and_where(column(TABLE, "state").eq(constant("PENDING")))
        .order_by((TABLE, "revision"), Order::Asc)
        .order_by((TABLE, "stage_id"), Order::Asc)
        .to_owned()
}

/// What an item waits for and is not over.
fn open_blockers() -> SelectStatement {
    let dependency = |name| column("work_item_dependency", name);
    Query::select()
        .expr(Expr::val(1))
        .from("work_item_dependency")
        .inner_join(
            TableRef::from(TABLE).alias("blocker"),
            query::same_tenant("blocker", "work_item_dependency")
                .add(column("blocker", "id").eq(dependency("blocker_id"))),
        )
        .cond_where(query::same_tenant("work_item_dependency", TABLE))
        .and_where(dependency("work_item_id").eq(column(TABLE, "id")))
        .and_where(column("blocker", "closed_at").is_null())
        .to_owned()
}

fn queue_page(
    scope: &Scope,
    workflow: Uuid,
    places: &[Place],
    request: PageRequest,
) -> SelectStatement {
    let mut select = query::items(scope);
    let place = Expr::tuple([column(TABLE, "revision"), column(TABLE, "stage_id")]);
    select
        .and_where(column(TABLE, "workflow_id").eq(workflow))
        .and_where(column(TABLE, "state").eq(constant("PENDING")))
        .and_where(Expr::exists(open_blockers()).not())
        .and_where(place.in_tuples(places.iter().map(|at| (at.revision, at.stage.0.clone()))));
    if let Some(after) = request.after {
        let (priority, time) = unranked(after.key);
        let here = Expr::tuple([column(TABLE, "created_at"), column(TABLE, "id")]);
        let last = Expr::tuple([Expr::val(time), Expr::val(after.id)]);
        select.and_where(column(TABLE, "priority").lte(priority)).cond_where(
            Condition::any().add(column(TABLE, "priority").lt(priority)).add(here.gt(last)),
        );
    }
    select
        .order_by((TABLE, "priority"), Order::Desc)
        .order_by((TABLE, "created_at"), Order::Asc)
        .order_by((TABLE, "id"), Order::Asc)
        .limit(u64::from(request.size) + 1)
        .to_owned()
}

/// When an item is late; one that never is comes after all others.
const DUE: &str = "coalesce(work_item.overdue_at, 1152921504606846975)";

fn held_page(scope: &Scope, request: PageRequest) -> SelectStatement {
    let mut select = query::items(scope);
    select
        .and_where(column(TABLE, "assignee_id").eq(scope.user().as_uuid()))
        .and_where(column(TABLE, "state").is_in(HELD.map(constant)));
    if let Some(after) = request.after {
        let (priority, time) = unranked(after.key);
        let here = Expr::tuple([Expr::cust(DUE), column(TABLE, "id")]);
        let last = Expr::tuple([Expr::val(time), Expr::val(after.id)]);
        select.and_where(column(TABLE, "priority").lte(priority)).cond_where(
            Condition::any().add(column(TABLE, "priority").lt(priority)).add(here.gt(last)),
        );
    }
    select
        .order_by((TABLE, "priority"), Order::Desc)
        .order_by_expr(Expr::cust(DUE), Order::Asc)
        .order_by((TABLE, "id"), Order::Asc)
        .limit(u64::from(request.size) + 1)
        .to_owned()
}

fn overdue_page(scope: &Scope, now: Timestamp, request: PageRequest) -> SelectStatement {
    let mut select = query::items(scope);
    select
        .and_where(column(TABLE, "closed_at").is_null())
        .and_where(column(TABLE, "overdue_at").lt(now.as_micros()));
    page(&mut select, TABLE, "overdue_at", Direction::OldestFirst, request);
    select
}

impl Storage {
    /// Items of a page that was read, with their definitions.
    pub(super) async fn items_of(
        &self,
        read: &Read,
        scope: &Scope,
        rows: &[QueryResult],
        size: u32,
        place: impl Fn(&LockedItem) -> PageAfter + Send,
    ) -> Result<Page<Visible<LockedItem>>> {
        let rows = rows
            .iter()
            .map(|row| Ok(ItemRow::from_query_result(row, "")?))
            .collect::<Result<Vec<_>>>()?;
        let pinned = self.pinned_definitions(read, scope, &rows).await?;
        let missing = || Fault::Internal("an item has no definition".into());
        let items = rows.into_iter().map(|row| {
            let definition = pinned.get(&(row.item.workflow_id, row.item.revision));
            convert::item(row, definition.ok_or_else(missing)?.clone())
        });
        let page = Page::cut(items.collect::<Result<Vec<_>>>()?, size, place);
        let shown = page.items.into_iter().filter_map(|row| show(scope, row)).collect();
        Ok(Page { items: shown, next: page.next })
    }

    async fn places_of(
        &self,
        scope: &Scope,
        workflow: Uuid,
    ) -> Result<Vec<(Place, Arc<Definition>)>> {
        let read = self.read(scope).await?;
        let mut places = Vec::new();
        for row in read.rows().query_all(&waiting(scope, workflow)).await? {
            let stage = StageId(row.try_get("", "stage_id")?);
            places.push(Place { revision: row.try_get("", "revision")?, stage });
        }
        let revisions = places.iter().map(|place| (workflow, place.revision)).collect();
        let definitions = self.definitions_of(&read, scope, revisions).await?;
        let missing = || Fault::Internal("a revision has no definition".into());
        let known = places.into_iter().map(|place| {
            let definition = definitions.get(&(workflow, place.revision)).cloned();
            Ok((place, definition.ok_or_else(missing)?))
        });
        known.collect()
    }

    async fn held_of(
        &self,
        scope: &Scope,
        request: PageRequest,
    ) -> Result<Page<Visible<LockedItem>>> {
        let read = self.read(scope).await?;
        let rows = read.rows().query_all(&held_page(scope, request)).await?;
        let place = |row: &LockedItem| {
            let due = row.item.overdue_at().map_or(LAST_TIME, Timestamp::as_micros);
            PageAfter { key: ranked(row.item.priority, due), id: row.item.id.as_uuid() }
        };
        self.items_of(&read, scope, &rows, request.size, place).await
    }

    async fn overdue_of(
        &self,
        scope: &Scope,
        now: Timestamp,
        request: PageRequest,
    ) -> Result<Page<Visible<LockedItem>>> {
        let read = self.read(scope).await?;
        let rows = read.rows().query_all(&overdue_page(scope, now, request)).await?;
        let place = |row: &LockedItem| {
            let key = row.item.overdue_at().map_or(i64::MAX, Timestamp::as_micros);
            PageAfter { key, id: row.item.id.as_uuid() }
        };
        self.items_of(&read, scope, &rows, request.size, place).await
    }

    async fn queue_of(
        &self,
        scope: &Scope,
        workflow: Uuid,
        places: &[Place],
        request: PageRequest,
    ) -> Result<Page<Visible<LockedItem>>> {
        let read = self.read(scope).await?;
        let select = queue_page(scope, workflow, places, request);
        let rows = read.rows().query_all(&select).await?;
        let place = |row: &LockedItem| {
            let key = ranked(row.item.priority, row.item.created_at.as_micros());
            PageAfter { key, id: row.item.id.as_uuid() }
        };
        self.items_of(&read, scope, &rows, request.size, place).await
    }
}

#[async_trait]
impl QueueStore for Storage {
    async fn waiting_places(
        &self,
        scope: &Scope,
        workflow: WorkflowId,
    ) -> std::result::Result<Vec<(Place, Arc<Definition>)>, StoreError> {
        Ok(self.places_of(scope, workflow.as_uuid()).await?)
    }

    async fn list_queue(
        &self,
        scope: &Scope,
        workflow: WorkflowId,
        places: &[Place],
        page: PageRequest,
    ) -> std::result::Result<Page<Visible<LockedItem>>, StoreError> {
        Ok(self.queue_of(scope, workflow.as_uuid(), places, page).await?)
    }

    async fn list_held(
        &self,
        scope: &Scope,
        page: PageRequest,
    ) -> std::result::Result<Page<Visible<LockedItem>>, StoreError> {
        Ok(self.held_of(scope, page).await?)
    }

    async fn list_overdue(
        &self,
        scope: &Scope,
        now: Timestamp,
        page: PageRequest,
    ) -> std::result::Result<Page<Visible<LockedItem>>, StoreError> {
        Ok(self.overdue_of(scope, now, page).await?)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::visibility::tests::{scope, sql};

    #[tokio::test]
    async fn queues_are_read_in_scope() {
        let (scope, id) = (scope().await, Uuid::from_u128(1));
        insta::assert_snapshot!("waiting_places", sql(&waiting(&scope, id)));
        let places = [Place { revision: 1, stage: StageId("do".into()) }];
        let after = Some(PageAfter { key: ranked(Priority::High, 7), id });
        let page = queue_page(&scope, id, &places, PageRequest { size: 2, after });
        insta::assert_snapshot!("queue_page", sql(&page));
        let page = held_page(&scope, PageRequest { size: 2, after });
        insta::assert_snapshot!("held_page", sql(&page));
        let page = overdue_page(&scope, Timestamp::from_micros(9), PageRequest::first());
        insta::assert_snapshot!("overdue_page", sql(&page));
        assert!(DUE.contains(&LAST_TIME.to_string()));
    }

    proptest! {
        #[test]
        fn a_place_keeps_priority_and_time(time in 0..=LAST_TIME, which in 0_usize..4) {
            let priority = Priority::ALL[which];
            let expected = (i64::from(priority.as_i32()), time);
            prop_assert_eq!(unranked(ranked(priority, time)), expected);
        }

        #[test]
        fn no_place_is_out_of_range(key: i64) {
            let (priority, time) = unranked(key);
            prop_assert!((0..=4).contains(&priority) && (0..=LAST_TIME).contains(&time));
        }
    }
}

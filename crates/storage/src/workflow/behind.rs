//! Open items on older revisions: counted, and held to be moved.

use std::sync::Arc;

use permissions::Scope;
use primitives::{PageRequest, WorkItemId};
use sea_orm::sea_query::{
    Alias, Expr, Func, LockBehavior, LockType, Order, Query, SelectStatement,
};
use sea_orm::{ConnectionTrait, ExprTrait, FromQueryResult};
use uuid::Uuid;
use workflow_core::model::{Definition, StageId};
use workflow_core::store::{Gathered, HeldPage, Place};

use super::convert;
use super::query::{self, ItemRow};
use crate::Tx;
use crate::dialect::Dialect;
use crate::fault::{Fault, Result};
use crate::row::narrow;
use crate::visibility::{column, seen, show};

const TABLE: &str = "work_item";

fn behind(scope: &Scope, workflow: Uuid, revision: i64) -> SelectStatement {
    Query::select()
        .from(TABLE)
        .cond_where(seen(TABLE, scope))
        .and_where(column(TABLE, "workflow_id").eq(workflow))
        .and_where(column(TABLE, "revision").lt(revision))
        .and_where(column(TABLE, "closed_at").is_null())
        .to_owned()
}

fn gathered(scope: &Scope, workflow: Uuid, revision: i64) -> SelectStatement {
    let items = behind(scope, workflow, revision)
        .exprs(["revision", "stage_id"].map(|name| column(TABLE, name)))
        .expr_as(
            Expr::case(Expr::exists(query::live_run()), 1).finally(0).cast_as("bigint"),
            Alias::new("has_run"),
        )
        .to_owned();
    let by = ["revision", "stage_id", "has_run"];
    let mut select = Query::select();
    select.exprs(by.map(|name| column("behind", name)));
    select.expr_as(Func::count(column("behind", "revision")), Alias::new("number"));
    select.from_subquery(items, "behind");
    for name in by {
        select.add_group_by([column("behind", name)]).order_by(("behind", name), Order::Asc);
    }
    select
}

/// A page of names and one more.
fn page_behind(scope: &Scope, workflow: Uuid, revision: i64, page: PageRequest) -> SelectStatement {
    let mut select = behind(scope, workflow, revision);
    if let Some(after) = page.after {
        select.and_where(column(TABLE, "id").gt(after.id));
    }
    select
        .expr(column(TABLE, "id"))
        .order_by((TABLE, "id"), Order::Asc)
        .limit(u64::from(page.size) + 1)
        .to_owned()
}

/// Those of a page that nobody else holds and that are still to be moved.
fn held_behind(
    scope: &Scope,
    workflow: Uuid,
    revision: i64,
    page: &[Uuid],
    dialect: Dialect,
) -> SelectStatement {
    let mut select = behind(scope, workflow, revision);
    select
        .expr(column(TABLE, "id"))
        .and_where(column(TABLE, "id").is_in(page.iter().copied()))
        .order_by((TABLE, "id"), Order::Asc);
    if dialect == Dialect::Postgres {
        let (kind, passing) = (LockType::NoKeyUpdate, LockBehavior::SkipLocked);
        select.lock_with_tables_behavior(kind, [Alias::new(TABLE)], passing);
    }
    select
}

/// What is held, as it is.
fn items_held(scope: &Scope, held: &[Uuid]) -> SelectStatement {
    query::items(scope)
        .and_where(column(TABLE, "id").is_in(held.iter().copied()))
        .order_by((TABLE, "id"), Order::Asc)
        .to_owned()
}

impl Tx {
    pub(super) async fn count_behind(
        &self,
        scope: &Scope,
        workflow: Uuid,
        revision: i64,
    ) -> Result<Vec<(Gathered, Arc<Definition>)>> {
        let mut found = Vec::new();
        for row in self.open.query_all(&gathered(scope, workflow, revision)).await? {
            let stage = StageId(row.try_get("", "stage_id")?);
            let place = Place { revision: row.try_get("", "revision")?, stage };
            let (has_run, number): (i64, i64) =
                (row.try_get("", "has_run")?, row.try_get("", "number")?);
            let items = narrow("number", number)?;
            found.push(Gathered { place, has_run: has_run == 1, items });
        }
        let keys = found.iter().map(|at| (workflow, at.place.revision)).collect();
        let definitions = self.storage.definitions_over(&self.open, scope, keys).await?;
        let known = found.into_iter().map(|at| {
            let definition = definitions.get(&(workflow, at.place.revision)).cloned();
            Ok((at, definition.ok_or_else(missing)?))
        });
        known.collect()
    }

    async fn uuids(&self, select: &SelectStatement) -> Result<Vec<Uuid>> {
        let rows = self.open.query_all(select).await?;
        rows.iter().map(|row| Ok(row.try_get("", "id")?)).collect()
    }

    /// Names first, then locks, then what is locked: a statement that locks rows may return
    /// them newer than what it joins.
    pub(super) async fn hold_behind(
        &self,
        scope: &Scope,
        workflow: Uuid,
        revision: i64,
        page: PageRequest,
    ) -> Result<HeldPage> {
        let mut names = self.uuids(&page_behind(scope, workflow, revision, page)).await?;
        let has_more = names.len() > page.size as usize;
        names.truncate(page.size as usize);
        let Some(last) = names.last().copied() else { return Ok(HeldPage::default()) };
        let dialect = self.storage.dialect();
        let held = self.uuids(&held_behind(scope, workflow, revision, &names, dialect)).await?;
        let rows = self.open.query_all(&items_held(scope, &held)).await?;
        let rows = rows
            .iter()
            .map(|row| Ok(ItemRow::from_query_result(row, "")?))
            .collect::<Result<Vec<_>>>()?;
        let keys = rows.iter().map(|row| (row.item.workflow_id, row.item.revision)).collect();
        let pinned = self.storage.definitions_over(&self.open, scope, keys).await?;
        let mut items = Vec::with_capacity(rows.len());
        for row in rows {
            let definition = pinned.get(&(row.item.workflow_id, row.item.revision));
            let row = convert::item(row, definition.ok_or_else(missing)?.clone())?;
            items.extend(show(scope, row));
        }
        let in_use = names.into_iter().filter(|name| !held.contains(name));
        let in_use = in_use.map(WorkItemId::from_uuid).collect();
        Ok(HeldPage { items, in_use, next: has_more.then(|| WorkItemId::from_uuid(last)) })
    }
}

fn missing() -> Fault {
    Fault::Internal("a revision has no definition".into())
}

#[cfg(test)]
mod tests {
    use primitives::PageAfter;

    use super::*;
    use crate::visibility::tests::{scope, sql};

    const ID: Uuid = Uuid::from_u128(1);

    #[tokio::test]
    async fn items_behind_are_sought_in_scope() {
        let scope = scope().await;
        let page = PageRequest { size: 2, after: Some(PageAfter { key: 0, id: ID }) };
        insta::assert_snapshot!("gathered", sql(&gathered(&scope, ID, 3)));
        insta::assert_snapshot!("page_behind", sql(&page_behind(&scope, ID, 3, page)));
        let held = held_behind(&scope, ID, 3, &[ID], Dialect::Postgres);
        insta::assert_snapshot!("held_behind", sql(&held));
        insta::assert_snapshot!("items_held", sql(&items_held(&scope, &[ID])));
    }
}

//! Looks across tenants, each for one purpose.
//!
//! On Postgres each is a function of the schema, which may see what the server's role may
//! not; SQLite is asked by the same words without one.

use std::time::Duration;

use agent_core::model::{RunKind, RunState};
use sea_orm::sea_query::{Expr, Func, FunctionCall, Order, Query, SelectStatement, SimpleExpr};
use sea_orm::{
    ConnectionTrait, EntityTrait, ExprTrait, FromQueryResult, IdenStatic, Iterable, QueryTrait,
};
use uuid::Uuid;

use super::{first, has_passed, with_time};
use crate::dialect::Dialect;
use crate::fault::Result;
use crate::row::agent::{agent_run, repository};
use crate::row::events::outbox;
use crate::row::narrow;
use crate::visibility::{column, constant};
use crate::{Storage, Tx};

/// Ends that no worker makes: they are reported until they are settled.
pub(super) const QUEUE_ENDS: [&str; 3] =
    [RunState::TimedOut.as_str(), RunState::Dead.as_str(), RunState::Cancelled.as_str()];

/// All columns of the rows of `E` that a function returns.
fn through<E: EntityTrait>(door: FunctionCall) -> SelectStatement {
    let table = E::default().table_name();
    let columns = E::Column::iter().map(|name| column(table, name.as_str()));
    Query::select().exprs(columns).from_function(door, table).to_owned()
}

pub(super) fn door(name: &'static str) -> FunctionCall {
    Func::cust(name)
}

/// Nobody's, or given back, or its holder went silent.
fn is_free(dialect: Dialect) -> SimpleExpr {
    Expr::col("lease_until").is_null().or(has_passed(dialect, "lease_until"))
}

fn oldest<E: EntityTrait>(key: &'static str) -> SelectStatement {
    E::find().into_query().order_by(key, Order::Asc).order_by("id", Order::Asc).to_owned()
}

/// Whether the workflow, or the stage, of an assist run's item is paused. Stage ids are
/// spelled with letters, digits, `_` and `-`, so a quoted one stands for itself.
fn is_paused() -> SimpleExpr {
    let quoted = Expr::cust(r#"'"' || "work_item"."stage_id" || '"'"#);
    let named = Func::cust("instr").args([column("workflow", "paused_stages"), quoted]);
    let held = Query::select()
        .expr(Expr::val(1))
        .from("work_item")
        .inner_join("workflow", column("workflow", "id").eq(column("work_item", "workflow_id")))
        .and_where(column("work_item", "id").eq(column("agent_run", "work_item_id")))
        .and_where(column("agent_run", "kind").eq(constant(RunKind::Assist.as_str())))
        .and_where(column("workflow", "paused_at").is_not_null().or(Expr::from(named).gt(0)))
        .to_owned();
    Expr::exists(held)
}

impl Tx {
    /// Holds a run whose worker went silent, else the oldest one that waits.
    pub(super) async fn due_run(&self) -> Result<Option<(agent_run::Model, i64)>> {
        let dialect = self.storage.dialect();
        if dialect == Dialect::Postgres {
            return first(self, through::<agent_run::Entity>(door("queue_due_run"))).await;
        }
        for (state, due) in [(RunState::Running, "lease_until"), (RunState::Queued, "due_at")] {
            let mut select = oldest::<agent_run::Entity>(due);
            select
                .and_where(Expr::col("state").eq(constant(state.as_str())))
                .and_where(has_passed(dialect, due));
            if state == RunState::Queued {
                select.and_where(is_paused().not());
            }
            let found = first(self, select).await?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// Holds the oldest run that ended without its worker, and nobody has told of.
    pub(super) async fn ended_run(&self) -> Result<Option<(agent_run::Model, i64)>> {
        let dialect = self.storage.dialect();
        let select = match dialect {
            Dialect::Postgres => through::<agent_run::Entity>(door("queue_ended_run")),
            Dialect::Sqlite => oldest::<agent_run::Entity>("ended_at")
                .and_where(Expr::col("state").is_in(QUEUE_ENDS.map(constant)))
                .and_where(Expr::col("settled_at").is_null())
                .and_where(is_free(dialect))
                .to_owned(),
        };
        first(self, select).await
    }

    /// Holds the event that is to be delivered next.
    pub(super) async fn due_event(&self) -> Result<Option<(outbox::Model, i64)>> {
        let dialect = self.storage.dialect();
        let select = match dialect {
            Dialect::Postgres => through::<outbox::Entity>(door("queue_due_event")),
            Dialect::Sqlite => oldest::<outbox::Entity>("due_at")
                .and_where(Expr::col("state").eq(constant("PENDING")))
                .and_where(has_passed(dialect, "due_at"))
                .and_where(is_free(dialect))
                .to_owned(),
        };
        first(self, select).await
    }
}

/// What waits for delivery.
#[derive(FromQueryResult)]
pub(super) struct Backlog {
    pub(super) number: i64,
    pub(super) oldest: Option<i64>,
}

impl Storage {
    /// A run by its id, whoever owns it.
    pub(super) async fn any_run(&self, id: Uuid) -> Result<Option<agent_run::Model>> {
        let select = match self.dialect() {
            Dialect::Postgres => through::<agent_run::Entity>(door("queue_run").arg(id)),
            Dialect::Sqlite => agent_run::Entity::find_by_id(id).into_query(),
        };
        self.one_through(&select).await
    }

    /// A repository by its id, whoever owns it.
    pub(crate) async fn any_repository(&self, id: Uuid) -> Result<Option<repository::Model>> {
        let select = match self.dialect() {
            Dialect::Postgres => through::<repository::Entity>(door("queue_repository").arg(id)),
            Dialect::Sqlite => repository::Entity::find_by_id(id).into_query(),
        };
        self.one_through(&select).await
    }

    pub(super) async fn all_repositories(&self) -> Result<Vec<repository::Model>> {
        let select = match self.dialect() {
            Dialect::Postgres => through::<repository::Entity>(door("queue_repositories")),
            Dialect::Sqlite => repository::Entity::find().into_query(),
        };
        let rows = self.reader().query_all(&select).await?;
        rows.iter().map(|row| Ok(FromQueryResult::from_query_result(row, "")?)).collect()
    }

    /// Runs by state.
    pub(super) async fn run_counts(&self) -> Result<Vec<(String, i64)>> {
        let mut select = Query::select();
        match self.dialect() {
            Dialect::Postgres => select
                .columns(["state", "number"])
                .from_function(door("queue_run_counts"), "counts"),
            Dialect::Sqlite => select
                .column("state")
                .expr_as(Func::count(Expr::col("id")), "number")
                .from("agent_run")
                .group_by_col("state"),
        };
        let rows = self.reader().query_all(&select).await?;
        rows.iter().map(|row| Ok((row.try_get("", "state")?, row.try_get("", "number")?))).collect()
    }

    /// How many events wait, when the oldest of them happened, and the time.
    pub(super) async fn backlog_now(&self) -> Result<Option<(Backlog, i64)>> {
        let mut select = Query::select();
        match self.dialect() {
            Dialect::Postgres => {
                select.columns(["number", "oldest"]).from_function(door("queue_backlog"), "backlog")
            }
            Dialect::Sqlite => select
                .expr_as(Func::count(Expr::col("id")), "number")
                .expr_as(Func::min(Expr::col("created_at")), "oldest")
                .from("outbox")
                .and_where(Expr::col("state").eq(constant("PENDING"))),
        };
        select.expr_as(self.dialect().now(), super::DB_NOW);
        let row = self.reader().query_one(&select).await?;
        row.as_ref().map(with_time).transpose()
    }

    /// Forgets answers that are older; returns how many.
    pub(crate) async fn forget_older(&self, age: Duration) -> Result<u64> {
        let age: i64 = narrow("age", age.as_micros())?;
        let dialect = self.dialect();
        if dialect == Dialect::Sqlite {
            let delete = Query::delete()
                .from_table("request_record")
                .and_where(Expr::col("created_at").lt(dialect.now().sub(age)))
                .to_owned();
            return Ok(self.writer().execute(&delete).await?.rows_affected());
        }
        let call = door("queue_forget_answers").arg(age);
        let call = Query::select().expr_as(call, "number").to_owned();
        let Some(row) = self.writer().query_one(&call).await? else { return Ok(0) };
        narrow("number", row.try_get::<i64>("", "number")?)
    }

    async fn one_through<M: FromQueryResult>(&self, select: &SelectStatement) -> Result<Option<M>> {
        let row = self.reader().query_one(select).await?;
        Ok(row.map(|row| M::from_query_result(&row, "")).transpose()?)
    }
}

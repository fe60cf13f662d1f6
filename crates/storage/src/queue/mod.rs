//! Durable work as workers see it: claims under a lease, conditional on a fence.
//!
//! **Invariant:** all times are the database's. A claim looks across tenants, on Postgres by a
//! function that does only that; what follows it reaches the rows of what was claimed.

mod doors;
mod live;
mod outbox;
mod runs;

use std::time::Duration;

use sea_orm::sea_query::{Expr, SelectStatement, SimpleExpr};
use sea_orm::{ConnectionTrait, ExprTrait, FromQueryResult, QueryResult};

use crate::Tx;
use crate::dialect::Dialect;
use crate::fault::Result;

const DB_NOW: &str = "db_now";
/// Reasons are for people: long ones are cut, in characters.
const MAX_NOTE: usize = 1000;

/// Sums with a time must not overflow, whatever a caller asks for.
fn micros(duration: Duration) -> i64 {
    std::cmp::min(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX), i64::MAX / 4)
}

/// The time after `duration`, as far as `end` allows.
fn until(now: i64, duration: Duration, end: i64) -> i64 {
    std::cmp::min(now.saturating_add(micros(duration)), end)
}

/// The database's time after `duration`.
fn from_now(dialect: Dialect, duration: Duration) -> SimpleExpr {
    dialect.now().add(micros(duration))
}

/// A text for operators, as Postgres takes it.
pub(crate) fn note(text: &str) -> String {
    primitives::clip(&text.replace('\0', ""), MAX_NOTE)
}

/// Whether the time in a column has passed; never while it is null.
fn has_passed(dialect: Dialect, column: &'static str) -> SimpleExpr {
    Expr::col(column).lte(dialect.now())
}

/// The first row of a select, and the time.
async fn first<M: FromQueryResult>(
    tx: &Tx,
    mut select: SelectStatement,
) -> Result<Option<(M, i64)>> {
    select.expr_as(tx.storage.dialect().now(), DB_NOW).limit(1);
    let row = tx.open.query_one(&select).await?;
    row.as_ref().map(with_time).transpose()
}

/// The same, held until the end of the transaction. Who finds it held by somebody else passes
/// it over.
async fn first_free<M: FromQueryResult>(
    tx: &Tx,
    mut select: SelectStatement,
) -> Result<Option<(M, i64)>> {
    tx.storage.dialect().lock_free_rows(&mut select);
    first(tx, select).await
}

fn with_time<M: FromQueryResult>(row: &QueryResult) -> Result<(M, i64)> {
    Ok((M::from_query_result(row, "")?, row.try_get("", DB_NOW)?))
}

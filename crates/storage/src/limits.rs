//! What callers have spent of their rates, for all processes together.
//!
//! One row per caller and class holds one number of the generic cell rate algorithm: the time
//! until which everything is spent (`spent_until`; ITU-T I.371 calls it the theoretical
//! arrival time). With a period of `1 / per_second` and a window of `burst × period`, a permit
//! moves it on by one period, and there is one as long as it would not come to lie further
//! ahead of now than the window:
//!
//! ```text
//! from    = max(spent_until, now)
//! permits = min(most, (now + window − from) / period)      rounded down, not below 0
//! spent_until := from + permits × period
//! ```
//!
//! **Invariant:** in any time of `t` seconds at most `burst + t × per_second` permits are
//! given, whoever asks: reading and writing are one statement, which holds the row. Times are
//! the database's.

use std::time::Duration;

use async_trait::async_trait;
use events::{EventError, Lease, Rate, SharedLimits};
use primitives::UserId;
use sea_orm::sea_query::{Expr, InsertStatement, OnConflict, Query};
use sea_orm::{ConnectionTrait, ExprTrait};

use crate::Storage;
use crate::dialect::Dialect;
use crate::fault::{Fault, Result};
use crate::row::narrow;

const SECOND: i64 = 1_000_000;

/// A rate as the algorithm has it, in microseconds.
#[derive(Clone, Copy)]
struct Cells {
    period: i64,
    window: i64,
}

impl Cells {
    fn of(rate: Rate) -> Self {
        let per_second = i64::from(Ord::max(rate.per_second, 1));
        let period = Ord::max(SECOND / per_second, 1);
        Self { period, window: period.saturating_mul(i64::from(Ord::max(rate.burst, 1))) }
    }
}

fn spend(dialect: Dialect, user: UserId, class: &str, cells: Cells, most: i64) -> InsertStatement {
    let Cells { period, window } = cells;
    let (larger, smaller) = dialect.larger_and_smaller();
    let from = format!("{larger}(rate_limit.spent_until, excluded.asked_at)");
    let left = format!("{larger}(0, (excluded.asked_at + {window} - {from}) / {period})");
    let permits = format!("{smaller}({most}, {left})");
    let first = Ord::min(most, window / period);
    let until = dialect.now().add(first.saturating_mul(period));
    let conflict = OnConflict::columns(["user_id", "class"])
        .value("permits", Expr::cust(permits.clone()))
        .value("spent_until", Expr::cust(format!("{from} + {permits} * {period}")))
        .value("asked_at", Expr::cust("excluded.asked_at"))
        .to_owned();
    Query::insert()
        .into_table("rate_limit")
        .columns(["user_id", "class", "spent_until", "permits", "asked_at"])
        .values_panic([user.as_uuid().into(), class.into(), until, first.into(), dialect.now()])
        .on_conflict(conflict)
        .returning(Query::returning().columns(["spent_until", "permits", "asked_at"]))
        .to_owned()
}

impl Storage {
    async fn spend_limit(&self, user: UserId, class: &str, rate: Rate, most: u32) -> Result<Lease> {
        let cells = Cells::of(rate);
        let most = i64::from(Ord::max(most, 1));
        let insert = spend(self.dialect(), user, class, cells, most);
        let row = self.writer().query_one(&insert).await?;
        let row = row.ok_or_else(|| Fault::Internal("rate_limit returned no row".into()))?;
        let spent_until: i64 = row.try_get("", "spent_until")?;
        let permits: i64 = row.try_get("", "permits")?;
        let asked_at: i64 = row.try_get("", "asked_at")?;
        // There is one again when the window reaches one period further than what is spent.
        let wait = if permits > 0 {
            0
        } else {
            let next = spent_until.saturating_add(cells.period - cells.window);
            Ord::max(next.saturating_sub(asked_at), 1)
        };
        let wait = Duration::from_micros(wait.unsigned_abs());
        Ok(Lease { permits: narrow("permits", permits)?, wait })
    }

    async fn forget_limits(&self, older_than: Duration) -> Result<u64> {
        let age: i64 = narrow("age", older_than.as_micros())?;
        let delete = Query::delete()
            .from_table("rate_limit")
            .and_where(Expr::col("spent_until").lt(self.dialect().now().sub(age)))
            .to_owned();
        Ok(self.writer().execute(&delete).await?.rows_affected())
    }
}

#[async_trait]
impl SharedLimits for Storage {
    async fn lease(
        &self,
        user: UserId,
        class: &str,
        rate: Rate,
        most: u32,
    ) -> std::result::Result<Lease, EventError> {
        Ok(self.spend_limit(user, class, rate, most).await?)
    }

    async fn forget_spent(&self, older_than: Duration) -> std::result::Result<u64, EventError> {
        Ok(self.forget_limits(older_than).await?)
    }
}

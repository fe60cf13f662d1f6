//! Deliveries of events.

use std::time::Duration;

use async_trait::async_trait;
use events::{ClaimedEvent, EventError, OutboxQueue};
use primitives::{EventId, Timestamp};
use sea_orm::sea_query::{Expr, Func, Order, Query, UpdateStatement};
use sea_orm::{ConnectionTrait, EntityTrait, ExprTrait, QueryTrait};

use super::{first_free, from_now, has_passed, note, until};
use crate::Storage;
use crate::fault::Result;
use crate::row::events::outbox;
use crate::row::{from_json, narrow};
use crate::visibility::constant;

impl Storage {
    async fn claim_next_event(
        &self,
        worker: &str,
        lease: Duration,
    ) -> Result<Option<ClaimedEvent>> {
        let tx = self.begin_unchecked().await?;
        let dialect = self.dialect();
        let select = outbox::Entity::find()
            .into_query()
            .and_where(Expr::col("state").eq(constant("PENDING")))
            .and_where(has_passed(dialect, "due_at"))
            .and_where(Expr::col("lease_until").is_null().or(has_passed(dialect, "lease_until")))
            .order_by("due_at", Order::Asc)
            .order_by("id", Order::Asc)
            .to_owned();
        let Some((row, now)) = first_free::<outbox::Model>(&tx, select).await? else {
            return Ok(None);
        };
        let (attempt, fence) = (row.attempt.saturating_add(1), row.fence + 1);
        let update = Query::update()
            .table("outbox")
            .value("attempt", attempt)
            .value("fence", fence)
            .value("lease_until", until(now, lease, i64::MAX))
            .value("worker", worker)
            .and_where(Expr::col("id").eq(row.id))
            .and_where(Expr::col("fence").eq(row.fence))
            .to_owned();
        tx.run_one(&update).await?;
        tx.commit_now().await?;
        // Read after the commit: a record that this version cannot read is out of the way
        // until its lease ends, so that it does not stop the queue.
        let event = from_json("record", &row.record)?;
        Ok(Some(ClaimedEvent { event, attempt: narrow("attempt", attempt)?, fence }))
    }

    async fn change_delivery(&self, update: &UpdateStatement) -> Result<bool> {
        Ok(self.writer().execute(update).await?.rows_affected() == 1)
    }

    async fn waiting(&self) -> Result<(u64, Duration)> {
        let select = Query::select()
            .expr_as(Func::count(Expr::col("id")), "number")
            .expr_as(Func::min(Expr::col("created_at")), "oldest")
            .expr_as(self.dialect().now(), "db_now")
            .from("outbox")
            .and_where(Expr::col("state").eq(constant("PENDING")))
            .to_owned();
        let Some(row) = self.reader().query_one(&select).await? else {
            return Ok((0, Duration::ZERO));
        };
        let number: i64 = row.try_get("", "number")?;
        let oldest: Option<i64> = row.try_get("", "oldest")?;
        let now = Timestamp::from_micros(row.try_get("", "db_now")?);
        let age = oldest.map_or(Duration::ZERO, |time| now.since(Timestamp::from_micros(time)));
        Ok((number.unsigned_abs(), age))
    }
}

/// A change by the holder of a delivery. One that was given back has no lease any more.
fn held(id: EventId, fence: i64) -> UpdateStatement {
    Query::update()
        .table("outbox")
        .and_where(Expr::col("id").eq(id.as_uuid()))
        .and_where(Expr::col("fence").eq(fence))
        .and_where(Expr::col("state").eq(constant("PENDING")))
        .and_where(Expr::col("lease_until").is_not_null())
        .value("lease_until", Expr::val(None::<i64>))
        .to_owned()
}

#[async_trait]
impl OutboxQueue for Storage {
    async fn claim_event(
        &self,
        worker: &str,
        lease: Duration,
    ) -> std::result::Result<Option<ClaimedEvent>, EventError> {
        Ok(self.claim_next_event(worker, lease).await?)
    }

    async fn finish_event(&self, id: EventId, fence: i64) -> std::result::Result<bool, EventError> {
        let mut update = held(id, fence);
        update.value("state", "DONE").value("finished_at", self.dialect().now());
        Ok(self.change_delivery(&update).await?)
    }

    async fn retry_event(
        &self,
        id: EventId,
        fence: i64,
        delay: Option<Duration>,
        problem: &str,
    ) -> std::result::Result<bool, EventError> {
        let mut update = held(id, fence);
        update.value("problem", note(problem));
        match delay {
            Some(delay) => update.value("due_at", from_now(self.dialect(), delay)),
            None => update.value("state", "DEAD").value("finished_at", self.dialect().now()),
        };
        Ok(self.change_delivery(&update).await?)
    }

    async fn backlog(&self) -> std::result::Result<(u64, Duration), EventError> {
        Ok(self.waiting().await?)
    }
}

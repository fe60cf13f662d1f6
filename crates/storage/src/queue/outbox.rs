//! Deliveries of events.

use std::time::Duration;

use async_trait::async_trait;
use events::{ClaimedEvent, EventError, OutboxQueue};
use primitives::Timestamp;
use sea_orm::ExprTrait;
use sea_orm::sea_query::{Expr, Query, UpdateStatement};

use super::{from_now, note, until};
use crate::Storage;
use crate::fault::Result;
use crate::reach::Reach;
use crate::row::{from_json, narrow, tenant};
use crate::visibility::constant;

impl Storage {
    async fn claim_next_event(
        &self,
        worker: &str,
        lease: Duration,
    ) -> Result<Option<ClaimedEvent>> {
        let tx = self.begin_directory().await?;
        let Some((row, now)) = tx.due_event().await? else { return Ok(None) };
        tx.enter(&Reach::of_tenant(tenant(&row.tenant_kind, row.tenant_id)?)).await?;
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

    async fn change_delivery(
        &self,
        claimed: &ClaimedEvent,
        update: &UpdateStatement,
    ) -> Result<bool> {
        let tx = self.begin_within(&Reach::of_tenant(claimed.event.tenant)).await?;
        let is_held = tx.run(update).await? == 1;
        tx.commit_now().await?;
        Ok(is_held)
    }

    async fn waiting(&self) -> Result<(u64, Duration)> {
        let Some((backlog, now)) = self.backlog_now().await? else {
            return Ok((0, Duration::ZERO));
        };
        let since = |time| Timestamp::from_micros(now).since(Timestamp::from_micros(time));
        Ok((backlog.number.unsigned_abs(), backlog.oldest.map_or(Duration::ZERO, since)))
    }
}

/// A change by the holder of a delivery. One that was given back has no lease any more.
fn held(claimed: &ClaimedEvent) -> UpdateStatement {
    Query::update()
        .table("outbox")
        .and_where(Expr::col("id").eq(claimed.event.id.as_uuid()))
        .and_where(Expr::col("fence").eq(claimed.fence))
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

    async fn finish_event(&self, claimed: &ClaimedEvent) -> std::result::Result<bool, EventError> {
        let mut update = held(claimed);
        update.value("state", "DONE").value("finished_at", self.dialect().now());
        Ok(self.change_delivery(claimed, &update).await?)
    }

    async fn retry_event(
        &self,
        claimed: &ClaimedEvent,
        delay: Option<Duration>,
        problem: &str,
    ) -> std::result::Result<bool, EventError> {
        let mut update = held(claimed);
        update.value("problem", note(problem));
        match delay {
            Some(delay) => update.value("due_at", from_now(self.dialect(), delay)),
            None => update.value("state", "DEAD").value("finished_at", self.dialect().now()),
        };
        Ok(self.change_delivery(claimed, &update).await?)
    }

    async fn backlog(&self) -> std::result::Result<(u64, Duration), EventError> {
        Ok(self.waiting().await?)
    }
}

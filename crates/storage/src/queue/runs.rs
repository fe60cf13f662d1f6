//! Claims of runs.
//!
//! A lease never reaches beyond the run's deadline, and neither does a wait for a retry: so a
//! run that is due is the only one that has to be looked at.

use std::time::Duration;

use agent_core::StoreError;
use agent_core::model::{Patch, Phase, Plan, Repository, Run, RunProblem, RunState};
use agent_core::port::queue::RunQueue;
use async_trait::async_trait;
use primitives::{RepositoryId, RunId};
use sea_orm::sea_query::{Expr, Func, Order, Query, SelectStatement, UpdateStatement};
use sea_orm::{ConnectionTrait, EntityTrait, ExprTrait, QueryTrait};
use uuid::Uuid;

use super::{first_free, from_now, has_passed, note, until};
use crate::agent::convert::FromRow;
use crate::fault::Result;
use crate::row::agent::{agent_run, patch, plan, repository};
use crate::row::known;
use crate::visibility::constant;
use crate::{Storage, Tx};

/// Ends that the queue makes itself, and reports until they are settled.
const QUEUE_ENDS: [&str; 2] = [RunState::TimedOut.as_str(), RunState::Dead.as_str()];

/// What a claim found.
enum Found {
    Nothing,
    Claimed(Box<agent_run::Model>),
    /// It is no longer live; there may be another one.
    Ended,
}

impl Storage {
    async fn claim_next(&self, worker: &str, lease: Duration) -> Result<Option<Run>> {
        loop {
            let mut tx = self.begin_unchecked().await?;
            let found = tx.claim_run(worker, lease).await?;
            tx.commit_now().await?;
            match found {
                Found::Nothing => return Ok(None),
                // Read after the commit: a row that this version cannot read is out of the
                // way until its lease ends, so that it does not stop the queue.
                Found::Claimed(row) => return Run::from_row(*row).map(Some),
                Found::Ended => {}
            }
        }
    }

    async fn claim_next_ended(&self, worker: &str, lease: Duration) -> Result<Option<Run>> {
        let tx = self.begin_unchecked().await?;
        let select = agent_run::Entity::find()
            .into_query()
            .and_where(Expr::col("state").is_in(QUEUE_ENDS.map(constant)))
            .and_where(Expr::col("settled_at").is_null())
            .and_where(
                Expr::col("lease_until").is_null().or(has_passed(self.dialect(), "lease_until")),
            )
            .order_by("ended_at", Order::Asc)
            .order_by("id", Order::Asc)
            .to_owned();
        let Some((mut row, now)) = first_free::<agent_run::Model>(&tx, select).await? else {
            return Ok(None);
        };
        let mut update = at_fence(row.id, row.fence);
        row.fence += 1;
        row.lease_until = Some(until(now, lease, i64::MAX));
        update
            .value("fence", row.fence)
            .value("lease_until", row.lease_until)
            .value("worker", worker);
        tx.run_one(&update).await?;
        tx.commit_now().await?;
        Run::from_row(row).map(Some)
    }

    async fn settle(&self, id: RunId, fence: i64) -> Result<bool> {
        let update = at_fence(id.as_uuid(), fence)
            .value("settled_at", self.dialect().now())
            .value("lease_until", Expr::val(None::<i64>))
            .and_where(Expr::col("state").is_in(QUEUE_ENDS.map(constant)))
            .and_where(Expr::col("settled_at").is_null())
            .to_owned();
        Ok(self.writer().execute(&update).await?.rows_affected() == 1)
    }

    async fn extend(&self, id: RunId, fence: i64, lease: Duration) -> Result<bool> {
        let dialect = self.dialect();
        let end = || from_now(dialect, lease);
        let capped = Expr::case(Expr::col("deadline_at").lt(end()), Expr::col("deadline_at"));
        let update = at_fence(id.as_uuid(), fence)
            .value("lease_until", capped.finally(end()))
            .value("heartbeat_at", dialect.now())
            .and_where(Expr::col("state").eq(constant(RunState::Running.as_str())))
            .and_where(Expr::col("deadline_at").gt(dialect.now()))
            .to_owned();
        Ok(self.writer().execute(&update).await?.rows_affected() == 1)
    }

    async fn put_back(
        &self,
        id: RunId,
        fence: i64,
        delay: Duration,
        problem: &RunProblem,
    ) -> Result<Option<RunState>> {
        let tx = self.begin_unchecked().await?;
        let select = agent_run::Entity::find()
            .into_query()
            .and_where(Expr::col("id").eq(id.as_uuid()))
            .and_where(Expr::col("fence").eq(fence))
            .and_where(Expr::col("state").eq(constant(RunState::Running.as_str())))
            .to_owned();
        // Passed over while somebody takes it over: that is a lost fence, too.
        let Some((row, now)) = first_free::<agent_run::Model>(&tx, select).await? else {
            return Ok(None);
        };
        let state = if row.attempt >= row.max_attempts {
            tx.end_run(&row, now, RunState::Dead, problem).await?;
            RunState::Dead
        } else {
            let due = until(now, delay, row.deadline_at);
            let update = at_fence(row.id, row.fence)
                .value("state", RunState::Queued.as_str())
                .value("due_at", due)
                .value("lease_until", Expr::val(None::<i64>))
                .value("worker", Expr::val(None::<String>))
                .value("problem_reason", problem.reason.as_str())
                .value("problem_message", note(&problem.message))
                .to_owned();
            tx.run_one(&update).await?;
            RunState::Queued
        };
        tx.commit_now().await?;
        Ok(Some(state))
    }

    async fn counts(&self) -> Result<Vec<(RunState, u64)>> {
        let select = Query::select()
            .column("state")
            .expr_as(Func::count(Expr::col("id")), "number")
            .from("agent_run")
            .group_by_col("state")
            .to_owned();
        let rows = self.reader().query_all(&select).await?;
        rows.iter()
            .map(|row| {
                let state: String = row.try_get("", "state")?;
                let number: i64 = row.try_get("", "number")?;
                Ok((known("state", &state, RunState::parse)?, number.unsigned_abs()))
            })
            .collect()
    }

    /// A row by its id, whoever owns it.
    async fn unscoped<E, T>(&self, id: Option<Uuid>) -> Result<Option<T>>
    where
        E: EntityTrait,
        T: FromRow<E::Model>,
        <E::PrimaryKey as sea_orm::PrimaryKeyTrait>::ValueType: From<Uuid>,
    {
        let Some(id) = id else { return Ok(None) };
        let row = E::find_by_id(id).one(self.reader()).await?;
        row.map(T::from_row).transpose()
    }
}

impl Tx {
    async fn claim_run(&mut self, worker: &str, lease: Duration) -> Result<Found> {
        let Some((row, now)) = self.next_due().await? else { return Ok(Found::Nothing) };
        if row.deadline_at <= now {
            let problem = RunProblem {
                reason: "RUN_TIMED_OUT".into(),
                message: "the run did not end before its deadline".into(),
            };
            self.end_run(&row, now, RunState::TimedOut, &problem).await?;
            return Ok(Found::Ended);
        }
        if row.attempt >= row.max_attempts {
            let problem = RunProblem {
                reason: "RUN_ATTEMPTS_EXHAUSTED".into(),
                message: format!("the run was given up after {} attempts", row.attempt),
            };
            self.end_run(&row, now, RunState::Dead, &problem).await?;
            return Ok(Found::Ended);
        }
        Ok(Found::Claimed(Box::new(self.take(row, now, worker, lease).await?)))
    }

    /// A run whose worker went silent, else the oldest one that waits.
    async fn next_due(&self) -> Result<Option<(agent_run::Model, i64)>> {
        for (state, due) in [(RunState::Running, "lease_until"), (RunState::Queued, "due_at")] {
            let select: SelectStatement = agent_run::Entity::find()
                .into_query()
                .and_where(Expr::col("state").eq(constant(state.as_str())))
                .and_where(has_passed(self.storage.dialect(), due))
                .order_by(due, Order::Asc)
                .order_by("id", Order::Asc)
                .to_owned();
            let found = first_free(self, select).await?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    async fn take(
        &self,
        mut row: agent_run::Model,
        now: i64,
        worker: &str,
        lease: Duration,
    ) -> Result<agent_run::Model> {
        let mut update = at_fence(row.id, row.fence);
        row.state = RunState::Running.as_str().into();
        if row.phase == Phase::Queued.as_str() {
            row.phase = Phase::Claimed.as_str().into();
        }
        row.attempt += 1;
        row.fence += 1;
        row.lease_until = Some(until(now, lease, row.deadline_at));
        row.heartbeat_at = Some(now);
        row.worker = Some(worker.into());
        // What went wrong before does not belong to an attempt that may succeed.
        (row.problem_reason, row.problem_message) = (None, None);
        row.started_at = row.started_at.or(Some(now));
        update
            .value("state", row.state.as_str())
            .value("phase", row.phase.as_str())
            .value("attempt", row.attempt)
            .value("fence", row.fence)
            .value("lease_until", row.lease_until)
            .value("heartbeat_at", row.heartbeat_at)
            .value("worker", worker)
            .value("problem_reason", Expr::val(None::<String>))
            .value("problem_message", Expr::val(None::<String>))
            .value("started_at", row.started_at);
        self.run_one(&update).await?;
        Ok(row)
    }

    /// Ends a run on the queue's own account; its worker, if any, has lost it.
    async fn end_run(
        &self,
        row: &agent_run::Model,
        now: i64,
        state: RunState,
        problem: &RunProblem,
    ) -> Result<()> {
        tracing::warn!(run.id = %RunId::from_uuid(row.id), state = state.as_str(), "run ended by the queue");
        let update = at_fence(row.id, row.fence)
            .value("state", state.as_str())
            .value("fence", row.fence + 1)
            .value("lease_until", Expr::val(None::<i64>))
            .value("worker", Expr::val(None::<String>))
            .value("problem_reason", problem.reason.as_str())
            .value("problem_message", note(&problem.message))
            .value("ended_at", now)
            .to_owned();
        self.run_one(&update).await
    }
}

fn at_fence(id: Uuid, fence: i64) -> UpdateStatement {
    Query::update()
        .table("agent_run")
        .and_where(Expr::col("id").eq(id))
        .and_where(Expr::col("fence").eq(fence))
        .to_owned()
}

type Stored<T> = std::result::Result<T, StoreError>;

#[async_trait]
impl RunQueue for Storage {
    async fn claim_run(&self, worker: &str, lease: Duration) -> Stored<Option<Run>> {
        Ok(self.claim_next(worker, lease).await?)
    }

    async fn heartbeat(&self, id: RunId, fence: i64, lease: Duration) -> Stored<bool> {
        Ok(self.extend(id, fence, lease).await?)
    }

    async fn retry_run(
        &self,
        id: RunId,
        fence: i64,
        delay: Duration,
        problem: &RunProblem,
    ) -> Stored<Option<RunState>> {
        Ok(self.put_back(id, fence, delay, problem).await?)
    }

    async fn claim_ended(&self, worker: &str, lease: Duration) -> Stored<Option<Run>> {
        Ok(self.claim_next_ended(worker, lease).await?)
    }

    async fn settle_ended(&self, id: RunId, fence: i64) -> Stored<bool> {
        Ok(self.settle(id, fence).await?)
    }

    async fn count_runs(&self) -> Stored<Vec<(RunState, u64)>> {
        Ok(self.counts().await?)
    }

    async fn made_by(&self, run: &Run) -> Stored<(Option<Plan>, Option<Patch>)> {
        let plan = self.unscoped::<plan::Entity, _>(run.plan.map(|id| id.as_uuid())).await?;
        let patch = self.unscoped::<patch::Entity, _>(run.patch.map(|id| id.as_uuid())).await?;
        Ok((plan, patch))
    }

    async fn repositories(&self) -> Stored<Vec<Repository>> {
        let rows = repository::Entity::find().all(self.reader()).await;
        let rows = rows.map_err(crate::fault::Fault::from)?;
        Ok(rows.into_iter().map(Repository::from_row).collect::<Result<_>>()?)
    }

    async fn run_unscoped(&self, id: RunId) -> Stored<Option<Run>> {
        Ok(self.unscoped::<agent_run::Entity, _>(Some(id.as_uuid())).await?)
    }

    async fn repository_unscoped(&self, id: RepositoryId) -> Stored<Option<Repository>> {
        Ok(self.unscoped::<repository::Entity, _>(Some(id.as_uuid())).await?)
    }
}

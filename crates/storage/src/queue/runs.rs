//! Claims of runs.
//!
//! A lease never reaches beyond the run's deadline, and neither does a wait for a retry: so a
//! run that is due is the only one that has to be looked at.

use std::time::Duration;

use agent_core::StoreError;
use agent_core::model::{Patch, Phase, Plan, Repository, Run, RunProblem, RunState};
use agent_core::port::queue::RunQueue;
use async_trait::async_trait;
use primitives::{RepositoryId, RunId, UserId};
use sea_orm::sea_query::{Expr, Query, UpdateStatement};
use sea_orm::{EntityTrait, ExprTrait, QueryTrait};
use uuid::Uuid;

use super::doors::QUEUE_ENDS;
use super::{first_free, from_now, note, until};
use crate::agent::convert::FromRow;
use crate::fault::Result;
use crate::reach::Reach;
use crate::row::agent::{agent_run, patch, plan};
use crate::row::{known, tenant};
use crate::tx::Read;
use crate::visibility::constant;
use crate::{Storage, Tx};

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
            let mut tx = self.begin_directory().await?;
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
        let tx = self.begin_directory().await?;
        let Some((mut row, now)) = tx.ended_run().await? else { return Ok(None) };
        tx.enter(&reach_of(&row)?).await?;
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

    async fn settle(&self, run: &Run) -> Result<bool> {
        let update = at_fence(run.id.as_uuid(), run.fence)
            .value("settled_at", self.dialect().now())
            .value("lease_until", Expr::val(None::<i64>))
            .and_where(Expr::col("state").is_in(QUEUE_ENDS.map(constant)))
            .and_where(Expr::col("settled_at").is_null())
            .to_owned();
        self.change_held(run, &update).await
    }

    async fn extend(&self, run: &Run, lease: Duration) -> Result<bool> {
        let dialect = self.dialect();
        let end = || from_now(dialect, lease);
        let capped = Expr::case(Expr::col("deadline_at").lt(end()), Expr::col("deadline_at"));
        let update = at_fence(run.id.as_uuid(), run.fence)
            .value("lease_until", capped.finally(end()))
            .value("heartbeat_at", dialect.now())
            .and_where(Expr::col("state").eq(constant(RunState::Running.as_str())))
            .and_where(Expr::col("deadline_at").gt(dialect.now()))
            .to_owned();
        self.change_held(run, &update).await
    }

    /// A change that stands alone, by the holder of a run.
    async fn change_held(&self, run: &Run, update: &UpdateStatement) -> Result<bool> {
        let tx = self.begin_within(&Reach::of_work(run.tenant, run.principal)).await?;
        let is_held = tx.run(update).await? == 1;
        tx.commit_now().await?;
        Ok(is_held)
    }

    async fn put_back(
        &self,
        run: &Run,
        delay: Duration,
        problem: &RunProblem,
    ) -> Result<Option<RunState>> {
        let tx = self.begin_within(&Reach::of_work(run.tenant, run.principal)).await?;
        let select = agent_run::Entity::find()
            .into_query()
            .and_where(Expr::col("id").eq(run.id.as_uuid()))
            .and_where(Expr::col("fence").eq(run.fence))
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
        let counts = self.run_counts().await?;
        counts
            .iter()
            .map(|(state, number)| {
                Ok((known("state", state, RunState::parse)?, number.unsigned_abs()))
            })
            .collect()
    }

    /// What a run names, read as the run's owner and principal see it.
    async fn named_by(&self, run: &Run) -> Result<(Option<Plan>, Option<Patch>)> {
        if run.plan.is_none() && run.patch.is_none() {
            return Ok((None, None));
        }
        let read = self.read_within(&Reach::of_work(run.tenant, run.principal)).await?;
        let plan = by_id::<plan::Entity, _>(&read, run.plan.map(|id| id.as_uuid())).await?;
        let patch = by_id::<patch::Entity, _>(&read, run.patch.map(|id| id.as_uuid())).await?;
        Ok((plan, patch))
    }
}

async fn by_id<E, T>(read: &Read, id: Option<Uuid>) -> Result<Option<T>>
where
    E: EntityTrait,
    T: FromRow<E::Model>,
    <E::PrimaryKey as sea_orm::PrimaryKeyTrait>::ValueType: From<Uuid>,
{
    let Some(id) = id else { return Ok(None) };
    let row = E::find_by_id(id).one(&read.rows()).await?;
    row.map(T::from_row).transpose()
}

fn reach_of(row: &agent_run::Model) -> Result<Reach> {
    let owner = tenant(&row.tenant_kind, row.tenant_id)?;
    Ok(Reach::of_work(owner, UserId::from_uuid(row.principal_id)))
}

impl Tx {
    async fn claim_run(&mut self, worker: &str, lease: Duration) -> Result<Found> {
        let Some((row, now)) = self.due_run().await? else { return Ok(Found::Nothing) };
        self.enter(&reach_of(&row)?).await?;
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

    async fn heartbeat(&self, run: &Run, lease: Duration) -> Stored<bool> {
        Ok(self.extend(run, lease).await?)
    }

    async fn retry_run(
        &self,
        run: &Run,
        delay: Duration,
        problem: &RunProblem,
    ) -> Stored<Option<RunState>> {
        Ok(self.put_back(run, delay, problem).await?)
    }

    async fn claim_ended(&self, worker: &str, lease: Duration) -> Stored<Option<Run>> {
        Ok(self.claim_next_ended(worker, lease).await?)
    }

    async fn settle_ended(&self, run: &Run) -> Stored<bool> {
        Ok(self.settle(run).await?)
    }

    async fn count_runs(&self) -> Stored<Vec<(RunState, u64)>> {
        Ok(self.counts().await?)
    }

    async fn made_by(&self, run: &Run) -> Stored<(Option<Plan>, Option<Patch>)> {
        Ok(self.named_by(run).await?)
    }

    async fn repositories(&self) -> Stored<Vec<Repository>> {
        let rows = self.all_repositories().await?;
        Ok(rows.into_iter().map(Repository::from_row).collect::<Result<_>>()?)
    }

    async fn run_unscoped(&self, id: RunId) -> Stored<Option<Run>> {
        let row = self.any_run(id.as_uuid()).await?;
        Ok(row.map(Run::from_row).transpose()?)
    }

    async fn repository_unscoped(&self, id: RepositoryId) -> Stored<Option<Repository>> {
        let row = self.any_repository(id.as_uuid()).await?;
        Ok(row.map(Repository::from_row).transpose()?)
    }
}

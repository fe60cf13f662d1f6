//! What the agent changes, within one transaction.

use agent_core::StoreError;
use agent_core::model::{Patch, Plan, Repository, Run, RunState, Session};
use agent_core::port::store::AgentTx;
use async_trait::async_trait;
use permissions::{Cleared, Scope, Tenanted, Visible};
use primitives::{PatchId, RepositoryId, RunId, SessionId};
use sea_orm::sea_query::{Expr, OnConflict, Query, UpdateStatement};
use sea_orm::{ConnectionTrait, EntityTrait, ExprTrait, FromQueryResult, QueryTrait};
use uuid::Uuid;

use super::convert::{FromRow, ToRow};
use super::{select_one, shown};
use crate::fault::{Fault, Result};
use crate::reach::Reach;
use crate::row::agent::{agent_run, patch, session};
use crate::row::{insert, insert_with, micros, tenant};
use crate::visibility::owned;
use crate::{Storage, Tx};

type Stored<T> = std::result::Result<T, StoreError>;

impl Storage {
    /// Lets auto-apply commit to a repository, or forbids it: a policy, so that the epoch
    /// rises. How many repositories it changed, one or none.
    pub(crate) async fn allow_auto_apply(&self, id: RepositoryId, allowed: bool) -> Result<u64> {
        let Some(row) = self.any_repository(id.as_uuid()).await? else { return Ok(0) };
        let owner = tenant(&row.tenant_kind, row.tenant_id)?;
        let tx = self.begin_within(&Reach::of_tenant(owner)).await?;
        let update = raising("repository", row.id)
            .value("auto_apply_allowed", allowed)
            .and_where(owned("repository", owner))
            .to_owned();
        let changed = tx.run(&update).await?;
        tx.raise_epoch().await?;
        tx.commit_now().await?;
        Ok(changed)
    }
}

impl Tx {
    /// Loads a row that the scope sees and holds it.
    async fn held<E, T>(&self, scope: &Scope, id: Uuid) -> Result<Option<Visible<T>>>
    where
        E: EntityTrait,
        T: FromRow<E::Model> + Tenanted,
    {
        let mut select = select_one::<E>(scope, id);
        self.storage.dialect().lock_rows(&mut select, E::default().table_name());
        shown::<E::Model, T>(&self.open, &select, scope).await
    }

    async fn add_repository(&self, value: &Repository) -> Result<bool> {
        let row = value.to_row()?;
        let mut insert = insert(vec![row]);
        insert.on_conflict(
            OnConflict::columns(["tenant_kind", "tenant_id", "path"]).do_nothing().to_owned(),
        );
        Ok(self.run(&insert).await? == 1)
    }

    async fn change_session(&self, value: &Session) -> Result<()> {
        let row = value.to_row()?;
        let mut update = raising("session", row.id);
        update
            .and_where(Expr::col("version").eq(row.version))
            .value("work_item_id", row.work_item_id)
            .value("current_plan_id", row.current_plan_id)
            .value("state", row.state)
            .value("last_activity_at", row.last_activity_at)
            .value("closed_at", row.closed_at)
            .and_where(owned("session", value.tenant()));
        self.run_one(&update).await
    }

    async fn change_patch(&self, value: &Patch) -> Result<()> {
        let row = value.to_row()?;
        let mut update = patch_update(&row);
        update
            .and_where(Expr::col("version").eq(row.version))
            .and_where(owned("patch", value.tenant()));
        self.run_one(&update).await
    }

    async fn hold(&self, id: RunId, fence: i64) -> Result<Option<Run>> {
        let mut select = agent_run::Entity::find().into_query();
        select
            .and_where(Expr::col("id").eq(id.as_uuid()))
            .and_where(Expr::col("fence").eq(fence))
            .and_where(Expr::col("state").eq(RunState::Running.as_str()))
            .and_where(Expr::col("lease_until").gt(self.storage.dialect().now()));
        self.storage.dialect().lock_rows(&mut select, "agent_run");
        let Some(row) = self.open.query_one(&select).await? else { return Ok(None) };
        Ok(Some(Run::from_row(agent_run::Model::from_query_result(&row, "")?)?))
    }

    /// Due at once, and with all the time it was given, by the database's clock: that is the
    /// one that claims look at, and the caller's may differ.
    async fn add_run(&mut self, value: &Run) -> Result<()> {
        let row = value.to_row()?;
        let now = self.storage.dialect().now();
        let given = row.deadline_at.saturating_sub(row.created_at);
        let times = [
            (agent_run::Column::DueAt, now.clone()),
            (agent_run::Column::DeadlineAt, now.add(given)),
        ];
        self.run(&insert_with(vec![row], &times)).await?;
        self.wakes = true;
        Ok(())
    }

    async fn change_run(
        &self,
        run: &Run,
        plan: Option<&Plan>,
        patch: Option<&Patch>,
    ) -> Result<()> {
        if let Some(plan) = plan {
            self.keep_plan(run, plan).await?;
        }
        if let Some(patch) = patch {
            self.keep_patch(run, patch).await?;
        }
        let row = run.to_row()?;
        let update = Query::update()
            .table("agent_run")
            .value("state", row.state)
            .value("phase", row.phase)
            .value("plan_id", row.plan_id)
            .value("patch_id", row.patch_id)
            .value("problem_reason", row.problem_reason)
            .value("problem_message", row.problem_message)
            .value("engine_used", row.engine_used)
            .value("model_used", row.model_used)
            .value("ended_at", micros(run.ended_at))
            .and_where(Expr::col("id").eq(row.id))
            .and_where(Expr::col("fence").eq(row.fence))
            .and_where(Expr::col("state").eq(RunState::Running.as_str()))
            .to_owned();
        self.run_one(&update).await
    }

    /// Inserts the plan of a run unless an earlier save did.
    async fn keep_plan(&self, run: &Run, plan: &Plan) -> Result<()> {
        if plan.run != Some(run.id) {
            return Err(Fault::Internal("the plan is another run's".into()));
        }
        let kept = Query::select()
            .expr(Expr::val(1))
            .from("plan")
            .and_where(Expr::col("id").eq(plan.id.as_uuid()))
            .to_owned();
        if self.open.query_one(&kept).await?.is_none() {
            self.run(&insert(vec![plan.to_row()?])).await?;
        }
        Ok(())
    }

    /// Replaces the patch that a run makes, or takes back; inserts it when it is new.
    async fn keep_patch(&self, run: &Run, value: &Patch) -> Result<()> {
        if value.run != run.id && run.patch != Some(value.id) {
            return Err(Fault::Internal("the patch is another run's".into()));
        }
        let row = value.to_row()?;
        let mut update = patch_update(&row);
        update
            .and_where(Expr::col("run_id").eq(row.run_id))
            .and_where(owned("patch", value.tenant()));
        if self.run(&update).await? == 0 {
            self.run(&insert(vec![row])).await?;
        }
        Ok(())
    }
}

/// An update of what can change about a patch after it was made.
fn patch_update(row: &patch::Model) -> UpdateStatement {
    let mut update = raising("patch", row.id);
    update
        .value("commit_oid", row.commit_oid.clone())
        .value("branch", row.branch.clone())
        .value("state", row.state.clone())
        .value("reverted_by", row.reverted_by)
        .value("engine", row.engine.clone())
        .value("summary", row.summary.clone());
    update
}

/// An update of one row that raises its version.
fn raising(table: &'static str, id: Uuid) -> UpdateStatement {
    Query::update()
        .table(table)
        .value("version", Expr::col("version").add(1))
        .and_where(Expr::col("id").eq(id))
        .to_owned()
}

#[async_trait]
impl AgentTx for Tx {
    async fn insert_repository(&mut self, row: &Cleared<Repository>) -> Stored<bool> {
        Ok(self.add_repository(row).await?)
    }

    async fn insert_session(&mut self, row: &Cleared<Session>) -> Stored<()> {
        self.run(&insert(vec![row.to_row()?])).await?;
        Ok(())
    }

    async fn lock_session(
        &mut self,
        scope: &Scope,
        id: SessionId,
    ) -> Stored<Option<Visible<Session>>> {
        Ok(self.held::<session::Entity, _>(scope, id.as_uuid()).await?)
    }

    async fn save_session(&mut self, row: &Cleared<Session>) -> Stored<()> {
        Ok(self.change_session(row).await?)
    }

    async fn insert_plan(&mut self, row: &Cleared<Plan>) -> Stored<()> {
        self.run(&insert(vec![row.to_row()?])).await?;
        Ok(())
    }

    async fn insert_run(&mut self, row: &Cleared<Run>) -> Stored<()> {
        Ok(self.add_run(row).await?)
    }

    async fn insert_patch(&mut self, row: &Cleared<Patch>) -> Stored<()> {
        self.run(&insert(vec![row.to_row()?])).await?;
        Ok(())
    }

    async fn lock_patch(&mut self, scope: &Scope, id: PatchId) -> Stored<Option<Visible<Patch>>> {
        Ok(self.held::<patch::Entity, _>(scope, id.as_uuid()).await?)
    }

    async fn save_patch(&mut self, row: &Cleared<Patch>) -> Stored<()> {
        Ok(self.change_patch(row).await?)
    }

    async fn hold_run(&mut self, id: RunId, fence: i64) -> Stored<Option<Run>> {
        Ok(self.hold(id, fence).await?)
    }

    async fn save_run(
        &mut self,
        run: &Run,
        plan: Option<&Plan>,
        patch: Option<&Patch>,
    ) -> Stored<()> {
        Ok(self.change_run(run, plan, patch).await?)
    }

    async fn commit(self: Box<Self>) -> Stored<()> {
        Ok(self.commit_now().await?)
    }
}

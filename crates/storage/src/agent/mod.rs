//! What the agent keeps: repositories, sessions, plans, runs and patches.
//!
//! **Invariant:** every read here starts from a scope, in SQL and again on the way out. The
//! doors across tenants, for workers, are in `queue`.

pub(crate) mod convert;
pub(crate) mod live;
mod tx;

use agent_core::StoreError;
use agent_core::model::{Patch, Plan, Repository, Run, Session, SessionState, WorkItemFacts};
use agent_core::port::store::{AgentFilter, AgentStore, AgentTx};
use async_trait::async_trait;
use permissions::{Scope, Tenanted, Visible};
use primitives::{
    Page, PageAfter, PageRequest, PatchId, PlanId, RepositoryId, RunId, SessionId, Tenant,
    Timestamp, WorkItemId,
};
use sea_orm::sea_query::{Alias, Expr, Query, SelectStatement, SimpleExpr};
use sea_orm::{ConnectionTrait, EntityTrait, ExprTrait, FromQueryResult, QueryFilter, QueryTrait};
use uuid::Uuid;

use crate::Storage;
use crate::agent::convert::FromRow;
use crate::fault::Result;
use crate::row::agent::{agent_run, patch, plan, repository, session};
use crate::row::item::work_item;
use crate::visibility::{Direction, owned, page, seen, show, show_page};

/// Rows of `E` that the scope sees.
fn select<E: EntityTrait>(scope: &Scope) -> SelectStatement {
    E::find().filter(seen(E::default().table_name(), scope)).into_query()
}

/// The row of `E` with this id, if the scope sees it.
pub(crate) fn select_one<E: EntityTrait>(scope: &Scope, id: Uuid) -> SelectStatement {
    let mut select = select::<E>(scope);
    select.and_where(column::<E>("id").eq(id));
    select
}

/// A page of the rows of `E` that the scope sees, newest by the column `key` first.
fn select_page<E: EntityTrait>(
    scope: &Scope,
    key: &'static str,
    narrow: impl IntoIterator<Item = SimpleExpr>,
    request: PageRequest,
) -> SelectStatement {
    let mut select = select::<E>(scope);
    for condition in narrow {
        select.and_where(condition);
    }
    page(&mut select, E::default().table_name(), key, Direction::NewestFirst, request);
    select
}

fn column<E: EntityTrait>(name: &'static str) -> SimpleExpr {
    Expr::col((Alias::new(E::default().table_name()), Alias::new(name)))
}

/// Runs a select for at most one row, converts it and shows it to the scope.
pub(crate) async fn shown<M, T>(
    connection: &impl ConnectionTrait,
    select: &SelectStatement,
    scope: &Scope,
) -> Result<Option<Visible<T>>>
where
    M: FromQueryResult,
    T: FromRow<M> + Tenanted,
{
    let Some(row) = connection.query_one(select).await? else { return Ok(None) };
    Ok(show(scope, T::from_row(M::from_query_result(&row, "")?)?))
}

impl Storage {
    async fn agent_row<E, T>(&self, scope: &Scope, id: Uuid) -> Result<Option<Visible<T>>>
    where
        E: EntityTrait,
        T: FromRow<E::Model> + Tenanted,
    {
        let read = self.read(scope).await?;
        shown::<E::Model, T>(&read.rows(), &select_one::<E>(scope, id), scope).await
    }

    /// A page of rows of `E`, newest by the column `key` first.
    async fn agent_page<E, T>(
        &self,
        scope: &Scope,
        key: &'static str,
        narrow: impl IntoIterator<Item = SimpleExpr>,
        request: PageRequest,
        place: impl Fn(&T) -> PageAfter,
    ) -> Result<Page<Visible<T>>>
    where
        E: EntityTrait,
        T: FromRow<E::Model> + Tenanted,
    {
        let read = self.read(scope).await?;
        let select = select_page::<E>(scope, key, narrow, request);
        let rows = read.rows().query_all(&select).await?;
        show_page(scope, rows, request.size, place, T::from_row)
    }

    async fn is_stopped(&self, tenant: Tenant) -> Result<bool> {
        Ok(self.reader().query_one(&stops(tenant)).await?.is_some())
    }
}

/// Switches that stop a tenant.
fn stops(tenant: Tenant) -> SelectStatement {
    let table = "kill_switch";
    Query::select()
        .expr(Expr::val(1))
        .from(table)
        .and_where(Expr::col("stopped").eq(true))
        .and_where(owned(table, tenant).or(owned(table, Tenant::Global)))
        .limit(1)
        .to_owned()
}

fn after<K>(key: Timestamp, id: primitives::Id<K>) -> PageAfter {
    PageAfter { key: key.as_micros(), id: id.as_uuid() }
}

fn narrow<E: EntityTrait>(filter: AgentFilter) -> impl Iterator<Item = SimpleExpr> {
    let item = filter.work_item.map(|id| column::<E>("work_item_id").eq(id.as_uuid()));
    let repository = filter.repository.map(|id| column::<E>("repository_id").eq(id.as_uuid()));
    item.into_iter().chain(repository)
}

/// Runs that were asked for in a session.
fn of_session(id: SessionId) -> SimpleExpr {
    column::<agent_run::Entity>("session_id").eq(id.as_uuid())
}

/// Patches whose run was asked for in a session.
fn made_in_session(id: SessionId) -> SimpleExpr {
    let runs = Query::select()
        .expr(column::<agent_run::Entity>("id"))
        .from("agent_run")
        .and_where(of_session(id))
        .to_owned();
    column::<patch::Entity>("run_id").in_subquery(runs)
}

type Stored<T> = std::result::Result<T, StoreError>;

#[async_trait]
impl AgentStore for Storage {
    async fn begin(&self, scope: &Scope) -> Stored<Box<dyn AgentTx>> {
        Ok(Box::new(self.begin_in(scope).await?))
    }

    async fn get_repository(
        &self,
        scope: &Scope,
        id: RepositoryId,
    ) -> Stored<Option<Visible<Repository>>> {
        Ok(self.agent_row::<repository::Entity, _>(scope, id.as_uuid()).await?)
    }

    async fn list_repositories(
        &self,
        scope: &Scope,
        page: PageRequest,
    ) -> Stored<Page<Visible<Repository>>> {
        let place = |row: &Repository| after(row.created_at, row.id);
        Ok(self.agent_page::<repository::Entity, _>(scope, "created_at", None, page, place).await?)
    }

    async fn get_session(&self, scope: &Scope, id: SessionId) -> Stored<Option<Visible<Session>>> {
        Ok(self.agent_row::<session::Entity, _>(scope, id.as_uuid()).await?)
    }

    async fn list_sessions(
        &self,
        scope: &Scope,
        active_only: bool,
        page: PageRequest,
    ) -> Stored<Page<Visible<Session>>> {
        let place = |row: &Session| after(row.last_activity_at, row.id);
        let active = || column::<session::Entity>("state").eq(SessionState::Active.as_str());
        let narrow = active_only.then(active);
        Ok(self
            .agent_page::<session::Entity, _>(scope, "last_activity_at", narrow, page, place)
            .await?)
    }

    async fn get_plan(&self, scope: &Scope, id: PlanId) -> Stored<Option<Visible<Plan>>> {
        Ok(self.agent_row::<plan::Entity, _>(scope, id.as_uuid()).await?)
    }

    async fn get_run(&self, scope: &Scope, id: RunId) -> Stored<Option<Visible<Run>>> {
        Ok(self.agent_row::<agent_run::Entity, _>(scope, id.as_uuid()).await?)
    }

    async fn list_runs(
        &self,
        scope: &Scope,
        filter: AgentFilter,
        page: PageRequest,
    ) -> Stored<Page<Visible<Run>>> {
        let place = |row: &Run| after(row.created_at, row.id);
        let narrow = narrow::<agent_run::Entity>(filter).chain(filter.session.map(of_session));
        Ok(self
            .agent_page::<agent_run::Entity, _>(scope, "created_at", narrow, page, place)
            .await?)
    }

    async fn get_patch(&self, scope: &Scope, id: PatchId) -> Stored<Option<Visible<Patch>>> {
        Ok(self.agent_row::<patch::Entity, _>(scope, id.as_uuid()).await?)
    }

    async fn list_patches(
        &self,
        scope: &Scope,
        filter: AgentFilter,
        page: PageRequest,
    ) -> Stored<Page<Visible<Patch>>> {
        let place = |row: &Patch| after(row.created_at, row.id);
        let narrow = narrow::<patch::Entity>(filter).chain(filter.session.map(made_in_session));
        Ok(self.agent_page::<patch::Entity, _>(scope, "created_at", narrow, page, place).await?)
    }

    async fn get_work_item(
        &self,
        scope: &Scope,
        id: WorkItemId,
    ) -> Stored<Option<Visible<WorkItemFacts>>> {
        Ok(self.agent_row::<work_item::Entity, _>(scope, id.as_uuid()).await?)
    }

    async fn kill_switch(&self, tenant: Tenant) -> Stored<bool> {
        Ok(self.is_stopped(tenant).await?)
    }
}

#[cfg(test)]
mod tests {
    use primitives::Id;

    use super::*;
    use crate::dialect::Dialect;
    use crate::visibility::tests::{scope, sql};

    #[tokio::test]
    async fn runs_are_listed_in_scope() {
        let id = Uuid::from_u128(7);
        let filter = AgentFilter {
            work_item: Some(Id::from_uuid(id)),
            repository: Some(Id::from_uuid(id)),
            session: None,
        };
        let narrow = narrow::<agent_run::Entity>(filter);
        let page = PageRequest { size: 2, after: Some(PageAfter { key: 9, id }) };
        let select = select_page::<agent_run::Entity>(&scope().await, "created_at", narrow, page);
        insta::assert_snapshot!(sql(&select));
    }

    #[tokio::test]
    async fn patches_of_a_session_are_listed_in_scope() {
        let narrow = [made_in_session(Id::from_uuid(Uuid::from_u128(7)))];
        let page = PageRequest { size: 2, after: None };
        let select = select_page::<patch::Entity>(&scope().await, "created_at", narrow, page);
        insta::assert_snapshot!(sql(&select));
    }

    #[tokio::test]
    async fn a_patch_is_held_in_scope() {
        let mut select = select_one::<patch::Entity>(&scope().await, Uuid::from_u128(7));
        Dialect::Postgres.lock_rows(&mut select, "patch");
        insta::assert_snapshot!(sql(&select));
    }

    #[test]
    fn a_tenant_is_stopped_by_its_own_switch_or_everyones() {
        let team = Tenant::Team(Id::from_uuid(Uuid::from_u128(7)));
        insta::assert_snapshot!(sql(&stops(team)));
    }
}

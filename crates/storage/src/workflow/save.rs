//! The transaction of a workflow.
//!
//! **Invariant:** every update names the row's owner and the version it was read at, and
//! changes one row or fails.

use agent_core::model::{Phase, RunInput, RunKind, RunState};
use async_trait::async_trait;
use events::RunOrder;
use permissions::{Cleared, Scope, Visible};
use primitives::{RepositoryId, RunId, Tenant, UserId, WorkItemId, WorkflowId};
use sea_orm::sea_query::{
    Asterisk, Condition, Expr, Func, OnConflict, Order, Query, SelectStatement, SimpleExpr,
    UpdateStatement,
};
use sea_orm::{ConnectionTrait, EntityTrait, ExprTrait, FromQueryResult, QueryResult, QueryTrait};
use uuid::Uuid;
use workflow_core::StoreError;
use workflow_core::model::{
    Firing, ItemMove, LockedItem, Recommendation, Transition, Visit, VisitEnd, WorkItem, Workflow,
};
use workflow_core::store::{Resolved, WorkflowTx};

use super::query::{ItemRow, WorkflowRow};
use super::{convert, query};
use crate::Tx;
use crate::fault::{Fault, Result};
use crate::row::item::{recommendation, stage_visit};
use crate::row::{insert, narrow, to_json, to_json_opt};
use crate::tx::Write;
use crate::visibility::{column, constant, owned, seen, show};

type Answer<T> = std::result::Result<T, StoreError>;

/// One row of `table`, if its version is still `version`; the update raises it.
fn versioned(table: &'static str, tenant: Tenant, id: Uuid, version: i64) -> UpdateStatement {
    Query::update()
        .table(table)
        .value("version", Expr::col("version").add(1))
        .and_where(owned(table, tenant))
        .and_where(column(table, "id").eq(id))
        .and_where(column(table, "version").eq(version))
        .to_owned()
}

fn item_update(item: &WorkItem) -> Result<UpdateStatement> {
    let row = convert::item_row(item)?;
    let mut update = versioned("work_item", item.tenant, row.id, item.version);
    update.values([
        ("revision", row.revision.into()),
        ("title", row.title.into()),
        ("description", row.description.into()),
        ("state", row.state.into()),
        ("stage_id", row.stage_id.into()),
        ("visit_id", row.visit_id.into()),
        ("entered_stage_at", row.entered_stage_at.into()),
        ("assignee_id", row.assignee_id.into()),
        ("priority", row.priority.into()),
        ("tags", row.tags.into()),
        ("data", row.data.into()),
        ("repository_id", row.repository_id.into()),
        ("claimed_at", row.claimed_at.into()),
        ("closed_at", row.closed_at.into()),
        ("updated_at", row.updated_at.into()),
    ]);
    Ok(update)
}

fn end_visit(tenant: Tenant, item: WorkItemId, end: &VisitEnd) -> UpdateStatement {
    Query::update()
        .table("stage_visit")
        .value("left_at", end.time.as_micros())
        .value("outcome", end.outcome.as_str())
        .and_where(owned("stage_visit", tenant))
        .and_where(column("stage_visit", "id").eq(end.visit.as_uuid()))
        .and_where(column("stage_visit", "work_item_id").eq(item.as_uuid()))
        .and_where(column("stage_visit", "left_at").is_null())
        .to_owned()
}

const VISIT_COLUMNS: [stage_visit::Column; 9] = [
    stage_visit::Column::Id,
    stage_visit::Column::TenantKind,
    stage_visit::Column::TenantId,
    stage_visit::Column::WorkItemId,
    stage_visit::Column::WorkflowId,
    stage_visit::Column::StageId,
    stage_visit::Column::EnteredAt,
    stage_visit::Column::LeftAt,
    stage_visit::Column::Outcome,
];

/// Ends one stay and begins the next in one statement: the old row is offered again with its
/// end and updates itself, the new one follows it. In this order an item never has two.
fn change_visit(tenant: Tenant, item: WorkItemId, end: &VisitEnd, next: &Visit) -> Result<Write> {
    use stage_visit::Column::{Id, LeftAt, Outcome};

    let mut ended = Query::select();
    for kept in VISIT_COLUMNS.into_iter().filter(|column| !matches!(column, LeftAt | Outcome)) {
        ended.expr(Expr::col((stage_visit::Entity, kept)));
    }
    ended
        .expr(Expr::val(end.time.as_micros()))
        .expr(Expr::val(end.outcome.as_str()))
        .from("stage_visit")
        .and_where(owned("stage_visit", tenant))
        .and_where(column("stage_visit", "id").eq(end.visit.as_uuid()))
        .and_where(column("stage_visit", "work_item_id").eq(item.as_uuid()))
        .and_where(column("stage_visit", "left_at").is_null());

    let row = convert::visit_row(next);
    let cells: [SimpleExpr; 9] = [
        row.id.into(),
        row.tenant_kind.into(),
        row.tenant_id.into(),
        row.work_item_id.into(),
        row.workflow_id.into(),
        row.stage_id.into(),
        row.entered_at.into(),
        row.left_at.into(),
        row.outcome.into(),
    ];
    let mut begun = Query::select();
    // Without a WHERE, SQLite takes the ON of ON CONFLICT for a join's.
    begun.exprs(cells).and_where(Expr::val(1).eq(1));

    ended.union(sea_orm::sea_query::UnionType::All, begun);
    let conflict = OnConflict::column(Id).update_columns([LeftAt, Outcome]).to_owned();
    let mut insert = Query::insert();
    insert.into_table(stage_visit::Entity).columns(VISIT_COLUMNS);
    insert
        .select_from(ended)
        .map_err(|error| Fault::Internal(format!("a statement cannot be built: {error}")))?;
    Ok(Write::new(insert.on_conflict(conflict).to_owned(), 2))
}

fn visit_write(step: &ItemMove) -> Result<Option<Write>> {
    let (tenant, item) = (step.item.tenant, step.item.id);
    Ok(match (&step.left, &step.entered) {
        (Some(end), Some(next)) => Some(change_visit(tenant, item, end, next)?),
        (Some(end), None) => Some(Write::new(end_visit(tenant, item, end), 1)),
        (None, Some(next)) => Some(Write::new(insert(vec![convert::visit_row(next)]), 1)),
        (None, None) => None,
    })
}

/// Active people whom the scope knows: the caller himself, and members of his teams.
fn known_users(scope: &Scope, users: &[UserId], now: SimpleExpr) -> SelectStatement {
    let teams: Vec<_> = scope.teams().map(|team| team.as_uuid()).collect();
    let role = |name| column("role_assignment", name);
    let shares_team = Query::select()
        .expr(Expr::val(1))
        .from("role_assignment")
        .and_where(role("user_id").eq(column("app_user", "id")))
        .and_where(role("scope_kind").eq("team"))
        .and_where(role("scope_id").is_in(teams))
        .and_where(role("expires_at").is_null().or(role("expires_at").gt(now)))
        .to_owned();
    let known = Condition::any()
        .add(column("app_user", "id").eq(scope.user().as_uuid()))
        .add(Expr::exists(shares_team));
    Query::select()
        .expr(Func::count(column("app_user", "id")))
        .from("app_user")
        .and_where(column("app_user", "id").is_in(users.iter().map(UserId::as_uuid)))
        .and_where(column("app_user", "active").eq(true))
        .cond_where(known)
        .to_owned()
}

impl Tx {
    /// Reads one row and holds it. When the statement had to wait for the row, what it joined
    /// is older than the row itself: then it is read once more, now that it is held.
    async fn read_locked<T>(
        &self,
        mut select: SelectStatement,
        table: &'static str,
        read: impl Fn(&QueryResult) -> Result<(T, i64)>,
    ) -> Result<Option<T>> {
        query::add_seen_version(&mut select, table);
        self.storage.dialect().lock_rows(&mut select, table);
        for _ in 0..2 {
            let Some(row) = self.open.query_one(&select).await? else { return Ok(None) };
            let definition: Option<String> = row.try_get("", "definition")?;
            let (value, version) = read(&row)?;
            let seen: Option<i64> = row.try_get("", "seen_version")?;
            if seen == Some(version) && definition.is_some() {
                return Ok(Some(value));
            }
        }
        Err(Fault::Stale)
    }

    async fn hold_item(
        &self,
        scope: &Scope,
        id: WorkItemId,
    ) -> Result<Option<Visible<LockedItem>>> {
        let select = query::one_item(scope, id.as_uuid());
        let found = self
            .read_locked(select, "work_item", |row| {
                let item = ItemRow::from_query_result(row, "")?;
                let text: Option<String> = row.try_get("", "definition")?;
                let version = item.item.version;
                Ok(((item, text), version))
            })
            .await?;
        let Some((row, Some(text))) = found else { return Ok(None) };
        let definitions = self.storage.definitions();
        let definition = definitions.parsed(row.item.workflow_id, row.item.revision, &text)?;
        Ok(show(scope, convert::item(row, definition)?))
    }

    async fn hold_workflow(
        &self,
        scope: &Scope,
        id: WorkflowId,
    ) -> Result<Option<Visible<Workflow>>> {
        let select = query::one_workflow(scope, id.as_uuid(), None);
        let found = self
            .read_locked(select, "workflow", |row| {
                let row = WorkflowRow::from_query_result(row, "")?;
                let version = row.workflow.version;
                Ok((row, version))
            })
            .await?;
        let Some(row) = found else { return Ok(None) };
        Ok(show(scope, convert::workflow(row, self.storage.definitions())?))
    }

    async fn add_workflow(&mut self, workflow: &Workflow) -> Result<bool> {
        let key = ["tenant_kind", "tenant_id", "seed_key"];
        let conflict = OnConflict::columns(key).do_nothing().to_owned();
        let mut first = insert(vec![convert::workflow_row(workflow)?]);
        if self.run(first.on_conflict(conflict)).await? == 0 {
            return Ok(false);
        }
        let mut rest = vec![Write::new(insert(vec![convert::revision_row(workflow)?]), 1)];
        let triggers = convert::trigger_rows(workflow);
        if !triggers.is_empty() {
            let rows = triggers.len();
            rest.push(Write::new(insert(triggers), rows));
        }
        self.write_all(rest).await?;
        Ok(true)
    }

    async fn update_workflow(&self, workflow: &Workflow) -> Result<()> {
        let row = convert::workflow_row(workflow)?;
        let mut update = versioned("workflow", workflow.tenant, row.id, workflow.version);
        update.values([
            ("display_name", row.display_name.into()),
            ("description", row.description.into()),
            ("icon", row.icon.into()),
            ("category", row.category.into()),
            ("tags", row.tags.into()),
            ("updated_at", row.updated_at.into()),
            ("deleted_at", row.deleted_at.into()),
        ]);
        self.run_one(&update).await
    }

    async fn add_item(
        &mut self,
        item: &WorkItem,
        first: &Transition,
        visit: &Visit,
    ) -> Result<()> {
        self.write_all(vec![
            Write::new(insert(vec![convert::item_row(item)?]), 1),
            Write::new(insert(vec![convert::transition_row(first)?]), 1),
            Write::new(insert(vec![convert::visit_row(visit)]), 1),
        ])
        .await
    }

    async fn move_item(&mut self, step: &ItemMove) -> Result<()> {
        let mut writes = vec![
            Write::new(item_update(&step.item)?, 1),
            Write::new(insert(vec![convert::transition_row(&step.transition)?]), 1),
        ];
        writes.extend(visit_write(step)?);
        self.write_all(writes).await
    }

    async fn update_data(&self, item: &WorkItem) -> Result<()> {
        let mut update = versioned("work_item", item.tenant, item.id.as_uuid(), item.version);
        update.values([
            ("data", to_json(&item.data)?.into()),
            ("updated_at", item.updated_at.as_micros().into()),
        ]);
        self.run_one(&update).await
    }

    async fn queue_run(&mut self, order: &RunOrder) -> Result<()> {
        let limits = self.storage.run_limits();
        let now = self.storage.dialect().now();
        let deadline: i64 = narrow("deadline", limits.deadline.as_micros())?;
        let input =
            RunInput::Assist { stage_id: order.stage_id.clone(), visit: order.visit };
        let max_attempts: i32 = narrow("max_attempts", limits.max_attempts)?;
        let cells: [(&str, SimpleExpr); 20] = [
            ("id", order.run.as_uuid().into()),
            ("tenant_kind", order.tenant.kind().as_str().into()),
            ("tenant_id", order.tenant.id().into()),
            ("kind", RunKind::Assist.as_str().into()),
            ("state", RunState::Queued.as_str().into()),
            ("phase", Phase::Queued.as_str().into()),
            ("principal_id", order.principal.as_uuid().into()),
            ("work_item_id", order.work_item.as_uuid().into()),
            ("visit_id", order.visit.as_uuid().into()),
            ("repository_id", order.repository.map(|id| id.as_uuid()).into()),
            ("input", to_json(&input)?.into()),
            ("cause", to_json_opt(order.cause.as_ref())?.into()),
            ("attempt", 0.into()),
            ("max_attempts", max_attempts.into()),
            ("fence", 0_i64.into()),
            // By the database's clock, which is the one that claims look at.
            ("due_at", now.clone()),
            ("deadline_at", now.add(deadline)),
            ("engine_used", "".into()),
            ("model_used", "".into()),
            ("created_at", order.time.as_micros().into()),
        ];
        let (columns, values): (Vec<_>, Vec<_>) = cells.into_iter().unzip();
        let mut insert = Query::insert();
        insert.into_table("agent_run").columns(columns).values_panic(values);
        self.run(&insert).await?;
        self.wakes = true;
        Ok(())
    }

    async fn cancel_runs(&mut self, item: WorkItemId) -> Result<Vec<RunId>> {
        let update = Query::update()
            .table("agent_run")
            .value("state", RunState::Cancelled.as_str())
            // Whoever works on it has lost it.
            .value("fence", Expr::col("fence").add(1))
            .value("ended_at", self.storage.dialect().now())
            .and_where(column("agent_run", "work_item_id").eq(item.as_uuid()))
            .and_where(column("agent_run", "state").is_in(["QUEUED", "RUNNING"].map(constant)))
            .returning_col("id")
            .to_owned();
        let rows = self.open.query_all(&update).await?;
        rows.iter().map(|row| Ok(RunId::from_uuid(row.try_get("", "id")?))).collect()
    }

    async fn add_recommendation(&self, row: &Recommendation) -> Result<bool> {
        let key = ["tenant_kind", "tenant_id", "run_id"];
        let conflict = OnConflict::columns(key).do_nothing().to_owned();
        let mut insert = insert(vec![convert::recommendation_row(row)?]);
        Ok(self.run(insert.on_conflict(conflict)).await? == 1)
    }

    async fn last_recommendation(&self, item: WorkItemId) -> Result<Option<Recommendation>> {
        let select = recommendation::Entity::find()
            .into_query()
            .and_where(column("recommendation", "work_item_id").eq(item.as_uuid()))
            .order_by(("recommendation", "created_at"), Order::Desc)
            .order_by(("recommendation", "id"), Order::Desc)
            .limit(1)
            .to_owned();
        let Some(row) = self.open.query_one(&select).await? else { return Ok(None) };
        let row = recommendation::Model::from_query_result(&row, "")?;
        Ok(Some(convert::recommendation(row)?))
    }

    async fn update_verdict(&self, row: &Recommendation) -> Result<()> {
        let update = Query::update()
            .table("recommendation")
            .value("verdict", row.verdict.as_str())
            .value("reviewer_id", row.reviewer.map(|user| user.as_uuid()))
            .value("reviewed_at", row.reviewed_at.map(|time| time.as_micros()))
            .value("review_note", row.review_note.as_str())
            .and_where(owned("recommendation", row.tenant))
            .and_where(column("recommendation", "id").eq(row.id.as_uuid()))
            .to_owned();
        self.run_one(&update).await
    }

    async fn add_firing(&self, firing: &Firing) -> Result<bool> {
        let key = ["tenant_kind", "tenant_id", "event_id", "trigger_id"];
        let conflict = OnConflict::columns(key).do_nothing().to_owned();
        let mut insert = insert(vec![convert::firing_row(firing)]);
        Ok(self.run(insert.on_conflict(conflict)).await? == 1)
    }

    async fn find_named(
        &self,
        scope: &Scope,
        repository: Option<RepositoryId>,
        users: &[UserId],
    ) -> Result<Resolved> {
        let mut users = users.to_vec();
        users.sort_unstable();
        users.dedup();
        if repository.is_none() && users.is_empty() {
            return Ok(Resolved { repository: true, users: true });
        }
        let known = Query::select()
            .expr(Func::count(Expr::col(Asterisk)))
            .from("repository")
            .cond_where(seen("repository", scope))
            .and_where(
                column("repository", "id").is_in(repository.iter().map(RepositoryId::as_uuid)),
            )
            .to_owned();
        let people = known_users(scope, &users, self.storage.dialect().now());
        let select = Query::select()
            .expr_as(Expr::from(known), "repositories")
            .expr_as(Expr::from(people), "people")
            .to_owned();
        let row = self.open.query_one(&select).await?;
        let row = row.ok_or_else(|| Fault::Internal("a SELECT of counts gave no row".into()))?;
        let (repositories, people): (i64, i64) =
            (row.try_get("", "repositories")?, row.try_get("", "people")?);
        Ok(Resolved {
            repository: repository.is_none() || repositories == 1,
            users: usize::try_from(people) == Ok(users.len()),
        })
    }
}

#[async_trait]
impl WorkflowTx for Tx {
    async fn lock_item(
        &mut self,
        scope: &Scope,
        id: WorkItemId,
    ) -> Answer<Option<Visible<LockedItem>>> {
        Ok(self.hold_item(scope, id).await?)
    }

    async fn lock_workflow(
        &mut self,
        scope: &Scope,
        id: WorkflowId,
    ) -> Answer<Option<Visible<Workflow>>> {
        Ok(self.hold_workflow(scope, id).await?)
    }

    async fn insert_workflow(&mut self, workflow: &Cleared<Workflow>) -> Answer<bool> {
        Ok(self.add_workflow(workflow).await?)
    }

    async fn save_workflow(&mut self, workflow: &Cleared<Workflow>) -> Answer<()> {
        Ok(self.update_workflow(workflow).await?)
    }

    async fn insert_item(
        &mut self,
        item: &Cleared<WorkItem>,
        first: &Transition,
        visit: &Visit,
    ) -> Answer<()> {
        Ok(self.add_item(item, first, visit).await?)
    }

    async fn save_move(&mut self, step: &ItemMove) -> Answer<()> {
        Ok(self.move_item(step).await?)
    }

    async fn save_data(&mut self, item: &Cleared<WorkItem>) -> Answer<()> {
        Ok(self.update_data(item).await?)
    }

    async fn order_run(&mut self, order: &RunOrder) -> Answer<()> {
        Ok(self.queue_run(order).await?)
    }

    async fn stop_runs(&mut self, item: WorkItemId) -> Answer<Vec<RunId>> {
        Ok(self.cancel_runs(item).await?)
    }

    async fn insert_recommendation(&mut self, row: &Cleared<Recommendation>) -> Answer<bool> {
        Ok(self.add_recommendation(row).await?)
    }

    async fn newest_recommendation(
        &mut self,
        item: WorkItemId,
    ) -> Answer<Option<Recommendation>> {
        Ok(self.last_recommendation(item).await?)
    }

    async fn save_verdict(&mut self, row: &Cleared<Recommendation>) -> Answer<()> {
        Ok(self.update_verdict(row).await?)
    }

    async fn insert_firing(&mut self, firing: &Firing) -> Answer<bool> {
        Ok(self.add_firing(firing).await?)
    }

    async fn resolve(
        &mut self,
        scope: &Scope,
        repository: Option<RepositoryId>,
        users: &[UserId],
    ) -> Answer<Resolved> {
        Ok(self.find_named(scope, repository, users).await?)
    }

    async fn commit(self: Box<Self>) -> Answer<()> {
        Ok((*self).commit_now().await?)
    }
}

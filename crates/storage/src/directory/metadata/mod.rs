//! Everybody's metadata, for administrators.
//!
//! **Invariant:** on Postgres the reads run as a role that is granted no column of content, so
//! a statement that asks for one fails, whoever wrote it. The record of the look is written
//! before that role is taken on; both end with the transaction.

mod query;
mod rows;

use async_trait::async_trait;
use audit::port::AuditError;
use audit::{AuditEvent, AuditTrail};
use directory::metadata::{
    Count, MetadataTx, MetadataViews, QueueFigures, RunMetadata, RunsFilter, SessionMetadata,
    StoredFigures, UserMetadata, WorkerFigures, WorkflowMetadata,
};
use permissions::{AdminSupport, Scope, SystemAdmitted};
use primitives::{Id, Page, PageAfter, PageRequest, Tenant, Timestamp, UserId};
use sea_orm::sea_query::{Expr, SelectStatement};
use sea_orm::{ConnectionTrait, ExprTrait, FromQueryResult};

use self::query::{
    OPEN, columns, counted, numbers, runs, sessions_of, users, workers, workflows_of,
};
use self::rows::{
    CountRow, Numbers, RunRow, SessionRow, SwitchRow, UserRow, WorkerRow, WorkflowRow, time,
};
use super::Answer;
use crate::dialect::Dialect;
use crate::fault::Result;
use crate::row::{broken, tenant};
use crate::visibility::{Direction, column, page};
use crate::{Storage, Tx};

/// One look. `reads` is set once the role of metadata is taken on.
struct Look {
    tx: Tx,
    reads: bool,
}

impl Look {
    /// Becomes the role that reads metadata, for the rest of the transaction.
    async fn enter(&mut self) -> Result<()> {
        if !self.reads && self.tx.storage.dialect() == Dialect::Postgres {
            self.tx.open.execute_unprepared("set local role elohim_metadata").await?;
        }
        self.reads = true;
        Ok(())
    }

    async fn all<R: FromQueryResult>(&mut self, select: &SelectStatement) -> Result<Vec<R>> {
        self.enter().await?;
        let rows = self.tx.open.query_all(select).await?;
        rows.iter().map(|row| Ok(R::from_query_result(row, "")?)).collect()
    }

    async fn one<R: FromQueryResult>(&mut self, select: &SelectStatement) -> Result<Option<R>> {
        Ok(self.all(select).await?.pop())
    }

    async fn user_page(&mut self, request: PageRequest) -> Result<Page<UserMetadata>> {
        let mut select = users(self.tx.storage.dialect());
        page(&mut select, "app_user", "created_at", Direction::NewestFirst, request);
        let rows: Vec<UserRow> = self.all(&select).await?;
        let users = rows.into_iter().map(UserRow::convert).collect::<Result<Vec<_>>>()?;
        Ok(Page::cut(users, request.size, |user| place(user.created_at, user.id)))
    }

    async fn one_user(&mut self, id: UserId) -> Result<Option<UserMetadata>> {
        let mut select = users(self.tx.storage.dialect());
        select.and_where(column("app_user", "id").eq(id.as_uuid()));
        let row: Option<UserRow> = self.one(&select).await?;
        row.map(UserRow::convert).transpose()
    }

    async fn workflow_page(
        &mut self,
        user: UserId,
        request: PageRequest,
    ) -> Result<Page<WorkflowMetadata>> {
        let rows: Vec<WorkflowRow> = self.all(&workflows_of(user, request)).await?;
        let mut found = Vec::new();
        for row in rows {
            let of = |select: &mut SelectStatement| {
                select.and_where(column("work_item", "workflow_id").eq(row.id));
            };
            let mut items = counted("work_item", "state");
            of(&mut items);
            let mut stages = counted("work_item", "stage_id");
            of(&mut stages);
            stages.and_where(Expr::cust(format!("work_item.state in ({OPEN})")));
            let owner = tenant(&row.tenant_kind, row.tenant_id)?;
            let open_stages: Vec<CountRow> = match owner {
                // What somebody calls the stages of his own is his own.
                Tenant::Person(_) => Vec::new(),
                _ => self.all(&stages).await?,
            };
            let items: Vec<CountRow> = self.all(&items).await?;
            found.push(WorkflowMetadata {
                id: Id::from_uuid(row.id),
                owner,
                is_template: row.is_template,
                display_name: row.shown_name,
                creator: Id::from_uuid(row.creator_id),
                revision: row.revision.unsigned_abs(),
                items: items.into_iter().map(Count::from).collect(),
                open_stages: open_stages.into_iter().map(Count::from).collect(),
                created_at: Timestamp::from_micros(row.created_at),
                updated_at: Timestamp::from_micros(row.updated_at),
                deleted_at: time(row.deleted_at),
            });
        }
        Ok(Page::cut(found, request.size, |row| place(row.created_at, row.id)))
    }

    async fn all_figures(&mut self) -> Result<StoredFigures> {
        let row: Option<Numbers> = self.one(&numbers(self.tx.storage.dialect())).await?;
        let row = row.ok_or_else(|| broken("figures", "none"))?;
        let items: Vec<CountRow> = self.all(&counted("work_item", "state")).await?;
        let runs: Vec<CountRow> = self.all(&counted("agent_run", "state")).await?;
        let workers: Vec<WorkerRow> = self.all(&workers()).await?;
        let mut engaged = columns(
            "kill_switch",
            &["tenant_kind", "tenant_id", "reason", "changed_by", "changed_at"],
        );
        engaged.and_where(column("kill_switch", "stopped").eq(true));
        let switches: Vec<SwitchRow> = self.all(&engaged).await?;
        let worker = |row: WorkerRow| WorkerFigures {
            name: row.name,
            held_runs: row.number.unsigned_abs(),
            heartbeat_at: Timestamp::from_micros(row.heartbeat_at.unwrap_or_default()),
        };
        let queue = |waiting: i64, oldest| QueueFigures {
            waiting: waiting.unsigned_abs(),
            oldest: time(oldest),
        };
        Ok(StoredFigures {
            users: row.users.unsigned_abs(),
            deactivated_users: row.deactivated_users.unsigned_abs(),
            teams: row.teams.unsigned_abs(),
            workflows: row.workflows.unsigned_abs(),
            templates: row.templates.unsigned_abs(),
            items: items.into_iter().map(Count::from).collect(),
            runs: runs.into_iter().map(Count::from).collect(),
            active_sessions: row.active_sessions.unsigned_abs(),
            repositories: row.repositories.unsigned_abs(),
            audit_events: row.audit_events.unsigned_abs(),
            queued_runs: queue(row.queued_runs, row.oldest_run),
            waiting_events: queue(row.waiting_events, row.oldest_event),
            database_bytes: row.database_bytes.map(i64::unsigned_abs),
            workers: workers.into_iter().map(worker).collect(),
            switches: switches.into_iter().map(SwitchRow::convert).collect::<Result<_>>()?,
        })
    }
}

fn place<K>(key: Timestamp, id: Id<K>) -> PageAfter {
    PageAfter { key: key.as_micros(), id: id.as_uuid() }
}

#[async_trait]
impl AuditTrail for Look {
    async fn record(&mut self, events: Vec<AuditEvent>) -> std::result::Result<(), AuditError> {
        if self.reads {
            // A bug: the role that reads writes nothing.
            return Err(AuditError::Store("a look was recorded after it began".into()));
        }
        self.tx.record(events).await
    }
}

#[async_trait]
impl MetadataTx for Look {
    async fn users(&mut self, request: PageRequest) -> Answer<Page<UserMetadata>> {
        Ok(self.user_page(request).await?)
    }

    async fn user(&mut self, id: UserId) -> Answer<Option<UserMetadata>> {
        Ok(self.one_user(id).await?)
    }

    async fn workflows_of(
        &mut self,
        user: UserId,
        request: PageRequest,
    ) -> Answer<Page<WorkflowMetadata>> {
        Ok(self.workflow_page(user, request).await?)
    }

    async fn sessions_of(
        &mut self,
        user: UserId,
        request: PageRequest,
    ) -> Answer<Page<SessionMetadata>> {
        let rows: Vec<SessionRow> = self.all(&sessions_of(user, request)).await?;
        let rows: Vec<_> = rows.into_iter().map(SessionMetadata::from).collect();
        Ok(Page::cut(rows, request.size, |row| place(row.last_activity_at, row.id)))
    }

    async fn runs(
        &mut self,
        filter: &RunsFilter,
        request: PageRequest,
    ) -> Answer<Page<RunMetadata>> {
        let rows: Vec<RunRow> = self.all(&runs(filter, request)).await?;
        let rows = rows.into_iter().map(RunRow::convert).collect::<Result<Vec<_>>>()?;
        Ok(Page::cut(rows, request.size, |row| place(row.created_at, row.id)))
    }

    async fn figures(&mut self) -> Answer<StoredFigures> {
        Ok(self.all_figures().await?)
    }

    async fn commit(self: Box<Self>) -> Answer<()> {
        Ok(self.tx.commit_now().await?)
    }
}

#[async_trait]
impl MetadataViews for Storage {
    async fn open(
        &self,
        scope: &Scope,
        _: &SystemAdmitted<AdminSupport>,
    ) -> Answer<Box<dyn MetadataTx>> {
        Ok(Box::new(Look { tx: self.begin_in(scope).await?, reads: false }))
    }
}

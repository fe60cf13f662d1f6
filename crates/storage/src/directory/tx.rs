//! One change of the directory.
//!
//! **Invariant:** from its first statement on, the transaction holds the policy epoch, so that
//! changes of the policy are made one after the other: what one has judged by stands when it
//! commits. If it changed a right, and only then, its commit raises the epoch.

use std::collections::BTreeMap;

use async_trait::async_trait;
use audit::port::AuditError;
use audit::{AuditEvent, AuditTrail};
use directory::store::Belongings;
use events::{EventError, EventRecord, Once, Outbox, Requests};
use permissions::Scope;
use primitives::{TeamId, Tenant, Timestamp, UserId};
use sea_orm::sea_query::{
    Asterisk, Expr, Func, Query, SelectStatement, SimpleExpr, UpdateStatement,
};
use sea_orm::{ConnectionTrait, ExprTrait, FromQueryResult};
use serde_json::Value;
use uuid::Uuid;

use crate::fault::{Fault, Result};
use crate::reach::{Reach, opening};
use crate::row::narrow;
use crate::trail::{answer_insert, record_writes};
use crate::tx::{Write, epoch_raise};
use crate::visibility::{column, constant, owned};
use crate::{Storage, Tx};

/// An open change of the directory. What is noted of it is written at its end, together.
pub(super) struct DirectoryWrite {
    pub(super) tx: Tx,
    /// Whose rows are reached, and at the end those of teams that something is noted for.
    reach: Reach,
    is_wider: bool,
    /// A right was changed.
    pub(super) changes_rights: bool,
    /// Notes among the rows that are reached…
    notes: Vec<Write>,
    /// …and those filed under other people alone.
    personal: BTreeMap<UserId, Vec<Write>>,
}

impl Storage {
    /// Begins a transaction and holds the policy epoch, which it returns, until its end.
    pub(super) async fn hold_policy(&self, reach: Option<&Reach>) -> Result<(Tx, i64)> {
        let tx = self.begin_directory().await?;
        let mut first = opening(reach, false, self.dialect());
        self.dialect().lock_rows(&mut first, "policy_epoch");
        let row = tx.open.query_one(&first).await?;
        let row = row.ok_or_else(|| Fault::Internal("policy_epoch has no row".into()))?;
        let epoch = row.try_get("", "epoch")?;
        Ok((tx, epoch))
    }
}

impl DirectoryWrite {
    pub(super) async fn begin(storage: &Storage, scope: &Scope) -> Result<Self> {
        let reach = Reach::of(scope);
        let (tx, stored) = storage.hold_policy(Some(&reach)).await?;
        if stored > scope.epoch() {
            return Err(Fault::PolicyMoved(stored));
        }
        Ok(Self::of(tx, reach))
    }

    /// For the server itself, on nobody's behalf and at whatever epoch there is.
    pub(super) async fn begin_first(storage: &Storage, reach: Reach) -> Result<Self> {
        let (tx, _) = storage.hold_policy(Some(&reach)).await?;
        Ok(Self::of(tx, reach))
    }

    fn of(tx: Tx, reach: Reach) -> Self {
        Self {
            tx,
            reach,
            is_wider: false,
            changes_rights: false,
            notes: Vec::new(),
            personal: BTreeMap::new(),
        }
    }

    pub(super) async fn finish(self) -> Result<()> {
        let Self { mut tx, reach, is_wider, changes_rights, mut notes, personal } = self;
        if is_wider {
            tx.enter(&reach).await?;
        }
        notes.extend(changes_rights.then(|| Write::new(epoch_raise(), 1)));
        tx.write_all(notes).await?;
        for (user, notes) in personal {
            tx.enter(&Reach::of_tenant(Tenant::Person(user))).await?;
            tx.write_all(notes).await?;
        }
        tx.commit_now().await
    }

    /// Changes or adds exactly so many rows; if it does not, the transaction is of no use.
    pub(super) async fn write(&mut self, write: Write) -> Result<()> {
        self.tx.write_all(vec![write]).await
    }

    /// Keeps what is to be written of each owner's notes.
    fn note<T>(
        &mut self,
        notes: Vec<T>,
        owner: impl Fn(&T) -> Tenant,
        writes: impl Fn(&Tx, &[T]) -> Result<Vec<Write>>,
    ) -> Result<()> {
        let mut reached = Vec::new();
        let mut personal: BTreeMap<UserId, Vec<T>> = BTreeMap::new();
        for note in notes {
            match owner(&note) {
                Tenant::Person(user) if !self.reach.is_of(user) => {
                    personal.entry(user).or_default().push(note);
                    continue;
                }
                Tenant::Team(team) => self.is_wider |= self.reach.add_team(team),
                Tenant::Person(_) | Tenant::Global => {}
            }
            reached.push(note);
        }
        self.notes.extend(writes(&self.tx, &reached)?);
        for (user, notes) in personal {
            let writes = writes(&self.tx, &notes)?;
            self.personal.entry(user).or_default().extend(writes);
        }
        Ok(())
    }

    pub(super) async fn count_belongings(&mut self, team: TeamId) -> Result<Belongings> {
        let owner = Tenant::Team(team);
        self.is_wider |= self.reach.add_team(team);
        if std::mem::take(&mut self.is_wider) {
            self.tx.enter(&self.reach).await?;
        }
        let row = self.tx.open.query_one(&belongings(owner)).await?;
        let row = row.ok_or_else(|| Fault::Internal("a SELECT of counts gave no row".into()))?;
        let row = BelongingsRow::from_query_result(&row, "")?;
        Ok(Belongings {
            workflows: narrow("workflows", row.workflows)?,
            repositories: narrow("repositories", row.repositories)?,
            live_runs: narrow("live_runs", row.live_runs)?,
        })
    }
}

#[derive(FromQueryResult)]
struct BelongingsRow {
    workflows: i64,
    repositories: i64,
    live_runs: i64,
}

/// Counts of one owner's rows.
fn belongings(owner: Tenant) -> SelectStatement {
    let count = |table: &'static str, narrow: Option<SimpleExpr>| -> SimpleExpr {
        let mut select = Query::select();
        select.expr(Func::count(Expr::col(Asterisk))).from(table).and_where(owned(table, owner));
        narrow.into_iter().for_each(|condition| {
            select.and_where(condition);
        });
        select.into()
    };
    let is_live = column("agent_run", "state").is_in(["QUEUED", "RUNNING"].map(constant));
    let in_use = column("workflow", "deleted_at").is_null();
    Query::select()
        .expr_as(count("workflow", Some(in_use)), "workflows")
        .expr_as(count("repository", None), "repositories")
        .expr_as(count("agent_run", Some(is_live)), "live_runs")
        .to_owned()
}

/// An update of one row that raises its version, which must be the one given.
pub(super) fn raising(table: &'static str, id: Uuid, version: i64) -> UpdateStatement {
    Query::update()
        .table(table)
        .value("version", Expr::col("version").add(1))
        .and_where(column(table, "id").eq(id))
        .and_where(column(table, "version").eq(version))
        .to_owned()
}

#[async_trait]
impl AuditTrail for DirectoryWrite {
    async fn record(&mut self, events: Vec<AuditEvent>) -> std::result::Result<(), AuditError> {
        let writes = |_: &Tx, events: &[AuditEvent]| Ok(record_writes(events));
        Ok(self.note(events, |event| event.tenant, writes)?)
    }
}

#[async_trait]
impl Outbox for DirectoryWrite {
    async fn publish(&mut self, events: Vec<EventRecord>) -> std::result::Result<(), EventError> {
        self.tx.wakes |= !events.is_empty();
        Ok(self.note(events, |event| event.tenant, Tx::event_writes)?)
    }
}

#[async_trait]
impl Requests for DirectoryWrite {
    async fn replay(&mut self, once: &Once) -> std::result::Result<Option<Value>, EventError> {
        self.tx.replay(once).await
    }

    async fn remember(
        &mut self,
        once: &Once,
        answer: &Value,
        now: Timestamp,
    ) -> std::result::Result<(), EventError> {
        self.notes.push(Write::new(answer_insert(once, answer, now)?, 1));
        Ok(())
    }
}

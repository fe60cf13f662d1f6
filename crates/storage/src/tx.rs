//! One transaction, and how it is begun.
//!
//! **Invariant:** rows of tenants are touched in a transaction that said first whose rows it
//! reaches; there is no other way to a connection for them.
//!
//! **Invariant:** dropped without [`Tx::commit`], nothing of it remains, wherever its future
//! was cancelled. The driver can give a connection back to the pool inside an open transaction
//! when a future is dropped during BEGIN; so BEGIN and COMMIT run in tasks of their own, which
//! nobody cancels.

use permissions::Scope;
use sea_orm::sea_query::{
    Alias, Asterisk, CommonTableExpression, Expr, Func, Query, SelectStatement, SubQueryStatement,
    UpdateStatement, WithClause,
};
use sea_orm::{
    ConnectionTrait, DatabaseExecutor, DatabaseTransaction, ExprTrait, Statement, StatementBuilder,
    TransactionTrait,
};
use tokio::task::JoinError;

use crate::Storage;
use crate::dialect::Dialect;
use crate::fault::{Fault, Result};
use crate::reach::{Reach, opening};

/// An open write transaction; also an audit trail, an outbox and a memory of requests.
pub struct Tx {
    pub(crate) open: DatabaseTransaction,
    pub(crate) storage: Storage,
    /// A run or an event was queued: workers are woken by the commit.
    pub(crate) wakes: bool,
    /// A write failed halfway: what is left must not be committed.
    broken: bool,
}

/// One of several writes that belong together.
pub(crate) struct Write {
    statement: SubQueryStatement,
    rows: u64,
}

impl Write {
    /// A write that must change exactly `rows` rows.
    pub(crate) fn new(statement: impl Into<SubQueryStatement>, rows: usize) -> Self {
        Self { statement: statement.into(), rows: rows as u64 }
    }
}

/// Reads of one point of view; ends when it is dropped.
pub(crate) struct Read {
    /// SQLite reads without a transaction: it has no settings to make for one.
    open: Option<DatabaseTransaction>,
    storage: Storage,
}

impl Read {
    /// What to read from.
    pub(crate) fn rows(&self) -> DatabaseExecutor<'_> {
        match &self.open {
            Some(open) => open.into(),
            None => self.storage.reader().into(),
        }
    }
}

impl Storage {
    /// Begins a transaction that sees and changes what `scope` sees. Its first statement
    /// compares the stored epoch, so that a revocation holds from the next call on.
    pub(crate) async fn begin_in(&self, scope: &Scope) -> Result<Tx> {
        let tx = self.begin_directory().await?;
        let first = opening(Some(&Reach::of(scope)), false, self.dialect());
        check_epoch(&tx.open, &first, scope.epoch()).await?;
        Ok(tx)
    }

    /// Begins a transaction of the server itself on rows of one owner.
    pub(crate) async fn begin_within(&self, reach: &Reach) -> Result<Tx> {
        let tx = self.begin_directory().await?;
        tx.enter(reach).await?;
        Ok(tx)
    }

    /// Begins a transaction that reaches nobody's rows: for people, roles and switches, and
    /// for claims, which enter the scope of what they claimed.
    pub(crate) async fn begin_directory(&self) -> Result<Tx> {
        let storage = self.clone();
        let begun = tokio::spawn(async move {
            let options = storage.dialect().write_options();
            let open = storage.writer().begin_with_options(options).await?;
            Ok::<_, Fault>(Tx { open, storage, wakes: false, broken: false })
        });
        begun.await.map_err(ended)?
    }

    /// Begins to read what `scope` sees; compares the stored epoch as writing does.
    pub(crate) async fn read(&self, scope: &Scope) -> Result<Read> {
        let read = self.begin_read().await?;
        let first = opening(Some(&Reach::of(scope)), true, self.dialect());
        check_epoch(&read.rows(), &first, scope.epoch()).await?;
        Ok(read)
    }

    /// Begins to read what `scope` sees, as it is at one moment: all statements see the same.
    pub(crate) async fn snapshot(&self, scope: &Scope) -> Result<Read> {
        let storage = self.clone();
        let begun = tokio::spawn(async move {
            let options = storage.dialect().snapshot_options();
            let open = storage.reader().begin_with_options(options).await?;
            Ok::<_, Fault>(Read { open: Some(open), storage })
        });
        let read = begun.await.map_err(ended)??;
        let first = opening(Some(&Reach::of(scope)), true, self.dialect());
        check_epoch(&read.rows(), &first, scope.epoch()).await?;
        Ok(read)
    }

    /// Begins to read rows of one owner, for the server itself.
    pub(crate) async fn read_within(&self, reach: &Reach) -> Result<Read> {
        let read = self.begin_read().await?;
        if let Some(enter) = reach.enter(self.dialect()) {
            read.rows().query_one(&enter).await?;
        }
        Ok(read)
    }

    async fn begin_read(&self) -> Result<Read> {
        let storage = self.clone();
        if self.dialect() == Dialect::Sqlite {
            return Ok(Read { open: None, storage });
        }
        let begun = tokio::spawn(async move {
            let open = storage.reader().begin().await?;
            Ok::<_, Fault>(Read { open: Some(open), storage })
        });
        begun.await.map_err(ended)?
    }

    /// Compares the stored epoch, for reads of people and roles.
    pub(crate) async fn check_read(&self, epoch: i64) -> Result<()> {
        check_epoch(self.reader(), &opening(None, false, self.dialect()), epoch).await
    }
}

async fn check_epoch(
    connection: &impl ConnectionTrait,
    first: &SelectStatement,
    epoch: i64,
) -> Result<()> {
    let row = connection.query_one(first).await?;
    let row = row.ok_or_else(|| Fault::Internal("policy_epoch has no row".into()))?;
    let stored: i64 = row.try_get("", "epoch")?;
    if stored > epoch { Err(Fault::PolicyMoved(stored)) } else { Ok(()) }
}

impl Tx {
    /// From here on, the transaction reaches these rows and no others.
    pub(crate) async fn enter(&self, reach: &Reach) -> Result<()> {
        if let Some(enter) = reach.enter(self.storage.dialect()) {
            self.open.query_one(&enter).await?;
        }
        Ok(())
    }

    /// Makes it durable, then wakes the workers if there is something for them.
    pub(crate) async fn commit_now(self) -> Result<()> {
        let Self { open, storage, wakes, broken } = self;
        if broken {
            return Err(used_after_failure());
        }
        let committed = tokio::spawn(async move {
            open.commit().await?;
            if wakes {
                events::Wakeups::wake(&*storage.wake());
            }
            Ok::<_, Fault>(())
        });
        committed.await.map_err(ended)?
    }

    /// Runs a statement; returns how many rows it changed.
    pub(crate) async fn run<S: StatementBuilder>(&self, statement: &S) -> Result<u64> {
        Ok(self.open.execute(statement).await?.rows_affected())
    }

    /// Runs an update that must change exactly one row: its version was still the expected one.
    pub(crate) async fn run_one<S: StatementBuilder>(&self, statement: &S) -> Result<()> {
        if self.run(statement).await? == 1 { Ok(()) } else { Err(Fault::Stale) }
    }

    /// Runs writes that belong together, in one round trip where the database can. Each must
    /// change its number of rows; if one does not, somebody else was faster and the
    /// transaction can only be dropped.
    pub(crate) async fn write_all(&mut self, writes: Vec<Write>) -> Result<()> {
        if self.broken {
            return Err(used_after_failure());
        }
        self.broken = true;
        match (self.storage.dialect(), writes.len()) {
            (Dialect::Postgres, 2..) => self.write_together(writes).await?,
            _ => {
                for Write { statement, rows } in writes {
                    if self
                        .open
                        .execute_raw(build(self.storage.dialect(), &statement))
                        .await?
                        .rows_affected()
                        != rows
                    {
                        return Err(Fault::Stale);
                    }
                }
            }
        }
        self.broken = false;
        Ok(())
    }

    /// `WITH w0 AS (INSERT …), w1 AS (UPDATE …) SELECT (SELECT count(*) FROM w0), …`
    async fn write_together(&self, writes: Vec<Write>) -> Result<()> {
        let mut with = WithClause::new();
        let mut counts = Query::select();
        let mut expected = Vec::new();
        for (at, Write { statement, rows }) in writes.into_iter().enumerate() {
            let name = Alias::new(format!("w{at}"));
            let count = Query::select()
                .expr(Func::count(Expr::col(Asterisk)))
                .from(name.clone())
                .to_owned();
            counts.expr_as(Expr::from(count), name.clone());
            let mut part = CommonTableExpression::new();
            part.query(returning(statement)).table_name(name);
            with.cte(part);
            expected.push(rows);
        }
        let row = self.open.query_one(&with.query(counts)).await?;
        let row = row.ok_or_else(|| Fault::Internal("a SELECT of counts gave no row".into()))?;
        for (at, rows) in expected.into_iter().enumerate() {
            let changed: i64 = row.try_get_by_index(at)?;
            if u64::try_from(changed) != Ok(rows) {
                return Err(Fault::Stale);
            }
        }
        Ok(())
    }

    /// Raises the policy epoch: every grant made before is asked again.
    pub(crate) async fn raise_epoch(&self) -> Result<()> {
        self.run_one(&epoch_raise()).await
    }
}

/// What raises the policy epoch.
pub(crate) fn epoch_raise() -> UpdateStatement {
    Query::update().table("policy_epoch").value("epoch", Expr::col("epoch").add(1)).to_owned()
}

fn build(dialect: Dialect, statement: &SubQueryStatement) -> Statement {
    let backend = dialect.backend();
    match statement {
        SubQueryStatement::SelectStatement(statement) => backend.build(statement),
        SubQueryStatement::InsertStatement(statement) => backend.build(statement),
        SubQueryStatement::UpdateStatement(statement) => backend.build(statement),
        SubQueryStatement::DeleteStatement(statement) => backend.build(statement),
        SubQueryStatement::WithStatement(statement) => backend.build(statement),
    }
}

/// Inside WITH, only rows that are returned can be counted.
fn returning(statement: SubQueryStatement) -> SubQueryStatement {
    let one = || Query::returning().expr(Expr::val(1));
    match statement {
        SubQueryStatement::InsertStatement(mut s) => s.returning(one()).to_owned().into(),
        SubQueryStatement::UpdateStatement(mut s) => s.returning(one()).to_owned().into(),
        SubQueryStatement::DeleteStatement(mut s) => s.returning(one()).to_owned().into(),
        other @ (SubQueryStatement::SelectStatement(_) | SubQueryStatement::WithStatement(_)) => {
            other
        }
    }
}

fn used_after_failure() -> Fault {
    Fault::Internal("a transaction was used after one of its writes failed".into())
}

fn ended(error: JoinError) -> Fault {
    Fault::Internal(format!("a database task ended: {error}"))
}

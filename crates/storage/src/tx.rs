//! One write transaction.
//!
//! **Invariant:** dropped without [`Tx::commit`], nothing of it remains, wherever its future
//! was cancelled. The driver can give a connection back to the pool inside an open transaction
//! when a future is dropped during BEGIN; so BEGIN and COMMIT run in tasks of their own, which
//! nobody cancels.

use sea_orm::sea_query::{Expr, Query};
use sea_orm::{
    ConnectionTrait, DatabaseTransaction, ExprTrait, StatementBuilder, TransactionTrait,
};
use tokio::task::JoinError;

use crate::Storage;
use crate::fault::{Fault, Result};

/// An open write transaction; also an audit trail, an outbox and a memory of requests.
pub struct Tx {
    pub(crate) open: DatabaseTransaction,
    pub(crate) storage: Storage,
    /// A run or an event was queued: workers are woken by the commit.
    pub(crate) wakes: bool,
}

impl Storage {
    /// Begins a transaction for a caller whose rights belong to `epoch`. Its first statement
    /// compares the stored epoch, so that a revocation holds from the next call on.
    pub(crate) async fn begin_at(&self, epoch: i64) -> Result<Tx> {
        let tx = self.begin_unchecked().await?;
        check_epoch(&tx.open, epoch).await?;
        Ok(tx)
    }

    /// Begins a transaction that acts for no caller: queues, directory, cleaning.
    pub(crate) async fn begin_unchecked(&self) -> Result<Tx> {
        let storage = self.clone();
        let begun = tokio::spawn(async move {
            let options = storage.dialect().write_options();
            let open = storage.writer().begin_with_options(options).await?;
            Ok::<_, Fault>(Tx { open, storage, wakes: false })
        });
        begun.await.map_err(ended)?
    }

    /// The first statement of each read for a caller.
    pub(crate) async fn check_read(&self, epoch: i64) -> Result<()> {
        check_epoch(self.reader(), epoch).await
    }
}

async fn check_epoch(connection: &impl ConnectionTrait, epoch: i64) -> Result<()> {
    let select = Query::select().column("epoch").from("policy_epoch").to_owned();
    let row = connection.query_one(&select).await?;
    let row = row.ok_or_else(|| Fault::Internal("policy_epoch has no row".into()))?;
    let stored: i64 = row.try_get("", "epoch")?;
    if stored > epoch { Err(Fault::PolicyMoved(stored)) } else { Ok(()) }
}

impl Tx {
    /// Makes it durable, then wakes the workers if there is something for them.
    pub(crate) async fn commit_now(self) -> Result<()> {
        let Self { open, storage, wakes } = self;
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

    /// Raises the policy epoch: every grant made before is asked again.
    pub(crate) async fn raise_epoch(&self) -> Result<()> {
        let update = Query::update()
            .table("policy_epoch")
            .value("epoch", Expr::col("epoch").add(1))
            .to_owned();
        self.run_one(&update).await
    }
}

fn ended(error: JoinError) -> Fault {
    Fault::Internal(format!("a database task ended: {error}"))
}

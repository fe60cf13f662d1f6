//! Brings the schema up to date.
//!
//! **Invariant:** all missing files run in one transaction that nobody else runs at the same
//! time; a file that ran is never run again, and one that changed since is refused.

use std::fmt::Write as _;
use std::time::Duration;

use migrations::Migration;
use sea_orm::sea_query::Query;
use sea_orm::{ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbErr, TransactionTrait};
use sha2::{Digest, Sha256};

use crate::Storage;
use crate::dialect::Dialect;
use crate::fault::Fault;
use crate::session;

/// "elohim" read as a number: who else takes this lock migrates, too.
const LOCK: i64 = 0x656c_6f68_696d;

const TABLE: &str = "
create table if not exists schema_migration (
    name     text   not null primary key,
    checksum text   not null,
    ran_at   bigint not null
)";

/// The schema cannot be brought up to date; nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// A shipped file must stay as it is.
    #[error("migration {0} ran with another text than this release ships")]
    Changed(String),
    /// A later file ran already, this one did not.
    #[error("migration {0} is missing although later ones ran")]
    OutOfOrder(String),
    /// The database failed.
    #[error("migration {name} failed: {cause}")]
    Failed {
        /// The file, or `start` before any.
        name: String,
        /// What the database said.
        cause: String,
    },
}

impl Storage {
    /// Runs the files that have not run yet; returns their names. Safe to call from many
    /// processes at once and again at each start. On Postgres it connects as whoever the
    /// URL names, not as the server's sessions.
    pub async fn migrate(&self) -> Result<Vec<&'static str>, MigrateError> {
        match self.owner_url() {
            Some((url, patience)) => self.migrate_over(url, patience).await,
            None => self.migrate_on(self.writer()).await,
        }
    }

    /// The same, connecting to Postgres by another URL: for an owner of the tables that the
    /// server itself cannot be.
    pub async fn migrate_as(&self, url: &str) -> Result<Vec<&'static str>, MigrateError> {
        match self.owner_url() {
            Some((_, patience)) => self.migrate_over(url, patience).await,
            None => self.migrate_on(self.writer()).await,
        }
    }

    async fn migrate_over(
        &self,
        url: &str,
        patience: Duration,
    ) -> Result<Vec<&'static str>, MigrateError> {
        let owner = session::owner(url, patience).await;
        let owner = owner.map_err(|fault| failed("start", &fault))?;
        let ran = self.migrate_on(&owner).await;
        if let Err(error) = owner.close().await {
            tracing::warn!(%error, "the connection of the migrations did not close");
        }
        ran
    }

    async fn migrate_on(
        &self,
        connection: &DatabaseConnection,
    ) -> Result<Vec<&'static str>, MigrateError> {
        let dialect = self.dialect();
        let shipped = match dialect {
            Dialect::Postgres => migrations::POSTGRES,
            Dialect::Sqlite => migrations::SQLITE,
        };
        let start = |error: DbErr| failed("start", &Fault::from(error));
        let tx = connection.begin_with_options(dialect.write_options()).await.map_err(start)?;
        let ran = prepare(dialect, &tx).await.map_err(start)?;
        let missing = missing(shipped, &ran)?;
        for migration in &missing {
            let ran = run(dialect, &tx, migration).await;
            ran.map_err(|cause| failed(migration.name, &cause.into()))?;
        }
        tx.commit().await.map_err(|error| failed("commit", &Fault::from(error)))?;
        Ok(missing.iter().map(|migration| migration.name).collect())
    }
}

fn failed(name: &str, cause: &Fault) -> MigrateError {
    MigrateError::Failed { name: name.into(), cause: cause.to_string() }
}

/// Takes the lock and lists what ran, by name: `(name, checksum)`.
async fn prepare(
    dialect: Dialect,
    tx: &DatabaseTransaction,
) -> Result<Vec<(String, String)>, DbErr> {
    if dialect == Dialect::Postgres {
        // Building an index may take longer than any call may.
        let begin =
            format!("set local statement_timeout = 0; select pg_advisory_xact_lock({LOCK})");
        tx.execute_unprepared(&begin).await?;
    }
    tx.execute_unprepared(TABLE).await?;
    let select = Query::select()
        .columns(["name", "checksum"])
        .from("schema_migration")
        .order_by("name", sea_orm::sea_query::Order::Asc)
        .to_owned();
    let rows = tx.query_all(&select).await?;
    rows.iter().map(|row| Ok((row.try_get("", "name")?, row.try_get("", "checksum")?))).collect()
}

/// Files of a newer release are left alone: it expands the schema while this one still runs.
fn missing<'a>(
    shipped: &'a [Migration],
    ran: &[(String, String)],
) -> Result<Vec<&'a Migration>, MigrateError> {
    let mut missing = Vec::new();
    for migration in shipped {
        match ran.iter().find(|(name, _)| name == migration.name) {
            Some((_, sum)) if *sum == checksum(migration.sql) => {
                if let Some(first) = missing.first() {
                    let first: &&Migration = first;
                    return Err(MigrateError::OutOfOrder(first.name.into()));
                }
            }
            Some(_) => return Err(MigrateError::Changed(migration.name.into())),
            None => missing.push(migration),
        }
    }
    Ok(missing)
}

async fn run(
    dialect: Dialect,
    tx: &DatabaseTransaction,
    migration: &Migration,
) -> Result<(), DbErr> {
    tx.execute_unprepared(migration.sql).await?;
    let insert = Query::insert()
        .into_table("schema_migration")
        .columns(["name", "checksum", "ran_at"])
        .values_panic([migration.name.into(), checksum(migration.sql).into(), dialect.now()])
        .to_owned();
    tx.execute(&insert).await?;
    tracing::info!(migration.name, "schema migrated");
    Ok(())
}

fn checksum(sql: &str) -> String {
    Sha256::digest(sql).iter().fold(String::new(), |mut text, byte| {
        // Writing into a text cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

//! Brings the schema up to date.
//!
//! **Invariant:** all missing files run in one transaction that nobody else runs at the same
//! time; a file that ran is never run again, and one that changed since is refused.

use std::fmt::Write as _;

use migrations::Migration;
use sea_orm::sea_query::Query;
use sea_orm::{ConnectionTrait, DbErr};
use sha2::{Digest, Sha256};

use crate::dialect::Dialect;
use crate::fault::Fault;
use crate::{Storage, Tx};

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
    /// processes at once and again at each start.
    pub async fn migrate(&self) -> Result<Vec<&'static str>, MigrateError> {
        let shipped = match self.dialect() {
            Dialect::Postgres => migrations::POSTGRES,
            Dialect::Sqlite => migrations::SQLITE,
        };
        self.migrate_with(shipped).await
    }

    async fn migrate_with(&self, shipped: &[Migration]) -> Result<Vec<&'static str>, MigrateError> {
        let tx = self.begin_unchecked().await.map_err(|fault| failed("start", &fault))?;
        let ran = prepare(&tx).await.map_err(|error| failed("start", &Fault::from(error)))?;
        let missing = missing(shipped, &ran)?;
        for migration in &missing {
            run(&tx, migration).await.map_err(|cause| failed(migration.name, &cause.into()))?;
        }
        tx.commit_now().await.map_err(|fault| failed("commit", &fault))?;
        Ok(missing.iter().map(|migration| migration.name).collect())
    }
}

fn failed(name: &str, cause: &Fault) -> MigrateError {
    MigrateError::Failed { name: name.into(), cause: cause.to_string() }
}

/// Takes the lock and lists what ran, by name: `(name, checksum)`.
async fn prepare(tx: &Tx) -> Result<Vec<(String, String)>, DbErr> {
    if tx.storage.dialect() == Dialect::Postgres {
        // Building an index may take longer than any call may.
        let begin =
            format!("set local statement_timeout = 0; select pg_advisory_xact_lock({LOCK})");
        tx.open.execute_unprepared(&begin).await?;
    }
    tx.open.execute_unprepared(TABLE).await?;
    let select = Query::select()
        .columns(["name", "checksum"])
        .from("schema_migration")
        .order_by("name", sea_orm::sea_query::Order::Asc)
        .to_owned();
    let rows = tx.open.query_all(&select).await?;
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

async fn run(tx: &Tx, migration: &Migration) -> Result<(), DbErr> {
    tx.open.execute_unprepared(migration.sql).await?;
    let insert = Query::insert()
        .into_table("schema_migration")
        .columns(["name", "checksum", "ran_at"])
        .values_panic([
            migration.name.into(),
            checksum(migration.sql).into(),
            tx.storage.dialect().now(),
        ])
        .to_owned();
    tx.open.execute(&insert).await?;
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

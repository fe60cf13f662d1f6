//! What sessions on Postgres run as.
//!
//! **Invariant:** the server's sessions are bound by row-level security: they become a role
//! that owns nothing when they begin, and a server whose sessions are not bound does not
//! start. Migrations, which make that role, have a connection of their own.

use std::time::Duration;

use sea_orm::sqlx::Error::Database as Told;
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbErr, RuntimeErr, Statement,
};

use crate::dialect::Dialect;
use crate::fault::{Fault, Result};
use crate::{ConnectError, Storage};

/// Made by the migrations.
pub const SERVER_ROLE: &str = "elohim_app";

/// SQLSTATE of a setting with a value that there is not.
const NO_SUCH_VALUE: &str = "22023";

const BOUND: &str = "
select r.rolname::text as role, case
    when r.rolsuper then 'is a superuser'
    when r.rolbypassrls then 'has BYPASSRLS'
    when exists (
        select from pg_class c
        where c.relnamespace = current_schema()::regnamespace and c.relkind in ('r', 'p')
          and pg_has_role(r.oid, c.relowner, 'usage')
    ) then 'owns tables'
    end as unbound
from pg_roles r where r.rolname = current_user";

/// Opens the pool of the server's sessions. Before the first migration there is no role they
/// could become: then nothing is opened yet.
pub(crate) async fn pool(
    options: ConnectOptions,
) -> std::result::Result<DatabaseConnection, DbErr> {
    match Database::connect(options.clone()).await {
        Err(error) if lacks_role(&error) => {
            let mut later = options;
            later.connect_lazy(true);
            Database::connect(later).await
        }
        opened => opened,
    }
}

fn lacks_role(error: &DbErr) -> bool {
    match error {
        DbErr::Conn(RuntimeErr::SqlxError(error)) => match &**error {
            Told(told) => told.code().is_some_and(|code| code == NO_SUCH_VALUE),
            _ => false,
        },
        _ => false,
    }
}

/// One connection as whoever the URL names, without limits of time: for migrations.
pub(crate) async fn owner(url: &str, patience: Duration) -> Result<DatabaseConnection> {
    let mut connect = ConnectOptions::new(url);
    connect
        .max_connections(1)
        .sqlx_logging(false)
        .record_stmt_in_spans(false)
        .acquire_timeout(patience)
        .connect_timeout(patience)
        .map_sqlx_postgres_opts(|postgres| postgres.application_name("elohim migrate"));
    Ok(Database::connect(connect).await?)
}

impl Storage {
    /// Refuses sessions that row-level security does not bind. SQLite has neither.
    pub async fn require_bound(&self) -> std::result::Result<(), ConnectError> {
        if self.dialect() == Dialect::Sqlite {
            return Ok(());
        }
        let asked = self.unbound().await;
        match asked.map_err(|fault| ConnectError::Refused(fault.to_string()))? {
            Some((role, why)) => Err(ConnectError::Unbound { role, why }),
            None => Ok(()),
        }
    }

    /// The role of a session and why it is not bound.
    async fn unbound(&self) -> Result<Option<(String, String)>> {
        let statement = Statement::from_string(self.dialect().backend(), BOUND);
        let row = self.writer().query_one_raw(statement).await?;
        let row = row.ok_or_else(|| Fault::Internal("a session without a role".into()))?;
        let why: Option<String> = row.try_get("", "unbound")?;
        Ok(why.map(|why| Ok::<_, DbErr>((row.try_get("", "role")?, why))).transpose()?)
    }
}

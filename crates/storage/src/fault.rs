//! What can go wrong in a database, in the words of each domain.
//!
//! The one place that reads driver errors. Causes travel as text for the log; callers see
//! kinds only.

use audit::port::{AuditError, AuditReadError};
use events::EventError;
use permissions::SourceError;
use sea_orm::{DbErr, RuntimeErr, SqlErr, sqlx};

pub(crate) type Result<T> = std::result::Result<T, Fault>;

/// A statement or transaction failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// The rights belong to an older policy epoch.
    #[error("the policy moved to epoch {0}")]
    PolicyMoved(i64),
    /// A version moved, or two transactions met: nothing was written.
    #[error("the row changed meanwhile")]
    Stale,
    /// A unique key is taken.
    #[error("a unique key is taken: {0}")]
    Taken(String),
    /// Not reachable, overloaded, or restarting: worth another try.
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
    /// A bug or a broken database.
    #[error("the database failed: {0}")]
    Internal(String),
}

impl From<DbErr> for Fault {
    fn from(error: DbErr) -> Self {
        let cause = error.to_string();
        if let Some(SqlErr::UniqueConstraintViolation(_)) = error.sql_err() {
            return Self::Taken(cause);
        }
        match &error {
            DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => Self::Unavailable(cause),
            DbErr::Exec(RuntimeErr::SqlxError(sqlx))
            | DbErr::Query(RuntimeErr::SqlxError(sqlx)) => of_driver(sqlx, cause),
            _ => Self::Internal(cause),
        }
    }
}

fn of_driver(error: &sqlx::Error, cause: String) -> Fault {
    use sqlx::Error::{Database, Io, PoolClosed, PoolTimedOut, Protocol, Tls, WorkerCrashed};
    match error {
        Io(_) | PoolClosed | PoolTimedOut | Protocol(_) | Tls(_) | WorkerCrashed => {
            Fault::Unavailable(cause)
        }
        Database(database) => {
            let code = database.code().unwrap_or_default();
            if database.try_downcast_ref::<sqlx::postgres::PgDatabaseError>().is_some() {
                of_postgres(&code, cause)
            } else {
                of_sqlite(&code, cause)
            }
        }
        _ => Fault::Internal(cause),
    }
}

/// SQLSTATE classes: 08 connection, 53 resources, 57 shutdown and timeouts, 40 rolled back by
/// a conflict, 25P03 idle in a transaction, 55P03 lock not available.
fn of_postgres(code: &str, cause: String) -> Fault {
    match (code.get(..2), code) {
        (Some("40"), _) => Fault::Stale,
        (Some("08" | "53" | "57"), _) | (_, "25P03" | "55P03") => Fault::Unavailable(cause),
        _ => Fault::Internal(cause),
    }
}

/// Primary codes: 5 busy, 6 locked, 10 I/O, 13 full.
fn of_sqlite(code: &str, cause: String) -> Fault {
    match code.parse::<u32>().map(|code| code & 0xff) {
        Ok(5 | 6 | 10 | 13) => Fault::Unavailable(cause),
        _ => Fault::Internal(cause),
    }
}

impl From<Fault> for workflow_core::StoreError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::PolicyMoved(epoch) => Self::PolicyMoved(epoch),
            Fault::Stale | Fault::Taken(_) => Self::Stale,
            Fault::Unavailable(cause) => Self::Unavailable(cause),
            Fault::Internal(cause) => Self::Internal(cause),
        }
    }
}

impl From<Fault> for agent_core::StoreError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::PolicyMoved(epoch) => Self::PolicyMoved(epoch),
            Fault::Stale | Fault::Taken(_) => Self::Stale,
            Fault::Unavailable(cause) => Self::Unavailable(cause),
            Fault::Internal(cause) => Self::Internal(cause),
        }
    }
}

impl From<Fault> for directory::store::StoreError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::PolicyMoved(epoch) => Self::PolicyMoved(epoch),
            Fault::Stale | Fault::Taken(_) => Self::Stale,
            Fault::Unavailable(cause) => Self::Unavailable(cause),
            Fault::Internal(cause) => Self::Internal(cause),
        }
    }
}

impl From<Fault> for AuditReadError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::PolicyMoved(epoch) => Self::PolicyMoved(epoch),
            Fault::Unavailable(cause) => Self::Unavailable(cause),
            fault => Self::Internal(fault.to_string()),
        }
    }
}

impl From<Fault> for AuditError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Unavailable(cause) => Self::Unavailable(cause),
            fault => Self::Store(fault.to_string()),
        }
    }
}

impl From<Fault> for EventError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Stale | Fault::Taken(_) => Self::Raced,
            Fault::Unavailable(cause) => Self::Unavailable(cause),
            fault => Self::Store(fault.to_string()),
        }
    }
}

impl From<Fault> for SourceError {
    fn from(fault: Fault) -> Self {
        Self(fault.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conflicts_and_outages_are_told_apart_by_code() {
        for code in ["40001", "40P01"] {
            assert!(matches!(of_postgres(code, String::new()), Fault::Stale), "{code}");
        }
        for code in ["08006", "53300", "57P01", "57014", "25P03", "55P03"] {
            assert!(matches!(of_postgres(code, String::new()), Fault::Unavailable(_)), "{code}");
        }
        for code in ["", "4", "23514", "42P01"] {
            assert!(matches!(of_postgres(code, String::new()), Fault::Internal(_)), "{code}");
        }
        for (code, unavailable) in [("5", true), ("517", true), ("13", true), ("787", false)] {
            let fault = of_sqlite(code, String::new());
            assert_eq!(matches!(fault, Fault::Unavailable(_)), unavailable, "{code}");
        }
    }
}

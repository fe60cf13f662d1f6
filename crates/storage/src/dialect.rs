//! Where the two databases differ, and nothing else.

use std::fmt;

use sea_orm::sea_query::{Alias, Expr, LockBehavior, LockType, SelectStatement, SimpleExpr};
use sea_orm::{DbBackend, IsolationLevel, SqliteTransactionMode, TransactionOptions};

/// Which database it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Many writers, row locks, READ COMMITTED.
    Postgres,
    /// One writer, so that every write transaction is alone.
    Sqlite,
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Postgres => "postgres",
            Self::Sqlite => "sqlite",
        })
    }
}

impl Dialect {
    pub(crate) const fn backend(self) -> DbBackend {
        match self {
            Self::Postgres => DbBackend::Postgres,
            Self::Sqlite => DbBackend::Sqlite,
        }
    }

    /// A write transaction. SQLite takes the write lock at once: a later upgrade would fail
    /// without waiting.
    pub(crate) fn write_options(self) -> TransactionOptions {
        TransactionOptions {
            sqlite_transaction_mode: match self {
                Self::Postgres => None,
                Self::Sqlite => Some(SqliteTransactionMode::Immediate),
            },
            ..TransactionOptions::default()
        }
    }

    /// A read transaction whose statements all see the same moment. SQLite's do by themselves,
    /// from their first statement on.
    pub(crate) fn snapshot_options(self) -> TransactionOptions {
        TransactionOptions {
            isolation_level: match self {
                Self::Postgres => Some(IsolationLevel::RepeatableRead),
                Self::Sqlite => None,
            },
            ..TransactionOptions::default()
        }
    }

    /// The database's own clock, microseconds since the epoch.
    pub(crate) fn now(self) -> SimpleExpr {
        Expr::cust(match self {
            Self::Postgres => "cast(extract(epoch from clock_timestamp()) * 1000000 as bigint)",
            Self::Sqlite => "cast(unixepoch('subsec') * 1000000 as integer)",
        })
    }

    /// Names of the functions that give the larger and the smaller of two values.
    pub(crate) const fn larger_and_smaller(self) -> (&'static str, &'static str) {
        match self {
            Self::Postgres => ("greatest", "least"),
            Self::Sqlite => ("max", "min"),
        }
    }

    /// Holds the rows of `table` until the end of the transaction. SQLite's one writer holds
    /// everything anyway. Keys do not change, so rows that refer to a held one can be added.
    pub(crate) fn lock_rows(self, select: &mut SelectStatement, table: &'static str) {
        if self == Self::Postgres {
            select.lock_with_tables(LockType::NoKeyUpdate, [Alias::new(table)]);
        }
    }

    /// The same, passing over rows that somebody else holds: for queues.
    pub(crate) fn lock_free_rows(self, select: &mut SelectStatement) {
        if self == Self::Postgres {
            select.lock_with_behavior(LockType::Update, LockBehavior::SkipLocked);
        }
    }
}

//! Connections.
//!
//! **Invariant:** SQLite has one writing connection; readers cannot write. On Postgres,
//! sessions are bound by row-level security (see `session`). On both databases
//! a statement that runs too long or a transaction left idle is ended by the database.

use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sea_orm::sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sea_orm::{ConnectOptions, Database, DatabaseConnection, DbErr};

use crate::Wake;
use crate::dialect::Dialect;
use crate::session::{self, SERVER_ROLE};
use crate::workflow::Definitions;

/// How to connect. The defaults suit one server process.
#[derive(Clone, Debug)]
pub struct StorageOptions {
    /// Connections to Postgres; on SQLite, connections that read.
    pub pool_size: u32,
    /// Waiting longer than this for a connection, or for SQLite's writer, is an outage.
    pub acquire_timeout: Duration,
    /// Postgres ends statements that run longer.
    pub statement_timeout: Duration,
    /// Postgres ends sessions that leave a transaction open without working.
    pub idle_in_transaction_timeout: Duration,
    /// Shown in `pg_stat_activity`.
    pub application_name: String,
    /// What sessions on Postgres become; `None` stays whoever the URL names.
    pub role: Option<String>,
    /// What a queued run may use.
    pub run_limits: RunLimits,
}

/// What a run queued by a workflow may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunLimits {
    /// Attempts until it is DEAD.
    pub max_attempts: u32,
    /// From the order to TIMED_OUT, attempts and waits included.
    pub deadline: Duration,
}

impl Default for StorageOptions {
    fn default() -> Self {
        Self {
            pool_size: 10,
            acquire_timeout: Duration::from_secs(10),
            statement_timeout: Duration::from_secs(25),
            idle_in_transaction_timeout: Duration::from_secs(30),
            application_name: "elohim".into(),
            role: Some(SERVER_ROLE.into()),
            run_limits: RunLimits { max_attempts: 5, deadline: Duration::from_mins(30) },
        }
    }
}

/// The database cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Neither `sqlite:PATH` nor `postgres://…`. The URL is not repeated: it may hold a password.
    #[error("a database URL must be sqlite:PATH or postgres://USER@HOST/NAME")]
    Url,
    /// A database in memory is gone when its last connection is.
    #[error("SQLite needs a file: give sqlite:PATH")]
    InMemory,
    /// The folder of the file cannot be made.
    #[error("cannot make the folder of {path}: {cause}")]
    Folder {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// Policies would not hold for the server.
    #[error(
        "sessions run as {role}, which {why}: row-level security does not bind it. Let the \
         server connect as a role that may become {SERVER_ROLE} and is no more than that"
    )]
    Unbound {
        /// What sessions run as.
        role: String,
        /// What it is or has.
        why: String,
    },
    /// The database refused.
    #[error("cannot connect to the database: {0}")]
    Refused(String),
}

impl From<DbErr> for ConnectError {
    fn from(error: DbErr) -> Self {
        Self::Refused(error.to_string())
    }
}

/// An open database. Cheap to clone.
#[derive(Clone)]
pub struct Storage {
    inner: Arc<Inner>,
}

struct Inner {
    dialect: Dialect,
    reader: DatabaseConnection,
    writer: DatabaseConnection,
    statements: Arc<AtomicU64>,
    wake: Arc<Wake>,
    run_limits: RunLimits,
    definitions: Definitions,
    /// Where migrations connect to, as whoever it names; SQLite has one writer for all.
    url: Option<String>,
    patience: Duration,
}

impl Storage {
    /// Opens `sqlite:PATH` (the file and its folder are made if missing) or `postgres://…`.
    /// Nothing is migrated: call [`Storage::migrate`] next.
    pub async fn connect(url: &str, options: StorageOptions) -> Result<Self, ConnectError> {
        if let Some(path) = url.strip_prefix("sqlite:") {
            Self::connect_sqlite(path, options).await
        } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            Self::connect_postgres(url, options).await
        } else {
            Err(ConnectError::Url)
        }
    }

    async fn connect_postgres(url: &str, options: StorageOptions) -> Result<Self, ConnectError> {
        let mut connect = base(url, &options);
        let name = options.application_name.clone();
        let mut settings = vec![
            ("statement_timeout", millis(options.statement_timeout)),
            ("idle_in_transaction_session_timeout", millis(options.idle_in_transaction_timeout)),
        ];
        // From the start of the session, so that no RESET leads back.
        settings.extend(options.role.clone().map(|role| ("role", role)));
        connect.max_connections(options.pool_size).map_sqlx_postgres_opts(move |postgres| {
            postgres.application_name(&name).options(settings.clone())
        });
        let pool = session::pool(connect).await?;
        Ok(Self::of(Dialect::Postgres, pool.clone(), pool, Some(url), &options))
    }

    async fn connect_sqlite(path: &str, options: StorageOptions) -> Result<Self, ConnectError> {
        let path = path.strip_prefix("//").unwrap_or(path);
        if path.is_empty() || path.contains(":memory:") || path.contains("mode=memory") {
            return Err(ConnectError::InMemory);
        }
        let path = PathBuf::from(path);
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            // What is made here is nobody else's to read.
            std::fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(folder)
                .map_err(|cause| ConnectError::Folder { path: path.clone(), cause })?;
        }
        let file = SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // With a write-ahead log, what was acknowledged survives the end of the process.
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(options.acquire_timeout)
            .foreign_keys(true);
        let readers = file.clone().pragma("query_only", "on");

        let writer = sqlite_pool(file, 1, &options).await?;
        let reader = sqlite_pool(readers, options.pool_size, &options).await?;
        Ok(Self::of(Dialect::Sqlite, reader, writer, None, &options))
    }

    fn of(
        dialect: Dialect,
        mut reader: DatabaseConnection,
        mut writer: DatabaseConnection,
        url: Option<&str>,
        options: &StorageOptions,
    ) -> Self {
        let statements = Arc::new(AtomicU64::new(0));
        for connection in [&mut reader, &mut writer] {
            let statements = statements.clone();
            connection.set_metric_callback(move |_| {
                statements.fetch_add(1, Ordering::Relaxed);
            });
        }
        let wake = Arc::new(Wake::default());
        let run_limits = options.run_limits;
        let definitions = Definitions::default();
        let (url, patience) = (url.map(ToOwned::to_owned), options.acquire_timeout);
        let inner = Inner {
            dialect,
            reader,
            writer,
            statements,
            wake,
            run_limits,
            definitions,
            url,
            patience,
        };
        Self { inner: Arc::new(inner) }
    }

    /// Which database it is.
    pub fn dialect(&self) -> Dialect {
        self.inner.dialect
    }

    /// Statements sent since the start, BEGIN and COMMIT apart. A count per command is the
    /// difference around it, in a process that does nothing else.
    pub fn statements(&self) -> u64 {
        self.inner.statements.load(Ordering::Relaxed)
    }

    /// Fired after commits that queued a run or an event.
    pub fn wake(&self) -> Arc<Wake> {
        self.inner.wake.clone()
    }

    /// Closes all connections; calls after it fail as unavailable.
    pub async fn close(&self) {
        for connection in [&self.inner.reader, &self.inner.writer] {
            if let Err(error) = connection.clone().close().await {
                tracing::warn!(%error, "a connection pool did not close");
            }
        }
    }

    /// For statements that only read.
    pub(crate) fn reader(&self) -> &DatabaseConnection {
        &self.inner.reader
    }

    /// For single statements that write, and for beginning transactions.
    pub(crate) fn writer(&self) -> &DatabaseConnection {
        &self.inner.writer
    }

    /// Where migrations connect to, and how long they wait for that; `None` where the writer
    /// does them.
    pub(crate) fn owner_url(&self) -> Option<(&str, Duration)> {
        self.inner.url.as_deref().map(|url| (url, self.inner.patience))
    }

    pub(crate) fn definitions(&self) -> &Definitions {
        &self.inner.definitions
    }

    pub(crate) fn run_limits(&self) -> RunLimits {
        self.inner.run_limits
    }
}

async fn sqlite_pool(
    file: SqliteConnectOptions,
    size: u32,
    options: &StorageOptions,
) -> Result<DatabaseConnection, ConnectError> {
    // The URL only chooses the driver: the path is given as it is, whatever is in it.
    let mut connect = base("sqlite::memory:", options);
    connect.max_connections(size).map_sqlx_sqlite_opts(move |_| {
        sea_orm::sqlx::ConnectOptions::disable_statement_logging(file.clone())
    });
    Ok(Database::connect(connect).await?)
}

/// Statements are not logged: their texts may hold what people wrote.
fn base(url: &str, options: &StorageOptions) -> ConnectOptions {
    let mut connect = ConnectOptions::new(url);
    connect
        .sqlx_logging(false)
        .record_stmt_in_spans(false)
        .acquire_timeout(options.acquire_timeout)
        .connect_timeout(options.acquire_timeout)
        // Connections are checked when they come back; a check before each use costs a round trip.
        .test_before_acquire(false);
    connect
}

fn millis(duration: Duration) -> String {
    format!("{}ms", duration.as_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_not_a_database_of_ours_is_refused_before_connecting() {
        let refused = async |url| Storage::connect(url, StorageOptions::default()).await.err();
        for url in ["", "mysql://x", "file:x", "/a/b", "SQLITE:x"] {
            assert!(matches!(refused(url).await, Some(ConnectError::Url)), "{url}");
        }
        for url in ["sqlite:", "sqlite::memory:", "sqlite://:memory:"] {
            assert!(matches!(refused(url).await, Some(ConnectError::InMemory)), "{url}");
        }
    }
}

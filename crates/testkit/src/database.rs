//! A migrated database of its own for each test, thrown away afterwards.
//!
//! [`on_both!`](crate::on_both) turns one story into two tests, `NAME::sqlite` and
//! `NAME::postgres`.
//!
//! **Invariant:** nothing here skips. Without a Postgres a test panics with the command
//! that provides one.

use std::fmt;
use std::future::Future;
use std::path::Path;

use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbErr};
use sha2::{Digest, Sha256};
use storage::{Storage, StorageOptions};
use tempfile::TempDir;
use uuid::Uuid;

/// Names the server on which databases may be created and dropped.
pub const POSTGRES_VARIABLE: &str = "ELOHIM_TEST_PG";

/// Serialises the making of the template among all test processes of one cluster.
const TEMPLATE_LOCK: i64 = 0x0e10_4113;

/// Makes two tests of one story: `NAME::sqlite` and `NAME::postgres`. `TestDb` is
/// [`database::TestDb`](crate::database::TestDb) and need not be imported; the story sees what
/// its module sees.
///
/// ```
/// testkit::on_both! {
///     /// What is shown here.
///     async fn a_fresh_database_is_migrated(db: TestDb) {
///         assert!(db.url().contains(':'));
///     }
/// }
/// ```
#[macro_export]
macro_rules! on_both {
    ($($(#[$meta:meta])* async fn $name:ident($db:ident: TestDb) $story:block)+) => {$(
        $(#[$meta])*
        mod $name {
            #[allow(
                unused_imports,
                clippy::allow_attributes,
                reason = "a story may need nothing of its module"
            )]
            use super::*;

            async fn story($db: $crate::database::TestDb) $story

            #[test]
            fn sqlite() {
                $crate::database::run($crate::database::Backend::Sqlite, story);
            }

            #[test]
            fn postgres() {
                $crate::database::run($crate::database::Backend::Postgres, story);
            }
        }
    )+};
}

/// Runs one story on a fresh database, in a runtime of its own.
pub fn run<F, S>(backend: Backend, story: F)
where
    F: FnOnce(TestDb) -> S,
    S: Future<Output = ()>,
{
    runtime().block_on(async { story(TestDb::of(backend).await).await });
}

/// Runs something that opens databases by itself, in a runtime of its own.
pub fn play<T>(story: impl Future<Output = T>) -> T {
    runtime().block_on(story)
}

/// The database under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    Sqlite,
    Postgres,
}

/// One migrated, empty database. Dropping it removes it and ends connections to it that are
/// still open.
#[derive(Debug)]
pub struct TestDb {
    url: String,
    backend: Backend,
    _place: Place,
}

/// What is removed when the test is over.
#[derive(Debug)]
enum Place {
    Folder { _folder: TempDir },
    Database { _database: PostgresDatabase },
}

impl TestDb {
    /// A fresh database.
    pub async fn of(backend: Backend) -> Self {
        match backend {
            Backend::Sqlite => Self::sqlite().await,
            Backend::Postgres => Self::postgres().await,
        }
    }

    /// A SQLite file in a folder of its own.
    pub async fn sqlite() -> Self {
        let folder = tempfile::Builder::new().prefix("elohim-db-").tempdir();
        let folder = folder.unwrap_or_else(|error| fail("no folder for the database", error));
        let url = sqlite_url(&folder.path().join("elohim.db"));
        migrate(&url).await;
        Self { url, backend: Backend::Sqlite, _place: Place::Folder { _folder: folder } }
    }

    /// A Postgres database, copied from a migrated template that is made once per cluster.
    pub async fn postgres() -> Self {
        let admin_url = admin_url();
        let made = copy_of_template(&admin_url).await;
        let database = made.unwrap_or_else(|error| fail("no database on the test server", error));
        let url = with_database(&admin_url, &database.name);
        Self { url, backend: Backend::Postgres, _place: Place::Database { _database: database } }
    }

    /// Where to connect to.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Which kind it is.
    pub fn backend(&self) -> Backend {
        self.backend
    }
}

/// A database that is dropped with this value.
#[derive(Debug)]
struct PostgresDatabase {
    admin_url: String,
    name: String,
}

impl Drop for PostgresDatabase {
    fn drop(&mut self) {
        let url = self.admin_url.clone();
        let statement = format!("drop database if exists {} with (force)", self.name);
        // A thread: this may run inside a runtime, which must not block on another one.
        let dropper = std::thread::spawn(move || {
            runtime().block_on(async {
                let admin = connect(&url).await?;
                admin.execute_unprepared(&statement).await?;
                admin.close().await
            })
        });
        // The cluster dies with the test run, so what cannot be dropped is not kept for long.
        let _ = dropper.join();
    }
}

fn runtime() -> tokio::runtime::Runtime {
    let built = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    built.unwrap_or_else(|error| fail("no runtime", error))
}

fn fail<T>(what: &str, error: impl fmt::Display) -> T {
    panic!("{what}: {error}")
}

fn admin_url() -> String {
    match std::env::var(POSTGRES_VARIABLE) {
        Ok(url) if !url.is_empty() => url,
        _ => {
            panic!("no Postgres for tests ({POSTGRES_VARIABLE} is not set): run `cargo xtask test`")
        }
    }
}

fn sqlite_url(file: &Path) -> String {
    format!("sqlite:{}", file.display())
}

/// The same server, another database.
fn with_database(url: &str, name: &str) -> String {
    let (place, options) = match url.split_once('?') {
        Some((place, options)) => (place, format!("?{options}")),
        None => (url, String::new()),
    };
    let server = place.rsplit_once('/').map_or(place, |(server, _)| server);
    format!("{server}/{name}{options}")
}

async fn connect(url: &str) -> Result<DatabaseConnection, DbErr> {
    let mut options = ConnectOptions::new(url);
    // One connection, because the advisory lock belongs to a connection.
    options.max_connections(1).sqlx_logging(false);
    Database::connect(options).await
}

async fn copy_of_template(admin_url: &str) -> Result<PostgresDatabase, DbErr> {
    let template = format!("elohim_template_{}", fingerprint());
    let admin = connect(admin_url).await?;
    if !exists(&admin, &template).await? {
        admin.execute_unprepared(&format!("select pg_advisory_lock({TEMPLATE_LOCK})")).await?;
        make_template(&admin, admin_url, &template).await?;
        admin.execute_unprepared(&format!("select pg_advisory_unlock({TEMPLATE_LOCK})")).await?;
    }
    let name = format!("t_{}", random().simple());
    admin.execute_unprepared(&format!("create database {name} template {template}")).await?;
    admin.close().await?;
    Ok(PostgresDatabase { admin_url: admin_url.to_owned(), name })
}

/// Migrates under another name: whoever sees the template sees a finished one.
async fn make_template(
    admin: &DatabaseConnection,
    admin_url: &str,
    template: &str,
) -> Result<(), DbErr> {
    if exists(admin, template).await? {
        return Ok(());
    }
    let unfinished = format!("{template}_unfinished");
    admin.execute_unprepared(&format!("drop database if exists {unfinished} with (force)")).await?;
    admin.execute_unprepared(&format!("create database {unfinished} template template0")).await?;
    migrate(&with_database(admin_url, &unfinished)).await;
    admin.execute_unprepared(&format!("alter database {unfinished} rename to {template}")).await?;
    Ok(())
}

async fn exists(admin: &DatabaseConnection, name: &str) -> Result<bool, DbErr> {
    let statement = format!("select 1 from pg_database where datname = '{name}'");
    let statement = sea_orm::Statement::from_string(admin.get_database_backend(), statement);
    Ok(admin.query_one_raw(statement).await?.is_some())
}

async fn migrate(url: &str) {
    let options = StorageOptions { pool_size: 1, ..StorageOptions::default() };
    let storage = Storage::connect(url, options).await;
    let storage = storage.unwrap_or_else(|error| fail("the fresh database does not open", error));
    storage.migrate().await.unwrap_or_else(|error| fail("the schema does not build", error));
    // Postgres copies a template only while nobody is connected to it.
    storage.close().await;
}

/// Changes with every change of the schema.
fn fingerprint() -> String {
    let mut hash = Sha256::new();
    for file in migrations::POSTGRES {
        hash.update(file.name);
        hash.update(file.sql);
    }
    let start = hash.finalize().first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
    format!("{start:016x}")
}

fn random() -> Uuid {
    Uuid::from_bytes(rand::random())
}

#[cfg(test)]
mod tests {
    use super::*;

    crate::on_both! {
        async fn a_fresh_database_is_migrated_and_its_own(db: TestDb) {
            let admin = connect(db.url()).await.unwrap();
            let count = "select count(*) as rows from policy_epoch";
            let backend = admin.get_database_backend();
            let statement = sea_orm::Statement::from_string(backend, count);
            let row = admin.query_one_raw(statement).await.unwrap().unwrap();
            assert_eq!(row.try_get::<i64>("", "rows").unwrap(), 1);
            let other = TestDb::of(db.backend()).await;
            assert_ne!(other.url(), db.url());
        }
    }

    #[test]
    fn only_the_database_of_a_url_changes() {
        let url = "postgres://elohim@127.0.0.1:5432/postgres";
        assert_eq!(with_database(url, "t"), "postgres://elohim@127.0.0.1:5432/t");
        let url = format!("{url}?sslmode=disable");
        assert_eq!(with_database(&url, "t"), "postgres://elohim@127.0.0.1:5432/t?sslmode=disable");
    }
}

//! Looks at the database behind the server's back: what is stored, what is recorded, which
//! connections are open. What it changes stands for what happens to a database from outside.

use std::collections::BTreeMap;

use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, QueryResult, Statement,
};

use crate::database::Backend;

/// One stored audit record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    pub action: String,
    /// `SUCCESS`, `FAILURE` or `DENIED`.
    pub outcome: String,
    /// The actor's uuid, 32 hex digits.
    pub actor: String,
    /// `team`, `person` or `global`.
    pub tenant_kind: String,
    pub tenant: String,
    /// Name of the object; empty when there is none.
    pub resource: String,
    pub request_id: String,
    /// JSON.
    pub payload: String,
}

/// A connection of its own to the database under test.
#[derive(Clone, Debug)]
pub struct Probe {
    connection: DatabaseConnection,
    backend: Backend,
}

impl Probe {
    pub(super) async fn connect(url: &str, backend: Backend) -> Self {
        let mut options = ConnectOptions::new(url);
        options.max_connections(1).sqlx_logging(false);
        let connection = Database::connect(options).await.expect("the database answers");
        Self { connection, backend }
    }

    /// The only value of a query that yields one number.
    pub async fn count(&self, query: &str) -> i64 {
        let row = self.rows(query).await.pop().expect("a row");
        row.try_get_by_index::<i64>(0).expect("a number")
    }

    /// The first column of each row, as text.
    pub async fn texts(&self, query: &str) -> Vec<String> {
        let rows = self.rows(query).await;
        rows.iter().map(|row| row.try_get_by_index(0).expect("a text")).collect()
    }

    /// All rows of all tables as text: equal dumps mean that nothing changed.
    pub async fn dump(&self) -> BTreeMap<String, Vec<String>> {
        let mut tables = BTreeMap::new();
        for table in self.tables().await {
            let rows = self.texts(&self.select_all(&table).await).await;
            tables.insert(table, rows);
        }
        tables
    }

    /// As [`dump`](Self::dump), without the audit trail.
    pub async fn dump_without_audit(&self) -> BTreeMap<String, Vec<String>> {
        let mut tables = self.dump().await;
        tables.retain(|name, _| !name.starts_with("audit_"));
        tables
    }

    /// The audit trail, oldest first.
    pub async fn recorded(&self) -> Vec<Recorded> {
        let hex = |column: &str| match self.backend {
            Backend::Sqlite => format!("lower(hex({column}))"),
            Backend::Postgres => format!("replace({column}::text, '-', '')"),
        };
        let query = format!(
            "select action, outcome, {}, tenant_kind, {}, resource, request_id, \
             coalesce(payload, '') from audit_event e \
             left join audit_payload p on p.event_id = e.id order by recorded_at, id",
            hex("actor_id"),
            hex("tenant_id"),
        );
        let text = |row: &QueryResult, at: usize| {
            row.try_get_by_index::<String>(at).expect("a text column")
        };
        let rows = self.rows(&query).await;
        let record = |row: &QueryResult| Recorded {
            action: text(row, 0),
            outcome: text(row, 1),
            actor: text(row, 2),
            tenant_kind: text(row, 3),
            tenant: text(row, 4),
            resource: text(row, 5),
            request_id: text(row, 6),
            payload: text(row, 7),
        };
        rows.iter().map(record).collect()
    }

    /// Runs and events that somebody still has to work on.
    pub async fn unfinished(&self) -> i64 {
        self.count(
            "select (select count(*) from agent_run where state in ('QUEUED', 'RUNNING')) \
             + (select count(*) from outbox where state = 'PENDING')",
        )
        .await
    }

    /// Runs a statement that no port of storage has.
    pub async fn changes(&self, statement: &str) {
        let done = self.connection.execute_unprepared(statement).await;
        done.unwrap_or_else(|error| panic!("{statement}: {error}"));
    }

    /// Keeps everybody from writing items until [`lets_write`](Self::lets_write).
    pub async fn keeps_from_writing(&self) {
        match self.backend {
            Backend::Sqlite => self.changes("begin immediate").await,
            Backend::Postgres => {
                self.changes("begin").await;
                self.changes("lock table work_item in exclusive mode").await;
            }
        }
    }

    pub async fn lets_write(&self) {
        self.changes("rollback").await;
    }

    /// Ends all other connections to the database, where it has any that can be ended.
    pub async fn ends_connections(&self) {
        if self.backend == Backend::Postgres {
            self.texts(
                "select pg_terminate_backend(pid)::text from pg_stat_activity \
                 where datname = current_database() and pid <> pg_backend_pid()",
            )
            .await;
        }
    }

    /// Sets a key to null wherever a stage of a definition has it.
    pub(super) async fn forget_in_definitions(&self, key: &str) {
        let query = "select distinct definition from workflow_revision";
        for definition in self.texts(query).await {
            let mut value: serde_json::Value =
                serde_json::from_str(&definition).expect("a definition is JSON");
            let stages = value["stages"].as_array_mut().expect("stages");
            stages.iter_mut().for_each(|stage| stage[key] = serde_json::Value::Null);
            let (before, after) =
                (definition.replace('\'', "''"), value.to_string().replace('\'', "''"));
            self.changes(&format!(
                "update workflow_revision set definition = '{after}' where definition = '{before}'"
            ))
            .await;
        }
    }

    async fn tables(&self) -> Vec<String> {
        self.texts(match self.backend {
            Backend::Sqlite => {
                "select name from sqlite_master where type = 'table' and name not like 'sqlite%'"
            }
            Backend::Postgres => {
                "select tablename::text from pg_tables where schemaname = current_schema()"
            }
        })
        .await
    }

    async fn select_all(&self, table: &str) -> String {
        match self.backend {
            Backend::Postgres => {
                format!("select row_to_json(t)::text from \"{table}\" t order by 1")
            }
            Backend::Sqlite => {
                let query = format!("select name from pragma_table_info('{table}')");
                let columns = self.texts(&query).await;
                let quoted: Vec<_> =
                    columns.iter().map(|column| format!("quote(\"{column}\")")).collect();
                format!("select {} from \"{table}\" order by 1", quoted.join(" || ', ' || "))
            }
        }
    }

    async fn rows(&self, query: &str) -> Vec<QueryResult> {
        let statement = Statement::from_string(self.connection.get_database_backend(), query);
        self.connection.query_all_raw(statement).await.unwrap_or_else(|error| {
            panic!("{query}: {error}");
        })
    }
}

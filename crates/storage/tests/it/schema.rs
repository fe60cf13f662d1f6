//! Both dialects end in the same schema, and migrating is safe to repeat.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::{ConnectionTrait, DatabaseConnection};
use serde::Deserialize;
use storage::MigrateError;
use testkit::database::{Backend, TestDb};

use super::{connect, raw};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Dialects {
    types: BTreeMap<String, String>,
    only: Vec<Only>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Only {
    dialect: String,
    column: String,
    reason: String,
}

/// Name, type, and whether it may be null.
type Column = (String, String, bool);
type Tables = BTreeMap<String, Vec<Column>>;

async fn columns(database: &DatabaseConnection, sql: &str) -> Tables {
    let mut tables = Tables::new();
    let statement = sea_orm::Statement::from_string(database.get_database_backend(), sql);
    for row in database.query_all_raw(statement).await.unwrap() {
        let table: String = row.try_get("", "table_name").unwrap();
        let column = (
            row.try_get("", "column_name").unwrap(),
            row.try_get("", "type_name").unwrap(),
            row.try_get::<i32>("", "nullable").unwrap() == 1,
        );
        tables.entry(table).or_default().push(column);
    }
    tables
}

const POSTGRES_COLUMNS: &str = "
select table_name::text, column_name::text, udt_name::text as type_name,
       case is_nullable when 'YES' then 1 else 0 end as nullable
from information_schema.columns where table_schema = 'public'
order by table_name, ordinal_position";

const SQLITE_COLUMNS: &str = "
select t.name as table_name, c.name as column_name, upper(c.type) as type_name,
       1 - c.\"notnull\" as nullable
from sqlite_master t join pragma_table_info(t.name) c where t.type = 'table'
order by t.name, c.cid";

const POSTGRES_INDEXES: &str = "
select c.relname::text as name from pg_index i join pg_class c on c.oid = i.indexrelid
join pg_namespace n on n.oid = c.relnamespace
where n.nspname = 'public'
  and not exists (select 1 from pg_constraint k where k.conindid = i.indexrelid)";

const SQLITE_INDEXES: &str =
    "select name from sqlite_master where type = 'index' and sql is not null";

async fn names(database: &DatabaseConnection, sql: &str) -> BTreeSet<String> {
    let statement = sea_orm::Statement::from_string(database.get_database_backend(), sql);
    let rows = database.query_all_raw(statement).await.unwrap();
    rows.iter().map(|row| row.try_get("", "name").unwrap()).collect()
}

/// The name that `information_schema` gives a type, as the migration spells it.
fn spelled(udt_name: &str) -> &str {
    match udt_name {
        "int8" => "bigint",
        "int4" => "integer",
        "int2" => "smallint",
        "bool" => "boolean",
        other => other,
    }
}

#[tokio::test]
async fn both_dialects_end_in_the_same_tables_and_columns() {
    let dialects: Dialects = toml::from_str(migrations::DIALECTS).unwrap();
    let (postgres_db, sqlite_db) = (TestDb::postgres().await, TestDb::sqlite().await);
    let (postgres, sqlite) = (raw(&postgres_db).await, raw(&sqlite_db).await);

    let mut expected = columns(&postgres, POSTGRES_COLUMNS).await;
    let mut found = columns(&sqlite, SQLITE_COLUMNS).await;
    // The runner's own table is the same text on both; SQLite keeps the types as written.
    assert!(expected.remove("schema_migration").is_some());
    assert!(found.remove("schema_migration").is_some());

    for only in &dialects.only {
        assert!(!only.reason.is_empty());
        let side = if only.dialect == "postgres" { &mut expected } else { &mut found };
        let (table, column) = only.column.split_once('.').unwrap();
        let columns = side.get_mut(table).unwrap();
        let before = columns.len();
        columns.retain(|(name, ..)| name != column);
        assert_eq!(columns.len() + 1, before, "{} is listed but not there", only.column);
    }
    for column in expected.values_mut().flatten() {
        column.1.clone_from(&dialects.types[spelled(&column.1)]);
    }
    assert!(expected.len() > 20, "all tables are compared");
    assert_eq!(expected, found);
    assert_eq!(names(&postgres, POSTGRES_INDEXES).await, names(&sqlite, SQLITE_INDEXES).await);
}

testkit::on_both! {
    async fn migrating_again_changes_nothing(db: TestDb) {
        let storages = [connect(&db).await, connect(&db).await, connect(&db).await];
        let tasks = storages.map(|storage| {
            tokio::spawn(async move { storage.migrate().await.unwrap() })
        });
        for task in tasks {
            assert!(task.await.unwrap().is_empty());
        }
    }

    async fn a_file_that_changed_after_it_ran_is_refused(db: TestDb) {
        let storage = connect(&db).await;
        let change = "update schema_migration set checksum = 'x' where name like '0003%'";
        raw(&db).await.execute_unprepared(change).await.unwrap();
        let refused = storage.migrate().await.unwrap_err();
        assert!(matches!(refused, MigrateError::Changed(name) if name == "0003_workflow"));
    }

    async fn a_file_missing_below_later_ones_is_refused(db: TestDb) {
        let storage = connect(&db).await;
        let change = "delete from schema_migration where name like '0003%'";
        raw(&db).await.execute_unprepared(change).await.unwrap();
        let refused = storage.migrate().await.unwrap_err();
        assert!(matches!(refused, MigrateError::OutOfOrder(name) if name == "0003_workflow"));
    }

    async fn files_of_a_newer_release_are_left_alone(db: TestDb) {
        let storage = connect(&db).await;
        let newer = "insert into schema_migration (name, checksum, ran_at) values ('9999_x', 'x', 1)";
        raw(&db).await.execute_unprepared(newer).await.unwrap();
        assert!(storage.migrate().await.unwrap().is_empty());
    }

    async fn processes_that_start_together_migrate_once(db: TestDb) {
        let fresh = Fresh::beside(&db).await;
        let tasks: Vec<_> = (0..4)
            .map(|_| {
                let url = fresh.url.clone();
                tokio::spawn(async move {
                    let options = storage::StorageOptions { pool_size: 1, ..Default::default() };
                    let storage = storage::Storage::connect(&url, options).await.unwrap();
                    let ran = storage.migrate().await.unwrap().len();
                    storage.close().await;
                    ran
                })
            })
            .collect();
        let mut ran = Vec::new();
        for task in tasks {
            ran.push(task.await.unwrap());
        }
        ran.sort_unstable();
        fresh.drop_it(&db).await;
        assert_eq!(ran, [0, 0, 0, migrations::POSTGRES.len()]);
    }
}

/// An empty database beside a test's own.
struct Fresh {
    url: String,
}

impl Fresh {
    async fn beside(db: &TestDb) -> Self {
        let url = match db.backend() {
            Backend::Sqlite => format!("{}-fresh", db.url()),
            Backend::Postgres => {
                let (server, name) = db.url().rsplit_once('/').unwrap();
                let name = format!("{name}_fresh");
                let create = format!("create database \"{name}\" template template0");
                raw(db).await.execute_unprepared(&create).await.unwrap();
                format!("{server}/{name}")
            }
        };
        Self { url }
    }

    async fn drop_it(self, db: &TestDb) {
        if db.backend() == Backend::Postgres {
            let (_, name) = self.url.rsplit_once('/').unwrap();
            let drop = format!("drop database \"{name}\" with (force)");
            raw(db).await.execute_unprepared(&drop).await.unwrap();
        }
    }
}

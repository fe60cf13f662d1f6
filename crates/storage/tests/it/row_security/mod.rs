//! The second lock, on Postgres: whatever a statement forgets, the database does not.
//!
//! Nothing here is a list by hand: tables, views, keys and functions are found in the
//! catalogue, and what is let pass stands with its reason in `row-security.toml`. The checks
//! are shown to find what they look for by planting it.

mod catalogue;
mod plans;
mod rows;
mod rules;
mod sessions;

use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, QueryResult, Statement};
use testkit::database::TestDb;

use super::{raw, raw_at};
use rules::Rules;

pub(super) async fn select(
    database: &DatabaseConnection,
    sql: &str,
) -> Result<Vec<QueryResult>, DbErr> {
    let statement = Statement::from_string(database.get_database_backend(), sql);
    database.query_all_raw(statement).await
}

/// The first column of every row.
pub(super) async fn texts(database: &DatabaseConnection, sql: &str) -> Vec<String> {
    let rows = select(database, sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect()
}

pub(super) async fn run(database: &DatabaseConnection, sql: &str) {
    if let Err(error) = database.execute_unprepared(sql).await {
        panic!("{sql}: {error}");
    }
}

/// Everything that is wrong with the schema, and with what it shows.
async fn complaints(db: &TestDb) -> Vec<String> {
    let (owner, rules) = (raw(db).await, Rules::read());
    let mut found = catalogue::complaints(&owner, &rules).await;
    found.extend(rows::complaints(db, &owner, &rules).await);
    found
}

#[tokio::test]
async fn every_table_and_view_shows_rows_of_the_scope_only() {
    let db = TestDb::postgres().await;
    assert_eq!(complaints(&db).await, [""; 0]);
}

/// What a later file might do wrong, each with a word that its complaint must have.
const MISTAKES: [(&str, &str, &str); 14] = [
    (
        "a table without a policy",
        "create table planted (id uuid primary key, tenant_kind text, tenant_id uuid);
         grant select on planted to elohim_app",
        "planted",
    ),
    (
        "a table that nobody thought about",
        "create table planted (id uuid primary key, content text)",
        "planted is neither",
    ),
    (
        "a policy that fails open",
        "drop policy in_scope on plan;
         create policy in_scope on plan to elohim_app using
             (coalesce(nullif(current_setting('elohim.user', true), '')::uuid, tenant_id)
              = tenant_id)",
        "plan shows",
    ),
    (
        "a policy that sees everything",
        "create policy another on work_item for select to elohim_app using (true)",
        "work_item shows",
    ),
    (
        "a policy that takes everything",
        "create policy another on work_item for insert to elohim_app with check (true)",
        "work_item takes",
    ),
    ("a policy for everybody", "create policy x on session using (false)", "session.x"),
    (
        "a policy that is not forced",
        "alter table session no force row level security",
        "session is not forced",
    ),
    (
        "a view with its owner's rights",
        "create view planted as select * from work_item; grant select on planted to elohim_app",
        "planted",
    ),
    (
        "a key that names rows of others",
        "alter table plan add constraint planted foreign key (repository_id)
             references repository (id)",
        "planted",
    ),
    (
        "a unique key over all tenants",
        "create unique index planted on repository (path)",
        "planted",
    ),
    (
        "a door that anybody may use",
        "create function planted() returns bigint language sql security definer
             set search_path = pg_catalog, public, pg_temp as 'select 1'",
        "planted",
    ),
    (
        "content that administrators may read",
        "grant select (title) on work_item to elohim_metadata",
        "metadata work_item",
    ),
    (
        "a door without a place to look for names",
        "create or replace function queue_backlog(out number bigint, out oldest bigint)
             language sql stable security definer as 'select 1::bigint, 1::bigint'",
        "queue_backlog",
    ),
    ("history that can be changed", "grant delete on audit_event to elohim_app", "audit_event"),
];

#[tokio::test]
async fn mistakes_of_later_files_are_found() {
    for (mistake, planted, word) in MISTAKES {
        let db = TestDb::postgres().await;
        let (owner, rules) = (raw(&db).await, Rules::read());
        run(&owner, planted).await;
        let is_found = |found: &[String]| found.iter().any(|line| line.contains(word));
        let mut found = catalogue::complaints(&owner, &rules).await;
        // Rows take longer: they are for what the catalogue does not tell.
        if !is_found(&found) {
            found.extend(rows::complaints(&db, &owner, &rules).await);
        }
        assert!(is_found(&found), "{mistake}: {found:#?}");
    }
}

/// A view with the caller's rights is fine.
#[tokio::test]
async fn a_view_with_the_callers_rights_is_let_pass() {
    let db = TestDb::postgres().await;
    let view = "create view planted with (security_invoker = true) as select * from work_item;
        grant select on planted to elohim_app";
    run(&raw(&db).await, view).await;
    assert_eq!(complaints(&db).await, [""; 0]);
}

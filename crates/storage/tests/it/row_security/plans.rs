//! Policies do not change how rows are found: lists walk the same indexes with them as
//! without, for the planner must not count a list's own condition a second time.

use sea_orm::DatabaseConnection;
use testkit::database::TestDb;
use uuid::Uuid;

use super::rows::{STRIP, columns};
use super::{raw, run, texts};

/// Rows of 200 teams, by a time column; as many as it takes for an index to pay.
const ROWS: u32 = 20_000;

const TEAM: Uuid = Uuid::from_u128(3);
const OTHER: Uuid = Uuid::from_u128(4);

/// Lists as `storage` asks for them: the table, and the column that orders it.
const LISTS: [(&str, &str); 5] = [
    ("work_item", "created_at"),
    ("agent_run", "created_at"),
    ("patch", "created_at"),
    ("workflow", "created_at"),
    ("audit_event", "recorded_at"),
];

async fn plant(owner: &DatabaseConnection, table: &str, key: &str) {
    let planted = columns(owner, table).await;
    let value = |(name, value): &(String, String)| match name.as_str() {
        "tenant_kind" => "'team'".to_owned(),
        "tenant_id" => "lpad((i % 200)::text, 32, '0')::uuid".to_owned(),
        name if name == key => "i".to_owned(),
        // A default has no place in a SELECT.
        _ if value == "default" => "pg_current_xact_id()".to_owned(),
        _ => value.clone(),
    };
    let names: Vec<_> = planted.iter().map(|(name, _)| name.as_str()).collect();
    let values: Vec<_> = planted.iter().map(value).collect();
    let (names, values) = (names.join(", "), values.join(", "));
    let insert = format!(
        "insert into {table} ({names}) select {values} from generate_series(1, {ROWS}) i;
         analyze {table}"
    );
    run(owner, &insert).await;
}

/// Kinds of nodes and the indexes they use, from the top.
async fn plan(session: &DatabaseConnection, sql: &str) -> Vec<String> {
    let lines = texts(session, &format!("explain (costs off) {sql}")).await;
    let node = |line: &String| {
        let node = line.trim().trim_start_matches("->").trim();
        ["Limit", "Sort", "Incremental", "Index", "Bitmap", "Seq", "Gather", "Parallel"]
            .iter()
            .any(|kind| node.starts_with(kind))
            .then(|| node.to_owned())
    };
    // What is compared does not name its conditions.
    let is_detail = |line: &String| line.contains("Cond:") || line.contains("Key:");
    lines.iter().filter(|line| !is_detail(line)).filter_map(node).collect()
}

#[tokio::test]
async fn lists_walk_the_same_indexes_with_policies_as_without() {
    let db = TestDb::postgres().await;
    let (owner, server) = (raw(&db).await, raw(&db).await);
    run(&owner, STRIP).await;
    for (table, key) in LISTS {
        plant(&owner, table, key).await;
    }
    let person = Uuid::from_u128(7);
    run(&server, "begin; set local role elohim_app").await;
    let scope = format!(
        "do $$ begin
            perform set_config('elohim.user', '{person}', true);
            perform set_config('elohim.teams', '{{{TEAM},{OTHER}}}', true);
         end $$"
    );
    run(&server, &scope).await;
    let one = format!("tenant_kind = 'team' and tenant_id = '{TEAM}'");
    let seen = format!(
        "((tenant_kind = 'person' and tenant_id = '{person}')
          or (tenant_kind = 'global' and tenant_id = '{}')
          or (tenant_kind = 'team' and tenant_id in ('{TEAM}', '{OTHER}')))",
        Uuid::nil(),
    );
    for (table, key) in LISTS {
        for condition in [&one, &seen] {
            let list = format!(
                "select * from {table} where {condition}
                 order by {key} desc, id desc limit 51"
            );
            let without = plan(&owner, &list).await;
            assert!(without.iter().any(|node| node.contains("Index")), "{table}: {without:#?}");
            assert_eq!(plan(&server, &list).await, without, "{table}: {condition}");
            let rows = texts(&server, &format!("select id::text from ({list}) page")).await;
            assert_eq!(rows.len(), 51, "{table}");
        }
    }
}

//! Queues walk their indexes: no page sorts all that waits.

use sea_orm::{ConnectionTrait, DatabaseConnection, Statement};
use testkit::conformance::values::at;
use testkit::database::Backend;
use uuid::Uuid;
use workflow_core::model::Workflow;

use super::transactions::workflow_with_item;
use super::{open, raw};

/// As many as it takes for an index to pay, in each state.
const ROWS: u32 = 5_000;

/// Lists as `storage` asks for them, with the index each is to walk. `{w}` and `{u}` stand for
/// a workflow and a person.
const LISTS: [(&str, &str); 3] = [
    (
        "work_item_queue",
        "select * from work_item where workflow_id = {w} and state = 'PENDING'
         and (revision, stage_id) in ((1, 'intake'), (1, 'assist')) and priority <= 3
         and (priority < 3 or (created_at, id) > (7, {w}))
         order by priority desc, created_at, id limit 51",
    ),
    (
        "work_item_mine",
        "select * from work_item where assignee_id = {u}
         and state in ('CLAIMED', 'IN_PROGRESS', 'BLOCKED')
         order by priority desc, coalesce(work_item.overdue_at, 1152921504606846975), id limit 51",
    ),
    (
        "work_item_late",
        "select * from work_item where tenant_kind = 'team' and tenant_id = {t}
         and closed_at is null and overdue_at < 9000000000000000
         order by overdue_at, id limit 51",
    ),
];

fn literal(backend: Backend, id: Uuid) -> String {
    match backend {
        Backend::Sqlite => format!("x'{}'", id.simple()),
        Backend::Postgres => format!("'{id}'"),
    }
}

/// Items of one workflow: waiting ones, and ones that somebody has.
async fn plant(owner: &DatabaseConnection, backend: Backend, workflow: &Workflow, user: Uuid) {
    let lit = |id| literal(backend, id);
    let (tenant, flow, user) = (lit(workflow.tenant.id()), lit(workflow.id.as_uuid()), lit(user));
    let (id, series) = match backend {
        Backend::Postgres => {
            ("gen_random_uuid()", format!("generate_series(1, {ROWS}) as series(i)"))
        }
        Backend::Sqlite => (
            "randomblob(16)",
            format!(
                "(with recursive series(i) as (select 1 union all select i + 1 from series
                 where i < {ROWS}) select i from series)"
            ),
        ),
    };
    let start = at(0).as_micros();
    for (state, assignee) in [("PENDING", "null"), ("CLAIMED", user.as_str())] {
        let insert = format!(
            "insert into work_item (id, tenant_kind, tenant_id, workflow_id, revision, title,
                 description, state, stage_id, visit_id, entered_stage_at, assignee_id, priority,
                 tags, data, creator_id, created_at, updated_at, version, overdue_at)
             select {id}, 'team', {tenant}, {flow}, 1, 'x', '', '{state}', 'intake', {id},
                 {start}, {assignee}, 1 + i % 4, '[]', '{{}}', {user}, {start} + i, {start}, 1,
                 {start} + i
             from {series}"
        );
        owner.execute_unprepared(&insert).await.unwrap();
    }
    owner.execute_unprepared("analyze").await.unwrap();
}

async fn plan(owner: &DatabaseConnection, backend: Backend, sql: &str) -> String {
    let (explain, column) = match backend {
        Backend::Postgres => ("explain (costs off)", 0),
        Backend::Sqlite => ("explain query plan", 3),
    };
    let statement =
        Statement::from_string(owner.get_database_backend(), format!("{explain} {sql}"));
    let rows = owner.query_all_raw(statement).await.unwrap();
    let line = |row: &sea_orm::QueryResult| row.try_get_by_index::<String>(column).unwrap();
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

testkit::on_both! {
    async fn queues_walk_their_indexes(db: TestDb) {
        let (_, stand) = open(&db).await;
        let (workflow, _) = workflow_with_item(&stand).await;
        let (owner, backend) = (raw(&db).await, db.backend());
        plant(&owner, backend, &workflow, stand.bob.as_uuid()).await;
        for (index, list) in LISTS {
            let sql = list
                .replace("{w}", &literal(backend, workflow.id.as_uuid()))
                .replace("{t}", &literal(backend, workflow.tenant.id()))
                .replace("{u}", &literal(backend, stand.bob.as_uuid()));
            let plan = plan(&owner, backend, &sql).await;
            assert!(plan.contains(index), "{index}:\n{plan}");
            assert!(!plan.contains("Sort") && !plan.contains("TEMP B-TREE"), "{index}:\n{plan}");
        }
    }
}

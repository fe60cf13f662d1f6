//! The functions that look across tenants, and the session that calls them.

use testkit::database::TestDb;

use super::{raw, run, select, texts};

/// Doors return rows of anybody; they are for the server's role alone.
#[tokio::test]
async fn doors_are_for_the_server_alone() {
    let db = TestDb::postgres().await;
    let owner = raw(&db).await;
    let doors = "select p.proname::text from pg_proc p
        where p.pronamespace = 'public'::regnamespace and p.prosecdef order by 1";
    let doors = texts(&owner, doors).await;
    assert!(doors.contains(&"queue_due_run".to_owned()), "{doors:?}");
    let call = "begin; set local role pg_monitor; select * from public.queue_run_counts()";
    let refused = sea_orm::ConnectionTrait::execute_unprepared(&owner, call).await;
    assert!(refused.unwrap_err().to_string().contains("permission denied"));
    run(&owner, "rollback").await;
}

/// A door looks for names where the tables are, whatever its caller put before them.
#[tokio::test]
async fn a_door_cannot_be_moved_by_its_caller() {
    let db = TestDb::postgres().await;
    let caller = raw(&db).await;
    run(&caller, "begin; set local role elohim_app").await;
    run(&caller, "create temporary table repository (id uuid); set local search_path = pg_temp")
        .await;
    let rows = select(&caller, "select * from public.queue_repositories()").await.unwrap();
    assert!(rows.is_empty());
    run(&caller, "rollback").await;
}

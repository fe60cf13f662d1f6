//! What sessions run as, and the functions that look across tenants.

use std::time::Duration;

use sea_orm::ConnectionTrait;
use storage::{ConnectError, SERVER_ROLE, Storage, StorageOptions};
use testkit::database::TestDb;
use workflow_core::store::WorkflowStore;

use super::super::transactions::workflow_with_item;
use super::super::{connect, stand_over};
use super::{raw, raw_at, run, select};

#[tokio::test]
async fn sessions_of_the_server_are_bound() {
    let db = TestDb::postgres().await;
    connect(&db).await.require_bound().await.unwrap();

    let options = StorageOptions { role: None, ..StorageOptions::default() };
    let unbound = Storage::connect(db.url(), options).await.unwrap().require_bound().await;
    match unbound.unwrap_err() {
        ConnectError::Unbound { role, why } => {
            assert_eq!(why, "is a superuser");
            assert_ne!(role, SERVER_ROLE);
        }
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_reset_does_not_lead_out_of_the_role() {
    let db = TestDb::postgres().await;
    let options = "options=-c%20role%3Delohim_app";
    let session = raw_at(&format!("{}?{options}", db.url())).await;
    for statement in ["reset role", "reset all", "discard all"] {
        run(&session, statement).await;
        let stays = format!("do $$ begin assert current_user = '{SERVER_ROLE}'; end $$");
        run(&session, &stays).await;
    }
}

/// Doors return rows of anybody; they are for the server's role alone.
#[tokio::test]
async fn doors_are_for_the_server_alone() {
    let db = TestDb::postgres().await;
    let owner = raw(&db).await;
    let call = "begin; set local role pg_monitor; select * from public.queue_run_counts()";
    let refused = owner.execute_unprepared(call).await;
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

/// As an operator may have it: the tables have an owner who is no superuser, and the server
/// connects as somebody who may only become its role.
#[tokio::test]
async fn the_owner_migrates_and_the_server_connects_as_less() {
    let db = TestDb::postgres().await;
    let admin = raw(&db).await;
    let (server, name) = db.url().rsplit_once('/').unwrap();
    let (_, address) = server.rsplit_once('@').unwrap();
    let (owner, login, stranger) =
        (format!("{name}_owner"), format!("{name}_login"), format!("{name}_stranger"));
    for statement in [
        format!("create role {owner} login"),
        format!("create role {login} login"),
        format!("create role {stranger} login"),
        format!("grant elohim_app, elohim_queue, elohim_metadata to {owner}"),
        format!("grant elohim_app to {login}"),
        format!("create database {name}_own owner {owner} template template0"),
    ] {
        run(&admin, &statement).await;
    }
    let url = |user: &str| format!("postgres://{user}@{address}/{name}_own");
    let options = || StorageOptions {
        pool_size: 4,
        acquire_timeout: Duration::from_secs(20),
        ..StorageOptions::default()
    };

    let refused = Storage::connect(&url(&stranger), options()).await.err();
    assert!(matches!(refused, Some(ConnectError::Refused(why)) if why.contains("set role")));
    let storage = Storage::connect(&url(&login), options()).await.unwrap();
    assert!(storage.migrate().await.is_err(), "not the owner's");
    let ran = storage.migrate_as(&url(&owner)).await.unwrap();
    assert_eq!(ran.len(), migrations::POSTGRES.len());
    storage.require_bound().await.unwrap();

    let stand = stand_over(&storage).await;
    let (_, item) = workflow_with_item(&stand).await;
    let seen = async |user| storage.get_item(&stand.scope(user), item.id).await.unwrap();
    assert!(seen(stand.bob).await.is_some());
    assert!(seen(stand.dave).await.is_none());

    // Policies are forced: the owner is under those of the roles that he hands things to.
    let as_owner = raw_at(&url(&owner)).await;
    let refused = select(&as_owner, "select note from transition").await.unwrap_err();
    assert!(refused.to_string().contains("parameter \"elohim."), "{refused}");
    // As the owner, sessions would not be bound.
    let options = StorageOptions { role: None, ..options() };
    let unbound = Storage::connect(&url(&owner), options).await.unwrap().require_bound().await;
    assert!(matches!(unbound, Err(ConnectError::Unbound { why, .. }) if why == "owns tables"));

    storage.close().await;
    run(&admin, &format!("drop database {name}_own with (force)")).await;
    run(&admin, &format!("drop role {owner}, {login}, {stranger}")).await;
}

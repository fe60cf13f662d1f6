//! Transactions leave nothing behind: not when dropped, not when cancelled, not when broken.

use std::future::Future;
use std::task::Poll;
use std::time::Duration;

use audit::AuditEvent;
use permissions::{ItemsCreate, ItemsEdit, WorkflowsCreate};
use primitives::PageRequest;
use sea_orm::ConnectionTrait;
use storage::{Storage, StorageOptions};
use testkit::conformance::values;
use testkit::database::{Backend, TestDb};
use workflow_core::StoreError;
use workflow_core::model::{ItemMove, Wanted, WorkItem, Workflow};
use workflow_core::store::{ItemFilter, WorkflowFilter, WorkflowStore};

use super::{open, raw, stand_over};
use testkit::conformance::Stand;

/// A workflow of team core with one item, made by alice.
pub(crate) async fn workflow_with_item(stand: &Stand) -> (Workflow, WorkItem) {
    let workflow = values::workflow(stand.team(), stand.alice);
    let item = values::item(&workflow, stand.alice);
    let mut tx = stand.workflow_tx().await;
    let row = stand.clear_new::<WorkflowsCreate, _>(stand.alice, workflow.clone());
    assert!(tx.insert_workflow(&row).await.unwrap());
    let row = stand.clear_new::<ItemsCreate, _>(stand.alice, item.clone());
    tx.insert_item(&row, &values::creation(&item), &values::stay(&item)).await.unwrap();
    tx.commit().await.unwrap();
    (workflow, item)
}

/// Connections of this database that sit in an open transaction.
async fn idle_in_transaction(db: &TestDb) -> i64 {
    let raw = raw(db).await;
    let count = "select count(*) as open from pg_stat_activity
        where datname = current_database() and state like 'idle in transaction%'";
    let statement = sea_orm::Statement::from_string(raw.get_database_backend(), count);
    raw.query_one_raw(statement).await.unwrap().unwrap().try_get("", "open").unwrap()
}

/// No connection stays in an open transaction; what is being rolled back may take a moment.
async fn no_transaction_stays_open(db: &TestDb, after: usize) {
    let began = std::time::Instant::now();
    while idle_in_transaction(db).await > 0 {
        assert!(began.elapsed() < Duration::from_secs(5), "left open by poll {after}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Polls a call so often and then drops it; `true` when it ended before.
async fn dropped_after(polls: usize, call: impl Future<Output = ()>) -> bool {
    let mut call = Box::pin(call);
    let mut left = polls;
    std::future::poll_fn(move |context| {
        if left == 0 {
            return Poll::Ready(false);
        }
        left -= 1;
        match call.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(true),
            // Dropped at once, with whatever is in flight.
            Poll::Pending if left == 0 => Poll::Ready(false),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

async fn begin_and_read(storage: &Storage, stand: &Stand, item: &WorkItem) {
    let mut tx = WorkflowStore::begin(storage, &stand.scope(stand.alice)).await.unwrap();
    let held = tx.lock_item(&stand.scope(stand.alice), item.id).await.unwrap();
    assert!(held.is_some());
    tx.commit().await.unwrap();
}

/// How often the same call is cancelled at each of its awaits.
const SWEEPS: usize = 3;

testkit::on_both! {
    async fn cancelled_calls_leave_no_transaction_open(db: TestDb) {
        let options = StorageOptions { pool_size: 2, ..StorageOptions::default() };
        let storage = Storage::connect(db.url(), options).await.unwrap();
        let stand = std::sync::Arc::new(stand_over(&storage).await);
        let (_, item) = workflow_with_item(&stand).await;

        let calls: Vec<_> = (0..400_u64)
            .map(|number| {
                let (storage, stand, item) = (storage.clone(), stand.clone(), item.clone());
                tokio::spawn(async move {
                    let patience = Duration::from_micros(number % 40 * 250);
                    let call = begin_and_read(&storage, &stand, &item);
                    tokio::time::timeout(patience, call).await.is_err()
                })
            })
            .collect();
        let mut cancelled = 0;
        for call in calls {
            cancelled += u32::from(call.await.unwrap());
        }
        assert!(cancelled > 50, "only {cancelled} calls were cancelled");

        for _ in 0..50 {
            let call = begin_and_read(&storage, &stand, &item);
            tokio::time::timeout(Duration::from_secs(20), call).await.unwrap();
        }
        if db.backend() == Backend::Postgres {
            assert_eq!(idle_in_transaction(&db).await, 0);
        }
    }

    /// Whatever a call is waiting for when its caller goes away: a connection, BEGIN, a row.
    async fn a_call_can_be_cancelled_at_every_await(db: TestDb) {
        let options = StorageOptions { pool_size: 1, ..StorageOptions::default() };
        let storage = Storage::connect(db.url(), options).await.unwrap();
        let stand = stand_over(&storage).await;
        let (_, item) = workflow_with_item(&stand).await;

        let mut cancelled = 0;
        for _ in 0..SWEEPS {
            let mut polls = 0;
            while !dropped_after(polls, begin_and_read(&storage, &stand, &item)).await {
                if db.backend() == Backend::Postgres {
                    no_transaction_stays_open(&db, polls).await;
                }
                let call = begin_and_read(&storage, &stand, &item);
                tokio::time::timeout(Duration::from_secs(20), call).await.unwrap();
                polls += 1;
                assert!(polls < 1000, "the call never ends");
            }
            cancelled += polls;
        }
        // An answer that is there before it is asked for leaves nothing to be cancelled.
        assert!(cancelled >= SWEEPS, "only {cancelled} awaits were cancelled");
    }

    async fn a_used_up_pool_is_an_outage_and_not_a_bug(db: TestDb) {
        let options = StorageOptions {
            pool_size: 1,
            acquire_timeout: Duration::from_millis(200),
            ..StorageOptions::default()
        };
        let storage = Storage::connect(db.url(), options).await.unwrap();
        let stand = stand_over(&storage).await;
        let held = stand.workflow_tx().await;
        let second = WorkflowStore::begin(&storage, &stand.scope(stand.alice)).await;
        assert!(matches!(second, Err(StoreError::Unavailable(_))));
        drop(held);
        assert!(WorkflowStore::begin(&storage, &stand.scope(stand.alice)).await.is_ok());
    }

    async fn a_failed_write_cannot_be_committed_around(db: TestDb) {
        let (storage, stand) = open(&db).await;
        let (_, item) = workflow_with_item(&stand).await;
        let scope = stand.scope(stand.alice);

        let mut tx = stand.workflow_tx().await;
        let held = tx.lock_item(&scope, item.id).await.unwrap().unwrap();
        let stale = WorkItem { version: 7, ..held.item.clone() };
        let step = ItemMove {
            item: stand.clear::<ItemsEdit, _>(stand.alice, scope.show(stale).unwrap(), |_| ()),
            transition: values::claiming(&item, stand.alice, values::at(1)),
            left: None,
            entered: None,
        };
        assert!(matches!(tx.save_move(&step).await, Err(StoreError::Stale)));
        let caller = stand.caller(stand.alice);
        let event = AuditEvent::of(&caller, values::at(1), stand.team(), "test.done", "");
        assert!(tx.record(vec![event]).await.is_err(), "a later write does not mend it");
        assert!(tx.commit().await.is_err());

        let moves = storage.list_transitions(&scope, item.id, PageRequest::first()).await.unwrap();
        assert_eq!(moves.items.len(), 1, "only the creation is there");
    }

    async fn every_read_asks_for_newer_rights(db: TestDb) {
        let (storage, stand) = open(&db).await;
        let (workflow, item) = workflow_with_item(&stand).await;
        let scope = stand.scope(stand.alice);
        stand.ports.admin.set_may_apply(stand.bob, false).await.unwrap();
        let page = PageRequest::first();

        macro_rules! moved {
            ($($read:expr),* $(,)?) => {$(
                match $read.await {
                    Err(StoreError::PolicyMoved(epoch)) => assert!(epoch > scope.epoch()),
                    _ => panic!("{} did not look at the epoch", stringify!($read)),
                }
            )*};
        }
        moved!(
            storage.get_workflow(&scope, workflow.id),
            storage.get_template(&scope, workflow.template_id()),
            storage.list_workflows(&scope, false, &WorkflowFilter::default(), page),
            storage.get_item(&scope, item.id),
            storage.list_items(&scope, &ItemFilter::default(), page),
            storage.list_transitions(&scope, item.id, page),
            storage.list_firings(&scope, workflow.id, page),
            storage.figures(&scope, workflow.id, &Wanted::WHOLE),
            WorkflowStore::begin(&storage, &scope),
        );
    }

    async fn commits_that_queue_something_wake_the_workers(db: TestDb) {
        let (storage, stand) = open(&db).await;
        let (_, item) = workflow_with_item(&stand).await;
        let wake = storage.wake();
        // Making the item may have woken them: what counts is what comes after it.
        let seen = events::Wakeups::wait(&*wake, 0, Duration::from_millis(50)).await;
        let woken = async |limit| events::Wakeups::wait(&*wake, seen, limit).await != seen;
        assert!(!woken(Duration::from_millis(50)).await, "nothing was queued yet");

        let mut tx = stand.workflow_tx().await;
        tx.order_run(&values::order(&item)).await.unwrap();
        drop(tx);
        assert!(!woken(Duration::from_millis(50)).await, "nothing was committed");

        let mut tx = stand.workflow_tx().await;
        tx.order_run(&values::order(&item)).await.unwrap();
        tx.commit().await.unwrap();
        assert!(woken(Duration::from_secs(20)).await);
    }
}

/// A restart of the server, as a pool sees it: connections that were good are dead.
#[tokio::test]
async fn lost_connections_are_outages_and_are_replaced() {
    let db = TestDb::postgres().await;
    let (storage, stand) = open(&db).await;
    let (workflow, _) = workflow_with_item(&stand).await;
    let scope = stand.scope(stand.alice);
    let both = (stand.workflow_tx().await, stand.workflow_tx().await);
    drop(both);

    let end = "select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid()";
    raw(&db).await.execute_unprepared(end).await.unwrap();

    let mut outages = 0;
    loop {
        match storage.get_workflow(&scope, workflow.id).await {
            Ok(found) => break assert!(found.is_some()),
            Err(StoreError::Unavailable(_)) => outages += 1,
            Err(other) => panic!("not an outage: {other}"),
        }
        assert!(outages <= 10, "no more than the pool had");
    }
}

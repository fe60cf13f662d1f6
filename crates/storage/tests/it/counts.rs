//! Statements per command, pinned. BEGIN and COMMIT are not counted.
//!
//! Postgres takes writes that belong together in one round trip; SQLite runs them one by one,
//! in process, where a statement costs microseconds.

use std::fmt::Write as _;

use audit::{AuditEvent, AuditTrail};
use events::{Once, Requests};
use permissions::{ItemsCreate, ItemsEdit, WorkflowsCreate};
use primitives::{PageRequest, VisitId};
use serde_json::json;
use storage::Storage;
use testkit::conformance::{Stand, values};
use testkit::database::Backend;
use workflow_core::model::{
    ItemMove, ItemState, StageId, Visit, VisitEnd, VisitOutcome, Wanted, WorkItem,
};
use workflow_core::store::{ItemFilter, WorkflowFilter, WorkflowStore, WorkflowTx};

use super::open;
use super::transactions::workflow_with_item;

fn once(stand: &Stand) -> Once {
    Once::new(stand.alice, "/test", primitives::RunId::generate().as_uuid(), b"body")
}

async fn replay(tx: &mut dyn WorkflowTx, once: &Once) {
    let requests: &mut dyn Requests = tx;
    assert_eq!(requests.replay(once).await.unwrap(), None);
}

/// The records and the remembered answer that end every command.
async fn finish(stand: &Stand, mut tx: Box<dyn WorkflowTx>, once: &Once) {
    let caller = stand.caller(stand.alice);
    let event = AuditEvent::of(&caller, values::at(1), stand.team(), "test.done", "");
    let trail: &mut dyn AuditTrail = tx.as_mut();
    trail.record(vec![event]).await.unwrap();
    let requests: &mut dyn Requests = tx.as_mut();
    requests.remember(once, &json!({}), values::at(1)).await.unwrap();
    tx.commit().await.unwrap();
}

async fn create_workflow(stand: &Stand) {
    let once = once(stand);
    let mut tx = stand.workflow_tx().await;
    replay(tx.as_mut(), &once).await;
    let workflow = values::workflow(stand.team(), stand.alice);
    let row = stand.clear_new::<WorkflowsCreate, _>(stand.alice, workflow);
    tx.resolve(&stand.scope(stand.alice), None, &[stand.alice]).await.unwrap();
    assert!(tx.insert_workflow(&row).await.unwrap());
    finish(stand, tx, &once).await;
}

async fn create_item(stand: &Stand, item: &WorkItem) {
    let once = once(stand);
    let scope = stand.scope(stand.alice);
    let mut tx = stand.workflow_tx().await;
    assert!(tx.lock_workflow(&scope, item.workflow).await.unwrap().is_some());
    replay(tx.as_mut(), &once).await;
    tx.resolve(&scope, None, &[stand.bob]).await.unwrap();
    let row = stand.clear_new::<ItemsCreate, _>(stand.alice, item.clone());
    tx.insert_item(&row, &values::creation(item), &values::stay(item)).await.unwrap();
    tx.order_run(&values::order(item)).await.unwrap();
    finish(stand, tx, &once).await;
}

async fn claim(stand: &Stand, item: &WorkItem) {
    let once = once(stand);
    let scope = stand.scope(stand.alice);
    let mut tx = stand.workflow_tx().await;
    let held = tx.lock_item(&scope, item.id).await.unwrap().unwrap();
    replay(tx.as_mut(), &once).await;
    let row = scope.show(held.item.clone()).unwrap();
    let step = ItemMove {
        item: stand.clear::<ItemsEdit, _>(stand.alice, row, |item| {
            item.state = ItemState::Claimed;
            item.assignee = Some(stand.alice);
        }),
        transition: values::claiming(item, stand.alice, values::at(1)),
        left: None,
        entered: None,
    };
    tx.save_move(&step).await.unwrap();
    finish(stand, tx, &once).await;
}

/// Into an agent stage: the longest command of all.
async fn complete_stage(stand: &Stand, item: &WorkItem) {
    let once = once(stand);
    let scope = stand.scope(stand.alice);
    let mut tx = stand.workflow_tx().await;
    let held = tx.lock_item(&scope, item.id).await.unwrap().unwrap();
    replay(tx.as_mut(), &once).await;
    let now = values::at(2);
    let row = scope.show(held.item.clone()).unwrap();
    let moved = stand.clear::<ItemsEdit, _>(stand.alice, row, |item| {
        item.stage = StageId("assist".into());
        item.visit = VisitId::generate();
        item.state = ItemState::Pending;
    });
    let order = values::order(&moved);
    let entered = Visit { entered_at: now, ..values::stay(&moved) };
    let left = VisitEnd { visit: held.item.visit, outcome: VisitOutcome::Completed, time: now };
    let step = ItemMove {
        item: moved,
        transition: values::claiming(item, stand.alice, now),
        left: Some(left),
        entered: Some(entered),
    };
    tx.save_move(&step).await.unwrap();
    tx.order_run(&order).await.unwrap();
    finish(stand, tx, &once).await;
}

struct Counts<'a> {
    storage: &'a Storage,
    table: String,
}

impl Counts<'_> {
    async fn of(&mut self, name: &str, command: impl Future) {
        let before = self.storage.statements();
        command.await;
        let sent = self.storage.statements() - before;
        writeln!(self.table, "{name}: {sent}").unwrap();
    }
}

const POSTGRES: &str = "\
create workflow: 7
create item with run: 8
claim: 6
complete stage with run: 7
get workflow: 2
list workflows: 2
get item: 2
list items, definition unknown: 3
list items: 2
list transitions: 2
figures: 5
";

const SQLITE: &str = "\
create workflow: 9
create item with run: 11
claim: 8
complete stage with run: 10
get workflow: 2
list workflows: 2
get item: 2
list items, definition unknown: 3
list items: 2
list transitions: 2
figures: 5
";

testkit::on_both! {
    async fn each_command_sends_so_many_statements(db: TestDb) {
        let (storage, stand) = open(&db).await;
        let (workflow, _) = workflow_with_item(&stand).await;
        let item = values::item(&workflow, stand.alice);
        let scope = stand.scope(stand.alice);
        let page = PageRequest::first();
        let filter = ItemFilter::default();
        // A process that has seen nothing yet.
        let (fresh, _) = open(&db).await;

        let mut counts = Counts { storage: &storage, table: String::new() };
        counts.of("create workflow", create_workflow(&stand)).await;
        counts.of("create item with run", create_item(&stand, &item)).await;
        let item = values::item(&workflow, stand.alice);
        let mut quiet = stand.workflow_tx().await;
        let row = stand.clear_new::<ItemsCreate, _>(stand.alice, item.clone());
        quiet.insert_item(&row, &values::creation(&item), &values::stay(&item)).await.unwrap();
        quiet.commit().await.unwrap();
        counts.of("claim", claim(&stand, &item)).await;
        counts.of("complete stage with run", complete_stage(&stand, &item)).await;
        counts.of("get workflow", storage.get_workflow(&scope, workflow.id)).await;
        let lists = storage.list_workflows(&scope, false, &WorkflowFilter::default(), page).await;
        assert_eq!(lists.unwrap().items.len(), 2);
        counts
            .of("list workflows", async {
                let filter = WorkflowFilter::default();
                storage.list_workflows(&scope, false, &filter, page).await.unwrap();
            })
            .await;
        counts.of("get item", storage.get_item(&scope, item.id)).await;
        let mut new = Counts { storage: &fresh, table: String::new() };
        new.of("list items, definition unknown", fresh.list_items(&scope, &filter, page)).await;
        counts.table += &new.table;
        counts.of("list items", storage.list_items(&scope, &filter, page)).await;
        counts.of("list transitions", storage.list_transitions(&scope, item.id, page)).await;
        counts.of("figures", storage.figures(&scope, workflow.id, &Wanted::WHOLE)).await;

        let pinned = if db.backend() == Backend::Postgres { POSTGRES } else { SQLITE };
        assert_eq!(counts.table, pinned);
    }
}

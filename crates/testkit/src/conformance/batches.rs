//! [`BatchTx`](workflow_core::store::BatchTx): many items of one workflow at once.

use permissions::{ItemsCreate, WorkflowsManage};
use primitives::{PageAfter, PageRequest, WorkItemId};
use workflow_core::StoreError;
use workflow_core::model::{ItemState, WorkItem, Workflow};
use workflow_core::store::{ItemFilter, NewItem, WorkflowTx};

use super::values;
use super::workflows::workflow;
use super::{Stand, all_pages};

async fn insert(
    stand: &Stand,
    tx: &mut dyn WorkflowTx,
    items: &[WorkItem],
) -> Result<(), StoreError> {
    let rows = items.iter().map(|item| {
        let row = stand.clear_new::<ItemsCreate, _>(stand.alice, item.clone());
        (row, values::creation(item), values::stay(item))
    });
    let rows: Vec<_> = rows.collect();
    let new = rows.iter().map(|(item, first, visit)| NewItem { item, first, visit });
    tx.insert_items(&new.collect::<Vec<_>>()).await
}

/// Items come in with their runs and numbers, all of them or none, and numbers are given once.
pub async fn many_items_come_in_at_once(stand: Stand) {
    let workflow = workflow(&stand).await;
    let numbered = |numbers: std::ops::Range<i64>| -> Vec<WorkItem> {
        let items = numbers.map(|number| {
            let item = values::item(&workflow, stand.alice);
            WorkItem { number, external_id: None, live_run: None, ..item }
        });
        items.collect()
    };
    let begin = workflow.last_number + 1;
    let items = numbered(begin..begin + 3);
    let scope = stand.scope(stand.alice);
    let mut tx = stand.workflow_tx().await;
    insert(&stand, tx.as_mut(), &items).await.unwrap();
    let orders: Vec<_> = items[1..].iter().map(values::order).collect();
    tx.order_runs(&orders).await.unwrap();
    insert(&stand, tx.as_mut(), &[]).await.unwrap();
    tx.order_runs(&[]).await.unwrap();
    tx.commit().await.unwrap();
    for (at, item) in items.iter().enumerate() {
        let found = stand.ports.workflows.get_item(&scope, item.id).await.unwrap();
        let found = found.expect("visible").into_inner().item;
        let run = at.checked_sub(1).map(|order| orders[order].run);
        assert_eq!(found, WorkItem { live_run: run, ..item.clone() });
    }
    let mut tx = stand.workflow_tx().await;
    let held = tx.lock_workflow(&scope, workflow.id).await.unwrap().expect("visible");
    assert_eq!(held.last_number, begin + 2);
    let late = insert(&stand, tx.as_mut(), &numbered(begin + 2..begin + 4)).await;
    assert!(late.is_err(), "a number is given twice");
    drop(tx);
    let filter = ItemFilter { workflow: Some(workflow.id), ..ItemFilter::default() };
    let (store, filter) = (&stand.ports.workflows, &filter);
    let listed = all_pages(2, |page| store.list_items(&scope, filter, page), async || ()).await;
    assert_eq!(listed.len(), 3);
}

/// Publishes the next revision, with the same definition.
async fn publish(stand: &Stand, workflow: &Workflow) -> i64 {
    let scope = stand.scope(stand.alice);
    let mut tx = stand.workflow_tx().await;
    let held = tx.lock_workflow(&scope, workflow.id).await.unwrap().expect("visible");
    let next = held.revision + 1;
    let row = stand.clear::<WorkflowsManage, _>(stand.alice, held, |row| row.revision = next);
    tx.publish_revision(&row, stand.alice).await.unwrap();
    tx.commit().await.unwrap();
    next
}

/// Open items on older revisions are counted by place and run, and held page by page.
pub async fn items_behind_are_counted_and_held(stand: Stand) {
    let workflow = workflow(&stand).await;
    let scope = stand.scope(stand.alice);
    let mut items = Vec::new();
    for at in 0..5 {
        let item = values::item(&workflow, stand.alice);
        let mut item = WorkItem { external_id: None, live_run: None, ..item };
        if at == 4 {
            item.state = ItemState::Cancelled;
            item.closed_at = Some(item.created_at);
        }
        items.push(item);
    }
    items.sort_by_key(|item| item.id);
    let [a, b, c, d] = [0, 1, 2, 3].map(|at| {
        items.iter().filter(|item| item.closed_at.is_none()).nth(at).expect("four").clone()
    });
    let mut tx = stand.workflow_tx().await;
    insert(&stand, tx.as_mut(), &items).await.unwrap();
    tx.order_runs(&[values::order(&b)]).await.unwrap();
    tx.commit().await.unwrap();

    let mut tx = stand.workflow_tx().await;
    let now = workflow.revision;
    assert!(tx.items_behind(&scope, workflow.id, now).await.unwrap().is_empty());
    drop(tx);
    let next = publish(&stand, &workflow).await;
    let mut tx = stand.workflow_tx().await;
    let found = tx.items_behind(&scope, workflow.id, next).await.unwrap();
    let counted: Vec<_> = found.iter().map(|(at, _)| (at.has_run, at.items)).collect();
    assert_eq!(counted, [(false, 3), (true, 1)]);
    for (at, definition) in &found {
        assert_eq!((at.place.revision, &at.place.stage), (now, &a.stage));
        assert_eq!(**definition, workflow.definition);
    }
    let foreign = stand.scope(stand.dave);
    assert!(tx.items_behind(&foreign, workflow.id, next).await.unwrap().is_empty());
    let page = |size, after: Option<&WorkItem>| PageRequest {
        size,
        after: after.map(|item| PageAfter { key: 0, id: item.id.as_uuid() }),
    };
    let theirs = tx.hold_items_behind(&foreign, workflow.id, next, page(9, None)).await.unwrap();
    assert!(theirs.items.is_empty() && theirs.in_use.is_empty() && theirs.next.is_none());
    let names = |held: &workflow_core::store::HeldPage| -> Vec<WorkItemId> {
        held.items.iter().map(|row| row.item.id).collect()
    };
    let held = tx.hold_items_behind(&scope, workflow.id, next, page(3, None)).await.unwrap();
    assert_eq!((names(&held), held.next), (vec![a.id, b.id, c.id], Some(c.id)));
    assert!(held.items[1].item.live_run.is_some() && held.items[0].item.live_run.is_none());
    assert_eq!(*held.items[0].definition, workflow.definition);
    let held = tx.hold_items_behind(&scope, workflow.id, next, page(3, Some(&c))).await.unwrap();
    assert_eq!((names(&held), held.next), (vec![d.id], None));
    drop(tx);
}

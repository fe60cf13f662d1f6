//! [`BatchTx`](workflow_core::store::BatchTx): many items of one workflow at once.

use permissions::ItemsCreate;
use workflow_core::StoreError;
use workflow_core::model::WorkItem;
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

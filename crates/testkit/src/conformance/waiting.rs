//! [`ItemTx`](workflow_core::store::ItemTx): what is looked up and saved beside moves.

use primitives::WorkItemId;
use workflow_core::StoreError;
use workflow_core::model::{ItemState, StageId, Vote, WorkItem};
use workflow_core::store::InHand;

use super::values;
use super::workflows::{item as insert, workflow};
use super::{Stand, items::changed};

/// What an item says is saved at its version, and found by what another system calls it.
pub async fn what_an_item_says_is_saved_at_its_version(stand: Stand) {
    let workflow = workflow(&stand).await;
    let item = values::item(&workflow, stand.alice);
    insert(&stand, &item).await;
    let vote = Vote { user: stand.bob, hash: "0f".into(), time: item.created_at };
    let said = changed(&stand, stand.alice, item.id, |item| {
        item.title = "Another".into();
        item.external_id = Some("X-1".into());
        item.authors = vec![stand.bob];
        item.votes = vec![vote.clone()];
    })
    .await;
    let mut tx = stand.workflow_tx().await;
    tx.save_item(&said).await.unwrap();
    assert!(matches!(tx.save_item(&said).await, Err(StoreError::Stale)));
    tx.commit().await.unwrap();
    let mut tx = stand.workflow_tx().await;
    let named = ["X-2".to_owned(), "X-1".to_owned()];
    let found = tx.items_by_external_ids(item.tenant, workflow.id, &named).await.unwrap();
    assert_eq!(found, [("X-1".to_owned(), item.id)]);
    let found = tx.items_by_external_ids(item.tenant, workflow.id, &named[..1]).await.unwrap();
    assert!(found.is_empty());
    let kept = changed(&stand, stand.alice, item.id, |_| ()).await;
    assert_eq!((&kept.authors[..], &kept.votes[..]), (&[stand.bob][..], &[vote][..]));
    assert_eq!(kept.stage_due_at, item.stage_due_at);
    let visited = tx.stages_visited(item.tenant, item.id).await.unwrap();
    assert_eq!(visited, [item.stage]);
}

/// Edges are one owner's, go no way round, and tell what is still open.
pub async fn items_wait_for_items(stand: Stand) {
    let workflow = workflow(&stand).await;
    let mut made = Vec::new();
    for _ in 0..3 {
        let item = values::item(&workflow, stand.alice);
        insert(&stand, &item).await;
        made.push(item);
    }
    let [a, b, c] = made.try_into().expect("three");
    let tenant = a.tenant;
    let same = |item: &WorkItem| changed(&stand, stand.alice, item.id, |_| ());
    let (row_a, row_b, row_c) = (same(&a).await, same(&b).await, same(&c).await);
    let mut tx = stand.workflow_tx().await;
    let unknown = WorkItemId::generate();
    assert_eq!(tx.existing(tenant, &[a.id, unknown]).await.unwrap(), [a.id]);
    assert!(tx.set_blockers(&row_a, &[b.id]).await.unwrap());
    assert!(tx.set_blockers(&row_b, &[c.id]).await.unwrap());
    assert!(!tx.set_blockers(&row_c, &[a.id]).await.unwrap());
    assert_eq!(tx.open_blockers(tenant, a.id).await.unwrap(), [b.id]);
    assert!(tx.open_blockers(tenant, c.id).await.unwrap().is_empty());
    tx.gate_runs(tenant, b.id).await.unwrap();
    tx.commit().await.unwrap();
    let closed = changed(&stand, stand.alice, b.id, |item| {
        assert!(item.is_blocker);
        item.state = ItemState::Cancelled;
        item.closed_at = Some(item.created_at);
    })
    .await;
    let mut tx = stand.workflow_tx().await;
    tx.save_item(&closed).await.unwrap();
    assert!(tx.open_blockers(tenant, a.id).await.unwrap().is_empty());
}

/// What is in hand at a stage is counted for everybody and for one.
pub async fn what_is_in_hand_is_counted(stand: Stand) {
    let workflow = workflow(&stand).await;
    let holders = [Some(stand.alice), Some(stand.alice), Some(stand.bob), None];
    let mut stage = StageId(String::new());
    for holder in holders {
        let mut item = values::item(&workflow, stand.alice);
        item.state = if holder.is_some() { ItemState::Claimed } else { ItemState::Pending };
        item.assignee = holder;
        stage = item.stage.clone();
        insert(&stand, &item).await;
    }
    let mut tx = stand.workflow_tx().await;
    let held = tx.in_hand(workflow.tenant, workflow.id, &stage, stand.alice).await.unwrap();
    assert_eq!(held, InHand { all: 3, own: 2 });
    let elsewhere = StageId("elsewhere".into());
    let held = tx.in_hand(workflow.tenant, workflow.id, &elsewhere, stand.alice).await.unwrap();
    assert_eq!(held, InHand::default());
}

/// Who started a run for an item is known, whatever became of the run.
pub async fn who_started_a_run_is_known(stand: Stand) {
    let workflow = workflow(&stand).await;
    let item = values::item(&workflow, stand.alice);
    insert(&stand, &item).await;
    let order = values::order(&item);
    let mut tx = stand.workflow_tx().await;
    assert!(!tx.started_run(item.tenant, item.id, stand.alice).await.unwrap());
    tx.order_run(&order).await.unwrap();
    tx.stop_runs(item.id).await.unwrap();
    assert!(tx.started_run(item.tenant, item.id, stand.alice).await.unwrap());
    assert!(!tx.started_run(item.tenant, item.id, stand.bob).await.unwrap());
    assert!(!tx.started_run(item.tenant, WorkItemId::generate(), stand.alice).await.unwrap());
}

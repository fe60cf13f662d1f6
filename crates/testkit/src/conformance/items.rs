//! [`WorkflowStore`](workflow_core::store::WorkflowStore) and its transaction, as far as they
//! are about items: moves, stays, recommendations, figures.

use std::time::Duration;

use permissions::{ItemsEdit, Visible};
use primitives::{PageRequest, RunId, TransitionId, UserId, VisitId, WorkItemId};
use serde_json::json;
use workflow_core::StoreError;
use workflow_core::model::{
    ItemMove, ItemState, LockedItem, Recommendation, StageId, Transition, Verdict, Visit, VisitEnd,
    VisitOutcome, Wanted, WorkItem, Workflow,
};
use workflow_core::store::ItemFilter;

use super::agent::assert_newest_first;
use super::values::{self, at};
use super::workflows::{item as insert, workflow};
use super::{Stand, all_pages};

/// Stores a workflow of team core with one item.
async fn stored(stand: &Stand) -> (Workflow, WorkItem) {
    let workflow = workflow(stand).await;
    let item = values::item(&workflow, stand.alice);
    insert(stand, &item).await;
    (workflow, item)
}

async fn read(stand: &Stand, user: UserId, id: WorkItemId) -> Option<Visible<LockedItem>> {
    stand.ports.workflows.get_item(&stand.scope(user), id).await.unwrap()
}

/// The item as stored, cleared with a change of it.
pub(super) async fn changed(
    stand: &Stand,
    user: UserId,
    id: WorkItemId,
    change: impl FnOnce(&mut WorkItem),
) -> permissions::Cleared<WorkItem> {
    let locked = read(stand, user, id).await.expect("visible").into_inner();
    let shown = stand.scope(user).show(locked.item).expect("visible");
    stand.clear::<ItemsEdit, _>(user, shown, change)
}

/// Moves an item from intake to the agent's stage.
async fn advance(stand: &Stand, id: WorkItemId, time: i64) -> ItemMove {
    let before = read(stand, stand.alice, id).await.expect("visible").into_inner().item;
    let visit = VisitId::generate();
    let item = changed(stand, stand.alice, id, |item| {
        item.stage = StageId("assist".into());
        item.visit = visit;
        item.entered_stage_at = at(time);
        item.updated_at = at(time);
        item.state = ItemState::Pending;
    })
    .await;
    let transition = Transition {
        id: TransitionId::generate(),
        from: Some(before.stage.clone()),
        to: Some(item.stage.clone()),
        from_state: Some(before.state),
        verb: "complete_stage",
        in_stage: Some(Duration::from_secs(9)),
        time: at(time),
        ..values::creation(&item)
    };
    let end = VisitEnd { visit: before.visit, outcome: VisitOutcome::Completed, time: at(time) };
    let entered = Visit { id: visit, entered_at: at(time), ..values::stay(&item) };
    ItemMove { item, transition, left: Some(end), entered: Some(entered) }
}

async fn save(stand: &Stand, step: &ItemMove) {
    let mut tx = stand.workflow_tx().await;
    tx.save_move(step).await.unwrap();
    tx.commit().await.unwrap();
}

/// Every column survives the way there and back, with the definition the item is pinned to.
pub async fn rows_come_back_as_they_were_stored(stand: Stand) {
    let (workflow, item) = stored(&stand).await;
    let found = read(&stand, stand.alice, item.id).await.unwrap();
    assert_eq!(found.item, item);
    assert_eq!(*found.definition, workflow.definition);
    assert_eq!(found.workflow_name, workflow.display_name);
    let mut tx = stand.workflow_tx().await;
    let locked = tx.lock_item(&stand.scope(stand.bob), item.id).await.unwrap().unwrap();
    assert_eq!(locked.item, item);
    assert_eq!(*locked.definition, workflow.definition);
    let page = PageRequest::first();
    let scope = stand.scope(stand.bob);
    let moves = stand.ports.workflows.list_transitions(&scope, item.id, page).await.unwrap();
    assert_eq!(moves.items.len(), 1);
    let created = moves.items[0].clone().into_inner();
    let expected = values::creation(&item);
    assert_eq!(created, Transition { id: created.id, ..expected });
}

/// An item outside a scope reads the same as none at all.
pub async fn foreign_items_look_absent(stand: Stand) {
    let (_, item) = stored(&stand).await;
    let store = &stand.ports.workflows;
    let page = PageRequest::first();
    for (user, visible) in
        [(stand.alice, true), (stand.bob, true), (stand.dave, false), (stand.erin, false)]
    {
        let scope = stand.scope(user);
        let mut tx = stand.workflow_tx().await;
        let locked = tx.lock_item(&scope, item.id).await.unwrap().is_some();
        drop(tx);
        let listed = store.list_items(&scope, &ItemFilter::default(), page).await.unwrap();
        let narrowed = ItemFilter { workflow: Some(item.workflow), ..ItemFilter::default() };
        let narrowed = store.list_items(&scope, &narrowed, page).await.unwrap();
        let moves = store.list_transitions(&scope, item.id, page).await.unwrap();
        let seen = [
            read(&stand, user, item.id).await.is_some(),
            locked,
            listed.items.len() == 1,
            narrowed.items.len() == 1,
            moves.items.len() == 1,
        ];
        assert_eq!(seen, [visible; 5], "{user}");
    }
}

/// A move is stored whole: item, transition, the stay that ends and the one that begins.
pub async fn a_move_is_stored_whole(stand: Stand) {
    let (workflow, item) = stored(&stand).await;
    let step = advance(&stand, item.id, 10).await;
    save(&stand, &step).await;
    let expected = WorkItem { version: 2, ..step.item.clone().into_inner() };
    assert_eq!(read(&stand, stand.bob, item.id).await.unwrap().item, expected);
    let scope = stand.scope(stand.bob);
    let page = PageRequest::first();
    let moves = stand.ports.workflows.list_transitions(&scope, item.id, page).await.unwrap();
    assert_eq!(moves.items.len(), 2, "oldest first");
    assert_eq!(*moves.items[1], step.transition);

    let figures = stand.ports.workflows.figures(&scope, workflow.id, &Wanted::WHOLE).await.unwrap();
    let stage = |id: &str| {
        let found = figures.stages.iter().find(|(stage, _)| stage.0 == id);
        found.map(|(_, figures)| figures.clone()).expect("a stage with a stay")
    };
    let (intake, assist) = (stage("intake"), stage("assist"));
    assert_eq!((intake.entered, intake.completed, intake.in_stage_now), (1, 1, 0));
    assert_eq!((assist.entered, assist.completed, assist.in_stage_now), (1, 0, 1));
    assert_eq!((intake.lengths.count, intake.lengths.mean), (1, 10.0));
    assert_eq!(assist.lengths.count, 0);
}

/// A save conditional on an older version changes nothing, of the item or beside it.
pub async fn a_stale_version_saves_nothing(stand: Stand) {
    let (_, item) = stored(&stand).await;
    let late_move = advance(&stand, item.id, 20).await;
    let late_data = changed(&stand, stand.bob, item.id, |item| {
        item.data.insert("late".into(), json!(true));
    })
    .await;
    let data = changed(&stand, stand.bob, item.id, |item| {
        item.data = [("severity".to_owned(), json!(1))].into_iter().collect();
        item.updated_at = at(5);
    })
    .await;
    let mut tx = stand.workflow_tx().await;
    tx.save_data(&data).await.unwrap();
    tx.commit().await.unwrap();

    let mut tx = stand.workflow_tx().await;
    assert!(matches!(tx.save_data(&late_data).await, Err(StoreError::Stale)));
    drop(tx);
    let mut tx = stand.workflow_tx().await;
    assert!(matches!(tx.save_move(&late_move).await, Err(StoreError::Stale)));
    assert!(tx.commit().await.is_err() || moves(&stand, item.id).await == 1);
    let now = read(&stand, stand.bob, item.id).await.unwrap();
    assert_eq!((now.item.version, &now.item.data), (2, &data.data));
    assert_eq!(moves(&stand, item.id).await, 1);
}

async fn moves(stand: &Stand, item: WorkItemId) -> usize {
    let scope = stand.scope(stand.alice);
    let page = PageRequest::first();
    stand.ports.workflows.list_transitions(&scope, item, page).await.unwrap().items.len()
}

/// Of racing claims one wins; the others see what it did, because they waited for it.
pub async fn racing_moves_happen_once(stand: Stand) {
    let (_, item) = stored(&stand).await;
    let scope = stand.scope(stand.bob);
    let claim = async |_: usize| {
        let mut tx = stand.workflow_tx().await;
        let locked = tx.lock_item(&scope, item.id).await.unwrap().expect("visible").into_inner();
        if locked.item.state != ItemState::Pending {
            return false;
        }
        let before = locked.item.clone();
        let shown = scope.show(locked.item).expect("visible");
        let item = stand.clear::<ItemsEdit, _>(stand.bob, shown, |item| {
            item.state = ItemState::Claimed;
            item.assignee = Some(stand.bob);
            item.claimed_at = Some(at(2));
        });
        let transition = values::claiming(&before, stand.bob, at(2));
        tx.save_move(&ItemMove { item, transition, left: None, entered: None }).await.unwrap();
        tx.commit().await.unwrap();
        true
    };
    let results = futures::future::join_all((0..6).map(claim)).await;
    assert_eq!(results.iter().filter(|won| **won).count(), 1, "{results:?}");
    assert_eq!(moves(&stand, item.id).await, 2);
}

/// Filters narrow and combine; pages neither lose nor double rows with equal times.
pub async fn lists_are_narrowed_and_paged(stand: Stand) {
    let workflow = workflow(&stand).await;
    for number in 0..7 {
        let created_at = at(number.max(4));
        insert(&stand, &WorkItem { created_at, ..values::item(&workflow, stand.alice) }).await;
    }
    let (other, claimed) = stored(&stand).await;
    let item = changed(&stand, stand.bob, claimed.id, |item| {
        item.state = ItemState::Claimed;
        item.assignee = Some(stand.bob);
        item.claimed_at = Some(at(2));
    })
    .await;
    let transition = values::claiming(&claimed, stand.bob, at(2));
    save(&stand, &ItemMove { item, transition, left: None, entered: None }).await;

    let store = &stand.ports.workflows;
    let scope = stand.scope(stand.alice);
    let number = async |workflow, state, assignee| {
        let filter = ItemFilter { workflow, state, assignee };
        let page = PageRequest::first();
        store.list_items(&scope, &filter, page).await.unwrap().items.len()
    };
    let (pending, claimed) = (Some(ItemState::Pending), Some(ItemState::Claimed));
    assert_eq!(number(None, None, None).await, 8);
    assert_eq!(number(Some(workflow.id), None, None).await, 7);
    assert_eq!(number(None, pending, None).await, 7);
    assert_eq!(number(None, None, Some(stand.bob)).await, 1);
    assert_eq!(number(Some(other.id), claimed, Some(stand.bob)).await, 1);
    assert_eq!(number(Some(workflow.id), claimed, None).await, 0);

    let filter = ItemFilter { workflow: Some(workflow.id), ..ItemFilter::default() };
    let newer = || async {
        insert(&stand, &WorkItem { created_at: at(99), ..values::item(&workflow, stand.bob) })
            .await;
    };
    let rows = all_pages(3, |page| store.list_items(&scope, &filter, page), newer).await;
    let keys: Vec<_> = rows.iter().map(|row| (row.item.created_at, row.item.id)).collect();
    assert_newest_first(&keys, 7);
}

/// Moves are listed oldest first, page by page, although more come in between.
pub async fn moves_are_paged_oldest_first(stand: Stand) {
    let (_, item) = stored(&stand).await;
    let claim = async |time| {
        let cleared = changed(&stand, stand.bob, item.id, |_| ()).await;
        let transition = values::claiming(&cleared, stand.bob, at(time));
        save(&stand, &ItemMove { item: cleared, transition, left: None, entered: None }).await;
    };
    for time in [1, 2, 2, 2, 3] {
        claim(time).await;
    }
    let scope = stand.scope(stand.alice);
    let read = |page| stand.ports.workflows.list_transitions(&scope, item.id, page);
    let rows = all_pages(2, read, async || claim(9).await).await;
    assert_eq!(rows.len(), 7, "six, and the one that came at the end");
    let keys: Vec<_> = rows.iter().map(|row| (row.time, row.id)).collect();
    assert!(keys.windows(2).all(|pair| pair[0] < pair[1]), "{keys:?}");
}

/// The live run of a stay is read with the item, and there is one at most.
pub async fn a_stay_has_one_live_run(stand: Stand) {
    let (_, item) = stored(&stand).await;
    let order = values::order(&item);
    let mut tx = stand.workflow_tx().await;
    tx.order_run(&order).await.unwrap();
    tx.commit().await.unwrap();
    let live = async || read(&stand, stand.alice, item.id).await.unwrap().item.live_run;
    assert_eq!(live().await, Some(order.run));
    let mut tx = stand.workflow_tx().await;
    assert!(tx.order_run(&values::order(&item)).await.is_err());
    drop(tx);
    let mut tx = stand.workflow_tx().await;
    assert_eq!(tx.stop_runs(item.id).await.unwrap(), [order.run]);
    tx.commit().await.unwrap();
    assert_eq!(live().await, None);
    let mut tx = stand.workflow_tx().await;
    tx.order_run(&values::order(&item)).await.unwrap();
    tx.commit().await.unwrap();
}

/// A run proposes once; the newest proposal counts; a verdict is stored with it.
pub async fn a_run_recommends_once(stand: Stand) {
    let (_, item) = stored(&stand).await;
    let first = recommend(&stand, &item, at(1)).await;
    let mut tx = stand.workflow_tx().await;
    let again = values::recommendation(&item, first.run);
    let cleared = stand.clear_new::<ItemsEdit, _>(stand.alice, again);
    assert!(!tx.insert_recommendation(&cleared).await.unwrap());
    assert_eq!(tx.newest_recommendation(item.id).await.unwrap(), Some(first));
    tx.commit().await.unwrap();

    let second = recommend(&stand, &item, at(2)).await;
    let mut tx = stand.workflow_tx().await;
    let newest = tx.newest_recommendation(item.id).await.unwrap();
    assert_eq!(newest, Some(second.clone()));
    let shown = stand.scope(stand.bob).show(second).expect("visible");
    let reviewed = stand.clear::<ItemsEdit, _>(stand.bob, shown, |row| {
        row.verdict = Verdict::Accepted;
        row.reviewer = Some(stand.bob);
        row.reviewed_at = Some(at(3));
        row.review_note = "gut".into();
    });
    tx.save_verdict(&reviewed).await.unwrap();
    assert_eq!(tx.newest_recommendation(item.id).await.unwrap().as_ref(), Some(&*reviewed));
    assert!(tx.newest_recommendation(WorkItemId::generate()).await.unwrap().is_none());
    tx.commit().await.unwrap();
}

/// Orders a run, stops it so that another one may follow, and stores its recommendation.
async fn recommend(
    stand: &Stand,
    item: &WorkItem,
    created_at: primitives::Timestamp,
) -> Recommendation {
    let order = values::order(item);
    let run: RunId = order.run;
    let row = Recommendation { created_at, ..values::recommendation(item, run) };
    let mut tx = stand.workflow_tx().await;
    tx.order_run(&order).await.unwrap();
    tx.stop_runs(item.id).await.unwrap();
    let cleared = stand.clear_new::<ItemsEdit, _>(stand.alice, row.clone());
    assert!(tx.insert_recommendation(&cleared).await.unwrap());
    tx.commit().await.unwrap();
    row
}

/// Figures count items and stays of one workflow, and nothing of another.
pub async fn figures_count_one_workflow(stand: Stand) {
    let (workflow, first) = stored(&stand).await;
    insert(&stand, &values::item(&workflow, stand.alice)).await;
    stored(&stand).await;
    let step = advance(&stand, first.id, 30).await;
    save(&stand, &step).await;
    let left = step.entered.expect("entered").id;
    let done = changed(&stand, stand.alice, first.id, |item| {
        item.state = ItemState::Completed;
        item.closed_at = Some(at(60));
        item.updated_at = at(60);
    })
    .await;
    let transition = Transition {
        id: TransitionId::generate(),
        from: Some(StageId("assist".into())),
        to: None,
        from_state: Some(ItemState::Pending),
        verb: "complete_stage",
        time: at(60),
        ..values::creation(&done)
    };
    let end = VisitEnd { visit: left, outcome: VisitOutcome::Completed, time: at(60) };
    save(&stand, &ItemMove { item: done, transition, left: Some(end), entered: None }).await;

    let scope = stand.scope(stand.bob);
    let figures = stand.ports.workflows.figures(&scope, workflow.id, &Wanted::WHOLE).await.unwrap();
    assert_eq!((figures.total, figures.completed, figures.in_progress), (2, 1, 1));
    assert_eq!((figures.cancelled, figures.failed), (0, 0));
    assert_eq!((figures.cycle.count, figures.cycle.mean), (1, 60.0));
    let intake = &figures.stages.iter().find(|(id, _)| id.0 == "intake").unwrap().1;
    assert_eq!((intake.entered, intake.in_stage_now, intake.left_otherwise), (2, 1, 0));
    assert_eq!((intake.lengths.count, intake.lengths.mean), (1, 30.0));
    let foreign = stand.scope(stand.dave);
    let nothing =
        stand.ports.workflows.figures(&foreign, workflow.id, &Wanted::WHOLE).await.unwrap();
    assert_eq!((nothing.total, nothing.stages.len()), (0, 0));
}

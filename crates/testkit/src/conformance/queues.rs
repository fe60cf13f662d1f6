//! [`QueueStore`](workflow_core::store::QueueStore).

use permissions::Visible;
use primitives::{Timestamp, WorkItemId};
use workflow_core::model::{ItemState, LockedItem, Priority, StageId, WorkItem, Workflow};
use workflow_core::store::Place;

use super::values::{self, at};
use super::workflows::{item as insert, workflow};
use super::{Stand, all_pages};

async fn stored(stand: &Stand, item: WorkItem) -> WorkItem {
    insert(stand, &item).await;
    item
}

/// An item of that priority, made so many seconds after the start.
fn item(stand: &Stand, workflow: &Workflow, priority: Priority, seconds: i64) -> WorkItem {
    let created_at = at(seconds);
    WorkItem { priority, created_at, ..values::item(workflow, stand.alice) }
}

fn ids(rows: Vec<Visible<LockedItem>>) -> Vec<WorkItemId> {
    rows.iter().map(|row| row.item.id).collect()
}

fn sorted(mut items: Vec<WorkItem>, key: impl Fn(&WorkItem) -> i64) -> Vec<WorkItemId> {
    items.sort_by_key(|item| (key(item), item.id));
    items.iter().map(|item| item.id).collect()
}

/// PENDING items at the places asked for: higher priorities first, then oldest first, and
/// nothing of others.
pub async fn a_queue_is_by_priority_and_age(stand: Stand) {
    let (workflow, other) = (workflow(&stand).await, workflow(&stand).await);
    let mut expected = Vec::new();
    for (priority, seconds) in [
        (Priority::Normal, 3),
        (Priority::Urgent, 9),
        (Priority::Normal, 1),
        (Priority::Low, 0),
        (Priority::Normal, 1),
        (Priority::Urgent, 8),
    ] {
        expected.push(stored(&stand, item(&stand, &workflow, priority, seconds)).await);
    }
    let claimed = WorkItem {
        state: ItemState::Claimed,
        assignee: Some(stand.bob),
        ..item(&stand, &workflow, Priority::Urgent, 0)
    };
    let elsewhere =
        WorkItem { stage: StageId("assist".into()), ..item(&stand, &workflow, Priority::High, 0) };
    for odd in [claimed, elsewhere, item(&stand, &other, Priority::Urgent, 0)] {
        stored(&stand, odd).await;
    }
    let scope = stand.scope(stand.bob);
    let store = &stand.ports.workflows;
    let place = |stage: &str| Place { revision: workflow.revision, stage: StageId(stage.into()) };
    let waiting = store.waiting_places(&scope, workflow.id).await.unwrap();
    let places: Vec<_> = waiting.iter().map(|(place, _)| place.clone()).collect();
    assert_eq!(places, [place("assist"), place("intake")]);
    assert!(waiting.iter().all(|(_, definition)| **definition == workflow.definition));

    let places = [place("intake")];
    let read = |page| store.list_queue(&scope, workflow.id, &places, page);
    let late = item(&stand, &workflow, Priority::Low, 99);
    let rows = all_pages(2, read, async || {
        stored(&stand, late.clone()).await;
    });
    let rows = ids(rows.await);
    expected.push(late);
    let rank = |item: &WorkItem| {
        i64::from(4 - item.priority.as_i32()) * 1_000 + item.created_at.as_micros() / 1_000_000
            - at(0).as_micros() / 1_000_000
    };
    assert_eq!(rows, sorted(expected, rank));

    let foreign = stand.scope(stand.dave);
    assert!(store.waiting_places(&foreign, workflow.id).await.unwrap().is_empty());
    let read = |page| store.list_queue(&foreign, workflow.id, &places, page);
    assert!(all_pages(2, read, async || {}).await.is_empty());
}

fn held(stand: &Stand, workflow: &Workflow, priority: Priority, due: Option<i64>) -> WorkItem {
    WorkItem {
        state: ItemState::InProgress,
        assignee: Some(stand.bob),
        due_at: due.map(at),
        ..item(stand, workflow, priority, 0)
    }
}

/// What somebody has not finished: higher priorities first, then those due first, those never
/// due last.
pub async fn held_items_are_by_priority_and_time(stand: Stand) {
    let workflow = workflow(&stand).await;
    let mut expected = Vec::new();
    for (priority, due) in [
        (Priority::Normal, None),
        (Priority::Normal, Some(5)),
        (Priority::High, None),
        (Priority::Normal, Some(2)),
        (Priority::Normal, None),
        (Priority::Low, Some(1)),
    ] {
        expected.push(stored(&stand, held(&stand, &workflow, priority, due)).await);
    }
    let waits = item(&stand, &workflow, Priority::Urgent, 0);
    let closed = WorkItem {
        state: ItemState::Completed,
        closed_at: Some(at(9)),
        ..held(&stand, &workflow, Priority::Urgent, None)
    };
    let others =
        WorkItem { assignee: Some(stand.alice), ..held(&stand, &workflow, Priority::Urgent, None) };
    for odd in [waits, closed, others] {
        stored(&stand, odd).await;
    }
    let scope = stand.scope(stand.bob);
    let read = |page| stand.ports.workflows.list_held(&scope, page);
    let rows = ids(all_pages(2, read, async || {}).await);
    let rank = |item: &WorkItem| {
        let due = item.due_at.map_or(100, |due| due.since(at(0)).as_secs().cast_signed());
        i64::from(4 - item.priority.as_i32()) * 1_000 + due
    };
    assert_eq!(rows, sorted(expected, rank));
}

/// Open items past their time, most overdue first, of tenants in scope.
pub async fn overdue_items_are_by_time(stand: Stand) {
    let workflow = workflow(&stand).await;
    let mut expected = Vec::new();
    for (priority, due) in
        [(Priority::Low, 3), (Priority::High, 5), (Priority::Low, 1), (Priority::Normal, 3)]
    {
        expected.push(stored(&stand, held(&stand, &workflow, priority, Some(due))).await);
    }
    let now = at(6);
    let closed = WorkItem {
        state: ItemState::Cancelled,
        closed_at: Some(at(9)),
        ..held(&stand, &workflow, Priority::Low, Some(1))
    };
    for odd in [
        held(&stand, &workflow, Priority::Urgent, Some(6)),
        held(&stand, &workflow, Priority::Urgent, None),
        closed,
    ] {
        stored(&stand, odd).await;
    }
    let store = &stand.ports.workflows;
    for (user, sees) in [(stand.alice, true), (stand.dave, false)] {
        let scope = stand.scope(user);
        let read = |page| store.list_overdue(&scope, now, page);
        let rows = ids(all_pages(2, read, async || {}).await);
        let due = |item: &WorkItem| item.due_at.map_or(0, Timestamp::as_micros);
        let all = sorted(expected.clone(), due);
        assert_eq!(rows, if sees { all } else { Vec::new() });
    }
}

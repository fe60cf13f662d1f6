//! Racing commands: one wins, the others see what it did.

use std::sync::Arc;
use std::time::Duration;

use permissions::ItemsEdit;
use primitives::{UserId, VisitId};
use testkit::conformance::{Stand, values};
use workflow_core::StoreError;
use workflow_core::model::{
    ItemMove, ItemState, StageId, Transition, Visit, VisitEnd, VisitOutcome, WorkItem,
};

use super::open;
use super::transactions::workflow_with_item;

/// Claims as the service does: hold, look, save. `false` when somebody else has it.
async fn claim(stand: &Stand, item: &WorkItem, user: UserId) -> bool {
    let scope = stand.scope(user);
    let mut tx = stand.workflow_tx().await;
    let held = tx.lock_item(&scope, item.id).await.unwrap().unwrap();
    if held.item.state != ItemState::Pending {
        assert_eq!(held.item.state, ItemState::Claimed);
        assert_eq!(held.item.version, 2, "the winner's row is seen whole");
        return false;
    }
    let row = scope.show(held.item.clone()).unwrap();
    let step = ItemMove {
        item: stand.clear::<ItemsEdit, _>(user, row, |item| {
            item.state = ItemState::Claimed;
            item.assignee = Some(user);
            item.claimed_at = Some(values::at(1));
        }),
        transition: values::claiming(item, user, values::at(1)),
        left: None,
        entered: None,
    };
    tx.save_move(&step).await.unwrap();
    tx.commit().await.unwrap();
    true
}

/// To the agent's stage, with a run.
async fn to_agent(stand: &Stand, item: &WorkItem) -> primitives::RunId {
    let scope = stand.scope(stand.alice);
    let mut tx = stand.workflow_tx().await;
    let held = tx.lock_item(&scope, item.id).await.unwrap().unwrap();
    let (visit, now) = (VisitId::generate(), values::at(2));
    let row = scope.show(held.item.clone()).unwrap();
    let moved = stand.clear::<ItemsEdit, _>(stand.alice, row, |item| {
        item.stage = StageId("assist".into());
        item.visit = visit;
        item.entered_stage_at = now;
    });
    let entered = Visit { entered_at: now, ..values::stay(&moved) };
    let order = values::order(&moved);
    let left = VisitEnd { visit: item.visit, outcome: VisitOutcome::Completed, time: now };
    let transition = Transition {
        to: Some(StageId("assist".into())),
        ..values::claiming(item, stand.alice, now)
    };
    let step = ItemMove { item: moved, transition, left: Some(left), entered: Some(entered) };
    tx.save_move(&step).await.unwrap();
    tx.order_run(&order).await.unwrap();
    // Long enough for the other side to be waiting for the row.
    tokio::time::sleep(Duration::from_millis(300)).await;
    tx.commit().await.unwrap();
    order.run
}

testkit::on_both! {
    async fn of_racing_claims_one_wins(db: TestDb) {
        let (_, stand) = open(&db).await;
        let (_, item) = workflow_with_item(&stand).await;
        let stand = Arc::new(stand);
        let claims: Vec<_> = (0..16)
            .map(|number| {
                let (stand, item) = (stand.clone(), item.clone());
                let user = if number % 2 == 0 { stand.alice } else { stand.bob };
                tokio::spawn(async move { claim(&stand, &item, user).await })
            })
            .collect();
        let mut won = 0;
        for task in claims {
            won += u32::from(task.await.unwrap());
        }
        assert_eq!(won, 1);
    }

    /// A statement that waits for a row returns the new row, but joins what was there before:
    /// the item must not come without the run that its new stay has.
    async fn who_waited_for_an_item_sees_its_run(db: TestDb) {
        let (_, stand) = open(&db).await;
        let (_, item) = workflow_with_item(&stand).await;
        let stand = Arc::new(stand);

        let mover = tokio::spawn({
            let (stand, item) = (stand.clone(), item.clone());
            async move { to_agent(&stand, &item).await }
        });
        tokio::time::sleep(Duration::from_millis(100)).await;
        let mut tx = stand.workflow_tx().await;
        let held = tx.lock_item(&stand.scope(stand.bob), item.id).await.unwrap().unwrap();
        let run = mover.await.unwrap();
        assert_eq!(held.item.stage, StageId("assist".into()));
        assert_eq!(held.item.live_run, Some(run));
    }

    async fn a_stay_has_one_live_run(db: TestDb) {
        let (_, stand) = open(&db).await;
        let (_, item) = workflow_with_item(&stand).await;
        let mut tx = stand.workflow_tx().await;
        tx.order_run(&values::order(&item)).await.unwrap();
        let second = tx.order_run(&values::order(&item)).await;
        assert!(matches!(second, Err(StoreError::Stale)));
    }

    async fn an_item_is_never_in_two_stages(db: TestDb) {
        let (_, stand) = open(&db).await;
        let (_, item) = workflow_with_item(&stand).await;
        let scope = stand.scope(stand.alice);
        let mut tx = stand.workflow_tx().await;
        let held = tx.lock_item(&scope, item.id).await.unwrap().unwrap();
        let row = scope.show(held.item.clone()).unwrap();
        let moved = stand.clear::<ItemsEdit, _>(stand.alice, row, |item| {
            item.visit = VisitId::generate();
        });
        let step = ItemMove {
            entered: Some(values::stay(&moved)),
            item: moved,
            transition: values::claiming(&item, stand.alice, values::at(1)),
            left: None,
        };
        assert!(matches!(tx.save_move(&step).await, Err(StoreError::Stale)));
    }
}

//! [`TurnTx`](workflow_core::store::TurnTx): whose turn it is.

use std::collections::BTreeMap;

use workflow_core::model::{ItemState, StageId};
use workflow_core::store::Turns;

use super::values;
use super::workflows::{item as insert, workflow};
use super::{Stand, items::changed};

/// Each stage remembers who had its last turn, and tells what everybody has in hand there.
/// Whoever looks while a turn is given sees it given: as many at once as there are turn out in
/// one order.
pub async fn the_last_turn_is_known_and_turns_wait_for_each_other(stand: Stand) {
    let workflow = workflow(&stand).await;
    let mut item = values::item(&workflow, stand.alice);
    (item.state, item.assignee) = (ItemState::Claimed, Some(stand.bob));
    insert(&stand, &item).await;
    let (tenant, stage) = (workflow.tenant, item.stage.clone());
    let given = changed(&stand, stand.alice, item.id, |_| ()).await;

    let mut tx = stand.workflow_tx().await;
    let before = tx.turns(tenant, workflow.id, &stage).await.unwrap();
    let in_hand: BTreeMap<_, _> = [(stand.bob, 1)].into();
    assert_eq!(before, Turns { last: None, in_hand: in_hand.clone() });
    tx.give_turn(&given).await.unwrap();
    drop(tx);
    let mut tx = stand.workflow_tx().await;
    assert_eq!(tx.turns(tenant, workflow.id, &stage).await.unwrap().last, None);
    tx.give_turn(&given).await.unwrap();
    tx.give_turn(&given).await.expect("again and again");
    tx.commit().await.unwrap();
    let mut tx = stand.workflow_tx().await;
    let after = tx.turns(tenant, workflow.id, &stage).await.unwrap();
    assert_eq!(after, Turns { last: Some(stand.bob), in_hand });
    let elsewhere = StageId("elsewhere".into());
    assert_eq!(tx.turns(tenant, workflow.id, &elsewhere).await.unwrap(), Turns::default());
    drop(tx);

    // Alice and bob take turns, each of many at once by what he sees.
    let alices =
        changed(&stand, stand.alice, item.id, |item| item.assignee = Some(stand.alice)).await;
    let one = async || {
        let mut tx = stand.workflow_tx().await;
        let last = tx.turns(tenant, workflow.id, &stage).await.unwrap().last;
        let next = if last == Some(stand.alice) { &given } else { &alices };
        tx.give_turn(next).await.unwrap();
        tx.commit().await.unwrap();
        last
    };
    let seen = <[_; 6]>::from(tokio::join!(one(), one(), one(), one(), one(), one()));
    let of = |user| seen.iter().filter(|last| **last == Some(user)).count();
    assert_eq!((of(stand.alice), of(stand.bob)), (3, 3), "{seen:?}");
}

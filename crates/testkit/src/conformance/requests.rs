//! [`Requests`] and [`Retention`](events::port::Retention): a retried mutation gets its first
//! answer, whatever races, for as long as it is kept.

use std::time::Duration;

use events::{EventError, Once, Requests};
use primitives::{EventId, UserId};
use serde_json::{Value, json};

use super::Stand;
use super::outbox::now;
use super::values::at;

const METHOD: &str = "/elohim.workflow.v1.WorkItemService/ClaimWorkItem";

fn once(principal: UserId, body: &str) -> Once {
    Once::new(principal, METHOD, EventId::generate().as_uuid(), body.as_bytes())
}

/// What a gateway does: replay, else do it and remember.
async fn attempt<T: Requests + ?Sized>(
    tx: &mut T,
    once: &Once,
    answer: &Value,
) -> Result<Option<Value>, EventError> {
    let replayed = tx.replay(once).await?;
    if replayed.is_none() {
        tx.remember(once, answer, at(0)).await?;
    }
    Ok(replayed)
}

/// The same key and body replay the first answer, in every kind of transaction.
pub async fn the_first_answer_is_replayed(stand: Stand) {
    let once = once(stand.alice, "body");
    let answer = json!({"name": "workItems/1", "text": "ü", "none": null});
    let mut tx = stand.workflow_tx().await;
    assert_eq!(attempt(&mut *tx, &once, &answer).await.unwrap(), None);
    tx.commit().await.unwrap();

    let mut tx = stand.workflow_tx().await;
    assert_eq!(attempt(&mut *tx, &once, &json!(2)).await.unwrap(), Some(answer.clone()));
    drop(tx);
    let mut tx = stand.agent_tx().await;
    assert_eq!(attempt(&mut *tx, &once, &json!(3)).await.unwrap(), Some(answer));
}

/// Another body under a used key is refused.
pub async fn another_body_is_refused(stand: Stand) {
    let first = once(stand.alice, "body");
    let mut tx = stand.agent_tx().await;
    attempt(&mut *tx, &first, &json!(1)).await.unwrap();
    tx.commit().await.unwrap();
    let other = Once::new(stand.alice, METHOD, first.key, b"another");
    let mut tx = stand.agent_tx().await;
    assert!(matches!(tx.replay(&other).await, Err(EventError::RequestIdReused)));
}

/// A key belongs to one person and one method.
pub async fn keys_of_others_do_not_matter(stand: Stand) {
    let first = once(stand.alice, "body");
    let mut tx = stand.agent_tx().await;
    attempt(&mut *tx, &first, &json!(1)).await.unwrap();
    tx.commit().await.unwrap();
    let others = Once { principal: stand.bob, ..first.clone() };
    let elsewhere = Once { method: "/elohim.agent.v1.AgentService/Apply", ..first };
    let mut tx = stand.agent_tx_of(stand.bob).await;
    assert_eq!(attempt(&mut *tx, &others, &json!(2)).await.unwrap(), None);
    tx.commit().await.unwrap();
    let mut tx = stand.agent_tx().await;
    assert_eq!(attempt(&mut *tx, &elsewhere, &json!(3)).await.unwrap(), None);
    tx.commit().await.unwrap();
}

/// A refused attempt is not remembered.
pub async fn what_was_rolled_back_is_not_remembered(stand: Stand) {
    let once = once(stand.alice, "body");
    let mut tx = stand.agent_tx().await;
    attempt(&mut *tx, &once, &json!(1)).await.unwrap();
    drop(tx);
    let mut tx = stand.agent_tx().await;
    assert_eq!(attempt(&mut *tx, &once, &json!(2)).await.unwrap(), None);
}

/// Of racing first attempts one commits; each other one is told its answer or fails.
pub async fn racing_attempts_commit_once(stand: Stand) {
    let once = once(stand.alice, "body");
    let race = async |number: i64| -> Option<bool> {
        let mut tx = stand.workflow_tx().await;
        match attempt(&mut *tx, &once, &json!(number)).await {
            Ok(None) => tx.commit().await.ok().map(|()| true),
            Ok(Some(_)) => Some(false),
            Err(_) => None,
        }
    };
    let results = futures::future::join_all((0..6).map(race)).await;
    let committed = results.iter().filter(|result| **result == Some(true)).count();
    assert_eq!(committed, 1, "{results:?}");
    let mut tx = stand.workflow_tx().await;
    assert!(tx.replay(&once).await.unwrap().is_some());
}

/// Answers are forgotten by age, and their keys are free again.
pub async fn old_answers_are_forgotten(stand: Stand) {
    let (old, fresh) = (once(stand.alice, "old"), once(stand.alice, "fresh"));
    let mut tx = stand.agent_tx().await;
    tx.remember(&old, &json!(1), at(0)).await.unwrap();
    tx.remember(&fresh, &json!(2), now()).await.unwrap();
    tx.commit().await.unwrap();
    let day = Duration::from_hours(24);
    assert_eq!(stand.ports.retention.forget_answers(day).await.unwrap(), 1);
    assert_eq!(stand.ports.retention.forget_answers(day).await.unwrap(), 0);
    let mut tx = stand.agent_tx().await;
    assert_eq!(tx.replay(&old).await.unwrap(), None);
    assert_eq!(tx.replay(&fresh).await.unwrap(), Some(json!(2)));
}

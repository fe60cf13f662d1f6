//! [`Outbox`](events::Outbox) and [`OutboxQueue`](events::OutboxQueue): events leave with their
//! transaction, once for each lease.

use std::collections::BTreeSet;
use std::time::Duration;

use events::{Cause, ClaimedEvent, EventRecord};
use primitives::{Clock, EventId, SystemClock, Timestamp};

use super::{Stand, values};

const LONG: Duration = Duration::from_mins(10);
const NONE: Duration = Duration::ZERO;

/// The machine's time.
pub fn now() -> Timestamp {
    SystemClock.now()
}

async fn publish(stand: &Stand, events: Vec<EventRecord>) {
    let mut tx = stand.agent_tx().await;
    tx.publish(events).await.unwrap();
    tx.commit().await.unwrap();
}

async fn published(stand: &Stand) -> EventRecord {
    let event = values::event(stand.team(), stand.alice);
    publish(stand, vec![event.clone()]).await;
    event
}

async fn claim(stand: &Stand, lease: Duration) -> Option<ClaimedEvent> {
    stand.ports.outbox.claim_event("worker", lease).await.unwrap()
}

/// An event is claimed whole, and by nobody else while the lease holds; finished, it is gone.
pub async fn an_event_is_delivered_whole_and_once(stand: Stand) {
    let cause = Cause { root: EventId::generate(), parent: EventId::generate(), depth: 3 };
    let event = EventRecord { cause: Some(cause), ..values::event(stand.team(), stand.alice) };
    publish(&stand, vec![event.clone()]).await;
    let claimed = claim(&stand, LONG).await.expect("due");
    assert_eq!((&claimed.event, claimed.attempt), (&event, 1));
    assert!(claim(&stand, LONG).await.is_none());
    assert!(stand.ports.outbox.finish_event(&claimed).await.unwrap());
    assert!(!stand.ports.outbox.finish_event(&claimed).await.unwrap());
    assert!(claim(&stand, LONG).await.is_none());
}

/// Nothing leaves before the commit, nothing at all without it.
pub async fn events_leave_with_their_transaction(stand: Stand) {
    let mut tx = stand.agent_tx().await;
    tx.publish(vec![values::event(stand.team(), stand.alice)]).await.unwrap();
    drop(tx);
    assert!(claim(&stand, LONG).await.is_none());
    publish(&stand, vec![]).await;
    assert!(claim(&stand, LONG).await.is_none());
    published(&stand).await;
    assert!(claim(&stand, LONG).await.is_some());
}

/// Events come in the order in which they were published; what their own times say does not
/// matter.
pub async fn events_are_delivered_oldest_first(stand: Stand) {
    let mut expected = Vec::new();
    for seconds in [3, 1] {
        let time = values::at(seconds);
        let event = || EventRecord { time, ..values::event(stand.team(), stand.alice) };
        let pair = vec![event(), event()];
        expected.extend(pair.iter().map(|event| event.id));
        publish(&stand, pair).await;
    }
    for id in expected {
        assert_eq!(claim(&stand, LONG).await.map(|claimed| claimed.event.id), Some(id));
    }
}

/// After its lease an event is another's, and the old fence can neither finish nor retry it.
pub async fn an_expired_delivery_is_taken_over(stand: Stand) {
    let event = published(&stand).await;
    let old = claim(&stand, NONE).await.expect("due");
    let new = claim(&stand, LONG).await.expect("taken over");
    assert_eq!((new.event.id, new.attempt), (event.id, 2));
    assert!(new.fence > old.fence);
    let outbox = &stand.ports.outbox;
    assert!(!outbox.finish_event(&old).await.unwrap());
    assert!(!outbox.retry_event(&old, Some(NONE), "late").await.unwrap());
    assert!(!outbox.retry_event(&old, None, "late").await.unwrap());
    assert!(outbox.finish_event(&new).await.unwrap());
}

/// Many workers at once: each event is claimed by exactly one.
pub async fn racing_workers_never_share_an_event(stand: Stand) {
    let event = || values::event(stand.team(), stand.alice);
    publish(&stand, (0..12).map(|_| event()).collect()).await;
    let work = async |_: usize| {
        let mut got = Vec::new();
        while let Some(claimed) = claim(&stand, LONG).await {
            got.push(claimed.event.id);
        }
        got
    };
    let got: Vec<EventId> =
        futures::future::join_all((0..6).map(work)).await.into_iter().flatten().collect();
    assert_eq!(got.len(), 12, "lost or doubled");
    assert_eq!(got.iter().collect::<BTreeSet<_>>().len(), 12, "two workers held one event");
}

/// A retry waits for its time; without a time the event is given up.
pub async fn retries_wait_or_give_up(stand: Stand) {
    published(&stand).await;
    let outbox = &stand.ports.outbox;
    let first = claim(&stand, LONG).await.expect("due");
    assert!(outbox.retry_event(&first, Some(NONE), "busy").await.unwrap());
    assert!(!outbox.finish_event(&first).await.unwrap(), "given back");
    let second = claim(&stand, LONG).await.expect("due at once");
    assert_eq!(second.attempt, 2);
    assert!(outbox.retry_event(&second, Some(LONG), "busy").await.unwrap());
    assert!(claim(&stand, LONG).await.is_none(), "not before its time");

    let hopeless = published(&stand).await;
    let claimed = claim(&stand, LONG).await.expect("due");
    assert_eq!(claimed.event.id, hopeless.id);
    assert!(outbox.retry_event(&claimed, None, "never").await.unwrap());
    assert!(claim(&stand, LONG).await.is_none());
    assert!(!outbox.finish_event(&claimed).await.unwrap());
}

/// The backlog counts what is neither finished nor given up, and how long the oldest waits.
pub async fn the_backlog_is_what_waits(stand: Stand) {
    let outbox = &stand.ports.outbox;
    assert_eq!(outbox.backlog().await.unwrap(), (0, NONE));
    let hour = Duration::from_hours(1);
    let event = |time| EventRecord { time, ..values::event(stand.team(), stand.alice) };
    publish(&stand, vec![event(now() - hour), event(now())]).await;
    let (number, age) = outbox.backlog().await.unwrap();
    assert_eq!(number, 2);
    assert!(age >= hour && age < hour + LONG, "{age:?}");
    let oldest = claim(&stand, LONG).await.expect("due");
    assert_eq!(outbox.backlog().await.unwrap().0, 2, "claimed is not finished");
    assert!(outbox.finish_event(&oldest).await.unwrap());
    let (number, age) = outbox.backlog().await.unwrap();
    assert_eq!(number, 1);
    assert!(age < LONG, "{age:?}");
}

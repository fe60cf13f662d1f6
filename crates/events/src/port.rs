//! Where events go and come from.

use std::time::Duration;

use async_trait::async_trait;
use primitives::{Timestamp, UserId};
use serde_json::Value;

use crate::{EventRecord, Once};

/// An event or request record cannot be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    /// The `request_id` was used before with another body.
    #[error("this request_id was used before with another request")]
    RequestIdReused,
    /// The same `request_id` is being worked on by another call: ask again.
    #[error("the same request is being worked on")]
    Raced,
    /// The database is not reachable or overloaded.
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
    /// The database failed.
    #[error("events cannot be stored: {0}")]
    Store(String),
}

/// Part of a transaction: events leave when it commits.
#[async_trait]
pub trait Outbox: Send {
    /// Adds events to the open transaction.
    async fn publish(&mut self, events: Vec<EventRecord>) -> Result<(), EventError>;
}

/// Part of a transaction: answers remembered for retries.
#[async_trait]
pub trait Requests: Send {
    /// The remembered answer, `None` at the first attempt.
    /// Another body under the same key is [`EventError::RequestIdReused`].
    async fn replay(&mut self, once: &Once) -> Result<Option<Value>, EventError>;

    /// Remembers the answer for at least 24 h. Two racing first attempts: one commits, the
    /// other fails here and its transaction is dropped.
    async fn remember(
        &mut self,
        once: &Once,
        answer: &Value,
        now: Timestamp,
    ) -> Result<(), EventError>;
}

/// An event held by one worker until `lease` ends.
#[derive(Clone, Debug)]
pub struct ClaimedEvent {
    /// The event.
    pub event: EventRecord,
    /// 1 at the first delivery.
    pub attempt: u32,
    /// Conditions every write about this delivery.
    pub fence: i64,
}

/// The worker's side of the outbox.
#[async_trait]
pub trait OutboxQueue: Send + Sync {
    /// Claims the oldest due event, by database time.
    async fn claim_event(
        &self,
        worker: &str,
        lease: Duration,
    ) -> Result<Option<ClaimedEvent>, EventError>;

    /// The event has been reacted to. `false` when the fence was lost.
    async fn finish_event(&self, claimed: &ClaimedEvent) -> Result<bool, EventError>;

    /// Delivers it again after `delay`, or never (`None`: dead, with a reason for operators).
    async fn retry_event(
        &self,
        claimed: &ClaimedEvent,
        delay: Option<Duration>,
        problem: &str,
    ) -> Result<bool, EventError>;

    /// Pending events, and the age of the oldest.
    async fn backlog(&self) -> Result<(u64, Duration), EventError>;
}

/// Removes what is kept for a while only.
#[async_trait]
pub trait Retention: Send + Sync {
    /// Forgets remembered answers older than this (at least 24 h) by database time; returns
    /// how many.
    async fn forget_answers(&self, older_than: Duration) -> Result<u64, EventError>;
}

/// How often something may be done: `burst` at once after a rest, `per_second` in the long run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// In the long run. At least 1.
    pub per_second: u32,
    /// After a rest. At least 1.
    pub burst: u32,
}

/// Permits that one process may spend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// How many; none when the rate is used up.
    pub permits: u32,
    /// How long until there is one again; zero when some were given.
    pub wait: Duration,
}

/// What callers have spent of their rates, in all processes together. Beside [`Requests`]
/// because it is the other thing that edges ask each other about through the database.
#[async_trait]
pub trait SharedLimits: Send + Sync {
    /// Takes up to `most` permits for calls of one class by one user, by database time: as
    /// many as the rate has left, in one statement. What is taken is spent.
    async fn lease(
        &self,
        user: UserId,
        class: &str,
        rate: Rate,
        most: u32,
    ) -> Result<Lease, EventError>;

    /// Forgets who has spent nothing for this long; returns how many.
    async fn forget_spent(&self, older_than: Duration) -> Result<u64, EventError>;
}

/// Tells workers of this process that there is something to do.
#[async_trait]
pub trait Wakeups: Send + Sync {
    /// Something was committed.
    fn wake(&self);

    /// Returns once there was a [`wake`](Self::wake) that is not counted in `seen`, or after
    /// `timeout`; gives the count to pass next time. A waiter that was busy misses nothing.
    async fn wait(&self, seen: u64, timeout: Duration) -> u64;
}

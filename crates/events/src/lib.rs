//! Facts that other parts react to, and what keeps them from happening twice.
//!
//! Events leave through the outbox in the transaction that caused them. A causation chain
//! (root, parent, depth) travels along and is bounded, so that reactions cannot loop.

#![warn(missing_docs)]

mod departure;
mod event;
mod once;
pub mod port;
mod run_order;
mod stop;

pub use departure::Departure;
pub use event::{Cause, EventRecord, EventType, MAX_DEPTH, MAX_FAN_OUT, MAX_PAYLOAD_BYTES};
pub use once::Once;
pub use port::{
    ClaimedEvent, EventError, Lease, Outbox, OutboxQueue, Rate, Requests, SharedLimits, Wakeups,
};
pub use run_order::RunOrder;
pub use stop::Stop;

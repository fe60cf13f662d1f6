//! Notices from afar that the policy moved.
//!
//! A call compares epochs in its first statement; what lives on without calling, such as an
//! open stream, learns of a revocation only here. One cheap statement each time, and the whole
//! policy only after a change.

use std::sync::Arc;
use std::time::Duration;

use permissions::Authorizer;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use tracing::warn;

/// A stream of a revoked caller ends within this and the time its guard takes.
const EVERY: Duration = Duration::from_secs(1);

/// Looks every second, until `stop` turns true.
pub(super) async fn watch(authorizer: Arc<Authorizer>, mut stop: watch::Receiver<bool>) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_lost = false;
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        // Not dropped halfway when the server stops: a statement is in flight.
        let looked = authorizer.catch_up().await;
        if let Err(error) = &looked {
            // Once for each outage: calls say for themselves that the database is away.
            if !is_lost {
                warn!(%error, "the policy cannot be compared: open streams keep their rights");
            }
        }
        is_lost = looked.is_err();
    }
}

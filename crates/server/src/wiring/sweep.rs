//! Forgets what is kept for a while only.

use std::time::Duration;

use events::SharedLimits;
use events::port::Retention;
use storage::Storage;
use tokio::sync::watch;

/// Answers to retries are promised for 24 hours.
const KEEP: Duration = Duration::from_hours(36);
const EVERY: Duration = Duration::from_hours(1);

/// Callers who spent nothing for this long have their whole burst again, whatever the rate.
const RESTED: Duration = Duration::from_hours(1);

/// Sweeps now and every hour, until `stop` turns true.
pub(super) async fn old(storage: Storage, mut stop: watch::Receiver<bool>) {
    loop {
        match storage.forget_answers(KEEP).await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "forgot answers to retries"),
            Err(error) => tracing::warn!(%error, "old answers to retries stay for now"),
        }
        match storage.forget_spent(RESTED).await {
            Ok(0) => {}
            Ok(count) => tracing::debug!(count, "forgot what rested callers had spent"),
            Err(error) => tracing::warn!(%error, "what rested callers had spent stays for now"),
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}

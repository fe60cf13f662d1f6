//! Forgets what is kept for a while only.

use std::time::Duration;

use events::port::Retention;
use storage::Storage;
use tokio::sync::watch;

/// Answers to retries are promised for 24 hours.
const KEEP: Duration = Duration::from_hours(36);
const EVERY: Duration = Duration::from_hours(1);

/// Sweeps now and every hour, until `stop` turns true.
pub(super) async fn answers(storage: Storage, mut stop: watch::Receiver<bool>) {
    loop {
        match storage.forget_answers(KEEP).await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "forgot answers to retries"),
            Err(error) => tracing::warn!(%error, "old answers to retries stay for now"),
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}

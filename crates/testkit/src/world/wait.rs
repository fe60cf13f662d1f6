//! Waiting for what the server does by itself: looking again until a deadline.

use std::fmt::Display;
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Longer than anything here takes on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(40);
const PAUSE: Duration = Duration::from_millis(15);

/// Looks again until there is something to return.
///
/// # Panics
///
/// When the deadline has passed, with what was seen last.
pub async fn eventually<T, E: Display>(mut look: impl AsyncFnMut() -> Result<T, E>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match look().await {
            Ok(seen) => return seen,
            Err(last) if Instant::now() > deadline => {
                panic!("not within {} s, at last: {last}", PATIENCE.as_secs())
            }
            Err(_) => sleep(PAUSE).await,
        }
    }
}

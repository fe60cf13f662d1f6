//! Wakes the workers of this process when a commit left something to do.

use std::time::Duration;

use async_trait::async_trait;
use events::Wakeups;
use tokio::sync::watch;

/// Fired after each commit that queued a run or an event. Counts, so that each of several
/// waiters sees every wake, also one that came while it was busy.
#[derive(Debug)]
pub struct Wake {
    count: watch::Sender<u64>,
}

impl Default for Wake {
    fn default() -> Self {
        Self { count: watch::Sender::new(0) }
    }
}

#[async_trait]
impl Wakeups for Wake {
    fn wake(&self) {
        self.count.send_modify(|count| *count = count.wrapping_add(1));
    }

    async fn wait(&self, seen: u64, timeout: Duration) -> u64 {
        let mut counts = self.count.subscribe();
        let newer = counts.wait_for(|count| *count != seen);
        match tokio::time::timeout(timeout, newer).await {
            Ok(Ok(count)) => *count,
            // Nothing new; the sender lives as long as `self`.
            Ok(Err(_)) | Err(_) => seen,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    const LONG: Duration = Duration::from_mins(1);
    const SOON: Duration = Duration::from_secs(5);

    #[tokio::test]
    async fn a_wake_before_the_wait_is_seen_by_every_waiter_once() {
        let wake = Wake::default();
        wake.wake();
        for _ in 0..2 {
            assert_eq!(tokio::time::timeout(SOON, wake.wait(0, LONG)).await, Ok(1));
        }
        assert_eq!(wake.wait(1, Duration::from_millis(20)).await, 1, "seen already");
    }

    #[tokio::test]
    async fn all_who_wait_are_woken() {
        let wake = Arc::new(Wake::default());
        let waiters: Vec<_> = (0..3)
            .map(|_| {
                let wake = wake.clone();
                tokio::spawn(async move { wake.wait(0, LONG).await })
            })
            .collect();
        tokio::task::yield_now().await;
        wake.wake();
        for waiter in waiters {
            assert_eq!(tokio::time::timeout(SOON, waiter).await.unwrap().unwrap(), 1);
        }
    }
}

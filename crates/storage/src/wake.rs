//! Wakes the workers of this process when a commit left something to do.

use std::time::Duration;

use async_trait::async_trait;
use events::Wakeups;
use tokio::sync::Notify;

/// Fired after each commit that queued a run or an event.
///
/// A wake that finds nobody waiting is kept for the next waiter, so that nothing committed
/// between a worker's look and its wait is missed.
#[derive(Debug, Default)]
pub struct Wake {
    notify: Notify,
}

#[async_trait]
impl Wakeups for Wake {
    fn wake(&self) {
        self.notify.notify_one();
        self.notify.notify_waiters();
    }

    async fn wait(&self, timeout: Duration) {
        let _ = tokio::time::timeout(timeout, self.notify.notified()).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    const LONG: Duration = Duration::from_mins(1);

    #[tokio::test]
    async fn a_wake_before_the_wait_is_not_missed() {
        let wake = Wake::default();
        wake.wake();
        let waited = tokio::time::timeout(Duration::from_secs(5), wake.wait(LONG)).await;
        assert!(waited.is_ok());
    }

    #[tokio::test]
    async fn all_who_wait_are_woken() {
        let wake = Arc::new(Wake::default());
        let waiters: Vec<_> = (0..3)
            .map(|_| {
                let wake = wake.clone();
                tokio::spawn(async move { wake.wait(LONG).await })
            })
            .collect();
        tokio::task::yield_now().await;
        wake.wake();
        for waiter in waiters {
            tokio::time::timeout(Duration::from_secs(5), waiter).await.unwrap().unwrap();
        }
    }
}

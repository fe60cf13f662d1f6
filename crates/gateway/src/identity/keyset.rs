//! A key set of an issuer, and when it is read again.
//!
//! **Invariants:** one reading at a time; calls cause one in [`PAUSE`] at most, however many
//! of them name keys nobody knows; a reading that fails changes nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rand::Rng as _;
use tokio::sync::{Mutex, Semaphore};
use tokio::time::{Instant, sleep, timeout};
use tracing::{debug, info, warn};

use super::fetch::{FetchError, Fetcher, KeySetUrl};
use super::keyring::Keyring;
use crate::observe::KeyObserver;

/// Keys nobody knows make the set be read again, this often at most, or as often as it is read
/// anyway.
const PAUSE: Duration = Duration::from_secs(10);
/// A reading that failed is tried again after this long, or sooner where readings are more
/// frequent.
const RETRY: Duration = Duration::from_secs(30);
/// A set is not read more often than this because its sender says so.
const SHORTEST: Duration = Duration::from_secs(10);
/// Calls that may wait for one reading; more are refused at once.
const WAITERS: usize = 64;
/// How long each of them does.
const PATIENCE: Duration = Duration::from_secs(6);

/// Where an issuer publishes its keys.
#[derive(Clone, Debug)]
pub struct KeySet {
    pub url: KeySetUrl,
    /// The longest time between two readings: a key that was withdrawn is believed no longer
    /// than this.
    pub every: Duration,
}

/// A key set that is read into a ring, again and again.
pub(super) struct Remote {
    fetcher: Fetcher,
    url: KeySetUrl,
    every: Duration,
    ring: Arc<Keyring>,
    observer: Arc<dyn KeyObserver>,
    /// When a reading last began; held while one goes on.
    last: Mutex<Option<Instant>>,
    /// Readings that succeeded.
    readings: AtomicU64,
    waiters: Semaphore,
}

impl Remote {
    pub(super) fn new(
        set: KeySet,
        ring: Arc<Keyring>,
        observer: Arc<dyn KeyObserver>,
    ) -> Result<Self, FetchError> {
        Ok(Self {
            fetcher: Fetcher::new(&set.url)?,
            url: set.url,
            every: set.every,
            ring,
            observer,
            last: Mutex::new(None),
            readings: AtomicU64::new(0),
            waiters: Semaphore::new(WAITERS),
        })
    }

    /// Reads the set now; when to do so again.
    pub(super) async fn refresh(&self) -> Result<Duration, FetchError> {
        let mut last = self.last.lock().await;
        self.read(&mut last).await
    }

    /// Whether the set was read since this was asked: then the key may be known now.
    pub(super) async fn look_again(&self) -> bool {
        let before = self.readings.load(Ordering::Acquire);
        let Ok(_waiting) = self.waiters.try_acquire() else { return false };
        let looked = timeout(PATIENCE, async {
            let mut last = self.last.lock().await;
            if self.readings.load(Ordering::Acquire) != before {
                return true;
            }
            if last.is_some_and(|last| last.elapsed() < PAUSE.min(self.every)) {
                return false;
            }
            debug!("a token names a key that is not known");
            self.read(&mut last).await.is_ok()
        });
        looked.await.unwrap_or(false)
    }

    /// Reads the set whenever it is time. Does not end.
    pub(super) async fn keep_fresh(&self, mut pause: Duration) {
        loop {
            // Not all replicas at once.
            let share = rand::rng().random_range(0.9..=1.0);
            sleep(pause.mul_f64(share)).await;
            pause = self.refresh().await.unwrap_or_else(|_| self.retry());
        }
    }

    /// How long to wait after a reading that failed.
    pub(super) fn retry(&self) -> Duration {
        self.every.min(RETRY)
    }

    async fn read(&self, last: &mut Option<Instant>) -> Result<Duration, FetchError> {
        *last = Some(Instant::now());
        let read = match self.fetcher.fetch().await {
            Ok(fetched) => match self.ring.replace(fetched.keys) {
                Ok(replaced) => Ok((replaced, fetched.max_age)),
                Err(duplicate) => Err(duplicate.into()),
            },
            Err(error) => Err(error),
        };
        self.observer.keys_read(read.is_ok());
        let (replaced, max_age) = read.inspect_err(|error| {
            warn!(%error, url = ?self.url, "the key set was not read: the keys stay as they are");
        })?;
        self.readings.fetch_add(1, Ordering::AcqRel);
        if replaced.new + replaced.gone > 0 {
            info!(
                keys = replaced.believed,
                new = replaced.new,
                gone = replaced.gone,
                "keys changed"
            );
        }
        Ok(until_next(self.every, max_age))
    }
}

/// What the sender thinks, within bounds; never longer than configured.
fn until_next(every: Duration, max_age: Option<Duration>) -> Duration {
    max_age.map_or(every, |age| age.clamp(SHORTEST.min(every), every))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sender_may_shorten_the_time_between_readings_but_not_to_nothing() {
        let next = |every, age: Option<u64>| {
            until_next(Duration::from_secs(every), age.map(Duration::from_secs)).as_secs()
        };
        assert_eq!(next(300, None), 300);
        assert_eq!(next(300, Some(60)), 60);
        assert_eq!(next(300, Some(0)), 10);
        assert_eq!(next(300, Some(u64::MAX)), 300);
        assert_eq!(next(5, Some(0)), 5);
        assert_eq!(next(5, Some(60)), 5);
    }
}

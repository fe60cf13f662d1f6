//! The bounds that the module states, with a counting port in place of a database.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use events::{EventError, Lease, Rate};
use tokio::time::{Instant, sleep};

use super::*;
use crate::config::ClassLimits;

fn limits(per_second: u32, burst: u32) -> Limits {
    let whole = |number| NonZeroU32::new(number).unwrap();
    let list = ClassLimits { per_second: whole(per_second), burst: whole(burst), shed_at: 9 };
    Limits { list, ..Limits::default() }
}

/// The algorithm of the shared row, on this process's clock.
#[derive(Default)]
struct Row {
    spent_until: Mutex<HashMap<UserId, Instant>>,
    asked: AtomicU64,
    is_down: bool,
    delay: Duration,
}

#[async_trait]
impl SharedLimits for Row {
    async fn lease(
        &self,
        user: UserId,
        class: &str,
        rate: Rate,
        most: u32,
    ) -> Result<Lease, EventError> {
        assert_eq!(class, "list");
        self.asked.fetch_add(1, Ordering::SeqCst);
        sleep(self.delay).await;
        if self.is_down {
            return Err(EventError::Unavailable("on purpose".into()));
        }
        let period = Duration::from_secs(1) / rate.per_second;
        let now = Instant::now();
        let mut all = self.spent_until.lock().unwrap();
        let spent_until = all.entry(user).or_insert(now);
        let from = (*spent_until).max(now);
        let room = (now + period * rate.burst).saturating_duration_since(from);
        let left = u32::try_from(room.as_nanos() / period.as_nanos()).unwrap();
        let permits = left.min(most);
        *spent_until = from + period * permits;
        let wait = if permits == 0 { period.saturating_sub(room) } else { Duration::ZERO };
        Ok(Lease { permits, wait })
    }

    async fn forget_spent(&self, _older_than: Duration) -> Result<u64, EventError> {
        Ok(0)
    }
}

/// Calls as often as it can for `time`; how many were let through.
async fn calls(rates: &[Rates], user: UserId, time: Duration) -> u32 {
    let end = Instant::now() + time;
    let mut through = 0;
    while Instant::now() < end {
        for rates in rates {
            through += u32::from(rates.spend(user, Class::List).await.is_ok());
        }
        sleep(Duration::from_millis(1)).await;
    }
    through
}

#[tokio::test]
async fn one_process_holds_the_rate_exactly_and_names_the_wait() {
    let rates = Rates::new(&limits(10, 5), None);
    let (one, two) = (UserId::generate(), UserId::generate());
    for _ in 0..5 {
        rates.spend(one, Class::List).await.unwrap();
    }
    let wait = rates.spend(one, Class::List).await.unwrap_err();
    assert!(wait > Duration::ZERO && wait <= Duration::from_millis(100), "{wait:?}");
    rates.spend(two, Class::List).await.expect("others have rates of their own");
    rates.spend(one, Class::Read).await.expect("and so have other classes");
    sleep(wait + Duration::from_millis(1)).await;
    rates.spend(one, Class::List).await.expect("after the wait there is one again");
    rates.spend(one, Class::Health).await.expect("liveness is not counted");
}

#[tokio::test]
async fn rested_callers_are_forgotten() {
    let local = Local::whole(&limits(1_000, 1));
    for _ in 0..100 {
        local.spend(UserId::generate(), Class::List).unwrap();
    }
    assert_eq!(local.remembered(), 100);
    sleep(Duration::from_millis(20)).await;
    local.forget_rested();
    assert_eq!(local.remembered(), 0);
}

/// Four processes, one caller who calls all of them as often as he can.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sum_over_processes_stays_within_the_stated_slack() {
    const PROCESSES: u32 = 4;
    let (per_second, burst) = (160, 32);
    let row = Arc::new(Row::default());
    let rates: Vec<_> =
        (0..PROCESSES).map(|_| Rates::new(&limits(per_second, burst), Some(row.clone()))).collect();
    let began = Instant::now();
    let through = calls(&rates, UserId::generate(), Duration::from_secs(2)).await;
    let seconds = began.elapsed().as_secs_f64();

    let limit = f64::from(burst) + seconds * f64::from(per_second);
    let slack = 1.0 + f64::from(PROCESSES - 1) / f64::from(FREE);
    let most = limit * slack + f64::from(PROCESSES * (per_second / 4 + 1));
    assert!(f64::from(through) <= most, "{through} calls, at most {most}");
    assert!(f64::from(through) >= 0.8 * limit, "{through} calls, the limit is {limit}");
    let alone = limit * f64::from(PROCESSES);
    assert!(f64::from(through) < alone / 2.0, "{through} calls: each process gave its own");
    let asked = row.asked.load(Ordering::SeqCst);
    let most = PROCESSES * (8 * 2 + 4);
    assert!(asked <= u64::from(most), "{asked} statements for {through} calls");
}

/// Callers below their free share cost no statement; above it, one for a batch.
#[tokio::test]
async fn the_database_is_asked_for_batches_and_only_for_busy_callers() {
    let row = Arc::new(Row::default());
    let rates = Rates::new(&limits(1_600, 1_600), Some(row.clone()));
    let user = UserId::generate();
    for _ in 0..100 {
        rates.spend(user, Class::List).await.unwrap();
    }
    assert_eq!(row.asked.load(Ordering::SeqCst), 0, "a sixteenth of the burst is free");
    for _ in 0..400 {
        rates.spend(user, Class::List).await.unwrap();
    }
    let asked = row.asked.load(Ordering::SeqCst);
    assert!((1..=2).contains(&asked), "{asked} statements for 400 calls");
}

#[tokio::test]
async fn without_the_database_each_process_holds_its_own_limit() {
    for (is_down, delay) in [(true, Duration::ZERO), (false, Duration::from_secs(30))] {
        let row = Arc::new(Row { is_down, delay, ..Row::default() });
        let rates = Rates::new(&limits(1, 50), Some(row.clone()));
        let user = UserId::generate();
        let began = Instant::now();
        let mut through = 0;
        while rates.spend(user, Class::List).await.is_ok() {
            through += 1;
        }
        assert!((50..=51).contains(&through), "{through}");
        assert!(began.elapsed() < PATIENCE * 2, "nobody waits twice for a silent database");
        assert_eq!(row.asked.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test]
async fn accounts_nobody_uses_are_dropped() {
    let row = Arc::new(Row { is_down: true, ..Row::default() });
    let shared = Arc::new(Shared::new(&limits(16, 16), row));
    for _ in 0..2_000 {
        let user = UserId::generate();
        for _ in 0..3 {
            shared.spend(user, Class::List).await.unwrap();
        }
    }
    assert!(shared.accounts() <= 512, "{}", shared.accounts());
}

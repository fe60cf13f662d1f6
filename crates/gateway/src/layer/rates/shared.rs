//! Permits of callers who call more than a little, taken in batches from what all processes
//! share. See the parent module for the method and its slack.
//!
//! **Invariant:** for one caller and class at most one request to the database is under way;
//! it is never dropped halfway, however many of the calls that wait for it are.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use events::{EventError, Lease, Rate, SharedLimits};
use primitives::UserId;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};
use tracing::warn;

use super::{FREE, LEASE, Local, PATIENCE, PAUSE, REST};
use crate::class::Class;
use crate::config::Limits;

/// Accounts that nobody used for a while are dropped when there are more than this, at most
/// once for each doubling.
const SWEEP_ABOVE: usize = 256;

/// The permits of this process.
pub(crate) struct Shared {
    free: Local,
    limits: Limits,
    port: Arc<dyn SharedLimits>,
    accounts: Mutex<Accounts>,
    /// Until then the database is not asked.
    paused: Mutex<Option<Instant>>,
}

struct Accounts {
    all: HashMap<(UserId, Class), Arc<Account>>,
    sweep_above: usize,
}

/// What this process may spend for one caller and class.
#[derive(Default)]
struct Account {
    state: Mutex<State>,
    answered: Notify,
}

#[derive(Default)]
struct State {
    permits: u32,
    good_until: Option<Instant>,
    none_until: Option<Instant>,
    /// Since when an answer is awaited.
    asking: Option<Instant>,
}

/// What a call is to do next.
enum Step {
    Go,
    Refuse(Duration),
    Ask,
    Wait,
}

impl Shared {
    pub(crate) fn new(limits: &Limits, port: Arc<dyn SharedLimits>) -> Self {
        let accounts = Accounts { all: HashMap::new(), sweep_above: SWEEP_ABOVE };
        Self {
            free: Local::free(limits),
            limits: limits.clone(),
            port,
            accounts: Mutex::new(accounts),
            paused: Mutex::new(None),
        }
    }

    /// Spends one call, or says how long until there is one.
    pub(crate) async fn spend(
        self: &Arc<Self>,
        user: UserId,
        class: Class,
    ) -> Result<(), Duration> {
        if class == Class::Health || self.free.spend(user, class).is_ok() {
            return Ok(());
        }
        let account = self.account(user, class);
        let patience = Instant::now() + PATIENCE;
        loop {
            let mut answered = pin!(account.answered.notified());
            // From here on an answer is noticed, also one that comes before the wait below.
            answered.as_mut().enable();
            match self.step(&account) {
                Step::Go => return Ok(()),
                Step::Refuse(wait) => return Err(wait),
                Step::Ask => {
                    let (shared, account) = (Arc::clone(self), Arc::clone(&account));
                    tokio::spawn(async move { shared.ask(user, class, &account).await });
                }
                Step::Wait => {}
            }
            if timeout_at(patience, answered).await.is_err() {
                // This process has let the call through; the others are not heard.
                return Ok(());
            }
        }
    }

    fn step(&self, account: &Account) -> Step {
        let now = Instant::now();
        let mut state = account.state();
        if state.permits > 0 && state.good_until.is_some_and(|until| now < until) {
            state.permits -= 1;
            return Step::Go;
        }
        if let Some(until) = state.none_until.filter(|until| now < *until) {
            return Step::Refuse(until - now);
        }
        match state.asking {
            Some(since) if now.duration_since(since) > PATIENCE => Step::Go,
            Some(_) => Step::Wait,
            None if self.is_paused(now) => Step::Go,
            None => {
                state.asking = Some(now);
                Step::Ask
            }
        }
    }

    async fn ask(&self, user: UserId, class: Class, account: &Account) {
        let (rate, batch) = shared_rate(&self.limits, class);
        let answer = self.port.lease(user, class.name(), rate, batch).await;
        let now = Instant::now();
        let mut state = account.state();
        state.asking = None;
        match answer {
            Ok(Lease { permits, wait }) => {
                state.permits = permits;
                state.good_until = Some(now + LEASE);
                // Less than a batch: the rate is used up for now.
                state.none_until =
                    (permits < batch).then(|| now.checked_add(wait.max(REST))).flatten();
            }
            Err(error) => self.pause(now, &error),
        }
        drop(state);
        account.answered.notify_waiters();
    }

    fn is_paused(&self, now: Instant) -> bool {
        let paused = *self.paused.lock().unwrap_or_else(PoisonError::into_inner);
        paused.is_some_and(|until| now < until)
    }

    fn pause(&self, now: Instant, error: &EventError) {
        warn!(%error, "rates hold for this process alone for now");
        *self.paused.lock().unwrap_or_else(PoisonError::into_inner) = Some(now + PAUSE);
    }

    fn account(&self, user: UserId, class: Class) -> Arc<Account> {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        if accounts.all.len() >= accounts.sweep_above {
            let now = Instant::now();
            accounts.all.retain(|_, account| account.is_in_use(now));
            accounts.sweep_above = (accounts.all.len() * 2).max(SWEEP_ABOVE);
        }
        Arc::clone(accounts.all.entry((user, class)).or_default())
    }

    #[cfg(test)]
    pub(super) fn accounts(&self) -> usize {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner).all.len()
    }
}

impl Account {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether forgetting it could give or take anything.
    fn is_in_use(&self, now: Instant) -> bool {
        let state = self.state();
        let runs = |end: Option<Instant>| end.is_some_and(|end| now < end);
        state.asking.is_some() || runs(state.good_until) || runs(state.none_until)
    }
}

/// The rate of a class that all processes share, and how much of it is taken at once.
fn shared_rate(limits: &Limits, class: Class) -> (Rate, u32) {
    let limits = limits.of(class);
    let shared = |whole: NonZeroU32| (whole.get() - whole.get() / FREE).max(1);
    let rate = Rate { per_second: shared(limits.per_second), burst: shared(limits.burst) };
    (rate, limits.per_second.get().div_ceil(4))
}

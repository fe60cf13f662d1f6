//! Rates within this process.
//!
//! **Invariant:** what is kept is bounded by the callers of the last minute or so: whoever has
//! rested long enough to have his whole burst again is forgotten.

use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};
use primitives::UserId;
use tokio::time::Instant;

use super::FREE;
use crate::class::Class;
use crate::config::{ClassLimits, Limits};

/// Rested callers are forgotten this often.
const SWEEP: Duration = Duration::from_mins(1);

type Keyed = RateLimiter<UserId, HashMapStateStore<UserId>, DefaultClock, NoOpMiddleware>;

/// One limiter for each class.
pub(crate) struct Local {
    classes: Vec<(Class, Keyed)>,
    clock: DefaultClock,
    swept: Mutex<Instant>,
}

impl Local {
    /// The whole of the configured rates.
    pub(crate) fn whole(limits: &Limits) -> Self {
        Self::of(limits, |limits| Quota::per_second(limits.per_second).allow_burst(limits.burst))
    }

    /// The share that needs no permits of others.
    pub(super) fn free(limits: &Limits) -> Self {
        Self::of(limits, |limits| {
            let period = Duration::from_secs(1) * FREE / limits.per_second.get();
            let burst = NonZeroU32::new(limits.burst.get() / FREE).unwrap_or(NonZeroU32::MIN);
            // A period is zero only above the resolution of clocks: then everything is free.
            Quota::with_period(period)
                .unwrap_or(Quota::per_second(NonZeroU32::MAX))
                .allow_burst(burst)
        })
    }

    fn of(limits: &Limits, quota: impl Fn(ClassLimits) -> Quota) -> Self {
        let limiter = |class| (class, RateLimiter::hashmap(quota(limits.of(class))));
        Self {
            classes: Class::LIMITED.into_iter().map(limiter).collect(),
            clock: DefaultClock::default(),
            swept: Mutex::new(Instant::now()),
        }
    }

    /// Spends one call, or says how long until there is one.
    pub(crate) fn spend(&self, user: UserId, class: Class) -> Result<(), Duration> {
        self.sweep();
        let Some((_, limiter)) = self.classes.iter().find(|(of, _)| *of == class) else {
            return Ok(());
        };
        limiter.check_key(&user).map_err(|not_until| not_until.wait_time_from(self.clock.now()))
    }

    fn sweep(&self) {
        {
            let mut swept = self.swept.lock().unwrap_or_else(PoisonError::into_inner);
            if swept.elapsed() < SWEEP {
                return;
            }
            *swept = Instant::now();
        }
        self.forget_rested();
    }

    pub(super) fn forget_rested(&self) {
        for (_, limiter) in &self.classes {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
    }

    /// Callers that are remembered, over all classes.
    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        self.classes.iter().map(|(_, limiter)| limiter.len()).sum()
    }
}

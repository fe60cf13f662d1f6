//! How often one caller may call, by class of call.
//!
//! Each class has a rate (`per_second`) and a `burst`, judged by the generic cell rate
//! algorithm (GCRA; the crate `governor`), keyed by user: in any `t` seconds a caller makes at
//! most `burst + t × per_second` calls of a class.
//!
//! **In this process** that holds exactly, for calls that reach it. **Across processes** on
//! one database it holds with some slack, without a statement per call ([`Shared`]):
//!
//! * A process lets each caller make [`FREE`] of the rate without asking anybody.
//! * Calls above that need permits, which a process takes from the shared row of caller and
//!   class in batches of a quarter second's calls, one statement each; a batch is good for
//!   [`LEASE`], and what is left of it is lost. The row gives `1 − FREE` of the rate. When it
//!   has less than a batch left, it is not asked again for [`REST`]: a caller who is refused
//!   costs eight statements a second, however often he calls.
//!
//! With `n` processes the sum over all of them in any `t` seconds is at most
//! `(burst + t × per_second) × (1 + (n − 1) × FREE) + n × batch`, each product rounded up to
//! whole calls: with one process the limit itself, with four 1.19 times the limit and a
//! second's calls.
//!
//! **Invariant:** a database that does not answer within [`PATIENCE`] delays nobody further:
//! for [`PAUSE`] the limits of each process hold alone, and then it is asked again.

mod local;
mod shared;

pub(crate) use local::Local;
pub(crate) use shared::Shared;

use std::sync::Arc;
use std::time::Duration;

use events::SharedLimits;
use primitives::UserId;

use super::{HttpRequest, HttpResponse, Next, Wrap, context, refuse};
use crate::class::Class;
use crate::config::Limits;
use crate::status;

/// The share of a rate that each process gives by itself: a sixteenth.
const FREE: u32 = 16;
/// Permits are good for this long.
const LEASE: Duration = Duration::from_secs(1);
/// A row that had less than was asked for is not asked again for this long.
const REST: Duration = Duration::from_millis(125);
/// A call waits this long for the database to give permits.
const PATIENCE: Duration = Duration::from_millis(250);
/// A database that failed is not asked again for this long.
const PAUSE: Duration = Duration::from_secs(1);

/// Refuses calls above the caller's rate.
#[derive(Clone)]
pub(crate) struct Rates {
    local: Arc<Local>,
    shared: Option<Arc<Shared>>,
}

impl Rates {
    /// Limits of this process, and of all together if there is a port to ask them through.
    pub(crate) fn new(limits: &Limits, port: Option<Arc<dyn SharedLimits>>) -> Self {
        let local = Arc::new(Local::whole(limits));
        Self { local, shared: port.map(|port| Arc::new(Shared::new(limits, port))) }
    }

    /// Spends one call, or says how long until there is one.
    async fn spend(&self, user: UserId, class: Class) -> Result<(), Duration> {
        self.local.spend(user, class)?;
        match &self.shared {
            Some(shared) => shared.spend(user, class).await,
            None => Ok(()),
        }
    }
}

impl Wrap for Rates {
    async fn wrap<N: Next>(self, request: HttpRequest, next: N) -> HttpResponse {
        let context = context(&request);
        let Some(caller) = context.caller() else { return next.run(request).await };
        match self.spend(caller.user(), context.class()).await {
            Ok(()) => next.run(request).await,
            Err(wait) => refuse(status::rate_limited(wait)),
        }
    }
}

#[cfg(test)]
mod tests;

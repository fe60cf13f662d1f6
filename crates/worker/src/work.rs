//! The loops: claim, carry out, wait.

use std::sync::Arc;
use std::time::Duration;

use agent_core::port::queue::RunQueue;
use agent_core::service::{Runner, Stops};
use events::{OutboxQueue, Wakeups};
use permissions::Authorizer;
use primitives::Clock;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tracing::{error, info, warn};
use workflow_core::service::{Departures, Items, Triggers};

/// Reactions to departures and stops that are at work at the same time.
const AT_ONCE: usize = 4;

/// How a worker works.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Names this worker in leases; for people.
    pub name: String,
    /// Runs carried out at the same time.
    pub concurrency: usize,
    /// A worker that is not heard of for so long loses what it holds.
    pub lease: Duration,
    /// Looks for work at least so often; wake-ups come sooner.
    pub poll: Duration,
    /// Pause before the second attempt; doubled for each further one.
    pub backoff: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            name: "worker".into(),
            concurrency: 4,
            lease: Duration::from_secs(20),
            poll: Duration::from_millis(500),
            backoff: Duration::from_secs(2),
        }
    }
}

/// What a worker works with.
#[derive(Clone)]
pub struct WorkerParts {
    pub runner: Runner,
    pub items: Items,
    pub triggers: Triggers,
    pub departures: Departures,
    pub stops: Stops,
    pub runs: Arc<dyn RunQueue>,
    pub outbox: Arc<dyn OutboxQueue>,
    pub wakeups: Arc<dyn Wakeups>,
    pub authorizer: Arc<Authorizer>,
    pub clock: Arc<dyn Clock>,
    pub observer: Arc<dyn Observer>,
}

/// Is told what came of runs and firings, for metrics.
pub trait Observer: Send + Sync {
    /// An assist run ended: `success`, `superseded`, `failed`.
    fn assist_ended(&self, outcome: &'static str);

    /// Auto-apply was tried; `guard` is empty unless one said no.
    fn auto_apply_ended(&self, outcome: &'static str, guard: &'static str);

    /// A trigger met an event: `fired`, `refused`.
    fn trigger_fired(&self, outcome: &'static str);
}

/// Carries out runs and delivers events until told to stop.
#[derive(Clone)]
pub struct Worker {
    pub(crate) parts: WorkerParts,
    pub(crate) settings: Settings,
}

impl Worker {
    pub fn new(parts: WorkerParts, settings: Settings) -> Self {
        Self { parts, settings }
    }

    /// Works until `stop` turns true; then claims nothing more and finishes what it holds.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        match self.parts.runner.reconcile().await {
            Ok(0) => {}
            Ok(undone) => info!(undone, "took back refs of runs that ended unrecorded"),
            Err(error) => warn!(%error, "mirrors could not be reconciled"),
        }
        let permits = Arc::new(Semaphore::new(self.settings.concurrency.max(1)));
        let mut tasks = JoinSet::new();
        let events = tokio::spawn(self.clone().deliver_events(stop.clone()));
        let mut seen = 0;
        while !*stop.borrow() {
            while tasks.try_join_next().is_some() {}
            let claimed = self.claim(&permits, &mut tasks).await;
            if claimed {
                continue;
            }
            tokio::select! {
                count = self.parts.wakeups.wait(seen, self.settings.poll) => seen = count,
                Some(_) = tasks.join_next() => {}
                _ = stop.changed() => {}
            }
        }
        while tasks.join_next().await.is_some() {}
        if let Err(panic) = events.await {
            error!(%panic, "the delivery of events stopped");
        }
    }

    /// Claims one run if there is room, and starts it; else records an end that nobody did,
    /// which needs none. `false` when there was nothing.
    async fn claim(&self, permits: &Arc<Semaphore>, tasks: &mut JoinSet<()>) -> bool {
        let Ok(permit) = permits.clone().try_acquire_owned() else {
            return self.settle_one().await;
        };
        match self.parts.runs.claim_run(&self.settings.name, self.settings.lease).await {
            Ok(Some(run)) => {
                let worker = self.clone();
                tasks.spawn(async move {
                    worker.carry_out(run).await;
                    drop(permit);
                });
                true
            }
            Ok(None) => self.settle_one().await,
            Err(error) => {
                warn!(%error, "no run could be claimed");
                false
            }
        }
    }

    async fn settle_one(&self) -> bool {
        match self.parts.runs.claim_ended(&self.settings.name, self.settings.lease).await {
            Ok(Some(run)) => {
                self.settle(run).await;
                true
            }
            Ok(None) => false,
            Err(error) => {
                warn!(%error, "no ended run could be claimed");
                false
            }
        }
    }

    /// One event after the other; but what stops work that runs is not held up by others.
    async fn deliver_events(self, mut stop: watch::Receiver<bool>) {
        let mut tasks = JoinSet::new();
        let mut seen = 0;
        while !*stop.borrow() {
            match self.parts.outbox.claim_event(&self.settings.name, self.settings.lease).await {
                Ok(Some(claimed)) if claimed.event.kind.is_for_triggers() => {
                    self.deliver(claimed).await;
                    continue;
                }
                Ok(Some(claimed)) => {
                    while tasks.len() >= AT_ONCE {
                        tasks.join_next().await;
                    }
                    let worker = self.clone();
                    tasks.spawn(async move { worker.deliver(claimed).await });
                    continue;
                }
                Ok(None) => {}
                Err(error) => warn!(%error, "no event could be claimed"),
            }
            tokio::select! {
                count = self.parts.wakeups.wait(seen, self.settings.poll) => seen = count,
                Some(_) = tasks.join_next() => {}
                _ = stop.changed() => {}
            }
        }
        while tasks.join_next().await.is_some() {}
    }

    /// Pause before the attempt after `attempt`.
    pub(crate) fn pause_after(&self, attempt: u32) -> Duration {
        let doublings = attempt.saturating_sub(1).min(8);
        self.settings.backoff.saturating_mul(1 << doublings)
    }
}

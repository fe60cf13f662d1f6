//! Keeps a run's lease alive while it is worked on, and stops the work when it is lost.

use std::future::Future;
use std::time::Duration;

use agent_core::model::Run;
use agent_core::port::queue::RunQueue;
use tracing::warn;

/// Signs of life come at least so often: work that is stopped from outside learns of it by its
/// next one, and must have ended within 5 s.
const SIGN_OF_LIFE: Duration = Duration::from_secs(2);

/// How leased work ended.
pub(crate) enum Held<T> {
    Done(T),
    /// The run was cancelled, or another worker took it over.
    Lost,
    /// The run's overall time is up.
    TimedOut,
}

/// Runs `work` while heartbeats keep the lease. The work is dropped when the lease is lost:
/// whatever it still had in flight is fenced.
pub(crate) async fn keep<T>(
    queue: &dyn RunQueue,
    run: &Run,
    lease: Duration,
    time_left: Duration,
    work: impl Future<Output = T>,
) -> Held<T> {
    let beat = lost(queue, run, lease);
    tokio::select! {
        done = work => Held::Done(done),
        () = beat => Held::Lost,
        () = tokio::time::sleep(time_left) => Held::TimedOut,
    }
}

/// Returns when the lease is lost for certain.
async fn lost(queue: &dyn RunQueue, run: &Run, lease: Duration) {
    let pause = (lease / 4).min(SIGN_OF_LIFE);
    let mut silent = Duration::ZERO;
    loop {
        tokio::time::sleep(pause).await;
        match queue.heartbeat(run, lease).await {
            Ok(true) => silent = Duration::ZERO,
            Ok(false) => return,
            Err(error) => {
                silent += pause;
                warn!(%error, run.id = %run.id, "a heartbeat failed");
                if silent >= lease {
                    return;
                }
            }
        }
    }
}

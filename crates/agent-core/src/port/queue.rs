//! Durable runs as a worker sees them: claims, leases, fences.

use std::time::Duration;

use async_trait::async_trait;
use primitives::{RepositoryId, RunId};

use super::live::LiveRuns;
use crate::StoreError;
use crate::model::{Patch, Plan, Repository, Run, RunProblem, RunState};

/// The worker's side of runs. All times are the database's. What a worker holds is told by the
/// run as it was claimed: its id and fence, and whose it is.
#[async_trait]
pub trait RunQueue: LiveRuns + Send + Sync {
    /// Claims the oldest run that is QUEUED and due, or RUNNING with a lease that ended:
    /// raises attempt and fence, sets the lease. A run past its deadline becomes TIMED_OUT,
    /// one past its attempts DEAD, and neither is returned here: see [`Self::claim_ended`].
    async fn claim_run(&self, worker: &str, lease: Duration) -> Result<Option<Run>, StoreError>;

    /// Extends the lease; `false` when the fence was lost or the run ended.
    async fn heartbeat(&self, run: &Run, lease: Duration) -> Result<bool, StoreError>;

    /// Puts the run back after `delay`; DEAD when its attempts are used up. Returns the state
    /// it is in now, `None` when the fence was lost.
    async fn retry_run(
        &self,
        run: &Run,
        delay: Duration,
        problem: &RunProblem,
    ) -> Result<Option<RunState>, StoreError>;

    /// Claims the oldest run that ended without its worker ([`Self::claim_run`] by deadline or
    /// attempts, [`Self::retry_run`] by attempts,
    /// [`cancel_live`](super::live::LiveRunsTx::cancel_live)) while nobody has recorded what
    /// that means for its work item: raises the fence and leases the run; its state, TIMED_OUT,
    /// DEAD or CANCELLED, stays. Whoever claimed it records the failure, idempotently by run id, then settles.
    ///
    /// A worker that saves FAILED itself tells the item first, so such runs do not come here.
    async fn claim_ended(&self, worker: &str, lease: Duration) -> Result<Option<Run>, StoreError>;

    /// The end has been recorded with the item: it is not claimed again. `false` when the
    /// fence was lost, it was settled before, or the run is not one of those.
    async fn settle_ended(&self, run: &Run) -> Result<bool, StoreError>;

    /// Runs in each state, for metrics.
    async fn count_runs(&self) -> Result<Vec<(RunState, u64)>, StoreError>;

    /// The plan and the patch that a run names, for the attempt that goes on from there.
    async fn made_by(&self, run: &Run) -> Result<(Option<Plan>, Option<Patch>), StoreError>;

    /// All repositories, for reconcile at start-up.
    async fn repositories(&self) -> Result<Vec<Repository>, StoreError>;

    /// A run by id, whoever owns it, for reconcile at start-up.
    async fn run_unscoped(&self, id: RunId) -> Result<Option<Run>, StoreError>;

    /// A repository by id, for a run whose rights are checked right after.
    async fn repository_unscoped(&self, id: RepositoryId)
    -> Result<Option<Repository>, StoreError>;
}

//! Durable runs as a worker sees them: claims, leases, fences.

use std::time::Duration;

use async_trait::async_trait;
use primitives::{RepositoryId, RunId};

use crate::StoreError;
use crate::model::{Patch, Plan, Repository, Run, RunProblem, RunState};

/// The worker's side of runs. All times are the database's.
#[async_trait]
pub trait RunQueue: Send + Sync {
    /// Claims the oldest run that is QUEUED and due, or RUNNING with a lease that ended:
    /// raises attempt and fence, sets the lease. A run past its deadline becomes TIMED_OUT,
    /// one past its attempts DEAD, and neither is returned here: see [`Self::claim_ended`].
    async fn claim_run(&self, worker: &str, lease: Duration) -> Result<Option<Run>, StoreError>;

    /// Extends the lease; `false` when the fence was lost or the run ended.
    async fn heartbeat(&self, id: RunId, fence: i64, lease: Duration) -> Result<bool, StoreError>;

    /// Puts the run back after `delay`; DEAD when its attempts are used up. Returns the state
    /// it is in now, `None` when the fence was lost.
    async fn retry_run(
        &self,
        id: RunId,
        fence: i64,
        delay: Duration,
        problem: &RunProblem,
    ) -> Result<Option<RunState>, StoreError>;

    /// Claims the oldest run that ended badly (FAILED, TIMED_OUT, DEAD) while nobody has
    /// recorded what that means for its work item: raises the fence and leases the run, its
    /// state stays. A run that its worker saved as FAILED comes here only when that worker's
    /// lease has passed without [`Self::settle_ended`]; one that the queue itself ended
    /// (deadline, attempts) comes at once.
    ///
    /// Whoever claimed it records the failure, idempotently by run id, then settles.
    async fn claim_ended(&self, worker: &str, lease: Duration) -> Result<Option<Run>, StoreError>;

    /// What the bad end of a run means has been recorded: it is not claimed again.
    /// `false` when the fence was lost or the run has not ended.
    async fn settle_ended(&self, id: RunId, fence: i64) -> Result<bool, StoreError>;

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

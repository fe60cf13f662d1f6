//! Live runs as they are stopped from outside: because somebody is gone, or an operator says so.
//!
//! **Invariant:** looking across owners tells only what must be known to stop a run. Stopping
//! it happens in the scope of its owner.

use async_trait::async_trait;
use permissions::{Cleared, Scope, Tenanted, Visible};
use primitives::{RunId, Tenant, Timestamp, UserId};

use crate::StoreError;
use crate::model::RunProblem;

/// Which of the QUEUED and RUNNING runs are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhoseRuns {
    /// All there are.
    All,
    /// Those of this owner, and those on his repositories.
    Of(Tenant),
    /// Those that one person answers for.
    By(UserId),
    /// Those that one person answers for, of this owner or on his repositories.
    ByIn(UserId, Tenant),
}

/// A QUEUED or RUNNING run, as far as one must know it to stop it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiveRun {
    pub id: RunId,
    pub tenant: Tenant,
    pub principal: UserId,
}

impl Tenanted for LiveRun {
    fn tenant(&self) -> Tenant {
        self.tenant
    }
}

/// The way to live runs, whoever owns them.
#[async_trait]
pub trait LiveRuns: Send + Sync {
    /// Live runs made at `until` or before; RUNNING ones first, at most `limit`.
    async fn live_runs(
        &self,
        whose: WhoseRuns,
        until: Timestamp,
        limit: u32,
    ) -> Result<Vec<LiveRun>, StoreError>;
}

/// Part of the agent's transaction.
#[async_trait]
pub trait LiveRunsTx: Send {
    /// Holds those of the runs that are live and that the scope sees until the end.
    async fn lock_live(
        &mut self,
        scope: &Scope,
        runs: &[RunId],
    ) -> Result<Vec<Visible<LiveRun>>, StoreError>;

    /// Ends held runs as CANCELLED for this reason. Whoever works on one has lost it; workers
    /// are told of the end like of those that the queue makes itself
    /// ([`RunQueue::claim_ended`](crate::port::queue::RunQueue::claim_ended)).
    async fn cancel_live(
        &mut self,
        runs: &[Cleared<LiveRun>],
        problem: &RunProblem,
    ) -> Result<(), StoreError>;
}

//! What the services of the agent share.

use std::sync::Arc;

use async_trait::async_trait;
use audit::RefusalSink;
use events::{Once, Wakeups};
use permissions::{Authorizer, Cleared, Denied, Grant, Permission, Scope, Tenanted};
use primitives::{Clock, Tenant};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::port::engine::Engine;
use crate::port::model::Model;
use crate::port::store::{AgentStore, AgentTx};
use crate::port::workspace::Workspace;
use crate::{AgentError, StoreError};

/// An epoch no policy reaches: for transactions that answer to a fence, not to a grant.
pub(crate) const ANY_EPOCH: i64 = i64::MAX;

/// A place between two effects of a run, where a crash must be survivable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checkpoint {
    Claimed,
    PlanStored,
    DiffStored,
    CommitObject,
    RunRef,
    BranchRef,
    EventClaimed,
}

impl Checkpoint {
    pub const ALL: [Self; 7] = [
        Self::Claimed,
        Self::PlanStored,
        Self::DiffStored,
        Self::CommitObject,
        Self::RunRef,
        Self::BranchRef,
        Self::EventClaimed,
    ];

    /// As on the command line of crash tests.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Claimed => "claimed",
            Self::PlanStored => "plan-stored",
            Self::DiffStored => "diff-stored",
            Self::CommitObject => "commit-object",
            Self::RunRef => "run-ref",
            Self::BranchRef => "branch-ref",
            Self::EventClaimed => "event-claimed",
        }
    }
}

/// Is told when a run passes a [`Checkpoint`]; crash tests hold it there.
#[async_trait]
pub trait Checkpoints: Send + Sync {
    async fn reach(&self, point: Checkpoint);
}

/// Passes every checkpoint at once.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoCheckpoints;

#[async_trait]
impl Checkpoints for NoCheckpoints {
    async fn reach(&self, _point: Checkpoint) {}
}

/// Everything the services need. Cheap to clone.
#[derive(Clone)]
pub struct AgentDeps {
    pub store: Arc<dyn AgentStore>,
    pub workspace: Arc<dyn Workspace>,
    pub authorizer: Arc<Authorizer>,
    pub clock: Arc<dyn Clock>,
    /// Without one, the built-in planner plans.
    pub model: Option<Arc<dyn Model>>,
    /// In order of preference; may be empty.
    pub engines: Vec<Arc<dyn Engine>>,
    /// Values that must not be shown to planners or callers, as the model's key.
    pub secrets: Arc<[String]>,
    pub wakeups: Arc<dyn Wakeups>,
    /// Takes audit records of agent reads, which must not delay an answer.
    pub notes: Arc<dyn RefusalSink>,
    pub checkpoints: Arc<dyn Checkpoints>,
}

impl AgentDeps {
    /// The remembered answer of a mutation, in a transaction of its own.
    pub(crate) async fn replayed<T: DeserializeOwned>(
        &self,
        scope: &Scope,
        once: Option<&Once>,
    ) -> Result<Option<T>, AgentError> {
        let Some(once) = once else { return Ok(None) };
        let mut tx = self.store.begin(scope).await?;
        replay(tx.as_mut(), Some(once)).await
    }
}

/// The remembered answer of a mutation.
pub(crate) async fn replay<T: DeserializeOwned>(
    tx: &mut dyn AgentTx,
    once: Option<&Once>,
) -> Result<Option<T>, AgentError> {
    let Some(once) = once else { return Ok(None) };
    let Some(answer) = tx.replay(once).await? else { return Ok(None) };
    let answer = serde_json::from_value(answer).map_err(unreadable)?;
    Ok(Some(answer))
}

/// Remembers the answer of a mutation.
pub(crate) async fn remember<T: Serialize + Sync>(
    tx: &mut dyn AgentTx,
    once: Option<&Once>,
    answer: &T,
    now: primitives::Timestamp,
) -> Result<(), AgentError> {
    let Some(once) = once else { return Ok(()) };
    let answer = serde_json::to_value(answer).map_err(unreadable)?;
    Ok(tx.remember(once, &answer, now).await?)
}

fn unreadable(error: serde_json::Error) -> AgentError {
    AgentError::Store(StoreError::Internal(format!("remembered answer: {error}")))
}

/// Clears a new row that is filed under a work item's owner, or under the caller himself.
pub(crate) fn clear<P: Permission, T: Tenanted>(
    grant: &Grant<P>,
    row: T,
) -> Result<Cleared<T>, Denied> {
    if row.tenant() == Tenant::Person(grant.user()) {
        Ok(grant.own(row))
    } else {
        Ok(grant.admit_in(row.tenant())?.create(row))
    }
}

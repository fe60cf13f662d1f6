//! Ends work from outside, whatever its principal may still do: somebody or a team is gone,
//! or an operator says stop. The one way to do it, for all of them.
//!
//! A stopped run is CANCELLED and its fence is raised: who works on it can write nothing any
//! more, and learns of it with his next sign of life, every 2 s. What that means for the item
//! and for refs is recorded by a worker afterwards, as for every run that nobody holds.

use std::collections::BTreeMap;
use std::sync::Arc;

use audit::AuditEvent;
use permissions::Reporter;
use primitives::{PageRequest, RunId, SessionId, Tenant, Timestamp, UserId};
use serde_json::json;

use super::deps::{ANY_EPOCH, AgentDeps};
use crate::AgentError;
use crate::model::{RunProblem, Session, SessionState};
use crate::port::live::{LiveRun, LiveRuns, WhoseRuns};

/// Runs stopped by one transaction, at most.
const BATCH: u32 = 50;
/// Batches in a row of which none could be stopped, before it is given up.
const MAX_IDLE: u32 = 3;

/// Why work is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// Whoever it was done for is gone.
    PrincipalLeft,
    /// The team it belonged to is gone.
    TeamDeleted,
    /// An operator stopped the agent, here or everywhere.
    KillSwitch,
}

impl StopReason {
    pub const ALL: [Self; 3] = [Self::PrincipalLeft, Self::TeamDeleted, Self::KillSwitch];

    /// From the catalogue of reasons.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PrincipalLeft => "PRINCIPAL_LEFT",
            Self::TeamDeleted => "TEAM_DELETED",
            Self::KillSwitch => "KILL_SWITCH",
        }
    }

    const fn message(self) -> &'static str {
        match self {
            Self::PrincipalLeft => "whoever the agent worked for has left",
            Self::TeamDeleted => "the team was deleted",
            Self::KillSwitch => "an operator has stopped the agent",
        }
    }

    /// What the stopped run and its item show.
    pub fn problem(self) -> RunProblem {
        RunProblem { reason: self.as_str().to_owned(), message: self.message().to_owned() }
    }
}

/// What is to be stopped.
#[derive(Clone, Debug)]
pub struct StopOrder {
    pub whose: WhoseRuns,
    /// Who caused it; recorded as the actor.
    pub by: UserId,
    pub reason: StopReason,
    /// Correlates the records, as the id of a call or an event.
    pub request_id: String,
    /// Only what was begun at this time or before; all of it without one.
    pub until: Option<Timestamp>,
}

/// Stops runs and sessions.
#[derive(Clone)]
pub struct Stops {
    deps: AgentDeps,
    live: Arc<dyn LiveRuns>,
}

impl Stops {
    pub fn new(deps: AgentDeps, live: Arc<dyn LiveRuns>) -> Self {
        Self { deps, live }
    }

    /// Cancels the live runs that are meant, RUNNING ones first, in bounded transactions of
    /// one owner each, with a record for each run. Returns how many. May be repeated.
    #[tracing::instrument(
        name = "stops.cancel_live",
        skip_all,
        fields(reason = order.reason.as_str(), user.id = %order.by)
    )]
    pub async fn cancel_live(&self, order: &StopOrder) -> Result<u64, AgentError> {
        let until = order.until.unwrap_or(Timestamp::from_micros(i64::MAX));
        let (mut stopped, mut idle) = (0, 0);
        while idle < MAX_IDLE {
            let found = self.live.live_runs(order.whose, until, BATCH).await?;
            if found.is_empty() {
                break;
            }
            let mut owners: BTreeMap<Tenant, Vec<RunId>> = BTreeMap::new();
            for run in found {
                owners.entry(run.tenant).or_default().push(run.id);
            }
            let before = stopped;
            for (tenant, runs) in owners {
                stopped += self.cancel(order, tenant, &runs).await?;
            }
            // None: they have ended by themselves meanwhile.
            idle = if stopped == before { idle + 1 } else { 0 };
        }
        if stopped > 0 {
            self.deps.wakeups.wake();
        }
        Ok(stopped)
    }

    /// One owner's runs, in one transaction. It holds no right and needs none, so it goes by
    /// no policy epoch.
    async fn cancel(
        &self,
        order: &StopOrder,
        tenant: Tenant,
        runs: &[RunId],
    ) -> Result<u64, AgentError> {
        let now = self.deps.clock.now();
        let reporter = Reporter::new(tenant, order.by, ANY_EPOCH, &order.request_id, now);
        let scope = reporter.scope();
        let mut tx = self.deps.store.begin(&scope).await?;
        let (mut cleared, mut records) = (Vec::new(), Vec::new());
        for run in tx.lock_live(&scope, runs).await? {
            let row: LiveRun = *run;
            let Some(row) = reporter.clear(&run, row) else { continue };
            let event =
                AuditEvent::of(reporter.caller(), now, tenant, "agent.run.cancelled", row.id);
            let event = AuditEvent { policy_epoch: self.deps.authorizer.epoch(), ..event };
            let details = json!({ "reason": order.reason.as_str(), "principal": row.principal });
            records.push(event.with(details));
            cleared.push(row);
        }
        if cleared.is_empty() {
            return Ok(0);
        }
        tx.cancel_live(&cleared, &order.reason.problem()).await?;
        tx.record(records).await?;
        tx.commit().await?;
        Ok(cleared.len() as u64)
    }

    /// Closes the open sessions of the person whose rows `reporter` clears, those that were
    /// opened at `until` or before. Returns how many. May be repeated.
    #[tracing::instrument(name = "stops.close_sessions", skip_all)]
    pub async fn close_sessions(
        &self,
        reporter: &Reporter,
        until: Timestamp,
    ) -> Result<u64, AgentError> {
        let scope = reporter.scope();
        let mut closed = 0;
        let mut request = PageRequest { size: BATCH, after: None };
        loop {
            let page = self.deps.store.list_sessions(&scope, true, request).await?;
            for session in page.items.iter().filter(|session| session.created_at <= until) {
                closed += u64::from(self.close_session(reporter, session.id).await?);
            }
            match page.next {
                None => return Ok(closed),
                next => request.after = next,
            }
        }
    }

    async fn close_session(&self, reporter: &Reporter, id: SessionId) -> Result<bool, AgentError> {
        let scope = reporter.scope();
        let mut tx = self.deps.store.begin(&scope).await?;
        let Some(session) = tx.lock_session(&scope, id).await? else { return Ok(false) };
        if session.state == SessionState::Closed {
            return Ok(false);
        }
        let now = self.deps.clock.now();
        let closed = Session {
            state: SessionState::Closed,
            closed_at: Some(now),
            ..Session::clone(&session)
        };
        let own = Tenant::Person(closed.owner);
        let Some(closed) = reporter.clear(&session, closed) else { return Ok(false) };
        tx.save_session(&closed).await?;
        let event = AuditEvent::of(reporter.caller(), now, own, "agent.session.closed", id);
        tx.record(vec![event]).await?;
        tx.commit().await?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_is_told() {
        for reason in StopReason::ALL {
            let problem = reason.problem();
            assert_eq!(problem.reason, reason.as_str());
            assert!(!problem.message.is_empty());
        }
    }
}

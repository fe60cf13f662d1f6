//! Somebody or a team is gone: what was left behind stops, is given back, or is put away.
//!
//! Each step is a bounded transaction of one domain and passes over what was done before; the
//! running work comes first. The event is delivered again until every step went through.
//!
//! **Invariant:** who came back before the event did keeps what he took up since he left.

use agent_core::AgentError;
use agent_core::StoreError;
use agent_core::port::live::WhoseRuns;
use agent_core::service::{StopOrder, StopReason};
use events::{Departure, EventRecord};
use permissions::{ItemsEdit, Reporter};
use primitives::{TeamId, Tenant, Timestamp, UserId};
use tracing::info;
use workflow_core::service::Gone;

use super::of_workflow;
use crate::work::Worker;

/// Attempts of one delivery while the policy keeps moving.
const MAX_ATTEMPTS: u32 = 5;
/// Later than anything.
const EVER: Timestamp = Timestamp::from_micros(i64::MAX);

impl Worker {
    /// Goes by the policy that the departure made, or a newer one.
    pub(super) async fn departed(
        &self,
        event: &EventRecord,
        departure: Departure,
    ) -> Result<(), AgentError> {
        self.in_force().await?;
        let mut attempt = 1;
        loop {
            let done = match departure {
                Departure::Left { user, team } => self.left(event, user, team).await,
                Departure::Deactivated { user } => self.deactivated(event, user).await,
                Departure::TeamDeleted { team } => self.team_deleted(event, team).await,
            };
            match done {
                Err(AgentError::Store(StoreError::PolicyMoved(_))) if attempt < MAX_ATTEMPTS => {
                    attempt += 1;
                    self.in_force().await?;
                }
                done => return done,
            }
        }
    }

    async fn left(
        &self,
        event: &EventRecord,
        user: UserId,
        team: TeamId,
    ) -> Result<(), AgentError> {
        let tenant = Tenant::Team(team);
        let until = self.until(event, user, Some(tenant));
        let whose = WhoseRuns::ByIn(user, tenant);
        let stopped = self.stop(event, whose, StopReason::PrincipalLeft, until).await?;
        let gone = Gone { user, from: Some(tenant), until, why: "left the team" };
        let mut released = self.release(event, gone).await?;
        // Items of everyone's workflows are moved by whoever may do so in some team.
        if !self.parts.authorizer.allows::<ItemsEdit>(user, Tenant::Global) {
            released += self.release(event, Gone { from: Some(Tenant::Global), ..gone }).await?;
        }
        info!(stopped, released, "reacted to a member who left");
        Ok(())
    }

    async fn deactivated(&self, event: &EventRecord, user: UserId) -> Result<(), AgentError> {
        let until = self.until(event, user, None);
        let whose = WhoseRuns::By(user);
        let stopped = self.stop(event, whose, StopReason::PrincipalLeft, until).await?;
        let gone = Gone { user, from: None, until, why: "deactivated" };
        let released = self.release(event, gone).await?;
        let reporter = self.reporter_in(event, Tenant::Person(user));
        let archived = self.archive(&reporter, until).await?;
        let closed = self.parts.stops.close_sessions(&reporter, until).await?;
        info!(stopped, released, archived, closed, "reacted to a user who was deactivated");
        Ok(())
    }

    async fn team_deleted(&self, event: &EventRecord, team: TeamId) -> Result<(), AgentError> {
        let tenant = Tenant::Team(team);
        let whose = WhoseRuns::Of(tenant);
        let stopped = self.stop(event, whose, StopReason::TeamDeleted, EVER).await?;
        let archived = self.archive(&self.reporter_in(event, tenant), EVER).await?;
        info!(stopped, archived, "reacted to a team that was deleted");
        Ok(())
    }

    /// Up to when things of his are meant: always, unless he is back.
    fn until(&self, event: &EventRecord, user: UserId, from: Option<Tenant>) -> Timestamp {
        let back = self.parts.authorizer.caller_of(user, &event.id.to_string());
        let is_back = back.is_some_and(|user| from.is_none_or(|from| user.scope().sees(from)));
        if is_back { event.time } else { EVER }
    }

    async fn stop(
        &self,
        event: &EventRecord,
        whose: WhoseRuns,
        reason: StopReason,
        until: Timestamp,
    ) -> Result<u64, AgentError> {
        let request_id = event.id.to_string();
        let order =
            StopOrder { whose, by: event.principal, reason, request_id, until: Some(until) };
        self.parts.stops.cancel_live(&order).await
    }

    async fn release(&self, event: &EventRecord, gone: Gone) -> Result<u64, AgentError> {
        let reporter_in = |tenant| self.reporter_in(event, tenant);
        self.parts.departures.release(gone, &reporter_in).await.map_err(of_workflow)
    }

    async fn archive(&self, reporter: &Reporter, until: Timestamp) -> Result<u64, AgentError> {
        self.parts.departures.archive(reporter, until).await.map_err(of_workflow)
    }

    /// Whoever caused the departure is on record for what follows from it.
    fn reporter_in(&self, event: &EventRecord, tenant: Tenant) -> Reporter {
        let epoch = self.parts.authorizer.epoch();
        let now = self.parts.clock.now();
        Reporter::new(tenant, event.principal, epoch, &event.id.to_string(), now)
    }

    async fn in_force(&self) -> Result<(), AgentError> {
        let current = self.parts.authorizer.catch_up().await;
        current.map_err(|error| StoreError::Unavailable(error.to_string()).into())
    }
}

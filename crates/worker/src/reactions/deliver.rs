//! An event happened: it meets each trigger that listens to it, or what somebody left behind
//! is taken care of.

use std::time::Duration;

use agent_core::service::Checkpoint;
use agent_core::{AgentError, StoreError};
use events::{ClaimedEvent, Departure, EventRecord, EventType, MAX_FAN_OUT, Stop};
use permissions::{ItemsCreate, Reporter};
use tracing::{Instrument, field, info_span, warn};
use workflow_core::model::{FiringOutcome, TriggerMatch};

use super::of_workflow;
use crate::work::Worker;

/// Deliveries of one event before it is left to an operator.
const MAX_DELIVERIES: u32 = 10;

impl Worker {
    /// Delivers a claimed event under a span that names it.
    pub(crate) async fn deliver(&self, claimed: ClaimedEvent) {
        let span = info_span!(
            "outbox.deliver",
            event.id = %claimed.event.id,
            event.kind = claimed.event.kind.as_str(),
            event.attempt = claimed.attempt,
            delivery = field::Empty,
        );
        async {
            self.parts.runner.reach(Checkpoint::EventClaimed).await;
            let delivery = match self.react_to(&claimed.event).await {
                Ok(()) => {
                    self.settle_event(&claimed, None).await;
                    "done"
                }
                Err(error) => {
                    warn!(%error, "event {} was not delivered", claimed.event.id);
                    let _ =
                        self.parts.authorizer.refresh().await.inspect_err(|error| warn!(%error));
                    self.settle_event(&claimed, Some(error.to_string())).await;
                    "retry"
                }
            };
            tracing::Span::current().record("delivery", delivery);
        }
        .instrument(span)
        .await;
    }

    async fn settle_event(&self, claimed: &ClaimedEvent, problem: Option<String>) {
        let id = claimed.event.id;
        let settled = match problem {
            None => self.parts.outbox.finish_event(claimed).await,
            Some(problem) => {
                let again = claimed.attempt < MAX_DELIVERIES;
                let delay =
                    again.then(|| self.pause_after(claimed.attempt).min(Duration::from_mins(5)));
                self.parts.outbox.retry_event(claimed, delay, &problem).await
            }
        };
        if let Err(error) = settled {
            warn!(%error, "event {id} waits for its lease to end");
        }
    }

    async fn react_to(&self, event: &EventRecord) -> Result<(), AgentError> {
        match event.kind {
            EventType::PlanCompleted
            | EventType::ApplySuccess
            | EventType::ApplyFailure
            | EventType::PatchReverted => self.meet_all(event).await,
            EventType::MemberLeft | EventType::UserDeactivated | EventType::TeamDeleted => {
                let departure = Departure::of(event);
                let departure = departure.ok_or_else(|| unreadable(event))?;
                self.departed(event, departure).await
            }
            EventType::AgentStopped => {
                let stop = Stop::of(event).ok_or_else(|| unreadable(event))?;
                self.stopped(event, stop).await
            }
        }
    }

    async fn meet_all(&self, event: &EventRecord) -> Result<(), AgentError> {
        let reached = self.parts.triggers.reached(event, MAX_FAN_OUT).await.map_err(of_workflow)?;
        for trigger in reached {
            self.meet(event, &trigger).await?;
        }
        Ok(())
    }

    async fn meet(&self, event: &EventRecord, trigger: &TriggerMatch) -> Result<(), AgentError> {
        let request = event.id.to_string();
        let authorizer = &self.parts.authorizer;
        let caller = authorizer.caller_of(event.principal, &request);
        let grant = caller.and_then(|caller| authorizer.require::<ItemsCreate>(&caller).ok());
        let now = self.parts.clock.now();
        let reporter =
            Reporter::new(trigger.tenant, event.principal, authorizer.epoch(), &request, now);
        let is_there = |user, tenant| {
            authorizer.caller_of(user, &request).is_some_and(|user| user.scope().sees(tenant))
        };
        let triggers = &self.parts.triggers;
        let fired = triggers.fire(grant.as_ref(), &reporter, event, trigger, &is_there).await;
        if let Some(firing) = fired.map_err(of_workflow)? {
            let outcome = match firing.outcome {
                FiringOutcome::Fired => "fired",
                FiringOutcome::Refused => "refused",
            };
            self.parts.observer.trigger_fired(outcome);
            self.parts.wakeups.wake();
        }
        Ok(())
    }
}

fn unreadable(event: &EventRecord) -> AgentError {
    StoreError::Internal(format!("event {} says something else than its type", event.id)).into()
}

//! An operator stopped the agent: what was ordered until then is cancelled.

use agent_core::AgentError;
use agent_core::port::live::WhoseRuns;
use agent_core::service::{StopOrder, StopReason};
use events::{EventRecord, Stop};
use primitives::Tenant;
use tracing::info;

use crate::work::Worker;

impl Worker {
    pub(super) async fn stopped(&self, event: &EventRecord, stop: Stop) -> Result<(), AgentError> {
        let whose = match stop.place {
            Tenant::Global => WhoseRuns::All,
            place => WhoseRuns::Of(place),
        };
        let order = StopOrder {
            whose,
            by: event.principal,
            reason: StopReason::KillSwitch,
            request_id: event.id.to_string(),
            until: Some(event.time),
        };
        let stopped = self.parts.stops.cancel_live(&order).await?;
        info!(stopped, "reacted to the kill switch");
        Ok(())
    }
}

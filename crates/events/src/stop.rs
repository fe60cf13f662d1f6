//! The agent is stopped, everywhere or for one team.

use primitives::{EventId, Tenant, Timestamp, UserId};
use serde_json::json;

use crate::{EventRecord, EventType};

/// Whose work an operator stops: a team's, or (global) everybody's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stop {
    /// A team, or everyone.
    pub place: Tenant,
}

impl Stop {
    /// The event to publish, caused by `principal`.
    pub fn event(self, principal: UserId, time: Timestamp) -> EventRecord {
        EventRecord {
            id: EventId::generate(),
            kind: EventType::AgentStopped,
            version: 1,
            tenant: self.place,
            principal,
            cause: None,
            summary: EventType::AgentStopped.headline().to_owned(),
            repository: None,
            payload: json!({}),
            time,
        }
    }

    /// Reads it back. `None` for events of other types.
    pub fn of(event: &EventRecord) -> Option<Self> {
        (event.kind == EventType::AgentStopped).then_some(Self { place: event.tenant })
    }
}

//! Audit records.

use api::audit as wire;
use audit::Outcome;
use audit::port::StoredEvent;

use super::json;
use super::scalar::time;

pub(crate) fn event(event: StoredEvent) -> wire::AuditEvent {
    let outcome = match event.outcome {
        Outcome::Success => wire::Outcome::Success,
        Outcome::Failure => wire::Outcome::Failure,
        Outcome::Denied => wire::Outcome::Denied,
    };
    wire::AuditEvent {
        name: event.id.to_string(),
        time: time(event.time),
        actor: event.actor.to_string(),
        on_behalf_of: String::new(),
        action: event.action,
        resource: event.resource,
        tenant: event.tenant.to_string(),
        outcome: outcome.into(),
        request_id: event.request_id,
        details: event.payload.as_ref().and_then(json::shown_value),
    }
}
